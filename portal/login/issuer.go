package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"sigill/portal/assertion"
)

// ErrUnavailable says that nobody can log in now: an issuer does not answer, or not
// as it should.
var ErrUnavailable = errors.New("login: not possible now")

const (
	maxAnswer = 1 << 20 // of an issuer
	patience  = 10 * time.Second
)

// issuer is an OpenID Provider, discovered when it is needed and then known.
type issuer struct {
	name   string
	client *http.Client

	known atomic.Pointer[endpoints]
	busy  chan struct{} // has room for one, who asks
}

// endpoints is what discovery tells.
type endpoints struct {
	provider   *oidc.Provider
	oauth      oauth2.Endpoint
	endSession string
	revocation string
	// says tells that every authorization response names its issuer (RFC 9207).
	says bool
}

func newIssuer(name string, client *http.Client) *issuer {
	own := http.Client{Timeout: patience}
	if client != nil {
		own = *client
		if own.Timeout == 0 {
			own.Timeout = patience
		}
	}
	if own.Transport == nil {
		own.Transport = http.DefaultTransport
	}
	own.Transport = bounded{own.Transport}
	// Proofs, codes and tokens go where discovery says, and nowhere else.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &issuer{name: name, client: &own, busy: make(chan struct{}, 1)}
}

// bounded reads no more of an answer than an honest one has.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	}
	return resp, err
}

// context lets the OpenID Connect packages use the issuer's client.
func (i *issuer) context(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, i.client)
}

// discover reads the issuer's metadata once: one asks, and the others wait, but
// not in a queue behind each other when it does not answer.
func (i *issuer) discover(ctx context.Context) (*endpoints, error) {
	if e := i.known.Load(); e != nil {
		return e, nil
	}
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case i.busy <- struct{}{}:
		defer func() { <-i.busy }()
	case <-wait.C:
		return nil, fmt.Errorf("%w: discovery: no answer in time", ErrUnavailable)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if e := i.known.Load(); e != nil {
		return e, nil
	}
	// The provider keeps the context, to fetch keys with later.
	p, err := oidc.NewProvider(i.context(context.WithoutCancel(ctx)), i.name)
	if err != nil {
		return nil, fmt.Errorf("%w: discovery: %s", ErrUnavailable, brief(err))
	}
	var more struct {
		EndSession string `json:"end_session_endpoint"`
		Revocation string `json:"revocation_endpoint"`
		Says       bool   `json:"authorization_response_iss_parameter_supported"`
	}
	if err := p.Claims(&more); err != nil {
		return nil, fmt.Errorf("%w: discovery: unreadable", ErrUnavailable)
	}
	e := &endpoints{provider: p, oauth: p.Endpoint(), endSession: more.EndSession, revocation: more.Revocation, says: more.Says}
	for _, address := range []string{e.oauth.AuthURL, e.oauth.TokenURL} {
		if !absolute(address) {
			return nil, fmt.Errorf("%w: discovery: an endpoint is missing", ErrUnavailable)
		}
	}
	i.known.Store(e)
	return e, nil
}

func absolute(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// brief says of a failed request what may be said: its kind, and never what was
// in an address or an answer.
func brief(err error) string {
	var at *url.Error
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused):
		code := refused.ErrorCode
		if code == "" || len(code) > 40 || strings.ContainsFunc(code, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
			code = "without a code"
		}
		if refused.Response == nil {
			return "refused: " + code
		}
		return fmt.Sprintf("refused: %d %s", refused.Response.StatusCode, code)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &at) && at.Timeout():
		return "no answer in time"
	case at != nil:
		return "cannot be reached"
	}
	return "an unreadable answer"
}

// accept verifies an ID Token for a client: issuer, audience, time, signature
// with one of a few algorithms, and that it answers the login that we began.
func (e *endpoints) accept(ctx context.Context, token *oauth2.Token, client, nonce string, now func() time.Time) (*oidc.IDToken, error) {
	raw, ok := token.Extra("id_token").(string)
	if !ok || raw == "" {
		return nil, errors.New("no ID Token")
	}
	t, err := e.provider.Verifier(&oidc.Config{
		ClientID: client, SupportedSigningAlgs: []string{oidc.ES256, oidc.RS256, oidc.PS256}, Now: now,
	}).Verify(ctx, raw)
	var expired *oidc.TokenExpiredError
	switch {
	case errors.As(err, &expired):
		return nil, errors.New("the ID Token has expired")
	case err != nil: // its own words may quote the token
		return nil, errors.New("the ID Token is not valid")
	case len(t.Audience) != 1:
		return nil, errors.New("the ID Token is for others too")
	case nonce == "" || !same(t.Nonce, nonce):
		return nil, errors.New("the ID Token answers another login")
	case t.Subject == "":
		return nil, errors.New("the ID Token has no subject")
	case t.AccessTokenHash != "" && t.VerifyAccessToken(token.AccessToken) != nil:
		return nil, errors.New("the ID Token came with another access token")
	}
	return t, nil
}

// proof are the parameters that say which client we are, for one request.
func (l *Logins) proof(client string) (url.Values, error) {
	key, kid, err := l.Key()
	if err != nil {
		return nil, fmt.Errorf("login: the client's key: %w", err)
	}
	a, err := assertion.New(key, kid, client, l.Issuer, l.Now())
	if err != nil {
		return nil, fmt.Errorf("login: the client's key: %w", err)
	}
	return url.Values{"client_assertion_type": {assertion.Type}, "client_assertion": {a}}, nil
}

// revoke ends an access token at the broker, and with it the session that it
// came from (RFC 7009).
func (l *Logins) revoke(ctx context.Context, client, token string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	e, err := l.broker.discover(ctx)
	if err != nil {
		return err
	}
	if !absolute(e.revocation) {
		return errors.New("login: the issuer has no revocation endpoint")
	}
	form, err := l.proof(client)
	if err != nil {
		return err
	}
	form.Set("token", token)
	form.Set("token_type_hint", "access_token")
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return errors.New("login: the revocation endpoint has no address")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := l.broker.client.Do(r)
	if err != nil {
		return fmt.Errorf("%w: revocation: %s", ErrUnavailable, brief(err))
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	switch {
	case resp.StatusCode == http.StatusOK:
		return nil
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		return fmt.Errorf("%w: revocation: %d", ErrUnavailable, resp.StatusCode)
	}
	return fmt.Errorf("login: revocation was refused: %d", resp.StatusCode)
}
