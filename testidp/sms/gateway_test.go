package sms

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"sigill/testidp/control"
	"sigill/testidp/inbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A bench is a gateway that listens.
type bench struct {
	t       *testing.T
	gateway *Gateway
	inbox   *inbox.Inbox
	faults  *control.Faults
	base    string
	client  *http.Client
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, inbox: inbox.New(nil), faults: &control.Faults{}}
	b.gateway = New(Config{Inbox: b.inbox, Faults: b.faults, Slow: 50 * time.Millisecond, Report: time.Millisecond})
	server := httptest.NewServer(b.gateway.Handler())
	b.base, b.client = server.URL, server.Client()
	t.Cleanup(func() { b.gateway.Close(); server.Close() })
	return b
}

func (b *bench) fault(mode string) {
	b.faults.Clear()
	b.faults.Set(control.Fault{Provider: "sms", Fault: mode, Rate: 1})
}

// do sends a request and returns status and body; 0 when there is no answer.
func (b *bench) do(r *http.Request) (int, string) {
	b.t.Helper()
	resp, err := b.client.Do(r)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func (b *bench) request(method, path, kind, body string) *http.Request {
	b.t.Helper()
	r, err := http.NewRequest(method, b.base+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	return r
}

const formType = "application/x-www-form-urlencoded"

// elks sends parameters the way a client of 46elks does.
func (b *bench) elks(form url.Values) (int, string) {
	b.t.Helper()
	r := b.request("POST", "/sms/46elks/a1/sms", formType, form.Encode())
	r.SetBasicAuth("demo", "demo-sms-password")
	return b.do(r)
}

func (b *bench) send(body string) (int, string) {
	b.t.Helper()
	r := b.request("POST", "/sms/http/send", "application/json", body)
	r.Header.Set("Authorization", "Bearer demo-sms-token")
	return b.do(r)
}

// with is a good message with some parameters changed; an empty one is left out.
func with(pairs ...string) url.Values {
	form := url.Values{"from": {"Kommunen"}, "to": {"+46701740605"}, "message": {"Hej på dig: https://example.se/x"}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			form.Del(pairs[i])
		}
	}
	return form
}

const good = `{"to":"+46701740605","from":"Kommunen","text":"Hej","reference":"order-1"}`

func TestElks(t *testing.T) {
	b := newBench(t)
	status, body := b.elks(with())
	var a map[string]any
	if err := json.Unmarshal([]byte(body), &a); status != 200 || err != nil {
		t.Fatalf("%d %s", status, body)
	}
	m := b.inbox.List("+46701740605")
	if len(m) != 1 || m[0].Text != "Hej på dig: https://example.se/x" || m[0].From != "Kommunen" || m[0].Channel != "sms" || m[0].Repeat {
		t.Fatalf("inbox %+v", m)
	}
	want := map[string]any{
		"id": m[0].ID, "status": "created", "direction": "outgoing", "from": "Kommunen", "to": "+46701740605",
		"message": "Hej på dig: https://example.se/x", "parts": 1.0, "cost": 5200.0, "created": m[0].Time.Format("2006-01-02T15:04:05.000000"),
	}
	if d := cmp.Diff(want, a); d != "" {
		t.Error(d)
	}
	// The same once more is another message: nothing here is idempotent.
	if status, body := b.elks(with()); status != 200 || strings.Contains(body, m[0].ID) {
		t.Errorf("%d %s", status, body)
	}
	if n := len(b.inbox.List("")); n != 2 {
		t.Errorf("%d kept", n)
	}
}

func TestElksOptions(t *testing.T) {
	b := newBench(t)
	if status, body := b.elks(with("dryrun", "yes", "message", strings.Repeat("x", 161))); status != 200 || strings.Contains(body, `"id"`) || !strings.Contains(body, `"estimated_cost":10400`) || !strings.Contains(body, `"parts":2`) {
		t.Errorf("dry run: %d %s", status, body)
	}
	if n := len(b.inbox.List("")); n != 0 {
		t.Errorf("a dry run left %d", n)
	}
	if status, body := b.elks(with("dontlog", "message", "flashsms", "yes", "from", "+46701740606")); status != 200 || strings.Contains(body, "Hej") || !strings.Contains(body, `"dontlog":"message"`) {
		t.Errorf("not logged: %d %s", status, body)
	}
	if m := b.inbox.List(""); len(m) != 1 || m[0].From != "+46701740606" || m[0].Text == "" {
		t.Errorf("inbox %+v", m)
	}
}

func TestElksRefuses(t *testing.T) {
	b := newBench(t)
	type refusal struct {
		change func(*http.Request)
		form   url.Values
		status int
	}
	twice := with()
	twice.Add("to", "+46701740606")
	cases := map[string]refusal{
		"no password":        {func(r *http.Request) { r.Header.Del("Authorization") }, with(), 401},
		"wrong password":     {func(r *http.Request) { r.SetBasicAuth("demo", "x") }, with(), 401},
		"wrong user":         {func(r *http.Request) { r.SetBasicAuth("x", "demo-sms-password") }, with(), 401},
		"JSON":               {func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, with(), 400},
		"in the address":     {func(r *http.Request) { r.URL.RawQuery = "to=x" }, with(), 400},
		"GET":                {func(r *http.Request) { r.Method = "GET" }, with(), 405},
		"other path":         {func(r *http.Request) { r.URL.Path += "/x" }, with(), 404},
		"no sender":          {nil, with("from", ""), 400},
		"no recipient":       {nil, with("to", ""), 400},
		"no message":         {nil, with("message", ""), 400},
		"unknown parameter":  {nil, with("reference", "x"), 400},
		"two recipients":     {nil, twice, 400},
		"not UTF-8":          {nil, with("message", "\xff"), 400},
		"too long":           {nil, with("message", strings.Repeat("x", maxBody)), 400},
		"sender too long":    {nil, with("from", "Testkommunen"), 400},
		"sender too short":   {nil, with("from", "Te"), 400},
		"sender of digits":   {nil, with("from", "1177"), 400},
		"sender with spaces": {nil, with("from", "Min kommun"), 400},
		"report elsewhere":   {nil, with("whendelivered", "https://example.se/"), 400},
		"report to a file":   {nil, with("whendelivered", "file:///etc/passwd"), 400},
	}
	for _, number := range []string{"0701740605", "46701740605", "+0701740605", "+46 70 174 06 05", "+467017", "+4670174060512345", "+46701740605x", "+", "x"} {
		cases["number "+number] = refusal{nil, with("to", number), 403}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := b.request("POST", "/sms/46elks/a1/sms", formType, c.form.Encode())
			r.SetBasicAuth("demo", "demo-sms-password")
			if c.change != nil {
				c.change(r)
			}
			if status, body := b.do(r); status != c.status || body == "" || strings.HasPrefix(body, "{") {
				t.Errorf("%d %s, want %d and a text", status, body, c.status)
			}
		})
	}
	if n := len(b.inbox.List("")); n != 0 {
		t.Errorf("%d kept", n)
	}
}

