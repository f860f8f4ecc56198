package orders_test

import (
	"testing"
	"time"

	"sigill/broker"
	"sigill/signing"
	"sigill/signing/orders"
)

// TestManyFail: what cannot be done, however much, keeps nothing else from being
// done.
func TestManyFail(t *testing.T) {
	b := newBench(t)
	w := wish()
	w.Signatories, w.Documents = w.Signatories[:1], w.Documents[:1]
	for range 130 {
		b.create(w)
	}
	b.ok(b.db.Write(ctx, func(tx *txOf) error { _, err := tx.Exec(`UPDATE orders SET head = 'broken'`); return err }))
	b.wait(time.Second)
	last := b.create(w)
	b.wait(31 * 24 * time.Hour)
	orders.Due(ctx, b.service)
	b.state(last.ID, signing.Expired)
	// Nor from being erased.
	b.ok(b.db.Write(ctx, func(tx *txOf) error {
		_, err := tx.Exec(`UPDATE orders SET ended = created WHERE head = 'broken'`)
		return err
	}))
	b.ok(b.db.Write(ctx, func(tx *txOf) error { _, err := tx.Exec(`UPDATE orders SET due = NULL`); return err }))
	b.wait(3 * 365 * 24 * time.Hour)
	b.ok(orders.Purge(ctx, b.service))
	_, err := b.service.Order(ctx, "kommun", last.ID)
	b.is(err, broker.ErrNotFound)
}

// TestAwaitingBehindOthers: orders that others sign first hide none.
func TestAwaitingBehindOthers(t *testing.T) {
	b := newBench(t)
	w := wish()
	w.Documents, w.Sequence = w.Documents[:1], signing.Sequential
	mine := wish()
	mine.Documents = mine.Documents[:1]
	first := b.create(mine)
	for range 120 {
		b.wait(time.Second)
		b.create(w)
	}
	list, err := b.service.Awaiting(ctx, "kommun", b.guest(two))
	if b.ok(err); len(list) != 1 || list[0].Order.ID != first.ID {
		t.Errorf("%d await", len(list))
	}
	if list, err = b.service.Awaiting(ctx, "kommun", b.guest(one)); err != nil || len(list) != 100 || list[99].Order.ID == first.ID {
		t.Errorf("%d await, %v", len(list), err)
	}
}
