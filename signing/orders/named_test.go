package orders

import (
	"strings"
	"testing"
)

// TestNamed: an odd name of an issuer's order costs nobody a signature.
func TestNamed(t *testing.T) {
	for in, want := range map[string]string{
		"131daac9-16c6-4618-beb0-365768f37288": "131daac9-16c6-4618-beb0-365768f37288",
		"":                                     "", "signed by the king": "", "a\nb": "", strings.Repeat("x", 101): "", "_ok-1": "_ok-1",
	} {
		if got := named(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}
