package pki

import (
	"context"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestFreja makes a hierarchy from nothing, twice at once.
func TestFreja(t *testing.T) {
	p := open(t)
	var wg sync.WaitGroup
	var made [2]*Freja
	for i := range made {
		wg.Go(func() {
			f, err := p.Freja(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			made[i] = f
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	f := made[0]
	if !f.Root().Equal(made[1].Root()) || !f.Signer().Key.Equal(made[1].Signer().Key) {
		t.Fatal("two that opened at once have other keys")
	}

	roots, middle, foreign := x509.NewCertPool(), x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(f.Root())
	middle.AddCert(f.Issuing())
	middle.AddCert(f.UserCA())
	foreign.AddCert(f.home[frejaForeignRoot].cert)
	foreignMiddle := x509.NewCertPool()
	foreignMiddle.AddCert(f.home[frejaForeignIssuing].cert)
	chains := func(c *x509.Certificate, roots, middle *x509.CertPool, use x509.ExtKeyUsage) bool {
		_, err := c.Verify(x509.VerifyOptions{Roots: roots, Intermediates: middle, KeyUsages: []x509.ExtKeyUsage{use}})
		return err == nil
	}
	user, err := f.User(someone())
	if err != nil {
		t.Fatal(err)
	}
	party, _, err := f.RelyingParty("Testkommunen")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cert *x509.Certificate
		use  x509.ExtKeyUsage
		good bool
	}{
		"signer":                      {f.Signer().Certificate, x509.ExtKeyUsageAny, true},
		"next signer":                 {f.NextSigner().Certificate, x509.ExtKeyUsageAny, true},
		"expired signer":              {f.ExpiredSigner().Certificate, x509.ExtKeyUsageAny, false},
		"foreign signer":              {f.ForeignSigner().Certificate, x509.ExtKeyUsageAny, false},
		"server":                      {f.Server().Leaf, x509.ExtKeyUsageServerAuth, true},
		"responder":                   {f.Responder().Certificate, x509.ExtKeyUsageOCSPSigning, true},
		"user":                        {user.Chain[0], x509.ExtKeyUsageAny, true},
		"relying party, another root": {party[0], x509.ExtKeyUsageClientAuth, false},
	} {
		if got := chains(c.cert, roots, middle, c.use); got != c.good {
			t.Errorf("%s: chains to the root: %v", name, got)
		}
	}
	if !chains(f.ForeignSigner().Certificate, foreign, foreignMiddle, x509.ExtKeyUsageAny) || string(f.ForeignSigner().Certificate.RawSubject) != string(f.Signer().Certificate.RawSubject) {
		t.Error("the foreign signer is not what it should be: the same names, another root")
	}
	if !chains(party[0], f.RelyingParties(), nil, x509.ExtKeyUsageClientAuth) {
		t.Error("the relying party's certificate is not its CA's")
	}
	if err := f.Server().Leaf.VerifyHostname("localhost"); err != nil {
		t.Error(err)
	}

	// Profile of freja.md section 3.
	signer := f.Signer().Certificate
	if _, isCritical := critical(signer, 2, 5, 29, 15); !isCritical || signer.KeyUsage != x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment {
		t.Errorf("key usage %v", signer.KeyUsage)
	}
	if _, isCritical := critical(signer, 2, 5, 29, 19); !isCritical || signer.IsCA {
		t.Error("basic constraints")
	}
	if present, _ := critical(signer, 2, 5, 29, 37); present {
		t.Error("extended key usage")
	}
	if signer.SignatureAlgorithm != x509.SHA256WithRSA || f.Signer().Key.N.BitLen() != 2048 || f.home[frejaRoot].key.N.BitLen() != 4096 {
		t.Error("algorithms")
	}
	if years := signer.NotAfter.Sub(signer.NotBefore); years < 3*365*24*time.Hour || years > 3*366*24*time.Hour {
		t.Errorf("valid for %v", years)
	}
	sum := sha1.Sum(signer.Raw)
	if x5t := f.Signer().X5T(); x5t != base64.RawURLEncoding.EncodeToString(sum[:]) || strings.Contains(x5t, "=") || x5t == f.NextSigner().X5T() {
		t.Errorf("x5t %s", x5t)
	}

	// The same user and the same relying party next time, another after a renewal.
	again, err := p.Freja(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if u, err := again.User(someone()); err != nil || !u.Chain[0].Equal(user.Chain[0]) || u.ID != user.ID {
		t.Errorf("another user: %v", err)
	}
	if r, _, err := again.RelyingParty("Testkommunen"); err != nil || !r[0].Equal(party[0]) {
		t.Errorf("another relying party: %v", err)
	}
	if r, _, err := again.RenewRelyingParty("Testkommunen"); err != nil || r[0].Equal(party[0]) || !chains(r[0], f.RelyingParties(), nil, x509.ExtKeyUsageClientAuth) {
		t.Errorf("renewal: %v", err)
	}
	files, err := os.ReadDir(p.cache.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.Contains(file.Name(), someone().Number) {
			t.Error("a file is named after a person's number")
		}
	}
}

// TestFrejaCacheLacksSomething: half a hierarchy is nothing to go on with.
func TestFrejaCacheLacksSomething(t *testing.T) {
	p := open(t)
	if _, err := p.cache.publish(frejaFile, hierarchy{frejaRoot: p.home[tlsServer]}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Freja(context.Background()); err == nil || !strings.Contains(err.Error(), "lacks") {
		t.Errorf("err %v", err)
	}
}
