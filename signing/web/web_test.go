package web

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/page"
	"sigill/broker/kit/page/htmlcheck"
	"sigill/broker/oidc"
	"sigill/providers"
	"sigill/providers/personnummer"
	"sigill/signing"
	"sigill/signing/orders"
)

func TestEveryPageInBothLanguages(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range samples(t) {
		if seen[s.name] {
			t.Fatalf("two samples are called %s", s.name)
		}
		seen[s.name] = true
		for _, lang := range []string{"sv", "en"} {
			t.Run(s.name+"/"+lang, func(t *testing.T) {
				w := httptest.NewRecorder()
				s.serve(w, httptest.NewRequest("GET", "/gallery/"+s.name+"?lang="+lang, nil))
				if w.Code != s.status {
					t.Errorf("status %d, want %d", w.Code, s.status)
				}
				body := w.Body.String()
				for _, f := range htmlcheck.Faults(strings.NewReader(body)) {
					t.Error(f)
				}
				if !strings.Contains(body, `<html lang="`+lang+`">`) || w.Header().Get("Content-Language") != lang {
					t.Error("not in the language asked for")
				}
				csp := w.Header().Get("Content-Security-Policy")
				for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "base-uri 'none'", "form-action 'self';"} {
					if !strings.Contains(csp, want) {
						t.Errorf("policy lacks %s: %s", want, csp)
					}
				}
				for name, want := range map[string]string{
					"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
					"Cross-Origin-Opener-Policy": "same-origin", "Content-Type": "text/html; charset=utf-8",
				} {
					if got := w.Header().Get(name); got != want {
						t.Errorf("%s: %q", name, got)
					}
				}
				low := strings.ToLower(body)
				for _, bad := range []string{"the disk is full", "goroutine", "inskicka", "submitted", "%!", "198101199282", "0119-9282"} {
					if strings.Contains(low, bad) {
						t.Errorf("the page says %q", bad)
					}
				}
			})
		}
	}
}

// kindOf says in a word what an answer is.
func kindOf(w *httptest.ResponseRecorder) string {
	body := w.Body.String()
	has := func(s string) bool { return strings.Contains(body, s) }
	switch {
	case w.Code == http.StatusSeeOther:
		return "to " + w.Header().Get("Location")
	case w.Header().Get("Content-Disposition") != "":
		return "file"
	case w.Header().Get("Content-Type") == "application/json":
		return fmt.Sprintf("%d %s", w.Code, strings.TrimSpace(body))
	case has("Ingenting blir underskrivet för att du loggar in"):
		return "land"
	case has("Ingenting blir underskrivet för att du fortsätter"):
		return "stay"
	case has("Det finns inget att visa dig här"):
		return "nothing"
	case has("Sidan finns inte"):
		return "404"
	case has(`class="answer"`) && has(`name="provider"`):
		return "review"
	case has("Vill du tacka nej till"):
		return "refuse"
	case has(`name="code"`):
		return "code"
	case has("Att läsa och skriva under"):
		return "list"
	case has("data-picture"):
		return "wait"
	}
	_, h1, _ := strings.Cut(body, "<h1>")
	h1, _, _ = strings.Cut(h1, "</h1>")
	return fmt.Sprintf("%d %s", w.Code, h1)
}

// secrets of an order: what nobody but its signatories may learn.
var secrets = []string{"förskola", "Testbarn", "Läs igenom", "2026-1234", "Intyg", "Testperson Ett", "Testperson Två", "Testperson Tre", "december", "Avgiften"}

// TestWhoSeesWhat holds every address against everybody who may come.
func TestWhoSeesWhat(t *testing.T) {
	const place = "/signing/demo/o/order/1"
	home := "to " + place
	type row struct{ path, nobody, wrong, invited, signed, refused, late, completed string }
	standing := func(h1 string) string { return "200 " + h1 }
	signed, no, late, done := standing("Du har skrivit under"), standing("Du har tackat nej"), standing("Tiden har gått ut"), standing("Alla har skrivit under")
	same := func(path, nobody, all string) row { return row{path, nobody, all, all, all, all, all, all} }
	state := func(s string) string { return `200 {"state":"` + s + `"}` }
	const gone = `404 {"state":"gone"}`
	for _, c := range []row{
		{"/signing/demo/i/right", "land", "nothing", home, home, home, home, home},
		same("/signing/demo/i/wrong", "land", "nothing"),
		same("/signing/demo/i/right%2F..", "404", "404"),
		same("/signing/demo/kod", "land", "code"),
		same("/signing/demo/", "land", "list"),
		{place, "land", "nothing", "review", signed, no, late, done},
		same("/signing/demo/o/order/2", "land", "nothing"),
		same("/signing/demo/o/order/3", "land", "nothing"),
		same("/signing/demo/o/other/1", "land", "nothing"),
		same("/signing/green/o/order/1", "land", "stay"),
		same("/signing/nobody/o/order/1", "404", "404"),
		same("/signing/demo/o/order/01", "404", "404"),
		same("/signing/demo/o/order/x", "404", "404"),
		same("/signing/demo/o/or.der/1", "404", "404"),
		{place + "/state", gone, gone, state("to_sign"), state("waiting"), state("declined"), state("expired"), state("completed")},
		{place + "/refuse", "land", "nothing", "refuse", home, home, home, home},
		same(place+"/documents/0", "404", "404"),
		{place + "/documents/1", "land", "nothing", "404", "404", "nothing", "nothing", "nothing"}, // it stands on the page itself
		{place + "/documents/3", "land", "nothing", "file", "file", "nothing", "nothing", "nothing"},
		same(place+"/documents/4", "land", "nothing"),
		{place + "/receipt.pdf", "land", "nothing", "nothing", "nothing", "nothing", "nothing", "file"},
		{place + "/e/running", "land", "nothing", "wait", "wait", "wait", "wait", "wait"},
		{place + "/e/unknown", "land", "nothing", home, home, home, home, home},
		{place + "/e/running/done", "land", "nothing", home + "/e/running", home + "/e/running", home + "/e/running", home + "/e/running", home + "/e/running"},
		{place + "/e/arriving/done", "land", "nothing", standing("Din underskrift är på väg"), standing("Din underskrift är på väg"), standing("Din underskrift är på väg"), standing("Din underskrift är på väg"), standing("Din underskrift är på väg")},
		{place + "/e/taken/done", "land", "nothing", home, home, home, home, home},
		{place + "/e/unknown/done", "land", "nothing", "nothing", "nothing", "nothing", "nothing", "nothing"},
		{place + "/e/taken/done/state", gone, gone, `200 {"state":"complete","redirect":"` + place + `/e/taken/done"}`, "", "", "", ""},
		{place + "/e/running/done/state", gone, gone, state("pending"), "", "", "", ""},
	} {
		t.Run(strings.TrimPrefix(c.path, "/signing/"), func(t *testing.T) {
			for who, want := range map[string]string{
				"nobody": c.nobody, "wrong": c.wrong, "invited": c.invited, "signed": c.signed, "refused": c.refused, "late": c.late, "completed": c.completed,
			} {
				if want == "" {
					continue
				}
				h := newHouse(t)
				k := h.order("order")
				h.service.tokens["right"] = "order/1"
				h.eid("running", "order/1", flow.View{State: flow.StatePending, Wait: waitingFor(providers.ModeOther)})
				h.eid("arriving", "order/1", flow.View{State: flow.StateComplete})
				h.service.outcomes["running"], h.service.outcomes["arriving"], h.service.outcomes["taken"] = "", "", "signed"
				session := map[string]string{"nobody": "", "wrong": "annan"}[who]
				if who != "nobody" && who != "wrong" {
					session = "ett"
				}
				switch who {
				case "signed":
					h.signs(k, 1)
				case "refused":
					if _, err := k.Decline(1, "", h.now); err != nil {
						t.Fatal(err)
					}
				case "late":
					if _, err := k.Expire(k.Deadline.Add(signing.Grace)); err != nil {
						t.Fatal(err)
					}
				case "completed":
					h.signs(k, 1)
					h.signs(k, 2)
					h.completes(k)
				}
				before := k.Order
				before.Signatories = slices.Clone(k.Signatories)
				w := h.get(session, c.path)
				if got := kindOf(w); got != want {
					t.Errorf("%s: %s, want %s", who, got, want)
				}
				if session != "ett" {
					for _, s := range secrets {
						if strings.Contains(w.Body.String(), s) || strings.Contains(w.Header().Get("Location"), s) {
							t.Errorf("%s learns %q", who, s)
						}
					}
					if !reflect.DeepEqual(before, k.Order) {
						t.Errorf("%s changes the order", who)
					}
				}
				if who == "nobody" && h.service.asked != 0 {
					t.Error("the service was asked for somebody who is not logged in")
				}
			}
		})
	}
}

