package freja

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"sigill/providers"
)

// Whatever stands in a JWS: nothing panics, nothing is accepted but what was signed,
// and what is taken apart can be put together again in one way only.
func FuzzJWS(f *testing.F) {
	honest := map[string]bool{}
	for _, kind := range []providers.Kind{providers.KindAuth, providers.KindSign} {
		jws := newForge(home(), kind).jws()
		honest[jws] = true
		f.Add(jws, kind == providers.KindSign)
		parts := strings.Split(jws, ".")
		f.Add(b64u([]byte(`{"alg":"none"}`))+"."+parts[1]+".", false)
		f.Add(parts[0]+"."+parts[1], true)
		f.Add(jws[:len(jws)-1]+"B", true)
	}
	f.Add("..", false)
	f.Add(b64u([]byte(`{"alg":"RS256","alg":"none","x5t":""}`))+"."+b64u([]byte(`{}`))+"."+b64u([]byte("x")), false)
	f.Fuzz(func(t *testing.T, jws string, signs bool) {
		kind := providers.KindAuth
		if signs {
			kind = providers.KindSign
		}
		e := evidence{Version: evidenceVersion, Reference: testReference, UserInfo: "INFERRED", JWS: jws,
			Certificates: [][]byte{home().jws.cert.Raw, home().issuing.cert.Raw}}
		sealed, err := e.seal()
		if err != nil {
			t.Fatal(err)
		}
		_, err = Verify(sealed, expected(kind), trusted(), testTime.Add(time.Hour))
		var r *providers.Refused
		if err == nil && !honest[jws] || err != nil && !errors.As(err, &r) {
			t.Fatalf("verified to %v", err)
		}
		// What follows the signature must stand what anybody may sign as well.
		if token, err := parseToken(jws); err == nil {
			head, _, _ := strings.Cut(jws, ".")
			if b64u(token.payload) != strings.Split(jws, ".")[1] || !strings.HasPrefix(token.signed, head+".") {
				t.Error("can be written in two ways")
			}
			again := compact(jsonOf(dict{"alg": "RS256", "x5t": thumbprint(home().jws.cert)}), token.payload, home().jws.key, nil)
			e.JWS = again
			if sealed, err = e.seal(); err != nil {
				t.Fatal(err)
			}
			if id, err := Verify(sealed, expected(kind), trusted(), testTime.Add(time.Hour)); err == nil && id.Number != personOne {
				t.Error("another person")
			}
			_, _ = Inner(sealed, trusted())
			_, _, _ = Parts(sealed)
		}
	})
}

// Whatever a service answers is a step or an error, and never a proof by itself.
func FuzzResult(f *testing.F) {
	for _, seed := range []string{
		begun, `{"authRef":"a","status":"STARTED"}`, `{"status":"APPROVED","details":"a.b.c"}`, `{"code":1100}`, `{"code":"2000","message":1}`,
		`{"status":1}`, `{}`, `null`, `[]`, `{"status":"EXPIRED","details":{"a":[1]}}`, `{"code":null,"status":"OPENED"}`, "\xff",
	} {
		f.Add(200, []byte(seed))
		f.Add(422, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, raw []byte) {
		err := refusal(status, raw)
		var api *APIError
		if err != nil && !errors.As(err, &api) {
			t.Fatal(err)
		}
		if err != nil {
			if api.Coded && (api.Code < -1<<53 || strings.ContainsAny(err.Error(), "\n\r")) {
				t.Error("an error of several lines")
			}
			_, _ = coded(api.Code, userInferred)
			return
		}
		var s started
		if json.Unmarshal(raw, &s) == nil && len(s.QRCodeSecret) > 0 {
			if strings.Contains(Policy{}.dynamic("r", s.QRCodeSecret, time.Second), s.QRCodeSecret) && len(s.QRCodeSecret) > 3 {
				t.Error("the secret is shown")
			}
		}
		var got result
		if json.Unmarshal(raw, &got) != nil {
			return
		}
		if failed, final := failure(got.Status); final && (failed.Text.SV == "" || failed.Text.EN == "" || failed.Reason == "") {
			t.Error("ends without a word")
		}
		if line := clean(got.Status); strings.ContainsAny(line, "\n\r") || bytes.ContainsRune([]byte(line), 0) {
			t.Error("a status of several lines")
		}
	})
}
