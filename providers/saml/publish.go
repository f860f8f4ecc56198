package saml

import (
	"crypto/x509"
	"slices"

	"sigill/providers"
	"sigill/providers/saml/metadata"
)

// Where our metadata lies, below the address of the instance.
const (
	loginMetadata = "metadata"
	signMetadata  = "sign/metadata"
)

const metadataType = "application/samlmetadata+xml"

// publish writes the metadata of our service providers. The two are apart so that
// a login does not look like a signature to the identity provider: only one of
// them is a signature service.
func (p *Provider) publish() (map[string]providers.Document, error) {
	all := map[string]providers.Document{}
	add := func(path string, sp SP, signs bool) error {
		raw, err := metadata.Document(p.describe(sp, signs))
		all[path] = providers.Document{MediaType: metadataType, Bytes: raw}
		return err
	}
	if err := add(loginMetadata, p.Login, false); err != nil {
		return nil, err
	}
	if p.signs() {
		if err := add(signMetadata, p.Sign, true); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (p *Provider) describe(sp SP, signs bool) metadata.SP {
	m := metadata.SP{
		EntityID: sp.EntityID, ACS: []string{sp.ACS}, Categories: slices.Clone(sp.Categories),
		SignatureService: signs, WantAssertionsSigned: signs, CoordinationNumbers: p.CoordNumbers,
		Name: p.About.Name, Description: p.About.Description, Logo: p.About.Logo,
		Signing:    []*x509.Certificate{sp.Signing.Certificate},
		Encryption: []*x509.Certificate{sp.Decrypt[0].Certificate},
		Authority:  metadata.Organization{Name: p.About.Organization, DisplayName: p.About.Organization, URL: p.About.OrganizationURL},
		Contacts:   p.About.Contacts,
		Key:        sp.Signing.Private, Certificate: sp.Signing.Certificate,
	}
	if !slices.Contains(m.Categories, categoryLoA3) {
		m.Categories = slices.Insert(m.Categories, 0, categoryLoA3)
	}
	if p.NameID != "none" {
		m.NameIDs = []string{p.NameID}
	}
	return m
}
