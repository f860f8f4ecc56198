package oidc_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sigill/providers"
	"sigill/providers/oidc"
	"sigill/providers/personnummer"
	"sigill/providers/providertest"
	"sigill/testidp/control"
	simulated "sigill/testidp/oidc"
	"sigill/testidp/persons"
)

const redirect = "http://localhost:8080/eid/prov/back"

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// simulation is an issuer with its people.
type simulation struct {
	*simulated.Issuer
	people *persons.Directory
	faults *control.Faults
}

func simulate(t testing.TB, profile simulated.Profile, client simulated.Client) *simulation {
	t.Helper()
	s := &simulation{people: persons.All(), faults: &control.Faults{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Handler().ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	s.Issuer = must(simulated.New(simulated.Config{
		BaseURL: server.URL, Profile: profile, Clients: []simulated.Client{client},
		People: s.people, Faults: s.faults, Autos: &control.Autos{},
	}))(t)
	t.Cleanup(s.Close)
	return s
}

func (s *simulation) fault(name string) {
	s.faults.Set(control.Fault{Provider: s.Name(), Fault: name, Rate: 1})
}

// visit goes through the issuer's site as a browser does, lets somebody act there,
// and brings what it came back with.
func (s *simulation) visit(step providers.Step, action control.Action) (providers.Event, error) {
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	sent, ok := step.(providers.Redirect)
	if !ok {
		return providers.Event{}, errors.New("sends the browser nowhere")
	}
	resp, err := browser.Get(sent.URL)
	if err != nil {
		return providers.Event{}, errors.New("no answer from the issuer's site")
	}
	resp.Body.Close()
	page := resp.Header.Get("Location")
	if strings.HasPrefix(page, redirect) { // refused at once
		return event(page)
	}
	if resp.StatusCode != http.StatusSeeOther {
		return providers.Event{}, fmt.Errorf("the issuer's site answered %d", resp.StatusCode)
	}
	orders := s.Orders()
	if _, err := s.Act(orders[len(orders)-1].ID, action); err != nil {
		return providers.Event{}, err
	}
	if resp, err = browser.Get(page); err != nil {
		return providers.Event{}, errors.New("no answer from the issuer's page")
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if to := resp.Header.Get("Location"); to != "" {
		return event(to)
	}
	return providers.Event{}, fmt.Errorf("the issuer's page answered %d with %d bytes", resp.StatusCode, len(body))
}

func event(to string) (providers.Event, error) {
	u, err := url.Parse(to)
	if err != nil || !strings.HasPrefix(to, redirect) {
		return providers.Event{}, errors.New("sent somewhere else")
	}
	return providers.Event{Kind: providers.Callback, At: providers.BackPath, Form: u.Query()}, nil
}

func frejaConfig(t testing.TB, log *slog.Logger) (*simulation, oidc.Config) {
	client := simulated.Client{ID: "prov-id", Name: "Provköping", Secret: "provhemlighet", Redirects: []string{redirect}}
	sim := simulate(t, simulated.Freja(), client)
	return sim, oidc.Freja(oidc.Config{
		Instance: "prov", Issuer: sim.Issuer.Issuer(), ClientID: client.ID, AuthMethod: oidc.ClientSecretBasic, Secret: client.Secret,
		RedirectURL: redirect, Log: log, Replay: &memory{},
	})
}

func swedenConfig(t testing.TB, log *slog.Logger) (*simulation, oidc.Config) {
	var provider *oidc.Provider
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d := provider.Documents()[oidc.JWKSPath]
		w.Header().Set("Content-Type", d.MediaType)
		w.Write(d.Bytes)
	}))
	t.Cleanup(keys.Close)
	client := simulated.Client{ID: "https://prov.example.se/eid", Name: "Provköping", JWKS: keys.URL, Redirects: []string{redirect}}
	sim := simulate(t, simulated.Sweden(), client)
	c := oidc.Config{
		ID: "prov-id", Title: providers.Text{SV: "Prov-id", EN: "Trial ID"}, Instance: "prov", Issuer: sim.Issuer.Issuer(), ClientID: client.ID,
		AuthMethod: oidc.PrivateKeyJWT, Keys: []crypto.Signer{must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)},
		RedirectURL: redirect, Log: log, Replay: &memory{}, Userinfo: true, Approved: true,
		Scopes:    []string{"https://id.oidc.se/scope/naturalPersonNumber", "https://id.oidc.se/scope/naturalPersonInfo"},
		ACRValues: []string{"http://id.elegnamnden.se/loa/1.0/loa3"},
		Claims:    oidc.Claims{Number: []string{"https://id.oidc.se/claim/personalIdentityNumber", "https://id.oidc.se/claim/coordinationNumber"}},
		Levels:    map[string]providers.Level{"http://id.elegnamnden.se/loa/1.0/loa3": providers.Level3},
	}
	provider = must(oidc.New(c))(t) // its keys are every provider's of this configuration
	return sim, c
}

