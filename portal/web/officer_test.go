package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sigill/portal"
	"sigill/portal/cases"
	"sigill/portal/login"
	"sigill/portal/store"
)

// TestOfficerList: the cases of one's own groups, by state, with what is unread
// (P-104, P-105). Nobody is named there.
func TestOfficerList(t *testing.T) {
	h := lived(t)
	w := h.get("officer", base+"/handlaggare")
	root := seenBy(t, w)
	want(t, root, ".rows h2", "EXB-2026-000017", "EXB-2026-000016")
	want(t, root, ".tag.new", "1 oläst meddelande")
	want(t, root, ".tabs [aria-current=page]", "Alla öppna")
	want(t, root, ".tabs a", "Alla öppna", "Inkommet", "Under handläggning", "Väntar på komplettering", "Avslutat")
	if strings.Contains(w.Body.String(), "Testperson") {
		t.Error("the list names somebody")
	}
	for query, want := range map[string]string{"": "[]", "?status=closed": "[closed]", "?status=arrived": "[arrived]"} {
		h.get("officer", base+"/handlaggare"+query)
		if got := h.desks.filters[len(h.desks.filters)-1]; fmt.Sprint(got.States) != want || got.Page.Limit != officerPerPage {
			t.Errorf("%s: %+v", query, got)
		}
	}
	more := attribute(t, seenBy(t, h.get("officer", base+"/handlaggare?status=closed")), "main a[href*='fran=']", "href")
	if len(more) != 1 || !strings.Contains(more[0], "status=closed") || h.get("officer", more[0]).Code != http.StatusOK || h.desks.filters[len(h.desks.filters)-1].Page.ID != caseOne {
		t.Errorf("where it goes on: %q", more)
	}
	for _, bad := range []string{"?status=x", "?fran=x"} {
		if w := h.get("officer", base+"/handlaggare"+bad); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, w.Code)
		}
	}
	h.desks.more = nil
	want(t, seenBy(t, h.get("other", base+"/handlaggare")), "main p", "Här finns", "Inga ärenden här just nu")
	if w := h.get("officer", base+"/handlaggare/"); w.Code != http.StatusOK {
		t.Errorf("with a slash: %d", w.Code)
	}
}

// TestOfficerCase: reading, writing and setting a state (P-106).
func TestOfficerCase(t *testing.T) {
	h := lived(t)
	at := base + "/handlaggare/arende/" + string(caseOne)
	w := h.get("officer", at)
	root := seenBy(t, w)
	want(t, root, "h1", "EXB-2026-000017")
	want(t, root, ".talk .own", "Handläggare Ett")
	if !strings.Contains(w.Body.String(), dashed(numberOne)) || !strings.Contains(w.Body.String(), "hemma@example.se") {
		t.Error("the applicant is not named")
	}
	if got := attribute(t, root, "input[name=was]", "value"); len(got) != 1 || got[0] != "supplement" {
		t.Errorf("was: %q", got)
	}
	want(t, root, "option[selected]", "Väntar på komplettering")
	want(t, root, "header form", "Logga ut")

	for _, c := range []struct {
		was, to string
		err     error
		status  int
		back    string
		set     string
	}{
		{"supplement", "closed", nil, 303, at + "?besked=status", "supplement to closed"},
		{"supplement", "supplement", nil, 303, at, ""},
		{"supplement", "closed", store.ErrStale, 303, at + "?besked=annan", ""},
		{"supplement", "deleted", nil, 400, "", ""},
		{"", "closed", nil, 400, "", ""},
	} {
		h.desks.set, h.desks.setErr = nil, c.err
		w := h.post("officer", at+"/status", url.Values{"was": {c.was}, "to": {c.to}})
		if w.Code != c.status || w.Header().Get("Location") != c.back || strings.Join(h.desks.set, ",") != c.set {
			t.Errorf("%s to %s: %d %s %q", c.was, c.to, w.Code, w.Header().Get("Location"), h.desks.set)
		}
	}
	want(t, seenBy(t, h.get("officer", at+"?besked=annan")), "[role=status]", "Din ändring är inte gjord")

	once := portal.NewID()
	w = h.post("officer", at+"/meddelande", url.Values{"once": {once}, "text": {"Tack!"}})
	if w.Code != 303 || w.Header().Get("Location") != at+"?besked=skickat" || len(h.cases.wrote) != 1 || h.cases.wrote[0] != "Handläggare Ett "+once+": Tack!" {
		t.Errorf("reply: %d %q", w.Code, h.cases.wrote)
	}
	h.cases.refuse = cases.ErrEmpty
	w = h.post("officer", at+"/meddelande", url.Values{"once": {once}, "text": {"  "}})
	if w.Code != http.StatusUnprocessableEntity {
		t.Errorf("an empty reply: %d", w.Code)
	}
	want(t, seenBy(t, w), "#text-problem", "Skriv något")
	h.cases.refuse = cases.ErrNoMessages
	if w = h.post("officer", at+"/meddelande", url.Values{"once": {once}, "text": {"x"}}); w.Header().Get("Location") != at+"?besked=stangt" {
		t.Errorf("closed: %d", w.Code)
	}

	c := h.cases.cases[caseNobody]
	c.Group = "forskoleplacering"
	h.cases.cases[caseNobody] = c
	if !strings.Contains(h.get("officer", base+"/handlaggare/arende/"+string(caseNobody)).Body.String(), "Skickat utan inloggning") {
		t.Error("an anonymous case is not said to be one")
	}
	want(t, seenBy(t, h.get("officer", base+"/handlaggare/arende/"+string(caseNobody))), "textarea") // nobody could read it
}

