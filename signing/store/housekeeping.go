package store

import (
	"context"
	"fmt"
	"time"

	"sigill/broker/kit/sqldb"
)

const (
	// keepRequests is how long the same request gives the same order.
	keepRequests = 30 * 24 * time.Hour
	// purgeBatch bounds how long others wait for a clean-up.
	purgeBatch = 200
)

// Purge forgets requests that nobody makes again, and what was removed. Orders are erased one by one,
// by whoever knows how long they are kept.
func (s *Store) Purge(ctx context.Context, now time.Time) error {
	before := now.Add(-keepRequests).UnixMilli()
	for {
		// Where nothing is old, nothing is written.
		var some bool
		if err := s.db.Row(ctx, `SELECT EXISTS (SELECT 1 FROM requests WHERE made <= $1)`, before).Scan(&some); err != nil {
			return fmt.Errorf("purge requests: %w", err)
		}
		if !some {
			// What was removed since the last time leaves the log as well.
			_, err := s.db.Settle(ctx)
			return err
		}
		if err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
			_, err := tx.Exec(`DELETE FROM requests WHERE (client, idem) IN
				(SELECT client, idem FROM requests WHERE made <= $1 ORDER BY made LIMIT $2)`, before, purgeBatch)
			return err
		}); err != nil {
			return fmt.Errorf("purge requests: %w", err)
		}
	}
}
