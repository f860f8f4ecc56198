package oidc

import (
	"context"

	"sigill/broker"
	"sigill/broker/kit/audit"
)

// Records keeps what must outlast a login.
type Records interface {
	Marks
	// Subject gives the stable random name of a person within a sector, making
	// it at the first call. The person is known by keyed index only. Any
	// number of simultaneous first calls get the same name.
	Subject(ctx context.Context, person []byte, sector string) (string, error)
	// FinishLogin writes the record of a finished login and, if it has an
	// order, marks that order consumed, in one transaction. ErrConflict when
	// the login or the order was used before: of any number of callers one
	// gets nil. The same login with the same order again is no conflict: it
	// changes and writes nothing, and gets nil, since whoever asks may have been
	// cut off before the first answer.
	FinishLogin(ctx context.Context, r broker.LoginRecord, events ...audit.Event) error
	// LoginRecord reads the record of a finished login; broker.ErrNotFound when
	// there is none, or no longer.
	LoginRecord(ctx context.Context, login string) (broker.LoginRecord, error)
	// Record writes acts that change nothing else in the database.
	Record(ctx context.Context, events ...audit.Event) error
}

// Clients finds relying parties.
type Clients interface {
	// Client finds one by id; broker.ErrNotFound when there is none.
	Client(ctx context.Context, id string) (broker.Client, error)
}