func TestProviderContract(t *testing.T) {
	for name, open := range map[string]func(testing.TB, *slog.Logger) (*simulation, oidc.Config){"freja": frejaConfig, "sweden": swedenConfig} {
		t.Run(name, func(t *testing.T) {
			covered := map[string]bool{}
			providertest.Run(t, func(t *testing.T, log *slog.Logger) providertest.Bench {
				sim, config := open(t, log)
				b := bench(t, sim, config)
				for fault := range b.Tampers {
					covered[fault] = true
				}
				for _, fault := range slices.Concat(b.Outages, b.Harmless, []string{b.Slow}, elsewhere(name)) {
					covered[fault] = true
				}
				for _, fault := range sim.FaultModes() {
					if !covered[fault] {
						t.Errorf("fault %s is tried nowhere", fault)
					}
				}
				return b
			})
		})
	}
}

// elsewhere are the faults that are endings, or that other tests try.
func elsewhere(profile string) []string {
	list := []string{
		"accessDenied", "errorServer", "errorBusy", "errorUnmet", "errorUnknown", "lowerLevel", "noLevel", "unknownLevel", // endings
		"http500", "drop", "garbage", "html200", "huge", "wrongCode", "tokenError", // TestLostAnswers
		"discoveryIssuer", // TestDiscovery
	}
	if profile == "freja" {
		list = append(list, "userinfoOther", "userinfoNumber") // it is not asked
	}
	return list
}

func bench(t testing.TB, sim *simulation, config oidc.Config) providertest.Bench {
	var down atomic.Bool
	var late atomic.Int64 // failures are remembered for a moment
	config.Clock = func() time.Time { return time.Now().Add(time.Duration(late.Load())) }
	provider := must(oidc.New(config))(t)
	other := config
	other.Instance = "annan"
	number := must(personnummer.FromDigits(sim.people.First().Number))(t)
	approve := control.Action{Action: "approve", Pnr: number.Digits()}
	under := func(fault string) func(providers.Step) (providers.Event, error) {
		return func(step providers.Step) (providers.Event, error) {
			sim.fault(fault)
			defer sim.faults.Clear()
			return sim.visit(step, approve)
		}
	}
	b := providertest.Bench{
		Provider: provider,
		Again:    func() providers.Provider { return must(oidc.New(config))(t) },
		Foreign:  must(oidc.New(other))(t),
		Number:   number,
		Approve:  func(step providers.Step) (providers.Event, error) { return sim.visit(step, approve) },
		Endings: map[providers.Reason]func(providers.Step) (providers.Event, error){
			providers.Cancelled: func(step providers.Step) (providers.Event, error) {
				return sim.visit(step, control.Action{Action: "cancel", Pnr: number.Digits()})
			},
			providers.TimedOut: func(step providers.Step) (providers.Event, error) {
				return sim.visit(step, control.Action{Action: "fail", Pnr: number.Digits(), Hint: "timeout"})
			},
			providers.IssuerDown:  under("errorBusy"),
			providers.LevelTooLow: under("errorUnmet"),
			providers.Unknown:     under("errorUnknown"),
		},
		Break: func(fault string) {
			down.Store(fault == "http503")
			sim.fault(fault)
		},
		Mend: func() {
			sim.faults.Clear()
			if down.Swap(false) {
				late.Add(int64(3 * time.Second))
			}
		},
		Outages: []string{"http503"},
		Slow:    "slow",
		Tampers: map[string]string{
			"mixUpIss": "issuer-parameter", "noIss": "issuer-parameter", "issTwice": "form",
			"stateMangled": "state", "noState": "state", "codeTwice": "form", "noCode": "form", "errorAndCode": "form",
			"tokenType": "token-type", "noIDToken": "encoding",
			"badSignature": "signature", "algNone": "", "hs256": "algorithm", "foreignKey": "signature", "unknownKid": "key",
			"embeddedKey": "", "critHeader": "structure",
			"wrongIssuer": "issuer", "wrongAudience": "audience", "twoAudiences": "audience",
			"wrongNonce": "nonce", "noNonce": "nonce", "replay": "nonce", "swapped": "nonce",
			"expired": "time", "futureIat": "time", "oldAuth": "auth-time", "noSubject": "subject", "wrongAtHash": "at-hash",
			"wrongPerson": "person", "missingNumber": "number", "emptyNumber": "number", "tenDigits": "number", "wrongDigit": "number",
			"numberType": "number", "numberTwice": "structure", "notSwedish": "", "coordination": "number",
		},
		Harmless: []string{"keyRollover", "extraClaims"},
		Unread:   []string{},
		Verify: func(e providers.Evidence, want providers.Expected) (providers.Identity, error) {
			return oidc.Verify(e, want, trusting(t, provider.Trust(), e), time.Now())
		},
	}
	if config.Userinfo {
		maps.Copy(b.Tampers, map[string]string{"userinfoOther": "userinfo"})
		b.Harmless = append(b.Harmless, "userinfoNumber") // what the ID Token says holds
	}
	return b
}

