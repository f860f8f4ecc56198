package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ctx = context.Background()

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func secretOf(t testing.TB, text string) Secret {
	t.Helper()
	s, err := ParseSecret(text)
	check(t, err)
	return s
}

// The vectors were computed by openssl:
//
//	printf '%s' 'evt_1.1767225600.{"type":"order.completed"}' |
//	  openssl dgst -sha256 -mac HMAC -macopt hexkey:KEY -binary | base64
const (
	vectorID     = "evt_1"
	vectorBody   = `{"type":"order.completed"}`
	vectorTime   = 1767225600
	vectorSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=" // 0123456789abcdef, twice
	vectorOther  = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"             // 00 01 … 17
	vectorMAC    = "mpLcbdfnQJo9EnnNU7i+9+2V9vBCGQjDzXuhqCqpCb0="
	vectorMAC2   = "b6fk3GJuq8gI7Om6tPJxT8a4qWHuxC6K0wHrjfxJPZM="
)

func TestVectors(t *testing.T) {
	one, two := secretOf(t, vectorSecret), secretOf(t, vectorOther)
	h, err := Sign(vectorID, time.Unix(vectorTime, 999), []byte(vectorBody), one, two)
	check(t, err)
	want := http.Header{"Webhook-Id": {"evt_1"}, "Webhook-Timestamp": {"1767225600"}, "Webhook-Signature": {"v1," + vectorMAC + " v1," + vectorMAC2}}
	if fmt.Sprint(h) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", h, want)
	}
}

