package orders

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/signing"
)

const (
	handful    = 100            // orders looked up at a time
	purgeEvery = time.Hour      // for what nobody asks for any more
	lastNews   = 24 * time.Hour // how long after the deadline an e-ID order's end is waited for
)

// Run does what is due by the clock until ctx ends: reminders, ends of orders
// whose time is out, and erasing. Any number of nodes may run: who is first does
// it, and the others find it done.
func (s *Service) Run(ctx context.Context) error {
	var purged time.Time
	for {
		s.due(ctx)
		if now := s.past(); now.Sub(purged) >= purgeEvery {
			purged = now
			if err := s.purge(ctx, now); err != nil && ctx.Err() == nil {
				s.Log.ErrorContext(ctx, "orders: store not purged", "error", err)
			}
		}
		// Spread, so that nodes that began together do not stay together.
		pause := time.NewTimer(s.Poll + rand.N(s.Poll/4+1))
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil
		case <-pause.C:
		}
	}
}

// purge erases what has been over for longer than anything is kept, whatever it
// was to be erased by, and what the store itself need not keep.
func (s *Service) purge(ctx context.Context, now time.Time) error {
	before := now.Add(-max(s.Keep.Completed, s.Keep.Other))
	err := s.each(ctx, func(after Mark) ([]Row, error) { return s.Store.Ended(ctx, before, after, handful) }, func(r Row) time.Time { return r.Ended })
	if err != nil || s.Purge == nil {
		return err
	}
	return s.Purge(ctx, now)
}

// due does what is due now.
func (s *Service) due(ctx context.Context) {
	now := s.past()
	err := s.each(ctx, func(after Mark) ([]Row, error) { return s.Store.Due(ctx, now, after, handful) }, func(r Row) time.Time { return r.Due })
	if err != nil && ctx.Err() == nil {
		s.Log.ErrorContext(ctx, "orders: what is due was not looked up", "error", err)
	}
}

// each does what the clock has for each order of a list, once. What cannot be
// done is left for the next time, and keeps nobody behind it waiting.
func (s *Service) each(ctx context.Context, list func(after Mark) ([]Row, error), at func(Row) time.Time) error {
	var after Mark
	for {
		rows, err := list(after)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := s.turn(ctx, row); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				s.Log.ErrorContext(ctx, "orders: what is due was not done; trying again", "order", row.ID, "error", err)
			}
			after = Mark{at(row), row.ID}
		}
		if len(rows) < handful {
			return nil
		}
	}
}

// turn does what the clock has for one order.
func (s *Service) turn(ctx context.Context, row Row) error {
	a, err := s.act(ctx, row.Client, row.ID, func(a *act) error {
		o := &a.Order
		if past := s.past(); past.Before(a.now) {
			a.now = past
		}
		switch {
		case o.State.Over():
			if !a.now.Before(o.EndedAt.Add(s.keep(o.State))) {
				return errNothing // erased below
			}
			return nil // kept for longer than when it ended: stored with its new time
		case o.State != signing.Open:
			return nil
		case !a.now.Before(o.Deadline.Add(signing.Grace)):
			// Whoever began in time may have signed in time, also when we hear of it
			// late: nodes that were down learn of the time before they learn of that.
			if a.now.Before(o.Deadline.Add(lastNews)) {
				if some, err := s.Store.Underway(ctx, o.ID, o.Deadline); err != nil {
					return err
				} else if some {
					return errNothing
				}
			}
			a.note(audit.SigningExpired, nobody, "")
			return a.planned(o.Expire(a.now))
		}
		if next := o.NextReminder(); next.IsZero() || a.now.Before(next) {
			return nil
		}
		// However many were missed, people get one; after the deadline none.
		return a.planned(o.Remind(a.now))
	})
	if errors.Is(err, broker.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if o := a.Order; o.State.Over() && !a.now.Before(o.EndedAt.Add(s.keep(o.State))) {
		if err := s.erase(ctx, a, "retention"); err != nil && !isGone(err) {
			return err
		}
	}
	return nil
}
