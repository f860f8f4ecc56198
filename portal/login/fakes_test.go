package login

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/keys"
	"sigill/broker/kit/page"
	"sigill/portal"
	"sigill/portal/people"
	"sigill/portal/store/storetest"
	"sigill/providers/personnummer"
)

const (
	brokerName = "https://op.example.se"
	staffName  = "https://ad.example.se/oidc"
	base       = "https://e.example.se/a"
)

// The people: published test numbers.
const (
	ett    = "199002232388"
	tva    = "198006299252"
	samord = "197101902398"
)

// issuerOf is an OpenID Provider without a network: it is asked as a transport,
// and browsers are led by send.
type op struct {
	t    *testing.T
	name string
	now  func() time.Time
	key  *ecdsa.PrivateKey
	// login checks a client's proof and gives its id.
	login func(r *http.Request, form url.Values) string

	mu       sync.Mutex
	codes    map[string]opCode
	tokens   map[string]string // access token → sid
	revoked  []string          // sids
	proofs   map[string]bool   // of clients, used
	calls    []string          // paths that were asked for
	asked    url.Values        // the last authorization request
	exchange url.Values        // the last token request
	// What goes wrong.
	down    map[string]int // path → status
	claims  func(jwt.MapClaims)
	sign    func(jwt.MapClaims) string
	token   func(map[string]any)
	answer  func(url.Values)
	without []string // members of discovery
}

type opCode struct {
	request url.Values
	claims  jwt.MapClaims
	used    bool
}

func newOP(t *testing.T, name string, now func() time.Time) *op {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &op{t: t, name: name, now: now, key: key, codes: map[string]opCode{}, tokens: map[string]string{}, proofs: map[string]bool{}, down: map[string]int{}}
}

// RoundTrip answers the client.
func (o *op) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	o.serve(w, r)
	return w.Result(), nil
}

func (o *op) serve(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	path, ok := strings.CutPrefix(r.URL.String(), o.name)
	if !ok {
		o.t.Errorf("a request to %s", r.URL)
	}
	o.calls = append(o.calls, path)
	write := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(v)
	}
	if status := o.down[path]; status != 0 {
		write(status, map[string]string{"error": "server_error", "error_description": "quotes " + ett})
		return
	}
	switch path {
	case "/.well-known/openid-configuration":
		m := map[string]any{
			"issuer": o.name, "authorization_endpoint": o.name + "/authorize", "token_endpoint": o.name + "/token", "jwks_uri": o.name + "/jwks",
			"end_session_endpoint": o.name + "/logout", "revocation_endpoint": o.name + "/revoke",
			"id_token_signing_alg_values_supported": []string{"RS256", "ES256"}, "authorization_response_iss_parameter_supported": true,
		}
		for _, name := range o.without {
			delete(m, name)
		}
		write(200, m)
	case "/jwks":
		point, _ := o.key.PublicKey.Bytes()
		b64 := base64.RawURLEncoding.EncodeToString
		write(200, map[string]any{"keys": []any{map[string]string{"kty": "EC", "crv": "P-256", "kid": "k", "alg": "ES256", "use": "sig",
			"x": b64(point[1:33]), "y": b64(point[33:])}}})
	case "/token":
		form := formOf(r)
		o.exchange = form
		c, ok := o.codes[form.Get("code")]
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		switch {
		case o.login(r, form) != c.request.Get("client_id") || c.request == nil:
			write(401, map[string]string{"error": "invalid_client", "error_description": "quotes " + ett})
			return
		case !ok || c.used || form.Get("redirect_uri") != c.request.Get("redirect_uri") ||
			base64.RawURLEncoding.EncodeToString(sum[:]) != c.request.Get("code_challenge"):
			write(400, map[string]string{"error": "invalid_grant", "error_description": "quotes " + ett})
			return
		}
		c.used = true
		o.codes[form.Get("code")] = c
		access := rand.Text()
		sid, _ := c.claims["sid"].(string)
		o.tokens[access] = sid
		sum = sha256.Sum256([]byte(access))
		claims := maps.Clone(c.claims)
		claims["at_hash"] = base64.RawURLEncoding.EncodeToString(sum[:16])
		if o.claims != nil {
			o.claims(claims)
		}
		for name, v := range claims {
			if v == nil {
				delete(claims, name)
			}
		}
		answer := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": o.signed(claims)}
		if o.token != nil {
			o.token(answer)
		}
		write(200, answer)
	case "/revoke":
		form := formOf(r)
		if o.login(r, form) == "" {
			write(401, map[string]string{"error": "invalid_client"})
			return
		}
		if sid, ok := o.tokens[form.Get("token")]; ok {
			o.revoked = append(o.revoked, sid)
			delete(o.tokens, form.Get("token"))
		}
	default:
		write(404, nil)
	}
}

