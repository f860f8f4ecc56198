package flow

import (
	"context"
	"errors"
	"sync"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
)

// link is one node's way to the rows, which a test may cut.
type link struct {
	*rows
	mu    sync.Mutex
	fault func(call string) fault // of each call; nil: all is well
	hang  time.Duration           // how long a call takes that fails
	calls []string
}

// fault is what goes wrong with a call.
type fault int

const (
	well   fault = iota
	before       // nothing has happened
	after        // it has happened, and the answer is lost
)

var errCut = errors.New("connection reset")

// cutAll loses every call.
func cutAll(string) fault { return before }

func (l *link) cut(f func(call string) fault, hang time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault, l.hang = f, hang
}

// do makes a call over the link.
func (l *link) do(call string, act func() error) error {
	l.mu.Lock()
	l.calls = append(l.calls, call)
	f, hang := well, l.hang
	if l.fault != nil {
		f = l.fault(call)
	}
	l.mu.Unlock()
	var err error
	if f != before {
		err = act()
	}
	if f == well {
		return err
	}
	time.Sleep(hang)
	return errCut
}

func (l *link) CreateOrder(ctx context.Context, o broker.Order, events ...audit.Event) error {
	return l.do("create", func() error { return l.rows.CreateOrder(ctx, o, events...) })
}

func (l *link) Order(ctx context.Context, id broker.OrderID) (o broker.Order, err error) {
	err = l.do("read", func() error { o, err = l.rows.Order(ctx, id); return err })
	if err != nil {
		return broker.Order{}, err
	}
	return o, nil
}

func (l *link) UpdateOrder(ctx context.Context, o broker.Order, events ...audit.Event) error {
	return l.do("update", func() error { return l.rows.UpdateOrder(ctx, o, events...) })
}

func (l *link) TakeOrder(ctx context.Context, o broker.Order, events ...audit.Event) error {
	return l.do("take", func() error { return l.rows.TakeOrder(ctx, o, events...) })
}

func (l *link) ClaimOrders(ctx context.Context, node string, own bool, now, until time.Time, limit int) (list []broker.Order, err error) {
	err = l.do("claim", func() error { list, err = l.rows.ClaimOrders(ctx, node, own, now, until, limit); return err })
	if err != nil {
		return nil, err
	}
	return list, nil
}

func (l *link) HeldOrders(ctx context.Context, node string) (list []broker.OrderID, err error) {
	err = l.do("held", func() error { list, err = l.rows.HeldOrders(ctx, node); return err })
	if err != nil {
		return nil, err
	}
	return list, nil
}

func (l *link) RenewLeases(ctx context.Context, node, boot string, until time.Time) error {
	return l.do("renew", func() error { return l.rows.RenewLeases(ctx, node, boot, until) })
}

func (l *link) ReleaseLeases(ctx context.Context, node string, now time.Time) error {
	return l.do("release", func() error { return l.rows.ReleaseLeases(ctx, node, now) })
}

func (l *link) ConsumeOrder(ctx context.Context, id broker.OrderID, at time.Time) error {
	return l.do("consume", func() error { return l.rows.ConsumeOrder(ctx, id, at) })
}

func (l *link) EndedOrders(ctx context.Context, owner string, after broker.Ended, limit int) (list []broker.Ended, err error) {
	err = l.do("ended", func() error { list, err = l.rows.EndedOrders(ctx, owner, after, limit); return err })
	if err != nil {
		return nil, err
	}
	return list, nil
}

// way is the engine's link.
func way(e *Engine) *link { return e.Orders.(*link) }

// die ends a node as kill -9 would: nothing of it reaches the rows any more.
func die(e *Engine, stop func()) {
	way(e).cut(cutAll, 0)
	stop()
}
