package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// defaultConnections is for one schema at one node. Four schemas and three
	// nodes then stay below the hundred that a server takes by default.
	defaultConnections = 6
	// restarting is how long we wait for a server that went away before we have
	// told it anything: about as long as it takes to start again.
	restarting = 6 * time.Second
	// meeting is how long a transaction that meets others is run again.
	meeting = 20 * time.Second
	// silence is how long an answer may take before the connection is given up.
	silence = 15 * time.Second
	// holding is how long the server lets a transaction rest: a node that is cut
	// off in the middle of one keeps others waiting no longer.
	holding = 5 * time.Second
)

// Server is a schema of a PostgreSQL database.
type Server struct {
	// DSN says where it is, as URL or as key=value words; see pgx.ParseConfig. It
	// usually holds a password.
	DSN         string
	Schema      string
	Connections int // at most so many; zero: the default
}

// postgres is an open schema.
type postgres struct {
	schema  string
	writers *sql.DB
	readers *sql.DB
	config  *pgx.ConnConfig // without limits, for migrations
	again   atomic.Int64
}

// Connect opens a schema of a PostgreSQL database, making it if there is none.
// Errors do not hold the DSN.
func Connect(ctx context.Context, s Server, d Durability) (*DB, error) {
	base, err := s.config()
	if err != nil {
		return nil, err
	}
	// Bounds are the server's as well: when we are cut off it must let go.
	base.RuntimeParams["search_path"] = pgx.Identifier{s.Schema}.Sanitize()
	base.RuntimeParams["application_name"] = "sigill " + s.Schema
	base.RuntimeParams["idle_in_transaction_session_timeout"] = fmt.Sprint(holding.Milliseconds())
	base.RuntimeParams["timezone"] = "UTC"
	// There is an index for whatever is looked for. A plan for values that are not
	// known yet would rather read the whole table where it expects to find
	// something soon, and there is nothing; and a transaction that does so meets
	// every writer of it.
	base.RuntimeParams["enable_seqscan"] = "off"
	base.RuntimeParams["jit"] = "off" // where there is no other way than the whole table, that looks worth compiling
	if _, said := base.RuntimeParams["synchronous_commit"]; !said || d == CrashSafe {
		base.RuntimeParams["synchronous_commit"] = map[Durability]string{Durable: "on", CrashSafe: "off"}[d]
	}
	p := &postgres{schema: s.Schema, config: base.Copy()}

	base.RuntimeParams["statement_timeout"] = fmt.Sprint(silence.Milliseconds() * 2 / 3)
	dial := base.DialFunc
	base.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &impatient{Conn: c}, nil
	}
	writing, reading := base.Copy(), base.Copy()
	writing.RuntimeParams["default_transaction_isolation"] = "serializable"
	reading.RuntimeParams["default_transaction_read_only"] = "on"

	n := s.Connections
	if n <= 0 {
		n = defaultConnections
	}
	p.writers, p.readers = pool(writing, max(1, n-n/3)), pool(reading, max(1, n/3))
	if err := p.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open schema %s: %w", s.Schema, err), p.close())
	}
	return &DB{engine: PostgreSQL, do: p}, nil
}

// config reads the DSN. A parser's error may repeat a part of it, so it is kept
// to ourselves.
func (s Server) config() (*pgx.ConnConfig, error) {
	c, err := pgx.ParseConfig(s.DSN)
	if err != nil {
		return nil, errors.New("postgres: the connection string cannot be read")
	}
	if c.ConnectTimeout == 0 || c.ConnectTimeout > 5*time.Second {
		c.ConnectTimeout = 5 * time.Second
	}
	if c.ValidateConnect == nil { // a standby would refuse to write, and answer with old rows
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
	}
	return c, nil
}

func pool(c *pgx.ConnConfig, n int) *sql.DB {
	db := stdlib.OpenDB(*c)
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	db.SetConnMaxIdleTime(5 * time.Minute)
	db.SetConnMaxLifetime(time.Hour)
	return db
}

// prepare makes the schema if there is none.
func (p *postgres) prepare(ctx context.Context) error {
	var there bool
	if err := p.row(ctx, `SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)`, []any{p.schema}).Scan(&there); err != nil || there {
		return err
	}
	return p.write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`CREATE SCHEMA IF NOT EXISTS ` + pgx.Identifier{p.schema}.Sanitize())
		if code(err) == "23505" { // two at the same moment
			return &pgconn.PgError{Code: serializationFailure}
		}
		return err
	})
}

func (p *postgres) close() error { return errors.Join(p.readers.Close(), p.writers.Close()) }

func (p *postgres) settle(context.Context) (bool, error) { return true, nil }

func (p *postgres) row(ctx context.Context, query string, args []any) (r Row) {
	p.untilBack(ctx, func() error {
		row := p.readers.QueryRowContext(ctx, query, args...)
		r = Row{row: row}
		return row.Err()
	})
	return r
}

func (p *postgres) rows(ctx context.Context, query string, args []any) (rows *sql.Rows, err error) {
	p.untilBack(ctx, func() error {
		rows, err = p.readers.QueryContext(ctx, query, args...)
		return err
	})
	return rows, err
}

// untilBack repeats what changes nothing while the server is away, for a while.
func (p *postgres) untilBack(ctx context.Context, do func() error) {
	began, pause := time.Now(), 10*time.Millisecond
	for {
		err := do()
		if err == nil || !away(err) || time.Since(began) > restarting || !rest(ctx, &pause, time.Second/2) {
			return
		}
	}
}

