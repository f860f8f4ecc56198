package web

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"sigill/portal"
	"sigill/portal/drafts"
	"sigill/portal/form"
	"sigill/portal/register"
	"sigill/portal/sending"
)

// TestSend: what the button of the review leads to.
func TestSend(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		sent    sending.Sent
		status  int
		to      string // below the draft, or a whole address
		words   string
		nothing bool // it must say that nothing has been sent
	}{
		"to sign":     {nil, sending.Sent{SignURL: "https://login.example.se/signing/x/o/y/1"}, 303, "https://login.example.se/signing/x/o/y/1", "", false},
		"arrived":     {nil, sending.Sent{Case: caseOne}, 303, base + "/arende/" + string(caseOne) + "/inskickat", "", false},
		"incomplete":  {sending.ErrIncomplete, sending.Sent{}, 303, "", "", false},
		"changed":     {sending.ErrChanged, sending.Sent{}, 409, "", "Folkbokföringen säger något annat nu", true},
		"unsure":      {sending.ErrUnsure, sending.Sent{}, 503, "", "Det går inte att skicka just nu", true},
		"too much":    {fmt.Errorf("%w: 413", sending.ErrNotTaken), sending.Sent{}, 422, "", "Ta bort någon fil", true},
		"other tab":   {&drafts.Conflict{Base: 1, Now: 2}, sending.Sent{}, 303, "/granska?visa=andrad", "", false},
		"locked":      {drafts.ErrLocked, sending.Sent{}, 303, "/vantar", "", false},
		"too late":    {sending.ErrTooLate, sending.Sent{}, 303, "/vantar", "", false},
		"protected":   {register.ErrProtected, sending.Sent{}, 403, "", "0999-10 00 00", true},
		"parties":     {&sending.Refused{Faults: []form.Fault{{Field: "barn", Code: form.FaultSelf}}}, sending.Sent{}, 422, "", "står du själv", false},
		"parties odd": {&sending.Refused{Faults: []form.Fault{{Field: "login", Code: form.FaultRequired}}}, sending.Sent{}, 422, "", "Gå igenom stegen igen", false},
		"not found":   {portal.ErrNotFound, sending.Sent{}, 404, "", "Sidan finns inte", false},
		"broken":      {errBroken, sending.Sent{}, 500, "", "Något gick fel hos oss", false},
	} {
		h := newHouse(t)
		d := h.draft("one", preschool(t), filled(h), allSteps...)
		h.desk.err, h.desk.sent = c.err, c.sent
		w := h.post("one", draftAt(d, "/skicka"), url.Values{"revision": {"1"}, "notice": {h.noticeOf(preschool(t))}})
		to := c.to
		if w.Code == 303 && !strings.HasPrefix(to, "https:") && !strings.HasPrefix(to, base) {
			to = draftAt(d, to)
		}
		if w.Code != c.status || location(w) != to || !strings.Contains(w.Body.String(), c.words) || h.desk.sends != 1 {
			t.Errorf("%s: %d %s", name, w.Code, location(w))
		}
		if c.nothing && !strings.Contains(w.Body.String(), "Ingenting har skickats") {
			t.Errorf("%s: does not say that nothing was sent", name)
		}
		if strings.Contains(strings.ToLower(w.Body.String()), "inskickat") {
			t.Errorf("%s: says that it was", name)
		}
	}
}

// TestTooMuch leads to where it is mended, also from where it waits.
func TestTooMuch(t *testing.T) {
	h := lived(t)
	d := h.draft("one", preschool(t), filled(h), allSteps...)
	h.drafts.drafts[d].Answers["studieintyg"] = form.Value{Files: []form.File{{ID: portal.NewID(), Name: "a.pdf", Type: "application/pdf"}}}
	h.drafts.drafts[d].Answers["sysselsattning"] = form.Value{Text: "studerar"}
	h.desk.err = sending.ErrNotTaken
	send := url.Values{"revision": {"1"}, "notice": {h.noticeOf(preschool(t))}}
	root := seenBy(t, h.post("one", draftAt(d, "/skicka"), send))
	if got := attribute(t, root, "main a.main", "href"); len(got) != 1 || got[0] != draftAt(d, "/s/platsen?fran=granska") {
		t.Errorf("leads to %q", got)
	}
	waits, at := h.waits("one", party(1, "Testperson Ett", portal.PartyWaiting))
	for err, words := range map[error]string{sending.ErrNotTaken: "Ta bort någon fil", register.ErrProtected: "0999-10 00 00"} {
		h.desk.err = err
		if w := h.post("one", at, url.Values{"do": {"send"}}); w.Code == 303 || w.Code == 500 || !strings.Contains(w.Body.String(), words) {
			t.Errorf("%s, %v: %d", waits, err, w.Code)
		}
	}
}

