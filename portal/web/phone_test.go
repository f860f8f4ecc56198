package web

import "testing"

func TestSpoken(t *testing.T) {
	for in, want := range map[string]string{"+46701740605": "070-174 06 05", "+468123456": "+468123456", "+4670174060": "+4670174060", "070-1740605": "070-1740605", "": ""} {
		if got := spoken(in); got != want {
			t.Errorf("%q is written %q", in, got)
		}
	}
}
