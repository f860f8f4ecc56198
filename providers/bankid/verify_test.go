package bankid

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"sigill/providers"
)

func TestVerifyAcceptsHonestEvidence(t *testing.T) {
	for _, kind := range []providers.Kind{providers.KindAuth, providers.KindSign} {
		f := newForge(home(), kind)
		trust := f.trust()
		id, err := Verify(f.seal(t), expected(kind), trust, testTime.Add(time.Hour))
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if id.Number != personOne || id.Name != "Testperson Ett" || id.GivenName != "Testperson" || id.Surname != "Ett" {
			t.Errorf("%s: identity %+v", kind, id)
		}
		if id.Policy != testMobile || id.Level != providers.LevelUncertified3 || !id.At.Equal(testTime) || id.Provider != providers.MBankID {
			t.Errorf("%s: identity %+v", kind, id)
		}
		if id.DeviceIP != "" || id.Transaction != "" {
			t.Errorf("%s: identity has what no signature covers: %+v", kind, id)
		}
		if len(id.Certificate) == 0 || id.ValidTo.IsZero() {
			t.Errorf("%s: identity without certificate", kind)
		}
		trust.Approved = true
		if id, _ := Verify(f.seal(t), expected(kind), trust, testTime.Add(time.Hour)); id.Level != providers.Level3 {
			t.Errorf("approved: level %v", id.Level)
		}
	}
}

// Evidence with as little in it as the profile allows.
func TestVerifyWithoutText(t *testing.T) {
	f := newForge(home(), providers.KindAuth)
	f.text, f.binding, f.format = "", nil, ""
	e := expected(providers.KindAuth)
	e.Text, e.Binding = "", nil
	if _, err := Verify(f.seal(t), e, f.trust(), testTime); err != nil {
		t.Error(err)
	}
}

// A root that comes along neither helps nor harms.
func TestVerifyWithRootInTheMessage(t *testing.T) {
	f := newForge(home(), providers.KindAuth)
	f.chain = append(f.chain, f.pki.root.cert)
	if _, err := Verify(f.seal(t), expected(providers.KindAuth), f.trust(), testTime); err != nil {
		t.Error(err)
	}
}

// fault is one way of being wrong. The evidence is right in everything else:
// that is proved by leaving out just the step that must refuse it, after which
// it is accepted. Steps that the others stand on cannot be left out; their
// faults are signed over again, so that nothing else could refuse them.
type fault struct {
	name  string
	check string
	also  string         // another step that cannot but refuse it as well
	kind  providers.Kind // default: auth
	forge func(*forge)
	want  func(*providers.Expected)
	trust func(*Trust)
	at    time.Time
	// evidence changes the finished evidence.
	evidence func(*evidence)
}

func (c fault) run(t *testing.T, steps []step, cache *Cache) error {
	kind := c.kind
	if kind == "" {
		kind = providers.KindAuth
	}
	f := newForge(home(), kind)
	if c.forge != nil {
		c.forge(f)
	}
	e := f.make()
	if c.evidence != nil {
		c.evidence(&e)
	}
	sealed, err := e.seal()
	if err != nil {
		t.Fatal(err)
	}
	want := expected(kind)
	if c.want != nil {
		c.want(&want)
	}
	trust := newForge(home(), kind).trust()
	trust.Cache = cache
	if c.trust != nil {
		c.trust(&trust)
	}
	at := c.at
	if at.IsZero() {
		at = testTime.Add(5 * time.Second)
	}
	_, err = verify(steps, sealed, want, trust, at)
	return err
}

// essential are the steps whose results the other steps stand on.
var essential = []string{"encoding", "structure", "certificate", "ocsp-structure"}

func replaceOnce(old, new string) func(string) string {
	return func(s string) string {
		if !strings.Contains(s, old) {
			panic("nothing to replace: " + old)
		}
		return strings.Replace(s, old, new, 1)
	}
}

func between(s, from, to string) string {
	i := strings.Index(s, from)
	j := strings.Index(s, to)
	return s[i : j+len(to)]
}

