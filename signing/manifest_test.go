package signing

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func aManifest() Manifest {
	return Manifest{
		Format: ManifestFormat, Issuer: "https://sigill.example.se", Client: "demo", Order: "order", Revision: 1,
		Title: "Ansökan", Message: "Hej", Reference: "F-1", Sequence: Parallel,
		Documents:   []ManifestDocument{{Name: "Ansökan", Kind: KindText, Type: TextType, Size: 11, SHA256: strings.Repeat("ab", 32)}},
		Signatories: []ManifestSignatory{{N: 1, Number: strings.Repeat("cd", 32), Group: 1}},
	}
}

// The canonical form is for ever: receipts that were made are checked against
// it. Another one needs another name.
func TestManifest(t *testing.T) {
	canonical, digest, err := aManifest().Encode()
	check(t, err)
	want := `{"client":"demo","documents":[{"kind":"text","name":"Ansökan","sha256":"` + strings.Repeat("ab", 32) +
		`","size":11,"type":"text/plain; charset=utf-8"}],"format":"sigill-manifest-1","issuer":"https://sigill.example.se","message":"Hej","order":"order",` +
		`"reference":"F-1","revision":1,"sequence":"parallel","signatories":[{"group":1,"n":1,"number":"` + strings.Repeat("cd", 32) + `"}],"title":"Ansökan"}`
	if string(canonical) != want {
		t.Errorf("got\n%s\nwant\n%s", canonical, want)
	}
	if digest != sha256.Sum256(canonical) {
		t.Error("the digest is of something else")
	}
	if got := string(Binding(digest)); got != "sigill-manifest-1 sha256 "+hex.EncodeToString(digest[:]) {
		t.Errorf("binding %q", got)
	}
}

// Whatever is changed in a manifest, its digest is another.
func TestManifestCoversAll(t *testing.T) {
	_, first, err := aManifest().Encode()
	check(t, err)
	seen := map[[32]byte]string{first: "as it was"}
	differs := func(name string, m Manifest) {
		t.Helper()
		_, digest, err := m.Encode()
		check(t, err)
		if other, twice := seen[digest]; twice {
			t.Errorf("%s has the digest of %s", name, other)
		}
		seen[digest] = name
	}
	spoil := func(v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			v.SetString(v.String() + "x")
		case reflect.Int:
			v.SetInt(v.Int() + 1)
		case reflect.Slice:
			v.Set(reflect.Append(v, v.Index(0)))
		default:
			t.Fatalf("what is a %s?", v.Kind())
		}
	}
	each := func(what string, pick func(*Manifest) reflect.Value) {
		for i := range pick(&Manifest{Documents: make([]ManifestDocument, 1), Signatories: make([]ManifestSignatory, 1)}).NumField() {
			m := aManifest()
			v := pick(&m)
			spoil(v.Field(i))
			differs(what+v.Type().Field(i).Name, m)
		}
	}
	each("", func(m *Manifest) reflect.Value { return reflect.ValueOf(m).Elem() })
	each("document's ", func(m *Manifest) reflect.Value { return reflect.ValueOf(&m.Documents[0]).Elem() })
	each("signatory's ", func(m *Manifest) reflect.Value { return reflect.ValueOf(&m.Signatories[0]).Elem() })
	m := aManifest()
	m.Documents, m.Signatories = []ManifestDocument{}, []ManifestSignatory{}
	differs("an empty one", m)
	// What is nil is not what is empty; New never leaves it nil.
	m.Documents, m.Signatories = nil, nil
	differs("nil", m)
}

func TestNumberDigest(t *testing.T) {
	key := []byte(strings.Repeat("k", 32))
	// By: printf 198006299252 | openssl dgst -sha256 -mac HMAC -macopt hexkey:6b6b…
	const want = "7999ebcff9d4e31821bd1f494e91a452d39f820bd6f72fe68e2dd814213bf23e"
	if got := NumberDigest(key, number(t, 0)); got != want {
		t.Errorf("got %s", got)
	}
	if NumberDigest(key, number(t, 1)) == want || NumberDigest([]byte(strings.Repeat("l", 32)), number(t, 0)) == want {
		t.Error("another person or key has the same digest")
	}
}

func TestDocumentBytes(t *testing.T) {
	sum := func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }
	for _, c := range []struct {
		d     Document
		bytes string
	}{
		{Document{Name: "n", Kind: KindText, Type: TextType, Text: "å\n"}, "å\n"},
		{Document{Name: "n", Kind: KindContent, Type: ContentType, Content: Content{{Rows: []Row{{"Fråga", "<svar>"}}}, {Text: "t"}}},
			`[{"rows":[{"label":"Fråga","value":"<svar>"}]},{"text":"t"}]`},
		{Document{Name: "n", Kind: KindFile, Type: "image/png", File: []byte("\x89PNG\x00")}, "\x89PNG\x00"},
	} {
		got, err := c.d.Bytes()
		check(t, err)
		e, err := c.d.Entry()
		check(t, err)
		want := ManifestDocument{Name: "n", Kind: c.d.Kind, Type: c.d.Type, Size: len(c.bytes), SHA256: sum(c.bytes)}
		if string(got) != c.bytes || e != want {
			t.Errorf("%s: %q, %+v", c.d.Kind, got, e)
		}
	}
	// A file's bytes are kept apart, never in the body.
	b, err := json.Marshal(Document{Kind: KindFile, File: []byte("secret")})
	check(t, err)
	if strings.Contains(strings.ToLower(string(b)), "file\":\"") || strings.Contains(string(b), "c2VjcmV0") {
		t.Errorf("%s", b)
	}
}