func TestSend(t *testing.T) {
	b := newBench(t)
	var names []string
	for range 2 {
		status, body := b.send(good)
		var a map[string]string
		if err := json.Unmarshal([]byte(body), &a); status != 202 || err != nil || len(a) != 1 {
			t.Fatalf("%d %s", status, body)
		}
		names = append(names, a["id"])
	}
	m := b.inbox.List("+46701740605")
	if len(m) != 2 || m[0].ID != names[0] || m[1].ID != names[1] || m[0].Text != "Hej" || m[0].Reference != "order-1" || m[0].Repeat || !m[1].Repeat {
		t.Errorf("inbox %+v", m)
	}
}

func TestSendRefuses(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]struct {
		change func(*http.Request)
		body   string
		status int
	}{
		"no token":       {func(r *http.Request) { r.Header.Del("Authorization") }, good, 401},
		"wrong token":    {func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, good, 401},
		"password":       {func(r *http.Request) { r.SetBasicAuth("demo", "demo-sms-token") }, good, 401},
		"form":           {func(r *http.Request) { r.Header.Set("Content-Type", formType) }, good, 415},
		"not JSON":       {nil, "to=x", 400},
		"two objects":    {nil, good + good, 400},
		"unknown member": {nil, strings.Replace(good, "reference", "ref", 1), 400},
		"list":           {nil, "[" + good + "]", 400},
		"not UTF-8":      {nil, strings.Replace(good, "Hej", "\xff", 1), 400},
		"too long":       {nil, strings.Replace(good, "Hej", strings.Repeat("x", maxBody), 1), 413},
		"no text":        {nil, strings.Replace(good, "Hej", "", 1), 400},
		"no sender":      {nil, strings.Replace(good, "Kommunen", "", 1), 400},
		"long reference": {nil, strings.Replace(good, "order-1", strings.Repeat("x", maxReference+1), 1), 400},
		"bad reference":  {nil, strings.Replace(good, "order-1", `a\nb`, 1), 400},
		"no number":      {nil, strings.Replace(good, "+46701740605", "0701740605", 1), 403},
	} {
		t.Run(name, func(t *testing.T) {
			r := b.request("POST", "/sms/http/send", "application/json", c.body)
			r.Header.Set("Authorization", "Bearer demo-sms-token")
			if c.change != nil {
				c.change(r)
			}
			status, body := b.do(r)
			var a map[string]string
			if json.Unmarshal([]byte(body), &a); status != c.status || a["error"] == "" {
				t.Errorf("%d %s, want %d", status, body, c.status)
			}
		})
	}
	if n := len(b.inbox.List("")); n != 0 {
		t.Errorf("%d kept", n)
	}
}

