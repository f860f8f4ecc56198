package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// jwk is a P-256 key pair as JSON (RFC 7517, RFC 7518), for a client that
// proves itself with private_key_jwt.
type jwk struct {
	KTY string `json:"kty"`
	CRV string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
	D   string `json:"d,omitempty"`
	KID string `json:"kid"`
	Alg string `json:"alg"`
	Use string `json:"use"`
}

// public leaves the private part out.
func (k jwk) public() jwk {
	k.D = ""
	return k
}

// key gives the key pair to sign with.
func (k jwk) key() (*ecdsa.PrivateKey, error) {
	d, err := base64.RawURLEncoding.DecodeString(k.D)
	if err != nil || k.KTY != "EC" || k.CRV != "P-256" {
		return nil, errors.New("not a private P-256 key")
	}
	return ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
}

// clientKey reads the key pair of a client, or makes it at the first start.
func clientKey(file, kid string) (jwk, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return makeClientKey(file, kid)
	}
	if err != nil {
		return jwk{}, err
	}
	var k jwk
	if err := json.Unmarshal(data, &k); err != nil {
		return jwk{}, fmt.Errorf("%s: %w", file, err)
	}
	if _, err := k.key(); err != nil {
		return jwk{}, fmt.Errorf("%s: %w", file, err)
	}
	return k, nil
}

func makeClientKey(file, kid string) (jwk, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return jwk{}, err
	}
	d, err := key.Bytes()
	if err != nil {
		return jwk{}, err
	}
	point, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return jwk{}, err
	}
	encode := base64.RawURLEncoding.EncodeToString
	k := jwk{KTY: "EC", CRV: "P-256", X: encode(point[1:33]), Y: encode(point[33:65]), D: encode(d), KID: kid, Alg: "ES256", Use: "sig"}
	data, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return jwk{}, err
	}
	return k, replaceFile(file, append(data, '\n'))
}

// replaceFile writes a file in one step: a crash leaves the old one or the new.
func replaceFile(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
