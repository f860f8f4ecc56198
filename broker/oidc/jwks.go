package oidc

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"sync"
)

// publishedKeys is the JWK set that we publish, as bytes that are made again
// only when the keys change.
type publishedKeys struct {
	keys Keys

	mu   sync.Mutex
	kids []string
	body []byte
}

func (s *publishedKeys) bytes() ([]byte, error) {
	published := s.keys.Published()
	kids := make([]string, len(published))
	for i, k := range published {
		kids[i] = k.Alg + " " + k.KID
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.body != nil && slices.Equal(kids, s.kids) {
		return s.body, nil
	}
	body, err := jwkSet(published)
	if err != nil {
		return nil, err
	}
	s.kids, s.body = kids, body
	return body, nil
}

// KeySet is the JWK set of keys of ours, for a client that lives in this
// installation.
func KeySet(keys []PublicKey) (json.RawMessage, error) { return jwkSet(keys) }

// jwkSet writes public members one by one: nothing of a private key can slip in.
func jwkSet(keys []PublicKey) ([]byte, error) {
	set := []map[string]string{}
	for _, k := range keys {
		jwk := map[string]string{"kid": k.KID, "alg": k.Alg, "use": "sig"}
		switch pub := k.Key.(type) {
		case *ecdsa.PublicKey:
			point, err := pub.Bytes() // 4, then both coordinates in full length
			if err != nil {
				return nil, fmt.Errorf("key %s: %w", k.KID, err)
			}
			half := (len(point) - 1) / 2
			jwk["kty"], jwk["crv"] = "EC", pub.Params().Name
			jwk["x"] = base64.RawURLEncoding.EncodeToString(point[1 : 1+half])
			jwk["y"] = base64.RawURLEncoding.EncodeToString(point[1+half:])
		case *rsa.PublicKey:
			jwk["kty"] = "RSA"
			jwk["n"] = base64.RawURLEncoding.EncodeToString(pub.N.Bytes())
			jwk["e"] = base64.RawURLEncoding.EncodeToString(big.NewInt(int64(pub.E)).Bytes())
		default:
			return nil, fmt.Errorf("key %s is a %T, neither ECDSA nor RSA", k.KID, k.Key)
		}
		set = append(set, jwk)
	}
	return json.Marshal(map[string]any{"keys": set})
}

func (p *Provider) serveJWKS(w http.ResponseWriter, r *http.Request) {
	body, err := p.jwks.bytes()
	if err != nil {
		p.Log.ErrorContext(r.Context(), "no JWK set", "error", err)
		http.Error(w, "keys are not available", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// Short enough that a new key, published before it signs, is seen in time.
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Write(body)
}
