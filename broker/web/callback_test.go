package web

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/page"
	"sigill/providers"
)

// crossSite is how another site's form comes.
func crossSite(r *http.Request) {
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Origin", "https://sso.example.net")
}

func TestCallbackGoesOn(t *testing.T) {
	form := url.Values{"SAMLResponse": {"PD94+/=å"}, "RelayState": {"o.secret"}}
	for name, c := range map[string]struct {
		method, path string
		form         url.Values
		at           string
	}{
		"login by POST":     {"POST", "/eid/telia/back", form, providers.BackPath},
		"login by GET":      {"GET", "/eid/telia/back", url.Values{"code": {"c"}, "state": {"o.secret"}, "iss": {"https://x"}}, providers.BackPath},
		"signature by POST": {"POST", "/eid/telia/sign/back", form, providers.SignBackPath},
		"signature by GET":  {"GET", "/eid/telia/sign/back", form, providers.SignBackPath},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.flow.handles["telia "+c.at+" o.secret"] = "http://localhost:8080/return/o?n=nonce"
			path, body := c.path, c.form
			if c.method == "GET" {
				path, body = path+"?"+c.form.Encode(), nil
			}
			w := h.ask(c.method, path, body, crossSite)
			if to := location(t, w); to != "http://localhost:8080/return/o?n=nonce" {
				t.Errorf("leads to %s", to)
			}
			if len(h.flow.back) != 1 {
				t.Fatalf("%d callbacks", len(h.flow.back))
			}
			got := h.flow.back[0]
			if got.Handle != "o.secret" || got.Instance != "telia" || got.At != c.at || url.Values(got.Form).Encode() != c.form.Encode() {
				t.Errorf("%+v", got)
			}
			if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Referrer-Policy") != "no-referrer" || len(w.Result().Cookies()) > 0 {
				t.Errorf("%v", w.Header())
			}
			if log := h.log.String(); strings.Contains(log, "secret") || strings.Contains(log, "PD94") || strings.Contains(log, "nonce") {
				t.Errorf("logged: %s", log)
			}
		})
	}
}

