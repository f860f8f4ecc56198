package signclient

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sigill/portal"
)

var ctx = context.Background()

// broker answers like a broker with a signing room. Answers of the API are what
// api gives.
type broker struct {
	t   testing.TB
	key *ecdsa.PrivateKey
	url string

	mu     sync.Mutex
	now    time.Time
	used   map[string]bool // assertions
	tokens int
	dead   map[string]bool // tokens that are no longer taken
	life   int
	token  http.HandlerFunc // instead of the real one
	api    http.HandlerFunc
	conf   string // discovery instead of the real one
	seen   []*http.Request
	bodies []string
}

func newBroker(t testing.TB) (*broker, *Client) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := &broker{t: t, key: key, now: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC), used: map[string]bool{}, dead: map[string]bool{}, life: 600}
	s := httptest.NewServer(b)
	t.Cleanup(s.Close)
	b.url = s.URL
	c, err := New(Config{
		Issuer: s.URL, HTTP: s.Client(), Client: func(id portal.TenantID) string { return portal.Tenant{ID: id}.Client() },
		Key: func() (crypto.Signer, string, error) { return opaque{key}, "kid-1", nil }, Now: b.clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b, c
}

// opaque is a key that nobody can look into, as one in hardware is.
type opaque struct{ crypto.Signer }

func (b *broker) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *broker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		w.Header().Set("Content-Type", "application/json")
		conf := b.conf
		if conf == "" {
			conf = fmt.Sprintf(`{"issuer":%q,"token_endpoint":%q}`, b.url, b.url+"/token")
		}
		io.WriteString(w, conf)
	case "/token":
		if b.token != nil {
			b.token(w, r)
			return
		}
		b.grant(w, r)
	default:
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		b.seen, b.bodies = append(b.seen, r), append(b.bodies, string(body))
		dead := b.dead[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
		b.mu.Unlock()
		if dead {
			problem(w, 401, `{"type":"x","title":"x","status":401,"code":"invalid_token"}`)
			return
		}
		b.api(w, r)
	}
}

// grant gives a token to whoever proves to be a client, as the broker does.
func (b *broker) grant(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fail := func(why string) {
		b.t.Errorf("token request: %s", why)
		http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
	}
	if err := r.ParseForm(); err != nil || r.Method != "POST" || r.Header.Get("Authorization") != "" || r.PostForm.Has("client_secret") {
		fail("not a form, or another authentication too")
		return
	}
	q := r.PostForm
	if q.Get("grant_type") != "client_credentials" || q.Get("scope") != "signing" || q.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		fail("parameters")
		return
	}
	claims := jwt.MapClaims{}
	tok, err := jwt.ParseWithClaims(q.Get("client_assertion"), claims, func(*jwt.Token) (any, error) { return &b.key.PublicKey, nil },
		jwt.WithValidMethods([]string{"ES256"}), jwt.WithTimeFunc(func() time.Time { return b.now }), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	if err != nil || tok.Header["kid"] != "kid-1" {
		fail("assertion")
		return
	}
	id, jti := q.Get("client_id"), fmt.Sprint(claims["jti"])
	exp, _ := claims.GetExpirationTime()
	if claims["iss"] != id || claims["sub"] != id || claims["aud"] != b.url || !strings.HasPrefix(id, "portal-") || len(jti) < 20 || b.used[jti] || exp.Sub(b.now) > 10*time.Minute {
		fail("claims")
		return
	}
	b.used[jti] = true
	b.tokens++
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":"%s-%d","token_type":"Bearer","expires_in":%d,"scope":"signing"}`, id, b.tokens, b.life)
}

