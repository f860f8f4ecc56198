package judges

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"golang.org/x/oauth2"
)

// Elements that the tests press. Words would be clearer, but each page is
// judged in two languages.
const (
	withQR   = `form:has(input[name=provider][value=mbankid]):has(input[name=device][value=other]) button`
	withApp  = `form:has(input[name=provider][value=bankid]):has(input[name=device][value=this]) button`
	cancel   = `form[action$="/cancel"] button`
	giveUp   = `form[action$="/back"] button`
	appLink  = `a[href^="` + phone + `/app"]`
	approve  = `button[value=approve]`
	camera   = `button[name=camera]`
	scanForm = `form:has(#qr) button`
)

var languages = []string{"sv", "en"}

// takePhone opens the phone page as one of its persons, by the short name.
func (b *chromium) takePhone(t *testing.T, lang, who string) *tab {
	t.Helper()
	p := b.somebody(t, lang)
	p.visit(phone + "/")
	p.has("button[name=person]")
	p.speak()
	p.click(`button[name=person][value="` + who + `"]`)
	p.has("#qr")
	return p
}

// speak brings a page to the window's language by the page's own switch.
func (x *tab) speak() {
	x.t.Helper()
	if !strings.HasPrefix(value[string](x, "document.documentElement.lang"), x.lang) {
		x.press(map[string]string{"sv": "Svenska", "en": "English"}[x.lang])
		x.until("the other language", "document.documentElement.lang.startsWith("+quote(x.lang)+")")
	}
}

// choose goes from the application to the chooser and chooses.
func (x *tab) choose(way string) {
	x.t.Helper()
	x.visit(app + "/login")
	x.has(way)
	x.speak()
	x.click(way)
	x.has(cancel)
}

// scan holds the phone to the code that code gives: again and again until the
// phone takes it, since a code is good for a moment only.
func (x *tab) scan(code func() string) {
	x.t.Helper()
	for range 10 {
		x.has("#qr")
		value[bool](x, "document.querySelectorAll('details').forEach(d => d.open = true) || true")
		run(x, "paste the code", chromedp.SetValue(chromedp.CSS("#qr"), code()))
		x.click(scanForm)
		x.until("an answer of the phone", `location.pathname.startsWith('/phone/')`)
		if strings.Contains(x.location(), "/phone/orders/") {
			return
		}
	}
	x.t.Fatalf("the phone takes no code\n%s", x.where())
}

// loggedIn waits for the claims at the example application.
func (x *tab) loggedIn(name string) {
	x.t.Helper()
	x.at(app + "/")
	x.until("the claims of "+name, `document.querySelector('[data-claim="name"]')?.innerText.trim() === `+quote(name))
	x.has(`[data-claim="` + claimNumber + `"]`)
}

// goOn does what a person without script does when the page does not go on by
// itself: follow the link that the frame shows.
func (x *tab) goOn() {
	x.t.Helper()
	const link = "document.querySelector('iframe')?.contentDocument?.querySelector('a[target=_top]')"
	x.until("a way on", "!document.querySelector('iframe') || "+link)
	// The page may go on at this very moment: then there is nothing to press.
	_, _ = within(x, chromedp.Evaluate[bool]("("+link+"?.click(), true)"))
}

// testQR is the first journey: application, chooser, QR code, the phone, claims.
// Every page is judged, in both languages.
func testQR(t *testing.T, d *demo) {
	b := newChromium(t)
	for _, lang := range languages {
		t.Run(lang, func(t *testing.T) {
			x := b.somebody(t, lang)
			x.visit(app + "/")
			x.judgeIn("app-welcome", "sv")
			x.press("Logga in")
			x.at(issuer + "/login/")
			x.has(withQR)
			x.speak()
			x.judge("choose")
			value[bool](x, "document.querySelectorAll('details').forEach(d => d.open = true) || true")
			x.judge("choose-open")
			x.click(withQR)
			x.until("a QR code that is drawn", "[...document.querySelectorAll('img')].some(i => i.src.includes('qr') && i.checkVisibility() && i.naturalWidth > 0)")
			x.judge("wait-qr")

			p := b.somebody(t, lang)
			p.visit(phone + "/")
			p.has("button[name=person]")
			p.speak()
			p.judge("phone-people")
			p.click(`button[name=person][value="ett"]`)
			p.has(camera)
			p.judge("phone-home")
			p.click(camera)
			p.has(approve)
			p.judge("phone-order")
			x.until("word that the app is open", "![...document.querySelectorAll('img')].some(i => i.src.includes('qr') && i.checkVisibility())")
			x.judge("wait-opened")
			p.click(approve)
			p.has(".mark.complete")
			p.judge("phone-done")

			x.loggedIn("Testperson Ett")
			x.judgeIn("app-claims", "sv")
		})
	}
}

