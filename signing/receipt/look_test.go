package receipt

import (
	"os"
	"testing"
)

func TestLook(t *testing.T) {
	w := newWriter(t)
	en := preschool(t)
	en.k.Language = "en"
	sealed := newOrder().text(t, "Ansökan", "Ärendet har kommit in.")
	for name, o := range map[string]*order{"a": preschool(t), "b": difficult(t), "c": en, "d": sealed} {
		base := made(t, w, o)
		os.WriteFile("/tmp/r/"+name+".pdf", base, 0o644)
		if _, _, err := w.Check(base); err != nil {
			t.Error(name, err)
		}
	}
}
