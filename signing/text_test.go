package signing

import (
	"strings"
	"testing"

	"sigill/providers"
)

func sample() Manifest {
	return Manifest{Title: "Ansökan om *förskoleplats*", Reference: "F-1", Message: "Hej\n\nBåda vårdnadshavarna skriver under.",
		Documents:   []ManifestDocument{{Name: "Ansökan", SHA256: strings.Repeat("ab12", 16)}, {Name: "# Bilaga", SHA256: strings.Repeat("0f", 32)}},
		Signatories: []ManifestSignatory{{N: 1}, {N: 2}}}
}

func TestVisibleText(t *testing.T) {
	want := `# Underskrift

Begärs av: *Exempelby kommun*

Gäller: *Ansökan om \*förskoleplats\**

Referens: F\-1

Hej

Båda vårdnadshavarna skriver under.

Du skriver under:

+ Ansökan (kontrollsumma ab12 ab12 ab12 ab12)
+ \# Bilaga (kontrollsumma 0f0f 0f0f 0f0f 0f0f)

Alla 2 som ska skriva under skriver under samma handlingar.`
	if got := VisibleText("Exempelby kommun", sample(), [32]byte{}, "sv", providers.SimpleMarkdownV1, false); got != want {
		t.Errorf("got\n%s", got)
	}
	plain := VisibleText("Exempelby kommun", sample(), [32]byte{0xaa}, "en", providers.Plain, true)
	if !strings.Contains(plain, "Checksum of everything: aa"+strings.Repeat("0", 62)) || !strings.HasPrefix(plain, "Signature\nAsked for by: Exempelby kommun\n") {
		t.Errorf("plain:\n%s", plain)
	}
}
