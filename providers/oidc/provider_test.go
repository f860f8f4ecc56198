package oidc

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sigill/providers"
	"sigill/providers/personnummer"
)

// Every ending of an exchange: what is safe to ask again is asked again, and what
// may have been answered is lost, never guessed.
func TestRedeeming(t *testing.T) {
	status := func(code int, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			io.WriteString(w, body)
		}
	}
	for _, tt := range []struct {
		name   string
		answer func(http.ResponseWriter)
		reason providers.Reason // empty: asked again
	}{
		{"busy", status(503, ""), ""},
		{"too many", status(429, `{"error":"slow_down"}`), ""},
		{"broken", status(500, ""), providers.ResultLost},
		{"broken, with a code", status(500, `{"error":"server_error"}`), providers.ResultLost},
		{"broken gateway", status(502, "<html>"), providers.ResultLost},
		{"used code", status(400, `{"error":"invalid_grant"}`), providers.ResultLost},
		{"used code, with status 200", status(200, `{"error":"invalid_grant"}`), providers.ResultLost},
		{"unknown client", status(401, `{"error":"invalid_client"}`), providers.IssuerDown},
		{"page", status(200, "<html>"), providers.ResultLost},
		{"sent on", func(w http.ResponseWriter) {
			w.Header().Set("Location", "/token2")
			w.WriteHeader(307)
		}, providers.ResultLost},
		{"without end", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.Write(bytes.Repeat([]byte(" "), 2*maxAnswer))
			io.WriteString(w, `{"access_token":"a"}`)
		}, providers.ResultLost},
		{"cut off", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, `{"access`)
		}, providers.ResultLost},
		{"hung up", func(w http.ResponseWriter) { panic(http.ErrAbortHandler) }, providers.ResultLost},
		{"no ID Token", status(200, `{"access_token":"a","token_type":"bearer"}`), providers.EvidenceRefused},
		{"two ID Tokens", status(200, `{"access_token":"a","token_type":"bearer","id_token":["a","b"]}`), providers.EvidenceRefused},
		{"token of another type", status(200, `{"access_token":"a","token_type":"mac","id_token":"e30.e30.e30"}`), providers.EvidenceRefused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOP(t)
			o.Config.ErrorLog = nil
			o.answer = func() any { return tt.answer }
			d := begin(t, o, o.config())
			if tt.reason != "" {
				f := failure(t, d.comes(t, nil))
				if f.Reason != tt.reason {
					t.Errorf("ended as %s at %q", f.Reason, f.Check)
				}
				if n := o.count("/token"); n != 1 || o.count("/token2") != 0 {
					t.Errorf("the code was sent %d times", n)
				}
				return
			}
			for range 2 {
				s, step, err := d.p.Continue(t.Context(), d.state, callback(d.handle))
				var down *providers.Unavailable
				if !errors.As(err, &down) || step != nil || !bytes.Equal(s, d.state) {
					t.Fatalf("%T, %v", step, err)
				}
			}
			proven(t, d.ends(t, sign(t, RS256, d.claims(), nil, nil)))
		})
	}
}

func callback(handle string) providers.Event {
	return providers.Event{Kind: providers.Callback, At: providers.BackPath, Form: url.Values{"code": {"a-code"}, "state": {handle}}}
}