func TestVerify(t *testing.T) {
	one, two := secretOf(t, vectorSecret), secretOf(t, vectorOther)
	now := time.Unix(vectorTime, 0)
	for _, c := range []struct {
		name    string
		change  func(http.Header)
		body    string
		now     time.Time
		secrets []Secret
		want    error
	}{
		{name: "as it was sent"},
		{name: "the other secret", secrets: []Secret{two}},
		{name: "both", secrets: []Secret{one, two}},
		{name: "at the end of the tolerance", now: now.Add(5 * time.Minute)},
		{name: "at its beginning", now: now.Add(-5 * time.Minute)},
		{name: "others besides", change: func(h http.Header) { h.Set(HeaderSignature, "v1a,AAAA v2,x v1,!! v1 "+h.Get(HeaderSignature)) }},

		{name: "too late", now: now.Add(5*time.Minute + time.Second), want: ErrTime},
		{name: "too early", now: now.Add(-5*time.Minute - time.Second), want: ErrTime},
		{name: "another body", body: vectorBody + " ", want: ErrSignature},
		{name: "another id", change: func(h http.Header) { h.Set(HeaderID, "evt_2") }, want: ErrSignature},
		{name: "another time", change: func(h http.Header) { h.Set(HeaderTimestamp, "1767225601") }, want: ErrSignature},
		{name: "another secret", secrets: []Secret{NewSecret()}, want: ErrSignature},
		{name: "no secret", secrets: []Secret{}, want: ErrSignature},
		{name: "an empty secret", secrets: []Secret{{}}, want: ErrSignature},
		{name: "a signature by an empty key", secrets: []Secret{{}}, want: ErrSignature,
			change: func(h http.Header) {
				h.Set(HeaderSignature, "v1,"+base64.StdEncoding.EncodeToString(Secret{}.mac(vectorID, "1767225600", []byte(vectorBody))))
			}},
		{name: "part of a signature", change: func(h http.Header) { h.Set(HeaderSignature, "v1,"+vectorMAC[:40]) }, want: ErrSignature},
		{name: "empty signature", change: func(h http.Header) { h.Set(HeaderSignature, "v1,") }, want: ErrSignature},
		{name: "another version", change: func(h http.Header) { h.Set(HeaderSignature, "v1a,"+vectorMAC) }, want: ErrSignature},
		{name: "without version", change: func(h http.Header) { h.Set(HeaderSignature, vectorMAC) }, want: ErrSignature},
		{name: "no id", change: func(h http.Header) { h.Del(HeaderID) }, want: ErrHeader},
		{name: "no time", change: func(h http.Header) { h.Del(HeaderTimestamp) }, want: ErrHeader},
		{name: "no signature", change: func(h http.Header) { h.Del(HeaderSignature) }, want: ErrHeader},
		{name: "two ids", change: func(h http.Header) { h.Add(HeaderID, vectorID) }, want: ErrHeader},
		{name: "two signatures' fields", change: func(h http.Header) { h.Add(HeaderSignature, "v1,"+vectorMAC) }, want: ErrHeader},
		{name: "not a time", change: func(h http.Header) { h.Set(HeaderTimestamp, "now") }, want: ErrHeader},
		{name: "another form of the time", change: func(h http.Header) { h.Set(HeaderTimestamp, "+1767225600") }, want: ErrHeader},
		{name: "the dot moved", change: func(h http.Header) { h.Set(HeaderID, "evt_1.17") }, want: ErrHeader},
		{name: "many signatures", change: func(h http.Header) { h.Set(HeaderSignature, strings.Repeat("v1,AAAA ", 20)+"v1,"+vectorMAC) }, want: ErrHeader},
	} {
		h := http.Header{}
		h.Set(HeaderID, vectorID)
		h.Set(HeaderTimestamp, fmt.Sprint(vectorTime))
		h.Set(HeaderSignature, "v1,"+vectorMAC+" v1,"+vectorMAC2)
		if c.change != nil {
			c.change(h)
		}
		if c.body == "" {
			c.body = vectorBody
		}
		if c.now.IsZero() {
			c.now = now
		}
		if c.secrets == nil {
			c.secrets = []Secret{one}
		}
		if err := Verify(h, []byte(c.body), c.now, 5*time.Minute, c.secrets...); err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestSecret(t *testing.T) {
	a, b := NewSecret(), NewSecret()
	if a.Reveal() == b.Reveal() || len(a.key) != 32 {
		t.Error("not random")
	}
	if got := secretOf(t, a.Reveal()); got.Reveal() != a.Reveal() {
		t.Error("it comes back as another")
	}
	if got, err := SecretOf(a.key); err != nil || got.Reveal() != a.Reveal() {
		t.Error("it comes back as another")
	}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "secret", a, "in", struct{ S Secret }{a})
	fmt.Fprintf(&out, "%v %+v %#v %s %v", a, a, a, a, []Secret{a})
	if strings.Contains(out.String(), a.Reveal()[6:]) || strings.Contains(out.String(), fmt.Sprint(a.key)) || strings.Contains(out.String(), "0x") {
		t.Errorf("it prints: %s", out.String())
	}
	for _, s := range []string{
		"", "whsec_", vectorSecret[6:], "WHSEC_" + vectorSecret[6:], vectorSecret + "=", vectorSecret[:len(vectorSecret)-1], "whsec_AAAA",
		"whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 23)), "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65)),
		"whsec_" + base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{255}, 33)), "whsec_AAEC\nAwQFBgcICQoLDA0ODxAREhMUFRYX", vectorSecret[:48] + "9=",
	} {
		if _, err := ParseSecret(s); err == nil || s != "" && len(s) > 10 && strings.Contains(err.Error(), s[6:]) {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, n := range []int{0, 23, 65} {
		if _, err := SecretOf(make([]byte, n)); err == nil {
			t.Errorf("%d bytes are taken", n)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	s := NewSecret()
	for _, id := range []string{"", "a.b", "a b", "a\nb", "å", strings.Repeat("x", 129)} {
		if _, err := Sign(id, time.Now(), nil, s); err == nil {
			t.Errorf("id %q is signed", id)
		}
	}
	if _, err := Sign("a", time.Now(), nil); err == nil {
		t.Error("signed without secret")
	}
	if _, err := Sign("a", time.Now(), nil, s, Secret{}); err == nil {
		t.Error("signed with an empty secret")
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(vectorID, "1767225600", "v1,"+vectorMAC, []byte(vectorBody))
	f.Add(vectorID, "1767225600", "v1,"+vectorMAC+" v1a,x", []byte(vectorBody))
	s := secretOf(f, vectorSecret)
	f.Fuzz(func(t *testing.T, id, at, signature string, body []byte) {
		h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {at}, "Webhook-Signature": {signature}}
		if Verify(h, body, time.Unix(vectorTime, 0), time.Minute, s) != nil {
			return
		}
		// Only what carries the right signature is believed, and nobody but the
		// seeds has one.
		if id != vectorID || string(body) != vectorBody || at != "1767225600" || !strings.Contains(signature, vectorMAC) {
			t.Errorf("believed: %q %q %q %q", id, at, signature, body)
		}
	})
}

func TestOrigin(t *testing.T) {
	for address, want := range map[string]string{
		"https://app.example.se": "https://app.example.se", "https://APP.example.se:443/x?y": "https://app.example.se", "http://localhost:80": "http://localhost",
		"https://app.example.se:8443/": "https://app.example.se:8443", "http://[::1]:8080/x": "http://[::1]:8080", "https://app.example.se:/": "https://app.example.se",
		"http://app.example.se:443": "http://app.example.se:443",

		"": "", "app.example.se": "", "/x": "", "//app.example.se": "", "ftp://app.example.se": "", "https:app.example.se": "", "https://": "", "https://:8443": "",
		"https://a@app.example.se": "", "https://a:b@app.example.se": "", "https://app.example.se#x": "", "https://app.example.se:x": "", "https://a b": "",
		"https://app.example.se\\@other.example.se": "", "javascript:alert(1)": "",
	} {
		got, err := Origin(address)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", address, got, err, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]bool{
		"1.1.1.1": true, "194.71.11.1": true, "2001:67c:2e8::1": true, "2a00:1450::1": true, "::ffff:1.1.1.1": true, "172.15.0.1": true, "172.32.0.1": true, "100.63.0.1": true,

		"127.0.0.1": false, "127.255.255.254": false, "::1": false, "0.0.0.0": false, "0.1.2.3": false, "::": false, "10.0.0.1": false, "172.16.0.1": false,
		"172.31.255.255": false, "192.168.1.1": false, "169.254.169.254": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "fd12::1": false,
		"fec0::1": false, "224.0.0.1": false, "239.1.1.1": false, "ff02::1": false, "255.255.255.255": false, "240.0.0.1": false, "100.64.0.1": false,
		"198.18.0.1": false, "192.0.0.8": false, "192.0.2.1": false, "203.0.113.1": false, "2001:db8::1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false,
		"::ffff:169.254.169.254": false, "64:ff9b::7f00:1": false, "64:ff9b:1::a00:1": false, "2002:7f00:1::": false, "2001:0:a00:1::": false, "::127.0.0.1": false,
		"2001:67c:2e8::1%eth0": false,
	} {
		if got := public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	for text, want := range map[string]bool{"127.0.0.1": true, "::1": true, "::ffff:127.0.0.1": true, "10.0.0.1": false, "1.1.1.1": false, "0.0.0.0": false, "169.254.1.1": false} {
		if got := loopback(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is loopback: %v, want %v", text, got, want)
		}
	}
}

// receiver is somebody's server on this machine, and a delivery to it.
func receiver(t *testing.T, handler http.HandlerFunc) (*httptest.Server, Delivery, *x509.CertPool) {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s, Delivery{ID: vectorID, URL: s.URL + "/hook?key=hemlig", Body: []byte(vectorBody), Secrets: []Secret{secretOf(t, vectorSecret)},
		Origins: []string{"https://app.example.se", s.URL}, AllowLoopback: true}, pool
}

func sender(t *testing.T, roots *x509.CertPool) *Sender {
	s := NewSender(func() time.Time { return time.Unix(vectorTime, 0) }, roots)
	t.Cleanup(s.Close)
	return s
}

func TestSend(t *testing.T) {
	var got *http.Request
	var body []byte
	_, d, pool := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(202)
	})
	s := sender(t, pool)
	check(t, s.Send(ctx, d))
	if got.Method != "POST" || got.URL.RequestURI() != "/hook?key=hemlig" || string(body) != vectorBody || got.TLS.Version < tls.VersionTLS12 ||
		got.Header.Get("Content-Type") != "application/json" || got.Header.Get("Webhook-Signature") != "v1,"+vectorMAC || got.Header.Get("User-Agent") != "Sigill-Webhook" {
		t.Errorf("%+v %s", got, body)
	}
	check(t, Verify(got.Header, body, time.Unix(vectorTime, 0), time.Minute, d.Secrets...))
	first := got.RemoteAddr
	check(t, s.Send(ctx, d))
	if got.RemoteAddr != first {
		t.Error("the connection was not used again")
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		status int
		after  string
		final  bool
		wait   time.Duration
	}{
		{status: 410, final: true}, {status: 400}, {status: 401}, {status: 404}, {status: 409}, {status: 500}, {status: 502},
		{status: 301}, {status: 302}, {status: 303}, {status: 307}, {status: 308}, {status: 304},
		{status: 429, after: "120", wait: 2 * time.Minute}, {status: 503, after: "Thu, 01 Jan 2026 01:00:00 GMT", wait: time.Hour},
		{status: 503, after: "99999999", wait: maxRetryAfter}, {status: 503, after: "Thu, 01 Jan 2099 01:00:00 GMT", wait: maxRetryAfter},
		{status: 503, after: "-5"}, {status: 503, after: "soon"}, {status: 503, after: "Thu, 01 Jan 2020 01:00:00 GMT"}, {status: 503, after: "99999999999999999999"},
	} {
		calls := 0
		_, d, pool := receiver(t, func(w http.ResponseWriter, r *http.Request) {
			calls++
			if c.after != "" {
				w.Header().Set("Retry-After", c.after)
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.status)
			io.WriteString(w, "hemlig")
		})
		err := sender(t, pool).Send(ctx, d)
		var e *Error
		if !errors.As(err, &e) || e.Status != c.status || e.Permanent() != c.final || e.RetryAfter() != c.wait || calls != 1 {
			t.Errorf("%d %q: %+v; %d calls", c.status, c.after, err, calls)
		}
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), "hemlig") {
			t.Errorf("it tells: %v", err)
		}
	}
}

