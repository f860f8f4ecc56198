package oidc

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/page"
	"sigill/providers"
)

const room = "/signing/group-a/o/order-1/2"

// asking gives the agent a browser's secret, as the room's page does, and asks
// for a login that ends in the room.
func (a *agent) asking(client string, change ...func(*LocalWish)) (string, error) {
	if a.cookies[page.BrowserCookie] == "" {
		a.cookies[page.BrowserCookie] = broker.NewSecret()
	}
	w := LocalWish{Client: client, Browser: a.cookies[page.BrowserCookie], Then: room}
	for _, f := range change {
		f(&w)
	}
	return a.b.Local(context.Background(), w)
}

// enter goes the whole way to the room.
func (a *agent) enter(client string, who providers.Identity) {
	a.b.t.Helper()
	id, err := a.asking(client)
	if err != nil {
		a.b.t.Fatal(err)
	}
	answer, err := a.prove(id, who)
	if err != nil {
		a.b.t.Fatal(err)
	}
	if resp := a.sent(answer); resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != room {
		a.b.t.Fatalf("%s %s", resp.Status, resp.Header.Get("Location"))
	}
}

func (a *agent) request() *http.Request {
	r := httptest.NewRequest("GET", "/signing/x", nil)
	for name, v := range a.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: v})
	}
	return r
}

func (a *agent) sent(answer Answer) *http.Response {
	w := httptest.NewRecorder()
	a.b.Send(w, a.request(), answer)
	a.keep(w.Result())
	return w.Result()
}

func (a *agent) session(t *testing.T) broker.Session {
	t.Helper()
	s, err := a.b.Session(a.request())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (a *agent) wantNoSession(t *testing.T) {
	t.Helper()
	if s, err := a.b.Session(a.request()); !errors.Is(err, broker.ErrNotFound) || !s.Identity.Number.IsZero() {
		t.Fatalf("there is a session: %v", err)
	}
}

func TestLocalLogin(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	a.wantNoSession(t)
	id, err := a.asking("group-a", func(w *LocalWish) { w.Lang = "en"; w.Offered = []providers.ID{providers.MBankID, providers.Freja} })
	if err != nil {
		t.Fatal(err)
	}
	l, c, _, err := b.Pending(t.Context(), id, a.cookies[page.BrowserCookie])
	if err != nil || c.ID != "group-a" || l.Client != "group-a" || l.Lang != "en" || !slices.Equal(l.Offered, []providers.ID{providers.MBankID}) {
		t.Fatalf("%+v, %v", l, err)
	}
	if _, _, _, err := b.Pending(t.Context(), id, broker.NewSecret()); !errors.Is(err, broker.ErrNotFound) {
		t.Error("another browser's")
	}
	if !b.records.has(audit.LoginAsked, "local") {
		t.Error("not in the audit")
	}
	// An e-ID that was not offered is none that may answer.
	if _, err := a.prove(id, ett); err == nil {
		t.Error("another e-ID than offered answers")
	}
	who := ett
	who.Provider = providers.MBankID
	answer, err := a.prove(id, who)
	if err != nil {
		t.Fatal(err)
	}
	if answer.URL != room || answer.Form != nil || answer.Session == "" {
		t.Fatalf("answer: %+v", answer)
	}
	a.sent(answer)
	s := a.session(t)
	if s.Identity.Number != ett.Number || s.Identity.Provider != providers.MBankID || s.Group != GroupOf(c) || s.Instance != "default" || s.SID != l.SID ||
		!s.AuthTime.Equal(b.clock.Now()) || len(s.Evidence.Bytes) > 0 {
		t.Errorf("session: %+v", s)
	}
	if !b.records.has(audit.LoginCompleted, "") {
		t.Error("not in the audit")
	}
	// The proof is kept as that of any login.
	r, err := b.records.LoginRecord(t.Context(), loginName(id))
	if err != nil {
		t.Fatal(err)
	}
	if i, e, err := b.OpenRecord(r); err != nil || i.Number != ett.Number || string(e.Bytes) != "evidence" {
		t.Errorf("%v %s", err, e.Bytes)
	}
	// No client is told, and none could know the person by a name.
	if len(b.records.subjects) > 0 || strings.Contains(b.stored(a.cookies[SessionCookie]), `"grant"`) {
		t.Error("made for a client")
	}
	if got := b.redeem("group-a", tokenForm(a.cookies[SessionCookie])); got.err() != errInvalidGrant {
		t.Errorf("the session's cookie as a code: %v", got.body)
	}
	if status, _ := b.userinfoOf(a.cookies[SessionCookie]); status != 401 {
		t.Error("the session's cookie as a token")
	}
	b.clock.Add(b.SessionLife)
	a.wantNoSession(t)
}

// Where it leads is ours alone.
func TestLocalPaths(t *testing.T) {
	b := newBench(t)
	for then, good := range map[string]bool{
		"/signing/":        true,
		"/signing/app":     true,
		"/signing/app/":    true,
		"/signing/app/kod": true,
		"/signing/urn:x/a~b/i/" + broker.NewSecret(): true,
		"":                           false,
		"/":                          false,
		"/signing":                   false,
		"signing/app":                false,
		"/signingroom/x":             false,
		"//signing/x":                false,
		"/signing//evil.example.com": false,
		"/signing/app//":             false,
		"/signing/../login/x":        false,
		"/signing/x/..":              false,
		"/signing/./x":               false,
		"/signing/%2e%2e/x":          false,
		"/signing/x?next=https://evil.example.com": false,
		"/signing/x#y":                      false,
		"/signing/x\\y":                     false,
		"/signing/x y":                      false,
		"/signing/x\r\nSet-Cookie: a=b":     false,
		"/signing/åäö":                      false,
		"https://op.example.se/signing/x":   false,
		"https://evil.example.com/signing/": false,
		"\\\\evil.example.com/signing/x":    false,
		"javascript:alert(1)//signing/":     false,
	} {
		a := b.agent()
		id, err := a.asking("any", func(w *LocalWish) { w.Then = then })
		if (err == nil) != good {
			t.Errorf("%q: %v", then, err)
		}
		if good {
			answer, err := a.prove(id, ett)
			if err != nil || a.sent(answer).Header.Get("Location") != then {
				t.Errorf("%q: %+v, %v", then, answer, err)
			}
		}
	}
}

func TestLocalRefused(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	for _, client := range []string{"", "nobody", strings.Repeat("x", 300)} {
		if _, err := a.asking(client); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("%q: %v", client, err)
		}
	}
	var bad *providers.BadRequest
	if _, err := a.asking("any", func(w *LocalWish) { w.Offered = []providers.ID{providers.Freja} }); !errors.As(err, &bad) {
		t.Errorf("an e-ID that is not offered: %v", err)
	}
	for _, browser := range []string{"", "short", broker.NewSecret() + "!"} {
		if _, err := a.asking("any", func(w *LocalWish) { w.Browser = browser }); err == nil {
			t.Errorf("for the browser %q", browser)
		}
	}
	b.records.fail = errors.New("disk")
	if _, err := a.asking("any"); err == nil {
		t.Error("a login that the audit does not know of")
	}
	if n := b.short.count(kindLogin); n > 0 {
		t.Errorf("%d logins", n)
	}
}

