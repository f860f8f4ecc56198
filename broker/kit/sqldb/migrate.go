package sqldb

import (
	"context"
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

// Migrate brings the schema forward, each file in a transaction of its own. It
// never goes back, and refuses a database in which a newer release, or another
// program, has run files that are not among the sets.
func (db *DB) Migrate(ctx context.Context, now time.Time, sets ...Set) error {
	type file struct{ name, sql string }
	var files []file
	known := map[string]bool{}
	for _, s := range sets {
		names, err := fs.Glob(s.Files, "sqlite/*.sql")
		if err != nil || len(names) == 0 {
			return fmt.Errorf("migrate: no files in set %s", s.Name)
		}
		slices.Sort(names)
		for _, n := range names {
			text, err := fs.ReadFile(s.Files, n)
			if err != nil {
				return fmt.Errorf("migrate: %w", err)
			}
			name := s.Name + "/" + strings.TrimSuffix(path.Base(n), ".sql")
			files = append(files, file{name, string(text)})
			known[name] = true
		}
	}

	// Nothing to do is the rule, and needs no write.
	applied, err := db.applied(ctx)
	if err != nil {
		return err
	}
	for _, name := range applied {
		if !known[name] {
			return fmt.Errorf("migrate: the database is newer than this program: it has had %s", name)
		}
	}
	for _, f := range files {
		if slices.Contains(applied, f.name) {
			continue
		}
		err := db.Write(ctx, func(tx *Tx) error {
			if _, err := tx.Exec(`CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied BIGINT NOT NULL)`); err != nil {
				return err
			}
			// Another process may have been faster.
			n, err := tx.Exec(`INSERT INTO migrations (name, applied) VALUES ($1, $2) ON CONFLICT DO NOTHING`, f.name, now.UnixMilli())
			if err != nil || n == 0 {
				return err
			}
			_, err = tx.script(f.sql)
			return err
		})
		if err != nil {
			return fmt.Errorf("migrate %s: %w", f.name, err)
		}
	}
	return nil
}

func (db *DB) applied(ctx context.Context) ([]string, error) {
	var n int
	if err := db.Row(ctx, `SELECT count(*) FROM sqlite_master WHERE name = 'migrations'`).Scan(&n); err != nil || n == 0 {
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

// script runs several statements once; they are not worth keeping prepared.
func (tx *Tx) script(text string) (int64, error) {
	res, err := tx.w.conn.ExecContext(context.Background(), text)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
