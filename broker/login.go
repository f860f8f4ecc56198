package broker

import (
	"encoding/json"
	"time"

	"sigill/providers"
	"sigill/providers/personnummer"
)

// Login is an authorization request that a person is busy answering: a
// short-lived record, from the checked request until the answer to the client.
type Login struct {
	ID      string            `json:"id"`
	Client  string            `json:"client"`
	Request AuthorizationWish `json:"request"`
	// Then is the page of ours that asked for the login and gets the person back,
	// with a session and no answer to the client. Empty: the client asked.
	Then string `json:"then,omitempty"`
	// Browser is the SHA-256 of the secret of the browser that brought it.
	Browser []byte `json:"browser"`
	// Offered are the e-IDs that may answer it, in the order shown.
	Offered []providers.ID `json:"offered"`
	// Number, unless zero, is the only acceptable person (essential claim with
	// a value).
	Number personnummer.Number `json:"number"`
	Lang   string              `json:"lang"` // "sv", "en", or empty: the client does not say
	// Order is the e-ID order under way, if any. One at a time.
	Order    OrderID        `json:"order,omitempty"`
	Provider providers.ID   `json:"provider,omitempty"`
	Mode     providers.Mode `json:"mode,omitempty"`
	// OrderAt is when Order was reserved: a double click finds it young.
	OrderAt time.Time `json:"order_at,omitzero"`
	// SID names the session that this login may make. It is made with the login,
	// so that finishing it a second time finishes the same.
	SID     string    `json:"sid"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	// Version is of the record that this was read from; zero: not known.
	Version int64 `json:"-"`
}

// AuthorizationWish is what a checked authorization request asks for.
type AuthorizationWish struct {
	RedirectURI   string          `json:"redirect_uri"`
	ResponseMode  string          `json:"response_mode"` // "query" or "form_post"
	Scopes        []string        `json:"scopes"`
	State         string          `json:"state,omitempty"`
	HasState      bool            `json:"has_state,omitempty"`
	Nonce         string          `json:"nonce,omitempty"`
	Challenge     string          `json:"challenge,omitempty"` // S256
	Prompt        []string        `json:"prompt,omitempty"`
	MaxAge        *int            `json:"max_age,omitempty"`
	ACRValues     []string        `json:"acr_values,omitempty"`
	EssentialACR  []string        `json:"essential_acr,omitempty"`
	Claims        json.RawMessage `json:"claims,omitempty"`
	AuthnProvider string          `json:"authn_provider,omitempty"`
	// Subject, unless empty, is the only acceptable sub (id_token_hint, or claims).
	Subject string `json:"subject,omitempty"`
}

// LoginRecord is the durable trace of a finished login, kept as evidence for as
// long as the installation says.
type LoginRecord struct {
	Login    string
	Order    OrderID // empty when a session answered
	Client   string
	Provider providers.ID
	Sealed   []byte // identity and evidence
	At       time.Time
	Expires  time.Time
}

// Session is the memory of a login: single sign-on within a group of clients.
type Session struct {
	SID      string             `json:"sid"`
	Group    string             `json:"group"`
	Identity providers.Identity `json:"identity"`
	Instance string             `json:"instance"`
	AuthTime time.Time          `json:"auth_time"`
	ACR      string             `json:"acr"`
	Expires  time.Time          `json:"expires"`
	// Evidence is what clients that ask for it get in the ID Token again. It lies
	// in the record of the login that made the session, and is not kept twice.
	Evidence providers.Evidence `json:"-"`
}
