package saml

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"sigill/providers"
	"sigill/providers/xmlsec"
)

func TestInfo(t *testing.T) {
	w := open(t)
	i := w.p.Info()
	if i.ID != providers.Telia || i.Name != "Telia e-legitimation" || !i.Site || len(i.Modes) != 1 || i.NonVisible != 0 || i.Markdown ||
		i.TextLimit != maxSignText || i.AuthText != maxAuthText || i.Level != providers.LevelUncertified3 || i.CoordNumbers {
		t.Errorf("%+v", i)
	}
	w = open(t, func(c *Config) { c.Sign, c.UserMessage = SP{}, Off })
	if i := w.p.Info(); i.TextLimit != 0 || i.AuthText != 0 {
		t.Errorf("%+v", i)
	}
	if len(w.p.Documents()) != 1 {
		t.Error("publishes a signature service that there is none of")
	}
	if _, _, err := w.p.StartSignature(t.Context(), providers.SignRequest{Request: w.request(sign)}); err == nil {
		t.Error("signs without a signature service")
	}
}

func TestDocuments(t *testing.T) {
	w := open(t, func(c *Config) { c.CoordNumbers = true })
	for path, signs := range map[string]bool{"metadata": false, "sign/metadata": true} {
		d := w.p.Documents()[path]
		sp, _ := w.p.sp(login)
		if signs {
			sp, _ = w.p.sp(sign)
		}
		if d.MediaType != "application/samlmetadata+xml" {
			t.Errorf("%s is %s", path, d.MediaType)
		}
		root, err := xmlsec.Parse(d.Bytes, 1<<20)
		must(t, err)
		_, err = xmlsec.Verify(root, []*x509.Certificate{sp.Signing.Certificate})
		must(t, err)
		text := string(d.Bytes)
		for part, want := range map[string]bool{
			`entityID="` + sp.EntityID + `"`: true, `Location="` + sp.ACS + `"`: true, `AuthnRequestsSigned="true"`: true,
			`WantAssertionsSigned="true"`: signs, "http://id.elegnamnden.se/st/1.0/sigservice": signs,
			"http://id.swedenconnect.se/general-ec/1.0/accepts-coordination-number": true, "http://id.elegnamnden.se/ec/1.0/loa3-pnr": true,
			b64(sp.Decrypt[0].Certificate.Raw): true, b64(keys()["old"].Certificate.Raw): false, persistent: true,
		} {
			if strings.Contains(text, part) != want {
				t.Errorf("%s: %q is there: %v", path, part, !want)
			}
		}
	}
}

