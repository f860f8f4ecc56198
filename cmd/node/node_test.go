package node

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sigill/broker"
	"sigill/broker/kit/config"
	"sigill/broker/kit/keys"
	"sigill/providers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair writes a certificate with its key.
func pair(t *testing.T, dir, name string, serial int64, until time.Time) (certificate, key string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	for file, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

// settings are those of a small installation whose e-IDs are never asked.
func settings(t *testing.T) (config.Config, net.Listener) {
	t.Helper()
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := config.Config{
		Issuer: fmt.Sprintf("http://localhost:%d", l.Addr().(*net.TCPAddr).Port), Data: filepath.Join(dir, "data"),
		MasterKeyFile: filepath.Join(dir, "master.key"), AdminListen: "127.0.0.1:0",
		Clients: []broker.Client{{
			ID: "app", Name: "Appen", Profile: broker.ProfileBasic, RedirectURIs: []string{"http://localhost:8090/callback"},
			AuthMethod: broker.SecretAny, SecretHash: make([]byte, 32), IDTokenAlg: "RS256",
		}},
	}
	if err := keys.NewMaster(c.MasterKeyFile); err != nil {
		t.Fatal(err)
	}
	certificate, key := pair(t, dir, "rp", 1, time.Now().Add(48*time.Hour))
	for _, name := range []string{"one", "two"} {
		c.Providers = append(c.Providers, config.Provider{
			Name: name, Kind: "bankid", Offers: []providers.ID{providers.MBankID, providers.BankID}, DisplayName: "Exempelby",
			BankID: config.BankID{ClientCertificate: config.ClientCertificate{CertificateFile: certificate, KeyFile: key}},
		})
	}
	return c, l
}

// logged is a log that tests may read while it is written.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// run starts a node and stops it with the test.
func run(t *testing.T, c config.Config, l net.Listener) (*Node, *logged, *http.Client) {
	t.Helper()
	log := &logged{}
	n, err := New(t.Context(), Config{Settings: c, Listener: l, Log: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // a test's own certificate
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("node: %v", err)
		}
	})
	return n, log, client
}

func send(t *testing.T, client *http.Client, method, address, body string, headers ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text), res.Header
}

const authorization = "/authorize?response_type=code&scope=openid&client_id=app&redirect_uri=http%3A%2F%2Flocalhost%3A8090%2Fcallback&state=hemligt&nonce=hemligt"

func TestNode(t *testing.T) {
	c, l := settings(t)
	n, log, client := run(t, c, l)
	for _, tt := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		holds                    string
	}{
		{"health", "GET", "/healthz", "", nil, 200, "ok"},
		{"ready", "GET", "/readyz", "", nil, 200, "ready"},
		{"discovery", "GET", "/.well-known/openid-configuration", "", nil, 200, `"issuer":"` + c.Issuer + `"`},
		{"keys", "GET", "/jwks", "", nil, 200, `"ES256"`},
		{"front", "GET", "/", "", nil, 200, "<html"},
		{"nowhere", "GET", "/nowhere?hemligt", "", nil, 404, "<html"},
		{"another method", "DELETE", "/authorize", "", nil, 405, ""},
		{"login", "GET", authorization, "", nil, 303, ""},
		// Other sites are meant to send people to authorize, and to nothing else.
		{"authorize from elsewhere", "POST", "/authorize", strings.TrimPrefix(authorization, "/authorize?"), []string{"Origin", "https://app.example.se", "Sec-Fetch-Site", "cross-site"}, 303, ""},
		{"our form from elsewhere", "POST", "/login/" + strings.Repeat("A", 43), "provider=mbankid", []string{"Origin", "https://evil.example.com", "Sec-Fetch-Site", "cross-site"}, 403, "<html"},
		{"our form from our page, behind a proxy", "POST", "/login/" + strings.Repeat("A", 43), "provider=mbankid", []string{"Origin", c.Issuer, "Host", "10.0.0.1"}, 404, "<html"},
		{"token without proof", "POST", "/token", "grant_type=authorization_code&code=hemligt", nil, 401, "invalid_client"},
		{"a header too large", "GET", "/healthz", "", []string{"X-Large", strings.Repeat("a", 100<<10)}, 431, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, body, h := send(t, client, tt.method, c.Issuer+tt.path, tt.body, tt.headers...)
			if status != tt.status || !strings.Contains(body, tt.holds) {
				t.Errorf("%d, want %d with %q: %s", status, tt.status, tt.holds, body)
			}
			if status != 431 && (h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Request-Id") == "") {
				t.Errorf("headers: %v", h)
			}
		})
	}
	// Metrics are elsewhere, and know of the logins.
	if status, _, _ := send(t, client, "GET", c.Issuer+"/metrics", ""); status != 404 {
		t.Errorf("metrics for everybody: %d", status)
	}
	_, text, _ := send(t, client, "GET", "http://"+n.AdminAddr().String()+"/metrics", "")
	for _, want := range []string{"sigill_oidc_answers_total{", "sigill_orders_pending 0", `sigill_certificate_days_left{what="rp:two"} 1.9`, "\nsigill_logins_started_total 1\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if strings.Contains(log.String(), "hemligt") {
		t.Errorf("the log holds what stood in an address:\n%s", log)
	}
	if !strings.Contains(log.String(), `"route":"GET /authorize"`) {
		t.Errorf("the log lacks the request:\n%s", log)
	}
}

