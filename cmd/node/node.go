// Package node composes what runs in one process: a node of an installation.
// cmd/sigill serves it, cmd/demo puts simulated e-IDs beside it, and tests start
// it on free ports.
//
// It owns the wiring (which room gets what), the listeners and their limits,
// what is logged and counted of requests, and the order in which things stop. It
// holds the map from a provider's kind to its factory. It decides nothing about
// logins: the rooms do.
package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sigill/broker"
	"sigill/broker/flow"
	kitclock "sigill/broker/kit/clock"
	"sigill/broker/kit/config"
	"sigill/broker/kit/design"
	"sigill/broker/kit/page"
	"sigill/broker/oidc"
	"sigill/broker/web"
	"sigill/providers/personnummer"
	"sigill/signing/orders"
	signweb "sigill/signing/web"
)

// Config says what to run. Only Settings is required.
type Config struct {
	Settings config.Config
	// Listener and AdminListener are bound already; without them the node
	// listens where Settings says.
	Listener, AdminListener, PortalListener net.Listener
	Limits                                  flow.Limits   // zero fields: the defaults
	Due                                     time.Duration // how often signing orders are looked through; zero: the default
	Registry                                *prometheus.Registry
	Log                                     *slog.Logger
	Now                                     func() time.Time

	past   func() time.Time // see flow.Config.Past
	counts *metrics
}

// Node is one process of an installation. New binds its addresses, Run serves.
type Node struct {
	settings     config.Config
	log          *slog.Logger
	vault        *Vault
	flow         *flow.Engine
	room         *room     // of signing; nil: there is none
	townhall     *townhall // the portal; nil: there is none
	eids         *eids
	release      func()           // of the node's id and its data folder
	boot         string           // see flow.Join
	own          func() time.Time // this machine's clock
	common       *kitclock.Clock  // everybody's
	ready        *readiness
	certificates *certificates
	main         *server
	admin        *server
	portal       *server // nil: there is none

	stopping        atomic.Bool
	grace, settling time.Duration // see serve.go
}

// New makes everything and serves nothing. Without Run, Close gives it back.
func New(ctx context.Context, c Config) (n *Node, err error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
	}
	// All nodes go by the database's time; see kit/clock.
	own := c.Now
	common := kitclock.New(kitclock.Config{Local: own, Log: c.Log})
	c.Now, c.past = common.Now, common.Past
	n = &Node{settings: c.Settings, log: c.Log, own: own, common: common, release: func() {}, grace: grace, settling: settling(c.Limits)}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
			n = nil
		}
	}()
	leave, err := flow.Use(c.Settings.Data) // before anything is written there
	if err != nil {
		return n, err
	}
	n.release = leave
	replay := &replay{}
	eids, err := openProviders(ctx, c.Settings.Providers, workshopOf(c.Settings, replay, c.Now, c.Log))
	if err != nil {
		return n, err
	}
	n.certificates = newCertificates(c.Settings, eids, c.Now, c.Log)
	if n.vault, err = OpenVault(ctx, c.Settings, c.Now, c.Log); err != nil {
		return n, err
	}
	n.vault.erasesBy(c.past)
	replay.short = n.vault.Short
	n.eids = eids
	if err := n.vault.publish(); err != nil {
		return n, err
	}
	common.Source = kitclock.Of(n.vault.Store.DB())
	if err := common.Measure(ctx); err != nil && !errors.Is(err, kitclock.ErrSlow) {
		return n, err
	}
	member, err := flow.Join(ctx, c.Settings.Data, n.vault.Store, c.Now)
	if err != nil {
		return n, err
	}
	n.boot, n.release = member.Boot, func() { member.Leave(); leave() }
	if err := n.compose(ctx, c, member.ID, eids); err != nil {
		return n, err
	}
	if err := n.listen(ctx, c); err != nil {
		return n, err
	}
	return n, errors.Join(c.Registry.Register(newCertificateMetrics(n.certificates)), c.Registry.Register(newKeyMetrics(n.vault)))
}

