package broker

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"time"

	"sigill/providers"
)

// Profile is the set of rules that an OpenID Connect client lives by. A request
// never chooses its own.
type Profile string

const (
	ProfileBasic  Profile = "basic"  // OpenID Connect Basic OP certification
	ProfileSweden Profile = "sweden" // The Swedish OpenID Connect Profile 1.0; the default
)

// AuthMethod is how a client proves who it is at the token endpoint.
type AuthMethod string

const (
	SecretBasic   AuthMethod = "client_secret_basic"
	SecretPost    AuthMethod = "client_secret_post"
	SecretAny     AuthMethod = "client_secret" // either of the two, for clients that cannot be told which
	PrivateKeyJWT AuthMethod = "private_key_jwt"
)

// Client is an application (relying party) that sends people here.
type Client struct {
	ID     string
	Name   string // shown to people
	NameEN string // the same in English; empty: Name
	// Home is where the person began, shown as a way back; may be empty.
	Home                   string
	Profile                Profile
	RedirectURIs           []string
	PostLogoutRedirectURIs []string
	AuthMethod             AuthMethod
	SecretHash             []byte // SHA-256 of the secret, which is random
	// PreviousSecretHash is that of the secret before, which works beside it while
	// the client changes over: until PreviousSecretUntil, or without a limit where
	// that is zero. A release that knows no second secret refuses a row with one.
	PreviousSecretHash  []byte          `json:",omitempty"`
	PreviousSecretUntil time.Time       `json:",omitzero"`
	JWKS                json.RawMessage // public keys for private_key_jwt
	Scopes              []string        // what it may ask for, besides openid
	// CallbackOrigins are the origins, as browsers write them, that addresses in
	// its signing orders may lie at.
	CallbackOrigins []string `json:",omitempty"`
	// LoopbackCallbacks lets its callbacks go to this machine. It counts only
	// where the issuer is on this machine too.
	LoopbackCallbacks bool `json:",omitempty"`
	// Embedded says that it is the portal of this very installation: its callbacks
	// may go to this machine, through a transport that calls the portal itself,
	// and when it revokes the access token of a login, the session ends with it.
	// No configuration says so of a client.
	Embedded bool `json:",omitempty"`
	// WebhookSecret signs what is sent to its callbacks (Standard Webhooks).
	// Whoever keeps a client seals it; JSON never has it.
	WebhookSecret []byte `json:"-"`
	// AskingBody is who asks for signatures, as the e-ID shows it; empty: Name.
	AskingBody string `json:",omitempty"`
	// Providers says which e-IDs it offers and which configured instance stands
	// behind each. Empty: all that are configured, by their default instance.
	Providers     map[providers.ID]string
	ProviderOrder []providers.ID
	IDTokenAlg    string // RS256 or ES256
	UserinfoAlg   string // RS256 or ES256: signed userinfo; empty: plain JSON
	RequirePKCE   bool
	// Sector decides the subject identifiers: clients of one sector see the
	// same sub for a person. Empty: the client id.
	Sector string
	// SSOGroup names the clients among which a session may be used again.
	// Empty: this client alone.
	SSOGroup string
	// NoCoordination refuses people with a samordningsnummer.
	NoCoordination bool
	// MinAge refuses younger people; zero: no limit.
	MinAge int
	Theme  Theme
}

// SecretIs compares with the client's secrets, in a time that does not tell which
// of them is right. The secrets are random, so a plain digest is as good as a slow
// one.
func (c Client) SecretIs(secret string, now time.Time) bool {
	sum := sha256.Sum256([]byte(secret))
	current := subtle.ConstantTimeCompare(c.SecretHash, sum[:])
	previous := subtle.ConstantTimeCompare(c.PreviousSecretHash, sum[:])
	if c.PreviousSecretEnded(now) {
		previous = 0
	}
	return current|previous == 1
}

// PreviousSecretEnded says whether the secret before is not valid any more.
func (c Client) PreviousSecretEnded(now time.Time) bool {
	return len(c.PreviousSecretHash) == 0 || !c.PreviousSecretUntil.IsZero() && !now.Before(c.PreviousSecretUntil)
}

// RenewSecret gives the client a new secret, beside which the one it has works
// until then. The zero time: it does not work any more.
func (c *Client) RenewSecret(secret string, until time.Time) {
	c.PreviousSecretHash, c.PreviousSecretUntil = c.SecretHash, until
	if until.IsZero() {
		c.PreviousSecretHash = nil
	}
	sum := sha256.Sum256([]byte(secret))
	c.SecretHash = sum[:]
}

// Theme is the look of a client on our pages.
type Theme struct {
	Accent string // "#rrggbb", contrast checked when it is loaded; empty: ours
	Logo   string // file served by us; empty: the name in words
}
