package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/page"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/people"
	"sigill/portal/store"
)

// callbackPath is where the broker sends people back to, below the tenant.
const callbackPath = "/inloggad"

// Why a login gave no session, besides what admission says.
const (
	RefusedCancelled  = "cancelled"   // by the person
	RefusedFailed     = "failed"      // what came back was not what we asked for
	RefusedNotOfficer = "not_officer" // in no group of the tenant's
)

func browserCookie(g portal.GroupID) string { return "sigill_portal_login_" + string(g) }

// browserOf gives the secret of a browser that logs in, making one at need. Two
// tabs share it, so that both can come back.
func (l *Logins) browserOf(w http.ResponseWriter, r *http.Request, cookie string) string {
	browser := l.Cookies.Get(r, cookie)
	if !isSecret(browser) {
		browser = newSecret()
	}
	l.Cookies.Set(w, cookie, browser, pendingLife)
	return browser
}

func (l *Logins) client(t portal.Tenant, e *endpoints) oauth2.Config {
	at := e.oauth
	at.AuthStyle = oauth2.AuthStyleInParams // no secret: the assertion says who we are
	return oauth2.Config{
		ClientID: t.Client(), Endpoint: at, RedirectURL: t.BaseURL + callbackPath,
		Scopes: []string{oidc.ScopeOpenID, scopeInfo, scopeNumber},
	}
}

// Start sends the browser to the broker. The page's Policy must allow nothing:
// it is a redirect. The error is ErrUnavailable when the broker does not answer.
func (l *Logins) Start(w http.ResponseWriter, r *http.Request, t portal.Tenant, aim Aim, lang string) error {
	e, err := l.broker.discover(r.Context())
	if err != nil {
		return err
	}
	moves, err := l.moves(r, t, aim)
	if err != nil {
		return err
	}
	aim.Path = local(aim.Path)
	p := pending{
		Tenant: t.ID, Nonce: newSecret(), Verifier: oauth2.GenerateVerifier(), Began: l.Now().Unix(), Fresh: !moves, Aim: aim,
	}
	browser := l.browserOf(w, r, browserCookie(t.Group))
	state, err := l.begin(r.Context(), kindCitizen, browser, p)
	if err != nil {
		return err
	}
	options := []oauth2.AuthCodeOption{
		oauth2.S256ChallengeOption(p.Verifier), oidc.Nonce(p.Nonce), oauth2.SetAuthURLParam("claims", wishes()),
	}
	if p.Fresh {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"))
	}
	if lang == "sv" || lang == "en" {
		options = append(options, oauth2.SetAuthURLParam("ui_locales", lang))
	}
	c := l.client(t, e)
	page.SeeOther(w, c.AuthCodeURL(state, options...))
	return nil
}

// moves reports whether somebody steps from one tenant to another of its group,
// which needs no new proof of who they are: the broker asks for one where it has
// no session of its own any more.
func (l *Logins) moves(r *http.Request, t portal.Tenant, aim Aim) (bool, error) {
	if from, ok := l.Tenant(aim.From); ok && from.Group == t.Group && from.ID != t.ID {
		return true, nil
	}
	s, err := l.citizen(r.Context(), r, t)
	if errors.Is(err, errNoSession) {
		return false, nil
	}
	return err == nil && s.Tenant != t.ID, err
}

