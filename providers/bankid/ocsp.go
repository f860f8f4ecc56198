package bankid

import (
	"bytes"
	"crypto"
	"crypto/sha1" // RFC 6960 names issuers by SHA-1; BankID's nonce is SHA-1 too
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/ocsp"
)

// The parts of an OCSP answer (RFC 6960) that golang.org/x/crypto/ocsp keeps to
// itself: the issuer's hashes and the extensions of the answer.
type (
	ocspResponse struct {
		Status   asn1.Enumerated
		Response ocspResponseBytes `asn1:"explicit,tag:0,optional"`
	}
	ocspResponseBytes struct {
		Type     asn1.ObjectIdentifier
		Response []byte
	}
	ocspBasic struct {
		Data         ocspData
		Algorithm    pkix.AlgorithmIdentifier
		Signature    asn1.BitString
		Certificates []asn1.RawValue `asn1:"explicit,tag:0,optional"`
	}
	ocspData struct {
		Version    int `asn1:"optional,default:0,explicit,tag:0"`
		Responder  asn1.RawValue
		ProducedAt time.Time `asn1:"generalized"`
		Responses  []ocspSingle
		Extensions []pkix.Extension `asn1:"explicit,tag:1,optional"`
	}
	ocspSingle struct {
		ID         ocspCertID
		Good       asn1.Flag        `asn1:"tag:0,optional"`
		Revoked    ocspRevoked      `asn1:"tag:1,optional"`
		Unknown    asn1.Flag        `asn1:"tag:2,optional"`
		ThisUpdate time.Time        `asn1:"generalized"`
		NextUpdate time.Time        `asn1:"generalized,explicit,tag:0,optional"`
		Extensions []pkix.Extension `asn1:"explicit,tag:1,optional"`
	}
	ocspRevoked struct {
		At     time.Time       `asn1:"generalized"`
		Reason asn1.Enumerated `asn1:"explicit,tag:0,optional"`
	}
	ocspCertID struct {
		Algorithm pkix.AlgorithmIdentifier
		NameHash  []byte
		KeyHash   []byte
		Serial    *big.Int
	}
)

var (
	oidOCSPBasic = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
	oidOCSPNonce = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	oidSHA1      = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
)

// An ocspAnswer is a parsed answer about one certificate. Nothing of it is
// verified yet.
type ocspAnswer struct {
	der       []byte
	data      ocspData
	single    ocspSingle
	responder *x509.Certificate
}

func parseOCSP(der []byte) (*ocspAnswer, error) {
	var outer ocspResponse
	if rest, err := asn1.Unmarshal(der, &outer); err != nil || len(rest) > 0 {
		return nil, errors.New("not an OCSP response")
	}
	if outer.Status != 0 {
		return nil, fmt.Errorf("response status %d", outer.Status)
	}
	if !outer.Response.Type.Equal(oidOCSPBasic) {
		return nil, errors.New("not a basic OCSP response")
	}
	var basic ocspBasic
	if rest, err := asn1.Unmarshal(outer.Response.Response, &basic); err != nil || len(rest) > 0 {
		return nil, errors.New("not a basic OCSP response")
	}
	if basic.Data.Version != 0 {
		return nil, errors.New("unknown version")
	}
	if n := len(basic.Data.Responses); n != 1 {
		return nil, fmt.Errorf("%d answers instead of one", n)
	}
	if len(basic.Certificates) == 0 {
		return nil, errors.New("no certificate of the responder")
	}
	responder, err := x509.ParseCertificate(basic.Certificates[0].FullBytes)
	if err != nil {
		return nil, errors.New("the responder's certificate cannot be read")
	}
	a := &ocspAnswer{der: der, data: basic.Data, single: basic.Data.Responses[0], responder: responder}
	for _, e := range a.data.Extensions {
		if e.Critical && !e.Id.Equal(oidOCSPNonce) {
			return nil, fmt.Errorf("unknown critical extension %v", e.Id)
		}
	}
	for _, e := range a.single.Extensions {
		if e.Critical {
			return nil, fmt.Errorf("unknown critical extension %v", e.Id)
		}
	}
	return a, nil
}

// about checks that the answer is about this certificate of this issuer.
func (a *ocspAnswer) about(leaf, issuer *x509.Certificate) error {
	id := a.single.ID
	if !id.Algorithm.Algorithm.Equal(oidSHA1) {
		return fmt.Errorf("issuer named by hash %v", id.Algorithm.Algorithm)
	}
	var key struct {
		Algorithm pkix.AlgorithmIdentifier
		PublicKey asn1.BitString
	}
	if _, err := asn1.Unmarshal(issuer.RawSubjectPublicKeyInfo, &key); err != nil {
		return err
	}
	nameHash := sha1.Sum(issuer.RawSubject)
	keyHash := sha1.Sum(key.PublicKey.RightAlign())
	switch {
	case !bytes.Equal(id.NameHash, nameHash[:]) || !bytes.Equal(id.KeyHash, keyHash[:]):
		return errors.New("about a certificate of another issuer")
	case id.Serial == nil || id.Serial.Cmp(leaf.SerialNumber) != 0:
		return errors.New("about another certificate")
	}
	return nil
}

