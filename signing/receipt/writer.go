// Package receipt makes receipts (Swedish: kvittens): PDF files that say, to
// people on their pages and to machines in kvittens.json, what has been signed,
// by whom, when and with which e-ID, and that carry the evidence as attachments.
// It reads them back, and draws them again to see that the pages say what
// kvittens.json says.
//
// It owns the layout, the fonts and the structure of the file: tagged PDF 1.7
// (ISO 32000-1) after PDF/A-3a (ISO 19005-3) and PDF/UA-1 (ISO 14289-1), in the
// spelling of signing/pdf. The same input gives the same file, byte for byte,
// as long as the compressor of the standard library is the same, and the same
// objects and streams for ever. It does not seal (signing/pades does), and does
// not verify evidence (signing/evidence does).
package receipt

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"sigill/signing/pdf"
)

// Writer makes receipts. It may be used by several goroutines at once.
type Writer struct {
	fonts            *fonts
	head             []byte // what every file begins with: the objects that are always the same
	headAt           []int  // their offsets
	swedish, english *words
	pool             sync.Pool // of *work
	lastCode         atomic.Pointer[code]
}

// The objects that are always the same.
const (
	profileObject = iota + 1
	intentObject
	firstFont
)

const kvittensType = "application/json"

// level of compression: more costs more time than the bytes are worth, since
// most of a file is fonts, which are compressed once.
const level = zlib.BestSpeed

// New makes a Writer; that takes a few hundredths of a second.
func New() (*Writer, error) {
	f, err := newFonts(firstFont)
	if err != nil {
		return nil, err
	}
	w := &Writer{fonts: f, swedish: swedish(), english: english()}
	profile := sRGB()
	stream, err := deflated(pdf.Dict{"N": pdf.Int(3)}, profile)
	if err != nil {
		return nil, err
	}
	w.head = []byte(pdf.Header)
	w.headAt = append(w.headAt, len(w.head))
	w.head = appendObject(w.head, profileObject, stream)
	w.headAt = append(w.headAt, len(w.head))
	w.head = appendObject(w.head, intentObject, pdf.Dict{
		"Type": pdf.Name("OutputIntent"), "S": pdf.Name("GTS_PDFA1"), "DestOutputProfile": pdf.Ref(profileObject),
		"OutputConditionIdentifier": pdf.String("sRGB IEC61966-2.1"), "Info": pdf.String("sRGB IEC61966-2.1"),
	})
	for _, at := range f.commonAt {
		w.headAt = append(w.headAt, len(w.head)+at)
	}
	w.head = append(w.head, f.common...)
	return w, nil
}

// work is what making one receipt needs and the next one can use again.
type work struct {
	drawing
	kvittens encoder
	packed   bytes.Buffer
	z        *zlib.Writer
	offsets  []int
	objects  []int32 // the object of each element, by node
}

// Make makes an unsealed receipt with these files attached, in this order, after
// kvittens.json. It fills in k.Attachments. What does not fit together is
// refused with an *Invalid, what is too large with a *TooLarge.
func (w *Writer) Make(k Kvittens, files []File) ([]byte, error) {
	var err error
	if k.Attachments, err = attach(files); err != nil {
		return nil, err
	}
	m, err := k.fit()
	if err != nil {
		return nil, err
	}
	job, ok := w.pool.Get().(*work)
	if !ok {
		job = &work{}
		if job.z, err = zlib.NewWriterLevel(&job.packed, level); err != nil {
			return nil, err
		}
	}
	defer func() {
		const worthKeeping = 4 << 20
		if cap(job.content)+cap(job.kvittens.out)+100*cap(job.nodes) < worthKeeping {
			w.pool.Put(job)
		}
	}()

	job.kvittens = encoder{out: job.kvittens.out[:0]}
	if job.kvittens.kvittens(&k); job.kvittens.bad {
		return nil, &Invalid{"text that is not UTF-8"}
	}
	text := job.kvittens.out
	if len(text) > MaxKvittens {
		return nil, &TooLarge{"bytes in " + KvittensName, MaxKvittens}
	}

	s := sheet{drawing: &job.drawing, w: w.swedish, k: &k, m: m, code: w.code(k.VerifyURL)}
	if k.Language == "en" {
		s.w = w.english
	}
	self := File{Name: KvittensName, Type: kvittensType, Relationship: "Data", Bytes: text}
	s.attachments = append([]Attachment{{Name: self.Name, Type: self.Type, Relationship: self.Relationship, Size: len(text), SHA256: digestOf(text)}}, k.Attachments...)
	s.reset(w.fonts)
	s.draw()
	if s.tooLarge {
		return nil, &TooLarge{"pages", MaxPages}
	}
	end := len(s.content)
	s.footers()
	return job.assemble(w, &s, append([]File{self}, files...), end)
}

