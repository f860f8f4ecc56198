package oidc

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sigill/broker"
	"sigill/broker/kit/audit"
)

const loggedOutAt = "https://rp.example.se/"

// signedIn is a browser with a session, its ID Token and sid.
func (b *bench) signedIn(client string) (a *agent, token, sid string) {
	b.t.Helper()
	a = b.agent()
	token = b.redeem(client, tokenForm(a.login(request(client), ett).Get("code"))).text("id_token")
	return a, token, payload(b.t, token)["sid"].(string)
}

// hasSession asks the provider itself.
func (a *agent) hasSession(client string) bool {
	return a.b.response(a.ask(request(client, "prompt", "none"))).Get("code") != ""
}

// Reference 2.8 and attack row S13. Each row is tried by GET and by POST.
func TestLogout(t *testing.T) {
	const (
		asked    = "asked"   // a question, and the session lives until it is answered
		done     = "done"    // logged out, our own page
		onward   = "onward"  // logged out, sent on
		refused  = "refused" // an error page, nothing happened
		nowhere  = ""        // the answer to the question ends on our page
		withX    = "https://rp.example.se/out?x=1"
		withXs   = withX + "&state=s+1%26"
		plain    = loggedOutAt
		withGone = "https://rp.example.se/gone"
	)
	for name, row := range map[string]struct {
		params func(token, sid string) url.Values
		want   string
		to     string // where one ends, after a yes if there was a question
	}{
		"hint and address": {func(tk, _ string) url.Values {
			return url.Values{"id_token_hint": {tk}, "post_logout_redirect_uri": {plain}}
		}, onward, plain},
		"with state": {func(tk, _ string) url.Values {
			return url.Values{"id_token_hint": {tk}, "post_logout_redirect_uri": {withX}, "state": {"s 1&"}}
		}, onward, withXs},
		"hint and client_id": {func(tk, _ string) url.Values {
			return url.Values{"id_token_hint": {tk}, "client_id": {"basic"}, "post_logout_redirect_uri": {plain}}
		}, onward, plain},
		"sid as logout_hint": {func(_, sid string) url.Values {
			return url.Values{"client_id": {"basic"}, "logout_hint": {sid}, "post_logout_redirect_uri": {plain}}
		}, onward, plain},
		"hint alone":    {func(tk, _ string) url.Values { return url.Values{"id_token_hint": {tk}} }, done, nowhere},
		"nothing":       {func(_, _ string) url.Values { return url.Values{} }, asked, nowhere},
		"only state":    {func(_, _ string) url.Values { return url.Values{"state": {"x"}} }, asked, nowhere},
		"address alone": {func(_, _ string) url.Values { return url.Values{"post_logout_redirect_uri": {plain}} }, asked, nowhere},
		"client and address": {func(_, _ string) url.Values {
			return url.Values{"client_id": {"basic"}, "post_logout_redirect_uri": {plain}}
		}, asked, plain},
		"a wrong sid": {func(_, _ string) url.Values {
			return url.Values{"client_id": {"basic"}, "logout_hint": {"other"}, "post_logout_redirect_uri": {plain}}
		}, asked, plain},
		"sid without client": {func(_, sid string) url.Values {
			return url.Values{"logout_hint": {sid}, "post_logout_redirect_uri": {plain}}
		}, asked, nowhere},
		"sid by a client outside the group": {func(_, sid string) url.Values {
			return url.Values{"client_id": {"post"}, "logout_hint": {sid}, "post_logout_redirect_uri": {plain}}
		}, asked, plain},
		"unregistered address": {func(tk, _ string) url.Values {
			return url.Values{"id_token_hint": {tk}, "post_logout_redirect_uri": {withGone}, "state": {"x"}}
		}, asked, nowhere},
		"address with a query added": {func(tk, _ string) url.Values {
			return url.Values{"id_token_hint": {tk}, "post_logout_redirect_uri": {plain + "?foo=bar"}}
		}, asked, nowhere},
		"address with a fragment": {func(tk, _ string) url.Values {
			return url.Values{"id_token_hint": {tk}, "post_logout_redirect_uri": {plain + "#x"}}
		}, asked, nowhere},
		"javascript address": {func(tk, _ string) url.Values {
			return url.Values{"id_token_hint": {tk}, "post_logout_redirect_uri": {"javascript:alert(1)"}}
		}, asked, nowhere},
		"hint with alg none": {func(tk, _ string) url.Values {
			return url.Values{"id_token_hint": {b64(`{"alg":"none"}`) + "." + strings.Split(tk, ".")[1] + "."}, "post_logout_redirect_uri": {plain}}
		}, asked, nowhere},
		"hint of a foreign key": {func(tk, _ string) url.Values {
			return url.Values{"id_token_hint": {rawJWT(`{"alg":"ES256","kid":"ec-1","typ":"JWT"}`, string(segment(strings.Split(tk, ".")[1])), ecOther())}, "client_id": {"basic"}, "post_logout_redirect_uri": {plain}}
		}, asked, nowhere},
		"hint of another client": {func(tk, _ string) url.Values {
			return url.Values{"id_token_hint": {tk}, "client_id": {"post"}, "post_logout_redirect_uri": {plain}}
		}, refused, nowhere},
		"unknown client": {func(_, sid string) url.Values {
			return url.Values{"client_id": {"nobody"}, "logout_hint": {sid}, "post_logout_redirect_uri": {plain}}
		}, refused, nowhere},
	} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(name+" "+method, func(t *testing.T) {
				b := newBench(t)
				a, token, sid := b.signedIn("basic")
				q := row.params(token, sid)
				var resp *http.Response
				if method == "GET" {
					resp = a.get("/logout?" + q.Encode())
				} else if resp = a.post("/logout", q); resp.StatusCode == 303 {
					at := resp.Header.Get("Location")
					if !strings.HasPrefix(at, issuer+"/logout/") || !a.hasSession("basic") {
						t.Fatalf("the POST did more than wait: %q", at)
					}
					resp = a.get(at)
					if again := a.get(at); again.Header.Get("X-Fault") != FaultExpired {
						t.Error("the handle worked twice")
					}
				}
				if row.want == refused {
					if resp.Header.Get("X-Fault") == "" || resp.Header.Get("Location") != "" || !a.hasSession("basic") {
						t.Errorf("%s %v", resp.Status, resp.Header)
					}
					return
				}
				if row.want == asked {
					if resp.Header.Get("X-Logout") != "confirm=true" || resp.Header.Get("Location") != "" || !a.hasSession("basic") {
						t.Fatalf("%s %v", resp.Status, resp.Header)
					}
					resp = a.post(b.pages.view.Action, nil)
				}
				if got := resp.Header.Get("Location"); got != row.to || (row.to == "") != (resp.Header.Get("X-Logout") == "confirm=false") {
					t.Errorf("ends at %q, page %q", got, resp.Header.Get("X-Logout"))
				}
				if a.cookies[SessionCookie] != "" || a.hasSession("basic") || !b.records.has(audit.SessionEnded, "") {
					t.Error("still logged in")
				}
			})
		}
	}
}