// Finish takes the browser back from the broker: on success there is a session.
// Whatever came from outside and is not as it should be is Refused; an error is
// a fault of ours.
func (l *Logins) Finish(w http.ResponseWriter, r *http.Request, t portal.Tenant) (Outcome, error) {
	a, ok := readAnswer(r)
	if !ok {
		return Outcome{Refused: RefusedFailed}, l.refuse(r.Context(), t, "answer", "")
	}
	p, err := l.resume(r.Context(), kindCitizen, l.Cookies.Get(r, browserCookie(t.Group)), a.state)
	if errors.Is(err, errNoLogin) {
		return Outcome{Refused: RefusedFailed}, l.refuse(r.Context(), t, "state", "")
	} else if err != nil {
		return Outcome{}, err
	}
	out := Outcome{Aim: p.Aim, Refused: RefusedFailed}
	if p.Tenant != t.ID {
		return Outcome{Refused: RefusedFailed}, l.refuse(r.Context(), t, "tenant", "")
	}
	e, err := l.broker.discover(r.Context())
	if err != nil {
		return Outcome{}, err
	}
	switch {
	case !a.from(l.broker, e):
		return out, l.refuse(r.Context(), t, "issuer", "")
	case a.err == "access_denied":
		out.Refused = RefusedCancelled
		return out, l.refuse(r.Context(), t, "cancelled", "")
	case a.err != "":
		return out, l.refuse(r.Context(), t, "error", "")
	}
	// From here on the code is used up, whether or not the browser still waits.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 3*patience)
	defer cancel()
	ctx = l.broker.context(ctx)
	proof, err := l.proof(t.Client())
	if err != nil {
		return Outcome{}, err
	}
	token, err := e.exchange(ctx, l.client(t, e), a, p, proof)
	if err != nil {
		l.Log.WarnContext(ctx, "login: the code was not exchanged", "tenant", t.ID, "error", err)
		return out, l.refuse(ctx, t, "exchange", "")
	}
	idToken, err := e.accept(ctx, token, t.Client(), p.Nonce, l.Now)
	var who identity
	if err == nil {
		who, err = identify(idToken, t, p, l.Now())
	}
	if err != nil {
		// Who was told apart is logged in at the broker, and must not stay so.
		l.end(ctx, t, token.AccessToken)
		l.Log.WarnContext(ctx, "login: what the issuer said was not accepted", "tenant", t.ID, "error", err)
		return out, l.refuse(ctx, t, "id_token", "")
	}
	person, err := l.Vault.Audit(who.Number)
	if err != nil {
		return Outcome{}, fmt.Errorf("login: %w", err)
	}
	admission, err := l.Admit(ctx, t, who.Number)
	if err != nil || admission != people.Admitted {
		l.end(ctx, t, token.AccessToken)
		if err != nil {
			return Outcome{}, fmt.Errorf("login: admission: %w", err)
		}
		if admission != "" {
			out.Refused = string(admission)
		}
		return out, l.refuse(ctx, t, out.Refused, person)
	}
	if out.Visitor, err = l.visitor(t, who); err != nil {
		return Outcome{}, fmt.Errorf("login: %w", err)
	}
	if err := l.keep(ctx, w, r, t, body{identity: who, Token: token.AccessToken}, person); err != nil {
		l.end(ctx, t, token.AccessToken)
		return Outcome{}, err
	}
	out.Refused = ""
	return out, nil
}

// keep makes the session, in place of another that the browser may have. The
// broker has replaced its own, or it is the same: nothing is revoked.
func (l *Logins) keep(ctx context.Context, w http.ResponseWriter, r *http.Request, t portal.Tenant, b body, person string) error {
	now, secret := l.Now(), newSecret()
	// A session that is used again does not begin again.
	until := earlier(now, time.Unix(b.Auth, 0)).Add(l.Longest)
	b.Until = until.Unix()
	row, err := l.seal(session{store.Session{
		ID: nameOf(sessionCitizen, secret), Kind: sessionCitizen, Tenant: t.ID, Group: t.Group,
		Created: now, Seen: now, Expires: earlier(now.Add(idle(t)), until),
	}, b})
	if err != nil {
		return err
	}
	before, err := l.find(ctx, sessionCitizen, l.Cookies.Get(r, citizenCookie(t.Group)))
	if err != nil && !errors.Is(err, errNoSession) {
		l.Log.ErrorContext(ctx, "login: the session before", "error", err)
	}
	err = l.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if before.ID != "" && before.Group == t.Group {
			if err := store.DeleteSession(tx, before.ID); err != nil {
				return err
			}
		}
		if err := store.PutSession(tx, row); err != nil {
			return err
		}
		return audit.Insert(tx, audit.Event{
			Type: audit.PortalLoggedIn, At: now, Client: t.Client(), Provider: b.Provider, Person: person, Login: sessionName(row.ID),
		})
	})
	if err != nil {
		return fmt.Errorf("login: %w", err)
	}
	l.Cookies.Set(w, citizenCookie(t.Group), secret, 0)
	return nil
}

