package saml

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	_ "crypto/sha512" // SHA-384 and SHA-512 of requests
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"slices"
	"strings"
)

// A signer is a key with the certificate that contains it.
type signer struct {
	key  crypto.Signer // *rsa.PrivateKey or *ecdsa.PrivateKey
	cert *x509.Certificate
}

// A seal says how an element is signed. The zero value of all but by is right.
type seal struct {
	by         signer
	method     string   // default RSA-SHA256, or ECDSA-SHA256 by the key
	digest     string   // default SHA-256
	c14n       string   // default exclusive
	transforms []string // further ones
	inclusive  bool     // names xs in InclusiveNamespaces
	noKeyInfo  bool
	der        bool                                 // an ECDSA value in DER, against the standard
	uri        *string                              // default the element's ID
	references func(reference *node) (kids []*node) // default the one
	bend       func(signature *node)                // what is changed afterwards
}

// sign signs an element with an ID and puts the signature into it at a place.
func (s *seal) sign(n *node, at int) error {
	if s == nil {
		return nil
	}
	method, digest, c14n, uri := s.method, s.digest, s.c14n, "#"+n.attr("ID")
	if method == "" {
		method = algRSASHA256
		if _, ok := s.by.key.(*ecdsa.PrivateKey); ok {
			method = algECDSASHA256
		}
	}
	if digest == "" {
		digest = algSHA256
	}
	if c14n == "" {
		c14n = algExclusive
	}
	if s.uri != nil {
		uri = *s.uri
	}
	var inclusive []string
	transform := func(algorithm string) *node {
		t := el("ds:Transform", "Algorithm", algorithm)
		switch {
		case algorithm == algXPath:
			t.add(el("ds:XPath").say("not(ancestor-or-self::ds:Signature)"))
		case algorithm == c14n && s.inclusive:
			inclusive = []string{"xs"}
			t.add(el("ec:InclusiveNamespaces", "PrefixList", "xs"))
		}
		return t
	}
	transforms := el("ds:Transforms").add(transform(algEnveloped))
	for _, t := range s.transforms {
		transforms.add(transform(t))
	}
	transforms.add(transform(c14n))
	hashed := newHash(digest)
	hashed.Write(n.canonical(inclusive...))
	reference := el("ds:Reference", "URI", uri).add(transforms,
		el("ds:DigestMethod", "Algorithm", digest),
		el("ds:DigestValue").say(base64.StdEncoding.EncodeToString(hashed.Sum(nil))))
	info := el("ds:SignedInfo").add(
		el("ds:CanonicalizationMethod", "Algorithm", c14n), el("ds:SignatureMethod", "Algorithm", method))
	if s.references != nil {
		info.add(s.references(reference)...)
	} else {
		info.add(reference)
	}
	value, err := s.by.value(method, info.canonical())
	if err != nil {
		return err
	}
	if s.der {
		value = derOf(value)
	}
	signature := el("ds:Signature").add(info, el("ds:SignatureValue").say(base64.StdEncoding.EncodeToString(value)))
	if !s.noKeyInfo {
		signature.add(keyInfo(s.by.cert))
	}
	if s.bend != nil {
		s.bend(signature)
	}
	n.insert(at, signature)
	return nil
}

func keyInfo(cert *x509.Certificate) *node {
	return el("ds:KeyInfo").add(el("ds:X509Data").add(
		el("ds:X509Certificate").say(base64.StdEncoding.EncodeToString(cert.Raw))))
}

// newHash is the function of a digest; nil when it is not known.
func newHash(algorithm string) hash.Hash {
	switch algorithm {
	case algSHA1:
		return sha1.New()
	case algSHA256:
		return sha256.New()
	case algSHA384:
		return crypto.SHA384.New()
	case algSHA512:
		return crypto.SHA512.New()
	}
	return nil
}

// value signs octets. An ECDSA signature is r and s side by side.
func (s signer) value(method string, octets []byte) ([]byte, error) {
	sum := sha256.Sum256(octets)
	var value []byte
	var err error
	switch key := s.key.(type) {
	case *ecdsa.PrivateKey:
		var r, t *big.Int
		if r, t, err = ecdsa.Sign(rand.Reader, key, sum[:]); err == nil {
			value = append(r.FillBytes(make([]byte, 32)), t.FillBytes(make([]byte, 32))...)
		}
	case *rsa.PrivateKey:
		switch method {
		case algRSASHA1:
			old := sha1.Sum(octets)
			value, err = rsa.SignPKCS1v15(nil, key, crypto.SHA1, old[:])
		case algHMACSHA256:
			mac := hmac.New(sha256.New, s.cert.RawSubjectPublicKeyInfo)
			mac.Write(octets)
			value = mac.Sum(nil)
		default:
			value, err = rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
		}
	default:
		err = errors.New("no such key")
	}
	if err != nil {
		return nil, fmt.Errorf("saml: sign: %w", err)
	}
	return value, nil
}

// derOf writes r and s as ASN.1 does.
func derOf(value []byte) []byte {
	n := len(value) / 2
	der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(value[:n]), new(big.Int).SetBytes(value[n:])})
	if err != nil {
		return value
	}
	return der
}

