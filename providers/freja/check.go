package freja

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"sigill/providers"
)

// Check tries the services without a person: it asks about an order that there is
// not, which only a relying party that Freja knows is told.
func (p *Provider) Check(ctx context.Context) []providers.Finding {
	with := p.client("")
	found := []providers.Finding{p.dated("our certificate", with.leaf)}
	found = append(found, p.Dates()...)
	for _, c := range p.env.JWSCertificates {
		f := providers.Finding{What: "chain of JWS certificate " + thumbprint(c), Said: "ends at a pinned root"}
		if err := ends(c, p.env.Intermediates, p.env.JWSRoots, p.clock()); err != nil {
			f.Bad, f.Said = true, "no answer signed with it is believed: "+err.Error()
		}
		found = append(found, f)
	}

	unknown := make([]byte, 48)
	_, _ = rand.Read(unknown) // never fails
	s := serviceOf(providers.KindAuth)
	asked := p.clock()
	res, raw, err := with.exchange(ctx, s.result, s.resultParam, order(providers.KindAuth, base64.RawURLEncoding.EncodeToString(unknown)))
	connection := providers.Finding{What: "connection to " + p.host(), Said: "with our certificate, to a server that ends at a pinned root"}
	if err != nil {
		connection.Bad, connection.Said = true, unreachable(err)
		return append(found, connection)
	}
	found = append(found, connection)
	if res.TLS != nil && len(res.TLS.PeerCertificates) > 0 {
		found = append(found, p.dated("certificate of "+p.host(), res.TLS.PeerCertificates[0]))
	}
	return append(found, known(res.StatusCode, raw), clockOf(res, asked, p.clock()))
}

// Dates are the certificates that Freja signs with and those above them. Once one
// has ended nothing that is signed with it is believed.
func (p *Provider) Dates() []providers.Finding {
	var found []providers.Finding
	for _, c := range p.env.JWSCertificates {
		found = append(found, p.dated("JWS certificate "+thumbprint(c), c))
	}
	for _, c := range p.env.Intermediates {
		found = append(found, p.dated("certificate of "+c.Subject.CommonName, c))
	}
	return found
}

func (p *Provider) dated(what string, c *x509.Certificate) providers.Finding {
	f := providers.Finding{What: what, Said: "valid until " + c.NotAfter.UTC().Format(time.DateOnly), Ends: c.NotAfter}
	switch now := p.clock(); {
	case now.After(c.NotAfter):
		f.Bad, f.Said = true, "ended "+c.NotAfter.UTC().Format(time.DateOnly)+": put the one that follows it into the configuration"
	case now.Before(c.NotBefore):
		f.Bad, f.Said = true, "not valid before "+c.NotBefore.UTC().Format(time.DateOnly)
	}
	return f
}

// unreachable says what is wrong with a connection, and how to mend it.
func unreachable(err error) string {
	var alert *net.OpError
	var name *net.DNSError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &x509.UnknownAuthorityError{}):
		return "the server's certificate does not end at a configured TLS root: is it the root of this environment?"
	case errors.As(err, &x509.HostnameError{}):
		return "the server's certificate is for another host: is the base URL right?"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server's certificate has ended, or our clock is wrong"
	case errors.As(err, &alert) && alert.Op == "remote error": // a TLS alert
		return "the server refuses our certificate: is it the one of this environment?"
	case errors.As(err, &name):
		return "the host has no address: is the base URL right?"
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	}
	return clean(err.Error())
}

// known says whether Freja knows us, by what it answers about no order.
func known(status int, raw []byte) providers.Finding {
	f := providers.Finding{What: "relying party", Bad: true}
	var api *APIError
	switch err := refusal(status, raw); {
	case !errors.As(err, &api):
		f.Said = "the service knows an order that there is not: is it Freja's?"
	case api.Coded && api.Code == codeNoOrder:
		f.Said, f.Bad = "known to Freja", false
	case api.Coded && (api.Code == codeUnknownRP || api.Code == codeRelyingPartyID):
		f.Said = fmt.Sprintf("Freja does not know us (code %d): is the certificate registered, and the relying party id right?", api.Code)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		f.Said = fmt.Sprintf("Freja does not let us in (HTTP %d): is the certificate registered?", status)
	default:
		f.Said = "the service does not answer as it should: " + api.Error()
	}
	return f
}

// clockOf compares our clock with the server's.
func clockOf(res *http.Response, before, after time.Time) providers.Finding {
	f := providers.Finding{What: "clock"}
	theirs, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		f.Said = "the server does not tell its time"
		return f
	}
	// The header has whole seconds.
	var off time.Duration
	switch {
	case theirs.Before(before.Add(-time.Second)):
		off = before.Sub(theirs)
	case theirs.After(after):
		off = theirs.Sub(after)
	}
	f.Said = fmt.Sprintf("%v from the server's", off.Round(time.Second))
	if off > skew {
		f.Bad, f.Said = true, f.Said+": answers would be refused; set the clock by NTP"
	}
	return f
}