// A token endpoint that nothing reaches has not seen the code.
func TestNothingSentIsSafe(t *testing.T) {
	o := newOP(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.about = func(d map[string]any) { d["token_endpoint"] = "http://" + l.Addr().String() + "/token" }
	l.Close()
	d := begin(t, o, o.config())
	s, step, err := d.p.Continue(t.Context(), d.state, callback(d.handle))
	var down *providers.Unavailable
	if !errors.As(err, &down) || step != nil || !bytes.Equal(s, d.state) {
		t.Errorf("%T, %v", step, err)
	}
	if strings.Contains(err.Error(), "a-code") {
		t.Error("the code is in an error")
	}
}

// Keys that cannot be had keep a code from being spent; once it is spent, its answer
// is kept until they can be had.
func TestKeysThatCannotBeHad(t *testing.T) {
	o := newOP(t)
	keys := o.keys
	o.keys = nil
	c := o.config()
	late := time.Duration(0)
	c.Clock = func() time.Time { return time.Now().Add(late) }
	d := begin(t, o, c)
	_, _, err := d.p.Continue(t.Context(), d.state, callback(d.handle))
	var down *providers.Unavailable
	if !errors.As(err, &down) || o.count("/token") != 0 {
		t.Errorf("without keys: %v, after %d exchanges", err, o.count("/token"))
	}
	late += pause
	o.keys = keys[1:] // the ID Token will be signed with the other
	o.answer = func() any {
		o.keys = nil
		return map[string]any{"access_token": "access", "token_type": "Bearer", "id_token": sign(t, RS256, d.claims(), nil, nil)}
	}
	s, step, err := d.p.Continue(t.Context(), d.state, callback(d.handle))
	if w, ok := step.(providers.Wait); err != nil || !ok || w.Next != 0 {
		t.Fatalf("%T, %v", step, err)
	}
	for range 2 {
		again, step, err := d.p.Continue(t.Context(), s, providers.Event{Kind: providers.Tick})
		if !errors.As(err, &down) || step != nil || !bytes.Equal(again, s) {
			t.Errorf("%T, %v", step, err)
		}
	}
	o.keys = keys
	_, step, err = d.p.Continue(t.Context(), s, providers.Event{Kind: providers.Tick})
	if err != nil {
		t.Fatal(err)
	}
	proven(t, step)
}

// What an issuer says of itself is compared byte for byte, and its addresses are
// looked at before anything goes there.
func TestDiscovery(t *testing.T) {
	o := newOP(t)
	o.slash = true
	d := begin(t, o, o.config())
	proven(t, d.ends(t, sign(t, RS256, d.claims(), nil, nil)))
	if d.sent.Get("own") != "1" {
		t.Error("the query of the endpoint itself is lost")
	}

	c := o.config()
	c.Issuer = strings.TrimSuffix(c.Issuer, "/")
	o.about = func(d map[string]any) { d["issuer"] = o.URL + "/" }
	fails(t, c, "calls itself something else")

	for name, change := range map[string]func(map[string]any){
		"no token endpoint":       func(d map[string]any) { delete(d, "token_endpoint") },
		"no keys":                 func(d map[string]any) { delete(d, "jwks_uri") },
		"no authorization":        func(d map[string]any) { delete(d, "authorization_endpoint") },
		"plain http elsewhere":    func(d map[string]any) { d["token_endpoint"] = "http://192.0.2.1/token" },
		"a name and a password":   func(d map[string]any) { d["token_endpoint"] = "https://a:b@example.com/token" },
		"another scheme":          func(d map[string]any) { d["jwks_uri"] = "file:///etc/passwd" },
		"a fragment":              func(d map[string]any) { d["authorization_endpoint"] = o.URL + "/a#b" },
		"a bad optional endpoint": func(d map[string]any) { d["pushed_authorization_request_endpoint"] = "ftp://example.com" },
		"without end":             func(d map[string]any) { d["more"] = strings.Repeat("a", maxAnswer) },
		"of another type":         func(d map[string]any) { d["scopes_supported"] = 7 },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOP(t)
			o.about = change
			fails(t, o.config(), "discovery")
		})
	}
}

func fails(t *testing.T, c Config, want string) {
	t.Helper()
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	_, step, err := p.Start(t.Context(), providers.Request{Mode: providers.ModeThis, Binding: make([]byte, 32), Handle: "h"})
	var down *providers.Unavailable
	if !errors.As(err, &down) || step != nil || !strings.Contains(err.Error(), want) {
		t.Errorf("started: %v", err)
	}
}

// What is known of an issuer is kept for a while, and longer while it cannot be
// asked.
func TestWhatIsKnownIsKept(t *testing.T) {
	o := newOP(t)
	c := o.config()
	now := time.Now()
	c.Clock = func() time.Time { return now }
	d := begin(t, o, c)
	p := d.p
	for range 5 {
		start(t, o, p)
	}
	if n := o.count("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("discovery was asked %d times", n)
	}
	now = now.Add(time.Hour)
	start(t, o, p)
	if n := o.count("/.well-known/openid-configuration"); n != 2 {
		t.Errorf("an hour later: %d times", n)
	}
	o.about = func(d map[string]any) { d["issuer"] = "https://other.example" }
	now = now.Add(time.Hour)
	for range 5 {
		start(t, o, p)
	}
	if n := o.count("/.well-known/openid-configuration"); n != 3 {
		t.Errorf("while it says something else: %d times", n)
	}
	now = now.Add(again)
	start(t, o, p)
	if n := o.count("/.well-known/openid-configuration"); n != 4 {
		t.Errorf("a little later: %d times", n)
	}
	now = now.Add(-24 * time.Hour) // set back
	start(t, o, p)
	if n := o.count("/.well-known/openid-configuration"); n != 5 {
		t.Errorf("by a clock set back: %d times", n)
	}
}

