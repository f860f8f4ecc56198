// Package testidp is the simulated side of e-identification: persons, their
// keys, the issuers' services and a phone. TEST ONLY: it hands anybody's
// identity to whoever asks, and only demo and test programs may link it.
//
// It composes the simulators and serves them: the phone, the inbox and the
// control API over plain http (DESIGN.md section 6), each issuer's own
// interface as that issuer documents it (BankID and Freja over mTLS, the SAML IdP
// and the OIDC e-ID beside the phone), what carries messages (a mail server and
// SMS gateways), the population register, and the login of case officers. It
// imports nothing of the programs under test, so that one misreading of a
// document cannot hide in both ends.
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
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sigill/testidp/bankid"
	"sigill/testidp/control"
	"sigill/testidp/freja"
	"sigill/testidp/inbox"
	"sigill/testidp/mail"
	"sigill/testidp/oidc"
	"sigill/testidp/persons"
	"sigill/testidp/phone"
	"sigill/testidp/pki"
	"sigill/testidp/register"
	"sigill/testidp/saml"
	"sigill/testidp/sms"
	"sigill/testidp/staff"
)

// The addresses of the demo.
const (
	DefaultListen       = "localhost:8082"
	DefaultBankIDListen = "localhost:8443"
	DefaultFrejaListen  = "localhost:8444"
	DefaultMailListen   = "127.0.0.1:8025"
)

// Telia is the name of the SAML IdP.
const Telia = "telia"

const samlPath = "/saml/"

// DefaultRelyingParty is the name in the relying party's certificate that
// Material hands out.
const DefaultRelyingParty = "Sigill Test"

// Config says where to listen and how fast time passes. The zero value is the
// demo.
type Config struct {
	Listen         string             // phone, inbox, SMS gateways and control API; default DefaultListen
	BankIDListen   string             // BankID's relying-party API; default DefaultBankIDListen
	FrejaListen    string             // Freja's REST services; default DefaultFrejaListen, or a free port where BankIDListen asks for one
	MailListen     string             // SMTP; default DefaultMailListen, or a free port where Listen asks for one
	BaseURL        string             // how browsers reach Listen; default http://localhost:<port>
	SAMLBaseURL    string             // the same for SAML, another site on purpose; default http://127.0.0.1:<port>
	CacheDir       string             // keys; default under the user's cache folder
	RelyingParties []string           // display names that get certificates of their own, besides the default
	BankID         bankid.Timings     // zero fields: the genuine values
	Freja          freja.Timings      // zero fields: the genuine values
	FrejaX5C       bool               // Freja's signatures bring the person's certificate along
	Telia          func(*saml.Config) // changes the SAML IdP before it is made; nil: the demo's
	OIDC           oidc.Timings       // zero fields: see there
	OIDCProfile    oidc.Profile       // which claims the OIDC e-ID delivers; default oidc.Freja
	OIDCClients    []oidc.Client      // who may use the OIDC e-ID; default oidc.DefaultClient
	Messages       MessageTimings     // zero fields: see there
	RegisterToken  string             // who may ask the population register; default register.DefaultToken
	RegisterSlow   time.Duration      // how much the register's fault "slow" takes: 10 s
	StaffSecret    string             // of the officers' login's client; default staff.DefaultSecret
	StaffRedirects []string           // beginnings of addresses that the officers' login may lead back to, besides this machine's
	Now            func() time.Time   // default time.Now
	Log            *slog.Logger       // default: silent
}

// MessageTimings say how fast mail and SMS are.
type MessageTimings struct {
	Slow   time.Duration // how much the fault "slow" takes: 3 s
	Report time.Duration // how long an SMS is on its way to its next delivery report: 500 ms
}

// A Server is a set of simulators that listen. New binds the addresses, Run
// serves them.
type Server struct {
	config Config
	pki    *pki.PKI
	api    *control.API
	bankID *bankid.Simulator
	freja  *freja.Simulator
	telia  *saml.IdP
	oidc   *oidc.Issuer
	inbox  *inbox.Inbox
	mail   *mail.Server
	sms    *sms.Gateway

	register *register.Register
	staff    *staff.Directory

	web, rp, frejaRP, smtp net.Listener
	handler                http.Handler
}

