package catalogue

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"

	"sigill/portal"
	"sigill/portal/form"
)

// What is searched for, at most.
const (
	maxQuery = 200 // bytes
	maxWords = 12
)

// indexed is a service with the words that it is found by, for each language.
type indexed struct {
	service *form.Service
	title   map[string][]string
	all     map[string][]string
}

func index(s *form.Service) indexed {
	e := indexed{s, map[string][]string{}, map[string][]string{}}
	for _, lang := range []string{"sv", "en"} {
		e.title[lang] = words(s.Title.In(lang))
		e.all[lang] = words(s.Title.In(lang) + " " + s.Summary.In(lang) + " " + s.Category)
	}
	return e
}

// Find searches what a tenant offers, in title, summary and category; accents
// and case do not matter. Every word must begin a word there; services with all
// of them in the title come first. No words find everything.
func (c *Catalogue) Find(t portal.TenantID, lang, query string) []*form.Service {
	if lang != "en" {
		lang = "sv"
	}
	sought := words(query[:min(len(query), maxQuery)])
	sought = sought[:min(len(sought), maxWords)]
	if len(sought) == 0 {
		if strings.TrimSpace(query) != "" {
			return nil // signs alone, which nothing holds
		}
		return c.Offered(t)
	}
	var first, rest []*form.Service
	for _, e := range c.now.Load().offered[t] {
		switch {
		case begin(e.title[lang], sought):
			first = append(first, e.service)
		case begin(e.all[lang], sought):
			rest = append(rest, e.service)
		}
	}
	return append(first, rest...)
}

// begin reports whether each of the sought words begins one of the others.
func begin(have, sought []string) bool {
	for _, s := range sought {
		found := false
		for _, w := range have {
			found = found || strings.HasPrefix(w, s)
		}
		if !found {
			return false
		}
	}
	return true
}

// words cuts a text into words without accents and capitals.
func words(s string) []string {
	// Made anew: a chain of transformers is for one goroutine.
	fold := transform.Chain(norm.NFKD, runes.Remove(runes.In(unicode.Mn)), cases.Fold(), norm.NFC)
	plain, _, err := transform.String(fold, s)
	if err != nil {
		plain = strings.ToLower(s) // none of these fails on any text
	}
	return strings.FieldsFunc(plain, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}
