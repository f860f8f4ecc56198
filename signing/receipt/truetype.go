package receipt

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// trueType is a TrueType font of which glyphs are taken (OpenType 1.9, the
// tables cmap, glyf, head, hhea, hmtx, loca and maxp).
type trueType struct {
	tables   map[string][]byte
	advances int // how many glyphs have an advance of their own
	glyphs   int
	wide     bool // loca has 32-bit offsets
	cmap     []byte
}

var errFont = errors.New("receipt: not a TrueType font as expected")

func parseTrueType(ttf []byte) (*trueType, error) {
	o := &trueType{tables: map[string][]byte{}}
	if len(ttf) < 12 {
		return nil, errFont
	}
	for i := range int(binary.BigEndian.Uint16(ttf[4:])) {
		entry := slice(ttf, 12+16*i, 16)
		if entry == nil {
			return nil, errFont
		}
		start, size := binary.BigEndian.Uint32(entry[8:]), binary.BigEndian.Uint32(entry[12:])
		table := slice(ttf, int(start), int(size))
		if table == nil {
			return nil, errFont
		}
		o.tables[string(entry[:4])] = table
	}
	for name, least := range map[string]int{"head": 54, "hhea": 36, "maxp": 32, "cmap": 4, "glyf": 1, "loca": 4, "hmtx": 4} {
		if len(o.tables[name]) < least {
			return nil, fmt.Errorf("%w: table %s", errFont, name)
		}
	}
	o.wide = binary.BigEndian.Uint16(o.tables["head"][50:]) == 1
	o.advances = int(binary.BigEndian.Uint16(o.tables["hhea"][34:]))
	o.glyphs = int(binary.BigEndian.Uint16(o.tables["maxp"][4:]))
	if o.advances < 1 || o.advances > o.glyphs || len(o.tables["hmtx"]) < 4*o.advances+2*(o.glyphs-o.advances) {
		return nil, fmt.Errorf("%w: table hmtx", errFont)
	}
	cmap := o.tables["cmap"]
	for i := range int(binary.BigEndian.Uint16(cmap[2:])) {
		entry := slice(cmap, 4+8*i, 8)
		if entry == nil {
			return nil, errFont
		}
		if binary.BigEndian.Uint32(entry) == 3<<16|1 { // Windows, Unicode BMP
			o.cmap = cmap[min(int(binary.BigEndian.Uint32(entry[4:])), len(cmap)):]
		}
	}
	if len(o.cmap) < 16 || binary.BigEndian.Uint16(o.cmap) != 4 {
		return nil, fmt.Errorf("%w: no character map of format 4", errFont)
	}
	return o, nil
}

// slice is b[at:at+n], or nil where there is no such thing.
func slice(b []byte, at, n int) []byte {
	if at < 0 || n < 0 || at > len(b) || n > len(b)-at {
		return nil
	}
	return b[at : at+n : at+n]
}

// index finds the glyph of a character, 0 if there is none.
func (o *trueType) index(r rune) int {
	if r < 0 || r > 0xffff {
		return 0
	}
	word := func(at int) int {
		if b := slice(o.cmap, at, 2); b != nil {
			return int(binary.BigEndian.Uint16(b))
		}
		return 0
	}
	double := word(6) // twice the number of segments
	for at := 0; at < double; at += 2 {
		if end := word(14 + at); int(r) > end {
			continue
		}
		start, delta, offset := word(16+double+at), word(16+2*double+at), word(16+3*double+at)
		if int(r) < start {
			return 0
		}
		glyph := int(r)
		if offset != 0 {
			if glyph = word(16 + 3*double + at + offset + 2*(int(r)-start)); glyph == 0 {
				return 0
			}
		}
		if glyph = (glyph + delta) & 0xffff; glyph < o.glyphs {
			return glyph
		}
		return 0
	}
	return 0
}

// metrics gives a glyph's advance and left side bearing, as they stand in hmtx.
func (o *trueType) metrics(glyph int) (advance, bearing [2]byte) {
	hmtx := o.tables["hmtx"]
	last := min(glyph, o.advances-1)
	copy(advance[:], hmtx[4*last:])
	if glyph < o.advances {
		copy(bearing[:], hmtx[4*glyph+2:])
	} else {
		copy(bearing[:], hmtx[4*o.advances+2*(glyph-o.advances):])
	}
	return advance, bearing
}

