package pdf

import (
	"bytes"
	"fmt"
)

// Header opens every file of the profile. Its comment makes programs treat the
// file as binary, and tells our files from others: it is "SIGL" with the high
// bits set.
const Header = "%PDF-1.7\n%\xd3\xc9\xc7\xcc\n"

// Limits bound what reading a file costs.
type Limits struct {
	FileSize  int // bytes
	Revisions int
	Objects   int // indirect objects, in all revisions together
	Values    int // everything inside them, all together
	Depth     int // of arrays and dictionaries
}

// DefaultLimits hold for a receipt with many and large attachments.
func DefaultLimits() Limits {
	return Limits{FileSize: 256 << 20, Revisions: 128, Objects: 500_000, Values: 2_000_000, Depth: 24}
}

// File is a file that was read: the original and its incremental updates, in
// order. Objects share memory with the bytes that Parse was given.
type File struct {
	Bytes     []byte
	Revisions []Revision
}

// Revision is the file up to one of its %%EOF.
type Revision struct {
	Start, End int               // bytes that this revision added: file[Start:End]
	Xref       int               // offset of its cross-reference table
	Objects    map[int]*Indirect // the objects that it added or replaced
	Trailer    Trailer
	Size       int // one more than the highest number so far
}

// Trailer is what a trailer says, besides Size and Prev, which follow from the
// file.
type Trailer struct {
	Root Ref       // never changes
	Info Ref       // 0 where there is none; never changes
	ID   [2]String // the first never changes
}

// Indirect is a numbered object and where it stands.
type Indirect struct {
	Number     int
	Start, End int // from its number to the end of its last line
	Body       int // where Object begins
	Object     Object
	refs       []Ref // what it refers to
}

// Get finds an object as of a revision (0 is the original file).
func (f *File) Get(revision int, ref Ref) (*Indirect, bool) {
	for r := min(revision, len(f.Revisions)-1); r >= 0; r-- {
		if o, ok := f.Revisions[r].Objects[int(ref)]; ok {
			return o, true
		}
	}
	return nil, false
}

// Dict finds a dictionary as of a revision, be it given as such or by reference.
func (f *File) Dict(revision int, o Object) (Dict, bool) {
	if ref, ok := o.(Ref); ok {
		indirect, ok := f.Get(revision, ref)
		if !ok {
			return nil, false
		}
		o = indirect.Object
	}
	dict, ok := o.(Dict)
	return dict, ok
}

// Stream finds a stream as of a revision.
func (f *File) Stream(revision int, o Object) (Stream, bool) {
	ref, ok := o.(Ref)
	if !ok {
		return Stream{}, false
	}
	indirect, ok := f.Get(revision, ref)
	if !ok {
		return Stream{}, false
	}
	stream, ok := indirect.Object.(Stream)
	return stream, ok
}

// At is the file as it was up to a revision.
func (f *File) At(revision int) *File {
	return &File{Bytes: f.Bytes[:f.Revisions[revision].End], Revisions: f.Revisions[:revision+1]}
}

// ValueSpan says where in a written dictionary the value of a key stands.
func ValueSpan(dict []byte, key Name) (start, end int, ok bool) {
	p := parser{buf: dict, depth: DefaultLimits().Depth, values: len(dict)}
	spans := map[Name][2]int{}
	if !p.take("<<") {
		return 0, 0, false
	}
	if _, err := p.dict(spans); err != nil {
		return 0, 0, false
	}
	span, ok := spans[key]
	return span[0], span[1], ok
}

// Parse reads a whole file, or says in a *SyntaxError where it leaves the
// profile. It holds for every revision that its objects have numbers without
// gaps, that each of them can be reached from the trailer, and that each
// reference finds its object.
func Parse(file []byte, limits Limits) (*File, error) {
	r := newReader(file, limits)
	if err := r.read(); err != nil {
		return nil, err
	}
	return r.file, nil
}

