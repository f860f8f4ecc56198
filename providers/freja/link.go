package freja

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// link is what opens the app with an order, as an address or in a QR code.
func (e Environment) link(transaction, returnURL string) string {
	join := "?"
	if strings.Contains(e.AppLink, "?") {
		join = "&"
	}
	l := e.AppLink + join + "action=bindUserToTransaction&transactionReference=" + url.QueryEscape(transaction)
	if returnURL != "" {
		l += "&originAppScheme=" + url.QueryEscape(returnURL)
	}
	return l
}

// dynamic adds to a reference what makes it good for this moment alone.
func (p Policy) dynamic(ref, secret string, since time.Duration) string {
	t := int64(max(since, 0) / time.Second)
	seconds := strconv.FormatInt(t, 10)
	mac := hmac.New(sha256.New, p.qrKey(secret))
	mac.Write([]byte(seconds))
	encoding := base64.RawURLEncoding
	if p.QRPadding {
		encoding = base64.URLEncoding
	}
	return ref + "." + seconds + "." + encoding.EncodeToString(mac.Sum(nil))
}

// qrKey reads base64 of either alphabet. A secret that is none is used as it is,
// rather than none at all.
func (p Policy) qrKey(secret string) []byte {
	if p.QRKeyBase64 {
		standard := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(secret), "=")
		if key, err := base64.RawStdEncoding.DecodeString(standard); err == nil {
			return key
		}
	}
	return []byte(secret)
}
