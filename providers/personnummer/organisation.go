package personnummer

import "strings"

// Organisation is an organisationsnummer, checked. It is public, so it prints
// whole. The zero value is no number.
type Organisation struct{ digits string }

// ParseOrganisation reads ten digits (a hyphen before the last four allowed),
// or twelve that begin with 16. The third digit is at least 2: that is what
// tells an organisation from a person, so a sole trader's number, which is a
// personnummer, is refused here.
func ParseOrganisation(text string) (Organisation, error) {
	s := trim(text)
	if len(s) == 12 || len(s) == 13 {
		if !strings.HasPrefix(s, "16") {
			return Organisation{}, ErrMalformed
		}
		s = s[2:]
	}
	if len(s) == 11 && s[6] == '-' {
		s = s[:6] + s[7:]
	}
	if len(s) != 10 || !digitsOnly(s) || s[0] == '0' || s[2] < '2' || !luhn(s) {
		return Organisation{}, ErrMalformed
	}
	return Organisation{digits: s}, nil
}

// IsZero reports whether o is no number.
func (o Organisation) IsZero() bool { return o.digits == "" }

// Digits gives the ten digits.
func (o Organisation) Digits() string { return o.digits }

// String prints the number as people write it: "556630-4928".
func (o Organisation) String() string {
	if o.digits == "" {
		return ""
	}
	return o.digits[:6] + "-" + o.digits[6:]
}

// MarshalText gives the ten digits.
func (o Organisation) MarshalText() ([]byte, error) { return []byte(o.digits), nil }

// UnmarshalText reads every form that ParseOrganisation reads.
func (o *Organisation) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*o = Organisation{}
		return nil
	}
	got, err := ParseOrganisation(string(text))
	if err != nil {
		return err
	}
	*o = got
	return nil
}
