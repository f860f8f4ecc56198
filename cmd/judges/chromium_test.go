package judges

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/device"
)

// patience is how long a page may take to do what is expected of it: many
// times what it needs, since tests share two cores with a race detector.
const patience = 30 * time.Second

// A chromium is a running browser.
type chromium struct{ ctx context.Context }

func newChromium(t *testing.T) *chromium {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program(t, "chromium", "chromium-browser", "google-chrome")),
		chromedp.NoSandbox, // CI runs as root
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("lang", "sv"),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.WindowSize(1100, 900),
	)
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	// The profile's folder is removed when the browser no longer writes to it.
	t.Cleanup(func() { chromedp.Cancel(ctx) })
	return &chromium{ctx}
}

// A tab is a window of somebody with cookies of their own.
type tab struct {
	t    *testing.T
	ctx  context.Context
	lang string
	noJS bool
	// screen sets the size of the window as the test wants it.
	screen func()

	mu         sync.Mutex
	complaints []string // what the browser wrote to its console
	expected   []string // parts of complaints that are no fault
}

// somebody opens a window without any cookies.
func (b *chromium) somebody(t *testing.T, lang string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	return newTab(t, ctx, lang)
}

// another opens a second window of the same person.
func (x *tab) another() *tab {
	x.t.Helper()
	ctx, cancel := chromedp.NewContext(x.ctx)
	x.t.Cleanup(cancel)
	return newTab(x.t, ctx, x.lang)
}

func newTab(t *testing.T, ctx context.Context, lang string) *tab {
	t.Helper()
	x := &tab{t: t, ctx: ctx, lang: lang}
	x.must(chromedp.Listen(ctx, func(event any) {
		x.mu.Lock()
		defer x.mu.Unlock()
		switch e := event.(type) {
		case *log.EventEntryAdded:
			if strings.HasSuffix(e.Entry.URL, "/favicon.ico") {
				return // asked of pages that name no icon; ours that people see do
			}
			if e.Entry.Level == log.EntryLevelError || strings.Contains(e.Entry.Text, "Content Security Policy") {
				x.complaints = append(x.complaints, e.Entry.Text+" "+path.Base(e.Entry.URL))
			}
		case *runtime.EventExceptionThrown:
			x.complaints = append(x.complaints, "exception: "+e.ExceptionDetails.Text)
		}
	}))
	x.screen = func() { x.size(1100, 900, false) }
	x.screen()
	call(x, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: media("light")})
	call(x, network.Enable, network.EnableParams{})
	call(x, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": lang}})
	return x
}

func (x *tab) must(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

// within gives an action its patience.
func within[T any](x *tab, a chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(x.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, a)
}

// run lets the browser do something. The page may have come anew since it was
// looked at, or be laid out at this moment; the browser then says so before
// anything was done, and is asked again.
func run[T any](x *tab, what string, a chromedp.Action[T]) T {
	x.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		v, err := within(x, a)
		if err == nil {
			return v
		}
		if !untouched(err) || time.Now().After(deadline) {
			x.t.Fatalf("%s: %v\n%s", what, err, x.where())
		}
		time.Sleep(30 * time.Millisecond)
	}
}

// untouched says whether an action failed because its element or its page was
// not there any more, or had no place on the screen yet.
func untouched(err error) bool {
	if errors.Is(err, chromedp.ErrInvalidDimensions) {
		return true
	}
	return slices.ContainsFunc([]string{
		"Could not find node", "No node", "Could not compute", "Node is detached", "does not have a layout object",
		"Cannot find context", "Execution context was destroyed", "Could not find object",
	}, func(part string) bool { return strings.Contains(err.Error(), part) })
}

// where describes a page in a failure: its address without query, and its text.
func (x *tab) where() string {
	at, _ := within(x, chromedp.Location())
	text, _ := within(x, chromedp.Evaluate[string]("document.body ? document.body.innerText : ''"))
	at, _, _ = strings.Cut(at, "?")
	return "at " + at + ":\n" + masked(text)
}

// wholeNumber finds personal numbers, which tests print none of: officers see
// them on their pages.
var wholeNumber = regexp.MustCompile(`\b(?:\d{2})?\d{6}[-+]?\d{4}\b`)

func masked(s string) string { return wholeNumber.ReplaceAllString(s, "…") }

// visit goes to an address.
func (x *tab) visit(address string) {
	x.t.Helper()
	run(x, "visit", chromedp.Navigate(address))
}

// until waits until an expression is true of the page. Pages change under us:
// what fails while one goes and another comes is asked again.
func (x *tab) until(what, expression string) {
	x.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ctx, cancel := context.WithTimeout(x.ctx, 5*time.Second)
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("document.readyState === 'complete' && !!("+expression+")"))
		cancel()
		if ok && err == nil {
			return
		}
		if time.Now().After(deadline) {
			x.t.Fatalf("%s did not come (%v)\n%s", what, err, x.where())
		}
		time.Sleep(30 * time.Millisecond)
	}
}

