package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
)

// A test binary that is started with these is a process that dies: see TestKilled.
const (
	dieDir  = "OUTBOX_TEST_DIE_DIR"
	dieDSN  = "OUTBOX_TEST_DIE_DSN"
	dieFile = "OUTBOX_TEST_DIE_FILE"
)

func TestMain(m *testing.M) {
	if file := os.Getenv(dieFile); file != "" {
		die(sqldb.Place{Dir: os.Getenv(dieDir), DSN: os.Getenv(dieDSN)}, file)
	}
	goleak.VerifyTestMain(m)
}

var ctx = context.Background()

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, p sqldb.Place) *sqldb.DB {
	t.Helper()
	return sqldbtest.Open(t, p, "a", Tables())
}

// TestPostgres runs the tests of this package once more, over PostgreSQL.
func TestPostgres(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"done": TestDone, "insert": TestInsert, "lease ends": TestLeaseEnds, "killed": TestKilled, "two queues": TestTwoQueues, "back off": TestBackOff, "age": TestAge,
		"retry after": TestRetryAfter, "gave up": TestGaveUp, "gave up in vain": TestGaveUpInVain, "poison": TestPoison, "stream": TestStream, "lane": TestLane,
		"lane of the dead": TestLaneOfTheDead, "cancel": TestCancel, "panic": TestPanic, "claim fails": TestClaimFails, "stop": TestStop, "time limit": TestTimeLimit, "workers": TestWorkers, "operate": TestOperate,
		"clocks apart": TestClocksApart, "claim lost": TestClaimLost, "stop leaves to others": TestStopLeavesToOthers,
	} {
		t.Run(name, test)
	}
}

// place is an empty one, of PostgreSQL below TestPostgres.
func place(t *testing.T) sqldb.Place {
	t.Helper()
	if strings.HasPrefix(t.Name(), "TestPostgres/") {
		return sqldb.Place{DSN: sqldbtest.DSN(t), Connections: 30}
	}
	return sqldb.Place{Dir: t.TempDir()}
}

// bench is a database with an outbox. Its time stands unless a test runs in a
// bubble and sets now to time.Now.
type bench struct {
	*testing.T
	db  *sqldb.DB
	now func() time.Time
	log bytes.Buffer

	mu    sync.Mutex
	notes []string // of handlers
}

// note is what handlers tell; it gives how many notes there are.
func (b *bench) note(format string, args ...any) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
	return len(b.notes)
}

// told takes the notes.
func (b *bench) told() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.notes = nil }()
	return b.notes
}

// wantTold compares the notes since the last call.
func (b *bench) wantTold(want ...string) {
	b.Helper()
	if got := b.told(); !slices.Equal(got, want) {
		b.Errorf("told %q, want %q", got, want)
	}
}

// do notes the entry's id and succeeds.
func (b *bench) do(_ context.Context, e Entry) error {
	b.note("%s", e.ID)
	return nil
}

func newBench(t *testing.T) *bench {
	t.Helper()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return &bench{T: t, db: open(t, place(t)), now: func() time.Time { return at }}
}

// in runs the test in a bubble, where time passes when nothing else does. SQLite
// stays outside; of PostgreSQL the connections must not leave it.
func in(t *testing.T, fn func(b *bench)) {
	p := place(t)
	b := &bench{T: t}
	if p.Engine() == sqldb.SQLite {
		b.db = open(t, p)
	}
	synctest.Test(t, func(t *testing.T) {
		if b.db == nil {
			b.db = open(t, p)
		}
		b.T, b.now = t, time.Now
		fn(b)
	})
}

func (b *bench) queue(c Config) *Queue {
	b.Helper()
	c.DB, c.Now = b.db, func() time.Time { return b.now() }
	if c.Log == nil {
		c.Log = slog.New(slog.NewTextHandler(&b.log, nil))
	}
	q, err := New(c)
	check(b, err)
	return q
}

// run runs a queue until the returned function is called.
func (b *bench) run(q *Queue) (stop func()) {
	b.Helper()
	running, cancel := context.WithCancel(ctx)
	over := make(chan error)
	go func() { over <- q.Run(running) }()
	return func() {
		b.Helper()
		cancel()
		check(b, <-over)
	}
}

func (b *bench) entry(id string) Entry {
	return Entry{ID: id, Kind: "mail", Ref: "order 1", Payload: []byte("payload of " + id), Created: b.now()}
}

