package sending

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"sigill/portal"
	"sigill/portal/cases"
	"sigill/portal/drafts"
	"sigill/portal/form"
	"sigill/portal/register"
	"sigill/portal/signclient"
	"sigill/portal/store"
	"sigill/providers/personnummer"
)

// Send locks a draft and has it signed, or, when the service asks for no
// signature, makes it arrive at once. notice is the version of the notice on
// personal data that was shown. Doing it again after a crash is harmless.
// register.ErrProtected when somebody concerned is protected: nothing is sent.
func (d *Desk) Send(ctx context.Context, v portal.Visitor, id portal.DraftID, revision int, notice string) (Sent, error) {
	sent, err := d.send(ctx, v, id, revision, notice)
	if errors.Is(err, portal.ErrNotFound) { // perhaps since it has arrived, a moment ago even
		if c, err := d.arrived(ctx, v, id); err != nil || c != "" {
			return Sent{Case: c}, err
		}
	}
	return sent, err
}

func (d *Desk) send(ctx context.Context, v portal.Visitor, id portal.DraftID, revision int, notice string) (Sent, error) {
	draft, err := d.Drafts.Open(ctx, v, id)
	if err != nil {
		return Sent{}, err
	}
	if draft.State != portal.Open {
		return d.again(ctx, v, id)
	}
	if draft.Revision != revision {
		return Sent{}, &drafts.Conflict{Base: revision, Now: draft.Revision}
	}
	t, ok := d.Tenant(draft.Tenant)
	if !ok {
		return Sent{}, portal.ErrNotFound
	}
	s, err := d.Service(ctx, draft.Version)
	if err != nil {
		return Sent{}, fmt.Errorf("sending: %w", err)
	}
	out, err := d.prepare(ctx, v, s, draft)
	if err != nil {
		return Sent{}, err
	}
	out.Notice = notice
	files, err := d.files(ctx, v, id, out.Files)
	if err != nil {
		return Sent{}, err
	}
	if s.Signing == nil {
		c, err := d.unsigned(ctx, v, t, s, draft, out, files)
		return Sent{Case: c}, err
	}
	out.Files = nil // wish says which
	attempt := portal.NewID()
	if err := d.wish(t, id, attempt, s, &out, files); err != nil {
		return Sent{}, err
	}
	switch err := d.Drafts.Lock(ctx, v, id, revision, attempt, out); {
	case errors.Is(err, drafts.ErrLocked): // by the same button, pressed twice
	case err != nil:
		return Sent{}, err
	}
	return d.resume(ctx, v, id)
}

// prepare checks whether a draft may be sent, against what is so now.
func (d *Desk) prepare(ctx context.Context, v portal.Visitor, s *form.Service, draft portal.Draft) (drafts.Outgoing, error) {
	if (s.Login.Required || s.Signing != nil) && !v.LoggedIn() {
		return drafts.Outgoing{}, portal.ErrNotFound
	}
	facts, err := d.Facts(ctx, v, s)
	switch {
	case errors.Is(err, register.ErrProtected):
		return drafts.Outgoing{}, err
	case err != nil:
		return drafts.Outgoing{}, fmt.Errorf("%w: %w", ErrUnsure, err)
	case facts.NoRegister:
		// It may have become protected who sends. Where there is no register at all,
		// nobody can have, and Facts does not say so.
		return drafts.Outgoing{}, ErrUnsure
	}
	answers := s.Prune(draft.Answers, facts)
	journey := s.Journey(answers, draft.Saved, facts)
	if childChanged(journey, answers, facts) {
		return drafts.Outgoing{}, ErrChanged
	}
	if !journey.Complete() {
		return drafts.Outgoing{}, ErrIncomplete
	}
	out := drafts.Outgoing{
		Revision: draft.Revision, Title: s.Title.In(draft.Lang), Lang: draft.Lang, Answers: answers,
		Blocks: Tidy(s.Blocks(answers, facts, draft.Lang)), Files: s.Files(answers, facts), Contact: s.Contact(answers, facts),
	}
	if s.Signing == nil {
		return out, nil
	}
	parties, faults := s.Parties(answers, facts)
	switch {
	case len(faults) > 0:
		return drafts.Outgoing{}, &Refused{Faults: faults}
	case len(parties) == 0 || !parties[0].Applicant || parties[0].Number != v.Number.Digits():
		return drafts.Outgoing{}, errors.New("sending: the first party is not the applicant")
	}
	out.Parties = parties
	return out, d.mayTell(ctx, parties)
}

