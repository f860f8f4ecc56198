package orders

import (
	"net/url"
	"strings"
	"testing"

	"sigill/broker"
)

// FuzzAddress: what is let through leads to a registered origin, as a browser
// and as Go read it, over https.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"https://app.example.se/x", "https://app.example.se@evil.example/", "https://app.example.se\\@evil.example", "HTTPS://APP.EXAMPLE.SE:443", "https://[::1]/", "https://app.example.se:443:443/"} {
		f.Add(s)
	}
	s := &Service{loopback: true}
	c := broker.Client{CallbackOrigins: []string{"https://app.example.se"}, LoopbackCallbacks: false}
	f.Fuzz(func(t *testing.T, address string) {
		if s.addressProblem(c, address) != "" {
			return
		}
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "https" || !strings.EqualFold(u.Hostname(), "app.example.se") || u.Port() != "" && u.Port() != "443" || u.User != nil || u.Fragment != "" {
			t.Errorf("%q is let through", address)
		}
		// Browsers take a backslash for a slash, and end the host at the first of them.
		rest := strings.ToLower(strings.ReplaceAll(address, "\\", "/"))
		host, _, _ := strings.Cut(strings.TrimPrefix(rest, "https://"), "/")
		host, _, _ = strings.Cut(host, "?")
		if host != "app.example.se" && host != "app.example.se:443" {
			t.Errorf("%q is let through, and leads to %q", address, host)
		}
	})
}

// FuzzCode: what is read as a code is one, and reads the same again.
func FuzzCode(f *testing.F) {
	f.Add("BCDF 2345")
	f.Add("bcdf-2345")
	f.Add("\u00a0ＢＣＤＦ2345")
	f.Fuzz(func(t *testing.T, typed string) {
		got := readCode(typed)
		if got == "" {
			return
		}
		if len(got) != codeLength || strings.Trim(got, codeLetters) != "" || readCode(got) != got {
			t.Errorf("%q is read as %q", typed, got)
		}
	})
}

// FuzzRef and bindings come from our own records, and are read strictly all the
// same.
func FuzzRef(f *testing.F) {
	f.Add("id/1", []byte("sigill-manifest-1 sha256 00"))
	f.Fuzz(func(t *testing.T, text string, binding []byte) {
		if id, n, ok := readRef(text); ok && ref(id, n) != text {
			t.Errorf("%q", text)
		}
		if _, ok := readBinding(binding); ok && len(binding) < 64 {
			t.Errorf("%q", binding)
		}
		if e, err := decodeEvidence(binding); err == nil && string(encodeEvidence(e)) != string(binding) {
			t.Errorf("%q", binding)
		}
	})
}
