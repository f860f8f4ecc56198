// Package htmlcheck says what is wrong with a page. It is for tests: every page
// of every room is drawn with sample data and held against the same few rules,
// those that a machine can decide without a browser. It knows nothing of what
// the pages say.
package htmlcheck

import (
	"fmt"
	"io"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Faults lists what is wrong with a page; nothing when all is well.
func Faults(page io.Reader) []string {
	root, err := html.Parse(page)
	if err != nil {
		return []string{err.Error()}
	}
	c := checker{ids: map[string]bool{}}
	c.walk(root)
	if c.headings != 1 {
		c.fault("%d headings of the first level", c.headings)
	}
	if !c.lang {
		c.fault("no language")
	}
	if strings.TrimSpace(c.title) == "" {
		c.fault("no title")
	}
	if c.mains != 1 {
		c.fault("%d main elements", c.mains)
	}
	for _, id := range c.wanted {
		if !c.ids[id] {
			c.fault("nothing has the id %s", id)
		}
	}
	for _, id := range c.unlabelled {
		if id == "" || !c.labelled[id] {
			c.fault("a field without a label: %q", id)
		}
	}
	return c.faults
}

type checker struct {
	faults          []string
	ids             map[string]bool
	wanted          []string
	unlabelled      []string
	labelled        map[string]bool
	headings, mains int
	lang            bool
	title           string
}

func (c *checker) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

func (c *checker) walk(n *html.Node) {
	if n.Type == html.ElementNode {
		c.element(n)
	}
	for k := range n.ChildNodes() {
		c.walk(k)
	}
}

func (c *checker) element(n *html.Node) {
	a := map[string]string{}
	for _, at := range n.Attr {
		a[at.Key] = at.Val
		switch {
		case strings.HasPrefix(at.Key, "on"):
			c.fault("inline script: %s of <%s>", at.Key, n.Data)
		case at.Key == "style":
			c.fault("inline style of <%s>", n.Data)
		case (at.Key == "href" || at.Key == "src" || at.Key == "action") && strings.Contains(at.Val, "ZgotmplZ"):
			c.fault("an address was refused: %s of <%s>", at.Key, n.Data)
		case at.Key == "href" && strings.HasPrefix(strings.ToLower(strings.TrimSpace(at.Val)), "javascript:"):
			c.fault("a link that runs script")
		}
	}
	if id, ok := a["id"]; ok {
		if c.ids[id] || id == "" {
			c.fault("the id %q is not unique", id)
		}
		c.ids[id] = true
	}
	for _, key := range []string{"for", "aria-labelledby", "aria-describedby"} {
		c.wanted = append(c.wanted, strings.Fields(a[key])...)
	}
	if t, ok := strings.CutPrefix(a["href"], "#"); ok && n.DataAtom == atom.A && t != "" {
		c.wanted = append(c.wanted, t)
	}
	switch n.DataAtom {
	case atom.Html:
		c.lang = a["lang"] == "sv" || a["lang"] == "en"
	case atom.Title:
		if n.Parent != nil && n.Parent.DataAtom == atom.Head {
			c.title = text(n)
		}
	case atom.H1:
		c.headings++
		if text(n) == "" {
			c.fault("an empty heading")
		}
	case atom.Main:
		c.mains++
	case atom.Style:
		c.fault("an inline style sheet")
	case atom.Script:
		if a["src"] == "" || text(n) != "" {
			c.fault("an inline script")
		}
	case atom.Img:
		if _, ok := a["alt"]; !ok {
			c.fault("a picture without alternative text")
		}
	case atom.Iframe:
		if a["title"] == "" {
			c.fault("a frame without a title")
		}
	case atom.A, atom.Button, atom.Summary:
		if text(n) == "" && a["aria-label"] == "" {
			c.fault("<%s> without a name", n.Data)
		}
	case atom.Label:
		if c.labelled == nil {
			c.labelled = map[string]bool{}
		}
		c.labelled[a["for"]] = true
	case atom.Input, atom.Select, atom.Textarea:
		switch a["type"] {
		case "hidden", "submit", "button":
		default:
			if a["aria-label"] == "" && a["aria-labelledby"] == "" {
				c.unlabelled = append(c.unlabelled, a["id"])
			}
		}
	case atom.Form:
		if m := strings.ToLower(a["method"]); m != "post" && m != "get" {
			c.fault("a form without a method")
		}
	}
}

// text is what is read aloud of an element: its words and the alternative text
// of its pictures.
func text(n *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
		for _, at := range n.Attr {
			if at.Key == "alt" {
				b.WriteString(at.Val)
			}
			if at.Key == "aria-hidden" && at.Val == "true" {
				return
			}
		}
		for k := range n.ChildNodes() {
			walk(k)
		}
	}
	walk(n)
	return strings.TrimSpace(b.String())
}
