package oidc

import (
	"context"
	"crypto"
	"crypto/rand"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/keys"
	"sigill/broker/kit/sqldb"
	"sigill/broker/store"
	"sigill/providers"
)

// BenchmarkDurableLogin is BenchmarkLogin over the real stores, without what
// the client and the e-ID do: the CPU of the process, also in ES256 signatures,
// and how often the stores are asked.
func BenchmarkDurableLogin(bm *testing.B) {
	for _, client := range []string{"any", "sweden"} {
		bm.Run(client, func(bm *testing.B) {
			ck := &clock{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
			at := store.Config{Place: sqldb.Place{Dir: bm.TempDir()}, Now: ck.Now}
			db, err := store.Open(bm.Context(), at)
			if err != nil {
				bm.Fatal(err)
			}
			defer db.Close()
			short, err := store.OpenShort(bm.Context(), at)
			if err != nil {
				bm.Fatal(err)
			}
			defer short.Close()
			box := benchBox(bm, db)
			ops := &counted{Short: store.Sealed(short, box), records: db}
			b := newBench(bm, func(c *Config) { c.Short, c.Records, c.Box, c.Now = ops, ops, box, ck.Now })
			b.clock = ck

			var spent time.Duration
			ours := func(f func()) {
				before := cpu()
				f()
				spent += cpu() - before
			}
			q := request(client, "scope", "openid "+scopePersonNumber)
			bm.ReportAllocs()
			for bm.Loop() {
				a := b.agent()
				var l broker.Login
				var c broker.Client
				ours(func() { // the request, the choice shown, the choice made
					id := loginID(a.ask(q))
					b.Pending(bm.Context(), id, a.cookies["sigill_browser"])
					l, c, err = a.reserve(id, providers.BankID)
				})
				if err != nil {
					bm.Fatal(err)
				}
				o, d := doneOrder(l, c, ett, ck.Now())
				d.Evidence.Bytes = make([]byte, 12_000)
				if err := db.CreateOrder(bm.Context(), o); err != nil {
					bm.Fatal(err)
				}
				var v url.Values
				ours(func() {
					l, _, _, err = b.Pending(bm.Context(), l.ID, a.cookies["sigill_browser"])
					var answer Answer
					if err == nil {
						answer, err = b.Finish(bm.Context(), l, o, d)
					}
					if err == nil {
						v = a.send(answer)
					}
				})
				if err != nil {
					bm.Fatal(err)
				}
				exchange := b.tokenRequest(client, tokenForm(v.Get("code")))
				ours(func() {
					got := b.json(exchange)
					r := newGet("/userinfo")
					r.Header.Set("Authorization", "Bearer "+got.text("access_token"))
					w := httptest.NewRecorder()
					b.mux.ServeHTTP(w, r)
					if w.Code != 200 {
						bm.Fatal(w.Code, got.body)
					}
				})
			}
			n := float64(bm.N)
			bm.ReportMetric(float64(spent.Microseconds())/n, "cpu-µs/op")
			bm.ReportMetric(float64(spent)/n/signatureCPU(bm), "signatures/op")
			bm.ReportMetric(float64(ops.durable.Load())/n, "durable-writes/op")
			bm.ReportMetric(float64(ops.writes.Load())/n, "short-writes/op")
			bm.ReportMetric(float64(ops.reads.Load())/n, "short-reads/op")
		})
	}
}

type records = Records

// counted counts what the stores are asked for.
type counted struct {
	broker.Short
	records
	durable, writes, reads atomic.Int64
}

func (c *counted) Put(ctx context.Context, kind, key string, value []byte, expires time.Time) error {
	c.writes.Add(1)
	return c.Short.Put(ctx, kind, key, value, expires)
}

func (c *counted) Swap(ctx context.Context, kind, key string, version int64, value []byte, expires time.Time) error {
	c.writes.Add(1)
	return c.Short.Swap(ctx, kind, key, version, value, expires)
}

func (c *counted) Take(ctx context.Context, kind, key string) ([]byte, error) {
	c.writes.Add(1)
	return c.Short.Take(ctx, kind, key)
}

func (c *counted) Get(ctx context.Context, kind, key string) ([]byte, int64, error) {
	c.reads.Add(1)
	return c.Short.Get(ctx, kind, key)
}

func (c *counted) FinishLogin(ctx context.Context, r broker.LoginRecord, events ...audit.Event) error {
	c.durable.Add(1)
	return c.records.FinishLogin(ctx, r, events...)
}

func (c *counted) Record(ctx context.Context, events ...audit.Event) error {
	c.durable.Add(1)
	return c.records.Record(ctx, events...)
}

func (c *counted) Spend(ctx context.Context, marks []broker.Mark, events ...audit.Event) error {
	c.durable.Add(1)
	return c.records.Spend(ctx, marks, events...)
}

func benchBox(bm *testing.B, db *store.Store) Box {
	file := filepath.Join(bm.TempDir(), "master")
	err := keys.NewMaster(file)
	var masters []keys.Master
	if err == nil {
		masters, err = keys.LoadMasters(file)
	}
	var ring *keys.Ring
	if err == nil {
		ring, err = keys.Open(bm.Context(), db.DB(), masters, nil)
	}
	var box *keys.Box
	if err == nil {
		box, err = ring.Box("short")
	}
	if err != nil {
		bm.Fatal(err)
	}
	return box
}

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// signatureCPU is the CPU time of one ES256 signature in nanoseconds.
func signatureCPU(bm *testing.B) float64 {
	const times = 2000
	var sum [32]byte
	before := cpu()
	for range times {
		if _, err := ecKey1().Sign(rand.Reader, sum[:], crypto.SHA256); err != nil {
			bm.Fatal(err)
		}
	}
	return float64(cpu()-before) / times
}
