package judges

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// testSigning lets several people sign the same thing, in one browser that has
// many windows.
func testSigning(t *testing.T, d *demo) {
	b, s := newChromium(t), newSigner(t, d)
	for _, c := range []struct {
		name string
		test func(*testing.T, *demo, *chromium, *signer)
	}{
		{"Together", testTogether},
		{"Signed", testSigned},
		{"WithoutScript", testSignedWithoutScript},
		{"Keyboard", testSignedByKeyboard},
		{"InTurn", testInTurn},
		{"Declined", testDeclined},
		{"WrongPerson", testWrongPerson},
		{"Links", testLinks},
		{"Late", testLate},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, d, b, s)
		})
	}
}

// testSigned is the third journey: two persons sign the same thing, one at a
// computer by an address that the application gave, one on a phone by a link in a
// message. Every page is judged, in both languages.
func testSigned(t *testing.T, d *demo, b *chromium, s *signer) {
	for lang, by := range map[string]string{"sv": "email", "en": "sms"} {
		t.Run(lang+"-by-"+by, func(t *testing.T) {
			t.Parallel()
			one, two := d.nobodyYet(t), d.nobodyYet(t)
			title := map[string]string{"sv": "Ansökan om förskoleplats", "en": "Application for preschool"}[lang]
			o := s.order(lang, title, wish{"returnUrl": app + "/"}, one.by("none"), two.by("both"))

			x := b.somebody(t, lang)
			x.visit(o.Signatories[0].SignURL)
			x.judge("sign-land")
			if text := value[string](x, "document.body.innerText"); strings.Contains(text, title) || strings.Contains(text, two.Name) {
				t.Error("the page before login tells what there is to sign")
			}
			x.click(toLogin)
			x.at(issuer + "/login/")
			x.judge("sign-choose")
			x.click(withQR)
			x.provenBy(d, one)
			x.has("#sign")
			x.judge("sign-review")
			x.holds(title, "Exempelby kommun", "EX 2026-17", "Läs igenom allt.", "Testbarn Ett", "Avgiften betalas varje månad.", "Karta", two.Name)
			x.click(withQR)
			x.has(cancel)
			x.judge("sign-wait-qr")

			p := b.takePhone(t, lang, one.short())
			p.scan(func() string { return x.waiting(issuer).QR })
			p.has(approve)
			p.judge("sign-phone-order")
			p.holds(title, "Exempelby kommun", "Ansökan", "Villkor", "Karta")
			p.click(approve)
			x.stands("word that others have not signed")
			x.judge("sign-waiting")
			x.holds(two.Name)

			y := b.somebody(t, lang).onPhone()
			m := d.phone.await(t, two, by, "Exempelby kommun")
			y.visit(phone + "/inbox/" + m.ID)
			y.speak()
			y.judge("mobile-inbox-" + by)
			y.opens(m)
			y.judge("mobile-sign-land")
			y.click(toLogin)
			y.at(issuer + "/login/")
			y.judge("mobile-sign-choose")
			y.byApp(two.short())
			y.click(approve)
			y.has("#sign")
			y.judge("mobile-sign-review")
			y.byApp(two.short())
			y.has(approve)
			y.speak()
			y.judge("mobile-sign-app")
			y.click(approve)
			y.has(toReceipt)
			y.judge("mobile-sign-completed")

			x.visit(o.Signatories[0].SignURL)
			x.has(toReceipt)
			x.judge("sign-completed")
			s.becomes(o.ID, "completed")
			s.told(o.ID, "signatory.signed 1", "signatory.signed 2", "order.sealing", "order.completed")
			file := x.fetches()
			if !bytes.Equal(file, y.fetches()) || !bytes.Equal(file, s.receipt(o.ID)) {
				t.Error("they did not all get the same file")
			}
			d.accepted(t, file, title, one, two)

			// A stranger is told the same, and of a changed file something else.
			v := b.somebody(t, lang)
			v.visit(issuer + "/verify")
			v.speak()
			v.judge("verify")
			v.uploads("kvittens.pdf", file)
			v.until("a report", "document.querySelectorAll('section.doc').length === 2 && !document.querySelector('.sign.warn, .sign.bad')")
			v.judge("verify-valid")
			v.holds(title, one.Name, two.Name)
			if text := value[string](v, "document.body.innerText"); strings.Contains(text, one.Number[8:]) {
				t.Error("a number stands open")
			}
			if lang == "sv" {
				v.visit(issuer + "/verify")
				v.uploads("kvittens.pdf", bytes.Replace(file, []byte("Subtype"), []byte("Subtupe"), 1))
				v.has(".sign.bad, .sign.warn")
				v.judge("verify-changed")
			}

			// The message about the receipt leads there too, after login.
			done := d.phone.await(t, two, by, map[string]string{"sv": "skrivit under", "en": "has signed"}[lang])
			z := b.somebody(t, lang)
			z.visit(done.link(t))
			z.logsIn(d, two)
			z.has(toReceipt)

			x.click(leave)
			x.until("word that nobody is logged in", "!document.querySelector("+quote(leave)+")")
			x.judge("sign-out")
			x.visit(o.Signatories[0].SignURL)
			x.has(toLogin)
		})
	}
}

