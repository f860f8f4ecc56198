package drafts

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"sigill/broker/kit/audit"
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
	// Names are those of the documents, which whoever signs sees, in order.
	Names []string `json:"names,omitempty"`
	// Known is what was last heard of the parties from the signing service.
	Known []portal.Party `json:"known,omitempty"`
	// Locked is when, and Trouble what has stood in its way since: Told says so.
	Locked  time.Time `json:"-"`
	Trouble Trouble   `json:"-"`
}

// Bytes of Outgoing are the length of the JSON of all but Body, that JSON, and
// Body as it is: it holds files and is large.
func (out Outgoing) bytes() ([]byte, error) {
	body := out.Body
	out.Body, out.Known = nil, nil
	head, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, 4+len(head)+len(body))
	b = binary.BigEndian.AppendUint32(b, uint32(len(head)))
	return append(append(b, head...), body...), nil
}

func parseOutgoing(b []byte) (out Outgoing, err error) {
	if len(b) < 4 || uint64(len(b)-4) < uint64(binary.BigEndian.Uint32(b)) {
		return Outgoing{}, errors.New("cut short")
	}
	n := 4 + int(binary.BigEndian.Uint32(b))
	if err := json.Unmarshal(b[4:n], &out); err != nil {
		return Outgoing{}, err
	}
	out.Body = b[n:]
	return out, nil
}

func (k draftKey) openOutgoing(row store.Draft) (Outgoing, error) {
	plain, err := k.box.Open(row.Outgoing, k.context("draft outgoing", strconv.Itoa(row.Revision)))
	if err != nil {
		return Outgoing{}, fmt.Errorf("draft %s: outgoing: %w", row.ID, err)
	}
	out, err := parseOutgoing(plain)
	if err == nil && out.Revision != row.Revision {
		err = fmt.Errorf("revision %d, not %d", out.Revision, row.Revision)
	}
	if err != nil {
		return Outgoing{}, fmt.Errorf("draft %s: outgoing: %w", row.ID, err)
	}
	return out, nil
}

// Lock seals what goes out into the draft, in state sending; ErrLocked when it
// is not open, *Conflict when it has changed, or when something that came too
// late is not settled.
func (d *Drafts) Lock(ctx context.Context, v portal.Visitor, id portal.DraftID, revision int, attempt string, out Outgoing) error {
	if attempt == "" || out.Revision != revision {
		return fmt.Errorf("draft %s: locked without attempt, or as revision %d", id, out.Revision)
	}
	row, k, err := d.enter(ctx, v, id, "send")
	if err != nil {
		return err
	}
	e, err := d.event(audit.DraftLocked, v, row, "")
	if err != nil {
		return err
	}
	plain, err := out.bytes()
	if err != nil {
		return fmt.Errorf("draft %s: outgoing: %w", id, err)
	}
	sealed := k.box.Seal(plain, k.context("draft outgoing", strconv.Itoa(revision)))
	var conflict *Conflict
	err = d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		row, err := store.DraftOf(tx, id)
		if err != nil {
			return err
		}
		if row.State != portal.Open {
			return ErrLocked
		}
		if row.Revision != revision {
			return &Conflict{Base: revision, Now: row.Revision}
		}
		aside, err := store.AsideOf(tx, id)
		if err == nil {
			return &Conflict{Base: aside.Base, Now: row.Revision}
		}
		if !errors.Is(err, store.ErrNone) {
			return err
		}
		row.State, row.Attempt, row.Outgoing, row.Looked = portal.Sending, attempt, sealed, d.Now()
		row.Body, row.Returned = nil, ""
		if err := d.sealNotes(&row, notes{Title: out.Title, Lang: out.Lang, Parties: out.Parties, Contact: out.Contact, Locked: d.Now()}); err != nil {
			return err
		}
		if err := store.UpdateDraft(tx, row, revision, portal.Open); err != nil {
			return err
		}
		return audit.Insert(tx, e)
	})
	if errors.As(err, &conflict) {
		return conflict
	}
	return wrap(err)
}

// Locked opens what went out, for the owner. ErrNotFound when it is open.
func (d *Drafts) Locked(ctx context.Context, v portal.Visitor, id portal.DraftID) (store.Draft, Outgoing, error) {
	row, k, err := d.enter(ctx, v, id, "open what went out")
	if err != nil {
		return store.Draft{}, Outgoing{}, err
	}
	if row.State == portal.Open {
		return store.Draft{}, Outgoing{}, portal.ErrNotFound
	}
	out, err := k.openOutgoing(row)
	if err != nil {
		return store.Draft{}, Outgoing{}, err
	}
	n, err := d.openNotes(row)
	if err != nil {
		return store.Draft{}, Outgoing{}, err
	}
	out.Known = n.Known
	return row, out, nil
}