// TestLinksLookAlike: before login, and to the wrong person after it, nothing on
// the page or in the headers tells a true link from a false one.
func TestLinksLookAlike(t *testing.T) {
	strip := func(w *httptest.ResponseRecorder, token string) string {
		h := w.Header().Clone()
		h.Del("X-Request-Id")
		return fmt.Sprint(w.Code, h) + strings.ReplaceAll(w.Body.String(), token, "…")
	}
	for _, who := range []string{"", "annan"} {
		h := newHouse(t)
		h.order("order")
		h.service.tokens["right"] = "order/1"
		h.service.tokens["other"] = "order/2"
		for _, method := range []string{"GET", "HEAD"} {
			want := strip(h.ask(who, method, "/signing/demo/i/wrong", nil), "wrong")
			for _, token := range []string{"right", "other"} {
				if got := strip(h.ask(who, method, "/signing/demo/i/"+token, nil), token); got != want {
					t.Errorf("%q, %s: differs:\n%s\n%s", who, method, got, want)
				}
			}
		}
		if want, got := strip(h.get(who, "/signing/demo/o/nosuch/1"), "nosuch"), strip(h.get(who, "/signing/demo/o/order1/1"), "order1"); got != want {
			t.Errorf("%q: an order's own address differs", who)
		}
	}
}

// TestNothingIsConsumed: a scanner of mail opens the link, again and again, and
// then the person comes.
func TestNothingIsConsumed(t *testing.T) {
	h := newHouse(t)
	k := h.order("order")
	h.service.tokens["right"] = "order/1"
	for range 3 {
		for _, method := range []string{"GET", "HEAD"} {
			if w := h.ask("", method, "/signing/demo/i/right", nil, func(r *http.Request) { r.Header.Del("Cookie") }); w.Code != 200 || len(w.Result().Cookies()) != 0 {
				t.Errorf("%s: %d %v", method, w.Code, w.Result().Cookies())
			}
		}
	}
	if k.Signatories[0].State != signing.Invited {
		t.Errorf("the signatory is %s", k.Signatories[0].State)
	}
	if to := location(t, h.get("ett", "/signing/demo/i/right")); to != "/signing/demo/o/order/1" {
		t.Errorf("sent to %s", to)
	}
	h.get("ett", "/signing/demo/o/order/1")
	if k.Signatories[0].State != signing.Opened {
		t.Errorf("the signatory is %s", k.Signatories[0].State)
	}
}

// TestSessionRule: which logins count here.
func TestSessionRule(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*broker.Session)
		want   string
	}{
		"fresh":               {func(*broker.Session) {}, "review"},
		"of another client":   {func(s *broker.Session) { s.Group = "client:elsewhere" }, "stay"},
		"an hour old":         {func(s *broker.Session) { s.AuthTime = s.AuthTime.Add(-50 * time.Minute) }, "review"},
		"older":               {func(s *broker.Session) { s.AuthTime = s.AuthTime.Add(-50*time.Minute - time.Second) }, "land"},
		"from the future":     {func(s *broker.Session) { s.AuthTime = s.AuthTime.Add(time.Hour) }, "land"},
		"by an e-ID not here": {func(s *broker.Session) { s.Identity.Provider = providers.Freja }, "land"},
		"without a number":    {func(s *broker.Session) { s.Identity.Number = personnummer.Number{} }, "land"},
	} {
		h := newHouse(t)
		h.order("order")
		s := h.logins.sessions["ett"]
		c.change(&s)
		h.logins.sessions["ett"] = s
		if got := kindOf(h.get("ett", "/signing/demo/o/order/1")); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if c.want != "review" && h.service.asked != 0 {
			t.Errorf("%s: the service was asked", name)
		}
	}
	h := newHouse(t)
	h.order("order").only = []providers.ID{providers.Freja}
	w := h.get("ett", "/signing/demo/o/order/1")
	if kindOf(w) != "land" || !strings.Contains(w.Body.String(), "Logga in igen") {
		t.Errorf("an e-ID that the order does not take: %s", w.Body)
	}
	for _, s := range secrets {
		if strings.Contains(w.Body.String(), s) {
			t.Errorf("an e-ID that the order does not take learns %q", s)
		}
	}
}

