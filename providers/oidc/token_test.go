package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sigill/providers"
)

func TestAlgorithms(t *testing.T) {
	o := newOP(t)
	for _, alg := range []string{RS256, PS256, ES256} {
		d := begin(t, o, o.config())
		done := proven(t, d.ends(t, sign(t, alg, d.claims(), nil, nil)))
		if id := done.Identity; id.Number.Digits() != person || id.Name != "Testperson Ett" || id.Level != providers.Level3 || id.Policy != "three" || id.Provider != "prov-id" {
			t.Errorf("%s: %v %v", alg, id.Level, id.Number)
		}
		c := o.config()
		for _, another := range []string{RS256, PS256, ES256} {
			if another != alg {
				c.Algorithms = []string{another}
				d := begin(t, o, c)
				if f := failure(t, d.ends(t, sign(t, alg, d.claims(), nil, nil))); f.Check != "algorithm" {
					t.Errorf("%s where %s is believed: %s", alg, another, f.Check)
				}
			}
		}
	}
}

// Each thing that is not quite right with an ID Token, with the check that sees it.
// Standard claims of another type are no token to the library that verifies the
// signature.
func TestIDTokens(t *testing.T) {
	o := newOP(t)
	set := func(name string, value any) func(map[string]any) {
		return func(c map[string]any) {
			c[name] = value
			if value == nil {
				delete(c, name)
			}
		}
	}
	now := time.Now().Unix()
	for _, tt := range []struct {
		name   string
		change func(map[string]any)
		check  string // empty: it is right all the same
	}{
		{"nothing", set("more", "x"), ""},
		{"other issuer", set("iss", "https://other.example"), "issuer"},
		{"issuer with a slash", set("iss", o.URL+"/"), "issuer"},
		{"no issuer", set("iss", nil), "issuer"},
		{"issuer as a list", set("iss", []string{o.URL}), "signature"},
		{"other audience", set("aud", "other"), "audience"},
		{"audience as a list", set("aud", []string{"prov"}), ""},
		{"us and others", set("aud", []string{"prov", "other"}), "audience"},
		{"us twice", set("aud", []string{"prov", "prov"}), "audience"},
		{"no audience", set("aud", nil), "audience"},
		{"audience of nobody", set("aud", []string{}), "audience"},
		{"given to us", set("azp", "prov"), ""},
		{"given to another", set("azp", "other"), "audience"},
		{"other nonce", set("nonce", strings.Repeat("A", 43)), "nonce"},
		{"no nonce", set("nonce", nil), "nonce"},
		{"nonce as a number", set("nonce", 1), "signature"},
		{"no subject", set("sub", ""), "subject"},
		{"long subject", set("sub", strings.Repeat("s", 256)), "subject"},
		{"expired", set("exp", now-120), "time"},
		{"expires within the skew", func(c map[string]any) { c["iat"], c["auth_time"], c["exp"] = now-50, now-50, now-30 }, ""},
		{"no end", set("exp", nil), "time"},
		{"end as a text", set("exp", "9999999999"), "time"},
		{"end as a fraction", set("exp", float64(now)+300.5), "time"},
		{"end before all time", set("exp", -1), "time"},
		{"end after all time", set("exp", json.Number("99999999999999999999")), "time"},
		{"ends before it begins", func(c map[string]any) { c["iat"], c["exp"] = now, now-1 }, "time"},
		{"no beginning", set("iat", nil), "time"},
		{"made before the order", set("iat", now-3600), "time"},
		{"made tomorrow", func(c map[string]any) { c["iat"], c["exp"] = now+86400, now+90000 }, "time"},
		{"not yet", set("nbf", now+3600), "time"},
		{"not yet, as a text", set("nbf", "x"), "signature"},
		{"old session", set("auth_time", now-3600), "auth-time"},
		{"acted tomorrow", set("auth_time", now+3600), "auth-time"},
		{"time of the act as a text", set("auth_time", "now"), "auth-time"},
		{"does not say when", set("auth_time", nil), "auth-time"},
		{"unknown level", set("loa", "Three"), "level"},
		{"level with a space", set("loa", "three "), "level"},
		{"level as a list", set("loa", []string{"three"}), "level"},
		{"no level", set("loa", nil), "level"},
		{"empty level", set("loa", ""), "level"},
		{"level elsewhere", func(c map[string]any) { delete(c, "loa"); c["acr"] = "three" }, "level"},
		{"other country", set("land", "NO"), "country"},
		{"no country", set("land", nil), "country"},
		{"no number", set("https://a.example/claims/nr.1", nil), "number"},
		{"number null", set("https://a.example/claims/nr.1", nil), "number"},
		{"ten digits", set("https://a.example/claims/nr.1", person[2:]), "number"},
		{"number with a hyphen", set("https://a.example/claims/nr.1", person[:8]+"-"+person[8:]), "number"},
		{"number with a wrong digit", set("https://a.example/claims/nr.1", person[:11]+"3"), "number"},
		{"number as a number", set("https://a.example/claims/nr.1", json.Number(person)), "number"},
		{"number in a list", set("https://a.example/claims/nr.1", []string{person}), "number"},
		{"number in parts", func(c map[string]any) {
			delete(c, "https://a.example/claims/nr.1")
			c["https://a"] = map[string]any{"example/claims/nr": map[string]any{"1": person}}
		}, "number"},
		{"coordination number", set("https://a.example/claims/nr.1", coord), "number"},
		{"two numbers", set("coordination", other), "number"},
		{"the same number twice", set("coordination", person), ""},
		{"no name but its parts", set("name", nil), ""},
		{"no name at all", func(c map[string]any) { delete(c, "name"); delete(c, "given_name"); delete(c, "family_name") }, "name"},
		{"name with a line", set("name", "Testperson\nEtt"), "name"},
		{"name turned around", set("name", "Testperson \u202eEtt"), "name"},
		{"name without end", set("name", strings.Repeat("a", 301)), "name"},
		{"name as an object", set("name", map[string]any{"a": 1}), "name"},
		{"other access token", set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), "at-hash"},
		{"right access token", set("at_hash", atHash("access")), ""},
		{"access token as a number", set("at_hash", 7), "signature"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := begin(t, o, o.config())
			c := d.claims()
			tt.change(c)
			step := d.ends(t, sign(t, RS256, c, nil, nil))
			if tt.check == "" {
				proven(t, step)
				return
			}
			f := failure(t, step)
			if tt.check == "level" {
				if f.Reason != providers.LevelTooLow {
					t.Errorf("ended as %s", f.Reason)
				}
				return
			}
			if f.Reason != providers.EvidenceRefused || f.Check != tt.check {
				t.Errorf("ended as %s at %s instead of %s", f.Reason, f.Check, tt.check)
			}
		})
	}
}

