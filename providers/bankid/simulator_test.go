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

	ending := func(hint string) func(providers.Step) error {
		return func(step providers.Step) error {
			order, err := opened(sim, step)
			if err != nil {
				return err
			}
			_, err = sim.Act(order, control.Action{Action: "fail", Pnr: number.Digits(), Hint: hint})
			return err
		}
	}
	endings := map[providers.Reason]func(providers.Step) error{
		providers.Cancelled: func(step providers.Step) error {
			order, err := opened(sim, step)
			if err != nil {
				return err
			}
			_, err = sim.Act(order, control.Action{Action: "cancel", Pnr: number.Digits()})
			return err
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
			"replay":             "x",
			"swapped":            "x",
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
