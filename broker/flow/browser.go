package flow

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/providers"
)

// State is what a browser is told of an order.
type State string

const (
	StatePending   State = "pending"
	StateReturning State = "returning" // proven, but the browser must come back by the return address
	StateComplete  State = "complete"
	StateFailed    State = "failed"
)

// ContinuedElsewhere is the hint of an order whose result has been taken over,
// by another tab or an earlier request.
const ContinuedElsewhere = "continuedElsewhere"

// View is what a browser may see of an order.
type View struct {
	State State
	Order broker.Order
	Info  providers.Info // of its e-ID; zero when that is not configured any more
	Wait  providers.Wait // of a pending order
	// Away is where the browser goes, of a pending order whose answer it brings
	// back from the issuer's own site: a Redirect or a PostForm.
	Away   providers.Step
	Failed providers.Failed // of a failed one
	// Restartable: the same order may be started again by the person's button.
	Restartable bool
}

// Outcomes of coming back by the return address.
type ArrivalOutcome string

const (
	Welcome      ArrivalOutcome = "welcome"       // the right browser: on to the waiting page
	WrongBrowser ArrivalOutcome = "wrong_browser" // another browser: the login has ended
	CloseWindow  ArrivalOutcome = "close_window"  // a locked signature, seen from another browser
	Spent        ArrivalOutcome = "spent"         // unknown, used or over: says nothing
)

// Arrival is what came of coming back. Order is set for Welcome only.
type Arrival struct {
	Outcome ArrivalOutcome
	Order   broker.Order
}

// presence is the kind of short-lived record that tells other nodes when a
// browser last asked: milliseconds since 1970.
const presence = "presence"

// Watch tells a browser where its order is and notes that the browser is there.
// An order of another browser, like one that does not exist, is
// broker.ErrNotFound. It never asks the issuer.
func (e *Engine) Watch(ctx context.Context, id broker.OrderID, browser string) (View, error) {
	o, r, watched := e.schedule.get(id)
	if !watched || r.Away != nil {
		// The answer of one that is away may come to any node, and this one would
		// not look for it.
		stored, err := e.Orders.Order(ctx, id)
		switch {
		case err != nil && !watched, errors.Is(err, broker.ErrNotFound):
			return View{}, err
		case err == nil && (!watched || stored.Version > o.Version):
			o, watched = stored, false
		}
	}
	if !same(o.Browser, browser) {
		return View{}, broker.ErrNotFound
	}
	if !watched && o.Phase != broker.Done { // a proof is not for showing
		var err error
		if r, err = e.open(o); err != nil {
			return View{}, err
		}
	}
	if !watched && o.Phase == broker.Pending {
		e.refresh(o, r)
	}
	if o.Phase == broker.Pending {
		e.notePresence(ctx, o)
	}
	return e.view(o, r)
}

func (e *Engine) view(o broker.Order, r record) (View, error) {
	v := View{Order: o}
	p, configured := e.Provider(o.Provider, o.Instance)
	if configured {
		v.Info = p.Info()
	}
	switch o.Phase {
	case broker.Failed:
		v.State, v.Restartable = StateFailed, restartable(o, e.Limits)
		if r.Failed != nil {
			v.Failed = *r.Failed
		}
	case broker.Done:
		switch {
		case !o.Consumed.IsZero() && o.Owner == broker.LoginOwner:
			v.State = StateFailed
			v.Failed = providers.Failed{Reason: providers.Unknown, Hint: ContinuedElsewhere, Text: textElsewhere}
		case mustReturn(o):
			v.State = StateReturning
		default:
			v.State = StateComplete
		}
	default:
		v.State = StatePending
		if r.Answered {
			v.Wait.Hint = "processing"
			v.Wait.PickedUp = true
			v.Wait.Text = textChecking
			break
		}
		if !configured {
			break
		}
		if shower, ok := p.(providers.Shower); ok {
			w, err := shower.Show(r.State, e.Now())
			if err != nil {
				return v, fmt.Errorf("show order %s: %w", o.ID, err)
			}
			v.Wait = w
		}
		if r.Away != nil {
			v.Away = r.Away.step()
			v.Wait = providers.Wait{Hint: "away", Text: v.Wait.Text, PickedUp: true}
			if v.Wait.Text == (providers.Text{}) {
				v.Wait.Text = textAway
			}
		}
	}
	return v, nil
}

// mustReturn: on the same device the proof counts only after the browser came
// back by the one-time address (I3); a locked signature counts by itself.
func mustReturn(o broker.Order) bool {
	return o.Mode == providers.ModeThis && !o.Locked && o.Returned.IsZero()
}

// restartable: only orders of logins. Other owners are told at once that an
// order has failed, and what they were told must stay true: they begin another.
func restartable(o broker.Order, l Limits) bool {
	return o.Owner == broker.LoginOwner && o.Reason == providers.StartFailed && o.Restarts < l.Restarts
}

func (e *Engine) notePresence(ctx context.Context, o broker.Order) {
	now := e.Now()
	if !e.schedule.mark(o.ID, now, e.Limits.Present/2) {
		return
	}
	last := binary.BigEndian.AppendUint64(nil, uint64(now.UnixMilli()))
	if err := e.Short.Put(ctx, presence, string(o.ID), last, now.Add(e.Limits.Present+e.Limits.Gone)); err != nil && ctx.Err() == nil {
		e.Log.WarnContext(ctx, "presence not noted", "order", o.ID, "error", err)
	}
}

