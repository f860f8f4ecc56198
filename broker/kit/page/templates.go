package page

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"

	"sigill/broker/kit/design"
	"sigill/broker/kit/i18n"
)

// LangCookie remembers the language that a person chose on a page of ours.
const LangCookie = "sigill_lang"

// Templates are the pages of a room, parsed once for each language.
type Templates struct {
	pages map[string]map[string]*template.Template // by language, by name
}

// LoadTemplates reads every *.gohtml of a room as one page upon the frame of
// kit/design, except those whose names begin with _: what they define is there
// for all pages of the room. A page defines "title" and "main"; it may define "head" and, if
// it is no ordinary page, "frame" itself. Functions: t (a text by its key, then
// pairs of placeholder and value), icon, asset.
//
// Every text that a page shows must be in the catalogue, and every text of the
// catalogue must be shown by a page or be among also, which names those that
// code shows.
func LoadTemplates(room fs.FS, texts *i18n.Catalogue, assets *design.Assets, also []i18n.Use) (*Templates, error) {
	names, err := fs.Glob(room, "*.gohtml")
	if err != nil {
		return nil, err
	}
	shared, err := fs.Glob(room, "_*.gohtml")
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(shared, name) })
	t := &Templates{pages: map[string]map[string]*template.Template{}}
	uses := also
	for i, lang := range i18n.Languages() {
		t.pages[lang] = map[string]*template.Template{}
		base, err := template.New("").Funcs(functions(lang, texts, assets)).Option("missingkey=error").ParseFS(design.Frame(), "*.gohtml")
		if err != nil {
			return nil, err
		}
		if len(shared) > 0 {
			if base, err = base.ParseFS(room, shared...); err != nil {
				return nil, err
			}
		}
		if i == 0 {
			found, err := textsOf("frame", base)
			if err != nil {
				return nil, err
			}
			uses = append(uses, found...)
		}
		for _, file := range names {
			name := strings.TrimSuffix(file, ".gohtml")
			c, err := base.Clone()
			if err != nil {
				return nil, err
			}
			if _, err = c.ParseFS(room, file); err != nil {
				return nil, err
			}
			if i == 0 {
				found, err := textsOf(file, c)
				if err != nil {
					return nil, err
				}
				uses = append(uses, found...)
			}
			t.pages[lang][name] = c
		}
	}
	if err := texts.Check(uses); err != nil {
		return nil, err
	}
	for lang, pages := range t.pages {
		for _, c := range pages {
			if err := settle(c, functions(lang, texts, assets)); err != nil {
				return nil, err
			}
		}
	}
	return t, nil
}

// settle writes what is always the same into the templates as plain text: icons,
// addresses of files, and texts without placeholders. Most of a page is that,
// and looking it up at each drawing was most of the work.
func settle(t *template.Template, do template.FuncMap) error {
	var faults []error
	var walk func(parse.Node)
	walk = func(n parse.Node) {
		switch n := n.(type) {
		case *parse.ListNode:
			if n == nil {
				return
			}
			for i, k := range n.Nodes {
				if name, arg, ok := constant(k); ok {
					text, err := evaluate(do, name, arg)
					faults = append(faults, err)
					n.Nodes[i] = &parse.TextNode{NodeType: parse.NodeText, Pos: k.Position(), Text: []byte(text)}
				}
				walk(k)
			}
		case *parse.IfNode:
			walk(n.List)
			walk(n.ElseList)
		case *parse.RangeNode:
			walk(n.List)
			walk(n.ElseList)
		case *parse.WithNode:
			walk(n.List)
			walk(n.ElseList)
		}
	}
	for _, d := range t.Templates() {
		if d.Tree != nil {
			walk(d.Tree.Root)
		}
	}
	return errors.Join(faults...)
}

// constant recognises {{t "key"}}, {{icon "name"}} and {{asset "name"}}.
func constant(n parse.Node) (name, arg string, ok bool) {
	a, ok := n.(*parse.ActionNode)
	if !ok || len(a.Pipe.Decl) > 0 || len(a.Pipe.Cmds) != 1 || len(a.Pipe.Cmds[0].Args) != 2 {
		return "", "", false
	}
	f, ok1 := a.Pipe.Cmds[0].Args[0].(*parse.IdentifierNode)
	s, ok2 := a.Pipe.Cmds[0].Args[1].(*parse.StringNode)
	if !ok1 || !ok2 {
		return "", "", false
	}
	return f.Ident, s.Text, f.Ident == "t" || f.Ident == "icon" || f.Ident == "asset"
}

// evaluate gives what the action would have written. Texts stand between tags
// or in quoted attributes only, where one escaping serves both.
func evaluate(do template.FuncMap, name, arg string) (string, error) {
	switch f := do[name].(type) {
	case func(string, ...any) (string, error):
		s, err := f(arg)
		return template.HTMLEscapeString(s), err
	case func(string) (string, error):
		s, err := f(arg)
		return template.HTMLEscapeString(s), err
	case func(string) (template.HTML, error):
		s, err := f(arg)
		return string(s), err
	}
	return "", fmt.Errorf("no function %s", name)
}

