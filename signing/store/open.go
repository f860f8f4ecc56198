package store

import (
	"context"
	"fmt"

	"sigill/signing"
)

const openQuery = `SELECT state, count(*) FROM orders WHERE ended IS NULL GROUP BY state`

// Open counts the orders that are not over, by their state.
func (s *Store) Open(ctx context.Context) (map[signing.State]int, error) {
	rows, err := s.db.Rows(ctx, openQuery)
	if err != nil {
		return nil, fmt.Errorf("count orders: %w", err)
	}
	defer rows.Close()
	count := map[signing.State]int{}
	for rows.Next() {
		var state signing.State
		var n int
		if err := rows.Scan(&state, &n); err != nil {
			return nil, fmt.Errorf("count orders: %w", err)
		}
		count[state] = n
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("count orders: %w", err)
	}
	return count, nil
}