// Logging out twice is no error, and goes to registered addresses only.
func TestLogoutWithoutSession(t *testing.T) {
	b := newBench(t)
	_, token, _ := b.signedIn("basic")
	for name, row := range map[string]struct {
		q  url.Values
		to string
	}{
		"nothing":              {nil, ""},
		"hint":                 {url.Values{"id_token_hint": {token}, "post_logout_redirect_uri": {loggedOutAt}, "state": {"x"}}, loggedOutAt + "?state=x"},
		"expired sid":          {url.Values{"client_id": {"basic"}, "logout_hint": {"x"}, "post_logout_redirect_uri": {loggedOutAt}}, loggedOutAt},
		"unregistered address": {url.Values{"client_id": {"basic"}, "post_logout_redirect_uri": {"https://evil.example.com/"}}, ""},
		"no client":            {url.Values{"post_logout_redirect_uri": {loggedOutAt}}, ""},
		"forged hint":          {url.Values{"client_id": {"basic"}, "id_token_hint": {"a.b.c"}, "post_logout_redirect_uri": {loggedOutAt}}, ""},
	} {
		resp := b.agent().get("/logout?" + row.q.Encode())
		if resp.Header.Get("Location") != row.to || resp.Header.Get("X-Fault") != "" {
			t.Errorf("%s: %q %q", name, resp.Header.Get("Location"), resp.Header.Get("X-Fault"))
		}
	}
}

