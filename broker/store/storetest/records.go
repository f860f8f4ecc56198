package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/oidc"
	"sigill/providers"
)

// RecordStore keeps what outlasts a login, and the orders that logins consume.
type RecordStore interface {
	OrderStore
	oidc.Records
	LoginRecord(ctx context.Context, login string) (broker.LoginRecord, error)
}

// Records tests a store of login records. open makes an empty one.
func Records(t *testing.T, open func(*testing.T, *Clock) (RecordStore, Events)) {
	begin := func(t *testing.T) (RecordStore, Events, time.Time) {
		c := NewClock()
		s, events := open(t, c)
		return s, events, c.Now()
	}
	record := func(login string, order broker.OrderID, now time.Time) broker.LoginRecord {
		return broker.LoginRecord{
			Login: login, Order: order, Client: "demo", Provider: providers.BankID, Sealed: []byte("sealed \x00 record"),
			At: now, Expires: now.Add(time.Hour),
		}
	}
	done := func(t *testing.T, s RecordStore, id string, now time.Time) broker.Order {
		t.Helper()
		o := anOrder(id, now)
		o.Phase = broker.Done
		check(t, s.CreateOrder(ctx, o))
		return o
	}
	wantTypes := func(t *testing.T, events Events, want ...audit.Type) {
		t.Helper()
		var got []audit.Type
		for _, e := range events(t) {
			got = append(got, e.Type)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("events (-want +got):\n%s", diff)
		}
	}

	t.Run("subject", func(t *testing.T) {
		s, _, _ := begin(t)
		names := map[string]bool{}
		for _, person := range [][]byte{{1}, {2}, {0}, {1, 0}} {
			for _, sector := range []string{"a", "b"} {
				first, err := s.Subject(ctx, person, sector)
				check(t, err)
				if len(first) < 22 {
					t.Errorf("%q is short for 128 random bits", first)
				}
				if names[first] {
					t.Errorf("two persons or sectors have the name %s", first)
				}
				names[first] = true
				again, err := s.Subject(ctx, person, sector)
				check(t, err)
				if again != first {
					t.Errorf("%s became %s", first, again)
				}
			}
		}
		if _, err := s.Subject(ctx, nil, "a"); err == nil {
			t.Error("nobody has a name")
		}
		if _, err := s.Subject(ctx, []byte{1}, ""); err == nil {
			t.Error("a name in no sector")
		}
	})
	t.Run("record", func(t *testing.T) {
		s, events, now := begin(t)
		check(t, s.Record(ctx))
		e := anEvent(audit.ClientRefused, now)
		check(t, s.Record(ctx, e, e))
		if diff := cmp.Diff([]audit.Event{e, e}, events(t)); diff != "" {
			t.Fatalf("events (-want +got):\n%s", diff)
		}
	})
	t.Run("finish without an order", func(t *testing.T) {
		s, events, now := begin(t)
		r := record("l", "", now)
		check(t, s.FinishLogin(ctx, r, anEvent(audit.LoginReused, now)))
		got, err := s.LoginRecord(ctx, "l")
		check(t, err)
		if diff := cmp.Diff(r, got); diff != "" {
			t.Fatalf("record (-want +got):\n%s", diff)
		}
		if err := s.FinishLogin(ctx, r, anEvent(audit.LoginReused, now)); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("finished twice: %v", err)
		}
		check(t, s.FinishLogin(ctx, record("m", "", now)))
		if _, err := s.LoginRecord(ctx, "unknown"); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("read what is not there: %v", err)
		}
		if err := s.FinishLogin(ctx, record("", "", now)); err == nil {
			t.Error("finished a login without a name")
		}
		wantTypes(t, events, audit.LoginReused)
	})
	t.Run("finish consumes the order", func(t *testing.T) {
		s, events, now := begin(t)
		o := done(t, s, "a", now)
		later := now.Add(time.Second)
		check(t, s.FinishLogin(ctx, record("l", "a", later), anEvent(audit.LoginCompleted, later)))
		got, err := s.Order(ctx, "a")
		check(t, err)
		want := o
		want.Consumed, want.Changed, want.Version = later, later, o.Version+1
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("order (-want +got):\n%s", diff)
		}
		// Whoever was cut off before it heard the answer asks again.
		again := record("l", "a", later.Add(time.Second))
		again.Sealed = []byte("sealed again")
		check(t, s.FinishLogin(ctx, again, anEvent(audit.LoginCompleted, later)))
		if r, err := s.LoginRecord(ctx, "l"); err != nil || !cmp.Equal(r, record("l", "a", later)) {
			t.Errorf("the same again changed the record: %v, %v", r, err)
		}
		if o, err := s.Order(ctx, "a"); err != nil || !cmp.Equal(o, want) {
			t.Errorf("the same again changed the order: %v, %v", o, err)
		}
		// Whoever read the order before cannot undo that.
		if err := s.UpdateOrder(ctx, o); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("an old version was written over a consumed order: %v", err)
		}
		if err := s.FinishLogin(ctx, record("m", "a", later), anEvent(audit.LoginCompleted, later)); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("another login with the same order: %v", err)
		}
		if _, err := s.LoginRecord(ctx, "m"); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("the refused login left a record: %v", err)
		}
		done(t, s, "b", now)
		if err := s.FinishLogin(ctx, record("l", "b", later), anEvent(audit.LoginCompleted, later)); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("the same login with another order: %v", err)
		}
		if b, err := s.Order(ctx, "b"); err != nil || !b.Consumed.IsZero() {
			t.Errorf("the refused login consumed an order: %v, %v", b.Consumed, err)
		}
		wantTypes(t, events, audit.LoginCompleted)
	})
	t.Run("only a verified order finishes a login", func(t *testing.T) {
		s, events, now := begin(t)
		for _, phase := range []broker.Phase{broker.Pending, broker.Failed} {
			o := anOrder(string(phase), now)
			o.Phase = phase
			check(t, s.CreateOrder(ctx, o))
		}
		for _, id := range []broker.OrderID{"pending", "failed", "unknown"} {
			if err := s.FinishLogin(ctx, record("l", id, now), anEvent(audit.LoginCompleted, now)); !errors.Is(err, broker.ErrConflict) {
				t.Errorf("%s order: %v", id, err)
			}
		}
		if _, err := s.LoginRecord(ctx, "l"); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("the refused login left a record: %v", err)
		}
		wantTypes(t, events)
	})
	t.Run("an order that was taken over otherwise", func(t *testing.T) {
		s, _, now := begin(t)
		o := done(t, s, "a", now)
		o.Consumed = now
		check(t, s.UpdateOrder(ctx, o))
		if err := s.FinishLogin(ctx, record("l", "a", now)); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("consumed twice: %v", err)
		}
	})
	t.Run("a bad event undoes the act", func(t *testing.T) {
		s, events, now := begin(t)
		done(t, s, "a", now)
		if s.FinishLogin(ctx, record("l", "a", now), anEvent(audit.LoginCompleted, now), audit.Event{}) == nil {
			t.Error("wrote an event without type and time")
		}
		if o, err := s.Order(ctx, "a"); err != nil || !o.Consumed.IsZero() {
			t.Errorf("the order is consumed all the same: %v", err)
		}
		wantTypes(t, events)
	})
	t.Run("race to name a person", func(t *testing.T) {
		s, _, _ := begin(t)
		for n := range rounds() {
			var mu sync.Mutex
			names := map[string]bool{}
			race(func(int) bool {
				sub, err := s.Subject(ctx, fmt.Append(nil, n), "sector")
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				names[sub] = true
				mu.Unlock()
				return true
			})
			if len(names) != 1 {
				t.Fatalf("round %d: %d names", n, len(names))
			}
		}
	})
	t.Run("race to finish", func(t *testing.T) {
		for _, c := range []struct {
			name  string
			login func(round, racer int) string
			order func(round, racer int) string
			wins  int
		}{
			// All of them mean the same, which is written once.
			{"one login, one order", func(n, _ int) string { return fmt.Sprint(n) }, func(n, _ int) string { return fmt.Sprint(n) }, racers},
			{"one login without order", func(n, _ int) string { return fmt.Sprint(n) }, func(int, int) string { return "" }, 1},
			{"many logins, one order", func(n, r int) string { return fmt.Sprint(n, r) }, func(n, _ int) string { return fmt.Sprint(n) }, 1},
			{"one login, many orders", func(n, _ int) string { return fmt.Sprint(n) }, func(n, r int) string { return fmt.Sprint(n, r) }, 1},
		} {
			t.Run(c.name, func(t *testing.T) {
				s, events, now := begin(t)
				rounds := rounds()
				for n := range rounds {
					made := map[string]bool{"": true}
					for r := range racers {
						if id := c.order(n, r); !made[id] {
							done(t, s, id, now)
							made[id] = true
						}
					}
					won := race(func(racer int) bool {
						r := record(c.login(n, racer), broker.OrderID(c.order(n, racer)), now)
						err := s.FinishLogin(ctx, r, anEvent(audit.LoginCompleted, now))
						if err != nil && !errors.Is(err, broker.ErrConflict) {
							t.Error(err)
						}
						return err == nil
					})
					if won != c.wins {
						t.Fatalf("round %d: finished %d times, not %d", n, won, c.wins)
					}
					consumed := 0
					for id := range made {
						if id == "" {
							continue
						}
						o, err := s.Order(ctx, broker.OrderID(id))
						check(t, err)
						if !o.Consumed.IsZero() {
							consumed++
						}
					}
					if len(made) > 1 && consumed != 1 {
						t.Fatalf("round %d: %d orders are consumed", n, consumed)
					}
				}
				if got := len(events(t)); got != rounds {
					t.Errorf("%d events of %d logins", got, rounds)
				}
			})
		}
	})
	t.Run("race of an update and the finish", func(t *testing.T) {
		// A consumed order stays consumed, whoever writes at the same time.
		s, _, now := begin(t)
		for n := range rounds() {
			id := fmt.Sprint(n)
			o := done(t, s, id, now)
			finished := race(func(racer int) bool {
				if racer == 0 {
					return s.FinishLogin(ctx, record(id, broker.OrderID(id), now)) == nil
				}
				if err := s.UpdateOrder(ctx, o); err != nil && !errors.Is(err, broker.ErrConflict) {
					t.Error(err)
				}
				return false
			})
			got, err := s.Order(ctx, o.ID)
			check(t, err)
			if finished != 1 || got.Consumed.IsZero() {
				t.Fatalf("round %d: finished %d times, consumed at %v", n, finished, got.Consumed)
			}
		}
	})
}
