package judges

import (
	"strings"

	"github.com/chromedp/chromedp"
)

// Where the sites of e-IDs are that have one.
const (
	teliaSite = "http://127.0.0.1:8082/saml/telia/o/"
	testSite  = phone + "/oidc/eid/o/"
)

// An eid is an e-ID as people pick it, and the device that has it.
type eid struct{ provider, device string }

var (
	bankID     = eid{"bankid", "this"}
	mobile     = eid{"mbankid", "other"}
	frejaQR    = eid{"freja", "other"}
	frejaApp   = eid{"freja", "this"}
	telia      = eid{"telia", "this"}
	testEID    = eid{"test-eid", "this"} // any e-ID behind OpenID Connect
	siteOfEIDs = map[string]string{telia.provider: teliaSite, testEID.provider: testSite}
)

func (e eid) String() string { return e.provider + "-" + e.device }

// button is what people press to pick it, in the list of ways.
func (e eid) button() string {
	return `form:has(input[name=provider][value=` + quote(e.provider) + `]):has(input[name=device][value=` + e.device + `]) button`
}

// reaches goes from the list of ways to where a person decides: the app with its
// order, or the page of the issuer's site. With a QR code nothing is to be done.
func (x *tab) reaches(e eid) {
	x.t.Helper()
	x.click(e.button())
	x.arrives(e)
}

// leaves presses what leads to the site of an e-ID, unless the page goes there by
// itself.
func (x *tab) leaves(to string) {
	x.t.Helper()
	const away = `.app form button, .app a.main`
	x.until("the site or the way there", "location.href.startsWith("+quote(to)+") || document.querySelector("+quote(away)+")")
	if strings.HasPrefix(x.location(), issuer) {
		_, _ = within(x, chromedp.Click(chromedp.CSS(away))) // it may go at this very moment
	}
}

// agrees lets a person approve, where reaches has led, and come back.
func (x *tab) agrees(d *demo, e eid, p person) {
	x.t.Helper()
	switch {
	case e.device == "other":
		x.provenBy(d, p)
	case e == telia:
		x.has("#person")
		x.chooseFrom("person", p.Name)
		x.click(approve)
		x.delivers()
	case e == testEID:
		x.click(`button[name=person][value="` + p.short() + `"]`)
		x.click(approve)
		x.delivers()
	default:
		x.asInApp(p.short())
		x.click(approve)
		if x.noJS {
			x.goOn()
		}
	}
}

// delivers takes the answer from an issuer's site to the broker: where scripts run
// the page does.
func (x *tab) delivers() {
	x.t.Helper()
	const form = `form[action^="` + issuer + `/eid/"] button`
	x.until("the answer", "location.href.startsWith("+quote(issuer)+") || location.href.startsWith("+quote(app)+") || document.querySelector("+quote(form)+")")
	if x.noJS && !strings.HasPrefix(x.location(), issuer) && !strings.HasPrefix(x.location(), app) {
		x.click(form)
	}
}

// provesWith is the whole of it, from the list of ways on.
func (x *tab) provesWith(d *demo, e eid, p person) {
	x.t.Helper()
	x.reaches(e)
	x.agrees(d, e, p)
}

// act lets a person do something with an order.
func (c control) act(id, action, number, hint string) error {
	body := map[string]string{"action": action}
	for name, v := range map[string]string{"pnr": number, "hint": hint} {
		if v != "" {
			body[name] = v
		}
	}
	return c.call("POST", "orders/"+id, body, nil)
}

// arrives waits until a page that was asked to try again has led where people
// decide.
func (x *tab) arrives(e eid) {
	x.t.Helper()
	switch at := siteOfEIDs[e.provider]; {
	case at != "":
		if x.noJS {
			x.leaves(at)
		}
		x.at(at)
	case e.device == "this":
		x.intoApp()
	default:
		x.has(cancel)
	}
}
