package flow_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/sqldb"
	"sigill/broker/store"
	"sigill/broker/store/storetest"
	"sigill/providers"
	"sigill/providers/personnummer"
)

// willing is an e-ID whose person signs at once. Its answer is taken in as that
// of the real ones: stored first, verified then.
type willing struct{}

func (willing) Info() providers.Info { return providers.Info{ID: providers.MBankID} }

func (willing) Start(context.Context, providers.Request) (providers.State, providers.Step, error) {
	return nil, nil, errors.New("not asked for")
}

func (willing) StartSignature(context.Context, providers.SignRequest) (providers.State, providers.Step, error) {
	return providers.State("asked"), providers.Wait{Next: time.Millisecond}, nil
}

func (willing) Continue(_ context.Context, s providers.State, _ providers.Event) (providers.State, providers.Step, error) {
	if string(s) == "asked" {
		return providers.State("answered"), providers.Wait{PickedUp: true}, nil
	}
	return s, providers.Done{
		Identity: providers.Identity{Number: signatory(), Name: "Testperson Ett"},
		Evidence: providers.Evidence{MediaType: "x/test", Bytes: bytes.Repeat([]byte("proof"), 1000)},
	}, nil
}

func (willing) Cancel(context.Context, providers.State) error { return nil }

func signatory() personnummer.Number {
	n, _ := personnummer.FromDigits("198101199282")
	return n
}

// open is a box that hides nothing.
type open struct{}

func (open) Seal(plain, _ []byte) []byte           { return plain }
func (open) Open(sealed, _ []byte) ([]byte, error) { return sealed, nil }

type ownerFunc func(flow.Settled) error

func (f ownerFunc) Settled(_ context.Context, s flow.Settled) error { return f(s) }

// installation is a real store and an engine on it.
func installation(p sqldb.Place, owner flow.Owner) (*store.Store, *flow.Engine, func(), error) {
	rows, err := store.Open(context.Background(), store.Config{Place: p})
	if err != nil {
		return nil, nil, nil, err
	}
	short, err := store.OpenShort(context.Background(), store.Config{Place: p})
	if err != nil {
		return nil, nil, nil, err
	}
	e, err := flow.New(flow.Config{
		Orders: rows, Leases: rows, Results: rows, Owners: map[string]flow.Owner{"signing": owner}, Box: open{}, Short: short, Node: "one",
		Provider: func(providers.ID, string) (providers.Provider, bool) { return willing{}, true },
		ReturnURL: func(id broker.OrderID, nonce string) string {
			return "https://login.example.se/return/" + string(id) + "?n=" + nonce
		},
		PersonDigest: func(personnummer.Number) string { return "digest" },
		Log:          slog.New(slog.DiscardHandler), Limits: flow.Limits{Sweep: 20 * time.Millisecond},
	})
	return rows, e, func() { rows.Close(); short.Close() }, err
}

// However often the process is killed: of each signature that was begun its owner
// hears, always the same, until it is noted that it has.
func TestKillDelivery(t *testing.T) {
	storetest.Kill(t, func(p sqldb.Place, acked func(string)) error {
		// What the owner has written survives the process, as in its own database.
		book, err := os.OpenFile(filepath.Join(p.Dir, "heard"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, e, _, err := installation(p, ownerFunc(func(s flow.Settled) error {
			_, err := fmt.Fprintf(book, "%s %s\n", s.Order.ID, s.Order.Phase)
			return err
		}))
		if err != nil {
			return err
		}
		failed := make(chan error, 5)
		go func() { failed <- e.Run(context.Background()) }()
		for range 4 {
			go func() {
				for {
					b := flow.Begin{
						ID: broker.OrderID(broker.NewID()), Owner: "signing", Client: "app", Provider: providers.MBankID, Kind: providers.KindSign, Locked: true,
						Browser: "browser", Request: providers.Request{Mode: providers.ModeThis, Number: signatory(), Text: "text"},
					}
					if err := e.Begin(context.Background(), b); err != nil {
						failed <- err
						return
					}
					acked("began " + string(b.ID))
				}
			}()
		}
		return <-failed
	}, func(t *testing.T, p sqldb.Place, acked []string) {
		var mu sync.Mutex
		heard, again := map[string]broker.Phase{}, 0
		hear := func(id string, phase broker.Phase) {
			mu.Lock()
			defer mu.Unlock()
			if was, twice := heard[id]; twice {
				again++
				if was != phase {
					t.Errorf("%s was %s and is %s", id, was, phase)
				}
			}
			heard[id] = phase
		}
		book, err := os.ReadFile(filepath.Join(p.Dir, "heard"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(book)) {
			if id, phase, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
				hear(id, broker.Phase(phase))
			}
		}
		onward, err := os.OpenFile(filepath.Join(p.Dir, "heard"), os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer onward.Close()
		rows, e, release, err := installation(p, ownerFunc(func(s flow.Settled) error {
			hear(string(s.Order.ID), s.Order.Phase)
			_, err := fmt.Fprintf(onward, "%s %s\n", s.Order.ID, s.Order.Phase)
			return err
		}))
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }()
		left := func() int {
			held, err := rows.HeldOrders(ctx, "one") // the engine may not have taken them back yet
			if err != nil {
				t.Fatal(err)
			}
			list, err := rows.EndedOrders(ctx, "signing", broker.Ended{}, 1000)
			if err != nil {
				t.Fatal(err)
			}
			return len(list) + len(held)
		}
		time.Sleep(50 * time.Millisecond)
		for start := time.Now(); left() > 0; time.Sleep(20 * time.Millisecond) {
			if time.Since(start) > 30*time.Second {
				t.Fatalf("%d orders are left", left())
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		began := 0
		for _, line := range acked {
			id := strings.TrimPrefix(line, "began ")
			began++
			o, err := rows.Order(t.Context(), broker.OrderID(id))
			if err != nil || o.Consumed.IsZero() || heard[id] != o.Phase {
				t.Fatalf("%s: %+v, heard %q, %v", id, o.Phase, heard[id], err)
			}
		}
		t.Logf("%d signatures, %d heard of more than once", began, again)
	})
}
