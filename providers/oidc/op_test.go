package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sigill/providers"
)

const (
	back   = "http://localhost:8080/eid/prov/back"
	person = "198006299252"
	other  = "199003142396"
	coord  = "198706872382"
)

var keyring = sync.OnceValue(func() (k struct {
	rsa, foreign *rsa.PrivateKey
	ec, client   *ecdsa.PrivateKey
}) {
	k.rsa, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.foreign, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.ec, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.client, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return k
})

// op is an OpenID Provider that does as the test says.
type op struct {
	*httptest.Server
	t testing.TB

	mu     sync.Mutex
	asked  map[string]int    // how often each path was
	form   url.Values        // of the last request to the token or PAR endpoint
	header http.Header       // of the same
	answer func() any        // of the token endpoint; a func(http.ResponseWriter) answers by itself
	info   func(http.Header) // sets the header of userinfo
	infoed string            // its body
	keys   []jwk
	about  func(map[string]any) // changes the discovery document
	slash  bool                 // the issuer ends with one
}

func newOP(t testing.TB) *op {
	o := &op{t: t, asked: map[string]int{}}
	for n, key := range []crypto.PublicKey{keyring().rsa.Public(), keyring().ec.Public()} {
		j, err := ofKey(key)
		if err != nil {
			t.Fatal(err)
		}
		j.Kid = []string{"rsa", "ec"}[n]
		o.keys = append(o.keys, j)
	}
	o.Server = httptest.NewServer(http.HandlerFunc(o.serve))
	t.Cleanup(o.Close)
	return o
}

func (o *op) issuer() string {
	if o.slash {
		return o.URL + "/"
	}
	return o.URL
}

// count is how often a path was asked.
func (o *op) count(path string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked[path]
}

func (o *op) serve(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked[r.URL.Path]++
	reply := func(body any) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(body)
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		d := map[string]any{
			"issuer": o.issuer(), "authorization_endpoint": o.URL + "/authorize?own=1", "token_endpoint": o.URL + "/token", "jwks_uri": o.URL + "/keys",
			"userinfo_endpoint": o.URL + "/userinfo", "id_token_signing_alg_values_supported": []string{"RS256", "PS256", "ES256", "HS256", "none"},
			"token_endpoint_auth_methods_supported": []string{"private_key_jwt", "client_secret_basic", "client_secret_post"},
		}
		if o.about != nil {
			o.about(d)
		}
		reply(d)
	case "/keys":
		reply(map[string]any{"keys": o.keys})
	case "/token", "/par":
		r.ParseForm()
		o.form, o.header = r.PostForm, r.Header
		if r.URL.Path == "/par" {
			w.WriteHeader(http.StatusCreated)
			reply(map[string]any{"request_uri": "urn:example:1", "expires_in": 60})
			return
		}
		switch a := o.answer().(type) {
		case func(http.ResponseWriter):
			a(w)
		default:
			reply(a)
		}
	case "/userinfo":
		o.info(w.Header())
		io.WriteString(w, o.infoed)
	default:
		http.NotFound(w, r)
	}
}

func (o *op) config() Config {
	return Config{
		ID: "prov-id", Title: providers.Text{SV: "Prov-id", EN: "Trial ID"}, Instance: "prov", Issuer: o.issuer(), ClientID: "prov",
		AuthMethod: ClientSecretPost, Secret: "hemligt", RedirectURL: back,
		Claims: Claims{Number: []string{"https://a.example/claims/nr.1", "coordination"}, Country: "land", Level: "loa"},
		Levels: map[string]providers.Level{"three": providers.Level3, "own": providers.LevelUncertified3}, Approved: true,
		Log: slog.New(slog.DiscardHandler),
	}
}

// order is one that was begun, with what went to the browser.
type order struct {
	p      *Provider
	o      *op
	state  providers.State
	sent   url.Values
	handle string
}

func begin(t testing.TB, o *op, c Config, change ...func(*providers.Request)) *order {
	t.Helper()
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return start(t, o, p, change...)
}

func start(t testing.TB, o *op, p *Provider, change ...func(*providers.Request)) *order {
	t.Helper()
	r := providers.Request{Mode: providers.ModeThis, Binding: []byte("a binding of thirty-two bytes .."), Handle: rand.Text(), Lang: "sv"}
	for _, f := range change {
		f(&r)
	}
	s, step, err := p.Start(t.Context(), r)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	to, err := url.Parse(step.(providers.Redirect).URL)
	if err != nil {
		t.Fatal(err)
	}
	return &order{p: p, o: o, state: s, sent: to.Query(), handle: r.Handle}
}

// claims are those of an honest ID Token.
func (d *order) claims() map[string]any {
	now := time.Now().Unix()
	return map[string]any{
		"iss": d.o.issuer(), "sub": "someone", "aud": "prov", "iat": now, "exp": now + 300, "auth_time": now, "nonce": d.sent.Get("nonce"), "jti": rand.Text(),
		"https://a.example/claims/nr.1": person, "land": "SE", "loa": "three", "name": "Testperson Ett", "given_name": "Testperson", "family_name": "Ett",
	}
}

// sign makes a token with one of the issuer's keys.
func sign(t testing.TB, alg string, claims map[string]any, header map[string]any, key any) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.GetSigningMethod(alg), jwt.MapClaims(claims))
	token.Header["kid"] = map[string]string{"RS256": "rsa", "PS256": "rsa", "ES256": "ec"}[alg]
	for name, value := range header {
		token.Header[name] = value
		if value == nil {
			delete(token.Header, name)
		}
	}
	if key == nil {
		key = keyring().rsa
		if alg == "ES256" {
			key = keyring().ec
		}
	}
	raw, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// rawToken signs any bytes as the content of a token.
func rawToken(t testing.TB, header, content string) string {
	t.Helper()
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(content))
	sig, err := jwt.SigningMethodRS256.Sign(text, keyring().rsa)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// ends gives the issuer's answer to an order and says how that ended.
func (d *order) ends(t testing.TB, idToken string) providers.Step {
	t.Helper()
	d.o.mu.Lock()
	d.o.answer = func() any {
		return map[string]any{"access_token": "access", "token_type": "bearer", "expires_in": 60, "id_token": idToken}
	}
	d.o.mu.Unlock()
	return d.comes(t, nil)
}

// comes brings the browser back and goes on to the end.
func (d *order) comes(t testing.TB, form url.Values) providers.Step {
	t.Helper()
	if form == nil {
		form = url.Values{"code": {"a-code"}, "state": {d.handle}}
	}
	s, step, err := d.p.Continue(t.Context(), d.state, providers.Event{Kind: providers.Callback, At: providers.BackPath, Form: form})
	if err != nil {
		t.Fatalf("continue: %v", err)
	}
	if _, ok := step.(providers.Wait); !ok {
		return step
	}
	_, step, err = d.p.Continue(t.Context(), s, providers.Event{Kind: providers.Tick})
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	return step
}

func failure(t testing.TB, step providers.Step) providers.Failed {
	t.Helper()
	f, ok := step.(providers.Failed)
	if !ok {
		t.Fatalf("ended with %T", step)
	}
	if f.Text.SV == "" || f.Text.EN == "" {
		t.Error("says nothing to people")
	}
	return f
}

func proven(t testing.TB, step providers.Step) providers.Done {
	t.Helper()
	done, ok := step.(providers.Done)
	if !ok {
		f, _ := step.(providers.Failed)
		t.Fatalf("ended with %T %s %s", step, f.Reason, f.Check)
	}
	return done
}
