package receipt

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func testFonts(t testing.TB) *fonts {
	f, err := newFonts(firstFont)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestClean(t *testing.T) {
	f := testFonts(t)
	for _, c := range []struct{ name, in, want string }{
		{"plain", "Hej (då) \\ 100 %", "Hej (då) \\ 100 %"},
		{"Swedish, composed and not", "åäö a\u030aa\u0308o\u0308", "åäö åäö"},
		{"mark without a composed letter", "n\u0308 x", "n\u0308 x"},
		{"line ends", "a\r\nb\nc\rd", "a\nb\nc\uFFFDd"},
		{"tab", "a\tb", "a    b"},
		{"control", "a\x00b\x1bc\x7fd\u0085e", "a\uFFFDb\uFFFDc\uFFFDd\uFFFDe"},
		{"bidi overrides", "a\u202eb\u202c\u2066c\u2069\u200f\u061c", "a\uFFFDb\uFFFD\uFFFDc\uFFFD\uFFFD\uFFFD"},
		{"zero width", "a\u200bb\u200cc\u200dd\ufeffe\u2060f\u00adg\u034fh", "a\uFFFDb\uFFFDc\uFFFDd\uFFFDe\uFFFDf\uFFFDg\uFFFDh"},
		{"unknown scripts", "محمد שלום 王 😀", "\uFFFD\uFFFD\uFFFD\uFFFD \uFFFD\uFFFD\uFFFD\uFFFD \uFFFD \uFFFD"},
		{"known scripts", "Україна Ελλάδα Nguyễn", "Україна Ελλάδα Nguyễn"},
		{"private, unassigned, beyond", "\ue000\u0378\U000e0041\U0010ffff", "\uFFFD\uFFFD\uFFFD\uFFFD"},
		{"line and paragraph separators", "a\u2028b\u2029c", "a\uFFFDb\uFFFDc"},
		{"too many marks", "x" + strings.Repeat("\u0315", 6) + "y\u0315", "x" + strings.Repeat("\u0315", 4) + "\uFFFD\uFFFDy\u0315"},
		{"not UTF-8", "a\xffb", "a\uFFFDb"},
	} {
		if got := f.clean(c.in); got != c.want {
			t.Errorf("%s: %+q, want %+q", c.name, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		once := f.clean(rapid.String().Draw(t, "text"))
		if again := f.clean(once); again != once {
			t.Fatalf("%+q becomes %+q", once, again)
		}
	})
}

func TestLines(t *testing.T) {
	f := testFonts(t)
	s := &bodyStyle
	for _, c := range []struct {
		text  string
		width int
		want  []string
	}{
		{"", 10000, []string{""}},
		{"kort", 10000, []string{"kort"}},
		{"en rad till", 3500, []string{"en rad", "till"}},
		{"en   rad", 2500, []string{"en", "rad"}},
		{"rad\n\nrad", 10000, []string{"rad", "", "rad"}},
		{"  indrag", 10000, []string{"  indrag"}},
		{"Anna-Karin", 3500, []string{"Anna-", "Karin"}},
		{"den 2026-11-21 -5", 6000, []string{"den", "2026-11-21", "-5"}},
		{"mmmmmm", 1700, []string{"mm", "mm", "mm"}},
		{"a mmmmmm", 1700, []string{"a", "mm", "mm", "mm"}},
		{"m\u0315\u0315m", 900, []string{"m\u0315\u0315", "m"}},
		{"m", 1, []string{"m"}},
	} {
		var got []string
		for _, l := range f.lines(nil, c.text, s, c.width) {
			got = append(got, l.text)
		}
		if strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("%q in %d: %q, want %q", c.text, c.width, got, c.want)
		}
	}
	letters := rapid.StringOf(rapid.SampledFrom([]rune("aåmW  -–\n\u0315\u2009Ж\uFFFD")))
	rapid.Check(t, func(t *rapid.T) {
		text := letters.Draw(t, "text")
		width := rapid.IntRange(1000, 8000).Draw(t, "width")
		lines := f.lines(nil, text, s, width)
		var all strings.Builder
		for _, l := range lines {
			all.WriteString(l.text)
			shown := strings.TrimRight(l.text, " \u2009\u0315")
			if f.width(shown, s) > width && utf8.RuneCountInString(strings.Trim(shown, "\u0315")) > 1 {
				t.Fatalf("%q is wider than %d", l.text, width)
			}
		}
		// Nothing is lost but spaces and line ends.
		bare := strings.NewReplacer(" ", "", "\n", "")
		if bare.Replace(all.String()) != bare.Replace(text) {
			t.Fatalf("%q became %q", text, all.String())
		}
	})
}
