package pades_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"testing"

	"sigill/signing/pades"
	"sigill/signing/pades/padestest"
)

func benchmarkSeal(b *testing.B, key crypto.Signer) {
	s := newSealer(b, padestest.NewPKI(b), key)
	unsealed := padestest.Unsealed(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Seal(unsealed, noon(), info()); err != nil {
			b.Fatal(err)
		}
	}
}

// benchmarkRaw is the limit: the signature alone.
func benchmarkRaw(b *testing.B, key crypto.Signer) {
	digest := sha256.Sum256(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := key.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSealP256(b *testing.B) { benchmarkSeal(b, padestest.NewKey(b, elliptic.P256())) }
func BenchmarkRawP256(b *testing.B)  { benchmarkRaw(b, padestest.NewKey(b, elliptic.P256())) }
func BenchmarkSealRSA(b *testing.B)  { benchmarkSeal(b, newRSA(b)) }
func BenchmarkRawRSA(b *testing.B)   { benchmarkRaw(b, newRSA(b)) }

func BenchmarkVerify(b *testing.B) {
	p := padestest.NewPKI(b)
	sealed := seal(b, newSealer(b, p, padestest.NewKey(b, elliptic.P256())), padestest.Unsealed(b))
	trust := trust(p)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pades.Verify(sealed, trust, noon()); err != nil {
			b.Fatal(err)
		}
	}
}
