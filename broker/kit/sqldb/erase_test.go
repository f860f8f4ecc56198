package sqldb

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestErased: what is deleted is not in the file any more once the log is
// written back, since erasure of data is the destruction of small keys.
func TestErased(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "x.db")
	db, err := Open(ctx, path, Durable)
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Repeat("a-destroyed-key-", 4)
	for _, statement := range []string{
		`CREATE TABLE k (id INTEGER PRIMARY KEY, v TEXT)`, `INSERT INTO k VALUES (1, 'kept'), (2, '` + secret + `'), (3, '` + secret + `')`,
		`DELETE FROM k WHERE id = 2`, `UPDATE k SET v = NULL WHERE id = 3`,
	} {
		if err := db.Write(ctx, func(tx *Tx) error { _, err := tx.Exec(statement); return err }); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil { // writes the log back
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(file, []byte("kept")) {
		t.Fatalf("%v", err)
	}
	if bytes.Contains(file, []byte("a-destroyed-key-")) {
		t.Error("what was removed can still be read in the file")
	}
}

// Large values lie on pages of their own, which are given back whole; they and
// the log are empty as soon as the database was settled, while it is open.
func TestErasedLarge(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "x.db")
	db, err := Open(ctx, path, Durable)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	secret := strings.Repeat("a-destroyed-file", 40_000)
	for _, statement := range []string{
		`CREATE TABLE k (id INTEGER PRIMARY KEY, v TEXT)`, `INSERT INTO k VALUES (1, 'kept'), (2, '` + secret + `')`, `DELETE FROM k WHERE id = 2`,
	} {
		if err := db.Write(ctx, func(tx *Tx) error { _, err := tx.Exec(statement); return err }); err != nil {
			t.Fatal(err)
		}
	}
	if ok, err := db.Settle(ctx); !ok || err != nil {
		t.Fatal(ok, err)
	}
	for _, name := range []string{path, path + "-wal"} {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(file, []byte("a-destroyed-file")); n > 0 {
			t.Errorf("%s holds %d pieces of what was removed", filepath.Base(name), n)
		}
	}
}
