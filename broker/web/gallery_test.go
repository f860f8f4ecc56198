package web

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/providers"
)

func stringsReader(s string) io.Reader { return strings.NewReader(s) }

// gallery serves every page with sample data.
func gallery(t testing.TB) (http.Handler, []sample) {
	all := samples(t)
	mux := http.NewServeMux()
	list := ""
	for _, s := range all {
		mux.HandleFunc("GET /gallery/"+s.name, s.serve)
		list += fmt.Sprintf(`<li><a href="/gallery/%[1]s?lang=sv">%[1]s</a> <a href="/gallery/%[1]s?lang=en">en</a>`, html.EscapeString(s.name))
	}
	mux.HandleFunc("GET /gallery/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><title>Gallery</title><ul>"+list)
	})
	h := newHouse(t)
	mux.Handle("/static/", h.web.Pages.Assets)
	// What the waiting samples ask for while they are looked at.
	for _, s := range []string{"status", "qr", "qr.svg"} {
		mux.HandleFunc("GET /login/{login}/{order}/"+s, func(w http.ResponseWriter, r *http.Request) {
			h.sampleOrder(r)
			h.mux.ServeHTTP(w, r)
		})
	}
	for part, answer := range map[string]func(http.ResponseWriter, *http.Request, flow.View) error{
		"status": func(w http.ResponseWriter, r *http.Request, v flow.View) error {
			return h.web.Pages.Status(w, r, Errand{}, v, nil)
		},
		"qr": func(w http.ResponseWriter, r *http.Request, v flow.View) error {
			return h.web.Pages.Frame(w, r, Errand{}, v)
		},
		"qr.svg": h.web.Pages.Picture,
	} {
		mux.HandleFunc("GET /signing/demo/o/order/2/e/{sample}/"+part, func(w http.ResponseWriter, r *http.Request) {
			v := flow.View{State: flow.StatePending, Wait: waiting(providers.ModeOther), Order: broker.Order{Provider: providers.MBankID}}
			switch r.PathValue("sample") {
			case "wait-link":
				v.Wait = waiting(providers.ModeThis)
			case "away-redirect", "away-post":
				v.Wait, v.Away = providers.Wait{Hint: "away"}, providers.Redirect{URL: sso}
			case "away-returning", "returning":
				v.State = flow.StateReturning
			}
			if err := answer(w, r, v); err != nil {
				t.Error(err)
			}
		})
	}
	return mux, all
}

// TestGallery serves the gallery on the loopback address that SIGILL_GALLERY
// names, such as 127.0.0.1:8099, until it is stopped.
func TestGallery(t *testing.T) {
	address := os.Getenv("SIGILL_GALLERY")
	if address == "" {
		t.Skip("set SIGILL_GALLERY=127.0.0.1:8099 and -timeout 0 to look at the pages")
	}
	mux, _ := gallery(t)
	t.Logf("http://%s/gallery/", address)
	t.Fatal(http.ListenAndServe(address, mux))
}
