package oidc

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/providers"
	"sigill/providers/personnummer"
)

const issuer = "https://op.example.se"

// clock stands still until it is told to move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// memShort is a short-lived store in memory. delay widens every window in which
// a read and a write that should be one step could be torn apart.
type memShort struct {
	clock *clock
	delay time.Duration
	mu    sync.Mutex
	rows  map[string]memRow
	next  int64
	fail  func(op, kind string) error
}

type memRow struct {
	value   []byte
	version int64
	expires time.Time
}

func (s *memShort) enter(op, kind string) error {
	if s.delay > 0 {
		time.Sleep(s.delay)
	}
	s.mu.Lock()
	if s.fail != nil {
		return s.fail(op, kind)
	}
	return nil
}

func (s *memShort) row(kind, key string) (memRow, bool) {
	r, ok := s.rows[kind+"\x00"+key]
	return r, ok && s.clock.Now().Before(r.expires)
}

func (s *memShort) write(kind, key string, value []byte, expires time.Time) {
	s.next++
	s.rows[kind+"\x00"+key] = memRow{slices.Clone(value), s.next, expires}
}

func (s *memShort) Put(_ context.Context, kind, key string, value []byte, expires time.Time) error {
	err := s.enter("put", kind)
	defer s.mu.Unlock()
	if err == nil {
		s.write(kind, key, value, expires)
	}
	return err
}

func (s *memShort) Get(_ context.Context, kind, key string) ([]byte, int64, error) {
	err := s.enter("get", kind)
	defer s.mu.Unlock()
	if err != nil {
		return nil, 0, err
	}
	r, ok := s.row(kind, key)
	if !ok {
		return nil, 0, broker.ErrNotFound
	}
	return slices.Clone(r.value), r.version, nil
}

func (s *memShort) Take(_ context.Context, kind, key string) ([]byte, error) {
	err := s.enter("take", kind)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	r, ok := s.row(kind, key)
	if !ok {
		return nil, broker.ErrNotFound
	}
	delete(s.rows, kind+"\x00"+key)
	return r.value, nil
}

func (s *memShort) Swap(_ context.Context, kind, key string, version int64, value []byte, expires time.Time) error {
	err := s.enter("swap", kind)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	r, ok := s.row(kind, key)
	if ok && r.version != version || !ok && version != 0 {
		return broker.ErrConflict
	}
	s.write(kind, key, value, expires)
	return nil
}

func (s *memShort) count(kind string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for k := range s.rows {
		if strings.HasPrefix(k, kind+"\x00") {
			n++
		}
	}
	return n
}

// size is how many bytes the records of a kind hold.
func (s *memShort) size(kind string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for k, row := range s.rows {
		if strings.HasPrefix(k, kind+"\x00") {
			n += len(row.value)
		}
	}
	return n
}

// memRecords keeps durable records in memory.
type memRecords struct {
	mu       sync.Mutex
	subjects map[string]string
	logins   map[string]broker.LoginRecord
	orders   map[broker.OrderID]bool
	spent    map[string]bool
	events   []audit.Event
	fail     error
}

func (m *memRecords) Subject(_ context.Context, person []byte, sector string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := string(person) + "\x00" + sector
	if m.subjects[k] == "" {
		m.subjects[k] = broker.NewID()
	}
	return m.subjects[k], m.fail
}

func (m *memRecords) FinishLogin(_ context.Context, r broker.LoginRecord, events ...audit.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if old, used := m.logins[r.Login]; used && r.Order != "" && old.Order == r.Order && old.Client == r.Client {
		return nil
	} else if used || m.orders[r.Order] {
		return broker.ErrConflict
	}
	m.logins[r.Login] = r
	if r.Order != "" {
		m.orders[r.Order] = true
	}
	m.events = append(m.events, events...)
	return nil
}

func (m *memRecords) LoginRecord(_ context.Context, login string) (broker.LoginRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.logins[login]
	if !ok {
		return r, broker.ErrNotFound
	}
	return r, m.fail
}

func (m *memRecords) Record(_ context.Context, events ...audit.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.events = append(m.events, events...)
	return nil
}

func (m *memRecords) Spend(_ context.Context, marks []broker.Mark, events ...audit.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	for _, mark := range marks {
		if m.spent[mark.Kind+string(mark.Digest)] && !mark.Again {
			return broker.ErrConflict
		}
	}
	if m.spent == nil {
		m.spent = map[string]bool{}
	}
	for _, mark := range marks {
		m.spent[mark.Kind+string(mark.Digest)] = true
	}
	m.events = append(m.events, events...)
	return nil
}