// Placed notes the order that the draft waits for, and who is asked now. Noting the
// same order again is harmless. store.ErrStale when the draft is open again.
func (d *Drafts) Placed(ctx context.Context, id portal.DraftID, order string, known []portal.Party, asked []store.Asked) error {
	if order == "" {
		return fmt.Errorf("draft %s: placed without an order", id)
	}
	return d.note(ctx, id, func(tx *sqldb.Tx, row *store.Draft, n *notes) (bool, error) {
		switch {
		case row.State == portal.Open || row.Order != "" && row.Order != order:
			return false, store.ErrStale
		case row.State == portal.Waiting:
			return false, nil
		}
		row.State, row.Order, row.Looked = portal.Waiting, order, d.Now()
		n.Known = known
		return true, insertAsked(tx, *row, asked)
	})
}

func insertAsked(tx *sqldb.Tx, row store.Draft, asked []store.Asked) error {
	for _, a := range asked {
		a.Draft, a.Order, a.Tenant = row.ID, row.Order, row.Tenant
		if err := store.InsertAsked(tx, a); err != nil && !errors.Is(err, store.ErrTwice) {
			return err
		}
	}
	return nil
}

// Heard notes how the parties stand, and who is asked now. Whoever is done is not
// asked any more. store.ErrStale when the draft does not wait.
func (d *Drafts) Heard(ctx context.Context, id portal.DraftID, known []portal.Party, asked []store.Asked) error {
	return d.note(ctx, id, func(tx *sqldb.Tx, row *store.Draft, n *notes) (bool, error) {
		if row.State != portal.Waiting {
			return false, store.ErrStale
		}
		was, err := json.Marshal(n.Known)
		if err != nil {
			return false, err
		}
		is, err := json.Marshal(known)
		if err != nil || bytes.Equal(was, is) {
			return false, err
		}
		n.Known = known
		if err := insertAsked(tx, *row, asked); err != nil {
			return false, err
		}
		for _, p := range known {
			switch p.State {
			case portal.PartySigned, portal.PartyRefused, portal.PartyExpired, portal.PartyReplaced:
				if err := store.DeleteAskedPerson(tx, id, p.Key); err != nil {
					return false, err
				}
			}
		}
		return true, nil
	})
}

// note changes the row and notes of a draft, without opening it.
func (d *Drafts) note(ctx context.Context, id portal.DraftID, do func(*sqldb.Tx, *store.Draft, *notes) (bool, error)) error {
	return wrap(d.DB.Write(ctx, func(tx *sqldb.Tx) error { return d.noteIn(tx, id, do) }))
}

func (d *Drafts) noteIn(tx *sqldb.Tx, id portal.DraftID, do func(*sqldb.Tx, *store.Draft, *notes) (bool, error)) error {
	row, err := store.DraftOf(tx, id)
	if err != nil {
		return err
	}
	n, err := d.openNotes(row)
	if err != nil {
		return err
	}
	revision, state := row.Revision, row.State
	changed, err := do(tx, &row, &n)
	if err != nil || !changed {
		return err
	}
	row.Body, row.Outgoing = nil, nil // stay as they are
	if err := d.sealNotes(&row, n); err != nil {
		return err
	}
	return store.UpdateDraft(tx, row, revision, state)
}

// Troubled notes what stands in the way of a draft that waits for an order, in
// the transaction of whoever says so. change gives false when it is nothing new.
// store.ErrNone or ErrStale when it does not wait for it any more.
func (d *Drafts) Troubled(tx *sqldb.Tx, id portal.DraftID, order string, change func(*Trouble) bool) error {
	return d.noteIn(tx, id, func(_ *sqldb.Tx, row *store.Draft, n *notes) (bool, error) {
		if row.State != portal.Waiting || row.Order != order {
			return false, store.ErrStale
		}
		return change(&n.Trouble), nil
	})
}

