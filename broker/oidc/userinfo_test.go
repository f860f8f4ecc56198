package oidc

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sigill/broker"
)

// Reference 2.7 and attack rows C7, C8.
func TestUserinfo(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	got := b.redeem("basic", tokenForm(a.login(request("basic", "scope", "openid profile"), ett).Get("code")))
	cookie := a.cookies[SessionCookie]
	good := got.text("access_token")
	header := func(method, v string) *http.Request {
		r := httptest.NewRequest(method, "/userinfo", nil)
		r.Header.Set("Authorization", v)
		return r
	}
	twice := header("GET", "Bearer "+good)
	twice.Header.Add("Authorization", "Bearer "+good)
	both := postRequest("/userinfo", "access_token="+good)
	both.Header.Set("Authorization", "Bearer "+good)
	query := header("GET", "Bearer "+good)
	query.URL.RawQuery = "access_token=" + good
	for name, row := range map[string]struct {
		r      *http.Request
		status int
		err    string
	}{
		"GET":                   {header("GET", "Bearer "+good), 200, ""},
		"POST":                  {header("POST", "Bearer "+good), 200, ""},
		"POST, body":            {postRequest("/userinfo", "access_token="+good), 200, ""},
		"scheme in lower case":  {header("GET", "bearer "+good), 200, ""},
		"nothing":               {newGet("/userinfo"), 401, ""},
		"basic":                 {header("GET", "Basic abc"), 401, ""},
		"empty":                 {header("GET", "Bearer "), 401, errInvalidToken},
		"unknown":               {header("GET", "Bearer "+forged()), 401, errInvalidToken},
		"the session's cookie":  {header("GET", "Bearer "+cookie), 401, errInvalidToken},
		"garbage":               {header("GET", "Bearer ../../x\""), 401, errInvalidToken},
		"half a token":          {header("GET", "Bearer "+good[:22]), 401, errInvalidToken},
		"another secret":        {header("GET", "Bearer "+good[:23]+broker.NewSecret()), 401, errInvalidToken},
		"a code":                {header("GET", "Bearer "+b.code("basic")), 401, errInvalidToken},
		"ID Token":              {header("GET", "Bearer "+got.text("id_token")), 401, errInvalidToken},
		"in the query":          {newGet("/userinfo?access_token=" + good), 400, errInvalidRequest},
		"in query and header":   {query, 400, errInvalidRequest},
		"in the query, encoded": {newGet("/userinfo?%61ccess_token=" + good), 400, errInvalidRequest},
		"two headers":           {twice, 400, errInvalidRequest},
		"header and body":       {both, 400, errInvalidRequest},
		"twice in the body":     {postRequest("/userinfo", "access_token="+good+"&access_token="+good), 400, errInvalidRequest},
		"body too large":        {postRequest("/userinfo", "a="+strings.Repeat("b", maxBody)), 400, errInvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			w := recorder()
			b.mux.ServeHTTP(w, row.r)
			challenge := w.Header().Get("WWW-Authenticate")
			if w.Code != row.status || (row.status != 200) != strings.HasPrefix(challenge, `Bearer realm="`) || row.err != "" && !strings.Contains(challenge, `error="`+row.err+`"`) ||
				row.err == "" && strings.Contains(challenge, "error") {
				t.Errorf("%d %q", w.Code, challenge)
			}
			if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Access-Control-Allow-Origin") != "*" || strings.Contains(challenge, good) {
				t.Errorf("%v", w.Header())
			}
			if row.status == 200 && (!strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") || !strings.Contains(w.Body.String(), "Testperson")) {
				t.Errorf("%s", w.Body)
			}
		})
	}
	b.clock.Add(5 * time.Minute)
	if status, _ := b.userinfoOf(good); status != 401 {
		t.Errorf("expired: %d", status)
	}
}

func TestUserinfoOfARemovedClient(t *testing.T) {
	b := newBench(t)
	token := b.redeem("basic", tokenForm(b.code("basic"))).text("access_token")
	delete(b.clients, "basic")
	if status, _ := b.userinfoOf(token); status != 401 {
		t.Error(status)
	}
}

// Signed where the client or its profile says so, by the key we publish.
func TestUserinfoFormat(t *testing.T) {
	for name, row := range map[string]struct {
		client string
		change func(*broker.Client)
		alg    string
	}{
		"basic":            {"basic", func(*broker.Client) {}, ""},
		"basic, RS256":     {"basic", func(c *broker.Client) { c.UserinfoAlg = RS256 }, RS256},
		"sweden":           {"sweden", func(*broker.Client) {}, ES256},
		"sweden, RS256":    {"sweden", func(c *broker.Client) { c.IDTokenAlg = RS256 }, RS256},
		"sweden, explicit": {"sweden", func(c *broker.Client) { c.IDTokenAlg, c.UserinfoAlg = RS256, ES256 }, ES256},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.change(row.client, row.change)
			token := b.redeem(row.client, tokenForm(b.code(row.client))).text("access_token")
			r := newGet("/userinfo")
			r.Header.Set("Authorization", "Bearer "+token)
			w := recorder()
			b.mux.ServeHTTP(w, r)
			if row.alg == "" {
				if w.Header().Get("Content-Type") != "application/json" {
					t.Error(w.Header())
				}
				return
			}
			head, _ := object(segment(strings.Split(w.Body.String(), ".")[0]))
			if w.Header().Get("Content-Type") != "application/jwt" || head.text("alg") != row.alg || head.text("kid") == "" {
				t.Errorf("%v %s", w.Header(), w.Body)
			}
			c := payload(t, w.Body.String())
			if c["iss"] != issuer || c["aud"] != row.client || c["sub"] == nil {
				t.Errorf("%v", c)
			}
		})
	}
}
