package node

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigill/broker/kit/config"
)

// What is wrong with tenants and e-services is told before anything is served.
func TestCheckPortal(t *testing.T) {
	examples := filepath.Join("..", "demo")
	s := config.Config{Portal: &config.Portal{Tenants: filepath.Join(examples, "tenants"), Services: filepath.Join(examples, "services")}}
	if err := checkPortal(t.Context(), s, &eids{}, time.Now); err != nil {
		t.Errorf("the examples: %v", err)
	}
	services := t.TempDir()
	if err := os.MkdirAll(filepath.Join(services, "ett"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(services, "ett", "service.yaml"), []byte("format: etjanst/1\nid: ett\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := s
	bad.Portal = &config.Portal{Tenants: s.Portal.Tenants, Services: services, Register: &config.Register{URL: "http://localhost:1", TokenFile: "gone"}}
	err := checkPortal(t.Context(), bad, &eids{}, time.Now)
	if err == nil || !strings.Contains(err.Error(), "service.yaml:") || !strings.Contains(err.Error(), "register:") {
		t.Errorf("got %v", err)
	}
	bad.Portal = &config.Portal{Tenants: services, Services: s.Portal.Services}
	if err := checkPortal(t.Context(), bad, &eids{}, time.Now); err == nil {
		t.Error("no tenants, and nothing is said")
	}
}

// A request to an address of ours is answered by our handler as over the
// network; any other goes over the network.
func TestInside(t *testing.T) {
	var seen string
	i := newInside("http://localhost:1/x", elsewhere{})
	client := &http.Client{Transport: i}
	if _, err := client.Get("http://localhost:1/"); err == nil {
		t.Error("answered before there was anybody")
	}
	i.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = strings.Join([]string{r.Method, r.Host, r.RequestURI, r.URL.Path, r.URL.Host, r.RemoteAddr, r.Header.Get("X"), string(body)}, " ")
		w.Header().Set("Y", "z")
		w.WriteHeader(http.StatusTeapot)
		w.Header().Set("Y", "too late")
		_, _ = io.WriteString(w, "tea")
	}))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost:1/a/b?c=d", bytes.NewReader([]byte("body")))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X", "y")
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusTeapot || answer.Header.Get("Y") != "z" || string(text) != "tea" {
		t.Errorf("%d %v %s", answer.StatusCode, answer.Header, text)
	}
	if want := "POST localhost:1 /a/b?c=d /a/b  127.0.0.1:1 y body"; seen != want {
		t.Errorf("seen %q, want %q", seen, want)
	}
	for _, other := range []string{"http://localhost:2/", "https://localhost:1/", "http://example.se/"} {
		if _, err := client.Get(other); err == nil || !strings.Contains(err.Error(), "elsewhere") {
			t.Errorf("%s: %v", other, err)
		}
	}
	i.serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	if _, err := client.Get("http://localhost:1/"); err == nil {
		t.Error("answered though the handler broke it off")
	}
	ended, end := context.WithCancel(t.Context())
	end()
	r, _ = http.NewRequestWithContext(ended, http.MethodGet, "http://localhost:1/", nil)
	if _, err := client.Do(r); err == nil {
		t.Error("answered though nobody waits")
	}
}

type elsewhere struct{}

func (elsewhere) RoundTrip(*http.Request) (*http.Response, error) { return nil, errElsewhere }

var errElsewhere = errorText("elsewhere")

type errorText string

func (e errorText) Error() string { return string(e) }

func TestWrites(t *testing.T) {
	for _, c := range []struct {
		method, path string
		want         bool
	}{
		{"GET", "/t/", false}, {"HEAD", "/t/mina-sidor", false}, {"GET", "/t/arende/x/inskickat", false},
		{"POST", "/t/krok", true}, {"PUT", "/t/", true},
		{"GET", "/t/inloggad", true}, {"HEAD", "/t/inloggad", true}, {"HEAD", "/t/handlaggare/inloggad", true}, {"GET", "/t/handlaggare/logga-in", true},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, "http://localhost"+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := writes(r); got != c.want {
			t.Errorf("%s %s: %v", c.method, c.path, got)
		}
	}
}