// TestStay: a login for another application opens nothing here before the person
// has said so, and then as long as that login lasts.
func TestStay(t *testing.T) {
	h := newHouse(t)
	k := h.order("order")
	h.service.tokens["right"] = "order/1"
	from := func(sid string) {
		s := h.logins.sessions["ett"]
		s.Group, s.SID = "client:other", sid
		h.logins.sessions["ett"] = s
	}
	from("one")
	const at = "/signing/demo/o/order/1"
	for _, path := range []string{at, at + "/refuse", at + "/documents/3", at + "/receipt.pdf", "/signing/demo/i/right", "/signing/demo/i/wrong", "/signing/demo/kod", "/signing/demo/"} {
		if w := h.get("ett", path); kindOf(w) != "stay" || !strings.Contains(w.Body.String(), "Är du Testperson Ett?") {
			t.Errorf("%s: %s", path, kindOf(w))
		}
	}
	if w := h.get("ett", at+"/state"); w.Code != 404 {
		t.Errorf("state: %d", w.Code)
	}
	for _, path := range []string{at, at + "/refuse"} {
		if got := kindOf(h.post("ett", path, shown(k, chooseQR))); got != "stay" {
			t.Errorf("%s: %s", path, got)
		}
	}
	if h.service.asked != 0 || k.Signatories[0].State != signing.Invited {
		t.Errorf("the service was asked %d times", h.service.asked)
	}
	w := h.post("ett", "/signing/demo/i/right/login", url.Values{"as": {"same"}})
	if to := location(t, w); to != "/signing/demo/i/right" || len(h.logins.wishes) != 0 || h.logins.ended != 0 || len(w.Result().Cookies()) != 1 {
		t.Fatalf("sent to %s, %v", to, w.Result().Cookies())
	}
	cookie := w.Result().Cookies()[0]
	with := func(r *http.Request) { r.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value}) }
	if got := kindOf(h.get("ett", at, with)); got != "review" || cookie.MaxAge != 0 {
		t.Errorf("%s, %v", got, cookie)
	}
	if got := kindOf(h.get("ett", "/signing/green/", with)); got != "stay" {
		t.Errorf("at another client: %s", got)
	}
	// Both are remembered, and no more than some.
	cookie = h.post("ett", "/signing/green/login", url.Values{"as": {"same"}}, with).Result().Cookies()[0]
	if a, b := kindOf(h.get("ett", "/signing/green/", with)), kindOf(h.get("ett", at, with)); a != "list" || b != "review" {
		t.Errorf("%s, %s", a, b)
	}
	cookie.Value = strings.Repeat(strings.Repeat("x", 32)+".", 12) + "x"
	if cookie = h.post("ett", "/signing/demo/login", url.Values{"as": {"same"}}, with).Result().Cookies()[0]; len(cookie.Value) > 300 {
		t.Errorf("%d characters are remembered", len(cookie.Value))
	}
	if got := kindOf(h.get("ett", at, with)); got != "review" {
		t.Errorf("among many: %s", got)
	}
	// Another login, another question; nobody logged in is not asked.
	from("two")
	if got := kindOf(h.get("ett", at, with)); got != "stay" {
		t.Errorf("another login: %s", got)
	}
	if w := h.post("", at+"/login", url.Values{"as": {"same"}}); location(t, w) != at || len(w.Result().Cookies()) != 0 {
		t.Errorf("nobody: %v", w.Result().Cookies())
	}
	if h.post("ett", at+"/login", url.Values{"as": {"self"}}); h.logins.ended != 1 || len(h.logins.wishes) != 1 {
		t.Errorf("somebody else: %d ended, %d logins", h.logins.ended, len(h.logins.wishes))
	}
	// Clients that share their sessions share them here too.
	c := h.clients["demo"]
	c.SSOGroup = "kommunen"
	h.clients["demo"] = c
	s := h.logins.sessions["ett"]
	s.Group = oidc.GroupOf(c)
	h.logins.sessions["ett"] = s
	if got := kindOf(h.get("ett", at)); got != "review" {
		t.Errorf("in a group: %s", got)
	}
}

// TestClientsRules: whom a client does not let log in does not come in by a login
// for another client either.
func TestClientsRules(t *testing.T) {
	coordination, err := personnummer.FromDigits("195506842391")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		number personnummer.Number
		rule   func(*broker.Client)
		want   string
	}{
		"a coordination number, denied":  {coordination, func(c *broker.Client) { c.NoCoordination = true }, "land"},
		"a coordination number, allowed": {coordination, func(*broker.Client) {}, "stay"},
		"a personal number":              {number(t, "ett"), func(c *broker.Client) { c.NoCoordination = true }, "stay"},
		"too young":                      {number(t, "ett"), func(c *broker.Client) { c.MinAge = 46 }, "land"},
		"old enough":                     {number(t, "ett"), func(c *broker.Client) { c.MinAge = 45 }, "stay"},
	} {
		for _, own := range []bool{false, true} {
			h := newHouse(t)
			h.order("order")
			client := h.clients["demo"]
			c.rule(&client)
			h.clients["demo"] = client
			s := h.logins.sessions["ett"]
			want := c.want
			s.Identity.Number = c.number
			if s.Group = "client:other"; own {
				s.Group = oidc.GroupOf(client)
				if want == "stay" {
					want = "list"
				}
			}
			h.logins.sessions["ett"] = s
			if got := kindOf(h.get("ett", "/signing/demo/")); got != want {
				t.Errorf("%s, own session %v: %s, want %s", name, own, got, want)
			}
		}
	}
}

// TestOnlyWhoMayAskHasARoom: clients that cannot open orders have none.
func TestOnlyWhoMayAskHasARoom(t *testing.T) {
	h := newHouse(t)
	h.clients["plain"] = broker.Client{ID: "plain", Name: "Bara inloggning", Scopes: []string{"profile"}}
	for _, path := range []string{"", "/", "/kod", "/i/abc", "/o/order/1", "/o/order/1/state"} {
		got, none := h.get("ett", "/signing/plain"+path), h.get("ett", "/signing/nobody"+path)
		if got.Code != 404 || got.Code != none.Code || strings.Contains(got.Body.String(), "Bara inloggning") {
			t.Errorf("%s: %d, %d", path, got.Code, none.Code)
		}
	}
	if w := h.post("", "/signing/plain/login", nil); w.Code != 404 || len(h.logins.wishes) != 0 {
		t.Errorf("login: %d", w.Code)
	}
}