// testQRFromScreenshot reads the code as a camera would.
func testQRFromScreenshot(t *testing.T, d *demo) {
	zbarimg := program(t, "zbarimg")
	b := newChromium(t)
	x := b.somebody(t, "sv")
	x.choose(withQR)
	x.until("a QR code that is drawn", "[...document.querySelectorAll('img')].some(i => i.src.includes('qr') && i.checkVisibility() && i.naturalWidth > 0)")
	p := b.takePhone(t, "sv", "tva")
	image := filepath.Join(t.TempDir(), "screen.png")
	p.scan(func() string {
		x.must(os.WriteFile(image, run(x, "screenshot", chromedp.CaptureScreenshot()), 0o600))
		text, err := exec.Command(zbarimg, "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", image).Output()
		if err != nil {
			t.Fatalf("zbarimg reads no code on the screenshot: %v", err)
		}
		return strings.TrimSpace(string(text))
	})
	p.click(approve)
	x.loggedIn("Testperson Två")
}

// testWithoutScript is the same journey in a browser that runs no script.
func testWithoutScript(t *testing.T, d *demo) {
	b := newChromium(t)
	for _, lang := range languages {
		t.Run(lang, func(t *testing.T) {
			x := b.somebody(t, lang).withoutScript()
			x.visit(app + "/")
			x.press("Logga in")
			x.has(withQR)
			x.speak()
			x.click(withQR)
			x.has("iframe")
			x.until("a QR code in the frame", "document.querySelector('iframe').contentDocument?.querySelector('svg')")
			x.judge("noscript-wait-qr")
			shown := value[string](x, "document.querySelector('iframe').contentDocument.querySelector('svg').outerHTML")
			x.until("the next QR code", "(document.querySelector('iframe').contentDocument?.querySelector('svg')?.outerHTML ?? "+quote(shown)+") !== "+quote(shown))

			frame := x.another()
			frame.visit(value[string](x, "document.querySelector('iframe').src"))
			frame.withoutScript()
			frame.judge("noscript-frame")

			p := b.takePhone(t, lang, "tre")
			p.scan(func() string { return x.waiting(issuer).QR })
			p.click(approve)
			x.goOn()
			x.loggedIn("Testperson Tre")
		})
		t.Run("this-"+lang, func(t *testing.T) {
			x := b.somebody(t, lang).withoutScript()
			x.choose(withApp)
			x.has(appLink)
			x.judge("noscript-wait-app")
			x.click(appLink)
			x.at(phone + "/phone/orders/")
			x.click(`button[name=person][value="sex"]`)
			x.click(approve)
			x.goOn()
			x.loggedIn("Testperson Sex")
		})
	}
}

// testOnPhone logs in on the device that has the e-ID, by the app link and the
// return address.
func testOnPhone(t *testing.T, d *demo) {
	b := newChromium(t)
	for _, lang := range languages {
		t.Run(lang, func(t *testing.T) {
			x := b.somebody(t, lang).onPhone()
			x.visit(app + "/")
			x.judgeIn("mobile-app-welcome", "sv")
			x.press("Logga in")
			x.has(withApp)
			x.speak()
			x.judge("mobile-choose")
			x.click(withApp)
			// The page may open the app by itself, or wait for the link.
			x.until("the app or its link", "location.href.startsWith("+quote(phone)+") || document.querySelector("+quote(appLink)+")")
			if strings.HasPrefix(x.location(), issuer) {
				value[bool](x, "(document.querySelector("+quote(appLink)+")?.click(), true)")
			}
			x.at(phone + "/phone/orders/")
			x.has("button[name=person]")
			x.speak()
			x.click(`button[name=person][value="fyra"]`)
			x.has(approve)
			x.judge("mobile-phone-order")
			x.click(approve)
			// The app goes back by itself, or by its link.
			x.loggedIn("Testperson Fyra")
			x.judgeIn("mobile-app-claims", "sv")
		})
	}
}

// testKeyboard logs in with Tab and Enter alone, and sees the focus all the way.
func testKeyboard(t *testing.T, d *demo) {
	b := newChromium(t)
	x := b.somebody(t, "sv")
	x.visit(app + "/")
	x.tabTo(`a[href="/login"]`)
	x.key(kb.Enter)
	x.at(issuer + "/login/")
	x.tabTo(withQR)
	x.key(kb.Enter)
	x.until("a QR code that is drawn", "[...document.querySelectorAll('img')].some(i => i.src.includes('qr') && i.checkVisibility())")
	x.tabTo(cancel)
	p := b.takePhone(t, "sv", "fem")
	p.visit(phone + "/?person")
	p.tabTo(`button[name=person][value="fem"]`)
	p.key(kb.Enter)
	p.tabTo(camera)
	p.key(kb.Enter)
	p.tabTo(approve)
	p.key(kb.Enter)
	x.loggedIn("Testperson Fem")
	x.tabTo(`form[action="/logout"] button`)
	x.key(kb.Enter)
	x.at(app + "/")
	x.has(`a[href="/login"]`)
}

