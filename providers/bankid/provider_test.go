package bankid

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"software.sslmate.com/src/go-pkcs12"

	"sigill/providers"
)

// issuer is a scripted RP API.
type issuer struct {
	*httptest.Server
	mu       sync.Mutex
	handle   http.HandlerFunc
	requests []seen
}

type seen struct {
	path, contentType, proto string
	client                   bool
	body                     map[string]any
}

func newIssuer(t *testing.T, handle http.HandlerFunc) *issuer {
	i := &issuer{handle: handle}
	i.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(raw))
		s := seen{path: r.URL.Path, contentType: r.Header.Get("Content-Type"), proto: r.Proto, client: len(r.TLS.PeerCertificates) > 0}
		_ = json.Unmarshal(raw, &s.body)
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

func jsonAnswer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

const tokens = `{"orderRef":"order-1","autoStartToken":"auto-1","qrStartToken":"67df3917-fa0d-44e5-b327-edcc928297f8","qrStartSecret":"d28db9a7-4cde-429e-a983-359be676944c","added":true}`

func (i *issuer) config(id providers.ID) Config {
	return Config{
		ID: id, Instance: "prov", Certificate: rpCertificate(), PollInterval: 2 * time.Second,
		Clock: func() time.Time { return testTime },
		Environment: Environment{
			Name: "prov", BaseURL: i.URL + "/rp/v6.0/",
			TLSRoots:       []*x509.Certificate{i.Certificate()},
			SignatureRoots: []*x509.Certificate{home().root.cert},
			Policies:       Policies{File: []string{testFile}, Card: []string{testCard}, Mobile: []string{testMobile}},
			DesktopLink:    "bankid:///?autostarttoken=", MobileLink: "https://app.bankid.com/?autostarttoken=",
		},
	}
}

func (i *issuer) provider(t *testing.T, id providers.ID) *Provider {
	t.Helper()
	p, err := New(i.config(id))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	agentAndroid = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36"
	agentSamsung = "Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36"
	agentIPhone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
	agentWindows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
	agentMac     = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15"
)

func testRequest(mode providers.Mode) providers.Request {
	r := providers.Request{
		Mode:    mode,
		Device:  providers.Device{IP: "192.0.2.10", UserAgent: agentAndroid, ID: "device-1", Domain: "E-tjanster.example.se:8443"},
		Text:    "Logga in på Provköpings e-tjänster",
		Binding: []byte("0123456789abcdef0123456789abcdef"),
	}
	switch mode {
	case providers.ModeThis:
		r.ReturnURL = "https://e-tjanster.example.se/tillbaka?n=abc"
	case providers.ModePhone:
		r.Number, r.Caller = personOne, "RP"
	}
	return r
}

