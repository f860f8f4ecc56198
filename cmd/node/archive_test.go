package node

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigill/broker/kit/config"
	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
	"sigill/providers/bankid"
	"sigill/signing/orders"
	"sigill/signing/pades/padestest"
	"sigill/signing/trust"
)

// sealed gives settings a seal and a trust file.
func sealed(t *testing.T, c *config.Config, change func(*trust.Trust)) {
	t.Helper()
	dir := t.TempDir()
	p := padestest.NewPKI(t)
	key := padestest.NewKey(t, elliptic.P256())
	var chain []byte
	for _, c := range p.Issue(t, key, padestest.Leaf{}) {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	believed := trust.Trust{Seal: trust.Seal{Roots: []*x509.Certificate{p.Root}}}
	c.Signing = &config.Signing{}
	change(&believed)
	text, err := trust.Write(believed)
	if err != nil {
		t.Fatal(err)
	}
	c.Signing.Seal = config.Seal{CertificateFile: filepath.Join(dir, "seal.pem"), KeyFile: filepath.Join(dir, "seal.key")}
	c.Signing.TrustFile = filepath.Join(dir, "trust.yaml")
	c.Signing.Limits = config.SigningLimits{MaxDocuments: 20, MaxSignatories: 20, MaxFile: 1 << 20, MaxOrder: 1 << 20, DefaultDeadline: time.Hour, MaxDeadline: time.Hour}
	for file, content := range map[string][]byte{
		c.Signing.Seal.CertificateFile: chain, c.Signing.TrustFile: text,
		c.Signing.Seal.KeyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// testEnvironment makes the first provider one of another environment than
// production, and gives the root of its signatures.
func testEnvironment(t *testing.T, c *config.Config) *x509.Certificate {
	t.Helper()
	file, _ := pair(t, t.TempDir(), "root", 7, time.Now().Add(time.Hour))
	roots, err := readCertificates(file)
	if err != nil {
		t.Fatal(err)
	}
	c.Providers[0].BankID.Environment = config.BankIDEnvironment{
		BaseURL: "https://localhost:1/", TLSRootFile: file, SignatureRootFile: file, FilePolicies: []string{"1.2.3.4.5"},
		CardPolicies: []string{"1.2.3.4.10"}, MobilePolicies: []string{"1.2.3.4.25"}, DesktopLink: "bankid:///", MobileLink: "https://app.bankid.com/",
	}
	return roots[0]
}

// The room's waiting work is to be seen from outside, and so is a database that
// does not answer.
func TestRoomIsWatched(t *testing.T) {
	c, l := settings(t)
	sealed(t, &c, func(*trust.Trust) {})
	n, _, client := run(t, c, l)
	address := "http://" + n.AdminAddr().String()
	if err := n.room.db.Write(t.Context(), func(tx *sqldb.Tx) error {
		for id, state := range map[string]string{"a": "open", "b": "sealing", "c": "sealing"} {
			if _, err := tx.Exec(`INSERT INTO orders (id, client, state, created, version, head) VALUES ($1, 'app', $2, 0, 1, '')`, id, state); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(`INSERT INTO orders (id, client, state, created, ended, version, head) VALUES ('d', 'app', 'completed', 0, 1, 1, '')`); err != nil {
			return err
		}
		// Not before an hour, so that it stands still; due an hour ago.
		if err := outbox.Insert(tx, outbox.Entry{ID: "b-seal", Kind: orders.KindSeal, Ref: "b", Created: time.Now().Add(-time.Hour)}); err != nil {
			return err
		}
		_, err := tx.Exec(`UPDATE outbox SET next = $1`, time.Now().Add(time.Hour).UnixMilli())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	_, text, _ := send(t, client, "GET", address+"/metrics", "")
	for _, want := range []string{
		`sigill_signing_orders{state="open"} 1`, `sigill_signing_orders{state="sealing"} 2`,
		`sigill_outbox_pending{queue="seal"} 1`, `sigill_outbox_pending{queue="webhooks"} 0`, `sigill_outbox_pending{queue="messages"} 0`,
		`sigill_outbox_oldest_seconds{queue="seal"} 360`, `sigill_outbox_oldest_seconds{queue="webhooks"} 0`, `sigill_certificate_days_left{what="seal"} `, `sigill_certificate_days_left{what="trust:seal"} `,
		`sigill_keys_without_master{room="signing"} 0`,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if status, _, _ := send(t, client, "GET", address+"/readyz", ""); status != 200 {
		t.Errorf("not ready: %d", status)
	}
	if err := n.room.db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`ALTER TABLE bodies RENAME TO gone`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := send(t, client, "GET", address+"/readyz", ""); status != 503 {
		t.Errorf("ready without its tables: %d", status)
	}
}

// What would stop every receipt is said before the first order, by check and at
// the start.
func TestTrustFileCoversWhatIsConfigured(t *testing.T) {
	all := []string{"1.2.3.4.5", "1.2.3.4.10", "1.2.3.4.25"}
	for _, tt := range []struct {
		name  string
		spoil func(*testing.T, *config.Config, *trust.Trust)
		want  []string // nothing: it is fine
	}{
		{"production", func(*testing.T, *config.Config, *trust.Trust) {}, nil},
		{"approved", func(_ *testing.T, c *config.Config, tr *trust.Trust) {
			c.Providers[1].Approved = true
			tr.BankID = []trust.BankID{{Name: trust.Production, Approved: true}}
		}, nil},
		{"approved, and believed to be not", func(_ *testing.T, c *config.Config, _ *trust.Trust) { c.Providers[1].Approved = true },
			[]string{"provider two: its signatures would not be believed: it is approved for level 3, and the environment production in the trust file is not"}},
		{"an environment that is believed", func(t *testing.T, c *config.Config, tr *trust.Trust) {
			tr.BankID = []trust.BankID{{Name: "test", Roots: []*x509.Certificate{testEnvironment(t, c)}, Policies: all}}
		}, nil},
		{"an environment that nobody believes", func(t *testing.T, c *config.Config, _ *trust.Trust) { testEnvironment(t, c) },
			[]string{`provider one: its signatures would not be believed: no environment under bankid in the trust file has the signature root "localhost"`}},
		{"policies that are not believed", func(t *testing.T, c *config.Config, tr *trust.Trust) {
			tr.BankID = []trust.BankID{{Name: "test", Roots: []*x509.Certificate{testEnvironment(t, c)}, Policies: all[1:2]}}
		}, []string{"the environment test in the trust file lacks the policy 1.2.3.4.5", "lacks the policy 1.2.3.4.25"}},
		{"policies that are never asked for", func(t *testing.T, c *config.Config, tr *trust.Trust) {
			tr.BankID = []trust.BankID{{Name: "test", Roots: []*x509.Certificate{testEnvironment(t, c)}, Policies: all[2:]}}
			c.Providers[0].Offers = c.Providers[0].Offers[:1]
		}, nil},
		{"another sealer", func(_ *testing.T, _ *config.Config, tr *trust.Trust) { tr.Seal.Organisation = "Annankommunen" },
			[]string{"seal: nobody who believes the trust file would believe our receipts", "another organisation"}},
		{"another root", func(t *testing.T, _ *config.Config, tr *trust.Trust) {
			tr.Seal.Roots = []*x509.Certificate{padestest.NewPKI(t).Root}
		}, []string{"NO_CERTIFICATE_CHAIN_FOUND"}},
		{"a gateway without its token", func(_ *testing.T, c *config.Config, _ *trust.Trust) {
			c.Signing.SMS = &config.SMS{Kind: config.SMSHTTP, URL: "https://sms.example.se/", From: "Kommunen"}
		}, []string{"sms gateway: the secret is missing"}},
		{"a mail server at no port", func(_ *testing.T, c *config.Config, _ *trust.Trust) {
			c.Signing.Mail = &config.Mail{Host: "mail.example.se:smtp", TLS: config.MailStartTLS, From: "a@example.se"}
		}, []string{"signing: mail: "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, l := settings(t)
			sealed(t, &c, func(tr *trust.Trust) { tt.spoil(t, &c, tr) })
			checked := Check(t.Context(), c)
			n, started := New(t.Context(), Config{Settings: c, Listener: l})
			if n != nil {
				if err := n.Close(); err != nil {
					t.Error(err)
				}
			}
			for who, err := range map[string]error{"check": checked, "start": started} {
				if len(tt.want) == 0 && err != nil {
					t.Errorf("%s: %v", who, err)
				}
				for _, want := range tt.want {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("%s: %v, want %q", who, err, want)
					}
				}
			}
		})
	}
	if len(bankid.Production().SignatureRoots) == 0 {
		t.Error("production has no roots to cover")
	}
}
