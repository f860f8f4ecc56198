package bankid

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"sigill/testidp/control"
	"sigill/testidp/pki"
)

// Namespaces and algorithms of bankid.md 8.1.
const (
	nsSignature = "http://www.w3.org/2000/09/xmldsig#"
	nsBankID    = "http://www.bankid.com/signature/v1.0.0/types"
	algC14N     = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
	algSHA256   = "http://www.w3.org/2001/04/xmlenc#sha256"
	algRSA      = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	declaration = `<?xml version="1.0" encoding="UTF-8" standalone="no"?>`
)

// The operations as clientInfo/funcId writes them.
const (
	funcIdentification = "Identification"
	funcSigning        = "Signing"
)

// signedData is the content of bankIdSignedData.
type signedData struct {
	visible    string // base64 as sent; empty when not sent
	format     string // only simpleMarkdownV1 is written
	nonVisible string // base64 as sent; empty when not sent
	rp         pki.RelyingParty
	funcID     string
	device     device
	condition  string // the policy that was fulfilled
	cardReader string // class, when a reader was asked for
}

// A device is what clientInfo says about the app.
type device struct {
	version string
	system  string
	info    string
	uhi     string // base64 of 21 bytes
	secure  string // fsib
	bearer  string // utb
}

// deviceOf makes up a device for a kind of e-ID. The hardware id is the same
// every time a person uses it.
func deviceOf(number string, k pki.Kind) device {
	sum := sha256.Sum256([]byte("uhi\x00" + number + "\x00" + string(k)))
	uhi := base64.StdEncoding.EncodeToString(sum[:21])
	if k == pki.Mobile {
		return device{version: "7.60.1", system: "ANDROID", info: "15", uhi: uhi, secure: "0", bearer: "cs1"}
	}
	d := device{
		version: "Personal=7.16.0.9&BankID_exe=7.16.0.9&BISP=7.16.0.9&platform=win64&os_version=win11&display_version=&uhi=" +
			uhi + "&legacyuhi=" + uhi + "&best_before=1893456000&",
		system: "WINDOWS", info: "win11", uhi: uhi, secure: "1", bearer: "file",
	}
	if k == pki.Card {
		d.bearer = "cr2"
	}
	return d
}

// xml writes the element in canonical form: digests are made over these bytes.
func (s signedData) xml() []byte {
	var b bytes.Buffer
	text := func(name, value string) { fmt.Fprintf(&b, "<%s>%s</%s>", name, value, name) }
	coded := func(name, value string) { text(name, base64.StdEncoding.EncodeToString([]byte(value))) }

	b.WriteString(`<bankIdSignedData xmlns="` + nsBankID + `" Id="bidSignedData">`)
	if s.visible != "" {
		b.WriteString(`<usrVisibleData charset="UTF-8"`)
		if s.format == formatMarkdown {
			b.WriteString(` format="` + formatMarkdown + `"`)
		}
		b.WriteString(` visible="wysiwys">` + s.visible + `</usrVisibleData>`)
	}
	if s.nonVisible != "" {
		text("usrNonVisibleData", s.nonVisible)
	}
	nonce := make([]byte, 20)
	rand.Read(nonce)
	b.WriteString("<srvInfo>")
	coded("name", s.rp.Name)
	coded("nonce", string(nonce))
	coded("displayName", s.rp.DisplayName)
	b.WriteString("</srvInfo><clientInfo>")
	text("funcId", s.funcID)
	coded("version", s.device.version)
	b.WriteString("<env><ai>")
	coded("type", s.device.system)
	coded("deviceInfo", s.device.info)
	// The hardware id is base64 already; its text is what device.uhi repeats.
	text("uhi", s.device.uhi)
	text("fsib", s.device.secure)
	text("utb", s.device.bearer)
	b.WriteString("<requirement>")
	condition := func(kind, value string) {
		b.WriteString("<condition>")
		text("type", kind)
		text("value", value)
		b.WriteString("</condition>")
	}
	condition("CertificatePolicies", s.condition)
	if s.cardReader != "" {
		condition("CardReader", s.cardReader)
	}
	b.WriteString("</requirement>")
	text("uauth", "pw")
	b.WriteString("</ai></env></clientInfo></bankIdSignedData>")
	return b.Bytes()
}

// keyInfo writes the certificates in canonical form; the root is left out.
func keyInfo(leaf *pki.Leaf) []byte {
	var b bytes.Buffer
	b.WriteString(`<KeyInfo xmlns="` + nsSignature + `" Id="bidKeyInfo"><X509Data>`)
	for _, c := range leaf.Chain {
		b.WriteString("<X509Certificate>" + base64.StdEncoding.EncodeToString(c.Raw) + "</X509Certificate>")
	}
	b.WriteString("</X509Data></KeyInfo>")
	return b.Bytes()
}

func reference(kind, uri string, digest [32]byte) string {
	if kind != "" {
		kind = ` Type="` + kind + `"`
	}
	return `<Reference` + kind + ` URI="` + uri + `"><Transforms><Transform Algorithm="` + algC14N + `"></Transform></Transforms>` +
		`<DigestMethod Algorithm="` + algSHA256 + `"></DigestMethod><DigestValue>` +
		base64.StdEncoding.EncodeToString(digest[:]) + `</DigestValue></Reference>`
}

// signXML makes the document of bankid.md 8.1. The three canonical byte
// strings are built first, hashed and signed, and then only put together. A
// decoy is put, unsigned, before what was signed.
func signXML(s signedData, decoy *signedData, leaf *pki.Leaf, stranger *rsa.PrivateKey, f control.Drawn) ([]byte, error) {
	data, info := s.xml(), keyInfo(leaf)
	digest := sha256.Sum256(data)
	if f[badDigest] {
		digest[0] ^= 1
	}
	kind := nsBankID
	if f[missingType] {
		kind = ""
	}
	references := reference(kind, "#bidSignedData", digest) + reference("", "#bidKeyInfo", sha256.Sum256(info))
	if f[extraReference] {
		references += reference("", "#bidSignedData", digest)
	}
	signedInfo := `<SignedInfo xmlns="` + nsSignature + `"><CanonicalizationMethod Algorithm="` + algC14N + `"></CanonicalizationMethod>` +
		`<SignatureMethod Algorithm="` + algRSA + `"></SignatureMethod>` + references + `</SignedInfo>`

	key := leaf.Key
	if f[wrongKey] {
		key = stranger
	}
	sum := sha256.Sum256([]byte(signedInfo))
	value, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		return nil, fmt.Errorf("bankid: sign: %w", err)
	}
	if f[badSignature] {
		value[len(value)/2] ^= 1
	}
	if f[comment] {
		data = bytes.Replace(data, []byte("</funcId>"), []byte("<!-- x --></funcId>"), 1)
	}

	var b bytes.Buffer
	b.WriteString(declaration)
	if f[dtd] {
		b.WriteString(`<!DOCTYPE Signature [<!ENTITY x "x">]>`)
	}
	b.WriteString(`<Signature xmlns="` + nsSignature + `">` + signedInfo + `<SignatureValue>` +
		base64.StdEncoding.EncodeToString(value) + `</SignatureValue>`)
	b.Write(info)
	b.WriteString("<Object>")
	if decoy != nil {
		b.Write(decoy.xml())
	}
	b.Write(data)
	b.WriteString("</Object></Signature>")
	return b.Bytes(), nil
}
