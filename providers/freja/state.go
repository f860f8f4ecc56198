package freja

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

const maxState = 2 * maxAnswer

// state is what an order remembers between calls.
type state struct {
	Version     int          `json:"v"`
	Provider    providers.ID `json:"provider"`
	Instance    string       `json:"instance"`
	Environment string       `json:"environment"`

	Kind      providers.Kind      `json:"kind"`
	Mode      providers.Mode      `json:"mode"`
	Text      string              `json:"text,omitempty"`
	Binding   []byte              `json:"binding,omitempty"`
	Number    personnummer.Number `json:"number,omitzero"`
	User      string              `json:"user"` // type of the user info that was sent
	Email     string              `json:"email,omitempty"`
	ReturnURL string              `json:"return_url,omitempty"`

	Reference   string    `json:"reference"`
	Certificate string    `json:"certificate"` // that the order was started with; see client
	Secret      string    `json:"secret,omitempty"`
	Started     time.Time `json:"started"` // when the start reply arrived: second 0 of a dynamic code
	Expires     time.Time `json:"expires"`
	Status      string    `json:"status"`

	// Answer is the JWS as it came.
	Answer    string    `json:"answer,omitempty"`
	Collected time.Time `json:"collected,omitzero"`
	Over      bool      `json:"over,omitempty"`
}

func (s state) seal() (providers.State, error) { return json.Marshal(s) }

// open reads a state and refuses what this provider cannot continue.
func (p *Provider) open(sealed providers.State) (state, error) {
	var s state
	if len(sealed) > maxState || json.Unmarshal(sealed, &s) != nil {
		return state{}, ErrState
	}
	if s.Version != stateVersion || s.Provider != providers.Freja || s.Instance != p.instance ||
		s.Environment != p.env.Name || s.Reference == "" {
		return state{}, ErrState
	}
	return s, nil
}
