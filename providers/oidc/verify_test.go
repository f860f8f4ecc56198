package oidc

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"sigill/providers"
	"sigill/providers/personnummer"
)

// login makes evidence of an honest login, with what is expected of it.
func login(t testing.TB, alg string) (providers.Evidence, providers.Expected, Trust) {
	t.Helper()
	o := newOP(t)
	before := time.Now()
	d := begin(t, o, o.config())
	done := proven(t, d.ends(t, sign(t, alg, d.claims(), nil, nil)))
	trust := d.p.Trust()
	trust.Keys = Thumbprints(t, done.Evidence)
	return done.Evidence, providers.Expected{
		Kind: providers.KindAuth, Binding: []byte("a binding of thirty-two bytes .."), Started: before, Ended: time.Now(),
	}, trust
}

func refusedAt(t *testing.T, name, check string, e providers.Evidence, want providers.Expected, trust Trust, at time.Time) error {
	t.Helper()
	_, err := Verify(e, want, trust, at)
	var r *providers.Refused
	if !errors.As(err, &r) || r.Check != check {
		t.Errorf("%s: %v", name, err)
	}
	return err
}

// Years later a stranger needs the evidence, the issuer's key and what was expected.
func TestVerifyLater(t *testing.T) {
	for _, alg := range []string{RS256, PS256, ES256} {
		e, want, trust := login(t, alg)
		later := time.Now().AddDate(10, 0, 0)
		for name, change := range map[string]func(*providers.Expected, *Trust){
			"as it was":             func(*providers.Expected, *Trust) {},
			"in an archive":         func(w *providers.Expected, _ *Trust) { w.Ended = time.Time{} },
			"with several keys":     func(_ *providers.Expected, tr *Trust) { tr.Keys = append([]string{"AAAA"}, tr.Keys...) },
			"with default settings": func(_ *providers.Expected, tr *Trust) { tr.Algorithms = nil },
		} {
			w, tr := want, trust
			change(&w, &tr)
			id, err := Verify(e, w, tr, later)
			if err != nil || id.Number.Digits() != person || id.At.IsZero() || id.Transaction == "" {
				t.Errorf("%s, %s: %v", alg, name, err)
			}
		}
		number, _ := personnummer.FromDigits(other)
		for name, tt := range map[string]struct {
			check  string
			change func(*providers.Expected, *Trust)
		}{
			"another binding": {"nonce", func(w *providers.Expected, _ *Trust) { w.Binding = []byte("another binding of 32 bytes .....") }},
			"no binding":      {"nonce", func(w *providers.Expected, _ *Trust) { w.Binding = nil }},
			"another person":  {"person", func(w *providers.Expected, _ *Trust) { w.Number = number }},
			"a signature":     {"kind", func(w *providers.Expected, _ *Trust) { w.Kind = providers.KindSign }},
			"a text":          {"kind", func(w *providers.Expected, _ *Trust) { w.Text = "text" }},
			"a later order":   {"time", func(w *providers.Expected, _ *Trust) { w.Started = w.Started.Add(time.Hour); w.Ended = time.Time{} }},
			"an earlier order": {"time", func(w *providers.Expected, _ *Trust) {
				w.Started, w.Ended = w.Started.Add(-time.Hour), w.Ended.Add(-time.Hour)
			}},
			"another key":    {"root", func(_ *providers.Expected, tr *Trust) { tr.Keys = []string{"AAAA"} }},
			"no key":         {"root", func(_ *providers.Expected, tr *Trust) { tr.Keys = nil }},
			"another issuer": {"root", func(_ *providers.Expected, tr *Trust) { tr.Issuer += "/" }},
			"no issuer":      {"root", func(_ *providers.Expected, tr *Trust) { tr.Issuer = "" }},
			"another client": {"audience", func(_ *providers.Expected, tr *Trust) { tr.Clients = []string{"other"} }},
			"no client":      {"audience", func(_ *providers.Expected, tr *Trust) { tr.Clients = nil }},
			"other levels": {"level", func(_ *providers.Expected, tr *Trust) {
				tr.Levels = map[string]providers.Level{"four": providers.Level3}
			}},
			"another way of signing": {"algorithm", func(_ *providers.Expected, tr *Trust) {
				tr.Algorithms = map[string][]string{RS256: {PS256, ES256}, PS256: {RS256, ES256}, ES256: {RS256, PS256}}[alg]
			}},
			"other claims": {"number", func(_ *providers.Expected, tr *Trust) { tr.Claims.Number = []string{"nr"} }},
		} {
			w, tr := want, trust
			change := tt.change
			change(&w, &tr)
			err := refusedAt(t, name, tt.check, e, w, tr, later)
			if errors.Is(err, ErrNoRoot) != (tt.check == "root") {
				t.Errorf("%s: %v", name, err)
			}
		}
		refusedAt(t, "before it was made", "time", e, want, trust, time.Now().Add(-time.Hour))
	}
}

