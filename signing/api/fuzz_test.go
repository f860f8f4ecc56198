package api

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"sigill/signing"
)

// FuzzDecode: whatever is sent, what is taken is one JSON object whose members
// are all ours, letter by letter, and none of them twice or null; and nothing of
// what is refused is told back but names.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		smallest, `{}`, `{"title":null}`, `{"Title":"x"}`, `{"ſignatories":[]}`, `{"title":"a","title":"b"}`, `{"documents":[{"file":"YQ=="}]}`,
		`{"deadline":"2026-01-01T00:00:00Z"}`, `{"reminders":[1,2]}`, `{"title":"\ud800"}`, "{\"title\":\"\xff\"}", `{"documents":[{"content":[{"rows":[{"label":"l","value":"v"}]}]}]}`,
		`{"signatories":[{"pnr":"198006299252"}]}`, `[[[[[[`, `{"a":{"a":{"a":{}}}}`, `{"title":1e999}`, ` {} {}`,
	} {
		f.Add([]byte(s))
	}
	known := members(reflect.TypeFor[wish](), map[string]bool{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var w wish
		err := decode(raw, elements(signing.Limits{}.WithDefaults()), &w)
		if err != nil {
			var r *refusal
			if !errors.As(err, &r) || r.code != codeBody || r.detail == "" {
				t.Fatalf("%q: %v", raw, err)
			}
			for _, word := range strings.Fields(r.detail) {
				if strings.Count(word, "0")+strings.Count(word, "1")+strings.Count(word, "9") > 6 {
					t.Fatalf("%q is told back: %s", raw, r.detail)
				}
			}
			return
		}
		if !utf8.Valid(raw) || !json.Valid(raw) {
			t.Fatalf("%q was taken", raw)
		}
		var tree map[string]any
		if err := json.Unmarshal(raw, &tree); err != nil {
			t.Fatalf("%q was taken: %v", raw, err)
		}
		if wrong := stranger(tree, known); wrong != "" {
			t.Fatalf("%q was taken: %s", raw, wrong)
		}
		// What it says can be said again, and is the same then.
		again, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		var second wish
		if err := json.Unmarshal(again, &second); err != nil || !reflect.DeepEqual(w, second) && w.Deadline == nil {
			t.Fatalf("%q became %s: %v", raw, again, err)
		}
		if _, err := w.signing(); err != nil && !strings.Contains(err.Error(), "is ") {
			t.Fatalf("%q: %v", raw, err)
		}
	})
}

func stranger(v any, known map[string]bool) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case map[string]any:
		for name, m := range v {
			if !known[name] {
				return name
			}
			if s := stranger(m, known); s != "" {
				return s
			}
		}
	case []any:
		for _, m := range v {
			if s := stranger(m, known); s != "" {
				return s
			}
		}
	}
	return ""
}
