package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ctx = context.Background()

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(ctx, path, Durable)
	check(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	return db
}

func file(t testing.TB) string { return filepath.Join(t.TempDir(), "a?b #%.db") } // names are not taken for addresses

func exec(t testing.TB, db *DB, query string, args ...any) {
	t.Helper()
	check(t, db.Write(ctx, func(tx *Tx) error { _, err := tx.Exec(query, args...); return err }))
}

func count(t testing.TB, db *DB, where string) (n int) {
	t.Helper()
	check(t, db.Row(ctx, `SELECT count(*) FROM t WHERE `+where).Scan(&n))
	return n
}

func TestSettings(t *testing.T) {
	path := file(t)
	for _, c := range []struct {
		durability  Durability
		synchronous string
	}{{Durable, "2"}, {CrashSafe, "1"}} {
		db, err := Open(ctx, path, c.durability)
		check(t, err)
		want := map[string]string{"journal_mode": "wal", "foreign_keys": "1", "synchronous": c.synchronous, "busy_timeout": "10000"}
		for pragma, want := range want {
			var got string
			check(t, db.Write(ctx, func(tx *Tx) error { return tx.Row(`PRAGMA ` + pragma).Scan(&got) }))
			if got != want {
				t.Errorf("%s is %s, want %s", pragma, got, want)
			}
		}
		check(t, db.Close())
	}
	info, err := os.Stat(path)
	check(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %s", info.Mode())
	}
}

func TestReadersCannotWrite(t *testing.T) {
	db := open(t, file(t))
	exec(t, db, `CREATE TABLE t (a TEXT)`)
	var a string
	if err := db.Row(ctx, `INSERT INTO t (a) VALUES ('x') RETURNING a`).Scan(&a); err == nil {
		t.Error("a reader wrote")
	}
	if n := count(t, db, "1=1"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// A double-quoted word is a name, never a text: a misspelt column is an error.
func TestStrictQuotes(t *testing.T) {
	db := open(t, file(t))
	var a string
	if err := db.Row(ctx, `SELECT "not a column"`).Scan(&a); err == nil {
		t.Errorf("got %q", a)
	}
}

func TestWrite(t *testing.T) {
	db := open(t, file(t))
	exec(t, db, `CREATE TABLE t (a TEXT PRIMARY KEY, b BIGINT)`)
	no := errors.New("no")
	if err := db.Write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(`INSERT INTO t (a) VALUES ('x')`); err != nil {
			return err
		}
		return no
	}); err != no {
		t.Errorf("got %v", err)
	}
	if n := count(t, db, "1=1"); n != 0 {
		t.Error("what failed is there")
	}
	if err := db.Write(ctx, func(tx *Tx) error {
		for range 2 {
			if _, err := tx.Exec(`INSERT INTO t (a) VALUES ($1)`, "x"); err != nil {
				return err
			}
		}
		return nil
	}); err == nil || !strings.Contains(err.Error(), "UNIQUE") {
		t.Errorf("got %v", err)
	}
	check(t, db.Write(ctx, func(tx *Tx) error {
		n, err := tx.Exec(`INSERT INTO t (a, b) VALUES ($2, $1), ('y', 2)`, 1, "x")
		if n != 2 {
			t.Errorf("%d rows", n)
		}
		var b int
		check(t, tx.Row(`UPDATE t SET b = b + 1 WHERE a = $1 RETURNING b`, "y").Scan(&b))
		if b != 3 {
			t.Errorf("b is %d", b)
		}
		if err := tx.Row(`SELECT b FROM t WHERE a = 'z'`).Scan(&b); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("got %v", err)
		}
		rows, err2 := tx.Rows(`SELECT a FROM t ORDER BY a`)
		check(t, err2)
		defer rows.Close()
		var all string
		for rows.Next() {
			var a string
			check(t, rows.Scan(&a))
			all += a
		}
		if all != "xy" {
			t.Errorf("rows %s", all)
		}
		return err
	}))
}

