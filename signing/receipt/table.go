package receipt

// column is where a column's text stands.
type column struct{ x, width int }

// columns divides the width of the page in these parts, with some air between
// two of them.
func columns(parts ...int) []column {
	const air = 1400
	sum := 0
	for _, p := range parts {
		sum += p
	}
	out := make([]column, len(parts))
	room := body - air*(len(parts)-1)
	x, used := left, 0
	for i, p := range parts {
		from := room * used / sum
		used += p
		out[i] = column{x, room*used/sum - from}
		x += out[i].width + air
	}
	return out
}

// cell is a heading of a column or of a row, or neither; its pieces stand below
// each other.
type cell struct {
	scope  string
	pieces []piece
}

type piece struct {
	text  string
	style *style
}

const (
	ofColumn = "<</O/Table/Scope/Column>>"
	ofRow    = "<</O/Table/Scope/Row>>"
)

// grid is a table that is being drawn.
type grid struct {
	d       *drawing
	columns []column
	head    []cell // drawn again at the top of each page
	cells   []int32
}

// The room above and below the text of a row.
const padding = 380

func (d *drawing) table(columns []column, head ...string) *grid {
	g := &grid{d: d, columns: columns, cells: make([]int32, 0, 8)}
	d.open("Table", "")
	if len(head) > 0 {
		for _, h := range head {
			g.head = append(g.head, cell{ofColumn, []piece{{h, &labelStyle}}})
		}
		d.need(12000) // not the heading alone
		g.row(g.head...)
	} else {
		d.need(4000)
		d.box(left, d.y, body, 50, rule)
	}
	return g
}

func (g *grid) end() { g.d.close() }

// row draws a row. One that has no room on the page begins the next one, unless
// it is so tall that it is better divided.
func (g *grid) row(cells ...cell) {
	d := g.d
	if d.tooLarge {
		return
	}
	height := g.set(cells)
	if d.y+height > bottom && (height < (bottom-top)/3 || d.y+4*padding+3*bodyStyle.lead > bottom) {
		g.turn()
		g.set(cells) // again: the heading has used the room
	}
	d.open("TR", "")
	g.cells = g.cells[:0]
	for _, c := range cells {
		tag := "TD"
		if c.scope != "" {
			tag = "TH"
		}
		g.cells = append(g.cells, d.open(tag, c.scope))
		d.close()
	}
	d.close()
	for !g.draw(true) && !d.tooLarge {
		if g.head == nil {
			g.turn()
			continue
		}
		// The headings need the room in which the rest of the row is kept.
		at := append([]int(nil), d.cells...)
		lines := append([]line(nil), d.lines...)
		g.turn()
		d.cells, d.lines = append(d.cells[:0], at...), append(d.lines[:0], lines...)
	}
}

// turn begins a page and draws the headings again: for the eye only, since the
// table is one.
func (g *grid) turn() {
	g.d.newPage()
	if g.head != nil {
		g.set(g.head)
		g.draw(false)
	} else {
		g.d.box(left, g.d.y, body, 50, rule)
	}
}

// set breaks the texts of a row into drawing.lines; drawing.cells says from
// where to where those of each cell go.
func (g *grid) set(cells []cell) (height int) {
	d := g.d
	d.lines, d.cells = d.lines[:0], d.cells[:0]
	for i, c := range cells {
		from := len(d.lines)
		for j, p := range c.pieces {
			d.lines = d.fonts.lines(d.lines, d.fonts.clean(p.text), p.style, g.columns[i].width)
			d.lines[len(d.lines)-1].space = j+1 < len(c.pieces)
		}
		sum := 0
		for _, l := range d.lines[from:] {
			sum += l.style.lead
		}
		height = max(height, sum)
		d.cells = append(d.cells, from, len(d.lines))
	}
	return height + 2*padding
}

// draw draws what fits of the row that was set, and says whether that was all.
func (g *grid) draw(tagged bool) (done bool) {
	d := g.d
	start := d.y + padding
	room := bottom - padding - start
	done, height := true, 0
	for i := range g.columns {
		from, to := d.cells[2*i], d.cells[2*i+1]
		if from == to || to == from+1 && d.lines[from].text == "" {
			continue
		}
		if d.lines[from].style.lead > room {
			done = false
			continue
		}
		if tagged {
			d.mark(g.cells[i])
		} else {
			d.artifact()
		}
		y := 0
		for from < to {
			n := from + 1 // lines of one style are drawn together
			h := d.lines[from].style.lead
			if y+h > room {
				break
			}
			for n < to && d.lines[n].style == d.lines[from].style && y+h+d.lines[n].style.lead <= room {
				h += d.lines[n].style.lead
				n++
			}
			d.text(g.columns[i].x, start+y, d.lines[from:n])
			y += h
			from = n
		}
		d.unmark()
		d.cells[2*i] = from
		done = done && from == to
		height = max(height, y)
	}
	d.y = start + height + padding
	d.box(left, d.y, body, 50, rule)
	return done
}
