package store

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/keys"
	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
	"sigill/broker/oidc"
	"sigill/broker/store/storetest"
	"sigill/providers"
)

var (
	_ flow.Orders  = (*Store)(nil)
	_ flow.Leases  = (*Store)(nil)
	_ flow.Results = (*Store)(nil)
	_ oidc.Records = (*Store)(nil)
	_ oidc.Clients = (*Store)(nil)
	_ broker.Short = (*Short)(nil)
)

var ctx = context.Background()

func open(t testing.TB, dir string, now func() time.Time) *Store {
	t.Helper()
	return openAt(t, sqldb.Place{Dir: dir}, now)
}

func openAt(t testing.TB, p sqldb.Place, now func() time.Time) *Store {
	t.Helper()
	s, err := Open(ctx, Config{Place: p, Now: now})
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

func openShort(t testing.TB, dir string, now func() time.Time) *Short {
	t.Helper()
	return openShortAt(t, sqldb.Place{Dir: dir}, now)
}

func openShortAt(t testing.TB, p sqldb.Place, now func() time.Time) *Short {
	t.Helper()
	s, err := OpenShort(ctx, Config{Place: p, Now: now})
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

func openBox(t testing.TB, s *Store) *keys.Box {
	t.Helper()
	file := filepath.Join(t.TempDir(), "master")
	check(t, keys.NewMaster(file))
	masters, err := keys.LoadMasters(file)
	check(t, err)
	ring, err := keys.Open(ctx, s.DB(), masters, nil)
	check(t, err)
	box, err := ring.Box("short")
	check(t, err)
	return box
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// events reads the audit as far as no sequencer has taken it.
func events(s *Store) storetest.Events {
	return func(t *testing.T) []audit.Event {
		t.Helper()
		rows, err := s.db.Rows(ctx, `SELECT type, at, client, provider, instance, order_id, login, person, reason FROM audit_waiting ORDER BY id`)
		check(t, err)
		defer rows.Close()
		var list []audit.Event
		for rows.Next() {
			var e audit.Event
			check(t, rows.Scan(&e.Type, sqldb.IntoTime(&e.At), &e.Client, &e.Provider, &e.Instance, &e.Order, &e.Login, &e.Person, &e.Reason))
			list = append(list, e)
		}
		return list
	}
}

// fresh runs a test over each engine.
func fresh(t *testing.T, run func(t *testing.T, fresh func(testing.TB) sqldb.Place)) {
	sqldbtest.Fresh(t, "broker", Tables(), run)
}

func TestOrders(t *testing.T) {
	fresh(t, func(t *testing.T, fresh func(testing.TB) sqldb.Place) {
		storetest.Orders(t, func(t *testing.T, c *storetest.Clock) (storetest.OrderStore, storetest.Events) {
			s := openAt(t, fresh(t), c.Now)
			return s, events(s)
		})
	})
}

func TestRecords(t *testing.T) {
	fresh(t, func(t *testing.T, fresh func(testing.TB) sqldb.Place) {
		storetest.Records(t, func(t *testing.T, c *storetest.Clock) (storetest.RecordStore, storetest.Events) {
			s := openAt(t, fresh(t), c.Now)
			return s, events(s)
		})
	})
}

func TestClients(t *testing.T) {
	fresh(t, func(t *testing.T, fresh func(testing.TB) sqldb.Place) {
		storetest.Clients(t, func(t *testing.T, c *storetest.Clock) (storetest.ClientStore, storetest.Events) {
			s := openAt(t, fresh(t), c.Now)
			s.SealClients(openBox(t, open(t, t.TempDir(), nil)))
			return s, events(s)
		})
	})
}

// What signs a client's webhooks cannot be read from the database, nor moved to
// another client, and is never left out by mistake.
func TestClientSecretsAreSealed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	const secret = "0123456789abcdef-webhook"
	c := broker.Client{ID: "c", WebhookSecret: []byte(secret)}
	if err := s.AddClient(ctx, c); err == nil {
		t.Error("kept without a box")
	}
	check(t, s.AddClient(ctx, broker.Client{ID: "plain"}))
	box := openBox(t, s)
	s.SealClients(box)
	check(t, s.AddClient(ctx, c))
	got, err := s.Client(ctx, "c")
	check(t, err)
	if string(got.WebhookSecret) != secret {
		t.Errorf("read as %q", got.WebhookSecret)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	check(t, err)
	for _, f := range files {
		data, err := os.ReadFile(f)
		check(t, err)
		if bytes.Contains(data, []byte(secret)) || bytes.Contains(data, []byte(base64.StdEncoding.EncodeToString([]byte(secret)))) {
			t.Errorf("the secret lies in %s", f)
		}
	}
	// A row that was put in another client's place does not open there.
	check(t, s.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`INSERT INTO clients (id, body, added) SELECT 'd', replace(body, '"ID":"c"', '"ID":"d"'), 0 FROM clients WHERE id = 'c'`)
		return err
	}))
	if _, err := s.Client(ctx, "d"); err == nil || errors.Is(err, broker.ErrNotFound) {
		t.Errorf("moved to another client: %v", err)
	}
	// Without a box it is not read as a client that has none.
	other := open(t, dir, nil)
	if _, err := other.Client(ctx, "c"); err == nil || errors.Is(err, broker.ErrNotFound) {
		t.Errorf("read without a box: %v", err)
	}
	if _, err := other.Clients(ctx); err == nil {
		t.Error("listed without a box")
	}
	if _, err := other.Client(ctx, "plain"); err != nil {
		t.Error(err)
	}
	// A release that knows nothing of signing reads clients that do not sign.
	var body string
	check(t, s.db.Row(ctx, `SELECT body FROM clients WHERE id = 'plain'`).Scan(&body))
	for _, field := range []string{"CallbackOrigins", "LoopbackCallbacks", "WebhookSealed", "AskingBody"} {
		if strings.Contains(body, field) {
			t.Errorf("%s stands in a row that has no use for it", field)
		}
	}
}

