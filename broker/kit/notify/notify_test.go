package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"sigill/testidp/control"
	"sigill/testidp/inbox"
	testmail "sigill/testidp/mail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ctx = context.Background()

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const (
	secret = "hemligt-lösenord"
	rude   = "<person.ett@example.se> Testperson Ett is not welcome, says "
)

func message() Message {
	return Message{
		ID: "order-1.invitation.2", To: "person.ett@example.se", Lang: "sv",
		Subject: "Åsa behöver din underskrift på en ansökan om förskola och fritidshem i Exempelköping, läsåret 2026/2027",
		Text:    "Hej Åsa!\n\nSkriv under på https://example.se/signing/x/i/hemlig-token\n.\n..\nHälsningar\n",
		HTML:    "<p>Hej Åsa!</p>",
	}
}

// relay is a mail server whose answers a test decides.
type relay struct {
	mu     sync.Mutex
	from   []string
	to     []string
	mails  [][]byte
	tls    bool // of the last session
	utf8   bool // SMTPUTF8 was asked for
	open   int  // sessions
	user   string
	server *smtp.Server

	mail, rcpt, data error
	mechanisms       []string
	hang             chan struct{} // if set, RCPT waits for it
}

type session struct {
	*relay
	conn *smtp.Conn
}

func (r *relay) NewSession(c *smtp.Conn) (smtp.Session, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open++
	return &session{r, c}, nil
}

// left waits until no session is open any more.
func (r *relay) left(t *testing.T) {
	t.Helper()
	for range 200 {
		r.mu.Lock()
		open := r.open
		r.mu.Unlock()
		if open == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("a connection was left open")
}

func (s *session) AuthMechanisms() []string { return s.mechanisms }
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "user" || password != secret {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: rude + password}
		}
		s.user = user
		return nil
	}), nil
}
func (s *session) Mail(from string, o *smtp.MailOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.utf8 = o.UTF8
	_, s.tls = s.conn.TLSConnectionState()
	s.from = append(s.from, from)
	return s.mail
}
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.hang != nil {
		<-s.hang
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = append(s.to, to)
	return s.rcpt
}
func (s *session) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.data != nil {
		return s.data
	}
	s.mails = append(s.mails, b)
	return err
}
func (*session) Reset() {}
func (s *session) Logout() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	return nil
}

// certificate is one for 127.0.0.1, and the pool that knows it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s.TLS.Certificates[0], pool
}

// start starts the relay and gives a configuration that reaches it.
func (r *relay) start(t *testing.T, mode TLSMode) MailConfig {
	t.Helper()
	cert, pool := certificate(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	r.server = smtp.NewServer(r)
	r.server.Domain = "relay.example.se"
	r.server.AllowInsecureAuth = true
	r.server.EnableSMTPUTF8 = true
	r.server.ErrorLog = silent{}
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	switch mode {
	case StartTLS:
		r.server.TLSConfig = config
	case TLS:
		l = tls.NewListener(l, config)
	}
	over := make(chan struct{})
	go func() { r.server.Serve(l); close(over) }()
	t.Cleanup(func() { r.server.Close(); <-over })
	return MailConfig{
		Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, TLS: mode, Roots: pool,
		From: "noreply@example.se", FromName: "Exempelköpings kommun", Timeout: 5 * time.Second,
		Now: func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("", 3600)) },
	}
}

type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

func mailer(t *testing.T, c MailConfig) *Mailer {
	t.Helper()
	m, err := NewMailer(c)
	check(t, err)
	return m
}

