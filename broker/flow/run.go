package flow

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/providers"
)

// Run watches this node's orders until ctx ends: it takes its own back after a
// restart, takes over those of nodes that fell silent, and asks the issuers.
// Calls under way are waited for.
func (e *Engine) Run(ctx context.Context) error {
	defer e.calls.Wait()
	if err := e.claim(ctx, true); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() { e.keepLeases(ctx) })
	for _, d := range e.desks {
		group.Go(func() { e.deliver(ctx, d) })
	}

	slots := make(chan struct{}, e.Limits.Workers)
	for {
		o, r, wait, ok := e.schedule.next(e.Now())
		if !ok {
			timer := time.NewTimer(wait)
			select {
			case <-ctx.Done():
				timer.Stop()
				return nil
			case <-e.schedule.wake:
			case <-timer.C:
			}
			timer.Stop()
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case slots <- struct{}{}:
		}
		group.Go(func() {
			defer func() { <-slots }()
			if next, watch := e.ask(ctx, o, r); watch {
				e.schedule.again(o.ID, e.Now().Add(jitter(next)))
			}
		})
	}
}

// jitter spreads polls by up to a tenth, so that orders that began together do
// not stay together.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d + time.Duration(rand.Int64N(int64(d)/10+1))
}

func (e *Engine) keepLeases(ctx context.Context) {
	tick := time.NewTicker(e.Limits.Lease / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if e.schedule.len() > 0 {
			if err := e.Leases.RenewLeases(ctx, e.Node, e.Now().Add(e.Limits.Lease)); err != nil && ctx.Err() == nil {
				e.Log.Error("leases not renewed", "error", err)
			}
		}
		if err := e.claim(ctx, false); err != nil && ctx.Err() == nil {
			e.Log.Error("orders of silent nodes not claimed", "error", err)
		}
	}
}

// claim takes over what nobody watches. An order that cannot be opened is left:
// without its record there is nothing to ask with, and it ends by its deadline.
func (e *Engine) claim(ctx context.Context, own bool) error {
	const batch = 200
	for {
		fresh, found, err := e.claimSome(ctx, own, batch)
		if err != nil || fresh == 0 || found < batch {
			return err
		}
	}
}

func (e *Engine) claimSome(ctx context.Context, own bool, limit int) (fresh, found int, err error) {
	e.claiming.Lock()
	defer e.claiming.Unlock()
	now := e.Now()
	orders, err := e.Leases.ClaimOrders(ctx, e.Node, own, now, now.Add(e.Limits.Lease), limit)
	if err != nil {
		return 0, 0, fmt.Errorf("claim orders: %w", err)
	}
	for _, o := range orders {
		r, err := e.open(o)
		if err != nil {
			e.Log.Error("order cannot be read", "order", o.ID, "error", err)
			continue
		}
		if e.schedule.add(o, r, now, now) {
			fresh++
		}
	}
	return fresh, len(orders), nil
}