// Whoever goes back comes to the room, which is told nothing.
func TestLocalGivenUp(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	id, err := a.asking("group-a")
	if err != nil {
		t.Fatal(err)
	}
	l, _, err := a.reserve(id, providers.BankID)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := b.Refuse(t.Context(), l, errAccessDenied, "the person did not log in")
	if err != nil || answer.URL != room || answer.Form != nil || answer.Session != "" {
		t.Fatalf("%+v, %v", answer, err)
	}
	a.sent(answer)
	a.wantNoSession(t)
	if !b.records.has(audit.LoginAbandoned, errAccessDenied) {
		t.Error("not in the audit")
	}
	if _, err := a.prove(id, ett); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("proven afterwards: %v", err)
	}
}

// The client's own rules hold in the room too.
func TestLocalRules(t *testing.T) {
	b := newBench(t)
	b.change("any", func(c *broker.Client) { c.MinAge = 18; c.NoCoordination = true })
	for _, who := range []providers.Identity{barn, samord} {
		a := b.agent()
		id, err := a.asking("any")
		if err != nil {
			t.Fatal(err)
		}
		var no *Rejection
		if _, err := a.prove(id, who); !errors.As(err, &no) {
			t.Errorf("%s: %v", who.Name, err)
		}
		a.wantNoSession(t)
	}
}

// Once, by the first: of double clicks, tabs and cut-off requests.
func TestLocalOnce(t *testing.T) {
	b := raceBench(t)
	for range 10 {
		a := b.agent()
		id, err := a.asking("any")
		if err != nil {
			t.Fatal(err)
		}
		l, c, err := a.reserve(id, providers.BankID)
		if err != nil {
			t.Fatal(err)
		}
		o, d := doneOrder(l, c, ett, b.clock.Now())
		if won := race(func(n int) bool {
			var err error
			if n%2 == 0 {
				_, err = b.Finish(t.Context(), l, o, d)
			} else {
				_, err = b.Refuse(t.Context(), l, errAccessDenied, "")
			}
			if err != nil && !errors.Is(err, broker.ErrConflict) {
				t.Error(err)
			}
			return err == nil
		}); won != 1 {
			t.Fatalf("answered %d times", won)
		}
	}
}

