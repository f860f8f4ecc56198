package receipt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sigill/signing"
	"sigill/signing/pdf"
)

// Golden receipts of this layout. A layout that was released is never changed:
// where a sum here differs, there is either a mistake, or a new layout to be made
// beside this one.
func TestGoldenReceipts(t *testing.T) {
	w := newWriter(t)
	english := preschool(t)
	english.k.Language = "en"
	sealed := newOrder().text(t, "Ansökan", "Ärendet har kommit in.")
	sealedEnglish := newOrder()
	sealedEnglish.k.Language = "en"
	for _, c := range []struct {
		name  string
		order *order
		want  string
	}{
		{"two guardians", preschool(t), "a22ba5a9ec9b540f95f10c10354a787664d020259b403a33f3567cb2a2efcdff"},
		{"in English", english, "1c046c01bd6e8fb0db2f9ad2bc3eadbd7c20921ca6f2a048d6913b01177e782a"},
		{"one signature", threePages(t), "1e73f299b87e65375b10903e6fe2bc2f2d70adb1a30dbda4fcf31eba015027a6"},
		{"sealed only", sealed, "62b44c9390f498ec299735b68eccb3ecdc029265432e90e7e9f8def8924f6cb6"},
		{"sealed only, in English, no documents", sealedEnglish, "56e38a80ebc11bc204d9c3153b24bb860b31c168db505cedfc60e8576eea0a95"},
		{"difficult", difficult(t), "ca53e3a06a114ef1886ed5fac708c0354c930554299730fbc4364a47378146ad"},
		{"a hundred pages", hundredPages(t), "5451b7aba457455cf8aaad5ae8ec0c33788a944c9193ba45250abc041071e288"},
	} {
		if got := graph(t, made(t, w, c.order)); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

func TestSameInputSameBytes(t *testing.T) {
	w, other := newWriter(t), newWriter(t)
	rapid.Check(t, func(rt *rapid.T) {
		o := newOrder()
		o.m.Title = rapid.String().Draw(rt, "title")
		o.k.Language = rapid.SampledFrom([]string{"sv", "en"}).Draw(rt, "language")
		o.text(t, "Text", rapid.String().Draw(rt, "text"))
		var rows []signing.Row
		for range rapid.IntRange(1, 30).Draw(rt, "rows") {
			rows = append(rows, signing.Row{Label: rapid.String().Draw(rt, "label"), Value: rapid.String().Draw(rt, "value")})
		}
		o.content(t, rapid.String().Draw(rt, "name"), signing.Content{{Rows: rows}})
		for range rapid.IntRange(0, 3).Draw(rt, "signatures") {
			o.signed(rapid.String().Draw(rt, "who"))
		}
		base := made(t, w, o)
		if !bytes.Equal(base, made(t, other, o)) {
			rt.Fatal("other bytes")
		}
		if _, _, err := other.Check(base); err != nil {
			rt.Fatal(err)
		}
	})
}

func TestWriterIsSafeForConcurrentUse(t *testing.T) {
	w := newWriter(t)
	orders := []*order{preschool(t), threePages(t), difficult(t)}
	var want [][]byte
	for _, o := range orders {
		want = append(want, made(t, newWriter(t), o)) // and o.k is whole
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			o := orders[i%3]
			for range 5 {
				if base, err := w.Make(o.k, o.files); err != nil || !bytes.Equal(base, want[i%3]) {
					t.Errorf("order %d: other bytes (%v)", i%3, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestMakeRefusesWhatDoesNotFit(t *testing.T) {
	w := newWriter(t)
	at := time.Date(2026, 11, 21, 18, 3, 9, 0, time.UTC)
	for name, spoil := range map[string]func(*Kvittens, *[]File){
		"language":               func(k *Kvittens, _ *[]File) { k.Language = "fi" },
		"no time of creation":    func(k *Kvittens, _ *[]File) { k.Created = time.Time{} },
		"fraction of a second":   func(k *Kvittens, _ *[]File) { k.CompletedAt = at.Add(1) },
		"absurd time":            func(k *Kvittens, _ *[]File) { k.Signatures[0].At = at.AddDate(9000, 0, 0) },
		"trust":                  func(k *Kvittens, _ *[]File) { k.TrustSHA256 = strings.ToUpper(k.TrustSHA256) },
		"long address":           func(k *Kvittens, _ *[]File) { k.VerifyURL = strings.Repeat("x", 501) },
		"manifest not canonical": func(k *Kvittens, _ *[]File) { k.Manifest = append([]byte(" "), k.Manifest...) },
		"manifest of a member": func(k *Kvittens, _ *[]File) {
			k.Manifest = bytes.Replace(k.Manifest, []byte("{"), []byte(`{"a":1,`), 1)
		},
		"manifest no JSON": func(k *Kvittens, _ *[]File) { k.Manifest = json.RawMessage("{") },
		"manifest of other format": func(k *Kvittens, _ *[]File) {
			k.Manifest = bytes.Replace(k.Manifest, []byte("manifest-1"), []byte("manifest-2"), 1)
		},
		"digest of the manifest":   func(k *Kvittens, _ *[]File) { k.ManifestSHA256 = digestOf(nil) },
		"a document too few":       func(k *Kvittens, _ *[]File) { k.Documents = k.Documents[:2] },
		"a document too many":      func(k *Kvittens, _ *[]File) { k.Documents = append(k.Documents, k.Documents[0]) },
		"other documents":          func(k *Kvittens, _ *[]File) { k.Documents[0], k.Documents[1] = k.Documents[1], k.Documents[0] },
		"other text":               func(k *Kvittens, _ *[]File) { s := *k.Documents[1].Text + " "; k.Documents[1].Text = &s },
		"text of the same length":  func(k *Kvittens, _ *[]File) { s := "p" + (*k.Documents[1].Text)[1:]; k.Documents[1].Text = &s },
		"file of the same length":  func(_ *Kvittens, f *[]File) { (*f)[0].Bytes = []byte("%PDF-1.4 not reallY\n") },
		"no text":                  func(k *Kvittens, _ *[]File) { k.Documents[1].Text = nil },
		"text and file":            func(k *Kvittens, _ *[]File) { k.Documents[1].Attachment = "hyresavtal.pdf" },
		"other answer":             func(k *Kvittens, _ *[]File) { k.Documents[0].Content[1].Rows[0].Value = "x" },
		"block of two kinds":       func(k *Kvittens, _ *[]File) { k.Documents[0].Content[0].Text = "x" },
		"other file":               func(k *Kvittens, f *[]File) { (*f)[0].Bytes = []byte("other") },
		"file of another type":     func(k *Kvittens, f *[]File) { (*f)[0].Type = "image/png" },
		"file elsewhere":           func(k *Kvittens, f *[]File) { k.Documents[2].Attachment = "underskrift-1.json" },
		"no file":                  func(k *Kvittens, f *[]File) { *f = (*f)[1:] },
		"no signature":             func(k *Kvittens, _ *[]File) { k.Signatures = nil },
		"a signature too few":      func(k *Kvittens, _ *[]File) { k.Signatures = k.Signatures[1:] },
		"signature twice":          func(k *Kvittens, _ *[]File) { k.Signatures[1] = k.Signatures[0] },
		"signatures out of order":  func(k *Kvittens, _ *[]File) { k.Signatures[0], k.Signatures[1] = k.Signatures[1], k.Signatures[0] },
		"by nobody":                func(k *Kvittens, _ *[]File) { k.Signatures[1].Signatory = 3 },
		"number key":               func(k *Kvittens, _ *[]File) { k.NumberKey = k.NumberKey[:31] },
		"no name for the order":    func(k *Kvittens, _ *[]File) { k.Signatures[0].EIDOrder = "" },
		"a transaction in words":   func(k *Kvittens, _ *[]File) { k.Signatures[1].Transaction = "avser även bilaga 2" },
		"a long transaction":       func(k *Kvittens, _ *[]File) { k.Signatures[0].Transaction = strings.Repeat("x", 101) },
		"an order in words":        func(k *Kvittens, _ *[]File) { k.Signatures[0].EIDOrder = "x\ny" },
		"a dotted order":           func(k *Kvittens, _ *[]File) { k.Signatures[0].EIDOrder = "example.com" },
		"whole number":             func(k *Kvittens, _ *[]File) { k.Signatures[0].Masked = "199001019802" },
		"no evidence":              func(k *Kvittens, _ *[]File) { k.Signatures[0].Evidence = "" },
		"evidence of another type": func(k *Kvittens, _ *[]File) { k.Signatures[0].EvidenceType = "application/xml" },
		"a part that is not there": func(k *Kvittens, _ *[]File) { k.Signatures[0].Parts = []string{"x.xml"} },
		"name with a path":         func(_ *Kvittens, f *[]File) { *f = append(*f, File{"../x", "text/plain", "Data", nil}) },
		"name with a space":        func(_ *Kvittens, f *[]File) { *f = append(*f, File{"a b", "text/plain", "Data", nil}) },
		"hidden name":              func(_ *Kvittens, f *[]File) { *f = append(*f, File{".x", "text/plain", "Data", nil}) },
		"no name":                  func(_ *Kvittens, f *[]File) { *f = append(*f, File{"", "text/plain", "Data", nil}) },
		"name not ASCII":           func(_ *Kvittens, f *[]File) { *f = append(*f, File{"å.txt", "text/plain", "Data", nil}) },
		"long name": func(_ *Kvittens, f *[]File) {
			*f = append(*f, File{strings.Repeat("x", 101), "text/plain", "Data", nil})
		},
		"name of kvittens.json": func(_ *Kvittens, f *[]File) { *f = append(*f, File{"Kvittens.json", "text/plain", "Data", nil}) },
		"name twice":            func(_ *Kvittens, f *[]File) { *f = append(*f, File{"HYRESAVTAL.pdf", "text/plain", "Data", nil}) },
		"type with parameters":  func(_ *Kvittens, f *[]File) { *f = append(*f, File{"x", "text/plain; charset=utf-8", "Data", nil}) },
		"no type":               func(_ *Kvittens, f *[]File) { *f = append(*f, File{"x", "", "Data", nil}) },
		"relationship":          func(_ *Kvittens, f *[]File) { *f = append(*f, File{"x", "text/plain", "Friend", nil}) },
	} {
		k, files := preschool(t).kvittens(t)
		if name == "manifest of a member" || name == "manifest of other format" || name == "manifest not canonical" {
			spoil(&k, &files)
			k.ManifestSHA256 = digestOf(k.Manifest)
		} else {
			spoil(&k, &files)
		}
		var bad *Invalid
		if _, err := w.Make(k, files); !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
	k, files := preschool(t).kvittens(t)
	k.Layout = "sigill-receipt-2"
	var unknown *UnknownLayout
	if _, err := w.Make(k, files); !errors.As(err, &unknown) {
		t.Errorf("unknown layout: %v", err)
	}
	k, files = newOrder().kvittens(t)
	k.NumberKey = make([]byte, 32)
	var bad *Invalid
	if _, err := w.Make(k, files); !errors.As(err, &bad) {
		t.Errorf("a number key without signatures: %v", err)
	}
}

func TestLimits(t *testing.T) {
	w := newWriter(t)
	large := make([]byte, MaxSize/2)
	many := newOrder()
	for i := range MaxFiles + 1 {
		many.attach(fmt.Sprintf("%d.txt", i), "text/plain", "Data", nil)
	}
	for _, c := range []struct {
		name  string
		order *order
		what  string
	}{
		{"pages", newOrder().text(t, "Rader", strings.Repeat("x\n\n", 30_000)), "pages"},
		{"pages of a table", newOrder().content(t, "Rader", signing.Content{{Rows: make([]signing.Row, 90_000)}}), "pages"},
		{"a value of many pages", newOrder().content(t, "Rader", signing.Content{{Rows: []signing.Row{{Value: strings.Repeat("x\n", 60_000)}}}}), "pages"},
		{"bytes", newOrder().attach("a.bin", "text/plain", "Data", large).attach("b.bin", "text/plain", "Data", large).attach("c.bin", "text/plain", "Data", []byte("x")), "bytes"},
		{"kvittens.json", newOrder().text(t, "Text", strings.Repeat("\x00", MaxKvittens/6)), "bytes in kvittens.json"},
		{"files", many, "files"},
	} {
		k, files := c.order.kvittens(t)
		var large *TooLarge
		if _, err := w.Make(k, files); !errors.As(err, &large) || large.What != c.what {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// The writer is none the worse for it.
	if !bytes.Equal(made(t, w, threePages(t)), made(t, newWriter(t), threePages(t))) {
		t.Error("other bytes after a refusal")
	}
}

// What a page shows is drawn inside the margins, in marked content.
func TestEverythingOnThePagesIsMarked(t *testing.T) {
	w := newWriter(t)
	for _, o := range []*order{preschool(t), difficult(t)} {
		for number, content := range contents(t, made(t, w, o)) {
			depth := 0
			for _, l := range strings.Split(content, "\n") {
				switch {
				case strings.HasSuffix(l, " BMC") || strings.HasSuffix(l, ">>BDC"):
					depth++
				case l == "EMC":
					depth--
				case strings.HasSuffix(l, "Tj") || l == "f":
					if depth != 1 {
						t.Fatalf("page %d: %q at depth %d", number+1, l, depth)
					}
				}
			}
			if depth != 0 {
				t.Errorf("page %d: depth %d at the end", number+1, depth)
			}
			for _, m := range regexp.MustCompile(`(?m)^([0-9.]+) ([0-9.]+) Td$`).FindAllStringSubmatch(content, -1) {
				var x, y float64
				fmt.Sscan(m[1], &x)
				fmt.Sscan(m[2], &y)
				if x < 64 || x > 531.28 || y < 30 || y > 790 {
					t.Errorf("page %d: text at %v, %v", number+1, x, y)
				}
			}
		}
	}
}

// contents are the pages' content streams, with strings made harmless.
func contents(t testing.TB, base []byte) (out []string) {
	t.Helper()
	f, err := pdf.Parse(base, pdf.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	inString := regexp.MustCompile(`(?s)\((?:\\.|[^\\)])*\)`)
	for number := 1; number <= len(f.Revisions[0].Objects); number++ {
		if d, ok := f.Revisions[0].Objects[number].Object.(pdf.Dict); ok && d["Type"] == pdf.Name("Page") {
			s, ok := f.Stream(0, d["Contents"])
			if !ok {
				t.Fatal("a page without content")
			}
			b, err := s.Decode(1 << 24)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, inString.ReplaceAllString(string(b), "()"))
		}
	}
	return out
}
