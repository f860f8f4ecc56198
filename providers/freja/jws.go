package freja

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha1" // x5t is SHA-1 by definition; it finds a certificate and proves nothing
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

const maxToken = maxAnswer

// A token is a JWS in compact form (RFC 7515), taken apart. Nothing is verified.
type token struct {
	header    map[string]json.RawMessage
	payload   []byte
	signature []byte
	signed    string // what the signature covers
}

// parseToken takes a JWS apart: three segments of base64url without padding, line
// breaks or stray bits, and an object as header.
func parseToken(text string) (*token, error) {
	if len(text) > maxToken {
		return nil, errors.New("too large")
	}
	segments := strings.Split(text, ".")
	if len(segments) != 3 {
		return nil, errors.New("not three segments")
	}
	t := &token{signed: text[:len(segments[0])+1+len(segments[1])]}
	var raw [3][]byte
	for i, s := range segments {
		if strings.ContainsAny(s, "\r\n") {
			return nil, errors.New("line break in a segment")
		}
		b, err := base64.RawURLEncoding.Strict().DecodeString(s)
		if err != nil || len(b) == 0 {
			return nil, fmt.Errorf("segment %d is not base64url", i+1)
		}
		raw[i] = b
	}
	var err error
	if t.header, err = members(raw[0]); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	t.payload, t.signature = raw[1], raw[2]
	return t, nil
}

// checkHeader demands the one algorithm that there is. It is never chosen by what
// the token says.
func (t *token) checkHeader() error {
	if _, critical := t.header["crit"]; critical {
		return errors.New("demands what is not understood here")
	}
	if alg, err := text(t.header, "alg"); err != nil || alg != "RS256" {
		return errors.New("not RS256")
	}
	return nil
}

// signedBy checks the signature with the key of a certificate.
func (t *token) signedBy(c *x509.Certificate) error {
	key, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok {
		return errors.New("not an RSA key")
	}
	sum := sha256.Sum256([]byte(t.signed))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], t.signature)
}

// thumbprint is how a JWS names the certificate of its signer.
func thumbprint(c *x509.Certificate) string {
	sum := sha1.Sum(c.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

const minRSA = 2048

// jwsProfile checks that a certificate is one for signing answers.
func jwsProfile(c *x509.Certificate) error {
	if err := rsaKey(c); err != nil {
		return err
	}
	switch {
	case c.IsCA:
		return errors.New("is a CA's")
	case c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("is not for signing")
	}
	return nil
}

func rsaKey(c *x509.Certificate) error {
	if key, ok := c.PublicKey.(*rsa.PublicKey); !ok || key.N.BitLen() < minRSA {
		return fmt.Errorf("not an RSA key of at least %d bits", minRSA)
	}
	return nil
}

var signerName = regexp.MustCompile(`^.+ JWS Signing( v[0-9]+)?$`)

// jwsName checks what else tells Freja's JWS certificates from all others under
// the same root, those of relying parties, servers and people: that they are for
// nonrepudiation and no extended use, and a common name such as "Freja eID JWS
// Signing v3". All of it is of what has been seen, and promised by nobody.
func jwsName(c *x509.Certificate) error {
	if c.KeyUsage&x509.KeyUsageContentCommitment == 0 || len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0 ||
		!signerName.MatchString(c.Subject.CommonName) {
		return errors.New("not a certificate for signing answers")
	}
	return nil
}

// members reads a JSON object, each name once and as it is spelt: encoding/json
// takes the last of several, and does not mind capitals.
func members(data []byte) (map[string]json.RawMessage, error) {
	malformed := errors.New("not a JSON object") // the error of encoding/json may quote the input
	if !utf8.Valid(data) {
		return nil, malformed
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, malformed
	}
	m := map[string]json.RawMessage{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, malformed
		}
		key, ok := name.(string)
		var value json.RawMessage
		if err := d.Decode(&value); !ok || err != nil {
			return nil, malformed
		}
		if _, twice := m[key]; twice {
			return nil, errors.New("a JSON object with a member twice")
		}
		if string(value) == "null" {
			value = nil // as if it were not there
		}
		m[key] = value
	}
	if end, err := d.Token(); err != nil || end != json.Delim('}') {
		return nil, malformed
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, malformed
	}
	return m, nil
}

// text reads a member that must be a string.
func text(m map[string]json.RawMessage, name string) (string, error) {
	raw := m[name]
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", fmt.Errorf("no text %q", name)
	}
	return s, nil
}

// object reads a member that must be an object.
func object(m map[string]json.RawMessage, name string) (map[string]json.RawMessage, error) {
	inner, err := members(m[name])
	if err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	return inner, nil
}

// strictBase64 decodes the standard alphabet with padding, and nothing else: no
// line breaks, no stray bits.
func strictBase64(text string, limit int) ([]byte, error) {
	switch {
	case text == "":
		return nil, errors.New("empty")
	case base64.StdEncoding.DecodedLen(len(text)) > limit+2:
		return nil, errors.New("too large")
	case strings.ContainsAny(text, "\r\n"):
		return nil, errors.New("line break in base64")
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errors.New("not base64")
	}
	return b, nil
}
