package store

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
	"sigill/signing"
	"sigill/signing/orders"
	"sigill/signing/store/storetest"
)

var _ orders.Store = (*Store)(nil)

var ctx = context.Background()

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, p sqldb.Place) *Store {
	t.Helper()
	return New(sqldbtest.Open(t, p, "signing", Tables()...))
}

// tables that acts upon orders write to.
var tables = []string{"orders", "bodies", "parts", "persons", "invitations", "requests", "attempts", "outbox", "audit_waiting"}

func subject(t *testing.T, s *Store, store storetest.Store) storetest.Subject {
	sub := storetest.Subject{
		Store: store,
		Events: func(t *testing.T) []audit.Event {
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
		},
		Outbox: func(t *testing.T) []outbox.Item {
			q, err := outbox.New(outbox.Config{DB: s.db})
			check(t, err)
			list, err := q.List(ctx, outbox.Filter{Limit: 1 << 30})
			check(t, err)
			return list
		},
		Dump: func(t *testing.T) map[string]int { return sqldbtest.Dump(t, s.db, tables...) },
	}
	for _, table := range tables {
		for _, op := range []string{"INSERT", "UPDATE", "DELETE"} {
			sub.Faults = append(sub.Faults, storetest.Fault{
				Name:  op + " " + table,
				Break: func(t *testing.T) { sqldbtest.Break(t, s.db, op, table) },
				Mend:  func(t *testing.T) { sqldbtest.Mend(t, s.db) },
			})
		}
	}
	return sub
}

func TestOrders(t *testing.T) {
	sqldbtest.Fresh(t, "signing", Tables(), func(t *testing.T, fresh func(testing.TB) sqldb.Place) {
		storetest.Orders(t, func(t *testing.T) storetest.Subject {
			s := open(t, fresh(t))
			return subject(t, s, s)
		})
	})
}

// Each transaction may be run several times.
func TestAgain(t *testing.T) {
	fresh := sqldbtest.FreshAgain(t, "signing", Tables())
	storetest.Acts(t, func(t *testing.T) storetest.Subject {
		s := open(t, fresh(t))
		return subject(t, s, s)
	})
}

// Several processes over one database.
func TestTwoOverOne(t *testing.T) {
	sqldbtest.Fresh(t, "signing", Tables(), func(t *testing.T, fresh func(testing.TB) sqldb.Place) {
		storetest.Together(t, func(t *testing.T) storetest.Subject {
			p := fresh(t)
			a, b := open(t, p), open(t, p)
			began := time.Now()
			t.Cleanup(func() { t.Log(time.Since(began).Round(time.Millisecond), a.db.Stats(), b.db.Stats()) })
			return subject(t, a, &inTurn{stores: []*Store{a, b}})
		})
	})
}

// inTurn uses several stores over the same file, as several processes do.
type inTurn struct {
	mu     sync.Mutex
	n      int
	stores []*Store
}

func (s *inTurn) next() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	return s.stores[s.n%len(s.stores)]
}

func (s *inTurn) Create(ctx context.Context, c orders.Change, r orders.Request) (string, error) {
	return s.next().Create(ctx, c, r)
}

func (s *inTurn) Requested(ctx context.Context, r orders.Request) (string, error) {
	return s.next().Requested(ctx, r)
}

func (s *inTurn) Order(ctx context.Context, client, id string) (orders.Row, error) {
	return s.next().Order(ctx, client, id)
}

func (s *inTurn) Part(ctx context.Context, id, name string) ([]byte, error) {
	return s.next().Part(ctx, id, name)
}

func (s *inTurn) Update(ctx context.Context, c orders.Change) error { return s.next().Update(ctx, c) }

func (s *inTurn) Delete(ctx context.Context, client, id string, events ...audit.Event) error {
	return s.next().Delete(ctx, client, id, events...)
}

func (s *inTurn) Invitation(ctx context.Context, client string, hash []byte) (string, int, error) {
	return s.next().Invitation(ctx, client, hash)
}

func (s *inTurn) Attempt(ctx context.Context, eidOrder string) (string, orders.Attempt, error) {
	return s.next().Attempt(ctx, eidOrder)
}

func (s *inTurn) Underway(ctx context.Context, id string, before time.Time) (bool, error) {
	return s.next().Underway(ctx, id, before)
}

func (s *inTurn) Awaiting(ctx context.Context, client string, person []byte, after orders.Mark, limit int) ([]orders.Row, error) {
	return s.next().Awaiting(ctx, client, person, after, limit)
}

func (s *inTurn) Due(ctx context.Context, now time.Time, after orders.Mark, limit int) ([]orders.Row, error) {
	return s.next().Due(ctx, now, after, limit)
}

func (s *inTurn) Ended(ctx context.Context, before time.Time, after orders.Mark, limit int) ([]orders.Row, error) {
	return s.next().Ended(ctx, before, after, limit)
}

func (s *inTurn) Record(ctx context.Context, events ...audit.Event) error {
	return s.next().Record(ctx, events...)
}

func (s *inTurn) Purge(ctx context.Context, now time.Time) error { return s.next().Purge(ctx, now) }

