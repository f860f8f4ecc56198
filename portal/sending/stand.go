package sending

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/contact"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/drafts"
	"sigill/portal/form"
	"sigill/portal/signclient"
	"sigill/portal/store"
)

// Standing is how a waiting draft stands: its parties, and the case when it has
// meanwhile arrived. It asks the signing service when it can.
type Standing struct {
	// Draft is also that of one that is open, because it was never sent or has
	// come back: then there is nothing else.
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
	draft, err := d.Drafts.Open(ctx, v, id)
	switch {
	case errors.Is(err, portal.ErrNotFound):
		c, err := d.arrived(ctx, v, id)
		if err == nil && c == "" {
			err = portal.ErrNotFound
		}
		return Standing{Case: c}, err
	case err != nil:
		return Standing{}, err
	case draft.State == portal.Open:
		return Standing{Draft: draft}, nil
	}
	row, out, err := d.Drafts.Locked(ctx, v, id)
	if errors.Is(err, portal.ErrNotFound) {
		return d.stood(ctx, v, id)
	}
	if err != nil {
		return Standing{}, err
	}
	t, ok := d.Tenant(row.Tenant)
	if !ok {
		return Standing{}, portal.ErrNotFound
	}
	s := Standing{Draft: draft, Parties: out.Known, Stale: true}
	if row.State != portal.Waiting {
		s.Parties, err = d.parties(t, out, signclient.Order{})
		return s, err
	}
	o, err := d.Signer.Order(ctx, row.Tenant, row.Order)
	if err != nil {
		d.Log.WarnContext(ctx, "the signing service does not say how an order stands", "draft", id, "order", row.Order, "error", err)
		return s, nil
	}
	if err := d.follow(ctx, row, o); err != nil && !errors.Is(err, errKnown) {
		d.Log.ErrorContext(ctx, "an order was not followed", "draft", id, "order", o.ID, "error", err)
	}
	if over(o.State) {
		s, err := d.stood(ctx, v, id)
		if err == nil && s.Sealing { // everybody has signed, and it could not yet arrive
			s.Parties, err = d.parties(t, out, o)
		}
		return s, err
	}
	if s.Parties, err = d.parties(t, out, o); err != nil {
		return Standing{}, err
	}
	d.heard(ctx, row, out, s.Parties)
	s.Deadline, s.Stale, s.Sealing = o.Deadline, false, o.State != signclient.Open
	return s, nil
}

// stood looks once more at a draft whose order has just ended.
func (d *Desk) stood(ctx context.Context, v portal.Visitor, id portal.DraftID) (Standing, error) {
	c, err := d.arrived(ctx, v, id)
	if err != nil || c != "" {
		return Standing{Case: c}, err
	}
	draft, err := d.Drafts.Open(ctx, v, id)
	if err != nil {
		return Standing{}, err
	}
	s := Standing{Draft: draft, Parties: draft.Parties}
	if draft.State != portal.Open {
		s.Sealing = true // it has ended and is on its way
	}
	return s, nil
}

// heard keeps what was heard, for when the signing service does not answer.
func (d *Desk) heard(ctx context.Context, row store.Draft, out drafts.Outgoing, now []portal.Party) {
	if reflect.DeepEqual(out.Known, now) {
		return
	}
	asked, err := d.asked(row, row.Order, out.Title, now)
	if err == nil {
		err = d.Drafts.Heard(ctx, row.ID, now, asked)
	}
	if err != nil && !errors.Is(err, portal.ErrNotFound) {
		d.Log.WarnContext(ctx, "how the parties stand was not kept", "draft", row.ID, "error", err)
	}
}

func over(s signclient.State) bool {
	return s != signclient.Open && s != signclient.Sealing
}

