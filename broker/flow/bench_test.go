package flow

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/providers"
	"sigill/providers/personnummer"
)

// BenchmarkPending is ten thousand orders that are waited for at one node: what a
// poll costs when nothing has changed, without network and store, and what the
// orders take in memory.
func BenchmarkPending(b *testing.B) {
	const pending = 10_000
	for _, kind := range []string{"login", "signature"} {
		b.Run(kind, func(b *testing.B) {
			p := &patient{done: make(chan struct{})}
			e, err := New(Config{
				Orders: nowhere{}, Leases: nowhere{}, Results: nowhere{}, Owners: map[string]Owner{signing: &room{}},
				Box: plainBox{}, Short: newRows(), Node: "one",
				Provider:     func(providers.ID, string) (providers.Provider, bool) { return p, true },
				ReturnURL:    func(id broker.OrderID, nonce string) string { return "https://login.example.se/return/" + string(id) },
				PersonDigest: func(personnummer.Number) string { return "digest" }, Log: slog.New(slog.DiscardHandler),
				Limits: Limits{Lease: time.Hour, Gone: time.Hour, Life: time.Hour},
			})
			if err != nil {
				b.Fatal(err)
			}
			before := inUse()
			for i := range pending {
				w := wish(providers.ModeOther)
				if kind == "signature" {
					w = signature(providers.ModeOther)
				}
				w.ID, w.Browser = broker.OrderID(broker.NewID()), broker.NewSecret()
				w.Request.Text = fmt.Sprint(i, " ", string(bytes.Repeat([]byte("Du loggar in i kommunens e-tjänster. "), 4)))
				if err := e.Begin(b.Context(), w); err != nil {
					b.Fatal(err)
				}
			}
			memory := float64(inUse() - before)
			ctx, stop := context.WithCancel(b.Context())
			var group sync.WaitGroup
			p.left.Store(int64(b.N))
			b.ResetTimer()
			used := cpu()
			group.Go(func() {
				if err := e.Run(ctx); err != nil {
					b.Error(err)
				}
			})
			<-p.done
			b.StopTimer()
			each := cpu() - used
			stop()
			group.Wait()
			b.ReportMetric(float64(each.Microseconds())/float64(b.N), "cpu-µs/poll")
			b.ReportMetric(memory/pending*1000/1e6, "MB/1000-orders")
		})
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// patient is an e-ID whose persons never do anything, with a state of a usual
// size.
type patient struct {
	left atomic.Int64
	done chan struct{}
}

func (p *patient) Info() providers.Info { return providers.Info{ID: providers.MBankID} }

func (p *patient) Start(context.Context, providers.Request) (providers.State, providers.Step, error) {
	return bytes.Repeat([]byte("s"), 900), providers.Wait{Hint: "outstandingTransaction", Next: time.Nanosecond}, nil
}

func (p *patient) StartSignature(ctx context.Context, r providers.SignRequest) (providers.State, providers.Step, error) {
	return p.Start(ctx, r.Request)
}

func (p *patient) Continue(_ context.Context, s providers.State, _ providers.Event) (providers.State, providers.Step, error) {
	if p.left.Add(-1) == 0 {
		close(p.done)
	}
	return s, providers.Wait{Hint: "outstandingTransaction", Next: time.Nanosecond}, nil
}

func (p *patient) Cancel(context.Context, providers.State) error { return nil }

// nowhere keeps nothing.
type nowhere struct{}

func (nowhere) CreateOrder(context.Context, broker.Order, ...audit.Event) error { return nil }
func (nowhere) UpdateOrder(context.Context, broker.Order, ...audit.Event) error { return nil }
func (nowhere) TakeOrder(context.Context, broker.Order, ...audit.Event) error   { return nil }
func (nowhere) Order(context.Context, broker.OrderID) (broker.Order, error) {
	return broker.Order{}, broker.ErrNotFound
}
func (nowhere) ClaimOrders(context.Context, string, bool, time.Time, time.Time, int) ([]broker.Order, error) {
	return nil, nil
}
func (nowhere) HeldOrders(context.Context, string) ([]broker.OrderID, error) { return nil, nil }
func (nowhere) RenewLeases(context.Context, string, string, time.Time) error { return nil }
func (nowhere) ReleaseLeases(context.Context, string, time.Time) error       { return nil }
func (nowhere) EndedOrders(context.Context, string, broker.Ended, int) ([]broker.Ended, error) {
	return nil, nil
}
func (nowhere) ConsumeOrder(context.Context, broker.OrderID, time.Time) error { return nil }
