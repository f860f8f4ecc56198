package web

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sigill/broker/kit/webhook"
	"sigill/portal"
)

// TestNews: what the signing service tells makes us look, however often it comes;
// what it did not sign does not.
func TestNews(t *testing.T) {
	const good = `{"type":"order.completed","timestamp":"2026-03-02T09:30:00Z","data":{"order":"order-one","state":"completed"}}`
	right, wrong := []byte("0123456789abcdef0123456789abcdef"), []byte("another secret of thirty-two byt")
	for _, c := range []struct {
		name   string
		body   string
		key    []byte
		age    time.Duration
		change func(*http.Request)
		status int
		news   string
	}{
		{"good", good, right, 0, nil, 204, "exempelbo order-one"},
		{"from another site's page", good, right, 0, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 204, "exempelbo order-one"},
		{"another secret", good, wrong, 0, nil, 401, ""},
		{"changed", good, right, 0, func(r *http.Request) {
			r.Body = http.NoBody
		}, 401, ""},
		{"too old", good, right, time.Hour, nil, 401, ""},
		{"from the future", good, right, -time.Hour, nil, 401, ""},
		{"unsigned", good, right, 0, func(r *http.Request) { r.Header.Del(webhook.HeaderSignature) }, 400, ""},
		{"two ids", good, right, 0, func(r *http.Request) { r.Header.Add(webhook.HeaderID, "x") }, 400, ""},
		{"no JSON", "order", right, 0, nil, 400, ""},
		{"no order", `{"data":{}}`, right, 0, nil, 400, ""},
		{"a long order", `{"data":{"order":"` + strings.Repeat("x", 65) + `"}}`, right, 0, nil, 400, ""},
		{"too large", `{"data":{"order":"order-one"},"x":"` + strings.Repeat("x", 200_000) + `"}`, right, 0, nil, 413, ""},
	} {
		h := newHouse(t)
		w := h.do(hooked(t, h, c.body, c.key, c.age, c.change))
		if w.Code != c.status || strings.Join(h.desk.news, ",") != c.news {
			t.Errorf("%s: %d, told %q", c.name, w.Code, h.desk.news)
		}
	}
	h := newHouse(t)
	for range 2 {
		if w := h.do(hooked(t, h, good, right, 0, nil)); w.Code != 204 || w.Body.Len() > 0 {
			t.Errorf("again: %d", w.Code)
		}
	}
	h.desk.newsErr = portal.ErrNotFound
	if w := h.do(hooked(t, h, good, right, 0, nil)); w.Code != 204 {
		t.Errorf("an order that is unknown here: %d", w.Code)
	}
	h.desk.newsErr = errBroken
	if w := h.do(hooked(t, h, good, right, 0, nil)); w.Code != 500 {
		t.Errorf("a fault of ours: %d", w.Code) // the sender tries again
	}
	if w := h.get("", base+"/krok"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", w.Code)
	}
}

func hooked(t testing.TB, h *house, body string, key []byte, age time.Duration, change func(*http.Request)) *http.Request {
	t.Helper()
	secret, err := webhook.SecretOf(key)
	if err != nil {
		t.Fatal(err)
	}
	header, err := webhook.Sign("evt_order-one-1", h.now.Add(-age), []byte(body), secret)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "http://localhost:8081"+base+"/krok", bytes.NewReader([]byte(body)))
	r.Header = header
	r.Header.Set("Content-Type", "application/json")
	if change != nil {
		change(r)
	}
	return r
}
