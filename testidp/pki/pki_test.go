package pki

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var cached = sync.OnceValues(func() (*PKI, error) { return Open(context.Background(), Config{}) })

// open takes the keys of the cache, which are slow to make, and certifies them
// anew, since certificates of another day would say nothing about this code.
func open(t *testing.T) *PKI {
	t.Helper()
	old, err := cached()
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]*rsa.PrivateKey{}
	for name, e := range old.home {
		keys[name] = e.key
	}
	now := time.Now()
	home, err := certify(homeNames(), keys, now)
	if err != nil {
		t.Fatal(err)
	}
	p := &PKI{cache: cache{t.TempDir()}, epoch: now, begun: now, home: home, log: slog.New(slog.DiscardHandler), leaves: map[LeafSpec]*leafSlot{}}
	p.foreignOnce.Do(func() { p.foreignSet, p.foreignErr = old.foreign() })
	return p
}

func someone() Holder {
	return Holder{Number: "198806192392", Given: "Testperson", Surname: "Åtta"}
}

// critical reports whether a certificate has an extension and whether it is
// critical.
func critical(c *x509.Certificate, oid ...int) (present, isCritical bool) {
	for _, e := range c.Extensions {
		if e.Id.Equal(oid) {
			return true, e.Critical
		}
	}
	return false, false
}

// stringTypes lists the attributes of a subject with their string tags.
func stringTypes(t *testing.T, raw []byte) (oids []string, tags []int, values []string) {
	t.Helper()
	var rdns []asn1.RawValue
	if _, err := asn1.Unmarshal(raw, &rdns); err != nil {
		t.Fatal(err)
	}
	for _, r := range rdns {
		var a struct {
			Type  asn1.ObjectIdentifier
			Value asn1.RawValue
		}
		if _, err := asn1.Unmarshal(r.Bytes, &a); err != nil {
			t.Fatal(err)
		}
		oids, tags, values = append(oids, a.Type.String()), append(tags, a.Value.Tag), append(values, string(a.Value.Bytes))
	}
	return oids, tags, values
}

func TestPersonCertificate(t *testing.T) {
	p := open(t)
	for _, k := range Kinds() {
		for _, use := range []Use{Identify, Sign} {
			t.Run(string(k)+" "+string(use), func(t *testing.T) {
				leaf, err := p.Leaf(LeafSpec{Holder: someone(), Kind: k, Use: use})
				if err != nil {
					t.Fatal(err)
				}
				c := leaf.Certificate()
				if c.SignatureAlgorithm != x509.SHA256WithRSA || leaf.Key.N.BitLen() != 2048 || !leaf.Key.PublicKey.Equal(c.PublicKey) {
					t.Error("key or algorithm")
				}
				want := x509.KeyUsageDigitalSignature
				if use == Sign {
					want = x509.KeyUsageContentCommitment
				}
				if c.KeyUsage != want {
					t.Errorf("key usage %v", c.KeyUsage)
				}
				if ok, crit := critical(c, 2, 5, 29, 15); !ok || !crit {
					t.Error("key usage is not critical")
				}
				for _, absent := range [][]int{{2, 5, 29, 19}, {2, 5, 29, 37}} {
					if ok, _ := critical(c, absent...); ok {
						t.Errorf("extension %v", absent)
					}
				}
				for _, present := range [][]int{{2, 5, 29, 14}, {2, 5, 29, 35}, {2, 5, 29, 32}, {1, 3, 6, 1, 5, 5, 7, 1, 1}} {
					if ok, crit := critical(c, present...); !ok || crit {
						t.Errorf("extension %v: present %v, critical %v", present, ok, crit)
					}
				}
				if len(c.Policies) != 1 || c.Policies[0].String() != k.Policy() || leaf.Policy != k.Policy() {
					t.Errorf("policies %v", c.Policies)
				}
				if len(c.OCSPServer) != 1 || len(c.IssuingCertificateURL) != 0 {
					t.Error("AIA")
				}
				oids, tags, values := stringTypes(t, c.RawSubject)
				if !slices.Equal(oids, []string{"2.5.4.6", "2.5.4.10", "2.5.4.4", "2.5.4.42", "2.5.4.5", "2.5.4.41", "2.5.4.3"}) {
					t.Errorf("subject %v", oids)
				}
				if !slices.Equal(tags, []int{19, 12, 12, 12, 19, 12, 12}) {
					t.Errorf("string types %v", tags)
				}
				if values[4] != someone().Number || values[6] != "Testperson Åtta" {
					t.Errorf("subject %q", values)
				}
				label := map[Kind]string{File: "BankID på fil", Card: "BankID på kort", Mobile: "Mobilt BankID"}[k]
				if !strings.HasPrefix(values[5], "(") || !strings.HasSuffix(values[5], ") Testperson Åtta - "+label) {
					t.Errorf("name %q", values[5])
				}
				for _, at := range []time.Time{c.NotBefore, c.NotAfter} {
					if h := at.UTC().Hour(); h != 22 && h != 23 || at.Minute() != 0 || at.Second() != 0 {
						t.Errorf("%s is not midnight in Sweden", at)
					}
				}
				most := 5
				if k == File {
					most = 2
				}
				if c.NotAfter.After(c.NotBefore.AddDate(most, 0, 1)) || c.NotAfter.Before(time.Now().AddDate(0, 10, 0)) || c.NotBefore.After(time.Now().AddDate(0, 0, -20)) {
					t.Errorf("valid %s to %s", c.NotBefore, c.NotAfter)
				}
				verifies(t, p, leaf, time.Now())
			})
		}
	}
}

