package bankid

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"
	"strings"
)

// A RelyingParty is who asked: the names in the certificate that the order was
// started with, as they come back in the signature.
type RelyingParty struct {
	DisplayName string
	// Name is the subject in the issuer's notation ("cn=…,name=…,o=…,c=SE").
	// Case of the types and order do not matter. Empty: not compared.
	Name string
}

var oidName = asn1.ObjectIdentifier{2, 5, 4, 41}

// relyingParty reads the names of an RP certificate.
func relyingParty(subject pkix.Name) RelyingParty {
	var rp RelyingParty
	var parts []string
	for _, a := range slices.Backward(subject.Names) {
		value, ok := a.Value.(string)
		if !ok {
			continue
		}
		if a.Type.Equal(oidName) {
			rp.DisplayName = value
		}
		parts = append(parts, shortName(a.Type)+"="+dnEscaper.Replace(value))
	}
	rp.Name = strings.Join(parts, ",")
	return rp
}

var dnEscaper = strings.NewReplacer(`\`, `\\`, ",", `\,`, "+", `\+`, ";", `\;`, "<", `\<`, ">", `\>`, `"`, `\"`, "=", `\=`)

func shortName(oid asn1.ObjectIdentifier) string {
	switch oid.String() {
	case "2.5.4.3":
		return "cn"
	case "2.5.4.4":
		return "sn"
	case "2.5.4.5":
		return "serialNumber"
	case "2.5.4.6":
		return "c"
	case "2.5.4.7":
		return "l"
	case "2.5.4.8":
		return "st"
	case "2.5.4.9":
		return "street"
	case "2.5.4.10":
		return "o"
	case "2.5.4.11":
		return "ou"
	case "2.5.4.41":
		return "name"
	case "2.5.4.42":
		return "givenName"
	}
	return oid.String()
}

// sameName compares two names in RFC 4514's notation without regard to their
// order, to the case of the types or to how values are escaped.
func sameName(a, b string) bool {
	x, errX := splitName(a)
	y, errY := splitName(b)
	return errX == nil && errY == nil && slices.Equal(x, y)
}

func splitName(dn string) ([]string, error) {
	var parts []string
	var typ, value strings.Builder
	inValue := false
	end := func() error {
		if !inValue {
			return errors.New("attribute without a value")
		}
		parts = append(parts, strings.ToLower(strings.TrimSpace(typ.String()))+"="+value.String())
		typ.Reset()
		value.Reset()
		inValue = false
		return nil
	}
	for i := 0; i < len(dn); i++ {
		switch c := dn[i]; {
		case !inValue && c == '=':
			inValue = true
		case !inValue:
			typ.WriteByte(c)
		case c == '\\' && i+2 < len(dn) && hexDigit(dn[i+1]) >= 0 && hexDigit(dn[i+2]) >= 0:
			value.WriteByte(byte(hexDigit(dn[i+1])<<4 | hexDigit(dn[i+2])))
			i += 2
		case c == '\\' && i+1 < len(dn):
			i++
			value.WriteByte(dn[i])
		case c == ',' || c == '+':
			if err := end(); err != nil {
				return nil, err
			}
		default:
			value.WriteByte(c)
		}
	}
	if err := end(); err != nil {
		return nil, err
	}
	slices.Sort(parts)
	return parts, nil
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
