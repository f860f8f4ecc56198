// Package verifytest is for tests of what is verified: whole receipts, signed by
// persons of simulated e-IDs (BankID, unless a test says otherwise) and sealed with a key that is worth nothing, and
// the means to forge them. It makes a receipt as the signing room does, with
// code of its own.
//
// It does not import the simulator, which only tests may: they hand it in.
package verifytest

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"testing"
	"time"

	"sigill/providers"
	"sigill/providers/bankid"
	"sigill/providers/personnummer"
	"sigill/signing/pades"
	"sigill/signing/pades/padestest"
	"sigill/signing/receipt"
	"sigill/signing/trust"
	"sigill/signing/verify"
)

// Simulator is a simulated BankID, and somebody who holds the phones.
type Simulator struct {
	URL, AppURL                                  string
	TLSRoot, SignatureRoot, RPCertificate, RPKey []byte // PEM
	// Scan and Open find an order by its QR frame and by the token of its app
	// link; Approve lets the person with a number approve it.
	Scan, Open func(code string) (order string, err error)
	Approve    func(order, number string) error
}

// Kit is what receipts are made with.
type Kit struct {
	PKI      *padestest.PKI
	Sealer   *pades.Sealer
	Receipts *receipt.Writer
	// Trust believes the Sealer and the simulated BankID.
	Trust trust.Trust

	sim Simulator
	eid *bankid.Provider
	rp  *http.Client
}

// Policies are those of the simulated BankID.
func Policies() bankid.Policies {
	return bankid.Policies{File: []string{"1.2.3.4.5"}, Card: []string{"1.2.3.4.10"}, Mobile: []string{"1.2.3.4.25"}}
}

// New makes a kit.
func New(t testing.TB, sim Simulator) *Kit {
	t.Helper()
	k := &Kit{PKI: padestest.NewPKI(t), sim: sim}
	k.Sealer = k.NewSealer(t, padestest.Leaf{})
	var err error
	if k.Receipts, err = receipt.New(); err != nil {
		t.Fatal(err)
	}
	roots := certificates(t, sim.SignatureRoot)
	k.Trust = trust.Trust{
		Seal: trust.Seal{
			Roots: []*x509.Certificate{k.PKI.Root}, Organisation: padestest.Organisation, OrgIdentifier: padestest.OrgIdentifier,
		},
		BankID: []trust.BankID{{Name: "test", Roots: roots, Policies: Policies().All()}},
	}
	rp, err := bankid.LoadPEM(sim.RPCertificate, sim.RPKey)
	if err != nil {
		t.Fatal(err)
	}
	tlsRoots := certificates(t, sim.TLSRoot)
	k.eid, err = bankid.New(bankid.Config{ID: providers.MBankID, Instance: "test", Certificate: rp, PollInterval: 5 * time.Millisecond,
		Environment: bankid.Environment{
			Name: "test", BaseURL: sim.URL, TLSRoots: tlsRoots, SignatureRoots: roots, Policies: Policies(),
			DesktopLink: sim.AppURL + "?autostarttoken=", MobileLink: sim.AppURL + "?autostarttoken=",
		}})
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	for _, c := range tlsRoots {
		pool.AddCert(c)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, Certificates: []tls.Certificate{rp}}}
	t.Cleanup(transport.CloseIdleConnections)
	k.rp = &http.Client{Transport: transport, Timeout: 10 * time.Second}
	return k
}

