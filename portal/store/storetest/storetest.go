// Package storetest is the contract of portal/store as tests. An engine's own
// test makes an empty database and hands it over; whoever passes may be used.
//
// In the concurrency part eight goroutines race for what only one may get: a few
// rounds as a rule, a thousand when SIGILL_SOAK=1. In the fault part every
// statement that an act makes fails once.
package storetest

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/store"
)

// Subject is an empty database and how to look behind it.
type Subject struct {
	DB *sqldb.DB
	// Others are the same database, as other processes have it open.
	Others []*sqldb.DB
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

// start is a whole millisecond, which is what is kept.
var start = time.Date(2026, 3, 1, 12, 0, 0, int(7*time.Millisecond), time.UTC)

func at(minute int) time.Time { return start.Add(time.Duration(minute) * time.Minute) }

func rounds() int {
	if os.Getenv("SIGILL_SOAK") == "1" {
		return 1000
	}
	return 15
}

// race lets all racers run act at once, each with a database, and counts how
// many times it gave true.
func (s Subject) race(act func(racer int, db *sqldb.DB) bool) int {
	all := append([]*sqldb.DB{s.DB}, s.Others...)
	var begin, done sync.WaitGroup
	begin.Add(1)
	var mu sync.Mutex
	won := 0
	for i := range racers {
		done.Go(func() {
			begin.Wait()
			if act(i, all[i%len(all)]) {
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

func (s Subject) last() store.Reader { return store.Last(ctx, s.DB) }

// write runs statements in one transaction.
func (s Subject) write(statements ...func(*sqldb.Tx) error) error {
	return s.DB.Write(ctx, func(tx *sqldb.Tx) error {
		for _, do := range statements {
			if err := do(tx); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s Subject) must(t *testing.T, statements ...func(*sqldb.Tx) error) {
	t.Helper()
	check(t, s.write(statements...))
}

func check(t testing.TB, err error) {
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

// Portal tests a database. open makes an empty one.
func Portal(t *testing.T, open func(*testing.T) Subject) {
	Acts(t, open)
	t.Run("faults", func(t *testing.T) { faults(t, open) })
}

// Acts is all but the faults.
func Acts(t *testing.T, open func(*testing.T) Subject) {
	t.Run("drafts", func(t *testing.T) { drafts(t, open) })
	t.Run("draft lists", func(t *testing.T) { draftLists(t, open) })
	t.Run("cases", func(t *testing.T) { cases(t, open) })
	t.Run("case lists", func(t *testing.T) { caseLists(t, open) })
	t.Run("people", func(t *testing.T) { people(t, open) })
	t.Run("sessions", func(t *testing.T) { sessions(t, open) })
	t.Run("versions", func(t *testing.T) { versions(t, open) })
	t.Run("erased", func(t *testing.T) { erased(t, open) })
	t.Run("together", func(t *testing.T) { Together(t, open) })
}

// aDraft has something in every field.
func aDraft(id string) store.Draft {
	return store.Draft{
		DraftHead: portal.DraftHead{ID: portal.DraftID(id), Tenant: "exempelby", Service: "bygglov", Version: "hash", State: portal.Waiting, Revision: 3,
			Order: "order of " + id, Returned: portal.ReturnedExpired, Anonymous: true, Created: start, Changed: at(1), Expires: at(60)},
		Owner: "one", Key: []byte("key \x00 of " + id), Body: []byte("body \x00 of " + id), Written: 2, Notes: []byte("notes \x00 of " + id),
		Outgoing: []byte("outgoing \x00 of " + id), Attempt: "attempt of " + id, Looked: at(2),
	}
}

// plain is an open draft as it begins.
func plain(id string) store.Draft {
	return store.Draft{
		DraftHead: portal.DraftHead{ID: portal.DraftID(id), Tenant: "exempelby", Service: "bygglov", Version: "hash", State: portal.Open, Revision: 1,
			Created: start, Changed: start, Expires: at(60)},
		Owner: "one", Key: []byte("key"), Body: []byte("body"), Written: 1,
	}
}

func aCase(id string) store.Case {
	return store.Case{
		CaseHead: portal.CaseHead{ID: portal.CaseID(id), Number: "EXB-" + id, Tenant: "exempelby", Service: "bygglov", Version: "hash", Group: "bygg",
			State: portal.Arrived, Arrived: start, Changed: at(1), Closed: at(2), Erase: at(3), Order: "order of " + id, Anonymous: true},
		Body: []byte("body \x00 of " + id),
	}
}

func aMessage(of, id string, by portal.Role) store.Message {
	return store.Message{ID: id, Case: portal.CaseID(of), At: start, By: by, Body: []byte("message \x00 " + id)}
}

func anEntry(ref, id string) outbox.Entry {
	return outbox.Entry{ID: id, Kind: "notice", Ref: ref, Payload: []byte("sealed \x00 " + id), Created: start}
}

// fullDraft writes a draft with all that a draft can have.
func fullDraft(id string) func(*sqldb.Tx) error {
	return func(tx *sqldb.Tx) error {
		return errors.Join(
			store.InsertDraft(tx, aDraft(id)),
			store.InsertDraftFile(tx, store.DraftFile{ID: "f1", Draft: portal.DraftID(id), Size: 4, Sealed: []byte("\x00one"), Created: at(2)}),
			store.InsertDraftFile(tx, store.DraftFile{ID: "f2", Draft: portal.DraftID(id), Size: 3, Sealed: []byte("two"), Created: at(1)}),
			store.PutAside(tx, store.Aside{Draft: portal.DraftID(id), Base: 1, Body: []byte("\x00late"), Saved: at(1)}),
			store.InsertAsked(tx, store.Asked{Draft: portal.DraftID(id), Order: "order of " + id, Person: "two", Tenant: "exempelby", Sealed: []byte("\x00title")}),
			store.InsertAsked(tx, store.Asked{Draft: portal.DraftID(id), Order: "order of " + id, Person: "three", Tenant: "exempelby", Sealed: []byte("title")}),
			outbox.Insert(tx, anEntry(id, "entry of draft "+id)),
		)
	}
}

// fullCase writes a case with all that a case can have.
func fullCase(id string) func(*sqldb.Tx) error {
	return func(tx *sqldb.Tx) error {
		return errors.Join(
			store.InsertCase(tx, aCase(id)),
			store.InsertPerson(tx, store.CasePerson{Case: portal.CaseID(id), Person: "two"}),
			store.InsertPerson(tx, store.CasePerson{Case: portal.CaseID(id), Person: "one", Owner: true}),
			store.InsertCaseFile(tx, store.CaseFile{ID: "f2", Case: portal.CaseID(id), Kind: portal.SignedPDF, Meta: []byte("\x00meta"), Sealed: []byte("\x00pdf")}),
			store.InsertCaseFile(tx, store.CaseFile{ID: "f1", Case: portal.CaseID(id), Kind: portal.Attachment, Meta: []byte("meta"), Sealed: []byte("picture")}),
			store.InsertMessage(tx, aMessage(id, "m2 of "+id, portal.ByOfficer)),
			store.InsertMessage(tx, aMessage(id, "m1 of "+id, portal.ByCitizen)),
			store.InsertEvent(tx, store.Event{Case: portal.CaseID(id), At: at(1), Kind: portal.EventArrived, State: portal.Arrived, By: portal.ByCitizen}),
			store.InsertEvent(tx, store.Event{Case: portal.CaseID(id), At: start, Kind: portal.EventMessage, By: portal.ByOfficer}),
			outbox.Insert(tx, anEntry(id, "entry of case "+id)),
		)
	}
}

func draftIDs(list []store.Draft) string {
	var out []string
	for _, d := range list {
		out = append(out, string(d.ID))
	}
	return strings.Join(out, " ")
}

func caseIDs(list []store.Case) string {
	var out []string
	for _, c := range list {
		out = append(out, string(c.ID))
	}
	return strings.Join(out, " ")
}
