// Package store keeps the signing room's rows.
//
// It owns the tables of orders and what belongs to them, in the database of the
// room, where audit, keys and outbox have theirs: so everything that one act
// does is one transaction. It owns no rule about orders, and seals nothing; what
// its caller has not sealed are identifiers, states, times and digests.
//
// What each method promises is written in signing/orders, where the interface is
// declared, and tested by storetest, which another engine will have to pass as
// well. Times are kept to the millisecond.
//
// Deleting here removes rows. Whether the disk still holds what was in them is
// the database's matter: it is sealed, and worth nothing without the room's keys.
package store

import (
	"context"
	"embed"
	"time"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/keys"
	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
)

//go:embed migrations
var migrations embed.FS

// Tables is what the signing room's database holds.
func Tables() []sqldb.Set {
	return []sqldb.Set{audit.Tables(), keys.Tables(), outbox.Tables(), sqldb.SetIn("signing", migrations, "migrations")}
}

// Store keeps orders in a database that has the Tables.
type Store struct {
	// Now is when outbox entries are withdrawn. It may be set before the store is
	// shared.
	Now func() time.Time

	db *sqldb.DB
}

// New makes a store.
func New(db *sqldb.DB) *Store { return &Store{Now: time.Now, db: db} }

// Record writes acts that change nothing else.
func (s *Store) Record(ctx context.Context, events ...audit.Event) error {
	if len(events) == 0 {
		return nil
	}
	return s.db.Write(ctx, func(tx *sqldb.Tx) error { return audit.Insert(tx, events...) })
}
