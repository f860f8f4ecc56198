package oidc

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
)

// signer adds a client that only uses the signing API: it has no address that
// people could be sent to.
func (b *bench) signer(change ...func(*broker.Client)) {
	c := broker.Client{ID: "signer", Name: "Skriv under", Profile: broker.ProfileBasic, AuthMethod: broker.SecretAny,
		SecretHash: digest(anySecret), Scopes: []string{ScopeSigning}}
	for _, f := range change {
		f(&c)
	}
	b.clients["signer"] = c
}

func clientForm(changes ...string) url.Values {
	q := url.Values{"grant_type": {"client_credentials"}}
	for i := 0; i < len(changes); i += 2 {
		q.Set(changes[i], changes[i+1])
	}
	return q
}

// clientToken gets an access token of the client's own.
func (b *bench) ownToken(client string, changes ...string) string {
	b.t.Helper()
	got := b.redeem(client, clientForm(changes...))
	if got.status != 200 || got.text("access_token") == "" {
		b.t.Fatalf("%d %v", got.status, got.body)
	}
	return got.text("access_token")
}

func (b *bench) wantNoBearer(token string) {
	b.t.Helper()
	c, scopes, err := b.Bearer(b.t.Context(), token)
	if !errors.Is(err, broker.ErrNotFound) || c.ID != "" || scopes != nil {
		b.t.Errorf("a token counts: %q %v %v", c.ID, scopes, err)
	}
}

func TestClientCredentials(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*broker.Client)
		form   url.Values
	}{
		"scope defaulted":  {nil, clientForm()},
		"scope asked":      {nil, clientForm("scope", "signing")},
		"asked twice over": {nil, clientForm("scope", "signing signing")},
		"by post":          {func(c *broker.Client) { c.AuthMethod, c.SecretHash = broker.SecretPost, digest(basicSecret) }, clientForm()},
		"by basic":         {func(c *broker.Client) { c.AuthMethod, c.SecretHash = broker.SecretBasic, digest(basicSecret) }, clientForm()},
		"by key": {func(c *broker.Client) {
			c.AuthMethod, c.JWKS, c.Profile = broker.PrivateKeyJWT, jwksOf("c1", ecClient().Public()), broker.ProfileSweden
		}, clientForm()},
		"with other scopes": {func(c *broker.Client) { c.Scopes = append(c.Scopes, scopeProfile, scopePersonNumber) }, clientForm()},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.signer()
			if c.change != nil {
				b.signer(c.change)
			}
			got := b.redeem("signer", c.form)
			if got.status != 200 || got.text("token_type") != "Bearer" || got.body["expires_in"] != 600.0 || got.text("scope") != "signing" {
				t.Fatalf("%d %v", got.status, got.body)
			}
			for _, never := range []string{"id_token", "refresh_token"} {
				if _, there := got.body[never]; there {
					t.Errorf("there is a %s", never)
				}
			}
			if got.header.Get("Cache-Control") != "no-store" {
				t.Error("may be cached")
			}
			client, scopes, err := b.Bearer(t.Context(), got.text("access_token"))
			if err != nil || client.ID != "signer" || !slices.Equal(scopes, []string{"signing"}) {
				t.Errorf("%q %v %v", client.ID, scopes, err)
			}
			if !b.records.has(audit.TokenIssued, grantClient) || b.records.count(audit.TokenIssued) != 1 {
				t.Error("not in the audit")
			}
		})
	}
}

func TestClientCredentialsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		client string
		form   url.Values
		status int
		err    string
	}{
		"not registered for it": {"any", clientForm(), 400, errUnauthorizedClient},
		"nor by asking":         {"any", clientForm("scope", "signing"), 400, errUnauthorizedClient},
		"login's scope":         {"signer", clientForm("scope", "openid"), 400, errInvalidScope},
		"one scope too many":    {"signer", clientForm("scope", "signing openid"), 400, errInvalidScope},
		"empty part":            {"signer", clientForm("scope", "signing  signing"), 400, errInvalidScope},
		"other case":            {"signer", clientForm("scope", "Signing"), 400, errInvalidScope},
		"huge":                  {"signer", clientForm("scope", strings.Repeat("signing ", 5000)+"x"), 400, errInvalidScope},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.signer()
			got := b.redeem(c.client, c.form)
			if got.status != c.status || got.err() != c.err || got.text("access_token") != "" {
				t.Errorf("%d %v", got.status, got.body)
			}
			if b.short.count(kindClient) > 0 || b.records.has(audit.TokenIssued, "*") {
				t.Error("something was issued")
			}
		})
	}
	b := newBench(t)
	b.signer()
	r := postRequest("/token", clientForm().Encode())
	r.SetBasicAuth("signer", "wrong")
	if got := b.json(r); got.status != 401 || got.err() != errInvalidClient {
		t.Errorf("a wrong secret: %d %v", got.status, got.body)
	}
	if got := b.json(postRequest("/token", clientForm("client_id", "signer").Encode())); got.status != 401 {
		t.Errorf("no secret: %d %v", got.status, got.body)
	}
}