func TestShort(t *testing.T) {
	box := openBox(t, open(t, t.TempDir(), nil))
	sqldbtest.Fresh(t, "short", []sqldb.Set{ShortTables()}, func(t *testing.T, fresh func(testing.TB) sqldb.Place) {
		t.Run("plain", func(t *testing.T) {
			storetest.Short(t, func(t *testing.T, c *storetest.Clock) broker.Short { return openShortAt(t, fresh(t), c.Now) })
		})
		t.Run("sealed", func(t *testing.T) {
			storetest.Short(t, func(t *testing.T, c *storetest.Clock) broker.Short {
				return Sealed(openShortAt(t, fresh(t), c.Now), box)
			})
		})
		t.Run("two over one", func(t *testing.T) {
			storetest.Short(t, func(t *testing.T, c *storetest.Clock) broker.Short {
				p := fresh(t)
				a, b := openShortAt(t, p, c.Now), openShortAt(t, p, c.Now)
				tell(t, a.db, b.db)
				return &inTurn{stores: []broker.Short{a, b}}
			})
		})
	})
}

// tell says how long a test took and what became of its transactions.
func tell(t *testing.T, list ...*sqldb.DB) {
	began := time.Now()
	t.Cleanup(func() {
		var all sqldb.Stats
		for _, db := range list {
			s := db.Stats()
			all.Writes, all.Failures, all.Again = all.Writes+s.Writes, all.Failures+s.Failures, all.Again+s.Again
		}
		t.Logf("%v: %d writes, %d run again, %d failures", time.Since(began).Round(time.Millisecond), all.Writes, all.Again, all.Failures)
	})
}

// inTurn uses several stores over the same file, as several processes do.
type inTurn struct {
	mu     sync.Mutex
	n      int
	stores []broker.Short
}

func (s *inTurn) next() broker.Short {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	return s.stores[s.n%len(s.stores)]
}

func (s *inTurn) Put(ctx context.Context, kind, key string, value []byte, expires time.Time) error {
	return s.next().Put(ctx, kind, key, value, expires)
}

