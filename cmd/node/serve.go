package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"sigill/broker/kit/config"
)

// patience is how long everything together may take to stop.
const patience = 20 * time.Second

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
		cert, err := newCertificate(t, c.Log)
		if err != nil {
			return err
		}
		n.main.http.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: cert.get, NextProtos: []string{"h2", "http/1.1"}}
		n.main.listener = tls.NewListener(n.main.listener, n.main.http.TLSConfig)
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
	for _, s := range []*server{n.main, n.admin} {
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

// Run serves until ctx ends or a part fails. Then browsers are let finish,
// after them the calls to issuers; what is not done in time is cut off: orders
// rest in the store and go on at the next start.
func (n *Node) Run(ctx context.Context) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, failing := errgroup.WithContext(background)
	for _, run := range append(n.vault.runs(), n.flow.Run) {
		group.Go(func() error {
			err := run(background)
			if background.Err() != nil && errors.Is(err, context.Canceled) {
				return nil // told to stop in the middle of something: no fault
			}
			return err
		})
	}
	for _, s := range []*server{n.main, n.admin} {
		if s != nil {
			group.Go(func() error {
				if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
					return err
				}
				return nil
			})
		}
	}
	n.log.Info("serving", "issuer", n.settings.Issuer, "address", n.Addr().String())
	ended := make(chan error, 1)
	go func() { ended <- group.Wait() }()

	select {
	case <-ctx.Done():
	case <-failing.Done():
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	for _, s := range []*server{n.main, n.admin} {
		if s != nil && s.http.Shutdown(deadline) != nil {
			s.http.Close()
		}
	}
	stop()
	var err error
	select {
	case err = <-ended:
	case <-deadline.Done():
		err = errors.New("not everything stopped in time")
	}
	if err != nil {
		n.log.Error("stopped", "error", err)
	} else {
		n.log.Info("stopped")
	}
	return errors.Join(err, n.Close())
}

// certificate is the server's own, read anew when its file changes, so that it
// can be renewed without a restart.
type certificate struct {
	files   config.TLS
	log     *slog.Logger
	current atomic.Pointer[tls.Certificate]
	checked atomic.Int64
}

func newCertificate(files config.TLS, log *slog.Logger) (*certificate, error) {
	c := &certificate{files: files, log: log}
	pair, err := tls.LoadX509KeyPair(files.CertificateFile, files.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	c.current.Store(&pair)
	c.checked.Store(time.Now().Unix())
	return c, nil
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	now, last := time.Now().Unix(), c.checked.Load()
	if now-last > 60 && c.checked.CompareAndSwap(last, now) {
		if pair, err := tls.LoadX509KeyPair(c.files.CertificateFile, c.files.KeyFile); err != nil {
			c.log.Error("the certificate cannot be read; the one from before is still used", "error", err)
		} else {
			c.current.Store(&pair)
		}
	}
	return c.current.Load(), nil
}
