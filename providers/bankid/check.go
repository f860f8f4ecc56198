package bankid

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"sigill/providers"
)

// maxDrift is how far our clock may be from the issuer's before QR codes and the
// times of signatures go wrong.
const maxDrift = 30 * time.Second

var _ providers.Checker = (*Provider)(nil)

// Check connects with the certificate that is used now. It starts no order: what
// the issuer answers to a request that says nothing shows whether it knows us.
func (p *Provider) Check(ctx context.Context) []providers.Finding {
	now, c := p.clock(), p.client("")
	found := []providers.Finding{dated("our certificate", p.rp.DisplayName, c.leaf.NotBefore, c.leaf.NotAfter, now)}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base, nil)
	if err != nil {
		return append(found, providers.Finding{What: "address", Said: c.base + " is no address", Bad: true})
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return append(found, providers.Finding{What: "connection", Said: unconnected(c.base, err), Bad: true})
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	found = append(found, providers.Finding{What: "connection", Said: c.base + " answers over TLS and takes our certificate"})
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		found[len(found)-1] = providers.Finding{What: "connection", Said: c.base + " does not let our certificate in: is it for this environment?", Bad: true}
	}
	server := resp.TLS.PeerCertificates[0]
	found = append(found, dated("the issuer's TLS certificate", server.Subject.CommonName, server.NotBefore, server.NotAfter, now))
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		f := providers.Finding{What: "clock", Said: "agrees with the issuer's"}
		if drift := now.Sub(at).Round(time.Second); drift.Abs() > maxDrift {
			f.Said, f.Bad = fmt.Sprintf("is %v from the issuer's: set this machine's clock (NTP)", drift), true
		}
		found = append(found, f)
	}
	return found
}

func dated(what, who string, from, to, now time.Time) providers.Finding {
	f := providers.Finding{What: what, Said: who + ", until " + to.Format(time.DateOnly), Ends: to}
	switch {
	case now.Before(from):
		f.Said, f.Bad = who+" is not valid before "+from.Format(time.DateOnly), true
	case now.After(to):
		f.Said, f.Bad = who+" ended on "+to.Format(time.DateOnly), true
	}
	return f
}

// unconnected says in words why there is no connection.
func unconnected(base string, err error) string {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	switch {
	case errors.As(err, &unknown):
		return base + " shows a certificate of another root than the configured one: is tls_root_file that of this environment?"
	case errors.As(err, &invalid):
		return base + " shows a certificate that is not valid: " + invalid.Error()
	case errors.As(err, &host):
		return base + " shows a certificate for another host"
	}
	return base + " cannot be reached: " + clean(err.Error())
}
