package freja_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/providers"
	"sigill/providers/freja"
	"sigill/providers/personnummer"
	"sigill/providers/providertest"
	"sigill/testidp"
	"sigill/testidp/control"
	"sigill/testidp/persons"
)

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func certificates(t testing.TB, pemText []byte) []*x509.Certificate {
	t.Helper()
	var all []*x509.Certificate
	for block, rest := pem.Decode(pemText); block != nil; block, rest = pem.Decode(rest) {
		all = append(all, must(x509.ParseCertificate(block.Bytes))(t))
	}
	return all
}

func simulated(t testing.TB, sim *testidp.Server, log *slog.Logger) freja.Config {
	t.Helper()
	m := must(sim.FrejaMaterial())(t)
	return freja.Config{
		ID: providers.Freja, Instance: "prov", Certificate: must(tls.X509KeyPair(m.RPCertificate, m.RPKey))(t), Log: log, PollInterval: 5 * time.Millisecond,
		Environment: freja.Environment{
			Name: "simulated", BaseURL: m.BaseURL, AppLink: m.AppURL,
			TLSRoots: certificates(t, m.TLSRoot), JWSRoots: certificates(t, m.JWSRoot),
			JWSCertificates: certificates(t, m.JWS), Intermediates: certificates(t, m.Intermediate),
		},
	}
}

// opened opens the order on the person's phone, as the page shows it.
func opened(sim *testidp.Server, step providers.Step) (string, error) {
	w, ok := step.(providers.Wait)
	if !ok || w.QR+w.Link == "" {
		return "", errors.New("no order to open")
	}
	return sim.Scan(w.QR + w.Link)
}

func number(t testing.TB, p persons.Person) personnummer.Number {
	t.Helper()
	return must(personnummer.FromDigits(p.Number))(t)
}

// What each fault of the simulated Freja must come to, for the suite.
var (
	outages = []string{"http400", "http500", "http503", "garbage"}
	tampers = map[string]string{
		"wrongX5t":        "certificate",
		"otherX5t":        "signature",
		"noX5t":           "certificate",
		"critHeader":      "algorithm",
		"algNone":         "",
		"algHS256":        "algorithm",
		"badSignature":    "signature",
		"brokenSignature": "",
		"expiredCert":     "certificate",
		"wrongRoot":       "certificate",
		"foreignRef":      "reference",
		"replay":          "reference",
		"innerStatus":     "status",
		"oldTimestamp":    "time",
		"futureTimestamp": "time",
		"wrongUserInfo":   "user",
		"wrongInfoType":   "user",
		"lowerMinimum":    "minimum",
		"missingLevel":    "attributes",
		"missingSSN":      "attributes",
		"missingName":     "attributes",
		"emptyDetails":    "structure",
		"hugeDetails":     "size",
	}
	signTampers = map[string]string{
		"textDiffers":        "text",
		"binaryDiffers":      "nonvisible",
		"missingBinary":      "nonvisible",
		"wrongSignatureType": "signature-type",
		"missingSignature":   "inner-structure",
		"badOCSP":            "ocsp",
		"ocspRevoked":        "ocsp",
		"ocspStale":          "ocsp",
		"ocspGarbage":        "ocsp",
	}
	harmless = []string{
		"unknownFields", "statusOpened", "unknownStatus", "textDetails", "rollover", "base64UserInfo", "jsonUserInfo",
		"attributesDiffer", "userCertificate", "slowStarted", "oldReference",
	}
	// elsewhere are those that tests of this file try one by one.
	elsewhere = []string{
		"slow", "drop", "dropStart", "http401", "foreignEcho", "stringCode", "lost", "code1005", "code1012", "code2000", "codeUnknown",
		"lowerLevel", "notSwedish", "missingNumber", "wrongPerson", "badUserSignature", "plainInnerText",
	}
)

