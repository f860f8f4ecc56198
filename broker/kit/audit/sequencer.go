package audit

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"sigill/broker/kit/sqldb"
)

// Signer is the installation's audit key: Ed25519, or ECDSA on P-256.
type Signer struct {
	KID string
	Key crypto.Signer
}

// Sequencer gives rows their place in the chain and signs its head. Every
// process of an installation may run one; a lease in the database lets one of
// them work, which saves the others the trouble. The chain does not rest on it:
// the lease, the end of the chain and the new rows belong to one transaction, so
// two that both believe to hold the lease, as with clocks that differ, come one
// after the other all the same.
type Sequencer struct {
	DB     *sqldb.DB
	Signer func() (Signer, error)
	// Interval is how often it looks for new rows; default 1 s.
	Interval time.Duration
	// Heads is how often it signs; default 1 h.
	Heads time.Duration
	Now   func() time.Time
	Log   *slog.Logger

	holder string
}

const (
	sequenceBatch = 500
	leaseFor      = 10 * time.Second
)

// NewSequencer sets the defaults and starts nothing.
func NewSequencer(s Sequencer) (*Sequencer, error) {
	if s.DB == nil || s.Signer == nil {
		return nil, errors.New("audit: a sequencer needs a database and a key")
	}
	s.Interval = cmp.Or(s.Interval, time.Second)
	s.Heads = cmp.Or(s.Heads, time.Hour)
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	s.holder = rand.Text()
	return &s, nil
}

// Run works until ctx ends; then it gives the last rows their place and signs
// the head.
func (s *Sequencer) Run(ctx context.Context) error {
	tick := time.NewTicker(s.Interval)
	defer tick.Stop()
	failing := false
	for {
		err := s.turn(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "audit not sequenced; trying on", "error", err)
		}
		if err == nil && failing {
			s.Log.InfoContext(ctx, "audit is sequenced again")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			last, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer done()
			if err := errors.Join(s.Sequence(last), s.Sign(last), s.release(last)); err != nil {
				return fmt.Errorf("audit: at the end: %w", err)
			}
			return nil
		case <-tick.C:
		}
	}
}

func (s *Sequencer) turn(ctx context.Context) error {
	if err := s.Sequence(ctx); err != nil {
		return err
	}
	// Where nothing happens, nothing is written.
	position, _, err := end(s.reader(ctx))
	if err != nil {
		return err
	}
	signed, at, err := lastHead(s.reader(ctx))
	if err != nil || signed == position || s.Now().Sub(at) < s.Heads {
		return err
	}
	return s.Sign(ctx)
}

// reader reads one row outside a transaction.
func (s *Sequencer) reader(ctx context.Context) rowOf {
	return func(query string, args ...any) sqldb.Row { return s.DB.Row(ctx, query, args...) }
}

// errNotMine ends a turn because another process holds the lease.
var errNotMine = errors.New("another process is the sequencer")

// Sequence gives every waiting row its place. When another process holds the
// lease it does nothing.
func (s *Sequencer) Sequence(ctx context.Context) error {
	for {
		var some bool
		if err := s.DB.Row(ctx, `SELECT EXISTS (SELECT 1 FROM audit_waiting)`).Scan(&some); err != nil || !some {
			return err
		}
		var n int
		err := s.DB.Write(ctx, func(tx *sqldb.Tx) (err error) {
			if err = s.lease(tx); err == nil {
				n, err = move(tx)
			}
			return err
		})
		if errors.Is(err, errNotMine) {
			return nil
		}
		if err != nil || n < sequenceBatch {
			return err
		}
	}
}

// lease takes or prolongs the lease. One that ends later than any would was
// written by a clock that was ahead, and is not waited for.
func (s *Sequencer) lease(tx *sqldb.Tx) error {
	now := s.Now()
	n, err := tx.Exec(`UPDATE audit_sequencer SET holder = $1, until = $2 WHERE id = 1 AND (holder = $1 OR until <= $3 OR until > $4)`,
		s.holder, now.Add(leaseFor).UnixMilli(), now.UnixMilli(), now.Add(2*leaseFor).UnixMilli())
	if err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	if n == 0 {
		return errNotMine
	}
	return nil
}

// release lets another process go on at once.
func (s *Sequencer) release(ctx context.Context) error {
	return s.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`UPDATE audit_sequencer SET until = 0 WHERE id = 1 AND holder = $1`, s.holder)
		return err
	})
}

// Touch writes to the database and changes nothing, to see whether that can be
// done. It waits for nobody: who holds the row can write.
func (s *Sequencer) Touch(ctx context.Context) error {
	err := s.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`UPDATE audit_sequencer SET until = until
			WHERE id IN (SELECT id FROM audit_sequencer WHERE id = 1` + tx.SkipLocked() + `)`)
		return err
	})
	if err != nil {
		return fmt.Errorf("touch the sequencer's row: %w", err)
	}
	return nil
}

