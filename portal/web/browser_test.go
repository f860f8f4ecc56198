package web

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"sigill/broker/kit/page"
	"sigill/broker/kit/page/chromium"
	"sigill/portal"
)

// TestPagesInChromium looks at every page from the catalogue to the button that
// sends.
func TestPagesInChromium(t *testing.T) {
	chromium.Wanted(t)
	mux, names := gallery(t)
	chromium.Look(t, chromium.Serve(t, mux)+"/gallery/", names, nil)
}

// tab is a browser in which somebody fills in.
type tab struct {
	*house
	mu   sync.Mutex
	who  string // empty: the login has ended
	slow time.Duration
	base string
}

func newTab(t *testing.T) *tab {
	h := newHouse(t)
	b := &tab{house: h, who: "one"}
	served := chromium.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if r.Method == http.MethodPost {
			time.Sleep(b.slow)
		}
		r.AddCookie(&http.Cookie{Name: page.LangCookie, Value: "sv"})
		if b.who != "" {
			r.AddCookie(&http.Cookie{Name: sessionCookie, Value: b.who})
		}
		h.handler.ServeHTTP(w, r)
	}))
	host := strings.TrimPrefix(served, "http://")
	h.catalogue.tenants[0].BaseURL = "http://" + host + base
	b.base = served
	return b
}

func (b *tab) set(who string, slow time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.who, b.slow = who, slow
}

func (b *tab) draftNow(id portal.DraftID) portal.Draft {
	b.drafts.mu.Lock()
	defer b.drafts.mu.Unlock()
	return *b.drafts.drafts[id]
}

// TestAutosaveInChromium: answers are saved by themselves, questions that an
// answer brings come without a button, and a button waits for a save under way.
func TestAutosaveInChromium(t *testing.T) {
	chromium.Wanted(t)
	b := newTab(t)
	id := b.draft("one", preschool(t), nil)
	ctx := chromium.Start(t)
	run := func(script string) { chromium.Do(t, ctx, chromedp.Evaluate[any]("(() => {"+script+"; return 1})()")) }
	chromium.Do(t, ctx, chromedp.Navigate(b.base+draftAt(id, "/s/barnet")))
	run(`document.getElementById("f-barn").click()`)
	chromium.Until(t, ctx, "the question that the answer brings", `document.getElementById("f-vh2_kontakt-email")`)
	chromium.Until(t, ctx, "that it says so", `document.querySelector("[data-kept]").textContent.startsWith("Sparat")`)
	if d := b.draftNow(id); d.Answers["barn"].Child == nil || len(d.Saved) != 0 {
		t.Error("not saved, or marked as done")
	}
	if order := chromium.Do(t, ctx, chromedp.Evaluate[string](`[...document.querySelectorAll("#fields > *")].map(e => e.id).join(" ")`)); order != "f-sokande_namn f-sokande_adress f-barn-set f-tva_vardnadshavare f-vh2_kontakt-set" {
		t.Errorf("the order of questions: %s", order)
	}
	// A change, and the button while the change is being saved.
	b.set("one", 300*time.Millisecond)
	run(`const i = document.getElementById("f-vh2_kontakt-email"); i.value = "tva@example.se"; i.dispatchEvent(new Event("change", {bubbles: true}))`)
	chromium.Until(t, ctx, "the save to begin", `document.querySelector("[data-kept]").textContent === "Sparar …"`)
	run(`document.querySelector(".acts .main").click()`)
	chromium.Until(t, ctx, "the next step", `location.pathname.endsWith("/s/platsen") && document.readyState === "complete"`)
	if d := b.draftNow(id); d.Answers["vh2_kontakt"].Parts["email"] != "tva@example.se" || len(d.Saved) != 1 {
		t.Error("not saved")
	}
	// Text that is only typed, and the tab is hidden or left.
	b.set("one", 0)
	run(`const i = document.getElementById("f-omfattning"); i.focus(); i.value = "30"; i.dispatchEvent(new Event("input", {bubbles: true}))`)
	chromium.Until(t, ctx, "what was typed to be saved", `document.querySelector("[data-kept]").textContent.startsWith("Sparat")`)
	// An answer that takes a question away keeps the focus where it is.
	run(`document.getElementById("f-sysselsattning-2").focus(); document.getElementById("f-sysselsattning-2").click()`)
	chromium.Until(t, ctx, "the file", `document.getElementById("f-studieintyg")`)
	chromium.Until(t, ctx, "the focus", `document.activeElement.id === "f-sysselsattning-2"`)
	run(`document.getElementById("f-sysselsattning").click()`)
	chromium.Until(t, ctx, "the file to go", `!document.getElementById("f-studieintyg")`)

	// Another window has saved.
	b.drafts.mu.Lock()
	b.drafts.drafts[id].Revision += 3
	b.drafts.mu.Unlock()
	run(`const i = document.getElementById("f-omfattning"); i.value = "31"; i.dispatchEvent(new Event("change", {bubbles: true}))`)
	chromium.Until(t, ctx, "that it says so", `document.querySelector("[data-kept].bad").textContent.includes("annat fönster")`)
	run(`document.querySelector(".acts .main").click()`)
	chromium.Until(t, ctx, "the choice", `location.pathname.endsWith("/krock")`)
}