// A fault that the simulated Freja learns must be given a place here.
func TestEveryFault(t *testing.T) {
	sim := testidp.Start(t)
	res := must(http.Get(sim.URL() + "/control/faults"))(t)
	defer res.Body.Close()
	var modes struct{ Possible map[string][]string }
	if err := json.NewDecoder(res.Body).Decode(&modes); err != nil {
		t.Fatal(err)
	}
	possible := modes.Possible["freja"]
	tried := slices.Concat(outages, slices.Collect(maps.Keys(tampers)), slices.Collect(maps.Keys(signTampers)), harmless, elsewhere)
	slices.Sort(tried)
	slices.Sort(possible)
	if diff := cmp.Diff(possible, tried); diff != "" {
		t.Error(diff)
	}
}

func bench(t *testing.T, log *slog.Logger) providertest.Bench {
	sim := testidp.Start(t)
	config := simulated(t, sim, log)
	provider := must(freja.New(config))(t)
	foreign := config
	foreign.Instance = "annan"
	person := number(t, sim.People()[0])

	acts := func(a control.Action) func(providers.Step) (providers.Event, error) {
		return func(step providers.Step) (providers.Event, error) {
			order, err := opened(sim, step)
			if err != nil {
				return providers.Event{}, err
			}
			a.Pnr = person.Digits()
			_, err = sim.Act(order, a)
			return providers.Event{Kind: providers.Tick}, err
		}
	}
	approve := acts(control.Action{Action: "approve"})
	// ending lets the order end honestly, and spoilt lets it be approved and then told
	// of otherwise. Faults of the one before are over.
	ending := func(a control.Action) func(providers.Step) (providers.Event, error) {
		return func(step providers.Step) (providers.Event, error) {
			sim.ClearFaults()
			return acts(a)(step)
		}
	}
	spoilt := func(fault string) func(providers.Step) (providers.Event, error) {
		return func(step providers.Step) (providers.Event, error) {
			sim.ClearFaults()
			sim.Fault("freja", fault)
			return approve(step)
		}
	}
	return providertest.Bench{
		Provider: provider,
		Again:    func() providers.Provider { return must(freja.New(config))(t) },
		Foreign:  must(freja.New(foreign))(t),
		Number:   person,
		Approve:  approve,
		Endings: map[providers.Reason]func(providers.Step) (providers.Event, error){
			providers.Cancelled:   ending(control.Action{Action: "cancel"}),
			providers.TimedOut:    ending(control.Action{Action: "fail", Hint: "EXPIRED"}),
			providers.Replaced:    ending(control.Action{Action: "fail", Hint: "REJECTED"}),
			providers.LevelTooLow: spoilt("lowerLevel"),
			providers.Unsuitable:  spoilt("notSwedish"),
			providers.ResultLost:  spoilt("lost"),
		},
		Break:   func(fault string) { sim.Fault("freja", fault) },
		Mend:    sim.ClearFaults,
		Outages: outages, Slow: "slow", Tampers: tampers, SignTampers: signTampers, Harmless: harmless,
		Repeats: true,
		Unbound: []providers.Kind{providers.KindAuth},
		Verify: func(e providers.Evidence, want providers.Expected) (providers.Identity, error) {
			return freja.Verify(e, want, provider.Trust(), time.Now())
		},
	}
}

func TestProviderContract(t *testing.T) { providertest.Run(t, bench) }

// ends lets a person act on one order, and gives the last step.
func ends(t *testing.T, p *freja.Provider, s providers.State) providers.Step {
	t.Helper()
	for range 2000 {
		after, step, err := p.Continue(t.Context(), s, providers.Event{Kind: providers.Tick})
		if err != nil {
			t.Fatal(err)
		}
		w, waits := step.(providers.Wait)
		if !waits {
			return step
		}
		s = after
		<-time.After(w.Next)
	}
	t.Fatal("still waiting")
	return nil
}

func request(kind providers.Kind, mode providers.Mode) providers.Request {
	r := providers.Request{Mode: mode, Binding: []byte("a binding of thirty-two bytes ..")}
	if kind == providers.KindSign {
		r.Text = "Prov på en text åäö <&>\n\"två\" rader"
	}
	if mode == providers.ModeThis {
		r.ReturnURL = "https://e-tjanster.example.se/tillbaka?n=provnonce"
	}
	return r
}

