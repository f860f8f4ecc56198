package bankid

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/providers"
	"sigill/providers/personnummer"
)

// The tests of this file make evidence from nothing, with a small hierarchy of
// their own, so that each single thing about it can be made wrong while all the
// rest stays right.

func mustNumber(digits string) personnummer.Number {
	n, err := personnummer.FromDigits(digits)
	if err != nil {
		panic(err)
	}
	return n
}

var (
	personOne = mustNumber("198006299252")
	personTwo = mustNumber("199003142396")
)

// rsaKeys hands out test keys by name; making them is what costs time.
var rsaKeys = struct {
	sync.Mutex
	m map[string]*rsa.PrivateKey
}{m: map[string]*rsa.PrivateKey{}}

func keyOf(name string, bits int) *rsa.PrivateKey {
	rsaKeys.Lock()
	defer rsaKeys.Unlock()
	id := fmt.Sprint(name, bits)
	if rsaKeys.m[id] == nil {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		rsaKeys.m[id] = k
	}
	return rsaKeys.m[id]
}

type authority struct {
	cert *x509.Certificate
	key  *rsa.PrivateKey
}

var serials struct {
	sync.Mutex
	n int64
}

func issue(template *x509.Certificate, key *rsa.PrivateKey, by authority) *x509.Certificate {
	serials.Lock()
	serials.n++
	template.SerialNumber = big.NewInt(1000 + serials.n)
	serials.Unlock()
	parent, signer := by.cert, by.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		panic(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return c
}

func caTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject:               pkix.Name{Country: []string{"SE"}, Organization: []string{"Testutgivaren"}, CommonName: name},
		NotBefore:             testTime.AddDate(-5, 0, 0),
		NotAfter:              testTime.AddDate(5, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SignatureAlgorithm:    x509.SHA512WithRSA,
	}
}

var testTime = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// hierarchy is a root, a bank and its customer CA.
type hierarchy struct {
	root, bank, customer authority
	responder            authority
}

func newHierarchy(name string, bits int) hierarchy {
	var h hierarchy
	h.root.key = keyOf(name+" root", bits)
	h.root.cert = issue(caTemplate(name+" Root CA"), h.root.key, authority{})
	h.bank.key = keyOf(name+" bank", bits)
	h.bank.cert = issue(caTemplate(name+" Bank CA"), h.bank.key, h.root)
	h.customer.key = keyOf(name+" customer", bits)
	h.customer.cert = issue(caTemplate(name+" Customer CA"), h.customer.key, h.bank)
	h.responder.key = keyOf(name+" responder", min(bits, 2048))
	h.responder.cert = issue(responderTemplate(), h.responder.key, h.customer)
	return h
}

func responderTemplate() *x509.Certificate {
	return &x509.Certificate{
		Subject:     pkix.Name{Country: []string{"SE"}, CommonName: "Test Customer CA OCSP Signing"},
		NotBefore:   testTime.AddDate(0, -1, 0),
		NotAfter:    testTime.AddDate(0, 5, 0),
		KeyUsage:    x509.KeyUsageContentCommitment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
	}
}

const (
	testMobile = "1.2.3.4.25"
	testFile   = "1.2.3.4.5"
	testCard   = "1.2.3.4.10"
)

func leafTemplate(number string, kind providers.Kind) *x509.Certificate {
	usage := x509.KeyUsageDigitalSignature
	if kind == providers.KindSign {
		usage = x509.KeyUsageContentCommitment
	}
	return &x509.Certificate{
		Subject: pkix.Name{
			Country: []string{"SE"}, Organization: []string{"Testutgivaren"},
			SerialNumber: number, CommonName: "Testperson Ett",
			ExtraNames: []pkix.AttributeTypeAndValue{
				{Type: asn1.ObjectIdentifier{2, 5, 4, 4}, Value: "Ett"},
				{Type: asn1.ObjectIdentifier{2, 5, 4, 42}, Value: "Testperson"},
			},
		},
		NotBefore: testTime.AddDate(-1, 0, 0),
		NotAfter:  testTime.AddDate(1, 0, 0),
		KeyUsage:  usage,
		Policies:  []x509.OID{oid(testMobile)},
	}
}

