package oidc

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"sigill/broker"
	"sigill/providers"
)

// aboutPerson are the claims that say something about the person or the e-ID,
// and not about the token.
func aboutPerson(m map[string]any) string {
	m = maps.Clone(m)
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "sid", "at_hash", "txn", claimAuthnProvider} {
		delete(m, name)
	}
	names := slices.Collect(maps.Keys(m))
	for i, n := range names {
		names[i] = strings.TrimPrefix(n, "https://id.oidc.se/claim/")
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// What goes where: destination rules 8 to 10 of the Swedish profile, C12.
func TestClaimDestinations(t *testing.T) {
	const info = "birthdate family_name given_name name"
	all := `{"id_token":{"name":null,"birthdate":null,"` + claimPersonNumber + `":{"essential":true},"` + claimCertificate + `":null,"` + claimSignature + `":null,"` +
		claimValidFrom + `":null,"` + claimValidTo + `":null,"` + claimDeviceIP + `":null,"` + claimEvidence + `":null,"unknown":null}}`
	for name, row := range map[string]struct {
		client         string
		scope          string
		claims         string
		who            providers.Identity
		idToken, infos string
	}{
		"openid alone":                {scope: "openid"},
		"naturalPersonInfo":           {scope: "openid " + scopePersonInfo, infos: info},
		"profile":                     {scope: "openid profile", infos: info},
		"naturalPersonNumber":         {scope: "openid " + scopePersonNumber, idToken: "personalIdentityNumber", infos: "personalIdentityNumber"},
		"coordination number":         {scope: "openid " + scopePersonNumber + " profile", who: samord, idToken: "coordinationNumber", infos: "coordinationNumber family_name given_name name"},
		"all scopes":                  {scope: "openid profile " + scopePersonInfo + " " + scopePersonNumber, idToken: "personalIdentityNumber", infos: info + " personalIdentityNumber"},
		"name into the ID Token":      {scope: "openid", claims: `{"id_token":{"name":null}}`, idToken: "name"},
		"rule 10":                     {scope: "openid profile", claims: `{"id_token":{"name":{"essential":true}}}`, idToken: "name", infos: info},
		"essential name, userinfo":    {scope: "openid", claims: `{"userinfo":{"name":{"essential":true}}}`, infos: "name"},
		"number by claims":            {scope: "openid", claims: `{"userinfo":{"` + claimPersonNumber + `":null}}`, infos: "personalIdentityNumber"},
		"everything":                  {client: "sweden", scope: "openid", claims: all, idToken: "authnEvidence birthdate credentialValidFrom credentialValidTo deviceIp name personalIdentityNumber userCertificate userSignature"},
		"everything, not registered":  {scope: "openid", claims: all, idToken: "birthdate name personalIdentityNumber"},
		"everything, bare client":     {client: "bare", scope: "openid profile " + scopePersonInfo + " " + scopePersonNumber, claims: all},
		"authn info not in userinfo":  {client: "sweden", scope: "openid", claims: strings.Replace(all, "id_token", "userinfo", 1), infos: "birthdate name personalIdentityNumber"},
		"value that fits":             {scope: "openid", claims: `{"id_token":{"name":{"value":"Testperson Ett"}}}`, idToken: "name"},
		"value in escapes that fits":  {scope: "openid", claims: `{"id_token":{"name":{"value":"\u0054estperson Ett"}}}`, idToken: "name"},
		"value that does not fit":     {scope: "openid profile", claims: `{"userinfo":{"name":{"value":"Testperson Två"}}}`, infos: "birthdate family_name given_name"},
		"one of values fits":          {scope: "openid", claims: `{"id_token":{"name":{"values":["x","Testperson Ett"]}}}`, idToken: "name"},
		"value of another type":       {scope: "openid", claims: `{"id_token":{"name":{"value":5}}}`},
		"number value that fits":      {client: "sweden", scope: "openid", claims: `{"id_token":{"` + claimValidTo + `":{"value":1900000000}}}`, idToken: "credentialValidTo"},
		"coordination of a personnr":  {scope: "openid", claims: `{"id_token":{"` + claimCoordination + `":null}}`},
		"case matters":                {scope: "openid", claims: `{"ID_TOKEN":{"name":null},"id_token":{"Name":null}}`},
		"claims of nobody's business": {client: "sweden", scope: "openid", claims: `{"id_token":{"iss":{"value":"evil"},"acr":null,"exp":{"value":9999999999},"sid":null}}`},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			if row.client == "" {
				row.client = "basic"
			}
			if row.who.Name == "" {
				row.who = ett
			}
			v := b.agent().login(request(row.client, "scope", row.scope, "claims", row.claims), row.who)
			got := b.redeem(row.client, tokenForm(v.Get("code")))
			token := payload(t, got.text("id_token"))
			if have := aboutPerson(token); have != row.idToken {
				t.Errorf("ID Token: %q, want %q", have, row.idToken)
			}
			_, info := b.userinfoOf(got.text("access_token"))
			if have := aboutPerson(info); have != row.infos {
				t.Errorf("userinfo: %q, want %q", have, row.infos)
			}
			if info["sub"] != token["sub"] || token["iss"] != issuer {
				t.Error("sub or iss is another")
			}
		})
	}
}

