package saml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// A node is an element, or text where local is empty. Comments, instructions and
// DTDs have no place in it. What is written is always canonical: digests are made
// over the very bytes that are sent.
type node struct {
	prefix, local string
	attrs         []attr            // without declarations of namespaces
	scope         map[string]string // what prefixes stand for here
	kids          []*node
	text          string
}

type attr struct{ prefix, local, value string }

// el makes an element whose prefixes are those of names.go; pairs are names and
// values of attributes.
func el(name string, pairs ...string) *node {
	n := &node{scope: prefixes}
	n.prefix, n.local = cutName(name)
	for i := 0; i+1 < len(pairs); i += 2 {
		n.set(pairs[i], pairs[i+1])
	}
	return n
}

func cutName(name string) (prefix, local string) {
	if p, l, ok := strings.Cut(name, ":"); ok {
		return p, l
	}
	return "", name
}

// set adds an attribute or changes it.
func (n *node) set(name, value string) *node {
	p, l := cutName(name)
	for i := range n.attrs {
		if n.attrs[i].prefix == p && n.attrs[i].local == l {
			n.attrs[i].value = value
			return n
		}
	}
	n.attrs = append(n.attrs, attr{p, l, value})
	return n
}

// setIf leaves out an attribute that would be empty.
func (n *node) setIf(name, value string) *node {
	if value != "" {
		n.set(name, value)
	}
	return n
}

// add appends children; nil is no child.
func (n *node) add(kids ...*node) *node {
	for _, k := range kids {
		if k != nil {
			n.kids = append(n.kids, k)
		}
	}
	return n
}

// say appends text.
func (n *node) say(text string) *node {
	n.kids = append(n.kids, &node{text: text})
	return n
}

// insert puts a child at a place.
func (n *node) insert(at int, kid *node) {
	n.kids = slices.Insert(n.kids, min(at, len(n.kids)), kid)
}

// take removes the first child of a name and returns it; nil if there is none.
func (n *node) take(space, local string) *node {
	for i, k := range n.kids {
		if k.is(space, local) {
			n.kids = slices.Delete(n.kids, i, i+1)
			return k
		}
	}
	return nil
}

// clone copies the whole tree.
func (n *node) clone() *node {
	c := *n
	c.attrs = slices.Clone(n.attrs)
	c.kids = make([]*node, len(n.kids))
	for i, k := range n.kids {
		c.kids[i] = k.clone()
	}
	return &c
}

func (n *node) space() string { return n.scope[n.prefix] }

func (n *node) is(space, local string) bool {
	return n.local == local && local != "" && n.space() == space
}

// attr is the value of an attribute without a prefix. A nil node has none.
func (n *node) attr(local string) string { v, _ := n.lookup(local); return v }

func (n *node) lookup(local string) (string, bool) {
	if n == nil {
		return "", false
	}
	for _, a := range n.attrs {
		if a.prefix == "" && a.local == local {
			return a.value, true
		}
	}
	return "", false
}

// lang is xml:lang.
func (n *node) lang() string {
	for _, a := range n.attrs {
		if a.prefix == "xml" && a.local == "lang" {
			return a.value
		}
	}
	return ""
}

// elements are the children that are elements.
func (n *node) elements() []*node {
	var out []*node
	for _, k := range n.kids {
		if k.local != "" {
			out = append(out, k)
		}
	}
	return out
}

// all are the children of a name. A nil node has none.
func (n *node) all(space, local string) []*node {
	if n == nil {
		return nil
	}
	var out []*node
	for _, k := range n.kids {
		if k.is(space, local) {
			out = append(out, k)
		}
	}
	return out
}

// child is the first child of a name. A nil node has none.
func (n *node) child(space, local string) *node {
	if n == nil {
		return nil
	}
	for _, k := range n.kids {
		if k.is(space, local) {
			return k
		}
	}
	return nil
}

// content is the text of an element, outer spaces cut. A nil node has none.
func (n *node) content() string {
	if n == nil {
		return ""
	}
	var b strings.Builder
	for _, k := range n.kids {
		b.WriteString(k.text)
	}
	return strings.TrimSpace(b.String())
}

// walk visits every element from the top down until visit says no.
func (n *node) walk(visit func(*node) bool) bool {
	if n.local == "" {
		return true
	}
	if !visit(n) {
		return false
	}
	for _, k := range n.kids {
		if !k.walk(visit) {
			return false
		}
	}
	return true
}

// document writes the element as a document of its own. It is its exclusive
// canonical form with xs declared, which xsi:type needs though no name shows it.
func (n *node) document() []byte { return n.canonical("xs") }

// canonical is Exclusive XML Canonicalization 1.0 without comments of the element
// as the apex; inclusive are the prefixes of InclusiveNamespaces.
func (n *node) canonical(inclusive ...string) []byte {
	var b bytes.Buffer
	n.render(&b, map[string]string{}, inclusive)
	return b.Bytes()
}

var (
	textEscapes  = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#xD;")
	valueEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;", "\t", "&#x9;", "\n", "&#xA;", "\r", "&#xD;")
)

