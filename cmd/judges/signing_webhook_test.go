package judges

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// standardWebhook checks a webhook by the letter of Standard Webhooks 1.0.0.
func standardWebhook(secret []byte, h http.Header, body []byte, now time.Time) error {
	sent, err := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
	if err != nil || now.Sub(time.Unix(sent, 0)).Abs() > 5*time.Minute {
		return errors.New("no recent timestamp")
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(h.Get("webhook-id") + "." + h.Get("webhook-timestamp") + "." + string(body)))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for s := range strings.FieldsSeq(h.Get("webhook-signature")) {
		if hmac.Equal([]byte(s), []byte(want)) {
			return nil
		}
	}
	return errors.New("no signature is right")
}

// TestStandardWebhook holds the check above against the example of the
// specification's reference libraries, so that it can say no.
func TestStandardWebhook(t *testing.T) {
	secret, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	h.Set("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	h.Set("webhook-timestamp", "1614265330")
	h.Set("webhook-signature", "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	body, now := []byte(`{"test": 2432232314}`), time.Unix(1614265390, 0)
	if err := standardWebhook(secret, h, body, now); err != nil {
		t.Error(err)
	}
	if standardWebhook(secret, h, body, now.Add(time.Hour)) == nil {
		t.Error("an old one is taken")
	}
	if standardWebhook(secret, h, append(body, ' '), now) == nil {
		t.Error("a changed one is taken")
	}
	if standardWebhook(secret[1:], h, body, now) == nil {
		t.Error("another secret's is taken")
	}
}
