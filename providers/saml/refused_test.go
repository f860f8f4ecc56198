package saml

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"

	"sigill/providers"
	"sigill/providers/xmlsec"
)

const (
	login = providers.KindAuth
	sign  = providers.KindSign
)

// An attack is one thing that a hostile or broken identity provider, or somebody
// between, may do, and the step that must refuse it.
type attack struct {
	name   string
	kind   providers.Kind
	check  string
	answer answer
	config func(*Config)
	ask    func(*providers.Request)
}

func set(path []string, key, value string) func(*etree.Element) {
	return func(el *etree.Element) { at(el, path...).CreateAttr(key, value) }
}

func unset(path []string, key string) func(*etree.Element) {
	return func(el *etree.Element) { at(el, path...).RemoveAttr(key) }
}

func without(path ...string) func(*etree.Element) {
	return func(el *etree.Element) {
		gone := at(el, path...)
		gone.Parent().RemoveChild(gone)
	}
}

func twice(path ...string) func(*etree.Element) {
	return func(el *etree.Element) {
		again := at(el, path...)
		again.Parent().AddChild(again.Copy())
	}
}

func write(text string, path ...string) func(*etree.Element) {
	return func(el *etree.Element) { at(el, path...).SetText(text) }
}

// What is no attack is not refused.
func TestNotRefused(t *testing.T) {
	for name, c := range map[string]struct {
		config    func(*Config)
		assertion func(*etree.Element)
	}{
		"an earlier login": {func(c *Config) { c.AllowSSO = true }, func(el *etree.Element) {
			set(statement, "AuthnInstant", "2026-11-22T11:01:00Z")(el)
		}},
		"whom the proxy should ask": {proxied, asked("https://b.example.se/")},
		"whom we asked ourselves":   {func(c *Config) { c.IDPList = []string{idpEntity} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, c.config)
			s, _ := w.begin(login)
			done(t, w.ends(s, w.answers(s, answer{assertion: c.assertion})))
		})
	}
}

// Names are shown to people, and stand in logs and on receipts: on one line, from
// left to right, and not without end.
func TestNames(t *testing.T) {
	w := open(t)
	s, _ := w.begin(login)
	const display = "urn:oid:2.16.840.1.113730.3.1.241"
	name := "\u202eTest\u2066person\n  Ett\u2028av\u0085\u200ftv\u00e5\ufffd " + strings.Repeat("\u00e5", 20_000)
	d := done(t, w.ends(s, w.answers(s, answer{assertion: value(display, name)})))
	if want := "Testperson Ett av tv\u00e5 "; !strings.HasPrefix(d.Identity.Name, want) || len([]rune(d.Identity.Name)) != maxPrintable {
		t.Errorf("%.60q, %d bytes", d.Identity.Name, len(d.Identity.Name))
	}
}

// value changes an attribute of the person.
func value(name, v string) func(*etree.Element) {
	return func(el *etree.Element) { at(named(el, name), "AttributeValue").SetText(v) }
}

func swap(old, new string) func([]byte) []byte {
	return func(b []byte) []byte {
		if !bytes.Contains(b, []byte(old)) {
			panic("nothing to replace: " + old)
		}
		return bytes.Replace(b, []byte(old), []byte(new), 1)
	}
}

var (
	confirmation = []string{"Subject", "SubjectConfirmation", "SubjectConfirmationData"}
	statement    = []string{"AuthnStatement"}
	reference    = []string{"Signature", "SignedInfo", "Reference"}
)

// proxied is a connection to a proxy, asked what it says whom it asked.
func proxied(c *Config) { c.IDPList = []string{"https://a.example.se/", "https://b.example.se/"} }

func asked(authority string) func(*etree.Element) {
	return func(el *etree.Element) {
		at(el, "AuthnStatement", "AuthnContext").CreateElement("saml:AuthenticatingAuthority").SetText(authority)
	}
}

func clear(c *Config) { c.AllowUnencrypted = true }

