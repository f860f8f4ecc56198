// Package mail is a simulated mail server: it takes mail over SMTP (RFC 5321)
// for any recipient and puts it into the inbox. TEST ONLY.
//
// It owns the SMTP side, its faults, and the reading of messages (RFC 5322,
// MIME: RFC 2045 to 2047). It never sends anything on. It is stricter than
// mail servers are: what the standards forbid is refused with a reason, since
// some mail program out there would show it wrong.
package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"sigill/testidp/control"
	"sigill/testidp/inbox"
)

// Name is what the control API calls this server.
const Name = "mail"

// Who may log in. Nobody has to.
const (
	User     = "demo"
	Password = "demo-mail-password"
)

const (
	maxMessage    = 1 << 20
	maxRecipients = 20
	// maxLine is the longest line with its end (RFC 5321 section 4.5.3.1.6),
	// counted from the line break before.
	maxLine  = 1000
	patience = time.Minute
)

// Config is what a server needs.
type Config struct {
	Inbox  *inbox.Inbox
	Faults *control.Faults
	Slow   time.Duration // how much the fault "slow" takes; 0 means 3 s
	Log    *slog.Logger  // nil: silent
}

// A Server takes mail. Serve runs it, Close ends it.
type Server struct {
	inbox  *inbox.Inbox
	faults *control.Faults
	slow   time.Duration
	log    *slog.Logger
	smtp   *smtp.Server

	done chan struct{}
	open connections
}

// New makes a server.
func New(c Config) *Server {
	if c.Slow == 0 {
		c.Slow = 3 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{inbox: c.Inbox, faults: c.Faults, slow: c.Slow, log: c.Log, done: make(chan struct{})}
	s.smtp = smtp.NewServer(smtp.BackendFunc(func(conn *smtp.Conn) (smtp.Session, error) {
		return &session{server: s, conn: conn.Conn()}, nil
	}))
	s.smtp.Domain = "localhost"
	s.smtp.MaxMessageBytes = maxMessage
	s.smtp.MaxRecipients = maxRecipients
	s.smtp.MaxLineLength = maxLine
	s.smtp.AllowInsecureAuth = true // there is only loopback
	s.smtp.ReadTimeout, s.smtp.WriteTimeout = patience, patience
	s.smtp.ErrorLog = errorLog{c.Log}
	return s
}

// Name implements control.Service.
func (s *Server) Name() string { return Name }

// FaultModes implements control.Service.
func (s *Server) FaultModes() []string { return faultModes() }

// Serve takes mail from a listener, which it closes, until Close is called.
func (s *Server) Serve(l net.Listener) error {
	if !s.open.listen(l) {
		return l.Close()
	}
	err := s.smtp.Serve(&listener{l, s})
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Close ends Serve, cuts all connections and waits until nobody works on them.
func (s *Server) Close() {
	if !s.open.close() {
		return
	}
	close(s.done)
	// Without connections there is nothing left that this would wait for long.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s.smtp.Shutdown(ctx)
}

// pause waits; it reports false when the server ends before.
func (s *Server) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-s.done:
		return false
	case <-t.C:
		return true
	}
}

// A listener turns clients away while the server is down, and remembers the
// others, so that they can be cut off.
type listener struct {
	net.Listener
	server *Server
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.server.faults.Draw(Name)[down] {
			conn.SetWriteDeadline(time.Now().Add(time.Second))
			conn.Write([]byte("421 4.3.2 localhost Simulated: the service is not available\r\n"))
			conn.Close()
			continue
		}
		return l.server.open.add(conn), nil
	}
}

// connections are the open ones and what they came by. The zero value has none.
type connections struct {
	mu        sync.Mutex
	closed    bool
	listeners []net.Listener
	open      map[*connection]bool
}

type connection struct {
	net.Conn
	of *connections
}

// listen notes a listener; it reports false when everything is closed.
func (c *connections) listen(l net.Listener) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listeners = append(c.listeners, l)
	return !c.closed
}

func (c *connections) add(conn net.Conn) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := &connection{conn, c}
	if c.closed {
		conn.Close()
		return n
	}
	if c.open == nil {
		c.open = map[*connection]bool{}
	}
	c.open[n] = true
	return n
}

// Close implements net.Conn.
func (n *connection) Close() error {
	n.of.mu.Lock()
	delete(n.of.open, n)
	n.of.mu.Unlock()
	return n.Conn.Close()
}

// close closes them all; it reports false when they were.
func (c *connections) close() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.closed = true
	for _, l := range c.listeners {
		l.Close()
	}
	for n := range c.open {
		n.Conn.Close()
	}
	return true
}

// errorLog sends what the SMTP library complains about to slog.
type errorLog struct{ log *slog.Logger }

func (e errorLog) Printf(format string, v ...any) {
	e.log.Debug("smtp", "line", strings.TrimSpace(fmt.Sprintf(format, v...)))
}

func (e errorLog) Println(v ...any) {
	e.log.Debug("smtp", "line", strings.TrimSpace(fmt.Sprintln(v...)))
}
