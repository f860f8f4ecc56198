// Package providertest is the contract of providers.Provider as a test suite:
// every e-ID runs it against its issuer, simulated. An e-ID whose Info says Site
// also runs what is true of answers that come through the browser.
//
// It owns what is true of all e-IDs. What is an issuer's own (wire formats, the
// steps of a verification) is tested beside its provider.
package providertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/providers"
	"sigill/providers/personnummer"
)

// A Bench is a provider on the bench: with an issuer that can be broken and a
// person who does as told.
type Bench struct {
	Provider providers.Provider
	// Again makes another value with the same configuration, as after a
	// restart or on another node.
	Again func() providers.Provider
	// Foreign is another e-ID, or the same one in another world. Neither may
	// continue what the other began.
	Foreign providers.Provider

	Number personnummer.Number // of the person who approves
	// Approve lets that person do what the order asks for. Issuers that answer
	// through the browser return the event that the browser brings back, the
	// others a Tick.
	Approve func(providers.Step) (providers.Event, error)
	// Endings lets the person, or time, end the order for each reason that the
	// e-ID knows, and returns an event as Approve does. LevelTooLow is one of them
	// for an e-ID that has people of several levels.
	Endings map[providers.Reason]func(providers.Step) (providers.Event, error)

	// Break makes the issuer behave in the named way; Mend makes it well.
	Break func(fault string)
	Mend  func()
	// Outages are the ways of not answering that an order survives.
	Outages []string
	// Slow is a way of answering late, by seconds. Empty: none.
	Slow string
	// Tampers are the ways of answering falsely, with the step of verification
	// that must refuse each; an empty step means any.
	Tampers map[string]string
	// SignTampers are those that only a signature can tell from the truth.
	SignTampers map[string]string
	// Harmless are ways of answering oddly but rightly.
	Harmless []string

	// Repeats: the issuer gives its last answer as often as it is asked. The others
	// give it once.
	Repeats bool
	// Unbound are the kinds whose evidence says nothing of the order that it was
	// made for: neither its binding nor its text.
	Unbound []providers.Kind
	// Wordless are the kinds whose evidence has the binding, but not the text.
	Wordless []providers.Kind
	// Unread are the fields of a browser's answer that the e-ID does not read, for
	// which it may then not refuse one either. Only for a Site.
	Unread []string

	// Verify is the e-ID's own verification of evidence.
	Verify func(providers.Evidence, providers.Expected) (providers.Identity, error)
}

// Run runs the suite. Each test opens a bench of its own, whose provider must
// log to the given logger.
func Run(t *testing.T, open func(*testing.T, *slog.Logger) Bench) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *bench)
	}{
		{"says what it is", testInfo},
		{"proves who somebody is", testHappy},
		{"ends for each reason", testEndings},
		{"moves to another instance at any moment", testMoves},
		{"needs the issuer no more once it has the answer", testAnswerKept},
		{"gives the answer once", testAnswerOnce},
		{"refuses states that are not its own", testStates},
		{"cancels as often as one likes", testCancel},
		{"stops when the context ends", testContext},
		{"survives outages", testOutages},
		{"refuses false answers", testTampers},
		{"takes odd answers", testHarmless},
		{"refuses what the e-ID cannot do", testBadRequests},
		{"shows without asking", testShow},
		{"sends the browser away and waits", testAway},
		{"takes an answer again after a crash", testBackTwice},
		{"refuses answers at the wrong address", testBackElsewhere},
		{"refuses the answer to another order", testBackCrossed},
		{"refuses answers that are not whole", testBackForms},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log logs
			b := &bench{Bench: open(t, slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))), log: &log}
			test.run(t, b)
			b.checkSecrecy(t)
		})
	}
}

// logs collects what is logged; calls may come from several goroutines.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type bench struct {
	Bench
	log *logs
	// errors that the provider returned: they end up in logs too.
	errors []error
}

func (b *bench) site() bool { return b.Provider.Info().Site }

// kinds are what the e-ID can do. One that could sign in other configurations
// states no room for a text.
func (b *bench) kinds() []providers.Kind {
	if _, ok := b.Provider.(providers.Signer); ok && b.Provider.Info().TextLimit > 0 {
		return []providers.Kind{providers.KindAuth, providers.KindSign}
	}
	return []providers.Kind{providers.KindAuth}
}

