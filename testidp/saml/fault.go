package saml

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"
)

// Faults of an HTTP exchange, drawn when it happens.
const (
	http503    = "http503"    // out of service: metadata, feed and SSO
	slow       = "slow"       // each answer takes Config.Slow longer
	drop       = "drop"       // each connection is cut
	garbage    = "garbage"    // something that is not XML
	dropAnswer = "dropAnswer" // the page with the answer never comes
)

// Faults of metadata, drawn when it is fetched.
const (
	metadataBadSignature  = "metadataBadSignature"  // the IdP's document, and its entry in the feed
	metadataUnsigned      = "metadataUnsigned"      // the IdP's document alone
	metadataExpired       = "metadataExpired"       // validUntil an hour ago; the entry in the feed too
	metadataUnknownSigner = "metadataUnknownSigner" // signed by nobody's key
	metadataRollover      = "metadataRollover"      // other keys; answers are signed by the new one too
	javascriptEndpoint    = "javascriptEndpoint"    // SSO at a javascript: address
	plainEndpoint         = "plainEndpoint"         // SSO at http and not on this machine
	feedBadSignature      = "feedBadSignature"
	feedUnsigned          = "feedUnsigned"
	feedExpired           = "feedExpired"
	feedNoValidUntil      = "feedNoValidUntil"
	feedUnknownSigner     = "feedUnknownSigner"
	entityTwice           = "entityTwice"   // the second with a key of somebody else
	entityMissing         = "entityMissing" // the IdP has left the federation
)

// A fault changes an answer in one way. All are drawn when the person decides.
type fault struct {
	name     string
	harmless bool // unusual and yet right
	change   func(*answer)
}

func faultsOfResponses() []string {
	var out []string
	for _, f := range responseFaults() {
		out = append(out, f.name)
	}
	return out
}

