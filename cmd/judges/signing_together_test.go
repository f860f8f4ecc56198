package judges

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// testTogether lets the example application ask: its form, what is wrong in it,
// how the order stands, the webhooks that it got, the receipt.
func testTogether(t *testing.T, d *demo, b *chromium, _ *signer) {
	one, two := d.phone.named(t, "ett"), d.phone.named(t, "tva")
	for _, lang := range languages {
		t.Run(lang, func(t *testing.T) {
			x := b.somebody(t, lang)
			x.visit(app + "/")
			x.press("Skriv under tillsammans")
			x.has("#title")
			x.judge("app-together")

			// Two mistakes, then right.
			x.fill("#pnr2", "19800101")
			x.fill("#title", "   ")
			x.attach("#file", "notes.txt", []byte("text"))
			x.click("form.blank button")
			x.has(".wrong")
			x.judgeExpecting("app-together-file", "422")
			x.click("form.blank button")
			x.until("both mistakes", "document.querySelectorAll('.wrong li').length === 2")
			x.judgeExpecting("app-together-wrong", "422")
			title := map[string]string{"sv": "Plats på Exempelby förskola", "en": "A place at Exempelby preschool"}[lang]
			x.fill("#title", title)
			x.fill("#pnr2", two.Number)
			x.attach("#file", "karta.png", picture(t))
			x.click("form.blank button")
			x.until("the order", `document.querySelector('[data-state=open]') && document.querySelectorAll('.timeline li').length === 2`)
			x.judge("app-together-open")
			at := x.location()

			x.click(`form[action$="/remind"] button`)
			x.has(".note")
			x.click(`.timeline a[href^="` + signingRoom + `"]`)
			x.logsIn(d, one)
			x.has("#sign")
			x.holds(title, "karta.png")
			x.signs(d, one)
			x.click(`a[href^="` + app + `/sign/"]`) // the way back
			x.at(at)
			x.until("the signature", "document.querySelector('.timeline .done')")

			y := b.somebody(t, lang).onPhone()
			m := d.phone.await(t, two, "email", title)
			if lang == "en" {
				x.click(`form[action$="/cancel"] button`)
				x.has("[data-state=cancelled]")
				x.told(at, "signatory.signed", "order.cancelled")
				x.judge("app-together-cancelled")
				y.visit(at + "/back")
				y.has("h1")
				y.judge("mobile-app-together-back")
				y.visit(at)
				y.has("h1")
				y.judgeExpecting("mobile-app-together-foreign", "404")
				y.visit(app + "/sign/")
				y.judge("mobile-app-together")
				return
			}
			y.opens(m)
			y.logsIn(d, two)
			y.has("#sign")
			y.signs(d, two)
			x.until("the receipt", "document.querySelector('a[href$=\"/kvittens.pdf\"]') || (location.href = "+quote(at)+", false)")
			x.told(at, "signatory.signed", "signatory.signed", "order.sealing", "order.completed")
			x.judge("app-together-completed")
			x.onPhone()
			x.judge("mobile-app-together-completed")
		})
	}
}

// told waits until the application shows the webhooks that it got.
func (x *tab) told(at string, kinds ...string) {
	x.t.Helper()
	shown := `[...document.querySelectorAll('.hooks th[scope=row]')].map(e => e.firstChild.textContent).join()`
	x.until("the webhooks", shown+" === "+quote(strings.Join(kinds, ","))+" || (location.href = "+quote(at)+", false)")
	if n := value[int](x, "document.querySelectorAll('.hooks .right').length"); n != len(kinds) {
		x.t.Errorf("%d of %d webhooks are shown as right", n, len(kinds))
	}
}

// attach chooses a file.
func (x *tab) attach(css, name string, content []byte) {
	x.t.Helper()
	path := filepath.Join(x.t.TempDir(), name)
	x.must(os.WriteFile(path, content, 0o600))
	run(x, "choose a file", chromedp.SetUploadFiles(chromedp.CSS(css), []string{path}))
}
