package sqldb

import (
	"cmp"
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
	var encoding string
	var there bool
	if err := p.row(ctx, `SELECT current_setting('server_encoding'), EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)`,
		[]any{p.schema}).Scan(&encoding, &there); err != nil {
		return err
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the encoding of the database is %s, which cannot hold all names: it must be UTF8", encoding)
	}
	if there {
		return nil
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
	return p.untilDone(ctx, func() (bool, error) { return p.once(ctx, fn) })
}

// do lets the server begin and commit by itself: one answer to wait for. A
// statement alone meets what others have committed, row by row (READ COMMITTED).
func (p *postgres) do(ctx context.Context, query string, args []any, scan []any) (n int64, err error) {
	err = p.untilDone(ctx, func() (nothing bool, err error) {
		conn, err := p.writers.Conn(ctx)
		if err != nil {
			return true, fmt.Errorf("connect: %w", err)
		}
		defer conn.Close()
		if scan != nil {
			err = conn.QueryRowContext(context.WithoutCancel(ctx), query, args...).Scan(scan...)
		} else {
			var res sql.Result
			if res, err = conn.ExecContext(context.WithoutCancel(ctx), query, args...); err == nil {
				n, err = res.RowsAffected()
			}
		}
		switch {
		case err == nil || errors.Is(err, sql.ErrNoRows):
			return false, err
		case refused(err), errors.Is(err, driver.ErrBadConn), pgconn.SafeToRetry(err): // not sent
			return met(err) || away(err), err
		case away(err), isTimeout(err):
			return false, fmt.Errorf("%w: %w", ErrUncertain, err)
		}
		return false, err
	})
	return n, err
}

// untilDone repeats what did nothing, while others or a server that is away are in
// the way.
func (p *postgres) untilDone(ctx context.Context, do func() (nothing bool, err error)) error {
	began := time.Now()
	pauseMeeting, pauseAway := 2*time.Millisecond, 10*time.Millisecond
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		nothing, err := do()
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
	a := &act{conn: conn}
	defer a.undo() // also when fn panics
	err = fn(&Tx{on: a})
	if err == nil && a.failed == nil {
		return a.commit()
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

const (
	begin  = "begin isolation level serializable"
	commit = "commit"
)

// act is a transaction of PostgreSQL. Each time that an answer is waited for costs
// both sides about as much as a statement, so it begins with the first statement,
// and what can wait is said together with what comes next.
type act struct {
	conn    *sql.Conn
	begun   bool
	over    bool
	waiting []statement
	failed  error // the first; the server refuses everything after it
}

type statement struct {
	query string
	args  []any
}

// say sends what waits and one statement more, waits for the answers, and gives
// the last.
func (a *act) say(query string, args ...any) (tag pgconn.CommandTag, err error) {
	var b pgx.Batch
	if !a.begun {
		b.Queue(begin)
		a.begun = true
	}
	for _, s := range a.waiting {
		b.Queue(s.query, s.args...)
	}
	a.waiting = nil
	if query != "" {
		b.Queue(query, args...)
	}
	if b.Len() == 0 {
		return tag, nil
	}
	err = a.conn.Raw(func(c any) error {
		results := c.(*stdlib.Conn).Conn().SendBatch(context.Background(), &b)
		for range b.Len() {
			if tag, err = results.Exec(); err != nil {
				break
			}
		}
		return cmp.Or(err, results.Close())
	})
	return tag, err
}

func (a *act) commit() (nothing bool, err error) {
	if !a.begun && len(a.waiting) == 0 {
		return false, nil
	}
	tag, err := a.say(commit)
	switch {
	case err == nil && tag.String() == "COMMIT":
		a.over = true
		return false, nil
	case err == nil:
		return true, fmt.Errorf("commit: it became %s", tag)
	case refused(err):
		return met(err) || away(err), fmt.Errorf("commit: %w", err)
	case pgconn.SafeToRetry(err):
		return true, fmt.Errorf("commit: %w", err)
	}
	return false, fmt.Errorf("%w: %w", ErrUncertain, err)
}

// undo ends what has not been committed.
func (a *act) undo() {
	if !a.begun || a.over {
		return
	}
	_ = a.conn.Raw(func(c any) error {
		_, err := c.(*stdlib.Conn).Conn().Exec(context.Background(), "rollback")
		if err != nil {
			return driver.ErrBadConn // the server undoes it; this connection has no place in the pool
		}
		return nil
	})
}

func (a *act) note(err error) error {
	if err != nil && a.failed == nil && !errors.Is(err, sql.ErrNoRows) {
		a.failed = err
	}
	return err
}

func (a *act) exec(query string, args []any) (int64, error) {
	if len(args) > 0 && args[0] == pgx.QueryExecModeSimpleProtocol { // several statements, which go by themselves
		if err := a.before(); err != nil {
			return 0, err
		}
		_, err := a.conn.ExecContext(context.Background(), query, args...)
		return 0, a.note(err)
	}
	tag, err := a.say(query, args...)
	return tag.RowsAffected(), a.note(err)
}

func (a *act) later(query string, args []any) error {
	a.waiting = append(a.waiting, statement{query, args})
	return nil
}

// before makes the connection ready for a question.
func (a *act) before() error {
	if a.begun && len(a.waiting) == 0 {
		return nil
	}
	_, err := a.say("")
	return a.note(err)
}

func (a *act) row(query string, args []any) Row {
	if err := a.before(); err != nil {
		return Row{err: err}
	}
	row := a.conn.QueryRowContext(context.Background(), query, args...)
	a.note(row.Err())
	return Row{row: row}
}

func (a *act) rows(query string, args []any) (*sql.Rows, error) {
	if err := a.before(); err != nil {
		return nil, err
	}
	rows, err := a.conn.QueryContext(context.Background(), query, args...)
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

// refused reports whether the server said that a statement, or a commit, had no
// effect. It says so in its own language as well, which may be Swedish.
func refused(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.SeverityUnlocalized == "ERROR"
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
	return errors.As(err, &connecting) || pgconn.SafeToRetry(err) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.As(err, &network) && !network.Timeout()
}

// isTimeout reports whether an answer took too long.
func isTimeout(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

// inTheWay is what a statement fails with whose lock others do not let go of.
const inTheWay = "55P03"

// migrate waits for others as long as it takes, but briefly at a time: whoever
// stands in line for a table, behind a dump for instance, keeps all from reading it
// who come after.
func (p *postgres) migrate(ctx context.Context, now time.Time, files []migration) error {
	own := pool(p.config, 1) // without limits: an index on a large table takes its time
	defer own.Close()
	patient := &postgres{schema: p.schema, writers: own}
	for _, f := range files {
		pause := 100 * time.Millisecond
		for {
			err := patient.write(ctx, func(tx *Tx) error { return p.forward(tx, now, f) })
			if err == nil {
				break
			}
			if !met(err) && code(err) != inTheWay || !rest(ctx, &pause, 5*time.Second) {
				return fmt.Errorf("migrate %s: %w", f.name, err)
			}
		}
	}
	return nil
}

func (p *postgres) forward(tx *Tx, now time.Time, f migration) error {
	// One process at a time, in this schema.
	if _, err := tx.Exec(`SELECT pg_advisory_xact_lock(hashtextextended('sigill migrations ' || current_schema(), 0))`); err != nil {
		return err
	}
	if _, err := tx.Exec(`SET LOCAL lock_timeout = '1s'`); err != nil {
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
