package web

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/page"
	"sigill/providers"
)

const axeRun = `axe.run(document, {runOnly: {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa', 'best-practice']}, resultTypes: ['violations']})
	.then(r => ({passed: r.passes.length, violations: r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.target.join(' ') + ': ' + n.failureSummary).join('; '))}))`

type axeResult struct {
	Passed     int      `json:"passed"`
	Violations []string `json:"violations"`
}

// newBrowser starts Chromium, or skips the test where there is none.
func newBrowser(t testing.TB) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium")
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(t.TempDir()))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chromedp.Cancel(ctx) })
	return ctx
}

func do[T any](t testing.TB, ctx context.Context, a chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func scheme(t testing.TB, ctx context.Context, name string) {
	t.Helper()
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}}); err != nil {
		t.Fatal(err)
	}
}

// serve starts a server on a loopback port of its own.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

// TestPagesInChromium looks at every page, in both languages, light and dark:
// axe-core finds nothing, nothing needs sideways scrolling at 320 px, and the
// browser has no complaint. With SIGILL_SHOTS=DIR it leaves pictures there.
// It runs with SIGILL_PAGES=1, since it takes a minute.
func TestPagesInChromium(t *testing.T) {
	shots := os.Getenv("SIGILL_SHOTS")
	if shots == "" && os.Getenv("SIGILL_PAGES") == "" {
		t.Skip("set SIGILL_PAGES=1 to look at every page with Chromium and axe-core, SIGILL_SHOTS=DIR for pictures too")
	}
	axe, err := os.ReadFile(filepath.Join(cmpOr(os.Getenv("SIGILL_AXE"), "../../.deps/node_modules/axe-core"), "axe.min.js"))
	if err != nil {
		t.Skip("no axe-core; make deps installs it")
	}
	mux, all := gallery(t)
	base := serve(t, mux)
	ctx := newBrowser(t)
	var mu sync.Mutex
	var complaints []string
	if err := chromedp.Listen(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError && !strings.Contains(e.Entry.Text, "the server responded with a status of") {
				complaints = append(complaints, e.Entry.Text)
			}
		case *runtime.EventExceptionThrown:
			complaints = append(complaints, e.ExceptionDetails.Text)
		}
	}); err != nil {
		t.Fatal(err)
	}
	only := os.Getenv("SIGILL_ONLY")
	for _, s := range all {
		if s.name == "onward" || only != "" && !strings.HasPrefix(s.name, only) {
			continue // goes on by itself before anybody can look
		}
		for _, lang := range []string{"sv", "en"} {
			name := s.name + "-" + lang
			do(t, ctx, chromedp.EmulateViewport(390, 844))
			scheme(t, ctx, "light")
			do(t, ctx, chromedp.Navigate(base+"/gallery/"+s.name+"?lang="+lang))
			do(t, ctx, chromedp.Evaluate[chromedp.Void](string(axe)))
			if strings.HasPrefix(s.name, "wait-qr") {
				time.Sleep(400 * time.Millisecond) // for the picture to be there
			}
			for _, colours := range []string{"light", "dark"} {
				scheme(t, ctx, colours)
				r := do(t, ctx, chromedp.Evaluate[axeResult](axeRun, chromedp.EvalAwaitPromise))
				if r.Passed == 0 {
					t.Errorf("%s, %s: axe saw nothing", name, colours)
				}
				for _, v := range r.Violations {
					t.Errorf("%s, %s: %s", name, colours, v)
				}
			}
			sizes := map[string]int64{"320": 320}
			if shots != "" {
				sizes = map[string]int64{"320": 320, "390": 390, "1280": 1280}
			}
			for label, width := range sizes {
				do(t, ctx, chromedp.EmulateViewport(width, map[bool]int64{true: 900, false: 844}[width > 1000]))
				if w := do(t, ctx, chromedp.Evaluate[int64]("document.documentElement.scrollWidth")); w > width {
					t.Errorf("%s: %d px wide at %d", name, w, width)
				}
				if shots == "" {
					continue
				}
				for _, colours := range []string{"light", "dark"} {
					if colours == "dark" && label == "320" || lang == "en" && label != "390" {
						continue
					}
					scheme(t, ctx, colours)
					image := do(t, ctx, chromedp.FullScreenshot(100))
					if err := os.WriteFile(filepath.Join(shots, name+"-"+label+"-"+colours+".png"), image, 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for _, c := range complaints {
		t.Errorf("the browser complains: %s", c)
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// TestWaitingInChromium lets the script of the waiting page run: the code is
// swapped, gives way when an app has the order, and the browser goes on by
// itself when the order is complete. A status that fails once is survived.
func TestWaitingInChromium(t *testing.T) {
	if os.Getenv("SIGILL_PAGES") == "" {
		t.Skip("set SIGILL_PAGES=1")
	}
	h := newHouse(t)
	var mu sync.Mutex
	stumble, pictures := 0, 0
	base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
	ctx := newBrowser(t)
	until := func(what, expression string) {
		t.Helper()
		for range 100 {
			if do(t, ctx, chromedp.Evaluate[bool]("!!("+expression+")")) {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Fatalf("waited in vain for %s", what)
	}
	do(t, ctx, chromedp.Navigate(base+self))
	do(t, ctx, chromedp.Click(chromedp.CSS("button.way.first")))
	until("the code", "(i => i && !i.hidden && i.complete && i.naturalWidth > 0)(document.querySelector('[data-picture]'))")
	if app := do(t, ctx, chromedp.Evaluate[bool]("document.querySelector('[data-app]').hidden")); !app {
		t.Error("code and app are shown at once")
	}
	first := do(t, ctx, chromedp.Evaluate[string]("document.querySelector('[data-picture]').src"))
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
	if os.Getenv("SIGILL_PAGES") == "" {
		t.Skip("set SIGILL_PAGES=1")
	}
	h := newHouse(t)
	base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/callback" {
			_, _ = w.Write([]byte("<!doctype html><title>Tillbaka</title>"))
			return
		}
		r.AddCookie(&http.Cookie{Name: page.BrowserCookie, Value: browserOne})
		h.mux.ServeHTTP(w, r)
	}))
	h.login(loginOne, func(l *broker.Login) { l.Request.RedirectURI = base + "/callback" })
	ctx := newBrowser(t)
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	do(t, ctx, chromedp.Navigate(base+self))
	do(t, ctx, chromedp.Click(chromedp.CSS("button.way.first")))
	do(t, ctx, chromedp.WaitVisible(chromedp.CSS(".qr iframe")))
	order := h.flow.orders()[0].ID
	if shots := os.Getenv("SIGILL_SHOTS"); shots != "" {
		time.Sleep(time.Second)
		if err := os.WriteFile(filepath.Join(shots, "noscript.png"), do(t, ctx, chromedp.FullScreenshot(100)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h.flow.mu.Lock()
	v := h.flow.views[order]
	v.State = flow.StateComplete
	h.flow.views[order] = v
	h.flow.mu.Unlock()
	for range 100 {
		if at := do(t, ctx, chromedp.Location()); strings.HasPrefix(at, base+"/callback?code=c") {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the page did not go on by itself")
}
