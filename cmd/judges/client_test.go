package judges

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Claims and scopes of OIDC Sweden, as an application writes them.
const (
	claimNumber = "https://id.oidc.se/claim/personalIdentityNumber"
	scopeNumber = "https://id.oidc.se/scope/naturalPersonNumber"
	scopeInfo   = "https://id.oidc.se/scope/naturalPersonInfo"
)

// A client is an OpenID client on libraries that nobody here wrote.
type client struct {
	oauth2   oauth2.Config
	provider *oidc.Provider
	http     *http.Client // nil: one of its own for each exchange
}

func newClient(t testing.TB, issuer, id, secret, callback string, scopes ...string) *client {
	t.Helper()
	provider, err := oidc.NewProvider(t.Context(), issuer)
	if err != nil {
		t.Fatal(err)
	}
	return &client{
		provider: provider,
		oauth2: oauth2.Config{
			ClientID: id, ClientSecret: secret, RedirectURL: callback,
			Endpoint: provider.Endpoint(), Scopes: append([]string{oidc.ScopeOpenID}, scopes...),
		},
	}
}

// An attempt is one authorization request and what the client remembers of it.
type attempt struct {
	client                 *client
	state, nonce, verifier string
}

func (c *client) attempt() attempt {
	return attempt{c, rand.Text(), rand.Text(), oauth2.GenerateVerifier()}
}

func (a attempt) url(more ...oauth2.AuthCodeOption) string {
	return a.client.oauth2.AuthCodeURL(a.state, append(more, oidc.Nonce(a.nonce), oauth2.S256ChallengeOption(a.verifier))...)
}

// code checks an answer at the callback and takes the code out of it.
func (a attempt) code(callback *url.URL) (string, error) {
	q := callback.Query()
	switch {
	case q.Get("error") != "":
		return "", fmt.Errorf("the client got %s: %s", q.Get("error"), q.Get("error_description"))
	case q.Get("state") != a.state:
		return "", errors.New("the state is not ours")
	case q.Get("code") == "":
		return "", errors.New("there is no code")
	}
	return q.Get("code"), nil
}

// redeem exchanges the code and verifies the ID Token.
func (a attempt) redeem(ctx context.Context, code string) (claims map[string]any, err error) {
	with := a.client.http
	if with == nil {
		with = &http.Client{Timeout: 20 * time.Second}
	}
	ctx = oidc.ClientContext(ctx, with)
	token, err := a.client.oauth2.Exchange(ctx, code, oauth2.VerifierOption(a.verifier))
	if err != nil {
		return nil, err
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, errors.New("there is no ID Token")
	}
	verified, err := a.client.provider.Verifier(&oidc.Config{ClientID: a.client.oauth2.ClientID}).Verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	if verified.Nonce != a.nonce {
		return nil, errors.New("the nonce is not ours")
	}
	return claims, verified.Claims(&claims)
}
