package freja

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"sigill/providers"
	"sigill/providers/personnummer"
)

// This file makes evidence from nothing, with a small hierarchy of its own, so that
// each single thing about it can be made wrong while all the rest stays right.

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
	testTime  = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
)

const (
	testText      = "Jag ansöker om bygglov <för> \"ett\" hus & en bod.\nProvköping"
	testReference = "cHJvdi1yZWZlcmVucy1tZWQtc2V4dGlvZnlyYS10ZWNrZW4tZm9yLWVuLW9yZGVy"
)

var testBinding = []byte("0123456789abcdef0123456789abcdef")

// rsaKeys hands out test keys by name; making them is what costs time.
var rsaKeys = struct {
	sync.Mutex
	m map[string]*rsa.PrivateKey
}{m: map[string]*rsa.PrivateKey{}}

func keyOf(name string, bits int) *rsa.PrivateKey {
	rsaKeys.Lock()
	defer rsaKeys.Unlock()
	if rsaKeys.m[name] == nil {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		rsaKeys.m[name] = k
	}
	return rsaKeys.m[name]
}

type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

var serial atomic.Int64

// issue makes a certificate; by nobody means by itself.
func issue(template *x509.Certificate, key crypto.Signer, by authority) authority {
	template.SerialNumber = big.NewInt(1000 + serial.Add(1))
	parent, signer := by.cert, by.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		panic(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return authority{c, key}
}

func caTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject:   pkix.Name{Country: []string{"SE"}, Organization: []string{"Provutgivaren"}, CommonName: name},
		NotBefore: testTime.AddDate(-5, 0, 0), NotAfter: testTime.AddDate(5, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

func jwsTemplate() *x509.Certificate {
	return &x509.Certificate{
		Subject:   pkix.Name{Country: []string{"SE"}, Organization: []string{"Provutgivaren"}, CommonName: "Prov JWS Signing v1"},
		NotBefore: testTime.AddDate(-1, 0, 0), NotAfter: testTime.AddDate(2, 0, 0),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
	}
}

func userTemplate(serial string) *x509.Certificate {
	return &x509.Certificate{
		Subject:   pkix.Name{Country: []string{"SE"}, CommonName: "Testperson Ett", SerialNumber: serial},
		NotBefore: testTime.AddDate(-1, 0, 0), NotAfter: testTime.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageContentCommitment,
	}
}

// world is a hierarchy like Freja's.
type world struct {
	root, issuing, jws authority
	userCA, user       authority
	userEC             authority
	responder          authority
}

func newWorld(name string, rootBits int) world {
	var w world
	w.root = issue(caTemplate(name+" Root CA"), keyOf(name+" root", rootBits), authority{})
	w.issuing = issue(caTemplate(name+" Issuing CA"), keyOf(name+" issuing", rootBits), w.root)
	w.jws = issue(jwsTemplate(), keyOf(name+" jws", 2048), w.issuing)
	w.userCA = issue(caTemplate(name+" User CA"), keyOf(name+" user ca", 2048), w.root)
	w.user = issue(userTemplate("PNOSE-"+personOne.Digits()), keyOf(name+" user", 2048), w.userCA)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	w.userEC = issue(userTemplate(""), ec, w.userCA)
	w.responder = issue(&x509.Certificate{
		Subject:   pkix.Name{CommonName: name + " OCSP"},
		NotBefore: testTime.AddDate(0, -1, 0), NotAfter: testTime.AddDate(0, 5, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
	}, keyOf(name+" responder", 2048), w.userCA)
	return w
}

var (
	home   = sync.OnceValue(func() world { return newWorld("Prov", 2048) })
	abroad = sync.OnceValue(func() world { return newWorld("Främmande", 2048) })
)

var rpCertificate = sync.OnceValue(func() tls.Certificate { return rpNamed("rp") })

func rpNamed(key string) tls.Certificate {
	a := issue(&x509.Certificate{
		Subject:   pkix.Name{CommonName: "Provköpings kommun"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
	}, keyOf(key, 2048), authority{})
	return tls.Certificate{Certificate: [][]byte{a.cert.Raw}, PrivateKey: a.key, Leaf: a.cert}
}

func b64(b []byte) string  { return base64.StdEncoding.EncodeToString(b) }
func b64u(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func jsonOf(v any) []byte {
	b, err := plainJSON(v)
	if err != nil {
		panic(err)
	}
	return b
}

type dict = map[string]any

// forge makes one JWS and the evidence around it. A fresh one makes good evidence; a
// test changes what it wants wrong.
type forge struct {
	world   world
	kind    providers.Kind
	header  dict
	payload dict
	// attributes go into the payload.
	attributes dict
	signer     crypto.Signer
	signature  func([]byte) []byte // changes it
	segments   func([]string) []string

	// Of signatures: the person's own.
	innerHeader  dict
	innerPayload dict
	innerSigner  crypto.Signer
	inner        func(string) string // changes it
	status       ocsp.Response
	producedAt   time.Time
	statusBy     authority
	statusIssuer *x509.Certificate
	answer       func([]byte) []byte // changes it
	data         func(dict)          // changes signatureData
}

func newForge(w world, kind providers.Kind) *forge {
	f := &forge{
		world: w, kind: kind,
		header: dict{"alg": "RS256", "x5t": thumbprint(w.jws.cert)},
		payload: dict{
			"status": "APPROVED", "userInfoType": "INFERRED", "userInfo": "N/A",
			"minRegistrationLevel": "PLUS", "timestamp": testTime.UnixMilli(),
		},
		attributes: dict{
			"basicUserInfo":     dict{"name": "Testperson", "surname": "Ett"},
			"ssn":               dict{"country": "SE", "ssn": personOne.Digits()},
			"registrationLevel": "PLUS",
		},
		signer: w.jws.key,
	}
	if kind == providers.KindAuth {
		f.payload["authRef"] = testReference
		return f
	}
	f.payload["signRef"] = testReference
	f.payload["signatureType"] = "EXTENDED"
	f.innerHeader = dict{"alg": "RS256", "kid": "nyckel-1"}
	f.innerPayload = dict{"text": testText, "binaryData": b64(testBinding)}
	f.innerSigner = w.user.key
	f.status = ocsp.Response{
		Status: ocsp.Good, SerialNumber: w.user.cert.SerialNumber, Certificate: w.responder.cert,
		ThisUpdate: testTime.Add(-time.Second), NextUpdate: testTime.Add(time.Hour),
	}
	f.producedAt, f.statusBy, f.statusIssuer = testTime, w.responder, w.userCA.cert
	return f
}

// known lets the person's signature bring its certificate.
func (f *forge) known() {
	f.innerHeader["x5c"] = []string{b64(f.world.user.cert.Raw), b64(f.world.userCA.cert.Raw)}
}

// elliptic lets the person sign with the other kind of key.
func (f *forge) elliptic() {
	f.innerHeader["alg"] = "ES256"
	f.innerHeader["x5c"] = []string{b64(f.world.userEC.cert.Raw), b64(f.world.userCA.cert.Raw)}
	f.innerSigner = f.world.userEC.key
	f.status.SerialNumber = f.world.userEC.cert.SerialNumber
}

func sign(key crypto.Signer, signed string) []byte {
	sum := sha256.Sum256([]byte(signed))
	if ec, ok := key.(*ecdsa.PrivateKey); ok {
		r, s, err := ecdsa.Sign(rand.Reader, ec, sum[:])
		if err != nil {
			panic(err)
		}
		both := make([]byte, 64)
		r.FillBytes(both[:32])
		s.FillBytes(both[32:])
		return both
	}
	sig, err := key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		panic(err)
	}
	return sig
}

func compact(header, payload []byte, key crypto.Signer, change func([]byte) []byte) string {
	signed := b64u(header) + "." + b64u(payload)
	sig := sign(key, signed)
	if change != nil {
		sig = change(sig)
	}
	return signed + "." + b64u(sig)
}

// produced puts another time into an OCSP answer and signs it anew: x/crypto writes
// the time of now, and the tests live in another one.
func produced(der []byte, at time.Time, key crypto.Signer) []byte {
	var outer struct {
		Status   asn1.Enumerated
		Response struct {
			Type asn1.ObjectIdentifier
			Data []byte
		} `asn1:"explicit,tag:0"`
	}
	var basic struct {
		Data      asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
		Certs     []asn1.RawValue `asn1:"explicit,tag:0,optional"`
	}
	must := func(_ []byte, err error) {
		if err != nil {
			panic(err)
		}
	}
	must(asn1.Unmarshal(der, &outer))
	must(asn1.Unmarshal(outer.Response.Data, &basic))
	i := bytes.Index(basic.Data.FullBytes, []byte("\x18\x0f")) // the first GeneralizedTime
	copy(basic.Data.FullBytes[i+2:], at.UTC().Format("20060102150405Z"))
	signature := sign(key, string(basic.Data.FullBytes))
	basic.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	var err error
	outer.Response.Data, err = asn1.Marshal(basic)
	must(nil, err)
	der, err = asn1.Marshal(outer)
	must(nil, err)
	return der
}

func (f *forge) jws() string {
	payload := maps.Clone(f.payload)
	payload["requestedAttributes"] = f.attributes
	if f.kind == providers.KindSign {
		inner := compact(jsonOf(f.innerHeader), jsonOf(f.innerPayload), f.innerSigner, nil)
		if f.inner != nil {
			inner = f.inner(inner)
		}
		f.status.IssuerHash = crypto.SHA1
		der, err := ocsp.CreateResponse(f.statusIssuer, f.statusBy.cert, f.status, f.statusBy.key)
		if err != nil {
			panic(err)
		}
		der = produced(der, f.producedAt, f.statusBy.key)
		if f.answer != nil {
			der = f.answer(der)
		}
		data := dict{"userSignature": inner, "certificateStatus": b64(der)}
		if f.data != nil {
			f.data(data)
		}
		payload["signatureData"] = data
	}
	jws := compact(jsonOf(f.header), jsonOf(payload), f.signer, f.signature)
	if f.segments != nil {
		jws = strings.Join(f.segments(strings.Split(jws, ".")), ".")
	}
	return jws
}

func (f *forge) evidence() evidence {
	return evidence{
		Version: evidenceVersion, Environment: "prov", Reference: testReference, UserInfo: "INFERRED",
		Started: testTime.Add(-20 * time.Second), Collected: testTime.Add(2 * time.Second), JWS: f.jws(),
		Certificates: [][]byte{f.world.jws.cert.Raw, f.world.issuing.cert.Raw},
	}
}

func expected(kind providers.Kind) providers.Expected {
	e := providers.Expected{
		Kind: kind, Binding: testBinding, Number: personOne,
		Started: testTime.Add(-20 * time.Second), Ended: testTime.Add(2 * time.Second),
	}
	if kind == providers.KindSign {
		e.Text = testText
	}
	return e
}

func trusted() Trust {
	return Trust{Roots: []*x509.Certificate{home().root.cert}, Certificates: []*x509.Certificate{home().jws.cert}}
}

func seal(t testing.TB, e evidence) providers.Evidence {
	t.Helper()
	sealed, err := e.seal()
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// doubled is JSON in which a member stands twice.
func doubled(v any, name string, again any) json.RawMessage {
	whole := jsonOf(v)
	return json.RawMessage(string(whole[:len(whole)-1]) + "," + string(jsonOf(name)) + ":" + string(jsonOf(again)) + "}")
}
