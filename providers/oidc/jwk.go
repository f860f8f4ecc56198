package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"

	"sigill/providers"
)

// jwk is a public key (RFC 7517) of the two kinds that sign here.
type jwk struct {
	Kty string `json:"kty"`
	Kid string `json:"kid,omitempty"`
	Use string `json:"use,omitempty"`
	Alg string `json:"alg,omitempty"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
	Crv string `json:"crv,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
}

var strict64 = base64.RawURLEncoding.Strict()

func encode(b []byte) string { return strict64.EncodeToString(b) }

// ofKey is a public key as a JWK, named by its thumbprint.
func ofKey(key crypto.PublicKey) (jwk, error) {
	if err := strength(key); err != nil {
		return jwk{}, err
	}
	var j jwk
	switch k := key.(type) {
	case *rsa.PublicKey:
		j = jwk{Kty: "RSA", N: encode(k.N.Bytes()), E: encode(big.NewInt(int64(k.E)).Bytes())}
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			return jwk{}, err
		}
		j = jwk{Kty: "EC", Crv: "P-256", X: encode(point[1:33]), Y: encode(point[33:])}
	}
	j.Kid = j.thumbprint()
	return j, nil
}

// key is the key itself, checked.
func (j jwk) key() (crypto.PublicKey, error) {
	var key crypto.PublicKey
	switch {
	case j.Kty == "RSA":
		n, err1 := strict64.DecodeString(j.N)
		e, err2 := strict64.DecodeString(j.E)
		if err1 != nil || err2 != nil || len(e) == 0 || len(e) > 4 || e[0] == 0 || len(n) == 0 || len(n) > 1024 || n[0] == 0 {
			return nil, errors.New("not an RSA key")
		}
		key = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	case j.Kty == "EC" && j.Crv == "P-256":
		x, err1 := strict64.DecodeString(j.X)
		y, err2 := strict64.DecodeString(j.Y)
		if err1 != nil || err2 != nil || len(x) != 32 || len(y) != 32 {
			return nil, errors.New("not a P-256 key")
		}
		k, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
		if err != nil {
			return nil, errors.New("not a point of P-256")
		}
		key = k
	default:
		return nil, errors.New("neither RSA nor P-256")
	}
	return key, strength(key)
}

// thumbprint is the key's name that follows from itself alone (RFC 7638).
func (j jwk) thumbprint() string {
	var members any
	switch j.Kty {
	case "RSA":
		members = struct {
			E   string `json:"e"`
			Kty string `json:"kty"`
			N   string `json:"n"`
		}{j.E, j.Kty, j.N}
	default:
		members = struct {
			Crv string `json:"crv"`
			Kty string `json:"kty"`
			X   string `json:"x"`
			Y   string `json:"y"`
		}{j.Crv, j.Kty, j.X, j.Y}
	}
	b, _ := json.Marshal(members) // strings alone
	sum := sha256.Sum256(b)
	return encode(sum[:])
}

// public leaves only what makes the key.
func (j jwk) public() jwk {
	return jwk{Kty: j.Kty, Kid: j.Kid, Alg: j.Alg, N: j.N, E: j.E, Crv: j.Crv, X: j.X, Y: j.Y}
}

// signs reports whether the key may have made a signature with the algorithm.
func (j jwk) signs(alg string) bool {
	if j.Use != "" && j.Use != "sig" || j.Alg != "" && j.Alg != alg {
		return false
	}
	if alg == ES256 {
		return j.Kty == "EC"
	}
	return j.Kty == "RSA"
}

const maxKeys = 64

// parseKeys reads a key set. Keys that are of no use here are passed over.
func parseKeys(b []byte) ([]jwk, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(b, &set); err != nil || set.Keys == nil {
		return nil, errors.New("not a key set")
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("a set of more than %d keys", maxKeys)
	}
	var keys []jwk
	for _, raw := range set.Keys {
		var j struct {
			jwk
			D json.RawMessage `json:"d"` // a private part: this key is nobody's own any more
		}
		if json.Unmarshal(raw, &j) != nil || j.D != nil {
			continue
		}
		if _, err := j.key(); err == nil && len(j.Kid) <= maxKid {
			keys = append(keys, j.jwk)
		}
	}
	return keys, nil
}

// clientKey is one of our own keys.
type clientKey struct {
	signer crypto.Signer
	kid    string
	rsa    bool
}

// clientKeys names our keys and makes the document that publishes them.
func clientKeys(signers []crypto.Signer) ([]clientKey, providers.Document, error) {
	if len(signers) == 0 {
		return nil, providers.Document{}, nil
	}
	var keys []clientKey
	set := struct {
		Keys []jwk `json:"keys"`
	}{}
	for _, s := range signers {
		if s == nil {
			return nil, providers.Document{}, errors.New("a key is missing")
		}
		j, err := ofKey(s.Public())
		if err != nil {
			return nil, providers.Document{}, fmt.Errorf("our own key: %w", err)
		}
		j.Use = "sig"
		if j.Kty == "EC" {
			j.Alg = ES256
		}
		keys = append(keys, clientKey{signer: s, kid: j.Kid, rsa: j.Kty == "RSA"})
		set.Keys = append(set.Keys, j)
	}
	b, err := json.Marshal(set)
	return keys, providers.Document{MediaType: "application/jwk-set+json", Bytes: b}, err
}