func formOf(r *http.Request) url.Values {
	raw, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(raw))
	return form
}

func (o *op) signed(claims jwt.MapClaims) string {
	if o.sign != nil {
		return o.sign(claims)
	}
	return signedBy(o.key, "k", claims)
}

func signedBy(key *ecdsa.PrivateKey, kid string, claims jwt.MapClaims) string {
	t := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	t.Header["kid"] = kid
	raw, err := t.SignedString(key)
	if err != nil {
		panic(err)
	}
	return raw
}

// send is where the issuer sends a browser that came with a request, once the
// person has proved who they are.
func (o *op) send(address string, person jwt.MapClaims) string {
	o.t.Helper()
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(address, o.name+"/authorize?") {
		o.t.Fatalf("not an authorization request: %s", address)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	q := u.Query()
	o.asked = q
	now := o.now()
	claims := jwt.MapClaims{
		"iss": o.name, "aud": q.Get("client_id"), "sub": "subject", "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"nonce": q.Get("nonce"), "sid": "sid-" + rand.Text()[:6], "auth_time": now.Unix(),
	}
	maps.Copy(claims, person)
	code := rand.Text()
	o.codes[code] = opCode{request: q, claims: claims}
	answer := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {o.name}}
	if o.answer != nil {
		o.answer(answer)
	}
	return q.Get("redirect_uri") + "?" + answer.Encode()
}

func (o *op) sids() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.revoked)
}

// citizenOf is what the broker tells of somebody.
func citizenOf(number string) jwt.MapClaims {
	claims := jwt.MapClaims{
		"acr": "http://id.swedenconnect.se/loa/1.0/uncertified-loa3", "https://id.oidc.se/claim/authnProvider": "bankid",
		"name": "Testperson Ett", "given_name": "Testperson", "family_name": "Ett",
	}
	if n, _ := personnummer.FromDigits(number); n.Coordination() {
		claims["https://id.oidc.se/claim/coordinationNumber"] = number
	} else {
		claims["https://id.oidc.se/claim/personalIdentityNumber"] = number
	}
	return claims
}

// bench is logins with everything around them, and no network.
type bench struct {
	*Logins
	t       *testing.T
	broker  *op
	staff   *op
	mu      sync.Mutex
	at      time.Time
	tenants map[portal.TenantID]portal.Tenant
	admit   func(portal.Tenant, personnummer.Number) (people.Admission, error)
	log     bytes.Buffer
}

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at
}

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = b.at.Add(d)
}