func TestFaults(t *testing.T) {
	for mode, c := range map[string]struct {
		status, accepted int // accepted: 0 for what a good call gets
		kept             int
	}{
		http503: {503, 503, 0}, drop: {0, 0, 1}, reject: {403, 403, 0}, garbage: {200, 200, 0}, undelivered: {200, 202, 1}, slow: {200, 202, 1},
	} {
		t.Run(mode, func(t *testing.T) {
			b := newBench(t)
			b.fault(mode)
			begun := time.Now()
			for _, gateway := range []struct {
				call func() (int, string)
				want int
			}{
				{func() (int, string) { return b.elks(with()) }, c.status},
				{func() (int, string) { return b.send(good) }, c.accepted},
			} {
				b.inbox.Clear()
				status, body := gateway.call()
				if status != gateway.want || len(b.inbox.List("")) != c.kept {
					t.Errorf("%d %s, %d kept", status, body, len(b.inbox.List("")))
				}
				if mode == garbage && json.Valid([]byte(body)) {
					t.Errorf("good JSON: %s", body)
				}
			}
			if mode == slow && time.Since(begun) < 2*b.gateway.slow {
				t.Errorf("took %v", time.Since(begun))
			}
			b.faults.Clear()
			if status, body := b.elks(with()); status != 200 {
				t.Errorf("afterwards: %d %s", status, body)
			}
		})
	}
	if len(faultModes()) != 6 {
		t.Error("a fault without a test")
	}
}

func TestRate(t *testing.T) {
	b := newBench(t)
	b.faults.Set(control.Fault{Provider: "sms", Fault: http503, Rate: 1e-9})
	b.faults.Set(control.Fault{Provider: "bankid", Fault: drop, Rate: 1})
	if status, body := b.elks(with()); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	b.faults.Set(control.Fault{Provider: "*", Fault: http503, Rate: 1})
	if status, body := b.send(good); status != 503 {
		t.Errorf("%d %s", status, body)
	}
}

func TestParts(t *testing.T) {
	for _, c := range []struct {
		message string
		want    int
	}{
		{"", 1},
		{strings.Repeat("å", 160), 1},
		{strings.Repeat("x", 161), 2},
		{strings.Repeat("x", 306), 2},
		{strings.Repeat("x", 307), 3},
		{strings.Repeat("€", 80), 1},
		{strings.Repeat("€", 81), 2},
		{strings.Repeat("”", 70), 1},
		{strings.Repeat("”", 71), 2},
		{strings.Repeat("🦌", 35), 1},
		{strings.Repeat("🦌", 36), 2},
	} {
		if got := parts(c.message); got != c.want {
			t.Errorf("%.12s…: %d, want %d", c.message, got, c.want)
		}
	}
}

// FuzzBodies: whatever comes, each gateway answers as documented, and keeps
// only what it took.
func FuzzBodies(f *testing.F) {
	f.Add(good)
	f.Add(with().Encode())
	f.Add("from=abc&to=%2B46701740605&message=%f0")
	f.Fuzz(func(t *testing.T, body string) {
		box := inbox.New(nil)
		g := New(Config{Inbox: box, Faults: &control.Faults{}})
		defer g.Close()
		took := 0
		for path, kind := range map[string]string{"/sms/46elks/a1/sms": formType, "/sms/http/send": "application/json"} {
			r := httptest.NewRequest("POST", path, strings.NewReader(body))
			r.Header.Set("Content-Type", kind)
			if r.SetBasicAuth(User, Password); kind != formType {
				r.Header.Set("Authorization", "Bearer "+Token)
			}
			w := httptest.NewRecorder()
			g.Handler().ServeHTTP(w, r)
			switch {
			case w.Code == 202, w.Code == 200 && strings.Contains(w.Body.String(), `"id":`):
				took++
			case w.Code != 200 && w.Code != 400 && w.Code != 403 && w.Code != 413:
				t.Errorf("%s: %d", path, w.Code)
			}
		}
		list := box.List("")
		if len(list) != took {
			t.Errorf("%d kept, %d taken", len(list), took)
		}
		for _, m := range list {
			if !phoneNumber(m.To) || !sender(m.From) || m.Text == "" || !utf8.ValidString(m.Text) {
				t.Errorf("kept %+v", m)
			}
		}
	})
}
