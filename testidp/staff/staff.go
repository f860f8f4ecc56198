// Package staff simulates a municipality's own directory: a second OpenID
// Provider, at which case officers log in, with the claim "groups". TEST ONLY:
// whoever comes picks the officer to be, and no password is asked for.
//
// It follows OpenID Connect Core 1.0, Discovery 1.0 and RP-Initiated Logout 1.0
// for the code flow, with PKCE (RFC 7636) demanded. It owns the officers, the
// page where one is picked, codes and ID Tokens, and faults of those. It keeps
// no session: every login shows the page.
package staff

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"sigill/testidp/control"
)

// Name is what the control API calls the directory.
const Name = "staff"

// Where it lies below the simulators' address, and its one client.
const (
	Path          = "/oidc/staff"
	ClientID      = "portal-staff"
	DefaultSecret = "staff-secret"
)

// Config is what a directory needs.
type Config struct {
	BaseURL string // of the simulators, without a slash at the end
	Secret  string // of the client; default DefaultSecret
	// Redirects are beginnings of addresses that the client may have people sent
	// back to, besides those of this machine.
	Redirects []string
	Faults    *control.Faults
	Now       func() time.Time
	Log       *slog.Logger // nil: silent
}

// A Directory logs officers in.
type Directory struct {
	config Config
	key    *ecdsa.PrivateKey
	kid    string

	mu    sync.Mutex
	codes map[string]grant
	auto  string // the officer who logs in without the page; empty: nobody
}

// New makes a directory, with a key of its own.
func New(c Config) (*Directory, error) {
	if c.Secret == "" {
		c.Secret = DefaultSecret
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("staff: %w", err)
	}
	return &Directory{config: c, key: key, kid: random()[:8], codes: map[string]grant{}}, nil
}

// Name implements control.Service.
func (d *Directory) Name() string { return Name }

// FaultModes implements control.Service.
func (d *Directory) FaultModes() []string { return faultModes() }

// Issuer is the directory's name in tokens and the base of its addresses.
func (d *Directory) Issuer() string { return d.config.BaseURL + Path }

// Obey lets an officer log in without the page, from now on; with an empty id
// the page is back. It implements control.Desk.
func (d *Directory) Obey(id string) error {
	if _, ok := officerByID(id); !ok && id != "" {
		return control.Invalid("unknown officer")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.auto = id
	return nil
}

// Handler routes everything under Path.
func (d *Directory) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path, d.overview)
	mux.HandleFunc("GET "+Path+"/.well-known/openid-configuration", d.discovery)
	mux.HandleFunc("GET "+Path+"/jwks", d.jwks)
	mux.HandleFunc("GET "+Path+"/authorize", d.authorize)
	mux.HandleFunc("POST "+Path+"/token", d.token)
	mux.HandleFunc("GET "+Path+"/end_session", d.endSession)
	// A page of another site must not pick an officer for anybody.
	mux.Handle("POST "+Path+"/authorize", http.NewCrossOriginProtection().Handler(http.HandlerFunc(d.picked)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}

func (d *Directory) discovery(w http.ResponseWriter, r *http.Request) {
	if d.config.Faults.Draw(Name)[http503] {
		http.Error(w, "Simulated: out of service", http.StatusServiceUnavailable)
		return
	}
	at := d.Issuer()
	answer(w, http.StatusOK, map[string]any{
		"issuer":                                         at,
		"authorization_endpoint":                         at + "/authorize",
		"token_endpoint":                                 at + "/token",
		"jwks_uri":                                       at + "/jwks",
		"end_session_endpoint":                           at + "/end_session",
		"response_types_supported":                       []string{"code"},
		"response_modes_supported":                       []string{"query"},
		"grant_types_supported":                          []string{"authorization_code"},
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{"ES256"},
		"token_endpoint_auth_methods_supported":          []string{"client_secret_basic", "client_secret_post"},
		"code_challenge_methods_supported":               []string{"S256"},
		"scopes_supported":                               []string{"openid", "profile"},
		"claims_supported":                               []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "name", "groups"},
		"claims_parameter_supported":                     false,
		"request_uri_parameter_supported":                false,
		"authorization_response_iss_parameter_supported": true,
	})
}

func (d *Directory) jwks(w http.ResponseWriter, r *http.Request) {
	point, err := d.key.PublicKey.Bytes() // 0x04, x, y
	if err != nil {
		http.Error(w, "the simulator failed", http.StatusInternalServerError)
		return
	}
	encode := base64.RawURLEncoding.EncodeToString
	answer(w, http.StatusOK, map[string]any{"keys": []map[string]string{{
		"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": d.kid,
		"x": encode(point[1:33]), "y": encode(point[33:]),
	}}})
}

// allowed reports whether people may be sent to an address: one of this machine,
// or one that begins as configured.
func (d *Directory) allowed(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || strings.HasSuffix(address, "#") || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	for _, prefix := range d.config.Redirects {
		if prefix != "" && strings.HasPrefix(address, prefix) {
			return true
		}
	}
	if u.Hostname() == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.IsLoopback()
}

func random() string {
	b := make([]byte, 24)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
