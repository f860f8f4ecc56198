package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// genesis stands before the first row.
func genesis() []byte {
	sum := sha256.Sum256([]byte("sigill audit 1"))
	return sum[:]
}

// link is the hash of a row: SHA-256 over the hash before it, its position and
// every field, each with its length, so that no two rows are written alike.
func link(previous []byte, position int64, e Event) []byte {
	text := make([]byte, 0, 512)
	text = field(text, "sigill audit row 1")
	text = field(text, string(previous))
	text = binary.BigEndian.AppendUint64(text, uint64(position))
	text = binary.BigEndian.AppendUint64(text, uint64(e.At.UnixMilli()))
	for _, f := range []string{string(e.Type), e.Client, e.Provider, e.Instance, e.Order, e.Login, e.Person, e.Reason} {
		text = field(text, f)
	}
	sum := sha256.Sum256(text)
	return sum[:]
}

func field(text []byte, f string) []byte {
	text = binary.BigEndian.AppendUint32(text, uint32(len(f)))
	return append(text, f...)
}

// Head says what the chain was at a time: its length and last hash, signed. Kept
// elsewhere (it is logged too), it proves later that no row up to it is missing.
type Head struct {
	Position  int64
	Hash      []byte
	At        time.Time
	KID       string
	Signature []byte
}

// text is what is signed.
func (h Head) text() []byte {
	text := field(nil, "sigill audit head 1")
	text = binary.BigEndian.AppendUint64(text, uint64(h.Position))
	text = binary.BigEndian.AppendUint64(text, uint64(h.At.UnixMilli()))
	text = field(text, string(h.Hash))
	return field(text, h.KID)
}
