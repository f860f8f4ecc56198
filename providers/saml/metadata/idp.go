package metadata

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"

	"sigill/providers/xmlsec"
)

// Namespaces and names of the profile.
const (
	nsMD     = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsAttr   = "urn:oasis:names:tc:SAML:metadata:attribute"
	nsUI     = "urn:oasis:names:tc:SAML:metadata:ui"
	nsSAML   = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsDS     = "http://www.w3.org/2000/09/xmldsig#"
	nsPSC    = "http://id.swedenconnect.se/authn/1.0/principal-selection/ns"
	protocol = "urn:oasis:names:tc:SAML:2.0:protocol"

	attrCategory  = "http://macedir.org/entity-category"
	attrAssurance = "urn:oasis:names:tc:SAML:attribute:assurance-certification"

	catUserMessage  = "http://id.swedenconnect.se/general-ec/1.0/supports-user-message"
	catCoordination = "http://id.swedenconnect.se/general-ec/1.0/accepts-coordination-number"
	catSigService   = "http://id.elegnamnden.se/st/1.0/sigservice"
)

const (
	maxEntityID = 1024
	maxAddress  = 2048
)

// readIdP reads what an entity says of itself as identity provider; nil if it is
// none. Text is trimmed: real metadata carries line breaks everywhere.
func readIdP(el *etree.Element, until time.Time) (*IdP, error) {
	role := idpRole(el)
	if role == nil {
		return nil, nil
	}
	until, err := validUntil(role, until)
	if err != nil {
		return nil, err
	}
	idp := &IdP{EntityID: xmlsec.Attr(el, "entityID"), ValidUntil: until}
	if idp.SSO, err = endpoints(role); err != nil {
		return nil, err
	}
	if idp.SigningCertificates, idp.EncryptionCertificates, err = keys(role); err != nil {
		return nil, err
	}
	if ext := xmlsec.Child(el, nsMD, "Extensions"); ext != nil {
		idp.EntityCategories = entityAttribute(ext, attrCategory)
		idp.AssuranceCertifications = entityAttribute(ext, attrAssurance)
		idp.SupportsUserMessage = slices.Contains(idp.EntityCategories, catUserMessage)
	}
	if ext := xmlsec.Child(role, nsMD, "Extensions"); ext != nil {
		readExtensions(idp, ext)
	}
	return idp, nil
}

func idpRole(el *etree.Element) *etree.Element {
	for _, role := range xmlsec.Children(el, nsMD, "IDPSSODescriptor") {
		if slices.Contains(strings.Fields(xmlsec.Attr(role, "protocolSupportEnumeration")), protocol) {
			return role
		}
	}
	return nil
}

// endpoints are the single sign-on addresses of the bindings that we speak. Those
// of other bindings, such as holder of key, are not ours to judge.
func endpoints(role *etree.Element) (map[string]string, error) {
	out := map[string]string{}
	var bad error
	for _, e := range xmlsec.Children(role, nsMD, "SingleSignOnService") {
		binding := strings.TrimSpace(xmlsec.Attr(e, "Binding"))
		if binding != BindingRedirect && binding != BindingPOST {
			continue
		}
		location := strings.TrimSpace(xmlsec.Attr(e, "Location"))
		if err := address(location); err != nil {
			bad = err
			continue
		}
		if _, ok := out[binding]; !ok {
			out[binding] = location
		}
	}
	switch {
	case len(out) > 0:
		return out, nil
	case bad != nil:
		return nil, refuse("endpoint", "no single sign-on address that may be used: %w", bad)
	}
	return nil, refuse("endpoint", "no single sign-on address for redirect or POST")
}

// address refuses all addresses but https, and http on loopback.
func address(s string) error {
	if len(s) > maxAddress {
		return errors.New("an address too long")
	}
	u, err := url.Parse(s)
	if err != nil {
		return errors.New("not an address")
	}
	if u.Host == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return errors.New("not an address of a web page")
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) {
		return nil
	}
	return errors.New("an address that is not https")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// keys are the certificates for signing and for encryption. A KeyDescriptor
// without use is for both; certificates that we cannot read, or with keys that
// nobody should use, are left out.
func keys(role *etree.Element) (signing, encryption []*x509.Certificate, err error) {
	for _, k := range xmlsec.Children(role, nsMD, "KeyDescriptor") {
		use := strings.TrimSpace(xmlsec.Attr(k, "use"))
		info := xmlsec.Child(k, nsDS, "KeyInfo")
		if info == nil {
			continue
		}
		for _, data := range xmlsec.Children(info, nsDS, "X509Data") {
			c := certificate(data)
			if c == nil {
				continue
			}
			if use == "" || use == "signing" {
				signing = append(signing, c)
			}
			if use == "" || use == "encryption" {
				encryption = append(encryption, c)
			}
		}
	}
	if len(signing) == 0 {
		return nil, nil, refuse("key", "no certificate for signing that can be used")
	}
	return signing, encryption, nil
}

// certificate is the first of an X509Data: what else is there is its chain.
func certificate(data *etree.Element) *x509.Certificate {
	el := xmlsec.Child(data, nsDS, "X509Certificate")
	if el == nil {
		return nil
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(el.Text()), ""))
	if err != nil {
		return nil
	}
	c, err := x509.ParseCertificate(der)
	if err != nil || xmlsec.Usable(c) != nil {
		return nil
	}
	return c
}

// entityAttribute are the values of an attribute of the whole entity.
func entityAttribute(ext *etree.Element, name string) []string {
	var out []string
	for _, all := range xmlsec.Children(ext, nsAttr, "EntityAttributes") {
		for _, a := range xmlsec.Children(all, nsSAML, "Attribute") {
			if strings.TrimSpace(xmlsec.Attr(a, "Name")) != name {
				continue
			}
			for _, v := range xmlsec.Children(a, nsSAML, "AttributeValue") {
				if text := strings.TrimSpace(v.Text()); text != "" {
					out = append(out, text)
				}
			}
		}
	}
	return out
}

func readExtensions(idp *IdP, ext *etree.Element) {
	for _, wanted := range xmlsec.Children(ext, nsPSC, "RequestedPrincipalSelection") {
		for _, m := range xmlsec.Children(wanted, nsPSC, "MatchValue") {
			if name := strings.TrimSpace(xmlsec.Attr(m, "Name")); name != "" {
				idp.RequestedPrincipalSelection = append(idp.RequestedPrincipalSelection, name)
			}
		}
	}
}
