package freja

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/persons"
	"sigill/testidp/pki"
)

// keys are made once for all tests of the package, outside of any bubble of
// testing/synctest, whose clock stands in another century.
var keys = sync.OnceValues(func() (*pki.PKI, error) { return pki.Open(context.Background(), pki.Config{}) })

func TestMain(m *testing.M) {
	k, err := keys()
	if err == nil {
		_, err = k.Freja(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// A bench is a simulator with a relying party that calls its handler.
type bench struct {
	t      *testing.T
	sim    *Simulator
	faults *control.Faults
	autos  *control.Autos
	people []persons.Person
	cert   *x509.Certificate
	other  *x509.Certificate // another relying party's
}

func newBench(t *testing.T, change func(*Config)) *bench {
	t.Helper()
	k, err := keys()
	if err != nil {
		t.Fatal(err)
	}
	people := persons.All()
	b := &bench{t: t, faults: &control.Faults{}, autos: &control.Autos{}, people: people.List()}
	c := Config{PKI: k, People: people, Faults: b.faults, Autos: b.autos}
	if change != nil {
		change(&c)
	}
	if b.sim, err = New(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.sim.Close)
	b.cert, b.other = b.client("Testkommunen"), b.client("Grannkommunen")
	return b
}

func (b *bench) client(display string) *x509.Certificate {
	b.t.Helper()
	if err := b.sim.Register(display); err != nil {
		b.t.Fatal(err)
	}
	chain, _, err := b.sim.keys.RelyingParty(display)
	if err != nil {
		b.t.Fatal(err)
	}
	return chain[0]
}

// send posts a body as it is.
func (b *bench) send(cert *x509.Certificate, path, contentType, body string) (int, string) {
	b.t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	r.TLS = &tls.ConnectionState{}
	if cert != nil {
		r.TLS.PeerCertificates = []*x509.Certificate{cert}
	}
	w := httptest.NewRecorder()
	b.sim.Handler().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// call encodes a document and sends it the way the official client does.
func (b *bench) call(path, document string) (int, string) {
	b.t.Helper()
	return b.callAs(b.cert, path, document)
}

func (b *bench) callAs(cert *x509.Certificate, path, document string) (int, string) {
	b.t.Helper()
	name := methods[path].parameter
	return b.send(cert, path, "application/json", name+"="+base64.StdEncoding.EncodeToString([]byte(document)))
}

// The paths.
const (
	initAuth   = "/authentication/1.0/initAuthentication"
	oneAuth    = "/authentication/1.0/getOneResult"
	allAuth    = "/authentication/1.0/getResults"
	cancelAuth = "/authentication/1.0/cancel"
	initSign   = "/sign/1.0/initSignature"
	oneSign    = "/sign/1.0/getOneResult"
	allSign    = "/sign/1.0/getResults"
	cancelSign = "/sign/1.0/cancel"
)

// started is what an init answers.
type started struct {
	AuthRef, SignRef, QRCodeSecret string
}

func (s started) ref() string { return s.AuthRef + s.SignRef }

func (b *bench) start(path, document string) started {
	b.t.Helper()
	status, body := b.call(path, document)
	var s started
	if err := json.Unmarshal([]byte(body), &s); err != nil || status != 200 || len(s.ref()) != 64 {
		b.t.Fatalf("%s: %d %.200s", path, status, body)
	}
	return s
}

// outcome is a result as a relying party reads it.
type outcome struct {
	AuthRef, SignRef    string
	Status              string
	Details             *string
	RequestedAttributes map[string]any
	FrejaCookie         string
}

func (b *bench) result(s started) outcome {
	b.t.Helper()
	path, document := oneAuth, fmt.Sprintf(`{"authRef":%q}`, s.AuthRef)
	if s.SignRef != "" {
		path, document = oneSign, fmt.Sprintf(`{"signRef":%q}`, s.SignRef)
	}
	status, body := b.call(path, document)
	var o outcome
	if err := json.Unmarshal([]byte(body), &o); err != nil || status != 200 || o.AuthRef != s.AuthRef || o.SignRef != s.SignRef {
		b.t.Fatalf("%s: %d %.200s", path, status, body)
	}
	return o
}

func (b *bench) want(s started, status string) {
	b.t.Helper()
	if got := b.result(s).Status; got != status {
		b.t.Errorf("status is %s, want %s", got, status)
	}
}

func (b *bench) code(status int, body string) int {
	b.t.Helper()
	var e struct{ Code int }
	if status != http.StatusUnprocessableEntity || json.Unmarshal([]byte(body), &e) != nil {
		b.t.Fatalf("not a refusal: %d %.200s", status, body)
	}
	return e.Code
}

func (b *bench) act(s started, action string, p persons.Person) (control.Result, error) {
	b.t.Helper()
	return b.sim.Act(s.ref(), control.Action{Action: action, Pnr: p.Number})
}

func (b *bench) approve(s started, p persons.Person) control.Result {
	b.t.Helper()
	r, err := b.act(s, "approve", p)
	if err != nil || r.State != control.Complete {
		b.t.Fatalf("approve: %v, state %s", err, r.State)
	}
	return r
}

func (b *bench) flagged(f persons.Flag) persons.Person {
	b.t.Helper()
	for _, p := range b.people {
		if p.Has(f) {
			return p
		}
	}
	b.t.Fatalf("nobody is %s", f)
	return persons.Person{}
}

// Requests.
const (
	inferred = `{"userInfoType":"INFERRED","userInfo":"N/A","minRegistrationLevel":"PLUS","attributesToReturn":[` +
		`{"attribute":"SSN"},{"attribute":"BASIC_USER_INFO"},{"attribute":"REGISTRATION_LEVEL"},{"attribute":"LOA_LEVEL"}]}`
	dynamic = `{"userInfoType":"INFERRED","userInfo":"N/A","minRegistrationLevel":"PLUS","useDynamicQrCode":true}`
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func ssnOf(p persons.Person) string { return b64(`{"country":"SE","ssn":"` + p.Number + `"}`) }

func bySSN(p persons.Person) string {
	return `{"userInfoType":"SSN","userInfo":"` + ssnOf(p) + `","minRegistrationLevel":"EXTENDED","attributesToReturn":[{"attribute":"SSN"}]}`
}

func signing(text, binary string) string {
	kind, data, more := "SIMPLE", `"text":"`+b64(text)+`"`, ""
	if binary != "" {
		kind, more = "EXTENDED", `,"binaryData":"`+b64(binary)+`"`
	}
	return strings.Replace(inferred, "{", `{"title":"Titel","dataToSignType":"`+kind+`_UTF8_TEXT","signatureType":"`+kind+
		`","dataToSign":{`+data+more+`},`, 1)
}

func TestLoginOverMutualTLS(t *testing.T) {
	b := newBench(t, nil)
	server := httptest.NewUnstartedServer(b.sim.Handler())
	server.TLS = b.sim.TLSConfig()
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // one call has no certificate
	server.StartTLS()
	defer server.Close()
	url := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)

	post := func(m Material, root []byte) (int, string, error) {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(root)
		config := &tls.Config{RootCAs: pool}
		if m.RPKey != nil {
			pair, err := tls.X509KeyPair(m.RPCertificate, m.RPKey)
			if err != nil {
				t.Fatal(err)
			}
			config.Certificates = []tls.Certificate{pair}
		}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}, Timeout: 20 * time.Second}
		defer client.CloseIdleConnections()
		r, err := client.Post(url+initAuth, "application/json", strings.NewReader("initAuthRequest="+b64(inferred)))
		if err != nil {
			return 0, "", err
		}
		defer r.Body.Close()
		var body struct {
			AuthRef string
			Code    int
		}
		json.NewDecoder(r.Body).Decode(&body)
		return r.StatusCode, fmt.Sprint(len(body.AuthRef), " ", body.Code), nil
	}

	m, err := b.sim.Material(url+"/", "Testkommunen")
	if err != nil {
		t.Fatal(err)
	}
	if status, body, err := post(m, m.TLSRoot); status != 200 || body != "64 0" {
		t.Errorf("genuine: %d %s %v", status, body, err)
	}
	renewed, err := b.sim.Renewed(url+"/", "Testkommunen")
	if err != nil {
		t.Fatal(err)
	}
	if status, body, err := post(renewed, m.TLSRoot); status != 200 || string(renewed.RPCertificate) == string(m.RPCertificate) {
		t.Errorf("renewed: %d %s %v", status, body, err)
	}
	if status, _, err := post(Material{}, m.TLSRoot); err == nil {
		t.Errorf("without a certificate: %d", status)
	}
	// A certificate of Freja's that belongs to nobody who was let in.
	k, _ := keys()
	freja, err := k.Freja(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	chain, key, err := freja.RenewRelyingParty("Testkommunen")
	if err != nil {
		t.Fatal(err)
	}
	stranger := m
	stranger.RPCertificate = certificates(chain...)
	der, _ := x509.MarshalPKCS8PrivateKey(key)
	stranger.RPKey = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if status, body, err := post(stranger, m.TLSRoot); status != 422 || body != "0 1008" {
		t.Errorf("unknown: %d %s %v", status, body, err)
	}
}

func TestCompleteLogin(t *testing.T) {
	b := newBench(t, nil)
	s := b.start(initAuth, inferred)
	b.want(s, "STARTED")
	id, err := b.sim.Scan(control.Code{QR: "frejaeid://bindUserToTransaction?transactionReference=" + s.ref()})
	if err != nil || id != s.ref() {
		t.Fatal(id, err)
	}
	b.want(s, "DELIVERED_TO_MOBILE")
	b.approve(s, b.people[0])
	o := b.result(s)
	if o.Status != "APPROVED" || o.Details == nil || strings.Count(*o.Details, ".") != 2 {
		t.Fatalf("status %s", o.Status)
	}
	if again := b.result(s); *again.Details != *o.Details {
		t.Error("the statement changes")
	}
}
