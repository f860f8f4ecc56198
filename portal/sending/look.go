package sending

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/drafts"
	"sigill/portal/form"
	"sigill/portal/letters"
	"sigill/portal/notices"
	"sigill/portal/register"
	"sigill/portal/signclient"
	"sigill/portal/store"
	"sigill/providers/personnummer"
)

// News is called with each webhook, after its signature was checked: it looks at
// the order, whatever the news says.
func (d *Desk) News(ctx context.Context, t portal.TenantID, order string) error {
	return d.Look(ctx, t, order)
}

// Look asks the signing service about an order and does what follows. An order
// that belongs to nothing here is nothing.
func (d *Desk) Look(ctx context.Context, t portal.TenantID, order string) error {
	row, err := store.DraftByOrder(store.Last(ctx, d.DB), order)
	switch {
	case errors.Is(err, store.ErrNone):
		return d.adopt(ctx, t, order)
	case err != nil:
		return fmt.Errorf("sending: %w", err)
	case row.Tenant != t:
		return nil
	}
	o, err := d.Signer.Order(ctx, row.Tenant, row.Order)
	switch {
	case notThere(err):
		return d.missing(ctx, row)
	case err != nil:
		return err
	}
	return d.follow(ctx, row, o)
}

func notThere(err error) bool {
	var p *signclient.Problem
	return errors.As(err, &p) && p.Status == 404
}

// errKnown marks what stands in the way of an order and was said already: whoever
// looks again and again does not say it each time.
var errKnown = errors.New("it is known")

// lost is how long the signing service must say that it has no such order before
// nobody waits for it any more.
const lost = 24 * time.Hour

// missing is for a draft whose order is not there: nothing can come of it, if that
// is so. It is given back when it has been so for a while.
func (d *Desk) missing(ctx context.Context, row store.Draft) error {
	now := d.Now()
	since, fresh := now, false
	err := d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		return d.Drafts.Troubled(tx, row.ID, row.Order, func(t *drafts.Trouble) bool {
			since, fresh = t.Missing, t.Missing.IsZero()
			if fresh {
				t.Missing, since = now, now
			}
			return fresh
		})
	})
	switch {
	case errors.Is(err, store.ErrNone) || errors.Is(err, store.ErrStale):
		return nil // it has gone another way
	case err != nil:
		return fmt.Errorf("sending: %w", err)
	case now.Sub(since) > lost:
		d.Log.ErrorContext(ctx, "an order is not there any more, its draft is given back", "draft", row.ID, "order", row.Order)
		return d.giveBack(ctx, row, signclient.Order{ID: row.Order, State: signclient.Cancelled}, portal.ReturnedCancelled)
	case fresh:
		return fmt.Errorf("sending: order %s is not there", row.Order)
	}
	return fmt.Errorf("sending: order %s is not there: %w", row.Order, errKnown)
}

// adopt takes an order back whose making was not noted, because something broke
// between. Its reference is the attempt.
func (d *Desk) adopt(ctx context.Context, t portal.TenantID, order string) error {
	if _, err := store.CaseByOrder(store.Last(ctx, d.DB), order); !errors.Is(err, store.ErrNone) {
		return err // it has arrived
	}
	o, err := d.Signer.Order(ctx, t, order)
	if notThere(err) {
		return nil
	}
	if err != nil {
		return err
	}
	row, err := store.DraftByAttempt(store.Last(ctx, d.DB), o.Reference)
	if errors.Is(err, store.ErrNone) || err == nil && (row.Tenant != t || row.State != portal.Sending) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	out, err := d.Drafts.Told(row)
	if err != nil {
		return err
	}
	if err := d.placed(ctx, row, out, o); err != nil {
		return err
	}
	if row, err = store.DraftByOrder(store.Last(ctx, d.DB), order); errors.Is(err, store.ErrNone) {
		return nil
	} else if err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	return d.follow(ctx, row, o)
}