// The hint of an earlier session of the same person does not end a later one
// unasked.
// Whoever knew the browser's secret, which lasts for a year, knows nothing after
// a logout. Without a session there is nothing to leave, and a link to the
// logout on another site must not spoil a login under way.
func TestLogoutRenewsTheBrowser(t *testing.T) {
	const browser = "sigill_browser"
	b := newBench(t)
	a := b.agent()
	pending := loginID(a.ask(request("post")))
	before := a.cookies[browser]
	a.get("/logout")
	if a.cookies[browser] != before {
		t.Error("renewed without a session")
	}
	for _, ask := range []bool{false, true} {
		token := b.redeem("basic", tokenForm(a.login(request("basic", "prompt", "login"), ett).Get("code"))).text("id_token")
		before := a.cookies[browser]
		if ask {
			a.get("/logout")
			if a.cookies[browser] != before {
				t.Error("renewed before the answer")
			}
			a.post(b.pages.view.Action, nil)
		} else {
			a.get("/logout?id_token_hint=" + token)
		}
		if now := a.cookies[browser]; now == before || len(now) != 43 {
			t.Errorf("asked: %t: %q after %q", ask, now, before)
		}
	}
	if _, _, _, err := b.Pending(t.Context(), pending, before); err != nil {
		t.Errorf("the pending login itself is touched: %v", err)
	}
	if _, err := a.prove(pending, ett); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("a login of before goes on: %v", err)
	}
	if next := loginID(a.ask(request("post"))); next == "" {
		t.Error("no login after it")
	} else if _, err := a.prove(next, ett); err != nil {
		t.Error(err)
	}
}

func TestLogoutHintOfAnotherSession(t *testing.T) {
	b := newBench(t)
	_, old, oldSID := b.signedIn("basic")
	a, _, _ := b.signedIn("basic")
	for _, q := range []url.Values{{"id_token_hint": {old}}, {"client_id": {"basic"}, "logout_hint": {oldSID}}} {
		if resp := a.get("/logout?" + q.Encode()); resp.Header.Get("X-Logout") != "confirm=true" || !a.hasSession("basic") {
			t.Errorf("%v", resp.Header)
		}
	}
}

// Another site cannot press the button, and a question answers for the session
// that saw it only.
func TestLogoutConfirmation(t *testing.T) {
	b := newBench(t)
	a, _, _ := b.signedIn("basic")
	victim, _, _ := b.signedIn("basic")
	ask := func(who *agent) string {
		who.get("/logout?client_id=basic&post_logout_redirect_uri=" + url.QueryEscape(loggedOutAt))
		return b.pages.view.Action
	}
	for header, v := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example.com"} {
		r := postRequest(ask(a), "")
		r.Header.Set(header, v)
		if resp := a.do(r); resp.StatusCode != 403 || resp.Header.Get("X-Fault") != FaultCrossSite || !a.hasSession("basic") {
			t.Errorf("%s: %s", header, resp.Status)
		}
	}
	// The attacker's own question, posted in the victim's browser.
	if resp := victim.post(ask(a), nil); resp.Header.Get("X-Fault") != FaultExpired || !victim.hasSession("basic") {
		t.Errorf("%s", resp.Status)
	}
	// A stored request is not a yes, a question is not a stored request.
	stored := a.post("/logout", url.Values{}).Header.Get("Location")
	if resp := a.post(stored, nil); resp.Header.Get("X-Fault") != FaultExpired || !a.hasSession("basic") {
		t.Errorf("%s", resp.Status)
	}
	if resp := a.get(ask(a)); resp.Header.Get("X-Fault") == "" || !a.hasSession("basic") {
		t.Errorf("%s", resp.Status)
	}
	action := ask(a)
	if resp := a.post(action, nil); resp.Header.Get("Location") != loggedOutAt || a.cookies[SessionCookie] != "" {
		t.Errorf("%s", resp.Status)
	}
	if resp := a.post(action, nil); resp.Header.Get("X-Fault") != FaultExpired {
		t.Errorf("a yes counted twice: %s", resp.Status)
	}
}

