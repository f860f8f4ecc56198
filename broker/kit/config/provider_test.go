package config_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/broker/kit/config"
	"sigill/providers"
)

const head = "issuer: http://localhost:8080\ndata: data\nmaster_key_file: master.key\nproviders:\n"

const freja = `  - name: freja
    kind: freja
    offers: [freja]
    environment: test
    tls_root_file: tls.pem
    jws_root_file: sig.pem
    jws_certificate_files: [rp.pem, fullchain.pem]
    certificate_file: rp.pem
    key_file: rp.key
    qr_padding: true
    link: dynamic
    signature_expiry: 15m
`

const telia = `  - name: telia
    kind: saml
    offers: [telia]
    idp: https://idp.example.se/telia
    metadata: {url: "https://md.example.se/feed", signed_by_file: sig.pem}
    login: {certificate_file: rp.pem, key_file: rp.key, previous_certificate_file: rp.pem, previous_key_file: rp.key}
    signing: {certificate_file: rp.pem, key_file: rp.key}
    organisation:
      name: {sv: Exempelby kommun, en: Exempelby municipality}
      display_name: {sv: Exempelby, en: Exempelby}
      url: https://exempelby.example.se
      technical_contact: drift@example.se
    accept_levels: {"http://id.elegnamnden.se/loa/1.0/loa3": loa3}
`

const other = `  - name: annan
    kind: oidc
    offers: [annan-id]
    title: {sv: Annan e-legitimation, en: Another eID}
    help: {issuer: Annan, test: "https://annan.example.se/testa"}
    issuer: https://oidc.example.se/oidc/
    client_id: sigill
    auth_method: client_secret_basic
    client_secret_file: app.secret
    claims: {number: "https://example.se/claims/number"}
    level: {claim: loa, values: {LOA3: uncertified-loa3}}
    auth_time: optional
    credential_ends: 2027-01-31
`

func TestKinds(t *testing.T) {
	dir := folder(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	c, warnings, err := config.Parse(in("c.yaml"), []byte(head+freja+telia+other))
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	both := func(s string) providers.Text { return providers.Text{SV: s, EN: s} }
	want := []config.Provider{
		{
			Name: "freja", Kind: config.KindFreja, Offers: []providers.ID{providers.Freja}, Line: 5,
			Freja: config.Freja{
				BaseURL: "https://services.test.frejaeid.com", AppLink: "https://app.test.frejaeid.com/freja",
				TLSRootFile: in("tls.pem"), JWSRootFile: in("sig.pem"), JWSCertificateFiles: []string{in("rp.pem"), in("fullchain.pem")},
				ClientCertificate: config.ClientCertificate{CertificateFile: in("rp.pem"), KeyFile: in("rp.key")},
				QRPadding:         true, DynamicLink: true, SignatureExpiry: 15 * time.Minute,
			},
		},
		{
			Name: "telia", Kind: config.KindSAML, Offers: []providers.ID{providers.Telia}, Line: 17,
			SAML: config.SAML{
				IdP: "https://idp.example.se/telia", Binding: "auto",
				Metadata: config.SAMLMetadata{URL: "https://md.example.se/feed", SignedByFile: in("sig.pem"), Refresh: time.Hour},
				Login:    config.SAMLParty{CertificateFile: in("rp.pem"), KeyFile: in("rp.key"), PreviousCertificateFile: in("rp.pem"), PreviousKeyFile: in("rp.key")},
				Signing:  config.SAMLParty{CertificateFile: in("rp.pem"), KeyFile: in("rp.key")},
				Organisation: config.SAMLOrganisation{
					Name: providers.Text{SV: "Exempelby kommun", EN: "Exempelby municipality"}, DisplayName: both("Exempelby"),
					URL: "https://exempelby.example.se", TechnicalContact: "drift@example.se",
				},
				AcceptLevels: map[string]providers.Level{"http://id.elegnamnden.se/loa/1.0/loa3": providers.Level3},
				NameID:       "persistent", Attributes: "swedenconnect", Extensions: config.SAMLExtensions{PrincipalSelection: "auto", UserMessage: "auto"},
				Skew: time.Minute, MaxAge: 90 * time.Second, ForceAuthn: true,
			},
		},
		{
			Name: "annan", Kind: config.KindOIDC, Offers: []providers.ID{"annan-id"}, Line: 30,
			Title: providers.Text{SV: "Annan e-legitimation", EN: "Another eID"}, Help: providers.Help{Issuer: "Annan", Test: "https://annan.example.se/testa"},
			OIDC: config.OIDC{
				Issuer: "https://oidc.example.se/oidc/", ClientID: "sigill", AuthMethod: "client_secret_basic", SecretFile: in("app.secret"),
				Claims: map[string]string{"number": "https://example.se/claims/number"}, LevelClaim: "loa",
				Levels: map[string]providers.Level{"LOA3": providers.LevelUncertified3}, Skew: time.Minute, MaxAge: 5 * time.Minute,
				AuthTime: "optional", CredentialEnds: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC),
			},
		},
	}
	if diff := cmp.Diff(want, c.Providers); diff != "" {
		t.Errorf("providers (-want +got):\n%s", diff)
	}
}

