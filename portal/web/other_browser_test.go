package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"sigill/broker/kit/page/chromium"
	"sigill/portal"
)

// TestOtherPagesInChromium looks at every page of this half.
func TestOtherPagesInChromium(t *testing.T) {
	chromium.Wanted(t)
	h, all := otherSamples(t)
	var names []string
	byName := map[string]sample{}
	for _, s := range all {
		names = append(names, s.name)
		byName[s.name] = s
	}
	front := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, ok := byName[strings.TrimPrefix(r.URL.Path, "/gallery/")]
		if !ok {
			h.handler.ServeHTTP(w, r)
			return
		}
		path := s.path
		if r.URL.RawQuery != "" {
			path = with(path, r.URL.RawQuery)
		}
		drawn := httptest.NewRecorder()
		h.handler.ServeHTTP(drawn, request(http.MethodGet, path, s.who, nil))
		drawn.Header().Del("Refresh") // it would lead away from the gallery
		for k, v := range drawn.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(drawn.Code)
		_, _ = w.Write(drawn.Body.Bytes())
	})
	chromium.Look(t, chromium.Serve(t, front)+"/gallery/", names, nil)
}

// TestOtherPagesWithoutScript writes a message and takes a draft back, with the
// scripts of pages off: links, forms and answers are enough.
func TestOtherPagesWithoutScript(t *testing.T) {
	chromium.Wanted(t)
	h := lived(t)
	_, waiting := h.waits("one", party(1, "Testperson Ett", portal.PartySigned), party(2, "Testperson Två", portal.PartyFailed, told(h.now, "failed")))
	site := chromium.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = "localhost:8081"
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: "one"})
		h.handler.ServeHTTP(w, r)
	}))
	ctx := chromium.Start(t)
	chromium.NoScript(t, ctx)

	chromium.Do(t, ctx, chromedp.Navigate(site+base+"/mina-sidor?lang=sv"))
	chromium.Do(t, ctx, chromedp.Click(chromedp.CSS("a[href$='/arende/"+string(caseOne)+"']")))
	chromium.Until(t, ctx, "the case", "document.querySelector('#text')")
	chromium.Do(t, ctx, chromedp.SendKeys(chromedp.CSS("#text"), "Hej och tack"))
	chromium.Do(t, ctx, chromedp.Click(chromedp.CSS("form[action$='/meddelande'] button")))
	chromium.Until(t, ctx, "the answer", "document.querySelector('[role=status]').textContent.includes('Ditt meddelande är skickat')")
	if len(h.cases.wrote) != 1 || !strings.HasSuffix(h.cases.wrote[0], ": Hej och tack") {
		t.Errorf("written %d times", len(h.cases.wrote))
	}

	chromium.Do(t, ctx, chromedp.Navigate(site+waiting))
	chromium.Do(t, ctx, chromedp.Click(chromedp.CSS("form.field button"))) // of the party that was not reached
	chromium.Until(t, ctx, "the change", "document.querySelector('[role=status]').textContent.includes('Kontaktuppgifterna är ändrade')")
	chromium.Do(t, ctx, chromedp.Click(chromedp.CSS("a[href$='?do=withdraw']")))
	chromium.Until(t, ctx, "the question", "document.querySelector('h1').textContent.includes('Vill du ta tillbaka')")
	if len(h.desk.done) != 1 {
		t.Errorf("done before it was asked: %q", h.desk.done)
	}
	chromium.Do(t, ctx, chromedp.Click(chromedp.CSS("button.danger")))
	chromium.Until(t, ctx, "the draft", "location.search === ''") // which still waits in this house
	if len(h.desk.done) != 2 || h.desk.done[1] != "withdraw" {
		t.Errorf("done: %q", h.desk.done)
	}
}
