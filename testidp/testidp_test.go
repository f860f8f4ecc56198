package testidp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"sigill/testidp/control"
)

// relyingParty is an HTTP client with the material of a server.
func relyingParty(t *testing.T, m Material) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(m.TLSRoot) {
		t.Fatal("no TLS root")
	}
	pair, err := tls.X509KeyPair(m.RPCertificate, m.RPKey)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{pair}}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func post(t *testing.T, c *http.Client, url, body string, into any) int {
	t.Helper()
	resp, err := c.Post(url, "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if into != nil && len(data) > 0 {
		if err := json.Unmarshal(data, into); err != nil {
			t.Fatalf("%s: %v in %s", url, err, data)
		}
	}
	return resp.StatusCode
}

func encoded(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// frame is the authentication code of a QR frame.
func frame(secret, t string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(t))
	return hex.EncodeToString(mac.Sum(nil))
}

func TestStart(t *testing.T) {
	s := Start(t)
	m, err := s.Material()
	if err != nil {
		t.Fatal(err)
	}
	c := relyingParty(t, m)
	var o struct{ OrderRef, AutoStartToken, QRStartToken, QRStartSecret string }
	if got := post(t, c, m.BankIDURL+"auth", `{"endUserIp":"127.0.0.1"}`, &o); got != 200 {
		t.Fatalf("auth: %d", got)
	}
	id, err := s.Scan("bankid." + o.QRStartToken + ".0." + frame(o.QRStartSecret, "0"))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := s.Approve(id, s.People()[0].Number); err != nil || r.State != control.Complete {
		t.Fatalf("approve: %+v, %v", r, err)
	}
	var r struct {
		Status         string
		CompletionData struct {
			User struct{ PersonalNumber string }
		}
	}
	if post(t, c, m.BankIDURL+"collect", `{"orderRef":"`+o.OrderRef+`"}`, &r); r.Status != "complete" || r.CompletionData.User.PersonalNumber != s.People()[0].Number {
		t.Fatalf("collect: %+v", r)
	}
}

func TestClientCertificateIsRequired(t *testing.T) {
	s := Start(t)
	m, err := s.Material()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(m.TLSRoot)
	for name, certs := range map[string][]tls.Certificate{"none": nil, "of another CA": {s.pki.Server()}} {
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if certs == nil {
				return &tls.Certificate{}, nil
			}
			return &certs[0], nil
		}}}}
		if resp, err := c.Post(m.BankIDURL+"auth", "application/json", nil); err == nil {
			resp.Body.Close()
			t.Errorf("%s: got %s, want a TLS alert", name, resp.Status)
		}
	}
}
