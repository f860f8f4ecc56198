package judges

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sigill/broker/kit/config"
	"sigill/broker/kit/keys"
	"sigill/broker/kit/page"
	"sigill/cmd/node"
	"sigill/signing/api"
	"sigill/signing/api/apitest"
	"sigill/signing/pades/padestest"
	"sigill/signing/receipt"
	"sigill/signing/trust"
	"sigill/signing/verify"
	"sigill/testidp"
	"sigill/testidp/sms"
)

// Premises are an installation with a signing room, on free ports: a broker, in
// this process or in one of its own, and beside it the simulators. Whatever goes
// over the signing API is held against its description.
type premises struct {
	t         testing.TB
	issuer    string
	dir       string
	phone     control
	idp       *testidp.Server
	hooks     *hookReceiver
	contract  *apitest.Contract
	verifier  *verify.Verifier
	secrets   map[string]string
	processes string        // the production program; empty: the broker runs in this process
	broker    *process      // nil: in this process
	ahead     *atomic.Int64 // of the clock of a broker in this process
	stop      func()
	newSeal   func() // puts another certificate of the same seal in the place of the one that is
	wish      premisesWish
	api       *http.Client           // of whoever calls the API
	browser   http.RoundTripper      // of people; nil: a walker's own
	life      time.Duration          // how long an order may take that something happens to
	pace      time.Duration          // see stubborn
	slow      bool                   // a message may wait until nobody needs it; see messagesOf
	turns     map[string]*sync.Mutex // of persons who have much to sign at a time

	mu     sync.Mutex
	tokens map[string]string
}

// Clients of the premises: two that have things signed, and one that only lets
// people log in.
const (
	asker      = "asker"
	otherAsker = "other"
	onlyLogin  = "login"
)

// premisesWish says how premises differ from others.
type premisesWish struct {
	process bool             // the broker is the production program
	program string           // that program, where it is built already
	built   bool             // it is built, and not started
	log     string           // name of its log
	more    string           // lines of configuration
	signing string           // lines of configuration of the signing room
	simple  bool             // no mail server and no SMS gateway
	before  func(dir string) // called before the broker starts first
	tune    func(*node.Config)
}

