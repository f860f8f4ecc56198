// Package sending takes a draft to its arrival: it locks it, has it signed by
// everybody, watches the order, and makes the case, exactly once (invariants I6
// and I7).
//
// It owns the draft's way from open to sending to waiting and then to a case or
// back, the arrival receipt, and reconciliation. The signing service is an API
// behind Signer; what it delivers is believed after Verifier and the comparison
// with the locked revision say so.
//
// Arrival is one transaction, unique by order: case number, history, who sees
// it, files, confirmations in the outbox, audit, and the draft with its key gone.
// Whichever comes first triggers it: webhook, browser, or Run.
package sending

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/drafts"
	"sigill/portal/form"
	"sigill/portal/notices"
	"sigill/portal/signclient"
)

var errNotBuilt = errors.New("sending: not built yet")

// Signer is the signing API, as portal/signclient calls it, for a tenant.
type Signer interface {
	Create(ctx context.Context, t portal.TenantID, attempt string, body []byte) (signclient.Order, error)
	Order(ctx context.Context, t portal.TenantID, id string) (signclient.Order, error)
	Document(ctx context.Context, t portal.TenantID, id string) ([]byte, error)
	Cancel(ctx context.Context, t portal.TenantID, id string) error
}

// Editor is the rest of it.
type Editor interface {
	Remind(ctx context.Context, t portal.TenantID, id string) error
	Correct(ctx context.Context, t portal.TenantID, id string, n int, email, phone, invite string) error
	Delete(ctx context.Context, t portal.TenantID, id string) error
}

// Config is what Desk needs.
type Config struct {
	DB       *sqldb.DB
	Vault    portal.Vault
	Drafts   *drafts.Drafts
	Signer   Signer
	Editor   Editor
	Verifier portal.Verifier
	Notices  *notices.Notices
	Service  func(ctx context.Context, hash string) (*form.Service, error)
	Tenant   func(portal.TenantID) (portal.Tenant, bool)
	Facts    func(ctx context.Context, v portal.Visitor, s *form.Service) (form.Facts, error)
	// Callback is where the signing service tells news: an address of a tenant.
	Callback func(portal.TenantID) string
	Wake     func() // the outbox, after a commit
	// Poll is how often waiting orders are asked for; default 1 min.
	Poll time.Duration
	Now  func() time.Time
	Log  *slog.Logger
}

// Desk sends drafts and receives cases.
type Desk struct{ Config }

// New makes one.
func New(c Config) (*Desk, error) { return nil, errNotBuilt }

// Errors that people can cause; each has a page of its own.
var (
	// ErrIncomplete says that a step is not done.
	ErrIncomplete = errors.New("sending: not complete")
	// ErrChanged says that the register says something else than when it was
	// filled in, such as another guardian: the step must be looked at again.
	ErrChanged = errors.New("sending: the register says something else now")
	// ErrUnsure says that the register or the signing service does not answer:
	// nothing has happened, try again.
	ErrUnsure = errors.New("sending: not possible now")
	// ErrTooLate says that it has arrived already.
	ErrTooLate = errors.New("sending: has arrived")
)

// Refused is the error of a draft that cannot be sent as it is: what is wrong
// with its parties.
type Refused struct{ Faults []form.Fault }

func (r *Refused) Error() string { return "sending: parties are wrong" }

// Sent is what came of it.
type Sent struct {
	// SignURL is where the applicant signs; empty when nothing is signed.
	SignURL string
	// Case is the case, when it has arrived.
	Case portal.CaseID
}

// Send locks a draft and has it signed, or, when the service asks for no
// signature, makes it arrive at once. notice is the version of the notice on
// personal data that was shown. Doing it again after a crash is harmless.
// register.ErrProtected when somebody concerned is protected: nothing is sent.
func (d *Desk) Send(ctx context.Context, v portal.Visitor, id portal.DraftID, revision int, notice string) (Sent, error) {
	return Sent{}, errNotBuilt
}

// Standing is how a waiting draft stands: its parties, and the case when it has
// meanwhile arrived. It asks the signing service when it can.
type Standing struct {
	Draft    portal.Draft
	Parties  []portal.Party
	Deadline time.Time
	// Stale says that the signing service did not answer: this is what was known.
	Stale bool
	// Sealing says that everybody has signed, and the receipt is being made.
	Sealing bool
	Case    portal.CaseID // arrived
}

// Mine reports whether the applicant's own signature is the next thing.
func (s Standing) Mine() bool {
	for _, p := range s.Parties {
		if p.Applicant {
			return p.State != portal.PartySigned
		}
	}
	return false
}

// Stand gives it to the owner, portal.ErrNotFound to others. Standing.Case is
// set also when the draft is gone because it has arrived.
func (d *Desk) Stand(ctx context.Context, v portal.Visitor, id portal.DraftID) (Standing, error) {
	return Standing{}, errNotBuilt
}

// Withdraw cancels the order and opens the draft again: every signature is void.
// ErrTooLate when it lost the race; it then arrives.
func (d *Desk) Withdraw(ctx context.Context, v portal.Visitor, id portal.DraftID) error {
	return errNotBuilt
}

// Remind asks again those who have not signed.
func (d *Desk) Remind(ctx context.Context, v portal.Visitor, id portal.DraftID) error {
	return errNotBuilt
}

// Correct mends how a party is reached; nobody has to sign again.
func (d *Desk) Correct(ctx context.Context, v portal.Visitor, id portal.DraftID, n int, c form.Contact) ([]form.Fault, error) {
	return nil, errNotBuilt
}

// News is called with each webhook, after its signature was checked: it looks at
// the order, whatever the news says.
func (d *Desk) News(ctx context.Context, t portal.TenantID, order string) error { return errNotBuilt }

// Look asks the signing service about an order and does what follows.
func (d *Desk) Look(ctx context.Context, t portal.TenantID, order string) error { return errNotBuilt }

// Handlers are what the outbox does for it: the arrival receipt.
func (d *Desk) Handlers() map[string]outbox.Handler { return nil }

// Run looks at waiting orders and unfinished receipts until ctx ends.
func (d *Desk) Run(ctx context.Context) error { <-ctx.Done(); return nil }
