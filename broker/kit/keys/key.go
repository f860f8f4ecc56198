package keys

import (
	"crypto"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"time"
)

// What a key can be.
const (
	kindBox   = "box"
	kindIndex = "index"
	RS256     = "RS256"
	ES256     = "ES256"
	EdDSA     = "EdDSA" // Ed25519
)

// State is where a key is in its life.
type State string

const (
	Next      State = "next"      // published, not yet used
	Active    State = "active"    // the one in use
	Retired   State = "retired"   // no longer used for new things; still verifies and opens
	Withdrawn State = "withdrawn" // gone; only its name is kept, so that it is never used again
)

// Info is what may be told of a key.
type Info struct {
	ID        string // of a signing key: its kid, the RFC 7638 thumbprint
	Purpose   string
	Kind      string
	State     State
	Master    string // names the master key that it is sealed under
	Created   time.Time
	Activated time.Time
	Retired   time.Time
	Withdrawn time.Time
}

// key is one that has been opened; exactly one of its last three fields is set,
// none when it is withdrawn or its master key is not here.
type key struct {
	Info
	aead   cipher.AEAD
	index  []byte
	signer crypto.Signer
}

func (k *key) opened() bool { return k.aead != nil || k.index != nil || k.signer != nil }

func (k *key) unopened() bool { return k.State != Withdrawn && !k.opened() }

// generate makes the secret of a new key and its name.
func generate(kind string) (id string, secret []byte, err error) {
	var signer crypto.Signer
	switch kind {
	case kindBox, kindIndex:
		var name [8]byte
		rand.Read(name[:])
		secret = make([]byte, 32)
		rand.Read(secret)
		return hex.EncodeToString(name[:]), secret, nil
	case RS256:
		signer, err = rsa.GenerateKey(rand.Reader, 2048)
	case ES256:
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("there is no kind of key called %q", kind)
	}
	if err != nil {
		return "", nil, err
	}
	if id, err = thumbprint(signer.Public()); err != nil {
		return "", nil, err
	}
	secret, err = x509.MarshalPKCS8PrivateKey(signer)
	return id, secret, err
}

// use puts an unwrapped secret to work.
func (k *key) use(secret []byte) error {
	var err error
	switch k.Kind {
	case kindBox:
		k.aead, err = newAEAD(secret)
		return err
	case kindIndex:
		if len(secret) != 32 {
			return fmt.Errorf("an index key of %d bytes", len(secret))
		}
		k.index = secret
		return nil
	}
	private, err := x509.ParsePKCS8PrivateKey(secret)
	if err != nil {
		return err
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return fmt.Errorf("%T does not sign", private)
	}
	k.signer = signer
	return nil
}

// thumbprintSize is the length of a name that thumbprint makes.
const thumbprintSize = 43

// thumbprint names a public key by its own content (RFC 7638, RFC 8037), so
// that a name can never stand for two keys.
func thumbprint(public crypto.PublicKey) (string, error) {
	b64 := base64.RawURLEncoding.EncodeToString
	var text string
	switch p := public.(type) {
	case *rsa.PublicKey:
		text = `{"e":"` + b64(big.NewInt(int64(p.E)).Bytes()) + `","kty":"RSA","n":"` + b64(p.N.Bytes()) + `"}`
	case *ecdsa.PublicKey:
		point, err := p.Bytes()
		if err != nil || p.Curve != elliptic.P256() {
			return "", fmt.Errorf("not a key on P-256")
		}
		text = `{"crv":"P-256","kty":"EC","x":"` + b64(point[1:33]) + `","y":"` + b64(point[33:]) + `"}`
	case ed25519.PublicKey:
		text = `{"crv":"Ed25519","kty":"OKP","x":"` + b64(p) + `"}`
	default:
		return "", fmt.Errorf("no name for a %T", public)
	}
	sum := sha256.Sum256([]byte(text))
	return b64(sum[:]), nil
}
