package providertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"sigill/providers"
)

// What is true of e-IDs whose issuer has a web site of its own, and answers
// through the browser.

func (b *bench) needSite(t *testing.T) {
	t.Helper()
	if !b.site() {
		t.Skip("has no site")
	}
}

// back is where the browser comes back to.
func back(kind providers.Kind) string {
	if kind == providers.KindSign {
		return providers.SignBackPath
	}
	return providers.BackPath
}

// left takes a step that sends the browser away apart.
func left(t *testing.T, step providers.Step) (to *url.URL, fields url.Values) {
	t.Helper()
	fields = url.Values{}
	var address string
	switch s := step.(type) {
	case providers.Redirect:
		address = s.URL
	case providers.PostForm:
		address = s.URL
		for name, value := range s.Fields {
			fields.Set(name, value)
		}
	default:
		t.Fatalf("begins with %s", describe(step))
	}
	to, err := url.Parse(address)
	if err != nil || to.Scheme != "https" && to.Scheme != "http" || to.Host == "" || to.User != nil || to.Fragment != "" {
		t.Fatal("sends the browser to what is no address of a site")
	}
	for name, values := range to.Query() {
		fields[name] = append(fields[name], values...)
	}
	return to, fields
}

func testAway(t *testing.T, b *bench) {
	b.needSite(t)
	for _, kind := range b.kinds() {
		t.Run(string(kind), func(t *testing.T) {
			r := b.request(kind, providers.ModeThis)
			r.Number = b.Number
			s, step := b.mustBegin(t, kind, r)
			to, fields := left(t, step)
			if leaks(to.String(), b.Number) {
				t.Error("a personal number is in an address")
			}
			if len(to.String()) > 8000 {
				t.Errorf("an address of %d bytes", len(to.String()))
			}
			// An issuer that was told beforehand what is asked (RFC 9126) keeps the
			// handle itself.
			handles := slices.Concat(fields["RelayState"], fields["state"])
			if !fields.Has("request_uri") && !slices.Equal(handles, []string{r.Handle}) {
				t.Errorf("takes %d handles along", len(handles))
			}
			b.waits(t, s)

			// Nothing of an order is the same in another.
			r.Handle = b.request(kind, providers.ModeThis).Handle
			other, step := b.mustBegin(t, kind, r)
			_, others := left(t, step)
			if bytes.Equal(other, s) {
				t.Error("two orders have the same state")
			}
			for _, name := range []string{"SAMLRequest", "state", "RelayState", "nonce", "code_challenge", "request_uri", "request"} {
				if v := fields.Get(name); v != "" && v == others.Get(name) {
					t.Errorf("two orders have the same %s", name)
				}
			}
		})
	}
}

// waits checks that the time until the browser comes back is waited for in
// patience, whatever the issuer is up to.
func (b *bench) waits(t *testing.T, s providers.State) {
	t.Helper()
	if b.Break != nil {
		for _, fault := range b.Outages {
			b.Break(fault)
		}
		defer b.Mend()
	}
	for range 2 {
		after, step, err := b.Again().Continue(t.Context(), s, providers.Event{Kind: providers.Tick})
		if err != nil {
			t.Fatalf("tick while the browser is away: %v", err)
		}
		w, ok := step.(providers.Wait)
		if !ok || !w.PickedUp || w.Next <= 0 || w.Text.SV == "" || w.Text.EN == "" || w.QR != "" || w.Link != "" {
			t.Errorf("while the browser is away: %s", describe(step))
		}
		s = after
	}
}

// siteOutage breaks the issuer at each moment of an order. What needs nobody
// goes on; what needs the issuer is done when it is well again.
func (b *bench) siteOutage(t *testing.T, fault string) {
	var down *providers.Unavailable
	for _, kind := range b.kinds() {
		r := b.request(kind, providers.ModeThis)
		b.Break(fault)
		_, step, err := b.begin(t.Context(), kind, r)
		b.Mend()
		if err != nil && !errors.As(err, &down) || err != nil && step != nil {
			t.Errorf("start: %s, %v", describe(step), err)
		}
		s, step := b.mustBegin(t, kind, r)
		b.Break(fault)
		b.waits(t, s)
		b.Mend()
		event := b.approve(t, step)
		b.Break(fault)
		for range 2 {
			after, got, err := b.Provider.Continue(t.Context(), s, event)
			b.note(err)
			if err == nil { // it needed nobody
				s, event = after, providers.Event{Kind: providers.Tick}
				step = got
				break
			}
			if !errors.As(err, &down) || got != nil {
				t.Errorf("continue: %s, %v", describe(got), err)
			}
			if !bytes.Equal(after, s) {
				t.Error("the state has changed")
			}
		}
		b.Mend()
		if _, over := step.(providers.Done); !over {
			_, step = b.finish(t, s, event, b.same)
		}
		mustDone(t, step)
	}
}

// The broker stores what the browser brings before it asks the provider, so that
// after a crash the provider is asked again.
func testBackTwice(t *testing.T, b *bench) {
	b.needSite(t)
	for _, kind := range b.kinds() {
		s, step := b.mustBegin(t, kind, b.request(kind, providers.ModeThis))
		event := b.approve(t, step)
		first, step, err := b.Provider.Continue(t.Context(), s, event)
		if err != nil {
			t.Fatal(err)
		}
		var kept bytes.Buffer
		if err := json.Indent(&kept, s, "", " "); err != nil {
			t.Fatal(err)
		}
		_, again := b.finish(t, kept.Bytes(), event, b.Again)
		_, once := step.(providers.Wait)
		failed, lost := again.(providers.Failed)
		switch {
		case once && lost && failed.Reason == providers.ResultLost: // the issuer gives its answer once
			b.tells(t, failed)
		default:
			if done := mustDone(t, again); done.Identity.Number != b.Number {
				t.Errorf("%s: identity of %v", kind, done.Identity.Number)
			}
		}
		if once {
			_, step = b.finish(t, first, providers.Event{Kind: providers.Tick}, b.Again)
		}
		if done := mustDone(t, step); done.Identity.Number != b.Number {
			t.Errorf("%s: identity of %v", kind, done.Identity.Number)
		}
	}
}

