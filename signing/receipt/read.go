package receipt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"sigill/signing/pdf"
)

// Read takes kvittens.json and the other attached files out of an unsealed
// receipt: the first revision of a sealed one. The bytes of the files are those
// of base. Read says nothing about the pages; Check does.
//
// What is not spelled as we spell it is a *pdf.SyntaxError, what does not
// belong together an *Invalid, and a receipt of another program's layout an
// *UnknownLayout.
func Read(base []byte) (Kvittens, []File, error) {
	f, err := parse(base)
	if err != nil {
		return Kvittens{}, nil, err
	}
	return read(f)
}

func parse(base []byte) (*pdf.File, error) {
	f, err := pdf.Parse(base, pdf.DefaultLimits())
	if err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	if len(f.Revisions) != 1 {
		return nil, invalid("there are changes after the receipt was made")
	}
	return f, nil
}

func read(f *pdf.File) (Kvittens, []File, error) {
	files, err := attachments(f)
	if err != nil {
		return Kvittens{}, nil, err
	}
	if len(files) == 0 || files[0].Name != KvittensName || files[0].Type != kvittensType || files[0].Relationship != "Data" {
		return Kvittens{}, nil, invalid("%s is not the first attached file", KvittensName)
	}
	k, err := decode(files[0].Bytes)
	if err != nil {
		return Kvittens{}, nil, err
	}
	files = files[1:]
	list, err := attach(files)
	if err != nil {
		return Kvittens{}, nil, err
	}
	if !slices.Equal(list, k.Attachments) {
		return Kvittens{}, nil, invalid("the attached files are not those that %s lists", KvittensName)
	}
	return k, files, nil
}

// attachments are the associated files of the catalog, in its order.
func attachments(f *pdf.File) ([]File, error) {
	catalog, ok := f.Dict(0, f.Revisions[0].Trailer.Root)
	if !ok {
		return nil, invalid("there is no catalog")
	}
	list, _ := catalog["AF"].(pdf.Array)
	if len(list) > MaxFiles+1 {
		return nil, &TooLarge{"files", MaxFiles}
	}
	files := make([]File, 0, len(list))
	for i, item := range list {
		spec, _ := f.Dict(0, item)
		name, named := spec["UF"].(pdf.String)
		relationship, related := spec["AFRelationship"].(pdf.Name)
		embedded, _ := spec["EF"].(pdf.Dict)
		stream, found := f.Stream(0, embedded["UF"])
		kind, typed := stream.Dict["Subtype"].(pdf.Name)
		if !named || !related || !found || !typed || stream.Dict["Filter"] != nil {
			return nil, invalid("attachment %d is not embedded as we do it", i)
		}
		files = append(files, File{Name: string(name), Type: string(kind), Relationship: string(relationship), Bytes: stream.Raw})
	}
	return files, nil
}

// decode reads kvittens.json, which has one spelling only: so whatever is
// unknown, doubled, or missing shows.
func decode(text []byte) (Kvittens, error) {
	if len(text) > MaxKvittens {
		return Kvittens{}, &TooLarge{"bytes in " + KvittensName, MaxKvittens}
	}
	var named struct {
		Layout string `json:"layout"`
	}
	if err := json.Unmarshal(text, &named); err != nil {
		return Kvittens{}, invalid("%s cannot be read", KvittensName)
	}
	if named.Layout != Layout {
		return Kvittens{}, &UnknownLayout{named.Layout}
	}
	var k Kvittens
	if err := json.Unmarshal(text, &k); err != nil {
		return Kvittens{}, invalid("%s cannot be read", KvittensName)
	}
	var e encoder
	if e.kvittens(&k); e.bad || !bytes.Equal(e.out, text) {
		return Kvittens{}, invalid("%s is not canonical, or has unknown members", KvittensName)
	}
	return k, nil
}

// Mismatch says that a receipt is not the one that its own kvittens.json gives:
// its pages may say something else.
type Mismatch struct {
	Object int // the first indirect object that differs; 0: the trailer
	What   string
}

func (e *Mismatch) Error() string {
	return fmt.Sprintf("receipt: object %d is not the one that %s gives (%s)", e.Object, KvittensName, e.What)
}

// Check reads an unsealed receipt as Read does, makes it again from what it
// read, and compares the two: each object, and what each stream holds. So a
// receipt that passes says on its pages what kvittens.json says, and has nothing
// else in it. A difference is a *Mismatch.
//
// Compressed bytes are not compared, since they may come from another release
// of the compressor.
func (w *Writer) Check(base []byte) (Kvittens, []File, error) {
	f, err := parse(base)
	if err != nil {
		return Kvittens{}, nil, err
	}
	k, files, err := read(f)
	if err != nil {
		return Kvittens{}, nil, err
	}
	again, err := w.Make(k, files)
	if err != nil {
		return Kvittens{}, nil, err
	}
	if !bytes.Equal(base, again) {
		g, err := parse(again)
		if err != nil {
			return Kvittens{}, nil, err
		}
		if err := compare(f, g); err != nil {
			return Kvittens{}, nil, err
		}
	}
	return k, files, nil
}

// compare holds a file against the one that it should be.
func compare(f, wanted *pdf.File) error {
	have, want := f.Revisions[0], wanted.Revisions[0]
	var a, b []byte
	for number := 1; number <= max(len(have.Objects), len(want.Objects)); number++ {
		x, y := have.Objects[number], want.Objects[number]
		if x == nil || y == nil {
			return &Mismatch{number, "one object too many or too few"}
		}
		xs, isStream := x.Object.(pdf.Stream)
		ys, shouldBe := y.Object.(pdf.Stream)
		if isStream != shouldBe {
			return &Mismatch{number, "of another kind"}
		}
		if !isStream {
			if a, b = pdf.Append(a[:0], x.Object), pdf.Append(b[:0], y.Object); !bytes.Equal(a, b) {
				return &Mismatch{number, "other values"}
			}
			continue
		}
		if a, b = pdf.Append(a[:0], xs.Dict), pdf.Append(b[:0], ys.Dict); !bytes.Equal(a, b) {
			return &Mismatch{number, "a stream with other values"}
		}
		if bytes.Equal(xs.Raw, ys.Raw) {
			continue
		}
		should, err := ys.Decode(pdf.DefaultLimits().FileSize)
		if err != nil {
			return err
		}
		if is, err := xs.Decode(len(should)); err != nil || !bytes.Equal(is, should) {
			return &Mismatch{number, "a stream of other contents, or of none"}
		}
	}
	if have.Trailer != want.Trailer {
		return &Mismatch{0, "another trailer"}
	}
	return nil
}
