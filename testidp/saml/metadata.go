package saml

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"time"

	"sigill/testidp/control"
)

const metadataLife = 24 * time.Hour

// FederationCertificate is what signs metadata and the feed.
func (p *IdP) FederationCertificate() *x509.Certificate { return p.keys.federation.cert }

// SigningCertificates are what may sign responses: the one of now, the next, and
// one with an elliptic key.
func (p *IdP) SigningCertificates() []*x509.Certificate {
	return []*x509.Certificate{p.keys.current.cert, p.keys.next.cert, p.keys.elliptic.cert}
}

// entity is the IdP's own EntityDescriptor, unsigned.
func (p *IdP) entity(f control.Drawn) *node {
	c := p.config
	signing, encryption := p.SigningCertificates(), p.keys.encryption[0].cert
	if f[metadataRollover] {
		signing, encryption = []*x509.Certificate{p.keys.next.cert}, p.keys.encryption[1].cert
	}
	categories := append(append([]string{}, c.Categories...), categoryMessage)
	sso := p.ssoURL()
	switch {
	case f[javascriptEndpoint]:
		sso = "javascript:alert(document.domain)"
	case f[plainEndpoint]:
		sso = "http://idp.example.com/sso"
	}
	role := el("md:IDPSSODescriptor", "WantAuthnRequestsSigned", "true", "protocolSupportEnumeration", protocolSAML2).add(
		el("md:Extensions").add(
			el("mdui:UIInfo").add(
				words("mdui:DisplayName", c.Title.SV, c.Title.EN), words("mdui:DisplayName", c.Title.EN, ""),
				words("mdui:Description", "Simulator. Bara för test.", "Simulator. For tests only."), words("mdui:Description", "Simulator. For tests only.", ""),
				el("mdui:Logo", "height", "60", "width", "60").say(c.BaseURL+c.Path+"/logo.svg")),
			el("psc:RequestedPrincipalSelection").add(el("psc:MatchValue", "Name", oidNumber))),
	)
	for _, cert := range signing {
		role.add(el("md:KeyDescriptor", "use", "signing").add(keyInfo(cert)))
	}
	key := el("md:KeyDescriptor", "use", "encryption").add(keyInfo(encryption))
	for _, m := range []string{algGCM256, algGCM128, algCBC256, algCBC128} {
		key.add(el("md:EncryptionMethod", "Algorithm", m))
	}
	key.add(el("md:EncryptionMethod", "Algorithm", algOAEP).add(el("ds:DigestMethod", "Algorithm", algSHA1)))
	role.add(key, el("md:NameIDFormat").say(persistent), el("md:NameIDFormat").say(transient),
		el("md:SingleSignOnService", "Binding", bindingRedirect, "Location", sso),
		el("md:SingleSignOnService", "Binding", bindingPOST, "Location", sso))
	return p.describe(p.EntityID(), c.Levels, categories, role, f)
}

// describe makes an EntityDescriptor with an organisation that is made up.
func (p *IdP) describe(entityID string, levels, categories []string, role *node, f control.Drawn) *node {
	until := p.config.Now().Add(metadataLife)
	if f[metadataExpired] {
		until = until.Add(-metadataLife - time.Hour)
	}
	attributes := el("mdattr:EntityAttributes")
	if len(levels) > 0 {
		attributes.add(values(certification, levels))
	}
	attributes.add(values(entityCategory, categories))
	return el("md:EntityDescriptor", "ID", newID(), "entityID", entityID, "validUntil", instant(until)).add(
		el("md:Extensions").add(attributes), role,
		el("md:Organization").add(
			el("md:OrganizationName", "xml:lang", "sv").say("Simulator"),
			el("md:OrganizationDisplayName", "xml:lang", "sv").say("Simulator"),
			el("md:OrganizationURL", "xml:lang", "sv").say("https://example.se/")),
		el("md:ContactPerson", "contactType", "technical").add(el("md:EmailAddress").say("mailto:test@example.se")))
}

// words is a text with its language: Swedish when it is the first of two.
func words(name, text, other string) *node {
	lang := "en"
	if other != "" {
		lang = "sv"
	}
	return el(name, "xml:lang", lang).say(text)
}

func values(name string, list []string) *node {
	a := el("saml:Attribute", "Name", name, "NameFormat", formatURI)
	for _, v := range list {
		a.add(el("saml:AttributeValue", "xsi:type", "xs:string").say(v))
	}
	return a
}

// metadata is the IdP's own document, signed by the federation.
func (p *IdP) metadata(w http.ResponseWriter, r *http.Request) {
	f := p.config.Faults.Draw(p.config.Name)
	if p.injected(w, r, f) {
		return
	}
	n := p.entity(f)
	var err error
	if !f[metadataUnsigned] {
		err = p.federationSeal(f[metadataUnknownSigner], f[metadataBadSignature]).sign(n, 0)
	}
	p.publish(w, n, err)
}

