package oidc

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"testing"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
	"sigill/broker/store"
	"sigill/broker/store/redistest"
)

// forgetful is a provider whose short-lived store can be set back to what it held
// before, and emptied.
type forgetful struct {
	*bench
	snapshot func() (restore func())
	empty    func()
}

func (s *memShort) snapshot() func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := maps.Clone(s.rows)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.rows = maps.Clone(kept)
	}
}

// withOldData runs a test in memory, and with the stores of a real installation.
func withOldData(t *testing.T, test func(t *testing.T, b forgetful)) {
	t.Run("memory", func(t *testing.T) {
		b := newBench(t)
		test(t, forgetful{b, b.short.snapshot, func() { clear(b.short.rows) }})
	})
	t.Run("redis", func(t *testing.T) {
		server := redistest.Start(t)
		b := newBench(t, func(c *Config) {
			short, err := store.OpenRedis(t.Context(), store.RedisConfig{Addresses: []string{server.Addr}, Now: c.Now})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { short.Close() })
			records, err := store.Open(t.Context(), store.Config{Place: sqldb.Place{Dir: t.TempDir()}, Now: c.Now})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { records.Close() })
			c.Short, c.Records = short, finished{records}
		})
		test(t, forgetful{b, server.Snapshot, server.Empty})
	})
}

// finished takes logins whose orders it never had.
type finished struct{ *store.Store }

func (f finished) FinishLogin(ctx context.Context, r broker.LoginRecord, events ...audit.Event) error {
	r.Order = ""
	err := f.Store.FinishLogin(ctx, r, events...)
	if errors.Is(err, broker.ErrConflict) {
		return nil // the same order: the test brings no other
	}
	return err
}

func (b *bench) wantRedeemed(got answerOf) string {
	b.t.Helper()
	if got.status != 200 {
		b.t.Fatalf("not redeemed: %d %v", got.status, got.body)
	}
	return got.text("access_token")
}

func (b *bench) wantRefused(got answerOf, code string) {
	b.t.Helper()
	if got.status == 200 || got.err() != code {
		b.t.Errorf("%d %v, want %s", got.status, got.body, code)
	}
}

func TestOldDataCode(t *testing.T) {
	withOldData(t, func(t *testing.T, b forgetful) {
		code := b.agent().login(request("sweden"), ett).Get("code")
		restore := b.snapshot()
		b.wantRedeemed(b.redeem("sweden", tokenForm(code)))
		restore()
		if won := race(func(int) bool { return b.redeem("sweden", tokenForm(code)).status == 200 }); won != 0 {
			t.Errorf("a code was redeemed %d times more", won)
		}
		b.wantRefused(b.redeem("sweden", tokenForm(code)), errInvalidGrant)
	})
}

// A login that is pending again gives no second token.
func TestOldDataLogin(t *testing.T) {
	withOldData(t, func(t *testing.T, b forgetful) {
		a := b.agent()
		l, c := a.reserved("any")
		o, d := doneOrder(l, c, ett, b.clock.Now())
		restore := b.snapshot()
		code := func() string {
			t.Helper()
			answer, err := b.Finish(t.Context(), l, o, d)
			if err != nil {
				t.Fatal(err)
			}
			return a.send(answer).Get("code")
		}
		lost := code()
		restore()
		// Nobody had used that code: the person is no worse off than after a crash.
		second := code()
		b.wantRefused(b.redeem("any", tokenForm(lost)), errInvalidGrant)
		b.wantRedeemed(b.redeem("any", tokenForm(second)))
		restore()
		b.wantRefused(b.redeem("any", tokenForm(code())), errInvalidGrant)
	})
}

