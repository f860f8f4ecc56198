package web

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"

	"sigill/broker/kit/page"
	"sigill/portal"
	"sigill/portal/drafts"
	"sigill/portal/login"
	"sigill/portal/people"
	"sigill/portal/register"
)

// loginPage asks to log in. A GET begins no login: links are followed by
// machines too.
type loginPage struct {
	Heading, Lead string
	Action        string
	Till, Held    string
	Lost          string // what could not be kept
	Protected     string
	Contact       reach
}

// serveLogin is the login by itself, with somewhere to go after it.
func (w *Web) serveLogin(rw http.ResponseWriter, r *http.Request, v visit) error {
	till := safePath(r.URL.Query().Get("till"))
	if till == "" {
		till = "/mina-sidor"
	}
	if v.who.LoggedIn() {
		return v.to(rw, till)
	}
	return w.askLogin(rw, r, v, loginPage{Heading: w.text(v, "login.heading"), Lead: w.text(v, "login.lead", "tenant", v.name()), Till: till})
}

// land shows the login in place of a page that needs it.
func (w *Web) land(rw http.ResponseWriter, r *http.Request, v visit) error {
	if r.Method == http.MethodPost {
		p, err := readPosted(r)
		if err != nil {
			return err
		}
		return w.interrupted(rw, r, v, p)
	}
	return w.askLogin(rw, r, v, loginPage{
		Heading: w.text(v, "login.heading"), Lead: w.text(v, "login.land", "tenant", v.name()), Till: below(r, v),
	})
}

func (w *Web) askLogin(rw http.ResponseWriter, r *http.Request, v visit, b loginPage) error {
	b.Action, b.Protected, b.Contact = v.path("/logga-in"), w.protectedText(v), reachOf(v.tenant.Contact, v.lang)
	return w.page(rw, r, v, "login", sheet{Here: "login", Body: b})
}

// safePath is an address below the tenant's; empty for everything else. It may
// have no query: nothing of ours that one goes to needs it.
func safePath(s string) string {
	strange := strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '/')
	})
	if strange || len(s) > 300 || !strings.HasPrefix(s, "/") || strings.Contains(s, "//") {
		return ""
	}
	return s
}

// serveLoginBegin sends the browser to the broker.
func (w *Web) serveLoginBegin(rw http.ResponseWriter, r *http.Request, v visit) error {
	posted, err := page.FormUpTo(r, 400, "till", "hallen")
	if err != nil {
		return err
	}
	till := safePath(posted["till"])
	if till == "" {
		till = "/mina-sidor"
	}
	return w.beginLogin(rw, r, v, login.Aim{Path: till, Held: posted["hallen"]})
}

func (w *Web) beginLogin(rw http.ResponseWriter, r *http.Request, v visit, aim login.Aim) error {
	err := w.Logins.Start(rw, r, v.tenant, aim, v.lang)
	if errors.Is(err, login.ErrUnavailable) {
		w.Log.ErrorContext(r.Context(), "login cannot begin", "error", err, "reference", page.RequestID(r.Context()))
		return w.tellLogin(rw, r, v, http.StatusServiceUnavailable, "unavailable", aim)
	}
	return err
}

// serveBegin is the start button of an e-service.
func (w *Web) serveBegin(rw http.ResponseWriter, r *http.Request, v visit) error {
	if _, err := page.Form(r); err != nil {
		return err
	}
	s, ok := w.Catalogue.Service(v.tenant.ID, portal.ServiceID(r.PathValue("service")))
	if !ok {
		return notFound()
	}
	if s.Login.Required && !v.who.LoggedIn() {
		return w.beginLogin(rw, r, v, login.Aim{Path: "/e/" + s.ID, Begin: portal.ServiceID(s.ID)})
	}
	if !v.who.LoggedIn() {
		v.who = w.Holds.Browser(rw, r, v.who)
		v.who.Lang = v.lang
	}
	return w.begin(rw, r, v, portal.ServiceID(s.ID))
}

