package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
)

// clientKey is a key that a client may sign its assertions with.
type clientKey struct {
	kid  string
	algs []string
	key  crypto.PublicKey
}

// CheckJWKS reports whether a client's key set holds at least one key that we
// would take, so that a useless registration is refused when it is made.
func CheckJWKS(raw json.RawMessage) error {
	if len(clientKeys(raw)) == 0 {
		return errors.New("no usable key: RSA of at least 2048 bits, or EC P-256, P-384 or P-521, public members only")
	}
	return nil
}

// clientKeys reads a registered JWK set (RFC 7517). Keys that are too weak, for
// encryption, private, or of a kind that we do not know are left out.
func clientKeys(raw json.RawMessage) []clientKey {
	set, err := object(raw)
	if err != nil {
		return nil
	}
	var list []json.RawMessage
	if json.Unmarshal(set["keys"], &list) != nil {
		return nil
	}
	var keys []clientKey
	for _, one := range list {
		jwk, err := object(one)
		if err != nil {
			continue
		}
		k := clientKey{kid: jwk.text("kid")}
		if use := jwk.text("use"); use != "" && use != "sig" {
			continue
		}
		if _, private := jwk["d"]; private {
			continue
		}
		switch jwk.text("kty") {
		case "EC":
			k.key, k.algs = ecKey(jwk)
		case "RSA":
			k.key, k.algs = rsaKey(jwk)
		}
		if alg := jwk.text("alg"); alg != "" {
			if !slices.Contains(k.algs, alg) {
				continue
			}
			k.algs = []string{alg}
		}
		if len(k.algs) > 0 {
			keys = append(keys, k)
		}
	}
	return keys
}

func ecKey(jwk members) (crypto.PublicKey, []string) {
	var curve elliptic.Curve
	var alg string
	switch jwk.text("crv") {
	case "P-256":
		curve, alg = elliptic.P256(), "ES256"
	case "P-384":
		curve, alg = elliptic.P384(), "ES384"
	case "P-521":
		curve, alg = elliptic.P521(), "ES512"
	default:
		return nil, nil
	}
	size := (curve.Params().BitSize + 7) / 8
	x, y := jwk.number("x"), jwk.number("y")
	if len(x) != size || len(y) != size {
		return nil, nil
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y)) // refuses what is not on the curve
	if err != nil {
		return nil, nil
	}
	return key, []string{alg}
}

func rsaKey(jwk members) (crypto.PublicKey, []string) {
	n, e := new(big.Int).SetBytes(jwk.number("n")), new(big.Int).SetBytes(jwk.number("e"))
	if n.BitLen() < 2048 || n.BitLen() > 8192 || n.Bit(0) == 0 || e.BitLen() > 31 || e.Cmp(big.NewInt(3)) < 0 || e.Bit(0) == 0 {
		return nil, nil
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, []string{"RS256", "PS256", "RS384", "RS512"}
}

// number gives the bytes of a base64url member; nil when it is none.
func (m members) number(name string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(m.text(name))
	if err != nil {
		return nil
	}
	return b
}
