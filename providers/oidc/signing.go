package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"math/big"

	"github.com/golang-jwt/jwt/v5"
)

// signing is a signing method whose key is any crypto.Signer: keys may lie where
// nobody can take them out.
type signing struct{ jwt.SigningMethod }

func (s signing) Sign(text string, key any) ([]byte, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, jwt.ErrInvalidKeyType
	}
	sum := sha256.Sum256([]byte(text))
	switch signer.Public().(type) {
	case *rsa.PublicKey:
		if s.Alg() == PS256 {
			return signer.Sign(rand.Reader, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
		}
		return signer.Sign(rand.Reader, sum[:], crypto.SHA256)
	case *ecdsa.PublicKey:
		der, err := signer.Sign(rand.Reader, sum[:], crypto.SHA256)
		if err != nil {
			return nil, err
		}
		var point struct{ R, S *big.Int }
		if rest, err := asn1.Unmarshal(der, &point); err != nil || len(rest) != 0 {
			return nil, errors.New("a key that signs in no known form")
		}
		b := make([]byte, 64)
		point.R.FillBytes(b[:32])
		point.S.FillBytes(b[32:])
		return b, nil
	}
	return nil, jwt.ErrInvalidKeyType
}
