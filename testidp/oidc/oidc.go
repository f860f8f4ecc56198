// Package oidc simulates an e-ID whose issuer speaks OpenID Connect: an OpenID
// Provider that people come to with a browser, with a page of its own where they
// say who they are. TEST ONLY: whoever comes picks the person to be.
//
// It owns its clients, authorization requests, the orders made of them, that
// page, codes, tokens, and faults of those. It follows OpenID Connect Core 1.0
// and Discovery 1.0 for the code flow, PKCE (RFC 7636) demanded with S256, pushed
// requests (RFC 9126), client assertions (RFC 7523), and names itself in its
// answers (RFC 9207). Which claims it delivers says a Profile: those of Freja's
// OpenID Connect (freja.md section 7) or those of OIDC Sweden (oidc-provider.md
// section 1). It keeps no session: every login shows the page. It cannot sign.
package oidc

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/persons"
)

// Name is what the control API calls the simulator.
const Name = "oidc"

// Path is where it lies below the simulators' address.
const Path = "/oidc/eid"

// Config is what an issuer needs.
type Config struct {
	BaseURL string // of the simulators, without a slash at the end
	Dir     string // where its key is kept; empty: a new key each time
	Profile Profile
	Clients []Client // default: DefaultClient
	People  *persons.Directory
	Faults  *control.Faults
	Autos   *control.Autos
	Timings Timings
	Now     func() time.Time // nil means time.Now
	Log     *slog.Logger     // nil: silent
}

// Timings are the periods of an issuer. A zero field means what stands beside it.
type Timings struct {
	Order      time.Duration // how long the page waits for the person: 5 min
	Code       time.Duration // how long a code is good: 60 s
	Slow       time.Duration // how much the fault "slow" takes: 3 s
	Remembered time.Duration // how long an order is known that is over: 10 min
}

func (t Timings) withDefaults() Timings {
	for _, d := range []struct {
		at *time.Duration
		is time.Duration
	}{{&t.Order, 5 * time.Minute}, {&t.Code, time.Minute}, {&t.Slow, 3 * time.Second}, {&t.Remembered, 10 * time.Minute}} {
		if *d.at == 0 {
			*d.at = d.is
		}
	}
	return t
}

// An Issuer is a running OpenID Provider. It is safe for concurrent use.
type Issuer struct {
	config  Config
	pages   *template.Template
	salt    []byte // makes subjects
	foreign func() (*signingKey, error)
	fetch   *http.Client // of clients' keys

	done    chan struct{}
	running sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	keys    []*signingKey // the last one signs
	clients map[string]*client
	pushed  map[string]*pushed
	orders  map[string]*order
	line    []*order // the same, oldest first
	codes   map[string]*grant
	tokens  map[string]*grant
	used    map[string]time.Time // client assertions
	last    map[string]string    // the newest genuine ID Token by client and person
}

// New makes an issuer, and its key if there is none. Close ends what runs in the
// background.
func New(c Config) (*Issuer, error) {
	if c.Profile.Name == "" {
		c.Profile = Freja()
	}
	if c.Clients == nil {
		c.Clients = []Client{DefaultClient()}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Faults == nil {
		c.Faults = &control.Faults{}
	}
	if c.Autos == nil {
		c.Autos = &control.Autos{}
	}
	if c.People == nil {
		c.People = persons.All()
	}
	c.Timings = c.Timings.withDefaults()
	key, err := loadKey(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("oidc: %w", err)
	}
	pages, err := template.New("").ParseFS(assets, "assets/pages.html")
	if err != nil {
		return nil, fmt.Errorf("oidc: %w", err)
	}
	salt := sha256.Sum256(x509.MarshalPKCS1PrivateKey(key.private))
	i := &Issuer{
		config: c, pages: pages, salt: salt[:], keys: []*signingKey{key},
		foreign: sync.OnceValues(newKey),
		fetch:   loopbackClient(),
		done:    make(chan struct{}),
		clients: map[string]*client{}, pushed: map[string]*pushed{}, orders: map[string]*order{},
		codes: map[string]*grant{}, tokens: map[string]*grant{}, used: map[string]time.Time{}, last: map[string]string{},
	}
	for _, one := range c.Clients {
		i.Register(one)
	}
	return i, nil
}

// Close stops obedient persons who have not acted yet.
func (i *Issuer) Close() {
	i.mu.Lock()
	if !i.closed {
		i.closed = true
		close(i.done)
	}
	i.mu.Unlock()
	i.running.Wait()
	i.fetch.CloseIdleConnections()
}

// Issuer is its name in tokens and the base of its addresses.
func (i *Issuer) Issuer() string { return i.config.BaseURL + Path }

// Handler routes everything under Path.
func (i *Issuer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path+"/.well-known/openid-configuration", i.behind(i.discovery))
	mux.HandleFunc("GET "+Path+"/jwks", i.behind(i.jwks))
	mux.HandleFunc("POST "+Path+"/par", i.behind(i.push))
	mux.HandleFunc("POST "+Path+"/token", i.behind(i.token))
	mux.HandleFunc("GET "+Path+"/userinfo", i.behind(i.userinfo))
	mux.HandleFunc("POST "+Path+"/userinfo", i.behind(i.userinfo))
	mux.HandleFunc("GET "+Path+"/authorize", i.authorize)
	mux.HandleFunc("POST "+Path+"/authorize", i.authorize)
	mux.HandleFunc("GET "+Path, i.overview)
	mux.HandleFunc("GET "+Path+"/o/{id}", i.show)
	mux.HandleFunc("GET "+Path+"/o/{id}/state", i.state)
	mux.HandleFunc("GET "+Path+"/page.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, assets, "assets/page.js")
	})
	// A page of another site must not decide for anybody.
	mux.Handle("POST "+Path+"/o/{id}", http.NewCrossOriginProtection().Handler(http.HandlerFunc(i.press)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}

// behind wraps what clients call themselves, where the faults of an HTTP exchange
// happen. An answer is given whole: one that is to be dropped has had its effect.
func (i *Issuer) behind(serve func(*http.Request, control.Drawn) reply) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f := i.config.Faults.Draw(Name)
		if f[slow] {
			select {
			case <-time.After(i.config.Timings.Slow):
			case <-r.Context().Done():
			case <-i.done:
			}
		}
		if f[http503] {
			http.Error(w, "Simulated: out of service", http.StatusServiceUnavailable)
			return
		}
		if f[http500] {
			http.Error(w, "Simulated: broken", http.StatusInternalServerError)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		a := serve(r, f)
		switch {
		case f[drop]:
			panic(http.ErrAbortHandler) // net/http's way to cut a connection
		case f[garbage]:
			w.Header().Set("Content-Type", "application/json")
			w.Write([]byte("{{{ this is not JSON"))
			return
		case f[html200]:
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Write([]byte("<!DOCTYPE html><title>Simulated</title><p>Simulated: maintenance.</p>"))
			return
		case f[huge]:
			w.Header().Set("Content-Type", "application/json")
			flood(w)
			return
		}
		a.write(w)
	}
}

