// Package store keeps the broker's rows.
//
// It owns two databases: broker for what must last (e-ID orders, records of
// logins, subjects, registered clients, and the tables of kit/keys and
// kit/audit), and short for what expires by itself, which may lie in Redis
// instead. It owns
// no rule about them beyond what one transaction must hold; sealing is the
// caller's, so that no row here can be read without the room's keys. The one
// exception are clients' secrets, which are sealed here in a box that the caller
// gives (SealClients).
//
// What each method promises is written where its interface is declared
// (flow.Orders, flow.Leases, oidc.Records, oidc.Clients, broker.Short) and
// tested by storetest, which another engine will have to pass as well. Times
// are kept to the millisecond.
package store

import (
	"context"
	"embed"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/keys"
	"sigill/broker/kit/sqldb"
)

//go:embed migrations
var migrations embed.FS

// Tables is what the durable database holds.
func Tables() []sqldb.Set {
	return []sqldb.Set{audit.Tables(), keys.Tables(), sqldb.SetIn("broker", migrations, "migrations")}
}

// Config is where the databases are. Now and Log may be left out.
type Config struct {
	sqldb.Place
	Now func() time.Time
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Store is the durable part.
type Store struct {
	// Past is the time that has surely come, by which Clean removes; see
	// clock.Clock. Set it before Run; nil: Now's.
	Past func() time.Time

	db  *sqldb.DB
	now func() time.Time
	log *slog.Logger
	box Box // see SealClients

	mu       sync.Mutex
	subjects map[subjectKey]string
	clients  map[string]decoded
}

// Open opens the durable database, making it or bringing its schema forward.
func Open(ctx context.Context, c Config) (*Store, error) {
	c = c.withDefaults()
	db, err := c.Place.Open(ctx, "broker", sqldb.Durable)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := db.Migrate(ctx, c.Now(), Tables()...); err != nil {
		db.Close()
		return nil, fmt.Errorf("store: %w", err)
	}
	return &Store{db: db, now: c.Now, log: c.Log, subjects: map[subjectKey]string{}, clients: map[string]decoded{}}, nil
}

// DB is the database, for the kit packages whose tables lie in it.
func (s *Store) DB() *sqldb.DB { return s.db }

// Close waits for what is being written.
func (s *Store) Close() error { return s.db.Close() }
