package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/store"
)

// Kinds of sessions.
const (
	sessionCitizen = "citizen"
	sessionOfficer = "officer"
)

const (
	usualIdle    = 20 * time.Minute
	officerIdle  = 60 * time.Minute
	usualLongest = 8 * time.Hour
	// The directory is not asked again before that who is in which of its groups.
	officerLongest = 4 * time.Hour
	// touching is how often, at most, a session's life is written anew.
	touching = time.Minute
)

// body is what a session says, sealed. A citizen has a number, an officer a
// subject.
type body struct {
	identity
	// Token is the access token, which ends the broker's session.
	Token string `json:"token,omitempty"`
	// Until is when the session ends however much is done, in Unix seconds.
	Until   int64    `json:"until"`
	Subject string   `json:"subject,omitempty"`
	Groups  []string `json:"groups,omitempty"` // of the directory
	// Out says that the person has left, and the broker has not heard of it yet.
	Out bool `json:"out,omitempty"`
}

// session is a row that was found and opened. Its Expires is when it ends if
// nothing is done any more, and never later than Until: so that sessions of
// tenants with different limits are found by one index.
type session struct {
	store.Session
	body
}

func sessionContext(s store.Session) []byte {
	return portal.Context("session", s.Kind, s.ID, string(s.Tenant), string(s.Group))
}

func citizenCookie(g portal.GroupID) string { return "sigill_portal_" + string(g) }
func officerCookie(t portal.TenantID) string {
	return "sigill_staff_" + string(t)
}

// errNoSession says that nobody is logged in.
var errNoSession = errors.New("login: no session")

// find gives the session that a cookie names, whether it has ended or not.
func (l *Logins) find(ctx context.Context, kind, secret string) (session, error) {
	if !isSecret(secret) {
		return session{}, errNoSession
	}
	row, err := store.SessionOf(store.Last(ctx, l.DB), nameOf(kind, secret))
	if errors.Is(err, store.ErrNone) {
		return session{}, errNoSession
	} else if err != nil {
		return session{}, fmt.Errorf("login: %w", err)
	}
	return l.open(row)
}

func (l *Logins) open(row store.Session) (session, error) {
	box, err := l.Vault.Sessions()
	if err != nil {
		return session{}, fmt.Errorf("login: %w", err)
	}
	s := session{Session: row}
	raw, err := box.Open(row.Body, sessionContext(row))
	if err == nil {
		err = json.Unmarshal(raw, &s.body)
	}
	if err != nil {
		return session{}, errors.New("login: an unreadable session")
	}
	return s, nil
}

// citizen gives the living session of a browser with a tenant's group. That of
// another tenant of the group counts, as far as this one accepts it.
func (l *Logins) citizen(ctx context.Context, r *http.Request, t portal.Tenant) (session, error) {
	s, err := l.find(ctx, sessionCitizen, l.Cookies.Get(r, citizenCookie(t.Group)))
	if err != nil {
		return session{}, err
	}
	if s.Group != t.Group || !l.Now().Before(s.Expires) {
		return session{}, errNoSession
	}
	// The tenant may have been removed, or have moved to another group.
	if own, ok := l.Tenant(s.Tenant); !ok || own.Group != t.Group {
		return session{}, errNoSession
	}
	return s, nil
}

func idle(t portal.Tenant) time.Duration {
	if t.Idle > 0 {
		return t.Idle
	}
	return usualIdle
}

// seal gives a session as its row.
func (l *Logins) seal(s session) (store.Session, error) {
	box, err := l.Vault.Sessions()
	if err != nil {
		return store.Session{}, fmt.Errorf("login: %w", err)
	}
	raw, err := json.Marshal(s.body)
	if err != nil {
		return store.Session{}, fmt.Errorf("login: %w", err)
	}
	row := s.Session
	row.Body = box.Seal(raw, sessionContext(row))
	return row, nil
}

// prolong gives a session another while, unless that was done just now. It is
// errNoSession when it has been ended meanwhile: nothing brings it back.
func (l *Logins) prolong(ctx context.Context, s session, idle time.Duration) (session, error) {
	now := l.Now()
	if now.Sub(s.Seen) < min(touching, idle/10) {
		return s, nil
	}
	s.Seen, s.Expires = now, earlier(now.Add(idle), time.Unix(s.Until, 0))
	err := l.DB.Write(ctx, func(tx *sqldb.Tx) error {
		row, err := store.SessionOf(tx, s.ID)
		if errors.Is(err, store.ErrNone) {
			return errNoSession
		} else if err != nil {
			return err
		}
		if !now.Before(row.Expires) {
			return errNoSession
		}
		row.Seen, row.Expires = s.Seen, s.Expires
		return store.PutSession(tx, row)
	})
	if err != nil && !errors.Is(err, errNoSession) {
		return session{}, fmt.Errorf("login: %w", err)
	}
	return s, err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