// What may not be called is not called, whatever its name is.
func TestMayNot(t *testing.T) {
	calls := 0
	s, d, pool := receiver(t, func(http.ResponseWriter, *http.Request) { calls++ })
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls++ }))
	defer plain.Close()
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	for name, c := range map[string]struct {
		change func(*Delivery)
		final  bool
		text   string
	}{
		"this machine":               {func(d *Delivery) { d.AllowLoopback = false }, false, "network address"},
		"this machine by name":       {func(d *Delivery) { d.AllowLoopback, d.URL = false, "https://localhost"+port }, false, "network address"},
		"this machine in IPv6":       {func(d *Delivery) { d.AllowLoopback, d.URL = false, "https://[::ffff:127.0.0.1]"+port }, false, "network address"},
		"this machine, as a number":  {func(d *Delivery) { d.AllowLoopback, d.URL = false, "https://0.0.0.0"+port }, false, "network address"},
		"a metadata service":         {func(d *Delivery) { d.AllowLoopback, d.URL = false, "https://169.254.169.254/latest" }, false, "network address"},
		"a private network":          {func(d *Delivery) { d.AllowLoopback, d.URL = false, "https://10.0.0.1/" }, false, "network address"},
		"loopback only":              {func(d *Delivery) { d.URL = "https://10.0.0.1/" }, false, "network address"},
		"loopback only, not the net": {func(d *Delivery) { d.URL = "https://1.1.1.1/" }, false, "network address"},
		"another origin":             {func(d *Delivery) { d.Origins = []string{"https://app.example.se"} }, true, "origin"},
		"another port":               {func(d *Delivery) { d.Origins = []string{"https://127.0.0.1"} }, true, "origin"},
		"another scheme":             {func(d *Delivery) { d.Origins = []string{"http" + strings.TrimPrefix(s.URL, "https")} }, true, "origin"},
		"no origin":                  {func(d *Delivery) { d.Origins = nil }, true, "origin"},
		"an origin like it":          {func(d *Delivery) { d.URL = strings.Replace(d.URL, "127.0.0.1", "127.0.0.1.example.se", 1) }, true, "origin"},
		"without TLS":                {func(d *Delivery) { d.AllowLoopback, d.URL, d.Origins = false, plain.URL, []string{plain.URL} }, true, "TLS"},
		"user in the address":        {func(d *Delivery) { d.URL = strings.Replace(d.URL, "https://", "https://a:b@", 1) }, true, "malformed"},
		"no secret":                  {func(d *Delivery) { d.Secrets = nil }, true, "secret"},
		"id":                         {func(d *Delivery) { d.ID = "a.b" }, true, "id"},
	} {
		d := d
		c.change(&d)
		if c.text == "network address" {
			d.Origins = append(d.Origins, d.URL)
		}
		err := sender(t, pool).Send(ctx, d)
		var e *Error
		if !errors.As(err, &e) || e.Permanent() != c.final || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "hemlig") || strings.Contains(err.Error(), "10.0.0.1") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if calls != 0 {
		t.Errorf("%d calls", calls)
	}
	// And without TLS to this machine where that is allowed.
	d.URL, d.Origins = plain.URL, []string{plain.URL}
	check(t, sender(t, pool).Send(ctx, d))
}

