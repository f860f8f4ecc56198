package saml

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/beevik/etree"
	crewjam "github.com/crewjam/saml"
	"github.com/crewjam/saml/xmlenc"

	"sigill/providers"
	"sigill/providers/personnummer"
	"sigill/providers/saml/metadata"
	"sigill/providers/xmlsec"
)

// How long an address may become before a form takes its place, and where there is
// no form to take it: servers read 8 KB.
const (
	maxAddress     = 4_000
	maxOnlyAddress = 7_500
)

// saltBytes keep the ID of a request from being recognised by its binding.
const saltBytes = 16

// requestID ties a request, and with it the answer, to an order: whoever knows
// the binding and the salt can see that it was made for this order and no other.
func requestID(binding, salt []byte) string {
	sum := sha256.Sum256(slices.Concat(binding, salt))
	return "_" + hex.EncodeToString(sum[:])
}

// Start asks a person to prove who they are.
func (p *Provider) Start(ctx context.Context, r providers.Request) (providers.State, providers.Step, error) {
	return p.start(ctx, providers.KindAuth, r)
}

// StartSignature asks a person to sign a text.
func (p *Provider) StartSignature(ctx context.Context, r providers.SignRequest) (providers.State, providers.Step, error) {
	return p.start(ctx, providers.KindSign, r.Request)
}

func (p *Provider) start(ctx context.Context, kind providers.Kind, r providers.Request) (providers.State, providers.Step, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if err := p.refuse(kind, r); err != nil {
		return nil, nil, err
	}
	idp, err := p.Source.IdP(p.Config.IdP)
	if err != nil {
		return nil, nil, &providers.Unavailable{Issuer: p.Title.SV, Err: fmt.Errorf("metadata: %w", err)}
	}
	salt := make([]byte, saltBytes)
	if _, err := rand.Read(salt); err != nil {
		return nil, nil, err
	}
	s := state{
		Version: stateVersion, Provider: p.ID, Instance: p.Instance, IdP: p.Config.IdP,
		Kind: kind, Text: r.Text, Binding: r.Binding, Number: r.Number,
		ID: requestID(r.Binding, salt), Salt: salt, Handle: r.Handle, Started: p.Clock().UTC(),
		Forced: kind == providers.KindSign || !p.AllowSSO,
	}
	if !p.AskNoLevel {
		s.Asked = p.Request
	}
	step, err := p.send(&s, &idp, r.Lang)
	if err != nil {
		return nil, nil, err
	}
	sealed, err := s.seal()
	if err != nil {
		return nil, nil, err
	}
	p.Log.InfoContext(ctx, "saml order started", "order", s.ID, "kind", string(kind), "idp", s.IdP, "step", step)
	return sealed, step, nil
}

// refuse says what the identity provider cannot do.
func (p *Provider) refuse(kind providers.Kind, r providers.Request) error {
	bad := func(field, format string, args ...any) error {
		return &providers.BadRequest{Field: field, Problem: fmt.Sprintf(format, args...)}
	}
	limit := p.Info().AuthText
	if kind == providers.KindSign {
		limit = p.Info().TextLimit
		switch {
		case !p.signs():
			return bad("kind", "this connection cannot sign")
		case r.Text == "":
			return bad("text", "a signature needs a text")
		}
	}
	switch {
	case r.Mode != providers.ModeThis:
		return bad("mode", "%s has no mode %q", p.ID, r.Mode)
	case len(r.Text) > limit:
		return bad("text", "longer than %d bytes", limit)
	case !utf8.ValidString(r.Text) || strings.ContainsRune(r.Text, 0):
		return bad("text", "not text in UTF-8")
	case r.Markup != providers.Plain:
		return bad("markup", "only plain text")
	case len(r.Binding) < minBinding:
		return bad("binding", "shorter than %d bytes", minBinding)
	case len(r.Binding) > maxBinding:
		return bad("binding", "longer than %d bytes", maxBinding)
	case r.Handle == "" || len(r.Handle) > maxHandle || strings.ContainsFunc(r.Handle, func(c rune) bool { return !unreserved(c) }):
		return bad("handle", "not URL-safe, or not between 1 and %d bytes", maxHandle)
	case r.Caller != "":
		return bad("caller", "only in a phone call")
	}
	return nil
}

