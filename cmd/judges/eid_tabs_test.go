package judges

import (
	"strings"
	"testing"
	"time"
)

// away is where somebody is who has left for an issuer's site.
type away struct {
	x       *tab
	chooser string
	left    time.Time
}

// leaveForSite begins a login at a site, which testBackFromSite goes on with when it
// is old enough for its page not to go there by itself.
func leaveForSite(t *testing.T, d *demo, b *chromium) away {
	t.Helper()
	x := b.somebody(t, "sv")
	x.visit(app + "/login")
	x.at(issuer + "/login/")
	a := away{x: x, chooser: x.location()}
	x.reaches(testEID)
	a.left = time.Now()
	return a
}

// testBackFromSite: whoever comes back without an answer finds the way there again,
// by a page that stays, and logs in.
func testBackFromSite(t *testing.T, d *demo, a away) {
	x := a.x
	x.t = t
	for time.Since(a.left) < 11*time.Second { // until then it goes by itself
		time.Sleep(50 * time.Millisecond)
	}
	x.visit(a.chooser)
	x.click(`.note a`) // go on where you were
	x.has(`.app a.main`)
	x.judgeInBoth("eid-away-link")
	x.holds("localhost:8082")
	x.leaves(testSite)
	x.at(testSite)
	p := d.phone.person(t, 4)
	x.agrees(d, testEID, p)
	x.loggedIn(p.Name)
	x.clean()
}

// testEIDWindows: the back button, reloads and a second window neither log anybody
// in twice nor break anything.
func testEIDWindows(t *testing.T, d *demo, b *chromium) {
	p := d.phone.person(t, 5)
	t.Run("BackAndReload", func(t *testing.T) {
		t.Parallel()
		x := b.somebody(t, "sv")
		x.visit(app + "/login")
		x.at(issuer + "/login/")
		chooser := x.location()
		x.reaches(telia)
		site := x.location()

		// Back at once, and there again: it is the same order.
		value[bool](x, "(history.back(), true)")
		x.until("a page of ours, or the site again", "location.href.startsWith("+quote(issuer+"/login/")+") || location.href === "+quote(site))
		x.visit(chooser)
		x.click(`.note a`)
		x.at(teliaSite)
		if x.location() != site {
			t.Error("whoever goes on where they were gets another order")
		}
		x.agrees(d, telia, p)
		x.loggedIn(p.Name)

		// What is behind the claims is over.
		value[bool](x, "(history.back(), true)")
		x.until("a page", "document.querySelector('h1')")
		x.expect("status of 404")
		x.visit(chooser)
		x.has("h1")
		x.judgeExpecting("eid-over", "404")
		// The issuer's page still has its answer, and sends it again.
		x.visit(site)
		x.at(issuer)
		x.has("h1")
		x.visit(app + "/")
		x.loggedIn(p.Name)
		x.clean()
	})
	t.Run("TwoWindows", func(t *testing.T) {
		t.Parallel()
		x := b.somebody(t, "en")
		x.visit(app + "/login")
		x.at(issuer + "/login/")
		x.speak()
		chooser := x.location()
		x.reaches(telia)

		// The other window goes on with the same, and the person approves there. Both
		// pages at the site then bring the answer. Whichever comes first is logged in,
		// the other is told.
		y := x.another()
		y.visit(chooser)
		y.click(`.note a`)
		y.at(teliaSite)
		y.agrees(d, telia, p)
		var in, told int
		for _, w := range []*tab{x, y} {
			w.until("the end", "location.href.startsWith("+quote(app)+") || location.href.startsWith("+quote(issuer)+") && document.querySelector('h1') && !document.querySelector('[data-status], form[action]')")
			if strings.HasPrefix(w.location(), app) {
				in++
				continue
			}
			told++
			w.judge("eid-continued-elsewhere")
			w.holds("The login has gone on in another window")
		}
		if in != 1 || told != 1 {
			t.Errorf("%d windows are logged in, %d told", in, told)
		}
		x.visit(app + "/")
		x.loggedIn(p.Name)
		x.clean()
		y.clean()
	})
}
