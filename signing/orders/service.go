// Package orders runs signing orders: it opens them for clients, invites the
// signatories, lets them read and sign, takes in their verified signatures, and
// when the last has signed has the receipt made, verified and released.
//
// It owns the life of an order from a client's wish until it is erased: every
// act is one transaction with its outbox entries and audit events, what is due
// is done by whichever node comes first, and nothing is done twice. The rules
// themselves are signing's; e-ID orders are run by broker/flow; receipts are
// drawn by signing/receipt and sealed by signing/pades; pages and the API are
// drawn by signing/web and signing/api. It is the only place where an order's
// own key is unwrapped; see access.go for by whom.
package orders

import (
	"context"
	"time"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/providers"
	"sigill/providers/personnummer"
	"sigill/signing"
)

// Owner is the name under which flow knows this room's e-ID orders. The order's
// Ref is "{order id}/{n}".
const Owner = "signing"

// Guest is a person who has logged in with an e-ID, as the session says.
type Guest struct {
	Number   personnummer.Number
	Provider providers.ID
	Level    providers.Level
	AuthTime time.Time
}

// Visit is an order as one of its signatories may see it. Documents have no
// bytes of files; see File.
type Visit struct {
	Order signing.Order
	N     int // who the guest is
	Body  signing.Body
}

// Clients side: for signing/api. Each method knows only the orders of its
// client; others', like those that do not exist, are broker.ErrNotFound.
// *signing.Invalid and the errors of package signing are the caller's.

// Create opens an order. The same key with the same body again gives the same
// order; with another body it is ErrMismatch.
func (s *Service) Create(ctx context.Context, c broker.Client, w signing.Wish, key string, body [32]byte) (o signing.Order, replayed bool, err error) {
	return o, false, errNotBuilt
}

// Order reads an order.
func (s *Service) Order(ctx context.Context, client, id string) (signing.Order, error) {
	return signing.Order{}, errNotBuilt
}

// Receipt gives the sealed PDF; broker.ErrNotFound until the order is completed.
func (s *Service) Receipt(ctx context.Context, client, id string) ([]byte, error) {
	return nil, errNotBuilt
}

// Proof is a file that proves something about an order.
type Proof struct {
	Name, Type string
	Bytes      []byte
}

// Evidence gives the manifest and each signature's own evidence, as they lie in
// the receipt; broker.ErrNotFound until the order is completed.
func (s *Service) Evidence(ctx context.Context, client, id string) ([]Proof, error) {
	return nil, errNotBuilt
}

// Cancel ends an open order.
func (s *Service) Cancel(ctx context.Context, client, id string) (signing.Order, error) {
	return signing.Order{}, errNotBuilt
}

// Remind writes to everybody whose turn it is; at most once an hour: ErrTooSoon.
func (s *Service) Remind(ctx context.Context, client, id string) (signing.Order, error) {
	return signing.Order{}, errNotBuilt
}

// Correct changes how a signatory is reached. Invitations sent to the old
// addresses die.
func (s *Service) Correct(ctx context.Context, client, id string, n int, c signing.Contact) (signing.Order, error) {
	return signing.Order{}, errNotBuilt
}

// Replace lets another person sign instead of signatory n. Every signature is
// void.
func (s *Service) Replace(ctx context.Context, client, id string, n int, by signing.WishedSignatory) (signing.Order, error) {
	return signing.Order{}, errNotBuilt
}

// Change puts other documents in the place of the order's. Every signature is
// void.
func (s *Service) Change(ctx context.Context, client, id string, documents []signing.Document) (signing.Order, error) {
	return signing.Order{}, errNotBuilt
}

// Delete erases an order that is over; an open one is signing.ErrOver's
// opposite: ErrStillOpen.
func (s *Service) Delete(ctx context.Context, client, id string) error { return errNotBuilt }

// The room's side: for signing/web. The guest must be the signatory: everybody
// else, like everybody at an order that does not exist, gets
// broker.ErrNotFound.

// ByToken finds where an invitation leads its guest. Nothing is consumed.
func (s *Service) ByToken(ctx context.Context, client, token string, g Guest) (id string, n int, err error) {
	return "", 0, errNotBuilt
}

// ByCode is ByToken for a typed code: five tries an hour for each person, then
// ErrTooMany.
func (s *Service) ByCode(ctx context.Context, client, code string, g Guest) (id string, n int, err error) {
	return "", 0, errNotBuilt
}

// Awaiting lists the client's open orders that the guest is a signatory of,
// newest first, at most 100.
func (s *Service) Awaiting(ctx context.Context, client string, g Guest) ([]Visit, error) {
	return nil, errNotBuilt
}

// Visit shows an order to one of its signatories and notes that it was opened.
// The Body is empty when the order is over (refused, expired, cancelled,
// completed): what was to be signed is then in the receipt, or gone.
func (s *Service) Visit(ctx context.Context, client, id string, n int, g Guest) (Visit, error) {
	return Visit{}, errNotBuilt
}

// File gives a document's bytes, for download; i counts from 0.
func (s *Service) File(ctx context.Context, client, id string, n int, g Guest, i int) (signing.Document, error) {
	return signing.Document{}, errNotBuilt
}

// Start is how a guest wishes to sign.
type Start struct {
	Provider providers.ID
	Mode     providers.Mode
	Device   providers.Device
	Browser  string // the secret of the browser
	Language string
}

// Sign begins an e-ID order in which this guest alone can sign exactly the
// order's digest. Errors of package signing say why not (others first, too
// late, already signed); *providers.BadRequest that this e-ID cannot.
func (s *Service) Sign(ctx context.Context, client, id string, n int, g Guest, start Start) (broker.OrderID, error) {
	return "", errNotBuilt
}

// Outcome tells what became of an e-ID order of this guest's, for the page that
// it leads back to: empty while it is under way or not taken in yet, "signed",
// or why it did not count.
func (s *Service) Outcome(ctx context.Context, client, id string, n int, g Guest, eid broker.OrderID) (string, error) {
	return "", errNotBuilt
}

// Decline takes in that the guest says no.
func (s *Service) Decline(ctx context.Context, client, id string, n int, g Guest, reason string) error {
	return errNotBuilt
}

// ReceiptFor gives the sealed PDF to a signatory.
func (s *Service) ReceiptFor(ctx context.Context, client, id string, n int, g Guest) ([]byte, error) {
	return nil, errNotBuilt
}

// Settled takes in how an e-ID order ended; it is flow's Owner. The same one
// twice changes nothing.
func (s *Service) Settled(ctx context.Context, e flow.Settled) error { return errNotBuilt }
