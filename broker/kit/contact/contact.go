// Package contact checks and normalises the ways to reach a person: e-mail
// addresses and telephone numbers. It owns their syntax alone; who is reached by
// them, and how, is broker/kit/notify's.
package contact

import (
	"errors"
	"net/mail"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// ErrMalformed is the error of what is no address. It never repeats it.
var ErrMalformed = errors.New("not an address")

// The lengths that mail servers promise to take (RFC 5321 section 4.5.3.1).
const (
	maxLocal   = 64
	maxAddress = 254
)

// Email reads one bare e-mail address: no display name, an ASCII local part, a
// domain with a dot. The domain comes back in ASCII, in lower case.
func Email(text string) (string, error) {
	text = strings.TrimSpace(text)
	local, domain, found := strings.Cut(text, "@")
	if !found || !utf8.ValidString(text) || len(text) > maxAddress || local == "" || len(local) > maxLocal || strings.Contains(domain, "@") {
		return "", ErrMalformed
	}
	if strings.ContainsFunc(local, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"(),:;<>[\]`, r) }) {
		return "", ErrMalformed
	}
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil || !isDomain(ascii) || len(local)+1+len(ascii) > maxAddress {
		return "", ErrMalformed
	}
	whole := local + "@" + ascii
	if a, err := mail.ParseAddress(whole); err != nil || a.Address != whole || a.Name != "" {
		return "", ErrMalformed
	}
	return whole, nil
}

// isDomain wants two labels at least, of at most 63 bytes each, and a last one that
// is not a number: that would be an IPv4 address.
func isDomain(ascii string) bool {
	labels := strings.Split(ascii, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 {
			return false
		}
	}
	return len(labels) > 1 && strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

// Phone reads a telephone number as people in Sweden write it, or in
// international form, and gives it in E.164: "070-123 45 67" is "+46701234567".
func Phone(text string) (string, error) {
	text = strings.TrimSpace(text)
	var digits strings.Builder
	for i, r := range text {
		switch {
		case r >= '0' && r <= '9':
			digits.WriteRune(r)
		case r == '+' && i == 0:
		case strings.ContainsRune(" -–()/.\u00a0", r):
		default:
			return "", ErrMalformed
		}
	}
	d := digits.String()
	switch {
	case strings.HasPrefix(text, "+"):
	case strings.HasPrefix(d, "00"):
		d = d[2:]
	case strings.HasPrefix(d, "0"):
		d = "46" + d[1:]
	default:
		return "", ErrMalformed
	}
	if rest, ok := strings.CutPrefix(d, "460"); ok { // "+46 (0)70"
		d = "46" + rest
	}
	switch {
	case len(d) < 8 || len(d) > 15 || d[0] == '0' || strings.HasPrefix(d, "460"):
		return "", ErrMalformed
	case strings.HasPrefix(d, "467") && len(d) != 11: // a Swedish mobile number, with a digit too few or too many
		return "", ErrMalformed
	}
	return "+" + d, nil
}
