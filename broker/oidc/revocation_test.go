package oidc

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
)

// revokeRequest is a client's wish that a token end, by the client's own method.
func (b *bench) revokeRequest(client, token string, more ...string) *http.Request {
	form := url.Values{"token": {token}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	r := b.tokenRequest(client, form)
	r.URL.Path, r.RequestURI = "/revoke", "/revoke"
	return r
}

func (b *bench) revokes(client, token string, more ...string) answerOf {
	b.t.Helper()
	return b.json(b.revokeRequest(client, token, more...))
}

func (b *bench) alive(token string) bool {
	status, _ := b.userinfoOf(token)
	return status == 200
}

func (b *bench) embed(clients ...string) {
	for _, id := range clients {
		b.change(id, func(c *broker.Client) { c.Embedded = true })
	}
}

// tokenOf logs somebody in and gives the access token.
func (a *agent) tokenOf(client string) string {
	a.b.t.Helper()
	return a.b.redeem(client, tokenForm(a.login(request(client), ett).Get("code"))).text("access_token")
}

// Each way that a client proves itself ends its token, and nothing else.
func TestRevoke(t *testing.T) {
	for client := range maps.Keys(newBench(t).clients) {
		for name, hint := range map[string][]string{
			"no hint": nil, "hint": {"token_type_hint", "access_token"}, "wrong hint": {"token_type_hint", "refresh_token"}, "unknown hint": {"token_type_hint", "x"},
		} {
			t.Run(client+" "+name, func(t *testing.T) {
				b := newBench(t)
				a := b.agent()
				token, other := a.tokenOf(client), b.agent().tokenOf(client)
				if !b.alive(token) {
					t.Fatal("the token does not work to begin with")
				}
				got := b.revokes(client, token, hint...)
				if got.status != 200 || len(got.body) != 0 || got.header.Get("Cache-Control") != "no-store" {
					t.Errorf("%d %v %v", got.status, got.body, got.header)
				}
				if b.alive(token) || !b.alive(other) {
					t.Error("the token lives, or another does not")
				}
				if !a.hasSession(client) || b.records.has(audit.SessionEnded, "*") {
					t.Error("the session ended with it")
				}
				if b.records.count(audit.TokenRevoked) != 1 {
					t.Error("no record of it")
				}
				if got := b.revokes(client, token); got.status != 200 || b.records.count(audit.TokenRevoked) != 1 {
					t.Error("a second time is something else")
				}
			})
		}
	}
}

// Whoever has no right to it ends nothing, and does not learn whether there is
// such a token.
func TestRevokeRefuses(t *testing.T) {
	for name, row := range map[string]struct {
		request func(b *bench, token string) *http.Request
		status  int
		err     string
	}{
		"unknown":      {func(b *bench, _ string) *http.Request { return b.revokeRequest("basic", forged()) }, 200, ""},
		"no token":     {func(b *bench, _ string) *http.Request { return b.revokeRequest("basic", "x y") }, 200, ""},
		"another's":    {func(b *bench, tk string) *http.Request { return b.revokeRequest("post", tk) }, 200, ""},
		"other secret": {func(b *bench, tk string) *http.Request { return b.revokeRequest("basic", tk[:23]+broker.NewSecret()) }, 200, ""},
		"empty":        {func(b *bench, _ string) *http.Request { return b.revokeRequest("basic", "") }, 400, errInvalidRequest},
		"not a form": {func(b *bench, tk string) *http.Request {
			r := b.revokeRequest("basic", tk)
			r.Header.Set("Content-Type", "application/json")
			return r
		}, 400, errInvalidRequest},
		"no credentials": {func(b *bench, tk string) *http.Request { return postRequest("/revoke", "token="+tk) }, 401, errInvalidClient},
		"only client_id": {func(b *bench, tk string) *http.Request { return postRequest("/revoke", "client_id=basic&token="+tk) }, 401, errInvalidClient},
		"wrong secret": {func(b *bench, tk string) *http.Request {
			r := postRequest("/revoke", "token="+tk)
			r.SetBasicAuth("basic", "x")
			return r
		}, 401, errInvalidClient},
		"sent twice": {func(b *bench, tk string) *http.Request {
			r := postRequest("/revoke", "token="+tk+"&token="+tk)
			r.SetBasicAuth("basic", url.QueryEscape(basicSecret))
			return r
		}, 400, errInvalidRequest},
		"in the query": {func(b *bench, tk string) *http.Request {
			r := b.revokeRequest("basic", tk)
			r.URL.RawQuery = "token=" + tk
			return r
		}, 400, errInvalidRequest},
		"too large": {func(b *bench, tk string) *http.Request {
			return b.revokeRequest("basic", tk, "x", string(make([]byte, maxBody)))
		}, 413, errInvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.embed("basic", "post")
			a := b.agent()
			token := a.tokenOf("basic")
			got := b.json(row.request(b, token))
			if got.status != row.status || got.err() != row.err {
				t.Errorf("%d %v", got.status, got.body)
			}
			if !b.alive(token) || !a.hasSession("basic") || b.records.has(audit.TokenRevoked, "*") {
				t.Error("something ended")
			}
		})
	}
}

