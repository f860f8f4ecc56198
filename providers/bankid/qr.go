package bankid

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
)

// qrFrame is the content of the animated QR code at the given time since the
// start reply arrived. The secret is used as the ASCII text that it came as.
func qrFrame(token, secret string, since time.Duration) string {
	t := int64(since / time.Second)
	if since < 0 {
		t = 0
	}
	seconds := strconv.FormatInt(t, 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(seconds))
	return "bankid." + token + "." + seconds + "." + hex.EncodeToString(mac.Sum(nil))
}
