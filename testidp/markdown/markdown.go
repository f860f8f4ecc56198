// Package markdown reads simpleMarkdownV1 the way the simulated app does.
// TEST ONLY.
//
// It follows bankid.md 2.5 and is strict: what that section does not allow is
// an error, since a genuine app may refuse to show such a text. It does not
// make HTML; the phone's templates do.
package markdown

import (
	"fmt"
	"strings"
)

// maxColumns is how many columns a table may have.
const maxColumns = 5

// A Kind is the kind of a block.
type Kind string

// The kinds of block.
const (
	Heading   Kind = "heading"
	Rule      Kind = "rule"
	Paragraph Kind = "paragraph"
	Unordered Kind = "unordered"
	Ordered   Kind = "ordered"
	Table     Kind = "table"
)

// A Span is a run of text.
type Span struct {
	Text string
	Bold bool
}

// A Line is a sequence of spans.
type Line []Span

// An Item is an item of a list; Number is zero in an unordered one.
type Item struct {
	Number int
	Line   Line
}

// A Block is a piece of a document. Which fields are set depends on the kind.
type Block struct {
	Kind   Kind
	Level  int      // Heading: 1 to 3
	Lines  []Line   // Heading (one) and Paragraph
	Items  []Item   // lists
	Header []Line   // Table
	Rows   [][]Line // Table
}

// Parse reads a document.
func Parse(text string) ([]Block, error) {
	for _, r := range text {
		if !(r >= 0x20 && r <= 0x7e || r >= 0xa0 && r <= 0xffef || r == '\t' || r == '\n' || r == '\r') {
			return nil, fmt.Errorf("character U+%04X is not allowed", r)
		}
	}
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	p := &parser{}
	for i, line := range strings.Split(text, "\n") {
		if err := p.line(strings.Join(strings.Fields(line), " ")); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if err := p.close(); err != nil {
		return nil, err
	}
	return p.blocks, nil
}

type parser struct {
	blocks []Block
	open   bool // the last block may go on
	table  []string
}

// line takes the next line, whose white space has been collapsed.
func (p *parser) line(s string) error {
	kind, err := kindOf(s)
	if err != nil {
		return err
	}
	if p.open && kind != p.last().Kind {
		if kind != "" && kind != Heading && kind != Rule {
			return fmt.Errorf("a blank line must stand between %s and %s", p.last().Kind, kind)
		}
		if err := p.close(); err != nil {
			return err
		}
	}
	switch kind {
	case "":
		return nil
	case Rule:
		p.blocks = append(p.blocks, Block{Kind: Rule})
		return nil
	case Heading:
		marks, rest, _ := strings.Cut(s, " ")
		l, err := spans(rest)
		p.blocks = append(p.blocks, Block{Kind: Heading, Level: len(marks), Lines: []Line{l}})
		return err
	}
	if !p.open {
		p.blocks = append(p.blocks, Block{Kind: kind})
		p.open = true
	}
	b := p.last()
	switch kind {
	case Table:
		p.table = append(p.table, s)
		return nil
	case Paragraph:
		l, err := spans(s)
		b.Lines = append(b.Lines, l)
		return err
	default:
		number, rest := item(s)
		l, err := spans(rest)
		b.Items = append(b.Items, Item{Number: number, Line: l})
		return err
	}
}

func (p *parser) last() *Block { return &p.blocks[len(p.blocks)-1] }

// close ends the block that may have gone on.
func (p *parser) close() error {
	p.open = false
	if p.table == nil {
		return nil
	}
	rows := p.table
	p.table = nil
	return p.last().fill(rows)
}

// kindOf tells the kind of a line; empty for a blank one.
func kindOf(s string) (Kind, error) {
	switch {
	case s == "":
		return "", nil
	case s == "---":
		return Rule, nil
	case s[0] == '#':
		marks, rest, _ := strings.Cut(s, " ")
		if len(marks) > 3 || strings.Trim(marks, "#") != "" || rest == "" {
			return "", fmt.Errorf("not a heading: one to three #, a space and a text")
		}
		return Heading, nil
	case s[0] == '+':
		number, rest := item(s)
		switch {
		case rest == "":
			return "", fmt.Errorf("not an item of a list")
		case number > 0:
			return Ordered, nil
		}
		return Unordered, nil
	case s[0] == '|':
		return Table, nil
	}
	return Paragraph, nil
}

// item splits "+ text" and "+1 text"; the text is empty if it is neither.
func item(s string) (number int, text string) {
	mark, text, _ := strings.Cut(s, " ")
	digits := mark[1:]
	if len(digits) > 2 {
		return 0, ""
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0, ""
		}
		number = number*10 + int(c-'0')
	}
	if digits != "" && number == 0 {
		return 0, ""
	}
	return number, text
}

// fill reads the rows of a table.
func (b *Block) fill(rows []string) error {
	if len(rows) < 3 {
		return fmt.Errorf("a table needs a header, a delimiter row and a row")
	}
	for i, row := range rows {
		cells, err := cells(row)
		if err != nil {
			return err
		}
		if i == 0 && len(cells) > maxColumns {
			return fmt.Errorf("a table has at most %d columns", maxColumns)
		}
		if i > 0 && len(cells) != len(b.Header) {
			return fmt.Errorf("the rows of a table must have the same number of cells")
		}
		if i == 1 {
			for _, c := range cells {
				if d := strings.TrimSuffix(strings.TrimPrefix(c, ":"), ":"); d == "" || strings.Trim(d, "-") != "" {
					return fmt.Errorf("the second row of a table must be the delimiter row")
				}
			}
			continue
		}
		var lines []Line
		for _, c := range cells {
			l, err := spans(c)
			if err != nil {
				return err
			}
			if len(l) > 1 {
				return fmt.Errorf("a cell is plain or bold, not both")
			}
			lines = append(lines, l)
		}
		if i == 0 {
			b.Header = lines
		} else {
			b.Rows = append(b.Rows, lines)
		}
	}
	return nil
}

// cells splits a row at its unescaped bars.
func cells(row string) ([]string, error) {
	var out []string
	start, escaped := 1, false
	for i := 1; i < len(row); i++ {
		switch {
		case escaped:
			escaped = false
		case row[i] == '\\':
			escaped = true
		case row[i] == '|':
			out = append(out, strings.TrimSpace(row[start:i]))
			start = i + 1
		}
	}
	if start != len(row) || len(out) == 0 {
		return nil, fmt.Errorf("a row of a table must end with a bar")
	}
	return out, nil
}

// spans reads escapes and bold text.
func spans(s string) (Line, error) {
	var (
		out  Line
		text strings.Builder
		bold bool
	)
	flush := func() {
		if text.Len() > 0 {
			out = append(out, Span{text.String(), bold})
			text.Reset()
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\\':
			if i+1 == len(s) || !strings.ContainsRune(`#+|*-\`, rune(s[i+1])) {
				return nil, fmt.Errorf("a backslash may only stand before # + | * - or a backslash")
			}
			i++
			text.WriteByte(s[i])
		case '*':
			if bold && (text.Len() == 0 || s[i-1] == ' ') {
				return nil, fmt.Errorf("bold text must not be empty or end with a space")
			}
			if !bold && i+1 < len(s) && s[i+1] == ' ' {
				return nil, fmt.Errorf("bold text must not begin with a space")
			}
			flush()
			bold = !bold
		default:
			text.WriteByte(c)
		}
	}
	if bold {
		return nil, fmt.Errorf("bold text is not closed")
	}
	flush()
	return out, nil
}
