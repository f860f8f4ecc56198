package judges

import (
	"testing"
)

// testPortal lets people do their errands with two municipalities, from the list
// of municipalities to the officer's answer.
func testPortal(t *testing.T, d *demo) {
	b := newChromium(t)
	for _, c := range []struct {
		name string
		test func(*testing.T, *demo, *chromium)
	}{
		{"TwoGuardians", testTwoGuardians},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, d, b)
		})
	}
}

// testTwoGuardians is the fourth journey as two guardians make it: one at a
// computer, in Swedish; one on a phone that runs no script, in English; and the
// officer who answers.
func testTwoGuardians(t *testing.T, d *demo, b *chromium) {
	one, two := d.citizen(t, "ett", 60), d.citizen(t, "tva", 61)

	x := b.somebody(t, "sv")
	x.visit(portal + "/")
	x.judge("portal-tenants")
	x.press("Exempelby kommun")
	x.at(exempelby + "/")
	x.judge("portal-start")
	x.press("Ansökan om förskoleplats")
	x.has(begin)
	x.judge("portal-service")
	x.click(begin)
	x.proves(d, one)
	x.step("barnet")
	x.judge("portal-step")

	// What is wrong is said in full, and where.
	x.click(next)
	x.has("#problems")
	x.judge("portal-step-problems")
	if n := value[int](x, "document.querySelectorAll('#problems li').length"); n != 1 {
		t.Errorf("%d things to mend in an empty step\n%s", n, x.where())
	}
	x.pick("barn", "Testbarn Ett")
	x.has(`[name="vh2_kontakt.email"]`)
	x.fill(`[name="vh2_kontakt.email"]`, "tva@@example")
	x.click(next)
	x.has(`[name="vh2_kontakt.email"][aria-invalid=true]`)
	x.fill(`[name="vh2_kontakt.email"]`, two.mail)
	x.fill(`[name="vh2_kontakt.phone"]`, two.mobile)
	x.click(next)
	x.step("platsen")
	x.answers(aPlace())
	x.click(next)
	x.step("kontakt")
	x.reach(one, "email")
	x.click(next)
	x.review()
	x.judge("portal-review")
	x.signsAndSends(d, one)
	x.at(exempelby + "/utkast/")
	x.has(".timeline")
	x.judge("portal-waiting")
	x.holds("Väntar på flerpartssignering", "Testperson Två")
}