// Neither kind of token can stand in for the other.
func TestTokensAreForOneThing(t *testing.T) {
	b := newBench(t)
	b.signer(func(c *broker.Client) {
		c.RedirectURIs, c.Scopes = []string{"https://rp.example.se/cb"}, append(c.Scopes, scopeProfile)
	})
	own := b.ownToken("signer")
	if status, _ := b.userinfoOf(own); status != 401 {
		t.Errorf("userinfo takes a client's own token: %d", status)
	}
	code := b.code("signer", "scope", "openid profile signing")
	got := b.redeem("signer", tokenForm(code))
	if got.status != 200 || got.text("scope") != "openid profile" {
		t.Fatalf("a login: %d %v", got.status, got.body)
	}
	b.wantNoBearer(got.text("access_token"))
	b.wantNoBearer(code)
	if status, _ := b.userinfoOf(got.text("access_token")); status != 200 {
		t.Error("userinfo does not take a login's token")
	}
}

func TestBearer(t *testing.T) {
	b := newBench(t)
	b.signer()
	token := b.ownToken("signer")
	id, secret, _ := split(token)
	for _, bad := range []string{
		"", "x", forged(), id + ".", "." + secret, join(id, broker.NewSecret()), join(broker.NewID(), secret), token + "x", token + ".x", " " + token,
		strings.Repeat("a", 10_000),
	} {
		b.wantNoBearer(bad)
	}
	good := func() {
		t.Helper()
		if _, _, err := b.Bearer(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	good()
	b.signer(func(c *broker.Client) { c.Scopes = []string{scopeProfile} })
	b.wantNoBearer(token)
	delete(b.clients, "signer")
	b.wantNoBearer(token)
	b.signer()
	b.clock.Add(clientTokenLife - time.Second)
	good()
	b.clock.Add(time.Second)
	b.wantNoBearer(token)

	// On the disk lies no token.
	token = b.ownToken("signer")
	_, secret, _ = split(token)
	for k, row := range b.short.rows {
		if strings.Contains(k+string(row.value), secret) {
			t.Error("the secret is kept")
		}
	}
	fault := errors.New("disk")
	b.short.fail = func(op, kind string) error { return fault }
	if _, _, err := b.Bearer(t.Context(), token); !errors.Is(err, fault) {
		t.Errorf("our own fault looks like %v", err)
	}
	if strings.Contains(b.log.String(), secret) {
		t.Error("a token in the log")
	}
}

func TestNoClientTokenWithoutRecord(t *testing.T) {
	b := newBench(t)
	b.signer()
	b.records.fail = errors.New("disk")
	if got := b.redeem("signer", clientForm()); got.status != 500 || got.text("access_token") != "" {
		t.Errorf("%d %v", got.status, got.body)
	}
	b.records.fail = nil
	b.short.fail = func(op, kind string) error { return errors.New("disk") }
	if got := b.redeem("signer", clientForm()); got.status != 500 || b.records.has(audit.TokenIssued, "*") {
		t.Errorf("%d %v", got.status, got.body)
	}
}

// Without an address to go to, nobody is sent anywhere.
func TestClientWithoutRedirectURI(t *testing.T) {
	b := newBench(t)
	b.signer()
	for _, uri := range []string{"", "https://rp.example.se/cb"} {
		resp := b.agent().ask(request("signer", "redirect_uri", uri))
		if resp.StatusCode != 400 || resp.Header.Get("X-Fault") != FaultRedirect || resp.Header.Get("Location") != "" {
			t.Errorf("%q: %s %v", uri, resp.Status, resp.Header)
		}
	}
	if got := b.redeem("signer", tokenForm(forged())); got.err() != errInvalidGrant {
		t.Errorf("%v", got.body)
	}
}
