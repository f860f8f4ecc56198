package mail

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"sigill/testidp/control"
	"sigill/testidp/inbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A post is a running server.
type post struct {
	server  *Server
	inbox   *inbox.Inbox
	faults  *control.Faults
	address string
}

func open(t *testing.T, slow time.Duration) post {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := post{inbox: inbox.New(nil), faults: &control.Faults{}, address: l.Addr().String()}
	p.server = New(Config{Inbox: p.inbox, Faults: p.faults, Slow: slow})
	ended := make(chan error, 1)
	go func() { ended <- p.server.Serve(l) }()
	t.Cleanup(func() {
		p.server.Close()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return p
}

func (p post) fault(mode string) { p.faults.Set(control.Fault{Provider: "mail", Fault: mode, Rate: 1}) }

func simple(body string) string {
	return "From: a@example.se\r\nTo: b@example.se\r\nSubject: Hej\r\nDate: Mon, 02 Nov 2026 10:00:00 +0100\r\nMessage-ID: <1@example.se>\r\n\r\n" + body
}

// send delivers a mail the way programs do.
func (p post) send(message string, to ...string) error {
	return smtp.SendMail(p.address, nil, "studs@example.se", to, []byte(message))
}

// code is the number of an SMTP error; 0 for none, -1 for anything else.
func code(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*textproto.Error](err); ok {
		return e.Code
	}
	return -1
}

func TestTakesMail(t *testing.T) {
	p := open(t, 0)
	if err := p.send(simple("Hej\r\n.rad med punkt\r\n"), "b@example.se", "c@example.se"); err != nil {
		t.Fatal(err)
	}
	list := p.inbox.List("")
	if len(list) != 2 || list[0].To != "b@example.se" || list[1].To != "c@example.se" {
		t.Fatalf("got %+v", list)
	}
	m := list[1]
	if m.Sender != "studs@example.se" || m.From != "a@example.se" || m.Subject != "Hej" || m.Text != "Hej\n.rad med punkt\n" || m.Reference != "<1@example.se>" || m.Header["To"][0] != "b@example.se" || m.Repeat {
		t.Errorf("got %+v", m)
	}
	if err := p.send(simple("Hej igen"), "c@example.se"); err != nil {
		t.Fatal(err)
	}
	if list := p.inbox.List("c@example.se"); len(list) != 2 || !list[1].Repeat {
		t.Errorf("got %+v", list)
	}
}

func TestSeveralMailsOnOneConnection(t *testing.T) {
	p := open(t, 0)
	c, err := smtp.Dial(p.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 3 {
		if err := errors.Join(c.Mail(""), c.Rcpt(fmt.Sprintf("n%d@example.se", i))); err != nil {
			t.Fatal(err)
		}
		w, err := c.Data()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, simple("x"))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Quit(); err != nil {
		t.Error(err)
	}
	if list := p.inbox.List(""); len(list) != 3 || list[2].To != "n2@example.se" || list[2].Sender != "" {
		t.Errorf("got %+v", list)
	}
}

func TestLogin(t *testing.T) {
	p := open(t, 0)
	host, _, _ := net.SplitHostPort(p.address)
	for name, c := range map[string]struct {
		auth smtp.Auth
		code int
	}{
		"right":          {smtp.PlainAuth("", User, Password, host), 0},
		"wrong password": {smtp.PlainAuth("", User, "x", host), 535},
		"wrong user":     {smtp.PlainAuth("", "x", Password, host), 535},
		"for another":    {smtp.PlainAuth("x", User, Password, host), 535},
		"by CRAM-MD5":    {smtp.CRAMMD5Auth(User, Password), 504},
	} {
		t.Run(name, func(t *testing.T) {
			if err := smtp.SendMail(p.address, c.auth, "a@example.se", []string{"b@example.se"}, []byte(simple("x"))); code(err) != c.code {
				t.Errorf("got %v", err)
			}
		})
	}
	if n := len(p.inbox.List("")); n != 1 {
		t.Errorf("%d kept", n)
	}
}

func TestRefuses(t *testing.T) {
	p := open(t, 0)
	many := make([]string, maxRecipients+1)
	for i := range many {
		many[i] = fmt.Sprintf("n%d@example.se", i)
	}
	for name, c := range map[string]struct {
		message string
		to      []string
		code    int
	}{
		"too large":           {simple(strings.Repeat("0123456789abcde\r\n", maxMessage/16)), nil, 552},
		"too long a line":     {simple(strings.Repeat("x", maxLine)), nil, 554},
		"malformed":           {"Subject: Hej\r\n\r\nx", nil, 554},
		"not an address":      {simple("x"), []string{"b"}, 501},
		"too many recipients": {simple("x"), many, 452},
		"no domain":           {simple("x"), []string{"b@"}, 501},
		"not ASCII":           {simple("x"), []string{"å@example.se"}, 501},
	} {
		t.Run(name, func(t *testing.T) {
			to := c.to
			if to == nil {
				to = []string{"b@example.se"}
			}
			if err := p.send(c.message, to...); code(err) != c.code {
				t.Errorf("got %v, want %d", err, c.code)
			}
		})
	}
	if n := len(p.inbox.List("")); n != 0 {
		t.Errorf("%d kept", n)
	}
	// The longest that is allowed.
	if err := p.send(simple(strings.Repeat("x", 998)), "b@example.se"); err != nil {
		t.Errorf("998 characters: %v", err)
	}
}

func TestFaults(t *testing.T) {
	p := open(t, 0)
	for mode, c := range map[string]struct {
		code, kept int
	}{
		down: {421, 0}, tempfail: {451, 0}, reject: {550, 0}, drop: {-1, 1},
	} {
		t.Run(mode, func(t *testing.T) {
			p.inbox.Clear()
			p.fault(mode)
			if err := p.send(simple("x"), "b@example.se"); code(err) != c.code {
				t.Errorf("got %v", err)
			}
			if n := len(p.inbox.List("")); n != c.kept {
				t.Errorf("%d kept", n)
			}
			p.faults.Clear()
			if err := p.send(simple("x"), "b@example.se"); err != nil {
				t.Errorf("afterwards: %v", err)
			}
			list := p.inbox.List("")
			if len(list) != c.kept+1 || list[len(list)-1].Repeat != (c.kept > 0) {
				t.Errorf("afterwards: %+v", list)
			}
		})
	}
	if len(faultModes()) != 5 { // and slow, below
		t.Error("a fault without a test")
	}
}

func TestSlow(t *testing.T) {
	p := open(t, 50*time.Millisecond)
	p.fault(slow)
	begun := time.Now()
	if err := p.send(simple("x"), "b@example.se"); err != nil || time.Since(begun) < 50*time.Millisecond {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}

// TestRate: a fault that nearly never happens does not, and what holds for
// everybody holds here.
func TestRate(t *testing.T) {
	p := open(t, 0)
	p.faults.Set(control.Fault{Provider: "mail", Fault: reject, Rate: 1e-9})
	if err := p.send(simple("x"), "b@example.se"); err != nil {
		t.Errorf("nearly never: %v", err)
	}
	p.faults.Set(control.Fault{Provider: "bankid", Fault: drop, Rate: 1})
	if err := p.send(simple("x"), "b@example.se"); err != nil {
		t.Errorf("somebody else's: %v", err)
	}
	p.faults.Set(control.Fault{Provider: control.Everyone, Fault: tempfail, Rate: 1})
	if err := p.send(simple("x"), "b@example.se"); code(err) != 451 {
		t.Errorf("everybody's: %v", err)
	}
}

// TestClose: an idle client does not hold up the end.
func TestClose(t *testing.T) {
	p := open(t, 0)
	idle, err := smtp.Dial(p.address)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	begun := time.Now()
	p.server.Close()
	p.server.Close() // twice does no harm
	if err := idle.Noop(); err == nil {
		t.Error("the idle connection is open")
	}
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	if conn, err := net.Dial("tcp", p.address); err == nil {
		conn.Close()
		t.Error("still listening")
	}
}

// TestCloseWhileSlow: nor does somebody who waits for a slow server.
func TestCloseWhileSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faults := &control.Faults{}
		faults.Set(control.Fault{Provider: Name, Fault: slow, Rate: 1})
		s := New(Config{Inbox: inbox.New(nil), Faults: faults, Slow: time.Hour})
		begun := time.Now()
		answered := make(chan error)
		go func() { answered <- (&session{server: s}).Mail("a@example.se", nil) }()
		synctest.Wait()
		s.Close()
		if err := <-answered; err == nil || time.Since(begun) != 0 {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

// TestCloseBeforeServe: the two may come in any order.
func TestCloseBeforeServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{Inbox: inbox.New(nil), Faults: &control.Faults{}})
	s.Close()
	if err := s.Serve(l); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", l.Addr().String()); err == nil {
		conn.Close()
		t.Error("still listening")
	}
}

// TestBareConversation: what a program that knows only the old protocol says.
func TestBareConversation(t *testing.T) {
	p := open(t, 0)
	conn, err := net.Dial("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for _, step := range []struct{ say, want string }{
		{"", "220 "},
		{"MAIL FROM:<a@example.se>", "502 "},
		{"HELO x", "250 "},
		{"RCPT TO:<b@example.se>", "502 "},
		{"MAIL FROM:<a@example.se>", "250 "},
		{"DATA", "502 "},
		{"RCPT TO:<b@example.se>", "250 "},
		{"DATA", "354 "},
		{simple("x") + "\r\n.", "250 "},
		{"QUIT", "221 "},
	} {
		if step.say != "" {
			fmt.Fprint(conn, step.say+"\r\n")
		}
		if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, step.want) {
			t.Fatalf("%q: %q, %v", step.say, line, err)
		}
	}
	if n := len(p.inbox.List("b@example.se")); n != 1 {
		t.Errorf("%d kept", n)
	}
}
