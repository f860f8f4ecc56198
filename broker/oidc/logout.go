package oidc

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/page"
)

// logoutRequest is a logout that waits: for our own GET (Raw), or for the
// person's answer.
type logoutRequest struct {
	Raw string `json:"raw,omitempty"`
	// Session is the session that was shown the question: only its browser can
	// answer.
	Session string `json:"session,omitempty"`
	Client  string `json:"client,omitempty"`
	Target  string `json:"target,omitempty"` // checked, with state
}

// leaving is a checked logout request.
type leaving struct {
	client *broker.Client
	target string // where to go afterwards; empty: our own page
	// sids are the sessions that the client has shown to know of.
	sids []string
}

// logout is RP-Initiated Logout 1.0: GET reads our cookies.
func (p *Provider) logout(w http.ResponseWriter, r *http.Request) {
	if len(r.URL.RawQuery) > maxBody {
		p.fault(w, r, Fault{Status: http.StatusRequestURITooLong, Code: FaultTooLarge, Err: errTooLarge})
		return
	}
	q, err := parseParams(r.URL.RawQuery)
	if err != nil {
		p.malformed(w, r, err)
		return
	}
	p.leave(w, r, q)
}

// maxLogout is the most that is kept of a logout request.
const maxLogout = 12 << 10

// logoutPosted keeps what we know of the request for a GET of our own, which
// alone reads cookies.
func (p *Provider) logoutPosted(w http.ResponseWriter, r *http.Request) {
	q, err := form(w, r)
	if err != nil {
		p.malformed(w, r, err)
		return
	}
	if _, ok := p.leaving(w, r, q); !ok {
		return
	}
	raw := q.keep("client_id", "id_token_hint", "logout_hint", "post_logout_redirect_uri", "state")
	if len(raw) > maxLogout {
		p.malformed(w, r, errTooLarge)
		return
	}
	handle := broker.NewSecret()
	if err := p.put(r.Context(), kindLogout, handle, logoutRequest{Raw: raw}, handleLife); err != nil {
		p.broken(w, r, nil, err)
		return
	}
	seeOther(w, p.endpoint("logout/"+handle))
}

func (p *Provider) logoutStored(w http.ResponseWriter, r *http.Request) {
	stored, ok := p.takeLogout(w, r)
	if !ok {
		return
	}
	q, err := parseParams(stored.Raw)
	if err != nil || stored.Session != "" {
		p.malformed(w, r, errors.New("not a stored request"))
		return
	}
	p.leave(w, r, q)
}

// takeLogout uses a one-time handle up.
func (p *Provider) takeLogout(w http.ResponseWriter, r *http.Request) (logoutRequest, bool) {
	var stored logoutRequest
	err := broker.ErrNotFound
	if handle := r.PathValue("handle"); secretShaped(handle) {
		err = p.take(r.Context(), kindLogout, handle, &stored)
	}
	if errors.Is(err, broker.ErrNotFound) {
		p.fault(w, r, Fault{Status: http.StatusBadRequest, Code: FaultExpired, Err: err})
	} else if err != nil {
		p.broken(w, r, nil, err)
	}
	return stored, err == nil
}

// leaving checks a logout request. When it cannot be used at all, the answer
// has been written.
func (p *Provider) leaving(w http.ResponseWriter, r *http.Request, q params) (leaving, bool) {
	var l leaving
	if len(q.repeated) > 0 {
		p.malformed(w, r, errors.New("a parameter was sent more than once"))
		return l, false
	}
	if len(q.get("state")) > maxState {
		p.malformed(w, r, errTooLarge)
		return l, false
	}
	id := q.get("client_id")
	trusted := true
	if token := q.get("id_token_hint"); token != "" {
		h, err := p.readHint(token)
		switch {
		case err != nil:
			// Forged, or signed by a key that is long gone: it proves nothing, so
			// the person is asked, and nothing is believed about where to go.
			trusted = false
		case id != "" && id != h.client:
			p.malformed(w, r, errors.New("client_id and id_token_hint name different clients"))
			return l, false
		default:
			id = h.client
			l.sids = append(l.sids, h.sid)
		}
	}
	if id == "" {
		return l, true
	}
	c, err := p.client(r.Context(), id)
	if errors.Is(err, broker.ErrNotFound) {
		p.fault(w, r, Fault{Status: http.StatusBadRequest, Code: FaultClient, Err: err})
		return l, false
	} else if err != nil {
		p.broken(w, r, nil, err)
		return l, false
	}
	l.client = &c
	if sid := q.get("logout_hint"); sid != "" {
		l.sids = append(l.sids, sid)
	}
	uri := q.get("post_logout_redirect_uri")
	if !trusted || uri == "" {
		return l, true
	}
	if !slices.Contains(c.PostLogoutRedirectURIs, uri) || strings.Contains(uri, "#") {
		// The person still wants to leave. They are asked, and stay with us.
		l.sids = nil
		e := p.event(audit.InputRefused, c.ID)
		e.Reason = "post_logout_redirect_uri"
		p.note(r.Context(), e)
		return l, true
	}
	l.target = uri
	if s := q.get("state"); s != "" {
		l.target = withQuery(uri, [][2]string{{"state", s}})
	}
	return l, true
}

