package oidc

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/page"
	"sigill/providers"
)

// handleLife is how long a posted request waits for the browser to follow.
const handleLife = 5 * time.Minute

// asked is an authorization request that was found right.
type asked struct {
	authorization
	client  broker.Client
	offered []providers.ID
}

// authorize answers GET: a top-level navigation, which brings our cookies.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	if len(r.URL.RawQuery) > maxQuery {
		p.fault(w, r, Fault{Status: http.StatusRequestURITooLong, Code: FaultTooLarge, Err: errTooLarge})
		return
	}
	q, err := parseParams(r.URL.RawQuery)
	if err != nil {
		p.malformed(w, r, err)
		return
	}
	if a, ok := p.examine(w, r, q); ok {
		p.begin(w, r, a)
	}
}

// authorizePosted answers POST. Another site's POST brings no cookies of ours,
// so the request is checked, kept under a one-time handle, and taken up again
// by a GET of our own.
func (p *Provider) authorizePosted(w http.ResponseWriter, r *http.Request) {
	q, err := form(w, r)
	if err != nil {
		p.malformed(w, r, err)
		return
	}
	if _, ok := p.examine(w, r, q); !ok {
		return
	}
	raw := q.keep("client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt",
		"max_age", "acr_values", "claims", "id_token_hint", "ui_locales", "code_challenge", "code_challenge_method", paramAuthnProvider)
	if len(raw) > maxQuery {
		p.malformed(w, r, errTooLarge)
		return
	}
	handle := broker.NewSecret()
	if err := p.Short.Put(r.Context(), kindRequest, handle, []byte(raw), p.Now().Add(handleLife)); err != nil {
		p.broken(w, r, nil, err)
		return
	}
	seeOther(w, p.endpoint("authorize/"+handle))
}

func (p *Provider) authorizeStored(w http.ResponseWriter, r *http.Request) {
	handle := r.PathValue("handle")
	err := broker.ErrNotFound
	var raw []byte
	if secretShaped(handle) {
		raw, err = p.Short.Take(r.Context(), kindRequest, handle)
	}
	if errors.Is(err, broker.ErrNotFound) {
		p.fault(w, r, Fault{Status: http.StatusBadRequest, Code: FaultExpired, Err: err})
		return
	} else if err != nil {
		p.broken(w, r, nil, err)
		return
	}
	q, err := parseParams(string(raw))
	if err != nil {
		p.malformed(w, r, err)
		return
	}
	if a, ok := p.examine(w, r, q); ok {
		p.begin(w, r, a)
	}
}

// examine checks a request against what is known. When it is wrong, the answer
// has been written.
func (p *Provider) examine(w http.ResponseWriter, r *http.Request, q params) (asked, bool) {
	ctx := r.Context()
	id := q.get("client_id")
	if q.repeated["client_id"] {
		p.malformed(w, r, errors.New("client_id was sent more than once"))
		return asked{}, false
	}
	c, err := p.client(ctx, id)
	if errors.Is(err, broker.ErrNotFound) {
		p.fault(w, r, Fault{Status: http.StatusBadRequest, Code: FaultClient, Err: err})
		return asked{}, false
	} else if err != nil {
		p.broken(w, r, nil, err)
		return asked{}, false
	}
	a := asked{client: c}
	var fault string
	var refused *protocolError
	a.authorization, fault, refused = parseAuthorization(q, c)
	if fault != "" {
		p.fault(w, r, Fault{Status: http.StatusBadRequest, Code: fault, Client: &c, Err: errors.New("authorization request refused")})
		return asked{}, false
	}
	if refused == nil {
		refused = p.takeHint(&a)
	}
	if refused == nil {
		a.offered, refused = offer(p.Offers(c), a.wish)
	}
	if refused != nil {
		p.sendError(w, r, a, refused)
		return asked{}, false
	}
	return a, true
}

// takeHint turns id_token_hint into the only acceptable subject.
func (p *Provider) takeHint(a *asked) *protocolError {
	if a.hint == "" {
		return nil
	}
	h, err := p.readHint(a.hint)
	if err != nil || h.client != a.client.ID {
		return refuse(errInvalidRequest, "id_token_hint is not an ID Token that was issued to this client")
	}
	if a.wish.Subject != "" && a.wish.Subject != h.subject {
		return refuse(errInvalidRequest, "id_token_hint and claims name different subjects")
	}
	a.wish.Subject = h.subject
	return nil
}

