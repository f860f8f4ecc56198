// Package saml simulates an identity provider of the Swedish eID framework, such
// as the one that stands behind Telia e-legitimation: SAML 2.0 Web SSO with the
// Deployment Profile of Sweden Connect. TEST ONLY: whoever comes picks the person
// to be.
//
// It owns metadata and feed, requests and their checks, orders and the page on
// which people decide, responses, and faults of all those. It is written from
// telia-saml.md alone: sections 2.1 to 2.4, 2.6 and 2.7 (metadata, messages,
// extensions), 4.4 (what a verifier accepts), 4.5 (faults), 5 and 7. XML is
// read, written, signed and encrypted here and with nothing that a service
// provider uses, so that no misreading can hide in both.
//
// It keeps no session: every request shows the page, and nobody is passive.
package saml

import (
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/persons"
	"sigill/testidp/pki"
)

// Config is what an identity provider needs.
type Config struct {
	BaseURL string // of the simulators, without a slash at the end
	Path    string // below it, such as /saml/telia
	Name    string // what the control API calls it, such as telia
	Title   Title  // what people call it
	PKI     *pki.PKI
	People  *persons.Directory
	Faults  *control.Faults
	Autos   *control.Autos
	// Levels are the levels of assurance that it proves, the one it would rather
	// give first. Default: uncertified-loa3, loa3.
	Levels []string
	// Categories are the service entity categories that it supports; a service
	// provider must have one of them. Default: loa3-pnr.
	Categories []string
	// Classic names the attributes as CGI's old IdP did (telia-saml.md 1.2).
	Classic bool
	// Client fetches metadata of service providers. Default: one that reaches this
	// machine alone.
	Client *http.Client
	Life   time.Duration    // how long a person may take: 5 min
	Slow   time.Duration    // how much the fault "slow" takes: 3 s
	Now    func() time.Time // nil means time.Now
	Log    *slog.Logger     // nil: silent
}

// A Title is a name in two languages.
type Title struct{ SV, EN string }

// An IdP is a running identity provider. It is safe for concurrent use.
type IdP struct {
	config Config
	keys   *keys
	peers  *peers

	done    chan struct{}
	running sync.WaitGroup

	mu     sync.Mutex
	closed bool
	ledger ledger
	last   map[string]string // the last genuine answer to each peer
}

// keys are all that an identity provider signs and reads with.
type keys struct {
	current, next signer // the rollover that never ends
	elliptic      signer
	federation    signer // of metadata and feed
	neighbour     signer // another identity provider of the feed
	stranger      signer // nobody's
	encryption    []signer
}

// New makes an identity provider. Its keys come from the cache; making them the
// first time takes some seconds. Close ends what runs in the background.
func New(c Config) (*IdP, error) {
	if !strings.HasPrefix(c.Path, "/") || strings.HasSuffix(c.Path, "/") || c.Name == "" || !local(c.BaseURL) {
		return nil, errors.New("saml: Path must begin with a slash and end with none, Name not be empty, BaseURL be of this machine")
	}
	if len(c.Levels) == 0 {
		c.Levels = []string{UncertifiedThree, LevelThree}
	}
	if c.Categories == nil {
		c.Categories = []string{CategoryThree}
	}
	if c.Client == nil {
		c.Client = loopbackClient()
	}
	if c.Life == 0 {
		c.Life = 5 * time.Minute
	}
	if c.Slow == 0 {
		c.Slow = 3 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	k, err := makeKeys(c.PKI, c.Name)
	if err != nil {
		return nil, err
	}
	return &IdP{
		config: c, keys: k, done: make(chan struct{}), last: map[string]string{}, ledger: newLedger(),
		peers: &peers{client: c.Client, now: c.Now, wanted: c.Categories, byEntity: map[string]knownPeer{}},
	}, nil
}

func makeKeys(p *pki.PKI, name string) (*keys, error) {
	k := &keys{encryption: make([]signer, 2)}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var fails []error
	for label, into := range map[string]*signer{
		name + "-signing": &k.current, name + "-next": &k.next, "saml-federation": &k.federation, "saml-neighbour": &k.neighbour,
		"saml-stranger": &k.stranger, name + "-encryption": &k.encryption[0], name + "-encryption-next": &k.encryption[1],
	} {
		wg.Go(func() {
			cert, key, err := p.SelfSigned(label)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				fails = append(fails, err)
				return
			}
			*into = signer{key, cert}
		})
	}
	wg.Wait()
	if err := errors.Join(fails...); err != nil {
		return nil, fmt.Errorf("saml: keys: %w", err)
	}
	var err error
	k.elliptic, err = derived(k.current)
	if err != nil {
		return nil, err
	}
	return k, nil
}

