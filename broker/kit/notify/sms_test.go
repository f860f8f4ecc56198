package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/inbox"
	"sigill/testidp/sms"
)

func text() Message {
	return Message{ID: "order-1.sms.2", To: "070-174 06 05", Text: "Åsa: skriv under på https://example.se/hemlig-token €", Lang: "sv"}
}

// call is a request as the gateway saw it.
type call struct {
	header http.Header
	body   string
}

// fake is a gateway that answers as it is told.
func fake(t *testing.T, status int, answer string) (SMSConfig, *[]call) {
	var calls []call
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		check(t, err)
		if r.Method != http.MethodPost || r.URL.RequestURI() != "/a1/sms?key=hemlig" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		calls = append(calls, call{r.Header, string(body)})
		w.Header().Set("Location", "https://127.0.0.1:1/elsewhere")
		w.WriteHeader(status)
		io.WriteString(w, answer)
	}))
	_, pool := certificate(t)
	t.Cleanup(s.Close)
	return SMSConfig{URL: s.URL + "/a1/sms?key=hemlig", User: "user", Secret: []byte(secret), From: "Kommunen", Roots: pool}, &calls
}

func elks(t *testing.T, c SMSConfig) *Elks {
	t.Helper()
	e, err := NewElks(c)
	check(t, err)
	t.Cleanup(e.http.CloseIdleConnections)
	return e
}

func plain(t *testing.T, c SMSConfig) *Gateway {
	t.Helper()
	g, err := NewGateway(c)
	check(t, err)
	t.Cleanup(g.http.CloseIdleConnections)
	return g
}

func TestElks(t *testing.T) {
	c, calls := fake(t, 200, `{"status": "created", "id": "s1"}`)
	check(t, elks(t, c).Send(ctx, text()))
	got := (*calls)[0]
	// As it stands on the wire, by hand.
	want := "dontlog=message&from=Kommunen&message=%C3%85sa%3A+skriv+under+p%C3%A5+https%3A%2F%2Fexample.se%2Fhemlig-token+%E2%82%AC&to=%2B46701740605"
	if got.body != want || got.header.Get("Content-Type") != "application/x-www-form-urlencoded" ||
		got.header.Get("Authorization") != "Basic dXNlcjpoZW1saWd0LWzDtnNlbm9yZA==" || got.header.Get("User-Agent") != "" {
		t.Errorf("%v\n%s", got.header, got.body)
	}
}

func TestGateway(t *testing.T) {
	c, calls := fake(t, 204, "")
	check(t, plain(t, c).Send(ctx, text()))
	got := (*calls)[0]
	var body map[string]string
	check(t, json.Unmarshal([]byte(got.body), &body))
	want := map[string]string{"to": "+46701740605", "from": "Kommunen", "text": text().Text, "reference": "order-1.sms.2"}
	if fmt.Sprint(body) != fmt.Sprint(want) || got.header.Get("Content-Type") != "application/json" ||
		got.header.Get("Authorization") != "Bearer "+secret || got.header.Get("User-Agent") != "" {
		t.Errorf("%v\n%s", got.header, got.body)
	}
}

func TestSMSAnswers(t *testing.T) {
	const sent, again, never = "sent", "again", "never"
	words := rude + "070-174 06 05, token " + secret
	for _, c := range []struct {
		status        int
		answer        string
		elks, gateway string
		logged        bool
	}{
		{200, "{}", sent, sent, false}, {201, "", sent, sent, false}, {202, "not JSON", sent, sent, false}, {299, words, sent, sent, false},
		{400, words, never, never, false}, {403, words, never, never, false},
		{403, "Not enough credits", again, never, true}, {403, "Your account is closed", again, never, true}, {400, "Invalid sender in from", again, never, true},
		{422, words, again, never, true},
		{401, words, again, again, true}, {402, words, again, again, true}, {404, words, again, again, true}, {405, words, again, again, true},
		{408, words, again, again, false}, {429, words, again, again, false},
		{301, words, again, again, true}, {302, words, again, again, true}, {307, words, again, again, true},
		{500, words, again, again, false}, {502, words, again, again, false}, {503, words, again, again, false},
	} {
		for kind, want := range map[string]string{"elks": c.elks, "gateway": c.gateway} {
			config, calls := fake(t, c.status, c.answer)
			var log bytes.Buffer
			config.Log = slog.New(slog.NewTextHandler(&log, nil))
			var s Sender = elks(t, config)
			if kind == "gateway" {
				s = plain(t, config)
			}
			err := s.Send(ctx, text())
			got := sent
			switch {
			case err != nil && final(err):
				got = never
			case err != nil:
				got = again
			}
			if got != want || len(*calls) != 1 {
				t.Errorf("%s, %d %.30q: %s, want %s (%v); %d calls", kind, c.status, c.answer, got, want, err, len(*calls))
			}
			silentAbout(t, err, log.String())
			if (log.Len() > 0) != (c.logged && want == again) {
				t.Errorf("%s, %d: log %q", kind, c.status, log.String())
			}
		}
	}
}

