package flow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sigill/broker"
)

// errName ends a node whose name another process has taken.
var errName = errors.New("flow: another process goes by this node's name, as when its data folder was copied; start this one again and it takes a new one")

// holds reports whether an order is still this node's, as far as it can know. A
// node that is cut off from the store does not act any more when its leases have
// ended: others may watch its orders by then, and would be robbed of an answer
// that is given once.
func (e *Engine) holds(o broker.Order) bool {
	now := e.Now()
	return o.Node == e.Node && (e.leased(now, o.LeaseUntil) || e.leased(now, time.UnixMilli(e.renewed.Load())))
}

// leased reports whether a lease until then goes on. One that ends later than any
// would was written before the clock was set back: others do not believe it.
func (e *Engine) leased(now, until time.Time) bool {
	return now.Before(until) && until.Sub(now) <= 2*e.Limits.Lease
}

// renewLeases keeps the leases of this node's orders alive until ctx ends, or
// until another process turns out to have its name.
func (e *Engine) renewLeases(ctx context.Context, stop context.CancelCauseFunc) {
	// Without orders there is nothing to prolong; that the name is still ours is
	// looked at all the same, now and then.
	var last time.Time
	pause := e.Limits.Lease / 4
	for rest(ctx, pause) {
		pause = e.Limits.Lease / 4
		if e.schedule.len() == 0 && time.Since(last) < e.Limits.Check {
			continue
		}
		last = time.Now()
		err := e.renew(ctx)
		switch {
		case ctx.Err() != nil:
		case errors.Is(err, broker.ErrConflict):
			stop(errName)
			return
		case err != nil:
			pause = e.Limits.Look
			e.complain(ctx, slog.LevelError, "renew", "leases not renewed; e-ID orders rest when they have ended", "error", err)
		}
	}
}

// renew prolongs the leases. When they had ended, others may have taken orders
// over: then what is still ours is looked up before any of it is acted upon.
func (e *Engine) renew(ctx context.Context) error {
	now := e.Now()
	until := now.Add(e.Limits.Lease)
	if err := e.Leases.RenewLeases(ctx, e.Node, e.Boot, until); err != nil {
		return err
	}
	if !e.leased(now, time.UnixMilli(e.renewed.Load())) {
		if err := e.reconcile(ctx); err != nil {
			return err
		}
	}
	e.renewed.Store(until.UnixMilli())
	return nil
}

// findOrders takes over orders that nobody watches, until ctx ends, and sees to
// it that those of this node are watched here and no others.
func (e *Engine) findOrders(ctx context.Context) {
	checked := time.Now()
	for rest(ctx, jitter(e.Limits.Look)) {
		if e.unsure.Load() || time.Since(checked) >= e.Limits.Check {
			checked = time.Now()
			e.unsure.Store(false)
			if err := e.reconcile(ctx); err != nil {
				e.unsure.Store(true)
				if ctx.Err() == nil {
					e.complain(ctx, slog.LevelError, "reconcile", "leases not compared with what is watched", "error", err)
				}
			}
		}
		if err := e.claim(ctx, false); err != nil && ctx.Err() == nil {
			e.complain(ctx, slog.LevelError, "claim", "orders of silent nodes not claimed", "error", err)
		}
	}
}

// rest waits, and reports whether ctx goes on.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// reconcile watches what the store says is this node's, and nothing else. What
// the issuer has said for good and is not stored is watched on, whoever has the
// order now.
func (e *Engine) reconcile(ctx context.Context) error {
	defer e.schedule.look()()
	before := e.schedule.ids()
	list, err := e.Leases.HeldOrders(ctx, e.Node)
	if err != nil {
		return err
	}
	held := make(map[broker.OrderID]struct{}, len(list))
	for _, id := range list {
		held[id] = struct{}{}
	}
	for _, id := range before {
		if _, ok := held[id]; ok {
			delete(held, id)
		} else {
			e.schedule.drop(id)
		}
	}
	for id := range held {
		o, r, err := e.load(ctx, id)
		switch {
		case errors.Is(err, broker.ErrNotFound):
		case err != nil && o.ID == "": // not read
			return err
		case err != nil:
			e.complain(ctx, slog.LevelError, "unreadable", "order cannot be read", "order", id, "error", err)
		case o.Phase == broker.Pending && o.Node == e.Node:
			e.schedule.add(o, r, e.Now(), 0)
		}
	}
	return nil
}

// claim takes over what nobody watches. An order that cannot be opened is left:
// without its record there is nothing to ask with.
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
	defer e.schedule.look()()
	now := e.Now()
	orders, err := e.Leases.ClaimOrders(ctx, e.Node, own, now, now.Add(e.Limits.Lease), limit)
	if err != nil {
		e.unsure.Store(true)
		return 0, 0, fmt.Errorf("claim orders: %w", err)
	}
	for _, o := range orders {
		r, err := e.open(o)
		if err != nil {
			e.complain(ctx, slog.LevelError, "unreadable", "order cannot be read", "order", o.ID, "error", err)
			continue
		}
		if e.schedule.add(o, r, now, 0) {
			fresh++
		}
	}
	return fresh, len(orders), nil
}

// homecoming is how long a node that stops tries to store what issuers have said
// for good.
const homecoming = 5 * time.Second

// drain ends this node's work on its orders: what issuers have said is stored,
// then all leases are given up at once, so that other nodes go on within a second.
func (e *Engine) drain(ctx context.Context) {
	e.bringHome(ctx)
	limit, done := context.WithTimeout(ctx, e.Limits.Call)
	defer done()
	if err := e.Leases.ReleaseLeases(limit, e.Node, e.Now()); err != nil {
		e.Log.ErrorContext(ctx, "leases not given up; other nodes wait for their end", "error", err)
		return
	}
	e.schedule.clear()
}

func (e *Engine) bringHome(ctx context.Context) {
	ctx, done := context.WithTimeout(ctx, homecoming)
	defer done()
	for {
		list := e.schedule.unstored()
		if len(list) == 0 {
			return
		}
		e.each(list, func(id broker.OrderID) {
			if w, ok := e.schedule.take(id); ok {
				if next, watch := e.ask(ctx, w); watch {
					e.schedule.again(id, next)
				}
			}
		})
		if !rest(ctx, min(e.Limits.Retry, homecoming/5)) {
			e.Log.ErrorContext(ctx, "what issuers said last could not be stored before the stop", "orders", len(e.schedule.unstored()))
			return
		}
	}
}
