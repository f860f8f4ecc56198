package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
	"sigill/signing"
	"sigill/signing/orders"
)

// Create writes a new order; see orders.Store.
func (s *Store) Create(ctx context.Context, c orders.Change, r orders.Request) (earlier string, err error) {
	row := c.Row
	if row.ID == "" || row.Client == "" || r.Client != row.Client || len(r.Key) == 0 || len(r.Body) == 0 {
		return "", errors.New("create order: no id, or no request of its client")
	}
	err = s.db.Write(ctx, func(tx *sqldb.Tx) error {
		if earlier, err = made(tx.Row, r); err != nil || earlier != "" {
			return err
		}
		n, err := tx.Exec(`INSERT INTO orders (id, client, state, created, due, ended, version, sealkey, head)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
			row.ID, row.Client, string(row.State), row.Created.UnixMilli(), sqldb.Millis(row.Due), sqldb.Millis(row.Ended),
			row.Version, row.Key, row.Head)
		if err != nil {
			return fmt.Errorf("create order: %w", err)
		}
		if n == 0 {
			return errors.New("create order: its id is taken")
		}
		n, err = tx.Exec(`INSERT INTO requests (client, idem, body, order_id, made) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
			r.Client, r.Key, r.Body, row.ID, r.Made.UnixMilli())
		if err != nil {
			return fmt.Errorf("create order: %w", err)
		}
		if n == 0 {
			return errors.New("create order: the same request is being made elsewhere")
		}
		return s.write(tx, c)
	})
	if err != nil {
		return "", err
	}
	return earlier, nil
}

// Requested finds the order of an earlier request; see orders.Store.
func (s *Store) Requested(ctx context.Context, r orders.Request) (earlier string, err error) {
	return made(func(query string, args ...any) sqldb.Row { return s.db.Row(ctx, query, args...) }, r)
}

// made finds the order of an earlier request.
func made(row func(query string, args ...any) sqldb.Row, r orders.Request) (id string, err error) {
	var body []byte
	err = row(`SELECT order_id, body FROM requests WHERE client = $1 AND idem = $2`, r.Client, r.Key).Scan(&id, &body)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("earlier request: %w", err)
	case !bytes.Equal(body, r.Body):
		return "", broker.ErrConflict
	}
	return id, nil
}

// Update writes what an act does, if the order's version is still the stored
// one; see orders.Store. Whose order it is and since when never changes. A Row
// without Body leaves that as it is, as long as there is a Key to it; a Row
// without Key removes it.
func (s *Store) Update(ctx context.Context, c orders.Change) error {
	row := c.Row
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		n, err := tx.Exec(`UPDATE orders SET state = $1, due = $2, ended = $3, sealkey = $4, head = $5, version = version + 1
			WHERE id = $6 AND client = $7 AND version = $8`,
			string(row.State), sqldb.Millis(row.Due), sqldb.Millis(row.Ended), row.Key, row.Head, row.ID, row.Client, row.Version)
		if err != nil {
			return fmt.Errorf("update order: %w", err)
		}
		if n == 1 {
			return s.write(tx, c)
		}
		var there int
		if err := tx.Row(`SELECT count(*) FROM orders WHERE id = $1 AND client = $2`, row.ID, row.Client).Scan(&there); err != nil {
			return fmt.Errorf("update order: %w", err)
		}
		if there == 0 {
			return broker.ErrNotFound
		}
		return broker.ErrConflict
	})
}

// write writes everything of a change but the order's own row.
func (s *Store) write(tx *sqldb.Tx, c orders.Change) error {
	for _, step := range []struct {
		what string
		do   func(*sqldb.Tx, orders.Change) error
	}{
		{"body", writeBody}, {"persons", writePersons}, {"parts", writeParts},
		{"invitations", writeInvitations}, {"attempt", writeAttempt}, {"outbox", s.writeOutbox},
	} {
		if err := step.do(tx, c); err != nil {
			return fmt.Errorf("order's %s: %w", step.what, err)
		}
	}
	return audit.Insert(tx, c.Events...)
}

func writeBody(tx *sqldb.Tx, c orders.Change) error {
	switch {
	case c.Row.Key == nil:
		_, err := tx.Exec(`DELETE FROM bodies WHERE order_id = $1`, c.Row.ID)
		return err
	case c.Row.Body == nil:
		return nil
	}
	// It is as it was as a rule, and comparing is cheaper than writing.
	_, err := tx.Exec(`INSERT INTO bodies (order_id, sealed) VALUES ($1, $2)
		ON CONFLICT (order_id) DO UPDATE SET sealed = excluded.sealed WHERE bodies.sealed <> excluded.sealed`, c.Row.ID, c.Row.Body)
	return err
}

