package bankid

import (
	"crypto"
	"crypto/rand"
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

// The ASN.1 of RFC 6960, as far as an answer needs it. (x/crypto/ocsp writes
// no responseExtensions, where the nonce is.)
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
		Extensions []pkix.Extension `asn1:"explicit,tag:1,omitempty"`
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

// A status is the answer about a certificate.
type status int

const (
	good status = iota
	revoked
	unknown
)

// An ocspAnswer says what to write. Its profile is bankid.md 9.1.
type ocspAnswer struct {
	issuer    *x509.Certificate
	serial    *big.Int
	status    status
	produced  time.Time
	nonce     []byte // the extension's value; nil leaves it out
	responder pki.Responder
	spoil     bool // flip a bit of the signature
}

// nonceFor binds an answer to a signature (bankid.md 9.2): SHA-1 of the base64
// text as it will be sent, then 12 random bytes.
func nonceFor(signature string) []byte {
	sum := sha1.Sum([]byte(signature))
	tail := make([]byte, 12)
	rand.Read(tail)
	return append(sum[:], tail...)
}

// issuerHashes are the two SHA-1 digests of a CertID.
func issuerHashes(issuer *x509.Certificate) (name, key []byte, err error) {
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(issuer.RawSubjectPublicKeyInfo, &spki); err != nil {
		return nil, nil, fmt.Errorf("bankid: ocsp: issuer key: %w", err)
	}
	n, k := sha1.Sum(issuer.RawSubject), sha1.Sum(spki.Key.RightAlign())
	return n[:], k[:], nil
}

// der signs and encodes the answer.
func (a ocspAnswer) der() ([]byte, error) {
	nameHash, keyHash, err := issuerHashes(a.issuer)
	if err != nil {
		return nil, err
	}
	produced := a.produced.UTC().Truncate(time.Second)
	state, err := a.statusValue(produced)
	if err != nil {
		return nil, err
	}
	data := responseData{
		Responder:  asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, IsCompound: true, Bytes: a.responder.Certificate.RawSubject},
		ProducedAt: produced,
		Responses: []singleResponse{{
			ID: certID{
				Algorithm: pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, Parameters: asn1.NullRawValue},
				NameHash:  nameHash,
				KeyHash:   keyHash,
				Serial:    a.serial,
			},
			Status:     state,
			ThisUpdate: produced,
		}},
	}
	if a.nonce != nil {
		data.Extensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}, Critical: true, Value: a.nonce}}
	}
	tbs, err := asn1.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("bankid: ocsp: %w", err)
	}
	sum := sha256.Sum256(tbs)
	signature, err := rsa.SignPKCS1v15(nil, a.responder.Key, crypto.SHA256, sum[:])
	if err != nil {
		return nil, fmt.Errorf("bankid: ocsp: %w", err)
	}
	if a.spoil {
		signature[len(signature)/2] ^= 1
	}
	basic, err := asn1.Marshal(basicResponse{
		Data:         asn1.RawValue{FullBytes: tbs},
		Algorithm:    pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, Parameters: asn1.NullRawValue},
		Signature:    asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)},
		Certificates: []asn1.RawValue{{FullBytes: a.responder.Certificate.Raw}},
	})
	if err != nil {
		return nil, fmt.Errorf("bankid: ocsp: %w", err)
	}
	return asn1.Marshal(ocspResponse{Bytes: responseBytes{
		Type:     asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1},
		Response: basic,
	}})
}

func (a ocspAnswer) statusValue(at time.Time) (asn1.RawValue, error) {
	switch a.status {
	case good:
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0}, nil
	case unknown:
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2}, nil
	}
	der, err := asn1.Marshal(revokedInfo{At: at.Add(-24 * time.Hour), Reason: 1})
	if err != nil {
		return asn1.RawValue{}, fmt.Errorf("bankid: ocsp: %w", err)
	}
	var whole asn1.RawValue
	if _, err := asn1.Unmarshal(der, &whole); err != nil {
		return asn1.RawValue{}, fmt.Errorf("bankid: ocsp: %w", err)
	}
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, IsCompound: true, Bytes: whole.Bytes}, nil
}
