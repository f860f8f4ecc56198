package receipt

import (
	"os"
	"sigill/signing/pdf"
	"testing"
)

func TestLook(t *testing.T) {
	w, err := New()
	if err != nil {
		t.Fatal(err)
	}
	k, files := preschool(t).kvittens(t)
	out, err := w.Make(k, files)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile("/tmp/r/a.pdf", out, 0o644)
	if _, err := pdf.Parse(out, pdf.DefaultLimits()); err != nil {
		t.Error(err)
	}
}

func BenchmarkMake2(b *testing.B) {
	w, _ := New()
	k, files := preschool(b).kvittens(b)
	b.ReportAllocs()
	for b.Loop() {
		w.Make(k, files)
	}
}
