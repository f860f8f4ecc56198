package xmlsec

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// check is the word that an error was refused with, "" for no error.
func check(err error) string {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Check
	}
	return "untyped: " + err.Error()
}

// A forger makes signatures of any shape, cryptographically right as far as the
// shape allows: what refuses them is the shape alone.
type forger struct {
	c14n, method, digest string
	uri                  string
	transforms           string // inside ds:Transforms
	second               string // a second Reference
	value                string // instead of the DigestValue
	extra                string // behind SignatureValue
	info                 string // instead of the whole SignedInfo
	sign                 func(signedInfo []byte) []byte
}

const (
	enveloped = `<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></ds:Transform>`
	exclusive = `<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:Transform>`
	rsa256    = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	sha256URI = "http://www.w3.org/2001/04/xmlenc#sha256"
)

func byRSA(p pair) func([]byte) []byte {
	return func(b []byte) []byte {
		sum := sha256.Sum256(b)
		s, err := p.key.Sign(rand.Reader, sum[:], crypto.SHA256)
		if err != nil {
			panic(err)
		}
		return s
	}
}

// honest is a signature that must be believed; the attacks change one thing in it.
func honest(by pair) forger {
	return forger{
		c14n: nsExcC14N, method: rsa256, digest: sha256URI, uri: "#_r1",
		transforms: enveloped + exclusive, sign: byRSA(by),
	}
}

// signature is the ds:Signature over doc.
func (f forger) signature(t testing.TB, doc string) string {
	t.Helper()
	tree := etree.NewDocument()
	if err := tree.ReadFromString(doc); err != nil {
		t.Fatal(err)
	}
	canonical, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("").Canonicalize(tree.Root())
	if err != nil {
		t.Fatal(err)
	}
	var digest []byte
	if strings.HasSuffix(f.digest, "#sha1") {
		sum := sha1.Sum(canonical)
		digest = sum[:]
	} else {
		sum := sha256.Sum256(canonical)
		digest = sum[:]
	}
	value := base64.StdEncoding.EncodeToString(digest)
	if f.value != "" {
		value = strings.Replace(f.value, "DIGEST", value, 1)
	}
	info := f.info
	if info == "" {
		info = `<ds:SignedInfo xmlns:ds="` + nsDS + `"><ds:CanonicalizationMethod Algorithm="` + f.c14n + `"></ds:CanonicalizationMethod>` +
			`<ds:SignatureMethod Algorithm="` + f.method + `"></ds:SignatureMethod><ds:Reference URI="` + f.uri + `"><ds:Transforms>` + f.transforms +
			`</ds:Transforms><ds:DigestMethod Algorithm="` + f.digest + `"></ds:DigestMethod><ds:DigestValue>` + value + `</ds:DigestValue></ds:Reference>` +
			f.second + `</ds:SignedInfo>`
	}
	return `<ds:Signature xmlns:ds="` + nsDS + `">` + info + `<ds:SignatureValue>` +
		base64.StdEncoding.EncodeToString(f.sign([]byte(info))) + `</ds:SignatureValue>` + f.extra + `</ds:Signature>`
}

// into puts a signature behind the first issuer.
func into(doc, sig string) string {
	return strings.Replace(doc, "</saml:Issuer>", "</saml:Issuer>"+sig, 1)
}

func (f forger) signed(t testing.TB, doc string) string { return into(doc, f.signature(t, doc)) }

// assertion is what a signed assertion looks like once it is decrypted.
const assertion = `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_r1" Version="2.0">` +
	`<saml:Issuer>https://idp.example/</saml:Issuer><saml:Subject>good</saml:Subject></saml:Assertion>`

// response wraps parts of an answer that is itself not signed.
func response(extensions, rest string) string {
	return `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_outer" Version="2.0">` +
		`<saml:Issuer>https://idp.example/</saml:Issuer><samlp:Extensions>` + extensions + `</samlp:Extensions>` + rest + `</samlp:Response>`
}

func evil(doc, id string) string {
	doc = strings.NewReplacer("good", "evil", `"_a1"`, `"_a2"`).Replace(doc)
	return strings.Replace(doc, `"_r1"`, `"`+id+`"`, 1)
}