func functions(lang string, texts *i18n.Catalogue, assets *design.Assets) template.FuncMap {
	return template.FuncMap{
		"t":    func(key string, pairs ...any) (string, error) { return texts.Text(lang, key, pairs...) },
		"icon": assets.Icon,
		"asset": func(name string) (string, error) {
			if u := assets.URL(name); u != "" {
				return u, nil
			}
			return "", fmt.Errorf("no file %s", name)
		},
	}
}

// textsOf finds the texts that templates show. Keys and placeholder names must
// be literals, so that this can be known.
func textsOf(where string, t *template.Template) ([]i18n.Use, error) {
	var uses []i18n.Use
	var faults []error
	var walk func(parse.Node)
	pipe := func(p *parse.PipeNode) {
		if p == nil {
			return
		}
		for _, c := range p.Cmds {
			if id, ok := c.Args[0].(*parse.IdentifierNode); ok && id.Ident == "t" {
				u, err := useOf(where, c.Args[1:])
				if err != nil {
					faults = append(faults, err)
				}
				uses = append(uses, u)
			}
			for _, a := range c.Args {
				walk(a)
			}
		}
	}
	branch := func(b *parse.BranchNode) {
		pipe(b.Pipe)
		walk(b.List)
		if b.ElseList != nil {
			walk(b.ElseList)
		}
	}
	walk = func(n parse.Node) {
		switch n := n.(type) {
		case *parse.ListNode:
			if n != nil {
				for _, c := range n.Nodes {
					walk(c)
				}
			}
		case *parse.ActionNode:
			pipe(n.Pipe)
		case *parse.PipeNode:
			pipe(n)
		case *parse.IfNode:
			branch(&n.BranchNode)
		case *parse.RangeNode:
			branch(&n.BranchNode)
		case *parse.WithNode:
			branch(&n.BranchNode)
		case *parse.TemplateNode:
			pipe(n.Pipe)
		}
	}
	for _, d := range t.Templates() {
		if d.Tree != nil {
			walk(d.Tree.Root)
		}
	}
	return uses, errors.Join(faults...)
}

func useOf(where string, args []parse.Node) (i18n.Use, error) {
	u := i18n.Use{Where: where}
	for i, a := range args {
		if i > 0 && i%2 == 0 {
			continue // a value
		}
		s, ok := a.(*parse.StringNode)
		if !ok {
			return u, fmt.Errorf("%s: keys and placeholders of texts must be literals: %s", where, a)
		}
		if i == 0 {
			u.Key = s.Text
		} else {
			u.Names = append(u.Names, s.Text)
		}
	}
	return u, nil
}

// View is what the frame shows around a page.
type View struct {
	Lang   string
	Name   string // of the service that the person is on the way to; empty: ours
	Logo   string // address of its logo; empty: the name in words
	Theme  string // address of its stylesheet; empty: ours
	Host   string // where the person is; empty: not said
	Switch []Language
	Wide   bool // room for two columns
	Page   any  // what the page itself shows
}

// Initial stands for the service where it has no logo.
func (v View) Initial() string {
	for _, r := range v.Name {
		return strings.ToUpper(string(r))
	}
	return ""
}

// Language is a link to the same page in another language.
type Language struct{ Lang, Name, URL string }

// Languages gives the links to the other languages of the page that r asked
// for: none unless it was a GET, since nothing else can be asked for again.
func Languages(r *http.Request, lang string) []Language {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil
	}
	names := map[string]string{"sv": "Svenska", "en": "English"}
	var out []Language
	for _, l := range i18n.Languages() {
		if l == lang {
			continue
		}
		q := r.URL.Query()
		q.Set("lang", l)
		out = append(out, Language{Lang: l, Name: names[l], URL: r.URL.EscapedPath() + "?" + q.Encode()})
	}
	return out
}

// Lang picks the language of the answer to r: what the person chose (and that
// is remembered), then what the application asked for, then what the browser
// says.
func (c Cookies) Lang(w http.ResponseWriter, r *http.Request, asked string) string {
	chosen := ""
	if r.Method == http.MethodGet && strings.Contains(r.URL.RawQuery, "lang=") {
		if chosen = i18n.Known(r.URL.Query().Get("lang")); chosen != "" && c.Get(r, LangCookie) != chosen {
			c.Set(w, LangCookie, chosen, BrowserLife)
		}
	}
	return i18n.Choose(r.Header.Get("Accept-Language"), chosen, c.Get(r, LangCookie), asked)
}

// Render draws a page into memory and only then answers, so that a page that
// fails is an error page and not half a page.
func (t *Templates) Render(w http.ResponseWriter, status int, name string, v View) error {
	page, ok := t.pages[v.Lang][name]
	if !ok {
		return fmt.Errorf("no page %s in %q", name, v.Lang)
	}
	var b bytes.Buffer
	if err := page.ExecuteTemplate(&b, "frame", v); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.Lang)
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the person may have left
	return nil
}