// testSignedWithoutScript is the same story for a person whose browser runs no
// script, and whose message holds a code and no link.
func testSignedWithoutScript(t *testing.T, d *demo, b *chromium, s *signer) {
	one, two := d.nobodyYet(t), d.nobodyYet(t)
	const title, askCode = "Ansökan utan script", "skriv koden"
	o := s.order("sv", title, nil, one.by("code"), two.by("none"))
	for _, channel := range []string{"email", "sms"} {
		m := d.phone.await(t, one, channel, askCode)
		if len(m.Links) > 0 || !strings.Contains(m.Text, "localhost:8080/signing/demo-signer") {
			t.Errorf("the %s with a code has links %q, or does not say where to go", channel, m.Links)
		}
	}
	x := b.somebody(t, "sv").withoutScript()
	x.visit(signingRoom)
	x.judgeInBoth("noscript-sign-land-list")
	x.click(toLogin)
	x.at(issuer + "/login/")
	x.click(withQR)
	x.provenBy(d, one)
	x.at(signingRoom)
	x.until("a list", "document.querySelector("+quote(leave)+")")
	x.judgeInBoth("noscript-sign-list")
	x.holds(title)
	x.visit(signingRoom + "kod")
	x.has(codeField)
	x.judgeInBoth("noscript-sign-code")
	x.fill(codeField, "BCDF 2345")
	x.key(kb.Enter)
	x.has(`[aria-invalid=true]`)
	x.judgeExpecting("noscript-sign-code-wrong", "422")
	m := d.phone.await(t, one, "sms", askCode)
	x.fill(codeField, m.code(t))
	x.key(kb.Enter)
	x.has("#sign")
	x.click(withQR)
	x.has("iframe")
	x.until("a QR code in the frame", "document.querySelector('iframe').contentDocument?.querySelector('svg')")
	x.judgeInBoth("noscript-sign-wait")
	x.provenBy(d, one)
	x.stands("word that others have not signed")

	y := b.somebody(t, "sv").withoutScript().onPhone()
	y.visit(o.Signatories[1].SignURL)
	y.click(toLogin)
	y.at(issuer + "/login/")
	y.byApp(two.short())
	y.click(approve)
	y.goOn()
	y.has("#sign")
	y.byApp(two.short())
	y.click(approve)
	y.goOn()
	y.has(toReceipt)
	d.accepted(t, y.fetches(), title, one, two)

	// A new code leads to the receipt.
	m = d.phone.await(t, one, "sms", "Klart")
	x.visit(signingRoom + "kod")
	x.fill(codeField, m.code(t))
	x.key(kb.Enter)
	x.has(toReceipt)
	s.told(o.ID, "signatory.signed 1", "signatory.signed 2", "order.sealing", "order.completed")
}

// testSignedByKeyboard reads and signs with Tab and Enter alone.
func testSignedByKeyboard(t *testing.T, d *demo, b *chromium, s *signer) {
	one := d.nobodyYet(t)
	o := s.order("sv", "Med tangentbordet", nil, one.by("none"))
	x := b.somebody(t, "sv")
	x.visit(o.Signatories[0].SignURL)
	x.tabTo(toLogin)
	x.key(kb.Enter)
	x.at(issuer + "/login/")
	x.tabTo(withQR)
	x.key(kb.Enter)
	x.provenBy(d, one)
	x.tabTo(`a[href*="/documents/"]`)
	x.tabTo("details.sum summary")
	x.key(kb.Enter)
	x.tabTo(toRefuse)
	x.key(kb.Enter)
	x.tabTo(reason)
	x.tabTo(`main .acts a`) // back to the page
	x.key(kb.Enter)
	x.tabTo(withQR)
	x.key(kb.Enter)
	x.tabTo(cancel)
	x.provenBy(d, one)
	x.tabTo(toReceipt)
	s.told(o.ID, "signatory.signed 1", "order.sealing", "order.completed")
}

