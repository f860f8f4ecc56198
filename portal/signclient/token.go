package signclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"sigill/portal"
	"sigill/portal/assertion"
)

const (
	scope = "signing"
	// margin is how long before its end a token is no longer used: longer than a
	// request is on its way.
	margin = 30 * time.Second
)

// token is a tenant's. Whoever holds busy may look at it and fetch another.
type token struct {
	busy   chan struct{} // has room for one
	bearer string
	until  time.Time
}

func (c *Client) tokenOf(t portal.TenantID) *token {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tokens[t] == nil {
		c.tokens[t] = &token{busy: make(chan struct{}, 1)}
	}
	return c.tokens[t]
}

// bearer gives a tenant's token. Any number of calls at a time fetch one.
func (c *Client) bearer(ctx context.Context, t portal.TenantID) (string, error) {
	held := c.tokenOf(t)
	select {
	case held.busy <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { <-held.busy }()
	if held.bearer != "" && c.config.Now().Before(held.until) {
		return held.bearer, nil
	}
	bearer, life, err := c.fetch(ctx, t)
	if err != nil {
		c.mu.Lock()
		c.endpoint = "" // it may have moved
		c.mu.Unlock()
		return "", err
	}
	held.bearer, held.until = bearer, c.config.Now().Add(life-min(margin, life/4))
	return bearer, nil
}

// forget drops a token that was not taken, unless there is another already.
func (c *Client) forget(t portal.TenantID, bearer string) {
	held := c.tokenOf(t)
	held.busy <- struct{}{}
	defer func() { <-held.busy }()
	if held.bearer == bearer {
		held.bearer = ""
	}
}

func (c *Client) fetch(ctx context.Context, t portal.TenantID) (bearer string, life time.Duration, err error) {
	id := c.config.Client(t)
	if id == "" {
		return "", 0, errors.New("no client for this tenant")
	}
	endpoint, err := c.discover(ctx)
	if err != nil {
		return "", 0, err
	}
	proof, err := c.proof(id)
	if err != nil {
		return "", 0, err
	}
	source := clientcredentials.Config{
		ClientID: id, TokenURL: endpoint, Scopes: []string{scope}, AuthStyle: oauth2.AuthStyleInParams,
		EndpointParams: url.Values{"client_assertion_type": {assertion.Type}, "client_assertion": {proof}},
	}
	tok, err := source.Token(context.WithValue(ctx, oauth2.HTTPClient, c.http))
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused): // its own words hold the whole answer
		status := 0
		if refused.Response != nil {
			status = refused.Response.StatusCode
		}
		code := refused.ErrorCode
		if !plain(code, maxCode) {
			code = "without a code"
		}
		return "", 0, fmt.Errorf("refused: %d %s", status, code)
	case err != nil:
		return "", 0, err
	case !strings.EqualFold(tok.TokenType, "Bearer"):
		return "", 0, errors.New("not a bearer token")
	case len(tok.AccessToken) > 4096 || strings.ContainsFunc(tok.AccessToken, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", 0, errors.New("a token that fits into no header")
	}
	// Not its Expiry, which is by a clock of its own. Unsaid: used once.
	seconds, _ := tok.Extra("expires_in").(float64)
	return tok.AccessToken, time.Duration(min(max(seconds, 0), 24*3600)) * time.Second, nil
}

// discover finds the token endpoint (OpenID Connect Discovery 1.0 section 4).
func (c *Client) discover(ctx context.Context) (string, error) {
	c.mu.Lock()
	known := c.endpoint
	c.mu.Unlock()
	if known != "" {
		return known, nil
	}
	r, err := http.NewRequestWithContext(ctx, "GET", c.config.Issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("Accept", "application/json")
	a, err := c.http.Do(r)
	if err != nil {
		return "", err
	}
	defer a.Body.Close()
	if media, _, err := mime.ParseMediaType(a.Header.Get("Content-Type")); err != nil || media != "application/json" || a.StatusCode != http.StatusOK {
		return "", fmt.Errorf("discovery: unexpected answer %d", a.StatusCode)
	}
	raw, err := readAll(a.Body, maxAnswer)
	if err != nil {
		return "", err
	}
	var found struct {
		Issuer string `json:"issuer"`
		Token  string `json:"token_endpoint"`
	}
	if err := json.Unmarshal(raw, &found); err != nil {
		return "", errors.New("discovery: unreadable")
	}
	// The proof of who we are goes only to where the issuer is.
	from, err1 := url.Parse(c.config.Issuer)
	to, err2 := url.Parse(found.Token)
	switch {
	case found.Issuer != c.config.Issuer:
		return "", errors.New("discovery: another issuer")
	case err1 != nil || err2 != nil || to.Scheme != from.Scheme || to.Host != from.Host || to.Host == "":
		return "", errors.New("discovery: a token endpoint elsewhere")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endpoint = found.Token
	return found.Token, nil
}

// proof proves once which client we are. It is meant for the issuer alone.
func (c *Client) proof(client string) (string, error) {
	key, kid, err := c.config.Key()
	if err != nil {
		return "", fmt.Errorf("the client's key: %w", err)
	}
	return assertion.New(key, kid, client, c.config.Issuer, c.config.Now())
}