// request is one that every e-ID with the mode can serve.
func (b *bench) request(kind providers.Kind, mode providers.Mode) providers.Request {
	info := b.Provider.Info()
	r := providers.Request{
		Mode: mode,
		Device: providers.Device{
			IP:        "192.0.2.10",
			UserAgent: "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
			ID:        "provenhet-1", Domain: "e-tjanster.example.se",
		},
		Binding: []byte("a binding of thirty-two bytes ..")[:32],
		Lang:    "sv",
	}
	if info.Site {
		r.Handle = rand.Text() + rand.Text()
	}
	if kind == providers.KindSign || info.AuthText > 0 {
		r.Text = "Prov på en text åäö"
	}
	switch mode {
	case providers.ModeThis:
		r.ReturnURL = "https://e-tjanster.example.se/tillbaka?n=provnonce"
	case providers.ModePhone:
		r.Number, r.Caller = b.Number, "RP"
	}
	return r
}

func (b *bench) begin(ctx context.Context, kind providers.Kind, r providers.Request) (providers.State, providers.Step, error) {
	var s providers.State
	var step providers.Step
	var err error
	if kind == providers.KindSign {
		s, step, err = b.Provider.(providers.Signer).StartSignature(ctx, providers.SignRequest{Request: r})
	} else {
		s, step, err = b.Provider.Start(ctx, r)
	}
	b.note(err)
	return s, step, err
}

func (b *bench) note(err error) {
	if err != nil {
		b.errors = append(b.errors, err)
	}
}

func (b *bench) mustBegin(t *testing.T, kind providers.Kind, r providers.Request) (providers.State, providers.Step) {
	t.Helper()
	s, step, err := b.begin(t.Context(), kind, r)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	if !json.Valid(s) {
		t.Fatal("the state is not JSON")
	}
	return s, step
}

func (b *bench) approve(t *testing.T, step providers.Step) providers.Event {
	t.Helper()
	event, err := b.Approve(step)
	if err != nil {
		t.Fatalf("approve: %v", err)
	}
	return event
}

// finish continues until the order is over. next gives the instance to use for
// each call.
func (b *bench) finish(t *testing.T, s providers.State, event providers.Event, next func() providers.Provider) (providers.State, providers.Step) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		after, step, err := next().Continue(t.Context(), s, event)
		b.note(err)
		if err != nil {
			t.Fatalf("continue: %v", err)
		}
		s, event = after, providers.Event{Kind: providers.Tick}
		w, waiting := step.(providers.Wait)
		if !waiting {
			return s, step
		}
		select {
		case <-time.After(w.Next):
		case <-deadline:
			t.Fatalf("still waiting: %+v", w)
		}
	}
}

func (b *bench) same() providers.Provider { return b.Provider }

func mustDone(t *testing.T, step providers.Step) providers.Done {
	t.Helper()
	done, ok := step.(providers.Done)
	if !ok {
		t.Fatalf("ended with %s instead of a proof", describe(step))
	}
	return done
}

// describe names a step without what is secret in it.
func describe(step providers.Step) string {
	switch s := step.(type) {
	case nil:
		return "nothing"
	case providers.Wait:
		return "wait: " + s.Hint
	case providers.Done:
		return "done: " + s.Identity.Number.String()
	case providers.Failed:
		return strings.TrimSpace("failed: " + string(s.Reason) + " " + s.Hint + " " + s.Check)
	}
	return "sending the browser to the issuer"
}

