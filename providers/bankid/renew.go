package bankid

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// Renew prepares to go on with a new certificate of the same relying party, and
// gives what puts it to use. Orders that were started with the one before are
// collected with the new one, and what is being asked meanwhile is not disturbed.
// Another party's certificate is refused: people would see another name, and the
// signatures on their way would not be believed.
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
		// Connections that are busy end by themselves: nobody takes them up again.
		p.client.Swap(next).http.CloseIdleConnections()
	}, nil
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
