package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigill/broker/kit/design"
	"sigill/portal"
	"sigill/portal/drafts"
	"sigill/portal/form"
	"sigill/portal/register"
)

func draftAt(id portal.DraftID, below string) string { return base + "/utkast/" + string(id) + below }

// answer posts a step as a browser does: what it shows, with changes, and a
// button.
func (h *house) answer(who string, id portal.DraftID, step, do string, posted url.Values) *httptest.ResponseRecorder {
	h.t.Helper()
	v := url.Values{"revision": {strconv.Itoa(h.drafts.drafts[id].Revision)}, "go": {do}}
	for k, x := range posted {
		v[k] = x
	}
	return h.post(who, draftAt(id, "/s/"+step), v)
}

func location(w *httptest.ResponseRecorder) string { return w.Header().Get("Location") }

// TestTheWay goes through a service with buttons alone, from the start to what
// is sent.
func TestTheWay(t *testing.T) {
	h := newHouse(t)
	w := h.post("one", base+"/e/forskoleplats/starta", nil)
	at, _ := strings.CutPrefix(location(w), base+"/utkast/")
	id := portal.DraftID(at)
	if w.Code != 303 || h.drafts.drafts[id] == nil {
		t.Fatalf("%d %s", w.Code, location(w))
	}
	next := func(path, want string) {
		t.Helper()
		if got := location(h.get("one", path)); got != draftAt(id, want) {
			t.Errorf("%s leads to %s, not %s", path, got, want)
		}
	}
	next(draftAt(id, ""), "/s/barnet")
	// Steps and review cannot be reached by their addresses (P-38).
	next(draftAt(id, "/s/kontakt"), "/s/barnet")
	next(draftAt(id, "/granska"), "/s/barnet")
	next(draftAt(id, "/s/nix"), "/s/barnet")

	post := func(step, do string, posted url.Values, want string) {
		t.Helper()
		if w := h.answer("one", id, step, do, posted); w.Code != 303 || location(w) != draftAt(id, want) {
			t.Errorf("%s: %d %s, not %s", step, w.Code, location(w), want)
		}
	}
	// Two guardians: a question that was not on the page, and nobody is told that
	// it is wrong before having seen it.
	post("barnet", "next", url.Values{"barn": {"k1"}}, "/s/barnet?visa=nya")
	root := seenBy(t, h.get("one", draftAt(id, "/s/barnet?visa=nya")))
	want(t, root, "#problems")
	want(t, root, "p.note[role=status]", "några frågor till")
	post("barnet", "next", url.Values{"barn": {"k1"}, "vh2_kontakt.email": {""}, "vh2_kontakt.phone": {""}}, "/s/barnet?visa=fel")
	root = seenBy(t, h.get("one", draftAt(id, "/s/barnet?visa=fel")))
	want(t, root, "#problems a", "Fyll i en e-postadress eller ett mobilnummer under ”Hur når vi den andra vårdnadshavaren?”.")
	if got := attribute(t, root, "#problems a", "href"); len(got) != 1 || got[0] != "#f-vh2_kontakt-email" {
		t.Errorf("the summary leads to %q", got)
	}
	want(t, root, "#f-vh2_kontakt-email-error", "Fyll i en e-postadress")
	if got := attribute(t, root, "#f-vh2_kontakt-email", "aria-describedby"); !slices.Equal(got, []string{"f-vh2_kontakt-email-error"}) {
		t.Errorf("the fault is not tied to its input: %q", got)
	}
	if title := find(t, root, "title"); !strings.HasPrefix(title[0], "Fel – ") {
		t.Errorf("title %q", title)
	}
	post("barnet", "next", url.Values{"barn": {"k1"}, "vh2_kontakt.email": {"tva@example.se"}, "vh2_kontakt.phone": {""}}, "/s/platsen")

	// What is typed stays, right or wrong.
	post("platsen", "next", url.Values{"startdatum.day": {"31"}, "startdatum.month": {"2"}, "startdatum.year": {"2027"}, "omfattning": {"mycket"}, "sysselsattning": {""}, "syskon": {""}}, "/s/platsen?visa=fel")
	root = seenBy(t, h.get("one", draftAt(id, "/s/platsen?visa=fel")))
	if got := attribute(t, root, "#f-omfattning", "value"); !slices.Equal(got, []string{"mycket"}) {
		t.Errorf("what was typed is %q", got)
	}
	post("platsen", "back", nil, "/s/barnet")
	place := url.Values{"startdatum.day": {"17"}, "startdatum.month": {"8"}, "startdatum.year": {"2026"}, "forskolor.1": {"eken"}, "forskolor.2": {""}, "forskolor.3": {""}, "omfattning": {"30"},
		"sysselsattning": {"arbetar"}, "syskon": {"no"}}
	post("platsen", "next", place, "/s/kontakt")
	post("kontakt", "save", url.Values{"mina.email": {"ett@example.se"}, "mina.phone": {""}, "mina.notify": {"email"}}, "/sparat")
	want(t, seenBy(t, h.get("one", draftAt(id, "/sparat"))), "h1", "Sparat, men inte inskickat")
	next(draftAt(id, ""), "/granska")

	// From the review one comes back to the review.
	post("platsen", "next", url.Values{"fran": {"granska"}, "sysselsattning": {"arbetar"}, "syskon": {"no"}}, "/granska")
	root = seenBy(t, h.get("one", draftAt(id, "/granska")))
	want(t, root, "button.main.big", "Signera")
	want(t, root, ".answers .timeline b", "Testperson Ett", "Testperson Två")
	if body := h.get("one", draftAt(id, "/granska")).Body.String(); strings.Contains(strings.ToLower(body), "inskickat") {
		t.Error("the review says that it is sent")
	}
	h.desk.sent.SignURL = "https://login.example.se/signing/portal-exempelbo/o/x/1"
	w = h.post("one", draftAt(id, "/skicka"), url.Values{"revision": {"9"}, "notice": attribute(t, root, "input[name=notice]", "value")})
	if w.Code != 303 || location(w) != h.desk.sent.SignURL || len(h.desk.notice) != 64 {
		t.Errorf("%d %s", w.Code, location(w))
	}
}

