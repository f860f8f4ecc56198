package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
)

// maxCached bounds what is remembered of rows that never change.
const maxCached = 10_000

type subjectKey struct{ person, sector string }

// Subject gives a person's name within a sector; see oidc.Records. A name never
// changes, so it is remembered.
func (s *Store) Subject(ctx context.Context, person []byte, sector string) (string, error) {
	if len(person) == 0 || sector == "" {
		return "", errors.New("subject: no person or no sector")
	}
	k := subjectKey{string(person), sector}
	s.mu.Lock()
	sub := s.subjects[k]
	s.mu.Unlock()
	if sub != "" {
		return sub, nil
	}
	const find = `SELECT sub FROM subjects WHERE person = $1 AND sector = $2`
	err := s.db.Row(ctx, find, person, sector).Scan(&sub)
	if errors.Is(err, sql.ErrNoRows) {
		err = s.db.Write(ctx, func(tx *sqldb.Tx) error {
			if _, err := tx.Exec(`INSERT INTO subjects (person, sector, sub) VALUES ($1, $2, $3) ON CONFLICT (person, sector) DO NOTHING`,
				person, sector, broker.NewID()); err != nil {
				return err
			}
			return tx.Row(find, person, sector).Scan(&sub)
		})
	}
	if err != nil {
		return "", fmt.Errorf("subject: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.subjects) >= maxCached {
		clear(s.subjects) // rare, and the next reads fill it again
	}
	s.subjects[k] = sub
	return sub, nil
}

// FinishLogin writes the record of a login and consumes its order; see
// oidc.Records.
func (s *Store) FinishLogin(ctx context.Context, r broker.LoginRecord, events ...audit.Event) error {
	if r.Login == "" {
		return errors.New("finish login: no login")
	}
	var order any
	if r.Order != "" {
		order = string(r.Order)
	}
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		n, err := tx.Exec(`INSERT INTO logins (login, order_id, client, provider, at, expires, sealed)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
			r.Login, order, r.Client, string(r.Provider), r.At.UnixMilli(), r.Expires.UnixMilli(), r.Sealed)
		if err != nil {
			return fmt.Errorf("finish login: %w", err)
		}
		if n == 0 {
			return sameAgain(tx, r)
		}
		if r.Order != "" {
			// The new version undoes any change that somebody is about to write on
			// top of what it read before.
			n, err := tx.Exec(`UPDATE orders SET consumed = $1, changed = $1, version = version + 1
				WHERE id = $2 AND phase = 'done' AND consumed IS NULL`, r.At.UnixMilli(), string(r.Order))
			if err != nil {
				return fmt.Errorf("finish login: %w", err)
			}
			if n == 0 {
				return broker.ErrConflict
			}
		}
		return audit.Insert(tx, events...)
	})
}

// sameAgain is nil when the login was finished before by the same order.
func sameAgain(tx *sqldb.Tx, r broker.LoginRecord) error {
	var n int
	err := tx.Row(`SELECT count(*) FROM logins WHERE login = $1 AND order_id = $2 AND client = $3`,
		r.Login, string(r.Order), r.Client).Scan(&n)
	if err != nil {
		return fmt.Errorf("finish login: %w", err)
	}
	if n == 0 {
		return broker.ErrConflict
	}
	return nil
}

// Record writes acts that change nothing else; see oidc.Records.
func (s *Store) Record(ctx context.Context, events ...audit.Event) error {
	if len(events) == 0 {
		return nil
	}
	return s.db.Write(ctx, func(tx *sqldb.Tx) error { return audit.Insert(tx, events...) })
}

// LoginRecord reads the evidence of a login; broker.ErrNotFound when there is
// none, or no longer.
func (s *Store) LoginRecord(ctx context.Context, login string) (broker.LoginRecord, error) {
	r := broker.LoginRecord{Login: login}
	var order sql.NullString
	err := s.db.Row(ctx, `SELECT order_id, client, provider, at, expires, sealed FROM logins WHERE login = $1`, login).
		Scan(&order, &r.Client, &r.Provider, sqldb.IntoTime(&r.At), sqldb.IntoTime(&r.Expires), &r.Sealed)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !r.Expires.After(s.now()) {
		return broker.LoginRecord{}, broker.ErrNotFound
	}
	if err != nil {
		return broker.LoginRecord{}, fmt.Errorf("login record: %w", err)
	}
	r.Order = broker.OrderID(order.String)
	return r, nil
}
