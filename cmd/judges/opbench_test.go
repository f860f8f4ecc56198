package judges

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/pprof"
	"strconv"
	"sync"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/config"
	"sigill/broker/kit/design"
	"sigill/broker/kit/keys"
	"sigill/broker/kit/page"
	"sigill/broker/oidc"
	"sigill/broker/web"
	"sigill/cmd/node"
	"sigill/providers"
	"sigill/providers/personnummer"
)

// playLogins is a node without e-IDs: the OpenID Provider, its pages, the stores
// with the audit's sequencer. Its orders have been proven before anybody asks, so
// that a login is the OpenID Provider's part of one and nothing else.
func playLogins(ctx context.Context) error {
	settings, _, err := config.Load(os.Getenv("LOGINS_CONFIG"))
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(os.Getenv("LOGINS_PROVEN"))
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelInfo}))
	vault, err := node.OpenVault(ctx, settings, time.Now, log)
	if err != nil {
		return err
	}
	defer vault.Close()
	handler, proven, err := loginsOnly(ctx, settings, vault, log)
	if err != nil {
		return err
	}
	if err := proven.prepare(ctx, count); err != nil {
		return err
	}
	sequencer, err := audit.NewSequencer(audit.Sequencer{DB: vault.Store.DB(), Signer: vault.Ring.AuditSigner, Log: log})
	if err != nil {
		return err
	}
	if file := os.Getenv("LOGINS_PROFILE"); file != "" {
		f, err := os.Create(fmt.Sprint(file, ".", os.Getpid()))
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	var duties sync.WaitGroup
	duties.Go(func() { sequencer.Run(ctx) })
	defer duties.Wait()
	l, err := net.Listen("tcp", settings.Listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler}
	go func() {
		<-ctx.Done()
		server.Close()
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func loginsOnly(ctx context.Context, s config.Config, v *node.Vault, log *slog.Logger) (http.Handler, *provenOrders, error) {
	var failed []error
	index, err1 := v.Ring.Index("person")
	digest, err2 := v.Ring.Digest("audit person")
	orders, err3 := v.Ring.Box("order")
	logins, err4 := v.Ring.Box("login")
	assets, err5 := design.New(nil)
	for _, alg := range []string{keys.ES256, keys.RS256} {
		if _, err := v.Ring.Signer(alg); err != nil {
			failed = append(failed, err)
		}
	}
	if err := errors.Join(append(failed, err1, err2, err3, err4, err5)...); err != nil {
		return nil, nil, err
	}
	pages, err := web.NewPages(web.PagesConfig{Issuer: s.Issuer, Assets: assets, Log: log})
	if err != nil {
		return nil, nil, err
	}
	offers := func(broker.Client) []providers.Info {
		return []providers.Info{{ID: providers.BankID, Instance: "judges", Name: "BankID", Level: providers.LevelUncertified3, Modes: []providers.Mode{providers.ModeThis}}}
	}
	op, err := oidc.New(oidc.Config{
		Issuer: s.Issuer, Short: v.Short, Records: v.Store, Clients: configured(s.Clients), Keys: published{v.Ring},
		PersonIndex: index, PersonDigest: digest, Offers: offers, Pages: pages, Box: logins, Log: log,
	})
	if err != nil {
		return nil, nil, err
	}
	proven := &provenOrders{vault: v, op: op, box: orders, ready: make(chan broker.OrderID, 100_000)}
	site, err := web.New(web.Config{Pages: pages, Logins: op, Flow: proven, Clients: configured(s.Clients), Audit: v.Store, Offers: offers})
	if err != nil {
		return nil, nil, err
	}
	mux := http.NewServeMux()
	op.Routes(mux)
	site.Routes(mux)
	mux.HandleFunc("GET /proven/{login}", proven.finish)
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	return page.WithRequestID(page.Headers(false, mux)), proven, nil
}

// configured are clients of a configuration alone.
type configured []broker.Client

func (c configured) Client(_ context.Context, id string) (broker.Client, error) {
	for _, one := range c {
		if one.ID == id {
			return one, nil
		}
	}
	return broker.Client{}, broker.ErrNotFound
}

// published are a ring's keys as the OpenID room knows them.
type published struct{ ring *keys.Ring }

func (p published) Signer(alg string) (oidc.SigningKey, error) {
	s, err := p.ring.Signer(alg)
	return oidc.SigningKey(s), err
}

func (p published) Find(kid string) (oidc.PublicKey, bool) {
	k, ok := p.ring.Find(kid)
	return oidc.PublicKey(k), ok
}

func (p published) Published() []oidc.PublicKey {
	var list []oidc.PublicKey
	for _, k := range p.ring.Published() {
		list = append(list, oidc.PublicKey(k))
	}
	return list
}

// provenOrders are e-ID orders that somebody has completed.
type provenOrders struct {
	web.Flow // nobody asks
	vault    *node.Vault
	op       *oidc.Provider
	box      *keys.Box
	ready    chan broker.OrderID
}

// prepare stores orders as they lie there when their proof has been verified.
func (p *provenOrders) prepare(ctx context.Context, count int) error {
	now := time.Now()
	var group sync.WaitGroup
	failed := make(chan error, 16)
	for g := range cap(failed) {
		group.Go(func() {
			for i := g; i < count; i += cap(failed) {
				id := broker.OrderID(broker.NewID())
				o := broker.Order{
					ID: id, Owner: broker.LoginOwner, Ref: broker.NewID(), Client: splitClient, Provider: providers.BankID, Instance: "judges",
					Mode: providers.ModeThis, Kind: providers.KindAuth, Phase: broker.Done, Nonce: make([]byte, 32), Browser: make([]byte, 32), PickedUp: true,
					Created: now, Changed: now, Returned: now, Deadline: now.Add(10 * time.Minute), Node: "judges",
					Sealed: p.box.Seal(make([]byte, 12_000), []byte("order "+id)), // about a proof
				}
				if err := p.vault.Store.CreateOrder(ctx, o); err != nil {
					failed <- err
					return
				}
				p.ready <- id
			}
		})
	}
	group.Wait()
	close(failed)
	return <-failed
}

// people log in here again and again.
func people() [2]string { return [2]string{"198006299252", "199104102380"} } // of the published test series

// finish does what the page does that finishes a login, with an order that is
// this browser's from now on.
func (p *provenOrders) finish(w http.ResponseWriter, r *http.Request) {
	err := func() error {
		ctx := r.Context()
		l, _, _, err := p.op.Pending(ctx, r.PathValue("login"), page.Cookies{}.Browser(r))
		if err != nil {
			return err
		}
		o, err := p.vault.Store.Order(ctx, <-p.ready)
		if err != nil {
			return err
		}
		evidence, err := p.box.Open(o.Sealed, []byte("order "+o.ID))
		if err != nil {
			return err
		}
		number, err := personnummer.Parse(people()[len(p.ready)%2], time.Now())
		if err != nil {
			return err
		}
		l.Order, l.Provider, l.Mode, o.Browser = o.ID, o.Provider, o.Mode, l.Browser
		a, err := p.op.Finish(ctx, l, o, providers.Done{
			Identity: providers.Identity{Number: number, Name: "Testperson Ett", GivenName: "Testperson", Surname: "Ett",
				Provider: o.Provider, Level: providers.LevelUncertified3, At: time.Now()},
			Evidence: providers.Evidence{MediaType: "application/octet-stream", Bytes: evidence},
		})
		if err == nil {
			p.op.Send(w, r, a)
		}
		return err
	}()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}