// TestLoginAddresses: an address that cannot be ours is nowhere.
func TestLoginAddresses(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/i/%41/login", "/i/a+b/login", "/o/x%20y/1/login", "/o/order/%31/login", "/o/order/1%2F/login", "/i/%2e%2e/login", "/i/" + strings.Repeat("a", 129) + "/login"} {
		if w := h.post("", "/signing/demo"+path, nil); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if len(h.logins.wishes) != 0 {
		t.Errorf("%+v", h.logins.wishes)
	}
}

func TestLogin(t *testing.T) {
	for path, back := range map[string]string{
		"/signing/demo/i/abc/login":     "/signing/demo/i/abc",
		"/signing/demo/kod/login":       "/signing/demo/kod",
		"/signing/demo/login":           "/signing/demo/",
		"/signing/demo/o/order/1/login": "/signing/demo/o/order/1",
	} {
		h := newHouse(t)
		w := h.post("", path, nil)
		if to := location(t, w); to != "/login/loginname" {
			t.Errorf("%s: sent to %s", path, to)
		}
		if len(h.logins.wishes) != 1 || h.logins.ended != 0 {
			t.Fatalf("%s: %d logins, %d ended", path, len(h.logins.wishes), h.logins.ended)
		}
		l := h.logins.wishes[0]
		if l.Client != "demo" || l.Then != back || l.Browser != browserOne || fmt.Sprint(l.Offered) != "[bankid telia mbankid]" || l.Lang != "" {
			t.Errorf("%s: %+v", path, l)
		}
	}
	// A browser without a secret gets one, and somebody else's session ends.
	h := newHouse(t)
	w := h.post("annan", "/signing/demo/i/abc/login", url.Values{"as": {"self"}}, func(r *http.Request) {
		r.Header.Del("Cookie")
		r.AddCookie(&http.Cookie{Name: oidc.SessionCookie, Value: "annan"})
	})
	var given string
	for _, c := range w.Result().Cookies() {
		if c.Name == page.BrowserCookie {
			given = c.Value
		}
	}
	if h.logins.ended != 1 || len(given) != 43 || h.logins.wishes[0].Browser != given {
		t.Errorf("ended %d, cookie %q, %+v", h.logins.ended, given, h.logins.wishes)
	}
	h = newHouse(t)
	if w := h.post("", "/signing/demo/login", nil, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }); w.Code != http.StatusForbidden || len(h.logins.wishes) != 0 {
		t.Errorf("another site begins a login: %d", w.Code)
	}
}

func TestLogout(t *testing.T) {
	h := newHouse(t)
	w := h.post("ett", "/signing/demo/logout", nil)
	fresh := ""
	for _, c := range w.Result().Cookies() {
		if c.Name == page.BrowserCookie {
			fresh = c.Value
		}
	}
	if h.logins.ended != 1 || len(fresh) != 43 || fresh == browserOne || !strings.Contains(w.Body.String(), "Du är utloggad") {
		t.Errorf("%d ended, cookie %q", h.logins.ended, fresh)
	}
}

// TestTheCodeOnlySelects: it leads the right person to the order, tells everybody
// else the same, and is not tried for ever.
func TestTheCodeOnlySelects(t *testing.T) {
	h := newHouse(t)
	h.order("order")
	h.service.codes["ABCD-1234"] = "order/1"
	if to := location(t, h.post("", "/signing/demo/kod", url.Values{"code": {"ABCD-1234"}})); to != "/signing/demo/kod" || h.service.asked != 0 {
		t.Errorf("not logged in: %s, asked %d times", to, h.service.asked)
	}
	if to := location(t, h.post("ett", "/signing/demo/kod", url.Values{"code": {" ABCD-1234 "}})); to != "/signing/demo/o/order/1" {
		t.Errorf("sent to %s", to)
	}
	wrong := h.post("annan", "/signing/demo/kod", url.Values{"code": {"ABCD-1234"}})
	untrue := h.post("annan", "/signing/demo/kod", url.Values{"code": {"EFGH-5678"}})
	if wrong.Code != 422 || wrong.Body.String() != untrue.Body.String() {
		t.Errorf("the right code looks different to the wrong person: %d", wrong.Code)
	}
	for range 3 {
		h.post("annan", "/signing/demo/kod", url.Values{"code": {"x"}})
	}
	if w := h.post("annan", "/signing/demo/kod", url.Values{"code": {"ABCD-1234"}}); w.Code != 429 || strings.Contains(w.Body.String(), `name="code"`) {
		t.Errorf("the sixth try: %d", w.Code)
	}
	if w := h.post("ett", "/signing/demo/kod", url.Values{"code": {"ABCD-1234"}}); w.Code != http.StatusSeeOther {
		t.Error("one person's tries shut out another")
	}
}

func TestReviewShowsEverything(t *testing.T) {
	h := newHouse(t)
	k := h.order("order")
	body := h.get("ett", "/signing/demo/o/order/1").Body.String()
	for _, want := range []string{
		"Ansökan om plats i förskola", "Läs igenom och skriv under.", "2026-1234", "fredag 4 december 2026 kl. 23.59", "14 dagar kvar",
		"<h4>Barnet</h4>", "<dt>Namn</dt>", "Testbarn Ett", "Inget svar", "Exempelgatan 1\n123 45 Exempelbo", "Båda vårdnadshavarna skriver under.",
		"Platsen sägs upp två månader i förväg.", "Intyg från arbetsgivare", `href="/signing/demo/o/order/1/documents/3"`, "Bild, 11 byte",
		"Testperson Ett (du)", "Testperson Två", `href="/signing/demo/o/order/1/refuse"`, `href="https://www.example.se/tillbaka"`,
		"Exempelbo kommun, barn och utbildning", "som Testperson Ett.", signing.ShortDigest(hex.EncodeToString(k.Digest[:])),
	} {
		if !strings.Contains(body, want) {
			t.Errorf("lacks %q", want)
		}
	}
	for _, d := range k.body.Manifest.Documents {
		if !strings.Contains(body, d.SHA256) || !strings.Contains(body, signing.ShortDigest(d.SHA256)) {
			t.Errorf("lacks the checksum of %s", d.Name)
		}
	}
	// The buttons come last: nothing that is signed stands below them.
	if sign := strings.Index(body, `name="provider"`); sign < strings.LastIndex(body, `class="doc"`) || sign < strings.Index(body, "Testperson Två") {
		t.Error("the buttons come before what is signed")
	}
	english := h.get("ett", "/signing/demo/o/order/1?lang=en").Body.String()
	if body := h.get("ett", "/signing/demo/o/order/1?lang=sv").Body.String(); strings.Contains(body, `<h1 lang`) {
		t.Error("a page in one language names it twice")
	}
	for _, want := range []string{`<h1 lang="sv">`, `<h3 lang="sv">Villkor`, `class="content" lang="sv"`, `<p class="lines" lang="sv">`, "Friday 4 December 2026 at 23:59", "No answer", "Exempelbo Municipality"} {
		if !strings.Contains(english, want) {
			t.Errorf("the English page lacks %q", want)
		}
	}
}

