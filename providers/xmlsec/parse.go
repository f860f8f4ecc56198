package xmlsec

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/beevik/etree"
	roundtrip "github.com/mattermost/xml-roundtrip-validator"
)

// What bounds a document beside its bytes. With these the work of reading it grows
// as its bytes do, whatever is in them.
const (
	maxDepth      = 40 // elements in each other; SAML's own messages stay under 20
	maxAttributes = 64 // of one element, declarations of namespaces among them
	maxPrefixes   = 64 // declared around one element, also where one hides another

	// minNode is how many of the bytes that may be read stand for each element and
	// each piece of text: less on the average than anybody needs who has something
	// to say. A message may have some thousands, a federation's feed some millions.
	minNode = 16
)

// Parse reads a document of at most limit bytes and returns its root. It refuses
// everything by which two readers could see two documents: document types,
// comments and processing instructions, IDs and attributes that stand there twice,
// elements without a namespace, and what would change when it is written again. Nor
// does it read what is only there to make work.
func Parse(raw []byte, limit int) (root *etree.Element, err error) { return read(raw, limit, false) }

// ParseMetadata is Parse for documents that people write comments into. They are
// left out of what is read, as they are left out of what signatures cover.
func ParseMetadata(raw []byte, limit int) (root *etree.Element, err error) {
	return read(raw, limit, true)
}

func read(raw []byte, limit int, comments bool) (root *etree.Element, err error) {
	defer contain(&err)
	if len(raw) > limit {
		return nil, refuse("size", "%d bytes, at most %d are read", len(raw), limit)
	}
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	r := newReader(limit / minNode)
	dec := xml.NewDecoder(bytes.NewReader(raw))
	for first := true; ; first = false {
		at := dec.InputOffset()
		token, err := dec.RawToken()
		if errors.Is(err, io.EOF) {
			return r.end()
		}
		if err != nil {
			return nil, refuse("syntax", "not XML at byte %d", dec.InputOffset())
		}
		if _, ok := token.(xml.Comment); ok && comments {
			if r.left--; r.left < 0 {
				return nil, refuse("nodes", "more elements and texts than a document of its size may have")
			}
			continue
		}
		if err := r.token(token, first); err != nil {
			return nil, err
		}
		if plain(token) {
			continue
		}
		if err := roundtrip.CheckToken(token); err != nil {
			return nil, refuse("unstable", "would not be the same when written again, at byte %d", at)
		}
	}
}

// plain reports whether a token holds nothing but what no writer writes otherwise:
// most tokens do, and trying them would take longer than all the rest of reading.
func plain(token xml.Token) bool {
	switch t := token.(type) {
	case xml.CharData:
		return !slices.ContainsFunc(t, func(c byte) bool { return !plainByte(c) && c != '\n' })
	case xml.EndElement:
		return plainName(t.Name)
	case xml.StartElement:
		return plainName(t.Name) && !slices.ContainsFunc(t.Attr, func(a xml.Attr) bool {
			return !plainName(a.Name) || strings.ContainsFunc(a.Value, func(c rune) bool { return c > '~' || !plainByte(byte(c)) })
		})
	}
	return false
}

func plainByte(c byte) bool {
	return c >= ' ' && c <= '~' && c != '<' && c != '>' && c != '&' && c != '"' && c != '\''
}

// plainName: ASCII letters, digits, hyphens, dots and underscores, beginning with a
// letter; the prefix may be missing.
func plainName(n xml.Name) bool {
	word := func(s string) bool {
		for i, c := range s {
			letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
			if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_')) {
				return false
			}
		}
		return true
	}
	return n.Local != "" && word(n.Local) && word(n.Space)
}

// reader builds the tree while it looks at the tokens, so that nobody reads
// anything but what was looked at.
type reader struct {
	ids    map[string]bool
	left   int              // how many more elements and texts there may be
	open   []*etree.Element // the document, and the elements that have not ended
	scopes []*scope         // what prefixes mean in each of them
}

// scope is one declaration, and the scope around it.
type scope struct {
	prefix, namespace string
	around            *scope
	size              int
}

func (s *scope) declare(prefix, namespace string) *scope {
	size := 1
	if s != nil {
		size += s.size
	}
	return &scope{prefix, namespace, s, size}
}

// find says what a prefix stands for.
func (s *scope) find(prefix string) (string, bool) {
	for ; s != nil; s = s.around {
		if s.prefix == prefix {
			return s.namespace, true
		}
	}
	return "", false
}

func newReader(nodes int) *reader {
	var s *scope
	return &reader{
		ids: map[string]bool{}, left: nodes,
		open:   []*etree.Element{&etree.NewDocument().Element},
		scopes: []*scope{s.declare("xml", nsXML).declare("xmlns", nsXMLNS).declare("", "")},
	}
}

func (r *reader) depth() int          { return len(r.open) - 1 }
func (r *reader) top() *etree.Element { return r.open[len(r.open)-1] }

