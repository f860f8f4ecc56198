package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Master is the key that seals all others. It lives outside the database and
// its backups.
type Master struct {
	id   string // names it without telling anything about it
	aead cipher.AEAD
}

// NewMaster makes a master key and writes it to a new file that only its owner
// may read. It never replaces a file: that would lose every key sealed under it.
func NewMaster(file string) error {
	var key [32]byte
	rand.Read(key[:])
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("new master key: %w", err)
	}
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(key[:]) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close(), syncFolder(file)); err != nil {
		return fmt.Errorf("new master key: %w", err)
	}
	return nil
}

func syncFolder(file string) error {
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// LoadMasters reads the current master key's file and, while it is being
// replaced, those of previous ones, in that order. A previous one's file may be
// missing: there is none then.
func LoadMasters(files ...string) ([]Master, error) {
	var masters []Master
	for i, file := range files {
		m, err := LoadMaster(file)
		if i > 0 && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		masters = append(masters, m)
	}
	return masters, nil
}

// LoadMaster reads one.
func LoadMaster(file string) (Master, error) {
	f, err := os.Open(file)
	if err != nil {
		return Master{}, fmt.Errorf("master key: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 1024))
	if err != nil {
		return Master{}, fmt.Errorf("master key: %w", err)
	}
	key, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != 32 {
		// Nothing of the file is repeated: it may be a secret of another kind.
		return Master{}, fmt.Errorf("master key: %s does not hold 32 bytes as base64", file)
	}
	return newMaster(key)
}

func newMaster(key []byte) (Master, error) {
	id, err := hkdf.Key(sha256.New, key, nil, "sigill master id 1", 8)
	if err != nil {
		return Master{}, fmt.Errorf("master key: %w", err)
	}
	wrap, err := hkdf.Key(sha256.New, key, nil, "sigill master wrap 1", 32)
	if err != nil {
		return Master{}, fmt.Errorf("master key: %w", err)
	}
	aead, err := newAEAD(wrap)
	return Master{hex.EncodeToString(id), aead}, err
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// wrap seals a key. Its name, purpose and kind are bound to it, so that rows
// cannot be exchanged.
func (m Master) wrap(secret []byte, id, purpose, kind string) []byte {
	nonce := make([]byte, m.aead.NonceSize(), m.aead.NonceSize()+len(secret)+m.aead.Overhead())
	rand.Read(nonce)
	return m.aead.Seal(nonce, nonce, secret, wrapContext(id, purpose, kind))
}

func (m Master) unwrap(wrapped []byte, id, purpose, kind string) ([]byte, error) {
	n := m.aead.NonceSize()
	if len(wrapped) < n {
		return nil, errors.New("too short")
	}
	return m.aead.Open(nil, wrapped[:n], wrapped[n:], wrapContext(id, purpose, kind))
}

func wrapContext(id, purpose, kind string) []byte {
	return []byte("sigill key 1\x00" + id + "\x00" + purpose + "\x00" + kind)
}
