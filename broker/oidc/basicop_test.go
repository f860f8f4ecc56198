package oidc

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The modules of the Basic OP certification plan (reference 2.11), each by the
// name it has there, with plain client_secret_basic and RS256. The modules for
// e-mail, address and phone, and for refresh tokens, have no counterpart: those
// scopes and that grant are not supported, and discovery says so.
func TestBasicOP(t *testing.T) {
	flow := func(b *bench, a *agent, client string, changes ...string) (map[string]any, answerOf) {
		b.t.Helper()
		v := a.login(request(client, changes...), ett)
		if v.Get("iss") != issuer || v.Get("state") != "state-1" {
			b.t.Errorf("%v", v)
		}
		got := b.redeem(client, tokenForm(v.Get("code")))
		if got.status != 200 {
			b.t.Fatalf("%d %v", got.status, got.body)
		}
		return payload(b.t, got.text("id_token")), got
	}
	succeeds := func(changes ...string) func(*bench) {
		return func(b *bench) { flow(b, b.agent(), "basic", changes...) }
	}
	noPKCE := []string{"code_challenge", "", "code_challenge_method", ""}
	for name, run := range map[string]func(*bench){
		"server": func(b *bench) {
			c, got := flow(b, b.agent(), "basic")
			if c["iss"] != issuer || c["aud"] != "basic" || c["nonce"] != "nonce-1" || c["exp"].(float64) <= c["iat"].(float64) || got.body["expires_in"] == nil {
				b.t.Errorf("%v", c)
			}
		},
		"response-type-missing": func(b *bench) {
			if v := b.response(b.agent().ask(request("basic", "response_type", ""))); v.Get("error") != errInvalidRequest {
				b.t.Error(v)
			}
		},
		"idtoken-signature": func(b *bench) {
			_, got := flow(b, b.agent(), "basic")
			head, _ := object(segment(strings.Split(got.text("id_token"), ".")[0]))
			if head.text("alg") != RS256 || head.text("kid") != "rsa-1" {
				b.t.Errorf("%v", head)
			}
			if _, err := b.readHint(got.text("id_token")); err != nil {
				b.t.Error(err)
			}
		},
		"userinfo-get": func(b *bench) {
			c, got := flow(b, b.agent(), "basic")
			if _, info := b.userinfoOf(got.text("access_token")); info["sub"] != c["sub"] {
				b.t.Error(info)
			}
		},
		"userinfo-post-header": func(b *bench) {
			c, got := flow(b, b.agent(), "basic")
			r := postRequest("/userinfo", "")
			r.Header.Set("Authorization", "Bearer "+got.text("access_token"))
			if info := b.json(r); info.body["sub"] != c["sub"] {
				b.t.Error(info)
			}
		},
		"userinfo-post-body": func(b *bench) {
			c, got := flow(b, b.agent(), "basic")
			if info := b.json(postRequest("/userinfo", "access_token="+got.text("access_token"))); info.body["sub"] != c["sub"] {
				b.t.Error(info)
			}
		},
		"ensure-request-without-nonce-succeeds-for-code-flow": func(b *bench) {
			if c, _ := flow(b, b.agent(), "basic", "nonce", ""); c["nonce"] != nil {
				b.t.Error("a nonce came from nowhere")
			}
		},
		"scope-profile": func(b *bench) {
			c, got := flow(b, b.agent(), "basic", "scope", "openid profile")
			if _, info := b.userinfoOf(got.text("access_token")); info["name"] != ett.Name || c["name"] != nil {
				b.t.Error(info, c)
			}
		},
		"scope-email": succeeds("scope", "openid email"), "scope-address": succeeds("scope", "openid address"),
		"scope-phone": succeeds("scope", "openid phone"), "scope-all": succeeds("scope", "openid profile email address phone"),
		"display-page": succeeds("display", "page"), "display-popup": succeeds("display", "popup"),
		"prompt-login": func(b *bench) {
			a := b.agent()
			first, _ := flow(b, a, "basic")
			b.clock.Add(2 * time.Second)
			if second, _ := flow(b, a, "basic", "prompt", "login"); second["auth_time"].(float64) <= first["auth_time"].(float64) {
				b.t.Error("not a new login")
			}
		},
		"prompt-none-not-logged-in": func(b *bench) {
			if v := b.response(b.agent().ask(request("basic", "prompt", "none"))); v.Get("error") != errLogin {
				b.t.Error(v)
			}
		},
		"prompt-none-logged-in": func(b *bench) {
			a := b.agent()
			first, _ := flow(b, a, "basic")
			v := b.response(a.ask(request("basic", "prompt", "none")))
			if second := payload(b.t, b.redeem("basic", tokenForm(v.Get("code"))).text("id_token")); second["sub"] != first["sub"] || second["auth_time"] != first["auth_time"] {
				b.t.Error(second)
			}
		},
		"max-age-1": func(b *bench) {
			a := b.agent()
			first, _ := flow(b, a, "basic")
			b.clock.Add(2 * time.Second)
			if second, _ := flow(b, a, "basic", "max_age", "1"); second["auth_time"].(float64) <= first["auth_time"].(float64) {
				b.t.Error("not a new login")
			}
		},
		"max-age-10000": func(b *bench) {
			a := b.agent()
			first, _ := flow(b, a, "basic")
			b.clock.Add(2 * time.Second)
			v := b.response(a.ask(request("basic", "max_age", "10000")))
			if second := payload(b.t, b.redeem("basic", tokenForm(v.Get("code"))).text("id_token")); second["auth_time"] != first["auth_time"] {
				b.t.Error(second)
			}
		},
		"ensure-request-with-unknown-parameter-succeeds": succeeds("extra", "foobar"),
		"id-token-hint": func(b *bench) {
			a := b.agent()
			first, got := flow(b, a, "basic")
			v := b.response(a.ask(request("basic", "id_token_hint", got.text("id_token"), "prompt", "none")))
			if second := payload(b.t, b.redeem("basic", tokenForm(v.Get("code"))).text("id_token")); second["sub"] != first["sub"] {
				b.t.Error(second)
			}
		},
		"login-hint": succeeds("login_hint", "testperson@example.se"), "ui-locales": succeeds("ui_locales", "se"),
		"claims-locales": succeeds("claims_locales", "se"), "ensure-request-with-acr-values-succeeds": succeeds("acr_values", "1 2"),
		"codereuse": func(b *bench) {
			code := b.code("basic")
			b.redeem("basic", tokenForm(code))
			if got := b.redeem("basic", tokenForm(code)); got.status != 400 || got.err() != errInvalidGrant {
				b.t.Error(got)
			}
		},
		"codereuse-30seconds": func(b *bench) {
			code := b.code("basic")
			token := b.redeem("basic", tokenForm(code)).text("access_token")
			b.clock.Add(30 * time.Second)
			got := b.redeem("basic", tokenForm(code))
			if status, _ := b.userinfoOf(token); got.err() != errInvalidGrant || status != 401 {
				b.t.Error(got, status)
			}
		},
		"ensure-registered-redirect-uri": func(b *bench) {
			if resp := b.agent().ask(request("basic", "redirect_uri", "https://rp.example.se/cb/random")); resp.StatusCode != 400 || resp.Header.Get("Location") != "" {
				b.t.Error(resp.Status)
			}
		},
		"ensure-post-request-succeeds": func(b *bench) {
			a := b.agent()
			resp := a.post("/authorize", request("basic"))
			answer, err := a.prove(loginID(a.get(resp.Header.Get("Location"))), ett)
			if err != nil || a.send(answer).Get("code") == "" {
				b.t.Error(err)
			}
		},
		"server-client-secret-post": func(b *bench) { flow(b, b.agent(), "post") },
		"request-uri-unsigned-supported-correctly-or-rejected-as-unsupported": func(b *bench) {
			if v := b.response(b.agent().ask(request("basic", "request_uri", "https://rp.example.se/ro"))); v.Get("error") != errNoRequestURI {
				b.t.Error(v)
			}
		},
		"unsigned-request-object-supported-correctly-or-rejected-as-unsupported": func(b *bench) {
			if v := b.response(b.agent().ask(request("basic", "request", "eyJhbGciOiJub25lIn0.e30."))); v.Get("error") != errNoRequest {
				b.t.Error(v)
			}
		},
		"claims-essential": func(b *bench) {
			_, got := flow(b, b.agent(), "basic", "claims", `{"userinfo":{"name":{"essential":true}}}`)
			if _, info := b.userinfoOf(got.text("access_token")); info["name"] != ett.Name {
				b.t.Error(info)
			}
		},
		"ensure-request-with-valid-pkce-succeeds": succeeds(),
		"alternate-happy-flow (no PKCE)": func(b *bench) {
			v := b.agent().login(request("basic", noPKCE...), ett)
			if got := b.redeem("basic", tokenForm(v.Get("code"), "code_verifier", "")); got.status != 200 {
				b.t.Error(got)
			}
		},
		"redirect-uri-query-OK": func(b *bench) {
			a := b.agent()
			answer, err := a.prove(loginID(a.ask(request("basic", "redirect_uri", "https://rp.example.se/cb?keep=1"))), ett)
			u, _ := url.Parse(answer.URL)
			if err != nil || u.Query().Get("keep") != "1" || u.Query().Get("code") == "" {
				b.t.Error(answer.URL, err)
			}
		},
		"redirect-uri-query-mismatch": func(b *bench) {
			if resp := b.agent().ask(request("basic", "redirect_uri", "https://rp.example.se/cb?keep=2")); resp.StatusCode != http.StatusBadRequest {
				b.t.Error(resp.Status)
			}
		},
		"server-rotate-keys": func(b *bench) {
			flow(b, b.agent(), "basic")
			b.keys.keys = append([]SigningKey{{"rsa-2", RS256, rsaKey1()}}, b.keys.keys...)
			_, got := flow(b, b.agent(), "basic")
			if head, _ := object(segment(strings.Split(got.text("id_token"), ".")[0])); head.text("kid") != "rsa-2" {
				b.t.Error(head)
			}
		},
	} {
		t.Run(name, func(t *testing.T) { run(newBench(t)) })
	}
}