func TestOldDataAssertion(t *testing.T) {
	withOldData(t, func(t *testing.T, b forgetful) {
		b.change("sweden", func(c *broker.Client) { c.Scopes = append(c.Scopes, ScopeSigning) })
		by := func(assertion string, form url.Values) url.Values {
			form.Set("client_assertion_type", assertionType)
			form.Set("client_assertion", assertion)
			return form
		}
		post := func(path string, form url.Values) answerOf { return b.json(postRequest(path, form.Encode())) }
		first, second := b.agent().login(request("sweden"), ett).Get("code"), b.agent().login(request("sweden"), ett).Get("code")
		restore := b.snapshot()
		assertion := b.assertion("sweden", nil)
		b.wantRedeemed(post("/token", by(assertion, tokenForm(first))))
		restore()
		// With the code of another login, for a token of its own, for revoking.
		b.wantRefused(post("/token", by(assertion, tokenForm(second))), errInvalidGrant)
		restore()
		b.wantRefused(post("/token", by(assertion, clientForm())), errInvalidClient)
		kept := b.snapshot()
		restore()
		b.wantRefused(post("/token", by(assertion, clientForm())), errInvalidClient)
		kept()
		b.empty()
		b.wantRefused(post("/token", by(assertion, clientForm())), errInvalidClient)

		// Used for a token of its own, and for revoking.
		used := b.assertion("sweden", nil)
		restore = b.snapshot()
		b.wantRedeemed(post("/token", by(used, clientForm())))
		restore()
		b.wantRefused(post("/token", by(used, clientForm())), errInvalidClient)
		kept()
		token, other := b.ownToken("sweden"), b.ownToken("sweden")
		used = b.assertion("sweden", nil)
		restore = b.snapshot()
		if got := post("/revoke", by(used, url.Values{"token": {token}})); got.status != 200 {
			t.Fatalf("not revoked: %v", got.body)
		}
		restore()
		b.wantRefused(post("/revoke", by(used, url.Values{"token": {other}})), errInvalidClient)
		if _, _, err := b.Bearer(t.Context(), other); err != nil {
			t.Errorf("a replayed assertion ended a token: %v", err)
		}
	})
}

func TestOldDataSession(t *testing.T) {
	withOldData(t, func(t *testing.T, b forgetful) {
		a := b.agent()
		code := a.login(request("any"), ett).Get("code")
		cookies := maps.Clone(a.cookies)
		before := b.snapshot()
		token := b.wantRedeemed(b.redeem("any", tokenForm(code)))
		restore := b.snapshot()
		r := newGet("/x")
		for name, v := range cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: v})
		}
		if err := b.EndSession(recorder(), r); err != nil {
			t.Fatal(err)
		}
		thief := &agent{b.bench, cookies}
		restore()
		if thief.hasSession("any") || b.alive(token) {
			t.Error("a session that was ended lives, or its token")
		}
		if _, err := b.Session(r); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("a session that was ended: %v", err)
		}
		before()
		b.wantRefused(b.redeem("any", tokenForm(code)), errInvalidGrant)

		// One that was ended before its code was used.
		a = b.agent()
		code = a.login(request("any"), ett).Get("code")
		r = newGet("/x")
		for name, v := range a.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: v})
		}
		before = b.snapshot()
		if err := b.EndSession(recorder(), r); err != nil {
			t.Fatal(err)
		}
		before()
		b.wantRefused(b.redeem("any", tokenForm(code)), errInvalidGrant)

		// One that another has replaced; its application keeps what it has.
		a = b.agent()
		token = a.tokenOf("any")
		cookies = maps.Clone(a.cookies)
		restore = b.snapshot()
		b.forget(t.Context(), cookies[SessionCookie])
		restore()
		if (&agent{b.bench, cookies}).hasSession("any") || !b.alive(token) {
			t.Error("a session that was replaced lives, or its token does not")
		}
	})
}

func TestOldDataToken(t *testing.T) {
	withOldData(t, func(t *testing.T, b forgetful) {
		b.signer()
		token, own := b.agent().tokenOf("any"), b.ownToken("signer")
		code := b.agent().login(request("any"), ett).Get("code")
		replayed := b.wantRedeemed(b.redeem("any", tokenForm(code)))
		restore := b.snapshot()
		b.revokes("any", token)
		b.revokes("signer", own)
		b.wantRefused(b.redeem("any", tokenForm(code)), errInvalidGrant)
		restore()
		if b.alive(token) || b.alive(replayed) {
			t.Error("a token lives that was revoked, or whose code was replayed")
		}
		b.wantNoBearer(own)
		if got := b.revokes("any", token); got.status != 200 {
			t.Errorf("revoked again: %d %v", got.status, got.body)
		}
	})
}

