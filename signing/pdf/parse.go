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

// parser reads tokens. It skips single spaces without asking whether they
// belong there: whoever calls it compares the bytes with what Append makes of
// the object.
type parser struct {
	buf    []byte
	pos    int
	depth  int // levels still allowed
	values int // values still allowed
	// names are those that were seen: a file says the same few again and again.
	names map[string]Name
}

func (p *parser) fail(format string, args ...any) error {
	return &SyntaxError{Offset: p.pos, Reason: fmt.Sprintf(format, args...)}
}

func (p *parser) skip() {
	for p.pos < len(p.buf) && p.buf[p.pos] == ' ' {
		p.pos++
	}
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
	p.skip()
	if p.pos >= len(p.buf) {
		return nil, p.fail("the file ends inside an object")
	}
	if p.values--; p.values < 0 {
		return nil, p.fail("too many values")
	}
	if p.depth--; p.depth < 0 {
		return nil, p.fail("nested too deeply")
	}
	defer func() { p.depth++ }()
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
	case p.take("true"):
		return Bool(true), nil
	case p.take("false"):
		return Bool(false), nil
	case p.take("null"):
		return Null{}, nil
	}
	return nil, p.fail("expected an object")
}

func (p *parser) name() (Object, error) {
	start := p.pos
	p.pos++
	end := p.pos
	escaped := false
	for end < len(p.buf) && regular(p.buf[end]) {
		escaped = escaped || p.buf[end] == '#'
		end++
	}
	raw := p.buf[p.pos:end]
	if len(raw) == 0 || len(raw) > 3*127 {
		return nil, p.fail("an empty or long name")
	}
	p.pos = end
	if !escaped {
		name, known := p.names[string(raw)]
		if !known {
			name = Name(raw)
			if p.names == nil {
				p.names = map[string]Name{}
			}
			p.names[string(name)] = name
		}
		return name, nil
	}
	var name []byte
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
	return Name(name), nil
}

func (p *parser) literal() (Object, error) {
	var out []byte
	for i := p.pos + 1; i < len(p.buf); i++ {
		switch c := p.buf[i]; c {
		case ')':
			p.pos = i + 1
			return String(out), nil
		case '(':
			return nil, p.fail("a parenthesis without a backslash")
		case '\\':
			if i++; i >= len(p.buf) {
				return nil, p.fail("the file ends inside a string")
			}
			out = append(out, p.buf[i])
		default:
			out = append(out, c)
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
	p.pos += end + 2
	return String(out), nil
}

func (p *parser) array() (Object, error) {
	p.pos++
	array := Array{}
	for {
		p.skip()
		if p.take("]") {
			return array, nil
		}
		o, err := p.object()
		if err != nil {
			return nil, err
		}
		array = append(array, o)
	}
}

// dict reads what follows <<. With spans it also notes where each value stands.
func (p *parser) dict(spans map[Name][2]int) (Object, error) {
	dict := Dict{}
	for {
		p.skip()
		if p.take(">>") {
			return dict, nil
		}
		if p.pos >= len(p.buf) || p.buf[p.pos] != '/' {
			return nil, p.fail("expected a key")
		}
		start := p.pos
		key, err := p.name()
		if err != nil {
			return nil, err
		}
		name := key.(Name)
		if _, twice := dict[name]; twice {
			return nil, &SyntaxError{start, "the same key twice"}
		}
		p.skip()
		at := p.pos
		value, err := p.object()
		if err != nil {
			return nil, err
		}
		if value == (Null{}) {
			return nil, &SyntaxError{start, "a key without a value"}
		}
		dict[name] = value
		if spans != nil {
			spans[name] = [2]int{at, p.pos}
		}
	}
}

func (p *parser) numeric() (Object, error) {
	start := p.pos
	end := start
	real := false
	for end < len(p.buf) && regular(p.buf[end]) {
		real = real || p.buf[end] == '.'
		end++
	}
	raw := p.buf[start:end]
	if len(raw) > 24 {
		return nil, p.fail("a number too long")
	}
	if real {
		for _, c := range raw {
			if c != '-' && c != '.' && (c < '0' || c > '9') {
				return nil, p.fail("a broken number")
			}
		}
		f, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || f > maxInt || f < -maxInt {
			return nil, p.fail("a broken number")
		}
		p.pos = end
		return Real(f), nil
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n > maxInt || n < -maxInt {
		return nil, p.fail("a broken or huge number")
	}
	p.pos = end
	if n > 0 && p.take(" 0 R") {
		if p.pos < len(p.buf) && regular(p.buf[p.pos]) {
			return nil, p.fail("a broken reference")
		}
		return Ref(n), nil
	}
	return Int(n), nil
}
