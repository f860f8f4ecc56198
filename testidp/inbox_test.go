package testidp

import (
	"net/http/httptest"
	"net/smtp"
	"net/url"
	"strings"
	"testing"
)

// checked is every page of the inbox: one heading of the first level, labels
// that belong to fields, nothing inline, nothing that runs.
func checked(t *testing.T, d drawn) drawn {
	t.Helper()
	d.one(t, "h1")
	if n := d.all("script, [style], style, [onclick]"); len(n) != 0 {
		t.Errorf("inline or script in\n%s", d.text)
	}
	for _, field := range d.all("select, input:not([type=hidden])") {
		if len(d.all("label[for="+attribute(field, "id")+"]")) != 1 {
			t.Errorf("no label for %s", attribute(field, "id"))
		}
	}
	if csp := d.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	if d.header.Get("Cache-Control") != "no-store" || d.header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("header %v", d.header)
	}
	return d
}

func TestInboxOfMail(t *testing.T) {
	s := Start(t)
	b := newBrowser(t, s)
	empty := checked(t, b.get(attribute(b.get("/").one(t, "header a[href='/inbox']"), "href")))
	if words(empty.one(t, "h1")) != "Inkorgen" || !strings.Contains(empty.text, "Inget har kommit.") || len(empty.all("select")) != 0 {
		t.Errorf("empty:\n%s", empty.text)
	}
	deliver(t, s, "ett@example.se")
	deliver(t, s, "tva@example.se")
	deliver(t, s, "ett@example.se")
	list := checked(t, b.get("/inbox"))
	cards := list.all("ul.messages a.card")
	if len(cards) != 3 || words(list.all("ul.messages strong")[0]) != "Skriv under: förskola" || len(list.all(".flag")) != 1 || len(list.all("option")) != 3 {
		t.Fatalf("list:\n%s", list.text)
	}
	messages := s.Messages("")
	if attribute(cards[0], "href") != "/inbox/"+messages[2].ID || attribute(cards[2], "href") != "/inbox/"+messages[0].ID {
		t.Error("the newest is not first")
	}
	of := checked(t, b.get("/inbox?to=tva%40example.se"))
	if len(of.all("a.card")) != 1 || words(of.one(t, "option[selected]")) != "tva@example.se" || len(of.all("option")) != 3 {
		t.Errorf("of one:\n%s", of.text)
	}

	mail := checked(t, b.get("/inbox/"+messages[1].ID))
	if words(mail.one(t, "h1")) != "Skriv under: förskola" {
		t.Errorf("mail:\n%s", mail.text)
	}
	if a := mail.one(t, ".letter a"); attribute(a, "href") != "http://localhost:8080/signing/demo/i/abcdef" || words(a) != attribute(a, "href") || attribute(a, "target") != "" {
		t.Errorf("link:\n%s", mail.text)
	}
	if words(mail.one(t, ".letter")) != "Hej! Läs och skriv under: http://localhost:8080/signing/demo/i/abcdef." {
		t.Errorf("text:\n%s", mail.text)
	}
	facts := ""
	for _, dd := range mail.all("dd") {
		facts += words(dd) + "\n"
	}
	for _, want := range []string{"Testkommunen Å <svara-inte@example.se>", "tva@example.se", "<inbjudan-1@example.se>", "Mon, 02 Nov 2026 10:00:00 +0100"} {
		if !strings.Contains(facts, want) {
			t.Errorf("%q is not among\n%s", want, facts)
		}
	}
	frame := mail.one(t, "iframe")
	if attribute(frame, "src") != "/inbox/"+messages[1].ID+"/html" || attribute(frame, "sandbox") != "allow-top-navigation-by-user-activation" || attribute(frame, "title") == "" {
		t.Errorf("frame:\n%s", mail.text)
	}
	if !strings.Contains(mail.header.Get("Content-Security-Policy"), "frame-src 'self'") {
		t.Error("the frame is not let in")
	}
	if page := b.get("/inbox/nothing"); page.status != 404 {
		t.Errorf("nothing: %d", page.status)
	}

	if gone := b.post("/inbox/clear", nil); gone.location != "/inbox" || len(s.Messages("")) != 0 {
		t.Errorf("cleared: %d", len(s.Messages("")))
	}
}

