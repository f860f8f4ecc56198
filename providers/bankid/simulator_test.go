package bankid_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"sigill/providers"
	"sigill/providers/bankid"
	"sigill/providers/personnummer"
	"sigill/providers/providertest"
	"sigill/testidp"
	"sigill/testidp/control"
)

func certificates(t testing.TB, pemText []byte) []*x509.Certificate {
	t.Helper()
	var all []*x509.Certificate
	for block, rest := pem.Decode(pemText); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

func simulatedConfig(t testing.TB, sim *testidp.Server, id providers.ID, log *slog.Logger) bankid.Config {
	t.Helper()
	m, err := sim.Material()
	if err != nil {
		t.Fatal(err)
	}
	rp, err := bankid.LoadPEM(m.RPCertificate, m.RPKey)
	if err != nil {
		t.Fatal(err)
	}
	return bankid.Config{
		ID: id, Instance: "prov", Certificate: rp, Log: log, PollInterval: 5 * time.Millisecond,
		Environment: bankid.Environment{
			Name: "simulated", BaseURL: m.BankIDURL,
			TLSRoots: certificates(t, m.TLSRoot), SignatureRoots: certificates(t, m.SignatureRoot),
			Policies:    bankid.Policies{File: []string{"1.2.3.4.5"}, Card: []string{"1.2.3.4.10"}, Mobile: []string{"1.2.3.4.25"}},
			DesktopLink: m.AppURL + "?autostarttoken=", MobileLink: m.AppURL + "?autostarttoken=",
		},
	}
}

func must[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// opened opens the order on the person's device, as the page shows it.
func opened(sim *testidp.Server, step providers.Step) (string, error) {
	w, ok := step.(providers.Wait)
	switch {
	case !ok:
		return "", errors.New("no order to open")
	case w.QR != "":
		return sim.Scan(w.QR)
	case w.Link != "":
		_, token, _ := strings.Cut(w.Link, "autostarttoken=")
		return sim.Open(token)
	}
	orders := sim.Orders() // a phone call reaches the device by itself
	return orders[len(orders)-1].ID, nil
}

func TestProviderContract(t *testing.T) {
	for _, id := range []providers.ID{providers.BankID, providers.MBankID} {
		t.Run(string(id), func(t *testing.T) {
			providertest.Run(t, func(t *testing.T, log *slog.Logger) providertest.Bench {
				return bench(t, id, log)
			})
		})
	}
}

func bench(t *testing.T, id providers.ID, log *slog.Logger) providertest.Bench {
	sim := testidp.Start(t)
	config := simulatedConfig(t, sim, id, log)
	provider := must2(bankid.New(config))(t)
	foreign := config
	foreign.ID = providers.BankID
	if id == providers.BankID {
		foreign.ID = providers.MBankID
	}
	number := must2(personnummer.FromDigits(sim.People()[0].Number))(t)

	act := func(step providers.Step, action control.Action) (providers.Event, error) {
		order, err := opened(sim, step)
		if err != nil {
			return providers.Event{}, err
		}
		action.Pnr = number.Digits()
		_, err = sim.Act(order, action)
		return providers.Event{Kind: providers.Tick}, err
	}
	ending := func(hint string) func(providers.Step) (providers.Event, error) {
		return func(step providers.Step) (providers.Event, error) {
			return act(step, control.Action{Action: "fail", Hint: hint})
		}
	}
	endings := map[providers.Reason]func(providers.Step) (providers.Event, error){
		providers.Cancelled: func(step providers.Step) (providers.Event, error) {
			return act(step, control.Action{Action: "cancel"})
		},
		providers.TimedOut:     ending("expiredTransaction"),
		providers.Blocked:      ending("certificateErr"),
		providers.StartFailed:  ending("startFailed"),
		providers.Replaced:     ending("cancelled"),
		providers.Unsuitable:   ending("notSupportedByUserApp"),
		providers.RiskBlocked:  ending("transactionRiskBlocked"),
		providers.StepUpFailed: ending("mrtdVerificationFailed"),
		providers.Unknown:      ending("somethingNew"),
	}
	if slices.Contains(provider.Info().Modes, providers.ModePhone) {
		endings[providers.Declined] = ending("userDeclinedCall")
	}
	return providertest.Bench{
		Provider: provider,
		Again:    func() providers.Provider { return must2(bankid.New(config))(t) },
		Foreign:  must2(bankid.New(foreign))(t),
		Number:   number,
		Approve: func(step providers.Step) (providers.Event, error) {
			order, err := opened(sim, step)
			if err != nil {
				return providers.Event{}, err
			}
			_, err = sim.Approve(order, number.Digits())
			return providers.Event{Kind: providers.Tick}, err
		},
		Endings: endings,
		Break:   func(fault string) { sim.Fault("bankid", fault) },
		Mend:    sim.ClearFaults,
		Outages: []string{"http503", "http408", "http500", "html403", "garbage"},
		Slow:    "slow",
		Tampers: map[string]string{
			"badSignature":       "signature",
			"badDigest":          "digest",
			"wrongKey":           "signature",
			"wrongRoot":          "chain",
			"expiredLeaf":        "chain",
			"wrongPolicy":        "policy",
			"wrongCondition":     "policy",
			"wrongKU":            "key-usage",
			"wrongFuncId":        "function",
			"alteredText":        "text",
			"alteredNonVisible":  "nonvisible",
			"missingType":        "references",
			"extraReference":     "references",
			"wrapped":            "structure",
			"comment":            "structure",
			"dtd":                "structure",
			"badOCSP":            "ocsp-signature",
			"ocspRevoked":        "ocsp-status",
			"ocspUnknown":        "ocsp-status",
			"ocspWrongSerial":    "ocsp-serial",
			"ocspOtherPerson":    "ocsp-serial",
			"ocspWrongResponder": "ocsp-responder",
			"ocspNoEKU":          "ocsp-responder",
			"ocspNonceAbsent":    "ocsp-nonce",
			"ocspNonceNested":    "ocsp-nonce",
			"ocspNonceOther":     "ocsp-nonce",
			"ocspStale":          "ocsp-time",
			"ocspFuture":         "ocsp-time",
			"replay":             "nonvisible",
			"swapped":            "nonvisible",
			"wrongPerson":        "person",
			"userMismatch":       "person",
			"wrongRP":            "relying-party",
			"wrongUHI":           "device",
		},
		Harmless: []string{"extraFields", "unknownHint"},
		Verify: func(e providers.Evidence, want providers.Expected) (providers.Identity, error) {
			return bankid.Verify(e, want, provider.Trust(), time.Now())
		},
	}
}

func must2[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		return must(t, v, err)
	}
}

// A connection that breaks after the issuer has given its one-time answer loses
// the answer: the next call must say so, and never guess.
func TestLostAnswer(t *testing.T) {
	sim := testidp.Start(t)
	p := must2(bankid.New(simulatedConfig(t, sim, providers.MBankID, nil)))(t)
	s, step, err := p.Start(t.Context(), request(providers.ModeOther))
	if err != nil {
		t.Fatal(err)
	}
	order := must2(opened(sim, step))(t)
	must2(sim.Approve(order, sim.People()[0].Number))(t)
	sim.Fault("bankid", "drop")
	after, _, err := p.Continue(t.Context(), s, providers.Event{Kind: providers.Tick})
	var down *providers.Unavailable
	if !errors.As(err, &down) || string(after) != string(s) {
		t.Fatalf("dropped: %v", err)
	}
	sim.ClearFaults()
	_, step, err = p.Continue(t.Context(), s, providers.Event{Kind: providers.Tick})
	if failed, ok := step.(providers.Failed); err != nil || !ok || failed.Reason != providers.ResultLost {
		t.Errorf("after the drop: %v, %v", step, err)
	}
}

// A start whose reply is lost is not repeated: that could leave two orders.
func TestDroppedStartIsNotRepeated(t *testing.T) {
	sim := testidp.Start(t)
	p := must2(bankid.New(simulatedConfig(t, sim, providers.MBankID, nil)))(t)
	sim.Fault("bankid", "dropStart")
	_, _, err := p.Start(t.Context(), request(providers.ModeOther))
	var down *providers.Unavailable
	if !errors.As(err, &down) {
		t.Fatalf("start: %v", err)
	}
	if n := len(sim.Orders()); n > 1 {
		t.Errorf("%d orders after one start", n)
	}
}

// One order per person: the second start aborts the first, and is itself
// refused as a step, not as an error.
func TestAlreadyInProgress(t *testing.T) {
	sim := testidp.Start(t)
	p := must2(bankid.New(simulatedConfig(t, sim, providers.MBankID, nil)))(t)
	r := request(providers.ModeOther)
	r.Number = must2(personnummer.FromDigits(sim.People()[0].Number))(t)
	first, _, err := p.Start(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	_, step, err := p.Start(t.Context(), r)
	if failed, ok := step.(providers.Failed); err != nil || !ok || failed.Reason != providers.InProgress || failed.Text.SV == "" {
		t.Fatalf("second start: %v, %v", step, err)
	}
	_, step, err = p.Continue(t.Context(), first, providers.Event{Kind: providers.Tick})
	if failed, ok := step.(providers.Failed); err != nil || !ok || failed.Reason != providers.Replaced {
		t.Errorf("first order: %v, %v", step, err)
	}
}

// The simulator's clock is the issuer's: a QR code of another moment is refused,
// so ours must be of this one.
func TestStaleFrameIsRefused(t *testing.T) {
	sim := testidp.Start(t)
	p := must2(bankid.New(simulatedConfig(t, sim, providers.MBankID, nil)))(t)
	s, _, err := p.Start(t.Context(), request(providers.ModeOther))
	if err != nil {
		t.Fatal(err)
	}
	early := must2(p.Show(s, time.Now().Add(20*time.Second)))(t)
	if _, err := sim.Scan(early.QR); err == nil {
		t.Error("a frame of the future is scanned")
	}
	now := must2(p.Show(s, time.Now()))(t)
	if _, err := sim.Scan(now.QR); err != nil {
		t.Errorf("the frame of now: %v", err)
	}
}

// The longest texts and data that Info promises must pass from end to end.
func TestLimits(t *testing.T) {
	sim := testidp.Start(t)
	p := must2(bankid.New(simulatedConfig(t, sim, providers.MBankID, nil)))(t)
	info := p.Info()
	sim.Auto("bankid", sim.People()[0].Number, 0)
	for _, kind := range []providers.Kind{providers.KindAuth, providers.KindSign} {
		r := request(providers.ModeOther)
		var s providers.State
		var err error
		if kind == providers.KindAuth {
			r.Text = strings.Repeat("a", info.AuthText)
			s, _, err = p.Start(t.Context(), r)
		} else {
			r.Text = strings.Repeat("åa", info.TextLimit/3)
			r.Binding = make([]byte, info.NonVisible)
			s, _, err = p.StartSignature(t.Context(), providers.SignRequest{Request: r})
		}
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		var step providers.Step
		for range 400 {
			s, step, err = p.Continue(t.Context(), s, providers.Event{Kind: providers.Tick})
			if err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			w, waiting := step.(providers.Wait)
			if !waiting {
				break
			}
			<-time.After(w.Next)
		}
		if _, ok := step.(providers.Done); !ok {
			t.Errorf("%s: no proof", kind)
		}
	}
}

func request(mode providers.Mode) providers.Request {
	return providers.Request{
		Mode:    mode,
		Device:  providers.Device{IP: "192.0.2.10", UserAgent: "prov", ID: "provenhet-1", Domain: "e-tjanster.example.se"},
		Text:    "Logga in på Provköping",
		Binding: []byte("a binding of thirty-two bytes .."),
	}
}
