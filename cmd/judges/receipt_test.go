package judges

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/providers"
	"sigill/signing"
	"sigill/signing/pades"
	"sigill/signing/pades/padestest"
	"sigill/signing/verify"
	"sigill/signing/verify/verifytest"
	"sigill/testidp"
)

// receipts are what the judges of PDF are shown: genuine ones, and controls that
// they must not like.
type receipts struct {
	kit  *verifytest.Kit
	dir  string
	m    testidp.Material
	two  *verifytest.Draft // signed by two, with an attached document
	file map[string]string // paths, by name
}

// genuine receipts, each sealed and unsealed.
func genuineReceipts() []string { return []string{"two", "three", "none", "unusual"} }

func makeReceipts(t *testing.T) *receipts {
	t.Helper()
	sim := testidp.Start(t)
	m, err := sim.Material()
	if err != nil {
		t.Fatal(err)
	}
	r := &receipts{dir: filepath.Dir(output(t, "receipts", "x")), m: m, file: map[string]string{}}
	r.kit = verifytest.New(t, verifytest.Simulator{
		URL: m.BankIDURL, AppURL: m.AppURL, TLSRoot: m.TLSRoot, SignatureRoot: m.SignatureRoot, RPCertificate: m.RPCertificate, RPKey: m.RPKey,
		Scan: sim.Scan, Open: sim.Open,
		Approve: func(order, number string) error {
			_, err := sim.Approve(order, number)
			return err
		},
	})
	const one, two, three = "196608182942", "198006299252", "198101199282"
	form := signing.Content{
		{Heading: "Barnet"},
		{Rows: []signing.Row{{Label: "Namn", Value: "Testbarn Ett"}, {Label: "Önskade förskolor", Value: "1. Åkerbäret\n2. Ängsklockan"}}},
		{Text: "Uppgifterna är riktiga."},
	}
	r.two = r.kit.NewDraft().Content(t, "Ansökan", form).Text(t, "Villkor", "Plats erbjuds inom fyra månader.\n\nAvgiften följer taxan.").
		File(t, "Hyresavtal", "application/pdf", []byte("%PDF-1.4 not really\n")).Signatory(t, one).Signatory(t, two).Sign(t)
	english := r.kit.NewDraft().Text(t, "Agreement", strings.Repeat("The parties agree. ", 900))
	english.Kvittens.Language, english.Language, english.Markup = "en", "en", providers.Plain
	unusual := r.kit.NewDraft().Text(t, "Олександр 王小明 \U0001f600", "Z\u0300\u0301\u0302 \u202egnp.exe\u202c محمد a\u030a 10\u00a0000\u202fkr\n\n\n"+strings.Repeat("Donaudampfschifffahrt", 30))
	unusual.Manifest.Title = strings.TrimSpace(strings.Repeat("Ett ärende med ett långt namn ", 12))
	for name, d := range map[string]*verifytest.Draft{
		"two":     r.two,
		"three":   english.Signatory(t, one).Signatory(t, two).Signatory(t, three).Sign(t),
		"none":    r.kit.NewDraft().Content(t, "Beslut", form).Sign(t),
		"unusual": unusual.Signatory(t, one).Sign(t),
	} {
		unsealed := d.Unsealed(t)
		r.write(t, name+"-unsealed.pdf", unsealed)
		r.write(t, name+".pdf", d.Seal(t, unsealed))
	}
	sealed := r.read(t, "two.pdf")
	if report := r.kit.Verifier().Verify(sealed, time.Now()); report.Verdict != verify.Valid {
		t.Fatalf("not valid to ourselves: %+v", report)
	}
	// What nobody should like.
	tampered := slices.Clone(sealed)
	tampered[bytes.Index(tampered, []byte("%PDF-1.4 not"))] ^= 1
	r.write(t, "tampered.pdf", tampered)
	r.write(t, "appended.pdf", padestest.Forgeries(t, sealed)[0].File)
	r.write(t, "plain.pdf", r.two.Seal(t, padestest.Unsealed(t)))
	r.write(t, "seal-root.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.kit.PKI.Root.Raw}))
	r.write(t, "other-root.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: padestest.NewPKI(t).Root.Raw}))
	r.write(t, "bankid-root.pem", m.SignatureRoot)
	return r
}

func (r *receipts) write(t *testing.T, name string, b []byte) string {
	t.Helper()
	r.file[name] = filepath.Join(r.dir, name)
	if err := os.WriteFile(r.file[name], b, 0o600); err != nil {
		t.Fatal(err)
	}
	return r.file[name]
}

func (r *receipts) read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(r.file[name])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// says runs a program and holds what it prints against expected lines, each a
// regular expression. A line that begins with ! must not be there.
func says(t *testing.T, fails bool, lines []string, command ...string) string {
	t.Helper()
	cmd := exec.Command(program(t, command[0]), command[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC")
	out, err := cmd.CombinedOutput()
	text := strings.ReplaceAll(string(out), "\r", "")
	if (err != nil) != fails {
		t.Errorf("%s: %v", command[0], err)
	}
	for _, line := range lines {
		pattern, absent := strings.CutPrefix(line, "!")
		if regexp.MustCompile(`(?m)^`+pattern+`$`).MatchString(text) == absent {
			t.Errorf("%s: the line %s", command[0], line)
		}
	}
	if t.Failed() {
		t.Logf("%s", text)
	}
	return text
}

// TestReceipt shows receipts to programs that nobody here wrote.
func TestReceipt(t *testing.T) {
	judged(t)
	r := makeReceipts(t)
	t.Run("qpdf", r.qpdf)
	t.Run("openssl", r.openssl)
	t.Run("pdfsig", r.pdfsig)
	t.Run("mutool", r.mutool)
	t.Run("poppler", r.poppler)
	t.Run("attachments", r.attachments)
	t.Run("pyHanko", r.pyHanko)
	t.Run("veraPDF", r.veraPDF)
}

func (r *receipts) qpdf(t *testing.T) {
	for _, name := range genuineReceipts() {
		for _, suffix := range []string{".pdf", "-unsealed.pdf"} {
			says(t, false, []string{`PDF Version: 1\.7`, `No syntax or stream encoding errors found; the file may still contain`, `!WARNING.*`},
				"qpdf", "--check", r.file[name+suffix])
		}
	}
}

// openssl has the seal's CMS verified over the bytes around it.
func (r *receipts) openssl(t *testing.T) {
	sealed := r.read(t, "two.pdf")
	verdict, err := pades.Verify(sealed, pades.Trust{Roots: r.kit.Trust.Seal.Roots}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	at := verdict.ByteRange
	contents, err := hex.DecodeString(string(sealed[at[1]+1 : at[2]-1]))
	if err != nil {
		t.Fatal(err)
	}
	covered := slices.Concat(sealed[:at[1]], sealed[at[2]:])
	cms := r.write(t, "seal.p7", contents)
	try := func(root string, content []byte, fails bool, line string) {
		t.Helper()
		says(t, fails, []string{line}, "openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", cms, "-CAfile", r.file[root],
			"-purpose", "any", "-out", os.DevNull, "-content", r.write(t, "covered", content))
	}
	try("seal-root.pem", covered, false, `CAdES Verification successful`)
	try("other-root.pem", covered, true, `.*certificate verify error.*`)
	try("seal-root.pem", append(slices.Clone(covered), ' '), true, `.*digest verification failure.*|.*verification failure.*`)
}

func (r *receipts) pdfsig(t *testing.T) {
	for _, name := range genuineReceipts() {
		says(t, false, []string{
			`Signature #1:`, `!Signature #2:`,
			`  - Signature Field Name: Sigill`,
			`  - Signer Certificate Common Name: ` + padestest.Organisation + ` e-stämpel`,
			`  - Signing Hash Algorithm: SHA-256`,
			`  - Signature Type: ETSI\.CAdES\.detached`,
			`  - Total document signed`, `!  - Not total document signed`,
			`  - Signature Validation: Signature is Valid\.`,
		}, "pdfsig", "-nocert", r.file[name+".pdf"])
	}
	says(t, false, []string{`  - Signature Validation: Digest Mismatch\.`}, "pdfsig", "-nocert", r.file["tampered.pdf"])
	says(t, false, []string{`  - Not total document signed`}, "pdfsig", "-nocert", r.file["appended.pdf"])
}

func (r *receipts) mutool(t *testing.T) {
	for _, name := range genuineReceipts() {
		says(t, false, []string{
			`Verifying signature \d+:`, `\tDistinguished name: cn=` + padestest.Organisation + ` e-stämpel, o=` + padestest.Organisation + `, .*`,
			`\tThe document is unchanged since signing\.`, `!.*edits since.*`, `!.*[Dd]igest.*`,
		}, "mutool", "sign", "-v", r.file[name+".pdf"])
	}
	says(t, false, []string{`\tDigest error: Signature invalidated by change to document\.`}, "mutool", "sign", "-v", r.file["tampered.pdf"])
	says(t, false, []string{`\tThe signature is valid but there have been edits since signing\.`, `!.*The document is unchanged since signing\.`}, "mutool", "sign", "-v", r.file["appended.pdf"])
}

// poppler reads what is on the pages, and what they are.
func (r *receipts) poppler(t *testing.T) {
	says(t, false, []string{`Title: +Kvittens på underskrift: Ansökan om plats i förskola`, `Tagged: +yes`, `JavaScript: +no`, `Suspects: +no`, `Encrypted: +no`},
		"pdfinfo", r.file["two.pdf"])
	says(t, false, []string{
		`.*Testperson Ett och Testperson Två har skrivit under\..*`, `.*19660818-\*\*\*\*.*`, `.*Testbarn Ett.*`, `.*Åkerbäret.*`,
		`.*handling-3\.pdf.*`, `.*01JD3Q8ZK4T7V9.*`, `!.*196608182942.*`,
	}, "pdftotext", "-layout", r.file["two.pdf"], "-")
	says(t, false, []string{`.*3 people have signed\..*`}, "pdftotext", "-layout", r.file["three.pdf"], "-")
}

// attachments are taken out by poppler; each e-ID signature is verified by
// xmlsec1, and its revocation answer by openssl.
func (r *receipts) attachments(t *testing.T) {
	dir := t.TempDir()
	says(t, false, nil, "pdfdetach", "-saveall", "-o", dir, r.file["two.pdf"])
	for _, f := range r.two.Files {
		got, err := os.ReadFile(filepath.Join(dir, f.Name))
		if err != nil || !bytes.Equal(got, f.Bytes) {
			t.Errorf("%s: %v, %d bytes of %d", f.Name, err, len(got), len(f.Bytes))
		}
	}
	if saved, err := os.ReadDir(dir); err != nil || len(saved) != len(r.two.Files)+1 {
		t.Errorf("%d files and kvittens.json became %d: %v", len(r.two.Files), len(saved), err)
	}
	xmlsec := []string{"xmlsec1", "--verify", "--id-attr:Id", "bankIdSignedData", "--id-attr:Id", "KeyInfo",
		"--enabled-key-data", "x509", "--trusted-pem", r.file["bankid-root.pem"]}
	certificate := regexp.MustCompile(`<X509Certificate>([^<]*)<`)
	for _, n := range []string{"1", "2"} {
		path := filepath.Join(dir, "signatur-"+n+".xml")
		says(t, false, []string{`OK`, `SignedInfo References \(ok/all\): 2/2`}, append(slices.Clone(xmlsec), path)...)
		doc, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(doc, []byte("<usrNonVisibleData>")) + 40
		forged := slices.Clone(doc)
		forged[at] ^= 1
		says(t, true, []string{`FAIL`}, append(slices.Clone(xmlsec), r.write(t, "forged.xml", forged))...)

		var chain []string
		for i, m := range certificate.FindAllSubmatch(doc, -1) {
			der, err := base64.StdEncoding.DecodeString(string(m[1]))
			if err != nil {
				t.Fatal(err)
			}
			chain = append(chain, r.write(t, "chain-"+string(rune('0'+i))+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
		}
		bundle, err := os.ReadFile(chain[1])
		if err != nil {
			t.Fatal(err)
		}
		for _, more := range chain[2:] {
			b, err := os.ReadFile(more)
			if err != nil {
				t.Fatal(err)
			}
			bundle = append(bundle, b...)
		}
		says(t, false, []string{`Response verify OK`, `.*: good`}, "openssl", "ocsp", "-respin", filepath.Join(dir, "signatur-"+n+"-ocsp.der"),
			"-issuer", chain[1], "-cert", chain[0], "-CAfile", r.file["bankid-root.pem"], "-verify_other", r.write(t, "bundle.pem", bundle), "-no_nonce")
	}
}

// pyHankoSays is what pyhanko_judge.py prints of a file.
type pyHankoSays struct {
	Signatures                                 int
	Intact, Valid, Trusted, Certified          bool
	BottomLine                                 bool `json:"bottom_line"`
	Coverage, Modified, Permitted, Ades, Error string
}

func (r *receipts) pyHanko(t *testing.T) {
	packages := root(t, ".deps", "python")
	file(t, filepath.Join(packages, "pyhanko-0.38.0.dist-info"))
	run := func(trusted string, names ...string) []pyHankoSays {
		t.Helper()
		args := []string{"pyhanko_judge.py", r.file[trusted]}
		for _, name := range names {
			args = append(args, r.file[name])
		}
		cmd := exec.Command(program(t, "python3"), args...)
		cmd.Env = append(os.Environ(), "PYTHONPATH="+packages, "PYTHONDONTWRITEBYTECODE=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var all []pyHankoSays
		for line := range strings.Lines(string(out)) {
			var s pyHankoSays
			if err := json.Unmarshal([]byte(line), &s); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			all = append(all, s)
		}
		if len(all) != len(names) {
			t.Fatalf("%d answers:\n%s", len(all), out)
		}
		return all
	}
	good := pyHankoSays{
		Signatures: 1, Intact: true, Valid: true, Trusted: true, Certified: true, BottomLine: true,
		Coverage: "ENTIRE_FILE", Modified: "NONE", Permitted: "NO_CHANGES", Ades: "AdESPassed.OK",
	}
	for i, said := range run("seal-root.pem", "two.pdf", "three.pdf", "none.pdf", "unusual.pdf") {
		if diff := cmp.Diff(good, said); diff != "" {
			t.Errorf("%s: %s", genuineReceipts()[i], diff)
		}
	}
	said := run("seal-root.pem", "two-unsealed.pdf", "tampered.pdf", "appended.pdf")
	if said[0].Signatures != 0 || said[0].Error != "" {
		t.Errorf("unsealed: %+v", said[0])
	}
	if said[1].Intact || said[1].BottomLine || said[1].Ades != "AdESFailure.HASH_FAILURE" {
		t.Errorf("tampered: %+v", said[1])
	}
	if said[2].Coverage == "ENTIRE_FILE" || said[2].BottomLine {
		t.Errorf("appended: %+v", said[2])
	}
	if said := run("other-root.pem", "two.pdf"); said[0].Trusted || said[0].BottomLine || !said[0].Intact {
		t.Errorf("with another root: %+v", said[0])
	}
}

// veraPDF judges whether receipts are PDF/A-3a and PDF/UA-1, sealed and
// unsealed.
func (r *receipts) veraPDF(t *testing.T) {
	jars := root(t, ".deps", "java")
	file(t, filepath.Join(jars, "greenfield-apps-1.28.2.jar"))
	for _, flavour := range []string{"3a", "ua1"} {
		args := []string{"java", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true", "-cp", filepath.Join(jars, "*"),
			"org.verapdf.apps.GreenfieldCliWrapper", "--format", "text", "-v", "-f", flavour}
		var want []string
		for _, name := range genuineReceipts() {
			for _, suffix := range []string{".pdf", "-unsealed.pdf"} {
				args = append(args, r.file[name+suffix])
				want = append(want, `PASS `+regexp.QuoteMeta(r.file[name+suffix])+` `+flavour)
			}
		}
		// Neither tagged nor described.
		args = append(args, r.file["plain.pdf"])
		want = append(want, `FAIL `+regexp.QuoteMeta(r.file["plain.pdf"])+` `+flavour)
		says(t, true, want, args...)
	}
}