// NewSealer makes a sealer with a key of its own, issued by the kit's PKI.
func (k *Kit) NewSealer(t testing.TB, leaf padestest.Leaf) *pades.Sealer {
	t.Helper()
	key := padestest.NewKey(t, elliptic.P256())
	s, err := pades.New(key, k.PKI.Issue(t, key, leaf))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Verifier believes what the kit's trust says.
func (k *Kit) Verifier() *verify.Verifier { return verify.New(k.Trust, k.Receipts) }

// TrustFile is the kit's trust as a file.
func (k *Kit) TrustFile(t testing.TB) []byte {
	t.Helper()
	file, err := trust.Write(k.Trust)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// Proof is an e-ID's proof as it came.
type Proof struct {
	Evidence providers.Evidence
	Identity providers.Identity // empty where nobody has verified it
	Started  time.Time
	Provider providers.ID // empty: Mobilt BankID
}

// Ask is what a person is asked for.
type Ask struct {
	Kind    providers.Kind // KindSign where empty
	Number  string
	Text    string
	Markup  providers.Markup
	Binding []byte
}

// Prove has a person sign, or log in, through the provider, as the broker does.
func (k *Kit) Prove(t testing.TB, a Ask) Proof {
	t.Helper()
	number, err := personnummer.FromDigits(a.Number)
	if err != nil {
		t.Fatal(err)
	}
	p := Proof{Started: time.Now().UTC()}
	request := providers.Request{
		Mode: providers.ModeOther, Device: providers.Device{IP: "127.0.0.1"}, Text: a.Text, Markup: a.Markup, Binding: a.Binding, Number: number,
	}
	ctx := context.Background()
	var state providers.State
	var step providers.Step
	if a.Kind == providers.KindAuth {
		state, step, err = k.eid.Start(ctx, request)
	} else {
		state, step, err = k.eid.StartSignature(ctx, providers.SignRequest{Request: request})
	}
	if err != nil {
		t.Fatal(err)
	}
	k.approve(t, k.sim.Scan, step.(providers.Wait).QR, a.Number)
	for range 400 {
		if state, step, err = k.eid.Continue(ctx, state, providers.Event{Kind: providers.Tick}); err != nil {
			t.Fatal(err)
		}
		switch step := step.(type) {
		case providers.Done:
			p.Evidence, p.Identity = step.Evidence, step.Identity
			return p
		case providers.Failed:
			t.Fatalf("failed: %s %s", step.Reason, step.Check)
		}
	}
	t.Fatal("not signed")
	return p
}

func (k *Kit) approve(t testing.TB, find func(string) (string, error), code, number string) {
	t.Helper()
	order, err := find(code)
	if err == nil {
		err = k.sim.Approve(order, number)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// ProveUnseen has a person sign and takes whatever the issuer answers for a
// proof: as a broker would that verifies nothing.
func (k *Kit) ProveUnseen(t testing.TB, a Ask) Proof {
	t.Helper()
	b64 := base64.StdEncoding.EncodeToString
	p := Proof{Started: time.Now().UTC()}
	var order struct{ OrderRef, AutoStartToken string }
	k.post(t, "sign", map[string]any{
		"endUserIp": "127.0.0.1", "userVisibleData": b64([]byte(a.Text)), "userNonVisibleData": b64(a.Binding),
		"userVisibleDataFormat": string(a.Markup), "requirement": map[string]any{"personalNumber": a.Number},
	}, &order)
	k.approve(t, k.sim.Open, order.AutoStartToken, a.Number)
	for range 400 {
		var answer struct {
			Status         string
			CompletionData map[string]any
		}
		k.post(t, "collect", map[string]any{"orderRef": order.OrderRef}, &answer)
		switch answer.Status {
		case "complete":
			e := answer.CompletionData
			e["version"], e["environment"], e["orderRef"], e["started"], e["collected"] = 1, "test", order.OrderRef, p.Started, p.Started
			raw, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			p.Evidence = providers.Evidence{MediaType: bankid.MediaType, Bytes: raw}
			return p
		case "failed":
			t.Fatal("failed")
		}
	}
	t.Fatal("not signed")
	return p
}

func (k *Kit) post(t testing.TB, method string, body map[string]any, into any) {
	t.Helper()
	if body["userVisibleDataFormat"] == "" {
		delete(body, "userVisibleDataFormat")
	}
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := k.rp.Post(k.sim.URL+method, "application/json", bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", method, res.Status, err)
	}
}

func certificates(t testing.TB, text []byte) []*x509.Certificate {
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
