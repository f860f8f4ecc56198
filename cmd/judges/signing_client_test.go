package judges

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// A signer is a client of the signing API, on a library that nobody here wrote,
// that also takes webhooks.
type signer struct {
	t      *testing.T
	http   *http.Client
	hook   string // where webhooks are to go
	secret []byte // of webhooks

	mu   sync.Mutex
	came []news
}

// News is one webhook as it came.
type news struct {
	id, kind, order string
	signatory       int
	state           string
}

// An order is what the API tells of one.
type order struct {
	ID, State, Document string
	SHA256              string
	Deadline            time.Time
	Signatories         []struct {
		N                    int
		Name, State, SignURL string
		Reason               string
	}
}

// A wish asks for an order.
type wish map[string]any

// newSigner is demo-signer.
func newSigner(t *testing.T, d *demo) *signer {
	t.Helper()
	provider := newClient(t, issuer, "demo-signer", "demo-signer-secret", callback).provider
	c := clientcredentials.Config{
		ClientID: "demo-signer", ClientSecret: "demo-signer-secret", TokenURL: provider.Endpoint().TokenURL,
		Scopes: []string{"signing"}, AuthStyle: oauth2.AuthStyleInHeader,
	}
	s := &signer{t: t, http: c.Client(context.Background())}
	s.http.Timeout = 20 * time.Second
	text, err := os.ReadFile(filepath.Join(d.data, "clients", "demo-signer.webhook"))
	if err != nil {
		t.Fatal(err)
	}
	if s.secret, err = base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimSpace(string(text)), "whsec_")); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(s.take)}}
	server.Start()
	t.Cleanup(server.Close)
	s.hook = server.URL + "/hook"
	return s
}

// take takes a webhook in.
func (s *signer) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	id := r.Header.Get("webhook-id")
	if err := standardWebhook(s.secret, r.Header, body, time.Now()); err != nil {
		s.t.Errorf("webhook %s: %v", id, err)
	}
	var e struct {
		Type string
		Data struct {
			Order, State string
			Signatory    int
		}
	}
	if err := json.Unmarshal(body, &e); err != nil {
		s.t.Errorf("webhook %s: %v", id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came = append(s.came, news{id, e.Type, e.Data.Order, e.Data.Signatory, e.Data.State})
	w.WriteHeader(http.StatusNoContent)
}

// told waits until the last of some kinds of news of an order has come, and
// demands that these came, in this order, each with an id of its own and once.
func (s *signer) told(order string, kinds ...string) {
	s.t.Helper()
	var got []string
	ids := map[string]bool{}
	deadline := time.Now().Add(patience)
	for len(got) < len(kinds) && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
		got, ids = nil, map[string]bool{}
		s.mu.Lock()
		for _, n := range s.came {
			if n.order == order {
				what := n.kind
				if n.signatory > 0 {
					what += fmt.Sprint(" ", n.signatory)
				}
				got = append(got, what)
				ids[n.id] = true
			}
		}
		s.mu.Unlock()
	}
	if strings.Join(got, ", ") != strings.Join(kinds, ", ") || len(ids) != len(kinds) {
		s.t.Errorf("webhooks of the order: %v with %d ids, not %v", got, len(ids), kinds)
	}
}

// call makes a request; into may be nil.
func (s *signer) call(method, path string, body, into any) (int, []byte) {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	if body == nil {
		text = nil
	}
	r, err := http.NewRequest(method, issuer+"/api/v1/orders"+path, bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", rand.Text())
	}
	res, err := s.http.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if into != nil {
		if res.StatusCode >= 300 {
			s.t.Fatalf("%s %s answers %s: %s", method, path, res.Status, answer)
		}
		if err := json.Unmarshal(answer, into); err != nil {
			s.t.Fatal(err)
		}
	}
	return res.StatusCode, answer
}

// order has an order made: two documents of our own kinds and an attachment.
func (s *signer) order(lang, title string, change wish, people ...wish) order {
	s.t.Helper()
	w := wish{
		"title": title, "message": "Hej!\nLäs igenom allt.", "reference": "EX 2026-17", "language": lang, "callbackUrl": s.hook,
		"documents": []wish{
			{"name": "Ansökan", "content": []wish{
				{"heading": "Barnet"},
				{"rows": []wish{{"label": "Namn", "value": "Testbarn Ett"}, {"label": "Önskad start", "value": "2026-09-01"}}},
				{"text": "Vi söker en plats på Exempelby förskola, måndag till fredag."},
			}},
			{"name": "Villkor", "text": "Avgiften betalas varje månad.\n\nPlatsen sägs upp två månader i förväg."},
			{"name": "Karta", "file": picture(s.t), "type": "image/png"},
		},
		"signatories": people,
	}
	for k, v := range change {
		w[k] = v
	}
	var o order
	s.call("POST", "", w, &o)
	return o
}

// get asks how an order is.
func (s *signer) get(id string) order {
	s.t.Helper()
	var o order
	s.call("GET", "/"+id, nil, &o)
	return o
}

// becomes waits for an order's state.
func (s *signer) becomes(id, state string) order {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		o := s.get(id)
		if o.State == state {
			return o
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the order is %s, not %s", o.State, state)
		}
		time.Sleep(30 * time.Millisecond)
	}
}

// receipt fetches the sealed PDF.
func (s *signer) receipt(id string) []byte {
	s.t.Helper()
	status, file := s.call("GET", "/"+id+"/documents/1", nil, nil)
	if status != http.StatusOK {
		s.t.Fatalf("the receipt: %d %s", status, file)
	}
	return file
}

// picture is a small PNG.
func picture(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 16, 16))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// by is a signatory as the API wants one.
func (p person) by(invite string) wish {
	return wish{"pnr": p.Number, "name": p.Name, "email": p.email(), "phone": p.mobile(), "invite": invite}
}

func (p person) email() string { return p.short() + "@example.se" }

// mobile is of the series that is kept free for fiction.
func (p person) mobile() string { return fmt.Sprintf("+467017406%02d", 10+p.place) }

// short is the person's short name on the phone page.
func (p person) short() string {
	_, last, _ := strings.Cut(p.Name, " ")
	return strings.NewReplacer("å", "a", "ä", "a", "ö", "o").Replace(strings.ToLower(last))
}

// A message is a captured mail or SMS.
type message struct {
	ID, Channel, To, Subject, Text, HTML string
	Links                                []string
	Repeat                               bool
}

// messages gives what has come to an address, oldest first.
func (c control) messages(t testing.TB, to string) []message {
	t.Helper()
	var list []message
	if err := c.call("GET", "messages?to="+strings.ReplaceAll(to, "+", "%2B"), nil, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// await waits until a person has got a message of a channel that holds a text,
// and gives the newest.
func (c control) await(t testing.TB, p person, channel, text string) message {
	t.Helper()
	to := map[string]string{"email": p.email(), "sms": p.mobile()}[channel]
	deadline := time.Now().Add(patience)
	for {
		list := c.messages(t, to)
		for i := len(list) - 1; i >= 0; i-- {
			if m := list[i]; strings.Contains(m.Subject+"\n"+m.Text, text) {
				if m.Channel != channel || m.Repeat {
					t.Errorf("the message is %+v", m)
				}
				return m
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %s with %q came to %s: %+v", channel, text, p.Name, list)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