// Close stops obedient persons who have not decided yet.
func (p *IdP) Close() {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.done)
	}
	p.mu.Unlock()
	p.running.Wait()
}

// Name implements control.Simulator.
func (p *IdP) Name() string { return p.config.Name }

// EntityID is the IdP's name, and the address of its metadata.
func (p *IdP) EntityID() string { return p.config.BaseURL + p.config.Path + "/metadata" }

// FeedURL is the address of the federation's feed.
func (p *IdP) FeedURL() string { return p.config.BaseURL + p.config.Path + "/feed" }

func (p *IdP) ssoURL() string { return p.config.BaseURL + p.config.Path + "/sso" }

// Handler routes everything under Path.
func (p *IdP) Handler() http.Handler {
	mux := http.NewServeMux()
	at := p.config.Path
	mux.HandleFunc("GET "+at+"/metadata", p.metadata)
	mux.HandleFunc("GET "+at+"/feed", p.feed)
	mux.HandleFunc("GET "+at+"/logo.svg", logo)
	mux.HandleFunc("GET "+at+"/sso", p.sso)
	mux.HandleFunc("POST "+at+"/sso", p.sso)
	mux.HandleFunc("GET "+at+"/o/{id}", p.page)
	mux.HandleFunc("GET "+at+"/o/{id}/state", p.state)
	// A page of another site must not decide for anybody. Requests are meant to
	// come from other sites.
	mux.Handle("POST "+at+"/o/{id}", http.NewCrossOriginProtection().Handler(http.HandlerFunc(p.decide)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}

// sso takes a request and leads on to the order's own page.
func (p *IdP) sso(w http.ResponseWriter, r *http.Request) {
	if p.injected(w, r, p.config.Faults.Draw(p.config.Name)) {
		return
	}
	in, err := receive(w, r)
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	q, err := p.understand(r.Context(), in)
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	browser := p.browser(w, r)
	id, err := p.open(q, browser, host(r.RemoteAddr))
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	w.Header().Set("Location", p.orderURL(id))
	w.WriteHeader(http.StatusSeeOther)
}

// injected answers with a fault in place of what was asked for.
func (p *IdP) injected(w http.ResponseWriter, r *http.Request, f control.Drawn) bool {
	if f[slow] {
		select {
		case <-r.Context().Done():
			panic(http.ErrAbortHandler) // returning would be an empty answer
		case <-time.After(p.config.Slow):
		}
	}
	switch {
	case f[drop]:
		panic(http.ErrAbortHandler)
	case f[http503]:
		http.Error(w, "Simulated: out of service", http.StatusServiceUnavailable)
	case f[garbage]:
		w.Header().Set("Content-Type", "application/samlmetadata+xml")
		w.Write([]byte("<<< this is not XML"))
	default:
		return false
	}
	return true
}

// publicKeys are the keys of some signers.
func publicKeys(list ...signer) []crypto.PublicKey {
	var out []crypto.PublicKey
	for _, s := range list {
		out = append(out, s.cert.PublicKey)
	}
	return out
}
