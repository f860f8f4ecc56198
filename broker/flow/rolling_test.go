package flow_test

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
	"sigill/broker/store"
	"sigill/providers"
	"sigill/providers/personnummer"
)

// once is an issuer whose persons take their time, and that gives each answer
// once.
type once struct {
	mu    sync.Mutex
	ready map[string]time.Time
	given map[string]int
}

func (*once) Info() providers.Info { return providers.Info{ID: providers.MBankID} }

func (p *once) Start(context.Context, providers.Request) (providers.State, providers.Step, error) {
	id := broker.NewID()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready[id] = time.Now().Add(rand.N(3 * time.Second))
	return providers.State(id), providers.Wait{Next: pace}, nil
}

func (p *once) StartSignature(ctx context.Context, r providers.SignRequest) (providers.State, providers.Step, error) {
	return p.Start(ctx, r.Request)
}

const (
	pace  = 20 * time.Millisecond
	proof = "the answer of "
)

func (p *once) Continue(_ context.Context, s providers.State, _ providers.Event) (providers.State, providers.Step, error) {
	if bytes.HasPrefix(s, []byte(proof)) {
		return s, providers.Done{
			Identity: providers.Identity{Number: signatory(), Name: "Testperson Ett"},
			Evidence: providers.Evidence{MediaType: "x/test", Bytes: s},
		}, nil
	}
	time.Sleep(rand.N(10 * time.Millisecond))
	id := string(s)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.given[id] > 0:
		return s, providers.Failed{Reason: providers.ResultLost}, nil
	case time.Now().Before(p.ready[id]):
		return s, providers.Wait{PickedUp: true, Next: pace}, nil
	}
	p.given[id]++
	return providers.State(proof + id), providers.Wait{PickedUp: true}, nil
}

func (*once) Cancel(context.Context, providers.State) error { return nil }

// Three nodes over a real store are stopped and started one after the other, again
// and again, while people sign: every signature is there in the end, once, and
// its owner has heard of it.
func TestRollingRestarts(t *testing.T) {
	orders, turns := 40, 6
	if os.Getenv("SIGILL_SOAK") == "1" {
		orders, turns = 2000, 60
	}
	sqldbtest.Engines(t, func(t *testing.T, p sqldb.Place) {
		issuer := &once{ready: map[string]time.Time{}, given: map[string]int{}}
		var mu sync.Mutex
		heard := map[broker.OrderID]broker.Phase{}
		owner := ownerFunc(func(s flow.Settled) error {
			mu.Lock()
			defer mu.Unlock()
			if was, ok := heard[s.Order.ID]; ok && was != s.Order.Phase {
				t.Errorf("%s was %s and is %s", s.Order.ID, was, s.Order.Phase)
			}
			heard[s.Order.ID] = s.Order.Phase
			return nil
		})
		begin := func(dir string) (*flow.Engine, *store.Store, func()) {
			rows, err := store.Open(t.Context(), store.Config{Place: p})
			if err != nil {
				t.Fatal(err)
			}
			short, err := store.OpenShort(t.Context(), store.Config{Place: p})
			if err != nil {
				t.Fatal(err)
			}
			m, err := flow.Join(t.Context(), dir, rows, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			e, err := flow.New(flow.Config{
				Orders: rows, Leases: rows, Results: rows, Owners: map[string]flow.Owner{"signing": owner}, Box: open{}, Short: short,
				Node: m.ID, Boot: m.Boot,
				Provider:     func(providers.ID, string) (providers.Provider, bool) { return issuer, true },
				ReturnURL:    func(broker.OrderID, string) string { return "https://login.example.se/return" },
				PersonDigest: func(personnummer.Number) string { return "digest" },
				Log:          slog.New(slog.DiscardHandler),
				Limits:       flow.Limits{Sweep: 50 * time.Millisecond, Look: 50 * time.Millisecond, Retry: 50 * time.Millisecond},
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- e.Run(ctx) }()
			return e, rows, func() {
				stop()
				if err := <-ended; err != nil {
					t.Error(err)
				}
				m.Leave()
				rows.Close()
				short.Close()
			}
		}
		var engines [3]*flow.Engine
		var rows [3]*store.Store
		var stops [3]func()
		var dirs [3]string
		var using sync.RWMutex // a node is not stopped while its own requests are under way
		down := -1
		for i := range engines {
			dirs[i] = t.TempDir()
			engines[i], rows[i], stops[i] = begin(dirs[i])
		}
		var begun []broker.OrderID
		var beginning sync.WaitGroup
		beginning.Go(func() {
			for i := range orders {
				id := broker.OrderID(broker.NewID())
				using.RLock()
				at := i % 3
				if at == down {
					at = (at + 1) % 3
				}
				err := engines[at].Begin(context.Background(), flow.Begin{
					ID: id, Owner: "signing", Client: "app", Provider: providers.MBankID, Kind: providers.KindSign, Locked: true,
					Browser: "browser", Request: providers.Request{Mode: providers.ModeOther, Number: signatory(), Text: "text"},
				})
				using.RUnlock()
				if err != nil {
					t.Error(err)
				}
				begun = append(begun, id)
				time.Sleep(2 * time.Second / time.Duration(orders))
			}
		})
		for turn := range turns {
			time.Sleep(300 * time.Millisecond)
			using.Lock()
			i := turn % 3
			stops[i]()
			down = i
			using.Unlock()
			time.Sleep(100 * time.Millisecond)
			using.Lock()
			engines[i], rows[i], stops[i] = begin(dirs[i])
			down = -1
			using.Unlock()
		}
		beginning.Wait()
		for began, left := time.Now(), orders; left > 0; time.Sleep(20 * time.Millisecond) {
			if time.Since(began) > 20*time.Second {
				t.Fatalf("%d of %d are left", left, orders)
			}
			mu.Lock()
			left = orders - len(heard)
			mu.Unlock()
		}
		for _, id := range begun {
			o, err := rows[0].Order(t.Context(), id)
			if err != nil || o.Phase != broker.Done || heard[id] != broker.Done {
				t.Errorf("%s: %s %s, heard %q, %v", id, o.Phase, o.Reason, heard[id], err)
			}
		}
		for _, stop := range stops {
			stop()
		}
	})
}