// ask asks the issuer about one order and stores what has changed. It reports
// when to ask again, and whether at all.
//
// Being told to stop does not interrupt it: the issuer may have given its only
// answer already, and what it gave must be stored.
func (e *Engine) ask(ctx context.Context, o broker.Order, r record) (time.Duration, bool) {
	ctx = context.WithoutCancel(ctx)
	now := e.Now()
	p, ok := e.Provider(o.Provider, o.Instance)
	switch {
	case !ok:
		// Configured away while the order was under way.
		e.Log.Error("e-ID of a pending order is not configured", "order", o.ID, "provider", o.Provider, "instance", o.Instance)
		return e.end(ctx, o, r, providers.Failed{Reason: providers.Unknown, Text: textUnknown})
	case !r.Answered && !now.Before(o.Deadline):
		e.cancelAtIssuer(o, r)
		return e.end(ctx, o, r, providers.Failed{Reason: providers.TimedOut, Text: textTimedOut})
	case !o.PickedUp && !r.Answered && !e.present(ctx, o, e.Limits.Gone):
		e.cancelAtIssuer(o, r)
		return e.end(ctx, o, r, providers.Failed{Reason: providers.Cancelled, Hint: "browserGone", Text: textCancelled})
	}

	for {
		call, done := context.WithTimeout(ctx, e.Limits.Call)
		state, step, err := p.Continue(call, r.State, providers.Event{Kind: providers.Tick})
		done()
		var down *providers.Unavailable
		if errors.As(err, &down) {
			e.Log.InfoContext(ctx, "issuer did not answer; asking again", "order", o.ID, "provider", o.Provider, "error", err)
			return e.Limits.Retry, true
		}
		if err != nil {
			e.Log.ErrorContext(ctx, "e-ID order cannot be continued", "order", o.ID, "provider", o.Provider, "error", err)
			return e.end(ctx, o, r, providers.Failed{Reason: providers.Unknown, Text: textUnknown})
		}

		switch s := step.(type) {
		case providers.Wait:
			answered := s.Next <= 0
			if !bytes.Equal(state, r.State) || s.PickedUp != o.PickedUp || answered != r.Answered {
				r.State, r.Answered, o.PickedUp = state, answered, s.PickedUp || answered
				if err := e.store(ctx, &o, r); err != nil {
					return e.afterConflict(ctx, o, r, err)
				}
				e.schedule.refresh(o, r)
			}
			if answered {
				continue
			}
			return s.Next, true

		case providers.Done:
			if n := r.Request.Number; !n.IsZero() && s.Identity.Number != n {
				// The provider has verified that already, or should have.
				e.Log.ErrorContext(ctx, "e-ID order was completed by another person than it was locked to", "order", o.ID, "provider", o.Provider)
				return e.end(ctx, o, r, providers.Failed{Reason: providers.EvidenceRefused, Check: "person", Text: textUnknown})
			}
			return e.complete(ctx, o, r, s)

		case providers.Failed:
			return e.failed(ctx, p, o, r, s)

		default:
			e.Log.ErrorContext(ctx, "e-ID order continued with an unexpected step", "order", o.ID, "step", fmt.Sprintf("%T", step))
			return e.end(ctx, o, r, providers.Failed{Reason: providers.Unknown, Text: textUnknown})
		}
	}
}

// afterConflict decides what to do when a change could not be stored: look at
// what is there now. An answer that the issuer gives only once is kept by
// trying again on top of it.
func (e *Engine) afterConflict(ctx context.Context, o broker.Order, r record, cause error) (time.Duration, bool) {
	if !errors.Is(cause, broker.ErrConflict) {
		// The disk is full or the database away. The answer, if it was one, is
		// still in memory: keep it there and try again soon.
		e.Log.ErrorContext(ctx, "e-ID order not stored; trying again", "order", o.ID, "error", cause)
		e.schedule.refresh(o, r)
		return e.Limits.Retry, true
	}
	current, now, err := e.change(ctx, o.ID, func(c *broker.Order, cr *record) ([]audit.Event, bool, error) {
		if c.Phase != broker.Pending {
			return nil, false, nil
		}
		if cr.Answered {
			return nil, false, nil
		}
		cr.State, cr.Answered, c.PickedUp = r.State, r.Answered, c.PickedUp || o.PickedUp
		return nil, true, nil
	})
	if err != nil || current.Phase != broker.Pending {
		if err != nil {
			e.Log.ErrorContext(ctx, "e-ID order not stored", "order", o.ID, "error", err)
			return e.Limits.Retry, true
		}
		e.schedule.drop(o.ID)
		return 0, false
	}
	e.schedule.refresh(current, now)
	if now.Answered {
		return 0, true
	}
	return e.Limits.Retry, true
}

// complete takes in a verified proof: first wins, whoever holds the lease.
func (e *Engine) complete(ctx context.Context, o broker.Order, r record, d providers.Done) (time.Duration, bool) {
	finish := func(o *broker.Order, r *record) ([]audit.Event, bool, error) {
		if o.Phase != broker.Pending {
			return nil, false, nil
		}
		o.Phase, o.Reason, o.PickedUp = broker.Done, "", true
		r.State, r.Answered, r.Failed = nil, false, nil
		r.Identity, r.Media, r.Evidence = &d.Identity, d.Evidence.MediaType, d.Evidence.Bytes
		return []audit.Event{e.event(*o, *r, audit.OrderCompleted)}, true, nil
	}
	return e.finally(ctx, o, r, finish)
}

// end takes in that there will be no proof.
func (e *Engine) end(ctx context.Context, o broker.Order, r record, f providers.Failed) (time.Duration, bool) {
	return e.finally(ctx, o, r, func(o *broker.Order, r *record) ([]audit.Event, bool, error) {
		if o.Phase != broker.Pending {
			return nil, false, nil
		}
		fail(o, r, f)
		events := []audit.Event{e.event(*o, *r, audit.OrderFailed)}
		if f.Reason == providers.EvidenceRefused {
			events = append(events, e.event(*o, *r, audit.EvidenceRefused))
		}
		return events, true, nil
	})
}

