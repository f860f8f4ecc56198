package oidc

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/golang-jwt/jwt/v5"

	"sigill/broker"
)

// idToken makes the ID Token of a grant, and the access token that its at_hash
// belongs to. The only signature of a login is made here.
func (p *Provider) idToken(c broker.Client, g grant) (idToken, access string, err error) {
	var person map[string]json.RawMessage
	if err := decode("grant", g.IDToken, &person); err != nil {
		return "", "", err
	}
	claims := make(jwt.MapClaims, len(person)+12)
	for name, v := range person {
		claims[name] = v
	}
	access = broker.NewSecret()
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
	idToken, err = p.sign(idTokenAlg(c), claims)
	return idToken, access, err
}

// idTokenAlg is ES256 unless the client asks for what costs four times as much.
func idTokenAlg(c broker.Client) string {
	if c.IDTokenAlg != "" {
		return c.IDTokenAlg
	}
	return ES256
}
