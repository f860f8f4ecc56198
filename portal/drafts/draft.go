package drafts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/store"
)

// Begin makes a draft of the newest version, with what is known filled in.
// portal.ErrNotFound when the tenant does not offer the service, or not to
// somebody who is not logged in.
func (d *Drafts) Begin(ctx context.Context, v portal.Visitor, t portal.TenantID, id portal.ServiceID) (portal.DraftID, error) {
	s, ok := d.Newest(t, id)
	names := owners(v, !v.LoggedIn())
	tenants := d.Tenants(v.Group)
	if !ok || len(names) == 0 || s.Login.Required && !v.LoggedIn() || !slices.Contains(tenants, t) {
		return "", portal.ErrNotFound
	}
	facts, err := d.Facts(ctx, v, s)
	if err != nil {
		return "", fmt.Errorf("drafts: begin: %w", err)
	}
	now := d.Now()
	row := store.Draft{
		DraftHead: portal.DraftHead{
			ID: portal.DraftID(portal.NewID()), Tenant: t, Service: portal.ServiceID(s.ID), Version: s.Hash, State: portal.Open, Revision: 1,
			Anonymous: !v.LoggedIn(), Created: now, Changed: now,
		},
		Owner: names[0], Written: 1,
	}
	row.Expires = now.Add(d.life(s, row.Anonymous))
	if row.Anonymous {
		row.Expires = now.Add(min(d.AnonymousEmpty, d.AnonymousLife))
	}
	k, err := d.newKey(&row)
	if err != nil {
		return "", err
	}
	answers := s.Prefill(form.Answers{}, facts)
	if row.Body, err = k.sealBody(body{Lang: v.Lang, Answers: answers}, row.Revision); err != nil {
		return "", err
	}
	if row.Anonymous {
		// Counted before: in the transaction it would meet all who begin at the same
		// moment, and a few too many do no harm.
		n, err := store.CountAnonymous(store.Last(ctx, d.DB))
		if err != nil {
			return "", wrap(err)
		}
		if n >= d.AnonymousMax {
			return "", ErrTooMany
		}
	}
	err = d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		n, err := store.CountDrafts(tx, names, tenants)
		if err != nil {
			return err
		}
		if n >= d.MaxOpen {
			return ErrTooMany
		}
		return store.InsertDraft(tx, row)
	})
	if err != nil {
		return "", wrap(err)
	}
	return row.ID, nil
}

// life is how long a draft lives since it was last changed.
func (d *Drafts) life(s *form.Service, anonymous bool) time.Duration {
	switch {
	case anonymous:
		return d.AnonymousLife
	case s.Privacy.Keep.Draft > 0:
		return s.Privacy.Keep.Draft
	}
	return draftLife
}

// room says whether a draft may take so many bytes more. It measures what others
// have committed, and not in the transaction of whoever asks, which would meet all
// who save at the same moment: those may pass the bound by what they bring.
func (d *Drafts) room(ctx context.Context, row store.Draft, more int) error {
	if !row.Anonymous {
		return nil
	}
	n, err := store.SizeAnonymous(store.Last(ctx, d.DB))
	if err == nil && n+int64(more) > d.AnonymousBytes {
		return ErrBusy
	}
	return err
}

// Open gives a draft to its owner; portal.ErrNotFound to everybody else.
func (d *Drafts) Open(ctx context.Context, v portal.Visitor, id portal.DraftID) (portal.Draft, error) {
	row, k, err := d.enter(ctx, v, id, "open")
	if err != nil {
		return portal.Draft{}, err
	}
	b, err := k.openBody(row)
	if err != nil {
		return portal.Draft{}, err
	}
	return d.draft(row, b)
}

// draft is what a row and its body say.
func (d *Drafts) draft(row store.Draft, b body) (portal.Draft, error) {
	n, err := d.openNotes(row)
	if err != nil {
		return portal.Draft{}, err
	}
	out := portal.Draft{DraftHead: row.DraftHead, Lang: b.Lang, Answers: b.Answers, Saved: b.Saved, Reason: n.Reason, RefusedBy: n.RefusedBy}
	if row.State != portal.Open {
		out.Parties = n.Known
	}
	if out.Answers == nil {
		out.Answers = form.Answers{}
	}
	return out, nil
}

// List gives the heads of a person's drafts with all tenants of the group. There
// is none for somebody who is not logged in.
func (d *Drafts) List(ctx context.Context, v portal.Visitor) ([]portal.DraftHead, error) {
	rows, err := store.DraftsOf(store.Last(ctx, d.DB), owners(v, false), d.Tenants(v.Group))
	if err != nil {
		return nil, fmt.Errorf("drafts: %w", err)
	}
	var heads []portal.DraftHead
	for _, r := range rows {
		heads = append(heads, r.DraftHead)
	}
	return heads, nil
}