func TestKindFaults(t *testing.T) {
	for _, tt := range []struct{ name, was, is, want string }{
		{"freja believes nobody", "jws_certificate_files: [rp.pem, fullchain.pem]", "jws_certificate_files: []", "must name at least one: what Freja says"},
		{"another's e-ID", "offers: [freja]", "offers: [telia]", "telia cannot be offered by kind freja"},
		{"freja's own kind", "offers: [telia]", "offers: [freja]", "freja cannot be offered by kind saml"},
		{"BankID by SAML", "offers: [telia]", "offers: [bankid]", "bankid cannot be offered by kind saml"},
		{"two e-IDs", "offers: [telia]", "offers: [telia, en-till]", "must name one e-ID"},
		{"no title", "    title: {sv: Annan e-legitimation, en: Another eID}\n", "", "is no e-ID that is known here"},
		{"half a title", "title: {sv: Annan e-legitimation, en: Another eID}", "title: {sv: Annan}", "title.en: is missing"},
		{"unsigned and nobody said so", ", signed_by_file: sig.pem", "", "give signed_by_file"},
		{"signed and unsigned", "signed_by_file: sig.pem}", "signed_by_file: sig.pem, unsigned: true}", "give signed_by_file"},
		{"metadata by http", `"https://md.example.se/feed"`, `"http://md.example.se/feed"`, "must be an https address"},
		{"two places", "signed_by_file: sig.pem}", "signed_by_file: sig.pem, file: sig.pem}", "give url or file"},
		{"half a previous key", ", previous_key_file: rp.key", "", "give previous_certificate_file and previous_key_file, or neither"},
		{"an unknown level", `loa3": loa3`, `loa3": loa4`, "must be one of: uncertified-loa3, loa3"},
		{"no levels", "accept_levels:", "request_levels: []\n    accept_levels:", "must name at least one; write none"},
		{"a cipher of old", "accept_levels:", "ciphers: [tripledes-cbc]\n    accept_levels:", "ciphers[0]: must be one of"},
		{"a key for a secret", "client_secret_file: app.secret", "key_file: rp.key", "client_secret_file: is missing"},
		{"no claim", `    claims: {number: "https://example.se/claims/number"}` + "\n", "", "must say which claim holds the number"},
		{"issuer by http", "issuer: https://oidc", "issuer: http://oidc", "must be an https address"},
		{"a session that is not seen", "    auth_time: optional", "    auth_time: optional\n    prompt: none", "prompt: does not go with an issuer that need not say when the person acted"},
		{"a session with consent", "    auth_time: optional", "    auth_time: optional\n    prompt: consent", "prompt: does not go with"},
		{"Freja's session", "    auth_time: optional", "    preset: freja\n    prompt: none", "prompt: does not go with"},
		{"an age that nobody tells", "    auth_time: optional", "    auth_time: optional\n    auth_age: 5m", "auth_age: does not go with"},
		{"an end that is no date", "2027-01-31", "2027-02-31", "credential_ends: must be a date such as 2027-01-31"},
		{"an end with a time", "2027-01-31", "2027-01-31T12:00:00Z", "credential_ends: must be a date such as"},
		{"a signature without end", "signature_expiry: 15m", "signature_expiry: 1h", "signature_expiry: must be from 3m to 29m"},
		{"help by script", `"https://annan.example.se/testa"`, `"javascript:alert(1)"`, "must be the https address of a page"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := head + freja + telia + other
			if !strings.Contains(text, tt.was) {
				t.Fatal("nothing changed")
			}
			_, _, err := config.Parse(filepath.Join(folder(t), "c.yaml"), []byte(strings.Replace(text, tt.was, tt.is, 1)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