func atHash(access string) string {
	sum := sha256.Sum256([]byte(access))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Tokens that are signed in ways that must not count.
func TestForgedTokens(t *testing.T) {
	o := newOP(t)
	public, err := x509.MarshalPKIXPublicKey(keyring().rsa.Public())
	if err != nil {
		t.Fatal(err)
	}
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	parts := func(raw string) []string { return strings.Split(raw, ".") }
	foreign, _ := ofKey(keyring().foreign.Public())
	for _, tt := range []struct {
		name  string
		make  func(*order) string
		check string
	}{
		{"alg none", func(d *order) string {
			return sign(t, "none", d.claims(), nil, jwt.UnsafeAllowNoneSignatureType) + "AA"
		}, "algorithm"},
		{"alg none, unsigned", func(d *order) string { return sign(t, "none", d.claims(), nil, jwt.UnsafeAllowNoneSignatureType) }, "structure"},
		{"alg nOnE", func(d *order) string {
			p := parts(sign(t, RS256, d.claims(), nil, nil))
			return encode([]byte(`{"alg":"nOnE","kid":"rsa"}`)) + "." + p[1] + "." + p[2]
		}, "algorithm"},
		{"HS256 with the public key", func(d *order) string { return sign(t, "HS256", d.claims(), map[string]any{"kid": "rsa"}, asPEM) }, "algorithm"},
		{"HS256 with the modulus", func(d *order) string {
			return sign(t, "HS256", d.claims(), map[string]any{"kid": "rsa"}, []byte(o.keys[0].N))
		}, "algorithm"},
		{"foreign key", func(d *order) string { return sign(t, RS256, d.claims(), nil, keyring().foreign) }, "signature"},
		{"foreign key, none named", func(d *order) string {
			return sign(t, RS256, d.claims(), map[string]any{"kid": nil}, keyring().foreign)
		}, "signature"},
		{"no key named", func(d *order) string { return sign(t, RS256, d.claims(), map[string]any{"kid": nil}, nil) }, ""},
		{"key that is not there", func(d *order) string { return sign(t, RS256, d.claims(), map[string]any{"kid": "new"}, nil) }, "key"},
		{"key of another kind", func(d *order) string { return sign(t, RS256, d.claims(), map[string]any{"kid": "ec"}, nil) }, "key"},
		{"key by path", func(d *order) string {
			return sign(t, RS256, d.claims(), map[string]any{"kid": "../../keys/rsa"}, nil)
		}, "key"},
		{"key named in a list", func(d *order) string { return sign(t, RS256, d.claims(), map[string]any{"kid": []string{"rsa"}}, nil) }, "structure"},
		{"key named at length", func(d *order) string {
			return sign(t, RS256, d.claims(), map[string]any{"kid": strings.Repeat("k", 300)}, nil)
		}, "structure"},
		{"own key in the header", func(d *order) string {
			return sign(t, RS256, d.claims(), map[string]any{"jwk": foreign, "kid": foreign.Kid}, keyring().foreign)
		}, "key"},
		{"own keys at an address", func(d *order) string {
			return sign(t, RS256, d.claims(), map[string]any{"jku": o.URL + "/elsewhere", "x5u": o.URL + "/elsewhere"}, keyring().foreign)
		}, "signature"},
		{"critical extension", func(d *order) string {
			return sign(t, RS256, d.claims(), map[string]any{"crit": []string{"exp"}}, nil)
		}, "structure"},
		{"unencoded content", func(d *order) string { return sign(t, RS256, d.claims(), map[string]any{"b64": false}, nil) }, "structure"},
		{"a logout token", func(d *order) string { return sign(t, RS256, d.claims(), map[string]any{"typ": "logout+jwt"}, nil) }, "structure"},
		{"an access token", func(d *order) string { return sign(t, RS256, d.claims(), map[string]any{"typ": "at+jwt"}, nil) }, "structure"},
		{"changed content", func(d *order) string {
			c := d.claims()
			p := parts(sign(t, RS256, c, nil, nil))
			c["https://a.example/claims/nr.1"] = other
			b, _ := json.Marshal(c)
			return p[0] + "." + encode(b) + "." + p[2]
		}, "signature"},
		{"ES256 of zeros", func(d *order) string {
			p := parts(sign(t, ES256, d.claims(), nil, nil))
			return p[0] + "." + p[1] + "." + encode(make([]byte, 64))
		}, "signature"},
		{"ES256 in DER", func(d *order) string {
			p := parts(sign(t, ES256, d.claims(), nil, nil))
			sum := sha256.Sum256([]byte(p[0] + "." + p[1]))
			der, _ := ecdsa.SignASN1(rand.Reader, keyring().ec, sum[:])
			return p[0] + "." + p[1] + "." + encode(der)
		}, "signature"},
		{"padding", func(d *order) string { return sign(t, RS256, d.claims(), nil, nil) + "==" }, "structure"},
		{"four parts", func(d *order) string { return sign(t, RS256, d.claims(), nil, nil) + ".e30" }, "structure"},
		{"five parts", func(d *order) string { return "e30.e30.e30.e30.e30" }, "structure"},
		{"JSON form", func(d *order) string {
			p := parts(sign(t, RS256, d.claims(), nil, nil))
			return `{"protected":"` + p[0] + `","payload":"` + p[1] + `","signature":"` + p[2] + `"}`
		}, "structure"},
		{"a member twice", func(d *order) string {
			b, _ := json.Marshal(d.claims())
			return rawToken(t, `{"alg":"RS256","kid":"rsa"}`, strings.TrimSuffix(string(b), "}")+`,"land":"SE"}`)
		}, "structure"},
		{"a header's member twice", func(d *order) string {
			b, _ := json.Marshal(d.claims())
			return rawToken(t, `{"alg":"none","alg":"RS256","kid":"rsa"}`, string(b))
		}, "structure"},
		{"alg in capitals too", func(d *order) string {
			b, _ := json.Marshal(d.claims())
			return rawToken(t, `{"ALG":"RS256","kid":"rsa"}`, string(b))
		}, "structure"},
		{"bytes after it", func(d *order) string {
			b, _ := json.Marshal(d.claims())
			return rawToken(t, `{"alg":"RS256","kid":"rsa"}`, string(b)+"{}")
		}, "structure"},
		{"no object", func(d *order) string { return rawToken(t, `{"alg":"RS256","kid":"rsa"}`, `[]`) }, "structure"},
		{"nested without end", func(d *order) string {
			return rawToken(t, `{"alg":"RS256","kid":"rsa"}`, `{"a":`+strings.Repeat("[", 20000))
		}, "structure"},
		{"no UTF-8", func(d *order) string { return rawToken(t, `{"alg":"RS256","kid":"rsa"}`, "{\"a\":\"\xff\"}") }, "structure"},
		{"too large", func(d *order) string {
			c := d.claims()
			c["more"] = strings.Repeat("a", maxToken)
			return sign(t, RS256, c, nil, nil)
		}, "encoding"},
		{"nothing", func(d *order) string { return "" }, "encoding"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := begin(t, o, o.config())
			step := d.ends(t, tt.make(d))
			if tt.check == "" {
				proven(t, step)
				return
			}
			if f := failure(t, step); f.Reason != providers.EvidenceRefused || f.Check != tt.check {
				t.Errorf("ended as %s at %s instead of %s", f.Reason, f.Check, tt.check)
			}
		})
	}
	if o.count("/elsewhere") != 0 {
		t.Error("keys were fetched from where a token says")
	}
}

