package flow

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/providers"
)

// Run watches this node's orders until ctx ends: it takes its own back after a
// restart, takes over those of nodes that fell silent, and asks the issuers. In
// the end calls under way are waited for, what came of them is stored, and the
// leases are given up, so that other nodes go on at once.
func (e *Engine) Run(ctx context.Context) error {
	defer e.calls.Wait()
	e.alone.Store(e.Now().Add(e.Limits.Lease / 2).UnixMilli())
	for {
		err := e.claim(ctx, true)
		if err == nil {
			break
		}
		if ctx.Err() == nil {
			e.complain(ctx, slog.LevelError, "claim", "this node's orders not taken back; trying on", "error", err)
		}
		if !rest(ctx, e.Limits.Retry) {
			return nil
		}
	}
	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var asking, finding, delivering sync.WaitGroup
	defer delivering.Wait()
	keeping, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	defer stopKeeping()
	var kept sync.WaitGroup
	kept.Go(func() { e.renewLeases(keeping, stop) }) // also while the last answers come
	finding.Go(func() { e.findOrders(working) })
	for _, d := range e.desks {
		delivering.Go(func() { e.deliver(working, d) })
	}
	e.watch(working, &asking)

	e.gate.Lock()
	e.draining = true
	e.gate.Unlock()
	asking.Wait()
	finding.Wait()
	stopKeeping()
	kept.Wait()
	if err := context.Cause(working); errors.Is(err, errName) {
		e.bringHome(context.WithoutCancel(ctx)) // the leases are another's
		return err
	}
	e.drain(context.WithoutCancel(ctx))
	return nil
}

// watch asks about each order when it is due, until ctx ends.
func (e *Engine) watch(ctx context.Context, asking *sync.WaitGroup) {
	slots := make(chan struct{}, e.Limits.Workers)
	for {
		w, wait, ok := e.schedule.next()
		if !ok {
			timer := time.NewTimer(wait)
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-e.schedule.wake:
			case <-timer.C:
			}
			timer.Stop()
			continue
		}
		select {
		case <-ctx.Done():
			e.schedule.again(w.order.ID, 0)
			return
		case slots <- struct{}{}:
		}
		asking.Go(func() {
			defer func() { <-slots }()
			if next, watch := e.ask(ctx, w); watch {
				e.schedule.again(w.order.ID, jitter(next))
			}
		})
	}
}

// each does something for all of a list, a few at a time.
func (e *Engine) each(list []broker.OrderID, do func(broker.OrderID)) {
	slots := make(chan struct{}, e.Limits.Workers)
	var group sync.WaitGroup
	for _, id := range list {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			do(id)
		})
	}
	group.Wait()
}

