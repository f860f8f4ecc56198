package orders_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/signing"
	"sigill/signing/orders"
)

// TestFetching: whoever fetches changes nothing, so that nobody waits for it; it
// is noted, and again after ten minutes.
func TestFetching(t *testing.T) {
	b := newBench(t)
	o := b.create(wish())
	finished := b.create(wish())
	b.settle(b.proof(b.sign(finished, 1, one)))
	b.settle(b.proof(b.sign(finished, 2, two)))
	b.workAll()
	b.state(finished.ID, signing.Completed)
	for name, c := range map[string]struct {
		id    string
		event string
		fetch func() error
	}{
		"a document":       {o.ID, "read document 2 *", func() error { _, err := b.service.File(ctx, "kommun", o.ID, 1, b.guest(one), 1); return err }},
		"a receipt":        {finished.ID, "read receipt *", func() error { _, err := b.service.ReceiptFor(ctx, "kommun", finished.ID, 1, b.guest(one)); return err }},
		"what is over":     {finished.ID, "read order *", func() error { _, err := b.service.Visit(ctx, "kommun", finished.ID, 1, b.guest(one)); return err }},
		"client, receipt":  {finished.ID, "read receipt", func() error { _, err := b.service.Receipt(ctx, "kommun", finished.ID); return err }},
		"client, evidence": {finished.ID, "read evidence", func() error { _, err := b.service.Evidence(ctx, "kommun", finished.ID); return err }},
	} {
		noted := func() (n int) {
			for _, e := range b.events(c.id) {
				if e == c.event {
					n++
				}
			}
			return n
		}
		row, err := b.store.Order(ctx, "kommun", c.id)
		b.ok(err)
		// What is not noted is not given, and the next try is noted.
		down := errors.New("down")
		b.config.Audit = recorder(func() error { return down })
		b.again()
		if err := c.fetch(); !errors.Is(err, down) {
			t.Errorf("%s: given without a note: %v", name, err)
		}
		b.config.Audit = b.store
		b.again()
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				for range 4 {
					if err := c.fetch(); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			})
		}
		group.Wait()
		if n := noted(); n != 1 {
			t.Errorf("%s: noted %d times", name, n)
		}
		b.wait(10 * time.Minute)
		b.ok(c.fetch())
		if n := noted(); n != 2 {
			t.Errorf("%s: noted %d times ten minutes later", name, n)
		}
		if again, err := b.store.Order(ctx, "kommun", c.id); err != nil || again.Version != row.Version {
			t.Errorf("%s: the order was written %d times", name, again.Version-row.Version)
		}
	}
	// Another person's is another note, and so is another revision's.
	_, err := b.service.File(ctx, "kommun", o.ID, 2, b.guest(two), 1)
	b.ok(err)
	_, err = b.service.Change(ctx, "kommun", o.ID, []signing.Document{{Name: "A", Kind: signing.KindText, Text: "a"}, {Name: "B", Kind: signing.KindText, Text: "b"}})
	b.ok(err)
	_, err = b.service.File(ctx, "kommun", o.ID, 2, b.guest(two), 1)
	b.ok(err)
	if got := slices.DeleteFunc(b.events(o.ID), func(e string) bool { return e != "read document 2 *" }); len(got) != 4 {
		t.Errorf("noted %d times", len(got))
	}
}

// recorder is an orders.Recorder that fails.
type recorder func() error

func (r recorder) Record(context.Context, ...audit.Event) error { return r() }

// TestWrongCodesAreNoted: also those that cannot be a code; at most five an hour.
func TestWrongCodesAreNoted(t *testing.T) {
	b := newBench(t)
	for i, code := range []string{"BCDF 2345", "", "aeiou", "2222 2222", "x", "BCDF 2345", "x"} {
		want := broker.ErrNotFound
		if i >= 5 {
			want = orders.ErrTooMany
		}
		_, _, err := b.service.ByCode(ctx, "kommun", code, b.guest(two))
		b.is(err, want)
	}
	if n := slices.DeleteFunc(b.events(""), func(e string) bool { return e != "invitation_refused *" }); len(n) != 5 {
		t.Errorf("noted: %q", n)
	}
}
