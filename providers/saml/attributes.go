package saml

import (
	"maps"
	"slices"
	"strings"
	"unicode"
)

// A Claim is what an attribute tells of a person or of the act.
type Claim string

// The claims that are read. Others are left alone.
const (
	Number       Claim = "number"              // personnummer or samordningsnummer
	MappedNumber Claim = "mapped_number"       // the same for somebody with a foreign e-ID …
	MappedBy     Claim = "number_binding"      // … and how they were found to be the same person
	Name         Claim = "name"                // to show
	GivenName    Claim = "given_name"          //
	Surname      Claim = "surname"             //
	Transaction  Claim = "transaction"         // the identity provider's name for the act
	Digest       Claim = "sign_message_digest" // of the text that was shown and signed
)

// Attributes says by which names an identity provider tells what, and what it
// must tell. The names are those of the Name attribute: friendly names are
// written for people and match nothing.
type Attributes struct {
	Names    map[Claim][]string
	Required []Claim
}

// SwedenConnect is the attribute set of Sweden Connect's specification 1.8.
func SwedenConnect() Attributes {
	return Attributes{
		Names: map[Claim][]string{
			Number:       {oidNumber},
			MappedNumber: {"urn:oid:1.2.752.201.3.16"},
			MappedBy:     {"urn:oid:1.2.752.201.3.6"},
			Name:         {"urn:oid:2.16.840.1.113730.3.1.241"},
			GivenName:    {"urn:oid:2.5.4.42"},
			Surname:      {"urn:oid:2.5.4.4"},
			Transaction:  {"urn:oid:1.2.752.201.3.2"},
			Digest:       {oidDigest},
		},
		Required: []Claim{Number},
	}
}

// CGIClassic is the attribute set of CGI's identity providers before they spoke
// as Sweden Connect does.
func CGIClassic() Attributes {
	return Attributes{
		Names: map[Claim][]string{
			Number:    {"Subject_SerialNumber"},
			GivenName: {"Subject_GivenName"},
			Surname:   {"Subject_Surname"},
			Digest:    {oidDigest},
		},
		Required: []Claim{Number},
	}
}

const (
	oidNumber = "urn:oid:1.2.752.29.4.13"
	oidDigest = "urn:oid:1.2.752.201.3.14"
)

// maxPrintable is how many characters of a name are read.
const maxPrintable = 200

// printable is a name without what could end a line of a log or turn it around on a
// page, and with one space where there was any.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.In(r, unicode.Bidi_Control), r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if all := []rune(s); len(all) > maxPrintable {
		s = strings.TrimSpace(string(all[:maxPrintable]))
	}
	return s
}

func (c Claim) known() bool {
	switch c {
	case Number, MappedNumber, MappedBy, Name, GivenName, Surname, Transaction, Digest:
		return true
	}
	return false
}

func (a Attributes) clone() Attributes {
	return Attributes{Names: maps.Clone(a.Names), Required: slices.Clone(a.Required)}
}
