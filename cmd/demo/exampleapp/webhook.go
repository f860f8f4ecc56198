package exampleapp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// hooks takes webhooks in, as Standard Webhooks has them. It is written from that
// specification alone, since the receiver of a webhook has nothing else either.
type hooks struct {
	key []byte // the secret that we share with who sends
	now func() time.Time

	mu    sync.Mutex
	known map[string]int // how many times each id came; what is known is not told again
	list  []event
}

// An event is a webhook whose signature was right.
type event struct {
	ID        string // stable, however often it is sent
	Type      string
	Order     string
	Signatory int
	At        time.Time // of what it tells
	Came      time.Time
}

const (
	mostHook   = 64 << 10
	mostEvents = 10_000
	tolerance  = 5 * time.Minute
)

// newHooks takes the secret as it is handed out: "whsec_" and base64.
func newHooks(secret string, now func() time.Time) (*hooks, error) {
	text, ok := strings.CutPrefix(strings.TrimSpace(secret), "whsec_")
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < 24 {
		return nil, errors.New("exampleapp: that is no webhook secret")
	}
	return &hooks{key: key, now: now, known: map[string]int{}}, nil
}

// verified reports whether one of the signatures in the header is right, and
// recent.
func (h *hooks) verified(header http.Header, body []byte) bool {
	id, sent := header.Get("webhook-id"), header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(sent, 10, 64)
	if id == "" || err != nil || h.now().Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return false
	}
	mac := hmac.New(sha256.New, h.key)
	mac.Write([]byte(id + "." + sent + "."))
	mac.Write(body)
	want := mac.Sum(nil)
	for i, s := range strings.Fields(header.Get("webhook-signature")) {
		text, ok := strings.CutPrefix(s, "v1,")
		if got, err := base64.StdEncoding.DecodeString(text); i < 10 && ok && err == nil && hmac.Equal(got, want) {
			return true
		}
	}
	return false
}

// take answers POST /webhooks/signing.
func (h *hooks) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostHook))
	if err != nil {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	if !h.verified(r.Header, body) {
		http.Error(w, "not signed by whom we know", http.StatusUnauthorized)
		return
	}
	var e struct {
		Type      string
		Timestamp time.Time
		Data      struct {
			Order     string
			Signatory int
		}
	}
	if err := json.Unmarshal(body, &e); err != nil {
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	id := r.Header.Get("webhook-id")
	if h.known[id]++; h.known[id] == 1 {
		if len(h.list) >= mostEvents { // it is an example: it forgets
			h.list, h.known = nil, map[string]int{id: 1}
		}
		h.list = append(h.list, event{id, e.Type, e.Data.Order, e.Data.Signatory, e.Timestamp, h.now()})
	}
	w.WriteHeader(http.StatusNoContent)
}

// of gives the events of an order, in the order in which they came.
func (h *hooks) of(order string) []event {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []event
	for _, e := range h.list {
		if e.Order == order {
			out = append(out, e)
		}
	}
	return out
}
