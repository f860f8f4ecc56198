package padestest

import (
	"bytes"
	"encoding/hex"
	"maps"
	"slices"
	"testing"

	"sigill/signing/pdf"
)

// Draft is a sealed file taken apart. Written again without a change it gives
// the same bytes; that is what makes a changed one a forgery of just one thing.
type Draft struct {
	Original, Seal Part
	// Sig, Page and Root are the numbers of the seal's dictionary, of the first
	// page and of the catalog.
	Sig, Page, Root pdf.Ref
	// Hand leaves the ByteRange as it is; otherwise Bytes makes it right.
	Hand bool
}

// Part is the objects of a revision in their order.
type Part struct {
	Order   []pdf.Ref
	Objects map[pdf.Ref]pdf.Object
	Trailer pdf.Trailer
}

// Open takes a sealed file apart.
func Open(t testing.TB, sealed []byte) *Draft {
	t.Helper()
	file, err := pdf.Parse(sealed, pdf.DefaultLimits())
	if err != nil || len(file.Revisions) != 2 {
		t.Fatalf("not a sealed file: %v", err)
	}
	var parts [2]Part
	for n, revision := range file.Revisions {
		parts[n] = Part{Objects: map[pdf.Ref]pdf.Object{}, Trailer: revision.Trailer}
		for _, o := range slices.SortedFunc(maps.Values(revision.Objects), func(a, b *pdf.Indirect) int { return a.Start - b.Start }) {
			parts[n].Order = append(parts[n].Order, pdf.Ref(o.Number))
			parts[n].Objects[pdf.Ref(o.Number)] = o.Object
		}
	}
	d := &Draft{Original: parts[0], Seal: parts[1], Root: file.Revisions[0].Trailer.Root}
	d.Sig = d.Catalog()["Perms"].(pdf.Dict)["DocMDP"].(pdf.Ref)
	for ref, o := range d.Seal.Objects {
		if dict := o.(pdf.Dict); dict["Type"] == pdf.Name("Page") {
			d.Page = ref
		}
	}
	return d
}

// Catalog is that of the sealing revision; so are the others.
func (d *Draft) Catalog() pdf.Dict { return d.Seal.Objects[d.Root].(pdf.Dict) }

// FirstPage is the first page as sealed.
func (d *Draft) FirstPage() pdf.Dict { return d.Seal.Objects[d.Page].(pdf.Dict) }

// Signature is the signature dictionary.
func (d *Draft) Signature() pdf.Dict { return d.Seal.Objects[d.Sig].(pdf.Dict) }

// Widget is the form field of the seal.
func (d *Draft) Widget() pdf.Dict {
	fields := d.Catalog()["AcroForm"].(pdf.Dict)["Fields"].(pdf.Array)
	return d.Seal.Objects[fields[0].(pdf.Ref)].(pdf.Dict)
}

// Add puts an object with a new number into the sealing revision.
func (d *Draft) Add(o pdf.Object) pdf.Ref {
	highest := slices.Max(append(slices.Clone(d.Original.Order), d.Seal.Order...))
	d.Seal.Order = append(d.Seal.Order, highest+1)
	d.Seal.Objects[highest+1] = o
	return highest + 1
}

// AddOriginal puts an object into the unsealed file. The objects of the seal
// move up by one number.
func (d *Draft) AddOriginal(o pdf.Object) pdf.Ref {
	added := slices.Max(d.Original.Order) + 1
	shift := func(r pdf.Ref) pdf.Ref {
		if r >= added {
			return r + 1
		}
		return r
	}
	moved := map[pdf.Ref]pdf.Object{}
	for i, ref := range d.Seal.Order {
		d.Seal.Order[i] = shift(ref)
		moved[shift(ref)] = renumber(d.Seal.Objects[ref], shift)
	}
	d.Seal.Objects = moved
	d.Sig = shift(d.Sig)
	d.Original.Order = append(d.Original.Order, added)
	d.Original.Objects[added] = o
	return added
}

func renumber(o pdf.Object, shift func(pdf.Ref) pdf.Ref) pdf.Object {
	switch o := o.(type) {
	case pdf.Ref:
		return shift(o)
	case pdf.Array:
		out := pdf.Array{}
		for _, item := range o {
			out = append(out, renumber(item, shift))
		}
		return out
	case pdf.Dict:
		out := pdf.Dict{}
		for key, value := range o {
			out[key] = renumber(value, shift)
		}
		return out
	}
	return o
}

// Bytes writes the file.
func (d *Draft) Bytes(t testing.TB) []byte {
	t.Helper()
	file, _ := d.write(t)
	return file
}

// Resign writes the file with another CMS: that which sign makes of the bytes
// around it.
func (d *Draft) Resign(t testing.TB, sign func(covered []byte) []byte) []byte {
	t.Helper()
	const room = 8 << 10
	d.Signature()["Contents"] = pdf.String(make([]byte, room))
	file, hole := d.write(t)
	cms := sign(slices.Concat(file[:hole[0]], file[hole[1]:]))
	if len(cms) > room {
		t.Fatalf("a CMS of %d bytes, and room for %d", len(cms), room)
	}
	hex.Encode(file[hole[0]+1:hole[1]-1], cms)
	return file
}

func (d *Draft) write(t testing.TB) (file []byte, hole [2]int) {
	t.Helper()
	for range 8 {
		w := pdf.NewWriter()
		d.Original.put(w, 1)
		file, err := w.Finish(d.Original.Trailer)
		if err != nil {
			t.Fatal(err)
		}
		// What was written may be nothing that Parse accepts, so that the update is
		// begun without it.
		size := int(slices.Max(d.Original.Order)) + 1
		update := (&pdf.File{Bytes: file, Revisions: []pdf.Revision{{
			Xref: bytes.LastIndex(file, []byte("\nxref\n")) + 1, Trailer: d.Original.Trailer, Size: size,
		}}}).Update()
		d.Seal.put(update, size)
		seal, err := update.Finish(d.Seal.Trailer)
		if err != nil {
			t.Fatal(err)
		}
		file = append(file, seal...)
		if d.Hand {
			return file, hole
		}
		var ok bool
		if hole[0], hole[1], ok = update.ValueSpan(d.Sig, "Contents"); !ok {
			t.Fatal("no Contents")
		}
		right := pdf.Array{pdf.Int(0), pdf.Int(hole[0]), pdf.Int(hole[1]), pdf.Int(len(file) - hole[1])}
		if was, ok := d.Signature()["ByteRange"].(pdf.Array); ok && slices.Equal(was, right) {
			return file, hole
		}
		d.Signature()["ByteRange"] = right
	}
	t.Fatal("no ByteRange fits")
	return nil, hole
}

func (p Part) put(w *pdf.Writer, next int) {
	for ; next <= int(slices.Max(p.Order)); next++ {
		w.Reserve()
	}
	for _, ref := range p.Order {
		w.Put(ref, p.Objects[ref])
	}
}
