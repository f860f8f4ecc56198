package web

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"sigill/portal"
	"sigill/portal/drafts"
	"sigill/portal/form"
	"sigill/portal/login"
	"sigill/portal/register"
)

// TestLoginFromEverywhere: a login ends where the person was going (P-37).
func TestLoginFromEverywhere(t *testing.T) {
	h := newHouse(t)
	d := h.draft("one", preschool(t), nil)
	for path, till := range map[string]string{
		base + "/logga-in": "/mina-sidor", base + "/logga-in?till=/profil": "/profil", base + "/logga-in?till=//evil.example.se": "/mina-sidor",
		base + "/logga-in?till=https://evil.example.se": "/mina-sidor", base + "/mina-sidor": "/mina-sidor",
		base + "/arende/caseOne00000000000000A": "/arende/caseOne00000000000000A", draftAt(d, "/s/barnet"): "/utkast/" + string(d) + "/s/barnet",
	} {
		w := h.get("", path)
		root := seenBy(t, w)
		if got := attribute(t, root, "input[name=till]", "value"); w.Code != 200 || len(got) != 1 || got[0] != till {
			t.Errorf("%s: %d, to %q", path, w.Code, got)
		}
		// P-29 stands on the login page too.
		want(t, root, "#protected", "Skyddad identitet")
		if len(h.logins.aims) > 0 {
			t.Fatal("a GET begins a login")
		}
		h.post("", base+"/logga-in", url.Values{"till": {till}})
		if len(h.logins.aims) != 1 || h.logins.aims[0].Path != till {
			t.Errorf("%s: aims %+v", path, h.logins.aims)
		}
		h.logins.aims = nil
		h.logins.outcome = login.Outcome{Aim: login.Aim{Path: till}, Visitor: h.persons["one"]}
		if w := h.get("", base+"/inloggad?code=x"); w.Code != 303 || location(w) != base+till {
			t.Errorf("%s: back to %s", path, location(w))
		}
	}
	if w := h.get("one", base+"/logga-in?till=/profil"); location(w) != base+"/profil" {
		t.Errorf("who is logged in: %d %s", w.Code, location(w))
	}
	for _, bad := range []string{"//evil.example.se", "https://evil.example.se/", "/\\evil", "mina-sidor"} {
		h.logins.outcome = login.Outcome{Aim: login.Aim{Path: bad}, Visitor: h.persons["one"]}
		if w := h.get("", base+"/inloggad?code=x"); location(w) != base+"/mina-sidor" {
			t.Errorf("%s: back to %s", bad, location(w))
		}
	}
}

