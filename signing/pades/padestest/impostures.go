package padestest

import (
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"slices"
	"testing"

	"sigill/signing/pades"
)

// Impostures makes, of a sealed file, files with a CMS that somebody really
// signed: with a stranger's key, with a certificate of the same issuer that is
// for something else, in another form than ours, or over a revision that is not
// one of ours. The PKI is the one that the verifier trusts. The first of them is
// none, but a good seal made here, and has no code.
func Impostures(t testing.TB, sealed []byte, p *PKI) []Forgery {
	t.Helper()
	stranger := NewPKI(t)
	key, otherKey := NewKey(t, elliptic.P256()), NewKey(t, elliptic.P256())
	genuine := p.Issue(t, key, Leaf{Serial: 4711})
	good := CMS{Key: key, Signer: genuine[0], Certificates: genuine}

	var out []Forgery
	add := func(name string, code pades.Code, rule int, c CMS) {
		file := Open(t, sealed).Resign(t, func(covered []byte) []byte { return c.Sign(t, covered) })
		out = append(out, Forgery{"signed: " + name, file, code, rule})
	}
	with := func(change func(*CMS)) CMS {
		c := good
		c.Certificates = slices.Clone(good.Certificates)
		change(&c)
		return c
	}
	by := func(key crypto.Signer, chain []*x509.Certificate) CMS {
		return CMS{Key: key, Signer: chain[0], Certificates: chain}
	}

	add("well", "", 0, good)

	// Who signs.
	same := stranger.Issue(t, otherKey, Leaf{Serial: 4711})
	add("by a stranger of the same name", pades.NoCertificateChainFound, 5, by(otherKey, same))
	add("by a stranger who carries the genuine certificate too", pades.NoCertificateChainFound, 5,
		CMS{Key: otherKey, Signer: same[0], Certificates: append(slices.Clone(same), p.Issue(t, key, Leaf{})...)})
	add("by a stranger who carries his root", pades.NoCertificateChainFound, 5, by(otherKey, append(slices.Clone(same), stranger.Root)))
	add("by a stranger who names the genuine certificate", pades.NoSigningCertificateFound, 4, with(func(c *CMS) {
		c.Key, c.Certificates = otherKey, same
	}))
	add("with another key than the certificate's", pades.SigCryptoFailure, 4, with(func(c *CMS) { c.Key = otherKey }))
	add("without the signer's certificate", pades.NoSigningCertificateFound, 4, with(func(c *CMS) { c.Certificates = genuine[1:] }))
	add("without the issuer's certificate", pades.NoCertificateChainFound, 5, with(func(c *CMS) { c.Certificates = genuine[:1] }))
	add("with a stranger's certificate more", pades.ChainConstraintsFailure, 5, with(func(c *CMS) {
		c.Certificates = append(c.Certificates, stranger.Issue(t, otherKey, Leaf{})[0])
	}))
	add("with another customer's certificate more", pades.ChainConstraintsFailure, 5, with(func(c *CMS) {
		c.Certificates = append(c.Certificates, p.Issue(t, otherKey, Leaf{Organisation: "Annankommunen"})[0])
	}))
	add("with a certificate twice", pades.FormatFailure, 4, with(func(c *CMS) {
		c.Certificates = append(c.Certificates, genuine[0])
	}))
	add("with ten certificates", pades.FormatFailure, 4, with(func(c *CMS) {
		for range 8 {
			c.Certificates = append(c.Certificates, p.Issue(t, otherKey, Leaf{})[0])
		}
	}))
	add("by a timestamping authority", pades.ChainConstraintsFailure, 5, by(key, p.Issue(t, key, Leaf{
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}})))
	add("by an OCSP responder", pades.ChainConstraintsFailure, 5, by(key, p.Issue(t, key, Leaf{
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}})))
	add("by a web server", pades.ChainConstraintsFailure, 5, by(key, p.Issue(t, key, Leaf{
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})))
	add("with a key for agreement", pades.ChainConstraintsFailure, 5, by(key, p.Issue(t, key, Leaf{KeyUsage: x509.KeyUsageKeyAgreement})))
	add("by the issuer itself", pades.ChainConstraintsFailure, 5, by(p.issuerKey, []*x509.Certificate{p.Issuer}))
	signing := authority("Test Seal Issuer", 3)
	signing.KeyUsage |= x509.KeyUsageContentCommitment
	add("by an issuer who may sign", pades.ChainConstraintsFailure, 5,
		by(key, []*x509.Certificate{issue(t, signing, p.Issuer, key.Public(), p.issuerKey), p.Issuer}))
	add("by a customer posing as an issuer", pades.NoCertificateChainFound, 5, func() CMS {
		below := &PKI{Issuer: genuine[0], issuerKey: key}
		return by(otherKey, append(below.Issue(t, otherKey, Leaf{}), p.Issuer))
	}())
	add("before the certificate was valid", pades.OutOfBoundsNoPOE, 5, by(key, p.Issue(t, key, Leaf{NotBefore: year(2040), NotAfter: year(2041)})))
	add("after the certificate had expired", pades.OutOfBoundsNoPOE, 5, by(key, p.Issue(t, key, Leaf{NotBefore: year(2020), NotAfter: year(2021)})))
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	add("with a short RSA key", pades.CryptoConstraintsFailure, 4, by(weak, p.Issue(t, weak, Leaf{})))
	p521 := NewKey(t, elliptic.P521())
	add("with a curve that is not allowed", pades.CryptoConstraintsFailure, 4, by(p521, p.Issue(t, p521, Leaf{})))
	for name, public := range map[string]crypto.PublicKey{
		"an enormous key":       &rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int).Lsh(big.NewInt(1), 20_000), 0, 1), E: 65537},
		"an enormous exponent":  &rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int).Lsh(big.NewInt(1), 4095), 0, 1), E: 1<<31 - 1},
		"a short RSA key":       weak.Public(),
		"a curve not allowed":   p521.Public(),
		"a key of another sort": ed25519.PublicKey(make([]byte, ed25519.PublicKeySize)),
	} {
		above := issue(t, authority("Test Seal Issuer", 2), p.Root, public, p.rootKey)
		add("below an issuer with "+name, pades.CryptoConstraintsFailure, 4, by(key, []*x509.Certificate{genuine[0], above}))
	}

	// What is signed, and how it is written.
	add("over another file", pades.HashFailure, 4, with(func(c *CMS) { c.Digest = make([]byte, 32) }))
	for _, c := range []struct {
		name   string
		code   pades.Code
		change func(*CMS)
	}{
		{"a broken signature", pades.SigCryptoFailure, func(c *CMS) { c.BrokenSig = true }},
		{"a digest that is none", pades.FormatFailure, func(c *CMS) { c.Digest = []byte("short") }},
		{"another certificate named", pades.NoSigningCertificateFound, func(c *CMS) { c.CertHash = make([]byte, 32) }},
		{"no certificate named", pades.FormatFailure, func(c *CMS) { c.NoCertificate = true }},
		{"a time among the attributes", pades.FormatFailure, func(c *CMS) { c.SigningTime = true }},
		{"no attributes", pades.FormatFailure, func(c *CMS) { c.NoAttributes = true }},
		{"attributes out of order", pades.FormatFailure, func(c *CMS) { c.Unsorted = true }},
		{"an unsigned attribute", pades.FormatFailure, func(c *CMS) { c.Unsigned = true }},
		{"another content type", pades.FormatFailure, func(c *CMS) { c.ContentType = oid(signedData) }},
		{"SHA-1", pades.FormatFailure, func(c *CMS) { c.Algorithm = tlv(sequence, oid(ecdsaWithSHA1)) }},
		{"another kind of key named", pades.FormatFailure, func(c *CMS) { c.Algorithm = tlv(sequence, oid(sha256WithRSA), null()) }},
		{"another version", pades.FormatFailure, func(c *CMS) { c.Version = 3 }},
		{"two signers", pades.FormatFailure, func(c *CMS) { c.Twice = true }},
		{"content of its own", pades.FormatFailure, func(c *CMS) { c.Content = []byte("other") }},
		{"a list of revoked certificates", pades.FormatFailure, func(c *CMS) { c.CRLs = true }},
		{"a value more", pades.FormatFailure, func(c *CMS) { c.TrailingInside = true }},
		{"BER without a length", pades.FormatFailure, func(c *CMS) { c.Indefinite = true }},
		{"BER with a long length", pades.FormatFailure, func(c *CMS) { c.LongLength = true }},
	} {
		rule := 4
		if c.name == "BER without a length" || c.name == "BER with a long length" {
			rule = 3 // the Contents are not one DER value
		}
		add(c.name, c.code, rule, with(c.change))
	}

	// Around what it is signed: the digest is right, and so are signature and
	// chain.
	for _, c := range seals() {
		d := Open(t, sealed)
		c.change(d)
		file := d.Resign(t, func(covered []byte) []byte { return good.Sign(t, covered) })
		out = append(out, Forgery{"signed with " + c.name, file, pades.FormatFailure, c.rule})
	}
	return out
}