// waiting gives a locked draft to its owner, with its order: the error is
// ErrTooLate when it has arrived.
func (d *Desk) waiting(ctx context.Context, v portal.Visitor, id portal.DraftID) (store.Draft, drafts.Outgoing, error) {
	row, out, err := d.Drafts.Locked(ctx, v, id)
	if errors.Is(err, portal.ErrNotFound) {
		if c, errCase := d.arrived(ctx, v, id); errCase != nil {
			return row, out, errCase
		} else if c != "" {
			return row, out, ErrTooLate
		}
	}
	if err != nil || row.State == portal.Waiting {
		return row, out, err
	}
	// It was being handed over when something broke.
	o, err := d.order(ctx, row, out)
	if err != nil {
		return row, out, err
	}
	row.State, row.Order = portal.Waiting, o.ID
	return row, out, nil
}

// heldWithdrawal marks in the store that an owner takes an order back, so that
// whoever sees its end knows why.
const heldWithdrawal = "withdrawal"

// Withdraw cancels the order and opens the draft again: every signature is void.
// ErrTooLate when it lost the race; it then arrives.
func (d *Desk) Withdraw(ctx context.Context, v portal.Visitor, id portal.DraftID) error {
	row, _, err := d.waiting(ctx, v, id)
	if errors.Is(err, ErrNotTaken) {
		return nil // nothing of it is anywhere, and it is open
	}
	if errors.Is(err, portal.ErrNotFound) {
		// An open one of the owner's own: it has come back already.
		if _, err := d.Drafts.Open(ctx, v, id); err != nil {
			return err
		}
		return nil
	}
	if err != nil {
		return err
	}
	now := d.Now()
	if err := d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		return store.PutHeld(tx, store.Held{ID: withdrawal(row.Order), Kind: heldWithdrawal, Body: []byte{1}, Expires: now.Add(24 * time.Hour)})
	}); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	err = d.Signer.Cancel(ctx, row.Tenant, row.Order)
	o := signclient.Order{ID: row.Order, State: signclient.Cancelled}
	var p *signclient.Problem
	switch {
	case err == nil:
	case errors.As(err, &p) && p.Status == 404:
		// It is not there any more: nothing can come of it.
	case errors.As(err, &p) && p.Status == 409:
		if o, err = d.Signer.Order(ctx, row.Tenant, row.Order); err != nil {
			return fmt.Errorf("%w: %w", ErrUnsure, err)
		}
		if o.State != signclient.Cancelled { // which may be what an earlier try did
			if err := d.notWithdrawn(ctx, row); err != nil {
				return err
			}
		}
	case errors.As(err, &p) && p.Status < 500:
		// It was not taken back. If it ends later, that is another's doing.
		return errors.Join(fmt.Errorf("%w: %w", ErrUnsure, err), d.notWithdrawn(ctx, row))
	default:
		return fmt.Errorf("%w: %w", ErrUnsure, err)
	}
	if err := d.follow(ctx, row, o); err != nil && o.State != signclient.Completed {
		return err
	}
	switch o.State {
	case signclient.Completed, signclient.Sealing:
		return ErrTooLate
	case signclient.Open:
		return ErrUnsure // somebody changed it at that moment
	}
	return nil
}

func withdrawal(order string) string { return "withdrawal " + order }

// notWithdrawn removes the mark that an owner takes an order back.
func (d *Desk) notWithdrawn(ctx context.Context, row store.Draft) error {
	err := d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := store.TakeHeld(tx, withdrawal(row.Order), heldWithdrawal, d.Now())
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNone) {
		return fmt.Errorf("sending: %w", err)
	}
	return nil
}

// Remind asks again those who have not signed. The error is *signclient.Problem
// when the signing service says that it is too soon, register.ErrProtected when
// one of them has become protected.
func (d *Desk) Remind(ctx context.Context, v portal.Visitor, id portal.DraftID) error {
	row, out, err := d.waiting(ctx, v, id)
	if err != nil {
		return err
	}
	if err := d.mayTell(ctx, unsigned(out)); err != nil {
		return err
	}
	err = d.Editor.Remind(ctx, row.Tenant, row.Order)
	if err == nil {
		return d.done(ctx, audit.DraftReminded, row, out, "")
	}
	return d.edited(ctx, row, err)
}

