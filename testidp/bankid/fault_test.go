package bankid

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/persons"
)

// signed starts a signature order with everything in it, has it approved by the
// person with the number and collects it.
func (b *bench) signed(pnr, hidden string) (completionData, expectation) {
	b.t.Helper()
	text := b64("Jag intygar att uppgifterna är riktiga.")
	e := b.expect(true, text, b64(hidden))
	e.pnr, e.policies = pnr, []string{"1.2.3.4.25"}
	s := b.start("sign", `{"endUserIp":"192.0.2.1","userVisibleData":"`+text+`","userNonVisibleData":"`+b64(hidden)+
		`","requirement":{"personalNumber":"`+pnr+`","certificatePolicies":["1.2.3.4.25"]}}`)
	b.approve(s.OrderRef, pnr)
	c := b.collect(s.OrderRef)
	if c.CompletionData == nil {
		b.t.Fatalf("collect: %+v", c)
	}
	return *c.CompletionData, e
}

// TestSignatureFaults demands that each mode is caught for what it is and for
// nothing else.
func TestSignatureFaults(t *testing.T) {
	for fault, want := range map[string][]string{
		badSignature:    {"signature"},
		badDigest:       {"digest 1"},
		wrongKey:        {"signature"},
		wrongRoot:       {"chain"},
		expiredLeaf:     {"expired"},
		wrongPolicy:     {"policy"},
		wrongCondition:  {"condition"},
		wrongKU:         {"key usage"},
		wrongFuncID:     {"funcId"},
		alteredText:     {"visible"},
		alteredHidden:   {"non-visible"},
		missingType:     {"type"},
		extraReference:  {"references"},
		wrapped:         {"data elements", "visible"},
		comment:         {"comment"},
		dtd:             {"start", "doctype"},
		badOCSP:         {"ocsp signature"},
		ocspRevoked:     {"ocsp status"},
		ocspUnknown:     {"ocsp status"},
		ocspSerial:      {"ocsp serial"},
		ocspPerson:      {"ocsp serial"},
		ocspResponder:   {"ocsp responder"},
		ocspNoEKU:       {"ocsp eku"},
		ocspNoNonce:     {"ocsp nonce absent"},
		ocspNestedNonce: {"ocsp nonce shape"},
		ocspOtherNonce:  {"ocsp nonce"},
		ocspStale:       {"ocsp time"},
		ocspFuture:      {"ocsp time"},
		replay:          {"non-visible", "ocsp time"},
		swapped:         {"person", "non-visible"},
		wrongPerson:     {"person"},
		userMismatch:    {"user"},
		wrongRP:         {"relying party"},
		wrongUHI:        {"uhi"},
	} {
		t.Run(fault, func(t *testing.T) {
			if !slices.Contains(faultModes(), fault) {
				t.Error("not listed")
			}
			b := newBench(t, Timings{})
			b.faults.Set(control.Fault{Provider: "bankid", Fault: fault, Rate: 1})
			c, e := b.signed(b.people[1].Number, "a")
			if got := verify(c, e); !slices.Equal(got, want) {
				t.Errorf("verifier: %q, want %q", got, want)
			}
			b.faults.Clear()
			c, e = b.signed(b.people[1].Number, "b")
			if got := verify(c, e); got != nil {
				t.Errorf("afterwards: %q", got)
			}
		})
	}
}

// TestSignatureFaultsOfIdentification runs the modes that take another way
// when the order demands little.
func TestSignatureFaultsOfIdentification(t *testing.T) {
	for fault, want := range map[string][]string{
		wrongPolicy:   {"policy"},
		alteredText:   {"visible"},
		alteredHidden: {"non-visible"},
		wrongKU:       {"key usage"},
		wrongFuncID:   {"funcId"},
		replay:        {"ocsp time"},
	} {
		t.Run(fault, func(t *testing.T) {
			b := newBench(t, Timings{})
			b.faults.Set(control.Fault{Provider: "*", Fault: fault, Rate: 1})
			e := b.expect(false, "", "")
			s := b.start("auth", auth)
			b.approve(s.OrderRef, b.people[0].Number)
			if got := verify(*b.collect(s.OrderRef).CompletionData, e); !slices.Equal(got, want) {
				t.Errorf("verifier: %q, want %q", got, want)
			}
		})
	}
}

