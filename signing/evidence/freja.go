package evidence

import (
	"errors"
	"time"

	"sigill/providers"
	"sigill/providers/freja"
	"sigill/signing/receipt"
	"sigill/signing/trust"
)

type frejaKind struct{ trust freja.Trust }

func newFreja(t trust.Trust) *frejaKind {
	return &frejaKind{freja.Trust{Roots: t.Freja.Roots, Certificates: t.Freja.Certificates, UserRoots: t.Freja.Users, Approved: t.Freja.Approved}}
}

func (k *frejaKind) verify(e providers.Evidence, expected providers.Expected, at time.Time) (providers.Identity, error) {
	identity, err := freja.Verify(e, expected, k.trust, at)
	if errors.Is(err, freja.ErrNoRoot) {
		return providers.Identity{}, nobody{err}
	}
	return identity, err
}

func (k *frejaKind) speaks(id providers.ID, _ providers.Identity) bool { return id == providers.Freja }

func (k *frejaKind) whole() bool { return false }

func (k *frejaKind) parts(e providers.Evidence) ([]receipt.File, error) {
	jws, ocsp, err := freja.Parts(e)
	if err != nil {
		return nil, err
	}
	files := []receipt.File{{Name: ".jws", Type: "application/jose", Relationship: "Source", Bytes: jws}}
	if len(ocsp) > 0 {
		files = append(files, receipt.File{Name: "-ocsp.der", Type: "application/ocsp-response", Relationship: "Supplement", Bytes: ocsp})
	}
	return files, nil
}

// What Freja's own signature covers is the person's, whose certificate Freja does
// not hand out.
func (k *frejaKind) held(e providers.Evidence) providers.Text {
	if held, err := freja.Inner(e, k.trust); err != nil || !held.Signature || held.Verified {
		return providers.Text{}
	}
	return providers.Text{
		SV: "personens egen underskrift, som ligger inuti Frejas. Frejas underskrift över alltihop är kontrollerad.",
		EN: "the person’s own signature, which lies inside Freja’s. Freja’s signature over all of it is verified.",
	}
}