func TestLogoutOfRemovedClient(t *testing.T) {
	b := newBench(t)
	a, _, _ := b.signedIn("basic")
	a.get("/logout?client_id=basic&post_logout_redirect_uri=" + url.QueryEscape(loggedOutAt))
	delete(b.clients, "basic")
	if resp := a.post(b.pages.view.Action, nil); resp.Header.Get("X-Logout") != "confirm=false" || resp.Header.Get("Location") != "" {
		t.Errorf("%s %q", resp.Status, resp.Header.Get("Location"))
	}
}

func TestLogoutMalformed(t *testing.T) {
	b := newBench(t)
	for name, row := range map[string]struct {
		query  string
		status int
		code   string
	}{
		"twice":   {"state=a&state=b", 400, FaultMalformed},
		"NUL":     {"state=%00", 400, FaultMalformed},
		"large":   {"state=" + strings.Repeat("a", 70<<10), 414, FaultTooLarge},
		"state":   {"state=" + strings.Repeat("a", maxState+1), 413, FaultTooLarge},
		"handles": {"", 400, FaultExpired},
	} {
		a := b.agent()
		resp := a.get("/logout?" + row.query)
		if name == "handles" {
			resp = a.get("/logout/nothing")
		}
		if resp.StatusCode != row.status || resp.Header.Get("X-Fault") != row.code {
			t.Errorf("%s: %s %q", name, resp.Status, resp.Header.Get("X-Fault"))
		}
	}
}

// A stranger's POST is kept for a moment: as little of it as we need.
func TestLogoutKeepsLittle(t *testing.T) {
	b := newBench(t)
	resp := b.agent().post("/logout", url.Values{"x": {strings.Repeat("a", 60<<10)}, "state": {"s 1&"}})
	if resp.StatusCode != 303 {
		t.Fatal(resp.Status)
	}
	for key, row := range b.short.rows {
		if len(row.value) > 100 || !strings.Contains(string(row.value), "s+1%26") {
			t.Errorf("%q: %d bytes are kept", key, len(row.value))
		}
	}
	if b.short.count(kindLogout) != 1 {
		t.Error("nothing is kept")
	}
	resp = b.agent().post("/logout", url.Values{"state": {strings.Repeat("a", maxState)}, "logout_hint": {strings.Repeat("a", maxLogout)}})
	if resp.StatusCode != 413 || b.short.count(kindLogout) != 1 {
		t.Errorf("much that is known: %s", resp.Status)
	}
}

// O2: a session whose end cannot be written down does not seem ended.
func TestLogoutIsRecorded(t *testing.T) {
	b := newBench(t)
	a, token, _ := b.signedIn("basic")
	b.records.fail = fmt.Errorf("disk full")
	if resp := a.get("/logout?id_token_hint=" + token); resp.StatusCode != 500 {
		t.Error(resp.Status)
	}
	b.records.fail = nil
	if !a.hasSession("basic") {
		t.Error("gone without a record")
	}
}

// The access token of the login ends with its session; so does a code that
// nobody has exchanged yet.
func TestLogoutEndsTheToken(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	got := b.redeem("basic", tokenForm(a.login(request("basic"), ett).Get("code")))
	a.get("/logout?id_token_hint=" + got.text("id_token"))
	if status, _ := b.userinfoOf(got.text("access_token")); status != 401 {
		t.Errorf("the token lives: %d", status)
	}
	v := a.login(request("basic"), ett)
	a.get("/logout")
	a.post(b.pages.view.Action, nil)
	if got := b.redeem("basic", tokenForm(v.Get("code"))); got.err() != errInvalidGrant {
		t.Errorf("%v", got.body)
	}
}

// A replayed code ends its token and leaves the person logged in.
func TestReplayLeavesTheSession(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	code := a.login(request("basic"), ett).Get("code")
	b.redeem("basic", tokenForm(code))
	b.redeem("basic", tokenForm(code))
	if !a.hasSession("basic") {
		t.Error("the session ended")
	}
}
