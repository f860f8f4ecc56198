package metadata

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/providers/xmlsec"
)

// check is the word that an error was refused with, "" for no error.
func check(err error) string {
	var m *Error
	var x *xmlsec.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &m):
		return m.Check
	case errors.As(err, &x):
		return "xml " + x.Check
	case errors.Is(err, ErrUnknown):
		return "unknown"
	case errors.Is(err, ErrStale):
		return "stale"
	case errors.Is(err, ErrNone):
		return "none"
	}
	return "untyped: " + err.Error()
}

// A pair is a key with a certificate around it.
type pair struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func newPair(t testing.TB, key crypto.Signer) pair {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		t.Fatal(err)
	}
	// Over already: certificates are only what keys come in.
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Unix(1e9, 0), NotAfter: time.Unix(1e9+1, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return pair{key, cert}
}

func ec(t testing.TB) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newPair(t, key)
}

// The keys of the tests: a federation's, its next one, a stranger's, and those of
// identity providers.
type cast struct{ feed, next, stranger, idp, idpNext, weak, rsa pair }

var theCast = sync.OnceValue(func() cast {
	t := &testing.T{}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return cast{ec(t), ec(t), ec(t), ec(t), ec(t), newPair(t, short), newPair(t, long)}
})

// now is when the tests take place. It is the start of a synctest bubble too.
var now = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

const (
	idpID = "https://idp.example/saml"
	ns    = ` xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#"`
)

func keyDescriptorXML(use string, c *x509.Certificate) string {
	if use != "" {
		use = ` use="` + use + `"`
	}
	// Broken into lines and indented, as real metadata is.
	s := base64.StdEncoding.EncodeToString(c.Raw)
	return `<md:KeyDescriptor` + use + `><ds:KeyInfo><ds:X509Data><ds:X509Certificate>
        ` + s[:60] + "\n        " + s[60:] + `
      </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`
}

func sso(binding, location string) string {
	return `<md:SingleSignOnService Binding="` + binding + `" Location="` + location + `"/>`
}

// entity is an identity provider with this inside its role.
func entity(id, attrs, role string) string {
	return `<md:EntityDescriptor entityID="` + id + `" ` + attrs + `><md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">` +
		role + `</md:IDPSSODescriptor></md:EntityDescriptor>`
}

// plain is an identity provider of the smallest size.
func plain(id string, keys ...*x509.Certificate) string {
	if len(keys) == 0 {
		keys = []*x509.Certificate{theCast().idp.cert}
	}
	var role strings.Builder
	for _, c := range keys {
		role.WriteString(keyDescriptorXML("signing", c))
	}
	return entity(id, "", role.String()+sso(BindingRedirect, id+"/sso"))
}

// lone makes an entity a document of its own.
func lone(entity string) string {
	return strings.Replace(entity, "<md:EntityDescriptor", `<md:EntityDescriptor ID="_e"`+ns, 1)
}

func group(until time.Time, entities ...string) string {
	return fmt.Sprintf(`<md:EntitiesDescriptor ID="_f"%s validUntil="%s">%s</md:EntitiesDescriptor>`, ns, until.Format(time.RFC3339), strings.Join(entities, "\n"))
}

func sign(t testing.TB, doc string, by pair) []byte {
	t.Helper()
	root, err := xmlsec.Parse([]byte(doc), maxDocument)
	if err != nil {
		t.Fatal(err)
	}
	if err := xmlsec.Sign(root, by.key, by.cert); err != nil {
		t.Fatal(err)
	}
	return xmlsec.Bytes(root)
}

func certs(pairs ...pair) []*x509.Certificate {
	var out []*x509.Certificate
	for _, p := range pairs {
		out = append(out, p.cert)
	}
	return out
}
