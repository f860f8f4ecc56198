// Package testidp is the simulated side of e-identification: persons, their
// keys, the issuers' services and a phone. TEST ONLY: it hands anybody's
// identity to whoever asks, and only demo and test programs may link it.
//
// It composes the simulators and serves them: the phone and the control API
// over plain http (DESIGN.md section 6), each issuer's own interface as that
// issuer documents it. It imports nothing of the programs under test, so that
// one misreading of a document cannot hide in both ends.
package testidp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"sigill/testidp/bankid"
	"sigill/testidp/control"
	"sigill/testidp/persons"
	"sigill/testidp/phone"
	"sigill/testidp/pki"
)

// The addresses of the demo.
const (
	DefaultListen       = "localhost:8082"
	DefaultBankIDListen = "localhost:8443"
)

// DefaultRelyingParty is the name in the relying party's certificate that
// Material hands out.
const DefaultRelyingParty = "Sigill Test"

// Config says where to listen and how fast time passes. The zero value is the
// demo.
type Config struct {
	Listen         string           // phone and control API; default DefaultListen
	BankIDListen   string           // BankID's relying-party API; default DefaultBankIDListen
	BaseURL        string           // how browsers reach Listen; default http://localhost:<port>
	CacheDir       string           // keys; default under the user's cache folder
	RelyingParties []string         // display names that get certificates of their own, besides the default
	BankID         bankid.Timings   // zero fields: the genuine values
	Now            func() time.Time // default time.Now
	Log            *slog.Logger     // default: silent
}

// A Server is a set of simulators that listen. New binds the addresses, Run
// serves them.
type Server struct {
	config Config
	pki    *pki.PKI
	api    *control.API
	bankID *bankid.Simulator

	web, rp net.Listener
	handler http.Handler
}

// New loads or makes the keys and binds the addresses.
func New(ctx context.Context, c Config) (*Server, error) {
	if c.Listen == "" {
		c.Listen = DefaultListen
	}
	if c.BankIDListen == "" {
		c.BankIDListen = DefaultBankIDListen
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	keys, err := pki.Open(ctx, pki.Config{Dir: c.CacheDir, Now: c.Now, Log: c.Log})
	if err != nil {
		return nil, err
	}
	s := &Server{config: c, pki: keys}
	var listen net.ListenConfig
	if s.web, err = listen.Listen(ctx, "tcp", c.Listen); err != nil {
		return nil, fmt.Errorf("testidp: %w", err)
	}
	if s.rp, err = listen.Listen(ctx, "tcp", c.BankIDListen); err != nil {
		s.web.Close()
		return nil, fmt.Errorf("testidp: %w", err)
	}
	if s.config.BaseURL == "" {
		s.config.BaseURL = fmt.Sprintf("http://localhost:%d", port(s.web))
	}
	s.config.BaseURL = strings.TrimSuffix(s.config.BaseURL, "/")

	people := persons.All()
	faults, autos := &control.Faults{}, &control.Autos{}
	s.bankID = bankid.New(bankid.Config{
		PKI: keys, People: people, Faults: faults, Autos: autos, Timings: c.BankID, Now: c.Now, Log: c.Log,
	})
	s.api = &control.API{People: people, Simulators: []control.Simulator{s.bankID}, Faults: faults, Autos: autos}
	if s.handler, err = s.routes(); err == nil {
		// Made now, so that the first login does not wait for it.
		for _, display := range append([]string{DefaultRelyingParty}, c.RelyingParties...) {
			if _, _, e := keys.RelyingParty(display); e != nil {
				err = e
			}
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close frees the addresses of a server that is never run.
func (s *Server) Close() error {
	s.bankID.Close()
	return errors.Join(s.web.Close(), s.rp.Close())
}

// Handler serves the phone and the control API.
func (s *Server) Handler() http.Handler { return s.handler }

// URL is the address of the phone and the control API, without a slash at the end.
func (s *Server) URL() string { return s.config.BaseURL }

// BankIDURL is the base of BankID's relying-party API.
func (s *Server) BankIDURL() string {
	return fmt.Sprintf("https://localhost:%d%s", port(s.rp), bankid.BasePath)
}

func (s *Server) routes() (http.Handler, error) {
	screen, err := phone.New(s.api.People, s.api.Simulators, s.api.Autos)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", screen.Handler())
	// A page of another site that a tester has open must not act for him.
	mux.Handle("/control/", http.NewCrossOriginProtection().Handler(s.api.Handler()))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("ok\n")) })
	return mux, nil
}

// Run serves until the context ends.
func (s *Server) Run(ctx context.Context) error {
	quiet := log.New(logWriter{s.config.Log}, "", 0)
	web := &http.Server{Handler: s.handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: quiet}
	rp := &http.Server{Handler: s.bankID.Handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: quiet, TLSConfig: &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{s.pki.Server()},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    s.pki.RelyingParties(),
	}}
	// HTTP/1.1 is what the documents mention (bankid.md section 1).
	rp.Protocols = new(http.Protocols)
	rp.Protocols.SetHTTP1(true)

	ended := make(chan error, 2)
	go func() { ended <- web.Serve(s.web) }()
	go func() { ended <- rp.ServeTLS(s.rp, "", "") }()
	var err error
	select {
	case <-ctx.Done():
	case err = <-ended:
		ended <- nil
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if web.Shutdown(deadline) != nil {
		web.Close()
	}
	if rp.Shutdown(deadline) != nil {
		rp.Close()
	}
	s.bankID.Close()
	for range 2 {
		if e := <-ended; e != nil && !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// logWriter sends the lines of net/http to slog.
type logWriter struct{ log *slog.Logger }

func (l logWriter) Write(b []byte) (int, error) {
	l.log.Debug("http", "line", strings.TrimSpace(string(b)))
	return len(b), nil
}
