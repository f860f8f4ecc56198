package evidence_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"sigill/providers"
	"sigill/providers/bankid"
	"sigill/providers/personnummer"
	"sigill/signing/evidence"
	"sigill/signing/trust"
	"sigill/testidp"
)

var policies = bankid.Policies{File: []string{"1.2.3.4.5"}, Card: []string{"1.2.3.4.10"}, Mobile: []string{"1.2.3.4.25"}}

func certificates(t *testing.T, text []byte) []*x509.Certificate {
	t.Helper()
	var all []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// signature has a simulated person sign something.
func signature(t *testing.T) (e providers.Evidence, want providers.Expected, roots []*x509.Certificate) {
	t.Helper()
	sim := testidp.Start(t)
	m, err := sim.Material()
	if err != nil {
		t.Fatal(err)
	}
	var rp tls.Certificate
	if rp, err = bankid.LoadPEM(m.RPCertificate, m.RPKey); err != nil {
		t.Fatal(err)
	}
	roots = certificates(t, m.SignatureRoot)
	p, err := bankid.New(bankid.Config{ID: providers.MBankID, Instance: "test", Certificate: rp, PollInterval: 5 * time.Millisecond,
		Environment: bankid.Environment{
			Name: "test", BaseURL: m.BankIDURL, TLSRoots: certificates(t, m.TLSRoot), SignatureRoots: roots, Policies: policies,
			DesktopLink: m.AppURL + "?autostarttoken=", MobileLink: m.AppURL + "?autostarttoken=",
		}})
	if err != nil {
		t.Fatal(err)
	}
	number, err := personnummer.FromDigits(sim.People()[0].Number)
	if err != nil {
		t.Fatal(err)
	}
	want = providers.Expected{Kind: providers.KindSign, Text: "Ett # avtal", Binding: []byte("binding of the order"), Started: time.Now()}
	request := providers.Request{Mode: providers.ModeOther, Device: providers.Device{IP: "127.0.0.1"}, Text: want.Text, Binding: want.Binding, Number: number}
	ctx := context.Background()
	state, step, err := p.StartSignature(ctx, providers.SignRequest{Request: request})
	if err != nil {
		t.Fatal(err)
	}
	id, err := sim.Scan(step.(providers.Wait).QR)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Approve(id, number.Digits()); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if state, step, err = p.Continue(ctx, state, providers.Event{Kind: providers.Tick}); err != nil {
			t.Fatal(err)
		}
		if done, ok := step.(providers.Done); ok {
			want.Number = number
			return done.Evidence, want, roots
		}
	}
	t.Fatalf("not signed: %T", step)
	return
}

