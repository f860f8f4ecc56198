package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// maxBatch bounds how many transactions share one commit.
const maxBatch = 64

// writer is SQLite's writing connection and who waits for it. Whoever finds it
// free leads: runs all that wait, then hands the lead to the first that came
// since. Transactions that wait at the same time share one commit. When one of
// them fails, all are run again, each within a savepoint of its own, so that it
// touches no other.
type writer struct {
	pool *sql.DB

	mu     sync.Mutex
	led    bool
	queue  []*job
	closed bool
	idle   chan struct{} // closed when the last leader leaves after close

	// The leader's alone.
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

type job struct {
	fn    func(*Tx) error
	err   error
	panic any
	lead  bool          // woken to lead, not done; under writer.mu
	wake  chan struct{} // has room for one
}

func (w *writer) write(ctx context.Context, fn func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{fn: fn, wake: make(chan struct{}, 1)}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return errClosed
	}
	w.queue = append(w.queue, j)
	lead := !w.led
	w.led = true
	w.mu.Unlock()
	if !lead {
		select {
		case <-j.wake:
		case <-ctx.Done():
			if w.leave(j) {
				return ctx.Err()
			}
			<-j.wake
		}
		if !j.lead {
			return j.outcome()
		}
	}

	w.mu.Lock()
	batch := slices.Clone(w.queue[:min(len(w.queue), maxBatch)])
	w.queue = slices.Delete(w.queue, 0, len(batch))
	w.mu.Unlock()
	w.run(batch)
	for _, other := range batch {
		if other != j {
			other.wake <- struct{}{}
		}
	}
	w.mu.Lock()
	if len(w.queue) > 0 {
		w.queue[0].lead = true
		w.queue[0].wake <- struct{}{}
	} else {
		w.led = false
		if w.closed {
			close(w.idle)
		}
	}
	w.mu.Unlock()
	return j.outcome()
}

// leave takes a job back that nobody has begun or chosen to lead.
func (w *writer) leave(j *job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.queue, j)
	if i < 0 || j.lead {
		return false
	}
	w.queue = slices.Delete(w.queue, i, i+1)
	return true
}

func (j *job) outcome() error {
	if j.panic != nil {
		panic(j.panic)
	}
	return j.err
}

func (w *writer) close() {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return
	}
	w.closed = true
	w.idle = make(chan struct{})
	if !w.led {
		close(w.idle)
	}
	w.mu.Unlock()
	<-w.idle
	w.drop()
}

// run runs jobs in one transaction and sets their errors. All go well as a
// rule, and then savepoints, which copy every page before it is changed, would
// be in vain.
func (w *writer) run(batch []*job) {
	err := w.begin()
	if err == nil && !w.together(batch) && len(batch) > 1 {
		if err = w.steer("ROLLBACK"); err == nil {
			err = w.begin()
		}
		if err == nil {
			err = w.apart(batch)
		}
	}
	if err == nil {
		err = w.end(batch)
	}
	if err == nil {
		return
	}
	// Whatever state the connection is in, a new one has none of it.
	w.drop()
	for _, j := range batch {
		if j.err == nil {
			j.err = err
		}
	}
}

// together runs jobs until one fails, and reports whether none did.
func (w *writer) together(batch []*job) bool {
	for _, j := range batch {
		if j.run(w); j.err != nil {
			return false
		}
	}
	return true
}

// apart runs each job within a savepoint.
func (w *writer) apart(batch []*job) error {
	for _, j := range batch {
		j.err, j.panic = nil, nil
	}
	for _, j := range batch {
		if err := w.steer("SAVEPOINT act"); err != nil {
			return fmt.Errorf("savepoint: %w", err)
		}
		if j.run(w); j.err != nil {
			if err := w.steer("ROLLBACK TO act"); err != nil {
				// SQLite has undone everything by itself: the disk is full, or broken.
				return fmt.Errorf("transaction lost: %w", errors.Join(j.err, err))
			}
		}
		if err := w.steer("RELEASE act"); err != nil {
			return fmt.Errorf("release: %w", err)
		}
	}
	return nil
}

// end commits what went well, if anything did.
func (w *writer) end(batch []*job) error {
	if slices.ContainsFunc(batch, func(j *job) bool { return j.err == nil }) {
		if err := w.steer("COMMIT"); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
		return nil
	}
	if err := w.steer("ROLLBACK"); err != nil {
		return fmt.Errorf("roll back: %w", err)
	}
	return nil
}

// run calls fn. Its panic belongs to the goroutine that brought it, not to the
// leader.
func (j *job) run(w *writer) {
	defer func() {
		if v := recover(); v != nil {
			j.panic, j.err = v, fmt.Errorf("sqldb: panic in a transaction: %v", v)
		}
	}()
	j.err = j.fn(&Tx{on: w})
}

func (w *writer) exec(query string, args []any) (int64, error) {
	stmt, err := w.prepare(query)
	if err != nil {
		return 0, err
	}
	res, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (w *writer) row(query string, args []any) Row {
	stmt, err := w.prepare(query)
	if err != nil {
		return Row{err: err}
	}
	return Row{row: stmt.QueryRowContext(context.Background(), args...)}
}

func (w *writer) rows(query string, args []any) (*sql.Rows, error) {
	stmt, err := w.prepare(query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(context.Background(), args...)
}

func (w *writer) later(query string, args []any) error {
	_, err := w.exec(query, args)
	return err
}

func (w *writer) skipLocked() string { return "" }

func (w *writer) begin() error {
	if w.conn == nil {
		conn, err := w.pool.Conn(context.Background())
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		w.conn, w.stmts = conn, map[string]*sql.Stmt{}
	}
	if err := w.steer("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	return nil
}

func (w *writer) steer(query string) error {
	stmt, err := w.prepare(query)
	if err != nil {
		return err
	}
	_, err = stmt.ExecContext(context.Background())
	return err
}

func (w *writer) prepare(query string) (*sql.Stmt, error) {
	if stmt := w.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := w.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	w.stmts[query] = stmt
	return stmt, nil
}

// drop closes the connection, and with it any transaction that is open.
func (w *writer) drop() {
	if w.conn == nil {
		return
	}
	for _, stmt := range w.stmts {
		stmt.Close()
	}
	w.conn.Raw(func(any) error { return driver.ErrBadConn })
	w.conn.Close()
	w.conn, w.stmts = nil, nil
}
