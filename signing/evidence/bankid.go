package evidence

import (
	"errors"
	"slices"
	"time"

	"sigill/providers"
	"sigill/providers/bankid"
	"sigill/signing/receipt"
	"sigill/signing/trust"
)

// bankID tries one environment after the other.
type bankID struct{ environments []bankid.Trust }

func newBankID(t trust.Trust) *bankID {
	k, cache := &bankID{}, &bankid.Cache{}
	for _, b := range t.BankIDs() {
		k.environments = append(k.environments, bankid.Trust{
			Roots: b.Roots, Policies: b.Policies, AnyRelyingParty: true, Approved: b.Approved, Cache: cache,
		})
	}
	return k
}

func (k *bankID) verify(e providers.Evidence, expected providers.Expected, at time.Time) (providers.Identity, error) {
	unknown := bankid.ErrNoRoot
	for _, t := range k.environments {
		identity, err := bankid.Verify(e, expected, t, at)
		if err == nil || !errors.Is(err, bankid.ErrNoRoot) {
			return identity, err
		}
		unknown = err
	}
	return providers.Identity{}, nobody{unknown}
}

// BankID on a card is no Mobilt BankID; for environments other than production a
// trust file does not say which policy is which kind.
func (k *bankID) speaks(id providers.ID, verified providers.Identity) bool {
	switch id {
	case providers.BankID:
		return true
	case providers.MBankID:
		kinds := bankid.Production().Policies
		return !slices.Contains(kinds.File, verified.Policy) && !slices.Contains(kinds.Card, verified.Policy)
	}
	return false
}

func (k *bankID) whole() bool { return false }

func (k *bankID) parts(e providers.Evidence) ([]receipt.File, error) {
	signature, ocsp, err := bankid.Parts(e)
	if err != nil {
		return nil, err
	}
	return []receipt.File{
		{Name: ".xml", Type: "application/xml", Relationship: "Source", Bytes: signature},
		{Name: "-ocsp.der", Type: "application/ocsp-response", Relationship: "Supplement", Bytes: ocsp},
	}, nil
}

func (k *bankID) held(providers.Evidence) providers.Text { return providers.Text{} }
