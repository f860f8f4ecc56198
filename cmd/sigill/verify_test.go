package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"sigill/signing"
	"sigill/signing/verify/verifytest"
	"sigill/testidp"
)

// TestVerify runs the real program on receipts that two people have signed.
func TestVerify(t *testing.T) {
	sim := testidp.Start(t)
	m, err := sim.Material()
	if err != nil {
		t.Fatal(err)
	}
	k := verifytest.New(t, verifytest.Simulator{
		URL: m.BankIDURL, AppURL: m.AppURL, TLSRoot: m.TLSRoot, SignatureRoot: m.SignatureRoot, RPCertificate: m.RPCertificate, RPKey: m.RPKey,
		Scan: sim.Scan, Open: sim.Open,
		Approve: func(order, number string) error {
			_, err := sim.Approve(order, number)
			return err
		},
	})
	application := k.NewDraft().
		Content(t, "Ansökan", signing.Content{{Heading: "Barnet"}, {Rows: []signing.Row{{Label: "Namn", Value: "Testbarn Ett"}}}}).
		File(t, "Hyresavtal", "application/pdf", []byte("%PDF-1.4 not really\n")).
		Signatory(t, "196608182942").Signatory(t, "198006299252").Sign(t)
	good := application.Sealed(t)
	flipped := slices.Clone(good)
	flipped[len(flipped)/2] ^= 1
	renamed := application.Clone()
	renamed.Kvittens.Signatures[1].Name = "Testperson Tre"
	high := application.Clone()
	high.Kvittens.Signatures[1].Level = "loa3"
	escapes := k.NewDraft()
	escapes.Manifest.Title, escapes.Manifest.Reference = "Lön\x1b[2J\x1b]0;title\a \u202eecnevorp", "a\nb\rc\u009b31m"
	escapes.Text(t, "Namn\x1b[31m", "Text").Signatory(t, "196608182942").Sign(t)
	files := map[string][]byte{
		"kvittens.pdf": good, "flipped.pdf": flipped, "renamed.pdf": renamed.Sealed(t), "unsealed.pdf": application.Unsealed(t), "level.pdf": high.Sealed(t),
		"sealed-only.pdf": k.NewDraft().Text(t, "Beslut", "Ansökan beviljas.").Sign(t).Sealed(t),
		"escapes.pdf":     escapes.Sealed(t), "foreign.pdf": []byte("%PDF-1.4\n%%EOF\n"), "trust.yaml": k.TrustFile(t),
	}
	testFull(t, files)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/verify",
		Setup: func(e *testscript.Env) error {
			for name, b := range files {
				if err := os.WriteFile(filepath.Join(e.WorkDir, name), b, 0o600); err != nil {
					return err
				}
			}
			huge, err := os.Create(filepath.Join(e.WorkDir, "huge.pdf"))
			if err != nil {
				return err
			}
			defer huge.Close()
			return huge.Truncate(maxReceipt() + 1)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// normal puts what was printed into a file, without what is another each time.
			"normal": func(ts *testscript.TestScript, _ bool, args []string) {
				out := ts.ReadFile("stdout")
				for pattern, name := range map[string]string{
					`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`:                         "TIME",
					`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (svensk tid|Swedish time) \(.*\)`: "TIME",
					`[0-9a-f]{64}`:                 "DIGEST",
					`[0-9a-f]{4}( [0-9a-f]{4}){3}`: "BEGINNING",
				} {
					out = regexp.MustCompile(pattern).ReplaceAllString(out, name)
				}
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(out), 0o600))
			},
			// plain fails if what was printed could steer a terminal.
			"plain": func(ts *testscript.TestScript, _ bool, _ []string) {
				if found := regexp.MustCompile(`[^\n\P{C}]|[\x{2028}\x{2029}]`).FindString(ts.ReadFile("stdout")); found != "" {
					ts.Fatalf("%q was printed", found)
				}
			},
			// exits runs the program and wants a certain code.
			"exits": func(ts *testscript.TestScript, _ bool, args []string) {
				err := ts.Exec("sigill", args[1:]...)
				code := "0"
				if err != nil {
					code = regexp.MustCompile(`\d+`).FindString(err.Error())
				}
				if code != args[0] {
					ts.Fatalf("exit code %s, want %s", code, args[0])
				}
			},
		},
	})
}

// testFull asks for numbers in full, outside a script: scripts log what is
// printed, and no log holds a number.
func testFull(t *testing.T, files map[string][]byte) {
	dir := t.TempDir()
	receipt, believed := filepath.Join(dir, "kvittens.pdf"), filepath.Join(dir, "trust.yaml")
	for name, b := range map[string][]byte{receipt: files["kvittens.pdf"], believed: files["trust.yaml"]} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const number = "196608182942"
	for name, c := range map[string]struct {
		flags []string
		shown string
	}{
		"masked": {nil, ""}, "masked JSON": {[]string{"--json"}, ""},
		"full": {[]string{"--full"}, "Testperson Ett, " + number}, "full JSON": {[]string{"--full", "--json"}, `"person": "` + number + `"`},
	} {
		var out, errs bytes.Buffer
		code := Main(t.Context(), append([]string{"verify", receipt, "--trust", believed}, c.flags...), &out, &errs)
		if code != ok || c.shown == "" && strings.Contains(out.String(), number) || !strings.Contains(out.String(), c.shown) {
			t.Errorf("%s: exit %d, or not the number as it should be", name, code)
		}
	}
}