// compose gives each room what it needs.
func (n *Node) compose(ctx context.Context, c Config, id string, eids *eids) error {
	s := c.Settings
	registry, err := newClients(ctx, s.Clients, n.vault.Store)
	if err != nil {
		return err
	}
	deliver := func(ctx context.Context, client broker.Client, h orders.Hook) error {
		return n.townhall.deliver(ctx, client, h)
	}
	persons, err := n.vault.Ring.Index("person")
	if err != nil {
		return err
	}
	named, err := n.vault.Ring.Digest("audit person")
	if err != nil {
		return err
	}
	box, err := n.vault.Ring.Box("order")
	if err != nil {
		return err
	}
	logins, err := n.vault.Ring.Box("login")
	if err != nil {
		return err
	}
	counts, err := newMetrics(c.Registry, n.pending)
	if err != nil {
		return err
	}
	c.counts = counts
	n.vault.Short = &countedShort{Short: n.vault.Short}
	if err := n.watch(c, id); err != nil {
		return err
	}
	n.room, err = openRoom(c, n.vault, id, eids, registry, deliver, func(ctx context.Context, b flow.Begin) error { return n.flow.Begin(ctx, b) })
	if err != nil {
		return err
	}
	if n.room != nil {
		n.certificates.own = append(n.certificates.own, n.room.seal.renewal)
		n.certificates.fixed = append(n.certificates.fixed, trustEndings(n.room.believed, c.Now())...)
	}
	if n.townhall, err = openTownhall(ctx, c, n.vault, id, eids, n.room); err != nil {
		return err
	}
	if n.townhall != nil {
		registry.tenants = n.townhall.client
	}
	owners := map[string]flow.Owner{}
	homes := map[string]func(broker.Order) string{}
	if n.room != nil {
		if err := c.Registry.Register(newRoomMetrics(n.room, n.townhall.queues())); err != nil {
			return err
		}
		owners[orders.Owner] = n.room.service
		homes[orders.Owner] = signweb.Home
	}
	n.flow, err = flow.New(flow.Config{
		Orders: startedOrders{n.vault.Store, counts.begun}, Leases: n.vault.Store, Box: box, Short: n.vault.Short, Owners: owners, Results: n.vault.Store,
		Provider: eids.find, Node: id, Boot: n.boot,
		ReturnURL: func(id broker.OrderID, nonce string) string {
			return s.Issuer + "/return/" + string(id) + "?n=" + nonce
		},
		PersonDigest: func(p personnummer.Number) string { return named([]byte(p.Digits())) },
		Log:          c.Log, Now: c.Now, Past: c.past, Observe: counts.observe, Limits: c.Limits,
	})
	if err != nil {
		return err
	}
	assets, err := design.New(folder(s.Logos))
	if err != nil {
		return err
	}
	cookies := page.Cookies{Secure: s.Secure()}
	pages, err := web.NewPages(web.PagesConfig{Issuer: s.Issuer, Assets: assets, Cookies: cookies, Now: c.Now, Log: c.Log})
	if err != nil {
		return err
	}
	op, err := oidc.New(oidc.Config{
		Issuer: s.Issuer, Short: n.vault.Short, Records: n.vault.Store, Clients: registry,
		Keys: tokenKeys{n.vault.Ring}, PersonIndex: persons, PersonDigest: named, Offers: eids.offers, Pages: pages,
		Cookies: cookies, Box: logins, SessionLife: s.SessionLife, EvidenceLife: s.EvidenceLife,
		Levels: eids.levels(), UserSignature: userSignature, Count: counts.answered, Finished: counts.finished, Now: c.Now, Log: c.Log,
	})
	if err != nil {
		return err
	}
	addresses := page.Addresses{Trusted: s.TrustedProxies}
	site, err := web.New(web.Config{
		Pages: pages, Logins: op, Flow: n.flow, Clients: registry, Audit: n.vault.Store,
		Offers: eids.offers, Homes: homes, Documents: eids.documents, Addresses: addresses, Now: c.Now,
	})
	if err != nil {
		return err
	}
	handler, err := n.routes(c, op, site, pages, registry, eids, addresses, counts)
	if err != nil {
		return err
	}
	n.main = newServer(handler, c.Log)
	if n.townhall != nil {
		n.portal = newServer(n.townhall.handler, c.Log)
		n.portal.http.ReadTimeout, n.portal.http.WriteTimeout = uploads, uploads
	}
	n.admin = newServer(n.adminRoutes(c.Registry), c.Log)
	return nil
}

