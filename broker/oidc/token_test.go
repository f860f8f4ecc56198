package oidc

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
)

// code lets Testperson Ett log in and gives the code.
func (b *bench) code(client string, changes ...string) string {
	b.t.Helper()
	v := b.agent().login(request(client, changes...), ett)
	if v.Get("code") == "" {
		b.t.Fatalf("no code: %v", v)
	}
	return v.Get("code")
}

func TestTokenResponse(t *testing.T) {
	for _, client := range []string{"basic", "post", "any", "sweden"} {
		t.Run(client, func(t *testing.T) {
			b := newBench(t)
			got := b.redeem(client, tokenForm(b.code(client)))
			if got.status != 200 || got.text("token_type") != "Bearer" || got.body["expires_in"] != 300.0 || got.text("scope") != "openid" {
				t.Fatalf("%d %v", got.status, got.body)
			}
			if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%v", got.header)
			}
			access := got.text("access_token")
			if len(access) != 66 {
				t.Errorf("access token of %d characters", len(access))
			}
			c := payload(t, got.text("id_token"))
			sum := sha256.Sum256([]byte(access))
			now := float64(b.clock.Now().Unix())
			for name, want := range map[string]any{
				"iss": issuer, "aud": client, "iat": now, "exp": now + 300, "auth_time": now, "nonce": "nonce-1", "acr": acrUncertified3,
				"at_hash": base64.RawURLEncoding.EncodeToString(sum[:16]), claimAuthnProvider: "bankid", "txn": "order-Ett",
			} {
				if c[name] != want {
					t.Errorf("%s is %v, want %v", name, c[name], want)
				}
			}
			if c["sub"] == nil || c["sid"] == nil || strings.Contains(c["sub"].(string), "1990") {
				t.Errorf("sub %v, sid %v", c["sub"], c["sid"])
			}
			if _, err := b.readHint(got.text("id_token")); err != nil {
				t.Error("our own ID Token does not verify")
			}
			if !b.records.has(audit.TokenIssued, "") {
				t.Error("nothing in the audit")
			}
		})
	}
}

// Reference 2.4, attack rows C2 to C5.
func TestTokenErrors(t *testing.T) {
	for name, row := range map[string]struct {
		client  string // who asked for the code
		by      string // who redeems it, if another
		ask     []string
		changes []string
		age     time.Duration
		status  int
		err     string
	}{
		"no grant_type":             {changes: []string{"grant_type", ""}, err: errInvalidRequest},
		"password":                  {changes: []string{"grant_type", "password"}, err: errUnsupportedGrant},
		"client_credentials":        {changes: []string{"grant_type", "client_credentials"}, err: errUnauthorizedClient},
		"refresh_token":             {changes: []string{"grant_type", "refresh_token"}, err: errUnsupportedGrant},
		"no code":                   {changes: []string{"code", ""}, err: errInvalidRequest},
		"no redirect_uri":           {changes: []string{"redirect_uri", ""}, err: errInvalidRequest},
		"other redirect_uri":        {changes: []string{"redirect_uri", "https://rp.example.se/cb?keep=1"}, err: errInvalidGrant},
		"no verifier":               {changes: []string{"code_verifier", ""}, err: errInvalidGrant},
		"wrong verifier":            {changes: []string{"code_verifier", strings.Repeat("x", 43)}, err: errInvalidGrant},
		"challenge as verifier":     {changes: []string{"code_verifier", challengeOf(verifier)}, err: errInvalidGrant},
		"verifier without a need":   {ask: []string{"code_challenge", "", "code_challenge_method", ""}, err: errInvalidRequest},
		"61 s old":                  {age: 61 * time.Second, err: errInvalidGrant},
		"60 s old":                  {age: 60 * time.Second, err: errInvalidGrant},
		"59 s old":                  {age: 59 * time.Second, status: 200},
		"unknown code":              {changes: []string{"code", join(broker.NewID(), broker.NewSecret())}, err: errInvalidGrant},
		"truncated code":            {changes: []string{"code", "abc"}, err: errInvalidGrant},
		"enormous code":             {changes: []string{"code", strings.Repeat("a", 60000)}, err: errInvalidGrant},
		"another client's":          {by: "post", err: errInvalidGrant},
		"another client's, sweden":  {by: "sweden", err: errInvalidGrant},
		"sweden's, by basic":        {client: "sweden", by: "basic", err: errInvalidGrant},
		"no PKCE where not needed":  {ask: []string{"code_challenge", "", "code_challenge_method", ""}, changes: []string{"code_verifier", ""}, status: 200},
		"unknown parameter is fine": {changes: []string{"resource", "https://x"}, status: 200},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			if row.client == "" {
				row.client = "basic"
			}
			if row.by == "" {
				row.by = row.client
			}
			if row.status == 0 {
				row.status = 400
			}
			code := b.code(row.client, row.ask...)
			b.clock.Add(row.age)
			got := b.redeem(row.by, tokenForm(code, row.changes...))
			if got.status != row.status || got.err() != row.err {
				t.Fatalf("%d %v, want %d %q", got.status, got.body, row.status, row.err)
			}
			if row.err == "" {
				return
			}
			if got.header.Get("Cache-Control") != "no-store" || got.text("access_token") != "" {
				t.Error("not a clean error")
			}
			if row.err == errInvalidGrant && !b.records.has(audit.CodeRefused, "*") {
				t.Error("nothing in the audit")
			}
			// Whoever was refused has not used the code up for its rightful client.
			good := tokenForm(code)
			if row.ask != nil {
				good.Del("code_verifier")
			}
			if row.age == 0 {
				if got := b.redeem(row.client, good); got.status != 200 {
					t.Errorf("the rightful client afterwards: %v", got.body)
				}
			}
		})
	}
}

