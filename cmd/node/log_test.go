package node

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAccessLogNamesNoAddress(t *testing.T) {
	var out bytes.Buffer
	mux := http.NewServeMux()
	mux.HandleFunc("GET /back/{order}/{nonce}", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusSeeOther)
		_, _ = w.Write([]byte("hello"))
	})
	h := accessLog(slog.New(slog.NewJSONHandler(&out, nil)), mux)
	for _, path := range []string{"/back/hemligt/hemligt?code=hemligt", "/hemligt?hemligt=1"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	text := out.String()
	if strings.Contains(text, "hemligt") {
		t.Errorf("the log holds an address: %s", text)
	}
	for _, want := range []string{`"route":"GET /back/{order}/{nonce}"`, `"status":303`, `"bytes":5`, `"route":"none"`, `"status":404`} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %s: %s", want, text)
		}
	}
}
