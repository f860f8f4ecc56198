package oidc

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"net/http/httptest"
	"testing"
)

// BenchmarkLogin is the OP's part of a login: request, pending, reserve, finish,
// token, userinfo, over stores in memory. Beside it BenchmarkSignature, the unit
// that logins are measured in: the aim is at most 20, with durable stores.
func BenchmarkLogin(bm *testing.B) {
	for _, client := range []string{"any", "sweden"} {
		bm.Run(client, func(bm *testing.B) {
			b := newBench(bm)
			bm.ReportAllocs()
			for bm.Loop() {
				a := b.agent()
				v := a.login(request(client, "scope", "openid "+scopePersonNumber), ett)
				got := b.redeem(client, tokenForm(v.Get("code")))
				r := newGet("/userinfo")
				r.Header.Set("Authorization", "Bearer "+got.text("access_token"))
				w := httptest.NewRecorder()
				b.mux.ServeHTTP(w, r)
				if w.Code != 200 {
					bm.Fatal(w.Code)
				}
			}
		})
	}
}

func BenchmarkSignature(bm *testing.B) {
	key := ecKey1()
	sum := sha256.Sum256([]byte("x"))
	for bm.Loop() {
		if _, err := key.Sign(rand.Reader, sum[:], crypto.SHA256); err != nil {
			bm.Fatal(err)
		}
	}
}
