package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/testidp"
)

// place comes to the second step of an application, with its first one filled in.
func (c *citizen) place(child string) screen {
	c.t.Helper()
	s := c.begins("forskoleplats")
	for range 3 {
		if s = s.fill(preschool(child)).press("next"); s.step() == "platsen" {
			return s
		}
	}
	c.t.Fatalf("not at the second step: %s", s)
	return s
}

// What is posted that no page posts.
func TestPostedNonsense(t *testing.T) {
	r, _ := hall(t, Config{})
	c := someone(t, r, "ett", "exempelby")
	first := c.begins("forskoleplats")
	at := "/utkast/" + first.draft()
	post := func(step string, form url.Values) (*http.Response, string) {
		t.Helper()
		if _, set := form["revision"]; !set {
			form.Set("revision", c.get(at+"/s/barnet").questions().value("revision"))
		}
		return c.once("POST", at+"/s/"+step, form)
	}
	for what, form := range map[string]url.Values{
		"no button":            {},
		"an unknown button":    {"go": {"explode"}},
		"a button with a tail": {"go": {"next:x"}},
		"no revision":          {"go": {"next"}, "revision": {""}},
		"a revision of words":  {"go": {"next"}, "revision": {"one"}},
		"detaching nothing":    {"go": {"detach:studieintyg:x"}},
	} {
		if res, body := post("barnet", form); res.StatusCode != 400 {
			t.Errorf("%s: %d %s", what, res.StatusCode, masked(firstWords(body)))
		}
	}
	if res, _ := post("finns_inte", url.Values{"go": {"next"}}); res.StatusCode != 303 || !strings.HasSuffix(res.Header.Get("Location"), "/s/barnet") {
		t.Errorf("an unknown step: %d %s", res.StatusCode, res.Header.Get("Location"))
	}
	if res, _ := post("kontakt", url.Values{"go": {"next"}, "ovrigt": {planted}}); res.StatusCode != 303 || !strings.HasSuffix(res.Header.Get("Location"), "/s/barnet") {
		t.Errorf("a step that is not open: %d %s", res.StatusCode, res.Header.Get("Location"))
	}
	// Fields of other steps, unknown ones, and what cannot be changed here.
	res, _ := post("barnet", url.Values{"go": {"next"}, "ovrigt": {planted}, "okant": {planted}, "sokande_namn": {"Någon Annan"}, "sokande_adress": {"Annanstans 1"}, "barn": {"pahittat"}})
	if res.StatusCode != 303 || !strings.Contains(res.Header.Get("Location"), "/s/barnet") {
		t.Errorf("an invented child: %d %s", res.StatusCode, res.Header.Get("Location"))
	}
	s := c.get(at + "/s/barnet?visa=fel")
	if s.says("Någon Annan") || s.says("Annanstans") || !s.says("Testperson Ett") || !s.says("Välj barn igen") && !s.says("Välj ett barn") {
		t.Errorf("what is locked was changed, or the child was taken: %s", s)
	}
	s = c.get(at).fills(preschool("Testbarn Ett").and(said{"ovrigt": ""}))
	if s.says(planted) {
		t.Error("what was posted to a step that does not ask for it is kept")
	}
	// Alternatives that there are not, and texts that are too long.
	place := at + "/s/platsen"
	p := c.get(place).questions()
	for name, v := range map[string]string{"sysselsattning": "kung", "forskolor.1": "slottet", "syskon": "kanske", "omfattning": "1e9", "startdatum.day": "31", "startdatum.month": "2"} {
		p.values.Set(name, v)
	}
	p.values.Set("go", "next")
	if s := c.post(place, p.values); !s.says("Välj ett av alternativen") || s.find(".to-mend") == nil {
		t.Errorf("alternatives that there are not: %s", s)
	}
	long := strings.Repeat("å", 201)
	s = c.get(place).fill(preschool("").and(said{"sysselsattning": "annat"})).press("next")
	s = s.questions().set("annat_vad", long).press("next")
	if !s.says("högst 200 tecken") || s.questions().value("annat_vad") != long {
		t.Errorf("a text that is too long: %s", s)
	}
	if s := c.get(at + "/granska"); strings.HasSuffix(s.url.Path, "/granska") {
		t.Error("what is wrong can be reviewed")
	}
	if s := c.post(at+"/skicka", url.Values{"revision": {s.questions().value("revision")}, "notice": {strings.Repeat("0", 64)}}); !strings.HasSuffix(s.url.Path, "/s/platsen") {
		t.Errorf("what is wrong can be sent: %s", s)
	}
	// From another site.
	form := url.Values{"go": {"save"}, "revision": {"1"}}
	req, err := http.NewRequestWithContext(t.Context(), "POST", c.home+place, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", "http://evil.example.com")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	foreign, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	foreign.Body.Close()
	if foreign.StatusCode != 403 {
		t.Errorf("from another site: %d", foreign.StatusCode)
	}
	// Addresses that are none.
	for _, path := range []string{"/utkast/x", "/utkast/" + strings.Repeat("A", 500), "/arende/..%2f..", "/utkast/%00/s/barnet", "/arende/%2e%2e/fil/x", "//arende/x"} {
		if res, _ := c.once("GET", c.home+path, nil); res.StatusCode != 404 && res.StatusCode != 400 && res.StatusCode != 303 && res.StatusCode != 307 {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}

// What is too much, or is not what it says.
func TestEnclosed(t *testing.T) {
	r, _ := hall(t, Config{})
	c := someone(t, r, "ett", "exempelby")
	s := c.place("Testbarn Ett").questions().set("sysselsattning", "studerar").press("next")
	at := s.url.Path
	fresh := func() screen { return c.get(r.Portal + at) }
	pdf := []byte("%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n")
	for what, x := range map[string]struct {
		name    string
		content []byte
		say     string
	}{
		"a program called pdf":   {"intyg.pdf", append([]byte("MZ\x90\x00"), make([]byte, 4000)...), "av ett slag som vi inte kan ta emot"},
		"a page called png":      {"bild.png", []byte("<html><script>alert(1)</script>"), "av ett slag som vi inte kan ta emot"},
		"a picture of nothing":   {"bild.png", append([]byte("\x89PNG\r\n\x1a\n"), 1, 2, 3), "av ett slag som vi inte kan ta emot"},
		"an empty file":          {"intyg.pdf", nil, "är tom"},
		"11 MB":                  {"intyg.pdf", append(bytes.Clone(pdf), make([]byte, 11<<20)...), "för stor"},
		"26 MB":                  {"intyg.pdf", append(bytes.Clone(pdf), make([]byte, 26<<20)...), "för stor"},
		"more than is read (31)": {"intyg.pdf", append(bytes.Clone(pdf), make([]byte, 31<<20)...), "för stor"},
	} {
		t.Run(what, func(t *testing.T) {
			c := c.with(t)
			page := c.get(r.Portal + at)
			got := page.questions().set("omfattning", "12").file("studieintyg", x.name, x.content).press("attach:studieintyg")
			if got.status != 422 || !got.says(x.say) {
				t.Errorf("%d %s", got.status, got)
			}
			if p := c.get(r.Portal + at).questions(); p.value("omfattning") != "12" && !strings.Contains(what, "31") {
				t.Errorf("what was typed beside it is lost")
			}
			c.get(r.Portal+at).questions().set("omfattning", "1").press("save")
		})
	}
	for i := range 3 {
		if s := fresh().questions().file("studieintyg", fmt.Sprintf("../../etc/bild %d.png", i), picture(t)).press("attach:studieintyg"); s.status != 200 || !s.says("bild "+fmt.Sprint(i)+".png") || s.says("etc/") {
			t.Fatalf("file %d: %d %s", i, s.status, s)
		}
	}
	if s := fresh().questions().file("studieintyg", "fyra.png", picture(t)).press("attach:studieintyg"); s.status != 422 || !s.says("högst 3 filer") {
		t.Errorf("a fourth: %d %s", s.status, s)
	}
	// Seven at once, with the button that goes on.
	if s := fresh(); len(s.all(".files li")) != 3 {
		t.Errorf("%d files", len(s.all(".files li")))
	}
	p := fresh().questions()
	for i := range 7 {
		p.file("studieintyg", fmt.Sprint(i, ".png"), picture(t))
	}
	if s := p.press("next"); s.status != 422 || !s.says("högst 3 filer") || len(s.all(".files li")) != 3 {
		t.Errorf("seven at once: %d %s", s.status, s)
	}
	// A file is handed out as what it is, to be kept and not to be run.
	res, _ := c.once("GET", fresh().link("bild 0.png"), nil)
	if res.Header.Get("Content-Type") != "image/png" || res.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(res.Header.Get("Content-Disposition"), "attachment") || !strings.Contains(res.Header.Get("Cache-Control"), "no-store") {
		t.Errorf("a file comes with %v", res.Header)
	}
	// Words without end.
	for path, want := range map[string]int{at: 413, "/exempelby/profil": 413, "/exempelby/e/felanmalan/starta": 413} {
		res, _ := c.once("POST", r.Portal+path, url.Values{"go": {"next"}, "revision": {"1"}, "email": {strings.Repeat("x", 2<<20)}})
		if res.StatusCode != want && res.StatusCode != 400 {
			t.Errorf("2 MB of words to %s: %d", path, res.StatusCode)
		}
	}
}

// The session ends while somebody types: nothing is lost, and nobody else gets it.
func TestTypedWhileLoggedOut(t *testing.T) {
	r, k := hall(t, Config{})
	idle := func() { k.forward(21 * time.Minute) }
	t.Run("idle", func(t *testing.T) {
		c := someone(t, r, "ett", "exempelby")
		s := c.place("Testbarn Ett")
		p := s.fill(preschool("").and(said{"sysselsattning": "annat"})).set("omfattning", "17")
		idle()
		out := p.press("next")
		if !out.asksLogin() || !out.says("Det du just skrev är inte borta") || out.says("17") {
			t.Fatalf("after the end of the session: %d %s", out.status, out)
		}
		back := out.login()
		if back.status != 200 || !strings.Contains(back.url.Path, s.draft()+"/s/platsen") || back.questions().value("omfattning") != "17" || back.questions().value("sysselsattning") != "annat" {
			t.Errorf("after the login: %s", back)
		}
		if again := c.get("/utkast/" + s.draft() + "/s/platsen"); again.questions().value("omfattning") != "17" {
			t.Error("what was typed is shown, and not saved")
		}
	})
	// Of somebody who cannot be known again nothing is kept, and that is said: else
	// anybody could fill the disk.
	t.Run("no cookie", func(t *testing.T) {
		c := someone(t, r, "ett", "exempelby")
		s := c.place("Testbarn Ett")
		p := s.fill(preschool("").and(said{"sysselsattning": "annat"})).set("omfattning", "16")
		c.forget("sigill_portal_exempelby")
		out := p.press("next")
		if !out.asksLogin() || !out.says("vi kunde inte behålla det du just skrev") {
			t.Fatalf("%d %s", out.status, out)
		}
		if back := out.login(); back.status != 200 || !strings.Contains(back.url.Path, s.draft()) || back.questions().value("omfattning") == "16" {
			t.Errorf("after the login: %s", back)
		}
	})
	t.Run("a file", func(t *testing.T) {
		c := someone(t, r, "ett", "exempelby")
		s := c.place("Testbarn Två").questions().set("sysselsattning", "studerar").press("next")
		idle()
		out := s.questions().set("omfattning", "18").file("studieintyg", "a.png", picture(t)).press("attach:studieintyg")
		if !out.asksLogin() || !out.says("En fil som du hade valt följer inte med") {
			t.Fatalf("%d %s", out.status, out)
		}
		if back := out.login(); back.questions().value("omfattning") != "18" || !back.says("Filen du hade valt följde inte med") {
			t.Errorf("after the login: %s", back)
		}
	})
	t.Run("another person", func(t *testing.T) {
		c := someone(t, r, "ett", "exempelby")
		s := c.place("Testbarn Tre")
		s = c.get("/utkast/" + s.draft() + "/s/platsen")
		p := s.fill(preschool("").and(said{"sysselsattning": "annat"}))
		s = p.press("next")
		p = s.questions().set("annat_vad", planted)
		idle()
		out := p.press("next")
		if !out.asksLogin() {
			t.Fatalf("%s", out)
		}
		stranger := *c
		for _, p := range r.Simulators.People() {
			if p.ID == "tre" {
				stranger.p = p
			}
		}
		out.c = &stranger
		got := out.login()
		if strings.Contains(got.body, planted) || got.status == 200 && strings.Contains(got.url.Path, s.draft()) {
			t.Errorf("another person gets it: %d %s", got.status, got)
		}
		if all := stranger.get("/mina-sidor"); strings.Contains(all.body, planted) || !all.says("Inte skickade (0)") {
			t.Errorf("it became another's: %s", all)
		}
	})
	t.Run("another browser", func(t *testing.T) {
		c := someone(t, r, "ett", "exempelby")
		s := c.place("Testbarn Ett")
		s = s.fill(preschool("").and(said{"sysselsattning": "annat"})).press("next")
		idle()
		out := s.questions().set("annat_vad", "bara här").press("next")
		held := out.form(`main form[action$="/logga-in"]`).values
		thief := someone(t, r, "ett", "exempelby")
		got := thief.post("/logga-in", held).proves()
		if got.says("bara här") || strings.Contains(thief.get("/utkast/"+s.draft()+"/s/platsen").body, "bara här") {
			t.Errorf("another browser takes it: %s", got)
		}
		if back := out.login(); back.questions().value("annat_vad") != "bara här" {
			t.Errorf("its own browser does not: %s", back)
		}
	})
	t.Run("a message and the review", func(t *testing.T) {
		c := someone(t, r, "tre", "exempelby")
		review := c.begins("forskoleplats").fills(preschool("Testbarn Fyra"))
		idle()
		out := review.sends()
		if !out.asksLogin() {
			t.Fatalf("sent without a login: %s", out)
		}
		again := out.login().inside("/granska")
		done := again.sends().signs().back()
		done = c.reload("the arrival", done.url.String(), func(s screen) bool { return strings.HasSuffix(s.url.Path, "/inskickat") })
		page := c.get("/arende/"+done.caseID()).form(`form[action$="/meddelande"]`).set("text", "Ett långt meddelande")
		idle()
		out = page.press("")
		if !out.asksLogin() {
			t.Fatalf("written without a login: %s", out)
		}
		back := out.login() // it stands there again, and is sent when its writer says so
		if n := strings.Count(c.get("/arende/"+done.caseID()).main(), "Ett långt meddelande"); n != 0 {
			t.Error("the message was sent by a login")
		}
		if back = back.form(`form[action$="/meddelande"]`).press(""); !back.says("Ett långt meddelande") {
			t.Errorf("the message is lost: %s", back)
		}
		if n := strings.Count(c.get("/arende/"+done.caseID()).main(), "Ett långt meddelande"); n != 1 {
			t.Errorf("the message stands there %d times", n)
		}
	})
}

// forget loses a cookie.
func (c *citizen) forget(name string) {
	c.t.Helper()
	u, err := url.Parse(c.home + "/")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, cookie := range c.http.Jar.Cookies(u) {
		if cookie.Name == name {
			c.http.Jar.SetCookies(u, []*http.Cookie{{Name: name, Path: "/", MaxAge: -1}, {Name: name, Path: u.Path, MaxAge: -1}, {Name: name, Path: strings.TrimSuffix(u.Path, "/"), MaxAge: -1}})
			for _, left := range c.http.Jar.Cookies(u) {
				if left.Name == name {
					c.t.Fatalf("the cookie %s stays", name)
				}
			}
			return
		}
	}
	c.t.Fatalf("there is no cookie %s", name)
}

// The register is down, slow, or says that somebody is protected.
func TestRegisterFaults(t *testing.T) {
	data := t.TempDir()
	r, k := hall(t, Config{Data: data, Simulator: func(c *testidp.Config) { c.RegisterSlow = 4 * time.Second }})
	faults := r.Simulators
	down := []string{"http503", "drop", "garbage", "slow", "wrongPerson"}
	marked := []string{"secrecy", "unknownMarker", "noMarker"}
	t.Cleanup(faults.ClearFaults)

	for _, fault := range down {
		t.Run("login "+fault, func(t *testing.T) {
			faults.Fault("register", fault)
			c := someone(t, r, "ett", "exempelby")
			s := c.begins("forskoleplats")
			if !s.says("Vi når inte folkbokföringen") || !s.says("Testperson Ett") || s.says("Testvägen") || s.says("Testbarn") || s.says("Testperson Tre") {
				t.Errorf("%s", s)
			}
			if s = s.questions().press("next"); s.status != 200 || s.step() != "barnet" {
				t.Errorf("gone on without a child: %d %s", s.status, s)
			}
			faults.ClearFaults()
			if s := c.get("/utkast/" + s.draft()); !s.says("Testbarn Ett") {
				t.Errorf("when it is up again: %s", s)
			}
		})
	}
	for _, fault := range marked {
		t.Run("login "+fault, func(t *testing.T) {
			faults.Fault("register", fault)
			defer faults.ClearFaults()
			s := someone(t, r, "ett", "exempelby").comesIn("/mina-sidor")
			if s.status != 403 || !s.says("0999-10 00 00") || s.says("Testvägen") || s.find(`main a[href^="mailto:"]`) != nil {
				t.Errorf("%d %s", s.status, s)
			}
		})
	}
	for _, fault := range append(marked, down...) {
		isMarked := fault == marked[0] || fault == marked[1] || fault == marked[2]
		t.Run("on the way "+fault, func(t *testing.T) {
			c := someone(t, r, "ett", "exempelby")
			review := c.begins("forskoleplats").fills(preschool("Testbarn Ett"))
			before := len(faults.Messages(""))
			faults.Fault("register", fault)
			defer faults.ClearFaults()
			step := c.get("/utkast/" + review.draft() + "/s/barnet")
			if isMarked && (step.status != 403 || strings.Contains(step.body, "Testvägen") || strings.Contains(step.body, "Testbarn")) {
				t.Errorf("the step: %d %s", step.status, step)
			}
			if !isMarked && (step.status != 200 || !step.says("Vi når inte folkbokföringen")) {
				t.Errorf("the step: %d %s", step.status, step)
			}
			sent := review.sends()
			if strings.HasPrefix(sent.url.String(), r.Issuer+"/") || sent.status == 200 && sent.find("#sign") != nil {
				t.Fatalf("sent all the same: %s", sent)
			}
			if isMarked && (sent.status != 403 || !sent.says("Ingenting har skickats")) {
				t.Errorf("sending: %d %s", sent.status, sent)
			}
			if !isMarked && (sent.status >= 500 && sent.status != 503 || strings.Contains(sent.text(), "inskickat")) {
				t.Errorf("sending: %d %s", sent.status, sent)
			}
			faults.ClearFaults()
			if s := c.get("/utkast/" + review.draft()).inside("/granska"); !s.says(planted) {
				t.Errorf("the draft has suffered: %s", s)
			}
			if now := len(faults.Messages("")); now != before {
				t.Errorf("%d messages were sent", now-before)
			}
		})
	}
	t.Run("a child", func(t *testing.T) {
		c := someone(t, r, "ett", "exempelby")
		review := c.begins("forskoleplats").fills(preschool("Testbarn Ett"))
		faults.Fault("register", "childSecrecy")
		defer faults.ClearFaults()
		if s := someone(t, r, "ett", "exempelby").begins("forskoleplats"); s.says("Testbarn") || !s.says("Alla barn kan inte visas här") {
			t.Errorf("%s", s)
		}
		sent := review.sends()
		if strings.HasPrefix(sent.url.String(), r.Issuer+"/") {
			t.Errorf("sent all the same: %s", sent)
		}
	})
	t.Run("notices", func(t *testing.T) {
		x := &tale{Running: r, data: data}
		sends := func(mail, fault string) {
			t.Helper()
			c := someone(t, r, "tre", "exempelby")
			before := x.audited(t, "case.arrived", "")
			room := c.begins("forskoleplats").fills(preschool("Testbarn Fyra").and(said{"mina.email": mail})).sends()
			faults.Fault("register", fault)
			room.signs()
			until(t, "the arrival", func() bool { return x.audited(t, "case.arrived", "") > before })
		}
		for i, fault := range marked {
			mail := fmt.Sprintf("notis-%d@example.se", i)
			before := x.audited(t, "notice.withheld", "")
			sends(mail, fault)
			until(t, "the note that nothing is sent", func() bool { return x.audited(t, "notice.withheld", "") > before })
			faults.ClearFaults()
			k.forward(time.Hour)
			time.Sleep(500 * time.Millisecond) // several looks at what is due
			silent(t, r, mail)
		}
		// While it is not known, it waits.
		sends("vantar@example.se", "http503")
		time.Sleep(500 * time.Millisecond)
		silent(t, r, "vantar@example.se")
		faults.ClearFaults()
		until(t, "the message, when it is known", func() bool {
			k.forward(time.Minute)
			return len(faults.Messages("vantar@example.se")) > 0
		})
	})
}

// waits is an application that waits for the second guardian's signature.
func waits(t *testing.T, r Running) (ett, tva *citizen, wait screen, link string) {
	t.Helper()
	ett, tva = someone(t, r, "ett", "exempelby"), someone(t, r, "tva", "exempelby")
	wait = ett.begins("forskoleplats").fills(preschool("Testbarn Ett")).sends().signs().back().inside("/vantar")
	link, _ = told(t, r, tva.mail(), "email", "Exempelby kommun ber")
	return ett, tva, wait, link
}

// nothingArrived demands that officers see nothing, and that nobody was told.
func nothingArrived(t *testing.T, r Running) {
	t.Helper()
	if _, list := officer(t, r, "fyra", "exempelby"); !list.says("Inga ärenden här just nu") {
		t.Errorf("an officer sees %s", list)
	}
	for _, m := range r.Simulators.Messages("") {
		if strings.Contains(m.Subject, "har kommit in") || strings.Contains(m.Text, "har tagit emot") {
			t.Errorf("somebody was told that it has arrived: %s", m.Subject)
		}
	}
}

func TestSecondGuardianRefuses(t *testing.T) {
	r, _ := hall(t, Config{})
	ett, tva, wait, link := waits(t, r)
	review := tva.opens(link)
	refuse := review.find(`a[href$="/refuse"]`)
	if refuse == nil {
		t.Fatalf("no way to say no: %s", review)
	}
	no := tva.get(review.absolute(attr(refuse, "href"))).form(`form[action$="/refuse"]`).set("reason", "Vi har inte bestämt oss").press("")
	if !no.says("nej") {
		t.Errorf("the one who refused is not told: %s", no)
	}
	_, text := told(t, r, ett.mail(), "email", "tackat nej")
	if !strings.Contains(text, "inget har kommit in") && !strings.Contains(text, "Inget har skickats in") && !strings.Contains(text, "inte") {
		t.Errorf("the mail does not say that nothing was sent: %s", masked(text))
	}
	if strings.Contains(text, "bestämt oss") || strings.Contains(text, "Testperson") {
		t.Errorf("the mail says who and why: %s", masked(text))
	}
	list := ett.reload("the return", "/mina-sidor", func(s screen) bool { return s.says("Har kommit tillbaka") })
	for _, want := range []string{"Testperson Två tackade nej", "Ingenting har skickats in", "Vi har inte bestämt oss", "gäller inte längre"} {
		if !list.says(want) {
			t.Errorf("Mina sidor does not say %q: %s", want, list)
		}
	}
	back := ett.get(wait.url.String())
	if !strings.Contains(back.url.Path, "/utkast/") || !back.says("Vi har inte bestämt oss") {
		t.Errorf("the draft does not say why: %s", back)
	}
	nothingArrived(t, r)
	// The link is dead, and the way is open again.
	if s := tva.get(link); s.find("#sign") != nil {
		t.Errorf("what was refused can be signed: %s", s)
	}
	r.Simulators.ClearMessages()
	room := ett.get("/utkast/" + wait.draft()).fills(preschool("Testbarn Ett")).sends()
	if room.find("#sign") == nil {
		t.Fatalf("it cannot be sent again: %s", room)
	}
	again := room.signs().back().inside("/vantar")
	link, _ = told(t, r, tva.mail(), "email", "Exempelby kommun ber")
	tva.opens(link).signs()
	ett.reload("the arrival", again.url.String(), func(s screen) bool { return strings.HasSuffix(s.url.Path, "/inskickat") })
}

// A change after the first signature makes it void, and says so.
func TestWithdrawn(t *testing.T) {
	r, _ := hall(t, Config{})
	ett, tva, wait, link := waits(t, r)
	review := tva.opens(link)
	ask := wait.follow("Ändra ansökan")
	if !ask.says("Alla underskrifter blir ogiltiga") {
		t.Errorf("it does not say what happens: %s", ask)
	}
	back := ask.form(`form[action$="/vantar"]`).press("")
	if !strings.Contains(back.url.Path, "/utkast/"+wait.draft()) || !back.says("gäller inte längre") && !back.says("ta tillbaka") && !back.says("tog tillbaka") {
		t.Errorf("the draft does not say it: %s", back)
	}
	if s := tva.get(review.url.String()); s.find("#sign") != nil {
		t.Errorf("what was taken back can be signed: %s", s)
	}
	if res, _ := tva.once("POST", review.url.String(), review.form("#sign form").values); res.StatusCode == 200 || strings.Contains(res.Header.Get("Location"), "/e/") {
		t.Errorf("what was taken back is being signed: %d", res.StatusCode)
	}
	nothingArrived(t, r)
	r.Simulators.ClearMessages()
	s := ett.get("/utkast/"+wait.draft()+"/s/platsen").questions().set("omfattning", "22").press("next")
	room := s.fills(preschool("Testbarn Ett").and(said{"omfattning": "22"})).sends()
	again := room.signs().back().inside("/vantar")
	link, _ = told(t, r, tva.mail(), "email", "Exempelby kommun ber")
	if s := tva.opens(link); !s.says("22 timmar") {
		t.Errorf("the second guardian reads something else: %s", s)
	}
	tva.get(link).signs()
	ett.reload("the arrival", again.url.String(), func(s screen) bool { return strings.HasSuffix(s.url.Path, "/inskickat") })
}

// The deadline passes.
func TestDeadline(t *testing.T) {
	r, k := hall(t, Config{})
	ett, tva, wait, link := waits(t, r)
	k.forward(30*24*time.Hour + 20*time.Minute)
	told(t, r, ett.mail(), "email", "tiden")
	list := ett.comesIn("/mina-sidor")
	if !list.says("Har kommit tillbaka") || !list.says("Alla skrev inte under i tid") || !list.says("Ingenting har skickats in") {
		t.Errorf("%s", list)
	}
	if s := ett.get("/utkast/" + wait.draft()); s.status != 200 || strings.HasSuffix(s.url.Path, "/vantar") {
		t.Errorf("the draft: %s", s)
	}
	if s := tva.opens(link); s.find("#sign") != nil {
		t.Errorf("it can be signed: %s", s)
	}
	nothingArrived(t, r)
}

// A party that cannot be reached, and its address mended.
func TestUndelivered(t *testing.T) {
	r, _ := hall(t, Config{})
	r.Simulators.Fault("mail", "reject")
	ett := someone(t, r, "ett", "exempelby")
	wait := ett.begins("forskoleplats").fills(preschool("Testbarn Ett").and(said{"vh2_kontakt.email": "fel@example.se", "vh2_kontakt.phone": ""})).sends().signs().back().inside("/vantar")
	page := ett.reload("the failure", wait.url.String(), func(s screen) bool { return s.says("E-post kom inte fram") })
	r.Simulators.ClearFaults()
	if s := page.form(`form[action$="/vantar"]:has(input[name="n"])`).set("email", "inte en adress").press(""); s.status != 422 || !s.says("Skriv en e-postadress") {
		t.Errorf("a bad address: %d %s", s.status, s)
	}
	ok := page.form(`form[action$="/vantar"]:has(input[name="n"])`).set("email", "ratt@example.se").press("")
	if !ok.says("Kontaktuppgifterna är ändrade") {
		t.Errorf("%s", ok)
	}
	link, _ := told(t, r, "ratt@example.se", "email", "Exempelby kommun ber")
	tva := someone(t, r, "tva", "exempelby")
	place := tva.opens(link)
	// Nobody gets the confirmation: the case says so to whoever handles it (P-81).
	r.Simulators.Fault("mail", "reject")
	place.signs()
	sent := ett.reload("the arrival", wait.url.String(), func(s screen) bool { return strings.HasSuffix(s.url.Path, "/inskickat") })
	o, _ := officer(t, r, "ett", "exempelby")
	at := "/handlaggare/arende/" + strings.Split(sent.url.Path, "/")[3]
	o.reload("what was not delivered", o.get(at).url.String(), func(s screen) bool { return s.says("Ett besked med e-post gick inte att leverera") })
	r.Simulators.ClearFaults()
}

// The second party is the first, or the third, or cannot be reached.
func TestParties(t *testing.T) {
	h := newHouse(t)
	c := someone(t, h.Running, "fjorton", "provby")
	fields := func(two, three string) said {
		return said{
			"fraga": "Svar", "nummer2": two, "namn2": "Testperson Femton", "kontakt2.email": "femton@example.se",
			"nummer3": three, "namn3": "Testperson Sexton", "kontakt3.email": "sexton@example.se",
		}
	}
	numbers := map[string]string{}
	for _, p := range h.Simulators.People() {
		numbers[p.ID] = p.Number
	}
	for what, x := range map[string]struct {
		say  said
		want string
	}{
		"oneself":                            {fields(numbers["fjorton"], numbers["sexton"]), "står du själv"},
		"oneself, in another way of writing": {fields(numbers["fjorton"][:8]+"-"+numbers["fjorton"][8:], numbers["sexton"]), "står du själv"},
		"twice":                              {fields(numbers["femton"], numbers["femton"]), "två gånger"},
		"no number":                          {fields(spoilt(numbers["femton"]), numbers["sexton"]), "Kontrollera personnumret"},
		"unreached":                          {fields(numbers["femton"], numbers["sexton"]).and(said{"kontakt2.email": ""}), "Fyll i en e-postadress eller ett mobilnummer"},
		"misspelt":                           {fields(numbers["femton"], numbers["sexton"]).and(said{"kontakt2.email": "femton@"}), "Kontrollera e-postadressen"},
	} {
		t.Run(what, func(t *testing.T) {
			c := c.with(t)
			s := c.begins("trepart")
			at := "/utkast/" + s.draft()
			for range 5 {
				if s = s.fill(x.say).press("next"); s.says(x.want) || s.step() == "" {
					break
				}
			}
			if !s.says(x.want) {
				t.Errorf("%s", s)
			}
			if s.find(`form[action$="/skicka"]`) != nil {
				t.Errorf("it can be sent: %s", s)
			}
			// By hand.
			revision := c.get(at + "/s/forst").questions().value("revision")
			sent := c.post(at+"/skicka", url.Values{"revision": {revision}, "notice": {strings.Repeat("0", 64)}})
			if strings.HasPrefix(sent.url.String(), h.Issuer+"/") {
				t.Errorf("it was sent: %s", sent)
			}
		})
	}
	if n := len(h.Simulators.Messages("")); n != 0 {
		t.Errorf("%d messages", n)
	}
}

// spoilt is a number whose last digit is not the right one.
func spoilt(number string) string {
	last := number[len(number)-1]
	return number[:len(number)-1] + string('0'+(last-'0'+1)%10)
}

// Two windows save one draft: the later is refused, and both versions are kept.
func TestTwoWindows(t *testing.T) {
	r, _ := hall(t, Config{})
	for keep, want := range map[string]string{"sparad": "11", "andra": "22"} {
		t.Run(keep, func(t *testing.T) {
			c := someone(t, r, "ett", "exempelby")
			s := c.place("Testbarn Ett")
			at := "/utkast/" + s.draft()
			one, two := c.get(at+"/s/platsen"), c.get(at+"/s/platsen")
			one.fill(preschool("")).set("omfattning", "11").press("save")
			clash := two.fill(preschool("")).set("omfattning", "22").press("save")
			if !strings.HasSuffix(clash.url.Path, "/krock") || !clash.says("11 timmar") || !clash.says("22 timmar") {
				t.Fatalf("both versions are not shown: %s", clash)
			}
			if s := c.get(at + "/s/platsen"); s.questions().value("omfattning") != "11" {
				t.Errorf("the later save took the earlier one's place: %s", s)
			}
			if s := c.get(at); !strings.HasSuffix(s.url.Path, "/krock") {
				t.Errorf("the choice is forgotten: %s", s)
			}
			other := someone(t, r, "tre", "exempelby")
			other.comesIn("/mina-sidor")
			if s := other.get(at + "/krock"); !s.gone() {
				t.Errorf("another sees both: %s", s)
			}
			c.get(at + "/krock").form(`form[action$="/krock"]`).press(keep)
			if s := c.get(at + "/s/platsen"); s.questions().value("omfattning") != want {
				t.Errorf("after choosing %s: %s", keep, s)
			}
			if s := c.get(at); strings.HasSuffix(s.url.Path, "/krock") {
				t.Errorf("it asks again: %s", s)
			}
		})
	}
}

// The button is pressed many times at once: it is sent once.
func TestPressedAtOnce(t *testing.T) {
	data := t.TempDir()
	r, _ := hall(t, Config{Data: data})
	x := &tale{Running: r, data: data}
	press := func(c *citizen, review screen) []string {
		form := review.form(`form[action$="/skicka"]`)
		var mu sync.Mutex
		var to []string
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				res, _ := c.once("POST", review.absolute(attr(form.node, "action")), form.values)
				mu.Lock()
				defer mu.Unlock()
				to = append(to, fmt.Sprint(res.StatusCode, " ", res.Header.Get("Location")))
			})
		}
		all.Wait()
		slices.Sort(to)
		return slices.Compact(to)
	}
	c := someone(t, r, "", "exempelby")
	to := press(c, c.begins("felanmalan").fills(fault()))
	if x.audited(t, "case.arrived", "") != 1 {
		t.Errorf("a report arrived %d times: %v", x.audited(t, "case.arrived", ""), to)
	}
	for _, one := range to {
		if !strings.HasPrefix(one, "303 ") {
			t.Errorf("somebody who presses twice reads %s", one)
		}
	}
	told(t, r, "anonym@example.se", "email", "Ditt ärende")

	ett := someone(t, r, "tre", "exempelby")
	review := ett.begins("forskoleplats").fills(preschool("Testbarn Fyra"))
	to = press(ett, review)
	var rooms []string
	for _, one := range to {
		if at, ok := strings.CutPrefix(one, "303 "); ok && strings.HasPrefix(at, r.Issuer+"/signing/") {
			rooms = append(rooms, at)
		} else if !ok {
			t.Errorf("somebody who presses twice reads %s", one)
		}
	}
	if len(rooms) != 1 {
		t.Fatalf("it was handed over as %v", to)
	}
	done := ett.get(rooms[0]).signs().back()
	ett.reload("the arrival", done.url.String(), func(s screen) bool { return strings.HasSuffix(s.url.Path, "/inskickat") })
	if n := x.audited(t, "case.arrived", ""); n != 2 {
		t.Errorf("%d arrivals", n)
	}
	// Going back and pressing once more sends nothing.
	again := review.form(`form[action$="/skicka"]`).press("")
	if n := x.audited(t, "case.arrived", ""); n != 2 || again.find("#sign") != nil {
		t.Errorf("%d arrivals after going back: %s", n, again)
	}
}

