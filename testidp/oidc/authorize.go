package oidc

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"sigill/testidp/control"
)

// A request is an authorization request that may be answered.
type request struct {
	client     Client
	redirect   string
	state      string
	hasState   bool
	nonce      string
	challenge  string
	scopes     []string
	formPost   bool
	english    bool
	text       string // what to show, from userMessage
	number     string // the only person who may answer, from the parameter claims
	suggestion string // the person whom login_hint names
}

// A pushed request waits to be used (RFC 9126).
type pushed struct {
	request request
	until   time.Time
	order   string // what was made of it; empty: nothing yet
}

const (
	pushedLife   = 90 * time.Second
	pushedPrefix = "urn:ietf:params:oauth:request_uri:"
	maxPushed    = 5000
)

// A refusal goes back to the client, or is shown here when it is not known
// where that is.
type refusal struct {
	code, why string
	shown     bool
}

// read checks a request's parameters.
func (i *Issuer) read(q url.Values) (request, *refusal) {
	here := func(why string) *refusal { return &refusal{"invalid_request", why, true} }
	back := func(code, why string) *refusal { return &refusal{code, why, false} }
	for name, values := range q {
		if len(values) != 1 {
			return request{}, here("the parameter " + name + " stands there twice")
		}
	}
	c, known := i.client(q.Get("client_id"))
	a := request{
		client: c, redirect: q.Get("redirect_uri"), state: q.Get("state"), hasState: q.Has("state"), nonce: q.Get("nonce"),
		challenge: q.Get("code_challenge"), scopes: strings.Fields(q.Get("scope")),
		formPost: q.Get("response_mode") == "form_post",
	}
	a.english = strings.HasPrefix(q.Get("ui_locales"), "en")
	prompts := strings.Fields(q.Get("prompt"))
	switch {
	case !known:
		return a, here("unknown client_id")
	case !c.allows(a.redirect):
		return a, here("redirect_uri is not one of the client's")
	case q.Get("response_type") != "code":
		return a, back("unsupported_response_type", "only code is")
	case q.Has("response_mode") && !a.formPost && q.Get("response_mode") != "query":
		return a, back("invalid_request", "only response_mode query and form_post are")
	case q.Has("request"):
		return a, back("request_not_supported", "no request objects")
	case q.Has("request_uri"):
		return a, back("request_uri_not_supported", "only pushed requests, and one of those alone")
	case !slices.Contains(a.scopes, "openid"):
		return a, back("invalid_scope", "scope lacks openid")
	case len(a.challenge) != 43 || q.Get("code_challenge_method") != "S256":
		return a, back("invalid_request", "PKCE with S256 is needed")
	case len(a.state) > 1024 || len(a.nonce) > 1024:
		return a, back("invalid_request", "state or nonce is too long")
	case slices.ContainsFunc(prompts, func(p string) bool {
		return !slices.Contains([]string{"none", "login", "consent", "select_account"}, p)
	}):
		return a, back("invalid_request", "unknown prompt")
	case slices.Contains(prompts, "none") && len(prompts) > 1:
		return a, back("invalid_request", "prompt none goes with nothing else")
	case slices.Contains(prompts, "none"):
		return a, back("login_required", "nobody has a session here")
	}
	if hint := q.Get("login_hint"); hint != "" {
		if who, ok := i.config.People.ByNumber(hint); ok {
			a.suggestion = who.ID
		}
	}
	if raw := q.Get("claims"); raw != "" && i.config.Profile.ClaimsParameter {
		if f := i.demands(raw, &a); f != nil {
			return a, f
		}
	}
	if raw := q.Get("https://id.oidc.se/param/userMessage"); raw != "" && i.config.Profile.UserMessage {
		text, err := userMessage(raw, a.english)
		if err != nil {
			return a, back("invalid_request", err.Error())
		}
		a.text = text
	}
	return a, nil
}

// demands reads the parameter claims (OpenID Connect Core section 5.5): a level
// that cannot be had ends the request, a number says who alone may answer.
func (i *Issuer) demands(raw string, a *request) *refusal {
	type demand struct {
		Essential bool     `json:"essential"`
		Value     string   `json:"value"`
		Values    []string `json:"values"`
	}
	var q struct {
		IDToken  map[string]*demand `json:"id_token"`
		UserInfo map[string]*demand `json:"userinfo"`
	}
	if err := json.Unmarshal([]byte(raw), &q); err != nil {
		return &refusal{"invalid_request", "claims is not what section 5.5 describes", false}
	}
	if d := q.IDToken["acr"]; d != nil && d.Essential {
		wanted := d.Values
		if d.Value != "" {
			wanted = append(wanted, d.Value)
		}
		if len(wanted) > 0 && !slices.Contains(wanted, i.config.Profile.ACR) {
			return &refusal{"unmet_authentication_requirements", "that level is not to be had here", false}
		}
	}
	for _, set := range []map[string]*demand{q.IDToken, q.UserInfo} {
		for _, name := range i.config.Profile.named(Number, Personnummer, Coordination) {
			if d := set[name]; d != nil && d.Value != "" {
				if a.number != "" && a.number != d.Value {
					return &refusal{"invalid_request", "claims names two persons", false}
				}
				a.number = d.Value
			}
		}
	}
	return nil
}

