package orders

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"

	"sigill/broker"
	"sigill/broker/kit/outbox"
	"sigill/providers/personnummer"
	"sigill/signing"
)

// Kinds of outbox entries. Messages have their effect's.
const (
	KindSeal    = string(signing.Seal)
	KindWebhook = "webhook"
)

// envelope is what every entry of ours holds: whose it is, and the rest sealed
// under that client's key.
type envelope struct {
	Client string `json:"client"`
	Sealed []byte `json:"sealed,omitempty"`
}

// message is a message that is to be sent. What it says is written when it is
// sent; only its token or code stands here, and nowhere else.
type message struct {
	Kind    signing.EffectKind `json:"kind"`
	N       int                `json:"n"`
	Channel signing.Channel    `json:"channel"`
	To      string             `json:"to"`
	Counter int                `json:"counter"`
	Token   string             `json:"token,omitempty"`
	Code    string             `json:"code,omitempty"`
}

// news is a webhook that is to be sent.
type news struct {
	URL  string    `json:"url"`
	At   time.Time `json:"at"`
	Body []byte    `json:"body"`
}

// plan makes outbox entries of the act's effects.
func (a *act) plan(c *Change) error {
	for _, e := range a.effects {
		var err error
		switch e.Kind {
		case signing.Seal:
			err = a.enqueue(c, outbox.Entry{ID: a.Order.ID + "-seal", Kind: KindSeal}, nil)
		case signing.Announce:
			err = a.planNews(c, e)
		default:
			err = a.planMessages(c, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// enqueue adds an entry.
func (a *act) enqueue(c *Change, e outbox.Entry, payload any) error {
	e.Ref, e.Created = a.Order.ID, a.now
	env := envelope{Client: a.Order.Client}
	if payload != nil {
		plain, err := json.Marshal(payload)
		if err != nil {
			return fmt.Errorf("order %s: %w", e.Ref, err)
		}
		if env.Sealed, err = a.s.sealForClient(a.row, "outbox "+e.ID, plain); err != nil {
			return err
		}
	}
	var err error
	if e.Payload, err = json.Marshal(env); err != nil {
		return fmt.Errorf("order %s: %w", e.Ref, err)
	}
	c.Outbox = append(c.Outbox, e)
	return nil
}

// planMessages plans one entry for each channel, since one may fail and the
// other not. Each invitation has a token or code of its own; earlier ones live
// on, since nobody knows which message a person will open.
func (a *act) planMessages(c *Change, e signing.Effect) error {
	s, ok := a.Order.Signatory(e.N)
	if !ok {
		return fmt.Errorf("order %s: no signatory %d to write to", a.Order.ID, e.N)
	}
	for _, channel := range s.Channels() {
		a.Counter++
		m := message{Kind: e.Kind, N: s.N, Channel: channel, To: s.Email, Counter: a.Counter}
		if channel == signing.SMS {
			m.To = s.Phone
		}
		if way, ok := a.wayIn(s, &m); ok {
			c.Invitations = append(c.Invitations, way)
		}
		if invites(e.Kind) {
			if a.Newest == nil {
				a.Newest = map[string]int{}
			}
			a.Newest[newest(s.N, channel)] = m.Counter
		}
		id := fmt.Sprintf("%s-%d-%s-%s-%d", a.Order.ID, s.N, e.Kind, channel, m.Counter)
		if err := a.enqueue(c, outbox.Entry{ID: id, Kind: string(e.Kind)}, m); err != nil {
			return err
		}
	}
	return nil
}

// wayIn makes the token or code of a message: of each that asks for a signature,
// and of the one about the receipt where a link would be needed otherwise.
func (a *act) wayIn(s *signing.Signatory, m *message) (Invitation, bool) {
	way := Invitation{N: s.N, Created: a.now}
	switch {
	case s.Invite == signing.InviteCode && (invites(m.Kind) || m.Kind == signing.SendReceipt):
		m.Code = newCode()
		way.Hash = a.s.codeHash(a.Order.Client, s.Number, m.Code)
	case invites(m.Kind):
		m.Token = broker.NewSecret()
		way.Hash = tokenHash(m.Token)
	default:
		return Invitation{}, false
	}
	return way, true
}

// invites reports whether a message brings its reader to the order to sign it.
func invites(k signing.EffectKind) bool {
	return k == signing.SendInvitation || k == signing.SendAgain || k == signing.SendReminder
}

// planNews plans a webhook. It names no person: the client knows who signatory
// n is.
func (a *act) planNews(c *Change, e signing.Effect) error {
	if a.Order.Callback == "" {
		return nil
	}
	type data struct {
		Order     string        `json:"order"`
		Signatory int           `json:"signatory,omitempty"`
		State     signing.State `json:"state"`
		Reference string        `json:"reference,omitempty"`
	}
	body, err := json.Marshal(struct {
		Type      signing.EventType `json:"type"`
		Timestamp string            `json:"timestamp"`
		Data      data              `json:"data"`
	}{e.Event, a.now.Format(time.RFC3339Nano), data{a.Order.ID, e.N, a.Order.State, a.Order.Reference}})
	if err != nil {
		return fmt.Errorf("order %s: %w", a.Order.ID, err)
	}
	a.Counter++
	// In one stream, so that they come in the order of what they tell, and each
	// client's in a lane, so that one who does not answer holds up nobody else.
	entry := outbox.Entry{
		ID: fmt.Sprintf("evt_%s-%d", a.Order.ID, a.Counter), Kind: KindWebhook, Stream: a.Order.ID, Lane: KindWebhook + " " + a.Order.Client,
	}
	return a.enqueue(c, entry, news{URL: a.Order.Callback, At: a.now, Body: body})
}

// tokenHash is what is stored of a token: it is random, so a plain digest tells
// nothing.
func tokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// Codes are typed by hand, from a screen or read aloud: no vowels, which could
// make words, and nothing that looks like something else.
const (
	codeLetters = "23456789BCDFGHJKMNPQRSTVWXZ"
	codeLength  = 8
)

// newCode makes a code as it is shown: two groups of four.
func newCode() string {
	var b strings.Builder
	for i := range codeLength {
		if i == codeLength/2 {
			b.WriteByte(' ')
		}
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(codeLetters))))
		if err != nil {
			panic(err) // crypto/rand never fails
		}
		b.WriteByte(codeLetters[n.Int64()])
	}
	return b.String()
}

// readCode gives a code as it is compared, or nothing when it cannot be one.
func readCode(typed string) string {
	if len(typed) > 64 {
		return ""
	}
	var b strings.Builder
	for _, r := range strings.ToUpper(typed) {
		switch {
		case strings.ContainsRune(" -–\t\u00a0", r):
		case strings.ContainsRune(codeLetters, r):
			b.WriteRune(r)
		default:
			return ""
		}
	}
	if b.Len() != codeLength {
		return ""
	}
	return b.String()
}

// codeHash is what is stored of a code. It is short, so its digest is keyed; and
// it is the person's own, so nobody else's tries can find it.
func (s *Service) codeHash(client string, n personnummer.Number, code string) []byte {
	return s.codeKey([]byte(client + "\x00" + n.Digits() + "\x00" + readCode(code)))
}
