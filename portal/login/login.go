// Package login logs people in: citizens at the broker, as an ordinary OpenID
// Connect client of it (go-oidc, x/oauth2, private_key_jwt, PKCE, state, nonce),
// and officers at the municipality's own directory.
//
// It owns the portal's sessions: a random secret in a cookie, its hash and a
// sealed body in the database, a limit on doing nothing and one on the whole.
// Logging out ends the broker's session too, by client_id and
// logout_hint=<sid>: never id_token_hint, which holds the number (I9).
package login

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"sigill/broker/kit/page"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/people"
	"sigill/providers/personnummer"
)

// Config is what Logins needs.
type Config struct {
	DB     *sqldb.DB
	Vault  portal.Vault
	Issuer string
	HTTP   *http.Client                          // reaches the issuer
	Key    func() (crypto.Signer, string, error) // of private_key_jwt, and its kid
	Tenant func(portal.TenantID) (portal.Tenant, bool)
	Admit  func(ctx context.Context, t portal.Tenant, n personnummer.Number) (people.Admission, error)
	// Staff is the officers' issuer; an empty Issuer: there is none.
	Staff   Staff
	Cookies page.Cookies
	Now     func() time.Time
	Log     *slog.Logger
	// Longest is how long a citizen's session lasts at most; default 8 h.
	Longest time.Duration
	// Every is how often sessions whose time is over are ended; default 15 s.
	Every time.Duration
	// Held is how many bytes of forms are held at once in all; default 100 MB.
	Held int64
	// Pending is how many logins are under way at once, of citizens and of
	// officers; default 30,000.
	Pending int
}

// Staff is the municipality's own directory.
type Staff struct {
	Issuer, ClientID string
	Secret           []byte
	HTTP             *http.Client
	// Longest is how long an officer's session lasts at most, whatever the
	// directory says meanwhile; default 4 h.
	Longest time.Duration
}

// Logins keeps sessions.
type Logins struct {
	Config
	broker *issuer
	staff  *issuer // nil: there is none
}

// New makes one. It calls nobody: issuers are discovered when they are needed.
func New(c Config) (*Logins, error) {
	if c.DB == nil || c.Issuer == "" || c.Key == nil || c.Tenant == nil || c.Admit == nil {
		return nil, errors.New("login: incomplete configuration")
	}
	if c.Staff.Issuer != "" && (c.Staff.ClientID == "" || len(c.Staff.Secret) == 0) {
		return nil, errors.New("login: the officers' issuer needs a client id and a secret")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Longest <= 0 {
		c.Longest = usualLongest
	}
	if c.Staff.Longest <= 0 {
		c.Staff.Longest = officerLongest
	}
	if c.Every <= 0 {
		c.Every = 15 * time.Second
	}
	if c.Pending <= 0 {
		c.Pending = usualPending
	}
	if c.Held <= 0 {
		c.Held = usualHeld
	}
	l := &Logins{Config: c, broker: newIssuer(c.Issuer, c.HTTP)}
	if c.Staff.Issuer != "" {
		l.staff = newIssuer(c.Staff.Issuer, c.Staff.HTTP)
	}
	return l, nil
}

// Aim is where somebody was going (P-37). It lies with us, not in an address.
type Aim struct {
	// Path is where to go, below the tenant's address. It begins with "/".
	Path string `json:"path"`
	// Begin is a service whose start button was pressed; empty: none.
	Begin portal.ServiceID `json:"begin,omitempty"`
	// Held names a form that came when the login had ended.
	Held string `json:"held,omitempty"`
	// From is the tenant whose Mina sidor the person comes from; one of the same
	// group needs no new proof of who they are. Where both lie on one host, it is
	// known without.
	From portal.TenantID `json:"-"`
}

// Outcome is how a login ended.
type Outcome struct {
	Aim     Aim
	Visitor portal.Visitor
	// Refused is why there is no session: an admission other than admitted, or
	// "cancelled", or "failed".
	Refused string
}
