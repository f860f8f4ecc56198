package bankid

import (
	"errors"
	"fmt"
	"strings"
)

// Algorithms and namespaces of the signature profile.
const (
	algC14N   = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
	algSHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
	algRSA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	nsDS      = "http://www.w3.org/2000/09/xmldsig#"
	nsBID     = "http://www.bankid.com/signature/v1.0.0/types"
)

// A signature is what stands in the issuer's XML.
//
// The profile promises a document that is canonical as it is written: default
// namespaces only, no white space between elements, explicit end tags. So the
// parser accepts that one spelling and no other, and the three signed parts are
// the very bytes that were read. Everything that makes XML dangerous (entities,
// declarations, comments, a second element of a kind, an element in another
// place) is a syntax error here, which leaves nothing to wrap.
type signature struct {
	// The exact bytes that are signed or digested.
	signedInfo string
	keyInfo    string
	signedData string

	canonicalization string
	method           string
	references       []reference
	value            string   // base64
	certificates     []string // base64 DER, leaf first

	visible        *string // base64; nil: absent
	visibleCharset string
	visibleFormat  string
	nonVisible     *string // base64; nil: absent

	rpName        string // base64
	rpNonce       string // base64
	rpDisplayName string // base64
	function      string
	version       string // base64
	aiType        string // base64
	uhi           string // base64
	conditions    []condition
}

type reference struct {
	typ       string
	uri       string
	transform string
	digest    string
	value     string // base64
}

type condition struct{ typ, value string }

const (
	maxReferences   = 8
	maxCertificates = 8
	maxConditions   = 16
)

// parseSignature reads the whole document or refuses it.
func parseSignature(doc string) (*signature, error) {
	p := &scanner{in: doc}
	s := p.signature()
	if p.err == nil && p.at != len(p.in) {
		p.fail("something after the end")
	}
	if p.err != nil {
		return nil, p.err
	}
	return s, nil
}

// A scanner walks through a document of one fixed shape. After the first fault
// it stands still.
type scanner struct {
	in  string
	at  int
	err error
}

func (p *scanner) fail(what string) {
	if p.err == nil {
		p.err = fmt.Errorf("%s at byte %d", what, p.at)
	}
}

func (p *scanner) sees(literal string) bool {
	return p.err == nil && strings.HasPrefix(p.in[p.at:], literal)
}

func (p *scanner) literal(literal string) {
	switch {
	case p.err != nil:
	case !p.sees(literal):
		p.fail("expected " + literal)
	default:
		p.at += len(literal)
	}
}

// until reads printable ASCII up to the end character. References to entities
// are not needed anywhere, so the ampersand has no place, nor has ">", which
// canonical text would spell as an entity.
func (p *scanner) until(end byte) string {
	if p.err != nil {
		return ""
	}
	from := p.at
	for ; p.at < len(p.in); p.at++ {
		switch c := p.in[p.at]; {
		case c == end:
			return p.in[from:p.at]
		case c < ' ' || c > '~' || c == '&' || c == '<' || c == '>' || c == '"':
			p.fail("forbidden character")
			return ""
		}
	}
	p.fail("unexpected end")
	return ""
}

func (p *scanner) text(name string) string {
	p.literal("<" + name + ">")
	s := p.until('<')
	p.literal("</" + name + ">")
	return s
}

func (p *scanner) optional(name string) *string {
	if !p.sees("<" + name + ">") {
		return nil
	}
	s := p.text(name)
	return &s
}

func (p *scanner) attribute(name string) string {
	p.literal(" " + name + `="`)
	s := p.until('"')
	p.literal(`"`)
	return s
}

// algorithm reads an empty element with the one attribute Algorithm.
func (p *scanner) algorithm(name string) string {
	p.literal("<" + name)
	s := p.attribute("Algorithm")
	p.literal("></" + name + ">")
	return s
}

func (p *scanner) since(from int) string {
	if p.err != nil {
		return ""
	}
	return p.in[from:p.at]
}