// trusting believes the keys of one piece of evidence, as somebody does who has
// compared them with the issuer's.
func trusting(t testing.TB, trust oidc.Trust, e providers.Evidence) oidc.Trust {
	trust.Keys = oidc.Thumbprints(t, e)
	return trust
}

// The faults that are endings of their own, or that lose the answer.
func TestFaultsThatEnd(t *testing.T) {
	for name, open := range map[string]func(testing.TB, *slog.Logger) (*simulation, oidc.Config){"freja": frejaConfig, "sweden": swedenConfig} {
		t.Run(name, func(t *testing.T) {
			sim, config := open(t, nil)
			b := bench(t, sim, config)
			// Keys that are not known yet would keep the code from being sent.
			if s, step, err := b.Provider.Start(t.Context(), request()); err != nil {
				t.Fatal(err)
			} else if event, err := b.Approve(step); err != nil {
				t.Fatal(err)
			} else if _, _, err := b.Provider.Continue(t.Context(), s, event); err != nil {
				t.Fatal(err)
			}
			for fault, want := range map[string][]providers.Reason{
				"accessDenied": {providers.Cancelled},
				"errorServer":  {providers.IssuerDown}, "errorBusy": {providers.IssuerDown},
				"errorUnmet": {providers.LevelTooLow}, "lowerLevel": {providers.LevelTooLow}, "noLevel": {providers.LevelTooLow}, "unknownLevel": {providers.LevelTooLow},
				"errorUnknown": {providers.Unknown},
				"http500":      {providers.ResultLost}, "drop": {providers.ResultLost}, "garbage": {providers.ResultLost}, "html200": {providers.ResultLost},
				"huge": {providers.ResultLost}, "wrongCode": {providers.ResultLost}, "tokenError": {providers.ResultLost, providers.IssuerDown},
			} {
				s, step, err := b.Provider.Start(t.Context(), request())
				if err != nil {
					t.Fatal(err)
				}
				// What befalls the site itself befalls the browser, and is not ours to see.
				if slices.Contains([]string{"http500", "drop", "garbage", "html200", "huge"}, fault) {
					var event providers.Event
					if event, err = b.Approve(step); err == nil {
						sim.fault(fault)
						s, step, err = b.Provider.Continue(t.Context(), s, event)
					}
				} else {
					sim.fault(fault)
					var event providers.Event
					if event, err = b.Approve(step); err == nil {
						s, step, err = b.Provider.Continue(t.Context(), s, event)
					}
				}
				sim.faults.Clear()
				if err != nil {
					t.Fatalf("%s: %v", fault, err)
				}
				if w, ok := step.(providers.Wait); ok && w.Next == 0 {
					if _, step, err = b.Provider.Continue(t.Context(), s, providers.Event{Kind: providers.Tick}); err != nil {
						t.Fatalf("%s: %v", fault, err)
					}
				}
				failed, ok := step.(providers.Failed)
				if !ok || !slices.Contains(want, failed.Reason) || failed.Text.SV == "" || failed.Text.EN == "" {
					t.Errorf("%s: ended with %T %s %s", fault, step, failed.Reason, failed.Check)
				}
			}

			sim.fault("discoveryIssuer")
			var down *providers.Unavailable
			if _, _, err := b.Again().Start(t.Context(), request()); !errors.As(err, &down) {
				t.Errorf("an issuer that calls itself something else: %v", err)
			}
			sim.faults.Clear()
			for _, f := range b.Provider.(providers.Checker).Check(t.Context()) {
				if f.Bad {
					t.Errorf("check: %s: %s", f.What, f.Said)
				}
			}
		})
	}
}

func request() providers.Request {
	return providers.Request{Mode: providers.ModeThis, Binding: []byte("a binding of thirty-two bytes .."), Handle: rand.Text(), Lang: "sv"}
}

// Persons whose e-ID is of a lower level are told so, and not let in.
func TestPersonsOfLowLevel(t *testing.T) {
	for name, open := range map[string]func(testing.TB, *slog.Logger) (*simulation, oidc.Config){"freja": frejaConfig, "sweden": swedenConfig} {
		sim, config := open(t, nil)
		tried := 0
		for _, p := range sim.people.List() {
			if !p.Has(persons.LowLevel) {
				continue
			}
			tried++
			provider := must(oidc.New(config))(t)
			s, step, err := provider.Start(t.Context(), request())
			if err != nil {
				t.Fatal(err)
			}
			event, err := sim.visit(step, control.Action{Action: "approve", Pnr: p.Number})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if s, step, err = provider.Continue(t.Context(), s, event); err != nil {
					t.Fatal(err)
				}
				if _, ok := step.(providers.Wait); !ok {
					break
				}
				event = providers.Event{Kind: providers.Tick}
			}
			if failed, ok := step.(providers.Failed); !ok || failed.Reason != providers.LevelTooLow {
				t.Errorf("%s: ended with %T %s", name, step, failed.Reason)
			}
		}
		if tried == 0 {
			t.Error("nobody has a lower level")
		}
	}
}
