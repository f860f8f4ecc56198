package config

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"sigill/broker/kit/config/strict"
	"sigill/providers"
)

// The kinds of e-IDs that there are.
const (
	KindBankID = "bankid"
	KindFreja  = "freja"
	KindSAML   = "saml"
	KindOIDC   = "oidc"
)

// A Provider is one instance of an e-ID: a certificate of its own, and with it
// the name that the person sees in the app.
type Provider struct {
	Name     string
	Kind     string
	Offers   []providers.ID
	Approved bool // the installation itself is approved for level 3
	// DisplayName is what the app shows, where the certificate has no name.
	DisplayName string
	// Title is what people call the e-ID, where it is not one of the known ones.
	Title providers.Text
	Help  providers.Help

	BankID BankID
	Freja  Freja
	SAML   SAML
	OIDC   OIDC
	Line   int // where it stands, for faults that are found later
}

// ClientCertificate is what we show an issuer, in one of two forms.
type ClientCertificate struct {
	CertificateFile, KeyFile   string
	PKCS12File, PassphraseFile string
}

var instanceName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// mayOffer are the e-IDs of each kind. SAML and OIDC issuers may stand for any
// e-ID that is not another kind's.
func mayOffer(kind string, id providers.ID) bool {
	switch id {
	case providers.BankID, providers.MBankID:
		return kind == KindBankID
	case providers.Freja:
		return kind == KindFreja || kind == KindOIDC
	case providers.Telia:
		return kind == KindSAML || kind == KindOIDC
	}
	return id.Valid() && (kind == KindSAML || kind == KindOIDC)
}

func readProviders(v strict.Value) []Provider {
	var list []Provider
	if v.IsList() && len(v.List()) == 0 {
		v.Fault("must name at least one")
	}
	for _, item := range v.List() {
		p := readProvider(item)
		if p.Name == "" {
			continue
		}
		if slices.ContainsFunc(list, func(o Provider) bool { return o.Name == p.Name }) {
			item.Fault("there is another provider named %s", p.Name)
			continue
		}
		list = append(list, p)
	}
	return list
}

func readProvider(v strict.Value) Provider {
	m := v.Required().Map()
	p := Provider{Line: v.Line()}
	name := m.Get("name").Required()
	if p.Name = name.Text(); p.Name != "" && !instanceName.MatchString(p.Name) {
		name.Fault("must be small letters, digits and hyphens, at most 40")
	}
	p.Kind = m.Get("kind").Required().OneOf(KindBankID, KindFreja, KindSAML, KindOIDC)
	p.Approved = m.Get("approved").Bool()
	p.Title = readTitle(m.Get("title"))
	p.Help = readHelp(m.Get("help"))
	readOffers(m.Get("offers").Required(), &p)
	if p.Kind != "" || !m.Get("kind").Present() { // which keys may stand there is the kind's
		defer m.Close()
	}
	switch p.Kind {
	case KindBankID:
		p.DisplayName = m.Get("display_name").Text()
		p.BankID = readBankID(v, m)
	case KindFreja:
		p.Freja = readFreja(v, m)
	case KindSAML:
		p.SAML = readSAML(m)
	case KindOIDC:
		p.OIDC = readOIDC(m)
	}
	return p
}

// readOffers reads the e-IDs. A SAML or OIDC issuer stands for one: what it lets
// people choose between is its own affair.
func readOffers(v strict.Value, p *Provider) {
	for _, item := range v.List() {
		id := providers.ID(item.Required().Text())
		switch {
		case id == "" || p.Kind == "":
		case slices.Contains(p.Offers, id):
			item.Fault("stands there twice")
		case !mayOffer(p.Kind, id):
			item.Fault("%s cannot be offered by kind %s", id, p.Kind)
		default:
			p.Offers = append(p.Offers, id)
			if !id.Known() && p.Title == (providers.Text{}) {
				item.Fault("is no e-ID that is known here: say what people call it, with title: {sv: …, en: …}")
			}
		}
	}
	switch {
	case v.IsList() && len(v.List()) == 0:
		v.Fault("must name at least one e-ID")
	case len(p.Offers) > 1 && p.Kind != KindBankID:
		v.Fault("must name one e-ID; make another provider for each other")
	}
}

func readTitle(v strict.Value) providers.Text {
	m := v.Map()
	defer m.Close()
	if !v.Present() {
		return providers.Text{}
	}
	return providers.Text{SV: m.Get("sv").Required().Text(), EN: m.Get("en").Required().Text()}
}

func readHelp(v strict.Value) providers.Help {
	m := v.Map()
	defer m.Close()
	return providers.Help{
		Issuer: m.Get("issuer").Text(), URL: readPage(m.Get("url")), Test: readPage(m.Get("test")), Get: readPage(m.Get("get")),
	}
}

// readPage reads the address of a page for people.
func readPage(v strict.Value) string {
	s := v.Text()
	if s == "" {
		return ""
	}
	if u, err := url.Parse(s); err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && loopbackHost(u.Hostname())) {
		v.Fault("must be the https address of a page")
		return ""
	}
	return s
}

// readService reads the address of an issuer's service.
func readService(v strict.Value, example string) string {
	s := v.Text()
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Scheme != "https" && !(u.Scheme == "http" && loopbackHost(u.Hostname())) {
		v.Fault("must be an https address such as %s", example)
		return ""
	}
	return s
}

// readClientCertificate reads what stands beside other keys of a provider.
func readClientCertificate(v strict.Value, m *strict.Map) ClientCertificate {
	c := ClientCertificate{
		CertificateFile: readExisting(m.Get("certificate_file")), KeyFile: readSecretFile(m.Get("key_file")),
		PKCS12File: readSecretFile(m.Get("pkcs12_file")), PassphraseFile: readSecretFile(m.Get("passphrase_file")),
	}
	pem := m.Get("certificate_file").Present() || m.Get("key_file").Present()
	pkcs12 := m.Get("pkcs12_file").Present() || m.Get("passphrase_file").Present()
	switch {
	case pem == pkcs12:
		v.Fault("give the certificate as certificate_file and key_file, or as pkcs12_file and passphrase_file")
	case pem:
		m.Get("certificate_file").Required()
		m.Get("key_file").Required()
	default:
		m.Get("pkcs12_file").Required()
		m.Get("passphrase_file").Required()
	}
	return c
}

// readLink reads what an order's token is appended to.
func readLink(v strict.Value, otherwise string) string {
	s := v.Text()
	if s == "" {
		return otherwise
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme == "" || !strings.HasSuffix(s, "="):
		v.Fault("must be an address that ends with the name of the token, such as https://app.bankid.com/?autostarttoken=")
	case u.Scheme == "javascript" || u.Scheme == "data" || u.Scheme == "http" && !loopbackHost(u.Hostname()):
		v.Fault("must begin with https or a scheme of the app")
	}
	return s
}