// Tokens that name keys at random do not have the set read without end.
func TestUnknownKeysAreLookedForSeldom(t *testing.T) {
	o := newOP(t)
	c := o.config()
	now := time.Now()
	c.Clock = func() time.Time { return now }
	p := begin(t, o, c).p
	for n := range 30 {
		d := start(t, o, p)
		if f := failure(t, d.ends(t, sign(t, RS256, d.claims(), map[string]any{"kid": fmt.Sprint(n)}, nil))); f.Check != "key" {
			t.Errorf("ended at %s", f.Check)
		}
	}
	if n := o.count("/keys"); n > maxMisses+1 {
		t.Errorf("the keys were read %d times", n)
	}
	before := o.count("/keys")
	now = now.Add(time.Minute)
	o.keys[0].Kid = "new"
	d := start(t, o, p)
	proven(t, d.ends(t, sign(t, RS256, d.claims(), map[string]any{"kid": "new", "iat": nil}, nil)))
	if o.count("/keys") != before+1 {
		t.Errorf("for a new key the set was read %d times", o.count("/keys")-before)
	}
}

// A key that the issuer has taken back is believed no longer than the set is fresh.
func TestKeyThatIsTakenBack(t *testing.T) {
	o := newOP(t)
	c := o.config()
	shift := time.Duration(0)
	c.Clock = func() time.Time { return time.Now().Add(shift) }
	c.Skew = 3 * time.Hour // the issuer's clock stays behind in this test
	d := begin(t, o, c)
	proven(t, d.ends(t, sign(t, RS256, d.claims(), nil, nil)))
	o.keys = o.keys[1:]
	shift = 61 * time.Minute
	d = start(t, o, d.p)
	if f := failure(t, d.ends(t, sign(t, RS256, d.claims(), nil, nil))); f.Check != "key" {
		t.Errorf("ended at %s", f.Check)
	}
}

// How we say who we are, at both endpoints.
func TestClientAuthentication(t *testing.T) {
	for _, method := range []string{ClientSecretBasic, ClientSecretPost, PrivateKeyJWT} {
		for _, pushed := range []bool{false, true} {
			t.Run(fmt.Sprint(method, " pushed=", pushed), func(t *testing.T) {
				o := newOP(t)
				if pushed {
					o.about = func(d map[string]any) { d["pushed_authorization_request_endpoint"] = o.URL + "/par" }
				}
				c := o.config()
				c.AuthMethod, c.ClientID, c.Secret = method, "a:b c", "h?m:l gt"
				if method == PrivateKeyJWT {
					c.Secret, c.Keys = "", []crypto.Signer{keyring().client, keyring().rsa}
				}
				d := begin(t, o, c)
				jtis := map[string]bool{}
				check := func() {
					t.Helper()
					id, secret, basic := (&http.Request{Header: o.header}).BasicAuth()
					switch method {
					case ClientSecretBasic:
						if !basic || id != url.QueryEscape(c.ClientID) || secret != url.QueryEscape(c.Secret) || o.form.Has("client_secret") {
							t.Error("not as a header")
						}
					case ClientSecretPost:
						if basic || o.form.Get("client_id") != c.ClientID || o.form.Get("client_secret") != c.Secret {
							t.Error("not in the form")
						}
					case PrivateKeyJWT:
						if basic || o.form.Has("client_secret") || o.form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
							t.Error("not by an assertion")
						}
						claims := jwt.RegisteredClaims{}
						published, _ := parseKeys(d.p.Documents()[JWKSPath].Bytes)
						_, err := jwt.ParseWithClaims(o.form.Get("client_assertion"), &claims, func(token *jwt.Token) (any, error) {
							for _, k := range published {
								if k.Kid == token.Header["kid"] {
									return k.key()
								}
							}
							return nil, errors.New("unknown key")
						}, jwt.WithValidMethods([]string{ES256}), jwt.WithExpirationRequired(), jwt.WithAudience(o.URL), jwt.WithIssuer(c.ClientID), jwt.WithSubject(c.ClientID))
						if err != nil || len(published) != 2 || claims.ID == "" || jtis[claims.ID] || time.Until(claims.ExpiresAt.Time) > 2*time.Minute {
							t.Errorf("assertion: %v", err)
						}
						jtis[claims.ID] = true
					}
				}
				if pushed {
					check()
					if o.form.Get("nonce") == "" || o.form.Get("state") != d.handle || o.form.Get("code_challenge_method") != "S256" {
						t.Error("the request was not pushed whole")
					}
					if d.sent.Get("request_uri") != "urn:example:1" || d.sent.Has("state") || d.sent.Has("client_assertion") || d.sent.Has("client_secret") {
						t.Error("the browser takes along more than the name of the request")
					}
				}
				asked := o.form
				o.answer = func() any { return map[string]any{} }
				failure(t, d.comes(t, nil))
				check()
				challenge := d.sent.Get("code_challenge")
				if pushed {
					challenge = asked.Get("code_challenge")
				}
				if sum := sha256.Sum256([]byte(o.form.Get("code_verifier"))); encode(sum[:]) != challenge || o.form.Get("redirect_uri") != back || o.form.Get("grant_type") != "authorization_code" {
					t.Error("the exchange is not whole")
				}
			})
		}
	}
}