// advance is how wide a glyph is, in units of the font.
func (o *trueType) advance(glyph int) int {
	if glyph < 0 {
		return o.em() * 5 / 8
	}
	advance, _ := o.metrics(glyph)
	return int(binary.BigEndian.Uint16(advance[:]))
}

// em is how many units the size of the font has.
func (o *trueType) em() int { return int(binary.BigEndian.Uint16(o.tables["head"][18:])) }

// glyph gives the description of a glyph without its instructions: nobody needs
// hints for a screen of 1995. Of a composite one it also gives the places of its
// components' numbers.
func (o *trueType) glyph(glyph int) (body []byte, components []int, err error) {
	loca, glyf := o.tables["loca"], o.tables["glyf"]
	var start, end int
	if o.wide {
		b := slice(loca, 4*glyph, 8)
		if b == nil {
			return nil, nil, errFont
		}
		start, end = int(binary.BigEndian.Uint32(b)), int(binary.BigEndian.Uint32(b[4:]))
	} else {
		b := slice(loca, 2*glyph, 4)
		if b == nil {
			return nil, nil, errFont
		}
		start, end = 2*int(binary.BigEndian.Uint16(b)), 2*int(binary.BigEndian.Uint16(b[2:]))
	}
	whole := slice(glyf, start, end-start)
	if whole == nil {
		return nil, nil, errFont
	}
	if len(whole) == 0 { // a space
		return nil, nil, nil
	}
	if len(whole) < 10 {
		return nil, nil, errFont
	}
	if contours := int(int16(binary.BigEndian.Uint16(whole))); contours >= 0 {
		at := 10 + 2*contours
		b := slice(whole, at, 2)
		if b == nil {
			return nil, nil, errFont
		}
		rest := at + 2 + int(binary.BigEndian.Uint16(b))
		if rest > len(whole) {
			return nil, nil, errFont
		}
		body = append(slices.Clone(whole[:at]), 0, 0)
		return append(body, whole[rest:]...), nil, nil
	}
	const (
		wordArguments    = 0x0001
		scaled           = 0x0008
		more             = 0x0020
		scaledXY         = 0x0040
		twoByTwo         = 0x0080
		withInstructions = 0x0100
	)
	body = slices.Clone(whole)
	for at := 10; ; {
		b := slice(body, at, 4)
		if b == nil {
			return nil, nil, errFont
		}
		flags := binary.BigEndian.Uint16(b)
		binary.BigEndian.PutUint16(b, flags&^withInstructions)
		components = append(components, at+2)
		at += 6
		if flags&wordArguments != 0 {
			at += 2
		}
		switch {
		case flags&scaled != 0:
			at += 2
		case flags&scaledXY != 0:
			at += 4
		case flags&twoByTwo != 0:
			at += 8
		}
		if flags&more == 0 {
			if at > len(body) {
				return nil, nil, errFont
			}
			return body[:at], components, nil
		}
	}
}

// subset is a font with a glyph of its own for each character of a set, so that
// a glyph always tells what character it stands for.
type subset struct {
	ttf      []byte
	runes    []rune // of glyph 1 and those that follow
	advances []int  // of all glyphs, in thousandths of the size
	middles  []int  // halfway between the left and the right edge of what is seen
	box      [4]int // likewise
	ascent   int
	descent  int
}

