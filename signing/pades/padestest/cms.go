package padestest

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"testing"
)

// CMS describes a CMS to write: a good one, where only key and certificates are
// set.
type CMS struct {
	Key          crypto.Signer
	Signer       *x509.Certificate   // whom it says it is from
	Certificates []*x509.Certificate // what it carries

	Digest      []byte // instead of that of the file
	CertHash    []byte // instead of that of Signer
	ContentType []byte // an OID, instead of data
	Algorithm   []byte // of the signature, instead of that of Key
	Version     byte   // instead of 1

	SigningTime    bool // an attribute that is forbidden
	NoCertificate  bool // no signing-certificate-v2
	NoAttributes   bool // the signature over the file itself
	Unsorted       bool // attributes not in the order of DER
	Twice          bool // the signer twice
	Unsigned       bool // an unsigned attribute
	Content        []byte
	BrokenSig      bool // a bit of the signature turned
	Indefinite     bool // BER: without a length
	LongLength     bool // BER: a length with a leading zero
	CRLs           bool // an empty list of them
	TrailingInside bool // a value more at the end of SignedData
}

// tlv writes a DER value.
func tlv(tag byte, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	n := len(body)
	out := []byte{tag}
	switch {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 0x100:
		out = append(out, 0x81, byte(n))
	case n < 0x10000:
		out = append(out, 0x82, byte(n>>8), byte(n))
	default:
		out = append(out, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	return append(out, body...)
}

const (
	sequence = 0x30
	set      = 0x31
)

func oid(body string) []byte { return tlv(0x06, []byte(body)) }

func null() []byte { return tlv(0x05) }

// The object identifiers that CMS need, as the bytes after tag and length.
const (
	data            = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"
	signedData      = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
	contentType     = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03"
	messageDigest   = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04"
	signingTime     = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x05"
	signingCertV2   = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x2f"
	timestampToken  = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x0e"
	sha256ID        = "\x60\x86\x48\x01\x65\x03\x04\x02\x01"
	ecdsaWithSHA256 = "\x2a\x86\x48\xce\x3d\x04\x03\x02"
	ecdsaWithSHA1   = "\x2a\x86\x48\xce\x3d\x04\x01"
	sha256WithRSA   = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"
)

// Sign writes the CMS for these bytes.
func (c CMS) Sign(t testing.TB, covered []byte) []byte {
	t.Helper()
	digest := sha256.Sum256(covered)
	if c.Digest == nil {
		c.Digest = digest[:]
	}
	if c.CertHash == nil {
		hash := sha256.Sum256(c.Signer.Raw)
		c.CertHash = hash[:]
	}
	if c.ContentType == nil {
		c.ContentType = oid(data)
	}
	if c.Version == 0 {
		c.Version = 1
	}
	if c.Algorithm == nil {
		c.Algorithm = tlv(sequence, oid(ecdsaWithSHA256))
		if _, ok := c.Key.Public().(*rsa.PublicKey); ok {
			c.Algorithm = tlv(sequence, oid(sha256WithRSA), null())
		}
	}

	attributes := [][]byte{
		tlv(sequence, oid(contentType), tlv(set, c.ContentType)),
		tlv(sequence, oid(messageDigest), tlv(set, tlv(0x04, c.Digest))),
	}
	if !c.NoCertificate {
		named := tlv(sequence, tlv(sequence, tlv(sequence, tlv(0x04, c.CertHash))))
		attributes = append(attributes, tlv(sequence, oid(signingCertV2), tlv(set, named)))
	}
	if c.SigningTime {
		attributes = append(attributes, tlv(sequence, oid(signingTime), tlv(set, tlv(0x17, []byte("260601120000Z")))))
	}
	slices.SortFunc(attributes, bytes.Compare)
	if c.Unsorted {
		slices.Reverse(attributes)
	}
	signed := tlv(set, attributes...)
	if c.NoAttributes {
		signed = covered
	}
	hash := sha256.Sum256(signed)
	signature, err := c.Key.Sign(rand.Reader, hash[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if c.BrokenSig {
		signature[len(signature)-1] ^= 1
	}

	sha := tlv(sequence, oid(sha256ID))
	serial := c.Signer.SerialNumber.Bytes()
	if serial[0]&0x80 != 0 {
		serial = append([]byte{0}, serial...)
	}
	info := [][]byte{tlv(0x02, []byte{1}), tlv(sequence, c.Signer.RawIssuer, tlv(0x02, serial)), sha}
	if !c.NoAttributes {
		info = append(info, tlv(0xa0, attributes...))
	}
	info = append(info, c.Algorithm, tlv(0x04, signature))
	if c.Unsigned {
		info = append(info, tlv(0xa1, tlv(sequence, oid(timestampToken), tlv(set, tlv(sequence)))))
	}
	signers := [][]byte{tlv(sequence, info...)}
	if c.Twice {
		signers = append(signers, signers[0])
	}

	var certificates [][]byte
	for _, certificate := range c.Certificates {
		certificates = append(certificates, certificate.Raw)
	}
	slices.SortFunc(certificates, bytes.Compare)
	encapsulated := [][]byte{oid(data)}
	if c.Content != nil {
		encapsulated = append(encapsulated, tlv(0xa0, tlv(0x04, c.Content)))
	}
	body := [][]byte{
		tlv(0x02, []byte{c.Version}), tlv(set, sha), tlv(sequence, encapsulated...), tlv(0xa0, certificates...),
	}
	if c.CRLs {
		body = append(body, tlv(0xa1))
	}
	body = append(body, tlv(set, signers...))
	if c.TrailingInside {
		body = append(body, null())
	}
	inner := slices.Concat(oid(signedData), tlv(0xa0, tlv(sequence, body...)))
	switch {
	case c.Indefinite:
		return slices.Concat([]byte{sequence, 0x80}, inner, []byte{0, 0})
	case c.LongLength:
		return slices.Concat([]byte{sequence, 0x83, 0, byte(len(inner) >> 8), byte(len(inner))}, inner)
	}
	return tlv(sequence, inner)
}
