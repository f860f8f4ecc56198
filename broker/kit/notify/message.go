// Package notify sends messages to people: e-mail through a relay, SMS through a
// gateway.
//
// It owns the form of what goes out (RFC 5322 and MIME for e-mail, GSM 03.38 for
// the length of an SMS) and what the answers mean: sent, refused for good, or to
// be tried again. It does not know what is said to whom and why, nor does it try
// again: broker/kit/outbox does. How addresses are written is broker/kit/contact's.
//
// A message is sent at least once. Its ID is the same at each try and becomes the
// mail's Message-ID and the SMS's reference, so that the second of two can be known
// for what it is; 46elks has no place for it.
//
// No error and no log line holds an address, a number, a text or a secret, nor what
// the other side said in words, since it likes to repeat them.
package notify

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Message is what one person is told.
type Message struct {
	// ID names it for ever: letters, digits, "-", "_" and single dots, at most 128.
	ID string
	To string // e-mail address or telephone number, as contact reads it
	// FromName is whose message it is, in words; e-mail only, and empty means the
	// configured one.
	FromName string
	Subject  string // e-mail only
	Text     string
	HTML     string // e-mail only, besides Text; may be empty
	Lang     string // "sv", "en"; may be empty
}

// Sender sends a message. An error that is a *Refused is final; any other may pass.
type Sender interface {
	Send(context.Context, Message) error
}

// Reason is why a message was refused.
type Reason string

const (
	BadAddress Reason = "address"   // it is no address; nobody was asked
	BadMessage Reason = "message"   // malformed or not wanted
	NoSuch     Reason = "recipient" // the other side does not take messages for it
)

// Refused says that a message will never be taken.
type Refused struct {
	Reason Reason
	Answer string // code of the answer, such as "550 5.1.1"; empty when nobody was asked
}

func (r *Refused) Error() string {
	if r.Answer == "" {
		return "message not sent: bad " + string(r.Reason)
	}
	return fmt.Sprintf("message refused because of the %s: answer %s", r.Reason, r.Answer)
}

// Permanent tells whoever tries again that it is no use.
func (*Refused) Permanent() bool { return true }

const (
	maxID      = 128
	maxSubject = 500
	maxBody    = 256 << 10
)

var (
	messageID = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	language  = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$`)
)

// check refuses what no recipient should get. Most of all it keeps header fields
// from being smuggled in.
func (m Message) check() error {
	plain := func(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, forbidden) }
	line := func(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) }
	switch {
	case len(m.ID) > maxID, !messageID.MatchString(m.ID),
		m.Lang != "" && !language.MatchString(m.Lang),
		len(m.Subject) > maxSubject, !line(m.Subject), len(m.FromName) > maxSubject, !line(m.FromName),
		strings.TrimSpace(m.Text) == "", len(m.Text) > maxBody, len(m.HTML) > maxBody, !plain(m.Text), !plain(m.HTML):
		return &Refused{Reason: BadMessage}
	}
	return nil
}

func forbidden(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }
