package pades_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"errors"
	"strings"
	"testing"

	"sigill/signing/pades"
	"sigill/signing/pades/padestest"
	"sigill/signing/pdf"
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

// TestFewRevisions: each revision of a file costs a walk through all of it, so
// that a small file of many would keep a verifier busy.
func TestFewRevisions(t *testing.T) {
	file := padestest.Unsealed(t)
	for range 9 {
		f, err := pdf.Parse(file, pdf.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		u := f.Update()
		catalog, _ := f.Dict(0, f.Revisions[0].Trailer.Root)
		u.Put(f.Revisions[0].Trailer.Root, catalog)
		more, err := u.Finish(pdf.Trailer{ID: f.Revisions[0].Trailer.ID})
		if err != nil {
			t.Fatal(err)
		}
		file = append(file, more...)
	}
	_, err := pades.Verify(file, trust(padestest.NewPKI(t)), noon())
	refusal(t, err, pades.FormatFailure)
	if err == nil || !strings.Contains(err.Error(), "more than 3 revisions") {
		t.Error(err)
	}
}
