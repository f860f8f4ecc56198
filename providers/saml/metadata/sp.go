package metadata

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/beevik/etree"

	"sigill/providers"
	"sigill/providers/xmlsec"
)

// SP is what one of our service providers says of itself. An installation has two,
// since only the one that is a signature service may ask for signatures.
type SP struct {
	EntityID string
	// ACS is where answers are posted, exactly as requests name it.
	ACS []string
	// Categories are the service entity categories: which attributes at which level.
	Categories []string
	// SignatureService marks the one that asks for signatures.
	SignatureService bool
	// CoordinationNumbers says that holders of a samordningsnummer are welcome.
	CoordinationNumbers bool
	// WantAssertionsSigned asks for assertions that prove something by themselves.
	WantAssertionsSigned bool

	Name        providers.Text
	Description providers.Text
	Logo        Logo

	Signing     []*x509.Certificate // of the keys that sign requests
	Encryption  []*x509.Certificate // of the key that assertions shall be encrypted to
	NameIDs     []string
	Authority   Organization
	Contacts    []Contact
	ValidUntil  time.Time     // zero: it does not say
	Key         crypto.Signer // signs the document; nil: unsigned
	Certificate *x509.Certificate
}

// Logo is a picture that identity providers show beside our name.
type Logo struct {
	URL           string
	Width, Height int
}

// Organization is who answers for an entity.
type Organization struct {
	Name, DisplayName, URL providers.Text
}

// Contact is whom to write to. Kind is technical, support, administrative, billing
// or other.
type Contact struct {
	Kind, Company, Email string
}

// encryptionMethods are the ways in which we can read what is encrypted to us, the
// best first. The digest of OAEP is only its padding.
var encryptionMethods = []string{
	"http://www.w3.org/2009/xmlenc11#aes256-gcm",
	"http://www.w3.org/2009/xmlenc11#aes128-gcm",
	"http://www.w3.org/2001/04/xmlenc#aes256-cbc",
	"http://www.w3.org/2001/04/xmlenc#aes192-cbc",
	"http://www.w3.org/2001/04/xmlenc#aes128-cbc",
}

const (
	keyTransport   = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
	paddingDigest  = "http://www.w3.org/2000/09/xmldsig#sha1"
	nameFormatURI  = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
	prologue       = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	logoDimensions = 100 // where none are known
)

func (sp SP) validate() error {
	switch {
	case sp.EntityID == "" || len(sp.EntityID) > maxEntityID:
		return errors.New("metadata: the entityID is missing or too long")
	case len(sp.ACS) == 0:
		return errors.New("metadata: no address to post answers to")
	case len(sp.Signing) == 0:
		return errors.New("metadata: no certificate for signing")
	case sp.Name.SV == "" && sp.Name.EN == "":
		return errors.New("metadata: no name to show")
	}
	o, none := sp.Authority, providers.Text{}
	if o != (Organization{}) && (o.Name == none || o.DisplayName == none || o.URL == none) {
		return errors.New("metadata: an organization needs a name, a name to show and a web address")
	}
	for _, c := range sp.Contacts {
		if !slices.Contains([]string{"technical", "support", "administrative", "billing", "other"}, c.Kind) {
			return errors.New("metadata: a contact of a kind that there is not")
		}
	}
	for _, acs := range sp.ACS {
		if err := address(acs); err != nil {
			return fmt.Errorf("metadata: where answers are posted: %w", err)
		}
	}
	return nil
}

// Document writes the metadata of a service provider, signed if it has a key.
func Document(sp SP) ([]byte, error) {
	if err := sp.validate(); err != nil {
		return nil, err
	}
	root := etree.NewElement("md:EntityDescriptor")
	for _, ns := range [][2]string{
		{"md", nsMD}, {"mdattr", nsAttr}, {"mdui", nsUI}, {"saml", nsSAML}, {"ds", nsDS},
	} {
		root.CreateAttr("xmlns:"+ns[0], ns[1])
	}
	root.CreateAttr("entityID", sp.EntityID)
	name := sha256.Sum256([]byte(sp.EntityID))
	root.CreateAttr("ID", "_"+hex.EncodeToString(name[:16]))
	if !sp.ValidUntil.IsZero() {
		root.CreateAttr("validUntil", sp.ValidUntil.UTC().Format(time.RFC3339))
	}
	sp.entityAttributes(root)
	sp.role(root.CreateElement("md:SPSSODescriptor"))
	sp.organization(root)
	for _, c := range sp.Contacts {
		el := root.CreateElement("md:ContactPerson")
		el.CreateAttr("contactType", c.Kind)
		text(el, "md:Company", c.Company)
		if c.Email != "" {
			text(el, "md:EmailAddress", "mailto:"+c.Email)
		}
	}
	if sp.Key != nil {
		if err := xmlsec.Sign(root, sp.Key, sp.Certificate); err != nil {
			return nil, err
		}
	}
	return sp.released(append([]byte(prologue), xmlsec.Bytes(root)...))
}