// follow does what follows from how an order stands.
func (d *Desk) follow(ctx context.Context, row store.Draft, o signclient.Order) error {
	switch o.State {
	case signclient.Open, signclient.Sealing:
		return d.listen(ctx, row, o)
	case signclient.Completed:
		return d.arrive(ctx, row, o)
	case signclient.Refused:
		return d.giveBack(ctx, row, o, portal.ReturnedRefused)
	case signclient.Expired:
		return d.giveBack(ctx, row, o, portal.ReturnedExpired)
	case signclient.Cancelled:
		return d.giveBack(ctx, row, o, portal.ReturnedCancelled)
	}
	return fmt.Errorf("sending: order %s is in a state that we do not know", o.ID)
}

// slack is how far the signing service's clock may be from ours.
const slack = 10 * time.Minute

// listen looks at an order that is under way. The applicant is told, once, that
// it waits for others.
func (d *Desk) listen(ctx context.Context, row store.Draft, o signclient.Order) error {
	now := d.Now()
	out, err := d.Drafts.Told(row)
	if err != nil {
		return d.unlessGone(ctx, row, err)
	}
	tell, err := d.waitsForOthers(ctx, row, out, o)
	if err != nil {
		return err
	}
	err = d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if !out.Trouble.Missing.IsZero() { // it is there again
			if err := d.Drafts.Troubled(tx, row.ID, row.Order, func(t *drafts.Trouble) bool {
				t.Missing = time.Time{}
				return true
			}); err != nil {
				return err
			}
		}
		if len(tell) > 0 {
			if is, err := d.waits(tx, row); err != nil || !is {
				return err
			}
			if err := d.Notices.Insert(tx, now, tell...); err != nil {
				return err
			}
		}
		return store.LookedAt(tx, row.ID, now)
	})
	if errors.Is(err, store.ErrNone) || errors.Is(err, store.ErrStale) {
		return nil // it has arrived meanwhile, or come back
	}
	if err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	if len(tell) > 0 {
		d.Wake()
	}
	return nil
}

// waitsForOthers notes how the parties of an order stand that several sign, and
// makes the notice that the applicant has signed and others have not, unless it
// was made at an earlier look.
func (d *Desk) waitsForOthers(ctx context.Context, row store.Draft, out drafts.Outgoing, o signclient.Order) ([]notices.Notice, error) {
	if o.State != signclient.Open || len(o.Signatories) < 2 {
		return nil, nil
	}
	t, ok := d.Tenant(row.Tenant)
	if !ok {
		return nil, errNoTenant
	}
	known, err := d.parties(t, out, o)
	if err != nil {
		return nil, err
	}
	d.heard(ctx, row, out, known)
	first := o.Signatories[0]
	if first.State != portal.PartySigned || first.Signature == nil || first.Signature.At.Before(row.Looked.Add(-slack)) {
		return nil, nil
	}
	n := d.applicant(t, row, out)
	n.Kind, n.Event, n.Deadline = letters.Waiting, "waiting "+o.ID, o.Deadline
	n.Path = "/utkast/" + string(row.ID) + "/vantar"
	return []notices.Notice{n}, nil
}

var errNoTenant = errors.New("sending: the tenant is not there")

// applicant begins a notice to the applicant of a draft.
func (d *Desk) applicant(t portal.Tenant, row store.Draft, out drafts.Outgoing) notices.Notice {
	n := notices.Notice{
		Tenant: t.ID, Ref: string(row.ID), Contact: out.Contact, Lang: out.Lang, Title: out.Title, Follow: !row.Anonymous,
	}
	if !row.Anonymous && len(out.Parties) > 0 {
		n.Person, n.Number = portal.PersonKey(row.Owner), out.Parties[0].Number
	}
	return n
}

// waits reports whether a draft still waits for the order that it was read with.
func (d *Desk) waits(tx *sqldb.Tx, row store.Draft) (bool, error) {
	now, err := store.DraftOf(tx, row.ID)
	if errors.Is(err, store.ErrNone) {
		return false, nil
	}
	return err == nil && now.State == portal.Waiting && now.Order == row.Order, err
}

