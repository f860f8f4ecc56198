// Package oidc lets people prove who they are with any e-ID that stands behind an
// OpenID Provider.
//
// It owns the way to such an issuer and back: discovery and keys, the request by
// authorization code with PKCE, pushed where the issuer takes it, the exchange of
// the code, the reading of the ID Token, and the map from its claims to a person and
// a level. It does not own orders, nor the browser: the broker's flow keeps the state
// and receives what a browser brings back. OpenID Connect cannot sign, so this is
// never a providers.Signer.
//
// It follows OpenID Connect Core 1.0 and Discovery 1.0, RFC 6749, 7636 (PKCE), 7523
// (client assertions), 9126 (pushed requests), 9207 (the issuer in the answer) and
// the advice of RFC 9700. Verify stands on its own: it needs evidence, trust and what
// was expected, and neither network nor storage.
//
// Only what an issuer has signed counts: the ID Token, and userinfo where it comes as
// a signed JWT. Plain userinfo proves nothing to anybody later, and is refused.
package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"sigill/providers"
)

// How a client proves to the issuer who it is.
const (
	PrivateKeyJWT     = "private_key_jwt"
	ClientSecretBasic = "client_secret_basic"
	ClientSecretPost  = "client_secret_post"
)

// The algorithms that an ID Token may be signed with.
const (
	RS256 = "RS256"
	PS256 = "PS256"
	ES256 = "ES256"
)

// Whether an issuer must say when the person acted.
const (
	AuthTimeRequired = "required"
	AuthTimeOptional = "optional"
)

// usualAge is the max_age that is sent where nothing else is said: whatever it is, an
// issuer that gets one must tell when the person acted.
const usualAge = 5 * time.Minute

// JWKSPath is where the client's public keys are published, as a Publisher.
const JWKSPath = "jwks"

// Config is what a Provider needs.
type Config struct {
	ID       providers.ID
	Instance string
	Title    providers.Text // what people call it; has a default for the known e-IDs
	Help     providers.Help

	Issuer   string // exactly as it calls itself, with or without a slash at the end
	ClientID string
	// AuthMethod is PrivateKeyJWT, ClientSecretBasic or ClientSecretPost. The first
	// needs Keys, the others Secret.
	AuthMethod string
	Secret     string
	// Keys are RSA (2048 bits or more) or P-256. The first signs; all are published, so
	// that the issuer knows the next one beforehand and the former one for a while.
	Keys []crypto.Signer
	// AssertionAudience is whom a client assertion is for. Default: the issuer; older
	// ones want the address of their token endpoint.
	AssertionAudience string
	// RedirectURL is where the browser comes back to: providers.BackPath below the
	// address of the instance.
	RedirectURL string
	// CredentialEnds is when the secret or key ends at the issuer, if it does.
	CredentialEnds time.Time

	Scopes    []string // openid is always asked for
	ACRValues []string
	// Prompt is login by default, so that a session at the issuer is no proof. "none"
	// sends no prompt at all.
	Prompt string

	// Algorithms of ID Tokens that are believed; default: all that are known here.
	Algorithms []string
	Claims     Claims
	// Levels are the values of the level claim, exactly. What does not stand here is
	// too low.
	Levels map[string]providers.Level
	// Approved says that this installation is itself approved for level 3. Without
	// that, nothing is more than providers.LevelUncertified3.
	Approved     bool
	CoordNumbers bool // samordningsnummer are let in
	// Userinfo asks for claims that are not in the ID Token. They must come signed.
	Userinfo bool

	// AuthAge is how long before the order the person may have acted. Default: with
	// prompt login not at all, else 5 min.
	AuthAge time.Duration
	// AuthTime is AuthTimeRequired by default: the issuer is asked with max_age to tell
	// when the person acted, and believed only if it does. AuthTimeOptional is for
	// issuers that never tell, and goes with prompt login alone: such a login counts as
	// made when the token was.
	AuthTime string
	TokenAge time.Duration // how old an ID Token may be when it comes; default 5 min
	Skew     time.Duration // between the issuer's clock and ours; default 60 s

	TLSRoots *x509.CertPool // default: the system's
	// Refresh is how long what the issuer says of itself is believed without asking
	// again; default 1 h.
	Refresh time.Duration
	// Believe is how long it is believed while the issuer cannot be asked; default 24 h.
	Believe time.Duration
	Replay  providers.Replay // default: none; the nonce binds each token to its order anyway
	Clock   func() time.Time // default time.Now
	Log     *slog.Logger     // default: none
}

// Claims are the names of an issuer's claims. They are looked up as they are: dots
// and slashes mean nothing.
type Claims struct {
	// Number are the claims that may hold a personnummer or samordningsnummer of 12
	// digits. Several must not contradict each other.
	Number []string
	// Country, where named, must say SE: numbers of other countries have twelve digits
	// too.
	Country string
	// Name, GivenName and Surname have the standard names by default.
	Name, GivenName, Surname string
	Level                    string // default acr
	Transaction              string // the issuer's name for the login; default txn, or else jti
}