// What ends while the store is empty stays ended when old data come back.
func TestOldDataEndedMeanwhile(t *testing.T) {
	asks := func(a *agent, path string) *http.Request {
		r := newGet(path)
		for name, v := range a.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: v})
		}
		return r
	}
	withOldData(t, func(t *testing.T, b forgetful) {
		b.signer()
		b.embed("group-a")
		for name, row := range map[string]struct {
			end            func(a *agent, token string)
			token, session bool // live afterwards
		}{
			"logout":   {func(a *agent, _ string) { a.get("/logout") }, false, false},
			"at home":  {func(a *agent, _ string) { b.EndSession(recorder(), asks(a, "/x")) }, false, false},
			"replaced": {func(a *agent, _ string) { b.forget(t.Context(), a.cookies[SessionCookie]) }, true, false},
			"revoked": {func(_ *agent, token string) {
				for range 2 {
					if got := b.revokes("any", token); got.status != 200 {
						t.Errorf("%d %v", got.status, got.body)
					}
				}
			}, false, true},
			"only the id": {func(a *agent, _ string) {
				id, _, _ := split(a.cookies[SessionCookie])
				a.cookies[SessionCookie] = id
				a.get("/logout")
			}, true, true},
		} {
			a := b.agent()
			token := a.tokenOf("any")
			thief := &agent{b.bench, maps.Clone(a.cookies)}
			restore := b.snapshot()
			b.empty()
			row.end(a, token)
			restore()
			if b.alive(token) != row.token || thief.hasSession("any") != row.session {
				t.Errorf("%s: the token lives %t, the session %t", name, b.alive(token), thief.hasSession("any"))
			}
		}

		a := b.agent()
		token, own := a.tokenOf("group-a"), b.ownToken("signer")
		restore := b.snapshot()
		b.empty()
		b.revokes("group-a", token)
		b.revokes("signer", own)
		restore()
		if b.alive(token) || a.hasSession("group-a") {
			t.Error("what an embedded client ended lives")
		}
		b.wantNoBearer(own)
	})
}

// Of what the store does hold, nothing ends by its id alone.
func TestIDEndsNothing(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	token := a.tokenOf("any")
	id, _, _ := split(a.cookies[SessionCookie])
	thief := &agent{b, maps.Clone(a.cookies)}
	thief.cookies[SessionCookie] = join(id, broker.NewSecret())
	thief.get("/logout")
	b.forget(t.Context(), join(id, broker.NewSecret()))
	b.revokes("basic", token)
	b.revokes("any", join(id, broker.NewSecret()))
	if !b.alive(token) || !a.hasSession("any") || len(b.records.spent) != 1 { // the code
		t.Errorf("it ended: %d marks", len(b.records.spent))
	}
}

// With nothing left, nothing is honoured and people can begin anew.
func TestEmptyData(t *testing.T) {
	withOldData(t, func(t *testing.T, b forgetful) {
		a := b.agent()
		token := a.tokenOf("any")
		code := b.agent().login(request("any"), ett).Get("code")
		b.empty()
		b.wantRefused(b.redeem("any", tokenForm(code)), errInvalidGrant)
		if b.alive(token) || a.hasSession("any") {
			t.Error("a token or session of nothing")
		}
		if got := a.tokenOf("any"); !b.alive(got) {
			t.Error("nobody can log in")
		}
	})
}

// What cannot be looked up is not honoured.
func TestMarksAway(t *testing.T) {
	b := newBench(t)
	b.signer()
	a := b.agent()
	token, own := a.tokenOf("any"), b.ownToken("signer")
	r := newGet("/x")
	for name, v := range a.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: v})
	}
	b.records.fail = errors.New("away")
	if _, err := b.Session(r); err == nil || errors.Is(err, broker.ErrNotFound) {
		t.Errorf("session: %v", err)
	}
	if status, _ := b.userinfoOf(token); status != 500 {
		t.Errorf("userinfo: %d", status)
	}
	if _, _, err := b.Bearer(t.Context(), own); err == nil || errors.Is(err, broker.ErrNotFound) {
		t.Errorf("bearer: %v", err)
	}
}