func (m *memRecords) Spent(_ context.Context, kind string, digest []byte) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.spent[kind+string(digest)], m.fail
}

// has reports whether an act was recorded, with the reason unless it is "*".
func (m *memRecords) has(t audit.Type, reason string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.events, func(e audit.Event) bool { return e.Type == t && (reason == "*" || e.Reason == reason) })
}

func (m *memRecords) count(t audit.Type) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, e := range m.events {
		if e.Type == t {
			n++
		}
	}
	return n
}

type memClients map[string]broker.Client

func (m memClients) Client(_ context.Context, id string) (broker.Client, error) {
	c, ok := m[id]
	if !ok {
		return c, broker.ErrNotFound
	}
	return c, nil
}

// memKeys signs with the first key of an algorithm.
type memKeys struct{ keys []SigningKey }

func (m *memKeys) Signer(alg string) (SigningKey, error) {
	for _, k := range m.keys {
		if k.Alg == alg {
			return k, nil
		}
	}
	return SigningKey{}, errors.New("no such key")
}

func (m *memKeys) Find(kid string) (PublicKey, bool) {
	all := m.Published()
	i := slices.IndexFunc(all, func(k PublicKey) bool { return k.KID == kid })
	if i < 0 {
		return PublicKey{}, false
	}
	return all[i], true
}

func (m *memKeys) Published() []PublicKey {
	var out []PublicKey
	for _, k := range m.keys {
		out = append(out, PublicKey{k.KID, k.Alg, k.Key.Public()})
	}
	return out
}

// opaqueSigner hides what kind of key it is, as hardware does.
type opaqueSigner struct{ crypto.Signer }

var (
	ecKey1   = sync.OnceValue(newEC)
	ecKey2   = sync.OnceValue(newEC)
	ecClient = sync.OnceValue(newEC)
	ecOther  = sync.OnceValue(newEC)
	rsaKey1  = sync.OnceValue(newRSA)
)

func newEC() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

func newRSA() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}

// plainBox only frames, so that a test can see what was bound to what.
type plainBox struct{}

func (plainBox) Seal(plain, ctx []byte) []byte {
	return append([]byte(fmt.Sprintf("%d:%s", len(ctx), ctx)), plain...)
}

func (plainBox) Open(sealed, ctx []byte) ([]byte, error) {
	plain, ok := bytes.CutPrefix(sealed, []byte(fmt.Sprintf("%d:%s", len(ctx), ctx)))
	if !ok {
		return nil, errors.New("another row")
	}
	return plain, nil
}

// memPages says in headers what a page would show.
type memPages struct {
	mu     sync.Mutex
	faults []Fault
	view   LogoutView
	action string
	fields [][2]string
}

func (m *memPages) Fault(w http.ResponseWriter, r *http.Request, f Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = append(m.faults, f)
	w.Header().Set("X-Fault", f.Code)
	w.WriteHeader(f.Status)
}

func (m *memPages) Logout(w http.ResponseWriter, r *http.Request, v LogoutView) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.view = v
	w.Header().Set("X-Logout", fmt.Sprintf("confirm=%t", v.Confirm))
}

func (m *memPages) FormPost(w http.ResponseWriter, r *http.Request, action string, fields [][2]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.action, m.fields = action, fields
	w.Header().Set("X-Form-Post", action)
}

// The people. Numbers are published test numbers.
func person(digits, name string) providers.Identity {
	n, err := personnummer.FromDigits(digits)
	if err != nil {
		panic(err)
	}
	given, family, _ := strings.Cut(name, " ")
	return providers.Identity{
		Number: n, Name: name, GivenName: given, Surname: family, Provider: providers.BankID,
		Level: providers.LevelUncertified3, Transaction: "order-" + name[len(name)-3:], DeviceIP: "192.0.2.7",
		ValidFrom: time.Unix(1_700_000_000, 0), ValidTo: time.Unix(1_900_000_000, 0), Certificate: []byte("certificate"),
	}
}

var (
	ett    = person("199002232388", "Testperson Ett")
	tva    = person("198006299252", "Testperson Två")
	barn   = person("201409032388", "Testperson Barn")
	samord = person("197101902398", "Testperson Sam")
)

// bench is a provider with everything around it, and no network.
type bench struct {
	*Provider
	t       testing.TB
	clock   *clock
	short   *memShort
	records *memRecords
	clients memClients
	keys    *memKeys
	pages   *memPages
	infos   []providers.Info
	mux     *http.ServeMux
	log     bytes.Buffer
}

const (
	basicSecret = "basic secret: with colon & plus+"
	anySecret   = "any-secret"
)

