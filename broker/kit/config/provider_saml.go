package config

import (
	"strings"
	"time"

	"sigill/broker/kit/config/strict"
	"sigill/providers"
)

// SAML are the settings of kind saml: one connection to one identity provider.
type SAML struct {
	IdP      string // its entityID
	Binding  string // auto, redirect or post
	Metadata SAMLMetadata
	// Login and Signing are our two sides of it; without Signing nobody can sign.
	Login, Signing SAMLParty
	// Organisation and Contact are what our metadata says of us.
	Organisation SAMLOrganisation
	Categories   []string // entity categories, besides those that follow from the rest

	RequestLevels []string // in order; nil with NoLevels
	NoLevels      bool     // ask for no level; what is answered counts all the same
	AcceptLevels  map[string]providers.Level
	NameID        string // persistent, transient or none
	Attributes    string // swedenconnect or cgi
	Names         map[string][]string
	CoordNumbers  bool
	MappedNumbers []string // binding URIs that are believed
	Extensions    SAMLExtensions
	IDPList       []string
	Requester     string
	Unencrypted   bool // assertions need not be encrypted
	Ciphers       []string
	Skew, MaxAge  time.Duration
	ForceAuthn    bool
}

// SAMLMetadata is where the identity provider's metadata comes from.
type SAMLMetadata struct {
	URL, File    string
	SignedByFile string // certificates, one of which has signed it
	Unsigned     bool
	TLSRootFile  string
	Refresh      time.Duration
	MaxStale     time.Duration
}

// SAMLParty is one of our two service providers.
type SAMLParty struct {
	EntityID                                 string // empty: the address of its metadata
	CertificateFile, KeyFile                 string
	PreviousCertificateFile, PreviousKeyFile string // what was encrypted with it is still read
}

// Configured reports whether there is one.
func (p SAMLParty) Configured() bool { return p.CertificateFile != "" }

// SAMLOrganisation is whom our metadata names.
type SAMLOrganisation struct {
	Name, DisplayName, Description providers.Text
	URL                            string
	Logo                           SAMLLogo
	TechnicalContact               string // e-mail
}

// SAMLLogo is a picture at a public address.
type SAMLLogo struct {
	URL           string
	Width, Height int // pixels
}

// SAMLExtensions say what is sent besides the standard: auto (where the identity
// provider's metadata asks for it), on or off.
type SAMLExtensions struct {
	PrincipalSelection, UserMessage string
	EncryptSignMessage              bool
}

// The levels that a connection may give, by name.
var levelNames = map[string]providers.Level{
	"uncertified-loa3": providers.LevelUncertified3,
	"loa3":             providers.Level3,
}

func readLevel(v strict.Value) providers.Level {
	return levelNames[v.OneOf("uncertified-loa3", "loa3")]
}

func readSAML(m *strict.Map) SAML {
	s := SAML{IdP: m.Get("idp").Required().Text()}
	s.Binding = textOr(m.Get("binding").OneOf("auto", "redirect", "post"), "auto")
	s.Metadata = readSAMLMetadata(m.Get("metadata").Required())
	s.Login = readSAMLParty(m.Get("login").Required())
	s.Signing = readSAMLParty(m.Get("signing"))
	s.Organisation = readSAMLOrganisation(m.Get("organisation").Required())
	s.Categories = m.Get("categories").Texts()

	levels := m.Get("request_levels")
	switch {
	case levels.IsList():
		s.RequestLevels = levels.Texts()
		if len(s.RequestLevels) == 0 {
			levels.Fault("must name at least one; write none to ask for no level")
		}
	case levels.Present():
		s.NoLevels = levels.OneOf("none") == "none"
	}
	if accept := m.Get("accept_levels"); accept.Present() {
		s.AcceptLevels = map[string]providers.Level{}
		for _, e := range accept.Map().Entries() {
			s.AcceptLevels[e.Key] = readLevel(e.Required())
		}
	}
	s.NameID = textOr(m.Get("name_id").OneOf("persistent", "transient", "none"), "persistent")
	s.Attributes = textOr(m.Get("attributes").OneOf("swedenconnect", "cgi"), "swedenconnect")
	if names := m.Get("attribute_names"); names.Present() {
		s.Names = map[string][]string{}
		n := names.Map()
		for _, claim := range []string{"number", "name", "given_name", "surname", "mapped_number", "number_binding", "transaction", "sign_message_digest"} {
			if list := n.Get(claim).Texts(); len(list) > 0 {
				s.Names[claim] = list
			}
		}
		n.Close()
	}
	s.CoordNumbers = m.Get("coordination_numbers").Bool()
	s.MappedNumbers = m.Get("mapped_numbers").Texts()

	extensions := m.Get("extensions").Map()
	s.Extensions.PrincipalSelection = textOr(extensions.Get("principal_selection").OneOf("auto", "on", "off"), "auto")
	s.Extensions.UserMessage = textOr(extensions.Get("user_message").OneOf("auto", "on", "off"), "auto")
	s.Extensions.EncryptSignMessage = extensions.Get("encrypt_sign_message").Bool()
	extensions.Close()
	s.IDPList = m.Get("idp_list").Texts()
	s.Requester = m.Get("requester").Text()

	s.Unencrypted = m.Get("encrypted").OneOf("required", "optional") == "optional"
	for _, item := range m.Get("ciphers").List() {
		s.Ciphers = append(s.Ciphers, item.Required().OneOf("aes128-gcm", "aes192-gcm", "aes256-gcm", "aes128-cbc", "aes192-cbc", "aes256-cbc"))
	}
	s.Skew = durationOr(m.Get("clock_skew"), time.Second, 5*time.Minute, time.Minute)
	s.MaxAge = durationOr(m.Get("max_age"), 10*time.Second, 10*time.Minute, 90*time.Second)
	s.ForceAuthn = m.Get("force_authn").OneOf("always", "never") != "never"
	return s
}

