package web

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/page"
	"sigill/broker/kit/page/chromium"
	"sigill/providers"
)

// TestPagesInChromium looks at every page.
func TestPagesInChromium(t *testing.T) {
	chromium.Wanted(t)
	mux, all := gallery(t)
	var names []string
	for _, s := range all {
		if s.name != "onward" { // goes on by itself before anybody can look
			names = append(names, s.name)
		}
	}
	chromium.Look(t, chromium.Serve(t, mux)+"/gallery/", names, func(name string) time.Duration {
		if strings.HasPrefix(name, "wait-qr") {
			return 400 * time.Millisecond // for the picture to be there
		}
		return 0
	})
}

// TestWaitingInChromium lets the script of the waiting page run: the code is
// swapped, gives way when an app has the order, and the browser goes on by
// itself when the order is complete. A status that fails once is survived.
func TestWaitingInChromium(t *testing.T) {
	chromium.Wanted(t)
	h := newHouse(t)
	var mu sync.Mutex
	stumble, pictures := 0, 0
	base := chromium.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/callback" {
			_, _ = w.Write([]byte("<!doctype html><title>Tillbaka</title>"))
			return
		}
		mu.Lock()
		if strings.HasSuffix(r.URL.Path, "/qr.svg") {
			pictures++
		}
		fail := strings.HasSuffix(r.URL.Path, "/status") && stumble > 0
		if fail {
			stumble--
		}
		mu.Unlock()
		if fail {
			http.Error(w, "", http.StatusBadGateway)
			return
		}
		r.AddCookie(&http.Cookie{Name: page.BrowserCookie, Value: browserOne})
		h.mux.ServeHTTP(w, r)
	}))
	h.login(loginOne, func(l *broker.Login) { l.Request.RedirectURI = base + "/callback"; l.Lang = "sv" })
	ctx := chromium.Start(t)
	until := func(what, expression string) {
		t.Helper()
		chromium.Until(t, ctx, what, expression)
	}
	chromium.Do(t, ctx, chromedp.Navigate(base+self))
	chromium.Do(t, ctx, chromedp.Click(chromedp.CSS("button.way.first")))
	until("the code", "(i => i && !i.hidden && i.complete && i.naturalWidth > 0)(document.querySelector('[data-picture]'))")
	if app := chromium.Do(t, ctx, chromedp.Evaluate[bool]("document.querySelector('[data-app]').hidden")); !app {
		t.Error("code and app are shown at once")
	}
	first := chromium.Do(t, ctx, chromedp.Evaluate[string]("document.querySelector('[data-picture]').src"))
	order := h.flow.orders()[0].ID
	change := func(f func(*flow.View)) {
		h.flow.mu.Lock()
		defer h.flow.mu.Unlock()
		v := h.flow.views[order]
		f(&v)
		h.flow.views[order] = v
	}
	mu.Lock()
	before := pictures
	stumble = 1
	mu.Unlock()
	change(func(v *flow.View) { v.Wait.QR += "2" })
	until("another code", "document.querySelector('[data-picture]').src !== "+strconv.Quote(first))
	mu.Lock()
	if pictures != before+1 || before != 1 {
		t.Errorf("the picture was asked for %d and %d times", before, pictures)
	}
	mu.Unlock()
	change(func(v *flow.View) {
		v.Wait = providers.Wait{Hint: "userSign", PickedUp: true, Text: providers.Text{SV: "Bekräfta i appen.", EN: "Confirm."}}
	})
	until("the app", "document.querySelector('[data-code]').hidden && !document.querySelector('[data-app]').hidden && document.querySelector('[data-hint]').textContent === 'Bekräfta i appen.'")
	change(func(v *flow.View) { v.State = flow.StateComplete })
	until("the application", "location.pathname === '/callback' && location.search === '?code=c'")
}

// TestScriptIsNotNeeded walks the same way with scripts switched off.
func TestScriptIsNotNeeded(t *testing.T) {
	chromium.Wanted(t)
	h := newHouse(t)
	base := chromium.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/callback" {
			_, _ = w.Write([]byte("<!doctype html><title>Tillbaka</title>"))
			return
		}
		r.AddCookie(&http.Cookie{Name: page.BrowserCookie, Value: browserOne})
		h.mux.ServeHTTP(w, r)
	}))
	h.login(loginOne, func(l *broker.Login) { l.Request.RedirectURI = base + "/callback" })
	ctx := chromium.Start(t)
	chromium.NoScript(t, ctx)
	chromium.Do(t, ctx, chromedp.Navigate(base+self))
	chromium.Do(t, ctx, chromedp.Click(chromedp.CSS("button.way.first")))
	chromium.Do(t, ctx, chromedp.WaitVisible(chromedp.CSS(".qr iframe")))
	order := h.flow.orders()[0].ID
	if os.Getenv("SIGILL_SHOTS") != "" {
		time.Sleep(time.Second)
		chromium.Shot(t, ctx, "noscript")
	}
	h.flow.mu.Lock()
	v := h.flow.views[order]
	v.State = flow.StateComplete
	h.flow.views[order] = v
	h.flow.mu.Unlock()
	for range 100 {
		if at := chromium.Do(t, ctx, chromedp.Location()); strings.HasPrefix(at, base+"/callback?code=c") {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the page did not go on by itself")
}