func TestAuthorizationRequest(t *testing.T) {
	o := newOP(t)
	c := o.config()
	c.Scopes, c.ACRValues, c.AuthAge = []string{"profile", "a"}, []string{"x", "y"}, 5*time.Minute
	d := begin(t, o, c)
	for name, want := range map[string]string{
		"client_id": "prov", "response_type": "code", "redirect_uri": back, "scope": "openid profile a", "state": d.handle, "acr_values": "x y",
		"prompt": "login", "max_age": "300", "ui_locales": "sv", "code_challenge_method": "S256", "own": "1",
	} {
		if got := d.sent[name]; !slices.Equal(got, []string{want}) {
			t.Errorf("%s is %q", name, got)
		}
	}
	if len(d.sent.Get("nonce")) != 43 || len(d.sent.Get("code_challenge")) != 43 || d.sent.Has("client_secret") {
		t.Error("nonce or challenge")
	}
	same := start(t, o, d.p) // with the same binding
	for _, name := range []string{"nonce", "code_challenge"} {
		if same.sent.Get(name) == d.sent.Get(name) {
			t.Errorf("two orders have the same %s", name)
		}
	}
	c.Prompt = "none"
	if begin(t, o, c).sent.Has("prompt") {
		t.Error("asks for no interaction")
	}
	// With max_age the issuer must say when.
	claims := d.claims()
	delete(claims, "auth_time")
	if f := failure(t, d.ends(t, sign(t, RS256, claims, nil, nil))); f.Check != "auth-time" {
		t.Errorf("ended at %s", f.Check)
	}
	d = start(t, o, d.p)
	claims = d.claims()
	claims["auth_time"] = time.Now().Add(-4 * time.Minute).Unix()
	proven(t, d.ends(t, sign(t, RS256, claims, nil, nil)))
}

