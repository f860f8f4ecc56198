package sqldb_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
)

const rooms = `CREATE TABLE steps (name TEXT PRIMARY KEY, n BIGINT NOT NULL); INSERT INTO steps VALUES ('up', 0), ('down', 0);
	CREATE TABLE sessions (id TEXT PRIMARY KEY); INSERT INTO sessions VALUES ('somebody-is-logged-in');`

func parts(names ...string) (list []sqldb.Part) {
	for _, name := range names {
		list = append(list, sqldb.Part{Name: name, Passing: []string{"sessions"}})
	}
	return list
}

func anyone(context.Context, string, *sqldb.DB) error { return nil }

// TestBackupIsOfOneMoment: steps are taken in one database and then in the next,
// both ways. No copy may know of a step of which the other does not know where
// it came from, however many are taken meanwhile.
func TestBackupIsOfOneMoment(t *testing.T) {
	p := sqldb.Place{Dir: t.TempDir()}
	a, b := sqldbtest.Open(t, p, "a", set(rooms)), sqldbtest.Open(t, p, "b", set(rooms))
	ended, end := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer end()
	for name, way := range map[string][2]*sqldb.DB{"up": {a, b}, "down": {b, a}} {
		group.Go(func() {
			for n := 1; ended.Err() == nil; n++ {
				for _, db := range way {
					check(t, db.Write(ctx, func(tx *sqldb.Tx) error {
						_, err := tx.Exec(`UPDATE steps SET n = $1 WHERE name = $2`, n, name)
						return err
					}))
				}
			}
		})
	}
	last := 0
	for range 25 {
		folder := t.TempDir()
		kept, err := p.Backup(ctx, folder, parts("a", "b"))
		check(t, err)
		to := sqldb.Place{Dir: t.TempDir()}
		check(t, to.Restore(ctx, folder, kept, anyone))
		n := map[string]int{}
		for _, name := range []string{"a", "b"} {
			db, err := to.Open(ctx, name, sqldb.Durable)
			check(t, err)
			for _, way := range []string{"up", "down"} {
				var i int
				check(t, db.Row(ctx, `SELECT n FROM steps WHERE name = $1`, way).Scan(&i))
				n[name+way] = i
			}
			var sessions int
			if check(t, db.Row(ctx, `SELECT count(*) FROM sessions`).Scan(&sessions)); sessions != 0 {
				t.Error("somebody is logged in after a restore")
			}
			check(t, db.Close())
		}
		if d := n["aup"] - n["bup"]; d < 0 || d > 1 {
			t.Errorf("up: %d in the first, %d in the second", n["aup"], n["bup"])
		}
		if d := n["bdown"] - n["adown"]; d < 0 || d > 1 {
			t.Errorf("down: %d in the first, %d in the second", n["bdown"], n["adown"])
		}
		if n["aup"] < last {
			t.Error("the copy is older than the one before")
		}
		last = n["aup"]
	}
	if last == 0 {
		t.Error("nothing was written meanwhile")
	}
}

