// Package keys keeps a room's keys: boxes that seal data, indexes over personal
// numbers, and the keys that sign tokens and the audit.
//
// It owns their life: making them at first use, rotation, publication,
// withdrawal; and the master key, which lies in a file outside the database and
// seals every key that lies in it. It does not know what is sealed or signed,
// and makes no cryptography of its own: AES-256-GCM, HMAC-SHA256, RSA, ECDSA and
// Ed25519 are the standard library's. Names of signing keys are RFC 7638
// thumbprints.
//
// Several processes may share one database: of those that make or rotate a key
// at the same moment one wins, and the others take over what it made.
package keys

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
)

//go:embed migrations
var migrations embed.FS

// Tables is what a room's database needs to hold keys. Acts upon keys are
// audited, so it needs audit.Tables too.
func Tables() sqldb.Set { return sqldb.SetIn("keys", migrations, "migrations") }

// Ring is the keys of one database, opened. Its fields may be set before it is
// shared.
type Ring struct {
	// Lead is how long a signing key is published before it is used, so that
	// whoever caches our keys has it in time.
	Lead time.Duration
	// Overlap is how long a retired one stays published: longer than anything
	// it signed is valid.
	Overlap time.Duration
	// BoxAge is when a box gets a new key for what it seals from then on. With
	// random nonces one key is good for some 2^32 seals.
	BoxAge time.Duration
	// Poll is how often Run looks for what other processes did.
	Poll time.Duration
	// MasterFiles are the files of the master keys, the current one's first, which
	// are read anew before the keys are. None: the masters stay as they were given.
	MasterFiles []string
	// Past is the time that has surely come, by which keys are erased; see
	// clock.Clock. nil: the time that Open was given.
	Past func() time.Time
	Log  *slog.Logger

	db      *sqldb.DB
	masters atomic.Pointer[[]Master]
	now     func() time.Time

	loading sync.Mutex
	loaded  atomic.Pointer[snapshot]
	told    struct{ files, keys string } // what the log has said; under loading

	looking sync.Mutex
	looks   atomic.Int64 // how many have begun
	last    time.Time    // when the last one began; under looking
	looked  error        // what came of it; under looking
}

// snapshot is the keys as they were at one moment. It is never changed.
type snapshot struct {
	all    []*key // oldest first
	byID   map[string]*key
	active map[slot]*key
	unheld int // living keys under a master key that is not here
}

// slot is what a key is for; one is active in each.
type slot struct{ purpose, kind string }

// The purposes that keys of this package's own kinds have.
const (
	purposeTokens = "token"
	purposeAudit  = "audit"
)

// Open opens every key. The first master is the current one; a key sealed under
// a master that is not given is an error, since nothing good comes of running
// without it.
func Open(ctx context.Context, db *sqldb.DB, masters []Master, now func() time.Time) (*Ring, error) {
	if len(masters) == 0 {
		return nil, errors.New("keys: no master key given")
	}
	if now == nil {
		now = time.Now
	}
	r := &Ring{
		Lead: 24 * time.Hour, Overlap: 24 * time.Hour, BoxAge: 90 * 24 * time.Hour, Poll: 10 * time.Second,
		Log: slog.New(slog.DiscardHandler),
		db:  db, now: now,
	}
	r.masters.Store(&masters)
	r.loaded.Store(&snapshot{})
	if err := r.Refresh(ctx); err != nil {
		return nil, err
	}
	for _, k := range r.loaded.Load().all {
		if k.unopened() {
			return nil, r.errUnopened(k.Info)
		}
	}
	return r, nil
}

// Run follows what other processes do and does what is due, until ctx ends.
func (r *Ring) Run(ctx context.Context) error {
	tick := time.NewTicker(r.Poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := r.Maintain(ctx); err != nil && ctx.Err() == nil {
			r.Log.Error("keys not maintained", "error", err)
		}
	}
}