// TestFaultWords asks that each fault has words of its own, with the question in
// them, at the input that it is about.
func TestFaultWords(t *testing.T) {
	h := newHouse(t)
	all := everything(t)
	v := visit{tenant: h.catalogue.tenants[0], lang: "sv"}
	seen := map[string]form.Code{}
	for _, code := range form.Codes() {
		f, _ := all.Field("barn")
		text := h.web.faultText(v, f, form.Fault{Field: "barn", Code: code, Args: map[string]string{"min": "1", "max": "5"}})
		if !strings.Contains(text, "”Vilket barn?”") || !strings.HasSuffix(text, ".") {
			t.Errorf("%s: %s", code, text)
		}
		if was, twice := seen[text]; twice {
			t.Errorf("%s and %s have the same words", code, was)
		}
		seen[text] = code
		if text == h.web.text(v, "fault.other", "label", "Vilket barn?") {
			t.Errorf("%s has no words of its own", code)
		}
	}

	d := h.draft("one", all, wrong(), "alla")
	root := seenBy(t, h.get("one", draftAt(d, "/s/alla?visa=fel")))
	got := map[string]string{}
	hrefs, texts := attribute(t, root, "#problems a", "href"), find(t, root, "#problems a")
	for i := range hrefs {
		got[hrefs[i]] = texts[i]
	}
	for href, words := range map[string]string{
		"#f-rad": "Korta svaret på ”En rad”. Det får ha högst 10 tecken.", "#f-tal": "högst 60 timmar", "#f-dag-day": "Ange datum för ”En dag”: dagen finns inte.",
		"#f-epost": "namn@example.se", "#f-mobil": "070-174 06 05", "#f-ettval": "Välj ett av alternativen", "#f-mer": "Fyll i ”Berätta mer”.",
		"#f-flera": "Välj högst 2", "#f-lista": "Välj ett av alternativen", "#f-ordning-2": "två gånger", "#f-barn": "Välj barn igen",
		"#f-bilaga": "Lägg till en fil", "#f-mitt-phone": "mobilnumret under ”Hur når vi dig?”",
	} {
		if !strings.Contains(got[href], words) {
			t.Errorf("%s: %q", href, got[href])
		}
	}
	// An empty answer that is only recommended stops nobody and is told all the
	// same.
	if !strings.Contains(got["#f-stycke"], "Det går att skicka ändå") {
		t.Errorf("recommended: %q", got["#f-stycke"])
	}
	want(t, root, "fieldset legend + .help + .problem", "dagen finns inte", "Välj högst 2")
	want(t, root, "[aria-invalid][aria-describedby~=f-dag-error]", "", "", "")
	if body := h.get("one", draftAt(d, "/s/alla")).Body.String(); strings.Contains(body, `id="problems"`) {
		t.Error("faults are shown before anybody asked to go on")
	}
}