// unreserved characters need no escaping anywhere in an address (RFC 3986, 2.3).
func unreserved(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// send chooses how the request goes out and makes it.
func (p *Provider) send(s *state, idp *metadata.IdP, lang string) (providers.Step, error) {
	redirect, post := idp.SSO[metadata.BindingRedirect], idp.SSO[metadata.BindingPOST]
	switch p.Config.Binding {
	case Redirect:
		post = ""
	case Post:
		redirect = ""
	}
	if redirect == "" && post == "" {
		return nil, fmt.Errorf("saml: %s has no endpoint with the binding that is configured", idp.EntityID)
	}
	// Neither a personal number nor what somebody signs belongs in an address, of
	// which servers keep logs. A form carries them if there is one; if not, nobody is
	// named, and a text is encrypted.
	names := p.selection(idp)
	if s.Number.IsZero() {
		names = nil
	}
	private := len(names) > 0 || s.Kind == providers.KindSign
	if redirect != "" && (!private || post == "") {
		if s.Kind == providers.KindSign && !p.EncryptSignMessage {
			return nil, &providers.BadRequest{Field: "provider", Problem: "its identity provider takes requests in addresses only, where no text to sign may stand in clear (encrypt_sign_message)"}
		}
		step, err := p.redirect(*s, idp, lang, redirect)
		if err != nil {
			return nil, err
		}
		switch {
		case len(step.URL) <= maxAddress, post == "" && len(step.URL) <= maxOnlyAddress:
			return step, nil
		case post == "":
			return nil, &providers.BadRequest{Field: "text", Problem: "too long for an identity provider that takes requests in addresses only"}
		}
	}
	s.Selected = len(names) > 0
	return p.post(*s, idp, lang, post, names)
}

func (p *Provider) redirect(s state, idp *metadata.IdP, lang, to string) (providers.Redirect, error) {
	el, err := p.element(s, idp, lang, to, nil)
	if err != nil {
		return providers.Redirect{}, err
	}
	sp, _ := p.sp(s.Kind)
	query, err := xmlsec.SignQuery(xmlsec.Request, xmlsec.Bytes(el), s.Handle, sp.Signing.Private)
	if err != nil {
		return providers.Redirect{}, fmt.Errorf("saml: sign request: %w", err)
	}
	glue := "?"
	if strings.Contains(to, "?") {
		glue = "&"
	}
	return providers.Redirect{URL: to + glue + query}, nil
}

func (p *Provider) post(s state, idp *metadata.IdP, lang, to string, names []string) (providers.PostForm, error) {
	el, err := p.element(s, idp, lang, to, names)
	if err != nil {
		return providers.PostForm{}, err
	}
	sp, _ := p.sp(s.Kind)
	if err := xmlsec.Sign(el, sp.Signing.Private, sp.Signing.Certificate); err != nil {
		return providers.PostForm{}, fmt.Errorf("saml: sign request: %w", err)
	}
	return providers.PostForm{URL: to, Fields: map[string]string{
		xmlsec.Request: base64.StdEncoding.EncodeToString(xmlsec.Bytes(el)),
		"RelayState":   s.Handle,
	}}, nil
}

// element is the request, unsigned. The library writes what it knows; it has no
// extensions, one level where there may be several, and no scoping.
func (p *Provider) element(s state, idp *metadata.IdP, lang, to string, names []string) (*etree.Element, error) {
	sp, _ := p.sp(s.Kind)
	forced := s.Forced
	r := crewjam.AuthnRequest{
		ID: s.ID, Version: "2.0", IssueInstant: s.Started.Truncate(time.Millisecond), Destination: to,
		Issuer: &crewjam.Issuer{Value: sp.EntityID}, ForceAuthn: &forced,
		AssertionConsumerServiceURL: sp.ACS, ProtocolBinding: metadata.BindingPOST,
	}
	if p.NameID != "none" {
		r.NameIDPolicy = &crewjam.NameIDPolicy{Format: &p.NameID}
		if p.NameID == persistent {
			create := true
			r.NameIDPolicy.AllowCreate = &create
		}
	}
	el := r.Element()
	extensions, err := p.extensions(s, idp, lang, names)
	if err != nil {
		return nil, err
	}
	if len(extensions) > 0 {
		x := etree.NewElement("samlp:Extensions")
		for _, e := range extensions {
			x.AddChild(e)
		}
		el.InsertChildAt(1, x) // behind the Issuer
	}
	if len(s.Asked) > 0 {
		c := el.CreateElement("samlp:RequestedAuthnContext")
		c.CreateAttr("Comparison", "exact")
		for _, loa := range s.Asked {
			c.CreateElement("saml:AuthnContextClassRef").SetText(loa)
		}
	}
	if len(p.IDPList) > 0 || p.RequesterID != "" {
		scoping := el.CreateElement("samlp:Scoping")
		if len(p.IDPList) > 0 {
			list := scoping.CreateElement("samlp:IDPList")
			for _, id := range p.IDPList {
				list.CreateElement("samlp:IDPEntry").CreateAttr("ProviderID", id)
			}
		}
		if p.RequesterID != "" {
			scoping.CreateElement("samlp:RequesterID").SetText(p.RequesterID)
		}
	}
	return el, nil
}

func (s Setting) wanted(byMetadata bool) bool { return s == On || s == ByMetadata && byMetadata }

// selection are the names by which the identity provider wants to be told whom to
// expect; empty if it does not.
func (p *Provider) selection(idp *metadata.IdP) []string {
	for _, name := range idp.RequestedPrincipalSelection {
		if slices.Contains(p.Attributes.Names[Number], name) && p.PrincipalSelection != Off {
			return []string{name}
		}
	}
	if p.PrincipalSelection == On {
		return []string{oidNumber}
	}
	return nil
}

// extensions are the Swedish ones. What is shown before a login goes out as a
// UserMessage, what is signed as a SignMessage.
func (p *Provider) extensions(s state, idp *metadata.IdP, lang string, names []string) ([]*etree.Element, error) {
	var all []*etree.Element
	if len(names) > 0 {
		all = append(all, principalSelection(s.Number, names))
	}
	switch {
	case s.Kind == providers.KindSign:
		m, err := p.signMessage(s.Text, idp)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	case s.Text != "" && p.UserMessage.wanted(idp.SupportsUserMessage):
		all = append(all, userMessage(s.Text, lang))
	}
	return all, nil
}

func principalSelection(n personnummer.Number, names []string) *etree.Element {
	el := etree.NewElement("psc:PrincipalSelection")
	el.CreateAttr("xmlns:psc", nsPrincipal)
	for _, name := range names {
		v := el.CreateElement("psc:MatchValue")
		v.CreateAttr("Name", name)
		v.SetText(n.Digits())
	}
	return el
}

func userMessage(text, lang string) *etree.Element {
	if lang != "en" {
		lang = "sv"
	}
	el := etree.NewElement("umsg:UserMessage")
	el.CreateAttr("xmlns:umsg", nsMessage)
	el.CreateAttr("mimeType", "text/plain")
	m := el.CreateElement("umsg:Message")
	m.CreateAttr("xml:lang", lang)
	m.SetText(base64.StdEncoding.EncodeToString([]byte(text)))
	return el
}

func (p *Provider) signMessage(text string, idp *metadata.IdP) (*etree.Element, error) {
	el := etree.NewElement("csig:SignMessage")
	el.CreateAttr("xmlns:csig", nsCSig)
	el.CreateAttr("MustShow", "true")
	el.CreateAttr("DisplayEntity", idp.EntityID)
	el.CreateAttr("MimeType", "text")
	m := el.CreateElement("csig:Message")
	m.SetText(base64.StdEncoding.EncodeToString([]byte(text)))
	if !p.EncryptSignMessage {
		return el, nil
	}
	el.RemoveChild(m)
	m.CreateAttr("xmlns:csig", nsCSig)
	data, err := encrypt(xmlsec.Bytes(m), idp.EncryptionCertificates)
	if err != nil {
		return nil, fmt.Errorf("saml: encrypt the text to sign: %w", err)
	}
	el.CreateElement("csig:EncryptedMessage").AddChild(data)
	return el, nil
}

// encrypt encrypts an element to the first key that it can be encrypted to.
func encrypt(plain []byte, to []*x509.Certificate) (*etree.Element, error) {
	with := xmlenc.OAEP()
	with.BlockCipher, with.DigestMethod = xmlenc.AES256CBC, xmlenc.SHA1
	for _, c := range to {
		if c.PublicKeyAlgorithm != x509.RSA {
			continue
		}
		el, err := with.Encrypt(c, plain, nil)
		if err != nil {
			return nil, err
		}
		el.CreateAttr("Type", typeElement)
		return el, nil
	}
	return nil, errors.New("no RSA key to encrypt to in the identity provider's metadata")
}