// file is a file that is being written, object by object in the order of their
// numbers.
type file struct {
	buf     []byte
	offsets []int // of object 1 and those that follow
}

// begin begins the next object; end ends it.
func (f *file) begin() {
	f.offsets = append(f.offsets, len(f.buf))
	f.buf = append(strconv.AppendInt(f.buf, int64(len(f.offsets)), 10), " 0 obj\n"...)
}

func (f *file) end() { f.buf = append(f.buf, "\nendobj\n"...) }

func (f *file) object(o pdf.Object) {
	f.begin()
	f.buf = pdf.Append(f.buf, o)
	f.end()
}

// ref writes a reference. What is before it does not end in a digit.
func (f *file) ref(key string, number int) {
	f.buf = append(strconv.AppendInt(append(f.buf, key...), int64(number), 10), " 0 R"...)
}

// appendObject writes an object with a number.
func appendObject(dst []byte, number int, o pdf.Object) []byte {
	dst = append(strconv.AppendInt(dst, int64(number), 10), " 0 obj\n"...)
	return append(pdf.Append(dst, o), "\nendobj\n"...)
}

// assemble puts the file together. Its objects are, in this order: those that
// are always the same, the further faces where they are used, those named
// below, the outline, two for each attached file, three for each page, and the
// elements of the structure.
func (job *work) assemble(w *Writer, s *sheet, files []File, end int) ([]byte, error) {
	size := len(w.head) + 4000
	for i := range files {
		size += len(files[i].Bytes) + 600
	}
	size += len(s.content)*3/5 + 400*len(s.pages) + 100*len(s.nodes)
	if s.further {
		size += len(w.fonts.extra)
	}
	f := file{buf: make([]byte, 0, size), offsets: append(job.offsets[:0], w.headAt...)}
	f.buf = append(f.buf, w.head...)
	if s.further {
		for _, at := range w.fonts.extraAt {
			f.offsets = append(f.offsets, len(f.buf)+at)
		}
		f.buf = append(f.buf, w.fonts.extra...)
	}

	catalog := len(f.offsets) + 1
	info, xmp, pages, resources, structure, parents, embedded, bookmarks := catalog+1, catalog+2, catalog+3, catalog+4, catalog+5, catalog+6, catalog+7, catalog+8
	firstFile := bookmarks + 1 + len(s.entries)
	firstPage := firstFile + 2*len(files)
	number := firstPage + 3*len(s.pages)
	job.objects = job.objects[:0]
	for i := range s.nodes {
		job.objects = append(job.objects, int32(number))
		if s.nodes[i].tag != "" {
			number++
		}
	}

	title := s.fonts.oneLine(s.title() + ": " + s.m.Title)
	author := s.fonts.oneLine(s.k.SealedBy)
	associated := make(pdf.Array, len(files))
	for i := range files {
		associated[i] = pdf.Ref(firstFile + 2*i + 1)
	}
	f.object(pdf.Dict{
		"Type": pdf.Name("Catalog"), "Pages": pdf.Ref(pages), "Lang": pdf.String(s.w.tag),
		"MarkInfo": pdf.Dict{"Marked": pdf.Bool(true)}, "ViewerPreferences": pdf.Dict{"DisplayDocTitle": pdf.Bool(true)},
		"Metadata": pdf.Ref(xmp), "OutputIntents": pdf.Array{pdf.Ref(intentObject)}, "StructTreeRoot": pdf.Ref(structure),
		"Outlines": pdf.Ref(bookmarks), "AF": associated, "Names": pdf.Dict{"EmbeddedFiles": pdf.Ref(embedded)},
	})
	created, modified := pdf.Date(s.k.Created), pdf.Date(s.k.CompletedAt)
	f.object(pdf.Dict{
		"Title": pdf.Text(title), "Author": pdf.Text(author), "Creator": pdf.String(producer), "Producer": pdf.String(producer),
		"CreationDate": created, "ModDate": modified,
	})
	f.object(pdf.Stream{
		Dict: pdf.Dict{"Type": pdf.Name("Metadata"), "Subtype": pdf.Name("XML")},
		Raw:  metadata(title, s.w.tag, author, s.k.Created, s.k.CompletedAt),
	})
	kids := make(pdf.Array, len(s.pages))
	numbers := make(pdf.Array, 0, 2*len(s.pages))
	for i := range s.pages {
		kids[i] = pdf.Ref(firstPage + 3*i)
		numbers = append(numbers, pdf.Int(i), pdf.Ref(firstPage+3*i+2))
	}
	f.object(pdf.Dict{"Type": pdf.Name("Pages"), "Count": pdf.Int(len(kids)), "Kids": kids})
	faces := pdf.Dict{}
	for set := range 2 {
		for weight, name := range faceNames {
			if set == 1 {
				name += "x"
			}
			if set == 0 || s.further {
				faces[pdf.Name(name)] = pdf.Ref(firstFont + objectsPerFace*(2*set+weight+1) - 1)
			}
		}
	}
	f.object(pdf.Dict{"Font": faces})
	f.object(pdf.Dict{
		"Type": pdf.Name("StructTreeRoot"), "K": pdf.Ref(job.objects[0]),
		"ParentTree": pdf.Ref(parents), "ParentTreeNextKey": pdf.Int(len(s.pages)),
	})
	f.object(pdf.Dict{"Nums": numbers})
	f.object(embeddedFiles(files, firstFile))
	for _, o := range outline(s.entries, bookmarks, firstPage) {
		f.object(o)
	}

	for i := range files {
		f.attach(&files[i], len(f.offsets)+1, modified)
	}
	for i := range s.pages {
		begin, footer := s.pages[i].start, s.pages[i].footer
		stop, footerEnd, marks := end, len(s.content), len(s.marked)
		if i+1 < len(s.pages) {
			stop, footerEnd, marks = s.pages[i+1].start, s.pages[i+1].footer, s.pages[i+1].mark
		}
		f.begin()
		f.ref("<</Contents ", firstPage+3*i+1)
		f.buf = append(f.buf, "/MediaBox[0 0 595.28 841.89]"...)
		f.ref("/Parent ", pages)
		f.ref("/Resources ", resources)
		f.buf = strconv.AppendInt(append(f.buf, "/StructParents "...), int64(i), 10)
		f.buf = append(f.buf, "/Tabs/S/Type/Page>>"...)
		f.end()

		job.packed.Reset()
		job.z.Reset(&job.packed)
		job.z.Write(s.content[begin:stop]) // a bytes.Buffer takes everything
		job.z.Write(s.content[footer:footerEnd])
		job.z.Close()
		f.object(pdf.Stream{Dict: pdf.Dict{"Filter": pdf.Name("FlateDecode")}, Raw: job.packed.Bytes()})

		f.begin()
		sep := "["
		for _, element := range s.marked[s.pages[i].mark:marks] {
			f.ref(sep, int(job.objects[element]))
			sep = " "
		}
		if sep == "[" {
			f.buf = append(f.buf, sep...)
		}
		f.buf = append(f.buf, ']')
		f.end()
	}
	for i := range s.nodes {
		if s.nodes[i].tag != "" {
			f.element(s, job.objects, i, structure, firstPage)
		}
	}
	job.offsets = f.offsets
	if len(f.offsets) != number-1 {
		return nil, fmt.Errorf("receipt: wrote %d objects instead of %d", len(f.offsets), number-1)
	}
	return f.finish(catalog, info, files[0].Bytes), nil
}

