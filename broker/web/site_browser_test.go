package web

import (
	"fmt"
	"html"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/page/chromium"
	"sigill/providers"
)

// TestSiteInChromium goes to an issuer on another site and back, by address and by
// form, with scripts and without: our cookies are Lax, and the answer comes as a
// form of a foreign site.
func TestSiteInChromium(t *testing.T) {
	chromium.Wanted(t)
	for name, c := range map[string]struct{ script, post bool }{
		"by address":                 {true, false},
		"by form":                    {true, true},
		"by address, without script": {false, false},
		"by form, without script":    {false, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.now = time.Now()
			var ours string
			// The issuer: a page to agree on, and the answer as a form that sends itself.
			issuer := chromium.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				switch r.FormValue("RelayState") {
				case "":
					http.Error(w, "no handle", http.StatusBadRequest)
				default:
					if (r.Method == http.MethodPost) != c.post {
						http.Error(w, r.Method, http.StatusBadRequest)
						return
					}
					fmt.Fprintf(w, `<!doctype html><title>Issuer</title><form method="post" action="%s/eid/telia/back"><input type="hidden" name="SAMLResponse" value="x"><input type="hidden" name="RelayState" value="%s"><button id="agree">Yes</button></form>`,
						ours, html.EscapeString(r.FormValue("RelayState")))
				}
			}))
			base := chromium.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/callback":
					_, _ = w.Write([]byte("<!doctype html><title>Tillbaka</title>"))
				case r.URL.Path == "/start":
					h.web.Pages.Cookies.Set(w, "sigill_browser", browserOne, time.Hour)
					w.Header().Set("Location", self)
					w.WriteHeader(http.StatusSeeOther)
				default:
					h.mux.ServeHTTP(w, r)
				}
			}))
			ours = strings.Replace(base, "127.0.0.1", "localhost", 1) // another site than the issuer's
			h.flow.away = providers.Redirect{URL: issuer + "/sso?SAMLRequest=x&RelayState=o.secret"}
			if c.post {
				h.flow.away = providers.PostForm{URL: issuer + "/sso", Fields: map[string]string{"SAMLRequest": "x", "RelayState": "o.secret"}}
			}
			h.login(loginOne, func(l *broker.Login) {
				l.Offered, l.Request.RedirectURI, l.Lang = []providers.ID{providers.Telia}, ours+"/callback", "sv"
			})
			h.flow.handles["telia back o.secret"] = ours + "/return/o?n=nonce"

			ctx := chromium.Start(t)
			if !c.script {
				chromium.NoScript(t, ctx)
			}
			chromium.Do(t, ctx, chromedp.Navigate(ours+"/start"))
			chromium.Do(t, ctx, chromedp.Click(chromedp.CSS("button.way.first")))
			if c.post && !c.script {
				chromium.Do(t, ctx, chromedp.WaitVisible(chromedp.CSS("form[action^='"+issuer+"'] button")))
				chromium.Do(t, ctx, chromedp.Click(chromedp.CSS("form[action^='"+issuer+"'] button")))
			}
			chromium.Do(t, ctx, chromedp.WaitVisible(chromedp.CSS("#agree")))

			// Back, and there again by the button.
			h.flow.mu.Lock()
			order := h.flow.begun[0].ID
			v := h.flow.views[order]
			v.Order.Created = h.now.Add(-time.Minute)
			h.flow.views[order] = v
			h.flow.mu.Unlock()
			chromium.Do(t, ctx, chromedp.Navigate(ours+orderPage(loginOne, order)))
			way := ".app .btn.main"
			chromium.Do(t, ctx, chromedp.WaitVisible(chromedp.CSS(way)))
			time.Sleep(300 * time.Millisecond)
			if at := chromium.Do(t, ctx, chromedp.Location()); !strings.HasPrefix(at, ours) {
				t.Fatalf("sent away again, to %s", at)
			}
			chromium.Do(t, ctx, chromedp.Click(chromedp.CSS(way)))
			chromium.Do(t, ctx, chromedp.WaitVisible(chromedp.CSS("#agree")))

			h.flow.mu.Lock()
			v = h.flow.views[order]
			v.State, v.Away = flow.StateComplete, nil
			v.Order.ID = order
			h.flow.views[order] = v
			h.flow.arrivals["o nonce"] = flow.Arrival{Outcome: flow.Welcome, Order: v.Order}
			h.flow.owners["o"] = browserOne // whose cookie must come along
			h.flow.mu.Unlock()
			chromium.Do(t, ctx, chromedp.Click(chromedp.CSS("#agree")))
			for range 100 {
				if at := chromium.Do(t, ctx, chromedp.Location()); strings.HasPrefix(at, ours+"/callback?code=c") {
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
			t.Fatalf("never back at the application: %s", chromium.Do(t, ctx, chromedp.Location()))
		})
	}
}

// TestSiteThatRedirectsInChromium: an issuer whose address sends the form on to its
// login server, on another host. Chromium holds the whole chain against the page.
func TestSiteThatRedirectsInChromium(t *testing.T) {
	chromium.Wanted(t)
	h := newHouse(t)
	h.now = time.Now()
	server := chromium.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("<!doctype html><title>Issuer</title>"))
	}))
	issuer := chromium.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, server+"/", http.StatusSeeOther)
	}))
	ours := strings.Replace(chromium.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/start" {
			h.web.Pages.Cookies.Set(w, "sigill_browser", browserOne, time.Hour)
			http.Redirect(w, r, self, http.StatusSeeOther)
			return
		}
		h.mux.ServeHTTP(w, r)
	})), "127.0.0.1", "localhost", 1)
	h.flow.away = providers.PostForm{URL: issuer + "/sso", Fields: map[string]string{"SAMLRequest": "x", "RelayState": "o.secret"}}
	h.login(loginOne, func(l *broker.Login) { l.Offered = []providers.ID{providers.Telia} })
	ctx := chromium.Start(t)
	chromium.Do(t, ctx, chromedp.Navigate(ours+"/start"))
	chromium.Do(t, ctx, chromedp.Click(chromedp.CSS("button.way.first")))
	for range 100 {
		if strings.HasPrefix(chromium.Do(t, ctx, chromedp.Location()), server) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("never there; still at %s", chromium.Do(t, ctx, chromedp.Location()))
}
