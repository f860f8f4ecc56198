package freja

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"

	"sigill/testidp/pki"
)

// The ASN.1 of RFC 6960, as far as an answer needs it.
type (
	ocspResponse struct {
		Status asn1.Enumerated
		Bytes  responseBytes `asn1:"explicit,tag:0"`
	}
	responseBytes struct {
		Type     asn1.ObjectIdentifier
		Response []byte
	}
	basicResponse struct {
		Data         asn1.RawValue
		Algorithm    pkix.AlgorithmIdentifier
		Signature    asn1.BitString
		Certificates []asn1.RawValue `asn1:"explicit,tag:0"`
	}
	responseData struct {
		Responder  asn1.RawValue
		ProducedAt time.Time `asn1:"generalized"`
		Responses  []singleResponse
	}
	singleResponse struct {
		ID         certID
		Status     asn1.RawValue
		ThisUpdate time.Time `asn1:"generalized"`
	}
	certID struct {
		Algorithm pkix.AlgorithmIdentifier
		NameHash  []byte
		KeyHash   []byte
		Serial    *big.Int
	}
	revokedInfo struct {
		At     time.Time       `asn1:"generalized"`
		Reason asn1.Enumerated `asn1:"explicit,tag:0"`
	}
)

// An ocspAnswer says what to write about a certificate.
type ocspAnswer struct {
	issuer    *x509.Certificate
	serial    *big.Int
	revoked   bool
	produced  time.Time
	responder pki.FrejaSigner
	spoil     bool // flip a bit of the signature
}

// der signs and encodes the answer. The responder's certificate is in it.
func (a ocspAnswer) der() ([]byte, error) {
	out, err := a.encode()
	if err != nil {
		return nil, fmt.Errorf("freja: ocsp: %w", err)
	}
	return out, nil
}

func (a ocspAnswer) encode() ([]byte, error) {
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(a.issuer.RawSubjectPublicKeyInfo, &spki); err != nil {
		return nil, err
	}
	name, key := sha1.Sum(a.issuer.RawSubject), sha1.Sum(spki.Key.RightAlign())
	produced := a.produced.UTC().Truncate(time.Second)
	state := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0} // good
	if a.revoked {
		der, err := asn1.MarshalWithParams(revokedInfo{At: produced.Add(-24 * time.Hour), Reason: 1}, "tag:1")
		if err != nil {
			return nil, err
		}
		state = asn1.RawValue{FullBytes: der}
	}
	tbs, err := asn1.Marshal(responseData{
		Responder:  asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, IsCompound: true, Bytes: a.responder.Certificate.RawSubject},
		ProducedAt: produced,
		Responses: []singleResponse{{
			ID: certID{
				Algorithm: pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, Parameters: asn1.NullRawValue},
				NameHash:  name[:],
				KeyHash:   key[:],
				Serial:    a.serial,
			},
			Status:     state,
			ThisUpdate: produced,
		}},
	})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(tbs)
	signature, err := rsa.SignPKCS1v15(nil, a.responder.Key, crypto.SHA256, sum[:])
	if err != nil {
		return nil, err
	}
	if a.spoil {
		signature[len(signature)/2] ^= 1
	}
	response, err := asn1.Marshal(basicResponse{
		Data:         asn1.RawValue{FullBytes: tbs},
		Algorithm:    pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, Parameters: asn1.NullRawValue},
		Signature:    asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)},
		Certificates: []asn1.RawValue{{FullBytes: a.responder.Certificate.Raw}},
	})
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(ocspResponse{Bytes: responseBytes{
		Type:     asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1},
		Response: response,
	}})
}
