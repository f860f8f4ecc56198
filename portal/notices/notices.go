// Package notices tells people what happened to their cases, by e-mail and SMS.
//
// It owns who is told, by which channel (what the person chose on the profile
// page, else what was left in the form; P-46, P-94), and the sending from the
// outbox. The words are portal/letters'. Before anything goes out the register
// is asked once more: nothing is ever sent to a protected person (P-30). One
// notice an event; none to whoever did it.
package notices

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"sigill/broker/kit/notify"
	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/letters"
	"sigill/providers/personnummer"
)

var errNotBuilt = errors.New("notices: not built yet")

// Config is what Notices needs.
type Config struct {
	DB        *sqldb.DB
	Vault     portal.Vault
	Mail, SMS notify.Sender // nil: there is none
	Tenant    func(portal.TenantID) (portal.Tenant, bool)
	Profile   func(ctx context.Context, g portal.GroupID, k portal.PersonKey) (form.Contact, error)
	MayTell   func(ctx context.Context, n personnummer.Number) (bool, error)
	Now       func() time.Time
	Log       *slog.Logger
}

// Notices tells people.
type Notices struct{ Config }

// New makes one.
func New(c Config) (*Notices, error) { return nil, errNotBuilt }

// Notice is one thing to tell one person.
type Notice struct {
	Kind   letters.Kind
	Tenant portal.TenantID
	// Ref is the draft or case that it belongs to: it is erased with it.
	Ref string
	// Event makes its id: the same event is told once to a person.
	Event      string
	Person     portal.PersonKey // empty: anonymous
	Number     string           // 12 digits; empty: anonymous
	Contact    form.Contact     // what was left in the form
	Lang       string
	Title      string // of the service
	CaseNumber string
	// Path is where the link leads, below the tenant's address.
	Path string
	// Name is of the party that a returned draft is about.
	Name     string
	Returned portal.Returned
	Deadline time.Time
	// Follow says that the case can be followed on Mina sidor (P-79).
	Follow bool
}

// Insert writes notices into the outbox, in the transaction of what happened.
func (n *Notices) Insert(tx *sqldb.Tx, now time.Time, all ...Notice) error { return errNotBuilt }

// Handlers send them.
func (n *Notices) Handlers() map[string]outbox.Handler { return nil }
