package metadata

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"

	"sigill/providers"
	"sigill/providers/xmlsec"
)

// ours is a service provider with everything that there is.
func ours() SP {
	c := theCast()
	return SP{
		EntityID: "https://login.example/eid/telia/metadata",
		ACS:      []string{"https://login.example/eid/telia/back", "https://login.example/eid/telia/back2"},
		Categories: []string{
			"http://id.elegnamnden.se/ec/1.0/loa3-pnr", "http://id.swedenconnect.se/contract/sc/sweden-connect",
		},
		CoordinationNumbers: true,
		Name:                providers.Text{SV: "Testkommun & Söner", EN: "Test <municipality>"},
		Description:         providers.Text{SV: "E-tjänster", EN: "E-services"},
		Logo:                Logo{URL: "https://login.example/logo.png", Width: 200, Height: 80},
		Signing:             certs(c.rsa, c.next),
		Encryption:          certs(c.rsa),
		NameIDs:             []string{"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"},
		Authority: Organization{
			Name: providers.Text{SV: "Testkommun", EN: "Testkommun"}, DisplayName: providers.Text{SV: "Testkommun"},
			URL: providers.Text{SV: "https://www.example/"},
		},
		Contacts:    []Contact{{Kind: "technical", Company: "Testkommun", Email: "drift@example.se"}, {Kind: "support", Email: "hjalp@example.se"}},
		ValidUntil:  now.Add(time.Hour),
		Key:         c.rsa.key,
		Certificate: c.rsa.cert,
	}
}

// order is the names of all elements, as the schema wants them.
func order(el *etree.Element, depth int) []string {
	var out []string
	for _, c := range el.ChildElements() {
		if c.Tag == "Signature" {
			out = append(out, strings.Repeat(" ", depth)+c.FullTag())
			continue
		}
		out = append(out, strings.Repeat(" ", depth)+c.FullTag())
		out = append(out, order(c, depth+1)...)
	}
	return slices.Compact(out)
}

func TestDocument(t *testing.T) {
	raw, err := Document(ours())
	if err != nil {
		t.Fatal(err)
	}
	root, err := xmlsec.Parse(raw, maxEntity)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.Trim(`
ds:Signature
md:Extensions
 mdattr:EntityAttributes
  saml:Attribute
   saml:AttributeValue
md:SPSSODescriptor
 md:Extensions
  mdui:UIInfo
   mdui:DisplayName
   mdui:Description
   mdui:Logo
 md:KeyDescriptor
  ds:KeyInfo
   ds:X509Data
    ds:X509Certificate
 md:KeyDescriptor
  ds:KeyInfo
   ds:X509Data
    ds:X509Certificate
 md:KeyDescriptor
  ds:KeyInfo
   ds:X509Data
    ds:X509Certificate
  md:EncryptionMethod
   ds:DigestMethod
 md:NameIDFormat
 md:AssertionConsumerService
md:Organization
 md:OrganizationName
 md:OrganizationDisplayName
 md:OrganizationURL
md:ContactPerson
 md:Company
 md:EmailAddress
md:ContactPerson
 md:EmailAddress`, "\n"), "\n")
	if got := order(root, 0); !slices.Equal(got, want) {
		t.Errorf("elements\n%s", strings.Join(got, "\n"))
	}
	if again, err := Document(ours()); err != nil || !bytes.Equal(raw, again) {
		t.Error("not the same the second time")
	}
}

// Somebody else's reader sees what we meant.
func TestDocumentReadByOthers(t *testing.T) {
	raw, err := Document(ours())
	if err != nil {
		t.Fatal(err)
	}
	var got saml.EntityDescriptor
	if err := xml.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if got.EntityID != ours().EntityID || !got.ValidUntil.Equal(ours().ValidUntil) || len(got.SPSSODescriptors) != 1 {
		t.Fatalf("%q until %v, %d roles", got.EntityID, got.ValidUntil, len(got.SPSSODescriptors))
	}
	sp := got.SPSSODescriptors[0]
	if sp.AuthnRequestsSigned == nil || !*sp.AuthnRequestsSigned || sp.WantAssertionsSigned == nil || *sp.WantAssertionsSigned {
		t.Error("signed requests, assertions as they come: not said")
	}
	var uses []string
	for _, k := range sp.KeyDescriptors {
		uses = append(uses, k.Use)
	}
	if !slices.Equal(uses, []string{"signing", "signing", "encryption"}) {
		t.Errorf("keys for %v", uses)
	}
	var methods []string
	for _, m := range sp.KeyDescriptors[2].EncryptionMethods {
		methods = append(methods, m.Algorithm)
	}
	if !slices.Equal(methods, append(slices.Clone(encryptionMethods), keyTransport)) {
		t.Errorf("encrypted by %v", methods)
	}
	if len(sp.AssertionConsumerServices) != 2 || sp.AssertionConsumerServices[0].Location != ours().ACS[0] ||
		sp.AssertionConsumerServices[0].Binding != saml.HTTPPostBinding || sp.AssertionConsumerServices[1].Index != 1 ||
		sp.AssertionConsumerServices[0].IsDefault == nil || !*sp.AssertionConsumerServices[0].IsDefault {
		t.Errorf("answers to %+v", sp.AssertionConsumerServices)
	}
	if len(sp.NameIDFormats) != 1 || sp.NameIDFormats[0] != saml.PersistentNameIDFormat {
		t.Errorf("names %v", sp.NameIDFormats)
	}
	if got.Organization == nil || got.Organization.OrganizationNames[0].Value != "Testkommun" || got.Organization.OrganizationNames[0].Lang != "sv" {
		t.Errorf("organization %+v", got.Organization)
	}
	// Names go through unharmed, and categories are values of one attribute.
	root, err := xmlsec.Parse(raw, maxEntity)
	if err != nil {
		t.Fatal(err)
	}
	if s := root.FindElement("./SPSSODescriptor/Extensions/UIInfo/DisplayName").Text(); s != ours().Name.SV {
		t.Errorf("name %q", s)
	}
	ext := xmlsec.Child(root, nsMD, "Extensions")
	if n := len(ext.FindElements("./EntityAttributes/Attribute")); n != 1 {
		t.Errorf("%d attributes", n)
	}
	if got := entityAttribute(ext, attrCategory); !slices.Equal(got, append(slices.Clone(ours().Categories), catCoordination)) {
		t.Errorf("categories %v", got)
	}
}