func problem(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

func answer(status int, media, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", media)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

const anOrder = `{"id":"abc","state":"open","title":"T","order":"groups","revision":1,"sha256":"00","reference":"ref","created":"2026-03-02T10:00:00Z",
	"deadline":"2026-04-01T10:00:00Z","signatories":[{"n":1,"name":"Testperson Ett","state":"signed","group":1,"invite":"none","signUrl":"https://x.example/1",
	"signature":{"name":"Testperson Ett","provider":"bankid","at":"2026-03-02T10:05:00Z"}},
	{"n":2,"name":"Testperson Två","state":"delivery failed","group":2,"invite":"both","deliveries":[{"channel":"email","state":"failed","at":"2026-03-02T10:06:00Z"}]}]}`

func TestCalls(t *testing.T) {
	b, c := newBroker(t)
	for _, call := range []struct {
		name, method, path, body string
		answer                   http.HandlerFunc
		do                       func() error
	}{
		{"create", "POST", "/api/v1/orders", `{"title":"T"}`, answer(201, "application/json", anOrder), func() error {
			o, err := c.Create(ctx, "exempelby", "attempt-1", []byte(`{"title":"T"}`))
			if err == nil && (o.ID != "abc" || o.State != Open || o.Reference != "ref" || len(o.Signatories) != 2 || o.Signatories[0].Signature == nil ||
				o.Signatories[1].State != portal.PartyFailed || o.Signatories[1].Delivered[0].State != "failed" || o.Deadline.IsZero()) {
				t.Error("the order is read wrongly")
			}
			return err
		}},
		{"order", "GET", "/api/v1/orders/abc", "", answer(200, "application/json; charset=utf-8", anOrder), func() error { _, err := c.Order(ctx, "exempelby", "abc"); return err }},
		{"cancel", "POST", "/api/v1/orders/abc/cancel", "", answer(200, "application/json", anOrder), func() error { return c.Cancel(ctx, "exempelby", "abc") }},
		{"remind", "POST", "/api/v1/orders/abc/remind", "", answer(200, "application/json", anOrder), func() error { return c.Remind(ctx, "exempelby", "abc") }},
		{"correct", "PATCH", "/api/v1/orders/abc/signatories/2", `{"email":"ny@example.se","phone":"","invite":"email"}`, answer(200, "application/json", anOrder),
			func() error { return c.Correct(ctx, "exempelby", "abc", 2, "ny@example.se", "", "email") }},
		{"delete", "DELETE", "/api/v1/orders/abc", "", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, func() error { return c.Delete(ctx, "exempelby", "abc") }},
		{"document", "GET", "/api/v1/orders/abc/documents/1", "", answer(200, "application/pdf", "%PDF-1.7"), func() error {
			pdf, err := c.Document(ctx, "exempelby", "abc")
			if err == nil && string(pdf) != "%PDF-1.7" {
				t.Error("another document")
			}
			return err
		}},
	} {
		t.Run(call.name, func(t *testing.T) {
			b.api, b.seen, b.bodies = call.answer, nil, nil
			if err := call.do(); err != nil {
				t.Fatal(err)
			}
			r := b.seen[0]
			if r.Method != call.method || r.URL.Path != call.path || b.bodies[0] != call.body || r.Header.Get("Authorization") != "Bearer portal-exempelby-1" {
				t.Errorf("%s %s %s", r.Method, r.URL.Path, b.bodies[0])
			}
			if key := r.Header.Get("Idempotency-Key"); (key == "attempt-1") != (call.name == "create") {
				t.Errorf("key %q", key)
			}
		})
	}
	if b.tokens != 1 {
		t.Errorf("%d tokens, want one for all calls", b.tokens)
	}
}

func TestTokens(t *testing.T) {
	b, c := newBroker(t)
	b.api = answer(200, "application/json", anOrder)
	call := func(id portal.TenantID) string {
		t.Helper()
		if _, err := c.Order(ctx, id, "abc"); err != nil {
			t.Fatal(err)
		}
		return b.seen[len(b.seen)-1].Header.Get("Authorization")
	}
	if a, other := call("exempelby"), call("annanby"); a != "Bearer portal-exempelby-1" || other != "Bearer portal-annanby-2" {
		t.Errorf("%s, %s", a, other)
	}
	b.now = b.now.Add(9 * time.Minute)
	call("exempelby")
	if b.tokens != 2 {
		t.Error("a new one, and the old one was good")
	}
	b.now = b.now.Add(35 * time.Second) // a little before its end
	if a := call("exempelby"); a != "Bearer portal-exempelby-3" {
		t.Error(a)
	}

	// One that is no longer taken is replaced, once.
	b.dead["portal-exempelby-3"] = true
	if a := call("exempelby"); a != "Bearer portal-exempelby-4" {
		t.Error(a)
	}
	b.dead["portal-exempelby-4"], b.dead["portal-exempelby-5"], b.dead["portal-exempelby-6"] = true, true, true
	before := len(b.seen)
	var p *Problem
	if _, err := c.Order(ctx, "exempelby", "abc"); !errors.As(err, &p) || p.Status != 401 || p.Code != "invalid_token" {
		t.Errorf("%v", err)
	}
	if n := len(b.seen) - before; n != 2 {
		t.Errorf("tried %d times", n)
	}

	// Many at once fetch one.
	b.dead, b.tokens, b.now = map[string]bool{}, 100, b.now.Add(time.Hour)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := c.Order(ctx, "exempelby", "abc"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if b.tokens != 101 {
		t.Errorf("%d tokens for eight calls at once", b.tokens-100)
	}

	// Whose life is not said is used once.
	b.life, b.now = 0, b.now.Add(time.Hour)
	call("exempelby")
	call("exempelby")
	if b.tokens != 103 {
		t.Errorf("%d tokens", b.tokens-101)
	}
}

func TestBadTokens(t *testing.T) {
	for name, change := range map[string]func(*broker){
		"refused": func(b *broker) {
			b.token = answer(401, "application/json", `{"error":"invalid_client","error_description":"SECRET"}`)
		},
		"refused oddly": func(b *broker) { b.token = answer(401, "application/json", `{"error":"SECRET 1 2 3"}`) },
		"no JSON":       func(b *broker) { b.token = answer(200, "application/json", `SECRET`) },
		"no token":      func(b *broker) { b.token = answer(200, "application/json", `{"token_type":"Bearer"}`) },
		"another type": func(b *broker) {
			b.token = answer(200, "application/json", `{"access_token":"SECRET","token_type":"DPoP","expires_in":60}`)
		},
		"no header value": func(b *broker) {
			b.token = answer(200, "application/json", `{"access_token":"SECRET\n","token_type":"Bearer","expires_in":60}`)
		},
		"redirect": func(b *broker) {
			b.token = func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "/token", http.StatusTemporaryRedirect)
			}
		},
		"another issuer":    func(b *broker) { b.conf = `{"issuer":"https://x.example","token_endpoint":"` + b.url + `/token"}` },
		"endpoint away":     func(b *broker) { b.conf = `{"issuer":"` + b.url + `","token_endpoint":"https://x.example/token"}` },
		"endpoint missing":  func(b *broker) { b.conf = `{"issuer":"` + b.url + `"}` },
		"endpoint relative": func(b *broker) { b.conf = `{"issuer":"` + b.url + `","token_endpoint":"/token"}` },
		"discovery no JSON": func(b *broker) { b.conf = `SECRET` },
		"discovery endless": func(b *broker) { b.conf = strings.Repeat(" ", maxAnswer+1) },
	} {
		t.Run(name, func(t *testing.T) {
			b, c := newBroker(t)
			b.api = answer(200, "application/json", anOrder)
			change(b)
			_, err := c.Order(ctx, "exempelby", "abc")
			if err == nil || len(b.seen) != 0 || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("%v, %d calls", err, len(b.seen))
			}
			// It is not for ever.
			b.token, b.conf = nil, ""
			if _, err := c.Order(ctx, "exempelby", "abc"); err != nil {
				t.Error(err)
			}
		})
	}
	_, c := newBroker(t)
	c.config.Client = func(portal.TenantID) string { return "" }
	if _, err := c.Order(ctx, "exempelby", "abc"); err == nil {
		t.Error("called for a tenant that is no client")
	}
}

