package notices

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/notify"
	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/letters"
	"sigill/portal/store"
	"sigill/providers/personnummer"
)

// What the outbox calls them.
const (
	kindNotice = "notice"
	kindMail   = "notice.email"
	kindSMS    = "notice.sms"
)

// Each channel has a lane of its own, so that one that hangs holds up no other.
const (
	laneMail = "notices by e-mail"
	laneSMS  = "notices by sms"
)

// Handlers send them.
func (n *Notices) Handlers() map[string]outbox.Handler {
	often := outbox.Schedule{First: 5 * time.Second, Longest: 30 * time.Minute, Age: 72 * time.Hour}
	return map[string]outbox.Handler{
		kindNotice: {Do: n.address, Retry: often},
		kindMail:   {Do: n.send, GaveUp: n.undelivered, Retry: often},
		kindSMS:    {Do: n.send, GaveUp: n.undelivered, Retry: often},
	}
}

// way is a channel with an address in it.
type way struct{ kind, lane, to string }

// ways are those by which somebody is told: the chosen ones where there is one
// that works, else whatever works.
func (n *Notices) ways(c form.Contact) []way {
	mail, sms := way{kindMail, laneMail, c.Email}, way{kindSMS, laneSMS, c.Phone}
	works := func(w way) bool {
		return w.to != "" && (w.kind == kindMail && n.Mail != nil || w.kind == kindSMS && n.SMS != nil)
	}
	var chosen, all []way
	for _, w := range []way{mail, sms} {
		if !works(w) {
			continue
		}
		all = append(all, w)
		if c.Notify == "both" || c.Notify == "email" && w.kind == kindMail || c.Notify == "sms" && w.kind == kindSMS {
			chosen = append(chosen, w)
		}
	}
	if len(chosen) > 0 {
		return chosen
	}
	return all
}

