package bankid

import "strings"

// EscapeMarkdown makes text from outside harmless inside a text in
// simpleMarkdownV1: it loses its line breaks, every character with a meaning is
// escaped, and what the format does not allow, or what could reorder what the
// person sees, becomes a question mark.
func EscapeMarkdown(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case strings.ContainsRune(`#+|*-\`, r):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n' || r == '\r' || r == '\t':
			b.WriteByte(' ')
		case !markdownRune(r) || bidiControl(r):
			b.WriteByte('?')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// markdownRune reports whether simpleMarkdownV1 allows the code point.
func markdownRune(r rune) bool {
	return r >= 0x20 && r <= 0x7E || r >= 0xA0 && r <= 0xFFEF || r == '\t' || r == '\n' || r == '\r'
}

func bidiControl(r rune) bool {
	return r == 0x061C || r == 0x200E || r == 0x200F || r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069
}
