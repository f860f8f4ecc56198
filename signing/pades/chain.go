package pades

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"slices"
	"time"
)

// Trust is what the verifier believes beforehand.
type Trust struct {
	// Roots are the only certificates that a chain may end in.
	Roots []*x509.Certificate
	// Organisation and OrgIdentifier, where they are set, are the only sealer that
	// is accepted: others may have certificates from the same issuer.
	Organisation  string // organizationName
	OrgIdentifier string // organizationIdentifier, 2.5.4.97
}

// organisation is the first organizationName of the subject.
func organisation(c *x509.Certificate) string {
	if len(c.Subject.Organization) == 0 {
		return ""
	}
	return c.Subject.Organization[0]
}

func orgIdentifier(c *x509.Certificate) string {
	for _, name := range c.Subject.Names {
		if name.Type.Equal(asn1.ObjectIdentifier{2, 5, 4, 97}) {
			identifier, _ := name.Value.(string)
			return identifier
		}
	}
	return ""
}

var (
	errNotForSigning  = errors.New("the certificate's key usage is neither contentCommitment nor digitalSignature")
	errAnotherPurpose = errors.New("the certificate is for another purpose than signing documents")
	errIsCA           = errors.New("the certificate is that of an issuer")
)

// mayBeSealer says whether a certificate is one to seal with (EN 319 412-2,
// 4.3.2; RFC 5280, 4.2.1.12): a timestamping authority's or a web server's is
// not, even from the same issuer.
func mayBeSealer(c *x509.Certificate) error {
	if c.IsCA {
		return errIsCA
	}
	if c.KeyUsage&(x509.KeyUsageContentCommitment|x509.KeyUsageDigitalSignature) == 0 {
		return errNotForSigning
	}
	if len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 ||
		slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny) ||
		slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageEmailProtection) {
		return nil
	}
	for _, purpose := range []asn1.ObjectIdentifier{
		{1, 3, 6, 1, 5, 5, 7, 3, 36},       // id-kp-documentSigning, RFC 9336
		{1, 2, 840, 113583, 1, 1, 5},       // Adobe: authentic documents
		{1, 3, 6, 1, 4, 1, 311, 10, 3, 12}, // Microsoft: document signing
	} {
		if slices.ContainsFunc(c.UnknownExtKeyUsage, purpose.Equal) {
			return nil
		}
	}
	return errAnotherPurpose
}

// verifyChain finds a path from the signer's certificate, and from no other, to
// a root, for the time that the seal claims (rule 5). It gives the path.
func verifyChain(s *sealCMS, trust Trust, at time.Time) ([]*x509.Certificate, error) {
	const rule = 5
	if err := mayBeSealer(s.certificate); err != nil {
		return nil, refuse(ChainConstraintsFailure, rule, "%w", err)
	}
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(),
		CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	for _, c := range trust.Roots {
		options.Roots.AddCert(c)
	}
	for _, c := range s.others {
		options.Intermediates.AddCert(c)
	}
	paths, err := s.certificate.Verify(options)
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case err == nil:
	case errors.As(err, &unknown):
		return nil, refuse(NoCertificateChainFound, rule, "%w", err)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return nil, refuse(OutOfBoundsNoPOE, rule, "%w", err)
	default:
		return nil, refuse(ChainConstraintsFailure, rule, "%w", err)
	}

	// A certificate that has no part in a path has no business in the seal: some
	// verifiers believe a seal because of such a one.
	for _, c := range s.others {
		if !slices.ContainsFunc(paths, func(path []*x509.Certificate) bool { return slices.ContainsFunc(path, c.Equal) }) {
			return nil, refuse(ChainConstraintsFailure, rule, "the seal carries a certificate that is not of its chain")
		}
	}
	if trust.Organisation != "" && trust.Organisation != organisation(s.certificate) ||
		trust.OrgIdentifier != "" && trust.OrgIdentifier != orgIdentifier(s.certificate) {
		return nil, refuse(ChainConstraintsFailure, rule, "the sealer is another organisation than the one expected")
	}
	return paths[0], nil
}
