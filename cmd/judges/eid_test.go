package judges

import "testing"

// testEIDs lets people log in and sign with every e-ID, in windows of one browser.
func testEIDs(t *testing.T, d *demo) {
	b := newChromium(t)
	t.Run("Login", func(t *testing.T) { testEIDLogin(t, d, b) })
}

// testEIDLogin goes from the application by the list of ways and the e-ID to the
// claims, which say which e-ID it was and how strong.
func testEIDLogin(t *testing.T, d *demo, b *chromium) {
	for i, c := range []struct {
		eid
		lang     string
		noScript bool
	}{
		{mobile, "sv", false},
		{bankID, "sv", false},
		{frejaQR, "sv", false},
		{telia, "sv", false},
		{testEID, "sv", false},
	} {
		name := c.provider + "-" + c.lang
		if c.noScript {
			name += "-noscript"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := d.phone.person(t, 12+i)
			x := b.somebody(t, c.lang)
			if c.noScript {
				x.withoutScript()
			}
			x.visit(app + "/")
			x.press("Logga in")
			x.at(issuer + "/login/")
			x.has(withQR)
			x.speak()
			x.provesWith(d, c.eid, p)
			x.loggedIn(p.Name)
			x.claims(c.eid, p)
			x.clean()
		})
	}
}

// claims demands that the application tells who was proven, by what and how
// strongly.
func (x *tab) claims(e eid, p person) {
	x.t.Helper()
	for claim, want := range map[string]string{
		"https://id.oidc.se/claim/authnProvider": e.provider, "acr": "http://id.swedenconnect.se/loa/1.0/uncertified-loa3",
	} {
		if got := value[string](x, "document.querySelector('[data-claim="+quote(claim)+"]')?.textContent ?? ''"); got != want {
			x.t.Errorf("%s is %q, not %q", claim, got, want)
		}
	}
	number := "document.querySelector('[data-claim=" + quote(claimNumber) + "]').textContent"
	if got := value[string](x, number); got != "Visa"+p.Number {
		x.t.Error("the number is another's, or stands open")
	}
}