func attacks() []attack {
	k := keys()
	pick := func(name string) *Key { key := k[name]; return &key }
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	foreign := func(alg string) func(*etree.Element) {
		return set([]string{"Signature", "SignedInfo", "SignatureMethod"}, "Algorithm", alg)
	}

	return []attack{
		// What the browser brings.
		{name: "to the address of the other service provider", check: "acs", answer: answer{event: func(e *providers.Event) { e.At = providers.SignBackPath }}},
		{name: "a signature to the address of logins", kind: sign, check: "acs", answer: answer{event: func(e *providers.Event) { e.At = providers.BackPath }}},
		{name: "no response", check: "form", answer: answer{event: func(e *providers.Event) { delete(e.Form, "SAMLResponse") }}},
		{name: "two responses", check: "form", answer: answer{event: func(e *providers.Event) { e.Form["SAMLResponse"] = slices.Repeat(e.Form["SAMLResponse"], 2) }}},
		{name: "a request beside it", check: "form", answer: answer{event: func(e *providers.Event) { e.Form["SAMLRequest"] = []string{"x"} }}},
		{name: "another RelayState", check: "form", answer: answer{event: func(e *providers.Event) { e.Form["RelayState"] = []string{"handle-of-another"} }}},
		{name: "two RelayStates", check: "form", answer: answer{event: func(e *providers.Event) { e.Form["RelayState"] = append(e.Form["RelayState"], "x") }}},
		{name: "too many fields", check: "form", answer: answer{event: func(e *providers.Event) {
			for i := range 20 {
				e.Form[fmt.Sprint("field", i)] = []string{""}
			}
		}}},
		{name: "no base64", check: "encoding", answer: answer{event: func(e *providers.Event) { e.Form["SAMLResponse"] = []string{"<xml/>"} }}},
		{name: "300 KiB", check: "encoding", answer: answer{raw: func(b []byte) []byte { return append(b, bytes.Repeat([]byte(" "), 300<<10)...) }}},
		{name: "no XML", check: "xml/syntax", answer: answer{raw: func([]byte) []byte { return []byte("SAML") }}},
		{name: "cut off", check: "xml/syntax", answer: answer{raw: func(b []byte) []byte { return b[:len(b)-20] }}},
		{name: "a document type", check: "xml/dtd", answer: answer{raw: func(b []byte) []byte { return append([]byte("<!DOCTYPE x>"), b...) }}},
		{name: "billion laughs", check: "xml/dtd", answer: answer{raw: func(b []byte) []byte {
			return append([]byte(`<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>`), b...)
		}}},
		{name: "a comment", check: "xml/comment", answer: answer{raw: swap("</saml:Issuer>", "<!-- x --></saml:Issuer>")}},
		{name: "a comment in DigestValue", check: "xml/comment", answer: answer{raw: swap("</ds:DigestValue>", "<!---->x</ds:DigestValue>")}},
		{name: "a processing instruction", check: "xml/instruction", answer: answer{raw: swap("<samlp:Status>", "<?x y?><samlp:Status>")}},
		{name: "deep nesting", check: "xml/depth", answer: answer{raw: swap("<samlp:Status>", strings.Repeat("<samlp:a>", 50)+strings.Repeat("</samlp:a>", 50)+"<samlp:Status>")}},
		{name: "thousands of prefixes", check: "xml/attributes", answer: answer{raw: func([]byte) []byte {
			var b strings.Builder
			for i := range 8_000 {
				fmt.Fprintf(&b, ` xmlns:a%d="u"`, i)
			}
			return []byte(`<p:R xmlns:p="u"` + b.String() + `>` + strings.Repeat(`<b xmlns:b="u"/>`, 4_000) + `</p:R>`)
		}}},
		{name: "a prefix that nobody declares", check: "xml/namespace", answer: answer{raw: swap("<samlp:Status>", `<a:b/><samlp:Status>`)}},
		{name: "foo:ID", check: "xml/duplicate-id", answer: answer{after: func(el *etree.Element) {
			id := el.SelectAttrValue("ID", "")
			x := el.CreateElement("foo:X")
			x.CreateAttr("xmlns:foo", "urn:foo")
			x.CreateAttr("foo:ID", id)
		}}},
		{name: "not a response", check: "response", answer: answer{after: func(el *etree.Element) { el.Tag = "ArtifactResponse" }}},

		// The signature of the response.
		{name: "no signature", check: "signature/signature-missing", answer: answer{unsigned: true}},
		{name: "no signature but on the assertion", check: "signature/signature-missing", answer: answer{unsigned: true, signAssertion: true}},
		{name: "by a stranger", check: "signature/signature", answer: answer{responder: pick("other")}},
		{name: "by another identity provider of the federation", check: "signature/signature", answer: answer{responder: pick("metadata"), assertion: write("https://other.example.se/saml", "Issuer"), response: write("https://other.example.se/saml", "Issuer")}},
		{name: "by a key of another kind", check: "signature/key", answer: answer{responder: pick("ec")}},
		{name: "changed afterwards", check: "signature/signature", answer: answer{after: set(nil, "Destination", "https://evil.example.se/")}},
		{name: "two signatures", check: "signature/signature-count", answer: answer{after: func(el *etree.Element) { el.InsertChildAt(1, at(el, "Signature").Copy()) }}},
		{name: "two SignedInfo", check: "signature/signature-shape", answer: answer{after: func(el *etree.Element) {
			at(el, "Signature").InsertChildAt(0, at(el, "Signature", "SignedInfo").Copy())
		}}},
		{name: "two References", check: "signature/reference", answer: answer{after: func(el *etree.Element) { at(el, "Signature", "SignedInfo").AddChild(at(el, reference...).Copy()) }}},
		{name: "no Reference", check: "signature/reference", answer: answer{after: without(reference...)}},
		{name: "an empty Reference", check: "signature/reference", answer: answer{after: set(reference, "URI", "")}},
		{name: "a Reference without URI", check: "signature/reference", answer: answer{after: unset(reference, "URI")}},
		{name: "a Reference to something else", check: "signature/reference", answer: answer{after: set(reference, "URI", "#_x")}},
		{name: "HMAC with the public key", check: "signature/algorithm", answer: answer{after: foreign("http://www.w3.org/2000/09/xmldsig#hmac-sha1")}},
		{name: "RSA with SHA-1", check: "signature/algorithm", answer: answer{after: foreign("http://www.w3.org/2000/09/xmldsig#rsa-sha1")}},
		{name: "a digest with SHA-1", check: "signature/algorithm", answer: answer{after: set(append(slices.Clone(reference), "DigestMethod"), "Algorithm", "http://www.w3.org/2000/09/xmldsig#sha1")}},
		{name: "an XSLT transform", check: "signature/transform", answer: answer{after: func(el *etree.Element) {
			at(el, append(slices.Clone(reference), "Transforms")...).CreateElement("ds:Transform").CreateAttr("Algorithm", "http://www.w3.org/TR/1999/REC-xslt-19991116")
		}}},
		{name: "an XPath transform", check: "signature/transform", answer: answer{after: set(append(slices.Clone(reference), "Transforms", "Transform"), "Algorithm", "http://www.w3.org/TR/1999/REC-xpath-19991116")}},
		{name: "canonical form with comments", check: "signature/canonicalization", answer: answer{after: set([]string{"Signature", "SignedInfo", "CanonicalizationMethod"}, "Algorithm", "http://www.w3.org/2001/10/xml-exc-c14n#WithComments")}},

		// What stands in the response.
		{name: "by another issuer", check: "issuer", answer: answer{response: write("https://other.example.se/saml", "Issuer")}},
		{name: "no issuer", check: "issuer", answer: answer{response: without("Issuer")}},
		{name: "an issuer of another format", check: "issuer", answer: answer{response: set([]string{"Issuer"}, "Format", persistent)}},
		{name: "SAML 1.1", check: "version", answer: answer{response: set(nil, "Version", "1.1")}},
		{name: "another destination", check: "destination", answer: answer{response: set(nil, "Destination", "https://sp.example.se/eid/telia/sign/back")}},
		{name: "no destination", check: "destination", answer: answer{response: unset(nil, "Destination")}},
		{name: "to the request of another session", check: "in-response-to", answer: answer{response: set(nil, "InResponseTo", "_other")}},
		{name: "unsolicited", check: "in-response-to", answer: answer{response: unset(nil, "InResponseTo")}},
		{name: "made 61 s ahead", check: "issue-instant", answer: answer{response: set(nil, "IssueInstant", stamp(noon.Add(61*time.Second)))}},
		{name: "older than the request", check: "issue-instant", answer: answer{response: set(nil, "IssueInstant", stamp(noon.Add(-61*time.Second)))}},
		{name: "no time", check: "issue-instant", answer: answer{response: unset(nil, "IssueInstant")}},
		{name: "a time that is none", check: "issue-instant", answer: answer{response: set(nil, "IssueInstant", "noon")}},
		{name: "no status", check: "status", answer: answer{response: without("Status")}},
		{name: "two statuses", check: "status", answer: answer{response: twice("Status")}},
		{name: "a failure with an assertion", check: "status", answer: answer{response: set([]string{"Status", "StatusCode"}, "Value", "urn:oasis:names:tc:SAML:2.0:status:Responder")}},
		{name: "success without an assertion", check: "assertion-count", answer: answer{response: without("EncryptedAssertion")}},
		{name: "two assertions", check: "assertion-count", answer: answer{response: func(el *etree.Element) { el.CreateElement("saml:EncryptedAssertion") }}},
		{name: "an assertion in Extensions", check: "assertion-count", answer: answer{response: func(el *etree.Element) {
			x := etree.NewElement("samlp:Extensions")
			x.AddChild(at(el, "EncryptedAssertion"))
			el.InsertChildAt(1, x)
		}}},

		// Encryption.
		{name: "not encrypted", check: "encryption", answer: answer{encrypt: unsealed}},
		{name: "no EncryptedData", check: "encryption", answer: answer{encrypted: without("EncryptedData")}},
		{name: "two EncryptedData", check: "encryption", answer: answer{encrypted: func(el *etree.Element) {
			el.CreateElement("xenc:EncryptedData").CreateAttr("xmlns:xenc", nsXMLEnc)
		}}},
		{name: "no EncryptionMethod", check: "encryption", answer: answer{encrypted: without("EncryptedData", "EncryptionMethod")}},
		{name: "no EncryptedKey", check: "encryption", answer: answer{encrypted: without("EncryptedData", "KeyInfo")}},
		{name: "nine EncryptedKeys", check: "encryption", answer: answer{encrypted: func(el *etree.Element) {
			for range 8 {
				twice("EncryptedData", "KeyInfo", "EncryptedKey")(el)
			}
			for i, c := range at(el, "EncryptedData", "KeyInfo").ChildElements() {
				c.CreateAttr("Id", fmt.Sprint("_k", i))
			}
		}}},
		{name: "no CipherData", check: "encryption", answer: answer{encrypted: without("EncryptedData", "CipherData")}},
		{name: "Triple DES", check: "encryption", answer: answer{encrypted: set([]string{"EncryptedData", "EncryptionMethod"}, "Algorithm", "http://www.w3.org/2001/04/xmlenc#tripledes-cbc")}},
		{name: "RSA with PKCS #1 v1.5", check: "encryption", answer: answer{encrypted: set([]string{"EncryptedData", "KeyInfo", "EncryptedKey", "EncryptionMethod"}, "Algorithm", "http://www.w3.org/2001/04/xmlenc#rsa-1_5")}},
		{name: "a cipher that is not allowed", check: "encryption", config: func(c *Config) { c.Ciphers = []string{"aes128-gcm"} }},
		{name: "CBC of no whole block", check: "encryption", answer: answer{encrypted: write(b64(make([]byte, 47)), "EncryptedData", "CipherData", "CipherValue")}},
		{name: "CBC of one block", check: "encryption", answer: answer{encrypted: write(b64(make([]byte, 16)), "EncryptedData", "CipherData", "CipherValue")}},
		{name: "no content", check: "encryption", answer: answer{encrypted: write("", "EncryptedData", "CipherData", "CipherValue")}},
		{name: "GCM without room for a nonce", check: "encryption", answer: answer{encrypted: func(el *etree.Element) {
			at(el, "EncryptedData", "EncryptionMethod").CreateAttr("Algorithm", algGCM256)
			at(el, "EncryptedData", "CipherData", "CipherValue").SetText(b64(make([]byte, 11)))
		}}},
		{name: "encrypted to somebody else", check: "decryption", answer: answer{encrypt: func(plain []byte) *etree.Element {
			return enc{cipher: algGCM256, transport: algOAEP, hash: 3, mgfHash: 3}.encrypt(panicking{}, plain, k["other"].Certificate)
		}}},
		{name: "a key of another cipher", check: "decryption", answer: answer{encrypted: set([]string{"EncryptedData", "EncryptionMethod"}, "Algorithm", algCBC128)}},
		{name: "changed ciphertext", check: "decryption", answer: answer{
			encrypt: func(plain []byte) *etree.Element {
				return enc{cipher: algGCM256, transport: algOAEP, hash: 3, mgfHash: 3}.encrypt(panicking{}, plain, k["login"].Certificate)
			},
			encrypted: func(el *etree.Element) {
				v := at(el, "EncryptedData", "CipherData", "CipherValue")
				b, _ := base64.StdEncoding.DecodeString(v.Text())
				b[40] ^= 1
				v.SetText(b64(b))
			}}},
		{name: "a padding with MD5", check: "decryption", answer: answer{encrypted: set([]string{"EncryptedData", "KeyInfo", "EncryptedKey", "EncryptionMethod", "DigestMethod"}, "Algorithm", "http://www.w3.org/2001/04/xmldsig-more#md5")}},

		// What was encrypted.
		{name: "encrypted nonsense", check: "assertion-xml/syntax", answer: answer{plain: func([]byte) []byte { return []byte("hello there, this is nothing") }}},
		{name: "an encrypted document type", check: "assertion-xml/dtd", answer: answer{plain: func(b []byte) []byte { return append([]byte("<!DOCTYPE x>"), b...) }}},
		{name: "an encrypted comment", check: "assertion-xml/comment", answer: answer{plain: swap("</saml:Issuer>", "<!-- x --></saml:Issuer>")}},
		{name: "encrypted and no assertion", check: "assertion-signature", answer: answer{plain: func([]byte) []byte { return []byte(`<a xmlns="urn:a">something else</a>`) }}},
		{name: "an assertion signed by a stranger", check: "assertion-signature/signature", answer: answer{signer: pick("other")}},
		{name: "a signed assertion that was changed", check: "assertion-signature/signature", answer: answer{signAssertion: true, signed: value(oidNumber, otherPerson)}},
		{name: "an unsigned assertion for a signature", kind: sign, check: "assertion-signature/signature-missing", answer: answer{signer: nobody}},
		{name: "a stranger's assertion for a signature", kind: sign, check: "assertion-signature/signature", answer: answer{signer: pick("other")}},
		{name: "a changed assertion for a signature", kind: sign, check: "assertion-signature/signature", answer: answer{signed: value(oidNumber, otherPerson)}},
		{name: "an assertion in an assertion", check: "assertion", answer: answer{assertion: func(el *etree.Element) {
			inner := el.Copy()
			inner.CreateAttr("ID", "_inner")
			el.CreateElement("saml:Advice").AddChild(inner)
		}}},
		{name: "an assertion without ID", check: "assertion", answer: answer{assertion: unset(nil, "ID")}},
		{name: "an assertion of SAML 1.1", check: "assertion", answer: answer{assertion: set(nil, "Version", "1.1")}},
		{name: "an assertion by another issuer", check: "assertion-issuer", answer: answer{assertion: write("https://other.example.se/saml", "Issuer")}},
		{name: "an assertion without issuer", check: "assertion-issuer", answer: answer{assertion: without("Issuer")}},
		{name: "an assertion from before the order", check: "time", answer: answer{assertion: set(nil, "IssueInstant", stamp(noon.Add(-61*time.Second)))}},
		{name: "an assertion from the future", check: "time", answer: answer{assertion: set(nil, "IssueInstant", stamp(noon.Add(61*time.Second)))}},
		{name: "an assertion without time", check: "time", answer: answer{assertion: unset(nil, "IssueInstant")}},

		// Who it is about.
		{name: "no subject", check: "subject", answer: answer{assertion: without("Subject")}},
		{name: "no confirmation", check: "subject", answer: answer{assertion: without("Subject", "SubjectConfirmation")}},
		{name: "two confirmations", check: "subject", answer: answer{assertion: twice("Subject", "SubjectConfirmation")}},
		{name: "sender-vouches", check: "subject", answer: answer{assertion: set([]string{"Subject", "SubjectConfirmation"}, "Method", "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches")}},
		{name: "no confirmation data", check: "subject", answer: answer{assertion: without(confirmation...)}},
		{name: "a confirmation without end", check: "subject", answer: answer{assertion: unset(confirmation, "NotOnOrAfter")}},
		{name: "a confirmation that ended 61 s ago", check: "subject", answer: answer{assertion: set(confirmation, "NotOnOrAfter", stamp(noon.Add(-61*time.Second)))}},
		{name: "a confirmation that begins in 61 s", check: "subject", answer: answer{assertion: set(confirmation, "NotBefore", stamp(noon.Add(61*time.Second)))}},
		{name: "no recipient", check: "recipient", answer: answer{assertion: unset(confirmation, "Recipient")}},
		{name: "another recipient", check: "recipient", answer: answer{assertion: set(confirmation, "Recipient", "https://sp.example.se/eid/telia/sign/back")}},
		{name: "an assertion to another request", check: "binding", answer: answer{assertion: set(confirmation, "InResponseTo", "_other")}},
		{name: "an unsolicited assertion", check: "binding", answer: answer{assertion: unset(confirmation, "InResponseTo")}},
		{name: "no conditions", check: "conditions", answer: answer{assertion: without("Conditions")}},
		{name: "conditions without beginning", check: "conditions", answer: answer{assertion: unset([]string{"Conditions"}, "NotBefore")}},
		{name: "conditions without end", check: "conditions", answer: answer{assertion: unset([]string{"Conditions"}, "NotOnOrAfter")}},
		{name: "conditions that ended 61 s ago", check: "conditions", answer: answer{assertion: set([]string{"Conditions"}, "NotOnOrAfter", stamp(noon.Add(-61*time.Second)))}},
		{name: "conditions that begin in 61 s", check: "conditions", answer: answer{assertion: set([]string{"Conditions"}, "NotBefore", stamp(noon.Add(61*time.Second)))}},
		{name: "a condition that nobody knows", check: "conditions", answer: answer{assertion: func(el *etree.Element) { at(el, "Conditions").CreateElement("saml:Condition") }}},
		{name: "no audience restriction", check: "audience", answer: answer{assertion: without("Conditions", "AudienceRestriction")}},
		{name: "no audience", check: "audience", answer: answer{assertion: without("Conditions", "AudienceRestriction", "Audience")}},
		{name: "another audience", check: "audience", answer: answer{assertion: write("https://other.example.se/", "Conditions", "AudienceRestriction", "Audience")}},
		{name: "the audience of the other service provider", check: "audience", answer: answer{assertion: write("https://sp.example.se/eid/telia/sign/metadata", "Conditions", "AudienceRestriction", "Audience")}},
		{name: "a second restriction without us", check: "audience", answer: answer{assertion: func(el *etree.Element) {
			at(el, "Conditions").CreateElement("saml:AudienceRestriction").CreateElement("saml:Audience").SetText("https://other.example.se/")
		}}},

		// How they showed who they are.
		{name: "no authentication statement", check: "authn-statement", answer: answer{assertion: without(statement...)}},
		{name: "two authentication statements", check: "authn-statement", answer: answer{assertion: twice(statement...)}},
		{name: "from before the request", check: "authn-instant", answer: answer{assertion: set(statement, "AuthnInstant", stamp(noon.Add(-61*time.Second)))}},
		{name: "from the future", check: "authn-instant", answer: answer{assertion: set(statement, "AuthnInstant", stamp(noon.Add(61*time.Second)))}},
		{name: "at no time", check: "authn-instant", answer: answer{assertion: unset(statement, "AuthnInstant")}},
		{name: "a session that is over", check: "authn-instant", answer: answer{assertion: set(statement, "SessionNotOnOrAfter", stamp(noon.Add(-61*time.Second)))}},
		{name: "from too long ago", check: "authn-age", config: func(c *Config) { c.AllowSSO = true }, answer: answer{assertion: set(statement, "AuthnInstant", stamp(noon.Add(-62*time.Minute)))}},
		{name: "from longer ago than is configured", check: "authn-age", config: func(c *Config) { c.AllowSSO, c.AuthAge = true, 10*time.Minute }, answer: answer{assertion: set(statement, "AuthnInstant", stamp(noon.Add(-12*time.Minute)))}},
		{name: "by another than the proxy should ask", check: "authority", config: proxied, answer: answer{assertion: asked("https://c.example.se/")}},
		{name: "by nobody that is named", check: "authority", config: proxied},
		{name: "a signature by another than the proxy should ask", kind: sign, check: "authority", config: proxied, answer: answer{assertion: asked("https://c.example.se/")}},
		{name: "a signature from an earlier login", kind: sign, check: "authn-instant", config: func(c *Config) { c.AllowSSO = true }, answer: answer{assertion: set(statement, "AuthnInstant", stamp(noon.Add(-10*time.Minute)))}},

		// What is told of them.
		{name: "no attribute statement", check: "attributes", answer: answer{assertion: without("AttributeStatement")}},
		{name: "two attribute statements", check: "attributes", answer: answer{assertion: twice("AttributeStatement")}},
		{name: "an encrypted attribute", check: "attributes", answer: answer{assertion: func(el *etree.Element) { at(el, "AttributeStatement").CreateElement("saml:EncryptedAttribute") }}},
		{name: "an attribute twice", check: "attributes", answer: answer{assertion: func(el *etree.Element) { attribute(at(el, "AttributeStatement"), oidNumber, otherPerson) }}},
		{name: "an attribute without name", check: "attributes", answer: answer{assertion: func(el *etree.Element) { attribute(at(el, "AttributeStatement"), "", "x") }}},
		{name: "two numbers in one attribute", check: "attributes", answer: answer{assertion: func(el *etree.Element) {
			named(el, oidNumber).CreateElement("saml:AttributeValue").SetText(otherPerson)
		}}},
		{name: "a required attribute missing", check: "attributes", config: func(c *Config) {
			c.Attributes = SwedenConnect()
			c.Attributes.Required = append(c.Attributes.Required, Transaction)
		}},
		{name: "a number of ten digits", check: "number", answer: answer{assertion: value(oidNumber, person[2:])}},
		{name: "a number with a hyphen", check: "number", answer: answer{assertion: value(oidNumber, person[:8]+"-"+person[8:])}},
		{name: "a number with a wrong digit", check: "number", answer: answer{assertion: value(oidNumber, person[:11]+"7")}},
		{name: "a number in an element inside", check: "no-number", answer: answer{assertion: func(el *etree.Element) {
			v := at(named(el, oidNumber), "AttributeValue")
			v.SetText("")
			v.CreateElement("saml:NameID").SetText(person)
		}}},
		{name: "another person than the one selected", check: "person", ask: func(r *providers.Request) { r.Number = mustNumber(otherPerson) }},
		{name: "a signature by another person", kind: sign, check: "person", ask: func(r *providers.Request) { r.Number = mustNumber(otherPerson) }},

		// What they signed.
		{name: "a signature without digest", kind: sign, check: "text", answer: answer{assertion: func(el *etree.Element) { remove(named(el, oidDigest)) }}},
		{name: "a signature of another text", kind: sign, check: "text", answer: answer{assertion: value(oidDigest, messageDigest("another text"))}},
		{name: "a signature with another algorithm", kind: sign, check: "text", answer: answer{assertion: value(oidDigest, strings.Replace(messageDigest(signedText), "sha256", "sha1", 1))}},
		{name: "a login that signed something", check: "text", answer: answer{assertion: func(el *etree.Element) { attribute(at(el, "AttributeStatement"), oidDigest, messageDigest("a text")) }}},
	}
}

