package config

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"sigill/broker/kit/config/strict"
	"sigill/providers"
)

// A Provider is one instance of an e-ID: a certificate of its own, and with it
// the name that the person sees in the app.
type Provider struct {
	Name     string
	Kind     string // "bankid"
	Offers   []providers.ID
	Approved bool // the installation itself is approved for level 3
	// DisplayName is what the app shows, where the certificate has no name.
	DisplayName string
	BankID      BankID
	Line        int // where it stands, for faults that are found later
}

// BankID are the settings of kind bankid. The zero Environment is production.
type BankID struct {
	Environment     BankIDEnvironment
	CertificateFile string
	KeyFile         string
	PKCS12File      string
	PassphraseFile  string
}

// BankIDEnvironment is one of BankID's worlds other than production, or a
// simulated one.
type BankIDEnvironment struct {
	BaseURL           string
	TLSRootFile       string
	SignatureRootFile string
	// Policies of BankID on file, on card, and of Mobilt BankID.
	FilePolicies, CardPolicies, MobilePolicies []string
	DesktopLink, MobileLink                    string
}

// Production reports whether nothing else was said.
func (e BankIDEnvironment) Production() bool { return e.BaseURL == "" }

var (
	instanceName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
	policyOID    = regexp.MustCompile(`^[0-2](\.(0|[1-9][0-9]{0,9})){2,15}$`)
)

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
	defer m.Close()
	p := Provider{Line: v.Line()}
	name := m.Get("name").Required()
	if p.Name = name.Text(); p.Name != "" && !instanceName.MatchString(p.Name) {
		name.Fault("must be small letters, digits and hyphens, at most 40")
	}
	p.Kind = m.Get("kind").Required().OneOf("bankid")
	p.Approved = m.Get("approved").Bool()
	p.DisplayName = m.Get("display_name").Text()

	offers := m.Get("offers").Required()
	for _, item := range offers.List() {
		id := providers.ID(item.Required().OneOf(string(providers.BankID), string(providers.MBankID)))
		switch {
		case id == "":
		case slices.Contains(p.Offers, id):
			item.Fault("stands there twice")
		default:
			p.Offers = append(p.Offers, id)
		}
	}
	if offers.IsList() && len(offers.List()) == 0 {
		offers.Fault("must name at least one e-ID")
	}
	p.BankID = readBankID(v, m)
	return p
}

func readBankID(v strict.Value, m *strict.Map) BankID {
	b := BankID{Environment: readBankIDEnvironment(m.Get("environment").Required())}
	b.CertificateFile = readExisting(m.Get("certificate_file"))
	b.KeyFile = readSecretFile(m.Get("key_file"))
	b.PKCS12File = readSecretFile(m.Get("pkcs12_file"))
	b.PassphraseFile = readSecretFile(m.Get("passphrase_file"))
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
	return b
}

func readBankIDEnvironment(v strict.Value) BankIDEnvironment {
	var e BankIDEnvironment
	if !v.Present() || !v.IsMap() {
		v.OneOf("production")
		return e
	}
	m := v.Map()
	defer m.Close()
	base := m.Get("base_url").Required()
	e.BaseURL = base.Text()
	if u, err := url.Parse(e.BaseURL); base.Present() && (err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "") {
		base.Fault("must be an https address such as https://appapi2.test.bankid.com/rp/v6.0/")
	}
	e.TLSRootFile = readExisting(m.Get("tls_root_file").Required())
	e.SignatureRootFile = readExisting(m.Get("signature_root_file").Required())

	policies := m.Get("policies").Required().Map()
	e.FilePolicies = readPolicies(policies.Get("file"))
	e.CardPolicies = readPolicies(policies.Get("card"))
	e.MobilePolicies = readPolicies(policies.Get("mobile").Required())
	policies.Close()

	links := m.Get("app_links").Map()
	e.DesktopLink = readLink(links.Get("desktop"), "bankid:///?autostarttoken=")
	e.MobileLink = readLink(links.Get("mobile"), "https://app.bankid.com/?autostarttoken=")
	links.Close()
	return e
}

func readPolicies(v strict.Value) []string {
	var policies []string
	for _, item := range v.List() {
		s := item.Required().Text()
		if s != "" && !policyOID.MatchString(s) {
			item.Fault("must be an object identifier such as 1.2.3.4.25")
			continue
		}
		policies = append(policies, s)
	}
	return policies
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
