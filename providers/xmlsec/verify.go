package xmlsec

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha256" // linked for crypto.Hash
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// minRSA is the shortest RSA key that is believed.
const minRSA = 2048

// signatureMethods are the algorithms that are believed, with the kind of key
// that each needs.
var signatureMethods = map[string]x509.PublicKeyAlgorithm{
	dsig.RSASHA256SignatureMethod:   x509.RSA,
	dsig.RSASHA384SignatureMethod:   x509.RSA,
	dsig.RSASHA512SignatureMethod:   x509.RSA,
	dsig.ECDSASHA256SignatureMethod: x509.ECDSA,
	dsig.ECDSASHA384SignatureMethod: x509.ECDSA,
	dsig.ECDSASHA512SignatureMethod: x509.ECDSA,
}

var digestMethods = []string{
	"http://www.w3.org/2001/04/xmlenc#sha256",
	"http://www.w3.org/2001/04/xmldsig-more#sha384",
	"http://www.w3.org/2001/04/xmlenc#sha512",
}

// Signed reports whether an element carries a signature of its own, true or not.
func Signed(root *etree.Element) bool { return len(Children(root, nsDS, "Signature")) > 0 }

// Verify checks the signature that root, from Parse, carries, and returns what was
// signed: a new tree without the signature, made from the bytes that the digest
// was over. Nothing else may be used from there on.
//
// The signature may be by any of the keys. Certificates are only what keys come
// in: they may have expired, and the signature may name another with the same key.
func Verify(root *etree.Element, keys []*x509.Certificate) (signed *etree.Element, err error) {
	defer contain(&err)
	sig, err := theSignature(root)
	if err != nil {
		return nil, err
	}
	method, err := strict(sig)
	if err != nil {
		return nil, err
	}
	value, hint, err := loose(sig)
	if err != nil {
		return nil, err
	}
	fitting := slices.DeleteFunc(distinct(keys), func(c *x509.Certificate) bool {
		return c.PublicKeyAlgorithm != signatureMethods[method] || Usable(c) != nil
	})
	if len(fitting) == 0 {
		return nil, refuse("key", "none of the %d known keys fits the signature's algorithm", len(keys))
	}
	// The signature's own certificate says only which key to try first.
	slices.SortStableFunc(fitting, func(a, b *x509.Certificate) int {
		return rank(a, hint) - rank(b, hint)
	})
	for _, c := range fitting {
		if out, err := try(root, sig.Index(), value, c); err == nil {
			return out, nil
		}
	}
	return nil, refuse("signature", "by none of the %d known keys, or changed since", len(fitting))
}

// Usable says what is wrong with a certificate's key, if anything.
func Usable(c *x509.Certificate) error {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSA {
			return refuse("key", "RSA key of %d bits, at least %d are needed", key.N.BitLen(), minRSA)
		}
	case *ecdsa.PublicKey:
		if bits := key.Curve.Params().BitSize; bits < 256 {
			return refuse("key", "elliptic curve of %d bits", bits)
		}
	default:
		return refuse("key", "a key that is neither RSA nor on an elliptic curve")
	}
	return nil
}

// distinct are the certificates with different keys.
func distinct(certs []*x509.Certificate) []*x509.Certificate {
	var out []*x509.Certificate
	for _, c := range certs {
		if c != nil && !slices.ContainsFunc(out, func(d *x509.Certificate) bool {
			return bytes.Equal(c.RawSubjectPublicKeyInfo, d.RawSubjectPublicKeyInfo)
		}) {
			out = append(out, c)
		}
	}
	return out
}

func rank(c, hint *x509.Certificate) int {
	if hint != nil && bytes.Equal(c.RawSubjectPublicKeyInfo, hint.RawSubjectPublicKeyInfo) {
		return 0
	}
	return 1
}

// try has the library verify a copy of root with one key. The copy has no KeyInfo,
// and the signature's value as the library reads it; neither is signed.
func try(root *etree.Element, index int, value []byte, c *x509.Certificate) (*etree.Element, error) {
	if key, ok := c.PublicKey.(*ecdsa.PublicKey); ok {
		der, err := toDER(value, key)
		if err != nil {
			return nil, err
		}
		value = der
	}
	// Shallow: the library makes a whole copy of its own.
	e := &etree.Element{Space: root.Space, Tag: root.Tag, Attr: root.Attr, Child: slices.Clone(root.Child)}
	was := root.Child[index].(*etree.Element)
	sig := was.Copy()
	e.Child[index] = sig
	// Where things stand is asked of the original: its prefix may be declared around it.
	sig.Child[Child(was, nsDS, "SignatureValue").Index()].(*etree.Element).SetText(base64.StdEncoding.EncodeToString(value))
	if info := Child(was, nsDS, "KeyInfo"); info != nil {
		sig.RemoveChildAt(info.Index())
	}

	// The library believes certificates, within their dates. Ours is only a key.
	now := time.Unix(0, 0)
	key := &x509.Certificate{
		Raw: c.Raw, PublicKey: c.PublicKey, PublicKeyAlgorithm: c.PublicKeyAlgorithm,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
	}
	v := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{key}})
	v.IdAttribute, v.Clock = "ID", dsig.NewFakeClockAt(now)
	return v.Validate(e)
}

