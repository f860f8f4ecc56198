package orders

import (
	"context"
	"time"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/outbox"
	"sigill/signing"
)

// Row is an order as it stands in the database: what is searched for in the
// open, everything else sealed.
type Row struct {
	ID, Client string
	State      signing.State
	Created    time.Time
	Due        time.Time // when the clock next has something to do; zero: never
	Ended      time.Time // when it was over, for retention; zero: it is not
	Version    int64
	Head       []byte // signing.Order, sealed under the client's key
	Key        []byte // the order's own key, sealed under the client's; nil once it is destroyed
	// Body is signing.Body, sealed under the order's key, and gone with it. In a
	// Change nil means: as before, as long as there is a Key.
	Body []byte
}

// Part is one of an order's larger pieces: "file/1", "evidence/2", "receipt".
type Part struct {
	Name   string
	Sealed []byte // nil: remove it
}

// Invitation is a way in that was sent to a signatory. Hash is SHA-256 of the
// token, or the keyed index of the code. It dies with the signatory's state, or
// when the order's Change drops it.
type Invitation struct {
	Hash    []byte
	N       int
	Created time.Time
}

// Request is a client's request that made an order: the same key again, with the
// same body, is answered with the same order.
type Request struct {
	Client string
	Key    []byte // SHA-256 of the client's idempotency key
	Body   []byte // SHA-256 of what was sent
	Made   time.Time
}

// Attempt is an e-ID order that was begun for a signature, and what became of it.
type Attempt struct {
	EIDOrder string
	N        int
	Outcome  string // empty while it is under way; "signed", or why not
	Made     time.Time
}

// Mark is how far a list has been read: the time by which it is sorted and the
// order's id.
type Mark struct {
	At time.Time
	ID string
}

// Change is everything that one act does, in one transaction.
type Change struct {
	Row         Row            // written if the stored version is still Row.Version, as Row.Version+1
	Persons     map[int][]byte // by whom the order is to be found: n to the index of a number; nil: as before
	Parts       []Part
	Invitations []Invitation // added
	Drop        []int        // signatories whose earlier invitations die; before Invitations are added
	Attempt     *Attempt     // added, or its outcome written
	Outbox      []outbox.Entry
	Withdraw    []string // kinds of outbox entries of this order that are not to be sent any more
	Events      []audit.Event
}

// Store keeps orders durably. broker.ErrNotFound is the answer for what there is
// not, broker.ErrConflict for a Row whose version has moved on.
type Store interface {
	// Create writes a new order. When the request was made before, nothing is
	// written and earlier is its order; broker.ErrConflict when that request
	// had another body.
	Create(ctx context.Context, c Change, r Request) (earlier string, err error)
	// Requested finds the order that a request made before, like Create: empty when
	// there is none.
	Requested(ctx context.Context, r Request) (earlier string, err error)
	Order(ctx context.Context, client, id string) (Row, error)
	Part(ctx context.Context, id, name string) ([]byte, error)
	Update(ctx context.Context, c Change) error
	// Delete removes everything of the order but its audit events, also what is
	// in the outbox. Deleting twice is broker.ErrNotFound.
	Delete(ctx context.Context, client, id string, events ...audit.Event) error
	// Invitation finds whom a token or code of this client's invited.
	Invitation(ctx context.Context, client string, hash []byte) (id string, n int, err error)
	// Attempt finds an e-ID order; id is the order it was for.
	Attempt(ctx context.Context, eidOrder string) (id string, a Attempt, err error)
	// Underway tells whether an e-ID order that was begun for an order before a
	// time has no outcome.
	Underway(ctx context.Context, id string, before time.Time) (bool, error)
	// Awaiting lists open orders of a client in which a person is an active
	// signatory, newest first, from behind the one that was created then. The zero
	// Mark is the beginning, as for the others.
	Awaiting(ctx context.Context, client string, person []byte, after Mark, limit int) ([]Row, error)
	// Due lists orders whose time has come, oldest first, from behind the one that
	// was due then.
	Due(ctx context.Context, now time.Time, after Mark, limit int) ([]Row, error)
	// Ended lists orders that were over before a time, oldest first, from behind the
	// one that was over then.
	Ended(ctx context.Context, before time.Time, after Mark, limit int) ([]Row, error)
}
