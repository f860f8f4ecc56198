package judges

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"sigill/testidp"
	"sigill/testidp/pki"
)

// Processes of benchmarks that are no program of ours: the test program itself,
// started again with the part that it plays.
const benchPart = "SIGILL_BENCH_PART"

// benchParts are played by a process until it is stopped.
func benchParts() map[string]func(context.Context) error {
	return map[string]func(context.Context) error{"issuer": playIssuer, "logins": playLogins}
}

// issuerSays is how long the issuer takes for an answer.
const issuerSays = 30 * time.Millisecond

// issuerCounts is what the issuer has seen so far.
type issuerCounts struct {
	Collects, Handshakes, Connections, Open int64
}

// A pendingIssuer speaks BankID's API over mutual TLS as far as is needed for
// orders that are open on a phone and stay so. It costs as little as it can, since
// it shares the machine with what is measured; that is why it is not the simulator.
type pendingIssuer struct {
	base, counts string
	dir          string // of the relying party's certificates
	process      *process
}

func newPendingIssuer(b *testing.B, log string) *pendingIssuer {
	b.Helper()
	port, counting, dir := freePort(b), freePort(b), b.TempDir()
	x := &pendingIssuer{
		base: "https://localhost:" + port + "/rp/v6.0/", counts: "http://localhost:" + counting + "/counts", dir: dir,
	}
	x.process = startPart(b, log, "issuer", answers(x.counts), "ISSUER_PORT="+port, "ISSUER_COUNTS="+counting, "ISSUER_DIR="+dir)
	return x
}

// startPart starts the test program as a part of a benchmark.
func startPart(t testing.TB, log, part string, ready func() error, settings ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(append(os.Environ(), benchPart+"="+part), settings...)
	return start(t, log, ready, cmd)
}

func (x *pendingIssuer) seen(t testing.TB) (c issuerCounts) {
	t.Helper()
	answer, err := http.Get(x.counts)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

func playIssuer(ctx context.Context) error {
	material, err := testidp.New(ctx, testidp.Config{Listen: "localhost:0", BankIDListen: "localhost:0", MailListen: "localhost:0"})
	if err != nil {
		return err
	}
	m, err := material.Material()
	if err == nil {
		err = m.WriteFiles(os.Getenv("ISSUER_DIR"))
	}
	material.Close()
	if err != nil {
		return err
	}
	keys, err := pki.Open(ctx, pki.Config{})
	if err != nil {
		return err
	}
	var collects, handshakes, connections, open atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("POST /rp/v6.0/auth", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"orderRef":%q,"autoStartToken":%q,"qrStartToken":%q,"qrStartSecret":%q}`, rand.Text(), rand.Text(), rand.Text(), rand.Text())
	})
	mux.HandleFunc("POST /rp/v6.0/collect", func(w http.ResponseWriter, r *http.Request) {
		collects.Add(1)
		var asked struct{ OrderRef string }
		if json.NewDecoder(io.LimitReader(r.Body, 1000)).Decode(&asked) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		time.Sleep(issuerSays)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"orderRef":%q,"status":"pending","hintCode":"userSign"}`, asked.OrderRef)
	})
	issuer := &http.Server{
		Handler: mux, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{keys.Server()}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: keys.RelyingParties(),
			VerifyConnection: func(tls.ConnectionState) error { handshakes.Add(1); return nil },
		},
		ConnState: func(_ net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				connections.Add(1)
				open.Add(1)
			case http.StateClosed, http.StateHijacked:
				open.Add(-1)
			}
		},
	}
	counts := &http.Server{Addr: "localhost:" + os.Getenv("ISSUER_COUNTS"), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(issuerCounts{collects.Load(), handshakes.Load(), connections.Load(), open.Load()})
	})}
	failed := make(chan error, 2)
	go func() {
		l, err := net.Listen("tcp", "localhost:"+os.Getenv("ISSUER_PORT"))
		if err == nil {
			err = issuer.ServeTLS(l, "", "")
		}
		failed <- err
	}()
	go func() { failed <- counts.ListenAndServe() }()
	select {
	case err = <-failed:
	case <-ctx.Done():
		err = nil
	}
	issuer.Close()
	counts.Close()
	return err
}

// provider is the issuer in a configuration.
func (x *pendingIssuer) provider() string {
	at := func(file string) string { return filepath.Join(x.dir, file) }
	return fmt.Sprintf(`
  - name: judges
    kind: bankid
    offers: [mbankid, bankid]
    certificate_file: %s
    key_file: %s
    environment:
      base_url: %s
      tls_root_file: %s
      signature_root_file: %s
      policies: {file: [1.2.3.4.5], card: [1.2.3.4.10], mobile: [1.2.3.4.25]}
      app_links: {desktop: "http://localhost:1/app?autostarttoken=", mobile: "http://localhost:1/app?autostarttoken="}
`, at(testidp.RPCertificateFile), at(testidp.RPKeyFile), x.base, at(testidp.TLSRootFile), at(testidp.SignatureRootFile))
}