// flood writes some megabytes of JSON that never says anything.
func flood(w http.ResponseWriter) {
	w.Write([]byte(`{"x":"`))
	block := make([]byte, 64<<10)
	for j := range block {
		block[j] = 'x'
	}
	for range 128 {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
	w.Write([]byte(`"}`))
}

// A reply is an answer to a client's own call.
type reply struct {
	status    int
	mediaType string // default application/json
	body      []byte
	challenge string // WWW-Authenticate
}

func (a reply) write(w http.ResponseWriter) {
	if a.mediaType == "" {
		a.mediaType = "application/json"
	}
	w.Header().Set("Content-Type", a.mediaType)
	if a.challenge != "" {
		w.Header().Set("WWW-Authenticate", a.challenge)
	}
	w.WriteHeader(a.status)
	w.Write(a.body)
}

func say(status int, body any) reply {
	data, err := json.Marshal(body)
	if err != nil {
		return reply{status: http.StatusInternalServerError, mediaType: "text/plain", body: []byte("the simulator failed\n")}
	}
	return reply{status: status, body: data}
}

func refuse(status int, code, why string) reply {
	return say(status, map[string]string{"error": code, "error_description": why})
}

func (i *Issuer) discovery(r *http.Request, f control.Drawn) reply {
	at, p := i.Issuer(), i.config.Profile
	d := map[string]any{
		"issuer":                                           at,
		"authorization_endpoint":                           at + "/authorize",
		"pushed_authorization_request_endpoint":            at + "/par",
		"token_endpoint":                                   at + "/token",
		"userinfo_endpoint":                                at + "/userinfo",
		"jwks_uri":                                         at + "/jwks",
		"require_pushed_authorization_requests":            false,
		"response_types_supported":                         []string{"code"},
		"response_modes_supported":                         []string{"query", "form_post"},
		"grant_types_supported":                            []string{"authorization_code"},
		"subject_types_supported":                          []string{"pairwise"},
		"id_token_signing_alg_values_supported":            []string{"RS256"},
		"token_endpoint_auth_methods_supported":            []string{"private_key_jwt", "client_secret_basic", "client_secret_post"},
		"token_endpoint_auth_signing_alg_values_supported": assertionAlgorithms(),
		"code_challenge_methods_supported":                 []string{"S256"},
		"prompt_values_supported":                          []string{"none", "login", "consent", "select_account"},
		"ui_locales_supported":                             []string{"sv", "en"},
		"scopes_supported":                                 p.scopes(),
		"claims_supported":                                 p.claimNames(),
		"claims_parameter_supported":                       p.ClaimsParameter,
		"request_parameter_supported":                      false,
		"request_uri_parameter_supported":                  false,
		"authorization_response_iss_parameter_supported":   true,
	}
	if p.ACR != "" {
		d["acr_values_supported"] = []string{p.ACR}
	}
	if p.SignedUserInfo {
		d["userinfo_signing_alg_values_supported"] = []string{"RS256"}
	}
	if p.UserMessage {
		d["https://id.oidc.se/disco/userMessageSupported"] = true
		d["https://id.oidc.se/disco/userMessageSupportedMimeTypes"] = []string{"text/plain"}
	}
	if f[discoveryIssuer] {
		d["issuer"] = at + "/other"
	}
	if f[extraClaims] {
		d["x_simulated"] = map[string]any{"nothing": nil}
	}
	return say(http.StatusOK, d)
}

func (i *Issuer) jwks(r *http.Request, f control.Drawn) reply {
	i.mu.Lock()
	defer i.mu.Unlock()
	list := []map[string]string{}
	for _, k := range i.keys {
		list = append(list, k.public())
	}
	return say(http.StatusOK, map[string]any{"keys": list})
}

// sub is the person's name at one client, the same each time (OpenID Connect Core
// section 8.1).
func (i *Issuer) sub(client, number string) string {
	mac := hmac.New(sha256.New, i.salt)
	mac.Write([]byte(client + "\x00" + number))
	return hex.EncodeToString(mac.Sum(nil))
}

func random() string {
	b := make([]byte, 24)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

func newKey() (*signingKey, error) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	return signing(k), nil
}