func testInfo(t *testing.T, b *bench) {
	info := b.Provider.Info()
	if !info.ID.Valid() || info.Name == "" || len(info.Modes) == 0 || info.Level == providers.LevelNone {
		t.Errorf("incomplete: %+v", info)
	}
	if info.Named("sv") == "" || info.Named("en") == "" {
		t.Errorf("has no name in a language: %+v", info.Title)
	}
	if !info.ID.Known() && (info.Title.SV == "" || info.Title.EN == "") {
		t.Error("nobody knows what to call it")
	}
	if info.Site && !slices.Equal(info.Modes, []providers.Mode{providers.ModeThis}) {
		t.Errorf("a site has modes %v", info.Modes)
	}
	signer, signs := b.Provider.(providers.Signer)
	switch {
	case !signs && info.TextLimit != 0:
		t.Error("has room for a text, and cannot sign")
	case signs && info.TextLimit == 0:
		r := b.request(providers.KindSign, info.Modes[0])
		_, step, err := signer.StartSignature(t.Context(), providers.SignRequest{Request: r})
		var wrong *providers.BadRequest
		if !errors.As(err, &wrong) || step != nil {
			t.Errorf("cannot sign, but starts to: %s, %v", describe(step), err)
		}
	}
}

func testHappy(t *testing.T, b *bench) {
	for _, kind := range b.kinds() {
		for _, mode := range b.Provider.Info().Modes {
			t.Run(string(kind)+" "+string(mode), func(t *testing.T) {
				r := b.request(kind, mode)
				before := time.Now()
				s, step := b.mustBegin(t, kind, r)
				w, waits := step.(providers.Wait)
				if waits == b.site() {
					t.Errorf("begins with %s", describe(step))
				}
				if waits {
					if (w.QR != "") != (mode == providers.ModeOther) || (w.Link != "") != (mode == providers.ModeThis) {
						t.Errorf("mode %s shows %+v", mode, w)
					}
					if w.Text.SV == "" || w.Text.EN == "" {
						t.Error("says nothing to people")
					}
				}
				s, step = b.finish(t, s, b.approve(t, step), b.same)
				done := mustDone(t, step)
				if id := done.Identity; id.Number != b.Number || id.Name == "" || id.Transaction == "" ||
					id.Level != b.Provider.Info().Level || id.Provider != b.Provider.Info().ID || id.At.IsZero() {
					t.Errorf("identity of %v, level %v, from %s at %v", id.Number, id.Level, id.Provider, id.At)
				}
				if _, _, err := b.Provider.Continue(t.Context(), s, providers.Event{Kind: providers.Tick}); err == nil {
					t.Error("continues what is over")
				}

				if b.log.String() == "" {
					t.Error("logs nothing, or not to the suite's logger")
				}
				want := providers.Expected{Kind: kind, Text: r.Text, Markup: r.Markup, Binding: r.Binding, Number: r.Number, Started: before, Ended: time.Now()}
				if _, err := b.Verify(done.Evidence, want); err != nil {
					t.Errorf("the evidence does not verify: %v", err)
				}
				otherKind := providers.KindSign
				if kind == providers.KindSign {
					otherKind = providers.KindAuth
				}
				for name, change := range map[string]func(*providers.Expected){
					"another text":    func(e *providers.Expected) { e.Text += "." },
					"another binding": func(e *providers.Expected) { e.Binding = slices.Concat(e.Binding, []byte("x")) },
					"another person":  func(e *providers.Expected) { e.Number = otherNumber(b.Number) },
					"another kind":    func(e *providers.Expected) { e.Kind = otherKind },
					"a later order":   func(e *providers.Expected) { e.Started, e.Ended = e.Started.Add(time.Hour), e.Ended.Add(time.Hour) },
					"an earlier order": func(e *providers.Expected) {
						e.Started, e.Ended = e.Started.Add(-time.Hour), e.Ended.Add(-time.Hour)
					},
				} {
					unbound := slices.Contains(b.Unbound, kind)
					switch name {
					case "another text":
						if r.Text == "" || unbound || slices.Contains(b.Wordless, kind) {
							continue
						}
					case "another binding":
						if unbound {
							continue
						}
					}
					wrong := want
					change(&wrong)
					_, err := b.Verify(done.Evidence, wrong)
					b.note(err)
					var refused *providers.Refused
					if !errors.As(err, &refused) || refused.Check == "" {
						t.Errorf("as evidence of %s: %v", name, err)
					}
				}
			})
		}
	}
}

func otherNumber(n personnummer.Number) personnummer.Number {
	for _, digits := range []string{"198006299252", "199003142396"} {
		if other, err := personnummer.FromDigits(digits); err == nil && other != n {
			return other
		}
	}
	return personnummer.Number{}
}

