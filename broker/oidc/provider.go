// Package oidc is the OpenID Provider of the broker: it turns an application's
// authorization request into a Login, and a verified e-ID identity into a code,
// an ID Token and claims.
//
// It owns the protocol and nothing of what people see: pages are drawn by
// broker/web through Pages, e-ID orders are run by broker/flow, rows are kept by
// broker/store. It makes no cryptography of its own: tokens are golang-jwt's,
// always with an explicit list of algorithms, and keys are crypto.Signers.
//
// It follows OpenID Connect Core 1.0, Discovery 1.0, RP-Initiated Logout 1.0,
// OAuth 2.0 (RFC 6749 with client credentials for signing, 6750, 7009, 7523,
// 7636, 8414, 9207, 9700), The Swedish OpenID Connect Profile 1.0, and OIDC Sweden's
// Claims and Scopes 1.0 and Request Parameter Extensions 1.1. Not here: pushed
// requests, request objects, refresh tokens, back-channel logout. Discovery says
// so.
//
// Pages of ours that need to know who stands before them, as the signing room
// does, have them log in by the same way (Local) and read the session
// (Session); no protocol is spoken with them.
package oidc

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sigill/broker"
	"sigill/broker/kit/page"
	"sigill/providers"
)

// Limits of the specifications that configuration may tighten, never exceed.
const (
	maxSessionLife = time.Hour       // Sweden Connect OIDC profile 1.0
	maxIDTokenLife = 5 * time.Minute // The Swedish OpenID Connect Profile 1.0
	maxCodeLife    = time.Minute     // FAPI 2.0
)

// Box seals what must not be read from a disk. The context binds the sealed
// bytes to the row they stand in.
type Box interface {
	Seal(plain, context []byte) []byte
	Open(sealed, context []byte) ([]byte, error)
}

// Config is what a Provider needs. Lifetimes that are zero get the values in
// parentheses; UserSignature, Levels, Count, Finished, Now and Log may be left out.
type Config struct {
	// Issuer is our name and the prefix of all our addresses: no slash at the end.
	Issuer  string
	Short   broker.Short
	Records Records
	Clients Clients
	Keys    Keys
	// PersonIndex is the keyed index of a person's twelve digits, PersonDigest
	// how the audit names the person. Their keys differ, so that the audit alone
	// leads to no record.
	PersonIndex  func(digits []byte) []byte
	PersonDigest func(digits []byte) string
	// Offers are the configured e-IDs that a client may use, in the order shown.
	Offers  func(broker.Client) []providers.Info
	Pages   Pages
	Cookies page.Cookies
	Box     Box

	SessionLife  time.Duration // at most and by default 60 min
	LoginLife    time.Duration // (15 min)
	CodeLife     time.Duration // at most and by default 60 s
	TokenLife    time.Duration // (5 min)
	IDTokenLife  time.Duration // at most and by default 5 min
	EvidenceLife time.Duration // (90 days)

	// Levels are what the installation's e-IDs reach, for discovery
	// (LevelUncertified3 alone).
	Levels []providers.Level
	// UserSignature takes the person's own signature out of an e-ID's evidence,
	// for the claim userSignature; nil where it has none.
	UserSignature func(providers.Evidence) []byte
	// Count is told of every answer, for metrics: the endpoint and an outcome
	// from a closed list.
	Count func(endpoint, outcome string)
	// Finished is told of every login that a person was asked for and that was
	// answered: with which e-ID, if one was chosen, with the outcome that Count gets,
	// and how long after it began.
	Finished func(with providers.ID, outcome string, took time.Duration)
	Now      func() time.Time
	Log      *slog.Logger
}

// Provider is the OpenID Provider. It keeps nothing in memory but what can be
// computed again, so that any node can continue any login.
type Provider struct {
	Config
	path      string // of the issuer: usually empty
	discovery []byte
	jwks      *publishedKeys
	// ownPages tells our own pages from those of other sites.
	ownPages *http.CrossOriginProtection
}