// done keeps what an owner had the signing service do to a locked draft.
func (d *Desk) done(ctx context.Context, what audit.Type, row store.Draft, out drafts.Outgoing, reason string) error {
	person, err := d.auditName(out.Parties)
	if err != nil {
		return err
	}
	e := audit.Event{
		Type: what, At: d.Now(), Client: (portal.Tenant{ID: row.Tenant}).Client(), Order: string(row.ID), Login: row.Order, Person: person, Reason: reason,
	}
	if err := d.DB.Write(ctx, func(tx *sqldb.Tx) error { return audit.Insert(tx, e) }); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	return nil
}

// unsigned are the parties of which it is not known that they have signed.
func unsigned(out drafts.Outgoing) (list []form.Party) {
	for i, p := range out.Parties {
		if i >= len(out.Known) || out.Known[i].State != portal.PartySigned {
			list = append(list, p)
		}
	}
	return list
}

// edited says what the answer to a change of an order means to its owner.
func (d *Desk) edited(ctx context.Context, row store.Draft, err error) error {
	var p *signclient.Problem
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p) && p.Status == 409:
		// It is over, or somebody has signed meanwhile: the page shows which.
		if err := d.Look(ctx, row.Tenant, row.Order); err != nil {
			d.Log.WarnContext(ctx, "an order was not looked at", "draft", row.ID, "order", row.Order, "error", err)
		}
		return nil
	case errors.As(err, &p) && (p.Status == 422 || p.Status == 429):
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnsure, err)
}

// Correct mends how a party is reached; nobody has to sign again. It is not part
// of what is signed. register.ErrProtected when that party has become protected.
func (d *Desk) Correct(ctx context.Context, v portal.Visitor, id portal.DraftID, n int, c form.Contact) ([]form.Fault, error) {
	row, out, err := d.waiting(ctx, v, id)
	if err != nil {
		return nil, err
	}
	t, ok := d.Tenant(row.Tenant)
	if !ok || n < 2 || n > len(out.Parties) {
		return nil, portal.ErrNotFound
	}
	if err := d.mayTell(ctx, out.Parties[n-1:n]); err != nil {
		return nil, err
	}
	c, invite, faults := reach(t, out.Parties[n-1].Contact, c)
	if len(faults) > 0 {
		return faults, nil
	}
	err = d.Editor.Correct(ctx, row.Tenant, row.Order, n, c.Email, c.Phone, invite)
	var p *signclient.Problem
	if errors.As(err, &p) && p.Status == 422 {
		return []form.Fault{{Field: out.Parties[n-1].Contact, Code: form.FaultReach}}, nil
	}
	if err = d.edited(ctx, row, err); err != nil || p != nil {
		return nil, err
	}
	if err := d.done(ctx, audit.DraftCorrected, row, out, "party "+strconv.Itoa(n)); err != nil {
		return nil, err
	}
	known := out.Known
	if len(known) != len(out.Parties) {
		if known, err = d.parties(t, out, signclient.Order{}); err != nil {
			return nil, err
		}
	}
	known[n-1].Email, known[n-1].Phone = c.Email, c.Phone
	if err := d.Drafts.Heard(ctx, id, known, nil); err != nil && !errors.Is(err, portal.ErrNotFound) {
		return nil, fmt.Errorf("sending: %w", err)
	}
	return nil, nil
}

// reach checks and spells addresses, and says how they are used.
func reach(t portal.Tenant, field string, c form.Contact) (form.Contact, string, []form.Fault) {
	var out form.Contact
	var faults []form.Fault
	var err error
	if c.Email != "" {
		if out.Email, err = contact.Email(c.Email); err != nil {
			faults = append(faults, form.Fault{Field: field, Part: "email", Code: form.FaultEmail})
		}
	}
	if c.Phone != "" {
		if out.Phone, err = contact.Phone(c.Phone); err != nil {
			faults = append(faults, form.Fault{Field: field, Part: "phone", Code: form.FaultPhone})
		}
	}
	invite := invitation(t.Invite, out.Email, out.Phone)
	if invite == "" && len(faults) == 0 {
		faults = append(faults, form.Fault{Field: field, Code: form.FaultReach})
	}
	return out, invite, faults
}