// What a browser brings, from this issuer or another.
func TestAnswersThroughTheBrowser(t *testing.T) {
	for _, says := range []bool{false, true} {
		o := newOP(t)
		o.answer = func() any { return map[string]any{} }
		if says {
			o.about = func(d map[string]any) { d["authorization_response_iss_parameter_supported"] = true }
		}
		for _, tt := range []struct {
			name   string
			form   url.Values // state is set to the order's where it says "-"
			reason providers.Reason
			check  string
		}{
			{"other issuer", url.Values{"code": {"c"}, "state": {"-"}, "iss": {"https://other.example"}}, providers.EvidenceRefused, "issuer-parameter"},
			{"issuer with a slash", url.Values{"code": {"c"}, "state": {"-"}, "iss": {o.URL + "/"}}, providers.EvidenceRefused, "issuer-parameter"},
			{"empty issuer", url.Values{"code": {"c"}, "state": {"-"}, "iss": {""}}, providers.EvidenceRefused, "issuer-parameter"},
			{"other issuer's refusal", url.Values{"error": {"access_denied"}, "state": {"-"}, "iss": {"https://other.example"}}, providers.EvidenceRefused, "issuer-parameter"},
			{"other state", url.Values{"code": {"c"}, "state": {"x"}, "iss": {o.URL}}, providers.EvidenceRefused, "state"},
			{"no state", url.Values{"code": {"c"}, "iss": {o.URL}}, providers.EvidenceRefused, "state"},
			{"code twice", url.Values{"code": {"c", "c"}, "state": {"-"}, "iss": {o.URL}}, providers.EvidenceRefused, "form"},
			{"code and error", url.Values{"code": {"c"}, "error": {"access_denied"}, "state": {"-"}, "iss": {o.URL}}, providers.EvidenceRefused, "form"},
			{"neither", url.Values{"state": {"-"}, "iss": {o.URL}}, providers.EvidenceRefused, "form"},
			{"empty code", url.Values{"code": {""}, "state": {"-"}, "iss": {o.URL}}, providers.EvidenceRefused, "code"},
			{"long code", url.Values{"code": {strings.Repeat("c", maxCode+1)}, "state": {"-"}, "iss": {o.URL}}, providers.EvidenceRefused, "code"},
			{"code with a line", url.Values{"code": {"c\r\nd"}, "state": {"-"}, "iss": {o.URL}}, providers.EvidenceRefused, "code"},
			{"something large", url.Values{"code": {"c"}, "state": {"-"}, "iss": {o.URL}, "x": {strings.Repeat("c", 4*maxCode)}}, providers.EvidenceRefused, "form"},
			{"no", url.Values{"error": {"access_denied"}, "state": {"-"}, "iss": {o.URL}, "error_description": {"<b>Ett</b>"}}, providers.Cancelled, ""},
			{"too low", url.Values{"error": {"unmet_authentication_requirements"}, "state": {"-"}, "iss": {o.URL}}, providers.LevelTooLow, ""},
			{"busy", url.Values{"error": {"temporarily_unavailable"}, "state": {"-"}, "iss": {o.URL}}, providers.IssuerDown, ""},
			{"broken", url.Values{"error": {"server_error"}, "state": {"-"}, "iss": {o.URL}}, providers.IssuerDown, ""},
			{"too late", url.Values{"error": {"transaction_expired"}, "state": {"-"}, "iss": {o.URL}}, providers.TimedOut, ""},
			{"something else", url.Values{"error": {"Testperson <Ett>"}, "state": {"-"}, "iss": {o.URL}}, providers.Unknown, ""},
		} {
			d := begin(t, o, o.config())
			if tt.form.Get("state") == "-" {
				tt.form.Set("state", d.handle)
			}
			f := failure(t, d.comes(t, tt.form))
			if f.Reason != tt.reason || f.Check != tt.check {
				t.Errorf("%s: %s at %q", tt.name, f.Reason, f.Check)
			}
			if strings.ContainsAny(f.Hint+f.Text.SV+f.Text.EN, "<>") {
				t.Errorf("%s: says what the issuer said", tt.name)
			}
		}
		if o.count("/token") != 0 {
			t.Errorf("%d codes were sent", o.count("/token"))
		}
		d := begin(t, o, o.config())
		step := d.comes(t, url.Values{"code": {"c"}, "state": {d.handle}})
		if f := failure(t, step); (f.Check == "issuer-parameter") != says {
			t.Errorf("no issuer, where it says that it names itself: %v: %s", says, f.Check)
		}
	}
}

// The answer to a login counts where logins come back to, and nowhere else.
func TestAnswersElsewhere(t *testing.T) {
	o := newOP(t)
	for _, at := range []string{"", providers.SignBackPath, "back/", "Back"} {
		d := begin(t, o, o.config())
		e := callback(d.handle)
		e.At = at
		_, step, err := d.p.Continue(t.Context(), d.state, e)
		if err != nil {
			t.Fatal(err)
		}
		if f := failure(t, step); f.Check != "address" {
			t.Errorf("at %q: ended at %s", at, f.Check)
		}
	}
}

// replays is a providers.Replay that fails when told to.
type replays struct {
	mu   sync.Mutex
	seen map[string]string
	err  error
}

func (r *replays) Seen(_ context.Context, key, owner string, until time.Time) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return false, r.err
	}
	if until.Before(time.Now()) { // nothing is remembered so short
		return true, nil
	}
	if had, ok := r.seen[key]; ok {
		return had != owner, nil
	}
	r.seen[key] = owner
	return false, nil
}

