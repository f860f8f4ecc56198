package pades_test

import (
	"bytes"
	"crypto/elliptic"
	"errors"
	"testing"

	"sigill/signing/pades"
	"sigill/signing/pades/padestest"
)

func FuzzVerify(f *testing.F) {
	p := padestest.NewPKI(f)
	sealed := seal(f, newSealer(f, p, padestest.NewKey(f, elliptic.P256())), padestest.Unsealed(f))
	f.Add(sealed)
	for _, forgery := range padestest.Forgeries(f, sealed) {
		f.Add(forgery.File)
	}
	trust := trust(p) // in each process another: seeds of the first are strangers to the others
	f.Fuzz(func(t *testing.T, in []byte) {
		_, err := pades.Verify(in, trust, noon())
		var refused *pades.Refused
		if err != nil && !errors.As(err, &refused) {
			t.Fatal(err)
		}
		if err == nil && !bytes.Equal(in, sealed) {
			t.Fatal("a file that nobody sealed was accepted")
		}
	})
}
