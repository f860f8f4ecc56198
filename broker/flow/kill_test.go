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
func installation(p sqldb.Place, eid providers.Provider, owner flow.Owner) (*store.Store, *flow.Engine, func(), error) {
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
		Provider: func(providers.ID, string) (providers.Provider, bool) { return eid, true },
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
		_, e, _, err := installation(p, willing{}, ownerFunc(func(s flow.Settled) error {
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
		rows, e, release, err := installation(p, willing{}, ownerFunc(func(s flow.Settled) error {
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

// roaming is an e-ID whose persons sign on its issuer's own site.
type roaming struct{ willing }

func (roaming) StartSignature(_ context.Context, r providers.SignRequest) (providers.State, providers.Step, error) {
	return providers.State(r.Handle), providers.Redirect{URL: "https://issuer.example.se/sso?RelayState=" + r.Handle}, nil
}

func (roaming) Continue(_ context.Context, s providers.State, v providers.Event) (providers.State, providers.Step, error) {
	if v.Kind == providers.Callback {
		if len(v.Form["SAMLResponse"]) != 1 || len(v.Form["RelayState"]) != 1 || v.Form["RelayState"][0] != string(s) {
			return s, providers.Failed{Reason: providers.EvidenceRefused, Check: "another answer than was brought"}, nil
		}
		return providers.State("answered"), providers.Wait{PickedUp: true}, nil
	}
	if string(s) != "answered" {
		return s, nil, errors.New("asked without the answer")
	}
	return willing{}.Continue(context.Background(), s, v)
}

// However often the process is killed: what a browser has brought, and was sent on
// with, is not lost.
func TestKillCallback(t *testing.T) {
	answer := strings.Repeat("PHNhbWwycDpSZXNwb25zZQ", 500)
	storetest.Kill(t, func(p sqldb.Place, acked func(string)) error {
		var handles sync.Map
		_, e, _, err := installation(p, noting{handles: &handles}, ownerFunc(func(flow.Settled) error { return nil }))
		if err != nil {
			return err
		}
		failed := make(chan error, 5)
		go func() { failed <- e.Run(context.Background()) }()
		for range 4 {
			go func() {
				for {
					id := broker.OrderID(broker.NewID())
					b := flow.Begin{
						ID: id, Owner: "signing", Client: "app", Provider: providers.Telia, Instance: "telia", Kind: providers.KindSign, Locked: true,
						Browser: "browser", Request: providers.Request{Mode: providers.ModeThis, Number: signatory(), Text: "text", Email: string(id)},
					}
					if err := e.Begin(context.Background(), b); err != nil {
						failed <- err
						return
					}
					handle, _ := handles.Load(string(id))
					c := flow.Callback{Handle: handle.(string), Instance: "telia", At: providers.SignBackPath, Form: map[string][]string{
						"SAMLResponse": {answer}, "RelayState": {handle.(string)},
					}}
					if _, err := e.Callback(context.Background(), c); err != nil {
						failed <- err
						return
					}
					acked("back " + string(id))
				}
			}()
		}
		return <-failed
	}, func(t *testing.T, p sqldb.Place, acked []string) {
		rows, e, release, err := installation(p, roaming{}, ownerFunc(func(flow.Settled) error { return nil }))
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }()
		pending := 0
		for _, line := range acked {
			id := broker.OrderID(strings.TrimPrefix(line, "back "))
			for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
				o, err := rows.Order(t.Context(), id)
				if err != nil || o.Phase == broker.Failed || time.Since(start) > 30*time.Second {
					t.Fatalf("%s is %s %s, %v", id, o.Phase, o.Reason, err)
				}
				if o.Phase == broker.Done {
					break
				}
				pending++
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		t.Logf("%d answers, %d looks at unfinished ones", len(acked), pending)
	})
}

// noting is a roaming whose handles a test learns, by what stands in Email.
type noting struct {
	roaming
	handles *sync.Map
}

func (n noting) StartSignature(ctx context.Context, r providers.SignRequest) (providers.State, providers.Step, error) {
	n.handles.Store(r.Email, r.Handle)
	return n.roaming.StartSignature(ctx, r)
}

// Continue does not take in the answers of half of the orders, which are pending
// when the process is killed.
func (n noting) Continue(ctx context.Context, s providers.State, v providers.Event) (providers.State, providers.Step, error) {
	if v.Kind == providers.Callback && s[len(s)-1]%2 == 0 {
		return s, nil, &providers.Unavailable{Issuer: "issuer", Err: errors.New("503")}
	}
	return n.roaming.Continue(ctx, s, v)
}
