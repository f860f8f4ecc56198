package flow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sigill/broker"
	"sigill/providers"
)

// An Owner takes over the results of the orders that it asked for.
type Owner interface {
	// Settled brings the result of an order. nil means that the owner has it
	// durably and need not be told again; an error, that it will be told again
	// later. It may be told of the same order more than once, also at the same
	// time, and with the same result each time: it counts by the order's id.
	Settled(ctx context.Context, s Settled) error
}

// Settled is how an order ended: exactly one of Done and Failed is there.
type Settled struct {
	Order broker.Order // without what is sealed
	// Request is what was asked: the text that was shown, the binding, and the
	// person whom the order was locked to.
	Request providers.Request
	Done    *providers.Done
	Failed  *providers.Failed
}

// LogValue keeps the person and the text out of logs.
func (s Settled) LogValue() slog.Value {
	return slog.GroupValue(slog.String("order", string(s.Order.ID)), slog.String("phase", string(s.Order.Phase)))
}

const (
	// handful is how many results are looked up at a time.
	handful = 100
	// couriers is how many results an owner is brought at a time.
	couriers = 64
	// maxPause is the longest that an owner that gave an error is left in peace.
	maxPause = time.Minute
)

// desk is where results are handed to one owner. Each owner has its own, so that
// one who is stuck keeps nothing from the others.
type desk struct {
	name  string
	owner Owner
	fresh chan broker.OrderID // ended at this node just now

	mu    sync.Mutex
	tries map[broker.OrderID]*try
	sweep int // counts them
}

// try is a delivery that is under way, or that has to wait after an error.
type try struct {
	busy   bool
	failed int
	after  time.Time
	sweep  int // the last that met the order
}

func newDesks(owners map[string]Owner) map[string]*desk {
	desks := make(map[string]*desk, len(owners))
	for name, owner := range owners {
		desks[name] = &desk{name: name, owner: owner, fresh: make(chan broker.OrderID, 1024), tries: map[broker.OrderID]*try{}}
	}
	return desks
}

// push has an order delivered at once. When there is no room, or nobody runs,
// the next sweep finds it.
func (d *desk) push(id broker.OrderID) {
	select {
	case d.fresh <- id:
	default:
	}
}

// take reports whether it is time to deliver an order, which nobody else does
// until leave.
func (d *desk) take(id broker.OrderID, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tries[id]
	if t == nil {
		t = &try{}
		d.tries[id] = t
	}
	t.sweep = d.sweep
	if t.busy || now.Before(t.after) {
		return false
	}
	t.busy = true
	return true
}

// leave forgets an order that is delivered, and lets one that is not wait ever
// longer.
func (d *desk) leave(id broker.OrderID, delivered bool, now time.Time, pause time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if delivered {
		delete(d.tries, id)
		return
	}
	t := d.tries[id]
	t.busy = false
	t.after = now.Add(min(pause<<min(t.failed, 10), maxPause))
	t.failed++
}

// swept forgets orders that the last sweep did not meet: they were delivered
// elsewhere, or are gone.
func (d *desk) swept() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, t := range d.tries {
		if t.sweep != d.sweep && !t.busy {
			delete(d.tries, id)
		}
	}
	d.sweep++
}

// deliver brings results to an owner until ctx ends: what ends at this node at
// once; what was left over, by this node before it stopped or by another, when
// it begins and with each sweep.
func (e *Engine) deliver(ctx context.Context, d *desk) {
	var group sync.WaitGroup
	defer group.Wait()
	slots := make(chan struct{}, min(e.Limits.Workers, couriers))
	hand := func(id broker.OrderID) bool {
		if !d.take(id, e.Now()) {
			return true
		}
		select {
		case <-ctx.Done():
			d.leave(id, true, time.Time{}, 0) // forgotten here; it stands in the store
			return false
		case slots <- struct{}{}:
		}
		group.Go(func() {
			defer func() { <-slots }()
			err := e.hand(ctx, d, id)
			if err != nil {
				e.Log.ErrorContext(ctx, "result of an e-ID order not delivered; trying again", "order", id, "owner", d.name, "error", err)
			}
			d.leave(id, err == nil, e.Now(), e.Limits.Sweep)
		})
		return true
	}
	tick := time.NewTicker(e.Limits.Sweep)
	defer tick.Stop()
	for {
		if err := e.sweep(ctx, d, hand); err != nil && ctx.Err() == nil {
			e.complain(ctx, slog.LevelError, "sweep "+d.name, "results of e-ID orders not looked up", "owner", d.name, "error", err)
		}
	fresh:
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				break fresh
			case id := <-d.fresh:
				if !hand(id) {
					return
				}
			}
		}
	}
}

// sweep goes once through all that an owner has not taken over.
func (e *Engine) sweep(ctx context.Context, d *desk, hand func(broker.OrderID) bool) error {
	var last broker.Ended
	for {
		list, err := e.Results.EndedOrders(ctx, d.name, last, handful)
		if err != nil {
			return err
		}
		for _, last = range list {
			if !hand(last.ID) {
				return nil
			}
		}
		if len(list) < handful {
			d.swept()
			return nil
		}
	}
}

// hand brings one result to its owner and notes that it has been taken over. If
// that cannot be noted, the owner will hear of it again.
//
// Being told to stop does not interrupt it: an owner that has begun to take
// something over had better finish.
func (e *Engine) hand(ctx context.Context, d *desk, id broker.OrderID) error {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), e.Limits.Call)
	defer done()
	o, r, err := e.load(ctx, id)
	if errors.Is(err, broker.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if o.Owner != d.name || o.Phase == broker.Pending || !o.Consumed.IsZero() {
		return nil
	}
	s := Settled{Order: o, Request: r.Request}
	s.Order.Sealed, s.Request.ReturnURL, s.Request.Handle = nil, "", ""
	switch {
	case o.Phase == broker.Failed && r.Failed != nil:
		s.Failed = r.Failed
	case o.Phase == broker.Done && o.Locked && r.Identity != nil && len(r.Evidence) > 0:
		s.Done = r.done()
	default:
		return fmt.Errorf("flow: order %s is %s and does not hold what that takes", id, o.Phase)
	}
	if err := d.owner.Settled(ctx, s); err != nil {
		return err
	}
	return e.Results.ConsumeOrder(ctx, id, e.Now())
}
