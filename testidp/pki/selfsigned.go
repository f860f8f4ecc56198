package pki

import (
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"strings"
)

// SelfSigned is a key with a certificate that is nothing but its container, as
// SAML metadata has them (telia-saml.md 2.1). Name says whose it is, in small
// letters, digits and hyphens; each name has one key a year.
func (p *PKI) SelfSigned(name string) (*x509.Certificate, *rsa.PrivateKey, error) {
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return nil, nil, fmt.Errorf("pki: %q cannot name a key", name)
	}
	e, err := p.cache.entity("self-"+name, func(key *rsa.PrivateKey) (*entity, error) {
		subject, err := encodeName([]attribute{country(), organization("Simulator"), commonName("Simulator " + name)})
		if err != nil {
			return nil, err
		}
		t := &x509.Certificate{
			SerialNumber:       newSerial(),
			RawSubject:         subject,
			NotBefore:          p.epoch.AddDate(0, -1, 0),
			NotAfter:           p.epoch.AddDate(10, 0, 0),
			SignatureAlgorithm: x509.SHA256WithRSA,
			SubjectKeyId:       keyID(&key.PublicKey),
		}
		return issue(t, &key.PublicKey, &entity{cert: t, key: key}, key)
	})
	if err != nil {
		return nil, nil, err
	}
	return e.cert, e.key, nil
}
