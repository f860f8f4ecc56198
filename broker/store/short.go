package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"sigill/broker"
	"sigill/broker/kit/sqldb"
)

//go:embed shortmigrations
var shortMigrations embed.FS

// maxShort bounds a record. The largest are sessions with their evidence.
const maxShort = 1 << 20

// ShortTables is what the embedded short-lived store's database holds.
func ShortTables() sqldb.Set { return sqldb.SetIn("short", shortMigrations, "shortmigrations") }

// Short is the embedded short-lived store (broker.Short): a database whose
// commits survive the end of the process, however sudden. Several processes may
// share it.
type Short struct {
	db  *sqldb.DB
	now func() time.Time
	log *slog.Logger
}

// OpenShort opens the short-lived database.
func OpenShort(ctx context.Context, c Config) (*Short, error) {
	c = c.withDefaults()
	db, err := c.Place.Open(ctx, "short", sqldb.CrashSafe)
	if err != nil {
		return nil, fmt.Errorf("short store: %w", err)
	}
	if err := db.Migrate(ctx, c.Now(), ShortTables()); err != nil {
		db.Close()
		return nil, fmt.Errorf("short store: %w", err)
	}
	return &Short{db, c.Now, c.Log}, nil
}

// Close waits for what is being written.
func (s *Short) Close() error { return s.db.Close() }

// Put writes a record; see broker.Short.
func (s *Short) Put(ctx context.Context, kind, key string, value []byte, expires time.Time) error {
	if err := checkShort(kind, key, value); err != nil {
		return err
	}
	value = notNull(value)
	_, err := s.db.Do(ctx, `INSERT INTO short (kind, key, version, expires, value) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (kind, key) DO UPDATE SET version = excluded.version, expires = excluded.expires, value = excluded.value`,
		kind, key, newVersion(), expires.UnixMilli(), value)
	return wrap("put", kind, err)
}

// Get reads a record; see broker.Short.
func (s *Short) Get(ctx context.Context, kind, key string) ([]byte, int64, error) {
	var value []byte
	var version int64
	err := s.db.Row(ctx, `SELECT value, version FROM short WHERE kind = $1 AND key = $2 AND expires > $3`,
		kind, key, s.now().UnixMilli()).Scan(&value, &version)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, broker.ErrNotFound
	}
	if err != nil {
		return nil, 0, wrap("get", kind, err)
	}
	return value, version, nil
}

// Take reads and removes a record; see broker.Short.
func (s *Short) Take(ctx context.Context, kind, key string) ([]byte, error) {
	var value []byte
	var expires int64
	err := s.db.DoRow(ctx, []any{&value, &expires}, `DELETE FROM short WHERE kind = $1 AND key = $2 RETURNING value, expires`, kind, key)
	if errors.Is(err, sql.ErrNoRows) || err == nil && expires <= s.now().UnixMilli() {
		return nil, broker.ErrNotFound
	}
	if err != nil {
		return nil, wrap("take", kind, err)
	}
	return value, nil
}

// Swap writes a record if nobody else has; see broker.Short.
func (s *Short) Swap(ctx context.Context, kind, key string, version int64, value []byte, expires time.Time) error {
	if err := checkShort(kind, key, value); err != nil {
		return err
	}
	value = notNull(value)
	var n int64
	var err error
	now := s.now().UnixMilli()
	if version == 0 {
		n, err = s.db.Do(ctx, `INSERT INTO short (kind, key, version, expires, value) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (kind, key) DO UPDATE SET version = excluded.version, expires = excluded.expires, value = excluded.value
			WHERE short.expires <= $6`,
			kind, key, newVersion(), expires.UnixMilli(), value, now)
	} else {
		n, err = s.db.Do(ctx, `UPDATE short SET version = $1, expires = $2, value = $3
			WHERE kind = $4 AND key = $5 AND version = $6 AND expires > $7`,
			newVersion(), expires.UnixMilli(), value, kind, key, version, now)
	}
	if err == nil && n == 0 {
		return broker.ErrConflict
	}
	return wrap("swap", kind, err)
}

// Run removes expired records, until ctx ends.
func (s *Short) Run(ctx context.Context) error {
	return sweeping(ctx, s.log, time.Minute, s.Clean)
}

// Clean removes expired records.
func (s *Short) Clean(ctx context.Context) error {
	err := inBatches(ctx, s.db, `DELETE FROM short WHERE (kind, key) IN
		(SELECT kind, key FROM short WHERE expires <= $1 ORDER BY expires LIMIT $2)`, s.now().UnixMilli())
	if err == nil {
		_, err = s.db.Settle(ctx) // what was removed leaves the log as well
	}
	return wrap("clean", "all", err)
}

// newVersion is never zero. It is random rather than counted, so that a record
// that was removed and made again is not mistaken for the old one.
func newVersion() int64 { return rand.Int64() | 1 }

func checkShort(kind, key string, value []byte) error {
	switch {
	case kind == "" || key == "":
		return errors.New("short store: no kind or no key")
	case len(key) > 1024:
		return fmt.Errorf("short store: a key of %d bytes", len(key))
	case len(value) > maxShort:
		return fmt.Errorf("short store: a %s of %d bytes", kind, len(value))
	}
	return nil
}

// notNull keeps an empty value from being taken for none.
func notNull(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}

// wrap names the kind, never the key: keys are secrets.
func wrap(act, kind string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("short store: %s %s: %w", act, kind, err)
}
