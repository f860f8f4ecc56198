package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"github.com/golang-jwt/jwt/v5"
)

// The algorithms that we sign with: what the Swedish profile demands.
const (
	RS256 = "RS256"
	ES256 = "ES256"
)

// Keys are the installation's signing keys.
type Keys interface {
	// Signer gives the active key of an algorithm.
	Signer(alg string) (SigningKey, error)
	// Published are the keys that others may verify with: next, active, and
	// retired ones until all they signed has expired.
	Published() []PublicKey
	// Find gives the published key of a name, also one that another node has
	// brought in just now.
	Find(kid string) (PublicKey, bool)
}

// SigningKey signs tokens. The key may live in hardware.
type SigningKey struct {
	KID, Alg string
	Key      crypto.Signer
}

// PublicKey verifies them.
type PublicKey struct {
	KID, Alg string
	Key      crypto.PublicKey
}

// sign makes a compact JWT with the client's algorithm.
func (p *Provider) sign(alg string, claims jwt.Claims) (string, error) {
	key, err := p.Keys.Signer(alg)
	if err != nil {
		return "", fmt.Errorf("signing key for %s: %w", alg, err)
	}
	t := jwt.Token{
		Header: map[string]any{"alg": key.Alg, "typ": "JWT", "kid": key.KID},
		Claims: claims,
		Method: signerMethod{key.Alg},
	}
	return t.SignedString(key.Key)
}

// signerMethod lets golang-jwt sign with any crypto.Signer; its own methods
// take only keys that lie in memory.
type signerMethod struct{ alg string }

func (m signerMethod) Alg() string { return m.alg }

func (m signerMethod) Verify(string, []byte, any) error {
	return errors.New("this method only signs")
}

func (m signerMethod) Sign(text string, key any) ([]byte, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, jwt.ErrInvalidKeyType
	}
	sum := sha256.Sum256([]byte(text))
	sig, err := signer.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil || m.alg == RS256 {
		return sig, err
	}
	// JOSE wants the two numbers of an ECDSA signature side by side, not ASN.1.
	pub, ok := signer.Public().(*ecdsa.PublicKey)
	if !ok || m.alg != ES256 {
		return nil, jwt.ErrInvalidKeyType
	}
	var rs struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(sig, &rs); err != nil || len(rest) > 0 {
		return nil, errors.New("the key made an unreadable signature")
	}
	size := (pub.Curve.Params().BitSize + 7) / 8
	out := make([]byte, 2*size)
	rs.R.FillBytes(out[:size])
	rs.S.FillBytes(out[size:])
	return out, nil
}
