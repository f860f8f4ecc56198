package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
)

// The end of a lease is what the order's own row says or what its node has last
// said for all its orders, whichever is later.
const (
	orderColumns = plainOrder + `, COALESCE((SELECT until FROM nodes WHERE nodes.node = orders.node), 0)`
	plainOrder   = `id, owner, ref, client, provider, instance, mode, kind, locked, phase, reason,
		browser, nonce, returned, picked_up, restarts, created, changed, deadline, consumed,
		node, lease_until, foreign_until, version, sealed`
)

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

// beginsAgain is an order that was over and is pending after the update; taken is
// such an order, or one that is taken from whoever has it.
const (
	beginsAgain = `phase <> 'pending' AND $1 = 'pending'`
	taken       = `($16 OR ` + beginsAgain + `)`
)

// UpdateOrder writes what can change in an order's life, if its version is
// still the stored one; see flow.Orders. Who asked for what, from which browser
// and when, never changes. Whose the lease is changes with an order that begins
// again, and else by claims alone, which leave the version as it is.
func (s *Store) UpdateOrder(ctx context.Context, o broker.Order, events ...audit.Event) error {
	return s.updateOrder(ctx, o, false, events)
}

// TakeOrder is UpdateOrder that leases the order as well; see flow.Orders.
func (s *Store) TakeOrder(ctx context.Context, o broker.Order, events ...audit.Event) error {
	return s.updateOrder(ctx, o, true, events)
}

func (s *Store) updateOrder(ctx context.Context, o broker.Order, take bool, events []audit.Event) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		n, err := tx.Exec(`UPDATE orders SET phase = $1, reason = $2, nonce = $3, returned = $4, picked_up = $5, restarts = $6,
				changed = $7, deadline = $8, consumed = $9, sealed = $10, version = version + 1,
				node = CASE WHEN `+taken+` THEN $13 ELSE node END,
				lease_until = CASE WHEN `+taken+` THEN $14 ELSE lease_until END,
				foreign_until = CASE WHEN `+taken+` THEN $15 ELSE foreign_until END
			WHERE id = $11 AND version = $12`,
			string(o.Phase), string(o.Reason), o.Nonce, sqldb.Millis(o.Returned), o.PickedUp, o.Restarts,
			o.Changed.UnixMilli(), sqldb.Millis(o.Deadline), sqldb.Millis(o.Consumed), o.Sealed,
			string(o.ID), o.Version, o.Node, leaseMillis(o.LeaseUntil), sqldb.Millis(o.ForeignUntil), take)
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

// silentNodes names those whose pending orders anybody may claim. It steps from
// one holder to the next along the index orders_held, so that ten thousand orders
// of nodes that are alive cost as much as one. A lease that ends after $2 is
// longer than any: it was written by a clock that was ahead, and is not believed.
const silentNodes = `WITH RECURSIVE held (node) AS (
		SELECT (SELECT min(o.node) FROM orders o WHERE o.phase = 'pending')
		UNION ALL
		SELECT (SELECT min(o.node) FROM orders o WHERE o.phase = 'pending' AND o.node > held.node) FROM held WHERE held.node IS NOT NULL)
	SELECT held.node FROM held WHERE held.node IS NOT NULL
		AND NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.node = held.node AND nodes.until > $1 AND nodes.until <= $2)
		AND ((SELECT min(o.lease_until) FROM orders o WHERE o.phase = 'pending' AND o.node = held.node) <= $1
			OR (SELECT max(o.lease_until) FROM orders o WHERE o.phase = 'pending' AND o.node = held.node) > $2)`

// believed is the latest end of a lease that is believed, when one that is taken
// now ends at until.
func believed(now, until time.Time) time.Time { return until.Add(until.Sub(now)) }

// ClaimOrders leases orders that nobody watches to a node; see flow.Leases. Most
// of the time there is nothing to take, and finding that out does not write, nor
// wait for those who do.
func (s *Store) ClaimOrders(ctx context.Context, node string, own bool, now, until time.Time, limit int) ([]broker.Order, error) {
	var claimed []broker.Order
	from := func(holder string, mine bool) error {
		list, err := s.claimFrom(ctx, holder, mine, node, now, until, limit-len(claimed))
		claimed = append(claimed, list...)
		return err
	}
	silent, err := s.silent(ctx, now, believed(now, until))
	if err != nil {
		return nil, fmt.Errorf("claim orders: %w", err)
	}
	if own {
		if err := from(node, true); err != nil {
			return nil, fmt.Errorf("claim orders: %w", err)
		}
	}
	for _, holder := range silent {
		if len(claimed) >= limit {
			break
		}
		if err := from(holder, false); err != nil {
			// What was claimed is claimed.
			if len(claimed) == 0 {
				return nil, fmt.Errorf("claim orders: %w", err)
			}
			s.log.ErrorContext(ctx, "orders of a silent node not claimed", "node", holder, "error", err)
			break
		}
	}
	return claimed, nil
}

