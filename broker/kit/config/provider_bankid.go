package config

import (
	"net/url"
	"regexp"

	"sigill/broker/kit/config/strict"
)

// BankID are the settings of kind bankid. The zero Environment is production.
type BankID struct {
	Environment BankIDEnvironment
	ClientCertificate
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

var policyOID = regexp.MustCompile(`^[0-2](\.(0|[1-9][0-9]{0,9})){2,15}$`)

func readBankID(v strict.Value, m *strict.Map) BankID {
	b := BankID{Environment: readBankIDEnvironment(m.Get("environment").Required())}
	b.ClientCertificate = readClientCertificate(v, m)
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
