package web

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sigill/broker"
	"sigill/broker/kit/design"
	"sigill/broker/kit/page"
	"sigill/broker/oidc"
)

// Pages draws pages. It is apart from Web since the OpenID room needs its part
// of it (oidc.Pages) before there are logins to show, and since the signing room
// shows e-ID orders as we do (see Errand).
type Pages struct {
	PagesConfig
	room   *page.Room
	ground page.Ground
}

// PagesConfig is what Pages needs; all of it but Now.
type PagesConfig struct {
	Issuer  string // our own address
	Assets  *design.Assets
	Cookies page.Cookies
	Log     *slog.Logger
	Now     func() time.Time
}

var _ oidc.Pages = (*Pages)(nil)

// NewPages reads texts and templates and checks them against each other.
func NewPages(c PagesConfig) (*Pages, error) {
	room, err := page.NewRoom(page.RoomConfig{
		Address: c.Issuer, Assets: c.Assets, Cookies: c.Cookies, Log: c.Log,
		Templates: pagesFS(), Texts: texts, InCode: textsInCode(),
	})
	if err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	p := &Pages{PagesConfig: c, room: room}
	p.ground = page.Ground{HTTPS: room.HTTPS, Log: c.Log, Draw: func(w http.ResponseWriter, r *http.Request, pr *page.Problem) {
		p.drawProblem(w, r, pr, page.Look{})
	}}
	return p, nil
}

// LookOf is the look of a client's pages. asked is the language that it asked
// for, if any. Without a client the look is ours.
func LookOf(c *broker.Client, asked string) page.Look {
	l := page.Look{Asked: asked}
	if c != nil {
		l.Name, l.NameEN, l.Home, l.Accent, l.Logo = c.Name, c.NameEN, safeHome(c.Home), c.Theme.Accent, c.Theme.Logo
	}
	return l
}

func (p *Pages) text(lang, key string, pairs ...any) string { return p.room.Text(lang, key, pairs...) }

func (p *Pages) render(w http.ResponseWriter, r *http.Request, status int, name string, l page.Look, policy page.Policy, body func(lang string) any) error {
	l.Once = l.Once || r.PathValue("handle") != ""
	return p.room.Render(w, r, status, name, l, policy, body)
}

// Notice is a page that says something and needs no answer.
type Notice struct {
	Title, Heading, Text, Next, Beware string
	Sign, Icon                         string
	Client, Home, Choices, Reference   string
}

// Show draws a notice outside a Handler.
func (p *Pages) Show(w http.ResponseWriter, r *http.Request, status int, l page.Look, body func(lang string) Notice) {
	err := p.render(w, r, status, "notice", l, page.Policy{}, func(lang string) any {
		n := body(lang)
		if l.Name != "" {
			n.Client = l.NameIn(lang)
			if n.Home == "" {
				n.Home = l.Home
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

func (p *Pages) drawProblem(w http.ResponseWriter, r *http.Request, pr *page.Problem, l page.Look) {
	p.Show(w, r, pr.Status, l, func(lang string) Notice {
		words := wordsOf(pr.Code)
		n := Notice{
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
		p.drawProblem(w, r, pr, LookOf(f.Client, ""))
	}
	g.Fail(w, r, &page.Problem{Status: f.Status, Code: f.Code, Err: f.Err})
}

// Logout asks whether to log out, or says that it is done.
func (p *Pages) Logout(w http.ResponseWriter, r *http.Request, v oidc.LogoutView) {
	r = p.ground.Prepare(w, r)
	l := LookOf(v.Client, "")
	if !v.Confirm {
		p.Show(w, r, http.StatusOK, l, func(lang string) Notice {
			return Notice{
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
	err := p.render(w, r, http.StatusOK, "onward", page.Look{}, page.Policy{FormTargets: []string{action}}, func(string) any {
		return struct {
			Action string
			Fields [][2]string
		}{action, fields}
	})
	if err != nil {
		p.ground.Fail(w, r, err)
	}
}
