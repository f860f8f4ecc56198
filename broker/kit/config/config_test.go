package config_test

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/broker"
	"sigill/broker/kit/config"
	"sigill/broker/kit/config/strict"
	"sigill/providers"
)

// folder makes a folder with the files that the samples refer to.
func folder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"master.key", "rp.pem", "rp.key", "tls.pem", "sig.pem", "b.p12", "b.pass", "fullchain.pem", "key.pem", "m-old.key"} {
		write(t, dir, name, "x")
	}
	write(t, dir, "app.secret", "abcdefghijklmnopqrstuvwxyz\n")
	write(t, dir, "old.secret", "zyxwvutsrqponmlkjihgfedcba\n")
	write(t, dir, "two.secret", "one\ntwo\n")
	write(t, dir, "app.webhook", webhookSecret+"\n")
	return dir
}

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// webhookSecret is one of 32 bytes; its last bits are zero, as they must be.
const webhookSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

const sound = `issuer: http://localhost:8080
data: data
master_key_file: master.key
providers:
  - name: one
    kind: bankid
    offers: [bankid, mbankid]
    environment: production
    certificate_file: rp.pem
    key_file: rp.key
`

func TestLoad(t *testing.T) {
	dir := folder(t)
	file := filepath.Join(dir, "sigill.yaml")
	write(t, dir, "sigill.yaml", sound+`
admin_listen: 127.0.0.1:8083
session_life: 30m
evidence_life: 10d
rates: {logins: off}
clients:
  - id: app
    name: Appen
    profile: basic
    redirect_uris: [http://localhost:8090/callback]
    secret: abcdefghijklmnopqrstuvwxyz
    scopes: [openid, profile, https://id.oidc.se/scope/naturalPersonNumber]
    providers: {mbankid: one}
    min_age: 18
    samordningsnummer: deny
    callback_origins: [https://app.example.se, "http://localhost:9000"]
    loopback_callbacks: true
    webhook_secret_file: app.webhook
    asking_body: Byggnadsnämnden
  - id: app2
    name: Appen två
    redirect_uris: ["https://app.example.se/callback?x=1"]
    secret_file: app.secret
    previous_secret_file: old.secret
    auth_method: client_secret_post
`)
	c, warnings, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	secret := sha256.Sum256([]byte("abcdefghijklmnopqrstuvwxyz"))
	before := sha256.Sum256([]byte("zyxwvutsrqponmlkjihgfedcba"))
	want := config.Config{
		Issuer: "http://localhost:8080", Listen: "127.0.0.1:8080", AdminListen: "127.0.0.1:8083",
		Data: filepath.Join(dir, "data"), MasterKeyFile: filepath.Join(dir, "master.key"),
		SessionLife: 30 * time.Minute, EvidenceLife: 240 * time.Hour,
		OrdersBy: config.Rate{Requests: 60, Within: time.Minute}, TokensBy: config.Rate{Requests: 6000, Within: time.Minute},
		Providers: []config.Provider{{
			Name: "one", Kind: "bankid", Offers: []providers.ID{"bankid", "mbankid"}, Line: 5,
			BankID: config.BankID{ClientCertificate: config.ClientCertificate{CertificateFile: filepath.Join(dir, "rp.pem"), KeyFile: filepath.Join(dir, "rp.key")}},
		}},
		Clients: []broker.Client{
			{
				ID: "app", Name: "Appen", Profile: broker.ProfileBasic, RedirectURIs: []string{"http://localhost:8090/callback"},
				AuthMethod: broker.SecretAny, SecretHash: secret[:],
				Scopes:    []string{"profile", "https://id.oidc.se/scope/naturalPersonNumber"},
				Providers: map[providers.ID]string{"mbankid": "one"}, ProviderOrder: []providers.ID{"mbankid"},
				IDTokenAlg: "RS256", NoCoordination: true, MinAge: 18,
				CallbackOrigins: []string{"https://app.example.se", "http://localhost:9000"}, LoopbackCallbacks: true,
				WebhookSecret: []byte("0123456789abcdef0123456789abcdef"), AskingBody: "Byggnadsnämnden",
			},
			{
				ID: "app2", Name: "Appen två", Profile: broker.ProfileSweden, RedirectURIs: []string{"https://app.example.se/callback?x=1"},
				AuthMethod: broker.SecretPost, SecretHash: secret[:], PreviousSecretHash: before[:],
				IDTokenAlg: "ES256", UserinfoAlg: "ES256", RequirePKCE: true,
			},
		},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if len(warnings) != 0 {
		t.Errorf("warnings: %v", warnings)
	}
}

func TestFaults(t *testing.T) {
	client := func(lines string) string {
		return sound + "clients:\n  - id: app\n    name: App\n    redirect_uris: [http://localhost:8090/cb]\n    secret: hemlig\n" + lines
	}
	tests := []struct {
		name, yaml, want string
	}{
		{"empty", "", "c.yaml: is empty"},
		{"only a comment", "# nothing\n", "c.yaml: is empty"},
		{"not YAML", "issuer: [", "c.yaml:1: is not YAML: did not find expected node content"},
		{"a list", "- a\n", "c.yaml:1: must be a mapping of keys to values"},
		{"an alias", "a: &x 1\nb: *x\n", "c.yaml:1: anchors and aliases (& and *) are not understood here"},
		{"two documents", sound + "---\n{}\n", "c.yaml: holds more than one document; only one is read"},
		{"everything missing", "name: x\n", `c.yaml:1: issuer: is missing
c.yaml:1: data: is missing
c.yaml:1: master_key_file: is missing
c.yaml:1: providers: is missing`},
		{"unknown key", sound + "isuer: x\n", "c.yaml:11: isuer: is not a known key; did you mean issuer?"},
		{"strange key", sound + "whatever: x\n", "c.yaml:11: whatever: is not a known key"},
		{"key twice", sound + "data: other\n", "c.yaml:11: data: stands there twice"},
		{"number for text", sound + "name: 12\n", "c.yaml:11: name: must be a text; put it in quotes"},
		{"http issuer", strings.Replace(sound, "http://localhost:8080", "http://login.example.se", 1), "c.yaml:1: issuer: must begin with https; plain http is only for localhost"},
		{"issuer with path", strings.Replace(sound, "localhost:8080", "localhost:8080/", 1), "c.yaml:1: issuer: must be a scheme and a host alone, without path or a slash at the end"},
		{"https without certificate", strings.Replace(sound, "http://localhost:8080", "https://login.example.se", 1), "c.yaml:1: tls: is missing: give certificate_file and key_file, or name the proxy in front in trusted_proxies"},
		{"http to the world", sound + "listen: :8080\n", "c.yaml:11: listen: plain http is served on this machine only; listen on 127.0.0.1"},
		{"metrics to the world", sound + "admin_listen: 0.0.0.0:9000\n", "c.yaml:11: admin_listen: is plain http and served on this machine only; listen on 127.0.0.1"},
		{"same port twice", sound + "admin_listen: 127.0.0.1:8080\n", "c.yaml:11: admin_listen: is the same as listen"},
		{"trust in all", sound + "trusted_proxies: [0.0.0.0/0]\n", "c.yaml:11: trusted_proxies[0]: would trust the whole internet"},
		{"bad times", sound + "session_life: 90m\nevidence_life: soon\n", "c.yaml:11: session_life: must be from 1m to 1h\nc.yaml:12: evidence_life: must be a time such as 30s, 10m, 8h or 90d"},
		{"bad rate", sound + "rates: {logins: 5}\n", "c.yaml:11: rates.logins: must be a text; put it in quotes"},
		{"bad rate of orders", sound + "rates: {orders: often}\n", "c.yaml:11: rates.orders: must be a number of requests and a unit of time, such as 300/m, or off"},
		{"bad rate unit", sound + "rates: {logins: 5/d}\n", "c.yaml:11: rates.logins: must be a number of requests and a unit of time, such as 300/m, or off"},
		{"no provider", "issuer: http://localhost:1\ndata: d\nmaster_key_file: master.key\nproviders: []\n", "c.yaml:4: providers: must name at least one"},
		{"missing file", strings.Replace(sound, "rp.key", "gone.key", 1), "c.yaml:10: providers[0].key_file: there is no file DIR/gone.key"},
		{"a folder for a file", strings.Replace(sound, "rp.key", ".", 1), "c.yaml:10: providers[0].key_file: DIR is a folder"},
		{"both certificates", sound + "    pkcs12_file: b.p12\n", "c.yaml:5: providers[0]: give the certificate as certificate_file and key_file, or as pkcs12_file and passphrase_file"},
		{"half a certificate", strings.Replace(sound, "    key_file: rp.key\n", "", 1), "c.yaml:5: providers[0].key_file: is missing"},
		{"unknown kind", strings.Replace(sound, "kind: bankid", "kind: mojleg", 1), "c.yaml:6: providers[0].kind: must be one of: bankid, freja, saml, oidc"},
		{"unknown offer", strings.Replace(sound, "[bankid, mbankid]", "[bankid, bankid, telia]", 1), "c.yaml:7: providers[0].offers[1]: stands there twice\nc.yaml:7: providers[0].offers[2]: telia cannot be offered by kind bankid"},
		{"unknown environment", strings.Replace(sound, "environment: production", "environment: test", 1), "c.yaml:8: providers[0].environment: must be one of: production"},
		{"environment in parts", strings.Replace(sound, "environment: production", "environment: {base_url: http://x, policies: {mobile: [abc]}}", 1), `c.yaml:8: providers[0].environment.base_url: must be an https address such as https://appapi2.test.bankid.com/rp/v6.0/
c.yaml:8: providers[0].environment.tls_root_file: is missing
c.yaml:8: providers[0].environment.signature_root_file: is missing
c.yaml:8: providers[0].environment.policies.mobile[0]: must be an object identifier such as 1.2.3.4.25`},
		{"environment without policies", strings.Replace(sound, "environment: production", "environment: {base_url: 'https://x/', tls_root_file: tls.pem, signature_root_file: sig.pem}", 1), "c.yaml:8: providers[0].environment.policies: is missing\nc.yaml:8: providers[0].environment.policies.mobile: is missing"},
		{"script for a link", strings.Replace(sound, "environment: production", "environment: {base_url: 'https://x/', tls_root_file: tls.pem, signature_root_file: sig.pem, policies: {mobile: [1.2.3]}, app_links: {desktop: 'javascript:x='}}", 1), "c.yaml:8: providers[0].environment.app_links.desktop: must begin with https or a scheme of the app"},
		{"client twice", client("  - id: app\n    name: B\n    redirect_uris: [http://localhost/]\n    secret: x\n"), "c.yaml:16: clients[1]: there is another client with the id app"},
		{"client without anything", sound + "clients:\n  - {}\n", "c.yaml:12: clients[0].id: is missing\nc.yaml:12: clients[0].name: is missing\nc.yaml:12: clients[0].redirect_uris: is missing\nc.yaml:12: clients[0]: give a secret_file, or the client's public keys in jwks"},
		{"redirects", strings.Replace(client(""), "[http://localhost:8090/cb]", "[http://app.example.se/, https://a/#x, https://*.example.se/, /cb, https://u@a/, https://a/, https://a/]", 1), `c.yaml:14: clients[0].redirect_uris[0]: must begin with https; plain http is only for localhost
c.yaml:14: clients[0].redirect_uris[1]: must not have a fragment (#)
c.yaml:14: clients[0].redirect_uris[2]: must be one address; wildcards (*) are not understood
c.yaml:14: clients[0].redirect_uris[3]: must be a whole address such as https://app.example.se/callback
c.yaml:14: clients[0].redirect_uris[4]: must not hold a user name
c.yaml:14: clients[0].redirect_uris[6]: stands there twice`},
		{"secret twice", client("    secret_file: app.secret\n"), "c.yaml:12: clients[0]: give one of secret, secret_file and jwks, not several"},
		{"previous secret alone", client("    previous_secret_file: app.secret\n"), "c.yaml:16: clients[0].previous_secret_file: is only for clients with a secret_file"},
		{"previous secret the same", strings.Replace(client(""), "secret: hemlig", "secret_file: app.secret\n    previous_secret_file: app.secret", 1), "c.yaml:16: clients[0].previous_secret_file: holds the same secret as secret_file"},
		{"secret of two lines", strings.Replace(client(""), "secret: hemlig", "secret_file: two.secret", 1), "c.yaml:15: clients[0].secret_file: two.secret must hold the secret on its only line"},
		{"keys missing", client("    auth_method: private_key_jwt\n"), "c.yaml:16: clients[0].auth_method: needs the client's public keys in jwks"},
		{"unknown e-ID", client("    providers: [bankd]\n"), `c.yaml:16: clients[0].providers[0]: there is no e-ID "bankd"; known are bankid, mbankid, freja, telia and what the providers here offer`},
		{"no e-ID", client("    providers: []\n"), "c.yaml:16: clients[0].providers: must name at least one e-ID; leave it out to offer all"},
		{"e-ID without instance", client("    providers: {mbankid: }\n"), "c.yaml:16: clients[0].providers.mbankid: is missing"},
		{"unknown instance", client("    providers: {mbankid: two}\n"), "c.yaml:16: clients[0].providers.mbankid: there is no provider named two"},
		{"instance of another e-ID", client("    providers: {freja: one}\n"), "c.yaml:16: clients[0].providers.freja: the provider one does not offer freja"},
		{"unknown scope", client("    scopes: [email]\n"), "c.yaml:16: clients[0].scopes[0]: must be one of: openid, profile, signing, naturalPersonInfo, naturalPersonNumber"},
		{"unsigned userinfo", client("    userinfo_alg: none\n"), "c.yaml:16: clients[0].userinfo_alg: the profile sweden demands signed userinfo: ES256 or RS256"},
		{"unknown algorithm", client("    id_token_alg: HS256\n"), "c.yaml:16: clients[0].id_token_alg: must be one of: ES256, RS256"},
		{"pale accent", client("    theme: {accent: '#ffff00'}\n"), "c.yaml:16: clients[0].theme.accent: white text on the accent (#ffff00 and #ffffff) has the contrast 1.07:1, below 4.5:1; the accent as text on the page's ground (#ffff00 and #f2f4f6) has the contrast 1.02:1, below 4.5:1"},
		{"no accent", client("    theme: {accent: blue}\n"), `c.yaml:16: clients[0].theme.accent: the accent "blue" is not a colour of the form #rrggbb`},
		{"logo without folder", client("    theme: {logo: app.svg}\n"), "c.yaml:16: clients[0].theme.logo: needs the folder that holds it: logos at the top of the configuration"},
		{"logo of another kind", client("    theme: {logo: ../app.gif}\n"), "c.yaml:16: clients[0].theme.logo: must be the name of a .svg or .png file in the folder logos"},
		{"logo that is not there", client("    theme: {logo: app.svg}\n") + "logos: .\n", "c.yaml:16: clients[0].theme.logo: there is no file app.svg in the folder DIR"},
		{"no folder", sound + "logos: gone\n", "c.yaml:11: logos: there is no folder DIR/gone"},
		{"too old", client("    min_age: 121\n"), "c.yaml:16: clients[0].min_age: must be a whole number from 0 to 120"},
		{"symmetric key", strings.Replace(client(""), "secret: hemlig", "jwks: {keys: [{kty: oct, k: AAAA}]}", 1), "c.yaml:15: clients[0].jwks.keys[0]: holds a private key; give the public part alone, and make a new key: this one has been shown"},
		{"weak key", strings.Replace(client(""), "secret: hemlig", "jwks: {keys: [{kty: RSA, n: AQAB, e: AQAB}]}", 1), "c.yaml:15: clients[0].jwks.keys[0]: must be an RSA key of 2048 to 8192 bits"},
		{"point off the curve", strings.Replace(client(""), "secret: hemlig", "jwks: {keys: [{kty: EC, crv: P-256, x: "+strings.Repeat("A", 43)+", y: "+strings.Repeat("A", 43)+"}]}", 1), "c.yaml:15: clients[0].jwks.keys[0]: must be a point on the curve P-256, P-384 or P-521"},
		{"no keys", strings.Replace(client(""), "secret: hemlig", "jwks: {keys: []}", 1), "c.yaml:15: clients[0].jwks.keys: must hold at least one key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := folder(t)
			c, _, err := config.Parse(filepath.Join(dir, "c.yaml"), []byte(tt.yaml))
			if err == nil {
				t.Fatalf("was accepted: %+v", c)
			}
			var faults strict.Faults
			if !errors.As(err, &faults) {
				t.Fatalf("error is a %T", err)
			}
			got := strings.ReplaceAll(err.Error(), dir, "DIR")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	dir := folder(t)
	if err := os.Chmod(filepath.Join(dir, "master.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	yaml := strings.Replace(sound, "http://localhost:8080", "https://login.example.se", 1) + `trusted_proxies: [10.0.0.1, 10.1.0.0/16]
clients:
  - id: app
    name: App
    redirect_uris: [https://app.example.se/cb]
    secret: abcdefghijklmnopqrstuvwxyz
    providers: [bankid, freja]
`
	c, warnings, err := config.Parse(filepath.Join(dir, "c.yaml"), []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	want := `c.yaml:3: master_key_file: DIR/master.key can be read by others than its owner; chmod 600 it
c.yaml:16: clients[0].secret: stands in the file itself; a secret_file can be kept from readers
c.yaml:17: clients[0].providers[1]: freja is not offered by any provider here and will not be shown`
	if got := strings.ReplaceAll(strict.Faults(warnings).Error(), dir, "DIR"); got != want {
		t.Errorf("warnings:\n%s\nwant:\n%s", got, want)
	}
	if len(c.TrustedProxies) != 2 || c.TrustedProxies[0].Bits() != 32 {
		t.Errorf("proxies: %v", c.TrustedProxies)
	}
	if !c.Secure() || c.LoopbackIssuer() {
		t.Error("an https issuer is taken for a loopback one")
	}
}

// A secret that is short is guessed from its digest; only a try-out on
// loopback may have one.
func TestShortSecret(t *testing.T) {
	dir := folder(t)
	write(t, dir, "clients.yaml", "id: app\nname: App\nredirect_uris: [https://app.example.se/cb]\nsecret: hemlig\n")
	file := filepath.Join(dir, "clients.yaml")
	if _, _, err := config.LoadClients(file, config.ClientRules{}); err == nil || err.Error() != "clients.yaml:4: secret: is too short: make at least 22 random letters and digits" {
		t.Errorf("got %v", err)
	}
	if list, _, err := config.LoadClients(file, config.ClientRules{Loopback: true}); err != nil || len(list) != 1 {
		t.Errorf("on loopback: %v, %v", list, err)
	}
}

// The example must stay true: every key in it known, every file named in it
// the only thing that is missing.
func TestExample(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"tls/fullchain.pem", "tls/key.pem", "secrets/master.key", "secrets/bankid.p12", "secrets/bankid.pass"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, "x")
	}
	write(t, dir, "secrets/bygglov.secret", broker.NewSecret())
	c, warnings, err := config.Parse(filepath.Join(dir, "sigill.yaml"), []byte(config.Example))
	if err != nil || len(warnings) != 0 {
		t.Fatalf("faults: %v\nwarnings: %v", err, warnings)
	}
	if len(c.Clients) != 1 || len(c.Providers) != 1 || !c.Providers[0].BankID.Environment.Production() {
		t.Errorf("example is read as %+v", c)
	}
	// The commented-out settings are right as well.
	setting := regexp.MustCompile(`^( *)# ( *(?:- )?[a-z0-9_]+:($| .*))`)
	var lines []string
	for _, line := range strings.Split(config.Example, "\n") {
		if m := setting.FindStringSubmatch(line); m != nil && !strings.Contains(line, "master-old") && !strings.Contains(line, "loopback_callbacks") {
			line = m[1] + m[2]
		}
		if strings.TrimSpace(line) == "environment: production" {
			continue
		}
		lines = append(lines, line)
	}
	for _, name := range []string{"bankid-test/tls-root.pem", "bankid-test/signature-root.pem", "logos/bygglov.svg",
		"tls/seal.pem", "secrets/seal.key", "trust.yaml", "secrets/mail.pass", "secrets/sms.pass",
		"secrets/register.token", "secrets/staff.secret", "tenants/x", "services/x", "secrets/sentinel.password", "secrets/redis.password",
		"secrets/redis-ca.pem", "secrets/redis-client.pem", "secrets/redis-client.key", "freja/root.pem", "freja/issuing.pem", "freja/jws-2026.pem", "freja/jws-2029.pem",
		"secrets/freja.p12", "secrets/freja.pass", "saml/federation.pem", "saml/login.pem", "secrets/saml-login.key", "saml/sign.pem", "secrets/saml-sign.key", "secrets/annan.key"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, "x")
	}
	write(t, dir, "secrets/bygglov-old.secret", broker.NewSecret())
	write(t, dir, "secrets/bygglov.webhook", webhookSecret)
	write(t, dir, "secrets/postgres.dsn", "postgres://sigill:x@db.example.se/sigill?sslmode=verify-full")
	c, _, err = config.Parse(filepath.Join(dir, "sigill.yaml"), []byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatalf("with everything: %v\n%s", err, strings.Join(lines, "\n"))
	}
	if e := c.Providers[0].BankID.Environment; e.Production() || len(e.CardPolicies) != 1 || !c.Clients[0].NoCoordination || c.Clients[0].MinAge != 18 {
		t.Errorf("example with everything is read as %+v", c)
	}
	if p := c.Providers; len(p) != 4 || len(p[1].Freja.JWSCertificateFiles) != 2 || !p[2].SAML.Signing.Configured() || len(p[3].OIDC.Levels) != 1 ||
		p[1].Freja.SignatureExpiry != 10*time.Minute || p[1].Freja.QRPadding || p[1].Freja.DynamicLink || p[3].OIDC.AuthTime != "required" || p[3].OIDC.CredentialEnds.IsZero() {
		t.Errorf("e-IDs in the example with everything are read as %+v", p)
	}
	if s := c.Signing; s == nil || s.Mail == nil || s.SMS == nil || s.TrustFile == "" || len(c.Clients[0].WebhookSecret) != 32 || len(c.Clients[0].CallbackOrigins) != 1 {
		t.Errorf("signing in the example with everything is read as %+v", s)
	}
	if s := c.Store; s.Postgres == nil || s.Postgres.Connections != 6 || s.Redis == nil || !s.Redis.TLS {
		t.Errorf("the store in the example with everything is read as %+v", s)
	}
	if p := c.Portal; p == nil || p.Register == nil || p.Staff == nil || p.Tenants == "" {
		t.Errorf("the portal in the example with everything is read as %+v", p)
	}
}

func TestTooLarge(t *testing.T) {
	_, _, err := config.Parse("c.yaml", make([]byte, strict.MaxSize+1))
	if err == nil || !strings.Contains(err.Error(), "is larger than") {
		t.Errorf("got %v", err)
	}
}

// FuzzParse: whatever a file holds, it is refused with faults or read; a file
// that is read serves the outside only over https or on this machine.
func FuzzParse(f *testing.F) {
	f.Add(sound)
	f.Add(config.Example)
	f.Add("issuer: &a [*a]\n")
	f.Add("a: {b: [1, 2.5, ~, !!binary AA==]}\n---\n")
	f.Add("clients: [{jwks: {keys: [{kty: EC}]}}]")
	dir := folder(f)
	f.Fuzz(func(t *testing.T, text string) {
		c, _, err := config.Parse(filepath.Join(dir, "c.yaml"), []byte(text))
		if err != nil {
			var faults strict.Faults
			if !errors.As(err, &faults) || len(faults) == 0 {
				t.Fatalf("error without faults: %v", err)
			}
			return
		}
		if !c.Secure() && !c.LoopbackIssuer() {
			t.Fatalf("plain http for %q", c.Issuer)
		}
		if s := c.Signing; s != nil {
			if m := s.Mail; m != nil && m.TLS == config.MailPlain && !strings.HasPrefix(m.Host, "localhost:") && !strings.HasPrefix(m.Host, "127.") && !strings.HasPrefix(m.Host, "[::1]:") {
				t.Fatalf("plain mail to %q", m.Host)
			}
			if l := s.Limits; l.MaxFile < 1 || l.MaxFile > l.MaxOrder || l.DefaultDeadline < 1 || l.DefaultDeadline > l.MaxDeadline || l.MaxDocuments < 1 || l.MaxSignatories < 1 {
				t.Fatalf("limits %+v", l)
			}
		}
		for _, client := range c.Clients {
			if client.LoopbackCallbacks && !c.LoopbackIssuer() {
				t.Fatal("a server may be made to call itself")
			}
			if len(client.SecretHash) == 0 && len(client.JWKS) == 0 && client.AuthMethod == broker.PrivateKeyJWT {
				t.Fatal("a client without keys")
			}
		}
	})
}
