package pades_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"errors"
	"testing"

	"sigill/signing/pades"
	"sigill/signing/pades/padestest"
)

func TestForgeries(t *testing.T) {
	p := padestest.NewPKI(t)
	for _, c := range []struct {
		name string
		key  crypto.Signer
		info pades.Info
	}{
		{"P-256", padestest.NewKey(t, elliptic.P256()), info()},
		{"P-384, neither name nor reason", padestest.NewKey(t, elliptic.P384()), pades.Info{}},
		{"RSA-3072", newRSA(t), info()},
	} {
		t.Run(c.name, func(t *testing.T) {
			sealed, err := newSealer(t, p, c.key).Seal(padestest.Unsealed(t), noon(), c.info)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := pades.Verify(sealed, trust(p), noon()); err != nil {
				t.Fatal(err)
			}
			if again := padestest.Open(t, sealed).Bytes(t); !bytes.Equal(again, sealed) {
				t.Fatal("taken apart and put together the file is another")
			}
			forgeries := append(padestest.Forgeries(t, sealed), padestest.Impostures(t, sealed, p)...)
			t.Logf("%d forgeries", len(forgeries)-1)
			names := map[string]bool{}
			for _, f := range forgeries {
				t.Run(f.Name, func(t *testing.T) {
					if names[f.Name] {
						t.Error("the name is taken")
					}
					names[f.Name] = true
					_, err := pades.Verify(f.File, trust(p), noon())
					if f.Code == "" {
						if err != nil {
							t.Error(err)
						}
						return
					}
					if bytes.Equal(f.File, sealed) {
						t.Fatal("the forgery is the genuine file")
					}
					refusal(t, err, f.Code)
					var refused *pades.Refused
					if errors.As(err, &refused) && refused.Rule != f.Rule {
						t.Errorf("got %v, want rule %d", err, f.Rule)
					}
				})
			}
		})
	}
}
