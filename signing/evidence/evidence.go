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
	"strconv"
	"time"

	"sigill/providers"
	"sigill/providers/bankid"
	"sigill/providers/freja"
	"sigill/providers/saml"
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

// A kind is one media type of evidence, and what is believed of it.
type kind interface {
	// verify says who made it; errNobody: it ends at nobody who is believed.
	verify(providers.Evidence, providers.Expected, time.Time) (providers.Identity, error)
	// speaks tells whether an e-ID gives what was verified as this identity.
	speaks(providers.ID, providers.Identity) bool
	// whole: nothing is signed but the visible text (I2).
	whole() bool
	// parts are the files for other programs; their names are endings.
	parts(providers.Evidence) ([]receipt.File, error)
	// held says what is kept in it and was not verified; zero: nothing.
	held(providers.Evidence) providers.Text
}

// nobody is the error of a kind for evidence that ends at nobody who is believed.
type nobody struct{ err error }

func (n nobody) Error() string { return n.err.Error() }
func (n nobody) Unwrap() error { return n.err }

// Verifier verifies evidence. It may be used by many goroutines.
type Verifier struct{ kinds map[string]kind }

// New makes a verifier that believes what the trust file says.
func New(t trust.Trust) *Verifier {
	return &Verifier{map[string]kind{
		bankid.MediaType: newBankID(t),
		freja.MediaType:  newFreja(t),
		saml.MediaType:   newSAML(t),
	}}
}

// Verify checks evidence against what was expected of it and says who made it.
// The error is *providers.Refused where the proof is bad, *Unknown where nothing
// can be said. The identity's Provider is empty where several e-IDs share one kind
// of evidence; see Speaks.
func (v *Verifier) Verify(e providers.Evidence, expected providers.Expected, at time.Time) (providers.Identity, error) {
	k, ok := v.kinds[e.MediaType]
	if !ok {
		return providers.Identity{}, &Unknown{e.MediaType, errKind}
	}
	identity, err := k.verify(e, expected, at)
	var n nobody
	if errors.As(err, &n) {
		return providers.Identity{}, &Unknown{e.MediaType, n.err}
	}
	return identity, err
}

// Speaks tells whether an e-ID gives evidence of this type, as verified.
func (v *Verifier) Speaks(mediaType string, id providers.ID, verified providers.Identity) bool {
	k, ok := v.kinds[mediaType]
	return ok && k.speaks(id, verified)
}

// Whole tells whether evidence of this type proves nothing but a visible text,
// which must then hold the whole digest of what is signed.
func (v *Verifier) Whole(mediaType string) bool {
	k, ok := v.kinds[mediaType]
	return ok && k.whole()
}

// Held says what in the evidence is kept and was not verified; zero: nothing.
func (v *Verifier) Held(e providers.Evidence) providers.Text {
	if k, ok := v.kinds[e.MediaType]; ok {
		return k.held(e)
	}
	return providers.Text{}
}

// Parts are what signatory n's evidence holds in formats that other programs
// read, as files to attach beside File.
func (v *Verifier) Parts(e providers.Evidence, n int) ([]receipt.File, error) {
	k, ok := v.kinds[e.MediaType]
	if !ok {
		return nil, &Unknown{e.MediaType, errKind}
	}
	files, err := k.parts(e)
	if err != nil {
		return nil, fmt.Errorf("evidence of signatory %d: %w", n, err)
	}
	for i := range files {
		files[i].Name = name(n, files[i].Name)
	}
	return files, nil
}

// File is the evidence itself, byte for byte, as a file to attach.
func (v *Verifier) File(e providers.Evidence, n int) receipt.File {
	suffix := ".bin"
	if _, ok := v.kinds[e.MediaType]; ok {
		suffix = ".json"
	}
	return receipt.File{Name: name(n, suffix), Type: e.MediaType, Relationship: "Source", Bytes: e.Bytes}
}

func name(n int, suffix string) string { return "signatur-" + strconv.Itoa(n) + suffix }
