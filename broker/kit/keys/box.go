package keys

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// A sealed value is a version byte, the key's name, a nonce, and AES-256-GCM's
// output. The head is authenticated with the context.
const (
	boxVersion = 1
	nameSize   = 8
	nonceSize  = 12
	headSize   = 1 + nameSize
)

// errSealed says no more: why something does not open is nobody's business.
var errSealed = errors.New("keys: not sealed by this box, or altered")

// ErrNoMaster says that a key is there and cannot be opened yet: it lies under a
// master key whose file this node does not have. It passes when the file comes.
var ErrNoMaster = errors.New("keys: a key lies under a master key that is not here")

// Box seals data for one purpose.
type Box struct {
	ring  *Ring
	slot  slot
	first *key
}

// Box gives the box of a purpose, making its key at first use.
func (r *Ring) Box(purpose string) (*Box, error) {
	s := slot{purpose, kindBox}
	k, err := r.activeKey(s)
	if err != nil {
		return nil, err
	}
	return &Box{r, s, k}, nil
}

// Seal encrypts plain. Open needs the same context, which says where the sealed
// bytes belong.
func (b *Box) Seal(plain, context []byte) []byte {
	k := b.ring.loaded.Load().active[b.slot]
	if k == nil || k.aead == nil {
		k = b.first // its row has vanished or cannot be opened here; what first sealed can be read
	}
	out := make([]byte, headSize+nonceSize, headSize+nonceSize+len(plain)+k.aead.Overhead())
	out[0] = boxVersion
	hex.Decode(out[1:headSize], []byte(k.ID))
	rand.Read(out[headSize:])
	return k.aead.Seal(out, out[headSize:], plain, boxContext(out[:headSize], context))
}

// Open decrypts what Seal made with any key that the box has had.
func (b *Box) Open(sealed, context []byte) ([]byte, error) {
	if len(sealed) < headSize+nonceSize || sealed[0] != boxVersion {
		return nil, errSealed
	}
	k, err := b.named(hex.EncodeToString(sealed[1:headSize]))
	if err != nil {
		return nil, err
	}
	plain, err := k.aead.Open(nil, sealed[headSize:headSize+nonceSize], sealed[headSize+nonceSize:], boxContext(sealed[:headSize], context))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

func boxContext(head, context []byte) []byte {
	out := make([]byte, 0, len(head)+len(context))
	return append(append(out, head...), context...)
}

// named finds a key, also one that another process has made just now.
func (b *Box) named(id string) (*key, error) {
	find := func() *key {
		if k := b.ring.loaded.Load().byID[id]; k != nil && k.Purpose == b.slot.purpose && k.aead != nil {
			return k
		}
		return nil
	}
	if k := find(); k != nil {
		return k, nil
	}
	if b.first.ID == id {
		return b.first, nil
	}
	k, err := b.ring.look(find)
	if err != nil {
		return nil, err
	}
	if k != nil {
		return k, nil
	}
	if k := b.ring.loaded.Load().byID[id]; k != nil && k.Purpose == b.slot.purpose && k.unopened() {
		return nil, ErrNoMaster
	}
	return nil, errSealed
}

// lookGap is the least time between two looks into the database for a key that
// is not known. What comes meanwhile waits and shares one: whoever sends values
// that nobody has sealed costs no more than that.
const lookGap = 20 * time.Millisecond

// look finds in the database what other processes have made. A look that has
// begun after the caller asked answers for it.
func (r *Ring) look(find func() *key) (*key, error) {
	asked := r.looks.Load()
	r.looking.Lock()
	defer r.looking.Unlock()
	if k := find(); k != nil {
		return k, nil
	}
	if r.looks.Load() > asked {
		return nil, r.looked
	}
	time.Sleep(lookGap - time.Since(r.last))
	r.last = time.Now()
	r.looks.Add(1)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if r.looked = r.Refresh(ctx); r.looked != nil {
		return nil, r.looked
	}
	return find(), nil
}

// Index gives the keyed index of a purpose (HMAC-SHA256), making its key at
// first use. That key is never rotated: what was indexed must be found again.
func (r *Ring) Index(purpose string) (func([]byte) []byte, error) {
	k, err := r.activeKey(slot{purpose, kindIndex})
	if err != nil {
		return nil, err
	}
	secret := k.index
	return func(data []byte) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write(data)
		return mac.Sum(nil)
	}, nil
}

// Digest is an Index in hexadecimal: how a person is named in an audit.
func (r *Ring) Digest(purpose string) (func([]byte) string, error) {
	index, err := r.Index(purpose)
	if err != nil {
		return nil, fmt.Errorf("digest: %w", err)
	}
	return func(data []byte) string { return hex.EncodeToString(index(data)) }, nil
}