func (s *Store) silent(ctx context.Context, now, latest time.Time) ([]string, error) {
	rows, err := s.db.Rows(ctx, silentNodes, now.UnixMilli(), latest.UnixMilli())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var node string
		if err := rows.Scan(&node); err != nil {
			return nil, err
		}
		list = append(list, node)
	}
	return list, rows.Err()
}

// claimable are orders of one holder, those first whose lease has ended longest.
const claimable = `SELECT id FROM orders WHERE phase = 'pending' AND node = $4 AND (lease_until <= $5 OR lease_until > $7) ORDER BY lease_until LIMIT $6`

// claimFrom leases orders of one holder to node: those whose lease has ended, or
// all of them when they are mine.
func (s *Store) claimFrom(ctx context.Context, holder string, mine bool, node string, now, until time.Time, limit int) ([]broker.Order, error) {
	var claimed []broker.Order
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		claimed = nil
		var said int64 // until when the holder has prolonged them all
		err := tx.Row(`SELECT until FROM nodes WHERE node = $1`, holder).Scan(&said)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		latest, furthest := now.UnixMilli(), believed(now, until).UnixMilli()
		if mine {
			latest = math.MaxInt64
		} else if said > latest && said <= furthest {
			return nil // it has spoken meanwhile
		}
		rows, err := tx.Rows(`UPDATE orders SET lease_until = $1, node = $2,
				foreign_until = CASE WHEN node = $2 THEN foreign_until WHEN lease_until >= $3 THEN NULLIF(lease_until, 0) ELSE $3 END
			WHERE id IN (`+claimable+`)
			RETURNING `+plainOrder+`, 0`, until.UnixMilli(), node, said, holder, latest, limit, furthest)
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
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

// HeldOrders names a node's pending orders; see flow.Leases.
func (s *Store) HeldOrders(ctx context.Context, node string) ([]broker.OrderID, error) {
	rows, err := s.db.Rows(ctx, `SELECT id FROM orders WHERE phase = 'pending' AND node = $1`, node)
	if err != nil {
		return nil, fmt.Errorf("held orders: %w", err)
	}
	defer rows.Close()
	var list []broker.OrderID
	for rows.Next() {
		var id broker.OrderID
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("held orders: %w", err)
		}
		list = append(list, id)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("held orders: %w", err)
	}
	return list, nil
}

// late is how long after a newer renewal an older one may arrive, which changes
// nothing then. What ends later still was written before the clock was set back.
const late = 20 * time.Second

// RenewLeases prolongs the leases of all of a node's orders; see flow.Leases.
func (s *Store) RenewLeases(ctx context.Context, node, boot string, until time.Time) error {
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		n, err := tx.Exec(`INSERT INTO nodes (node, until, boot) VALUES ($1, $2, $3)
			ON CONFLICT (node) DO UPDATE SET
				until = CASE WHEN nodes.until BETWEEN excluded.until AND excluded.until + $4 THEN nodes.until ELSE excluded.until END,
				boot = CASE WHEN excluded.boot = '' THEN nodes.boot ELSE excluded.boot END
			WHERE excluded.boot = '' OR nodes.boot = '' OR nodes.boot = excluded.boot`, node, until.UnixMilli(), boot, late.Milliseconds())
		if err == nil && n == 0 {
			return broker.ErrConflict
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("renew leases: %w", err)
	}
	return nil
}

// ReleaseLeases gives up the leases of all of a node's orders; see flow.Leases.
func (s *Store) ReleaseLeases(ctx context.Context, node string, now time.Time) error {
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(`UPDATE orders SET lease_until = $1 WHERE phase = 'pending' AND node = $2 AND lease_until > $1`,
			now.UnixMilli(), node); err != nil {
			return err
		}
		_, err := tx.Exec(`UPDATE nodes SET until = $1 WHERE node = $2 AND until > $1`, now.UnixMilli(), node)
		return err
	})
	if err != nil {
		return fmt.Errorf("release leases: %w", err)
	}
	return nil
}

// EnterNode notes which process goes by a name; see flow.Nodes.
func (s *Store) EnterNode(ctx context.Context, node, boot string, former []string, now time.Time) error {
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		var last string
		err := tx.Row(`SELECT boot FROM nodes WHERE node = $1`, node).Scan(&last)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if last != "" && last != boot && !slices.Contains(former, last) {
			return broker.ErrConflict
		}
		// It leases nothing by this.
		_, err = tx.Exec(`INSERT INTO nodes (node, until, boot) VALUES ($1, $2, $3)
			ON CONFLICT (node) DO UPDATE SET boot = excluded.boot`, node, now.UnixMilli(), boot)
		return err
	})
	if err != nil {
		return fmt.Errorf("enter node: %w", err)
	}
	return nil
}

// Touch writes to the row of a node and changes nothing, to see whether that can
// be done.
func (s *Store) Touch(ctx context.Context, node string) error {
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`UPDATE nodes SET boot = boot WHERE node = $1`, node)
		return err
	})
	if err != nil {
		return fmt.Errorf("touch node: %w", err)
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
