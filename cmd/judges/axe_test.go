package judges

import (
	"os"
	"strings"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// axe-core decides by the rules of WCAG 2.0, 2.1 and 2.2, levels A and AA.
const axeRun = `axe.run(document, {
	runOnly: {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa']},
	resultTypes: ['violations'],
}).then(r => ({passed: r.passes.length, violations: r.violations.map(v => ({
	rule: v.id, help: v.help, where: v.nodes.map(n => n.target.join(' ') + ': ' + n.failureSummary),
}))}))`

type axeResult struct {
	Passed     int `json:"passed"`
	Violations []struct {
		Rule  string   `json:"rule"`
		Help  string   `json:"help"`
		Where []string `json:"where"`
	} `json:"violations"`
}

// judge lets axe-core look at the page in light and dark, checks that it needs
// no sideways scrolling on the narrowest screen, that it has a title, one
// heading of the first level and a language, and that the browser had nothing
// to complain of. It leaves pictures.
func (x *tab) judge(name string) {
	x.t.Helper()
	x.judgeIn(name, x.lang)
}

// judgeExpecting judges a page that answers with a status of an error, of which
// the browser's console tells.
func (x *tab) judgeExpecting(name, status string) {
	x.t.Helper()
	x.expect("status of " + status)
	x.judge(name)
}

// judgeIn judges a page that knows only one language.
func (x *tab) judgeIn(name, lang string) {
	x.t.Helper()
	name += "-" + lang
	x.until("a finished page", "document.title !== '' && document.body")
	x.clean()
	if x.noJS {
		// Axe is script. The page's own stays dead, since it was not run when the
		// page came, unless the page comes again by itself while it is judged.
		call(x, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: false})
		value[bool](x, "window.judged = true")
		defer func() {
			call(x, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
			if !value[bool](x, "window.judged === true") {
				x.visit(x.location())
			}
		}()
	}
	x.axe(name)
	if said := value[string](x, "document.documentElement.lang"); !strings.HasPrefix(said, lang) {
		x.t.Errorf("%s: the page says that its language is %q", name, said)
	}
	if n := value[int](x, "document.querySelectorAll('h1').length"); n != 1 {
		x.t.Errorf("%s: %d headings of the first level", name, n)
	}
	x.reflow(name)
}

func (x *tab) axe(name string) {
	x.t.Helper()
	source, err := os.ReadFile(file(x.t, root(x.t, ".deps/node_modules/axe-core/axe.min.js")))
	x.must(err)
	for _, scheme := range []string{"light", "dark"} {
		call(x, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: media(scheme)})
		// A page that goes on by itself takes axe with it: ask again.
		var result axeResult
		for try := 0; ; try++ {
			if value[bool](x, "typeof axe === 'undefined'") {
				run(x, "load axe", chromedp.Evaluate[chromedp.Void](string(source)))
			}
			result, err = within(x, chromedp.Evaluate[axeResult](axeRun, chromedp.EvalAwaitPromise))
			if err == nil {
				break
			}
			if try == 3 {
				x.t.Fatalf("%s: axe: %v\n%s", name, err, x.where())
			}
			time.Sleep(200 * time.Millisecond)
		}
		if result.Passed == 0 {
			x.t.Errorf("%s, %s: axe found nothing to look at", name, scheme)
		}
		for _, v := range result.Violations {
			x.t.Errorf("%s, %s: axe: %s (%s)\n\t%s", name, scheme, v.Rule, v.Help, strings.Join(v.Where, "\n\t"))
		}
		x.picture(name + "-" + scheme)
	}
	call(x, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: media("light")})
}

// reflow: WCAG 2.2, 1.4.10: at 320 CSS pixels nothing needs scrolling in two
// dimensions.
func (x *tab) reflow(name string) {
	x.t.Helper()
	x.size(320, 640, true)
	time.Sleep(50 * time.Millisecond) // one frame, so that the picture shows it
	if width := value[int](x, "document.documentElement.scrollWidth"); width > 320 {
		x.t.Errorf("%s: at 320 px the page is %d px wide", name, width)
	}
	x.picture(name + "-320")
	x.screen()
}
