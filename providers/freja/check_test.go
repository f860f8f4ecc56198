package freja

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sigill/providers"
)

// dated answers with a time of its own.
func dated(at time.Time, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", at.UTC().Format(http.TimeFormat))
		h(w, r)
	}
}

func TestCheck(t *testing.T) {
	// The server's certificate is of the test library's own time.
	now := time.Now()
	valid := func(c *Config) {
		c.Clock = time.Now
		template := jwsTemplate()
		template.NotBefore, template.NotAfter = now.AddDate(0, -1, 0), now.AddDate(0, 1, 0)
		c.Environment.JWSCertificates = []*x509.Certificate{issue(template, keyOf("Prov jws", 2048), home().issuing).cert}
	}
	unknown := says(422, `{"code":1100,"message":"Invalid reference"}`)
	for _, c := range []struct {
		name   string
		h      http.HandlerFunc
		change func(*testing.T, *Config)
		bad    map[string]string // what is bad, and a word of what is said
	}{
		{name: "well", h: unknown},
		{name: "unknown to Freja", h: says(422, `{"code":1008,"message":"Unknown Relying Party"}`), bad: map[string]string{"relying party": "1008"}},
		{name: "another integrator", h: says(422, `{"code":"1011"}`), bad: map[string]string{"relying party": "relying party id"}},
		{name: "not let in", h: says(401, ``), bad: map[string]string{"relying party": "HTTP 401"}},
		{name: "another service", h: says(404, `<html>`), bad: map[string]string{"relying party": "HTTP 404"}},
		{name: "believes anything", h: says(200, `{"authRef":"x","status":"STARTED"}`), bad: map[string]string{"relying party": "is it Freja's"}},
		{name: "clock that is late", h: dated(now.Add(5*time.Minute), unknown), bad: map[string]string{"clock": "NTP"}},
		{name: "clock that is early", h: dated(now.Add(-5*time.Minute), unknown), bad: map[string]string{"clock": "NTP"}},
		{name: "another TLS root", h: unknown, change: func(_ *testing.T, c *Config) { c.Environment.TLSRoots = []*x509.Certificate{home().root.cert} },
			bad: map[string]string{"connection to": "TLS root"}},
		{name: "another host", h: unknown, change: func(_ *testing.T, c *Config) {
			c.Environment.BaseURL = strings.Replace(c.Environment.BaseURL, "127.0.0.1", "localhost", 1)
		}, bad: map[string]string{"connection to": "another host"}},
		{name: "nobody there", h: unknown, change: func(_ *testing.T, c *Config) { c.Environment.BaseURL = "https://127.0.0.1:1" },
			bad: map[string]string{"connection to": "refused"}},
		{name: "no such host", h: unknown, change: func(_ *testing.T, c *Config) { c.Environment.BaseURL = "https://finns-inte.invalid" },
			bad: map[string]string{"connection to": ""}},
		{name: "server that does not take our certificate", change: func(t *testing.T, c *Config) {
			i := newIssuer(t, unknown)
			i.TLS.ClientAuth, i.TLS.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
			c.Environment.BaseURL, c.Environment.TLSRoots = i.URL, []*x509.Certificate{i.Certificate()}
		}, bad: map[string]string{"connection to": "refuses our certificate"}},
		{name: "JWS certificate that has ended", h: unknown, change: func(_ *testing.T, c *Config) {
			template := jwsTemplate()
			template.NotBefore, template.NotAfter = now.AddDate(-3, 0, 0), now.AddDate(0, 0, -1)
			c.Environment.JWSCertificates = append(c.Environment.JWSCertificates, issue(template, keyOf("other", 2048), home().issuing).cert)
		}, bad: map[string]string{"JWS certificate": "ended", "chain of JWS certificate": "believed"}},
		{name: "JWS certificate of another root", h: unknown, change: func(_ *testing.T, c *Config) { c.Environment.JWSRoots = []*x509.Certificate{abroad().root.cert} },
			bad: map[string]string{"chain of JWS certificate": "pinned root"}},
		{name: "our certificate has ended", h: unknown, change: func(_ *testing.T, c *Config) {
			c.Clock = func() time.Time { return now.AddDate(2, 0, 0) }
		}, bad: map[string]string{"our certificate": "ended", "JWS certificate": "", "chain of": "", "clock": "NTP"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := newIssuer(t, c.h)
			p := i.provider(t, valid, func(config *Config) {
				if c.change != nil {
					c.change(t, config)
				}
			})
			found := p.Check(t.Context())
			for _, f := range found {
				if f.What == "" || f.Said == "" {
					t.Errorf("says nothing: %+v", f)
				}
				if strings.Contains(f.Said, testReference) {
					t.Error("names an order")
				}
				expected := false
				for what, said := range c.bad {
					expected = expected || strings.HasPrefix(f.What, what) && strings.Contains(f.Said, said)
				}
				if f.Bad && !expected {
					t.Errorf("%s: %s", f.What, f.Said)
				}
			}
			for what := range c.bad {
				if !slices.ContainsFunc(found, func(f providers.Finding) bool { return f.Bad && strings.HasPrefix(f.What, what) }) {
					t.Errorf("nothing bad about %s in %+v", what, found)
				}
			}
			if len(c.bad) == 0 && len(found) != 8 {
				t.Errorf("looked at %d things: %+v", len(found), found)
			}
		})
	}
}

func TestDates(t *testing.T) {
	i := newIssuer(t, nil)
	found := i.provider(t).Dates()
	if len(found) != 3 {
		t.Fatalf("%+v", found)
	}
	for _, f := range found {
		if f.Bad || f.Ends.IsZero() || f.What == "" {
			t.Errorf("%+v", f)
		}
	}
	late := i.provider(t, func(c *Config) { c.Clock = func() time.Time { return testTime.AddDate(3, 0, 0) } }).Dates()
	if !late[0].Bad || !late[1].Bad || late[2].Bad {
		t.Errorf("%+v", late)
	}
}
