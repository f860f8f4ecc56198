package oidc

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"

	"sigill/testidp/control"
	"sigill/testidp/persons"
)

const callback = "http://localhost:8080/eid/oidc/back"

// A place is an issuer that listens, and an ordinary client of it, made of
// somebody else's code.
type place struct {
	t        *testing.T
	issuer   *Issuer
	faults   *control.Faults
	autos    *control.Autos
	people   *persons.Directory
	provider *goidc.Provider
	client   oauth2.Config
	browser  *http.Client
	ahead    atomic.Int64 // how far the issuer's clock is
}

func open(t *testing.T, configure ...func(*Config)) *place {
	t.Helper()
	p := &place{t: t, faults: &control.Faults{}, autos: &control.Autos{}, people: persons.All()}
	var handler http.Handler
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	c := Config{BaseURL: s.URL, Faults: p.faults, Autos: p.autos, People: p.people,
		Now: func() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) }}
	for _, f := range configure {
		f(&c)
	}
	var err error
	if p.issuer, err = New(c); err != nil {
		t.Fatal(err)
	}
	handler = p.issuer.Handler()
	t.Cleanup(func() { p.issuer.Close(); s.Close() })
	if p.provider, err = goidc.NewProvider(t.Context(), p.issuer.Issuer()); err != nil {
		t.Fatal(err)
	}
	scopes := append([]string{}, p.issuer.config.Profile.scopes()...)
	p.client = oauth2.Config{ClientID: DefaultClientID, ClientSecret: DefaultSecret, Endpoint: p.provider.Endpoint(), RedirectURL: callback, Scopes: scopes}
	p.browser = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return p
}

// A login is one run of the flow.
type login struct{ state, nonce, verifier string }

func (p *place) begin(more ...oauth2.AuthCodeOption) (login, string) {
	l := login{random(), random(), oauth2.GenerateVerifier()}
	options := append([]oauth2.AuthCodeOption{goidc.Nonce(l.nonce), oauth2.S256ChallengeOption(l.verifier)}, more...)
	return l, p.client.AuthCodeURL(l.state, options...)
}

// get loads an address and says where it leads.
func (p *place) get(address string) (*http.Response, string) {
	p.t.Helper()
	resp, err := p.browser.Get(address)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp, string(body)
}

func (p *place) press(address string, form url.Values) (*http.Response, string) {
	p.t.Helper()
	resp, err := p.browser.PostForm(address, form)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp, string(body)
}

var digits = regexp.MustCompile(`[0-9]{8,12}`)

// masked is a page as a test may print it.
func masked(body string) string { return digits.ReplaceAllString(body, "…") }

// order starts a login and returns its page and its id.
func (p *place) order(more ...oauth2.AuthCodeOption) (login, string, string) {
	p.t.Helper()
	l, address := p.begin(more...)
	resp, body := p.get(address)
	page := resp.Header.Get("Location")
	if resp.StatusCode != 303 || !strings.HasPrefix(page, p.issuer.Issuer()+"/o/") {
		p.t.Fatalf("authorize: %s %s\n%s", resp.Status, page, masked(body))
	}
	return l, page, page[strings.LastIndex(page, "/")+1:]
}

// answer loads an order's page and reads what it sends back.
func (p *place) answer(page string) url.Values {
	p.t.Helper()
	resp, body := p.get(page)
	back, err := url.Parse(resp.Header.Get("Location"))
	if resp.StatusCode != 303 || err != nil || !strings.HasPrefix(back.String(), callback+"?") {
		p.t.Fatalf("page: %s %v\n%s", resp.Status, back, masked(body))
	}
	return back.Query()
}

// approve lets the n-th person approve, and returns the answer.
func (p *place) approve(n int, more ...oauth2.AuthCodeOption) (login, url.Values) {
	p.t.Helper()
	l, page, id := p.order(more...)
	r, err := p.issuer.Act(id, control.Action{Action: "approve", Pnr: p.people.List()[n].Number})
	if err != nil || r.State != control.Complete || r.ReturnURL != page {
		p.t.Fatalf("approve: %+v, %v", r, err)
	}
	return l, p.answer(page)
}

func (p *place) exchange(l login, code string) (*oauth2.Token, error) {
	return p.client.Exchange(p.t.Context(), code, oauth2.VerifierOption(l.verifier))
}