// rest sleeps for about pause, then doubles it. It is false when ctx ended.
func rest(ctx context.Context, pause *time.Duration, most time.Duration) bool {
	timer := time.NewTimer(*pause/2 + rand.N(*pause))
	defer timer.Stop()
	*pause = min(2**pause, most)
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (p *postgres) write(ctx context.Context, fn func(*Tx) error) error {
	began := time.Now()
	pauseMeeting, pauseAway := 2*time.Millisecond, 10*time.Millisecond
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		nothing, err := p.once(ctx, fn)
		again := false
		switch {
		case !nothing:
			return err
		case met(err):
			again = time.Since(began) < meeting && rest(ctx, &pauseMeeting, 200*time.Millisecond)
			p.again.Add(1)
		case away(err):
			again = time.Since(began) < restarting && rest(ctx, &pauseAway, time.Second/2)
		}
		if !again {
			return err
		}
	}
}

// once runs fn in one transaction. nothing means that the database was in the
// way, not fn, and that nothing has happened.
func (p *postgres) once(ctx context.Context, fn func(*Tx) error) (nothing bool, err error) {
	conn, err := p.writers.Conn(ctx)
	if err != nil {
		return true, fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	tx, err := conn.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return true, fmt.Errorf("begin: %w", err)
	}
	ended := false
	defer func() {
		if !ended { // fn panics
			tx.Rollback()
		}
	}()
	a := &act{tx: tx}
	err = fn(&Tx{on: a})
	ended = true
	if err != nil || a.failed != nil {
		if rolled := tx.Rollback(); rolled != nil {
			// The server undoes it; this connection has no place in the pool.
			conn.Raw(func(any) error { return driver.ErrBadConn })
		}
		switch {
		case a.failed != nil && (met(a.failed) || away(a.failed)):
			return true, a.failed // whatever fn made of it
		case err != nil && code(err) != "":
			return met(err) || away(err), err // while rows were read
		case err == nil:
			return false, fmt.Errorf("a statement failed and its transaction went on: %w", a.failed)
		}
		return false, err
	}
	if err := tx.Commit(); err != nil {
		var refused *pgconn.PgError
		if errors.As(err, &refused) && refused.Severity == "ERROR" || errors.Is(err, pgx.ErrTxCommitRollback) {
			return true, fmt.Errorf("commit: %w", err)
		}
		return false, fmt.Errorf("%w: %w", ErrUncertain, err)
	}
	return false, nil
}

// act is a transaction of PostgreSQL.
type act struct {
	tx     *sql.Tx
	failed error // the first; the server refuses everything after it
}

func (a *act) note(err error) error {
	if err != nil && a.failed == nil && !errors.Is(err, sql.ErrNoRows) {
		a.failed = err
	}
	return err
}

func (a *act) exec(query string, args []any) (int64, error) {
	res, err := a.tx.ExecContext(context.Background(), query, args...)
	if err != nil {
		return 0, a.note(err)
	}
	n, err := res.RowsAffected()
	return n, a.note(err)
}

func (a *act) row(query string, args []any) Row {
	row := a.tx.QueryRowContext(context.Background(), query, args...)
	a.note(row.Err())
	return Row{row: row}
}

func (a *act) rows(query string, args []any) (*sql.Rows, error) {
	rows, err := a.tx.QueryContext(context.Background(), query, args...)
	return rows, a.note(err)
}

func (a *act) skipLocked() string { return " FOR UPDATE SKIP LOCKED" }

const serializationFailure = "40001"

func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// met reports whether a transaction got in the way of another and was undone.
func met(err error) bool {
	c := code(err)
	return c == serializationFailure || c == "40P01"
}

// away reports whether the server, or the way to it, was not there.
func away(err error) bool {
	if c := code(err); c != "" {
		// Shut down, starting, or full; not a statement that was too slow (57014).
		return strings.HasPrefix(c, "08") || strings.HasPrefix(c, "57P") || c == "53300"
	}
	var connecting *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connecting) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.As(err, &network) && !network.Timeout()
}

func (p *postgres) migrate(ctx context.Context, now time.Time, files []migration) error {
	own := pool(p.config, 1) // without limits: an index on a large table takes its time
	defer own.Close()
	patient := &postgres{schema: p.schema, writers: own}
	for _, f := range files {
		err := patient.write(ctx, func(tx *Tx) error {
			// One process at a time, in this schema.
			if _, err := tx.Exec(`SELECT pg_advisory_xact_lock(hashtextextended('sigill migrations ' || current_schema(), 0))`); err != nil {
				return err
			}
			if _, err := tx.Exec(makeList); err != nil {
				return err
			}
			n, err := tx.Exec(`INSERT INTO migrations (name, applied) VALUES ($1, $2) ON CONFLICT DO NOTHING`, f.name, now.UnixMilli())
			if err != nil || n == 0 {
				return err
			}
			_, err = tx.Exec(f.sql, pgx.QueryExecModeSimpleProtocol) // several statements
			return err
		})
		if err != nil {
			return fmt.Errorf("migrate %s: %w", f.name, err)
		}
	}
	return nil
}

// impatient gives a connection up when an answer takes too long: the way may be
// cut, or the server stopped, and then nothing else would end the waiting.
type impatient struct{ net.Conn }

func (c *impatient) Write(b []byte) (int, error) {
	if err := c.Conn.SetDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
