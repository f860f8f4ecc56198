package login

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"sigill/broker/kit/keys"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/store"
)

// ErrTooLarge says that a form is too large to be held.
var ErrTooLarge = errors.New("login: the form is too large to be held")

const (
	heldLife = time.Hour
	maxHeld  = 1 << 20
)

func anonymousCookie(g portal.GroupID) string { return "sigill_portal_browser_" + string(g) }
func formCookie(g portal.GroupID) string      { return "sigill_portal_form_" + string(g) }

// anonymous is a visitor whom nobody knows.
func (l *Logins) anonymous(r *http.Request, t portal.Tenant) portal.Visitor {
	v := portal.Visitor{Group: t.Group, Tenant: t.ID}
	if secret := l.Cookies.Get(r, anonymousCookie(t.Group)); isSecret(secret) {
		v.Browser = nameOf("browser", secret)
	}
	return v
}

// Browser gives an anonymous visitor a name, in a cookie that lives as long as
// the browser's session.
func (l *Logins) Browser(w http.ResponseWriter, r *http.Request, v portal.Visitor) portal.Visitor {
	if v.LoggedIn() || v.Browser != "" {
		return v
	}
	secret := newSecret()
	l.Cookies.Set(w, anonymousCookie(v.Group), secret, 0)
	v.Browser = nameOf("browser", secret)
	return v
}

func heldContext(t portal.Tenant, id string) []byte {
	return portal.Context("held", string(t.ID), id)
}

// Hold keeps a form that came when its login had ended, sealed for this browser
// alone, for an hour: the key lies in its cookie, and nowhere else. The error is
// ErrTooLarge for what no form of ours is.
func (l *Logins) Hold(w http.ResponseWriter, r *http.Request, t portal.Tenant, form []byte) (held string, err error) {
	if len(form) > maxHeld {
		return "", ErrTooLarge
	}
	cookie := l.Cookies.Get(r, formCookie(t.Group))
	if !isSecret(cookie) {
		cookie = base64.RawURLEncoding.EncodeToString(keys.NewLoose())
	}
	key, err := looseOf(cookie)
	if err != nil {
		return "", err
	}
	held = portal.NewID()
	id := nameOf(kindForm, held, cookie)
	h := store.Held{ID: id, Kind: kindForm, Body: key.Seal(form, heldContext(t, id)), Expires: l.Now().Add(heldLife)}
	if err := l.DB.Write(r.Context(), func(tx *sqldb.Tx) error { return store.PutHeld(tx, h) }); err != nil {
		return "", fmt.Errorf("login: %w", err)
	}
	l.Cookies.Set(w, formCookie(t.Group), cookie, heldLife)
	return held, nil
}

// Take gives back what was held, once. portal.ErrNotFound for what is not there,
// or is another browser's or tenant's.
func (l *Logins) Take(w http.ResponseWriter, r *http.Request, t portal.Tenant, held string) ([]byte, error) {
	cookie := l.Cookies.Get(r, formCookie(t.Group))
	if !isSecret(cookie) || !portal.IsID(held) {
		return nil, portal.ErrNotFound
	}
	key, err := looseOf(cookie)
	if err != nil {
		return nil, err
	}
	id := nameOf(kindForm, held, cookie)
	var form []byte
	// A form of another tenant does not open, and is not used up.
	err = l.DB.Write(r.Context(), func(tx *sqldb.Tx) error {
		h, err := store.TakeHeld(tx, id, kindForm, l.Now())
		if err != nil {
			return err
		}
		if form, err = key.Open(h.Body, heldContext(t, id)); err != nil {
			return portal.ErrNotFound
		}
		return nil
	})
	switch {
	case errors.Is(err, store.ErrNone), errors.Is(err, portal.ErrNotFound):
		return nil, portal.ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("login: %w", err)
	}
	return form, nil
}

func looseOf(cookie string) (keys.Loose, error) {
	raw, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil {
		return keys.Loose{}, fmt.Errorf("login: %w", err)
	}
	key, err := keys.OpenLoose(raw)
	if err != nil {
		return keys.Loose{}, fmt.Errorf("login: %w", err)
	}
	return key, nil
}
