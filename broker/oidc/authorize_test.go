package oidc

import (
	"net/http"
	"net/http/httptest"
	"path"
	"reflect"
	"strings"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/page"
	"sigill/providers"
)

// R1, R2: an address that is not registered byte for byte gets a page and
// nothing else.
func TestRedirectURIIsExact(t *testing.T) {
	b := newBench(t)
	for _, uri := range []string{
		"https://rp.example.se/cb/", "https://rp.example.se/cb/more", "https://rp.example.se/cb2", "https://rp.example.se.evil.example.com/cb",
		"https://evil.rp.example.se/cb", "https://rp.example.se@evil.example.com/cb", "https://evil.example.com\\@rp.example.se/cb",
		"https:\\\\rp.example.se/cb", "https:rp.example.se/cb", "//rp.example.se/cb", "/cb", "https://RP.example.se/cb", "https://rp.example.se/CB",
		"https://rp.example.se/x/../cb", "https://rp.example.se/x/%2e%2e/cb", "https://rp.example.se/%63b", "https://rp.example.se/%2563b",
		"https://rp.example.se/cb?x=1", "https://rp.example.se/cb?keep=1&x=2", "https://rp.example.se/cb?keep=2", "https://rp.example.se/cb#f",
		"https://rp.example.se:443/cb", "https://rp.example.se:8443/cb", "http://rp.example.se/cb", "javascript:alert(1)", "https://rp.exаmple.se/cb",
		"https://xn--rp-exmple-7fb.se/cb", "http://[::1]/cb", "http://127.0.0.1/cb", " https://rp.example.se/cb", "https://rp.example.se/cb ",
		"https://rp.example.se/cb\r\nSet-Cookie: a=b", "https://rp.example.se/",
	} {
		for _, client := range []string{"basic", "sweden"} {
			resp := b.agent().ask(request(client, "redirect_uri", uri, "scope", "bad"))
			if resp.StatusCode != 400 || resp.Header.Get("X-Fault") != FaultRedirect || resp.Header.Get("Location") != "" {
				t.Errorf("%q: %s, location %q, fault %q", uri, resp.Status, resp.Header.Get("Location"), resp.Header.Get("X-Fault"))
			}
		}
	}
	if !b.records.has(audit.InputRefused, FaultRedirect) {
		t.Error("nothing in the audit")
	}
}

// R4: not even a registration makes an address with a fragment one to send to.
func TestRegisteredFragmentIsNotUsed(t *testing.T) {
	b := newBench(t)
	b.change("basic", func(c *broker.Client) { c.RedirectURIs = append(c.RedirectURIs, "https://rp.example.se/cb#x") })
	if resp := b.agent().ask(request("basic", "redirect_uri", "https://rp.example.se/cb#x")); resp.Header.Get("X-Fault") != FaultRedirect {
		t.Error(resp.Status)
	}
}

// Everything that must end on our own page, with its status.
func TestFaults(t *testing.T) {
	good := request("basic").Encode()
	for name, row := range map[string]struct {
		query  string
		status int
		code   string
	}{
		"no client":              {request("basic", "client_id", "").Encode(), 400, FaultClient},
		"unknown client":         {request("nobody").Encode(), 400, FaultClient},
		"client of other case":   {request("Basic").Encode(), 400, FaultClient},
		"client twice":           {good + "&client_id=basic", 400, FaultMalformed},
		"redirect_uri twice":     {good + "&redirect_uri=https://rp.example.se/cb", 400, FaultRedirect},
		"redirect_uri absent":    {request("basic", "redirect_uri", "").Encode(), 400, FaultRedirect},
		"NUL":                    {good + "&a=%00", 400, FaultMalformed},
		"bad UTF-8":              {good + "&a=%ff", 400, FaultMalformed},
		"bad escape":             {good + "&a=%g", 400, FaultMalformed},
		"1000 parameters":        {good + strings.Repeat("&a=b", 1000), 413, FaultTooLarge},
		"64 KiB":                 {good + "&a=" + strings.Repeat("b", 64<<10), 414, FaultTooLarge},
		"state over the limit":   {request("basic", "state", strings.Repeat("a", maxState+1)).Encode(), 400, FaultTooLarge},
		"mode that we lack":      {request("basic", "response_mode", "fragment").Encode(), 400, FaultResponseMode},
		"redirect in the object": {"client_id=basic&request=eyJhbGciOiJub25lIn0.e30.", 400, FaultRedirect},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			resp := b.agent().get("/authorize?" + row.query)
			if resp.StatusCode != row.status || resp.Header.Get("X-Fault") != row.code || resp.Header.Get("Location") != "" {
				t.Errorf("%s, fault %q, location %q; want %d %q", resp.Status, resp.Header.Get("X-Fault"), resp.Header.Get("Location"), row.status, row.code)
			}
			if !b.records.has(audit.InputRefused, row.code) {
				t.Error("nothing in the audit")
			}
			if row.query == request("nobody").Encode() && b.records.events[0].Client != "" {
				t.Error("the audit holds text from outside")
			}
		})
	}
}

