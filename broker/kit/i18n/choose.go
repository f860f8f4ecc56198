package i18n

import (
	"slices"

	"golang.org/x/text/language"
)

// Known gives back a language that we speak, or the empty string.
func Known(lang string) string {
	if slices.Contains(Languages(), lang) {
		return lang
	}
	return ""
}

// Choose picks the language of a page: the first of the wishes that we speak
// (the person's own choice, then what the application asked for), else the best
// match of the browser's Accept-Language, else Swedish.
func Choose(acceptLanguage string, wishes ...string) string {
	for _, w := range wishes {
		if Known(w) != "" {
			return w
		}
	}
	if len(acceptLanguage) > 256 {
		acceptLanguage = ""
	}
	tags, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil || len(tags) == 0 || tags[0] == language.Make("mul") || tags[0] == language.Und {
		return Languages()[0]
	}
	ours := make([]language.Tag, 0, len(Languages()))
	for _, l := range Languages() {
		ours = append(ours, language.Make(l))
	}
	_, i, confidence := language.NewMatcher(ours).Match(tags...)
	if confidence == language.No {
		// A language that we do not speak: its readers rather know English,
		// unless the browser said nothing of use.
		return "en"
	}
	return Languages()[i]
}