// giveBack opens a draft again whose order has ended without arriving, and tells
// the applicant, unless it was the applicant's own doing.
func (d *Desk) giveBack(ctx context.Context, row store.Draft, o signclient.Order, why portal.Returned) error {
	t, ok := d.Tenant(row.Tenant)
	if !ok {
		return errNoTenant
	}
	out, err := d.Drafts.Told(row)
	if err != nil {
		return d.unlessGone(ctx, row, err)
	}
	by, reason, own := refusal(out, o)
	tell := d.applicant(t, row, out)
	tell.Kind, tell.Event, tell.Name = letters.Returned, "returned "+row.Order, by
	tell.Path = "/utkast/" + string(row.ID)
	person, err := d.auditName(out.Parties)
	if err != nil {
		return err
	}
	now := d.Now()
	done := false
	err = d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		done = false
		current, err := store.DraftOf(tx, row.ID)
		if errors.Is(err, store.ErrNone) || err == nil && (current.State != portal.Waiting || current.Order != row.Order) {
			return nil
		}
		if err != nil {
			return err
		}
		why, own := why, own
		switch _, err := store.TakeHeld(tx, withdrawal(row.Order), heldWithdrawal, now); {
		case err == nil && why == portal.ReturnedCancelled:
			why, own = portal.ReturnedWithdrawn, true
		case err != nil && !errors.Is(err, store.ErrNone):
			return err
		}
		if err := d.Drafts.Return(tx, current, why, by, reason); err != nil {
			return err
		}
		if err := d.forget(tx, now, row, why); err != nil {
			return err
		}
		done = true
		if err := audit.Insert(tx, audit.Event{
			Type: audit.DraftReturned, At: now, Client: t.Client(), Order: string(row.ID), Login: row.Order, Person: person, Reason: string(why),
		}); err != nil || own {
			return err
		}
		tell.Returned = why
		return d.Notices.Insert(tx, now, tell)
	})
	if err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	if done {
		d.Wake()
	}
	return nil
}

// refusal says who refused and why, and whether it was the applicant.
func refusal(out drafts.Outgoing, o signclient.Order) (by, reason string, own bool) {
	for i, s := range o.Signatories {
		if s.State == portal.PartyRefused && i < len(out.Parties) {
			return out.Parties[i].Name, s.Reason, out.Parties[i].Applicant
		}
	}
	return "", "", false
}

// reopen opens a draft that the signing service did not take.
func (d *Desk) reopen(ctx context.Context, row store.Draft) error {
	e := audit.Event{Type: audit.DraftReturned, At: d.Now(), Client: (portal.Tenant{ID: row.Tenant}).Client(), Order: string(row.ID), Reason: "not_taken"}
	err := d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		now, err := store.DraftOf(tx, row.ID)
		if errors.Is(err, store.ErrNone) || err == nil && (now.State != portal.Sending || now.Attempt != row.Attempt) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := d.Drafts.Return(tx, now, "", "", ""); err != nil {
			return err
		}
		return audit.Insert(tx, e)
	})
	if err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	return nil
}

// auditName names the applicant in the audit; nobody for the anonymous.
func (d *Desk) auditName(parties []form.Party) (string, error) {
	if len(parties) == 0 {
		return "", nil
	}
	n, err := personnummer.FromDigits(parties[0].Number)
	if err != nil {
		return "", errors.New("sending: a party without a personal number")
	}
	return d.Vault.Audit(n)
}

// atOnce is how many orders are asked for at a time, and batch how many are read.
const (
	atOnce = 4
	batch  = 100
)

