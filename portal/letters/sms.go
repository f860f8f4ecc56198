package letters

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"sigill/broker/kit/notify"
)

// mostSMS is how many parts a text message has at most: each is paid for.
const mostSMS = 2

// sms fills in a text message. Who writes is shortened before anything else is:
// a link must stay whole. It knows nothing else of a letter (P-82).
func sms(pattern string, l Letter) string {
	end := ""
	if l.Link != "" {
		end = " " + l.Link
	}
	name := []rune(plain(line(l.Tenant)))
	for {
		text := strings.ReplaceAll(pattern, "{tenant}", strings.TrimSpace(string(name))) + end
		if parts, _ := notify.Segments(text); parts <= mostSMS || len(name) <= 12 {
			return text
		}
		name = name[:len(name)-1]
	}
}

// plain writes a text in the alphabet of text messages: one character outside of
// it would make all of it take more than twice the room.
func plain(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case fits(r):
			b.WriteRune(r)
		case unicode.Is(unicode.Pd, r):
			b.WriteRune('-')
		case unicode.In(r, unicode.Pi, unicode.Pf) && strings.ContainsRune("‘’‚‹›", r):
			b.WriteRune('\'')
		case unicode.In(r, unicode.Pi, unicode.Pf):
			b.WriteRune('"')
		default:
			b.WriteRune(base(r))
		}
	}
	return b.String()
}

// base is a letter without its accents, where that fits.
func base(r rune) rune {
	for _, d := range norm.NFKD.String(string(r)) {
		if fits(d) {
			return d
		}
	}
	return '?'
}

// fits reports whether a character is in the alphabet, taking the room of one.
func fits(r rune) bool {
	_, wide := notify.Segments(string(r))
	return !wide && !strings.ContainsRune("\f^{}\\[~]|€", r)
}