// TestUnsettled: while another window's version lies aside, nothing is reviewed or
// sent, and it is said why.
func TestUnsettled(t *testing.T) {
	h := newHouse(t)
	d := h.draft("one", preschool(t), filled(h), allSteps...)
	h.answer("one", d, "platsen", "next", url.Values{"revision": {"0"}, "omfattning": {"17"}})
	to := draftAt(d, "/krock?fran=granska")
	if w := h.get("one", draftAt(d, "/granska")); location(w) != to {
		t.Errorf("review: %d %s", w.Code, location(w))
	}
	send := url.Values{"revision": {"1"}, "notice": {h.noticeOf(preschool(t))}}
	if w := h.post("one", draftAt(d, "/skicka"), send); location(w) != to || h.desk.sends != 0 {
		t.Errorf("send: %d %s, sent %d", w.Code, location(w), h.desk.sends)
	}
	want(t, seenBy(t, h.get("one", to)), "[role=status]", "Innan du kan granska och skicka")
	h.post("one", draftAt(d, "/krock"), url.Values{"revision": {"1"}, "behall": {"sparad"}})
	if w := h.get("one", draftAt(d, "/granska")); w.Code != 200 {
		t.Errorf("when it is chosen: %d %s", w.Code, location(w))
	}
}

// TestSendRefuses what did not come from a review of this very draft.
func TestSendRefuses(t *testing.T) {
	h := newHouse(t)
	d := h.draft("one", preschool(t), filled(h), "barnet", "platsen")
	good := h.noticeOf(preschool(t))
	post := func(who, revision, notice string) (int, string) {
		w := h.post(who, draftAt(d, "/skicka"), url.Values{"revision": {revision}, "notice": {notice}})
		return w.Code, strings.TrimPrefix(location(w), draftAt(d, ""))
	}
	if code, to := post("one", "1", good); code != 303 || to != "/s/kontakt" {
		t.Errorf("a step is not done: %d %s", code, to)
	}
	h.drafts.drafts[d].Saved = allSteps
	if code, to := post("one", "1", strings.Repeat("0", 64)); code != 303 || to != "/granska?visa=ny-text" {
		t.Errorf("another notice: %d %s", code, to)
	}
	if code, _ := post("one", "x", good); code != 400 {
		t.Errorf("no revision: %d", code)
	}
	if code, _ := post("two", "1", good); code != 404 {
		t.Errorf("somebody else: %d", code)
	}
	if code, _ := post("", "1", good); code != 200 {
		t.Errorf("nobody: %d", code)
	}
	if h.desk.sends != 0 {
		t.Error("it was sent")
	}
	en := h.web.noticeVersion(visit{tenant: h.catalogue.tenants[0], lang: "en"}, preschool(t))
	if code, _ := post("one", "1", en); code != 303 || h.desk.sends != 1 || en == good {
		t.Errorf("the same notice in English: %d", code)
	}
}

// TestNoticeVersion: it names the text that was shown, whatever changes in it.
func TestNoticeVersion(t *testing.T) {
	h := newHouse(t)
	s := preschool(t)
	before := h.noticeOf(s)
	if before != h.noticeOf(preschool(t)) {
		t.Error("the same text has two names")
	}
	s.Privacy.Keep.Closed *= 2
	if h.noticeOf(s) == before {
		t.Error("another time has the same name")
	}
	h.catalogue.tenants[0].Privacy = "https://annan.example.se/"
	if h.noticeOf(preschool(t)) == before {
		t.Error("another address has the same name")
	}
}