func faults() []fault {
	other := foreign()
	self := home()
	sign := providers.KindSign
	data := func(old, new string) func(*forge) {
		return func(f *forge) { f.editData = replaceOnce(old, new) }
	}
	doc := func(old, new string) func(*forge) {
		return func(f *forge) { f.editDoc = replaceOnce(old, new) }
	}
	withLeaf := func(change func(*x509.Certificate)) func(*forge) {
		return func(f *forge) { change(f.leaf) }
	}
	// customerCA puts the leaf under a customer CA that is wrong in one thing.
	customerCA := func(change func(*x509.Certificate)) func(*forge) {
		return func(f *forge) {
			template := caTemplate("Sigill Test Customer CA")
			change(template)
			f.pki.customer.cert = issue(template, f.pki.customer.key, f.pki.bank)
			f.responder.cert = issue(responderTemplate(), f.responder.key, f.pki.customer)
			f.chain = []*x509.Certificate{f.pki.customer.cert, f.pki.bank.cert}
		}
	}
	responder := func(change func(*x509.Certificate)) func(*forge) {
		return func(f *forge) {
			template := responderTemplate()
			change(template)
			f.responder.cert = issue(template, f.responder.key, f.pki.customer)
		}
	}

	return []fault{
		{name: "not base64", check: "encoding", forge: func(f *forge) { f.editB64 = func(s string) string { return s[:9] + "%" + s[10:] } }},
		{name: "line break in base64", check: "encoding", forge: func(f *forge) { f.editB64 = func(s string) string { return s[:76] + "\n" + s[76:] } }},
		{name: "base64 without padding", check: "encoding", forge: func(f *forge) {
			f.editDoc = func(s string) string { return s + strings.Repeat(" ", 3-len(s)%3+1) }
			f.editB64 = func(s string) string { return strings.TrimRight(s, "=") }
		}},
		{name: "url-safe base64", check: "encoding", forge: func(f *forge) {
			f.editDoc = func(s string) string { return s + "<!--\u00ff\u00fe\u00ff\u00fe-->" }
			f.editB64 = func(s string) string {
				b, _ := base64.StdEncoding.DecodeString(s)
				return base64.URLEncoding.EncodeToString(append(b, 0xFB, 0xFF, 0xFE))
			}
		}},
		{name: "not UTF-8", check: "encoding", forge: func(f *forge) { f.editDoc = func(s string) string { return s + "\xff" } }},
		{name: "too large", check: "encoding", forge: func(f *forge) { f.text = strings.Repeat("a", 1<<20) }},
		{name: "unknown version", check: "encoding", evidence: func(e *evidence) { e.Version = 2 }},
		{name: "empty", check: "encoding", evidence: func(e *evidence) { e.Signature = "" }},

		{name: "comment in signed data", check: "structure", forge: data("<srvInfo>", "<!-- --><srvInfo>")},
		{name: "comment inside a text", check: "structure", forge: data("Identification", "Identi<!-- -->fication")},
		{name: "processing instruction", check: "structure", forge: data("<srvInfo>", "<?a b?><srvInfo>")},
		{name: "CDATA", check: "structure", forge: data("Identification", "<![CDATA[Identification]]>")},
		{name: "predefined entity", check: "structure", forge: data("Identification", "&#73;dentification")},
		{name: "DTD with entity", check: "structure", forge: doc(`?><Signature`, `?><!DOCTYPE Signature [<!ENTITY a "b">]><Signature`)},
		{name: "white space in signed data", check: "structure", forge: data("<srvInfo>", "\n<srvInfo>")},
		{name: "white space between the parts", check: "structure", forge: doc("<Object>", " <Object>")},
		{name: "white space in a tag", check: "structure", forge: doc("<Object>", "<Object >")},
		{name: "newline at the end", check: "structure", forge: func(f *forge) { f.editDoc = func(s string) string { return s + "\n" } }},
		{name: "byte order mark", check: "structure", forge: func(f *forge) { f.editDoc = func(s string) string { return "\ufeff" + s } }},
		{name: "no declaration", check: "structure", forge: doc(`<?xml version="1.0" encoding="UTF-8" standalone="no"?>`, "")},
		{name: "other declared encoding", check: "structure", forge: doc("UTF-8", "UTF-7")},
		{name: "prefixed namespace", check: "structure", forge: doc(`<Signature xmlns=`, `<ds:Signature xmlns:ds=`)},
		{name: "extra namespace on signed data", check: "structure", forge: data(` Id="bidSignedData"`, ` xmlns:a="b" Id="bidSignedData"`)},
		{name: "extra attribute", check: "structure", forge: data("<srvInfo>", `<srvInfo a="b">`)},
		{name: "attributes in another order", check: "structure", forge: data(`charset="UTF-8" visible="wysiwys"`, `visible="wysiwys" charset="UTF-8"`)},
		{name: "single quotes", check: "structure", forge: data(`charset="UTF-8"`, `charset='UTF-8'`)},
		{name: "unknown child", check: "structure", forge: data("<srvInfo>", "<usrOther>eA==</usrOther><srvInfo>")},
		{name: "second visible text", check: "structure", forge: data("<srvInfo>", `<usrVisibleData charset="UTF-8" visible="wysiwys">eA==</usrVisibleData><srvInfo>`)},
		{name: "second function", check: "structure", forge: data("</funcId>", "</funcId><funcId>Signing</funcId>")},
		{name: "not what you see is what you sign", check: "structure", forge: data(`visible="wysiwys"`, `visible="no"`)},
		{name: "self-closing element", check: "structure", forge: data("<uauth>pw</uauth>", "<uauth/>")},
		{name: "no requirement", check: "structure", forge: func(f *forge) { f.conditions = nil }},
		{name: "signed data twice in the object", check: "structure", forge: func(f *forge) {
			f.editDoc = func(s string) string {
				d := between(s, "<bankIdSignedData ", "</bankIdSignedData>")
				return strings.Replace(s, "<Object>", "<Object>"+strings.Replace(d, "Identification", "Signing", 1), 1)
			}
		}},
		{name: "signed data wrapped in another object", check: "structure", forge: func(f *forge) {
			f.editDoc = func(s string) string {
				d := between(s, "<Object>", "</Object>")
				return strings.Replace(s, "</Signature>", strings.Replace(d, "Identification", "Signing", 1)+"</Signature>", 1)
			}
		}},
		{name: "signed data moved into the key", check: "structure", forge: func(f *forge) {
			f.editDoc = func(s string) string {
				d := between(s, "<bankIdSignedData ", "</bankIdSignedData>")
				s = strings.Replace(s, "</X509Data>", "</X509Data>"+d, 1)
				return strings.Replace(s, "<Object>"+d, "<Object>", 1)
			}
		}},
		{name: "signature inside a signature", check: "structure", forge: func(f *forge) {
			f.editDoc = func(s string) string {
				return strings.Replace(s, "<Object>", "<Object>"+between(s, "<Signature ", "</Signature>"), 1)
			}
		}},
		{name: "two signatures", check: "structure", forge: func(f *forge) {
			f.editDoc = func(s string) string { return s + between(s, "<Signature ", "</Signature>") }
		}},
		{name: "two signed infos", check: "structure", forge: func(f *forge) {
			f.editDoc = func(s string) string {
				return strings.Replace(s, "<SignatureValue>", between(s, "<SignedInfo ", "</SignedInfo>")+"<SignatureValue>", 1)
			}
		}},
		{name: "two keys", check: "structure", forge: func(f *forge) {
			f.editDoc = func(s string) string {
				return strings.Replace(s, "<Object>", between(s, "<KeyInfo ", "</KeyInfo>")+"<Object>", 1)
			}
		}},
		{name: "no reference", check: "structure", forge: func(f *forge) { f.references = func(_, _ string) string { return "" } }},
		{name: "class 4 reader's unsigned data", check: "structure", forge: doc("</Object>", "<bankIdUnsignedData></bankIdUnsignedData></Object>")},
		{name: "identified signature value", check: "structure", forge: doc("<SignatureValue>", `<SignatureValue Id="a">`)},
		{name: "too many certificates", check: "structure", forge: func(f *forge) {
			for range 9 {
				f.chain = append(f.chain, self.bank.cert)
			}
		}},
		{name: "cut off", check: "structure", forge: func(f *forge) { f.editDoc = func(s string) string { return s[:len(s)-12] } }},

		{name: "RSA with SHA-1 by name", check: "algorithms", forge: func(f *forge) { f.method = "http://www.w3.org/2000/09/xmldsig#rsa-sha1" }},
		{name: "HMAC by name", check: "algorithms", forge: func(f *forge) { f.method = "http://www.w3.org/2000/09/xmldsig#hmac-sha1" }},
		{name: "other canonical form", check: "algorithms", forge: func(f *forge) { f.canonical = "http://www.w3.org/2001/10/xml-exc-c14n#" }},
		{name: "other transform", check: "algorithms", forge: func(f *forge) { f.transform = "http://www.w3.org/TR/1999/REC-xslt-19991116" }},
		{name: "other digest by name", check: "algorithms", forge: func(f *forge) { f.digest = "http://www.w3.org/2000/09/xmldsig#sha1" }},

		{name: "missing type", check: "references", forge: func(f *forge) {
			f.references = func(d, k string) string {
				return f.reference(` URI="#bidSignedData"`, d) + f.reference(` URI="#bidKeyInfo"`, k)
			}
		}},
		{name: "extra reference", check: "references", forge: func(f *forge) {
			f.references = func(d, k string) string {
				return f.reference(` Type="`+nsBID+`" URI="#bidSignedData"`, d) + f.reference(` URI="#bidKeyInfo"`, k) + f.reference(` URI="#swys"`, "x")
			}
		}},
		{name: "references in another order", check: "references", forge: func(f *forge) {
			f.references = func(d, k string) string {
				return f.reference(` URI="#bidKeyInfo"`, k) + f.reference(` Type="`+nsBID+`" URI="#bidSignedData"`, d)
			}
		}},
		{name: "same reference twice", check: "references", forge: func(f *forge) {
			f.references = func(d, k string) string {
				r := f.reference(` Type="`+nsBID+`" URI="#bidSignedData"`, d)
				return r + r + f.reference(` URI="#bidKeyInfo"`, k)
			}
		}},

		{name: "signed data changed afterwards", check: "digest", forge: doc("<fsib>0", "<fsib>1")},
		{name: "certificates changed afterwards", check: "digest", forge: func(f *forge) {
			f.editDoc = replaceOnce(element("X509Certificate", b64(self.bank.cert.Raw))+"</X509Data>", element("X509Certificate", b64(self.bank.cert.Raw))+element("X509Certificate", b64(self.root.cert.Raw))+"</X509Data>")
		}},
		{name: "key not referred to", check: "digest", forge: func(f *forge) {
			f.references = func(d, k string) string {
				return f.reference(` Type="`+nsBID+`" URI="#bidSignedData"`, d) + f.reference(` URI="#bidKeyInfo"`, "something else")
			}
		}},

		{name: "certificate is no certificate", check: "certificate", forge: func(f *forge) {
			f.editKey = func(s string) string {
				return strings.Replace(s, element("X509Certificate", b64(self.bank.cert.Raw)), element("X509Certificate", "AAAA"), 1)
			}
		}},
		{name: "leaf alone", check: "certificate", forge: func(f *forge) { f.chain = nil }},
		{name: "weak key", check: "key", forge: func(f *forge) { f.leafKey = keyOf("weak", 1024) }},

		{name: "signed data changed with its digest", check: "signature", forge: func(f *forge) {
			f.editDoc = func(s string) string {
				old := between(s, "<bankIdSignedData ", "</bankIdSignedData>")
				changed := strings.Replace(old, "<fsib>0", "<fsib>1", 1)
				x, y := sha256.Sum256([]byte(old)), sha256.Sum256([]byte(changed))
				return strings.NewReplacer(old, changed, b64(x[:]), b64(y[:])).Replace(s)
			}
		}},
		{name: "no signature", check: "signature", forge: func(f *forge) {
			f.editDoc = func(s string) string {
				return strings.Replace(s, between(s, "<SignatureValue>", "</SignatureValue>"), element("SignatureValue", b64(make([]byte, 256))), 1)
			}
		}},
		{name: "signed by another key", check: "signature", forge: func(f *forge) { f.signKey = keyOf("stranger", 2048) }},

		{name: "not base64 DER", check: "ocsp-structure", evidence: func(e *evidence) { e.OCSPResponse = "AAAA" }},
		{name: "empty answer", check: "ocsp-structure", evidence: func(e *evidence) { e.OCSPResponse = "" }},
		{name: "trailing bytes", check: "ocsp-structure", forge: func(f *forge) { f.editOCSP = func(b []byte) []byte { return append(b, 0) } }},
		{name: "try later", check: "ocsp-structure", forge: func(f *forge) { f.editOCSP = func([]byte) []byte { return []byte{0x30, 3, 0x0a, 1, 3} } }},
		{name: "two answers", check: "ocsp-structure", forge: func(f *forge) {
			f.data = func(d *ocspData) { d.Responses = append(d.Responses, d.Responses[0]) }
		}},
		{name: "no answer", check: "ocsp-structure", forge: func(f *forge) { f.data = func(d *ocspData) { d.Responses = nil } }},
		{name: "no responder certificate", check: "ocsp-structure", forge: func(f *forge) { f.noResp = true }},
		{name: "unknown critical extension", check: "ocsp-structure", forge: func(f *forge) {
			f.nonce = func(s string) []pkix.Extension {
				return append(nonceExtension(honestNonce(s)), pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}})
			}
		}},
		{name: "unknown critical extension of the single answer", check: "ocsp-structure", forge: func(f *forge) {
			f.single = func(s *ocspSingle) {
				s.Extensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
			}
		}},
		{name: "unknown answer version", check: "ocsp-structure", forge: func(f *forge) { f.data = func(d *ocspData) { d.Version = 1 } }},

		{name: "another root", check: "chain", trust: func(t *Trust) { t.Roots = []*x509.Certificate{other.root.cert} }},
		{name: "no root", check: "chain", trust: func(t *Trust) { t.Roots = nil }},
		{name: "whole other hierarchy", check: "chain", forge: func(f *forge) {
			f.pki, f.responder, f.chain = other, other.responder, []*x509.Certificate{other.customer.cert, other.bank.cert}
		}},
		{name: "other hierarchy that brings its root", check: "chain", forge: func(f *forge) {
			f.pki, f.responder, f.chain = other, other.responder, []*x509.Certificate{other.customer.cert, other.bank.cert, other.root.cert}
		}},
		{name: "root of the same name with another key", check: "chain", trust: func(t *Trust) {
			t.Roots = []*x509.Certificate{issue(caTemplate("Sigill Test Root CA"), keyOf("impostor", 2048), authority{})}
		}},
		{name: "root expired", check: "chain", trust: func(t *Trust) {
			template := caTemplate("Sigill Test Root CA")
			template.NotAfter = testTime.AddDate(-1, 0, 0)
			t.Roots = []*x509.Certificate{issue(template, self.root.key, authority{})}
		}},
		{name: "leaf expired", check: "chain", forge: withLeaf(func(c *x509.Certificate) { c.NotAfter = testTime.Add(-time.Second) })},
		{name: "leaf not yet valid", check: "chain", forge: withLeaf(func(c *x509.Certificate) { c.NotBefore = testTime.Add(time.Second) })},
		{name: "leaf with unknown critical extension", check: "chain", forge: withLeaf(func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		})},
		{name: "leaf signed by another CA of that name", check: "chain", forge: func(f *forge) {
			impostor := authority{key: keyOf("impostor", 2048)}
			impostor.cert = issue(caTemplate("Sigill Test Customer CA"), impostor.key, authority{})
			f.leaf.Issuer = self.customer.cert.Subject
			honest := f.pki.customer.cert
			f.pki.customer = impostor
			f.chain = []*x509.Certificate{honest, self.bank.cert}
			// The revocation answer is about a leaf of the honest CA.
			f.single = func(s *ocspSingle) { sum := sha1Of(publicKeyBits(honest)); s.ID.KeyHash = sum }
		}},
		{name: "leaf names another issuer, of the same key", check: "chain", forge: func(f *forge) {
			renamed := issue(caTemplate("Another Customer CA"), self.customer.key, self.bank)
			f.chain[0] = renamed
			f.responder.cert = issue(responderTemplate(), f.responder.key, authority{renamed, self.customer.key})
			f.single = func(s *ocspSingle) { s.ID.NameHash = sha1Of(renamed.RawSubject) }
		}},
		{name: "customer CA expired", check: "chain", forge: customerCA(func(c *x509.Certificate) { c.NotAfter = testTime.Add(-time.Hour) })},
		{name: "customer CA is no CA", check: "chain", also: "ocsp-responder", forge: customerCA(func(c *x509.Certificate) { c.IsCA = false; c.KeyUsage = x509.KeyUsageCertSign })},
		{name: "customer CA without constraints", check: "chain", also: "ocsp-responder", forge: customerCA(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = false, false })},
		{name: "customer CA must not sign", check: "chain", also: "ocsp-responder", forge: customerCA(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })},
		{name: "customer CA with name constraints", check: "chain", forge: customerCA(func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.se"} })},
		{name: "customer CA with unknown critical extension", check: "chain", forge: customerCA(func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		})},
		{name: "bank CA allows no CA below", check: "chain", forge: func(f *forge) {
			template := caTemplate("Sigill Test Bank CA")
			template.MaxPathLenZero = true
			f.chain[1] = issue(template, self.bank.key, self.root)
		}},
		{name: "bank CA left out", check: "chain", forge: func(f *forge) { f.chain = f.chain[:1] }},
		{name: "CAs in another order", check: "chain", forge: func(f *forge) {
			f.chain = []*x509.Certificate{self.customer.cert, self.root.cert, self.bank.cert}
		}},
		{name: "weak CA", check: "chain", forge: func(f *forge) {
			f.pki.customer.key = keyOf("weak CA", 1024)
			customerCA(func(*x509.Certificate) {})(f)
		}},

		{name: "policy not accepted", check: "policy", forge: func(f *forge) {
			f.leaf.Policies = []x509.OID{oid(testCard)}
			f.conditions[0].value = testCard
		}},
		{name: "policy of production against test", check: "policy", trust: func(t *Trust) { t.Policies = []string{"1.2.752.78.1.5"} }},
		{name: "another policy fulfilled", check: "policy", forge: func(f *forge) { f.conditions[0].value = testFile }},
		{name: "no policy fulfilled", check: "policy", forge: func(f *forge) { f.conditions = []condition{{"CardReader", "class2"}} }},
		{name: "two policies fulfilled", check: "policy", forge: func(f *forge) { f.conditions = append(f.conditions, f.conditions[0]) }},
		{name: "two policies in the certificate", check: "policy", forge: func(f *forge) {
			f.leaf.Policies = append(f.leaf.Policies, oid(testFile))
		}},

		{name: "login with the key for signing", check: "key-usage", forge: withLeaf(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageContentCommitment })},
		{name: "signature with the key for login", check: "key-usage", kind: sign, forge: withLeaf(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature })},
		{name: "key for something else", check: "key-usage", forge: withLeaf(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment })},
		{name: "key of a CA", check: "key-usage", forge: withLeaf(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true })},

		{name: "signature passed off as login", check: "function", forge: func(f *forge) { f.function = "Signing" }},
		{name: "login passed off as signature", check: "function", kind: sign, forge: func(f *forge) { f.function = "Identification" }},
		{name: "unknown function", check: "function", forge: func(f *forge) { f.function = "" }},

		{name: "another person than the answer says", check: "person", evidence: func(e *evidence) { e.User.PersonalNumber = personTwo.Digits() }, want: func(e *providers.Expected) { e.Number = personOne }},
		{name: "another person than was asked", check: "person", want: func(e *providers.Expected) { e.Number = personTwo }},
		{name: "another name", check: "person", evidence: func(e *evidence) { e.User.Name = "Testperson Två" }},
		{name: "no personal number", check: "person", forge: func(f *forge) { f.leaf.Subject.SerialNumber = "556630492" }, evidence: func(e *evidence) { e.User.PersonalNumber = "556630492" }},

		{name: "altered text", check: "text", forge: func(f *forge) { f.text += " " }},
		{name: "no text", check: "text", forge: func(f *forge) { f.text = "" }},
		{name: "text that nobody asked for", check: "text", want: func(e *providers.Expected) { e.Text = "" }},
		{name: "other character set", check: "text", forge: func(f *forge) { f.charset = "ISO-8859-1" }},
		{name: "format not asked for", check: "text", forge: func(f *forge) { f.format = "simpleMarkdownV1" }},
		{name: "format lost", check: "text", kind: sign, forge: func(f *forge) { f.format = "" }},
		{name: "text base64 with a line break's worth of padding", check: "text", forge: func(f *forge) {
			good := b64([]byte(f.text))
			f.editData = replaceOnce(good, good[:len(good)-4])
		}},

		{name: "altered non-visible data", check: "nonvisible", forge: func(f *forge) { f.binding[0] ^= 1 }},
		{name: "swapped order", check: "nonvisible", want: func(e *providers.Expected) { e.Binding = bytes.Repeat([]byte{9}, 32) }},
		{name: "no non-visible data", check: "nonvisible", forge: func(f *forge) { f.binding = nil }},
		{name: "non-visible data that nobody asked for", check: "nonvisible", want: func(e *providers.Expected) { e.Binding = nil }},

		{name: "other display name", check: "relying-party", forge: func(f *forge) { f.rpDisplayName = "Någon annan" }},
		{name: "other relying party", check: "relying-party", forge: func(f *forge) { f.rpName = strings.Replace(f.rpName, "5566304928", "5566304929", 1) }},
		{name: "relying party with more names", check: "relying-party", forge: func(f *forge) { f.rpName += ",ou=x" }},
		{name: "no relying party", check: "relying-party", trust: func(t *Trust) { t.RelyingParties = nil }},
		{name: "relying party without a name", check: "relying-party", trust: func(t *Trust) { t.RelyingParties = []RelyingParty{{}} }, forge: func(f *forge) { f.rpDisplayName = "x" }},

		{name: "another device", check: "device", evidence: func(e *evidence) { e.Device.UHI = b64([]byte("another device       ")) }},
		{name: "no device", check: "device", forge: func(f *forge) { f.uhi = "" }, evidence: func(e *evidence) { e.Device.UHI = "" }},

		{name: "answer for another serial", check: "ocsp-serial", forge: func(f *forge) {
			f.single = func(s *ocspSingle) { s.ID.Serial = big.NewInt(4711) }
		}},
		{name: "answer for another issuer name", check: "ocsp-serial", forge: func(f *forge) {
			f.single = func(s *ocspSingle) { s.ID.NameHash = sha1Of([]byte("x")) }
		}},
		{name: "answer for another issuer key", check: "ocsp-serial", forge: func(f *forge) {
			f.single = func(s *ocspSingle) { s.ID.KeyHash = sha1Of([]byte("x")) }
		}},
		{name: "answer about the bank's CA", check: "ocsp-serial", forge: func(f *forge) {
			f.single = func(s *ocspSingle) { s.ID.NameHash = sha1Of(self.bank.cert.RawSubject) }
		}},

		{name: "revoked", check: "ocsp-status", forge: func(f *forge) {
			f.single = func(s *ocspSingle) { s.Good, s.Revoked = false, ocspRevoked{At: testTime.Add(-time.Hour)} }
		}},
		{name: "unknown", check: "ocsp-status", forge: func(f *forge) {
			f.single = func(s *ocspSingle) { s.Good, s.Unknown = false, true }
		}},

		{name: "responder of another CA", check: "ocsp-responder", forge: func(f *forge) { f.responder = other.responder }},
		{name: "responder of the bank's CA", check: "ocsp-responder", forge: func(f *forge) {
			f.responder.cert = issue(responderTemplate(), f.responder.key, self.bank)
		}},
		{name: "responder signed by a CA of that name", check: "ocsp-responder", forge: func(f *forge) {
			impostor := authority{key: keyOf("impostor", 2048)}
			impostor.cert = issue(caTemplate("Sigill Test Customer CA"), impostor.key, authority{})
			f.responder.cert = issue(responderTemplate(), f.responder.key, impostor)
		}},
		{name: "responder without its purpose", check: "ocsp-responder", forge: responder(func(c *x509.Certificate) { c.ExtKeyUsage = nil })},
		{name: "responder with another purpose", check: "ocsp-responder", forge: responder(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })},
		{name: "responder with any purpose", check: "ocsp-responder", forge: responder(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} })},
		{name: "responder must not sign", check: "ocsp-responder", forge: responder(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment })},
		{name: "responder expired", check: "ocsp-responder", forge: responder(func(c *x509.Certificate) { c.NotAfter = testTime.Add(-time.Minute) })},
		{name: "responder is a CA", check: "ocsp-responder", forge: responder(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true })},
		{name: "responder answers in another's name", check: "ocsp-responder", forge: func(f *forge) {
			f.data = func(d *ocspData) { d.Responder.Bytes = self.bank.cert.RawSubject }
		}},
		{name: "a person answers for herself", check: "ocsp-responder", forge: func(f *forge) {
			template := leafTemplate(personTwo.Digits(), providers.KindSign)
			f.responder = authority{cert: issue(template, keyOf("person two", 2048), f.pki.customer), key: keyOf("person two", 2048)}
		}},

		{name: "answer changed afterwards", check: "ocsp-signature", forge: func(f *forge) {
			f.editOCSP = func(b []byte) []byte {
				return bytes.Replace(b, []byte("12 random by"), []byte("13 random by"), 1)
			}
		}},
		{name: "answer signed by another key", check: "ocsp-signature", forge: func(f *forge) { f.responder.key = keyOf("stranger", 2048) }},
		{name: "answer signed with SHA-1", check: "ocsp-signature", forge: func(f *forge) { f.ocspHash = crypto.SHA1 }},

		{name: "no nonce", check: "ocsp-nonce", forge: func(f *forge) { f.nonce = func(string) []pkix.Extension { return nil } }},
		{name: "nonce in an OCTET STRING of its own", check: "ocsp-nonce", forge: func(f *forge) {
			f.nonce = func(s string) []pkix.Extension {
				return nonceExtension(append([]byte{4, 32}, honestNonce(s)...))
			}
		}},
		{name: "nonce too short", check: "ocsp-nonce", forge: func(f *forge) {
			f.nonce = func(s string) []pkix.Extension { return nonceExtension(honestNonce(s)[:20]) }
		}},
		{name: "two nonces", check: "ocsp-nonce", forge: func(f *forge) {
			f.nonce = func(s string) []pkix.Extension {
				return append(nonceExtension(honestNonce(s)), nonceExtension(honestNonce(s))...)
			}
		}},
		{name: "replayed answer: nonce of another signature", check: "ocsp-nonce", forge: func(f *forge) {
			f.nonce = func(s string) []pkix.Extension { return nonceExtension(honestNonce("another signature")) }
		}},
		{name: "nonce of the decoded document", check: "ocsp-nonce", forge: func(f *forge) {
			f.nonce = func(s string) []pkix.Extension {
				b, _ := base64.StdEncoding.DecodeString(s)
				return nonceExtension(honestNonce(string(b)))
			}
		}},

		{name: "stale answer", check: "ocsp-time", forge: func(f *forge) {
			f.producedAt = testTime.Add(-10 * time.Minute)
			f.thisUpdate = f.producedAt
		}},
		{name: "stale word in a new answer", check: "ocsp-time", forge: func(f *forge) { f.thisUpdate = testTime.Add(-24 * time.Hour) }},
		{name: "word from the future", check: "ocsp-time", forge: func(f *forge) { f.thisUpdate = testTime.Add(time.Hour) }},
		{name: "word out of date", check: "ocsp-time", forge: func(f *forge) { f.nextUpdate = testTime.Add(-time.Second) }},
		{name: "made after the order ended", check: "ocsp-time", want: func(e *providers.Expected) { e.Ended = testTime.Add(-2 * time.Minute) }},
		{name: "made before the order began", check: "ocsp-time", want: func(e *providers.Expected) { e.Started = testTime.Add(2 * time.Minute); e.Ended = time.Time{} }},
		{name: "from the verifier's future", check: "ocsp-time", want: func(e *providers.Expected) { e.Ended = time.Time{} }, at: testTime.Add(-2 * time.Minute)},
		{name: "order of unknown beginning", check: "ocsp-time", want: func(e *providers.Expected) { e.Started = time.Time{} }},
	}
}