// What leaves is read here by other code than wrote it.
func TestMail(t *testing.T) {
	r := &relay{}
	m := mailer(t, r.start(t, StartTLS))
	check(t, m.Send(ctx, message()))
	if len(r.mails) != 1 || r.from[0] != "noreply@example.se" || r.to[0] != "person.ett@example.se" || !r.tls || r.utf8 {
		t.Fatalf("%d mails from %v to %v, TLS %v", len(r.mails), r.from, r.to, r.tls)
	}
	for i, c := range r.mails[0] {
		if c > '~' || c < ' ' && c != '\r' && c != '\n' && c != '\t' {
			t.Fatalf("byte %d of the mail is %x", i, c)
		}
	}
	for _, line := range strings.Split(string(r.mails[0]), "\r\n") {
		if len(line) > 78 || strings.Contains(line, "\n") {
			t.Errorf("line %q", line)
		}
	}
	mail, err := netmail.ReadMessage(bytes.NewReader(r.mails[0]))
	check(t, err)
	decode := func(s string) string {
		d, err := new(mime.WordDecoder).DecodeHeader(s)
		check(t, err)
		return d
	}
	want := map[string]string{
		"From": `"Exempelköpings kommun" <noreply@example.se>`, "To": "<person.ett@example.se>", "Subject": message().Subject,
		"Message-Id": "<order-1.invitation.2@example.se>", "Auto-Submitted": "auto-generated", "Content-Language": "sv",
		"Date": "Sun, 01 Mar 2026 12:00:00 +0100", "Mime-Version": "1.0",
	}
	for name, values := range mail.Header {
		if name == "Content-Type" {
			continue
		}
		if len(values) != 1 || strings.ReplaceAll(decode(values[0]), "Exempelköpings kommun <", `"Exempelköpings kommun" <`) != want[name] {
			t.Errorf("%s: %q, want %q", name, values, want[name])
		}
		delete(want, name)
	}
	if len(want) != 0 {
		t.Errorf("lacking: %v", want)
	}
	kind, params, err := mime.ParseMediaType(mail.Header.Get("Content-Type"))
	check(t, err)
	if kind != "multipart/alternative" {
		t.Errorf("it is %s", kind)
	}
	parts := multipart.NewReader(mail.Body, params["boundary"])
	for _, want := range []struct{ kind, text string }{
		{"text/plain; charset=UTF-8", strings.ReplaceAll(message().Text, "\n", "\r\n")}, {"text/html; charset=UTF-8", message().HTML},
	} {
		p, err := parts.NextRawPart()
		check(t, err)
		text, err := io.ReadAll(quotedprintable.NewReader(p))
		check(t, err)
		if got := strings.ReplaceAll(p.Header.Get("Content-Type"), "utf-8", "UTF-8"); got != want.kind ||
			strings.TrimRight(string(text), "\r\n") != strings.TrimRight(want.text, "\r\n") {
			t.Errorf("part %s: %q, want %s: %q", got, text, want.kind, want.text)
		}
	}
	if _, err := parts.NextRawPart(); err != io.EOF {
		t.Error("there is a third part")
	}

	// Without HTML it is text alone, and the second try looks like the first.
	plain := message()
	plain.FromName = "Bygg & miljö, \"Norra\" <nämnden>"
	plain.HTML, plain.To = "", "person.ett@räksmörgås.example"
	check(t, m.Send(ctx, plain))
	check(t, m.Send(ctx, plain))
	if !bytes.Equal(r.mails[1], r.mails[2]) || !bytes.Contains(r.mails[1], []byte("Content-Type: text/plain")) {
		t.Errorf("%s", r.mails[1])
	}
	if again, err := netmail.ReadMessage(bytes.NewReader(r.mails[1])); err != nil {
		t.Error(err)
	} else if a, err := netmail.ParseAddress(again.Header.Get("From")); err != nil || a.Name != plain.FromName || a.Address != "noreply@example.se" {
		t.Errorf("from %v, %v", a, err)
	}
	if r.to[1] != "person.ett@xn--rksmrgs-5wao1o.example" {
		t.Errorf("to %s", r.to[1])
	}
}

