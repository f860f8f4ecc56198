package judges

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// testTwoGuardians is the fourth journey as two guardians make it: one at a
// computer, in Swedish; one on a phone that runs no script, in English; and the
// officer who answers.
func testTwoGuardians(t *testing.T, d *demo, b *chromium) {
	one, two := d.citizen(t, "ett", 60), d.citizen(t, "tva", 61)
	const title = "Ansökan om förskoleplats"

	x := b.somebody(t, "sv")
	x.visit(portal + "/")
	x.judge("portal-tenants")
	x.press("Exempelby kommun")
	x.at(exempelby + "/")
	x.judge("portal-start")
	x.press(title)
	x.has(begin)
	x.judge("portal-service")
	x.click(begin)
	x.proves(d, one)
	x.step("barnet")
	x.judge("portal-step")

	// What is wrong is said in full, and where.
	x.click(next)
	x.problems("Vilket barn")
	x.expect("status of 422")
	x.pick("barn", "Testbarn Ett")
	x.answers([]answer{{"vh2_kontakt.email", "tva@@example"}, {"vh2_kontakt.phone", "12"}})
	x.click(next)
	x.problems("e-postadress", "mobilnumret")
	x.judgeExpecting("portal-step-two-problems", "422")
	x.answers([]answer{{"vh2_kontakt.email", two.mail}, {"vh2_kontakt.phone", two.mobile}})
	x.click(next)

	// Half a step, and home for the day. Nothing has been sent.
	x.step("platsen")
	x.judge("portal-step-place")
	x.answers(aPlace("studerar")[:5])
	x.click(stop)
	x.until("word that it is saved", "location.pathname.endsWith('/sparat')")
	x.judgeInBoth("portal-saved")
	x.click(leavePortal)
	x.at(exempelby + "/utloggad")
	x.judgeInBoth("portal-out")
	x.visit(exempelby + "/mina-sidor")
	x.has(toPortal)
	x.judge("portal-login")
	x.click(toPortal)
	x.proves(d, one)
	x.at(exempelby + "/mina-sidor")
	x.judge("portal-mine")
	x.holds("Sparad", title)
	x.press("Fortsätt")
	x.step("platsen")
	if got := value[string](x, `document.querySelector('[name="omfattning"]').value`); got != "37,5" {
		t.Errorf("the draft comes back with %q hours", got)
	}

	// A file comes, goes, and comes again.
	x.answers(aPlace("studerar")[5:])
	for i := range 2 {
		x.attach("input[name=studieintyg]", "intyg.png", picture(t))
		x.click(`button[value="attach:studieintyg"]`)
		x.has(".files li")
		if i == 0 {
			x.judge("portal-step-file")
			x.click(`.files button[value^="detach:studieintyg:"]`)
			x.until("a list without the file", "!document.querySelector('.files li')")
		}
	}
	x.click(next)
	x.step("kontakt")
	x.judge("portal-step-contact")
	x.reach(one, "email")
	x.click(next)
	x.review()
	x.judge("portal-review")
	x.holds("intyg.png", "37,5", "Testperson Två")

	// One answer is changed from the review, which comes back at once.
	x.click(`a[href$="/s/platsen?fran=granska"]`)
	x.step("platsen")
	x.answers([]answer{{"omfattning", "40"}})
	x.click(next)
	x.review()
	x.holds("40")
	x.click(send)
	x.at(issuer + "/signing/")
	x.has("#sign")
	x.judge("portal-room-review")
	x.holds(title, "Testbarn Ett", "Förskolan Eken", "40", "intyg.png", "Exempelby kommun")
	x.signs(d, one.person)
	x.judge("portal-room-signed")
	x.comesBack()
	x.waits()
	waiting := x.location()
	x.judge("portal-waiting")
	x.holds("Väntar på flerpartssignering", "Det är inte inskickat", two.Name, "Har inte skrivit under än")
	m := d.told(t, one, "email", "Inte inskickat än")
	if !strings.Contains(m.Text, "Det är inte inskickat än och har inte kommit in till Exempelby kommun.") {
		t.Errorf("the confirmation says %s", m.Text)
	}
	if n := d.mails(t, one, "har tagit emot ditt ärende"); n > 0 {
		t.Error("a confirmation says that it has arrived")
	}
	x.visit(exempelby + "/mina-sidor")
	x.judge("portal-mine-waiting")
	x.holds("Väntar på flerpartssignering", "Testperson Två har inte skrivit under än")

	// The other guardian, on a phone.
	y := b.somebody(t, "en").onPhone().withoutScript()
	d.told(t, two, "sms", "Exempelby kommun")
	m = d.told(t, two, "email", "ber om din underskrift")
	y.opens(m)
	y.click(toLogin)
	y.at(issuer + "/login/")
	y.byApp(two.short())
	y.click(approve)
	y.goOn()
	y.has("#sign")
	y.holds("Testbarn Ett", "Förskolan Eken", "40", "intyg.png")
	y.byApp(two.short())
	y.click(approve)
	y.goOn()
	y.has(toReceipt)
	signed := y.fetches()
	d.accepted(t, signed, title, one.person, two.person)

	// It has arrived, without anybody doing more, and both have the same papers.
	m = d.told(t, one, "email", "har tagit emot ditt ärende")
	x.visit(waiting)
	x.sent()
	x.judge("portal-sent")
	number := value[string](x, `document.querySelector('dl.facts dd').innerText`)
	if !strings.Contains(m.Subject, number) || len(number) < 8 {
		t.Errorf("the case is %s, the confirmation says %s", number, m.Subject)
	}
	x.click(`main a[href*="/arende/"]:not([download]):not([href*="/fil/"])`)
	x.has(".papers")
	x.judge("portal-case")
	caseAt := x.location()
	y.visit(exempelby + "/mina-sidor")
	y.click(toPortal)
	y.at(issuer + "/login/")
	y.byApp(two.short())
	y.click(approve)
	y.goOn()
	y.at(exempelby + "/mina-sidor")
	y.judge("mobile-portal-mine-co-owner")
	y.holds(number)
	y.press("Apply for a preschool place")
	y.has(".papers")
	y.judge("mobile-portal-case-co-owner")
	for _, z := range []*tab{x, y} {
		if !bytes.Equal(z.saves(z.paper(map[string]string{"sv": "Det som är underskrivet", "en": "What was signed"}[z.lang])), signed) {
			t.Errorf("%s has other signed papers than the signing room", z.lang)
		}
	}
	receipt := x.saves(x.paper("Kvittens"))
	if !bytes.Equal(receipt, y.saves(y.paper("Receipt"))) {
		t.Error("the two have different receipts")
	}
	if v := d.verified(t, receipt); len(v.Signatures) != 0 {
		t.Errorf("the receipt of the arrival is signed %d times", len(v.Signatures))
	}

	// From now on by mail and text message.
	x.click(toProfile)
	x.has("input[name=notify]")
	x.judge("portal-profile")
	x.fill("#email", one.mail)
	x.fill("#phone", one.mobile)
	x.click(`label[for=` + quote(value[string](x, `document.querySelector('input[name=notify][value=both]').id`)) + `]`)
	x.click("main form button")
	x.until("word that it is saved", "document.querySelector('main .note[role=status]')")

	o := b.somebody(t, "sv")
	o.visit(exempelby + "/handlaggare/")
	o.has(toOffice)
	o.judgeInBoth("portal-officer-login")
	o.entersOffice("ett")
	o.judgeInBoth("portal-officer-list")
	o.press(number)
	o.has("#to")
	o.judgeInBoth("portal-officer-case")
	o.holds(one.Name, "Testbarn Ett", "Förskolan Eken", "40")
	const question, reply = "Vilken dag slutar kursen?", "Den 5 juni. <b>"
	o.fill("#text", question)
	o.press("Skicka meddelandet")
	o.has(".talk")
	m = d.told(t, one, "email", "Nytt meddelande")
	if strings.Contains(m.Text, question) {
		t.Error("the notice tells what the message says")
	}
	d.told(t, one, "sms", "nytt meddelande")
	o.chooseFrom("to", "Väntar på komplettering")
	o.press("Spara status")
	o.until("the new status", `document.querySelector('dl.facts .tag').innerText.includes('komplettering')`)
	// Two who chose nothing is told where the invitation went, or on My pages.
	d.told(t, one, "sms", "status")

	z := b.somebody(t, "sv")
	z.follows(m, portal)
	z.has(toPortal)
	z.holds("Sidan du vill till är personlig")
	z.click(toPortal)
	z.proves(d, one)
	z.at(caseAt)
	z.judge("portal-case-asked")
	z.holds(question, "Väntar på komplettering")
	z.click(`form[action$="/meddelande"] button`)
	z.has(`#text[aria-invalid=true]`)
	z.judgeExpecting("portal-case-problem", "422")
	z.fill("#text", reply)
	z.click(`form[action$="/meddelande"] button`)
	z.has(".talk .own")
	z.judge("portal-case-answered")
	o.visit(exempelby + "/handlaggare/")
	o.holds("1 oläst meddelande")
	o.press(number)
	o.has(".talk")
	o.holds(reply)
	o.click(`form[action$="/handlaggare/logga-ut"] button`)
	o.at(exempelby + "/handlaggare/utloggad")
	o.judgeInBoth("portal-officer-out")
	o.visit(exempelby + "/handlaggare/")
	o.has(toOffice)
}

