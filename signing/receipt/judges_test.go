package receipt

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"sigill/signing"
)

// program finds a program that others wrote, or skips the test; where CI is set
// nothing may be lacking.
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

func run(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	out, err := exec.Command(program(t, name), arguments...).Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func saved(t *testing.T, base []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "receipt.pdf")
	if err := os.WriteFile(path, base, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// words are a text without the spaces and line ends that a page may have more or
// fewer of.
func joined(s string) string { return strings.Join(strings.Fields(s), " ") }

func TestStructureAndText(t *testing.T) {
	w := newWriter(t)
	for name, o := range map[string]*order{"plain": preschool(t), "difficult": difficult(t)} {
		path := saved(t, made(t, w, o))
		if out := run(t, "qpdf", "--check", path); !strings.Contains(out, "No syntax or stream encoding errors found") {
			t.Errorf("%s: qpdf: %s", name, out)
		}
		text := joined(run(t, "pdftotext", "-layout", path, "-"))
		bare := strings.ReplaceAll(norm.NFC.String(run(t, "pdftotext", "-raw", path, "-")), " ", "")
		bare = strings.ReplaceAll(bare, "\n", "")
		for _, want := range []string{o.m.Order, o.k.ManifestSHA256, o.k.VerifyURL, o.k.TrustSHA256, w.fonts.oneLine(o.m.Title)} {
			if !strings.Contains(bare, strings.ReplaceAll(want, " ", "")) {
				t.Errorf("%s: %q is not on the pages", name, want)
			}
		}
		for _, s := range o.k.Signatures {
			for _, want := range []string{w.fonts.clean(s.Name), s.Masked, s.Transaction, s.EIDOrder} {
				if !strings.Contains(bare, strings.ReplaceAll(want, " ", "")) {
					t.Errorf("%s: %q is not on the pages", name, want)
				}
			}
		}
		if name == "plain" {
			continue
		}
		for _, want := range []string{
			"Färdiga: åäö ÅÄÖ é ü ñ ç ø æ œ ß ł đ ž š č ğ ő ű", "Sammansatta: å ä ö Å é ü ñ",
			"Олександр Шевченко, Україна", "Αθανάσιος Παπαδόπουλος", "a‑b",
			"Arabiska: ����. Hebreiska: ����. Kinesiska: ���.", "Vänd: �gnp.exe� och �isolerad� och �RLM.",
			`(Parenteser) \och\ ((nästlade)).`,
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not on the pages", want)
			}
		}
	}
}

// TestReadingOrder holds what a screen reader gets against a golden file.
func TestReadingOrder(t *testing.T) {
	got := run(t, "pdfinfo", "-struct-text", saved(t, made(t, newWriter(t), preschool(t))))
	const golden = "testdata/reading-order.txt"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the reading order is another (UPDATE=1 writes %s):\n%s", golden, got)
	}
}

func TestLargeTable(t *testing.T) {
	rows := make([]signing.Row, 10_000)
	for i := range rows {
		rows[i] = signing.Row{Label: fmt.Sprintf("Fråga %d", i), Value: fmt.Sprintf("Svar %d", i*7)}
	}
	w := newWriter(t)
	base := made(t, w, newOrder().content(t, "Enkät", signing.Content{{Rows: rows}}))
	if _, _, err := w.Check(base); err != nil {
		t.Fatal(err)
	}
	text := joined(run(t, "pdftotext", "-layout", saved(t, base), "-"))
	for i, row := range rows {
		if !strings.Contains(text, row.Label+" "+row.Value+" ") {
			t.Fatalf("row %d is not on the pages", i)
		}
	}
}

func TestAttachments(t *testing.T) {
	detach := program(t, "pdfdetach")
	noise := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(noise.Uint32())
		}
		return b
	}
	fifty := newOrder()
	for i := range 50 {
		fifty.attach(fmt.Sprintf("bilaga-%02d.bin", i), "application/octet-stream", "Supplement", random(i*i))
	}
	for name, o := range map[string]*order{
		"none":  newOrder(),
		"fifty": fifty,
		"large": newOrder().attach("stor.bin", "application/octet-stream", "Source", random(20<<20)),
		"like the file that it is in": newOrder().attach("x.pdf", "application/pdf", "Source",
			[]byte("\nendstream\nendobj\n1 0 obj\n<</Type/Catalog>>\nendobj\nxref\n0 1\ntrailer\n<<>>\nstartxref\n9\n%%EOF\n")),
	} {
		w := newWriter(t)
		base := made(t, w, o)
		if _, files, err := w.Check(base); err != nil || len(files) != len(o.files) {
			t.Fatalf("%s: %v", name, err)
		}
		path := saved(t, base)
		out := filepath.Join(filepath.Dir(path), "out")
		if err := os.Mkdir(out, 0o700); err != nil {
			t.Fatal(err)
		}
		if b, err := exec.Command(detach, "-saveall", "-o", out, path).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v %s", name, err, b)
		}
		saved, err := os.ReadDir(out)
		if err != nil || len(saved) != len(o.files)+1 {
			t.Fatalf("%s: %d files, %v", name, len(saved), err)
		}
		for _, f := range o.files {
			if got, err := os.ReadFile(filepath.Join(out, f.Name)); err != nil || !bytes.Equal(got, f.Bytes) {
				t.Errorf("%s: %s is not what was attached (%v)", name, f.Name, err)
			}
		}
	}
}

func TestQRCodeCanBeRead(t *testing.T) {
	zbar := program(t, "zbarimg")
	o := preschool(t)
	o.k.VerifyURL = "https://sign.example.se/verify?with=a-rather-long-query&and=more"
	path := saved(t, made(t, newWriter(t), o))
	png := strings.TrimSuffix(path, ".pdf")
	run(t, "pdftoppm", "-r", "100", "-png", path, png)
	pages, err := filepath.Glob(png + "*.png")
	if err != nil || len(pages) == 0 {
		t.Fatal("no pages")
	}
	out, _ := exec.Command(zbar, append([]string{"-q", "--raw"}, pages...)...).Output() // fails for pages without a code
	if strings.TrimSpace(string(out)) != o.k.VerifyURL {
		t.Errorf("read %q", out)
	}
}
