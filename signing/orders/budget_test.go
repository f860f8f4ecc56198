package orders_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/broker"
	"sigill/signing"
	"sigill/signing/orders"
)

// TestBudget: however a client goes about it, nobody is written to without end.
func TestBudget(t *testing.T) {
	people := slices.DeleteFunc(slices.Clone(many), func(n string) bool { return n == one })
	for name, pump := range map[string]func(b *bench, o signing.Order, i int) error{
		"another address": func(b *bench, o signing.Order, i int) error {
			_, err := b.service.Correct(ctx, "kommun", o.ID, 2, signing.Contact{Email: fmt.Sprintf("victim%d@example.se", i), Invite: signing.InviteEmail})
			return err
		},
		"another document": func(b *bench, o signing.Order, i int) error {
			_, err := b.service.Change(ctx, "kommun", o.ID, []signing.Document{{Name: "A", Kind: signing.KindText, Text: fmt.Sprint(i)}})
			return err
		},
		"another person": func(b *bench, o signing.Order, i int) error {
			n := len(b.order(o.ID).Signatories)
			_, err := b.service.Replace(ctx, "kommun", o.ID, n, signing.WishedSignatory{
				Number: people[n-1], Name: "Testperson", Email: "victim@example.se", Invite: signing.InviteEmail})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			o := b.create(wish())
			b.workAll()
			turn := 0
			times := func(want int) {
				t.Helper()
				for range want {
					turn++
					b.ok(pump(b, o, turn))
					b.workAll()
				}
				before, version := b.order(o.ID), func() int64 { r, _ := b.store.Order(ctx, "kommun", o.ID); return r.Version }
				was, planned := version(), len(b.store.all)
				b.is(pump(b, o, turn+1), orders.ErrTooSoon)
				if diff := cmp.Diff(fmt.Sprint(before), fmt.Sprint(b.order(o.ID))); diff != "" || version() != was || len(b.store.all) != planned {
					t.Errorf("something changed: %s", diff)
				}
			}
			for range 3 {
				times(3)
				b.wait(time.Hour)
			}
			times(1)
			b.wait(2 * time.Hour)
			times(0)
			// Reminders go on, and nobody else pays for it.
			if _, err := b.service.Remind(ctx, "kommun", o.ID); err != nil {
				t.Errorf("reminding: %v", err)
			}
			b.ok(pump(b, b.create(wish()), 0))
			b.wait(19 * time.Hour) // the first three were a day ago
			times(3)
		})
	}
	// Whoever is not written to may be changed as often as one likes.
	b := newBench(t)
	w := wish()
	w.Signatories = w.Signatories[:1]
	o := b.create(w)
	for i := range 20 {
		_, err := b.service.Change(ctx, "kommun", o.ID, []signing.Document{{Name: "A", Kind: signing.KindText, Text: fmt.Sprint(i)}})
		b.ok(err)
	}
}

// TestBarred: nobody is asked who may not log in at the client.
func TestBarred(t *testing.T) {
	const coordination, child = "199409812386", "201409032388"
	for name, c := range map[string]struct {
		rule   func(*broker.Client)
		number string
		days   int // to the deadline
		ok     bool
	}{
		"no rule, coordination": {func(*broker.Client) {}, coordination, 1, true},
		"no rule, child":        {func(*broker.Client) {}, child, 1, true},
		"coordination":          {func(c *broker.Client) { c.NoCoordination = true }, coordination, 1, false},
		"too young":             {func(c *broker.Client) { c.MinAge = 12 }, child, 1, false},
		"old enough in time":    {func(c *broker.Client) { c.MinAge = 12 }, child, 300, true},
		"neither":               {func(c *broker.Client) { c.MinAge, c.NoCoordination = 18, true }, two, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			client := b.clients["kommun"]
			c.rule(&client)
			b.clients["kommun"] = client
			w := wish()
			w.Deadline = b.clock().Add(time.Duration(c.days) * 24 * time.Hour)
			o := b.create(w)
			w.Signatories[1].Number = c.number
			_, _, err := b.service.Create(ctx, client, w, "", [32]byte{})
			_, also := b.service.Replace(ctx, "kommun", o.ID, 2, signing.WishedSignatory{Number: c.number, Name: "Testperson", Invite: signing.InviteNone})
			if c.ok {
				if c.number != two {
					b.ok(errors.Join(err, also))
				}
				b.ok(err)
				return
			}
			if diff := cmp.Diff([]string{"signatories[1].pnr"}, faults(t, err)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{"pnr"}, faults(t, also)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