// refuses continues until the order ends, which must be without a proof.
func (b *bench) refuses(t *testing.T, name string, s providers.State, event providers.Event) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		after, step, err := b.Provider.Continue(t.Context(), s, event)
		b.note(err)
		var wrong *providers.BadRequest
		switch {
		case errors.As(err, &wrong) && step == nil && bytes.Equal(after, s):
			return
		case err != nil:
			t.Errorf("%s: %v", name, err)
			return
		}
		switch step := step.(type) {
		case providers.Failed:
			b.tells(t, step)
			return
		case providers.Wait:
			if step.Next > 0 {
				t.Errorf("%s: goes on waiting", name)
				return
			}
		default:
			t.Errorf("%s: ended with %s", name, describe(step))
			return
		}
		s, event = after, providers.Event{Kind: providers.Tick}
	}
	t.Errorf("%s: still waiting", name)
}

func testBackElsewhere(t *testing.T, b *bench) {
	b.needSite(t)
	for _, kind := range b.kinds() {
		for _, at := range []string{providers.BackPath, providers.SignBackPath, "", "sign", "/back", "metadata"} {
			if at == back(kind) {
				continue
			}
			s, step := b.mustBegin(t, kind, b.request(kind, providers.ModeThis))
			event := b.approve(t, step)
			if event.Kind != providers.Callback || event.At != back(kind) {
				t.Fatalf("the %s comes back by a %s at %q", kind, event.Kind, event.At)
			}
			event.At = at
			b.refuses(t, string(kind)+" at "+at, s, event)
		}
		s, step := b.mustBegin(t, kind, b.request(kind, providers.ModeThis))
		event := b.approve(t, step)
		event.Kind = "something"
		b.refuses(t, "an event of no kind", s, event)
	}
}

// An answer that somebody else got, or got for another order, proves nothing of
// this one, though its handle be put right.
func testBackCrossed(t *testing.T, b *bench) {
	b.needSite(t)
	for _, from := range b.kinds() {
		for _, to := range b.kinds() {
			for _, mended := range []bool{false, true} {
				name := string(from) + " for " + string(to)
				r := b.request(to, providers.ModeThis)
				s, _ := b.mustBegin(t, to, r)
				r.Handle = b.request(to, providers.ModeThis).Handle
				_, step := b.mustBegin(t, from, b.request(from, providers.ModeThis))
				event := b.approve(t, step)
				event.At = back(to)
				if mended {
					name += " with its handle"
					event.Form = maps.Clone(event.Form)
					s, _ = b.mustBegin(t, to, r)
					for _, field := range []string{"RelayState", "state"} {
						if _, ok := event.Form[field]; ok {
							event.Form[field] = []string{r.Handle}
						}
					}
				}
				b.refuses(t, name, s, event)
			}
		}
	}
}

func testBackForms(t *testing.T, b *bench) {
	b.needSite(t)
	for _, kind := range b.kinds() {
		try := func(name string, change func(map[string][]string) map[string][]string) {
			t.Helper()
			s, step := b.mustBegin(t, kind, b.request(kind, providers.ModeThis))
			event := b.approve(t, step)
			event.Form = change(maps.Clone(event.Form))
			b.refuses(t, string(kind)+": "+name, s, event)
		}
		try("nothing", func(map[string][]string) map[string][]string { return nil })
		try("an empty form", func(map[string][]string) map[string][]string { return map[string][]string{} })
		try("a thousand fields", func(map[string][]string) map[string][]string {
			f := map[string][]string{}
			for i := range 1000 {
				f[strings.Repeat("a", i+1)] = []string{""}
			}
			return f
		})

		_, step := b.mustBegin(t, kind, b.request(kind, providers.ModeThis))
		for _, field := range slices.Sorted(maps.Keys(b.approve(t, step).Form)) {
			if slices.Contains(b.Unread, field) {
				continue
			}
			for name, values := range map[string]func(string) []string{
				"missing":    func(string) []string { return nil },
				"empty":      func(string) []string { return []string{""} },
				"twice":      func(v string) []string { return []string{v, v} },
				"and others": func(v string) []string { return []string{v, "x"} },
				"cut off":    func(v string) []string { return []string{v[:len(v)/2]} },
				"changed":    func(v string) []string { return []string{changed(v)} },
				"no text":    func(string) []string { return []string{"\xff\x00\xfe"} },
				"too large":  func(v string) []string { return []string{v + strings.Repeat("A", providers.BackLimit-len(v)-100)} },
				"no base64":  func(string) []string { return []string{"%%%<>\"'"} },
			} {
				try(field+" "+name, func(f map[string][]string) map[string][]string {
					if v := values(f[field][0]); v != nil {
						f[field] = v
					} else {
						delete(f, field)
					}
					return f
				})
			}
		}
	}
	// The caller goes: that ends nothing.
	s, step := b.mustBegin(t, providers.KindAuth, b.request(providers.KindAuth, providers.ModeThis))
	event := b.approve(t, step)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if after, step, err := b.Provider.Continue(ended, s, event); err != nil && (step != nil || !bytes.Equal(after, s)) {
		t.Errorf("a caller that goes: %s, %v", describe(step), err)
	}
}

// changed is a text with one character another, in the middle.
func changed(v string) string {
	if v == "" {
		return "x"
	}
	b := []byte(v)
	if i := len(b) / 2; b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}