// move takes waiting rows into the chain.
func move(tx *sqldb.Tx) (int, error) {
	rows, err := tx.Rows(`DELETE FROM audit_waiting WHERE id IN (SELECT id FROM audit_waiting ORDER BY id LIMIT $1)
		RETURNING id, `+eventColumns, sequenceBatch)
	if err != nil {
		return 0, fmt.Errorf("take rows: %w", err)
	}
	defer rows.Close()
	type waiting struct {
		id int64
		e  Event
	}
	var list []waiting
	for rows.Next() {
		var w waiting
		if err := rows.Scan(append([]any{&w.id}, w.e.into()...)...); err != nil {
			return 0, fmt.Errorf("take rows: %w", err)
		}
		list = append(list, w)
	}
	if err := rows.Err(); err != nil {
		return 0, fmt.Errorf("take rows: %w", err)
	}
	slices.SortFunc(list, func(a, b waiting) int { return cmp.Compare(a.id, b.id) })

	position, hash, err := end(tx.Row)
	if err != nil {
		return 0, err
	}
	var values []any
	for _, w := range list {
		position++
		hash = link(hash, position, w.e)
		values = append(append(values, position, hash), w.e.values()...)
	}
	for len(values) > 0 {
		n := min(len(values), bundle*columns)
		if n < bundle*columns {
			n = columns // of texts that differ by the number of rows there would be too many
		}
		if err := tx.Later(addRows(n/columns), values[:n]...); err != nil {
			return 0, fmt.Errorf("add rows: %w", err)
		}
		values = values[n:]
	}
	return len(list), nil
}

const (
	bundle  = 20 // rows of one statement
	columns = 11 // of the chain
)

// addRows is the statement that adds some rows to the chain.
func addRows(rows int) string {
	b := strings.Builder{}
	b.WriteString(`INSERT INTO audit_chain (position, hash, ` + eventColumns + `) VALUES `)
	for i := range rows * columns {
		switch {
		case i == 0:
			b.WriteString("(")
		case i%columns == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", i+1)
	}
	return b.String() + ")"
}

const eventColumns = `type, at, client, provider, instance, order_id, login, person, reason`

func (e *Event) into() []any {
	return []any{&e.Type, sqldb.IntoTime(&e.At), &e.Client, &e.Provider, &e.Instance, &e.Order, &e.Login, &e.Person, &e.Reason}
}

func (e Event) values() []any {
	return []any{string(e.Type), e.At.UnixMilli(), e.Client, e.Provider, e.Instance, e.Order, e.Login, e.Person, e.Reason}
}

// rowOf reads one row, in a transaction or outside.
type rowOf func(query string, args ...any) sqldb.Row

// lastHead tells up to where and when the chain was last signed.
func lastHead(row rowOf) (position int64, at time.Time, err error) {
	err = row(`SELECT COALESCE(max(position), 0), max(at) FROM audit_heads`).Scan(&position, sqldb.IntoTime(&at))
	if err != nil {
		err = fmt.Errorf("last head: %w", err)
	}
	return position, at, err
}

// end reads where the chain ends.
func end(row rowOf) (int64, []byte, error) {
	var position int64
	var hash []byte
	err := row(`SELECT position, hash FROM audit_chain ORDER BY position DESC LIMIT 1`).Scan(&position, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, genesis(), nil
	}
	if err != nil {
		return 0, nil, fmt.Errorf("end of chain: %w", err)
	}
	return position, hash, nil
}

// Sign signs the head of the chain, unless that very head is signed already or
// another process holds the lease.
func (s *Sequencer) Sign(ctx context.Context) error {
	signer, err := s.Signer()
	if err != nil {
		return fmt.Errorf("audit key: %w", err)
	}
	var h Head
	err = s.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if err := s.lease(tx); err != nil {
			return err
		}
		h = Head{At: s.Now(), KID: signer.KID}
		var err error
		if h.Position, h.Hash, err = end(tx.Row); err != nil {
			return err
		}
		signed, _, err := lastHead(tx.Row)
		switch {
		case err != nil:
			return err
		case signed == h.Position:
			return errNotMine
		case signed > h.Position:
			return fmt.Errorf("the chain ends at row %d, but row %d was signed: rows were removed", h.Position, signed)
		}
		if h.Signature, err = sign(signer.Key, h.text()); err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO audit_heads (position, at, hash, kid, signature) VALUES ($1, $2, $3, $4, $5)`,
			h.Position, h.At.UnixMilli(), h.Hash, h.KID, h.Signature)
		return err
	})
	if errors.Is(err, errNotMine) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sign head: %w", err)
	}
	s.Log.InfoContext(ctx, "audit head signed", "head", h.String())
	return nil
}