func TestMailTLS(t *testing.T) {
	for _, c := range []struct {
		name   string
		server TLSMode
		change func(*relay, *MailConfig)
		fails  string // empty: it is sent
		tls    bool
	}{
		{"starttls", StartTLS, nil, "", true},
		{"tls", TLS, nil, "", true},
		{"none, on this machine", NoTLS, nil, "", false},
		{"starttls is the default", StartTLS, func(_ *relay, c *MailConfig) { c.TLS = "" }, "", true},
		{"starttls not offered", NoTLS, func(_ *relay, c *MailConfig) { c.TLS = StartTLS }, "does not support STARTTLS", false},
		{"unknown root", StartTLS, func(_ *relay, c *MailConfig) { c.Roots = x509.NewCertPool() }, "certificate", false},
		{"unknown root, tls", TLS, func(_ *relay, c *MailConfig) { c.Roots = x509.NewCertPool() }, "certificate", false},
		{"another name", TLS, func(_ *relay, c *MailConfig) { c.Host = "localhost" }, "certificate", false},
		{"plain, asked for tls", NoTLS, func(_ *relay, c *MailConfig) { c.TLS = TLS }, "first record does not look like a TLS handshake", false},
		{"password", StartTLS, func(r *relay, c *MailConfig) {
			r.mechanisms, c.User, c.Password = []string{"PLAIN"}, "user", []byte(secret)
		}, "", true},
		{"password, tls", TLS, func(r *relay, c *MailConfig) {
			r.mechanisms, c.User, c.Password = []string{"PLAIN"}, "user", []byte(secret)
		}, "", true},
		{"false password", StartTLS, func(r *relay, c *MailConfig) {
			r.mechanisms, c.User, c.Password = []string{"PLAIN"}, "user", []byte(secret+"x")
		}, "answer 535", true},
		{"no authentication offered", StartTLS, func(_ *relay, c *MailConfig) { c.User, c.Password = "user", []byte(secret) }, "does not support SMTP AUTH", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &relay{}
			config := r.start(t, c.server)
			var log bytes.Buffer
			config.Log = slog.New(slog.NewTextHandler(&log, nil))
			if c.change != nil {
				c.change(r, &config)
			}
			err := mailer(t, config).Send(ctx, message())
			r.left(t)
			if c.fails == "" {
				check(t, err)
				if len(r.mails) != 1 || r.tls != c.tls || r.user != config.User {
					t.Errorf("%d mails, TLS %v, user %q", len(r.mails), r.tls, r.user)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Fatalf("got %v", err)
			}
			silentAbout(t, err, log.String())
			if final(err) {
				t.Errorf("final: %v", err)
			}
			if logged := log.Len() > 0; logged != (strings.Contains(c.fails, "535") || c.fails == "certificate") {
				t.Errorf("log: %s", log.String())
			}
		})
	}
}

func final(err error) bool {
	var r *Refused
	return errors.As(err, &r)
}

// silentAbout checks that neither says anything of the message.
func silentAbout(t *testing.T, err error, log string) {
	t.Helper()
	for _, s := range []string{"person", "Åsa", "token", secret, "hemlig", "welcome", "0701740605", "701740605"} {
		if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), s) || strings.Contains(log, s) {
			t.Errorf("%q stands in %v or in %s", s, err, log)
		}
	}
}

func TestMailAnswers(t *testing.T) {
	answer := func(code int, a, b, c int) error {
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{a, b, c}, Message: rude + "Åsa"}
	}
	for _, c := range []struct {
		name             string
		mail, rcpt, data error
		want             string // of the error
		reason           Reason // empty: temporary
		logged           bool
	}{
		{name: "no such mailbox", rcpt: answer(550, 5, 1, 1), want: "answer 550 5.1.1", reason: NoSuch},
		{name: "mailbox full", rcpt: answer(452, 4, 2, 2), want: "RCPT TO command: answer 452 4.2.2"},
		{name: "greylisted", rcpt: answer(450, 4, 7, 1), want: "answer 450"},
		{name: "spam", data: answer(554, 5, 7, 1), want: "answer 554 5.7.1", reason: BadMessage},
		{name: "disk full", data: answer(452, 4, 3, 1), want: "answer 452"},
		{name: "sender refused", mail: answer(550, 5, 7, 1), want: "MAIL FROM command: answer 550 5.7.1", logged: true},
		{name: "authentication missing", rcpt: answer(530, 5, 7, 0), want: "answer 530 5.7.0", logged: true},
		{name: "out of place", rcpt: answer(503, 5, 5, 1), want: "answer 503", logged: true},
		{name: "service closes", rcpt: answer(421, 4, 3, 2), want: "answer 421"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &relay{mail: c.mail, rcpt: c.rcpt, data: c.data}
			config := r.start(t, NoTLS)
			var log bytes.Buffer
			config.Log = slog.New(slog.NewTextHandler(&log, nil))
			err := mailer(t, config).Send(ctx, message())
			r.left(t)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v", err)
			}
			var refused *Refused
			if errors.As(err, &refused); (refused == nil) != (c.reason == "") || refused != nil && refused.Reason != c.reason {
				t.Errorf("reason %+v", refused)
			}
			if p, ok := err.(interface{ Permanent() bool }); (ok && p.Permanent()) != (c.reason != "") {
				t.Error("the outbox would not see it")
			}
			if (log.Len() > 0) != c.logged {
				t.Errorf("log: %s", log.String())
			}
			silentAbout(t, err, log.String())
		})
	}
}