// Return takes in that somebody came back by an order's return address.
func (e *Engine) Return(ctx context.Context, id broker.OrderID, nonce, browser string) (Arrival, error) {
	var out Arrival
	var began record
	o, _, err := e.change(ctx, id, func(o *broker.Order, r *record) ([]audit.Event, bool, error) {
		out = Arrival{Outcome: Spent}
		mine := same(o.Browser, browser)
		switch {
		case !same(o.Nonce, nonce):
			return nil, false, nil
		case mine && (!o.Returned.IsZero() || o.Phase == broker.Failed):
			out = Arrival{Outcome: Welcome, Order: *o} // a reload: shows the page, changes nothing
			return nil, false, nil
		case mine:
			o.Returned = e.Now()
			out = Arrival{Outcome: Welcome, Order: *o}
			return nil, true, nil
		case o.Locked && o.Phase != broker.Failed:
			// Also when the result has been taken over, which takes no time.
			out.Outcome = CloseWindow
			return nil, false, nil
		case o.Phase == broker.Failed || !o.Returned.IsZero() || !o.Consumed.IsZero():
			return nil, false, nil
		}
		out.Outcome, began = WrongBrowser, *r
		// The identity is discarded before the event is made: the audit says
		// that it happened, not who was lured.
		fail(o, r, providers.Failed{Reason: providers.WrongBrowser, Hint: "wrongBrowser", Text: textWrongBrowser})
		o.Returned = e.Now()
		return []audit.Event{e.event(*o, *r, audit.WrongBrowser), e.event(*o, *r, audit.OrderFailed)}, true, nil
	})
	if errors.Is(err, broker.ErrNotFound) {
		return Arrival{Outcome: Spent}, nil
	}
	if err != nil {
		return Arrival{}, err
	}
	if out.Outcome == WrongBrowser {
		e.cancelAtIssuer(o, began)
	}
	return out, nil
}

// Cancel ends a pending order because the person said so on our page. What is
// over already stays as it is.
func (e *Engine) Cancel(ctx context.Context, id broker.OrderID, browser string) error {
	var began record
	cancelled := false
	o, _, err := e.change(ctx, id, func(o *broker.Order, r *record) ([]audit.Event, bool, error) {
		cancelled = false
		if !same(o.Browser, browser) {
			return nil, false, broker.ErrNotFound
		}
		if o.Phase != broker.Pending {
			return nil, false, nil
		}
		began, cancelled = *r, true
		fail(o, r, providers.Failed{Reason: providers.Cancelled, Hint: "cancelledInBrowser", Text: textCancelled})
		return []audit.Event{e.event(*o, *r, audit.OrderFailed)}, true, nil
	})
	if err == nil && cancelled {
		e.cancelAtIssuer(o, began)
	}
	return err
}

// Restart starts a login's order again whose app did not start, in place: the
// page stays where it is. Anything else than a Restartable order is
// broker.ErrConflict.
func (e *Engine) Restart(ctx context.Context, id broker.OrderID, browser string) error {
	o, r, err := e.load(ctx, id)
	if err != nil {
		return err
	}
	if !same(o.Browser, browser) {
		return broker.ErrNotFound
	}
	p, ok := e.Provider(o.Provider, o.Instance)
	if o.Phase != broker.Failed || !restartable(o, e.Limits) || !ok {
		return broker.ErrConflict
	}
	now := e.Now()
	o.Phase, o.Reason = broker.Pending, ""
	o.Returned, r.Failed = time.Time{}, nil
	o.Deadline = now.Add(e.Limits.Life)
	o.Restarts++
	wait, err := e.start(ctx, p, &o, &r)
	if err != nil {
		return err
	}
	events := []audit.Event{e.event(o, r, audit.OrderRestarted)}
	if o.Phase != broker.Pending {
		events = append(events, e.event(o, r, audit.OrderFailed))
	}
	e.gate.RLock()
	defer e.gate.RUnlock()
	e.lease(&o) // whoever had it before, whoever watches it now
	if err := e.store(ctx, &o, r, events...); err != nil {
		if !errors.Is(err, broker.ErrConflict) {
			e.unsure.Store(true)
		}
		e.cancelAtIssuer(o, r)
		return err
	}
	if o.Phase == broker.Pending && !e.draining {
		e.schedule.add(o, r, now, wait)
	}
	return nil
}

// Result gives the proof of a complete order to its owner, for the browser that
// may have it. broker.ErrNotFound: no such order for this browser, or not
// complete. broker.ErrConflict: taken over already; the proof comes with it, for
// an owner that takes over by order id and was stopped in the middle.
func (e *Engine) Result(ctx context.Context, id broker.OrderID, browser string) (broker.Order, providers.Done, error) {
	o, err := e.Orders.Order(ctx, id)
	if err != nil {
		return broker.Order{}, providers.Done{}, err
	}
	if !same(o.Browser, browser) || o.Phase != broker.Done || mustReturn(o) {
		return broker.Order{}, providers.Done{}, broker.ErrNotFound
	}
	r, err := e.open(o)
	if err != nil {
		return broker.Order{}, providers.Done{}, err
	}
	if r.Identity == nil || len(r.Evidence) == 0 {
		return broker.Order{}, providers.Done{}, fmt.Errorf("flow: order %s is done and holds no proof", id)
	}
	if !o.Consumed.IsZero() {
		err = broker.ErrConflict
	}
	return o, *r.done(), err
}