// Keys that are too weak, or not what they say, are not among the issuer's.
func TestWeakKeys(t *testing.T) {
	weak := func(bits int) jwk {
		t.Setenv("GODEBUG", "rsa1024min=0")
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		return jwk{Kty: "RSA", Kid: "rsa", N: encode(k.N.Bytes()), E: "AQAB"}
	}
	good, _ := ofKey(keyring().rsa.Public())
	point, _ := ofKey(keyring().ec.Public())
	for name, k := range map[string]jwk{
		"1024 bits":       weak(1024),
		"even exponent":   {Kty: "RSA", N: good.N, E: "Ag"},
		"exponent of one": {Kty: "RSA", N: good.N, E: "AQ"},
		"long exponent":   {Kty: "RSA", N: good.N, E: "AQABAQABAQAB"},
		"no modulus":      {Kty: "RSA", E: "AQAB"},
		"a large modulus": {Kty: "RSA", N: encode([]byte(strings.Repeat("\xff", 1025))), E: "AQAB"},
		"off the curve":   {Kty: "EC", Crv: "P-256", X: point.X, Y: point.X},
		"other curve":     {Kty: "EC", Crv: "P-384", X: point.X, Y: point.Y},
		"short point":     {Kty: "EC", Crv: "P-256", X: point.X[:20], Y: point.Y},
		"a secret":        {Kty: "oct"},
	} {
		if _, err := k.key(); err == nil {
			t.Errorf("%s is taken", name)
		}
		b, _ := json.Marshal(map[string]any{"keys": []any{k, good, 7, "x"}})
		keys, err := parseKeys(b)
		if err != nil || len(keys) != 1 {
			t.Errorf("%s: %d keys in the set, %v", name, len(keys), err)
		}
	}
	private := `{"keys":[{"kty":"RSA","n":"` + good.N + `","e":"AQAB","d":"AQAB"}]}`
	if keys, err := parseKeys([]byte(private)); err != nil || len(keys) != 0 {
		t.Errorf("a key that everybody has: %d, %v", len(keys), err)
	}
	many := `{"keys":[` + strings.Repeat("{},", maxKeys) + `{}]}`
	for _, b := range []string{"", "[]", "{}", `{"keys":{}}`, many} {
		if _, err := parseKeys([]byte(b)); err == nil {
			t.Errorf("a key set of %d bytes", len(b))
		}
	}
	for use, want := range map[jwk]bool{
		{Kty: "RSA"}: true, {Kty: "RSA", Use: "sig"}: true, {Kty: "RSA", Use: "enc"}: false, {Kty: "RSA", Alg: PS256}: false, {Kty: "EC"}: false,
	} {
		if use.signs(RS256) != want {
			t.Errorf("%+v may sign: %v", use, !want)
		}
	}
}

