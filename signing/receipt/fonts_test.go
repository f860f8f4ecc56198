package receipt

import "testing"

func TestFontsSizes(t *testing.T) {
	f, err := newFonts(3)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(len(f.common), len(f.extra), f.sums)
}

func BenchmarkFonts(b *testing.B) {
	for b.Loop() {
		newFonts(3)
	}
}