// Folders of somebody else's: other ids, faults among the services, and changes
// while it runs.
func TestOwnFolders(t *testing.T) {
	h := newHouse(t)
	x := &tale{own: h}
	x.unpublished(t, "utan-namnd", "utan-syfte", "utan-uppgifter", "utan-tid", "okand-nyckel", "framat", "omojlig", "forskoleplats")
	c := someone(t, h.Running, "elva", "provby")
	done := c.begins("vanlig").fills(said{"fraga": "Svar", "mina.email": "elva@example.se"}).sends().signs().back()
	c.reload("the arrival", done.url.String(), func(s screen) bool { return strings.HasSuffix(s.url.Path, "/inskickat") })
	if s := c.get(h.Portal + "/exempelby/"); s.says("Exempelby") && s.says("Förskol") {
		t.Errorf("the examples are there too: %s", s)
	}
	// A faulty service is mended, and comes; a good one becomes faulty, and stays.
	h.service(t, "utan-syfte")
	h.service(t, "vanlig", "version: 1", "version: 2", "need: optional, max_files", "need: kanske, max_files")
	c.reload("the mended one", "/", func(s screen) bool { return s.says("Titeln utan-syfte") })
	if s := c.get("/e/vanlig"); s.status != 200 {
		t.Errorf("a faulty new version took the good one away: %s", s)
	}
	// The same version with another text is refused.
	h.service(t, "utan-underskrift", oneSigner, "", "Titeln", "Den ändrade titeln")
	h.service(t, "ny")
	c.reload("the new one", "/", func(s screen) bool { return s.says("Titeln ny") })
	if s := c.get("/"); s.says("Den ändrade titeln") || !s.says("Titeln utan-underskrift") {
		t.Errorf("a version was changed: %s", s)
	}
	// A tenant with faults leaves what was there.
	put(t, filepath.Join(h.tenants, "provby", "tenant.yaml"), "name: {sv: Annat}\nhej: 1\n")
	put(t, filepath.Join(h.tenants, "annanby", "tenant.yaml"), strings.NewReplacer("BASE", h.Portal+"/annanby", "Provby", "Annanby").Replace(provby))
	time.Sleep(4 * time.Second) // the folders are looked at every third
	if s := c.get("/"); s.status != 200 || !s.says("Provby kommun") {
		t.Errorf("a faulty tenant took itself away: %d %s", s.status, s)
	}
	// At start it stops the program, and says where.
	bad := t.TempDir()
	put(t, filepath.Join(bad, "x", "tenant.yaml"), "name: X\nbase_url: ftp://x\nhej: 1\n")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := Run(ctx, Config{Data: t.TempDir(), FreePorts: true, Tenants: bad}); err == nil || !strings.Contains(err.Error(), "hej") {
		t.Errorf("a faulty tenant at start: %v", err)
	}
}