func (n *Node) pending() int {
	if n.flow == nil {
		return 0
	}
	return n.flow.Pending()
}

// folder opens a folder, or gives none.
func folder(name string) fs.FS {
	if name == "" {
		return nil
	}
	return os.DirFS(name)
}

// routes puts machines and applications outside the protection against
// cross-origin requests, since other sites are meant to send people there, and
// our own pages inside it.
func (n *Node) routes(c Config, op *oidc.Provider, site *web.Web, drawn *web.Pages, registry *clients, eids *eids, addresses page.Addresses, counts *metrics) (http.Handler, error) {
	pages, root := http.NewServeMux(), http.NewServeMux()
	site.Routes(pages)
	var refuseAPI http.HandlerFunc // nil: there is none
	if n.room != nil {
		room, err := n.room.routes(pages, root, drawn, op, n.flow, registry, eids.offers, addresses)
		if err != nil {
			return nil, err
		}
		refuseAPI = room.TooMany
	}
	// The issuer is the origin as browsers write it, whatever a proxy makes of Host.
	protection := http.NewCrossOriginProtection()
	if err := protection.AddTrustedOrigin(c.Settings.Issuer); err != nil {
		return nil, fmt.Errorf("issuer: scheme and host alone, since the pages lie at its root: %w", err)
	}
	protection.SetDenyHandler(site.Denied())

	op.Routes(root)
	site.Outside(root)
	root.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { answerPlainly(w, http.StatusOK, "ok\n") })
	root.Handle("GET /readyz", n.ready)
	root.Handle("/", protection.Handler(pages))

	served := func(h http.Handler) http.Handler {
		return page.WithRequestID(accessLog(c.Log, page.Headers(c.Settings.Secure(), h)))
	}
	if n.townhall != nil {
		// The portal asks for many, and is limited itself.
		n.townhall.broker.serve(served(root))
	}
	return served(limits(c, n.vault.Short, addresses, site.TooMany(), refuseAPI, counts, root)), nil
}

// limits puts the limits of each address before next. Who starts an order has to
// keep two.
func limits(c Config, short broker.Short, addresses page.Addresses, refusePerson, refuseAPI http.HandlerFunc, counts *metrics, next http.Handler) http.Handler {
	by := func(name string, rate config.Rate, refuse http.HandlerFunc, next http.Handler) http.Handler {
		return limit(c.limiter(name, rate, short), addresses, func(w http.ResponseWriter, r *http.Request) {
			counts.refused.WithLabelValues(name).Inc()
			refuse(w, r)
		}, next)
	}
	logins := by("logins", c.Settings.LoginsBy, refusePerson, next)
	handlers := map[string]http.Handler{
		"":       next,
		"logins": logins,
		"orders": by("orders", c.Settings.OrdersBy, refusePerson, logins),
		"tokens": by("tokens", c.Settings.TokensBy, refuseClient, next),
		"api":    logins,
	}
	if refuseAPI != nil {
		handlers["api"] = by("api", c.Settings.TokensBy, refuseAPI, next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handlers[limitOf(r)].ServeHTTP(w, r) })
}

func (n *Node) adminRoutes(registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { answerPlainly(w, http.StatusOK, "ok\n") })
	mux.Handle("GET /readyz", n.ready)
	return mux
}

func answerPlainly(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}