// at waits for a page whose address begins so.
func (x *tab) at(prefix string) {
	x.t.Helper()
	x.until("a page at "+prefix, "location.href.startsWith("+quote(prefix)+")")
}

// has waits for an element.
func (x *tab) has(css string) {
	x.t.Helper()
	x.until("an element "+css, "document.querySelector("+quote(css)+")")
}

// press clicks what a person would find by its words.
func (x *tab) press(words string) {
	x.t.Helper()
	found := "[...document.querySelectorAll('button, a, summary, input[type=submit]')].find(e => e.checkVisibility() && (e.innerText || e.value || '').trim().startsWith(" + quote(words) + "))"
	x.until("something to press that says "+words, found)
	run(x, "press "+words, chromedp.Click(chromedp.JSPath(found)))
}

// click clicks an element.
func (x *tab) click(css string) {
	x.t.Helper()
	x.has(css)
	run(x, "click "+css, chromedp.Click(chromedp.CSS(css)))
}

// location is the address of the page.
func (x *tab) location() string {
	x.t.Helper()
	return run(x, "location", chromedp.Location())
}

// value evaluates an expression of JavaScript.
func value[T any](x *tab, expression string) T {
	x.t.Helper()
	return run(x, expression, chromedp.Evaluate[T](expression))
}

// walker gives a walker with this window's cookies, to ask what the page's own
// script would ask.
func (x *tab) walker(issuer string) *walker {
	x.t.Helper()
	w := newWalker(issuer)
	at, err := url.Parse(issuer)
	x.must(err)
	jar, err := cookiejar.New(nil)
	x.must(err)
	answer := call(x, network.GetCookies, network.GetCookiesParams{URLs: []string{issuer + "/"}})
	for _, c := range answer.Cookies {
		jar.SetCookies(at, []*http.Cookie{{Name: c.Name, Value: c.Value, Path: "/"}})
	}
	w.http.Jar = jar
	return w
}

// waiting asks the waiting page that the window shows how things are.
func (x *tab) waiting(issuer string) status {
	x.t.Helper()
	at, err := url.Parse(x.location())
	x.must(err)
	s, err := x.walker(issuer).ask(place{url: at})
	x.must(err)
	return s
}

// withoutScript switches script off.
func (x *tab) withoutScript() *tab {
	x.t.Helper()
	x.noJS = true
	call(x, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	return x
}

// onPhone makes the window one of a phone: small, touched, and saying so.
func (x *tab) onPhone() *tab {
	x.t.Helper()
	x.screen = func() { run(x, "emulate a phone", chromedp.Emulate(device.Pixel5)) }
	x.screen()
	return x
}

// size changes the size of the window.
func (x *tab) size(width, height int64, mobile bool) {
	x.t.Helper()
	call(x, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: mobile})
}

// clean fails when the browser complained: an exception, a refused resource, a
// breach of the content security policy.
func (x *tab) clean() {
	x.t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, c := range x.complaints {
		if slices.ContainsFunc(x.expected, func(text string) bool { return strings.Contains(c, text) }) {
			continue
		}
		x.t.Errorf("the browser's console: %s", c)
	}
	x.complaints = nil
}

// expect names a complaint that is no fault. It may come late, after its page
// was judged, so it holds for as long as the window does.
func (x *tab) expect(text string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.expected = append(x.expected, text)
}

// picture leaves a screenshot of the whole page in tmp/screenshots.
func (x *tab) picture(name string) {
	x.t.Helper()
	var image []byte
	var err error
	// A page that comes again by itself may go while it is being drawn: the
	// answer then never comes, or says at once that there is no page.
	for range 6 {
		ctx, cancel := context.WithTimeout(x.ctx, patience/3)
		image, err = chromedp.Run(ctx, chromedp.FullScreenshot(100))
		cancel()
		if err == nil || errors.Is(err, context.DeadlineExceeded) && x.ctx.Err() != nil {
			break
		}
		time.Sleep(300 * time.Millisecond)
	}
	if err != nil {
		x.t.Fatalf("%s: screenshot: %v\n%s", name, err, x.where())
	}
	x.must(os.WriteFile(output(x.t, "screenshots", name+".png"), image, 0o644))
}

func media(scheme string) []*emulation.MediaFeature {
	return []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}
}

func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprint("no string: ", err)) // a string always is
	}
	return string(text)
}

// call sends a command of the browser's protocol.
func call[P, R any](x *tab, command cdp.Command[P, R], params P) R {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.ctx, patience)
	defer cancel()
	answer, err := chromedp.Call(ctx, command, params)
	if err != nil {
		x.t.Fatalf("%s: %v", command.Method, err)
	}
	return answer
}
