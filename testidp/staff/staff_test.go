package staff

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"sigill/testidp/control"
)

const callback = "http://localhost:8081/exempelby/handlaggare/callback"

// A place is a directory that listens, and an ordinary client of it, made of
// somebody else's code.
type place struct {
	dir      *Directory
	faults   *control.Faults
	provider *oidc.Provider
	client   oauth2.Config
	browser  *http.Client
	ahead    atomic.Int64 // how far the directory's clock is
}

func open(t *testing.T) *place {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &place{faults: &control.Faults{}}
	p.dir, err = New(Config{
		BaseURL: "http://" + l.Addr().String(), Faults: p.faults, Redirects: []string{"https://portal.example.se/"},
		Now: func() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(p.dir.Handler())
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	if p.provider, err = oidc.NewProvider(t.Context(), p.dir.Issuer()); err != nil {
		t.Fatal(err)
	}
	p.client = oauth2.Config{
		ClientID: ClientID, ClientSecret: DefaultSecret, Endpoint: p.provider.Endpoint(), RedirectURL: callback, Scopes: []string{"openid"},
	}
	p.client.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	p.browser = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return p
}

// pick goes to the page and picks an officer; it gives where that leads.
func (p *place) pick(t *testing.T, address, officer string) (int, *url.URL) {
	t.Helper()
	resp, err := p.browser.PostForm(address, url.Values{"officer": {officer}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	to, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, to
}

// claims logs in all the way.
func (p *place) claims(t *testing.T, officer string) (map[string]any, error) {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	address := p.client.AuthCodeURL("s t", oauth2.S256ChallengeOption(verifier), oidc.Nonce("n-1"))
	status, to := p.pick(t, address, officer)
	q := to.Query()
	if status != 303 || !strings.HasPrefix(to.String(), callback+"?") || q.Get("state") != "s t" || q.Get("iss") != p.dir.Issuer() {
		t.Fatalf("%d to %s", status, to.Path)
	}
	return p.exchange(q.Get("code"), verifier)
}

func (p *place) exchange(code, verifier string) (map[string]any, error) {
	ctx := context.Background()
	token, err := p.client.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, err
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := p.provider.Verifier(&oidc.Config{ClientID: ClientID}).Verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	return claims, id.Claims(&claims)
}

func TestLogin(t *testing.T) {
	p := open(t)
	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams} {
		p.client.Endpoint.AuthStyle = style
		for _, o := range Officers() {
			got, err := p.claims(t, o.ID)
			if err != nil {
				t.Fatal(err)
			}
			groups := []string{}
			for _, g := range got["groups"].([]any) {
				groups = append(groups, g.(string))
			}
			if got["sub"] != o.Sub || got["name"] != o.Name || got["nonce"] != "n-1" || !slices.Equal(groups, o.Groups) {
				t.Errorf("%s: %v", o.ID, got)
			}
		}
	}
}

func TestPage(t *testing.T) {
	p := open(t)
	address := p.client.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))
	resp, err := p.browser.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for _, o := range Officers() {
		if !strings.Contains(string(body), `name="officer" value="`+o.ID+`"`) || !strings.Contains(string(body), o.Name) {
			t.Errorf("%s cannot be picked", o.ID)
		}
	}
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.HasSuffix(csp, "form-action 'self' http://localhost:8081") {
		t.Errorf("the form may not lead on: %s", csp)
	}
	cancelled, err := p.browser.PostForm(address, url.Values{"cancel": {"1"}})
	if err != nil {
		t.Fatal(err)
	}
	cancelled.Body.Close()
	if to := cancelled.Header.Get("Location"); !strings.Contains(to, "error=access_denied") || !strings.Contains(to, "state=s") {
		t.Errorf("cancelled to %s", to)
	}
	if status, _ := p.pick(t, address, "sex"); status != 400 {
		t.Errorf("an officer who is not there: %d", status)
	}
	r, _ := http.NewRequest("POST", address, strings.NewReader("officer=ett"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if resp, err = p.browser.Do(r); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 403 {
		t.Errorf("another site picked: %d", resp.StatusCode)
	}
}

func TestObey(t *testing.T) {
	p := open(t)
	if p.dir.Obey("sex") == nil {
		t.Error("somebody unknown obeys")
	}
	if err := p.dir.Obey("tre"); err != nil {
		t.Fatal(err)
	}
	verifier := oauth2.GenerateVerifier()
	address := p.client.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier))
	get := func() *http.Response {
		resp, err := p.browser.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	to, err := get().Location()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.exchange(to.Query().Get("code"), verifier); err != nil || got["name"] != "Handläggare Tre" {
		t.Errorf("%v %v", got, err)
	}
	if err := p.dir.Obey(""); err != nil || get().StatusCode != 200 {
		t.Error("the page is not back")
	}
}

func TestAuthorizeRefuses(t *testing.T) {
	p := open(t)
	base := url.Values{
		"client_id": {ClientID}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid profile"},
		"state": {"s"}, "code_challenge": {strings.Repeat("a", 43)}, "code_challenge_method": {"S256"},
	}
	for name, c := range map[string]struct {
		set  url.Values // nil value: left out
		want string     // an error that goes back; else what stands on the page's status
	}{
		"in order":               {nil, "200"},
		"another client":         {url.Values{"client_id": {"x"}}, "400"},
		"no redirect_uri":        {url.Values{"redirect_uri": nil}, "400"},
		"elsewhere":              {url.Values{"redirect_uri": {"https://evil.example/"}}, "400"},
		"looks like this place":  {url.Values{"redirect_uri": {"http://localhost.evil.example/"}}, "400"},
		"user of this place":     {url.Values{"redirect_uri": {"http://localhost@evil.example/"}}, "400"},
		"with a fragment":        {url.Values{"redirect_uri": {callback + "#x"}}, "400"},
		"with an empty fragment": {url.Values{"redirect_uri": {callback + "#"}}, "400"},
		"no web address":         {url.Values{"redirect_uri": {"javascript://localhost/"}}, "400"},
		"configured":             {url.Values{"redirect_uri": {"https://portal.example.se/x"}}, "200"},
		"configured, longer":     {url.Values{"redirect_uri": {"https://portal.example.se.evil.example/"}}, "400"},
		"twice":                  {url.Values{"state": {"s", "s"}}, "400"},
		"implicit":               {url.Values{"response_type": {"id_token"}}, "unsupported_response_type"},
		"fragment":               {url.Values{"response_mode": {"fragment"}}, "invalid_request"},
		"no openid":              {url.Values{"scope": {"profile"}}, "invalid_scope"},
		"no PKCE":                {url.Values{"code_challenge": nil}, "invalid_request"},
		"plain PKCE":             {url.Values{"code_challenge_method": {"plain"}}, "invalid_request"},
		"request object":         {url.Values{"request": {"x"}}, "request_not_supported"},
		"prompt none":            {url.Values{"prompt": {"none"}}, "login_required"},
	} {
		t.Run(name, func(t *testing.T) {
			q := url.Values{}
			for k, v := range base {
				q[k] = v
			}
			for k, v := range c.set {
				if q[k] = v; v == nil {
					delete(q, k)
				}
			}
			for _, method := range []string{"GET", "POST"} {
				var body io.Reader
				if method == "POST" {
					body = strings.NewReader("officer=ett")
				}
				r := httptest.NewRequest(method, Path+"/authorize?"+q.Encode(), body)
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				w := httptest.NewRecorder()
				p.dir.Handler().ServeHTTP(w, r)
				to, _ := url.Parse(w.Header().Get("Location"))
				got := to.Query().Get("error")
				switch {
				case w.Code == 400:
					got = "400"
				case w.Code == 200, w.Code == 303 && to.Query().Get("code") != "":
					got = "200"
				}
				if got != c.want {
					t.Errorf("%s: %d %s, want %s", method, w.Code, got, c.want)
				}
			}
		})
	}
}

func TestTokenRefuses(t *testing.T) {
	p := open(t)
	fresh := func() (code, verifier string) {
		verifier = oauth2.GenerateVerifier()
		_, to := p.pick(t, p.client.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier)), "ett")
		return to.Query().Get("code"), verifier
	}
	for name, c := range map[string]struct {
		change func(url.Values)
		secret string
		query  string
		want   string
	}{
		"in order":           {func(v url.Values) {}, DefaultSecret, "", ""},
		"another secret":     {func(v url.Values) {}, "x", "", "invalid_client"},
		"no secret":          {func(v url.Values) {}, "", "", "invalid_client"},
		"both ways":          {func(v url.Values) { v.Set("client_id", ClientID); v.Set("client_secret", DefaultSecret) }, DefaultSecret, "", "invalid_client"},
		"in the address":     {func(v url.Values) {}, DefaultSecret, "?x=1", "invalid_request"},
		"twice":              {func(v url.Values) { v.Add("code", "x") }, DefaultSecret, "", "invalid_request"},
		"another grant":      {func(v url.Values) { v.Set("grant_type", "password") }, DefaultSecret, "", "unsupported_grant_type"},
		"another code":       {func(v url.Values) { v.Set("code", "x") }, DefaultSecret, "", "invalid_grant"},
		"another redirect":   {func(v url.Values) { v.Set("redirect_uri", callback+"/") }, DefaultSecret, "", "invalid_grant"},
		"another verifier":   {func(v url.Values) { v.Set("code_verifier", strings.Repeat("x", 43)) }, DefaultSecret, "", "invalid_grant"},
		"no verifier":        {func(v url.Values) { v.Del("code_verifier") }, DefaultSecret, "", "invalid_grant"},
		"another client too": {func(v url.Values) { v.Set("client_id", "x") }, DefaultSecret, "", "invalid_client"},
	} {
		t.Run(name, func(t *testing.T) {
			code, verifier := fresh()
			v := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}
			c.change(v)
			r := httptest.NewRequest("POST", Path+"/token"+c.query, strings.NewReader(v.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if c.secret != "" {
				r.SetBasicAuth(ClientID, c.secret)
			}
			w := httptest.NewRecorder()
			p.dir.Handler().ServeHTTP(w, r)
			var got struct{ Error string }
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Error != c.want {
				t.Errorf("%d %q, want %q", w.Code, got.Error, c.want)
			}
		})
	}
	t.Run("used", func(t *testing.T) {
		code, verifier := fresh()
		if _, err := p.exchange(code, verifier); err != nil {
			t.Fatal(err)
		}
		if _, err := p.exchange(code, verifier); err == nil {
			t.Error("a code twice")
		}
	})
	t.Run("used by a thief in vain", func(t *testing.T) {
		code, verifier := fresh()
		if _, err := p.exchange(code, "x"); err == nil {
			t.Fatal("without its verifier")
		}
		if _, err := p.exchange(code, verifier); err == nil {
			t.Error("a code that was tried is still good")
		}
	})
	t.Run("too old", func(t *testing.T) {
		code, verifier := fresh()
		p.ahead.Store(int64(2 * time.Minute))
		defer p.ahead.Store(0)
		if _, err := p.exchange(code, verifier); err == nil {
			t.Error("an old code")
		}
	})
}

func TestFaults(t *testing.T) {
	p := open(t)
	for _, name := range p.dir.FaultModes() {
		t.Run(name, func(t *testing.T) {
			p.faults.Clear()
			p.faults.Set(control.Fault{Provider: Name, Fault: name, Rate: 1})
			got, err := p.claims(t, "ett")
			switch name {
			case noGroups: // not for go-oidc to see
				if _, there := got["groups"]; err != nil || there {
					t.Errorf("%v %v", got, err)
				}
			case wrongNonce:
				if err != nil || got["nonce"] == "n-1" {
					t.Errorf("%v %v", got, err)
				}
			default:
				if err == nil {
					t.Error("the client noticed nothing")
				}
			}
		})
	}
}

func TestEndSession(t *testing.T) {
	p := open(t)
	for name, c := range map[string]struct {
		q    url.Values
		code int
		to   string
	}{
		"home":           {url.Values{"client_id": {ClientID}, "post_logout_redirect_uri": {"http://localhost:8081/exempelby/"}}, 303, "http://localhost:8081/exempelby/"},
		"with a state":   {url.Values{"client_id": {ClientID}, "post_logout_redirect_uri": {"http://localhost:8081/"}, "state": {"s t"}}, 303, "http://localhost:8081/?state=s+t"},
		"nowhere":        {url.Values{}, 200, ""},
		"elsewhere":      {url.Values{"client_id": {ClientID}, "post_logout_redirect_uri": {"https://evil.example/"}}, 400, ""},
		"another client": {url.Values{"client_id": {"x"}, "post_logout_redirect_uri": {"http://localhost:8081/"}}, 400, ""},
		"nobody":         {url.Values{"post_logout_redirect_uri": {"http://localhost:8081/"}}, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			p.dir.Handler().ServeHTTP(w, httptest.NewRequest("GET", Path+"/end_session?"+c.q.Encode(), nil))
			if d := cmp.Diff([]any{c.code, c.to}, []any{w.Code, w.Header().Get("Location")}); d != "" {
				t.Error(d)
			}
		})
	}
}
