package design

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Colours that a theme's accent must be told apart from. They repeat tokens of
// the stylesheet; a test holds them together.
const (
	surface     = "#ffffff" // cards, and the text on an accent
	ground      = "#f2f4f6" // behind the cards
	surfaceDark = "#1c2229"
	inkDark     = "#10151a" // the text on an accent in dark mode
)

// DefaultAccent is the accent of clients that name none.
const DefaultAccent = "#0b5671"

// CheckTheme refuses an accent colour that people could not read: white text on
// it, and it as text on our light grounds, each by WCAG 2.2's 4.5:1. An empty
// accent is ours. All failing pairs are named with their ratio. Dark mode needs
// no check: there the accent is lightened until it can be read.
func CheckTheme(accent string) error {
	if accent == "" {
		return nil
	}
	c, ok := parseColour(accent)
	if !ok {
		return fmt.Errorf("the accent %q is not a colour of the form #rrggbb", accent)
	}
	var faults []error
	for _, pair := range []struct{ what, other string }{
		{"white text on the accent", surface},
		{"the accent as text on the page's ground", ground},
	} {
		other, _ := parseColour(pair.other)
		if r := contrast(c, other); r < 4.5 {
			faults = append(faults, fmt.Errorf("%s (%s and %s) has the contrast %.2f:1, below 4.5:1", pair.what, accent, pair.other, math.Floor(r*100)/100))
		}
	}
	return errors.Join(faults...)
}

// ThemeURL gives the address of the stylesheet that sets an accent, or the
// empty string for ours and for one that CheckTheme refuses.
func ThemeURL(accent string) string {
	if accent == "" || strings.EqualFold(accent, DefaultAccent) || CheckTheme(accent) != nil {
		return ""
	}
	return Prefix + "theme-" + strings.ToLower(accent[1:]) + ".css"
}

// themeFile makes the stylesheet of any acceptable accent: the colour stands in
// the address, so there is nothing to store.
func themeFile(last string) (file, bool) {
	hex, ok := strings.CutPrefix(last, "theme-")
	hex, ok2 := strings.CutSuffix(hex, ".css")
	accent := "#" + hex
	if !ok || !ok2 || CheckTheme(accent) != nil || hex != strings.ToLower(hex) || hex == "" {
		return file{}, false
	}
	css := fmt.Sprintf(":root{--accent:%s;--accent-strong:%s}\n@media screen and (prefers-color-scheme:dark){:root{--accent:%s;--accent-strong:%s}}\n",
		accent, mix(accent, "#000000", 0.22), darkAccent(accent), mix(darkAccent(accent), "#ffffff", 0.25))
	return file{[]byte(css), "text/css; charset=utf-8"}, true
}

// darkAccent lightens a colour until it can be read as text on the dark surface
// and under dark text.
func darkAccent(accent string) string {
	on, _ := parseColour(surfaceDark)
	under, _ := parseColour(inkDark)
	for step := range 21 {
		lighter := mix(accent, "#ffffff", float64(step)/20)
		c, _ := parseColour(lighter)
		if contrast(c, on) >= 5.5 && contrast(c, under) >= 5.5 {
			return lighter
		}
	}
	return "#ffffff"
}

type colour struct{ r, g, b float64 } // 0 … 255

func parseColour(s string) (colour, bool) {
	if len(s) != 7 || s[0] != '#' {
		return colour{}, false
	}
	n, err := strconv.ParseUint(s[1:], 16, 32)
	if err != nil {
		return colour{}, false
	}
	return colour{float64(n >> 16), float64(n >> 8 & 0xff), float64(n & 0xff)}, true
}

func mix(a, b string, share float64) string {
	x, _ := parseColour(a)
	y, _ := parseColour(b)
	at := func(p, q float64) int { return int(math.Round(p + (q-p)*share)) }
	return fmt.Sprintf("#%02x%02x%02x", at(x.r, y.r), at(x.g, y.g), at(x.b, y.b))
}

// contrast is the contrast ratio of WCAG 2.2.
func contrast(a, b colour) float64 {
	la, lb := a.luminance(), b.luminance()
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func (c colour) luminance() float64 {
	linear := func(v float64) float64 {
		if v /= 255; v <= 0.04045 {
			return v / 12.92
		} else {
			return math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*linear(c.r) + 0.7152*linear(c.g) + 0.0722*linear(c.b)
}
