package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"slices"

	"sigill/broker/kit/config/strict"
)

// readJWKS reads the public keys of a client: a JSON Web Key Set (RFC 7517),
// written as YAML or as JSON, which is YAML too. It refuses what would be
// useless or dangerous later: private parts, symmetric and weak keys.
func readJWKS(v strict.Value) json.RawMessage {
	if !v.Present() {
		return nil
	}
	m := v.Map()
	keys := m.Get("keys").Required()
	m.Close()
	list := keys.List()
	if keys.IsList() && len(list) == 0 {
		keys.Fault("must hold at least one key")
	}
	if len(list) > 20 {
		keys.Fault("holds more than 20 keys")
		return nil
	}
	var kids []string
	for _, key := range list {
		k := key.Map()
		kty := k.Get("kty").Required().Text()
		kid := k.Get("kid").Text()
		use := k.Get("use").Text()
		private := slices.ContainsFunc([]string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}, func(name string) bool {
			return k.Get(name).Present()
		})
		switch {
		case private:
			key.Fault("holds a private key; give the public part alone, and make a new key: this one has been shown")
		case use != "" && use != "sig":
			key.Fault("is not for signatures (use: sig)")
		case len(list) > 1 && kid == "":
			key.Fault("needs a kid, since there are several keys")
		case kid != "" && slices.Contains(kids, kid):
			key.Fault("there is another key with the kid %s", kid)
		case kty == "EC" && !soundEC(k):
			key.Fault("must be a point on the curve P-256, P-384 or P-521")
		case kty == "RSA" && !soundRSA(k):
			key.Fault("must be an RSA key of 2048 to 8192 bits")
		case kty != "" && kty != "EC" && kty != "RSA":
			key.Fault("must be of kty EC or RSA")
		}
		kids = append(kids, kid)
	}
	raw, err := json.Marshal(v.Any())
	if err != nil {
		v.Fault("cannot be written as JSON")
		return nil
	}
	return raw
}

func soundEC(k *strict.Map) bool {
	var curve elliptic.Curve
	switch k.Get("crv").Text() {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	case "P-521":
		curve = elliptic.P521()
	default:
		return false
	}
	size := (curve.Params().BitSize + 7) / 8
	x, y := coordinate(k, "x"), coordinate(k, "y")
	if len(x) != size || len(y) != size {
		return false
	}
	_, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	return err == nil
}

func soundRSA(k *strict.Map) bool {
	n := new(big.Int).SetBytes(coordinate(k, "n"))
	e := new(big.Int).SetBytes(coordinate(k, "e"))
	return n.BitLen() >= 2048 && n.BitLen() <= 8192 && n.Bit(0) == 1 &&
		e.IsInt64() && e.Int64() >= 3 && e.Int64() < 1<<32 && e.Bit(0) == 1
}

func coordinate(k *strict.Map, name string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(k.Get(name).Text())
	if err != nil {
		return nil
	}
	return b
}
