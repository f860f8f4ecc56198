package audit

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

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

// String is how a head is kept elsewhere, on one line:
// position:milliseconds:hash:kid:signature.
func (h Head) String() string {
	return fmt.Sprintf("%d:%d:%x:%s:%s", h.Position, h.At.UnixMilli(), h.Hash, h.KID, base64.RawURLEncoding.EncodeToString(h.Signature))
}

// ParseHead reads what String writes. Whether it is a head of ours, Verify says.
func ParseHead(s string) (Head, error) {
	wrong := errors.New("a head is position:milliseconds:hash:kid:signature")
	part := strings.Split(s, ":")
	if len(part) != 5 || len(s) > 1024 {
		return Head{}, wrong
	}
	position, err1 := strconv.ParseUint(part[0], 10, 63)
	at, err2 := strconv.ParseUint(part[1], 10, 53)
	hash, err3 := hex.DecodeString(part[2])
	signature, err4 := base64.RawURLEncoding.Strict().DecodeString(part[4])
	if errors.Join(err1, err2, err3, err4) != nil || position == 0 || len(hash) != sha256.Size || part[3] == "" || len(signature) == 0 {
		return Head{}, wrong
	}
	return Head{int64(position), hash, time.UnixMilli(int64(at)).UTC(), part[3], signature}, nil
}
