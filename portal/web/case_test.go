package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sigill/broker/kit/page"
	"sigill/portal"
	"sigill/portal/cases"
	"sigill/portal/form"
)

// TestCase: what was sent, by whom, when, and what has happened since (P-85,
// P-88), in both languages.
func TestCase(t *testing.T) {
	h := lived(t)
	w := h.get("one", base+"/arende/"+string(caseOne))
	root := seenBy(t, w)
	want(t, root, "main .tag", "Väntar på komplettering", "Nytt")
	want(t, root, "main h2", "Meddelanden", "Handlingar", "Underskrifter", "Det som skickades in", "Vad som har hänt")
	want(t, root, ".papers a", "Det som är underskrivet", "Kvittens", "intyg från skolan.pdf")
	want(t, root, ".papers .soft", "PDF, 412 kB", "PDF, 38 kB", "PDF, 1,8 MB")
	want(t, root, ".content dt", "Vilket barn", "Särskilda behov", "Önskat startdatum", "Önskade förskolor")
	want(t, root, ".talk li", "Behöver ni något mer", "Vi behöver ert schema")
	want(t, root, ".talk .own", "Testperson Ett")
	body := w.Body.String()
	for _, s := range []string{
		"Först underskrivet", "26 februari 2026 kl. 08.30", "Kom in", "27 februari 2026 kl. 10.30", "EXB-2026-000017", "sedan 28 februari 2026 kl. 10.30",
		"Ny status: Under handläggning", "Meddelande från kommunen", "Skrev under 27 februari 2026 kl. 10.30",
	} {
		if !strings.Contains(body, s) {
			t.Errorf("no %q", s)
		}
	}
	english := h.get("one", base+"/arende/"+string(caseOne)+"?lang=en")
	root = seenBy(t, english)
	want(t, root, "main h2", "Messages", "Documents", "Signatures", "What was sent", "What has happened")
	if got := attribute(t, root, ".content", "lang"); len(got) != 1 || got[0] != "sv" {
		t.Errorf("the language of the answers: %q", got)
	}
	if !strings.Contains(english.Body.String(), "27 February 2026 at 10:30") {
		t.Error("no time in English")
	}
	if h.get("two", base+"/arende/"+string(caseOne)).Code != http.StatusOK {
		t.Error("a co-owner does not see the case")
	}
}

func TestCaseFiles(t *testing.T) {
	h := lived(t)
	for id, name := range map[string]string{fileSigned: "ansokan.pdf", fileProof: "kvittens.pdf", fileTaken: "intyg"} {
		for who, path := range map[string]string{"one": "/arende/", "officer": "/handlaggare/arende/"} {
			w := h.get(who, base+path+string(caseOne)+"/fil/"+id)
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/pdf" || !strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment") ||
				!strings.Contains(w.Header().Get("Content-Disposition"), name) || w.Header().Get("Cache-Control") != "no-store" ||
				!strings.Contains(w.Header().Get("Content-Security-Policy"), "sandbox") {
				t.Errorf("%s as %s: %d %v", id, who, w.Code, w.Header())
			}
		}
	}
	if w := h.get("one", base+"/arende/"+string(caseOne)+"/fil/none"); w.Code != http.StatusNotFound {
		t.Errorf("no such file: %d", w.Code)
	}
}

func TestFileName(t *testing.T) {
	for _, c := range []struct{ name, media, want string }{
		{"../../etc/passwd", "application/pdf", "_.._etc_passwd.pdf"},
		{"a\r\nb.pdf", "application/pdf", "a__b.pdf"},
		{"bild.JPEG", "image/jpeg", "bild.JPEG"},
		{"", "image/png", "fil.png"},
		{"virus.exe", "application/pdf", "virus.exe.pdf"},
	} {
		if got := page.FileName(c.name, c.media); got != c.want {
			t.Errorf("%q is %q", c.name, got)
		}
	}
}

// TestMessage: a message is written once however often it is sent, and what was
// typed is not lost when it is refused (P-89, P-90).
func TestMessage(t *testing.T) {
	h := lived(t)
	at := base + "/arende/" + string(caseOne)
	once := attribute(t, seenBy(t, h.get("one", at)), "input[name=once]", "value")
	if len(once) != 1 || !portal.IsID(once[0]) {
		t.Fatal("no key of the message")
	}
	if again := attribute(t, seenBy(t, h.get("one", at)), "input[name=once]", "value"); again[0] == once[0] {
		t.Error("the key is the same on two pages")
	}
	posted := url.Values{"once": once, "text": {"Här är schemat.\nMåndag 8–16"}}
	w := h.post("one", at+"/meddelande", posted)
	if w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), at+"?besked=skickat") {
		t.Fatalf("%d %s", w.Code, w.Header().Get("Location"))
	}
	h.post("one", at+"/meddelande", posted)
	if len(h.cases.wrote) != 2 || h.cases.wrote[0] != h.cases.wrote[1] || !strings.HasPrefix(h.cases.wrote[0], once[0]+": ") {
		t.Errorf("written: %d", len(h.cases.wrote))
	}
	want(t, seenBy(t, h.get("one", at+"?besked=skickat")), "[role=status]", "Ditt meddelande är skickat")

	h.cases.refuse = cases.ErrEmpty
	w = h.post("one", at+"/meddelande", url.Values{"once": once, "text": {"för mycket"}})
	root := seenBy(t, w)
	if w.Code != http.StatusUnprocessableEntity {
		t.Errorf("refused: %d", w.Code)
	}
	want(t, root, "textarea[aria-invalid=true]", "för mycket")
	want(t, root, "#text-problem", "Skriv något, högst 10 000 tecken")
	want(t, root, "title", "Fel – ")
	h.cases.refuse = cases.ErrNoMessages
	w = h.post("one", at+"/meddelande", posted)
	if w.Code != http.StatusSeeOther || !strings.HasSuffix(w.Header().Get("Location"), "?besked=stangt") {
		t.Errorf("closed: %d", w.Code)
	}
	want(t, seenBy(t, h.get("one", at+"?besked=stangt")), "[role=status]", "skickades inte")
	h.cases.refuse = nil

	for _, bad := range []url.Values{{"text": {"x"}}, {"once": {"short"}, "text": {"x"}}, {"once": once, "text": {"x"}, "more": {"y"}}, {"once": once, "text": {"x", "y"}}} {
		if w := h.post("one", at+"/meddelande", bad); w.Code != http.StatusBadRequest {
			t.Errorf("%d", w.Code)
		}
	}
	if w := h.post("one", at+"/meddelande", url.Values{"once": once, "text": {strings.Repeat("x", 200_000)}}); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("too much: %d", w.Code)
	}
	r := request(http.MethodPost, at+"/meddelande", "one", posted)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if w := h.do(r); w.Code != http.StatusForbidden {
		t.Errorf("from another site: %d", w.Code)
	}
}