// TestReviewOfParties: who signs, and how they are asked; who cannot be asked
// keeps the button away.
func TestReviewOfParties(t *testing.T) {
	for invite, words := range map[string]string{
		"both": "länk till tva@example.se och 070-174 06 06", "email": "länk till tva@example.se när", "sms": "länk till 070-174 06 06 när", "code": "kod till tva@example.se och 070-174 06 06",
	} {
		h := newHouse(t)
		h.catalogue.tenants[0].Invite = invite
		d := h.draft("one", preschool(t), filled(h), allSteps...)
		root := seenBy(t, h.get("one", draftAt(d, "/granska")))
		want(t, root, ".timeline small", "Det är du.", words)
		want(t, root, "#send", "Skriv under")
	}
	h := newHouse(t)
	a := filled(h)
	guardians := append(h.people.facts.Children[0].Guardians, form.Guardian{Number: "199108242380", Name: "Testperson Tre"})
	h.people.facts.Children[0].Guardians = guardians
	chosen := h.people.facts.Children[0]
	a["barn"] = form.Value{Child: &chosen}
	d := h.draft("one", preschool(t), a, allSteps...)
	root := seenBy(t, h.get("one", draftAt(d, "/granska")))
	want(t, root, "#send")
	if got := attribute(t, root, "#problems a", "href"); len(got) != 1 || got[0] != draftAt(d, "/s/barnet?fran=granska#f-vh2_kontakt-email") {
		t.Errorf("%q", got)
	}
}

// TestServicePage: everything that must be known before one begins (P-16 … P-23).
func TestServicePage(t *testing.T) {
	h := newHouse(t)
	h.draft("one", h.catalogue.services[0], nil)
	root := seenBy(t, h.get("one", base+"/e/forskoleplats"))
	want(t, root, "h1", "Ansökan om förskoleplats")
	want(t, root, "main button.main", "Starta e-tjänsten")
	want(t, root, ".resume .btn", "Fortsätt")
	needs := strings.Join(find(t, root, ".ticks li"), "\n")
	for _, words := range []string{"loggar in med e-legitimation", "3 steg", "inom 90 dagar", "Du skriver under med e-legitimation", "två vårdnadshavare", "inom 30 dagar", "I vissa fall bifogar du: Studieintyg", "Intyg från skolan"} {
		if !strings.Contains(needs, words) {
			t.Errorf("needs lack %q", words)
		}
	}
	want(t, root, ".facts dt", "Personuppgiftsansvarig", "Varför", "Uppgifter", "Rättslig grund", "Medan du fyller i", "När ärendet är avslutat")
	want(t, root, ".facts dd", "Barn- och utbildningsnämnden", "Pröva din ansökan", "Namn, personnummer", "allmänt intresse", "90 dagar", "2 år")
	if got := find(t, root, ".box .reach"); len(got) != 1 || !strings.Contains(got[0], "forskola@example.se") {
		t.Errorf("contact %q", got)
	}
	root = seenBy(t, h.get("", base+"/e/felanmalan"))
	needs = strings.Join(find(t, root, ".ticks li"), "\n")
	for _, words := range []string{"Du behöver inte logga in", "Ingen underskrift behövs", "Du kan bifoga: Foton"} {
		if !strings.Contains(needs, words) {
			t.Errorf("needs of the other lack %q", words)
		}
	}
	want(t, root, ".resume")
	root = seenBy(t, h.get("", base+"/e/alla-slag"))
	if needs = strings.Join(find(t, root, ".ticks li"), "\n"); !strings.Contains(needs, "Fler än du skriver under, inom 14 dagar") || !strings.Contains(needs, "Du bifogar: En bilaga") {
		t.Errorf("needs %s", needs)
	}
	want(t, root, ".links a", "Läs mer")
}

func TestSearch(t *testing.T) {
	h := newHouse(t)
	want(t, seenBy(t, h.get("", base+"/?q=f%C3%B6rskola")), ".offers h3")
	want(t, seenBy(t, h.get("", base+"/?q=f%C3%B6rskole")), ".offers h3", "Ansökan om förskoleplats")
	root := seenBy(t, h.get("", base+"/?q="+strings.Repeat("x", 200)+"%22%3E%3Cscript%3E"))
	if got := attribute(t, root, "#q", "value"); len(got) != 1 || len(got[0]) != maxQuery {
		t.Errorf("a long search: %q", got)
	}
	if got := find(t, root, ".group"); len(got) != 0 {
		t.Errorf("%q", got)
	}
}