// A proof that is older than a session lives: the room gets its person back, and
// nobody is logged in.
func TestLocalAfterTheSession(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	id, err := a.asking("any")
	if err != nil {
		t.Fatal(err)
	}
	l, c, err := a.reserve(id, providers.BankID)
	if err != nil {
		t.Fatal(err)
	}
	o, d := doneOrder(l, c, ett, b.clock.Now().Add(-b.SessionLife))
	answer, err := b.Finish(t.Context(), l, o, d)
	if err != nil || answer.URL != room || answer.Session != "" {
		t.Fatalf("%+v, %v", answer, err)
	}
	if _, err := b.Finish(t.Context(), l, o, d); !errors.Is(err, broker.ErrConflict) {
		t.Errorf("twice: %v", err)
	}
	// That it was answered is remembered as long as anybody could ask.
	if _, _, err := b.short.Get(t.Context(), kindLogin, id); err != nil {
		t.Error(err)
	}
}

// A session counts in its group, whoever made it; the room sees every session
// and compares.
func TestSessionsOfRoomAndClients(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	a.enter("group-a", ett)
	if GroupOf(b.clients["group-a"]) != GroupOf(b.clients["group-b"]) || GroupOf(b.clients["any"]) == GroupOf(b.clients["basic"]) {
		t.Error("groups")
	}
	// The room's session answers a client of the group, not another.
	resp := a.ask(request("group-b"))
	code := b.response(resp).Get("code")
	got := b.redeem("group-b", tokenForm(code))
	if code == "" || got.status != 200 {
		t.Fatalf("%v %v", resp.Header, got.body)
	}
	if loginID(a.ask(request("any"))) == "" {
		t.Error("a session of another group answered")
	}
	// The room always asks for an e-ID.
	if id, err := a.asking("group-a"); err != nil || id == "" {
		t.Error(err)
	}
	// A login for a client is a session that the room sees.
	made, _, _ := split(a.cookies[SessionCookie])
	a.login(request("any"), tva)
	if s := a.session(t); s.Identity.Number != tva.Number || s.Group != GroupOf(b.clients["any"]) {
		t.Errorf("%+v", s)
	}
	// It has replaced the room's, whose record is gone with it.
	if _, there := b.short.rows[kindLogin+"\x00"+made]; there {
		t.Error("something of it is kept")
	}
	// And the room's replaces the client's, whose token goes on.
	code = a.login(request("any", "prompt", "login"), tva).Get("code")
	a.enter("group-a", ett)
	if s := a.session(t); s.Identity.Number != ett.Number {
		t.Error("the old session")
	}
	if got := b.redeem("any", tokenForm(code)); got.status != 200 {
		t.Errorf("%v", got.body)
	}
}

func TestEndSession(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	a.enter("group-a", ett)
	cookie, browser := a.cookies[SessionCookie], a.cookies[page.BrowserCookie]
	end := func() {
		t.Helper()
		w := httptest.NewRecorder()
		if err := b.EndSession(w, a.request()); err != nil {
			t.Fatal(err)
		}
		a.keep(w.Result())
		if len(w.Result().Cookies()) != 1 {
			t.Errorf("%v", w.Result().Cookies())
		}
	}
	end()
	a.wantNoSession(t)
	if a.cookies[SessionCookie] != "" || a.cookies[page.BrowserCookie] != browser || b.records.count(audit.SessionEnded) != 1 {
		t.Errorf("%v", a.cookies)
	}
	end() // without a session: no fault, no act
	if b.records.count(audit.SessionEnded) != 1 {
		t.Error("ended twice")
	}
	a.cookies[SessionCookie] = cookie // whoever kept the cookie has nothing
	a.wantNoSession(t)
	// The next person logs in, in the same browser.
	a.enter("group-a", tva)
	if a.session(t).Identity.Number != tva.Number {
		t.Error("not the next person")
	}
	// A client's session ends with its token.
	token := b.redeem("any", tokenForm(a.login(request("any"), ett).Get("code"))).text("access_token")
	end()
	if status, _ := b.userinfoOf(token); status != 401 {
		t.Errorf("userinfo: %d", status)
	}
	a.enter("any", ett)
	b.records.fail = errors.New("disk")
	w := httptest.NewRecorder()
	if err := b.EndSession(w, a.request()); err == nil || len(w.Result().Cookies()) > 0 {
		t.Error("ended without a record")
	}
	b.records.fail = nil
	if s := a.session(t); s.AuthTime.Add(time.Hour).Before(b.clock.Now()) {
		t.Error(s.AuthTime)
	}
}
