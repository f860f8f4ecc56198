package orders

import (
	"context"
	"errors"
	"slices"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/providers/personnummer"
	"sigill/signing"
	"sigill/signing/receipt"
)

// Client's side: for signing/api. Each method knows only the orders of its
// client; others', like those that do not exist, are broker.ErrNotFound.
// *signing.Invalid and the errors of package signing are the caller's.

// nobody is who acts when a client does.
var nobody personnummer.Number

// Order reads an order.
func (s *Service) Order(ctx context.Context, client, id string) (signing.Order, error) {
	a, err := s.load(ctx, client, id)
	if err != nil {
		return signing.Order{}, err
	}
	return a.Order, nil
}

// Receipt gives the sealed PDF; broker.ErrNotFound until the order is completed.
func (s *Service) Receipt(ctx context.Context, client, id string) ([]byte, error) {
	a, err := s.load(ctx, client, id)
	if err != nil {
		return nil, err
	}
	return a.receipt(ctx, nobody)
}

// receipt gives the sealed PDF to somebody.
func (a *act) receipt(ctx context.Context, person personnummer.Number) ([]byte, error) {
	file, err := a.released(ctx, partReceipt)
	if err != nil {
		return nil, err
	}
	if err := a.fetched(ctx, person, "receipt"); err != nil {
		return nil, err
	}
	return file, nil
}

// released reads a part of a completed order.
func (a *act) released(ctx context.Context, part string) ([]byte, error) {
	if a.Order.State != signing.Completed {
		return nil, broker.ErrNotFound
	}
	sealed, err := a.s.Store.Part(ctx, a.row.ID, part)
	if err != nil {
		return nil, err
	}
	return a.s.openForClient(a.row, part, sealed)
}

// Proof is a file that proves something about an order.
type Proof struct {
	Name, Type string
	Bytes      []byte
}

// Evidence gives the manifest and each signature's own evidence, as they lie in
// the receipt; broker.ErrNotFound until the order is completed.
func (s *Service) Evidence(ctx context.Context, client, id string) ([]Proof, error) {
	a, err := s.load(ctx, client, id)
	if err != nil {
		return nil, err
	}
	record, err := a.released(ctx, partRecord)
	if err != nil {
		return nil, err
	}
	proofs := []Proof{{receipt.KvittensName, "application/json", record}}
	for _, sig := range a.Order.Signatories {
		if sig.Signature == nil {
			continue
		}
		plain, err := a.released(ctx, partEvidence(sig.N))
		if err != nil {
			return nil, err
		}
		files, _, err := s.proofs(plain, sig.N)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			proofs = append(proofs, Proof{f.Name, f.Type, f.Bytes})
		}
	}
	if err := a.fetched(ctx, nobody, "evidence"); err != nil {
		return nil, err
	}
	return proofs, nil
}

// Cancel ends an open order.
func (s *Service) Cancel(ctx context.Context, client, id string) (signing.Order, error) {
	return s.edit(ctx, client, id, func(a *act) error {
		a.note(audit.SigningCancelled, nobody, "")
		return a.planned(a.Order.Cancel(a.now))
	})
}

// edit is an act that gives back what became of the order.
func (s *Service) edit(ctx context.Context, client, id string, do func(*act) error) (signing.Order, error) {
	a, err := s.act(ctx, client, id, do)
	if err != nil {
		return signing.Order{}, err
	}
	return a.Order, nil
}

// betweenReminders is how often a client may have people written to.
const betweenReminders = time.Hour

// Remind writes to everybody whose turn it is; at most once an hour: ErrTooSoon.
func (s *Service) Remind(ctx context.Context, client, id string) (signing.Order, error) {
	return s.edit(ctx, client, id, func(a *act) error {
		last := a.Order.Reminded
		if err := a.planned(a.Order.Remind(a.now)); err != nil {
			return err
		}
		if a.now.Sub(last) < betweenReminders {
			return ErrTooSoon
		}
		a.note(audit.SigningReminded, nobody, "")
		return nil
	})
}

// Correct changes how a signatory is reached. Invitations sent to the old
// addresses die. ErrTooSoon, as of Replace and Change, when somebody would be
// written to too often; see spend.
func (s *Service) Correct(ctx context.Context, client, id string, n int, c signing.Contact) (signing.Order, error) {
	c, err := signing.CheckContact(c.Email, c.Phone, c.Invite)
	if err != nil {
		return signing.Order{}, err
	}
	reach := signing.Signatory{Email: c.Email, Phone: c.Phone, Invite: c.Invite}
	if faults := s.channelFaults("", reach); len(faults) > 0 {
		return signing.Order{}, &signing.Invalid{Faults: faults}
	}
	return s.edit(ctx, client, id, func(a *act) error {
		if err := a.planned(a.Order.Correct(n, c, a.now)); err != nil {
			return err
		}
		if err := a.spend(); err != nil {
			return err
		}
		a.forget(n)
		a.note(audit.SigningContactCorrected, nobody, "")
		return nil
	})
}

