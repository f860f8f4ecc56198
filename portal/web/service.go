package web

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"sigill/portal"
	"sigill/portal/form"
)

// servicePage is an e-service's first page (P-16 … P-23, P-29).
type servicePage struct {
	Title, Summary string
	Audience       string
	Begin          string // where the button posts
	Login          bool   // the button leads to a login
	About          []string
	Needs          []need
	Files          []string
	Checklist      []string
	More           []link
	Drafts         []draftLine
	Authority      string
	Contact        reach
	Privacy        privacy
	Protected      string
	Phone          reach
}

// need is something that must be known before one begins: derived from the
// definition, never written by hand.
type need struct{ Icon, Text string }

type link struct{ Label, URL string }

// draftLine is a draft that can be gone on with.
type draftLine struct {
	URL, When, Button string
	Waiting           bool
}

// privacy is what must be said of personal data.
type privacy struct {
	Rows []form.Row
	More string // the tenant's own page; may be empty
	IMY  bool
}

func (w *Web) serveService(rw http.ResponseWriter, r *http.Request, v visit) error {
	s, ok := w.Catalogue.Service(v.tenant.ID, portal.ServiceID(r.PathValue("service")))
	if !ok {
		return notFound()
	}
	a := authority(v.tenant, s)
	b := servicePage{
		Title: s.Title.In(v.lang), Summary: s.Summary.In(v.lang), Audience: w.audienceWords(v, s),
		Begin: v.path("/e/" + s.ID + "/starta"), Login: s.Login.Required && !v.who.LoggedIn(),
		About: paragraphs(s.About, v.lang), Needs: w.needs(v, s), Files: w.fileNeeds(v, s),
		Authority: a.Name.In(v.lang), Contact: reachOf(a.Contact, v.lang), Privacy: w.privacyOf(v, s),
		Protected: w.protectedText(v), Phone: reachOf(v.tenant.Contact, v.lang),
	}
	for _, c := range s.Checklist {
		b.Checklist = append(b.Checklist, c.In(v.lang))
	}
	for _, m := range s.More {
		b.More = append(b.More, link{m.Label.In(v.lang), m.URL})
	}
	if v.who.LoggedIn() || v.who.Browser != "" {
		heads, err := w.Drafts.List(r.Context(), v.who)
		if err != nil {
			return err
		}
		for _, d := range heads {
			if d.Tenant != v.tenant.ID || d.Service != portal.ServiceID(s.ID) {
				continue
			}
			line := draftLine{URL: v.path("/utkast/" + string(d.ID)), When: w.when(v, d.Changed), Waiting: d.State != portal.Open}
			if line.Waiting {
				line.URL += "/vantar"
			}
			b.Drafts = append(b.Drafts, line)
		}
	}
	return w.page(rw, r, v, "service", sheet{Here: "service", Wide: true, Body: b})
}

// authority is the board that is responsible for a service; the tenant itself
// where it is not named.
func authority(t portal.Tenant, s *form.Service) portal.Authority {
	a, ok := t.Authorities[s.Authority]
	if !ok {
		a = portal.Authority{Name: t.Name, Contact: t.Contact}
	}
	return a
}

// needs says what a service asks for.
func (w *Web) needs(v visit, s *form.Service) []need {
	var out []need
	add := func(icon, key string, pairs ...any) { out = append(out, need{icon, w.text(v, key, pairs...)}) }
	if s.Login.Required {
		add("lock", "service.login")
	} else {
		add("lock", "service.login.no")
	}
	add("window", "service.steps", "n", len(s.Steps))
	if s.Login.Drafts && s.Login.Required {
		add("clock", "service.drafts", "keep", w.span(v, s.Privacy.Keep.Draft))
	}
	switch {
	case s.Signing == nil:
		add("check", "service.sign.no")
	case len(s.Signing.Parties) < 2:
		add("seal", "service.sign")
	default:
		add("seal", "service.sign")
		add("seal", secondSigner(s), "keep", w.span(v, s.Signing.Deadline))
	}
	if len(fileFields(s)) == 0 {
		add("file", "service.files.no")
	}
	return out
}

// secondSigner names the text about others who sign.
func secondSigner(s *form.Service) string {
	for _, p := range s.Signing.Parties[1:] {
		f, _ := s.Field(p.From)
		guardian := f != nil && f.Type == form.TypeChild
		switch {
		case guardian:
			return "service.sign.guardian"
		case p.When == nil:
			return "service.sign.others"
		}
	}
	return "service.sign.perhaps"
}

func fileFields(s *form.Service) []*form.Field {
	var out []*form.Field
	for _, step := range s.Steps {
		for _, f := range step.Fields {
			if f.Type == form.TypeFile {
				out = append(out, f)
			}
		}
	}
	return out
}

// fileNeeds names what can be or must be enclosed.
func (w *Web) fileNeeds(v visit, s *form.Service) []string {
	var out []string
	for _, f := range fileFields(s) {
		key := "service.file.optional"
		switch {
		case f.Need == form.Optional:
		case f.Show != nil:
			key = "service.file.sometimes"
		case f.Need == form.Required:
			key = "service.file.required"
		}
		out = append(out, w.text(v, key, "label", f.Label.In(v.lang)))
	}
	return out
}

// span says a length of time in whole years, months or days.
func (w *Web) span(v visit, d time.Duration) string {
	days := int(d / (24 * time.Hour))
	if days > 0 && days%365 == 0 {
		return w.text(v, "span.years", "n", days/365)
	}
	return w.text(v, "span.days", "n", days)
}

// bases are the legal grounds of the format that have words.
func bases() []string {
	return []string{"allmant-intresse", "myndighetsutovning", "rattslig-forpliktelse", "avtal", "samtycke"}
}

// privacyOf is what is said of personal data: what its version is made of, too.
func (w *Web) privacyOf(v visit, s *form.Service) privacy {
	p := privacy{More: v.tenant.Privacy}
	row := func(key, value string) {
		if value != "" {
			p.Rows = append(p.Rows, form.Row{Label: w.text(v, key), Value: value})
		}
	}
	row("privacy.authority", authority(v.tenant, s).Name.In(v.lang))
	row("privacy.purpose", s.Privacy.Purpose.In(v.lang))
	row("privacy.data", s.Privacy.Data.In(v.lang))
	if slices.Contains(bases(), s.Privacy.Basis) {
		row("privacy.basis", w.text(v, "basis."+s.Privacy.Basis))
	} else {
		row("privacy.basis", s.Privacy.Basis)
	}
	row("privacy.draft", w.text(v, "privacy.draft.text", "keep", w.span(v, s.Privacy.Keep.Draft)))
	if s.Privacy.Keep.Closed > 0 {
		row("privacy.closed", w.text(v, "privacy.closed.text", "keep", w.span(v, s.Privacy.Keep.Closed)))
	} else {
		row("privacy.closed", w.text(v, "privacy.kept"))
	}
	return p
}

// waitMinutes is how long one may do nothing, for people.
func waitMinutes(t portal.Tenant) string { return strconv.Itoa(int(idle(t).Minutes())) }