// A malformed request may not break something by POST that it cannot by GET.
func TestFaultsByPost(t *testing.T) {
	b := newBench(t)
	good := request("basic").Encode()
	plain := postRequest("/authorize", good)
	plain.Header.Set("Content-Type", "text/plain")
	for name, row := range map[string]struct {
		r      *http.Request
		status int
		code   string
	}{
		"too large":      {postRequest("/authorize", good+"&a="+strings.Repeat("b", maxBody)), 413, FaultTooLarge},
		"query and body": {postRequest("/authorize?client_id=basic", good), 400, FaultMalformed},
		"not a form":     {plain, 400, FaultMalformed},
		"unknown client": {postRequest("/authorize", request("nobody").Encode()), 400, FaultClient},
		"bad redirect":   {postRequest("/authorize", request("basic", "redirect_uri", "https://evil.example.com/").Encode()), 400, FaultRedirect},
	} {
		resp := b.agent().do(row.r)
		if resp.StatusCode != row.status || resp.Header.Get("X-Fault") != row.code {
			t.Errorf("%s: %s %q", name, resp.Status, resp.Header.Get("X-Fault"))
		}
	}
	if b.short.count(kindRequest) != 0 {
		t.Error("a refused request was kept")
	}
}

// What we do not know of a posted request takes no room, and what we know of it
// is all there when it is taken up again.
func TestPostedRequestIsKeptWithoutTheRest(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	q := request("basic", "nonce", "n", "ui_locales", "en", "max_age", "100", "acr_values", acrUncertified3, "prompt", "login")
	resp := a.do(postRequest("/authorize", q.Encode()+"&junk="+strings.Repeat("b", 50_000)))
	if n := b.short.size(kindRequest); n == 0 || n > 1000 {
		t.Errorf("%d bytes kept", n)
	}
	login := a.do(httptest.NewRequest("GET", resp.Header.Get("Location"), nil)).Header.Get("Location")
	direct := a.do(httptest.NewRequest("GET", "/authorize?"+q.Encode(), nil)).Header.Get("Location")
	wish := func(at string) broker.Login {
		l, _, _, err := b.Pending(t.Context(), path.Base(at), a.cookies[page.BrowserCookie])
		if err != nil {
			t.Fatalf("%s: %v", at, err)
		}
		return l
	}
	got, want := wish(login), wish(direct)
	if !reflect.DeepEqual(got.Request, want.Request) || got.Lang != "en" {
		t.Errorf("%+v\nwant %+v", got.Request, want.Request)
	}
}

