package freja

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/providers"
	"sigill/providers/personnummer"
)

// issuer is a scripted pair of services.
type issuer struct {
	*httptest.Server
	mu       sync.Mutex
	handle   http.HandlerFunc
	requests []seen
}

type seen struct {
	method, path, contentType, proto string
	by                               string // the client's certificate
	param, extra                     string // of the body
	body                             map[string]any
	raw                              string
}

func newIssuer(t testing.TB, handle http.HandlerFunc) *issuer {
	i := &issuer{handle: handle}
	i.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		first, extra, _ := strings.Cut(string(raw), "&")
		param, text, _ := strings.Cut(first, "=")
		s := seen{method: r.Method, path: r.URL.Path, contentType: r.Header.Get("Content-Type"), proto: r.Proto, param: param, extra: extra, raw: string(raw)}
		s.by = string(r.TLS.PeerCertificates[0].Raw)
		if plain, err := base64.StdEncoding.DecodeString(text); err == nil {
			_ = json.Unmarshal(plain, &s.body)
		}
		i.mu.Lock()
		i.requests = append(i.requests, s)
		h := i.handle
		i.mu.Unlock()
		h(w, r)
	}))
	i.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	i.EnableHTTP2 = true
	i.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	i.StartTLS()
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) answer(h http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.handle = h
}

func (i *issuer) last(t *testing.T) seen {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.requests) == 0 {
		t.Fatal("nothing was asked")
	}
	return i.requests[len(i.requests)-1]
}

func (i *issuer) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.requests)
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func stands(kind providers.Kind, status string, more ...any) http.HandlerFunc {
	answer := dict{"status": status}
	if kind == providers.KindSign {
		answer["signRef"] = testReference
	} else {
		answer["authRef"] = testReference
	}
	for i := 0; i+1 < len(more); i += 2 {
		answer[more[i].(string)] = more[i+1]
	}
	return says(200, string(jsonOf(answer)))
}

const begun = `{"authRef":"` + testReference + `","signRef":"` + testReference + `","qrCodeSecret":"test-secret"}`

func (i *issuer) config() Config {
	return Config{
		ID: providers.Freja, Instance: "prov", Certificate: rpCertificate(), Clock: func() time.Time { return testTime },
		Environment: Environment{
			Name: "prov", BaseURL: i.URL, AppLink: "https://app.example.se/freja",
			TLSRoots: []*x509.Certificate{i.Certificate()}, JWSRoots: []*x509.Certificate{home().root.cert},
			JWSCertificates: []*x509.Certificate{abroad().jws.cert, home().jws.cert}, Intermediates: []*x509.Certificate{home().issuing.cert},
		},
	}
}

