package flow

import (
	"context"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
)

// Orders keeps e-ID orders durably. The events are written in the same
// transaction as the order.
type Orders interface {
	// CreateOrder writes a new order; ErrConflict when the id exists.
	CreateOrder(ctx context.Context, o broker.Order, events ...audit.Event) error
	// Order reads one; broker.ErrNotFound when there is none.
	Order(ctx context.Context, id broker.OrderID) (broker.Order, error)
	// UpdateOrder writes o if the stored version is still o.Version and stores
	// o.Version+1; else broker.ErrConflict. The lease columns are not touched,
	// but when an order that was over is pending again: its lease is then what o
	// says.
	UpdateOrder(ctx context.Context, o broker.Order, events ...audit.Event) error
	// TakeOrder is UpdateOrder, and leases a pending order as o says, whoever had
	// the lease: the issuer's answer has come to the node that calls.
	TakeOrder(ctx context.Context, o broker.Order, events ...audit.Event) error
}

// Leases says which node watches which pending order. All times are of the one
// clock that the nodes share; see Config.Now.
type Leases interface {
	// ClaimOrders takes up to limit pending orders whose lease has ended by now
	// (with own also those that are node's already: after a restart a node
	// finds its own again) and leases them to node until the given time.
	// Taking over another node's order sets ForeignUntil to the end of that
	// lease. Version does not change. A lease that ends later than twice the one
	// that is taken is not believed: a clock was ahead when it was written.
	ClaimOrders(ctx context.Context, node string, own bool, now, until time.Time, limit int) ([]broker.Order, error)
	// HeldOrders names the pending orders whose last lease is node's.
	HeldOrders(ctx context.Context, node string) ([]broker.OrderID, error)
	// RenewLeases prolongs all of node's pending orders in one statement.
	// broker.ErrConflict when another process than boot goes by the name node;
	// an empty boot does not ask.
	RenewLeases(ctx context.Context, node, boot string, until time.Time) error
	// ReleaseLeases ends the leases of all of node's pending orders now, in one
	// transaction: whoever looks next may claim them.
	ReleaseLeases(ctx context.Context, node string, now time.Time) error
}

// Nodes keeps which process goes by which name; see Join.
type Nodes interface {
	// EnterNode notes that the process boot goes by the name node from now on.
	// broker.ErrConflict when the name is that of another process, which is none
	// of former.
	EnterNode(ctx context.Context, node, boot string, former []string, now time.Time) error
}

// Box seals what an order must not show on disk. The context binds the sealed
// bytes to the row they stand in.
type Box interface {
	Seal(plain, context []byte) []byte
	Open(sealed, context []byte) ([]byte, error)
}

// Results finds what owners have not taken over.
type Results interface {
	// EndedOrders names up to limit orders of an owner that are over and not
	// consumed, the oldest first, of those that come after the one given.
	EndedOrders(ctx context.Context, owner string, after broker.Ended, limit int) ([]broker.Ended, error)
	// ConsumeOrder notes that the owner of an order has taken its result over.
	// Noting it again changes nothing and is no error. broker.ErrConflict when
	// the order is pending, broker.ErrNotFound when there is none.
	ConsumeOrder(ctx context.Context, id broker.OrderID, at time.Time) error
}