// TestLoginEndsInChromium: the warning, staying, and leaving the page.
func TestLoginEndsInChromium(t *testing.T) {
	chromium.Wanted(t)
	b := newTab(t)
	b.catalogue.tenants[0].Idle = 122 * time.Second // two seconds before the warning
	id := b.draft("one", preschool(t), nil)
	ctx := chromium.Start(t)
	chromium.Do(t, ctx, chromedp.Navigate(b.base+draftAt(id, "/s/barnet")))
	if chromium.Do(t, ctx, chromedp.Evaluate[bool](`document.querySelector("dialog").open`)) {
		t.Error("warned at once")
	}
	chromium.Until(t, ctx, "the warning", `document.querySelector("dialog").open`)
	chromium.Shot(t, ctx, "ending")
	chromium.Do(t, ctx, chromedp.Click(chromedp.CSS("dialog button")))
	chromium.Until(t, ctx, "the dialog to close", `!document.querySelector("dialog").open`)
	chromium.Until(t, ctx, "the next warning", `document.querySelector("dialog").open`)
	// The login has ended all the same: the page is left.
	b.set("", 0)
	chromium.Do(t, ctx, chromedp.Click(chromedp.CSS("dialog button")))
	chromium.Until(t, ctx, "the page to be left", `location.pathname === "/exempelbo/utloggad" && document.querySelector("h1").textContent === "Du har loggats ut"`)
}

// TestScriptIsNotNeeded fills in with scripts switched off.
func TestScriptIsNotNeeded(t *testing.T) {
	chromium.Wanted(t)
	b := newTab(t)
	ctx := chromium.Start(t)
	chromium.NoScript(t, ctx)
	click := func(selector string) { chromium.Do(t, ctx, chromedp.Click(chromedp.CSS(selector))) }
	chromium.Do(t, ctx, chromedp.Navigate(b.base+base+"/e/forskoleplats"))
	click(".begin button")
	chromium.Until(t, ctx, "the first step", `location.pathname.endsWith("/s/barnet")`)
	click("#f-barn")
	click(".acts .main")
	chromium.Until(t, ctx, "the question that the answer brings", `location.search === "?visa=nya" && document.getElementById("f-vh2_kontakt-email")`)
	click(".acts .main")
	chromium.Until(t, ctx, "what is wrong", `location.search === "?visa=fel" && document.getElementById("problems")`)
	click("#problems a")
	chromium.Until(t, ctx, "the link to lead to the question", `location.hash === "#f-vh2_kontakt-email"`)
	chromium.Do(t, ctx, chromedp.SendKeys(chromedp.CSS("#f-vh2_kontakt-email"), "tva@example.se\r")) // Enter goes on
	chromium.Until(t, ctx, "the next step", `location.pathname.endsWith("/s/platsen")`)
}