// change does something to an open draft, in a transaction. do changes the body
// of the row, which then has a new revision; or gives false, and nothing is
// written of the draft.
func (d *Drafts) change(ctx context.Context, v portal.Visitor, id portal.DraftID, act string,
	do func(tx *sqldb.Tx, s *form.Service, k draftKey, row store.Draft, b *body) (bool, error)) (portal.Draft, error) {
	row, k, err := d.enter(ctx, v, id, act)
	if err != nil {
		return portal.Draft{}, err
	}
	s, err := d.Service(ctx, row.Version)
	if err != nil {
		return portal.Draft{}, fmt.Errorf("draft %s: its version: %w", id, err)
	}
	var b body
	var conflict *Conflict
	err = d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		b, conflict = body{}, nil
		var err error
		if row, err = store.DraftOf(tx, id); err != nil {
			return err
		}
		if row.State != portal.Open {
			return ErrLocked
		}
		if b, err = k.openBody(row); err != nil {
			return err
		}
		if b.Answers == nil {
			b.Answers = form.Answers{}
		}
		was := row.Revision
		changed, err := do(tx, s, k, row, &b)
		if errors.As(err, &conflict) {
			return nil // what was late is kept
		}
		if err != nil || !changed {
			return err
		}
		if v.Lang != "" {
			b.Lang = v.Lang
		}
		row.Revision++
		row.Written = row.Revision
		row.Changed = d.Now()
		row.Expires = row.Changed.Add(d.life(s, row.Anonymous))
		if row.Body, err = k.sealBody(b, row.Written); err != nil {
			return err
		}
		if len(row.Body) > smallBody {
			if err := d.room(ctx, row, len(row.Body)); err != nil {
				return err
			}
		}
		return store.UpdateDraft(tx, row, was, portal.Open)
	})
	if err != nil {
		return portal.Draft{}, wrap(err)
	}
	if conflict != nil {
		return portal.Draft{}, conflict
	}
	return d.draft(row, b)
}

// Save stores the answers of a step. revision is the one that the page showed:
// when there is a newer one, the error is *Conflict, and what came is kept
// aside. done marks the step as saved by the person's own button; saving by
// itself does not. ErrLocked when it waits for signatures.
//
// Of the answers those to the step's own fields are taken, and of these what is
// there: a field that is not among them stays as it was. Files are not taken,
// Attach and Detach are for them. The same form twice is no conflict.
func (d *Drafts) Save(ctx context.Context, v portal.Visitor, id portal.DraftID, revision int, step string, answers form.Answers, done bool) (portal.Draft, error) {
	return d.change(ctx, v, id, "save", func(tx *sqldb.Tx, s *form.Service, k draftKey, row store.Draft, b *body) (bool, error) {
		given, ok := ofStep(s, step, answers)
		if !ok {
			return false, portal.ErrNotFound
		}
		var saved []string
		if done {
			saved = []string{step}
		}
		if revision != row.Revision {
			// Of what is the same nothing is late, nor may it undo what is saved later.
			maps.DeleteFunc(given, func(id string, a form.Value) bool { return same(a, b.Answers[id]) })
			if len(given) == 0 {
				fresh := !contains(b.Saved, saved)
				b.Saved = union(b.Saved, saved)
				return fresh, nil
			}
			if err := d.putAside(ctx, tx, k, row, revision, late{given, saved}); err != nil {
				return false, err
			}
			return false, &Conflict{Base: revision, Now: row.Revision}
		}
		maps.Copy(b.Answers, given)
		b.Saved = union(b.Saved, saved)
		return true, nil
	})
}

// putAside keeps what came late, with what came late before and is not settled.
func (d *Drafts) putAside(ctx context.Context, tx *sqldb.Tx, k draftKey, row store.Draft, revision int, l late) error {
	all := late{Answers: form.Answers{}}
	before, err := store.AsideOf(tx, row.ID)
	if err == nil {
		all, err = k.openLate(before)
	}
	if err != nil && !errors.Is(err, store.ErrNone) {
		return err
	}
	maps.Copy(all.Answers, l.Answers)
	all.Saved = union(all.Saved, l.Saved)
	sealed, err := k.sealLate(all, revision)
	if err != nil {
		return err
	}
	if len(sealed) > smallBody {
		if err := d.room(ctx, row, len(sealed)); err != nil {
			return err
		}
	}
	return store.PutAside(tx, store.Aside{Draft: row.ID, Base: revision, Body: sealed, Saved: d.Now()})
}

// over lays what came late over a body.
func (l late) over(b body) body {
	b.Answers = maps.Clone(b.Answers)
	if b.Answers == nil {
		b.Answers = form.Answers{}
	}
	maps.Copy(b.Answers, l.Answers)
	b.Saved = union(b.Saved, l.Saved)
	return b
}

// Aside gives the draft as it becomes when Settle takes what came too late;
// portal.ErrNotFound when there is nothing.
func (d *Drafts) Aside(ctx context.Context, v portal.Visitor, id portal.DraftID) (portal.Draft, error) {
	row, k, err := d.enter(ctx, v, id, "open what is aside")
	if err != nil {
		return portal.Draft{}, err
	}
	b, err := k.openBody(row)
	if err != nil {
		return portal.Draft{}, err
	}
	a, err := store.AsideOf(store.Last(ctx, d.DB), id)
	if err != nil {
		return portal.Draft{}, wrap(err)
	}
	l, err := k.openLate(a)
	if err != nil {
		return portal.Draft{}, err
	}
	return d.draft(row, l.over(b))
}