// embeddedFiles is the name tree of the attached files; they are sorted by name.
func embeddedFiles(files []File, first int) pdf.Dict {
	order := make([]int, len(files))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return strings.Compare(files[i].Name, files[j].Name) })
	names := make(pdf.Array, 0, 2*len(files))
	for _, i := range order {
		names = append(names, pdf.String(files[i].Name), pdf.Ref(first+2*i+1))
	}
	return pdf.Dict{"Names": names}
}

// attach writes an attached file and its specification. The bytes stand in the
// file as they are: most evidence is compressed, or signed base64, already.
func (f *file) attach(a *File, number int, modified pdf.String) {
	f.object(pdf.Stream{
		Dict: pdf.Dict{
			"Type": pdf.Name("EmbeddedFile"), "Subtype": pdf.Name(a.Type),
			"Params": pdf.Dict{"ModDate": modified, "Size": pdf.Int(len(a.Bytes))},
		},
		Raw: a.Bytes,
	})
	f.object(pdf.Dict{
		"Type": pdf.Name("Filespec"), "F": pdf.String(a.Name), "UF": pdf.String(a.Name),
		"AFRelationship": pdf.Name(a.Relationship), "EF": pdf.Dict{"F": pdf.Ref(number), "UF": pdf.Ref(number)},
	})
}