// verify checks an ID Token as go-oidc and its documentation say.
func (p *place) verify(ctx context.Context, l login, t *oauth2.Token) (*goidc.IDToken, map[string]any, error) {
	raw, _ := t.Extra("id_token").(string)
	id, err := p.provider.Verifier(&goidc.Config{ClientID: DefaultClientID}).Verify(ctx, raw)
	if err != nil {
		return nil, nil, err
	}
	claims := map[string]any{}
	return id, claims, id.Claims(&claims)
}

func TestLogin(t *testing.T) {
	for _, profile := range []Profile{Freja(), Sweden()} {
		t.Run(profile.Name, func(t *testing.T) {
			p := open(t, func(c *Config) { c.Profile = profile })
			l, q := p.approve(0)
			if q.Get("state") != l.state || q.Get("iss") != p.issuer.Issuer() || len(q) != 3 {
				t.Errorf("answer has %d fields, state %t, iss %q", len(q), q.Get("state") == l.state, q.Get("iss"))
			}
			tokens, err := p.exchange(l, q.Get("code"))
			if err != nil {
				t.Fatal(err)
			}
			id, claims, err := p.verify(t.Context(), l, tokens)
			if err != nil {
				t.Fatal(err)
			}
			if id.Nonce != l.nonce || id.VerifyAccessToken(tokens.AccessToken) != nil {
				t.Error("nonce or at_hash")
			}
			info, err := p.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(tokens))
			if err != nil {
				t.Fatal(err)
			}
			more := map[string]any{}
			if err := info.Claims(&more); err != nil || info.Subject != id.Subject {
				t.Errorf("userinfo: %v, same subject: %t", err, info.Subject == id.Subject)
			}
			who := p.people.First()
			if profile.Name == "freja" {
				if claims[frejaClaims+"personalIdentityNumber"] != who.Number || claims[frejaClaims+"country"] != "SE" ||
					claims[frejaClaims+"registrationLevel"] != "PLUS" || claims[frejaClaims+"loaLevel"] != "LOA3" ||
					claims["name"] != who.Name() || claims["given_name"] != who.Given || claims["family_name"] != who.Surname || claims["birthdate"] != "1966-08-18" {
					t.Error("claims of the ID Token")
				}
				if more[frejaClaims+"personalIdentityNumber"] != who.Number || claims["acr"] != nil {
					t.Error("claims of UserInfo")
				}
				return
			}
			if claims[swedenClaims+"personalIdentityNumber"] != who.Number || claims["acr"] != "http://id.elegnamnden.se/loa/1.0/loa3" || claims["name"] != nil {
				t.Error("claims of the ID Token")
			}
			if more[swedenClaims+"personalIdentityNumber"] != who.Number || more["name"] != who.Name() {
				t.Error("claims of UserInfo")
			}
		})
	}
}