// begin lets a session answer, or sends the person to choose an e-ID.
func (p *Provider) begin(w http.ResponseWriter, r *http.Request, a asked) {
	answer, ok, err := p.reuse(r, a)
	switch {
	case err != nil:
		p.broken(w, r, &a.client, err)
		return
	case ok:
		p.Send(w, r, answer)
		return
	case slices.Contains(a.wish.Prompt, promptNone):
		p.sendError(w, r, a, refuse(errLogin, "there is no session that may answer"))
		return
	}
	browser := p.Cookies.Browser(r)
	if browser == "" {
		browser = broker.NewSecret()
		p.Cookies.Set(w, page.BrowserCookie, browser, page.BrowserLife)
	}
	l := broker.Login{Client: a.client.ID, Request: a.wish, Browser: digest(browser), Offered: a.offered, Lang: a.lang}
	if len(a.numbers) == 1 {
		l.Number = a.numbers[0]
	}
	id, err := p.pend(r.Context(), l)
	if err != nil {
		p.broken(w, r, &a.client, err)
		return
	}
	p.Count("authorize", "login")
	seeOther(w, p.endpoint("login/"+id))
}

// pend writes down a login that waits for its person, under a name of its own.
func (p *Provider) pend(ctx context.Context, l broker.Login) (id string, err error) {
	l.ID, l.SID, l.Created = broker.NewID(), broker.NewID(), p.Now()
	l.Expires = l.Created.Add(p.LoginLife)
	e := p.event(audit.LoginAsked, l.Client)
	e.Login = loginName(l.ID)
	if l.Then != "" {
		e.Reason = "local"
	}
	if err := p.Records.Record(ctx, e); err != nil {
		return "", err
	}
	return l.ID, p.put(ctx, kindLogin, l.ID, record{Login: &l}, p.LoginLife)
}

// reuse answers with the browser's session, where that is allowed. False means
// that an e-ID must answer.
func (p *Provider) reuse(r *http.Request, a asked) (Answer, bool, error) {
	s, made, err := p.session(r)
	if errors.Is(err, broker.ErrNotFound) {
		return Answer{}, false, nil
	} else if err != nil {
		return Answer{}, false, err
	}
	now := p.Now()
	if !reusable(s, a.client, a.wish, a.offered, now) {
		return Answer{}, false, nil
	}
	ctx := r.Context()
	subject, rejected, err := p.judge(ctx, a.client, broker.Login{Request: a.wish}, s.Identity, now)
	if err != nil || rejected != nil {
		return Answer{}, false, err
	}
	if err := p.addEvidence(ctx, a.client, made, &s); err != nil {
		return Answer{}, false, err
	}
	g, err := p.grant(a.client, a.wish, s, subject)
	if err != nil {
		return Answer{}, false, err
	}
	ctx, cancel := settled(ctx)
	defer cancel()
	id := broker.NewID()
	if err := p.finishLogin(ctx, audit.LoginReused, a.client, id, "", s); err != nil {
		return Answer{}, false, err
	}
	answer := p.offerCode(a.wish, id, &g)
	if a.client.Embedded {
		g.Reused, g.Until = made, s.Expires
	}
	rec := record{Grant: &g}
	if err := p.put(ctx, kindLogin, id, rec, rec.expires().Sub(now)); err != nil {
		return Answer{}, false, err
	}
	p.Count("login", "code")
	return answer, true, nil
}

// client finds a relying party; broker.ErrNotFound also for what no client is
// called.
func (p *Provider) client(ctx context.Context, id string) (broker.Client, error) {
	if id == "" || len(id) > 256 {
		return broker.Client{}, broker.ErrNotFound
	}
	return p.Clients.Client(ctx, id)
}

// sendError sends a request's error back to its client.
func (p *Provider) sendError(w http.ResponseWriter, r *http.Request, a asked, refused *protocolError) {
	e := p.event(audit.LoginRefused, a.client.ID)
	e.Reason = refused.code
	p.note(r.Context(), e)
	p.Count("authorize", refused.code)
	p.Send(w, r, p.errorAnswer(a.wish, refused.code, refused.description))
}

// fault shows a page of ours, and records that something was refused.
func (p *Provider) fault(w http.ResponseWriter, r *http.Request, f Fault) {
	e := p.event(audit.InputRefused, "")
	if f.Client != nil {
		e.Client = f.Client.ID
	}
	e.Reason = f.Code
	p.note(r.Context(), e)
	p.Count("page", f.Code)
	private(w)
	p.Pages.Fault(w, r, f)
}

func (p *Provider) malformed(w http.ResponseWriter, r *http.Request, err error) {
	f := Fault{Status: http.StatusBadRequest, Code: FaultMalformed, Err: err}
	if errors.Is(err, errTooLarge) {
		f.Status, f.Code = http.StatusRequestEntityTooLarge, FaultTooLarge
	}
	p.fault(w, r, f)
}

// broken shows that we are, not the request.
func (p *Provider) broken(w http.ResponseWriter, r *http.Request, c *broker.Client, err error) {
	p.Count("page", FaultInternal)
	private(w)
	p.Pages.Fault(w, r, Fault{Status: http.StatusInternalServerError, Code: FaultInternal, Client: c, Err: err})
}