func remove(el *etree.Element) { el.Parent().RemoveChild(el) }

// TestRefused: each case of the attack list, with the step that refuses it.
func TestRefused(t *testing.T) {
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			if a.kind == "" {
				a.kind = login
			}
			var log bytes.Buffer
			w := open(t, func(c *Config) {
				c.Log = slog.New(slog.NewJSONHandler(&log, nil))
				if a.config != nil {
					a.config(c)
				}
			})
			var ask []func(*providers.Request)
			if a.ask != nil {
				ask = append(ask, a.ask)
			}
			s, _ := w.begin(a.kind, ask...)
			step := w.ends(s, w.answers(s, a.answer))
			want := a.check
			switch want {
			case checkNoNumber:
				f, ok := step.(providers.Failed)
				if !ok || f.Reason != providers.Unsuitable || f.Hint != want {
					t.Errorf("ended with %T %s", step, f.Reason)
				}
			default:
				refusedAt(t, step, want)
			}
			if text := log.String(); strings.Contains(text, person) || strings.Contains(text, otherPerson) {
				t.Error("a number is in the log")
			}
			// What does not refuse the good answer refuses nothing.
			if a.config == nil && a.ask == nil {
				w := open(t)
				s, _ := w.begin(a.kind)
				done(t, w.ends(s, w.answers(s, answer{})))
			}
		})
	}
}

