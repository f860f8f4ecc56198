package oidc

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"

	"sigill/broker"
	"sigill/broker/kit/audit"
)

const (
	grantCode   = "authorization_code"
	grantClient = "client_credentials"
)

// tokenResponse is RFC 6749 section 5.1 with Core's id_token.
type tokenResponse struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	IDToken     string `json:"id_token,omitempty"`
	Scope       string `json:"scope"`
}

// token exchanges a code, or a client's own credentials.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	response, err := p.exchange(w, r)
	if err != nil {
		p.jsonError(w, r, "token", err)
		return
	}
	p.Count("token", "ok")
	writeJSON(w, http.StatusOK, response)
}

// clientRequest reads what a client posts, and proves which client it is.
func (p *Provider) clientRequest(w http.ResponseWriter, r *http.Request) (params, broker.Client, []broker.Mark, error) {
	q, err := form(w, r)
	switch {
	case errors.Is(err, errTooLarge):
		return q, broker.Client{}, nil, errTooLarge
	case err != nil:
		return q, broker.Client{}, nil, refuse(errInvalidRequest, "the body is not a form")
	case len(q.repeated) > 0:
		return q, broker.Client{}, nil, refuse(errInvalidRequest, "a parameter was sent more than once")
	}
	c, marks, err := p.authenticate(r, q)
	return q, c, marks, err
}

func (p *Provider) exchange(w http.ResponseWriter, r *http.Request) (*tokenResponse, error) {
	q, c, marks, err := p.clientRequest(w, r)
	if err != nil {
		return nil, err
	}
	switch q.get("grant_type") {
	case grantCode:
	case grantClient:
		return p.clientToken(r.Context(), c, q, marks)
	case "":
		return nil, refuse(errInvalidRequest, "grant_type is missing")
	default:
		return nil, refuse(errUnsupportedGrant, "grant_type must be authorization_code or client_credentials")
	}
	for _, name := range []string{"code", "redirect_uri"} {
		if q.get(name) == "" {
			return nil, refuse(errInvalidRequest, name+" is missing")
		}
	}
	return p.redeem(r, c, q, marks)
}

var errNoCode = refuse(errInvalidGrant, "the code is unknown, expired, used, or was issued for something else")

// redeem uses a code up. Whoever is not its rightful client, with the right
// address and verifier, does not use it up and ends nothing: a leaked code
// alone is no weapon. That is why the grant is read first and then swapped for a
// used one, a step that only one of any number of callers does. Who loses a
// race looks again: the code may be used by now, which makes this a replay, or
// only the session beside it may have ended.
//
// That the login has given its token, and by which assertion, is also marked
// where the token is recorded: then neither counts again, should the short-lived
// store come back with what it held before.
func (p *Provider) redeem(r *http.Request, c broker.Client, q params, marks []broker.Mark) (*tokenResponse, error) {
	id, secret, ok := split(q.get("code"))
	if !ok {
		return nil, p.refuseCode(r, c, "unknown")
	}
	for range maxTries {
		response, err := p.tryRedeem(r, c, q, marks, id, secret)
		if !errors.Is(err, broker.ErrConflict) {
			return response, err
		}
	}
	return nil, p.refuseCode(r, c, "raced")
}