// What is sent is what the document says, and nothing else.
func TestRequestsOnTheWire(t *testing.T) {
	i := newIssuer(t, jsonAnswer(200, tokens))
	text := b64([]byte("Logga in på Provköpings e-tjänster"))
	binding := b64([]byte("0123456789abcdef0123456789abcdef"))
	web := map[string]any{"referringDomain": "e-tjanster.example.se", "userAgent": agentAndroid, "deviceIdentifier": "device-1"}
	mobile, every := []any{testMobile}, []any{testFile, testCard, testMobile}
	for _, c := range []struct {
		name   string
		id     providers.ID
		kind   providers.Kind
		mode   providers.Mode
		change func(*providers.Request)
		path   string
		want   map[string]any
	}{
		{"any BankID on this device", providers.BankID, providers.KindAuth, providers.ModeThis, nil, "/rp/v6.0/auth", map[string]any{
			"endUserIp": "192.0.2.10", "userVisibleData": text, "userNonVisibleData": binding,
			"returnUrl": "https://e-tjanster.example.se/tillbaka?n=abc", "web": web, "requirement": map[string]any{"certificatePolicies": every},
		}},
		{"QR", providers.MBankID, providers.KindAuth, providers.ModeOther, nil, "/rp/v6.0/auth", map[string]any{
			"endUserIp": "192.0.2.10", "userVisibleData": text, "userNonVisibleData": binding, "web": web,
			"requirement": map[string]any{"certificatePolicies": mobile},
		}},
		{"signature of one person", providers.MBankID, providers.KindSign, providers.ModeOther, func(r *providers.Request) {
			r.Number, r.Markup = personOne, providers.SimpleMarkdownV1
		}, "/rp/v6.0/sign", map[string]any{
			"endUserIp": "192.0.2.10", "userVisibleData": text, "userNonVisibleData": binding, "web": web, "userVisibleDataFormat": "simpleMarkdownV1",
			"requirement": map[string]any{"certificatePolicies": mobile, "personalNumber": personOne.Digits()},
		}},
		{"login without text", providers.MBankID, providers.KindAuth, providers.ModeOther, func(r *providers.Request) {
			r.Text, r.Markup, r.Device = "", providers.SimpleMarkdownV1, providers.Device{IP: "::ffff:192.0.2.10", Domain: "[2001:db8::1]:80"}
		}, "/rp/v6.0/auth", map[string]any{
			"endUserIp": "192.0.2.10", "userNonVisibleData": binding, "requirement": map[string]any{"certificatePolicies": mobile},
		}},
		{"login in a call", providers.MBankID, providers.KindAuth, providers.ModePhone, nil, "/rp/v6.0/phone/auth", map[string]any{
			"personalNumber": personOne.Digits(), "callInitiator": "RP", "userVisibleData": text, "userNonVisibleData": binding,
			"requirement": map[string]any{"certificatePolicies": mobile},
		}},
		{"signature in a call", providers.MBankID, providers.KindSign, providers.ModePhone, func(r *providers.Request) { r.Caller = "user" }, "/rp/v6.0/phone/sign", map[string]any{
			"personalNumber": personOne.Digits(), "callInitiator": "user", "userVisibleData": text, "userNonVisibleData": binding,
			"requirement": map[string]any{"certificatePolicies": mobile},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := testRequest(c.mode)
			if c.change != nil {
				c.change(&r)
			}
			p := i.provider(t, c.id)
			var err error
			if c.kind == providers.KindSign {
				_, _, err = p.StartSignature(t.Context(), providers.SignRequest{Request: r})
			} else {
				_, _, err = p.Start(t.Context(), r)
			}
			if err != nil {
				t.Fatal(err)
			}
			got := i.last(t)
			if got.path != c.path || got.contentType != "application/json" || got.proto != "HTTP/1.1" || !got.client {
				t.Errorf("sent %+v", got)
			}
			if diff := cmp.Diff(c.want, got.body); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBadRequests(t *testing.T) {
	i := newIssuer(t, jsonAnswer(200, tokens))
	for _, c := range []struct {
		name   string
		id     providers.ID
		mode   providers.Mode
		change func(*providers.Request)
		field  string
	}{
		{"other device with any BankID", providers.BankID, providers.ModeOther, nil, "mode"},
		{"call with any BankID", providers.BankID, providers.ModePhone, nil, "mode"},
		{"Mobilt BankID on this computer", providers.MBankID, providers.ModeThis, func(r *providers.Request) { r.Device.UserAgent = agentWindows }, "mode"},
		{"no return address", providers.BankID, providers.ModeThis, func(r *providers.Request) { r.ReturnURL = "" }, "return_url"},
		{"long return address", providers.BankID, providers.ModeThis, func(r *providers.Request) { r.ReturnURL += strings.Repeat("a", 512) }, "return_url"},
		{"return address with QR", providers.MBankID, providers.ModeOther, func(r *providers.Request) { r.ReturnURL = "https://example.se/" }, "return_url"},
		{"return address in a call", providers.MBankID, providers.ModePhone, func(r *providers.Request) { r.ReturnURL = "https://example.se/" }, "return_url"},
		{"no address", providers.MBankID, providers.ModeOther, func(r *providers.Request) { r.Device.IP = "" }, "device.ip"},
		{"address with a zone", providers.MBankID, providers.ModeOther, func(r *providers.Request) { r.Device.IP = "fe80::1%eth0" }, "device.ip"},
		{"address with a port", providers.MBankID, providers.ModeOther, func(r *providers.Request) { r.Device.IP = "192.0.2.1:80" }, "device.ip"},
		{"long device id", providers.MBankID, providers.ModeOther, func(r *providers.Request) { r.Device.ID = strings.Repeat("a", 65) }, "device.id"},
		{"nobody called", providers.MBankID, providers.ModePhone, func(r *providers.Request) { r.Caller = "" }, "caller"},
		{"rp in small letters", providers.MBankID, providers.ModePhone, func(r *providers.Request) { r.Caller = "rp" }, "caller"},
		{"caller without a call", providers.MBankID, providers.ModeOther, func(r *providers.Request) { r.Caller = "RP" }, "caller"},
		{"nobody to call", providers.MBankID, providers.ModePhone, func(r *providers.Request) { r.Number = testRequest("").Number }, "number"},
		{"no binding", providers.MBankID, providers.ModeOther, func(r *providers.Request) { r.Binding = nil }, "binding"},
		{"short binding", providers.MBankID, providers.ModeOther, func(r *providers.Request) { r.Binding = make([]byte, 15) }, "binding"},
		{"long binding", providers.MBankID, providers.ModeOther, func(r *providers.Request) { r.Binding = make([]byte, 1126) }, "binding"},
		{"emoji in markdown", providers.MBankID, providers.ModeOther, func(r *providers.Request) { r.Markup, r.Text = providers.SimpleMarkdownV1, "a\U0001F600" }, "text"},
		{"zero byte", providers.MBankID, providers.ModeOther, func(r *providers.Request) { r.Text = "a\x00" }, "text"},
	} {
		r := testRequest(c.mode)
		if c.change != nil {
			c.change(&r)
		}
		_, _, err := i.provider(t, c.id).Start(t.Context(), r)
		var bad *providers.BadRequest
		if !errors.As(err, &bad) || bad.Field != c.field {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if i.count() != 0 {
		t.Error("the issuer was asked")
	}
}

func TestStartErrors(t *testing.T) {
	for _, c := range []struct {
		name  string
		h     http.HandlerFunc
		want  providers.Reason // of a Failed step
		down  bool             // Unavailable
		calls int
	}{
		{"in progress", jsonAnswer(400, `{"errorCode":"alreadyInProgress","details":"Order already in progress for pno 198006299252"}`), providers.InProgress, false, 1},
		{"cancelled", jsonAnswer(400, `{"errorCode":"canceled","details":""}`), providers.Replaced, false, 1},
		{"bad parameters", jsonAnswer(400, `{"errorCode":"invalidParameters","details":"Incorrect personalNumber 19800629-9252"}`), "", false, 1},
		{"unauthorized", jsonAnswer(401, `{"errorCode":"unauthorized","details":""}`), "", false, 1},
		{"not found", jsonAnswer(404, `{"errorCode":"notFound","details":""}`), "", false, 1},
		{"media type", jsonAnswer(415, `{"errorCode":"unsupportedMediaType","details":""}`), "", false, 1},
		{"timeout", jsonAnswer(408, `{"errorCode":"requestTimeout","details":""}`), "", true, 1},
		{"internal", jsonAnswer(500, `{"errorCode":"internalError","details":""}`), "", true, 1},
		{"maintenance", jsonAnswer(503, `{"errorCode":"Maintenance","details":""}`), "", true, 2},
		{"other 503", jsonAnswer(503, ``), "", true, 1},
		{"too many", jsonAnswer(429, `{"errorCode":"tooManyRequests","details":""}`), "", true, 1},
		{"page of HTML", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusForbidden) }, "", true, 1},
		{"HTML with 200", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "", true, 1},
		{"JSON that says it is text", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, tokens)
		}, "", true, 1},
		{"broken JSON", jsonAnswer(200, tokens[:40]), "", true, 1},
		{"two answers", jsonAnswer(200, tokens+tokens), "", true, 1},
		{"no order", jsonAnswer(200, `{}`), "", true, 1},
		{"no secret", jsonAnswer(200, `{"orderRef":"a","autoStartToken":"b","qrStartToken":"c"}`), "", true, 1},
		{"numbers for tokens", jsonAnswer(200, `{"orderRef":1}`), "", true, 1},
		{"endless answer", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, tokens)
			chunk := bytes.Repeat([]byte(" "), 1<<16)
			for range 64 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, "", true, 1},
		{"dropped", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "", true, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := newIssuer(t, c.h)
			var log bytes.Buffer
			config := i.config(providers.MBankID)
			config.Log = slog.New(slog.NewJSONHandler(&log, nil))
			p, err := New(config)
			if err != nil {
				t.Fatal(err)
			}
			_, step, err := p.Start(t.Context(), testRequest(providers.ModeOther))
			failed, _ := step.(providers.Failed)
			var down *providers.Unavailable
			if failed.Reason != c.want || errors.As(err, &down) != c.down || (err == nil) != (c.want != "") {
				t.Errorf("%v, %v", step, err)
			}
			if i.count() != c.calls {
				t.Errorf("asked %d times", i.count())
			}
			for _, n := range []string{"198006299252", "19800629-9252"} {
				if strings.Contains(log.String(), n) || strings.Contains(fmt.Sprint(err), n) {
					t.Error("the issuer's details are passed on with a personal number")
				}
			}
			if !strings.Contains(log.String(), "bankid start") {
				t.Error("nothing is logged")
			}
		})
	}
}