// key presses a key.
func (x *tab) key(k string) {
	x.t.Helper()
	run(x, "press a key", chromedp.KeyEvent(k))
}

// tabTo presses Tab until an element has the focus, and demands that every stop
// on the way can be seen.
func (x *tab) tabTo(css string) {
	x.t.Helper()
	x.has(css)
	for range 80 {
		if value[bool](x, "document.activeElement === document.querySelector("+quote(css)+")") {
			return
		}
		x.key(kb.Tab)
		if !value[bool](x, `(() => {
			const e = document.activeElement
			if (!e || e === document.body || e.tagName === 'IFRAME') return true
			const s = getComputedStyle(e), box = e.getBoundingClientRect()
			return (s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0 || s.boxShadow !== 'none') && box.width > 0 && box.height > 0
		})()`) {
			x.t.Errorf("the focus cannot be seen on %s", value[string](x, "document.activeElement.outerHTML.slice(0, 80)"))
		}
	}
	x.t.Fatalf("Tab does not reach %s\n%s", css, x.where())
}

// testFailures walks the ways in which a login ends without a person.
func testFailures(t *testing.T, d *demo) {
	b := newChromium(t)
	for _, lang := range languages {
		t.Run("cancelled-in-app-"+lang, func(t *testing.T) {
			x := b.somebody(t, lang)
			x.choose(withQR)
			x.has(cancel)
			p := b.takePhone(t, lang, "sju")
			p.scan(func() string { return x.waiting(issuer).QR })
			p.click(`button[value=cancel]`)
			p.has(".mark.failed")
			p.judge("phone-stopped")
			x.has(giveUp)
			x.has(".ref")
			x.judge("failed-cancelled")
			x.click(giveUp)
			x.at(app + "/")
			x.judgeIn("app-denied", "sv")
		})
		t.Run("cancelled-in-browser-"+lang, func(t *testing.T) {
			x := b.somebody(t, lang)
			x.withoutScript().choose(withApp) // a script opens the app at once
			x.click(cancel)
			x.has(withQR)
			x.judge("choose-again")
		})
		t.Run("wrong-browser-"+lang, func(t *testing.T) {
			x := b.somebody(t, lang)
			// The page would open the app by itself, in this window.
			x.withoutScript().choose(withApp)
			x.has(appLink)
			token, err := tokenOf(value[string](x, "document.querySelector("+quote(appLink)+").href"))
			x.must(err)
			id, err := d.phone.open(token)
			x.must(err)
			back, err := d.phone.approve(id, d.phone.person(t, 7).Number)
			x.must(err)
			x.until("word that the app is done", "!document.querySelector("+quote(appLink)+")")
			x.judge("returning")
			stranger := b.somebody(t, lang)
			stranger.visit(back)
			stranger.has("h1")
			stranger.judgeExpecting("return-wrong-browser", "403")
			stranger.visit(back)
			stranger.has("h1")
			stranger.judgeExpecting("return-spent", "410")
			x.has(giveUp)
			x.judge("failed-wrong-browser")
		})
		t.Run("issuer-down-"+lang, func(t *testing.T) {
			d.phone.fault(t, "http503")
			x := b.somebody(t, lang)
			x.visit(app + "/login")
			x.has(withQR)
			x.speak()
			x.click(withQR)
			x.until("a page that says so", "document.querySelector('.sign.warn, .sign.bad')")
			x.judgeExpecting("issuer-down", "50")
		})
		t.Run("bad-signature-"+lang, func(t *testing.T) {
			d.phone.fault(t, "badSignature")
			x := b.somebody(t, lang)
			x.choose(withQR)
			x.has(cancel)
			p := b.takePhone(t, lang, "nio")
			p.scan(func() string { return x.waiting(issuer).QR })
			p.click(approve)
			x.has(giveUp)
			x.judge("failed-evidence")
		})
		t.Run("two-tabs-"+lang, func(t *testing.T) {
			x := b.somebody(t, lang).withoutScript()
			x.choose(withQR)
			x.has("iframe")
			done := value[string](x, "location.href")
			p := b.takePhone(t, lang, "tio")
			p.scan(func() string { return x.waiting(issuer).QR })
			p.click(approve)
			x.goOn()
			x.loggedIn("Testperson Tio")
			y := x.another()
			y.visit(done)
			y.has("h1")
			y.judge("continued-elsewhere")
		})
		t.Run("refused-"+lang, func(t *testing.T) {
			client := newClient(t, issuer, "judges-adults", "judges-adults-secret", callback, "profile")
			for _, who := range []string{"fyrtioett", "fyrtiotre"} { // a teenager, a samordningsnummer
				x := b.somebody(t, lang)
				x.visit(client.attempt().url(oauth2.SetAuthURLParam("ui_locales", lang)))
				x.click(withQR)
				x.has(cancel)
				p := b.takePhone(t, lang, who)
				p.scan(func() string { return x.waiting(issuer).QR })
				p.click(approve)
				x.has(`form[action$="/back"] input[name=code]`)
				x.judgeExpecting("rejected-"+who, "403")
			}
		})
		t.Run("form-post-"+lang, func(t *testing.T) {
			client := newClient(t, issuer, "demo-basic", "demo-basic-secret", callback, "profile")
			x := b.somebody(t, lang).withoutScript()
			x.visit(client.attempt().url(oauth2.SetAuthURLParam("response_mode", "form_post")))
			x.click(withQR)
			x.has("iframe")
			p := b.takePhone(t, lang, "elva")
			p.scan(func() string { return x.waiting(issuer).QR })
			p.click(approve)
			x.goOn()
			x.has(`form[action="` + callback + `"]`)
			x.judge("onward")
		})
	}
}

