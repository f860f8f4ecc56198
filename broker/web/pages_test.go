package web

import (
	"log/slog"
	"testing"

	"sigill/broker/kit/design"
)

func newPages(t testing.TB) *Pages {
	t.Helper()
	assets, err := design.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPages(PagesConfig{Issuer: "http://localhost:8080", Assets: assets, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTextsFitThePages(t *testing.T) { newPages(t) }
