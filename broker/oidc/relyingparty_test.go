package oidc

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"sigill/broker"
)

// A client that nobody here wrote: go-oidc and x/oauth2 over real HTTP, with
// everything that they check by themselves.
func TestGoOIDCClient(t *testing.T) {
	for name, row := range map[string]struct {
		client string
		change func(*broker.Client)
		style  oauth2.AuthStyle
		alg    string
	}{
		"RS256, basic header":   {"basic", func(*broker.Client) {}, oauth2.AuthStyleInHeader, RS256},
		"ES256, secret in body": {"post", func(*broker.Client) {}, oauth2.AuthStyleInParams, ES256},
		"signed userinfo":       {"basic", func(c *broker.Client) { c.UserinfoAlg = ES256 }, oauth2.AuthStyleInHeader, RS256},
		"form_post":             {"any", func(c *broker.Client) { c.SecretHash = digest(basicSecret) }, oauth2.AuthStyleInHeader, ES256},
	} {
		t.Run(name, func(t *testing.T) {
			var b *bench
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.mux.ServeHTTP(w, r) }))
			defer server.Close()
			b = newBench(t, func(c *Config) { c.Issuer, c.Now = server.URL, time.Now })
			b.short.clock.now = time.Now()
			b.change(row.client, row.change)

			ctx := context.Background()
			provider, err := gooidc.NewProvider(ctx, server.URL)
			if err != nil {
				t.Fatal(err)
			}
			config := oauth2.Config{
				ClientID: row.client, ClientSecret: basicSecret, RedirectURL: "https://rp.example.se/cb",
				Scopes: []string{gooidc.ScopeOpenID, "profile", scopePersonNumber}, Endpoint: provider.Endpoint(),
			}
			config.Endpoint.AuthStyle = row.style
			proof := oauth2.GenerateVerifier()
			options := []oauth2.AuthCodeOption{gooidc.Nonce("the nonce"), oauth2.S256ChallengeOption(proof)}
			if name == "form_post" {
				options = append(options, oauth2.SetAuthURLParam("response_mode", "form_post"))
			}

			jar, _ := cookiejar.New(nil)
			browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			resp, err := browser.Get(config.AuthCodeURL("the state", options...))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			at, _ := url.Parse(server.URL)
			a := b.agent()
			for _, c := range jar.Cookies(at) {
				a.cookies[c.Name] = c.Value
			}
			id, ok := strings.CutPrefix(resp.Header.Get("Location"), server.URL+"/login/")
			if !ok {
				t.Fatalf("%s %q", resp.Status, resp.Header.Get("Location"))
			}
			answer, err := a.prove(id, ett)
			if err != nil {
				t.Fatal(err)
			}
			v := a.send(answer)
			if v.Get("state") != "the state" || v.Get("iss") != server.URL {
				t.Fatalf("%v", v)
			}
			token, err := config.Exchange(ctx, v.Get("code"), oauth2.VerifierOption(proof))
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := token.Extra("id_token").(string)
			verified, err := provider.Verifier(&gooidc.Config{ClientID: row.client, SupportedSigningAlgs: []string{row.alg}}).Verify(ctx, raw)
			if err != nil {
				t.Fatal(err)
			}
			var claims map[string]any
			if err := verified.Claims(&claims); err != nil || verified.Nonce != "the nonce" || claims[claimPersonNumber] != ett.Number.Digits() {
				t.Errorf("%v %v", claims, err)
			}
			if err := verified.VerifyAccessToken(token.AccessToken); err != nil {
				t.Error(err)
			}
			info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
			if err != nil || info.Subject != verified.Subject {
				t.Fatalf("%v %v", info, err)
			}
			var about map[string]any
			if err := info.Claims(&about); err != nil || about["name"] != ett.Name {
				t.Errorf("%v %v", about, err)
			}
			if _, err := config.Exchange(ctx, v.Get("code"), oauth2.VerifierOption(proof)); err == nil || !strings.Contains(err.Error(), errInvalidGrant) {
				t.Errorf("a second exchange: %v", err)
			}
		})
	}
}