func TestClaimFormats(t *testing.T) {
	b := newBench(t)
	v := b.agent().login(request("sweden", "scope", "openid "+scopePersonNumber+" "+scopePersonInfo, "claims",
		`{"id_token":{"`+claimCertificate+`":null,"`+claimSignature+`":null,"`+claimEvidence+`":null,"`+claimValidFrom+`":null,"`+claimDeviceIP+`":null}}`), ett)
	got := b.redeem("sweden", tokenForm(v.Get("code")))
	token := payload(t, got.text("id_token"))
	for name, want := range map[string]any{
		claimPersonNumber: "199002232388", claimCertificate: "Y2VydGlmaWNhdGU=", claimEvidence: "ZXZpZGVuY2U=",
		claimSignature: "c2lnbmF0dXJlIG9mIGV2aWRlbmNl", claimValidFrom: 1.7e9, claimDeviceIP: "192.0.2.7",
	} {
		if token[name] != want {
			t.Errorf("%s: %v", name, token[name])
		}
	}
	_, info := b.userinfoOf(got.text("access_token"))
	for name, want := range map[string]any{
		claimPersonNumber: "199002232388", "name": "Testperson Ett", "given_name": "Testperson", "family_name": "Ett", "birthdate": "1990-02-23",
		"iss": issuer, "aud": "sweden",
	} {
		if info[name] != want {
			t.Errorf("userinfo %s: %v", name, info[name])
		}
	}
}

// What travels in codes and tokens is what was asked for, and no more.
func TestCodesHoldOnlyWhatWasAsked(t *testing.T) {
	b := newBench(t)
	// After a login, whose session must know who it was, in a session that does
	// not: the record of the code alone.
	a := b.agent()
	a.login(request("sweden"), ett)
	code := b.response(a.ask(request("sweden"))).Get("code")
	raw := b.stored(code)
	for _, secret := range []string{ett.Number.Digits(), "Testperson", "ZXZpZGVuY2U"} {
		if strings.Contains(raw, secret) {
			t.Errorf("the code's record holds %q", secret)
		}
	}
}

func TestUserSignatureIsOptional(t *testing.T) {
	b := newBench(t, func(c *Config) { c.UserSignature = nil })
	b.change("sweden", func(c *broker.Client) { c.Scopes = []string{ScopeAuthnInfo} })
	v := b.agent().login(request("sweden", "claims", `{"id_token":{"`+claimSignature+`":null,"`+claimEvidence+`":null}}`), ett)
	if have := aboutPerson(payload(t, b.redeem("sweden", tokenForm(v.Get("code"))).text("id_token"))); have != "authnEvidence" {
		t.Error(have)
	}
	if strings.Contains(string(b.discovery), claimSignature) {
		t.Error("discovery promises userSignature")
	}
}

// What a login proved is told again from its record, not from its session.
func TestEvidenceInSessions(t *testing.T) {
	ask := request("sweden", "claims", `{"id_token":{"`+claimEvidence+`":null,"name":null}}`)
	for have, lost := range map[string]bool{"authnEvidence name": false, "name": true} {
		b := newBench(t)
		a := b.agent()
		a.login(request("sweden"), ett)
		if strings.Contains(b.stored(a.cookies[SessionCookie]), "ZXZpZGVuY2U") {
			t.Error("the session holds the evidence too")
		}
		if lost {
			clear(b.records.logins)
		}
		v := b.response(a.ask(ask))
		if got := aboutPerson(payload(t, b.redeem("sweden", tokenForm(v.Get("code"))).text("id_token"))); got != have {
			t.Errorf("from a session: %q, want %q", got, have)
		}
	}
}
