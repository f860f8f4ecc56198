package cases

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/signclient"
	"sigill/portal/store"
)

// eraseAtOnce is how many cases are looked at together.
const eraseAtOnce = 100

// Erase removes closed cases whose time is over (gallring), here and at the
// signing service: there first, so that nothing is left that nobody knows of.
// What fails stays, and is tried again the next time; the error is of all of
// those. With the last of a person's cases goes what the person chose.
func (c *Cases) Erase(ctx context.Context) (int, error) {
	now := c.Past()
	erased := 0
	var kept []portal.CaseID
	var failures []error
	for ctx.Err() == nil {
		// Those that fail must not stand in the way of the others.
		rows, err := store.CasesToErase(store.Last(ctx, c.DB), now, eraseAtOnce+len(kept))
		if err != nil {
			return erased, fmt.Errorf("cases: %w", err)
		}
		rows = slices.DeleteFunc(rows, func(r store.Case) bool { return slices.Contains(kept, r.ID) })
		if len(rows) == 0 {
			break
		}
		for _, row := range rows {
			done, err := c.erase(ctx, row)
			switch {
			case err != nil:
				kept = append(kept, row.ID)
				failures = append(failures, fmt.Errorf("cases: erase %s: %w", row.ID, err))
			case done:
				erased++
			default:
				kept = append(kept, row.ID) // opened again meanwhile
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return erased, err
	}
	if err := c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := store.ForgetPersons(tx, now.Add(-c.Absence))
		return err
	}); err != nil {
		failures = append(failures, fmt.Errorf("cases: %w", err))
	}
	if erased > 0 {
		// Gone from the files too, where no reader is in the way.
		if _, err := c.DB.Settle(ctx); err != nil {
			failures = append(failures, fmt.Errorf("cases: %w", err))
		}
	}
	return erased, errors.Join(failures...)
}

// erase removes one; false: it is not to be removed any more. From the time of
// erasure on nobody opens it again (SetState), so that no case stays whose order
// is gone.
func (c *Cases) erase(ctx context.Context, row store.Case) (bool, error) {
	// It may have been, before that time, since the list was read.
	row, err := store.CaseOf(store.Last(ctx, c.DB), row.ID)
	if errors.Is(err, store.ErrNone) || err == nil && !due(row, c.Now()) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if row.Order != "" {
		if err := c.Forget(ctx, row.Tenant, row.Order); err != nil && !gone(err) {
			return false, err
		}
	}
	event := c.event(audit.CaseErased, row, actor{as: "time"})
	done := false
	err = c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		done = false
		row, err := store.CaseOf(tx, row.ID)
		if errors.Is(err, store.ErrNone) || err == nil && !due(row, event.At) {
			return nil
		}
		if err != nil {
			return err
		}
		persons, err := store.PersonsOf(tx, row.ID)
		if err != nil {
			return err
		}
		if err := store.DeleteCase(tx, row.ID); err != nil {
			return err
		}
		if err := c.forget(tx, row, persons); err != nil {
			return err
		}
		done = true
		return audit.Insert(tx, event)
	})
	return done, err
}

// due reports whether the time of a case is over.
func due(row store.Case, now time.Time) bool {
	return row.State == portal.Closed && !row.Erase.IsZero() && !row.Erase.After(now)
}

// gone reports whether the signing service says that there is no such order: it
// was erased before, by a try that was interrupted.
func gone(err error) bool {
	var p *signclient.Problem
	return errors.As(err, &p) && p.Status == http.StatusNotFound
}

// forget removes what persons chose who have nothing left here.
func (c *Cases) forget(tx *sqldb.Tx, row store.Case, persons []store.CasePerson) error {
	t, ok := c.Tenant(row.Tenant)
	if !ok || row.Anonymous {
		return nil // of a tenant that is no more, ForgetPersons does it in its time
	}
	tenants := c.Tenants(t.Group)
	for _, p := range persons {
		keys := []portal.PersonKey{p.Person}
		open, closed, err := store.CountCasesOf(tx, keys, tenants)
		if err != nil {
			return err
		}
		drafts, err := store.DraftsOf(tx, []string{string(p.Person)}, tenants)
		if err != nil {
			return err
		}
		asked, err := store.AskedOf(tx, keys, tenants)
		if err != nil {
			return err
		}
		if open+closed+len(drafts)+len(asked) > 0 {
			continue
		}
		if err := store.DeleteProfile(tx, t.Group, p.Person); err != nil {
			return err
		}
	}
	return nil
}