func inObject(sig, doc string) string {
	return strings.Replace(sig, "</ds:Signature>", "<ds:Object>"+doc+"</ds:Object></ds:Signature>", 1)
}

func TestWhatIsAttacked(t *testing.T) {
	all := theIssuer()
	ok := honest(all.rsa)
	with := func(change func(*forger)) string {
		f := ok
		change(&f)
		return f.signed(t, message)
	}
	good, sig := ok.signed(t, message), ok.signature(t, message)
	asig := ok.signature(t, assertion)
	gooda := into(assertion, asig)

	sha1Signed := with(func(f *forger) {
		f.method = nsDS + "rsa-sha1"
		f.sign = func(b []byte) []byte {
			sum := sha1.Sum(b)
			s, err := rsa.SignPKCS1v15(rand.Reader, all.rsa.key.(*rsa.PrivateKey), crypto.SHA1, sum[:])
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	})
	hmacSigned := with(func(f *forger) {
		f.method = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
		f.sign = func(b []byte) []byte {
			m := hmac.New(sha256.New, all.rsa.cert.RawSubjectPublicKeyInfo)
			m.Write(b)
			return m.Sum(nil)
		}
	})
	embedded := func(c *x509.Certificate) string {
		return `<ds:KeyInfo><ds:X509Data><ds:X509Certificate>` + base64.StdEncoding.EncodeToString(c.Raw) + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo>`
	}
	byOther := honest(all.other)
	byOther.extra = embedded(all.other.cert)
	byWeak := honest(all.weak)
	ecDER := with(func(f *forger) {
		f.method = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
		f.sign = byRSA(all.p256) // Go's own form
	})

	keys := []*x509.Certificate{all.rsa.cert, all.p256.cert}
	for _, c := range []struct{ name, doc, refused string }{
		{"honest response", good, ""},
		{"honest assertion", gooda, ""},

		{"XSW1 evil response keeps the signature, the original inside it", into(evil(message, "_evil"), inObject(sig, message)), "object"},
		{"XSW1 the original in KeyInfo", into(evil(message, "_evil"), strings.Replace(sig, "</ds:Signature>", "<ds:KeyInfo>"+message+"</ds:KeyInfo></ds:Signature>", 1)), "reference"},
		{"XSW1 with the original's ID left out of the evil one", into(evil(message, ""), inObject(sig, message)), "id"},
		{"XSW2 evil response with the original and its signature beside each other", into(evil(message, "_evil"), sig+message), "reference"},
		{"XSW2 the signature behind the original", into(evil(message, "_evil"), message+sig), "signature-place"},
		{"XSW3 evil assertion before the signed one", response("", evil(assertion, "_evil")+gooda), "signature-missing"},
		{"XSW4 evil assertion around the signed one", strings.Replace(evil(assertion, "_evil"), "</saml:Subject>", "</saml:Subject>"+gooda, 1), "signature-missing"},
		{"XSW5 changed assertion keeps the signature", strings.Replace(into(evil(assertion, "_evil"), asig), "</saml:Assertion>", assertion+"</saml:Assertion>", 1), "reference"},
		{"XSW6 changed assertion, the original inside the signature", into(evil(assertion, "_evil"), inObject(asig, assertion)), "object"},
		{"XSW7 signed original in the extensions", response(gooda, evil(assertion, "_evil")), "signature-missing"},
		{"XSW8 original in an Object of the evil one's signature", into(evil(assertion, "_evil"), inObject(asig, assertion)), "object"},
		{"XSW8 with the same ID", into(evil(assertion, "_r1"), inObject(asig, assertion)), "duplicate-id"},

		{"evil and good with the same ID", into(message, sig+evil(message, "_r1")), "duplicate-id"},
		{"two signatures", into(message, sig+sig), "signature-count"},
		{"two SignedInfo", strings.Replace(good, "<ds:SignatureValue>", sig[strings.Index(sig, "<ds:SignedInfo"):strings.Index(sig, "<ds:SignatureValue>")]+"<ds:SignatureValue>", 1), "signature-shape"},
		{"two References", with(func(f *forger) { f.second = `<ds:Reference URI="#_a1"></ds:Reference>` }), "reference"},
		{"no Reference", with(func(f *forger) {
			f.info = `<ds:SignedInfo xmlns:ds="` + nsDS + `"><ds:CanonicalizationMethod Algorithm="` + nsExcC14N + `"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="` + rsa256 + `"></ds:SignatureMethod></ds:SignedInfo>`
		}), "reference"},
		{"empty Reference", with(func(f *forger) { f.uri = "" }), "reference"},
		{"Reference to another element", with(func(f *forger) { f.uri = "#_a1" }), "reference"},
		{"Reference by XPointer", with(func(f *forger) { f.uri = "#xpointer(id('_r1'))" }), "reference"},
		{"Reference to an address", with(func(f *forger) { f.uri = "https://idp.example/#_r1" }), "reference"},
		{"foo:ID", ok.signed(t, strings.Replace(message, ` ID="_r1"`, ` saml:ID="_r1"`, 1)), "id"},
		{"foo:ID beside ID", ok.signed(t, strings.Replace(message, ` ID="_r1"`, ` saml:ID="_other" ID="_r1"`, 1)), "duplicate-id"},
		{"no ID", ok.signed(t, strings.Replace(message, ` ID="_r1"`, ``, 1)), "id"},

		{"XPath transform", with(func(f *forger) {
			f.transforms = enveloped + `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>not(self::saml:Subject)</ds:XPath></ds:Transform>`
		}), "transform"},
		{"XSLT transform", with(func(f *forger) {
			f.transforms = enveloped + exclusive + `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"></ds:Transform>`
		}), "transform"},
		{"no transforms", with(func(f *forger) { f.transforms = "" }), "transform"},
		{"enveloped only", with(func(f *forger) { f.transforms = enveloped }), "transform"},
		{"transforms the other way round", with(func(f *forger) { f.transforms = exclusive + enveloped }), "transform"},
		{"transform with c14n with comments", with(func(f *forger) {
			f.transforms = enveloped + strings.Replace(exclusive, "exc-c14n#", "exc-c14n#WithComments", 1)
		}), "transform"},
		{"transform with inclusive c14n", with(func(f *forger) {
			f.transforms = enveloped + `<ds:Transform Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"></ds:Transform>`
		}), "transform"},
		{"transform with parameters", with(func(f *forger) {
			f.transforms = strings.Replace(enveloped, "></ds:Tr", "><ds:XPath>1</ds:XPath></ds:Tr", 1) + exclusive
		}), "transform"},
		{"SignedInfo in c14n with comments", with(func(f *forger) { f.c14n = nsExcC14N + "WithComments" }), "canonicalization"},
		{"SignedInfo in inclusive c14n", with(func(f *forger) { f.c14n = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315" }), "canonicalization"},

		{"SHA-1 signature", sha1Signed, "algorithm"},
		{"SHA-1 digest", with(func(f *forger) { f.digest = nsDS + "sha1" }), "algorithm"},
		{"HMAC with the public key", hmacSigned, "algorithm"},
		{"HMAC cut short", strings.Replace(hmacSigned, "></ds:SignatureMethod>", "><ds:HMACOutputLength>8</ds:HMACOutputLength></ds:SignatureMethod>", 1), "algorithm"},
		{"unknown algorithm", with(func(f *forger) { f.method = "http://www.w3.org/2007/05/xmldsig-more#rsa-pss" }), "algorithm"},
		{"no algorithm", with(func(f *forger) { f.method = "" }), "algorithm"},
		{"comment in DigestValue", with(func(f *forger) { f.value = "DIGEST<!-- x -->" }), "comment"},
		{"element in DigestValue", with(func(f *forger) { f.value = "DIGEST<ds:X></ds:X>" }), "signature-shape"},
		{"element in SignatureValue", strings.Replace(good, "</ds:SignatureValue>", "<ds:X/></ds:SignatureValue>", 1), "signature-shape"},
		{"Object in the signature", with(func(f *forger) { f.extra = "<ds:Object></ds:Object>" }), "object"},
		{"foreign element in the signature", with(func(f *forger) { f.extra = "<saml:Subject></saml:Subject>" }), "signature-shape"},
		{"KeyInfo twice", with(func(f *forger) { f.extra = "<ds:KeyInfo></ds:KeyInfo><ds:KeyInfo></ds:KeyInfo>" }), "signature-shape"},
		{"KeyInfo of another namespace", with(func(f *forger) { f.extra = "<saml:KeyInfo></saml:KeyInfo>" }), "signature-shape"},
		{"KeyInfo before the value", strings.Replace(good, "<ds:SignatureValue>", "<ds:KeyInfo/><ds:SignatureValue>", 1), "signature-shape"},
		{"SignedInfo with something more", with(func(f *forger) { f.second = "<ds:X></ds:X>" }), "signature-shape"},
		{"SignedInfo without canonicalization", strings.Replace(good, `<ds:CanonicalizationMethod Algorithm="`+nsExcC14N+`"></ds:CanonicalizationMethod>`, "", 1), "signature-shape"},
		{"canonicalization of another namespace", strings.ReplaceAll(good, `ds:CanonicalizationMethod`, `saml:CanonicalizationMethod`), "signature-shape"},
		{"method of another namespace", strings.ReplaceAll(good, `ds:SignatureMethod`, `saml:SignatureMethod`), "signature-shape"},
		{"Reference with something more", strings.Replace(good, `</ds:DigestValue>`, `</ds:DigestValue><ds:X/>`, 1), "signature-shape"},
		{"Reference without transforms", strings.Replace(good, `<ds:Transforms>`+enveloped+exclusive+`</ds:Transforms>`, ``, 1), "signature-shape"},
		{"transforms of another namespace", strings.ReplaceAll(good, `ds:Transforms>`, `saml:Transforms>`), "signature-shape"},
		{"digest method of another namespace", strings.ReplaceAll(good, `ds:DigestMethod`, `saml:DigestMethod`), "signature-shape"},
		{"digest of another namespace", strings.ReplaceAll(good, `ds:DigestValue`, `saml:DigestValue`), "signature-shape"},
		{"transform of another namespace", strings.NewReplacer(`<ds:Transform A`, `<saml:Transform A`, `</ds:Transform>`, `</saml:Transform>`).Replace(good), "transform"},
		{"prefixes for the enveloped transform", with(func(f *forger) {
			f.transforms = strings.Replace(enveloped, "></ds:Tr", `><ec:InclusiveNamespaces xmlns:ec="`+nsExcC14N+`" PrefixList="xs"></ec:InclusiveNamespaces></ds:Tr`, 1) + exclusive
		}), "transform"},
		{"a parameter of another kind", with(func(f *forger) {
			f.transforms = enveloped + strings.Replace(exclusive, "></ds:Tr", `><ds:XPath></ds:XPath></ds:Tr`, 1)
		}), "transform"},
		{"signature in KeyInfo", with(func(f *forger) { f.extra = "<ds:KeyInfo>" + sig + "</ds:KeyInfo>" }), "signature-shape"},
		{"signature without a value", strings.Replace(good, good[strings.Index(good, "<ds:SignatureValue>"):strings.Index(good, "</ds:Signature>")], "", 1), "signature-shape"},
		{"SignedInfo outside of a signature", strings.Replace(good, "<saml:Subject>", `<ds:SignedInfo xmlns:ds="`+nsDS+`"/><saml:Subject>`, 1), "signature-shape"},
		{"signature of the root deeper down", strings.Replace(message, "<saml:Subject>", sig+"<saml:Subject>", 1), "signature-missing"},
		{"another element's signature with our reference", strings.Replace(good, "<saml:Subject>", sig+"<saml:Subject>", 1), "reference"},
		{"a signature in an element without ID", strings.Replace(good, "<samlp:Status>", "<samlp:Status>"+sig, 1), "id"},
		{"signature in the issuer", strings.Replace(good, "</saml:Issuer>", sig+"</saml:Issuer>", 1), "signature-place"},
		{"signature at the end", strings.Replace(message, "</samlp:Response>", sig+"</samlp:Response>", 1), "signature-place"},
		{"not signed", message, "signature-missing"},

		{"signed by somebody else, whose certificate it brings", byOther.signed(t, message), "signature"},
		{"signed with a short key", byWeak.signed(t, message), "signature"},
		{"changed text", strings.Replace(good, "good", "evil", 1), "signature"},
		{"changed attribute", strings.Replace(good, "status:Success", "status:Requester", 1), "signature"},
		{"added element", strings.Replace(good, "<saml:Subject>", "<saml:Advice/><saml:Subject>", 1), "signature"},
		{"added white space", strings.Replace(good, "<saml:Subject>", " <saml:Subject>", 1), "signature"},
		{"changed namespace", strings.Replace(good, "<saml:Subject>", `<saml:Subject xmlns:saml="urn:x">`, 1), "signature"},
		{"changed digest", with(func(f *forger) { f.value = "AAAA" }), "signature"},
		{"empty signature", strings.Replace(good, good[strings.Index(good, "<ds:SignatureValue>")+19:strings.Index(good, "</ds:SignatureValue>")], "", 1), "signature"},
		{"signature that is not base64", strings.Replace(good, "<ds:SignatureValue>", "<ds:SignatureValue>*", 1), "signature"},
		{"ECDSA in Go's form", ecDER, "signature"},
		{"ECDSA of zeros", with(func(f *forger) {
			f.method = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
			f.sign = func([]byte) []byte { return make([]byte, 64) }
		}), "signature"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root, err := Parse([]byte(c.doc), limit)
			var got *etree.Element
			if err == nil {
				got, err = Verify(root, keys)
			}
			if check(err) != c.refused {
				t.Errorf("refused at %q, want %q: %v", check(err), c.refused, err)
			}
			if (got != nil) != (c.refused == "") {
				t.Error("an element and an error, or neither")
			}
		})
	}
}

