package signing

import (
	"log/slog"
	"time"

	"sigill/providers"
	"sigill/providers/personnummer"
)

// SignatoryState is where a signatory is.
type SignatoryState string

const (
	Waiting        SignatoryState = "waiting"         // others sign first
	Invited        SignatoryState = "invited"         // it is this person's turn
	DeliveryFailed SignatoryState = "delivery failed" // no message reached this person, as far as is known
	Opened         SignatoryState = "opened"          // has logged in and seen the order
	Signed         SignatoryState = "signed"
	Declined       SignatoryState = "refused"  // has said no, with a reason
	TooLate        SignatoryState = "expired"  // had not signed when the time was out
	Replaced       SignatoryState = "replaced" // another person signs instead
)

// Invite is how a signatory hears of an order.
type Invite string

const (
	InviteEmail Invite = "email"
	InviteSMS   Invite = "sms"
	InviteBoth  Invite = "both"
	InviteCode  Invite = "code" // by every contact given, with a code to type instead of a link
	InviteNone  Invite = "none" // the client sends the person to the signatory's sign URL
)

// Channel is a way to reach a person.
type Channel string

const (
	Email Channel = "email"
	SMS   Channel = "sms"
)

// Delivery is what became of the newest message to a signatory by one channel.
type Delivery struct {
	Channel Channel       `json:"channel"`
	State   DeliveryState `json:"state"`
	At      time.Time     `json:"at"`
}

// DeliveryState is what is known of a message.
type DeliveryState string

const (
	Queued  DeliveryState = "queued"
	Sent    DeliveryState = "sent"   // the mail server or gateway has taken it
	Bounced DeliveryState = "failed" // refused for good, or given up
)

// Signatory is a person who shall sign.
type Signatory struct {
	N        int                 `json:"n"` // 1 and up, for the order's life
	Number   personnummer.Number `json:"number"`
	Name     string              `json:"name"` // as the client gave it
	Email    string              `json:"email,omitempty"`
	Phone    string              `json:"phone,omitempty"` // +46701234567
	Group    int                 `json:"group"`           // whoever has a lower one signs before
	Invite   Invite              `json:"invite"`
	Language string              `json:"language"`

	State      SignatoryState `json:"state"`
	InvitedAt  time.Time      `json:"invited_at,omitzero"` // the last time; also of who waits anew
	OpenedAt   time.Time      `json:"opened_at,omitzero"`
	DeclinedAt time.Time      `json:"declined_at,omitzero"`
	Reason     string         `json:"reason,omitempty"` // in the person's own words
	Deliveries []Delivery     `json:"deliveries,omitempty"`
	Signature  *Signature     `json:"signature,omitempty"`
}

// Active reports whether the signatory belongs to the order as it is now.
func (s Signatory) Active() bool { return s.State != Replaced }

// Channels are the ways by which this person is written to.
func (s Signatory) Channels() []Channel {
	var out []Channel
	if s.Email != "" && (s.Invite == InviteEmail || s.Invite == InviteBoth || s.Invite == InviteCode) {
		out = append(out, Email)
	}
	if s.Phone != "" && (s.Invite == InviteSMS || s.Invite == InviteBoth || s.Invite == InviteCode) {
		out = append(out, SMS)
	}
	return out
}

// LogValue keeps the person out of logs.
func (s Signatory) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("n", s.N), slog.String("state", string(s.State)))
}

// Signature is a verified e-ID signature over an order's digest. Its evidence is
// kept beside the order.
type Signature struct {
	Digest       [32]byte         `json:"digest"` // of the manifest that was signed
	Name         string           `json:"name"`   // as the e-ID has it
	Provider     providers.ID     `json:"provider"`
	ProviderName string           `json:"provider_name"`
	Level        providers.Level  `json:"level"`
	Policy       string           `json:"policy"`
	Started      time.Time        `json:"started"`
	At           time.Time        `json:"at"` // by the issuer's clock
	Text         string           `json:"text"`
	Markup       providers.Markup `json:"markup"`
	EIDOrder     string           `json:"eid_order"`
	Transaction  string           `json:"transaction"`
}
