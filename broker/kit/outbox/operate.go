package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigill/broker/kit/sqldb"
)

// State is how far an entry has come.
type State string

const (
	Waiting State = "waiting"  // for its time, its next try, or its place in the stream
	Failed  State = "failed"   // not tried again; GaveUp has not yet been told
	Done    State = "done"     //
	GivenUp State = "given up" // and GaveUp has been told
	Dropped State = "dropped"
)

// Item is an entry as the operator sees it: without payload.
type Item struct {
	Entry
	Seq      int64
	State    State
	UnderWay bool
	Node     string    // that last worked on it
	Next     time.Time // try, or the end of the lease when it is under way
	Error    string    // of the last try
	Ended    time.Time
}

// Filter chooses entries; a zero field chooses all.
type Filter struct {
	Ref   string
	Kind  string
	State State
	After int64 // Seq of the last one that was seen
	Limit int   // default 100
}

// List gives entries in the order they came.
func (q *Queue) List(ctx context.Context, f Filter) ([]Item, error) {
	args := []any{f.After, f.Limit}
	if f.Limit <= 0 {
		args[1] = 100
	}
	where := `seq > $1`
	for _, c := range []struct{ column, value string }{{"ref", f.Ref}, {"kind", f.Kind}, {"state", string(f.State)}} {
		if c.value != "" {
			args = append(args, c.value)
			where += fmt.Sprintf(` AND %s = $%d`, c.column, len(args))
		}
	}
	rows, err := q.DB.Rows(ctx, `SELECT seq, id, kind, ref, stream, lane, state, created, due, next, attempts, node, claim, error, ended
		FROM outbox WHERE `+where+` ORDER BY seq LIMIT $2`, args...)
	if err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	defer rows.Close()
	now := q.Now()
	var list []Item
	for rows.Next() {
		var i Item
		var claim string
		if err := rows.Scan(&i.Seq, &i.ID, &i.Kind, &i.Ref, &i.Stream, &i.Lane, &i.State, sqldb.IntoTime(&i.Created), sqldb.IntoTime(&i.Due),
			sqldb.IntoTime(&i.Next), &i.Attempts, &i.Node, &claim, &i.Error, sqldb.IntoTime(&i.Ended)); err != nil {
			return nil, fmt.Errorf("outbox: %w", err)
		}
		i.UnderWay = claim != "" && i.Next.After(now)
		list = append(list, i)
	}
	return list, rows.Err()
}

// Pending tells how much of the queue's kinds, or of all where it has none, is
// due and not done, and how long the oldest of it has been due.
func (q *Queue) Pending(ctx context.Context) (count int, oldest time.Duration, err error) {
	now := q.Now()
	where, args := `ended IS NULL AND due <= $1`, []any{now.UnixMilli()}
	if len(q.kinds) > 0 {
		where += ` AND kind IN (` + placeholders(2, len(q.kinds)) + `)`
		args = append(args, texts(q.kinds)...)
	}
	var due time.Time
	if err := q.DB.Row(ctx, `SELECT count(*), min(due) FROM outbox WHERE `+where, args...).Scan(&count, sqldb.IntoTime(&due)); err != nil {
		return 0, 0, fmt.Errorf("outbox: %w", err)
	}
	if count > 0 {
		oldest = now.Sub(due)
	}
	return count, oldest, nil
}

// ErrNotPossible is the answer when there is no such entry, or it is under way,
// done or dropped.
var ErrNotPossible = errors.New("outbox: no entry of that id that this could be done to")

// Retry tries at once what waits or was given up, with all its tries anew.
func (q *Queue) Retry(ctx context.Context, id string) error {
	now := q.Now().UnixMilli()
	err := q.change(ctx, func(tx *sqldb.Tx) (int64, error) {
		return tx.Exec(`UPDATE outbox SET state = 'waiting', due = $1, next = $1, attempts = 0, claim = '', ended = NULL
			WHERE id = $2 AND (state = 'given up' OR ended IS NULL AND (claim = '' OR next <= $1))`, now, id)
	})
	q.Wake()
	return err
}

// Drop ends what waits or was given up.
func (q *Queue) Drop(ctx context.Context, id string) error {
	now := q.Now().UnixMilli()
	return q.change(ctx, func(tx *sqldb.Tx) (int64, error) {
		return drop(tx, `id = $2 AND (state = 'given up' OR ended IS NULL AND (claim = '' OR next <= $1))`, now, id)
	})
}

func (q *Queue) change(ctx context.Context, fn func(*sqldb.Tx) (int64, error)) error {
	var n int64
	err := q.DB.Write(ctx, func(tx *sqldb.Tx) (err error) {
		n, err = fn(tx)
		return err
	})
	switch {
	case err != nil:
		return fmt.Errorf("outbox: %w", err)
	case n == 0:
		return ErrNotPossible
	}
	return nil
}

const purgeBatch = 500

// Purge removes what ended longer ago than Keep. Run does so hourly.
func (q *Queue) Purge(ctx context.Context) (removed int, err error) {
	before := q.Now().Add(-q.Keep).UnixMilli()
	for {
		// Where nothing is old, nothing is written.
		var some bool
		if err := q.DB.Row(ctx, `SELECT EXISTS (SELECT 1 FROM outbox WHERE ended < $1)`, before).Scan(&some); err != nil || !some {
			return removed, err
		}
		var n int64
		if err := q.DB.Write(ctx, func(tx *sqldb.Tx) (err error) {
			n, err = tx.Exec(`DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE ended < $1 LIMIT $2)`, before, purgeBatch)
			return err
		}); err != nil {
			return removed, err
		}
		removed += int(n)
	}
}
