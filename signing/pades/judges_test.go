package pades_test

import (
	"crypto"
	"crypto/elliptic"
	"encoding/hex"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigill/signing/pades"
	"sigill/signing/pades/padestest"
	"sigill/signing/pdf"
)

// program finds a program, or skips the test; where CI is set nothing may be
// lacking.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("there is no program %s, and CI is set; make deps installs it", name)
	}
	t.Skipf("there is no program %s; make deps installs it", name)
	return ""
}

// TestJudges shows sealed files to programs that others wrote.
func TestJudges(t *testing.T) {
	p := padestest.NewPKI(t)
	for _, c := range []struct {
		name string
		key  crypto.Signer
	}{
		{"P-256", padestest.NewKey(t, elliptic.P256())},
		{"P-384", padestest.NewKey(t, elliptic.P384())},
		{"RSA-3072", newRSA(t)},
	} {
		sealed := seal(t, newSealer(t, p, c.key), padestest.Unsealed(t))
		verdict, err := pades.Verify(sealed, trust(p), noon())
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		write := func(name string, content []byte) string {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		r := verdict.ByteRange
		file := write("sealed.pdf", sealed)
		covered := write("covered", slices.Concat(sealed[:r[1]], sealed[r[2]:]))
		root := write("root.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Root.Raw}))
		contents, err := hex.DecodeString(string(sealed[r[1]+1 : r[2]-1]))
		if err != nil {
			t.Fatal(err)
		}
		cms := write("seal.p7", contents)

		flipped := slices.Clone(sealed)
		flipped[strings.Index(string(flipped), "stream\n")+20] ^= 1
		tampered := write("tampered.pdf", flipped)
		other := write("other", append(slices.Concat(sealed[:r[1]], sealed[r[2]:]), 'x'))

		openssl := []string{"openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", cms,
			"-CAfile", root, "-purpose", "any", "-attime", strconv.FormatInt(noon().Unix(), 10), "-out", os.DevNull, "-content"}
		for _, judge := range []struct {
			command []string
			fails   bool
			want    []string // regular expressions
		}{
			{command: []string{"qpdf", "--check", file}, want: []string{`No syntax or stream encoding errors found`}},
			{command: append(slices.Clone(openssl), covered), want: []string{`CAdES Verification successful`}},
			{command: append(slices.Clone(openssl), other), fails: true, want: []string{`digest verification failure|verification failure`}},
			{command: []string{"pdfsig", "-nocert", file}, want: []string{
				`Signature #1:`, `Signer Certificate Common Name: Exempelkommunen e-stämpel`, `Signing Hash Algorithm: SHA-256`,
				`Signature Type: ETSI\.CAdES\.detached`, `Total document signed`, `Signature Validation: Signature is Valid\.`}},
			{command: []string{"pdfsig", "-nocert", tampered}, want: []string{`Signature Validation: Digest Mismatch\.`}},
			{command: []string{"mutool", "sign", "-v", file}, want: []string{`The document is unchanged since signing\.`}},
		} {
			name := c.name + "/" + filepath.Base(judge.command[0])
			if judge.fails {
				name += " of another file"
			}
			t.Run(name, func(t *testing.T) {
				command := exec.Command(program(t, judge.command[0]), judge.command[1:]...)
				command.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
				output, err := command.CombinedOutput()
				if (err != nil) != judge.fails {
					t.Errorf("%v", err)
				}
				for _, want := range judge.want {
					if !regexp.MustCompile(want).Match(output) {
						t.Errorf("it does not say %s", want)
					}
				}
				if t.Failed() {
					t.Logf("%s", output)
				}
			})
		}
	}
}

// TestFields holds the seal against the words of the profile, one by one.
func TestFields(t *testing.T) {
	p := padestest.NewPKI(t)
	sealed := seal(t, newSealer(t, p, padestest.NewKey(t, elliptic.P256())), padestest.Unsealed(t))
	d := padestest.Open(t, sealed)
	text := func(o pdf.Object) string { return string(pdf.Append(nil, o)) }
	sig := d.Signature()
	for key, want := range map[pdf.Name]string{
		"Type": "/Sig", "Filter": "/Adobe.PPKLite", "SubFilter": "/ETSI.CAdES.detached", "M": "(D:20260601120000+00'00')",
		"Name": "(Exempelkommunen)", "Reason": text(pdf.Text(info().Reason)),
		"Reference": "[<</TransformMethod/DocMDP/TransformParams<</P 1/Type/TransformParams/V/1.2>>/Type/SigRef>>]",
	} {
		if got := text(sig[key]); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
	if len(sig) != 9 {
		t.Errorf("the seal has %d keys", len(sig))
	}
	widget := d.Widget()
	if text(widget["Rect"]) != "[0 0 0 0]" || text(widget["F"]) != "132" || text(widget["FT"]) != "/Sig" {
		t.Errorf("widget %s", text(widget))
	}
	if got := text(d.Catalog()["AcroForm"].(pdf.Dict)["SigFlags"]); got != "3" {
		t.Errorf("SigFlags %s", got)
	}
	if annots := d.FirstPage()["Annots"].(pdf.Array); len(annots) != 1 || len(d.Seal.Objects) != 4 {
		t.Errorf("%d annotations, %d objects", len(annots), len(d.Seal.Objects))
	}
}
