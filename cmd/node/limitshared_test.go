package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sigill/broker"
	"sigill/broker/kit/config"
	"sigill/broker/kit/sqldb"
	"sigill/broker/store"
	"sigill/broker/store/redistest"
)

// tallied is a store whose calls are counted, and that can be made to fail.
type tallied struct {
	broker.Short
	reads, writes atomic.Int64
	fails         func(ctx context.Context) error
}

func (s *tallied) Get(ctx context.Context, kind, key string) ([]byte, int64, error) {
	s.reads.Add(1)
	if s.fails != nil {
		if err := s.fails(ctx); err != nil {
			return nil, 0, err
		}
	}
	return s.Short.Get(context.WithoutCancel(ctx), kind, key) // a slow machine is no store that is away
}

func (s *tallied) Swap(ctx context.Context, kind, key string, version int64, value []byte, expires time.Time) error {
	err := s.Short.Swap(context.WithoutCancel(ctx), kind, key, version, value, expires)
	if err == nil {
		s.writes.Add(1)
	}
	return err
}

// ticking is a clock for several nodes.
type ticking struct{ at atomic.Int64 }

func (c *ticking) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *ticking) advance(d time.Duration) { c.at.Add(int64(d)) }

func startTicking() *ticking {
	c := &ticking{}
	c.at.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	return c
}

// nodes gives limiters of several nodes that share a store.
func nodes(t *testing.T, n int, r config.Rate, c *ticking, log *slog.Logger) ([]*limiter, *tallied) {
	t.Helper()
	short, err := store.OpenShort(t.Context(), store.Config{Place: sqldb.Place{Dir: t.TempDir()}, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { short.Close() })
	s := &tallied{Short: short}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var list []*limiter
	for range n {
		list = append(list, newLimiter(r, c.now).share("logins", s, log))
	}
	return list, s
}

func served(list []*limiter, address string, times int) (n int) {
	for i := range times {
		if _, ok := list[i%len(list)].admit(context.Background(), address); ok {
			n++
		}
	}
	return n
}

func TestNodesShareALimit(t *testing.T) {
	c := startTicking()
	list, s := nodes(t, 3, config.Rate{Requests: 10, Within: time.Minute}, c, nil)
	if got := served(list, "192.0.2.1", 30); got != 10 {
		t.Errorf("three nodes served %d of 30 at once, want 10", got)
	}
	if got := s.writes.Load(); got != 10 {
		t.Errorf("%d writes for 10 requests", got)
	}
	for i, l := range list {
		if wait, ok := l.admit(t.Context(), "192.0.2.1"); ok || wait != 6*time.Second {
			t.Errorf("node %d lets wait %v, want 6s", i, wait)
		}
	}
	// Who is over the limit costs the store nothing more.
	reads := s.reads.Load()
	served(list, "192.0.2.1", 300)
	if got := s.reads.Load() - reads; got != 0 {
		t.Errorf("%d reads for requests that were refused before", got)
	}
	if got := served(list, "192.0.2.2", 3); got != 3 {
		t.Errorf("another address pays for the first: %d of 3", got)
	}
	c.advance(12 * time.Second)
	if got := served(list, "192.0.2.1", 9); got != 2 {
		t.Errorf("after 12 s %d were served, want 2", got)
	}
	if got := served(list, "2001:db8::1", 8) + served(list, "2001:db8::2", 8); got != 10 {
		t.Errorf("one IPv6 network was served %d times, want 10", got)
	}
	c.advance(time.Hour)
	served(list[:1], "192.0.2.9", 1)
	if len(list[0].empty) != 1 || len(list[0].stocks) != 0 {
		t.Errorf("%d addresses are remembered, want 1", len(list[0].empty))
	}
}

// Limits of different names are apart.
func TestLimitsAreNotMixed(t *testing.T) {
	c := startTicking()
	list, s := nodes(t, 1, config.Rate{Requests: 2, Within: time.Minute}, c, nil)
	other := newLimiter(config.Rate{Requests: 2, Within: time.Minute}, c.now).share("orders", s, slog.New(slog.DiscardHandler))
	if got := served(list, "192.0.2.1", 5) + served([]*limiter{other}, "192.0.2.1", 5); got != 4 {
		t.Errorf("two limits of 2 served %d", got)
	}
}

// A generous limit is asked for seldom, and kept all the same.
func TestPortions(t *testing.T) {
	c := startTicking()
	list, s := nodes(t, 3, config.Rate{Requests: 500, Within: time.Minute}, c, nil)
	const portion = 10
	if got := served(list, "192.0.2.1", 900); got > 500 || got < 500-3*portion {
		t.Errorf("%d served, want 500 or hardly fewer", got)
	}
	if got := s.writes.Load(); got > 500/portion+3*portion {
		t.Errorf("%d writes for 500 requests", got)
	}
	// What was reserved and not used is not kept for later.
	list, _ = nodes(t, 2, config.Rate{Requests: 500, Within: time.Minute}, c, nil)
	served(list[:1], "192.0.2.1", 1)
	c.advance(time.Hour)
	if got := served(list, "192.0.2.1", 700); got > 500 {
		t.Errorf("%d served an hour later, want 500 at most", got)
	}
}

func TestNodesRaceForALimit(t *testing.T) {
	const most = 40
	c := startTicking()
	list, _ := nodes(t, 2, config.Rate{Requests: most, Within: time.Hour}, c, nil)
	var got atomic.Int64
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() { got.Add(int64(served(list[i%2:i%2+1], "192.0.2.1", most))) })
	}
	all.Wait()
	if n := got.Load(); n < most || n > most+most/10 {
		t.Errorf("two nodes served %d of %d at once, want %d", n, 8*most, most)
	}
}

