package pades

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

func oidData() asn1.ObjectIdentifier       { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1} }
func oidSignedData() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2} }
func oidContentType() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
}
func oidMessageDigest() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
}
func oidSigningCertificateV2() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
}
func oidSHA256() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
}
func oidECDSAWithSHA256() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
}
func oidSHA256WithRSA() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
}

// The types below are those of RFC 5652 with what this profile fixes.
type (
	contentInfo struct {
		ContentType asn1.ObjectIdentifier
		Content     signedData `asn1:"explicit,tag:0"`
	}
	signedData struct {
		Version          int
		DigestAlgorithms []pkix.AlgorithmIdentifier `asn1:"set"`
		EncapContentInfo struct{ ContentType asn1.ObjectIdentifier }
		Certificates     asn1.RawValue
		SignerInfos      []signerInfo `asn1:"set"`
	}
	signerInfo struct {
		Version            int
		SID                issuerAndSerial
		DigestAlgorithm    pkix.AlgorithmIdentifier
		SignedAttrs        asn1.RawValue
		SignatureAlgorithm pkix.AlgorithmIdentifier
		Signature          []byte
	}
	issuerAndSerial struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}
	// signingCertificateV2 is that of RFC 5035 for one certificate by its SHA-256,
	// which is the default and so is not named.
	signingCertificateV2 struct {
		Certs []essCertIDv2
	}
	essCertIDv2 struct {
		CertHash []byte
	}
)

// suite is how a kind of key signs.
type suite struct {
	identifier pkix.AlgorithmIdentifier
	algorithm  x509.SignatureAlgorithm
	longest    int // bytes of a signature
}

var errWeakKey = errors.New("a key of a seal or its issuers is ECDSA on P-256 or P-384, or RSA of 3072 to 8192 bits with an exponent up to 65537")

// suiteOf is the list of what is allowed, for the seal's key and for those above
// it. It also bounds what a signature costs to check: whoever sends a file in
// chooses the keys in it.
func suiteOf(key crypto.PublicKey) (suite, error) {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		s := suite{identifier: pkix.AlgorithmIdentifier{Algorithm: oidECDSAWithSHA256()}, algorithm: x509.ECDSAWithSHA256}
		switch key.Curve {
		case elliptic.P256():
			s.longest = 72
			return s, nil
		case elliptic.P384():
			s.longest = 104
			return s, nil
		}
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits >= 3072 && bits <= 8192 && key.E <= 65537 {
			return suite{
				identifier: pkix.AlgorithmIdentifier{Algorithm: oidSHA256WithRSA(), Parameters: asn1.NullRawValue},
				algorithm:  x509.SHA256WithRSA,
				longest:    key.Size(),
			}, nil
		}
	}
	return suite{}, errWeakKey
}

// signer is the part of a CMS that is the same for everything a key signs.
type signer struct {
	suite
	certificate  *x509.Certificate
	certificates []byte // of the signer and its chain, as a DER SET OF without its head
	certHash     [32]byte
}

func newSigner(certificate *x509.Certificate, chain []*x509.Certificate) (*signer, error) {
	s := &signer{certificate: certificate, certHash: sha256.Sum256(certificate.Raw)}
	var err error
	if s.suite, err = suiteOf(certificate.PublicKey); err != nil {
		return nil, err
	}
	raw := [][]byte{certificate.Raw}
	for _, c := range chain {
		if _, err := suiteOf(c.PublicKey); err != nil {
			return nil, err
		}
		raw = append(raw, c.Raw)
	}
	slices.SortFunc(raw, bytes.Compare)
	if len(slices.CompactFunc(slices.Clone(raw), bytes.Equal)) != len(raw) {
		return nil, errors.New("the same certificate twice")
	}
	s.certificates = slices.Concat(raw...)
	return s, nil
}

// signedAttributes gives what is signed: a DER SET OF exactly content-type,
// message-digest and signing-certificate-v2. The time stands in the PDF's
// signature dictionary; EN 319 142-1 forbids signing-time here.
func (s *signer) signedAttributes(digest [32]byte) ([]byte, error) {
	var attributes [][]byte
	for _, attribute := range []any{
		struct {
			Type   asn1.ObjectIdentifier
			Values []asn1.ObjectIdentifier `asn1:"set"`
		}{oidContentType(), []asn1.ObjectIdentifier{oidData()}},
		struct {
			Type   asn1.ObjectIdentifier
			Values [][]byte `asn1:"set"`
		}{oidMessageDigest(), [][]byte{digest[:]}},
		struct {
			Type   asn1.ObjectIdentifier
			Values []signingCertificateV2 `asn1:"set"`
		}{oidSigningCertificateV2(), []signingCertificateV2{{Certs: []essCertIDv2{{CertHash: s.certHash[:]}}}}},
	} {
		der, err := asn1.Marshal(attribute)
		if err != nil {
			return nil, fmt.Errorf("pades: signed attributes: %w", err)
		}
		attributes = append(attributes, der)
	}
	slices.SortFunc(attributes, bytes.Compare)
	return asn1.Marshal(asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: slices.Concat(attributes...)})
}

// encode puts the CMS together.
func (s *signer) encode(attributes, signature []byte) ([]byte, error) {
	var set asn1.RawValue
	if _, err := asn1.Unmarshal(attributes, &set); err != nil {
		return nil, fmt.Errorf("pades: signed attributes: %w", err)
	}
	sha := pkix.AlgorithmIdentifier{Algorithm: oidSHA256()}
	info := contentInfo{
		ContentType: oidSignedData(),
		Content: signedData{
			Version:          1,
			DigestAlgorithms: []pkix.AlgorithmIdentifier{sha},
			Certificates:     asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: s.certificates},
			SignerInfos: []signerInfo{{
				Version:            1,
				SID:                issuerAndSerial{Issuer: asn1.RawValue{FullBytes: s.certificate.RawIssuer}, Serial: s.certificate.SerialNumber},
				DigestAlgorithm:    sha,
				SignedAttrs:        asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: set.Bytes},
				SignatureAlgorithm: s.identifier,
				Signature:          signature,
			}},
		},
	}
	info.Content.EncapContentInfo.ContentType = oidData()
	der, err := asn1.Marshal(info)
	if err != nil {
		return nil, fmt.Errorf("pades: CMS: %w", err)
	}
	return der, nil
}
