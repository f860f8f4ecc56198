package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
)

// Spend writes marks and acts; see oidc.Marks.
func (s *Store) Spend(ctx context.Context, marks []broker.Mark, events ...audit.Event) error {
	if len(marks) == 0 {
		return s.Record(ctx, events...)
	}
	// In one order for all, or two callers wait for each other on PostgreSQL until
	// it ends one of them, a second later.
	marks = slices.SortedFunc(slices.Values(marks), func(a, b broker.Mark) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), bytes.Compare(a.Digest, b.Digest))
	})
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		for _, m := range marks {
			n, err := tx.Exec(`INSERT INTO spent (kind, digest, expires) VALUES ($1, $2, $3)
				ON CONFLICT (kind, digest) DO NOTHING`, m.Kind, m.Digest, m.Expires.UnixMilli())
			if err != nil {
				return fmt.Errorf("spend %s: %w", m.Kind, err)
			}
			if n == 0 && !m.Again {
				return broker.ErrConflict
			}
		}
		return audit.Insert(tx, events...)
	})
}

// Spent reports whether a mark is there; see oidc.Marks. It stays until Clean
// removes it, a while after it has expired.
func (s *Store) Spent(ctx context.Context, kind string, digest []byte) (bool, error) {
	var n int
	err := s.db.Row(ctx, `SELECT count(*) FROM spent WHERE kind = $1 AND digest = $2`, kind, digest).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("spent %s: %w", kind, err)
	}
	return n > 0, nil
}
