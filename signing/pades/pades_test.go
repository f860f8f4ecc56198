package pades_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/signing/pades"
	"sigill/signing/pades/padestest"
	"sigill/signing/pdf"
)

// noon is when the tests seal.
func noon() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }

func info() pades.Info {
	return pades.Info{Name: "Exempelkommunen", Reason: "Försegling av underskriven handling"}
}

func trust(p *padestest.PKI) pades.Trust {
	return pades.Trust{Roots: []*x509.Certificate{p.Root}}
}

func newRSA(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newSealer(t testing.TB, p *padestest.PKI, key crypto.Signer) *pades.Sealer {
	t.Helper()
	s, err := pades.New(key, p.Issue(t, key, padestest.Leaf{}))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func seal(t testing.TB, s *pades.Sealer, file []byte) []byte {
	t.Helper()
	sealed, err := s.Seal(file, noon(), info())
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealAndVerify(t *testing.T) {
	p := padestest.NewPKI(t)
	for _, c := range []struct {
		name string
		key  crypto.Signer
	}{
		{"P-256", padestest.NewKey(t, elliptic.P256())},
		{"P-384", padestest.NewKey(t, elliptic.P384())},
		{"RSA-3072", newRSA(t)},
	} {
		t.Run(c.name, func(t *testing.T) {
			unsealed := padestest.Unsealed(t)
			before := bytes.Clone(unsealed)
			s := newSealer(t, p, c.key)
			sealed := seal(t, s, unsealed)
			if !bytes.Equal(unsealed, before) {
				t.Error("sealing changed the file it was given")
			}
			got, err := pades.Verify(sealed, trust(p), noon().AddDate(3, 0, 0))
			if err != nil {
				t.Fatal(err)
			}
			if got.Organisation != padestest.Organisation || got.OrgIdentifier != padestest.OrgIdentifier || got.Info != info() {
				t.Errorf("%+v", got)
			}
			if !got.ClaimedAt.Equal(noon()) || !bytes.Equal(got.Unsealed, unsealed) {
				t.Errorf("claimed %v, unsealed %d bytes", got.ClaimedAt, len(got.Unsealed))
			}
			if !got.Certificate.Equal(s.Certificate()) || len(got.Chain) != 3 || !got.Chain[2].Equal(p.Root) {
				t.Errorf("chain of %d", len(got.Chain))
			}
			r := got.ByteRange
			h := sha256.New()
			h.Write(sealed[:r[1]])
			h.Write(sealed[r[2]:])
			if r[0] != 0 || r[2]+r[3] != len(sealed) || !bytes.Equal(h.Sum(nil), got.Digest[:]) {
				t.Errorf("ByteRange %v", r)
			}
		})
	}
}

func TestSealInParallel(t *testing.T) {
	p := padestest.NewPKI(t)
	s := newSealer(t, p, padestest.NewKey(t, elliptic.P256()))
	unsealed := padestest.Unsealed(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			sealed, err := s.Seal(unsealed, noon(), info())
			if err == nil {
				_, err = pades.Verify(sealed, trust(p), noon())
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

// brokenKey signs with another key than it says.
type brokenKey struct{ crypto.Signer }

func (brokenKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return []byte("no signature"), nil
}

func TestBrokenKey(t *testing.T) {
	p := padestest.NewPKI(t)
	key := brokenKey{padestest.NewKey(t, elliptic.P256())}
	if _, err := pades.New(key, p.Issue(t, key, padestest.Leaf{})); err == nil || !strings.Contains(err.Error(), "first signature") {
		t.Errorf("got %v", err)
	}
}

// TestEveryFileSize lets the ByteRange gain a digit.
func TestEveryFileSize(t *testing.T) {
	p := padestest.NewPKI(t)
	s := newSealer(t, p, padestest.NewKey(t, elliptic.P256()))
	file, err := pdf.Parse(padestest.Unsealed(t), pdf.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	for size := 9_000; size < 10_100; size += 7 {
		w := pdf.NewWriter()
		for n := range len(file.Revisions[0].Objects) {
			w.Reserve()
			o, _ := file.Get(0, pdf.Ref(n+1))
			if stream, ok := o.Object.(pdf.Stream); ok && stream.Dict["Type"] == pdf.Name("EmbeddedFile") {
				stream.Raw = make([]byte, size-2_700)
				delete(stream.Dict, "Filter")
				o.Object = stream
			}
			w.Put(pdf.Ref(n+1), o.Object)
		}
		padded, err := w.Finish(file.Revisions[0].Trailer)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pades.Verify(seal(t, s, padded), trust(p), noon()); err != nil {
			t.Fatalf("a file of %d bytes: %v", len(padded), err)
		}
	}
}

func TestWhatIsNotASealer(t *testing.T) {
	p, other := padestest.NewPKI(t), padestest.NewPKI(t)
	key := padestest.NewKey(t, elliptic.P256())
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p521 := padestest.NewKey(t, elliptic.P521())
	good := p.Issue(t, key, padestest.Leaf{})
	for _, c := range []struct {
		name  string
		key   crypto.Signer
		chain []*x509.Certificate
		says  string
	}{
		{"no certificate", key, nil, "a chain of 0"},
		{"another key's certificate", padestest.NewKey(t, elliptic.P256()), good, "not that of the key"},
		{"RSA-2048", small, p.Issue(t, small, padestest.Leaf{}), "3072"},
		{"P-521", p521, p.Issue(t, p521, padestest.Leaf{}), "P-384"},
		{"a chain of strangers", key, []*x509.Certificate{good[0], other.Issuer}, "did not issue"},
		{"a chain upside down", key, []*x509.Certificate{good[0], p.Root, p.Issuer}, "did not issue"},
		{"the issuer twice", key, []*x509.Certificate{good[0], p.Issuer, p.Issuer}, "did not issue"},
		{"for key agreement", key, p.Issue(t, key, padestest.Leaf{KeyUsage: x509.KeyUsageKeyAgreement}), "key usage"},
		{"for timestamps", key, p.Issue(t, key, padestest.Leaf{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}}), "another purpose"},
		{"for web servers", key, p.Issue(t, key, padestest.Leaf{
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}), "another purpose"},
	} {
		if _, err := pades.New(c.key, c.chain); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.says)
		}
	}
	if _, err := pades.New(key, append(good, p.Root)); err != nil {
		t.Errorf("with the root: %v", err)
	}
	if _, err := pades.New(key, p.Issue(t, key, padestest.Leaf{
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}})); err != nil {
		t.Errorf("for signatures and mail: %v", err)
	}
}

func TestSealRefuses(t *testing.T) {
	p := padestest.NewPKI(t)
	s := newSealer(t, p, padestest.NewKey(t, elliptic.P256()))
	unsealed := padestest.Unsealed(t)
	for _, c := range []struct {
		name string
		file []byte
		at   time.Time
		info pades.Info
	}{
		{"sealed already", seal(t, s, unsealed), noon(), info()},
		{"no PDF", []byte("hello"), noon(), info()},
		{"a byte more", append(bytes.Clone(unsealed), '\n'), noon(), info()},
		{"before the certificate", unsealed, time.Date(2019, 12, 31, 0, 0, 0, 0, time.UTC), info()},
		{"after the certificate", unsealed, time.Date(2050, 1, 2, 0, 0, 0, 0, time.UTC), info()},
		{"a name that is no text", unsealed, noon(), pades.Info{Name: "\xff"}},
		{"a long reason", unsealed, noon(), pades.Info{Reason: string(bytes.Repeat([]byte("a"), 2000))}},
	} {
		if _, err := s.Seal(c.file, c.at, c.info); err == nil {
			t.Errorf("%s: was sealed", c.name)
		}
	}
}

// refusal fails unless err is a refusal with this code.
func refusal(t *testing.T, err error, code pades.Code) {
	t.Helper()
	var refused *pades.Refused
	if !errors.As(err, &refused) {
		t.Errorf("got %v, want %s", err, code)
	} else if refused.Code != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

func TestTrust(t *testing.T) {
	p, stranger := padestest.NewPKI(t), padestest.NewPKI(t)
	key := padestest.NewKey(t, elliptic.P256())
	sealed := seal(t, newSealer(t, p, key), padestest.Unsealed(t))
	brief, err := pades.New(key, p.Issue(t, key, padestest.Leaf{NotBefore: noon().AddDate(0, -1, 0), NotAfter: noon().AddDate(0, 1, 0)}))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		file  []byte
		trust pades.Trust
		at    time.Time
		code  pades.Code // empty: accepted
	}{
		{"its root", sealed, trust(p), noon(), ""},
		{"its issuer as root", sealed, pades.Trust{Roots: []*x509.Certificate{p.Issuer}}, noon(), ""},
		{"several roots", sealed, pades.Trust{Roots: []*x509.Certificate{stranger.Root, p.Root}}, noon(), ""},
		{"the right organisation", sealed, pades.Trust{Roots: trust(p).Roots, Organisation: padestest.Organisation, OrgIdentifier: padestest.OrgIdentifier}, noon(), ""},
		{"no roots", sealed, pades.Trust{}, noon(), pades.NoCertificateChainFound},
		{"a stranger's root with the same name", sealed, trust(stranger), noon(), pades.NoCertificateChainFound},
		{"another organisation", sealed, pades.Trust{Roots: trust(p).Roots, Organisation: "Annankommunen"}, noon(), pades.ChainConstraintsFailure},
		{"another identifier", sealed, pades.Trust{Roots: trust(p).Roots, OrgIdentifier: "NTRSE-ANNAN"}, noon(), pades.ChainConstraintsFailure},
		{"a clock somewhat behind", sealed, trust(p), noon().Add(-4 * time.Minute), ""},
		{"sealed tomorrow", sealed, trust(p), noon().AddDate(0, 0, -1), pades.SigConstraintsFailure},
		{"read when the certificate has expired", seal(t, brief, padestest.Unsealed(t)), trust(p), noon().AddDate(10, 0, 0), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := pades.Verify(c.file, c.trust, c.at)
			if c.code != "" {
				refusal(t, err, c.code)
			} else if err != nil {
				t.Error(err)
			}
			if got.Organisation != padestest.Organisation {
				t.Error("the seal does not say whose it says it is")
			}
		})
	}
}
