package freja

import (
	"crypto/tls"
	"errors"
	"fmt"
)

// remembered is how many certificates from before are kept for the orders that were
// started with them, which live some minutes.
const remembered = 3

// Renew prepares to go on with a new certificate of the same relying party, and
// gives what puts it to use. Orders that are on their way are asked about with the
// one that they were started with. That it is the same party's cannot be seen in a
// certificate: Freja maps it, and Check tells whether Freja knows it.
func (p *Provider) Renew(cert tls.Certificate) (use func(), err error) {
	if len(cert.Certificate) == 0 || cert.PrivateKey == nil {
		return nil, errors.New("freja: no relying-party certificate")
	}
	next, err := newClient(p.env, cert, p.party, p.conns)
	if err != nil {
		return nil, fmt.Errorf("freja: %w", err)
	}
	return func() {
		for {
			before := p.clients.Load()
			now := []*client{next}
			for _, c := range *before {
				if c.certificate != next.certificate && len(now) <= remembered {
					now = append(now, c)
				}
			}
			if p.clients.CompareAndSwap(before, &now) {
				// Connections that nobody takes up any more end by themselves.
				(*before)[0].http.CloseIdleConnections()
				return
			}
		}
	}, nil
}

// client speaks with the certificate of that name. One that is not known here, or
// none, means the one that is used now.
func (p *Provider) client(certificate string) *client {
	all := *p.clients.Load()
	for _, c := range all {
		if c.certificate == certificate {
			return c
		}
	}
	return all[0]
}
