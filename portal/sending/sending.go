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
// Whichever comes first triggers it: webhook, browser, or Run. A case keeps the
// name of its draft.
//
// A locked draft is opened without its owner for arrival (drafts.Arrival), when a
// good seal says that everybody has signed, and to hand the same bytes over once
// more (drafts.LockedBytes) when it is not known whether they came there.
package sending

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/drafts"
	"sigill/portal/form"
	"sigill/portal/notices"
	"sigill/portal/signclient"
	"sigill/providers/personnummer"
)

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
	// MayTell says whether somebody may be told anything: not who is protected. An
	// error means that it is not known. nil: everybody may, always.
	MayTell func(context.Context, personnummer.Number) (bool, error)
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

// New makes one. It starts nothing.
func New(c Config) (*Desk, error) {
	if c.DB == nil || c.Drafts == nil || c.Signer == nil || c.Editor == nil || c.Verifier == nil || c.Notices == nil ||
		c.Service == nil || c.Tenant == nil || c.Facts == nil || c.Callback == nil {
		return nil, errors.New("sending: incomplete configuration")
	}
	if c.Wake == nil {
		c.Wake = func() {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.MayTell == nil {
		c.MayTell = func(context.Context, personnummer.Number) (bool, error) { return true, nil }
	}
	c.Poll = cmp.Or(c.Poll, time.Minute)
	return &Desk{c}, nil
}

// Errors that people can cause; each has a page of its own.
var (
	// ErrIncomplete says that a step is not done.
	ErrIncomplete = errors.New("sending: not complete")
	// ErrChanged says that the register says something else than when it was
	// filled in, such as another guardian: the step must be looked at again.
	ErrChanged = errors.New("sending: the register says something else now")
	// ErrUnsure says that the register or the signing service does not answer, or
	// not so that it is known what came of it. Nothing has arrived, and nothing is
	// lost: the draft is open as it was, or locked and about to be handed over.
	// Trying again goes on from there; so does Reconcile with one that is locked.
	ErrUnsure = errors.New("sending: not possible now")
	// ErrNotTaken says that the signing service does not take it, because it is too
	// large or has too many files: the draft is open again, to be made smaller.
	ErrNotTaken = errors.New("sending: the signing service does not take it")
	// ErrTooLate says that it has arrived already.
	ErrTooLate = errors.New("sending: has arrived")
)

// Refused is the error of a draft that cannot be sent as it is: what is wrong
// with its parties.
type Refused struct{ Faults []form.Fault }

func (r *Refused) Error() string { return "sending: parties are wrong" }

// Sent is what came of it.
type Sent struct {
	// SignURL is where the applicant signs, or sees that it is done already; empty
	// when nothing is signed.
	SignURL string
	// Case is the case, when it has arrived.
	Case portal.CaseID
}