func newPremises(t testing.TB, w premisesWish) *premises {
	t.Helper()
	port, admin := freePort(t), freePort(t)
	p := &premises{
		t: t, issuer: "http://localhost:" + port, dir: t.TempDir(), ahead: &atomic.Int64{},
		secrets: map[string]string{}, tokens: map[string]string{}, stop: func() {}, api: apiHTTP, life: lifeLimit,
	}
	p.idp = testidp.Start(t, func(c *testidp.Config) { c.Now = p.now })
	p.phone = control{p.idp.URL()}
	var err error
	if p.contract, err = apitest.Load(api.Specification); err != nil {
		t.Fatal(err)
	}
	p.hooks = newHookReceiver(t, p)

	m, err := p.idp.Material()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.WriteFiles(filepath.Join(p.dir, "bankid")); err != nil {
		t.Fatal(err)
	}
	p.makeSeal(m.SignatureRoot)
	if err := keys.NewMaster(filepath.Join(p.dir, "master.key")); err != nil {
		t.Fatal(err)
	}
	var clients strings.Builder
	for _, id := range []string{asker, otherAsker, onlyLogin} {
		p.secrets[id] = rand.Text()
		secret := base64.StdEncoding.EncodeToString([]byte(rand.Text() + "padding")[:32])
		p.write(id+".webhook", []byte("whsec_"+secret))
		if id == asker {
			p.hooks.secret, _ = base64.StdEncoding.DecodeString(secret)
		}
		scopes, more := "signing", fmt.Sprintf("    asking_body: Exempelby kommun\n    loopback_callbacks: true\n    webhook_secret_file: %s.webhook\n", id)
		if id == onlyLogin {
			scopes, more = "openid, profile", "    redirect_uris: [http://localhost:8090/callback]\n"
		}
		fmt.Fprintf(&clients, "  - id: %s\n    name: Domarna %s\n    profile: basic\n    auth_method: client_secret\n    secret: %s\n    scopes: [%s]\n%s", id, id, p.secrets[id], scopes, more)
	}
	ways := fmt.Sprintf("  mail: {host: %q, tls: none, from: noreply@example.se}\n  sms: {kind: http, url: %q, from: Exempelby, token_file: sms.token}\n", p.idp.MailAddress(), p.idp.SMSURL())
	p.write("sms.token", []byte(sms.Token))
	if w.simple {
		ways = ""
	}
	p.write("sigill.yaml", fmt.Appendf(nil, `
issuer: %[1]s
name: Domarna
listen: localhost:%[2]s
admin_listen: localhost:%[3]s
data: data
master_key_file: master.key
log_level: debug
collect_interval: 25ms
%[4]sproviders:
  - name: judges
    kind: bankid
    offers: [mbankid, bankid]
    certificate_file: bankid/%[5]s
    key_file: bankid/%[6]s
    environment:
      base_url: %[7]s
      tls_root_file: bankid/%[8]s
      signature_root_file: bankid/%[9]s
      policies: {file: [1.2.3.4.5], card: [1.2.3.4.10], mobile: [1.2.3.4.25]}
      app_links: {desktop: "%[10]s?autostarttoken=", mobile: "%[10]s?autostarttoken="}
signing:
  seal: {certificate_file: seal.pem, key_file: seal.key}
  trust_file: trust.yaml
%[11]s%[12]sclients:
%[13]s`, p.issuer, port, admin, rates(w.more), testidp.RPCertificateFile, testidp.RPKeyFile, m.BankIDURL, testidp.TLSRootFile, testidp.SignatureRootFile,
		m.AppURL, ways, w.signing, clients.String()))
	if w.before != nil {
		w.before(p.dir)
	}
	if w.process {
		if p.processes = w.program; p.processes == "" {
			p.processes = build(t, "sigill")
		}
		if !w.built {
			p.serve(w.log)
		}
		return p
	}
	p.wish = w
	p.run(w)
	return p
}

// again stops the broker of this process and starts it with another
// configuration.
func (p *premises) again(old, new string) {
	p.t.Helper()
	p.stop()
	text, err := os.ReadFile(filepath.Join(p.dir, "sigill.yaml"))
	if err != nil {
		p.t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(old)) {
		p.t.Fatalf("the configuration holds no %q", old)
	}
	p.write("sigill.yaml", bytes.Replace(text, []byte(old), []byte(new), 1))
	p.run(p.wish)
}

// rates lets the judges ask as often as they like, unless a test says how often.
func rates(more string) string {
	if strings.Contains(more, "rates:") {
		return more
	}
	return "rates: {logins: off, orders: off, tokens: off}\n" + more
}

func (p *premises) write(name string, text []byte) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), text, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// makeSeal makes what receipts are sealed with, and whom to believe.
func (p *premises) makeSeal(bankid []byte) {
	p.t.Helper()
	pki := padestest.NewPKI(p.t)
	p.newSeal = func() {
		key := padestest.NewKey(p.t, elliptic.P256())
		var chain bytes.Buffer
		for _, c := range pki.Issue(p.t, key, padestest.Leaf{}) {
			if err := pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}); err != nil {
				p.t.Fatal(err)
			}
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			p.t.Fatal(err)
		}
		p.write("seal.pem", chain.Bytes())
		p.write("seal.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	}
	p.newSeal()
	block, _ := pem.Decode(bankid)
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		p.t.Fatal(err)
	}
	believed := trust.Trust{
		Seal:   trust.Seal{Roots: []*x509.Certificate{pki.Root}},
		BankID: []trust.BankID{{Name: "simulator", Roots: []*x509.Certificate{root}, Policies: []string{"1.2.3.4.5", "1.2.3.4.10", "1.2.3.4.25"}}},
	}
	text, err := trust.Write(believed)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write("trust.yaml", text)
	receipts, err := receipt.New()
	if err != nil {
		p.t.Fatal(err)
	}
	p.verifier = verify.New(believed, receipts)
}