// refresh takes over what is stored now, and with it whether the order is still
// this node's.
func (e *Engine) refresh(o broker.Order, r record) {
	e.schedule.refresh(o, r)
	if o.Phase == broker.Pending && o.Node != e.Node {
		e.schedule.lose(o)
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

// ask asks the issuer about one order and stores what has changed. It reports
// when to ask again, and whether at all.
//
// Being told to stop does not interrupt it: the issuer may have given its only
// answer already, and what it gave must be stored.
func (e *Engine) ask(ctx context.Context, w watched) (time.Duration, bool) {
	ctx = context.WithoutCancel(ctx)
	o, r := w.order, w.r
	p, ok := e.Provider(o.Provider, o.Instance)
	if w.said != nil {
		// Nothing is asked: the answer is here, and goes to the store, whoever
		// has the order by now.
		switch s := w.said.step.(type) {
		case providers.Done:
			return e.complete(ctx, o, r, s)
		case providers.Failed:
			return e.failed(ctx, p, o, r, s)
		}
		r.State, r.Answered, r.Back, o.PickedUp = w.said.state, true, nil, true
	}
	switch {
	case w.said == nil && !e.holds(o):
		return e.Limits.Retry, true
	case !ok:
		// Configured away while the order was under way.
		e.Log.ErrorContext(ctx, "e-ID of a pending order is not configured", "order", o.ID, "provider", o.Provider, "instance", o.Instance)
		return e.giveUp(ctx, o, r, providers.Failed{Reason: providers.Unknown, Text: textUnknown})
	case !r.Answered && !e.past().Before(o.Deadline):
		return e.giveUp(ctx, o, r, providers.Failed{Reason: providers.TimedOut, Text: textTimedOut})
	case e.stale(o, r):
		e.Log.ErrorContext(ctx, "an e-ID's answer could not be judged in time", "order", o.ID, "provider", o.Provider, "instance", o.Instance)
		return e.end(ctx, o, r, providers.Failed{Reason: providers.ResultLost, Text: textLost})
	case r.Away != nil:
		return e.awayRest(o), true
	case !o.PickedUp && !r.Answered && e.gone(ctx, o):
		return e.giveUp(ctx, o, r, providers.Failed{Reason: providers.Cancelled, Hint: "browserGone", Text: textCancelled})
	}
	// Also with an answer that is here: its verification may ask the network.
	if !e.doors.enter(o.Instance) {
		return e.Limits.Retry / 4, true
	}
	defer e.doors.leave(o.Instance)

	for {
		call, done := context.WithTimeout(ctx, e.Limits.Call)
		state, step, err := p.Continue(call, r.State, r.event())
		done()
		var down *providers.Unavailable
		if errors.As(err, &down) {
			e.complain(ctx, slog.LevelWarn, "issuer "+string(o.Provider)+"/"+o.Instance, "issuer did not answer; asking again",
				"order", o.ID, "provider", o.Provider, "instance", o.Instance, "error", err)
			if r.Answered && !o.Locked && !e.past().Before(o.Deadline) {
				// A signature that is made is waited for; nobody waits for a login.
				return e.end(ctx, o, r, providers.Failed{Reason: providers.IssuerDown, Text: textIssuerDown})
			}
			return e.Limits.Retry, true
		}
		if err != nil {
			e.Log.ErrorContext(ctx, "e-ID order cannot be continued", "order", o.ID, "provider", o.Provider, "error", err)
			return e.end(ctx, o, r, providers.Failed{Reason: providers.Unknown, Text: textUnknown})
		}

		switch s := step.(type) {
		case providers.Wait:
			answered := s.Next <= 0
			if !answered {
				forget(&o, &r)
			}
			if w.ahead || r.Back != nil || !bytes.Equal(state, r.State) || s.PickedUp != o.PickedUp || answered != r.Answered {
				r.State, r.Answered, r.Back, o.PickedUp = state, answered, nil, s.PickedUp || answered
				if err := e.store(ctx, &o, r); err != nil {
					return e.notStored(ctx, o, r, err)
				}
				w.ahead = false
				e.schedule.refresh(o, r)
			}
			switch {
			case answered:
				continue
			case r.Away != nil:
				return e.awayRest(o), true
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

// past is the time that has surely come.
func (e *Engine) past() time.Time {
	if e.Past == nil {
		return e.Now()
	}
	return e.Past()
}

// keep holds on to what could not be stored: the disk is full or the database
// away. It is tried again, and the issuer is not asked again for what it has said.
func (e *Engine) keep(ctx context.Context, o broker.Order, r record, last *said, cause error) (time.Duration, bool) {
	e.complain(ctx, slog.LevelError, "store", "e-ID order not stored; trying on", "order", o.ID, "error", cause)
	e.schedule.keep(o, r, last, e.Now())
	return e.Limits.Retry, true
}

// notStored decides what to do when a step of an order could not be stored. After
// a conflict it looks at what is there now; an answer that the issuer gives only
// once goes on top of it.
func (e *Engine) notStored(ctx context.Context, o broker.Order, r record, cause error) (time.Duration, bool) {
	var last *said
	if r.Answered {
		last = &said{restarts: o.Restarts, state: r.State}
	}
	if errors.Is(cause, broker.ErrNotFound) {
		e.schedule.end(o.ID)
		return 0, false
	}
	if !errors.Is(cause, broker.ErrConflict) {
		return e.keep(ctx, o, r, last, cause)
	}
	current, now, err := e.change(ctx, o.ID, func(c *broker.Order, cr *record) ([]audit.Event, bool, error) {
		if c.Phase != broker.Pending || cr.Answered && cr.Back == nil {
			return nil, false, nil
		}
		if !r.Answered {
			forget(c, cr)
		}
		cr.State, cr.Answered, cr.Back, c.PickedUp = r.State, r.Answered, nil, c.PickedUp || o.PickedUp
		return nil, true, nil
	})
	switch {
	case errors.Is(err, broker.ErrNotFound):
		e.schedule.end(o.ID)
		return 0, false
	case err != nil:
		return e.keep(ctx, o, r, last, err)
	case current.Phase != broker.Pending:
		e.schedule.end(o.ID)
		return 0, false
	}
	if last != nil && current.Node != e.Node {
		// Stored, and another node's to go on with; but it is quickest here.
		return e.ask(ctx, watched{order: current, r: now, said: &said{restarts: current.Restarts, state: now.State}})
	}
	e.refresh(current, now)
	if now.Answered {
		return 0, true
	}
	return e.Limits.Retry, true
}

// complete takes in a verified proof: first wins, whoever holds the lease.
func (e *Engine) complete(ctx context.Context, o broker.Order, r record, d providers.Done) (time.Duration, bool) {
	edit := func(o *broker.Order, r *record) ([]audit.Event, bool, error) {
		if o.Phase != broker.Pending {
			return nil, false, nil
		}
		o.Phase, o.Reason, o.PickedUp = broker.Done, "", true
		r.State, r.Answered, r.Away, r.Back, r.Failed = nil, false, nil, nil, nil
		r.Identity, r.Media, r.Evidence = &d.Identity, d.Evidence.MediaType, d.Evidence.Bytes
		return []audit.Event{e.event(*o, *r, audit.OrderCompleted)}, true, nil
	}
	was, wr := o, r
	events, _, _ := edit(&o, &r)
	err := e.store(ctx, &o, r, events...)
	if errors.Is(err, broker.ErrConflict) {
		_, _, err = e.change(ctx, o.ID, edit)
	}
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		return e.keep(ctx, was, wr, &said{restarts: was.Restarts, step: d}, err)
	}
	e.schedule.end(o.ID)
	return 0, false
}

// end takes in that there will be no proof, as the issuer said or as its answer
// shows.
func (e *Engine) end(ctx context.Context, o broker.Order, r record, f providers.Failed) (time.Duration, bool) {
	last := &said{restarts: o.Restarts, step: f}
	if f.Reason == providers.ResultLost {
		last = nil // it says that again
	}
	err := e.close(ctx, o, r, f)
	switch {
	case err == nil:
		return 0, false
	case errors.Is(err, broker.ErrConflict):
		if last != nil {
			e.schedule.keep(o, r, last, e.Now())
		}
		return e.reread(ctx, o, 0)
	}
	return e.keep(ctx, o, r, last, err)
}

// giveUp ends an order for a reason of our own: the issuer is told once that is
// stored. If it cannot be, the reason may have gone by the next turn.
func (e *Engine) giveUp(ctx context.Context, o broker.Order, r record, f providers.Failed) (time.Duration, bool) {
	err := e.close(ctx, o, r, f)
	switch {
	case err == nil:
		e.cancelAtIssuer(o, r)
		return 0, false
	case errors.Is(err, broker.ErrConflict):
		return e.reread(ctx, o, e.Limits.Retry)
	}
	return e.keep(ctx, o, r, nil, err)
}

// close stores the end of an order on top of what we know of it.
func (e *Engine) close(ctx context.Context, o broker.Order, r record, f providers.Failed) error {
	fail(&o, &r, f)
	events := []audit.Event{e.event(o, r, audit.OrderFailed)}
	if f.Reason == providers.EvidenceRefused {
		events = append(events, e.event(o, r, audit.EvidenceRefused))
	}
	err := e.store(ctx, &o, r, events...)
	if err == nil || errors.Is(err, broker.ErrNotFound) {
		e.schedule.end(o.ID)
		return nil
	}
	return err
}

// failed handles an order that the issuer ended, of which two are not the end:
// a code that nobody scanned in time while somebody still looks at it, and an
// answer that another node may have fetched.
func (e *Engine) failed(ctx context.Context, p providers.Provider, o broker.Order, r record, f providers.Failed) (time.Duration, bool) {
	now := e.Now()
	switch {
	case f.Reason == providers.StartFailed && o.Mode == providers.ModeOther && p != nil && e.holds(o) &&
		now.Before(o.Created.Add(e.Limits.Renewal)) && e.present(ctx, o, e.Limits.Present):
		// Nothing is begun at the issuer that could not be written down, or on top of
		// what is old.
		stored, err := e.Orders.Order(ctx, o.ID)
		switch {
		case errors.Is(err, broker.ErrNotFound):
			e.schedule.end(o.ID)
			return 0, false
		case err != nil:
			return e.keep(ctx, o, r, &said{restarts: o.Restarts, step: f}, err)
		case stored.Version != o.Version:
			e.schedule.keep(o, r, &said{restarts: o.Restarts, step: f}, now)
			return e.reread(ctx, o, 0)
		}
		was, wr := o, r
		wait, err := e.start(ctx, p, &o, &r)
		if err != nil {
			e.Log.ErrorContext(ctx, "e-ID order not restarted", "order", o.ID, "error", err)
			return e.end(ctx, was, wr, f)
		}
		if o.Phase != broker.Pending {
			return e.end(ctx, was, wr, *r.Failed)
		}
		o.Restarts++
		if err := e.store(ctx, &o, r, e.event(o, r, audit.OrderRestarted)); err != nil {
			e.cancelAtIssuer(o, r)
			if errors.Is(err, broker.ErrConflict) || errors.Is(err, broker.ErrNotFound) {
				// Cancelled or ended meanwhile; look again at the next turn.
				e.schedule.keep(was, wr, &said{restarts: was.Restarts, step: f}, now)
				return e.reread(ctx, was, e.Limits.Retry)
			}
			return e.keep(ctx, was, wr, &said{restarts: was.Restarts, step: f}, err)
		}
		e.schedule.refresh(o, r)
		return wait, true

	case f.Reason == providers.ResultLost:
		// "No such order" never overrides a verified answer, and another node
		// may hold the answer and be about to store it.
		stored, err := e.Orders.Order(ctx, o.ID)
		switch {
		case errors.Is(err, broker.ErrNotFound) || err == nil && stored.Phase != broker.Pending:
			e.schedule.end(o.ID)
			return 0, false
		case err != nil || !e.holds(o):
			return e.Limits.Retry, true
		case stored.Node != e.Node || stored.Version != o.Version:
			return e.reread(ctx, o, e.Limits.Retry)
		case e.Boot != "" && now.UnixMilli() < e.alone.Load():
			return e.Limits.Retry, true
		case !stored.ForeignUntil.IsZero() && now.Before(stored.ForeignUntil.Add(e.Limits.Foreign)):
			return e.Limits.Retry, true
		}
		if f.Text == (providers.Text{}) {
			f.Text = textLost
		}
	}
	return e.end(ctx, o, r, f)
}

// reread takes over what is stored now.
func (e *Engine) reread(ctx context.Context, was broker.Order, wait time.Duration) (time.Duration, bool) {
	o, r, err := e.load(ctx, was.ID)
	switch {
	case errors.Is(err, broker.ErrNotFound) || err == nil && o.Phase != broker.Pending:
		e.schedule.end(was.ID)
		return 0, false
	case err != nil:
		return e.Limits.Retry, true
	}
	e.refresh(o, r)
	return wait, true
}

// present reports whether the browser asked within the time given, here or at
// another node.
func (e *Engine) present(ctx context.Context, o broker.Order, within time.Duration) bool {
	now := e.Now()
	if now.Sub(e.schedule.seen(o.ID)) < within || now.Sub(o.Created) < within {
		return true
	}
	last, found := e.lastSeen(ctx, o)
	return !found || now.Sub(last) < within
}

// gone reports whether nobody has waited for an order for too long. A trace that
// is missing or old is no reason alone, since the short-lived store may have lost
// it: a browser that is there leaves another well within the time.
func (e *Engine) gone(ctx context.Context, o broker.Order) bool {
	now := e.Now()
	seen := o.Created
	if t := e.schedule.seen(o.ID); t.After(seen) {
		seen = t
	}
	early := e.Limits.Gone - e.Limits.Present
	if now.Sub(seen) < early {
		return false
	}
	last, found := e.lastSeen(ctx, o)
	if last.After(seen) {
		seen = last
	}
	absent := e.schedule.missing(o.ID, !found || now.Sub(seen) < early, now)
	return found && now.Sub(seen) >= e.Limits.Gone && now.Sub(absent) >= e.Limits.Present
}

// lastSeen is when the browser last asked at any node; zero: nobody knows of it.
// It is not found when that cannot be told, which is no reason to end an order.
func (e *Engine) lastSeen(ctx context.Context, o broker.Order) (last time.Time, found bool) {
	ctx, done := context.WithTimeout(ctx, e.Limits.Call)
	defer done()
	b, _, err := e.Short.Get(ctx, presence, string(o.ID))
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return time.Time{}, true
	case err != nil || len(b) != 8:
		return time.Time{}, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b))), true
}