// finally applies a last change to what we know of the order and, only if
// somebody else was first, to what is stored.
func (e *Engine) finally(ctx context.Context, o broker.Order, r record, edit func(*broker.Order, *record) ([]audit.Event, bool, error)) (time.Duration, bool) {
	events, changed, _ := edit(&o, &r)
	if !changed {
		e.schedule.drop(o.ID)
		return 0, false
	}
	err := e.store(ctx, &o, r, events...)
	if errors.Is(err, broker.ErrConflict) {
		_, _, err = e.change(ctx, o.ID, edit)
	}
	if err == nil || errors.Is(err, broker.ErrNotFound) {
		e.schedule.drop(o.ID)
		return 0, false
	}
	// Not stored: the raw answer stands stored since before, so the next turn
	// comes to the same end.
	e.Log.ErrorContext(ctx, "end of an e-ID order not stored; trying again", "order", o.ID, "error", err)
	return e.Limits.Retry, true
}

// failed handles an order that the issuer ended, of which two are not the end:
// a code that nobody scanned in time while somebody still looks at it, and an
// answer that another node may have fetched.
func (e *Engine) failed(ctx context.Context, p providers.Provider, o broker.Order, r record, f providers.Failed) (time.Duration, bool) {
	now := e.Now()
	switch {
	case f.Reason == providers.StartFailed && o.Mode == providers.ModeOther &&
		now.Before(o.Created.Add(e.Limits.Renewal)) && e.present(ctx, o, e.Limits.Present):
		wait, err := e.start(ctx, p, &o, &r)
		if err != nil {
			e.Log.ErrorContext(ctx, "e-ID order not restarted", "order", o.ID, "error", err)
			return e.end(ctx, o, r, f)
		}
		if o.Phase != broker.Pending {
			again := *r.Failed
			o.Phase, o.Reason = broker.Pending, ""
			return e.end(ctx, o, r, again)
		}
		o.Restarts++
		o.PickedUp = false
		if err := e.store(ctx, &o, r, e.event(o, r, audit.OrderRestarted)); err != nil {
			e.cancelAtIssuer(o, r)
			if errors.Is(err, broker.ErrConflict) {
				// Cancelled or ended meanwhile; look again at the next turn.
				return e.reread(ctx, o.ID)
			}
			e.Log.ErrorContext(ctx, "restart of an e-ID order not stored", "order", o.ID, "error", err)
			return e.Limits.Retry, true
		}
		e.schedule.refresh(o, r)
		return wait, true

	case f.Reason == providers.ResultLost:
		// "No such order" never overrides a verified answer, and another node
		// may hold the answer and be about to store it.
		stored, err := e.Orders.Order(ctx, o.ID)
		if err != nil || stored.Phase != broker.Pending || stored.Node != e.Node {
			e.schedule.drop(o.ID)
			return 0, false
		}
		if !stored.ForeignUntil.IsZero() && now.Before(stored.ForeignUntil.Add(e.Limits.Foreign)) {
			return e.Limits.Retry, true
		}
		if f.Text == (providers.Text{}) {
			f.Text = textLost
		}
	}
	return e.end(ctx, o, r, f)
}

// reread takes over what is stored now.
func (e *Engine) reread(ctx context.Context, id broker.OrderID) (time.Duration, bool) {
	o, r, err := e.load(ctx, id)
	if err != nil || o.Phase != broker.Pending {
		e.schedule.drop(id)
		return 0, false
	}
	e.schedule.refresh(o, r)
	return e.Limits.Retry, true
}

// present reports whether the browser asked within the time given, here or at
// another node.
func (e *Engine) present(ctx context.Context, o broker.Order, within time.Duration) bool {
	now := e.Now()
	if now.Sub(e.schedule.seen(o.ID)) < within || now.Sub(o.Created) < within {
		return true
	}
	last, _, err := e.Short.Get(ctx, presence, string(o.ID))
	if errors.Is(err, broker.ErrNotFound) {
		return false
	}
	if err != nil || len(last) != 8 {
		return true // not knowing is no reason to end an order
	}
	return now.Sub(time.UnixMilli(int64(binary.BigEndian.Uint64(last)))) < within
}