// serve starts the production program, again after it was killed.
func (p *premises) serve(log string) {
	p.t.Helper()
	p.broker = start(p.t, log+"-sigill.log", answers(p.issuer+"/healthz"),
		exec.Command(p.processes, "serve", "--config", filepath.Join(p.dir, "sigill.yaml")))
}

// run starts the broker in this process.
func (p *premises) run(w premisesWish) {
	p.t.Helper()
	settings, _, err := config.Load(filepath.Join(p.dir, "sigill.yaml"))
	if err != nil {
		p.t.Fatal(err)
	}
	log, err := os.OpenFile(output(p.t, "logs", w.log+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		p.t.Fatal(err)
	}
	c := node.Config{
		Settings: settings, Due: 50 * time.Millisecond,
		Log: slog.New(page.LogHandler(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		Now: p.now,
	}
	if w.tune != nil {
		w.tune(&c)
	}
	n, err := node.New(p.t.Context(), c)
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	t := p.t
	p.stop = sync.OnceFunc(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("node: %v", err)
		}
		log.Close()
	})
	p.t.Cleanup(p.stop)
}

// now is the time, as everybody has it here.
func (p *premises) now() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) }

// later lets time pass.
func (p *premises) later(d time.Duration) { p.ahead.Add(int64(d)) }

// An apiAnswer is what the signing API says.
type apiAnswer struct {
	status int
	header http.Header
	body   []byte
	code   string // of a problem
	faults map[string]string
}

// token gives a client's access token, a new one when the old one does not count
// any more.
func (p *premises) token(client string, anew bool) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.tokens[client]; t != "" && !anew {
		return t, nil
	}
	r, err := http.NewRequest("POST", p.issuer+"/token", strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(client, p.secrets[client])
	res, err := p.api.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var got struct {
		AccessToken string `json:"access_token"`
		Error       string
	}
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
		return "", &url.Error{Op: "POST", URL: "/token", Err: err} // cut off
	}
	if got.AccessToken == "" {
		return "", fmt.Errorf("no token: %s %s", res.Status, got.Error)
	}
	p.tokens[client] = got.AccessToken
	return got.AccessToken, nil
}

