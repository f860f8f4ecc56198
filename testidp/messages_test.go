package testidp

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptrace"
	"net/smtp"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/testidp/inbox"
	"sigill/testidp/sms"
)

// letter is a mail as our own hand writes it.
const letter = "From: =?utf-8?q?Testkommunen_=C3=85?= <svara-inte@example.se>\r\n" +
	"To: <ett@example.se>\r\n" +
	"Subject: =?utf-8?q?Skriv_under:_f=C3=B6rskola?=\r\n" +
	"Date: Mon, 02 Nov 2026 10:00:00 +0100\r\n" +
	"Message-ID: <inbjudan-1@example.se>\r\n" +
	"MIME-Version: 1.0\r\n" +
	"Content-Type: multipart/alternative; boundary=gr\r\n" +
	"\r\n" +
	"--gr\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\n" +
	"Content-Transfer-Encoding: quoted-printable\r\n" +
	"\r\n" +
	"Hej! L=C3=A4s och skriv under: http://localhost:8080/signing/demo/i/abc=\r\ndef.\r\n" +
	"--gr\r\n" +
	"Content-Type: text/html; charset=utf-8\r\n" +
	"Content-Transfer-Encoding: quoted-printable\r\n" +
	"\r\n" +
	"<!DOCTYPE html><html lang=3D\"sv\"><head><title>http://nowhere.example</title></head><body style=3D\"color: #123\">" +
	"<p>L=C3=A4s <a href=3D\"http://localhost:8080/signing/demo/i/abcdef\" target=3D\"_blank\">h=C3=A4r</a>.</p>" +
	"<p><a href=3D\"http://localhost:8080/?a=3D1&amp;b=3D2\">mer</a><script>alert(1)</script></p></body></html>\r\n" +
	"--gr--\r\n"

func deliver(t *testing.T, s *Server, to ...string) {
	t.Helper()
	if err := smtp.SendMail(s.MailAddress(), nil, "studs@example.se", to, []byte(letter)); err != nil {
		t.Fatal(err)
	}
}

// text sends an SMS through the simulated 46elks.
func text(t *testing.T, s *Server, to, message string) {
	t.Helper()
	form := url.Values{"from": {"Kommunen"}, "to": {to}, "message": {message}}
	r, err := http.NewRequest("POST", s.ElksURL()+"/a1/sms", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(sms.User, sms.Password)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Fatalf("46elks: %s", resp.Status)
	}
}

func TestControlMessages(t *testing.T) {
	now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	s := Start(t, func(c *Config) { c.Now = func() time.Time { return now } })
	deliver(t, s, "ett@example.se", "TVA@example.se")
	text(t, s, "+46701740605", "Kod: 123 456. https://example.se/kod")
	deliver(t, s, "ett@example.se")

	_, answer := ask(t, s, "GET", "/control/messages?to=tva@example.se", "")
	var list []map[string]any
	if err := json.Unmarshal([]byte(answer), &list); err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if id, ok := m["id"].(string); !ok || len(id) != 33 {
			t.Errorf("id %v", m["id"])
		}
		delete(m, "id")
		if html, _ := m["html"].(string); !strings.Contains(html, `>här</a>`) {
			t.Errorf("html %q", html)
		}
		delete(m, "html")
	}
	want := []map[string]any{{
		"channel": "email", "to": "TVA@example.se", "subject": "Skriv under: förskola",
		"text":  "Hej! Läs och skriv under: http://localhost:8080/signing/demo/i/abcdef.",
		"links": []any{"http://localhost:8080/signing/demo/i/abcdef", "http://localhost:8080/?a=1&b=2"},
		"time":  "2026-11-02T09:00:00Z", "from": "Testkommunen Å <svara-inte@example.se>", "reference": "<inbjudan-1@example.se>",
	}}
	if d := cmp.Diff(want, list); d != "" {
		t.Error(d)
	}

	// As in-process tests see them: oldest first, the same mail again marked.
	var got []string
	for _, m := range s.Messages("") {
		line := m.Channel + " " + m.To
		if m.Repeat {
			line += " again"
		}
		got = append(got, line)
	}
	if d := cmp.Diff([]string{"email ett@example.se", "email TVA@example.se", "sms +46701740605", "email ett@example.se again"}, got); d != "" {
		t.Error(d)
	}

	// A plus sign may come encoded or, from a hurried hand, as itself.
	for _, query := range []string{"%2B46701740605", "+46701740605"} {
		_, answer := ask(t, s, "GET", "/control/messages?to="+query, "")
		var list []inbox.Message
		if err := json.Unmarshal([]byte(answer), &list); err != nil || len(list) != 1 || list[0].Text != "Kod: 123 456. https://example.se/kod" ||
			list[0].HTML != "" || list[0].Subject != "" || !cmp.Equal(list[0].Links, []string{"https://example.se/kod"}) {
			t.Errorf("%s: %s", query, answer)
		}
	}

	if status, _ := ask(t, s, "DELETE", "/control/messages", ""); status != 204 {
		t.Errorf("delete: %d", status)
	}
	if _, answer := ask(t, s, "GET", "/control/messages", ""); answer != "[]" {
		t.Errorf("afterwards: %s", answer)
	}
}

