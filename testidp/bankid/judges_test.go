package bankid

import (
	"encoding/base64"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigill/testidp/control"
)

// judge runs a foreign program, or skips where it is missing (fails where CI
// is set, because there it must not be missing).
func judge(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing", name)
		}
		t.Skipf("%s is missing", name)
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

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// TestXMLSec also proves that the parts are canonical already: we hash bytes,
// xmlsec1 hashes what inclusive C14N makes of them, and the digests agree.
func TestXMLSec(t *testing.T) {
	b := newBench(t, Timings{})
	dir := t.TempDir()
	root := write(t, dir, "root.pem", pemOf(b.root.Raw))
	for fault, good := range map[string]bool{
		"": true, badSignature: false, badDigest: false, wrongKey: false, wrongRoot: false, expiredLeaf: false,
		// What only the profile forbids is no business of a general program.
		alteredText: true, missingType: true,
		// Canonical XML without comments drops it: why a verifier must refuse comments itself.
		comment: true,
	} {
		t.Run("fault="+fault, func(t *testing.T) {
			b.faults.Clear()
			if fault != "" {
				b.faults.Set(control.Fault{Provider: "bankid", Fault: fault, Rate: 1})
			}
			c, _ := b.signed(b.people[1].Number, "a")
			doc, err := base64.StdEncoding.DecodeString(c.Signature)
			if err != nil {
				t.Fatal(err)
			}
			file := write(t, dir, "signature.xml", doc)
			out, err := judge(t, "xmlsec1", "--verify", "--id-attr:Id", "bankIdSignedData", "--id-attr:Id", "KeyInfo",
				"--enabled-key-data", "x509", "--trusted-pem", root, file)
			if (err == nil) != good {
				t.Errorf("xmlsec1: %v\n%s", err, out)
			}
		})
	}
}

func TestOpenSSL(t *testing.T) {
	b := newBench(t, Timings{})
	dir := t.TempDir()
	root := write(t, dir, "root.pem", pemOf(b.root.Raw))
	for fault, want := range map[string]string{
		"":            `(?m)^Response verify OK$[\s\S]*: good$`,
		ocspRevoked:   `(?m)^Response verify OK$[\s\S]*: revoked$`,
		ocspUnknown:   `(?m)^Response verify OK$[\s\S]*: unknown$`,
		badOCSP:       `Response Verify Failure`,
		ocspResponder: `Response Verify Failure`,
		ocspNoEKU:     `Response Verify Failure`,
		ocspSerial:    `No Status found`,
	} {
		t.Run("fault="+fault, func(t *testing.T) {
			b.faults.Clear()
			if fault != "" {
				b.faults.Set(control.Fault{Provider: "bankid", Fault: fault, Rate: 1})
			}
			c, _ := b.signed(b.people[1].Number, "a")
			doc, _ := base64.StdEncoding.DecodeString(c.Signature)
			der, err := base64.StdEncoding.DecodeString(c.OCSPResponse)
			if err != nil {
				t.Fatal(err)
			}
			var chain []string
			for i, m := range regexp.MustCompile(`<X509Certificate>([^<]*)<`).FindAllSubmatch(doc, -1) {
				cert, err := base64.StdEncoding.DecodeString(string(m[1]))
				if err != nil {
					t.Fatal(err)
				}
				chain = append(chain, write(t, dir, string(rune('a'+i))+".pem", pemOf(cert)))
			}
			bundle := ""
			for _, f := range chain[1:] {
				data, _ := os.ReadFile(f)
				bundle += string(data)
			}
			out, _ := judge(t, "openssl", "ocsp", "-respin", write(t, dir, "ocsp.der", der), "-issuer", chain[1], "-cert", chain[0],
				"-CAfile", root, "-verify_other", write(t, dir, "chain.pem", []byte(bundle)), "-no_nonce")
			if !regexp.MustCompile(want).MatchString(strings.ReplaceAll(out, "\r", "")) {
				t.Errorf("openssl says:\n%s", out)
			}
		})
	}
}