// Refresh takes over what other processes did, after the master keys' files have
// been read anew. A key under a master key that is not here stays unopened, and
// what it took over from goes on: see Check and Unheld.
func (r *Ring) Refresh(ctx context.Context) error {
	r.loading.Lock()
	defer r.loading.Unlock()
	r.readMasters()
	old := r.loaded.Load()
	rows, err := r.db.Rows(ctx, `SELECT id, purpose, kind, state, master, wrapped, created, activated, retired, withdrawn
		FROM keys ORDER BY created, id`)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	defer rows.Close()
	fresh := &snapshot{byID: map[string]*key{}, active: map[slot]*key{}}
	for rows.Next() {
		k := &key{}
		var wrapped []byte
		if err := rows.Scan(&k.ID, &k.Purpose, &k.Kind, &k.State, &k.Master, &wrapped,
			sqldb.IntoTime(&k.Created), sqldb.IntoTime(&k.Activated), sqldb.IntoTime(&k.Retired), sqldb.IntoTime(&k.Withdrawn)); err != nil {
			return fmt.Errorf("keys: %w", err)
		}
		if k.State != Withdrawn {
			if known := old.byID[k.ID]; known != nil && known.Purpose == k.Purpose && known.Kind == k.Kind && known.opened() {
				k.aead, k.index, k.signer = known.aead, known.index, known.signer
			} else if err := r.open(k, wrapped); err != nil {
				return err
			}
			if _, ok := r.master(k.Master); !ok {
				fresh.unheld++
			}
		}
		fresh.all = append(fresh.all, k)
		fresh.byID[k.ID] = k
		if k.State == Active {
			fresh.active[slot{k.Purpose, k.Kind}] = k
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	for s, k := range fresh.active {
		if before := old.active[s]; k.unopened() && before != nil {
			if still := fresh.byID[before.ID]; still != nil && still.opened() {
				fresh.active[s] = still
			}
		}
	}
	r.loaded.Store(fresh)
	r.tell(fresh)
	return nil
}

// open opens a key; where its master key is not here it stays closed.
func (r *Ring) open(k *key, wrapped []byte) error {
	m, ok := r.master(k.Master)
	if !ok {
		return nil
	}
	secret, err := m.unwrap(wrapped, k.ID, k.Purpose, k.Kind)
	if err == nil {
		err = k.use(secret)
	}
	if err != nil {
		return fmt.Errorf("keys: %s key %s cannot be opened with its master key; its row was altered: %w", k.Kind, k.ID, err)
	}
	return nil
}

// activeKey gives the active key of a slot, making it at first use.
func (r *Ring) activeKey(s slot) (*key, error) {
	if k := r.loaded.Load().active[s]; k != nil && k.opened() {
		return k, nil
	}
	ctx := context.Background()
	if err := r.Refresh(ctx); err != nil {
		return nil, err
	}
	if k := r.loaded.Load().active[s]; k != nil && k.opened() {
		return k, nil
	} else if k != nil {
		return nil, r.errUnopened(k.Info)
	}
	row, err := r.make(s, Active)
	if err != nil {
		return nil, err
	}
	if err := r.db.Write(ctx, func(tx *sqldb.Tx) error { return r.insert(tx, row) }); err != nil {
		return nil, fmt.Errorf("keys: new %s key: %w", s.kind, err)
	}
	if err := r.Refresh(ctx); err != nil {
		return nil, err
	}
	if k := r.loaded.Load().active[s]; k != nil && k.opened() {
		return k, nil
	}
	return nil, fmt.Errorf("keys: the new %s key for %q is not there", s.kind, s.purpose)
}

// newKey is a row to be written.
type newKey struct {
	Info
	secret []byte
}

func (r *Ring) make(s slot, state State) (newKey, error) {
	id, secret, err := generate(s.kind)
	if err != nil {
		return newKey{}, fmt.Errorf("keys: %w", err)
	}
	now := r.now()
	n := newKey{Info{ID: id, Purpose: s.purpose, Kind: s.kind, State: state, Created: now}, secret}
	if state == Active {
		n.Activated = now
	}
	return n, nil
}

// insert writes a new key; when another process was first, nothing.
func (r *Ring) insert(tx *sqldb.Tx, k newKey) error {
	m, err := r.wrapping(tx)
	if err != nil {
		return err
	}
	n, err := tx.Exec(`INSERT INTO keys (id, purpose, kind, state, master, wrapped, created, activated)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		k.ID, k.Purpose, k.Kind, string(k.State), m.id, m.wrap(k.secret, k.ID, k.Purpose, k.Kind), sqldb.Millis(k.Created), sqldb.Millis(k.Activated))
	if err != nil || n == 0 {
		return err
	}
	return r.audit(tx, audit.KeyCreated, k.Info)
}

func (r *Ring) audit(tx *sqldb.Tx, t audit.Type, k Info) error {
	return audit.Insert(tx, audit.Event{Type: t, At: r.now(), Instance: k.ID, Reason: k.Purpose + " " + k.Kind})
}

// errFirst undoes a step that another process has done meanwhile.
var errFirst = errors.New("another process was first")

// replace makes next the active key of its slot and retires the one before it.
func (r *Ring) replace(tx *sqldb.Tx, next Info) error {
	now := sqldb.Millis(r.now())
	if _, err := tx.Exec(`UPDATE keys SET state = 'retired', retired = $1 WHERE purpose = $2 AND kind = $3 AND state = 'active'`,
		now, next.Purpose, next.Kind); err != nil {
		return err
	}
	n, err := tx.Exec(`UPDATE keys SET state = 'active', activated = $1 WHERE id = $2 AND state = 'next'`, now, next.ID)
	if err != nil {
		return err
	}
	if n == 0 {
		return errFirst
	}
	return r.audit(tx, audit.KeyRotated, next)
}

// Maintain does what is due: takes over what other processes did, uses signing
// keys that have been published long enough, withdraws those that were retired
// long enough, and gives old boxes new keys.
func (r *Ring) Maintain(ctx context.Context) error {
	if err := r.Refresh(ctx); err != nil {
		return err
	}
	now := r.now()
	past := now
	if r.Past != nil {
		past = r.Past()
	}
	changed := false
	var faults []error
	for _, k := range r.loaded.Load().all {
		var act func(*sqldb.Tx) error
		switch {
		case k.State == Next && k.opened() && !now.Before(k.Created.Add(r.Lead)):
			act = func(tx *sqldb.Tx) error { return r.replace(tx, k.Info) }
		case k.State == Retired && k.Purpose == purposeTokens && !past.Before(k.Retired.Add(r.Overlap)):
			act = func(tx *sqldb.Tx) error { return r.withdraw(tx, k.Info) }
		case k.State == Active && k.Kind == kindBox && !now.Before(k.Activated.Add(r.BoxAge)):
			next, err := r.make(slot{k.Purpose, k.Kind}, Next)
			if err != nil {
				return err
			}
			act = func(tx *sqldb.Tx) error {
				if err := r.stillActive(tx, k.ID); err != nil {
					return err
				}
				if err := r.insert(tx, next); err != nil {
					return err
				}
				return r.replace(tx, next.Info)
			}
		default:
			continue
		}
		if err := r.db.Write(ctx, act); err != nil && !errors.Is(err, errFirst) {
			faults = append(faults, fmt.Errorf("keys: %s key %s: %w", k.Kind, k.ID, err))
		}
		changed = true
	}
	if changed {
		faults = append(faults, r.Refresh(ctx))
	}
	return errors.Join(faults...)
}

func (r *Ring) stillActive(tx *sqldb.Tx, id string) error {
	var state State
	err := tx.Row(`SELECT state FROM keys WHERE id = $1`, id).Scan(&state)
	if errors.Is(err, sql.ErrNoRows) || err == nil && state != Active {
		return errFirst
	}
	return err
}

func (r *Ring) withdraw(tx *sqldb.Tx, k Info) error {
	n, err := tx.Exec(`UPDATE keys SET state = 'withdrawn', withdrawn = $1, wrapped = NULL WHERE id = $2 AND state = 'retired'`,
		sqldb.Millis(r.now()), k.ID)
	if err != nil {
		return err
	}
	if n == 0 {
		return errFirst
	}
	return r.audit(tx, audit.KeyRetired, k)
}

// List tells of every key that there is or was, by purpose, oldest first.
func (r *Ring) List() []Info {
	var list []Info
	for _, k := range r.loaded.Load().all {
		list = append(list, k.Info)
	}
	slices.SortStableFunc(list, func(a, b Info) int {
		return cmp.Or(cmp.Compare(a.Purpose, b.Purpose), cmp.Compare(a.Kind, b.Kind))
	})
	return list
}
