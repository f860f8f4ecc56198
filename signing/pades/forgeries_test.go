package pades_test

import (
	"bytes"
	"crypto/elliptic"
	"errors"
	"testing"

	"sigill/signing/pades"
	"sigill/signing/pades/padestest"
)

func TestForgeries(t *testing.T) {
	p := padestest.NewPKI(t)
	for name, key := range map[string]func() *pades.Sealer{
		"P-256":    func() *pades.Sealer { return newSealer(t, p, padestest.NewKey(t, elliptic.P256())) },
		"RSA-3072": func() *pades.Sealer { return newSealer(t, p, newRSA(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			sealed := seal(t, key(), padestest.Unsealed(t))
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
