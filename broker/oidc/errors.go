package oidc

import (
	"strings"

	"sigill/providers"
)

// The error codes that we send, from RFC 6749, RFC 6750, Core and "Unmet
// Authentication Requirements". The Swedish profile allows no others.
const (
	errInvalidRequest      = "invalid_request"
	errUnauthorizedClient  = "unauthorized_client"
	errAccessDenied        = "access_denied"
	errUnsupportedResponse = "unsupported_response_type"
	errInvalidScope        = "invalid_scope"
	errServer              = "server_error"
	errUnavailable         = "temporarily_unavailable"
	errInteraction         = "interaction_required"
	errLogin               = "login_required"
	errAccountSelection    = "account_selection_required"
	errConsent             = "consent_required"
	errNoRequest           = "request_not_supported"
	errNoRequestURI        = "request_uri_not_supported"
	errNoRegistration      = "registration_not_supported"
	errUnmet               = "unmet_authentication_requirements"

	errInvalidClient    = "invalid_client"
	errInvalidGrant     = "invalid_grant"
	errUnsupportedGrant = "unsupported_grant_type"
	errInvalidToken     = "invalid_token"
	errInvalidScopeRS   = "insufficient_scope"
)

// authorizationCode reports whether a code may go back from the authorization
// endpoint.
func authorizationCode(code string) bool {
	switch code {
	case errInvalidRequest, errUnauthorizedClient, errAccessDenied, errUnsupportedResponse, errInvalidScope,
		errServer, errUnavailable, errInteraction, errLogin, errAccountSelection, errConsent,
		errNoRequest, errNoRequestURI, errNoRegistration, errUnmet:
		return true
	}
	return false
}

// protocolError is a client's fault: a code of the specification and a text
// for its developers, which never repeats what they sent.
type protocolError struct{ code, description string }

func (e *protocolError) Error() string { return e.code + ": " + e.description }

func refuse(code, description string) *protocolError { return &protocolError{code, description} }

// allowedText drops what error_description may not hold (RFC 6749 appendix
// A.8), and keeps it short.
func allowedText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), 300)]
}

// Reasons of a Rejection beside those that providers already name.
const (
	TooYoung           providers.Reason = "too_young"           // younger than the client wants
	CoordinationNumber providers.Reason = "coordination_number" // the client takes no samordningsnummer
	NotFresh           providers.Reason = "not_fresh"           // proven longer ago than the client wants
)

// Rejection is the error of a person who proved who they are, and whom the
// client's own rules turn away. It is for a page first, and goes to the client
// with Refuse(Code, Description) when the person has read it.
type Rejection struct {
	Reason            providers.Reason
	Text              providers.Text
	Code, Description string
}

func (r *Rejection) Error() string { return "rejected: " + string(r.Reason) }