func newBench(t testing.TB, change ...func(*Config)) *bench {
	ck := &clock{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	b := &bench{
		t: t, clock: ck, short: &memShort{clock: ck, rows: map[string]memRow{}},
		records: &memRecords{subjects: map[string]string{}, logins: map[string]broker.LoginRecord{}, orders: map[broker.OrderID]bool{}},
		clients: memClients{}, pages: &memPages{}, mux: http.NewServeMux(),
		keys: &memKeys{[]SigningKey{{"ec-1", ES256, opaqueSigner{ecKey1()}}, {"rsa-1", RS256, opaqueSigner{rsaKey1()}}}},
		infos: []providers.Info{
			{ID: providers.BankID, Name: "BankID", Level: providers.LevelUncertified3},
			{ID: providers.MBankID, Name: "Mobilt BankID", Level: providers.LevelUncertified3},
		},
	}
	all := []string{scopeProfile, scopePersonInfo, scopePersonNumber}
	for _, c := range []broker.Client{
		{ID: "basic", Name: "Bas", Profile: broker.ProfileBasic, AuthMethod: broker.SecretBasic, SecretHash: digest(basicSecret),
			IDTokenAlg: RS256, Scopes: all},
		{ID: "post", Name: "Post", Profile: broker.ProfileBasic, AuthMethod: broker.SecretPost, SecretHash: digest(basicSecret), Scopes: all},
		{ID: "any", Name: "Vilken", Profile: broker.ProfileBasic, AuthMethod: broker.SecretAny, SecretHash: digest(anySecret), Scopes: all},
		{ID: "sweden", Name: "Kommunen", NameEN: "The municipality", Profile: broker.ProfileSweden, AuthMethod: broker.PrivateKeyJWT,
			JWKS: jwksOf("c1", ecClient().Public()), IDTokenAlg: ES256, Scopes: append(all, ScopeAuthnInfo), Home: "https://rp.example.se/"},
		{ID: "bare", Name: "Bar", Profile: broker.ProfileBasic, AuthMethod: broker.SecretAny, SecretHash: digest(anySecret)},
		{ID: "group-a", Name: "A", Profile: broker.ProfileBasic, AuthMethod: broker.SecretAny, SecretHash: digest(anySecret), Scopes: all, SSOGroup: "g"},
		{ID: "group-b", Name: "B", Profile: broker.ProfileBasic, AuthMethod: broker.SecretAny, SecretHash: digest(anySecret), Scopes: all, SSOGroup: "g"},
	} {
		c.RedirectURIs = []string{"https://rp.example.se/cb", "https://rp.example.se/cb?keep=1"}
		c.PostLogoutRedirectURIs = []string{"https://rp.example.se/", "https://rp.example.se/out?x=1"}
		b.clients[c.ID] = c
	}
	cfg := Config{
		Issuer: issuer, Short: b.short, Records: b.records, Clients: b.clients, Keys: b.keys, Pages: b.pages, Box: plainBox{},
		PersonDigest: func(d []byte) string { return fmt.Sprintf("digest of %x", sha256.Sum256(d)) },
		PersonIndex:  func(d []byte) []byte { m := hmac.New(sha256.New, []byte("index")); m.Write(d); return m.Sum(nil) },
		Offers:       func(broker.Client) []providers.Info { return b.infos },
		Now:          ck.Now, Log: slog.New(slog.NewTextHandler(&b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		UserSignature: func(e providers.Evidence) []byte { return []byte("signature of " + string(e.Bytes)) },
	}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	if b.Provider, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	b.Routes(b.mux)
	return b
}

func (b *bench) change(id string, f func(*broker.Client)) {
	c := b.clients[id]
	f(&c)
	b.clients[id] = c
}

func jwksOf(kid string, key crypto.PublicKey) json.RawMessage {
	alg := ES256
	if _, ok := key.(*rsa.PublicKey); ok {
		alg = RS256
	}
	set, err := jwkSet([]PublicKey{{kid, alg, key}})
	if err != nil {
		panic(err)
	}
	return set
}

// agent is a browser: it keeps cookies and follows nothing by itself.
type agent struct {
	b       *bench
	cookies map[string]string
}

func (b *bench) agent() *agent { return &agent{b, map[string]string{}} }

func (a *agent) do(r *http.Request) *http.Response {
	for name, v := range a.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: v})
	}
	w := httptest.NewRecorder()
	a.b.mux.ServeHTTP(w, r)
	resp := w.Result()
	a.keep(resp)
	return resp
}

func (a *agent) keep(resp *http.Response) {
	for _, c := range resp.Cookies() {
		if c.MaxAge < 0 {
			delete(a.cookies, c.Name)
		} else {
			a.cookies[c.Name] = c.Value
		}
	}
}

