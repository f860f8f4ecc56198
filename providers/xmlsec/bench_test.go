package xmlsec

import (
	"crypto/x509"
	"strings"
	"testing"
)

// BenchmarkRead is what reading one signed answer costs, beside the bare check of
// its signature: the XML is most of it.
func BenchmarkRead(b *testing.B) {
	all := theIssuer()
	doc := []byte(honest(all.rsa).signed(b, strings.Replace(message, "good", "good "+strings.Repeat("YWJjZA==\n", 700), 1)))
	keys := []*x509.Certificate{all.other.cert, all.rsa.cert}
	root, err := Parse(doc, limit)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			if _, err := Parse(doc, limit); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			if _, err := Verify(root, keys); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare signature", func(b *testing.B) {
		sign := byRSA(all.rsa)(doc)
		for b.Loop() {
			if err := all.rsa.cert.CheckSignature(x509.SHA256WithRSA, doc, sign); err != nil {
				b.Fatal(err)
			}
		}
	})
}
