package oidc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	upstream "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	patience  = 10 * time.Second
	maxAnswer = 256 << 10 // of an issuer
	// again is how long nobody asks after an answer that did not come.
	again = 10 * time.Second
	// pause is the same where there is nothing to go on with meanwhile.
	pause = 3 * time.Second
	// maxMisses is how often in a minute the key set is read for a key that is not
	// in it: a token that names a key at random is cheap to make.
	maxMisses = 6
)

// newHTTP makes the client for one issuer. Codes, secrets and tokens go where
// discovery says, and nowhere else.
func newHTTP(roots *x509.CertPool) *http.Client {
	return &http.Client{
		Timeout: patience,
		Transport: bounded{&http.Transport{
			DialContext:     (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: 5 * time.Second,
			ForceAttemptHTTP2: true, MaxIdleConns: 16, MaxIdleConnsPerHost: 16, MaxConnsPerHost: 256, IdleConnTimeout: 30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded reads no more of an answer than an honest one has.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	}
	return resp, err
}

// issuer is what is known of the OpenID Provider: what it says of itself, and its
// keys. Both are read when they are needed, and kept.
type issuer struct {
	name    string
	client  *http.Client
	refresh time.Duration
	believe time.Duration
	clock   func() time.Time
	log     *slog.Logger
	busy    chan struct{} // has room for one, who asks; the others wait

	mu       sync.Mutex
	metadata *metadata
	keys     []jwk
	asked    struct{ metadata, keys asking }
	misses   struct { // of keys, in the minute from since on
		since time.Time
		n     int
	}
}

// asking is how it went to read something of the issuer.
type asking struct {
	read, tried time.Time // when it was last read, and when somebody last tried
	failed      error     // of the last try; nil too when whoever tried has gone
}

// tell notes how a try went.
func (a *asking) tell(ctx context.Context, now time.Time, err error) {
	switch {
	case err == nil:
		a.read, a.failed = now, nil
	case ctx.Err() == nil:
		a.failed = err
	}
}

func newIssuer(c Config, client *http.Client) *issuer {
	return &issuer{name: c.Issuer, client: client, refresh: c.Refresh, believe: c.Believe, clock: c.Clock, log: c.Log, busy: make(chan struct{}, 1)}
}

// metadata is what discovery tells, as far as it is used here.
type metadata struct {
	authorization *url.URL
	token         string
	pushed        string // empty: none
	userinfo      string
	jwks          string
	saysIssuer    bool // every answer through the browser names its issuer

	authMethods, assertionAlgs, tokenAlgs, scopes, acrs, challenges, responses []string
}

// about reads what the issuer says of itself. What is known serves on for a while
// when the issuer cannot be asked.
func (i *issuer) about(ctx context.Context) (*metadata, error) {
	known, ask, err := i.known()
	if !ask {
		return known, err
	}
	if err := i.enter(ctx); err != nil {
		return known, unless(known != nil, err)
	}
	defer i.leave()
	if known, ask, err = i.known(); !ask { // somebody else has just asked
		return known, err
	}
	fresh, err := i.discover(ctx)
	if err != nil {
		if known == nil {
			return nil, err
		}
		i.log.WarnContext(ctx, "oidc issuer does not say anew what it is", "issuer", i.name, "error", err)
		return known, nil
	}
	return fresh, nil
}

// known is what the issuer has said of itself, as long as that is believed, and
// whether to ask anew. With nothing known and nobody to ask there is an error.
func (i *issuer) known() (m *metadata, ask bool, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.believed(i.asked.metadata) {
		err := i.lately(i.asked.metadata)
		return nil, err == nil, err
	}
	return i.metadata, i.due(i.asked.metadata), nil
}

// keySet is the keys that are known, as long as they are believed. Whoever calls it
// holds the lock.
func (i *issuer) keySet() []jwk {
	if !i.believed(i.asked.keys) {
		return nil
	}
	return i.keys
}

func unless(ok bool, err error) error {
	if ok {
		return nil
	}
	return err
}

// due reports whether something is to be read again. After a failure that waits
// a little.
func (i *issuer) due(a asking) bool {
	now := i.clock()
	age := now.Sub(a.read)
	if age >= 0 && age < i.refresh {
		return false
	}
	since := now.Sub(a.tried)
	return since < 0 || since >= again
}

// believed reports whether something was read, and not too long ago.
func (i *issuer) believed(a asking) bool {
	return !a.read.IsZero() && i.clock().Sub(a.read) < i.believe
}

// lately is what went wrong, if that was but a moment ago.
func (i *issuer) lately(a asking) error {
	if since := i.clock().Sub(a.tried); since < 0 || since >= pause {
		return nil
	}
	return a.failed
}

func (i *issuer) enter(ctx context.Context) error {
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case i.busy <- struct{}{}:
		return nil
	case <-wait.C:
		return errors.New("no answer in time")
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (i *issuer) leave() { <-i.busy }

// discover reads the discovery document. Whoever calls it has entered.
func (i *issuer) discover(ctx context.Context) (*metadata, error) {
	i.mu.Lock()
	i.asked.metadata.tried = i.clock()
	i.mu.Unlock()
	m, err := i.fetchMetadata(ctx)
	if err != nil {
		err = fmt.Errorf("discovery: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked.metadata.tell(ctx, i.clock(), err)
	if err != nil {
		return nil, err
	}
	i.metadata = m
	return m, nil
}

// fetchMetadata reads the discovery document. The package that does it compares the
// issuer's name byte for byte.
func (i *issuer) fetchMetadata(ctx context.Context) (*metadata, error) {
	p, err := upstream.NewProvider(upstream.ClientContext(ctx, i.client), i.name)
	var other *upstream.IssuerMismatchError
	switch {
	case errors.As(err, &other):
		return nil, fmt.Errorf("it calls itself something else than %q", i.name)
	case err != nil:
		return nil, errors.New(brief(err))
	}
	var d struct {
		JWKS          string   `json:"jwks_uri"`
		Pushed        string   `json:"pushed_authorization_request_endpoint"`
		SaysIssuer    bool     `json:"authorization_response_iss_parameter_supported"`
		AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
		AssertionAlgs []string `json:"token_endpoint_auth_signing_alg_values_supported"`
		TokenAlgs     []string `json:"id_token_signing_alg_values_supported"`
		Scopes        []string `json:"scopes_supported"`
		ACRs          []string `json:"acr_values_supported"`
		Challenges    []string `json:"code_challenge_methods_supported"`
		Responses     []string `json:"response_types_supported"`
	}
	if p.Claims(&d) != nil {
		return nil, errors.New("unreadable")
	}
	m := &metadata{
		token: p.Endpoint().TokenURL, pushed: d.Pushed, userinfo: p.UserInfoEndpoint(), jwks: d.JWKS, saysIssuer: d.SaysIssuer,
		authMethods: d.AuthMethods, assertionAlgs: d.AssertionAlgs, tokenAlgs: d.TokenAlgs,
		scopes: d.Scopes, acrs: d.ACRs, challenges: d.Challenges, responses: d.Responses,
	}
	for name, address := range map[string]string{
		"authorization": p.Endpoint().AuthURL, "token": m.token, "key set": m.jwks, "pushed authorization": m.pushed, "userinfo": m.userinfo,
	} {
		if optional := name == "pushed authorization" || name == "userinfo"; optional && address == "" {
			continue
		}
		if !i.endpoint(address) {
			return nil, fmt.Errorf("the address of the %s endpoint is missing or not safe", name)
		}
	}
	m.authorization, _ = url.Parse(p.Endpoint().AuthURL)
	return m, nil
}

// endpoint reports whether something may be sent to an address: not by plain http,
// unless the issuer itself is on this machine.
func (i *issuer) endpoint(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && strings.HasPrefix(i.name, "http:") && loopback(u.Hostname())
}

// key finds the keys that may have made a signature. A key that is not known has
// the set read again, though not again and again; none is no error.
func (i *issuer) key(ctx context.Context, h header) ([]jwk, error) {
	i.mu.Lock()
	set := i.keySet()
	found := candidates(set, h)
	stale := set == nil || i.due(i.asked.keys)
	i.mu.Unlock()
	if len(found) > 0 && !stale {
		return found, nil
	}
	if err := i.readKeys(ctx, len(found) == 0); err != nil {
		return found, unless(len(found) > 0, err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return candidates(i.keySet(), h), nil
}

// ready has at least some keys, so that an answer can be verified when it comes.
func (i *issuer) ready(ctx context.Context) error {
	i.mu.Lock()
	known := i.keySet() != nil
	i.mu.Unlock()
	if known {
		return nil
	}
	return i.readKeys(ctx, true)
}

// readKeys reads the key set. missed: for a key that is not in it, which is done so
// often in a minute and no oftener.
func (i *issuer) readKeys(ctx context.Context, missed bool) error {
	m, err := i.about(ctx)
	if err != nil {
		return err
	}
	i.mu.Lock()
	before := i.asked.keys.read
	i.mu.Unlock()
	if err := i.enter(ctx); err != nil {
		return err
	}
	defer i.leave()
	i.mu.Lock()
	known := i.keySet() != nil
	lately := i.lately(i.asked.keys)
	enough := known && (i.asked.keys.read != before || // somebody else has just done it
		missed && !i.mayMiss() || !missed && !i.due(i.asked.keys))
	i.mu.Unlock()
	switch {
	case enough:
		return nil
	case !known && lately != nil:
		return lately
	}
	return i.fetchKeys(ctx, m)
}

// mayMiss counts the readings for keys that are not there. Whoever calls it holds
// the lock.
func (i *issuer) mayMiss() bool {
	now := i.clock()
	if since := now.Sub(i.misses.since); since < 0 || since >= time.Minute {
		i.misses.since, i.misses.n = now, 0
	}
	i.misses.n++
	return i.misses.n <= maxMisses
}

// fetchKeys reads the key set. Whoever calls it has entered.
func (i *issuer) fetchKeys(ctx context.Context, m *metadata) error {
	i.mu.Lock()
	i.asked.keys.tried = i.clock()
	i.mu.Unlock()
	b, err := i.get(ctx, m.jwks, "application/json")
	var keys []jwk
	if err == nil {
		keys, err = parseKeys(b)
	}
	if err == nil && len(keys) == 0 {
		err = errors.New("no key of use")
	}
	if err != nil {
		err = fmt.Errorf("keys: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked.keys.tell(ctx, i.clock(), err)
	if err == nil {
		i.keys = keys
	}
	return err
}

// renew reads everything again. What cannot be had leaves what is known.
func (i *issuer) renew(ctx context.Context) error {
	if err := i.enter(ctx); err != nil {
		return err
	}
	defer i.leave()
	m, err := i.discover(ctx)
	if err != nil {
		return err
	}
	return i.fetchKeys(ctx, m)
}

// candidates are the keys that a header may mean.
func candidates(keys []jwk, h header) []jwk {
	var found []jwk
	for _, k := range keys {
		if (h.kid == "" || k.Kid == h.kid) && k.signs(h.alg) {
			found = append(found, k)
		}
	}
	return found
}

// get reads a document of the issuer.
func (i *issuer) get(ctx context.Context, address, accept string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("not an address")
	}
	r.Header.Set("Accept", accept)
	resp, err := i.client.Do(r)
	if err != nil {
		return nil, errors.New(brief(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered %d", resp.StatusCode)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, errors.New("an answer that is cut off or too large")
	}
	return b, nil
}

// brief says of a failed request what may be said: its kind, and never what was
// in an address or an answer.
func brief(err error) string {
	var at *url.Error
	var refused *oauth2.RetrieveError
	var certificate *tls.CertificateVerificationError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &refused) && refused.Response != nil:
		return fmt.Sprintf("refused: %d %s", refused.Response.StatusCode, word(refused.ErrorCode))
	case errors.As(err, &certificate):
		return "its TLS certificate is not by a root that is believed here, or for another host, or not valid now"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &at) && at.Timeout():
		return "no answer in time"
	case at != nil:
		return "cannot be reached"
	case errors.As(err, &syntax):
		return "not JSON"
	}
	return "an answer of another form than expected"
}

// word is an error code of an issuer, as far as it is one: codes are logged.
func word(code string) string {
	if code == "" || len(code) > 60 || strings.ContainsFunc(code, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
		return ""
	}
	return code
}

// listed reports whether an issuer says that it has something, or does not say what
// it has.
func listed(list []string, want string) bool { return len(list) == 0 || slices.Contains(list, want) }
