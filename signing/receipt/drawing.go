package receipt

import (
	"strconv"
)

// The page, in hundredths of a point: A4, 64 pt of margin.
const (
	pageWidth  = 59528
	pageHeight = 84189
	left       = 6400
	right      = pageWidth - left
	top        = 6400
	bottom     = pageHeight - 7600
	body       = right - left
	footerLine = pageHeight - 4200
)

// The colours of our pages, as in the design of the web.
const (
	ink    = ".09 .13 .17 rg\n"
	soft   = ".29 .35 .39 rg\n"
	accent = ".04 .34 .44 rg\n"
	rule   = ".84 .86 .89 rg\n"
	black  = "0 0 0 rg\n"
)

// drawing is the pages of a receipt while they are drawn: their content, and
// the tree that says what each part of it is (ISO 32000-1, 14.7).
type drawing struct {
	fonts   *fonts
	content []byte // of all pages, one after the other
	pages   []page
	nodes   []node  // the first is the document
	marked  []int32 // the element of each piece of marked content, in the order of pages
	at      int32   // the open element
	entries []entry // of the outline
	y       int     // how far down the page is used
	bar     int     // where on the page the bar beside a quotation begins; 0: there is none
	lines   []line  // room for the text that is being set
	cells   []int   // room for the row that is being set

	colour  string // as set on this page
	face    string
	size    int
	lead    int
	further bool // some character needs the further faces

	tooLarge bool
}

// page is a part of the content.
type page struct {
	start  int // in drawing.content, up to the next page
	footer int // likewise
	mark   int // in drawing.marked
}

// node is an element of the structure, or a piece of content that belongs to one.
type node struct {
	tag               string // empty: content
	attributes        string // the values of A, in PDF
	alt               string
	parent            int32
	first, last, next int32
	page, mcid        int32 // of content
}

func (d *drawing) reset(f *fonts) {
	*d = drawing{
		fonts: f, content: d.content[:0], pages: d.pages[:0], nodes: d.nodes[:0], marked: d.marked[:0],
		lines: d.lines[:0], cells: d.cells[:0], entries: d.entries[:0],
	}
	d.nodes = append(d.nodes, node{tag: "Document", parent: -1, first: -1, last: -1, next: -1})
	d.newPage()
}

// newPage begins a page. Nothing may be open in the content of the last one.
func (d *drawing) newPage() {
	if d.bar > 0 {
		d.endBar()
		d.bar = top
	}
	if len(d.pages) >= MaxPages {
		d.tooLarge = true // and go on over the last page: nobody will see it
		d.y = top
		return
	}
	d.pages = append(d.pages, page{start: len(d.content), mark: len(d.marked)})
	d.y = top
	d.unset()
}

// unset forgets what colour and font are set: a page begins with none.
func (d *drawing) unset() { d.colour, d.face, d.size, d.lead = "", "", 0, 0 }

// endBar draws the bar down to where the text has come.
func (d *drawing) endBar() {
	if d.y > d.bar {
		d.box(left, d.bar, 200, d.y-d.bar, accent)
	}
}

// need begins a page where this much room is not left.
func (d *drawing) need(height int) {
	if d.y+height > bottom {
		d.newPage()
	}
}

// space leaves room, but not at the top of a page.
func (d *drawing) space(height int) {
	if d.y > top {
		d.y += height
	}
}

// open begins an element inside the open one.
func (d *drawing) open(tag, attributes string) int32 {
	d.at = d.add(node{tag: tag, attributes: attributes, parent: d.at, first: -1, last: -1, next: -1})
	return d.at
}

func (d *drawing) close() { d.at = d.nodes[d.at].parent }

func (d *drawing) add(n node) int32 {
	i := int32(len(d.nodes))
	d.nodes = append(d.nodes, n)
	parent := &d.nodes[n.parent]
	if parent.last < 0 {
		parent.first = i
	} else {
		d.nodes[parent.last].next = i
	}
	parent.last = i
	return i
}

// mark begins content of an element; unmark ends it.
func (d *drawing) mark(element int32) {
	n := len(d.pages) - 1
	mcid := len(d.marked) - d.pages[n].mark
	d.add(node{parent: element, first: -1, last: -1, next: -1, page: int32(n), mcid: int32(mcid)})
	d.marked = append(d.marked, element)
	d.content = append(append(d.content, '/'), d.nodes[element].tag...)
	d.content = append(d.content, "<</MCID "...)
	d.content = strconv.AppendInt(d.content, int64(mcid), 10)
	d.content = append(d.content, ">>BDC\n"...)
}

// artifact begins content that is there for the eye only.
func (d *drawing) artifact() { d.content = append(d.content, "/Artifact BMC\n"...) }

func (d *drawing) unmark() { d.content = append(d.content, "EMC\n"...) }

// length writes a length, in points.
func length(dst []byte, v int) []byte {
	if v < 0 {
		dst, v = append(dst, '-'), -v
	}
	dst = strconv.AppendInt(dst, int64(v/100), 10)
	if v %= 100; v != 0 {
		dst = append(dst, '.', byte('0'+v/10))
		if v %= 10; v != 0 {
			dst = append(dst, byte('0'+v))
		}
	}
	return dst
}

