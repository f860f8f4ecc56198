package staff

import (
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

//go:embed pages.html
var pagesHTML string

const codeLife = time.Minute

// A grant is what a code stands for.
type grant struct {
	officer   Officer
	redirect  string
	nonce     string
	challenge string
	at        time.Time
}

// A request is an authorization request that may be answered.
type request struct{ redirect, state, nonce, challenge string }

// A refusal goes back to the client, or is shown here when it is not known
// where that is.
type refusal struct {
	code, why string
	shown     bool
}

func (d *Directory) read(q url.Values) (request, *refusal) {
	here := func(why string) *refusal { return &refusal{"invalid_request", why, true} }
	back := func(code, why string) *refusal { return &refusal{code, why, false} }
	for name, values := range q {
		if len(values) != 1 {
			return request{}, here("the parameter " + name + " stands there twice")
		}
	}
	a := request{q.Get("redirect_uri"), q.Get("state"), q.Get("nonce"), q.Get("code_challenge")}
	switch {
	case q.Get("client_id") != ClientID:
		return a, here("unknown client_id")
	case !d.allowed(a.redirect):
		return a, here("redirect_uri is not one of the client's")
	case q.Get("response_type") != "code":
		return a, back("unsupported_response_type", "only code is")
	case q.Has("response_mode") && q.Get("response_mode") != "query":
		return a, back("invalid_request", "only response_mode query is")
	case q.Has("request") || q.Has("request_uri"):
		return a, back("request_not_supported", "no request objects")
	case !slices.Contains(strings.Fields(q.Get("scope")), "openid"):
		return a, back("invalid_scope", "scope lacks openid")
	case len(a.challenge) != 43 || q.Get("code_challenge_method") != "S256":
		return a, back("invalid_request", "PKCE with S256 is needed")
	case len(a.state) > 1024 || len(a.nonce) > 1024:
		return a, back("invalid_request", "state or nonce is too long")
	case q.Get("prompt") == "none":
		return a, back("login_required", "")
	}
	return a, nil
}

// authorize shows the page, unless somebody obeys.
func (d *Directory) authorize(w http.ResponseWriter, r *http.Request) {
	a, refused := d.read(r.URL.Query())
	if refused != nil {
		d.refuse(w, r, a, *refused)
		return
	}
	d.mu.Lock()
	auto := d.auto
	d.mu.Unlock()
	if o, ok := officerByID(auto); ok {
		d.grant(w, r, a, o)
		return
	}
	u, _ := url.Parse(a.redirect) // read has parsed it
	d.draw(w, http.StatusOK, "pick", u.Scheme+"://"+u.Host, page{Officers: Officers()})
}

// picked is what the page posts: officer=<id>, or cancel.
func (d *Directory) picked(w http.ResponseWriter, r *http.Request) {
	a, refused := d.read(r.URL.Query())
	if refused != nil {
		d.refuse(w, r, a, *refused)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	o, ok := officerByID(r.PostFormValue("officer"))
	switch {
	case r.PostFormValue("cancel") != "":
		d.refuse(w, r, a, refusal{"access_denied", "the officer cancelled", false})
	case !ok:
		d.refuse(w, r, a, refusal{"invalid_request", "unknown officer", true})
	default:
		d.grant(w, r, a, o)
	}
}

func (d *Directory) grant(w http.ResponseWriter, r *http.Request, a request, o Officer) {
	code, now := random(), d.config.Now()
	d.mu.Lock()
	for c, g := range d.codes {
		if now.Sub(g.at) > codeLife {
			delete(d.codes, c)
		}
	}
	d.codes[code] = grant{o, a.redirect, a.nonce, a.challenge, now}
	d.mu.Unlock()
	d.sendBack(w, a, url.Values{"code": {code}})
}

func (d *Directory) refuse(w http.ResponseWriter, r *http.Request, a request, f refusal) {
	if f.shown {
		d.draw(w, http.StatusBadRequest, "refused", "", page{Why: f.why})
		return
	}
	v := url.Values{"error": {f.code}}
	if f.why != "" {
		v.Set("error_description", f.why)
	}
	d.sendBack(w, a, v)
}

// sendBack adds to the query that the client's address may have.
func (d *Directory) sendBack(w http.ResponseWriter, a request, v url.Values) {
	if a.state != "" {
		v.Set("state", a.state)
	}
	v.Set("iss", d.Issuer())
	mark := "?"
	if strings.Contains(a.redirect, "?") {
		mark = "&"
	}
	w.Header().Set("Location", a.redirect+mark+v.Encode())
	w.WriteHeader(http.StatusSeeOther)
}

// endSession leads back to the client. There is no session to end.
func (d *Directory) endSession(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	after := q.Get("post_logout_redirect_uri")
	switch {
	case q.Get("client_id") != "" && q.Get("client_id") != ClientID:
		d.refuse(w, r, request{}, refusal{"", "unknown client_id", true})
	case after == "":
		d.draw(w, http.StatusOK, "ended", "", page{})
	case !d.allowed(after) || q.Get("client_id") == "" && q.Get("id_token_hint") == "":
		d.refuse(w, r, request{}, refusal{"", "post_logout_redirect_uri is not one of the client's", true})
	default:
		if q.Get("state") != "" {
			mark := "?"
			if strings.Contains(after, "?") {
				mark = "&"
			}
			after += mark + url.Values{"state": {q.Get("state")}}.Encode()
		}
		w.Header().Set("Location", after)
		w.WriteHeader(http.StatusSeeOther)
	}
}

// A page is what the templates draw.
type page struct {
	Officers []Officer
	Why      string
}

func (d *Directory) overview(w http.ResponseWriter, r *http.Request) {
	d.draw(w, http.StatusOK, "overview", "", page{Officers: Officers()})
}

// draw draws; then is where the form's answer may lead on to, which browsers
// check as well.
func (d *Directory) draw(w http.ResponseWriter, status int, name, then string, p page) {
	pages, err := template.New("").Parse(pagesHTML)
	if err != nil {
		http.Error(w, "the simulator failed", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", strings.TrimSpace("default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' "+then))
	w.WriteHeader(status)
	pages.ExecuteTemplate(w, name, p)
}
