package drafts

import (
	"context"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/store"
)

// Outgoing is a draft as it was locked: what everybody signs, byte for byte as
// it was handed to the signing service.
type Outgoing struct {
	Revision int          `json:"revision"`
	Body     []byte       `json:"body"` // of POST /api/v1/orders
	Title    string       `json:"title"`
	Lang     string       `json:"lang"`
	Answers  form.Answers `json:"answers"` // pruned
	Blocks   []form.Block `json:"blocks"`
	Files    []form.File  `json:"files"`
	Parties  []form.Party `json:"parties"`
	Contact  form.Contact `json:"contact"`
	Notice   string       `json:"notice"`
	Digests  []string     `json:"digests"` // SHA-256 of each document, in order
	// Known is what was last heard of the parties from the signing service.
	Known []portal.Party `json:"known,omitempty"`
}

// Lock seals what goes out into the draft, in state sending; ErrLocked when it
// is not open, *Conflict when it has changed.
func (d *Drafts) Lock(ctx context.Context, v portal.Visitor, id portal.DraftID, revision int, attempt string, out Outgoing) error {
	return errNotBuilt
}

// Locked opens what went out, for the owner. ErrNotFound when it is open.
func (d *Drafts) Locked(ctx context.Context, v portal.Visitor, id portal.DraftID) (store.Draft, Outgoing, error) {
	return store.Draft{}, Outgoing{}, errNotBuilt
}

// Placed notes the order that the draft waits for, and who is asked.
func (d *Drafts) Placed(ctx context.Context, id portal.DraftID, order string, known []portal.Party, asked []store.Asked) error {
	return errNotBuilt
}

// Heard notes how the parties stand.
func (d *Drafts) Heard(ctx context.Context, id portal.DraftID, known []portal.Party) error {
	return errNotBuilt
}

// Return opens the draft again, in the transaction of whoever saw why. It
// becomes the owner's to change, with the reason.
func (d *Drafts) Return(tx *sqldb.Tx, row store.Draft, why portal.Returned, by, reason string) error {
	return errNotBuilt
}

// Arrival is the exception: it opens the locked revision and its files without
// the owner, to re-encrypt them as a case. Only portal/sending calls it, after
// the sealed PDF was verified against the order and the locked digests.
func (d *Drafts) Arrival(ctx context.Context, row store.Draft) (Outgoing, map[portal.FileID][]byte, error) {
	return Outgoing{}, nil, errNotBuilt
}