func textOr(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func readSAMLMetadata(v strict.Value) SAMLMetadata {
	m := v.Map()
	defer m.Close()
	s := SAMLMetadata{
		URL: readService(m.Get("url"), "https://md.swedenconnect.se/role/idp.xml"), File: readExisting(m.Get("file")),
		SignedByFile: readExisting(m.Get("signed_by_file")), Unsigned: m.Get("unsigned").Bool(), TLSRootFile: readExisting(m.Get("tls_root_file")),
		Refresh: durationOr(m.Get("refresh"), 10*time.Second, 24*time.Hour, time.Hour), MaxStale: m.Get("max_stale").Duration(time.Minute, 30*24*time.Hour),
	}
	switch {
	case !v.Present() || !v.IsMap():
	case m.Get("url").Present() == m.Get("file").Present():
		v.Fault("give url or file")
	case m.Get("signed_by_file").Present() == s.Unsigned:
		v.Fault("give signed_by_file: the certificates of whoever signs it; or unsigned: true, for a file that you got from the identity provider itself")
	case s.Unsigned && strings.HasPrefix(s.URL, "http://"):
		v.Warn("takes metadata without a signature over plain http: only for trying things out")
	}
	return s
}

func readSAMLParty(v strict.Value) SAMLParty {
	m := v.Map()
	defer m.Close()
	if !v.Present() {
		return SAMLParty{}
	}
	p := SAMLParty{
		EntityID:        m.Get("entity_id").Text(),
		CertificateFile: readExisting(m.Get("certificate_file").Required()), KeyFile: readSecretFile(m.Get("key_file").Required()),
		PreviousCertificateFile: readExisting(m.Get("previous_certificate_file")), PreviousKeyFile: readSecretFile(m.Get("previous_key_file")),
	}
	if m.Get("previous_certificate_file").Present() != m.Get("previous_key_file").Present() {
		v.Fault("give previous_certificate_file and previous_key_file, or neither")
	}
	return p
}

func readSAMLLogo(v strict.Value) SAMLLogo {
	m := v.Map()
	defer m.Close()
	if !v.Present() {
		return SAMLLogo{}
	}
	return SAMLLogo{URL: readPage(m.Get("url").Required()), Width: m.Get("width").Required().Int(1, 4096), Height: m.Get("height").Required().Int(1, 4096)}
}

func readSAMLOrganisation(v strict.Value) SAMLOrganisation {
	m := v.Map()
	defer m.Close()
	contact := m.Get("technical_contact").Required()
	o := SAMLOrganisation{
		Name: readTitle(m.Get("name").Required()), DisplayName: readTitle(m.Get("display_name").Required()), Description: readTitle(m.Get("description")),
		URL: readPage(m.Get("url").Required()), Logo: readSAMLLogo(m.Get("logo")), TechnicalContact: contact.Text(),
	}
	if contact.Present() && !strings.Contains(o.TechnicalContact, "@") {
		contact.Fault("must be an e-mail address")
	}
	return o
}