func TestSMSRefuses(t *testing.T) {
	c, calls := fake(t, 200, "")
	for name, change := range map[string]func(*Message){
		"no number": func(m *Message) { m.To = "" }, "a word": func(m *Message) { m.To = "mamma" }, "two": func(m *Message) { m.To = "0701740605,0701740606" },
		"no text": func(m *Message) { m.Text = "" }, "no id": func(m *Message) { m.ID = "" }, "not UTF-8": func(m *Message) { m.Text = "\xff" },
		"long": func(m *Message) { m.Text = strings.Repeat("x", 153*maxSegments+1) },
	} {
		m := text()
		change(&m)
		for _, s := range []Sender{elks(t, c), plain(t, c)} {
			if err := s.Send(ctx, m); !final(err) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if len(*calls) != 0 {
		t.Error("the gateway was asked")
	}
	m := text()
	m.Text = strings.Repeat("x", 153*maxSegments)
	check(t, plain(t, c).Send(ctx, m))
}

func TestNewSMS(t *testing.T) {
	good := SMSConfig{URL: "https://sms.example.se/send", User: "user", Secret: []byte("x"), From: "Kommunen"}
	for name, change := range map[string]func(*SMSConfig){
		"http": func(c *SMSConfig) { c.URL = "http://sms.example.se/send" }, "no host": func(c *SMSConfig) { c.URL = "https:///send" },
		"relative": func(c *SMSConfig) { c.URL = "/send" }, "user in it": func(c *SMSConfig) { c.URL = "https://a:b@sms.example.se/" },
		"loopback in the name": func(c *SMSConfig) { c.URL = "http://localhost.example.se/" },
		"no secret":            func(c *SMSConfig) { c.Secret = nil }, "no from": func(c *SMSConfig) { c.From = "" },
		"long from": func(c *SMSConfig) { c.From = "Exempelköpings kommun" }, "from": func(c *SMSConfig) { c.From = "0701740605x!" },
		"from digits": func(c *SMSConfig) { c.From = "71456" }, "short from": func(c *SMSConfig) { c.From = "ab" },
	} {
		c := good
		change(&c)
		if _, err := NewElks(c); err == nil {
			t.Errorf("46elks, %s: taken", name)
		}
		if _, err := NewGateway(c); err == nil {
			t.Errorf("gateway, %s: taken", name)
		}
	}
	for _, url := range []string{"http://localhost:1/x", "http://127.0.0.1/", "http://[::1]:2/", "https://sms.example.se"} {
		c := good
		c.URL, c.From = url, "+46701740605"
		elks(t, c)
	}
	c := good
	if c.URL = ""; elks(t, c).URL != "https://api.46elks.com/a1/sms" {
		t.Error("the default is another")
	}
	if c.User = ""; c.User == "" {
		if _, err := NewElks(c); err == nil {
			t.Error("without user: taken")
		}
	}
}

func TestSMSNetwork(t *testing.T) {
	// Nobody there, somebody with a certificate of nobody, one that hangs, one that
	// never stops talking.
	closed, _ := fake(t, 200, "")
	s := httptest.NewServer(nil)
	s.Close()
	closed.URL = s.URL + "/?key=hemlig"
	unknown, _ := fake(t, 200, "")
	unknown.Roots = nil
	end := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-end }))
	defer hanging.Close()
	defer close(end)
	slow := closed
	slow.URL, slow.Timeout = hanging.URL+"/?key=hemlig", 100*time.Millisecond
	for name, c := range map[string]SMSConfig{"closed": closed, "unknown": unknown, "slow": slow} {
		begun := time.Now()
		err := plain(t, c).Send(ctx, text())
		if err == nil || final(err) || time.Since(begun) > 5*time.Second {
			t.Errorf("%s: %v", name, err)
		}
		silentAbout(t, err, "")
	}

	// One that takes the message, and breaks off.
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "sent")
	}))
	defer cut.Close()
	taken := closed
	taken.URL = cut.URL
	check(t, plain(t, taken).Send(ctx, text()))

	wrote := make(chan int, 1)
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(500)
		n := 0
		for r := http.NewResponseController(w); n < 100<<20; n += 64 << 10 {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil || r.Flush() != nil {
				break
			}
		}
		wrote <- n
	}))
	defer endless.Close()
	c := closed
	c.URL = endless.URL
	if err := plain(t, c).Send(ctx, text()); err == nil || final(err) {
		t.Error(err)
	}
	if n := <-wrote; n >= 100<<20 {
		t.Error("all of it was read")
	}
}

