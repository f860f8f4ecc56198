package freja

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"

	"sigill/providers"
	"sigill/providers/personnummer"
)

const maxOCSP = 64 << 10

// maxStatusAge is how old the answer about the person's certificate may be at the
// time of the signature. Freja does not say how it is made.
const maxStatusAge = time.Hour

// Held is how far the person's own signature, which Freja's covers, was verified.
type Held struct {
	// Signature reports whether there is one: logins have none.
	Signature bool
	// Verified reports that the signature and the answer about the person's
	// certificate were verified up to Trust.UserRoots. Otherwise they are held and
	// not verified: what proves the signature is Freja's own over all of it.
	Verified    bool
	Algorithm   string // the signature's own word
	KeyID       string // the same
	Certificate []byte // the person's (DER), if Verified
	Status      time.Time
}

// Inner says how far the person's own signature within evidence could be verified.
// It does not verify anything else: that is Verify's, which refuses evidence whose
// inner signature can be verified and is wrong.
func Inner(e providers.Evidence, trust Trust) (Held, error) {
	v, err := parseEvidence(e)
	if err != nil {
		return Held{}, err
	}
	t, err := parseToken(v.JWS)
	if err != nil {
		return Held{}, fmt.Errorf("JWS: %w", err)
	}
	s, err := parseStatement(t.payload)
	if err != nil {
		return Held{}, fmt.Errorf("JWS: %w", err)
	}
	if s.members["signatureData"] == nil {
		return Held{}, nil
	}
	i, err := parseInner(s.members)
	if err != nil {
		return Held{}, err
	}
	return i.examine(s.at, trust)
}

// inner is what a person's own signature is made of.
type inner struct {
	token  *token
	status []byte // OCSP answer in DER
}

func parseInner(statement map[string]json.RawMessage) (*inner, error) {
	data, err := object(statement, "signatureData")
	if err != nil {
		return nil, err
	}
	signature, err := text(data, "userSignature")
	if err != nil {
		return nil, err
	}
	i := &inner{}
	if i.token, err = parseToken(signature); err != nil {
		return nil, fmt.Errorf("user signature: %w", err)
	}
	status, err := text(data, "certificateStatus")
	if err != nil {
		return nil, err
	}
	if i.status, err = strictBase64(status, maxOCSP); err != nil {
		return nil, fmt.Errorf("certificate status: %w", err)
	}
	return i, nil
}

// checkText checks that the person signed this text. Whether Freja puts it there as
// it is or in base64, as it came, is not documented; both are compared as a whole.
func (i *inner) checkText(want string) error {
	signed, err := members(i.token.payload)
	if err != nil {
		return err
	}
	got, err := text(signed, "text")
	if err != nil {
		return err
	}
	if got != want && got != base64.StdEncoding.EncodeToString([]byte(want)) {
		return errors.New("another text was signed")
	}
	return nil
}

// checkBinding checks that the person signed this data.
func (i *inner) checkBinding(want []byte) error {
	signed, err := members(i.token.payload)
	if err != nil {
		return err
	}
	got, err := text(signed, "binaryData")
	if err != nil {
		return err
	}
	if len(want) == 0 || got != base64.StdEncoding.EncodeToString(want) {
		return errors.New("bound to something else")
	}
	return nil
}

// checkStatus checks what is said of the person's certificate: that it was good at
// the time of the signature.
func (i *inner) checkStatus(at time.Time) (*ocsp.Response, error) {
	r, err := ocsp.ParseResponse(i.status, nil)
	if err != nil {
		return nil, err
	}
	switch {
	case r.Status != ocsp.Good:
		return nil, errors.New("the person's certificate is not good")
	case r.ProducedAt.After(at.Add(skew)) || r.ThisUpdate.After(at.Add(skew)):
		return nil, errors.New("said after the signature")
	case r.ProducedAt.Before(at.Add(-maxStatusAge)) || !r.NextUpdate.IsZero() && r.NextUpdate.Before(at.Add(-skew)):
		return nil, errors.New("said too long before the signature")
	}
	return r, nil
}

