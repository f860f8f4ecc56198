// Package sqldbtest gives tests databases of both engines.
//
// It owns a PostgreSQL server of the test process's own, which nobody else sees
// and which ends with the process, however that ends. It owns no table.
package sqldbtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"sigill/broker/kit/sqldb"
)

// Engines runs a test once for each engine, with a place that is empty.
func Engines(t *testing.T, run func(*testing.T, sqldb.Place)) {
	t.Run("sqlite", func(t *testing.T) { run(t, sqldb.Place{Dir: t.TempDir()}) })
	t.Run("postgres", func(t *testing.T) { run(t, sqldb.Place{DSN: DSN(t)}) })
}

// Open opens an empty database of a place with its tables, until the test ends.
func Open(t testing.TB, p sqldb.Place, name string, sets ...sqldb.Set) *sqldb.DB {
	t.Helper()
	ctx := context.Background()
	db, err := p.Open(ctx, name, sqldb.CrashSafe)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(ctx, now(), sets...); err != nil {
		t.Fatal(err)
	}
	return db
}

// DSN gives an empty database on the test process's server, which is started at
// the first call. Without PostgreSQL's programs the test is skipped; when CI is
// set it fails.
func DSN(t testing.TB) string {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	if s == nil {
		Lacking(t, "PostgreSQL's programs")
	}
	return s.DSN(t)
}

// shared is the server of this process. It is never stopped: it sees that the
// process has ended.
var shared = sync.OnceValues(func() (*Server, error) {
	if Programs() == "" {
		return nil, nil
	}
	dir, err := os.MkdirTemp("", "sigill-postgres-")
	if err != nil {
		return nil, err
	}
	return start(dir, true)
})

// Lacking skips a test for want of a program, or fails it where all are there.
func Lacking(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s are missing", what)
	}
	t.Skipf("%s are missing", what)
}

// Programs is the folder of PostgreSQL's programs; empty: there are none.
func Programs() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if path, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			found = append(found, real)
		}
	}
	for i := len(found) - 1; i >= 0; i-- {
		dir := filepath.Dir(found[i])
		if _, err := os.Stat(filepath.Join(dir, "postgres")); err == nil {
			return dir
		}
	}
	return ""
}

var databases atomic.Int64

// DSN makes an empty database and says where it is.
func (s *Server) DSN(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("t%d_%d", os.Getpid(), databases.Add(1))
	if err := s.do(context.Background(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return s.at(name)
}