func TestScopesDecide(t *testing.T) {
	p := open(t)
	p.client.Scopes = []string{"openid", "profile"}
	l, q := p.approve(0)
	tokens, err := p.exchange(l, q.Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	_, claims, err := p.verify(t.Context(), l, tokens)
	if err != nil || claims["name"] == nil || claims[frejaClaims+"personalIdentityNumber"] != nil || claims[frejaClaims+"loaLevel"] != nil {
		t.Errorf("%v, %d claims", err, len(claims))
	}
}

func TestSamordningsnummer(t *testing.T) {
	for _, profile := range []Profile{Freja(), Sweden()} {
		p := open(t, func(c *Config) { c.Profile = profile })
		at := -1
		for n, who := range p.people.List() {
			if who.Has(persons.Samordningsnummer) {
				at = n
			}
		}
		l, q := p.approve(at)
		tokens, err := p.exchange(l, q.Get("code"))
		if err != nil {
			t.Fatal(err)
		}
		_, claims, err := p.verify(t.Context(), l, tokens)
		if err != nil {
			t.Fatal(err)
		}
		name, other := frejaClaims+"personalIdentityNumber", swedenClaims+"coordinationNumber"
		if profile.Name == "sweden" {
			name, other = other, swedenClaims+"personalIdentityNumber"
		}
		if claims[name] != p.people.List()[at].Number || claims[other] != nil {
			t.Errorf("%s: the number is elsewhere", profile.Name)
		}
		if profile.Name == "freja" && claims["birthdate"] != "1994-09-21" {
			t.Error("birthdate")
		}
	}
}

func TestCodeIsGoodOnce(t *testing.T) {
	p := open(t)
	l, q := p.approve(0)
	if _, err := p.exchange(l, q.Get("code")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.exchange(l, q.Get("code")); err == nil {
		t.Error("twice")
	}
	l, q = p.approve(0)
	if _, err := p.exchange(login{verifier: oauth2.GenerateVerifier()}, q.Get("code")); err == nil {
		t.Error("with another verifier")
	}
	if _, err := p.exchange(l, q.Get("code")); err == nil {
		t.Error("after a wrong verifier")
	}
	l, q = p.approve(0)
	p.ahead.Store(int64(61 * time.Second))
	if _, err := p.exchange(l, q.Get("code")); err == nil {
		t.Error("after a minute")
	}
	p.ahead.Store(0)
	l, q = p.approve(0)
	elsewhere := p.client
	elsewhere.RedirectURL = "http://localhost:8080/elsewhere"
	if _, err := elsewhere.Exchange(t.Context(), q.Get("code"), oauth2.VerifierOption(l.verifier)); err == nil {
		t.Error("with another redirect_uri")
	}
	p.issuer.Register(Client{ID: "another", Secret: "s"})
	l, q = p.approve(0)
	theirs := p.client
	theirs.ClientID, theirs.ClientSecret = "another", "s"
	if _, err := theirs.Exchange(t.Context(), q.Get("code"), oauth2.VerifierOption(l.verifier)); err == nil {
		t.Error("by another client")
	}
}

func TestRequestsRefused(t *testing.T) {
	p := open(t, func(c *Config) { c.Profile = Sweden() })
	set := func(name, value string) func(url.Values) { return func(q url.Values) { q.Set(name, value) } }
	for name, c := range map[string]struct {
		change func(url.Values)
		error  string // what goes back; empty: a page here
	}{
		"unknown client":     {set("client_id", "x"), ""},
		"another redirect":   {set("redirect_uri", "https://example.com/"), ""},
		"script redirect":    {set("redirect_uri", "javascript:alert(1)"), ""},
		"twice":              {func(q url.Values) { q.Add("scope", "openid") }, ""},
		"response type":      {set("response_type", "code id_token"), "unsupported_response_type"},
		"response mode":      {set("response_mode", "fragment"), "invalid_request"},
		"no scope":           {set("scope", "profile"), "invalid_scope"},
		"no PKCE":            {func(q url.Values) { q.Del("code_challenge") }, "invalid_request"},
		"plain PKCE":         {set("code_challenge_method", "plain"), "invalid_request"},
		"prompt none":        {set("prompt", "none"), "login_required"},
		"prompt none, more":  {set("prompt", "none login"), "invalid_request"},
		"unknown prompt":     {set("prompt", "x"), "invalid_request"},
		"request object":     {set("request", "x"), "request_not_supported"},
		"broken claims":      {set("claims", "["), "invalid_request"},
		"level too high":     {set("claims", `{"id_token":{"acr":{"essential":true,"value":"http://id.elegnamnden.se/loa/1.0/loa4"}}}`), "unmet_authentication_requirements"},
		"message, no base64": {set("https://id.oidc.se/param/userMessage", `{"message":"%"}`), "invalid_request"},
		"message, HTML":      {set("https://id.oidc.se/param/userMessage", `{"message":"","mime_type":"text/html"}`), "invalid_request"},
		"unknown pushed":     {set("request_uri", "urn:ietf:params:oauth:request_uri:x"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			l, address := p.begin()
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			q := u.Query()
			c.change(q)
			u.RawQuery = q.Encode()
			resp, _ := p.get(u.String())
			if c.error == "" {
				if resp.StatusCode != 400 || resp.Header.Get("Location") != "" {
					t.Errorf("%s, to %q", resp.Status, resp.Header.Get("Location"))
				}
				return
			}
			back, err := url.Parse(resp.Header.Get("Location"))
			if err != nil || !strings.HasPrefix(back.String(), callback+"?") || back.Query().Get("error") != c.error || back.Query().Get("state") != l.state || back.Query().Get("iss") != p.issuer.Issuer() {
				t.Errorf("%s, to %v", resp.Status, back)
			}
		})
	}
}

func TestRedirectsOfAClient(t *testing.T) {
	c := Client{Redirects: []string{"https://broker.example.se/eid/x/back"}}
	for address, want := range map[string]bool{
		"https://broker.example.se/eid/x/back":   true,
		"https://broker.example.se/eid/x/back?a": false,
		"http://localhost:8080/":                 false,
	} {
		if c.allows(address) != want {
			t.Errorf("%s: %t", address, !want)
		}
	}
	for address, want := range map[string]bool{
		"http://localhost:8080/": true, "http://127.0.0.1/x": true, "http://[::1]:1/": true, "https://example.com/": false,
		"http://localhost@example.com/": false, "http://localhost.example.com/": false, "http://localhost/#x": false, "": false, "//localhost/": false,
	} {
		if (Client{}).allows(address) != want {
			t.Errorf("%s: %t", address, !want)
		}
	}
}

// TestPage goes through the page as a person does.
func TestPage(t *testing.T) {
	p := open(t)
	_, page, id := p.order(oauth2.SetAuthURLParam("ui_locales", "sv"))
	resp, body := p.get(page)
	if resp.StatusCode != 200 || !strings.Contains(body, "Identifiera dig") || !strings.Contains(body, "Sigill Test") || !strings.Contains(body, "TEST. Simulator.") || !strings.Contains(body, ">Testperson Ett<") {
		t.Fatalf("page:\n%s", masked(body))
	}
	if policy := resp.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	if strings.Contains(body, ">Identifiera</button>") {
		t.Error("nobody has said who it is")
	}
	if _, english := p.get(page + "?lang=en"); !strings.Contains(english, "Identify yourself") {
		t.Errorf("page:\n%s", masked(english))
	}
	resp, _ = p.press(page, url.Values{"person": {"tre"}})
	if resp.StatusCode != 303 || resp.Header.Get("Location") != page {
		t.Errorf("person: %s %s", resp.Status, resp.Header.Get("Location"))
	}
	if _, body := p.get(page); !strings.Contains(body, ">Identifiera</button>") || !strings.Contains(body, "<span>Testperson Tre</span>") {
		t.Errorf("page:\n%s", masked(body))
	}
	if _, answer := p.get(page + "/state"); strings.TrimSpace(answer) != `{"state":"pending"}` {
		t.Errorf("state %s", answer)
	}
	p.press(page, url.Values{"do": {"switch"}})
	if _, body := p.get(page); strings.Contains(body, ">Identifiera</button>") {
		t.Error("still the person who left")
	}
	p.press(page, url.Values{"person": {"fyra"}, "do": {"approve"}})
	if o, ok := p.issuer.Order(id); !ok || o.State != control.Complete || o.Person != p.people.List()[3].Number {
		t.Errorf("order %q", o.State)
	}
	if _, answer := p.get(page + "/state"); strings.TrimSpace(answer) != `{"state":"complete"}` {
		t.Errorf("state %s", answer)
	}
	// Loading the page again brings the same answer.
	first, again := p.answer(page), p.answer(page)
	if first.Get("code") == "" || first.Encode() != again.Encode() {
		t.Error("another answer")
	}
	if resp, _ := p.press(page, url.Values{"do": {"cancel"}}); resp.StatusCode != 303 || !strings.HasPrefix(resp.Header.Get("Location"), callback) {
		t.Errorf("after the end: %s", resp.Status)
	}
	if resp, _ := p.get(p.issuer.page("x")); resp.StatusCode != 404 {
		t.Errorf("unknown order: %s", resp.Status)
	}
}

func TestPageEndings(t *testing.T) {
	for name, c := range map[string]struct {
		form  url.Values
		error string
	}{
		"cancel":  {url.Values{"do": {"cancel"}}, "access_denied"},
		"busy":    {url.Values{"do": {"fail"}, "hint": {"temporarily_unavailable"}}, "temporarily_unavailable"},
		"blocked": {url.Values{"do": {"approve"}, "person": {"tjugoatta"}}, "access_denied"},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			l, page, id := p.order()
			if resp, body := p.press(page, c.form); resp.StatusCode != 303 {
				t.Fatalf("%s\n%s", resp.Status, masked(body))
			}
			q := p.answer(page)
			if q.Get("error") != c.error || q.Has("code") || q.Get("state") != l.state || q.Get("iss") != p.issuer.Issuer() {
				t.Errorf("error %q, code %t", q.Get("error"), q.Has("code"))
			}
			if o, ok := p.issuer.Order(id); !ok || o.State != control.Failed || o.Hint != c.error {
				t.Errorf("order: %s %s", o.State, o.Hint)
			}
		})
	}
	p := open(t)
	_, page, _ := p.order()
	for name, c := range map[string]struct {
		form   url.Values
		status int
	}{
		"nobody":          {url.Values{"do": {"approve"}}, 409},
		"stranger":        {url.Values{"do": {"approve"}, "person": {"x"}}, 400},
		"without an e-ID": {url.Values{"do": {"approve"}, "person": {"trettioett"}}, 409},
		"nothing":         {url.Values{}, 409},
		"error code":      {url.Values{"do": {"fail"}, "hint": {"a b"}}, 409},
	} {
		if resp, body := p.press(page, c.form); resp.StatusCode != c.status || !strings.Contains(body, "class=\"notice\"") {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
}

func TestOtherSitesCannotPress(t *testing.T) {
	p := open(t)
	_, page, id := p.order()
	r, err := http.NewRequest("POST", page, strings.NewReader("do=cancel"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := p.browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if o, _ := p.issuer.Order(id); resp.StatusCode != 403 || o.State != control.Pending {
		t.Errorf("%s, %s", resp.Status, o.State)
	}
}

func TestFormPost(t *testing.T) {
	p := open(t)
	l, page, id := p.order(oauth2.SetAuthURLParam("response_mode", "form_post"))
	if _, err := p.issuer.Act(id, control.Action{Action: "approve", Pnr: p.people.First().Number}); err != nil {
		t.Fatal(err)
	}
	resp, body := p.get(page)
	for _, want := range []string{`action="` + callback + `" data-answer`, `name="state" value="` + l.state + `"`, `name="code"`, `name="iss"`, "<button"} {
		if resp.StatusCode != 200 || !strings.Contains(body, want) {
			t.Errorf("%s lacks %s in\n%s", resp.Status, want, masked(body))
		}
	}
	if resp, script := p.get(p.issuer.Issuer() + "/page.js"); resp.StatusCode != 200 || !strings.Contains(script, "data-answer") || !strings.Contains(resp.Header.Get("Content-Type"), "javascript") {
		t.Errorf("script: %s %s", resp.Status, resp.Header.Get("Content-Type"))
	}
}

func TestOrders(t *testing.T) {
	p := open(t)
	l, page, id := p.order()
	orders := p.issuer.Orders()
	if len(orders) != 1 {
		t.Fatalf("%d orders", len(orders))
	}
	o := orders[0]
	if o.ID != id || o.Provider != Name || o.Kind != "auth" || o.Reference != l.state || o.ReturnURL != page || o.State != control.Pending || o.AutoStartToken != "" || o.RelyingParty != "Sigill Test" {
		t.Error("order")
	}
	if _, err := p.issuer.Scan(control.Code{QR: "x"}); err != control.ErrUnknownCode {
		t.Errorf("scan: %v", err)
	}
	if _, err := p.issuer.Act("x", control.Action{Action: "approve"}); err == nil || err.Error() != control.NotFound().Error() {
		t.Errorf("unknown order: %v", err)
	}
	p.ahead.Store(int64(5 * time.Minute))
	if o, ok := p.issuer.Order(id); !ok || o.State != control.Failed || o.Hint != "expired" {
		t.Errorf("after five minutes: %s %s", o.State, o.Hint)
	}
	if q := p.answer(page); q.Get("error") != "access_denied" {
		t.Errorf("error %q", q.Get("error"))
	}
	p.ahead.Store(int64(16 * time.Minute))
	if _, ok := p.issuer.Order(id); ok || len(p.issuer.Orders()) != 0 {
		t.Error("never forgotten")
	}
	p.order()
	if len(p.issuer.orders) != 1 {
		t.Error("kept in memory")
	}
}

func TestAuto(t *testing.T) {
	p := open(t, func(c *Config) { c.Profile = Sweden() })
	p.autos.Set(control.Auto{Provider: "*"})
	l, page, _ := p.order(oauth2.SetAuthURLParam("claims", `{"id_token":{"`+swedenClaims+`personalIdentityNumber":{"essential":true,"value":"`+p.people.List()[4].Number+`"}}}`))
	tokens, err := p.exchange(l, p.answer(page).Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	if _, claims, err := p.verify(t.Context(), l, tokens); err != nil || claims[swedenClaims+"personalIdentityNumber"] != p.people.List()[4].Number {
		t.Errorf("not the person who was asked for: %v", err)
	}
	p.autos.Set(control.Auto{Provider: Name, Pnr: p.people.List()[1].Number, DelayMs: 30})
	l, page, id := p.order()
	for n := 0; ; n++ {
		if o, _ := p.issuer.Order(id); o.State == control.Complete {
			break
		}
		if n > 200 {
			t.Fatal("never")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if tokens, err = p.exchange(l, p.answer(page).Get("code")); err != nil {
		t.Fatal(err)
	}
	if _, claims, _ := p.verify(t.Context(), l, tokens); claims[swedenClaims+"personalIdentityNumber"] != p.people.List()[1].Number {
		t.Error("somebody else")
	}
	// Somebody who never acts is not waited for.
	p.autos.Set(control.Auto{Provider: Name, DelayMs: 600_000})
	p.order()
	p.issuer.Close()
}

func TestAnotherPersonThanAskedFor(t *testing.T) {
	p := open(t, func(c *Config) { c.Profile = Sweden() })
	_, page, id := p.order(oauth2.SetAuthURLParam("claims", `{"userinfo":{"`+swedenClaims+`personalIdentityNumber":{"value":"`+p.people.List()[4].Number+`"}}}`))
	if o, _ := p.issuer.Order(id); o.RequiredPnr != p.people.List()[4].Number {
		t.Error("nobody is asked for")
	}
	if r, err := p.issuer.Act(id, control.Action{Action: "approve", Pnr: p.people.First().Number}); err != nil || r.State != control.Failed {
		t.Errorf("%+v, %v", r, err)
	}
	if q := p.answer(page); q.Get("error") != "access_denied" {
		t.Errorf("error %q", q.Get("error"))
	}
}

func TestUserMessage(t *testing.T) {
	p := open(t, func(c *Config) { c.Profile = Sweden() })
	_, page, id := p.order(oauth2.SetAuthURLParam("https://id.oidc.se/param/userMessage", `{"message#sv":"TG9nZ2EgaW4gPGhlcj4=","message":"eA==","mime_type":"text/plain"}`))
	if o, _ := p.issuer.Order(id); o.Text != "Logga in <her>" {
		t.Errorf("text %q", o.Text)
	}
	if _, body := p.get(page); !strings.Contains(body, "Logga in &lt;her&gt;") {
		t.Errorf("page:\n%s", masked(body))
	}
}

// A publisher serves a client's keys.
func publisher(t *testing.T) (*ecdsa.PrivateKey, *httptest.Server, *atomic.Int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		json.NewEncoder(w).Encode(map[string]any{"keys": []any{
			map[string]string{"kty": "EC", "crv": "P-256", "use": "sig", "kid": "one", "x": encode(point[1:33]), "y": encode(point[33:])},
			map[string]string{"kty": "OKP", "crv": "X25519", "kid": "other"},
		}})
	}))
	t.Cleanup(s.Close)
	return key, s, &asked
}

func assertion(t *testing.T, key *ecdsa.PrivateKey, kid string, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	token.Header["kid"] = kid
	s, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (p *place) post(path string, form url.Values) (int, map[string]any) {
	p.t.Helper()
	resp, err := p.browser.PostForm(p.issuer.Issuer()+path, form)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	m := map[string]any{}
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, m
}

func TestPrivateKeyJWT(t *testing.T) {
	p := open(t)
	key, keys, asked := publisher(t)
	p.issuer.Register(Client{ID: "jwt", JWKS: keys.URL})
	good := func() jwt.MapClaims {
		return jwt.MapClaims{"iss": "jwt", "sub": "jwt", "aud": p.issuer.Issuer(), "jti": random(), "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix()}
	}
	p.client.ClientID, p.client.ClientSecret = "jwt", ""
	l, q := p.approve(0)
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {q.Get("code")}, "redirect_uri": {callback}, "code_verifier": {l.verifier},
		"client_assertion_type": {assertionType}, "client_assertion": {assertion(t, key, "one", good())},
	}
	if status, m := p.post("/token", form); status != 200 || m["id_token"] == nil {
		t.Fatalf("%d %v", status, m["error_description"])
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	used := form.Get("client_assertion")
	with := func(change func(jwt.MapClaims)) string { c := good(); change(c); return assertion(t, key, "one", c) }
	for name, a := range map[string]string{
		"used":         used,
		"stranger":     assertion(t, stranger, "one", good()),
		"unknown key":  assertion(t, key, "two", good()),
		"no sub":       with(func(c jwt.MapClaims) { delete(c, "sub") }),
		"another sub":  with(func(c jwt.MapClaims) { c["sub"] = "x" }),
		"another aud":  with(func(c jwt.MapClaims) { c["aud"] = "https://example.com" }),
		"no jti":       with(func(c jwt.MapClaims) { delete(c, "jti") }),
		"no exp":       with(func(c jwt.MapClaims) { delete(c, "exp") }),
		"over":         with(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Minute).Unix() }),
		"too long":     with(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(time.Hour).Unix() }),
		"ahead":        with(func(c jwt.MapClaims) { c["iat"] = time.Now().Add(5 * time.Minute).Unix() }),
		"no such":      with(func(c jwt.MapClaims) { c["iss"], c["sub"] = "x", "x" }),
		"only secrets": with(func(c jwt.MapClaims) { c["iss"], c["sub"] = DefaultClientID, DefaultClientID }),
		"nonsense":     "a.b.c",
	} {
		form.Set("client_assertion", a)
		if status, m := p.post("/token", form); status != 401 || m["error"] != "invalid_client" {
			t.Errorf("%s: %d %v", name, status, m["error"])
		}
	}
	// Every place that may be meant is accepted, and keys are not fetched each time.
	asked.Store(0)
	for _, aud := range []string{"", "/token", "/par"} {
		form.Set("client_assertion", with(func(c jwt.MapClaims) { c["aud"] = p.issuer.Issuer() + aud }))
		if status, m := p.post("/token", form); status != 400 || m["error"] != "invalid_grant" {
			t.Errorf("aud %q: %d %v", aud, status, m["error_description"])
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("fetched %d times", n)
	}
	form.Set("client_secret", "x")
	if status, _ := p.post("/token", form); status != 401 {
		t.Errorf("two ways: %d", status)
	}
	p.issuer.Register(Client{ID: "far", JWKS: "http://192.0.2.1/jwks"})
	if _, err := p.issuer.keyOf(t.Context(), Client{ID: "far", JWKS: "http://192.0.2.1/jwks"}, "one"); err == nil || !strings.Contains(err.Error(), "not an address of this machine") {
		t.Errorf("far away: %v", err)
	}
}

func TestPushedRequests(t *testing.T) {
	p := open(t)
	_, address := p.begin()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	push := func(change func(url.Values)) (int, map[string]any) {
		q := u.Query()
		q.Set("client_secret", DefaultSecret)
		change(q)
		return p.post("/par", q)
	}
	at := func(uri any, client string) string {
		s, _ := uri.(string)
		return p.issuer.Issuer() + "/authorize?" + url.Values{"client_id": {client}, "request_uri": {s}}.Encode()
	}
	for name, c := range map[string]struct {
		change func(url.Values)
		status int
	}{
		"secret":   {func(q url.Values) { q.Set("client_secret", "x") }, 401},
		"redirect": {func(q url.Values) { q.Set("redirect_uri", "https://example.com/") }, 400},
		"PKCE":     {func(q url.Values) { q.Del("code_challenge") }, 400},
		"nested":   {func(q url.Values) { q.Set("request_uri", "urn:x") }, 400},
		"twice":    {func(q url.Values) { q.Add("scope", "openid") }, 400},
	} {
		if status, _ := push(c.change); status != c.status {
			t.Errorf("%s: %d", name, status)
		}
	}
	status, m := push(func(url.Values) {})
	if status != 201 || m["expires_in"] != 90.0 {
		t.Fatalf("%d %v", status, m)
	}
	if resp, _ := p.get(at(m["request_uri"], "x")); resp.StatusCode != 400 {
		t.Errorf("another client: %s", resp.Status)
	}
	resp, _ := p.get(at(m["request_uri"], DefaultClientID))
	page := resp.Header.Get("Location")
	if resp.StatusCode != 303 || !strings.HasPrefix(page, p.issuer.Issuer()+"/o/") {
		t.Fatalf("%s %s", resp.Status, page)
	}
	if resp, _ := p.get(at(m["request_uri"], DefaultClientID)); resp.Header.Get("Location") != page {
		t.Error("loaded again: another order")
	}
	if _, err := p.issuer.Act(page[strings.LastIndex(page, "/")+1:], control.Action{Action: "cancel"}); err != nil {
		t.Fatal(err)
	}
	if resp, _ := p.get(at(m["request_uri"], DefaultClientID)); resp.StatusCode != 400 {
		t.Errorf("after the end: %s", resp.Status)
	}
	_, m = push(func(url.Values) {})
	p.ahead.Store(int64(2 * time.Minute))
	if resp, _ := p.get(at(m["request_uri"], DefaultClientID)); resp.StatusCode != 400 {
		t.Errorf("too late: %s", resp.Status)
	}
}

func TestAuthorizeByPost(t *testing.T) {
	p := open(t)
	_, address := p.begin()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	resp, _ := p.press(p.issuer.Issuer()+"/authorize", u.Query())
	if resp.StatusCode != 303 || !strings.HasPrefix(resp.Header.Get("Location"), p.issuer.Issuer()+"/o/") {
		t.Errorf("%s", resp.Status)
	}
}

func TestTheKeyIsKept(t *testing.T) {
	dir := t.TempDir()
	var kids, subs []string
	for range 2 {
		i, err := New(Config{BaseURL: "http://localhost", Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		kids, subs = append(kids, i.newest().kid), append(subs, i.sub("a", "b"))
		i.Close()
	}
	if kids[0] != kids[1] || subs[0] != subs[1] {
		t.Error("another key")
	}
	other, err := New(Config{BaseURL: "http://localhost"})
	if err != nil {
		t.Fatal(err)
	}
	if other.newest().kid == kids[0] || other.sub("a", "b") == subs[0] {
		t.Error("the same key elsewhere")
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"AA","y":"AA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := parseKeys(data)
		if err != nil && keys != nil {
			t.Error("keys and an error")
		}
		for _, k := range keys {
			if k == nil {
				t.Error("no key")
			}
		}
	})
}

// FuzzRead reads requests of whatever kind: none makes the issuer fail, and none
// that it takes leads elsewhere than to its client.
func FuzzRead(f *testing.F) {
	good := url.Values{
		"client_id": {DefaultClientID}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid"}, "state": {"x"},
		"code_challenge": {strings.Repeat("a", 43)}, "code_challenge_method": {"S256"},
	}
	for name, value := range map[string]string{
		"claims":                               `{"id_token":{"acr":null},"userinfo":{"https://id.oidc.se/claim/personalIdentityNumber":{"value":""}}}`,
		"https://id.oidc.se/param/userMessage": `{"message#sv":"eA=="}`, "prompt": "login consent", "redirect_uri": "http://localhost:1/?a=b",
	} {
		q := maps.Clone(good)
		q[name] = []string{value}
		f.Add(q.Encode())
	}
	i, err := New(Config{BaseURL: "http://localhost:8082", Profile: Sweden()})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		a, refused := i.read(q)
		if refused == nil || !refused.shown {
			u, err := url.Parse(a.redirect)
			if err != nil || !loopback(u.Hostname()) || a.client.ID == "" {
				t.Errorf("answers elsewhere, %v", err)
			}
		}
		if refused == nil && (len(a.challenge) != 43 || len(q["redirect_uri"]) != 1) {
			t.Error("took what it should not")
		}
	})
}

// TestNoNumberInAddresses looks at everything that the browser is sent to.
func TestNoNumberInAddresses(t *testing.T) {
	p := open(t)
	_, page, id := p.order()
	if _, err := p.issuer.Act(id, control.Action{Action: "approve", Pnr: p.people.First().Number}); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{page, p.answer(page).Encode()} {
		if bytes.Contains([]byte(s), []byte(p.people.First().Number)) {
			t.Error("there it is")
		}
	}
}
