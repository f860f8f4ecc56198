package form

import (
	"strconv"
	"strings"
)

// A decimal is a number as people write it.
type decimal struct {
	text  string // "-1234.50"
	value float64
	// decimals are those that were written.
	decimals int
}

// maxDigits keeps numbers exact in a float64.
const maxDigits = 15

// parseDecimal reads "1 234,5", "-3", "1234.50". Spaces of every kind part
// thousands; there is one comma or point at most.
func parseDecimal(s string) (decimal, bool) {
	s = strings.NewReplacer(" ", "", "\u00a0", "", "\u202f", "", "\u2009", "", "\u2212", "-", ",", ".").Replace(strings.TrimSpace(s))
	whole, part, pointed := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	if !digits(whole) || pointed && !digits(part) || len(whole)+len(part) > maxDigits {
		return decimal{}, false
	}
	value, err := strconv.ParseFloat(s, 64)
	return decimal{text: s, value: value, decimals: len(part)}, err == nil
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func formatNumber(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
