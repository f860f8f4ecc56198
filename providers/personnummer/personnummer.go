// Package personnummer holds the value types of Swedish identity numbers:
// personnummer and samordningsnummer (Number) and organisationsnummer
// (Organisation).
//
// It owns their syntax, their check digit and how they print. It does not know
// who a number belongs to. Forms follow Skatteverket's SKV 704 (personnummer)
// and SKV 707 (samordningsnummer: the day plus 60).
package personnummer

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"
)

// ErrMalformed is the error of every text that is not an identity number. It
// never repeats the text.
var ErrMalformed = errors.New("not a Swedish identity number")

// Number is a personnummer or samordningsnummer, always whole and checked. The
// zero value is no number. It prints masked; only Digits gives it whole.
//
// The twelve digits are kept as an integer turned inside out: printers that
// reach into unexported fields, past String and Format, then show something
// that is not the number.
type Number struct{ hidden uint64 }

// inside turns a number inside out and back. It is larger than any twelve
// digits, so that only the zero Number is hidden as zero.
const inside = 1<<63 - 1

func hide(twelve string) Number {
	v, err := strconv.ParseUint(twelve, 10, 64)
	if err != nil {
		return Number{}
	}
	return Number{hidden: v ^ inside}
}

// Parse reads twelve digits (YYYYMMDDNNNN, a hyphen before the last four
// allowed) or ten (YYMMDD-NNNN, the sign optional; a plus sign means that the
// person is a hundred or older). The century of ten digits is decided by today.
// Spaces around the number are ignored. The check digit and the date must be
// right, and the date not later than today.
func Parse(text string, today time.Time) (Number, error) {
	s := trim(text)
	var whole string
	switch {
	case len(s) == 12 && digitsOnly(s):
		whole = s
	case len(s) == 13 && s[8] == '-' && digitsOnly(s[:8]) && digitsOnly(s[9:]):
		whole = s[:8] + s[9:]
	case len(s) == 10 && digitsOnly(s):
		whole = century(s, false, today) + s
	case len(s) == 11 && (s[6] == '-' || s[6] == '+') && digitsOnly(s[:6]) && digitsOnly(s[7:]):
		ten := s[:6] + s[7:]
		whole = century(ten, s[6] == '+', today) + ten
	default:
		return Number{}, ErrMalformed
	}
	n, err := FromDigits(whole)
	if err != nil {
		return Number{}, err
	}
	if n.Birthdate().After(day(today)) {
		return Number{}, ErrMalformed
	}
	return n, nil
}

// FromDigits reads exactly twelve digits, the form that issuers deliver.
func FromDigits(twelve string) (Number, error) {
	if len(twelve) != 12 || !digitsOnly(twelve) || twelve[0] == '0' {
		return Number{}, ErrMalformed
	}
	if _, ok := date(twelve); !ok || !luhn(twelve[2:]) {
		return Number{}, ErrMalformed
	}
	return hide(twelve), nil
}

// IsZero reports whether n is no number.
func (n Number) IsZero() bool { return n.hidden == 0 }

// Digits gives all twelve digits. Every call is a place where a personal number
// leaves its wrapping: never pass the result to a log, an error or a URL.
func (n Number) Digits() string {
	if n.hidden == 0 {
		return ""
	}
	return strconv.FormatUint(n.hidden^inside, 10)
}

// Coordination reports whether n is a samordningsnummer.
func (n Number) Coordination() bool { return !n.IsZero() && n.Digits()[6] >= '6' }

// Birthdate is the date of birth that the number states, at midnight UTC. For a
// samordningsnummer it may be approximate.
func (n Number) Birthdate() time.Time {
	t, _ := date(n.Digits())
	return t
}

// Age is the number of whole years lived on the given day.
func (n Number) Age(on time.Time) int {
	b := n.Birthdate()
	age := on.Year() - b.Year()
	if on.Month() < b.Month() || on.Month() == b.Month() && on.Day() < b.Day() {
		age--
	}
	return age
}

// String prints the year of birth and nothing else: "1985********".
func (n Number) String() string {
	if n.IsZero() {
		return ""
	}
	return n.Digits()[:4] + "********"
}

// GoString keeps %#v masked as well.
func (n Number) GoString() string { return "personnummer.Number(" + n.String() + ")" }

// Format keeps every verb masked, the ones for integers too.
func (n Number) Format(s fmt.State, verb rune) {
	switch {
	case verb == 'v' && s.Flag('#'):
		fmt.Fprint(s, n.GoString())
	case verb == 'q':
		fmt.Fprintf(s, "%q", n.String())
	default:
		fmt.Fprint(s, n.String())
	}
}

// LogValue keeps logs masked.
func (n Number) LogValue() slog.Value { return slog.StringValue(n.String()) }

// MarshalText gives the whole number: it is for sealed records and for claims
// that a relying party has asked for, never for logs.
func (n Number) MarshalText() ([]byte, error) { return []byte(n.Digits()), nil }

// UnmarshalText reads what MarshalText wrote.
func (n *Number) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*n = Number{}
		return nil
	}
	got, err := FromDigits(string(text))
	if err != nil {
		return err
	}
	*n = got
	return nil
}

// date reads the date of birth out of twelve digits. The day of a
// samordningsnummer is 61 to 91.
func date(twelve string) (time.Time, bool) {
	if twelve == "" {
		return time.Time{}, false
	}
	year, month, d := number(twelve[:4]), number(twelve[4:6]), birthday(twelve[6:8])
	t := time.Date(year, time.Month(month), d, 0, 0, 0, 0, time.UTC)
	return t, t.Year() == year && int(t.Month()) == month && t.Day() == d
}

func birthday(two string) int {
	d := number(two)
	if d > 60 {
		d -= 60
	}
	return d
}

// day is the calendar day of a moment, where the moment is told.
func day(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// century chooses the century of a ten-digit number. A plus sign is borne from
// the first of January of the year in which a person becomes a hundred.
// Without one it is the latest century that does not put the birth after today.
func century(ten string, plus bool, today time.Time) string {
	year := today.Year() - (today.Year()-number(ten[:2]))%100
	born := time.Date(year, time.Month(number(ten[2:4])), birthday(ten[4:6]), 0, 0, 0, 0, time.UTC)
	if plus || born.After(day(today)) {
		year -= 100
	}
	return fmt.Sprintf("%02d", year/100)
}

func luhn(ten string) bool {
	sum := 0
	for i := range ten {
		d := int(ten[i] - '0')
		if i%2 == 0 {
			d *= 2
			if d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

func digitsOnly(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func number(digits string) int {
	n := 0
	for i := range len(digits) {
		n = n*10 + int(digits[i]-'0')
	}
	return n
}

func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
