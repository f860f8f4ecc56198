package saml

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"syscall"
	"testing"
	"time"

	"sigill/providers"
)

// The keys of the benchmarks are those of the profile's advice, 3072 bits.
func benchWorld(b *testing.B) *world {
	b.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	must(b, err)
	own := certified(key, time.Now())
	return open(b, func(c *Config) { c.Login.Signing, c.Login.Decrypt = own, []Key{own} })
}

// BenchmarkLogin is the whole way of one answer: read, its two signatures
// checked, decrypted, judged, and made into evidence.
func BenchmarkLogin(b *testing.B) {
	for name, signed := range map[string]bool{"response": false, "assertion": true} {
		b.Run(name, func(b *testing.B) {
			w := benchWorld(b)
			s, _ := w.begin(login)
			event := w.answers(s, answer{signAssertion: signed})
			defer cpu(b)()
			for b.Loop() {
				if _, ok := w.ends(s, event).(providers.Done); !ok {
					b.Fatal("refused")
				}
			}
		})
	}
}

// BenchmarkRaw is the cryptography that BenchmarkLogin cannot do without, on bytes
// that lie ready.
func BenchmarkRaw(b *testing.B) {
	for name, signatures := range map[string]int{"response": 1, "assertion": 2} {
		b.Run(name, func(b *testing.B) {
			w := benchWorld(b)
			own := w.config.Login.Decrypt[0].Private.(*rsa.PrivateKey)
			content := make([]byte, 8<<10)
			wrapped, err := rsa.EncryptOAEPWithOptions(rand.Reader, &own.PublicKey, make([]byte, 32), &rsa.OAEPOptions{Hash: crypto.SHA1})
			must(b, err)
			idp := keys()["idp"].Private.(*rsa.PrivateKey)
			digest := sha256.Sum256(content)
			signature, err := rsa.SignPKCS1v15(rand.Reader, idp, crypto.SHA256, digest[:])
			must(b, err)
			defer cpu(b)()
			for b.Loop() {
				for range signatures {
					digest := sha256.Sum256(content)
					_ = sha256.Sum256(content[:1024])
					must(b, rsa.VerifyPKCS1v15(&idp.PublicKey, crypto.SHA256, digest[:], signature))
				}
				key, err := own.Decrypt(rand.Reader, wrapped, &rsa.OAEPOptions{Hash: crypto.SHA1})
				must(b, err)
				block, err := aes.NewCipher(key)
				must(b, err)
				cipher.NewCBCDecrypter(block, content[:16]).CryptBlocks(make([]byte, len(content)), content)
			}
		})
	}
}

// cpu reports the processor's time, which other work on the machine leaves alone.
func cpu(b *testing.B) func() {
	used := func() time.Duration {
		var u syscall.Rusage
		must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	began := used()
	return func() { b.ReportMetric(float64(used()-began)/float64(b.N), "cpu-ns/op") }
}
