// Package sqldb opens an installation's databases and runs transactions in them.
//
// It owns how SQLite and PostgreSQL are opened, how schemas move forward, and
// the one way to write: Write, whose transactions are as if one came after the
// other, on either engine. It does not know any table but its own list of
// migrations. Statements are written so that both engines run them ($1,
// RETURNING, ON CONFLICT); only migrations differ.
//
// SQLite runs in WAL mode with one writing connection and a few reading ones:
// readers see the last commit and never wait; transactions that wait for the
// writer share one commit, since the flush is what costs. PostgreSQL runs each
// Write as a serializable transaction, again when it got in another's way.
package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
	"time"
)

// Durability is what a commit survives.
type Durability string

const (
	// Durable commits survive a loss of power.
	Durable Durability = "FULL"
	// CrashSafe commits survive the end of the process, however sudden. After a
	// loss of power, or the sudden end of the database's server, the last ones may
	// be gone, never half of one.
	CrashSafe Durability = "NORMAL"
)

// Engine names a kind of database, and the folder of its migrations.
type Engine string

// The engines.
const (
	SQLite     Engine = "sqlite"
	PostgreSQL Engine = "postgres"
)

// ErrUncertain is in the error of a Write whose commit got no answer: what it
// wrote may be there or not. Whoever can looks; whoever cannot treats it as a
// failure that may have happened.
var ErrUncertain = errors.New("sqldb: the commit got no answer")

// errClosed is the answer after Close.
var errClosed = errors.New("sqldb: database is closed")

// DB is one database: a SQLite file, or a schema of a PostgreSQL database. Other
// processes may have it open as well.
type DB struct {
	engine Engine
	do     doer
	count  counts
}

// doer is an engine at work on one database.
type doer interface {
	row(ctx context.Context, query string, args []any) Row
	rows(ctx context.Context, query string, args []any) (*sql.Rows, error)
	write(ctx context.Context, fn func(*Tx) error) error
	do(ctx context.Context, query string, args, scan []any) (int64, error)
	migrate(ctx context.Context, now time.Time, files []migration) error
	settle(ctx context.Context) (bool, error)
	close() error
}

type counts struct{ writes, failures, nanos atomic.Int64 }

// Stats is what became of all Writes so far.
type Stats struct {
	Writes   int64
	Failures int64 // of the database; what a transaction refused by itself is none
	Again    int64 // transactions that were run again, since they met others
	Busy     time.Duration
}

// Stats counts.
func (db *DB) Stats() Stats {
	s := Stats{Writes: db.count.writes.Load(), Failures: db.count.failures.Load(), Busy: time.Duration(db.count.nanos.Load())}
	if p, ok := db.do.(*postgres); ok {
		s.Again = p.again.Load()
	}
	return s
}

// Engine is which one it is.
func (db *DB) Engine() Engine { return db.engine }

// Close waits for the transactions under way.
func (db *DB) Close() error { return db.do.close() }

// Settle makes what was removed leave the files, as far as it is for us to do:
// SQLite's log is written back and emptied. It is false when readers kept the
// log from being emptied: the next call, or much writing, does it. In PostgreSQL
// that is the server's matter (VACUUM, and how long its log is kept).
func (db *DB) Settle(ctx context.Context) (bool, error) { return db.do.settle(ctx) }

// Row reads at most one row of the last commit. Scan gives sql.ErrNoRows when
// there is none.
func (db *DB) Row(ctx context.Context, query string, args ...any) Row {
	return db.do.row(ctx, query, kept(args))
}

// Rows reads rows of the last commit. The caller closes them.
func (db *DB) Rows(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return db.do.rows(ctx, query, kept(args))
}

