package receipt

import (
	"strconv"

	"rsc.io/qr"
)

// qrSide is the length of the side of a QR code on the page.
const qrSide = 9600

// code is a QR code as the rectangles that paint it, in modules from its lower
// left corner; none where the text is too long for one.
type code struct {
	text    string
	paths   []byte
	modules int
}

func newCode(text string) *code {
	out := &code{text: text}
	c, err := qr.Encode(text, qr.M)
	if err != nil {
		return out
	}
	out.modules = c.Size
	for y := range c.Size {
		for x := 0; x < c.Size; x++ {
			from := x
			for c.Black(x, y) {
				x++
			}
			if x == from {
				continue
			}
			for _, v := range [...]int{from, c.Size - 1 - y, x - from} {
				out.paths = append(strconv.AppendInt(out.paths, int64(v), 10), ' ')
			}
			out.paths = append(out.paths, "1 re\n"...)
		}
	}
	return out
}

// code makes the QR code of a text, or takes the last one: the address of an
// installation is always the same.
func (w *Writer) code(text string) *code {
	if c := w.lastCode.Load(); c != nil && c.text == text {
		return c
	}
	c := newCode(text)
	w.lastCode.Store(c)
	return c
}

// figure draws a QR code whose upper left corner is here.
func (s *sheet) figure(x, y int, alt string) {
	if s.code.modules == 0 {
		return
	}
	lower := pageHeight - y - qrSide
	box := []byte("<</BBox[")
	for i, v := range [...]int{x, lower, x + qrSide, lower + qrSide} {
		if i > 0 {
			box = append(box, ' ')
		}
		box = length(box, v)
	}
	box = append(box, "]/O/Layout/Placement/Block>>"...)
	figure := s.open("Figure", string(box))
	s.nodes[figure].alt = alt
	s.close()
	s.mark(figure)
	s.paint(black)
	side := qrSide * 100 / s.code.modules // ten thousandths of a point
	scale := append(strconv.AppendInt(nil, int64(side/10000), 10), '.')
	scale = append(scale, strconv.Itoa(10000 + side%10000)[1:]...)
	s.content = append(s.content, "q\n"...)
	s.content = append(append(append(append(s.content, scale...), " 0 0 "...), scale...), ' ')
	s.content = append(length(s.content, x), ' ')
	s.content = append(length(s.content, lower), " cm\n"...)
	s.content = append(append(s.content, s.code.paths...), "f\nQ\n"...)
	s.unmark()
}
