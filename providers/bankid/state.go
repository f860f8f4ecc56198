package bankid

import (
	"encoding/json"
	"errors"
	"time"

	"sigill/providers"
	"sigill/providers/personnummer"
)

// ErrState is the error of a state that this provider did not make, or that is
// used up.
var ErrState = errors.New("not a state of an open order of this provider")

const stateVersion = 1

// state is what an order remembers between calls.
type state struct {
	Version     int          `json:"v"`
	Provider    providers.ID `json:"provider"`
	Instance    string       `json:"instance"`
	Environment string       `json:"environment"`

	Kind    providers.Kind      `json:"kind"`
	Mode    providers.Mode      `json:"mode"`
	Mobile  bool                `json:"mobile,omitempty"`
	Text    string              `json:"text,omitempty"`
	Markup  providers.Markup    `json:"markup,omitempty"`
	Binding []byte              `json:"binding"`
	Number  personnummer.Number `json:"number,omitzero"`

	OrderRef    string    `json:"order"`
	Certificate string    `json:"certificate,omitempty"` // that the order was started with; see client
	QRToken     string    `json:"qr_token,omitempty"`
	QRSecret    string    `json:"qr_secret,omitempty"`
	Link        string    `json:"link,omitempty"`
	Started     time.Time `json:"started"` // when the start reply arrived: second 0 of the QR code
	Hint        string    `json:"hint"`

	// Answer is the issuer's final answer as it came, which is given only once.
	Answer    json.RawMessage `json:"answer,omitempty"`
	Collected time.Time       `json:"collected,omitzero"`
	Over      bool            `json:"over,omitempty"`
}

func (s state) seal() (providers.State, error) { return json.Marshal(s) }

// open reads a state and refuses what this provider cannot continue.
func (p *Provider) open(sealed providers.State) (state, error) {
	var s state
	if len(sealed) > 2*maxAnswer || json.Unmarshal(sealed, &s) != nil {
		return state{}, ErrState
	}
	if s.Version != stateVersion || s.Provider != p.id || s.Instance != p.instance ||
		s.Environment != p.env.Name || s.OrderRef == "" {
		return state{}, ErrState
	}
	return s, nil
}