// released reads a document back before anybody else does.
func (sp SP) released(raw []byte) ([]byte, error) {
	root, err := xmlsec.Parse(raw, maxEntity)
	if err != nil {
		return nil, err
	}
	if sp.Key == nil {
		return raw, nil
	}
	if _, err := xmlsec.Verify(root, sp.Signing); err != nil {
		return nil, fmt.Errorf("metadata: the key that signs it is none of the published ones: %w", err)
	}
	return raw, nil
}

// entityAttributes writes all categories as values of one attribute.
func (sp SP) entityAttributes(root *etree.Element) {
	categories := slices.Clone(sp.Categories)
	if sp.SignatureService {
		categories = append(categories, catSigService)
	}
	if sp.CoordinationNumbers {
		categories = append(categories, catCoordination)
	}
	if len(categories) == 0 {
		return
	}
	a := root.CreateElement("md:Extensions").CreateElement("mdattr:EntityAttributes").CreateElement("saml:Attribute")
	a.CreateAttr("Name", attrCategory)
	a.CreateAttr("NameFormat", nameFormatURI)
	for _, c := range categories {
		text(a, "saml:AttributeValue", c)
	}
}

func (sp SP) role(role *etree.Element) {
	role.CreateAttr("AuthnRequestsSigned", "true")
	role.CreateAttr("WantAssertionsSigned", strconv.FormatBool(sp.WantAssertionsSigned))
	role.CreateAttr("protocolSupportEnumeration", protocol)

	ui := role.CreateElement("md:Extensions").CreateElement("mdui:UIInfo")
	both(ui, "mdui:DisplayName", sp.Name)
	both(ui, "mdui:Description", sp.Description)
	if sp.Logo.URL != "" {
		logo := text(ui, "mdui:Logo", sp.Logo.URL)
		logo.CreateAttr("height", strconv.Itoa(dimension(sp.Logo.Height)))
		logo.CreateAttr("width", strconv.Itoa(dimension(sp.Logo.Width)))
	}
	for _, c := range sp.Signing {
		keyDescriptor(role, "signing", c)
	}
	for _, c := range sp.Encryption {
		k := keyDescriptor(role, "encryption", c)
		for _, alg := range encryptionMethods {
			k.CreateElement("md:EncryptionMethod").CreateAttr("Algorithm", alg)
		}
		transport := k.CreateElement("md:EncryptionMethod")
		transport.CreateAttr("Algorithm", keyTransport)
		transport.CreateElement("ds:DigestMethod").CreateAttr("Algorithm", paddingDigest)
	}
	for _, n := range sp.NameIDs {
		text(role, "md:NameIDFormat", n)
	}
	for i, acs := range sp.ACS {
		el := role.CreateElement("md:AssertionConsumerService")
		el.CreateAttr("Binding", BindingPOST)
		el.CreateAttr("Location", acs)
		el.CreateAttr("index", strconv.Itoa(i))
		if i == 0 {
			el.CreateAttr("isDefault", "true")
		}
	}
}

func (sp SP) organization(root *etree.Element) {
	if sp.Authority == (Organization{}) {
		return
	}
	el := root.CreateElement("md:Organization")
	both(el, "md:OrganizationName", sp.Authority.Name)
	both(el, "md:OrganizationDisplayName", sp.Authority.DisplayName)
	both(el, "md:OrganizationURL", sp.Authority.URL)
}

func keyDescriptor(role *etree.Element, use string, c *x509.Certificate) *etree.Element {
	k := role.CreateElement("md:KeyDescriptor")
	k.CreateAttr("use", use)
	text(k.CreateElement("ds:KeyInfo").CreateElement("ds:X509Data"), "ds:X509Certificate", base64.StdEncoding.EncodeToString(c.Raw))
	return k
}

// both writes a text in each language that it has.
func both(el *etree.Element, tag string, t providers.Text) {
	for _, l := range [][2]string{{"sv", t.SV}, {"en", t.EN}} {
		if l[1] != "" {
			text(el, tag, l[1]).CreateAttr("xml:lang", l[0])
		}
	}
}

// text writes an element with a text in it, if there is one.
func text(el *etree.Element, tag, s string) *etree.Element {
	if s == "" {
		return nil
	}
	child := el.CreateElement(tag)
	child.SetText(s)
	return child
}

func dimension(n int) int {
	if n > 0 {
		return n
	}
	return logoDimensions
}
