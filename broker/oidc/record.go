package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"strings"
	"time"

	"sigill/broker"
)

// record is everything short-lived about one login, from the request to the
// end of its session, under the login's id. Being one record, it changes in
// single steps: a login is answered once, a code is exchanged once, and whoever
// revokes a token or ends a session cannot miss a part. It also costs few
// writes. Code, access token and session cookie are each the id and a secret of
// their own, of which only the digest is kept.
type record struct {
	Login   *broker.Login `json:"login,omitempty"`   // while the person is busy with it
	Grant   *grant        `json:"grant,omitempty"`   // from the answer on, if it goes to a client
	Session *session      `json:"session,omitempty"` // if it made one
}

// maxTries bounds how often a change of a record is tried while others change
// it: the tabs of one browser, and one application.
const maxTries = 10

// session is a broker.Session and the digest of the cookie's secret.
type session struct {
	broker.Session
	Secret []byte `json:"secret"`
}

// expires is when the last part of an answered login ends; the zero time when
// there is none.
func (rec record) expires() time.Time {
	var last time.Time
	if rec.Grant != nil {
		last = rec.Grant.Expires
		if rec.Grant.Until.After(last) {
			last = rec.Grant.Until
		}
	}
	if rec.Session != nil && rec.Session.Expires.After(last) {
		last = rec.Session.Expires
	}
	return last
}

// join makes a code, token or cookie.
func join(id, secret string) string { return id + "." + secret }

// split takes one apart; false when it cannot be one of ours.
func split(s string) (id, secret string, ok bool) {
	id, secret, _ = strings.Cut(s, ".")
	return id, secret, len(id) == 22 && len(secret) == 43 && secretShaped(id) && secretShaped(secret)
}

// secretIs compares a secret with the digest that was kept of it. A digest that
// is missing fits nothing.
func secretIs(kept []byte, secret string) bool {
	return subtle.ConstantTimeCompare(kept, digest(secret)) == 1
}

// answered swaps a pending login for what comes after it, in one step that one
// of any number of callers does; the others get broker.ErrConflict. Pages may
// still be writing to a pending login, so a lost race against them is run again.
func (p *Provider) answered(ctx context.Context, l broker.Login, next record, expires time.Time) error {
	version, err := l.Version, broker.ErrConflict
	for try := 0; errors.Is(err, broker.ErrConflict) && try < maxTries; try++ {
		if try > 0 || version == 0 {
			var now record
			version, err = p.get(ctx, kindLogin, l.ID, &now)
			if errors.Is(err, broker.ErrNotFound) || err == nil && now.Login == nil {
				return broker.ErrConflict
			}
			if err != nil {
				return err
			}
		}
		err = p.swap(ctx, kindLogin, l.ID, version, next, expires)
	}
	return err
}
