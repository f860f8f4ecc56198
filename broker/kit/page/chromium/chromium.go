// Package chromium looks at pages with Chromium and axe-core. It is for tests:
// the pages of every room are drawn with sample data and held against the same
// few rules, those that only a browser can decide. It knows nothing of what the
// pages say. Where there is no Chromium or no axe-core, tests are skipped.
package chromium

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	script "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Wanted skips a test unless SIGILL_PAGES or SIGILL_SHOTS is set: looking takes
// a minute.
func Wanted(t testing.TB) {
	t.Helper()
	if os.Getenv("SIGILL_PAGES") == "" && os.Getenv("SIGILL_SHOTS") == "" {
		t.Skip("set SIGILL_PAGES=1 to look at every page with Chromium and axe-core, SIGILL_SHOTS=DIR for pictures too")
	}
}

// Start starts Chromium, or skips the test where there is none.
func Start(t testing.TB) context.Context {
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

// Do does one thing within half a minute.
func Do[T any](t testing.TB, ctx context.Context, a chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Until waits until an expression is true in the page. While the page is still
// on its way the expression may fail.
func Until(t testing.TB, ctx context.Context, what, expression string) {
	t.Helper()
	for range 100 {
		if Do(t, ctx, chromedp.Evaluate[bool]("(() => { try { return !!("+expression+") } catch { return false } })()")) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}

// NoScript switches the scripts of pages off. Evaluate still works.
func NoScript(t testing.TB, ctx context.Context) {
	t.Helper()
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
}

// Scheme makes the browser prefer "light" or "dark", and little motion.
func Scheme(t testing.TB, ctx context.Context, name string) {
	t.Helper()
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}}); err != nil {
		t.Fatal(err)
	}
}

// Serve starts a server on a loopback port of its own.
func Serve(t testing.TB, h http.Handler) string {
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

const axeRun = `axe.run(document, {runOnly: {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa', 'best-practice']}, resultTypes: ['violations']})
	.then(r => ({passed: r.passes.length, violations: r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.target.join(' ') + ': ' + n.failureSummary).join('; '))}))`

type axeResult struct {
	Passed     int      `json:"passed"`
	Violations []string `json:"violations"`
}

// Look looks at pages below base, each in both languages (?lang=), light and
// dark: axe-core finds nothing, nothing needs sideways scrolling at 320 px, and
// the browser has no complaint. With SIGILL_SHOTS=DIR it leaves pictures there;
// SIGILL_ONLY names the beginning of those to look at. settle, unless nil, says
// how long a page needs to be itself.
func Look(t testing.TB, base string, pages []string, settle func(page string) time.Duration) {
	t.Helper()
	axe, err := os.ReadFile(filepath.Join(axeFolder(), "axe.min.js"))
	if err != nil {
		t.Skip("no axe-core; make deps installs it")
	}
	ctx := Start(t)
	complaints := listen(t, ctx)
	only, shots := os.Getenv("SIGILL_ONLY"), os.Getenv("SIGILL_SHOTS")
	for _, p := range pages {
		if only != "" && !strings.HasPrefix(p, only) {
			continue
		}
		for _, lang := range []string{"sv", "en"} {
			name := p + "-" + lang
			Do(t, ctx, chromedp.EmulateViewport(390, 844))
			Scheme(t, ctx, "light")
			Do(t, ctx, chromedp.Navigate(base+p+"?lang="+lang))
			Do(t, ctx, chromedp.Evaluate[chromedp.Void](string(axe)))
			if settle != nil {
				time.Sleep(settle(p))
			}
			for _, colours := range []string{"light", "dark"} {
				Scheme(t, ctx, colours)
				r := Do(t, ctx, chromedp.Evaluate[axeResult](axeRun, chromedp.EvalAwaitPromise))
				if r.Passed == 0 {
					t.Errorf("%s, %s: axe saw nothing", name, colours)
				}
				for _, v := range r.Violations {
					t.Errorf("%s, %s: %s", name, colours, v)
				}
			}
			for _, width := range []int64{320, 390, 1280} {
				if width == 320 || shots != "" {
					measure(t, ctx, name, lang, width, shots)
				}
			}
		}
	}
	for _, c := range complaints() {
		t.Errorf("the browser complains: %s", c)
	}
}

// measure looks whether a page fits a width, and takes its picture.
func measure(t testing.TB, ctx context.Context, name, lang string, width int64, shots string) {
	t.Helper()
	Do(t, ctx, chromedp.EmulateViewport(width, map[bool]int64{true: 900, false: 844}[width > 1000]))
	if w := Do(t, ctx, chromedp.Evaluate[int64]("document.documentElement.scrollWidth")); w > width {
		t.Errorf("%s: %d px wide at %d", name, w, width)
	}
	if shots == "" {
		return
	}
	for _, colours := range []string{"light", "dark"} {
		if colours == "dark" && width == 320 || lang == "en" && width != 390 {
			continue
		}
		Scheme(t, ctx, colours)
		Shot(t, ctx, name+"-"+map[int64]string{320: "320", 390: "390", 1280: "1280"}[width]+"-"+colours)
	}
}

// Shot leaves a picture of the page where SIGILL_SHOTS says, if it does.
func Shot(t testing.TB, ctx context.Context, name string) {
	t.Helper()
	shots := os.Getenv("SIGILL_SHOTS")
	if shots == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(shots, name+".png"), Do(t, ctx, chromedp.FullScreenshot(100)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// listen collects what the browser complains of. That an error page has the
// status of an error is no complaint.
func listen(t testing.TB, ctx context.Context) (complaints func() []string) {
	t.Helper()
	var mu sync.Mutex
	var list []string
	if err := chromedp.Listen(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError && !strings.Contains(e.Entry.Text, "the server responded with a status of") {
				list = append(list, e.Entry.Text)
			}
		case *script.EventExceptionThrown:
			list = append(list, e.ExceptionDetails.Text)
		}
	}); err != nil {
		t.Fatal(err)
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return list
	}
}

// axeFolder is where make deps puts axe-core: at the top, which is some way above
// the folder of a test.
func axeFolder() string {
	dir := os.Getenv("SIGILL_AXE")
	for up := ""; dir == "" && len(up) < 20; up += "../" {
		if _, err := os.Stat(up + ".deps/node_modules/axe-core"); err == nil {
			dir = up + ".deps/node_modules/axe-core"
		}
	}
	return dir
}
