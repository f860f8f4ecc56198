package orders_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"sigill/broker"
	"sigill/providers"
	"sigill/signing"
	"sigill/signing/orders"
)

// TestSignsWhatWasShown: what the client changes between the page and the button
// is not signed, nor does it count as read.
func TestSignsWhatWasShown(t *testing.T) {
	b := newBench(t)
	o := b.create(wish())
	v, err := b.service.Visit(ctx, "kommun", o.ID, 1, b.guest(one))
	b.ok(err)
	w := wish()
	w.Documents[0].Content[1].Rows[0].Value = "Något annat"
	_, err = b.service.Change(ctx, "kommun", o.ID, w.Documents)
	b.ok(err)
	start := orders.Start{Digest: v.Order.Digest, Provider: providers.MBankID, Mode: providers.ModeOther, Browser: "x"}
	try := func(s orders.Start) (broker.OrderID, error) {
		b.wait(4 * time.Second)
		return b.service.Sign(ctx, "kommun", o.ID, 1, b.guest(one), s)
	}
	none := start
	none.Digest = [32]byte{}
	for name, s := range map[string]orders.Start{"what was there before": start, "nothing": none} {
		if _, err := try(s); !errors.Is(err, signing.ErrOutdated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	now, err := b.service.Glance(ctx, "kommun", o.ID, 1, b.guest(one))
	b.ok(err)
	if now.Body.Documents != nil || now.Order.Digest == v.Order.Digest || len(b.begun) != 0 {
		t.Errorf("a glance shows %d documents; %d begun", len(now.Body.Documents), len(b.begun))
	}
	reads := func() (n int) {
		for _, e := range b.events(o.ID) {
			if e == "read documents *" {
				n++
			}
		}
		return n
	}
	if reads() != 1 {
		t.Errorf("read before it was shown: %v", b.events(o.ID))
	}
	v, err = b.service.Visit(ctx, "kommun", o.ID, 1, b.guest(one))
	b.ok(err)
	if start.Digest = v.Order.Digest; reads() != 2 {
		t.Errorf("%v", b.events(o.ID))
	}
	_, err = try(start)
	b.ok(err)
}

// TestGlanceOpensNothing, also for the right person.
func TestGlanceOpensNothing(t *testing.T) {
	b := newBench(t)
	o := b.create(wish())
	before := b.events(o.ID)
	v, err := b.service.Glance(ctx, "kommun", o.ID, 1, b.guest(one))
	b.ok(err)
	if v.N != 1 || v.Order.Title != o.Title || !v.Order.Signatories[1].Number.IsZero() || v.Order.Callback != "" || v.Asker == "" {
		t.Errorf("%+v", v)
	}
	if now := b.order(o.ID); now.Signatories[0].State == signing.Opened || !slices.Equal(before, b.events(o.ID)) {
		t.Errorf("%s, %v", now.Signatories[0].State, b.events(o.ID))
	}
	for name, err := range map[string]error{
		"another": func() error { _, err := b.service.Glance(ctx, "kommun", o.ID, 1, b.guest(alien)); return err }(),
		"no such": func() error {
			_, err := b.service.Glance(ctx, "kommun", broker.NewID(), 1, b.guest(alien))
			return err
		}(),
	} {
		if !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAgain: an e-ID order that came to nothing is asked for again with the
// content that it was for, and no other.
func TestAgain(t *testing.T) {
	b := newBench(t)
	o := b.create(wish())
	failed := b.sign(o, 1, one)
	again := orders.Start{Again: failed, Provider: providers.MBankID, Mode: providers.ModeOther, Browser: "x"}
	try := func(n int, digits string, s orders.Start) error {
		b.wait(4 * time.Second)
		_, err := b.service.Sign(ctx, "kommun", o.ID, n, b.guest(digits), s)
		return err
	}
	b.ok(try(1, one, again))
	unknown := again
	unknown.Again = "unknown"
	b.is(try(1, one, unknown), signing.ErrOutdated)
	b.is(try(2, two, again), signing.ErrOutdated) // another's
	w := wish()
	w.Documents[0].Content[1].Rows[0].Value = "Något annat"
	changed, err := b.service.Change(ctx, "kommun", o.ID, w.Documents)
	b.ok(err)
	again.Digest = changed.Digest // which counts for nothing beside it
	b.is(try(1, one, again), signing.ErrOutdated)
}