// TestOfficerLogin: in, not in, and out.
func TestOfficerLogin(t *testing.T) {
	h := lived(t)
	at := "/handlaggare/arende/" + string(caseOne)
	root := seenBy(t, h.get("", base+at))
	if got := attribute(t, root, "input[name=till]", "value"); len(got) != 1 || got[0] != at {
		t.Errorf("to go to: %q", got)
	}
	for till, want := range map[string]string{at: at, "/handlaggare": "/handlaggare", "https://example.com": "/handlaggare", "//example.com": "/handlaggare",
		"/mina-sidor": "/handlaggare", "/handlaggare/../mina-sidor": "/handlaggare", "/handlaggare/\\x": "/handlaggare", "": "/handlaggare"} {
		w := h.post("", base+"/handlaggare/logga-in", url.Values{"till": {till}})
		if w.Code != 303 || !strings.HasPrefix(w.Header().Get("Location"), "https://staff.example.se/") || h.logins.aims[len(h.logins.aims)-1].Path != want {
			t.Errorf("%q: %d %+v", till, w.Code, h.logins.aims[len(h.logins.aims)-1])
		}
	}
	h.logins.outcome.Aim.Path = at
	if w := h.get("", base+"/handlaggare/inloggad"); w.Header().Get("Location") != base+at {
		t.Errorf("in: %s", w.Header().Get("Location"))
	}
	for refused, heading := range map[string]string{login.RefusedNotOfficer: "Du kan inte logga in här", login.RefusedCancelled: "Inloggningen blev inte av", login.RefusedFailed: "Inloggningen blev inte av"} {
		h.logins.refused = refused
		w := h.get("", base+"/handlaggare/inloggad")
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", refused, w.Code)
		}
		want(t, seenBy(t, w), "h1", heading)
	}
	w := h.post("officer", base+"/handlaggare/logga-ut", nil)
	if w.Code != 303 || h.logins.ended[0] != "/handlaggare/utloggad" {
		t.Errorf("out: %d %q", w.Code, h.logins.ended)
	}
	want(t, seenBy(t, h.get("", base+"/handlaggare/utloggad")), "main p", "Stäng webbläsaren")

	// Where there are no officers' logins there is nothing.
	h.web.StaffIssuer = ""
	for _, p := range []string{"", "/logga-in", "/inloggad", "/utloggad", "/arende/" + string(caseOne), "/arende/" + string(caseOne) + "/fil/" + fileSigned} {
		if w := h.get("officer", base+"/handlaggare"+p); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", p, w.Code)
		}
	}
	for _, p := range []string{"/logga-in", "/logga-ut", "/arende/" + string(caseOne) + "/status", "/arende/" + string(caseOne) + "/meddelande"} {
		if w := h.post("officer", base+"/handlaggare"+p, nil); w.Code != http.StatusNotFound {
			t.Errorf("POST %s: %d", p, w.Code)
		}
	}
}
