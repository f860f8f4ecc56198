package web

import (
	"net/http"

	"sigill/broker/kit/page"
)

// Codes of requests that are refused, besides those of page.Ground.
const codeOrigin = "origin"

// notice is a page that says something, and where to go from there.
type notice struct {
	Title, Heading string
	Texts          []string
	Sign, Icon     string // "warn", "bad"; empty: all is well
	Reference      string
	// Service is what it was about, to be named when one calls.
	Service string
	Contact *reach // whom to turn to
	Acts    []act
}

// act is something to press.
type act struct {
	Label, URL string
	Post       bool
	Main       bool
	Fields     []hidden
}

// hidden is what a form holds that nobody sees.
type hidden struct{ Name, Value string }

// tell shows a notice.
func (w *Web) tell(rw http.ResponseWriter, r *http.Request, v visit, status int, n notice) error {
	if n.Title == "" {
		n.Title = n.Heading
	}
	if n.Icon == "" {
		n.Icon = "info"
	}
	return w.page(rw, r, v, "notice", sheet{Status: status, Body: n})
}

// drawProblem is the error page.
func (w *Web) drawProblem(rw http.ResponseWriter, r *http.Request, p *page.Problem) {
	code := p.Code
	switch code {
	case page.CodeNotFound, page.CodeMethod, page.CodeTooLarge, page.CodeMalformed, codeOrigin:
	default:
		code = page.CodeInternal
	}
	body := func(v visit) notice {
		return notice{
			Title: w.text(v, "error.title"), Heading: w.text(v, "error."+code), Texts: []string{w.text(v, "error."+code+".text")},
			Sign: "warn", Icon: "alert", Reference: page.RequestID(r.Context()),
		}
	}
	var err error
	s := spotOf(r)
	if s == nil {
		lang := w.room.Lang(rw, r, page.Look{})
		err = w.room.Render(rw, r, p.Status, "notice", page.Look{Lang: lang}, w.policy, func(string) any {
			return sheet{Body: body(visit{lang: lang})}
		})
	} else {
		v := visit{tenant: s.tenant, base: s.base}
		if s.visit != nil {
			v = *s.visit
		} else {
			r.URL = s.url
			v.lang = w.room.Lang(rw, r, page.Look{})
		}
		n := body(v)
		contact := reachOf(v.tenant.Contact, v.lang)
		n.Contact = &contact
		n.Acts = []act{{Label: w.text(v, "error.home"), URL: v.path("/")}}
		err = w.page(rw, r, v, "notice", sheet{Status: p.Status, Body: n})
	}
	if err != nil {
		panic(err) // Ground then says it in plain words
	}
}
