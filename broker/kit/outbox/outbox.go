// Package outbox does what has to be done outside the database: send a message,
// call a webhook, seal a file (invariant I7).
//
// It owns the rows that are written in the same transaction as the act that
// wants something done, who works on which of them, the tries and the pauses
// between them, and what is left to look at afterwards. It does not know what is
// done: handlers do, and seal the payloads they need.
//
// An entry is done at least once. It is claimed with a lease and marked after its
// handler returned; when the process dies in between, or cannot write, it is done
// again. So a handler needs an effect that may be repeated, or that carries the
// entry's ID so that the other side knows it again.
package outbox

import (
	"embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"sigill/broker/kit/sqldb"
)

//go:embed migrations
var migrations embed.FS

// Tables is what a room's database needs to hold an outbox.
func Tables() sqldb.Set { return sqldb.SetIn("outbox", migrations, "migrations") }

// Entry is one thing to be done.
type Entry struct {
	// ID names it for ever. The outside may see it.
	ID   string
	Kind string // which handler does it
	Ref  string // what it belongs to, such as an order
	// Stream, if not empty, keeps order: entries of one stream are done one at a
	// time, in the order they came, and a failing one holds up those behind it
	// until it is given up.
	Stream string
	// Lane, if not empty, is a place where only one thing is done at a time, such
	// as a receiver: others go on meanwhile, in any order, and whoever is slow
	// there keeps one worker busy and not all.
	Lane string
	// Payload is the handler's alone, and sealed by whoever made it. It is erased
	// as soon as the entry is done or dropped.
	Payload []byte
	Created time.Time
	Due     time.Time // not before this; zero: at once
	// Attempts counts the tries so far, with the present one. Insert ignores it.
	Attempts int
}

// maxPayload is plenty for a message; what is larger belongs in a table of its own.
const maxPayload = 1 << 20

// Insert writes an entry in the transaction of the act. When there is one with
// that ID, done or not, nothing happens.
func Insert(tx *sqldb.Tx, e Entry) error {
	switch {
	case e.ID == "" || e.Kind == "" || e.Created.IsZero():
		return errors.New("outbox: an entry without id, kind or time")
	case len(e.Payload) > maxPayload:
		return fmt.Errorf("outbox: a payload of %d bytes", len(e.Payload))
	}
	if e.Due.IsZero() {
		e.Due = e.Created
	}
	if _, err := tx.Exec(`INSERT INTO outbox (id, kind, ref, stream, lane, payload, state, created, due, next, attempts, node, claim, error)
		VALUES ($1, $2, $3, $4, $5, $6, 'waiting', $7, $8, $8, 0, '', '', '') ON CONFLICT DO NOTHING`,
		e.ID, e.Kind, e.Ref, e.Stream, e.Lane, e.Payload, e.Created.UnixMilli(), e.Due.UnixMilli()); err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	return nil
}

// Cancel drops what is still to be done for ref, of the given kinds or of all.
// What is under way at this moment is not stopped, but it is not tried again.
func Cancel(tx *sqldb.Tx, now time.Time, ref string, kinds ...string) error {
	args := []any{now.UnixMilli(), ref}
	where := `ref = $2 AND ended IS NULL`
	if len(kinds) > 0 {
		where += ` AND kind IN (` + placeholders(3, len(kinds)) + `)`
		args = append(args, texts(kinds)...)
	}
	if _, err := drop(tx, where, args...); err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	return nil
}

// drop ends rows; $1 in where is the time. The claim stays, so that a stream
// waits for what is under way, and so that what is done nevertheless is marked so.
func drop(tx *sqldb.Tx, where string, args ...any) (int64, error) {
	return tx.Exec(`UPDATE outbox SET state = 'dropped', ended = $1, payload = NULL,
		next = CASE WHEN claim = '' THEN 0 ELSE next END WHERE `+where, args...)
}

// Erase removes every trace of ref.
func Erase(tx *sqldb.Tx, ref string) error {
	if _, err := tx.Exec(`DELETE FROM outbox WHERE ref = $1`, ref); err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	return nil
}

// Permanent marks an error that another try would not mend. Errors that have a
// method Permanent() bool say so themselves.
func Permanent(err error) error { return &permanent{err} }

type permanent struct{ error }

func (p *permanent) Unwrap() error { return p.error }
func (*permanent) Permanent() bool { return true }

func isPermanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

// retryAfter is the pause that an error asks for with RetryAfter() time.Duration.
func retryAfter(err error) time.Duration {
	var r interface{ RetryAfter() time.Duration }
	if errors.As(err, &r) {
		return r.RetryAfter()
	}
	return 0
}

// placeholders gives "$first, …", n of them.
func placeholders(first, n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = "$" + strconv.Itoa(first+i)
	}
	return strings.Join(list, ", ")
}

func texts(list []string) []any {
	args := make([]any, len(list))
	for i, s := range list {
		args[i] = s
	}
	return args
}
