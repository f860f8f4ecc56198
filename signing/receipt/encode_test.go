package receipt

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sigill/signing"
)

// anyText has all that JSON spells in a way of its own.
var anyText = rapid.StringOf(rapid.SampledFrom([]rune("aå€😀\"\\/\b\t\n\f\r\x00\x1f\x7f<>&\u2028\u00ad")))

func anyTime(t *rapid.T) time.Time {
	return time.Unix(rapid.Int64Range(1e9, 4e9).Draw(t, "s"), rapid.SampledFrom([]int64{0, 1, 120_000_000, 999_999_999}).Draw(t, "ns")).UTC()
}

func anyContent(t *rapid.T) signing.Content {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) signing.Block {
		return signing.Block{
			Heading: anyText.Draw(t, "heading"), Text: anyText.Draw(t, "text"),
			Rows: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) signing.Row {
				return signing.Row{Label: anyText.Draw(t, "label"), Value: anyText.Draw(t, "value")}
			}), 0, 3).Draw(t, "rows"),
		}
	}), 0, 3).Draw(t, "content")
}

func anyManifest(t *rapid.T) signing.Manifest {
	return signing.Manifest{
		Format: anyText.Draw(t, "format"), Issuer: anyText.Draw(t, "issuer"), Client: anyText.Draw(t, "client"), Order: anyText.Draw(t, "order"),
		Revision: rapid.IntRange(-1<<40, 1<<40).Draw(t, "revision"), Title: anyText.Draw(t, "title"), Message: anyText.Draw(t, "message"),
		Reference: anyText.Draw(t, "reference"), Sequence: signing.Sequence(anyText.Draw(t, "sequence")),
		Documents: optional(t, func(t *rapid.T) signing.ManifestDocument {
			return signing.ManifestDocument{Name: anyText.Draw(t, "name"), Kind: signing.Kind(anyText.Draw(t, "kind")), Type: anyText.Draw(t, "type"),
				Size: rapid.IntRange(0, 1<<40).Draw(t, "size"), SHA256: anyText.Draw(t, "sum")}
		}),
		Signatories: optional(t, func(t *rapid.T) signing.ManifestSignatory {
			return signing.ManifestSignatory{N: rapid.IntRange(0, 99).Draw(t, "n"), Number: anyText.Draw(t, "number"), Group: rapid.IntRange(0, 9).Draw(t, "group")}
		}),
	}
}

// optional is a list that may be empty, or not be there at all.
func optional[T any](t *rapid.T, one func(*rapid.T) T) []T {
	if rapid.Bool().Draw(t, "absent") {
		return nil
	}
	return rapid.SliceOfN(rapid.Custom(one), 0, 3).Draw(t, "list")
}

func TestEncoderIsCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyManifest(t)
		want, err := signing.Canonical(m)
		if err != nil {
			t.Fatal(err)
		}
		var e encoder
		if e.manifest(&m); !bytes.Equal(e.out, want) {
			t.Fatalf("manifest\n%s\n%s", e.out, want)
		}
		text := anyText.Draw(t, "text")
		k := Kvittens{
			Layout: anyText.Draw(t, "layout"), Manifest: json.RawMessage(want), ManifestSHA256: anyText.Draw(t, "sum"),
			NumberKey: optional(t, func(t *rapid.T) byte { return rapid.Byte().Draw(t, "key") }), ClientName: anyText.Draw(t, "client"),
			Language: anyText.Draw(t, "language"), Created: anyTime(t), CompletedAt: anyTime(t), SealedBy: anyText.Draw(t, "by"),
			VerifyURL: anyText.Draw(t, "url"), TrustSHA256: anyText.Draw(t, "trust"),
			Documents: optional(t, func(t *rapid.T) Document {
				d := Document{Content: anyContent(t), Attachment: anyText.Draw(t, "attachment")}
				if rapid.Bool().Draw(t, "text") {
					d.Text = &text
				}
				return d
			}),
			Signatures: optional(t, func(t *rapid.T) Signature {
				return Signature{
					Signatory: rapid.IntRange(0, 99).Draw(t, "n"), Name: anyText.Draw(t, "name"), Masked: anyText.Draw(t, "masked"),
					Provider: anyText.Draw(t, "provider"), ProviderName: anyText.Draw(t, "named"), Level: anyText.Draw(t, "level"),
					Policy: anyText.Draw(t, "policy"), Started: anyTime(t), At: anyTime(t), Text: anyText.Draw(t, "shown"),
					Markup: anyText.Draw(t, "markup"), EIDOrder: anyText.Draw(t, "order"), Transaction: anyText.Draw(t, "transaction"),
					Evidence: anyText.Draw(t, "evidence"), EvidenceType: anyText.Draw(t, "type"),
					Parts: optional(t, func(t *rapid.T) string { return anyText.Draw(t, "part") }),
				}
			}),
			Attachments: optional(t, func(t *rapid.T) Attachment {
				return Attachment{Name: anyText.Draw(t, "name"), Type: anyText.Draw(t, "type"), Relationship: anyText.Draw(t, "rel"),
					Size: rapid.IntRange(0, 1<<40).Draw(t, "size"), SHA256: anyText.Draw(t, "sum")}
			}),
		}
		if want, err = signing.Canonical(k); err != nil {
			t.Fatal(err)
		}
		e = encoder{}
		if e.kvittens(&k); !bytes.Equal(e.out, want) {
			t.Fatalf("kvittens\n%s\n%s", e.out, want)
		}
		c := anyContent(t)
		if want, err = signing.Canonical(c); err != nil {
			t.Fatal(err)
		}
		e = encoder{}
		if e.content(c); !bytes.Equal(e.out, want) {
			t.Fatalf("content\n%s\n%s", e.out, want)
		}
	})
}

func TestEncoderRefusesOtherThanUTF8(t *testing.T) {
	w := newWriter(t)
	for _, spoil := range []func(*Kvittens){
		func(k *Kvittens) { k.ClientName = "\xff" },
		func(k *Kvittens) { k.Signatures[1].Text = "a\xed\xa0\x80" },
	} {
		k, files := preschool(t).kvittens(t)
		spoil(&k)
		if _, err := w.Make(k, files); err == nil {
			t.Error("accepted")
		}
	}
}