// testOneGuardian: with one guardian the application arrives when that one has
// signed. On a phone, in English, with script.
func testOneGuardian(t *testing.T, d *demo, b *chromium) {
	one := d.citizen(t, "tre", 62)
	x := b.somebody(t, "en").onPhone()
	x.visit(portal + "/")
	x.judge("mobile-portal-tenants")
	x.press("Exempelby municipality")
	x.at(exempelby + "/")
	x.judge("mobile-portal-start")
	x.fill("#q", "child care")
	x.key(kb.Enter)
	x.at(exempelby + "/?q=")
	x.judge("mobile-portal-search")
	x.visit(exempelby + "/")
	x.press("Apply for a preschool place")
	x.has(begin)
	x.judge("mobile-portal-service")
	x.click(begin)
	x.at(issuer + "/login/")
	x.byApp(one.short())
	x.click(approve)
	x.step("barnet")
	x.judge("mobile-portal-step")
	x.click(next)
	x.problems("Which child")
	x.judgeExpecting("mobile-portal-step-problems", "422")
	x.pick("barn", "Testbarn Fyra")
	x.click(next)
	x.step("platsen")
	x.answers(aPlace("arbetar"))
	x.judge("mobile-portal-step-place")
	x.click(next)
	x.step("kontakt")
	x.reach(one, "sms")
	x.judge("mobile-portal-step-contact")
	x.click(next)
	x.review()
	x.judge("mobile-portal-review")
	x.click(send)
	x.at(issuer + "/signing/")
	x.has("#sign")
	x.byApp(one.short())
	x.click(approve)
	x.stands("at the end of the signature")
	x.judge("mobile-portal-room-signed")
	x.comesBack()
	x.sent()
	x.judge("mobile-portal-sent")
	d.told(t, one, "sms", "Exempelby")
	if n := d.mails(t, one, ""); n > 0 {
		t.Errorf("%d mails to somebody who wants text messages", n)
	}
	x.visit(exempelby + "/mina-sidor")
	x.judge("mobile-portal-mine")
	x.press("Apply for a preschool place")
	x.has(".papers")
	x.judge("mobile-portal-case")
	x.click(toProfile)
	x.has("input[name=notify]")
	x.judge("mobile-portal-profile")
	x.fill("#email", "nobody@")
	x.click("main form button")
	x.problems("Write an e-mail address")
	x.judgeExpecting("mobile-portal-profile-problem", "422")
	x.click(leavePortal)
	x.at(exempelby + "/utloggad")
	x.judge("mobile-portal-out")
	x.visit(exempelby + "/mina-sidor")
	x.has(toPortal)
	x.judge("mobile-portal-login")
}

