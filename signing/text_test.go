package signing

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

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

func TestVisibleTextPlain(t *testing.T) {
	want := `Underskrift
Begärs av: Exempelby kommun
Gäller: Ansökan om *förskoleplats*
Referens: F-1
Hej
Båda vårdnadshavarna skriver under.
Du skriver under:
1. Ansökan (kontrollsumma ab12 ab12 ab12 ab12)
2. # Bilaga (kontrollsumma 0f0f 0f0f 0f0f 0f0f)

Alla 2 som ska skriva under skriver under samma handlingar.`
	if got := VisibleText("Exempelby kommun", sample(), [32]byte{}, "sv", providers.Plain, false); got != want {
		t.Errorf("got\n%s", got)
	}
	alone := sample()
	alone.Signatories, alone.Reference, alone.Message = alone.Signatories[:1], "", ""
	got := VisibleText("Exempelby kommun", alone, [32]byte{}, "en", providers.Plain, false)
	if want := "Signature\nAsked for by: Exempelby kommun\nConcerns: Ansökan om *förskoleplats*\nYou are signing:\n" +
		"1. Ansökan (checksum ab12 ab12 ab12 ab12)\n2. # Bilaga (checksum 0f0f 0f0f 0f0f 0f0f)"; got != want {
		t.Errorf("got\n%s", got)
	}
}

// Whatever a client writes, the person sees who asks first, then each document
// with its checksum in a line of its own, and the whole checksum last.
func TestVisibleTextProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.StringOfN(rapid.SampledFrom([]rune("aå #*+|-\\1.:\u202e\u2028😀")), 1, 20, -1)
		lines := rapid.StringOfN(rapid.SampledFrom([]rune("aå #*+-\n\n\r\t:")), 0, 40, -1)
		lang := rapid.SampledFrom([]string{"sv", "en"}).Draw(t, "lang")
		markup := rapid.SampledFrom([]providers.Markup{providers.Plain, providers.SimpleMarkdownV1}).Draw(t, "markup")
		w := visibleWords(lang)
		m := Manifest{Title: lines.Draw(t, "title"), Message: lines.Draw(t, "message"), Reference: line.Draw(t, "reference"), Signatories: make([]ManifestSignatory, rapid.IntRange(0, 3).Draw(t, "n"))}
		// A message that looks like the rest.
		m.Message += "\n" + w.documents + "\n1. a (" + w.check + " 0000 0000 0000 0000)\n" + w.whole + ": " + strings.Repeat("0", 64)
		digest := [32]byte{byte(rapid.IntRange(1, 255).Draw(t, "digest"))}
		for i := range rapid.IntRange(1, 3).Draw(t, "documents") {
			m.Documents = append(m.Documents, ManifestDocument{Name: line.Draw(t, "name"), SHA256: strings.Repeat(fmt.Sprint(i), 64)})
		}
		asker := line.Draw(t, "asker")
		whole := rapid.Bool().Draw(t, "whole")
		got := strings.Split(VisibleText(asker, m, digest, lang, markup, whole), "\n")

		second := 1
		if markup == providers.SimpleMarkdownV1 {
			second = 2
		}
		if got[0] != strings.TrimSpace(map[bool]string{true: "# "}[second == 2]+w.heading) || !strings.HasPrefix(got[second], w.asker+": ") || !strings.Contains(got[second], markup.Escape(asker)) {
			t.Fatalf("it begins with %q", got[:3])
		}
		for l := range strings.SplitSeq(m.Message, "\n") {
			if l = strings.TrimSpace(l); l != "" && !slices.Contains(got, markup.Escape(l)) {
				t.Fatalf("the message has lost %q", l)
			}
		}
		end := len(got)
		if whole {
			if end--; got[end] != w.whole+": "+hex.EncodeToString(digest[:]) || got[end-1] != "" {
				t.Fatalf("it ends with %q", got[end-1:])
			}
			end--
		}
		if n := len(m.Signatories); n > 1 {
			if end--; !strings.Contains(got[end], fmt.Sprint(n)) || got[end-1] != "" {
				t.Fatalf("before its end is %q", got[end-1:])
			}
			end--
		}
		for i := len(m.Documents) - 1; i >= 0; i-- {
			d := m.Documents[i]
			bullet := fmt.Sprint(i+1, ". ")
			if second == 2 {
				bullet = "+ "
			}
			if end--; got[end] != bullet+markup.Escape(d.Name)+" ("+w.check+" "+ShortDigest(d.SHA256)+")" {
				t.Fatalf("document %d is told as %q", i+1, got[end])
			}
		}
		if second == 2 {
			end--
		}
		if got[end-1] != w.documents {
			t.Fatalf("documents are announced with %q", got[end-1])
		}
	})
}

func TestShortDigest(t *testing.T) {
	for in, want := range map[string]string{
		"0123456789abcdef0123": "0123 4567 89ab cdef", "0123456789abcdef": "0123 4567 89ab cdef", "0123456789abcde": "0123456789abcde", "": "",
	} {
		if got := ShortDigest(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}
