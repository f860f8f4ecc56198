package oidc

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// A Client is a relying party that the issuer knows. It proves itself by whatever
// it has: a secret, keys at an address, or either.
type Client struct {
	ID   string
	Name string // what the page says who asks
	// Secret is for client_secret_basic and client_secret_post.
	Secret string
	// JWKS is the address of the client's keys for private_key_jwt, on this machine.
	JWKS string
	// Redirects are the addresses that people may be sent back to; none: every
	// address of this machine.
	Redirects []string
}

// The client that an issuer knows when it is told of none.
const (
	DefaultClientID = "sigill-eid"
	DefaultSecret   = "oidc-eid-secret"
	DefaultJWKS     = "http://localhost:8080/eid/oidc/jwks"
)

// DefaultClient is the client of the demo.
func DefaultClient() Client {
	return Client{ID: DefaultClientID, Name: "Sigill Test", Secret: DefaultSecret, JWKS: DefaultJWKS}
}

// A client is a Client and its keys as they were fetched last.
type client struct {
	Client
	fetched time.Time
	keys    map[string]crypto.PublicKey
}

// Register adds a client, or replaces the one with that id.
func (i *Issuer) Register(c Client) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.clients[c.ID] = &client{Client: c}
}

func (i *Issuer) client(id string) (Client, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if c := i.clients[id]; c != nil {
		return c.Client, true
	}
	return Client{}, false
}

// allows reports whether people may be sent back to an address.
func (c Client) allows(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	if len(c.Redirects) > 0 {
		return slices.Contains(c.Redirects, address)
	}
	return loopback(u.Hostname())
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

func assertionAlgorithms() []string { return []string{"RS256", "PS256", "ES256", "ES384"} }

// authenticate finds out which client calls, by one way and not by two.
func (i *Issuer) authenticate(r *http.Request) (Client, error) {
	form := r.PostForm
	id, secret, basic := r.BasicAuth()
	ways := 0
	for _, there := range []bool{basic, form.Has("client_secret"), form.Has("client_assertion") || form.Has("client_assertion_type")} {
		if there {
			ways++
		}
	}
	if ways != 1 {
		return Client{}, errors.New("client_secret_basic, client_secret_post or private_key_jwt, one of them")
	}
	switch {
	case basic: // form-encoded within, RFC 6749 section 2.3.1
		var err1, err2 error
		id, err1 = url.QueryUnescape(id)
		secret, err2 = url.QueryUnescape(secret)
		if err1 != nil || err2 != nil || form.Has("client_id") && form.Get("client_id") != id {
			return Client{}, errors.New("the Authorization header cannot be read or names another client")
		}
	case form.Has("client_secret"):
		id, secret = form.Get("client_id"), form.Get("client_secret")
	default:
		return i.asserted(r.Context(), form)
	}
	c, ok := i.client(id)
	if !ok || c.Secret == "" || subtle.ConstantTimeCompare([]byte(c.Secret), []byte(secret)) != 1 {
		return Client{}, errors.New("unknown client or another secret")
	}
	return c, nil
}

// asserted checks a client's assertion (RFC 7523 section 3).
func (i *Issuer) asserted(ctx context.Context, form url.Values) (Client, error) {
	if form.Get("client_assertion_type") != assertionType {
		return Client{}, errors.New("unknown client_assertion_type")
	}
	now := i.config.Now()
	claims := jwt.RegisteredClaims{}
	var c Client
	_, err := jwt.ParseWithClaims(form.Get("client_assertion"), &claims, func(t *jwt.Token) (any, error) {
		var ok bool
		if c, ok = i.client(claims.Issuer); !ok || c.JWKS == "" {
			return nil, errors.New("unknown client, or one without keys")
		}
		kid, _ := t.Header["kid"].(string)
		return i.keyOf(ctx, c, kid)
	}, jwt.WithValidMethods(assertionAlgorithms()), jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithExpirationRequired(), jwt.WithLeeway(5*time.Second))
	if err != nil {
		return Client{}, fmt.Errorf("client_assertion: %w", err)
	}
	mine := []string{i.Issuer(), i.Issuer() + "/token", i.Issuer() + "/par"}
	switch {
	case claims.Subject != claims.Issuer:
		return Client{}, errors.New("client_assertion: iss and sub are not the same")
	case form.Has("client_id") && form.Get("client_id") != c.ID:
		return Client{}, errors.New("client_id is another than in the assertion")
	case !slices.ContainsFunc(claims.Audience, func(a string) bool { return slices.Contains(mine, a) }):
		return Client{}, errors.New("client_assertion: aud is somebody else")
	case claims.ID == "":
		return Client{}, errors.New("client_assertion: jti is missing")
	case claims.ExpiresAt.Sub(now) > 10*time.Minute:
		return Client{}, errors.New("client_assertion: exp is more than ten minutes ahead")
	case claims.IssuedAt != nil && claims.IssuedAt.Sub(now) > time.Minute:
		return Client{}, errors.New("client_assertion: iat lies ahead")
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for id, until := range i.used {
		if now.After(until) {
			delete(i.used, id)
		}
	}
	mark := c.ID + "\x00" + claims.ID
	if _, seen := i.used[mark]; seen {
		return Client{}, errors.New("client_assertion: jti was used before")
	}
	i.used[mark] = claims.ExpiresAt.Add(10 * time.Second)
	return c, nil
}

const keysKept = 5 * time.Second

// keyOf finds a key of a client.
func (i *Issuer) keyOf(ctx context.Context, c Client, kid string) (crypto.PublicKey, error) {
	i.mu.Lock()
	var keys map[string]crypto.PublicKey
	if kept := i.clients[c.ID]; kept != nil && kept.JWKS == c.JWKS && i.config.Now().Sub(kept.fetched) < keysKept {
		keys = kept.keys
	}
	i.mu.Unlock()
	if keys[kid] == nil {
		var err error
		if keys, err = i.fetchKeys(ctx, c.JWKS); err != nil {
			return nil, err
		}
		i.mu.Lock()
		if kept := i.clients[c.ID]; kept != nil && kept.JWKS == c.JWKS {
			kept.keys, kept.fetched = keys, i.config.Now()
		}
		i.mu.Unlock()
	}
	if k := keys[kid]; k != nil {
		return k, nil
	}
	return nil, errors.New("the client has no key of that name")
}

func loopbackClient() *http.Client {
	dialer := &net.Dialer{Timeout: 3 * time.Second}
	return &http.Client{
		Timeout:       5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(address)
			if err != nil || !loopback(host) {
				return nil, errors.New("not an address of this machine")
			}
			return dialer.DialContext(ctx, network, address)
		}},
	}
}

