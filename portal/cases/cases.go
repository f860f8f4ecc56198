// Package cases is what has arrived: read by the citizens it is about and by the
// officers who handle it, with history and messages, until it is erased.
//
// It owns who may see a case and the dialogue. An officer sees the cases of the
// officer's own groups and tenant, and each reading is an audit event (I10);
// for everybody else a case does not exist. What was submitted never changes.
package cases

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/notices"
	"sigill/portal/store"
)

var errNotBuilt = errors.New("cases: not built yet")

// Config is what Cases needs.
type Config struct {
	DB      *sqldb.DB
	Vault   portal.Vault
	Notices *notices.Notices
	Service func(ctx context.Context, hash string) (*form.Service, error)
	Tenant  func(portal.TenantID) (portal.Tenant, bool)
	// Tenants are those of a group, whose cases are seen on one page.
	Tenants func(portal.GroupID) []portal.TenantID
	// Forget erases a signing order at the signing service.
	Forget func(ctx context.Context, t portal.TenantID, order string) error
	Wake   func()
	Now    func() time.Time
	Log    *slog.Logger
}

// Cases keeps them.
type Cases struct{ Config }

// New makes one.
func New(c Config) (*Cases, error) { return nil, errNotBuilt }

// Errors that people can cause.
var (
	// ErrNoMessages says that the service has no dialogue, or the case is closed.
	ErrNoMessages = errors.New("cases: no messages here")
	// ErrEmpty says that there is nothing in the message, or too much (10,000
	// characters).
	ErrEmpty = errors.New("cases: empty or too long a message")
)

// Mine is what Mina sidor shows.
type Mine struct {
	Drafts []portal.DraftHead // not sent: filled in here
	Asked  []Asked            // somebody waits for this person's signature
	Sent   []portal.CaseHead
	Closed []portal.CaseHead
	// MoreSent and MoreClosed say where the lists go on; nil: they do not.
	MoreSent, MoreClosed   *store.Page
	CountSent, CountClosed int
}

// Asked is something that waits for somebody's signature, with what it is called.
type Asked struct {
	store.Asked
	Title string
}

// Overview gives what a person has with all tenants of the group. Drafts are
// filled in by the caller.
func (c *Cases) Overview(ctx context.Context, v portal.Visitor, sent, closed store.Page) (Mine, error) {
	return Mine{}, errNotBuilt
}

// Open gives a case to somebody it is about, and marks its messages as read.
// portal.ErrNotFound to everybody else.
func (c *Cases) Open(ctx context.Context, v portal.Visitor, id portal.CaseID) (portal.Case, error) {
	return portal.Case{}, errNotBuilt
}

// File gives a document of it.
func (c *Cases) File(ctx context.Context, v portal.Visitor, id portal.CaseID, file portal.FileID) (portal.CaseFile, []byte, error) {
	return portal.CaseFile{}, nil, errNotBuilt
}

// Write adds a message of a citizen. once makes it the same message when the
// form comes twice.
func (c *Cases) Write(ctx context.Context, v portal.Visitor, id portal.CaseID, once, text string) error {
	return errNotBuilt
}

// Filter chooses cases for officers.
type Filter struct {
	States []portal.CaseState // empty: all but closed
	Page   store.Page
}

// Inbox gives the cases of an officer's groups.
func (c *Cases) Inbox(ctx context.Context, o portal.Officer, f Filter) ([]portal.CaseHead, *store.Page, error) {
	return nil, nil, errNotBuilt
}

// Read gives a case to an officer who handles its kind: an audit event, written
// before it is shown.
func (c *Cases) Read(ctx context.Context, o portal.Officer, id portal.CaseID) (portal.Case, error) {
	return portal.Case{}, errNotBuilt
}

// ReadFile gives a document of it: an audit event too.
func (c *Cases) ReadFile(ctx context.Context, o portal.Officer, id portal.CaseID, file portal.FileID) (portal.CaseFile, []byte, error) {
	return portal.CaseFile{}, nil, errNotBuilt
}

// Reply adds a message of an officer; the people of the case are told.
func (c *Cases) Reply(ctx context.Context, o portal.Officer, id portal.CaseID, once, text string) error {
	return errNotBuilt
}

// SetState moves a case; the people of the case are told. was is what the page
// showed: store.ErrStale when it is something else by now. Closing sets the time
// of erasure by the service's own definition.
func (c *Cases) SetState(ctx context.Context, o portal.Officer, id portal.CaseID, was, to portal.CaseState) error {
	return errNotBuilt
}

// Erase removes closed cases whose time is over (gallring), here and at the
// signing service.
func (c *Cases) Erase(ctx context.Context) (int, error) { return 0, errNotBuilt }