func TestReplayDeliversAnEarlierResult(t *testing.T) {
	b := newBench(t, Timings{})
	p := b.people[1].Number
	b.signed(b.people[2].Number, "somebody else")
	earlier, _ := b.signed(p, "first")
	b.faults.Set(control.Fault{Provider: "bankid", Fault: replay, Rate: 1})
	c, e := b.signed(p, "second")
	if c.Signature != earlier.Signature || c.OCSPResponse != earlier.OCSPResponse {
		t.Error("not the earlier result")
	}
	if got := verify(c, e); !slices.Contains(got, "non-visible") {
		t.Errorf("verifier: %q", got)
	}
}

func TestSwappedDeliversAnotherOrdersResult(t *testing.T) {
	b := newBench(t, Timings{})
	other, _ := b.signed(b.people[2].Number, "somebody else")
	b.faults.Set(control.Fault{Provider: "bankid", Fault: swapped, Rate: 1})
	c, e := b.signed(b.people[1].Number, "mine")
	if c != other {
		t.Error("not the other order's result")
	}
	if got := verify(c, e); !slices.Contains(got, "person") || !slices.Contains(got, "non-visible") {
		t.Errorf("verifier: %q", got)
	}
}

func TestExchangeFaults(t *testing.T) {
	for fault, want := range map[string]struct {
		status int
		body   string
	}{
		http503: {503, `"errorCode":"maintenance"`},
		http408: {408, `"errorCode":"requestTimeout"`},
		http500: {500, `"errorCode":"internalError"`},
		html403: {403, "<h1>Forbidden</h1>"},
		garbage: {200, "not JSON"},
	} {
		t.Run(fault, func(t *testing.T) {
			b := newBench(t, Timings{})
			s := b.start("auth", auth)
			b.approve(s.OrderRef, b.people[0].Number)
			b.faults.Set(control.Fault{Provider: "bankid", Fault: fault, Rate: 1})
			for _, call := range [][2]string{{"auth", auth}, {"collect", fmt.Sprintf(`{"orderRef":%q}`, s.OrderRef)}, {"cancel", fmt.Sprintf(`{"orderRef":%q}`, s.OrderRef)}} {
				if status, answer := b.call(call[0], call[1]); status != want.status || !strings.Contains(answer, want.body) {
					t.Errorf("%s: %d %s", call[0], status, answer)
				}
			}
			if got := len(b.sim.Orders()); got != 1 {
				t.Errorf("%d orders, want no new one", got)
			}
			// Nothing was used up.
			b.faults.Clear()
			if c := b.collect(s.OrderRef); c.Status != "complete" {
				t.Errorf("status %q", c.Status)
			}
		})
	}
}

// aborts reports whether a call breaks the connection.
func (b *bench) aborts(method, body string) (aborted bool) {
	defer func() {
		if r := recover(); r != nil {
			if r != http.ErrAbortHandler {
				panic(r)
			}
			aborted = true
		}
	}()
	b.call(method, body)
	return false
}

func TestBrokenConnections(t *testing.T) {
	b := newBench(t, Timings{})
	s := b.start("auth", auth)
	collect := fmt.Sprintf(`{"orderRef":%q}`, s.OrderRef)
	b.faults.Set(control.Fault{Provider: "bankid", Fault: drop, Rate: 1})
	if b.aborts("collect", collect) {
		t.Error("a pending answer was dropped")
	}
	b.approve(s.OrderRef, b.people[0].Number)
	if !b.aborts("collect", collect) {
		t.Error("the result was not dropped")
	}
	b.faults.Clear()
	b.wantGone(s.OrderRef)

	b.faults.Set(control.Fault{Provider: "bankid", Fault: dropStart, Rate: 1})
	if !b.aborts("auth", auth) {
		t.Error("the start was not dropped")
	}
	if got := b.sim.Orders(); len(got) != 2 || got[1].State != control.Pending {
		t.Errorf("orders %+v, want the lost one to live", got)
	}
}