func writePersons(tx *sqldb.Tx, c orders.Change) error {
	open := c.Row.State == signing.Open
	if open && c.Persons == nil {
		return nil
	}
	if _, err := tx.Exec(`DELETE FROM persons WHERE order_id = $1`, c.Row.ID); err != nil || !open {
		return err
	}
	for _, n := range slices.Sorted(maps.Keys(c.Persons)) {
		// created is the stored one, whatever the caller's row says.
		if _, err := tx.Exec(`INSERT INTO persons (order_id, n, client, person, created)
			SELECT id, $2, client, $3, created FROM orders WHERE id = $1`, c.Row.ID, n, c.Persons[n]); err != nil {
			return err
		}
	}
	return nil
}

func writeParts(tx *sqldb.Tx, c orders.Change) error {
	for _, p := range c.Parts {
		var err error
		if p.Sealed == nil {
			_, err = tx.Exec(`DELETE FROM parts WHERE order_id = $1 AND name = $2`, c.Row.ID, p.Name)
		} else {
			_, err = tx.Exec(`INSERT INTO parts (order_id, name, sealed) VALUES ($1, $2, $3)
				ON CONFLICT (order_id, name) DO UPDATE SET sealed = excluded.sealed`, c.Row.ID, p.Name, p.Sealed)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func writeInvitations(tx *sqldb.Tx, c orders.Change) error {
	for _, n := range c.Drop {
		if _, err := tx.Exec(`DELETE FROM invitations WHERE order_id = $1 AND n = $2`, c.Row.ID, n); err != nil {
			return err
		}
	}
	for _, i := range c.Invitations {
		n, err := tx.Exec(`INSERT INTO invitations (client, hash, order_id, n, created) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
			c.Row.Client, i.Hash, c.Row.ID, i.N, i.Created.UnixMilli())
		if err != nil {
			return err
		}
		if n == 0 {
			// Codes are short: two may be the same, and the next one will not be.
			return broker.ErrConflict
		}
	}
	return nil
}

// writeAttempt keeps an outcome that is there: the e-ID may be faster than
// whoever writes that the attempt was begun.
func writeAttempt(tx *sqldb.Tx, c orders.Change) error {
	a := c.Attempt
	if a == nil {
		return nil
	}
	if _, err := tx.Exec(`INSERT INTO attempts (eid_order, order_id, n, outcome, made) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (eid_order) DO UPDATE SET outcome = excluded.outcome
		WHERE attempts.outcome = ''`,
		a.EIDOrder, c.Row.ID, a.N, a.Outcome, a.Made.UnixMilli()); err != nil {
		return err
	}
	var same int
	if err := tx.Row(`SELECT count(*) FROM attempts WHERE eid_order = $1 AND order_id = $2 AND n = $3`,
		a.EIDOrder, c.Row.ID, a.N).Scan(&same); err != nil {
		return err
	}
	if same == 0 {
		return errors.New("the e-ID order is another signatory's")
	}
	return nil
}

func (s *Store) writeOutbox(tx *sqldb.Tx, c orders.Change) error {
	if len(c.Withdraw) > 0 { // none is not all
		if err := outbox.Cancel(tx, s.Now(), c.Row.ID, c.Withdraw...); err != nil {
			return err
		}
	}
	for _, e := range c.Outbox {
		if e.Ref != c.Row.ID {
			return errors.New("an entry that does not refer to its order would outlive it")
		}
		if err := outbox.Insert(tx, e); err != nil {
			return err
		}
	}
	return nil
}

// Delete removes an order with all that belongs to it; see orders.Store.
func (s *Store) Delete(ctx context.Context, client, id string, events ...audit.Event) error {
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		n, err := tx.Exec(`DELETE FROM orders WHERE id = $1 AND client = $2`, id, client)
		if err != nil {
			return fmt.Errorf("delete order: %w", err)
		}
		if n == 0 {
			return broker.ErrNotFound
		}
		if err := outbox.Erase(tx, id); err != nil {
			return fmt.Errorf("delete order: %w", err)
		}
		return audit.Insert(tx, events...)
	})
	if err != nil {
		return err
	}
	// It is gone already; now from the files too. Where a reader is in the way the
	// next one does it.
	if _, err := s.db.Settle(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("delete order: %w", err)
	}
	return nil
}
