package config_test

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/broker/kit/config"
	"sigill/broker/kit/config/strict"
)

func signingFolder(t testing.TB) string {
	dir := folder(t)
	for _, name := range []string{"seal.pem", "seal.key", "trust.yaml", "mail.pass", "sms.pass", "sms.token"} {
		write(t, dir, name, "x")
	}
	return dir
}

const seal = "  seal: {certificate_file: seal.pem, key_file: seal.key}\n"

func TestSigning(t *testing.T) {
	dir := signingFolder(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	limits := config.SigningLimits{
		MaxDocuments: 20, MaxSignatories: 20, MaxFile: 10 << 20, MaxOrder: 25 << 20, DefaultDeadline: 30 * 24 * time.Hour, MaxDeadline: 365 * 24 * time.Hour,
	}
	limited := func(change func(*config.SigningLimits)) *config.Signing {
		l := limits
		change(&l)
		return &config.Signing{Seal: config.Seal{CertificateFile: at("seal.pem"), KeyFile: at("seal.key")}, Limits: l}
	}
	for name, row := range map[string]struct {
		yaml string
		want *config.Signing
	}{
		"none":      {"", nil},
		"seal only": {"signing:\n" + seal, limited(func(*config.SigningLimits) {})},
		"everything": {"signing:\n" + seal + `  trust_file: trust.yaml
  mail: {host: "mail.example.se:465", tls: tls, username: sigill, password_file: mail.pass, from: noreply@example.se, from_name: Exempelby kommun}
  sms: {kind: 46elks, username: u1, password_file: sms.pass, from: Exempelby}
  completed_life: 3650d
  ended_life: 7d
  limits: {max_documents: 5, max_file: 500KiB, max_order: 2MiB, max_signatories: 3, default_deadline: 10d, max_deadline: 60d}
`, &config.Signing{
			Seal:      config.Seal{CertificateFile: at("seal.pem"), KeyFile: at("seal.key")},
			TrustFile: at("trust.yaml"),
			Mail: &config.Mail{Host: "mail.example.se:465", TLS: config.MailTLS, Username: "sigill", PasswordFile: at("mail.pass"),
				From: "noreply@example.se", FromName: "Exempelby kommun"},
			SMS: &config.SMS{Kind: config.SMS46elks, URL: "https://api.46elks.com/a1/sms", Username: "u1", PasswordFile: at("sms.pass"), From: "Exempelby"},
			Limits: config.SigningLimits{
				MaxDocuments: 5, MaxSignatories: 3, MaxFile: 500 << 10, MaxOrder: 2 << 20, DefaultDeadline: 10 * 24 * time.Hour, MaxDeadline: 60 * 24 * time.Hour,
			},
			CompletedLife: 3650 * 24 * time.Hour, EndedLife: 7 * 24 * time.Hour,
		}},
		"simulated": {"signing:\n" + seal + `  mail: {host: "localhost:2525", tls: none, from: noreply@example.se}
  sms: {kind: http, url: "http://localhost:8082/sms", token_file: sms.token, from: "+46700000000"}
`, &config.Signing{
			Seal:   config.Seal{CertificateFile: at("seal.pem"), KeyFile: at("seal.key")},
			Mail:   &config.Mail{Host: "localhost:2525", TLS: config.MailPlain, From: "noreply@example.se"},
			SMS:    &config.SMS{Kind: config.SMSHTTP, URL: "http://localhost:8082/sms", TokenFile: at("sms.token"), From: "+46700000000"},
			Limits: limits,
		}},
		"gateway with a token": {"signing:\n" + seal + "  sms: {kind: http, url: \"https://sms.example.se/send\", token_file: sms.token, from: Kommunen}\n", &config.Signing{
			Seal:   config.Seal{CertificateFile: at("seal.pem"), KeyFile: at("seal.key")},
			SMS:    &config.SMS{Kind: config.SMSHTTP, URL: "https://sms.example.se/send", TokenFile: at("sms.token"), From: "Kommunen"},
			Limits: limits,
		}},
		"mail by default": {"signing:\n" + seal + "  mail: {host: \"[2001:db8::1]:587\", from: noreply@example.se}\n", &config.Signing{
			Seal:   config.Seal{CertificateFile: at("seal.pem"), KeyFile: at("seal.key")},
			Mail:   &config.Mail{Host: "[2001:db8::1]:587", TLS: config.MailStartTLS, From: "noreply@example.se"},
			Limits: limits,
		}},
		"small orders":     {"signing:\n" + seal + "  limits: {max_order: 3MiB}\n", limited(func(l *config.SigningLimits) { l.MaxOrder, l.MaxFile = 3<<20, 3<<20 })},
		"large files":      {"signing:\n" + seal + "  limits: {max_file: 50MiB}\n", limited(func(l *config.SigningLimits) { l.MaxOrder, l.MaxFile = 50<<20, 50<<20 })},
		"short deadlines":  {"signing:\n" + seal + "  limits: {max_deadline: 12h}\n", limited(func(l *config.SigningLimits) { l.MaxDeadline, l.DefaultDeadline = 12*time.Hour, 12*time.Hour })},
		"always very late": {"signing:\n" + seal + "  limits: {default_deadline: 400d}\n", limited(func(l *config.SigningLimits) { l.MaxDeadline, l.DefaultDeadline = 9600*time.Hour, 9600*time.Hour })},
	} {
		t.Run(name, func(t *testing.T) {
			if row.want != nil && row.want.EndedLife == 0 {
				row.want.CompletedLife, row.want.EndedLife = 730*24*time.Hour, 90*24*time.Hour
			}
			c, warnings, err := config.Parse(filepath.Join(dir, "c.yaml"), []byte(sound+row.yaml))
			if err != nil || len(warnings) > 0 {
				t.Fatal(err, warnings)
			}
			if diff := cmp.Diff(row.want, c.Signing); diff != "" {
				t.Errorf("signing (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSigningFaults(t *testing.T) {
	mail := func(settings string) string { return "signing:\n" + seal + "  mail: {" + settings + "}\n" }
	sms := func(settings string) string { return "signing:\n" + seal + "  sms: {" + settings + "}\n" }
	client := func(lines string) string {
		return "clients:\n  - id: app\n    name: App\n    secret: hemlig\n" + lines
	}
	for _, tt := range []struct{ name, yaml, want string }{
		{"no seal", "signing: {trust_file: trust.yaml}\n", "c.yaml:11: signing.seal: is missing\nc.yaml:11: signing.seal.certificate_file: is missing\nc.yaml:11: signing.seal.key_file: is missing"},
		{"a text", "signing: yes please\n", "c.yaml:11: signing: must be a mapping of keys to values\nc.yaml:11: signing.seal: is missing\nc.yaml:11: signing.seal.certificate_file: is missing\nc.yaml:11: signing.seal.key_file: is missing"},
		{"half a seal", "signing:\n  seal: {certificate_file: seal.pem}\n", "c.yaml:12: signing.seal.key_file: is missing"},
		{"files that are not there", "signing:\n  seal: {certificate_file: a, key_file: b}\n  trust_file: c\n", "c.yaml:12: signing.seal.certificate_file: there is no file DIR/a\nc.yaml:12: signing.seal.key_file: there is no file DIR/b\nc.yaml:13: signing.trust_file: there is no file DIR/c"},
		{"unknown keys", "signing:\n" + seal + "  e_mail: {}\n  limits: {max_docments: 1}\n", "c.yaml:13: signing.e_mail: is not a known key; did you mean mail?\nc.yaml:14: signing.limits.max_docments: is not a known key; did you mean max_documents?"},
		{"empty mail", mail("tls: tls"), "c.yaml:13: signing.mail.host: is missing\nc.yaml:13: signing.mail.from: is missing"},
		{"mail without port", mail("host: mail.example.se, from: a@example.se"), "c.yaml:13: signing.mail.host: must be a host and a port, such as mail.example.se:587"},
		{"mail to nowhere", mail("host: ':25', from: a@example.se"), "c.yaml:13: signing.mail.host: must be a host and a port, such as mail.example.se:587"},
		{"mail to a named port", mail("host: 'mail.example.se:smtp', from: a@example.se"), "c.yaml:13: signing.mail.host: must be a host and a port, such as mail.example.se:587"},
		{"plain mail", mail("host: 'mail.example.se:25', tls: none, from: a@example.se"), "c.yaml:13: signing.mail.tls: none is only for a mail server on this machine"},
		{"unknown encryption", mail("host: 'mail.example.se:25', tls: ssl, from: a@example.se"), "c.yaml:13: signing.mail.tls: must be one of: none, starttls, tls"},
		{"sender with name", mail("host: 'mail.example.se:25', from: 'Kommunen <a@example.se>'"), "c.yaml:13: signing.mail.from: must be an e-mail address alone, such as noreply@example.se"},
		{"user without password", mail("host: 'mail.example.se:25', from: a@example.se, username: u"), "c.yaml:13: signing.mail.password_file: is missing beside username"},
		{"password without user", mail("host: 'mail.example.se:25', from: a@example.se, password_file: mail.pass"), "c.yaml:13: signing.mail.username: is missing beside password_file"},
		{"password of two lines", mail("host: 'mail.example.se:25', from: a@example.se, username: u, password_file: two.secret"), "c.yaml:13: signing.mail.password_file: two.secret must hold the secret on its only line"},
		{"password that is a number", mail("host: 'mail.example.se:25', from: a@example.se, username: u, password_file: 12"), "c.yaml:13: signing.mail.password_file: must be a text; put it in quotes"},
		{"name of two lines", mail("host: 'mail.example.se:25', from: a@example.se, from_name: \"a\\nBcc: b\""), "c.yaml:13: signing.mail.from_name: must be one line of at most 100 letters"},
		{"user of two lines", mail("host: 'mail.example.se:25', from: a@example.se, username: \"a\\nb\", password_file: mail.pass"), "c.yaml:13: signing.mail.username: must be one line of at most 200 letters"},
		{"empty sms", sms(""), "c.yaml:13: signing.sms.kind: is missing\nc.yaml:13: signing.sms.from: is missing"},
		{"unknown gateway", sms("kind: twilio, from: Kommunen"), "c.yaml:13: signing.sms.kind: must be one of: 46elks, http"},
		{"46elks without login", sms("kind: 46elks, from: Kommunen"), "c.yaml:13: signing.sms.username: is missing"},
		{"46elks with token", sms("kind: 46elks, from: Kommunen, token_file: sms.token"), "c.yaml:13: signing.sms.token_file: is not for 46elks, which takes username and password_file"},
		{"gateway nowhere", sms("kind: http, from: Kommunen, token_file: sms.token"), "c.yaml:13: signing.sms.url: is missing"},
		{"plain gateway", sms("kind: http, url: 'http://sms.example.se/', from: Kommunen, token_file: sms.token"), "c.yaml:13: signing.sms.url: must begin with https; plain http is only for localhost"},
		{"open gateway", sms("kind: http, url: 'https://sms.example.se/', from: Kommunen"), "c.yaml:13: signing.sms.token_file: is missing"},
		{"gateway with a password", sms("kind: http, url: 'https://sms.example.se/', from: Kommunen, username: u, password_file: sms.pass"), "c.yaml:13: signing.sms: username and password_file are for 46elks; a gateway of kind http takes a token_file"},
		{"near gateway with a password", sms("kind: http, url: 'http://localhost:1/', from: Kommunen, username: u, password_file: sms.pass"), "c.yaml:13: signing.sms: username and password_file are for 46elks; a gateway of kind http takes a token_file"},
		{"both ways", sms("kind: http, url: 'https://sms.example.se/', from: Kommunen, token_file: sms.token, username: u, password_file: sms.pass"), "c.yaml:13: signing.sms: username and password_file are for 46elks; a gateway of kind http takes a token_file"},
		{"long sender", sms("kind: 46elks, username: u, password_file: sms.pass, from: ExempelbyKommun"), "c.yaml:13: signing.sms.from: must be 3 to 11 letters and digits that begin with a letter, or a number such as +46700000000"},
		{"swedish sender", sms("kind: 46elks, username: u, password_file: sms.pass, from: Östersund"), "c.yaml:13: signing.sms.from: must be 3 to 11 letters and digits that begin with a letter, or a number such as +46700000000"},
		{"limits", "signing:\n" + seal + "  limits: {max_documents: 0, max_file: 10MB, max_order: 5TiB, max_signatories: many, default_deadline: 1m, max_deadline: 4000d}\n",
			`c.yaml:13: signing.limits.max_documents: must be a whole number from 1 to 100
c.yaml:13: signing.limits.max_signatories: must be a whole number
c.yaml:13: signing.limits.max_file: must be a size such as 500KiB or 10MiB
c.yaml:13: signing.limits.max_order: must be a size such as 500KiB or 10MiB
c.yaml:13: signing.limits.default_deadline: must be from 1h to 3650d
c.yaml:13: signing.limits.max_deadline: must be from 1h to 3650d`},
		{"sizes", "signing:\n" + seal + "  limits: {max_file: 81MiB, max_order: 0KiB}\n", "c.yaml:13: signing.limits.max_file: must be from 1KiB to 80MiB\nc.yaml:13: signing.limits.max_order: must be from 1KiB to 80MiB"},
		{"an order that no receipt holds", "signing:\n" + seal + "  limits: {max_order: 81MiB}\n", "c.yaml:13: signing.limits.max_order: must be from 1KiB to 80MiB"},
		{"origins without a secret", client("    scopes: [signing]\n    callback_origins: ['https://a.example.se']\n"), "c.yaml:12: clients[0].webhook_secret_file: is missing: where a client is called, the calls are signed"},
		{"callbacks here without a secret", client("    scopes: [signing]\n    loopback_callbacks: true\n"), "c.yaml:12: clients[0].webhook_secret_file: is missing: where a client is called, the calls are signed"},
		{"sizes without unit", "signing:\n" + seal + "  limits: {max_file: 1000, max_order: '1000'}\n", "c.yaml:13: signing.limits.max_file: must be a size such as 500KiB or 10MiB\nc.yaml:13: signing.limits.max_order: must be a size such as 500KiB or 10MiB"},
		{"contradictions", "signing:\n" + seal + "  limits: {max_file: 2MiB, max_order: 1MiB, default_deadline: 2d, max_deadline: 1d}\n", "c.yaml:13: signing.limits.max_file: is more than max_order\nc.yaml:13: signing.limits.default_deadline: is longer than max_deadline"},

		{"nowhere to go and nothing to sign", client("    scopes: [profile]\n"), "c.yaml:12: clients[0].redirect_uris: is missing"},
		{"an empty list is a mistake", client("    scopes: [signing]\n    redirect_uris: []\n"), "c.yaml:16: clients[0].redirect_uris: must name at least one address"},
		{"slash in the id", "clients:\n  - id: kommun/app\n    name: App\n    secret: hemlig\n    scopes: [signing]\n", "c.yaml:12: clients[0].id: must not hold a / where the scope signing is: it stands in addresses"},
		{"origins", client("    scopes: [signing]\n    webhook_secret_file: app.webhook\n    callback_origins: ['https://a.example.se/', 'https://a.example.se/x', 'https://a.example.se?', 'https://A.example.se', 'https://a.example.se:443', 'http://localhost:80', 'https://a.example.se:', 'http://b.example.se', 'https://b.example.se', 'https://b.example.se', '*']\n"),
			`c.yaml:17: clients[0].callback_origins[0]: must be a scheme and a host alone, such as https://app.example.se
c.yaml:17: clients[0].callback_origins[1]: must be a scheme and a host alone, such as https://app.example.se
c.yaml:17: clients[0].callback_origins[2]: must be a scheme and a host alone, such as https://app.example.se
c.yaml:17: clients[0].callback_origins[3]: must be in lower case, as browsers write it
c.yaml:17: clients[0].callback_origins[4]: must leave the port out, as browsers do
c.yaml:17: clients[0].callback_origins[5]: must leave the port out, as browsers do
c.yaml:17: clients[0].callback_origins[6]: must leave the port out, as browsers do
c.yaml:17: clients[0].callback_origins[7]: must begin with https; plain http is only for localhost
c.yaml:17: clients[0].callback_origins[9]: stands there twice
c.yaml:17: clients[0].callback_origins[10]: must be a whole address such as https://app.example.se/callback`},
		{"asking body", client("    scopes: [signing]\n    asking_body: \"a\\nb\"\n"), "c.yaml:16: clients[0].asking_body: must be one line of at most 100 letters"},
		{"webhook secret that is none", client("    scopes: [signing]\n    webhook_secret_file: app.secret\n"), "c.yaml:16: clients[0].webhook_secret_file: must name a file that holds whsec_ and 24 to 64 random bytes in base64"},
		{"webhook secret nowhere", client("    scopes: [signing]\n    webhook_secret_file: gone\n"), "c.yaml:16: clients[0].webhook_secret_file: there is no file DIR/gone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := signingFolder(t)
			c, _, err := config.Parse(filepath.Join(dir, "c.yaml"), []byte(sound+tt.yaml))
			var faults strict.Faults
			if !errors.As(err, &faults) {
				t.Fatalf("was accepted: %+v, %v", c, err)
			}
			if diff := cmp.Diff(tt.want, strings.ReplaceAll(err.Error(), dir, "DIR")); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

// What others may read is no secret, and is said to be none.
func TestSigningWarnings(t *testing.T) {
	dir := signingFolder(t)
	for _, name := range []string{"seal.pem", "seal.key", "mail.pass", "sms.token", "app.webhook"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, warnings, err := config.Parse(filepath.Join(dir, "c.yaml"), []byte(sound+"signing:\n"+seal+
		`  mail: {host: "mail.example.se:587", username: sigill, password_file: mail.pass, from: noreply@example.se}
  sms: {kind: http, url: "https://sms.example.se/", token_file: sms.token, from: Kommunen}
clients:
  - {id: app, name: App, secret: hemlig, scopes: [signing], webhook_secret_file: app.webhook}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := `c.yaml:12: signing.seal.key_file: DIR/seal.key can be read by others than its owner; chmod 600 it
c.yaml:13: signing.mail.password_file: DIR/mail.pass can be read by others than its owner; chmod 600 it
c.yaml:14: signing.sms.token_file: DIR/sms.token can be read by others than its owner; chmod 600 it
c.yaml:16: clients[0].webhook_secret_file: DIR/app.webhook can be read by others than its owner; chmod 600 it`
	if got := strings.ReplaceAll(strict.Faults(warnings).Error(), dir, "DIR"); got != want {
		t.Errorf("warnings:\n%s\nwant:\n%s", got, want)
	}
}

// A client that only has documents signed needs no address that people go to.
func TestClientThatOnlySigns(t *testing.T) {
	dir := signingFolder(t)
	c, warnings, err := config.Parse(filepath.Join(dir, "c.yaml"), []byte(sound+"clients:\n  - {id: app, name: App, secret: hemlig, scopes: [signing]}\n"))
	if err != nil || len(warnings) > 0 || len(c.Clients) != 1 || len(c.Clients[0].RedirectURIs) > 0 || len(c.Clients[0].Scopes) != 1 || c.Clients[0].Scopes[0] != "signing" {
		t.Errorf("%+v %v %v", c.Clients, warnings, err)
	}
}

// Elsewhere than on this machine nobody makes the server call itself.
func TestLoopbackCallbacks(t *testing.T) {
	dir := signingFolder(t)
	write(t, dir, "clients.yaml", "id: app\nname: App\nscopes: [signing]\nsecret: abcdefghijklmnopqrstuvwxyz\nloopback_callbacks: true\nwebhook_secret_file: app.webhook\n")
	file := filepath.Join(dir, "clients.yaml")
	const want = "clients.yaml:5: loopback_callbacks: is only for installations whose issuer is on localhost"
	if _, _, err := config.LoadClients(file, config.ClientRules{}); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	list, _, err := config.LoadClients(file, config.ClientRules{Loopback: true})
	if err != nil || len(list) != 1 || !list[0].LoopbackCallbacks {
		t.Errorf("on loopback: %+v, %v", list, err)
	}
}

func TestWebhookSecrets(t *testing.T) {
	dir := signingFolder(t)
	encoded := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for text, good := range map[string]bool{
		"whsec_" + encoded(24): true, "whsec_" + encoded(64): true, "whsec_" + encoded(32) + "\n": true,
		"whsec_" + encoded(23): false, "whsec_" + encoded(65): false, encoded(32): false, "whsec_": false, "WHSEC_" + encoded(32): false,
		"whsec_" + strings.TrimRight(encoded(32), "="): false, "whsec_" + encoded(31)[:41] + "B==": false, "whsec_" + encoded(32) + " ": false,
		"whsec_" + encoded(32) + "\nmore": false, "": false,
		"whsec_" + encoded(32)[:20] + "\r" + encoded(32)[20:]: false, "whsec_" + encoded(32)[:20] + "\n" + encoded(32)[20:]: false,
	} {
		write(t, dir, "w", text)
		c, _, err := config.Parse(filepath.Join(dir, "c.yaml"), []byte(sound+"clients:\n  - {id: app, name: App, secret: hemlig, scopes: [signing], webhook_secret_file: w}\n"))
		if (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
		if good && len(c.Clients[0].WebhookSecret) < 24 {
			t.Errorf("%q is read as %x", text, c.Clients[0].WebhookSecret)
		}
		if err != nil && len(text) > 20 && strings.Contains(err.Error(), text[6:20]) {
			t.Errorf("the secret is in the fault: %v", err)
		}
	}
}

func TestReadSecret(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{"hemlig": "hemlig", "hemlig\r\n": "hemlig", " med blanksteg ": " med blanksteg ", "": "", "\n": "", "a\nb": ""} {
		write(t, dir, "s", text)
		got, err := config.ReadSecret(filepath.Join(dir, "s"))
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if _, err := config.ReadSecret(filepath.Join(dir, "gone")); err == nil {
		t.Error("read what is not there")
	}
}
