package xmlsec

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/url"
	"strings"
	"testing"
)

func TestQuery(t *testing.T) {
	all := theIssuer()
	for name, c := range map[string]struct {
		by  pair
		alg string
	}{
		"RSA":   {all.rsa, rsa256},
		"P-256": {all.p256, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"},
		"P-521": {all.p521, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"},
	} {
		for _, state := range []string{"", "a&b=c+d åäö\n%"} {
			q, err := SignQuery(Request, []byte(message), state, c.by.key)
			if err != nil {
				t.Fatal(err)
			}
			values, err := url.ParseQuery(q)
			if err != nil || values.Get("RelayState") != state || values.Has("RelayState") != (state != "") || values.Get("SigAlg") != c.alg {
				t.Errorf("%s: an ordinary reader sees %v, %v", name, values, err)
			}
			deflated, err := base64.StdEncoding.DecodeString(values.Get(Request))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(flate.NewReader(bytes.NewReader(deflated))); err != nil || string(got) != message {
				t.Errorf("%s: %v, %d bytes", name, err, len(got))
			}
			// What is signed are the pieces as they are sent, in this order.
			content, _, _ := strings.Cut(q, "&Signature=")
			if i, j, k := strings.Index(content, Request+"="), strings.Index(content, "&RelayState="), strings.Index(content, "&SigAlg="); i != 0 || k < j || k < 0 {
				t.Errorf("%s: in another order", name)
			}
			signature, err := base64.StdEncoding.DecodeString(values.Get("Signature"))
			if err != nil || !signedQuery(c.by.key.Public(), content, signature) || signedQuery(all.other.key.Public(), content, signature) ||
				signedQuery(c.by.key.Public(), content+"x", signature) {
				t.Errorf("%s: not signed by its key and no other: %v", name, err)
			}
		}
	}
}

func signedQuery(key crypto.PublicKey, content string, signature []byte) bool {
	sum := sha256.Sum256([]byte(content))
	switch key := key.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, sum[:], signature)
	}
	return false
}