// New loads or makes the keys and binds the addresses.
func New(ctx context.Context, c Config) (*Server, error) {
	if c.Listen == "" {
		c.Listen = DefaultListen
	}
	if c.BankIDListen == "" {
		c.BankIDListen = DefaultBankIDListen
	}
	if c.FrejaListen == "" {
		c.FrejaListen = DefaultFrejaListen
		if strings.HasSuffix(c.BankIDListen, ":0") {
			c.FrejaListen = "127.0.0.1:0"
		}
	}
	if c.MailListen == "" {
		c.MailListen = DefaultMailListen
		if strings.HasSuffix(c.Listen, ":0") {
			c.MailListen = "127.0.0.1:0"
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.CacheDir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("testidp: no cache folder: %w", err)
		}
		c.CacheDir = filepath.Join(base, "sigill", "testidp")
	}
	keys, err := pki.Open(ctx, pki.Config{Dir: c.CacheDir, Now: c.Now, Log: c.Log})
	if err != nil {
		return nil, err
	}
	s := &Server{config: c, pki: keys}
	var listen net.ListenConfig
	for _, l := range []struct {
		at      *net.Listener
		address string
	}{{&s.web, c.Listen}, {&s.rp, c.BankIDListen}, {&s.frejaRP, c.FrejaListen}, {&s.smtp, c.MailListen}} {
		if *l.at, err = listen.Listen(ctx, "tcp", l.address); err != nil {
			return nil, errors.Join(fmt.Errorf("testidp: %w", err), s.closeListeners())
		}
	}
	if s.config.BaseURL == "" {
		s.config.BaseURL = fmt.Sprintf("http://localhost:%d", port(s.web))
	}
	s.config.BaseURL = strings.TrimSuffix(s.config.BaseURL, "/")
	if s.config.SAMLBaseURL == "" {
		// By number: for a browser that is another site than localhost.
		ip := s.web.Addr().(*net.TCPAddr).AddrPort().Addr().Unmap()
		if ip.IsUnspecified() {
			ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		s.config.SAMLBaseURL = "http://" + netip.AddrPortFrom(ip, uint16(port(s.web))).String()
	}
	s.config.SAMLBaseURL = strings.TrimSuffix(s.config.SAMLBaseURL, "/")

	people := persons.All()
	faults, autos := &control.Faults{}, &control.Autos{}
	s.inbox = inbox.New(c.Now)
	s.bankID = bankid.New(bankid.Config{
		PKI: keys, People: people, Faults: faults, Autos: autos, Timings: c.BankID, Now: c.Now, Log: c.Log,
	})
	s.freja, err = freja.New(freja.Config{
		PKI: keys, People: people, Faults: faults, Autos: autos, Timings: c.Freja, Now: c.Now, Log: c.Log,
		AppURL: s.config.BaseURL + phone.AppPath + "/" + freja.Name, UserCertificates: c.FrejaX5C,
	})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	telia := saml.Config{
		BaseURL: s.config.SAMLBaseURL, Path: samlPath + Telia, Name: Telia,
		Title: saml.Title{SV: "Telia e-legitimation", EN: "Telia e-legitimation"},
		PKI:   keys, People: people, Faults: faults, Autos: autos, Now: c.Now, Log: c.Log,
	}
	if c.Telia != nil {
		c.Telia(&telia)
	}
	if s.telia, err = saml.New(telia); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.oidc, err = oidc.New(oidc.Config{
		BaseURL: s.config.BaseURL, Dir: c.CacheDir, Profile: c.OIDCProfile, Clients: c.OIDCClients,
		People: people, Faults: faults, Autos: autos, Timings: c.OIDC, Now: c.Now, Log: c.Log,
	})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.mail = mail.New(mail.Config{Inbox: s.inbox, Faults: faults, Slow: c.Messages.Slow, Log: c.Log})
	s.sms = sms.New(sms.Config{Inbox: s.inbox, Faults: faults, Slow: c.Messages.Slow, Report: c.Messages.Report, Log: c.Log})
	s.register = register.New(register.Config{People: people, Faults: faults, Token: c.RegisterToken, Slow: c.RegisterSlow, Log: c.Log})
	s.staff, err = staff.New(staff.Config{
		BaseURL: s.config.BaseURL, Secret: c.StaffSecret, Redirects: c.StaffRedirects, Faults: faults, Now: c.Now, Log: c.Log,
	})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.api = &control.API{
		People: people, Simulators: []control.Simulator{s.bankID, s.freja, s.telia, s.oidc}, Services: []control.Service{s.mail, s.sms, s.register, s.staff},
		Inbox: s.inbox, Faults: faults, Autos: autos, Staff: s.staff,
	}
	if s.handler, err = s.routes(); err == nil {
		// Made now, so that the first login does not wait for it.
		for _, display := range append([]string{DefaultRelyingParty}, c.RelyingParties...) {
			_, _, e := keys.RelyingParty(display)
			err = errors.Join(err, e, s.freja.Register(display))
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close frees the addresses of a server that is never run.
func (s *Server) Close() error {
	s.closeSimulators()
	return s.closeListeners()
}

// closeSimulators ends what runs in the background, of those that there are.
func (s *Server) closeSimulators() {
	if s.sms != nil {
		s.sms.Close()
	}
	if s.mail != nil {
		s.mail.Close()
	}
	if s.bankID != nil {
		s.bankID.Close()
	}
	if s.freja != nil {
		s.freja.Close()
	}
	if s.telia != nil {
		s.telia.Close()
	}
	if s.oidc != nil {
		s.oidc.Close()
	}
}

func (s *Server) closeListeners() error {
	var err error
	for _, l := range []net.Listener{s.web, s.rp, s.frejaRP, s.smtp} {
		if l != nil {
			err = errors.Join(err, l.Close())
		}
	}
	return err
}

// RegisterURL is the base of the population register, to which /persons is
// added.
func (s *Server) RegisterURL() string { return s.URL() + register.Path }

// StaffIssuer is the OpenID Connect issuer of the officers' login.
func (s *Server) StaffIssuer() string { return s.staff.Issuer() }

// SAMLURL is the base of a SAML IdP ("telia"), without a slash at the end: its
// metadata, which is its name too, is at /metadata, the signed feed at /feed. It is
// empty for an IdP that there is not.
func (s *Server) SAMLURL(name string) string {
	if name != Telia {
		return ""
	}
	return s.config.SAMLBaseURL + samlPath + name
}

// SAML is the SAML IdP of a name ("telia"), for its names and certificates; nil if
// there is none.
func (s *Server) SAML(name string) *saml.IdP {
	if name != Telia {
		return nil
	}
	return s.telia
}

// OIDCIssuer is the issuer of the OIDC e-ID.
func (s *Server) OIDCIssuer() string { return s.oidc.Issuer() }

// OIDCClient lets a client use the OIDC e-ID from now on, instead of the one with
// that id.
func (s *Server) OIDCClient(c oidc.Client) { s.oidc.Register(c) }

// Handler serves the phone, the inbox, the SMS gateways, the population register,
// the officers' login, the SAML IdP, the OIDC e-ID and the control API.
func (s *Server) Handler() http.Handler { return s.handler }

// URL is the address of what Handler serves, without a slash at the end.
func (s *Server) URL() string { return s.config.BaseURL }

// BankIDURL is the base of BankID's relying-party API.
func (s *Server) BankIDURL() string {
	return fmt.Sprintf("https://localhost:%d%s", port(s.rp), bankid.BasePath)
}

// FrejaURL is the base of Freja's REST services, without a slash at the end.
func (s *Server) FrejaURL() string { return fmt.Sprintf("https://localhost:%d", port(s.frejaRP)) }

// MailAddress is where the mail server takes SMTP: host and port.
func (s *Server) MailAddress() string { return s.smtp.Addr().String() }

// ElksURL is the base of the simulated 46elks, to which /a1/sms is added.
func (s *Server) ElksURL() string { return s.URL() + sms.ElksPath }

// SMSURL is the address of the plain SMS gateway.
func (s *Server) SMSURL() string { return s.URL() + sms.SendPath }

func (s *Server) routes() (http.Handler, error) {
	screen, err := phone.New(phone.Config{
		BaseURL: s.config.BaseURL, People: s.api.People, Autos: s.api.Autos, Inbox: s.inbox,
		Apps: []control.Simulator{s.bankID, s.freja}, Sites: []control.Simulator{s.telia, s.oidc},
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", screen.Handler())
	// A page of another site that a tester has open must not act for him.
	mux.Handle("/control/", http.NewCrossOriginProtection().Handler(s.api.Handler()))
	mux.Handle("/sms/", s.sms.Handler())
	for _, path := range []string{register.Path, register.Path + "/"} {
		mux.Handle(path, s.register.Handler())
	}
	for _, path := range []string{staff.Path, staff.Path + "/"} {
		mux.Handle(path, s.staff.Handler())
	}
	for _, path := range []string{oidc.Path, oidc.Path + "/"} {
		mux.Handle(path, s.oidc.Handler())
	}
	mux.Handle(samlPath, s.telia.Handler())
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
	frejaRP := &http.Server{Handler: s.freja.Handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: quiet, TLSConfig: s.freja.TLSConfig()}

	serve := []func() error{
		func() error { return web.Serve(s.web) },
		func() error { return rp.ServeTLS(s.rp, "", "") },
		func() error { return frejaRP.ServeTLS(s.frejaRP, "", "") },
		func() error { return s.mail.Serve(s.smtp) },
	}
	ended := make(chan error, len(serve))
	for _, f := range serve {
		go func() { ended <- f() }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-ended:
		ended <- nil
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	s.sms.Close() // these first, since a slow answer would hold up the next
	s.oidc.Close()
	for _, h := range []*http.Server{web, rp, frejaRP} {
		if h.Shutdown(deadline) != nil {
			h.Close()
		}
	}
	s.closeSimulators()
	for range serve {
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