func TestTokenRequestForm(t *testing.T) {
	b := newBench(t)
	good := tokenForm(b.code("post"), "client_id", "post", "client_secret", basicSecret).Encode()
	json := postRequest("/token", `{"grant_type":"authorization_code"}`)
	json.Header.Set("Content-Type", "application/json")
	for name, row := range map[string]struct {
		r      func() answerOf
		status int
	}{
		"duplicate":    {func() answerOf { return b.json(postRequest("/token", good+"&grant_type=authorization_code")) }, 400},
		"in the query": {func() answerOf { return b.json(postRequest("/token?"+good, "")) }, 400},
		"both places":  {func() answerOf { return b.json(postRequest("/token?a=b", good)) }, 400},
		"JSON":         {func() answerOf { return b.json(json) }, 400},
		"too large":    {func() answerOf { return b.json(postRequest("/token", good+"&a="+strings.Repeat("b", maxBody))) }, 413},
		"NUL":          {func() answerOf { return b.json(postRequest("/token", good+"&a=%00")) }, 400},
	} {
		if got := row.r(); got.status != row.status || got.err() != errInvalidRequest {
			t.Errorf("%s: %d %v", name, got.status, got.body)
		}
	}
	if got := b.json(httptest.NewRequest("GET", "/token?"+good, nil)); got.status != 405 {
		t.Errorf("GET: %d", got.status)
	}
	if got := b.json(postRequest("/token", good)); got.status != 200 {
		t.Errorf("good: %v", got.body)
	}
}

// C1: the rightful client's replay ends its tokens.
func TestCodeReplayRevokes(t *testing.T) {
	for _, wait := range []time.Duration{0, 30 * time.Second, 2 * time.Minute} {
		b := newBench(t)
		code := b.code("sweden")
		first := b.redeem("sweden", tokenForm(code))
		if status, _ := b.userinfoOf(first.text("access_token")); status != 200 {
			t.Fatal(status)
		}
		b.clock.Add(wait)
		if got := b.redeem("sweden", tokenForm(code)); got.status != 400 || got.err() != errInvalidGrant {
			t.Errorf("%d %v", got.status, got.body)
		}
		if status, _ := b.userinfoOf(first.text("access_token")); status != 401 {
			t.Errorf("after %s the token lives: %d", wait, status)
		}
		if !b.records.has(audit.CodeReplayed, "") {
			t.Error("nothing in the audit")
		}
	}
}

// C2: anybody else's replay ends nothing.
func TestForeignReplayRevokesNothing(t *testing.T) {
	b := newBench(t)
	code := b.code("basic")
	access := b.redeem("basic", tokenForm(code)).text("access_token")
	for name, got := range map[string]answerOf{
		"no authentication": b.json(postRequest("/token", tokenForm(code, "client_id", "basic").Encode())),
		"wrong secret":      b.json(postRequest("/token", tokenForm(code, "client_id", "basic", "client_secret", "x").Encode())),
		"another client":    b.redeem("post", tokenForm(code)),
		"wrong verifier":    b.redeem("basic", tokenForm(code, "code_verifier", strings.Repeat("y", 50))),
		"no verifier":       b.redeem("basic", tokenForm(code, "code_verifier", "")),
		"wrong address":     b.redeem("basic", tokenForm(code, "redirect_uri", "https://rp.example.se/")),
	} {
		if got.status == 200 || got.err() != errInvalidGrant && got.err() != errInvalidClient {
			t.Errorf("%s: %d %v", name, got.status, got.body)
		}
	}
	if status, _ := b.userinfoOf(access); status != 200 {
		t.Errorf("the token ended: %d", status)
	}
	if b.records.has(audit.CodeReplayed, "*") {
		t.Error("called a replay by its client")
	}
}

