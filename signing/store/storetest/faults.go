package storetest

import (
	"testing"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/outbox"
	"sigill/signing"
	"sigill/signing/orders"
)

// faults lets each statement fail that an act makes: nothing of the act is left.
func faults(t *testing.T, open func(*testing.T) Subject) {
	fresh := func() Subject {
		sub := open(t)
		add(t, sub.Store, aChange("a"))
		add(t, sub.Store, aChange("other"))
		return sub
	}
	row := aRow("a")
	row.Head, row.Body = []byte("new head"), []byte("new body")
	over := row
	over.State, over.Key = signing.Completed, nil
	for _, act := range []struct {
		name       string
		do         func(Store) error
		statements int // that it makes at least
	}{
		{"create", func(s Store) error { _, err := s.Create(ctx, aChange("new"), aRequest("new")); return err }, 9},
		{"update", func(s Store) error {
			return s.Update(ctx, orders.Change{
				Row: row, Persons: map[int][]byte{3: []byte("three")},
				Parts:       []orders.Part{{Name: "file/1"}, {Name: "file/2", Sealed: []byte("changed")}, {Name: "file/3", Sealed: []byte("new")}},
				Invitations: []orders.Invitation{{Hash: []byte("new"), N: 1, Created: start}}, Drop: []int{1},
				Attempt: &orders.Attempt{EIDOrder: "eid of a", N: 1, Outcome: "signed", Made: start},
				Outbox:  []outbox.Entry{anEntry("a", "new")}, Withdraw: []string{"mail"}, Events: []audit.Event{anEvent("a")},
			})
		}, 13},
		{"end", func(s Store) error {
			return s.Update(ctx, orders.Change{Row: over, Attempt: &orders.Attempt{EIDOrder: "another", N: 1, Made: start}, Events: []audit.Event{anEvent("a")}})
		}, 5},
		{"delete", func(s Store) error { return s.Delete(ctx, "demo", "a", anEvent("a")) }, 9},
	} {
		t.Run(act.name, func(t *testing.T) {
			sub := fresh()
			before := sub.Dump(t)
			failed := 0
			for i := range sub.Faults {
				f := sub.Faults[i]
				f.Break(t)
				err := act.do(sub.Store)
				f.Mend(t)
				if err == nil { // it does without that statement
					sub = fresh()
					continue
				}
				failed++
				same(t, "rows after "+f.Name+" failed", before, sub.Dump(t))
			}
			if failed < act.statements {
				t.Errorf("%d statements failed, of at least %d", failed, act.statements)
			}
			check(t, act.do(sub.Store))
		})
	}
}