// A proxy of the environment is not asked: it would resolve names behind our back.
func TestNoProxy(t *testing.T) {
	_, d, pool := receiver(t, func(http.ResponseWriter, *http.Request) {})
	s := sender(t, pool)
	for _, c := range []*http.Client{s.open, s.near} {
		if c.Transport.(*http.Transport).Proxy != nil {
			t.Error("a proxy is asked")
		}
	}
	check(t, s.Send(ctx, d))
}

func TestTLS(t *testing.T) {
	_, d, _ := receiver(t, func(http.ResponseWriter, *http.Request) { t.Error("called") })
	if err := sender(t, nil).Send(ctx, d); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("unknown root: %v", err)
	}
	old := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("called") }))
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.Config.ErrorLog = log.New(io.Discard, "", 0)
	old.StartTLS()
	defer old.Close()
	pool := x509.NewCertPool()
	pool.AddCert(old.Certificate())
	d.URL, d.Origins = old.URL, []string{old.URL}
	if err := sender(t, pool).Send(ctx, d); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.1: %v", err)
	}
}

func TestSlowAndLong(t *testing.T) {
	end := make(chan struct{})
	_, d, pool := receiver(t, func(http.ResponseWriter, *http.Request) { <-end })
	s := sender(t, pool)
	if s.open.Timeout != 15*time.Second || s.near.Timeout != 15*time.Second {
		t.Error("another time limit")
	}
	gone, leave := context.WithTimeout(ctx, 100*time.Millisecond)
	defer leave()
	err := s.Send(gone, d)
	var e *Error
	if !errors.As(err, &e) || e.Permanent() || !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "hemlig") {
		t.Errorf("%v", err)
	}
	close(end)

	wrote := make(chan int, 1)
	_, d, pool = receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		n := 0
		for r := http.NewResponseController(w); n < 100<<20; n += 64 << 10 {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil || r.Flush() != nil {
				break
			}
		}
		wrote <- n
	})
	check(t, sender(t, pool).Send(ctx, d)) // 2xx is delivered, whatever else it says
	if n := <-wrote; n >= 100<<20 {
		t.Error("all of it was read")
	}
}
