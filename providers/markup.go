package providers

import "strings"

// Escape makes text from outside harmless inside a text of this format: it
// loses its line breaks and what could reorder what the person sees, and in
// simpleMarkdownV1 every character with a meaning is escaped, and what the
// format does not allow becomes a question mark.
func (m Markup) Escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case m == SimpleMarkdownV1 && strings.ContainsRune(`#+|*-\`, r):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n' || r == '\r' || r == '\t':
			b.WriteByte(' ')
		case !markupRune(r) || bidiControl(r):
			b.WriteByte('?')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// markupRune reports whether simpleMarkdownV1 allows the code point; plain text
// is held to the same.
func markupRune(r rune) bool { return r >= 0x20 && r <= 0x7E || r >= 0xA0 && r <= 0xFFEF }

func bidiControl(r rune) bool {
	return r == 0x061C || r == 0x200E || r == 0x200F || r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069
}
