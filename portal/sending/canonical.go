package sending

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"sigill/portal/form"
)

// What is signed is the answers as the signing service keeps them: without what
// nobody sees, and with one spelling (RFC 8785), over which the digest is. The
// portal tidies and computes by itself, so that it can tell by the sealed
// document whether what was signed is what was locked.

// Tidy is how blocks are handed over: a fixed point of the signing service's own
// rules, which refuse what it would otherwise have to change.
func Tidy(blocks []form.Block) []form.Block {
	var out []form.Block
	for _, b := range blocks {
		// Each says one thing; the API wants it so.
		if h := line(b.Heading); h != "" {
			out = append(out, form.Block{Heading: h})
		}
		if t := text(b.Text); t != "" {
			out = append(out, form.Block{Text: t})
		}
		var rows []form.Row
		for _, r := range b.Rows {
			if label := line(r.Label); label != "" {
				rows = append(rows, form.Row{Label: label, Value: text(r.Value)})
			}
		}
		if len(rows) > 0 {
			out = append(out, form.Block{Rows: rows})
		}
	}
	return out
}

// text is several lines: "\n" alone ends one, and nothing invisible is left but
// what spelling needs.
func text(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\r\n", "\n"), "")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\u200c', r == '\u200d', r == '\u00ad':
			return r
		case r == '\r', r == '\u2028', r == '\u2029':
			return '\n'
		case r == unicode.ReplacementChar, unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, s))
}

func line(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return r
	}, text(s)))
}

// clip shortens a line to so many characters.
func clip(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return strings.TrimSpace(string([]rune(s)[:most-1])) + "…"
}

// ContentDigest is the SHA-256 of blocks in their one spelling, in hexadecimal:
// what the signing service computes of the same content.
func ContentDigest(blocks []form.Block) (string, error) {
	b, err := canonical(blocks)
	if err != nil {
		return "", err
	}
	return digest(b), nil
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// canonical writes blocks as RFC 8785 wants it: names sorted, nothing escaped
// that need not be. What is empty is left out, as everywhere in the API.
func canonical(blocks []form.Block) ([]byte, error) {
	w := writer{out: []byte{'['}}
	for i, b := range blocks {
		w.comma(i)
		w.out = append(w.out, '{')
		members := 0
		if b.Heading != "" {
			w.member(&members, "heading")
			w.text(b.Heading)
		}
		if len(b.Rows) > 0 {
			w.member(&members, "rows")
			w.out = append(w.out, '[')
			for j, r := range b.Rows {
				w.comma(j)
				w.out = append(w.out, `{"label":`...)
				w.text(r.Label)
				w.out = append(w.out, `,"value":`...)
				w.text(r.Value)
				w.out = append(w.out, '}')
			}
			w.out = append(w.out, ']')
		}
		if b.Text != "" {
			w.member(&members, "text")
			w.text(b.Text)
		}
		w.out = append(w.out, '}')
	}
	if w.bad {
		return nil, errors.New("sending: text that is not UTF-8")
	}
	return append(w.out, ']'), nil
}

type writer struct {
	out []byte
	bad bool
}

func (w *writer) comma(i int) {
	if i > 0 {
		w.out = append(w.out, ',')
	}
}

func (w *writer) member(n *int, name string) {
	w.comma(*n)
	*n++
	w.out = append(append(append(w.out, '"'), name...), '"', ':')
}

// text escapes what section 3.2.2.2 says must be, and nothing else.
func (w *writer) text(s string) {
	w.bad = w.bad || !utf8.ValidString(s)
	w.out = append(w.out, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"', c == '\\':
			w.out = append(w.out, '\\', c)
		case c == '\b':
			w.out = append(w.out, `\b`...)
		case c == '\t':
			w.out = append(w.out, `\t`...)
		case c == '\n':
			w.out = append(w.out, `\n`...)
		case c == '\f':
			w.out = append(w.out, `\f`...)
		case c == '\r':
			w.out = append(w.out, `\r`...)
		case c < 0x20:
			w.out = fmt.Appendf(w.out, `\u%04x`, c)
		default:
			w.out = append(w.out, c)
		}
	}
	w.out = append(w.out, '"')
}