func oid(s string) x509.OID {
	o, err := x509.ParseOID(s)
	if err != nil {
		panic(err)
	}
	return o
}

const (
	uri2001C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
	uriSHA256   = "http://www.w3.org/2001/04/xmlenc#sha256"
)

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// A forge makes one piece of evidence. A fresh one makes good evidence; a test
// changes what it wants wrong.
type forge struct {
	pki     hierarchy
	kind    providers.Kind
	text    string
	markup  providers.Markup
	binding []byte

	leaf    *x509.Certificate // template
	leafKey *rsa.PrivateKey
	signKey *rsa.PrivateKey     // default: leafKey
	chain   []*x509.Certificate // above the leaf, as sent

	user          user
	device        device
	uhi           string
	function      string
	conditions    []condition
	rpName        string
	rpDisplayName string
	charset       string
	format        string

	canonical  string
	method     string
	transform  string
	digest     string
	references func(data, key string) string // nil: as the profile says

	editData func(string) string // before it is digested
	editKey  func(string) string // before it is digested
	editInfo func(string) string // before it is signed
	editDoc  func(string) string // after all
	editB64  func(string) string // of the whole document, before the OCSP nonce
	afterB64 func(string) string // after the OCSP answer

	producedAt time.Time
	thisUpdate time.Time
	nextUpdate time.Time
	single     func(*ocspSingle)
	data       func(*ocspData)
	nonce      func(transmitted string) []pkix.Extension
	responder  authority
	noResp     bool
	ocspHash   crypto.Hash
	editOCSP   func([]byte) []byte
}

func newForge(pki hierarchy, kind providers.Kind) *forge {
	f := &forge{
		pki: pki, kind: kind,
		text: "Logga in på Provköpings e-tjänster", binding: []byte("0123456789abcdef0123456789abcdef"),
		leaf: leafTemplate(personOne.Digits(), kind), leafKey: keyOf("leaf", 2048),
		chain:  []*x509.Certificate{pki.customer.cert, pki.bank.cert},
		user:   user{PersonalNumber: personOne.Digits(), Name: "TESTPERSON  ETT", GivenName: "Testperson", Surname: "Ett"},
		device: device{IPAddress: "192.0.2.7"}, uhi: b64([]byte("device-hardware-id-xx")),
		function: "Identification", conditions: []condition{{"CertificatePolicies", testMobile}},
		rpName: "cn=Provköpings kommun,name=Provköping,serialNumber=5566304928,o=Testbanken,c=SE", rpDisplayName: "Provköping",
		charset: "UTF-8", canonical: uri2001C14N, method: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
		transform: uri2001C14N, digest: uriSHA256,
		producedAt: testTime, thisUpdate: testTime, responder: pki.responder, ocspHash: crypto.SHA256,
	}
	f.device.UHI = f.uhi
	if kind == providers.KindSign {
		f.text, f.function = "Jag ansöker om *skolskjuts*", "Signing"
		f.markup = providers.SimpleMarkdownV1
		f.format = string(f.markup)
	}
	return f
}

// expected is what honest evidence of this kind must prove.
func expected(kind providers.Kind) providers.Expected {
	f := newForge(hierarchy{}, kind)
	return providers.Expected{
		Kind: kind, Text: f.text, Markup: f.markup, Binding: f.binding, Number: personOne,
		Started: testTime.Add(-20 * time.Second), Ended: testTime.Add(3 * time.Second),
	}
}

func (f *forge) trust() Trust {
	return Trust{
		Roots: []*x509.Certificate{f.pki.root.cert}, Policies: []string{testMobile, testFile},
		RelyingParties: []RelyingParty{{DisplayName: "Provköping", Name: "c=SE,o=Testbanken,serialNumber=5566304928,name=Provköping,CN=Provköpings kommun"}},
		Provider:       providers.MBankID,
	}
}

