package signclient

import (
	"errors"
	"fmt"
	"time"

	"sigill/portal"
	"sigill/portal/form"
)

// Wish is the body of POST /api/v1/orders.
type Wish struct {
	Title            string      `json:"title"`
	Message          string      `json:"message,omitempty"`
	Reference        string      `json:"reference,omitempty"`
	Language         string      `json:"language"`
	Documents        []Document  `json:"documents"`
	Signatories      []Signatory `json:"signatories"`
	Sequence         string      `json:"order,omitempty"`
	Deadline         *time.Time  `json:"deadline,omitempty"`
	Reminders        []int       `json:"reminders,omitempty"`
	AllowedProviders []string    `json:"allowedProviders,omitempty"`
	ReturnURL        string      `json:"returnUrl,omitempty"`
	CallbackURL      string      `json:"callbackUrl,omitempty"`
}

// Document has a name and exactly one of content and file.
type Document struct {
	Name    string       `json:"name"`
	Content []form.Block `json:"content,omitempty"`
	File    []byte       `json:"file,omitempty"` // base64 in JSON
	Type    string       `json:"type,omitempty"`
}

// Signatory is one who is to sign.
type Signatory struct {
	Pnr      string `json:"pnr"`
	Name     string `json:"name"`
	Email    string `json:"email,omitempty"`
	Phone    string `json:"phone,omitempty"`
	Group    int    `json:"group,omitempty"`
	Invite   string `json:"invite"`
	Language string `json:"language,omitempty"`
}

// Order is what the API tells of one.
type Order struct {
	ID          string        `json:"id"`
	State       State         `json:"state"`
	Reference   string        `json:"reference,omitempty"` // of the Wish
	Revision    int           `json:"revision"`
	SHA256      string        `json:"sha256"`
	Deadline    time.Time     `json:"deadline"`
	CompletedAt time.Time     `json:"completedAt,omitzero"`
	EndedAt     time.Time     `json:"endedAt,omitzero"`
	Signatories []OrderPerson `json:"signatories"`
}

// State is that of an order.
type State string

const (
	Open      State = "open"
	Sealing   State = "sealing"
	Completed State = "completed"
	Refused   State = "refused"
	Expired   State = "expired"
	Cancelled State = "cancelled"
)

// OrderPerson is a signatory of an order.
type OrderPerson struct {
	N         int               `json:"n"`
	Name      string            `json:"name"`
	State     portal.PartyState `json:"state"`
	Group     int               `json:"group"`
	Invite    string            `json:"invite"`
	SignURL   string            `json:"signUrl,omitempty"`
	RefusedAt time.Time         `json:"refusedAt,omitzero"`
	Reason    string            `json:"reason,omitempty"`
	Delivered []OrderDelivery   `json:"deliveries,omitempty"`
	Signature *OrderSignature   `json:"signature,omitempty"`
}

// OrderDelivery is how a message went: queued, sent, failed.
type OrderDelivery struct {
	Channel string    `json:"channel"`
	State   string    `json:"state"`
	At      time.Time `json:"at"`
}

// OrderSignature is a signature that counts.
type OrderSignature struct {
	Name     string    `json:"name"`
	Provider string    `json:"provider"`
	At       time.Time `json:"at"`
}

// check refuses what no caller could act upon. id is the order that was asked
// for; empty: a new one.
func (o Order) check(id string) error {
	switch {
	case !isName(o.ID):
		return errors.New("signing api: an order without a name")
	case id != "" && o.ID != id:
		return errors.New("signing api: another order than was asked for")
	case o.State == Completed && o.CompletedAt.IsZero():
		return errors.New("signing api: completed, and not said when")
	}
	switch o.State {
	case Open, Sealing, Completed, Refused, Expired, Cancelled:
		return nil
	}
	return fmt.Errorf("signing api: order %s is in a state that we do not know", o.ID)
}