// hold keeps the writer busy until release is called, so that what is written
// meanwhile shares a commit.
func hold(t testing.TB, db *DB) (release func()) {
	t.Helper()
	begun, end, over := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		over <- db.Write(ctx, func(*Tx) error { close(begun); <-end; return nil })
	}()
	<-begun
	return func() {
		close(end)
		check(t, <-over)
	}
}

// queued waits until so many transactions wait.
func queued(db *DB, n int) {
	for {
		db.do.(*lite).writer.mu.Lock()
		got := len(db.do.(*lite).writer.queue)
		db.do.(*lite).writer.mu.Unlock()
		if got == n {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// Of transactions that share a commit each stands or falls by itself.
func TestShared(t *testing.T) {
	db := open(t, file(t))
	exec(t, db, `CREATE TABLE t (a TEXT PRIMARY KEY, n BIGINT)`)
	release := hold(t, db)
	var group sync.WaitGroup
	errs, panics := make([]error, 30), make([]any, 30)
	no := errors.New("no")
	for i := range 30 {
		group.Go(func() {
			defer func() { panics[i] = recover() }()
			errs[i] = db.Write(ctx, func(tx *Tx) error {
				if _, err := tx.Exec(`INSERT INTO t (a, n) VALUES ($1, 0)`, fmt.Sprint("own ", i)); err != nil {
					return err
				}
				switch i % 5 {
				case 1:
					return no
				case 2:
					_, err := tx.Exec(`INSERT INTO t (a, n) VALUES ('common', 0)`)
					return err
				case 3:
					panic(i)
				case 4:
					_, err := tx.Exec(`not a statement`)
					return err
				}
				return nil
			})
		})
	}
	queued(db, 30)
	release()
	group.Wait()
	common := 0
	for i := range 30 {
		there := count(t, db, fmt.Sprintf("a = 'own %d'", i))
		want := 0
		switch i % 5 {
		case 0:
			want = 1
			check(t, errs[i])
		case 1:
			if errs[i] != no {
				t.Errorf("%d: %v", i, errs[i])
			}
		case 2:
			if errs[i] == nil {
				want = 1
				common++
			} else if !strings.Contains(errs[i].Error(), "UNIQUE") {
				t.Errorf("%d: %v", i, errs[i])
			}
		case 3:
			if panics[i] != i {
				t.Errorf("%d: panic %v", i, panics[i])
			}
		case 4:
			if errs[i] == nil {
				t.Errorf("%d: no error", i)
			}
		}
		if there != want {
			t.Errorf("%d: %d rows, error %v", i, there, errs[i])
		}
		if i%5 != 3 && panics[i] != nil {
			t.Errorf("%d: got the panic of another: %v", i, panics[i])
		}
	}
	if common != 1 {
		t.Errorf("%d wrote the common row", common)
	}
	exec(t, db, `INSERT INTO t (a) VALUES ('after')`)
}

// When the commit itself fails, nobody is told that his part is there.
func TestSharedCommitFails(t *testing.T) {
	db := open(t, file(t))
	exec(t, db, `CREATE TABLE p (id INTEGER PRIMARY KEY)`)
	exec(t, db, `CREATE TABLE t (p INTEGER REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED)`)
	release := hold(t, db)
	var group sync.WaitGroup
	errs := make([]error, 10)
	for i := range errs {
		group.Go(func() {
			errs[i] = db.Write(ctx, func(tx *Tx) error {
				_, err := tx.Exec(`INSERT INTO t (p) VALUES (1)`) // noticed at commit
				return err
			})
		})
	}
	queued(db, 10)
	release()
	group.Wait()
	for i, err := range errs {
		if err == nil {
			t.Errorf("%d was told that it is there", i)
		}
	}
	if n := count(t, db, "1=1"); n != 0 {
		t.Errorf("%d rows", n)
	}
	exec(t, db, `INSERT INTO p (id) VALUES (1)`)
	exec(t, db, `INSERT INTO t (p) VALUES (1)`)
}

// When SQLite undoes a whole transaction by itself, as on a full disk, all who
// shared it are told.
func TestSharedLost(t *testing.T) {
	db := open(t, file(t))
	exec(t, db, `CREATE TABLE t (a TEXT)`)
	release := hold(t, db)
	var group sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		group.Go(func() {
			errs[i] = db.Write(ctx, func(tx *Tx) error {
				if _, err := tx.Exec(`INSERT INTO t (a) VALUES ('x')`); err != nil {
					return err
				}
				if i == 3 {
					_, err := tx.Exec(`ROLLBACK`)
					return errors.Join(errors.New("full"), err)
				}
				return nil
			})
		})
	}
	queued(db, 6)
	release()
	group.Wait()
	for i, err := range errs {
		if err == nil {
			t.Errorf("%d was told that it is there", i)
		}
	}
	if n := count(t, db, "1=1"); n != 0 {
		t.Errorf("%d rows", n)
	}
	exec(t, db, `INSERT INTO t (a) VALUES ('after')`)
}

func TestContext(t *testing.T) {
	db := open(t, file(t))
	exec(t, db, `CREATE TABLE t (a TEXT)`)
	over, end := context.WithCancel(ctx)
	end()
	if err := db.Write(over, func(*Tx) error { t.Error("called"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := db.Row(over, `SELECT 1`).Scan(new(int)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}

	// Whoever waits may leave.
	release := hold(t, db)
	wait, leave := context.WithCancel(ctx)
	left := make(chan error)
	go func() {
		left <- db.Write(wait, func(*Tx) error { t.Error("called after it left"); return nil })
	}()
	queued(db, 1)
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	release()

	// Who has begun stays to the end, and it counts.
	begun, leave := context.WithCancel(ctx)
	check(t, db.Write(begun, func(tx *Tx) error {
		leave()
		_, err := tx.Exec(`INSERT INTO t (a) VALUES ('x')`)
		return err
	}))
	if n := count(t, db, "1=1"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// Who is chosen to lead cannot leave any more: nobody else would lead.
func TestLeaderStays(t *testing.T) {
	leader, other := &job{lead: true}, &job{}
	w := &writer{queue: []*job{leader, other}}
	if w.leave(leader) {
		t.Error("the leader left")
	}
	if !w.leave(other) || w.leave(other) || len(w.queue) != 1 {
		t.Error("the other leaves once")
	}
}

// Many come, go and leave; none is forgotten, none is run twice.
func TestCrowd(t *testing.T) {
	db := open(t, file(t))
	exec(t, db, `CREATE TABLE t (a BIGINT)`)
	exec(t, db, `INSERT INTO t (a) VALUES (0)`)
	var group sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for g := range 2 * maxBatch {
		group.Go(func() {
			for i := range 10 {
				mine, end := context.WithCancel(ctx)
				if (g+i)%3 == 0 {
					time.AfterFunc(time.Duration(g*i)*10*time.Microsecond, end)
				}
				err := db.Write(mine, func(tx *Tx) error { _, err := tx.Exec(`UPDATE t SET a = a + 1`); return err })
				end()
				if err == nil {
					mu.Lock()
					done++
					mu.Unlock()
				} else if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	var got int
	check(t, db.Row(ctx, `SELECT a FROM t`).Scan(&got))
	if got != done {
		t.Errorf("%d were told that they are done, %d are", done, got)
	}
}

func TestClose(t *testing.T) {
	db, err := Open(ctx, file(t), Durable)
	check(t, err)
	release := hold(t, db)
	waiting := make(chan error)
	go func() { waiting <- db.Write(ctx, func(*Tx) error { return nil }) }()
	queued(db, 1)
	closed := make(chan error)
	go func() { closed <- db.Close() }()
	for {
		db.do.(*lite).writer.mu.Lock()
		closing := db.do.(*lite).writer.closed
		db.do.(*lite).writer.mu.Unlock()
		if closing {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := db.Write(ctx, func(*Tx) error { return nil }); !errors.Is(err, errClosed) {
		t.Errorf("written after Close: %v", err)
	}
	release()
	check(t, <-waiting)
	check(t, <-closed)
	if err := db.Row(ctx, `SELECT 1`).Scan(new(int)); err == nil {
		t.Error("read after Close")
	}
	db.Close() // again: no harm
}

func TestTwoProcesses(t *testing.T) {
	path := file(t)
	a, b := open(t, path), open(t, path)
	exec(t, a, `CREATE TABLE t (a BIGINT)`)
	exec(t, b, `INSERT INTO t (a) VALUES (0)`)
	var group sync.WaitGroup
	for _, db := range []*DB{a, b, a, b} {
		group.Go(func() {
			for range 20 {
				if err := db.Write(ctx, func(tx *Tx) error {
					var n int
					if err := tx.Row(`SELECT a FROM t`).Scan(&n); err != nil {
						return err
					}
					_, err := tx.Exec(`UPDATE t SET a = $1`, n+1)
					return err
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if n := count(t, a, "a = 80"); n != 1 {
		t.Error("increments were lost")
	}
}

func set(name string, files map[string]string) Set {
	fs := fstest.MapFS{}
	for n, text := range files {
		fs["sqlite/"+n] = &fstest.MapFile{Data: []byte(text)}
	}
	return Set{name, fs}
}

func TestMigrate(t *testing.T) {
	db := open(t, file(t))
	now := time.Now()
	first := map[string]string{"0001_t.sql": `CREATE TABLE t (a TEXT); CREATE INDEX i ON t (a);`}
	check(t, db.Migrate(ctx, now, set("one", first)))
	check(t, db.Migrate(ctx, now, set("one", first)))

	// Forward, with a second package.
	second := map[string]string{"0001_t.sql": first["0001_t.sql"], "0002_b.sql": `ALTER TABLE t ADD COLUMN b TEXT; INSERT INTO t (b) VALUES ('x');`}
	two := map[string]string{"0001_u.sql": `CREATE TABLE u (a TEXT)`}
	check(t, db.Migrate(ctx, now, set("two", two), set("one", second)))
	check(t, db.Migrate(ctx, now, set("two", two), set("one", second)))
	if n := count(t, db, "b = 'x'"); n != 1 {
		t.Errorf("the second file ran %d times", n)
	}

	// A file that fails leaves nothing behind, and is tried again.
	third := map[string]string{"0001_t.sql": "", "0002_b.sql": "", "0003_c.sql": `INSERT INTO t (b) VALUES ('y'); nonsense;`}
	if err := db.Migrate(ctx, now, set("two", two), set("one", third)); err == nil || !strings.Contains(err.Error(), "one/0003_c") {
		t.Errorf("got %v", err)
	}
	if n := count(t, db, "b = 'y'"); n != 0 {
		t.Error("half a migration is there")
	}
	third["0003_c.sql"] = `INSERT INTO t (b) VALUES ('y');`
	check(t, db.Migrate(ctx, now, set("two", two), set("one", third)))

	// Back is refused.
	for _, sets := range [][]Set{{set("two", two), set("one", second)}, {set("one", third)}} {
		if err := db.Migrate(ctx, now, sets...); err == nil || !strings.Contains(err.Error(), "newer") {
			t.Errorf("ran on a newer schema: %v", err)
		}
	}
	if err := db.Migrate(ctx, now, SetIn("none", fstest.MapFS{}, "x")); err == nil {
		t.Error("a set without files")
	}
}

func TestMigrateAtOnce(t *testing.T) {
	path := file(t)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			db, err := Open(ctx, path, Durable)
			if err != nil {
				t.Error(err)
				return
			}
			defer db.Close()
			if err := db.Migrate(ctx, time.Now(), set("one", map[string]string{
				"0001_t.sql": `CREATE TABLE t (a TEXT)`, "0002_x.sql": `INSERT INTO t (a) VALUES ('x')`})); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := count(t, open(t, path), "1=1"); n != 1 {
		t.Errorf("ran %d times", n)
	}
}

func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other")
	check(t, os.WriteFile(other, []byte(strings.Repeat("this is no database ", 100)), 0o600))
	for _, path := range []string{other, dir, filepath.Join(dir, "missing", "a.db")} {
		if db, err := Open(ctx, path, Durable); err == nil {
			db.Close()
			t.Errorf("opened %s", path)
		}
	}
}

func TestPair(t *testing.T) {
	pair := func(driver, libc string) []*debug.Module {
		return []*debug.Module{{Path: "example.com/x", Version: "v9"}, {Path: "modernc.org/sqlite", Version: driver}, {Path: "modernc.org/libc", Version: libc}}
	}
	replaced := pair(testedDriver, testedLibc)
	replaced[2].Replace = &debug.Module{Path: "modernc.org/libc", Version: "v0.0.1"}
	for _, c := range []struct {
		name string
		deps []*debug.Module
		ok   bool
	}{
		{"tested", pair(testedDriver, testedLibc), true},
		{"not told", nil, true},
		{"newer driver", pair("v1.61.1", testedLibc), false},
		{"newer libc", pair(testedDriver, "v1.75.0"), false},
		{"replaced", replaced, false},
	} {
		if err := checkPair(c.deps); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// The pair in go.mod is the one that runs here.
func TestPairIsPinned(t *testing.T) {
	mod, err := os.ReadFile("../../../go.mod")
	check(t, err)
	for _, want := range []string{"modernc.org/sqlite " + testedDriver, "modernc.org/libc " + testedLibc} {
		if !strings.Contains(string(mod), want) {
			t.Errorf("go.mod does not pin %s", want)
		}
	}
}

func TestTimes(t *testing.T) {
	db := open(t, file(t))
	exec(t, db, `CREATE TABLE t (a BIGINT)`)
	for _, want := range []time.Time{{}, time.UnixMilli(0).UTC(), time.UnixMilli(-1).UTC(), time.Date(2026, 11, 22, 1, 2, 3, 4e6, time.UTC)} {
		exec(t, db, `DELETE FROM t`)
		exec(t, db, `INSERT INTO t (a) VALUES ($1)`, Millis(want))
		got := time.Now()
		check(t, db.Row(ctx, `SELECT a FROM t`).Scan(IntoTime(&got)))
		if !got.Equal(want) {
			t.Errorf("%v became %v", want, got)
		}
	}
	var got time.Time
	if err := db.Row(ctx, `SELECT 'yesterday'`).Scan(IntoTime(&got)); err == nil {
		t.Errorf("read %v", got)
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, d := range []Durability{Durable, CrashSafe} {
		for _, n := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("%s/%d", d, n), func(b *testing.B) {
				db, err := Open(ctx, file(b), d)
				check(b, err)
				defer db.Close()
				exec(b, db, `CREATE TABLE t (a TEXT PRIMARY KEY, b BLOB)`)
				blob := make([]byte, 500)
				work := make(chan int)
				var group sync.WaitGroup
				b.ResetTimer()
				for range n {
					group.Go(func() {
						for i := range work {
							if err := db.Write(ctx, func(tx *Tx) error {
								_, err := tx.Exec(`INSERT INTO t (a, b) VALUES ($1, $2)`, fmt.Sprint(i*7919%1000003, i), blob)
								return err
							}); err != nil {
								b.Error(err)
							}
						}
					})
				}
				for i := range b.N {
					work <- i
				}
				close(work)
				group.Wait()
			})
		}
	}
}

// On a full disk nothing is acknowledged that is not there, and when there is
// room again it goes on.
func TestDiskFull(t *testing.T) {
	db := open(t, file(t))
	exec(t, db, `CREATE TABLE t (a BIGINT, b BLOB)`)
	check(t, db.Write(ctx, func(tx *Tx) error { return tx.Row(`PRAGMA max_page_count = 60`).Scan(new(int)) }))
	var group sync.WaitGroup
	var mu sync.Mutex
	there, refused := 0, 0
	for g := range 8 {
		group.Go(func() {
			for i := range 10 {
				err := db.Write(ctx, func(tx *Tx) error {
					_, err := tx.Exec(`INSERT INTO t (a, b) VALUES ($1, zeroblob(6000))`, g*100+i)
					return err
				})
				mu.Lock()
				if err == nil {
					there++
				} else {
					refused++
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if n := count(t, db, "1=1"); n != there || refused == 0 {
		t.Errorf("%d acknowledged, %d refused, %d there", there, refused, n)
	}
	exec(t, db, `INSERT INTO t (a) VALUES (1)`)
}
