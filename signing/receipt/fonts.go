package receipt

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/go-fonts/liberation/liberationsansbold"
	"github.com/go-fonts/liberation/liberationsansregular"

	"sigill/signing/pdf"
)

// replacement is drawn for every character that cannot be drawn, or that nobody
// would see.
const replacement = '\uFFFD'

const fontFamily = "Sigill Sans"

// span is a range of characters, both ends included.
type span struct{ first, last rune }

// The characters that a receipt can show. What has no shape of its own (control
// and format characters, fillers, joiners, soft hyphens) and what is written
// from right to left is not among them: it shows as the replacement character,
// and so cannot change the order or the look of anything else. Common is
// embedded in every receipt, further where something of it is used.
var (
	common = []span{
		{0x0020, 0x007E}, {0x00A0, 0x00AC}, {0x00AE, 0x017F}, {0x2010, 0x2027}, {0x2030, 0x205E}, {0x20AC, 0x20AC},
		{0x2116, 0x2116}, {0x2122, 0x2122}, {0x2190, 0x2193}, {0x2212, 0x2212}, {0x2260, 0x2260}, {0x2264, 0x2265},
		{0x25A0, 0x25A1}, {0x25CF, 0x25CF}, {replacement, replacement},
	}
	further = []span{
		{0x0180, 0x024F}, {0x02B0, 0x034E}, {0x0350, 0x036F}, {0x0370, 0x03FF}, {0x0400, 0x052F}, {0x1E00, 0x1EFF},
		{0x2000, 0x200A}, {0x202F, 0x202F}, {0x2070, 0x20AB}, {0x20AD, 0x20CF}, {0x2100, 0x2115}, {0x2117, 0x2121}, {0x2123, 0x218F},
		{0x2194, 0x2211}, {0x2213, 0x225F}, {0x2261, 0x2263}, {0x2266, 0x259F}, {0x25A2, 0x25CE}, {0x25D0, 0x26FF},
		{0xFB01, 0xFB02},
	}
)

// weight is regular or bold.
type weight int

const (
	regular weight = iota
	bold
)

// glyph is how a character is drawn in one weight.
type glyph struct {
	id      uint16 // in its face; 0: not drawn
	advance uint16 // thousandths of the size
	middle  int16  // of what is seen, likewise
	further bool   // in the face of further characters
}

// fonts are the four faces, ready to be embedded.
type fonts struct {
	glyphs [2][256]*[256]glyph // by weight and character
	common []byte              // the indirect objects of the faces of common, spelled out
	extra  []byte              // of further
	// The offsets of these objects, each from the beginning of its bytes.
	commonAt, extraAt []int
	sums              [4]string // SHA-256 of each subset, hex
}

// How faces are called in pages, by weight; those of further have an x.
var faceNames = [2]string{"R", "B"}

// objectsPerFace: the font file, its descriptor, the CID font, the map to
// Unicode, and the font.
const objectsPerFace = 5

// newFonts makes the faces; their objects have the numbers from first on.
func newFonts(first int) (*fonts, error) {
	f := &fonts{}
	number := first
	for set, spans := range [][]span{common, further} {
		var runes []rune
		for _, s := range spans {
			for r := s.first; r <= s.last; r++ {
				runes = append(runes, r)
			}
		}
		for w, ttf := range [][]byte{liberationsansregular.TTF, liberationsansbold.TTF} {
			face := fontFamily[:6] + fontFamily[7:] + "-" + []string{"Regular", "Bold"}[w]
			o, err := parseTrueType(ttf)
			if err != nil {
				return nil, err
			}
			s, err := o.subset(runes, func(sum []byte) string { return subsetTag(sum) + "+" + face }, 1)
			if err != nil {
				return nil, err
			}
			for i, r := range s.runes {
				page := f.glyphs[w][r>>8]
				if page == nil {
					page = new([256]glyph)
					f.glyphs[w][r>>8] = page
				}
				page[r&255] = glyph{id: uint16(i + 1), advance: uint16(s.advances[i+1]), middle: int16(s.middles[i+1]), further: set == 1}
			}
			sum := sha256.Sum256(s.ttf)
			f.sums[2*set+w] = hex.EncodeToString(sum[:])
			objects, err := s.objects(number, weight(w), subsetTag(sum[:])+"+"+face)
			if err != nil {
				return nil, err
			}
			for _, o := range objects {
				if set == 0 {
					f.commonAt = append(f.commonAt, len(f.common))
					f.common = appendObject(f.common, number, o)
				} else {
					f.extraAt = append(f.extraAt, len(f.extra))
					f.extra = appendObject(f.extra, number, o)
				}
				number++
			}
		}
	}
	return f, nil
}

