package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/oidc"
	"sigill/providers"
)

// ClientStore keeps registered clients.
type ClientStore interface {
	oidc.Clients
	Clients(ctx context.Context) ([]broker.Client, error)
	AddClients(ctx context.Context, list []broker.Client, events ...audit.Event) error
	ReplaceClients(ctx context.Context, list []broker.Client, events ...audit.Event) error
	ChangeClient(ctx context.Context, id string, change func(*broker.Client) error, events ...audit.Event) error
	RemoveClient(ctx context.Context, id string, events ...audit.Event) error
}

// Clients tests a registry of clients. open makes an empty one.
func Clients(t *testing.T, open func(*testing.T, *Clock) (ClientStore, Events)) {
	full := broker.Client{
		ID: "full", Name: "Skolan i Exempelby", NameEN: "The school", Home: "https://skolan.example.se/", Profile: broker.ProfileSweden,
		RedirectURIs: []string{"https://skolan.example.se/callback", "https://skolan.example.se/b?x=1&y=2"}, PostLogoutRedirectURIs: []string{"https://skolan.example.se/"},
		AuthMethod: broker.PrivateKeyJWT, SecretHash: []byte{0, 1, 255}, JWKS: json.RawMessage(`{"keys":[]}`), Scopes: []string{"profile", "signing"},
		CallbackOrigins: []string{"https://skolan.example.se", "https://b.example.se:8443"}, LoopbackCallbacks: true,
		WebhookSecret: []byte("a secret \x00 of 24 bytes"), AskingBody: "Barn- och utbildningsnämnden",
		Providers: map[providers.ID]string{providers.BankID: "kommunen"}, ProviderOrder: []providers.ID{providers.BankID, providers.MBankID},
		IDTokenAlg: "ES256", UserinfoAlg: "RS256", RequirePKCE: true, Sector: "skolan", SSOGroup: "kommunen", NoCoordination: true, MinAge: 13,
		Theme: broker.Theme{Accent: "#123456", Logo: "skolan.svg"},
	}
	bare := broker.Client{ID: "bare"}
	same := func(t *testing.T, s ClientStore, want broker.Client) {
		t.Helper()
		for range 2 { // the second time it may be remembered
			got, err := s.Client(ctx, want.ID)
			check(t, err)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("client (-want +got):\n%s", diff)
			}
		}
	}
	list := func(t *testing.T, s ClientStore, want ...broker.Client) {
		t.Helper()
		got, err := s.Clients(ctx)
		check(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("clients (-want +got):\n%s", diff)
		}
	}

	t.Run("add, find, list, remove", func(t *testing.T) {
		c := NewClock()
		s, events := open(t, c)
		if _, err := s.Client(ctx, "full"); !errors.Is(err, broker.ErrNotFound) {
			t.Fatalf("found what is not there: %v", err)
		}
		list(t, s)
		added, removed := anEvent(audit.ClientAdded, c.Now()), anEvent(audit.ClientRemoved, c.Now())
		check(t, s.AddClients(ctx, []broker.Client{full, bare}, added))
		same(t, s, full)
		same(t, s, bare)
		list(t, s, bare, full)
		check(t, s.RemoveClient(ctx, "full", removed))
		if _, err := s.Client(ctx, "full"); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("found what was removed: %v", err)
		}
		list(t, s, bare)
		if err := s.RemoveClient(ctx, "full", removed); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("removed twice: %v", err)
		}
		other := bare
		other.ID, other.Name = "full", "another"
		check(t, s.AddClients(ctx, []broker.Client{other}))
		same(t, s, other)
		if diff := cmp.Diff([]audit.Event{added, removed}, events(t)); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
	t.Run("all or none", func(t *testing.T) {
		c := NewClock()
		s, events := open(t, c)
		check(t, s.AddClients(ctx, []broker.Client{bare}))
		if err := s.AddClients(ctx, []broker.Client{full, bare}, anEvent(audit.ClientAdded, c.Now())); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("added twice: %v", err)
		}
		if err := s.AddClients(ctx, []broker.Client{full, {}}); err == nil {
			t.Error("added one without id")
		}
		list(t, s, bare)
		if len(events(t)) != 0 {
			t.Error("events of an act that was undone")
		}
	})
	t.Run("replace", func(t *testing.T) {
		c := NewClock()
		s, events := open(t, c)
		check(t, s.AddClients(ctx, []broker.Client{bare}))
		same(t, s, bare)
		other := broker.Client{ID: "bare", Name: "another"}
		e := anEvent(audit.ClientAdded, c.Now())
		check(t, s.ReplaceClients(ctx, []broker.Client{full, other}, e))
		same(t, s, full)
		same(t, s, other)
		if err := s.ReplaceClients(ctx, []broker.Client{bare, {}}, e); err == nil {
			t.Error("replaced by one without id")
		}
		list(t, s, other, full)
		if diff := cmp.Diff([]audit.Event{e}, events(t)); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
	t.Run("change", func(t *testing.T) {
		c := NewClock()
		s, events := open(t, c)
		rename := func(name string) func(*broker.Client) error {
			return func(c *broker.Client) error { c.Name = name; return nil }
		}
		if err := s.ChangeClient(ctx, "full", rename("x"), anEvent(audit.ClientSecret, c.Now())); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("changed what is not there: %v", err)
		}
		check(t, s.AddClients(ctx, []broker.Client{full, bare}))
		same(t, s, full)
		refused := errors.New("refused")
		if err := s.ChangeClient(ctx, "full", func(c *broker.Client) error { c.Name = "x"; return refused }, anEvent(audit.ClientSecret, c.Now())); !errors.Is(err, refused) {
			t.Errorf("the change's own error: %v", err)
		}
		same(t, s, full)
		want := full
		want.RenewSecret("another secret", c.Now().Add(time.Hour).UTC())
		e := anEvent(audit.ClientSecret, c.Now())
		check(t, s.ChangeClient(ctx, "full", func(c *broker.Client) error { *c = want; return nil }, e))
		same(t, s, want)
		same(t, s, bare)
		if diff := cmp.Diff([]audit.Event{e}, events(t)); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
	t.Run("race to change", func(t *testing.T) {
		s, _ := open(t, NewClock())
		check(t, s.AddClients(ctx, []broker.Client{bare}))
		for n := range rounds() {
			won := race(func(int) bool {
				err := s.ChangeClient(ctx, "bare", func(c *broker.Client) error {
					if c.MinAge != n {
						return broker.ErrConflict
					}
					c.MinAge++
					return nil
				})
				if err != nil && !errors.Is(err, broker.ErrConflict) {
					t.Error(err)
				}
				return err == nil
			})
			if won != 1 {
				t.Fatalf("round %d: changed %d times", n, won)
			}
		}
	})
	t.Run("race to add", func(t *testing.T) {
		s, _ := open(t, NewClock())
		for n := range rounds() {
			won := race(func(racer int) bool {
				err := s.AddClients(ctx, []broker.Client{{ID: fmt.Sprint(n), Name: fmt.Sprint(racer)}})
				if err != nil && !errors.Is(err, broker.ErrConflict) {
					t.Error(err)
				}
				return err == nil
			})
			if won != 1 {
				t.Fatalf("round %d: added %d times", n, won)
			}
		}
	})
}