// Errors that go back: with code, text, state and iss, in the mode asked for.
func TestErrorsGoBack(t *testing.T) {
	for name, row := range map[string]struct {
		client  string
		changes []string
		code    string
	}{
		"scope":                 {"basic", []string{"scope", "profile"}, errInvalidScope},
		"response type":         {"basic", []string{"response_type", "token"}, errUnsupportedResponse},
		"PKCE missing":          {"sweden", []string{"code_challenge", "", "code_challenge_method", ""}, errInvalidRequest},
		"no session":            {"basic", []string{"prompt", "none"}, errLogin},
		"request object":        {"sweden", []string{"request", "x"}, errNoRequest},
		"acr impossible":        {"sweden", []string{"claims", `{"id_token":{"acr":{"essential":true,"value":"` + acrLevel3 + `"}}}`}, errUnmet},
		"acr of no table":       {"sweden", []string{"claims", `{"id_token":{"acr":{"essential":true,"values":["urn:x","loa3"]}}}`}, errUnmet},
		"provider unknown":      {"sweden", []string{paramAuthnProvider, "facebook"}, errInvalidRequest},
		"provider not offered":  {"sweden", []string{paramAuthnProvider, "telia"}, errInvalidRequest},
		"hint is no token":      {"basic", []string{"id_token_hint", "a.b.c"}, errInvalidRequest},
		"acr beats the choice":  {"sweden", []string{paramAuthnProvider, "bankid", "claims", `{"id_token":{"acr":{"essential":true,"value":"` + acrLevel3 + `"}}}`}, errUnmet},
		"signature":             {"sweden", []string{"scope", "openid " + scopeSign}, errUnauthorizedClient},
		"state twice, no state": {"basic", []string{"state", "", "scope", "x"}, errInvalidScope},
	} {
		for _, mode := range []string{"query", "form_post"} {
			t.Run(name+" "+mode, func(t *testing.T) {
				b := newBench(t)
				q := request(row.client, append(row.changes, "response_mode", mode)...)
				resp := b.agent().ask(q)
				v := b.response(resp)
				if v.Get("error") != row.code || v.Get("iss") != issuer || v.Get("state") != q.Get("state") || v.Get("error_description") == "" || v.Get("code") != "" {
					t.Errorf("%v", v)
				}
				if v.Has("state") != q.Has("state") {
					t.Error("a state came from nowhere")
				}
				if (mode == "form_post") != (resp.Header.Get("X-Form-Post") != "") || mode == "form_post" && resp.Header.Get("Location") != "" {
					t.Error("sent in another mode")
				}
				if resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("Referrer-Policy") != "no-referrer" {
					t.Error("may be kept or told on")
				}
				if resp.Header.Get("Access-Control-Allow-Origin") != "" {
					t.Error("scripts of other sites may read authorization responses")
				}
				if !b.records.has(audit.LoginRefused, row.code) {
					t.Error("nothing in the audit")
				}
			})
		}
	}
}

func TestNothingIsOffered(t *testing.T) {
	b := newBench(t)
	b.infos = nil
	if v := b.response(b.agent().ask(request("basic"))); v.Get("error") != errUnavailable {
		t.Errorf("%v", v)
	}
}

// R6: state comes back byte for byte, and cannot break out.
func TestStateComesBack(t *testing.T) {
	for _, state := range []string{
		"a b+c&d=e%20#f", "\r\nSet-Cookie: a=b", `"><script>alert(1)</script>`, "åäö 🦭", strings.Repeat("å", 4000), "ctrl\x01\x1f",
	} {
		for _, mode := range []string{"query", "form_post"} {
			b := newBench(t)
			resp := b.agent().ask(request("basic", "state", state, "prompt", "none", "response_mode", mode))
			if v := b.response(resp); v.Get("state") != state {
				t.Errorf("%q became %q", state, v.Get("state"))
			}
			if len(resp.Cookies()) > 0 {
				t.Error("a header was injected")
			}
		}
	}
}

func TestRegisteredQueryIsKept(t *testing.T) {
	b := newBench(t)
	resp := b.agent().ask(request("basic", "redirect_uri", "https://rp.example.se/cb?keep=1", "prompt", "none"))
	if l := resp.Header.Get("Location"); !strings.HasPrefix(l, "https://rp.example.se/cb?keep=1&error=login_required&") {
		t.Error(l)
	}
}

// A posted request reads no cookie: not the session, not the browser's secret.
func TestPostReadsNoCookie(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	a.login(request("basic"), ett)
	browser := a.cookies["sigill_browser"]

	resp := a.post("/authorize", request("basic", "response_mode", "form_post"))
	at := resp.Header.Get("Location")
	if resp.StatusCode != 303 || !strings.HasPrefix(at, issuer+"/authorize/") || len(resp.Cookies()) > 0 {
		t.Fatalf("%s %q %v", resp.Status, at, resp.Cookies())
	}
	if strings.ContainsAny(at, "?") || strings.Contains(at, "state-1") {
		t.Error("the request stands in the address")
	}
	v := b.response(a.get(at))
	if v.Get("code") == "" || v.Get("state") != "state-1" {
		t.Errorf("the session did not answer: %v", v)
	}
	if a.cookies["sigill_browser"] != browser {
		t.Error("the browser's secret changed")
	}
	if resp := a.get(at); resp.Header.Get("X-Fault") != FaultExpired {
		t.Errorf("the handle worked twice: %s", resp.Status)
	}
}

func TestHandleExpires(t *testing.T) {
	b := newBench(t)
	at := b.agent().post("/authorize", request("basic")).Header.Get("Location")
	b.clock.Add(handleLife)
	if resp := b.agent().get(at); resp.Header.Get("X-Fault") != FaultExpired || resp.StatusCode != 400 {
		t.Error(resp.Status)
	}
	for _, handle := range []string{"x", "..%2f..%2fetc", strings.Repeat("a", 5000), broker.NewSecret()} {
		if resp := b.agent().get("/authorize/" + handle); resp.Header.Get("X-Fault") != FaultExpired {
			t.Errorf("%.20s: %s", handle, resp.Status)
		}
	}
}

