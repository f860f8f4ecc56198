package inbox

import (
	"strings"
	"time"
)

// The channels that a message can come by.
const (
	Email = "email"
	SMS   = "sms"
)

// A Message is one mail or SMS as one recipient got it: a mail to two people
// is two messages. The JSON is what the control API shows (DESIGN.md section
// 6); members beyond the documented ones stand last.
type Message struct {
	ID      string    `json:"id"`
	Channel string    `json:"channel"`
	To      string    `json:"to"` // of the envelope, not of the header
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	HTML    string    `json:"html"`
	Links   []string  `json:"links"` // web addresses of text and html, each once, in order
	Time    time.Time `json:"time"`

	From string `json:"from"` // what the recipient sees as the sender
	// Reference is what the sender calls the message: the Message-ID of a mail,
	// the reference of an SMS. Repeat says that the recipient had a message of
	// that name already, which sending at least once allows.
	Reference   string   `json:"reference,omitempty"`
	Repeat      bool     `json:"repeat,omitempty"`
	Attachments []string `json:"attachments,omitempty"` // media types and names; nobody should send any

	// The rest is for tests in the same process.
	Sender string              `json:"-"` // of a mail's envelope; empty for a bounce
	Header map[string][]string `json:"-"` // of a mail, as it came
}

// For reports whether a message went to an address.
func (m Message) For(to string) bool { return strings.EqualFold(m.To, strings.TrimSpace(to)) }

// repeats reports whether a message is another copy of an earlier one.
func (m Message) repeats(earlier Message) bool {
	return m.Reference != "" && m.Channel == earlier.Channel && m.Reference == earlier.Reference && m.For(earlier.To)
}

func (m Message) size() int {
	n := len(m.Text) + len(m.HTML) + len(m.Subject) + 1024
	for name, values := range m.Header {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	return n
}