// subsetTag is six letters that no other subset has (ISO 32000-1, 9.6.4).
func subsetTag(sum []byte) string {
	digest := sha256.Sum256(sum)
	tag := make([]byte, 6)
	for i := range tag {
		tag[i] = 'A' + digest[i]%26
	}
	return string(tag)
}

// of finds the glyph of a character; what cannot be drawn has the id 0.
func (f *fonts) of(w weight, r rune) glyph {
	if r < 0 || r > 0xffff {
		return glyph{}
	}
	page := f.glyphs[w][r>>8]
	if page == nil {
		return glyph{}
	}
	return page[r&255]
}

// objects are the PDF objects of a face, to be numbered from first on.
func (s *subset) objects(first int, w weight, name string) ([]pdf.Object, error) {
	var widths pdf.Array // runs of first, last, width
	for i, advance := range s.advances {
		if n := len(widths); n > 0 && widths[n-1] == pdf.Int(advance) {
			widths[n-2] = pdf.Int(i)
		} else {
			widths = append(widths, pdf.Int(i), pdf.Int(i), pdf.Int(advance))
		}
	}
	file, err := deflated(pdf.Dict{"Length1": pdf.Int(len(s.ttf))}, s.ttf)
	if err != nil {
		return nil, err
	}
	unicode, err := deflated(nil, s.toUnicode())
	if err != nil {
		return nil, err
	}
	return []pdf.Object{
		file,
		pdf.Dict{
			"Type": pdf.Name("FontDescriptor"), "FontName": pdf.Name(name), "FontFile2": pdf.Ref(first),
			"Flags": pdf.Int(4), "ItalicAngle": pdf.Int(0),
			"FontBBox": pdf.Array{pdf.Int(s.box[0]), pdf.Int(s.box[1]), pdf.Int(s.box[2]), pdf.Int(s.box[3])},
			"Ascent":   pdf.Int(s.ascent), "Descent": pdf.Int(s.descent), "CapHeight": pdf.Int(688),
			"StemV": pdf.Int([]int{80, 140}[w]),
		},
		pdf.Dict{
			"Type": pdf.Name("Font"), "Subtype": pdf.Name("CIDFontType2"), "BaseFont": pdf.Name(name),
			"CIDSystemInfo":  pdf.Dict{"Registry": pdf.String("Adobe"), "Ordering": pdf.String("Identity"), "Supplement": pdf.Int(0)},
			"FontDescriptor": pdf.Ref(first + 1), "CIDToGIDMap": pdf.Name("Identity"),
			"W": widths,
		},
		unicode,
		pdf.Dict{
			"Type": pdf.Name("Font"), "Subtype": pdf.Name("Type0"), "BaseFont": pdf.Name(name), "Encoding": pdf.Name("Identity-H"),
			"DescendantFonts": pdf.Array{pdf.Ref(first + 2)}, "ToUnicode": pdf.Ref(first + 3),
		},
	}, nil
}

// toUnicode says which character each glyph stands for (ISO 32000-1, 9.10.3).
// A range ends where the last byte of the glyph or of the character would run
// over.
func (s *subset) toUnicode() []byte {
	type run struct {
		glyph  int
		rune   rune
		length int
	}
	var runs []run
	for i, r := range s.runes {
		glyph := i + 1
		if n := len(runs); n > 0 && runs[n-1].rune+rune(runs[n-1].length) == r && glyph&255 != 0 && r&255 != 0 {
			runs[n-1].length++
			continue
		}
		runs = append(runs, run{glyph, r, 1})
	}
	var b bytes.Buffer
	b.WriteString("/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n" +
		"/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n" +
		"/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n" +
		"1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\n")
	for len(runs) > 0 {
		n := min(len(runs), 100)
		fmt.Fprintf(&b, "%d beginbfrange\n", n)
		for _, r := range runs[:n] {
			fmt.Fprintf(&b, "<%04x> <%04x> <%04x>\n", r.glyph, r.glyph+r.length-1, r.rune)
		}
		b.WriteString("endbfrange\n")
		runs = runs[n:]
	}
	b.WriteString("endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n")
	return b.Bytes()
}

// deflated makes a stream once that is written often.
func deflated(dict pdf.Dict, data []byte) (pdf.Stream, error) {
	var out bytes.Buffer
	z, err := zlib.NewWriterLevel(&out, zlib.DefaultCompression)
	if err != nil {
		return pdf.Stream{}, err
	}
	z.Write(data) // a bytes.Buffer takes everything
	z.Close()
	if dict == nil {
		dict = pdf.Dict{}
	}
	dict["Filter"] = pdf.Name("FlateDecode")
	return pdf.Stream{Dict: dict, Raw: out.Bytes()}, nil
}