// reader reads a file from its beginning to its end; it never jumps.
type reader struct {
	parser
	file    *File
	limits  Limits
	objects int
	current []*Indirect // as of the last revision, by number
	steps   int         // of reach, in all revisions together
	entries []entry     // of the revision
	scratch []byte
}

func newReader(file []byte, limits Limits) *reader {
	return &reader{
		parser: parser{buf: file, depth: limits.Depth, values: limits.Values},
		file:   &File{Bytes: file},
		limits: limits,
	}
}

func (r *reader) read() error {
	if len(r.buf) > r.limits.FileSize {
		return r.fail("the file is larger than %d bytes", r.limits.FileSize)
	}
	if !r.take(Header) {
		return r.fail("the file does not begin as our files do")
	}
	for first := true; first || r.pos < len(r.buf); first = false {
		if len(r.file.Revisions) >= r.limits.Revisions {
			return r.fail("more than %d revisions", r.limits.Revisions)
		}
		if err := r.revision(); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) revision() error {
	n := len(r.file.Revisions)
	rev := Revision{Start: r.pos, Size: 1}
	if n == 0 {
		rev.Start = 0
	} else {
		rev.Size = r.file.Revisions[n-1].Size
	}
	known := rev.Size
	r.entries = r.entries[:0]
	var objects []*Indirect
	for r.pos < len(r.buf) && '0' < r.buf[r.pos] && r.buf[r.pos] <= '9' {
		o, err := r.indirect()
		if err != nil {
			return err
		}
		objects = append(objects, o)
		r.entries = append(r.entries, entry{o.Number, o.Start})
		rev.Size = max(rev.Size, o.Number+1)
	}
	if len(objects) == 0 {
		return r.fail("expected an object")
	}
	rev.Objects = make(map[int]*Indirect, len(objects))
	for _, o := range objects {
		if rev.Objects[o.Number] != nil {
			return &SyntaxError{o.Start, "the same object twice"}
		}
		rev.Objects[o.Number] = o
	}
	if !bytes.HasPrefix(r.buf[r.pos:], []byte("xref\n")) {
		return r.fail("expected an object or the cross-reference table")
	}
	for i := known; i < rev.Size; i++ {
		if rev.Objects[i] == nil {
			return r.fail("there is no object %d", i)
		}
	}

	rev.Xref = r.pos
	r.scratch = appendXref(r.scratch[:0], r.entries, n == 0)
	if !bytes.HasPrefix(r.buf[r.pos:], r.scratch) {
		return r.fail("not the cross-reference table of the objects before it")
	}
	r.pos += len(r.scratch)
	if err := r.trailer(&rev); err != nil {
		return err
	}
	rev.End = r.pos
	r.file.Revisions = append(r.file.Revisions, rev)
	return r.reach()
}

// indirect reads one numbered object.
func (r *reader) indirect() (*Indirect, error) {
	if r.objects++; r.objects > r.limits.Objects {
		return nil, r.fail("more than %d objects", r.limits.Objects)
	}
	o := &Indirect{Start: r.pos}
	var err error
	if o.Number, err = r.number(); err != nil {
		return nil, err
	}
	if !r.take(" 0 obj\n") {
		return nil, r.fail("expected an object")
	}
	if o.Number > r.limits.Objects {
		return nil, r.fail("an object with the number %d", o.Number)
	}
	o.Body = r.pos
	first := len(r.refs)
	if o.Object, err = r.object(); err != nil {
		return nil, err
	}
	o.refs = r.refs[first:len(r.refs):len(r.refs)]
	switch body := o.Object.(type) {
	case Ref, Null:
		return nil, &SyntaxError{o.Body, "an object that is only a reference, or nothing"}
	case Dict:
		if !r.take("\nstream\n") {
			break
		}
		length, ok := body["Length"].(Int)
		if !ok || length < 0 || int(length) > len(r.buf)-r.pos {
			return nil, r.fail("a stream without its length")
		}
		delete(body, "Length")
		end := r.pos + int(length)
		o.Object = Stream{Dict: body, Raw: r.buf[r.pos:end:end]}
		r.pos = end
		if !r.take("\nendstream") {
			return nil, r.fail("expected the end of a stream")
		}
	}
	if !r.take("\nendobj\n") {
		return nil, r.fail("expected the end of an object")
	}
	o.End = r.pos
	return o, nil
}

// trailer reads from the word trailer to the end of the revision.
func (r *reader) trailer(rev *Revision) error {
	if !r.take("trailer\n") {
		return r.fail("expected the trailer")
	}
	at := r.pos
	o, err := r.object()
	if err != nil {
		return err
	}
	dict, ok := o.(Dict)
	if !ok {
		return &SyntaxError{at, "a trailer that is no dictionary"}
	}
	if rev.Trailer.Root, ok = dict["Root"].(Ref); !ok {
		return &SyntaxError{at, "a trailer without a root"}
	}
	rev.Trailer.Info, _ = dict["Info"].(Ref)
	id, _ := dict["ID"].(Array)
	for i := range rev.Trailer.ID {
		if len(id) != 2 {
			return &SyntaxError{at, "a trailer without two file identifiers"}
		}
		if rev.Trailer.ID[i], ok = id[i].(String); !ok || len(rev.Trailer.ID[i]) < 16 || len(rev.Trailer.ID[i]) > 64 {
			return &SyntaxError{at, "a file identifier of another form"}
		}
	}
	previous := 0
	if n := len(r.file.Revisions); n > 0 {
		before := r.file.Revisions[n-1]
		previous = before.Xref
		if rev.Trailer.Root != before.Trailer.Root || rev.Trailer.Info != before.Trailer.Info {
			return &SyntaxError{at, "an update that replaces the root or the information"}
		}
		if rev.Trailer.ID[0] != before.Trailer.ID[0] {
			return &SyntaxError{at, "an update of another file"}
		}
	}
	// Whatever else the trailer says, or says otherwise, shows here.
	r.scratch = appendTrailer(r.scratch[:0], rev.Trailer, rev.Size, previous)
	if !bytes.Equal(r.scratch, r.buf[at:r.pos]) {
		return &SyntaxError{at, "not the trailer of this file"}
	}
	if !r.take(fmt.Sprintf("\nstartxref\n%d\n%%%%EOF\n", rev.Xref)) {
		return r.fail("expected the end of the file or of a revision")
	}
	return nil
}

// reach walks from the last revision's trailer through the file, each object
// and each reference once.
func (r *reader) reach() error {
	rev := r.file.Revisions[len(r.file.Revisions)-1]
	for len(r.current) < rev.Size {
		r.current = append(r.current, nil)
	}
	for number, o := range rev.Objects {
		r.current[number] = o
	}
	// Every revision is walked anew, so a small one can cost as much as all those
	// before it. A few may.
	most := 4 * (r.limits.Values + r.limits.Objects)
	r.steps += rev.Size
	seen := make([]bool, rev.Size)
	todo := []int{}
	follow := func(refs ...Ref) error {
		r.steps += len(refs)
		for _, ref := range refs {
			if int(ref) >= len(seen) {
				return &SyntaxError{rev.Xref, fmt.Sprintf("a reference to object %d, which is not there", ref)}
			}
			if !seen[ref] {
				seen[ref] = true
				todo = append(todo, int(ref))
			}
		}
		if r.steps > most {
			return &SyntaxError{rev.Xref, "too many revisions of too many objects"}
		}
		return nil
	}
	roots := []Ref{rev.Trailer.Root}
	if rev.Trailer.Info != 0 {
		roots = append(roots, rev.Trailer.Info)
	}
	if err := follow(roots...); err != nil {
		return err
	}
	for len(todo) > 0 {
		o := r.current[todo[len(todo)-1]]
		todo = todo[:len(todo)-1]
		if err := follow(o.refs...); err != nil {
			return err
		}
	}
	for number := 1; number < rev.Size; number++ {
		if !seen[number] {
			return &SyntaxError{rev.Xref, fmt.Sprintf("nothing refers to object %d", number)}
		}
	}
	return nil
}
