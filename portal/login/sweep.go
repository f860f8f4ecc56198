package login

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/store"
)

const (
	sweepBatch = 200
	// brokerLife is longer than any session of the broker's lives: what could not
	// be revoked by then has ended by itself.
	brokerLife = 65 * time.Minute
)

// Run ends sessions whose time is over, at the broker too (RFC 7009), until ctx
// ends.
func (l *Logins) Run(ctx context.Context) error {
	tick := time.NewTicker(l.Every)
	defer tick.Stop()
	for {
		if err := l.Sweep(ctx); err != nil && ctx.Err() == nil {
			l.Log.ErrorContext(ctx, "logins were not swept", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Sweep does that once. A session stays until the broker has heard of its end,
// so that nobody who left is logged in there; it counts here no more.
func (l *Logins) Sweep(ctx context.Context) error {
	err := l.DB.Write(ctx, func(tx *sqldb.Tx) error { return store.PurgeHeld(tx, l.Now()) })
	if err != nil {
		return fmt.Errorf("login: %w", err)
	}
	// Expires alone says when a session ends: see session.
	now := l.Now()
	ended, err := store.SessionsEnded(store.Last(ctx, l.DB), now.Add(-2*max(l.Longest, l.Staff.Longest)), now, sweepBatch)
	if err != nil {
		return fmt.Errorf("login: %w", err)
	}
	var faults []error
	for _, row := range ended {
		if ctx.Err() != nil {
			break
		}
		s, err := l.open(row)
		if err != nil {
			// Nobody can ever use it: its key is gone, or it was altered.
			faults = append(faults, err, l.DB.Write(ctx, func(tx *sqldb.Tx) error { return store.DeleteSession(tx, row.ID) }))
			continue
		}
		if s.Kind == sessionCitizen && now.Before(time.Unix(s.Auth, 0).Add(brokerLife)) {
			err := l.revoke(ctx, portal.Tenant{ID: s.Tenant}.Client(), s.Token)
			if err != nil {
				faults = append(faults, err)
			}
			if errors.Is(err, ErrUnavailable) {
				break // nor will it answer about the next
			} // and what it refuses now it will refuse again
		}
		if s.Out { // that it ended is written already
			if err := l.DB.Write(ctx, func(tx *sqldb.Tx) error { return store.DeleteSession(tx, s.ID) }); err != nil {
				faults = append(faults, err)
			}
			continue
		}
		act, reason := audit.PortalSessionEnded, "idle"
		var kept []store.Held
		if s.Kind == sessionOfficer {
			act = audit.OfficerSessionEnded
		} else if h, err := l.remember(s); err == nil {
			kept = append(kept, h)
		} else {
			faults = append(faults, err) // a form of theirs is not held, and that is all
		}
		if !now.Before(time.Unix(s.Until, 0)) {
			reason = "longest"
		}
		if err := l.drop(ctx, s, act, reason, kept...); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}
