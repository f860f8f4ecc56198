package sqldb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Set is the migrations of one package: numbered SQL files in Files, run in the
// order of their names and recorded as "name/file". A database holds the tables
// of several packages, so a room gives the sets that it is made of.
type Set struct {
	Name  string
	Files fs.FS // with sqlite/0001_what.sql and so on; a folder per engine
}

// SetIn makes a Set of a folder in an embedded file system.
func SetIn(name string, files fs.FS, folder string) Set {
	sub, err := fs.Sub(files, folder)
	if err != nil {
		return Set{Name: name, Files: files} // Migrate finds nothing there and says so
	}
	return Set{Name: name, Files: sub}
}

// ErrNewer is in the error of Migrate for a database that a newer release has
// worked on.
var ErrNewer = errors.New("the database is newer than this program")

// migration is one file.
type migration struct{ name, sql string }

const makeList = `CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied BIGINT NOT NULL)`

// Migrate brings the schema forward, each file in a transaction of its own. It
// never goes back, and refuses with ErrNewer a database in which a newer
// release, or another program, has run files that are not among the sets.
// Several processes may do it at once.
//
// A file may only add, and what it adds an older release must be able to
// overlook: while nodes are replaced one by one, old ones still work.
func (db *DB) Migrate(ctx context.Context, now time.Time, sets ...Set) error {
	waiting, err := db.pending(ctx, sets)
	if err != nil || len(waiting) == 0 {
		return err // nothing to do is the rule, and needs no write
	}
	return db.do.migrate(ctx, now, waiting)
}

// Pending names what Migrate would run.
func (db *DB) Pending(ctx context.Context, sets ...Set) ([]string, error) {
	waiting, err := db.pending(ctx, sets)
	names := make([]string, len(waiting))
	for i, f := range waiting {
		names[i] = f.name
	}
	return names, err
}

func (db *DB) pending(ctx context.Context, sets []Set) ([]migration, error) {
	var files []migration
	known := map[string]bool{}
	for _, s := range sets {
		names, err := fs.Glob(s.Files, string(db.engine)+"/*.sql")
		if err != nil || len(names) == 0 {
			return nil, fmt.Errorf("migrate: no files in set %s", s.Name)
		}
		slices.Sort(names)
		for _, n := range names {
			text, err := fs.ReadFile(s.Files, n)
			if err != nil {
				return nil, fmt.Errorf("migrate: %w", err)
			}
			name := s.Name + "/" + strings.TrimSuffix(path.Base(n), ".sql")
			files = append(files, migration{name, string(text)})
			known[name] = true
		}
	}
	applied, err := db.applied(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range applied {
		if !known[name] {
			return nil, fmt.Errorf("migrate: %w: it has had %s", ErrNewer, name)
		}
	}
	return slices.DeleteFunc(files, func(f migration) bool { return slices.Contains(applied, f.name) }), nil
}

// isThere finds the list of migrations.
var isThere = map[Engine]string{
	SQLite:     `SELECT count(*) FROM sqlite_master WHERE name = 'migrations'`,
	PostgreSQL: `SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'migrations'`,
}

func (db *DB) applied(ctx context.Context) ([]string, error) {
	var n int
	if err := db.Row(ctx, isThere[db.engine]).Scan(&n); err != nil || n == 0 {
		return nil, err
	}
	rows, err := db.Rows(ctx, `SELECT name FROM migrations ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("migrate: %w", err)
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

func (db *lite) migrate(ctx context.Context, now time.Time, files []migration) error {
	for _, f := range files {
		err := db.write(ctx, func(tx *Tx) error {
			if _, err := tx.Exec(makeList); err != nil {
				return err
			}
			// Another process may have been faster.
			n, err := tx.Exec(`INSERT INTO migrations (name, applied) VALUES ($1, $2) ON CONFLICT DO NOTHING`, f.name, now.UnixMilli())
			if err != nil || n == 0 {
				return err
			}
			// Several statements once; they are not worth keeping prepared.
			_, err = db.writer.conn.ExecContext(context.Background(), f.sql)
			return err
		})
		if err != nil {
			return fmt.Errorf("migrate %s: %w", f.name, err)
		}
	}
	return nil
}