func TestRates(t *testing.T) {
	c, l := settings(t)
	c.LoginsBy = config.Rate{Requests: 2, Within: time.Hour}
	c.TokensBy = config.Rate{Requests: 1, Within: time.Hour}
	c.TrustedProxies = nil
	_, _, client := run(t, c, l)
	for i, tt := range []struct {
		method, path string
		status       int
	}{
		{"GET", authorization, 303}, {"GET", authorization, 303}, {"GET", authorization, 429},
		{"POST", "/login/x", 429}, {"GET", "/login/x", 404}, // looking at a page is free
		{"POST", "/token", 401}, {"POST", "/token", 429},
		{"GET", "/jwks", 200}, {"GET", "/healthz", 200},
	} {
		// An untrusted header makes nobody another.
		status, body, _ := send(t, client, tt.method, c.Issuer+tt.path, "", "X-Forwarded-For", fmt.Sprintf("192.0.2.%d", i))
		if status != tt.status && !(tt.status == 401 && status == 400) {
			t.Errorf("%d: %s %s: %d, want %d: %s", i, tt.method, tt.path, status, tt.status, body)
		}
	}
}

func TestTLS(t *testing.T) {
	c, l := settings(t)
	dir := t.TempDir()
	c.TLS.CertificateFile, c.TLS.KeyFile = pair(t, dir, "tls", 1, time.Now().Add(time.Hour))
	c.Issuer = strings.Replace(c.Issuer, "http:", "https:", 1)
	n, _, client := run(t, c, l)
	status, _, h := send(t, client, "GET", c.Issuer+authorization, "")
	cookies := strings.Join(h.Values("Set-Cookie"), "\n")
	if status != 303 || h.Get("Strict-Transport-Security") == "" || !strings.Contains(cookies, "__Host-") || strings.Count(cookies, "Secure") != len(h.Values("Set-Cookie")) {
		t.Errorf("%d %v", status, h)
	}
	serial := func() string {
		conn, err := tls.Dial("tcp", n.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	if got := serial(); got != "1" {
		t.Errorf("certificate %s", got)
	}
	if _, err := tls.Dial("tcp", n.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(*config.Config)
		want  string
	}{
		{"no master key", func(c *config.Config) { c.MasterKeyFile += "x" }, "master key"},
		{"unknown kind", func(c *config.Config) { c.Providers[0].Kind = "mojleg" }, `there is no kind "mojleg"`},
		{"no certificate", func(c *config.Config) { c.Providers[1].BankID.CertificateFile = "" }, "provider two: "},
		{"roots that are none", func(c *config.Config) {
			c.Providers[0].BankID.Environment = config.BankIDEnvironment{BaseURL: "https://localhost:1/", TLSRootFile: c.Providers[0].BankID.KeyFile}
		}, "holds something that is not a certificate"},
		{"an issuer below a path", func(c *config.Config) { c.Issuer += "/login" }, "scheme and host alone"},
		{"a client twice", func(c *config.Config) { c.Clients = append(c.Clients, c.Clients[0]) }, "client app is configured twice"},
		{"a port in use", func(c *config.Config) { c.AdminListen = c.Listen }, "address already in use"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, l := settings(t)
			defer l.Close()
			c.Listen = l.Addr().String()
			tt.spoil(&c)
			n, err := New(t.Context(), Config{Settings: c, Listener: l})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if n != nil {
				t.Error("half a node")
			}
		})
	}
}

func TestOffers(t *testing.T) {
	c, l := settings(t)
	l.Close()
	e, err := openProviders(t.Context(), c.Providers, workshop{now: time.Now, log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	show := func(list []providers.Info) string {
		var s []string
		for _, i := range list {
			s = append(s, string(i.ID)+"@"+i.Instance)
		}
		return strings.Join(s, " ")
	}
	for _, tt := range []struct {
		name   string
		client broker.Client
		want   string
	}{
		{"all by default", broker.Client{}, "mbankid@one bankid@one"},
		{"a list", broker.Client{Providers: map[providers.ID]string{"bankid": ""}, ProviderOrder: []providers.ID{"bankid"}}, "bankid@one"},
		{"an instance", broker.Client{Providers: map[providers.ID]string{"bankid": "two", "mbankid": ""}, ProviderOrder: []providers.ID{"bankid", "mbankid"}}, "bankid@two mbankid@one"},
		// Never another one in its place: people would see another name.
		{"an instance that is gone", broker.Client{Providers: map[providers.ID]string{"bankid": "three"}, ProviderOrder: []providers.ID{"bankid"}}, ""},
		{"an e-ID that is not configured", broker.Client{Providers: map[providers.ID]string{"freja": ""}, ProviderOrder: []providers.ID{"freja"}}, ""},
	} {
		if got := show(e.offers(tt.client)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := fmt.Sprint(e.levels()); got != fmt.Sprint([]providers.Level{providers.LevelUncertified3}) {
		t.Errorf("levels %s", got)
	}
}

func TestUserSignature(t *testing.T) {
	if got := userSignature(providers.Evidence{MediaType: "application/vnd.sigill.bankid+json", Bytes: []byte(`{"signature":"aGVq","ocspResponse":"x"}`)}); string(got) != "hej" {
		t.Errorf("got %q", got)
	}
	for _, e := range []providers.Evidence{{}, {MediaType: "application/json", Bytes: []byte(`{"signature":"aGVq"}`)}, {MediaType: "application/vnd.sigill.bankid+json", Bytes: []byte(`{`)}} {
		if got := userSignature(e); got != nil {
			t.Errorf("%s: got %q", e.MediaType, got)
		}
	}
}