// federationSeal is the federation's signature, or one that looks like it.
func (p *IdP) federationSeal(stranger, bad bool) *seal {
	s := &seal{by: p.keys.federation}
	if stranger {
		s.by = p.keys.stranger
	}
	if bad {
		s.bend = flipSignature
	}
	return s
}

func (p *IdP) publish(w http.ResponseWriter, n *node, err error) {
	if err != nil {
		p.config.Log.Error("the metadata was not made", "error", err)
		http.Error(w, "the simulator failed", http.StatusInternalServerError)
		return
	}
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	b.Write(n.document())
	w.Header().Set("Content-Type", "application/samlmetadata+xml")
	w.Write(b.Bytes())
}

// feed is the federation's list: this IdP, another one, and a service provider.
// Each IdP's entry has a signature of its own besides, so that it can be kept and
// believed alone.
func (p *IdP) feed(w http.ResponseWriter, r *http.Request) {
	f := p.config.Faults.Draw(p.config.Name)
	if p.injected(w, r, f) {
		return
	}
	until := p.config.Now().Add(metadataLife)
	if f[feedExpired] {
		until = until.Add(-metadataLife - time.Hour)
	}
	list := el("md:EntitiesDescriptor", "ID", newID(), "Name", "urn:example:simulator:federation")
	if !f[feedNoValidUntil] {
		list.set("validUntil", instant(until))
	}
	own := p.entity(f)
	idps := []*node{p.neighbour()}
	if !f[entityMissing] {
		idps = append(idps, own)
	}
	if f[entityTwice] {
		// The other one has a key that nobody else knows.
		twice := own.clone()
		twice.set("ID", newID())
		for _, k := range twice.child(nsMetadata, "IDPSSODescriptor").all(nsMetadata, "KeyDescriptor") {
			k.kids = []*node{keyInfo(p.keys.stranger.cert)}
		}
		idps = append(idps, twice)
	}
	var err error
	for _, n := range idps {
		if e := p.federationSeal(f[metadataUnknownSigner], f[metadataBadSignature]).sign(n, 0); e != nil {
			err = e
		}
		list.add(n)
	}
	list.add(p.someService())
	if err == nil && !f[feedUnsigned] {
		err = p.federationSeal(f[feedUnknownSigner], f[feedBadSignature]).sign(list, 0)
	}
	p.publish(w, list, err)
}

// neighbour is another IdP of the federation: one that must not be mistaken for
// this one.
func (p *IdP) neighbour() *node {
	sso := p.config.BaseURL + p.config.Path + "/neighbour"
	role := el("md:IDPSSODescriptor", "WantAuthnRequestsSigned", "true", "protocolSupportEnumeration", protocolSAML2).add(
		el("md:Extensions").add(el("mdui:UIInfo").add(
			words("mdui:DisplayName", "Annan e-legitimation", "Another e-ID"), words("mdui:DisplayName", "Another e-ID", ""),
			el("mdui:Logo", "height", "60", "width", "60").say(p.config.BaseURL+p.config.Path+"/logo.svg"))),
		el("md:KeyDescriptor", "use", "signing").add(keyInfo(p.keys.neighbour.cert)),
		el("md:NameIDFormat").say(persistent),
		el("md:SingleSignOnService", "Binding", bindingRedirect, "Location", sso),
		el("md:SingleSignOnService", "Binding", bindingPOST, "Location", sso))
	return p.describe(p.neighbourID(), []string{LevelThree}, []string{CategoryThree}, role, nil)
}

func (p *IdP) neighbourID() string { return p.EntityID() + "/neighbour" }

// someService is a service provider, which nobody should take for an IdP.
func (p *IdP) someService() *node {
	at := p.EntityID() + "/service"
	role := el("md:SPSSODescriptor", "AuthnRequestsSigned", "true", "protocolSupportEnumeration", protocolSAML2).add(
		el("md:KeyDescriptor").add(keyInfo(p.keys.neighbour.cert)),
		el("md:AssertionConsumerService", "Binding", bindingPOST, "Location", at+"/acs", "index", "0"))
	return p.describe(at, nil, []string{CategoryThree}, role, nil)
}

// flipSignature breaks a signature.
func flipSignature(signature *node) {
	for _, v := range signature.all(nsSignature, "SignatureValue") {
		value, err := decode64(v.content())
		if err == nil {
			value[len(value)/2] ^= 1
			v.kids = []*node{{text: base64.StdEncoding.EncodeToString(value)}}
		}
	}
}

func logo(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Write([]byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 60 60" width="60" height="60"><rect width="60" height="60" rx="12" fill="#4b2a7b"/><path d="M18 22h24M30 22v22" stroke="#fff" stroke-width="6" stroke-linecap="round"/></svg>`))
}
