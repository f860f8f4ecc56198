// Package storetest is the contract of orders.Store as tests. A store's own test
// makes an empty one and hands it over; whoever passes may be used.
//
// In the concurrency part eight goroutines race for what only one may get: a few
// rounds as a rule, a thousand when SIGILL_SOAK=1. In the fault part every
// statement that an act makes fails once.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/outbox"
	"sigill/signing"
	"sigill/signing/orders"
)

// Store is what is tested.
type Store interface {
	orders.Store
	Record(ctx context.Context, events ...audit.Event) error
	Purge(ctx context.Context, now time.Time) error
}

// Subject is an empty store and how to look behind it.
type Subject struct {
	Store  Store
	Events func(*testing.T) []audit.Event  // all that were written, oldest first
	Outbox func(*testing.T) []outbox.Item  // all that is there, oldest first
	Dump   func(*testing.T) map[string]int // every row of every table as text, and how many times
	Faults []Fault                         // every statement that can fail
}

// Fault is a statement that fails from Break to Mend.
type Fault struct {
	Name        string
	Break, Mend func(*testing.T)
}

// racers is how many go for one thing.
const racers = 8

// ctx is that of calls that nobody interrupts.
var ctx = context.Background()

// start is a whole millisecond, which is what stores keep.
var start = time.Date(2026, 3, 1, 12, 0, 0, int(7*time.Millisecond), time.UTC)

func rounds() int {
	if os.Getenv("SIGILL_SOAK") == "1" {
		return 1000
	}
	return 25
}

// race lets all racers run act at once and counts how many times it gave true.
func race(act func(racer int) bool) int {
	var begin, done sync.WaitGroup
	begin.Add(1)
	var mu sync.Mutex
	won := 0
	for i := range racers {
		done.Go(func() {
			begin.Wait()
			if act(i) {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	begin.Done()
	done.Wait()
	return won
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, err, want error, what string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, not %q", what, err, want)
	}
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// Orders tests a store. open makes an empty one.
func Orders(t *testing.T, open func(*testing.T) Subject) {
	Acts(t, open)
	t.Run("faults", func(t *testing.T) { faults(t, open) })
}

// Acts is all but the faults.
func Acts(t *testing.T, open func(*testing.T) Subject) {
	t.Run("create", func(t *testing.T) { create(t, open) })
	t.Run("update", func(t *testing.T) { update(t, open) })
	t.Run("lists", func(t *testing.T) { lists(t, open) })
	t.Run("delete", func(t *testing.T) { deletion(t, open) })
	t.Run("requests", func(t *testing.T) { requests(t, open) })
	t.Run("together", func(t *testing.T) { Together(t, open) })
}

// aRow has something in every field.
func aRow(id string) orders.Row {
	return orders.Row{
		ID: id, Client: "demo", State: signing.Open, Created: start, Due: start.Add(time.Hour),
		Head: []byte("head \x00 of " + id), Key: []byte("key \x00 of " + id), Body: []byte("body \x00 of " + id),
	}
}

func aRequest(key string) orders.Request {
	return orders.Request{Client: "demo", Key: []byte("key \x00 " + key), Body: []byte("body \x00 " + key), Made: start}
}

func anEvent(order string) audit.Event {
	return audit.Event{Type: audit.OrderStarted, At: start, Client: "demo", Provider: "mbankid", Instance: "kommunen", Order: order, Person: "ff00"}
}

func anEntry(order, id string) outbox.Entry {
	return outbox.Entry{ID: id, Kind: "mail", Ref: order, Stream: order + "/1", Payload: []byte("sealed \x00 " + id), Created: start, Due: start.Add(time.Minute)}
}

// aChange makes a new order with all that an order can have.
func aChange(id string) orders.Change {
	return orders.Change{
		Row: aRow(id), Persons: map[int][]byte{1: []byte("one"), 2: []byte("two")},
		Parts:       []orders.Part{{Name: "file/1", Sealed: []byte("file \x00 of " + id)}, {Name: "file/2", Sealed: []byte("more of " + id)}},
		Invitations: []orders.Invitation{{Hash: []byte("one \x00 to " + id), N: 1, Created: start}, {Hash: []byte("two to " + id), N: 2, Created: start}},
		Attempt:     &orders.Attempt{EIDOrder: "eid of " + id, N: 1, Made: start},
		Outbox:      []outbox.Entry{anEntry(id, "a of "+id), anEntry(id, "b of "+id)},
		Events:      []audit.Event{anEvent(id), anEvent(id)},
	}
}

// add creates an order from a change.
func add(t *testing.T, s Store, c orders.Change) {
	t.Helper()
	earlier, err := s.Create(ctx, c, aRequest(c.Row.ID))
	check(t, err)
	if earlier != "" {
		t.Fatalf("%s is %s already", c.Row.ID, earlier)
	}
}

func sameOrder(t *testing.T, s Store, want orders.Row) {
	t.Helper()
	got, err := s.Order(ctx, want.Client, want.ID)
	check(t, err)
	same(t, "order", want, got)
}

func samePart(t *testing.T, s Store, id, name, want string) {
	t.Helper()
	got, err := s.Part(ctx, id, name)
	if want == "" {
		refused(t, err, broker.ErrNotFound, "part "+name)
		return
	}
	check(t, err)
	same(t, "part "+name, want, string(got))
}

func sameInvitation(t *testing.T, s Store, client, hash, id string, n int) {
	t.Helper()
	gotID, gotN, err := s.Invitation(ctx, client, []byte(hash))
	if id == "" {
		refused(t, err, broker.ErrNotFound, "invitation "+hash)
		return
	}
	check(t, err)
	same(t, "invitation "+hash, fmt.Sprint(id, " ", n), fmt.Sprint(gotID, " ", gotN))
}

func sameAttempt(t *testing.T, s Store, id string, want orders.Attempt) {
	t.Helper()
	gotID, got, err := s.Attempt(ctx, want.EIDOrder)
	check(t, err)
	same(t, "attempt's order", id, gotID)
	same(t, "attempt", want, got)
}

// ids names the rows of a list.
func ids(list []orders.Row) string {
	var out []string
	for _, r := range list {
		out = append(out, r.ID)
	}
	return strings.Join(out, " ")
}

// waiting tells which outbox entries are in a state, as "a of x, b of x".
func waiting(t *testing.T, s Subject, state outbox.State) string {
	var out []string
	for _, i := range s.Outbox(t) {
		if i.State == state {
			out = append(out, i.ID)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}