// testInTurn: three persons sign one after the other, and nobody hears of it
// before it is their turn.
func testInTurn(t *testing.T, d *demo, b *chromium, s *signer) {
	people := []person{d.nobodyYet(t), d.nobodyYet(t), d.nobodyYet(t)}
	title := "En efter en"
	o := s.order("sv", title, wish{"order": "sequential"}, people[0].by("email"), people[1].by("sms"), people[2].by("both"))
	for i, p := range people {
		m := d.phone.await(t, p, []string{"email", "sms", "sms"}[i], "Exempelby kommun")
		for _, later := range people[i+1:] {
			if n := len(d.phone.messages(t, later.email())) + len(d.phone.messages(t, later.mobile())); n > 0 {
				t.Errorf("%s has %d messages when it is %s's turn", later.Name, n, p.Name)
			}
		}
		var states []string
		for _, each := range s.get(o.ID).Signatories {
			states = append(states, each.State)
		}
		if want := []string{"invited waiting waiting", "signed invited waiting", "signed signed invited"}[i]; strings.Join(states, " ") != want {
			t.Errorf("at %s's turn the states are %v", p.Name, states)
		}
		if i == 0 {
			// Whoever guesses the address sees nothing of it before.
			z := b.somebody(t, "sv")
			z.visit(signingRoom + "o/" + o.ID + "/3")
			z.logsIn(d, people[2])
			z.stands("word that it is not yet time")
			z.judgeInBoth("sign-not-yet")
			if text := value[string](z, "document.body.innerText"); strings.Contains(text, "Testbarn") {
				t.Error("it can be read out of turn")
			}
		}
		x := b.somebody(t, "sv")
		x.visit(m.link(t))
		x.logsIn(d, p)
		x.has("#sign")
		x.signs(d, p)
	}
	s.told(o.ID, "signatory.signed 1", "signatory.signed 2", "signatory.signed 3", "order.sealing", "order.completed")
	d.accepted(t, s.receipt(o.ID), title, people...)
}

// testDeclined: one says no and why; whoever had signed hears that it came to
// nothing.
func testDeclined(t *testing.T, d *demo, b *chromium, s *signer) {
	one, two := d.nobodyYet(t), d.nobodyYet(t)
	const title = "What came to nothing"
	o := s.order("en", title, nil, one.by("email"), two.by("none"))
	link := d.phone.await(t, one, "email", title).link(t)
	y := b.somebody(t, "en")
	y.visit(link)
	y.logsIn(d, one)
	y.signs(d, one)

	x := b.somebody(t, "en").onPhone()
	x.visit(o.Signatories[1].SignURL)
	x.logsIn(d, two)
	x.click(toRefuse)
	x.has(reason)
	x.judgeInBoth("mobile-sign-refuse")
	x.fill(reason, "Jag känner inte till det här. <b>")
	x.click(sayNo)
	x.stands("word of the refusal")
	x.judgeInBoth("mobile-sign-declined")

	if got := s.get(o.ID); got.State != "refused" || got.Signatories[1].State != "refused" || got.Signatories[1].Reason != "Jag känner inte till det här. <b>" {
		t.Errorf("the order is %+v", got)
	}
	s.told(o.ID, "signatory.signed 1", "order.refused 2")
	m := d.phone.await(t, one, "email", "has said no")
	if strings.Contains(m.Text, "känner inte till") || !strings.Contains(m.Text, title) {
		t.Errorf("the message says %s", m.Text)
	}
	y.visit(signingRoom + "o/" + o.ID + "/1")
	y.stands("word of the refusal")
	y.judgeInBoth("sign-refused")
	if text := value[string](y, "document.body.innerText"); strings.Contains(text, "känner inte till") {
		t.Error("the reason is shown to others than the client")
	}
	y.visit(link)
	y.has("h1")
	y.judgeExpecting("sign-nothing", "404")
	if status, _ := s.call("GET", "/"+o.ID+"/documents/1", nil, nil); status != http.StatusNotFound {
		t.Errorf("there is a receipt of what was refused: %d", status)
	}
}

