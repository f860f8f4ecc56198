package pdf

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
)

// SyntaxError says where a file leaves the profile.
type SyntaxError struct {
	Offset int
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("pdf: at byte %d: %s", e.Offset, e.Reason)
}

// maxInt is the largest integer that every reader of PDF can hold.
const maxInt = 1<<31 - 1

// parser reads tokens, and accepts each object in its only spelling.
type parser struct {
	buf    []byte
	pos    int
	depth  int // levels still allowed
	values int // values still allowed
	// names are those that were seen: a file says the same few again and again.
	names map[string]Object
	refs  []Ref    // those that were read
	items []Object // of the arrays that are being read
}

func (p *parser) fail(format string, args ...any) error {
	return &SyntaxError{Offset: p.pos, Reason: fmt.Sprintf(format, args...)}
}

// misspelled refuses what Append writes in another way.
func (p *parser) misspelled(what string) error {
	return p.fail("%s that is not spelled as we spell it", what)
}

// take moves past a literal text if it stands here.
func (p *parser) take(text string) bool {
	if len(p.buf)-p.pos < len(text) || string(p.buf[p.pos:p.pos+len(text)]) != text {
		return false
	}
	p.pos += len(text)
	return true
}

// number reads digits only, without leading zeros.
func (p *parser) number() (int, error) {
	start := p.pos
	for p.pos < len(p.buf) && p.pos-start < 11 && '0' <= p.buf[p.pos] && p.buf[p.pos] <= '9' {
		p.pos++
	}
	digits := p.buf[start:p.pos]
	n, err := strconv.ParseUint(string(digits), 10, 63)
	if err != nil || n > maxInt || len(digits) > 1 && digits[0] == '0' {
		p.pos = start
		return 0, p.fail("expected a number")
	}
	return int(n), nil
}

func (p *parser) object() (Object, error) {
	// A space stands between two tokens that would run together, and only there.
	if p.pos+1 < len(p.buf) && p.buf[p.pos] == ' ' {
		if p.pos == 0 || !regular(p.buf[p.pos-1]) || !regular(p.buf[p.pos+1]) {
			return nil, p.misspelled("a space")
		}
		p.pos++
	}
	if p.pos >= len(p.buf) {
		return nil, p.fail("the file ends inside an object")
	}
	if p.values--; p.values < 0 {
		return nil, p.fail("too many values")
	}
	switch c := p.buf[p.pos]; {
	case c == '/':
		return p.name()
	case c == '(':
		return p.literal()
	case c == '[':
		return p.array()
	case p.take("<<"):
		return p.dict(nil)
	case c == '<':
		return p.hex()
	case c == '-' || c == '.' || '0' <= c && c <= '9':
		return p.numeric()
	}
	switch string(p.word()) {
	case "true":
		return Bool(true), nil
	case "false":
		return Bool(false), nil
	case "null":
		return Null{}, nil
	}
	return nil, p.fail("expected an object")
}

// word gives the regular characters here and moves past them, if they are not
// too many to mean anything.
func (p *parser) word() []byte {
	end := p.pos
	for end < len(p.buf) && regular(p.buf[end]) {
		end++
	}
	const longest = 3 * 127
	if end-p.pos > longest {
		return nil
	}
	word := p.buf[p.pos:end]
	p.pos = end
	return word
}

func (p *parser) name() (Object, error) {
	start := p.pos
	p.pos++
	raw := p.word()
	if name, known := p.names[string(raw)]; known {
		return name, nil
	}
	name := raw
	if bytes.IndexByte(raw, '#') >= 0 {
		name = nil
		for i := 0; i < len(raw); i++ {
			c := raw[i]
			if c == '#' {
				var b [1]byte
				if i+2 >= len(raw) {
					return nil, &SyntaxError{start, "a broken escape in a name"}
				}
				if _, err := hex.Decode(b[:], raw[i+1:i+3]); err != nil || b[0] == 0 {
					return nil, &SyntaxError{start, "a broken escape in a name"}
				}
				c = b[0]
				i += 2
			}
			name = append(name, c)
		}
	}
	o := Object(Name(name))
	if len(name) == 0 || !bytes.Equal(Append(nil, o), p.buf[start:p.pos]) {
		p.pos = start
		return nil, p.misspelled("a name")
	}
	if p.names == nil {
		p.names = map[string]Object{}
	}
	p.names[string(raw)] = o
	return o, nil
}

