package store

import (
	"context"
	"fmt"
)

// PendingOrders counts the e-ID orders that are under way, whichever node
// watches them.
func (s *Store) PendingOrders(ctx context.Context) (n int, err error) {
	if err := s.db.Row(ctx, `SELECT count(*) FROM orders WHERE phase = 'pending'`).Scan(&n); err != nil {
		return 0, fmt.Errorf("count pending orders: %w", err)
	}
	return n, nil
}