// address decides where a notice goes: what the person chose, else what was left
// in the form.
func (n *Notices) address(ctx context.Context, e outbox.Entry) error {
	tenant, c, err := n.open(e)
	if err != nil {
		return err
	}
	t, ok := n.Tenant(tenant)
	if !ok {
		return fmt.Errorf("notices: tenant %q is not there", tenant)
	}
	var ways []way
	if c.Person != "" {
		profile, err := n.Profile(ctx, t.Group, c.Person)
		if err != nil {
			return fmt.Errorf("notices: %w", err)
		}
		ways = n.ways(profile)
	}
	if len(ways) == 0 {
		ways = n.ways(c.Contact)
	}
	if len(ways) == 0 {
		n.Log.InfoContext(ctx, "a notice has no address", "id", e.ID, "kind", c.Kind)
		return nil
	}
	now := n.Now()
	var next []outbox.Entry
	c.Contact = form.Contact{}
	for _, w := range ways {
		c.To = w.to
		entry, err := n.entry(w.kind, e.ID+strings.TrimPrefix(w.kind, kindNotice), tenant, e.Ref, now, c)
		if err != nil {
			return err
		}
		entry.Lane = w.lane
		next = append(next, entry)
	}
	err = n.DB.Write(ctx, func(tx *sqldb.Tx) error {
		// What was erased meanwhile must not come back.
		if stale, err := c.stale(tx, e.Ref); stale || err != nil {
			return err
		}
		for _, entry := range next {
			if err := outbox.Insert(tx, entry); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("notices: %w", err)
	}
	n.Wake()
	return nil
}

// stale reports whether a notice has lost its meaning: what it is about is gone,
// or is no longer as it says.
func (c content) stale(r store.Reader, ref string) (bool, error) {
	var err error
	switch c.Kind {
	case letters.Waiting, letters.Returned:
		var d store.Draft
		d, err = store.DraftOf(r, portal.DraftID(ref))
		if err == nil {
			return c.Kind == letters.Waiting && d.State != portal.Waiting || c.Kind == letters.Returned && d.State != portal.Open, nil
		}
	default:
		_, err = store.CaseOf(r, portal.CaseID(ref))
	}
	if errors.Is(err, store.ErrNone) {
		return true, nil
	}
	return false, err
}

// send sends a notice by one channel, if that may be.
func (n *Notices) send(ctx context.Context, e outbox.Entry) error {
	tenant, c, err := n.open(e)
	if err != nil {
		return err
	}
	t, ok := n.Tenant(tenant)
	if !ok {
		return fmt.Errorf("notices: tenant %q is not there", tenant)
	}
	stale, err := c.stale(store.Last(ctx, n.DB), e.Ref)
	switch {
	case err != nil:
		return fmt.Errorf("notices: %w", err)
	case stale:
		n.Log.InfoContext(ctx, "a notice is not sent any more", "id", e.ID, "kind", c.Kind)
		return nil
	}
	words, err := letters.Write(n.letter(t, c))
	if err != nil {
		return outbox.Permanent(err)
	}
	// Whoever is known is asked about as the last thing before it goes out (P-30).
	if may, err := n.may(ctx, t, e, c); err != nil || !may {
		return err
	}
	m := notify.Message{ID: e.ID, To: c.To, FromName: t.Name.In(c.Lang), Subject: words.Subject, Text: words.Text, HTML: words.HTML, Lang: c.Lang}
	sender := n.Mail
	if e.Kind == kindSMS {
		m.Subject, m.HTML, m.FromName, m.Text = "", "", "", words.SMS
		sender = n.SMS
	}
	if sender == nil {
		return outbox.Permanent(errors.New("notices: this installation sends no such messages"))
	}
	if err := sender.Send(ctx, m); err != nil {
		return fmt.Errorf("notices: %w", err)
	}
	return nil
}

// undelivered notes in the case that a notice could not be delivered, so that
// the officers reach people in another way. Once for each channel says enough.
func (n *Notices) undelivered(ctx context.Context, e outbox.Entry, _ error) error {
	_, c, err := n.open(e)
	if err != nil {
		return outbox.Permanent(err)
	}
	if c.Kind == letters.Waiting || c.Kind == letters.Returned {
		return nil // of a draft, which nobody but its owner looks into
	}
	kind := portal.EventNoEmail
	if e.Kind == kindSMS {
		kind = portal.EventNoSMS
	}
	return n.DB.Write(ctx, func(tx *sqldb.Tx) error {
		id := portal.CaseID(e.Ref)
		row, err := store.CaseOf(tx, id)
		if errors.Is(err, store.ErrNone) {
			return nil // erased meanwhile
		}
		if err != nil {
			return err
		}
		events, err := store.Events(tx, id)
		if err != nil || slices.ContainsFunc(events, func(before store.Event) bool { return before.Kind == kind }) {
			return err
		}
		return store.InsertEvent(tx, store.Event{Case: id, At: n.Now(), Kind: kind, State: row.State, By: portal.BySystem})
	})
}

// may asks whether somebody may be told. Of a no there is an audit event.
func (n *Notices) may(ctx context.Context, t portal.Tenant, e outbox.Entry, c content) (bool, error) {
	if c.Person == "" && c.Number == "" {
		return true, nil // nobody knows who it is
	}
	number, err := personnummer.FromDigits(c.Number)
	if err != nil {
		return false, outbox.Permanent(fmt.Errorf("notices: entry %s is to a person without a number", e.ID))
	}
	may, err := n.MayTell(ctx, number)
	if err != nil {
		return false, fmt.Errorf("notices: %w", err)
	}
	if may {
		return true, nil
	}
	person, err := n.Vault.Audit(number)
	if err != nil {
		return false, fmt.Errorf("notices: %w", err)
	}
	event := audit.Event{Type: audit.NoticeWithheld, At: n.Now(), Client: t.Client(), Order: e.Ref, Person: person, Reason: "protected"}
	if err := n.DB.Write(ctx, func(tx *sqldb.Tx) error { return audit.Insert(tx, event) }); err != nil {
		return false, fmt.Errorf("notices: %w", err)
	}
	return false, nil
}

// letter is what a notice says.
func (n *Notices) letter(t portal.Tenant, c content) letters.Letter {
	l := letters.Letter{
		Kind: c.Kind, Lang: c.Lang, Tenant: t.Name.In(c.Lang), Title: c.Title, Number: c.CaseNumber,
		Returned: c.Returned, Follow: c.Follow, Reach: reach(t.Contact, c.Lang),
	}
	if !c.Deadline.IsZero() {
		l.Deadline = c.Deadline.In(n.Zone)
	}
	if c.Kind == letters.Waiting || c.Kind == letters.Returned || c.Follow {
		l.Link = t.BaseURL + c.Path
	}
	return l
}

// reach is how to ask, in words.
func reach(c portal.Contact, lang string) string {
	parts := []string{c.Name.In(lang), c.Phone, c.Email}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}
