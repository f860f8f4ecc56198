package sqldbtest

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigill/broker/kit/sqldb"
)

// Fresh runs a test once for each engine, for suites that want many empty
// databases: it gives places of them, whose tables are made once. Of PostgreSQL
// it is one place, which is emptied each time; only the last one given is to be
// used.
func Fresh(t *testing.T, name string, sets []sqldb.Set, run func(t *testing.T, fresh func(testing.TB) sqldb.Place)) {
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		db, err := sqldb.Place{Dir: dir}.Open(context.Background(), name, sqldb.CrashSafe)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(context.Background(), now(), sets...); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil { // which writes the log back into the file
			t.Fatal(err)
		}
		empty, err := os.ReadFile(filepath.Join(dir, name+".db"))
		if err != nil {
			t.Fatal(err)
		}
		run(t, func(t testing.TB) sqldb.Place {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, name+".db"), empty, 0o600); err != nil {
				t.Fatal(err)
			}
			return sqldb.Place{Dir: dir}
		})
	})
	t.Run("postgres", func(t *testing.T) {
		run(t, emptied(t, name, sets, false))
	})
}

// FreshAgain is Fresh over PostgreSQL alone, where every other transaction is run
// again; see Again.
func FreshAgain(t *testing.T, name string, sets []sqldb.Set) func(testing.TB) sqldb.Place {
	t.Helper()
	return emptied(t, name, sets, true)
}

func emptied(t *testing.T, name string, sets []sqldb.Set, again bool) func(testing.TB) sqldb.Place {
	t.Helper()
	p := sqldb.Place{DSN: DSN(t)}
	db := Open(t, p, name, sets...)
	tables := slices.DeleteFunc(Tables(t, db), func(table string) bool {
		return table == "migrations" || table == "audit_sequencer" // they begin with rows
	})
	if again {
		Again(t, db)
	}
	return func(t testing.TB) sqldb.Place {
		t.Helper()
		Exec(t, db, `TRUNCATE `+strings.Join(tables, ", ")+` RESTART IDENTITY`)
		return p
	}
}