func TestSlow(t *testing.T) {
	inBubble(t, Timings{Slow: 7 * time.Second}, func(t *testing.T, b *bench) {
		b.faults.Set(control.Fault{Provider: "bankid", Fault: slow, Rate: 1})
		begin := time.Now()
		b.start("auth", auth)
		if took := time.Since(begin); took != 7*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestUnknownThings(t *testing.T) {
	b := newBench(t, Timings{})
	b.faults.Set(control.Fault{Provider: "bankid", Fault: unknownHint, Rate: 1})
	b.faults.Set(control.Fault{Provider: "bankid", Fault: extraFields, Rate: 1})
	_, answer := b.call("auth", auth)
	var s startResponse
	if err := json.Unmarshal([]byte(answer), &s); err != nil || !strings.Contains(answer, "fromTheFuture") {
		t.Fatalf("start: %s", answer)
	}
	b.wantHint(s.OrderRef, "pending", "somethingNew")
	e := b.expect(false, "", "")
	b.approve(s.OrderRef, b.people[0].Number)
	_, answer = b.call("collect", fmt.Sprintf(`{"orderRef":%q}`, s.OrderRef))
	if got := strings.Count(answer, "fromTheFuture"); got != 5 {
		t.Errorf("%d new members, want one in each object", got)
	}
	var c collectResponse
	if err := json.Unmarshal([]byte(answer), &c); err != nil || c.HintCode != "" {
		t.Fatalf("collect: %s", answer)
	}
	if got := verify(*c.CompletionData, e); got != nil {
		t.Errorf("verifier: %q", got)
	}
}

func TestEveryModeIsTested(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range faultModes() {
		if seen[f] {
			t.Errorf("%s is listed twice", f)
		}
		seen[f] = true
	}
	if len(seen) != 44 {
		t.Errorf("%d modes are listed and 44 are tested", len(seen))
	}
}

func TestRate(t *testing.T) {
	var f control.Faults
	f.Set(control.Fault{Provider: "bankid", Fault: slow, Rate: 0.5})
	f.Set(control.Fault{Provider: "freja", Fault: garbage, Rate: 1})
	hits := 0
	for range 2000 {
		d := f.Draw("bankid")
		if d[garbage] {
			t.Fatal("another provider's fault")
		}
		if d[slow] {
			hits++
		}
	}
	if hits < 800 || hits > 1200 {
		t.Errorf("%d of 2000 with rate one half", hits)
	}
}

// TestWrappedHidesTheRightText shows what the attack is: who reads the first
// element sees the right text, which nobody signed.
func TestWrappedHidesTheRightText(t *testing.T) {
	b := newBench(t, Timings{})
	b.faults.Set(control.Fault{Provider: "bankid", Fault: wrapped, Rate: 1})
	c, e := b.signed(b.people[1].Number, "a")
	doc, _ := base64.StdEncoding.DecodeString(c.Signature)
	right, other := bytes.Index(doc, []byte(e.visible)), bytes.Index(doc, []byte(otherText()))
	if right < 0 || other < right {
		t.Errorf("right text at %d, signed text at %d", right, other)
	}
}

func BenchmarkOrder(b *testing.B) {
	k, err := keys()
	if err != nil {
		b.Fatal(err)
	}
	chain, _, err := k.RelyingParty("Testkommunen")
	if err != nil {
		b.Fatal(err)
	}
	people := persons.All()
	sim := New(Config{PKI: k, People: people, Faults: &control.Faults{}, Autos: &control.Autos{}})
	b.Cleanup(sim.Close)
	call := func(method, body string) []byte {
		r := httptest.NewRequest("POST", BasePath+method, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{chain[0]}}
		w := httptest.NewRecorder()
		sim.Handler().ServeHTTP(w, r)
		return w.Body.Bytes()
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			var s startResponse
			json.Unmarshal(call("auth", auth), &s)
			sim.Act(s.OrderRef, control.Action{Action: "approve", Pnr: people.First().Number})
			call("collect", `{"orderRef":"`+s.OrderRef+`"}`)
		}
	})
}
