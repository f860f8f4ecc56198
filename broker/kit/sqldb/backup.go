package sqldb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
)

// Part is one database of those that make an installation, for whoever copies
// them together.
type Part struct {
	Name string
	// Passing are tables whose rows end by themselves within the day and are worth
	// no copy: one would make them valid again.
	Passing []string
	// Filled are tables that a migration puts rows into, which every database keeps
	// for itself.
	Filled []string
}

// Kept is a database as it lies in a backup.
type Kept struct {
	Name       string           `json:"name"`
	File       string           `json:"file"`
	Bytes      int64            `json:"bytes"`
	SHA256     string           `json:"sha256"`
	Migrations []string         `json:"migrations"`
	Rows       map[string]int64 `json:"rows"`
}

var errFilesOnly = errors.New("sqldb: only files of SQLite are copied like this")

// Backup copies databases into files of an empty folder while others work with
// them. All copies are of one moment: together they hold what a loss of power at
// that moment would have left. Files are durable and readable by their owner alone.
// After an error none is left.
func (p Place) Backup(ctx context.Context, folder string, parts []Part) (kept []Kept, err error) {
	if p.Engine() != SQLite {
		return nil, errFilesOnly
	}
	moment, err := p.moment(ctx, parts)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	defer moment.close()
	for i, part := range parts {
		to := filepath.Join(folder, part.Name+".db")
		defer func() {
			if err != nil {
				removeDatabase(to)
			}
		}()
		if err := moment.copy(ctx, i, to); err != nil {
			return nil, fmt.Errorf("backup of %s: %w", part.Name, err)
		}
		k, err := settleCopy(ctx, to, part)
		if err != nil {
			return nil, fmt.Errorf("backup of %s: %w", part.Name, err)
		}
		kept = append(kept, k)
	}
	return kept, syncPath(folder)
}

func removeDatabase(file string) {
	for _, more := range []string{"", "-journal", "-wal", "-shm"} {
		os.Remove(file + more)
	}
}

// frozen are files that nobody else can write to: each has a transaction that
// holds the place of the only writer, so that nothing is under way in any.
type frozen struct {
	pools []*sql.DB
	conns []*sql.Conn
}

// freeze begins it. The transactions of others wait meanwhile; nobody ever waits
// for two of these files at once but who freezes them, in this order.
func (p Place) freeze(ctx context.Context, parts []Part) (*frozen, error) {
	f := &frozen{}
	for _, part := range parts {
		if err := f.open(ctx, filepath.Join(p.Dir, part.Name+".db"), "BEGIN IMMEDIATE"); err != nil {
			f.close()
			return nil, fmt.Errorf("%s: %w", part.Name, err)
		}
	}
	return f, nil
}

