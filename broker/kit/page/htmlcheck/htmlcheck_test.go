package htmlcheck

import (
	"strings"
	"testing"
)

const good = `<!doctype html><html lang="sv"><head><title>T</title></head><body><main id="m"><h1>H</h1>
<a href="#m">Hoppa</a><form method="post"><label for="f">F</label><input id="f"><button>Ja</button></form></main></body></html>`

func TestFaults(t *testing.T) {
	if f := Faults(strings.NewReader(good)); len(f) > 0 {
		t.Fatal(f)
	}
	for name, c := range map[string]struct{ from, to, want string }{
		"no language":      {` lang="sv"`, ``, "no language"},
		"no title":         {`<title>T</title>`, ``, "no title"},
		"no heading":       {`<h1>H</h1>`, ``, "0 headings"},
		"two headings":     {`<h1>H</h1>`, `<h1>H</h1><h1>I</h1>`, "2 headings"},
		"handler":          {`<button>`, `<button onclick="x()">`, "inline script"},
		"style attribute":  {`<button>`, `<button style="color:red">`, "inline style"},
		"style sheet":      {`<title>`, `<style>a{}</style><title>`, "inline style sheet"},
		"inline script":    {`<title>`, `<script>x()</script><title>`, "an inline script"},
		"nameless button":  {`<button>Ja</button>`, `<button></button>`, "<button> without a name"},
		"hidden name only": {`<button>Ja</button>`, `<button><span aria-hidden="true">Ja</span></button>`, "<button> without a name"},
		"no label":         {`<label for="f">F</label>`, ``, "without a label"},
		"label of nothing": {`<label for="f">`, `<label for="g">`, "nothing has the id g"},
		"doubled id":       {`<input id="f">`, `<input id="f"><p id="f">`, "not unique"},
		"link to nothing":  {`href="#m"`, `href="#x"`, "nothing has the id x"},
		"script link":      {`href="#m"`, `href="javascript:x()"`, "a link that runs script"},
		"refused address":  {`href="#m"`, `href="#ZgotmplZ"`, "an address was refused"},
		"picture":          {`<h1>`, `<img src="x"><h1>`, "without alternative text"},
		"frame":            {`<h1>`, `<iframe src="x"></iframe><h1>`, "without a title"},
		"form":             {` method="post"`, ``, "without a method"},
	} {
		t.Run(name, func(t *testing.T) {
			page := strings.Replace(good, c.from, c.to, 1)
			if f := strings.Join(Faults(strings.NewReader(page)), "\n"); !strings.Contains(f, c.want) {
				t.Fatalf("got %q, want %q", f, c.want)
			}
		})
	}
}
