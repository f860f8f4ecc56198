package bankid

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ocsp"
)

// expectation is what a relying party knows about its order.
type expectation struct {
	root       *x509.Certificate
	sign       bool
	visible    string
	markdown   bool
	nonVisible string
	policies   []string // accepted
	pnr        string
	display    string
	name       string
	since      time.Time
	until      time.Time
}

// verify is a small verifier made for these tests from bankid.md 8.3 and 9.3.
// It returns every fault, by short names, so that a test can demand that a
// fault mode changes one thing and nothing else.
func verify(c completionData, e expectation) []string {
	v := &verifier{}
	raw, err := base64.StdEncoding.Strict().DecodeString(c.Signature)
	if err != nil {
		return []string{"base64"}
	}
	leaf, issuer := v.document(raw, c, e)
	if leaf != nil {
		v.revocation(c, e, leaf, issuer)
	}
	return v.faults
}

type verifier struct{ faults []string }

func (v *verifier) check(ok bool, fault string) {
	if !ok {
		v.faults = append(v.faults, fault)
	}
}

type xmlSignature struct {
	SignedInfo struct {
		C14N struct {
			Algorithm string `xml:",attr"`
		} `xml:"CanonicalizationMethod"`
		Method struct {
			Algorithm string `xml:",attr"`
		} `xml:"SignatureMethod"`
		Reference []struct {
			Type      *string `xml:",attr"`
			URI       string  `xml:",attr"`
			Transform []struct {
				Algorithm string `xml:",attr"`
			} `xml:"Transforms>Transform"`
			Method struct {
				Algorithm string `xml:",attr"`
			} `xml:"DigestMethod"`
			Digest string `xml:"DigestValue"`
		}
	}
	SignatureValue string
	Certificates   []string `xml:"KeyInfo>X509Data>X509Certificate"`
	Data           []struct {
		Visible *struct {
			Charset string  `xml:"charset,attr"`
			Format  *string `xml:"format,attr"`
			Visible string  `xml:"visible,attr"`
			Text    string  `xml:",chardata"`
		} `xml:"usrVisibleData"`
		NonVisible *string `xml:"usrNonVisibleData"`
		Server     struct {
			Name    string `xml:"name"`
			Nonce   string `xml:"nonce"`
			Display string `xml:"displayName"`
		} `xml:"srvInfo"`
		Client struct {
			FuncID    string `xml:"funcId"`
			Version   string `xml:"version"`
			UHI       string `xml:"env>ai>uhi"`
			Condition []struct {
				Type  string `xml:"type"`
				Value string `xml:"value"`
			} `xml:"env>ai>requirement>condition"`
		} `xml:"clientInfo"`
	} `xml:"Object>bankIdSignedData"`
}

func between(doc []byte, from, to string) []byte {
	i := bytes.Index(doc, []byte(from))
	j := bytes.LastIndex(doc, []byte(to))
	if i < 0 || j < i {
		return nil
	}
	return doc[i : j+len(to)]
}

