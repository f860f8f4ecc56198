package store

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"sigill/broker"
)

// Box seals what must not be read from a disk.
type Box interface {
	Seal(plain, context []byte) []byte
	Open(sealed, context []byte) ([]byte, error)
}

// Sealed wraps a short-lived store so that neither keys nor values reach it as
// they are: a code or a token on its disk could be used by whoever reads it.
func Sealed(short broker.Short, box Box) broker.Short { return sealed{short, box} }

type sealed struct {
	short broker.Short
	box   Box
}

// hidden is what the store sees of a key, and what binds the value to it.
func hidden(kind, key string) (string, []byte) {
	sum := sha256.Sum256([]byte(kind + "\x00" + key))
	return base64.RawURLEncoding.EncodeToString(sum[:]), append([]byte(kind+"\x00"), sum[:]...)
}

func (s sealed) Put(ctx context.Context, kind, key string, value []byte, expires time.Time) error {
	name, bound := hidden(kind, key)
	return s.short.Put(ctx, kind, name, s.box.Seal(value, bound), expires)
}

func (s sealed) Get(ctx context.Context, kind, key string) ([]byte, int64, error) {
	name, bound := hidden(kind, key)
	value, version, err := s.short.Get(ctx, kind, name)
	if err != nil {
		return nil, 0, err
	}
	plain, err := s.open(kind, value, bound)
	return plain, version, err
}

func (s sealed) Take(ctx context.Context, kind, key string) ([]byte, error) {
	name, bound := hidden(kind, key)
	value, err := s.short.Take(ctx, kind, name)
	if err != nil {
		return nil, err
	}
	return s.open(kind, value, bound)
}

func (s sealed) Swap(ctx context.Context, kind, key string, version int64, value []byte, expires time.Time) error {
	name, bound := hidden(kind, key)
	return s.short.Swap(ctx, kind, name, version, s.box.Seal(value, bound), expires)
}

func (s sealed) open(kind string, value, bound []byte) ([]byte, error) {
	plain, err := s.box.Open(value, bound)
	if err != nil {
		return nil, fmt.Errorf("short store: %s: %w", kind, err)
	}
	return plain, nil
}