func TestDocumentOfTheSigningOne(t *testing.T) {
	sp := ours()
	sp.SignatureService, sp.WantAssertionsSigned, sp.CoordinationNumbers = true, true, false
	sp.Contacts, sp.Authority, sp.Logo, sp.NameIDs = nil, Organization{}, Logo{}, nil
	sp.ValidUntil, sp.Key = time.Time{}, nil
	raw, err := Document(sp)
	if err != nil {
		t.Fatal(err)
	}
	root, err := xmlsec.Parse(raw, maxEntity)
	if err != nil {
		t.Fatal(err)
	}
	if got := entityAttribute(xmlsec.Child(root, nsMD, "Extensions"), attrCategory); !slices.Equal(got, append(slices.Clone(sp.Categories), catSigService)) {
		t.Errorf("categories %v", got)
	}
	role := xmlsec.Child(root, nsMD, "SPSSODescriptor")
	if xmlsec.Attr(role, "WantAssertionsSigned") != "true" || xmlsec.Attr(root, "validUntil") != "" || xmlsec.Signed(root) {
		t.Errorf("%s", raw)
	}
	for _, none := range []string{"NameIDFormat", "AttributeConsumingService"} {
		if xmlsec.Child(role, nsMD, none) != nil {
			t.Errorf("an empty %s", none)
		}
	}
}

func TestDocumentRefuses(t *testing.T) {
	for name, change := range map[string]func(*SP){
		"no entityID":                            func(sp *SP) { sp.EntityID = "" },
		"an endless entityID":                    func(sp *SP) { sp.EntityID = strings.Repeat("a", 1025) },
		"nowhere to answer":                      func(sp *SP) { sp.ACS = nil },
		"answers in the clear":                   func(sp *SP) { sp.ACS[1] = "http://login.example/back" },
		"no key":                                 func(sp *SP) { sp.Signing = nil },
		"no key, and unsigned":                   func(sp *SP) { sp.Signing, sp.Key = nil, nil },
		"an organization without a name to show": func(sp *SP) { sp.Authority.DisplayName = providers.Text{} },
		"no name":                                func(sp *SP) { sp.Name = providers.Text{} },
		"an organization without an address":     func(sp *SP) { sp.Authority.URL = providers.Text{} },
		"a contact of no kind":                   func(sp *SP) { sp.Contacts[0].Kind = "boss" },
		"a key of somebody else":                 func(sp *SP) { sp.Key = theCast().stranger.key },
	} {
		sp := ours()
		change(&sp)
		if _, err := Document(sp); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestXMLSec1BelievesTheDocument(t *testing.T) {
	xmlsec1, err := exec.LookPath("xmlsec1")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("xmlsec1 is not installed")
		}
		t.Skip("xmlsec1 is not installed")
	}
	for name, by := range map[string]pair{"RSA": theCast().rsa, "P-256": theCast().next} {
		t.Run(name, func(t *testing.T) {
			sp := ours()
			sp.Key, sp.Certificate = by.key, by.cert
			raw, err := Document(sp)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			key, doc := filepath.Join(dir, "key.pem"), filepath.Join(dir, "sp.xml")
			pub, err := x509.MarshalPKIXPublicKey(by.key.Public())
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub}), 0o600); err != nil {
				t.Fatal(err)
			}
			verify := func(raw []byte) error {
				if err := os.WriteFile(doc, raw, 0o600); err != nil {
					t.Fatal(err)
				}
				return exec.Command(xmlsec1, "--verify", "--pubkey-pem", key, "--enabled-key-data", "key-name",
					"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:metadata:EntityDescriptor", doc).Run()
			}
			if err := verify(raw); err != nil {
				t.Error("xmlsec1 refuses it")
			}
			if err := verify(bytes.Replace(raw, []byte("/back2"), []byte("/evil2"), 1)); err == nil {
				t.Error("xmlsec1 is no judge: it believes what was changed")
			}
		})
	}
}