func TestCallbackRefuses(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	for name, c := range map[string]struct {
		method, path, media, body string
		status                    int
		reason                    string
	}{
		"unknown handle":       {"POST", "/eid/telia/back", form, "SAMLResponse=x&RelayState=another", 404, codeStray},
		"another instance":     {"POST", "/eid/freja/back", form, "SAMLResponse=x&RelayState=o.secret", 404, codeStray},
		"another place":        {"POST", "/eid/telia/sign/back", form, "SAMLResponse=x&RelayState=o.secret", 404, codeStray},
		"no handle":            {"POST", "/eid/telia/back", form, "SAMLResponse=x", 400, "malformed"},
		"two handles":          {"POST", "/eid/telia/back", form, "RelayState=o.secret&RelayState=o.secret", 400, "malformed"},
		"of both kinds":        {"POST", "/eid/telia/back", form, "RelayState=o.secret&state=o.secret", 400, "malformed"},
		"nothing":              {"GET", "/eid/telia/back", "", "", 400, "malformed"},
		"two in the query":     {"GET", "/eid/telia/back?state=o.secret&state=x", "", "", 400, "malformed"},
		"in two parts":         {"POST", "/eid/telia/back?code=x", form, "state=o.secret", 400, "malformed"},
		"JSON":                 {"POST", "/eid/telia/back", "application/json", `{"state":"o.secret"}`, 400, "malformed"},
		"a file":               {"POST", "/eid/telia/back", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"state\"\r\n\r\no.secret\r\n--x--\r\n", 400, "malformed"},
		"no media type":        {"POST", "/eid/telia/back", "", "state=o.secret", 400, "malformed"},
		"not to be decoded":    {"POST", "/eid/telia/back", form, "state=o.secret&x=%zz", 400, "malformed"},
		"nor in the query":     {"GET", "/eid/telia/back?state=o.secret&x=%zz", "", "", 400, "malformed"},
		"semicolons":           {"GET", "/eid/telia/back?state=o.secret;code=x", "", "", 400, "malformed"},
		"no text":              {"POST", "/eid/telia/back", form, "state=o.secret&code=%ff", 400, "malformed"},
		"no text as a name":    {"POST", "/eid/telia/back", form, "state=o.secret&%ff=x", 400, "malformed"},
		"too many fields":      {"POST", "/eid/telia/back", form, "state=o.secret" + strings.Repeat("&x=y", maxFields), 400, "malformed"},
		"too large":            {"POST", "/eid/telia/back", form, "state=o.secret&x=" + strings.Repeat("y", maxAnswer), 413, "too_large"},
		"too long":             {"GET", "/eid/telia/back?state=o.secret&x=" + strings.Repeat("y", maxQuery), "", "", 413, "too_large"},
		"only looked at":       {"HEAD", "/eid/telia/back?state=o.secret", "", "", 405, ""},
		"looked at, as signed": {"HEAD", "/eid/telia/sign/back?state=o.secret", "", "", 405, ""},
		"another method":       {"PUT", "/eid/telia/back", form, "state=o.secret", 405, ""},
		"another address":      {"POST", "/eid/telia/back/there", form, "state=o.secret", 405, ""},
		"an address elsewhere": {"GET", "/eid/", "", "", 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.flow.handles["telia "+providers.BackPath+" o.secret"] = "http://localhost:8080/return/o?n=nonce"
			r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
			if c.media != "" {
				r.Header.Set("Content-Type", c.media)
			}
			crossSite(r)
			w := httptest.NewRecorder()
			h.mux.ServeHTTP(w, r)
			if c.status == http.StatusMethodNotAllowed && !strings.Contains(c.path, "there") && w.Header().Get("Allow") != "GET, POST" {
				t.Errorf("allows %q", w.Header().Get("Allow"))
			}
			if w.Code != c.status || c.method != "HEAD" && !strings.Contains(w.Body.String(), w.Header().Get("X-Request-Id")) || len(w.Header().Get("X-Request-Id")) < 5 {
				t.Errorf("%d, want %d: %.300s", w.Code, c.status, w.Body)
			}
			var reasons []string
			for _, e := range h.audit.events {
				if e.Type == audit.InputRefused {
					reasons = append(reasons, e.Reason)
				}
			}
			if c.reason == "" && len(reasons) > 0 || c.reason != "" && !slices.Equal(reasons, []string{c.reason}) {
				t.Errorf("audited: %v", reasons)
			}
			if c.reason != codeStray && len(h.flow.back) > 0 {
				t.Error("it was taken in")
			}
			if log := h.log.String(); strings.Contains(log, "secret") || strings.Contains(w.Body.String(), "secret") {
				t.Errorf("told: %s", log)
			}
		})
	}
	t.Run("as much as an issuer may send", func(t *testing.T) {
		h := newHouse(t)
		h.flow.handles["telia back o.secret"] = "http://localhost:8080/return/o?n=nonce"
		const rest = "RelayState=o.secret&SAMLResponse="
		r := httptest.NewRequest("POST", "/eid/telia/back", strings.NewReader(rest+strings.Repeat("y", maxAnswer-len(rest))))
		r.Header.Set("Content-Type", form+"; charset=UTF-8")
		w := httptest.NewRecorder()
		h.mux.ServeHTTP(w, r)
		location(t, w)
	})
	t.Run("our own fault", func(t *testing.T) {
		h := newHouse(t)
		h.flow.backErr = errors.New("the disk is full")
		w := h.get("/eid/telia/back?state=o.secret")
		if w.Code != 500 || strings.Contains(w.Body.String(), "disk") || len(h.audit.events) > 0 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// Nothing there depends on whose browser it is, not even its language.
func TestCallbackReadsNoCookie(t *testing.T) {
	h := newHouse(t)
	body := h.get("/eid/telia/back?state=o.secret", cookie(page.LangCookie, "en")).Body.String()
	if !strings.Contains(body, `<html lang="sv">`) {
		t.Error("a cookie was read")
	}
	if strings.Contains(body, "secret") {
		t.Error("the page repeats what was brought")
	}
}

func FuzzBrought(f *testing.F) {
	f.Add("POST", "SAMLResponse=x&RelayState=o.secret")
	f.Add("GET", "state=o.secret&code=%c3%a5")
	f.Add("GET", "state=a&state=b&RelayState=c;%ff")
	f.Fuzz(func(t *testing.T, method, raw string) {
		if method != "GET" {
			method = "POST"
		}
		r := httptest.NewRequest(method, "/", nil)
		if method == "GET" {
			r.URL.RawQuery = raw
		} else {
			r = httptest.NewRequest(method, "/", strings.NewReader(raw))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		form, handle, err := brought(r)
		if err != nil {
			return
		}
		if n := len(form["state"]) + len(form["RelayState"]); n != 1 || form.Get("state")+form.Get("RelayState") != handle {
			t.Errorf("%d handles, %q", n, handle)
		}
		if back, err := url.ParseQuery(form.Encode()); err != nil || back.Encode() != form.Encode() {
			t.Errorf("not whole: %v", err)
		}
	})
}

func TestDocuments(t *testing.T) {
	h := newHouse(t, func(c *Config) {
		c.Documents = func(instance string) map[string]providers.Document {
			if instance != "telia" {
				return nil
			}
			return map[string]providers.Document{
				"metadata":      {MediaType: "application/samlmetadata+xml", Bytes: []byte("<login/>")},
				"sign/metadata": {MediaType: "application/samlmetadata+xml", Bytes: []byte("<sign/>")},
			}
		}
	})
	for path, want := range map[string]string{
		"/eid/telia/metadata": "<login/>", "/eid/telia/sign/metadata": "<sign/>",
		"/eid/freja/metadata": "", "/eid/telia/other": "", "/eid/telia/": "", "/eid/telia/metadata/": "", "/eid/telia/sign": "",
	} {
		w := h.get(path)
		if want == "" {
			if w.Code != 404 || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d", path, w.Code)
			}
			continue
		}
		if w.Code != 200 || w.Body.String() != want || w.Header().Get("Content-Type") != "application/samlmetadata+xml" ||
			w.Header().Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(w.Header().Get("Cache-Control"), "public, max-age=") ||
			!strings.Contains(w.Header().Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %d %v %s", path, w.Code, w.Header(), w.Body)
		}
		if w := h.ask("HEAD", path, nil); w.Code != 200 || w.Body.Len() > 0 {
			t.Errorf("HEAD %s: %d %s", path, w.Code, w.Body)
		}
		if w := h.post(path, nil); w.Code != 405 {
			t.Errorf("POST %s: %d", path, w.Code)
		}
	}
}

// From the choice to the issuer's site: by itself at first, by a button for whoever
// comes here again.
func TestWayToASite(t *testing.T) {
	h := newHouse(t)
	h.login(loginOne, func(l *broker.Login) { l.Offered = []providers.ID{providers.Telia, providers.MBankID}; l.Lang = "en" })
	to := location(t, h.post(self, url.Values{"provider": {"telia"}}))
	b := h.flow.orders()[0]
	if b.Provider != providers.Telia || b.Instance != "telia" || b.Request.Mode != providers.ModeThis || b.Request.Lang != "en" {
		t.Errorf("begun: %+v", b)
	}
	w := h.get(to)
	link := `href="` + sso + `?SAMLRequest=x&amp;RelayState=o.secret"`
	if got := w.Header().Get("Refresh"); got != "0;url="+sso+"?SAMLRequest=x&RelayState=o.secret" {
		t.Errorf("goes on to %q", got)
	}
	if body := w.Body.String(); !strings.Contains(body, link) || !strings.Contains(body, "Telia e-ID") || !strings.Contains(body, "sso.example.net") || !strings.Contains(body, `action="`+to+`/cancel"`) {
		t.Errorf("%s", body)
	}
	if csp := w.Header().Get("Content-Security-Policy"); strings.Contains(csp, "example.net") {
		t.Errorf("a form may lead there: %s", csp)
	}
	h.now = h.now.Add(young)
	w = h.get(to)
	if w.Header().Get("Refresh") != "" || !strings.Contains(w.Body.String(), link) {
		t.Errorf("comes here again and is sent away: %v", w.Header())
	}
	if w := h.get(to, cookie(plainCookie, "1")); w.Header().Get("Refresh") != "" {
		t.Errorf("reloads under the person's hands: %v", w.Header())
	}
	if got := h.get(to + "/status").Body.String(); got != `{"state":"pending","hint":"away","link":"`+sso+`?SAMLRequest=x\u0026RelayState=o.secret","text":"Väntar på svar från Telia e-legitimation …"}` {
		t.Errorf("status %s", got)
	}
	// Another way: the old order is cancelled.
	again := location(t, h.post(self, url.Values{"provider": {"mbankid"}}))
	if !slices.Contains(h.flow.cancelled, b.ID) || again == to {
		t.Errorf("cancelled %v", h.flow.cancelled)
	}
	if there := location(t, h.get(to)); there != again {
		t.Errorf("the old page leads to %s", there)
	}
	if back := location(t, h.post(again+"/cancel", nil)); back != self {
		t.Errorf("cancel leads to %s", back)
	}
}

func TestWayToASiteByForm(t *testing.T) {
	h := newHouse(t)
	h.flow.away = providers.PostForm{URL: sso + "?a=b", Fields: map[string]string{"SAMLRequest": `PD94"><script>`, "RelayState": "o.secret"}}
	h.login(loginOne, func(l *broker.Login) { l.Offered = []providers.ID{providers.Telia} })
	to := location(t, h.post(self, url.Values{"provider": {"telia"}}))
	w := h.get(to)
	body := w.Body.String()
	for _, want := range []string{
		`action="` + sso + `?a=b"`, `data-onward=""`, `name="RelayState" value="o.secret"`, `name="SAMLRequest" value="PD94&#34;&gt;&lt;script&gt;"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("lacks %s: %s", want, body)
		}
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' https://app.example.se https:;") {
		t.Errorf("policy %s", csp)
	}
	if w.Header().Get("Refresh") != "" {
		t.Error("reloads")
	}
	h.now = h.now.Add(young)
	if body := h.get(to).Body.String(); strings.Contains(body, "data-onward") || !strings.Contains(body, `action="`+sso+`?a=b"`) {
		t.Errorf("comes here again: %s", body)
	}
	if got := h.get(to + "/status").Body.String(); strings.Contains(got, "link") {
		t.Errorf("status %s", got)
	}
}

// An order from the future, by a clock that was set back, is not sent away by
// itself for all the time until then.
func TestOrderFromTheFuture(t *testing.T) {
	for early, auto := range map[time.Duration]bool{time.Second: true, 5 * time.Minute: false} {
		h := newHouse(t)
		h.login(loginOne, func(l *broker.Login) { l.Offered = []providers.ID{providers.Telia} })
		to := location(t, h.post(self, url.Values{"provider": {"telia"}}))
		h.now = h.now.Add(-early)
		if got := h.get(to).Header().Get("Refresh") != ""; got != auto {
			t.Errorf("begun in %v: sent away %t", early, got)
		}
		if again := location(t, h.post(self, url.Values{"provider": {"telia"}})); (again == to) != auto {
			t.Errorf("begun in %v: taken for a second press: %t", early, again == to)
		}
	}
}

// The page of a form lets it end where its issuer sends it on to.
func TestFormMayEnd(t *testing.T) {
	for to, want := range map[string]string{
		"https://sso.example.net/sso":   "https:;",
		"http://127.0.0.1:8082/sso":     "https: http://127.0.0.1:*;",
		"http://localhost:8082/sso":     "https: http://localhost:*;",
		"http://[::1]:8082/sso":         "https: http://[::1]:8082;",
		"http://sso.example.net/sso":    "https: http://sso.example.net;",
		"http://127.0.0.1.example/sso":  "https: http://127.0.0.1.example;",
		"http://localhost.example/sso":  "https: http://localhost.example;",
		"http://localhost;x/sso":        "",
		"https://sso.example.net;x/sso": "https:;",
	} {
		h := newHouse(t)
		h.flow.away = providers.PostForm{URL: to, Fields: map[string]string{"RelayState": "o.secret"}}
		h.login(loginOne, func(l *broker.Login) { l.Offered = []providers.ID{providers.Telia} })
		w := h.get(location(t, h.post(self, url.Values{"provider": {"telia"}})))
		csp := w.Header().Get("Content-Security-Policy")
		if full := "form-action 'self' https://app.example.se " + want; want != "" && !strings.Contains(csp, full) || strings.Contains(csp, ";x") {
			t.Errorf("%s: %s", to, csp)
		}
	}
}

// A step that leads nowhere on the web is no way.
func TestNoWayToAScript(t *testing.T) {
	for _, bad := range []string{"javascript:alert(1)", "data:text/html,x", "//host", "", "bankid:///"} {
		h := newHouse(t)
		h.flow.away = providers.Redirect{URL: bad}
		h.login(loginOne, func(l *broker.Login) { l.Offered = []providers.ID{providers.Telia} })
		w := h.get(location(t, h.post(self, url.Values{"provider": {"telia"}})))
		if w.Code != 200 || w.Header().Get("Refresh") != "" || bad != "" && strings.Contains(w.Body.String(), bad) {
			t.Errorf("%s: %d %v", bad, w.Code, w.Header())
		}
	}
}

func TestChoiceOfFurtherEIDs(t *testing.T) {
	every := func(l *broker.Login) {
		l.Offered = []providers.ID{providers.BankID, exampleID, providers.Freja, providers.Telia}
	}
	for form, ok := range map[string]bool{
		"provider=exempel-id": true, "provider=exempel-id&device=this": true, "provider=exempel-id&device=other": false,
		"provider=telia&device=other": false, "provider=telia&device=phone": false, "provider=freja&device=other": true, "provider=freja": true,
		"provider=mbankid": false, "provider=../telia": false, "provider=Telia": false, "provider=annat-id": false, "provider=": false,
	} {
		h := newHouse(t)
		h.login(loginOne, every)
		values, _ := url.ParseQuery(form)
		w := h.post(self, values)
		if ok != (w.Code == http.StatusSeeOther) || !ok && (w.Code != 400 || len(h.flow.orders()) > 0) {
			t.Errorf("%s: %d", form, w.Code)
		}
	}
}

// Each e-ID is called by its name, in the language of the page.
func TestNamesOfEIDs(t *testing.T) {
	h := newHouse(t)
	h.login(loginOne, func(l *broker.Login) {
		l.Offered = []providers.ID{exampleID, providers.Freja, providers.Telia, providers.BankID}
	})
	for lang, want := range map[string][]string{
		"sv": {"Exempel-id", "Du skickas till utfärdarens egen webbplats.", "Telia e-legitimation", "Du skickas till Telias webbplats.", "Skanna en QR-kod med Freja-appen i mobilen.",
			">Testa Telia e-legitimation<", ">Hjälp med Freja eID&#43;<", ">Skaffa BankID<", `href="https://www.example.com/telia/test"`, `href="https://www.example.com/bankid/get"`},
		"en": {"Example ID", "You are sent to the issuer’s own website.", "Telia e-ID", "You are sent to Telia’s website.", "Scan a QR code with the Freja app on your phone.",
			">Test Telia e-ID<", ">Help with Freja eID&#43;<", ">Get BankID<"},
	} {
		body := h.get(self + "?lang=" + lang).Body.String()
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%s lacks %q", lang, w)
			}
		}
	}
	h.login("both")
	if n := strings.Count(h.get("/login/both").Body.String(), "Testa BankID"); n != 1 {
		t.Errorf("%d links for both kinds of BankID", n)
	}
	for name, c := range map[string]struct {
		id    providers.ID
		mode  providers.Mode
		parts []string
	}{
		"Freja's code":    {providers.Freja, providers.ModeOther, []string{"Legitimera dig med Freja eID&#43;", "Öppna Freja-appen", "Tryck på Skanna i appen", "PIN eller biometri"}},
		"BankID's code":   {providers.MBankID, providers.ModeOther, []string{"Legitimera dig med Mobilt BankID", "Öppna BankID-appen", "Välj att skanna QR-kod"}},
		"Freja's app":     {providers.Freja, providers.ModeThis, []string{"Öppna Freja<"}},
		"an e-ID of none": {"annat-id", providers.ModeThis, []string{"annat-id"}},
	} {
		h.order(loginOne, "o", c.id, c.mode, flow.View{State: flow.StatePending, Wait: waiting(c.mode)})
		body := h.get(orderPage(loginOne, "o")).Body.String()
		for _, part := range c.parts {
			if !strings.Contains(body, part) {
				t.Errorf("%s lacks %q", name, part)
			}
		}
	}
	for name, want := range map[string][2]string{"Telia": {"Telias", "Telia’s"}, "Freja": {"Frejas", "Freja’s"}, "Svenska Pass": {"Svenska Pass", "Svenska Pass’s"}} {
		if sv, en := genitive("sv", name), genitive("en", name); sv != want[0] || en != want[1] {
			t.Errorf("%s: %s, %s", name, sv, en)
		}
	}
	// Reserved and not begun: nobody but the login knows what it is.
	h.login(loginOne, func(l *broker.Login) {
		l.Offered, l.Order, l.Provider, l.Mode, l.OrderAt = []providers.ID{exampleID}, "o-new", exampleID, providers.ModeThis, h.now
	})
	if body := h.get(orderPage(loginOne, "o-new") + "?lang=en").Body.String(); !strings.Contains(body, "Example ID") {
		t.Error("an order that begins has no name")
	}
}

// P-32: where the fault may lie with the e-ID, the page leads to its test and its
// issuer's help; else it does not blame it.
func TestFailuresLeadToHelp(t *testing.T) {
	blameless := []providers.Reason{providers.Cancelled, providers.WrongPerson, providers.WrongBrowser}
	for _, r := range reasons() {
		for _, id := range []providers.ID{providers.Telia, providers.Freja, providers.MBankID, exampleID} {
			h := newHouse(t)
			h.order(loginOne, "o", id, providers.ModeThis, flow.View{State: flow.StateFailed, Failed: providers.Failed{Reason: r, Text: textFor(r)}})
			login := h.get(orderPage(loginOne, "o") + "?lang=sv").Body.String()
			w := httptest.NewRecorder()
			v, err := h.flow.Watch(t.Context(), "o", browserOne)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.web.Pages.Waiting(w, httptest.NewRequest("GET", "/", nil), signature(providers.ModeThis), v); err != nil {
				t.Fatal(err)
			}
			help := infoOf(id).Help
			for name, body := range map[string]string{"login": login, "signature": w.Body.String()} {
				want := help.URL != "" && !slices.Contains(blameless, r)
				if got := help.URL != "" && strings.Contains(body, `href="`+help.URL+`"`) && strings.Contains(body, `href="`+help.Test+`"`); got != want {
					t.Errorf("%s, %s, %s: leads to help: %t", name, id, r, got)
				}
				if !strings.Contains(body, "Referensnummer") {
					t.Errorf("%s, %s, %s: no reference number", name, id, r)
				}
				if bank := strings.Contains(body, "din bank"); bank && id != providers.MBankID && r != providers.Blocked { // textFor speaks of BankID
					t.Errorf("%s, %s, %s: sends people to their bank", name, id, r)
				}
				if strings.Contains(body, "%!") || strings.Contains(body, "{") {
					t.Errorf("%s, %s, %s: an unfinished text", name, id, r)
				}
			}
		}
	}
}

// An address that is no web page's is no link.
func TestHelpIsOnTheWeb(t *testing.T) {
	h := helpOf(names{eid: "X"}, "x", providers.Help{URL: "javascript:alert(1)", Test: "x", Get: "https://get.example.se/"})
	if len(h.Trouble()) > 0 || len(h.Getting()) != 1 {
		t.Errorf("%+v", h)
	}
}

// While the answer is looked at, and when it is proven, the page is not the way to
// the site any more.
func TestPagesAfterASite(t *testing.T) {
	h := newHouse(t)
	h.order(loginOne, "o", providers.Telia, providers.ModeThis, flow.View{State: flow.StatePending, Wait: providers.Wait{Hint: "processing", Text: providers.Text{SV: "Vi kontrollerar."}}})
	if w := h.get(orderPage(loginOne, "o")); strings.Contains(w.Body.String(), "data-away") || !strings.Contains(w.Body.String(), "Vi kontrollerar.") {
		t.Errorf("%s", w.Body)
	}
	h.order(loginOne, "o", providers.Telia, providers.ModeThis, flow.View{State: flow.StateReturning})
	body := h.get(orderPage(loginOne, "o")).Body.String()
	if !strings.Contains(body, "Du är klar hos Telia e-legitimation") || strings.Contains(strings.ToLower(body), "appen") || strings.Contains(body, "QR") {
		t.Errorf("%s", body)
	}
	if got := h.get(orderPage(loginOne, "o") + "/status").Body.String(); !strings.Contains(got, "Väntar på att du kommer tillbaka …") {
		t.Errorf("%s", got)
	}
}
