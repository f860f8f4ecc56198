package pdf

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Writer writes a file or an update to one, object by object.
type Writer struct {
	buf      []byte
	base     int         // bytes of the file before buf
	offsets  map[int]int // of the objects written here
	first    int         // the first number that is new here
	size     int         // the next number
	previous int         // offset of the cross-reference table before
	trailer  Trailer     // as it was, in an update
	err      error
}

// NewWriter begins a file.
func NewWriter() *Writer {
	return &Writer{buf: []byte(Header), offsets: map[int]int{}, first: 1, size: 1}
}

// Update begins an update to the file. What it writes stands after the file.
func (f *File) Update() *Writer {
	last := f.Revisions[len(f.Revisions)-1]
	return &Writer{
		base: len(f.Bytes), offsets: map[int]int{}, first: last.Size, size: last.Size,
		previous: last.Xref, trailer: last.Trailer,
	}
}

// Reserve gives the number of an object that is written later.
func (w *Writer) Reserve() Ref {
	w.size++
	return Ref(w.size - 1)
}

// Put writes an object under a number: one that was reserved, or, in an update,
// that of an object to replace.
func (w *Writer) Put(ref Ref, o Object) {
	number := int(ref)
	if _, twice := w.offsets[number]; twice || number < 1 || number >= w.size {
		w.err = errors.Join(w.err, fmt.Errorf("pdf: object %d is written twice or has no number", number))
		return
	}
	w.offsets[number] = w.base + len(w.buf)
	w.buf = strconv.AppendInt(w.buf, int64(number), 10)
	w.buf = append(w.buf, " 0 obj\n"...)
	w.buf = Append(w.buf, o)
	w.buf = append(w.buf, "\nendobj\n"...)
}

// ValueSpan says where in the file the value of a key stands, of a dictionary
// that was written.
func (w *Writer) ValueSpan(ref Ref, key Name) (start, end int, ok bool) {
	offset, ok := w.offsets[int(ref)]
	if !ok {
		return 0, 0, false
	}
	body := offset - w.base
	body += bytes.IndexByte(w.buf[body:], '\n') + 1
	start, end, ok = ValueSpan(w.buf[body:], key)
	return w.base + body + start, w.base + body + end, ok
}

// Add writes an object under the next number.
func (w *Writer) Add(o Object) Ref {
	ref := w.Reserve()
	w.Put(ref, o)
	return ref
}

// Finish ends the file, or the update, and gives its bytes: all of a file, only
// the new ones of an update. In an update t names just the new second file
// identifier; Root, Info and the first identifier stay.
func (w *Writer) Finish(t Trailer) ([]byte, error) {
	original := w.base == 0
	if !original {
		id := t.ID[1]
		t = w.trailer
		t.ID[1] = id
	}
	for number := w.first; number < w.size; number++ {
		if _, ok := w.offsets[number]; !ok {
			w.err = errors.Join(w.err, fmt.Errorf("pdf: object %d was reserved and not written", number))
		}
	}
	if w.err != nil {
		return nil, w.err
	}
	xref := w.base + len(w.buf)
	entries := make([]entry, 0, len(w.offsets))
	for number, offset := range w.offsets {
		entries = append(entries, entry{number, offset})
	}
	w.buf = appendXref(w.buf, entries, original)
	w.buf = append(w.buf, "trailer\n"...)
	w.buf = appendTrailer(w.buf, t, w.size, w.previous)
	w.buf = fmt.Appendf(w.buf, "\nstartxref\n%d\n%%%%EOF\n", xref)
	return w.buf, nil
}

// appendXref writes the cross-reference table of a revision. Consecutive
// numbers share a section; the table of the original file begins with the head
// of the (empty) list of free objects.
func appendXref(dst []byte, entries []entry, original bool) []byte {
	slices.SortFunc(entries, func(a, b entry) int { return a.number - b.number })
	dst = slices.Grow(dst, 20*len(entries)+64)
	dst = append(dst, "xref\n"...)
	if original {
		dst = fmt.Appendf(dst, "0 %d\n0000000000 65535 f \n", len(entries)+1)
	}
	for i := 0; i < len(entries); {
		end := i + 1
		for end < len(entries) && entries[end].number == entries[end-1].number+1 {
			end++
		}
		if !original {
			dst = fmt.Appendf(dst, "%d %d\n", entries[i].number, end-i)
		}
		for ; i < end; i++ {
			dst = appendOffset(dst, entries[i].offset)
		}
	}
	return dst
}

// entry is an object in a cross-reference table.
type entry struct{ number, offset int }

// appendOffset writes one entry: ten digits, generation 0, in use.
func appendOffset(dst []byte, offset int) []byte {
	var digits [10]byte
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = byte('0' + offset%10)
		offset /= 10
	}
	return append(append(dst, digits[:]...), " 00000 n \n"...)
}

func appendTrailer(dst []byte, t Trailer, size, previous int) []byte {
	dict := Dict{
		"ID":   Array{t.ID[0], t.ID[1]},
		"Root": t.Root,
		"Size": Int(size),
	}
	if t.Info != 0 {
		dict["Info"] = t.Info
	}
	if previous != 0 {
		dict["Prev"] = Int(previous)
	}
	return Append(dst, dict)
}
