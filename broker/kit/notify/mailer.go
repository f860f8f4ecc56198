package notify

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	netmail "net/mail"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/wneessen/go-mail"

	"sigill/broker/kit/contact"
)

// TLSMode is how the way to the relay is protected.
type TLSMode string

const (
	StartTLS TLSMode = "starttls" // demanded, not only offered
	TLS      TLSMode = "tls"      // from the first byte
	NoTLS    TLSMode = "none"     // only to this machine itself
)

// MailConfig is how mail gets out. Host and From are needed.
type MailConfig struct {
	Host     string         // of the relay
	Port     int            // default 587, 465 or 25, as TLS is
	TLS      TLSMode        // default StartTLS
	Roots    *x509.CertPool // nil: the system's
	User     string         // empty: no authentication
	Password []byte
	From     string // address; bounces go there too
	FromName string
	Hello    string        // our name for the relay, and in Message-IDs; default: the domain of From
	Timeout  time.Duration // of one message; default 30 s
	Now      func() time.Time
	Log      *slog.Logger // hears when the relay refuses us, not a message
}

// Mailer sends e-mail.
type Mailer struct {
	MailConfig
	options []mail.Option
	tls     *tls.Config
}

// NewMailer checks the configuration and connects to nothing.
func NewMailer(c MailConfig) (*Mailer, error) {
	c.TLS = cmp.Or(c.TLS, StartTLS)
	ports := map[TLSMode]int{StartTLS: 587, TLS: 465, NoTLS: 25}
	port, known := ports[c.TLS]
	c.Port = cmp.Or(c.Port, port)
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	from, err := contact.Email(c.From)
	switch {
	case !known:
		return nil, fmt.Errorf("mail: there is no TLS mode %q", c.TLS)
	case c.Host == "" || strings.ContainsAny(c.Host, ":/ ") && !isIP(c.Host):
		return nil, errors.New("mail: the relay's host must be a name or an address")
	case c.TLS == NoTLS && !loopbackHost(c.Host):
		return nil, errors.New("mail: without TLS only to this machine itself")
	case c.Port < 1 || c.Port > 65535:
		return nil, errors.New("mail: the relay's port must be 1 to 65535")
	case err != nil:
		return nil, errors.New("mail: from must be an e-mail address")
	case strings.ContainsFunc(c.FromName, unicode.IsControl):
		return nil, errors.New("mail: the sender's name must be one line")
	case c.User == "" && len(c.Password) > 0:
		return nil, errors.New("mail: a password without a user")
	}
	c.From = from
	if c.Hello == "" {
		_, c.Hello, _ = strings.Cut(from, "@")
	}
	if _, err := contact.Email("a@" + c.Hello); err != nil && c.Hello != "localhost" {
		return nil, errors.New("mail: our name for the relay must be a domain")
	}

	m := &Mailer{MailConfig: c, tls: &tls.Config{ServerName: c.Host, RootCAs: c.Roots, MinVersion: tls.VersionTLS12}}
	m.options = []mail.Option{
		mail.WithPort(c.Port), mail.WithTimeout(c.Timeout), mail.WithHELO(c.Hello), mail.WithTLSConfig(m.tls),
		mail.WithTLSPolicy(mail.NoTLS), mail.WithoutNoop(), mail.WithoutRset(), mail.WithoutSMTPUTF8(),
	}
	if c.TLS == StartTLS {
		m.options = append(m.options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if c.User != "" {
		m.options = append(m.options, mail.WithUsername(c.User), mail.WithPassword(string(c.Password)),
			mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthPlain, mail.SMTPAuthLogin))
	}
	if _, err := mail.NewClient(c.Host, m.options...); err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	return m, nil
}

func isIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

func loopbackHost(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

// Send hands a message to the relay.
func (m *Mailer) Send(ctx context.Context, msg Message) error {
	wire, err := m.compose(msg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, m.Timeout)
	defer cancel()

	// The library does not close a connection whose greeting fails, and forgets
	// the context once it has dialled. So the connection is ours.
	conn := &connection{}
	defer conn.close()
	defer context.AfterFunc(ctx, conn.close)()
	dial := func(ctx context.Context, _, address string) (net.Conn, error) {
		return conn.dial(ctx, address, m.TLS, m.tls)
	}
	options := append([]mail.Option{mail.WithDialContextFunc(dial)}, m.options...)
	client, err := mail.NewClient(m.Host, options...)
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return m.unfit(ctx, err)
	}
	err = client.SendWithSMTPClient(session, wire)
	if wire.IsDelivered() {
		client.CloseWithSMTPClient(session) // it has the message; whether it says goodbye is its own matter
		return nil
	}
	return m.judge(ctx, err)
}

func (m *Mailer) compose(msg Message) (*mail.Msg, error) {
	to, err := contact.Email(msg.To)
	if err != nil {
		return nil, &Refused{Reason: BadAddress}
	}
	if err := msg.check(); err != nil {
		return nil, err
	}
	if msg.Subject == "" {
		return nil, &Refused{Reason: BadMessage}
	}
	wire := mail.NewMsg(mail.WithNoDefaultUserAgent(), mail.WithCharset(mail.CharsetUTF8), mail.WithEncoding(mail.EncodingQP))
	wire.FromMailAddress(&netmail.Address{Name: cmp.Or(msg.FromName, m.FromName), Address: m.From})
	wire.ToMailAddress(&netmail.Address{Address: to})
	wire.Subject(msg.Subject)
	wire.SetMessageIDWithValue(msg.ID + "@" + m.Hello)
	wire.SetDateWithValue(m.Now())
	wire.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office answers
	if msg.Lang != "" {
		wire.SetGenHeader("Content-Language", msg.Lang)
	}
	wire.SetBodyString(mail.TypeTextPlain, msg.Text)
	if msg.HTML != "" {
		wire.AddAlternativeString(mail.TypeTextHTML, msg.HTML)
	}
	return wire, nil
}

// unfit is what comes of a connection on which no message was even offered.
func (m *Mailer) unfit(ctx context.Context, err error) error {
	what := reason(ctx, err)
	var answer *textproto.Error
	var unknown *tls.CertificateVerificationError
	if errors.As(err, &answer) && answer.Code >= 500 || errors.As(err, &unknown) {
		m.Log.ErrorContext(ctx, "the mail relay refuses us, or we it; is it configured rightly?", "host", m.Host, "reason", what)
	}
	return errors.New("mail: no session with the relay: " + what)
}

// reason is what may be told of an error of the network or of the first talk with
// the relay: our own words and the libraries', never the relay's.
func reason(ctx context.Context, err error) string {
	var answer *textproto.Error
	var malformed textproto.ProtocolError
	switch {
	case ctx.Err() != nil:
		return ctx.Err().Error()
	case errors.As(err, &answer):
		return fmt.Sprintf("answer %d", answer.Code)
	case errors.As(err, &malformed):
		return "an answer that is not SMTP"
	}
	return err.Error()
}

// ourFault are the answers to a recipient or a message that speak of something
// else: commands out of place, authentication missing (RFC 5321 section 4.2, RFC
// 4954 section 6), a host that takes no mail at all (RFC 7504).
var ourFault = [...]int{500, 502, 503, 504, 521, 530, 534, 535, 538}

// judge tells for good from for now.
func (m *Mailer) judge(ctx context.Context, err error) error {
	var e *mail.SendError
	if !errors.As(err, &e) || e.ErrorCode() == 0 {
		if ctx.Err() != nil {
			return fmt.Errorf("mail: %w", ctx.Err())
		}
		return errors.New("mail: the relay went away")
	}
	answer := strings.TrimSpace(fmt.Sprintf("%d %s", e.ErrorCode(), e.EnhancedStatusCode()))
	final := e.ErrorCode() >= 500 && !slices.Contains(ourFault[:], e.ErrorCode())
	switch {
	case final && e.Reason == mail.ErrSMTPRcptTo:
		return &Refused{Reason: NoSuch, Answer: answer}
	case final && (e.Reason == mail.ErrSMTPData || e.Reason == mail.ErrSMTPDataClose):
		return &Refused{Reason: BadMessage, Answer: answer}
	case e.ErrorCode() >= 500:
		m.Log.ErrorContext(ctx, "the mail relay refuses us; is it configured rightly?", "host", m.Host, "at", e.Reason.String(), "reason", answer)
	}
	return fmt.Errorf("mail: %s: answer %s", e.Reason, answer)
}