func TestBadAnswers(t *testing.T) {
	b, c := newBroker(t)
	for _, a := range []struct {
		name    string
		api     http.HandlerFunc
		problem *Problem
	}{
		{"problem", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			problem(w, 429, `{"type":"x","title":"SECRET","status":429,"code":"too_soon","detail":"SECRET"}`)
		}, &Problem{Status: 429, Code: "too_soon", Wait: time.Hour}},
		{"faults", answer(422, problemType, `{"code":"invalid_order","faults":[{"field":"signatories[1].email","problem":"SECRET"},{"field":"SECRET 198006"}]}`),
			&Problem{Status: 422, Code: "invalid_order", Fields: []string{"signatories[1].email"}}},
		{"problem without JSON", answer(409, problemType, `SECRET`), nil},
		{"problem without code", answer(409, problemType, `{"code":"SECRET word"}`), nil},
		{"endless problem", answer(409, problemType, strings.Repeat(" ", maxAnswer+1)), nil},
		{"error of a proxy", answer(502, "text/html", `<h1>SECRET`), nil},
		{"plain 404", answer(404, "application/json", `{"code":"not_found"}`), nil},
		{"page", answer(200, "text/html", anOrder), nil},
		{"no type", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			io.WriteString(w, anOrder)
		}, nil},
		{"no JSON", answer(200, "application/json", `SECRET`), nil},
		{"nothing", answer(200, "application/json", ``), nil},
		{"another order", answer(200, "application/json", strings.Replace(anOrder, `"abc"`, `"abd"`, 1)), nil},
		{"unknown state", answer(200, "application/json", strings.Replace(anOrder, `"open"`, `"SECRET"`, 1)), nil},
		{"completed, no time", answer(200, "application/json", strings.Replace(anOrder, `"open"`, `"completed"`, 1)), nil},
		{"endless", answer(200, "application/json", anOrder+strings.Repeat(" ", maxAnswer)), nil},
		{"created", answer(201, "application/json", anOrder), nil},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, nil},
		{"cut", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "10000")
			io.WriteString(w, anOrder)
		}, nil},
	} {
		t.Run(a.name, func(t *testing.T) {
			b.api, b.seen = a.api, nil
			_, err := c.Order(ctx, "exempelby", "abc")
			var p *Problem
			errors.As(err, &p)
			if err == nil || strings.Contains(err.Error(), "SECRET") || len(b.seen) != 1 {
				t.Fatalf("%v, %d calls", err, len(b.seen))
			}
			if (p == nil) != (a.problem == nil) || p != nil && fmt.Sprint(*p) != fmt.Sprint(*a.problem) {
				t.Errorf("%+v, want %+v", p, a.problem)
			}
			if p != nil && p.RetryAfter() != a.problem.Wait {
				t.Errorf("waits %v", p.RetryAfter())
			}
		})
	}
	for _, api := range []http.HandlerFunc{answer(200, "application/json", "{}"), answer(200, "application/pdf", "")} {
		b.api = api
		if _, err := c.Document(ctx, "exempelby", "abc"); err == nil {
			t.Error("a document that is none")
		}
	}
}

