package oidc

import (
	"testing"

	"sigill/providers"
)

// Thumbprints are the keys that evidence says it is signed with, as somebody notes
// them who has compared them with the issuer's.
func Thumbprints(t testing.TB, e providers.Evidence) []string {
	t.Helper()
	v, err := parseEvidence(e)
	if err != nil {
		t.Fatal(err)
	}
	list := []string{v.Key.thumbprint()}
	if v.UserinfoKey != nil {
		list = append(list, v.UserinfoKey.thumbprint())
	}
	return list
}
