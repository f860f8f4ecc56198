package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"

	"sigill/providers"
)

// oauth is the client as the issuer's token endpoint sees it.
func (p *Provider) oauth(m *metadata) *oauth2.Config {
	c := &oauth2.Config{
		ClientID: p.c.ClientID, RedirectURL: p.c.RedirectURL, Scopes: p.c.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: m.authorization.String(), TokenURL: m.token, AuthStyle: oauth2.AuthStyleInParams},
	}
	if p.c.AuthMethod != PrivateKeyJWT {
		c.ClientSecret = p.c.Secret
	}
	if p.c.AuthMethod == ClientSecretBasic {
		c.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	}
	return c
}

// proof are the parameters that say who we are, where that is said with a key.
func (p *Provider) proof(m *metadata) (url.Values, error) {
	if p.c.AuthMethod != PrivateKeyJWT {
		return nil, nil
	}
	key := p.keys[0]
	method := p.assertionMethod(m)
	now := p.c.Clock()
	t := jwt.NewWithClaims(method, jwt.MapClaims{
		"iss": p.c.ClientID, "sub": p.c.ClientID, "aud": p.c.AssertionAudience, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	})
	t.Header["kid"] = key.kid
	signed, err := t.SignedString(key.signer)
	if err != nil {
		return nil, fmt.Errorf("client assertion: %w", err)
	}
	return url.Values{
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {signed},
	}, nil
}

// assertionMethod signs by any key that is a crypto.Signer: PSS where the issuer says
// that it takes it, since older ones know RS256 alone.
func (p *Provider) assertionMethod(m *metadata) jwt.SigningMethod {
	if _, ec := p.keys[0].signer.Public().(*ecdsa.PublicKey); ec {
		return signing{jwt.SigningMethodES256}
	}
	if slices.Contains(m.assertionAlgs, PS256) {
		return signing{jwt.SigningMethodPS256}
	}
	return signing{jwt.SigningMethodRS256}
}

// authorization is the address that the browser is sent to.
func (p *Provider) authorization(ctx context.Context, m *metadata, s state, lang string) (string, error) {
	q := url.Values{
		"client_id": {p.c.ClientID}, "response_type": {"code"}, "redirect_uri": {p.c.RedirectURL}, "scope": {strings.Join(p.c.Scopes, " ")},
		"state": {s.Handle}, "nonce": {s.nonce()},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(s.Verifier)}, "code_challenge_method": {"S256"},
	}
	if lang == "sv" || lang == "en" {
		q.Set("ui_locales", lang)
	}
	if len(p.c.ACRValues) > 0 {
		q.Set("acr_values", strings.Join(p.c.ACRValues, " "))
	}
	if p.c.Prompt != "none" {
		q.Set("prompt", p.c.Prompt)
	}
	if p.c.AuthTime == AuthTimeRequired {
		age := p.c.AuthAge
		if age == 0 {
			age = usualAge
		}
		q.Set("max_age", fmt.Sprint(int(age.Seconds())))
	}
	if m.pushed != "" {
		uri, err := p.push(ctx, m, q)
		if err != nil {
			return "", err
		}
		q = url.Values{"client_id": {p.c.ClientID}, "request_uri": {uri}}
	}
	to := *m.authorization
	own := to.Query() // an endpoint may have a query of its own
	for name, values := range q {
		own[name] = values
	}
	to.RawQuery = own.Encode()
	return to.String(), nil
}

