package signing

import (
	"encoding/hex"
	"strconv"
	"strings"

	"sigill/providers"
)

// VisibleText is what the e-ID's app shows and the person signs: who asks, what
// it is about, and each document with the beginning of its digest. With whole,
// for an e-ID without non-visible data, it carries the whole digest of the
// manifest as well (invariant I2).
func VisibleText(asker string, m Manifest, digest [32]byte, lang string, markup providers.Markup, whole bool) string {
	w := visibleWords(lang)
	var b strings.Builder
	strong := func(s string) string {
		if markup == providers.SimpleMarkdownV1 {
			return "*" + s + "*"
		}
		return s
	}
	line := func(parts ...string) {
		for _, p := range parts {
			b.WriteString(p)
		}
		b.WriteByte('\n')
	}
	// In mark-up a line break inside a paragraph is a space, so each line is a
	// paragraph of its own there.
	apart := ""
	if markup == providers.SimpleMarkdownV1 {
		line("# ", w.heading, "\n")
		apart = "\n"
	} else {
		line(w.heading)
	}
	line(w.asker, ": ", strong(markup.Escape(asker)), apart)
	line(w.subject, ": ", strong(markup.Escape(m.Title)), apart)
	if m.Reference != "" {
		line(w.reference, ": ", markup.Escape(m.Reference), apart)
	}
	if m.Message != "" {
		for text := range strings.SplitSeq(m.Message, "\n") {
			if text = strings.TrimSpace(text); text != "" {
				line(markup.Escape(text), apart)
			}
		}
	}
	line(w.documents, apart)
	for i, d := range m.Documents {
		bullet := strconv.Itoa(i+1) + ". "
		if markup == providers.SimpleMarkdownV1 {
			bullet = "+ "
		}
		line(bullet, markup.Escape(d.Name), " (", w.check, " ", ShortDigest(d.SHA256), ")")
	}
	if n := len(m.Signatories); n > 1 {
		line("")
		line(strings.ReplaceAll(w.together, "{n}", strconv.Itoa(n)))
	}
	if whole {
		line("")
		line(w.whole, ": ", hex.EncodeToString(digest[:]))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// ShortDigest is the beginning of a digest in hex, in groups that can be read
// aloud.
func ShortDigest(hexDigest string) string {
	if len(hexDigest) < 16 {
		return hexDigest
	}
	return hexDigest[0:4] + " " + hexDigest[4:8] + " " + hexDigest[8:12] + " " + hexDigest[12:16]
}

type words struct{ heading, asker, subject, reference, documents, check, together, whole string }

func visibleWords(lang string) words {
	if lang == "en" {
		return words{
			heading: "Signature", asker: "Asked for by", subject: "Concerns", reference: "Reference",
			documents: "You are signing:", check: "checksum",
			together: "All {n} signatories sign the same documents.", whole: "Checksum of everything",
		}
	}
	return words{
		heading: "Underskrift", asker: "Begärs av", subject: "Gäller", reference: "Referens",
		documents: "Du skriver under:", check: "kontrollsumma",
		together: "Alla {n} som ska skriva under skriver under samma handlingar.", whole: "Kontrollsumma för allt",
	}
}