func (v *verifier) document(raw []byte, c completionData, e expectation) (leaf, issuer *x509.Certificate) {
	v.check(bytes.HasPrefix(raw, []byte(`<?xml version="1.0" encoding="UTF-8" standalone="no"?><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo xmlns="http://www.w3.org/2000/09/xmldsig#">`)), "start")
	v.check(!bytes.Contains(raw, []byte("<!DOCTYPE")), "doctype")
	v.check(!bytes.Contains(raw, []byte("<!--")), "comment")
	v.check(!bytes.Contains(raw, []byte("/>")), "empty tags")
	var s xmlSignature
	d := xml.NewDecoder(bytes.NewReader(raw))
	d.Strict = true
	if err := d.Decode(&s); err != nil {
		v.check(false, "xml "+err.Error())
		return nil, nil
	}
	const c14n = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
	v.check(s.SignedInfo.C14N.Algorithm == c14n, "c14n")
	v.check(s.SignedInfo.Method.Algorithm == "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "method")
	refs := s.SignedInfo.Reference
	v.check(len(refs) == 2, "references")
	if len(refs) < 2 || len(s.Certificates) != 3 || len(s.Data) == 0 {
		v.check(false, "shape")
		return nil, nil
	}
	v.check(refs[0].Type != nil && *refs[0].Type == "http://www.bankid.com/signature/v1.0.0/types", "type")
	v.check(refs[1].Type == nil, "type of second")
	v.check(refs[0].URI == "#bidSignedData" && refs[1].URI == "#bidKeyInfo", "uri")
	for _, r := range refs {
		v.check(len(r.Transform) == 1 && r.Transform[0].Algorithm == c14n, "transform")
		v.check(r.Method.Algorithm == "http://www.w3.org/2001/04/xmlenc#sha256", "digest method")
	}
	v.check(len(s.Data) == 1, "data elements")
	data := s.Data[len(s.Data)-1]
	signed := between(raw, "<bankIdSignedData ", "</bankIdSignedData>")
	if i := bytes.LastIndex(signed, []byte("<bankIdSignedData ")); i > 0 {
		signed = signed[i:]
	}
	// C14N without comments would drop them.
	signed = bytes.ReplaceAll(signed, []byte("<!-- x -->"), nil)
	for i, part := range [][]byte{signed, between(raw, "<KeyInfo ", "</KeyInfo>")} {
		sum := sha256.Sum256(part)
		v.check(refs[i].Digest == base64.StdEncoding.EncodeToString(sum[:]), fmt.Sprintf("digest %d", i+1))
	}
	var chain []*x509.Certificate
	for _, text := range s.Certificates {
		der, err := base64.StdEncoding.DecodeString(text)
		if err == nil {
			var cert *x509.Certificate
			if cert, err = x509.ParseCertificate(der); err == nil {
				chain = append(chain, cert)
			}
		}
		if err != nil {
			v.check(false, "certificate")
			return nil, nil
		}
	}
	leaf, issuer = chain[0], chain[1]
	sum := sha256.Sum256(between(raw, "<SignedInfo ", "</SignedInfo>"))
	value, _ := base64.StdEncoding.DecodeString(s.SignatureValue)
	v.check(rsa.VerifyPKCS1v15(leaf.PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], value) == nil, "signature")
	roots, middle := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(e.root)
	middle.AddCert(chain[1])
	middle.AddCert(chain[2])
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: middle, CurrentTime: e.until, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		v.check(false, "expired")
	} else {
		v.check(err == nil, "chain")
	}

	policy := ""
	if len(leaf.Policies) == 1 {
		policy = leaf.Policies[0].String()
	}
	accepted := false
	for _, p := range e.policies {
		accepted = accepted || p == policy
	}
	v.check(accepted, "policy")
	conditions := data.Client.Condition
	v.check(len(conditions) > 0 && conditions[0].Type == "CertificatePolicies" && conditions[0].Value == policy, "condition")
	usage, funcID := x509.KeyUsageDigitalSignature, "Identification"
	if e.sign {
		usage, funcID = x509.KeyUsageContentCommitment, "Signing"
	}
	v.check(leaf.KeyUsage == usage, "key usage")
	v.check(data.Client.FuncID == funcID, "funcId")
	v.check(leaf.Subject.SerialNumber == c.User.PersonalNumber, "user")
	v.check(e.pnr == "" || leaf.Subject.SerialNumber == e.pnr, "person")
	text, format, charset := "", false, true
	if data.Visible != nil {
		text = data.Visible.Text
		format = data.Visible.Format != nil && *data.Visible.Format == "simpleMarkdownV1"
		charset = data.Visible.Charset == "UTF-8" && data.Visible.Visible == "wysiwys"
	}
	v.check(text == e.visible && (data.Visible != nil) == (e.visible != ""), "visible")
	v.check(format == e.markdown && charset, "format")
	hidden := ""
	if data.NonVisible != nil {
		hidden = *data.NonVisible
	}
	v.check(hidden == e.nonVisible && (data.NonVisible != nil) == (e.nonVisible != ""), "non-visible")
	decoded := func(s string) string { b, _ := base64.StdEncoding.DecodeString(s); return string(b) }
	v.check(decoded(data.Server.Display) == e.display && decoded(data.Server.Name) == e.name, "relying party")
	v.check(len(decoded(data.Server.Nonce)) == 20, "server nonce")
	v.check(data.Client.UHI == c.Device.UHI && len(decoded(data.Client.UHI)) == 21, "uhi")
	return leaf, issuer
}

func (v *verifier) revocation(c completionData, e expectation, leaf, issuer *x509.Certificate) {
	der, err := base64.StdEncoding.DecodeString(c.OCSPResponse)
	if err != nil {
		v.check(false, "ocsp base64")
		return
	}
	r, err := ocsp.ParseResponse(der, nil)
	if err != nil {
		v.check(strings.Contains(err.Error(), "bad signature") || strings.Contains(err.Error(), "verification error"), "ocsp unreadable: "+err.Error())
		v.check(false, "ocsp signature")
		return
	}
	v.check(r.SerialNumber.Cmp(leaf.SerialNumber) == 0, "ocsp serial")
	v.check(r.Status == ocsp.Good, "ocsp status")
	v.check(r.ThisUpdate.Equal(r.ProducedAt) && r.NextUpdate.IsZero(), "ocsp times")
	v.check(!r.ProducedAt.Before(e.since.Truncate(time.Second)) && !r.ProducedAt.After(e.until), "ocsp time")
	if r.Certificate == nil {
		v.check(false, "ocsp responder missing")
		return
	}
	v.check(r.Certificate.CheckSignatureFrom(issuer) == nil, "ocsp responder")
	v.check(len(r.Certificate.ExtKeyUsage) == 1 && r.Certificate.ExtKeyUsage[0] == x509.ExtKeyUsageOCSPSigning, "ocsp eku")
	v.check(r.Certificate.KeyUsage == x509.KeyUsageContentCommitment, "ocsp key usage")

	// The nonce stands in the exact bytes of bankid.md 9.1.
	field := []byte{0xA1, 0x34, 0x30, 0x32, 0x30, 0x30, 0x06, 0x09, 0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02, 0x01, 0x01, 0xFF, 0x04, 0x20}
	sum := sha1.Sum([]byte(c.Signature))
	i := bytes.Index(r.TBSResponseData, field)
	switch oid, _ := asn1.Marshal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}); {
	case i >= 0:
		v.check(len(r.TBSResponseData) == i+len(field)+32, "ocsp nonce place")
		v.check(bytes.HasPrefix(r.TBSResponseData[i+len(field):], sum[:]), "ocsp nonce")
	case bytes.Contains(r.TBSResponseData, oid):
		v.check(false, "ocsp nonce shape")
	default:
		v.check(false, "ocsp nonce absent")
	}
}