func (s *inTurn) Get(ctx context.Context, kind, key string) ([]byte, int64, error) {
	return s.next().Get(ctx, kind, key)
}

func (s *inTurn) Take(ctx context.Context, kind, key string) ([]byte, error) {
	return s.next().Take(ctx, kind, key)
}

func (s *inTurn) Swap(ctx context.Context, kind, key string, version int64, value []byte, expires time.Time) error {
	return s.next().Swap(ctx, kind, key, version, value, expires)
}

// ordersInTurn does the same with the durable store.
type ordersInTurn struct {
	*Store // what races less
	mu     sync.Mutex
	n      int
	stores []*Store
}

func (s *ordersInTurn) next() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	return s.stores[s.n%len(s.stores)]
}

func (s *ordersInTurn) CreateOrder(ctx context.Context, o broker.Order, events ...audit.Event) error {
	return s.next().CreateOrder(ctx, o, events...)
}

func (s *ordersInTurn) Order(ctx context.Context, id broker.OrderID) (broker.Order, error) {
	return s.next().Order(ctx, id)
}

func (s *ordersInTurn) UpdateOrder(ctx context.Context, o broker.Order, events ...audit.Event) error {
	return s.next().UpdateOrder(ctx, o, events...)
}

func (s *ordersInTurn) TakeOrder(ctx context.Context, o broker.Order, events ...audit.Event) error {
	return s.next().TakeOrder(ctx, o, events...)
}

func (s *ordersInTurn) ClaimOrders(ctx context.Context, node string, own bool, now, until time.Time, limit int) ([]broker.Order, error) {
	return s.next().ClaimOrders(ctx, node, own, now, until, limit)
}

func (s *ordersInTurn) EndedOrders(ctx context.Context, owner string, after broker.Ended, limit int) ([]broker.Ended, error) {
	return s.next().EndedOrders(ctx, owner, after, limit)
}

func (s *ordersInTurn) ConsumeOrder(ctx context.Context, id broker.OrderID, at time.Time) error {
	return s.next().ConsumeOrder(ctx, id, at)
}

func (s *ordersInTurn) Subject(ctx context.Context, person []byte, sector string) (string, error) {
	return s.next().Subject(ctx, person, sector)
}

func (s *ordersInTurn) FinishLogin(ctx context.Context, r broker.LoginRecord, events ...audit.Event) error {
	return s.next().FinishLogin(ctx, r, events...)
}

// Each transaction may be run several times.
func TestAgain(t *testing.T) {
	fresh, freshShort := sqldbtest.FreshAgain(t, "broker", Tables()), sqldbtest.FreshAgain(t, "short", []sqldb.Set{ShortTables()})
	again := func(t *testing.T, c *storetest.Clock) *Store {
		s := openAt(t, fresh(t), c.Now)
		tell(t, s.db)
		return s
	}
	t.Run("orders", func(t *testing.T) {
		storetest.Orders(t, func(t *testing.T, c *storetest.Clock) (storetest.OrderStore, storetest.Events) {
			s := again(t, c)
			return s, events(s)
		})
	})
	t.Run("records", func(t *testing.T) {
		storetest.Records(t, func(t *testing.T, c *storetest.Clock) (storetest.RecordStore, storetest.Events) {
			s := again(t, c)
			return s, events(s)
		})
	})
	t.Run("clients", func(t *testing.T) {
		storetest.Clients(t, func(t *testing.T, c *storetest.Clock) (storetest.ClientStore, storetest.Events) {
			s := again(t, c)
			s.SealClients(openBox(t, open(t, t.TempDir(), nil)))
			return s, events(s)
		})
	})
	t.Run("short", func(t *testing.T) {
		storetest.Short(t, func(t *testing.T, c *storetest.Clock) broker.Short {
			return openShortAt(t, freshShort(t), c.Now)
		})
	})
}

