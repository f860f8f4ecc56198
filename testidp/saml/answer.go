package saml

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"time"
)

// An answer is everything that a Response says and how it is protected, before
// it is written. Faults change it.
type answer struct {
	id, issuer, destination, inResponseTo string
	issued                                time.Time
	status                                []string // the codes, outermost first
	message                               string
	extensions                            []*node
	assertions                            []*assertion
	seal                                  *seal     // nil: not signed
	envelope                              *envelope // nil: not encrypted
	relay                                 string

	// What is done to the finished thing.
	wrap func(response *node) (*node, error) // the tree
	text func([]byte) []byte                 // the document
	form string                              // in place of the encoded document

	// What faults take from elsewhere.
	keys    *keys
	someone func() *answer // the same answer about somebody else
	earlier func() string  // an encoded answer that was given before
	// otherRequest is the ID of a request that another browser brought.
	otherRequest func() string
}

// An assertion says who was identified, and how.
type assertion struct {
	id, issuer   string
	issued       time.Time
	subject      *subject
	conditions   *conditions
	statements   []statement
	attributes   []attribute
	noAttributes bool // not even an empty statement
	seal         *seal
	text         func([]byte) []byte // what is done to it before it is encrypted
}

type subject struct {
	nameID, format, qualifier, spQualifier string
	confirmation                           *confirmation
}

type confirmation struct {
	method                           string
	inResponseTo, recipient, address string
	notOnOrAfter                     time.Time
	bare                             bool // no SubjectConfirmationData
}

type conditions struct {
	notBefore, notOnOrAfter time.Time
	audiences               []string
}

type statement struct {
	instant        time.Time
	index, address string
	level          string
}

type attribute struct {
	name, format, friendly string
	values                 []string
}

// instant is a time as SAML writes it.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// newID is a random ID of 128 bits.
func newID() string {
	b := make([]byte, 16)
	rand.Read(b)
	return "_" + hex.EncodeToString(b)
}

// each changes every assertion; an error has none.
func (a *answer) each(change func(*assertion)) {
	for _, s := range a.assertions {
		change(s)
	}
}

// shift moves every time.
func (a *answer) shift(d time.Duration) {
	a.issued = a.issued.Add(d)
	a.each(func(s *assertion) {
		s.issued = s.issued.Add(d)
		s.confirm(func(c *confirmation) { c.notOnOrAfter = c.notOnOrAfter.Add(d) })
		s.limit(func(c *conditions) { c.notBefore, c.notOnOrAfter = c.notBefore.Add(d), c.notOnOrAfter.Add(d) })
		s.state(func(t *statement) { t.instant = t.instant.Add(d) })
	})
}

// confirm, limit and state change what an assertion has of each, if it still has
// it: several faults may come together.
func (s *assertion) confirm(change func(*confirmation)) {
	if s.subject != nil && s.subject.confirmation != nil {
		change(s.subject.confirmation)
	}
}

func (s *assertion) limit(change func(*conditions)) {
	if s.conditions != nil {
		change(s.conditions)
	}
}

func (s *assertion) state(change func(*statement)) {
	for i := range s.statements {
		change(&s.statements[i])
	}
}

func (s *assertion) tree() (*node, error) {
	n := el("saml:Assertion", "ID", s.id, "IssueInstant", instant(s.issued), "Version", "2.0")
	n.add(el("saml:Issuer").say(s.issuer))
	if s.subject != nil {
		n.add(s.subject.tree())
	}
	if c := s.conditions; c != nil {
		limits := el("saml:Conditions").setIf("NotBefore", instant(c.notBefore)).setIf("NotOnOrAfter", instant(c.notOnOrAfter))
		if len(c.audiences) > 0 {
			restriction := el("saml:AudienceRestriction")
			for _, a := range c.audiences {
				restriction.add(el("saml:Audience").say(a))
			}
			limits.add(restriction)
		}
		n.add(limits)
	}
	for _, t := range s.statements {
		context := el("saml:AuthnContext")
		if t.level != "" {
			context.add(el("saml:AuthnContextClassRef").say(t.level))
		}
		n.add(el("saml:AuthnStatement", "AuthnInstant", instant(t.instant), "SessionIndex", t.index).add(
			el("saml:SubjectLocality", "Address", t.address), context))
	}
	if !s.noAttributes {
		list := el("saml:AttributeStatement")
		for _, a := range s.attributes {
			list.add(a.tree())
		}
		n.add(list)
	}
	return n, s.seal.sign(n, 1)
}

func (s *subject) tree() *node {
	n := el("saml:Subject").add(el("saml:NameID", "Format", s.format).
		setIf("NameQualifier", s.qualifier).setIf("SPNameQualifier", s.spQualifier).say(s.nameID))
	if c := s.confirmation; c != nil {
		confirmed := el("saml:SubjectConfirmation", "Method", c.method)
		if !c.bare {
			confirmed.add(el("saml:SubjectConfirmationData").setIf("Address", c.address).setIf("InResponseTo", c.inResponseTo).
				setIf("NotOnOrAfter", instant(c.notOnOrAfter)).setIf("Recipient", c.recipient))
		}
		n.add(confirmed)
	}
	return n
}

func (a attribute) tree() *node {
	n := el("saml:Attribute").setIf("FriendlyName", a.friendly).set("Name", a.name).set("NameFormat", a.format)
	for _, v := range a.values {
		n.add(el("saml:AttributeValue", "xsi:type", "xs:string").say(v))
	}
	return n
}

// unsigned is the Response but for its signature.
func (a *answer) unsigned() (*node, error) {
	n := el("samlp:Response").setIf("Destination", a.destination).set("ID", a.id).
		setIf("InResponseTo", a.inResponseTo).set("IssueInstant", instant(a.issued)).set("Version", "2.0")
	if a.issuer != "" {
		n.add(el("saml:Issuer").say(a.issuer))
	}
	if len(a.extensions) > 0 {
		n.add(el("samlp:Extensions").add(a.extensions...))
	}
	var code *node
	for i := len(a.status) - 1; i >= 0; i-- {
		code = el("samlp:StatusCode", "Value", a.status[i]).add(code)
	}
	state := el("samlp:Status").add(code)
	if a.message != "" {
		state.add(el("samlp:StatusMessage").say(a.message))
	}
	n.add(state)
	for _, s := range a.assertions {
		t, err := s.tree()
		if err != nil {
			return nil, err
		}
		if a.envelope == nil {
			n.add(t)
			continue
		}
		plain := t.document()
		if s.text != nil {
			plain = s.text(plain)
		}
		data, err := a.envelope.encrypt(plain)
		if err != nil {
			return nil, err
		}
		n.add(el("saml:EncryptedAssertion").add(data))
	}
	return n, nil
}

// encoded writes the answer as the field SAMLResponse carries it.
func (a *answer) encoded() (string, error) {
	if a.form != "" {
		return a.form, nil
	}
	n, err := a.unsigned()
	if err != nil {
		return "", err
	}
	place := 1
	if a.issuer == "" {
		place = 0
	}
	if err := a.seal.sign(n, place); err != nil {
		return "", err
	}
	if a.wrap != nil {
		if n, err = a.wrap(n); err != nil {
			return "", err
		}
	}
	text := n.document()
	if a.text != nil {
		text = a.text(text)
	}
	return base64.StdEncoding.EncodeToString(text), nil
}
