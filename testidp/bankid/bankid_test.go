package bankid

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
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

// A bench is a simulator with a relying party that calls its handler.
type bench struct {
	t      *testing.T
	sim    *Simulator
	faults *control.Faults
	autos  *control.Autos
	cert   *x509.Certificate
	root   *x509.Certificate
	people []persons.Person
}

func newBench(t *testing.T, timings Timings) *bench {
	t.Helper()
	k, err := keys()
	if err != nil {
		t.Fatal(err)
	}
	people := persons.All()
	b := &bench{t: t, faults: &control.Faults{}, autos: &control.Autos{}, root: k.SignatureRoot(), people: people.List()}
	b.sim = New(Config{PKI: k, People: people, Faults: b.faults, Autos: b.autos, Timings: timings})
	t.Cleanup(b.sim.Close)
	b.cert = b.client("Testkommunen")
	return b
}

func (b *bench) client(display string) *x509.Certificate {
	b.t.Helper()
	k, _ := keys()
	chain, _, err := k.RelyingParty(display)
	if err != nil {
		b.t.Fatal(err)
	}
	return chain[0]
}

// call sends a body and returns status and answer.
func (b *bench) call(method, body string) (int, string) {
	b.t.Helper()
	return b.callAs(b.cert, method, body)
}

func (b *bench) callAs(cert *x509.Certificate, method, body string) (int, string) {
	b.t.Helper()
	r := httptest.NewRequest("POST", BasePath+method, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
	w := httptest.NewRecorder()
	b.sim.Handler().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func (b *bench) start(method, body string) startResponse {
	b.t.Helper()
	status, answer := b.call(method, body)
	var s startResponse
	if status != 200 || json.Unmarshal([]byte(answer), &s) != nil || s.OrderRef == "" {
		b.t.Fatalf("%s: %d %s", method, status, answer)
	}
	return s
}

func (b *bench) collect(ref string) collectResponse {
	b.t.Helper()
	status, answer := b.call("collect", fmt.Sprintf(`{"orderRef":%q}`, ref))
	var c collectResponse
	if status != 200 || json.Unmarshal([]byte(answer), &c) != nil {
		b.t.Fatalf("collect: %d %s", status, answer)
	}
	return c
}

// wantHint collects and compares status and hint.
func (b *bench) wantHint(ref, status, hint string) {
	b.t.Helper()
	if c := b.collect(ref); c.Status != status || c.HintCode != hint {
		b.t.Fatalf("collect: got %s/%s, want %s/%s", c.Status, c.HintCode, status, hint)
	}
}

// wantGone collects and wants "No such order".
func (b *bench) wantGone(ref string) {
	b.t.Helper()
	status, answer := b.call("collect", fmt.Sprintf(`{"orderRef":%q}`, ref))
	if status != 400 || answer != `{"errorCode":"invalidParameters","details":"No such order"}` {
		b.t.Fatalf("collect: got %d %s, want no such order", status, answer)
	}
}

func (b *bench) act(ref string, a control.Action) control.Result {
	b.t.Helper()
	r, err := b.sim.Act(ref, a)
	if err != nil {
		b.t.Fatalf("%s: %v", a.Action, err)
	}
	return r
}

func (b *bench) approve(ref, pnr string) control.Result {
	b.t.Helper()
	return b.act(ref, control.Action{Action: "approve", Pnr: pnr})
}

// expect is what the relying party expects of an order that it started just now.
func (b *bench) expect(sign bool, visible, nonVisible string) expectation {
	return expectation{
		root: b.root, sign: sign, visible: visible, nonVisible: nonVisible,
		policies: []string{"1.2.3.4.5", "1.2.3.4.10", "1.2.3.4.25"},
		display:  "Testkommunen",
		name:     "cn=Simulator FP Testkommunen,name=Testkommunen,serialNumber=1111111111,o=Simulator Bank AB (publ),c=SE",
		since:    time.Now(), until: time.Now().Add(time.Minute),
	}
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// qrAt is the frame of a second, computed here from the formula of bankid.md 5.1.
func qrAt(s startResponse, t int) string {
	return fmt.Sprintf("bankid.%s.%d.%s", s.QRStartToken, t, frameMAC(s.QRStartSecret, t))
}

const auth = `{"endUserIp":"192.0.2.1"}`

func TestIdentification(t *testing.T) {
	b := newBench(t, Timings{})
	p := b.people[1]
	e := b.expect(false, "", "")
	s := b.start("auth", auth)
	b.wantHint(s.OrderRef, "pending", "outstandingTransaction")
	id, err := b.sim.Scan(control.Code{QR: qrAt(s, 0)})
	if err != nil || id != s.OrderRef {
		t.Fatalf("scan: %q, %v", id, err)
	}
	b.wantHint(s.OrderRef, "pending", "started")
	b.act(id, control.Action{Action: "start", Pnr: p.Number})
	b.wantHint(s.OrderRef, "pending", "userSign")
	if r := b.approve(id, p.Number); r.State != control.Complete {
		t.Fatalf("approve: %+v", r)
	}
	c := b.collect(s.OrderRef)
	if c.Status != "complete" || c.HintCode != "" || c.CompletionData == nil {
		t.Fatalf("collect: %+v", c)
	}
	if faults := verify(*c.CompletionData, e); faults != nil {
		t.Errorf("verifier: %q", faults)
	}
	if got := c.CompletionData.User; got != (user{p.Number, p.Name(), p.Given, p.Surname}) {
		t.Errorf("user: %+v", got)
	}
	if got := c.CompletionData.Device.IPAddress; got != "192.0.2.1" {
		t.Errorf("ipAddress: %q", got)
	}
	b.wantGone(s.OrderRef)
}

func TestSigning(t *testing.T) {
	b := newBench(t, Timings{})
	p := b.people[0]
	text, hidden := b64("Jag skriver under ansökan nr 7 åäö."), b64("digest")
	e := b.expect(true, text, hidden)
	e.pnr, e.policies = p.Number, []string{"1.2.3.4.5"}
	s := b.start("sign", `{"endUserIp":"2001:db8::1","userVisibleData":"`+text+`","userNonVisibleData":"`+hidden+
		`","returnUrl":"https://example.se/tillbaka?nonce=1","requirement":{"personalNumber":"`+p.Number+`","certificatePolicies":["1.2.3.4.5"]}}`)
	if id, err := b.sim.Scan(control.Code{AutoStartToken: s.AutoStartToken}); err != nil || id != s.OrderRef {
		t.Fatalf("scan: %q, %v", id, err)
	}
	r := b.approve(s.OrderRef, p.Number)
	if r.ReturnURL != "https://example.se/tillbaka?nonce=1" {
		t.Errorf("returnUrl: %q", r.ReturnURL)
	}
	c := b.collect(s.OrderRef)
	if faults := verify(*c.CompletionData, e); faults != nil {
		t.Errorf("verifier: %q", faults)
	}
}

func TestRejectsUnsupportedMethod(t *testing.T) {
	b := newBench(t, Timings{})
	r := httptest.NewRequest("GET", BasePath+"auth", nil)
	w := httptest.NewRecorder()
	b.sim.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusMethodNotAllowed || w.Body.Len() != 0 {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
}