// TestInboxFrame: what a stranger wrote can look like something and that is all.
func TestInboxFrame(t *testing.T) {
	s := Start(t)
	b := newBrowser(t, s)
	deliver(t, s, "ett@example.se")
	frame := b.get("/inbox/" + s.Messages("")[0].ID + "/html")
	want := "sandbox allow-top-navigation-by-user-activation; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
	if got := frame.header.Get("Content-Security-Policy"); got != want {
		t.Errorf("policy %q", got)
	}
	if got := frame.header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("type %q", got)
	}
	if !strings.HasPrefix(frame.text, "<!DOCTYPE html>") || attribute(frame.one(t, "html"), "lang") != "sv" || attribute(frame.one(t, "body"), "style") == "" {
		t.Errorf("not as it was written:\n%s", frame.text)
	}
	links := frame.all("a")
	if len(links) != 2 || words(links[0]) != "här" || attribute(links[1], "href") != "http://localhost:8080/?a=1&b=2" {
		t.Errorf("links:\n%s", frame.text)
	}
	for _, a := range links {
		if attribute(a, "target") != "_top" || strings.Count(frame.text, "target=") != len(links) {
			t.Errorf("a link that stays in the frame:\n%s", frame.text)
		}
	}

	// Somebody else's base must not lead the links elsewhere.
	evil := strings.Replace(strings.Replace(letter, "<title>", "<base href=3D\"http://evil.example/\" target=3D\"x\"><title>", 1), "<inbjudan-1@", "<2@", 1)
	if err := smtp.SendMail(s.MailAddress(), nil, "a@example.se", []string{"tva@example.se"}, []byte(evil)); err != nil {
		t.Fatal(err)
	}
	if page := b.get("/inbox/" + s.Messages("tva@example.se")[0].ID + "/html"); strings.Contains(page.text, "evil.example") {
		t.Errorf("page:\n%s", page.text)
	}
	text(t, s, "+46701740605", "Hej")
	if page := b.get("/inbox/" + s.Messages("+46701740605")[0].ID + "/html"); page.status != 404 {
		t.Errorf("HTML of an SMS: %d", page.status)
	}
}

func TestInboxOfSMS(t *testing.T) {
	s := Start(t)
	b := newBrowser(t, s)
	b.post("/phone/language", url.Values{"language": {"en"}})
	text(t, s, "+46701740605", "Skriv under <här>:\nhttps://example.se/i/x?a=1&b=2.")
	id := s.Messages("")[0].ID
	list := checked(t, b.get("/inbox"))
	if words(list.one(t, ".kind")) != "SMS" || words(list.one(t, ".recipient")) != "To +46701740605" || words(list.one(t, "a.card strong")) != "Kommunen" {
		t.Errorf("list:\n%s", list.text)
	}
	page := checked(t, b.get("/inbox/"+id))
	if words(page.one(t, "h1")) != "SMS from Kommunen" || words(page.one(t, ".bubble")) != "Skriv under <här>:\nhttps://example.se/i/x?a=1&b=2." {
		t.Errorf("page:\n%s", page.text)
	}
	if got := attribute(page.one(t, ".bubble a"), "href"); got != "https://example.se/i/x?a=1&b=2" {
		t.Errorf("link %q", got)
	}
	if len(page.all("iframe, details")) != 0 {
		t.Errorf("more than an SMS:\n%s", page.text)
	}

	// The other language keeps one where one is.
	if here := attribute(page.one(t, "header input[name=here]"), "value"); here != "/inbox/"+id {
		t.Errorf("here %q", here)
	}
	for here, want := range map[string]string{"/inbox": "/inbox", "/inbox/" + id: "/inbox/" + id, "//evil.example": "/", "/inbox/../x": "/", "/inbox/a/b": "/", "/inbox/..": "/", "/inboxx": "/", "": "/"} {
		if got := b.post("/phone/language", url.Values{"language": {"sv"}, "here": {here}}); got.location != want {
			t.Errorf("from %q to %q", here, got.location)
		}
	}
	if page := b.get("/inbox/" + id); words(page.one(t, "h1")) != "Sms från Kommunen" {
		t.Errorf("page:\n%s", page.text)
	}
}

func TestOtherSitesCannotEmptyTheInbox(t *testing.T) {
	s := Start(t)
	deliver(t, s, "ett@example.se")
	r := httptest.NewRequest("POST", "/inbox/clear", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if w.Code != 403 || len(s.Messages("")) != 1 {
		t.Errorf("%d, %d left", w.Code, len(s.Messages("")))
	}
}
