package oidc

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/golang-jwt/jwt/v5"

	"sigill/broker"
)

// idToken makes the ID Token of a grant, for an answer with this access token.
func (p *Provider) idToken(c broker.Client, g grant, access string) (string, error) {
	var person map[string]json.RawMessage
	if err := decode("grant", g.IDToken, &person); err != nil {
		return "", err
	}
	claims := make(jwt.MapClaims, len(person)+12)
	for name, v := range person {
		claims[name] = v
	}
	sum := sha256.Sum256([]byte(access))
	now := p.Now()
	claims["iss"] = p.Issuer
	claims["sub"] = g.Subject
	claims["aud"] = c.ID
	claims["iat"] = now.Unix()
	claims["exp"] = now.Add(p.IDTokenLife).Unix()
	claims["auth_time"] = g.AuthTime
	claims["acr"] = g.ACR
	claims["sid"] = g.SID
	claims["at_hash"] = base64.RawURLEncoding.EncodeToString(sum[:16])
	claims[claimAuthnProvider] = g.Provider
	if g.Nonce != "" {
		claims["nonce"] = g.Nonce
	}
	return p.sign(idTokenAlg(c), claims)
}

// idTokenAlg is ES256 unless the client asks for what costs four times as much.
func idTokenAlg(c broker.Client) string {
	if c.IDTokenAlg != "" {
		return c.IDTokenAlg
	}
	return ES256
}
