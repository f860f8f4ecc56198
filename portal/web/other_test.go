package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"

	"sigill/broker/kit/page/htmlcheck"
	"sigill/portal"
)

// seenBy reads a page that was drawn.
func seenBy(t testing.TB, w *httptest.ResponseRecorder) *html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(w.Body.String()))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// find gives the texts of what a selector finds.
func find(t testing.TB, root *html.Node, selector string) []string {
	t.Helper()
	s, err := cascadia.Parse(selector)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, n := range cascadia.QueryAll(root, s) {
		out = append(out, strings.Join(strings.Fields(words(n)), " "))
	}
	return out
}

func words(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var b strings.Builder
	for k := range n.ChildNodes() {
		b.WriteString(words(k))
	}
	return b.String()
}

// attribute gives those of what a selector finds.
func attribute(t testing.TB, root *html.Node, selector, name string) []string {
	t.Helper()
	s, err := cascadia.Parse(selector)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, n := range cascadia.QueryAll(root, s) {
		for _, a := range n.Attr {
			if a.Key == name {
				out = append(out, a.Val)
			}
		}
	}
	return out
}

// want holds what a selector finds against texts that it must have, in order.
func want(t testing.TB, root *html.Node, selector string, texts ...string) {
	t.Helper()
	got := find(t, root, selector)
	if len(got) != len(texts) {
		t.Errorf("%s: %d found, %d wanted: %q", selector, len(got), len(texts), got)
		return
	}
	for i := range got {
		if !strings.Contains(got[i], texts[i]) {
			t.Errorf("%s, %d: %q has no %q", selector, i, got[i], texts[i])
		}
	}
}

// TestOtherPages holds every page of this half against the rules that all have,
// in both languages.
func TestOtherPages(t *testing.T) {
	h, all := otherSamples(t)
	for _, s := range all {
		for _, lang := range []string{"sv", "en"} {
			w := h.get(s.who, with(s.path, "lang="+lang))
			if w.Code != http.StatusOK {
				t.Errorf("%s, %s: %d", s.name, lang, w.Code)
				continue
			}
			for _, f := range htmlcheck.Faults(strings.NewReader(w.Body.String())) {
				t.Errorf("%s, %s: %s", s.name, lang, f)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("%s: Cache-Control %q", s.name, got)
			}
			root := seenBy(t, w)
			if got := attribute(t, root, "html", "lang"); len(got) != 1 || got[0] != lang {
				t.Errorf("%s: language %q, wanted %s", s.name, got, lang)
			}
			inOrder(t, s.name, root)
			if len(find(t, root, "table")) > 0 {
				t.Errorf("%s: a table", s.name)
			}
			body := w.Body.String()
			for _, number := range []string{numberOne, numberTwo, dashed(numberOne), dashed(numberTwo)} {
				if strings.Contains(body, number) && s.who != "officer" {
					t.Errorf("%s: a personal number", s.name)
				}
			}
			if strings.Contains(body, "ZgotmplZ") || strings.Contains(body, "%!") {
				t.Errorf("%s: something was not drawn", s.name)
			}
		}
	}
	if strings.Contains(h.log.String(), "level=ERROR") {
		t.Error("an error was logged")
	}
}

// inOrder: no level of headings is left out.
func inOrder(t testing.TB, name string, root *html.Node) {
	t.Helper()
	s, err := cascadia.ParseGroup("main h1, main h2, main h3, main h4")
	if err != nil {
		t.Fatal(err)
	}
	level := 0
	for _, n := range cascadia.QueryAll(root, s) {
		at := int(n.Data[1] - '0')
		if at > level+1 {
			t.Errorf("%s: <%s> after <h%d>", name, n.Data, level)
		}
		level = at
	}
}

// TestNobodyElse asks for every personal page as somebody whom it does not
// concern: nothing is told, not even that it exists.
func TestNobodyElse(t *testing.T) {
	h, all := otherSamples(t)
	h.persons["three"] = portal.Visitor{Key: "key-three", Name: "Testperson Tre"}
	for _, s := range all {
		if strings.HasPrefix(s.name, "mina") || strings.HasPrefix(s.name, "profile") || s.who == "" {
			continue // everybody's own
		}
		stranger, login := "three", `action="/exempelbo/logga-in"`
		if s.who == "officer" {
			stranger, login = "other", `action="/exempelbo/handlaggare/logga-in"`
		}
		if s.name != "officer-list" { // which is empty then
			if w := h.get(stranger, s.path); w.Code != http.StatusNotFound {
				t.Errorf("%s: a stranger gets %d", s.name, w.Code)
			}
		}
		if s.who == "officer" {
			for _, who := range []string{"one", "abroad"} {
				if w := h.get(who, s.path); !strings.Contains(w.Body.String(), login) {
					t.Errorf("%s: %s gets no login, but %d", s.name, who, w.Code)
				}
			}
		}
		nobody := h.get("", s.path)
		if body := nobody.Body.String(); strings.Contains(body, "Testperson") || strings.Contains(body, "EXB-") || strings.Contains(body, "förskoleplats") {
			t.Errorf("%s: something is told to nobody", s.name)
		}
		made := strings.NewReplacer(string(caseOne), "caseNone0000000000000A", string(caseClosed), "caseNone0000000000000Q", string(caseNobody), "caseNone0000000000000g").Replace(s.path)
		if other := h.get("", made); other.Code != nobody.Code {
			t.Errorf("%s: what does not exist is %d, what does %d", s.name, other.Code, nobody.Code)
		}
	}
	c := base + "/arende/" + string(caseOne)
	for _, path := range []string{c + "/fil/" + fileSigned, c + "/fil/" + fileTaken} {
		if w := h.get("three", path); w.Code != http.StatusNotFound {
			t.Errorf("a file: %d", w.Code)
		}
		if w := h.get("", path); strings.Contains(w.Body.String(), "%PDF") {
			t.Error("a file is given to nobody")
		}
		if w := h.get("browser", path); strings.Contains(w.Body.String(), "%PDF") {
			t.Error("a file is given to another browser")
		}
	}
	if w := h.get("other", strings.Replace(c, "/arende", "/handlaggare/arende", 1)+"/fil/"+fileSigned); w.Code != http.StatusNotFound {
		t.Errorf("a file to an officer of another group: %d", w.Code)
	}
	for path, form := range map[string]url.Values{
		"/arende/" + string(caseOne) + "/meddelande":             {"once": {portal.NewID()}, "text": {"Hej"}},
		"/handlaggare/arende/" + string(caseOne) + "/meddelande": {"once": {portal.NewID()}, "text": {"Hej"}},
		"/handlaggare/arende/" + string(caseOne) + "/status":     {"was": {"supplement"}, "to": {"closed"}},
	} {
		who := "three"
		if strings.HasPrefix(path, "/handlaggare") {
			who = "other"
		}
		if w := h.post(who, base+path, form); w.Code != http.StatusNotFound {
			t.Errorf("POST %s: %d", path, w.Code)
		}
	}
	if len(h.cases.wrote)+len(h.desks.set) > 0 {
		t.Error("a stranger did something")
	}
}
