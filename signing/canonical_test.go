package signing

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestCanonicalize(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		// RFC 8785 section 3.2.2: literals and strings.
		{"literals", ` [ null , true , false ] `, `[null,true,false]`},
		{"strings", `"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/"`, `"€$\u000f\nA'B\"\\\\\"/"`},
		// Section 3.2.3: by UTF-16 code units, so that the face comes before the
		// Hebrew letter.
		{
			"sorting", `{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",
				"\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}`,
			`{"\r":"Carriage Return","1":"One","` + "\u0080" + `":"Control","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","😀":"Emoji: Grinning Face","` +
				"\ufb33" + `":"Hebrew Letter Dalet With Dagesh"}`,
		},
		{"nested", `{"b":[{"z":1,"a":{}},[]],"a":"","":null}`, `{"":null,"a":"","b":[{"a":{},"z":1},[]]}`},
		{"controls", `"\u0000\u0001\b\t\n\u000b\f\r\u001f\u007f"`, `"\u0000\u0001\b\t\n\u000b\f\r\u001f` + "\u007f" + `"`},
		{"nothing more is escaped", `"\u003c\u003e\u0026\u2028\u2029/"`, "\"<>&\u2028\u2029/\""},
		{"integers", `[0,-0,1,-1,9007199254740991,-9007199254740991]`, `[0,0,1,-1,9007199254740991,-9007199254740991]`},
		{"beginnings sort first", `{"ab":1,"a":2,"":3}`, `{"":3,"a":2,"ab":1}`},

		{"fraction", `333333333.33333329`, ``}, {"exponent", `1E2`, ``}, {"whole fraction", `1.0`, ``}, {"fraction of nothing", `-0.0`, ``},
		{"too large", `9007199254740992`, ``}, {"too small", `-9007199254740992`, ``}, {"far too large", `99999999999999999999`, ``},
		{"deep inside", `{"a":[1,{"b":0.5}]}`, ``},
		{"nothing", ``, ``}, {"half", `{"a":`, ``}, {"two", `1 2`, ``}, {"garbage behind", `{}}`, ``}, {"no JSON", `{a:1}`, ``},
	} {
		got, err := canonicalize([]byte(c.in))
		if (err != nil) != (c.want == "") || string(got) != c.want {
			t.Errorf("%s: %s, %v, want %s", c.name, got, err, c.want)
		}
	}
}

func TestCanonical(t *testing.T) {
	type inner struct {
		Z string `json:"z"`
		A int    `json:"a,omitempty"`
	}
	for _, c := range []struct {
		in   any
		want string
	}{
		{nil, `null`}, {"<é>", `"<é>"`}, {inner{Z: "z"}, `{"z":"z"}`}, {[]inner{{"z", 1}}, `[{"a":1,"z":"z"}]`},
		{map[int]bool{10: true, 9: false}, `{"10":true,"9":false}`}, {json.RawMessage(`{ "b":1, "a":2 }`), `{"a":2,"b":1}`},
		{Content{{Heading: "H"}, {Rows: []Row{{"l", "v"}}}}, `[{"heading":"H"},{"rows":[{"label":"l","value":"v"}]}]`},
		{1.5, ``}, {math.NaN(), ``}, {int64(1) << 53, ``}, {make(chan int), ``}, {func() {}, ``},
	} {
		got, err := Canonical(c.in)
		if (err != nil) != (c.want == "") || string(got) != c.want {
			t.Errorf("%v: %s, %v, want %s", c.in, got, err, c.want)
		}
	}
	if _, err := appendText(nil, "a\xff"); err == nil {
		t.Error("wrote what is not UTF-8")
	}
	if _, err := appendCanonical(nil, 1); err == nil {
		t.Error("wrote what is not of JSON")
	}
}

// aTree is any JSON value without fractions.
func aTree(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		text := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("aA\"\\\u0000\u001f\u007f\u00f6\u20ac\ud7ff\ue000\uffff\U0001f600\u2028<&"))))
		switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); {
		case kind == 0:
			return rapid.SampledFrom([]any{nil, true, false}).Draw(t, "literal")
		case kind == 1:
			return json.Number(strconv.FormatInt(rapid.Int64Range(-(1<<53-1), 1<<53-1).Draw(t, "number"), 10))
		case kind == 2 || depth == 0:
			return text.Draw(t, "text")
		case kind == 3:
			list := []any{}
			for range rapid.IntRange(0, 4).Draw(t, "length") {
				list = append(list, aTree(depth-1).Draw(t, "item"))
			}
			return list
		}
		object := map[string]any{}
		for range rapid.IntRange(0, 6).Draw(t, "size") {
			object[text.Draw(t, "name")] = aTree(depth-1).Draw(t, "member")
		}
		return object
	})
}

// utf16Bytes is a text as whoever compares code units sees it.
func utf16Bytes(s string) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = binary.BigEndian.AppendUint16(out, u)
	}
	return out
}

// sorted reads JSON and tells whether all names in it are in order.
func sorted(t *rapid.T, d *json.Decoder) {
	token, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return
	}
	var names [][]byte
	for d.More() {
		if delim == '{' {
			name, err := d.Token()
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, utf16Bytes(name.(string)))
		}
		sorted(t, d)
	}
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(names, bytes.Compare) {
		t.Fatalf("names not in order: %q", names)
	}
}

func TestCanonicalProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := aTree(3).Draw(t, "tree")
		out, err := Canonical(tree)
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(bytes.NewReader(out))
		d.UseNumber()
		var back any
		if err := d.Decode(&back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tree, back); diff != "" {
			t.Fatalf("another value:\n%s", diff)
		}
		again, err := Canonical(back)
		if err != nil || !bytes.Equal(out, again) {
			t.Fatalf("%s became %s, %v", out, again, err)
		}
		sorted(t, json.NewDecoder(bytes.NewReader(out)))
		// However it was spelled.
		var loose bytes.Buffer
		if err := json.Indent(&loose, out, " ", "\t"); err != nil {
			t.Fatal(err)
		}
		if again, err = canonicalize(loose.Bytes()); err != nil || !bytes.Equal(out, again) {
			t.Fatalf("%s became %s, %v", out, again, err)
		}
	})
}

func FuzzCanonicalize(f *testing.F) {
	for _, s := range []string{`{"b":1,"a":[null,true,"\u20ac"]}`, `"\ud800"`, `{"a":1,"a":2}`, `-0`, `1e1`, "\"\xff\"", `[[[[`, `{"\u0000":""}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		out, err := canonicalize(raw)
		if err != nil {
			return
		}
		if !json.Valid(raw) || !json.Valid(out) {
			t.Fatalf("%q became %q", raw, out)
		}
		again, err := canonicalize(out)
		if err != nil || !bytes.Equal(out, again) {
			t.Fatalf("%q became %q, %v", out, again, err)
		}
		if strings.ContainsAny(string(out), "\n\t\r") {
			t.Fatalf("%q has blanks", out)
		}
	})
}