// What a request asks for is what the pages get to know.
func TestLoginHoldsTheRequest(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	id := loginID(a.ask(request("sweden", "ui_locales", "en-GB", "claims", numberClaim(ett.Number.Digits()), paramAuthnProvider, "mbankid")))
	l, c, version, err := b.Pending(t.Context(), id, a.cookies["sigill_browser"])
	if err != nil || version == 0 {
		t.Fatal(err)
	}
	if c.ID != "sweden" || l.Lang != "en" || l.Number != ett.Number || len(l.Offered) != 1 || l.Offered[0] != providers.MBankID ||
		l.Request.State != "state-1" || l.Request.Nonce != "nonce-1" || l.Expires.Sub(b.clock.Now()) != 15*time.Minute {
		t.Errorf("%+v", l)
	}
	if !b.records.has(audit.LoginAsked, "") {
		t.Error("nothing in the audit")
	}
}

// S10: levels restrict, and a preference never empties the list.
func TestOffered(t *testing.T) {
	infos := []providers.Info{
		{ID: providers.BankID, Level: providers.Level3}, {ID: providers.Telia, Level: providers.LevelUncertified3}, {ID: providers.Freja},
	}
	for name, row := range map[string]struct {
		wish broker.AuthorizationWish
		want string
		err  string
	}{
		"anything":               {broker.AuthorizationWish{}, "bankid telia", ""}, // no level is no e-ID
		"preference":             {broker.AuthorizationWish{ACRValues: []string{acrLevel3}}, "bankid", ""},
		"preference of the low":  {broker.AuthorizationWish{ACRValues: []string{acrUncertified3}}, "bankid telia", ""},
		"unknown preference":     {broker.AuthorizationWish{ACRValues: []string{"urn:x"}}, "bankid telia", ""},
		"essential":              {broker.AuthorizationWish{EssentialACR: []string{acrLevel3}}, "bankid", ""},
		"essential, unknown too": {broker.AuthorizationWish{EssentialACR: []string{"urn:x", acrUncertified3}}, "bankid telia", ""},
		"essential impossible":   {broker.AuthorizationWish{EssentialACR: []string{"http://id.elegnamnden.se/loa/1.0/loa4"}}, "", errUnmet},
		"a longer URI":           {broker.AuthorizationWish{EssentialACR: []string{acrLevel3 + "x"}}, "", errUnmet},
		"selected":               {broker.AuthorizationWish{AuthnProvider: "telia"}, "telia", ""},
		"selected too weak":      {broker.AuthorizationWish{AuthnProvider: "telia", EssentialACR: []string{acrLevel3}}, "", errUnmet},
		"selected, preference":   {broker.AuthorizationWish{AuthnProvider: "telia", ACRValues: []string{acrLevel3}}, "telia", ""},
		"selected, not offered":  {broker.AuthorizationWish{AuthnProvider: "mbankid"}, "", errInvalidRequest},
	} {
		ids, refused := offer(infos, row.wish)
		got, code := "", ""
		for i, id := range ids {
			if i > 0 {
				got += " "
			}
			got += string(id)
		}
		if refused != nil {
			code = refused.code
		}
		if got != row.want || code != row.err {
			t.Errorf("%s: %q %q, want %q %q", name, got, code, row.want, row.err)
		}
	}
}

func TestStatedLevel(t *testing.T) {
	for name, row := range map[string]struct {
		level providers.Level
		wish  broker.AuthorizationWish
		want  string
		ok    bool
	}{
		"own":                    {providers.LevelUncertified3, broker.AuthorizationWish{}, acrUncertified3, true},
		"own 3":                  {providers.Level3, broker.AuthorizationWish{}, acrLevel3, true},
		"none":                   {providers.LevelNone, broker.AuthorizationWish{}, "", false},
		"never raised":           {providers.LevelUncertified3, broker.AuthorizationWish{EssentialACR: []string{acrLevel3}}, "", false},
		"wish never raises":      {providers.LevelUncertified3, broker.AuthorizationWish{ACRValues: []string{acrLevel3}}, acrUncertified3, true},
		"lowered as asked":       {providers.Level3, broker.AuthorizationWish{EssentialACR: []string{acrUncertified3}}, acrUncertified3, true},
		"highest of essential":   {providers.Level3, broker.AuthorizationWish{EssentialACR: []string{acrUncertified3, acrLevel3}}, acrLevel3, true},
		"first reachable wish":   {providers.Level3, broker.AuthorizationWish{ACRValues: []string{"urn:x", acrUncertified3, acrLevel3}}, acrUncertified3, true},
		"essential before wish":  {providers.Level3, broker.AuthorizationWish{ACRValues: []string{acrUncertified3}, EssentialACR: []string{acrLevel3}}, acrLevel3, true},
		"none cannot be lowered": {providers.LevelNone, broker.AuthorizationWish{EssentialACR: []string{""}}, "", false},
	} {
		if got, ok := stated(row.level, row.wish); got != row.want || ok != row.ok {
			t.Errorf("%s: %q %t", name, got, ok)
		}
	}
}

