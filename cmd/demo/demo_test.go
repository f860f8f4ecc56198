package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"

	"sigill/broker/kit/config"
	"sigill/testidp"
	"sigill/testidp/freja"
)

// start runs a whole demo on free ports until the test ends.
func start(t *testing.T, c Config) Running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan Running, 1), make(chan error, 1)
	c.FreePorts = true
	if c.Data == "" {
		c.Data = t.TempDir()
	}
	c.Ready = func(r Running) { ready <- r }
	go func() { ended <- Run(ctx, c) }()
	t.Cleanup(func() {
		stop()
		http.DefaultClient.CloseIdleConnections()
		if err := <-ended; err != nil {
			t.Errorf("demo: %v", err)
		}
	})
	select {
	case r := <-ready:
		return r
	case err := <-ended:
		ended <- err
		t.Fatalf("demo: %v", err)
	case <-time.After(5 * time.Minute):
		t.Fatal("the demo does not come up")
	}
	return Running{}
}

const callback = "http://localhost:8090/callback"

// application is an OpenID Connect client of the demo.
type application struct {
	t        *testing.T
	provider *oidc.Provider
	oauth    oauth2.Config
	key      *jwk // nil: by secret
	alg      string
}

func newApplication(t *testing.T, r Running, data, id string) *application {
	t.Helper()
	p, err := oidc.NewProvider(context.Background(), r.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	a := &application{t: t, provider: p, alg: "ES256", oauth: oauth2.Config{
		ClientID: id, Endpoint: p.Endpoint(), RedirectURL: callback,
		Scopes: []string{"openid", "https://id.oidc.se/scope/naturalPersonInfo", "https://id.oidc.se/scope/naturalPersonNumber"},
	}}
	if id == "demo-basic" {
		a.alg = "RS256"
		a.oauth.ClientSecret = "demo-basic-secret"
		return a
	}
	raw, err := os.ReadFile(filepath.Join(data, "clients", id+".jwk.json"))
	if err != nil {
		t.Fatal(err)
	}
	a.key = &jwk{}
	if err := json.Unmarshal(raw, a.key); err != nil {
		t.Fatal(err)
	}
	a.oauth.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	return a
}

// redeem takes the answer of the broker and gives the claims of the ID Token
// and of userinfo.
func (a *application) redeem(back *url.URL, state, nonce, verifier string) (token, info map[string]any) {
	a.t.Helper()
	q := back.Query()
	if !strings.HasPrefix(back.String(), callback+"?") || q.Get("state") != state || q.Get("code") == "" {
		a.t.Fatalf("came back to %s", back)
	}
	options := []oauth2.AuthCodeOption{oauth2.VerifierOption(verifier)}
	if a.key != nil {
		key, err := a.key.key()
		if err != nil {
			a.t.Fatal(err)
		}
		now := time.Now()
		assertion := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
			"iss": a.oauth.ClientID, "sub": a.oauth.ClientID, "aud": a.oauth.Endpoint.TokenURL, "jti": oauth2.GenerateVerifier(),
			"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		})
		assertion.Header["kid"] = a.key.KID
		text, err := assertion.SignedString(key)
		if err != nil {
			a.t.Fatal(err)
		}
		options = append(options, oauth2.SetAuthURLParam("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
			oauth2.SetAuthURLParam("client_assertion", text))
	}
	ctx := context.Background()
	got, err := a.oauth.Exchange(ctx, q.Get("code"), options...)
	if err != nil {
		a.t.Fatalf("token: %v", err)
	}
	raw, _ := got.Extra("id_token").(string)
	id, err := a.provider.Verifier(&oidc.Config{ClientID: a.oauth.ClientID, SupportedSigningAlgs: []string{a.alg}}).Verify(ctx, raw)
	if err != nil {
		a.t.Fatalf("id token: %v", err)
	}
	if id.Nonce != nonce {
		a.t.Errorf("nonce %q, want %q", id.Nonce, nonce)
	}
	user, err := a.provider.UserInfo(ctx, oauth2.StaticTokenSource(got))
	if err != nil {
		a.t.Fatalf("userinfo: %v", err)
	}
	if err := id.Claims(&token); err != nil {
		a.t.Fatal(err)
	}
	if err := user.Claims(&info); err != nil {
		a.t.Fatal(err)
	}
	return token, info
}

const numberClaim = "https://id.oidc.se/claim/personalIdentityNumber"

// The whole journey, without a screen: application, chooser, waiting page,
// phone, and back with a code.
func TestLogin(t *testing.T) {
	data := t.TempDir()
	r := start(t, Config{Data: data})
	person := r.Simulators.People()[0]

	for _, client := range []string{"demo-basic", "demo-sweden"} {
		for _, way := range []struct{ provider, device string }{{"mbankid", "other"}, {"bankid", "this"}} {
			t.Run(client+" "+way.provider, func(t *testing.T) {
				app := newApplication(t, r, data, client)
				browser := newVisitor(t, r.Issuer)
				state, nonce, verifier := oauth2.GenerateVerifier(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
				chooser := browser.get(app.oauth.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oidc.Nonce(nonce)))
				if chooser.status != 200 {
					t.Fatalf("chooser: %d at %s\n%s", chooser.status, chooser.url, chooser.body)
				}
				page := browser.post(chooser.url, url.Values{"provider": {way.provider}, "device": {way.device}})
				if page.status != 200 {
					t.Fatalf("waiting page: %d at %s\n%s", page.status, page.url, page.body)
				}
				var s status
				if way.device == "other" {
					s = browser.await(page.url, func(s status) bool { return s.QR != "" })
					order, err := r.Simulators.Scan(s.QR)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := r.Simulators.Approve(order, person.Number); err != nil {
						t.Fatal(err)
					}
				} else {
					s = browser.await(page.url, func(s status) bool { return s.Link != "" })
					link, err := url.Parse(s.Link)
					if err != nil || !strings.HasPrefix(s.Link, r.Simulators.URL()+"/app?") {
						t.Fatalf("app link %q: %v", s.Link, err)
					}
					order, err := r.Simulators.Open(link.Query().Get("autostarttoken"))
					if err != nil {
						t.Fatal(err)
					}
					result, err := r.Simulators.Approve(order, person.Number)
					if err != nil {
						t.Fatal(err)
					}
					// Before it came back the browser gets nothing, however long it waits.
					browser.await(page.url, func(s status) bool { return s.State == "returning" })
					if early := browser.get(page.url); early.away != "" {
						t.Fatalf("the login went on without the return: %s", early.away)
					}
					if back := browser.get(result.ReturnURL); back.url == page.url && back.status != 200 {
						t.Fatalf("return: %d\n%s", back.status, back.body)
					} else if back.away != "" {
						finishLogin(t, app, person.Number, back.away, state, nonce, verifier)
						return
					}
				}
				s = browser.await(page.url, func(s status) bool { return s.State == "complete" || s.State == "failed" })
				if s.State != "complete" {
					t.Fatalf("the login failed: %s", s)
				}
				finishLogin(t, app, person.Number, browser.finish(page.url, s).String(), state, nonce, verifier)
			})
		}
	}
	noNumbers(t, filepath.Join(data, "sigill.log"), person.Number)
}

// noNumbers: whatever was logged at debug level, the person is not in it.
func noNumbers(t *testing.T, file, number string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"msg":"request"`) {
		t.Errorf("the log is empty: %s", text)
	}
	if strings.Contains(string(text), number[2:]) || strings.Contains(string(text), number[2:8]+"-"+number[8:]) {
		t.Error("the log holds a personal number")
	}
}

func finishLogin(t *testing.T, app *application, number, away, state, nonce, verifier string) {
	t.Helper()
	back, err := url.Parse(away)
	if err != nil {
		t.Fatal(err)
	}
	token, info := app.redeem(back, state, nonce, verifier)
	if token[numberClaim] != number || info[numberClaim] != number {
		t.Errorf("the number is in neither place: %v, %v", token[numberClaim] != nil, info[numberClaim] != nil)
	}
	if info["name"] == nil || token["name"] != nil {
		t.Errorf("name in userinfo: %v, in the ID Token: %v", info["name"], token["name"])
	}
	if token["acr"] != "http://id.swedenconnect.se/loa/1.0/uncertified-loa3" {
		t.Errorf("acr: %v", token["acr"])
	}
}

// The example application: straight to the QR code, in, and out again.
func TestExampleApp(t *testing.T) {
	r := start(t, Config{})
	person := r.Simulators.People()[1]
	browser := newVisitor(t, r.Issuer, r.App)
	page := browser.get(r.App + "/login?provider=mbankid")
	if !strings.HasPrefix(page.url, r.Issuer+"/login/") || page.status != 200 {
		t.Fatalf("%d at %s\n%s", page.status, page.url, page.body)
	}
	if strings.Count(strings.TrimPrefix(page.url, r.Issuer), "/") == 2 { // still the chooser
		page = browser.post(page.url, url.Values{"provider": {"mbankid"}, "device": {"other"}})
	}
	s := browser.await(page.url, func(s status) bool { return s.QR != "" })
	order, err := r.Simulators.Scan(s.QR)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Simulators.Approve(order, person.Number); err != nil {
		t.Fatal(err)
	}
	s = browser.await(page.url, func(s status) bool { return s.State == "complete" })
	ref, err := url.Parse(page.url)
	if err != nil {
		t.Fatal(err)
	}
	if ref, err = ref.Parse(s.Redirect); err != nil {
		t.Fatal(err)
	}
	in := browser.get(ref.String())
	if in.url != r.App+"/" || !strings.Contains(in.body, "Du är inloggad") || !strings.Contains(in.body, person.Name()) {
		t.Fatalf("%d at %s\n%s", in.status, in.url, in.body)
	}
	if !strings.Contains(in.body, "<details><summary>Visa</summary>"+person.Number+"</details>") || strings.Count(in.body, person.Number) != 1 {
		t.Errorf("the number stands open:\n%s", in.body)
	}
	out := browser.post(r.App+"/logout", nil)
	if out.url != r.App+"/" || strings.Contains(out.body, "Du är inloggad") {
		t.Errorf("after logging out: %d at %s\n%s", out.status, out.url, out.body)
	}
	// The session at the broker has ended too: no way in without an e-ID.
	if again := browser.get(r.App + "/login"); !strings.HasPrefix(again.url, r.Issuer+"/login/") {
		t.Errorf("a new login ends at %s", again.url)
	}
}

// Ctrl-C while somebody is logging in ends everything soon and without a fault:
// the order rests in the store.
func TestStopWhileWaiting(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ready, ended := make(chan Running, 1), make(chan error, 1)
	go func() {
		ended <- Run(ctx, Config{Data: t.TempDir(), FreePorts: true, Ready: func(r Running) { ready <- r }})
	}()
	var r Running
	select {
	case r = <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	browser := newVisitor(t, r.Issuer, r.App)
	page := browser.post(browser.get(r.App+"/login").url, url.Values{"provider": {"mbankid"}, "device": {"other"}})
	browser.await(page.url, func(s status) bool { return s.QR != "" })
	began := time.Now()
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("does not stop")
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("took %s to stop", took)
	}
}

// What came from elsewhere, or twice, is refused.
func TestExampleAppRefuses(t *testing.T) {
	r := start(t, Config{})
	browser := newVisitor(t, r.Issuer, r.App)
	for _, q := range []string{"", "?code=x&state=y&iss=" + r.Issuer, "?error=access_denied&state=y"} {
		if got := browser.get(r.App + "/callback" + q); got.status != 400 {
			t.Errorf("callback%s: %d", q, got.status)
		}
	}
}

// What lasts, lasts: after a restart the keys of the clients and of the issuer
// are the same.
func TestRestart(t *testing.T) {
	data := t.TempDir()
	keysOf := func() (string, string) {
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		ready, ended := make(chan Running, 1), make(chan error, 1)
		go func() {
			ended <- Run(ctx, Config{Data: data, FreePorts: true, Ready: func(r Running) { ready <- r }})
		}()
		select {
		case r := <-ready:
			v := newVisitor(t, r.Issuer)
			body := v.get(r.Issuer + "/jwks").body
			v.http.CloseIdleConnections()
			http.DefaultClient.CloseIdleConnections()
			stop()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			client, err := os.ReadFile(filepath.Join(data, "clients", "demo-sweden.jwk.json"))
			if err != nil {
				t.Fatal(err)
			}
			return body, string(client)
		case err := <-ended:
			t.Fatal(err)
			return "", ""
		}
	}
	issuer, client := keysOf()
	issuer2, client2 := keysOf()
	if issuer != issuer2 || !strings.Contains(issuer, `"keys"`) {
		t.Errorf("the issuer's keys changed:\n%s\n%s", issuer, issuer2)
	}
	if client != client2 {
		t.Error("the client's key changed")
	}
}

func TestFurtherClients(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clients.yaml")
	if err := os.WriteFile(file, []byte("- id: extra\n  name: Extra\n  redirect_uris: [http://localhost:9999/cb]\n  secret: extra-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, Config{Clients: file})
	v := newVisitor(t, r.Issuer)
	for id, want := range map[string]int{"extra": 200, "unknown": 400} {
		got := v.get(r.Issuer + "/authorize?response_type=code&scope=openid&client_id=" + id + "&redirect_uri=http://localhost:9999/cb&state=x&nonce=y&code_challenge_method=S256&code_challenge=" + strings.Repeat("A", 43))
		if got.status != want {
			t.Errorf("client %s: %d at %s, want %d", id, got.status, got.url, want)
		}
	}
}

// The file that the demo writes is one that the production program reads.
func TestInstallation(t *testing.T) {
	dir := t.TempDir()
	sweden, err := clientKey(filepath.Join(dir, "clients", "s.jwk.json"), "s")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{testidp.TLSRootFile, testidp.SignatureRootFile, testidp.RPCertificateFile, testidp.RPKeyFile} {
		if err := replaceFile(filepath.Join(dir, "bankid", name), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"master.key", "seal/" + sealChain, "seal/" + sealKey, trustFile, "sms.password", signerHook, registerToken, staffSecret} {
		if err := replaceFile(filepath.Join(dir, name), []byte("whsec_"+strings.Repeat("eHh4", 8))); err != nil {
			t.Fatal(err)
		}
	}
	at := addresses{
		Issuer: "http://localhost:8080", App: "http://localhost:8084", Portal: "http://localhost:8081", phone: "http://localhost:8082",
		listenBroker: "localhost:8080", listenAdmin: "localhost:8083", listenPortal: "localhost:8081",
	}
	tenants, err := makePortal(Config{Data: dir}, &at)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"freja/" + freja.TLSRootFile, "freja/" + freja.JWSRootFile, "freja/" + freja.IntermediateFile, "freja/" + freja.JWSFile,
		"freja/" + freja.RPCertificateFile, "freja/" + freja.RPKeyFile, "saml/" + testidp.FederationFile,
		"saml/login.pem", "saml/login.key", "saml/signing.pem", "saml/signing.key", "oidc/" + oidcKey,
	} {
		for id := range tenants {
			if rest, ok := strings.CutPrefix(name, "freja/"); ok {
				if err := replaceFile(filepath.Join(dir, "freja", id, rest), []byte("x")); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := replaceFile(filepath.Join(dir, name), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for id := range tenants {
		for _, name := range []string{testidp.RPCertificateFile, testidp.RPKeyFile} {
			if err := replaceFile(filepath.Join(dir, "bankid", id, name), []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	text, err := installation(at, testidp.Material{BankIDURL: "https://localhost:8443/rp/v6.0/", AppURL: "http://localhost:8082/app"},
		eids{freja.Material{BaseURL: "https://localhost:8444", AppURL: "http://localhost:8082/app/freja"}, "http://127.0.0.1:8082/saml/telia/metadata", "http://localhost:8082/oidc/eid"}, "127.0.0.1:8025", "http://localhost:8082/sms/46elks/a1/sms", tenants, sweden, sweden)
	if err != nil {
		t.Fatal(err)
	}
	c, warnings, err := config.Parse(filepath.Join(dir, "sigill.yaml"), []byte(text))
	if err != nil || len(warnings) > 0 && !strings.Contains(warnings[0].Problem, "secret_file") {
		t.Fatalf("%v %v\n%s", err, warnings, text)
	}
	if len(c.Clients) != 4 || strings.Contains(string(c.Clients[1].JWKS), `"d"`) {
		t.Errorf("clients: %+v", c.Clients)
	}
	key, err := clientKey(filepath.Join(dir, "clients", "s.jwk.json"), "s")
	if err != nil || key != sweden {
		t.Errorf("the key is not read again: %v", err)
	}
}
