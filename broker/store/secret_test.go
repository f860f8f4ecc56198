package store

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
)

// An application uses its secret at two nodes all the time while that is renewed
// again and again: it is never turned away, and a retired secret works nowhere.
func TestSecretIsRenewedUnderLoad(t *testing.T) {
	sqldbtest.Engines(t, func(t *testing.T, p sqldb.Place) {
		nodes := []*Store{openAt(t, p, nil), openAt(t, p, nil)}
		client := broker.Client{ID: "app"}
		client.RenewSecret("secret 0", time.Time{})
		check(t, nodes[0].AddClient(ctx, client))
		var uses atomic.Pointer[string]
		first := "secret 0"
		uses.Store(&first)
		running, stop := context.WithCancel(ctx)
		var group sync.WaitGroup
		defer group.Wait()
		defer stop()
		var did atomic.Int64
		for g := range 4 {
			group.Go(func() {
				for running.Err() == nil {
					secret := *uses.Load()
					c, err := nodes[g%2].Client(ctx, "app")
					if err != nil || !c.SecretIs(secret, time.Now()) && secret == *uses.Load() {
						t.Errorf("turned away: %v", err)
						return
					}
					did.Add(1)
				}
			})
		}
		more := func() {
			for target := did.Load() + 20; did.Load() < target && !t.Failed(); {
				time.Sleep(time.Millisecond)
			}
		}
		for n := range 5 {
			before, next := *uses.Load(), "secret "+string(rune('1'+n))
			check(t, nodes[n%2].ChangeClient(ctx, "app", func(c *broker.Client) error {
				c.RenewSecret(next, time.Now().Add(time.Hour))
				return nil
			}))
			more()
			uses.Store(&next)
			more()
			check(t, nodes[(n+1)%2].ChangeClient(ctx, "app", func(c *broker.Client) error {
				c.PreviousSecretHash, c.PreviousSecretUntil = nil, time.Time{}
				return nil
			}))
			for i, s := range nodes {
				if c, err := s.Client(ctx, "app"); err != nil || c.SecretIs(before, time.Now()) {
					t.Errorf("node %d takes a retired secret: %v", i, err)
				}
			}
		}
		stop()
		group.Wait()
	})
}

// A release that knows no second secret reads the rows of all clients but those
// that have one at this moment, and we read its rows.
func TestRowsOfTheReleaseBefore(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	const row = `{"ID":"app","Name":"Appen","NameEN":"","Home":"","Profile":"basic","RedirectURIs":["https://app.example.se/callback"],"PostLogoutRedirectURIs":null,"AuthMethod":"client_secret","SecretHash":"AAEC","JWKS":null,"Scopes":null,"Providers":null,"ProviderOrder":null,"IDTokenAlg":"ES256","UserinfoAlg":"","RequirePKCE":false,"Sector":"","SSOGroup":"","NoCoordination":false,"MinAge":0,"Theme":{"Accent":"","Logo":""}}`
	check(t, s.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`INSERT INTO clients (id, body, added) VALUES ('app', $1, 0)`, row)
		return err
	}))
	body := func() string {
		t.Helper()
		var body string
		check(t, s.db.Row(ctx, `SELECT body FROM clients WHERE id = 'app'`).Scan(&body))
		return body
	}
	change := func(change func(*broker.Client)) string {
		t.Helper()
		check(t, s.ChangeClient(ctx, "app", func(c *broker.Client) error { change(c); return nil }))
		return body()
	}
	if got := change(func(*broker.Client) {}); got != row {
		t.Errorf("the row became\n%s", got)
	}
	if got := change(func(c *broker.Client) { c.RenewSecret("x", time.Now().Add(time.Hour)) }); !strings.Contains(got, `"PreviousSecretHash":"AAEC"`) {
		t.Errorf("two secrets: %s", got)
	}
	retired := change(func(c *broker.Client) { c.PreviousSecretHash, c.PreviousSecretUntil = nil, time.Time{} })
	if strings.Contains(retired, "PreviousSecret") {
		t.Errorf("retired: %s", retired)
	}
}