func (p *scanner) signature() *signature {
	s := new(signature)
	p.literal(`<?xml version="1.0" encoding="UTF-8" standalone="no"?>`)
	p.literal(`<Signature xmlns="` + nsDS + `">`)
	p.readSignedInfo(s)
	s.value = p.text("SignatureValue")
	p.readKeyInfo(s)
	p.literal("<Object>")
	p.readSignedData(s)
	p.literal("</Object></Signature>")
	return s
}

func (p *scanner) readSignedInfo(s *signature) {
	from := p.at
	p.literal(`<SignedInfo xmlns="` + nsDS + `">`)
	s.canonicalization = p.algorithm("CanonicalizationMethod")
	s.method = p.algorithm("SignatureMethod")
	for first := true; first || p.sees("<Reference "); first = false {
		if len(s.references) == maxReferences {
			p.fail("too many references")
			return
		}
		var r reference
		p.literal("<Reference")
		if p.sees(" Type=") {
			r.typ = p.attribute("Type")
		}
		r.uri = p.attribute("URI")
		p.literal("><Transforms>")
		r.transform = p.algorithm("Transform")
		p.literal("</Transforms>")
		r.digest = p.algorithm("DigestMethod")
		r.value = p.text("DigestValue")
		p.literal("</Reference>")
		s.references = append(s.references, r)
	}
	p.literal("</SignedInfo>")
	s.signedInfo = p.since(from)
}

func (p *scanner) readKeyInfo(s *signature) {
	from := p.at
	p.literal(`<KeyInfo xmlns="` + nsDS + `" Id="bidKeyInfo"><X509Data>`)
	for first := true; first || p.sees("<X509Certificate>"); first = false {
		if len(s.certificates) == maxCertificates {
			p.fail("too many certificates")
			return
		}
		s.certificates = append(s.certificates, p.text("X509Certificate"))
	}
	p.literal("</X509Data></KeyInfo>")
	s.keyInfo = p.since(from)
}

func (p *scanner) readSignedData(s *signature) {
	from := p.at
	p.literal(`<bankIdSignedData xmlns="` + nsBID + `" Id="bidSignedData">`)
	if p.sees("<usrVisibleData ") {
		p.literal("<usrVisibleData")
		s.visibleCharset = p.attribute("charset")
		if p.sees(" format=") {
			s.visibleFormat = p.attribute("format")
		}
		p.literal(` visible="wysiwys">`)
		text := p.until('<')
		s.visible = &text
		p.literal("</usrVisibleData>")
	}
	s.nonVisible = p.optional("usrNonVisibleData")

	p.literal("<srvInfo>")
	s.rpName = p.text("name")
	s.rpNonce = p.text("nonce")
	s.rpDisplayName = p.text("displayName")
	p.literal("</srvInfo><clientInfo>")
	s.function = p.text("funcId")
	s.version = p.text("version")
	p.optional("rpRef")
	p.literal("<env><ai>")
	s.aiType = p.text("type")
	p.text("deviceInfo")
	s.uhi = p.text("uhi")
	p.optional("fsib")
	p.optional("utb")
	p.literal("<requirement>")
	for first := true; first || p.sees("<condition>"); first = false {
		if len(s.conditions) == maxConditions {
			p.fail("too many conditions")
			return
		}
		p.literal("<condition>")
		c := condition{typ: p.text("type"), value: p.text("value")}
		p.literal("</condition>")
		s.conditions = append(s.conditions, c)
	}
	p.literal("</requirement>")
	p.optional("uauth")
	p.literal("</ai></env></clientInfo></bankIdSignedData>")
	s.signedData = p.since(from)
}

// policy is the certificate policy that the issuer says was fulfilled.
func (s *signature) policy() (string, error) {
	found := ""
	for _, c := range s.conditions {
		if c.typ != "CertificatePolicies" {
			continue
		}
		if found != "" {
			return "", errors.New("two conditions on the certificate policy")
		}
		found = c.value
	}
	if found == "" {
		return "", errors.New("no condition on the certificate policy")
	}
	return found, nil
}