func begin(t *testing.T, p *freja.Provider, kind providers.Kind, r providers.Request) (providers.State, providers.Step) {
	t.Helper()
	var s providers.State
	var step providers.Step
	var err error
	if kind == providers.KindSign {
		s, step, err = p.StartSignature(t.Context(), providers.SignRequest{Request: r})
	} else {
		s, step, err = p.Start(t.Context(), r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, step
}

var kinds = []providers.Kind{providers.KindAuth, providers.KindSign}

// The order was for one person and another one opens the code.
func TestWrongPerson(t *testing.T) {
	sim := testidp.Start(t)
	p := must(freja.New(simulated(t, sim, nil)))(t)
	for _, kind := range kinds {
		r := request(kind, providers.ModeOther)
		r.Number = number(t, sim.People()[0])
		s, step := begin(t, p, kind, r)
		order := must(opened(sim, step))(t)
		must(sim.Approve(order, sim.People()[1].Number))(t)
		if failed, ok := ends(t, p, s).(providers.Failed); !ok || failed.Reason != providers.WrongPerson || failed.Text.SV == "" {
			t.Errorf("%s: %+v", kind, failed)
		}
	}
}

// Proofs that are true of somebody who may not, and what is true in another form.
func TestOtherProofs(t *testing.T) {
	sim := testidp.Start(t)
	p := must(freja.New(simulated(t, sim, nil)))(t)
	for _, c := range []struct {
		fault string
		want  providers.Reason // none: a proof
		sign  bool             // of signatures alone
	}{
		{"lowerLevel", providers.LevelTooLow, false},
		{"notSwedish", providers.Unsuitable, false},
		{"missingNumber", providers.Unsuitable, false},
		{"wrongPerson", providers.WrongPerson, false},
		{"plainInnerText", "", true},
		{"attributesDiffer", "", true},
		{"rollover", "", true},
	} {
		for _, kind := range kinds {
			if c.sign && kind != providers.KindSign {
				continue
			}
			sim.ClearFaults()
			sim.Fault("freja", c.fault)
			r := request(kind, providers.ModeOther)
			r.Number = number(t, sim.People()[0])
			s, step := begin(t, p, kind, r)
			must(sim.Approve(must(opened(sim, step))(t), r.Number.Digits()))(t)
			last := ends(t, p, s)
			failed, _ := last.(providers.Failed)
			done, proof := last.(providers.Done)
			if proof != (c.want == "") || failed.Reason != c.want || proof && done.Identity.Number != r.Number ||
				!proof && (failed.Text.SV == "" || failed.Text.EN == "") {
				t.Errorf("%s %s: proof: %v, %s at %s", c.fault, kind, proof, failed.Reason, failed.Check)
			}
		}
	}
}

// A person who is named gets the order in the app by itself.
func TestByNumber(t *testing.T) {
	sim := testidp.Start(t, func(c *testidp.Config) { c.Freja.Push = 5 * time.Millisecond })
	config := simulated(t, sim, nil)
	config.UserInfo = freja.Number
	p := must(freja.New(config))(t)
	person := number(t, sim.People()[2])
	for _, fault := range []string{"", "base64UserInfo", "jsonUserInfo"} {
		for _, kind := range kinds {
			for _, mode := range p.Info().Modes {
				sim.ClearFaults()
				if fault != "" {
					sim.Fault("freja", fault)
				}
				r := request(kind, mode)
				r.Number = person
				s, step := begin(t, p, kind, r)
				if w := step.(providers.Wait); w.QR != "" || (w.Link != "") != (mode == providers.ModeThis) {
					t.Errorf("%s %s: shows %+v", kind, mode, w)
				}
				all := sim.Orders()
				must(sim.Approve(all[len(all)-1].ID, person.Digits()))(t)
				if done, ok := ends(t, p, s).(providers.Done); !ok || done.Identity.Number != person {
					t.Errorf("%s %s %s: no proof", kind, mode, fault)
				}
			}
		}
	}
}

// What the services say to a start that concerns the person.
func TestRefusedStarts(t *testing.T) {
	sim := testidp.Start(t)
	p := must(freja.New(simulated(t, sim, nil)))(t)
	for fault, want := range map[string]providers.Reason{
		"code1005": providers.Blocked, "code1012": providers.StartFailed, "code2000": providers.InProgress, "codeUnknown": providers.Unknown,
	} {
		sim.ClearFaults()
		sim.Fault("freja", fault)
		for _, kind := range kinds {
			_, step := begin(t, p, kind, request(kind, providers.ModeOther))
			if failed, ok := step.(providers.Failed); !ok || failed.Reason != want || failed.Text.SV == "" || failed.Text.EN == "" {
				t.Errorf("%s %s: %+v", fault, kind, step)
			}
		}
	}
}

// What no order survives without somebody who mends it, and what it does survive.
func TestOtherFaults(t *testing.T) {
	sim := testidp.Start(t)
	p := must(freja.New(simulated(t, sim, nil)))(t)
	var down *providers.Unavailable

	sim.Fault("freja", "http401")
	if _, _, err := p.Start(t.Context(), request(providers.KindAuth, providers.ModeOther)); err == nil || errors.As(err, &down) {
		t.Errorf("not let in: %v", err)
	}
	sim.ClearFaults()
	sim.Fault("freja", "stringCode")
	sim.Fault("freja", "code1005")
	if _, step := begin(t, p, providers.KindAuth, request(providers.KindAuth, providers.ModeOther)); step.(providers.Failed).Reason != providers.Blocked {
		t.Errorf("a code as text: %v", step)
	}
	sim.ClearFaults()
	sim.Fault("freja", "dropStart")
	before := len(sim.Orders())
	if _, _, err := p.Start(t.Context(), request(providers.KindAuth, providers.ModeOther)); !errors.As(err, &down) {
		t.Errorf("a start that is dropped: %v", err)
	}
	if n := len(sim.Orders()) - before; n > 1 {
		t.Errorf("%d orders after one start", n)
	}
	for _, fault := range []string{"foreignEcho", "http401", "drop"} {
		sim.ClearFaults()
		s, step := begin(t, p, providers.KindAuth, request(providers.KindAuth, providers.ModeOther))
		order := must(opened(sim, step))(t)
		must(sim.Approve(order, sim.People()[0].Number))(t)
		sim.Fault("freja", fault)
		after, step, err := p.Continue(t.Context(), s, providers.Event{Kind: providers.Tick})
		if !errors.As(err, &down) || step != nil || string(after) != string(s) {
			t.Errorf("%s: %v, %v", fault, step, err)
		}
		sim.ClearFaults()
		if _, ok := ends(t, p, s).(providers.Done); !ok {
			t.Errorf("%s: no proof after it", fault)
		}
	}
}

// References hold signs that addresses do not; the app must get them as they are.
func TestOldReferences(t *testing.T) {
	sim := testidp.Start(t)
	p := must(freja.New(simulated(t, sim, nil)))(t)
	sim.Fault("freja", "oldReference")
	for _, kind := range kinds {
		for _, mode := range p.Info().Modes {
			s, step := begin(t, p, kind, request(kind, mode))
			must(sim.Approve(must(opened(sim, step))(t), sim.People()[0].Number))(t)
			if _, ok := ends(t, p, s).(providers.Done); !ok {
				t.Errorf("%s %s: no proof", kind, mode)
			}
		}
	}
}

// The person's own signature is verified where its certificate comes along and its
// root is known, and held everywhere else.
func TestInnerSignature(t *testing.T) {
	for _, c := range []struct {
		name     string
		brings   bool
		known    bool
		fault    string
		refused  bool
		verified bool
	}{
		{name: "held"},
		{name: "no certificate", known: true},
		{name: "no root", brings: true},
		{name: "verified", brings: true, known: true, verified: true},
		{name: "false, and held", fault: "badUserSignature"},
		{name: "false", brings: true, known: true, fault: "badUserSignature", refused: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim := testidp.Start(t, func(config *testidp.Config) { config.FrejaX5C = c.brings })
			config := simulated(t, sim, nil)
			if c.known {
				config.Environment.UserRoots = config.Environment.JWSRoots
				if m := must(sim.FrejaMaterial())(t); len(m.UserCA) > 0 {
					config.Environment.UserRoots = certificates(t, m.UserCA)
				}
			}
			p := must(freja.New(config))(t)
			if c.fault != "" {
				sim.Fault("freja", c.fault)
			}
			s, step := begin(t, p, providers.KindSign, request(providers.KindSign, providers.ModeOther))
			must(sim.Approve(must(opened(sim, step))(t), sim.People()[0].Number))(t)
			last := ends(t, p, s)
			done, ok := last.(providers.Done)
			if ok == c.refused {
				t.Fatalf("ended with %v", last)
			}
			if c.refused {
				if f := last.(providers.Failed); f.Check != "inner-signature" {
					t.Errorf("refused at %s", f.Check)
				}
				return
			}
			held, err := freja.Inner(done.Evidence, p.Trust())
			if err != nil || !held.Signature || held.Verified != c.verified || (done.Identity.Certificate != nil) != c.verified {
				t.Errorf("verified: %v, %v", held.Verified, err)
			}
			if jws, status, err := freja.Parts(done.Evidence); err != nil || strings.Count(string(jws), ".") != 2 || len(status) == 0 {
				t.Errorf("parts: %v", err)
			}
		})
	}
}

// The longest text and data that Info promises must pass from end to end.
func TestLimits(t *testing.T) {
	sim := testidp.Start(t)
	p := must(freja.New(simulated(t, sim, nil)))(t)
	info := p.Info()
	sim.Auto("freja", sim.People()[0].Number, 0)
	r := request(providers.KindSign, providers.ModeOther)
	r.Text, r.Binding = strings.Repeat("åa", info.TextLimit/3), make([]byte, info.NonVisible)
	s, _ := begin(t, p, providers.KindSign, r)
	if _, ok := ends(t, p, s).(providers.Done); !ok {
		t.Error("no proof")
	}
}

// A code of another moment is refused, so ours must be of this one.
func TestStaleCodes(t *testing.T) {
	sim := testidp.Start(t)
	p := must(freja.New(simulated(t, sim, nil)))(t)
	s, _ := begin(t, p, providers.KindAuth, request(providers.KindAuth, providers.ModeOther))
	if _, err := sim.Scan(must(p.Show(s, time.Now().Add(time.Minute)))(t).QR); err == nil {
		t.Error("a code of the future is scanned")
	}
	if _, err := sim.Scan(must(p.Show(s, time.Now()))(t).QR); err != nil {
		t.Errorf("the code of now: %v", err)
	}
}

// Codes that stand still, and a certificate that follows another.
func TestStaticAndRenewed(t *testing.T) {
	sim := testidp.Start(t)
	config := simulated(t, sim, nil)
	config.StaticQR = true
	p := must(freja.New(config))(t)
	s, step := begin(t, p, providers.KindAuth, request(providers.KindAuth, providers.ModeOther))
	m := must(sim.FrejaRenewed())(t)
	must(p.Renew(must(tls.X509KeyPair(m.RPCertificate, m.RPKey))(t)))(t)()
	must(sim.Approve(must(opened(sim, step))(t), sim.People()[0].Number))(t)
	if _, ok := ends(t, p, s).(providers.Done); !ok {
		t.Error("no proof of an order from before")
	}
	s, step = begin(t, p, providers.KindSign, request(providers.KindSign, providers.ModeThis))
	must(sim.Approve(must(opened(sim, step))(t), sim.People()[0].Number))(t)
	if _, ok := ends(t, p, s).(providers.Done); !ok {
		t.Error("no proof with the new certificate")
	}
}

// The command that tries an e-ID finds nothing wrong with a good one, and says what
// is wrong with another.
func TestCheckOfSimulator(t *testing.T) {
	sim := testidp.Start(t)
	config := simulated(t, sim, nil)
	for _, f := range must(freja.New(config))(t).Check(t.Context()) {
		if f.Bad {
			t.Errorf("%s: %s", f.What, f.Said)
		}
	}
	m := must(sim.FrejaMaterial())(t)
	config.Environment.JWSCertificates = certificates(t, slices.Concat(m.JWSExpired, m.JWSForeign))
	bad := 0
	for _, f := range must(freja.New(config))(t).Check(t.Context()) {
		if f.Bad {
			bad++
		}
	}
	if bad < 3 {
		t.Errorf("%d things are bad", bad)
	}
}