// element writes an element of the structure: what it is, where it belongs, and
// its elements and pieces of content in order.
func (f *file) element(s *sheet, objects []int32, i, structure, firstPage int) {
	n := &s.nodes[i]
	onPage := int32(-1) // of its first content
	kids := 0
	for kid := n.first; kid >= 0; kid = s.nodes[kid].next {
		if kids++; s.nodes[kid].tag == "" && onPage < 0 {
			onPage = s.nodes[kid].page
		}
	}
	f.begin()
	f.buf = append(f.buf, "<<"...)
	if n.attributes != "" {
		f.buf = append(append(f.buf, "/A"...), n.attributes...)
	}
	if n.alt != "" {
		f.buf = pdf.Append(append(f.buf, "/Alt"...), pdf.Text(n.alt))
	}
	if kids > 0 {
		f.buf = append(f.buf, "/K"...)
		if kids > 1 {
			f.buf = append(f.buf, '[')
		}
		for kid := n.first; kid >= 0; kid = s.nodes[kid].next {
			k := &s.nodes[kid]
			sep := " "
			if last := f.buf[len(f.buf)-1]; last == '[' || last == '>' {
				sep = ""
			}
			switch {
			case k.tag != "":
				f.ref(sep, int(objects[kid]))
			case k.page == onPage:
				f.buf = strconv.AppendInt(append(f.buf, sep...), int64(k.mcid), 10)
			default:
				f.buf = strconv.AppendInt(append(f.buf, "<</MCID "...), int64(k.mcid), 10)
				f.ref("/Pg ", firstPage+3*int(k.page))
				f.buf = append(f.buf, "/Type/MCR>>"...)
			}
		}
		if kids > 1 {
			f.buf = append(f.buf, ']')
		}
	}
	if n.parent >= 0 {
		f.ref("/P ", int(objects[n.parent]))
	} else {
		f.ref("/P ", structure)
	}
	if onPage >= 0 {
		f.ref("/Pg ", firstPage+3*int(onPage))
	}
	f.buf = append(append(append(f.buf, "/S/"...), n.tag...), ">>"...)
	f.end()
}

// finish writes the cross-reference table and the trailer. The identifier
// follows from kvittens.json, so from all that the file says.
func (f *file) finish(catalog, info int, kvittens []byte) []byte {
	xref := len(f.buf)
	f.buf = strconv.AppendInt(append(f.buf, "xref\n0 "...), int64(len(f.offsets)+1), 10)
	f.buf = append(f.buf, "\n0000000000 65535 f \n"...)
	for _, offset := range f.offsets {
		var digits [10]byte
		for i := len(digits) - 1; i >= 0; i-- {
			digits[i] = byte('0' + offset%10)
			offset /= 10
		}
		f.buf = append(append(f.buf, digits[:]...), " 00000 n \n"...)
	}
	sum := sha256.Sum256(kvittens)
	id := pdf.String(sum[:16])
	f.buf = append(f.buf, "trailer\n"...)
	f.buf = pdf.Append(f.buf, pdf.Dict{
		"ID": pdf.Array{id, id}, "Info": pdf.Ref(info), "Root": pdf.Ref(catalog), "Size": pdf.Int(len(f.offsets) + 1),
	})
	f.buf = strconv.AppendInt(append(f.buf, "\nstartxref\n"...), int64(xref), 10)
	return append(f.buf, "\n%%EOF\n"...)
}