// Whatever is changed in evidence, it says nothing else than before.
func TestChangedEvidence(t *testing.T) {
	e, want, trust := login(t, RS256)
	foreign, _ := ofKey(keyring().foreign.Public())
	change := func(f func(map[string]any)) providers.Evidence {
		var m map[string]any
		if err := json.Unmarshal(e.Bytes, &m); err != nil {
			t.Fatal(err)
		}
		f(m)
		b, _ := json.Marshal(m)
		return providers.Evidence{MediaType: e.MediaType, Bytes: b}
	}
	for name, tt := range map[string]struct {
		check string
		e     providers.Evidence
	}{
		"version":         {"encoding", change(func(m map[string]any) { m["version"] = 2 })},
		"issuer":          {"root", change(func(m map[string]any) { m["issuer"] = "https://other.example" })},
		"client":          {"audience", change(func(m map[string]any) { m["client"] = "other" })},
		"salt":            {"nonce", change(func(m map[string]any) { m["salt"] = "AAAAAAAAAAAAAAAAAAAAAA==" })},
		"long salt":       {"nonce", change(func(m map[string]any) { m["salt"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" })},
		"no salt":         {"nonce", change(func(m map[string]any) { delete(m, "salt") })},
		"another key":     {"root", change(func(m map[string]any) { m["key"] = foreign })},
		"key's name":      {"key", change(func(m map[string]any) { m["key"].(map[string]any)["kid"] = "x" })},
		"key's algorithm": {"key", change(func(m map[string]any) { m["key"].(map[string]any)["alg"] = PS256 })},
		"no token":        {"structure", change(func(m map[string]any) { delete(m, "idToken") })},
		"a signature of zeros": {"signature", change(func(m map[string]any) {
			s := m["idToken"].(string)
			m["idToken"] = s[:strings.LastIndexByte(s, '.')+1] + encode(make([]byte, 256))
		})},
		"userinfo": {"userinfo", change(func(m map[string]any) { m["userinfo"] = m["idToken"] })},
		"foreign userinfo": {"root", change(func(m map[string]any) {
			m["userinfo"], m["userinfoKey"] = sign(t, RS256, map[string]any{"sub": "someone"}, nil, keyring().foreign), foreign
		})},
		"another type": {"encoding", providers.Evidence{MediaType: "application/json", Bytes: e.Bytes}},
		"a list":       {"encoding", providers.Evidence{MediaType: MediaType, Bytes: []byte("[]")}},
		"too large":    {"encoding", providers.Evidence{MediaType: MediaType, Bytes: append(e.Bytes, make([]byte, maxEvidence)...)}},
		"twice":        {"encoding", providers.Evidence{MediaType: MediaType, Bytes: []byte(strings.Replace(string(e.Bytes), "{", `{"version":1,`, 1))}},
	} {
		refusedAt(t, name, tt.check, tt.e, want, trust, time.Now())
	}
	// What only helps people to find their way changes nothing.
	if _, err := Verify(change(func(m map[string]any) { delete(m, "started"); m["note"] = 1 }), want, trust, time.Now()); err != nil {
		t.Error(err)
	}
}

// Each step of a verification is needed: without it, something false gets in or is
// refused for another reason than its own.
func TestEveryStepRefusesSomething(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range steps() {
		if seen[s.name] || s.run == nil {
			t.Errorf("step %q", s.name)
		}
		seen[s.name] = true
	}
	if len(seen) != 19 {
		t.Errorf("%d steps: add what a new one refuses to the tables here", len(seen))
	}
}

// fixed is evidence that is the same in each process of a fuzzer: its key comes from
// a word, and its signature from RFC 6979.
func fixed(f *testing.F) (providers.Evidence, providers.Expected, Trust, time.Time) {
	seed := sha256.Sum256([]byte("a key that everybody can make"))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:])
	if err != nil {
		f.Fatal(err)
	}
	public, err := ofKey(key.Public())
	if err != nil {
		f.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	binding := []byte("a binding of thirty-two bytes ..")
	content, _ := json.Marshal(map[string]any{
		"iss": "https://issuer.example", "sub": "someone", "aud": "prov", "iat": at.Unix(), "exp": at.Unix() + 300, "auth_time": at.Unix(), "nonce": nonceOf(binding, make([]byte, saltSize)),
		"nr": person, "name": "Testperson Ett", "acr": "three",
	})
	text := encode([]byte(`{"alg":"ES256"}`)) + "." + encode(content)
	sum := sha256.Sum256([]byte(text))
	der, err := key.Sign(nil, sum[:], crypto.SHA256)
	if err != nil {
		f.Fatal(err)
	}
	var point struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &point); err != nil {
		f.Fatal(err)
	}
	sig := append(point.R.FillBytes(make([]byte, 32)), point.S.FillBytes(make([]byte, 32))...)
	e, err := evidence{
		Version: evidenceVersion, Issuer: "https://issuer.example", Client: "prov", Salt: make([]byte, saltSize), IDToken: text + "." + encode(sig), Key: public,
	}.seal()
	if err != nil {
		f.Fatal(err)
	}
	trust := Trust{
		Issuer: "https://issuer.example", Clients: []string{"prov"}, Keys: []string{public.Kid}, Claims: Claims{Number: []string{"nr"}},
		Levels: map[string]providers.Level{"three": providers.Level3}, Skew: time.Minute,
	}
	want := providers.Expected{Kind: providers.KindAuth, Binding: binding, Started: at, Ended: at}
	if _, err := Verify(e, want, trust, at); err != nil {
		f.Fatal(err)
	}
	return e, want, trust, at
}

func FuzzIDToken(f *testing.F) {
	e, want, trust, at := fixed(f)
	proof, err := parseEvidence(e)
	if err != nil {
		f.Fatal(err)
	}
	honest := proof.IDToken
	f.Add(honest)
	f.Add("e30.e30.e30")
	f.Add(honest + ".")
	f.Add(encode([]byte(`{"alg":"none"}`)) + "." + strings.Split(honest, ".")[1] + ".")
	f.Fuzz(func(t *testing.T, raw string) {
		h, c, err := parseToken(raw)
		if err == nil {
			if len(h.kid) > maxKid || c == nil {
				t.Error("takes what is none")
			}
			c.audience()
			for name := range c {
				c.text(name)
				c.time(name)
			}
		}
		v, err := parseEvidence(e)
		if err != nil {
			t.Fatal(err)
		}
		v.IDToken = raw
		changed, err := v.seal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(changed, want, trust, at); err == nil && raw[:strings.LastIndexByte(raw, '.')] != honest[:strings.LastIndexByte(honest, '.')] {
			t.Error("verifies what nobody signed")
		}
		// Evidence of any form at all.
		if _, err := Verify(providers.Evidence{MediaType: MediaType, Bytes: []byte(raw)}, want, trust, at); err == nil {
			t.Error("verifies what is no evidence")
		}
	})
}

func FuzzCallback(f *testing.F) {
	o := newOP(f)
	o.answer = func() any { return map[string]any{} }
	d := begin(f, o, o.config(), func(r *providers.Request) { r.Handle = "the-same-in-each-process" })
	o.Close() // so that nothing can come of it
	f.Add("code=c&state="+d.handle, providers.BackPath)
	f.Add("code=c&state=x&iss=https://other.example", providers.BackPath)
	f.Add("error=access_denied&state="+d.handle, providers.BackPath)
	f.Add("code=c&code=d&state="+d.handle, providers.SignBackPath)
	f.Fuzz(func(t *testing.T, query, at string) {
		form, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		s, step, err := d.p.Continue(context.Background(), d.state, providers.Event{Kind: providers.Callback, At: at, Form: form})
		if err == nil {
			if _, ok := step.(providers.Failed); !ok {
				t.Fatalf("ended with %T", step)
			}
			if _, _, err := d.p.Continue(context.Background(), s, providers.Event{Kind: providers.Tick}); err == nil {
				t.Error("goes on after the end")
			}
			return
		}
		var down *providers.Unavailable
		if !errors.As(err, &down) || form.Get("state") != d.handle || at != providers.BackPath || len(form["code"]) != 1 {
			t.Errorf("asks the issuer with what is no answer: %v", err)
		}
	})
}

// BenchmarkVerify is the verification of a login's evidence, and beside it the
// signature check that it contains.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{RS256, ES256} {
		e, want, trust := login(b, alg)
		now := time.Now()
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Verify(e, want, trust, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("raw RS256", func(b *testing.B) {
		sum := sha256.Sum256([]byte("text"))
		sig, err := keyring().rsa.Sign(nil, sum[:], crypto.SHA256)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if err := rsa.VerifyPKCS1v15(&keyring().rsa.PublicKey, crypto.SHA256, sum[:], sig); err != nil {
				b.Fatal(err)
			}
		}
	})
}
