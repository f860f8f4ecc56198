package receipt

import (
	"bytes"
	"encoding/binary"
	"testing"
	"unicode"
	"unicode/utf16"

	"github.com/go-fonts/liberation/liberationsansbold"
	"github.com/go-fonts/liberation/liberationsansregular"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// The subsets are part of the layout. Another sum is another layout.
func TestFontsArePinned(t *testing.T) {
	f, err := newFonts(firstFont)
	if err != nil {
		t.Fatal(err)
	}
	want := [4]string{
		"0b7a5d1c43d2e991a6bec3763c00e9bd4ed4dc4302bd602f7aef30ba7ef0bb03",
		"bf2b253daf28e2134c84dd1291f2893014d91c87569ee2c069c0ff6a498f0867",
		"a2421dbdc3bb560b3be06c6819ffaf56561c53f4e9fd3b82099ac1f03208b3ec",
		"0a4cab88909df07ec701eeae33d319d9eb53cc21bb62469736554db13d25df51",
	}
	if f.sums != want {
		t.Errorf("the subsets changed:\n%q", f.sums)
	}
}

func TestGlyphs(t *testing.T) {
	f, err := newFonts(firstFont)
	if err != nil {
		t.Fatal(err)
	}
	for w, ttf := range [][]byte{liberationsansregular.TTF, liberationsansbold.TTF} {
		font, err := sfnt.Parse(ttf)
		if err != nil {
			t.Fatal(err)
		}
		var buf sfnt.Buffer
		seen := map[glyph]rune{}
		drawn := 0
		for r := rune(-1); r <= 0x110000; r++ {
			g := f.of(weight(w), r)
			if g.id == 0 {
				continue
			}
			drawn++
			key := glyph{id: g.id, further: g.further}
			if other, ok := seen[key]; ok {
				t.Errorf("%U and %U are one glyph", r, other)
			}
			seen[key] = r
			if other := f.of(weight(1-w), r); (other.id == 0) || other.further != g.further {
				t.Errorf("%U is drawn in one weight only", r)
			}
			// Nothing that is invisible, or goes from right to left.
			if unicode.In(r, unicode.C, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point, unicode.Hebrew, unicode.Arabic) {
				t.Errorf("%U can be drawn", r)
			}
			if (g.advance == 0) != isMark(r) {
				t.Errorf("%U has the advance %d", r, g.advance)
			}
			source := r
			switch r {
			case '\u2011':
				source = '\u2010'
			case replacement:
				continue
			}
			index, err := font.GlyphIndex(&buf, source)
			if err != nil || index == 0 {
				t.Fatalf("%U: %v", r, err)
			}
			advance, err := font.GlyphAdvance(&buf, index, fixed.I(1000), 0)
			if err != nil {
				t.Fatal(err)
			}
			if d := int(g.advance) - advance.Round(); d < -1 || d > 1 {
				t.Errorf("%U: advance %d, in the font %d", r, g.advance, advance.Round())
			}
		}
		if drawn < 1300 {
			t.Errorf("only %d characters", drawn)
		}
		for _, r := range "åäöÅÄÖéüßłđčğőű“”’–—…€•ąžčšЖяΩωễ\u0308" {
			if f.of(weight(w), r).id == 0 {
				t.Errorf("%c cannot be drawn", r)
			}
		}
	}
}

// reserved are the names that a changed font may not have.
func TestNamesOfTheSubsets(t *testing.T) {
	f, err := newFonts(firstFont)
	if err != nil {
		t.Fatal(err)
	}
	o, err := parseTrueType(liberationsansregular.TTF)
	if err != nil {
		t.Fatal(err)
	}
	s, err := o.subset([]rune{'A', 'Å', replacement}, func(sum []byte) string { return subsetTag(sum) + "+SigillSans-Regular" }, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, reserved := range []string{"Liberation", "Arimo"} {
		var wide []byte
		for _, u := range utf16.Encode([]rune(reserved)) {
			wide = binary.BigEndian.AppendUint16(wide, u)
		}
		if bytes.Contains(s.ttf, wide) || bytes.Contains(s.ttf, []byte(reserved)) {
			t.Errorf("the subset is named %s", reserved)
		}
		if bytes.Contains(f.common, []byte(reserved)) {
			t.Errorf("the PDF font is named %s", reserved)
		}
	}
	if checksum(s.ttf) != 0xb1b0afba {
		t.Error("the checksum of the file is wrong")
	}
	// Å is made of A and a ring: three characters, one component more.
	if glyphs := len(s.advances); glyphs != 5 {
		t.Errorf("%d glyphs", glyphs)
	}
}

func TestBrokenFontsAreRefused(t *testing.T) {
	ttf := liberationsansregular.TTF
	name := func([]byte) string { return "" }
	runes := []rune("AÅ")
	for cut := 0; cut < len(ttf); cut += 4999 {
		if o, err := parseTrueType(ttf[:cut]); err == nil {
			if _, err := o.subset(runes, name, 1); err == nil && cut < 300_000 {
				t.Errorf("a font cut after %d bytes is accepted", cut)
			}
		}
	}
	for at := 0; at < 4000; at += 7 {
		spoiled := bytes.Clone(ttf)
		spoiled[at] ^= 0xff
		if o, err := parseTrueType(spoiled); err == nil {
			_, _ = o.subset(runes, name, 1) // any answer but a panic
		}
	}
}