// mayTell is register.ErrProtected when one of those who are to sign is protected:
// an invitation would say where they are, and so would the sealed document.
// ErrUnsure when that is not known.
func (d *Desk) mayTell(ctx context.Context, parties []form.Party) error {
	for _, p := range parties {
		n, err := personnummer.FromDigits(p.Number)
		if err != nil {
			return errors.New("sending: a party without a personal number")
		}
		may, err := d.MayTell(ctx, n)
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", ErrUnsure, err)
		case !may:
			return register.ErrProtected
		}
	}
	return nil
}

// childChanged reports whether the register no longer says of a child what it
// said when the child was chosen: who else has to sign depends on it.
func childChanged(j form.Journey, a form.Answers, facts form.Facts) bool {
	for _, place := range j.Steps {
		for _, field := range place.Fields {
			chosen := a[field.ID].Child
			if field.Type != form.TypeChild || chosen == nil {
				continue
			}
			same := false
			for _, now := range facts.Children {
				same = same || now.Number == chosen.Number && maps.Equal(guardians(now), guardians(*chosen))
			}
			if !same {
				return true
			}
		}
	}
	return false
}

func guardians(c form.Child) map[string]bool {
	set := map[string]bool{}
	for _, g := range c.Guardians {
		set[g.Number] = true
	}
	return set
}

func (d *Desk) files(ctx context.Context, v portal.Visitor, id portal.DraftID, list []form.File) ([]attached, error) {
	var out []attached
	for _, f := range list {
		kept, content, err := d.Drafts.File(ctx, v, id, portal.FileID(f.ID))
		if err != nil {
			return nil, fmt.Errorf("sending: file %s: %w", f.ID, err)
		}
		out = append(out, attached{kept, content})
	}
	return out, nil
}

// again goes on with one that was locked some other time: somebody may have become
// protected since.
func (d *Desk) again(ctx context.Context, v portal.Visitor, id portal.DraftID) (Sent, error) {
	row, out, err := d.Drafts.Locked(ctx, v, id)
	if err == nil && row.State == portal.Sending {
		err = d.mayStill(ctx, row, out.Parties)
	}
	if err != nil && !errors.Is(err, portal.ErrNotFound) { // nor is it any more, which resume says
		return Sent{}, err
	}
	return d.resume(ctx, v, id)
}

// mayStill is mayTell of one that was locked, and not handed over as far as is
// known: when it may not be, it is opened again.
func (d *Desk) mayStill(ctx context.Context, row store.Draft, parties []form.Party) error {
	err := d.mayTell(ctx, parties)
	if errors.Is(err, register.ErrProtected) {
		err = errors.Join(err, d.reopen(ctx, row))
	}
	return err
}

// resume goes on with a draft that is locked: it hands it over, as often as need
// be, with the same bytes and the same name.
func (d *Desk) resume(ctx context.Context, v portal.Visitor, id portal.DraftID) (Sent, error) {
	row, out, err := d.Drafts.Locked(ctx, v, id)
	if err != nil {
		return Sent{}, err
	}
	o, err := d.order(ctx, row, out)
	if err != nil {
		return Sent{}, err
	}
	if err := d.follow(ctx, row, o); err != nil && !errors.Is(err, errKnown) {
		// It was handed over; what follows from it is tried again.
		d.Log.ErrorContext(ctx, "a draft that was handed over is not followed yet", "draft", id, "order", o.ID, "error", err)
	}
	c, err := d.arrived(ctx, v, id)
	if err != nil || c != "" {
		return Sent{Case: c}, err
	}
	if len(o.Signatories) > 0 && o.State == signclient.Open && o.Signatories[0].State != portal.PartySigned {
		return Sent{SignURL: o.Signatories[0].SignURL}, nil
	}
	// The applicant has signed, or it is over: that page says which.
	t, ok := d.Tenant(row.Tenant)
	if !ok {
		return Sent{}, portal.ErrNotFound
	}
	return Sent{SignURL: t.BaseURL + "/utkast/" + string(id) + "/vantar"}, nil
}

