package saml

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"sigill/testidp/control"
	"sigill/testidp/persons"
)

//go:embed pages.html
var pagesHTML string

// A view is what the templates draw.
type view struct {
	T        texts
	Title    string
	Nonce    string
	Here     string // the page's own address
	Entity   string
	Asker    string
	Behind   string
	Sign     bool
	Text     string
	People   []persons.Person
	Required *persons.Person
	Endings  []ending
	Faults   []string
	Notice   string
	ACS      string
	Field    string
	Relay    string
	Hint     string
}

type ending struct{ Hint, Name string }

// language is what the person chose, else what the browser asks for.
func language(r *http.Request) string {
	switch r.FormValue("lang") {
	case "en", "sv":
		return r.FormValue("lang")
	}
	if strings.HasPrefix(r.Header.Get("Accept-Language"), "en") {
		return "en"
	}
	return "sv"
}

// page shows an order: what is asked while it is pending, and then the form that
// takes the answer to the peer.
func (p *IdP) page(w http.ResponseWriter, r *http.Request) {
	p.show(w, r, "")
}

func (p *IdP) show(w http.ResponseWriter, r *http.Request, notice string) {
	p.mu.Lock()
	o := p.find(r.PathValue("id"))
	var state control.Order
	if o != nil {
		state = p.view(o)
	}
	p.mu.Unlock()
	lang := language(r)
	t := textsFor(lang)
	v := view{T: t, Title: t.NothingHere, Entity: p.title(lang), Notice: notice}
	if o == nil {
		v.Notice = t.NothingLead
		p.draw(w, http.StatusNotFound, "refused", v)
		return
	}
	q := o.request
	v.Here, v.Hint, v.Asker, v.Behind, v.Sign, v.Text = p.config.Path+"/o/"+o.id, state.Hint, q.peer.name(lang), q.behind, q.signing, q.shown
	if state.State == control.Pending {
		v.Title = t.Identify
		if v.Sign {
			v.Title = t.Sign
		}
		v.People = p.config.People.List()
		if who, ok := p.config.People.ByNumber(state.RequiredPnr); ok {
			v.Required = &who
		}
		v.Endings = t.endings()
		v.Faults = faultsOfResponses()
		p.draw(w, http.StatusOK, "ask", v)
		return
	}
	if o.drawn[dropAnswer] {
		panic(http.ErrAbortHandler)
	}
	field, relay, err := p.deliver(o)
	if err != nil {
		p.config.Log.Error("the response was not made", "order", o.id, "error", err)
		http.Error(w, "the simulator failed", http.StatusInternalServerError)
		return
	}
	v.Title, v.ACS, v.Field, v.Relay = t.Back, q.acs, field, relay
	p.draw(w, http.StatusOK, "deliver", v)
}

// state tells the page's script whether there is something new.
func (p *IdP) state(w http.ResponseWriter, r *http.Request) {
	o, ok := p.Order(r.PathValue("id"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]string{"state": o.State})
}

// decide is what the page posts: action, person (its short name), hint, and a
// fault for this one answer.
func (p *IdP) decide(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form cannot be read", http.StatusBadRequest)
		return
	}
	a := control.Action{Action: r.PostForm.Get("action"), Hint: r.PostForm.Get("hint")}
	if hint, ok := strings.CutPrefix(a.Action, "fail:"); ok {
		a.Action, a.Hint = "fail", hint
	}
	if who, ok := p.config.People.ByID(r.PostForm.Get("person")); ok {
		a.Pnr = who.Number
	}
	f := p.config.Faults.Draw(p.config.Name)
	if one := r.PostForm.Get("fault"); slices.Contains(faultsOfResponses(), one) {
		if f == nil {
			f = control.Drawn{}
		}
		f[one] = true
	}
	if _, err := p.actWith(r.PathValue("id"), a, f); err != nil {
		p.show(w, r, err.Error())
		return
	}
	to := p.config.Path + "/o/" + r.PathValue("id")
	if l := r.PostForm.Get("lang"); l == "sv" || l == "en" {
		to += "?lang=" + l
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// refuse shows why a request is not even an order. It says what is wrong, which a
// real one would not.
func (p *IdP) refuse(w http.ResponseWriter, r *http.Request, why error) {
	p.config.Log.Info("a request was refused", "idp", p.config.Name, "reason", why)
	lang := language(r)
	t := textsFor(lang)
	p.draw(w, http.StatusBadRequest, "refused", view{T: t, Title: t.Refused, Entity: p.title(lang), Notice: why.Error()})
}

func (p *IdP) title(lang string) string {
	if lang == "en" && p.config.Title.EN != "" {
		return p.config.Title.EN
	}
	return p.config.Title.SV
}

// draw draws. Forms may lead anywhere, since browsers hold redirects that follow
// to the same rule, and only peers know where those lead.
func (p *IdP) draw(w http.ResponseWriter, status int, name string, v view) {
	pages, err := template.New("").Parse(pagesHTML)
	if err != nil {
		http.Error(w, "the simulator failed", http.StatusInternalServerError)
		return
	}
	v.Nonce = random()
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self' 'nonce-"+v.Nonce+"'; script-src 'nonce-"+v.Nonce+
		"'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' http: https:")
	w.WriteHeader(status)
	if err := pages.ExecuteTemplate(w, name, v); err != nil {
		p.config.Log.Error("a page was not drawn", "page", name, "error", err)
	}
}
