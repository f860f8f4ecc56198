package mail

import (
	"crypto/subtle"
	"io"
	"net"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"sigill/testidp/control"
)

// A session is one client's connection; it takes one mail at a time.
type session struct {
	server *Server
	conn   net.Conn

	drawn  control.Drawn // the faults of this mail
	sender string
	to     []string
}

// AuthMechanisms implements smtp.AuthSession.
func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

// Auth implements smtp.AuthSession.
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	if mechanism != sasl.Plain {
		return nil, smtp.ErrAuthUnknownMechanism
	}
	return sasl.NewPlainServer(func(identity, user, password string) error {
		if identity != "" && identity != user || !same(user, User) || !same(password, Password) {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// Mail implements smtp.Session.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.drawn = s.server.faults.Draw(Name)
	if s.drawn[slow] && !s.server.pause(s.server.slow) {
		return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "The server ends"}
	}
	if from != "" && !address(from) {
		return &smtp.SMTPError{Code: 501, EnhancedCode: smtp.EnhancedCode{5, 1, 7}, Message: "Not an address"}
	}
	s.sender, s.to = from, nil
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	switch {
	case !address(to):
		return &smtp.SMTPError{Code: 501, EnhancedCode: smtp.EnhancedCode{5, 1, 3}, Message: "Not an address"}
	case s.drawn[tempfail]:
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Simulated: try again later"}
	case s.drawn[reject]:
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "Simulated: mailbox unknown"}
	}
	s.to = append(s.to, to)
	return nil
}

// Data implements smtp.Session.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m, err := parse(raw)
	if err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "Malformed: " + printable(err.Error())}
	}
	m.Sender = s.sender
	for _, to := range s.to {
		m.To = to
		s.server.inbox.Add(m)
	}
	if s.drawn[drop] {
		s.conn.Close()
	}
	return nil
}

// Reset implements smtp.Session.
func (s *session) Reset() { s.sender, s.to, s.drawn = "", nil, nil }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

// address wants a name, an @ and a domain, in printable ASCII.
func address(s string) bool {
	at := strings.LastIndexByte(s, '@')
	return at > 0 && at < len(s)-1 && len(s) <= 254 && s == printable(s) && !strings.ContainsAny(s, " <>")
}

// printable makes a text fit for one line of an answer.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), 300)]
}