// testPortalWithoutScript is the same errand in a browser that runs no script, at
// a computer, in Swedish.
func testPortalWithoutScript(t *testing.T, d *demo, b *chromium) {
	one := d.citizen(t, "tre", 63)
	x := b.somebody(t, "sv").withoutScript()
	x.visit(exempelby + "/e/forskoleplats")
	x.click(begin)
	x.proves(d, one)
	x.step("barnet")
	x.pick("barn", "Testbarn Fyra")
	x.click(next)
	x.step("platsen")
	x.answers(aPlace("annat"))
	x.click(next)
	// What the answer asks for comes with the next page.
	x.has(`[name=annat_vad]`)
	x.judge("noscript-portal-step-more")
	x.answers([]answer{{"annat_vad", "Sjukskriven"}})
	x.click(next)
	x.step("kontakt")
	x.reach(one, "email")
	x.click(`.acts button[value=back]`)
	x.step("platsen")
	x.click(next)
	x.step("kontakt")
	if got := value[string](x, `document.querySelector('[name="mina.email"]').value`); got != one.mail {
		t.Error("what was typed is lost on the way back")
	}
	x.click(next)
	x.review()
	x.click(send)
	x.at(issuer + "/signing/")
	x.has("#sign")
	x.signs(d, one.person)
	x.comesBack()
	// The page that waits for the receipt comes again by itself.
	x.sent()
	d.told(t, one, "email", "har tagit emot ditt ärende")
	x.has(`main a[download]`)
	if v := d.verified(t, x.saves(`main a[download]`)); len(v.Signatures) != 0 {
		t.Error("the receipt of the arrival is signed")
	}
}

