// Package evidence verifies the proof in an e-ID signature, whichever e-ID it is
// of, and takes it apart for other programs to read.
//
// It owns the way from a media type to the e-ID that understands it, and nothing
// of the verification itself: that is each provider's Verify. It needs evidence,
// what was expected, and a trust file; neither database nor network.
package evidence

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"sigill/providers"
	"sigill/providers/bankid"
	"sigill/signing/receipt"
	"sigill/signing/trust"
)

// Unknown is the error of evidence that can neither be believed nor refused: it
// is of a kind not known here, or it ends at nobody in the trust file.
type Unknown struct {
	MediaType string
	Err       error
}

func (e *Unknown) Error() string { return fmt.Sprintf("evidence of type %q: %v", e.MediaType, e.Err) }
func (e *Unknown) Unwrap() error { return e.Err }

var errKind = errors.New("this kind is not known here")

// Verifier verifies evidence. It may be used by many goroutines.
type Verifier struct {
	bankID []bankid.Trust
}

// New makes a verifier that believes what the trust file says.
func New(t trust.Trust) *Verifier {
	v := &Verifier{}
	cache := &bankid.Cache{}
	for _, b := range t.BankIDs() {
		v.bankID = append(v.bankID, bankid.Trust{
			Roots: b.Roots, Policies: b.Policies, AnyRelyingParty: true, Approved: b.Approved, Cache: cache,
		})
	}
	return v
}

// Verify checks evidence against what was expected of it and says who made it.
// The error is *providers.Refused where the proof is bad, *Unknown where nothing
// can be said. The identity's Provider is empty: several share one kind of
// evidence; see Speaks.
func (v *Verifier) Verify(e providers.Evidence, expected providers.Expected, at time.Time) (providers.Identity, error) {
	if e.MediaType != bankid.MediaType {
		return providers.Identity{}, &Unknown{e.MediaType, errKind}
	}
	var unknown error = &Unknown{e.MediaType, bankid.ErrNoRoot}
	for _, t := range v.bankID {
		identity, err := bankid.Verify(e, expected, t, at)
		if err == nil || !errors.Is(err, bankid.ErrNoRoot) {
			return identity, err
		}
		unknown = &Unknown{e.MediaType, err}
	}
	return providers.Identity{}, unknown
}

// Speaks tells whether an e-ID gives evidence of this type under this policy.
// BankID on a card is no Mobilt BankID; for environments other than production
// a trust file does not say which policy is which kind.
func (v *Verifier) Speaks(mediaType string, id providers.ID, policy string) bool {
	if mediaType != bankid.MediaType {
		return false
	}
	switch id {
	case providers.BankID:
		return true
	case providers.MBankID:
		kinds := bankid.Production().Policies
		return !slices.Contains(kinds.File, policy) && !slices.Contains(kinds.Card, policy)
	}
	return false
}

// Parts are what signatory n's evidence holds in formats that other programs
// read, as files to attach beside File.
func (v *Verifier) Parts(e providers.Evidence, n int) ([]receipt.File, error) {
	if e.MediaType != bankid.MediaType {
		return nil, &Unknown{e.MediaType, errKind}
	}
	signature, ocsp, err := bankid.Parts(e)
	if err != nil {
		return nil, fmt.Errorf("evidence of signatory %d: %w", n, err)
	}
	return []receipt.File{
		{Name: name(n, ".xml"), Type: "application/xml", Relationship: "Source", Bytes: signature},
		{Name: name(n, "-ocsp.der"), Type: "application/ocsp-response", Relationship: "Supplement", Bytes: ocsp},
	}, nil
}

// File is the evidence itself, byte for byte, as a file to attach.
func (v *Verifier) File(e providers.Evidence, n int) receipt.File {
	suffix := ".bin"
	if e.MediaType == bankid.MediaType {
		suffix = ".json"
	}
	return receipt.File{Name: name(n, suffix), Type: e.MediaType, Relationship: "Source", Bytes: e.Bytes}
}

func name(n int, suffix string) string { return "signatur-" + strconv.Itoa(n) + suffix }
