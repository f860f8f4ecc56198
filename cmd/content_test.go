package cmd_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sigill/portal/form"
	"sigill/portal/sending"
	"sigill/signing"
)

// The portal computes by itself what the signing room's digest of its answers
// must be: it believes a sealed document by that. So the two, which share no
// code, must agree on everything that anybody can type: the signing room takes
// what the portal has tidied as it is, and both spell it the same.
func TestPortalAndSigningRoomAgreeOnContent(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune(
		"aåÖ1 \"\\/<&>\n\r\t\u0000\u0007\b\f\u001f\u007f\u0085\u00a0\u00ad\u200b\u200c\u200d\u202e\u2028\u2029\u2066\ufeff\ufffd\ud7ff\ue000\uffff\U0001f600\U000e0041"))))
	rapid.Check(t, func(t *rapid.T) {
		var blocks []form.Block
		for range rapid.IntRange(1, 5).Draw(t, "blocks") {
			b := form.Block{Heading: text.Draw(t, "heading"), Text: text.Draw(t, "text")}
			for range rapid.IntRange(0, 3).Draw(t, "rows") {
				b.Rows = append(b.Rows, form.Row{Label: text.Draw(t, "label"), Value: text.Draw(t, "value")})
			}
			blocks = append(blocks, b)
		}
		blocks = sending.Tidy(blocks)
		if len(blocks) == 0 {
			return
		}
		raw, err := json.Marshal(blocks)
		if err != nil {
			t.Fatal(err)
		}
		var content signing.Content
		if err := json.Unmarshal(raw, &content); err != nil {
			t.Fatal(err)
		}
		_, body, err := signing.New(signing.Wish{
			Title: "Prov", Documents: []signing.Document{{Name: "Prov", Kind: signing.KindContent, Content: content}},
		}, signing.Origin{ID: "o", Client: "portal-prov", Issuer: "https://sigill.example", NumberKey: make([]byte, 32)}, signing.Limits{}.WithDefaults(), time.Now())
		if err != nil {
			t.Fatalf("the signing room does not take it: %v", err)
		}
		if diff := cmp.Diff(content, body.Documents[0].Content); diff != "" {
			t.Fatalf("the signing room changes it:\n%s", diff)
		}
		entry, err := body.Documents[0].Entry()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := sending.ContentDigest(blocks); err != nil || got != entry.SHA256 {
			t.Fatalf("digest %s, %v, the signing room has %s", got, err, entry.SHA256)
		}
	})
}
