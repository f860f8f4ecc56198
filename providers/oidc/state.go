package oidc

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
	saltSize     = 16
	maxState     = 8 * maxToken
)

// state is what an order remembers between calls.
type state struct {
	Version  int          `json:"v"`
	Provider providers.ID `json:"provider"`
	Instance string       `json:"instance"`
	Issuer   string       `json:"issuer"`
	Client   string       `json:"client"`

	Binding []byte              `json:"binding"`
	Salt    []byte              `json:"salt"`
	Number  personnummer.Number `json:"number,omitzero"`
	Handle  string              `json:"handle,omitempty"`
	// Verifier is the secret that only we can redeem the code with (RFC 7636).
	Verifier string    `json:"verifier,omitempty"`
	Started  time.Time `json:"started"`
	// SaysIssuer: the issuer said that each of its answers names it.
	SaysIssuer bool `json:"says_issuer,omitempty"`

	// Answer is what the code was given for: the issuer gives it once.
	Answer    *answer   `json:"answer,omitempty"`
	Collected time.Time `json:"collected,omitzero"`
	Over      bool      `json:"over,omitempty"`
}

// answer is the issuer's answer with what it takes to verify it.
type answer struct {
	IDToken     string `json:"id_token"`
	AccessToken string `json:"access_token"`
	Key         *jwk   `json:"key,omitempty"` // that has, or should have, signed the ID Token
	Userinfo    string `json:"userinfo,omitempty"`
	UserinfoKey *jwk   `json:"userinfo_key,omitempty"`
	// False names the check that the answer failed before it could be kept whole.
	False string `json:"false,omitempty"`
}

func (s state) seal() (providers.State, error) { return json.Marshal(s) }

func (s state) nonce() string { return nonceOf(s.Binding, s.Salt) }

// name is how logs call the order.
func (s state) name() string { return s.nonce()[:16] }

// open reads a state and refuses what this provider cannot continue.
func (p *Provider) open(sealed providers.State) (state, error) {
	var s state
	if len(sealed) > maxState || json.Unmarshal(sealed, &s) != nil {
		return state{}, ErrState
	}
	if s.Version != stateVersion || s.Provider != p.c.ID || s.Instance != p.c.Instance ||
		s.Issuer != p.c.Issuer || s.Client != p.c.ClientID || len(s.Salt) != saltSize || len(s.Binding) == 0 {
		return state{}, ErrState
	}
	if !s.Over && (s.Handle == "" || s.Verifier == "") {
		return state{}, ErrState
	}
	return s, nil
}
