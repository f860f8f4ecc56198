package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/smtp"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/testidp"
	"sigill/testidp/freja"
)

// A log is a buffer that two goroutines may use.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	ctx, stop := context.WithCancel(t.Context())
	var out log
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"--listen", "127.0.0.1:0", "--bankid-listen", "127.0.0.1:0", "--freja-listen", "127.0.0.1:0", "--mail-listen", "127.0.0.1:0", "--oidc-jwks", "http://localhost:1/jwks", "--data", dir}, &out, io.Discard)
	}()
	bankID := regexp.MustCompile(`https://localhost:\d+/rp/v6\.0/`)
	phone := regexp.MustCompile(`http://localhost:\d+`)
	deadline := time.Now().Add(2 * time.Minute)
	for !strings.Contains(out.String(), "certificates in") {
		select {
		case err := <-ended:
			t.Fatalf("ended: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("not up:\n%s", out.String())
		}
	}
	read := func(name string) []byte {
		t.Helper()
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	pair, err := tls.X509KeyPair(read(testidp.RPCertificateFile), read(testidp.RPKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	roots, signatures := x509.NewCertPool(), x509.NewCertPool()
	if !roots.AppendCertsFromPEM(read(testidp.TLSRootFile)) || !signatures.AppendCertsFromPEM(read(testidp.SignatureRootFile)) {
		t.Error("roots")
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr}
	resp, err := client.Post(bankID.FindString(out.String())+"auth", "application/json", strings.NewReader(`{"endUserIp":"127.0.0.1"}`))
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("auth: %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
	resp, err = client.Get(phone.FindString(out.String()) + "/healthz")
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("healthz: %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
	// Freja with what lies in the folder, the SAML IdP and the OIDC e-ID.
	pair, err = tls.X509KeyPair(read(freja.RPCertificateFile), read(freja.RPKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	if !roots.AppendCertsFromPEM(read(freja.TLSRootFile)) {
		t.Error("Freja's root")
	}
	toFreja := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}}
	defer toFreja.CloseIdleConnections()
	at := regexp.MustCompile(`Freja +(https://localhost:\d+)/`).FindStringSubmatch(out.String())
	if at == nil {
		t.Fatalf("no Freja in\n%s", out.String())
	}
	resp, err = (&http.Client{Transport: toFreja}).Post(at[1]+"/authentication/1.0/initAuthentication", "application/json", strings.NewReader("initAuthRequest=e30="))
	if err != nil || resp.StatusCode != 422 {
		t.Errorf("Freja: %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
	read(testidp.FederationFile)
	for _, line := range []string{`SAML IdP +(http://127\.0\.0\.1:\d+/saml/telia/metadata)`, `OIDC e-ID +(http://localhost:\d+/oidc/eid) \(client sigill-eid, keys at http://localhost:1/jwks\)`} {
		at := regexp.MustCompile(line).FindStringSubmatch(out.String())
		if at == nil {
			t.Fatalf("no %s in\n%s", line, out.String())
		}
		resp, err := http.Get(at[1])
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("%s: %v, %v", line, resp, err)
		} else {
			resp.Body.Close()
		}
	}
	http.DefaultClient.CloseIdleConnections()
	toFreja.CloseIdleConnections()
	address := regexp.MustCompile(`mail \(SMTP\) +(\S+)`).FindStringSubmatch(out.String())
	if address == nil {
		t.Fatalf("no mail server in\n%s", out.String())
	}
	if c, err := smtp.Dial(address[1]); err != nil {
		t.Errorf("mail: %v", err)
	} else if err := c.Quit(); err != nil {
		t.Errorf("mail: %v", err)
	}
	tr.CloseIdleConnections()
	stop()
	if err := <-ended; err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

func TestRunRefuses(t *testing.T) {
	for name, args := range map[string][]string{
		"unknown flag":   {"--x"},
		"argument":       {"x"},
		"broken address": {"--listen", "nowhere:x"},
		"broken Freja":   {"--listen", "127.0.0.1:0", "--bankid-listen", "127.0.0.1:0", "--freja-listen", "nowhere:x"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
				t.Error("ran")
			}
		})
	}
}