// sessionName is how the audit tells sessions apart.
func sessionName(id string) string { return nameOf("session in the audit", id)[:32] }

// refuse records that a login came to nothing.
func (l *Logins) refuse(ctx context.Context, t portal.Tenant, reason, person string) error {
	err := l.DB.Write(ctx, func(tx *sqldb.Tx) error {
		return audit.Insert(tx, audit.Event{
			Type: audit.PortalLoginRefused, At: l.Now(), Client: t.Client(), Person: person, Reason: reason,
		})
	})
	if err != nil {
		return fmt.Errorf("login: %w", err)
	}
	return nil
}

// end ends the broker's session of somebody who gets none here. The broker does
// so itself in the end; that it did not hear is noted.
func (l *Logins) end(ctx context.Context, t portal.Tenant, token string) {
	if err := l.revoke(ctx, t.Client(), token); err != nil {
		l.Log.ErrorContext(ctx, "login: the broker's session was not ended", "tenant", t.ID, "error", err)
	}
}

// Visitor says who the browser is. Nobody logged in is no error; the zero
// Visitor has Tenant, Group and, when there is one, Browser. touch counts as
// doing something: prolongs the session.
func (l *Logins) Visitor(w http.ResponseWriter, r *http.Request, t portal.Tenant, touch bool) (portal.Visitor, error) {
	s, err := l.citizen(r.Context(), r, t)
	if err == nil && !s.accepted(t) {
		err = errNoSession
	}
	if err == nil && touch {
		s, err = l.prolong(r.Context(), s, idle(t))
	}
	switch {
	case errors.Is(err, errNoSession):
		return l.anonymous(r, t), nil
	case err != nil:
		return portal.Visitor{}, err
	}
	v, err := l.visitor(t, s.identity)
	if err != nil {
		return portal.Visitor{}, fmt.Errorf("login: %w", err)
	}
	return v, nil
}

// Left is how long until the session ends by itself; zero: there is none.
func (l *Logins) Left(ctx context.Context, r *http.Request, t portal.Tenant) (time.Duration, error) {
	s, err := l.citizen(ctx, r, t)
	switch {
	case errors.Is(err, errNoSession) || err == nil && !s.accepted(t):
		return 0, nil
	case err != nil:
		return 0, err
	}
	return s.Expires.Sub(l.Now()), nil
}

// End ends the session and sends the browser to the broker's logout, which comes
// back to after, a path of the tenant that is registered for that. What else the
// browser held is forgotten: the next person at a shared computer is another.
func (l *Logins) End(w http.ResponseWriter, r *http.Request, t portal.Tenant, after string) error {
	target := t.BaseURL + local(after)
	s, err := l.find(r.Context(), sessionCitizen, l.Cookies.Get(r, citizenCookie(t.Group)))
	if err != nil && !errors.Is(err, errNoSession) {
		return err
	}
	if err == nil && s.Group == t.Group && !s.Out {
		if err := l.leave(r.Context(), s); err != nil {
			return err
		}
		at, ok := l.logoutAt(r.Context(), l.broker, t.Client(), s.SID, target)
		target = at
		if ok {
			err := l.DB.Write(r.Context(), func(tx *sqldb.Tx) error { return store.DeleteSession(tx, s.ID) })
			if err != nil { // Sweep does it
				l.Log.ErrorContext(r.Context(), "login: a session that was left is kept", "error", err)
			}
		}
	}
	for _, cookie := range []string{citizenCookie(t.Group), browserCookie(t.Group), anonymousCookie(t.Group), formCookie(t.Group)} {
		l.Cookies.Clear(w, cookie)
	}
	page.SeeOther(w, target)
	return nil
}