func (a *agent) get(address string) *http.Response {
	return a.do(httptest.NewRequest("GET", address, nil))
}

func (a *agent) post(address string, form url.Values) *http.Response {
	return a.do(postRequest(address, form.Encode()))
}

func postRequest(address, body string) *http.Request {
	r := httptest.NewRequest("POST", address, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

const verifier = "verifier-of-at-least-forty-three-characters-0"

func challengeOf(v string) string {
	sum := sha256.Sum256([]byte(v))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// request is a good authorization request of a client, changed by pairs of
// name and value; an empty value removes the parameter.
func request(client string, changes ...string) url.Values {
	q := url.Values{
		"client_id": {client}, "redirect_uri": {"https://rp.example.se/cb"}, "response_type": {"code"},
		"scope": {"openid"}, "state": {"state-1"}, "nonce": {"nonce-1"},
		"code_challenge": {challengeOf(verifier)}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(changes); i += 2 {
		q.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			q.Del(changes[i])
		}
	}
	return q
}

// ask sends an authorization request.
func (a *agent) ask(q url.Values) *http.Response { return a.get("/authorize?" + q.Encode()) }

// loginID is the login that a browser was sent to, or "".
func loginID(resp *http.Response) string {
	id, _ := strings.CutPrefix(resp.Header.Get("Location"), issuer+"/login/")
	if strings.Contains(id, "/") {
		return ""
	}
	return id
}

// prove lets a person answer a pending login as the pages would.
func (a *agent) prove(login string, who providers.Identity) (Answer, error) {
	l, c, err := a.reserve(login, who.Provider)
	if err != nil {
		return Answer{}, err
	}
	o, d := doneOrder(l, c, who, a.b.clock.Now())
	return a.b.Finish(context.Background(), l, o, d)
}

// reserve chooses an e-ID for a pending login.
func (a *agent) reserve(login string, id providers.ID) (broker.Login, broker.Client, error) {
	b := a.b
	ctx := context.Background()
	l, c, version, err := b.Pending(ctx, login, a.cookies["sigill_browser"])
	if err == nil {
		l.Order, l.Provider, l.Mode, l.OrderAt = broker.OrderID(broker.NewID()), id, providers.ModeThis, b.clock.Now()
		err = b.Reserve(ctx, l, version)
	}
	return l, c, err
}

// reserved is a new login whose e-ID has been chosen.
func (a *agent) reserved(client string) (broker.Login, broker.Client) {
	a.b.t.Helper()
	l, c, err := a.reserve(loginID(a.ask(request(client))), providers.BankID)
	if err != nil {
		a.b.t.Fatal(err)
	}
	return l, c
}

func doneOrder(l broker.Login, c broker.Client, who providers.Identity, at time.Time) (broker.Order, providers.Done) {
	who.At = at
	return broker.Order{
		ID: l.Order, Owner: "login", Ref: l.ID, Client: c.ID, Provider: who.Provider, Instance: "default",
		Mode: l.Mode, Kind: providers.KindAuth, Phase: broker.Done, Browser: l.Browser,
	}, providers.Done{Identity: who, Evidence: providers.Evidence{MediaType: "test/evidence", Bytes: []byte("evidence")}}
}

// login goes the whole way from request to answer.
func (a *agent) login(q url.Values, who providers.Identity) url.Values {
	a.b.t.Helper()
	resp := a.ask(q)
	id := loginID(resp)
	if id == "" {
		a.b.t.Fatalf("no login: %s %s %s", resp.Status, resp.Header.Get("Location"), resp.Header.Get("X-Fault"))
	}
	answer, err := a.prove(id, who)
	if err != nil {
		a.b.t.Fatalf("finish: %v", err)
	}
	return a.send(answer)
}

func (a *agent) send(answer Answer) url.Values {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/x", nil)
	for name, v := range a.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: v})
	}
	a.b.Send(w, r, answer)
	resp := w.Result()
	a.keep(resp)
	return a.b.response(resp)
}

// response reads the authorization response out of a redirect or form.
func (b *bench) response(resp *http.Response) url.Values {
	b.t.Helper()
	if resp.Header.Get("X-Form-Post") != "" {
		v := url.Values{}
		for _, f := range b.pages.fields {
			v.Add(f[0], f[1])
		}
		return v
	}
	u, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(u.String(), "https://rp.example.se/cb") {
		b.t.Fatalf("no authorization response: %s, location %q, fault %q", resp.Status, resp.Header.Get("Location"), resp.Header.Get("X-Fault"))
	}
	return u.Query()
}

