package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
)

// The end of a lease is what the order's own row says or what its node has last
// said for all its orders, whichever is later.
const orderColumns = `id, owner, ref, client, provider, instance, mode, kind, locked, phase, reason,
	browser, nonce, returned, picked_up, restarts, created, changed, deadline, consumed,
	node, lease_until, foreign_until, version, sealed,
	COALESCE((SELECT until FROM nodes WHERE nodes.node = orders.node), 0)`

// CreateOrder writes a new order; see flow.Orders.
func (s *Store) CreateOrder(ctx context.Context, o broker.Order, events ...audit.Event) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		n, err := tx.Exec(`INSERT INTO orders (id, owner, ref, client, provider, instance, mode, kind, locked, phase, reason,
				browser, nonce, returned, picked_up, restarts, created, changed, deadline, consumed,
				node, lease_until, foreign_until, version, sealed)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)
			ON CONFLICT DO NOTHING`,
			string(o.ID), o.Owner, o.Ref, o.Client, string(o.Provider), o.Instance, string(o.Mode), string(o.Kind), o.Locked,
			string(o.Phase), string(o.Reason), o.Browser, o.Nonce, sqldb.Millis(o.Returned), o.PickedUp, o.Restarts,
			o.Created.UnixMilli(), o.Changed.UnixMilli(), sqldb.Millis(o.Deadline), sqldb.Millis(o.Consumed),
			o.Node, leaseMillis(o.LeaseUntil), sqldb.Millis(o.ForeignUntil), o.Version, o.Sealed)
		if err != nil {
			return fmt.Errorf("create order: %w", err)
		}
		if n == 0 {
			return broker.ErrConflict
		}
		return audit.Insert(tx, events...)
	})
}

// leaseMillis is zero for no lease: such an order is anybody's.
func leaseMillis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Order reads one; see flow.Orders.
func (s *Store) Order(ctx context.Context, id broker.OrderID) (broker.Order, error) {
	o, err := scanOrder(s.db.Row(ctx, `SELECT `+orderColumns+` FROM orders WHERE id = $1`, string(id)))
	if errors.Is(err, sql.ErrNoRows) {
		return broker.Order{}, broker.ErrNotFound
	}
	if err != nil {
		return broker.Order{}, fmt.Errorf("read order: %w", err)
	}
	return o, nil
}

// UpdateOrder writes what can change in an order's life, if its version is
// still the stored one; see flow.Orders. Who asked for what, from which browser
// and when, never changes.
func (s *Store) UpdateOrder(ctx context.Context, o broker.Order, events ...audit.Event) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		n, err := tx.Exec(`UPDATE orders SET phase = $1, reason = $2, nonce = $3, returned = $4, picked_up = $5, restarts = $6,
				changed = $7, deadline = $8, consumed = $9, sealed = $10, version = version + 1
			WHERE id = $11 AND version = $12`,
			string(o.Phase), string(o.Reason), o.Nonce, sqldb.Millis(o.Returned), o.PickedUp, o.Restarts,
			o.Changed.UnixMilli(), sqldb.Millis(o.Deadline), sqldb.Millis(o.Consumed), o.Sealed,
			string(o.ID), o.Version)
		if err != nil {
			return fmt.Errorf("update order: %w", err)
		}
		if n == 1 {
			return audit.Insert(tx, events...)
		}
		var there int
		if err := tx.Row(`SELECT count(*) FROM orders WHERE id = $1`, string(o.ID)).Scan(&there); err != nil {
			return fmt.Errorf("update order: %w", err)
		}
		if there == 0 {
			return broker.ErrNotFound
		}
		return broker.ErrConflict
	})
}

