package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	readers = 4
	// patience is how long a statement waits for another process's transaction.
	patience = 10 * time.Second
)

// lite is one SQLite file.
type lite struct {
	path    string
	writers *sql.DB
	readers *sql.DB
	writer  writer

	mu    sync.RWMutex
	reads map[string]*sql.Stmt
}

// Open opens a SQLite file, making it, readable by its owner alone, if there is
// none.
func Open(ctx context.Context, path string, d Durability) (*DB, error) {
	if err := testedPair(); err != nil {
		return nil, err
	}
	if err := touch(path); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db := &lite{path: path, reads: map[string]*sql.Stmt{}}
	var err error
	// What is removed is overwritten; see Settle.
	if db.writers, err = sql.Open("sqlite", dsn(path,
		"journal_mode(WAL)", "synchronous("+string(d)+")", "foreign_keys(1)", "secure_delete(ON)", "wal_autocheckpoint(4000)", "journal_size_limit(33554432)")); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db.writers.SetMaxOpenConns(1)
	if db.readers, err = sql.Open("sqlite", dsn(path, "query_only(1)")); err != nil {
		db.writers.Close()
		return nil, fmt.Errorf("open database: %w", err)
	}
	db.readers.SetMaxOpenConns(readers)
	db.readers.SetMaxIdleConns(readers)
	db.writer.pool = db.writers

	if err := connect(ctx, db.writers); err != nil {
		db.close()
		return nil, fmt.Errorf("open database %s: %w", filepath.Base(path), err)
	}
	return &DB{engine: SQLite, do: db}, nil
}

// connect makes the first connection. SQLite does not wait where it would wait
// for another process that is turning the same new file into a WAL database at
// the same moment, so that is waited for here.
func connect(ctx context.Context, pool *sql.DB) error {
	pause := time.Millisecond
	for waited := time.Duration(0); ; waited += pause {
		err := pool.PingContext(ctx)
		var busy *sqlite.Error
		if err == nil || !errors.As(err, &busy) || busy.Code()&0xff != sqlite3.SQLITE_BUSY || waited > patience {
			return err
		}
		pause = min(2*pause, 100*time.Millisecond)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (db *lite) close() error {
	db.writer.close()
	db.mu.Lock()
	defer db.mu.Unlock()
	clear(db.reads)
	return errors.Join(db.readers.Close(), db.writers.Close())
}

func (db *lite) settle(ctx context.Context) (bool, error) {
	// A connection of its own: the writing one is the leader's alone.
	own, err := sql.Open("sqlite", dsn(db.path))
	if err != nil {
		return false, fmt.Errorf("settle database: %w", err)
	}
	defer own.Close()
	var busy, log, done int
	if err := own.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &done); err != nil {
		return false, fmt.Errorf("settle database: %w", err)
	}
	return busy == 0, nil
}

func dsn(path string, pragmas ...string) string {
	q := url.Values{"_txlock": {"immediate"}, "_dqs": {"0"}}
	q.Add("_pragma", "busy_timeout("+strconv.FormatInt(patience.Milliseconds(), 10)+")")
	for _, p := range pragmas {
		q.Add("_pragma", p)
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String()
}

// touch makes the file if there is none, and makes its name durable. An
// existing file is left alone: closing it would give up the locks that SQLite
// may hold on it elsewhere in this process.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// row reads. A statement that has begun is not interrupted when ctx ends: the
// reads here take microseconds, and watching for it would double their cost.
func (db *lite) row(ctx context.Context, query string, args []any) Row {
	stmt, err := db.read(ctx, query)
	if err != nil {
		return Row{err: err}
	}
	return Row{row: stmt.QueryRowContext(context.WithoutCancel(ctx), args...)}
}

func (db *lite) rows(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	stmt, err := db.read(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(context.WithoutCancel(ctx), args...)
}

func (db *lite) write(ctx context.Context, fn func(*Tx) error) error {
	return db.writer.write(ctx, fn)
}

func (db *lite) do(ctx context.Context, query string, args, scan []any) (n int64, err error) {
	none := false
	err = db.writer.write(ctx, func(tx *Tx) (err error) {
		if scan == nil {
			n, err = tx.Exec(query, args...)
			return err
		}
		// That there is no row undoes nothing, also not of those who share the commit.
		err = tx.Row(query, args...).Scan(scan...)
		if none = errors.Is(err, sql.ErrNoRows); none {
			err = nil
		}
		return err
	})
	if err == nil && none {
		err = sql.ErrNoRows
	}
	return n, err
}

func (db *lite) read(ctx context.Context, query string) (*sql.Stmt, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	db.mu.RLock()
	stmt := db.reads[query]
	db.mu.RUnlock()
	if stmt != nil {
		return stmt, nil
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if stmt := db.reads[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := db.readers.PrepareContext(context.WithoutCancel(ctx), query)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	db.reads[query] = stmt
	return stmt, nil
}