// tokenForm is a good token request; changes as in request.
func tokenForm(code string, changes ...string) url.Values {
	q := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://rp.example.se/cb"},
		"code_verifier": {verifier},
	}
	for i := 0; i < len(changes); i += 2 {
		q.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			q.Del(changes[i])
		}
	}
	return q
}

// answerOf is a JSON answer with its status.
type answerOf struct {
	status int
	header http.Header
	body   map[string]any
}

func (o answerOf) err() string { s, _ := o.body["error"].(string); return s }

func (o answerOf) text(name string) string { s, _ := o.body[name].(string); return s }

func (b *bench) json(r *http.Request) answerOf {
	b.t.Helper()
	w := httptest.NewRecorder()
	b.mux.ServeHTTP(w, r)
	out := answerOf{status: w.Code, header: w.Header(), body: map[string]any{}}
	if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(w.Body.Bytes(), &out.body); err != nil {
			b.t.Fatalf("not JSON: %q", w.Body.String())
		}
	} else if w.Body.Len() > 0 {
		out.body["raw"] = w.Body.String()
	}
	return out
}

// redeem exchanges a code as the client would, by the client's own method.
func (b *bench) redeem(client string, form url.Values) answerOf {
	b.t.Helper()
	return b.json(b.tokenRequest(client, form))
}

func (b *bench) tokenRequest(client string, form url.Values) *http.Request {
	c := b.clients[client]
	form = maps.Clone(form)
	switch c.AuthMethod {
	case broker.SecretPost:
		form.Set("client_id", client)
		form.Set("client_secret", basicSecret)
	case broker.PrivateKeyJWT:
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", b.assertion(client, nil))
	}
	r := postRequest("/token", form.Encode())
	switch c.AuthMethod {
	case broker.SecretBasic:
		r.SetBasicAuth(url.QueryEscape(client), url.QueryEscape(basicSecret))
	case broker.SecretAny:
		r.SetBasicAuth(url.QueryEscape(client), url.QueryEscape(anySecret))
	}
	return r
}

// assertion is a good client assertion; change may spoil it.
func (b *bench) assertion(client string, change func(head, claims map[string]any)) string {
	now := b.clock.Now().Unix()
	head := map[string]any{"alg": "ES256", "kid": "c1", "typ": "JWT"}
	claims := map[string]any{
		"iss": client, "sub": client, "aud": issuer + "/token", "iat": now, "exp": now + 60, "jti": broker.NewID(),
	}
	if change != nil {
		change(head, claims)
	}
	h, _ := json.Marshal(head)
	c, _ := json.Marshal(claims)
	return rawJWT(string(h), string(c), ecClient())
}

// rawJWT signs any two texts with ES256.
func rawJWT(head, claims string, key *ecdsa.PrivateKey) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(head)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	sig, err := signerMethod{ES256}.Sign(text, key)
	if err != nil {
		panic(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// payload reads the claims of a JWT without checking anything.
func payload(t testing.TB, compact string) map[string]any {
	t.Helper()
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT: %q", compact)
	}
	var m map[string]any
	if err := json.Unmarshal(segment(parts[1]), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// userinfoOf asks for userinfo with a token and gives the claims, signed or not.
func (b *bench) userinfoOf(token string) (int, map[string]any) {
	b.t.Helper()
	r := httptest.NewRequest("GET", "/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	b.mux.ServeHTTP(w, r)
	body, _ := io.ReadAll(w.Result().Body)
	if w.Code != 200 {
		return w.Code, nil
	}
	if w.Header().Get("Content-Type") == "application/jwt" {
		return w.Code, payload(b.t, string(body))
	}
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		b.t.Fatal(err)
	}
	return w.Code, m
}

// strictMap is a set of claims for signing in tests.
type strictMap = jwt.MapClaims

func newGet(address string) *http.Request { return httptest.NewRequest("GET", address, nil) }

func recorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

// stored is the record that a code, token or cookie belongs to.
func (b *bench) stored(s string) string {
	b.t.Helper()
	id, _, _ := split(s)
	raw, _, err := b.short.Get(b.t.Context(), kindLogin, id)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(raw)
}

// forged is shaped like a code, a token or a cookie of ours.
func forged() string { return join(broker.NewID(), broker.NewSecret()) }

// answeredLogins counts records with a code or session in them.
func (b *bench) answeredLogins() int {
	b.short.mu.Lock()
	defer b.short.mu.Unlock()
	n := 0
	for _, row := range b.short.rows {
		if bytes.Contains(row.value, []byte(`"grant"`)) || bytes.Contains(row.value, []byte(`"session"`)) {
			n++
		}
	}
	return n
}