// Steps are named once, and every one of them is tried.
func TestEveryStepIsTried(t *testing.T) {
	tried := map[string]bool{"replay": true}
	for _, a := range attacks() {
		name, _, _ := strings.Cut(a.check, "/")
		tried[name] = true
	}
	seen := map[string]bool{}
	var names []string
	for _, s := range arrivals() {
		names = append(names, s.name)
	}
	for _, s := range verifications() {
		names = append(names, s.name)
	}
	elsewhere := []string{ // tried by the tests of evidence and levels
		"evidence", "metadata", "response", "assertion-decryption", checkLevel, checkCoordination,
	}
	for _, name := range names {
		if !tried[name] && !slices.Contains(elsewhere, name) {
			t.Errorf("nothing is refused at %s", name)
		}
		if seen[name] && name != "response" {
			t.Errorf("two steps are called %s", name)
		}
		seen[name] = true
	}
}

// The wrapping attacks of Somorovsky and others, against a connection that takes
// unencrypted assertions, with an evil assertion about somebody else.
func TestSignatureWrapping(t *testing.T) {
	evil := func(original *etree.Element) *etree.Element {
		e := original.Copy()
		if s := e.SelectElement("Signature"); s != nil {
			e.RemoveChild(s)
		}
		e.CreateAttr("ID", "_evil")
		at(named(e, oidNumber), "AttributeValue").SetText(otherPerson)
		return e
	}
	stripped := func(el *etree.Element) *etree.Element {
		c := el.Copy()
		if s := c.SelectElement("Signature"); s != nil {
			c.RemoveChild(s)
		}
		return c
	}
	evilResponse := func(el *etree.Element) (original *etree.Element) {
		original = stripped(el)
		el.CreateAttr("ID", "_evilresponse")
		a := at(el, "Assertion")
		a.CreateAttr("ID", "_evil")
		if s := a.SelectElement("Signature"); s != nil {
			a.RemoveChild(s)
		}
		at(named(a, oidNumber), "AttributeValue").SetText(otherPerson)
		return original
	}
	wraps := map[string]func(*etree.Element){
		"XSW1": func(r *etree.Element) {
			original := evilResponse(r)
			at(r, "Signature").AddChild(original)
		},
		"XSW2": func(r *etree.Element) {
			original := evilResponse(r)
			s := at(r, "Signature")
			r.RemoveChild(s)
			r.AddChild(original)
			r.AddChild(s)
		},
		"XSW3": func(r *etree.Element) {
			a := at(r, "Assertion")
			r.InsertChildAt(a.Index(), evil(a))
		},
		"XSW4": func(r *etree.Element) {
			a := at(r, "Assertion")
			e := evil(a)
			r.RemoveChild(a)
			e.AddChild(a)
			r.AddChild(e)
		},
		"XSW5": func(r *etree.Element) {
			a := at(r, "Assertion")
			original := stripped(a)
			a.CreateAttr("ID", "_evil")
			at(named(a, oidNumber), "AttributeValue").SetText(otherPerson)
			r.AddChild(original)
		},
		"XSW6": func(r *etree.Element) {
			a := at(r, "Assertion")
			original := stripped(a)
			a.CreateAttr("ID", "_evil")
			at(named(a, oidNumber), "AttributeValue").SetText(otherPerson)
			at(a, "Signature").AddChild(original)
		},
		"XSW7": func(r *etree.Element) {
			a := at(r, "Assertion")
			e := evil(a)
			x := etree.NewElement("samlp:Extensions")
			r.RemoveChild(a)
			x.AddChild(a)
			r.InsertChildAt(1, x)
			r.AddChild(e)
		},
		"XSW8": func(r *etree.Element) {
			a := at(r, "Assertion")
			original := stripped(a)
			a.CreateAttr("ID", "_evil")
			at(named(a, oidNumber), "AttributeValue").SetText(otherPerson)
			at(a, "Signature").CreateElement("ds:Object").AddChild(original)
		},
		"XSW8 with the same ID": func(r *etree.Element) {
			a := at(r, "Assertion")
			original := stripped(a)
			at(named(a, oidNumber), "AttributeValue").SetText(otherPerson)
			at(a, "Signature").CreateElement("ds:Object").AddChild(original)
		},
		"the same ID, evil first": func(r *etree.Element) {
			a := at(r, "Assertion")
			e := evil(a)
			e.CreateAttr("ID", a.SelectAttrValue("ID", ""))
			r.InsertChildAt(a.Index(), e)
		},
		"the same ID, evil last": func(r *etree.Element) {
			a := at(r, "Assertion")
			e := evil(a)
			e.CreateAttr("ID", a.SelectAttrValue("ID", ""))
			r.AddChild(e)
		},
	}
	for name, wrap := range wraps {
		for _, kind := range kindsOf() {
			// Around the signature of the assertion, in a response without one; around
			// that of the response; and as if the identity provider itself had signed it.
			for where, a := range map[string]answer{
				"unsigned response": {unsigned: true, signAssertion: true, encrypt: unsealed, after: wrap},
				"signed response":   {signAssertion: true, encrypt: unsealed, after: wrap},
				"signed afterwards": {signAssertion: true, encrypt: unsealed, response: wrap},
			} {
				if strings.HasSuffix(where, "afterwards") && (name == "XSW1" || name == "XSW2") || strings.HasPrefix(where, "unsigned") && (name == "XSW1" || name == "XSW2") {
					continue
				}
				t.Run(name+" "+string(kind)+" "+where, func(t *testing.T) {
					w := open(t, clear)
					s, _ := w.begin(kind)
					done(t, w.ends(s, w.answers(s, answer{signAssertion: true, encrypt: unsealed}))) // would be taken
					step := w.ends(s, w.answers(s, a))
					f, ok := step.(providers.Failed)
					if !ok || f.Reason != providers.EvidenceRefused || f.Check == "" {
						t.Fatalf("ended with %T at %s", step, f.Check)
					}
					stage, _, _ := strings.Cut(f.Check, "/")
					if !slices.Contains([]string{"xml", "signature", "assertion-count", "assertion-xml", "assertion-signature"}, stage) {
						t.Errorf("refused only at %s", f.Check)
					}
				})
			}
		}
	}
	// The same around an assertion that anybody brings as evidence.
	w := open(t)
	s, _ := w.begin(sign)
	d := done(t, w.ends(s, w.answers(s, answer{})))
	for name, wrap := range wraps {
		if name == "XSW1" || name == "XSW2" || name == "XSW3" || name == "XSW7" || strings.HasPrefix(name, "the same ID") {
			continue // these need a response around
		}
		t.Run(name+" as evidence", func(t *testing.T) {
			e, err := parseEvidence(d.Evidence)
			must(t, err)
			a, err := xmlsec.Parse(e.Assertion, maxResponse)
			must(t, err)
			r := etree.NewElement("samlp:Response")
			r.CreateAttr("xmlns:samlp", nsProtocol)
			r.AddChild(a)
			wrap(r)
			e.Assertion = xmlsec.Bytes(xmlsec.Detach(at(r, "Assertion")))
			w.refuses(t, e, sign, w.trusts(), "")
		})
	}
}

