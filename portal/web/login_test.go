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
		want(t, seenBy(t, h.get("", base+"/inloggad?code=x")), "h1", "Det du skrev finns inte kvar")
	}
	// Somebody else logs in: nothing is theirs.
	h.post("", at, typed)
	h.do(request("POST", at, "", typed))
	h.logins.outcome = login.Outcome{Aim: login.Aim{Path: "/utkast/" + string(d), Held: "held"}, Visitor: h.persons["two"]}
	h.drafts.drafts[d].Answers["omfattning"] = form.Value{Text: "1"}
	want(t, seenBy(t, h.get("", base+"/inloggad?code=x")), "h1", "Det du skrev finns inte kvar")
	if h.drafts.drafts[d].Answers["omfattning"].Text != "1" {
		t.Error("somebody else's draft was changed")
	}
	// Locked meanwhile: it is said that nothing was saved.
	h.post("", at, typed)
	h.logins.outcome.Visitor, h.drafts.drafts[d].State = h.persons["one"], portal.Waiting
	if w := h.get("", base+"/inloggad?code=x"); location(w) != draftAt(d, "/vantar?besked=ej-sparat") {
		t.Errorf("locked: %d %s", w.Code, location(w))
	}
}

// TestHeldWords: a message and the profile stand in their forms again when their
// writer is back. Nothing is sent or changed by a login.
func TestHeldWords(t *testing.T) {
	h := lived(t)
	at := "/arende/" + string(caseOne)
	for path, c := range map[string]struct {
		typed     url.Values
		page      string
		show, box string // what is said, and where the words stand
		value     string
	}{
		"message": {url.Values{"once": {portal.NewID()}, "text": {"Hej igen"}}, at, "inte skickat än", "textarea", "Hej igen"},
		"profile": {url.Values{"email": {"ny@example.se"}, "phone": {""}, "notify": {"email"}}, "/profil", "inte sparad än", "#email", "ny@example.se"},
	} {
		below := map[string]string{"message": at + "/meddelande", "profile": "/profil"}[path]
		root := seenBy(t, h.post("", base+below, c.typed))
		if got := attribute(t, root, "input[name=till]", "value"); len(got) != 1 || got[0] != c.page || len(attribute(t, root, "input[name=hallen]", "value")) != 1 {
			t.Fatalf("%s: held for %q", path, got)
		}
		if lead := strings.Join(find(t, root, ".lead"), ""); !strings.Contains(lead, "ingenting är skickat eller ändrat") {
			t.Errorf("%s: %s", path, lead)
		}
		h.logins.outcome = login.Outcome{Aim: login.Aim{Path: c.page, Held: "held"}, Visitor: h.persons["one"]}
		w := h.get("", base+"/inloggad?code=secret")
		root = seenBy(t, w)
		want(t, root, "main [role=status]", c.show)
		got := find(t, root, c.box)
		if c.box != "textarea" {
			got = attribute(t, root, c.box, "value")
		}
		if w.Code != 200 || len(got) != 1 || got[0] != c.value || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: %d, %q", path, w.Code, got)
		}
		if len(h.cases.wrote) != 0 || h.people.profile.Email == "ny@example.se" {
			t.Errorf("%s: done by a login", path)
		}
	}
}

// TestHeldByAnother: what one person typed is not shown to the next, who is told
// that it is not there.
func TestHeldByAnother(t *testing.T) {
	h := newHouse(t)
	h.logins.heldBy = h.persons["one"].Key
	h.post("", base+"/profil", url.Values{"email": {"ny@example.se"}, "phone": {""}, "notify": {"email"}})
	h.logins.outcome = login.Outcome{Aim: login.Aim{Path: "/profil", Held: "held"}, Visitor: h.persons["two"]}
	w := h.get("", base+"/inloggad?code=x")
	root := seenBy(t, w)
	want(t, root, "h1", "Det du skrev finns inte kvar")
	want(t, root, "main .acts a", "Fortsätt", "Mina sidor")
	if strings.Contains(w.Body.String(), "ny@example.se") || h.people.profile.Email != "" {
		t.Error("the next person sees it, or it is stored")
	}
}

