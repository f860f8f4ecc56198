package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sigill/broker"
	"sigill/broker/kit/audit"
)

// try authenticates with whatever set puts into the request, and says what
// came of it: "" for success (the code is then merely unknown).
func (b *bench) try(set func(form url.Values, r *http.Request)) (string, answerOf) {
	form := tokenForm(broker.NewSecret())
	probe := postRequest("/token", "")
	set(form, probe)
	r := postRequest("/token", form.Encode())
	for name, v := range probe.Header {
		r.Header[name] = v
	}
	got := b.json(r)
	if got.err() == errInvalidGrant {
		return "", got
	}
	return got.err(), got
}

func basicAuth(user, pass string) func(url.Values, *http.Request) {
	return func(_ url.Values, r *http.Request) { r.SetBasicAuth(user, pass) }
}

func bodySecret(client, secret string) func(url.Values, *http.Request) {
	return func(f url.Values, _ *http.Request) { f.Set("client_id", client); f.Set("client_secret", secret) }
}

func TestSecrets(t *testing.T) {
	b := newBench(t)
	b.clients["empty"] = broker.Client{ID: "empty", AuthMethod: broker.SecretAny}
	now := b.clock.Now()
	for id, until := range map[string]time.Time{"two": now.Add(time.Minute), "late": now, "open": {}} {
		b.clients[id] = broker.Client{
			ID: id, AuthMethod: broker.SecretAny, SecretHash: digest(anySecret), PreviousSecretHash: digest(basicSecret), PreviousSecretUntil: until,
		}
	}
	both := func(client, secret string) func(url.Values, *http.Request) {
		return func(f url.Values, r *http.Request) {
			r.SetBasicAuth(client, secret)
			bodySecret(client, secret)(f, r)
		}
	}
	for name, row := range map[string]struct {
		set func(url.Values, *http.Request)
		err string
	}{
		"basic":                       {basicAuth("basic", url.QueryEscape(basicSecret)), ""},
		"basic, not form-encoded":     {basicAuth("basic", basicSecret), errInvalidClient}, // the plus became a space
		"basic, bad encoding":         {basicAuth("basic", "%zz"), errInvalidClient},
		"basic, wrong":                {basicAuth("basic", "x"), errInvalidClient},
		"basic, empty":                {basicAuth("basic", ""), errInvalidClient},
		"basic in the body":           {bodySecret("basic", basicSecret), errInvalidClient},
		"post":                        {bodySecret("post", basicSecret), ""},
		"post, wrong":                 {bodySecret("post", "x"), errInvalidClient},
		"post in the header":          {basicAuth("post", url.QueryEscape(basicSecret)), errInvalidClient},
		"any, header":                 {basicAuth("any", anySecret), ""},
		"any, body":                   {bodySecret("any", anySecret), ""},
		"any, both":                   {both("any", anySecret), errInvalidRequest},
		"any, another's secret":       {bodySecret("any", basicSecret), errInvalidClient},
		"two, the new one":            {bodySecret("two", anySecret), ""},
		"two, the one before":         {bodySecret("two", basicSecret), ""},
		"two, neither":                {bodySecret("two", "x"), errInvalidClient},
		"two, too late":               {bodySecret("late", basicSecret), errInvalidClient},
		"two, too late, the new one":  {bodySecret("late", anySecret), ""},
		"two, without a limit":        {bodySecret("open", basicSecret), ""},
		"none":                        {func(url.Values, *http.Request) {}, errInvalidClient},
		"client_id alone":             {func(f url.Values, _ *http.Request) { f.Set("client_id", "any") }, errInvalidClient},
		"unknown":                     {basicAuth("nobody", "x"), errInvalidClient},
		"no secret registered":        {bodySecret("empty", "x"), errInvalidClient},
		"no secret registered, empty": {basicAuth("empty", ""), errInvalidClient},
		"secret for a key client":     {bodySecret("sweden", "x"), errInvalidClient},
		"body client_id the same":     {func(f url.Values, r *http.Request) { r.SetBasicAuth("any", anySecret); f.Set("client_id", "any") }, ""},
		"body client_id another":      {func(f url.Values, r *http.Request) { r.SetBasicAuth("any", anySecret); f.Set("client_id", "post") }, errInvalidClient},
		"bearer":                      {func(_ url.Values, r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, errInvalidClient},
		"two headers": {func(_ url.Values, r *http.Request) {
			r.SetBasicAuth("any", anySecret)
			r.Header.Add("Authorization", r.Header.Get("Authorization"))
		}, errInvalidRequest},
		"secret and assertion": {func(f url.Values, r *http.Request) {
			bodySecret("any", anySecret)(f, r)
			f.Set("client_assertion_type", assertionType)
			f.Set("client_assertion", b.assertion("sweden", nil))
		}, errInvalidRequest},
		"header and assertion": {func(f url.Values, r *http.Request) {
			r.SetBasicAuth("any", anySecret)
			f.Set("client_assertion", b.assertion("sweden", nil))
		}, errInvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			err, got := b.try(row.set)
			if err != row.err {
				t.Fatalf("%q, want %q", err, row.err)
			}
			probe := postRequest("/token", "")
			row.set(url.Values{}, probe)
			if wantHeader := row.err == errInvalidClient && probe.Header.Get("Authorization") != ""; row.err == errInvalidClient && got.status != 401 || (got.header.Get("WWW-Authenticate") != "") != wantHeader {
				t.Errorf("%d %q", got.status, got.header.Get("WWW-Authenticate"))
			}
		})
	}
	// O1: unknown client and wrong secret look alike.
	_, unknown := b.try(bodySecret("nobody", "x"))
	_, wrong := b.try(bodySecret("post", "x"))
	if unknown.status != wrong.status || unknown.text("error_description") != wrong.text("error_description") {
		t.Errorf("%v and %v can be told apart", unknown, wrong)
	}
	if !b.records.has(audit.ClientRefused, "unknown") || !b.records.has(audit.ClientRefused, "secret") || !b.records.has(audit.ClientRefused, "method") {
		t.Error("not all in the audit")
	}
}

