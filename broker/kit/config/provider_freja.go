package config

import (
	"time"

	"sigill/broker/kit/config/strict"
)

// Freja are the settings of kind freja.
type Freja struct {
	BaseURL string
	AppLink string
	// TLSRootFile and JWSRootFile hold the roots of Freja's world: of its servers,
	// and of what it signs.
	TLSRootFile, JWSRootFile string
	// JWSCertificateFiles are the certificates that it signs with, several while
	// one follows the other; JWSChainFile those between them and the root.
	JWSCertificateFiles []string
	JWSChainFile        string
	// UserRootFile holds the roots of people's own certificates, where they are
	// known.
	UserRootFile string
	ClientCertificate
	RelyingPartyID string
	FindByNumber   bool // ask the app of the person whose number is known, instead of a code
	StaticQR       bool
	// QRKeyBase64: the secret of dynamic codes is base64, and not text.
	QRKeyBase64 bool
	QRPadding   bool // the code in a dynamic one keeps its padding
	DynamicLink bool // links for this device are dynamic, as QR codes are
	// SignatureExpiry is how long a signature waits for the person.
	SignatureExpiry time.Duration
}

// The addresses of Freja's own worlds.
var frejaWorlds = map[string][2]string{
	"production": {"https://services.prod.frejaeid.com", "https://app.prod.frejaeid.com/freja"},
	"test":       {"https://services.test.frejaeid.com", "https://app.test.frejaeid.com/freja"},
}

func readFreja(v strict.Value, m *strict.Map) Freja {
	f := Freja{}
	env := m.Get("environment").Required()
	if env.IsMap() {
		e := env.Map()
		f.BaseURL = readService(e.Get("base_url").Required(), frejaWorlds["test"][0])
		f.AppLink = readPage(e.Get("app_link").Required())
		e.Close()
	} else {
		world := frejaWorlds[env.OneOf("production", "test")]
		f.BaseURL, f.AppLink = world[0], world[1]
	}
	f.TLSRootFile = readExisting(m.Get("tls_root_file").Required())
	f.JWSRootFile = readExisting(m.Get("jws_root_file").Required())
	certificates := m.Get("jws_certificate_files").Required()
	for _, item := range certificates.List() {
		if file := readExisting(item.Required()); file != "" {
			f.JWSCertificateFiles = append(f.JWSCertificateFiles, file)
		}
	}
	if certificates.IsList() && len(certificates.List()) == 0 {
		certificates.Fault("must name at least one: what Freja says is believed by these certificates alone")
	}
	f.JWSChainFile = readExisting(m.Get("jws_chain_file"))
	f.UserRootFile = readExisting(m.Get("user_root_file"))
	f.ClientCertificate = readClientCertificate(v, m)
	f.RelyingPartyID = m.Get("relying_party_id").Text()
	f.FindByNumber = m.Get("find_by").OneOf("code", "number") == "number"
	f.StaticQR = m.Get("qr").OneOf("dynamic", "static") == "static"
	f.QRKeyBase64 = m.Get("qr_key").OneOf("text", "base64") == "base64"
	f.QRPadding = m.Get("qr_padding").Bool()
	f.DynamicLink = m.Get("link").OneOf("static", "dynamic") == "dynamic"
	f.SignatureExpiry = durationOr(m.Get("signature_expiry"), 3*time.Minute, 29*time.Minute, 10*time.Minute)
	return f
}
