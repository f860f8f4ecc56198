// Package pdf reads and writes PDF files of one byte profile: our own. It owns
// the object model, the spelling of objects, and the file as a chain of
// revisions. It knows nothing of pages, fonts or seals (signing/receipt and
// signing/pades do), and it is no general PDF library: a file from any other
// program is refused.
//
// The syntax is a subset of ISO 32000-2:2020 clause 7, in which a file has
// exactly one spelling. Keys are sorted, strings and names are escaped in one
// way, a single space stands where two tokens would run together and nowhere
// else, objects follow each other without gaps, and the cross-reference table
// says just what a reader finds by itself. There are no object streams, no
// cross-reference streams, no comments after the header, no free objects, no
// generations, no encryption. So a file means the same to every reader, and
// there is no room for bytes that only some of them see.
package pdf

import (
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf16"
)

// Object is one of Null, Bool, Int, Real, Name, String, Array, Dict, Ref and
// Stream. A nil Object is written as null.
type Object interface {
	appendTo(dst []byte) []byte
}

type (
	// Null is the object null. It may stand in arrays only.
	Null struct{}
	// Bool is true or false.
	Bool bool
	// Int is an integer of at most 2³¹-1 either way.
	Int int
	// Real is a number that is written with a decimal point.
	Real float64
	// Name is a name without its slash, its escapes undone.
	Name string
	// String is the bytes of a string. It is written as text where it is
	// printable ASCII, and in hexadecimal otherwise.
	String string
	// Array is a list of objects.
	Array []Object
	// Dict is a dictionary. A key with the value null is a key that is not there,
	// and is neither read nor written.
	Dict map[Name]Object
	// Ref names the indirect object with this number, in generation 0.
	Ref int
	// Stream is a dictionary, without its Length, and the bytes as they stand in
	// the file.
	Stream struct {
		Dict Dict
		Raw  []byte
	}
)

// Append writes an object as it stands in a file. The same object always gives
// the same bytes. What the profile cannot express (a number beyond its limits,
// an empty name) is written nevertheless, and refused by Parse.
func Append(dst []byte, o Object) []byte {
	if o == nil {
		o = Null{}
	}
	return o.appendTo(dst)
}

// regular says that a byte is part of a token and not the end of it.
func regular(c byte) bool {
	switch c {
	case '(', ')', '<', '>', '[', ']', '{', '}', '/', '%', ' ', '\n', '\r', '\t', '\f', 0:
		return false
	}
	return true
}

// separate puts a space before a token that would run into the one before it.
func separate(dst []byte) []byte {
	if n := len(dst); n > 0 && regular(dst[n-1]) {
		return append(dst, ' ')
	}
	return dst
}

func (Null) appendTo(dst []byte) []byte { return append(separate(dst), "null"...) }

func (b Bool) appendTo(dst []byte) []byte { return strconv.AppendBool(separate(dst), bool(b)) }

func (i Int) appendTo(dst []byte) []byte { return strconv.AppendInt(separate(dst), int64(i), 10) }

func (r Real) appendTo(dst []byte) []byte {
	dst = separate(dst)
	if r == 0 {
		r = 0 // not -0
	}
	dst = strconv.AppendFloat(dst, float64(r), 'f', -1, 64)
	if float64(r) == math.Trunc(float64(r)) {
		dst = append(dst, ".0"...)
	}
	return dst
}

const lowerHex = "0123456789abcdef"

func (n Name) appendTo(dst []byte) []byte {
	dst = append(dst, '/')
	for i := 0; i < len(n); i++ {
		if c := n[i]; c > ' ' && c < 0x7f && c != '#' && regular(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '#', lowerHex[c>>4], lowerHex[c&15])
		}
	}
	return dst
}

// printable says that a string is printable ASCII.
func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func (s String) appendTo(dst []byte) []byte {
	if !printable(string(s)) {
		dst = append(dst, '<')
		dst = hex.AppendEncode(dst, []byte(s))
		return append(dst, '>')
	}
	dst = append(dst, '(')
	for i := 0; i < len(s); i++ {
		if c := s[i]; c == '(' || c == ')' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return append(dst, ')')
}

func (a Array) appendTo(dst []byte) []byte {
	dst = append(dst, '[')
	for _, o := range a {
		dst = Append(dst, o)
	}
	return append(dst, ']')
}

func (d Dict) appendTo(dst []byte) []byte {
	var room [16]Name
	keys := room[:0]
	for key := range d {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	dst = append(dst, "<<"...)
	for _, key := range keys {
		switch value := d[key].(type) {
		case nil, Null:
		default:
			dst = key.appendTo(dst)
			dst = value.appendTo(dst)
		}
	}
	return append(dst, ">>"...)
}

func (r Ref) appendTo(dst []byte) []byte {
	dst = strconv.AppendInt(separate(dst), int64(r), 10)
	return append(dst, " 0 R"...)
}

func (s Stream) appendTo(dst []byte) []byte {
	dict := maps.Clone(s.Dict)
	if dict == nil {
		dict = Dict{}
	}
	dict["Length"] = Int(len(s.Raw))
	dst = dict.appendTo(dst)
	dst = append(dst, "\nstream\n"...)
	dst = append(dst, s.Raw...)
	return append(dst, "\nendstream"...)
}

// Text is a text string (ISO 32000-2, 7.9.2.2): as it is where it is printable
// ASCII, UTF-16 with a byte order mark otherwise.
func Text(s string) String {
	if printable(s) {
		return String(s)
	}
	out := []byte{0xfe, 0xff}
	for _, unit := range utf16.Encode([]rune(s)) {
		out = append(out, byte(unit>>8), byte(unit))
	}
	return String(out)
}

// Decode gives the text of a text string; it is the opposite of Text and
// refuses what Text does not make.
func (s String) Decode() (string, error) {
	text := string(s)
	if len(s) >= 2 && s[:2] == "\xfe\xff" {
		var units []uint16
		for i := 2; i+1 < len(s); i += 2 {
			units = append(units, uint16(s[i])<<8|uint16(s[i+1]))
		}
		text = string(utf16.Decode(units))
	}
	if Text(text) != s {
		return "", fmt.Errorf("pdf: a text string in an unknown encoding")
	}
	return text, nil
}

const dateLayout = "D:20060102150405+00'00'"

// Date is a time as a PDF date in UTC, in whole seconds.
func Date(t time.Time) String {
	return String(t.UTC().Format(dateLayout))
}

// ParseDate reads what Date writes.
func ParseDate(s String) (time.Time, error) {
	t, err := time.Parse(dateLayout, string(s))
	if err != nil || Date(t) != s {
		return time.Time{}, fmt.Errorf("pdf: %.40q is no date", string(s))
	}
	return t, nil
}