func (i *issuer) provider(t testing.TB, change ...func(*Config)) *Provider {
	t.Helper()
	c := i.config()
	for _, f := range change {
		f(&c)
	}
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func testRequest(kind providers.Kind, mode providers.Mode) providers.Request {
	r := providers.Request{Mode: mode, Binding: testBinding}
	if kind == providers.KindSign {
		r.Text = testText
	}
	if mode == providers.ModeThis {
		r.ReturnURL = "https://e-tjanster.example.se/tillbaka?n=abc&m=å"
	}
	return r
}

func begin(ctx context.Context, p *Provider, kind providers.Kind, r providers.Request) (providers.State, providers.Step, error) {
	if kind == providers.KindSign {
		return p.StartSignature(ctx, providers.SignRequest{Request: r})
	}
	return p.Start(ctx, r)
}

func (i *issuer) started(t testing.TB, p *Provider, kind providers.Kind, r providers.Request) (providers.State, providers.Wait) {
	t.Helper()
	i.answer(says(200, begun))
	s, step, err := begin(t.Context(), p, kind, r)
	w, ok := step.(providers.Wait)
	if err != nil || !ok {
		t.Fatalf("start: %T, %v", step, err)
	}
	return s, w
}

var tick = providers.Event{Kind: providers.Tick}

// What is sent is what the document says, and nothing else.
func TestRequestsOnTheWire(t *testing.T) {
	i := newIssuer(t, says(200, begun))
	attributes := []any{dict{"attribute": "BASIC_USER_INFO"}, dict{"attribute": "SSN"}, dict{"attribute": "REGISTRATION_LEVEL"}}
	person := b64([]byte(`{"country":"SE","ssn":"` + personOne.Digits() + `"}`))
	login := func(more dict) dict {
		d := dict{"userInfoType": "INFERRED", "userInfo": "N/A", "minRegistrationLevel": "PLUS", "attributesToReturn": attributes}
		for k, v := range more {
			d[k] = v
		}
		return d
	}
	signature := func(more dict) dict {
		d := login(dict{
			"expiry": float64(testTime.Add(10 * time.Minute).UnixMilli()), "dataToSignType": "EXTENDED_UTF8_TEXT", "signatureType": "EXTENDED",
			"dataToSign": dict{"text": b64([]byte(testText)), "binaryData": b64(testBinding)},
		})
		for k, v := range more {
			d[k] = v
		}
		return d
	}
	byNumber := func(c *Config) { c.UserInfo = Number }
	for _, c := range []struct {
		name   string
		kind   providers.Kind
		mode   providers.Mode
		config func(*Config)
		change func(*providers.Request)
		extra  string
		want   dict
	}{
		{name: "QR", kind: providers.KindAuth, mode: providers.ModeOther, want: login(dict{"useDynamicQrCode": true})},
		{name: "static QR", kind: providers.KindAuth, mode: providers.ModeOther, config: func(c *Config) { c.StaticQR = true }, want: login(nil)},
		{name: "this device", kind: providers.KindAuth, mode: providers.ModeThis, want: login(nil)},
		{name: "this device, dynamic", kind: providers.KindAuth, mode: providers.ModeThis, config: func(c *Config) { c.Environment.Policy.DynamicLink = true },
			want: login(dict{"useDynamicQrCode": true})},
		{name: "a person, by code", kind: providers.KindAuth, mode: providers.ModeOther, change: func(r *providers.Request) { r.Number = personOne },
			want: login(dict{"useDynamicQrCode": true})},
		{name: "a person, by number", kind: providers.KindAuth, mode: providers.ModeOther, config: byNumber, change: func(r *providers.Request) { r.Number = personOne },
			want: login(dict{"userInfoType": "SSN", "userInfo": person})},
		{name: "anybody where numbers are used", kind: providers.KindAuth, mode: providers.ModeOther, config: byNumber,
			want: login(dict{"useDynamicQrCode": true})},
		{name: "a person, by address", kind: providers.KindAuth, mode: providers.ModeOther, change: func(r *providers.Request) { r.Email = "å+<ett>&två@example.se" },
			want: login(dict{"userInfoType": "EMAIL", "userInfo": "å+<ett>&två@example.se"})},
		{name: "for somebody else", kind: providers.KindAuth, mode: providers.ModeThis, config: func(c *Config) { c.RelyingPartyID = "kommun/1&2" },
			extra: "relyingPartyId=kommun%2F1%262", want: login(nil)},
		{name: "signature", kind: providers.KindSign, mode: providers.ModeThis, want: signature(nil)},
		{name: "signature of one person", kind: providers.KindSign, mode: providers.ModeOther, config: byNumber, change: func(r *providers.Request) { r.Number = personOne },
			want: signature(dict{"userInfoType": "SSN", "userInfo": person})},
		{name: "short signature", kind: providers.KindSign, mode: providers.ModeThis, config: func(c *Config) { c.SignatureExpiry = 5 * time.Minute },
			want: signature(dict{"expiry": float64(testTime.Add(5 * time.Minute).UnixMilli())})},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := testRequest(c.kind, c.mode)
			if c.change != nil {
				c.change(&r)
			}
			if c.config == nil {
				c.config = func(*Config) {}
			}
			p := i.provider(t, c.config)
			if _, _, err := begin(t.Context(), p, c.kind, r); err != nil {
				t.Fatal(err)
			}
			got := i.last(t)
			path, param := "/authentication/1.0/initAuthentication", "initAuthRequest"
			if c.kind == providers.KindSign {
				path, param = "/sign/1.0/initSignature", "initSignRequest"
			}
			if got.method != "POST" || got.path != path || got.param != param || got.extra != c.extra ||
				got.contentType != "application/json" || got.proto != "HTTP/1.1" {
				t.Errorf("sent %s %s as %s, %s, %q", got.method, got.path, got.param, got.contentType, got.extra)
			}
			if diff := cmp.Diff(c.want, got.body); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Requests byte for byte. What they decode to was put together with other tools.
func TestGoldenRequests(t *testing.T) {
	info, err := userInfoOf(personOne)
	if err != nil || info != "eyJjb3VudHJ5IjoiU0UiLCJzc24iOiIxOTgwMDYyOTkyNTIifQ==" {
		t.Error("another user info")
	}
	for _, c := range []struct {
		param   string
		request any
		party   string
		want    string
	}{
		{"initAuthRequest", initRequest{UserInfoType: "SSN", UserInfo: info, MinRegistrationLevel: "EXTENDED"}, "",
			"initAuthRequest=eyJ1c2VySW5mb1R5cGUiOiJTU04iLCJ1c2VySW5mbyI6ImV5SmpiM1Z1ZEhKNUlqb2lVMFVpTENKemMyNGlPaUl4T1Rnd01EWXlPVGt5TlRJaWZRPT0iLCJtaW5SZWdpc3RyYXRpb25MZXZlbCI6IkVYVEVOREVEIn0="},
		{"getAuthResultsRequest", map[string]string{"includePrevious": "ALL"}, "", "getAuthResultsRequest=eyJpbmNsdWRlUHJldmlvdXMiOiJBTEwifQ=="},
		{"cancelSignRequest", order(providers.KindSign, "a/b+c"), "rp 1", "cancelSignRequest=eyJzaWduUmVmIjoiYS9iK2MifQ==&relyingPartyId=rp+1"},
		{"getOneAuthResultRequest", order(providers.KindAuth, "å<&>"), "", "getOneAuthResultRequest=eyJhdXRoUmVmIjoiw6U8Jj4ifQ=="},
	} {
		got, err := body(c.param, c.request, c.party)
		if err != nil || got != c.want {
			t.Errorf("%s is another: %v", c.param, err)
		}
	}
}

// Codes and links, with codes that were computed with other tools.
func TestLinks(t *testing.T) {
	base := "https://app.example.se/freja?action=bindUserToTransaction&transactionReference="
	env := Environment{AppLink: "https://app.example.se/freja"}
	for _, c := range []struct {
		policy Policy
		secret string
		since  time.Duration
		want   string
	}{
		{Policy{}, "test-secret", 0, "r.0.27YtF4a6yUOZvu6QyBW_34Ec8e_NEqEqfDp2sOYfAI4"},
		{Policy{}, "test-secret", 1999 * time.Millisecond, "r.1.htHC0nlV_S7ERToUxOyxQes0H584wqDQCHH6dsH3Bv0"},
		{Policy{}, "test-secret", 42 * time.Second, "r.42.DESNm6lpftxuZdWBrQf7p46Qe6rTweRS0-rRCTY_l78"},
		{Policy{}, "test-secret", -time.Second, "r.0.27YtF4a6yUOZvu6QyBW_34Ec8e_NEqEqfDp2sOYfAI4"},
		{Policy{QRPadding: true}, "test-secret", 0, "r.0.27YtF4a6yUOZvu6QyBW_34Ec8e_NEqEqfDp2sOYfAI4="},
		{Policy{QRKeyBase64: true}, "dGVzdC1zZWNyZXQ=", 0, "r.0.27YtF4a6yUOZvu6QyBW_34Ec8e_NEqEqfDp2sOYfAI4"},
		{Policy{QRKeyBase64: true}, "dGVzdC1zZWNyZXQ", 0, "r.0.27YtF4a6yUOZvu6QyBW_34Ec8e_NEqEqfDp2sOYfAI4"},
	} {
		if got := c.policy.dynamic("r", c.secret, c.since); got != c.want {
			t.Errorf("%+v after %v: %s", c.policy, c.since, got)
		}
	}
	if got := env.link("a+/b=c", ""); got != base+"a%2B%2Fb%3Dc" {
		t.Error(got)
	}
	if got := env.link("a", "https://e.example.se/x?n=1&m=2"); got != base+"a&originAppScheme=https%3A%2F%2Fe.example.se%2Fx%3Fn%3D1%26m%3D2" {
		t.Error(got)
	}
	env.AppLink = "http://localhost:8082/app?p=freja"
	if got := env.link("a", ""); !strings.HasPrefix(got, "http://localhost:8082/app?p=freja&action=") {
		t.Error(got)
	}
}

// Each mode shows what is its own, and nothing when an app has the order.
func TestShow(t *testing.T) {
	byNumber := func(c *Config) { c.UserInfo = Number }
	for _, c := range []struct {
		name     string
		mode     providers.Mode
		config   func(*Config)
		person   bool
		qr, link bool
		moves    bool
		text     string
	}{
		{"QR", providers.ModeOther, func(*Config) {}, false, true, false, true, "Skanna"},
		{"static QR", providers.ModeOther, func(c *Config) { c.StaticQR = true }, false, true, false, false, "Skanna"},
		{"link", providers.ModeThis, func(*Config) {}, false, false, true, false, "den här enheten"},
		{"dynamic link", providers.ModeThis, func(c *Config) { c.Environment.Policy.DynamicLink = true }, false, false, true, true, "den här enheten"},
		{"to a person's phone", providers.ModeOther, byNumber, true, false, false, false, "väntar på dig"},
		{"to a person's phone, which is this", providers.ModeThis, byNumber, true, false, true, false, "väntar på dig"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := newIssuer(t, says(200, begun))
			p := i.provider(t, c.config)
			r := testRequest(providers.KindAuth, c.mode)
			if c.person {
				r.Number = personOne
			}
			reply := begun
			if !c.moves {
				reply = `{"authRef":"` + testReference + `"}`
			}
			i.answer(says(200, reply))
			s, step, err := p.Start(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			w := step.(providers.Wait)
			if (w.QR != "") != c.qr || (w.Link != "") != c.link || !strings.Contains(w.Text.SV, c.text) || w.Text.EN == "" || w.Next != 2*time.Second {
				t.Errorf("shows %+v", w)
			}
			later, err := p.Show(s, testTime.Add(3*time.Second))
			if err != nil || (later.QR+later.Link != w.QR+w.Link) != c.moves {
				t.Errorf("moves: %v, %v", later.QR+later.Link != w.QR+w.Link, err)
			}
			if c.link {
				u, err := url.Parse(w.Link)
				if err != nil || u.Query().Get("originAppScheme") != r.ReturnURL || !strings.HasPrefix(u.Query().Get("transactionReference"), testReference) {
					t.Errorf("the link is %s", w.Link)
				}
			}
			if strings.Contains(w.QR, "originAppScheme") || strings.Contains(w.QR+w.Link, "test-secret") {
				t.Error("the code holds what it must not")
			}
			i.answer(stands(providers.KindAuth, "DELIVERED_TO_MOBILE"))
			s, step, err = p.Continue(t.Context(), s, tick)
			if err != nil {
				t.Fatal(err)
			}
			w = step.(providers.Wait)
			if !w.PickedUp || w.QR != "" || w.Link != "" || !strings.Contains(w.Text.SV, "Granska") {
				t.Errorf("once an app has it, shows %+v", w)
			}
			i.answer(stands(providers.KindAuth, "CANCELED"))
			if s, _, err = p.Continue(t.Context(), s, tick); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Show(s, testTime); !errors.Is(err, ErrState) {
				t.Errorf("shows what is over: %v", err)
			}
			if bytes.Contains(s, []byte("test-secret")) {
				t.Error("the secret outlives the order")
			}
		})
	}
}

func TestBadRequests(t *testing.T) {
	i := newIssuer(t, says(200, begun))
	for _, c := range []struct {
		name   string
		kind   providers.Kind
		mode   providers.Mode
		change func(*providers.Request)
		field  string
	}{
		{"no mode", providers.KindAuth, "", nil, "mode"},
		{"call", providers.KindAuth, providers.ModePhone, nil, "mode"},
		{"caller without a call", providers.KindAuth, providers.ModeOther, func(r *providers.Request) { r.Caller = "RP" }, "caller"},
		{"markup", providers.KindSign, providers.ModeOther, func(r *providers.Request) { r.Markup = providers.SimpleMarkdownV1 }, "markup"},
		{"no return address", providers.KindAuth, providers.ModeThis, func(r *providers.Request) { r.ReturnURL = "" }, "return_url"},
		{"long return address", providers.KindAuth, providers.ModeThis, func(r *providers.Request) { r.ReturnURL += strings.Repeat("a", 1024) }, "return_url"},
		{"return address with QR", providers.KindAuth, providers.ModeOther, func(r *providers.Request) { r.ReturnURL = "https://example.se/" }, "return_url"},
		{"text at login", providers.KindAuth, providers.ModeOther, func(r *providers.Request) { r.Text = "Logga in" }, "text"},
		{"nothing to sign", providers.KindSign, providers.ModeOther, func(r *providers.Request) { r.Text = "" }, "text"},
		{"long text", providers.KindSign, providers.ModeOther, func(r *providers.Request) { r.Text = strings.Repeat("å", 2049) }, "text"},
		{"no text", providers.KindSign, providers.ModeOther, func(r *providers.Request) { r.Text = "a\xff" }, "text"},
		{"zero byte", providers.KindSign, providers.ModeOther, func(r *providers.Request) { r.Text = "a\x00" }, "text"},
		{"no binding", providers.KindSign, providers.ModeOther, func(r *providers.Request) { r.Binding = nil }, "binding"},
		{"short binding", providers.KindSign, providers.ModeOther, func(r *providers.Request) { r.Binding = make([]byte, 15) }, "binding"},
		{"long binding", providers.KindSign, providers.ModeOther, func(r *providers.Request) { r.Binding = make([]byte, 30_001) }, "binding"},
		{"address without a host", providers.KindAuth, providers.ModeOther, func(r *providers.Request) { r.Email = "ett@" }, "email"},
		{"address of two lines", providers.KindAuth, providers.ModeOther, func(r *providers.Request) { r.Email = "ett@example.se\n" }, "email"},
		{"address that needs an escape", providers.KindAuth, providers.ModeOther, func(r *providers.Request) { r.Email = "e\u2028tt@example.se" }, "email"},
		{"long address", providers.KindAuth, providers.ModeOther, func(r *providers.Request) { r.Email = strings.Repeat("a", 256) + "@example.se" }, "email"},
	} {
		r := testRequest(c.kind, c.mode)
		if c.change != nil {
			c.change(&r)
		}
		_, _, err := begin(t.Context(), i.provider(t), c.kind, r)
		var bad *providers.BadRequest
		if !errors.As(err, &bad) || bad.Field != c.field {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if i.count() != 0 {
		t.Error("the issuer was asked")
	}
	for _, kind := range []providers.Kind{providers.KindAuth, providers.KindSign} {
		r := testRequest(kind, providers.ModeOther)
		if kind == providers.KindSign {
			r.Text, r.Binding = strings.Repeat("å", 2048), make([]byte, 30_000)
		}
		if _, _, err := begin(t.Context(), i.provider(t), kind, r); err != nil {
			t.Errorf("%s: as long as may be: %v", kind, err)
		}
	}
}

// operator are the codes that only an operator can do something about.
var operator = []int{1000, 1001, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1011, 1013, 1014, 1200, 2002, 2003, 3000, 3001, 3002, 3003, 3004, 3005, 3006, 3007, 3008, 3009}

// message is a hostile one: it holds a number and an address.
const message = `"message":"no user 19800629-9252 or ett@example.se"`

func TestStartErrors(t *testing.T) {
	type row struct {
		name string
		user string // how the order says whom it is for
		h    http.HandlerFunc
		want providers.Reason // of a Failed step
		down bool             // Unavailable
	}
	rows := []row{
		{"switched off", "", says(422, `{"code":1005,`+message+`}`), providers.Blocked, false},
		{"code as text", "", says(422, `{"code":"1005",`+message+`}`), providers.Blocked, false},
		{"code in an answer of success", "", says(200, `{"code":1005}`), providers.Blocked, false},
		{"code with 400", "", says(400, `{"code":2000,`+message+`}`), providers.InProgress, false},
		{"collision", "", says(422, `{"code":2000,`+message+`}`), providers.InProgress, false},
		{"no such user", "", says(422, `{"code":1012,`+message+`}`), providers.StartFailed, false},
		{"bad address", "EMAIL", says(422, `{"code":1002,`+message+`}`), providers.StartFailed, false},
		{"bad user info of nobody", "", says(422, `{"code":1002,`+message+`}`), "", false},
		{"unknown code", "", says(422, `{"code":7777,`+message+`}`), providers.Unknown, false},
		{"code of another kind of order", "", says(422, `{"code":4003,`+message+`}`), providers.Unknown, false},
		{"internal error", "", says(422, `{"code":0,`+message+`}`), "", true},
		{"internal error, 500", "", says(500, `{"code":0,`+message+`}`), "", true},
		{"422 without a code", "", says(422, `{}`), "", true},
		{"400 without a code", "", says(400, `bad request`), "", true},
		{"not authorised", "", says(401, ``), "", false},
		{"no such method", "", says(404, ``), "", false},
		{"method withdrawn", "", says(410, ``), "", false},
		{"server fault", "", says(500, ``), "", true},
		{"unavailable", "", says(503, `<html>`), "", true},
		{"too many", "", says(429, ``), "", true},
		{"page of HTML", "", says(403, `<html>`), "", true},
		{"HTML with 200", "", says(200, `<html>`), "", true},
		{"elsewhere", "", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusTemporaryRedirect) }, "", true},
		{"nothing with 204", "", says(204, ``), "", true},
		{"broken JSON", "", says(200, begun[:40]), "", true},
		{"two answers", "", says(200, begun+begun), "", true},
		{"null", "", says(200, `null`), "", true},
		{"no order", "", says(200, `{}`), "", true},
		{"an order of another kind", "", says(200, `{"signRef":"a","qrCodeSecret":"b"}`), "", true},
		{"number for a reference", "", says(200, `{"authRef":1}`), "", true},
		{"long reference", "", says(200, `{"authRef":"`+strings.Repeat("a", 257)+`","qrCodeSecret":"b"}`), "", true},
		{"no secret", "", says(200, `{"authRef":"a"}`), "", true},
		{"endless answer", "", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, begun)
			chunk := bytes.Repeat([]byte(" "), 1<<16)
			for range 64 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, "", true},
		{"dropped", "", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "", true},
	}
	for _, code := range operator {
		rows = append(rows, row{fmt.Sprint(code), "", says(422, fmt.Sprintf(`{"code":%d,%s}`, code, message)), "", false})
	}
	for _, c := range rows {
		t.Run(c.name, func(t *testing.T) {
			i := newIssuer(t, c.h)
			var log bytes.Buffer
			p := i.provider(t, func(c *Config) { c.Log = slog.New(slog.NewJSONHandler(&log, nil)) })
			r := testRequest(providers.KindAuth, providers.ModeOther)
			if c.user == "EMAIL" {
				r.Email = "ett@example.se"
			}
			s, step, err := p.Start(t.Context(), r)
			failed, _ := step.(providers.Failed)
			var down *providers.Unavailable
			if failed.Reason != c.want || errors.As(err, &down) != c.down || (err == nil) != (c.want != "") || s != nil {
				t.Errorf("%v, %v", step, err)
			}
			if c.want != "" && (failed.Text.SV == "" || failed.Text.EN == "") {
				t.Error("says nothing to people")
			}
			if i.count() != 1 {
				t.Errorf("asked %d times", i.count())
			}
			secret(t, log.String()+fmt.Sprint(err))
			if !strings.Contains(log.String(), "freja start failed") {
				t.Error("nothing is logged")
			}
		})
	}
}

// secret checks that nothing that names somebody, or opens an order, is in a log.
func secret(t *testing.T, log string) {
	t.Helper()
	for _, s := range []string{
		personOne.Digits(), "19800629-9252", "800629-9252", personOne.Digits()[2:], b64([]byte(personOne.Digits())), personTwo.Digits(),
		"ett@example.se", "Testperson", testReference, "test-secret", "bygglov", b64(testBinding),
	} {
		if strings.Contains(log, s) {
			t.Error("the log holds what it must not")
		}
	}
}

func TestStatuses(t *testing.T) {
	for _, kind := range []providers.Kind{providers.KindAuth, providers.KindSign} {
		for _, c := range []struct {
			name     string
			h        http.HandlerFunc
			want     providers.Reason
			down     bool
			waits    bool
			pickedUp bool
			text     string
		}{
			{name: "STARTED", waits: true, text: "Skanna"},
			{name: "DELIVERED_TO_MOBILE", waits: true, pickedUp: true, text: map[providers.Kind]string{providers.KindAuth: "Granska", providers.KindSign: "Läs texten"}[kind]},
			{name: "OPENED", waits: true, pickedUp: true},
			{name: "SOMETHING_NEW", waits: true, text: "Skanna"},
			{name: "approved", waits: true},
			{name: "CANCELED", want: providers.Cancelled, text: "Du avbröt"},
			{name: "RP_CANCELED", want: providers.Cancelled, text: "avbröts här"},
			{name: "EXPIRED", want: providers.TimedOut, text: "Tiden gick ut"},
			{name: "REJECTED", want: providers.Replaced, text: "krockade"},
			{name: "details without approval", h: stands(kind, "CANCELED", "details", dict{"a": 1}), want: providers.Cancelled},
			{name: "new members", h: stands(kind, "STARTED", "frejaCookie", "x", "new", []int{1}), waits: true},
			{name: "no echo", h: says(200, `{"status":"CANCELED"}`), want: providers.Cancelled},
			{name: "approved without details", h: stands(kind, "APPROVED"), want: providers.EvidenceRefused},
			{name: "approved with empty details", h: stands(kind, "APPROVED", "details", ""), want: providers.EvidenceRefused},
			{name: "approved with other details", h: stands(kind, "APPROVED", "details", dict{}), want: providers.EvidenceRefused},
			{name: "huge", h: stands(kind, "STARTED", "details", strings.Repeat("a", maxAnswer)), want: providers.EvidenceRefused},
			{name: "another order", h: says(200, `{"authRef":"a","signRef":"a","status":"APPROVED","details":"a.b.c"}`), down: true},
			{name: "no status", h: says(200, `{}`), down: true},
			{name: "long status", h: stands(kind, strings.Repeat("A", 65)), down: true},
			{name: "unknown order", h: says(422, `{"code":1100,`+message+`}`), want: providers.ResultLost},
			{name: "unknown order, 400", h: says(400, `{"code":"1100",`+message+`}`), want: providers.ResultLost},
			{name: "unknown order, 200", h: says(200, `{"code":1100,"status":""}`), want: providers.ResultLost},
			{name: "switched off", h: says(422, `{"code":1005,`+message+`}`), want: providers.Blocked},
			{name: "collision", h: says(422, `{"code":2000,`+message+`}`), want: providers.InProgress},
			{name: "no such user", h: says(422, `{"code":1012,`+message+`}`), want: providers.StartFailed},
			{name: "fault of ours", h: says(422, `{"code":1010,`+message+`}`), want: providers.Unknown},
			{name: "unknown code", h: says(422, `{"code":7777,`+message+`}`), want: providers.Unknown},
			{name: "internal error", h: says(422, `{"code":0,`+message+`}`), down: true},
			{name: "not authorised", h: says(401, ``), down: true},
			{name: "server fault", h: says(500, `x`), down: true},
			{name: "unavailable", h: says(503, ``), down: true},
			{name: "HTML", h: says(200, `<html>`), down: true},
		} {
			t.Run(string(kind)+"/"+c.name, func(t *testing.T) {
				i := newIssuer(t, nil)
				var log bytes.Buffer
				p := i.provider(t, func(c *Config) { c.Log = slog.New(slog.NewJSONHandler(&log, nil)) })
				s, _ := i.started(t, p, kind, testRequest(kind, providers.ModeOther))
				if c.h == nil {
					c.h = stands(kind, c.name)
				}
				i.answer(c.h)
				after, step, err := p.Continue(t.Context(), s, tick)
				secret(t, log.String()+fmt.Sprint(err))
				last := i.last(t)
				path, param, ref := "/authentication/1.0/getOneResult", "getOneAuthResultRequest", "authRef"
				if kind == providers.KindSign {
					path, param, ref = "/sign/1.0/getOneResult", "getOneSignResultRequest", "signRef"
				}
				if diff := cmp.Diff(dict{ref: testReference}, last.body); diff != "" || last.path != path || last.param != param {
					t.Errorf("asked %s as %s: %s", last.path, last.param, diff)
				}
				var down *providers.Unavailable
				if c.down {
					if !errors.As(err, &down) || step != nil || !bytes.Equal(after, s) {
						t.Errorf("%v, %v", step, err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				w, waits := step.(providers.Wait)
				failed, _ := step.(providers.Failed)
				if waits != c.waits || failed.Reason != c.want || w.PickedUp != c.pickedUp || waits && w.Next != 2*time.Second {
					t.Fatalf("%+v", step)
				}
				said := failed.Text
				if waits {
					said = w.Text
				}
				if said.SV == "" || said.EN == "" || !strings.Contains(said.SV, c.text) {
					t.Errorf("says %q", said.SV)
				}
				if !waits {
					if _, _, err := p.Continue(t.Context(), after, tick); !errors.Is(err, ErrState) {
						t.Errorf("goes on after the end: %v", err)
					}
				}
			})
		}
	}
}

// An issuer that never says how an order ended does not keep it for ever.
func TestOrdersEnd(t *testing.T) {
	for _, c := range []struct {
		kind  providers.Kind
		after time.Duration
		over  bool
	}{
		{providers.KindAuth, 2 * time.Minute, false}, {providers.KindAuth, 3*time.Minute + time.Second, true},
		{providers.KindSign, 10 * time.Minute, false}, {providers.KindSign, 11*time.Minute + time.Second, true},
	} {
		i := newIssuer(t, nil)
		now := testTime
		p := i.provider(t, func(c *Config) { c.Clock = func() time.Time { return now } })
		s, _ := i.started(t, p, c.kind, testRequest(c.kind, providers.ModeOther))
		i.answer(stands(c.kind, "SOMETHING_NEW"))
		now = now.Add(c.after)
		_, step, err := p.Continue(t.Context(), s, tick)
		failed, ended := step.(providers.Failed)
		if err != nil || ended != c.over || ended && failed.Reason != providers.TimedOut {
			t.Errorf("%s after %v: %+v, %v", c.kind, c.after, step, err)
		}
	}
}

// The answer goes into the state, and is verified from there without asking.
func TestApproved(t *testing.T) {
	for _, kind := range []providers.Kind{providers.KindAuth, providers.KindSign} {
		i := newIssuer(t, nil)
		var log bytes.Buffer
		change := func(c *Config) { c.Log = slog.New(slog.NewJSONHandler(&log, nil)) }
		p := i.provider(t, change)
		r := testRequest(kind, providers.ModeOther)
		r.Number = personOne
		s, _ := i.started(t, p, kind, r)
		// What stands beside the JWS names somebody else: it is nobody's.
		i.answer(stands(kind, "APPROVED", "details", newForge(home(), kind).jws(), "requestedAttributes", dict{
			"basicUserInfo": dict{"name": "Testperson", "surname": "Två"}, "ssn": dict{"country": "SE", "ssn": personTwo.Digits()},
		}))
		held, step, err := p.Continue(t.Context(), s, tick)
		w, ok := step.(providers.Wait)
		if err != nil || !ok || w.Next != 0 || !w.PickedUp || w.QR != "" || w.Text.SV == "" {
			t.Fatalf("%s: %+v, %v", kind, step, err)
		}
		asked := i.count()
		i.answer(says(503, ""))
		for range 2 {
			after, step, err := i.provider(t, change).Continue(t.Context(), held, tick)
			done, ok := step.(providers.Done)
			if err != nil || !ok {
				t.Fatalf("%s: %v, %v", kind, step, err)
			}
			if id := done.Identity; id.Number != personOne || id.Name != "Testperson Ett" || id.Transaction != testReference || id.Level != providers.LevelUncertified3 {
				t.Errorf("%s: another identity", kind)
			}
			want := expected(kind)
			if _, err := Verify(done.Evidence, want, Trust{Roots: []*x509.Certificate{home().root.cert}}, testTime.AddDate(3, 0, 0)); err != nil {
				t.Errorf("%s: a stranger with the root alone: %v", kind, err)
			}
			if _, _, err := p.Continue(t.Context(), after, tick); !errors.Is(err, ErrState) {
				t.Errorf("%s: goes on after the end: %v", kind, err)
			}
			if bytes.Contains(after, []byte(".")) && bytes.Contains(after, []byte("answer")) {
				t.Errorf("%s: the answer outlives the order", kind)
			}
		}
		if err := p.Cancel(t.Context(), held); err != nil {
			t.Errorf("%s: cancel: %v", kind, err)
		}
		if i.count() != asked {
			t.Errorf("%s: the issuer was asked again", kind)
		}
		secret(t, log.String())
	}
}

// What evidence says against the person is another ending than what says that it is
// false.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name   string
		user   string
		number personnummer.Number
		forge  func(*forge)
		want   providers.Reason
		check  string
		text   string
		log    string
	}{
		{name: "another country", forge: func(f *forge) { f.attributes["ssn"] = dict{"country": "NO", "ssn": "1"} }, want: providers.Unsuitable, text: "svenskt personnummer"},
		{name: "too low a level", forge: func(f *forge) { f.attributes["registrationLevel"] = "EXTENDED" }, want: providers.LevelTooLow, text: "Freja+"},
		{name: "another person", number: personTwo, want: providers.WrongPerson, text: "någon annan"},
		{name: "another person than Freja asked", user: userSSN, number: personTwo, forge: func(f *forge) {
			f.payload["userInfoType"], f.payload["userInfo"] = "SSN", string(jsonOf(ssn{"SE", personTwo.Digits()}))
		}, want: providers.EvidenceRefused, check: "person"},
		{name: "another person than Freja was to ask", user: userSSN, number: personTwo, forge: func(f *forge) {
			f.payload["userInfoType"], f.payload["userInfo"] = "SSN", string(jsonOf(ssn{"SE", personOne.Digits()}))
		}, want: providers.EvidenceRefused, check: "user"},
		{name: "false", forge: func(f *forge) { f.signer = abroad().jws.key }, want: providers.EvidenceRefused, check: "signature", text: "Du är inte inloggad"},
		{name: "new certificate", forge: func(f *forge) { f.header["x5t"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAA" }, want: providers.EvidenceRefused, check: "certificate", log: `"level":"ERROR"`},
		{name: "no JWS", forge: func(f *forge) { f.segments = func([]string) []string { return []string{"x"} } }, want: providers.EvidenceRefused, check: "structure"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := newIssuer(t, nil)
			var log bytes.Buffer
			p := i.provider(t, func(config *Config) {
				config.Log = slog.New(slog.NewJSONHandler(&log, nil))
				if c.user == userSSN {
					config.UserInfo = Number
				}
			})
			r := testRequest(providers.KindAuth, providers.ModeOther)
			r.Number = c.number
			s, _ := i.started(t, p, providers.KindAuth, r)
			f := newForge(home(), providers.KindAuth)
			if c.forge != nil {
				c.forge(f)
			}
			i.answer(stands(providers.KindAuth, "APPROVED", "details", f.jws()))
			s, _, err := p.Continue(t.Context(), s, tick)
			if err != nil {
				t.Fatal(err)
			}
			_, step, err := p.Continue(t.Context(), s, tick)
			failed, ok := step.(providers.Failed)
			if err != nil || !ok || failed.Reason != c.want || failed.Check != c.check || failed.Text.EN == "" || !strings.Contains(failed.Text.SV, c.text) {
				t.Errorf("%+v, %v", step, err)
			}
			if !strings.Contains(log.String(), c.log) {
				t.Error("no alarm in the log")
			}
			secret(t, log.String())
		})
	}
}

func TestCancel(t *testing.T) {
	for _, kind := range []providers.Kind{providers.KindAuth, providers.KindSign} {
		i := newIssuer(t, nil)
		p := i.provider(t)
		s, _ := i.started(t, p, kind, testRequest(kind, providers.ModeOther))
		for _, c := range []struct {
			h    http.HandlerFunc
			down bool
		}{
			{says(200, `{}`), false}, {says(200, ``), false}, {says(204, ``), false}, {says(422, `{"code":1100}`), false},
			{says(422, `{"code":1010}`), true}, {says(500, ``), true},
		} {
			i.answer(c.h)
			err := p.Cancel(t.Context(), s)
			var down *providers.Unavailable
			if errors.As(err, &down) != c.down || (err != nil) != c.down {
				t.Errorf("%s: %v", kind, err)
			}
		}
		path, param := "/authentication/1.0/cancel", "cancelAuthRequest"
		if kind == providers.KindSign {
			path, param = "/sign/1.0/cancel", "cancelSignRequest"
		}
		if last := i.last(t); last.path != path || last.param != param || len(last.body) != 1 {
			t.Errorf("%s: %s as %s", kind, last.path, last.param)
		}
	}
}

// A browser brings nothing from Freja.
func TestNoCallback(t *testing.T) {
	i := newIssuer(t, nil)
	p := i.provider(t)
	s, _ := i.started(t, p, providers.KindAuth, testRequest(providers.KindAuth, providers.ModeOther))
	_, step, err := p.Continue(t.Context(), s, providers.Event{Kind: providers.Callback, Form: map[string][]string{"state": {"x"}}})
	var bad *providers.BadRequest
	if !errors.As(err, &bad) || step != nil {
		t.Errorf("%v, %v", step, err)
	}
}

func TestConfig(t *testing.T) {
	i := newIssuer(t, nil)
	for _, c := range []struct {
		name   string
		change func(*Config)
		says   string
	}{
		{"another e-ID", func(c *Config) { c.ID = providers.Telia }, "cannot be"},
		{"no certificate", func(c *Config) { c.Certificate = tls.Certificate{} }, "relying-party certificate"},
		{"a certificate that is none", func(c *Config) { c.Certificate.Certificate = [][]byte{{1}} }, "relying-party certificate"},
		{"no name", func(c *Config) { c.Environment.Name = "" }, "name"},
		{"http", func(c *Config) { c.Environment.BaseURL = "http://localhost/" }, "https"},
		{"query", func(c *Config) { c.Environment.BaseURL += "?a" }, "https"},
		{"no app link", func(c *Config) { c.Environment.AppLink = "" }, "app link"},
		{"no TLS root", func(c *Config) { c.Environment.TLSRoots = nil }, "TLS root"},
		{"no JWS root", func(c *Config) { c.Environment.JWSRoots = nil }, "JWS root"},
		{"no JWS certificate", func(c *Config) { c.Environment.JWSCertificates = nil }, "JWS certificate"},
		{"an empty certificate", func(c *Config) { c.Environment.Intermediates = []*x509.Certificate{nil} }, "empty"},
		{"a CA as JWS certificate", func(c *Config) { c.Environment.JWSCertificates = []*x509.Certificate{home().root.cert} }, "CA"},
		{"an elliptic JWS certificate", func(c *Config) { c.Environment.JWSCertificates = []*x509.Certificate{home().userEC.cert} }, "RSA"},
		{"an encrypting JWS certificate", func(c *Config) {
			a := jwsTemplate()
			a.KeyUsage = x509.KeyUsageKeyEncipherment
			c.Environment.JWSCertificates = []*x509.Certificate{issue(a, keyOf("other", 2048), home().issuing).cert}
		}, "for signing"},
		{"another root in production", func(c *Config) { c.Environment.BaseURL = "https://" + productionHost }, "not Freja's for production"},
		{"user info", func(c *Config) { c.UserInfo = "phone" }, "user info"},
		{"short signatures", func(c *Config) { c.SignatureExpiry = time.Minute }, "minutes"},
		{"long signatures", func(c *Config) { c.SignatureExpiry = time.Hour }, "minutes"},
		{"space in the id", func(c *Config) { c.RelyingPartyID = "a b" }, "space"},
	} {
		config := i.config()
		c.change(&config)
		if _, err := New(config); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for host, good := range map[string]bool{productionHost: false, testHost: true} {
		env := i.config().Environment
		env.BaseURL = "https://" + host
		if err := env.Validate(); (err == nil) != good {
			t.Errorf("%s: %v", host, err)
		}
	}
	info := i.provider(t, func(c *Config) { c.Approved = true }).Info()
	if info.Level != providers.Level3 || info.ID != providers.Freja || info.Instance != "prov" || info.Name == "" || info.Site || !info.CoordNumbers {
		t.Errorf("%+v", info)
	}
}