func (p *Provider) tryRedeem(r *http.Request, c broker.Client, q params, marks []broker.Mark, id, secret string) (*tokenResponse, error) {
	ctx := r.Context()
	var rec record
	version, err := p.get(ctx, kindLogin, id, &rec)
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		return nil, err
	}
	g := rec.Grant
	if g == nil || !secretIs(g.Code, secret) || !p.Now().Before(g.Expires) {
		return nil, p.refuseCode(r, c, "unknown")
	}
	if g.Client != c.ID {
		return nil, p.refuseCode(r, c, "client")
	}
	if g.RedirectURI != q.get("redirect_uri") {
		return nil, p.refuseCode(r, c, "redirect_uri")
	}
	verifier := q.get("code_verifier")
	if g.Challenge == "" && verifier != "" {
		p.refuseCode(r, c, "verifier")
		return nil, refuse(errInvalidRequest, "code_verifier without a code_challenge")
	}
	if g.Challenge != "" && !verifies(g.Challenge, verifier) {
		return nil, p.refuseCode(r, c, "verifier")
	}
	if g.Used {
		return nil, p.replayed(r, c, id, version, rec)
	}

	ctx, cancel := settled(ctx)
	defer cancel()
	tokenSecret := broker.NewSecret()
	access := join(id, tokenSecret)
	idToken, err := p.idToken(c, *g, access)
	if err != nil {
		return nil, err
	}
	g.Used, g.Token, g.Expires = true, digest(tokenSecret), p.Now().Add(p.TokenLife)
	g.IDToken, g.Nonce = nil, ""
	if err := p.swap(ctx, kindLogin, id, version, rec, rec.expires()); err != nil {
		return nil, err
	}
	e := p.event(audit.TokenIssued, c.ID)
	e.Provider, e.Person = g.Provider, g.Person
	if err := p.Records.Spend(ctx, append(marks, p.codeSpent(id)), e); err != nil {
		return nil, err // nobody ever sees the token; a conflict is looked at again
	}
	return &tokenResponse{
		AccessToken: access, TokenType: "Bearer", ExpiresIn: int(p.TokenLife.Seconds()), IDToken: idToken, Scope: g.Scope,
	}, nil
}

// replayed answers the rightful client of a used code: either it, or somebody
// who has its key and the verifier, has the tokens twice. They end.
// broker.ErrConflict means that the record has changed meanwhile.
func (p *Provider) replayed(r *http.Request, c broker.Client, id string, version int64, rec record) error {
	ctx, cancel := settled(r.Context())
	defer cancel()
	if rec.Grant.Token != nil {
		rec.Grant.Token, rec.Grant.Userinfo = nil, nil
		if err := p.swap(ctx, kindLogin, id, version, rec, rec.expires()); err != nil {
			return err
		}
	}
	e := p.event(audit.CodeReplayed, c.ID)
	e.Person = rec.Grant.Person
	p.note(ctx, e, p.tokenEnded(id, p.TokenLife))
	return errNoCode
}

func (p *Provider) refuseCode(r *http.Request, c broker.Client, reason string) error {
	e := p.event(audit.CodeRefused, c.ID)
	e.Reason = reason
	p.note(r.Context(), e)
	return errNoCode
}

// verifies checks a code_verifier (RFC 7636 section 4.1 and 4.6).
func verifies(challenge, verifier string) bool {
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	for i := range len(verifier) {
		if c := verifier[i]; notCompact(rune(c)) && c != '~' {
			return false
		}
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(challenge), []byte(base64.RawURLEncoding.EncodeToString(sum[:]))) == 1
}

// jsonError answers a program.
func (p *Provider) jsonError(w http.ResponseWriter, r *http.Request, endpoint string, err error) {
	status := http.StatusBadRequest
	var refused *protocolError
	switch {
	case errors.As(err, &refused):
	case errors.Is(err, errTooLarge):
		status, refused = http.StatusRequestEntityTooLarge, refuse(errInvalidRequest, "the request is too large")
	default:
		p.Log.ErrorContext(r.Context(), "request failed", "endpoint", endpoint, "error", err)
		status, refused = http.StatusInternalServerError, refuse(errServer, "something is wrong on our side")
	}
	if refused.code == errInvalidClient {
		status = http.StatusUnauthorized
		if r.Header.Get("Authorization") != "" {
			w.Header().Set("WWW-Authenticate", `Basic realm="token"`)
		}
	}
	p.Count(endpoint, refused.code)
	writeJSON(w, status, map[string]string{"error": refused.code, "error_description": allowedText(refused.description)})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	private(w)
	w.Header().Set("Pragma", "no-cache")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}
