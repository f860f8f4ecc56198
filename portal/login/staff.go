package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/page"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/store"
)

// officerCallback is where the directory sends officers back to, below the
// tenant.
const officerCallback = "/handlaggare/inloggad"

func officerBrowserCookie(t portal.TenantID) string { return "sigill_staff_login_" + string(t) }

// errNoStaff says that no directory is configured.
var errNoStaff = fmt.Errorf("%w: officers have no directory here", ErrUnavailable)

func (l *Logins) officerClient(t portal.Tenant, e *endpoints) oauth2.Config {
	at := e.oauth
	at.AuthStyle = oauth2.AuthStyleInHeader // client_secret_basic
	return oauth2.Config{
		ClientID: l.Staff.ClientID, ClientSecret: string(l.Staff.Secret), Endpoint: at, RedirectURL: t.BaseURL + officerCallback,
		Scopes: []string{oidc.ScopeOpenID, "profile"},
	}
}

// StartStaff, FinishStaff, Officer and EndStaff are the same for officers. The
// error is ErrUnavailable when the directory does not answer, or there is none.
func (l *Logins) StartStaff(w http.ResponseWriter, r *http.Request, t portal.Tenant, path string) error {
	if l.staff == nil {
		return errNoStaff
	}
	e, err := l.staff.discover(r.Context())
	if err != nil {
		return err
	}
	p := pending{
		Tenant: t.ID, Nonce: newSecret(), Verifier: oauth2.GenerateVerifier(), Began: l.Now().Unix(), Aim: Aim{Path: local(path)},
	}
	state, err := l.begin(r.Context(), kindOfficer, l.browserOf(w, r, officerBrowserCookie(t.ID)), p)
	if err != nil {
		return err
	}
	c := l.officerClient(t, e)
	page.SeeOther(w, c.AuthCodeURL(state, oauth2.S256ChallengeOption(p.Verifier), oidc.Nonce(p.Nonce)))
	return nil
}

// FinishStaff gives the path that the officer was going to. refused says why
// there is no session.
func (l *Logins) FinishStaff(w http.ResponseWriter, r *http.Request, t portal.Tenant) (path string, refused string, err error) {
	if l.staff == nil {
		return "", "", errNoStaff
	}
	a, ok := readAnswer(r)
	if !ok {
		return "", RefusedFailed, l.refuseOfficer(r.Context(), t, "answer", "")
	}
	p, err := l.resume(r.Context(), kindOfficer, l.Cookies.Get(r, officerBrowserCookie(t.ID)), a.state)
	if errors.Is(err, errNoLogin) {
		return "", RefusedFailed, l.refuseOfficer(r.Context(), t, "state", "")
	} else if err != nil {
		return "", "", err
	}
	if p.Tenant != t.ID {
		return "", RefusedFailed, l.refuseOfficer(r.Context(), t, "tenant", "")
	}
	e, err := l.staff.discover(r.Context())
	if err != nil {
		return "", "", err
	}
	path = p.Aim.Path
	switch {
	case !a.from(l.staff, e):
		return path, RefusedFailed, l.refuseOfficer(r.Context(), t, "issuer", "")
	case a.err == "access_denied":
		return path, RefusedCancelled, l.refuseOfficer(r.Context(), t, "cancelled", "")
	case a.err != "":
		return path, RefusedFailed, l.refuseOfficer(r.Context(), t, "error", "")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 3*patience)
	defer cancel()
	ctx = l.staff.context(ctx)
	token, err := e.exchange(ctx, l.officerClient(t, e), a, p, nil)
	if err != nil {
		l.Log.WarnContext(ctx, "officer login: the code was not exchanged", "tenant", t.ID, "error", err)
		return path, RefusedFailed, l.refuseOfficer(ctx, t, "exchange", "")
	}
	idToken, err := e.accept(ctx, token, l.Staff.ClientID, p.Nonce, l.Now)
	var b body
	if err == nil {
		b, err = officerOf(idToken)
	}
	if err != nil {
		l.Log.WarnContext(ctx, "officer login: what the directory said was not accepted", "tenant", t.ID, "error", err)
		return path, RefusedFailed, l.refuseOfficer(ctx, t, "id_token", "")
	}
	person, err := l.Vault.AuditName(portal.Officer{Tenant: t.ID, Subject: b.Subject})
	if err != nil {
		return "", "", fmt.Errorf("login: %w", err)
	}
	if len(groupsOf(t, b.Groups)) == 0 {
		return path, RefusedNotOfficer, l.refuseOfficer(ctx, t, RefusedNotOfficer, person)
	}
	if err := l.keepOfficer(ctx, w, r, t, b, person); err != nil {
		return "", "", err
	}
	return path, "", nil
}

