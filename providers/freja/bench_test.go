package freja

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"sync"
	"testing"
	"time"

	"sigill/providers"
)

// benchWorld has keys of Freja's sizes: RSA-4096 above RSA-2048.
var benchWorld = sync.OnceValue(func() world { return newWorld("Mått", 4096) })

// BenchmarkVerify is everything that is checked of a login or a signature.
func BenchmarkVerify(b *testing.B) {
	w := benchWorld()
	trust := Trust{Roots: []*x509.Certificate{w.root.cert}, Certificates: []*x509.Certificate{w.jws.cert}}
	for _, kind := range []providers.Kind{providers.KindAuth, providers.KindSign} {
		proof := seal(b, newForge(w, kind).evidence())
		want := expected(kind)
		b.Run(string(kind), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Verify(proof, want, trust, testTime.Add(time.Hour)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRawSignatures is the cryptography in that and nothing else: the JWS and
// the two certificates between it and the root. The ratio is that of a login.
func BenchmarkRawSignatures(b *testing.B) {
	w := benchWorld()
	token, err := parseToken(newForge(w, providers.KindAuth).jws())
	if err != nil {
		b.Fatal(err)
	}
	type signed struct {
		key  *rsa.PublicKey
		sum  [sha256.Size]byte
		mark []byte
	}
	all := []signed{{w.jws.cert.PublicKey.(*rsa.PublicKey), sha256.Sum256([]byte(token.signed)), token.signature}}
	for _, link := range [][2]*x509.Certificate{{w.jws.cert, w.issuing.cert}, {w.issuing.cert, w.root.cert}} {
		all = append(all, signed{link[1].PublicKey.(*rsa.PublicKey), sha256.Sum256(link[0].RawTBSCertificate), link[0].Signature})
	}
	raw := func() {
		for _, s := range all {
			if err := rsa.VerifyPKCS1v15(s.key, crypto.SHA256, s.sum[:], s.mark); err != nil {
				b.Fatal(err)
			}
		}
	}
	for b.Loop() {
		raw()
	}
	// One beside the other, so that what else the machine does slows both.
	trust := Trust{Roots: []*x509.Certificate{w.root.cert}, Certificates: []*x509.Certificate{w.jws.cert}}
	proof, want := seal(b, newForge(w, providers.KindAuth).evidence()), expected(providers.KindAuth)
	var bare, whole time.Duration
	for range 300 {
		began := time.Now()
		raw()
		middle := time.Now()
		if _, err := Verify(proof, want, trust, testTime.Add(time.Hour)); err != nil {
			b.Fatal(err)
		}
		bare, whole = bare+middle.Sub(began), whole+time.Since(middle)
	}
	b.ReportMetric(float64(whole)/float64(bare), "login/raw")
}