// FriendlyName is for people: what it says nothing is read by.
func TestFriendlyName(t *testing.T) {
	w := open(t)
	s, _ := w.begin(login)
	d := done(t, w.ends(s, w.answers(s, answer{assertion: func(el *etree.Element) {
		a := attribute(at(el, "AttributeStatement"), "urn:oid:1.2.3.4", otherPerson)
		a.CreateAttr("FriendlyName", "personalIdentityNumber")
	}})))
	if d.Identity.Number != number(t, person) {
		t.Error("read the friendly name")
	}
	step := w.ends(s, w.answers(s, answer{assertion: func(el *etree.Element) {
		a := named(el, oidNumber)
		a.CreateAttr("Name", "urn:oid:1.2.3.4")
		a.CreateAttr("FriendlyName", "personalIdentityNumber")
	}}))
	if f, ok := step.(providers.Failed); !ok || f.Reason != providers.Unsuitable {
		t.Errorf("ended with %T", step)
	}
}

// 59 seconds are within the clocks' difference everywhere.
func TestClockSkew(t *testing.T) {
	for _, by := range []time.Duration{59 * time.Second, -59 * time.Second} {
		for _, kind := range kindsOf() {
			w := open(t)
			s, _ := w.begin(kind)
			noon := w.now
			w.now = noon.Add(by)
			event := w.answers(s, answer{})
			w.now = noon
			done(t, w.ends(s, event))
		}
	}
	// A response is taken for 90 s, and a minute more for the clocks.
	for after, good := range map[time.Duration]bool{149 * time.Second: true, 151 * time.Second: false} {
		w := open(t)
		s, _ := w.begin(login)
		event := w.answers(s, answer{})
		w.now = w.now.Add(after)
		step := w.ends(s, event)
		if good {
			done(t, step)
		} else {
			refusedAt(t, step, "issue-instant")
		}
	}
}