// leave ends a session at its person's wish. The row stays, and counts no more:
// where the browser cannot be led to the broker, Sweep ends its session there.
func (l *Logins) leave(ctx context.Context, s session) error {
	person, err := l.personOf(s)
	if err != nil {
		return err
	}
	s.Out = true
	row, err := l.seal(s)
	if err != nil {
		return err
	}
	row.Expires = row.Created // over, by any clock
	err = l.DB.Write(ctx, func(tx *sqldb.Tx) error {
		now, err := store.SessionOf(tx, s.ID)
		if errors.Is(err, store.ErrNone) || err == nil && !now.Expires.After(now.Created) {
			return nil // somebody else ended it, and said so
		} else if err != nil {
			return err
		}
		if err := store.PutSession(tx, row); err != nil {
			return err
		}
		return audit.Insert(tx, audit.Event{
			Type: audit.PortalLoggedOut, At: l.Now(), Client: portal.Tenant{ID: s.Tenant}.Client(), Provider: s.Provider, Person: person,
			Login: sessionName(s.ID), Reason: "person",
		})
	})
	if err != nil {
		return fmt.Errorf("login: %w", err)
	}
	return nil
}

// logoutAt is the issuer's logout (RP-Initiated Logout 1.0), which leads to
// after; or that itself, and false, where the issuer has none or does not answer.
// The session is named by sid, never by the ID Token: that holds the number.
func (l *Logins) logoutAt(ctx context.Context, i *issuer, client, sid, after string) (string, bool) {
	e, err := i.discover(ctx)
	if err != nil {
		l.Log.ErrorContext(ctx, "login: logout", "error", err)
		return after, false
	}
	u, err := url.Parse(e.endSession)
	if err != nil || !absolute(e.endSession) {
		return after, false
	}
	q := u.Query()
	q.Set("client_id", client)
	q.Set("post_logout_redirect_uri", after)
	if sid != "" {
		q.Set("logout_hint", sid)
	}
	u.RawQuery = q.Encode()
	return u.String(), true
}

// drop removes a session, with the act that ended it. Something may be kept in
// its place.
func (l *Logins) drop(ctx context.Context, s session, act audit.Type, reason string, kept ...store.Held) error {
	person, err := l.personOf(s)
	if err != nil {
		return err
	}
	err = l.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := store.SessionOf(tx, s.ID)
		if errors.Is(err, store.ErrNone) {
			return nil // somebody else ended it, and said so
		} else if err != nil {
			return err
		}
		if err := store.DeleteSession(tx, s.ID); err != nil {
			return err
		}
		for _, h := range kept {
			if err := store.PutHeld(tx, h); err != nil {
				return err
			}
		}
		return audit.Insert(tx, audit.Event{
			Type: act, At: l.Now(), Client: portal.Tenant{ID: s.Tenant}.Client(), Provider: s.Provider, Person: person,
			Login: sessionName(s.ID), Reason: reason,
		})
	})
	if err != nil {
		return fmt.Errorf("login: %w", err)
	}
	return nil
}

// personOf names in the audit whose session it is.
func (l *Logins) personOf(s session) (string, error) {
	var name string
	var err error
	if s.Kind == sessionOfficer {
		name, err = l.Vault.AuditName(portal.Officer{Tenant: s.Tenant, Subject: s.Subject})
	} else {
		name, err = l.Vault.Audit(s.Number)
	}
	if err != nil {
		return "", fmt.Errorf("login: %w", err)
	}
	return name, nil
}