// theSignature finds the one signature that covers root. Whatever else calls
// itself a signature must be the same to its own parent, or all is refused.
func theSignature(root *etree.Element) (*etree.Element, error) {
	id, err := ownID(root)
	if err != nil {
		return nil, err
	}
	var own *etree.Element
	for i, c := range root.ChildElements() {
		if !Is(c, nsDS, "Signature") {
			continue
		}
		if own != nil {
			return nil, refuse("signature-count", "more than one signature")
		}
		// The library takes the first signature that it meets, so ours comes first.
		if i > 1 || i == 1 && !Is(root.ChildElements()[0], nsAssertion, "Issuer") {
			return nil, refuse("signature-place", "the signature stands neither first nor behind the issuer")
		}
		own = c
	}
	if own == nil {
		return nil, refuse("signature-missing", "not signed")
	}
	if issuer := root.ChildElements()[0]; issuer != own && len(issuer.ChildElements()) > 0 {
		return nil, refuse("signature-place", "the issuer is more than a name")
	}
	if _, err := reference(own, id); err != nil {
		return nil, err
	}
	return own, others(root, own)
}

// ownID is the ID of an element. No other attribute may look like one.
func ownID(el *etree.Element) (string, error) {
	id, ok := attr(el, "", "ID")
	if !ok || id == "" {
		return "", refuse("id", "the signed element has no ID")
	}
	for _, a := range el.Attr {
		if !isNamespace(a) && strings.EqualFold(a.Key, "id") && (a.Space != "" || a.Key != "ID") {
			return "", refuse("id", "the signed element has a second ID")
		}
	}
	return id, nil
}

// others looks for signatures and parts of them elsewhere.
func others(el, own *etree.Element) error {
	for _, c := range el.ChildElements() {
		if c == own {
			continue
		}
		if c.NamespaceURI() == nsDS {
			switch c.Tag {
			case "Signature":
				id, err := ownID(el)
				if err != nil {
					return err
				}
				if _, err := reference(c, id); err != nil {
					return err
				}
				continue
			case "SignedInfo", "SignatureValue", "Reference", "Object", "Manifest", "SignatureProperties":
				return refuse("signature-shape", "a part of a signature outside of one")
			}
		}
		if err := others(c, own); err != nil {
			return err
		}
	}
	return nil
}

// reference checks how a signature is built, down to its one Reference, which must
// be to the ID of the element that it stands in.
func reference(sig *etree.Element, id string) (*etree.Element, error) {
	parts := sig.ChildElements()
	for i, p := range parts {
		if p.NamespaceURI() != nsDS {
			return nil, refuse("signature-shape", "a foreign element in the signature")
		}
		want := []string{"SignedInfo", "SignatureValue", "KeyInfo"}
		if p.Tag == "Object" {
			return nil, refuse("object", "an Object in the signature")
		}
		if i >= len(want) || p.Tag != want[i] {
			return nil, refuse("signature-shape", "the signature has other parts than SignedInfo, SignatureValue, KeyInfo")
		}
	}
	if len(parts) < 2 {
		return nil, refuse("signature-shape", "the signature lacks parts")
	}
	if len(parts) == 3 && len(find(parts[2], nsDS, "Signature"))+len(find(parts[2], nsDS, "SignedInfo")) > 0 {
		return nil, refuse("signature-shape", "a signature in the signature's KeyInfo")
	}
	if len(parts[1].ChildElements()) > 0 {
		return nil, refuse("signature-shape", "an element in SignatureValue")
	}
	info := parts[0].ChildElements()
	if n := len(Children(parts[0], nsDS, "Reference")); n != 1 {
		return nil, refuse("reference", "%d References, not one", n)
	}
	if len(info) != 3 || !Is(info[0], nsDS, "CanonicalizationMethod") || !Is(info[1], nsDS, "SignatureMethod") {
		return nil, refuse("signature-shape", "SignedInfo has other parts than it should")
	}
	if uri, ok := attr(info[2], "", "URI"); !ok || uri != "#"+id {
		return nil, refuse("reference", "the Reference is not to the element that the signature stands in")
	}
	return info[2], nil
}

