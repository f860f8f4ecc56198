package saml

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

const (
	stateVersion = 1
	maxState     = 128 << 10
)

// state is what an order remembers between calls.
type state struct {
	Version  int          `json:"v"`
	Provider providers.ID `json:"provider"`
	Instance string       `json:"instance"`
	IdP      string       `json:"idp"`

	Kind    providers.Kind      `json:"kind"`
	Text    string              `json:"text,omitempty"`
	Binding []byte              `json:"binding"`
	Number  personnummer.Number `json:"number,omitzero"`

	ID       string    `json:"id"` // of the request
	Salt     []byte    `json:"salt"`
	Handle   string    `json:"handle"`
	Started  time.Time `json:"started"`
	Asked    []string  `json:"asked,omitempty"` // levels; empty: no question
	Forced   bool      `json:"forced"`          // ForceAuthn
	Selected bool      `json:"selected"`        // the identity provider was told whom to expect

	Over bool `json:"over,omitempty"`
}

func (s state) seal() (providers.State, error) { return json.Marshal(s) }

// open reads a state and refuses what this provider cannot continue.
func (p *Provider) open(sealed providers.State) (state, error) {
	var s state
	if len(sealed) > maxState || json.Unmarshal(sealed, &s) != nil {
		return state{}, ErrState
	}
	if s.Version != stateVersion || s.Provider != p.ID || s.Instance != p.Instance || s.IdP != p.IdP ||
		s.ID == "" || s.Handle == "" || s.ID != requestID(s.Binding, s.Salt) {
		return state{}, ErrState
	}
	return s, nil
}

// sp is the service provider that an order of this kind is for, and where the
// browser comes back to it.
func (p *Provider) sp(kind providers.Kind) (SP, string) {
	if kind == providers.KindSign {
		return p.Sign, providers.SignBackPath
	}
	return p.Login, providers.BackPath
}