// testWrongPerson: whoever opens an invitation that is another's learns nothing,
// not even that there is one, and uses nothing up.
func testWrongPerson(t *testing.T, d *demo, b *chromium, s *signer) {
	one, other := d.nobodyYet(t), d.nobodyYet(t)
	o := s.order("sv", "Bara för en", nil, one.by("both"))
	link := d.phone.await(t, one, "email", "Bara för en").link(t)
	token := link[strings.LastIndex(link, "/")+1:]
	falseToken, falseID := strings.Repeat("A", len(token)), strings.Repeat("B", len(o.ID))
	place, falsePlace := signingRoom+"o/"+o.ID, signingRoom+"o/"+falseID
	pairs := []string{link, signingRoom + "i/" + falseToken, place + "/1", falsePlace + "/1", place + "/2", falsePlace + "/2"}
	for _, below := range []string{"/refuse", "/state", "/receipt.pdf", "/documents/3"} {
		pairs = append(pairs, place+"/1"+below, falsePlace+"/1"+below)
	}

	x := b.somebody(t, "sv")
	x.visit(link)
	same := func(when string, w *walker) {
		t.Helper()
		for i := 0; i < len(pairs); i += 2 {
			status, page := w.page(t, pairs[i], token, o.ID)
			if falseStatus, falsePage := w.page(t, pairs[i+1], falseToken, falseID); status != falseStatus || page != falsePage {
				t.Errorf("%s, %s differs from a false one: %d, %d\n%s\n%s", when, pairs[i], status, falseStatus, page, falsePage)
			}
		}
	}
	same("before login", x.walker(issuer))
	x.logsIn(d, other)
	x.has(`input[name=as]`)
	x.expect("status of 404")
	x.judgeInBoth("sign-nothing-other")
	same("as another person", x.walker(issuer))

	// It is a shared computer: the right person takes the other's place.
	x.click(`form:has(input[name=as]) button`)
	x.at(issuer + "/login/")
	x.click(withQR)
	x.provenBy(d, one)
	x.has("#sign")
	x.signs(d, one)
	s.told(o.ID, "signatory.signed 1", "order.sealing", "order.completed")
}

// testLinks: scanners open links, and people open them again.
func testLinks(t *testing.T, d *demo, b *chromium, s *signer) {
	one, two := d.nobodyYet(t), d.nobodyYet(t)
	o := s.order("sv", "Länkar", nil, one.by("both"), two.by("email"))
	links := []string{d.phone.await(t, one, "email", "Länkar").link(t), d.phone.await(t, one, "sms", "Exempelby").link(t)}
	second := d.phone.await(t, two, "email", "Länkar").link(t)
	if links[0] == links[1] || slices.Contains(links, second) {
		t.Error("two messages have the same link")
	}
	scanner := newWalker(issuer)
	for i := range 40 {
		for _, link := range append(links, second) {
			method := []string{http.MethodGet, http.MethodHead}[i%2]
			if at, err := scanner.follow(method, link, nil); err != nil || at.status != http.StatusOK {
				t.Fatalf("a scanner gets %s %v", at, err)
			}
		}
	}
	if got := s.get(o.ID); got.State != "open" || got.Signatories[0].State != "invited" {
		t.Errorf("after a scanner the order is %+v", got)
	}
	x := b.somebody(t, "sv")
	x.visit(links[0])
	x.logsIn(d, one)
	x.has("#sign")
	x.visit(links[1]) // the other message's leads to the same
	x.has("#sign")
	x.signs(d, one)
	for _, link := range links {
		x.visit(link)
		x.has(`input[name=as]`)
	}
	x.expect("status of 404")
	x.visit(signingRoom + "o/" + o.ID + "/1")
	x.stands("word that it is signed")

	// Cancelled before the second has come.
	s.call("POST", "/"+o.ID+"/cancel", nil, nil)
	s.told(o.ID, "signatory.signed 1", "order.cancelled")
	y := b.somebody(t, "sv")
	y.visit(second)
	y.logsIn(d, two)
	y.has(`input[name=as]`)
	y.expect("status of 404")
	y.visit(signingRoom + "o/" + o.ID + "/2")
	y.stands("word that it is cancelled")
	y.judgeInBoth("sign-cancelled")
	d.phone.await(t, two, "email", "har avbrutit underskriften")
}

// beginLate asks for an order with the shortest time that the API takes, a minute,
// so that it is out when testLate looks.
func (d *demo) beginLate(t *testing.T) order {
	t.Helper()
	s := newSigner(t, d)
	return s.order("sv", "För sent", wish{"deadline": time.Now().Add(62 * time.Second)}, d.nobodyYet(t).by("none"))
}

// testLate: when the time is out there is nothing to sign any more. That the order
// expires a while later, and who is told, is tested with a clock of its own in
// cmd/demo.
func testLate(t *testing.T, d *demo, b *chromium, s *signer) {
	one := d.phone.person(t, 2)
	for d.late.Deadline.After(time.Now()) {
		time.Sleep(100 * time.Millisecond)
	}
	x := b.somebody(t, "sv")
	x.visit(d.late.Signatories[0].SignURL)
	x.logsIn(d, one)
	x.stands("word that the time is out")
	x.judgeInBoth("sign-expired")
	x.visit(d.late.Signatories[0].SignURL + "/refuse")
	x.stands("word that the time is out")
}
