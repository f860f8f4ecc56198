package oidc

import (
	"crypto"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// maxJWT is longer than any assertion, and than an ID Token of ours with a
// certificate and evidence in it.
const maxJWT = 64 << 10

var errJWT = errors.New("not a JWT that we accept")

// header is what a JWT says about itself. Keys, and addresses of keys, that a
// token brings along are never looked at.
type header struct{ alg, kid, typ string }

// strictClaims makes golang-jwt read claims our way; what they say is checked
// by whoever asked.
type strictClaims struct {
	jwt.RegisteredClaims
	all members
}

func (c *strictClaims) UnmarshalJSON(b []byte) (err error) {
	c.all, err = object(b)
	return err
}

// readJWT verifies the signature of a compact JWT. Its algorithm must be one of
// algs, and key must find a key for it. Everything that two readers might
// understand differently is refused first.
func readJWT(compact string, algs []string, key func(header) (crypto.PublicKey, error)) (members, error) {
	if len(compact) > maxJWT || strings.Count(compact, ".") != 2 || strings.ContainsFunc(compact, notCompact) {
		return nil, errJWT
	}
	first, _, _ := strings.Cut(compact, ".")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(first)
	if err != nil {
		return nil, errJWT
	}
	head, err := object(raw)
	if err != nil {
		return nil, errJWT
	}
	for _, name := range []string{"crit", "b64", "enc", "zip"} {
		if _, ok := head[name]; ok {
			return nil, errJWT
		}
	}
	h := header{alg: head.text("alg"), kid: head.text("kid"), typ: head.text("typ")}
	if _, ok := head["kid"]; ok && h.kid == "" || !slices.Contains(algs, h.alg) || len(h.kid) > 256 {
		return nil, errJWT
	}
	var claims strictClaims
	parser := jwt.NewParser(jwt.WithValidMethods(algs), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation())
	_, err = parser.ParseWithClaims(compact, &claims, func(*jwt.Token) (any, error) { return key(h) })
	if err != nil {
		return nil, errJWT // golang-jwt's own error may quote the token
	}
	return claims.all, nil
}

func notCompact(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_' || r == '.')
}

// hint is an ID Token of ours that came back: it says whom it was about, and
// nothing more. It may have expired.
type hint struct{ client, subject, sid string }

// readHint verifies an id_token_hint. Only our ID Tokens have exp, auth_time
// and sid together: signed userinfo cannot pass for one.
func (p *Provider) readHint(compact string) (hint, error) {
	var h hint
	claims, err := readJWT(compact, []string{ES256, RS256}, func(head header) (crypto.PublicKey, error) {
		if head.typ != "JWT" {
			return nil, errJWT
		}
		if k, ok := p.Keys.Find(head.kid); ok && k.Alg == head.alg {
			return k.Key, nil
		}
		return nil, errJWT
	})
	if err != nil {
		return h, err
	}
	_, exp := claims.seconds("exp")
	_, authTime := claims.seconds("auth_time")
	h = hint{client: claims.text("aud"), subject: claims.text("sub"), sid: claims.text("sid")}
	if claims.text("iss") != p.Issuer || !exp || !authTime || h.client == "" || h.subject == "" || h.sid == "" {
		return hint{}, errJWT
	}
	return h, nil
}

// segment decodes a part of a compact JWT; nil when it is none.
func segment(s string) []byte {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}