// TestNoMessages: no form where the service has no dialogue, none in a closed case.
func TestNoMessages(t *testing.T) {
	h := lived(t)
	root := seenBy(t, h.get("one", "/annanstad/arende/"+string(caseClosed)))
	want(t, root, "form textarea")
	want(t, root, ".talk li", "Behöver ni")
	if !strings.Contains(strings.Join(find(t, root, "main"), ""), "Ärendet är avslutat. Det går inte att skriva") {
		t.Error("it is not said that the case is closed")
	}
	c := h.cases.cases[caseOne]
	c.Messages = nil
	h.cases.cases[caseOne] = c
	h.catalogue.services[0].Handlers.Messages = false
	want(t, seenBy(t, h.get("one", base+"/arende/"+string(caseOne))), "#messages")
}

// TestSent: the confirmation says that it has arrived, when, how it is followed,
// and whom it is told (P-46, P-78 to P-80).
func TestSent(t *testing.T) {
	h := lived(t)
	at := base + "/arende/" + string(caseOne) + "/inskickat"
	w := h.get("one", at)
	root := seenBy(t, w)
	want(t, root, "h1", "Ditt ärende är nu inskickat")
	want(t, root, ".lead", "Exempelbo kommun tog emot det 27 februari 2026 kl. 10.30.")
	want(t, root, ".facts dd", "EXB-2026-000017")
	want(t, root, "a.btn[href='/exempelbo/arende/"+string(caseOne)+"/fil/"+fileProof+"']", "Hämta kvittensen")
	body := strings.Join(find(t, root, "main"), "")
	for _, s := range []string{"följa ärendet på Mina sidor", "bekräftelse skickas till e•••@example.se.", "Vad händer nu?"} {
		if !strings.Contains(body, s) {
			t.Errorf("no %q", s)
		}
	}
	for _, s := range []string{"hemma@", "ett@", "0701740605"} {
		if strings.Contains(body, s) {
			t.Errorf("an address in full: %s", s)
		}
	}
	if w.Header().Get("Refresh") != "" {
		t.Error("reloads though the receipt is there")
	}
	h.people.profile = form.Contact{}
	if body := h.get("one", at).Body.String(); !strings.Contains(body, "till h•••@example.se och ••• ••06.") {
		t.Error("what was left in the form is not told")
	}

	// The receipt is being made, and then takes long.
	c := h.cases.cases[caseOne]
	c.Files = c.Files[:1]
	h.cases.cases[caseOne] = c
	h.now = c.Arrived.Add(receiptSoon / 2)
	w = h.get("one", at)
	if w.Header().Get("Refresh") == "" {
		t.Error("does not reload")
	}
	want(t, seenBy(t, w), "[role=status]", "Kvittensen görs i ordning")
	h.now = c.Arrived.Add(receiptSoon)
	w = h.get("one", at)
	if w.Header().Get("Refresh") != "" {
		t.Error("reloads for ever")
	}
	want(t, seenBy(t, w), "a.btn[href='"+at+"']", "Se om kvittensen är klar")

	// Without login (P-61).
	w = h.get("browser", base+"/arende/"+string(caseNobody)+"/inskickat")
	root = seenBy(t, w)
	body = strings.Join(find(t, root, "main"), "")
	for _, s := range []string{"går ärendet inte att följa på Mina sidor", "Spara kvittensen nu", "ingen bekräftelse"} {
		if !strings.Contains(body, s) {
			t.Errorf("anonymous: no %q", s)
		}
	}
	want(t, root, "main a")
	if h.get("browser", base+"/arende/"+string(caseNobody)).Code == http.StatusOK && strings.Contains(h.get("browser", base+"/arende/"+string(caseNobody)).Body.String(), "lampa") {
		t.Error("an anonymous case is a page of its own")
	}
}

func TestMasks(t *testing.T) {
	for in, want := range map[string]string{"ett@example.se": "e•••@example.se", "å@example.se": "å•••@example.se", "@": "•••@", "x": "•••"} {
		if got := maskEmail(in); got != want {
			t.Errorf("%q is %q", in, got)
		}
	}
	for in, want := range map[string]string{"0701740605": "••• ••05", "070": "•••"} {
		if got := maskPhone(in); got != want {
			t.Errorf("%q is %q", in, got)
		}
	}
}