func verifies(t *testing.T, p *PKI, leaf *Leaf, at time.Time) {
	t.Helper()
	if err := check(p, leaf, at); err != nil {
		t.Error(err)
	}
}

func check(p *PKI, leaf *Leaf, at time.Time) error {
	roots, middle := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(p.SignatureRoot())
	for _, c := range leaf.Chain[1:] {
		middle.AddCert(c)
	}
	_, err := leaf.Certificate().Verify(x509.VerifyOptions{Roots: roots, Intermediates: middle, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err
}

func TestTwoCertificatesPerEID(t *testing.T) {
	p := open(t)
	a, err := p.Leaf(LeafSpec{Holder: someone(), Kind: Mobile, Use: Identify})
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Leaf(LeafSpec{Holder: someone(), Kind: Mobile, Use: Sign})
	if err != nil {
		t.Fatal(err)
	}
	if a.Key.Equal(b.Key) || a.Certificate().SerialNumber.Cmp(b.Certificate().SerialNumber) == 0 {
		t.Error("one key or number for both")
	}
}

func TestAuthorities(t *testing.T) {
	p := open(t)
	leaf, err := p.Leaf(LeafSpec{Holder: someone(), Kind: Card, Use: Sign})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*x509.Certificate{leaf.Chain[1], leaf.Chain[2], p.SignatureRoot(), p.TLSRoot()} {
		name := c.Subject.CommonName
		if !strings.HasPrefix(name, "Simulator ") || strings.Contains(c.Subject.String(), "BankID") {
			t.Errorf("%s: the name is not plainly made up", name)
		}
		if !c.IsCA || c.MaxPathLen != -1 || c.SignatureAlgorithm != x509.SHA512WithRSA || c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
			t.Errorf("%s: profile", name)
		}
		if bits := p.home[signatureRoot].key.N.BitLen(); bits != 4096 {
			t.Errorf("%d bits", bits)
		}
		if len(c.Policies) != 1 || len(c.SubjectKeyId) != 20 || len(c.AuthorityKeyId) != 20 {
			t.Errorf("%s: extensions", name)
		}
		if _, crit := critical(c, 2, 5, 29, 19); !crit {
			t.Errorf("%s: basic constraints are not critical", name)
		}
	}
	if err := p.SignatureRoot().CheckSignatureFrom(p.TLSRoot()); err == nil {
		t.Error("one hierarchy for both purposes")
	}
}

func TestResponder(t *testing.T) {
	p := open(t)
	for _, k := range Kinds() {
		r := p.Responder(k)
		c, ca := r.Certificate, p.home[customerCA(k)].cert
		if err := c.CheckSignatureFrom(ca); err != nil {
			t.Error(err)
		}
		if c.Subject.CommonName != ca.Subject.CommonName+" OCSP Signing" {
			t.Errorf("name %q", c.Subject.CommonName)
		}
		if months := c.NotAfter.Sub(c.NotBefore).Hours() / 24 / 30; months < 5 || months > 7 || c.NotAfter.Before(time.Now().AddDate(0, 2, 0)) {
			t.Errorf("valid %s to %s", c.NotBefore, c.NotAfter)
		}
		if _, crit := critical(c, 2, 5, 29, 37); !crit || !slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}) {
			t.Error("EKU")
		}
		if _, crit := critical(c, 2, 5, 29, 15); !crit || c.KeyUsage != x509.KeyUsageContentCommitment {
			t.Error("key usage")
		}
		if ok, _ := critical(c, 1, 3, 6, 1, 5, 5, 7, 48, 1, 5); !ok {
			t.Error("nocheck")
		}
		bare, err := p.ResponderWithoutEKU(k)
		if err != nil {
			t.Fatal(err)
		}
		if len(bare.Certificate.ExtKeyUsage) != 0 || bare.Certificate.CheckSignatureFrom(ca) != nil {
			t.Error("responder without EKU")
		}
	}
}