// TestKnownAnswers: what the register said is shown with where it came from, and
// cannot be changed from the browser.
func TestKnownAnswers(t *testing.T) {
	h := newHouse(t)
	d := h.draft("one", preschool(t), nil)
	root := seenBy(t, h.get("one", draftAt(d, "/s/barnet")))
	want(t, root, ".known .tag", "Från folkbokföringen", "Från folkbokföringen")
	want(t, root, "[name=sokande_namn]")
	want(t, root, ".choice", "Testbarn Ett född 2023", "Testbarn Två född 2021")
	h.answer("one", d, "barnet", "next", url.Values{"sokande_namn": {"Någon Annan"}, "barn": {"k2"}})
	if got := h.drafts.drafts[d].Answers["sokande_namn"]; got.Text != "Testperson Ett" || got.Origin != form.FromRegister {
		t.Error("a known answer was changed from the browser")
	}
	// Words of a child that the register hides: by telephone, never by e-mail.
	h.people.facts.HiddenChildren = true
	root = seenBy(t, h.get("one", draftAt(d, "/s/barnet")))
	want(t, root, ".absent a", "0999-10 01 20")
}

func TestFiles(t *testing.T) {
	h := newHouse(t)
	d := h.draft("one", preschool(t), filled(h), allSteps...)
	at := draftAt(d, "/s/platsen")
	post := func(do string, files ...string) *httptest.ResponseRecorder {
		return h.do(multi(t, at, "one", url.Values{
			"revision": {strconv.Itoa(h.drafts.drafts[d].Revision)}, "go": {do}, "sysselsattning": {"studerar"}, "omfattning": {"17"}, "syskon": {"no"},
		}, files...))
	}
	if w := post("attach:studieintyg", "studieintyg", "ett.pdf", "%PDF-1", "studieintyg", "tva.pdf", "%PDF-2"); w.Code != 303 || location(w) != at+"#f-studieintyg" {
		t.Fatalf("%d %s", w.Code, location(w))
	}
	files := h.drafts.drafts[d].Answers["studieintyg"].Files
	if len(files) != 2 || h.drafts.drafts[d].Answers["omfattning"].Text != "17" {
		t.Fatalf("%d files; what was typed beside them: %q", len(files), h.drafts.drafts[d].Answers["omfattning"].Text)
	}
	root := seenBy(t, h.get("one", at))
	want(t, root, ".files a", "ett.pdf", "tva.pdf")
	want(t, root, `form[enctype="multipart/form-data"]`, "")
	if w := h.get("one", attribute(t, root, ".files a", "href")[0]); w.Body.String() != "%PDF-1" || !strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment") {
		t.Errorf("%d %s", w.Code, w.Header())
	}
	if w := h.get("two", attribute(t, root, ".files a", "href")[0]); w.Code != 404 {
		t.Errorf("somebody else's file: %d", w.Code)
	}
	if w := post("detach:studieintyg:" + files[0].ID); w.Code != 303 || len(h.drafts.drafts[d].Answers["studieintyg"].Files) != 1 {
		t.Errorf("not removed: %d", w.Code)
	}
	// A file that was chosen comes with any button.
	if w := post("next", "studieintyg", "tre.pdf", "%PDF-3"); w.Code != 303 || location(w) != draftAt(d, "/s/kontakt") || len(h.drafts.drafts[d].Answers["studieintyg"].Files) != 2 {
		t.Errorf("%d %s", w.Code, location(w))
	}
	if w := post("next", "studieintyg", "", ""); w.Code != 303 || len(h.drafts.drafts[d].Answers["studieintyg"].Files) != 2 {
		t.Errorf("no file chosen: %d", w.Code)
	}
	w := post("next", "studieintyg", "spel.exe", "MZ")
	root = seenBy(t, w)
	want(t, root, "#problems a", "Filen ”spel.exe” är av ett slag som vi inte kan ta emot. Välj en fil av något av slagen pdf, jpg, png.")
	if w.Code != 422 || len(attribute(t, root, "#f-studieintyg[aria-describedby~=f-studieintyg-error]", "id")) != 1 {
		t.Errorf("%d", w.Code)
	}
	for why, words := range map[drafts.FileFault]string{
		drafts.FileEmpty: "är tom", drafts.FileLarge: "högst 10 MB", drafts.FileName: "Döp om", drafts.FileMany: "högst 10 MB filer", drafts.FileTotal: "tillsammans",
	} {
		h.drafts.attach = &drafts.BadFile{Why: why, Max: "10 MB"}
		if body := post("next", "studieintyg", "x.pdf", "%PDF").Body.String(); !strings.Contains(body, words) {
			t.Errorf("%s: no %q", why, words)
		}
	}
	h.drafts.attach = nil
	// Too large to be read at all: told, and what was typed is saved.
	before := len(h.drafts.drafts[d].Answers["studieintyg"].Files)
	for _, size := range []int{10<<20 + 1, maxStep + 1} {
		h.drafts.drafts[d].Answers["omfattning"] = form.Value{Text: "1"}
		w = post("attach:studieintyg", "studieintyg", "stor.pdf", "%PDF"+strings.Repeat("x", size))
		if w.Code != 422 || !strings.Contains(w.Body.String(), "för stor") || h.drafts.drafts[d].Answers["omfattning"].Text != "17" || len(h.drafts.drafts[d].Answers["studieintyg"].Files) != before {
			t.Errorf("%d bytes: %d, %q", size, w.Code, h.drafts.drafts[d].Answers["omfattning"].Text)
		}
	}
	if w := post("attach:omfattning", "omfattning", "x.pdf", "%PDF"); w.Code != 400 {
		t.Errorf("a file for a field that takes none: %d", w.Code)
	}
}

