package cases

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/letters"
	"sigill/portal/store"
)

// SetState moves a case; the people of the case are told. was is what the page
// showed: store.ErrStale when it is something else by now, or when the time of
// erasure has come: the case may be on its way out, and its signing order gone.
// Closing sets that time by the service's own definition; opening again takes it
// away.
func (c *Cases) SetState(ctx context.Context, o portal.Officer, id portal.CaseID, was, to portal.CaseState) error {
	row, who, err := c.officer(ctx, o, id)
	if err != nil {
		return err
	}
	if !slices.Contains(portal.CaseStates(), to) {
		return fmt.Errorf("cases: no such state")
	}
	service, err := c.Service(ctx, row.Version)
	if err != nil {
		return fmt.Errorf("cases: %w", err)
	}
	now := c.Now()
	// The time makes the same state at another time another event.
	told, err := c.tell(ctx, row, letters.Status, fmt.Sprintf("status %s %s %d", row.ID, to, now.UnixNano()), nil)
	if err != nil {
		return err
	}
	event := c.event(audit.CaseStatus, row, who)
	event.Reason = string(to)
	err = c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		row, err := store.CaseOf(tx, row.ID)
		switch {
		case err != nil:
			return err
		case row.State != was || due(row, c.Now()):
			return store.ErrStale
		case was == to:
			return nil // nothing has happened
		}
		row.State, row.Changed, row.Closed, row.Erase = to, now, time.Time{}, time.Time{}
		if to == portal.Closed {
			row.Closed = now
			if keep := service.Privacy.Keep.Closed; keep > 0 {
				row.Erase = now.Add(keep)
			}
		}
		if err := store.UpdateCase(tx, row, was); err != nil {
			return err
		}
		if err := store.InsertEvent(tx, store.Event{Case: row.ID, At: now, Kind: portal.EventStatus, State: to, By: portal.ByOfficer}); err != nil {
			return err
		}
		if err := audit.Insert(tx, event); err != nil {
			return err
		}
		return c.Notices.Insert(tx, now, told...)
	})
	if errors.Is(err, store.ErrStale) {
		return err
	}
	if err != nil {
		return known(err)
	}
	c.Wake()
	return nil
}