func TestMailRefuses(t *testing.T) {
	r := &relay{}
	m := mailer(t, r.start(t, NoTLS))
	for name, change := range map[string]func(*Message){
		"no recipient":             func(m *Message) { m.To = "" },
		"two recipients":           func(m *Message) { m.To = "a@example.se, b@example.se" },
		"recipient with name":      func(m *Message) { m.To = "Testperson Ett <a@example.se>" },
		"recipient with line":      func(m *Message) { m.To = "a@example.se\r\nRCPT TO:<b@example.se>" },
		"header in the subject":    func(m *Message) { m.Subject = "x\r\nBcc: b@example.se" },
		"line break in subject":    func(m *Message) { m.Subject = "x\ny" },
		"escape in the subject":    func(m *Message) { m.Subject = "\x1b[31m" },
		"line break in the name":   func(m *Message) { m.FromName = "x\r\nBcc: b@example.se" },
		"no subject":               func(m *Message) { m.Subject = "" },
		"long subject":             func(m *Message) { m.Subject = strings.Repeat("x", maxSubject+1) },
		"header in the id":         func(m *Message) { m.ID = "x>\r\nBcc: b@example.se" },
		"space in the id":          func(m *Message) { m.ID = "a b" },
		"dots in the id":           func(m *Message) { m.ID = "a..b" },
		"no id":                    func(m *Message) { m.ID = "" },
		"long id":                  func(m *Message) { m.ID = strings.Repeat("x", maxID+1) },
		"header in the language":   func(m *Message) { m.Lang = "sv\r\nBcc: b@example.se" },
		"no text":                  func(m *Message) { m.Text = " \n" },
		"NUL in the text":          func(m *Message) { m.Text = "a\x00b" },
		"text that is not UTF-8":   func(m *Message) { m.Text = "\xff" },
		"HTML that is not UTF-8":   func(m *Message) { m.HTML = "\xff" },
		"long text":                func(m *Message) { m.Text = strings.Repeat("x", maxBody+1) },
		"subject that's not UTF-8": func(m *Message) { m.Subject = "\xff" },
	} {
		msg := message()
		change(&msg)
		if err := m.Send(ctx, msg); !final(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(r.from) != 0 {
		t.Error("the relay was asked")
	}
	msg := message()
	msg.Lang = ""
	check(t, m.Send(ctx, msg))
}

func TestNewMailer(t *testing.T) {
	good := MailConfig{Host: "relay.example.se", From: "noreply@example.se"}
	for name, change := range map[string]func(*MailConfig){
		"no host":               func(c *MailConfig) { c.Host = "" },
		"host with port":        func(c *MailConfig) { c.Host = "relay.example.se:25" },
		"unix socket":           func(c *MailConfig) { c.Host = "unix:///tmp/x" },
		"no TLS over the net":   func(c *MailConfig) { c.TLS = NoTLS },
		"no TLS to another":     func(c *MailConfig) { c.TLS, c.Host = NoTLS, "192.0.2.1" },
		"no such mode":          func(c *MailConfig) { c.TLS = "maybe" },
		"port":                  func(c *MailConfig) { c.Port = 70000 },
		"no from":               func(c *MailConfig) { c.From = "" },
		"from with name":        func(c *MailConfig) { c.From = "Kommunen <noreply@example.se>" },
		"two lines of name":     func(c *MailConfig) { c.FromName = "a\nb" },
		"password without user": func(c *MailConfig) { c.Password = []byte("x") },
		"hello":                 func(c *MailConfig) { c.Hello = "a b" },
		"timeout":               func(c *MailConfig) { c.Timeout = -1 },
	} {
		c := good
		change(&c)
		if _, err := NewMailer(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for mode, port := range map[TLSMode]int{"": 587, StartTLS: 587, TLS: 465, NoTLS: 25} {
		c := good
		c.TLS, c.Host = mode, "::1"
		if m := mailer(t, c); m.Port != port {
			t.Errorf("%q: port %d", mode, m.Port)
		}
	}
}

// A relay that hangs does not hold whoever stops waiting, nor for ever.
func TestMailHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	var conns []net.Conn
	var mu sync.Mutex
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
		}
	}()
	defer func() {
		l.Close()
		<-accepting
		for _, c := range conns {
			c.Close()
		}
	}()
	silentOne := MailConfig{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, TLS: NoTLS, From: "noreply@example.se"}

	r := &relay{hang: make(chan struct{})}
	hanging := r.start(t, NoTLS)
	defer close(r.hang)
	for name, c := range map[string]MailConfig{"greeting": silentOne, "recipient": hanging} {
		c.Timeout = 200 * time.Millisecond
		begun := time.Now()
		if err := mailer(t, c).Send(ctx, message()); err == nil || final(err) || time.Since(begun) > 3*time.Second {
			t.Errorf("%s: %v after %v", name, err, time.Since(begun))
		}
		c.Timeout = time.Minute
		gone, leave := context.WithTimeout(ctx, 200*time.Millisecond)
		begun = time.Now()
		if err := mailer(t, c).Send(gone, message()); !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(fmt.Sprint(err), context.DeadlineExceeded.Error()) || time.Since(begun) > 3*time.Second {
			t.Errorf("%s, left: %v after %v", name, err, time.Since(begun))
		}
		leave()
	}
}

// A relay that talks without end is left.
func TestMailTalks(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	sent := make(chan int)
	go func() {
		c, err := l.Accept()
		if err != nil {
			sent <- 0
			return
		}
		defer c.Close()
		n := 0
		for {
			m, err := c.Write(bytes.Repeat([]byte("x"), 64<<10))
			if n += m; err != nil || n > 100<<20 {
				sent <- n
				return
			}
		}
	}()
	c := MailConfig{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, TLS: NoTLS, From: "noreply@example.se"}
	if err := mailer(t, c).Send(ctx, message()); err == nil || final(err) || strings.Contains(err.Error(), "xxx") {
		t.Errorf("%.200v", err)
	}
	if n := <-sent; n > 50<<20 {
		t.Errorf("it could say %d bytes", n)
	}
}

// The simulated relay was written from the RFCs by others, and is strict.
func TestMailSimulated(t *testing.T) {
	box, faults := inbox.New(time.Now), &control.Faults{}
	s := testmail.New(testmail.Config{Inbox: box, Faults: faults})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	over := make(chan error)
	go func() { over <- s.Serve(l) }()
	defer func() { s.Close(); <-over }()
	m := mailer(t, MailConfig{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, TLS: NoTLS, From: "noreply@example.se", FromName: "Exempelköpings kommun"})
	check(t, m.Send(ctx, message()))
	got := box.List(message().To)
	if len(got) != 1 || got[0].Subject != message().Subject || got[0].HTML != message().HTML ||
		strings.TrimSpace(strings.ReplaceAll(got[0].Text, "\r\n", "\n")) != strings.TrimSpace(message().Text) {
		t.Errorf("%+v", got)
	}
	for mode, refused := range map[string]bool{"down": false, "tempfail": false, "reject": true, "drop": false} {
		faults.Set(control.Fault{Provider: testmail.Name, Fault: mode, Rate: 1})
		if err := m.Send(ctx, message()); err == nil || final(err) != refused {
			t.Errorf("%s: %v", mode, err)
		}
		faults.Clear()
	}
}
