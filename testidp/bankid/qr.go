package bankid

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// qrTolerance is how many seconds a frame may be off (bankid.md section 13).
const qrTolerance = 2

// A frame is the content of one animated QR code (bankid.md 5.1).
type frame struct {
	token string
	t     int
	mac   string
}

// parseFrame reads a scanned code.
func parseFrame(content string) (frame, error) {
	parts := strings.Split(content, ".")
	if len(content) > 512 || len(parts) != 4 || parts[0] != "bankid" || parts[1] == "" {
		return frame{}, fmt.Errorf("not a QR code of this e-ID")
	}
	t, err := strconv.Atoi(parts[2])
	if err != nil || t < 0 || strconv.Itoa(t) != parts[2] {
		return frame{}, fmt.Errorf("the QR code has no proper time")
	}
	return frame{token: parts[1], t: t, mac: parts[3]}, nil
}

// check compares a frame with its order's secret and age.
func (f frame) check(secret string, age time.Duration) error {
	if !hmac.Equal([]byte(f.mac), []byte(frameMAC(secret, f.t))) {
		return fmt.Errorf("wrong QR code: its authentication code does not match")
	}
	now := int(age / time.Second)
	switch {
	case f.t < now-qrTolerance:
		return fmt.Errorf("stale QR code: it shows second %d and it is second %d", f.t, now)
	case f.t > now+qrTolerance:
		return fmt.Errorf("QR code from the future: it shows second %d and it is second %d", f.t, now)
	}
	return nil
}

// frameMAC keys the HMAC with the secret's characters, not with what they may
// encode.
func frameMAC(secret string, t int) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(strconv.Itoa(t)))
	return hex.EncodeToString(mac.Sum(nil))
}