// order gives the order of a locked draft, and makes it when there is none yet.
func (d *Desk) order(ctx context.Context, row store.Draft, out drafts.Outgoing) (signclient.Order, error) {
	if row.State == portal.Waiting {
		o, err := d.Signer.Order(ctx, row.Tenant, row.Order)
		if err != nil {
			return o, fmt.Errorf("%w: %w", ErrUnsure, err)
		}
		return o, nil
	}
	o, err := d.Signer.Create(ctx, row.Tenant, row.Attempt, out.Body)
	var p *signclient.Problem
	switch {
	case errors.As(err, &p) && judged(p.Status):
		// There is no such order: a request that had been granted would have been
		// answered as then.
		if err := d.reopen(ctx, row); err != nil {
			return o, err
		}
		return o, fmt.Errorf("%w: %w", ErrNotTaken, err)
	case err != nil:
		return o, fmt.Errorf("%w: %w", ErrUnsure, err)
	}
	return o, d.placed(ctx, row, out, o)
}

// judged reports whether the signing service has looked at an order and said no.
// Other refusals, such as a token that it does not take, say nothing of whether
// an earlier try was granted.
func judged(status int) bool { return status == 400 || status == 413 || status == 415 || status == 422 }

// placed notes an order that was made.
func (d *Desk) placed(ctx context.Context, row store.Draft, out drafts.Outgoing, o signclient.Order) error {
	t, ok := d.Tenant(row.Tenant)
	if !ok {
		return portal.ErrNotFound
	}
	known, err := d.parties(t, out, o)
	if err != nil {
		return err
	}
	asked, err := d.asked(row, o.ID, out.Title, known)
	if err != nil {
		return err
	}
	err = d.Drafts.Placed(ctx, row.ID, o.ID, known, asked)
	if err == nil {
		return nil
	}
	// Somebody else may have been first.
	switch now, errRead := store.DraftOf(store.Last(ctx, d.DB), row.ID); {
	case errRead == nil && now.State == portal.Waiting && now.Order == o.ID:
		return nil
	case errors.Is(errRead, store.ErrNone):
		return nil // it has even arrived
	}
	return fmt.Errorf("sending: %w", err)
}

// asked are the others whose turn it is: nobody before the applicant has signed,
// who may never do so.
func (d *Desk) asked(row store.Draft, order, title string, known []portal.Party) (list []store.Asked, err error) {
	if len(known) == 0 || !known[0].Applicant || known[0].State != portal.PartySigned {
		return nil, nil
	}
	for _, p := range known[1:] {
		a := store.Asked{Draft: row.ID, Order: order, Person: p.Key, Tenant: row.Tenant}
		if a.Sealed, err = cases.SealAsked(d.Vault, a, title); err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

// arrived gives the case that an owner's draft became. A case has the name of
// its draft, so that whoever sends twice finds it, signed or not.
func (d *Desk) arrived(ctx context.Context, v portal.Visitor, id portal.DraftID) (portal.CaseID, error) {
	r := store.Last(ctx, d.DB)
	c, err := store.CaseOf(r, portal.CaseID(id))
	if errors.Is(err, store.ErrNone) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("sending: %w", err)
	}
	persons, err := store.PersonsOf(r, c.ID)
	if err != nil {
		return "", fmt.Errorf("sending: %w", err)
	}
	for _, p := range persons {
		if !p.Owner {
			continue
		}
		for _, key := range v.Keys() {
			if p.Person == key {
				return c.ID, nil
			}
		}
		if c.Anonymous && v.Browser != "" && string(p.Person) == v.Browser {
			return c.ID, nil
		}
	}
	return "", nil
}
