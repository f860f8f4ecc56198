package judges

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"sigill/testidp"
)

// A split is an installation as in production, apart from the simulated e-IDs:
// the broker is cmd/sigill with a configuration file, the simulators are
// another process. Ports are free ones.
type split struct {
	t      testing.TB
	issuer string
	phone  control
	dir    string // of the configuration; the data lie below
	binary string
	log    string
	broker *process
}

const (
	splitClient = "judges"
	splitSecret = "judges-secret-of-22-letters"
)

// settings are what a test may want to change of the configuration.
type settings struct {
	collect string // collect_interval
	alg     string // of ID Tokens
	level   string // of the log
}

func newSplit(t testing.TB, log string, s settings) *split {
	t.Helper()
	port, phonePort, bankidPort := freePort(t), freePort(t), freePort(t)
	x := &split{
		t: t, issuer: "http://localhost:" + port, phone: control{"http://localhost:" + phonePort},
		dir: t.TempDir(), log: log + "-sigill.log", binary: build(t, "sigill"),
	}
	start(t, log+"-testidp.log", answers(x.phone.base+"/healthz"), exec.Command(build(t, "testidp"),
		"-listen", "localhost:"+phonePort, "-bankid-listen", "localhost:"+bankidPort, "-data", filepath.Join(x.dir, "bankid")))
	configuration := fmt.Sprintf(`
issuer: %[1]s
name: Domarna
listen: localhost:%[2]s
data: data
master_key_file: master.key
rates: {logins: off, orders: off, tokens: off}
log_level: %[9]s
collect_interval: %[7]s
providers:
  - name: judges
    kind: bankid
    offers: [mbankid, bankid]
    certificate_file: bankid/%[5]s
    key_file: bankid/%[6]s
    environment:
      base_url: https://localhost:%[4]s/rp/v6.0/
      tls_root_file: bankid/%[10]s
      signature_root_file: bankid/%[11]s
      policies: {file: [1.2.3.4.5], card: [1.2.3.4.10], mobile: [1.2.3.4.25]}
      app_links: {desktop: "%[3]s/app?autostarttoken=", mobile: "%[3]s/app?autostarttoken="}
clients:
  - id: %[12]s
    name: Domarna
    profile: basic
    redirect_uris: [http://localhost:8090/callback]
    auth_method: client_secret
    secret: %[13]s
    id_token_alg: %[8]s
    scopes: [openid, profile, naturalPersonInfo, naturalPersonNumber]
`, x.issuer, port, x.phone.base, bankidPort, testidp.RPCertificateFile, testidp.RPKeyFile, s.collect, s.alg, s.level,
		testidp.TLSRootFile, testidp.SignatureRootFile, splitClient, splitSecret)
	if err := os.WriteFile(x.config(), []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command(x.binary, "keys", "new-master", filepath.Join(x.dir, "master.key")).CombinedOutput(); err != nil {
		t.Fatalf("master key: %v\n%s", err, text)
	}
	if text, err := exec.Command(x.binary, "check", "--config", x.config()).CombinedOutput(); err != nil {
		t.Fatalf("the configuration is refused: %v\n%s", err, text)
	}
	x.serve()
	return x
}

func (x *split) config() string { return filepath.Join(x.dir, "sigill.yaml") }

// serve starts the broker, again after it was killed.
func (x *split) serve() {
	x.t.Helper()
	x.broker = start(x.t, x.log, answers(x.issuer+"/healthz"), exec.Command(x.binary, "serve", "--config", x.config()))
}

func (x *split) client(t testing.TB) *client {
	t.Helper()
	return newClient(t, x.issuer, splitClient, splitSecret, "http://localhost:8090/callback", "profile", scopeNumber)
}

// audit lets the program itself verify what it wrote.
func (x *split) audit(t testing.TB) {
	t.Helper()
	if text, err := exec.Command(x.binary, "audit", "verify", "--config", x.config()).CombinedOutput(); err != nil {
		t.Errorf("the audit does not verify: %v\n%s", err, text)
	}
}
