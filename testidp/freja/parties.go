package freja

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"
)

// parties are the relying parties by the fingerprint of a certificate. One may
// have several certificates, as at a renewal, and sees its transactions with
// each of them.
type parties struct {
	mu sync.RWMutex
	by map[[sha256.Size]byte]string
}

func (p *parties) add(cert *x509.Certificate, display string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.by == nil {
		p.by = map[[sha256.Size]byte]string{}
	}
	p.by[sha256.Sum256(cert.Raw)] = display
}

func (p *parties) of(cert *x509.Certificate) (string, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	display, ok := p.by[sha256.Sum256(cert.Raw)]
	return display, ok
}