// forget lets the ways in die that were sent to somebody, also those that wait in
// the outbox.
func (a *act) forget(n int) {
	a.change.Drop = append(a.change.Drop, n)
	for _, c := range []signing.Channel{signing.Email, signing.SMS} {
		delete(a.Newest, newest(n, c))
	}
}

// Replace lets another person sign instead of signatory n. Every signature is
// void.
func (s *Service) Replace(ctx context.Context, client, id string, n int, by signing.WishedSignatory) (signing.Order, error) {
	asking, err := s.Clients.Client(ctx, client)
	if err != nil {
		return signing.Order{}, err
	}
	return s.revise(ctx, client, id, func(a *act, b *signing.Body) error {
		next, err := signing.CheckSignatory(by, a.Order, a.now)
		if err != nil {
			return err
		}
		if faults := append(s.channelFaults("", next), barred("", asking, next, a.Order.Deadline)...); len(faults) > 0 {
			return &signing.Invalid{Faults: faults}
		}
		if err := a.planned(a.Order.Replace(b, n, next, a.now)); err != nil {
			return err
		}
		// Who comes after somebody gets what was left, or there would be no end of
		// messages to one after the other.
		if sent := a.Sent[n]; len(sent) > 0 {
			a.Sent[len(a.Order.Signatories)] = slices.Clone(sent)
		}
		a.forget(n)
		a.change.Persons = s.persons(&a.Order)
		return nil
	})
}

// Change puts other documents in the place of the order's. Every signature is
// void.
func (s *Service) Change(ctx context.Context, client, id string, documents []signing.Document) (signing.Order, error) {
	documents, err := signing.CheckDocuments(documents, s.Limits)
	if err != nil {
		return signing.Order{}, err
	}
	return s.revise(ctx, client, id, func(a *act, b *signing.Body) error {
		return a.planned(a.Order.Change(b, documents, a.now))
	})
}

// revise changes what is signed or who signs it.
func (s *Service) revise(ctx context.Context, client, id string, do func(*act, *signing.Body) error) (signing.Order, error) {
	c, err := s.Clients.Client(ctx, client)
	if err != nil {
		return signing.Order{}, err
	}
	return s.edit(ctx, client, id, func(a *act) error {
		if a.Order.State != signing.Open {
			return signing.ErrOver
		}
		k, err := s.unwrap(a.row, &a.Order, owner{client})
		if err != nil {
			return err
		}
		b, err := k.openBody(a.row, &a.Order)
		if err != nil {
			return err
		}
		for i := range b.Documents {
			if b.Documents[i], err = s.file(ctx, k, a.head, b, i); err != nil {
				return err
			}
		}
		void := a.evidence()
		if err := do(a, &b); err != nil {
			return err
		}
		if err := a.spend(); err != nil {
			return err
		}
		if err := s.mayAsk(c, &a.head, b); err != nil {
			return err
		}
		a.change.Parts = append(append(a.change.Parts, void...), k.sealFiles(&a.head, b.Documents)...)
		if a.row.Body, err = k.sealBody(a.Order.Revision, b); err != nil {
			return err
		}
		a.rebound = true
		a.note(audit.SigningChanged, nobody, "")
		return nil
	})
}

// stuck is how long a receipt may be in the making before its client may give the
// order up.
const stuck = 24 * time.Hour

// Delete erases an order that is over, or whose receipt has been in the making
// for more than a day; any other is ErrStillOpen.
func (s *Service) Delete(ctx context.Context, client, id string) error {
	a, err := s.load(ctx, client, id)
	if err != nil {
		return err
	}
	switch {
	case a.Order.State.Over():
		return s.erase(ctx, a, "client")
	case a.Order.State == signing.Sealing && a.now.Sub(a.Sealing) > stuck:
		// Everybody had signed: whoever reads the audit shall see that it was lost.
		return s.erase(ctx, a, "client, not sealed")
	}
	return ErrStillOpen
}

// erase removes an order to which nothing happens any more but, at most, that its
// receipt is done. Who was first does not matter.
func (s *Service) erase(ctx context.Context, a *act, by string) error {
	return s.Store.Delete(ctx, a.row.Client, a.row.ID, s.event(audit.SigningErased, a.now, a.row.Client, a.row.ID, nobody, by))
}

// isGone tells whether there is nothing left to do for an order.
func isGone(err error) bool { return errors.Is(err, broker.ErrNotFound) }