// TestContentIsText: whatever a document holds, it is text on the page.
func TestContentIsText(t *testing.T) {
	h := newHouse(t)
	evil := `<script>alert(1)</script><a href="javascript:x">"'`
	h.order("order", func(w *signing.Wish) {
		w.Title, w.Message, w.Reference = evil, evil, evil
		w.Documents = []signing.Document{
			{Name: evil, Kind: signing.KindText, Text: evil},
			{Name: "2", Kind: signing.KindContent, Content: signing.Content{{Heading: evil}, {Text: evil}, {Rows: []signing.Row{{Label: evil, Value: evil}}}}},
		}
		w.Signatories[1].Name = evil
		w.ReturnURL = "javascript:alert(1)"
	})
	h.signs(h.order("signed", func(w *signing.Wish) { w.Title, w.ReturnURL = evil, "javascript:alert(1)" }), 1)
	for _, path := range []string{"/signing/demo/o/order/1", "/signing/demo/o/order/1/refuse", "/signing/demo/o/signed/1", "/signing/demo/"} {
		w := h.get("ett", path)
		if body := w.Body.String(); w.Code != 200 || strings.Contains(body, "<script>") || strings.Contains(body, `<a href="javascript:`) || strings.Contains(body, `"javascript:alert(1)"`) {
			t.Errorf("%s: %d %s", path, w.Code, body)
		}
	}
}

func TestSeeingEachOther(t *testing.T) {
	three := func(w *signing.Wish) {
		w.Signatories = append(w.Signatories, signing.WishedSignatory{Number: numbers["tre"], Name: "Testperson Tre", Invite: signing.InviteNone})
	}
	for visibility, names := range map[signing.Visibility]bool{signing.ShowNames: true, signing.ShowNone: false} {
		h := newHouse(t)
		k := h.order("order", three, func(w *signing.Wish) { w.Visibility = visibility })
		h.signs(k, 2)
		for _, path := range []string{"/signing/demo/o/order/1", "/signing/demo/o/order/1/refuse"} {
			if body := h.get("ett", path).Body.String(); strings.Contains(body, "Testperson Tv") && !names || strings.Contains(body, "Testperson Tre") && !names {
				t.Errorf("%s, %s: shows the others", visibility, path)
			}
		}
		body := h.get("ett", "/signing/demo/o/order/1").Body.String()
		if strings.Contains(body, "Testperson Två") != names || strings.Contains(body, "2 personer till") == names || !names && !strings.Contains(body, "1 av 2 har skrivit under") {
			t.Errorf("%s: %s", visibility, body)
		}
	}
	// What somebody else has said, opened or answers by is nobody's business.
	h := newHouse(t)
	k := h.order("order")
	if _, err := k.Decline(2, "Vi är oense om allt", h.now); err != nil {
		t.Fatal(err)
	}
	body := h.get("ett", "/signing/demo/o/order/1").Body.String()
	if strings.Contains(body, "oense") || strings.Contains(body, "tva@example.se") || !strings.Contains(body, "Har tackat nej") {
		t.Errorf("%s", body)
	}
}

