package pades

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/digitorus/pkcs7"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// sealCMS is what the verifier needs of a CMS.
type sealCMS struct {
	certificate *x509.Certificate   // of the signer
	others      []*x509.Certificate // the rest of what it carries
	digest      []byte              // message-digest
}

const (
	maxCMS      = 64 << 10
	maxCMSDepth = 24
)

// readCMS reads the CMS and checks its signature (rule 4), but neither the
// digest against the file nor the chain.
//
// The parser accepts BER and has panicked on some; so it sees only DER, and a
// panic is an error. What it found is not believed either: the CMS is built
// again from it and must come out the same.
func readCMS(der []byte) (*sealCMS, error) {
	const rule = 4
	if err := checkDER(der); err != nil {
		return nil, refuse(FormatFailure, rule, "%w", err)
	}
	parsed, err := parseCMS(der)
	if err != nil {
		return nil, refuse(FormatFailure, rule, "%w", err)
	}
	if len(parsed.Signers) != 1 || len(parsed.Certificates) > maxChain {
		return nil, refuse(FormatFailure, rule, "a CMS with %d signers and %d certificates", len(parsed.Signers), len(parsed.Certificates))
	}
	// Before any signature is checked, whoever's it is.
	for _, c := range parsed.Certificates {
		if _, err := suiteOf(c.PublicKey); err != nil {
			return nil, refuse(CryptoConstraintsFailure, rule, "%w", err)
		}
	}
	c := &sealCMS{certificate: parsed.GetOnlySigner()}
	if c.certificate == nil {
		return nil, refuse(NoSigningCertificateFound, rule, "the signer's certificate is not in the seal")
	}
	for _, other := range parsed.Certificates {
		if other != c.certificate {
			c.others = append(c.others, other)
		}
	}

	if err := parsed.UnmarshalSignedAttribute(oidMessageDigest(), &c.digest); err != nil || len(c.digest) != sha256.Size {
		return nil, refuse(FormatFailure, rule, "a CMS without the digest of what it signs")
	}
	var named signingCertificateV2
	if err := parsed.UnmarshalSignedAttribute(oidSigningCertificateV2(), &named); err != nil || len(named.Certs) != 1 {
		return nil, refuse(FormatFailure, rule, "a CMS that does not name its signer's certificate")
	}
	if hash := sha256.Sum256(c.certificate.Raw); !bytes.Equal(hash[:], named.Certs[0].CertHash) {
		return nil, refuse(NoSigningCertificateFound, rule, "the seal names another certificate than its signer's")
	}

	s, err := newSigner(c.certificate, c.others)
	if err != nil {
		return nil, refuse(FormatFailure, rule, "%w", err)
	}
	attributes, err := s.signedAttributes([32]byte(c.digest))
	if err != nil {
		return nil, refuse(FormatFailure, rule, "%w", err)
	}
	signature := parsed.Signers[0].EncryptedDigest
	again, err := s.encode(attributes, signature)
	if err != nil || !bytes.Equal(again, der) {
		return nil, refuse(FormatFailure, rule, "the CMS says more, less or other things than one of ours")
	}
	if err := c.certificate.CheckSignature(s.algorithm, attributes, signature); err != nil {
		return nil, refuse(SigCryptoFailure, rule, "%w", err)
	}
	return c, nil
}

func parseCMS(der []byte) (parsed *pkcs7.PKCS7, err error) {
	defer func() {
		if r := recover(); r != nil {
			parsed, err = nil, fmt.Errorf("the CMS cannot be read: %v", r)
		}
	}()
	return pkcs7.Parse(der)
}

// checkDER says whether these bytes are DER all the way down, as far as tags
// and lengths show it, of bounded size and depth.
func checkDER(der []byte) error {
	if len(der) > maxCMS {
		return errors.New("the CMS is too large")
	}
	return walkDER(der, maxCMSDepth)
}

func walkDER(in cryptobyte.String, depth int) error {
	if depth == 0 {
		return errors.New("the CMS is nested too deeply")
	}
	for !in.Empty() {
		var value cryptobyte.String
		var tag asn1.Tag
		if !in.ReadAnyASN1(&value, &tag) {
			return errors.New("the CMS is not DER")
		}
		const constructed = 0x20
		if tag&constructed != 0 {
			if err := walkDER(value, depth-1); err != nil {
				return err
			}
		}
	}
	return nil
}
