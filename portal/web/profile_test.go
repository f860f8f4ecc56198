package web

import (
	"net/http"
	"net/url"
	"testing"

	"sigill/portal/form"
	"sigill/portal/people"
)

// TestProfile: how one wants to be told, reached by one's own name (P-94, P-95).
func TestProfile(t *testing.T) {
	h := lived(t)
	root := seenBy(t, h.get("one", base+"/mina-sidor"))
	want(t, root, "nav a[href='/exempelbo/profil']", "Testperson Ett")
	root = seenBy(t, h.get("one", base+"/profil"))
	if got := attribute(t, root, "#email", "value"); len(got) != 1 || got[0] != "ett@example.se" {
		t.Errorf("e-mail %q", got)
	}
	if got := attribute(t, root, "input[type=radio][checked]", "value"); len(got) != 1 || got[0] != "email" {
		t.Errorf("chosen %q", got)
	}
	want(t, root, "fieldset legend", "Hur vill du få besked?")

	w := h.post("one", base+"/profil", url.Values{"email": {"ny@example.se"}, "phone": {"070-174 06 05"}, "notify": {"both"}})
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != base+"/profil?besked=sparat" {
		t.Errorf("%d %s", w.Code, w.Header().Get("Location"))
	}
	if h.people.profile != (form.Contact{Email: "ny@example.se", Phone: "070-174 06 05", Notify: "both"}) {
		t.Error("not stored")
	}
	want(t, seenBy(t, h.get("one", base+"/profil?besked=sparat")), "[role=status]", "Dina uppgifter är sparade")

	if h.post("one", base+"/profil", url.Values{"email": {""}, "phone": {""}, "notify": {"email"}}); h.people.profile != (form.Contact{}) {
		t.Error("what was said cannot be taken back")
	}
	h.people.faults = []form.Fault{{Part: "email", Code: form.FaultEmail}, {Part: "notify", Code: form.FaultNotify}, {Part: "phone", Code: form.FaultPhone}, {Code: form.FaultReach}, {Code: "new"}}
	w = h.post("one", base+"/profil?besked=sparat", url.Values{"email": {"fel"}, "notify": {"sms"}})
	root = seenBy(t, w)
	if w.Code != http.StatusUnprocessableEntity {
		t.Errorf("faults: %d", w.Code)
	}
	want(t, root, "[role=alert] a", "e-postadress", "Du har valt ett sätt", "mobilnummer", "eller ett mobilnummer", "Det går inte att spara")
	want(t, root, "[role=status]")
	if got := attribute(t, root, "#email[aria-invalid]", "value"); len(got) != 1 || got[0] != "fel" {
		t.Errorf("what was typed: %q", got)
	}
	if got := attribute(t, root, "[role=alert] a", "href"); len(got) != 5 || got[1] != "#notify-email" || got[2] != "#phone" {
		t.Errorf("links %q", got)
	}
	h.people.setErr = people.ErrUnanswered
	w = h.post("one", base+"/profil", url.Values{"email": {"senare@example.se"}, "phone": {""}, "notify": {"email"}})
	root = seenBy(t, w)
	if got := attribute(t, root, "#email", "value"); w.Code != http.StatusServiceUnavailable || len(got) != 1 || got[0] != "senare@example.se" {
		t.Errorf("the register is silent: %d, typed %q", w.Code, got)
	}
	want(t, root, "main", "Vi kunde inte spara nu")
	if w := h.post("one", base+"/profil", url.Values{"email": {"x"}, "admin": {"1"}}); w.Code != http.StatusBadRequest {
		t.Errorf("an unknown field: %d", w.Code)
	}
}
