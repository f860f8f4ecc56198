package oidc

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"sigill/broker"
)

func testClient(profile broker.Profile) broker.Client {
	return broker.Client{
		ID: "c", Profile: profile, RedirectURIs: []string{"https://rp.example.se/cb"},
		Scopes: []string{scopeProfile, scopePersonNumber},
	}
}

// Each row changes a good request in one way. "" as error: accepted.
func TestAuthorizationRequest(t *testing.T) {
	long := strings.Repeat("a", 43)
	for name, row := range map[string]struct {
		profile broker.Profile
		changes []string
		fault   string
		err     string
	}{
		"good":                             {},
		"good form_post":                   {changes: []string{"response_mode", "form_post"}},
		"unknown parameter":                {changes: []string{"extra", "x"}},
		"no nonce":                         {changes: []string{"nonce", ""}},
		"nonce of 384":                     {changes: []string{"nonce", strings.Repeat("n", 384)}},
		"nonce too long":                   {changes: []string{"nonce", strings.Repeat("n", 1025)}, err: errInvalidRequest},
		"state too long":                   {changes: []string{"state", strings.Repeat("s", maxState+1)}, fault: FaultTooLarge},
		"no response_type":                 {changes: []string{"response_type", ""}, err: errInvalidRequest},
		"response_type token":              {changes: []string{"response_type", "token"}, err: errUnsupportedResponse},
		"response_type hybrid":             {changes: []string{"response_type", "code id_token"}, err: errUnsupportedResponse},
		"response_mode fragment":           {changes: []string{"response_mode", "fragment"}, fault: FaultResponseMode},
		"response_mode web_message":        {changes: []string{"response_mode", "web_message"}, fault: FaultResponseMode},
		"no redirect_uri":                  {changes: []string{"redirect_uri", ""}, fault: FaultRedirect},
		"no scope":                         {changes: []string{"scope", ""}, err: errInvalidScope},
		"no openid":                        {changes: []string{"scope", "profile"}, err: errInvalidScope},
		"scope OpenID":                     {changes: []string{"scope", "OpenID"}, err: errInvalidScope},
		"scope with a quote":               {changes: []string{"scope", `openid "`}, err: errInvalidScope},
		"unknown scope":                    {changes: []string{"scope", "openid whatever offline_access"}},
		"sign":                             {changes: []string{"scope", "openid " + scopeSign}, err: errUnauthorizedClient},
		"signApproval":                     {changes: []string{"scope", "openid " + scopeSignApproval, paramSignRequest, "{}"}, err: errUnauthorizedClient},
		"signRequest without scope":        {changes: []string{paramSignRequest, "{}"}, err: errInvalidRequest},
		"no PKCE, basic":                   {changes: []string{"code_challenge", "", "code_challenge_method", ""}},
		"no PKCE, sweden":                  {profile: broker.ProfileSweden, changes: []string{"code_challenge", "", "code_challenge_method", ""}, err: errInvalidRequest},
		"PKCE plain":                       {changes: []string{"code_challenge_method", "plain"}, err: errInvalidRequest},
		"PKCE without method is plain":     {changes: []string{"code_challenge_method", ""}, err: errInvalidRequest},
		"PKCE s256":                        {changes: []string{"code_challenge_method", "s256"}, err: errInvalidRequest},
		"PKCE method alone":                {changes: []string{"code_challenge", ""}, err: errInvalidRequest},
		"PKCE of 42":                       {changes: []string{"code_challenge", long[:42]}, err: errInvalidRequest},
		"PKCE of 44":                       {changes: []string{"code_challenge", long + "a"}, err: errInvalidRequest},
		"PKCE with padding":                {changes: []string{"code_challenge", long[:42] + "="}, err: errInvalidRequest},
		"PKCE not canonical":               {changes: []string{"code_challenge", long[:42] + "b"}, err: errInvalidRequest},
		"PKCE not base64url":               {changes: []string{"code_challenge", long[:42] + "+"}, err: errInvalidRequest},
		"request":                          {changes: []string{"request", "x"}, err: errNoRequest},
		"request_uri":                      {changes: []string{"request_uri", "https://evil.example.com/"}, err: errNoRequestURI},
		"request_uri file":                 {changes: []string{"request_uri", "file:///etc/passwd"}, err: errNoRequestURI},
		"both requests":                    {changes: []string{"request", "x", "request_uri", "y"}, err: errInvalidRequest},
		"registration":                     {changes: []string{"registration", "{}"}, err: errNoRegistration},
		"prompt login":                     {changes: []string{"prompt", "login"}},
		"prompt login consent":             {changes: []string{"prompt", "login consent"}},
		"prompt none":                      {changes: []string{"prompt", "none"}},
		"prompt none login":                {changes: []string{"prompt", "none login"}, err: errInvalidRequest},
		"prompt none none":                 {changes: []string{"prompt", "none none"}, err: errInvalidRequest},
		"prompt unknown":                   {changes: []string{"prompt", "create"}, err: errInvalidRequest},
		"max_age":                          {changes: []string{"max_age", "10000"}},
		"max_age negative":                 {changes: []string{"max_age", "-1"}, err: errInvalidRequest},
		"max_age plus":                     {changes: []string{"max_age", "+1"}, err: errInvalidRequest},
		"max_age huge":                     {changes: []string{"max_age", "99999999999"}, err: errInvalidRequest},
		"max_age word":                     {changes: []string{"max_age", "soon"}, err: errInvalidRequest},
		"display, locales, hints":          {changes: []string{"display", "popup", "ui_locales", "fr se", "claims_locales", "sv", "login_hint", "x"}},
		"claims":                           {changes: []string{"claims", `{"userinfo":{"name":null},"id_token":{"acr":{"values":["x"]}},"other":1}`}},
		"claims not JSON":                  {changes: []string{"claims", `{`}, err: errInvalidRequest},
		"claims array":                     {changes: []string{"claims", `[]`}, err: errInvalidRequest},
		"claims null":                      {changes: []string{"claims", `null`}, err: errInvalidRequest},
		"claims trailing":                  {changes: []string{"claims", `{} {}`}, err: errInvalidRequest},
		"claims twice the same":            {changes: []string{"claims", `{"id_token":{},"id_token":{}}`}, err: errInvalidRequest},
		"claims deep":                      {changes: []string{"claims", strings.Repeat(`{"a":`, 50) + "1" + strings.Repeat("}", 50)}, err: errInvalidRequest},
		"claims member no object":          {changes: []string{"claims", `{"id_token":1}`}, err: errInvalidRequest},
		"claims wish no object":            {changes: []string{"claims", `{"id_token":{"acr":true}}`}, err: errInvalidRequest},
		"claims essential no boolean":      {changes: []string{"claims", `{"id_token":{"name":{"essential":"yes"}}}`}, err: errInvalidRequest},
		"claims value and values":          {changes: []string{"claims", `{"id_token":{"name":{"value":"a","values":["a"]}}}`}, err: errInvalidRequest},
		"claims values no array":           {changes: []string{"claims", `{"id_token":{"name":{"values":"a"}}}`}, err: errInvalidRequest},
		"claims values empty":              {changes: []string{"claims", `{"id_token":{"name":{"values":[]}}}`}, err: errInvalidRequest},
		"claims acr number":                {changes: []string{"claims", `{"id_token":{"acr":{"value":3}}}`}, err: errInvalidRequest},
		"claims two subs":                  {changes: []string{"claims", `{"id_token":{"sub":{"value":"a"}},"userinfo":{"sub":{"value":"b"}}}`}, err: errInvalidRequest},
		"claims sub number":                {changes: []string{"claims", `{"id_token":{"sub":{"value":1}}}`}, err: errInvalidRequest},
		"claims number of a person":        {changes: []string{"claims", numberClaim(ett.Number.Digits())}},
		"claims number malformed":          {changes: []string{"claims", numberClaim("199002232389")}, err: errInvalidRequest},
		"claims number with hyphen":        {changes: []string{"claims", numberClaim("19900223-2388")}, err: errInvalidRequest},
		"claims coordination as personnr":  {changes: []string{"claims", numberClaim(samord.Number.Digits())}, err: errInvalidRequest},
		"claims two numbers":               {changes: []string{"claims", twoNumbers(ett.Number.Digits(), tva.Number.Digits())}, err: errInvalidRequest},
		"claims too long":                  {changes: []string{"claims", `{"x":"` + strings.Repeat("a", 16<<10) + `"}`}, err: errInvalidRequest},
		"acr_values unknown":               {changes: []string{"acr_values", "urn:unknown 2"}},
		"authnProvider":                    {changes: []string{paramAuthnProvider, "bankid"}},
		"userMessage (not supported here)": {changes: []string{"https://id.oidc.se/param/userMessage", `{"message":"SGVq"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			if row.profile == "" {
				row.profile = broker.ProfileBasic
			}
			q, err := parseParams(request("c", row.changes...).Encode())
			if err != nil {
				t.Fatal(err)
			}
			_, fault, refused := parseAuthorization(q, testClient(row.profile))
			code := ""
			if refused != nil {
				code = refused.code
			}
			if fault != row.fault || code != row.err {
				t.Errorf("fault %q, error %q; want %q, %q", fault, code, row.fault, row.err)
			}
		})
	}
}

func numberClaim(digits string) string {
	return `{"id_token":{"` + claimPersonNumber + `":{"essential":true,"value":"` + digits + `"}}}`
}

func twoNumbers(a, b string) string {
	return `{"id_token":{"` + claimPersonNumber + `":{"essential":true,"value":"` + a + `"}},` +
		`"userinfo":{"` + claimPersonNumber + `":{"essential":true,"value":"` + b + `"}}}`
}

func TestEveryParameterTwiceIsRefused(t *testing.T) {
	good := request("c", "response_mode", "query", "prompt", "login", "max_age", "5", "extra", "x")
	for name := range good {
		raw := good.Encode() + "&" + url.QueryEscape(name) + "=" + url.QueryEscape(good.Get(name))
		q, err := parseParams(raw)
		if err != nil {
			t.Fatal(err)
		}
		a, fault, refused := parseAuthorization(q, testClient(broker.ProfileBasic))
		switch name {
		case "redirect_uri":
			if fault != FaultRedirect {
				t.Errorf("%s twice: fault %q", name, fault)
			}
		default:
			if refused == nil || refused.code != errInvalidRequest {
				t.Errorf("%s twice: %v", name, refused)
			}
			if name == "state" && a.wish.HasState {
				t.Error("one of two states was chosen")
			}
		}
	}
}

func TestEmptyParameterIsAbsent(t *testing.T) {
	raw := request("c").Encode() + "&request=&prompt=&max_age=&claims=&response_mode=&registration="
	q, _ := parseParams(raw)
	if _, fault, refused := parseAuthorization(q, testClient(broker.ProfileBasic)); fault != "" || refused != nil {
		t.Errorf("fault %q, error %v", fault, refused)
	}
	q, _ = parseParams(strings.Replace(request("c").Encode(), "state=state-1", "state=", 1))
	if a, _, _ := parseAuthorization(q, testClient(broker.ProfileBasic)); a.wish.HasState {
		t.Error("an empty state was kept")
	}
}

func TestParams(t *testing.T) {
	for name, row := range map[string]struct {
		raw string
		err error
	}{
		"empty":           {"", nil},
		"plus is a space": {"a=b+c", nil},
		"bad escape":      {"a=%zz", errEncoding},
		"cut escape":      {"a=%2", errEncoding},
		"bad UTF-8":       {"a=%ff", errEncoding},
		"raw bad UTF-8":   {"a=\xff", errEncoding},
		"NUL":             {"a=%00", errEncoding},
		"NUL in a name":   {"%00=a", errEncoding},
		"too many":        {strings.Repeat("a=b&", maxParams+1), errTooLarge},
		"too long":        {"a=" + strings.Repeat("b", maxBody), errTooLarge},
	} {
		if _, err := parseParams(row.raw); err != row.err {
			t.Errorf("%s: %v, want %v", name, err, row.err)
		}
	}
}

func TestScopesAreThoseRegistered(t *testing.T) {
	q, _ := parseParams(request("c", "scope", "openid x "+scopePersonNumber+" "+scopePersonInfo+" profile authnInfo").Encode())
	a, _, refused := parseAuthorization(q, testClient(broker.ProfileBasic))
	if refused != nil || !slices.Equal(a.wish.Scopes, []string{scopeOpenID, scopeProfile, scopePersonNumber}) {
		t.Errorf("%v %v", a.wish.Scopes, refused)
	}
}

func TestNumbersNeedPermission(t *testing.T) {
	c := testClient(broker.ProfileBasic)
	q, _ := parseParams(request("c", "claims", numberClaim(ett.Number.Digits())).Encode())
	if a, _, _ := parseAuthorization(q, c); len(a.numbers) != 1 || a.numbers[0] != ett.Number {
		t.Errorf("not locked: %v", a.numbers)
	}
	// Anybody else would be let in where only one person is wanted. Whether the
	// number is one is not said either.
	c.Scopes = nil
	for _, number := range []string{ett.Number.Digits(), "x"} {
		q, _ := parseParams(request("c", "claims", numberClaim(number)).Encode())
		if a, _, refused := parseAuthorization(q, c); refused == nil || refused.code != errInvalidRequest || !strings.Contains(refused.description, "may not") || a.numbers != nil {
			t.Errorf("%v, %v", refused, a.numbers)
		}
	}
	for name, claims := range map[string]string{
		"no value": `{"id_token":{"` + claimPersonNumber + `":{"essential":true}}}`,
		"a wish":   `{"id_token":{"` + claimPersonNumber + `":{"value":"` + ett.Number.Digits() + `"}}}`,
	} {
		q, _ := parseParams(request("c", "claims", claims).Encode())
		if a, _, refused := parseAuthorization(q, c); refused != nil || a.numbers != nil {
			t.Errorf("%s: %v, %v", name, refused, a.numbers)
		}
	}
}

func TestLanguage(t *testing.T) {
	for in, want := range map[string]string{"": "", "en": "en", "en-GB sv": "en", "fr sv-SE en": "sv", "SV": "sv", "fr": "", "svx": "", "enx": ""} {
		if got := language(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// Whatever comes, nothing panics, an error is sendable, and what is accepted
// keeps the rules that the rest relies on.
func FuzzAuthorizationRequest(f *testing.F) {
	f.Add(request("c").Encode())
	f.Add(request("c", "claims", twoNumbers(ett.Number.Digits(), ett.Number.Digits()), "prompt", "login", "max_age", "0").Encode())
	f.Add(request("c", "claims", `{"id_token":{"acr":{"essential":true,"values":["`+acrLevel3+`"]},"sub":{"value":"x"}},"userinfo":{"name":null}}`).Encode())
	f.Add(request("c", "state", "å\r\n\"<>").Encode() + "&state=%ff")
	f.Add("client_id=c&redirect_uri=https://rp.example.se/cb&&=&%")
	c := testClient(broker.ProfileSweden)
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseParams(raw)
		if err != nil {
			return
		}
		a, fault, refused := parseAuthorization(q, c)
		w := a.wish
		if fault != "" {
			return
		}
		if w.RedirectURI != c.RedirectURIs[0] || w.ResponseMode != modeQuery && w.ResponseMode != modeFormPost {
			t.Fatalf("an answer would go to %q by %q", w.RedirectURI, w.ResponseMode)
		}
		if refused != nil {
			if !authorizationCode(refused.code) || allowedText(refused.description) != refused.description {
				t.Fatalf("not sendable: %v", refused)
			}
			return
		}
		if len(q.repeated) > 0 || w.Challenge == "" || !slices.Contains(w.Scopes, scopeOpenID) || w.HasState != (w.State != "") {
			t.Fatalf("accepted: %q", raw)
		}
		if len(w.Claims) > 0 {
			if !json.Valid(w.Claims) {
				t.Fatal("claims are no JSON")
			}
			if _, err := parseClaims(w.Claims); err != nil {
				t.Fatal("claims cannot be read a second time")
			}
		}
		back := withQuery(w.RedirectURI, [][2]string{{"state", w.State}})
		u, err := url.Parse(back)
		if err != nil || u.Query().Get("state") != w.State || u.Host != "rp.example.se" || strings.ContainsAny(back, "\r\n\x00") {
			t.Fatalf("state does not come back as it was: %q", back)
		}
	})
}
