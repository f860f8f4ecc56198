package receipt

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Lengths on the page are hundredths of a point, and sizes of type tenths of
// one: with whole numbers alone a receipt comes out the same on every machine.

// style is how a text is set.
type style struct {
	weight weight
	size   int // tenths of a point
	lead   int // hundredths: from line to line
	colour string
}

// line is a part of a text that stands on one line. With space, a space goes
// before what follows it on the next: nobody sees it, but whoever has the page
// read aloud hears two words.
type line struct {
	text  string
	style *style
	space bool
}

// The most marks that may stand over one letter; more would cover the lines
// above. No language needs as many.
const maxMarks = 4

// isMark says that a character that we can draw is drawn over the one before it.
func isMark(r rune) bool {
	return r >= 0x300 && r <= 0x36F || r >= 0x483 && r <= 0x489
}

// clean gives what of a text can be drawn. Line ends stay, tabs become spaces, a
// letter and its marks become one character where Unicode has it, and what
// nobody would see, or what would move other characters, becomes the replacement
// character.
func (f *fonts) clean(s string) string {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] >= ' ' && s[i] <= '~' || s[i] == '\n'
	}
	if plain || f.drawable(s) {
		return s
	}
	// NFC never changes for characters that once were assigned (Unicode Standard
	// Annex 15, section 3), and no others can be drawn.
	s = norm.NFC.String(s)
	var b strings.Builder
	b.Grow(len(s) + 16)
	marks := 0
	for i, r := range s {
		if isMark(r) {
			marks++
		} else {
			marks = 0
		}
		switch {
		case r == '\n':
			b.WriteByte('\n')
		case r == '\r' && strings.HasPrefix(s[i+1:], "\n"):
		case r == '\t':
			b.WriteString("    ")
		case f.of(regular, r).id == 0 || marks > maxMarks:
			b.WriteRune(replacement)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// drawable says that a text can be drawn as it is.
func (f *fonts) drawable(s string) bool {
	for _, r := range s {
		if r != '\n' && f.of(regular, r).id == 0 || isMark(r) {
			return false
		}
	}
	return utf8.ValidString(s)
}

// oneLine is clean, without line ends.
func (f *fonts) oneLine(s string) string {
	return strings.ReplaceAll(f.clean(s), "\n", " ")
}

// breaks says that a line may end after a character, with this before and after
// it: after a space, and after a hyphen inside a word.
func breaks(before string, r rune, after string) bool {
	switch r {
	case ' ':
		return true
	case '-', '\u2010', '\u2013', '\u2014':
		return before != "" && before[len(before)-1] != ' ' && after != "" && strings.IndexByte(" *0123456789", after[0]) < 0
	}
	return r >= 0x2000 && r <= 0x200A && r != 0x2007
}

// lines breaks a clean text into lines of at most this width, at spaces and
// after hyphens; a word that is longer than a line is broken where the line is
// full. Spaces at which a line is broken are not drawn.
func (f *fonts) lines(dst []line, text string, s *style, width int) []line {
	limit := width * 100 // in thousandths of the size times its tenths
	for {
		hard, rest, more := strings.Cut(text, "\n")
		start := 0         // of the line
		end, next := 0, 0  // where the line could end, and the next one begin
		at, atNext := 0, 0 // widths from start up to here, and up to next
		for i, r := range hard {
			advance := int(f.of(s.weight, r).advance) * s.size
			if at+advance > limit && r != ' ' && i > start && !isMark(r) {
				if next > start {
					dst = append(dst, line{hard[start:end], s, end < next})
					at -= atNext
					start = next
				}
				if at+advance > limit && i > start { // one long word
					dst = append(dst, line{hard[start:i], s, false})
					start, at = i, 0
				}
				next, atNext = start, 0
			}
			at += advance
			if after := i + utf8.RuneLen(r); breaks(hard[:i], r, hard[after:]) {
				next, atNext = after, at
				if r != ' ' || i == start || hard[i-1] != ' ' {
					end = next
					if r == ' ' {
						end = i
					}
				}
			}
		}
		dst = append(dst, line{hard[start:], s, more})
		if !more {
			return dst
		}
		text = rest
	}
}

// width is how long a clean text is on one line.
func (f *fonts) width(text string, s *style) int {
	sum := 0
	for _, r := range text {
		sum += int(f.of(s.weight, r).advance) * s.size
	}
	return (sum + 99) / 100
}