// New checks the configuration and starts nothing.
func New(c Config) (*Provider, error) {
	u, err := url.Parse(c.Issuer)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" ||
		u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.HasSuffix(c.Issuer, "/") {
		return nil, fmt.Errorf("oidc: issuer %q is not an absolute URL without query, fragment and final slash", c.Issuer)
	}
	if c.Short == nil || c.Records == nil || c.Clients == nil || c.Keys == nil || c.PersonIndex == nil || c.PersonDigest == nil ||
		c.Offers == nil || c.Pages == nil || c.Box == nil {
		return nil, errors.New("oidc: incomplete configuration")
	}
	for _, d := range []struct {
		name    string
		value   *time.Duration
		usual   time.Duration
		highest time.Duration
	}{
		{"session", &c.SessionLife, maxSessionLife, maxSessionLife},
		{"login", &c.LoginLife, 15 * time.Minute, 0},
		{"code", &c.CodeLife, maxCodeLife, maxCodeLife},
		{"access token", &c.TokenLife, 5 * time.Minute, time.Hour},
		{"ID token", &c.IDTokenLife, maxIDTokenLife, maxIDTokenLife},
		{"evidence", &c.EvidenceLife, 90 * 24 * time.Hour, 0},
	} {
		if *d.value == 0 {
			*d.value = d.usual
		}
		if *d.value < 0 || d.highest > 0 && *d.value > d.highest {
			return nil, fmt.Errorf("oidc: the %s may live at most %s", d.name, d.highest)
		}
	}
	if len(c.Levels) == 0 {
		c.Levels = []providers.Level{providers.LevelUncertified3}
	}
	if c.Count == nil {
		c.Count = func(string, string) {}
	}
	if c.Finished == nil {
		c.Finished = func(providers.ID, string, time.Duration) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	p := &Provider{Config: c, path: u.EscapedPath(), jwks: &publishedKeys{keys: c.Keys}, ownPages: http.NewCrossOriginProtection()}
	// As browsers write it, whatever a proxy makes of Host.
	if err := p.ownPages.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
		return nil, fmt.Errorf("oidc: issuer: %w", err)
	}
	p.discovery, err = p.metadata()
	return p, err
}

// Routes adds the endpoints. They belong on a mux outside any cross-origin
// protection: other sites are meant to send people here, and what matters is
// protected on its own.
func (p *Provider) Routes(mux *http.ServeMux) {
	cors := func(path string, methods string, h http.HandlerFunc) {
		for m := range strings.FieldsSeq(methods) {
			mux.HandleFunc(m+" "+path, allowAnyOrigin(h))
		}
		mux.HandleFunc("OPTIONS "+path, preflight(methods))
	}
	cors(p.path+"/.well-known/openid-configuration", "GET", p.serveDiscovery)
	cors("/.well-known/oauth-authorization-server"+p.path, "GET", p.serveDiscovery)
	cors(p.path+"/jwks", "GET", p.serveJWKS)
	cors(p.path+"/token", "POST", p.token)
	cors(p.path+"/revoke", "POST", p.revocation)
	cors(p.path+"/userinfo", "GET POST", p.userinfo)

	mux.HandleFunc("GET "+p.path+"/authorize", p.authorize)
	mux.HandleFunc("POST "+p.path+"/authorize", p.authorizePosted)
	mux.HandleFunc("GET "+p.path+"/authorize/{handle}", p.authorizeStored)

	mux.HandleFunc("GET "+p.path+"/logout", p.logout)
	mux.HandleFunc("POST "+p.path+"/logout", p.logoutPosted)
	mux.HandleFunc("GET "+p.path+"/logout/{handle}", p.logoutStored)
	mux.HandleFunc("POST "+p.path+"/logout/{handle}", p.logoutConfirmed)
}

func (p *Provider) endpoint(name string) string { return p.Issuer + "/" + name }

// allowAnyOrigin lets scripts of any site read the answer. None of these
// endpoints reads a cookie.
func allowAnyOrigin(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate")
		h(w, r)
	}
}

func preflight(methods string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Allow-Methods", strings.Join(strings.Fields(methods), ", "))
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
		h.Set("Access-Control-Max-Age", "3600")
		w.WriteHeader(http.StatusNoContent)
	}
}
