package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2/clientcredentials"

	"sigill/testidp/persons"
)

// signed is what the API tells of an order.
type signed struct {
	ID, State   string
	Signatories []struct{ State, SignURL string }
}

// asks makes a request to the signing API as demo-signer.
func asks(t *testing.T, r Running, method, path, key string, body any) signed {
	t.Helper()
	var o signed
	if err := json.Unmarshal(download(t, r, method, path, key, body), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// download is asks for what is no order.
func download(t *testing.T, r Running, method, path, key string, body any) []byte {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, r.Issuer+"/api/v1/orders"+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	c := clientcredentials.Config{ClientID: "demo-signer", ClientSecret: "demo-signer-secret", TokenURL: r.Issuer + "/token", Scopes: []string{"signing"}}
	res, err := c.Client(context.Background()).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s %v", method, path, res.Status, answer, err)
	}
	return answer
}

// proves chooses Mobilt BankID on a page that offers it, and approves.
func (v *visitor) proves(r Running, page visited, p persons.Person) visited {
	v.t.Helper()
	form := url.Values{"provider": {"mbankid"}, "device": {"other"}}
	if _, rest, signs := strings.Cut(page.body, `name="digest" value="`); signs {
		digest, _, _ := strings.Cut(rest, `"`)
		form.Set("digest", digest) // of what was shown
	}
	wait := v.post(page.url, form)
	if wait.status != http.StatusOK {
		v.t.Fatalf("waiting page: %d at %s\n%s", wait.status, wait.url, wait.body)
	}
	s := v.await(wait.url, func(s status) bool { return s.QR != "" })
	id, err := r.Simulators.Scan(s.QR)
	if err != nil {
		v.t.Fatal(err)
	}
	if _, err := r.Simulators.Approve(id, p.Number); err != nil {
		v.t.Fatal(err)
	}
	v.await(wait.url, func(s status) bool { return s.State == "complete" })
	return v.get(wait.url)
}

// An order whose time runs out while some have signed: it is open a while longer
// for whoever is in the app at that moment, then over. The client is told once,
// those who were invited are told too, and what was signed does not count.
func TestExpiry(t *testing.T) {
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	r := start(t, Config{Now: now, Due: 50 * time.Millisecond})
	people := r.Simulators.People()

	var mu sync.Mutex
	var told []string
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e struct{ Type string }
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		told = append(told, e.Type)
		w.WriteHeader(http.StatusNoContent)
	})}}
	client.Start()
	defer client.Close()

	o := asks(t, r, http.MethodPost, "", "expiry", map[string]any{
		"title": "Det som tog för lång tid", "deadline": now().Add(time.Hour), "callbackUrl": client.URL + "/hook",
		"documents": []any{map[string]any{"name": "Text", "text": "Hej"}},
		"signatories": []any{
			map[string]any{"pnr": people[0].Number, "name": people[0].Name(), "invite": "none"},
			map[string]any{"pnr": people[1].Number, "name": people[1].Name(), "invite": "email", "email": "tva@example.se"},
		},
	})
	until := func(what string, is func() bool) {
		t.Helper()
		for range 600 {
			if is() {
				return
			}
			time.Sleep(50 * time.Millisecond) // real processes
		}
		t.Fatalf("%s did not come", what)
	}
	letter := func(subject string) bool {
		for _, m := range r.Simulators.Messages("tva@example.se") {
			if strings.HasPrefix(m.Subject, subject) {
				return true
			}
		}
		return false
	}
	until("the invitation", func() bool { return letter("Exempelby kommun ber om") })

	browser := newVisitor(t, r.Issuer)
	login := func() visited {
		t.Helper()
		return browser.proves(r, browser.post(o.Signatories[0].SignURL+"/login", nil), people[0])
	}
	if review := login(); !strings.Contains(review.body, `id="sign"`) {
		t.Fatalf("%d at %s\n%s", review.status, review.url, review.body)
	}
	browser.proves(r, browser.get(o.Signatories[0].SignURL), people[0])
	until("the signature", func() bool {
		return asks(t, r, http.MethodGet, "/"+o.ID, "", nil).Signatories[0].State == "signed"
	})

	ahead.Store(int64(time.Hour + 5*time.Minute))
	time.Sleep(200 * time.Millisecond) // several looks at what is due
	if late := asks(t, r, http.MethodGet, "/"+o.ID, "", nil); late.State != "open" {
		t.Errorf("shortly after the deadline the order is %s", late.State)
	}
	ahead.Store(int64(time.Hour + 16*time.Minute))
	until("the end", func() bool { return asks(t, r, http.MethodGet, "/"+o.ID, "", nil).State == "expired" })
	until("word of it", func() bool { return letter("Tiden för att skriva under är slut") })
	until("the webhooks", func() bool { mu.Lock(); defer mu.Unlock(); return len(told) >= 2 })
	time.Sleep(200 * time.Millisecond)
	mu.Lock()
	if want := []string{"signatory.signed", "order.expired"}; !slices.Equal(told, want) {
		t.Errorf("webhooks: %v, want %v", told, want)
	}
	mu.Unlock()
	if n := len(r.Simulators.Messages("")); n != 2 {
		t.Errorf("%d messages in all", n)
	}

	// The session is too old by now: log in again and read that it is over.
	if land := browser.get(o.Signatories[0].SignURL); strings.Contains(land.body, "Det som tog") {
		t.Error("an old session still opens the order")
	}
	if over := login(); !strings.Contains(over.body, "Tiden har gått ut") || !strings.Contains(over.body, "underskriften gäller inte") {
		t.Errorf("%d at %s\n%s", over.status, over.url, over.body)
	}
}
