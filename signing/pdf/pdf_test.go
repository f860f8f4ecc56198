package pdf

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// small makes a file with one page of text.
func small(t testing.TB) []byte {
	t.Helper()
	var deflater Deflater
	w := NewWriter()
	root, pages, page := w.Reserve(), w.Reserve(), w.Reserve()
	content := w.Add(deflater.Stream(nil, []byte("BT (hej) Tj ET\n")))
	w.Put(page, Dict{
		"Type": Name("Page"), "Parent": pages, "Contents": content,
		"MediaBox": Array{Int(0), Int(0), Real(595.28), Int(842)}, "Resources": Dict{},
	})
	w.Put(pages, Dict{"Type": Name("Pages"), "Kids": Array{page}, "Count": Int(1)})
	w.Put(root, Dict{"Type": Name("Catalog"), "Pages": pages, "Lang": Text("sv-SE"), "Extra": nil})
	info := w.Add(Dict{"Title": Text("Kvittens på något")})
	id := String(strings.Repeat("\x01\x02", 8))
	file, err := w.Finish(Trailer{Root: root, Info: info, ID: [2]String{id, id}})
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// updated adds a revision that replaces the page and adds an object.
func updated(t testing.TB, file []byte) []byte {
	t.Helper()
	f, err := Parse(file, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	w := f.Update()
	page, _ := f.Dict(0, Ref(3))
	changed := Dict{"Annots": Array{w.Add(Dict{"Type": Name("Annot")})}}
	for key, value := range page {
		changed[key] = value
	}
	w.Put(3, changed)
	update, err := w.Finish(Trailer{ID: [2]String{1: String(strings.Repeat("\x03", 16))}})
	if err != nil {
		t.Fatal(err)
	}
	return append(bytes.Clone(file), update...)
}

func TestSpelling(t *testing.T) {
	for _, c := range []struct {
		object Object
		want   string
	}{
		{nil, "null"},
		{Array{Int(1), Int(-2), Ref(3), Bool(true), Null{}, Name("A"), Int(4)}, "[1 -2 3 0 R true null/A 4]"},
		{Array{Real(1), Real(-0.25), Real(math.Copysign(0, -1)), Real(1e6)}, "[1.0 -0.25 0.0 1000000.0]"},
		{Dict{"B": Int(1), "A": Dict{}, "Gone": nil, "C": Array{}}, "<</A<<>>/B 1/C[]>>"},
		{Name("a b#é/"), "/a#20b#23#c3#a9#2f"},
		{String(`a(b)\`), `(a\(b\)\\)`},
		{String("a\nb"), "<610a62>"},
		{Text("å"), "<feff00e5>"},
		{Text("\U0001F600"), "<feffd83dde00>"},
		{Text("plain"), "(plain)"},
		{Stream{Dict: Dict{"Z": Int(1)}, Raw: []byte("xy")}, "<</Length 2/Z 1>>\nstream\nxy\nendstream"},
		{Date(time.Date(2026, 11, 2, 4, 5, 6, 7, time.FixedZone("", 3600))), "(D:20261102030506+00'00')"},
	} {
		if got := string(Append(nil, c.object)); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestTextAndDateAreReadBack(t *testing.T) {
	for _, s := range []string{"", "plain", "Åsa Öberg", "\U0001F600", "\ufeff"} {
		if got, err := Text(s).Decode(); err != nil || got != s {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
	for _, s := range []String{"\xe5", "\xfe\xff\x00", "\xfe\xff\x00a", "\xfe\xff\xd8\x00"} {
		if got, err := s.Decode(); err == nil {
			t.Errorf("%q was read as %q", string(s), got)
		}
	}
	at := time.Date(2026, 2, 28, 23, 59, 58, 0, time.UTC)
	if got, err := ParseDate(Date(at)); err != nil || !got.Equal(at) {
		t.Errorf("%v, %v", got, err)
	}
	for _, s := range []String{"", "D:20260228235958Z", "D:20260230000000+00'00'", "D:20260228235958+01'00'", "D:20260228235958.5+00'00'"} {
		if got, err := ParseDate(s); err == nil {
			t.Errorf("%q was read as %v", string(s), got)
		}
	}
}

func TestParse(t *testing.T) {
	file := small(t)
	f, err := Parse(file, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Revisions) != 1 || f.Revisions[0].End != len(file) || len(f.Revisions[0].Objects) != 5 {
		t.Fatalf("%+v", f.Revisions)
	}
	page, ok := f.Dict(0, Ref(3))
	if !ok {
		t.Fatal("no page")
	}
	want := Dict{
		"Type": Name("Page"), "Parent": Ref(2), "Contents": Ref(4),
		"MediaBox": Array{Int(0), Int(0), Real(595.28), Int(842)}, "Resources": Dict{},
	}
	if diff := cmp.Diff(want, page); diff != "" {
		t.Error(diff)
	}
	stream, ok := f.Stream(0, page["Contents"])
	if !ok {
		t.Fatal("no content")
	}
	if content, err := stream.Decode(15); err != nil || string(content) != "BT (hej) Tj ET\n" {
		t.Errorf("%q, %v", content, err)
	}
	if _, err := stream.Decode(14); !errors.Is(err, ErrTooLarge) {
		t.Errorf("decoded more than the limit: %v", err)
	}
	object, _ := f.Get(0, 3)
	start, end, ok := ValueSpan(file[object.Body:object.End], "MediaBox")
	if !ok || string(file[object.Body:][start:end]) != "[0 0 595.28 842]" {
		t.Errorf("%d..%d, %v", start, end, ok)
	}
	if !bytes.HasPrefix(file[object.Start:], []byte("3 0 obj\n")) || !bytes.HasSuffix(file[:object.End], []byte("endobj\n")) {
		t.Errorf("object 3 stands at %d..%d", object.Start, object.End)
	}
}

func TestParseUpdate(t *testing.T) {
	file := small(t)
	twice := updated(t, file)
	f, err := Parse(twice, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Revisions) != 2 || f.Revisions[0].End != len(file) || f.Revisions[1].Start != len(file) || f.Revisions[1].End != len(twice) {
		t.Fatalf("%+v", f.Revisions)
	}
	before, _ := f.Dict(0, Ref(3))
	after, _ := f.Dict(1, Ref(3))
	if before["Annots"] != nil || after["Annots"] == nil {
		t.Errorf("before %v, after %v", before, after)
	}
	if _, ok := f.Get(0, 6); ok {
		t.Error("the annotation is in the original")
	}
	if got := f.Revisions[1].Trailer.ID; got[0] != f.Revisions[0].Trailer.ID[0] || got[1] != String(strings.Repeat("\x03", 16)) {
		t.Errorf("%q", got)
	}
}

func TestWriterRefuses(t *testing.T) {
	for name, do := range map[string]func(*Writer){
		"reserved, never written": func(w *Writer) { w.Reserve() },
		"written twice":           func(w *Writer) { w.Put(w.Add(Dict{}), Dict{}) },
		"never reserved":          func(w *Writer) { w.Put(9, Dict{}) },
	} {
		w := NewWriter()
		do(w)
		if _, err := w.Finish(Trailer{}); err == nil {
			t.Error(name)
		}
	}
}

// TestStrict changes one thing in a good file; each change must be refused for
// its own reason.
func TestStrict(t *testing.T) {
	original := small(t)
	twice := updated(t, original)
	replace := func(in []byte, old, new string) []byte {
		if !bytes.Contains(in, []byte(old)) {
			t.Fatalf("the file has no %q", old)
		}
		return bytes.Replace(in, []byte(old), []byte(new), 1)
	}
	last := func(in []byte, old, new string) []byte {
		i := bytes.LastIndex(in, []byte(old))
		if i < 0 {
			t.Fatalf("the file has no %q", old)
		}
		return append(append(bytes.Clone(in[:i]), new...), in[i+len(old):]...)
	}
	for _, c := range []struct {
		name   string
		file   []byte
		reason string
	}{
		{"empty", nil, "does not begin"},
		{"only a header", []byte(Header), "expected an object"},
		{"junk before", append([]byte("\n"), original...), "does not begin"},
		{"another version", replace(original, "1.7", "1.4"), "does not begin"},
		{"junk after", append(bytes.Clone(original), '\n'), "expected an object"},
		{"an object after", append(bytes.Clone(original), "9 0 obj\n<<>>\nendobj\n"...), "or the cross-reference table"},
		{"junk between objects", replace(original, "endobj\n", "endobj\n\n"), "or the cross-reference table"},
		{"a comment", replace(original, "endobj\n", "endobj\n%x\n"), "or the cross-reference table"},
		{"a comment inside", replace(original, "<</Contents", "<<%x\n/Contents"), "expected a key"},
		{"a space too many", replace(original, "<</Contents", "<< /Contents"), "expected a key"},
		{"a space before a bracket", replace(original, "/Kids[", "/Kids ["), "not spelled"},
		{"two spaces", replace(original, "/Count 1", "/Count  1"), "not spelled"},
		{"a space at the end", replace(original, "[3 0 R]", "[3 0 R ]"), "not spelled"},
		{"a word more", replace(original, "/Count 1", "/Count truex"), "expected an object"},
		{"hexadecimal that need not be", replace(original, "(sv-SE)", "<73762d5345>"), "not spelled"},
		{"a needless backslash", replace(original, "(sv-SE)", "(s\\v)"), "not spelled"},
		{"a needless escape in a name", replace(original, "/Type/Page", "/Type/P#61ge"), "not spelled"},
		{"minus zero", replace(original, "/Count 1", "/Count -0"), "not spelled"},
		{"keys not sorted", replace(original, "/Count 1/Kids[3 0 R]", "/Kids[3 0 R]/Count 1"), "not sorted"},
		{"the same key twice", replace(original, "/Count 1", "/Count 1/Count 1"), "same key twice"},
		{"the same key, escaped", replace(original, "/Count 1", "/Count 1/Coun#74 1"), "not spelled"},
		{"a null", replace(original, "/Count 1", "/Count null"), "a key without a value"},
		{"upper hex", replace(original, "<feff", "<FEFF"), "not spelled"},
		{"odd hex", replace(original, "<feff", "<fefff"), "not hexadecimal"},
		{"a line break in a string", replace(original, "(sv-SE)", "(sv\nSE)"), "not spelled"},
		{"nested parentheses", replace(original, "(sv-SE)", "(s(v)E)"), "not spelled"},
		{"a leading zero", replace(original, "/Count 1", "/Count 01"), "not spelled"},
		{"a plus", replace(original, "/Count 1", "/Count +1"), "expected an object"},
		{"a huge number", replace(original, "/Count 1", "/Count 99999999999999999999"), "huge number"},
		{"a number beyond 32 bits", replace(original, "/Count 1", "/Count 2147483648"), "huge number"},
		{"a huge real", replace(original, "595.28", "99999999999999999.5"), "huge number"},
		{"an exponent", replace(original, "595.28", "5.9e2"), "not spelled"},
		{"a trailing zero", replace(original, "595.28", "595.280"), "not spelled"},
		{"a huge object number", replace(original, "4 0 obj", "4294967297 0 obj"), "expected a number"},
		{"an object number above the limit", replace(original, "4 0 obj", "2000000000 0 obj"), "an object with the number"},
		{"a generation", replace(original, "4 0 obj", "4 1 obj"), "expected an object"},
		{"a reference with a generation", replace(original, "/Parent 2 0 R", "/Parent 2 1 R"), "expected a key"},
		{"object 0", replace(original, "4 0 obj", "0 0 obj"), "expected an object"},
		{"the same object twice", replace(original, "4 0 obj", "5 0 obj"), "same object twice"},
		{"a missing object", replace(original, "5 0 obj", "7 0 obj"), "there is no object 5"},
		{"a reference to nothing", replace(original, "/Contents 4 0 R", "/Contents 8 0 R"), "a reference to object 8"},
		{"an object out of reach", replace(original, "/Contents 4 0 R", "/Contents 3 0 R"), "nothing refers to object 4"},
		{"a stream too short", replace(original, "/Length 2", "/Length 1"), "expected the end of a stream"},
		{"a stream that never ends", replace(original, "/Length ", "/Length 99999"), "without its length"},
		{"a stream without its length", replace(original, "/Length ", "/Lengte "), "without its length"},
		{"an offset that is wrong", replace(original, "00000 n", "00001 n"), "not the cross-reference table"},
		{"a free object", replace(original, "00000 n", "00000 f"), "not the cross-reference table"},
		{"a table cut short", replace(original, "0 6\n", "0 5\n"), "not the cross-reference table"},
		{"a cross-reference stream", replace(original, "xref\n0 6", "7 0 obj\n<</Type/XRef>>\nendobj\nxref\n0 6"), "there is no object 6"},
		{"hybrid", replace(original, "/Size 6", "/Size 6/XRefStm 15"), "not the trailer"},
		{"encrypted", replace(original, "/ID[", "/Encrypt 5 0 R/ID["), "not the trailer"},
		{"a size too large", replace(original, "/Size 6", "/Size 7"), "not the trailer"},
		{"a size too small", last(twice, "/Size 7", "/Size 6"), "not the trailer"},
		{"a previous revision that is none", replace(original, "/Root", "/Prev 15/Root"), "not the trailer"},
		{"another previous revision", last(twice, "/Prev ", "/Prev 1"), "not the trailer"},
		{"another root", last(twice, "/Root 1 0 R", "/Root 2 0 R"), "replaces the root"},
		{"no root", replace(original, "/Root 1 0 R", "/Roof 1 0 R"), "without a root"},
		{"another information", last(twice, "/Info 5 0 R", "/Info 4 0 R"), "replaces the root"},
		{"another file", last(twice, "<0102", "<0202"), "an update of another file"},
		{"a short identifier", replace(original, "<0102", "<"), "another form"},
		{"no identifier", replace(original, "/ID[", "/IE["), "two file identifiers"},
		{"a wrong startxref", last(original, "startxref\n", "startxref\n1"), "expected the end"},
		{"a startxref elsewhere", last(twice, "startxref\n", "startxref\n1"), "expected the end"},
		{"no end", bytes.TrimSuffix(original, []byte("\n")), "expected the end"},
		{"cut in the table", original[:bytes.Index(original, []byte("xref\n"))+40], "not the cross-reference table"},
		{"cut in an update", twice[:len(twice)-100], ""},
		{"the update alone", append([]byte(Header), twice[len(original):]...), ""},
		{"an update without objects", append(bytes.Clone(original), "xref\ntrailer\n<<>>\nstartxref\n0\n%%EOF\n"...), "expected an object"},
		{"nested deeply", replace(original, "/Count 1", "/Count"+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)), "nested too deeply"},
		{"only a reference", replace(original, "<</Count 1/Kids[3 0 R]/Type/Pages>>", "3 0 R"), "only a reference"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(c.file, DefaultLimits())
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("got %v, want %q", err, c.reason)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	file := updated(t, small(t))
	for name, change := range map[string]func(*Limits){
		"FileSize":  func(l *Limits) { l.FileSize = len(file) - 1 },
		"Revisions": func(l *Limits) { l.Revisions = 1 },
		"Objects":   func(l *Limits) { l.Objects = 6 },
		"Values":    func(l *Limits) { l.Values = 20 },
		"Depth":     func(l *Limits) { l.Depth = 1 },
	} {
		limits := DefaultLimits()
		change(&limits)
		if _, err := Parse(file, limits); err == nil {
			t.Errorf("no limit on %s", name)
		}
	}
	if _, err := Parse(file, Limits{FileSize: len(file), Revisions: 2, Objects: 7, Values: 100, Depth: 3}); err != nil {
		t.Error(err)
	}
}

// TestReachIsLinear: however often an object is referred to, and however many
// revisions there are, a walk takes each reference once, and a limit holds for
// all walks together.
func TestReachIsLinear(t *testing.T) {
	const refs = 2000
	w := NewWriter()
	root, popular, changing := w.Reserve(), w.Reserve(), w.Reserve()
	list := Array{changing}
	for range refs - 1 {
		list = append(list, popular)
	}
	w.Put(root, Dict{"A": list})
	w.Put(popular, Dict{"A": root})
	w.Put(changing, Dict{})
	id := String(strings.Repeat("\x01", 16))
	file, err := w.Finish(Trailer{Root: root, ID: [2]String{id, id}})
	if err != nil {
		t.Fatal(err)
	}
	const revisions = 100
	for range revisions - 1 {
		f, err := Parse(file, DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		u := f.Update()
		u.Put(changing, Dict{})
		more, err := u.Finish(Trailer{ID: [2]String{1: id}})
		if err != nil {
			t.Fatal(err)
		}
		file = append(file, more...)
	}
	r := newReader(file, DefaultLimits())
	if err := r.read(); err != nil {
		t.Fatal(err)
	}
	// In each: four numbers (0 to 3), the root, the list, and one back to it.
	if want := revisions * (4 + 1 + refs + 1); r.steps != want {
		t.Errorf("%d steps, want %d", r.steps, want)
	}
	limits := DefaultLimits()
	limits.Values, limits.Objects = 10*refs, 1000
	if _, err := Parse(file, limits); err == nil || !strings.Contains(err.Error(), "too many revisions") {
		t.Errorf("%d steps where there may be %d: %v", r.steps, 4*(limits.Values+limits.Objects), err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	var deflater Deflater
	good := deflater.Stream(Dict{"K": Int(1)}, bytes.Repeat([]byte("a"), 1<<20))
	for name, s := range map[string]Stream{
		"another filter":    {Dict: Dict{"Filter": Name("ASCIIHexDecode")}, Raw: []byte("00>")},
		"a list of filters": {Dict: Dict{"Filter": Array{Name("FlateDecode")}}, Raw: good.Raw},
		"parameters":        {Dict: Dict{"Filter": Name("FlateDecode"), "DecodeParms": Dict{}}, Raw: good.Raw},
		"bytes after":       {Dict: good.Dict, Raw: append(deflater.Stream(nil, []byte("a")).Raw, 0)},
		"cut":               {Dict: good.Dict, Raw: good.Raw[:len(good.Raw)-1]},
		"not deflated":      {Dict: good.Dict, Raw: []byte("hello")},
		"a bomb":            good,
		"too large as is":   {Raw: make([]byte, 1<<20)},
	} {
		if _, err := s.Decode(1<<20 - 1); err == nil {
			t.Error(name)
		}
	}
	if out, err := good.Decode(1 << 20); err != nil || len(out) != 1<<20 {
		t.Errorf("%d bytes, %v", len(out), err)
	}
}

func FuzzParse(f *testing.F) {
	file := small(f)
	f.Add(file)
	f.Add(updated(f, file))
	f.Add([]byte(Header + "1 0 obj\n[<</A(\\()/B<00>>>-.5 null]\nendobj\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		file, err := Parse(in, Limits{FileSize: 1 << 20, Revisions: 8, Objects: 1000, Values: 10_000, Depth: 20})
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(in) {
				t.Fatalf("%v", err)
			}
			return
		}
		// A file has one spelling: what was read gives the same bytes again.
		var out []byte
		for n, rev := range file.Revisions {
			w := NewWriter()
			if n > 0 {
				w = file.At(n - 1).Update()
			}
			for w.size < rev.Size {
				w.Reserve()
			}
			for at := rev.Start + len(w.buf); at < rev.Xref; {
				var o *Indirect
				for _, candidate := range rev.Objects {
					if candidate.Start == at {
						o = candidate
					}
				}
				if o == nil {
					t.Fatalf("bytes at %d belong to no object", at)
				}
				w.Put(Ref(o.Number), o.Object)
				at = o.End
			}
			part, err := w.Finish(rev.Trailer)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, part...)
		}
		if !bytes.Equal(in, out) {
			t.Fatalf("read and written again: %q", out)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	w := NewWriter()
	root := w.Reserve()
	var kids Array
	for i := range 5000 {
		kids = append(kids, w.Add(Dict{"S": Name("TD"), "P": root, "K": Array{Int(i), Int(2)}, "Lang": Text(fmt.Sprint(i))}))
	}
	w.Put(root, Dict{"Kids": kids})
	id := String(strings.Repeat("\x01\x02", 8))
	file, err := w.Finish(Trailer{Root: root, ID: [2]String{id, id}})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(file, DefaultLimits()); err != nil {
			b.Fatal(err)
		}
	}
}
