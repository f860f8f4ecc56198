package xmlsec

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
)

// A pair is a key with a certificate around it.
type pair struct {
	key  crypto.Signer
	cert *x509.Certificate
}

// around makes a certificate for a key, valid at any time asked for.
func around(t testing.TB, key crypto.Signer, name string, from, to time.Time) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// An issuer is the keys that the tests sign with. Making them is slow.
type issuer struct {
	rsa, other, p256, p384, p521 pair
	weak                         pair
}

var theIssuer = sync.OnceValue(func() issuer {
	now := time.Now()
	t := &testing.T{}
	rsaPair := func(bits int) pair {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		return pair{key, around(t, key, "rsa", now.Add(-time.Hour), now.Add(time.Hour))}
	}
	ecPair := func(curve elliptic.Curve) pair {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			panic(err)
		}
		return pair{key, around(t, key, "ec", now.Add(-time.Hour), now.Add(time.Hour))}
	}
	return issuer{
		rsa: rsaPair(2048), other: rsaPair(2048), weak: rsaPair(1024),
		p256: ecPair(elliptic.P256()), p384: ecPair(elliptic.P384()), p521: ecPair(elliptic.P521()),
	}
})

// message is a response as an identity provider would write it before signing.
const message = `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xs="http://www.w3.org/2001/XMLSchema" ID="_r1" Version="2.0">
  <saml:Issuer>https://idp.example/</saml:Issuer>
  <samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>
  <saml:Assertion ID="_a1" Version="2.0"><saml:Issuer>https://idp.example/</saml:Issuer><saml:Subject>good åäö &amp; &lt;</saml:Subject></saml:Assertion>
</samlp:Response>`

const limit = 256 << 10

func parse(t testing.TB, raw string) *etree.Element {
	t.Helper()
	el, err := Parse([]byte(raw), limit)
	if err != nil {
		t.Fatal(err)
	}
	return el
}

func signed(t testing.TB, raw string, by pair) []byte {
	t.Helper()
	el := parse(t, raw)
	if err := Sign(el, by.key, by.cert); err != nil {
		t.Fatal(err)
	}
	return Bytes(el)
}

func TestWhatIsSignedIsVerified(t *testing.T) {
	all := theIssuer()
	for name, by := range map[string]pair{"RSA": all.rsa, "P-256": all.p256, "P-384": all.p384, "P-521": all.p521} {
		t.Run(name, func(t *testing.T) {
			root := parse(t, string(signed(t, message, by)))
			if children := root.ChildElements(); !Is(children[1], nsDS, "Signature") {
				t.Errorf("the signature does not stand behind the issuer but %s does", children[1].Tag)
			}
			got, err := Verify(root, []*x509.Certificate{all.other.cert, by.cert})
			if err != nil {
				t.Fatal(err)
			}
			if Signed(got) || got == root {
				t.Error("what comes back is not only what was signed")
			}
			if s := Child(Child(got, nsAssertion, "Assertion"), nsAssertion, "Subject").Text(); s != "good åäö & <" {
				t.Errorf("subject %q", s)
			}
			if _, err := Verify(root, []*x509.Certificate{all.other.cert}); err == nil {
				t.Error("verified with somebody else's key")
			}
		})
	}
}

// judge is the outside judge of signatures.
func judge(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("xmlsec1")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("xmlsec1 is not installed")
		}
		t.Skip("xmlsec1 is not installed")
	}
	return path
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const idOfResponse = "urn:oasis:names:tc:SAML:2.0:protocol:Response"

