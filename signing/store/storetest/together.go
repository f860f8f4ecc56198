package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/outbox"
	"sigill/signing"
	"sigill/signing/orders"
)

// Together is the concurrency part alone.
func Together(t *testing.T, open func(*testing.T) Subject) {
	t.Run("one version is updated once", func(t *testing.T) {
		sub := open(t)
		s := sub.Store
		add(t, s, orders.Change{Row: aRow("a")})
		for i := range rounds() {
			winner := -1
			won := race(func(racer int) bool {
				r := aRow("a")
				r.Version, r.Head, r.Body = int64(i), fmt.Append(nil, racer), fmt.Append(nil, racer)
				err := s.Update(ctx, orders.Change{Row: r,
					Parts:  []orders.Part{{Name: "part", Sealed: fmt.Append(nil, racer)}},
					Outbox: []outbox.Entry{anEntry("a", fmt.Sprint(i, " ", racer))}, Events: []audit.Event{anEvent("a")}})
				if err != nil && !errors.Is(err, broker.ErrConflict) {
					t.Error(err)
				}
				if err == nil {
					winner = racer // one alone comes here, or the test fails
				}
				return err == nil
			})
			if won != 1 {
				t.Fatalf("round %d: updated %d times", i, won)
			}
			r, err := s.Order(ctx, "demo", "a")
			check(t, err)
			part, err := s.Part(ctx, "a", "part")
			check(t, err)
			want := fmt.Sprint(winner)
			if r.Version != int64(i+1) || string(r.Head) != want || string(r.Body) != want || string(part) != want {
				t.Fatalf("round %d: %s won, and it is version %d, %s, %s, %s", i, want, r.Version, r.Head, r.Body, part)
			}
		}
		same(t, "events", rounds(), len(sub.Events(t)))
		same(t, "outbox", rounds(), len(sub.Outbox(t)))
	})
	t.Run("a request makes one order", func(t *testing.T) {
		sub := open(t)
		s := sub.Store
		for i := range rounds() {
			var mu sync.Mutex
			answers := map[string]int{}
			won := race(func(racer int) bool {
				id := fmt.Sprint("o", i, "-", racer)
				r := aRequest(fmt.Sprint(i))
				if racer == 7 {
					r.Body = []byte("another")
				}
				earlier, err := s.Create(ctx, orders.Change{Row: aRow(id), Events: []audit.Event{anEvent(id)}}, r)
				if err != nil {
					if !errors.Is(err, broker.ErrConflict) {
						t.Error(err)
					}
					return false
				}
				if earlier != "" {
					id = earlier
				}
				mu.Lock()
				answers[id]++
				mu.Unlock()
				return earlier == ""
			})
			if won != 1 || len(answers) != 1 {
				t.Fatalf("round %d: created %d times, answered %v", i, won, answers)
			}
		}
		same(t, "events", rounds(), len(sub.Events(t)))
	})
	t.Run("erased or updated", func(t *testing.T) {
		sub := open(t)
		s := sub.Store
		before := withoutEvents(sub.Dump(t))
		acts := 0
		for i := range rounds() {
			add(t, s, aChange("a"))
			acts += 2
			var mu sync.Mutex
			erased := race(func(racer int) bool {
				if racer%2 == 0 {
					err := s.Delete(ctx, "demo", "a", anEvent("a"))
					if err != nil && !errors.Is(err, broker.ErrNotFound) {
						t.Error(err)
					}
					return err == nil
				}
				err := s.Update(ctx, orders.Change{Row: aRow("a"), Invitations: []orders.Invitation{{Hash: []byte("new"), N: 1, Created: start}},
					Outbox: []outbox.Entry{anEntry("a", "new")}, Events: []audit.Event{anEvent("a")}})
				switch {
				case err == nil:
					mu.Lock()
					acts++
					mu.Unlock()
				case !errors.Is(err, broker.ErrNotFound) && !errors.Is(err, broker.ErrConflict):
					t.Error(err)
				}
				return false
			})
			acts++
			if erased != 1 {
				t.Fatalf("round %d: erased %d times", i, erased)
			}
			same(t, "rows", before, withoutEvents(sub.Dump(t)))
		}
		same(t, "events", acts, len(sub.Events(t)))
	})
	t.Run("a code leads to one", func(t *testing.T) {
		s := open(t).Store
		for i := range racers {
			add(t, s, orders.Change{Row: aRow(fmt.Sprint("o", i))})
		}
		versions := make([]int64, racers)
		for i := range rounds() {
			hash := fmt.Append(nil, "code ", i)
			winner := -1
			won := race(func(racer int) bool {
				r := aRow(fmt.Sprint("o", racer))
				r.Version = versions[racer]
				err := s.Update(ctx, orders.Change{Row: r, Invitations: []orders.Invitation{{Hash: hash, N: racer, Created: start}}})
				if err != nil && !errors.Is(err, broker.ErrConflict) {
					t.Error(err)
				}
				if err == nil {
					winner = racer
					versions[racer]++
				}
				return err == nil
			})
			if won != 1 {
				t.Fatalf("round %d: %d got the code", i, won)
			}
			sameInvitation(t, s, "demo", string(hash), fmt.Sprint("o", winner), winner)
		}
	})
	t.Run("an e-ID order ends once", func(t *testing.T) {
		s := open(t).Store
		add(t, s, orders.Change{Row: aRow("a")})
		for i := range rounds() {
			eid := fmt.Sprint("eid ", i)
			// Those who lose read again and try again, as their service does.
			race(func(racer int) bool {
				for {
					r, err := s.Order(ctx, "demo", "a")
					if err != nil {
						t.Error(err)
						return false
					}
					a := orders.Attempt{EIDOrder: eid, N: 1, Made: start}
					if racer > 0 {
						a.Outcome = fmt.Sprint("outcome ", racer)
					}
					err = s.Update(ctx, orders.Change{Row: r, Attempt: &a})
					if errors.Is(err, broker.ErrConflict) {
						continue
					}
					if err != nil {
						t.Error(err)
					}
					return true
				}
			})
			_, a, err := s.Attempt(ctx, eid)
			check(t, err)
			if a.Outcome == "" {
				t.Fatalf("round %d: the outcome was lost", i)
			}
		}
	})
	t.Run("readers see whole acts", func(t *testing.T) {
		s := open(t).Store
		add(t, s, orders.Change{Row: aRow("a")})
		n := 4 * rounds()
		race(func(racer int) bool {
			for i := range n {
				if racer == 0 {
					r := aRow("a")
					r.Version = int64(i)
					r.Head, r.Body = fmt.Append(nil, i), fmt.Append(nil, i)
					if err := s.Update(ctx, orders.Change{Row: r}); err != nil {
						t.Error(err)
					}
					continue
				}
				r, err := s.Order(ctx, "demo", "a")
				if err != nil {
					t.Error(err)
				}
				if r.Version > 0 && (string(r.Head) != string(r.Body) || string(r.Head) != fmt.Sprint(r.Version-1)) {
					t.Errorf("version %d with head %q and body %q", r.Version, r.Head, r.Body)
				}
			}
			return true
		})
	})
	t.Run("nobody awaits what is over", func(t *testing.T) {
		s := open(t).Store
		for i := range rounds() {
			id := fmt.Sprint("o", i)
			add(t, s, orders.Change{Row: aRow(id), Persons: map[int][]byte{1: []byte("one")}})
			race(func(racer int) bool {
				if racer == 0 {
					r := aRow(id)
					r.State = signing.Cancelled
					if err := s.Update(ctx, orders.Change{Row: r}); err != nil {
						t.Error(err)
					}
					return true
				}
				list, err := s.Awaiting(ctx, "demo", []byte("one"), orders.Mark{}, 10)
				if err != nil {
					t.Error(err)
				}
				for _, r := range list {
					if r.State != signing.Open {
						t.Errorf("listed an order that is %s", r.State)
					}
				}
				return true
			})
		}
	})
}
