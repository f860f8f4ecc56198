package judges

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// testEIDs lets people log in and sign with every e-ID, and fail to, in windows of
// one browser.
func testEIDs(t *testing.T, d *demo) {
	b := newChromium(t)
	left := leaveForSite(t, d, b)
	// A bad day of an issuer's is everybody's, so that nothing else happens
	// meanwhile.
	t.Run("BadDays", func(t *testing.T) { testEIDBadDays(t, d, b) })
	for _, c := range []struct {
		name string
		test func(*testing.T, *demo, *chromium)
	}{
		{"Sign", testEIDSign},
		{"Login", testEIDLogin},
		{"Ends", testEIDEnds},
		{"WrongPerson", testEIDWrongPerson},
		{"Windows", testEIDWindows},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, d, b)
		})
	}
	t.Run("Back", func(t *testing.T) { testBackFromSite(t, d, left) })
}

// testEIDLogin goes from the application by the list of ways and the e-ID to the
// claims, which say which e-ID it was and how strong.
func testEIDLogin(t *testing.T, d *demo, b *chromium) {
	for i, c := range []struct {
		eid
		lang string
		how  string
	}{
		{mobile, "sv", ""}, {mobile, "en", ""},
		{bankID, "sv", ""}, {bankID, "en", ""},
		{frejaQR, "sv", "screenshot"}, {frejaQR, "en", "noscript"},
		{frejaApp, "sv", "mobile"}, {frejaApp, "en", "noscript"},
		{telia, "sv", ""}, {telia, "en", "mobile"}, {telia, "sv", "noscript"},
		{testEID, "en", ""}, {testEID, "sv", "noscript"},
	} {
		name := strings.TrimSuffix(c.eid.String()+"-"+c.lang+"-"+c.how, "-")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := d.phone.person(t, 12+i)
			x := b.somebody(t, c.lang)
			switch c.how {
			case "noscript":
				x.withoutScript()
			case "mobile":
				x.onPhone()
			}
			x.visit(app + "/")
			x.press("Logga in")
			x.at(issuer + "/login/")
			x.speak()
			if c.how == "screenshot" {
				x.reaches(c.eid)
				x.photographed(d, p)
			} else {
				x.provesWith(d, c.eid, p)
			}
			x.loggedIn(p.Name)
			x.claims(c.eid, p)
			x.clean()
		})
	}
}

// photographed lets a person approve whose phone reads the code off the screen.
func (x *tab) photographed(d *demo, p person) {
	x.t.Helper()
	zbarimg := program(x.t, "zbarimg")
	x.until("a QR code that is drawn", "[...document.querySelectorAll('img')].some(i => i.src.includes('qr') && i.checkVisibility() && i.naturalWidth > 0)")
	image := filepath.Join(x.t.TempDir(), "screen.png")
	x.must(os.WriteFile(image, run(x, "screenshot", chromedp.CaptureScreenshot()), 0o600))
	text, err := exec.Command(zbarimg, "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", image).Output()
	if err != nil {
		x.t.Fatalf("zbarimg reads no code on the screenshot: %v", err)
	}
	id, err := d.phone.scan(strings.TrimSpace(string(text)))
	x.must(err)
	_, err = d.phone.approve(id, p.Number)
	x.must(err)
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

// testEIDSign lets two persons sign the same, each with another e-ID, from the
// landing page to the receipt, which a stranger then verifies.
func testEIDSign(t *testing.T, d *demo, b *chromium) {
	for _, c := range []struct {
		name, lang string
		by         [2]eid
	}{
		{"bankid-and-freja", "sv", [2]eid{bankID, frejaQR}},
		{"freja-and-bankid", "en", [2]eid{frejaApp, bankID}},
		{"telia-and-mbankid", "sv", [2]eid{telia, mobile}},
		{"mbankid-and-telia", "en", [2]eid{mobile, telia}},
	} {
		t.Run(c.name+"-"+c.lang, func(t *testing.T) {
			t.Parallel()
			s := newSigner(t, d)
			people := []person{d.nobodyYet(t), d.nobodyYet(t)}
			title := map[string]string{"sv": "Med var sin e-legitimation", "en": "Each with another e-ID"}[c.lang] + " " + c.name
			o := s.order(c.lang, title, nil, people[0].by("none"), people[1].by("none"))
			var file []byte
			for i, e := range c.by {
				x := b.somebody(t, c.lang)
				if e == frejaApp {
					x.onPhone()
				}
				if e == telia && c.lang == "en" {
					x.withoutScript()
				}
				x.visit(o.Signatories[i].SignURL)
				x.click(toLogin)
				x.at(issuer + "/login/")
				x.provesWith(d, e, people[i])
				x.at(issuer + "/signing/")
				x.has("#sign")
				if x.noJS {
					// The page that sends people on with a form stays where no script runs.
					x.click(e.button())
					x.has(`.app form`)
					x.judgeInBoth("eid-away-form")
					x.holds("127.0.0.1:8082", "Telia", title)
					x.arrives(e)
				} else {
					x.reaches(e)
				}
				if e == telia {
					x.holds("Exempelby kommun", title) // the issuer's page says what is signed, and for whom
				}
				x.agrees(d, e, people[i])
				x.stands("at the end of the signature")
				if i == 1 {
					x.has(toReceipt)
					file = x.fetches()
				}
				x.clean()
			}
			s.told(o.ID, "signatory.signed 1", "signatory.signed 2", "order.sealing", "order.completed")
			report := d.accepted(t, file, title, people...)
			for i, e := range c.by {
				if got := report.Signatures[i].Provider; got != e.provider {
					t.Errorf("signature %d is by %s, not %s", i+1, got, e.provider)
				}
			}
		})
	}
}