func edit(f func(string) string, s string) string {
	if f == nil {
		return s
	}
	return f(s)
}

func element(name, content string) string { return "<" + name + ">" + content + "</" + name + ">" }

func (f *forge) make() evidence {
	leaf := issue(f.leaf, f.leafKey, f.pki.customer)

	var d strings.Builder
	d.WriteString(`<bankIdSignedData xmlns="http://www.bankid.com/signature/v1.0.0/types" Id="bidSignedData">`)
	if f.text != "" {
		format := ""
		if f.format != "" {
			format = ` format="` + f.format + `"`
		}
		d.WriteString(`<usrVisibleData charset="` + f.charset + `"` + format + ` visible="wysiwys">` + b64([]byte(f.text)) + `</usrVisibleData>`)
	}
	if f.binding != nil {
		d.WriteString(element("usrNonVisibleData", b64(f.binding)))
	}
	conditions := ""
	for _, c := range f.conditions {
		conditions += element("condition", element("type", c.typ)+element("value", c.value))
	}
	d.WriteString(element("srvInfo", element("name", b64([]byte(f.rpName)))+element("nonce", b64([]byte("twenty random bytes!")))+element("displayName", b64([]byte(f.rpDisplayName)))))
	d.WriteString(element("clientInfo", element("funcId", f.function)+element("version", b64([]byte("7.40.0")))+
		element("env", element("ai", element("type", b64([]byte("ANDROID")))+element("deviceInfo", b64([]byte("15")))+
			element("uhi", f.uhi)+element("fsib", "0")+element("utb", "cs1")+element("requirement", conditions)+element("uauth", "pw")))))
	d.WriteString("</bankIdSignedData>")
	data := edit(f.editData, d.String())

	certs := element("X509Certificate", b64(leaf.Raw))
	for _, c := range f.chain {
		certs += element("X509Certificate", b64(c.Raw))
	}
	keyInfo := edit(f.editKey, `<KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#" Id="bidKeyInfo"><X509Data>`+certs+`</X509Data></KeyInfo>`)

	references := f.references
	if references == nil {
		references = func(data, key string) string {
			return f.reference(` Type="http://www.bankid.com/signature/v1.0.0/types" URI="#bidSignedData"`, data) +
				f.reference(` URI="#bidKeyInfo"`, key)
		}
	}
	info := edit(f.editInfo, `<SignedInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><CanonicalizationMethod Algorithm="`+f.canonical+`"></CanonicalizationMethod>`+
		`<SignatureMethod Algorithm="`+f.method+`"></SignatureMethod>`+references(data, keyInfo)+`</SignedInfo>`)
	sum := sha256.Sum256([]byte(info))
	signKey := f.signKey
	if signKey == nil {
		signKey = f.leafKey
	}
	value, err := rsa.SignPKCS1v15(rand.Reader, signKey, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	doc := edit(f.editDoc, `<?xml version="1.0" encoding="UTF-8" standalone="no"?><Signature xmlns="http://www.w3.org/2000/09/xmldsig#">`+
		info+element("SignatureValue", b64(value))+keyInfo+"<Object>"+data+"</Object></Signature>")
	transmitted := edit(f.editB64, b64([]byte(doc)))

	return evidence{
		Version: 1, Environment: "test", RelyingParty: "Provköping", OrderRef: "order-1",
		completionData: completionData{
			User: f.user, Device: f.device, BankIDIssueDate: "2025-08-09Z",
			OCSPResponse: b64(f.answer(leaf, transmitted)),
			Signature:    edit(f.afterB64, transmitted),
		},
	}
}

func (f *forge) reference(attributes, part string) string {
	sum := sha256.Sum256([]byte(part))
	return `<Reference` + attributes + `><Transforms><Transform Algorithm="` + f.transform + `"></Transform></Transforms>` +
		`<DigestMethod Algorithm="` + f.digest + `"></DigestMethod>` + element("DigestValue", b64(sum[:])) + `</Reference>`
}

func nonceExtension(value []byte) []pkix.Extension {
	return []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}, Critical: true, Value: value}}
}

