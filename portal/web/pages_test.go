package web

import (
	"net/http/httptest"
	"strings"
	"testing"

	"sigill/broker/kit/page/htmlcheck"
)

// TestEveryPageInBothLanguages holds every page against the rules that all have.
func TestEveryPageInBothLanguages(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range pictures(t) {
		if seen[p.name] {
			t.Fatalf("two samples are called %s", p.name)
		}
		seen[p.name] = true
		for _, lang := range []string{"sv", "en"} {
			t.Run(p.name+"/"+lang, func(t *testing.T) {
				w := p.draw(lang)
				if w.Code != p.status {
					t.Errorf("status %d, want %d", w.Code, p.status)
				}
				check(t, w, lang)
			})
		}
	}
}

func check(t *testing.T, w *httptest.ResponseRecorder, lang string) {
	t.Helper()
	body := w.Body.String()
	for _, f := range htmlcheck.Faults(strings.NewReader(body)) {
		t.Error(f)
	}
	if !strings.Contains(body, `<html lang="`+lang+`">`) || w.Header().Get("Content-Language") != lang {
		t.Error("not in the language asked for")
	}
	csp := w.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "base-uri 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("policy lacks %s: %s", want, csp)
		}
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
		"Cross-Origin-Opener-Policy": "same-origin", "Content-Type": "text/html; charset=utf-8",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, bad := range []string{"the disk is full", "goroutine", "%!", "ZgotmplZ", numberOne, numberTwo, numberChild} {
		if strings.Contains(body, bad) {
			t.Errorf("the page holds what it must not")
		}
	}
	inOrder(t, "the page", seenBy(t, w))
}
