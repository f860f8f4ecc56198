package store

import (
	"errors"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
)

// Session is somebody's login. ID is the hash of the secret in the cookie.
type Session struct {
	ID      string
	Kind    string // "citizen", "officer"
	Tenant  portal.TenantID
	Group   portal.GroupID
	Body    []byte // sealed
	Created time.Time
	Seen    time.Time // for the limit on doing nothing
	Expires time.Time // at the latest
}

const (
	sessionListed      = `SELECT id, kind, tenant, grp, body, created, seen, expires FROM sessions `
	sessionsEndedQuery = sessionListed + `WHERE seen <= $1 OR expires <= $2 LIMIT $3`
)

func intoSession(s *Session) []any {
	return []any{&s.ID, &s.Kind, &s.Tenant, &s.Group, &s.Body, sqldb.IntoTime(&s.Created), sqldb.IntoTime(&s.Seen), sqldb.IntoTime(&s.Expires)}
}

// PutSession writes one. Kind and created of one that is there stay.
func PutSession(tx *sqldb.Tx, s Session) error {
	if s.ID == "" || s.Kind == "" {
		return errors.New("put session: without id or kind")
	}
	return exec(tx, "put session", errors.New("put session: it is of another kind"), `INSERT INTO sessions (id, kind, tenant, grp, body, created, seen, expires)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (id) DO UPDATE SET tenant = excluded.tenant, grp = excluded.grp, body = excluded.body, seen = excluded.seen, expires = excluded.expires
		WHERE sessions.kind = excluded.kind`,
		s.ID, s.Kind, string(s.Tenant), string(s.Group), s.Body, sqldb.Millis(s.Created), sqldb.Millis(s.Seen), sqldb.Millis(s.Expires))
}

// SessionOf reads one, also one whose time is over.
func SessionOf(r Reader, id string) (Session, error) {
	var s Session
	if err := one(r, "read session", sessionListed+`WHERE id = $1`, []any{id}, intoSession(&s)...); err != nil {
		return Session{}, err
	}
	return s, nil
}

// TouchSession notes that something was done; ErrNone when it has ended.
func TouchSession(tx *sqldb.Tx, id string, seen time.Time) error {
	return exec(tx, "touch session", ErrNone, `UPDATE sessions SET seen = $1 WHERE id = $2`, sqldb.Millis(seen), id)
}

// DeleteSession ends one.
func DeleteSession(tx *sqldb.Tx, id string) error {
	return exec(tx, "delete session", nil, `DELETE FROM sessions WHERE id = $1`, id)
}

// SessionsEnded are those that did nothing since, or whose time is over.
func SessionsEnded(r Reader, idleSince, now time.Time, limit int) ([]Session, error) {
	return list(r, "list ended sessions", intoSession, sessionsEndedQuery, idleSince.UnixMilli(), now.UnixMilli(), limit)
}

// Held is something short-lived that one browser may take back once: a login
// under way, or a form that came when its login had ended.
type Held struct {
	ID      string // hash of the secret that takes it
	Kind    string
	Owner   string // whose of its kind it counts as; may be empty
	Body    []byte
	Expires time.Time
}

// PutHeld keeps it.
func PutHeld(tx *sqldb.Tx, h Held) error {
	if h.ID == "" || h.Kind == "" {
		return errors.New("put held: without id or kind")
	}
	return exec(tx, "put held", errors.New("put held: it is of another kind"), `INSERT INTO held (id, kind, owner, body, expires) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, body = excluded.body, expires = excluded.expires WHERE held.kind = excluded.kind`,
		h.ID, h.Kind, h.Owner, h.Body, sqldb.Millis(h.Expires))
}

// TakeHeld gives it and removes it: once. ErrNone when its time is over.
func TakeHeld(tx *sqldb.Tx, id, kind string, now time.Time) (Held, error) {
	var h Held
	if err := one(tx, "take held", `DELETE FROM held WHERE id = $1 AND kind = $2 AND expires > $3 RETURNING id, kind, owner, body, expires`,
		[]any{id, kind, now.UnixMilli()}, intoHeld(&h)...); err != nil {
		return Held{}, err
	}
	return h, nil
}

// HeldOf reads it and leaves it. ErrNone when its time is over.
func HeldOf(r Reader, id, kind string, now time.Time) (Held, error) {
	var h Held
	if err := one(r, "read held", `SELECT id, kind, owner, body, expires FROM held WHERE id = $1 AND kind = $2 AND expires > $3`,
		[]any{id, kind, now.UnixMilli()}, intoHeld(&h)...); err != nil {
		return Held{}, err
	}
	return h, nil
}

func intoHeld(h *Held) []any {
	return []any{&h.ID, &h.Kind, &h.Owner, &h.Body, sqldb.IntoTime(&h.Expires)}
}

// CountHeld tells how many of a kind there are of an owner.
func CountHeld(r Reader, kind, owner string) (n int, err error) {
	err = one(r, "count held", `SELECT count(*) FROM held WHERE kind = $1 AND owner = $2`, []any{kind, owner}, &n)
	return n, err
}

// HeldBytes tells how much there is of a kind in all.
func HeldBytes(r Reader, kind string) (n int64, err error) {
	err = one(r, "measure held", `SELECT COALESCE(SUM(LENGTH(body)), 0) FROM held WHERE kind = $1`, []any{kind}, &n)
	return n, err
}

// PurgeHeld removes those whose time is over.
func PurgeHeld(tx *sqldb.Tx, now time.Time) error {
	return exec(tx, "purge held", nil, `DELETE FROM held WHERE expires <= $1`, now.UnixMilli())
}
