package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sigill/broker"
	"sigill/providers/personnummer"
	"sigill/signing"
	"sigill/signing/api/apitest"
	"sigill/signing/orders"
)

// From the published test series.
const (
	one   = "198006299252"
	two   = "199104102380"
	email = "ett@example.se"
	phone = "+46701740605"
)

var t0 = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// service answers as told and remembers what it was asked.
type service struct {
	order    signing.Order
	err      error
	replayed bool
	proofs   []orders.Proof
	file     []byte

	calls []string
	wish  signing.Wish
	key   string
	body  [32]byte
	n     int
	reach signing.Contact
	by    signing.WishedSignatory
	docs  []signing.Document
}

func (s *service) called(what, client, id string) (signing.Order, error) {
	s.calls = append(s.calls, what+" "+client+" "+id)
	return s.order, s.err
}

func (s *service) Create(_ context.Context, c broker.Client, w signing.Wish, key string, body [32]byte) (signing.Order, bool, error) {
	s.wish, s.key, s.body = w, key, body
	o, err := s.called("create", c.ID, "")
	return o, s.replayed, err
}

func (s *service) Cancel(_ context.Context, client, id string) (signing.Order, error) {
	return s.called("cancel", client, id)
}

func (s *service) Remind(_ context.Context, client, id string) (signing.Order, error) {
	return s.called("remind", client, id)
}

func (s *service) Delete(_ context.Context, client, id string) error {
	_, err := s.called("delete", client, id)
	return err
}

func (s *service) Correct(_ context.Context, client, id string, n int, c signing.Contact) (signing.Order, error) {
	s.n, s.reach = n, c
	return s.called("correct", client, id)
}

func (s *service) Replace(_ context.Context, client, id string, n int, by signing.WishedSignatory) (signing.Order, error) {
	s.n, s.by = n, by
	return s.called("replace", client, id)
}

func (s *service) Change(_ context.Context, client, id string, documents []signing.Document) (signing.Order, error) {
	s.docs = documents
	return s.called("change", client, id)
}

func (s *service) Order(_ context.Context, client, id string) (signing.Order, error) {
	return s.called("order", client, id)
}

func (s *service) Receipt(_ context.Context, client, id string) ([]byte, error) {
	_, err := s.called("receipt", client, id)
	return s.file, err
}

func (s *service) Evidence(_ context.Context, client, id string) ([]orders.Proof, error) {
	_, err := s.called("evidence", client, id)
	return s.proofs, err
}

// anOrder has everything that an order can have.
func anOrder(t testing.TB) signing.Order {
	t.Helper()
	number := func(s string) personnummer.Number {
		n, err := personnummer.Parse(s, t0)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return signing.Order{
		ID: "AAAAAAAAAAAAAAAAAAAAAA", Client: "kommun", State: signing.Completed, Title: "Ansökan", Reference: "F-1", Sequence: signing.Groups,
		Message: "Till er", Language: "sv", Callback: "https://app.example.se/hook", ReturnURL: "https://app.example.se/",
		Deadline: t0.Add(time.Hour), Created: t0, Revision: 2, Digest: [32]byte{1}, CompletedAt: t0.Add(time.Minute), EndedAt: t0.Add(2 * time.Minute),
		Signatories: []signing.Signatory{
			{
				N: 1, Number: number(one), Name: "Testperson Ett", Email: email, Phone: phone, Group: 1, Invite: signing.InviteBoth, Language: "sv",
				State: signing.Signed, InvitedAt: t0, OpenedAt: t0.Add(time.Second),
				Deliveries: []signing.Delivery{{Channel: signing.Email, State: signing.Sent, At: t0}, {Channel: signing.SMS, State: signing.Bounced, At: t0}},
				Signature:  &signing.Signature{Name: "Ett Testperson", Provider: "mbankid", At: t0.Add(time.Minute), Text: "hemlig text", EIDOrder: "e"},
			},
			{N: 2, Number: number(two), Name: "Testperson Två", Group: 2, Invite: signing.InviteNone, State: signing.Declined, DeclinedAt: t0, Reason: "Fel belopp"},
			{N: 3, Number: number(two), Name: "Testperson Tre", Group: 2, Invite: signing.InviteNone, State: signing.Replaced},
		},
	}
}

// bench is an API with its service, and a client's token.
type bench struct {
	*testing.T
	service  *service
	bearer   func(token string) (broker.Client, []string, error)
	contract *apitest.Contract
	log      *bytes.Buffer
	handler  http.Handler
	api      *API
}

const issuer = "https://sigill.example.se"

func newBench(t *testing.T, limits signing.Limits) *bench {
	t.Helper()
	b := &bench{T: t, service: &service{order: anOrder(t)}, log: &bytes.Buffer{}}
	b.bearer = func(token string) (broker.Client, []string, error) {
		switch token {
		case "good":
			return broker.Client{ID: "kommun"}, []string{"signing"}, nil
		case "openid":
			return broker.Client{ID: "kommun"}, []string{"openid", "signings"}, nil
		}
		return broker.Client{}, nil, broker.ErrNotFound
	}
	var err error
	if b.contract, err = apitest.Load(Specification); err != nil {
		t.Fatal(err)
	}
	b.api, err = New(Config{
		Issuer: issuer, Desk: b.service, Editor: b.service, Reader: b.service, Limits: limits,
		Bearer: func(_ context.Context, token string) (broker.Client, []string, error) { return b.bearer(token) },
		Log:    slog.New(slog.NewTextHandler(b.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	b.api.Routes(mux)
	b.handler = mux
	return b
}

type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request with a good token unless headers ("Name: value") say
// otherwise, and holds the exchange against the contract.
func (b *bench) ask(method, path, body string, headers ...string) answer {
	b.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer good")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if method == "POST" && path == "/api/v1/orders" {
		r.Header.Set("Idempotency-Key", "key")
	}
	set := map[string]bool{}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if !set[name] {
			r.Header.Del(name)
			set[name] = true
		}
		if value != "" {
			r.Header.Add(name, value)
		}
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	res := w.Result()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	if err := b.contract.Check(apitest.Exchange{Request: r, Sent: []byte(body), Status: res.StatusCode, Header: res.Header, Got: got}); err != nil {
		b.Error(err)
	}
	if path != "/api/openapi.yaml" && res.Header.Get("Cache-Control") != "no-store" && res.StatusCode != http.StatusOK {
		b.Errorf("%s %s may be cached", method, path)
	}
	for _, secret := range []string{one, two, one[2:], two[2:], email, phone, "701740605", "hemlig", "Testperson Ett\",\"email"} {
		if strings.Contains(string(got), secret) {
			b.Errorf("%s %s: %q in the answer: %s", method, path, secret, got)
		}
	}
	return answer{res.StatusCode, res.Header, string(got)}
}

// code is the problem's.
func (a answer) code() string {
	var p problem
	if json.Unmarshal([]byte(a.body), &p) != nil {
		return "(none)"
	}
	return p.Code
}

// is checks what was answered; detail is part of it, if not empty.
func (b *bench) is(name string, a answer, status int, code, detail string) {
	b.Helper()
	if a.status != status || a.code() != code || !strings.Contains(a.body, detail) {
		b.Errorf("%s: %d %s, want %d %s with %q", name, a.status, a.body, status, code, detail)
	}
}

// asked tells what the service was asked for since the last time.
func (b *bench) asked() string {
	out := strings.Join(b.service.calls, ", ")
	b.service.calls = nil
	return out
}
