// Package cases is what has arrived: read by the citizens it is about and by the
// officers who handle it, with history and messages, until it is erased.
//
// It owns who may see a case and the dialogue. An officer sees the cases of the
// officer's own groups and tenant; for everybody else a case does not exist. Each
// reading is an audit event, written before anything is shown (I10), and so is
// asking for a case that is somebody else's. What was submitted never changes.
package cases

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/notices"
)

// Config is what Cases needs.
type Config struct {
	DB      *sqldb.DB
	Vault   portal.Vault
	Notices *notices.Notices
	Service func(ctx context.Context, hash string) (*form.Service, error)
	Tenant  func(portal.TenantID) (portal.Tenant, bool)
	// Tenants are those of a group, whose cases are seen on one page.
	Tenants func(portal.GroupID) []portal.TenantID
	// Forget erases a signing order at the signing service. One that is gone
	// already is no error, or a *signclient.Problem with status 404.
	Forget func(ctx context.Context, t portal.TenantID, order string) error
	Wake   func()
	Now    func() time.Time
	// Past is the time that has surely come, by which what is over is erased; see
	// clock.Clock. Default Now.
	Past func() time.Time
	Log  *slog.Logger
	// Absence is how long somebody without drafts and cases has a profile;
	// default 90 days since they were last here.
	Absence time.Duration
}

// Cases keeps them.
type Cases struct{ Config }

// New makes one.
func New(c Config) (*Cases, error) {
	if c.DB == nil || c.Notices == nil || c.Service == nil || c.Tenant == nil || c.Tenants == nil || c.Forget == nil || c.Now == nil {
		return nil, errors.New("cases: the database, notices, services, tenants, the signing service or the clock is missing")
	}
	if c.Wake == nil {
		c.Wake = func() {}
	}
	if c.Past == nil {
		c.Past = c.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Absence = cmp.Or(c.Absence, 90*24*time.Hour)
	return &Cases{c}, nil
}

// Errors that people can cause.
var (
	// ErrNoMessages says that the service has no dialogue, or the case is closed.
	ErrNoMessages = errors.New("cases: no messages here")
	// ErrEmpty says that there is nothing in the message, or too much (10,000
	// characters).
	ErrEmpty = errors.New("cases: empty or too long a message")
)
