package broker

import (
	"time"

	"sigill/providers"
)

// OrderID names an e-ID order. It is random, and alone worth nothing (I3).
type OrderID string

// LoginOwner is the Owner of orders that are made for logins. Their results are
// fetched by the browser's own request; results for every other owner are
// brought to it, whatever the browser does (see flow.Owner).
const LoginOwner = "login"

// Phase is where an e-ID order is.
type Phase string

const (
	Pending Phase = "pending"
	Done    Phase = "done"   // verified; Sealed holds identity and evidence
	Failed  Phase = "failed" // Reason says why
)

// Order is one e-ID order, for a login or for a signature: a durable row, since
// the server watches it to its end whatever the browser does (I8).
type Order struct {
	ID       OrderID
	Owner    string // who asked: LoginOwner, "signing"
	Ref      string // the owner's own name for it
	Client   string
	Provider providers.ID
	Instance string
	Mode     providers.Mode
	Kind     providers.Kind
	// Locked: a signature that only one person can make, over a text fixed
	// beforehand. It counts without the browser that started it (I3).
	Locked bool

	Phase  Phase
	Reason providers.Reason // of a failed order
	// Sealed is what only the running program may read: the request, the
	// provider's state, at the end the identity and the evidence.
	Sealed []byte

	Browser  []byte // SHA-256 of the secret of the browser that started it
	Nonce    []byte // SHA-256 of the one-time nonce in the return address; nil in other modes
	Returned time.Time
	PickedUp bool
	Restarts int

	Created  time.Time
	Changed  time.Time
	Deadline time.Time // nothing about it is watched after this
	Consumed time.Time // its owner has taken over the result

	// Node holds the lease until LeaseUntil. ForeignUntil is when the last
	// lease of another node than Node ended: until some minutes after it,
	// another node may still hold the issuer's one-time answer.
	Node         string
	LeaseUntil   time.Time
	ForeignUntil time.Time
	Version      int64
}

// Ended is the place of an order among those that are over: by when it began,
// then by name. The zero value comes before all.
type Ended struct {
	ID      OrderID
	Created time.Time
}
