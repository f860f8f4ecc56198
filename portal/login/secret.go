package login

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"

	"sigill/portal"
)

// newSecret makes 32 random bytes, as text for cookies and addresses.
func newSecret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// isSecret reports whether a text has the form of newSecret.
func isSecret(s string) bool {
	if len(s) != 43 {
		return false
	}
	_, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil
}

// nameOf is what stands in the database for secrets: worth nothing without them.
func nameOf(kind string, secrets ...string) string {
	sum := sha256.Sum256(portal.Context(append([]string{kind}, secrets...)...))
	return hex.EncodeToString(sum[:])
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
