package judges

import (
	"strings"
	"testing"
)

// testAnonymous: whoever reports a fault need not say who it is, and gets a
// receipt all the same.
func testAnonymous(t *testing.T, d *demo, b *chromium) {
	for name, lang := range map[string]string{"portal": "sv", "mobile-noscript-portal": "en"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			who := d.citizen(t, "atta", 69)
			x := b.somebody(t, lang)
			if lang == "en" {
				who = d.citizen(t, "nio", 70)
				x.onPhone().withoutScript()
			}
			x.visit(exempelby + "/e/felanmalan")
			x.judge(name + "-fault-service")
			x.click(begin)
			x.step("felet")
			x.judge(name + "-fault-step")
			x.answers([]answer{{"slag", map[string]string{"sv": "Gatubelysning", "en": "Street lighting"}[lang]}, {"plats", "Storgatan 1"}, {"beskrivning", "Lampan är släckt."}})
			x.attach("input[name=foton]", "lampa.png", picture(t))
			x.click(`button[value="attach:foton"]`)
			x.has(".files li")
			x.click(next)
			x.step("kontakt")
			x.answers([]answer{{"aterkoppling", "yes"}})
			if lang == "en" {
				x.click(next)
			}
			x.answers([]answer{{"mina.email", who.mail}, {"mina.notify", "email"}})
			x.judge(name + "-fault-contact")
			x.click(next)
			x.review()
			x.holds("lampa.png", "Storgatan 1")
			if value[bool](x, "!!document.querySelector('.work .timeline')") {
				t.Error("the review tells who signs, but nobody does")
			}
			x.click(send)
			x.sent()
			x.has("main a[download]")
			x.judge(name + "-fault-sent")
			at := x.location()
			if v := d.verified(t, x.saves("main a[download]")); len(v.Signatures) != 0 {
				t.Error("the receipt of the arrival is signed")
			}
			m := d.told(t, who, "email", map[string]string{"sv": "har tagit emot", "en": "has received"}[lang])
			if len(m.Links) > 0 {
				t.Errorf("the confirmation leads to %q, which only this window can open", m.Links)
			}
			// Another window learns nothing, and nobody's pages show it.
			z := b.somebody(t, lang)
			z.visit(at)
			z.has("h1")
			if value[bool](z, "!!document.querySelector('main a[download]')") || strings.Contains(z.where(), "EXE-") {
				t.Errorf("another window sees the receipt\n%s", z.where())
			}
			x.visit(exempelby + "/mina-sidor")
			x.click(toPortal)
			x.proves(d, who)
			x.at(exempelby + "/mina-sidor")
			x.judge(name + "-mine-empty")
			if value[bool](x, "!!document.querySelector('main .rows')") {
				t.Errorf("an anonymous case stands on somebody's pages\n%s", x.where())
			}
		})
	}
}

