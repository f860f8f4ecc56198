package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"

	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
)

// TestDo: a statement alone is whole: no increment is lost, one of many gets what
// there is one of, and what fails changes nothing.
func TestDo(t *testing.T) {
	sqldbtest.Engines(t, func(t *testing.T, p sqldb.Place) {
		db := sqldbtest.Open(t, p, "x", set(counters))
		other, err := p.Open(ctx, "x", sqldb.CrashSafe) // as another process
		check(t, err)
		defer other.Close()
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				for range 25 {
					n, err := []*sqldb.DB{db, other}[i%2].Do(ctx, `UPDATE counters SET n = n + $1 WHERE name = 'a'`, 2)
					if err != nil || n != 1 {
						t.Errorf("%d rows: %v", n, err)
					}
				}
			})
		}
		group.Wait()
		var mu sync.Mutex
		var got []int
		for range 8 {
			group.Go(func() {
				var n int
				err := db.DoRow(ctx, []any{&n}, `DELETE FROM counters WHERE name = $1 RETURNING n`, "a")
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					got = append(got, n)
				} else if !errors.Is(err, sql.ErrNoRows) {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if len(got) != 1 || got[0] != 400 {
			t.Errorf("taken: %v", got)
		}
		if n, err := db.Do(ctx, `UPDATE counters SET n = 1 WHERE name = 'nobody'`); n != 0 || err != nil {
			t.Errorf("%d rows of nobody: %v", n, err)
		}
		before := db.Stats()
		if _, err := db.Do(ctx, `INSERT INTO counters (name, n) VALUES ('c', 1), ('b', 1)`); err == nil || errors.Is(err, sqldb.ErrUncertain) {
			t.Errorf("two of one name: %v", err)
		}
		if s := db.Stats(); s.Writes != before.Writes+1 || s.Failures != before.Failures+1 {
			t.Errorf("counted %+v after %+v", s, before)
		}
		var rows int
		check(t, db.Row(ctx, `SELECT count(*) FROM counters`).Scan(&rows))
		if rows != 1 {
			t.Errorf("%d rows are left", rows)
		}
		ended, end := context.WithCancel(ctx)
		end()
		if _, err := db.Do(ended, `DELETE FROM counters`); !errors.Is(err, context.Canceled) {
			t.Errorf("after its end: %v", err)
		}
	})
}

// TestLater: what may come later comes in its order, with the transaction or not
// at all.
func TestLater(t *testing.T) {
	sqldbtest.Engines(t, func(t *testing.T, p sqldb.Place) {
		db := sqldbtest.Open(t, p, "x", set(counters))
		add := func(tx *sqldb.Tx, name string, n int) error {
			return tx.Later(`INSERT INTO counters (name, n) VALUES ($1, $2)`, name, n)
		}
		sum := func() (n int) {
			t.Helper()
			check(t, db.Row(ctx, `SELECT sum(n) FROM counters`).Scan(&n))
			return n
		}
		check(t, db.Write(ctx, func(*sqldb.Tx) error { return nil }))
		check(t, db.Write(ctx, func(tx *sqldb.Tx) error { return add(tx, "c", 1) }))
		if n := sum(); n != 1 {
			t.Errorf("alone it makes %d", n)
		}
		check(t, db.Write(ctx, func(tx *sqldb.Tx) error {
			check(t, add(tx, "d", 10))
			n, err := tx.Exec(`UPDATE counters SET n = n + 100 WHERE name = 'd'`)
			if err != nil || n != 1 {
				t.Errorf("an update meets %d rows: %v", n, err)
			}
			check(t, add(tx, "e", 1000))
			var seen int
			check(t, tx.Row(`SELECT n FROM counters WHERE name = 'e'`).Scan(&seen))
			if seen != 1000 {
				t.Errorf("a question sees %d", seen)
			}
			check(t, add(tx, "f", 5000))
			rows, err := tx.Rows(`SELECT n FROM counters WHERE name = 'f'`)
			check(t, err)
			defer rows.Close()
			if !rows.Next() {
				t.Error("questions do not see what came before")
			}
			return add(tx, "g", 10_000)
		}))
		if n := sum(); n != 16_111 {
			t.Errorf("together they make %d", n)
		}
		no := errors.New("no")
		if err := db.Write(ctx, func(tx *sqldb.Tx) error { return errors.Join(add(tx, "h", 1), no) }); !errors.Is(err, no) {
			t.Errorf("refused: %v", err)
		}
		for name, then := range map[string]func(tx *sqldb.Tx) error{
			"commit":   func(tx *sqldb.Tx) error { return nil },
			"exec":     func(tx *sqldb.Tx) error { _, err := tx.Exec(`UPDATE counters SET n = 0`); return err },
			"row":      func(tx *sqldb.Tx) error { return tx.Row(`SELECT n FROM counters`).Scan(new(int)) },
			"rows":     func(tx *sqldb.Tx) error { _, err := tx.Rows(`SELECT n FROM counters`); return err },
			"nobody":   func(tx *sqldb.Tx) error { tx.Exec(`UPDATE counters SET n = 0`); return nil },
			"no other": func(tx *sqldb.Tx) error { return add(tx, "k", 1) },
		} {
			before := db.Stats().Failures
			if err := db.Write(ctx, func(tx *sqldb.Tx) error {
				if err := add(tx, "i", 1); err != nil {
					return err
				}
				if err := add(tx, "a", 1); err != nil { // there is one
					return err
				}
				return then(tx)
			}); err == nil || errors.Is(err, sqldb.ErrUncertain) {
				t.Errorf("two of one name, then %s: %v", name, err)
			}
			if db.Stats().Failures != before+1 {
				t.Errorf("two of one name, then %s: not counted", name)
			}
		}
		if n := sum(); n != 16_111 {
			t.Errorf("what failed makes %d", n)
		}
	})
}
