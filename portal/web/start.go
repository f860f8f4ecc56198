package web

import (
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"sigill/portal/form"
)

// startPage is a tenant's first page.
type startPage struct {
	Home      string
	Welcome   []string
	Query     string
	Searched  bool
	Found     int
	Groups    []offerGroup
	Protected string
	Contact   reach
}

// offerGroup is the e-services of a category.
type offerGroup struct {
	Name   string
	Offers []offer
}

// offer is an e-service as lists show it.
type offer struct {
	Title, Summary, URL string
	Login, Sign         bool
}

// maxQuery is the longest search that is made, in characters.
const maxQuery = 100

// serveStart shows the e-services, or those that a search finds.
func (w *Web) serveStart(rw http.ResponseWriter, r *http.Request, v visit) error {
	b := startPage{
		Home: v.path("/"), Welcome: paragraphs(v.tenant.Welcome, v.lang), Protected: w.protectedText(v), Contact: reachOf(v.tenant.Contact, v.lang),
	}
	b.Query = strings.TrimSpace(strings.ToValidUTF8(r.URL.Query().Get("q"), ""))
	if utf8.RuneCountInString(b.Query) > maxQuery {
		b.Query = string([]rune(b.Query)[:maxQuery])
	}
	services := w.Catalogue.Offered(v.tenant.ID)
	if b.Searched = b.Query != ""; b.Searched {
		services = w.Catalogue.Find(v.tenant.ID, v.lang, b.Query)
	}
	b.Found = len(services)
	for _, s := range services {
		name := w.category(v, s.Category)
		i := slices.IndexFunc(b.Groups, func(g offerGroup) bool { return g.Name == name })
		if i < 0 {
			i = len(b.Groups)
			b.Groups = append(b.Groups, offerGroup{Name: name})
		}
		b.Groups[i].Offers = append(b.Groups[i].Offers, offer{
			Title: s.Title.In(v.lang), Summary: s.Summary.In(v.lang), URL: v.path("/e/" + s.ID), Login: s.Login.Required, Sign: s.Signing != nil,
		})
	}
	return w.page(rw, r, v, "start", sheet{Here: "start", Wide: true, Body: b})
}

// categories are those that have words of their own.
func categories() []string {
	return []string{"barn-och-utbildning", "bygga-bo-och-miljo", "kultur-och-fritid", "naringsliv-och-arbete", "omsorg-och-stod", "kommun-och-politik", "trafik-och-utemiljo"}
}

// category is the name of a category as people read it; one without words of its
// own is read as it is written.
func (w *Web) category(v visit, id string) string {
	if slices.Contains(categories(), id) {
		return w.text(v, "category."+id)
	}
	words := strings.TrimSpace(strings.ReplaceAll(id, "-", " "))
	first, n := utf8.DecodeRuneInString(words)
	if n == 0 {
		return w.text(v, "category.other")
	}
	return string(unicode.ToUpper(first)) + words[n:]
}

// protectedText is what people with protected identity are told (P-29).
func (w *Web) protectedText(v visit) string {
	if s := v.tenant.Protected.In(v.lang); s != "" {
		return s
	}
	return w.text(v, "protected.text")
}

// audienceWords says whom a service is for.
func (w *Web) audienceWords(v visit, s *form.Service) string {
	private, company := slices.Contains(s.Audience, "privat"), slices.Contains(s.Audience, "foretag")
	switch {
	case private && company:
		return w.text(v, "service.audience.both")
	case company:
		return w.text(v, "service.audience.company")
	}
	return ""
}
