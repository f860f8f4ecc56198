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

var errNotBuilt = errors.New("login: not built yet")

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
	// Longest is how long a session lasts at most; default 8 h.
	Longest time.Duration
}

// Staff is the municipality's own directory.
type Staff struct {
	Issuer, ClientID string
	Secret           []byte
	HTTP             *http.Client
}

// Logins keeps sessions.
type Logins struct{ Config }

// New makes one. It calls nobody: issuers are discovered when they are needed.
func New(c Config) (*Logins, error) { return nil, errNotBuilt }

// Aim is where somebody was going (P-37). It lies with us, not in an address.
type Aim struct {
	// Path is where to go, below the tenant's address. It begins with "/".
	Path string
	// Begin is a service whose start button was pressed; empty: none.
	Begin portal.ServiceID
	// Held names a form that came when the login had ended.
	Held string
}

// Start sends the browser to the broker. The page's Policy must allow nothing:
// it is a redirect.
func (l *Logins) Start(w http.ResponseWriter, r *http.Request, t portal.Tenant, aim Aim, lang string) error {
	return errNotBuilt
}

// Outcome is how a login ended.
type Outcome struct {
	Aim     Aim
	Visitor portal.Visitor
	// Refused is why there is no session: an admission other than admitted, or
	// "cancelled", or "failed".
	Refused string
}

// Finish takes the browser back from the broker: on success there is a session.
func (l *Logins) Finish(w http.ResponseWriter, r *http.Request, t portal.Tenant) (Outcome, error) {
	return Outcome{}, errNotBuilt
}

// Visitor says who the browser is. Nobody logged in is no error; the zero
// Visitor has Tenant, Group and, when there is one, Browser. touch counts as
// doing something: prolongs the session.
func (l *Logins) Visitor(w http.ResponseWriter, r *http.Request, t portal.Tenant, touch bool) (portal.Visitor, error) {
	return portal.Visitor{}, errNotBuilt
}

// Browser gives an anonymous visitor a name, in a cookie that lives as long as
// the browser's session.
func (l *Logins) Browser(w http.ResponseWriter, r *http.Request, v portal.Visitor) portal.Visitor {
	return v
}

// Left is how long until the session ends by itself.
func (l *Logins) Left(ctx context.Context, r *http.Request, t portal.Tenant) (time.Duration, error) {
	return 0, errNotBuilt
}

// End ends the session and sends the browser to the broker's logout, which comes
// back to after, a path of the tenant.
func (l *Logins) End(w http.ResponseWriter, r *http.Request, t portal.Tenant, after string) error {
	return errNotBuilt
}

// StartStaff, FinishStaff, Officer and EndStaff are the same for officers.
func (l *Logins) StartStaff(w http.ResponseWriter, r *http.Request, t portal.Tenant, path string) error {
	return errNotBuilt
}

// FinishStaff gives the path that the officer was going to. refused says why
// there is no session.
func (l *Logins) FinishStaff(w http.ResponseWriter, r *http.Request, t portal.Tenant) (path string, refused string, err error) {
	return "", "", errNotBuilt
}

// Officer says who the officer is; false: nobody logged in with this tenant.
func (l *Logins) Officer(w http.ResponseWriter, r *http.Request, t portal.Tenant) (portal.Officer, bool, error) {
	return portal.Officer{}, false, errNotBuilt
}

// EndStaff ends the officer's session.
func (l *Logins) EndStaff(w http.ResponseWriter, r *http.Request, t portal.Tenant, after string) error {
	return errNotBuilt
}

// Hold keeps a form that came when its login had ended, sealed for this browser
// alone, for an hour. Take gives it back once.
func (l *Logins) Hold(w http.ResponseWriter, r *http.Request, t portal.Tenant, body []byte) (held string, err error) {
	return "", errNotBuilt
}

// Take gives back what was held.
func (l *Logins) Take(w http.ResponseWriter, r *http.Request, t portal.Tenant, held string) ([]byte, error) {
	return nil, errNotBuilt
}

// Run ends sessions whose time is over, at the broker too (RFC 7009), until ctx
// ends.
func (l *Logins) Run(ctx context.Context) error { <-ctx.Done(); return nil }