// An issuer that gives the same token out twice gives it to one order.
func TestOneTokenOneOrder(t *testing.T) {
	o := newOP(t)
	c := o.config()
	memory := &replays{seen: map[string]string{}}
	c.Replay = memory
	for n, want := range []string{"", "replay"} {
		d := begin(t, o, c)
		claims := d.claims()
		claims["jti"] = "fixe"
		step := d.ends(t, sign(t, RS256, claims, nil, nil))
		if n == 0 {
			proven(t, step)
		} else if f := failure(t, step); f.Check != want {
			t.Errorf("ended at %s", f.Check)
		}
	}
	memory.err = errors.New("no memory")
	d := begin(t, o, c)
	o.answer = func() any {
		return map[string]any{"access_token": "access", "token_type": "Bearer", "id_token": sign(t, RS256, d.claims(), nil, nil)}
	}
	s, _, err := d.p.Continue(t.Context(), d.state, callback(d.handle))
	if err != nil {
		t.Fatal(err)
	}
	after, step, err := d.p.Continue(t.Context(), s, providers.Event{Kind: providers.Tick})
	if err == nil || step != nil || !bytes.Equal(after, s) {
		t.Fatalf("without a memory: %T, %v", step, err)
	}
	memory.err = nil
	_, step, err = d.p.Continue(t.Context(), s, providers.Event{Kind: providers.Tick})
	if err != nil {
		t.Fatal(err)
	}
	proven(t, step)
}

func TestUserinfo(t *testing.T) {
	o := newOP(t)
	c := o.config()
	c.Userinfo = true
	ask := func(change func(map[string]any), key any, media string) (*order, providers.Step) {
		d := begin(t, o, c)
		claims := d.claims()
		for _, name := range []string{"name", "given_name", "family_name", "loa"} {
			delete(claims, name)
		}
		claims["loa"] = "own"
		info := map[string]any{"iss": o.URL, "aud": "prov", "sub": "someone", "name": "Testperson Ett", "https://a.example/claims/nr.1": other, "loa": "three"}
		change(info)
		o.infoed = sign(t, ES256, info, map[string]any{"typ": nil}, key)
		o.info = func(h http.Header) { h.Set("Content-Type", media) }
		return d, d.ends(t, sign(t, RS256, claims, nil, nil))
	}
	same := func(map[string]any) {}
	_, step := ask(same, nil, "application/jwt")
	if id := proven(t, step).Identity; id.Name != "Testperson Ett" || id.Number.Digits() != person || id.Level != providers.LevelUncertified3 {
		t.Errorf("%s of level %v: what the ID Token says does not hold", id.Number, id.Level)
	}
	for name, tt := range map[string]struct {
		change func(map[string]any)
		key    any
		media  string
	}{
		"of somebody else":     {func(c map[string]any) { c["sub"] = "another" }, nil, "application/jwt"},
		"of nobody":            {func(c map[string]any) { delete(c, "sub") }, nil, "application/jwt"},
		"for another":          {func(c map[string]any) { c["aud"] = "other" }, nil, "application/jwt"},
		"of another issuer":    {func(c map[string]any) { c["iss"] = "other" }, nil, "application/jwt"},
		"by nobody":            {func(c map[string]any) { delete(c, "iss") }, nil, "application/jwt"},
		"signed by a stranger": {same, keyring().client, "application/jwt"},
		"unsigned":             {same, nil, "application/json"},
	} {
		_, step := ask(tt.change, tt.key, tt.media)
		if f := failure(t, step); f.Check != "userinfo" {
			t.Errorf("%s: ended at %s", name, f.Check)
		}
	}
}

// Without approval nothing is more than uncertified, whatever the table says.
func TestLevels(t *testing.T) {
	o := newOP(t)
	for _, approved := range []bool{false, true} {
		c := o.config()
		c.Approved = approved
		d := begin(t, o, c)
		want := providers.LevelUncertified3
		if approved {
			want = providers.Level3
		}
		if got := d.p.Info().Level; got != want {
			t.Errorf("may give %v", got)
		}
		if id := proven(t, d.ends(t, sign(t, RS256, d.claims(), nil, nil))).Identity; id.Level != want {
			t.Errorf("gives %v", id.Level)
		}
	}
}

func TestCoordinationNumbers(t *testing.T) {
	o := newOP(t)
	c := o.config()
	c.CoordNumbers = true
	d := begin(t, o, c)
	claims := d.claims()
	delete(claims, "https://a.example/claims/nr.1")
	claims["coordination"] = coord
	if id := proven(t, d.ends(t, sign(t, RS256, claims, nil, nil))).Identity; !id.Number.Coordination() {
		t.Error("not a coordination number")
	}
	if !d.p.Info().CoordNumbers {
		t.Error("does not say so")
	}
}