// testNotLetIn: persons whom the portal serves in another way are told which.
func testNotLetIn(t *testing.T, d *demo, b *chromium) {
	t.Run("samordningsnummer", func(t *testing.T) {
		x := b.somebody(t, "sv")
		x.visit(exempelby + "/e/forskoleplats")
		x.click(begin)
		x.proves(d, d.citizen(t, "fyrtiotre", 71))
		x.has("h1")
		x.expect("status of 403")
		x.judge("portal-coordination")
		x.holds("samordningsnummer", "0999-10 00 00")
		x.visit(exempelby + "/mina-sidor")
		x.has(toPortal)
		// The other municipality lets them in.
		y := b.somebody(t, "en")
		y.visit(provinge + "/mina-sidor")
		y.click(toPortal)
		y.proves(d, d.citizen(t, "fyrtiofyra", 71))
		y.at(provinge + "/mina-sidor")
	})
	t.Run("protected", func(t *testing.T) {
		c := d.citizen(t, "trettiofyra", 72)
		x := b.somebody(t, "sv")
		x.expect("status of 403")
		x.visit(exempelby + "/e/forskoleplats")
		x.click(begin)
		x.proves(d, c)
		x.has("h1")
		x.judge("portal-protected")
		x.holds("0999-10 00 00")
		text := x.where()
		for _, secret := range []string{"Testvägen", "Testbarn"} {
			if strings.Contains(text, secret) {
				t.Errorf("the page of a protected person shows %s", secret)
			}
		}
	})
	t.Run("protected-guardian", func(t *testing.T) {
		// That the other guardian is protected cannot be told from the page, and
		// nobody is written to.
		c := d.citizen(t, "trettiosex", 73)
		x := b.somebody(t, "sv")
		x.expect("status of 403")
		x.visit(exempelby + "/e/forskoleplats")
		x.click(begin)
		x.proves(d, c)
		x.has("h1")
		x.judge("portal-protected-guardian")
		if strings.Contains(x.where(), "Trettiofem") {
			t.Error("the page names the protected guardian")
		}
	})
	t.Run("nowhere", func(t *testing.T) {
		x := b.somebody(t, "sv")
		x.expect("status of 404")
		for name, at := range map[string]string{"missing": "/finns-inte", "no-service": "/e/finns-inte"} {
			x.visit(exempelby + at)
			x.has("h1")
			x.judgeInBoth("portal-" + name)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		x := b.somebody(t, "sv")
		x.visit(exempelby + "/mina-sidor")
		x.click(toPortal)
		x.at(issuer + "/login/")
		x.click(withQR)
		x.click(cancel)
		x.click(giveUp)
		x.at(exempelby + "/")
		x.has("h1")
		x.expect("status of 4")
		x.judge("portal-login-cancelled")
	})
	t.Run("officer", func(t *testing.T) {
		x := b.somebody(t, "sv")
		x.expect("status of 403")
		x.visit(exempelby + "/handlaggare/")
		x.click(toOffice)
		x.click(`button[name=officer][value=tre]`)
		x.at(exempelby + "/handlaggare")
		x.has("h1")
		x.judge("portal-officer-refused")
		if value[bool](x, "!!document.querySelector('main .rows')") {
			t.Error("an officer of another municipality sees a list")
		}
	})
}

// testLeaving: a logout ends the broker's session too, and leaves nothing behind.
func testLeaving(t *testing.T, d *demo, b *chromium) {
	c := d.citizen(t, "nio", 74)
	x := b.somebody(t, "sv")
	x.visit(exempelby + "/mina-sidor")
	x.click(toPortal)
	x.proves(d, c)
	x.at(exempelby + "/mina-sidor")
	x.has(leavePortal)
	x.click(leavePortal)
	x.at(exempelby + "/utloggad")
	x.holds("Stäng webbläsaren")
	value[bool](x, "(history.back(), true)")
	x.at(exempelby + "/mina-sidor")
	x.has(toPortal)
	if strings.Contains(x.where(), c.Name) {
		t.Error("the back button shows whose pages they were")
	}
	x.click(toPortal)
	x.at(issuer + "/login/")
	x.has(withQR) // asked anew
}

// testTwoWindows: one draft in two windows; whoever comes second is asked which
// version is to hold.
func testTwoWindows(t *testing.T, d *demo, b *chromium) {
	c := d.citizen(t, "ett", 75)
	x := b.somebody(t, "sv")
	x.visit(exempelby + "/e/forskoleplats")
	x.click(begin)
	x.proves(d, c)
	x.step("barnet")
	x.pick("barn", "Testbarn Tre")
	x.click(next)
	x.step("platsen")
	y, gone := x.another(), x.location()
	y.visit(gone)
	y.step("platsen")
	x.answers([]answer{{"omfattning", "30"}})
	x.has(".kept:not(:empty)")
	x.until("word that it is saved", "document.querySelector('.kept').innerText.startsWith('Sparat')")
	y.expect("status of 409")
	y.answers([]answer{{"omfattning", "15"}})
	y.until("word of two versions", "document.querySelector('.kept').innerText.includes('ett annat fönster')")
	y.click(next)
	y.until("both versions", "location.pathname.endsWith('/krock')")
	y.judgeInBoth("portal-conflict")
	y.holds("30", "15")
	y.click(`button[value=andra]`)
	y.step("platsen")
	if got := value[string](y, `document.querySelector('[name=omfattning]').value`); got != "15" {
		t.Errorf("the chosen version says %q", got)
	}
	// Logged out in one window, while something is typed in the other: nobody is
	// there any more whose it is, and the draft stays as it was saved.
	x.visit(exempelby + "/mina-sidor")
	x.click(leavePortal)
	x.at(exempelby + "/utloggad")
	y.expect("status of 401")
	y.answers([]answer{{"omfattning", "17"}})
	y.click(next)
	y.has(toPortal)
	y.judge("portal-held")
	y.holds("Det du har sparat tidigare finns kvar")
	y.click(toPortal)
	y.proves(d, c)
	y.step("platsen")
	y.judge("portal-step-again")
	if got := value[string](y, `document.querySelector('[name=omfattning]').value`); got != "15" {
		t.Errorf("the draft that was saved says %q", got)
	}
	// Removed in one window, gone in the other.
	y.visit(exempelby + "/mina-sidor")
	y.click(`main a[href$="/ta-bort"]`)
	y.has(".danger")
	y.judgeInBoth("portal-remove")
	y.click("button.danger")
	y.at(exempelby + "/mina-sidor")
	x.expect("status of 404")
	x.visit(gone)
	x.has("h1")
	x.judgeExpecting("portal-draft-gone", "404")
}