// strict checks the algorithms of a signature whose shape is known, and returns
// its signature method.
func strict(sig *etree.Element) (string, error) {
	info := sig.ChildElements()[0].ChildElements()
	c14n, method, ref := info[0], info[1], info[2]
	if Attr(c14n, "Algorithm") != nsExcC14N || len(c14n.ChildElements()) > 0 {
		return "", refuse("canonicalization", "SignedInfo is not in exclusive canonical form")
	}
	alg := Attr(method, "Algorithm")
	if _, ok := signatureMethods[alg]; !ok || len(method.ChildElements()) > 0 {
		return "", refuse("algorithm", "a signature method that is not believed")
	}
	parts := ref.ChildElements()
	if len(parts) != 3 || !Is(parts[0], nsDS, "Transforms") || !Is(parts[1], nsDS, "DigestMethod") || !Is(parts[2], nsDS, "DigestValue") {
		return "", refuse("signature-shape", "the Reference has other parts than it should")
	}
	transforms := parts[0].ChildElements()
	want := []string{string(dsig.EnvelopedSignatureAltorithmId), nsExcC14N}
	if len(transforms) != len(want) {
		return "", refuse("transform", "%d transforms, not two", len(transforms))
	}
	for i, t := range transforms {
		if !Is(t, nsDS, "Transform") || Attr(t, "Algorithm") != want[i] {
			return "", refuse("transform", "other transforms than enveloped signature and exclusive canonical form")
		}
		inside := t.ChildElements()
		if len(inside) > i || len(inside) == 1 && !Is(inside[0], nsExcC14N, "InclusiveNamespaces") {
			return "", refuse("transform", "a transform with parameters")
		}
	}
	if !slices.Contains(digestMethods, Attr(parts[1], "Algorithm")) || len(parts[1].ChildElements()) > 0 {
		return "", refuse("algorithm", "a digest method that is not believed")
	}
	if len(parts[2].ChildElements()) > 0 {
		return "", refuse("signature-shape", "an element in DigestValue")
	}
	return alg, nil
}

// loose reads what no signature covers: the signature's value, and the certificate
// that it names, if it can be read.
func loose(sig *etree.Element) (value []byte, hint *x509.Certificate, err error) {
	parts := sig.ChildElements()
	value, err = decode(parts[1].Text())
	if err != nil || len(value) == 0 {
		return nil, nil, refuse("signature", "SignatureValue is not base64")
	}
	if len(parts) < 3 {
		return value, nil, nil
	}
	if certs := find(parts[2], nsDS, "X509Certificate"); len(certs) > 0 {
		if der, err := decode(certs[0].Text()); err == nil {
			hint, _ = x509.ParseCertificate(der) // a hint only
		}
	}
	return value, hint, nil
}

// find are all elements with this name below el.
func find(el *etree.Element, namespace, tag string) []*etree.Element {
	var out []*etree.Element
	for _, c := range el.ChildElements() {
		if Is(c, namespace, tag) {
			out = append(out, c)
		}
		out = append(out, find(c, namespace, tag)...)
	}
	return out
}

// decode reads base64 with white space anywhere in it.
func decode(s string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
}

// XML Signature writes an ECDSA signature as its two numbers one after the other,
// each as long as the curve; Go and the library as ASN.1.
type ecdsaSignature struct{ R, S *big.Int }

func curveBytes(key *ecdsa.PublicKey) int { return (key.Curve.Params().BitSize + 7) / 8 }

func toDER(value []byte, key *ecdsa.PublicKey) ([]byte, error) {
	n := curveBytes(key)
	if len(value) != 2*n {
		return nil, refuse("signature", "%d bytes, the curve has %d", len(value), 2*n)
	}
	return asn1.Marshal(ecdsaSignature{new(big.Int).SetBytes(value[:n]), new(big.Int).SetBytes(value[n:])})
}

func fromDER(der []byte, key *ecdsa.PublicKey) ([]byte, error) {
	var s ecdsaSignature
	if rest, err := asn1.Unmarshal(der, &s); err != nil || len(rest) > 0 {
		return nil, refuse("signature", "not an ECDSA signature")
	}
	n := curveBytes(key)
	out := make([]byte, 2*n)
	s.R.FillBytes(out[:n])
	s.S.FillBytes(out[n:])
	return out, nil
}