// apiHTTP keeps no connections: the broker may be killed at any time.
var apiHTTP = &http.Client{
	Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// send makes one request with a client's token and holds it against the
// description. Headers are "Name: value".
func (p *premises) send(client, method, path string, body any, headers ...string) (apiAnswer, error) {
	token, err := p.token(client, false)
	if err != nil {
		return apiAnswer{}, err
	}
	return p.sendAs("Bearer "+token, method, path, body, headers...)
}

func (p *premises) sendAs(authorization, method, path string, body any, headers ...string) (apiAnswer, error) {
	var sent []byte
	switch b := body.(type) {
	case nil:
	case string:
		sent = []byte(b)
	default:
		var err error
		if sent, err = json.Marshal(body); err != nil {
			return apiAnswer{}, err
		}
	}
	r, err := http.NewRequest(method, p.issuer+path, bytes.NewReader(sent))
	if err != nil {
		return apiAnswer{}, err
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	if sent != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if method == "POST" && path == "/api/v1/orders" {
		r.Header.Set("Idempotency-Key", rand.Text())
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if r.Header.Del(name); value != "" {
			r.Header.Set(name, value)
		}
	}
	res, err := p.api.Do(r)
	if err != nil {
		return apiAnswer{}, err
	}
	defer res.Body.Close()
	a := apiAnswer{status: res.StatusCode, header: res.Header}
	if a.body, err = io.ReadAll(res.Body); err != nil {
		return apiAnswer{}, &url.Error{Op: method, URL: path, Err: err} // cut off
	}
	if err := p.contract.Check(apitest.Exchange{Request: r, Sent: sent, Status: a.status, Header: a.header, Got: a.body}); err != nil {
		p.t.Error(err)
	}
	if a.status >= 400 {
		var problem struct {
			Code   string
			Faults []struct{ Field, Problem string }
		}
		if err := json.Unmarshal(a.body, &problem); err != nil {
			return a, fmt.Errorf("%s %s: %d: %w", method, path, a.status, err)
		}
		a.code, a.faults = problem.Code, map[string]string{}
		for _, f := range problem.Faults {
			a.faults[f.Field] = f.Problem
		}
	}
	return a, nil
}

// call is send where nothing may come between.
func (p *premises) call(client, method, path string, body any, headers ...string) apiAnswer {
	p.t.Helper()
	a, err := p.send(client, method, path, body, headers...)
	if err == nil && a.status == http.StatusUnauthorized {
		if _, err = p.token(client, true); err == nil {
			a, err = p.send(client, method, path, body, headers...)
		}
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return a
}

// placeOf is a signatory's place in an order of the asker's.
func (p *premises) placeOf(order string, n int) string {
	return fmt.Sprintf("%s/signing/%s/o/%s/%d", p.issuer, asker, order, n)
}

// audited lets the program itself verify what it wrote.
func (p *premises) audited() {
	p.t.Helper()
	if text, err := exec.Command(p.processes, "audit", "verify", "--config", filepath.Join(p.dir, "sigill.yaml")).CombinedOutput(); err != nil {
		p.t.Errorf("the audit does not verify: %v\n%s", err, text)
	}
}

// An apiOrder is what the API tells of an order.
type apiOrder struct {
	ID, State, SHA256, Document string
	CompletedAt, EndedAt        string
	Revision                    int
	Signatories                 []struct {
		N                            int
		Name, State, SignURL, Reason string
		Deliveries                   []struct{ Channel, State string }
		Signature                    *struct{ Name, Provider, At string }
	}
}

// members is a JSON object.
type members map[string]any

// wishFor asks for a text to be signed.
func (p *premises) wishFor(title string, signatories ...members) members {
	return members{
		"title": title, "documents": []members{{"name": "Handling", "text": "Vi godkänner " + title + "."}},
		"signatories": signatories, "callbackUrl": p.hooks.url,
	}
}

// signatoryOf is a person as the API wants one.
func (p *premises) signatoryOf(who person, invite string) members {
	m := members{"pnr": who.Number, "name": who.Name, "invite": invite}
	if invite != "none" {
		m["email"], m["phone"] = p.mailOf(who), p.mobileOf(who)
	}
	return m
}

// place is a person's in the list of all.
func (p *premises) place(who person) int {
	for i, other := range p.idp.People() {
		if other.Number == who.Number {
			return i
		}
	}
	p.t.Fatal("nobody has that number")
	return 0
}

// mailOf and mobileOf are a person's own; the numbers are of those that are kept
// for fiction.
func (p *premises) mailOf(who person) string   { return fmt.Sprintf("p%d@example.se", p.place(who)) }
func (p *premises) mobileOf(who person) string { return fmt.Sprintf("+467017406%02d", 10+p.place(who)) }

// open has an order made.
func (p *premises) open(w members) apiOrder {
	p.t.Helper()
	a := p.call(asker, "POST", "/api/v1/orders", w)
	if a.status != http.StatusCreated {
		p.t.Fatalf("no order: %d %s", a.status, a.body)
	}
	return p.read(a)
}

func (p *premises) read(a apiAnswer) apiOrder {
	p.t.Helper()
	var o apiOrder
	if err := json.Unmarshal(a.body, &o); err != nil {
		p.t.Fatalf("%v: %s", err, a.body)
	}
	return o
}

func (p *premises) get(id string) apiOrder {
	p.t.Helper()
	return p.read(p.call(asker, "GET", "/api/v1/orders/"+id, nil))
}

// until waits for an order to be as it is asked.
func (p *premises) until(id, what string, is func(apiOrder) bool) apiOrder {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		o := p.get(id)
		if is(o) {
			return o
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("the order does not become %s: %+v", what, o)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (p *premises) becomes(id, state string) apiOrder {
	p.t.Helper()
	return p.until(id, state, func(o apiOrder) bool { return o.State == state })
}

// receipt fetches the sealed PDF and has it verified.
func (p *premises) receipt(id string, signatures int) []byte {
	p.t.Helper()
	a := p.call(asker, "GET", "/api/v1/orders/"+id+"/documents/1", nil)
	if a.status != http.StatusOK {
		p.t.Fatalf("no receipt: %d %s", a.status, a.body)
	}
	if err := p.valid(a.body, signatures); err != nil {
		p.t.Error(err)
	}
	return a.body
}

func (p *premises) valid(file []byte, signatures int) error {
	r := p.verifier.Verify(file, p.now())
	if r.Verdict != verify.Valid || len(r.Signatures) != signatures {
		return fmt.Errorf("the verifier says %s %s, %d signatures", r.Verdict, r.Code, len(r.Signatures))
	}
	return nil
}

// hookReceiver takes webhooks and keeps them by their id, as receivers should.
type hookReceiver struct {
	url    string
	secret []byte
	broken atomic.Bool // answers 503

	mu   sync.Mutex
	came []hookNews
}

type hookNews struct {
	id, kind, order, state string
	signatory              int
	body                   string
}

func newHookReceiver(t testing.TB, p *premises) *hookReceiver {
	h := &hookReceiver{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // cut off
		}
		if h.broken.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if err := standardWebhook(h.secret, r.Header, body, p.now()); err != nil {
			t.Errorf("webhook: %v", err)
		}
		if err := p.contract.Event(r.Header, body); err != nil {
			t.Error(err)
		}
		var e struct {
			Type string
			Data struct {
				Order, State string
				Signatory    int
			}
		}
		if err := json.Unmarshal(body, &e); err != nil {
			t.Errorf("webhook: %v", err)
		}
		h.mu.Lock()
		h.came = append(h.came, hookNews{r.Header.Get("webhook-id"), e.Type, e.Data.Order, e.Data.State, e.Data.Signatory, string(body)})
		h.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	})}}
	server.Start()
	t.Cleanup(server.Close)
	h.url = server.URL + "/hook"
	return h
}

// of gives what came of an order: each id once, in the order of its first coming,
// and how many came more than once.
func (h *hookReceiver) of(order string) (list []hookNews, repeats int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := map[string]hookNews{}
	for _, n := range h.came {
		if n.order != order {
			continue
		}
		if first, known := seen[n.id]; known {
			repeats++
			if first != n {
				err = fmt.Errorf("webhook %s says another thing the second time", n.id)
			}
			continue
		}
		seen[n.id] = n
		list = append(list, n)
	}
	return list, repeats, err
}

// kinds counts the news of an order, signatories apart.
func kindsOf(list []hookNews) map[string]int {
	kinds := map[string]int{}
	for _, n := range list {
		kind := n.kind
		if n.signatory > 0 {
			kind += fmt.Sprintf(" %d", n.signatory)
		}
		kinds[kind]++
	}
	return kinds
}

// told waits until exactly these news of an order came.
func (p *premises) told(order string, kinds ...string) {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		list, _, err := p.hooks.of(order)
		if err != nil {
			p.t.Error(err)
		}
		var got []string
		for _, n := range list {
			kind := n.kind
			if n.signatory > 0 {
				kind += fmt.Sprintf(" %d", n.signatory)
			}
			got = append(got, kind)
		}
		if strings.Join(got, ", ") == strings.Join(kinds, ", ") {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("webhooks %v, not %v", got, kinds)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