// Write runs fn in a transaction and returns when its commit is durable. An
// error of fn undoes what fn did and is returned as it is. All Writes of all
// processes are as if one came after the other: what fn reads is still so when
// it commits.
//
// fn may be called several times, all but the last in vain, and must call
// nothing but the database, and never Write. When ctx ends before fn has begun,
// nothing has happened; after that Write stays to the end, since an abandoned
// commit could be either. Where the end cannot be known, the error is
// ErrUncertain.
func (db *DB) Write(ctx context.Context, fn func(*Tx) error) error {
	refused := false
	began := time.Now()
	err := db.do.write(ctx, func(tx *Tx) error {
		err := fn(tx)
		refused = err != nil && !tx.broken
		return err
	})
	db.count.writes.Add(1)
	db.count.nanos.Add(int64(time.Since(began)))
	if err != nil && !refused && ctx.Err() == nil {
		db.count.failures.Add(1)
	}
	return err
}

// Do runs one statement that writes, as a transaction of its own, and tells how
// many rows it changed. It costs less than Write, and is for statements that look
// at no other rows than those they change: for more than that it is not as if one
// came after the other. What is said of Write about ends holds here as well.
func (db *DB) Do(ctx context.Context, query string, args ...any) (int64, error) {
	return db.alone(ctx, query, args, nil)
}

// DoRow is Do for a statement that gives at most one row (RETURNING), whose
// columns it copies to dest. It gives sql.ErrNoRows when there is none.
func (db *DB) DoRow(ctx context.Context, dest []any, query string, args ...any) error {
	_, err := db.alone(ctx, query, args, dest)
	return err
}

func (db *DB) alone(ctx context.Context, query string, args, scan []any) (int64, error) {
	began := time.Now()
	n, err := db.do.do(ctx, query, kept(args), scan)
	db.count.writes.Add(1)
	db.count.nanos.Add(int64(time.Since(began)))
	if err != nil && !errors.Is(err, sql.ErrNoRows) && ctx.Err() == nil {
		db.count.failures.Add(1)
	}
	return n, err
}

// Tx is a transaction under way. It is used by one goroutine, and only until
// the function that got it returns.
type Tx struct {
	on     statements
	broken bool // a statement failed by no fault of what it says
}

// statements run in a transaction.
type statements interface {
	exec(query string, args []any) (int64, error)
	later(query string, args []any) error
	row(query string, args []any) Row
	rows(query string, args []any) (*sql.Rows, error)
	skipLocked() string
}

// Exec runs a statement and tells how many rows it changed.
func (tx *Tx) Exec(query string, args ...any) (int64, error) {
	n, err := tx.on.exec(query, kept(args))
	tx.note(err)
	return n, err
}

// Later runs a statement of which nobody asks how many rows it changed, together
// with the next one or with the commit at the latest. Where it fails, Write does.
func (tx *Tx) Later(query string, args ...any) error {
	err := tx.on.later(query, kept(args))
	tx.note(err)
	return err
}

// Row runs a statement that gives at most one row.
func (tx *Tx) Row(query string, args ...any) Row {
	r := tx.on.row(query, kept(args))
	r.tx = tx
	return r
}

// Rows runs a statement that gives rows. The caller closes them.
func (tx *Tx) Rows(query string, args ...any) (*sql.Rows, error) {
	rows, err := tx.on.rows(query, kept(args))
	tx.note(err)
	return rows, err
}

// SkipLocked ends a SELECT of rows that one of many may work on: others who look
// at the same moment find other rows instead of waiting. SQLite, with one writer,
// needs no such words.
func (tx *Tx) SkipLocked() string { return tx.on.skipLocked() }

func (tx *Tx) note(err error) {
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		tx.broken = true
	}
}

// Row is the outcome of a query for one row.
type Row struct {
	row *sql.Row
	tx  *Tx
	err error
}

// Scan copies the columns, as in database/sql.
func (r Row) Scan(dest ...any) error {
	err := r.err
	if err == nil {
		err = r.row.Scan(dest...)
	}
	if r.tx != nil {
		r.tx.note(err)
	}
	return err
}
