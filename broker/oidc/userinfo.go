package oidc

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"sigill/broker"
)

// userinfo tells the bearer of an access token who logged in (Core 5.3).
func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) {
	token, err := bearer(w, r)
	if err != nil {
		p.bearerError(w, r, err)
		return
	}
	g, c, err := p.bearerOf(r, token)
	if err != nil {
		p.bearerError(w, r, err)
		return
	}
	claims := map[string]json.RawMessage{}
	if err := decode("grant", g.Userinfo, &claims); err != nil {
		p.bearerError(w, r, err)
		return
	}
	alg := userinfoAlg(c)
	if alg == "" {
		claims["sub"], _ = json.Marshal(g.Subject)
		p.Count("userinfo", "ok")
		writeJSON(w, http.StatusOK, claims)
		return
	}
	signed := make(jwt.MapClaims, len(claims)+3)
	for name, v := range claims {
		signed[name] = v
	}
	signed["iss"], signed["aud"], signed["sub"] = p.Issuer, c.ID, g.Subject
	body, err := p.sign(alg, signed)
	if err != nil {
		p.bearerError(w, r, err)
		return
	}
	p.Count("userinfo", "ok")
	private(w)
	w.Header().Set("Content-Type", "application/jwt")
	w.Write([]byte(body))
}

// userinfoAlg: the Swedish profile has its answers signed.
func userinfoAlg(c broker.Client) string {
	if c.UserinfoAlg == "" && c.Profile != broker.ProfileBasic {
		return idTokenAlg(c)
	}
	return c.UserinfoAlg
}

// bearerOf finds what a token stands for. Access tokens are opaque: they say
// nothing about the person, and end when their grant does. A client that has
// been removed since has none.
func (p *Provider) bearerOf(r *http.Request, token string) (grant, broker.Client, error) {
	var rec record
	var c broker.Client
	id, secret, ok := split(token)
	if !ok {
		return grant{}, c, errNoToken
	}
	_, err := p.get(r.Context(), kindLogin, id, &rec)
	g := rec.Grant
	if err == nil && (g == nil || !secretIs(g.Token, secret) || !p.Now().Before(g.Expires)) {
		err = broker.ErrNotFound
	}
	if err == nil {
		err = p.lives(r.Context(), endedToken, id)
	}
	if err == nil {
		c, err = p.Clients.Client(r.Context(), g.Client)
	}
	if errors.Is(err, broker.ErrNotFound) {
		err = errNoToken
	}
	if err != nil {
		return grant{}, c, err
	}
	return *g, c, nil
}

var (
	errNoToken      = refuse(errInvalidToken, "the access token is unknown, expired or revoked")
	errNoCredential = errors.New("no access token was sent")
)

// bearer finds the one access token of a request (RFC 6750), which may stand in
// the header or in a form, and never in the query: addresses end up in logs.
func bearer(w http.ResponseWriter, r *http.Request) (string, error) {
	query, err := parseParams(r.URL.RawQuery)
	if err != nil {
		return "", refuse(errInvalidRequest, "the query cannot be read")
	}
	if _, there := query.values["access_token"]; there {
		return "", refuse(errInvalidRequest, "an access token may not be sent in the query")
	}
	tokens := []string{}
	for _, h := range r.Header.Values("Authorization") {
		scheme, token, _ := strings.Cut(h, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", errNoCredential
		}
		tokens = append(tokens, strings.TrimSpace(token))
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); r.Method == http.MethodPost && kind == "application/x-www-form-urlencoded" {
		q, err := form(w, r)
		if err != nil || q.repeated["access_token"] {
			return "", refuse(errInvalidRequest, "the body cannot be read")
		}
		if t := q.get("access_token"); t != "" {
			tokens = append(tokens, t)
		}
	}
	switch len(tokens) {
	case 0:
		return "", errNoCredential
	case 1:
		return tokens[0], nil
	}
	return "", refuse(errInvalidRequest, "more than one access token")
}

// bearerError answers in the header, as RFC 6750 section 3 wants; without an
// error code when nothing was tried.
func (p *Provider) bearerError(w http.ResponseWriter, r *http.Request, err error) {
	var refused *protocolError
	status, challenge := http.StatusUnauthorized, `Bearer realm="userinfo"`
	switch {
	case errors.Is(err, errNoCredential):
		p.Count("userinfo", "no_token")
	case errors.As(err, &refused):
		if refused.code == errInvalidRequest {
			status = http.StatusBadRequest
		}
		challenge += `, error="` + refused.code + `", error_description="` + allowedText(refused.description) + `"`
		p.Count("userinfo", refused.code)
	default:
		p.jsonError(w, r, "userinfo", err)
		return
	}
	private(w)
	w.Header().Set("WWW-Authenticate", challenge)
	w.WriteHeader(status)
}
