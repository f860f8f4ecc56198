package receipt

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"sigill/signing/pdf"
)

func newWriter(t testing.TB) *Writer {
	t.Helper()
	w, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// made is the receipt of an order.
func made(t testing.TB, w *Writer, o *order) []byte {
	t.Helper()
	k, files := o.kvittens(t)
	base, err := w.Make(k, files)
	if err != nil {
		t.Fatal(err)
	}
	return base
}

func TestCheckGivesBackWhatWasMade(t *testing.T) {
	w := newWriter(t)
	o := preschool(t)
	k, files := o.kvittens(t)
	base := made(t, w, o)
	if base2 := made(t, newWriter(t), o); !bytes.Equal(base, base2) {
		t.Error("the same input gave other bytes")
	}
	gotK, gotFiles, err := w.Check(base)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(gotFiles, files) {
		t.Error("other files")
	}
	k.Attachments, _ = attach(files)
	if !reflect.DeepEqual(gotK, k) {
		t.Errorf("another Kvittens:\n%+v\n%+v", gotK, k)
	}
}

// rewrite makes a receipt anew, with other objects, by the strict writer.
func rewrite(t testing.TB, base []byte, change func(number int, o pdf.Object) pdf.Object) []byte {
	t.Helper()
	f, err := pdf.Parse(base, pdf.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	out := pdf.NewWriter()
	for number := 1; number <= len(f.Revisions[0].Objects); number++ {
		out.Put(out.Reserve(), change(number, f.Revisions[0].Objects[number].Object))
	}
	b, err := out.Finish(f.Revisions[0].Trailer)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func same(_ int, o pdf.Object) pdf.Object { return o }

func TestCheckSeesThroughCompression(t *testing.T) {
	w := newWriter(t)
	base := made(t, w, preschool(t))
	var d pdf.Deflater
	other := rewrite(t, base, func(_ int, o pdf.Object) pdf.Object {
		s, ok := o.(pdf.Stream)
		if !ok || s.Dict["Filter"] == nil {
			return o
		}
		data, err := s.Decode(1 << 24)
		if err != nil {
			t.Fatal(err)
		}
		return d.Stream(s.Dict, data)
	})
	if bytes.Equal(base, other) {
		t.Fatal("the other file is not another")
	}
	if _, _, err := w.Check(other); err != nil {
		t.Error(err)
	}
}

func TestCheckFindsEveryChange(t *testing.T) {
	w := newWriter(t)
	base := made(t, w, threePages(t))
	if _, _, err := w.Check(rewrite(t, base, same)); err != nil {
		t.Fatal(err)
	}
	f, err := pdf.Parse(base, pdf.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	var d pdf.Deflater
	for target := 1; target <= len(f.Revisions[0].Objects); target++ {
		forged := rewrite(t, base, func(number int, o pdf.Object) pdf.Object {
			if number != target {
				return o
			}
			switch o := o.(type) {
			case pdf.Stream:
				data, err := o.Decode(1 << 24)
				if err != nil {
					t.Fatal(err)
				}
				data[len(data)/2] ^= 1
				if o.Dict["Filter"] == nil {
					return pdf.Stream{Dict: o.Dict, Raw: data}
				}
				return d.Stream(o.Dict, data)
			case pdf.Dict:
				o["Lang"] = pdf.String("en-GB")
				return o
			case pdf.Array:
				return append(o, pdf.Int(7))
			}
			t.Fatalf("object %d is a %T", number, o)
			return o
		})
		_, _, err := w.Check(forged)
		var mismatch *Mismatch
		var bad *Invalid
		switch {
		case errors.As(err, &bad): // an attached file
		case errors.As(err, &mismatch) && mismatch.Object == target:
		default:
			t.Errorf("object %d changed: %v", target, err)
		}
	}
}

func TestCheckFindsOtherKeysAndTrailers(t *testing.T) {
	w := newWriter(t)
	base := made(t, w, threePages(t))
	f, err := pdf.Parse(base, pdf.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	var mismatch *Mismatch
	for number := 1; number <= len(f.Revisions[0].Objects); number++ {
		if _, ok := f.Revisions[0].Objects[number].Object.(pdf.Stream); !ok {
			continue
		}
		forged := rewrite(t, base, func(n int, o pdf.Object) pdf.Object {
			if n == number {
				s := o.(pdf.Stream)
				s.Dict["Private"] = pdf.Int(1)
			}
			return o
		})
		if _, _, err := w.Check(forged); !errors.As(err, &mismatch) || mismatch.Object != number {
			t.Errorf("stream %d with a key more: %v", number, err)
		}
	}
	id := f.Revisions[0].Trailer.ID[0]
	spelled := pdf.Append(nil, pdf.Array{id, id})
	forged := bytes.Replace(base, spelled, pdf.Append(nil, pdf.Array{id[:15] + "\x00", id}), 1)
	if _, _, err := w.Check(forged); !errors.As(err, &mismatch) || mismatch.Object != 0 {
		t.Errorf("another identifier: %v", err)
	}
	// One object more, which the catalog knows of.
	more := pdf.NewWriter()
	for number := 1; number <= len(f.Revisions[0].Objects); number++ {
		o := f.Revisions[0].Objects[number].Object
		if d, ok := o.(pdf.Dict); ok && d["Type"] == pdf.Name("Catalog") {
			d["Private"] = pdf.Ref(len(f.Revisions[0].Objects) + 1)
		}
		more.Put(more.Reserve(), o)
	}
	more.Add(pdf.Dict{"A": pdf.Int(1)})
	forged, err = more.Finish(f.Revisions[0].Trailer)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Check(forged); !errors.As(err, &mismatch) {
		t.Errorf("an object more: %v", err)
	}
}

// forge replaces the attached kvittens.json.
func forge(t testing.TB, base []byte, change func(text []byte) []byte) []byte {
	return rewrite(t, base, func(_ int, o pdf.Object) pdf.Object {
		if s, ok := o.(pdf.Stream); ok && s.Dict["Subtype"] == pdf.Name(kvittensType) {
			s.Raw = change(s.Raw)
			return s
		}
		return o
	})
}

func TestReadRefusesOtherJSON(t *testing.T) {
	w := newWriter(t)
	base := made(t, w, preschool(t))
	replace := func(old, new string) func([]byte) []byte {
		return func(text []byte) []byte {
			if !bytes.Contains(text, []byte(old)) {
				t.Fatalf("no %s in %s", old, text)
			}
			return bytes.Replace(text, []byte(old), []byte(new), 1)
		}
	}
	for name, change := range map[string]func([]byte) []byte{
		"unknown member":      replace(`"verify_url"`, `"unknown":1,"verify_url"`),
		"a member twice":      replace(`"client_name"`, `"client_name":"x","client_name"`),
		"space":               replace(`,"client_name"`, `, "client_name"`),
		"other order":         replace(`{"attachments"`, `{"zzz":0,"attachments"`),
		"other case":          replace(`"client_name"`, `"CLIENT_NAME"`),
		"time with an offset": replace(`"completed_at":"2026-11-21T18:03:09Z"`, `"completed_at":"2026-11-21T19:03:09+01:00"`),
		"escaped letter":      replace(`"language":"sv"`, `"language":"\u0073v"`),
		"trailing bytes":      func(text []byte) []byte { return append(bytes.Clone(text), '\n') },
		"no JSON":             func([]byte) []byte { return []byte("{") },
		"null":                func([]byte) []byte { return []byte("null") },
		"size of a file":      replace(`"size":6423`, `"size":6424`),
		"name of a file":      replace(`"attachments":[{"name":"hyresavtal.pdf"`, `"attachments":[{"name":"avtal.pdf"`),
		"digest of a file":    replace(digestOf([]byte("%PDF-1.4 not really\n")), digestOf(nil)),
		"attachments null":    func(text []byte) []byte { return cutAttachments(text) },
	} {
		_, _, err := Read(forge(t, base, change))
		var bad *Invalid
		var unknown *UnknownLayout
		if !errors.As(err, &bad) && !(name == "null" && errors.As(err, &unknown)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var unknown *UnknownLayout
	if _, _, err := Read(forge(t, base, replace(`"layout":"sigill-receipt-1"`, `"future":1,"layout":"sigill-receipt-2"`))); !errors.As(err, &unknown) || unknown.Layout != "sigill-receipt-2" {
		t.Errorf("unknown layout: %v", err)
	}
	// What Read cannot see, since it does not know what it means, Check does.
	for name, change := range map[string]func([]byte) []byte{
		"other manifest":     replace(`"revision":1`, `"revision":2`),
		"other name":         replace(`"name":"Testperson Ett"`, `"name":"Testperson Tre"`),
		"other text":         replace("inom fyra", "inom fem"),
		"no number key":      replace(`"number_key":"`, `"number_key":null,"x":"`),
		"signature taken":    func(text []byte) []byte { return withoutSignature(t, text) },
		"another document":   replace(`{"attachment":"hyresavtal.pdf"}`, `{"attachment":"underskrift-1.json"}`),
		"unmasked number":    replace(`1990********`, `199001019802`),
		"evidence elsewhere": replace(`"evidence":"underskrift-1.json"`, `"evidence":"underskrift-9.json"`),
	} {
		if _, _, err := w.Check(forge(t, base, change)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func cutAttachments(text []byte) []byte {
	end := bytes.Index(text, []byte(`,"client_name"`))
	return append([]byte(`{"attachments":null`), text[end:]...)
}

func withoutSignature(t testing.TB, text []byte) []byte {
	var k Kvittens
	if err := json.Unmarshal(text, &k); err != nil {
		t.Fatal(err)
	}
	k.Signatures = k.Signatures[:1]
	var e encoder
	e.kvittens(&k)
	return e.out
}

func TestReadRefusesUpdates(t *testing.T) {
	base := made(t, newWriter(t), preschool(t))
	f, err := pdf.Parse(base, pdf.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	u := f.Update()
	catalog, _ := f.Get(0, f.Revisions[0].Trailer.Root)
	u.Put(f.Revisions[0].Trailer.Root, catalog.Object)
	more, err := u.Finish(f.Revisions[0].Trailer)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Read(append(bytes.Clone(base), more...)); err == nil {
		t.Error("a receipt with an update was read")
	}
	if _, _, err := Read(base[:len(base)-1]); err == nil {
		t.Error("a receipt without its end was read")
	}
}

// graph is a digest of all objects and of what all streams hold.
func graph(t testing.TB, base []byte) string {
	t.Helper()
	f, err := pdf.Parse(base, pdf.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	for number := 1; number <= len(f.Revisions[0].Objects); number++ {
		o := f.Revisions[0].Objects[number].Object
		s, ok := o.(pdf.Stream)
		if ok {
			o = s.Dict
		}
		fmt.Fprintf(h, "%d %s\n", number, pdf.Append(nil, o))
		if ok {
			data, err := s.Decode(1 << 28)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(h, "%d\n", len(data))
			h.Write(data)
		}
	}
	fmt.Fprintf(h, "%v", f.Revisions[0].Trailer)
	return fmt.Sprintf("%x", h.Sum(nil))
}

func FuzzRead(f *testing.F) {
	w := newWriter(f)
	base := made(f, w, preschool(f))
	f.Add(base)
	f.Add(base[:len(base)/2])
	f.Fuzz(func(t *testing.T, b []byte) {
		k, files, err := Read(b)
		if err != nil {
			return
		}
		if _, err := w.Make(k, files); err == nil {
			if _, _, err := w.Check(b); err != nil {
				var mismatch *Mismatch
				if !errors.As(err, &mismatch) {
					t.Errorf("Check: %v", err)
				}
			}
		}
	})
}

func FuzzKvittens(f *testing.F) {
	w := newWriter(f)
	for _, text := range []string{"", "Hej", "a\u202eb\x00\n\ns\u0301 王"} {
		k, files := newOrder().text(f, "Text", text).kvittens(f)
		k.Attachments, _ = attach(files)
		var e encoder
		e.kvittens(&k)
		f.Add(e.out)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := decode(b)
		if err != nil {
			return
		}
		var e encoder
		if e.kvittens(&k); !bytes.Equal(e.out, b) {
			t.Fatalf("read %s\nwrote %s", b, e.out)
		}
		base, err := w.Make(k, nil)
		if err != nil {
			return
		}
		if _, _, err := w.Check(base); err != nil {
			t.Error(err)
		}
	})
}