// Nothing that lives in the files holds what was erased. Nothing here is sealed,
// so that it could be found.
func TestErasedOnDisk(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "signing.db")
	s := open(t, sqldb.Place{Dir: dir})
	now := time.Now()
	secrets := []string{"planted head", "planted key", "planted body", "planted part", "planted person", "planted hash",
		"planted request", "planted attempt", "planted payload", "planted withdrawn"}
	entry := func(id, payload string) outbox.Entry {
		return outbox.Entry{ID: id, Kind: id, Ref: "a", Payload: []byte(payload), Created: now}
	}
	row := orders.Row{ID: "a", Client: "demo", State: signing.Open, Created: now,
		Head: []byte(secrets[0]), Key: []byte(secrets[1]), Body: bytes.Repeat([]byte(secrets[2]), 10_000)}
	_, err := s.Create(ctx, orders.Change{
		Row: row, Persons: map[int][]byte{1: []byte(secrets[4])},
		Parts:       []orders.Part{{Name: "file/1", Sealed: bytes.Repeat([]byte(secrets[3]), 10_000)}},
		Invitations: []orders.Invitation{{Hash: []byte(secrets[5]), N: 1, Created: now}},
		Attempt:     &orders.Attempt{EIDOrder: secrets[7], N: 1, Made: now},
		Outbox:      []outbox.Entry{entry("x", secrets[8]), entry("y", secrets[9])},
	}, orders.Request{Client: "demo", Key: []byte("k"), Body: []byte(secrets[6]), Made: now})
	check(t, err)
	found := func() (out []string) {
		t.Helper()
		files, err := filepath.Glob(file + "*")
		check(t, err)
		for _, f := range files {
			data, err := os.ReadFile(f)
			check(t, err)
			for _, secret := range secrets {
				if bytes.Contains(data, []byte(secret)) && !slices.Contains(out, secret) {
					out = append(out, secret)
				}
			}
		}
		return out
	}
	vacuum := func() {
		t.Helper()
		db, err := sql.Open("sqlite", file)
		check(t, err)
		defer db.Close()
		_, err = db.Exec(`VACUUM; PRAGMA wal_checkpoint(TRUNCATE)`)
		check(t, err)
	}
	vacuum()
	if got := found(); len(got) != len(secrets) {
		t.Fatalf("the search finds only %q", got)
	}
	row.State, row.Key = signing.Cancelled, nil
	check(t, s.Update(ctx, orders.Change{Row: row, Parts: []orders.Part{{Name: "file/1"}}, Withdraw: []string{"y"}, Drop: []int{1}}))
	vacuum()
	if got := strings.Join(found(), ", "); got != "planted head, planted request, planted attempt, planted payload" {
		t.Errorf("when it is over there is still: %s", got)
	}
	check(t, s.Delete(ctx, "demo", "a")) // at once
	if got := found(); len(got) > 0 {
		t.Errorf("after its erasure there is still: %q", got)
	}
}

// Lists are read from an index, in its order, however many orders there are.
func TestPlans(t *testing.T) {
	sqldbtest.Engines(t, func(t *testing.T, p sqldb.Place) {
		s := open(t, p)
		if p.Engine() == sqldb.PostgreSQL { // which reads small tables whole
			for _, fill := range []string{
				`INSERT INTO orders (id, client, state, created, due, ended, version, sealkey, head)
					SELECT md5(n::text), 'c' || n % 7, CASE WHEN n % 20 = 0 THEN 'open' ELSE 'completed' END, n,
						CASE WHEN n % 20 = 0 THEN n END, CASE WHEN n % 20 <> 0 THEN n END, 1, NULL, 'head' FROM generate_series(1, 20000) AS n`,
				`INSERT INTO bodies (order_id, sealed) SELECT id, 'body' FROM orders WHERE state = 'open'`,
				`INSERT INTO persons (order_id, n, client, person, created) SELECT id, 1, client, decode(md5((created % 300)::text), 'hex'), created FROM orders`,
				`INSERT INTO requests (client, idem, body, order_id, made) SELECT client, decode(id, 'hex'), 'body', id, created FROM orders`,
				`INSERT INTO attempts (eid_order, order_id, n, outcome, made) SELECT id, id, 1, '', created FROM orders`,
				`ANALYZE orders, bodies, persons, requests, attempts`,
			} {
				sqldbtest.Exec(t, s.db, fill)
			}
		}
		for name, c := range map[string]struct {
			query            string
			sqlite, postgres []string
		}{
			"order": {orderQuery, []string{"SEARCH o USING INDEX", "SEARCH b USING INDEX"}, []string{"orders_pkey", "bodies_pkey"}},
			"awaiting": {awaitingQuery, []string{"SEARCH p USING COVERING INDEX persons_newest", "SEARCH o USING INDEX"},
				[]string{"Index Only Scan Backward using persons_newest", "orders_pkey"}},
			"due":         {dueQuery, []string{"SEARCH o USING INDEX orders_due"}, []string{"Index Scan using orders_due"}},
			"ended":       {endedQuery, []string{"SEARCH o USING INDEX orders_ended"}, []string{"Index Scan using orders_ended"}},
			"underway":    {underwayQuery, []string{"attempts_order"}, []string{"attempts_order"}},
			"old request": {`SELECT EXISTS (SELECT 1 FROM requests WHERE made <= $1)`, []string{"requests_made"}, []string{"requests_made"}},
			"open":        {openQuery, []string{"orders_open"}, []string{"orders_open"}},
		} {
			plan := sqldbtest.Plan(t, s.db, c.query)
			for _, want := range map[sqldb.Engine][]string{sqldb.SQLite: c.sqlite, sqldb.PostgreSQL: c.postgres}[p.Engine()] {
				if !strings.Contains(plan, want) {
					t.Errorf("%s: no %q in\n%s", name, want, plan)
				}
			}
			for _, bad := range []string{"TEMP B-TREE", "SCAN o", "SCAN p", "Seq Scan", "Sort"} {
				if strings.Contains(strings.ReplaceAll(plan, "SCAN orders USING INDEX orders_open", ""), bad) {
					t.Errorf("%s sorts or reads everything:\n%s", name, plan)
				}
			}
		}
	})
}
