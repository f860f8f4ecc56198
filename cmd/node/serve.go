package node

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"sigill/broker/flow"
)

// grace is how long browsers may take for what they have begun when the node is
// told to stop. One that sends slowly, on purpose perhaps, takes no time from
// what comes after.
const grace = 5 * time.Second

// settling is how long the rest may take to stop: a call to an issuer, writing
// down what came of it, and the audit's last head.
func settling(l flow.Limits) time.Duration {
	return cmp.Or(l.Call, 15*time.Second) + 7*time.Second
}

// server is one listener and what answers there.
type server struct {
	http     *http.Server
	listener net.Listener
}

// newServer sets the limits. The longest honest header is an authorization
// request with claims in its query; it is refused with a page of its own below
// this limit, which is only the last resort.
func newServer(h http.Handler, log *slog.Logger) *server {
	return &server{http: &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
}

// uploads is how long a file may take on its way to the portal from an old phone.
const uploads = 10 * time.Minute

// listen binds the addresses that are not bound already.
func (n *Node) listen(ctx context.Context, c Config) error {
	bind := func(given net.Listener, address string) (net.Listener, error) {
		if given != nil {
			return given, nil
		}
		var network net.ListenConfig
		return network.Listen(ctx, "tcp", address)
	}
	var err error
	if n.main.listener, err = bind(c.Listener, c.Settings.Listen); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if t := c.Settings.TLS; t.CertificateFile != "" {
		cert, err := newCertificate(t, c.Now, c.Log)
		if err != nil {
			return err
		}
		n.certificates.own = append(n.certificates.own, cert.renewal)
		n.main.http.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: cert.get, NextProtos: []string{"h2", "http/1.1"}}
		n.main.listener = tls.NewListener(n.main.listener, n.main.http.TLSConfig)
	}
	if n.portal != nil {
		if n.portal.listener, err = bind(c.PortalListener, c.Settings.Portal.Listen); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		if n.main.http.TLSConfig != nil { // the certificate names the tenants' hosts too
			n.portal.http.TLSConfig = n.main.http.TLSConfig.Clone()
			n.portal.listener = tls.NewListener(n.portal.listener, n.portal.http.TLSConfig)
		}
	}
	requests, err := newRequestMetrics(c.Registry)
	if err != nil {
		return err
	}
	for name, s := range map[string]*server{"main": n.main, "portal": n.portal} {
		if s != nil {
			s.http.Handler = requests.count(name, n.parting(s.http.Handler))
		}
	}
	if c.AdminListener == nil && c.Settings.AdminListen == "" {
		n.admin = nil
		return nil
	}
	if n.admin.listener, err = bind(c.AdminListener, c.Settings.AdminListen); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return nil
}

// Addr is where the node listens.
func (n *Node) Addr() net.Addr { return n.main.listener.Addr() }

// AdminAddr is where metrics are; nil when nowhere.
func (n *Node) AdminAddr() net.Addr {
	if n.admin == nil {
		return nil
	}
	return n.admin.listener.Addr()
}

// Close gives back what New took. Run does it by itself.
func (n *Node) Close() error {
	var errs []error
	for _, s := range []*server{n.main, n.portal, n.admin} {
		if s != nil && s.listener != nil {
			if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if n.vault != nil {
		errs = append(errs, n.vault.Close())
	}
	n.release()
	return errors.Join(errs...)
}

// parting closes each connection with its next answer once the node drains, so
// that who comes again comes to another node.
func (n *Node) parting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.stopping.Load() {
			w.Header().Set("Connection", "close") // HTTP/2 makes it GOAWAY
		}
		next.ServeHTTP(w, r)
	})
}

// Run serves until ctx ends or a part fails. When it is told to stop it says so
// at /readyz and goes on as before, e-ID orders and all, until whoever sends
// people here has seen it. Then browsers are let finish, after them the calls to
// issuers, after them what keeps the rows; what is not done in time is cut off:
// orders rest in the store and go on at another node, or at the next start.
func (n *Node) Run(ctx context.Context) error {
	asking, stopAsking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAsking()
	keeping, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	defer stopKeeping()
	group, failing := errgroup.WithContext(keeping)
	works, keeps := []func(context.Context) error{n.flow.Run}, append(append(n.vault.runs(), n.certificates.Run, n.common.Run), n.eids.runs()...)
	if n.room != nil {
		works = append(works, n.room.works()...)
	}
	if n.townhall != nil {
		works = append(works, n.townhall.works()...)
	}
	group.Go(func() error {
		defer stopKeeping() // their last acts are to get their place in the audit
		busy, working := errgroup.WithContext(asking)
		for _, run := range works {
			busy.Go(func() error { return unlessTold(working, run) })
		}
		return busy.Wait()
	})
	for _, run := range keeps {
		group.Go(func() error { return unlessTold(keeping, run) })
	}
	for _, s := range n.servers() {
		group.Go(func() error {
			if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
	}
	above := newSupervisor(os.Getenv, n.log)
	group.Go(func() error { return above.watch(keeping) })
	above.tell("READY=1")
	n.log.Info("serving", "issuer", n.settings.Issuer, "address", n.Addr().String())
	ended := make(chan error, 1)
	go func() { ended <- group.Wait() }()

	select {
	case <-ctx.Done():
	case <-failing.Done():
	}
	n.stopping.Store(true)
	above.tell("STOPPING=1")
	n.drain(failing.Done())
	n.shutdown()
	stopAsking()
	late := time.NewTimer(n.settling)
	defer late.Stop()
	var err error
	select {
	case err = <-ended:
	case <-late.C:
		err = errors.New("not everything stopped in time")
	}
	if err != nil {
		n.log.Error("stopped", "error", err)
	} else {
		n.log.Info("stopped")
	}
	return errors.Join(err, n.Close())
}

// drain waits until nobody is sent here any more, unless a part has failed: then
// there is nothing to go on with.
func (n *Node) drain(failed <-chan struct{}) {
	if n.settings.Drain <= 0 {
		return
	}
	n.log.Info("draining", "for", n.settings.Drain.String())
	over := time.NewTimer(n.settings.Drain)
	defer over.Stop()
	select {
	case <-over.C:
	case <-failed:
	}
}

// unlessTold makes being stopped in the middle of something no fault.
func unlessTold(ctx context.Context, run func(context.Context) error) error {
	err := run(ctx)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// servers are those that listen, in the order in which they stop: the admin
// listener comes last, since until then it says that nobody should be sent here.
func (n *Node) servers() []*server {
	var list []*server
	for _, s := range []*server{n.main, n.portal, n.admin} {
		if s != nil {
			list = append(list, s)
		}
	}
	return list
}

// shutdown lets requests finish and cuts off the rest.
func (n *Node) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), n.grace)
	defer cancel()
	for _, s := range n.servers() {
		if err := s.http.Shutdown(ctx); err != nil {
			n.log.Warn("requests were cut off", "error", errors.Join(err, s.http.Close()))
		}
	}
}
