package pki

import (
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"time"
)

// A Responder signs OCSP answers for one Customer CA.
type Responder struct {
	Certificate *x509.Certificate
	Key         *rsa.PrivateKey
}

// Responder returns the genuine responder of the kind's Customer CA.
func (p *PKI) Responder(k Kind) Responder { return responderOf(p.home, k) }

func responderOf(h hierarchy, k Kind) Responder {
	e := h[responderName(k)]
	return Responder{Certificate: e.cert, Key: e.key}
}

// ResponderWithoutEKU is a responder of the kind's Customer CA whose
// certificate was never meant to sign OCSP answers: for a fault mode.
func (p *PKI) ResponderWithoutEKU(k Kind) (Responder, error) {
	key := p.home[responderName(k)].key
	e, err := issueResponder(k, key, p.home[customerCA(k)], p.begun, false)
	if err != nil {
		return Responder{}, err
	}
	return Responder{Certificate: e.cert, Key: e.key}, nil
}

// issueResponder makes a responder certificate with the profile of
// bankid.md 9.1, valid for three months before and after now.
func issueResponder(k Kind, key *rsa.PrivateKey, ca *entity, now time.Time, eku bool) (*entity, error) {
	subject, err := encodeName([]attribute{
		country(), organization(bankName), serial(bankNumber),
		commonName(ca.cert.Subject.CommonName + " OCSP Signing"),
	})
	if err != nil {
		return nil, err
	}
	policies, err := policyExtension(File.Policy())
	if err != nil {
		return nil, err
	}
	extensions := []pkix.Extension{
		// id-pkix-ocsp-nocheck: nobody asks about the responder itself.
		{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}, Value: []byte{5, 0}},
		policies,
	}
	if eku {
		// Written by hand because crypto/x509 never marks it critical.
		value, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 9}})
		if err != nil {
			return nil, err
		}
		extensions = append(extensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: value})
	}
	return issue(&x509.Certificate{
		SerialNumber:       newSerial(),
		RawSubject:         subject,
		NotBefore:          now.UTC().AddDate(0, -3, 0),
		NotAfter:           now.UTC().AddDate(0, 3, 0),
		SignatureAlgorithm: x509.SHA256WithRSA,
		KeyUsage:           x509.KeyUsageContentCommitment,
		SubjectKeyId:       keyID(&key.PublicKey),
		ExtraExtensions:    extensions,
	}, &key.PublicKey, ca, key)
}