// A name of an order is never an address.
func TestNames(t *testing.T) {
	b, c := newBroker(t)
	for _, id := range []string{"", ".", "..", "a/b", "../x", "a?b", "a#b", "a%2fb", "a b", strings.Repeat("a", 65), "å"} {
		b.api = answer(200, "application/json", strings.Replace(anOrder, `"abc"`, fmt.Sprintf("%q", id), 1))
		if _, err := c.Order(ctx, "exempelby", id); err == nil || len(b.seen) != 0 {
			t.Errorf("asked for %q", id)
		}
		if err := c.Delete(ctx, "exempelby", id); err == nil || len(b.seen) != 0 {
			t.Errorf("deleted %q", id)
		}
	}
}

// Whoever gives up does not wait for whoever fetches a token.
func TestGivesUp(t *testing.T) {
	b, c := newBroker(t)
	reached, release := make(chan struct{}), make(chan struct{})
	b.token = func(w http.ResponseWriter, r *http.Request) { close(reached); <-release; b.grant(w, r) }
	b.api = answer(200, "application/json", anOrder)
	done := make(chan error)
	go func() { _, err := c.Order(ctx, "exempelby", "abc"); done <- err }()
	<-reached
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.Order(gone, "exempelby", "abc"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWait(t *testing.T) {
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, "-1": 0, "x": 0, "99999999999999999999": 0, "2000000000": maxWait,
		"Mon, 02 Mar 2026 10:01:00 GMT": time.Minute, "Mon, 02 Mar 2026 09:00:00 GMT": 0, "Mon, 02 Mar 2099 10:00:00 GMT": maxWait,
	} {
		if got := wait(text, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestIncomplete(t *testing.T) {
	b, c := newBroker(t)
	for _, change := range []func(*Config){
		func(c *Config) { c.Issuer = "" }, func(c *Config) { c.Issuer += "/" }, func(c *Config) { c.HTTP = nil }, func(c *Config) { c.Client = nil }, func(c *Config) { c.Key = nil },
	} {
		config := c.config
		change(&config)
		if _, err := New(config); err == nil {
			t.Error("made without something that it needs")
		}
	}
	// Keys that the broker would not take.
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b.api = answer(200, "application/json", anOrder)
	for _, key := range []func() (crypto.Signer, string, error){
		func() (crypto.Signer, string, error) { return p384, "k", nil },
		func() (crypto.Signer, string, error) { return nil, "", errors.New("none") },
	} {
		c.config.Key = key
		if _, err := c.Order(ctx, "exempelby", "abc"); err == nil || b.tokens != 0 {
			t.Error("asked for a token with a key that is none")
		}
	}
}

// said is a way to a broker that answers all calls of the API with the same.
type said struct {
	status int
	media  string
	body   []byte
}

func (s said) RoundTrip(r *http.Request) (*http.Response, error) {
	a := said{200, "application/json", []byte(`{"issuer":"https://x.example","token_endpoint":"https://x.example/token"}`)}
	switch {
	case r.URL.Path == "/token":
		a.body = []byte(`{"access_token":"t","token_type":"Bearer","expires_in":600}`)
	case strings.HasPrefix(r.URL.Path, "/api/"):
		a = s
	}
	return &http.Response{StatusCode: a.status, Header: http.Header{"Content-Type": {a.media}}, Body: io.NopCloser(bytes.NewReader(a.body)), Request: r}, nil
}

// Whatever comes back, nothing panics, and what is taken is of the order that
// was asked for.
func FuzzOrder(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{anOrder, `{}`, `null`, `[]`, `{"id":"abc","state":"completed","completedAt":"2026-03-02T10:00:00Z"}`, `{"id":"abc","state":"open","signatories":[null]}`} {
		f.Add([]byte(s), 200, "application/json")
	}
	f.Add([]byte(`{"code":"invalid_order","faults":[{"field":"signatories[1].email"}]}`), 422, problemType)
	f.Add([]byte(`{}`), 307, "application/json; charset=x")
	f.Fuzz(func(t *testing.T, body []byte, status int, media string) {
		c, err := New(Config{
			Issuer: "https://x.example", HTTP: &http.Client{Transport: said{status, media, body}}, Client: func(portal.TenantID) string { return "portal-x" },
			Key: func() (crypto.Signer, string, error) { return key, "k", nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		o, err := c.Order(ctx, "exempelby", "abc")
		if err == nil && (o.ID != "abc" || status != 200 || o.State == "") {
			t.Errorf("took %d", status)
		}
		var p *Problem
		if errors.As(err, &p) && (p.Status != status || status < 400 || !plain(p.Code, maxCode)) {
			t.Errorf("a problem out of nothing: %d", status)
		}
	})
}
