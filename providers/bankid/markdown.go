package bankid

// markdownRune reports whether simpleMarkdownV1 allows the code point.
func markdownRune(r rune) bool {
	return r >= 0x20 && r <= 0x7E || r >= 0xA0 && r <= 0xFFEF || r == '\t' || r == '\n' || r == '\r'
}
