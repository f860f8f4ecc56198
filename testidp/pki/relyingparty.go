package pki

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"time"
)

// A RelyingParty is what a relying party's certificate says about it.
type RelyingParty struct {
	DisplayName string // attribute 2.5.4.41: what the app shows
	Name        string // the whole subject, as srvInfo/name writes it
	Fingerprint string // SHA-256 of the certificate
}

// ReadRelyingParty reads a client certificate.
func ReadRelyingParty(cert *x509.Certificate) RelyingParty {
	attributes := subjectAttributes(cert.Subject)
	sum := sha256.Sum256(cert.Raw)
	rp := RelyingParty{Name: distinguishedName(attributes), Fingerprint: hex.EncodeToString(sum[:])}
	for _, a := range attributes {
		if a.short == "name" {
			rp.DisplayName = a.value
		}
	}
	return rp
}

// RelyingParty makes or finds the client certificate of a relying party:
// RSA-2048, digitalSignature, no EKU, test policy (bankid.md section 1).
// It returns the chain (client certificate, RP CA) and the key.
func (p *PKI) RelyingParty(display string) ([]*x509.Certificate, *rsa.PrivateKey, error) {
	sum := sha256.Sum256([]byte(display))
	ca := p.home[rpCA]
	e, err := p.cache.entity("rp-"+hex.EncodeToString(sum[:8]), func(key *rsa.PrivateKey) (*entity, error) {
		return issueRelyingParty(display, key, ca, p.epoch)
	})
	if err != nil {
		return nil, nil, err
	}
	return []*x509.Certificate{e.cert, ca.cert}, e.key, nil
}

// RenewRelyingParty makes another client certificate of a relying party, with a
// key of its own, as its bank does every other year.
func (p *PKI) RenewRelyingParty(display string) ([]*x509.Certificate, *rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, nil, fmt.Errorf("pki: %w", err)
	}
	ca := p.home[rpCA]
	e, err := issueRelyingParty(display, key, ca, p.epoch)
	if err != nil {
		return nil, nil, err
	}
	return []*x509.Certificate{e.cert, ca.cert}, key, nil
}

func issueRelyingParty(display string, key *rsa.PrivateKey, ca *entity, epoch time.Time) (*entity, error) {
	subject, err := encodeName([]attribute{
		country(),
		organization(bankName),
		serial("1111111111"),
		displayName(display),
		commonName("Simulator FP " + display),
	})
	if err != nil {
		return nil, err
	}
	policies, err := policyExtension(File.Policy())
	if err != nil {
		return nil, err
	}
	return issue(&x509.Certificate{
		SerialNumber:       newSerial(),
		RawSubject:         subject,
		NotBefore:          epoch.AddDate(0, -1, 0),
		NotAfter:           epoch.AddDate(2, 0, 0),
		SignatureAlgorithm: x509.SHA256WithRSA,
		KeyUsage:           x509.KeyUsageDigitalSignature,
		SubjectKeyId:       keyID(&key.PublicKey),
		ExtraExtensions:    []pkix.Extension{policies},
	}, &key.PublicKey, ca, key)
}