// spoil changes claims; head changes the header.
func spoil(name string, v any) func(h, c map[string]any) {
	return func(_, c map[string]any) {
		if v == nil {
			delete(c, name)
		} else {
			c[name] = v
		}
	}
}

func spoilHead(name string, v any) func(h, c map[string]any) {
	return func(h, _ map[string]any) {
		if v == nil {
			delete(h, name)
		} else {
			h[name] = v
		}
	}
}

// Reference 2.5, attack rows C7, J1 to J6: each row changes a good assertion.
func TestAssertions(t *testing.T) {
	b := newBench(t)
	b.clients["other"] = broker.Client{ID: "other", AuthMethod: broker.PrivateKeyJWT, JWKS: jwksOf("o1", ecOther().Public())}
	now := b.clock.Now().Unix()
	set := func(assertion string, extra ...string) func(url.Values, *http.Request) {
		return func(f url.Values, _ *http.Request) {
			f.Set("client_assertion_type", assertionType)
			f.Set("client_assertion", assertion)
			for i := 0; i < len(extra); i += 2 {
				f.Set(extra[i], extra[i+1])
			}
		}
	}
	good := func() string { return b.assertion("sweden", nil) }
	goodClaims := func(change string) string {
		return `{"iss":"sweden","sub":"sweden","aud":"` + issuer + `","exp":` + change + `,"jti":"` + broker.NewID() + `"}`
	}
	const es = `{"alg":"ES256","kid":"c1"}`
	soon := strconv.FormatInt(now+60, 10)
	hs := func(key any) string {
		tok := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": "sweden", "sub": "sweden", "aud": issuer, "exp": now + 60, "jti": "h"})
		tok.Header["kid"] = "c1"
		s, err := tok.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	parts := func(s string) []string { return strings.Split(s, ".") }
	der := func() string {
		p := parts(good())
		raw := segment(p[2])
		sig, _ := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])})
		return p[0] + "." + p[1] + "." + base64.RawURLEncoding.EncodeToString(sig)
	}
	for name, row := range map[string]struct {
		set func(url.Values, *http.Request)
		err string
	}{
		"good":                      {set(good()), ""},
		"with client_id":            {set(good(), "client_id", "sweden"), ""},
		"issuer as audience":        {set(b.assertion("sweden", spoil("aud", issuer))), ""},
		"audience array, both ours": {set(b.assertion("sweden", spoil("aud", []string{issuer, issuer + "/token"}))), ""},
		"no typ":                    {set(b.assertion("sweden", spoilHead("typ", nil))), ""},
		"typ of the new draft":      {set(b.assertion("sweden", spoilHead("typ", "client-authentication+jwt"))), ""},
		"no kid, one key":           {set(b.assertion("sweden", spoilHead("kid", nil))), ""},
		"nbf 8 s ahead":             {set(b.assertion("sweden", spoil("nbf", now+8))), ""},
		"no iat":                    {set(b.assertion("sweden", spoil("iat", nil))), ""},
		"jku ignored":               {set(b.assertion("sweden", spoilHead("jku", "http://127.0.0.1:1/keys"))), ""},
		"10 min life":               {set(b.assertion("sweden", spoil("exp", now+600))), ""},
		"other client_id":           {set(good(), "client_id", "basic"), errInvalidClient},
		"wrong type": {func(f url.Values, _ *http.Request) {
			f.Set("client_assertion_type", "jwt")
			f.Set("client_assertion", good())
		}, errInvalidClient},
		"no type":                   {func(f url.Values, _ *http.Request) { f.Set("client_assertion", good()) }, errInvalidClient},
		"type alone":                {func(f url.Values, _ *http.Request) { f.Set("client_assertion_type", assertionType) }, errInvalidClient},
		"no sub":                    {set(b.assertion("sweden", spoil("sub", nil))), errInvalidClient},
		"other sub":                 {set(b.assertion("sweden", spoil("sub", "basic"))), errInvalidClient},
		"no iss":                    {set(b.assertion("sweden", spoil("iss", nil))), errInvalidClient},
		"other iss":                 {set(b.assertion("sweden", spoil("iss", "basic"))), errInvalidClient},
		"another's, own key":        {set(b.assertion("other", nil)), errInvalidClient},
		"unknown client":            {set(b.assertion("nobody", nil)), errInvalidClient},
		"client with a secret":      {set(b.assertion("basic", nil)), errInvalidClient},
		"no aud":                    {set(b.assertion("sweden", spoil("aud", nil))), errInvalidClient},
		"aud another server":        {set(b.assertion("sweden", spoil("aud", "https://other.example.com"))), errInvalidClient},
		"aud ours and another":      {set(b.assertion("sweden", spoil("aud", []string{issuer, "https://other.example.com"}))), errInvalidClient},
		"aud empty array":           {set(b.assertion("sweden", spoil("aud", []string{}))), errInvalidClient},
		"aud with slash":            {set(b.assertion("sweden", spoil("aud", issuer+"/"))), errInvalidClient},
		"aud userinfo":              {set(b.assertion("sweden", spoil("aud", issuer+"/userinfo"))), errInvalidClient},
		"aud number":                {set(b.assertion("sweden", spoil("aud", 1))), errInvalidClient},
		"AUD beside":                {set(b.assertion("sweden", func(_, c map[string]any) { c["AUD"] = c["aud"]; c["aud"] = "https://x" })), errInvalidClient},
		"no exp":                    {set(b.assertion("sweden", spoil("exp", nil))), errInvalidClient},
		"expired 5 min":             {set(b.assertion("sweden", spoil("exp", now-300))), errInvalidClient},
		"expired 11 s":              {set(b.assertion("sweden", spoil("exp", now-11))), errInvalidClient},
		"exp an hour":               {set(b.assertion("sweden", spoil("exp", now+3600))), errInvalidClient},
		"exp year 9999":             {set(b.assertion("sweden", spoil("exp", int64(253402300799)))), errInvalidClient},
		"exp beyond int64":          {set(rawJWT(es, goodClaims("99999999999999999999"), ecClient())), errInvalidClient},
		"exp string":                {set(b.assertion("sweden", spoil("exp", "1800000000"))), errInvalidClient},
		"exp float":                 {set(b.assertion("sweden", spoil("exp", float64(now)+60.5))), errInvalidClient},
		"exp exponent":              {set(rawJWT(es, goodClaims("1.8e9"), ecClient())), errInvalidClient},
		"exp negative":              {set(b.assertion("sweden", spoil("exp", -1))), errInvalidClient},
		"exp null":                  {set(rawJWT(es, goodClaims("null"), ecClient())), errInvalidClient},
		"nbf 61 s ahead":            {set(b.assertion("sweden", spoil("nbf", now+61))), errInvalidClient},
		"iat 61 s ahead":            {set(b.assertion("sweden", spoil("iat", now+61))), errInvalidClient},
		"iat string":                {set(b.assertion("sweden", spoil("iat", "x"))), errInvalidClient},
		"no jti":                    {set(b.assertion("sweden", spoil("jti", nil))), errInvalidClient},
		"jti number":                {set(b.assertion("sweden", spoil("jti", 5))), errInvalidClient},
		"jti enormous":              {set(b.assertion("sweden", spoil("jti", strings.Repeat("j", 600)))), errInvalidClient},
		"alg none":                  {set(b64(`{"alg":"none"}`) + "." + parts(good())[1] + "."), errInvalidClient},
		"alg None":                  {set(b64(`{"alg":"None"}`) + "." + parts(good())[1] + "."), errInvalidClient},
		"alg empty":                 {set(b.assertion("sweden", spoilHead("alg", ""))), errInvalidClient},
		"alg absent":                {set(b.assertion("sweden", spoilHead("alg", nil))), errInvalidClient},
		"alg number":                {set(b.assertion("sweden", spoilHead("alg", 1))), errInvalidClient},
		"alg ES384 on P-256":        {set(b.assertion("sweden", spoilHead("alg", "ES384"))), errInvalidClient},
		"alg RS256 on an EC key":    {set(b.assertion("sweden", spoilHead("alg", "RS256"))), errInvalidClient},
		"HS256 with the client key": {set(hs([]byte(b.clients["sweden"].JWKS))), errInvalidClient},
		"HS256 with nothing":        {set(hs([]byte{})), errInvalidClient},
		"kid unknown":               {set(b.assertion("sweden", spoilHead("kid", "c2"))), errInvalidClient},
		"kid traversal":             {set(b.assertion("sweden", spoilHead("kid", "../../c1"))), errInvalidClient},
		"kid SQL":                   {set(b.assertion("sweden", spoilHead("kid", "c1' OR '1'='1"))), errInvalidClient},
		"kid URL":                   {set(b.assertion("sweden", spoilHead("kid", "https://evil.example.com/c1"))), errInvalidClient},
		"kid 10 KiB":                {set(b.assertion("sweden", spoilHead("kid", strings.Repeat("c", 10<<10)))), errInvalidClient},
		"kid array":                 {set(b.assertion("sweden", spoilHead("kid", []string{"c1"}))), errInvalidClient},
		"kid empty":                 {set(b.assertion("sweden", spoilHead("kid", ""))), errInvalidClient},
		"kid of the other client":   {set(b.assertion("sweden", spoilHead("kid", "o1"))), errInvalidClient},
		"signed by another":         {set(rawJWT(es, goodClaims(soon), ecOther())), errInvalidClient},
		"own jwk in the header":     {set(rawJWT(`{"alg":"ES256","jwk":`+firstKey(jwksOf("c1", ecOther().Public()))+`}`, goodClaims(soon), ecOther())), errInvalidClient},
		"crit":                      {set(b.assertion("sweden", spoilHead("crit", []string{"exp"}))), errInvalidClient},
		"b64 false":                 {set(b.assertion("sweden", spoilHead("b64", false))), errInvalidClient},
		"typ of an access token":    {set(b.assertion("sweden", spoilHead("typ", "at+jwt"))), errInvalidClient},
		"typ of a request object":   {set(b.assertion("sweden", spoilHead("typ", "oauth-authz-req+jwt"))), errInvalidClient},
		"typ of a logout token":     {set(b.assertion("sweden", spoilHead("typ", "logout+jwt"))), errInvalidClient},
		"signature DER":             {set(der()), errInvalidClient},
		"signature zero":            {set(strings.Join(parts(good())[:2], ".") + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64))), errInvalidClient},
		"signature empty":           {set(strings.Join(parts(good())[:2], ".") + "."), errInvalidClient},
		"signature padded":          {set(good() + "="), errInvalidClient},
		"signature with a newline":  {set(good()[:len(good())-4] + "\n" + good()[len(good())-4:]), errInvalidClient},
		"trailing bytes":            {set(good() + "x"), errInvalidClient},
		"JWE":                       {set("a.b.c.d.e"), errInvalidClient},
		"two parts":                 {set("a.b"), errInvalidClient},
		"huge":                      {set(good() + strings.Repeat("a", 63<<10)), errInvalidClient},
		"duplicate member":          {set(rawJWT(es, goodClaims(soon+`,"sub":"sweden"`), ecClient())), errInvalidClient},
		"duplicate header member":   {set(rawJWT(`{"alg":"ES256","kid":"c1","kid":"c1"}`, goodClaims(soon), ecClient())), errInvalidClient},
		"trailing JSON":             {set(rawJWT(es, goodClaims(soon)+`{}`, ecClient())), errInvalidClient},
		"good, by hand":             {set(rawJWT(es, goodClaims(soon), ecClient())), ""},
		"deep nesting":              {set(rawJWT(es, goodClaims(soon+`,"x":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)), ecClient())), errInvalidClient},
		"claims no object":          {set(rawJWT(es, `[]`, ecClient())), errInvalidClient},
		"claims null":               {set(rawJWT(es, `null`, ecClient())), errInvalidClient},
		"bad UTF-8":                 {set(rawJWT(es, goodClaims(soon+",\"x\":\"\xff\""), ecClient())), errInvalidClient},
		"ID Token as assertion":     {set(b.redeem("sweden", tokenForm(b.code("sweden"))).text("id_token")), errInvalidClient},
	} {
		t.Run(name, func(t *testing.T) {
			if err, got := b.try(row.set); err != row.err {
				t.Errorf("%q %v, want %q", err, got.body, row.err)
			}
		})
	}
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func firstKey(set json.RawMessage) string {
	var s struct{ Keys []json.RawMessage }
	json.Unmarshal(set, &s)
	return string(s.Keys[0])
}

// J7: a jti counts once, per client, as long as the assertion lives.
func TestAssertionReplay(t *testing.T) {
	b := newBench(t)
	b.clients["other"] = broker.Client{ID: "other", AuthMethod: broker.PrivateKeyJWT, JWKS: jwksOf("c1", ecClient().Public())}
	use := func(assertion string) string {
		err, _ := b.try(func(f url.Values, _ *http.Request) {
			f.Set("client_assertion_type", assertionType)
			f.Set("client_assertion", assertion)
		})
		return err
	}
	first := b.assertion("sweden", spoil("jti", "one"))
	if use(first) != "" || use(first) != errInvalidClient {
		t.Error("a replay was taken")
	}
	if use(b.assertion("sweden", spoil("jti", "one"))) != errInvalidClient {
		t.Error("another assertion with the same jti was taken")
	}
	if use(b.assertion("other", spoil("jti", "one"))) != "" {
		t.Error("one client's jti blocks another's")
	}
	b.clock.Add(69 * time.Second) // within the leeway after exp
	if use(first) != errInvalidClient {
		t.Error("a replay in the leeway was taken")
	}
	if !b.records.has(audit.ClientRefused, "replay") {
		t.Error("nothing in the audit")
	}
	// A forged assertion must not use up a jti of the real client.
	forged := rawJWT(`{"alg":"ES256","kid":"c1"}`, `{"iss":"sweden","sub":"sweden","aud":"`+issuer+`","exp":99,"jti":"two"}`, ecOther())
	use(forged)
	if use(b.assertion("sweden", spoil("jti", "two"))) != "" {
		t.Error("a stranger used up a jti")
	}
}

// J3, J4: which registered keys count.
func TestClientKeys(t *testing.T) {
	p256 := firstKey(jwksOf("k", ecClient().Public()))
	with := func(key, name, value string) string {
		var m map[string]any
		json.Unmarshal([]byte(key), &m)
		if value == "" {
			delete(m, name)
		} else {
			m[name] = value
		}
		out, _ := json.Marshal(m)
		return string(out)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Skip("this Go refuses to make a small key:", err)
	}
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	for name, row := range map[string]struct {
		keys string
		want int
	}{
		"EC":                 {p256, 1},
		"P-384":              {with(firstKey(jwksOf("k", p384.Public())), "alg", "ES384"), 1},
		"P-384 called ES256": {firstKey(jwksOf("k", p384.Public())), 0},
		"RSA":                {firstKey(jwksOf("k", rsaKey1().Public())), 1},
		"RSA 1024":           {firstKey(jwksOf("k", small.Public())), 0},
		"RSA e=1":            {with(firstKey(jwksOf("k", rsaKey1().Public())), "e", "AQ"), 0},
		"RSA e even":         {with(firstKey(jwksOf("k", rsaKey1().Public())), "e", "AQAA"), 0},
		"two":                {p256 + "," + firstKey(jwksOf("r", rsaKey1().Public())), 2},
		"for encryption":     {with(p256, "use", "enc"), 0},
		"private":            {with(p256, "d", "AAAA"), 0},
		"other alg":          {with(p256, "alg", "HS256"), 0},
		"no alg":             {with(p256, "alg", ""), 1},
		"off the curve":      {with(p256, "x", base64.RawURLEncoding.EncodeToString(make([]byte, 32))), 0},
		"short coordinate":   {with(p256, "x", "AAAA"), 0},
		"other curve":        {with(p256, "crv", "secp256k1"), 0},
		"symmetric":          {`{"kty":"oct","k":"AAAA","alg":"HS256"}`, 0},
		"no object":          {`1`, 0},
	} {
		if got := len(clientKeys(json.RawMessage(`{"keys":[` + row.keys + `]}`))); got != row.want {
			t.Errorf("%s: %d keys, want %d", name, got, row.want)
		}
	}
	for _, raw := range []string{"", "null", "[]", `{"keys":{}}`, `{"keys":[]}`} {
		if CheckJWKS(json.RawMessage(raw)) == nil {
			t.Errorf("%q passes for a key set", raw)
		}
	}
	if CheckJWKS(json.RawMessage(`{"keys":[`+p256+`]}`)) != nil {
		t.Error("a good key set does not pass")
	}
}

// One kid, two kinds of key: the algorithm decides, and two that fit are none.
func TestDuplicateKid(t *testing.T) {
	b := newBench(t)
	ec, rs, ec2 := firstKey(jwksOf("c1", ecClient().Public())), firstKey(jwksOf("c1", rsaKey1().Public())), firstKey(jwksOf("c1", ecOther().Public()))
	use := func(keys string) string {
		b.change("sweden", func(c *broker.Client) { c.JWKS = json.RawMessage(`{"keys":[` + keys + `]}`) })
		err, _ := b.try(func(f url.Values, _ *http.Request) {
			f.Set("client_assertion_type", assertionType)
			f.Set("client_assertion", b.assertion("sweden", nil))
		})
		return err
	}
	if use(ec+","+rs) != "" || use(rs+","+ec) != "" {
		t.Error("a key of another kind is in the way")
	}
	if use(ec+","+ec2) != errInvalidClient {
		t.Error("one of two keys was guessed")
	}
}

// No input makes the reader panic, and what it accepts is what golang-jwt and
// the registered key accept too.
func FuzzClientAssertion(f *testing.F) {
	b := newBench(f)
	good := b.assertion("sweden", nil)
	f.Add(good)
	f.Add(b.assertion("sweden", spoil("aud", []string{issuer})))
	f.Add(rawJWT(`{"alg":"RS256","crit":["x"]}`, `{"iss":"sweden"}`, ecClient()))
	f.Add("e30.e30.")
	c := b.clients["sweden"]
	f.Fuzz(func(t *testing.T, s string) {
		claimed := unverifiedIssuer(s)
		_, reason, err := b.checkAssertion(t.Context(), c, claimed, s)
		if err != nil {
			t.Fatal(err)
		}
		if reason == "" && !strings.HasPrefix(s, strings.Join(strings.Split(good, ".")[:2], ".")) {
			// Signed with the client's key, so made from the seeds.
			if _, err := jwt.Parse(s, func(*jwt.Token) (any, error) { return ecClient().Public(), nil }, jwt.WithoutClaimsValidation()); err != nil {
				t.Fatalf("accepted %q", s)
			}
		}
	})
}

func FuzzIDTokenHint(f *testing.F) {
	b := newBench(f)
	f.Add(b.redeem("sweden", tokenForm(b.code("sweden"))).text("id_token"))
	f.Add(b.redeem("basic", tokenForm(b.code("basic"))).text("id_token"))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := b.readHint(s)
		if err == nil && (h.client == "" || h.subject == "" || h.sid == "") {
			t.Fatalf("a hint without content: %+v", h)
		}
		if err != nil && (h != hint{} || err != errJWT) {
			t.Fatal("a refused hint says something")
		}
	})
}

func FuzzClientKeys(f *testing.F) {
	f.Add([]byte(jwksOf("k", ecClient().Public())))
	f.Add([]byte(jwksOf("k", rsaKey1().Public())))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":1}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, k := range clientKeys(raw) {
			if k.key == nil || len(k.algs) == 0 {
				t.Fatal("a key without a key")
			}
		}
	})
}
