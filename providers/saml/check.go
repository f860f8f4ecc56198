package saml

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigill/providers"
	"sigill/providers/saml/metadata"
)

// Check looks at what a login would need, without a person: the metadata, what it
// says, and our keys.
func (p *Provider) Check(ctx context.Context) []providers.Finding {
	found := p.own()
	if c, ok := p.Source.(providers.Checker); ok {
		found = append(found, c.Check(ctx)...)
	}
	idp, err := p.Source.IdP(p.Config.IdP)
	if err != nil {
		return append(found, providers.Finding{What: "metadata", Said: fmt.Sprintf("nothing on %s: %v", p.Config.IdP, err), Bad: true})
	}
	return append(found, p.fits(&idp)...)
}

// fits compares what the identity provider says of itself with what we would ask.
func (p *Provider) fits(idp *metadata.IdP) []providers.Finding {
	var found []providers.Finding
	say := func(bad bool, what, format string, args ...any) {
		found = append(found, providers.Finding{What: what, Said: fmt.Sprintf(format, args...), Bad: bad})
	}
	redirect, post := idp.SSO[metadata.BindingRedirect] != "", idp.SSO[metadata.BindingPOST] != ""
	switch {
	case p.Binding == Redirect && !redirect, p.Binding == Post && !post, !redirect && !post:
		say(true, "binding", "%s has no endpoint with the binding that is configured", idp.EntityID)
	case p.signs() && !post && !p.EncryptSignMessage:
		say(true, "binding", "%s takes requests in addresses only: no text can be signed unless encrypt_sign_message is true", idp.EntityID)
	case p.signs() && !post:
		say(false, "binding", "%s takes requests in addresses only: texts to sign must be short", idp.EntityID)
	default:
		say(false, "binding", "%s has an endpoint for us", idp.EntityID)
	}
	if len(idp.SigningCertificates) == 0 {
		say(true, "the issuer's keys", "no key to verify its answers with")
	} else {
		say(false, "the issuer's keys", "%d to verify its answers with", len(idp.SigningCertificates))
	}
	if p.EncryptSignMessage && !slices.ContainsFunc(idp.EncryptionCertificates, func(c *x509.Certificate) bool { return c.PublicKeyAlgorithm == x509.RSA }) {
		say(true, "the issuer's keys", "none to encrypt texts to: set encrypt_sign_message to false, or ask for one")
	}
	if len(idp.AssuranceCertifications) > 0 && len(p.Request) > 0 {
		var may []string
		for _, loa := range p.Request {
			if slices.Contains(idp.AssuranceCertifications, loa) {
				may = append(may, loa)
			}
		}
		if len(may) == 0 {
			say(true, "levels", "it may give none of those that we ask for; it may give %s", strings.Join(idp.AssuranceCertifications, ", "))
		} else {
			say(false, "levels", "it may give %s", strings.Join(may, ", "))
		}
	}
	return found
}

// own looks at our own keys.
func (p *Provider) own() []providers.Finding {
	now := p.Clock()
	found := []providers.Finding{dated("our key for logins", p.Login.Signing.Certificate, now)}
	if p.signs() {
		found = append(found, dated("our key for signatures", p.Sign.Signing.Certificate, now))
	}
	return found
}

// dated says until when a certificate is good. For SAML it is only what the key
// comes in, but some look at the date all the same: it is never Bad.
func dated(what string, c *x509.Certificate, now time.Time) providers.Finding {
	f := providers.Finding{What: what, Said: "its certificate ends on " + c.NotAfter.Format(time.DateOnly), Ends: c.NotAfter}
	if now.After(c.NotAfter) {
		f.Said = "its certificate ended on " + c.NotAfter.Format(time.DateOnly) + "; the profile allows that, some identity providers do not"
	}
	return f
}

// Dates are when our certificates and the identity provider's metadata end.
func (p *Provider) Dates() []providers.Finding {
	all := p.own()
	if d, ok := p.Source.(providers.Dated); ok {
		all = append(all, d.Dates()...)
	}
	return all
}

// Run keeps the identity provider's metadata fresh, where it comes from outside.
func (p *Provider) Run(ctx context.Context) error {
	if r, ok := p.Source.(providers.Runner); ok {
		return r.Run(ctx)
	}
	<-ctx.Done()
	return nil
}