// The simulated gateways were written from 46elks' pages by others.
func TestSMSSimulated(t *testing.T) {
	box, faults := inbox.New(time.Now), &control.Faults{}
	g := sms.New(sms.Config{Inbox: box, Faults: faults})
	defer g.Close()
	s := httptest.NewServer(g.Handler())
	defer s.Close()
	senders := map[string]Sender{
		"46elks":  elks(t, SMSConfig{URL: s.URL + sms.ElksPath + "/a1/sms", User: sms.User, Secret: []byte(sms.Password), From: "Kommunen"}),
		"gateway": plain(t, SMSConfig{URL: s.URL + sms.SendPath, Secret: []byte(sms.Token), From: "Kommunen"}),
	}
	for name, sender := range senders {
		box.Clear()
		check(t, sender.Send(ctx, text()))
		got := box.List("+46701740605")
		if len(got) != 1 || got[0].Text != text().Text || name == "gateway" && got[0].Reference != text().ID {
			t.Errorf("%s: %+v", name, got)
		}
		faults.Set(control.Fault{Provider: sms.Name, Fault: "reject", Rate: 1})
		if err := sender.Send(ctx, text()); !final(err) {
			t.Errorf("%s, rejected: %v", name, err)
		}
		faults.Clear()
		faults.Set(control.Fault{Provider: sms.Name, Fault: "drop", Rate: 1})
		if err := sender.Send(ctx, text()); err == nil || final(err) {
			t.Errorf("%s, dropped: %v", name, err)
		}
		faults.Clear()
	}
	wrong := elks(t, SMSConfig{URL: s.URL + sms.ElksPath + "/a1/sms", User: sms.User, Secret: []byte("x"), From: "Kommunen"})
	if err := wrong.Send(ctx, text()); err == nil || final(err) {
		t.Error(err)
	}
}

func TestSegments(t *testing.T) {
	x, å, e, u, emoji := "x", "å", "€", "ł", "👋"
	n := strings.Repeat
	for _, c := range []struct {
		text  string
		parts int
		ucs2  bool
	}{
		{"", 1, false}, {n(x, 160), 1, false}, {n(x, 161), 2, false}, {n(x, 306), 2, false}, {n(x, 307), 3, false},
		{n(å, 160), 1, false}, {n("ÅÄÖåäöéü§", 17), 1, false},
		{n(e, 80), 1, false}, {n(e, 81), 2, false}, {n(e, 152), 2, false}, {n(e, 153), 3, false}, // 76 of them in a part, one septet left over
		{n(x, 152) + e + n(x, 151), 2, false}, {n(x, 152) + e + n(x, 152), 3, false}, // though 306 septets
		{u, 1, true}, {n(u, 70), 1, true}, {n(u, 71), 2, true}, {n(u, 134), 2, true}, {n(u, 135), 3, true},
		{n(x, 69) + u, 1, true}, {n(x, 70) + u, 2, true},
		{n(emoji, 35), 1, true}, {n(emoji, 36), 2, true}, {n(emoji, 66), 2, true}, {n(emoji, 67), 3, true}, // 33 in a part
		{"`", 1, true}, {"á", 1, true}, {"{}", 1, false}, {"\t", 1, true},
	} {
		if parts, ucs2 := Segments(c.text); parts != c.parts || ucs2 != c.ucs2 {
			t.Errorf("%.20q (%d): %d, %v; want %d, %v", c.text, len([]rune(c.text)), parts, ucs2, c.parts, c.ucs2)
		}
	}
	// The table of the specification has 128 places, of which one is the escape.
	if basic := len([]rune(gsmBasic)); basic != 127 {
		t.Errorf("%d basic characters", basic)
	}
}