// subset takes the glyphs of the characters out of the font. Characters that it
// lacks are left out, but for the replacement character, which is drawn here.
// The result depends on nothing but the font, the characters and this code.
func (o *trueType) subset(runes []rune, name func(sum []byte) string, version int) (*subset, error) {
	type taken struct {
		r   rune
		old int // -1 is the replacement character
	}
	var chosen []taken
	for _, r := range runes {
		old := o.index(r)
		if r == '\u2011' { // the hyphen at which no line ends
			old = o.index('\u2010')
		}
		if r == replacement {
			old = -1
		}
		if old != 0 {
			chosen = append(chosen, taken{r, old})
		}
	}
	// Glyphs of one width stand together, so that a few lines say all widths.
	slices.SortStableFunc(chosen, func(a, b taken) int {
		return cmp.Compare(o.advance(a.old), o.advance(b.old))
	})

	s := &subset{}
	from := []int{0} // the old number of each new glyph
	first := map[int]int{0: 0}
	for _, c := range chosen {
		if _, ok := first[c.old]; !ok {
			first[c.old] = len(from)
		}
		from = append(from, c.old)
		s.runes = append(s.runes, c.r)
	}

	em := o.em()
	if em == 0 {
		return nil, errFont
	}
	thousandth := func(units int) int {
		if units < 0 {
			return -((-units*1000 + em/2) / em)
		}
		return (units*1000 + em/2) / em
	}
	var glyf, hmtx []byte
	loca := []byte{0, 0}
	for i := 0; i < len(from); i++ { // from grows by components
		var body []byte
		var advance, bearing [2]byte
		if from[i] < 0 {
			body = crossedBox(em)
			binary.BigEndian.PutUint16(advance[:], uint16(o.advance(-1)))
			copy(bearing[:], body[2:4])
		} else {
			var components []int
			var err error
			if body, components, err = o.glyph(from[i]); err != nil {
				return nil, err
			}
			for _, at := range components {
				old := int(binary.BigEndian.Uint16(body[at:]))
				number, ok := first[old]
				if !ok {
					number = len(from)
					first[old] = number
					from = append(from, old)
				}
				binary.BigEndian.PutUint16(body[at:], uint16(number))
			}
			advance, bearing = o.metrics(from[i])
		}
		glyf = append(glyf, body...)
		for len(glyf)%4 != 0 {
			glyf = append(glyf, 0)
		}
		loca = binary.BigEndian.AppendUint16(loca, uint16(len(glyf)/2))
		hmtx = append(append(hmtx, advance[:]...), bearing[:]...)
		middle := 0
		if len(body) > 0 {
			middle = (int(int16(binary.BigEndian.Uint16(body[2:]))) + int(int16(binary.BigEndian.Uint16(body[6:])))) / 2
		}
		s.middles = append(s.middles, thousandth(middle))
		s.advances = append(s.advances, thousandth(int(binary.BigEndian.Uint16(advance[:]))))
	}
	if len(glyf)/2 > 0xffff {
		return nil, fmt.Errorf("%w: too many glyphs", errFont)
	}

	head := slices.Clone(o.tables["head"][:54])
	binary.BigEndian.PutUint32(head[8:], 0) // checksum, below
	const dependsOnInstructions = 1<<2 | 1<<3 | 1<<4
	binary.BigEndian.PutUint16(head[16:], binary.BigEndian.Uint16(head[16:])&^dependsOnInstructions)
	binary.BigEndian.PutUint16(head[50:], 0) // short loca
	hhea := slices.Clone(o.tables["hhea"][:36])
	binary.BigEndian.PutUint16(hhea[34:], uint16(len(from)))
	maxp := slices.Clone(o.tables["maxp"][:32])
	binary.BigEndian.PutUint16(maxp[4:], uint16(len(from)))
	binary.BigEndian.PutUint16(maxp[14:], 1) // zones
	for at := 16; at < 28; at += 2 {         // what instructions would need
		binary.BigEndian.PutUint16(maxp[at:], 0)
	}
	s.ttf = assembleFont([]table{
		{"glyf", glyf}, {"head", head}, {"hhea", hhea}, {"hmtx", hmtx}, {"loca", loca}, {"maxp", maxp},
		{"name", nameTable(name(glyf), version)},
	})

	int16At := func(b []byte, at int) int { return thousandth(int(int16(binary.BigEndian.Uint16(b[at:])))) }
	for i := range s.box {
		s.box[i] = int16At(head, 36+2*i)
	}
	s.ascent, s.descent = int16At(hhea, 4), int16At(hhea, 6)
	return s, nil
}

