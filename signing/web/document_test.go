package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sigill/broker/kit/page"
	"testing"
	"time"
)

// TestHandIsPatient: a file reaches also those for whom it takes longer than a
// page may.
func TestHandIsPatient(t *testing.T) {
	file := make([]byte, 16<<20)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := page.Hand(w, r, "kvittens.pdf", "application/pdf", file); err != nil {
			t.Error(err)
		}
	}))
	const short = 200 * time.Millisecond
	server.Config.WriteTimeout = short
	server.Start()
	defer server.Close()
	res, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	time.Sleep(2 * short)
	if n, err := io.Copy(io.Discard, res.Body); err != nil || n != int64(len(file)) {
		t.Errorf("%d bytes: %v", n, err)
	}
}