func TestBackup(t *testing.T) {
	p := sqldb.Place{Dir: t.TempDir()}
	sqldbtest.Open(t, p, "a", set(rooms))
	folder := t.TempDir()
	kept, err := p.Backup(ctx, folder, parts("a"))
	check(t, err)
	k := kept[0]
	if k.Name != "a" || k.File != "a.db" || k.Rows["steps"] != 2 || k.Rows["sessions"] != 0 || strings.Join(k.Migrations, " ") != "test/0001_file" {
		t.Errorf("%+v", k)
	}
	files, err := os.ReadDir(folder)
	check(t, err)
	if len(files) != 1 {
		t.Errorf("%d files", len(files))
	}
	file := filepath.Join(folder, "a.db")
	text, err := os.ReadFile(file)
	check(t, err)
	info, err := os.Stat(file)
	check(t, err)
	if info.Mode().Perm() != 0o600 || int64(len(text)) != k.Bytes {
		t.Errorf("%v, %d bytes, not %d", info.Mode(), len(text), k.Bytes)
	}
	if bytes.Contains(text, []byte("somebody-is-logged-in")) {
		t.Error("what was left out can be read in the file")
	}

	// Nobody's files are written over, and what fails leaves nothing.
	if _, err := p.Backup(ctx, folder, parts("a")); err == nil {
		t.Error("written over a backup")
	}
	empty := t.TempDir()
	for name, try := range map[string]func() error{
		"missing": func() error { _, err := p.Backup(ctx, empty, parts("a", "b")); return err },
		"no table": func() error {
			_, err := p.Backup(ctx, empty, []sqldb.Part{{Name: "a", Passing: []string{"x"}}})
			return err
		},
		"cancelled": func() error {
			c, end := context.WithCancel(ctx)
			end()
			_, err := p.Backup(c, empty, parts("a"))
			return err
		},
		"postgres": func() error { _, err := sqldb.Place{DSN: "x"}.Backup(ctx, empty, parts("a")); return err },
	} {
		if err := try(); err == nil {
			t.Errorf("%s: no error", name)
		}
		if left, err := os.ReadDir(empty); err != nil || len(left) > 0 {
			t.Errorf("%s: left %v %v", name, left, err)
		}
	}
	if _, err := os.Stat(filepath.Join(p.Dir, "b.db")); err == nil {
		t.Error("a database was made that was not there")
	}
}

func TestRestoreRefuses(t *testing.T) {
	p := sqldb.Place{Dir: t.TempDir()}
	sqldbtest.Open(t, p, "a", set(rooms))
	sqldbtest.Open(t, p, "b", set(rooms))
	folder := t.TempDir()
	kept, err := p.Backup(ctx, folder, parts("a", "b"))
	check(t, err)
	refused := func(name string, kept []sqldb.Kept, try func(context.Context, string, *sqldb.DB) error) {
		t.Helper()
		to := t.TempDir()
		if err := (sqldb.Place{Dir: to}).Restore(ctx, folder, kept, try); err == nil {
			t.Errorf("%s: no error", name)
		}
		if left, err := os.ReadDir(to); err != nil || len(left) > 0 {
			t.Errorf("%s: left %v %v", name, left, err)
		}
	}
	refused("of a strange key", kept, func(_ context.Context, name string, _ *sqldb.DB) error {
		if name == "b" {
			return errors.New("no such key")
		}
		return nil
	})
	refused("a missing file", append(kept, sqldb.Kept{Name: "c", File: "c.db"}), anyone)
	file := filepath.Join(folder, "b.db")
	text, err := os.ReadFile(file)
	check(t, err)
	whole := bytes.Clone(text)
	text[len(text)-1] ^= 1
	check(t, os.WriteFile(file, text, 0o600))
	refused("a changed file", kept, anyone)
	check(t, os.WriteFile(file, text[:len(text)/2], 0o600))
	refused("half a file", kept, anyone)

	// Beside somebody who makes one meanwhile: theirs stays.
	check(t, os.WriteFile(file, whole, 0o600))
	to := t.TempDir()
	theirs := filepath.Join(to, "b.db")
	err = (sqldb.Place{Dir: to}).Restore(ctx, folder, kept, func(_ context.Context, name string, _ *sqldb.DB) error {
		if name == "b" {
			return os.WriteFile(theirs, []byte("theirs"), 0o600)
		}
		return nil
	})
	if !errors.Is(err, os.ErrExist) {
		t.Errorf("over a database that was made meanwhile: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(to, "*"))
	check(t, err)
	if text, err := os.ReadFile(theirs); err != nil || string(text) != "theirs" || len(left) != 1 {
		t.Errorf("%d bytes in %v, %v", len(text), left, err)
	}

	// Over data that is there: of these not a byte is changed.
	if err := p.Restore(ctx, folder, kept[:1], anyone); err == nil || !strings.Contains(err.Error(), "already") {
		t.Error(err)
	}
	if err := (sqldb.Place{DSN: "x"}).Restore(ctx, folder, kept, anyone); err == nil {
		t.Error("restored files into PostgreSQL")
	}
}