func TestFiles(t *testing.T) {
	h := newHouse(t)
	k := h.order("order")
	w := h.get("ett", "/signing/demo/o/order/1/documents/3")
	for name, want := range map[string]string{
		"Content-Type": "image/png", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
		"Content-Disposition":     `attachment; filename*=utf-8''Intyg%20fr%C3%A5n%20arbetsgivare.png`,
		"Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if !bytes.Equal(w.Body.Bytes(), k.file) {
		t.Error("another file")
	}
	h.signs(k, 1)
	h.signs(k, 2)
	h.completes(k)
	for _, who := range []string{"ett", "tva"} {
		n := map[string]string{"ett": "1", "tva": "2"}[who]
		w := h.get(who, "/signing/demo/o/order/"+n+"/receipt.pdf")
		if w.Header().Get("Content-Type") != "application/pdf" || !strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment;") || !strings.HasPrefix(w.Body.String(), "%PDF") {
			t.Errorf("%s: %v", who, w.Header())
		}
	}
	for name, want := range map[string]string{
		"": "fil.png", ". .": "fil.png", "Intyg.PNG": "Intyg.PNG", "../../etc/passwd": "_.._etc_passwd.png", "a\"b": "a_b.png", "bild.jpg": "bild.jpg.png",
	} {
		if got := page.FileName(name, "image/png"); got != want {
			t.Errorf("%q is saved as %q, want %q", name, got, want)
		}
	}
	for n, want := range map[int]string{0: "0 byte", 999: "999 byte", 1000: "1 kB", 123_456: "123 kB", 1_500_000: "1,5 MB"} {
		if got := size("sv", n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

var chooseQR = url.Values{"provider": {"mbankid"}, "device": {"other"}}

// shown is a form as the page of an order has it.
func shown(k *kept, form url.Values) url.Values {
	out := url.Values{"digest": {hex.EncodeToString(k.Digest[:])}}
	maps.Copy(out, form)
	return out
}

func TestSign(t *testing.T) {
	h := newHouse(t)
	k := h.order("order")
	if to := location(t, h.post("ett", "/signing/demo/o/order/1", shown(k, chooseQR))); to != "/signing/demo/o/order/1/e/eidnew" {
		t.Errorf("sent to %s", to)
	}
	if len(h.service.begun) != 1 {
		t.Fatalf("%d begun", len(h.service.begun))
	}
	s := h.service.begun[0]
	if s.Digest != k.Digest || s.Again != "" || s.Provider != "mbankid" || s.Mode != "other" || s.Browser != browserOne || s.Language != "sv" || s.Device.IP != "192.0.2.1" || s.Device.Domain != "localhost" {
		t.Errorf("%+v", s)
	}
	for name, c := range map[string]struct {
		who    string
		form   url.Values
		change func(*house, *kept)
		want   string
	}{
		"nobody":           {"", chooseQR, nil, "land"},
		"the wrong person": {"annan", chooseQR, nil, "nothing"},
		"cannot sign":      {"ett", url.Values{"provider": {"telia"}, "device": {"other"}}, nil, "400 Det valet går inte att göra här"},
		"not offered":      {"ett", url.Values{"provider": {"freja"}}, nil, "400 Det valet går inte att göra här"},
		"not by the order": {"ett", chooseQR, func(_ *house, k *kept) { k.Providers = []providers.ID{providers.BankID} }, "400 Det valet går inte att göra här"},
		"no choice":        {"ett", nil, nil, "400 Det valet går inte att göra här"},
		"a field too many": {"ett", url.Values{"provider": {"mbankid"}, "x": {"y"}}, nil, "400 Vi förstod inte det som skickades hit"},
		"signed already":   {"ett", chooseQR, func(h *house, k *kept) { h.signs(k, 1) }, "to /signing/demo/o/order/1"},
		"too late":         {"ett", chooseQR, func(h *house, k *kept) { h.now = k.Deadline; renew(h) }, "to /signing/demo/o/order/1"},
		"overtaken":        {"ett", chooseQR, func(h *house, _ *kept) { h.service.signErr = signing.ErrOver }, "to /signing/demo/o/order/1"},
		"too old a login":  {"ett", chooseQR, func(h *house, _ *kept) { h.service.signErr = orders.ErrLevel }, "land"},
		"not this e-ID": {"ett", chooseQR, func(h *house, _ *kept) {
			h.service.signErr = &providers.BadRequest{Field: "text", Problem: "too long"}
		}, "400 Det valet går inte att göra här"},
		"our fault": {"ett", chooseQR, func(h *house, _ *kept) { h.service.signErr = errBroken }, "500 Något gick fel hos oss"},
	} {
		h := newHouse(t)
		k := h.order("order")
		if c.change != nil {
			c.change(h, k)
		}
		if got := kindOf(h.post(c.who, "/signing/demo/o/order/1", shown(k, c.form))); got != c.want || len(h.service.begun) != 0 {
			t.Errorf("%s: %s, want %s; %d begun", name, got, c.want, len(h.service.begun))
		}
		if strings.HasPrefix(c.want, "400") != (len(h.audit.events) == 1) {
			t.Errorf("%s: audit %v", name, h.audit.events)
		}
	}
	// Whoever has read for longer than a login lasts is told why to log in again.
	h = newHouse(t)
	h.order("order")
	h.now = h.now.Add(2 * time.Hour)
	for _, path := range []string{"/signing/demo/o/order/1", "/signing/demo/o/order/1/refuse"} {
		if w := h.post("ett", path, chooseQR); kindOf(w) != "land" || !strings.Contains(w.Body.String(), "<h1>Logga in igen</h1>") {
			t.Errorf("%s after two hours: %s", path, kindOf(w))
		}
	}
	h = newHouse(t)
	h.order("order")
	if w := h.post("ett", "/signing/demo/o/order/1", chooseQR, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }); w.Code != http.StatusForbidden || len(h.service.begun) != 0 {
		t.Errorf("another site begins a signature: %d", w.Code)
	}
	if w := h.post("ett", "/signing/demo/o/order/1", chooseQR, func(r *http.Request) {
		r.Header.Del("Cookie")
		r.AddCookie(&http.Cookie{Name: oidc.SessionCookie, Value: "ett"})
	}); kindOf(w) != "land" || len(h.service.begun) != 0 {
		t.Errorf("a browser without a secret: %s", kindOf(w))
	}
}

// TestSignsWhatWasShown: what was changed between the page and the button is not
// signed, and the person is told to read again.
func TestSignsWhatWasShown(t *testing.T) {
	h := newHouse(t)
	k := h.order("order")
	before := h.get("ett", "/signing/demo/o/order/1").Body.String()
	if n := strings.Count(before, `name="digest" value="`+hex.EncodeToString(k.Digest[:])+`"`); n == 0 || n != strings.Count(before, `name="provider"`) {
		t.Errorf("%d forms with the digest", n)
	}
	old := shown(k, chooseQR)
	k.Digest[0]++
	for name, form := range map[string]url.Values{
		"what was there before": old, "nothing": chooseQR, "no digest": {"provider": {"mbankid"}, "digest": {"x"}},
		"half of it": {"provider": {"mbankid"}, "digest": {hex.EncodeToString(k.Digest[:16])}},
	} {
		to := location(t, h.post("ett", "/signing/demo/o/order/1", form))
		if body := h.get("ett", to).Body.String(); len(h.service.begun) != 0 || !strings.Contains(body, "Innehållet har ändrats") || !strings.Contains(body, `id="sign"`) {
			t.Errorf("%s: %d begun, sent to %s", name, len(h.service.begun), to)
		}
	}
	if w := h.post("ett", "/signing/demo/o/order/1", shown(k, chooseQR)); location(t, w) != "/signing/demo/o/order/1/e/eidnew" {
		t.Error("what is shown cannot be signed")
	}
}

// TestOnlyTheReviewReads: no other address counts as having opened the order.
func TestOnlyTheReviewReads(t *testing.T) {
	h := newHouse(t)
	k := h.order("order")
	h.eid("eid", "order/1", flow.View{State: flow.StateFailed})
	const at = "/signing/demo/o/order/1"
	for _, path := range []string{"/state", "/refuse", "/e/eid", "/e/eid/done"} {
		h.get("ett", at+path)
	}
	h.post("ett", at, chooseQR)
	h.post("ett", at+"/e/eid/restart", nil)
	if s := k.Signatories[0].State; s != signing.Invited {
		t.Errorf("it is %s", s)
	}
	if h.get("ett", at); k.Signatories[0].State != signing.Opened {
		t.Error("the review does not count")
	}
}

// renew makes the logins as new as the clock.
func renew(h *house) {
	for who, s := range h.logins.sessions {
		s.AuthTime = h.now
		h.logins.sessions[who] = s
	}
}

// TestWaiting: the e-ID order's pages are its browser's, its place's and its
// client's alone.
func TestWaiting(t *testing.T) {
	h := newHouse(t)
	h.order("order")
	h.order("second")
	h.eid("eid", "order/1", flow.View{State: flow.StatePending, Wait: waitingFor(providers.ModeOther)})
	const at = "/signing/demo/o/order/1/e/eid"
	if w := h.get("ett", at); kindOf(w) != "wait" || !strings.Contains(w.Body.String(), "Skriv under med Mobilt BankID") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	other := func(r *http.Request) {
		r.Header.Del("Cookie")
		r.AddCookie(&http.Cookie{Name: page.BrowserCookie, Value: browserTwo})
	}
	for part, want := range map[string]int{"/status": 200, "/qr": 200, "/qr.svg": 200} {
		if w := h.get("", at+part); w.Code != want {
			t.Errorf("%s: %d", part, w.Code)
		}
		if w := h.get("ett", at+part, other); w.Code != 404 {
			t.Errorf("%s in another browser: %d", part, w.Code)
		}
		for _, wrong := range []string{"/signing/demo/o/second/1/e/eid", "/signing/demo/o/order/2/e/eid", "/signing/green/o/order/1/e/eid"} {
			if w := h.get("", wrong+part); w.Code != 404 {
				t.Errorf("%s: %d", wrong+part, w.Code)
			}
		}
	}
	if h.service.asked != 1 {
		t.Errorf("status and code asked the service %d times", h.service.asked-1)
	}
	if to := location(t, h.post("ett", at+"/cancel", nil)); to != "/signing/demo/o/order/1?note=cancelled#sign" || len(h.flow.cancelled) != 1 {
		t.Errorf("sent to %s, %d cancelled", to, len(h.flow.cancelled))
	}
	if body := h.get("ett", "/signing/demo/o/order/1?note=cancelled").Body.String(); !strings.Contains(body, "Du avbröt. Ingenting är underskrivet.") {
		t.Error("the review does not say that it was cancelled")
	}
	if h.post("", at+"/cancel", nil, other); len(h.flow.cancelled) != 1 {
		t.Error("another browser cancels")
	}
	for state, want := range map[flow.State]string{flow.StateComplete: "to " + at + "/done", flow.StateFailed: "200 Underskriften avbröts"} {
		h.eid("eid", "order/1", flow.View{State: state, Failed: providers.Failed{Reason: providers.Cancelled}})
		if got := kindOf(h.get("ett", at)); got != want {
			t.Errorf("%s: %s", state, got)
		}
		if to := location(t, h.post("ett", at+"/cancel", nil)); to != at || len(h.flow.cancelled) != 1 {
			t.Errorf("cancelled too late: %s", to)
		}
	}
	if Home(h.flow.views["eid"].Order) != at {
		t.Errorf("home is %s", Home(h.flow.views["eid"].Order))
	}
}

// TestWaitingAtASite: an e-ID with a web site of its own is gone to from the same
// pages, and where the person comes back from it, too.
func TestWaitingAtASite(t *testing.T) {
	const at, sso = "/signing/demo/o/order/1/e/eid", "https://sso.example.net/saml"
	info := providers.Info{ID: providers.Telia, Name: "Telia e-legitimation", Site: true, Help: providers.Help{Issuer: "Telia", URL: "https://www.example.com/help", Test: "https://www.example.com/test"}}
	for name, c := range map[string]struct {
		away           providers.Step
		parts          []string
		policy, status string
	}{
		"by address": {providers.Redirect{URL: sso + "?x=y"}, []string{`href="` + sso + `?x=y"`}, "form-action 'self';", `"link":"` + sso + `?x=y"`},
		"by form": {
			providers.PostForm{URL: sso, Fields: map[string]string{"SAMLRequest": "x"}},
			[]string{`action="` + sso + `"`, `name="SAMLRequest" value="x"`}, "form-action 'self' https:;", `"hint":"away"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.order("order")
			h.eid("eid", "order/1", flow.View{State: flow.StatePending, Info: info, Away: c.away, Wait: providers.Wait{Hint: "away"}, Order: broker.Order{Provider: providers.Telia, Mode: providers.ModeThis}})
			w := h.get("ett", at)
			body := w.Body.String()
			for _, part := range append(c.parts, "Telias egen webbplats, sso.example.net.", " ber dig skriva under", `action="`+at+`/cancel"`) {
				if !strings.Contains(body, part) {
					t.Errorf("lacks %q: %s", part, body)
				}
			}
			if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, c.policy) {
				t.Errorf("policy %s", csp)
			}
			if got := h.get("", at+"/status").Body.String(); !strings.Contains(got, c.status) {
				t.Errorf("status %s", got)
			}
			if to := location(t, h.post("ett", at+"/cancel", nil)); to != "/signing/demo/o/order/1?note=cancelled#sign" || len(h.flow.cancelled) != 1 {
				t.Errorf("cancelled to %s", to)
			}
			h.eid("eid", "order/1", flow.View{State: flow.StateFailed, Info: info, Order: broker.Order{Provider: providers.Telia}, Failed: providers.Failed{Reason: providers.Blocked}})
			if body := h.get("ett", at).Body.String(); !strings.Contains(body, "Testa Telia e-legitimation") || !strings.Contains(body, "Kontakta Telia") {
				t.Errorf("no help: %s", body)
			}
		})
	}
}

func TestRestart(t *testing.T) {
	const at = "/signing/demo/o/order/1/e/eid/restart"
	for name, c := range map[string]struct {
		who   string
		view  flow.View
		sign  bool
		want  string
		begun int
	}{
		"failed":           {"ett", flow.View{State: flow.StateFailed}, false, "to /signing/demo/o/order/1/e/eidnew", 1},
		"still going":      {"ett", flow.View{State: flow.StatePending}, false, "to /signing/demo/o/order/1/e/eid", 0},
		"signed meanwhile": {"ett", flow.View{State: flow.StateFailed}, true, "to /signing/demo/o/order/1", 0},
		"the wrong person": {"annan", flow.View{State: flow.StateFailed}, false, "nothing", 0},
		"an e-ID no more":  {"ett", flow.View{State: flow.StateFailed, Order: broker.Order{Provider: providers.Freja, Mode: providers.ModeOther}}, false, "400 Det valet går inte att göra här", 0},
	} {
		h := newHouse(t)
		k := h.order("order")
		if c.sign {
			h.signs(k, 1)
		}
		h.eid("eid", "order/1", c.view)
		if got := kindOf(h.post(c.who, at, nil)); got != c.want || len(h.service.begun) != c.begun {
			t.Errorf("%s: %s, %d begun", name, got, len(h.service.begun))
		}
		for _, s := range h.service.begun {
			if s.Again != "eid" || s.Digest != [32]byte{} {
				t.Errorf("%s: %+v", name, s)
			}
		}
	}
}

func TestRefuse(t *testing.T) {
	h := newHouse(t)
	k := h.order("order")
	const at = "/signing/demo/o/order/1/refuse"
	if got := kindOf(h.post("annan", at, url.Values{"reason": {"Nej"}})); got != "nothing" || k.State != signing.Open {
		t.Errorf("the wrong person: %s, %s", got, k.State)
	}
	if w := h.post("ett", at, url.Values{"reason": {strings.Repeat("å", signing.MaxReason+1)}}); w.Code != 422 || !strings.Contains(w.Body.String(), "åå</textarea>") || k.State != signing.Open {
		t.Errorf("too long: %d", w.Code)
	}
	reason := strings.Repeat("🙂", signing.MaxReason)
	if to := location(t, h.post("ett", at, url.Values{"reason": {reason}})); to != "/signing/demo/o/order/1" {
		t.Errorf("sent to %s", to)
	}
	if k.State != signing.Refused || k.Signatories[0].Reason != reason {
		t.Errorf("%s, %q", k.State, k.Signatories[0].Reason)
	}
	// Twice is once, and one who has signed cannot say no.
	if to := location(t, h.post("ett", at, url.Values{"reason": {"igen"}})); to != "/signing/demo/o/order/1" || k.Signatories[0].Reason != reason {
		t.Errorf("sent to %s", to)
	}
	k = h.order("signed")
	h.signs(k, 1)
	if to := location(t, h.post("ett", "/signing/demo/o/signed/1/refuse", nil)); to != "/signing/demo/o/signed/1" || k.State != signing.Open {
		t.Errorf("after signing: %s, %s", to, k.State)
	}
}

// TestSaysHowItStands: what P-77 asks of the words after a signature.
func TestSaysHowItStands(t *testing.T) {
	h := newHouse(t)
	k := h.order("order")
	h.signs(k, 1)
	for lang, wants := range map[string][]string{
		"sv": {"Du har skrivit under", "Nu väntar vi på en underskrift till.", "Ingenting är klart förrän alla har skrivit under", "Skrev under fredag 20 november 2026 kl. 10.01", "Har inte skrivit under än", "Läs det som du skrev under", "Tillbaka till Exempelbo kommun"},
		"en": {"You have signed", "Now we wait for one more signature.", "Nothing is complete before everybody has signed"},
	} {
		body := h.get("ett", "/signing/demo/o/order/1?lang="+lang).Body.String()
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s: lacks %q", lang, want)
			}
		}
	}
	// Past the deadline nothing can be signed, also before the clock has come by.
	h.now = k.Deadline
	renew(h)
	if got := kindOf(h.get("tva", "/signing/demo/o/order/2")); got != "200 Tiden har gått ut" {
		t.Errorf("past the deadline: %s", got)
	}
}

func TestUncounted(t *testing.T) {
	h := newHouse(t)
	h.order("order")
	h.service.outcomes["eid"] = "outdated"
	w := h.get("ett", "/signing/demo/o/order/1/e/eid/done")
	if body := w.Body.String(); !strings.Contains(body, "Din underskrift räknas inte") || !strings.Contains(body, "Innehållet ändrades") {
		t.Errorf("%s", body)
	}
}

// TestLogsSayNothing: no number, token, title or name gets into a log.
func TestLogsSayNothing(t *testing.T) {
	h := newHouse(t)
	for _, s := range samples(t) {
		s.serve(httptest.NewRecorder(), httptest.NewRequest("GET", "/?lang=sv", nil))
	}
	k := h.order("order")
	h.service.tokens["secrettoken"] = "order/1"
	h.service.signErr = errBroken
	h.get("annan", "/signing/demo/i/secrettoken")
	h.post("ett", "/signing/demo/o/order/1", shown(k, chooseQR))
	h.post("ett", "/signing/demo/kod", url.Values{"x": {"secretcode"}})
	log := h.log.String()
	if !strings.Contains(log, "disk is full") {
		t.Error("the fault is not logged")
	}
	for _, s := range append(slices.Clone(secrets), "secrettoken", "secretcode", "19810119", "8101199282") {
		if strings.Contains(log, s) {
			t.Errorf("the log holds %q: %s", s, log)
		}
	}
}

func TestTimes(t *testing.T) {
	w := newHouse(t).web
	now := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		in             time.Duration
		sv, en, svLeft string
	}{
		{0, "lördag 28 mars 2026 kl. 13.00", "Saturday 28 March 2026 at 13:00", ""},
		{30 * time.Second, "lördag 28 mars 2026 kl. 13.00", "Saturday 28 March 2026 at 13:00", "en minut kvar"},
		{90 * time.Minute, "lördag 28 mars 2026 kl. 14.30", "Saturday 28 March 2026 at 14:30", "en timme kvar"},
		{47 * time.Hour, "måndag 30 mars 2026 kl. 13.00", "Monday 30 March 2026 at 13:00", "47 timmar kvar"}, // summer time began
		{48 * time.Hour, "måndag 30 mars 2026 kl. 14.00", "Monday 30 March 2026 at 14:00", "2 dagar kvar"},
	} {
		at := now.Add(c.in)
		if sv, en, left := w.when("sv", at), w.when("en", at), w.left("sv", now, at); sv != c.sv || en != c.en || left != c.svLeft {
			t.Errorf("%s: %q, %q, %q", c.in, sv, en, left)
		}
	}
}

// FuzzAddresses: whatever an address holds, the answer is a page of ours, and
// nobody learns anything by it.
func FuzzAddresses(f *testing.F) {
	for _, path := range []string{"demo/i/x", "demo/o/order/1", "demo/o/order/1/e/x/done", "demo/o/order/+1", "demo/o/../o/order/1", "demo//kod", "green/o/order/1/receipt.pdf", "demo/o/order/9999999999999999999", "demo/o/order/1/documents/-1"} {
		f.Add(path)
	}
	h := newHouse(f)
	h.order("order")
	f.Fuzz(func(t *testing.T, path string) {
		h.t = t
		for _, who := range []string{"", "annan"} {
			w := h.get(who, "/", func(r *http.Request) { r.URL = &url.URL{Path: "/signing/" + path} })
			if w.Code != 200 && w.Code != 303 && w.Code != 301 && w.Code != 307 && w.Code != 308 && w.Code != 404 && w.Code != 405 {
				t.Errorf("%q: %d", path, w.Code)
			}
			for _, s := range secrets {
				if strings.Contains(w.Body.String(), s) {
					t.Errorf("%q: %q learns %q", path, who, s)
				}
			}
		}
	})
}

func FuzzFileName(f *testing.F) {
	f.Add("Intyg.pdf", "application/pdf")
	f.Add("../x", "image/png")
	f.Fuzz(func(t *testing.T, name, media string) {
		got := page.FileName(name, media)
		if got == "" || strings.ContainsAny(got, "/\\\r\n\"") || strings.HasPrefix(got, ".") {
			t.Errorf("%q is saved as %q", name, got)
		}
	})
}
