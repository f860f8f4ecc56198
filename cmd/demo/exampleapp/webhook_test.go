package exampleapp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

func testHooks(t *testing.T, secret string, at int64) *hooks {
	t.Helper()
	h, err := newHooks(secret, func() time.Time { return time.Unix(at, 0) })
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// The example of the reference libraries of Standard Webhooks.
func TestVerified(t *testing.T) {
	const (
		secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
		sent   = 1614265330
		right  = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
		body   = `{"test": 2432232314}`
	)
	header := func(id, at, signature string) http.Header {
		h := http.Header{}
		h.Set("webhook-id", id)
		h.Set("webhook-timestamp", at)
		h.Set("webhook-signature", signature)
		return h
	}
	id, at := "msg_p5jXN8AQM9LWM0D4loKWxJek", strconv.Itoa(sent)
	for _, c := range []struct {
		name   string
		header http.Header
		body   string
		later  time.Duration
		want   bool
	}{
		{"right", header(id, at, right), body, 0, true},
		{"one of several", header(id, at, "v1a,AAAA v1,AAAA "+right), body, 0, true},
		{"a little late", header(id, at, right), body, 4 * time.Minute, true},
		{"too late", header(id, at, right), body, 6 * time.Minute, false},
		{"from the future", header(id, at, right), body, -6 * time.Minute, false},
		{"another body", header(id, at, right), body + " ", 0, false},
		{"another id", header("msg_p5jXN8AQM9LWM0D4loKWxJeK", at, right), body, 0, false},
		{"another time", header(id, strconv.Itoa(sent+1), right), body, 0, false},
		{"another version", header(id, at, "v2"+right[2:]), body, 0, false},
		{"no signature", header(id, at, ""), body, 0, false},
		{"no id", header("", at, right), body, 0, false},
		{"no time", header(id, "", right), body, 0, false},
		{"no header", http.Header{}, body, 0, false},
	} {
		h := testHooks(t, secret, sent+int64(c.later.Seconds()))
		if got := h.verified(c.header, []byte(c.body)); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	for _, bad := range []string{"", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_AAAA", "whsec_%%%"} {
		if _, err := newHooks(bad, time.Now); err == nil {
			t.Errorf("%q is taken as a secret", bad)
		}
	}
}

// What is told twice is shown once, and what is not signed is not shown.
func TestTake(t *testing.T) {
	h := testHooks(t, "whsec_"+base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))), 1000)
	post := func(id, body string, key byte) int {
		r := httptest.NewRequest(http.MethodPost, hookPath, strings.NewReader(body))
		mac := hmac.New(sha256.New, []byte(strings.Repeat(string(key), 32)))
		mac.Write([]byte(id + ".1000." + body))
		r.Header.Set("webhook-id", id)
		r.Header.Set("webhook-timestamp", "1000")
		r.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		w := httptest.NewRecorder()
		h.take(w, r)
		return w.Code
	}
	signed := `{"type":"signatory.signed","timestamp":"2026-05-03T12:00:00Z","data":{"order":"one","signatory":2,"state":"open"}}`
	other := `{"type":"order.completed","timestamp":"2026-05-03T12:00:00Z","data":{"order":"two","state":"completed"}}`
	for i, c := range []struct {
		id, body string
		key      byte
		want     int
	}{
		{"a", signed, 'k', 204}, {"a", signed, 'k', 204}, {"b", signed, 'x', 401}, {"c", other, 'k', 204},
		{"", signed, 'k', 401}, {"d", "no JSON", 'k', 400}, {"e", strings.Repeat(" ", mostHook+1), 'k', 413},
	} {
		if got := post(c.id, c.body, c.key); got != c.want {
			t.Errorf("%d: %d, want %d", i, got, c.want)
		}
	}
	if got := h.of("one"); len(got) != 1 || got[0].ID != "a" || got[0].Type != "signatory.signed" || got[0].Signatory != 2 {
		t.Errorf("%+v", got)
	}
	if got := h.of("two"); len(got) != 1 || len(h.of("three")) != 0 {
		t.Errorf("%+v", got)
	}
}
