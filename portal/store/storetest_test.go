package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/portal/store"
	"sigill/portal/store/storetest"
)

var ctx = context.Background()

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func exec(t *testing.T, db *sqldb.DB, query string) {
	t.Helper()
	check(t, db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(query)
		return err
	}))
}

func query(t *testing.T, db *sqldb.DB, query string) (out []string) {
	t.Helper()
	rows, err := db.Rows(ctx, query)
	check(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	check(t, err)
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		check(t, rows.Scan(into...))
		row := ""
		for i, v := range values {
			if b, ok := v.([]byte); ok {
				v = string(b)
			}
			row += fmt.Sprintf(" %s=%q", columns[i], fmt.Sprint(v))
		}
		out = append(out, row)
	}
	check(t, rows.Err())
	return out
}

// tables are all that there are.
func tables(t *testing.T, db *sqldb.DB) (names []string) {
	for _, row := range query(t, db, `SELECT name FROM sqlite_master WHERE type = 'table'`) {
		_, name, _ := strings.Cut(strings.TrimSuffix(row, `"`), `"`)
		names = append(names, name)
	}
	return names
}

// subjects gives subjects over empty databases, whose tables are made once.
func subjects(t *testing.T, processes int) func(*testing.T) storetest.Subject {
	template := filepath.Join(t.TempDir(), "portal.db")
	db, err := sqldb.Open(ctx, template, sqldb.CrashSafe)
	check(t, err)
	check(t, db.Migrate(ctx, time.Now(), store.Tables()...))
	check(t, db.Close())
	empty, err := os.ReadFile(template)
	check(t, err)
	return func(t *testing.T) storetest.Subject {
		file := filepath.Join(t.TempDir(), "portal.db")
		check(t, os.WriteFile(file, empty, 0o600))
		var all []*sqldb.DB
		for range processes {
			db, err := sqldb.Open(ctx, file, sqldb.CrashSafe)
			check(t, err)
			t.Cleanup(func() { check(t, db.Close()) })
			all = append(all, db)
		}
		names := tables(t, all[0])
		s := storetest.Subject{DB: all[0], Others: all[1:], Dump: func(t *testing.T) map[string]int {
			dump := map[string]int{}
			for _, table := range names {
				for _, row := range query(t, all[0], `SELECT * FROM `+table) {
					dump[table+" "+row]++
				}
			}
			return dump
		}}
		for _, table := range names {
			if strings.HasPrefix(table, "sqlite_") || strings.HasPrefix(table, "audit") || table == "keys" || table == "migrations" {
				continue // the kit's, or SQLite's own
			}
			for _, op := range []string{"INSERT", "UPDATE", "DELETE"} {
				s.Faults = append(s.Faults, storetest.Fault{
					Name: op + " " + table,
					Break: func(t *testing.T) {
						exec(t, all[0], `CREATE TRIGGER fault BEFORE `+op+` ON `+table+` BEGIN SELECT RAISE(ABORT, 'it was to fail'); END`)
					},
					Mend: func(t *testing.T) { exec(t, all[0], `DROP TRIGGER fault`) },
				})
			}
		}
		return s
	}
}

func TestPortal(t *testing.T) { storetest.Portal(t, subjects(t, 1)) }

// Several processes on one file.
func TestTwoOnOneFile(t *testing.T) { storetest.Together(t, subjects(t, 2)) }