// S12: addresses come from configuration.
func TestHostHeaderIsNotBelieved(t *testing.T) {
	b := newBench(t)
	r := httptest.NewRequest("GET", "/authorize?"+request("basic").Encode(), nil)
	r.Host = "evil.example.com"
	r.Header.Set("X-Forwarded-Host", "evil.example.com")
	r.Header.Set("Forwarded", "host=evil.example.com")
	if l := b.agent().do(r).Header.Get("Location"); !strings.HasPrefix(l, issuer+"/login/") {
		t.Error(l)
	}
}

func TestIssuerWithPath(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Issuer = "https://example.se/sigill" })
	if l := b.agent().get("/sigill/authorize?" + request("basic").Encode()).Header.Get("Location"); !strings.HasPrefix(l, "https://example.se/sigill/login/") {
		t.Error(l)
	}
	for _, at := range []string{"/sigill/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/sigill"} {
		if got := b.json(httptest.NewRequest("GET", at, nil)); got.text("token_endpoint") != "https://example.se/sigill/token" {
			t.Errorf("%s: %v", at, got.body)
		}
	}
}

func TestStoreFailureIsAPageOfOurs(t *testing.T) {
	b := newBench(t)
	b.short.fail = func(op, kind string) error { return errTooLarge }
	resp := b.agent().ask(request("basic"))
	if resp.StatusCode != 500 || resp.Header.Get("X-Fault") != FaultInternal {
		t.Error(resp.Status)
	}
	b.short.fail = nil
	b.records.fail = errTooLarge
	if resp := b.agent().ask(request("basic")); resp.StatusCode != 500 || b.short.count(kindLogin) != 0 {
		t.Error("a login began that the audit does not know of")
	}
}

func TestConfigIsChecked(t *testing.T) {
	b := newBench(t)
	for name, f := range map[string]func(*Config){
		"issuer with slash":    func(c *Config) { c.Issuer += "/" },
		"issuer with query":    func(c *Config) { c.Issuer += "?a" },
		"issuer relative":      func(c *Config) { c.Issuer = "op.example.se" },
		"no store":             func(c *Config) { c.Short = nil },
		"long ID Token":        func(c *Config) { c.IDTokenLife = 6 * time.Minute },
		"long code":            func(c *Config) { c.CodeLife = 61 * time.Second },
		"long session":         func(c *Config) { c.SessionLife = 61 * time.Minute },
		"negative access life": func(c *Config) { c.TokenLife = -1 },
	} {
		cfg := b.Config
		f(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestSecretsDoNotReachTheLog(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	v := a.login(request("basic", "scope", "openid "+scopePersonNumber, "claims", numberClaim(ett.Number.Digits())), ett)
	got := b.redeem("basic", tokenForm(v.Get("code")))
	b.redeem("basic", tokenForm(v.Get("code")))
	b.records.fail = errTooLarge
	b.redeem("basic", tokenForm(v.Get("code")))
	for name, secret := range map[string]string{
		"number": ett.Number.Digits(), "short number": ett.Number.Digits()[2:], "code": v.Get("code"), "token": got.text("access_token"),
		"id token": got.text("id_token"), "session": a.cookies[SessionCookie], "verifier": verifier, "state": "state-1",
	} {
		if secret == "" || strings.Contains(b.log.String(), secret) {
			t.Errorf("%s %q is in the log:\n%s", name, secret, b.log.String())
		}
	}
	for _, e := range b.records.events {
		if s := e.Client + e.Login + e.Person + e.Reason; strings.Contains(s, ett.Number.Digits()) || strings.Contains(s, v.Get("code")) {
			t.Errorf("audit: %+v", e)
		}
	}
	if b.log.Len() == 0 {
		t.Error("the log was not looked at")
	}
}
