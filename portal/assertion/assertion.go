// Package assertion proves which OpenID Connect client the portal is: JWTs of
// RFC 7523 section 2.2 (private_key_jwt), each for one use.
//
// It owns how such a proof is made, not the key, which may live in hardware.
package assertion

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"math/big"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Type is the value of client_assertion_type.
const Type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// life is short: it is used at once.
const life = time.Minute

// New makes a proof of being the client, meant for the audience alone. The key
// is a P-256 one, named kid.
func New(key crypto.Signer, kid, client, audience string, now time.Time) (string, error) {
	t := jwt.NewWithClaims(es256{}, jwt.MapClaims{
		"iss": client, "sub": client, "aud": audience, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(life).Unix(),
	})
	t.Header["kid"] = kid
	return t.SignedString(key)
}

// es256 lets golang-jwt sign with any crypto.Signer; its own method takes only
// keys that lie in memory.
type es256 struct{}

func (es256) Alg() string                      { return "ES256" }
func (es256) Verify(string, []byte, any) error { return errors.New("this method only signs") }

func (es256) Sign(text string, key any) ([]byte, error) {
	signer, ok := key.(crypto.Signer)
	if !ok || signer == nil {
		return nil, jwt.ErrInvalidKeyType
	}
	public, ok := signer.Public().(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, jwt.ErrInvalidKeyType
	}
	sum := sha256.Sum256([]byte(text))
	sig, err := signer.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	// JOSE wants the two numbers side by side, not ASN.1.
	var n struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(sig, &n); err != nil || len(rest) > 0 || n.R.BitLen() > 256 || n.S.BitLen() > 256 {
		return nil, errors.New("assertion: the key made an unreadable signature")
	}
	out := make([]byte, 64)
	n.R.FillBytes(out[:32])
	n.S.FillBytes(out[32:])
	return out, nil
}
