package keys

import (
	"crypto/cipher"
	"crypto/rand"
	"fmt"
)

// looseVersion tells a value that a Loose sealed from one that a Box did.
const looseVersion = 2

// looseHead is what stands before the ciphertext: version and nonce.
const looseHead = 1 + nonceSize

// NewLoose makes the key of a Loose: 32 random bytes.
func NewLoose() []byte {
	key := make([]byte, 32)
	rand.Read(key) // never fails: crypto/rand crashes the program rather than return short
	return key
}

// Loose seals with a key that lies in no ring but with what it seals, itself
// sealed by a Box: when that is removed, what it sealed is gone.
type Loose struct{ aead cipher.AEAD }

// OpenLoose puts a key of NewLoose to use.
func OpenLoose(key []byte) (Loose, error) {
	if len(key) != 32 {
		return Loose{}, fmt.Errorf("keys: a loose key of %d bytes", len(key))
	}
	aead, err := newAEAD(key)
	return Loose{aead}, err
}

// Seal encrypts plain. Open needs the same context, which says where the sealed
// bytes belong.
func (l Loose) Seal(plain, context []byte) []byte {
	out := make([]byte, looseHead, looseHead+len(plain)+l.aead.Overhead())
	out[0] = looseVersion
	rand.Read(out[1:])
	return l.aead.Seal(out, out[1:looseHead], plain, boxContext(out[:1], context))
}

// Open decrypts what Seal made.
func (l Loose) Open(sealed, context []byte) ([]byte, error) {
	if len(sealed) < looseHead || sealed[0] != looseVersion || l.aead == nil {
		return nil, errSealed
	}
	plain, err := l.aead.Open(nil, sealed[1:looseHead], sealed[looseHead:], boxContext(sealed[:1], context))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}
