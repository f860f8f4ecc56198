package pki

import (
	"crypto/x509"
	"sync"
	"testing"
)

func TestSelfSigned(t *testing.T) {
	p := open(t)
	var certs [4]*x509.Certificate
	var wg sync.WaitGroup
	for i := range certs {
		wg.Go(func() {
			cert, key, err := p.SelfSigned("some-key")
			if err != nil {
				t.Error(err)
				return
			}
			if !key.PublicKey.Equal(cert.PublicKey) || key.N.BitLen() < 2048 {
				t.Error("the key is not the certificate's, or is short")
			}
			certs[i] = cert
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, c := range certs {
		if !c.Equal(certs[0]) {
			t.Error("who comes at once gets another key")
		}
	}
	if err := certs[0].CheckSignature(certs[0].SignatureAlgorithm, certs[0].RawTBSCertificate, certs[0].Signature); err != nil {
		t.Error(err)
	}
	if other, _, err := p.SelfSigned("another-key"); err != nil || other.Equal(certs[0]) {
		t.Errorf("another name has the same key, or none: %v", err)
	}
	for _, name := range []string{"", "../x", "A", "a b"} {
		if _, _, err := p.SelfSigned(name); err == nil {
			t.Errorf("%q names a key", name)
		}
	}
}
