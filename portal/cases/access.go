package cases

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/store"
)

// Who somebody is to a case, as the audit has it.
const (
	asOwner     = "owner"
	asCoOwner   = "co_owner"
	asAnonymous = "anonymous"
	asCitizen   = "citizen" // to whom the case does not belong
	asOfficer   = "officer"
)

// actor is somebody who may do something with a case, or wants to.
type actor struct {
	as     string
	role   portal.Role
	name   string
	person string // digest for the audit
	keys   []portal.PersonKey
}

// citizen gives a case to somebody it is about, and says who that is to it.
func (c *Cases) citizen(ctx context.Context, v portal.Visitor, id portal.CaseID) (store.Case, actor, error) {
	who := actor{as: asCitizen, role: portal.ByCitizen, name: v.Name, keys: v.Keys()}
	if v.LoggedIn() {
		var err error
		// Made before any transaction, since its key may have to be made in one.
		if who.person, err = c.Vault.Audit(v.Number); err != nil {
			return store.Case{}, actor{}, fmt.Errorf("cases: %w", err)
		}
	} else {
		who.as, who.name = asAnonymous, ""
	}
	row, err := c.find(ctx, id)
	if err != nil {
		return store.Case{}, actor{}, err
	}
	persons, err := store.PersonsOf(store.Last(ctx, c.DB), id)
	if err != nil {
		return store.Case{}, actor{}, fmt.Errorf("cases: %w", err)
	}
	as, ok := c.claim(v, row, persons)
	if !ok {
		return store.Case{}, actor{}, c.refuse(ctx, row, who)
	}
	who.as = as
	return row, who, nil
}

// claim says by what right a visitor sees a case. A browser's name opens what was
// sent without login alone, and only while nobody is logged in: whoever is may be
// somebody else at the same computer.
func (c *Cases) claim(v portal.Visitor, row store.Case, persons []store.CasePerson) (as string, ok bool) {
	if row.Anonymous {
		mine := slices.ContainsFunc(persons, func(p store.CasePerson) bool { return v.Browser != "" && p.Person == portal.PersonKey(v.Browser) })
		return asAnonymous, mine && !v.LoggedIn() && v.Tenant == row.Tenant
	}
	if !v.LoggedIn() || !slices.Contains(c.Tenants(v.Group), row.Tenant) {
		return "", false
	}
	for _, p := range persons {
		switch {
		case !slices.Contains(v.Keys(), p.Person):
		case p.Owner:
			return asOwner, true
		default:
			as, ok = asCoOwner, true
		}
	}
	return as, ok
}

// officer gives a case to an officer who handles its kind.
func (c *Cases) officer(ctx context.Context, o portal.Officer, id portal.CaseID) (store.Case, actor, error) {
	who := actor{as: asOfficer, role: portal.ByOfficer, name: o.Name}
	if o.Tenant == "" || o.Subject == "" {
		return store.Case{}, actor{}, portal.ErrNotFound
	}
	var err error
	if who.person, err = c.Vault.AuditName(o); err != nil {
		return store.Case{}, actor{}, fmt.Errorf("cases: %w", err)
	}
	row, err := c.find(ctx, id)
	if err != nil {
		return store.Case{}, actor{}, err
	}
	if row.Tenant != o.Tenant || !o.In(row.Group) {
		return store.Case{}, actor{}, c.refuse(ctx, row, who)
	}
	return row, who, nil
}

func (c *Cases) find(ctx context.Context, id portal.CaseID) (store.Case, error) {
	if !portal.IsID(string(id)) {
		return store.Case{}, portal.ErrNotFound
	}
	row, err := store.CaseOf(store.Last(ctx, c.DB), id)
	return row, known(err)
}

// known makes portal.ErrNotFound of what is not there.
func known(err error) error {
	switch {
	case err == nil, errors.Is(err, portal.ErrNotFound):
		return err
	case errors.Is(err, store.ErrNone):
		return portal.ErrNotFound
	}
	return fmt.Errorf("cases: %w", err)
}

// refuse notes that somebody asked for what is there and not theirs. To them it
// is the same as if there was nothing, also when the note fails.
func (c *Cases) refuse(ctx context.Context, row store.Case, who actor) error {
	event := c.event(audit.CaseRefused, row, who)
	if err := c.DB.Write(ctx, func(tx *sqldb.Tx) error { return audit.Insert(tx, event) }); err != nil {
		c.Log.ErrorContext(ctx, "not audited: somebody asked for a case that is not theirs", "case", row.ID, "error", err)
	}
	return portal.ErrNotFound
}

func (c *Cases) event(t audit.Type, row store.Case, who actor) audit.Event {
	return audit.Event{Type: t, At: c.Now(), Client: portal.Tenant{ID: row.Tenant}.Client(), Order: string(row.ID), Person: who.person, Reason: who.as}
}
