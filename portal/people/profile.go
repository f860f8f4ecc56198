package people

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/contact"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/register"
	"sigill/portal/store"
)

// Profile gives what the person chose; the zero value when nothing.
func (p *People) Profile(ctx context.Context, v portal.Visitor) (form.Contact, error) {
	for _, k := range v.Keys() {
		c, err := p.ProfileOf(ctx, v.Group, k)
		if err != nil || c != (form.Contact{}) {
			return c, err
		}
	}
	return form.Contact{}, nil
}

// ProfileOf is Profile by the key alone, for notices.
func (p *People) ProfileOf(ctx context.Context, g portal.GroupID, k portal.PersonKey) (form.Contact, error) {
	row, err := store.ProfileOf(store.Last(ctx, p.DB), g, k)
	if errors.Is(err, store.ErrNone) {
		return form.Contact{}, nil
	}
	if err != nil {
		return form.Contact{}, fmt.Errorf("people: profile: %w", err)
	}
	box, err := p.Vault.Profiles(g)
	if err != nil {
		return form.Contact{}, fmt.Errorf("people: profile: %w", err)
	}
	plain, err := box.Open(row.Body, about(g, k))
	if err != nil {
		return form.Contact{}, fmt.Errorf("people: profile: %w", err)
	}
	var c form.Contact
	if err := json.Unmarshal(plain, &c); err != nil {
		return form.Contact{}, errors.New("people: a profile of another form")
	}
	return c, nil
}

// about says where a sealed profile belongs.
func about(g portal.GroupID, k portal.PersonKey) []byte {
	return portal.Context("profile", string(g), string(k))
}

// SetProfile stores it; an empty one takes the choice back. The faults are those
// of a contact field, without a name of it. The error is register.ErrProtected
// when the person has become protected, and ErrUnanswered when that is not known:
// nothing may be stored then.
func (p *People) SetProfile(ctx context.Context, v portal.Visitor, c form.Contact) ([]form.Fault, error) {
	if !v.LoggedIn() || v.Number.IsZero() {
		return nil, portal.ErrNotFound
	}
	c, faults := check(c)
	if len(faults) > 0 {
		return faults, nil
	}
	if p.Register != nil {
		_, err := p.Register.Person(ctx, v.Number)
		switch {
		case err == nil:
		case errors.Is(err, register.ErrProtected):
			return nil, err
		case c == (form.Contact{}): // takes something away, and stores nothing
		case ctx.Err() != nil:
			return nil, fmt.Errorf("people: profile: %w", ctx.Err())
		default:
			p.Log.WarnContext(ctx, "the register does not answer; a profile is not stored", "tenant", v.Tenant, "error", err)
			return nil, ErrUnanswered
		}
	}
	// Boxes and digests may have to be made, which takes a transaction of its own.
	box, err := p.Vault.Profiles(v.Group)
	if err != nil {
		return nil, fmt.Errorf("people: profile: %w", err)
	}
	person, err := p.Vault.Audit(v.Number)
	if err != nil {
		return nil, fmt.Errorf("people: profile: %w", err)
	}
	plain, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("people: profile: %w", err)
	}
	now := p.Now()
	row := store.Profile{Group: v.Group, Person: v.Key, Body: box.Seal(plain, about(v.Group, v.Key)), Seen: now}
	err = p.DB.Write(ctx, func(tx *sqldb.Tx) error {
		gone := v.Keys()
		if c != (form.Contact{}) {
			if err := store.PutProfile(tx, row); err != nil {
				return err
			}
			gone = gone[1:] // under the number that the person had before
		}
		for _, k := range gone {
			if err := store.DeleteProfile(tx, v.Group, k); err != nil {
				return err
			}
		}
		return audit.Insert(tx, audit.Event{Type: audit.ProfileChanged, At: now, Client: portal.Tenant{ID: v.Tenant}.Client(), Person: person})
	})
	if err != nil {
		return nil, fmt.Errorf("people: profile: %w", err)
	}
	return nil, nil
}

// check gives a contact as it is stored, or what is wrong with it.
func check(c form.Contact) (form.Contact, []form.Fault) {
	var faults []form.Fault
	fault := func(part string, code form.Code) { faults = append(faults, form.Fault{Part: part, Code: code}) }
	read := func(text, part string, code form.Code, as func(string) (string, error)) string {
		if text == "" {
			return ""
		}
		s, err := as(text)
		if err != nil {
			fault(part, code)
		}
		return s
	}
	out := form.Contact{
		Email:  read(c.Email, "email", form.FaultEmail, contact.Email),
		Phone:  read(c.Phone, "phone", form.FaultPhone, contact.Phone),
		Notify: c.Notify,
	}
	switch c.Notify {
	case "":
	case "email", "sms", "both":
		if c.Notify != "sms" && c.Email == "" || c.Notify != "email" && c.Phone == "" {
			fault("notify", form.FaultNotify)
		}
	default:
		fault("notify", form.FaultOption)
	}
	return out, faults
}