// Settle ends a conflict: the draft becomes what was kept aside, or stays. When
// there is nothing aside, the draft is as it is.
func (d *Drafts) Settle(ctx context.Context, v portal.Visitor, id portal.DraftID, revision int, aside bool) (portal.Draft, error) {
	return d.change(ctx, v, id, "settle", func(tx *sqldb.Tx, _ *form.Service, k draftKey, row store.Draft, b *body) (bool, error) {
		a, err := store.AsideOf(tx, id)
		switch {
		case errors.Is(err, store.ErrNone):
			return false, nil
		case err != nil:
			return false, err
		case revision != row.Revision:
			return false, &Conflict{Base: revision, Now: row.Revision}
		}
		if aside {
			l, err := k.openLate(a)
			if err != nil {
				return false, err
			}
			*b = l.over(*b)
		}
		return true, store.DeleteAside(tx, id)
	})
}

// Remove destroys a draft with its key and files, for good. ErrLocked while it
// waits for signatures.
func (d *Drafts) Remove(ctx context.Context, v portal.Visitor, id portal.DraftID) error {
	row, _, err := d.enter(ctx, v, id, "remove")
	if err != nil {
		return err
	}
	e, err := d.event(audit.DraftRemoved, v, row, "")
	if err != nil {
		return err
	}
	if err := d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		row, err := store.DraftOf(tx, id)
		if err != nil {
			return err
		}
		if row.State != portal.Open {
			return ErrLocked
		}
		if err := store.DeleteDraft(tx, id); err != nil {
			return err
		}
		return audit.Insert(tx, e)
	}); err != nil {
		return wrap(err)
	}
	d.settle(ctx)
	return nil
}

// settle makes what was removed disappear from the files too. It is gone for the
// portal already; where readers are in the way the next one does it.
func (d *Drafts) settle(ctx context.Context) {
	if _, err := d.DB.Settle(context.WithoutCancel(ctx)); err != nil {
		d.Log.WarnContext(ctx, "what was removed may still stand in a file", "error", err)
	}
}

// expireBatch bounds how long others wait for a clean-up.
const expireBatch = 100

// Expire removes those whose time is over. It may be called at any time.
func (d *Drafts) Expire(ctx context.Context) (int, error) {
	removed := 0
	for {
		now := d.Past()
		// Where nothing is over, nothing is written.
		rows, err := store.DraftsExpired(store.Last(ctx, d.DB), now, expireBatch)
		if err != nil {
			return removed, fmt.Errorf("drafts: %w", err)
		}
		if len(rows) == 0 {
			if removed > 0 {
				d.settle(ctx)
			}
			return removed, nil
		}
		batch := 0
		err = d.DB.Write(ctx, func(tx *sqldb.Tx) error {
			batch = 0
			rows, err := store.DraftsExpired(tx, now, expireBatch)
			if err != nil {
				return err
			}
			for _, row := range rows {
				if err := store.DeleteDraft(tx, row.ID); err != nil {
					return err
				}
				e, err := d.event(audit.DraftExpired, portal.Visitor{}, row, "")
				if err != nil {
					return err
				}
				if err := audit.Insert(tx, e); err != nil {
					return err
				}
				batch++
			}
			return nil
		})
		if err != nil {
			return removed, fmt.Errorf("drafts: expire: %w", err)
		}
		removed += batch
	}
}

// ofStep picks the answers to a step's own fields. What is no answer, and files,
// are not taken. false: there is no such step.
func ofStep(s *form.Service, id string, answers form.Answers) (form.Answers, bool) {
	for _, step := range s.Steps {
		if step.ID != id {
			continue
		}
		given := form.Answers{}
		for _, f := range step.Fields {
			if a, ok := answers[f.ID]; ok && f.Type != form.TypeFile && f.Type != form.TypeInformation {
				a.Files = nil
				given[f.ID] = a
			}
		}
		return given, true
	}
	return nil, false
}

// same tells whether two answers are kept alike. What was never answered is as if
// nothing was.
func same(a, b form.Value) bool {
	was, errWas := json.Marshal(a)
	is, errIs := json.Marshal(b)
	return errWas == nil && errIs == nil && bytes.Equal(was, is)
}

func contains(all, some []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

// union adds to a list what it does not have.
func union(list, more []string) []string {
	list = slices.Clone(list)
	for _, s := range more {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// wrap gives what people can cause as it is, and the rest as the room's.
func wrap(err error) error {
	var bad *BadFile
	switch {
	case err == nil, errors.Is(err, ErrLocked), errors.Is(err, ErrTooMany), errors.Is(err, ErrBusy), errors.Is(err, ErrTooMuch), errors.Is(err, portal.ErrNotFound), errors.As(err, &bad):
		return err
	case errors.Is(err, store.ErrNone):
		return portal.ErrNotFound
	}
	return fmt.Errorf("drafts: %w", err)
}