// responseFaults is every case of telia-saml.md 4.5 that an answer can show, in
// the order in which they are made when several come together.
func responseFaults() []fault {
	bad := func(name string, change func(*answer)) fault { return fault{name, false, change} }
	odd := func(name string, change func(*answer)) fault { return fault{name, true, change} }
	about := func(name string, change func(*assertion)) fault {
		return bad(name, func(a *answer) { a.each(change) })
	}
	number := func(name string, change func(*attribute, *answer)) fault {
		return bad(name, func(a *answer) {
			a.each(func(s *assertion) {
				if i := slices.IndexFunc(s.attributes, isNumber); i >= 0 {
					change(&s.attributes[i], a)
				}
			})
		})
	}
	// sealed changes how response and assertion are signed.
	sealed := func(change func(*seal)) func(*answer) {
		return func(a *answer) {
			if a.seal != nil {
				change(a.seal)
			}
			a.each(func(s *assertion) {
				if s.seal != nil {
					change(s.seal)
				}
			})
		}
	}
	sealing := func(name string, change func(*seal)) fault { return bad(name, sealed(change)) }
	enclosing := func(name string, change func(*envelope)) fault {
		return bad(name, func(a *answer) {
			if a.envelope != nil {
				change(a.envelope)
			}
		})
	}
	cipher := func(name, algorithm string) fault {
		f := enclosing(name, func(e *envelope) { e.algorithm = algorithm })
		f.harmless = true
		return f
	}
	wraps := func(name string, how func(*answer, *node) (*node, error)) fault { return bad(name, wrapping(how)) }

	return []fault{
		// Who and what the answer is about.
		bad("wrongPerson", func(a *answer) { a.assertions = a.someone().assertionsIf(a) }),
		number("tenDigits", func(n *attribute, _ *answer) { n.values[0] = n.values[0][2:] }),
		number("hyphen", func(n *attribute, _ *answer) { n.values[0] = n.values[0][:8] + "-" + n.values[0][8:] }),
		number("coordination", func(n *attribute, _ *answer) { n.values[0] = "198206822390" }),
		number("twoValues", func(n *attribute, a *answer) { n.values = append(n.values, a.otherNumber()) }),
		bad("twoAttributes", func(a *answer) {
			a.each(func(s *assertion) {
				s.attributes = append(s.attributes, attribute{oidNumber, formatURI, "", []string{a.otherNumber()}})
			})
		}),
		number("friendlyNameSpoof", func(n *attribute, _ *answer) {
			n.name, n.friendly = "urn:oid:1.2.752.201.3.99", "personalIdentityNumber"
		}),
		about("missingNumber", func(s *assertion) { s.attributes = slices.DeleteFunc(s.attributes, isNumber) }),
		about("nameIdOnly", func(s *assertion) {
			if i := slices.IndexFunc(s.attributes, isNumber); i >= 0 && s.subject != nil {
				s.subject.nameID = s.attributes[i].values[0]
			}
			s.attributes = slices.DeleteFunc(s.attributes, isNumber)
		}),
		about("noAttributeStatement", func(s *assertion) { s.noAttributes = true }),
		about("noSignMessageDigest", func(s *assertion) { s.attributes = slices.DeleteFunc(s.attributes, isDigest) }),
		about("wrongSignMessageDigest", func(s *assertion) {
			for i := range s.attributes {
				if isDigest(s.attributes[i]) {
					s.attributes[i].values = []string{algSHA256 + ";" + base64.StdEncoding.EncodeToString(make([]byte, 32))}
				}
			}
		}),

		// What the answer is an answer to, and for whom.
		bad("foreignInResponseTo", func(a *answer) { a.answering(a.otherRequest()) }),
		bad("noInResponseTo", func(a *answer) { a.answering("") }),
		about("wrongConfirmedRequest", func(s *assertion) { s.confirm(func(c *confirmation) { c.inResponseTo = newID() }) }),
		bad("wrongDestination", func(a *answer) { a.destination += "/other" }),
		bad("noDestination", func(a *answer) { a.destination = "" }),
		about("wrongRecipient", func(s *assertion) { s.confirm(func(c *confirmation) { c.recipient += "/other" }) }),
		about("noRecipient", func(s *assertion) { s.confirm(func(c *confirmation) { c.recipient = "" }) }),
		about("wrongAudience", func(s *assertion) {
			s.limit(func(c *conditions) { c.audiences = []string{"https://sp.example.com/metadata"} })
		}),
		about("noAudience", func(s *assertion) { s.limit(func(c *conditions) { c.audiences = nil }) }),
		odd("extraAudience", func(a *answer) {
			a.each(func(s *assertion) {
				s.limit(func(c *conditions) { c.audiences = append(c.audiences, "https://sp.example.com/metadata") })
			})
		}),
		bad("wrongIssuer", func(a *answer) {
			a.issuer += "/neighbour"
			a.each(func(s *assertion) { s.issuer = a.issuer })
		}),
		bad("otherIdP", func(a *answer) { // all of it by another IdP of the federation
			a.issuer += "/neighbour"
			a.each(func(s *assertion) { s.issuer = a.issuer })
			sealed(func(s *seal) { s.by = a.keys.neighbour })(a)
		}),
		bad("noIssuer", func(a *answer) { a.issuer = "" }),
		about("wrongAssertionIssuer", func(s *assertion) { s.issuer += "/neighbour" }),

		// Times.
		about("expired", func(s *assertion) {
			s.confirm(func(c *confirmation) { c.notOnOrAfter = c.notOnOrAfter.Add(-proofLife - 2*time.Minute) })
			s.limit(func(c *conditions) {
				c.notBefore, c.notOnOrAfter = c.notBefore.Add(-proofLife-2*time.Minute), c.notOnOrAfter.Add(-proofLife-2*time.Minute)
			})
		}),
		about("notYet", func(s *assertion) {
			s.limit(func(c *conditions) { c.notBefore = c.notBefore.Add(2 * time.Minute) })
		}),
		bad("oldIssue", func(a *answer) { a.issued = a.issued.Add(-10 * time.Minute) }),
		bad("futureIssue", func(a *answer) { a.issued = a.issued.Add(10 * time.Minute) }),
		about("oldAuthnInstant", func(s *assertion) { s.state(func(t *statement) { t.instant = t.instant.Add(-time.Hour) }) }),
		about("futureAuthnInstant", func(s *assertion) { s.state(func(t *statement) { t.instant = t.instant.Add(time.Hour) }) }),
		odd("clockAhead55", func(a *answer) { a.shift(55 * time.Second) }),
		odd("clockBehind55", func(a *answer) { a.shift(-55 * time.Second) }),
		bad("clockAhead90", func(a *answer) { a.shift(90 * time.Second) }),

		// What must be there, once.
		about("noSubject", func(s *assertion) { s.subject = nil }),
		about("noSubjectConfirmation", func(s *assertion) {
			if s.subject != nil {
				s.subject.confirmation = nil
			}
		}),
		about("noConfirmationData", func(s *assertion) { s.confirm(func(c *confirmation) { c.bare = true }) }),
		about("senderVouches", func(s *assertion) { s.confirm(func(c *confirmation) { c.method = methodVouches }) }),
		about("noConditions", func(s *assertion) { s.conditions = nil }),
		about("noAuthnStatement", func(s *assertion) { s.statements = nil }),
		about("twoAuthnStatements", func(s *assertion) { s.statements = append(s.statements, s.statements...) }),
		bad("twoAssertions", func(a *answer) { a.assertions = append(a.assertions, a.someone().assertionsIf(a)...) }),
		bad("successWithoutAssertion", func(a *answer) { a.assertions, a.status, a.message = nil, []string{statusSuccess}, "" }),
		bad("errorWithAssertion", func(a *answer) { a.status = []string{statusResponder, statusCancel} }),
		bad("unsignedError", func(a *answer) {
			a.seal, a.assertions = nil, nil
			if a.status[0] == statusSuccess {
				a.status, a.message = []string{statusResponder, statusCancel}, "the user cancelled"
			}
		}),

		// The level.
		about("wrongLevel", func(s *assertion) { s.state(func(t *statement) { t.level = LevelTwo }) }),
		about("levelWithSpaces", func(s *assertion) { s.state(func(t *statement) { t.level = " " + t.level + "\n" }) }),
		about("levelCase", func(s *assertion) { s.state(func(t *statement) { t.level = strings.ToUpper(t.level) }) }),
		about("noLevel", func(s *assertion) { s.state(func(t *statement) { t.level = "" }) }),

		// Signatures.
		bad("unsignedResponse", func(a *answer) { a.seal = nil }),
		about("unsignedAssertion", func(s *assertion) { s.seal = nil }),
		sealing("badSignature", func(s *seal) { s.bend = flipSignature }),
		bad("badAssertionSignature", func(a *answer) {
			a.each(func(s *assertion) {
				if s.seal != nil {
					s.seal.bend = flipSignature
				}
			})
		}),
		sealing("sha1", func(s *seal) { s.method, s.digest = algRSASHA1, algSHA1 }),
		sealing("sha1Digest", func(s *seal) { s.digest = algSHA1 }),
		bad("foreignKey", func(a *answer) { sealed(func(s *seal) { s.by = a.keys.stranger })(a) }),
		sealing("hmac", func(s *seal) { s.method = algHMACSHA256 }),
		sealing("emptyReference", func(s *seal) { s.uri = new(string) }),
		sealing("noReference", func(s *seal) { s.references = func(*node) []*node { return nil } }),
		sealing("twoReferences", func(s *seal) { s.references = func(r *node) []*node { return []*node{r, r.clone()} } }),
		sealing("twoSignedInfo", func(s *seal) { s.bend = func(n *node) { n.insert(0, n.kids[0].clone()) } }),
		sealing("xpathTransform", func(s *seal) { s.transforms = []string{algXPath} }),
		sealing("xsltTransform", func(s *seal) { s.transforms = []string{algXSLT} }),
		sealing("c14nComments", func(s *seal) { s.c14n = algExclusiveComments }),
		sealing("signatureObject", func(s *seal) { s.bend = func(n *node) { n.add(el("ds:Object").say("x")) } }),
		bad("ecdsaDER", func(a *answer) { // as some libraries write it, against the standard
			sealed(func(s *seal) { s.by, s.der = a.keys.elliptic, true })(a)
		}),
		odd("ecdsaKey", func(a *answer) { sealed(func(s *seal) { s.by = a.keys.elliptic })(a) }),
		odd("secondKey", func(a *answer) { sealed(func(s *seal) { s.by = a.keys.next })(a) }),
		odd("noKeyInfo", sealed(func(s *seal) { s.noKeyInfo = true })),
		odd("inclusiveNamespaces", sealed(func(s *seal) { s.inclusive = true })),
		bad("twoSignatures", wrapping(func(_ *answer, n *node) (*node, error) {
			if s := n.child(nsSignature, "Signature"); s != nil {
				n.insert(1, s.clone())
			}
			return n, nil
		})),
		bad("commentInDigest", atFirst("</ds:DigestValue>", func(at string) string { return "<!-- x -->" + at })),

		// Encryption.
		cipher("gcm256", algGCM256), cipher("gcm128", algGCM128), cipher("cbc256", algCBC256), cipher("cbc128", algCBC128),
		odd("indentedCipherValue", func(a *answer) {
			if a.envelope != nil {
				a.envelope.indented = true
			}
		}),
		odd("oaepSha256", func(a *answer) {
			if a.envelope != nil {
				a.envelope.sha256 = true
			}
		}),
		odd("twoKeys", func(a *answer) { // the first for another recipient
			if a.envelope != nil {
				a.envelope.decoy = a.keys.stranger.cert
			}
		}),
		enclosing("badCiphertext", func(e *envelope) {
			e.bend = func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
		}),
		enclosing("shortCiphertext", func(e *envelope) { e.bend = func(b []byte) []byte { return b[:5] } }),
		enclosing("oddCiphertext", func(e *envelope) { // no multiple of a block
			e.algorithm, e.bend = algCBC128, func(b []byte) []byte { return b[:len(b)-3] }
		}),
		enclosing("rsa15", func(e *envelope) { e.rsa15 = true }),
		enclosing("tripleDes", func(e *envelope) { e.algorithm = algTripleDES }),
		bad("encryptedForOther", func(a *answer) {
			if a.envelope != nil {
				a.envelope.to = a.keys.stranger.cert
			}
		}),
		bad("unencrypted", func(a *answer) { a.envelope = nil }),
		bad("swappedAssertion", wrapping(func(a *answer, n *node) (*node, error) {
			other, err := a.someone().unsigned()
			if err != nil {
				return nil, err
			}
			theirs := other.child(nsAssertion, "EncryptedAssertion")
			if n.take(nsAssertion, "EncryptedAssertion") != nil && theirs != nil {
				n.add(theirs)
			}
			return n, nil
		})),

		// Wrapping: evil is about somebody else and signed by nobody.
		wraps("xsw1", func(a *answer, good *node) (*node, error) {
			evil, err := a.evil()
			if err != nil {
				return nil, err
			}
			evil.insert(1, good.take(nsSignature, "Signature").add(good))
			return evil, nil
		}),
		wraps("xsw2", func(a *answer, good *node) (*node, error) {
			evil, err := a.evil()
			if err != nil {
				return nil, err
			}
			signature := good.take(nsSignature, "Signature")
			evil.insert(1, signature)
			evil.insert(1, good)
			return evil, nil
		}),
		bad("xsw3", wrappingAssertion(func(n, good, evil *node) { n.add(evil, good) })),
		bad("xsw4", wrappingAssertion(func(n, good, evil *node) { n.add(evil.add(good)) })),
		bad("xsw5", wrappingAssertion(func(n, good, evil *node) {
			evil.insert(1, good.take(nsSignature, "Signature"))
			n.add(evil, good)
		})),
		bad("xsw6", wrappingAssertion(func(n, good, evil *node) {
			evil.insert(1, good.take(nsSignature, "Signature").add(good))
			n.add(evil)
		})),
		bad("xsw7", wrappingAssertion(func(n, good, evil *node) {
			n.insert(1, el("samlp:Extensions").add(good))
			n.add(evil)
		})),
		bad("xsw8", wrappingAssertion(func(n, good, evil *node) {
			signature := good.take(nsSignature, "Signature")
			evil.insert(1, signature.add(el("ds:Object").add(good)))
			n.add(evil)
		})),
		bad("xsw8SameId", wrappingAssertion(func(n, good, evil *node) {
			evil.set("ID", good.attr("ID"))
			signature := good.take(nsSignature, "Signature")
			evil.insert(1, signature.add(el("ds:Object").add(good)))
			n.add(evil)
		})),
		bad("duplicateId", wrappingAssertion(func(n, good, evil *node) { n.add(evil.set("ID", good.attr("ID")), good) })),
		bad("duplicateIdAfter", wrappingAssertion(func(n, good, evil *node) { n.add(good, evil.set("ID", good.attr("ID"))) })),
		wraps("fooId", func(a *answer, good *node) (*node, error) { // evil says that it is good, in an attribute of another namespace
			evil, err := a.evil()
			if err != nil {
				return nil, err
			}
			evil.set("foo:ID", good.attr("ID"))
			evil.insert(1, good.take(nsSignature, "Signature"))
			evil.insert(2, el("samlp:Extensions").add(good))
			return evil, nil
		}),

		// XML.
		bad("doctype", document(func(b []byte) []byte { return append([]byte(`<!DOCTYPE Response [<!ENTITY x "x">]>`), b...) })),
		bad("billionLaughs", document(laugh)),
		bad("comment", document(func(b []byte) []byte { return append(b, "<!-- x -->"...) })),
		about("commentInNumber", func(s *assertion) {
			s.text = func(b []byte) []byte {
				for _, a := range s.attributes {
					if isNumber(a) {
						v := a.values[0]
						b = bytes.ReplaceAll(b, []byte(">"+v+"<"), []byte(">"+v[:10]+"<!-- x -->"+v[10:]+"<"))
					}
				}
				return b
			}
		}),
		bad("deepNesting", func(a *answer) {
			n := el("foo:deep")
			for range 5000 {
				n = el("foo:deep").add(n)
			}
			a.extensions = append(a.extensions, n)
		}),
		bad("huge", func(a *answer) { a.extensions = append(a.extensions, el("foo:big").say(strings.Repeat("x", 300<<10))) }),
		bad("notResponse", wrapping(func(_ *answer, n *node) (*node, error) { n.local = "LogoutResponse"; return n, nil })),
		bad("garbageResponse", func(a *answer) { a.form = "%%% this is not base64" }),
		bad("notXML", document(func([]byte) []byte { return []byte("<<< this is not XML") })),

		// The form.
		bad("replay", func(a *answer) { a.form = a.earlier() }),
		bad("relayStateMangled", func(a *answer) { a.relay += "x" }),
		bad("relayStateMissing", func(a *answer) { a.relay = "" }),
		bad("relayStateLong", func(a *answer) { a.relay = strings.Repeat("x", 4096) }),
	}
}

