package i18n

import (
	"slices"

	"golang.org/x/text/language"
)

// matcher knows our languages; it is never changed.
var matcher = language.NewMatcher(tags(Languages()))

func tags(names []string) []language.Tag {
	out := make([]language.Tag, len(names))
	for i, n := range names {
		out[i] = language.Make(n)
	}
	return out
}

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
	wanted, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil || len(wanted) == 0 || wanted[0] == language.Make("mul") {
		return Languages()[0]
	}
	_, i, confidence := matcher.Match(wanted...)
	if confidence == language.No {
		// A language that we do not speak: its readers rather know English,
		// unless the browser said nothing of use.
		return "en"
	}
	return Languages()[i]
}