func TestWrongPerson(t *testing.T) {
	o := newOP(t)
	n, err := personnummer.FromDigits(other)
	if err != nil {
		t.Fatal(err)
	}
	d := begin(t, o, o.config(), func(r *providers.Request) { r.Number = n })
	if f := failure(t, d.ends(t, sign(t, RS256, d.claims(), nil, nil))); f.Check != "person" {
		t.Errorf("ended at %s", f.Check)
	}
}

func TestConfig(t *testing.T) {
	good := Freja(Config{Instance: "prov", ClientID: "id", AuthMethod: ClientSecretBasic, Secret: "s", RedirectURL: "https://e.example.se/eid/prov/back"})
	p, err := New(good)
	if err != nil {
		t.Fatal(err)
	}
	info := p.Info()
	if info.ID != providers.Freja || info.Name == "" || !info.Site || info.Level != providers.LevelUncertified3 || p.c.Issuer != FrejaIssuer || p.Documents() != nil {
		t.Errorf("%+v", info)
	}
	for name, change := range map[string]func(*Config){
		"no issuer":              func(c *Config) { c.Issuer = "" },
		"issuer by http":         func(c *Config) { c.Issuer = "http://example.com" },
		"issuer with a query":    func(c *Config) { c.Issuer = "https://example.com/?a=b" },
		"issuer with a password": func(c *Config) { c.Issuer = "https://a:b@example.com" },
		"no client":              func(c *Config) { c.ClientID = "" },
		"no secret":              func(c *Config) { c.Secret = "" },
		"a key and a secret":     func(c *Config) { c.Keys = []crypto.Signer{keyring().client} },
		"no key":                 func(c *Config) { c.AuthMethod, c.Secret = PrivateKeyJWT, "" },
		"a key that is none":     func(c *Config) { c.AuthMethod, c.Secret, c.Keys = PrivateKeyJWT, "", []crypto.Signer{nil} },
		"no method":              func(c *Config) { c.AuthMethod = "none" },
		"somewhere else":         func(c *Config) { c.RedirectURL = "https://e.example.se/eid/prov" },
		"back by http":           func(c *Config) { c.RedirectURL = "http://e.example.se/eid/prov/back" },
		"no number":              func(c *Config) { c.Claims.Number = nil },
		"no level":               func(c *Config) { c.Levels = nil },
		"a level of nothing":     func(c *Config) { c.Levels = map[string]providers.Level{"": providers.Level3} },
		"a level for nothing":    func(c *Config) { c.Levels = map[string]providers.Level{"x": providers.LevelNone} },
		"alg none":               func(c *Config) { c.Algorithms = []string{"none"} },
		"alg HS256":              func(c *Config) { c.Algorithms = []string{RS256, "HS256"} },
		"BankID":                 func(c *Config) { c.ID = providers.BankID },
		"no id":                  func(c *Config) { c.ID = "Å" },
		"no title":               func(c *Config) { c.ID = "annan" },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: taken", name)
		} else if strings.Contains(err.Error(), "a:b") {
			t.Errorf("%s: the error says more than it may", name)
		}
	}
}