func honestNonce(transmitted string) []byte {
	sum := sha1.Sum([]byte(transmitted))
	return append(sum[:], "12 random by"...)
}

func publicKeyBits(c *x509.Certificate) []byte {
	var spki struct {
		A pkix.AlgorithmIdentifier
		K asn1.BitString
	}
	if _, err := asn1.Unmarshal(c.RawSubjectPublicKeyInfo, &spki); err != nil {
		panic(err)
	}
	return spki.K.Bytes
}

func (f *forge) answer(leaf *x509.Certificate, transmitted string) []byte {
	must := func(v any) []byte {
		b, err := asn1.Marshal(v)
		if err != nil {
			panic(err)
		}
		return b
	}
	name, key := sha1.Sum(f.pki.customer.cert.RawSubject), sha1.Sum(publicKeyBits(f.pki.customer.cert))
	single := ocspSingle{
		ID: ocspCertID{
			Algorithm: pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, Parameters: asn1.NullRawValue},
			NameHash:  name[:], KeyHash: key[:], Serial: leaf.SerialNumber,
		},
		Good: true, ThisUpdate: f.thisUpdate, NextUpdate: f.nextUpdate,
	}
	if f.single != nil {
		f.single(&single)
	}
	d := ocspData{
		Responder:  asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, IsCompound: true, Bytes: f.responder.cert.RawSubject},
		ProducedAt: f.producedAt, Responses: []ocspSingle{single},
		Extensions: nonceExtension(honestNonce(transmitted)),
	}
	if f.nonce != nil {
		d.Extensions = f.nonce(transmitted)
	}
	if f.data != nil {
		f.data(&d)
	}
	algorithm := map[crypto.Hash]asn1.ObjectIdentifier{
		crypto.SHA256: {1, 2, 840, 113549, 1, 1, 11}, crypto.SHA1: {1, 2, 840, 113549, 1, 1, 5},
	}[f.ocspHash]
	h := f.ocspHash.New()
	h.Write(must(d))
	value, err := rsa.SignPKCS1v15(rand.Reader, f.responder.key, f.ocspHash, h.Sum(nil))
	if err != nil {
		panic(err)
	}
	b := ocspBasic{
		Data: d, Algorithm: pkix.AlgorithmIdentifier{Algorithm: algorithm, Parameters: asn1.NullRawValue},
		Signature: asn1.BitString{Bytes: value, BitLength: 8 * len(value)},
	}
	if !f.noResp {
		b.Certificates = []asn1.RawValue{{FullBytes: f.responder.cert.Raw}}
	}
	der := must(ocspResponse{Response: ocspResponseBytes{Type: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}, Response: must(b)}})
	if f.editOCSP != nil {
		der = f.editOCSP(der)
	}
	return der
}

func (f *forge) seal(t testing.TB) providers.Evidence {
	t.Helper()
	e, err := f.make().seal()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// home is the hierarchy that the tests trust, foreign one that they do not.
var (
	home    = sync.OnceValue(func() hierarchy { return newHierarchy("Sigill Test", 2048) })
	foreign = sync.OnceValue(func() hierarchy { return newHierarchy("Other Test", 2048) })
)

// rpCertificate is a relying party's certificate, for the TLS of the tests.
func rpCertificate() tls.Certificate {
	key := keyOf("rp", 2048)
	c := issue(&x509.Certificate{
		Subject: pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
			{Type: asn1.ObjectIdentifier{2, 5, 4, 6}, Value: "SE"},
			{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "Testbanken"},
			{Type: asn1.ObjectIdentifier{2, 5, 4, 5}, Value: "5566304928"},
			{Type: asn1.ObjectIdentifier{2, 5, 4, 41}, Value: "Provköping"},
			{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "Provköpings kommun"},
		}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}, key, authority{})
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key, Leaf: c}
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