// crossedBox draws the replacement character: a box that a bar goes through, so
// that nobody takes it for one of the white squares that Unicode has.
func crossedBox(em int) []byte {
	left, right, bottom, top := em/16, em*9/16, 0, em*11/16
	line := em / 20
	type point struct{ x, y int }
	contours := [][]point{
		{{left, bottom}, {left, top}, {right, top}, {right, bottom}}, // clockwise, and the holes the other way
		{{left + line, bottom + 2*line}, {right - 2*line, top - line}, {left + line, top - line}},
		{{right - line, top - 2*line}, {left + 2*line, bottom + line}, {right - line, bottom + line}},
	}
	var ends, flags, xs, ys []byte
	n := 0
	var last point
	for _, contour := range contours {
		for _, p := range contour {
			flags = append(flags, 1) // on the curve, both coordinates in words
			xs = binary.BigEndian.AppendUint16(xs, uint16(int16(p.x-last.x)))
			ys = binary.BigEndian.AppendUint16(ys, uint16(int16(p.y-last.y)))
			last = p
			n++
		}
		ends = binary.BigEndian.AppendUint16(ends, uint16(n-1))
	}
	var body []byte
	for _, v := range []int{len(contours), left, bottom, right, top} {
		body = binary.BigEndian.AppendUint16(body, uint16(int16(v)))
	}
	body = append(body, ends...)
	body = append(body, 0, 0) // no instructions
	body = append(body, flags...)
	return append(append(body, xs...), ys...)
}

// nameTable names a subset. The licence (SIL Open Font License 1.1) lets us
// change the font and asks that its name be another; the notices stay.
func nameTable(postscript string, version int) []byte {
	records := []struct {
		id   uint16
		text string
	}{
		{0, "Digitized data copyright (c) 2010 Google Corporation. Copyright (c) 2012 Red Hat, Inc."},
		{1, fontFamily}, {2, "Regular"}, {3, postscript}, {4, postscript},
		{5, fmt.Sprintf("Version %d.0", version)}, {6, postscript},
		{13, "This Font Software is licensed under the SIL Open Font License, Version 1.1."},
		{14, "http://scripts.sil.org/OFL"},
	}
	var heads, texts []byte
	for _, record := range records {
		var utf16 []byte
		for i := range len(record.text) {
			utf16 = append(utf16, 0, record.text[i])
		}
		for _, v := range []int{3, 1, 0x409, int(record.id), len(utf16), len(texts)} {
			heads = binary.BigEndian.AppendUint16(heads, uint16(v))
		}
		texts = append(texts, utf16...)
	}
	var out []byte
	for _, v := range []int{0, len(records), 6 + len(heads)} {
		out = binary.BigEndian.AppendUint16(out, uint16(v))
	}
	return append(append(out, heads...), texts...)
}

type table struct {
	tag  string
	body []byte
}

// assembleFont writes the tables, which come sorted by tag, into one file.
func assembleFont(tables []table) []byte {
	log := 0
	for 2<<log <= len(tables) {
		log++
	}
	var out []byte
	for _, v := range []int{1, 0, len(tables), 16 << log, log, 16*len(tables) - 16<<log} {
		out = binary.BigEndian.AppendUint16(out, uint16(v))
	}
	at := 12 + 16*len(tables)
	adjust := 0
	for _, t := range tables {
		if t.tag == "head" {
			adjust = at + 8
		}
		out = append(out, t.tag...)
		for _, v := range []uint32{checksum(t.body), uint32(at), uint32(len(t.body))} {
			out = binary.BigEndian.AppendUint32(out, v)
		}
		at += (len(t.body) + 3) &^ 3
	}
	for _, t := range tables {
		out = append(out, t.body...)
		for len(out)%4 != 0 {
			out = append(out, 0)
		}
	}
	binary.BigEndian.PutUint32(out[adjust:], 0xb1b0afba-checksum(out))
	return out
}

func checksum(b []byte) (sum uint32) {
	for ; len(b) >= 4; b = b[4:] {
		sum += binary.BigEndian.Uint32(b)
	}
	var last [4]byte
	copy(last[:], b)
	return sum + binary.BigEndian.Uint32(last[:])
}