func testEndings(t *testing.T, b *bench) {
	for reason, end := range b.Endings {
		for _, kind := range b.kinds() {
			t.Run(string(reason)+" "+string(kind), func(t *testing.T) {
				mode := b.Provider.Info().Modes[0]
				if reason == providers.Declined {
					mode = providers.ModePhone
				}
				s, step := b.mustBegin(t, kind, b.request(kind, mode))
				event, err := end(step)
				if err != nil {
					t.Fatalf("end: %v", err)
				}
				s, step = b.finish(t, s, event, b.same)
				failed, ok := step.(providers.Failed)
				if !ok || failed.Reason != reason {
					t.Fatalf("ended with %s", describe(step))
				}
				b.tells(t, failed)
				if _, _, err := b.Provider.Continue(t.Context(), s, event); err == nil {
					t.Error("continues what is over")
				}
			})
		}
	}
}

// tells checks what a failed order says to people.
func (b *bench) tells(t *testing.T, failed providers.Failed) {
	t.Helper()
	if failed.Text.SV == "" || failed.Text.EN == "" {
		t.Error("says nothing to people")
	}
	if leaks(failed.Text.SV+failed.Text.EN+failed.Hint+failed.Check, b.Number) {
		t.Error("names the person")
	}
}

func testMoves(t *testing.T, b *bench) {
	for _, kind := range b.kinds() {
		s, step := b.mustBegin(t, kind, b.request(kind, b.Provider.Info().Modes[0]))
		// What is stored comes back as a copy, perhaps spelt differently.
		event := b.approve(t, step)
		var last providers.Step
		deadline := time.Now().Add(30 * time.Second)
		for last == nil {
			var kept bytes.Buffer
			if err := json.Indent(&kept, s, "", "  "); err != nil {
				t.Fatal(err)
			}
			after, step, err := b.Again().Continue(t.Context(), kept.Bytes(), event)
			if err != nil {
				t.Fatal(err)
			}
			s, event = after, providers.Event{Kind: providers.Tick}
			w, waiting := step.(providers.Wait)
			if !waiting {
				last = step
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("still waiting")
			}
			<-time.After(w.Next)
		}
		mustDone(t, last)
	}
}

// answer continues until the state holds the issuer's final answer. It returns
// the state before that as well, and the event that brought the answer. Nil: the
// answer came whole, and can come again.
func (b *bench) answer(t *testing.T) (before, held providers.State, event providers.Event) {
	t.Helper()
	s, step := b.mustBegin(t, providers.KindAuth, b.request(providers.KindAuth, b.Provider.Info().Modes[0]))
	event = b.approve(t, step)
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		after, step, err := b.Provider.Continue(t.Context(), s, event)
		if err != nil {
			t.Fatal(err)
		}
		w, waiting := step.(providers.Wait)
		if !waiting {
			mustDone(t, step)
			return nil, nil, event
		}
		if w.Next == 0 {
			return s, after, event
		}
		s, event = after, providers.Event{Kind: providers.Tick}
		<-time.After(w.Next)
	}
	t.Fatal("still waiting")
	return nil, nil, event
}

func testAnswerKept(t *testing.T, b *bench) {
	_, held, _ := b.answer(t)
	if held == nil {
		t.Skip("needs the issuer for nothing")
	}
	for _, fault := range b.Outages {
		b.Break(fault)
	}
	for range 2 { // delivery to the broker is at least once
		_, step, err := b.Again().Continue(t.Context(), held, providers.Event{Kind: providers.Tick})
		if err != nil {
			t.Fatal(err)
		}
		if done := mustDone(t, step); done.Identity.Number != b.Number {
			t.Errorf("identity of %v", done.Identity.Number)
		}
	}
	if err := b.Provider.Cancel(t.Context(), held); err != nil {
		t.Errorf("cancel: %v", err)
	}
}

func testAnswerOnce(t *testing.T, b *bench) {
	before, held, event := b.answer(t)
	if held == nil {
		t.Skip("the issuer's answer is not one-time")
	}
	_, step, err := b.Provider.Continue(t.Context(), before, event)
	if err != nil {
		t.Fatal(err)
	}
	if w, again := step.(providers.Wait); b.Repeats {
		if !again || w.Next != 0 {
			t.Errorf("the answer that is asked for again is %s", describe(step))
		}
		return
	}
	if failed, ok := step.(providers.Failed); !ok || failed.Reason != providers.ResultLost {
		t.Errorf("the lost answer is %s", describe(step))
	}
}