// The same assertion in another order is used up; in its own order, as after a
// crash, it is not.
func TestReplay(t *testing.T) {
	w := open(t)
	s, _ := w.begin(login)
	event := w.answers(s, answer{})
	done(t, w.ends(s, event))
	done(t, w.ends(s, event))

	for key := range w.replay.seen {
		w.replay.seen[key] = "another order"
	}
	refusedAt(t, w.ends(s, event), "replay")

	w.replay.err = errTest
	after, step, err := w.p.Continue(t.Context(), s, event)
	var down *providers.Unavailable
	if !errors.As(err, &down) || step != nil || !bytes.Equal(after, s) {
		t.Errorf("without a memory: %T, %v", step, err)
	}
}

// An answer is judged by when the browser brought it: after an upgrade or an outage
// it is as good as it was, and one that was too old is not made younger.
func TestJudgedLater(t *testing.T) {
	for name, tt := range map[string]struct {
		came, judged time.Duration // after it was made
		refused      string
	}{
		"at once":                 {0, 0, ""},
		"an hour later":           {time.Second, time.Hour, ""},
		"brought too late":        {10 * time.Minute, 10 * time.Minute, "issue-instant"},
		"said to come from later": {time.Hour, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			s, _ := w.begin(sign)
			event := w.answers(s, answer{})
			event.Came = w.now.Add(tt.came)
			w.now = w.now.Add(tt.judged)
			if step := w.ends(s, event); tt.refused != "" {
				refusedAt(t, step, tt.refused)
			} else {
				done(t, step)
			}
		})
	}
}