// Run looks at waiting orders until ctx ends. It is for what no webhook told;
// receipts are the outbox's.
func (d *Desk) Run(ctx context.Context) error {
	tick := time.NewTicker(d.Poll)
	defer tick.Stop()
	for {
		if err := d.Reconcile(ctx); err != nil && ctx.Err() == nil {
			d.Log.ErrorContext(ctx, "waiting orders are not looked at", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

const (
	// stuck is how long whoever sends a draft has time to hand it over.
	stuck = 5 * time.Minute
	// attemptLife is how long the signing service knows what it made of an attempt,
	// with a day to spare: 30 days.
	attemptLife = 29 * 24 * time.Hour
)

// Reconcile looks once at every order that was not looked at for a while, and
// hands over what was locked and never handed over. What fails stays as not looked
// at, and stands in the way of no other.
func (d *Desk) Reconcile(ctx context.Context) error {
	now, r := d.Now(), store.Last(ctx, d.DB)
	err := d.each(ctx, func(limit int) ([]store.Draft, error) { return store.DraftsWaiting(r, now.Add(-d.Poll), limit) },
		func(row store.Draft) error { return d.Look(ctx, row.Tenant, row.Order) })
	return errors.Join(err, d.each(ctx, func(limit int) ([]store.Draft, error) { return store.DraftsSending(r, now.Add(-stuck), limit) },
		func(row store.Draft) error { return d.handOver(ctx, row) }))
}

// each does something with all drafts of a list that becomes shorter by it.
func (d *Desk) each(ctx context.Context, list func(limit int) ([]store.Draft, error), do func(store.Draft) error) error {
	seen := map[portal.DraftID]bool{}
	failed := 0
	for ctx.Err() == nil {
		rows, err := list(batch + failed)
		if err != nil {
			return fmt.Errorf("sending: %w", err)
		}
		rows = slices.DeleteFunc(rows, func(row store.Draft) bool { return seen[row.ID] })
		if len(rows) == 0 {
			return nil
		}
		slots := make(chan struct{}, atOnce)
		var all sync.WaitGroup
		var vain atomic.Int64
		for _, row := range rows {
			seen[row.ID] = true
			slots <- struct{}{}
			all.Go(func() {
				defer func() { <-slots }()
				err := do(row)
				if err == nil || ctx.Err() != nil {
					return
				}
				vain.Add(1)
				if !errors.Is(err, errKnown) {
					d.Log.WarnContext(ctx, "an order was not followed; it is looked at again", "draft", row.ID, "order", row.Order, "error", err)
				}
			})
		}
		all.Wait()
		failed += int(vain.Load())
	}
	return nil
}

// handOver goes on, without its owner, with a draft that was locked and whose order
// was never noted: the same bytes under the same name, which make an order only if
// they have not made one. One that cannot be handed over any more is opened again.
func (d *Desk) handOver(ctx context.Context, row store.Draft) error {
	out, err := d.Drafts.Told(row)
	if err != nil {
		return d.unlessGone(ctx, row, err)
	}
	if !out.Locked.IsZero() && d.Now().Sub(out.Locked) > attemptLife {
		d.Log.ErrorContext(ctx, "a draft could not be handed over and is opened again", "draft", row.ID)
		return d.reopen(ctx, row)
	}
	if out.Body, err = d.Drafts.LockedBytes(ctx, row); err != nil {
		return d.unlessGone(ctx, row, err)
	}
	var o signclient.Order
	if err = d.mayStill(ctx, row, out.Parties); err == nil {
		o, err = d.order(ctx, row, out)
	}
	if errors.Is(err, ErrNotTaken) || errors.Is(err, register.ErrProtected) {
		d.Log.ErrorContext(ctx, "a draft is not taken and is opened again", "draft", row.ID, "error", err)
		return nil
	}
	if err != nil {
		// It is large: not as often as orders are asked for.
		if errLook := d.DB.Write(ctx, func(tx *sqldb.Tx) error { return store.LookedAt(tx, row.ID, d.Now()) }); errLook != nil && !errors.Is(errLook, store.ErrNone) {
			return errors.Join(err, errLook)
		}
		return err
	}
	return d.Look(ctx, row.Tenant, o.ID)
}