// Nothing of what is signed is lost, and nothing else comes back.
func TestWhatComesBackIsWhatWasSigned(t *testing.T) {
	all := theIssuer()
	doc := honest(all.rsa).signed(t, message)
	got, err := Verify(parse(t, doc), []*x509.Certificate{all.rsa.cert})
	if err != nil {
		t.Fatal(err)
	}
	tree := etree.NewDocument()
	if err := tree.ReadFromString(message); err != nil {
		t.Fatal(err)
	}
	want, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("").Canonicalize(tree.Root())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(Bytes(got), want) {
		t.Errorf("got\n%s\nwant\n%s", Bytes(got), want)
	}
}

// A certificate is only what a key comes in.
func TestKeysCountNotCertificates(t *testing.T) {
	all := theIssuer()
	now := time.Now()
	expired := around(t, all.rsa.key, "expired", now.Add(-2*time.Hour), now.Add(-time.Hour))
	future := around(t, all.rsa.key, "future", now.Add(time.Hour), now.Add(2*time.Hour))
	el := parse(t, message)
	if err := Sign(el, all.rsa.key, future); err != nil {
		t.Fatal(err)
	}
	doc := parse(t, string(Bytes(el)))
	for name, keys := range map[string][]*x509.Certificate{
		"expired":                      {expired},
		"several, one fits":            {all.other.cert, all.p256.cert, all.weak.cert, expired},
		"one key twice":                {expired, future},
		"nil among them":               {nil, expired},
		"one that names another first": {all.other.cert, all.rsa.cert},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Verify(doc, keys); err != nil {
				t.Error(err)
			}
		})
	}
	for name, c := range map[string]struct {
		keys    []*x509.Certificate
		refused string
	}{
		"no key":                  {nil, "key"},
		"only of another kind":    {[]*x509.Certificate{all.p256.cert}, "key"},
		"only a short one":        {[]*x509.Certificate{all.weak.cert}, "key"},
		"a certificate of no key": {[]*x509.Certificate{{PublicKeyAlgorithm: x509.RSA}}, "key"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Verify(doc, c.keys); check(err) != c.refused {
				t.Errorf("refused at %q, want %q", check(err), c.refused)
			}
		})
	}
}