func TestBankID(t *testing.T) {
	e, want, roots := signature(t)
	now := time.Now()
	test := trust.BankID{Name: "test", Roots: roots, Policies: policies.All()}
	stranger := evidence.New(trust.Trust{BankID: []trust.BankID{test}})

	identity, err := stranger.Verify(e, want, now)
	if err != nil {
		t.Fatal(err)
	}
	if identity.Number != want.Number || identity.Level != providers.LevelUncertified3 || identity.Name == "" || identity.Provider != "" {
		t.Errorf("identity %+v", identity)
	}
	// Years later, with a root of another name before it.
	test.Approved = true
	later := evidence.New(trust.Trust{BankID: []trust.BankID{{Name: "other", Roots: trust.Trust{}.BankIDs()[0].Roots, Policies: []string{"1.2.3"}}, test}})
	if identity, err := later.Verify(e, want, now.AddDate(10, 0, 0)); err != nil || identity.Level != providers.Level3 {
		t.Errorf("years later: %v, %v", identity.Level, err)
	}

	var unknown *evidence.Unknown
	if _, err := evidence.New(trust.Trust{}).Verify(e, want, now); !errors.As(err, &unknown) || unknown.MediaType != bankid.MediaType {
		t.Errorf("without a root: %v", err)
	}
	if _, err := stranger.Verify(providers.Evidence{MediaType: "application/x", Bytes: e.Bytes}, want, now); !errors.As(err, &unknown) {
		t.Errorf("of an unknown kind: %v", err)
	}
	for name, change := range map[string]func(*providers.Evidence, *providers.Expected){
		"text":       func(_ *providers.Evidence, x *providers.Expected) { x.Text = "Ett annat avtal" },
		"nonvisible": func(_ *providers.Evidence, x *providers.Expected) { x.Binding = []byte("another") },
		"person":     func(_ *providers.Evidence, x *providers.Expected) { x.Number = other(t) },
		"key-usage":  func(_ *providers.Evidence, x *providers.Expected) { x.Kind = providers.KindAuth },
		"ocsp-time":  func(_ *providers.Evidence, x *providers.Expected) { x.Started = now.Add(time.Hour) },
		"encoding":   func(e *providers.Evidence, _ *providers.Expected) { e.Bytes = e.Bytes[:len(e.Bytes)/2] },
	} {
		bad, x := providers.Evidence{MediaType: e.MediaType, Bytes: bytes.Clone(e.Bytes)}, want
		change(&bad, &x)
		var refused *providers.Refused
		if _, err := stranger.Verify(bad, x, now); !errors.As(err, &refused) || refused.Check != name {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

func other(t *testing.T) personnummer.Number {
	n, err := personnummer.FromDigits("198509129881")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestParts(t *testing.T) {
	e, _, _ := signature(t)
	v := evidence.New(trust.Trust{})
	file := v.File(e, 2)
	if file.Name != "signatur-2.json" || !bytes.Equal(file.Bytes, e.Bytes) || file.Type != bankid.MediaType {
		t.Errorf("file %s of type %s", file.Name, file.Type)
	}
	parts, err := v.Parts(e, 2)
	if err != nil {
		t.Fatal(err)
	}
	var inside struct{ Signature, OCSPResponse []byte }
	if err := json.Unmarshal(e.Bytes, &inside); err != nil {
		t.Fatal(err)
	}
	if len(parts) != 2 || parts[0].Name != "signatur-2.xml" || parts[1].Name != "signatur-2-ocsp.der" ||
		!bytes.Equal(parts[0].Bytes, inside.Signature) || !bytes.Equal(parts[1].Bytes, inside.OCSPResponse) || !bytes.HasPrefix(parts[0].Bytes, []byte("<?xml")) {
		t.Errorf("%d parts, the first %.40s", len(parts), parts[0].Bytes)
	}
	if _, err := v.Parts(providers.Evidence{MediaType: bankid.MediaType, Bytes: []byte(`{"version":1,"signature":"A","ocspResponse":"AAAA"}`)}, 1); err == nil {
		t.Error("what is no evidence has parts")
	}
	var unknown *evidence.Unknown
	if _, err := v.Parts(providers.Evidence{MediaType: "application/x"}, 1); !errors.As(err, &unknown) {
		t.Errorf("parts of an unknown kind: %v", err)
	}
	kinds := bankid.Production().Policies
	for _, c := range []struct {
		mediaType string
		id        providers.ID
		policy    string
		want      bool
	}{
		{bankid.MediaType, providers.MBankID, kinds.Mobile[0], true},
		{bankid.MediaType, providers.BankID, kinds.Mobile[0], true},
		{bankid.MediaType, providers.BankID, kinds.Card[0], true},
		{bankid.MediaType, providers.MBankID, kinds.Card[0], false},
		{bankid.MediaType, providers.MBankID, kinds.File[0], false},
		{bankid.MediaType, providers.MBankID, policies.Mobile[0], true},
		{bankid.MediaType, providers.Freja, kinds.Mobile[0], false},
		{"application/x", providers.BankID, kinds.Mobile[0], false},
	} {
		if got := v.Speaks(c.mediaType, c.id, providers.Identity{Policy: c.policy}); got != c.want {
			t.Errorf("%s gives %s under %s: %v", c.id, c.mediaType, c.policy, got)
		}
	}
}

// TestStandsAlone: a stranger verifies without our rooms and databases.
func TestStandsAlone(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{"sigill/broker/kit/contact": true, "sigill/broker/kit/config/strict": true}
	for p := range strings.FieldsSeq(string(out)) {
		if p == "database/sql" || strings.HasPrefix(p, "modernc.org/") || strings.HasPrefix(p, "sigill/broker") && !allowed[p] {
			t.Errorf("links %s", p)
		}
	}
}
