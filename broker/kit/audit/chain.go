package audit

import (
	"crypto/sha256"
	"encoding/binary"
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