func (r *reader) end() (*etree.Element, error) {
	roots := r.open[0].ChildElements()
	if r.depth() != 0 || len(roots) != 1 {
		return nil, refuse("syntax", "not one whole element")
	}
	return roots[0], nil
}

func (r *reader) token(token xml.Token, first bool) error {
	switch t := token.(type) {
	case xml.Directive:
		return refuse("dtd", "document type or other directive")
	case xml.Comment:
		return refuse("comment", "comment")
	case xml.ProcInst:
		if !first || t.Target != "xml" {
			return refuse("instruction", "processing instruction")
		}
	case xml.CharData:
		if r.depth() > 0 {
			if err := r.count(); err != nil {
				return err
			}
			r.top().CreateText(string(t))
		} else if len(bytes.Trim(t, " \t\r\n")) > 0 {
			return refuse("syntax", "text outside the element")
		}
	case xml.EndElement:
		if r.depth() == 0 || r.top().Space != t.Name.Space || r.top().Tag != t.Name.Local {
			return refuse("syntax", "ends what is not open")
		}
		r.open, r.scopes = r.open[:r.depth()], r.scopes[:r.depth()]
	case xml.StartElement:
		return r.start(t)
	}
	return nil
}

func (r *reader) count() error {
	if r.left--; r.left < 0 {
		return refuse("nodes", "more elements and texts than a document of its size may have")
	}
	return nil
}

func (r *reader) start(t xml.StartElement) error {
	if err := r.count(); err != nil {
		return err
	}
	if len(t.Attr) > maxAttributes {
		return refuse("attributes", "an element with more than %d attributes", maxAttributes)
	}
	if r.depth() >= maxDepth {
		return refuse("depth", "elements deeper than %d", maxDepth)
	}
	scope, err := r.scope(t)
	if err != nil {
		return err
	}
	if err := elementNamed(t.Name, scope); err != nil {
		return err
	}
	if err := r.attributes(t, scope); err != nil {
		return err
	}
	el := r.top().CreateElement(t.Name.Local)
	el.Space = t.Name.Space
	for _, a := range t.Attr { // which are known to be different
		el.Attr = append(el.Attr, etree.Attr{Space: a.Name.Space, Key: a.Name.Local, Value: a.Value})
	}
	r.open, r.scopes = append(r.open, el), append(r.scopes, scope)
	return nil
}

// scope is what prefixes mean inside an element. What is declared again as it was
// is nothing new.
func (r *reader) scope(t xml.StartElement) (*scope, error) {
	inside := r.scopes[len(r.scopes)-1]
	for _, a := range t.Attr {
		prefix := a.Name.Local
		switch {
		case a.Name.Space == "" && prefix == "xmlns":
			prefix = ""
		case a.Name.Space != "xmlns":
			continue
		case a.Value == "" || prefix == "xmlns" || (prefix == "xml") != (a.Value == nsXML):
			return nil, refuse("namespace", "a prefix is declared as it may not be")
		}
		if a.Value == nsXMLNS || prefix == "" && a.Value == nsXML {
			return nil, refuse("namespace", "a reserved namespace is declared")
		}
		if was, ok := inside.find(prefix); ok && was == a.Value {
			continue
		}
		if inside = inside.declare(prefix, a.Value); inside.size > maxPrefixes {
			return nil, refuse("prefixes", "more than %d prefixes", maxPrefixes)
		}
	}
	return inside, nil
}

// named refuses names that are no names, and prefixes that stand for nothing.
func named(name xml.Name, s *scope) (namespace string, err error) {
	if strings.Contains(name.Local, ":") {
		return "", refuse("namespace", "a name with an empty half")
	}
	namespace, ok := s.find(name.Space)
	if !ok {
		return "", refuse("namespace", "a prefix that nothing declares")
	}
	return namespace, nil
}

// elementNamed refuses elements that are in nobody's namespace, or in that of XML
// itself, which has none.
func elementNamed(name xml.Name, s *scope) error {
	namespace, err := named(name, s)
	if err != nil {
		return err
	}
	if namespace == "" || namespace == nsXML || namespace == nsXMLNS {
		return refuse("namespace", "an element without a namespace that could have any")
	}
	return nil
}

func (r *reader) attributes(t xml.StartElement, scope *scope) error {
	seen := make(map[xml.Name]bool, len(t.Attr))
	ids := 0
	for _, a := range t.Attr {
		name := a.Name
		if name != (xml.Name{Local: "xmlns"}) {
			namespace, err := named(name, scope)
			if err != nil {
				return err
			}
			if name.Space != "" {
				name.Space = namespace
			}
		}
		if seen[name] {
			return refuse("duplicate-attribute", "the same attribute twice on one element")
		}
		seen[name] = true
		if a.Name.Space == "xmlns" || !strings.EqualFold(name.Local, "id") {
			continue
		}
		if ids++; ids > 1 || r.ids[a.Value] {
			return refuse("duplicate-id", "an ID twice")
		}
		r.ids[a.Value] = true
	}
	return nil
}
