package login

import (
	"context"
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

// Why a form is not held. Of both it has to be said that nothing was kept.
var (
	// ErrTooLarge is for what no form of ours is.
	ErrTooLarge = errors.New("login: the form is too large to be held")
	// ErrNotHeld is for a browser that nobody was logged in with lately, and when
	// too much is held already. It is a portal.ErrNotFound.
	ErrNotHeld = fmt.Errorf("login: the form is not held: %w", portal.ErrNotFound)
)

const (
	heldLife = time.Hour
	maxHeld  = 1 << 20 // bytes of a form
	// heldAtOnce is how many forms of one session are held.
	heldAtOnce = 4
	// usualHeld is how much is held in all, of everybody.
	usualHeld = 100 << 20
	// endedLife is how long it is known whose a session was: a day at work.
	endedLife = 12 * time.Hour
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

// heldContext binds a form to the person who wrote it: with another's key it
// does not open.
func heldContext(t portal.Tenant, id string, person portal.PersonKey) []byte {
	return portal.Context("held", string(t.ID), id, string(person))
}

// Hold keeps a form that came when its login had ended, for an hour: sealed for
// this browser, whose cookie alone has the key, and for the person who was logged
// in with it. The error is ErrNotHeld where that was nobody, and ErrTooLarge for
// what no form of ours is.
func (l *Logins) Hold(w http.ResponseWriter, r *http.Request, t portal.Tenant, form []byte) (held string, err error) {
	if len(form) > maxHeld {
		return "", ErrTooLarge
	}
	person, owner, err := l.last(r, t)
	if err != nil {
		return "", err
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
	h := store.Held{
		ID: id, Kind: kindForm, Owner: owner, Body: key.Seal(form, heldContext(t, id, person)), Expires: l.Now().Add(heldLife),
	}
	// Counted before: in the transaction it would meet all who hold something at the
	// same moment. Those who come at once may pass the bounds by what they bring.
	last := store.Last(r.Context(), l.DB)
	n, err := store.CountHeld(last, kindForm, owner)
	if err != nil {
		return "", fmt.Errorf("login: %w", err)
	}
	bytes, err := store.HeldBytes(last, kindForm)
	if err != nil {
		return "", fmt.Errorf("login: %w", err)
	}
	if n >= heldAtOnce || bytes+int64(len(h.Body)) > l.Held {
		l.Log.WarnContext(r.Context(), "a form is not held: there are too many", "tenant", t.ID)
		return "", ErrNotHeld
	}
	if err := l.DB.Write(r.Context(), func(tx *sqldb.Tx) error { return store.PutHeld(tx, h) }); err != nil {
		return "", fmt.Errorf("login: %w", err)
	}
	l.Cookies.Set(w, formCookie(t.Group), cookie, heldLife)
	return held, nil
}

// last tells who was last logged in with a browser, by a session that has ended
// or not, and a name of the session to count by.
func (l *Logins) last(r *http.Request, t portal.Tenant) (person portal.PersonKey, owner string, err error) {
	secret := l.Cookies.Get(r, citizenCookie(t.Group))
	s, err := l.find(r.Context(), sessionCitizen, secret)
	switch {
	case errors.Is(err, errNoSession) && !isSecret(secret):
		return "", "", ErrNotHeld
	case errors.Is(err, errNoSession):
		return l.wasHere(r.Context(), t, nameOf(kindEnded, nameOf(sessionCitizen, secret)))
	case err != nil:
		return "", "", err
	case s.Group != t.Group || s.Out:
		return "", "", ErrNotHeld
	}
	if person, err = l.Vault.Person(t.Group, s.Number); err != nil {
		return "", "", fmt.Errorf("login: %w", err)
	}
	return person, nameOf(kindEnded, s.ID), nil
}

func endedContext(g portal.GroupID, id string) []byte { return portal.Context("ended", string(g), id) }

// remember gives what is known, for a while, of a session that ends by itself:
// whose it was, and nothing else.
func (l *Logins) remember(s session) (store.Held, error) {
	person, err := l.Vault.Person(s.Group, s.Number)
	if err != nil {
		return store.Held{}, fmt.Errorf("login: %w", err)
	}
	box, err := l.Vault.Sessions()
	if err != nil {
		return store.Held{}, fmt.Errorf("login: %w", err)
	}
	id := nameOf(kindEnded, s.ID)
	return store.Held{
		ID: id, Kind: kindEnded, Body: box.Seal([]byte(person), endedContext(s.Group, id)), Expires: s.Expires.Add(endedLife),
	}, nil
}

// wasHere reads what remember wrote.
func (l *Logins) wasHere(ctx context.Context, t portal.Tenant, id string) (portal.PersonKey, string, error) {
	h, err := store.HeldOf(store.Last(ctx, l.DB), id, kindEnded, l.Now())
	if errors.Is(err, store.ErrNone) {
		return "", "", ErrNotHeld
	} else if err != nil {
		return "", "", fmt.Errorf("login: %w", err)
	}
	box, err := l.Vault.Sessions()
	if err != nil {
		return "", "", fmt.Errorf("login: %w", err)
	}
	person, err := box.Open(h.Body, endedContext(t.Group, id))
	if err != nil {
		return "", "", ErrNotHeld // it was with another group
	}
	return portal.PersonKey(person), id, nil
}

// Take gives back what was held, once, to the person who wrote it: v is who is
// logged in now. portal.ErrNotFound for what is not there, or is another
// person's, browser's or tenant's.
func (l *Logins) Take(w http.ResponseWriter, r *http.Request, t portal.Tenant, v portal.Visitor, held string) ([]byte, error) {
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
	// A form of somebody else does not open, and is not used up.
	err = l.DB.Write(r.Context(), func(tx *sqldb.Tx) error {
		h, err := store.TakeHeld(tx, id, kindForm, l.Now())
		if err != nil {
			return err
		}
		for _, person := range v.Keys() {
			if form, err = key.Open(h.Body, heldContext(t, id, person)); err == nil {
				return nil
			}
		}
		return portal.ErrNotFound
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