// examine verifies the signature and the answer about its certificate if the
// certificate is known and ends at a root that is.
func (i *inner) examine(at time.Time, trust Trust) (Held, error) {
	h := Held{Signature: true}
	h.Algorithm, _ = text(i.token.header, "alg")
	h.KeyID, _ = text(i.token.header, "kid")
	status, err := i.checkStatus(at)
	if err != nil {
		return h, err
	}
	h.Status = status.ProducedAt
	chain, err := i.certificates()
	if err != nil {
		return h, err
	}
	if len(chain) == 0 || len(trust.UserRoots) == 0 {
		return h, nil
	}
	leaf := chain[0]
	found, err := leaf.Verify(x509.VerifyOptions{
		Roots: pool(trust.UserRoots), Intermediates: pool(chain[1:]), CurrentTime: at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return h, fmt.Errorf("the person's certificate: %w", err)
	}
	if leaf.IsCA || leaf.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 || len(found[0]) < 2 {
		return h, errors.New("the person's certificate is not for signing")
	}
	if err := i.token.signedByPerson(leaf); err != nil {
		return h, err
	}
	if err := i.answeredFor(leaf, found[0][1]); err != nil {
		return h, err
	}
	h.Verified, h.Certificate = true, bytes.Clone(leaf.Raw)
	return h, nil
}

// certificates are those that the person's signature brings, which is not
// documented to bring any.
func (i *inner) certificates() ([]*x509.Certificate, error) {
	raw, ok := i.token.header["x5c"]
	if !ok {
		return nil, nil
	}
	var list []string
	if err := json.Unmarshal(raw, &list); err != nil || len(list) == 0 || len(list) > maxCertificates {
		return nil, errors.New("no list of certificates")
	}
	var chain []*x509.Certificate
	for n, s := range list {
		der, err := strictBase64(s, 16<<10)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", n, err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate %d cannot be read", n)
		}
		chain = append(chain, c)
	}
	return chain, nil
}

// signedByPerson checks the signature by the algorithm that the key is made for.
func (t *token) signedByPerson(c *x509.Certificate) error {
	if _, critical := t.header["crit"]; critical {
		return errors.New("demands what is not understood here")
	}
	alg, _ := text(t.header, "alg")
	key, elliptical := c.PublicKey.(*ecdsa.PublicKey)
	if !elliptical {
		if alg != "RS256" || rsaKey(c) != nil {
			return errors.New("not signed with RS256")
		}
		return t.signedBy(c)
	}
	if alg != "ES256" || key.Curve != elliptic.P256() || len(t.signature) != 64 {
		return errors.New("not signed with ES256")
	}
	sum := sha256.Sum256([]byte(t.signed))
	r, s := new(big.Int).SetBytes(t.signature[:32]), new(big.Int).SetBytes(t.signature[32:])
	if !ecdsa.Verify(key, sum[:], r, s) {
		return errors.New("the signature is not the person's")
	}
	return nil
}

// answeredFor checks that the answer is about this certificate, by its issuer or by
// whom that has appointed.
func (i *inner) answeredFor(leaf, issuer *x509.Certificate) error {
	r, err := ocsp.ParseResponseForCert(i.status, leaf, issuer)
	if err != nil {
		return err
	}
	if r.SerialNumber.Cmp(leaf.SerialNumber) != 0 || r.Status != ocsp.Good {
		return errors.New("about another certificate")
	}
	c := r.Certificate
	if c == nil || bytes.Equal(c.Raw, issuer.Raw) {
		return nil
	}
	switch {
	case !bytes.Equal(c.RawIssuer, issuer.RawSubject) || c.IsCA || !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return errors.New("the responder was not appointed")
	case r.ProducedAt.Before(c.NotBefore) || r.ProducedAt.After(c.NotAfter):
		return errors.New("the responder's certificate was not valid")
	}
	return nil
}

// aboutPerson checks that a person's certificate does not name another one. What
// stands in it is not documented, so a certificate that names nobody is let pass.
func aboutPerson(c *x509.Certificate, person personnummer.Number) error {
	serial := c.Subject.SerialNumber
	if len(serial) < 12 {
		return nil
	}
	named, err := personnummer.FromDigits(serial[len(serial)-12:])
	if err == nil && named != person {
		return errors.New("another person's certificate")
	}
	return nil
}
