package orders_test

import (
	"errors"
	"testing"
	"time"

	"sigill/broker/flow"
	"sigill/broker/kit/sqldb"
	"sigill/providers"
	"sigill/signing"
	"sigill/signing/orders"
)

// TestDown: nobody ran while the time of an order went out. Whoever had begun to
// sign in time is waited for, for a day.
func TestDown(t *testing.T) {
	failed := func(s flow.Settled) flow.Settled {
		s.Done, s.Failed = nil, &providers.Failed{Reason: providers.Cancelled}
		return s
	}
	for name, c := range map[string]struct {
		down time.Duration // after the deadline
		told func(flow.Settled) flow.Settled
		want signing.State // when it has been told
	}{
		"signed in time":    {21 * time.Minute, func(s flow.Settled) flow.Settled { return s }, signing.Sealing},
		"signed, hours ago": {23 * time.Hour, func(s flow.Settled) flow.Settled { return s }, signing.Sealing},
		"a day and more":    {24 * time.Hour, func(s flow.Settled) flow.Settled { return s }, signing.Expired},
		"not signed":        {time.Hour, failed, signing.Expired},
		"signed too late": {time.Hour, func(s flow.Settled) flow.Settled {
			s.Done.Identity.At = s.Done.Identity.At.Add(30 * time.Minute)
			return s
		}, signing.Expired},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			w := wish()
			w.Signatories, w.Deadline = w.Signatories[:1], b.clock().Add(time.Hour)
			o := b.create(w)
			b.wait(58 * time.Minute)
			proof := c.told(b.proof(b.sign(o, 1, one)))
			b.wait(o.Deadline.Add(c.down).Sub(b.clock()))
			b.again()
			orders.Due(ctx, b.service)
			if state := b.order(o.ID).State; (state == signing.Open) != (c.down < 24*time.Hour) {
				t.Errorf("before it is told the order is %s", state)
			}
			b.settle(proof)
			orders.Due(ctx, b.service)
			b.state(o.ID, c.want)
		})
	}
	// Whoever begins after the deadline is not waited for, nor is who signed.
	b := newBench(t)
	o := b.create(wish())
	b.settle(b.proof(b.sign(o, 1, one)))
	b.wait(o.Deadline.Add(signing.Grace).Sub(b.clock()))
	orders.Due(ctx, b.service)
	b.state(o.ID, signing.Expired)
	// Nor is an e-ID order that certainly never began; one that may have begun is.
	for _, c := range []struct {
		err  error
		want signing.State
	}{{&providers.BadRequest{Field: "x", Problem: "y"}, signing.Expired}, {errors.New("nobody knows"), signing.Open}} {
		b := newBench(t)
		o := b.create(wish())
		b.fail["begin"] = c.err
		start := orders.Start{Digest: b.order(o.ID).Digest, Provider: providers.MBankID, Mode: providers.ModeOther, Browser: "b"}
		if _, err := b.service.Sign(ctx, "kommun", o.ID, 1, b.guest(one), start); !errors.Is(err, c.err) {
			t.Fatalf("%v", err)
		}
		b.wait(o.Deadline.Add(signing.Grace).Sub(b.clock()))
		orders.Due(ctx, b.service)
		b.state(o.ID, c.want)
	}
}

// An e-ID order whose note got no answer from the database never begins, and the
// signing order waits for it no longer than for nothing, whether the note is there
// or not.
func TestUncertainNote(t *testing.T) {
	for name, stored := range map[string]bool{"stored": true, "not stored": false} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			o := b.create(wish())
			asked := 0
			b.store.cut = func(after bool) error {
				if after != stored {
					return nil
				}
				if asked++; asked == 1 {
					return sqldb.ErrUncertain
				}
				return nil
			}
			start := orders.Start{Digest: b.order(o.ID).Digest, Provider: providers.MBankID, Mode: providers.ModeOther, Browser: "b"}
			_, err := b.service.Sign(ctx, "kommun", o.ID, 1, b.guest(one), start)
			b.is(err, sqldb.ErrUncertain)
			if len(b.begun) != 0 {
				t.Error("it began")
			}
			b.wait(o.Deadline.Add(signing.Grace).Sub(b.clock()))
			orders.Due(ctx, b.service)
			b.state(o.ID, signing.Expired)
		})
	}
}

// A clock that is ahead alone ends and erases nothing.
func TestDueByTheTimeThatHasCome(t *testing.T) {
	b := newBench(t)
	o := b.create(wish())
	past := b.clock()
	b.service.Past = func() time.Time { return past }
	b.wait(10 * 365 * 24 * time.Hour)
	orders.Due(ctx, b.service)
	b.state(o.ID, signing.Open)
	past = o.Deadline.Add(-time.Minute) // a reminder is due, and no more
	orders.Due(ctx, b.service)
	b.state(o.ID, signing.Open)
	past = o.Deadline.Add(signing.Grace)
	orders.Due(ctx, b.service)
	b.state(o.ID, signing.Expired)
}