func (b *bench) ok(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func newBench(t *testing.T, change ...func(*Config)) *bench {
	t.Helper()
	b := &bench{t: t, at: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), tenants: map[portal.TenantID]portal.Tenant{}}
	for _, tenant := range []portal.Tenant{
		{ID: "a", BaseURL: base, Group: "g", Providers: []string{"bankid", "mbankid"}, Coordination: true, Idle: 20 * time.Minute,
			Groups: map[string][]string{"skola": {"ad-skola", "ad-rektor"}, "bygg": {"ad-bygg"}, "tom": {""}}},
		{ID: "b", BaseURL: "https://e.example.se/b", Group: "g", Providers: []string{"bankid"}},
		{ID: "c", BaseURL: "https://e.example.se/c", Group: "c"},
	} {
		b.tenants[tenant.ID] = tenant
	}
	b.admit = func(portal.Tenant, personnummer.Number) (people.Admission, error) { return people.Admitted, nil }
	folder := t.TempDir()
	db := storetest.Database(t)
	master := filepath.Join(folder, "master")
	b.ok(keys.NewMaster(master))
	masters, err := keys.LoadMasters(master)
	b.ok(err)
	ring, err := keys.Open(t.Context(), db, masters, b.now)
	b.ok(err)
	b.broker, b.staff = newOP(t, brokerName, b.now), newOP(t, staffName, b.now)
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	b.ok(err)
	b.broker.login = func(_ *http.Request, form url.Values) string { return b.proved(own.Public(), form) }
	b.staff.login = func(r *http.Request, _ url.Values) string {
		if id, secret, ok := r.BasicAuth(); ok && secret == url.QueryEscape("s: +&") {
			return id
		}
		return ""
	}
	c := Config{
		DB: db, Vault: portal.NewVault(ring), Issuer: brokerName, HTTP: &http.Client{Transport: b.broker},
		Key:    func() (crypto.Signer, string, error) { return own, "p1", nil },
		Tenant: func(id portal.TenantID) (portal.Tenant, bool) { t, ok := b.tenants[id]; return t, ok },
		Admit: func(_ context.Context, t portal.Tenant, n personnummer.Number) (people.Admission, error) {
			return b.admit(t, n)
		},
		Staff:   Staff{Issuer: staffName, ClientID: "staff", Secret: []byte("s: +&"), HTTP: &http.Client{Transport: b.staff}},
		Cookies: page.Cookies{Secure: true}, Now: b.now,
		Log: slog.New(slog.NewTextHandler(&b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&c)
	}
	b.Logins, err = New(c)
	b.ok(err)
	t.Cleanup(b.silent)
	return b
}

// proved checks a client's assertion, which counts once.
func (b *bench) proved(key crypto.PublicKey, form url.Values) string {
	var c jwt.RegisteredClaims
	_, err := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithAudience(brokerName), jwt.WithExpirationRequired(), jwt.WithTimeFunc(b.now)).
		ParseWithClaims(form.Get("client_assertion"), &c, func(*jwt.Token) (any, error) { return key, nil })
	if err != nil || c.Issuer != c.Subject || c.ID == "" || b.broker.proofs[c.ID] ||
		form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		return ""
	}
	b.broker.proofs[c.ID] = true
	return c.Issuer
}

// silent: no log says what nobody may read.
func (b *bench) silent() {
	for _, secret := range append(b.secrets(), ett, tva, samord, "Testperson", "code=", "state=", "Handläggare") {
		if strings.Contains(b.log.String(), secret) {
			b.t.Errorf("the log says what it must not: %.6s…", secret)
		}
	}
}

// secrets are the codes and tokens that there were.
func (b *bench) secrets() []string {
	var all []string
	for _, o := range []*op{b.broker, b.staff} {
		o.mu.Lock()
		all = slices.AppendSeq(slices.AppendSeq(all, maps.Keys(o.codes)), maps.Keys(o.tokens))
		o.mu.Unlock()
	}
	return all
}

// acts counts an act in the audit, with a reason unless it is "*".
func (b *bench) acts(t audit.Type, reason string) (n int) {
	b.t.Helper()
	b.ok(b.DB.Row(b.t.Context(), `SELECT count(*) FROM audit_waiting WHERE type = $1 AND ($2 = '*' OR reason = $3)`, string(t), reason, reason).Scan(&n))
	return n
}

func (b *bench) count(table string) (n int) {
	b.t.Helper()
	b.ok(b.DB.Row(b.t.Context(), `SELECT count(*) FROM `+table).Scan(&n))
	return n
}

