package pki

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strings"
)

// An attribute is one relative distinguished name of a certificate's subject.
type attribute struct {
	oid   asn1.ObjectIdentifier
	short string // as RFC 4514 and srvInfo write it
	value string
}

func country() attribute { return attribute{asn1.ObjectIdentifier{2, 5, 4, 6}, "c", "SE"} }
func organization(v string) attribute {
	return attribute{asn1.ObjectIdentifier{2, 5, 4, 10}, "o", v}
}
func unit(v string) attribute    { return attribute{asn1.ObjectIdentifier{2, 5, 4, 11}, "ou", v} }
func surname(v string) attribute { return attribute{asn1.ObjectIdentifier{2, 5, 4, 4}, "sn", v} }
func given(v string) attribute   { return attribute{asn1.ObjectIdentifier{2, 5, 4, 42}, "gn", v} }
func serial(v string) attribute {
	return attribute{asn1.ObjectIdentifier{2, 5, 4, 5}, "serialNumber", v}
}
func displayName(v string) attribute {
	return attribute{asn1.ObjectIdentifier{2, 5, 4, 41}, "name", v}
}
func commonName(v string) attribute {
	return attribute{asn1.ObjectIdentifier{2, 5, 4, 3}, "cn", v}
}

// encodeName writes a subject with the string types of bankid.md 7.1:
// PrintableString for country and serialNumber, UTF8String for the rest.
// (crypto/x509 would choose by content, which is another encoding.)
func encodeName(attributes []attribute) ([]byte, error) {
	type value struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	type rdn []value
	var name []asn1.RawValue
	for _, a := range attributes {
		tag := asn1.TagUTF8String
		if a.short == "c" || a.short == "serialNumber" {
			tag = asn1.TagPrintableString
		}
		set, err := asn1.MarshalWithParams(rdn{{a.oid, asn1.RawValue{Tag: tag, Bytes: []byte(a.value)}}}, "set")
		if err != nil {
			return nil, fmt.Errorf("pki: name: %w", err)
		}
		name = append(name, asn1.RawValue{FullBytes: set})
	}
	return asn1.Marshal(name)
}

// distinguishedName writes a subject the way srvInfo/name does: RFC 4514
// order (last attribute first) with lower-case short names.
func distinguishedName(attributes []attribute) string {
	var parts []string
	for i := len(attributes) - 1; i >= 0; i-- {
		parts = append(parts, attributes[i].short+"="+escapeDN(attributes[i].value))
	}
	return strings.Join(parts, ",")
}

// escapeDN escapes a value as RFC 4514 section 2.4 asks.
func escapeDN(v string) string {
	var b strings.Builder
	for i, r := range v {
		switch {
		case strings.ContainsRune(`"+,;<>\`, r),
			i == 0 && (r == ' ' || r == '#'),
			i == len(v)-1 && r == ' ':
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// subjectAttributes reads back the attributes that a relying party's
// certificate may hold.
func subjectAttributes(name pkix.Name) []attribute {
	var out []attribute
	for _, a := range name.Names {
		v, ok := a.Value.(string)
		if !ok {
			continue
		}
		for _, known := range []attribute{country(), organization(v), unit(v), surname(v), given(v), serial(v), displayName(v), commonName(v)} {
			if a.Type.Equal(known.oid) {
				known.value = v
				out = append(out, known)
			}
		}
	}
	return out
}