// testPortalByKeyboard applies with the keys alone, and sees the focus all the way.
func testPortalByKeyboard(t *testing.T, d *demo, b *chromium) {
	one := d.citizen(t, "tre", 64)
	x := b.somebody(t, "sv")
	x.visit(exempelby + "/")
	x.key(kb.Tab)
	if got := value[string](x, "document.activeElement.className"); got != "skip" {
		t.Errorf("the first stop is %s, not the way past the menu", got)
	}
	x.key(kb.Enter)
	x.tabTo(`a[href$="/e/forskoleplats"]`)
	x.key(kb.Enter)
	x.has(begin)
	x.tabTo(begin)
	x.key(kb.Enter)
	x.at(issuer + "/login/")
	x.tabTo(withQR)
	x.key(kb.Enter)
	x.provenBy(d, one.person)
	x.step("barnet")
	x.tabTo(next)
	x.key(kb.Enter)
	x.problems("Vilket barn")
	if !value[bool](x, "document.activeElement.id === 'problems'") {
		t.Error("the summary of errors has not the focus")
	}
	x.tabTo("#problems a")
	x.follow()
	x.until("the question", "location.hash !== '' && document.activeElement.name === 'barn'")
	x.pressed(" ", `input[type=radio][name=barn]`, "document.querySelector('[name=barn]:checked')")
	x.pressed(" ", next, "location.pathname.endsWith('/s/platsen')")
	x.step("platsen")
	for _, a := range aPlace("")[:3] {
		x.tabTo(`[name="` + a.name + `"]`)
		x.key(a.says)
	}
	x.tabTo(`[name="forskolor.1"]`)
	x.key(kb.ArrowDown)
	x.tabTo(`[name=omfattning]`)
	x.key("30")
	x.tabTo(`input[type=radio][name=sysselsattning]`)
	x.key(" ")
	x.tabTo(`input[type=radio][name=syskon]`)
	x.key(" ")
	x.has(`[name=syskon_var]`)
	x.tabTo(`[name=syskon_var]`)
	x.key(kb.ArrowDown)
	x.tabTo(`input[type=checkbox][name=behov]`)
	x.key(" ")
	x.has(`[name=behov_mer]`)
	x.tabTo(`[name=behov_mer]`)
	x.key("Tål inte nötter.")
	x.tabTo(next)
	x.key(kb.Enter)
	x.step("kontakt")
	x.tabTo(`[name="mina.email"]`)
	x.key(one.mail)
	x.tabTo(`input[type=radio][name="mina.notify"]`)
	x.key(" ")
	x.tabTo(next)
	x.key(kb.Enter)
	x.review()
	x.holds("Tål inte nötter.", "Förskolan Björken")
	x.tabTo("main details summary")
	x.key(kb.Enter)
	x.tabTo(send)
	x.key(kb.Enter)
	x.has("#sign")
	x.tabTo(withQR)
	x.key(kb.Enter)
	x.provenBy(d, one.person)
	x.stands("at the end of the signature")
	x.has(toReceipt) // the page comes anew once it is sealed, and takes the focus away
	x.tabTo(`main a[href*="` + portal + `"]`)
	x.key(kb.Enter)
	x.sent()
	x.tabTo(leavePortal)
	x.key(kb.Enter)
	x.at(exempelby + "/utloggad")
}

