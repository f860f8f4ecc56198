package oidc

import (
	"encoding/json"
	"net/http"
)

// metadata is the discovery document, made once: it depends on nothing but the
// configuration.
func (p *Provider) metadata() ([]byte, error) {
	var acrs []string
	for _, l := range p.Levels {
		if acr := acrOf(l); acr != "" {
			acrs = append(acrs, acr)
		}
	}
	claims := []string{
		"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "sid", "at_hash", "txn",
		"name", "given_name", "family_name", "birthdate",
		claimPersonNumber, claimCoordination, claimAuthnProvider, claimCertificate,
		claimValidFrom, claimValidTo, claimDeviceIP, claimEvidence,
	}
	if p.UserSignature != nil {
		claims = append(claims, claimSignature)
	}
	methods := []string{"private_key_jwt", "client_secret_basic", "client_secret_post"}
	return json.Marshal(map[string]any{
		"issuer":                                                p.Issuer,
		"authorization_endpoint":                                p.endpoint("authorize"),
		"token_endpoint":                                        p.endpoint("token"),
		"userinfo_endpoint":                                     p.endpoint("userinfo"),
		"jwks_uri":                                              p.endpoint("jwks"),
		"end_session_endpoint":                                  p.endpoint("logout"),
		"scopes_supported":                                      []string{scopeOpenID, scopeProfile, scopePersonInfo, scopePersonNumber, ScopeSigning},
		"response_types_supported":                              []string{"code"},
		"response_modes_supported":                              []string{modeQuery, modeFormPost},
		"grant_types_supported":                                 []string{grantCode, grantClient},
		"acr_values_supported":                                  acrs,
		"subject_types_supported":                               []string{"public", "pairwise"},
		"id_token_signing_alg_values_supported":                 []string{RS256, ES256},
		"userinfo_signing_alg_values_supported":                 []string{RS256, ES256},
		"token_endpoint_auth_methods_supported":                 methods,
		"token_endpoint_auth_signing_alg_values_supported":      assertionAlgs(),
		"revocation_endpoint":                                   p.endpoint("revoke"),
		"revocation_endpoint_auth_methods_supported":            methods,
		"revocation_endpoint_auth_signing_alg_values_supported": assertionAlgs(),
		"display_values_supported":                              []string{"page"},
		"claim_types_supported":                                 []string{"normal"},
		"claims_supported":                                      claims,
		"claims_parameter_supported":                            true,
		"request_parameter_supported":                           false,
		"request_uri_parameter_supported":                       false,
		"require_pushed_authorization_requests":                 false,
		"backchannel_logout_supported":                          false,
		"frontchannel_logout_supported":                         false,
		"code_challenge_methods_supported":                      []string{"S256"},
		"authorization_response_iss_parameter_supported":        true,
		"ui_locales_supported":                                  []string{"sv", "en"},
		"prompt_values_supported":                               []string{promptNone, promptLogin, promptConsent, promptSelect},
		"https://id.oidc.se/disco/authnProviderSupported":       true,
		"https://id.oidc.se/disco/userMessageSupported":         false,
	})
}

func (p *Provider) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Write(p.discovery)
}