// moment gives connections that all see the files as they were at one moment,
// and keeps nobody from writing.
func (p Place) moment(ctx context.Context, parts []Part) (*frozen, error) {
	still, err := p.freeze(ctx, parts)
	if err != nil {
		return nil, err
	}
	defer still.close()
	readers := &frozen{}
	for i, part := range parts {
		err := readers.open(ctx, filepath.Join(p.Dir, part.Name+".db"), "BEGIN")
		if err == nil { // with the first row that is read the moment is fixed
			err = readers.conns[i].QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master`).Scan(new(int))
		}
		if err != nil {
			readers.close()
			return nil, fmt.Errorf("%s: %w", part.Name, err)
		}
	}
	return readers, nil
}

func (f *frozen) open(ctx context.Context, file, begin string) error {
	if _, err := os.Stat(file); err != nil {
		return err // SQLite would make it
	}
	pool, err := sql.Open("sqlite", dsn(file))
	if err != nil {
		return err
	}
	f.pools = append(f.pools, pool)
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	f.conns = append(f.conns, conn)
	_, err = conn.ExecContext(ctx, begin)
	return err
}

func (f *frozen) close() {
	for _, c := range f.conns {
		c.ExecContext(context.Background(), "ROLLBACK") // where nothing was begun there is nothing to undo
		c.Close()
	}
	for _, p := range f.pools {
		p.Close()
	}
}

// pages are copied at a time; between, whoever stops us is heard.
const pages = 4096

// copy writes one of the databases, as it was at the moment, into a new file.
func (f *frozen) copy(ctx context.Context, i int, to string) error {
	file, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) // before SQLite makes it for all to read
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return f.conns[i].Raw(func(driver any) error {
		source, ok := driver.(interface {
			NewBackup(string) (*sqlite.Backup, error)
		})
		if !ok {
			return errors.New("the driver makes no backups")
		}
		b, err := source.NewBackup(dsn(to, "synchronous(OFF)")) // it is flushed when it is whole
		if err != nil {
			return err
		}
		for more := true; more && err == nil; {
			if more, err = b.Step(pages); err == nil {
				err = ctx.Err()
			}
		}
		return errors.Join(err, b.Finish())
	})
}

// settleCopy leaves out what passes, looks whether the copy is sound, makes it one
// durable file that needs none beside it, and describes it.
func settleCopy(ctx context.Context, file string, part Part) (k Kept, err error) {
	db, err := sql.Open("sqlite", dsn(file, "journal_mode(DELETE)", "synchronous(OFF)", "secure_delete(ON)"))
	if err != nil {
		return k, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	for _, table := range part.Passing {
		if _, err := db.ExecContext(ctx, `DELETE FROM `+quoted(table)); err != nil {
			return k, fmt.Errorf("leave out %s: %w", table, err)
		}
	}
	var sound string
	if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&sound); err != nil {
		return k, err
	}
	if sound != "ok" {
		return k, fmt.Errorf("the database is damaged: %s", sound)
	}
	k = Kept{Name: part.Name, File: filepath.Base(file), Rows: map[string]int64{}}
	if k.Migrations, err = texts(ctx, db, `SELECT name FROM migrations ORDER BY name`); err != nil {
		return k, err
	}
	tables, err := texts(ctx, db, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`)
	if err != nil {
		return k, err
	}
	for _, table := range tables {
		var n int64
		if err := db.QueryRowContext(ctx, `SELECT count(*) FROM `+quoted(table)).Scan(&n); err != nil {
			return k, err
		}
		k.Rows[table] = n
	}
	if err := db.Close(); err != nil { // before the file is opened by others than SQLite
		return k, err
	}
	if err := syncPath(file); err != nil {
		return k, err
	}
	k.Bytes, k.SHA256, err = digestOf(file)
	return k, err
}

func texts(ctx context.Context, db *sql.DB, query string) (list []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func digestOf(file string) (int64, string, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	return n, hexOf(sum), err
}

func hexOf(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// restoring ends the names of files that are not in their place yet.
const restoring = ".restoring"

// Restore puts databases of a backup into an empty place. Each is compared with
// its digest and given to try, which says what stands in the way of using it;
// only when all are there does any get its name. After an error none is left. A
// database that somebody makes meanwhile is not replaced, and is an error.
func (p Place) Restore(ctx context.Context, folder string, kept []Kept, try func(context.Context, string, *DB) error) error {
	if p.Engine() != SQLite {
		return errFilesOnly
	}
	there, err := filepath.Glob(filepath.Join(p.Dir, "*.db*"))
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if len(there) > 0 {
		return fmt.Errorf("restore: %s holds databases already: %s", p.Dir, filepath.Base(there[0]))
	}
	for _, k := range kept {
		to := filepath.Join(p.Dir, k.Name+".db")
		defer removeDatabase(to + restoring) // it is in its place by then, or in vain
		if err := k.restore(ctx, folder, to+restoring, try); err != nil {
			return fmt.Errorf("restore %s: %w", k.Name, err)
		}
	}
	for i, k := range kept {
		to := filepath.Join(p.Dir, k.Name+".db")
		if err := os.Link(to+restoring, to); err != nil { // which, unlike renaming, never replaces
			for _, k := range kept[:i] {
				removeDatabase(filepath.Join(p.Dir, k.Name+".db"))
			}
			return fmt.Errorf("restore %s: %w", k.Name, err)
		}
	}
	for _, k := range kept {
		removeDatabase(filepath.Join(p.Dir, k.Name+".db"+restoring))
	}
	if err := syncPath(p.Dir); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}

func (k Kept) restore(ctx context.Context, folder, to string, try func(context.Context, string, *DB) error) error {
	from, err := os.Open(filepath.Join(folder, filepath.Base(k.File)))
	if err != nil {
		return err
	}
	defer from.Close()
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(file, sum), from)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if hexOf(sum) != k.SHA256 {
		return fmt.Errorf("%s is not as it was written: its SHA-256 is another", k.File)
	}
	db, err := Open(ctx, to, Durable)
	if err != nil {
		return err
	}
	if err := errors.Join(try(ctx, k.Name, db), db.Close()); err != nil {
		return err
	}
	// What lay in a log beside would not go along to its place.
	if _, err := os.Stat(to + "-wal"); err == nil {
		return errors.New("somebody else has it open")
	}
	return nil
}