// ClaimOrders leases orders that nobody watches to a node; see flow.Leases.
func (s *Store) ClaimOrders(ctx context.Context, node string, own bool, now, until time.Time, limit int) ([]broker.Order, error) {
	// Most of the time there is nothing to take, and finding that out must not
	// write, nor wait for those who do.
	free := `phase = 'pending' AND lease_until <= $1
		AND NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.node = orders.node AND nodes.until > $1)`
	args := []any{now.UnixMilli()}
	if own {
		free = `phase = 'pending' AND (node = $2 OR lease_until <= $1
			AND NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.node = orders.node AND nodes.until > $1))`
		args = append(args, node)
	}
	var some bool
	if err := s.db.Row(ctx, `SELECT EXISTS (SELECT 1 FROM orders WHERE `+free+`)`, args...).Scan(&some); err != nil {
		return nil, fmt.Errorf("claim orders: %w", err)
	}
	if !some {
		return nil, nil
	}

	var claimed []broker.Order
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		claimed = nil
		n := len(args)
		rows, err := tx.Rows(fmt.Sprintf(`SELECT %s FROM orders WHERE %s ORDER BY lease_until LIMIT $%d`, orderColumns, free, n+1),
			append(slices.Clone(args), limit)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			o, err := scanOrder(rows)
			if err != nil {
				return err
			}
			claimed = append(claimed, o)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		for i := range claimed {
			o := &claimed[i]
			if o.Node != node {
				o.ForeignUntil = o.LeaseUntil
			}
			o.Node, o.LeaseUntil = node, fromMillis(until.UnixMilli())
			if _, err := tx.Exec(`UPDATE orders SET node = $1, lease_until = $2, foreign_until = $3 WHERE id = $4`,
				node, until.UnixMilli(), sqldb.Millis(o.ForeignUntil), string(o.ID)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("claim orders: %w", err)
	}
	return claimed, nil
}

// RenewLeases prolongs the leases of all of a node's orders; see flow.Leases.
func (s *Store) RenewLeases(ctx context.Context, node string, until time.Time) error {
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`INSERT INTO nodes (node, until) VALUES ($1, $2)
			ON CONFLICT (node) DO UPDATE SET until = excluded.until WHERE nodes.until < excluded.until`, node, until.UnixMilli())
		return err
	})
	if err != nil {
		return fmt.Errorf("renew leases: %w", err)
	}
	return nil
}

// EndedOrders lists what an owner has not taken over; see flow.Results. The
// conditions are those of the index orders_ended, word by word.
func (s *Store) EndedOrders(ctx context.Context, owner string, after broker.Ended, limit int) ([]broker.Ended, error) {
	rows, err := s.db.Rows(ctx, endedOrders, owner, leaseMillis(after.Created), string(after.ID), limit)
	if err != nil {
		return nil, fmt.Errorf("ended orders: %w", err)
	}
	defer rows.Close()
	var list []broker.Ended
	for rows.Next() {
		var e broker.Ended
		if err := rows.Scan(&e.ID, sqldb.IntoTime(&e.Created)); err != nil {
			return nil, fmt.Errorf("ended orders: %w", err)
		}
		list = append(list, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("ended orders: %w", err)
	}
	return list, nil
}

const endedOrders = `SELECT id, created FROM orders
	WHERE owner = $1 AND (created, id) > ($2, $3) AND consumed IS NULL AND phase <> 'pending' AND owner <> 'login'
	ORDER BY created, id LIMIT $4`

// ConsumeOrder notes that an owner has taken a result over; see flow.Results.
// The new version undoes any change that somebody is about to write on top of
// what it read before.
func (s *Store) ConsumeOrder(ctx context.Context, id broker.OrderID, at time.Time) error {
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		n, err := tx.Exec(`UPDATE orders SET consumed = $1, changed = $1, version = version + 1
			WHERE id = $2 AND phase <> 'pending' AND consumed IS NULL`, at.UnixMilli(), string(id))
		if err != nil || n == 1 {
			return err
		}
		var phase string
		if err := tx.Row(`SELECT phase FROM orders WHERE id = $1`, string(id)).Scan(&phase); err != nil {
			return err
		}
		if phase == string(broker.Pending) {
			return broker.ErrConflict
		}
		return nil
	})
	if errors.Is(err, sql.ErrNoRows) {
		return broker.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("consume order: %w", err)
	}
	return nil
}

type scanner interface{ Scan(dest ...any) error }

func scanOrder(row scanner) (broker.Order, error) {
	var o broker.Order
	var lease, node int64
	err := row.Scan(&o.ID, &o.Owner, &o.Ref, &o.Client, &o.Provider, &o.Instance, &o.Mode, &o.Kind, &o.Locked, &o.Phase, &o.Reason,
		&o.Browser, &o.Nonce, sqldb.IntoTime(&o.Returned), &o.PickedUp, &o.Restarts,
		sqldb.IntoTime(&o.Created), sqldb.IntoTime(&o.Changed), sqldb.IntoTime(&o.Deadline), sqldb.IntoTime(&o.Consumed),
		&o.Node, &lease, sqldb.IntoTime(&o.ForeignUntil), &o.Version, &o.Sealed, &node)
	if o.Phase == broker.Pending {
		lease = max(lease, node)
	}
	o.LeaseUntil = fromMillis(lease)
	return o, err
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
