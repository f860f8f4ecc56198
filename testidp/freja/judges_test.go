package freja

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// openssl runs the program, or skips where it is missing (fails where CI is
// set, because there it must not be missing).
func openssl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("openssl is missing")
		}
		t.Skip("openssl is missing")
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	return string(out), err
}

func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOpenSSLOnCertificates looks at the profile of freja.md section 3 and at
// the chains.
func TestOpenSSLOnCertificates(t *testing.T) {
	b := newBench(t, nil)
	m, err := b.sim.Material("https://localhost:8444/", "Testkommunen")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	root, middle := write(t, dir, "root.pem", m.JWSRoot), write(t, dir, "middle.pem", m.Intermediate)
	for name, c := range map[string]struct {
		pem  []byte
		good string // what openssl says
	}{
		"now": {m.JWSCurrent, ": OK"}, "next": {m.JWS[len(m.JWSCurrent):], ": OK"},
		"expired": {m.JWSExpired, "certificate has expired"}, "foreign": {m.JWSForeign, "verification failed"},
		"user CA": {m.UserCA, ": OK"},
	} {
		out, _ := openssl(t, "verify", "-CAfile", root, "-untrusted", middle, write(t, dir, "leaf.pem", c.pem))
		if !strings.Contains(out, c.good) {
			t.Errorf("%s: %s", name, out)
		}
	}
	out, err := openssl(t, "x509", "-in", write(t, dir, "jws.pem", m.JWSCurrent), "-noout", "-text")
	if err != nil {
		t.Fatal(out)
	}
	for _, want := range []string{
		`Public-Key: \(2048 bit\)`, `Signature Algorithm: sha256WithRSAEncryption`, `Key Usage: critical\s+Digital Signature, Non Repudiation`,
		`Basic Constraints: critical\s+CA:FALSE`, `CA Issuers - URI:`, `Issuer:.*Simulator Freja Issuing CA`, `organizationIdentifier ?=`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(out, "Extended Key Usage") {
		t.Error("there is an extended key usage")
	}
	if out, _ := openssl(t, "x509", "-in", root, "-noout", "-text"); !strings.Contains(out, "(4096 bit)") {
		t.Error("the root is not of 4096 bits")
	}
}

// TestOpenSSLOnStatements has both signatures and the OCSP answer judged.
func TestOpenSSLOnStatements(t *testing.T) {
	b := newBench(t, nil)
	m, err := b.sim.Material("", "Testkommunen")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	root, userCA := write(t, dir, "root.pem", m.JWSRoot), write(t, dir, "user-ca.pem", m.UserCA)
	verify := func(jws string, certificate []byte) string {
		t.Helper()
		i := strings.LastIndexByte(jws, '.')
		signature, err := base64.RawURLEncoding.DecodeString(jws[i+1:])
		if err != nil {
			t.Fatal(err)
		}
		key, err := openssl(t, "x509", "-in", write(t, dir, "signer.pem", certificate), "-noout", "-pubkey")
		if err != nil {
			t.Fatal(key)
		}
		out, _ := openssl(t, "dgst", "-sha256", "-verify", write(t, dir, "signer.key", []byte(key)),
			"-signature", write(t, dir, "signature", signature), write(t, dir, "input", []byte(jws[:i])))
		return out
	}
	for fault, want := range map[string]struct{ outer, inner, ocsp string }{
		"":               {"Verified OK", "Verified OK", `Response verify OK[\s\S]*: good`},
		brokenSignature:  {"Verification failure", "Verified OK", `: good`},
		badSignature:     {"Verification failure", "Verified OK", `: good`},
		badUserSignature: {"Verified OK", "Verification failure", `: good`},
		badOCSP:          {"Verified OK", "Verified OK", `Response Verify Failure`},
		ocspRevoked:      {"Verified OK", "Verified OK", `Response verify OK[\s\S]*: revoked`},
	} {
		t.Run("fault="+fault, func(t *testing.T) {
			b.t = t
			b.fault(userCertificate)
			if fault != "" {
				b.fault(userCertificate, fault)
			}
			o, _, _ := b.done(extendedly, b.people[3])
			if out := verify(*o.Details, m.JWSCurrent); !strings.Contains(out, want.outer) {
				t.Errorf("the statement: %s", out)
			}
			payload, err := base64.RawURLEncoding.DecodeString(strings.Split(*o.Details, ".")[1])
			if err != nil {
				t.Fatal(err)
			}
			var p struct {
				SignatureData struct{ UserSignature, CertificateStatus string }
			}
			if err := json.Unmarshal(payload, &p); err != nil {
				t.Fatal(err)
			}
			head, err := base64.RawURLEncoding.DecodeString(strings.Split(p.SignatureData.UserSignature, ".")[0])
			if err != nil {
				t.Fatal(err)
			}
			var h struct{ X5C []string }
			if json.Unmarshal(head, &h) != nil || len(h.X5C) != 2 {
				t.Fatal("no certificate of the user")
			}
			user := "-----BEGIN CERTIFICATE-----\n" + regexp.MustCompile(".{1,64}").ReplaceAllString(h.X5C[0], "$0\n") + "-----END CERTIFICATE-----\n"
			if out := verify(p.SignatureData.UserSignature, []byte(user)); !strings.Contains(out, want.inner) {
				t.Errorf("the user's signature: %s", out)
			}
			der, err := base64.StdEncoding.DecodeString(p.SignatureData.CertificateStatus)
			if err != nil {
				t.Fatal(err)
			}
			out, _ := openssl(t, "ocsp", "-respin", write(t, dir, "ocsp.der", der), "-issuer", userCA, "-cert", write(t, dir, "user.pem", []byte(user)),
				"-CAfile", root, "-no_nonce")
			if !regexp.MustCompile(want.ocsp).MatchString(out) {
				t.Errorf("ocsp: %s", out)
			}
		})
	}
}

func TestWriteFiles(t *testing.T) {
	b := newBench(t, nil)
	m, err := b.sim.Material("https://localhost:8444/", "Testkommunen")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "new")
	if err := m.WriteFiles(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]byte{
		TLSRootFile: m.TLSRoot, JWSRootFile: m.JWSRoot, IntermediateFile: m.Intermediate, JWSFile: m.JWS, RPCertificateFile: m.RPCertificate, RPKeyFile: m.RPKey,
	} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		info, _ := os.Stat(filepath.Join(dir, name))
		if err != nil || string(got) != string(want) || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if again, err := b.sim.Material("https://localhost:8444/", "Testkommunen"); err != nil || string(again.RPKey) != string(m.RPKey) {
		t.Errorf("another key the second time: %v", err)
	}
}