func testStates(t *testing.T, b *bench) {
	r := b.request(providers.KindAuth, b.Provider.Info().Modes[0])
	mine, _ := b.mustBegin(t, providers.KindAuth, r)
	r = b.request(providers.KindAuth, b.Foreign.Info().Modes[0])
	foreign, _, err := b.Foreign.Start(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]providers.State{
		"nothing": nil, "no JSON": []byte("x"), "empty": []byte("{}"), "null": []byte("null"), "list": []byte("[]"),
		"cut off": mine[:len(mine)-1], "foreign": foreign,
		"newer": bytes.Replace(mine, []byte(`"v":1`), []byte(`"v":2`), 1),
	} {
		events := []providers.Event{{Kind: providers.Tick}}
		if b.site() {
			events = append(events, providers.Event{Kind: providers.Callback, At: providers.BackPath, Form: map[string][]string{}})
		}
		for _, event := range events {
			_, step, err := b.Provider.Continue(t.Context(), s, event)
			b.note(err)
			var down *providers.Unavailable
			if err == nil || errors.As(err, &down) || step != nil {
				t.Errorf("%s: continued by a %s to %s, %v", name, event.Kind, describe(step), err)
			}
		}
		if err := b.Provider.Cancel(t.Context(), s); err == nil {
			t.Errorf("%s: cancelled", name)
		}
		if shower, ok := b.Provider.(providers.Shower); ok {
			if _, err := shower.Show(s, time.Now()); err == nil {
				t.Errorf("%s: shown", name)
			}
		}
	}
	if _, _, err := b.Foreign.Continue(t.Context(), mine, providers.Event{Kind: providers.Tick}); err == nil {
		t.Error("the other one continues ours")
	}
	if _, _, err := b.Provider.Continue(t.Context(), mine, providers.Event{Kind: providers.Tick}); err != nil {
		t.Errorf("no longer continues its own: %v", err)
	}
}

func testCancel(t *testing.T, b *bench) {
	s, step := b.mustBegin(t, providers.KindAuth, b.request(providers.KindAuth, b.Provider.Info().Modes[0]))
	for i := range 3 {
		if err := b.Provider.Cancel(t.Context(), s); err != nil {
			t.Fatalf("cancel %d: %v", i+1, err)
		}
	}
	event := providers.Event{Kind: providers.Tick}
	if b.site() { // nobody can tell an issuer that it need not wait
		event = b.approve(t, step)
	}
	after, step := b.finish(t, s, event, b.same)
	if _, ok := step.(providers.Failed); !ok && !b.site() {
		t.Fatalf("after cancel: %s", describe(step))
	}
	if err := b.Provider.Cancel(t.Context(), after); err != nil {
		t.Errorf("cancel what is over: %v", err)
	}
}

