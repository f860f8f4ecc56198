// Package signclient calls the signing API as an ordinary client of it: a bearer
// token by client credentials with private_key_jwt, RFC 9457 errors, webhooks
// per Standard Webhooks. It owns the calls and their types, and knows nothing of
// drafts.
package signclient

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"time"

	"sigill/portal"
	"sigill/portal/form"
)

var errNotBuilt = errors.New("signclient: not built yet")

// Config says where it is.
type Config struct {
	// Issuer is the broker's; the token endpoint is discovered.
	Issuer string
	// HTTP reaches it: in one process a transport that calls its handlers.
	HTTP *http.Client
	// Client gives a tenant's client id, Key what it proves itself with.
	Client func(portal.TenantID) string
	Key    func() (crypto.Signer, string, error) // P-256, and its kid
	Now    func() time.Time
}

// Client calls the API.
type Client struct{ config Config }

// New makes one.
func New(c Config) (*Client, error) { return nil, errNotBuilt }

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

// Problem is the API's refusal.
type Problem struct {
	Status int
	Code   string // of its closed list
	Fields []string
}

func (p *Problem) Error() string { return fmt.Sprintf("signing api: %d %s", p.Status, p.Code) }

// Create opens an order. The same attempt with the same body gives the same one.
func (c *Client) Create(ctx context.Context, t portal.TenantID, attempt string, body []byte) (Order, error) {
	return Order{}, errNotBuilt
}

// Order gives one.
func (c *Client) Order(ctx context.Context, t portal.TenantID, id string) (Order, error) {
	return Order{}, errNotBuilt
}

// Document gives its sealed PDF.
func (c *Client) Document(ctx context.Context, t portal.TenantID, id string) ([]byte, error) {
	return nil, errNotBuilt
}

// Cancel ends an open one.
func (c *Client) Cancel(ctx context.Context, t portal.TenantID, id string) error { return errNotBuilt }

// Remind asks again those whose turn it is.
func (c *Client) Remind(ctx context.Context, t portal.TenantID, id string) error { return errNotBuilt }

// Correct mends how a signatory is reached.
func (c *Client) Correct(ctx context.Context, t portal.TenantID, id string, n int, email, phone string) error {
	return errNotBuilt
}

// Delete erases one that is over.
func (c *Client) Delete(ctx context.Context, t portal.TenantID, id string) error { return errNotBuilt }
