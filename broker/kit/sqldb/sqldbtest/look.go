package sqldbtest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"sigill/broker/kit/sqldb"
)

// Exec runs a statement.
func Exec(t testing.TB, db *sqldb.DB, query string, args ...any) {
	t.Helper()
	if err := db.Write(context.Background(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// Tables names all tables of a database.
func Tables(t testing.TB, db *sqldb.DB) (names []string) {
	t.Helper()
	query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name`
	if db.Engine() == sqldb.PostgreSQL {
		query = `SELECT tablename::text COLLATE "C" FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1`
	}
	for _, row := range all(t, db, query) {
		names = append(names, fmt.Sprint(row[0]))
	}
	return names
}

// Dump gives every row of tables as text, and how many times it is there.
func Dump(t testing.TB, db *sqldb.DB, tables ...string) map[string]int {
	t.Helper()
	dump := map[string]int{}
	for _, table := range tables {
		for _, row := range all(t, db, `SELECT * FROM `+table) {
			for i, v := range row {
				if b, ok := v.([]byte); ok {
					row[i] = string(b)
				}
			}
			dump[fmt.Sprintf("%s %q", table, row)]++
		}
	}
	return dump
}

func all(t testing.TB, db *sqldb.DB, query string, args ...any) (out [][]any) {
	t.Helper()
	rows, err := db.Rows(context.Background(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		out = append(out, values)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// Break makes every statement fail that does op (INSERT, UPDATE or DELETE) to a
// row of a table, until Mend.
func Break(t testing.TB, db *sqldb.DB, op, table string) {
	t.Helper()
	if db.Engine() == sqldb.PostgreSQL {
		Exec(t, db, `CREATE OR REPLACE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''it was to fail''; END'`)
		Exec(t, db, `CREATE TRIGGER fault BEFORE `+op+` ON `+table+` FOR EACH ROW EXECUTE FUNCTION fault()`)
		return
	}
	Exec(t, db, `CREATE TRIGGER fault BEFORE `+op+` ON `+table+` BEGIN SELECT RAISE(ABORT, 'it was to fail'); END`)
}

// Mend ends a Break.
func Mend(t testing.TB, db *sqldb.DB) {
	t.Helper()
	if db.Engine() == sqldb.PostgreSQL {
		Exec(t, db, `DROP FUNCTION fault CASCADE`)
		return
	}
	Exec(t, db, `DROP TRIGGER fault`)
}

// Quiet waits until nobody is connected to a database any more: what a process
// has sent before it was killed may still be done.
func Quiet(t testing.TB, p sqldb.Place) {
	t.Helper()
	if p.Engine() == sqldb.SQLite {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, p.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	for others := 1; others > 0; time.Sleep(5 * time.Millisecond) {
		if err := c.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`).Scan(&others); err != nil {
			t.Fatal(err)
		}
	}
}

// Plan tells how a query that reads would be run with arguments that are not
// known yet, a step a line.
func Plan(t testing.TB, db *sqldb.DB, query string) string {
	t.Helper()
	args := make([]any, strings.Count(query, "$")) // at least as many as it takes
	for i := range args {
		if !strings.Contains(query, fmt.Sprintf("$%d", i+1)) {
			args = args[:i]
			break
		}
	}
	var lines []string
	if db.Engine() == sqldb.SQLite {
		for _, row := range all(t, db, `EXPLAIN QUERY PLAN `+query, args...) {
			lines = append(lines, fmt.Sprint(row[3]))
		}
		return strings.Join(lines, "\n")
	}
	execute := `EXPLAIN EXECUTE asked`
	if len(args) > 0 {
		execute += `(NULL` + strings.Repeat(`, NULL`, len(args)-1) + `)`
	}
	if err := db.Write(context.Background(), func(tx *sqldb.Tx) error {
		lines = nil
		for _, s := range []string{`SET LOCAL plan_cache_mode = force_generic_plan`, `PREPARE asked AS ` + query} {
			if _, err := tx.Exec(s); err != nil {
				return err
			}
		}
		rows, err := tx.Rows(execute)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				return err
			}
			lines = append(lines, line)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		_, err = tx.Exec(`DEALLOCATE asked`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