func (i *Issuer) fetchKeys(ctx context.Context, address string) (map[string]crypto.PublicKey, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("the client's keys: %w", err)
	}
	resp, err := i.fetch.Do(r)
	if err != nil {
		return nil, fmt.Errorf("the client's keys: %w", err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the client's keys: %s, %w", resp.Status, err)
	}
	return parseKeys(data)
}

// A webKey is a public key as RFC 7517 and RFC 7518 section 6 write it.
type webKey struct {
	Kty, Kid, Use, Crv, N, E, X, Y string
	D                              *string
}

// parseKeys reads the public keys of a set that sign; those of other kinds are
// left out.
func parseKeys(data []byte) (map[string]crypto.PublicKey, error) {
	var set struct{ Keys []webKey }
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("the client's keys: %w", err)
	}
	keys := map[string]crypto.PublicKey{}
	for _, k := range set.Keys {
		if k.D != nil {
			return nil, errors.New("the client publishes a private key")
		}
		if k.Use != "" && k.Use != "sig" {
			continue
		}
		if key := k.public(); key != nil {
			if keys[k.Kid] != nil {
				return nil, errors.New("the client's keys: two have the same name")
			}
			keys[k.Kid] = key
		}
	}
	return keys, nil
}

// public is nil for a key that is broken or of another kind.
func (k webKey) public() crypto.PublicKey {
	switch k.Kty {
	case "RSA":
		n, e := number(k.N), number(k.E)
		if n == nil || e == nil || n.BitLen() < 2048 || n.BitLen() > 8192 || !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 {
			return nil
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}
	case "EC":
		curve, size := elliptic.P256(), 32
		if k.Crv == "P-384" {
			curve, size = elliptic.P384(), 48
		} else if k.Crv != "P-256" {
			return nil
		}
		x, errX := base64.RawURLEncoding.DecodeString(k.X)
		y, errY := base64.RawURLEncoding.DecodeString(k.Y)
		if errX != nil || errY != nil || len(x) != size || len(y) != size {
			return nil
		}
		key, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
		if err != nil {
			return nil
		}
		return key
	}
	return nil
}

func number(s string) *big.Int {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) == 0 || len(b) > 1024 {
		return nil
	}
	return new(big.Int).SetBytes(b)
}
