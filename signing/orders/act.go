package orders

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/providers/personnummer"
	"sigill/signing"
)

// act is one change of one order: what the rules make of the order, and all that
// follows from it, for one transaction.
type act struct {
	head
	s       *Service
	now     time.Time
	row     Row
	fresh   bool // the order is not stored yet
	rebound bool // row.Body is another one than was loaded
	effects []signing.Effect
	change  Change // all but Row and what the effects become
}

// errNothing ends an act that has found nothing to change.
var errNothing = errors.New("nothing to change")

// tries is how often an act begins again because somebody else was first.
const tries = 12

// act loads an order, has do change it, and stores it with all that follows;
// from the start when somebody else was first. do may be called several times.
func (s *Service) act(ctx context.Context, client, id string, do func(*act) error) (*act, error) {
	for i := range tries {
		a, err := s.load(ctx, client, id)
		if err != nil {
			return nil, err
		}
		if err := do(a); err != nil {
			if errors.Is(err, errNothing) {
				return a, nil
			}
			return nil, err
		}
		err = a.store(ctx)
		if err == nil {
			return a, nil
		}
		if !errors.Is(err, broker.ErrConflict) {
			return nil, err
		}
		pause := time.NewTimer(rand.N(time.Duration(i+1) * 2 * time.Millisecond))
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil, ctx.Err()
		case <-pause.C:
		}
	}
	return nil, fmt.Errorf("order %s: %w, %d times", id, broker.ErrConflict, tries)
}

// load reads an order of a client.
func (s *Service) load(ctx context.Context, client, id string) (*act, error) {
	if client == "" || id == "" {
		return nil, broker.ErrNotFound
	}
	row, err := s.Store.Order(ctx, client, id)
	if err != nil {
		return nil, err
	}
	if row.Client != client || row.ID != id {
		return nil, broker.ErrNotFound
	}
	h, err := s.openHead(row)
	if err != nil {
		return nil, err
	}
	return &act{s: s, now: s.now(), row: row, head: h}, nil
}

// planned takes over what the rules say must be done.
func (a *act) planned(effects []signing.Effect, err error) error {
	if err != nil {
		return err
	}
	a.effects = append(a.effects, effects...)
	return nil
}

// note adds an audit event of the order's.
func (a *act) note(t audit.Type, person personnummer.Number, reason string) {
	a.change.Events = append(a.change.Events, a.s.event(t, a.now, a.Order.Client, a.Order.ID, person, reason))
}

func (s *Service) event(t audit.Type, at time.Time, client, order string, person personnummer.Number, reason string) audit.Event {
	e := audit.Event{Type: t, At: at, Client: client, Order: order, Reason: reason}
	if !person.IsZero() {
		e.Person = s.PersonDigest(person)
	}
	return e
}

func (a *act) store(ctx context.Context) error {
	c, err := a.finish()
	if err != nil {
		return err
	}
	if err := a.s.Store.Update(ctx, c); err != nil {
		return err
	}
	if len(c.Outbox) > 0 {
		a.s.Wake()
	}
	return nil
}

// finish makes the transaction of an act.
func (a *act) finish() (Change, error) {
	o := &a.Order
	c := a.change
	if o.State.Over() && a.row.Key != nil {
		// Nobody signs any more: what was to be signed is in the receipt, or gone.
		c.Parts = append(c.Parts, a.leftovers()...)
		for _, sig := range o.Signatories {
			c.Drop = append(c.Drop, sig.N)
		}
		c.Withdraw = append(c.Withdraw, string(signing.SendInvitation), string(signing.SendAgain), string(signing.SendReminder))
		a.row.Key, a.row.Body = nil, nil
	}
	if o.State == signing.Sealing && a.Sealing.IsZero() {
		a.Sealing = a.now
	}
	if err := a.plan(&c); err != nil {
		return Change{}, err
	}
	a.row.State, a.row.Ended, a.row.Due = o.State, o.EndedAt, o.Due()
	if o.State.Over() {
		a.row.Due = o.EndedAt.Add(a.s.keep(o.State))
	}
	version := a.row.Version
	if !a.fresh {
		version++ // see Store.Update
	}
	if err := a.s.sealHead(&a.row, a.head, version); err != nil {
		return Change{}, err
	}
	c.Row = a.row
	if !a.rebound {
		c.Row.Body = nil
	}
	return c, nil
}

// leftovers removes what lay under the order's own key besides the body.
func (a *act) leftovers() []Part {
	var parts []Part
	for i, revision := range a.Files {
		if revision != 0 {
			parts = append(parts, Part{Name: partFile(i + 1)})
		}
	}
	a.Files = nil
	if a.Order.State == signing.Completed {
		return parts // the evidence lies under the client's key now
	}
	return append(parts, a.evidence()...)
}

// evidence removes the evidence of those who have signed.
func (a *act) evidence() []Part {
	var parts []Part
	for _, s := range a.Order.Signatories {
		if s.Signature != nil {
			parts = append(parts, Part{Name: partEvidence(s.N)})
		}
	}
	return parts
}

// persons are the indexes by which an order is found for those who sign it.
func (s *Service) persons(o *signing.Order) map[int][]byte {
	all := map[int][]byte{}
	for _, sig := range o.Signatories {
		if sig.Active() {
			all[sig.N] = s.person(o.Client, sig.Number)
		}
	}
	return all
}

// person is how a number is looked up among one client's orders.
func (s *Service) person(client string, n personnummer.Number) []byte {
	return s.personKey([]byte(client + "\x00" + n.Digits()))
}

func (s *Service) keep(state signing.State) time.Duration {
	if state == signing.Completed {
		return s.Keep.Completed
	}
	return s.Keep.Other
}

// newest names a signatory's channel among the newest messages.
func newest(n int, c signing.Channel) string { return strconv.Itoa(n) + "/" + string(c) }