// A used grant keeps what userinfo may be asked for; a revoked one nothing.
func TestUsedCodeKeepsLittle(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	a.login(request("basic"), ett)
	reuse := func(changes ...string) string { return b.response(a.ask(request("basic", changes...))).Get("code") }

	code := reuse("claims", `{"id_token":{"`+claimPersonNumber+`":null,"name":null}}`)
	if raw := b.stored(code); !strings.Contains(raw, ett.Number.Digits()) || !strings.Contains(raw, "nonce-1") {
		t.Fatalf("not what this test is about: %s", raw)
	}
	b.redeem("basic", tokenForm(code))
	if raw := b.stored(code); strings.Contains(raw, ett.Number.Digits()) || strings.Contains(raw, "nonce-1") {
		t.Error(raw)
	}
	code = reuse("scope", "openid "+scopePersonNumber)
	b.redeem("basic", tokenForm(code))
	b.redeem("basic", tokenForm(code))
	if raw := b.stored(code); strings.Contains(raw, ett.Number.Digits()) {
		t.Error(raw)
	}
}

// C5: what RFC 7636 allows as a verifier.
func TestVerifier(t *testing.T) {
	for name, row := range map[string]struct {
		v  string
		ok bool
	}{
		"42": {strings.Repeat("a", 42), false}, "43": {strings.Repeat("a", 43), true}, "128": {strings.Repeat("a", 128), true},
		"129": {strings.Repeat("a", 129), false}, "all characters": {"-._~" + strings.Repeat("0", 39), true},
		"space": {strings.Repeat("a", 43) + " ", false}, "å": {strings.Repeat("å", 43), false}, "plus": {strings.Repeat("+", 43), false},
	} {
		if got := verifies(challengeOf(row.v), row.v); got != row.ok {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// O2: nothing is given out that was not written down.
func TestNoTokenWithoutRecord(t *testing.T) {
	b := newBench(t)
	code := b.code("basic")
	b.records.fail = errors.New("disk full")
	if got := b.redeem("basic", tokenForm(code)); got.status != 500 || got.err() != errServer || strings.Contains(got.text("error_description"), "disk") {
		t.Errorf("%d %v", got.status, got.body)
	}
}

// J9, and the key that a token names.
func TestKeyRotation(t *testing.T) {
	b := newBench(t)
	old := b.redeem("sweden", tokenForm(b.code("sweden"))).text("id_token")
	b.keys.keys = append([]SigningKey{{"ec-2", ES256, ecKey2()}}, b.keys.keys...)
	fresh := b.redeem("sweden", tokenForm(b.code("sweden"))).text("id_token")
	if string(segment(strings.Split(fresh, ".")[0])) != `{"alg":"ES256","kid":"ec-2","typ":"JWT"}` {
		t.Errorf("%s", segment(strings.Split(fresh, ".")[0]))
	}
	for _, token := range []string{old, fresh} {
		if _, err := b.readHint(token); err != nil {
			t.Error("a published key does not verify")
		}
	}
	b.keys.keys = b.keys.keys[:1]
	if _, err := b.readHint(old); err == nil {
		t.Error("a withdrawn key verifies")
	}
	b.keys.keys = nil
	code := b.code("sweden")
	if got := b.redeem("sweden", tokenForm(code)); got.status != 500 {
		t.Errorf("without a key: %d", got.status)
	}
}

func TestSubjects(t *testing.T) {
	b := newBench(t)
	b.change("post", func(c *broker.Client) { c.Sector = "shared" })
	b.change("any", func(c *broker.Client) { c.Sector = "shared" })
	sub := func(client string) any {
		return payload(t, b.redeem(client, tokenForm(b.code(client))).text("id_token"))["sub"]
	}
	if sub("basic") != sub("basic") {
		t.Error("a person got two names")
	}
	if sub("basic") == sub("sweden") {
		t.Error("two clients can compare notes")
	}
	if sub("post") != sub("any") {
		t.Error("one sector, two names")
	}
}