func TestVariants(t *testing.T) {
	p := open(t)
	base := LeafSpec{Holder: someone(), Kind: Mobile, Use: Sign}
	leaf := func(change func(*LeafSpec)) *Leaf {
		t.Helper()
		spec := base
		change(&spec)
		l, err := p.Leaf(spec)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	if l := leaf(func(s *LeafSpec) { s.Expired = true }); l.Certificate().NotAfter.After(time.Now()) || check(p, l, l.Certificate().NotAfter.Add(-time.Hour)) != nil {
		t.Error("expired")
	}
	if l := leaf(func(s *LeafSpec) { s.Policy = "1.2.3.4.99" }); l.Certificate().Policies[0].String() != "1.2.3.4.99" || check(p, l, time.Now()) != nil {
		t.Error("policy")
	}
	foreign := leaf(func(s *LeafSpec) { s.Foreign = true })
	if check(p, foreign, time.Now()) == nil {
		t.Error("foreign chain is accepted")
	}
	home := leaf(func(*LeafSpec) {})
	for i := range home.Chain {
		if home.Chain[i].Subject.String() != foreign.Chain[i].Subject.String() {
			t.Errorf("foreign name %s", foreign.Chain[i].Subject)
		}
	}
	if foreign.Responder.Certificate.CheckSignatureFrom(foreign.Issuer()) != nil {
		t.Error("foreign responder")
	}
}

func TestRelyingParty(t *testing.T) {
	p := open(t)
	chain, key, err := p.RelyingParty(`Kommun, "A" + B`)
	if err != nil {
		t.Fatal(err)
	}
	c := chain[0]
	if c.KeyUsage != x509.KeyUsageDigitalSignature || len(c.ExtKeyUsage) != 0 || len(c.Policies) != 1 || !key.PublicKey.Equal(c.PublicKey) {
		t.Error("profile")
	}
	if _, err := c.Verify(x509.VerifyOptions{Roots: p.RelyingParties(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
	rp := ReadRelyingParty(c)
	want := `cn=Simulator FP Kommun\, \"A\" \+ B,name=Kommun\, \"A\" \+ B,serialNumber=1111111111,o=Simulator Bank AB (publ),c=SE`
	if rp.Name != want || rp.DisplayName != `Kommun, "A" + B` {
		t.Errorf("read %+v", rp)
	}
	again, _, err := p.RelyingParty(`Kommun, "A" + B`)
	if err != nil || !again[0].Equal(c) {
		t.Error("made anew")
	}
}

// TestCacheIsShared opens one folder from several places at once, as several
// processes would, with small files only: what is under test is the cache.
func TestCacheIsShared(t *testing.T) {
	dir := t.TempDir()
	ca := open(t).home[rpCA]
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		serials = map[string]bool{}
	)
	for range 8 {
		wg.Go(func() {
			c := cache{dir}
			release, err := c.lock(t.Context(), "x")
			if err != nil {
				t.Error(err)
				return
			}
			defer release()
			e, err := c.entity("x", func(key *rsa.PrivateKey) (*entity, error) { return issueRelyingParty("x", key, ca, time.Now()) })
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			serials[e.cert.SerialNumber.String()] = true
		})
	}
	wg.Wait()
	if len(serials) != 1 {
		t.Errorf("%d certificates for one name", len(serials))
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 1 {
		t.Errorf("%d files left", len(entries))
	}
	for _, e := range entries {
		if info, _ := e.Info(); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
}

// TestFirstWriterWins has everybody make a key without asking for the lock.
func TestFirstWriterWins(t *testing.T) {
	dir := t.TempDir()
	ca := open(t).home[rpCA]
	var wg sync.WaitGroup
	results := make([]string, 4)
	for i := range results {
		wg.Go(func() {
			e, err := cache{dir}.entity("x", func(key *rsa.PrivateKey) (*entity, error) { return issueRelyingParty("x", key, ca, time.Now()) })
			if err != nil {
				t.Error(err)
				return
			}
			results[i] = e.cert.SerialNumber.String() + e.key.D.String()
		})
	}
	wg.Wait()
	for _, r := range results[1:] {
		if r != results[0] {
			t.Error("two processes would use different keys")
		}
	}
}

func TestLockOfDeadProcessIsTakenOver(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.lock")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	if _, err := (cache{dir}).lock(ctx, "x"); err == nil {
		t.Error("a fresh lock was taken over")
	}
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	release, err := cache{dir}.lock(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	release()
}

func TestDamagedCacheIsRefused(t *testing.T) {
	for name, content := range map[string]string{
		"empty":     "",
		"text":      "hello",
		"half":      "-----BEGIN CERTIFICATE-----\nName: x\n\nMIIB\n-----END CERTIFICATE-----\n",
		"truncated": "-----BEGIN CERTIFICATE-----\nName: x\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "x.pem"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := (cache{dir}).read("x"); err == nil {
				t.Error("read")
			}
		})
	}
}

func TestFileNamesHoldNoNumbers(t *testing.T) {
	if f := leafFile(LeafSpec{Holder: someone(), Kind: File, Use: Sign}); strings.Contains(f, someone().Number[2:]) {
		t.Error(f)
	}
}