func TestMaintenanceIsRetriedOnce(t *testing.T) {
	var calls atomic.Int32
	i := newIssuer(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			jsonAnswer(503, `{"errorCode":"maintenance","details":""}`)(w, r)
			return
		}
		jsonAnswer(200, tokens)(w, r)
	})
	if _, _, err := i.provider(t, providers.MBankID).Start(t.Context(), testRequest(providers.ModeOther)); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	calls.Store(0)
	if _, _, err := i.provider(t, providers.MBankID).Start(ctx, testRequest(providers.ModeOther)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waits longer than the caller: %v", err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	i := newIssuer(t, nil)
	i.answer(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, i.URL+"/elsewhere", http.StatusTemporaryRedirect)
	})
	_, _, err := i.provider(t, providers.MBankID).Start(t.Context(), testRequest(providers.ModeOther))
	var down *providers.Unavailable
	if !errors.As(err, &down) || i.count() != 1 {
		t.Errorf("%v after %d requests", err, i.count())
	}
}

func TestProxyOfTheEnvironmentIsIgnored(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://192.0.2.1:1")
	i := newIssuer(t, jsonAnswer(200, tokens))
	p := i.provider(t, providers.MBankID)
	if tr := p.client("").http.Transport.(*http.Transport); tr.Proxy != nil {
		t.Error("asks for a proxy")
	}
	if _, _, err := p.Start(t.Context(), testRequest(providers.ModeOther)); err != nil {
		t.Error(err)
	}
}

