package store

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"sigill/broker/kit/sqldb"
)

const (
	cleaning = 10 * time.Minute
	// sweepBatch bounds how long others wait for a clean-up.
	sweepBatch = 200
	// keepOrders is how long an order stays after it began, when nobody needs it
	// any more.
	keepOrders = 24 * time.Hour
)

// Run removes what is no longer needed, until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	return sweeping(ctx, s.log, cleaning, s.Clean)
}

// Clean removes records of logins and marks that have expired, and orders a day after
// they began: those of logins, whatever came of them, and those that their owner
// has taken over. A result that an owner has still to hear of stays. Nodes are
// forgotten that have not been there for a day.
func (s *Store) Clean(ctx context.Context) error {
	now := s.now()
	if s.Past != nil {
		now = s.Past()
	}
	if err := inBatches(ctx, s.db, `DELETE FROM logins WHERE login IN
		(SELECT login FROM logins WHERE expires <= $1 ORDER BY expires LIMIT $2)`, now.UnixMilli()); err != nil {
		return fmt.Errorf("clean logins: %w", err)
	}
	if err := inBatches(ctx, s.db, `DELETE FROM orders WHERE id IN
		(SELECT id FROM orders WHERE created <= $1 AND (consumed IS NOT NULL OR owner = 'login')
		ORDER BY created LIMIT $2)`, now.Add(-keepOrders).UnixMilli()); err != nil {
		return fmt.Errorf("clean orders: %w", err)
	}
	if err := inBatches(ctx, s.db, `DELETE FROM spent WHERE (kind, digest) IN
		(SELECT kind, digest FROM spent WHERE expires <= $1 ORDER BY expires LIMIT $2)`, now.UnixMilli()); err != nil {
		return fmt.Errorf("clean spent: %w", err)
	}
	if err := inBatches(ctx, s.db, `DELETE FROM nodes WHERE node IN
		(SELECT node FROM nodes WHERE until <= $1 LIMIT $2)`, now.Add(-keepOrders).UnixMilli()); err != nil {
		return fmt.Errorf("clean nodes: %w", err)
	}
	// What was removed leaves the log as well; where a reader is in the way, next time.
	_, err := s.db.Settle(ctx)
	return err
}

// inBatches repeats a DELETE, whose last parameter is its limit, until it finds
// nothing more.
func inBatches(ctx context.Context, db *sqldb.DB, query string, args ...any) error {
	args = append(args, sweepBatch)
	for {
		var n int64
		err := db.Write(ctx, func(tx *sqldb.Tx) (err error) {
			n, err = tx.Exec(query, args...)
			return err
		})
		if err != nil || n < sweepBatch {
			return err
		}
	}
}

func sweeping(ctx context.Context, log *slog.Logger, every time.Duration, sweep func(context.Context) error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := sweep(ctx); err != nil && ctx.Err() == nil {
			log.Error("clean-up failed; trying again later", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