// begin makes a draft and goes to its first step.
func (w *Web) begin(rw http.ResponseWriter, r *http.Request, v visit, s portal.ServiceID) error {
	id, err := w.Drafts.Begin(settled(r), v.who, v.tenant.ID, s)
	switch {
	case errors.Is(err, drafts.ErrTooMany):
		return w.tell(rw, r, v, http.StatusConflict, notice{
			Heading: w.text(v, "many.heading"), Texts: []string{w.text(v, "many.text")}, Sign: "warn",
			Acts: []act{{Label: w.text(v, "menu.mine"), URL: v.path("/mina-sidor"), Main: true}},
		})
	case errors.Is(err, register.ErrProtected):
		return w.tellProtected(rw, r, v)
	case errors.Is(err, portal.ErrNotFound):
		return notFound()
	case err != nil:
		return err
	}
	return v.to(rw, "/utkast/"+string(id))
}

// serveLoggedIn takes the browser back from the broker, to where it was going.
func (w *Web) serveLoggedIn(rw http.ResponseWriter, r *http.Request, v visit) error {
	out, err := w.Logins.Finish(rw, r, v.tenant)
	if errors.Is(err, login.ErrUnavailable) {
		w.Log.ErrorContext(r.Context(), "login cannot be finished", "error", err, "reference", page.RequestID(r.Context()))
		return w.tellLogin(rw, r, v, http.StatusServiceUnavailable, "unavailable", out.Aim)
	} else if err != nil {
		return err
	}
	if out.Refused != "" {
		return w.refusedLogin(rw, r, v, out)
	}
	v.who = out.Visitor
	v.who.Lang = v.lang
	switch {
	case out.Aim.Held != "":
		return w.resume(rw, r, v, out.Aim)
	case out.Aim.Begin != "":
		return w.begin(rw, r, v, out.Aim.Begin)
	}
	till := safePath(out.Aim.Path)
	if till == "" {
		till = "/mina-sidor"
	}
	return v.to(rw, till)
}

// refusedLogin says why somebody is not let in, whom to call, and what to do.
func (w *Web) refusedLogin(rw http.ResponseWriter, r *http.Request, v visit, out login.Outcome) error {
	switch out.Refused {
	case string(people.Protected):
		return w.tellProtected(rw, r, v)
	case string(people.Coordination), string(people.Unknown):
		return w.tellLogin(rw, r, v, http.StatusForbidden, out.Refused, out.Aim)
	case "cancelled":
		return w.tellLogin(rw, r, v, http.StatusOK, out.Refused, out.Aim)
	}
	return w.tellLogin(rw, r, v, http.StatusBadRequest, "failed", out.Aim)
}

// tellLogin is the page of a login that came to nothing: what happened, how to
// try again, and whom to call about which e-service (P-33).
func (w *Web) tellLogin(rw http.ResponseWriter, r *http.Request, v visit, status int, why string, aim login.Aim) error {
	contact := reachOf(v.tenant.Contact, v.lang)
	n := notice{
		Title: w.text(v, "refused.title"), Heading: w.text(v, "refused."+why), Texts: []string{w.text(v, "refused."+why+".text"), w.text(v, "refused."+why+".next")},
		Sign: "warn", Icon: "alert", Contact: &contact, Reference: page.RequestID(r.Context()),
	}
	if s, ok := w.Catalogue.Service(v.tenant.ID, aim.Begin); ok {
		n.Service = s.Title.In(v.lang)
	}
	switch why {
	case string(people.Coordination), string(people.Unknown):
		n.Acts = []act{{Label: w.text(v, "error.home"), URL: v.path("/")}}
	default:
		till := safePath(aim.Path)
		if till == "" {
			till = "/mina-sidor"
		}
		again := act{Label: w.text(v, "refused.again"), URL: v.path("/logga-in"), Post: true, Main: true, Fields: []hidden{{"till", till}}}
		if aim.Held != "" {
			again.Fields = append(again.Fields, hidden{"hallen", aim.Held})
		}
		if aim.Begin != "" {
			again.URL, again.Fields = v.path("/e/"+string(aim.Begin)+"/starta"), nil
		}
		n.Acts = []act{again, {Label: w.text(v, "error.home"), URL: v.path("/")}}
	}
	return w.tell(rw, r, v, status, n)
}