// leave logs out at once when there is no session, or when the client has shown
// that it knows this very one; otherwise it asks.
func (p *Provider) leave(w http.ResponseWriter, r *http.Request, q params) {
	l, ok := p.leaving(w, r, q)
	if !ok {
		return
	}
	s, id, err := p.session(r)
	if errors.Is(err, errForgotten) {
		err = cmp.Or(p.endForgotten(r.Context(), id), err)
	}
	switch {
	case errors.Is(err, broker.ErrNotFound):
		p.left(w, r, l.client, l.target)
		return
	case err != nil:
		p.broken(w, r, l.client, err)
		return
	}
	// A client outside the session's group cannot have got the sid from us.
	if l.client != nil && s.Group == GroupOf(*l.client) && slices.Contains(l.sids, s.SID) {
		if err := p.logOut(w, r, s, id, l.client.ID); err != nil {
			p.broken(w, r, l.client, err)
			return
		}
		p.left(w, r, l.client, l.target)
		return
	}
	handle := broker.NewSecret()
	ask := logoutRequest{Session: id, Target: l.target}
	if l.client != nil {
		ask.Client = l.client.ID
	}
	if err := p.put(r.Context(), kindLogout, handle, ask, handleLife); err != nil {
		p.broken(w, r, l.client, err)
		return
	}
	p.Count("logout", "asked")
	private(w)
	p.Pages.Logout(w, r, LogoutView{
		Confirm: true, Action: p.path + "/logout/" + handle, Handle: handle, Client: l.client, Back: home(l.client),
	})
}

// logoutConfirmed is the person's yes. The handle was shown to one session
// only, and the button must be pressed on our own page.
func (p *Provider) logoutConfirmed(w http.ResponseWriter, r *http.Request) {
	if err := p.ownPages.Check(r); err != nil {
		p.fault(w, r, Fault{Status: http.StatusForbidden, Code: FaultCrossSite, Err: err})
		return
	}
	ask, ok := p.takeLogout(w, r)
	if !ok {
		return
	}
	s, id, err := p.session(r)
	if errors.Is(err, errForgotten) {
		err = cmp.Or(p.endForgotten(r.Context(), id), err)
	}
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		p.broken(w, r, nil, err)
		return
	}
	if ask.Session == "" || err == nil && ask.Session != id {
		p.fault(w, r, Fault{Status: http.StatusBadRequest, Code: FaultExpired, Err: errors.New("another session than the one that was asked")})
		return
	}
	if err == nil {
		if err := p.logOut(w, r, s, id, ask.Client); err != nil {
			p.broken(w, r, nil, err)
			return
		}
	}
	var client *broker.Client
	if ask.Client != "" {
		// A client that was removed meanwhile gets nobody sent to it.
		if c, err := p.client(r.Context(), ask.Client); err == nil {
			client = &c
		} else {
			ask.Target = ""
		}
	}
	p.left(w, r, client, ask.Target)
}

// logOut ends the session, and gives the browser a new secret: its old one would
// outlive the person. Logins under way in other tabs begin anew. Nothing less
// than the end of a session does that, for anybody may link to our logout.
func (p *Provider) logOut(w http.ResponseWriter, r *http.Request, s broker.Session, id, client string) error {
	if err := p.end(r.Context(), s, id, client); err != nil {
		return err
	}
	p.Cookies.Set(w, page.BrowserCookie, broker.NewSecret(), page.BrowserLife)
	return nil
}

// left sends the person on, or says that they are logged out.
func (p *Provider) left(w http.ResponseWriter, r *http.Request, c *broker.Client, target string) {
	p.Cookies.Clear(w, SessionCookie)
	p.Count("logout", "done")
	private(w)
	if target != "" {
		seeOther(w, target)
		return
	}
	p.Pages.Logout(w, r, LogoutView{Client: c, Back: home(c)})
}

// home is a way back that the client registered.
func home(c *broker.Client) string {
	if c == nil {
		return ""
	}
	return c.Home
}