// An answer to one order is no answer to another, whoever starts it.
func TestCrossed(t *testing.T) {
	for _, from := range kindsOf() {
		for _, to := range kindsOf() {
			w := open(t)
			first, _ := w.begin(from)
			second, _ := w.begin(to)
			event := w.answers(first, answer{})
			_, event.At = w.p.sp(to)
			f, ok := w.ends(second, event).(providers.Failed)
			if !ok || f.Check == "" {
				t.Errorf("%s for %s was taken", from, to)
			}
		}
	}
}

// What the provider cannot judge because of itself or the metadata ends nothing.
func TestOurFault(t *testing.T) {
	w := open(t)
	s, _ := w.begin(login)
	event := w.answers(s, answer{})
	w.source.err = errTest
	if after, step, err := w.p.Continue(t.Context(), s, event); err == nil || step != nil || !bytes.Equal(after, s) {
		t.Errorf("without metadata: %T, %v", step, err)
	}
	w.source.err = nil
	done(t, w.ends(s, event))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if after, step, err := w.p.Continue(ended, s, event); err == nil || step != nil || !bytes.Equal(after, s) {
		t.Errorf("nobody waits: %T, %v", step, err)
	}
}

// A step that panics refuses.
func TestPanic(t *testing.T) {
	err := run(0, []step[int]{{"first", func(int) error { return nil }}, {"second", func(int) error { panic(person) }}})
	var r *providers.Refused
	if !asRefused(err, &r) || r.Check != "second" || strings.Contains(err.Error(), person) {
		t.Errorf("%v", err)
	}
}

// A state whose request is not that of its binding is not ours.
func TestForgedState(t *testing.T) {
	w := open(t)
	s, _ := w.begin(login)
	for old, new := range map[string]string{`"salt":"`: `"salt":"AAAA`, `"binding":"`: `"binding":"AAAA`, `"instance":"telia"`: `"instance":"other"`, idpEntity: "https://other.example.se/"} {
		if _, _, err := w.p.Continue(t.Context(), swap(old, new)(s), providers.Event{Kind: providers.Tick}); err == nil {
			t.Errorf("continues with another %s", old)
		}
	}
}
