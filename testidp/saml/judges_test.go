package saml

import (
	"bytes"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"crypto/x509"

	"sigill/testidp/control"
)

// judge runs xmlsec1, or skips where it is missing (fails where CI is set,
// because there it must not be missing).
func judge(t *testing.T, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("xmlsec1")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("xmlsec1 is missing")
		}
		t.Skip("xmlsec1 is missing")
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	return string(out), err
}

func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s signer) files(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, dir, name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Raw})),
		write(t, dir, name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// verifies asks xmlsec1 about the first signature of a document.
func verifies(t *testing.T, by signer, element string, document []byte) (string, error) {
	t.Helper()
	dir := t.TempDir()
	cert, _ := by.files(t, dir, "by")
	return judge(t, "--verify", "--pubkey-cert-pem", cert, "--enabled-key-data", "rsa,ec", "--id-attr:ID", element, write(t, dir, "d.xml", document))
}

const (
	responseName  = "urn:oasis:names:tc:SAML:2.0:protocol:Response"
	assertionName = "urn:oasis:names:tc:SAML:2.0:assertion:Assertion"
)

// decrypted is what xmlsec1 makes of an encrypted Response: the document with the
// assertion in place.
func decrypted(t *testing.T, sp *testSP, document []byte) []byte {
	t.Helper()
	dir := t.TempDir()
	_, key := sp.enc.files(t, dir, "enc")
	out, err := judge(t, "--decrypt", "--privkey-pem", key, "--output", filepath.Join(dir, "plain.xml"), write(t, dir, "d.xml", document))
	if err != nil {
		t.Fatalf("xmlsec1: %v\n%s", err, strings.Join(regexp.MustCompile(`func=\S+`).FindAllString(out, -1), "\n"))
	}
	plain, err := os.ReadFile(filepath.Join(dir, "plain.xml"))
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// inner cuts the assertion out of a document.
func inner(t *testing.T, document []byte) []byte {
	t.Helper()
	from, to := bytes.Index(document, []byte("<saml:Assertion")), bytes.Index(document, []byte("</saml:Assertion>"))
	if from < 0 || to < 0 {
		t.Fatal("there is no assertion")
	}
	return document[from : to+len("</saml:Assertion>")]
}

// TestXMLSecResponse proves that what is written is canonical already, and that
// every cipher is the standard's.
func TestXMLSecResponse(t *testing.T) {
	b := newBench(t)
	for fault, by := range map[string]signer{
		"": b.idp.keys.current, "gcm128": b.idp.keys.current, "gcm256": b.idp.keys.current, "cbc128": b.idp.keys.current, "cbc256": b.idp.keys.current,
		"indentedCipherValue": b.idp.keys.current, "inclusiveNamespaces": b.idp.keys.current, "noKeyInfo": b.idp.keys.current,
		"secondKey": b.idp.keys.next, "ecdsaKey": b.idp.keys.elliptic, "metadataRollover": b.idp.keys.next,
		"extraAudience": b.idp.keys.current, "clockAhead55": b.idp.keys.current, "clockBehind55": b.idp.keys.current,
	} {
		t.Run("fault="+fault, func(t *testing.T) {
			b.t = t
			b.fault(fault)
			d := b.approved(b.sign, b.ask(b.sign, textToSign("Jag intygar åäö & <inget>.")))
			if out, err := verifies(t, by, responseName, d.document); err != nil {
				t.Errorf("the response: %v\n%s", err, out)
			}
			plain := decrypted(t, b.sign, d.document)
			if out, err := verifies(t, by, assertionName, inner(t, plain)); err != nil {
				t.Errorf("the assertion: %v\n%s", err, out)
			}
		})
	}
	for _, fault := range []string{"badSignature", "foreignKey", "xsw1", "xsw4", "swappedAssertion", "otherIdP"} {
		t.Run("fault="+fault, func(t *testing.T) {
			b.t = t
			b.fault(fault)
			d := b.approved(b.sign, b.ask(b.sign))
			if _, err := verifies(t, b.idp.keys.current, responseName, d.document); err == nil {
				t.Error("xmlsec1 finds nothing wrong")
			}
		})
	}
	t.Run("fault=xsw2", func(t *testing.T) { // the signature is good, only of something else: what the attack lives on
		b.t = t
		b.fault("xsw2")
		d := b.approved(b.sign, b.ask(b.sign))
		if out, err := verifies(t, b.idp.keys.current, responseName, d.document); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("error", func(t *testing.T) {
		b.t = t
		b.fault("")
		id := b.order(b.login, b.ask(b.login), "r")
		if _, err := b.idp.Act(id, control.Action{Action: "cancel"}); err != nil {
			t.Fatal(err)
		}
		if out, err := verifies(t, b.idp.keys.current, responseName, b.deliver(id).document); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// messy is a request as no sensible program writes it, which canonicalization must
// bring into order: prefixes of other names, declared early, twice, late and in
// vain, a default namespace that is taken back, attributes in any order, CDATA.
const messy = `<?xml version="1.0" encoding="UTF-8"?>
<q:AuthnRequest   xmlns:z="urn:z" Version='2.0' xmlns:q="urn:oasis:names:tc:SAML:2.0:protocol" z:b="1" xmlns:a="urn:a"
   a:c="&#34;&lt;>" ID="_messy" xmlns="urn:oasis:names:tc:SAML:2.0:assertion"><Issuer xmlns:z="urn:z">x<![CDATA[<&]]>&gt;&#13;</Issuer><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/><ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/><ds:Reference URI="#_messy"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">PREFIXES</ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/></ds:Signature>
  <z:x xmlns:z="urn:other" xmlns:y="urn:y"><w xmlns="" xml:lang="sv"><q:v y:e="1" d="2" xmlns="urn:z">å</q:v></w><Issuer/></z:x>
</q:AuthnRequest>`

// TestXMLSecSigns lets xmlsec1 sign what the IdP then verifies.
func TestXMLSecSigns(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	_, key := b.login.signer.files(t, dir, "sp")
	for _, prefixes := range []string{"", `<e:InclusiveNamespaces xmlns:e="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="a z #default"/>`} {
		out := filepath.Join(dir, "signed.xml")
		text, err := judge(t, "--sign", "--privkey-pem", key, "--id-attr:ID", nsProtocol+":AuthnRequest", "--output", out,
			write(t, dir, "template.xml", []byte(strings.Replace(messy, "PREFIXES", prefixes, 1))))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		signed, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		root, err := parse(signed)
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(root, publicKeys(b.login.signer)); err != nil {
			t.Errorf("with %q: %v", prefixes, err)
		}
		if verify(root, publicKeys(b.sign.signer)) == nil {
			t.Error("another key fits")
		}
		for _, change := range [][2]string{{`z:b="1"`, `z:b="2"`}, {">å<", ">ä<"}, {`d="2"`, `d="3"`}, {`xmlns:z="urn:other"`, `xmlns:z="urn:others"`}} {
			if !bytes.Contains(signed, []byte(change[0])) {
				t.Fatalf("%s is not there", change[0])
			}
			other, err := parse(bytes.Replace(signed, []byte(change[0]), []byte(change[1]), 1))
			if err != nil {
				t.Fatal(err)
			}
			if verify(other, publicKeys(b.login.signer)) == nil {
				t.Errorf("%s became %s, and nothing is wrong", change[0], change[1])
			}
		}
	}
}

// TestXMLSecEncrypts lets xmlsec1 encrypt a message that the IdP then shows.
func TestXMLSecEncrypts(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	cert, _ := b.idp.keys.encryption[0].files(t, dir, "idp")
	message := el("csig:Message").say("SmFnIHbDpGxqZXIu").document()
	for _, algorithm := range []string{algCBC128, algCBC192, algCBC256, algGCM128, algGCM192, algGCM256} {
		template := `<xenc:EncryptedData xmlns:xenc="` + nsEncryption + `" Type="` + typeElement + `"><xenc:EncryptionMethod Algorithm="` + algorithm +
			`"/><ds:KeyInfo xmlns:ds="` + nsSignature + `"><xenc:EncryptedKey><xenc:EncryptionMethod Algorithm="` + algOAEP +
			`"/><ds:KeyInfo><ds:X509Data/></ds:KeyInfo><xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo>` +
			`<xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedData>`
		out := filepath.Join(dir, "encrypted.xml")
		kind, length, _ := strings.Cut(map[string]string{
			algCBC128: "aes-128", algCBC192: "aes-192", algCBC256: "aes-256", algGCM128: "aes-128", algGCM192: "aes-192", algGCM256: "aes-256",
		}[algorithm], "-")
		text, err := judge(t, "--encrypt", "--pubkey-cert-pem", cert, "--session-key", kind+"-"+length, "--xml-data", write(t, dir, "m.xml", message),
			"--output", out, write(t, dir, "template.xml", []byte(template)))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		encrypted, err := parse(data)
		if err != nil {
			t.Fatal(err)
		}
		id := b.order(b.sign, b.ask(b.sign, el("csig:SignMessage", "MustShow", "true").add(el("csig:EncryptedMessage").add(encrypted))), "r")
		if !strings.Contains(b.show(id), "Jag väljer.") {
			t.Errorf("%s: the page does not show the text", algorithm)
		}
	}
}

func (b *bench) fetch(what string) []byte {
	b.t.Helper()
	r, err := http.Get(b.web.URL + "/saml/telia/" + what)
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		b.t.Fatalf("status %d, %v", r.StatusCode, err)
	}
	return data
}

func TestXMLSecMetadata(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		fault, what, element string
		good                 bool
	}{
		{"", "metadata", "EntityDescriptor", true},
		{"", "feed", "EntitiesDescriptor", true},
		{metadataRollover, "metadata", "EntityDescriptor", true},
		{metadataExpired, "metadata", "EntityDescriptor", true}, // xmlsec1 does not look at validUntil
		{metadataBadSignature, "metadata", "EntityDescriptor", false},
		{metadataUnsigned, "metadata", "EntityDescriptor", false},
		{metadataUnknownSigner, "metadata", "EntityDescriptor", false},
		{feedBadSignature, "feed", "EntitiesDescriptor", false},
		{feedUnknownSigner, "feed", "EntitiesDescriptor", false},
	} {
		t.Run(c.what+" "+c.fault, func(t *testing.T) {
			b.t = t
			b.fault(c.fault)
			out, err := verifies(t, b.idp.keys.federation, nsMetadata+":"+c.element, b.fetch(c.what))
			if (err == nil) != c.good {
				t.Errorf("xmlsec1: %v\n%s", err, out)
			}
		})
	}
}
