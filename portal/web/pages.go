package web

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"sigill/broker/kit/page"
	"sigill/portal"
	"sigill/portal/form"
)

// sheet is a page as it is drawn: its body, and what the frame shows around it.
type sheet struct {
	Status int    // 0: 200
	Here   string // the item of the menu that this is: "start", "mine", "profile", "login"
	Wide   bool   // room for two columns
	// Officer is the name of an officer whose page it is; the menu is then theirs.
	Officer string
	Body    any
	Around  around // filled in by page
}

// around is what the frame of every page shows.
type around struct {
	Base, Tenant, Logo, Host string
	Here                     string
	Person                   string // the name of whoever is logged in
	Officer                  string
	Contact                  reach
	// Idle is how many seconds one may do nothing; Minutes says it to people.
	Idle, Minutes int
	// Over is where the page goes when they have passed.
	Over string
}

// reach is how to reach somebody, as pages show it.
type reach struct {
	Name, Phone, Email, Hours, Address, URL string
	Tel                                     template.URL
}

func reachOf(c portal.Contact, lang string) reach {
	out := reach{Name: c.Name.In(lang), Phone: c.Phone, Email: c.Email, Hours: c.Hours.In(lang), Address: c.Address, URL: c.URL}
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '+' {
			return r
		}
		return -1
	}, c.Phone)
	if digits != "" {
		out.Tel = template.URL("tel:" + digits) // digits alone: cannot be anything else
	}
	return out
}

// page draws a page of a tenant.
func (w *Web) page(rw http.ResponseWriter, r *http.Request, v visit, name string, s sheet) error {
	if s.Status == 0 {
		s.Status = http.StatusOK
	}
	s.Around = around{
		Base: v.base, Tenant: v.name(), Here: s.Here, Officer: s.Officer,
		Contact: reachOf(v.tenant.Contact, v.lang),
	}
	if u, err := url.Parse(v.tenant.BaseURL); err == nil {
		s.Around.Host = u.Hostname()
	}
	if v.tenant.Theme.Logo != "" {
		s.Around.Logo = v.path("/logga")
	}
	if v.who.LoggedIn() && s.Officer == "" {
		s.Around.Person = personName(v.who)
		s.Around.Idle = int(idle(v.tenant).Seconds())
		s.Around.Minutes = s.Around.Idle / 60
		s.Around.Over = v.path("/utloggad?till=" + url.QueryEscape(below(r, v)))
	}
	look := lookOf(v)
	// What came back from a login cannot be asked for again, and its address is
	// repeated nowhere.
	look.Once = strings.HasSuffix(r.URL.Path, "/inloggad")
	return w.room.Render(rw, r, s.Status, name, look, w.policy, func(string) any { return s })
}

// below is the address of a page that can be asked for again, below the
// tenant's; of what was posted, the first page.
func below(r *http.Request, v visit) string {
	if r.Method != http.MethodGet {
		return "/"
	}
	return strings.TrimPrefix(r.URL.Path, v.base)
}

func personName(p portal.Visitor) string {
	if p.Name != "" {
		return p.Name
	}
	return strings.TrimSpace(p.Given + " " + p.Family)
}

func lookOf(v visit) page.Look {
	return page.Look{Name: v.tenant.Name.In("sv"), NameEN: v.tenant.Name["en"], Accent: v.tenant.Theme.Accent, Lang: v.lang}
}

// text is for texts that code chooses.
func (w *Web) text(v visit, key string, pairs ...any) string {
	return w.room.Text(v.lang, key, pairs...)
}

// paragraphs parts a text at its blank lines.
func paragraphs(t form.Text, lang string) []string {
	var out []string
	for _, p := range strings.Split(strings.ReplaceAll(t.In(lang), "\r\n", "\n"), "\n\n") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}