// userMessage reads OIDC Sweden's parameter of that name.
func userMessage(raw string, english bool) (string, error) {
	var m map[string]string
	if err := json.Unmarshal([]byte(raw), &m); err != nil {
		return "", fmt.Errorf("userMessage is not an object of strings")
	}
	if t, ok := m["mime_type"]; ok && t != "text/plain" {
		return "", fmt.Errorf("userMessage: only text/plain can be shown")
	}
	tag := "sv"
	if english {
		tag = "en"
	}
	text, ok := m["message#"+tag]
	if !ok {
		text = m["message"]
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", fmt.Errorf("userMessage is not base64")
	}
	return string(b), nil
}

// push takes a request from the client itself.
func (i *Issuer) push(r *http.Request, f control.Drawn) reply {
	if a := posted(r); a != nil {
		return *a
	}
	c, err := i.authenticate(r)
	if err != nil {
		return unauthenticated(err)
	}
	q := url.Values{}
	for name, values := range r.PostForm {
		switch name {
		case "client_secret", "client_assertion", "client_assertion_type":
		default:
			q[name] = values
		}
	}
	if q.Has("client_id") && q.Get("client_id") != c.ID {
		return refuse(http.StatusBadRequest, "invalid_request", "client_id is another")
	}
	q.Set("client_id", c.ID)
	a, refused := i.read(q)
	if refused != nil {
		return refuse(http.StatusBadRequest, refused.code, refused.why)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.config.Now()
	for uri, p := range i.pushed {
		if now.After(p.until) {
			delete(i.pushed, uri)
		}
	}
	if len(i.pushed) >= maxPushed {
		return refuse(http.StatusTooManyRequests, "temporarily_unavailable", "too many requests wait")
	}
	uri := pushedPrefix + random()
	i.pushed[uri] = &pushed{request: a, until: now.Add(pushedLife)}
	return say(http.StatusCreated, map[string]any{"request_uri": uri, "expires_in": int(pushedLife.Seconds())})
}

// posted reads a form of a client's own call; the reply is a refusal.
func posted(r *http.Request) *reply {
	refused := func(why string) *reply { a := refuse(http.StatusBadRequest, "invalid_request", why); return &a }
	if err := r.ParseForm(); err != nil || r.URL.RawQuery != "" {
		return refused("the parameters belong into the body")
	}
	for name, values := range r.PostForm {
		if len(values) != 1 {
			return refused("the parameter " + name + " stands there twice")
		}
	}
	return nil
}

func unauthenticated(err error) reply {
	a := refuse(http.StatusUnauthorized, "invalid_client", err.Error())
	a.challenge = `Basic realm="oidc"`
	return a
}

// authorize makes an order of a request and leads to its page.
func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	q := r.URL.Query()
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			i.refuse(w, r, request{}, refusal{"", "the form cannot be read", true})
			return
		}
		q = r.PostForm
	}
	if q.Has("request_uri") {
		i.usePushed(w, r, q)
		return
	}
	a, refused := i.read(q)
	if refused != nil {
		i.refuse(w, r, a, *refused)
		return
	}
	i.lead(w, i.begin(a))
}

// usePushed uses what was pushed and nothing else. The address may be loaded
// again while its order is not over.
func (i *Issuer) usePushed(w http.ResponseWriter, r *http.Request, q url.Values) {
	i.mu.Lock()
	p := i.pushed[q.Get("request_uri")]
	if p == nil || i.config.Now().After(p.until) || p.request.client.ID != q.Get("client_id") || len(q["request_uri"]) != 1 || len(q["client_id"]) != 1 {
		i.mu.Unlock()
		i.refuse(w, r, request{}, refusal{"", "the pushed request is unknown, too old or another client's", true})
		return
	}
	if id := p.order; id != "" {
		o := i.orders[id]
		over := o == nil || o.state != control.Pending
		i.mu.Unlock()
		if over {
			i.refuse(w, r, request{}, refusal{"", "the pushed request has been used", true})
			return
		}
		i.lead(w, id)
		return
	}
	// Taken before the lock is let go, so that two loads make one order.
	o := i.make(p.request)
	p.order = o.id
	i.mu.Unlock()
	i.obey(o.id)
	i.lead(w, o.id)
}

// lead sends the browser to an order's page.
func (i *Issuer) lead(w http.ResponseWriter, id string) {
	w.Header().Set("Location", i.page(id))
	w.WriteHeader(http.StatusSeeOther)
}

func (i *Issuer) refuse(w http.ResponseWriter, r *http.Request, a request, f refusal) {
	if f.shown {
		i.draw(w, r, http.StatusBadRequest, "refused", page{Why: f.why, T: textsFor(a.english || prefersEnglish(r))})
		return
	}
	v := url.Values{"error": {f.code}, "iss": {i.Issuer()}}
	if f.why != "" {
		v.Set("error_description", f.why)
	}
	if a.hasState {
		v.Set("state", a.state)
	}
	i.deliver(w, r, a, v)
}

// deliver sends an answer to the client by way of the browser.
func (i *Issuer) deliver(w http.ResponseWriter, r *http.Request, a request, v url.Values) {
	if a.formPost {
		i.draw(w, r, http.StatusOK, "deliver", page{Action: a.redirect, Fields: fields(v), T: textsFor(a.english)})
		return
	}
	mark := "?"
	if strings.Contains(a.redirect, "?") {
		mark = "&"
	}
	w.Header().Set("Location", a.redirect+mark+v.Encode())
	w.WriteHeader(http.StatusSeeOther)
}