// testLanguage: a browser that prefers English gets English without asking,
// and what the application asks for counts more.
func testLanguage(t *testing.T, d *demo) {
	b := newChromium(t)
	client := newClient(t, issuer, "demo-basic", "demo-basic-secret", callback, "profile")
	for _, c := range []struct{ prefers, asked, want string }{
		{"sv", "", "sv"}, {"en", "", "en"}, {"en", "sv", "sv"}, {"sv", "en", "en"}, {"sv", "de", "sv"}, {"en", "de", "en"},
	} {
		x := b.somebody(t, c.prefers)
		var more []oauth2.AuthCodeOption
		if c.asked != "" {
			more = append(more, oauth2.SetAuthURLParam("ui_locales", c.asked))
		}
		x.visit(client.attempt().url(more...))
		x.has(withQR)
		if got := value[string](x, "document.documentElement.lang"); got != c.want {
			t.Errorf("the browser prefers %s, the application asks for %q: the chooser is in %s", c.prefers, c.asked, got)
		}
	}
}

// testRefusals judges the pages for requests that go nowhere.
func testRefusals(t *testing.T, d *demo) {
	b := newChromium(t)
	for _, lang := range languages {
		x := b.somebody(t, lang)
		authorize := issuer + "/authorize?"
		query := func(pairs ...string) string {
			q := url.Values{"response_type": {"code"}, "scope": {"openid"}, "client_id": {"demo-basic"}, "redirect_uri": {callback}, "state": {"s"}}
			for i := 0; i < len(pairs); i += 2 {
				q.Set(pairs[i], pairs[i+1])
			}
			return authorize + q.Encode()
		}
		for _, c := range []struct{ name, address, status string }{
			{"error-unknown-client", query("client_id", "nobody"), "400"},
			{"error-redirect", query("redirect_uri", "https://evil.example.com/"), "400"},
			{"error-repeated", query() + "&client_id=demo-basic", "400"},
			{"error-too-large", query("nonce", strings.Repeat("x", 40_000)), "414"},
			{"error-expired", issuer + "/login/" + strings.Repeat("A", 43), "404"},
			{"error-not-found", issuer + "/no/such/page", "404"},
			{"front", issuer + "/", "none"},
		} {
			x.visit(c.address)
			x.has("h1")
			x.judgeExpecting(c.name, c.status)
			if text := value[string](x, "document.body.innerText"); strings.Contains(text, "goroutine") || strings.Contains(text, ".go:") {
				t.Errorf("%s shows a stack trace", c.name)
			}
		}
		p := b.somebody(t, lang)
		p.visit(phone + "/")
		p.has("button[name=person]")
		p.speak()
		p.visit(phone + "/app?autostarttoken=nothing")
		p.judgeExpecting("phone-unknown", "404")
	}
}

// testLogout: the application's own way out, and the question that is asked
// when nobody says which session is meant.
func testLogout(t *testing.T, d *demo) {
	b := newChromium(t)
	for _, lang := range languages {
		t.Run(lang, func(t *testing.T) {
			x := b.somebody(t, lang)
			d.phone.obey(t, d.phone.person(t, 11).Number, 300*time.Millisecond)
			x.choose(withQR)
			x.loggedIn(d.phone.person(t, 11).Name)
			x.visit(issuer + "/logout")
			x.has(`form[action*="/logout/"] button`)
			x.judge("logout-question")
			x.click(`form[action*="/logout/"] button`)
			x.until("word that it is done", `!document.querySelector('form[action*="/logout/"]') && document.querySelector('h1')`)
			x.judge("logged-out")
			// The session is over: the next login asks for an e-ID.
			x.visit(app + "/login")
			x.has(withQR)
		})
	}
}