// officerOf reads who an officer is from a verified ID Token.
func officerOf(t *oidc.IDToken) (body, error) {
	var c struct {
		Name      string `json:"name"`
		Preferred string `json:"preferred_username"`
		Groups    list   `json:"groups"`
		SID       string `json:"sid"`
	}
	if t.Claims(&c) != nil || len(t.Subject) > 512 {
		return body{}, errors.New("unreadable claims")
	}
	b := body{Subject: t.Subject, Groups: c.Groups}
	b.Name, b.SID = c.Name, c.SID
	if b.Name == "" {
		b.Name = c.Preferred
	}
	return b, nil
}

// list is a claim with several values, or one alone.
type list []string

func (l *list) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = list{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

// groupsOf are the tenant's groups that the directory's make somebody one of.
func groupsOf(t portal.Tenant, directory []string) []string {
	var in []string
	for _, name := range slices.Sorted(maps.Keys(t.Groups)) {
		if slices.ContainsFunc(t.Groups[name], func(v string) bool { return v != "" && slices.Contains(directory, v) }) {
			in = append(in, name)
		}
	}
	return in
}

func (l *Logins) keepOfficer(ctx context.Context, w http.ResponseWriter, r *http.Request, t portal.Tenant, b body, person string) error {
	now, secret := l.Now(), newSecret()
	until := now.Add(l.Staff.Longest)
	b.Until = until.Unix()
	row, err := l.seal(session{store.Session{
		ID: nameOf(sessionOfficer, secret), Kind: sessionOfficer, Tenant: t.ID, Group: t.Group,
		Created: now, Seen: now, Expires: earlier(now.Add(officerIdle), until),
	}, b})
	if err != nil {
		return err
	}
	before := l.Cookies.Get(r, officerCookie(t.ID))
	err = l.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if isSecret(before) {
			if err := store.DeleteSession(tx, nameOf(sessionOfficer, before)); err != nil {
				return err
			}
		}
		if err := store.PutSession(tx, row); err != nil {
			return err
		}
		return audit.Insert(tx, audit.Event{
			Type: audit.OfficerLoggedIn, At: now, Client: t.Client(), Person: person, Login: sessionName(row.ID),
		})
	})
	if err != nil {
		return fmt.Errorf("login: %w", err)
	}
	l.Cookies.Set(w, officerCookie(t.ID), secret, 0)
	return nil
}

func (l *Logins) refuseOfficer(ctx context.Context, t portal.Tenant, reason, person string) error {
	err := l.DB.Write(ctx, func(tx *sqldb.Tx) error {
		return audit.Insert(tx, audit.Event{
			Type: audit.OfficerLoginRefused, At: l.Now(), Client: t.Client(), Person: person, Reason: reason,
		})
	})
	if err != nil {
		return fmt.Errorf("login: %w", err)
	}
	return nil
}

// Officer says who the officer is; false: nobody logged in with this tenant. Who
// is in which group is decided anew each time, by the tenant's settings of now.
func (l *Logins) Officer(w http.ResponseWriter, r *http.Request, t portal.Tenant) (portal.Officer, bool, error) {
	s, err := l.find(r.Context(), sessionOfficer, l.Cookies.Get(r, officerCookie(t.ID)))
	if err == nil && (s.Tenant != t.ID || s.Subject == "" || !l.Now().Before(s.Expires)) {
		err = errNoSession
	}
	if err == nil {
		s, err = l.prolong(r.Context(), s, officerIdle)
	}
	if errors.Is(err, errNoSession) {
		return portal.Officer{}, false, nil
	} else if err != nil {
		return portal.Officer{}, false, err
	}
	o := portal.Officer{Tenant: t.ID, Subject: s.Subject, Name: s.Name, Groups: groupsOf(t, s.Groups)}
	if len(o.Groups) == 0 {
		return portal.Officer{}, false, nil
	}
	return o, true, nil
}

// EndStaff ends the officer's session, and the directory's where it can be told.
func (l *Logins) EndStaff(w http.ResponseWriter, r *http.Request, t portal.Tenant, after string) error {
	target := t.BaseURL + local(after)
	s, err := l.find(r.Context(), sessionOfficer, l.Cookies.Get(r, officerCookie(t.ID)))
	if err != nil && !errors.Is(err, errNoSession) {
		return err
	}
	if err == nil && s.Tenant == t.ID {
		if err := l.drop(r.Context(), s, audit.OfficerLoggedOut, "person"); err != nil {
			return err
		}
		if l.staff != nil {
			target, _ = l.logoutAt(r.Context(), l.staff, l.Staff.ClientID, s.SID, target)
		}
	}
	l.Cookies.Clear(w, officerCookie(t.ID))
	l.Cookies.Clear(w, officerBrowserCookie(t.ID))
	page.SeeOther(w, target)
	return nil
}
