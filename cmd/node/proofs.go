package node

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"sigill/broker/kit/config"
	"sigill/providers"
	"sigill/signing/trust"
)

// checkProofs says what a verifier with this trust would not believe of the
// signatures made with an e-ID.
func checkProofs(p config.Provider, t trust.Trust) error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("provider %s: its signatures would not be believed: %s", p.Name, fmt.Sprintf(format, args...)))
	}
	switch p.Kind {
	case config.KindBankID:
		checkBankID(p, t, fault)
	case config.KindFreja:
		checkFreja(p, t, fault)
	case config.KindSAML:
		checkSAML(p, t, fault)
	}
	return errors.Join(faults...)
}

func checkBankID(p config.Provider, t trust.Trust, fault func(string, ...any)) {
	env, err := bankIDEnvironment(p)
	if err != nil {
		return // openProviders says it
	}
	policies := env.Policies.Mobile
	if slices.Contains(p.Offers, providers.BankID) {
		policies = env.Policies.All()
	}
	for _, root := range env.SignatureRoots {
		// Of several environments with one root the first is asked.
		believed := t.BankIDs()
		i := slices.IndexFunc(believed, func(b trust.BankID) bool { return slices.ContainsFunc(b.Roots, root.Equal) })
		if i < 0 {
			fault("no environment under bankid in the trust file has the signature root %q", root.Subject.CommonName)
			continue
		}
		b := believed[i]
		for _, policy := range policies {
			if !slices.Contains(b.Policies, policy) {
				fault("the environment %s in the trust file lacks the policy %s", b.Name, policy)
			}
		}
		if p.Approved && !b.Approved {
			fault("it is approved for level 3, and the environment %s in the trust file is not", b.Name)
		}
	}
}

func checkFreja(p config.Provider, t trust.Trust, fault func(string, ...any)) {
	env, err := frejaEnvironment(p)
	if err != nil {
		return // openProviders says it
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range t.Freja.Roots {
		roots.AddCert(c)
	}
	for _, c := range env.Intermediates {
		between.AddCert(c)
	}
	for _, c := range env.JWSCertificates {
		name := c.Subject.CommonName
		_, err := c.Verify(x509.VerifyOptions{
			Roots: roots, Intermediates: between, CurrentTime: c.NotBefore.Add(time.Minute), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		})
		switch {
		case err != nil:
			fault("nothing under freja in the trust file stands above the certificate %q", name)
		case len(t.Freja.Certificates) > 0 && !slices.ContainsFunc(t.Freja.Certificates, c.Equal):
			fault("the certificates under freja in the trust file lack %q", name)
		}
	}
	if p.Approved && !t.Freja.Approved {
		fault("it is approved for level 3, and freja in the trust file is not")
	}
}

func checkSAML(p config.Provider, t trust.Trust, fault func(string, ...any)) {
	if !p.SAML.Signing.Configured() {
		return // nobody signs with it
	}
	i := slices.IndexFunc(t.SAML.IdPs, func(idp trust.IdP) bool { return idp.EntityID == p.SAML.IdP })
	if i < 0 {
		fault("saml-metadata in the trust file does not name the identity provider %s", p.SAML.IdP)
		return
	}
	idp := t.SAML.IdPs[i]
	if !slices.Contains(p.Offers, idp.Provider) {
		fault("the trust file says that %s is %s", p.SAML.IdP, idp.Provider)
	}
	if p.Approved && !idp.Approved {
		fault("it is approved for level 3, and %s in the trust file is not", p.SAML.IdP)
	}
}