func TestBadForms(t *testing.T) {
	h := newHouse(t)
	d := h.draft("one", preschool(t), nil)
	for name, c := range map[string]struct {
		posted url.Values
		status int
	}{
		"no button":      {url.Values{"revision": {"1"}}, 400},
		"unknown button": {url.Values{"revision": {"1"}, "go": {"fly"}}, 400},
		"more":           {url.Values{"revision": {"1"}, "go": {"next:x"}}, 400},
		"no file":        {url.Values{"revision": {"1"}, "go": {"detach:x"}}, 400},
		"no revision":    {url.Values{"go": {"next"}}, 400},
		"too much":       {url.Values{"revision": {"1"}, "go": {"next"}, "x": {strings.Repeat("x", maxTyped)}}, 413},
	} {
		if w := h.post("one", draftAt(d, "/s/barnet"), c.posted); w.Code != c.status {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	many := url.Values{"revision": {"1"}, "go": {"next"}}
	for i := range maxInputs {
		many.Add("x", strconv.Itoa(i))
	}
	if w := h.post("one", draftAt(d, "/s/barnet"), many); w.Code != 400 {
		t.Errorf("many inputs: %d", w.Code)
	}
	for _, media := range []string{"", "text/plain", "multipart/form-data", "multipart/form-data; boundary=" + strings.Repeat("x", 71)} {
		r := request("POST", draftAt(d, "/s/barnet"), "one", url.Values{"revision": {"1"}, "go": {"next"}})
		r.Header.Set("Content-Type", media)
		if w := h.do(r); w.Code != 400 {
			t.Errorf("%q: %d", media, w.Code)
		}
	}
	if h.drafts.drafts[d].Revision != 1 {
		t.Error("something was saved")
	}
}

// TestAutosave answers the script.
func TestAutosave(t *testing.T) {
	h := newHouse(t)
	d := h.draft("one", preschool(t), nil)
	at := draftAt(d, "/s/barnet")
	auto := func(who string, revision int, barn string) (int, map[string]any) {
		w := h.post(who, at, url.Values{"revision": {strconv.Itoa(revision)}, "go": {"auto"}, "barn": {barn}})
		said := map[string]any{}
		if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil {
			t.Errorf("%d: %v", w.Code, err)
		}
		return w.Code, said
	}
	if code, said := auto("one", 1, "k1"); code != 200 || said["revision"] != float64(2) || !strings.Contains(said["fields"].(string), "vh2_kontakt") {
		t.Errorf("%d %v", code, said)
	}
	if len(h.drafts.drafts[d].Saved) != 0 || h.drafts.drafts[d].Answers["barn"].Child.Key != "k1" {
		t.Error("saved as done, or not saved")
	}
	if code, said := auto("one", 1, "k2"); code != 409 || said["state"] != "conflict" {
		t.Errorf("an old version: %d %v", code, said)
	}
	if code, said := auto("", 2, "k2"); code != 401 || said["state"] != "out" {
		t.Errorf("nobody: %d %v", code, said)
	}
	if code, _ := auto("two", 2, "k2"); code != 404 {
		t.Errorf("somebody else: %d", code)
	}
	h.drafts.drafts[d].State = portal.Waiting
	if code, said := auto("one", 2, "k2"); code != 409 || said["state"] != "locked" {
		t.Errorf("locked: %d %v", code, said)
	}
	if len(h.logins.held) > 0 {
		t.Error("the script's posts are held")
	}
}

// TestConflict: the later save of two windows is refused, and nothing is lost.
func TestConflict(t *testing.T) {
	h := newHouse(t)
	d := h.draft("one", preschool(t), filled(h), allSteps...)
	h.drafts.drafts[d].Revision = 5
	w := h.post("one", draftAt(d, "/s/platsen"), url.Values{"revision": {"4"}, "go": {"next"}, "omfattning": {"20"}, "sysselsattning": {"arbetar"}, "syskon": {"no"}})
	if location(w) != draftAt(d, "/krock") {
		t.Fatalf("%d %s", w.Code, location(w))
	}
	if got := location(h.get("one", draftAt(d, ""))); got != draftAt(d, "/krock") {
		t.Errorf("an open conflict is passed by: %s", got)
	}
	root := seenBy(t, h.get("one", draftAt(d, "/krock")))
	want(t, root, "tr.differ th", "Hur många timmar", "Vad gör du", "Är det något av", "Berätta gärna mer")
	want(t, root, "tr.differ td:nth-child(2)", "32,5 timmar", "Studerar", "Allergi", "nötter")
	want(t, root, "tr.differ td:nth-child(3)", "20 timmar", "Arbetar", "Ej besvarad", "Ej besvarad")
	for keep, hours := range map[string]string{"andra": "20", "sparad": "32,5"} {
		h := newHouse(t)
		d := h.draft("one", preschool(t), filled(h), allSteps...)
		late := *h.drafts.drafts[d]
		late.Answers = filled(h)
		late.Answers["omfattning"] = form.Value{Text: "20"}
		h.drafts.asides[d] = late
		if w := h.post("one", draftAt(d, "/krock"), url.Values{"revision": {"1"}, "behall": {keep}}); w.Code != 303 || location(w) != draftAt(d, "") {
			t.Errorf("%d %s", w.Code, location(w))
		}
		if got := h.drafts.drafts[d].Answers["omfattning"].Text; got != hours {
			t.Errorf("%s holds, and it says %s", keep, got)
		}
	}
	if w := h.post("one", draftAt(d, "/krock"), url.Values{"revision": {"5"}, "behall": {"inget"}}); w.Code != 400 {
		t.Errorf("no choice: %d", w.Code)
	}
}

func TestRemove(t *testing.T) {
	h := newHouse(t)
	d := h.draft("one", preschool(t), nil)
	if w := h.get("one", draftAt(d, "/ta-bort")); w.Code != 200 || h.drafts.drafts[d] == nil {
		t.Errorf("%d, or removed without a question", w.Code)
	}
	if w := h.post("two", draftAt(d, "/ta-bort"), nil); w.Code != 303 || h.drafts.drafts[d] == nil {
		t.Errorf("by somebody else: %d", w.Code)
	}
	for range 2 {
		if w := h.post("one", draftAt(d, "/ta-bort"), nil); w.Code != 303 || location(w) != base+"/mina-sidor?besked=borttaget" || h.drafts.drafts[d] != nil {
			t.Errorf("%d %s", w.Code, location(w))
		}
	}
	d = h.draft("one", preschool(t), nil)
	h.drafts.drafts[d].State = portal.Waiting
	if w := h.post("one", draftAt(d, "/ta-bort"), nil); location(w) != draftAt(d, "/vantar") || h.drafts.drafts[d] == nil {
		t.Errorf("while it waits: %d %s", w.Code, location(w))
	}
}

// TestDraftIsItsOwners asks for each address of a draft as others.
func TestDraftIsItsOwners(t *testing.T) {
	h := newHouse(t)
	d := h.draft("one", preschool(t), filled(h), allSteps...)
	anonymous := h.draft("browser", fault(t), nil)
	none := portal.DraftID(portal.NewID())
	for _, below := range []string{"", "/s/barnet", "/sparat", "/granska", "/krock", "/ta-bort", "/fil/" + portal.NewID()} {
		for who, id := range map[string]portal.DraftID{"two": d, "one": anonymous} {
			w, other := h.get(who, draftAt(id, below)), h.get(who, draftAt(none, below))
			if w.Code != http.StatusNotFound || other.Code != w.Code {
				t.Errorf("%s, somebody else: %d, and what does not exist %d", below, w.Code, other.Code)
			}
		}
		for _, who := range []string{"", "browser"} {
			w, other := h.get(who, draftAt(d, below)), h.get(who, draftAt(none, below))
			if w.Code != 200 || other.Code != 200 || !strings.Contains(w.Body.String(), "Logga in med e-legitimation") {
				t.Errorf("%s, %q: %d, and what does not exist %d", below, who, w.Code, other.Code)
			}
			if strings.Contains(w.Body.String(), "Testperson") || strings.Contains(w.Body.String(), "förskoleplats") {
				t.Errorf("%s: something is told", below)
			}
		}
		if w := h.get("one", strings.Replace(draftAt(d, below), base, "/annanstad", 1)); w.Code != 404 {
			t.Errorf("%s with another tenant: %d", below, w.Code)
		}
	}
	if w := h.get("browser", draftAt(anonymous, "/s/felet")); w.Code != 200 || strings.Contains(w.Body.String(), `value="save"`) {
		t.Errorf("the browser's own: %d, or it can be put aside", w.Code)
	}
	if w := h.get("one", draftAt("kort", "")); w.Code != 404 {
		t.Errorf("no id: %d", w.Code)
	}
}

func TestProtectedWhileFillingIn(t *testing.T) {
	h := newHouse(t)
	d := h.draft("one", preschool(t), filled(h), allSteps...)
	h.people.factsErr = register.ErrProtected
	for _, below := range []string{"", "/s/barnet", "/granska"} {
		w := h.get("one", draftAt(d, below))
		if body := w.Body.String(); w.Code != 403 || !strings.Contains(body, "0999-10 00 00") || strings.Contains(body, "Provvägen") || strings.Contains(body, "Testbarn") {
			t.Errorf("%s: %d", below, w.Code)
		}
	}
	if w := h.answer("one", d, "barnet", "next", url.Values{"barn": {"k1"}}); w.Code != 403 || h.drafts.drafts[d].Revision != 1 {
		t.Errorf("saved: %d", w.Code)
	}
}

// FuzzPosted: whatever comes is read or refused, in bounds.
func FuzzPosted(f *testing.F) {
	f.Add("application/x-www-form-urlencoded", "go=next&revision=1&a=%C3%A5")
	f.Add("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"go\"\r\n\r\nnext\r\n--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\n%PDF\r\n--x--\r\n")
	f.Add("multipart/form-data; boundary=x", "--x\r\n")
	f.Fuzz(func(t *testing.T, media, body string) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", media)
		p, err := readForm(r, map[string]int64{"f": 1 << 10})
		if err != nil {
			return
		}
		n, all := 0, 0
		for _, v := range p.values {
			n += len(v)
			for _, s := range v {
				all += len(s)
			}
		}
		for _, u := range p.files {
			n++
			if len(u.content) > 1<<10 || len(u.content) > 0 && u.field != "f" {
				t.Error("a file beyond its bounds")
			}
		}
		if n > maxInputs || all > maxTyped {
			t.Errorf("%d inputs, %d bytes", n, all)
		}
	})
}

func FuzzSafePath(f *testing.F) {
	for _, s := range []string{"/", "/mina-sidor", "//x", "/a/../b", "/\\x", "https://x", "/a?b", "/%2f", "/a/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := safePath(s)
		if p == "" {
			return
		}
		u, err := url.Parse("https://portal.example.se/exempelbo" + p)
		if err != nil || u.Host != "portal.example.se" || !strings.HasPrefix(u.Path, "/exempelbo/") || u.RawQuery != "" {
			t.Errorf("%q", s)
		}
	})
}

// TestFilesAreKeptForOwnersAlone: what others send is read past.
func TestFilesAreKeptForOwnersAlone(t *testing.T) {
	for keep, takes := range map[bool]map[string]int64{true: {"f": 10}, false: nil} {
		r := multi(t, "/", "", url.Values{"go": {"next"}}, "f", "a.pdf", "%PDF")
		p, err := readForm(r, takes)
		if err != nil || len(p.files) != 1 || (len(p.files[0].content) > 0) != keep || p.get("go") != "next" {
			t.Errorf("keep %t: %v %+v", keep, err, p)
		}
	}
}

func TestIncompleteConfiguration(t *testing.T) {
	h := newHouse(t)
	c := h.config()
	if _, err := New(c); err == nil {
		t.Error("pages without assets")
	}
	var err error
	if c.Assets, err = design.New(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := New(c); err != nil {
		t.Error(err)
	}
	c.Holds = nil
	if _, err := New(c); err == nil {
		t.Error("pages that hold nothing")
	}
}