// TestBegin: the start button, with and without login.
func TestBegin(t *testing.T) {
	h := newHouse(t)
	w := h.post("", base+"/e/forskoleplats/starta", nil)
	if len(h.logins.aims) != 1 || h.logins.aims[0].Begin != "forskoleplats" || len(h.drafts.drafts) != 0 {
		t.Errorf("%d %+v", w.Code, h.logins.aims)
	}
	h.logins.outcome = login.Outcome{Aim: h.logins.aims[0], Visitor: h.persons["one"]}
	w = h.get("", base+"/inloggad?code=x")
	if len(h.drafts.drafts) != 1 || !strings.HasPrefix(location(w), base+"/utkast/") {
		t.Errorf("after login: %d %s", w.Code, location(w))
	}
	w = h.post("", base+"/e/felanmalan/starta", nil)
	if id := portal.DraftID(strings.TrimPrefix(location(w), base+"/utkast/")); h.drafts.owner[id] != "new" || !h.drafts.drafts[id].Anonymous {
		t.Errorf("without login: %d %s", w.Code, location(w))
	}
	for path, status := range map[string]int{"/e/nix/starta": 404, "/e/nix": 0} {
		if w := h.post("one", base+path, nil); status != 0 && w.Code != status {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	for err, status := range map[error]int{drafts.ErrTooMany: 409, register.ErrProtected: 403, portal.ErrNotFound: 404, errBroken: 500} {
		h.drafts.begin = err
		if w := h.post("one", base+"/e/forskoleplats/starta", nil); w.Code != status {
			t.Errorf("%v: %d", err, w.Code)
		}
	}
}

// TestRefusedLogins: each says whom to call and what to do (P-28, P-29, P-33).
func TestRefusedLogins(t *testing.T) {
	for why, c := range map[string]struct {
		words       string
		again, mail bool
	}{
		"protected": {"Ring kundtjänst", false, false}, "coordination": {"samordningsnummer", false, true}, "unknown": {"folkbokföringen", false, true},
		"cancelled": {"avbröts", true, true}, "failed": {"Försök igen", true, true}, "something": {"Försök igen", true, true},
	} {
		h := newHouse(t)
		h.logins.outcome = login.Outcome{Refused: why, Aim: login.Aim{Path: "/e/forskoleplats", Begin: "forskoleplats"}}
		w := h.get("", base+"/inloggad?code=secret&state=secret")
		root := seenBy(t, w)
		main := strings.Join(find(t, root, "main"), " ")
		if !strings.Contains(main, c.words) || !strings.Contains(main, "0999-10 00 00") || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: %s", why, main)
		}
		if got := strings.Contains(main, "kundtjanst@example.se"); got != c.mail {
			t.Errorf("%s: e-mail is named: %t", why, got)
		}
		if got := len(find(t, root, `form[action="/exempelbo/e/forskoleplats/starta"] button`)) == 1; got != c.again {
			t.Errorf("%s: can be tried again: %t", why, got)
		}
		if why != "protected" && (!strings.Contains(main, "Ansökan om förskoleplats") || len(find(t, root, ".ref b")) != 1) {
			t.Errorf("%s: no service or reference number", why)
		}
		if len(h.drafts.drafts) != 0 {
			t.Errorf("%s: a draft was made", why)
		}
	}
}

// TestHeld: a form that comes when its login has ended is kept, and saved when
// the person is back.
func TestHeld(t *testing.T) {
	h := newHouse(t)
	d := h.draft("one", preschool(t), filled(h), allSteps...)
	at := draftAt(d, "/s/platsen")
	typed := url.Values{"revision": {"1"}, "go": {"next"}, "omfattning": {"12"}, "sysselsattning": {"arbetar"}, "syskon": {"no"}}
	for name, files := range map[string]bool{"words": false, "with a file": true} {
		h.drafts.drafts[d].Revision = 1
		h.drafts.drafts[d].Answers["omfattning"] = form.Value{Text: "1"}
		var r = request("POST", at, "", typed)
		if files {
			r = multi(t, at, "", typed, "studieintyg", "a.pdf", "%PDF")
		}
		w := h.do(r)
		root := seenBy(t, w)
		want(t, root, "h1", "Du har blivit utloggad")
		if lost := len(find(t, root, ".note.bad")) == 1; lost != files {
			t.Errorf("%s: the loss of a file is told: %t", name, lost)
		}
		held := attribute(t, root, "input[name=hallen]", "value")
		h.post("", base+"/logga-in", url.Values{"till": attribute(t, root, "input[name=till]", "value"), "hallen": held})
		aim := h.logins.aims[len(h.logins.aims)-1]
		if aim.Held != "held" || aim.Path != "/utkast/"+string(d)+"/s/platsen" {
			t.Fatalf("%s: %+v", name, aim)
		}
		if strings.Contains(string(h.logins.held["held"]), "%PDF") {
			t.Errorf("%s: a file is held", name)
		}
		h.logins.outcome = login.Outcome{Aim: aim, Visitor: h.persons["one"]}
		show := map[bool]string{false: "aterstallt", true: "fil"}[files]
		w = h.get("", base+"/inloggad?code=x")
		if location(w) != at+"?visa="+show || h.drafts.drafts[d].Answers["omfattning"].Text != "12" {
			t.Errorf("%s: %d %s, %q", name, w.Code, location(w), h.drafts.drafts[d].Answers["omfattning"].Text)
		}
		if slices.Contains(h.drafts.drafts[d].Saved, "platsen") && len(h.drafts.drafts[d].Saved) != len(allSteps) {
			t.Errorf("%s: marked as done", name)
		}
		// Once.
		if w := h.get("", base+"/inloggad?code=x"); location(w) != at {
			t.Errorf("%s, again: %s", name, location(w))
		}
	}
	// Somebody else logs in: nothing is theirs.
	h.post("", at, typed)
	h.do(request("POST", at, "", typed))
	h.logins.outcome = login.Outcome{Aim: login.Aim{Path: "/utkast/" + string(d), Held: "held"}, Visitor: h.persons["two"]}
	h.drafts.drafts[d].Answers["omfattning"] = form.Value{Text: "1"}
	if w := h.get("", base+"/inloggad?code=x"); w.Code != 404 || h.drafts.drafts[d].Answers["omfattning"].Text != "1" {
		t.Errorf("somebody else: %d %s", w.Code, location(w))
	}
	// A message in a case is sent when its writer is back.
	h.cases.cases[caseOne] = portal.Case{CaseHead: portal.CaseHead{ID: caseOne, Tenant: "exempelbo"}}
	h.cases.sees[caseOne] = []string{"key-one"}
	h.post("", base+"/arende/"+string(caseOne)+"/meddelande", url.Values{"once": {portal.NewID()}, "text": {"Hej igen"}})
	h.logins.outcome = login.Outcome{Aim: login.Aim{Path: "/arende/" + string(caseOne), Held: "held"}, Visitor: h.persons["one"]}
	if w := h.get("", base+"/inloggad?code=x"); w.Code != 303 || len(h.cases.wrote) != 1 || !strings.HasSuffix(h.cases.wrote[0], "Hej igen") {
		t.Errorf("message: %d %s %q", w.Code, location(w), h.cases.wrote)
	}
	// What must be pressed again: nothing is sent by a login.
	h.post("", draftAt(d, "/skicka"), url.Values{"revision": {"1"}, "notice": {"x"}})
	h.logins.outcome = login.Outcome{Aim: login.Aim{Path: "/", Held: "held"}, Visitor: h.persons["one"]}
	if w := h.get("", base+"/inloggad?code=x"); location(w) != draftAt(d, "/granska") || h.desk.sends != 0 {
		t.Errorf("skicka: %s", location(w))
	}
}

// TestHeldByAnother: what one person typed is not done in the name of the next.
func TestHeldByAnother(t *testing.T) {
	h := newHouse(t)
	h.logins.heldBy = h.persons["one"].Key
	h.post("", base+"/profil", url.Values{"email": {"ett@example.se"}, "phone": {""}, "notify": {"email"}})
	h.logins.outcome = login.Outcome{Aim: login.Aim{Path: "/profil", Held: "held"}, Visitor: h.persons["two"]}
	if w := h.get("", base+"/inloggad?code=x"); w.Code != 303 || location(w) != base+"/profil" || h.people.profile.Email != "" {
		t.Errorf("the next person: %d %s, stored %t", w.Code, location(w), h.people.profile.Email != "")
	}
	h.logins.outcome.Visitor = h.persons["one"]
	if w := h.get("", base+"/inloggad?code=x"); w.Code != 303 || h.people.profile.Email != "ett@example.se" {
		t.Errorf("the person: %d, stored %t", w.Code, h.people.profile.Email != "")
	}
}

// TestNotHeld: where nothing was kept, the page says so, and promises nothing.
func TestNotHeld(t *testing.T) {
	h := newHouse(t)
	h.logins.holdsNothing = true
	w := h.post("", base+"/profil", url.Values{"email": {"ett@example.se"}, "phone": {""}, "notify": {"email"}})
	if body := w.Body.String(); w.Code != 200 || !strings.Contains(body, "vi kunde inte behålla det du just skrev") || strings.Contains(body, "inte borta") ||
		len(attribute(t, seenBy(t, w), "input[name=hallen]", "value")) > 0 {
		t.Errorf("%d", w.Code)
	}
}

// TestOut: logging out, the end of a login, and staying.
func TestOut(t *testing.T) {
	h := newHouse(t)
	if w := h.post("one", base+"/logga-ut", nil); w.Code != 303 || len(h.logins.ended) != 1 || h.logins.ended[0] != "/utloggad" {
		t.Errorf("%d %q", w.Code, h.logins.ended)
	}
	if w := h.get("one", base+"/logga-ut"); w.Code != 405 {
		t.Errorf("GET: %d", w.Code)
	}
	w := h.get("", base+"/utloggad")
	want(t, seenBy(t, w), "h1", "Du är utloggad")
	if !strings.Contains(w.Body.String(), "Stäng webbläsaren") {
		t.Error("nothing on closing the browser")
	}
	if w := h.get("one", base+"/utloggad"); strings.Contains(w.Body.String(), "Testperson") {
		t.Error("the page names somebody")
	}
	w = h.get("", base+"/utloggad?till=/profil")
	root := seenBy(t, w)
	want(t, root, "h1", "Du har loggats ut")
	if got := attribute(t, root, "a.main", "href"); len(got) != 1 || got[0] != base+"/logga-in?till=%2Fprofil" {
		t.Errorf("%q", got)
	}
	// Another tab has gone on: back to it, without prolonging.
	h.logins.touched = 0
	if w := h.get("one", base+"/utloggad?till=/profil"); location(w) != base+"/profil" || h.logins.touched != 0 {
		t.Errorf("%s, touched %d", location(w), h.logins.touched)
	}
	if w := h.post("one", base+"/kvar", nil); w.Code != 204 || h.logins.touched != 1 {
		t.Errorf("%d, touched %d", w.Code, h.logins.touched)
	}
	if w := h.post("", base+"/kvar", nil); w.Code != 401 {
		t.Errorf("nobody stays: %d", w.Code)
	}
}

// TestMenu: what stands above every page, for whom.
func TestMenu(t *testing.T) {
	h := newHouse(t)
	want(t, seenBy(t, h.get("", base+"/")), ".menu li", "E-tjänster", "Logga in")
	root := seenBy(t, h.get("one", base+"/"))
	want(t, root, ".menu li", "E-tjänster", "Mina sidor", "Dina uppgifter: Testperson Ett", "Logga ut")
	if got := attribute(t, root, "dialog", "data-idle"); len(got) != 1 || got[0] != "1200" {
		t.Errorf("idle %q", got)
	}
	want(t, root, ".foot .contact a", "0999-10 00 00", "kundtjanst@example.se", "Webbplats")
	want(t, seenBy(t, h.get("one", base+"/nix")), ".foot .contact a", "0999-10 00 00", "kundtjanst@example.se", "Webbplats")
	root = seenBy(t, h.get("", "/annanstad/"))
	if got := attribute(t, root, ".brand img", "src"); len(got) != 1 || got[0] != "/annanstad/logga" {
		t.Errorf("logo %q", got)
	}
	if w := h.get("", "/annanstad/logga"); w.Code != 200 || w.Header().Get("Content-Type") != "image/svg+xml" || !strings.Contains(w.Header().Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := h.get("", base+"/logga"); w.Code != 404 {
		t.Errorf("a tenant without logo: %d", w.Code)
	}
	for _, lang := range []string{"sv", "en"} {
		other := map[string]string{"sv": "en", "en": "sv"}[lang]
		root := seenBy(t, h.get("", base+"/e/forskoleplats?lang="+lang))
		if got := attribute(t, root, ".langs a", "href"); len(got) != 1 || got[0] != base+"/e/forskoleplats?lang="+other {
			t.Errorf("%s: %q", lang, got)
		}
	}
}