func isNumber(a attribute) bool { return a.name == oidNumber || a.name == "Subject_SerialNumber" }
func isDigest(a attribute) bool { return a.name == oidDigest }

// answering changes which request it answers.
func (a *answer) answering(id string) {
	a.inResponseTo = id
	a.each(func(s *assertion) { s.confirm(func(c *confirmation) { c.inResponseTo = id }) })
}

// assertionsIf are the assertions, if the original has any: an error does not turn
// into a login.
func (a *answer) assertionsIf(original *answer) []*assertion {
	if len(original.assertions) == 0 {
		return nil
	}
	return a.assertions
}

// otherNumber is the number of somebody else.
func (a *answer) otherNumber() string {
	for _, s := range a.someone().assertions {
		for _, t := range s.attributes {
			if isNumber(t) {
				return t.values[0]
			}
		}
	}
	return ""
}

// evil is the same Response about somebody else, without any signature.
func (a *answer) evil() (*node, error) {
	other := a.someone()
	other.each(func(s *assertion) { s.seal = nil })
	return other.unsigned()
}

var errNoSignature = errors.New("saml: there is no signature to wrap")

// wrapping is done to the finished Response, if it is signed.
func wrapping(how func(*answer, *node) (*node, error)) func(*answer) {
	return func(a *answer) {
		before := a.wrap
		a.wrap = func(n *node) (*node, error) {
			if before != nil {
				var err error
				if n, err = before(n); err != nil {
					return nil, err
				}
			}
			if n.child(nsSignature, "Signature") == nil {
				return n, nil
			}
			return how(a, n)
		}
	}
}

