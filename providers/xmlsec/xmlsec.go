// Package xmlsec reads, verifies and makes signed XML, as SAML uses it.
//
// It owns the narrow door through which foreign XML comes in: Parse refuses all
// that SAML has no use for, Verify believes one signature of one fixed shape and
// hands back nothing but what that signature covers. Below lie goxmldsig and
// etree, which are more generous. It knows nothing of SAML's messages, of whose
// key is whose, or of the network.
//
// It follows XML Signature 1.1 and Exclusive XML Canonicalization, limited to the
// profile of SAML 2.0 Core section 5.4, and SAML 2.0 Bindings section 3.4.4.1.
package xmlsec

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/beevik/etree"
)

// The namespaces that decide something here.
const (
	nsDS        = "http://www.w3.org/2000/09/xmldsig#"
	nsExcC14N   = "http://www.w3.org/2001/10/xml-exc-c14n#"
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsXML       = "http://www.w3.org/XML/1998/namespace"
	nsXMLNS     = "http://www.w3.org/2000/xmlns/"
)

// Error is the error of XML or of a signature that was refused. Check is one
// short word for the log; Err never quotes the document, which may hold persons.
type Error struct {
	Check string
	Err   error
}

func (e *Error) Error() string { return fmt.Sprintf("xml refused at %s: %v", e.Check, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

func refuse(check, format string, args ...any) error {
	return &Error{Check: check, Err: fmt.Errorf(format, args...)}
}

// contain turns a panic of what lies below into an error.
func contain(err *error) {
	if r := recover(); r != nil {
		*err = &Error{Check: "panic", Err: errors.New("the XML library gave up")}
	}
}

// Bytes writes an element as a document of its own, in a form that Parse reads
// back to the same tree. Namespaces that were declared further out are lost; see
// Detach.
func Bytes(el *etree.Element) []byte {
	s := etree.WriteSettings{CanonicalEndTags: true, CanonicalText: true, CanonicalAttrVal: true}
	var b bytes.Buffer
	el.WriteTo(&b, &s)
	return b.Bytes()
}

// Detach copies an element out of its document, with the namespaces that it
// inherited declared on it.
func Detach(el *etree.Element) *etree.Element {
	out := el.Copy()
	for up := el.Parent(); up != nil; up = up.Parent() {
		for _, a := range up.Attr {
			if isNamespace(a) && !hasAttr(out, a.Space, a.Key) {
				out.Attr = append(out.Attr, etree.Attr{Space: a.Space, Key: a.Key, Value: a.Value})
			}
		}
	}
	return out
}

func isNamespace(a etree.Attr) bool {
	return a.Space == "xmlns" || a.Space == "" && a.Key == "xmlns"
}

func hasAttr(el *etree.Element, space, key string) bool {
	_, ok := attr(el, space, key)
	return ok
}

// attr is the attribute with exactly this prefix: etree's own look-up takes any
// prefix when none is asked for.
func attr(el *etree.Element, space, key string) (string, bool) {
	for _, a := range el.Attr {
		if a.Space == space && a.Key == key {
			return a.Value, true
		}
	}
	return "", false
}

// Attr is the value of an element's attribute without prefix, or "".
func Attr(el *etree.Element, key string) string {
	v, _ := attr(el, "", key)
	return v
}

// Is reports whether an element has this name in this namespace.
func Is(el *etree.Element, namespace, tag string) bool {
	return el != nil && el.Tag == tag && el.NamespaceURI() == namespace
}

// Children are the direct children of an element with this name.
func Children(el *etree.Element, namespace, tag string) []*etree.Element {
	var out []*etree.Element
	for _, c := range el.ChildElements() {
		if Is(c, namespace, tag) {
			out = append(out, c)
		}
	}
	return out
}

// Child is the first direct child with this name, or nil.
func Child(el *etree.Element, namespace, tag string) *etree.Element {
	for _, c := range el.ChildElements() {
		if Is(c, namespace, tag) {
			return c
		}
	}
	return nil
}
