package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
)

var ctx = context.Background()

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func set(files ...string) sqldb.Set {
	fs := fstest.MapFS{}
	for i, text := range files {
		for _, engine := range []string{"sqlite", "postgres"} {
			fs[fmt.Sprintf("%s/%04d_file.sql", engine, i+1)] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	return sqldb.Set{Name: "test", Files: fs}
}

const counters = `CREATE TABLE counters (name TEXT PRIMARY KEY, n BIGINT NOT NULL); INSERT INTO counters VALUES ('a', 0), ('b', 0);`

// TestSerial: what a transaction has read is still so when it commits. Two
// counters may together be at most one, and each transaction looks at both
// before it raises one: apart, all would find room.
func TestSerial(t *testing.T) {
	sqldbtest.Engines(t, func(t *testing.T, p sqldb.Place) {
		db := sqldbtest.Open(t, p, "x", set(counters))
		other, err := p.Open(ctx, "x", sqldb.CrashSafe) // as another process
		check(t, err)
		defer other.Close()
		full := errors.New("full")
		for range 20 {
			check(t, db.Write(ctx, func(tx *sqldb.Tx) error { _, err := tx.Exec(`UPDATE counters SET n = 0`); return err }))
			var group sync.WaitGroup
			for i := range 8 {
				group.Go(func() {
					err := []*sqldb.DB{db, other}[i%2].Write(ctx, func(tx *sqldb.Tx) error {
						var n int
						if err := tx.Row(`SELECT sum(n) FROM counters`).Scan(&n); err != nil {
							return err
						}
						if n > 0 {
							return full
						}
						_, err := tx.Exec(`UPDATE counters SET n = n + 1 WHERE name = $1`, []string{"a", "b"}[i/2%2])
						return err
					})
					if err != nil && !errors.Is(err, full) {
						t.Error(err)
					}
				})
			}
			group.Wait()
			var n int
			check(t, db.Row(ctx, `SELECT sum(n) FROM counters`).Scan(&n))
			if n != 1 {
				t.Fatalf("together they are %d", n)
			}
		}
	})
}

// TestCounted: no increment is lost, and none is made twice.
func TestCounted(t *testing.T) {
	sqldbtest.Engines(t, func(t *testing.T, p sqldb.Place) {
		db := sqldbtest.Open(t, p, "x", set(counters))
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				for range 25 {
					if err := db.Write(ctx, func(tx *sqldb.Tx) error {
						var n int
						if err := tx.Row(`SELECT n FROM counters WHERE name = 'a'`).Scan(&n); err != nil {
							return err
						}
						_, err := tx.Exec(`UPDATE counters SET n = $1 WHERE name = 'a'`, n+1)
						return err
					}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		var n int
		check(t, db.Row(ctx, `SELECT n FROM counters WHERE name = 'a'`).Scan(&n))
		if n != 200 {
			t.Errorf("counted %d", n)
		}
		t.Log(db.Engine(), db.Stats())
	})
}

func TestPlace(t *testing.T) {
	sqldbtest.Engines(t, func(t *testing.T, p sqldb.Place) {
		there, err := p.Has(ctx, "x")
		if check(t, err); there {
			t.Error("it is there before it was made")
		}
		db := sqldbtest.Open(t, p, "x", set(counters))
		if there, err = p.Has(ctx, "x"); err != nil || !there {
			t.Errorf("%v %v", there, err)
		}
		if there, err = p.Has(ctx, "y"); err != nil || there {
			t.Errorf("%v %v", there, err)
		}
		if err := db.Row(ctx, `INSERT INTO counters VALUES ('c', 1) RETURNING n`).Scan(new(int)); err == nil {
			t.Error("a reader wrote")
		}
		if err := db.Row(ctx, `SELECT n FROM counters WHERE name = 'c'`).Scan(new(int)); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("got %v", err)
		}
	})
}

func TestMigrations(t *testing.T) {
	sqldbtest.Engines(t, func(t *testing.T, p sqldb.Place) {
		one, two := set(counters), set(counters, `ALTER TABLE counters ADD COLUMN more BIGINT NOT NULL DEFAULT 7`)
		old := sqldbtest.Open(t, p, "x", one)
		fresh, err := p.Open(ctx, "x", sqldb.Durable)
		check(t, err)
		defer fresh.Close()
		if names, err := fresh.Pending(ctx, two); err != nil || len(names) != 1 || names[0] != "test/0002_file" {
			t.Errorf("%v %v", names, err)
		}
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				if err := fresh.Migrate(ctx, time.Now(), two); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		// The release before goes on, and does not begin.
		check(t, old.Write(ctx, func(tx *sqldb.Tx) error {
			_, err := tx.Exec(`INSERT INTO counters (name, n) VALUES ('c', 1)`)
			return err
		}))
		if err := old.Migrate(ctx, time.Now(), one); !errors.Is(err, sqldb.ErrNewer) {
			t.Errorf("got %v", err)
		}
		// What fails leaves nothing behind.
		three := set(counters, `ALTER TABLE counters ADD COLUMN more BIGINT NOT NULL DEFAULT 7`, `CREATE TABLE half (a BIGINT); SELECT no_such_thing`)
		if err := fresh.Migrate(ctx, time.Now(), three); err == nil {
			t.Error("a broken file ran")
		}
		if err := fresh.Row(ctx, `SELECT a FROM half`).Scan(new(int)); err == nil || errors.Is(err, sql.ErrNoRows) {
			t.Error("half of it is there")
		}
	})
}

// TestPanic: a panic is the caller's, and leaves nothing behind.
func TestPanic(t *testing.T) {
	sqldbtest.Engines(t, func(t *testing.T, p sqldb.Place) {
		db := sqldbtest.Open(t, p, "x", set(counters))
		func() {
			defer func() {
				if recover() != "no" {
					t.Error("no panic")
				}
			}()
			_ = db.Write(ctx, func(tx *sqldb.Tx) error {
				_, err := tx.Exec(`UPDATE counters SET n = 1`)
				check(t, err)
				panic("no")
			})
		}()
		var n int
		check(t, db.Row(ctx, `SELECT sum(n) FROM counters`).Scan(&n))
		check(t, db.Write(ctx, func(tx *sqldb.Tx) error { _, err := tx.Exec(`UPDATE counters SET n = 2`); return err }))
		if n != 0 {
			t.Error("what panicked is there")
		}
	})
}

// TestServerRestarts: who reads and writes while the server restarts waits, and
// loses nothing that was acknowledged; who was in the middle of a commit is told
// that it is not known.
func TestServerRestarts(t *testing.T) {
	server := sqldbtest.Start(t)
	db, err := sqldb.Place{DSN: server.DSN(t)}.Open(ctx, "x", sqldb.Durable)
	check(t, err)
	defer db.Close()
	check(t, db.Migrate(ctx, time.Now(), set(`CREATE TABLE acts (n BIGINT PRIMARY KEY)`)))
	stop := make(chan struct{})
	var group sync.WaitGroup
	var mu sync.Mutex
	acknowledged, uncertain := map[int]bool{}, map[int]bool{}
	for g := range 4 {
		group.Go(func() {
			for i := g * 1_000_000; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				var err error
				switch g {
				case 0:
					_, err = db.Do(ctx, `INSERT INTO acts (n) VALUES ($1)`, i)
				case 1:
					err = db.Write(ctx, func(tx *sqldb.Tx) error { return tx.Later(`INSERT INTO acts (n) VALUES ($1)`, i) })
				default:
					err = db.Write(ctx, func(tx *sqldb.Tx) error { _, err := tx.Exec(`INSERT INTO acts (n) VALUES ($1)`, i); return err })
				}
				mu.Lock()
				switch {
				case err == nil:
					acknowledged[i] = true
				case errors.Is(err, sqldb.ErrUncertain):
					uncertain[i] = true
				default:
					t.Error(err)
				}
				mu.Unlock()
				var n int
				if err := db.Row(ctx, `SELECT count(*) FROM acts`).Scan(&n); err != nil {
					t.Error("read:", err)
				}
			}
		})
	}
	for _, end := range []func(){server.Kill, server.Stop} {
		time.Sleep(300 * time.Millisecond)
		end()
		server.Again(t)
	}
	time.Sleep(300 * time.Millisecond)
	close(stop)
	group.Wait()
	rows, err := db.Rows(ctx, `SELECT n FROM acts`)
	check(t, err)
	defer rows.Close()
	for rows.Next() {
		var n int
		check(t, rows.Scan(&n))
		if !acknowledged[n] && !uncertain[n] {
			t.Errorf("act %d is there and failed", n)
		}
		delete(acknowledged, n)
	}
	check(t, rows.Err())
	if len(acknowledged) > 0 {
		t.Errorf("%d acknowledged acts are lost", len(acknowledged))
	}
	t.Logf("%d uncertain; %+v", len(uncertain), db.Stats())
}

// TestMigrateBehind: a table that others hold, such as a dump, is waited for
// without keeping those who only read it.
func TestMigrateBehind(t *testing.T) {
	p := sqldb.Place{DSN: sqldbtest.DSN(t)}
	db := sqldbtest.Open(t, p, "x", set(counters))
	holding, release := make(chan struct{}), make(chan struct{})
	dumped := make(chan error, 1)
	go func() {
		dumped <- db.Write(ctx, func(tx *sqldb.Tx) error {
			if err := tx.Row(`SELECT count(*) FROM counters`).Scan(new(int)); err != nil {
				return err
			}
			close(holding)
			<-release
			return nil
		})
	}()
	<-holding
	migrated := make(chan error, 1)
	next := set(counters, `ALTER TABLE counters ADD COLUMN more BIGINT NOT NULL DEFAULT 7`)
	go func() { migrated <- db.Migrate(ctx, time.Now(), next) }()
	for deadline := time.Now().Add(2500 * time.Millisecond); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		began := time.Now()
		check(t, db.Row(ctx, `SELECT count(*) FROM counters`).Scan(new(int)))
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("a reader waited %s", took)
		}
	}
	select {
	case err := <-migrated:
		t.Fatalf("it did not wait: %v", err)
	default:
	}
	close(release)
	check(t, <-dumped)
	check(t, <-migrated)
	check(t, db.Row(ctx, `SELECT more FROM counters LIMIT 1`).Scan(new(int)))
}