// tellProtected gives the telephone route, and names nothing else (P-29, P-30).
func (w *Web) tellProtected(rw http.ResponseWriter, r *http.Request, v visit) error {
	contact := reachOf(v.tenant.Contact, v.lang)
	contact.Email = "" // never e-mail
	return w.tell(rw, r, v, http.StatusForbidden, notice{
		Heading: w.text(v, "protected.heading"), Texts: []string{w.protectedText(v), w.text(v, "protected.nothing")},
		Sign: "warn", Icon: "phone", Contact: &contact,
	})
}

// serveLogout ends the session, at the broker too.
func (w *Web) serveLogout(rw http.ResponseWriter, r *http.Request, v visit) error {
	if _, err := page.Form(r); err != nil {
		return err
	}
	return w.Logins.End(rw, r, v.tenant, "/utloggad")
}

// serveLoggedOut says good-bye. A page whose time is over comes here too, with
// where it was: whoever has gone on in another tab is still logged in, and goes
// back.
func (w *Web) serveLoggedOut(rw http.ResponseWriter, r *http.Request, v visit) error {
	till := safePath(r.URL.Query().Get("till"))
	if till != "" && v.who.LoggedIn() {
		return v.to(rw, till)
	}
	if v.who.LoggedIn() {
		return w.stillIn(rw, r, v, "/logga-ut", act{Label: w.text(v, "menu.mine"), URL: v.path("/mina-sidor")})
	}
	n := notice{
		Heading: w.text(v, "out.heading"), Texts: []string{w.text(v, "out.text")}, Icon: "check",
		Acts: []act{{Label: w.text(v, "error.home"), URL: v.path("/")}},
	}
	if till != "" {
		n.Heading, n.Icon = w.text(v, "out.idle"), "clock"
		n.Texts = []string{w.text(v, "out.idle.text", "minutes", waitMinutes(v.tenant)), w.text(v, "out.text")}
		n.Acts = append([]act{{Label: w.text(v, "out.again"), URL: v.path("/logga-in?till=" + url.QueryEscape(till)), Main: true}}, n.Acts...)
	}
	return w.tell(rw, r, v, http.StatusOK, n)
}

// stillIn says to somebody who asks for the good-bye that nobody has logged out.
func (w *Web) stillIn(rw http.ResponseWriter, r *http.Request, v visit, out string, on act) error {
	return w.tell(rw, r, v, http.StatusOK, notice{
		Heading: w.text(v, "out.not"), Texts: []string{w.text(v, "out.not.text")}, Sign: "warn", Icon: "alert",
		Acts: []act{{Label: w.text(v, "out.now"), URL: v.path(out), Post: true, Main: true}, on},
	})
}

// serveStay prolongs the session, for the script.
func (w *Web) serveStay(rw http.ResponseWriter, r *http.Request, v visit) error {
	who, err := w.Logins.Visitor(rw, r, v.tenant, true)
	if err != nil {
		return err
	}
	if !who.LoggedIn() {
		rw.WriteHeader(http.StatusUnauthorized)
		return nil
	}
	rw.WriteHeader(http.StatusNoContent)
	return nil
}

// maxLogo is the largest logo that is served.
const maxLogo = 512 << 10

// serveLogo gives the tenant's logo, as a picture and nothing else.
func (w *Web) serveLogo(rw http.ResponseWriter, r *http.Request, v visit) error {
	media := map[string]string{".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg"}[strings.ToLower(path.Ext(v.tenant.Theme.Logo))]
	if media == "" {
		return notFound()
	}
	f, err := w.Catalogue.Logo(v.tenant.ID)
	if errors.Is(err, fs.ErrNotExist) {
		return notFound()
	} else if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxLogo+1))
	if err != nil || len(b) > maxLogo {
		return errors.Join(err, errors.New("the logo cannot be read, or is too large"))
	}
	h := rw.Header()
	h.Set("Content-Type", media)
	h.Set("Cache-Control", "public, max-age=3600")
	// A picture opened by itself is a document, and may hold anything.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	_, _ = rw.Write(b)
	return nil
}