func (p *parser) literal() (Object, error) {
	start := p.pos + 1
	escaped := false
	for i := start; i < len(p.buf); i++ {
		switch c := p.buf[i]; {
		case c == ')':
			p.pos = i + 1
			if !escaped {
				return String(p.buf[start:i]), nil
			}
			out := make([]byte, 0, i-start)
			for at := start; at < i; at++ {
				if p.buf[at] == '\\' {
					at++
				}
				out = append(out, p.buf[at])
			}
			return String(out), nil
		case c == '\\':
			escaped = true
			if i++; i >= len(p.buf) || p.buf[i] != '(' && p.buf[i] != ')' && p.buf[i] != '\\' {
				return nil, p.misspelled("a string")
			}
		case c == '(' || c < ' ' || c > '~':
			return nil, p.misspelled("a string")
		}
	}
	return nil, p.fail("the file ends inside a string")
}

func (p *parser) hex() (Object, error) {
	raw := p.buf[p.pos+1:]
	end := bytes.IndexByte(raw, '>')
	if end < 0 {
		return nil, p.fail("the file ends inside a string")
	}
	out := make([]byte, hex.DecodedLen(end))
	if _, err := hex.Decode(out, raw[:end]); err != nil {
		return nil, p.fail("a string that is not hexadecimal")
	}
	if bytes.ContainsAny(raw[:end], "ABCDEF") || printable(string(out)) {
		return nil, p.misspelled("a string")
	}
	p.pos += end + 2
	return String(out), nil
}

func (p *parser) array() (Object, error) {
	if p.depth--; p.depth < 0 {
		return nil, p.fail("nested too deeply")
	}
	p.pos++
	first := len(p.items)
	for !p.take("]") {
		o, err := p.object()
		if err != nil {
			return nil, err
		}
		p.items = append(p.items, o)
	}
	p.depth++
	array := make(Array, len(p.items)-first)
	copy(array, p.items[first:])
	p.items = p.items[:first]
	return array, nil
}

// dict reads what follows <<. With spans it also notes where each value stands.
func (p *parser) dict(spans map[Name][2]int) (Object, error) {
	if p.depth--; p.depth < 0 {
		return nil, p.fail("nested too deeply")
	}
	dict := Dict{}
	var before Name
	for !p.take(">>") {
		if p.pos >= len(p.buf) || p.buf[p.pos] != '/' {
			return nil, p.fail("expected a key")
		}
		start := p.pos
		o, err := p.name()
		if err != nil {
			return nil, err
		}
		key := o.(Name)
		switch {
		case key == before:
			return nil, &SyntaxError{start, "the same key twice"}
		case key < before:
			return nil, &SyntaxError{start, "keys that are not sorted"}
		}
		before = key
		at := p.pos
		value, err := p.object()
		if err != nil {
			return nil, err
		}
		if value == (Null{}) {
			return nil, &SyntaxError{start, "a key without a value"}
		}
		dict[key] = value
		if spans != nil {
			if p.buf[at] == ' ' {
				at++
			}
			spans[key] = [2]int{at, p.pos}
		}
	}
	p.depth++
	return dict, nil
}

func (p *parser) numeric() (Object, error) {
	start := p.pos
	raw := p.word()
	if len(raw) > 24 {
		p.pos = start
		return nil, p.fail("a number too long")
	}
	if bytes.IndexByte(raw, '.') >= 0 {
		f, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || f > maxInt || f < -maxInt {
			p.pos = start
			return nil, p.fail("a broken or huge number")
		}
		var room [64]byte
		if !bytes.Equal(Real(f).appendTo(room[:0]), raw) {
			p.pos = start
			return nil, p.misspelled("a number")
		}
		return Real(f), nil
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n > maxInt || n < -maxInt {
		p.pos = start
		return nil, p.fail("a broken or huge number")
	}
	var room [24]byte
	if !bytes.Equal(strconv.AppendInt(room[:0], n, 10), raw) {
		p.pos = start
		return nil, p.misspelled("a number")
	}
	if n > 0 && p.take(" 0 R") {
		if p.pos < len(p.buf) && regular(p.buf[p.pos]) {
			return nil, p.fail("a broken reference")
		}
		p.refs = append(p.refs, Ref(n))
		return Ref(n), nil
	}
	return Int(n), nil
}
