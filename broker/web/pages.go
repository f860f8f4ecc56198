package web

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"sigill/broker"
	"sigill/broker/kit/design"
	"sigill/broker/kit/i18n"
	"sigill/broker/kit/page"
	"sigill/broker/oidc"
)

// Pages draws pages. It is apart from Web since the OpenID room needs its part
// of it (oidc.Pages) before there are logins to show.
type Pages struct {
	PagesConfig
	host      string
	texts     *i18n.Catalogue
	templates *page.Templates
	ground    page.Ground
}

// PagesConfig is what Pages needs, all of it.
type PagesConfig struct {
	Issuer  string // our own address
	Assets  *design.Assets
	Cookies page.Cookies
	Log     *slog.Logger
}

var _ oidc.Pages = (*Pages)(nil)

// NewPages reads texts and templates and checks them against each other.
func NewPages(c PagesConfig) (*Pages, error) {
	if c.Assets == nil || c.Log == nil {
		return nil, errors.New("web: incomplete configuration of pages")
	}
	u, err := url.Parse(c.Issuer)
	if err != nil || u.Host == "" {
		return nil, errors.New("web: the issuer is not an address")
	}
	catalogue, err := i18n.Load(texts, design.Texts())
	if err != nil {
		return nil, err
	}
	t, err := page.LoadTemplates(pagesFS(), catalogue, c.Assets, textsInCode())
	if err != nil {
		return nil, err
	}
	p := &Pages{PagesConfig: c, host: u.Hostname(), texts: catalogue, templates: t}
	p.ground = page.Ground{HTTPS: u.Scheme == "https", Log: c.Log, Draw: func(w http.ResponseWriter, r *http.Request, pr *page.Problem) {
		p.drawProblem(w, r, pr, look{})
	}}
	return p, nil
}

// look is whose page it is and what language was asked for.
type look struct {
	client *broker.Client
	asked  string // the language that the application asked for
	lang   string // the language that the answer must have; empty: see asked
	wide   bool
}

func clientName(c *broker.Client, lang string) string {
	switch {
	case c == nil:
		return ""
	case lang == "en" && c.NameEN != "":
		return c.NameEN
	}
	return c.Name
}

func (p *Pages) lang(w http.ResponseWriter, r *http.Request, l look) string {
	if l.lang != "" {
		return l.lang
	}
	return p.Cookies.Lang(w, r, l.asked)
}

// text is for texts that code chooses. All of them are named in textsInCode,
// so a missing one cannot get this far; if it does, the key is better than
// nothing.
func (p *Pages) text(lang, key string, pairs ...any) string {
	s, err := p.texts.Text(lang, key, pairs...)
	if err != nil {
		p.Log.Error("text", "error", err)
		return key
	}
	return s
}

// render draws a page in the language of the answer. body gets that language
// and gives what the page shows.
func (p *Pages) render(w http.ResponseWriter, r *http.Request, status int, name string, l look, policy page.Policy, body func(lang string) any) error {
	lang := p.lang(w, r, l)
	v := page.View{Lang: lang, Host: p.host, Wide: l.wide, Name: clientName(l.client, lang)}
	// A one-time address cannot be asked for again in another language.
	if r.PathValue("handle") == "" {
		v.Switch = page.Languages(r, lang)
	}
	if l.client != nil {
		v.Theme = design.ThemeURL(l.client.Theme.Accent)
		v.Logo = p.Assets.URL(l.client.Theme.Logo)
	}
	if body != nil {
		v.Page = body(lang)
	}
	policy.Apply(w.Header())
	return p.templates.Render(w, status, name, v)
}

// notice is a page that says something and needs no answer.
type notice struct {
	Title, Heading, Text, Next, Beware string
	Sign, Icon                         string
	Client, Home, Choices, Reference   string
}

// show draws a notice outside a Handler.
func (p *Pages) show(w http.ResponseWriter, r *http.Request, status int, l look, body func(lang string) notice) {
	err := p.render(w, r, status, "notice", l, page.Policy{}, func(lang string) any {
		n := body(lang)
		if l.client != nil {
			n.Client = clientName(l.client, lang)
			if n.Home == "" {
				n.Home = safeHome(l.client.Home)
			}
		}
		return n
	})
	if err != nil {
		p.Log.ErrorContext(r.Context(), "page not drawn", "error", err)
		http.Error(w, "Fel / Error "+page.RequestID(r.Context()), http.StatusInternalServerError)
	}
}

// safeHome lets only web addresses become links.
func safeHome(address string) string {
	if u, err := url.Parse(address); err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" {
		return address
	}
	return ""
}

func (p *Pages) drawProblem(w http.ResponseWriter, r *http.Request, pr *page.Problem, l look) {
	p.show(w, r, pr.Status, l, func(lang string) notice {
		words := wordsOf(pr.Code)
		n := notice{
			Title: p.text(lang, "error.title"), Heading: p.text(lang, words.heading), Text: p.text(lang, words.text),
			Sign: "warn", Icon: "alert", Reference: page.RequestID(r.Context()),
		}
		if words.next != "" {
			n.Next = p.text(lang, words.next)
		}
		if pr.Code == oidc.FaultExpired {
			n.Icon = "clock"
		}
		login := r.PathValue("login")
		if words.choices && login != "" && !strings.ContainsAny(login, "/?#") {
			n.Choices = "/login/" + url.PathEscape(login)
		}
		return n
	})
}

// Fault is oidc's error page.
func (p *Pages) Fault(w http.ResponseWriter, r *http.Request, f oidc.Fault) {
	g := p.ground
	g.Draw = func(w http.ResponseWriter, r *http.Request, pr *page.Problem) {
		p.drawProblem(w, r, pr, look{client: f.Client})
	}
	g.Fail(w, r, &page.Problem{Status: f.Status, Code: f.Code, Err: f.Err})
}

// Logout asks whether to log out, or says that it is done.
func (p *Pages) Logout(w http.ResponseWriter, r *http.Request, v oidc.LogoutView) {
	r = p.ground.Prepare(w, r)
	l := look{client: v.Client}
	if !v.Confirm {
		p.show(w, r, http.StatusOK, l, func(lang string) notice {
			return notice{
				Title: p.text(lang, "logout.title"), Heading: p.text(lang, "logout.done"), Text: p.text(lang, "logout.done.text"),
				Icon: "check", Home: safeHome(v.Back),
			}
		})
		return
	}
	policy := page.Policy{}
	if v.Client != nil {
		policy.FormTargets = v.Client.PostLogoutRedirectURIs // where a yes may end
	}
	err := p.render(w, r, http.StatusOK, "logout", l, policy, func(string) any {
		return struct{ Action, Back string }{v.Action, safeHome(v.Back)}
	})
	if err != nil {
		p.ground.Fail(w, r, err)
	}
}

// FormPost is a page that posts fields onward.
func (p *Pages) FormPost(w http.ResponseWriter, r *http.Request, action string, fields [][2]string) {
	r = p.ground.Prepare(w, r)
	err := p.render(w, r, http.StatusOK, "onward", look{}, page.Policy{FormTargets: []string{action}}, func(string) any {
		return struct {
			Action string
			Fields [][2]string
		}{action, fields}
	})
	if err != nil {
		p.ground.Fail(w, r, err)
	}
}