func TestOnlyThePinnedRootIsBelieved(t *testing.T) {
	i := newIssuer(t, jsonAnswer(200, tokens))
	config := i.config(providers.MBankID)
	// The signature root is genuine, but of the other hierarchy.
	config.Environment.TLSRoots = config.Environment.SignatureRoots
	p, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = p.Start(t.Context(), testRequest(providers.ModeOther))
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) || i.count() != 0 {
		t.Errorf("%v", err)
	}
	if min := p.client("").http.Transport.(*http.Transport).TLSClientConfig.MinVersion; min != tls.VersionTLS12 {
		t.Errorf("speaks TLS from %x", min)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	i := &issuer{handle: jsonAnswer(200, tokens)}
	i.Server = httptest.NewUnstartedServer(i.handle)
	i.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	i.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	i.StartTLS()
	defer i.Close()
	if _, _, err := i.provider(t, providers.MBankID).Start(t.Context(), testRequest(providers.ModeOther)); err == nil {
		t.Error("speaks TLS 1.1")
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	var now, most atomic.Int32
	i := newIssuer(t, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-time.After(5 * time.Millisecond)
		now.Add(-1)
		jsonAnswer(200, tokens)(w, r)
	})
	config := i.config(providers.MBankID)
	config.MaxConns = 2
	p, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			if _, _, err := p.Start(t.Context(), testRequest(providers.ModeOther)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most.Load() > 2 {
		t.Errorf("%d at once", most.Load())
	}
}

func pendingAnswer(hint string) http.HandlerFunc {
	return jsonAnswer(200, `{"orderRef":"order-1","status":"pending","hintCode":"`+hint+`"}`)
}

func TestPendingHints(t *testing.T) {
	i := newIssuer(t, nil)
	for _, id := range []providers.ID{providers.BankID, providers.MBankID} {
		p := i.provider(t, id)
		for _, mode := range p.Info().Modes {
			for _, hint := range []string{"outstandingTransaction", "noClient", "started", "userMrtd", "userCallConfirm", "userSign", "processing", "userStepUp", "userFace", "somethingNew", ""} {
				i.answer(jsonAnswer(200, tokens))
				s, _, err := p.Start(t.Context(), testRequest(mode))
				if err != nil {
					t.Fatal(err)
				}
				i.answer(pendingAnswer(hint))
				after, step, err := p.Continue(t.Context(), s, providers.Event{Kind: providers.Tick})
				w, ok := step.(providers.Wait)
				if err != nil || !ok {
					t.Fatalf("%s %s: %v, %v", mode, hint, step, err)
				}
				waiting := hint == "outstandingTransaction" || hint == "noClient"
				if w.Hint != hint || w.Text.SV == "" || w.Text.EN == "" || w.PickedUp == waiting || w.Next != 2*time.Second {
					t.Errorf("%s %s: %+v", mode, hint, w)
				}
				if (w.QR != "") != (mode == providers.ModeOther && hint == "outstandingTransaction") {
					t.Errorf("%s %s: QR %q", mode, hint, w.QR)
				}
				if (w.Link != "") != (mode == providers.ModeThis && waiting) {
					t.Errorf("%s %s: link %q", mode, hint, w.Link)
				}
				// A poll without news changes nothing, so that nothing is written.
				again, _, err := p.Continue(t.Context(), after, providers.Event{Kind: providers.Tick})
				if err != nil || !bytes.Equal(again, after) || bytes.Equal(after, s) != (hint == "outstandingTransaction") {
					t.Errorf("%s %s: state changes without news, or news does not change it", mode, hint)
				}
			}
		}
	}
}

func TestTextsDependOnWhatIsAsked(t *testing.T) {
	auth := pendingText("userSign", providers.ModeOther, providers.KindAuth, false)
	sign := pendingText("userSign", providers.ModeOther, providers.KindSign, false)
	if !strings.Contains(auth.SV, "Identifiera") || !strings.Contains(sign.SV, "Skriv under") {
		t.Error(auth, sign)
	}
	if pendingText("started", providers.ModeThis, providers.KindAuth, true) == pendingText("started", providers.ModeThis, providers.KindAuth, false) {
		t.Error("a phone is spoken of as a computer")
	}
	if failure("startFailed", providers.ModeThis).text == failure("startFailed", providers.ModeOther).text {
		t.Error("tells people to scan a code that is not there")
	}
}

func TestFailedHints(t *testing.T) {
	i := newIssuer(t, nil)
	p := i.provider(t, providers.MBankID)
	for hint, want := range map[string]providers.Reason{
		"expiredTransaction": providers.TimedOut, "certificateErr": providers.Blocked, "userCancel": providers.Cancelled,
		"cancelled": providers.Replaced, "startFailed": providers.StartFailed, "userDeclinedCall": providers.Declined,
		"notSupportedByUserApp": providers.Unsuitable, "transactionRiskBlocked": providers.RiskBlocked,
		"mrtdVerificationFailed": providers.StepUpFailed, "facialRecognitionFailed": providers.StepUpFailed,
		"nfcNotSupportedByDevice": providers.Unsuitable, "multipleBankIdsOnDevice": providers.Unsuitable,
		"stepUpFailed": providers.StepUpFailed, "somethingNew": providers.Unknown, "": providers.Unknown,
	} {
		i.answer(jsonAnswer(200, tokens))
		s, _, err := p.Start(t.Context(), testRequest(providers.ModeOther))
		if err != nil {
			t.Fatal(err)
		}
		i.answer(jsonAnswer(200, `{"orderRef":"order-1","status":"failed","hintCode":"`+hint+`"}`))
		after, step, err := p.Continue(t.Context(), s, providers.Event{Kind: providers.Tick})
		failed, ok := step.(providers.Failed)
		if err != nil || !ok || failed.Reason != want || failed.Hint != hint || failed.Text.SV == "" || failed.Text.EN == "" {
			t.Errorf("%s: %v, %v", hint, step, err)
		}
		if bytes.Contains(after, []byte("d28db9a7")) {
			t.Error("keeps the secret of an order that is over")
		}
	}
}

func TestCollectErrors(t *testing.T) {
	i := newIssuer(t, nil)
	p := i.provider(t, providers.MBankID)
	for _, c := range []struct {
		name  string
		h     http.HandlerFunc
		want  providers.Reason // "": Unavailable with the same state
		check string
	}{
		{"no such order", jsonAnswer(400, `{"errorCode":"invalidParameters","details":"No such order"}`), providers.ResultLost, ""},
		{"replaced", jsonAnswer(400, `{"errorCode":"alreadyInProgress","details":""}`), providers.Replaced, ""},
		{"cancelled", jsonAnswer(400, `{"errorCode":"canceled","details":""}`), providers.Replaced, ""},
		{"other 400", jsonAnswer(400, `{"errorCode":"new","details":""}`), providers.Unknown, ""},
		{"400 in HTML", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", 400) }, "", ""},
		{"unauthorized", jsonAnswer(401, `{"errorCode":"unauthorized","details":""}`), "", ""},
		{"internal", jsonAnswer(500, `{"errorCode":"internalError","details":""}`), "", ""},
		{"maintenance", jsonAnswer(503, `{"errorCode":"maintenance","details":""}`), "", ""},
		{"unknown status", jsonAnswer(200, `{"orderRef":"order-1","status":"done"}`), "", ""},
		{"no status", jsonAnswer(200, `{"orderRef":"order-1"}`), "", ""},
		{"list", jsonAnswer(200, `[]`), "", ""},
		{"null", jsonAnswer(200, `null`), "", ""},
		{"pending, of another order", jsonAnswer(200, `{"orderRef":"order-2","status":"pending","hintCode":"started"}`), "", ""},
		{"complete, of another order", jsonAnswer(200, `{"orderRef":"order-2","status":"complete","completionData":{}}`), providers.EvidenceRefused, "order"},
		{"oversized hint", pendingAnswer(strings.Repeat("a", 65)), "", ""},
	} {
		i.answer(jsonAnswer(200, tokens))
		s, _, err := p.Start(t.Context(), testRequest(providers.ModeOther))
		if err != nil {
			t.Fatal(err)
		}
		i.answer(c.h)
		after, step, err := p.Continue(t.Context(), s, providers.Event{Kind: providers.Tick})
		failed, _ := step.(providers.Failed)
		var down *providers.Unavailable
		if failed.Reason != c.want || failed.Check != c.check || errors.As(err, &down) != (c.want == "") || bytes.Equal(after, s) != (c.want == "") {
			t.Errorf("%s: %v, %v", c.name, step, err)
		}
	}
}

// complete is an answer of the issuer with honest or forged evidence.
func complete(e evidence) string {
	return string(mustJSON(map[string]any{"orderRef": "order-1", "status": "complete", "completionData": e.completionData}))
}

func TestCompleteIsStoredBeforeItIsVerified(t *testing.T) {
	i := newIssuer(t, jsonAnswer(200, tokens))
	p := i.provider(t, providers.MBankID)
	s, _, err := p.Start(t.Context(), testRequest(providers.ModeOther))
	if err != nil {
		t.Fatal(err)
	}
	f := newForge(home(), providers.KindAuth)
	i.answer(jsonAnswer(200, complete(f.make())))
	held, step, err := p.Continue(t.Context(), s, providers.Event{Kind: providers.Tick})
	w, ok := step.(providers.Wait)
	if err != nil || !ok || w.Next != 0 || !w.PickedUp || w.QR != "" {
		t.Fatalf("%+v, %v", step, err)
	}
	asked := i.count()
	over, step, err := p.Continue(t.Context(), held, providers.Event{Kind: providers.Tick})
	done, ok := step.(providers.Done)
	if err != nil || !ok {
		t.Fatalf("%v, %v", step, err)
	}
	if i.count() != asked {
		t.Error("the issuer was asked again")
	}
	if id := done.Identity; id.Number != personOne || id.Transaction != "order-1" || id.DeviceIP != "192.0.2.7" {
		t.Errorf("identity of %v, order %s", id.Number, id.Transaction)
	}
	if bytes.Contains(over, []byte(personOne.Digits())) {
		t.Error("the state keeps the person after the order is over")
	}
	if w, err := p.Show(held, testTime); err != nil || w.Next != 0 {
		t.Errorf("show: %+v, %v", w, err)
	}
	if _, err := p.Show(over, testTime); !errors.Is(err, ErrState) {
		t.Errorf("show what is over: %v", err)
	}
	if _, _, err := p.Continue(t.Context(), s, providers.Event{Kind: providers.Callback}); err == nil {
		t.Error("takes an answer from the browser")
	}
}

func TestCompleteWithoutProof(t *testing.T) {
	i := newIssuer(t, nil)
	p := i.provider(t, providers.MBankID)
	other := newForge(foreign(), providers.KindAuth)
	for name, c := range map[string]struct{ answer, check string }{
		"nothing":           {`{"orderRef":"order-1","status":"complete"}`, "encoding"},
		"empty":             {`{"orderRef":"order-1","status":"complete","completionData":{}}`, "encoding"},
		"only a name":       {`{"orderRef":"order-1","status":"complete","completionData":{"user":{"personalNumber":"198006299252","name":"Testperson Ett"}}}`, "encoding"},
		"another hierarchy": {complete(other.make()), "chain"},
	} {
		i.answer(jsonAnswer(200, tokens))
		s, _, err := p.Start(t.Context(), testRequest(providers.ModeOther))
		if err != nil {
			t.Fatal(err)
		}
		i.answer(jsonAnswer(200, c.answer))
		held, _, err := p.Continue(t.Context(), s, providers.Event{Kind: providers.Tick})
		if err != nil {
			t.Fatal(err)
		}
		over, step, err := p.Continue(t.Context(), held, providers.Event{Kind: providers.Tick})
		if failed, ok := step.(providers.Failed); err != nil || !ok || failed.Reason != providers.EvidenceRefused || failed.Check != c.check {
			t.Errorf("%s: %v, %v", name, step, err)
		}
		if _, _, err := p.Continue(t.Context(), over, providers.Event{Kind: providers.Tick}); !errors.Is(err, ErrState) {
			t.Errorf("%s: continues what is over: %v", name, err)
		}
	}
}

// What was made after the answer had been collected cannot be in the answer,
// however late it is verified.
func TestLateVerification(t *testing.T) {
	now := testTime
	i := newIssuer(t, jsonAnswer(200, tokens))
	config := i.config(providers.MBankID)
	config.Clock = func() time.Time { return now }
	p, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		made  time.Duration
		check string
	}{"made in time": {0, ""}, "made later": {5 * time.Minute, "ocsp-time"}} {
		now = testTime
		i.answer(jsonAnswer(200, tokens))
		s, _, err := p.Start(t.Context(), testRequest(providers.ModeOther))
		if err != nil {
			t.Fatal(err)
		}
		f := newForge(home(), providers.KindAuth)
		f.producedAt = testTime.Add(c.made)
		f.thisUpdate = f.producedAt
		i.answer(jsonAnswer(200, complete(f.make())))
		held, _, err := p.Continue(t.Context(), s, providers.Event{Kind: providers.Tick})
		if err != nil {
			t.Fatal(err)
		}
		now = testTime.Add(10 * time.Minute)
		_, step, err := p.Continue(t.Context(), held, providers.Event{Kind: providers.Tick})
		failed, _ := step.(providers.Failed)
		if _, done := step.(providers.Done); err != nil || done != (c.check == "") || failed.Check != c.check {
			t.Errorf("%s: refused at %q, %v", name, failed.Check, err)
		}
	}
}

func TestForeignStates(t *testing.T) {
	i := newIssuer(t, jsonAnswer(200, tokens))
	s, _, err := i.provider(t, providers.MBankID).Start(t.Context(), testRequest(providers.ModeOther))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"another instance":    func(c *Config) { c.Instance = "other" },
		"another environment": func(c *Config) { c.Environment.Name = "other" },
	} {
		config := i.config(providers.MBankID)
		change(&config)
		p, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Show(s, testTime); !errors.Is(err, ErrState) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStrictBase64(t *testing.T) {
	for text, ok := range map[string]bool{
		"YQ==": true, "YR==": false, "YQ=": false, "YQ": false, "": false, "YQ==\n": false, "Y\nQ==": false,
		" YQ==": false, "YQ==YQ==": false, "YWJj": true, "-_-_": false, "YWJjZA==": false,
	} {
		if _, err := strictBase64(text, 3); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCancelAnswers(t *testing.T) {
	i := newIssuer(t, jsonAnswer(200, tokens))
	p := i.provider(t, providers.MBankID)
	s, _, err := p.Start(t.Context(), testRequest(providers.ModeOther))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		h  http.HandlerFunc
		ok bool
	}{
		"empty object": {jsonAnswer(200, `{}`), true},
		"empty body":   {func(w http.ResponseWriter, _ *http.Request) {}, true},
		"unknown":      {jsonAnswer(400, `{"errorCode":"invalidParameters","details":"No such order"}`), true},
		"down":         {jsonAnswer(500, `{}`), false},
	} {
		i.answer(c.h)
		if err := p.Cancel(t.Context(), s); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestQRVectors(t *testing.T) {
	const token, secret = "67df3917-fa0d-44e5-b327-edcc928297f8", "d28db9a7-4cde-429e-a983-359be676944c"
	for since, mac := range map[time.Duration]string{
		0:                       "dc69358e712458a66a7525beef148ae8526b1c71610eff2c16cdffb4cdac9bf8",
		999 * time.Millisecond:  "dc69358e712458a66a7525beef148ae8526b1c71610eff2c16cdffb4cdac9bf8",
		-3 * time.Second:        "dc69358e712458a66a7525beef148ae8526b1c71610eff2c16cdffb4cdac9bf8",
		time.Second:             "949d559bf23403952a94d103e67743126381eda00f0b3cbddbf7c96b1adcbce2",
		2500 * time.Millisecond: "a9e5ec59cb4eee4ef4117150abc58fad7a85439a6a96ccbecc3668b41795b3f3",
	} {
		if got := qrFrame(token, secret, since); !strings.HasSuffix(got, "."+mac) || !strings.HasPrefix(got, "bankid."+token+".") {
			t.Errorf("%v: %s", since, got)
		}
	}
}

func TestLinks(t *testing.T) {
	env := Production()
	const desktop, mobile = "bankid:///?autostarttoken=t-1", "https://app.bankid.com/?autostarttoken=t-1"
	for agent, want := range map[string]string{
		agentWindows: desktop, agentMac: desktop, "": desktop, agentAndroid: mobile, agentIPhone: mobile, agentSamsung: desktop,
	} {
		if got := newBrowser(agent).link(env, "t-1"); got != want {
			t.Errorf("%s: %s", agent, got)
		}
	}
	const address = "https://e-tjanster.example.se/tillbaka?n=abc"
	ios := func(b string) string { return strings.Replace(agentIPhone, "Version/18.0", b, 1) }
	for agent, want := range map[string]string{
		agentWindows: address, agentAndroid: address, agentIPhone: address, agentMac: address,
		ios("CriOS/141.0"):  "googlechromes://e-tjanster.example.se/tillbaka?n=abc",
		ios("FxiOS/130.0"):  "firefox://open-url?url=https%3A%2F%2Fe-tjanster.example.se%2Ftillbaka%3Fn%3Dabc",
		ios("EdgiOS/120.0"): "microsoft-edge-https://e-tjanster.example.se/tillbaka?n=abc",
		ios("OPT/4.0"):      "touch-https://e-tjanster.example.se/tillbaka?n=abc",
		ios("Brave/1.0"):    "brave://open-url?url=https%3A%2F%2Fe-tjanster.example.se%2Ftillbaka%3Fn%3Dabc",
	} {
		if got := newBrowser(agent).returnURL(address); got != want {
			t.Errorf("%s: %s", agent, got)
		}
	}
	if got := newBrowser(ios("CriOS/141.0")).returnURL("http://localhost:8080/x?n=1"); got != "googlechrome://localhost:8080/x?n=1" {
		t.Error(got)
	}
}

func TestTruncate(t *testing.T) {
	long := strings.Repeat("å", 200)
	got := truncate(long, 255)
	if len(got) != 254 || !utf8.ValidString(got) {
		t.Errorf("%d bytes", len(got))
	}
	if got := truncate("a\xffb", 255); got != "a?b" {
		t.Errorf("%q", got)
	}
}

// The fingerprints stand in the reference; the roots are constants.
func TestProductionRoots(t *testing.T) {
	env := Production()
	if err := env.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]*x509.Certificate{
		"E6A2D45C0A1051C959428649F86A09A9B2152CD551993CC2EB4CF094BDACBECB": env.TLSRoots[0],
		"CA32588E385B961D58E26010C6F8C839F7CA071E497DE6B7841640A61506FD31": env.SignatureRoots[0],
	} {
		sum := sha256.Sum256(c.Raw)
		if got := strings.ToUpper(hex.EncodeToString(sum[:])); got != want {
			t.Errorf("%s: %s", c.Subject.CommonName, got)
		}
		if err := c.CheckSignatureFrom(c); err != nil {
			t.Errorf("%s: %v", c.Subject.CommonName, err)
		}
		if err := checkCA(c, testTime); err != nil {
			t.Errorf("%s: %v", c.Subject.CommonName, err)
		}
	}
	if env.TLSRoots[0].Equal(env.SignatureRoots[0]) {
		t.Error("one root for both hierarchies")
	}
	config := Config{ID: providers.MBankID, Environment: env, Certificate: rpCertificate()}
	if _, err := New(config); err != nil {
		t.Error(err)
	}
}

func TestNewRefuses(t *testing.T) {
	i := newIssuer(t, jsonAnswer(200, tokens))
	for name, change := range map[string]func(*Config){
		"another e-ID":       func(c *Config) { c.ID = providers.Freja },
		"no environment":     func(c *Config) { c.Environment = Environment{} },
		"plain http":         func(c *Config) { c.Environment.BaseURL = "http://localhost/" },
		"URL with password":  func(c *Config) { c.Environment.BaseURL = "https://a:b@localhost/" },
		"no TLS root":        func(c *Config) { c.Environment.TLSRoots = nil },
		"nil root":           func(c *Config) { c.Environment.SignatureRoots = []*x509.Certificate{nil} },
		"no certificate":     func(c *Config) { c.Certificate = tls.Certificate{} },
		"broken certificate": func(c *Config) { c.Certificate.Certificate = [][]byte{{1}} },
		"nameless certificate": func(c *Config) {
			c.Certificate.Certificate = [][]byte{home().root.cert.Raw}
		},
	} {
		config := i.config(providers.MBankID)
		change(&config)
		if p, err := New(config); err == nil || p != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	config := i.config(providers.MBankID)
	config.Certificate.Certificate = [][]byte{home().root.cert.Raw}
	config.DisplayName, config.Approved = "Provköping", true
	p, err := New(config)
	if err != nil || p.Info().Level != providers.Level3 {
		t.Errorf("named by configuration: %v", err)
	}
}

func TestInfo(t *testing.T) {
	i := newIssuer(t, jsonAnswer(200, tokens))
	bankID, mobile := i.provider(t, providers.BankID).Info(), i.provider(t, providers.MBankID).Info()
	if !slices.Equal(bankID.Modes, []providers.Mode{providers.ModeThis}) || bankID.Name != "BankID" {
		t.Errorf("%+v", bankID)
	}
	if !slices.Equal(mobile.Modes, []providers.Mode{providers.ModeOther, providers.ModeThis, providers.ModePhone}) || mobile.Name != "Mobilt BankID" {
		t.Errorf("%+v", mobile)
	}
	if mobile.TextLimit != 30_000 || mobile.AuthText != 1_125 || mobile.NonVisible != 30_000 || mobile.Level != providers.LevelUncertified3 {
		t.Errorf("%+v", mobile)
	}
}

func TestLoadCertificates(t *testing.T) {
	rp := rpCertificate()
	key, err := x509.MarshalPKCS8PrivateKey(rp.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	fromPEM, err := LoadPEM(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rp.Leaf.Raw}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	if err != nil || !bytes.Equal(fromPEM.Certificate[0], rp.Leaf.Raw) {
		t.Errorf("PEM: %v", err)
	}
	for name, encoder := range map[string]*pkcs12.Encoder{"new": pkcs12.Modern2023, "old": pkcs12.LegacyRC2} {
		file, err := encoder.Encode(rp.PrivateKey, rp.Leaf, []*x509.Certificate{home().bank.cert}, "provlosen")
		if err != nil {
			t.Fatal(err)
		}
		got, err := LoadPKCS12(file, "provlosen")
		if err != nil || len(got.Certificate) != 2 || !bytes.Equal(got.Certificate[0], rp.Leaf.Raw) {
			t.Errorf("%s PKCS#12: %v", name, err)
		}
		if _, err := LoadPKCS12(file, "fel"); err == nil {
			t.Errorf("%s PKCS#12: wrong passphrase accepted", name)
		}
	}
}

func TestRelyingPartyNames(t *testing.T) {
	rp := relyingParty(rpCertificate().Leaf.Subject)
	if rp.DisplayName != "Provköping" || rp.Name != "cn=Provköpings kommun,name=Provköping,serialNumber=5566304928,o=Testbanken,c=SE" {
		t.Errorf("%+v", rp)
	}
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"cn=A,o=B", "O=B, CN=A", true},
		{`cn=A\, B,o=C`, `cn=A\2C B,o=C`, true},
		{`cn=A\, B,o=C`, "cn=A,o=C", false},
		{"cn=A,o=B", "cn=A", false},
		{"cn=A", "cn=a", false},
		{"cn=A,cn=A", "cn=A", false},
		{"", "", false},
		{"cn", "cn", false},
		{`cn=\e5`, "cn=\xe5", true},
	} {
		if sameName(c.a, c.b) != c.same {
			t.Errorf("%q and %q", c.a, c.b)
		}
	}
}

// FuzzCollect feeds answers of the issuer: nothing panics, nothing but honest
// evidence is a proof, and a state always comes back.
func FuzzCollect(f *testing.F) {
	good := newForge(home(), providers.KindAuth).make()
	// Placeholders keep the seeds small.
	small := good
	small.Signature, small.OCSPResponse = "SIGNATURE", "OCSP"
	whole := strings.NewReplacer("SIGNATURE", good.Signature, "OCSP", good.OCSPResponse)
	for _, seed := range []string{
		complete(small), `{"orderRef":"order-1","status":"pending","hintCode":"userSign"}`,
		`{"orderRef":"order-1","status":"failed","hintCode":"userCancel"}`, `{"errorCode":"invalidParameters","details":"No such order"}`, "<html>",
	} {
		f.Add(200, seed)
		f.Add(400, seed)
	}
	p, err := New(Config{
		ID: providers.MBankID, Certificate: rpCertificate(), Clock: func() time.Time { return testTime },
		Environment: Environment{
			Name: "prov", BaseURL: "https://localhost/", TLSRoots: []*x509.Certificate{foreign().root.cert},
			SignatureRoots: []*x509.Certificate{home().root.cert}, Policies: Policies{Mobile: []string{testMobile}},
			DesktopLink: "a:", MobileLink: "a:",
		},
	})
	if err != nil {
		f.Fatal(err)
	}
	var status int
	var body string
	p.client("").http.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(strings.NewReader(body)), Request: r,
		}, nil
	})
	f.Fuzz(func(t *testing.T, s int, b string) {
		if s < 100 || s > 999 {
			return
		}
		status, body = 200, tokens
		state, _, err := p.Start(t.Context(), testRequest(providers.ModeOther))
		if err != nil {
			t.Fatal(err)
		}
		b = whole.Replace(b)
		status, body = s, b
		for range 2 {
			next, step, err := p.Continue(t.Context(), state, providers.Event{Kind: providers.Tick})
			if (err == nil) == (step == nil) || next == nil {
				t.Fatalf("%v, %v", step, err)
			}
			if err != nil {
				return
			}
			if _, ok := step.(providers.Done); ok && !strings.Contains(b, good.Signature) {
				t.Errorf("a proof out of %q", b)
			}
			if _, ok := step.(providers.Wait); !ok {
				return
			}
			state = next
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