// Return opens the draft again, in the transaction of whoever saw why, and who
// writes the audit event with it. It becomes the owner's to change, with the
// reason, and keeps its files; what was locked is gone. An empty why says that it
// never went out. store.ErrStale when the row is not as it was.
func (d *Drafts) Return(tx *sqldb.Tx, row store.Draft, why portal.Returned, by, reason string) error {
	if row.State == portal.Open {
		return fmt.Errorf("draft %s: returned, and is open: %w", row.ID, store.ErrStale)
	}
	revision, state := row.Revision, row.State
	life := row.Expires.Sub(row.Changed)
	row.State, row.Returned, row.Revision = portal.Open, why, revision+1
	row.Order, row.Attempt, row.Body, row.Outgoing, row.Notes = "", "", nil, nil, nil
	row.Changed = d.Now()
	row.Expires = row.Changed.Add(life)
	if by != "" || reason != "" {
		if err := d.sealNotes(&row, notes{Reason: reason, RefusedBy: by}); err != nil {
			return err
		}
	}
	if err := store.UpdateDraft(tx, row, revision, state); err != nil {
		return err
	}
	return store.DeleteAsked(tx, row.ID)
}

// Told gives of what went out that which has to be known while the draft waits,
// to write to those concerned: title, language, parties, contact, and what was
// heard. The draft itself stays closed. portal.ErrNotFound when it is open.
func (d *Drafts) Told(row store.Draft) (Outgoing, error) {
	if row.State == portal.Open {
		return Outgoing{}, portal.ErrNotFound
	}
	n, err := d.openNotes(row)
	if err != nil {
		return Outgoing{}, err
	}
	return Outgoing{
		Revision: row.Revision, Title: n.Title, Lang: n.Lang, Parties: n.Parties, Contact: n.Contact, Known: n.Known, Locked: n.Locked, Trouble: n.Trouble,
	}, nil
}

// LockedBytes gives, without the owner, the very bytes that were locked, to hand them
// over once more under the same name: for a draft whose order was never noted.
// Nothing else of it is opened. Only portal/sending calls it. portal.ErrNotFound
// when it is gone or has been handed over, store.ErrStale when it was locked anew.
func (d *Drafts) LockedBytes(ctx context.Context, row store.Draft) ([]byte, error) {
	now, err := store.DraftOf(store.Last(ctx, d.DB), row.ID)
	if err != nil {
		return nil, wrap(err)
	}
	if now.Revision != row.Revision || now.Attempt != row.Attempt {
		return nil, fmt.Errorf("draft %s: %w", row.ID, store.ErrStale)
	}
	k, err := d.unwrap(now, again{})
	if err != nil {
		return nil, err
	}
	out, err := k.openOutgoing(now)
	return out.Body, err
}

// Arrival is the exception: it opens the locked revision and its files without
// the owner, to re-encrypt them as a case. Only portal/sending calls it, after
// the sealed PDF was verified against the order and the locked digests. The row
// is read anew: portal.ErrNotFound when it is gone, store.ErrStale when it is not
// locked as it was. Everything that is sealed under the draft's key must open.
func (d *Drafts) Arrival(ctx context.Context, row store.Draft) (Outgoing, map[portal.FileID][]byte, error) {
	r := store.Last(ctx, d.DB)
	now, err := store.DraftOf(r, row.ID)
	if err != nil {
		return Outgoing{}, nil, wrap(err)
	}
	if now.State == portal.Open || now.State != row.State || now.Revision != row.Revision || now.Order != row.Order || now.Attempt != row.Attempt {
		return Outgoing{}, nil, fmt.Errorf("draft %s: %w", row.ID, store.ErrStale)
	}
	k, err := d.unwrap(now, arrival{})
	if err != nil {
		return Outgoing{}, nil, err
	}
	if _, err := k.openBody(now); err != nil {
		return Outgoing{}, nil, err
	}
	out, err := k.openOutgoing(now)
	if err != nil {
		return Outgoing{}, nil, err
	}
	n, err := d.openNotes(now)
	if err != nil {
		return Outgoing{}, nil, err
	}
	out.Known = n.Known
	rows, err := store.DraftFiles(r, row.ID)
	if err != nil {
		return Outgoing{}, nil, wrap(err)
	}
	there := map[portal.FileID][]byte{}
	for _, f := range rows {
		if there[f.ID], err = k.openFile(f); err != nil {
			return Outgoing{}, nil, err
		}
	}
	files := map[portal.FileID][]byte{}
	for _, f := range out.Files {
		content, ok := there[portal.FileID(f.ID)]
		sum := sha256.Sum256(content)
		if !ok || hex.EncodeToString(sum[:]) != f.SHA256 {
			return Outgoing{}, nil, fmt.Errorf("draft %s: file %s is not the one that was locked", row.ID, f.ID)
		}
		files[portal.FileID(f.ID)] = content
	}
	return out, files, nil
}