func TestXMLSec1BelievesOurs(t *testing.T) {
	xmlsec1, all := judge(t), theIssuer()
	for name, by := range map[string]pair{"RSA": all.rsa, "P-256": all.p256, "P-384": all.p384, "P-521": all.p521} {
		t.Run(name, func(t *testing.T) {
			pub := write(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: by.cert.Raw}))
			doc := signed(t, message, by)
			run := func(doc []byte) error {
				out, err := exec.Command(xmlsec1, "--verify", "--pubkey-cert-pem", pub,
					"--enabled-key-data", "key-name", "--id-attr:ID", idOfResponse, write(t, "doc.xml", doc)).CombinedOutput()
				if err != nil {
					t.Logf("%s", out)
				}
				return err
			}
			if err := run(doc); err != nil {
				t.Error("xmlsec1 refuses ours")
			}
			if err := run(bytes.Replace(doc, []byte("good"), []byte("evil"), 1)); err == nil {
				t.Error("xmlsec1 is no judge: it believes what was changed")
			}
		})
	}
}

// template is what xmlsec1 fills in.
const template = `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>` +
	`<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/><ds:SignatureMethod Algorithm="METHOD"/>` +
	`<ds:Reference URI="#_r1"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>` +
	`<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">INCLUSIVE</ds:Transform></ds:Transforms>` +
	`<ds:DigestMethod Algorithm="DIGEST"/><ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/></ds:Signature>`

func TestXMLSec1IsBelieved(t *testing.T) {
	xmlsec1, all := judge(t), theIssuer()
	const more, enc = "http://www.w3.org/2001/04/xmldsig-more#", "http://www.w3.org/2001/04/xmlenc#"
	prefixes := `<ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="xs"/>`
	for _, c := range []struct {
		name, method, digest, inclusive string
		by                              pair
		refused                         string
	}{
		{"RSA SHA-256", more + "rsa-sha256", enc + "sha256", "", all.rsa, ""},
		{"RSA SHA-256 with prefixes", more + "rsa-sha256", enc + "sha256", prefixes, all.rsa, ""},
		{"RSA SHA-384", more + "rsa-sha384", more + "sha384", "", all.rsa, ""},
		{"RSA SHA-512", more + "rsa-sha512", enc + "sha512", "", all.rsa, ""},
		{"P-256 SHA-256", more + "ecdsa-sha256", enc + "sha256", "", all.p256, ""},
		{"P-384 SHA-384", more + "ecdsa-sha384", more + "sha384", "", all.p384, ""},
		{"P-521 SHA-512", more + "ecdsa-sha512", enc + "sha512", "", all.p521, ""},
		{"RSA SHA-1", nsDS + "rsa-sha1", enc + "sha256", "", all.rsa, "algorithm"},
		{"digest SHA-1", more + "rsa-sha256", nsDS + "sha1", "", all.rsa, "algorithm"},
	} {
		t.Run(c.name, func(t *testing.T) {
			key, err := x509.MarshalPKCS8PrivateKey(c.by.key)
			if err != nil {
				t.Fatal(err)
			}
			sig := template
			for from, to := range map[string]string{"METHOD": c.method, "DIGEST": c.digest, "INCLUSIVE": c.inclusive} {
				sig = string(bytes.Replace([]byte(sig), []byte(from), []byte(to), 1))
			}
			doc := bytes.Replace([]byte(message), []byte("</saml:Issuer>"), []byte("</saml:Issuer>"+sig), 1)
			out := filepath.Join(t.TempDir(), "signed.xml")
			said, err := exec.Command(xmlsec1, "--sign", "--privkey-pem",
				write(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
				"--id-attr:ID", idOfResponse, "--output", out, write(t, "doc.xml", doc)).CombinedOutput()
			if err != nil {
				t.Fatalf("xmlsec1 does not sign: %s", said)
			}
			raw, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Verify(parse(t, string(raw)), []*x509.Certificate{c.by.cert})
			if got := check(err); got != c.refused {
				t.Errorf("refused at %q, want %q: %v", got, c.refused, err)
			}
			_, err = Verify(parse(t, string(bytes.Replace(raw, []byte("good"), []byte("evil"), 1))), []*x509.Certificate{c.by.cert})
			if err == nil {
				t.Error("believed what was changed")
			}
		})
	}
}