// good checks that the certificate was neither revoked nor unknown.
func (a *ocspAnswer) good() error {
	if !bool(a.single.Good) || bool(a.single.Unknown) || !a.single.Revoked.At.IsZero() {
		return errors.New("the certificate is not good")
	}
	return nil
}

// answeredBy checks that the responder speaks for the issuer: its certificate
// was signed by the issuer, for this purpose, and was valid.
func (a *ocspAnswer) answeredBy(issuer *x509.Certificate, cache *Cache) error {
	r := a.responder
	if !bytes.Equal(r.RawIssuer, issuer.RawSubject) {
		return errors.New("the responder has another issuer")
	}
	if err := cache.signed(r, issuer); err != nil {
		return fmt.Errorf("the issuer did not sign the responder's certificate: %w", err)
	}
	if err := validAt(r, a.data.ProducedAt); err != nil {
		return fmt.Errorf("responder: %w", err)
	}
	if err := onlyKnownCritical(r); err != nil {
		return fmt.Errorf("responder: %w", err)
	}
	purpose := false
	for _, u := range r.ExtKeyUsage {
		purpose = purpose || u == x509.ExtKeyUsageOCSPSigning
	}
	if !purpose || r.IsCA {
		return errors.New("the responder's certificate is not for answering")
	}
	if r.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		return errors.New("the responder's key is not for signing")
	}
	// The responder is named by its subject (tag 1) or its key (tag 2).
	switch a.data.Responder.Tag {
	case 1:
		if !bytes.Equal(a.data.Responder.Bytes, r.RawSubject) {
			return errors.New("answered in another name")
		}
	case 2:
		var key struct {
			Algorithm pkix.AlgorithmIdentifier
			PublicKey asn1.BitString
		}
		var named []byte
		if _, err := asn1.Unmarshal(r.RawSubjectPublicKeyInfo, &key); err != nil {
			return err
		}
		if _, err := asn1.Unmarshal(a.data.Responder.Bytes, &named); err != nil {
			return err
		}
		if hash := sha1.Sum(key.PublicKey.RightAlign()); !bytes.Equal(named, hash[:]) {
			return errors.New("answered in another name")
		}
	default:
		return errors.New("answered in no name")
	}
	return nil
}

// signed checks the responder's signature, and that x/crypto reads the answer
// as we do.
func (a *ocspAnswer) signed() error {
	r, err := ocsp.ParseResponse(a.der, nil)
	if err != nil {
		return err
	}
	switch r.SignatureAlgorithm {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA:
	default:
		return fmt.Errorf("signed with %v", r.SignatureAlgorithm)
	}
	switch {
	case r.Certificate == nil || !bytes.Equal(r.Certificate.Raw, a.responder.Raw),
		r.SerialNumber == nil || r.SerialNumber.Cmp(a.single.ID.Serial) != 0,
		(r.Status == ocsp.Good) != (a.good() == nil),
		r.IssuerHash != crypto.SHA1,
		!r.ProducedAt.Equal(a.data.ProducedAt):
		return errors.New("the answer can be read in two ways")
	}
	return nil
}

// bound checks that the answer was made for this very signature: its nonce
// begins with the SHA-1 of the signature's base64 text as transmitted. The
// nonce stands raw in the extension, not in an OCTET STRING of its own.
func (a *ocspAnswer) bound(transmitted string) error {
	var nonce []byte
	count := 0
	for _, e := range a.data.Extensions {
		if e.Id.Equal(oidOCSPNonce) {
			nonce, count = e.Value, count+1
		}
	}
	if count != 1 {
		return fmt.Errorf("%d nonces", count)
	}
	if len(nonce) != 32 {
		return fmt.Errorf("nonce of %d bytes", len(nonce))
	}
	want := sha1.Sum([]byte(transmitted))
	if !bytes.Equal(nonce[:len(want)], want[:]) {
		return errors.New("made for another signature")
	}
	return nil
}

// within checks that the answer was made between the two times, and was fresh
// when it was made.
func (a *ocspAnswer) within(from, to time.Time) error {
	at, updated, next := a.data.ProducedAt, a.single.ThisUpdate, a.single.NextUpdate
	switch {
	case at.Before(from):
		return errors.New("made before the order began")
	case at.After(to):
		return errors.New("made after the order ended")
	case updated.Before(from) || updated.After(at.Add(skew)):
		return errors.New("what it says was not fresh")
	case !next.IsZero() && next.Before(at):
		return errors.New("what it says was out of date")
	}
	return nil
}