// All that is wrong with a configuration is said at once.
func TestConfig(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // to be refused
	if err != nil {
		t.Skip("the library makes no short keys")
	}
	for name, change := range map[string]func(*Config){
		"id":                 func(c *Config) { c.ID = "Telia!" },
		"another kind's id":  func(c *Config) { c.ID = providers.BankID },
		"title":              func(c *Config) { c.ID, c.Title = "svenska-pass", providers.Text{} },
		"idp":                func(c *Config) { c.IdP = "" },
		"binding":            func(c *Config) { c.Binding = "artifact" },
		"setting":            func(c *Config) { c.UserMessage = "sometimes" },
		"numbers in address": func(c *Config) { c.Binding, c.PrincipalSelection, c.EncryptSignMessage = Redirect, On, true },
		"text in address":    func(c *Config) { c.Binding = Redirect },
		"level 2": func(c *Config) {
			c.Levels = map[string]providers.Level{LoA3: providers.Level3, UncertifiedLoA3: providers.LevelUncertified3, "http://id.elegnamnden.se/loa/1.0/loa2": providers.LevelUncertified3}
		},
		"non-resident": func(c *Config) {
			c.Levels = map[string]providers.Level{LoA3: providers.Level3, UncertifiedLoA3: providers.LevelUncertified3, "http://id.swedenconnect.se/loa/1.0/loa3-nonresident": providers.Level3}
		},
		"a password": func(c *Config) {
			c.Levels, c.AskNoLevel = map[string]providers.Level{"urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport": providers.LevelUncertified3}, true
		},
		"no login":           func(c *Config) { c.Login = SP{} },
		"http":               func(c *Config) { c.Login.ACS = "http://sp.example.se/" },
		"javascript":         func(c *Config) { c.Login.ACS = "javascript:alert(1)" },
		"no key":             func(c *Config) { c.Login.Signing = Key{} },
		"another's key":      func(c *Config) { c.Login.Signing.Certificate = keys()["other"].Certificate },
		"a short key":        func(c *Config) { c.Login.Signing = certified(small, time.Now()) },
		"a key of a curve":   func(c *Config) { c.Login.Signing = keys()["ec"] },
		"no decryption":      func(c *Config) { c.Sign.Decrypt = nil },
		"one for both":       func(c *Config) { c.Sign.EntityID = c.Login.EntityID },
		"one address":        func(c *Config) { c.Sign.ACS = c.Login.ACS },
		"level not accepted": func(c *Config) { c.Request = []string{"http://id.elegnamnden.se/loa/1.0/loa2"} },
		"asks and does not":  func(c *Config) { c.AskNoLevel, c.Request = true, []string{LoA3} },
		"no level":           func(c *Config) { c.AskNoLevel, c.Levels = true, map[string]providers.Level{} },
		"no number":          func(c *Config) { c.Attributes = SwedenConnect(); delete(c.Attributes.Names, Number) },
		"no digest":          func(c *Config) { c.Attributes = SwedenConnect(); delete(c.Attributes.Names, Digest) },
		"unknown claim":      func(c *Config) { c.Attributes = SwedenConnect(); c.Attributes.Names["shoe_size"] = []string{"x"} },
		"required, unnamed": func(c *Config) {
			c.Attributes = CGIClassic()
			c.Attributes.Required = []Claim{Transaction}
		},
		"cipher":    func(c *Config) { c.Ciphers = []string{"tripledes-cbc"} },
		"age":       func(c *Config) { c.AllowSSO, c.AuthAge = true, -time.Second },
		"old age":   func(c *Config) { c.AllowSSO, c.AuthAge = true, 48*time.Hour },
		"idle age":  func(c *Config) { c.AuthAge = time.Minute },
		"skew":      func(c *Config) { c.Skew = time.Hour },
		"max age":   func(c *Config) { c.MaxAge = -time.Second },
		"no name":   func(c *Config) { c.About.Name = providers.Text{} },
		"no source": func(c *Config) { c.Source = nil },
		"no replay": func(c *Config) { c.Replay = nil },
	} {
		c := open(t).config
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	_, err = New(Config{})
	if err == nil || strings.Count(err.Error(), "\n") < 5 {
		t.Errorf("not all at once: %v", err)
	}
}

func TestLoadKey(t *testing.T) {
	k := keys()
	private := k["idp"].Private.(*rsa.PrivateKey)
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	certificate := block("CERTIFICATE", k["idp"].Certificate.Raw)
	pkcs8 := block("PRIVATE KEY", must2(x509.MarshalPKCS8PrivateKey(private))(t))
	for _, key := range [][]byte{pkcs8, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(private))} {
		got, err := LoadKey(certificate, key)
		must(t, err)
		if !private.Equal(got.Private) || !got.Certificate.Equal(k["idp"].Certificate) {
			t.Error("another key")
		}
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	for name, pair := range map[string][2][]byte{
		"nothing": {nil, nil}, "no key": {certificate, nil}, "no certificate": {nil, pkcs8}, "swapped": {pkcs8, certificate},
		"another's certificate": {block("CERTIFICATE", k["other"].Certificate.Raw), pkcs8},
		"a key of a curve":      {certificate, block("PRIVATE KEY", must2(x509.MarshalPKCS8PrivateKey(curve))(t))},
		"nonsense":              {certificate, block("PRIVATE KEY", []byte("x"))},
	} {
		if _, err := LoadKey(pair[0], pair[1]); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// The metadata's own life is the source's; what it offers is passed on.
func TestSourceIsAsked(t *testing.T) {
	w := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.p.Run(ctx); err != nil {
		t.Error(err)
	}
	if anyBad(w.p.Check(t.Context())) {
		t.Error("something is wrong with a good one")
	}
	if dates := w.p.Dates(); len(dates) != 2 || dates[0].Ends.IsZero() {
		t.Errorf("%d dates", len(dates))
	}
	w.source.idp.AssuranceCertifications = []string{"http://id.elegnamnden.se/loa/1.0/loa2"}
	if !anyBad(w.p.Check(t.Context())) {
		t.Error("levels that it does not give")
	}
	w.source.err = errTest
	if !anyBad(w.p.Check(t.Context())) {
		t.Error("no metadata is no fault")
	}
	if _, _, err := w.p.Start(t.Context(), w.request(login)); err == nil {
		t.Error("starts without metadata")
	}

	rich := &richSource{source: w.source}
	c := w.config
	c.Source = rich
	p, err := New(c)
	must(t, err)
	if err := p.Run(ctx); err != errTest {
		t.Errorf("%v", err)
	}
	if len(p.Dates()) != 3 || len(p.Check(t.Context())) < 3 {
		t.Error("the source is not asked")
	}
}

type richSource struct{ *source }

func (richSource) Run(context.Context) error { return errTest }
func (richSource) Check(context.Context) []providers.Finding {
	return []providers.Finding{{What: "feed", Said: "good"}}
}
func (richSource) Dates() []providers.Finding { return []providers.Finding{{What: "feed"}} }

// FuzzResponse: whatever the browser brings, the order ends, nothing panics, and
// only the one good answer is a proof.
func FuzzResponse(f *testing.F) {
	w := open(f, clear)
	s := providers.State(shared("STATE", func() []byte { s, _ := w.begin(login); return s }))
	good := w.answers(s, answer{encrypt: unsealed})
	raw, err := unspaced(good.Form["SAMLResponse"][0])
	must(f, err)
	f.Add(raw)
	sealed, err := unspaced(w.answers(s, answer{}).Form["SAMLResponse"][0])
	must(f, err)
	f.Add(sealed)
	failure, err := unspaced(w.answers(s, answer{status: []string{"urn:oasis:names:tc:SAML:2.0:status:Responder"}}).Form["SAMLResponse"][0])
	must(f, err)
	f.Add(failure)
	for _, text := range []string{"", "<", "<a/>", `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"/>`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		event := providers.Event{Kind: providers.Callback, At: providers.BackPath, Form: map[string][]string{"SAMLResponse": {b64(b)}, "RelayState": good.Form["RelayState"]}}
		_, step, err := w.p.Continue(t.Context(), s, event)
		if err != nil {
			t.Fatalf("continue: %v", err)
		}
		switch step := step.(type) {
		case providers.Done:
			if step.Identity.Number.Digits() != person || !bytes.Contains(b, []byte("Signature")) {
				t.Error("a proof of somebody else")
			}
		case providers.Failed:
			if step.Check == "unknown" || step.Text.SV == "" {
				t.Errorf("failed at %q", step.Check)
			}
		default:
			t.Errorf("%T", step)
		}
	})
}

// FuzzEvidence: evidence from anybody.
func FuzzEvidence(f *testing.F) {
	w := open(f, clear)
	for _, a := range []answer{{}, {signAssertion: true}, {encrypt: unsealed}} {
		f.Add(w.proof(login, a).Bytes)
	}
	want, trust := w.expected(login), w.trusts()
	f.Fuzz(func(t *testing.T, b []byte) {
		id, err := Verify(providers.Evidence{MediaType: MediaType, Bytes: b}, want, trust, w.now)
		if err == nil && id.Number.Digits() != person {
			t.Error("a proof of somebody else")
		}
	})
}
