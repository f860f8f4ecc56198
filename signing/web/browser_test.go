package web

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"sigill/broker/flow"
	"sigill/broker/kit/page"
	"sigill/broker/kit/page/chromium"
	"sigill/broker/oidc"
	"sigill/providers"
	"sigill/signing"
)

// TestPagesInChromium looks at every page.
func TestPagesInChromium(t *testing.T) {
	chromium.Wanted(t)
	mux, all := gallery(t)
	var names []string
	for _, s := range all {
		names = append(names, s.name)
	}
	chromium.Look(t, chromium.Serve(t, mux)+"/gallery/", names, func(name string) time.Duration {
		if strings.HasPrefix(name, "wait-qr") {
			return 400 * time.Millisecond // for the picture to be there
		}
		return 0
	})
}

// walk is a browser in which a person is logged in, and the e-ID order that the
// service begins.
func walk(t *testing.T) (h *house, base string) {
	h = newHouse(t)
	h.order("open")
	h.service.outcomes["eidnew"] = ""
	return h, chromium.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ping" {
			return
		}
		r.AddCookie(&http.Cookie{Name: page.BrowserCookie, Value: browserOne})
		r.AddCookie(&http.Cookie{Name: oidc.SessionCookie, Value: "ett"})
		h.mux.ServeHTTP(w, r)
	}))
}

// prove lets the person sign in the app: first the e-ID order is complete, then
// the signature is taken in.
func (h *house) prove() {
	h.flow.mu.Lock()
	v := h.flow.views["eidnew"]
	v.State = flow.StateComplete
	h.flow.views["eidnew"] = v
	h.flow.mu.Unlock()
}

func (h *house) takeIn() {
	h.service.mu.Lock()
	defer h.service.mu.Unlock()
	h.service.outcomes["eidnew"] = "signed"
	h.signs(h.service.orders["open"], 1)
}

// TestSigningInChromium lets the scripts run: from the review to the app, to the
// page that waits for the signature to arrive, to how it stands.
func TestSigningInChromium(t *testing.T) {
	chromium.Wanted(t)
	h, base := walk(t)
	h.eid("eidnew", "open/1", flow.View{State: flow.StatePending, Wait: waitingFor(providers.ModeOther)})
	ctx := chromium.Start(t)
	chromium.Do(t, ctx, chromedp.Navigate(base+"/signing/demo/o/open/1"))
	chromium.Do(t, ctx, chromedp.Click(chromedp.CSS("button.way.first")))
	chromium.Until(t, ctx, "the code", "(i => i && !i.hidden && i.complete && i.naturalWidth > 0)(document.querySelector('[data-picture]'))")
	h.prove()
	chromium.Until(t, ctx, "the page under way", "location.pathname.endsWith('/e/eidnew/done')")
	h.takeIn()
	chromium.Until(t, ctx, "how it stands", "location.pathname === '/signing/demo/o/open/1' && document.querySelector('h1').textContent === 'Du har skrivit under'")
	if words := chromium.Do(t, ctx, chromedp.Evaluate[string]("document.body.innerText")); strings.Contains(strings.ToLower(words), "inskicka") {
		t.Error("the page says that something was sent in")
	}
	// The other one signs, and the receipt is made while the page is looked at.
	h.service.mu.Lock()
	h.signs(h.service.orders["open"], 2)
	h.service.mu.Unlock()
	chromium.Do(t, ctx, chromedp.Navigate(base+"/signing/demo/o/open/1"))
	chromium.Until(t, ctx, "that all have signed", "document.querySelector('[data-state=sealing]')")
	h.service.mu.Lock()
	h.completes(h.service.orders["open"])
	h.service.mu.Unlock()
	chromium.Until(t, ctx, "the receipt", "document.querySelector('a[href$=\"/receipt.pdf\"]')")
}

// TestScriptIsNotNeeded walks the same way with scripts switched off.
func TestScriptIsNotNeeded(t *testing.T) {
	chromium.Wanted(t)
	h, base := walk(t)
	h.eid("eidnew", "open/1", flow.View{State: flow.StatePending, Wait: waitingFor(providers.ModeOther)})
	ctx := chromium.Start(t)
	chromium.NoScript(t, ctx)
	chromium.Do(t, ctx, chromedp.Navigate(base+"/signing/demo/o/open/1"))
	chromium.Do(t, ctx, chromedp.Click(chromedp.CSS("button.way.first")))
	chromium.Do(t, ctx, chromedp.WaitVisible(chromedp.CSS(".qr iframe")))
	if os.Getenv("SIGILL_SHOTS") != "" {
		time.Sleep(time.Second)
		chromium.Shot(t, ctx, "noscript")
	}
	h.prove()
	chromium.Until(t, ctx, "the page under way", "location.pathname.endsWith('/e/eidnew/done')")
	h.takeIn()
	chromium.Until(t, ctx, "how it stands", "location.pathname === '/signing/demo/o/open/1'")
	if _, of := h.service.orders["open"].Order.Signed(); of != 2 || h.service.orders["open"].State != signing.Open {
		t.Error("the order went on by itself")
	}
}