// derived is an elliptic key that belongs to an RSA key: the cache keeps only
// those.
func derived(from signer) (signer, error) {
	secret, ok := from.key.(*rsa.PrivateKey)
	if !ok {
		return signer{}, errors.New("saml: key: not RSA")
	}
	sum := sha256.Sum256(append([]byte("ecdsa\x00"), secret.D.Bytes()...))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), sum[:])
	if err != nil {
		return signer{}, fmt.Errorf("saml: key: %w", err)
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: from.cert.Subject, NotBefore: from.cert.NotBefore, NotAfter: from.cert.NotAfter}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return signer{}, fmt.Errorf("saml: certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	return signer{key, cert}, err
}

// errSignature is all that a caller needs to tell a wrong signature from others.
var errSignature = errors.New("the signature is not by a key of the sender's metadata")

// check checks a signature over octets with whichever key fits.
func check(keys []crypto.PublicKey, method string, octets, value []byte) error {
	var h crypto.Hash
	switch method {
	case algRSASHA256, algECDSASHA256:
		h = crypto.SHA256
	case algRSASHA384:
		h = crypto.SHA384
	case algRSASHA512:
		h = crypto.SHA512
	default:
		return fmt.Errorf("the signature method %q is not allowed", method)
	}
	hashed := h.New()
	hashed.Write(octets)
	sum := hashed.Sum(nil)
	for _, k := range keys {
		switch key := k.(type) {
		case *rsa.PublicKey:
			if method != algECDSASHA256 && rsa.VerifyPKCS1v15(key, h, sum, value) == nil {
				return nil
			}
		case *ecdsa.PublicKey:
			n := len(value) / 2
			if method == algECDSASHA256 && n > 0 && ecdsa.Verify(key, sum, new(big.Int).SetBytes(value[:n]), new(big.Int).SetBytes(value[n:])) {
				return nil
			}
		}
	}
	return errSignature
}

// verify checks the one enveloped signature of a root element. It accepts the
// one form that telia-saml.md 4.4 allows, and nothing else.
func verify(root *node, keys []crypto.PublicKey) error {
	found := 0
	root.walk(func(n *node) bool {
		if n.is(nsSignature, "Signature") {
			found++
		}
		return true
	})
	signature := root.child(nsSignature, "Signature")
	if found != 1 || signature == nil {
		return errors.New("there is not exactly one signature, in the root element")
	}
	return verifyThis(root, signature, keys)
}

// verifyThis checks one of the signatures that an element has.
func verifyThis(root, signature *node, keys []crypto.PublicKey) error {
	parts := signature.elements()
	if len(parts) < 2 || len(parts) > 3 || !parts[0].is(nsSignature, "SignedInfo") || !parts[1].is(nsSignature, "SignatureValue") ||
		len(parts) == 3 && !parts[2].is(nsSignature, "KeyInfo") {
		return errors.New("the signature has other parts than SignedInfo, SignatureValue, KeyInfo")
	}
	info := parts[0].elements()
	if len(info) != 3 || !info[0].is(nsSignature, "CanonicalizationMethod") || !info[1].is(nsSignature, "SignatureMethod") || !info[2].is(nsSignature, "Reference") {
		return errors.New("SignedInfo has other parts than two methods and one reference")
	}
	id := root.attr("ID")
	if id == "" || info[2].attr("URI") != "#"+id {
		return errors.New("the reference is not to the root element")
	}
	reference := info[2].elements()
	if len(reference) != 3 || !reference[0].is(nsSignature, "Transforms") || !reference[1].is(nsSignature, "DigestMethod") || !reference[2].is(nsSignature, "DigestValue") {
		return errors.New("the reference has other parts than transforms and a digest")
	}
	transforms := reference[0].elements()
	if len(transforms) != 2 || transforms[0].attr("Algorithm") != algEnveloped || transforms[1].attr("Algorithm") != algExclusive || info[0].attr("Algorithm") != algExclusive {
		return errors.New("other transforms than enveloped signature and exclusive canonicalization")
	}
	digest := reference[1].attr("Algorithm")
	if digest != algSHA256 && digest != algSHA384 && digest != algSHA512 {
		return fmt.Errorf("the digest method %q is not allowed", digest)
	}
	bare := *root
	bare.kids = slices.DeleteFunc(slices.Clone(root.kids), func(k *node) bool { return k == signature })
	hashed := newHash(digest)
	hashed.Write(bare.canonical(prefixList(transforms[1])...))
	claimed, err := decode64(reference[2].content())
	if err != nil || !hmac.Equal(hashed.Sum(nil), claimed) {
		return errors.New("the digest is not that of the element")
	}
	value, err := decode64(parts[1].content())
	if err != nil {
		return errors.New("the signature value is not base64")
	}
	return check(keys, info[1].attr("Algorithm"), parts[0].canonical(prefixList(info[0])...), value)
}

func prefixList(method *node) []string {
	n := method.child(algExclusive, "InclusiveNamespaces")
	if n == nil {
		return nil
	}
	list := strings.Fields(n.attr("PrefixList"))
	for i := range list {
		if list[i] == "#default" {
			list[i] = ""
		}
	}
	return list
}

// decode64 reads base64 with white space in it, as XML has it.
func decode64(s string) ([]byte, error) {
	return base64.StdEncoding.Strict().DecodeString(strings.Join(strings.Fields(s), ""))
}