// An assertion counts once, whichever endpoint it is sent to.
func TestRevokeWithUsedAssertion(t *testing.T) {
	b := newBench(t)
	token := b.agent().tokenOf("sweden")
	form := url.Values{"token": {token}, "client_assertion_type": {assertionType}, "client_assertion": {b.assertion("sweden", nil)}}
	if got := b.json(postRequest("/revoke", form.Encode())); got.status != 200 || b.alive(token) {
		t.Errorf("%d %v", got.status, got.body)
	}
	if got := b.json(postRequest("/revoke", form.Encode())); got.status != 401 || !b.records.has(audit.ClientRefused, "replay") {
		t.Errorf("%d %v", got.status, got.body)
	}
}

// The portal ends a session that no browser is left to end, and can do so as
// long as the session lives.
func TestRevokeEndsTheSession(t *testing.T) {
	for name, after := range map[string]time.Duration{"at once": 0, "when the token is over": 20 * time.Minute, "at last": 59 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.embed("group-a")
			a, bystander := b.agent(), b.agent()
			token := a.tokenOf("group-a")
			bystander.tokenOf("group-a")
			b.clock.Add(after)
			if !a.hasSession("group-a") {
				t.Fatal("no session to begin with")
			}
			if got := b.revokes("group-a", token); got.status != 200 {
				t.Errorf("%d %v", got.status, got.body)
			}
			if a.hasSession("group-a") || b.alive(token) {
				t.Error("the session lives")
			}
			if !bystander.hasSession("group-a") || b.records.count(audit.SessionEnded) != 1 {
				t.Error("another session ended")
			}
		})
	}
	t.Run("never for another client", func(t *testing.T) {
		b := newBench(t)
		a := b.agent()
		token := a.tokenOf("group-a")
		b.clock.Add(20 * time.Minute)
		b.revokes("group-a", token)
		if !a.hasSession("group-a") || b.records.has(audit.TokenRevoked, "*") {
			t.Error("a token that is over ended something")
		}
	})
}

// Where a session answered, that very session ends, with what others of the
// group got from it as little as by a logout.
func TestRevokeEndsTheSessionThatAnswered(t *testing.T) {
	for name, after := range map[string]time.Duration{"at once": 0, "much later": 50 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.embed("group-a", "group-b")
			a := b.agent()
			a.tokenOf("group-a")
			answer := b.response(a.ask(request("group-b")))
			second := b.redeem("group-b", tokenForm(answer.Get("code"))).text("access_token")
			if second == "" || b.records.count(audit.LoginReused) != 1 {
				t.Fatal("the session did not answer")
			}
			b.clock.Add(after)
			if b.alive(second) != (after == 0) {
				t.Error("the token does not live as long as tokens do")
			}
			b.revokes("group-b", second)
			if a.hasSession("group-a") || b.alive(second) || b.records.count(audit.SessionEnded) != 1 {
				t.Error("the session lives")
			}
			if b.revokes("group-b", second); b.records.count(audit.TokenRevoked) != 1 {
				t.Error("a second time is something else")
			}
		})
	}
}

