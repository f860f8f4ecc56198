package padestest

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sigill/signing/pades"
	"sigill/signing/pdf"
)

// Forgery is a file that looks like a sealed one and must be refused.
type Forgery struct {
	Name string
	File []byte
	Code pades.Code
	Rule int
}

// Forgeries makes, of a sealed file, all that one can make without a key that
// is trusted. The file needs a page with a stream, and an attached file.
func Forgeries(t testing.TB, sealed []byte) []Forgery {
	t.Helper()
	return slices.Concat(appended(t, sealed), raw(t, sealed), rewritten(t, sealed), ranges(t, sealed))
}

// appended makes files with something after the seal: the attacks that most
// verifiers leave to the reader's eye.
func appended(t testing.TB, sealed []byte) []Forgery {
	t.Helper()
	file, err := pdf.Parse(sealed, pdf.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	update := func(change func(*Draft, *pdf.Writer)) []byte {
		w := file.Update()
		change(Open(t, sealed), w)
		more, err := w.Finish(pdf.Trailer{ID: file.Revisions[1].Trailer.ID})
		if err != nil {
			t.Fatal(err)
		}
		return slices.Concat(sealed, more)
	}
	evil := pdf.Stream{Raw: []byte("BT /F 12 Tf 72 700 Td (the amount is 100000 kronor) Tj ET\n")}
	var out []Forgery
	add := func(name string, file []byte, rule int) {
		out = append(out, Forgery{"appended: " + name, file, pades.FormatFailure, rule})
	}

	add("other content of the page", update(func(d *Draft, w *pdf.Writer) {
		w.Put(d.content(), evil)
	}), 2)
	bodyOnly := update(func(d *Draft, w *pdf.Writer) { w.Put(d.content(), evil) })
	add("other content, without a table", bodyOnly[:bytes.LastIndex(bodyOnly, []byte("\nxref\n"))+1], 1)
	add("an annotation over the text", update(func(d *Draft, w *pdf.Writer) {
		page := d.FirstPage()
		appearance := w.Add(pdf.Stream{Dict: pdf.Dict{"Type": pdf.Name("XObject"), "Subtype": pdf.Name("Form"), "BBox": rectangle()}, Raw: evil.Raw})
		annotation := w.Add(pdf.Dict{"Type": pdf.Name("Annot"), "Subtype": pdf.Name("Stamp"), "Rect": rectangle(), "AP": pdf.Dict{"N": appearance}})
		page["Annots"] = append(page["Annots"].(pdf.Array), annotation)
		w.Put(d.Page, page)
	}), 2)
	add("another attached file", update(func(d *Draft, w *pdf.Writer) {
		w.Put(d.attached(), pdf.Stream{Dict: pdf.Dict{"Type": pdf.Name("EmbeddedFile")}, Raw: []byte("other evidence")})
	}), 2)
	add("another page tree", update(func(d *Draft, w *pdf.Writer) {
		pages := d.Original.Objects[d.Catalog()["Pages"].(pdf.Ref)].(pdf.Dict)
		kids := pages["Kids"].(pdf.Array)
		pages["Kids"] = append(slices.Clone(kids), kids[0])
		w.Put(d.Catalog()["Pages"].(pdf.Ref), pages)
	}), 2)
	add("another catalog", update(func(d *Draft, w *pdf.Writer) {
		catalog := d.Catalog()
		catalog["OpenAction"] = pdf.Dict{"S": pdf.Name("JavaScript"), "JS": pdf.Text("app.alert(1)")}
		w.Put(d.Root, catalog)
	}), 2)
	add("the form gone, the seal kept", update(func(d *Draft, w *pdf.Writer) {
		catalog := d.Catalog()
		delete(catalog, "AcroForm")
		w.Put(d.Root, catalog)
	}), 2)
	add("the certification gone", update(func(d *Draft, w *pdf.Writer) {
		catalog := d.Catalog()
		delete(catalog, "Perms")
		w.Put(d.Root, catalog)
		page := d.FirstPage()
		page["Annots"] = append(slices.Clone(page["Annots"].(pdf.Array)), d.Sig)
		w.Put(d.Page, page)
	}), 2)
	add("the seal renamed", update(func(d *Draft, w *pdf.Writer) {
		sig := d.Signature()
		sig["Filter"] = pdf.Name("Other.Filter")
		w.Put(d.Sig, sig)
	}), 2)
	add("a store of certificates", update(func(d *Draft, w *pdf.Writer) {
		catalog := d.Catalog()
		catalog["DSS"] = pdf.Dict{"Certs": pdf.Array{w.Add(pdf.Stream{Raw: []byte("0")})}}
		w.Put(d.Root, catalog)
	}), 2)
	add("the same catalog again", update(func(d *Draft, w *pdf.Writer) { w.Put(d.Root, d.Catalog()) }), 2)
	add("a second seal", update(func(d *Draft, w *pdf.Writer) {
		sig := d.Signature()
		second := w.Reserve()
		// A seal of its own over the whole file, as far as its numbers say.
		sig["ByteRange"] = pdf.Array{pdf.Int(0), pdf.Int(len(sealed) + 30), pdf.Int(len(sealed) + 9000), pdf.Int(2000)}
		w.Put(second, sig)
		widget := d.Widget()
		widget["V"], widget["T"] = second, pdf.Text("Sigill 2")
		field := w.Add(widget)
		catalog, page := d.Catalog(), d.FirstPage()
		form := catalog["AcroForm"].(pdf.Dict)
		form["Fields"] = append(slices.Clone(form["Fields"].(pdf.Array)), field)
		page["Annots"] = append(slices.Clone(page["Annots"].(pdf.Array)), field)
		w.Put(d.Root, catalog)
		w.Put(d.Page, page)
	}), 2)
	add("the seal's revision once more", slices.Concat(sealed, sealed[file.Revisions[1].Start:]), 1)
	add("the whole file once more", slices.Concat(sealed, sealed), 1)
	add("an object that nothing refers to", update(func(_ *Draft, w *pdf.Writer) { w.Add(evil) }), 1)
	return out
}

func rectangle() pdf.Array { return pdf.Array{pdf.Int(60), pdf.Int(680), pdf.Int(500), pdf.Int(720)} }

// content is the number of the first page's content.
func (d *Draft) content() pdf.Ref {
	switch contents := d.FirstPage()["Contents"].(type) {
	case pdf.Ref:
		return contents
	case pdf.Array:
		return contents[0].(pdf.Ref)
	}
	panic("page 1 has no content")
}

// attached is the number of an attached file's stream.
func (d *Draft) attached() pdf.Ref {
	for _, ref := range d.Original.Order {
		if stream, ok := d.Original.Objects[ref].(pdf.Stream); ok && stream.Dict["Type"] == pdf.Name("EmbeddedFile") {
			return ref
		}
	}
	panic("there is no attached file")
}

// raw makes files with bytes changed in place, or more or fewer of them.
func raw(t testing.TB, sealed []byte) []Forgery {
	t.Helper()
	d := Open(t, sealed)
	file, err := pdf.Parse(sealed, pdf.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	original := file.Revisions[0]
	flip := func(at int) []byte {
		out := bytes.Clone(sealed)
		out[at] ^= 1
		return out
	}
	swap := func(old, new string, last bool) []byte {
		i := bytes.Index(sealed, []byte(old))
		if last {
			i = bytes.LastIndex(sealed, []byte(old))
		}
		if i < 0 {
			t.Fatalf("the file has no %q", old)
		}
		return slices.Concat(sealed[:i], []byte(new), sealed[i+len(old):])
	}
	streamAt := func(ref pdf.Ref) int {
		o, _ := file.Get(0, ref)
		return o.End - len("\nendstream\nendobj\n") - 2
	}
	hole := d.hole()
	digits := func(change func(hex []byte)) []byte {
		out := bytes.Clone(sealed)
		change(out[hole[0]+1 : hole[1]-1])
		return out
	}
	size := int(slices.Max(d.Original.Order)) + 1
	linearized := fmt.Sprintf("%d 0 obj\n<</Linearized 1>>\nendobj\n", size)
	insert := func(at int, text string) []byte {
		return slices.Concat(sealed[:at], []byte(text), sealed[at:])
	}

	out := []Forgery{
		{"a bit of the page turned", flip(streamAt(d.content())), pades.HashFailure, 4},
		{"a bit of the attached file turned", flip(streamAt(d.attached())), pades.HashFailure, 4},
		{"a bit of an identifier turned", flip(bytes.Index(sealed, []byte("/ID[<")) + 5), pades.FormatFailure, 1},
		{"a digit of the time", swap("/M(D:20", "/M(D:21", true), pades.FormatFailure, 2},
		{"another time zone", swap("+00'00')", "+01'00')", true), pades.FormatFailure, 2},
		{"the seal cut off", sealed[:original.End], pades.NoSeal, 2},
		{"cut in the original", sealed[:original.End-20], pades.FormatFailure, 1},
		{"cut in the seal", sealed[:hole[0]+100], pades.FormatFailure, 1},
		{"the last byte gone", sealed[:len(sealed)-1], pades.FormatFailure, 1},
		{"a line break before", insert(0, "\n"), pades.Unreadable, 1},
		{"a program before", insert(0, "#!/bin/sh\n"), pades.Unreadable, 1},
		{"a line break after", append(bytes.Clone(sealed), '\n'), pades.FormatFailure, 1},
		{"a comment after", append(bytes.Clone(sealed), "%evil\n"...), pades.FormatFailure, 1},
		{"an archive after", append(bytes.Clone(sealed), "PK\x03\x04"...), pades.FormatFailure, 1},
		{"bytes between the revisions", insert(original.End, "%\n"), pades.FormatFailure, 1},
		{"bytes between objects", insert(bytes.Index(sealed, []byte("endobj\n"))+7, "\n"), pades.FormatFailure, 1},
		{"an older version", swap("%PDF-1.7", "%PDF-1.3", false), pades.Unreadable, 1},
		{"another program's header", swap(pdf.Header, "%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", false), pades.Unreadable, 1},
		{"no PDF", []byte("hello"), pades.Unreadable, 1},
		{"nothing", nil, pades.Unreadable, 1},
		{"a linearisation dictionary", insert(len(pdf.Header), linearized), pades.FormatFailure, 1},
		{"another root", swap(fmt.Sprintf("/Root %d 0 R", d.Root), fmt.Sprintf("/Root %d 0 R", d.Page), true), pades.FormatFailure, 1},
		{"another file's identifier", swap("/ID["+string(pdf.Append(nil, d.Original.Trailer.ID[0])), "/ID[(0123456789abcdef)", true), pades.FormatFailure, 1},
		{"a hybrid table", swap("/Size", "/XRefStm 15/Size", true), pades.FormatFailure, 1},
		{"a table cut short", swap("00000 n \ntrailer", "\ntrailer", true), pades.FormatFailure, 1},
		{"a table that points elsewhere", swap(fmt.Sprintf("%010d", file.Revisions[1].Objects[int(d.Page)].Start), fmt.Sprintf("%010d", pageStart(file, d)), true), pades.FormatFailure, 1},
		{"a start elsewhere", swap(fmt.Sprintf("startxref\n%d", file.Revisions[1].Xref), fmt.Sprintf("startxref\n%d", original.Xref), true), pades.FormatFailure, 1},
		{"a huge number", swap("/Count ", "/Count 99999999999999999999", false), pades.FormatFailure, 1},
		{"a huge object number", swap("\n2 0 obj", "\n99999999999 0 obj", false), pades.FormatFailure, 1},
		{"a huge length", swap("/Length ", "/Length 999999999", false), pades.FormatFailure, 1},
		{"a key twice", swap("/Count ", "/Count 9/Count ", false), pades.FormatFailure, 1},
		{"a key twice, once escaped", swap("/Count ", "/#43ount 9/Count ", false), pades.FormatFailure, 1},
		{"a generation", swap("\n2 0 obj", "\n2 1 obj", false), pades.FormatFailure, 1},
		{"encrypted", swap("/ID[", "/Encrypt 2 0 R/ID[", true), pades.FormatFailure, 1},
		{"nested deeply", swap("/Count ", "/Atall"+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+"/Count ", false), pades.FormatFailure, 1},

		{"Contents in capitals", digits(func(h []byte) { copy(h, bytes.ToUpper(h)) }), pades.FormatFailure, 1},
		{"Contents not hexadecimal", digits(func(h []byte) { h[len(h)/2] = 'x' }), pades.FormatFailure, 1},
		{"Contents cut by a bracket", digits(func(h []byte) { h[len(h)/2] = '>' }), pades.FormatFailure, 1},
		{"the CMS destroyed", digits(func(h []byte) { copy(h, bytes.Repeat([]byte("f"), 64)) }), pades.FormatFailure, 3},
		{"the CMS all zeros", digits(func(h []byte) { copy(h, bytes.Repeat([]byte("0"), len(h))) }), pades.FormatFailure, 4},
		{"bytes after the CMS", digits(func(h []byte) { h[len(h)-1] = '1' }), pades.FormatFailure, 3},
		{"a bit of the signature turned", digits(func(h []byte) {
			// The signature is the last that a CMS says: its end is that of the CMS.
			contents := d.Signature()["Contents"].(pdf.String)
			last := 4 + int(contents[2])<<8 + int(contents[3]) - 1
			hex.Encode(h[2*last:], []byte{contents[last] ^ 1})
		}), pades.SigCryptoFailure, 4},
	}
	return out
}

// pageStart is where the unsealed first page stands.
func pageStart(file *pdf.File, d *Draft) int {
	o, _ := file.Get(0, d.Page)
	return o.Start
}

// hole is where the Contents stand, brackets included.
func (d *Draft) hole() [2]int {
	r := d.Signature()["ByteRange"].(pdf.Array)
	return [2]int{int(r[1].(pdf.Int)), int(r[2].(pdf.Int))}
}

// rewritten makes files with other objects in the sealed revisions, all offsets
// and the ByteRange right.
func rewritten(t testing.TB, sealed []byte) []Forgery {
	t.Helper()
	var out []Forgery
	add := func(name string, code pades.Code, rule int, change func(*Draft)) {
		d := Open(t, sealed)
		change(d)
		out = append(out, Forgery{"rewritten: " + name, d.Bytes(t), code, rule})
	}
	for _, c := range seals() {
		add(c.name, pades.FormatFailure, c.rule, c.change)
	}
	add("other content of the page", pades.HashFailure, 4, func(d *Draft) {
		d.Original.Objects[d.content()] = pdf.Stream{Raw: []byte("BT ET\n")}
	})
	add("another attached file", pades.HashFailure, 4, func(d *Draft) {
		d.Original.Objects[d.attached()] = pdf.Stream{Dict: pdf.Dict{"Type": pdf.Name("EmbeddedFile")}, Raw: []byte("other")}
	})
	add("another language", pades.HashFailure, 4, func(d *Draft) {
		d.Original.Objects[d.Root].(pdf.Dict)["Lang"] = pdf.Text("tlh")
		d.Catalog()["Lang"] = pdf.Text("tlh")
	})
	add("an object hidden in the original", pades.FormatFailure, 1, func(d *Draft) {
		d.AddOriginal(pdf.Stream{Raw: []byte("BT ET\n")})
	})
	add("an object stream", pades.FormatFailure, 1, func(d *Draft) {
		d.AddOriginal(pdf.Stream{Dict: pdf.Dict{"Type": pdf.Name("ObjStm"), "N": pdf.Int(1), "First": pdf.Int(4)}, Raw: []byte("9 0 <<>>")})
	})
	add("a form in the original", pades.FormatFailure, 2, func(d *Draft) {
		d.Original.Objects[d.Root].(pdf.Dict)["AcroForm"] = pdf.Dict{"Fields": pdf.Array{}}
	})
	add("a seal in the original", pades.FormatFailure, 2, func(d *Draft) {
		seal := d.AddOriginal(pdf.Dict{"Type": pdf.Name("Sig"), "ByteRange": pdf.Array{}})
		d.Original.Objects[d.Root].(pdf.Dict)["Old"] = seal
		d.Catalog()["Old"] = seal
	})
	add("another identifier of the update", pades.FormatFailure, 2, func(d *Draft) {
		d.Seal.Trailer.ID[1] = pdf.String(strings.Repeat("\x01", 16))
	})
	add("no widget", pades.FormatFailure, 2, func(d *Draft) {
		d.Seal.Order = []pdf.Ref{d.Sig, d.Root}
		d.Catalog()["AcroForm"] = pdf.Dict{"Fields": pdf.Array{}, "SigFlags": pdf.Int(3)}
	})
	return out
}

// change is a change to the objects of the seal.
type change struct {
	name   string
	rule   int
	change func(*Draft)
}

// seals lists the ways in which a sealing revision can be another than ours. A
// sealer could sign them; they are refused all the same.
func seals() []change {
	sig := func(name string, key pdf.Name, value pdf.Object) change {
		return change{name, 2, func(d *Draft) { d.Signature()[key] = value }}
	}
	return []change{
		sig("another filter", "Filter", pdf.Name("Other.Filter")),
		sig("not PAdES", "SubFilter", pdf.Name("adbe.pkcs7.detached")),
		sig("a timestamp for a seal", "SubFilter", pdf.Name("ETSI.RFC3161")),
		sig("another type", "Type", pdf.Name("DocTimeStamp")),
		sig("no time", "M", nil),
		sig("a time that is none", "M", pdf.Text("yesterday")),
		sig("a reason in an unknown encoding", "Reason", pdf.String("\xe5")),
		sig("no reference", "Reference", nil),
		sig("a certificate beside the CMS", "Cert", pdf.String("x")),
		{"changes allowed", 2, func(d *Draft) {
			d.Signature()["Reference"].(pdf.Array)[0].(pdf.Dict)["TransformParams"].(pdf.Dict)["P"] = pdf.Int(3)
		}},
		{"no certification", 2, func(d *Draft) {
			delete(d.Catalog(), "Perms")
		}},
		{"no form", 2, func(d *Draft) { delete(d.Catalog(), "AcroForm") }},
		{"other flags", 2, func(d *Draft) { d.Catalog()["AcroForm"].(pdf.Dict)["SigFlags"] = pdf.Int(1) }},
		{"a form with scripts", 2, func(d *Draft) { d.Catalog()["AcroForm"].(pdf.Dict)["XFA"] = pdf.Text("<xdp/>") }},
		{"an action in the catalog", 2, func(d *Draft) {
			d.Catalog()["OpenAction"] = pdf.Dict{"S": pdf.Name("JavaScript"), "JS": pdf.Text("app.alert(1)")}
		}},
		{"a visible widget", 2, func(d *Draft) { d.Widget()["Rect"] = rectangle() }},
		{"a widget with an appearance", 2, func(d *Draft) {
			d.Widget()["AP"] = pdf.Dict{"N": d.Add(pdf.Stream{Dict: pdf.Dict{"BBox": rectangle()}, Raw: []byte("BT ET")})}
		}},
		{"more content on the page", 2, func(d *Draft) {
			d.FirstPage()["Contents"] = pdf.Array{d.content(), d.Add(pdf.Stream{Raw: []byte("BT ET\n")})}
		}},
		{"an annotation more", 2, func(d *Draft) {
			d.FirstPage()["Annots"] = append(slices.Clone(d.FirstPage()["Annots"].(pdf.Array)),
				d.Add(pdf.Dict{"Type": pdf.Name("Annot"), "Subtype": pdf.Name("Stamp"), "Rect": rectangle()}))
		}},
		{"an object hidden in the seal", 1, func(d *Draft) { d.Add(pdf.Stream{Raw: []byte("BT ET\n")}) }},
		{"the attachment replaced together with the seal", 2, func(d *Draft) {
			d.Seal.Order = append(d.Seal.Order, d.attached())
			d.Seal.Objects[d.attached()] = pdf.Stream{Dict: pdf.Dict{"Type": pdf.Name("EmbeddedFile")}, Raw: []byte("other")}
		}},
	}
}

// ranges makes files whose ByteRange or Contents is of another form.
func ranges(t testing.TB, sealed []byte) []Forgery {
	t.Helper()
	var out []Forgery
	genuine := Open(t, sealed)
	hole, size := genuine.hole(), len(sealed)
	add := func(name string, rule int, byteRange pdf.Object) {
		d := Open(t, sealed)
		d.Hand = true
		d.Signature()["ByteRange"] = byteRange
		out = append(out, Forgery{"ByteRange: " + name, d.Bytes(t), pades.FormatFailure, rule})
	}
	numbers := func(n ...int) pdf.Array {
		var a pdf.Array
		for _, i := range n {
			a = append(a, pdf.Int(i))
		}
		return a
	}
	a, b, c := hole[0], hole[1], size-hole[1]
	add("missing", 2, nil)
	add("no list", 2, pdf.Text("0"))
	add("empty", 2, numbers())
	add("two numbers", 2, numbers(0, size))
	add("six numbers", 2, numbers(0, a, b, c-10, size-5, 5))
	add("negative", 3, numbers(0, a, -b, c))
	add("all negative", 3, numbers(-1, -1, -1, -1))
	add("real numbers", 2, pdf.Array{pdf.Real(0), pdf.Int(a), pdf.Int(b), pdf.Int(c)})
	add("a text among numbers", 2, pdf.Array{pdf.Int(0), pdf.Int(a), pdf.Text("1"), pdf.Int(c)})
	add("zeros", 3, numbers(0, 0, 0, 0))
	add("not from the start", 3, numbers(1, a-1, b, c))
	add("not to the end", 3, numbers(0, a, b, c-1))
	add("beyond the end", 3, numbers(0, a, b, c+1))
	add("huge", 3, numbers(0, a, b, 1<<31-1))
	add("a hole too large before", 3, numbers(0, a-10, b, c))
	add("a hole too large after", 3, numbers(0, a, b+10, c-10))
	add("a hole too small", 3, numbers(0, a+1, b-1, c+1))
	add("no hole", 3, numbers(0, size, size, 0))
	add("a hole elsewhere", 3, numbers(0, 100, 200, size-200))
	add("only the original", 3, numbers(0, 100, 200, a-200))
	add("overlapping", 3, numbers(0, b, a, size-a))

	// By reference, so that a later object could change it.
	d := Open(t, sealed)
	d.Hand = true
	d.Signature()["ByteRange"] = d.Add(numbers(0, a, b, c))
	out = append(out, Forgery{"ByteRange: by reference", d.Bytes(t), pades.FormatFailure, 2})

	// Wrapping: the sealed tail is copied behind something new, and the hole grows
	// over both, so that the digest still fits.
	for _, evil := range []string{"", ">>\nendobj\n3 0 obj\n<</Evil true>>\nendobj\n" + "4 0 obj\n<</A <00", "00"} {
		tail := sealed[b-1:]
		wrapped := slices.Concat(sealed[:b-1], tail, []byte(evil), tail)
		old := string(pdf.Append(nil, numbers(0, a, b, c)))
		moved := string(pdf.Append(nil, numbers(0, a, len(wrapped)-c, c)))
		if evil == "00" { // the hole stays as large as it was, the tail comes twice
			moved = old
		}
		wrapped = bytes.Replace(wrapped, []byte(old), []byte(moved), 1)
		out = append(out, Forgery{fmt.Sprintf("wrapped around %d bytes", len(evil)), wrapped, pades.FormatFailure, 1})
	}

	for _, c := range []struct {
		name     string
		contents pdf.Object
		rule     int
	}{
		{"nothing", pdf.String(""), 3},
		{"one zero", pdf.String("\x00"), 3},
		{"a name", pdf.Name("None"), 2},
		{"text", pdf.String("0$1 is DER all the same, and printable"), 3},
		{"an empty sequence", pdf.String("\x30\x00\x00"), 4},
		{"no CMS", pdf.String("\x30\x03\x02\x01\x05\x00\x00"), 4},
		{"another kind of CMS", pdf.String(tlv(sequence, oid(data), tlv(0xa0, tlv(0x04, []byte("x"))))), 4},
		{"a deep CMS", pdf.String(deep(4000)), 4},
		{"half of it", func() pdf.Object {
			s := genuine.Signature()["Contents"].(pdf.String)
			return s[:400]
		}(), 3},
	} {
		d := Open(t, sealed)
		d.Signature()["Contents"] = c.contents
		out = append(out, Forgery{"Contents: " + c.name, d.Bytes(t), pades.FormatFailure, c.rule})
	}
	d = Open(t, sealed)
	d.Hand = true
	delete(d.Signature(), "Contents")
	out = append(out, Forgery{"Contents: missing", d.Bytes(t), pades.FormatFailure, 2})
	return out
}

// deep nests sequences.
func deep(levels int) []byte {
	var out []byte
	for range levels {
		out = tlv(sequence, out)
	}
	return out
}