func (c Claims) withDefaults() Claims {
	c.Name = orDefault(c.Name, "name")
	c.GivenName = orDefault(c.GivenName, "given_name")
	c.Surname = orDefault(c.Surname, "family_name")
	c.Level = orDefault(c.Level, "acr")
	c.Transaction = orDefault(c.Transaction, "txn")
	return c
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// Provider is one OpenID Provider as an e-ID of the broker. It keeps nothing of an
// order.
type Provider struct {
	c        Config
	level    providers.Level
	http     *http.Client
	issuer   *issuer
	keys     []clientKey
	document providers.Document // of the keys; empty without
}

var (
	_ providers.Provider  = (*Provider)(nil)
	_ providers.Publisher = (*Provider)(nil)
	_ providers.Runner    = (*Provider)(nil)
	_ providers.Checker   = (*Provider)(nil)
	_ providers.Dated     = (*Provider)(nil)
)

// New makes a provider. It starts nothing and asks nobody.
func New(c Config) (*Provider, error) {
	if c.Title == (providers.Text{}) && c.ID.Known() {
		c.Title = providers.Text{SV: c.ID.Name(), EN: c.ID.Name()}
	}
	c.Claims = c.Claims.withDefaults()
	if len(c.Algorithms) == 0 {
		c.Algorithms = []string{RS256, PS256, ES256}
	}
	if !slices.Contains(c.Scopes, "openid") {
		c.Scopes = slices.Concat([]string{"openid"}, c.Scopes)
	}
	c.Prompt = orDefault(c.Prompt, "login")
	c.AuthTime = orDefault(c.AuthTime, AuthTimeRequired)
	if c.AuthAge == 0 && c.Prompt != "login" && c.AuthTime == AuthTimeRequired {
		c.AuthAge = usualAge
	}
	c.AssertionAudience = orDefault(c.AssertionAudience, c.Issuer)
	for _, d := range []struct {
		value     *time.Duration
		otherwise time.Duration
	}{{&c.Skew, time.Minute}, {&c.TokenAge, 5 * time.Minute}, {&c.Refresh, time.Hour}, {&c.Believe, 24 * time.Hour}} {
		if *d.value <= 0 {
			*d.value = d.otherwise
		}
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("oidc: %w", err)
	}
	p := &Provider{c: c, http: newHTTP(c.TLSRoots)}
	for _, level := range c.Levels {
		p.level = max(p.level, capped(c.ID, level, c.Approved))
	}
	p.issuer = newIssuer(c, p.http)
	var err error
	if p.keys, p.document, err = clientKeys(c.Keys); err != nil {
		return nil, fmt.Errorf("oidc: %w", err)
	}
	return p, nil
}

// capped is what a level is worth when an e-ID and an installation stand for it.
// Telia's is nowhere approved for level 3.
func capped(id providers.ID, l providers.Level, approved bool) providers.Level {
	if !approved || id == providers.Telia {
		return min(l, providers.LevelUncertified3)
	}
	return l
}

// validate reports everything that is wrong.
func (c Config) validate() error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(!c.ID.Valid() || c.ID == providers.BankID || c.ID == providers.MBankID, "cannot be e-ID %q", c.ID)
	wrong(c.Title.SV == "" || c.Title.EN == "", "no title")
	wrong(!service(c.Issuer), "the issuer must be an https address without query (http on loopback)")
	wrong(!service(c.RedirectURL) || !strings.HasSuffix(c.RedirectURL, "/"+providers.BackPath), "the address to come back to must be an https address that ends with /%s (http on loopback)", providers.BackPath)
	wrong(c.ClientID == "", "no client id")
	switch c.AuthMethod {
	case PrivateKeyJWT:
		wrong(len(c.Keys) == 0 || c.Secret != "", "%s goes with a key and no secret", c.AuthMethod)
	case ClientSecretBasic, ClientSecretPost:
		wrong(len(c.Keys) != 0 || c.Secret == "", "%s goes with a secret and no key", c.AuthMethod)
	default:
		wrong(true, "unknown way to authenticate: %q", c.AuthMethod)
	}
	for _, alg := range c.Algorithms {
		wrong(!slices.Contains([]string{RS256, PS256, ES256}, alg), "unknown algorithm %q", alg)
	}
	wrong(c.AuthTime != AuthTimeRequired && c.AuthTime != AuthTimeOptional, "unknown word on when the person acted: %q", c.AuthTime)
	wrong(c.AuthTime == AuthTimeOptional && (c.Prompt != "login" || c.AuthAge != 0),
		"an issuer that need not say when the person acted must be asked with prompt login, and no age can be demanded of it")
	wrong(c.AuthAge < 0, "an age below zero")
	wrong(len(c.Claims.Number) == 0 || slices.Contains(c.Claims.Number, ""), "no claim for the personal number")
	wrong(len(c.Levels) == 0, "no level: nobody could log in")
	for value, level := range c.Levels {
		wrong(value == "" || level != providers.LevelUncertified3 && level != providers.Level3, "value %q of the level claim stands for no level", value)
	}
	return errors.Join(errs...)
}

// service reports whether an address is one that secrets may go to.
func service(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname())
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Info says what this provider can do.
func (p *Provider) Info() providers.Info {
	return providers.Info{
		ID: p.c.ID, Instance: p.c.Instance, Name: p.c.Title.SV, Title: p.c.Title, Site: true, Help: p.c.Help,
		Level: p.level, Modes: []providers.Mode{providers.ModeThis}, CoordNumbers: p.c.CoordNumbers,
	}
}

// Documents are the client's public keys, where it has any.
func (p *Provider) Documents() map[string]providers.Document {
	if len(p.keys) == 0 {
		return nil
	}
	return map[string]providers.Document{JWKSPath: p.document}
}

// Dates tells when what we prove ourselves with ends, where that is known.
func (p *Provider) Dates() []providers.Finding {
	if p.c.CredentialEnds.IsZero() {
		return nil
	}
	return []providers.Finding{{What: "the client's secret or key at the issuer", Ends: p.c.CredentialEnds}}
}

// strength reports whether a key is one that we sign or verify with.
func strength(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < 2048 || n > 8192 {
			return fmt.Errorf("an RSA key of %d bits", n)
		}
		if k.E < 3 || k.E%2 == 0 {
			return errors.New("an RSA key with a bad exponent")
		}
		return nil
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return nil
		}
	}
	return errors.New("a key that is neither RSA nor P-256")
}