func testContext(t *testing.T, b *bench) {
	r := b.request(providers.KindAuth, b.Provider.Info().Modes[0])
	s, step := b.mustBegin(t, providers.KindAuth, r)
	event := providers.Event{Kind: providers.Tick}
	if b.site() {
		event = b.approve(t, step)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	calls := map[string]func(context.Context) error{
		"start": func(ctx context.Context) error { _, _, err := b.begin(ctx, providers.KindAuth, r); return err },
		"continue": func(ctx context.Context) error {
			_, _, err := b.Provider.Continue(ctx, s, event)
			return err
		},
		"cancel": func(ctx context.Context) error { return b.Provider.Cancel(ctx, s) },
	}
	// What asks nobody cannot be stopped. The others say that the caller has gone,
	// not the issuer.
	stopped := func(err, by error) bool {
		var down *providers.Unavailable
		return err == nil && b.site() || errors.Is(err, by) && !errors.As(err, &down)
	}
	for name, call := range calls {
		if err := call(ended); !stopped(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b.Slow == "" {
		return
	}
	b.Break(b.Slow)
	defer b.Mend()
	for name, call := range calls {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		began := time.Now()
		err := call(ctx)
		cancel()
		if took := time.Since(began); !stopped(err, context.DeadlineExceeded) || took > 2*time.Second {
			t.Errorf("%s against a slow issuer: %v after %v", name, err, took)
		}
	}
}

func testOutages(t *testing.T, b *bench) {
	for _, fault := range b.Outages {
		t.Run(fault, func(t *testing.T) {
			if b.site() {
				b.siteOutage(t, fault)
				return
			}
			r := b.request(providers.KindAuth, b.Provider.Info().Modes[0])
			b.Break(fault)
			_, step, err := b.begin(t.Context(), providers.KindAuth, r)
			b.Mend()
			var down *providers.Unavailable
			if !errors.As(err, &down) || step != nil {
				t.Errorf("start: %s, %v", describe(step), err)
			}

			s, step := b.mustBegin(t, providers.KindAuth, r)
			b.Break(fault)
			for range 2 {
				after, got, err := b.Provider.Continue(t.Context(), s, providers.Event{Kind: providers.Tick})
				b.note(err)
				if !errors.As(err, &down) || got != nil {
					t.Errorf("continue: %s, %v", describe(got), err)
				}
				if !bytes.Equal(after, s) {
					t.Error("the state has changed")
				}
			}
			b.Mend()
			_, step = b.finish(t, s, b.approve(t, step), b.same)
			mustDone(t, step)
		})
	}
}

func testTampers(t *testing.T, b *bench) {
	b.tampers(t, b.Tampers, b.kinds())
	b.tampers(t, b.SignTampers, []providers.Kind{providers.KindSign})
}

func (b *bench) tampers(t *testing.T, faults map[string]string, kinds []providers.Kind) {
	for fault, check := range faults {
		t.Run(fault, func(t *testing.T) {
			for _, kind := range kinds {
				// Some falsehoods need an honest answer before them to repeat.
				s, step := b.mustBegin(t, kind, b.request(kind, b.Provider.Info().Modes[0]))
				_, step = b.finish(t, s, b.approve(t, step), b.same)
				mustDone(t, step)

				r := b.request(kind, b.Provider.Info().Modes[0])
				r.Binding = []byte("the binding of the false answer.")
				r.Number = b.Number // so that somebody else's proof is a false one
				b.Break(fault)
				s, step = b.mustBegin(t, kind, r)
				_, step = b.finish(t, s, b.approve(t, step), b.same)
				b.Mend()
				failed, ok := step.(providers.Failed)
				if !ok || failed.Reason != providers.EvidenceRefused || failed.Check == "" {
					t.Fatalf("%s: ended with %s", kind, describe(step))
				}
				if check != "" && failed.Check != check {
					t.Errorf("%s: refused at %s instead of %s", kind, failed.Check, check)
				}
				b.tells(t, failed)
			}
		})
	}
}

func testHarmless(t *testing.T, b *bench) {
	for _, fault := range b.Harmless {
		t.Run(fault, func(t *testing.T) {
			b.Break(fault)
			defer b.Mend()
			s, step := b.mustBegin(t, providers.KindAuth, b.request(providers.KindAuth, b.Provider.Info().Modes[0]))
			s, again, err := b.Provider.Continue(t.Context(), s, providers.Event{Kind: providers.Tick})
			if _, waiting := again.(providers.Wait); err != nil || !waiting {
				t.Fatalf("continue: %s, %v", describe(again), err)
			}
			_, step = b.finish(t, s, b.approve(t, step), b.same)
			mustDone(t, step)
		})
	}
}

func testBadRequests(t *testing.T, b *bench) {
	info := b.Provider.Info()
	good := func(kind providers.Kind) providers.Request { return b.request(kind, info.Modes[0]) }
	type bad struct {
		name   string
		kind   providers.Kind
		change func(*providers.Request)
	}
	cases := []bad{
		{"unknown mode", providers.KindAuth, func(r *providers.Request) { r.Mode = "elsewhere" }},
		{"no mode", providers.KindAuth, func(r *providers.Request) { r.Mode = "" }},
	}
	for _, mode := range []providers.Mode{providers.ModeThis, providers.ModeOther, providers.ModePhone} {
		if !slices.Contains(info.Modes, mode) {
			cases = append(cases, bad{"mode " + string(mode), providers.KindAuth, func(r *providers.Request) { *r = b.request(providers.KindAuth, mode) }})
		}
	}
	if info.AuthText > 0 {
		cases = append(cases, bad{"long text", providers.KindAuth, func(r *providers.Request) { r.Text = strings.Repeat("a", info.AuthText+1) }})
	}
	if info.Site {
		for name, handle := range map[string]string{
			"no handle": "", "long handle": strings.Repeat("a", 81), "handle with a space": "a b", "handle with an ampersand": "a&b",
		} {
			for _, kind := range b.kinds() {
				cases = append(cases, bad{name, kind, func(r *providers.Request) { r.Handle = handle }})
			}
		}
	}
	if len(b.kinds()) == 2 {
		cases = append(cases,
			bad{"long text to sign", providers.KindSign, func(r *providers.Request) { r.Text = strings.Repeat("å", info.TextLimit/2+1) }},
			bad{"nothing to sign", providers.KindSign, func(r *providers.Request) { r.Text = "" }},
			bad{"text that is none", providers.KindSign, func(r *providers.Request) { r.Text = "\xff" }},
			bad{"unknown markup", providers.KindSign, func(r *providers.Request) { r.Markup = "html" }},
		)
		if info.NonVisible > 0 {
			cases = append(cases, bad{"long binding", providers.KindSign, func(r *providers.Request) { r.Binding = make([]byte, info.NonVisible+1) }})
		}
	}
	for _, c := range cases {
		r := good(c.kind)
		c.change(&r)
		s, step, err := b.begin(t.Context(), c.kind, r)
		var wrong *providers.BadRequest
		if !errors.As(err, &wrong) || wrong.Field == "" || s != nil || step != nil {
			t.Errorf("%s: %s, %v", c.name, describe(step), err)
		}
	}
}

func testShow(t *testing.T, b *bench) {
	shower, ok := b.Provider.(providers.Shower)
	if !ok {
		t.Skip("has nothing to show between calls")
	}
	for _, mode := range b.Provider.Info().Modes {
		s, step := b.mustBegin(t, providers.KindAuth, b.request(providers.KindAuth, mode))
		if b.Break != nil {
			for _, fault := range b.Outages {
				b.Break(fault)
			}
		}
		now := time.Now()
		var frames []string
		for i := range 3 {
			w, err := shower.Show(s, now.Add(time.Duration(i)*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			if (w.QR != "") != (mode == providers.ModeOther) || (w.Link != "") != (mode == providers.ModeThis) {
				t.Errorf("mode %s shows %+v", mode, w)
			}
			frames = append(frames, w.QR)
		}
		if mode == providers.ModeOther && (frames[0] == frames[1] || frames[1] == frames[2]) {
			t.Error("the QR code stands still")
		}
		if b.Mend != nil {
			b.Mend()
		}
		if mode != providers.ModeOther {
			continue
		}
		// Once an app has the order there is nothing more to scan.
		s, _ = b.finish(t, s, b.approve(t, step), b.same)
		if w, err := shower.Show(s, now); err == nil && w.QR != "" {
			t.Error("shows a code for an order that is over")
		}
	}
}

// checkSecrecy searches what was logged and what errors say for the person's
// number, in every form that people write it.
func (b *bench) checkSecrecy(t *testing.T) {
	t.Helper()
	all := b.log.String()
	for _, err := range b.errors {
		all += err.Error() + "\n"
	}
	if leaks(all, b.Number) {
		t.Error("a personal number is in the log or in an error")
	}
}

func leaks(text string, n personnummer.Number) bool {
	return slices.ContainsFunc(forms(n), func(form string) bool { return strings.Contains(text, form) })
}

func forms(n personnummer.Number) []string {
	d := n.Digits()
	var all []string
	for _, f := range []string{d, d[2:], d[:8] + "-" + d[8:], d[2:8] + "-" + d[8:]} {
		all = append(all, f, base64.StdEncoding.EncodeToString([]byte(f)))
	}
	return all
}