// A session that somebody changes at the same moment ends all the same.
func TestRevokeTriesAgain(t *testing.T) {
	b := newBench(t)
	b.embed("group-a")
	a := b.agent()
	token := a.tokenOf("group-a")
	conflicts := maxTries - 1
	b.short.fail = func(op, kind string) error {
		if op == "take" && kind == kindLogin && conflicts > 0 {
			conflicts--
			return broker.ErrConflict
		}
		return nil
	}
	if got := b.revokes("group-a", token); got.status != 200 || conflicts != 0 {
		t.Errorf("%d, with %d conflicts to come", got.status, conflicts)
	}
	b.short.fail = nil
	if a.hasSession("group-a") || b.alive(token) || b.records.count(audit.TokenRevoked) != 1 {
		t.Error("the session lives, or it was noted more than once")
	}
	// And never without an end.
	token = a.tokenOf("group-a")
	b.short.fail = func(op, kind string) error {
		if op == "take" && kind == kindLogin {
			return broker.ErrConflict
		}
		return nil
	}
	if got := b.revokes("group-a", token); got.status == 200 {
		t.Error("it did not end, and nothing is said of it")
	}
}

// Somebody else has logged in since: the later session is not the earlier one.
func TestRevokeOfAReplacedLogin(t *testing.T) {
	b := newBench(t)
	b.embed("group-a")
	a := b.agent()
	first := a.tokenOf("group-a")
	second := b.redeem("group-a", tokenForm(a.login(request("group-a", "prompt", "login"), tva).Get("code"))).text("access_token")
	b.revokes("group-a", first)
	if b.alive(first) || !b.alive(second) || !a.hasSession("group-a") {
		t.Error("the token lives, or the later session does not")
	}
}

// A code's record is not kept longer for anybody but the portal.
func TestReusedCodeIsShort(t *testing.T) {
	for _, embedded := range []bool{false, true} {
		b := newBench(t)
		if embedded {
			b.embed("group-b")
		}
		a := b.agent()
		a.tokenOf("group-a")
		code := b.response(a.ask(request("group-b"))).Get("code")
		b.clock.Add(b.CodeLife)
		if got := b.redeem("group-b", tokenForm(code)); got.err() != errInvalidGrant {
			t.Errorf("an old code: %d %v", got.status, got.body)
		}
		id, _, _ := split(code)
		if _, _, err := b.short.Get(t.Context(), kindLogin, id); errors.Is(err, broker.ErrNotFound) == embedded {
			t.Errorf("embedded %t: %v", embedded, err)
		}
	}
}

func TestRevokeOwnToken(t *testing.T) {
	b := newBench(t)
	b.signer()
	token, other := b.ownToken("signer"), b.ownToken("signer")
	if b.revokes("basic", token); b.records.has(audit.TokenRevoked, "*") {
		t.Error("another client ended it")
	}
	if got := b.revokes("signer", token); got.status != 200 || !b.records.has(audit.TokenRevoked, grantClient) {
		t.Errorf("%d %v", got.status, got.body)
	}
	b.wantNoBearer(token)
	if _, _, err := b.Bearer(t.Context(), other); err != nil {
		t.Error("another token ended")
	}
}

// What is not written down does not happen, and the client is told so.
func TestRevokeWithoutRecord(t *testing.T) {
	b := newBench(t)
	b.embed("basic")
	a := b.agent()
	token := a.tokenOf("basic")
	b.records.fail = errors.New("disk")
	if got := b.revokes("basic", token); got.status != 500 {
		t.Errorf("%d %v", got.status, got.body)
	}
	b.records.fail = nil
	if !b.alive(token) || !a.hasSession("basic") {
		t.Error("it happened")
	}
}

// Many at a time, beside others who use the login: it is over afterwards.
func TestRaceRevoke(t *testing.T) {
	b := raceBench(t)
	b.embed("any")
	for range rounds() {
		a := b.agent()
		token := a.tokenOf("any")
		race(func(n int) bool {
			if n%2 == 1 {
				b.alive(token)
				return false
			}
			form := url.Values{"token": {token}, "client_id": {"any"}, "client_secret": {anySecret}}
			if got := b.json(postRequest("/revoke", form.Encode())); got.status != 200 {
				t.Errorf("%d %v", got.status, got.body)
			}
			return true
		})
		if b.alive(token) || a.hasSession("any") {
			t.Fatal("it lives")
		}
	}
}