// A store that is away makes each node count alone; the log says so once.
func TestLimitWithoutStore(t *testing.T) {
	c := startTicking()
	var text strings.Builder
	list, s := nodes(t, 2, config.Rate{Requests: 10, Within: time.Minute}, c, slog.New(slog.NewTextHandler(&text, nil)))
	if got := served(list, "192.0.2.1", 4); got != 4 {
		t.Fatalf("%d of 4 served", got)
	}
	s.fails = func(context.Context) error { return errors.New("away") }
	// Two on each node were counted while the store was there.
	if got := served(list, "192.0.2.1", 40); got != 16 {
		t.Errorf("%d served by two nodes that count alone, want 16", got)
	}
	asked := s.reads.Load()
	served(list, "192.0.2.3", 10)
	if got := s.reads.Load() - asked; got != 0 {
		t.Errorf("the store that is away was asked %d times within a second", got)
	}
	c.advance(absence)
	served(list, "192.0.2.4", 2)
	s.fails = nil
	c.advance(absence)
	if got := served(list, "192.0.2.5", 30); got != 10 {
		t.Errorf("%d served when the store is back, want 10", got)
	}
	if away, back := strings.Count(text.String(), "alone"), strings.Count(text.String(), "together again"); away != 2 || back != 2 {
		t.Errorf("%d nodes say that they count alone, %d that it is over:\n%s", away, back, &text)
	}
	if strings.Contains(text.String(), "192.0.2") {
		t.Error("an address is in the log")
	}
}

// A store that hangs delays one request a little, not all.
func TestLimitWhileStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &tallied{fails: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		l := newLimiter(config.Rate{Requests: 10, Within: time.Minute}, time.Now).share("logins", s, slog.New(slog.DiscardHandler))
		start := time.Now()
		if got := served([]*limiter{l}, "192.0.2.1", 15); got != 10 {
			t.Errorf("%d served, want 10", got)
		}
		if took := time.Since(start); took != asking {
			t.Errorf("15 requests waited %v, want %v", took, asking)
		}
		// A browser that leaves says nothing about the store.
		time.Sleep(absence)
		ctx, leave := context.WithCancel(t.Context())
		leave()
		away := l.shared.away.Load()
		if _, ok := l.admit(ctx, "192.0.2.2"); !ok || l.shared.away.Load() != away {
			t.Error("a browser that left counts as a store that is away")
		}
	})
}

// What another node's clock says far in the future shuts nobody out.
func TestLimitAmongWrongClocks(t *testing.T) {
	c, ahead := startTicking(), startTicking()
	ahead.advance(time.Hour)
	list, s := nodes(t, 1, config.Rate{Requests: 10, Within: time.Minute}, c, nil)
	wrong := newLimiter(config.Rate{Requests: 10, Within: time.Minute}, ahead.now).share("logins", s, slog.New(slog.DiscardHandler))
	served([]*limiter{wrong}, "192.0.2.1", 10)
	if got := served(list, "192.0.2.1", 15); got != 10 {
		t.Errorf("%d served beside a node an hour ahead, want 10", got)
	}
}

func TestNoLimitIsShared(t *testing.T) {
	l := newLimiter(config.Rate{}, time.Now).share("logins", nil, nil)
	if got := served([]*limiter{l}, "192.0.2.1", 100); got != 100 {
		t.Error("the zero rate limits")
	}
}

// BenchmarkLimits is what the limits cost one login from an address of its own:
// four requests of the browser, one start of an order, one of the application's
// server. Processor time of a Redis server is not in it.
func BenchmarkLimits(b *testing.B) {
	for _, name := range []string{"memory", "sqlite", "redis"} {
		b.Run(name, func(b *testing.B) {
			var short broker.Short
			switch name {
			case "sqlite":
				s, err := store.OpenShort(b.Context(), store.Config{Place: sqldb.Place{Dir: b.TempDir()}})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				short = s
			case "redis":
				s, err := store.OpenRedis(b.Context(), store.RedisConfig{Addresses: []string{redistest.Start(b).Addr}})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				short = s
			}
			open := func(name string, requests int) *limiter {
				l := newLimiter(config.Rate{Requests: requests, Within: time.Minute}, time.Now)
				if short != nil {
					l.share(name, short, slog.New(slog.DiscardHandler))
				}
				return l
			}
			logins, orders, tokens := open("logins", 300), open("orders", 60), open("tokens", 6000)
			b.ReportAllocs()
			before := processor()
			for n := 0; b.Loop(); n++ {
				address := fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255)
				for range 4 {
					logins.admit(b.Context(), address)
				}
				orders.admit(b.Context(), address)
				tokens.admit(b.Context(), "192.0.2.1")
			}
			b.ReportMetric(float64((processor()-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

func processor() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
