// Package webhook signs, checks and sends webhooks as Standard Webhooks 1.0.0 has
// them.
//
// It owns the three header fields, the secrets, and the way out: which origins and
// which network addresses may be called, and what an answer means. It does not know
// what events there are, nor does it try again: broker/kit/outbox does. Signatures
// are symmetric ones (v1: HMAC-SHA256).
package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The header fields.
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
)

const (
	secretPrefix = "whsec_"
	minSecret    = 24
	maxSecret    = 64
	// maxSignatures bounds the work that a header field can ask for.
	maxSignatures = 20
)

// Secret is what sender and receiver share. It does not print itself.
type Secret struct{ key []byte }

// NewSecret makes one of 32 random bytes.
func NewSecret() Secret {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	return Secret{key}
}

// SecretOf takes the bytes themselves, as they are stored.
func SecretOf(key []byte) (Secret, error) {
	if len(key) < minSecret || len(key) > maxSecret {
		return Secret{}, fmt.Errorf("webhook: a secret is %d to %d bytes", minSecret, maxSecret)
	}
	return Secret{slices.Clone(key)}, nil
}

// ParseSecret reads "whsec_" and 24 to 64 bytes in base64.
func ParseSecret(text string) (Secret, error) {
	encoded, ok := strings.CutPrefix(text, secretPrefix)
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || strings.ContainsAny(encoded, "\r\n") || len(key) < minSecret || len(key) > maxSecret {
		return Secret{}, fmt.Errorf("webhook: a secret is %s and %d to %d bytes in base64", secretPrefix, minSecret, maxSecret)
	}
	return Secret{key}, nil
}

// Reveal gives the secret as it is handed to the receiver.
func (s Secret) Reveal() string { return secretPrefix + base64.StdEncoding.EncodeToString(s.key) }

func (Secret) String() string         { return secretPrefix + "…" }
func (s Secret) GoString() string     { return s.String() }
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

func (s Secret) mac(id, timestamp string, body []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(id + "." + timestamp + "."))
	h.Write(body)
	return h.Sum(nil)
}

// Sign gives the header fields of a webhook that is sent at that time: a signature
// by each secret, so that a receiver may change to a new one without haste.
func Sign(id string, at time.Time, body []byte, secrets ...Secret) (http.Header, error) {
	if !validID(id) {
		return nil, errors.New("webhook: an id is 1 to 128 visible characters without a dot")
	}
	if len(secrets) == 0 {
		return nil, errors.New("webhook: no secret to sign with")
	}
	timestamp := strconv.FormatInt(at.Unix(), 10)
	var list []string
	for _, s := range secrets {
		if len(s.key) < minSecret {
			return nil, errors.New("webhook: an empty secret")
		}
		list = append(list, "v1,"+base64.StdEncoding.EncodeToString(s.mac(id, timestamp, body)))
	}
	h := http.Header{}
	h.Set(HeaderID, id)
	h.Set(HeaderTimestamp, timestamp)
	h.Set(HeaderSignature, strings.Join(list, " "))
	return h, nil
}

// validID keeps the signed text unambiguous: the dot parts its members.
func validID(id string) bool {
	return id != "" && len(id) <= 128 && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' || r == '.' })
}

// Why a webhook is not believed.
var (
	ErrHeader    = errors.New("webhook: a header field is missing or malformed")
	ErrTime      = errors.New("webhook: sent too long ago, or in the future")
	ErrSignature = errors.New("webhook: no signature is right")
)

// Verify checks what came: at least one signature of one of the secrets, and a time
// that is at most tolerance from now. Whoever has believed a webhook remembers its
// id for twice that long, and does nothing the second time.
func Verify(h http.Header, body []byte, now time.Time, tolerance time.Duration, secrets ...Secret) error {
	id, timestamp, signatures := single(h, HeaderID), single(h, HeaderTimestamp), single(h, HeaderSignature)
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || !validID(id) || strconv.FormatInt(seconds, 10) != timestamp {
		return ErrHeader
	}
	given := strings.Split(signatures, " ")
	if signatures == "" || len(given) > maxSignatures {
		return ErrHeader
	}
	right := false
	for _, g := range given {
		version, encoded, _ := strings.Cut(g, ",")
		mac, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if version != "v1" || err != nil {
			continue // of another kind; that is allowed
		}
		for _, s := range secrets {
			if len(s.key) >= minSecret && hmac.Equal(mac, s.mac(id, timestamp, body)) {
				right = true
			}
		}
	}
	if !right {
		return ErrSignature
	}
	if d := now.Sub(time.Unix(seconds, 0)); d > tolerance || d < -tolerance {
		return ErrTime
	}
	return nil
}

// single gives the only value of a header field.
func single(h http.Header, name string) string {
	if v := h.Values(name); len(v) == 1 {
		return v[0]
	}
	return ""
}