func TestCheck(t *testing.T) {
	o := newOP(t)
	bad := func(c Config) (list []string) {
		p, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		findings := p.Check(t.Context())
		if len(findings) == 0 {
			t.Error("looks at nothing")
		}
		for _, f := range findings {
			if f.What == "" || f.Said == "" && f.Ends.IsZero() {
				t.Errorf("says nothing: %+v", f)
			}
			if f.Bad {
				list = append(list, f.What)
			}
		}
		return list
	}
	if got := bad(o.config()); got != nil {
		t.Errorf("finds %q where nothing is", got)
	}
	for want, change := range map[string]func(*Config, map[string]any){
		"discovery":                    func(c *Config, d map[string]any) { d["issuer"] = "https://other.example" },
		"authentication of the client": func(c *Config, d map[string]any) { d["token_endpoint_auth_methods_supported"] = []string{"none"} },
		"algorithm of ID Tokens":       func(c *Config, d map[string]any) { d["id_token_signing_alg_values_supported"] = []string{"EdDSA"} },
		"PKCE":                         func(c *Config, d map[string]any) { d["code_challenge_methods_supported"] = []string{"plain"} },
		"scope":                        func(c *Config, d map[string]any) { d["scopes_supported"] = []string{"email"} },
		"level to ask for": func(c *Config, d map[string]any) {
			d["acr_values_supported"] = []string{"low"}
			c.ACRValues = []string{"high"}
		},
		"userinfo":          func(c *Config, d map[string]any) { delete(d, "userinfo_endpoint"); c.Userinfo = true },
		"the issuer's keys": func(c *Config, d map[string]any) { d["jwks_uri"] = o.URL + "/nowhere" },
		"the client":        func(c *Config, d map[string]any) { d["pushed_authorization_request_endpoint"] = o.URL + "/nowhere" },
		"the clocks":        func(c *Config, d map[string]any) { c.Clock = func() time.Time { return time.Now().Add(time.Hour) } },
	} {
		c := o.config()
		change(&c, map[string]any{})
		o.about = func(d map[string]any) { change(&Config{}, d) }
		if got := bad(c); !slices.Contains(got, want) {
			t.Errorf("%s: finds %q", want, got)
		}
	}
	o.about = nil
	c := o.config()
	c.CredentialEnds = time.Now().Add(time.Hour)
	p, _ := New(c)
	if d := p.Dates(); len(d) != 1 || !d[0].Ends.Equal(c.CredentialEnds) {
		t.Errorf("dates: %+v", d)
	}
	o.Close()
	if got := bad(o.config()); !slices.Contains(got, "the issuer's server") {
		t.Errorf("finds %q where nobody is", got)
	}
}

// Run asks at once and then again, and goes when it is told to.
func TestRun(t *testing.T) {
	o := newOP(t)
	c := o.config()
	c.Refresh = 10 * time.Millisecond
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); o.count("/keys") < 3; {
		if time.Now().After(deadline) {
			t.Fatal("does not ask")
		}
		<-time.After(time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Nothing that is secret or personal stands in what is logged, whatever happens.
func TestLogsSayNothing(t *testing.T) {
	o := newOP(t)
	var log bytes.Buffer
	c := o.config()
	c.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d := begin(t, o, c)
	raw := sign(t, RS256, d.claims(), nil, nil)
	proven(t, d.ends(t, raw))
	e := start(t, o, d.p)
	failure(t, e.ends(t, raw)) // the former's
	for _, secret := range []string{person, person[2:], "Testperson", raw, raw[:60], d.handle, e.handle, "a-code", "hemligt", "access\""} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("a secret of %d characters is logged", len(secret))
		}
	}
	if !strings.Contains(log.String(), "oidc evidence verified") {
		t.Error("logs nothing")
	}
}

// A state that is used up remembers nobody.
func TestStateForgets(t *testing.T) {
	o := newOP(t)
	d := begin(t, o, o.config())
	o.answer = func() any {
		return map[string]any{"access_token": "access", "token_type": "Bearer", "id_token": sign(t, RS256, d.claims(), nil, nil)}
	}
	s, _, err := d.p.Continue(t.Context(), d.state, callback(d.handle))
	if err != nil {
		t.Fatal(err)
	}
	s, step, err := d.p.Continue(t.Context(), s, providers.Event{Kind: providers.Tick})
	if err != nil {
		t.Fatal(err)
	}
	proven(t, step)
	var kept map[string]any
	if err := json.Unmarshal(s, &kept); err != nil || kept["answer"] != nil || kept["verifier"] != nil || kept["handle"] != nil {
		t.Errorf("keeps more than it needs: %v", err)
	}
}

// A state is continued by the connection that made it, and by no other.
func TestStatesOfOthers(t *testing.T) {
	o := newOP(t)
	d := begin(t, o, o.config())
	for name, change := range map[string]func(*Config){
		"another e-ID":     func(c *Config) { c.ID = "annan-id" },
		"another instance": func(c *Config) { c.Instance = "annan" },
		"another issuer":   func(c *Config) { c.Issuer = "https://other.example" },
		"another client":   func(c *Config) { c.ClientID = "annan" },
	} {
		c := o.config()
		change(&c)
		p, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range []providers.Event{{Kind: providers.Tick}, callback(d.handle)} {
			if _, step, err := p.Continue(t.Context(), d.state, e); !errors.Is(err, ErrState) || step != nil {
				t.Errorf("%s continues it: %T, %v", name, step, err)
			}
		}
	}
}