// The example of RFC 7638, section 3.1.
func TestThumbprint(t *testing.T) {
	k := jwk{Kty: "RSA", E: "AQAB", Kid: "2011-04-29", Alg: RS256, N: "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}
	if got := k.thumbprint(); got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Error(got)
	}
	if _, err := k.key(); err != nil {
		t.Error(err)
	}
}

func TestClientKeysSignAsTheirDocumentSays(t *testing.T) {
	for _, signer := range []crypto.Signer{keyring().rsa, keyring().client} {
		keys, document, err := clientKeys([]crypto.Signer{signer})
		if err != nil {
			t.Fatal(err)
		}
		published, err := parseKeys(document.Bytes)
		if err != nil || len(published) != 1 || strings.Contains(string(document.Bytes), `"d"`) {
			t.Fatalf("published %d, %v", len(published), err)
		}
		for _, method := range []jwt.SigningMethod{jwt.SigningMethodRS256, jwt.SigningMethodPS256, jwt.SigningMethodES256} {
			if !published[0].signs(method.Alg()) {
				continue
			}
			key, _ := published[0].key()
			sig, err := signing{method}.Sign("text", keys[0].signer)
			if err != nil || method.Verify("text", sig, key) != nil {
				t.Errorf("%s: %v", method.Alg(), err)
			}
		}
	}
	if _, _, err := clientKeys([]crypto.Signer{nil}); err == nil {
		t.Error("no key is one")
	}
}
