// Package padestest is for tests of seals: certificates to seal with, a file to
// seal, and forged files that a verifier must refuse. It writes CMS with code of
// its own, so that a misreading cannot hide in both ends. Its keys are made when
// they are needed and are worth nothing.
package padestest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"sigill/signing/pdf"
)

// PKI is a root and an issuer below it, both on P-384.
type PKI struct {
	Root, Issuer       *x509.Certificate
	rootKey, issuerKey crypto.Signer
}

// Leaf describes a certificate to issue. Zero fields take usual values.
type Leaf struct {
	Organisation  string
	OrgIdentifier string
	KeyUsage      x509.KeyUsage // contentCommitment
	ExtKeyUsage   []x509.ExtKeyUsage
	NotBefore     time.Time // 2020
	NotAfter      time.Time // 2050
	Serial        int64     // random
}

// Organisation is the sealer where a Leaf names none.
const Organisation = "Exempelkommunen"

// OrgIdentifier is that of the sealer where a Leaf names none.
const OrgIdentifier = "NTRSE-EXEMPEL"

// NewPKI makes a root and an issuer. Two of them differ only in their keys.
func NewPKI(t testing.TB) *PKI {
	t.Helper()
	p := &PKI{rootKey: NewKey(t, elliptic.P384()), issuerKey: NewKey(t, elliptic.P384())}
	root := authority("Test Root", 1)
	p.Root = issue(t, root, root, p.rootKey.Public(), p.rootKey)
	p.Issuer = issue(t, authority("Test Seal Issuer", 2), p.Root, p.issuerKey.Public(), p.rootKey)
	return p
}

func authority(name string, serial int64) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: year(2019), NotAfter: year(2060),
		Subject:  pkix.Name{CommonName: name, Organization: []string{"Testutfärdaren"}, Country: []string{"SE"}},
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true,
	}
}

// NewKey makes an ECDSA key.
func NewKey(t testing.TB, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Issue gives a key a certificate, and the chain from it to below the root.
func (p *PKI) Issue(t testing.TB, key crypto.Signer, leaf Leaf) []*x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(leaf.Serial), NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter,
		KeyUsage: leaf.KeyUsage, ExtKeyUsage: leaf.ExtKeyUsage, BasicConstraintsValid: true,
	}
	if leaf.Serial == 0 {
		serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
		if err != nil {
			t.Fatal(err)
		}
		template.SerialNumber = serial.Add(serial, big.NewInt(1))
	}
	if leaf.NotBefore.IsZero() {
		template.NotBefore, template.NotAfter = year(2020), year(2050)
	}
	if leaf.KeyUsage == 0 {
		template.KeyUsage = x509.KeyUsageContentCommitment
	}
	if leaf.Organisation == "" {
		leaf.Organisation, leaf.OrgIdentifier = Organisation, OrgIdentifier
	}
	template.Subject = pkix.Name{
		CommonName: leaf.Organisation + " e-stämpel", Organization: []string{leaf.Organisation}, Country: []string{"SE"},
	}
	if leaf.OrgIdentifier != "" {
		template.Subject.ExtraNames = []pkix.AttributeTypeAndValue{
			{Type: asn1.ObjectIdentifier{2, 5, 4, 97}, Value: leaf.OrgIdentifier},
		}
	}
	return []*x509.Certificate{issue(t, template, p.Issuer, key.Public(), p.issuerKey), p.Issuer}
}

func issue(t testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func year(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }

// Unsealed makes a file to seal: two pages and an attachment.
func Unsealed(t testing.TB) []byte {
	t.Helper()
	var deflater pdf.Deflater
	w := pdf.NewWriter()
	root, pages, first, second := w.Reserve(), w.Reserve(), w.Reserve(), w.Reserve()
	font := w.Add(pdf.Dict{"Type": pdf.Name("Font"), "Subtype": pdf.Name("Type1"), "BaseFont": pdf.Name("Helvetica")})
	for i, page := range []pdf.Ref{first, second} {
		text := "BT /F 12 Tf 72 700 Td (Page " + string(rune('1'+i)) + ": the amount is 100 kronor) Tj ET\n"
		w.Put(page, pdf.Dict{
			"Type": pdf.Name("Page"), "Parent": pages, "Contents": w.Add(deflater.Stream(nil, []byte(text))),
			"MediaBox":  pdf.Array{pdf.Int(0), pdf.Int(0), pdf.Real(595.28), pdf.Real(841.89)},
			"Resources": pdf.Dict{"Font": pdf.Dict{"F": font}},
		})
	}
	w.Put(pages, pdf.Dict{"Type": pdf.Name("Pages"), "Kids": pdf.Array{first, second}, "Count": pdf.Int(2)})
	file := w.Add(deflater.Stream(pdf.Dict{"Type": pdf.Name("EmbeddedFile"), "Subtype": pdf.Name("text/plain")}, []byte("evidence\n")))
	spec := w.Add(pdf.Dict{
		"Type": pdf.Name("Filespec"), "F": pdf.Text("bevis.txt"), "UF": pdf.Text("bevis.txt"),
		"AFRelationship": pdf.Name("Source"), "EF": pdf.Dict{"F": file, "UF": file},
	})
	w.Put(root, pdf.Dict{
		"Type": pdf.Name("Catalog"), "Pages": pages, "Lang": pdf.Text("sv-SE"), "AF": pdf.Array{spec},
		"Names": pdf.Dict{"EmbeddedFiles": pdf.Dict{"Names": pdf.Array{pdf.Text("bevis.txt"), spec}}},
	})
	info := w.Add(pdf.Dict{"Title": pdf.Text("Kvittens för Testperson Ett")})
	id := pdf.String("\x00123456789abcdef")
	out, err := w.Finish(pdf.Trailer{Root: root, Info: info, ID: [2]pdf.String{id, id}})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