func (b *bench) insert(list ...Entry) {
	b.Helper()
	check(b, b.db.Write(ctx, func(tx *sqldb.Tx) error {
		for _, e := range list {
			if err := Insert(tx, e); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (b *bench) exec(query string, args ...any) {
	b.Helper()
	check(b, b.db.Write(ctx, func(tx *sqldb.Tx) error { _, err := tx.Exec(query, args...); return err }))
}

// items gives all entries by id.
func (b *bench) items() map[string]Item {
	b.Helper()
	list, err := b.queue(Config{}).List(ctx, Filter{})
	check(b, err)
	all := map[string]Item{}
	for _, i := range list {
		all[i.ID] = i
	}
	return all
}

func (b *bench) payload(id string) []byte {
	b.Helper()
	var p []byte
	check(b, b.db.Row(ctx, `SELECT payload FROM outbox WHERE id = $1`, id).Scan(&p))
	return p
}

func (b *bench) want(id string, s State, attempts int) {
	b.Helper()
	if i := b.items()[id]; i.State != s || i.Attempts != attempts {
		b.Errorf("%s is %q after %d attempts (%s), want %q after %d", id, i.State, i.Attempts, i.Error, s, attempts)
	}
}

// after lets time pass.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func handlers(do func(context.Context, Entry) error) map[string]Handler {
	return map[string]Handler{"mail": {Do: do}}
}

func TestDone(t *testing.T) {
	in(t, func(b *bench) {
		q := b.queue(Config{Handlers: handlers(func(_ context.Context, e Entry) error { b.note("%+v", e); return nil })})
		defer b.run(q)()
		synctest.Wait()

		start := time.Now()
		late := b.entry("late")
		late.Due = start.Add(time.Hour)
		unknown := b.entry("unknown")
		unknown.Kind = "fax"
		b.insert(b.entry("a"), late, unknown)
		q.Wake()
		synctest.Wait()
		if time.Now() != start {
			t.Error("it was not woken")
		}
		want := b.entry("a")
		want.Created, want.Attempts = start.UTC(), 1
		want.Due = want.Created
		b.wantTold(fmt.Sprintf("%+v", want))
		b.want("a", Done, 1)
		if p := b.payload("a"); p != nil {
			t.Errorf("the payload is still there: %s", p)
		}
		b.want("late", Waiting, 0)
		b.want("unknown", Waiting, 0)

		// The same again is nothing new.
		b.insert(b.entry("a"), b.entry("b"))
		after(q.Poll)
		if got := b.told(); len(got) != 1 || !strings.HasPrefix(got[0], "{ID:b ") {
			t.Errorf("told %q", got)
		}
		after(time.Hour - 2*q.Poll)
		b.wantTold()
		after(2 * q.Poll)
		if got := b.told(); len(got) != 1 || !strings.HasPrefix(got[0], "{ID:late ") {
			t.Errorf("told %q", got)
		}
	})
}

// TestPlans: looking for work, which is done all the time, costs the same however
// much was done before.
func TestPlans(t *testing.T) {
	sqldbtest.Engines(t, func(t *testing.T, p sqldb.Place) {
		db := open(t, p)
		if p.Engine() == sqldb.PostgreSQL { // which reads small tables whole
			sqldbtest.Exec(t, db, `INSERT INTO outbox (id, kind, ref, stream, lane, state, created, due, next, attempts, node, claim, error, ended)
				SELECT 'e' || n, 'mail', 'r' || n % 1000, CASE WHEN n % 2 = 0 THEN 's' || n % 1000 ELSE '' END, CASE WHEN n % 3 = 0 THEN 'l' || n % 10 ELSE '' END,
					CASE WHEN n % 50 = 0 THEN 'waiting' ELSE 'done' END, n, n, n, 1, '', CASE WHEN n % 500 = 0 THEN 'c' ELSE '' END, '', CASE WHEN n % 50 <> 0 THEN n END
				FROM generate_series(1, 20000) AS n`)
			sqldbtest.Exec(t, db, `ANALYZE outbox`)
		}
		q, err := New(Config{DB: db, Handlers: handlers(func(context.Context, Entry) error { return nil })})
		check(t, err)
		for name, c := range map[string]struct {
			query string
			want  []string
		}{
			"ready": {`SELECT id, lane, next, seq FROM outbox WHERE ` + q.ready(3) + ` ORDER BY next, seq LIMIT $2`, []string{"outbox_next", "outbox_stream", "outbox_lane"}},
			"old":   {`SELECT EXISTS (SELECT 1 FROM outbox WHERE ended < $1)`, []string{"outbox_ended"}},
			"of":    {`SELECT seq FROM outbox WHERE ref = $1 AND ended IS NULL`, []string{"outbox_ref"}},
		} {
			plan := sqldbtest.Plan(t, db, c.query)
			for _, want := range c.want {
				if !strings.Contains(plan, want) {
					t.Errorf("%s: no %q in\n%s", name, want, plan)
				}
			}
			for _, bad := range []string{"TEMP B-TREE", "SCAN outbox\n", "Seq Scan", "Sort"} {
				if strings.Contains(plan+"\n", bad) {
					t.Errorf("%s sorts or reads everything:\n%s", name, plan)
				}
			}
		}
	})
}

func TestInsert(t *testing.T) {
	b := newBench(t)
	for name, e := range map[string]Entry{
		"no id": {Kind: "k", Created: b.now()}, "no kind": {ID: "x", Created: b.now()}, "no time": {ID: "x", Kind: "k"},
		"large": {ID: "x", Kind: "k", Created: b.now(), Payload: make([]byte, maxPayload+1)},
	} {
		if b.db.Write(ctx, func(tx *sqldb.Tx) error { return Insert(tx, e) }) == nil {
			t.Errorf("%s: taken", name)
		}
	}
	// An act that fails wants nothing done.
	no := errors.New("no")
	if err := b.db.Write(ctx, func(tx *sqldb.Tx) error { return errors.Join(Insert(tx, b.entry("a")), no) }); !errors.Is(err, no) {
		t.Error(err)
	}
	// The first stays as it was.
	other := b.entry("b")
	b.insert(b.entry("b"))
	other.Payload, other.Ref = []byte("other"), "other"
	b.insert(other)
	if all := b.items(); len(all) != 1 || all["b"].Ref != "order 1" || string(b.payload("b")) != "payload of b" {
		t.Errorf("%v", all)
	}
}

func TestNew(t *testing.T) {
	b := newBench(t)
	for _, c := range []Config{{}, {DB: b.db, Handlers: map[string]Handler{"a": {}}}, {DB: b.db, Handlers: map[string]Handler{"": {Do: func(context.Context, Entry) error { return nil }}}}} {
		if _, err := New(c); err == nil {
			t.Errorf("made of %v", c)
		}
	}
}

// The process dies after the handler, before the mark: it is done again, by
// another node when the lease has ended, by the same node at once.
func TestLeaseEnds(t *testing.T) {
	for _, c := range []struct {
		node string
		wait time.Duration
	}{{"one", 0}, {"two", 2 * time.Minute}} {
		in(t, func(b *bench) {
			b.insert(b.entry("a"))
			dead := b.queue(Config{Node: "one", Handlers: handlers(func(context.Context, Entry) error { return nil })})
			list, err := dead.claim(ctx, 10)
			check(t, err)
			if len(list) != 1 {
				t.Fatalf("claimed %v", list)
			}

			q := b.queue(Config{Node: c.node, Handlers: handlers(func(_ context.Context, e Entry) error {
				time.Sleep(10 * time.Second)
				b.note("%s", e.ID)
				return nil
			})})
			defer b.run(q)()
			synctest.Wait()
			if c.wait > 0 {
				if i := b.items()["a"]; !i.UnderWay || i.Node != "one" {
					t.Errorf("under way: %+v", i)
				}
				after(c.wait - time.Second)
				b.wantTold()
				after(2 * time.Second)
			}
			// The dead one was not so dead: its late mark changes nothing.
			late := outcome{state: Waiting, next: time.Now().Add(time.Hour), attempts: 1}
			dead.settle(ctx, list[0], late, dead.Log)
			if i := b.items()["a"]; !i.UnderWay || i.Attempts != 2 || i.Node != c.node {
				t.Errorf("after the late mark: %+v", i)
			}
			after(10 * time.Second)
			b.wantTold("a")
			dead.settle(ctx, list[0], late, dead.Log)
			b.want("a", Done, 2)
		})
	}
}

// die handles the entry, then kills its own process.
func die(p sqldb.Place, file string) {
	db, err := p.Open(ctx, "a", sqldb.CrashSafe)
	if err != nil {
		panic(err)
	}
	q, err := New(Config{DB: db, Node: "node", Handlers: handlers(func(_ context.Context, e Entry) error {
		f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(f, "%s attempt %d\n", e.ID, e.Attempts)
		f.Close()
		if e.Attempts < 3 {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	})})
	if err != nil {
		panic(err)
	}
	running, stop := context.WithCancel(ctx)
	go func() {
		for i := 0; ; i++ {
			if n, _, err := q.Pending(ctx); err != nil || n == 0 || i > 1000 {
				stop()
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	if err := q.Run(running); err != nil {
		panic(err)
	}
	os.Exit(0)
}

func TestKilled(t *testing.T) {
	b := newBench(t)
	p := place(t)
	b.db = open(t, p)
	b.now = time.Now
	b.insert(b.entry("a"))
	file := filepath.Join(t.TempDir(), "log")
	for i := range 3 {
		self, err := os.Executable()
		check(t, err)
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), dieDir+"="+p.Dir, dieDSN+"="+p.DSN, dieFile+"="+file)
		out, err := cmd.CombinedOutput()
		if killed := cmd.ProcessState.ExitCode() == -1; killed != (i < 2) {
			t.Fatalf("process %d: %v\n%s", i+1, err, out)
		}
	}
	log, err := os.ReadFile(file)
	check(t, err)
	if string(log) != "a attempt 1\na attempt 2\na attempt 3\n" {
		t.Errorf("handled:\n%s", log)
	}
	b.want("a", Done, 3)
}

// Two processes over one database: each entry is done once, by one of them, and
// those of a stream one at a time in the order they came, while the others do
// not wait for them.
func TestTwoQueues(t *testing.T) {
	b := newBench(t)
	p := place(t)
	b.db = open(t, p)
	b.now = time.Now
	const streams, each = 7, 12
	var mu sync.Mutex
	active, order, done, nodes := map[string]int{}, map[string][]string{}, map[string]int{}, map[string]int{}
	most := 0
	began := map[string]bool{}
	both := make(chan struct{}) // closed when each has begun something
	do := func(node string) func(context.Context, Entry) error {
		return func(_ context.Context, e Entry) error {
			key := e.Stream
			if key == "" {
				key = e.ID
			}
			mu.Lock()
			if active[key]++; active[key] > 1 {
				t.Errorf("%s: two at once", key)
			}
			most = max(most, len(active))
			if !began[node] {
				if began[node] = true; len(began) == 2 {
					close(both)
				}
			}
			mu.Unlock()
			// One that is fast must not have done everything before the other is
			// there: a busy machine lets it wait for seconds.
			select {
			case <-both:
			case <-time.After(20 * time.Second):
			}
			time.Sleep(time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			if active[key]--; active[key] == 0 {
				delete(active, key)
			}
			order[e.Stream] = append(order[e.Stream], e.ID)
			done[e.ID]++
			nodes[node]++
			if e.Attempts == 1 && strings.HasSuffix(e.ID, "3") {
				done[e.ID]--
				order[e.Stream] = order[e.Stream][:len(order[e.Stream])-1]
				return errors.New("not yet")
			}
			return nil
		}
	}
	for i := range streams * each {
		e := b.entry(fmt.Sprintf("%03d", i))
		if s := i % streams; s > 0 {
			e.Stream = fmt.Sprint("stream ", s)
		}
		b.insert(e)
	}
	var stops []func()
	for i := range 2 {
		node := fmt.Sprint("node ", i)
		other := &bench{T: t, db: open(t, p), now: time.Now}
		q := other.queue(Config{Node: node, Poll: 5 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
			Handlers: map[string]Handler{"mail": {Do: do(node), Retry: Schedule{First: 20 * time.Millisecond}}}})
		stops = append(stops, other.run(q))
	}
	q := b.queue(Config{})
	for range 2000 {
		n, _, err := q.Pending(ctx)
		check(t, err)
		if n == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	for _, stop := range stops {
		stop()
	}
	if len(done) != streams*each {
		t.Errorf("%d done", len(done))
	}
	for id, n := range done {
		if n != 1 {
			t.Errorf("%s was done %d times", id, n)
		}
	}
	for stream, ids := range order {
		if stream != "" && !slices.IsSorted(ids) {
			t.Errorf("%s: %v", stream, ids)
		}
	}
	if most < 4 || len(nodes) != 2 {
		t.Errorf("%d at once at most, by %v", most, nodes)
	}
}

func TestBackOff(t *testing.T) {
	in(t, func(b *bench) {
		q := b.queue(Config{Poll: 100 * time.Millisecond, Handlers: map[string]Handler{"mail": {
			Retry: Schedule{First: 10 * time.Second, Longest: time.Minute, Attempts: 7},
			Do: func(context.Context, Entry) error {
				b.note("%d", time.Now().UnixMilli())
				return errors.New("smtp is down")
			}}}})
		defer b.run(q)()
		b.insert(b.entry("a"))
		after(time.Hour)
		tries := b.times()
		pauses := []time.Duration{10, 20, 40, 60, 60, 60}
		if len(tries) != len(pauses)+1 {
			t.Fatalf("%d tries", len(tries))
		}
		same := 0
		for i, p := range pauses {
			p *= time.Second
			got := tries[i+1].Sub(tries[i])
			if got < p-p/8 || got > p+p/8+2*q.Poll {
				t.Errorf("pause %d is %v, want about %v", i+1, got, p)
			}
			if d := got - p; d < q.Poll && d > -q.Poll {
				same++
			}
		}
		if same == len(pauses) {
			t.Error("no pause is random")
		}
		b.want("a", GivenUp, 7)
		if i := b.items()["a"]; i.Error != "smtp is down" || i.Ended.IsZero() {
			t.Errorf("%+v", i)
		}
		if string(b.payload("a")) != "payload of a" {
			t.Error("what was given up cannot be tried again")
		}
		if n := strings.Count(b.log.String(), "given up"); n != 1 {
			t.Errorf("%d times in the log:\n%s", n, b.log.String())
		}
	})
}

// times gives the notes as times.
func (b *bench) times() (list []time.Time) {
	b.Helper()
	for _, s := range b.told() {
		ms, err := strconv.ParseInt(s, 10, 64)
		check(b, err)
		list = append(list, time.UnixMilli(ms))
	}
	return list
}

// By age it is given up after a last try at the very end; and an entry that is
// found long after its time is tried once.
func TestAge(t *testing.T) {
	in(t, func(b *bench) {
		start := time.Now()
		q := b.queue(Config{Poll: time.Minute, Handlers: map[string]Handler{"mail": {
			Retry: Schedule{First: time.Minute, Longest: 40 * time.Minute, Age: 2 * time.Hour},
			Do: func(_ context.Context, e Entry) error {
				if e.ID == "a" {
					b.note("%d", time.Now().UnixMilli())
				}
				return errors.New("no")
			}}}})
		old := b.entry("old")
		old.Created = start.Add(-1000 * time.Hour)
		b.insert(b.entry("a"), old)
		defer b.run(q)()
		after(10 * time.Hour)
		tries := b.times()
		if len(tries) < 6 || tries[len(tries)-1].Sub(start) < 2*time.Hour || tries[len(tries)-1].Sub(start) > 2*time.Hour+q.Poll {
			t.Errorf("tries at %v", tries)
		}
		b.want("a", GivenUp, len(tries))
		b.want("old", GivenUp, 1)
	})
}

type later struct{ error }

func (later) RetryAfter() time.Duration { return time.Hour }

func TestRetryAfter(t *testing.T) {
	in(t, func(b *bench) {
		q := b.queue(Config{Handlers: handlers(func(context.Context, Entry) error {
			b.note("try")
			return fmt.Errorf("busy: %w", later{errors.New("429")})
		})})
		defer b.run(q)()
		b.insert(b.entry("a"))
		after(59 * time.Minute)
		b.wantTold("try")
		after(2 * time.Minute)
		b.wantTold("try")
	})
}

// What is given up is told, for as long as it takes and over a restart.
func TestGaveUp(t *testing.T) {
	in(t, func(b *bench) {
		var deaf, mended atomic.Bool
		deaf.Store(true)
		c := Config{Handlers: map[string]Handler{"mail": {
			Do: func(context.Context, Entry) error {
				b.note("tried")
				if mended.Load() {
					return nil
				}
				return fmt.Errorf("sending: %w", Permanent(errors.New("no such mailbox")))
			},
			GaveUp: func(_ context.Context, e Entry, err error) error {
				b.note("%s %s: %v", e.ID, e.Payload, err)
				if deaf.Load() {
					return errors.New("database is full")
				}
				return nil
			},
		}}}
		const told = "a payload of a: sending: no such mailbox"
		q := b.queue(c)
		stop := b.run(q)
		b.insert(b.entry("a"))
		after(8 * time.Second)
		b.wantTold("tried", told, told)
		b.want("a", Failed, 2)
		stop()
		deaf.Store(false)
		q = b.queue(c)
		defer b.run(q)()
		after(time.Minute)
		b.wantTold(told)
		b.want("a", GivenUp, 3)
		if i := b.items()["a"]; i.Error != "sending: no such mailbox" {
			t.Errorf("%+v", i)
		}
		after(time.Hour)
		b.wantTold()
		// The operator knows better.
		mended.Store(true)
		check(t, q.Retry(ctx, "a"))
		synctest.Wait()
		b.wantTold("tried")
		b.want("a", Done, 1)
		if b.payload("a") != nil {
			t.Error("the payload is still there")
		}
	})
}

// Who can never be told is not told for ever.
func TestGaveUpInVain(t *testing.T) {
	in(t, func(b *bench) {
		no := func(context.Context, Entry) error { b.note("tried"); return Permanent(errors.New("no")) }
		q := b.queue(Config{Handlers: map[string]Handler{"mail": {Do: no, GaveUp: func(ctx context.Context, e Entry, _ error) error {
			b.note("told")
			return Permanent(errors.New("the payload is unreadable"))
		}}}})
		defer b.run(q)()
		b.insert(b.entry("a"))
		after(time.Hour)
		b.wantTold("tried", "told")
		b.want("a", GivenUp, 1)
		if i := b.items()["a"]; i.Error != "the payload is unreadable" {
			t.Errorf("%+v", i)
		}
	})
}

// An entry that kills its process each time is given up too.
func TestPoison(t *testing.T) {
	in(t, func(b *bench) {
		b.insert(b.entry("a"))
		c := Config{Node: "one", Handlers: map[string]Handler{"mail": {
			Retry: Schedule{Attempts: 3},
			Do:    b.do}}}
		for range 3 {
			q := b.queue(c)
			check(t, q.reclaim(ctx))
			list, err := q.claim(ctx, 1)
			check(t, err)
			if len(list) != 1 {
				t.Fatal("not claimed")
			}
		}
		defer b.run(b.queue(c))()
		synctest.Wait()
		b.want("a", GivenUp, 4)
		b.wantTold()
	})
}

// One that is given up does not hold up its stream, one that is tried does.
func TestStream(t *testing.T) {
	in(t, func(b *bench) {
		q := b.queue(Config{Workers: 10, Handlers: map[string]Handler{"mail": {
			Retry: Schedule{First: time.Minute, Attempts: 2},
			Do: func(_ context.Context, e Entry) error {
				b.note("%s", e.ID)
				if e.ID == "2" {
					return errors.New("no")
				}
				time.Sleep(time.Second)
				return nil
			},
			GaveUp: func(context.Context, Entry, error) error { return errors.New("cannot be told") },
		}}})
		for _, id := range []string{"1", "2", "3", "4"} {
			e := b.entry(id)
			e.Stream = "order 1"
			b.insert(e)
		}
		defer b.run(q)()
		after(30 * time.Second)
		b.insert(b.entry("alone"))
		after(5 * time.Second)
		b.wantTold("1", "2", "alone")
		after(time.Hour)
		b.wantTold("2", "3", "4")
		b.want("4", Done, 1)
	})
}

// TestLane: a receiver that takes its time has one of the workers, whatever waits
// for it, and the rest of the world goes on.
func TestLane(t *testing.T) {
	in(t, func(b *bench) {
		under := 0
		q := b.queue(Config{Handlers: handlers(func(_ context.Context, e Entry) error {
			if e.Lane != "slow" {
				return b.do(ctx, e)
			}
			b.mu.Lock()
			if under++; under > 1 {
				b.Error("two at a time")
			}
			b.mu.Unlock()
			time.Sleep(15 * time.Second)
			b.mu.Lock()
			under--
			b.mu.Unlock()
			b.note("%s", e.ID)
			return errors.New("no answer")
		})})
		var list []Entry
		for i := range 100 {
			e := b.entry(fmt.Sprint("slow", i))
			e.Lane = "slow"
			list = append(list, e)
		}
		for _, id := range []string{"x1", "x2"} {
			e := b.entry(id)
			e.Lane = "x"
			list = append(list, e)
		}
		b.insert(append(list, b.entry("alone"))...)
		defer b.run(q)()
		after(3 * q.Poll)
		if got := slices.Sorted(slices.Values(b.told())); !slices.Equal(got, []string{"alone", "x1", "x2"}) {
			t.Errorf("told %q", got)
		}
		after(15 * time.Second)
		b.wantTold("slow0")
		after(15 * time.Second)
		b.wantTold("slow1") // which has waited longer than slow0's next try
	})
}

// TestLaneOfTheDead: what a process held when it died is under way until its
// lease ends, for its lane as well.
func TestLaneOfTheDead(t *testing.T) {
	in(t, func(b *bench) {
		one, two := b.entry("one"), b.entry("two")
		one.Lane, two.Lane = "x", "x"
		b.insert(one)
		dead := b.queue(Config{Node: "dead", Handlers: handlers(b.do)})
		if list, err := dead.claim(ctx, 1); err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		b.insert(two)
		q := b.queue(Config{Node: "alive", Handlers: handlers(b.do)})
		defer b.run(q)()
		after(q.Lease - q.Poll)
		b.wantTold()
		after(3 * q.Poll)
		b.wantTold("two", "one")
	})
}

func TestCancel(t *testing.T) {
	in(t, func(b *bench) {
		q := b.queue(Config{Workers: 10, Handlers: map[string]Handler{"mail": {Do: func(_ context.Context, e Entry) error {
			b.note("%s", e.ID)
			time.Sleep(10 * time.Second)
			if e.ID == "failing" {
				return errors.New("no")
			}
			return nil
		}}}})
		defer b.run(q)()
		var list []Entry
		for _, id := range []string{"sending", "failing", "behind", "reminder", "other order", "other kind", "webhook"} {
			e := b.entry(id)
			switch id {
			case "sending", "failing", "behind":
				e.Stream = id[:4]
			case "reminder", "other order", "other kind":
				e.Due = time.Now().Add(time.Hour)
			}
			switch id {
			case "behind":
				e.Stream, e.Ref = "sending"[:4], "order 2"
			case "other order":
				e.Ref = "order 2"
			case "other kind", "webhook":
				e.Kind = "webhook"
			}
			list = append(list, e)
		}
		b.insert(list...)
		after(5 * time.Second)
		check(t, b.db.Write(ctx, func(tx *sqldb.Tx) error { return Cancel(tx, time.Now(), "order 1", "mail") }))
		b.want("reminder", Dropped, 0)
		if b.payload("reminder") != nil {
			t.Error("the payload is still there")
		}
		after(4 * time.Second)
		if tries := b.told(); slices.Contains(tries, "behind") || len(tries) != 2 {
			t.Errorf("tries %q: the stream did not wait for what is under way", tries)
		}
		after(2 * time.Hour)
		b.want("sending", Done, 1)
		b.want("failing", Dropped, 1)
		b.want("behind", Done, 1)
		b.want("other order", Done, 1)
		b.want("other kind", Waiting, 0)
		check(t, b.db.Write(ctx, func(tx *sqldb.Tx) error { return Cancel(tx, time.Now(), "order 1") }))
		b.want("other kind", Dropped, 0)
		b.want("sending", Done, 1)

		check(t, b.db.Write(ctx, func(tx *sqldb.Tx) error { return Erase(tx, "order 1") }))
		if all := b.items(); len(all) != 2 {
			t.Errorf("left: %v", all)
		}
	})
}

func TestPanic(t *testing.T) {
	in(t, func(b *bench) {
		q := b.queue(Config{Workers: 1, Handlers: handlers(func(_ context.Context, e Entry) error {
			switch b.note("try") {
			case 1:
				panic("secret of " + e.ID)
			case 2:
				var none []int
				none[len(e.ID)] = 1
			}
			return nil
		})})
		defer b.run(q)()
		b.insert(b.entry("a"))
		synctest.Wait()
		after(q.Poll)
		i := b.items()["a"]
		if i.State != Waiting || !strings.Contains(i.Error, "panicked with string at outbox/outbox_test.go:") {
			t.Errorf("%+v", i)
		}
		after(time.Minute)
		b.want("a", Done, 3)
		if strings.Contains(b.log.String(), "secret") {
			t.Errorf("the log tells:\n%s", b.log.String())
		}
	})
}

// A mark that cannot be written is tried on; the handler is not called again for
// as long as the lease lasts.
func TestMarkFails(t *testing.T) {
	in(t, func(b *bench) {
		b.exec(`CREATE TRIGGER full BEFORE UPDATE ON outbox WHEN NEW.state = 'done' BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`)
		q := b.queue(Config{Handlers: handlers(b.do)})
		defer b.run(q)()
		b.insert(b.entry("a"))
		after(time.Minute)
		b.wantTold("a")
		after(2 * time.Minute)
		b.wantTold("a")
		b.exec(`DROP TRIGGER full`)
		after(time.Minute)
		b.want("a", Done, 2)
		b.wantTold()
	})
}

// Nothing is begun that cannot be written down, and the log says so once.
func TestClaimFails(t *testing.T) {
	in(t, func(b *bench) {
		sqldbtest.Break(b, b.db, "UPDATE", "outbox")
		q := b.queue(Config{Handlers: handlers(b.do)})
		defer b.run(q)()
		b.insert(b.entry("a"))
		after(time.Minute)
		b.wantTold()
		if strings.Count(b.log.String(), "stands still") != 1 {
			t.Errorf("log:\n%s", b.log.String())
		}
		sqldbtest.Mend(b, b.db)
		after(time.Second)
		b.want("a", Done, 1)
	})
}

// On a full disk the act and what it wants done stand or fall together.
func TestFullDisk(t *testing.T) {
	b := newBench(t)
	b.exec(`CREATE TABLE acts (id TEXT)`)
	var pages int
	check(t, b.db.Row(ctx, `PRAGMA page_count`).Scan(&pages))
	b.exec(fmt.Sprintf(`PRAGMA max_page_count = %d`, pages+10))
	wrote := 0
	for i := range 30 {
		e := b.entry(fmt.Sprint(i))
		e.Payload = make([]byte, 10_000)
		if b.db.Write(ctx, func(tx *sqldb.Tx) error {
			if _, err := tx.Exec(`INSERT INTO acts (id) VALUES ($1)`, e.ID); err != nil {
				return err
			}
			return Insert(tx, e)
		}) == nil {
			wrote++
		}
	}
	var acts int
	check(t, b.db.Row(ctx, `SELECT count(*) FROM acts`).Scan(&acts))
	if n := len(b.items()); wrote == 0 || wrote == 30 || n != wrote || acts != wrote {
		t.Errorf("%d writes went well, %d acts and %d entries are there", wrote, acts, n)
	}
}

// What is under way when the process is asked to end may finish; what does not
// is stopped, tried again at once, and that try is not counted.
func TestStop(t *testing.T) {
	in(t, func(b *bench) {
		q := b.queue(Config{Node: "one", Handlers: map[string]Handler{"mail": {
			Retry: Schedule{Attempts: 1},
			Do: func(ctx context.Context, e Entry) error {
				d := time.Second
				if e.ID == "slow" {
					d = time.Minute
				}
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(d):
					return nil
				}
			}}}})
		stop := b.run(q)
		b.insert(b.entry("quick"), b.entry("slow"))
		q.Wake()
		synctest.Wait()
		begun := time.Now()
		b.insert(b.entry("never"))
		stop()
		if d := time.Since(begun); d != q.Grace {
			t.Errorf("it took %v", d)
		}
		b.want("quick", Done, 1)
		b.want("never", Waiting, 0)
		i := b.items()["slow"]
		if i.State != Waiting || i.Attempts != 0 || i.UnderWay || i.Next.After(time.Now()) {
			t.Errorf("%+v", i)
		}
	})
}

// A handler's context ends before its lease.
func TestTimeLimit(t *testing.T) {
	in(t, func(b *bench) {
		q := b.queue(Config{Handlers: handlers(func(ctx context.Context, _ Entry) error {
			begun := time.Now()
			<-ctx.Done()
			b.note("%v", time.Since(begun))
			return ctx.Err()
		})})
		defer b.run(q)()
		b.insert(b.entry("a"))
		after(q.Lease*3/4 + 2*time.Second)
		b.wantTold("1m30s")
		b.want("a", Waiting, 1)
	})
}

func TestWorkers(t *testing.T) {
	in(t, func(b *bench) {
		var now, most atomic.Int32
		q := b.queue(Config{Workers: 3, Handlers: handlers(func(context.Context, Entry) error {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second)
			now.Add(-1)
			return nil
		})})
		for i := range 10 {
			b.insert(b.entry(fmt.Sprint(i)))
		}
		defer b.run(q)()
		after(4*time.Second + 500*time.Millisecond)
		if n, _, err := q.Pending(ctx); n != 0 || err != nil || most.Load() != 3 {
			t.Errorf("%d left, %d at once, %v", n, most.Load(), err)
		}
	})
}

func TestOperate(t *testing.T) {
	b := newBench(t)
	now := b.now()
	b.now = func() time.Time { return now }
	q := b.queue(Config{Handlers: handlers(func(context.Context, Entry) error { return nil })})
	if n, age, err := q.Pending(ctx); n != 0 || age != 0 || err != nil {
		t.Error(n, age, err)
	}
	for i, id := range []string{"a", "b", "c", "d"} {
		e := b.entry(id)
		e.Ref = fmt.Sprint("order ", i%2)
		e.Due = now.Add(time.Duration(i) * time.Minute)
		b.insert(e)
	}
	now = now.Add(90 * time.Second)
	if n, age, err := q.Pending(ctx); n != 2 || age != 90*time.Second || err != nil {
		t.Error(n, age, err)
	}
	fax := b.queue(Config{Handlers: map[string]Handler{"fax": {Do: b.do}}})
	if n, _, err := fax.Pending(ctx); n != 0 || err != nil {
		t.Error("another queue's:", n, err)
	}
	list, err := q.claim(ctx, 1)
	check(t, err)
	if len(list) != 1 || list[0].ID != "a" {
		t.Fatalf("%v", list)
	}
	for name, fn := range map[string]func(context.Context, string) error{"retry": q.Retry, "drop": q.Drop} {
		for _, id := range []string{"a", "x"} {
			if err := fn(ctx, id); err != ErrNotPossible {
				t.Errorf("%s %s: %v", name, id, err)
			}
		}
	}
	q.work(ctx, list[0])
	for name, fn := range map[string]func(context.Context, string) error{"retry": q.Retry, "drop": q.Drop} {
		if err := fn(ctx, "a"); err != ErrNotPossible {
			t.Errorf("%s what is done: %v", name, err)
		}
	}
	check(t, q.Drop(ctx, "b"))
	check(t, q.Retry(ctx, "d"))
	if n, _, _ := q.Pending(ctx); n != 1 {
		t.Errorf("%d are due", n)
	}

	ids := func(f Filter) (s string) {
		list, err := q.List(ctx, f)
		check(t, err)
		for _, i := range list {
			s += i.ID
		}
		return s
	}
	for _, c := range []struct {
		f    Filter
		want string
	}{
		{Filter{}, "abcd"}, {Filter{Ref: "order 1"}, "bd"}, {Filter{State: Dropped}, "b"}, {Filter{Kind: "mail", State: Waiting}, "cd"},
		{Filter{Kind: "fax"}, ""}, {Filter{Limit: 2}, "ab"}, {Filter{After: 2, Limit: 1}, "c"},
	} {
		if got := ids(c.f); got != c.want {
			t.Errorf("%+v: %s, want %s", c.f, got, c.want)
		}
	}

	// Rows that have ended stay for a while.
	now = now.Add(q.Keep)
	if n, err := q.Purge(ctx); n != 0 || err != nil {
		t.Error(n, err)
	}
	now = now.Add(time.Millisecond)
	if n, err := q.Purge(ctx); n != 2 || err != nil || ids(Filter{}) != "cd" {
		t.Error(n, err, ids(Filter{}))
	}
}