func TestVerifyRefusesEachFaultAtItsStep(t *testing.T) {
	cache := new(Cache)
	covered := map[string]bool{}
	// The second round finds the CAs in the cache: it must make no difference.
	for _, round := range []string{"cold", "warm"} {
		if round == "warm" {
			if err := (fault{}).run(t, steps(), cache); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range faults() {
			t.Run(round+"/"+c.check+"/"+c.name, func(t *testing.T) {
				covered[c.check] = true
				err := c.run(t, steps(), cache)
				var refused *providers.Refused
				if !errors.As(err, &refused) {
					t.Fatalf("accepted (%v)", err)
				}
				if refused.Check != c.check {
					t.Fatalf("refused at %s instead of %s: %v", refused.Check, c.check, refused.Err)
				}
				if slices.Contains(essential, c.check) {
					return
				}
				without := slices.DeleteFunc(steps(), func(s step) bool { return s.name == c.check || s.name == c.also })
				if err := c.run(t, without, nil); err != nil {
					t.Errorf("something else is wrong with it too: %v", err)
				}
			})
		}
	}
	for _, s := range steps() {
		if !covered[s.name] {
			t.Errorf("no fault for step %s", s.name)
		}
	}
}

// The walk up the chain must never accept what the standard library refuses.
func TestChainAgreesWithStandardLibrary(t *testing.T) {
	for _, c := range append(faults(), fault{name: "honest"}) {
		if c.check != "chain" && c.check != "" {
			continue
		}
		f := newForge(home(), providers.KindAuth)
		trust := f.trust()
		if c.forge != nil {
			c.forge(f)
		}
		if c.trust != nil {
			c.trust(&trust)
		}
		leaf := issue(f.leaf, f.leafKey, f.pki.customer)
		ours := verifyChain(append([]*x509.Certificate{leaf}, f.chain...), trust.Roots, testTime, nil)
		roots, between := x509.NewCertPool(), x509.NewCertPool()
		for _, r := range trust.Roots {
			roots.AddCert(r)
		}
		for _, i := range f.chain {
			between.AddCert(i)
		}
		_, theirs := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: testTime, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		if ours == nil && theirs != nil {
			t.Errorf("%s: we accept, the standard library says: %v", c.name, theirs)
		}
		if c.name == "honest" && (ours != nil || theirs != nil) {
			t.Errorf("honest chain: %v, %v", ours, theirs)
		}
	}
}

func TestVerifyForArchives(t *testing.T) {
	f := newForge(home(), providers.KindSign)
	e := expected(providers.KindSign)
	e.Ended = time.Time{}
	late := testTime.AddDate(30, 0, 0)
	trust := f.trust()
	if _, err := Verify(f.seal(t), e, trust, late); err != nil {
		t.Errorf("thirty years later: %v", err)
	}
	trust.RelyingParties = nil
	trust.AnyRelyingParty = true
	if _, err := Verify(f.seal(t), e, trust, late); err != nil {
		t.Errorf("by a stranger: %v", err)
	}
}

func TestForeignEvidence(t *testing.T) {
	f := newForge(home(), providers.KindAuth)
	good := f.seal(t)
	for name, e := range map[string]providers.Evidence{
		"other media type": {MediaType: "application/json", Bytes: good.Bytes},
		"nothing":          {MediaType: MediaType},
		"too large":        {MediaType: MediaType, Bytes: bytes.Repeat([]byte(" "), maxEvidence+1)},
	} {
		var refused *providers.Refused
		if _, err := Verify(e, expected(providers.KindAuth), f.trust(), testTime); !errors.As(err, &refused) || refused.Check != "encoding" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever is refused, the reason must be fit for a log.
func TestRefusalsHoldNoPersonalNumber(t *testing.T) {
	for _, c := range faults() {
		err := c.run(t, steps(), nil)
		for _, n := range []string{personOne.Digits(), personOne.Digits()[2:], personTwo.Digits(), personTwo.Digits()[2:]} {
			if strings.Contains(fmt.Sprint(err), n) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
}

func TestCache(t *testing.T) {
	h := home()
	c := &Cache{Limit: 2}
	for range 3 {
		if err := c.signed(h.bank.cert, h.root.cert); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.seen) != 1 {
		t.Errorf("%d entries for one pair", len(c.seen))
	}
	if err := c.signed(h.bank.cert, foreign().root.cert); err == nil {
		t.Error("one issuer's certificate passes as another's")
	}
	if len(c.seen) != 1 {
		t.Error("remembers what it refused")
	}
	for range 5 {
		extra := issue(caTemplate("extra"), keyOf("leaf", 2048), h.root)
		if err := c.signed(extra, h.root.cert); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.seen) > 2 {
		t.Errorf("%d entries, limit 2", len(c.seen))
	}

	// No person's certificate is remembered: the entries are the three of CAs
	// and responder, however many people pass.
	c = new(Cache)
	for range 4 {
		if err := (fault{}).run(t, steps(), c); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.seen) != 3 {
		t.Errorf("%d entries after four people of one CA, want 3", len(c.seen))
	}
}

// Verify must be usable by a stranger: it links neither broker nor database.
func TestVerifyLinksLittle(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "sigill/providers/bankid").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, "sigill/providers/personnummer") {
		t.Fatal("the list of packages is not what it should be")
	}
	for _, d := range deps {
		switch {
		case d == "sigill/providers", d == "sigill/providers/bankid", d == "sigill/providers/personnummer":
		case strings.HasPrefix(d, "sigill/"), d == "database/sql", strings.Contains(d, "sqlite"):
			t.Errorf("links %s", d)
		}
	}
}

func FuzzSignature(f *testing.F) {
	// The parser looks at no key, so the seeds need none: fuzzing starts many
	// processes, and each would make its own.
	for _, middle := range []string{
		"",
		`<usrVisibleData charset="UTF-8" visible="wysiwys">eA==</usrVisibleData>`,
		`<usrVisibleData charset="UTF-8" format="simpleMarkdownV1" visible="wysiwys">eA==</usrVisibleData><usrNonVisibleData>eQ==</usrNonVisibleData>`,
	} {
		seed := &forge{transform: uri2001C14N, digest: uriSHA256}
		f.Add(`<?xml version="1.0" encoding="UTF-8" standalone="no"?><Signature xmlns="http://www.w3.org/2000/09/xmldsig#">` +
			`<SignedInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><CanonicalizationMethod Algorithm="` + uri2001C14N + `"></CanonicalizationMethod>` +
			`<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"></SignatureMethod>` +
			seed.reference(` Type="http://www.bankid.com/signature/v1.0.0/types" URI="#bidSignedData"`, "a") + seed.reference(` URI="#bidKeyInfo"`, "b") +
			`</SignedInfo><SignatureValue>AAAA</SignatureValue><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#" Id="bidKeyInfo"><X509Data>` +
			`<X509Certificate>AAAA</X509Certificate><X509Certificate>BBBB</X509Certificate></X509Data></KeyInfo><Object>` +
			`<bankIdSignedData xmlns="http://www.bankid.com/signature/v1.0.0/types" Id="bidSignedData">` + middle +
			`<srvInfo><name>eA==</name><nonce>eA==</nonce><displayName>eA==</displayName></srvInfo><clientInfo><funcId>Signing</funcId><version>eA==</version>` +
			`<env><ai><type>eA==</type><deviceInfo>eA==</deviceInfo><uhi>eA==</uhi><fsib>0</fsib><utb>cs1</utb>` +
			`<requirement><condition><type>CertificatePolicies</type><value>1.2.3.4.25</value></condition></requirement><uauth>pw</uauth></ai></env></clientInfo>` +
			`</bankIdSignedData></Object></Signature>`)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		s, err := parseSignature(doc)
		if err != nil {
			return
		}
		// What is accepted has one spelling: the parts are found again, once
		// and in order, and nothing but known text stands around them.
		want := `<?xml version="1.0" encoding="UTF-8" standalone="no"?><Signature xmlns="http://www.w3.org/2000/09/xmldsig#">` +
			s.signedInfo + element("SignatureValue", s.value) + s.keyInfo + "<Object>" + s.signedData + "</Object></Signature>"
		if doc != want {
			t.Errorf("read %q, which would be written %q", doc, want)
		}
		for _, part := range []string{"<SignedInfo ", "<KeyInfo ", "<bankIdSignedData "} {
			if strings.Count(doc, part) != 1 {
				t.Errorf("%s more than once", part)
			}
		}
	})
}

func FuzzOCSP(f *testing.F) {
	g := newForge(newHierarchy("Fuzz", 1024), providers.KindAuth) // small keys: each process makes its own
	g.leafKey = keyOf("fuzz leaf", 1024)
	leaf := issue(g.leaf, g.leafKey, g.pki.customer)
	good := g.answer(leaf, "transmitted")
	f.Add(good)
	f.Add([]byte{0x30, 3, 0x0a, 1, 3})
	f.Fuzz(func(t *testing.T, der []byte) {
		a, err := parseOCSP(der)
		if err != nil {
			return
		}
		err = errors.Join(a.about(leaf, g.pki.customer.cert), a.good(), a.answeredBy(g.pki.customer.cert, nil), a.signed(), a.bound("transmitted"))
		if err == nil && !bytes.Equal(tbs(t, der), tbs(t, good)) {
			t.Error("accepts an answer that nobody gave")
		}
	})
}

// tbs is what the responder signed.
func tbs(t *testing.T, der []byte) []byte {
	var outer ocspResponse
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		t.Fatal(err)
	}
	var basic struct {
		Data asn1.RawValue
		Rest asn1.RawValue
	}
	if _, err := asn1.Unmarshal(outer.Response.Response, &basic); err != nil {
		t.Fatal(err)
	}
	return basic.Data.FullBytes
}

// FuzzEvidence feeds whole evidence: nothing panics, and nothing but the good
// signature is accepted.
func FuzzEvidence(f *testing.F) {
	g := newForge(home(), providers.KindAuth)
	good := g.make()
	// Placeholders keep the seeds small: the fuzzer spends its time on making
	// large ones smaller.
	seed := good
	seed.Signature, seed.OCSPResponse = "SIGNATURE", "OCSP"
	f.Add(mustJSON(seed))
	f.Add([]byte("{}"))
	trust := g.trust()
	whole := strings.NewReplacer("SIGNATURE", good.Signature, "OCSP", good.OCSPResponse)
	f.Fuzz(func(t *testing.T, b []byte) {
		b = []byte(whole.Replace(string(b)))
		_, err := Verify(providers.Evidence{MediaType: MediaType, Bytes: b}, expected(providers.KindAuth), trust, testTime.Add(time.Second))
		if err != nil {
			return
		}
		var e evidence
		if json.Unmarshal(b, &e) != nil || e.Signature != good.Signature {
			t.Errorf("accepts %q", b)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	h := newHierarchy("Sigill Bench", 4096)
	f := newForge(h, providers.KindAuth)
	proof, want := f.seal(b), expected(providers.KindAuth)
	run := func(b *testing.B, cache *Cache) {
		trust := f.trust()
		trust.Cache = cache
		for b.Loop() {
			if _, err := Verify(proof, want, trust, testTime); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("uncached", func(b *testing.B) { run(b, nil) })
	b.Run("cached", func(b *testing.B) { run(b, new(Cache)) })
}

func sha1Of(b []byte) []byte {
	h := crypto.SHA1.New()
	h.Write(b)
	return h.Sum(nil)
}