func (d *drawing) paint(colour string) {
	if d.colour != colour {
		d.colour = colour
		d.content = append(d.content, colour...)
	}
}

// box fills a rectangle, for the eye only.
func (d *drawing) box(x, y, width, height int, colour string) {
	d.artifact()
	d.paint(colour)
	d.rectangle(x, pageHeight-y-height, width, height)
	d.content = append(d.content, "f\n"...)
	d.unmark()
}

func (d *drawing) rectangle(x, y, width, height int) {
	for _, v := range [...]int{x, y, width, height} {
		d.content = append(length(d.content, v), ' ')
	}
	d.content = append(d.content, "re\n"...)
}

// font chooses the face for what is shown next.
func (d *drawing) font(s *style, further bool) {
	face := faceNames[s.weight]
	if further {
		face += "x"
		d.further = true
	}
	if d.face == face && d.size == s.size {
		return
	}
	d.face, d.size = face, s.size
	d.content = append(append(d.content, '/'), face...)
	d.content = append(d.content, ' ')
	d.content = append(length(d.content, 10*s.size), " Tf\n"...)
}

// text draws lines of one style below each other, the first one's upper edge at
// y. It opens no marked content.
func (d *drawing) text(x, y int, lines []line) {
	if len(lines) == 0 {
		return
	}
	s := lines[0].style
	d.paint(s.colour)
	d.content = append(d.content, "BT\n"...)
	d.font(s, false)
	if d.lead != s.lead && len(lines) > 1 {
		d.lead = s.lead
		d.content = append(length(d.content, s.lead), " TL\n"...)
	}
	baseline := y + (s.lead+7*s.size)/2
	d.content = append(length(d.content, x), ' ')
	d.content = append(length(d.content, pageHeight-baseline), " Td\n"...)
	for i, l := range lines {
		if i > 0 {
			d.content = append(d.content, "T*\n"...)
		}
		d.show(l)
	}
	d.content = append(d.content, "ET\n"...)
}

// show writes the glyphs of a line. A mark is moved to the middle of the letter
// that it belongs to; the font leaves that to us.
func (d *drawing) show(l line) {
	open := false // a string
	further := false
	var letter glyph
	for _, r := range l.text {
		g := d.fonts.of(l.style.weight, r)
		mark := isMark(r)
		if open && (g.further != further || mark) {
			d.content = append(d.content, ")Tj\n"...)
			open = false
		}
		if further = g.further; !open {
			d.font(l.style, further)
		}
		if mark {
			move := int64(letter.advance) - int64(letter.middle) + int64(g.middle)
			d.content = append(strconv.AppendInt(append(d.content, '['), move, 10), '(')
			d.content = literal(literal(d.content, byte(g.id>>8)), byte(g.id))
			d.content = append(strconv.AppendInt(append(d.content, ')'), -move, 10), "]TJ\n"...)
			continue
		}
		letter = g
		if !open {
			d.content = append(d.content, '(')
			open = true
		}
		d.content = literal(literal(d.content, byte(g.id>>8)), byte(g.id))
	}
	if l.space {
		if !open || further {
			if open {
				d.content = append(d.content, ")Tj\n"...)
			}
			d.font(l.style, false)
			d.content = append(d.content, '(')
			open = true
		}
		space := d.fonts.of(l.style.weight, ' ').id
		d.content = literal(literal(d.content, byte(space>>8)), byte(space))
	}
	if open {
		d.content = append(d.content, ")Tj\n"...)
	}
}

// literal writes a byte inside a string.
func literal(dst []byte, c byte) []byte {
	switch c {
	case '(', ')', '\\':
		return append(dst, '\\', c)
	case '\r':
		return append(dst, '\\', 'r')
	}
	return append(dst, c)
}

// paragraph draws a text as one element, over as many pages as it needs.
func (d *drawing) paragraph(tag, text string, s *style, x, width int) {
	d.open(tag, "")
	d.flow(d.at, text, s, x, width)
	d.close()
}

// flow draws a text as content of an element. A page ends, or begins, with at
// least two lines of a text of more than three; a shorter one is not divided.
func (d *drawing) flow(element int32, text string, s *style, x, width int) {
	d.lines = d.fonts.lines(d.lines[:0], d.fonts.clean(text), s, width)
	rest := d.lines
	for len(rest) > 0 {
		fit := (bottom - d.y) / s.lead
		if fit < len(rest) {
			if len(rest) <= 3 || fit < 2 {
				fit = 0
			} else {
				fit = min(fit, len(rest)-2)
			}
		}
		if fit <= 0 && d.y > top {
			d.newPage()
			continue
		}
		fit = min(max(fit, 1), len(rest))
		d.mark(element)
		d.text(x, d.y, rest[:fit])
		d.unmark()
		d.y += fit * s.lead
		rest = rest[fit:]
		if len(rest) > 0 {
			d.newPage()
		}
		if d.tooLarge {
			return
		}
	}
}