func TestTwoOverOne(t *testing.T) {
	fresh(t, func(t *testing.T, fresh func(testing.TB) sqldb.Place) {
		two := func(t *testing.T, c *storetest.Clock) *ordersInTurn {
			p := fresh(t)
			a, b := openAt(t, p, c.Now), openAt(t, p, c.Now)
			tell(t, a.db, b.db)
			return &ordersInTurn{Store: a, stores: []*Store{a, b}}
		}
		t.Run("orders", func(t *testing.T) {
			storetest.Orders(t, func(t *testing.T, c *storetest.Clock) (storetest.OrderStore, storetest.Events) {
				s := two(t, c)
				return s, events(s.Store)
			})
		})
		t.Run("records", func(t *testing.T) {
			storetest.Records(t, func(t *testing.T, c *storetest.Clock) (storetest.RecordStore, storetest.Events) {
				s := two(t, c)
				return s, events(s.Store)
			})
		})
	})
}

// Several processes that start at once on an empty place all come up.
func TestOpenAtOnce(t *testing.T) {
	sqldbtest.Engines(t, func(t *testing.T, p sqldb.Place) {
		var group sync.WaitGroup
		for range 6 {
			group.Go(func() {
				s, err := Open(ctx, Config{Place: p})
				if err != nil {
					t.Error(err)
					return
				}
				if err := s.Record(ctx, audit.Event{Type: audit.KeyCreated, At: time.Now()}); err != nil {
					t.Error(err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if got := len(events(openAt(t, p, nil))(t)); got != 6 {
			t.Errorf("%d events", got)
		}
	})
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	check(t, s.Record(ctx, audit.Event{Type: audit.KeyCreated, At: time.Now()}))
	check(t, openShort(t, dir, nil).Put(ctx, "k", "a", nil, time.Now().Add(time.Minute)))
	files, err := os.ReadDir(dir)
	check(t, err)
	if len(files) < 4 {
		t.Errorf("only %d files", len(files))
	}
	for _, f := range files {
		info, err := f.Info()
		check(t, err)
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %s", f.Name(), info.Mode())
		}
	}
}

func TestNoFolder(t *testing.T) {
	if _, err := Open(ctx, Config{}); err == nil {
		t.Error("opened in no folder")
	}
	if _, err := Open(ctx, Config{Place: sqldb.Place{Dir: filepath.Join(t.TempDir(), "missing")}}); err == nil {
		t.Error("opened in a folder that is not there")
	}
	if _, err := OpenShort(ctx, Config{}); err == nil {
		t.Error("opened in no folder")
	}
}

// What was sealed cannot be found on the disk: neither the key, nor the value,
// in the file or in its log.
func TestSealedOnDisk(t *testing.T) {
	const key, value = "a-code-that-is-a-secret", "who has logged in"
	found := func(dir string) bool {
		t.Helper()
		found := false
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		check(t, err)
		for _, f := range files {
			data, err := os.ReadFile(f)
			check(t, err)
			found = found || bytes.Contains(data, []byte(key)) || bytes.Contains(data, []byte(value))
		}
		return found
	}
	dir := t.TempDir()
	plain := openShort(t, dir, nil)
	short := Sealed(plain, openBox(t, open(t, t.TempDir(), nil)))
	later := time.Now().Add(time.Minute)
	check(t, short.Put(ctx, "code", key, []byte(value), later))
	check(t, short.Swap(ctx, "code", key+"2", 0, []byte(value), later))
	if found(dir) {
		t.Error("a secret lies on the disk")
	}
	check(t, plain.Put(ctx, "code", key, nil, later))
	if !found(dir) {
		t.Error("the search does not find what is there")
	}
}

// A sealed value opens only where it was put: an exchange of rows shows.
func TestSealedStaysInPlace(t *testing.T) {
	plain := openShort(t, t.TempDir(), nil)
	short := Sealed(plain, openBox(t, open(t, t.TempDir(), nil)))
	later := time.Now().Add(time.Minute)
	check(t, short.Put(ctx, "session", "mine", []byte("me"), later))
	mine, _ := hidden("session", "mine")
	stolen, _, err := plain.Get(ctx, "session", mine)
	check(t, err)
	for _, c := range []struct{ kind, key string }{{"session", "theirs"}, {"code", "mine"}} {
		name, _ := hidden(c.kind, c.key)
		check(t, plain.Put(ctx, c.kind, name, stolen, later))
		if v, _, err := short.Get(ctx, c.kind, c.key); err == nil || errors.Is(err, broker.ErrNotFound) {
			t.Errorf("%s %s: got %q, %v", c.kind, c.key, v, err)
		}
		if v, err := short.Take(ctx, c.kind, c.key); err == nil || errors.Is(err, broker.ErrNotFound) {
			t.Errorf("%s %s: took %q, %v", c.kind, c.key, v, err)
		}
	}
}

func TestCleanShort(t *testing.T) {
	c := storetest.NewClock()
	s := openShort(t, t.TempDir(), c.Now)
	for i := range 3*sweepBatch + 1 {
		check(t, s.Put(ctx, "k", fmt.Sprint(i), nil, c.Now().Add(time.Minute)))
	}
	check(t, s.Put(ctx, "k", "later", nil, c.Now().Add(time.Hour)))
	count := func() (n int) {
		check(t, s.db.Row(ctx, `SELECT count(*) FROM short`).Scan(&n))
		return n
	}
	check(t, s.Clean(ctx))
	if n := count(); n != 3*sweepBatch+2 {
		t.Errorf("%d records before they expire", n)
	}
	c.Advance(time.Minute)
	check(t, s.Clean(ctx))
	if n := count(); n != 1 {
		t.Errorf("%d records left", n)
	}
}

func TestClean(t *testing.T) {
	c := storetest.NewClock()
	s := open(t, t.TempDir(), c.Now)
	begun := c.Now()
	add := func(id string, kind providers.Kind, phase broker.Phase, consumed bool) {
		owner := broker.LoginOwner
		if kind == providers.KindSign {
			owner = "signing"
		}
		o := broker.Order{ID: broker.OrderID(id), Owner: owner, Kind: kind, Phase: phase, Created: begun, Changed: begun}
		if consumed {
			o.Consumed = begun
		}
		check(t, s.CreateOrder(ctx, o))
	}
	add("consumed login", providers.KindAuth, broker.Done, true)
	add("consumed signature", providers.KindSign, broker.Done, true)
	add("failed login", providers.KindAuth, broker.Failed, false)
	add("failed signature", providers.KindSign, broker.Failed, false)
	add("failed signature that is known", providers.KindSign, broker.Failed, true)
	add("login that nobody came back for", providers.KindAuth, broker.Done, false)
	add("pending login", providers.KindAuth, broker.Pending, false)
	add("signature not taken over", providers.KindSign, broker.Done, false)
	add("pending signature", providers.KindSign, broker.Pending, false)
	for i := range 2*sweepBatch + 1 {
		add(fmt.Sprint(i), providers.KindAuth, broker.Failed, false)
	}
	for _, l := range []struct {
		login string
		life  time.Duration
	}{{"short", time.Hour}, {"long", 90 * 24 * time.Hour}} {
		check(t, s.FinishLogin(ctx, broker.LoginRecord{Login: l.login, At: begun, Expires: begun.Add(l.life)}))
	}
	left := func(query string) string {
		t.Helper()
		rows, err := s.db.Rows(ctx, query)
		check(t, err)
		defer rows.Close()
		var list []string
		for rows.Next() {
			var id string
			check(t, rows.Scan(&id))
			list = append(list, id)
		}
		return strings.Join(list, ", ")
	}
	const orders, logins = `SELECT id FROM orders WHERE length(id) > 3 ORDER BY id`, `SELECT login FROM logins ORDER BY login`

	check(t, s.RenewLeases(ctx, "gone", "", begun))
	check(t, s.RenewLeases(ctx, "there", "", begun.Add(time.Minute)))

	before := left(orders)
	c.Advance(keepOrders - time.Millisecond)
	check(t, s.Clean(ctx))
	if got := left(orders); got != before {
		t.Errorf("left of the orders before a day: %s", got)
	}
	if got := left(logins); got != "long" {
		t.Errorf("left of the logins: %s", got)
	}
	c.Advance(time.Millisecond)
	check(t, s.Clean(ctx))
	if got := left(`SELECT id FROM orders ORDER BY id`); got != "failed signature, pending signature, signature not taken over" {
		t.Errorf("left of the orders after a day: %s", got)
	}
	if got := left(`SELECT node FROM nodes`); got != "there" {
		t.Errorf("left of the nodes: %s", got)
	}
	c.Advance(89 * 24 * time.Hour)
	if _, err := s.LoginRecord(ctx, "long"); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("an expired record that is not yet removed: %v", err)
	}
	check(t, s.Clean(ctx))
	if got := left(logins); got != "" {
		t.Errorf("left of the logins: %s", got)
	}
}

// What is over by a clock that is ahead alone is not removed.
func TestCleanByTheTimeThatHasCome(t *testing.T) {
	c := storetest.NewClock()
	s := open(t, t.TempDir(), c.Now)
	check(t, s.FinishLogin(ctx, broker.LoginRecord{Login: "l", At: c.Now(), Expires: c.Now().Add(time.Hour)}))
	past := c.Now()
	s.Past = func() time.Time { return past }
	c.Advance(2 * time.Hour)
	for _, want := range []int{1, 0} {
		check(t, s.Clean(ctx))
		var n int
		check(t, s.db.Row(ctx, `SELECT count(*) FROM logins`).Scan(&n))
		if n != want {
			t.Errorf("%d are left, want %d", n, want)
		}
		past = c.Now()
	}
}

// What is looked for all the time must not be read for through the orders: there
// are indices that hold those alone, in their order.
func TestPlans(t *testing.T) {
	sqldbtest.Engines(t, func(t *testing.T, p sqldb.Place) {
		s := openAt(t, p, nil)
		short := openShortAt(t, p, nil)
		if p.Engine() == sqldb.PostgreSQL { // which reads small tables whole
			for _, fill := range []string{
				`INSERT INTO orders (id, owner, ref, client, provider, instance, mode, kind, locked, phase, reason, picked_up, restarts, created, changed, consumed, node, lease_until, version)
					SELECT 'o' || n, CASE WHEN n % 2 = 0 THEN 'login' ELSE 'signing' END, '', 'c', 'p', 'i', '', '', FALSE, CASE WHEN n % 20 = 0 THEN 'pending' ELSE 'done' END, '', FALSE, 0,
						n, n, CASE WHEN n % 50 <> 0 THEN n END, 'node' || n % 3, n, 0 FROM generate_series(1, 20000) AS n`,
				`INSERT INTO nodes (node, until) SELECT 'node' || n, 1 FROM generate_series(0, 2) AS n`,
				`INSERT INTO logins (login, order_id, client, provider, at, expires) SELECT 'l' || n, 'o' || n, 'c', 'p', n, n FROM generate_series(1, 20000) AS n`,
				`INSERT INTO spent (kind, digest, expires) SELECT 'code', decode(md5(n::text), 'hex'), n FROM generate_series(1, 20000) AS n`,
				`ANALYZE orders, nodes, logins, spent`,
			} {
				sqldbtest.Exec(t, s.db, fill)
			}
			sqldbtest.Exec(t, short.db, `INSERT INTO short (kind, key, version, expires, value) SELECT 'k', 'k' || n, 1, n, 'v' FROM generate_series(1, 20000) AS n`)
			sqldbtest.Exec(t, short.db, `ANALYZE short`)
		}
		for name, c := range map[string]struct {
			db               *sqldb.DB
			query            string
			sqlite, postgres []string
		}{
			"ended":      {s.db, endedOrders, []string{"SEARCH orders USING INDEX orders_ended"}, []string{"using orders_ended"}},
			"silent":     {s.db, silentNodes, []string{"orders_held"}, []string{"Index Only Scan using orders_held"}},
			"held":       {s.db, `SELECT id FROM orders WHERE phase = 'pending' AND node = $1`, []string{"orders_held"}, []string{"orders_held"}},
			"to claim":   {s.db, strings.NewReplacer("$4", "$1", "$5", "$2", "$6", "$3", "$7", "$2").Replace(claimable), []string{"orders_held"}, []string{"Index Scan using orders_"}},
			"pending":    {s.db, `SELECT count(*) FROM orders WHERE phase = 'pending'`, []string{"orders_"}, []string{"orders_"}},
			"order":      {s.db, `SELECT ` + orderColumns + ` FROM orders WHERE id = $1`, []string{"SEARCH orders"}, []string{"orders_pkey"}},
			"spent":      {s.db, `SELECT count(*) FROM spent WHERE kind = $1 AND digest = $2`, []string{"SEARCH spent"}, []string{"spent_pkey"}},
			"short":      {short.db, `SELECT value, version FROM short WHERE kind = $1 AND key = $2 AND expires > $3`, []string{"SEARCH short"}, []string{"short_pkey"}},
			"old short":  {short.db, `SELECT kind, key FROM short WHERE expires <= $1 ORDER BY expires LIMIT $2`, []string{"short_expires"}, []string{"short_expires"}},
			"old logins": {s.db, `SELECT login FROM logins WHERE expires <= $1 ORDER BY expires LIMIT $2`, []string{"logins_expires"}, []string{"logins_expires"}},
		} {
			plan := sqldbtest.Plan(t, c.db, c.query)
			for _, want := range map[sqldb.Engine][]string{sqldb.SQLite: c.sqlite, sqldb.PostgreSQL: c.postgres}[p.Engine()] {
				if !strings.Contains(plan, want) {
					t.Errorf("%s: no %q in\n%s", name, want, plan)
				}
			}
			for _, bad := range []string{"TEMP B-TREE", "SCAN orders\n", "Seq Scan", "Sort"} {
				if strings.Contains(plan+"\n", bad) {
					t.Errorf("%s sorts or reads everything:\n%s", name, plan)
				}
			}
		}
	})
}

func TestRunEnds(t *testing.T) {
	s, short := open(t, t.TempDir(), nil), openShort(t, t.TempDir(), nil)
	over, end := context.WithCancel(ctx)
	end()
	check(t, s.Run(over))
	check(t, short.Run(over))
}

// A client's row that this release does not wholly understand is not used.
func TestStrictClient(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	for name, body := range map[string]string{
		"unknown field": `{"ID":"c","MayOnlyBeUsedOnMondays":true}`,
		"another id":    `{"ID":"d"}`,
		"more":          `{"ID":"c"}{}`,
		"cut short":     `{"ID":"c"`,
		"nothing":       ``,
	} {
		check(t, s.db.Write(ctx, func(tx *sqldb.Tx) error {
			_, err := tx.Exec(`INSERT INTO clients (id, body, added) VALUES ('c', $1, 0) ON CONFLICT (id) DO UPDATE SET body = excluded.body`, body)
			return err
		}))
		if _, err := s.Client(ctx, "c"); err == nil || errors.Is(err, broker.ErrNotFound) {
			t.Errorf("%s: one is found: %v", name, err)
		}
		if _, err := s.Clients(ctx); err == nil {
			t.Errorf("%s: listed", name)
		}
	}
}

// What is remembered has bounds, and forgetting changes nothing.
func TestRememberedSubjects(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	first, err := s.Subject(ctx, []byte("first"), "sector")
	check(t, err)
	s.mu.Lock()
	for i := range maxCached {
		s.subjects[subjectKey{fmt.Sprint(i), "x"}] = "y"
	}
	delete(s.subjects, subjectKey{"first", "sector"})
	s.mu.Unlock()
	again, err := s.Subject(ctx, []byte("first"), "sector")
	check(t, err)
	if again != first {
		t.Errorf("%s became %s", first, again)
	}
	if n := len(s.subjects); n > maxCached {
		t.Errorf("%d are remembered", n)
	}
}

func TestKillDurable(t *testing.T) {
	storetest.Kill(t, func(p sqldb.Place, acked func(string)) error {
		s, err := Open(ctx, Config{Place: p})
		if err != nil {
			return err
		}
		return hammer(func(id string) error {
			now := time.Now()
			o := broker.Order{ID: broker.OrderID(id), Phase: broker.Pending, Created: now, Changed: now, Sealed: []byte(id)}
			if err := s.CreateOrder(ctx, o, audit.Event{Type: audit.OrderStarted, At: now, Order: id}); err != nil {
				return err
			}
			acked("created " + id)
			o.Phase = broker.Done
			if err := s.UpdateOrder(ctx, o, audit.Event{Type: audit.OrderCompleted, At: now, Order: id}); err != nil {
				return err
			}
			acked("done " + id)
			if err := s.FinishLogin(ctx, broker.LoginRecord{Login: id, Order: o.ID, At: now, Expires: now.Add(time.Hour)},
				audit.Event{Type: audit.LoginCompleted, At: now, Order: id}); err != nil {
				return err
			}
			acked("finished " + id)
			return nil
		})
	}, func(t *testing.T, p sqldb.Place, acked []string) {
		s, err := Open(ctx, Config{Place: p})
		check(t, err)
		defer s.Close()
		count := map[string]int{}
		for _, e := range events(s)(t) {
			count[e.Order]++
		}
		for _, line := range acked {
			what, id, _ := strings.Cut(line, " ")
			o, err := s.Order(ctx, broker.OrderID(id))
			check(t, err)
			if string(o.Sealed) != id {
				t.Fatalf("%s holds %q", id, o.Sealed)
			}
			if what != "created" && o.Phase != broker.Done {
				t.Fatalf("%s, and is %s", line, o.Phase)
			}
			if what == "finished" {
				_, err := s.LoginRecord(ctx, id)
				check(t, err)
				if o.Consumed.IsZero() {
					t.Fatalf("%s, and is not consumed", line)
				}
			}
		}
		// Each act has its event and each event its act, also where nobody heard.
		rows, err := s.db.Rows(ctx, `SELECT id, version FROM orders`)
		check(t, err)
		defer rows.Close()
		for rows.Next() {
			var id string
			var version int
			check(t, rows.Scan(&id, &version))
			if count[id] != version+1 {
				t.Fatalf("order %s is at version %d with %d events", id, version, count[id])
			}
			delete(count, id)
		}
		if len(count) > 0 {
			t.Fatalf("events without acts: %v", count)
		}
	})
}

func TestKillShort(t *testing.T) {
	storetest.Kill(t, func(p sqldb.Place, acked func(string)) error {
		s, err := OpenShort(ctx, Config{Place: p})
		if err != nil {
			return err
		}
		return hammer(func(id string) error {
			if err := s.Put(ctx, "k", id, []byte(id), time.Now().Add(time.Hour)); err != nil {
				return err
			}
			acked("put " + id)
			if strings.HasSuffix(id, "7") {
				if _, err := s.Take(ctx, "k", id); err != nil {
					return err
				}
				acked("took " + id)
			}
			return nil
		})
	}, func(t *testing.T, p sqldb.Place, acked []string) {
		s, err := OpenShort(ctx, Config{Place: p})
		check(t, err)
		defer s.Close()
		taken := map[string]bool{}
		for _, line := range acked {
			if id, ok := strings.CutPrefix(line, "took "); ok {
				taken[id] = true
			}
		}
		for _, line := range acked {
			_, id, _ := strings.Cut(line, " ")
			v, _, err := s.Get(ctx, "k", id)
			switch {
			case taken[id] && !errors.Is(err, broker.ErrNotFound):
				t.Fatalf("%s was taken and is there again: %v", id, err)
			case !taken[id] && !strings.HasSuffix(id, "7") && (err != nil || string(v) != id):
				t.Fatalf("%s: %q, %v", id, v, err)
			}
		}
	})
}

// hammer calls act from several goroutines, with ever new ids, until one fails.
func hammer(act func(id string) error) error {
	run := broker.NewID()
	failed := make(chan error)
	for g := range 4 {
		go func() {
			for i := 0; ; i++ {
				if err := act(fmt.Sprint(run, "-", g, "-", i)); err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}