// agent is a browser: it keeps cookies and follows nothing by itself.
type agent struct {
	b       *bench
	mu      sync.Mutex
	cookies map[string]string
}

func (b *bench) agent() *agent { return &agent{b: b, cookies: map[string]string{}} }

// twin is the same browser at another moment.
func (a *agent) twin() *agent { return &agent{b: a.b, cookies: maps.Clone(a.cookies)} }

func (a *agent) request(address string) *http.Request {
	r := httptest.NewRequestWithContext(a.b.t.Context(), "GET", address, nil)
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, v := range a.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: v})
	}
	return r
}

func (a *agent) keep(w *httptest.ResponseRecorder) *http.Response {
	resp := w.Result()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range resp.Cookies() {
		if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || !strings.HasPrefix(c.Name, "__Host-") || c.Path != "/" || c.Domain != "" {
			a.b.t.Errorf("a cookie that others can read or plant: %s", c.Name)
		}
		if c.MaxAge < 0 {
			delete(a.cookies, c.Name)
		} else {
			a.cookies[c.Name] = c.Value
		}
	}
	return resp
}

func (a *agent) start(t portal.TenantID, aim Aim, lang string) (string, error) {
	w := httptest.NewRecorder()
	err := a.b.Start(w, a.request(a.b.tenants[t].BaseURL+"/logga-in"), a.b.tenants[t], aim, lang)
	return a.keep(w).Header.Get("Location"), err
}

func (a *agent) finish(t portal.TenantID, address string) (Outcome, error) {
	w := httptest.NewRecorder()
	out, err := a.b.Finish(w, a.request(address), a.b.tenants[t])
	a.keep(w)
	return out, err
}

// begun is a login at the issuer: where the browser is sent back to.
func (a *agent) begun(t portal.TenantID, person jwt.MapClaims) string {
	a.b.t.Helper()
	at, err := a.start(t, Aim{Path: "/mina-sidor"}, "sv")
	a.b.ok(err)
	return a.b.broker.send(at, person)
}

// login goes the whole way.
func (a *agent) login(t portal.TenantID, number string) Outcome {
	a.b.t.Helper()
	out, err := a.finish(t, a.begun(t, citizenOf(number)))
	a.b.ok(err)
	if out.Refused != "" {
		a.b.t.Fatalf("refused: %s\n%s", out.Refused, a.b.log.String())
	}
	return out
}

func (a *agent) visitor(t portal.TenantID, touch bool) portal.Visitor {
	a.b.t.Helper()
	w := httptest.NewRecorder()
	v, err := a.b.Visitor(w, a.request(a.b.tenants[t].BaseURL+"/"), a.b.tenants[t], touch)
	a.b.ok(err)
	a.keep(w)
	return v
}

func (a *agent) left(t portal.TenantID) time.Duration {
	a.b.t.Helper()
	d, err := a.b.Left(a.b.t.Context(), a.request(base), a.b.tenants[t])
	a.b.ok(err)
	return d
}

func (a *agent) end(t portal.TenantID) string {
	a.b.t.Helper()
	w := httptest.NewRecorder()
	a.b.ok(a.b.End(w, a.request(base), a.b.tenants[t], "/utloggad"))
	resp := a.keep(w)
	if resp.StatusCode != http.StatusSeeOther {
		a.b.t.Errorf("logout answers %d", resp.StatusCode)
	}
	return resp.Header.Get("Location")
}

const racers = 8

// race starts racers at the same moment and counts who won.
func race(try func(n int) bool) int {
	var won sync.Map
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for n := range racers {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			if try(n) {
				won.Store(n, true)
			}
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	count := 0
	won.Range(func(any, any) bool { count++; return true })
	return count
}

// with changes an answer's parameters, by pairs of name and value; an empty
// value removes one.
func with(address string, changes ...string) string {
	u, _ := url.Parse(address)
	q := u.Query()
	for i := 0; i < len(changes); i += 2 {
		q.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			q.Del(changes[i])
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}
