package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
)

// decoded spares decoding a client again while its row is the same.
type decoded struct {
	body   string
	client broker.Client
}

// clientRow is a client as its row has it: with its secret sealed.
type clientRow struct {
	broker.Client
	WebhookSealed []byte `json:",omitempty"`
}

// SealClients gives the box that what is secret about clients lies in. It is
// opened with keys that lie in this database, so it comes after Open and before
// all else. Without it a client that has a secret can be neither kept nor read.
func (s *Store) SealClients(box Box) { s.box = box }

var errNoBox = errors.New("store: a client's secret and no box for it (SealClients)")

func (s *Store) encodeClient(c broker.Client) (string, error) {
	row := clientRow{Client: c}
	if len(c.WebhookSecret) > 0 {
		if s.box == nil {
			return "", errNoBox
		}
		row.WebhookSealed = s.box.Seal(c.WebhookSecret, clientContext(c.ID))
	}
	body, err := json.Marshal(row)
	return string(body), err
}

func clientContext(id string) []byte { return []byte("client webhook\x00" + id) }

// AddClient registers a client; broker.ErrConflict when there is one of its id.
func (s *Store) AddClient(ctx context.Context, c broker.Client, events ...audit.Event) error {
	return s.AddClients(ctx, []broker.Client{c}, events...)
}

// AddClients registers several, all or none; broker.ErrConflict when there is one
// of an id of theirs.
func (s *Store) AddClients(ctx context.Context, list []broker.Client, events ...audit.Event) error {
	return s.putClients(ctx, "DO NOTHING", list, events)
}

// ReplaceClients registers several, all or none, in the place of those that have
// their ids.
func (s *Store) ReplaceClients(ctx context.Context, list []broker.Client, events ...audit.Event) error {
	return s.putClients(ctx, "(id) DO UPDATE SET body = excluded.body, added = excluded.added", list, events)
}

func (s *Store) putClients(ctx context.Context, onConflict string, list []broker.Client, events []audit.Event) error {
	bodies := make([]string, len(list))
	for i, c := range list {
		if c.ID == "" {
			return errors.New("add client: no id")
		}
		var err error
		if bodies[i], err = s.encodeClient(c); err != nil {
			return fmt.Errorf("add client: %w", err)
		}
	}
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		for i, c := range list {
			n, err := tx.Exec(`INSERT INTO clients (id, body, added) VALUES ($1, $2, $3) ON CONFLICT `+onConflict,
				c.ID, bodies[i], s.now().UnixMilli())
			if err != nil {
				return fmt.Errorf("add client: %w", err)
			}
			if n == 0 {
				return broker.ErrConflict
			}
		}
		return audit.Insert(tx, events...)
	})
}

// ChangeClient changes one, in one step with what it is read from;
// broker.ErrNotFound when there is none. An error of change leaves it as it was.
// change may be called several times.
func (s *Store) ChangeClient(ctx context.Context, id string, change func(*broker.Client) error, events ...audit.Event) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		var body string
		err := tx.Row(`SELECT body FROM clients WHERE id = $1`, id).Scan(&body)
		if errors.Is(err, sql.ErrNoRows) {
			return broker.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("change client: %w", err)
		}
		c, err := s.decodeClient(id, body)
		if err != nil {
			return err
		}
		if err := change(&c); err != nil {
			return err
		}
		if body, err = s.encodeClient(c); err != nil {
			return fmt.Errorf("change client: %w", err)
		}
		if _, err := tx.Exec(`UPDATE clients SET body = $1 WHERE id = $2`, body, id); err != nil {
			return fmt.Errorf("change client: %w", err)
		}
		return audit.Insert(tx, events...)
	})
}

// RemoveClient forgets one; broker.ErrNotFound when there is none.
func (s *Store) RemoveClient(ctx context.Context, id string, events ...audit.Event) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		n, err := tx.Exec(`DELETE FROM clients WHERE id = $1`, id)
		if err != nil {
			return fmt.Errorf("remove client: %w", err)
		}
		if n == 0 {
			return broker.ErrNotFound
		}
		return audit.Insert(tx, events...)
	})
}

// Clients lists what is registered, by id.
func (s *Store) Clients(ctx context.Context) ([]broker.Client, error) {
	rows, err := s.db.Rows(ctx, `SELECT id, body FROM clients ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("clients: %w", err)
	}
	defer rows.Close()
	var list []broker.Client
	for rows.Next() {
		var id, body string
		if err := rows.Scan(&id, &body); err != nil {
			return nil, fmt.Errorf("clients: %w", err)
		}
		c, err := s.decodeClient(id, body)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("clients: %w", err)
	}
	return list, nil
}

// Client finds one; see oidc.Clients. What it returns is shared: it is only to
// be read. The row is read each time, since another process may change it.
func (s *Store) Client(ctx context.Context, id string) (broker.Client, error) {
	var body string
	err := s.db.Row(ctx, `SELECT body FROM clients WHERE id = $1`, id).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return broker.Client{}, broker.ErrNotFound
	}
	if err != nil {
		return broker.Client{}, fmt.Errorf("client: %w", err)
	}
	s.mu.Lock()
	known, ok := s.clients[id]
	s.mu.Unlock()
	if ok && known.body == body {
		return known.client, nil
	}
	c, err := s.decodeClient(id, body)
	if err != nil {
		return broker.Client{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.clients) >= maxCached {
		clear(s.clients)
	}
	s.clients[id] = decoded{body, c}
	return c, nil
}

// decodeClient is strict: a field that this release does not know may be a
// restriction.
func (s *Store) decodeClient(id, body string) (broker.Client, error) {
	var row clientRow
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&row); err != nil {
		return broker.Client{}, fmt.Errorf("client %q: %w", id, err)
	}
	c := row.Client
	if _, err := d.Token(); !errors.Is(err, io.EOF) || c.ID != id {
		return broker.Client{}, fmt.Errorf("client %q: its row was altered", id)
	}
	if string(c.JWKS) == "null" {
		c.JWKS = nil // how JSON writes that there are none
	}
	if len(row.WebhookSealed) > 0 {
		if s.box == nil {
			return broker.Client{}, errNoBox
		}
		var err error
		if c.WebhookSecret, err = s.box.Open(row.WebhookSealed, clientContext(id)); err != nil {
			return broker.Client{}, fmt.Errorf("client %q: %w", id, err)
		}
	}
	return c, nil
}
