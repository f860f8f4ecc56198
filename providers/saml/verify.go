package saml

import (
	"crypto/x509"
	"errors"
	"time"

	"sigill/providers"
)

// ErrNoRoot is the error of evidence that ends at nobody who is trusted.
var ErrNoRoot = errors.New("no trusted identity provider")

// Trust is what a verifier believes beforehand.
type Trust struct {
	// Metadata are the certificates by which an identity provider's entry may be
	// signed; what a believed entry names may sign assertions.
	Metadata []*x509.Certificate
	// IdPs are certificates of identity providers that are believed themselves.
	IdPs []*x509.Certificate
	// EntityIDs are the identity providers that are believed; empty: any that the
	// certificates vouch for.
	EntityIDs []string

	// Audiences are our service providers. What was made for another proves
	// nothing to us. AnyAudience accepts all: for a stranger who verifies what
	// somebody else asked for.
	Audiences   []string
	AnyAudience bool

	Levels         map[string]providers.Level // nil: DefaultLevels
	Attributes     Attributes                 // zero: the names of both presets
	NoCoordNumbers bool                       // a samordningsnummer is refused
	MappedBy       []string                   // as in Config

	Provider providers.ID // goes into the Identity
	Approved bool         // the service that asked is approved for level 3
}

// Verify checks evidence against what was expected of it and says who made it.
// Everything in the Identity comes from the signed assertion.
//
// Every error is a *providers.Refused that names the step that failed.
func Verify(e providers.Evidence, expected providers.Expected, trust Trust, at time.Time) (providers.Identity, error) {
	return providers.Identity{}, &providers.Refused{Check: "evidence", Err: ErrNoRoot}
}
