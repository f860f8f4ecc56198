package saml

import (
	"errors"

	"sigill/providers"
	"sigill/providers/xmlsec"
)

// A step looks at one thing, and relies on the steps before it.
type step[T any] struct {
	name string
	run  func(T) error
}

// run takes the steps in turn. The error is a *providers.Refused that names the
// step; where the XML was refused, also for what. The libraries below have
// panicked before on what others sent (crewjam/saml, on crafted ciphertext): here
// that is one more way of being refused.
func run[T any](work T, steps []step[T]) (err error) {
	at := ""
	defer func() {
		if recover() != nil { // its value may quote the input
			err = &providers.Refused{Check: at, Err: errors.New("the library gave up")}
		}
	}()
	for _, s := range steps {
		at = s.name
		if err := s.run(work); err != nil {
			if errors.Is(err, errEnded) {
				return err
			}
			check := s.name
			var x *xmlsec.Error
			if errors.As(err, &x) {
				check += "/" + x.Check
			}
			return &providers.Refused{Check: check, Err: err}
		}
	}
	return nil
}