func (n *node) render(b *bytes.Buffer, rendered map[string]string, inclusive []string) {
	if n.local == "" {
		textEscapes.WriteString(b, n.text)
		return
	}
	name := n.local
	if n.prefix != "" {
		name = n.prefix + ":" + n.local
	}
	used := []string{n.prefix}
	for _, a := range n.attrs {
		if a.prefix != "" {
			used = append(used, a.prefix)
		}
	}
	for _, p := range inclusive {
		if _, ok := n.scope[p]; ok {
			used = append(used, p)
		}
	}
	slices.Sort(used)
	here, own := rendered, false
	b.WriteString("<" + name)
	for _, p := range slices.Compact(used) {
		space := n.scope[p]
		if p == "xml" || here[p] == space {
			continue // a prefix is never undeclared, and no default is as good as an empty one
		}
		if !own {
			here, own = maps.Clone(rendered), true
		}
		here[p] = space
		if p != "" {
			p = ":" + p
		}
		b.WriteString(" xmlns" + p + `="`)
		valueEscapes.WriteString(b, space)
		b.WriteString(`"`)
	}
	attrs := slices.Clone(n.attrs)
	slices.SortFunc(attrs, func(x, y attr) int {
		if c := strings.Compare(n.attrSpace(x), n.attrSpace(y)); c != 0 {
			return c
		}
		return strings.Compare(x.local, y.local)
	})
	for _, a := range attrs {
		b.WriteString(" ")
		if a.prefix != "" {
			b.WriteString(a.prefix + ":")
		}
		b.WriteString(a.local + `="`)
		valueEscapes.WriteString(b, a.value)
		b.WriteString(`"`)
	}
	b.WriteString(">")
	for _, k := range n.kids {
		k.render(b, here, inclusive)
	}
	b.WriteString("</" + name + ">")
}

func (n *node) attrSpace(a attr) string {
	if a.prefix == "" {
		return ""
	}
	return n.scope[a.prefix]
}

// What a document may have.
const (
	maxDepth    = 40
	maxElements = 5000
	maxNames    = 100 // attributes of an element, and prefixes in scope
)

// parse reads a document and refuses whatever has no business in SAML: DTDs,
// comments, instructions, undeclared prefixes, attributes or IDs that stand there
// twice, depth.
func parse(data []byte) (*node, error) { return read(data, false) }

// read is parse; comments may be skipped, as where documents are written for people
// too. No signature covers them.
func read(data []byte, comments bool) (*node, error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	var root *node
	var open []*node
	ids := map[string]bool{}
	elements := 0
	scope := map[string]string{"xml": nsXML}
	for {
		start := d.InputOffset()
		token, err := d.RawToken()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("not well-formed: %w", err)
		}
		switch t := token.(type) {
		case xml.Directive:
			return nil, errors.New("a DTD is not allowed")
		case xml.Comment:
			if !comments {
				return nil, errors.New("comments are not allowed")
			}
		case xml.ProcInst:
			if t.Target != "xml" || start != 0 {
				return nil, errors.New("processing instructions are not allowed")
			}
		case xml.StartElement:
			if elements++; elements > maxElements || len(open) >= maxDepth {
				return nil, errors.New("too many or too deep elements")
			}
			outer := scope
			if len(open) > 0 {
				outer = open[len(open)-1].scope
			}
			n, err := element(t, outer, ids)
			if err != nil {
				return nil, err
			}
			switch {
			case len(open) > 0:
				open[len(open)-1].add(n)
			case root != nil:
				return nil, errors.New("two root elements")
			default:
				root = n
			}
			open = append(open, n)
		case xml.EndElement:
			if len(open) == 0 {
				return nil, errors.New("not well-formed: an end without a start")
			}
			top := open[len(open)-1]
			if top.prefix != t.Name.Space || top.local != t.Name.Local {
				return nil, errors.New("not well-formed: the wrong end")
			}
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].say(string(t))
			} else if strings.TrimSpace(string(t)) != "" {
				return nil, errors.New("text outside of the root element")
			}
		}
	}
	if root == nil || len(open) > 0 {
		return nil, errors.New("not well-formed: something is missing")
	}
	return root, nil
}

func element(t xml.StartElement, outer map[string]string, ids map[string]bool) (*node, error) {
	n := &node{prefix: t.Name.Space, local: t.Name.Local, scope: outer}
	if len(t.Attr) > maxNames || len(outer) > maxNames {
		return nil, errors.New("too many attributes or namespaces")
	}
	declared := map[string]bool{}
	for _, a := range t.Attr {
		prefix, isNS := a.Name.Local, a.Name.Space == "xmlns"
		if a.Name.Space == "" && a.Name.Local == "xmlns" {
			prefix, isNS = "", true
		}
		if !isNS {
			n.attrs = append(n.attrs, attr{a.Name.Space, a.Name.Local, a.Value})
			continue
		}
		if prefix == "xml" || prefix == "xmlns" || prefix != "" && a.Value == "" {
			return nil, errors.New("a forbidden declaration of a namespace")
		}
		if declared[prefix] {
			return nil, errors.New("a namespace that is declared twice")
		}
		if len(declared) == 0 {
			n.scope = maps.Clone(n.scope)
		}
		declared[prefix] = true
		n.scope[prefix] = a.Value
	}
	if _, ok := n.scope[n.prefix]; !ok && n.prefix != "" || n.local == "" || strings.Contains(n.local, ":") {
		return nil, errors.New("an element whose prefix is not declared")
	}
	seen := map[[2]string]bool{}
	for _, a := range n.attrs {
		if _, ok := n.scope[a.prefix]; !ok && a.prefix != "" || strings.Contains(a.local, ":") {
			return nil, errors.New("an attribute whose prefix is not declared")
		}
		if strings.ContainsAny(a.value, "\t\n\r") {
			return nil, errors.New("a line break in an attribute")
		}
		key := [2]string{n.attrSpace(a), a.local}
		if seen[key] {
			return nil, errors.New("an attribute that stands there twice")
		}
		seen[key] = true
		if strings.EqualFold(a.local, "ID") {
			if ids[a.value] {
				return nil, errors.New("an ID that stands there twice")
			}
			ids[a.value] = true
		}
	}
	return n, nil
}