func TestAwaitMessages(t *testing.T) {
	s := Start(t)
	got := make(chan []inbox.Message)
	go func() {
		list, err := s.AwaitMessages(t.Context(), "ett@example.se", 2)
		if err != nil {
			t.Error(err)
		}
		got <- list
	}()
	deliver(t, s, "ett@example.se")
	deliver(t, s, "ett@example.se")
	if list := <-got; len(list) != 2 {
		t.Errorf("%d messages", len(list))
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := s.AwaitMessages(ended, "ett@example.se", 3); err == nil {
		t.Error("three of two")
	}
	s.ClearMessages()
	if len(s.Messages("")) != 0 {
		t.Error("not cleared")
	}
}

// TestFaultsOfMessages goes through the control API to the wire.
func TestFaultsOfMessages(t *testing.T) {
	s := Start(t)
	for _, body := range []string{`{"provider":"mail","fault":"reject"}`, `{"provider":"sms","fault":"http503","rate":1}`} {
		if status, answer := ask(t, s, "POST", "/control/faults", body); status != 204 {
			t.Fatalf("%s: %d %s", body, status, answer)
		}
	}
	if err := smtp.SendMail(s.MailAddress(), nil, "a@example.se", []string{"b@example.se"}, []byte(letter)); err == nil || !strings.HasPrefix(err.Error(), "550 ") {
		t.Errorf("mail: %v", err)
	}
	resp, err := http.Post(s.SMSURL(), "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 503 {
		t.Errorf("sms: %s", resp.Status)
	}
	ask(t, s, "DELETE", "/control/faults", "")
	deliver(t, s, "b@example.se")
	text(t, s, "+46701740605", "Hej")
	if n := len(s.Messages("")); n != 2 {
		t.Errorf("%d messages", n)
	}
}

// TestEndsWhileSlow: a call that waits for a slow answer does not hold up the
// end.
func TestEndsWhileSlow(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	s, err := New(ctx, Config{Listen: "127.0.0.1:0", BankIDListen: "127.0.0.1:0", Messages: MessageTimings{Slow: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	s.Fault("sms", "slow")
	sent := make(chan struct{})
	trace := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) }})
	r, err := http.NewRequestWithContext(trace, "POST", s.SMSURL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answered := make(chan struct{})
	go func() {
		if resp, err := client.Do(r); err == nil {
			resp.Body.Close()
		}
		close(answered)
	}()
	<-sent
	time.Sleep(50 * time.Millisecond) // until the handler has it: nothing tells
	begun := time.Now()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	<-answered
}
