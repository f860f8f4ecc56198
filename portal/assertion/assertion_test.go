package assertion

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"io"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// opaque hides what kind of key it is, as hardware does.
type opaque struct{ crypto.Signer }

func TestNew(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	seen := map[string]bool{}
	for range 20 { // small numbers are padded
		raw, err := New(opaque{key}, "k1", "portal-a", "https://op.example.se", now)
		if err != nil {
			t.Fatal(err)
		}
		var c jwt.RegisteredClaims
		tok, err := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithAudience("https://op.example.se"), jwt.WithIssuer("portal-a"),
			jwt.WithSubject("portal-a"), jwt.WithExpirationRequired(), jwt.WithIssuedAt()).
			ParseWithClaims(raw, &c, func(*jwt.Token) (any, error) { return key.Public(), nil })
		if err != nil || tok.Header["kid"] != "k1" || len(c.Audience) != 1 || c.ExpiresAt.Sub(now) > 2*time.Minute {
			t.Fatalf("%v %v %+v", err, tok.Header, c)
		}
		if seen[c.ID] || len(c.ID) < 22 {
			t.Error("a proof is made for one use")
		}
		seen[c.ID] = true
	}
}

// garbled is a key that does not sign as it should.
type garbled struct {
	crypto.Signer
	answer []byte
}

func (g garbled) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return g.answer, nil }

func TestNewRefuses(t *testing.T) {
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	for name, key := range map[string]crypto.Signer{
		"none": nil, "another curve": p384, "another kind": ed, "nothing": garbled{p256, nil}, "no numbers": garbled{p256, []byte{0x30, 0}},
		"more after it": garbled{p256, []byte{0x30, 6, 2, 1, 1, 2, 1, 1, 0}},
	} {
		if _, err := New(key, "k", "c", "a", time.Now()); err == nil {
			t.Errorf("%s: a proof was made", name)
		}
	}
}
