package markdown

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func plain(s string) Line { return Line{{Text: s}} }

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []Block
	}{
		"paragraph": {"Hej  du\rrad två", []Block{{Kind: Paragraph, Lines: []Line{plain("Hej du"), plain("rad två")}}}},
		"heading and rule": {"# Ansökan\ntext\n---\n### Liten", []Block{
			{Kind: Heading, Level: 1, Lines: []Line{plain("Ansökan")}},
			{Kind: Paragraph, Lines: []Line{plain("text")}},
			{Kind: Rule},
			{Kind: Heading, Level: 3, Lines: []Line{plain("Liten")}},
		}},
		"bold":   {"en *fet* text", []Block{{Kind: Paragraph, Lines: []Line{{{Text: "en "}, {Text: "fet", Bold: true}, {Text: " text"}}}}}},
		"escape": {`\# \* \+ \| \- \\`, []Block{{Kind: Paragraph, Lines: []Line{plain(`# * + | - \`)}}}},
		"lists": {"+ ett\n+ två\n\n+1 a\n+12 b", []Block{
			{Kind: Unordered, Items: []Item{{Line: plain("ett")}, {Line: plain("två")}}},
			{Kind: Ordered, Items: []Item{{1, plain("a")}, {12, plain("b")}}},
		}},
		"table": {"| A | *B* |\n|---|:-:|\n| 1 | x\\|y |", []Block{{
			Kind: Table, Header: []Line{plain("A"), {{Text: "B", Bold: true}}}, Rows: [][]Line{{plain("1"), plain("x|y")}},
		}}},
		"html is text": {"<b>x</b>", []Block{{Kind: Paragraph, Lines: []Line{plain("<b>x</b>")}}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(c.text)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"control character":   "a\x07b",
		"emoji":               "hej 😀",
		"other backslash":     `a\b`,
		"backslash at end":    `a\`,
		"bold not closed":     "*a",
		"bold with space":     "* a*",
		"bold ends in space":  "*a *",
		"empty bold":          "**",
		"four marks":          "#### a",
		"heading without gap": "#a",
		"item without text":   "+",
		"item with letters":   "+x a",
		"three digits":        "+123 a",
		"list after text":     "text\n+ a",
		"text after list":     "+ a\ntext",
		"table of one row":    "| a |",
		"table without body":  "| a |\n|---|",
		"delimiter missing":   "| a |\n| b |\n| c |",
		"uneven table":        "| a | b |\n|---|---|\n| c |",
		"six columns":         "|1|2|3|4|5|6|\n|-|-|-|-|-|-|\n|1|2|3|4|5|6|",
		"mixed cell":          "| a *b* |\n|---|\n| c |",
		"row not closed":      "| a\n|---|\n| c |",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Parse(text); err == nil {
				t.Errorf("%q was read as %+v", text, got)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"# a\n\n+1 b\n", "| a |\n|---|\n| *c* |", `\*`, "*a*", "---"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { Parse(s) })
}