// follow presses Enter on the link that has the focus. The link is followed when
// the key goes down, and a keyboard's letter goes the same way; sent by itself, as
// key does, the letter comes to whatever has the focus by then, and sends its form.
func (x *tab) follow() {
	x.t.Helper()
	run(x, "follow a link", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		for _, k := range kb.Encode('\r') {
			if k.Type == kb.KeyChar {
				continue
			}
			if _, err := cdp.Call(ctx, t, input.DispatchKeyEvent, *k); err != nil {
				return err
			}
		}
		return nil
	}))
}

// pressed presses a key on an element until what it does is done: while the
// browser is on its way to somewhere, a key may go astray, and people press it
// again.
func (x *tab) pressed(key, css, done string) {
	x.t.Helper()
	for range 5 {
		x.tabTo(css)
		x.key(key)
		for range 60 {
			if ok, err := within(x, chromedp.Evaluate[bool]("!!("+done+")")); ok && err == nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		if ok, err := within(x, chromedp.Evaluate[bool]("!!document.querySelector("+quote(css)+")")); !ok && err == nil {
			return // it has gone on; whoever waits for what comes next says where to
		}
	}
}

// testSecondThoughts: the other guardian says no; the draft comes back, is changed
// and sent again; then the first guardian takes it back after signing; the third
// time it arrives.
func testSecondThoughts(t *testing.T, d *demo, b *chromium) {
	one, two := d.citizen(t, "fyra", 65), d.citizen(t, "fem", 66)
	x := b.somebody(t, "sv")
	x.applies(d, exempelby, one, two, "Testbarn Fem")
	x.waits()
	waiting := x.location()

	// The address was wrong, and is mended; then everybody is reminded.
	d.told(t, two, "email", "ber om din underskrift")
	x.visit(waiting)
	x.press("Ändra kontaktuppgifter")
	x.fill("#email-2", "fem@")
	x.press("Spara och skicka en ny förfrågan")
	x.problems("e-postadress")
	x.judgeExpecting("portal-waiting-problem", "422")
	mended := two
	mended.mail = "fem.ny@example.se"
	x.fill("#email-2", mended.mail)
	x.press("Spara och skicka en ny förfrågan")
	x.until("word that it is mended", "document.querySelector('main .note[role=status]')")
	x.judgeInBoth("portal-waiting-mended")
	d.told(t, mended, "email", "ber om din underskrift")
	x.press("Skicka en påminnelse")
	x.until("word about the reminder", "document.querySelector('main .note[role=status]')?.innerText.includes('påminnelse')")

	y := b.somebody(t, "sv")
	y.opens(d.told(t, mended, "email", "ber om din underskrift"))
	y.logsIn(d, two.person)
	y.click(toRefuse)
	y.has(reason)
	y.fill(reason, "Vi har inte pratat om det här.")
	y.click(sayNo)
	y.stands("word of the refusal")

	d.told(t, one, "email", "tackat nej")
	x.visit(exempelby + "/mina-sidor")
	x.until("the draft that came back", "document.querySelector('main .message')")
	x.judgeInBoth("portal-mine-returned")
	x.holds("Har kommit tillbaka", two.Name, "Vi har inte pratat om det här.")
	x.visit(waiting)
	x.until("a draft to change", "document.querySelector('main .note.bad')")
	x.judgeInBoth("portal-returned")
	x.holds("Vi har inte pratat om det här.", "skriver alla under på nytt")
	x.visit(strings.TrimSuffix(waiting, "/vantar") + "/s/platsen?fran=granska")
	x.step("platsen")
	x.answers([]answer{{"omfattning", "25"}})
	x.click(next)
	x.review()
	x.signsAndSends(d, one)
	x.waits()

	// Signed once more, and taken back. What was mended at the signing room was no
	// answer: the other guardian is asked where the application says.
	d.asked(t, two, 2)
	x.press("Ändra ansökan")
	x.has(`input[value=withdraw]`)
	x.judgeInBoth("portal-withdraw")
	x.holds("Alla underskrifter blir ogiltiga")
	x.click(`form:has(input[value=withdraw]) button`)
	x.until("a draft to change", "document.querySelector('main .note.bad')")
	x.holds("Du tog tillbaka det för att ändra något", "skriver alla under på nytt")
	d.told(t, two, "email", "Du behöver inte skriva under")
	x.visit(strings.TrimSuffix(waiting, "/vantar") + "/s/platsen?fran=granska")
	x.step("platsen")
	x.answers([]answer{{"omfattning", "20"}})
	x.click(next)
	x.review()
	x.signsAndSends(d, one)
	x.waits()
	if n := d.mails(t, one, "har tagit emot ditt ärende"); n > 0 {
		t.Error("it is said to have arrived")
	}

	y.opens(d.asked(t, two, 3))
	y.has("#sign")
	y.holds("20 timmar")
	y.signs(d, two.person)
	x.visit(waiting)
	x.sent()
}

// testPortalCode: a municipality that sends codes instead of links.
func testPortalCode(t *testing.T, d *demo, b *chromium) {
	one, two := d.citizen(t, "ett", 67), d.citizen(t, "tva", 68)
	x := b.somebody(t, "sv")
	x.visit(provinge + "/")
	x.judgeInBoth("portal-start-provinge")
	x.applies(d, provinge, one, two, "Testbarn Två")
	x.waits()
	waiting := x.location()
	m := d.told(t, two, "email", "skriv koden")
	if room := strings.TrimPrefix(issuer, "http://") + "/signing/portal-provinge"; len(m.Links) > 0 || !strings.Contains(m.Text, room) {
		t.Errorf("the mail with a code has links %q, or does not say where to go", m.Links)
	}
	y := b.somebody(t, "sv")
	y.visit(issuer + "/signing/portal-provinge/kod")
	y.click(toLogin)
	y.at(issuer + "/login/")
	if value[bool](y, "!!document.querySelector("+quote(withApp)+")") {
		t.Error("an e-ID is offered that Provinge does not take")
	}
	y.click(withQR)
	y.provenBy(d, two.person)
	y.has(codeField)
	y.fill(codeField, m.code(t))
	y.key(kb.Enter)
	y.has("#sign")
	y.holds("Provinge stad", "Testbarn Två")
	y.signs(d, two.person)
	x.visit(waiting)
	x.sent()
	// Nothing of it stands at the other municipality, whose group is its own.
	x.visit(exempelby + "/mina-sidor")
	x.has(toPortal)
}

// applies fills in an application for a child of two guardians, and signs it.
func (x *tab) applies(d *demo, at string, one, two citizen, child string) {
	x.t.Helper()
	x.visit(at + "/e/forskoleplats")
	x.click(begin)
	x.proves(d, one)
	x.step("barnet")
	x.pick("barn", child)
	x.answers([]answer{{"vh2_kontakt.email", two.mail}, {"vh2_kontakt.phone", two.mobile}})
	x.click(next)
	x.step("platsen")
	school := value[string](x, `document.querySelector('[name="forskolor.1"]').options[2].text`)
	all := aPlace("arbetar")
	for i := range all {
		if all[i].name == "forskolor.1" {
			all[i].says = school
		}
	}
	x.answers(all)
	x.click(next)
	x.step("kontakt")
	x.reach(one, "email")
	x.click(next)
	x.review()
	x.signsAndSends(d, one)
}

// aPlace answers the step about the place.
func aPlace(days string) []answer {
	start := time.Now().AddDate(0, 3, 0)
	return []answer{
		{"startdatum.day", start.Format("2")}, {"startdatum.month", start.Format("1")}, {"startdatum.year", start.Format("2006")},
		{"forskolor.1", "Eken"}, {"omfattning", "37,5"}, {"sysselsattning", days}, {"syskon", "no"},
	}
}
