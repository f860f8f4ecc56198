package bankid

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// remembered is how many certificates from before are kept for the orders that
// were started with them, which live some minutes.
const remembered = 3

// Renew prepares to go on with a new certificate of the same relying party, and
// gives what puts it to use. The issuer knows an order only by the certificate
// that it was started with, so orders that are on their way are collected with
// theirs. Another party's certificate is refused: people would see another name,
// and the signatures on their way would not be believed.
func (p *Provider) Renew(cert tls.Certificate) (use func(), err error) {
	party, err := partyOf(cert, p.shown)
	if err != nil {
		return nil, err
	}
	if party.DisplayName != p.rp.DisplayName || !sameName(party.Name, p.rp.Name) {
		return nil, fmt.Errorf("bankid: the certificate is that of another relying party, %q, or names it otherwise", party.DisplayName)
	}
	next, err := newClient(p.env, cert, p.conns)
	if err != nil {
		return nil, fmt.Errorf("bankid: %w", err)
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

// client speaks with the certificate of that name. One that is not known here,
// or none, means the one that is used now.
func (p *Provider) client(certificate string) *client {
	all := *p.clients.Load()
	for _, c := range all {
		if c.certificate == certificate {
			return c
		}
	}
	return all[0]
}

// partyOf reads the names of a relying party's certificate. The display name that
// was configured counts before that of the certificate.
func partyOf(cert tls.Certificate, shown string) (RelyingParty, error) {
	if len(cert.Certificate) == 0 || cert.PrivateKey == nil {
		return RelyingParty{}, errors.New("bankid: no relying-party certificate")
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return RelyingParty{}, fmt.Errorf("bankid: relying-party certificate: %w", err)
	}
	rp := relyingParty(leaf.Subject)
	rp.DisplayName = orDefault(shown, rp.DisplayName)
	if rp.DisplayName == "" {
		return RelyingParty{}, errors.New("bankid: the relying-party certificate has no name attribute: the display name must be configured")
	}
	return rp, nil
}