// TestPressed: what is only pressed is not kept, and nothing else is promised.
func TestPressed(t *testing.T) {
	h := lived(t)
	d := h.draft("one", preschool(t), filled(h), allSteps...)
	waits, _ := h.waits("one", party(1, "Testperson Ett", portal.PartySigned), party(2, "Testperson Två", portal.PartyFailed))
	for _, c := range []struct {
		path, till string
		posted     url.Values
		lost       bool
	}{
		{draftAt(d, "/skicka"), "/utkast/" + string(d) + "/granska", url.Values{"revision": {"1"}, "notice": {"x"}}, false},
		{draftAt(d, "/krock"), "/utkast/" + string(d) + "/krock", url.Values{"revision": {"1"}, "behall": {"andra"}}, false},
		{draftAt(d, "/ta-bort"), "/utkast/" + string(d) + "/ta-bort", url.Values{}, false},
		{draftAt(waits, "/vantar"), "/utkast/" + string(waits) + "/vantar", url.Values{"do": {"correct"}, "n": {"2"}, "email": {"ny@example.se"}, "phone": {""}}, true},
		{draftAt(waits, "/vantar"), "/utkast/" + string(waits) + "/vantar", url.Values{"do": {"withdraw"}}, false},
	} {
		root := seenBy(t, h.post("", c.path, c.posted))
		if got := attribute(t, root, "input[name=till]", "value"); len(got) != 1 || got[0] != c.till || len(attribute(t, root, "input[name=hallen]", "value")) != 0 {
			t.Errorf("%s: leads to %q", c.path, got)
		}
		want(t, root, ".lead", "blev inte gjort")
		if lost := len(find(t, root, ".note.bad")) == 1; lost != c.lost {
			t.Errorf("%s: the loss of contacts is told: %t", c.path, lost)
		}
	}
	if len(h.logins.held) != 0 || h.desk.sends != 0 || len(h.desk.done) != 0 || h.drafts.drafts[d] == nil {
		t.Error("something was kept or done")
	}
}

// TestLocked: who saves a draft that waits for signatures is told that nothing was
// saved.
func TestLocked(t *testing.T) {
	h := lived(t)
	waits, at := h.waits("one", party(1, "Testperson Ett", portal.PartySigned), party(2, "Testperson Två", portal.PartyInvited))
	for _, do := range []string{"next", "save", "back", "attach:studieintyg"} {
		if w := h.answer("one", waits, "platsen", do, url.Values{"omfattning": {"17"}}); location(w) != at+"?besked=ej-sparat" {
			t.Errorf("%s: %d %s", do, w.Code, location(w))
		}
	}
	want(t, seenBy(t, h.get("one", at+"?besked=ej-sparat")), "[role=status]", "Det du just skrev sparades inte")
	if w := h.answer("one", waits, "platsen", "auto", nil); w.Code != 409 || !strings.Contains(w.Body.String(), "locked") {
		t.Errorf("by itself: %d", w.Code)
	}
	for state := range map[string]bool{"out": true, "conflict": true, "locked": true, "gone": true} {
		d := h.draft("one", preschool(t), nil)
		if got := attribute(t, seenBy(t, h.get("one", draftAt(d, "/s/barnet"))), "[data-kept]", "data-"+state); len(got) != 1 || got[0] == "" {
			t.Errorf("the script has no words for %q", state)
		}
	}
	// Nothing was typed where one only presses.
	if w := h.get("one", draftAt(waits, "/granska")); location(w) != at {
		t.Errorf("%s", location(w))
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
	h.logins.touched = 0
	w := h.get("", base+"/utloggad")
	want(t, seenBy(t, w), "h1", "Du är utloggad")
	if !strings.Contains(w.Body.String(), "Stäng webbläsaren") {
		t.Error("nothing on closing the browser")
	}
	// Who is still logged in is told so, and can log out.
	for who, c := range map[string]struct{ page, out string }{"one": {"/utloggad", "/logga-ut"}, "officer": {"/handlaggare/utloggad", "/handlaggare/logga-ut"}} {
		root := seenBy(t, h.get(who, base+c.page))
		want(t, root, "h1", "Du är fortfarande inloggad")
		want(t, root, `main form[method=post][action="`+base+c.out+`"] button`, "Logga ut")
	}
	if len(h.logins.ended) != 1 || h.logins.touched != 0 {
		t.Error("to look logs out, or prolongs")
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
