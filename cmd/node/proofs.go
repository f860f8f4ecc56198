package node

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"sigill/broker/kit/config"
	"sigill/providers"
	"sigill/providers/saml"
	"sigill/providers/saml/metadata"
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
	s := p.SAML
	if !s.Signing.Configured() {
		return // nobody signs with it
	}
	i := slices.IndexFunc(t.SAML.IdPs, func(idp trust.IdP) bool { return idp.EntityID == s.IdP })
	if i < 0 {
		fault("saml-metadata in the trust file does not name the identity provider %s", s.IdP)
		return
	}
	idp := t.SAML.IdPs[i]
	if !slices.Contains(p.Offers, idp.Provider) {
		fault("the trust file says that %s is %s", s.IdP, idp.Provider)
	}
	if p.Approved && !idp.Approved {
		fault("it is approved for level 3, and %s in the trust file is not", s.IdP)
	}
	if s.Metadata.Unsigned && len(idp.Certificates) == 0 {
		fault("its metadata is unsigned, so the trust file must hold the certificates of %s itself", s.IdP)
	}

	// A verifier knows the profile, and not what is agreed beyond it.
	known := saml.DefaultLevels(idp.Provider, idp.Approved)
	for _, loa := range slices.Sorted(maps.Keys(s.AcceptLevels)) {
		if _, ok := known[loa]; !ok {
			fault("accept_levels has %s, which verifiers do not know", loa)
		}
	}
	names := []saml.Attributes{saml.SwedenConnect(), saml.CGIClassic()}
	for _, claim := range slices.Sorted(maps.Keys(s.Names)) {
		for _, name := range s.Names[claim] {
			if !slices.ContainsFunc(names, func(a saml.Attributes) bool { return slices.Contains(a.Names[saml.Claim(claim)], name) }) {
				fault("attribute_names reads %s from %s, which verifiers do not", claim, name)
			}
		}
	}
	if len(s.MappedNumbers) > 0 {
		fault("mapped_numbers lets people in by a number that verifiers do not believe")
	}
	if s.Skew > time.Minute {
		fault("clock_skew is more than the minute that verifiers allow")
	}
}

// checkEntry says whether a verifier with this trust would not believe the keys that
// an identity provider signs with now, as far as its metadata is known: a feed is
// signed as a whole, and only an entry with a signature of its own proves anything
// later.
func checkEntry(p *saml.Provider, t trust.Trust) error {
	now, err := p.Source.IdP(p.IdP)
	if err != nil || p.Sign.EntityID == "" {
		return nil // not known, or nobody signs
	}
	i := slices.IndexFunc(t.SAML.IdPs, func(idp trust.IdP) bool { return idp.EntityID == p.IdP })
	if i < 0 {
		return nil // checkSAML says it
	}
	entry, err := metadata.Entry(now.Raw, t.SAML.Metadata)
	if err != nil {
		return fmt.Errorf("provider %s: its metadata cannot be kept as a proof: %w", p.Instance, err)
	}
	if entry.OwnSignature || slices.ContainsFunc(entry.SigningCertificates, func(c *x509.Certificate) bool {
		return slices.ContainsFunc(t.SAML.IdPs[i].Certificates, func(known *x509.Certificate) bool {
			return bytes.Equal(known.RawSubjectPublicKeyInfo, c.RawSubjectPublicKeyInfo)
		})
	}) {
		return nil
	}
	return fmt.Errorf("provider %s: its signatures would not be believed: its entry in the metadata bears no signature by a certificate under saml-metadata in the trust file, which holds none that it signs with either", p.Instance)
}

// checkEntries is checkEntry of all e-IDs that have such an entry.
func (e *eids) checkEntries(t trust.Trust) error {
	var faults []error
	for _, i := range e.instances {
		for p := range i.each {
			if p, ok := p.(*saml.Provider); ok {
				faults = append(faults, checkEntry(p, t))
			}
		}
	}
	return errors.Join(faults...)
}
