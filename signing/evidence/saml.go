package evidence

import (
	"errors"
	"time"

	"sigill/providers"
	"sigill/providers/saml"
	"sigill/signing/receipt"
	"sigill/signing/trust"
)

// samlKind tries one identity provider after the other: whose evidence it is says
// which e-ID it is of.
type samlKind struct{ idps []saml.Trust }

func newSAML(t trust.Trust) *samlKind {
	k := &samlKind{}
	for _, p := range t.SAML.IdPs {
		var names saml.Attributes // zero: the usual ones
		if len(p.Attributes) > 0 {
			names = saml.SwedenConnect()
			for claim, list := range p.Attributes {
				names.Names[saml.Claim(claim)] = list
			}
		}
		k.idps = append(k.idps, saml.Trust{
			Levels: p.Levels, Attributes: names, MappedBy: p.MappedBy,
			Metadata: t.SAML.Metadata, IdPs: p.Certificates, EntityIDs: []string{p.EntityID}, AnyAudience: true,
			Provider: p.Provider, Approved: p.Approved,
		})
	}
	return k
}

func (k *samlKind) verify(e providers.Evidence, expected providers.Expected, at time.Time) (providers.Identity, error) {
	unknown := saml.ErrNoRoot
	for _, t := range k.idps {
		identity, err := saml.Verify(e, expected, t, at)
		if err == nil || !errors.Is(err, saml.ErrNoRoot) {
			return identity, err
		}
		unknown = err
	}
	return providers.Identity{}, nobody{unknown}
}

func (k *samlKind) speaks(id providers.ID, verified providers.Identity) bool {
	return id != "" && id == verified.Provider
}

// What binds a proof besides the text is the id of the request that it answers,
// which the person does not sign.
func (k *samlKind) whole() bool { return true }

func (k *samlKind) parts(e providers.Evidence) ([]receipt.File, error) {
	assertion, metadata, err := saml.Parts(e)
	if err != nil {
		return nil, err
	}
	return []receipt.File{
		{Name: ".xml", Type: "application/xml", Relationship: "Source", Bytes: assertion},
		{Name: "-metadata.xml", Type: "application/samlmetadata+xml", Relationship: "Supplement", Bytes: metadata},
	}, nil
}

func (k *samlKind) held(providers.Evidence) providers.Text { return providers.Text{} }
