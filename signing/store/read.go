package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"sigill/broker"
	"sigill/broker/kit/sqldb"
	"sigill/signing/orders"
)

// What is read of orders. Lists are without bodies.
const (
	listed = `o.id, o.client, o.state, o.created, o.due, o.ended, o.version, o.sealkey, o.head`

	orderQuery = `SELECT ` + listed + `, b.sealed FROM orders o LEFT JOIN bodies b ON b.order_id = o.id
		WHERE o.id = $1 AND o.client = $2`
	awaitingQuery = `SELECT ` + listed + ` FROM persons p JOIN orders o ON o.id = p.order_id
		WHERE p.client = $1 AND p.person = $2 AND (p.created, p.order_id) < ($3, $4)
		ORDER BY p.created DESC, p.order_id DESC LIMIT $5`
	underwayQuery = `SELECT EXISTS (SELECT 1 FROM attempts WHERE order_id = $1 AND outcome = '' AND made < $2)`
	dueQuery      = `SELECT ` + listed + ` FROM orders o WHERE o.due <= $1 AND (o.due, o.id) > ($2, $3) ORDER BY o.due, o.id LIMIT $4`
	endedQuery    = `SELECT ` + listed + ` FROM orders o WHERE o.ended < $1 AND (o.ended, o.id) > ($2, $3) ORDER BY o.ended, o.id LIMIT $4`
)

// Order reads one, with its body; see orders.Store.
func (s *Store) Order(ctx context.Context, client, id string) (orders.Row, error) {
	var r orders.Row
	err := s.db.Row(ctx, orderQuery, id, client).Scan(append(into(&r), &r.Body)...)
	return r, found(err, "read order")
}

// Part reads one; see orders.Store.
func (s *Store) Part(ctx context.Context, id, name string) ([]byte, error) {
	var sealed []byte
	err := s.db.Row(ctx, `SELECT sealed FROM parts WHERE order_id = $1 AND name = $2`, id, name).Scan(&sealed)
	return sealed, found(err, "read part")
}

// Invitation finds whom one is for; see orders.Store.
func (s *Store) Invitation(ctx context.Context, client string, hash []byte) (id string, n int, err error) {
	err = s.db.Row(ctx, `SELECT order_id, n FROM invitations WHERE client = $1 AND hash = $2`, client, hash).Scan(&id, &n)
	return id, n, found(err, "find invitation")
}

// Attempt finds an e-ID order; see orders.Store.
func (s *Store) Attempt(ctx context.Context, eidOrder string) (id string, a orders.Attempt, err error) {
	err = s.db.Row(ctx, `SELECT order_id, eid_order, n, outcome, made FROM attempts WHERE eid_order = $1`, eidOrder).
		Scan(&id, &a.EIDOrder, &a.N, &a.Outcome, sqldb.IntoTime(&a.Made))
	return id, a, found(err, "find attempt")
}

// Underway tells whether there are any; see orders.Store.
func (s *Store) Underway(ctx context.Context, id string, before time.Time) (some bool, err error) {
	err = s.db.Row(ctx, underwayQuery, id, before.UnixMilli()).Scan(&some)
	return some, found(err, "find attempts")
}

// Awaiting lists a person's open orders, newest first, without bodies; see
// orders.Store.
func (s *Store) Awaiting(ctx context.Context, client string, person []byte, after orders.Mark, limit int) ([]orders.Row, error) {
	before := int64(math.MaxInt64)
	if after != (orders.Mark{}) {
		before = after.At.UnixMilli()
	}
	return s.list(ctx, awaitingQuery, client, person, before, after.ID, limit)
}

// Due lists orders whose time has come, oldest first, without bodies; see
// orders.Store.
func (s *Store) Due(ctx context.Context, now time.Time, after orders.Mark, limit int) ([]orders.Row, error) {
	return s.list(ctx, dueQuery, now.UnixMilli(), after.At.UnixMilli(), after.ID, limit)
}

// Ended lists orders that were over before a time, oldest first, without
// bodies; see orders.Store.
func (s *Store) Ended(ctx context.Context, before time.Time, after orders.Mark, limit int) ([]orders.Row, error) {
	return s.list(ctx, endedQuery, before.UnixMilli(), after.At.UnixMilli(), after.ID, limit)
}

func (s *Store) list(ctx context.Context, query string, args ...any) ([]orders.Row, error) {
	rows, err := s.db.Rows(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	defer rows.Close()
	var list []orders.Row
	for rows.Next() {
		var r orders.Row
		if err := rows.Scan(into(&r)...); err != nil {
			return nil, fmt.Errorf("list orders: %w", err)
		}
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	return list, nil
}

// into is where the listed columns go.
func into(r *orders.Row) []any {
	return []any{&r.ID, &r.Client, &r.State, sqldb.IntoTime(&r.Created), sqldb.IntoTime(&r.Due), sqldb.IntoTime(&r.Ended),
		&r.Version, &r.Key, &r.Head}
}

func found(err error, what string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return broker.ErrNotFound
	}
	return fmt.Errorf("%s: %w", what, err)
}