// wrappingAssertion is done to a Response whose assertion alone is signed, and
// not encrypted.
func wrappingAssertion(how func(response, good, evil *node)) func(*answer) {
	return func(a *answer) {
		if len(a.assertions) == 0 {
			return
		}
		a.each(func(s *assertion) { s.seal = &seal{by: a.keys.current} })
		a.seal, a.envelope = nil, nil
		a.wrap = func(n *node) (*node, error) {
			other := a.someone()
			other.envelope = nil
			other.each(func(s *assertion) { s.seal = nil })
			theirs, err := other.unsigned()
			if err != nil {
				return nil, err
			}
			good, evil := n.take(nsAssertion, "Assertion"), theirs.take(nsAssertion, "Assertion")
			if good == nil || evil == nil || good.child(nsSignature, "Signature") == nil {
				return nil, errNoSignature
			}
			how(n, good, evil)
			return n, nil
		}
	}
}

// document is done to the text of the Response.
func document(how func([]byte) []byte) func(*answer) {
	return func(a *answer) {
		before := a.text
		a.text = func(b []byte) []byte {
			if before != nil {
				b = before(b)
			}
			return how(b)
		}
	}
}

// atFirst changes the first place where something stands.
func atFirst(at string, how func(string) string) func(*answer) {
	return document(func(b []byte) []byte { return bytes.Replace(b, []byte(at), []byte(how(at)), 1) })
}

// laugh puts a tower of entities before the document and uses it in the Issuer.
func laugh(b []byte) []byte {
	var d strings.Builder
	d.WriteString(`<!DOCTYPE Response [<!ENTITY l0 "ha">`)
	for i := 1; i <= 9; i++ {
		n := string(rune('0' + i))
		d.WriteString(`<!ENTITY l` + n + ` "` + strings.Repeat("&l"+string(rune('0'+i-1))+";", 10) + `">`)
	}
	d.WriteString("]>")
	return append([]byte(d.String()), bytes.Replace(b, []byte("</saml:Issuer>"), []byte("&l9;</saml:Issuer>"), 1)...)
}