func TestNestedSignaturesAreLeftInPeace(t *testing.T) {
	all := theIssuer()
	inner := honest(all.other)
	inner.uri = "#_a1"
	doc := strings.Replace(message, `<saml:Subject>`, inner.signature(t, message)+`<saml:Subject>`, 1)
	got, err := Verify(parse(t, honest(all.rsa).signed(t, doc)), []*x509.Certificate{all.rsa.cert})
	if err != nil {
		t.Fatal(err)
	}
	if !Signed(Child(got, nsAssertion, "Assertion")) {
		t.Error("the assertion lost its own signature")
	}
}

// Verify does not lean on Parse alone.
func TestVerifyOfATreeThatWasNotParsedHere(t *testing.T) {
	all := theIssuer()
	doc := honest(all.rsa).signed(t, strings.Replace(message, ` ID="_r1"`, ` saml:ID="_other" ID="_r1"`, 1))
	tree := etree.NewDocument()
	if err := tree.ReadFromString(doc); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(tree.Root(), []*x509.Certificate{all.rsa.cert}); check(err) != "id" {
		t.Errorf("refused at %q", check(err))
	}
}

func TestUsable(t *testing.T) {
	all := theIssuer()
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cert *x509.Certificate
		ok   bool
	}{
		"RSA 2048": {all.rsa.cert, true},
		"P-256":    {all.p256.cert, true},
		"P-521":    {all.p521.cert, true},
		"RSA 1024": {all.weak.cert, false},
		"P-224":    {around(t, p224, "p224", time.Now(), time.Now()), false},
		"Ed25519":  {around(t, ed, "ed", time.Now(), time.Now()), false},
	} {
		if err := Usable(c.cert); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhiteSpaceInValues(t *testing.T) {
	all := theIssuer()
	doc := honest(all.rsa).signed(t, message)
	at := strings.Index(doc, "<ds:SignatureValue>") + len("<ds:SignatureValue>")
	doc = doc[:at] + "\n    " + doc[at:at+20] + "\t\n " + doc[at+20:]
	if _, err := Verify(parse(t, doc), []*x509.Certificate{all.rsa.cert}); err != nil {
		t.Error(err)
	}
}

// Some programs declare the signature's prefix outside of the signature.
func TestPrefixDeclaredOutside(t *testing.T) {
	all := theIssuer()
	f := honest(all.rsa)
	f.extra = `<ds:KeyInfo><ds:KeyName>x</ds:KeyName></ds:KeyInfo>`
	doc := strings.ReplaceAll(f.signed(t, message), ` xmlns:ds="`+nsDS+`"`, "")
	doc = strings.Replace(doc, " ID=", ` xmlns:ds="`+nsDS+`" ID=`, 1)
	if _, err := Verify(parse(t, doc), []*x509.Certificate{all.rsa.cert}); err != nil {
		t.Error(err)
	}
}

func TestDetached(t *testing.T) {
	all := theIssuer()
	inner := honest(all.rsa).signed(t, strings.Replace(assertion, ` xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"`, ` xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xs="urn:inner"`, 1))
	inner = strings.Replace(inner, ` xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"`, "", 1)
	outer := parse(t, `<a xmlns="urn:a" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xs="urn:outer">`+inner+`</a>`)
	out := Bytes(Detach(outer.ChildElements()[0]))
	root := parse(t, string(out))
	if v := root.SelectAttrValue("xmlns:xs", ""); v != "urn:inner" {
		t.Errorf("xs means %q", v)
	}
	if _, err := Verify(root, []*x509.Certificate{all.rsa.cert}); err != nil {
		t.Error(err)
	}
}

func TestPanicsAreContained(t *testing.T) {
	all := theIssuer()
	doc := parse(t, honest(all.rsa).signed(t, message))
	broken := &x509.Certificate{PublicKeyAlgorithm: x509.RSA, PublicKey: &rsa.PublicKey{}}
	if _, err := Verify(doc, []*x509.Certificate{broken}); check(err) != "panic" && check(err) != "key" {
		t.Errorf("refused at %q", check(err))
	}
	if err := Sign(parse(t, message), nil, nil); check(err) != "panic" {
		t.Errorf("refused at %q", check(err))
	}
}

func TestSign(t *testing.T) {
	all := theIssuer()
	t.Run("metadata is signed first", func(t *testing.T) {
		el := parse(t, `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" ID="_m"><md:Organization/></md:EntityDescriptor>`)
		if err := Sign(el, all.rsa.key, nil); err != nil {
			t.Fatal(err)
		}
		sig := el.ChildElements()[0]
		if !Is(sig, nsDS, "Signature") || Child(sig, nsDS, "KeyInfo") != nil {
			t.Error("the signature is not first, or names a key")
		}
		if _, err := Verify(parse(t, string(Bytes(el))), []*x509.Certificate{all.rsa.cert}); err != nil {
			t.Error(err)
		}
	})
	t.Run("twice", func(t *testing.T) {
		el := parse(t, string(signed(t, message, all.rsa)))
		if err := Sign(el, all.rsa.key, nil); check(err) != "signature-count" {
			t.Errorf("refused at %q", check(err))
		}
	})
	t.Run("without ID", func(t *testing.T) {
		if err := Sign(parse(t, `<a xmlns="urn:d"/>`), all.rsa.key, nil); check(err) != "id" {
			t.Errorf("refused at %q", check(err))
		}
	})
}

// The two forms of an ECDSA signature, for numbers that are shorter than the curve.
func TestECDSAForms(t *testing.T) {
	key := theIssuer().p521.key.Public().(*ecdsa.PublicKey)
	der, err := asn1.Marshal(ecdsaSignature{big.NewInt(1), big.NewInt(256)})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := fromDER(der, key)
	if err != nil || len(plain) != 132 {
		t.Fatalf("%d bytes, %v", len(plain), err)
	}
	back, err := toDER(plain, key)
	if err != nil || !bytes.Equal(back, der) {
		t.Errorf("%x, %v, want %x", back, err, der)
	}
	for name, b := range map[string][]byte{"empty": nil, "long": make([]byte, 133), "short": make([]byte, 131)} {
		if _, err := toDER(b, key); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := fromDER(append(der, 0), key); err == nil {
		t.Error("something behind the signature: accepted")
	}
}

// FuzzVerify: the key has signed these documents and no other, so whatever
// verifies is one of them.
func FuzzVerify(f *testing.F) {
	// The same key in each of the processes that the fuzzer starts.
	scalar := sha256.Sum256([]byte("the fuzzer's key"))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar[:])
	if err != nil {
		f.Fatal(err)
	}
	by := pair{key, around(f, key, "fuzz", time.Now(), time.Now().Add(time.Hour))}
	known := map[string]bool{}
	for _, doc := range []string{message, assertion} {
		tree := etree.NewDocument()
		if err := tree.ReadFromString(doc); err != nil {
			f.Fatal(err)
		}
		canonical, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("").Canonicalize(tree.Root())
		if err != nil {
			f.Fatal(err)
		}
		known[string(canonical)] = true
		raw := string(signed(f, doc, by))
		sig := raw[strings.Index(raw, "<ds:Signature"):strings.Index(raw, "</ds:Signature>")] + "</ds:Signature>"
		for _, seed := range []string{
			raw, into(evil(doc, "_evil"), inObject(sig, doc)), into(evil(doc, "_evil"), sig+doc),
			strings.Replace(raw, "</ds:Signature>", "</ds:Signature>"+evil(doc, "_evil"), 1),
			response(raw, evil(assertion, "_evil2")), strings.Replace(raw, "#_r1", "", 1),
		} {
			f.Add([]byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		root, err := Parse(raw, limit)
		if err != nil {
			if check(err) == "panic" {
				t.Error("Parse panics")
			}
			return
		}
		got, err := Verify(root, []*x509.Certificate{by.cert})
		if check(err) == "panic" {
			t.Error("Verify panics")
		}
		if err != nil {
			return
		}
		if !known[string(Bytes(got))] {
			t.Errorf("verified what was never signed:\n%s", Bytes(got))
		}
	})
}