// push tells the issuer beforehand what will be asked (RFC 9126).
func (p *Provider) push(ctx context.Context, m *metadata, q url.Values) (string, error) {
	proof, err := p.proof(m)
	if err != nil {
		return "", err
	}
	for name, values := range proof {
		q[name] = values
	}
	if p.c.AuthMethod == ClientSecretPost {
		q.Set("client_secret", p.c.Secret)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.pushed, strings.NewReader(q.Encode()))
	if err != nil {
		return "", errors.New("pushed request: not an address")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if p.c.AuthMethod == ClientSecretBasic {
		r.SetBasicAuth(url.QueryEscape(p.c.ClientID), url.QueryEscape(p.c.Secret))
	}
	resp, err := p.http.Do(r)
	if err != nil {
		return "", fmt.Errorf("pushed request: %s", brief(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", errors.New("pushed request: an answer that is cut off or too large")
	}
	var said struct {
		URI   string `json:"request_uri"`
		Error string `json:"error"`
	}
	unreadable := json.Unmarshal(body, &said)
	switch {
	case resp.StatusCode != http.StatusCreated:
		return "", fmt.Errorf("pushed request: refused: %d %s", resp.StatusCode, word(said.Error))
	case unreadable != nil, said.URI == "", len(said.URI) > 1000, strings.ContainsFunc(said.URI, func(c rune) bool { return c <= ' ' || c > '~' }):
		return "", errors.New("pushed request: an answer of another form than expected")
	}
	return said.URI, nil
}

// errLost means that the issuer may have given its answer, and we have it not.
var errLost = errors.New("the issuer's one-time answer is lost")

// errRejected means that the issuer does not take us, or the code.
type errRejected struct{ code string }

func (e *errRejected) Error() string { return "token endpoint: refused: " + e.code }

// redeem exchanges a code. Asking again is safe while nothing was sent, or the
// issuer says that it did nothing; otherwise the code is used up, and with it the
// order.
func (p *Provider) redeem(ctx context.Context, m *metadata, s state, code string) (*answer, error) {
	proof, err := p.proof(m)
	if err != nil {
		return nil, err
	}
	options := []oauth2.AuthCodeOption{oauth2.VerifierOption(s.Verifier)}
	for name, values := range proof {
		options = append(options, oauth2.SetAuthURLParam(name, values[0]))
	}
	var sent atomic.Bool
	call := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	token, err := p.oauth(m).Exchange(context.WithValue(call, oauth2.HTTPClient, p.http), code, options...)
	var refused *oauth2.RetrieveError
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &refused) && refused.Response != nil:
		status := refused.Response.StatusCode
		reason := word(refused.ErrorCode)
		switch {
		case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
			return nil, fmt.Errorf("token endpoint: %s", brief(err))
		case reason == "invalid_grant":
			return nil, errLost
		case reason != "" && status < 500:
			return nil, &errRejected{reason}
		}
		return nil, errLost
	case !sent.Load():
		return nil, fmt.Errorf("token endpoint: %s", brief(err))
	default:
		return nil, errLost
	}
	a := &answer{AccessToken: token.AccessToken}
	a.IDToken, _ = token.Extra("id_token").(string)
	if a.IDToken == "" || len(a.IDToken) > maxToken || len(a.AccessToken) > maxToken {
		return &answer{False: "encoding"}, nil
	}
	if !strings.EqualFold(token.TokenType, "Bearer") { // RFC 6749, 7.1: a kind that is not known is not used
		return &answer{False: "token-type"}, nil
	}
	return a, nil
}

// equip adds to an answer what it takes to verify it. What cannot be had at the
// moment is left for later.
func (p *Provider) equip(ctx context.Context, m *metadata, a *answer) error {
	if a.False != "" {
		return nil
	}
	if a.Key == nil {
		h, _, err := parseToken(a.IDToken)
		if err != nil {
			a.False = "structure"
			return nil
		}
		if !slices.Contains(p.c.Algorithms, h.alg) {
			a.False = "algorithm"
			return nil
		}
		if a.Key, err = p.keyOf(ctx, a.IDToken, h); err != nil {
			return err
		}
		if a.Key == nil {
			a.False = "key"
			return nil
		}
	}
	if p.c.Userinfo && a.Userinfo == "" {
		return p.askUserinfo(ctx, m, a)
	}
	return nil
}

// keyOf finds the key that signed a token, or one that it says did.
func (p *Provider) keyOf(ctx context.Context, raw string, h header) (*jwk, error) {
	found, err := p.issuer.key(ctx, h)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	for _, k := range found {
		if signedBy(raw, k, h.alg) == nil {
			k = k.public()
			return &k, nil
		}
	}
	k := found[0].public()
	return &k, nil
}

// askUserinfo asks for claims that the ID Token has not. What comes unsigned is the
// word of an API, and no proof.
func (p *Provider) askUserinfo(ctx context.Context, m *metadata, a *answer) error {
	if m.userinfo == "" {
		a.False = "userinfo"
		return nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, m.userinfo, nil)
	if err != nil {
		return errors.New("userinfo: not an address")
	}
	r.Header.Set("Authorization", "Bearer "+a.AccessToken)
	r.Header.Set("Accept", "application/jwt")
	resp, err := p.http.Do(r)
	if err != nil {
		return fmt.Errorf("userinfo: %s", brief(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case err != nil || resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500:
		return fmt.Errorf("userinfo: answered %d", resp.StatusCode)
	case resp.StatusCode != http.StatusOK || media != "application/jwt" || len(body) > maxToken:
		a.False = "userinfo"
		return nil
	}
	raw := strings.TrimSpace(string(body))
	h, _, err := parseToken(raw)
	if err != nil || !slices.Contains(p.c.Algorithms, h.alg) {
		a.False = "userinfo"
		return nil
	}
	key, err := p.keyOf(ctx, raw, h)
	if err != nil {
		return err
	}
	if key == nil {
		a.False = "userinfo"
		return nil
	}
	a.Userinfo, a.UserinfoKey = raw, key
	return nil
}

// down is the error of an issuer that does not answer as it should, unless it is
// the caller who has gone.
func (p *Provider) down(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("oidc: %w", ctx.Err())
	}
	return &providers.Unavailable{Issuer: p.c.Title.SV, Err: err}
}
