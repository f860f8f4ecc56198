package oidc

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"sigill/providers"
)

// The Config OP checks of the certification, reference 1.10.
func TestDiscovery(t *testing.T) {
	b := newBench(t)
	for _, at := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		got := b.json(newGet(at))
		if got.status != 200 || got.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Fatalf("%s: %d %v", at, got.status, got.header)
		}
		for name, want := range map[string]any{
			"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token",
			"userinfo_endpoint": issuer + "/userinfo", "jwks_uri": issuer + "/jwks", "end_session_endpoint": issuer + "/logout",
			"revocation_endpoint":        issuer + "/revoke",
			"claims_parameter_supported": true, "request_parameter_supported": false, "request_uri_parameter_supported": false,
			"require_pushed_authorization_requests": false, "authorization_response_iss_parameter_supported": true,
			"backchannel_logout_supported": false, "https://id.oidc.se/disco/authnProviderSupported": true,
		} {
			if got.body[name] != want {
				t.Errorf("%s: %v, want %v", name, got.body[name], want)
			}
		}
		lists := map[string][]string{
			"response_types_supported": {"code"}, "response_modes_supported": {"query", "form_post"},
			"grant_types_supported": {"authorization_code", "client_credentials"}, "code_challenge_methods_supported": {"S256"},
			"subject_types_supported": {"public"}, "id_token_signing_alg_values_supported": {"RS256", "ES256"},
			"userinfo_signing_alg_values_supported":                 {"RS256", "ES256"},
			"token_endpoint_auth_methods_supported":                 {"private_key_jwt", "client_secret_basic", "client_secret_post"},
			"token_endpoint_auth_signing_alg_values_supported":      {"RS256", "ES256"},
			"revocation_endpoint_auth_methods_supported":            {"private_key_jwt", "client_secret_basic", "client_secret_post"},
			"revocation_endpoint_auth_signing_alg_values_supported": {"RS256", "ES256"},
			"scopes_supported":                                      {"openid", "profile", scopePersonInfo, scopePersonNumber, ScopeSigning},
			"ui_locales_supported":                                  {"sv", "en"}, "acr_values_supported": {acrUncertified3},
			"claims_supported": {"sub", "name", claimPersonNumber, claimEvidence, claimSignature},
		}
		for name, want := range lists {
			have := texts(got.body[name])
			for _, w := range want {
				if !slices.Contains(have, w) {
					t.Errorf("%s lacks %s", name, w)
				}
			}
			for _, never := range []string{"none", "plain", "token", "implicit", "refresh_token", "HS256", ScopeAuthnInfo, acrLevel3} {
				if slices.Contains(have, never) {
					t.Errorf("%s has %s", name, never)
				}
			}
		}
		for _, absent := range []string{"pushed_authorization_request_endpoint", "registration_endpoint", "introspection_endpoint"} {
			if _, there := got.body[absent]; there {
				t.Errorf("%s is promised", absent)
			}
		}
	}
}

func texts(v any) (out []string) {
	list, _ := v.([]any)
	for _, x := range list {
		s, _ := x.(string)
		out = append(out, s)
	}
	return out
}

func TestDiscoveryOfAnApprovedInstallation(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Levels = []providers.Level{providers.Level3, providers.LevelUncertified3} })
	if have := texts(b.json(newGet("/.well-known/openid-configuration")).body["acr_values_supported"]); !slices.Equal(have, []string{acrLevel3, acrUncertified3}) {
		t.Error(have)
	}
}

func TestJWKS(t *testing.T) {
	b := newBench(t)
	got := b.json(newGet("/jwks"))
	keys, _ := got.body["keys"].([]any)
	if len(keys) != 2 || !strings.Contains(got.header.Get("Cache-Control"), "max-age") || got.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Fatalf("%v %v", got.body, got.header)
	}
	seen := map[any]bool{}
	for _, k := range keys {
		m := k.(map[string]any)
		if seen[m["kid"]] || m["use"] != "sig" || m["alg"] == "" {
			t.Errorf("%v", m)
		}
		seen[m["kid"]] = true
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if _, there := m[private]; there {
				t.Errorf("a private member: %s", private)
			}
		}
	}
	b.keys.keys = append(b.keys.keys, SigningKey{"ec-2", ES256, ecKey2()})
	if keys, _ := b.json(newGet("/jwks")).body["keys"].([]any); len(keys) != 3 {
		t.Error("a new key is not published")
	}
	b.keys.keys = append(b.keys.keys[:1:1], b.keys.keys[2:]...)
	if keys, _ := b.json(newGet("/jwks")).body["keys"].([]any); len(keys) != 2 {
		t.Error("a withdrawn key is published")
	}
	if len(clientKeys([]byte(jwksOf("k", ecKey2().Public())))) != 1 {
		t.Error("we would not take a key set of our own making")
	}
}

func TestCORS(t *testing.T) {
	b := newBench(t)
	for at, want := range map[string]bool{
		"/token": true, "/revoke": true, "/userinfo": true, "/jwks": true, "/.well-known/openid-configuration": true, "/authorize": false, "/logout": false,
	} {
		r := httptest.NewRequest("OPTIONS", at, nil)
		r.Header.Set("Origin", "https://spa.example.com")
		r.Header.Set("Access-Control-Request-Method", "POST")
		w := recorder()
		b.mux.ServeHTTP(w, r)
		if got := w.Header().Get("Access-Control-Allow-Origin") == "*" && w.Code == 204; got != want {
			t.Errorf("%s: %d %v", at, w.Code, w.Header())
		}
		if w.Header().Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s lets cookies through", at)
		}
	}
}
