package api

import (
	"encoding/json"
	"errors"
	"net/http"

	"sigill/broker"
	"sigill/broker/kit/page"
	"sigill/signing"
	"sigill/signing/orders"
)

// Codes of problems. The list is closed; openapi.yaml explains each.
const (
	codeToken       = "invalid_token"
	codeScope       = "insufficient_scope"
	codeNotFound    = "not_found"
	codeMethod      = "method_not_allowed"
	codeBody        = "invalid_body"
	codeTooLarge    = "too_large"
	codeOrder       = "invalid_order"
	codeKey         = "idempotency_key_missing"
	codeMismatch    = "idempotency_mismatch"
	codeOver        = "order_over"
	codeOpen        = "order_open"
	codeDone        = "signatory_done"
	codeUnchanged   = "unchanged"
	codeTooSoon     = "too_soon"
	codeTooMany     = "too_many_requests"
	codeLate        = "too_late"
	codeUnavailable = "try_again"
	codeInternal    = "internal"
)

var titles = map[string]string{
	codeToken:       "The bearer token is missing, unknown or has expired",
	codeScope:       "The token was not given for scope signing",
	codeNotFound:    "There is no such thing",
	codeMethod:      "The method is not for this address",
	codeBody:        "The body cannot be read",
	codeTooLarge:    "The body is too large",
	codeOrder:       "The order cannot be made as it is asked for",
	codeKey:         "The header Idempotency-Key is missing or not 1 to 255 printable characters",
	codeMismatch:    "The idempotency key was used for another body",
	codeOver:        "The order is over, or being sealed",
	codeOpen:        "The order is not over yet",
	codeDone:        "The signatory has answered already",
	codeUnchanged:   "Nothing would change",
	codeTooSoon:     "Somebody would be written to too often",
	codeTooMany:     "Too many requests from this address",
	codeLate:        "The deadline has passed",
	codeUnavailable: "Somebody else changed the order at the same time",
	codeInternal:    "Something went wrong on our side",
}

// refusal is an answer that says no. Detail and faults are safe to show.
type refusal struct {
	status int
	code   string
	detail string
	faults []signing.Fault
}

func (e *refusal) Error() string { return e.code }

// problem is the body of such an answer (RFC 9457).
type problem struct {
	Type     string          `json:"type"`
	Title    string          `json:"title"`
	Status   int             `json:"status"`
	Code     string          `json:"code"`
	Detail   string          `json:"detail,omitempty"`
	Instance string          `json:"instance,omitempty"` // the request's name, as in our log
	Faults   []signing.Fault `json:"faults,omitempty"`
}

// refusalOf says what a caller may know of an error; nil: it is our fault.
func refusalOf(err error) *refusal {
	var r *refusal
	if errors.As(err, &r) {
		return r
	}
	var invalid *signing.Invalid
	if errors.As(err, &invalid) {
		return &refusal{status: http.StatusUnprocessableEntity, code: codeOrder, faults: invalid.Faults}
	}
	for _, known := range []struct {
		err    error
		status int
		code   string
	}{
		{broker.ErrNotFound, http.StatusNotFound, codeNotFound},
		{signing.ErrNoSuch, http.StatusNotFound, codeNotFound},
		{orders.ErrMismatch, http.StatusUnprocessableEntity, codeMismatch},
		{signing.ErrOver, http.StatusConflict, codeOver},
		{signing.ErrLate, http.StatusConflict, codeLate},
		{orders.ErrStillOpen, http.StatusConflict, codeOpen},
		{signing.ErrDone, http.StatusConflict, codeDone},
		{signing.ErrUnchanged, http.StatusConflict, codeUnchanged},
		{orders.ErrTooSoon, http.StatusTooManyRequests, codeTooSoon},
		{broker.ErrConflict, http.StatusConflict, codeUnavailable},
	} {
		if errors.Is(err, known.err) {
			return &refusal{status: known.status, code: known.code}
		}
	}
	switch {
	case errors.Is(err, signing.ErrSamePerson):
		return &refusal{status: http.StatusUnprocessableEntity, code: codeOrder, faults: []signing.Fault{{Field: "pnr", Problem: "is a signatory of this order already"}}}
	case errors.Is(err, signing.ErrNoContact):
		return &refusal{status: http.StatusUnprocessableEntity, code: codeOrder, faults: []signing.Fault{{Field: "invite", Problem: "needs an address to send to"}}}
	}
	return nil
}

func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	re := refusalOf(err)
	if re == nil {
		if r.Context().Err() == nil {
			a.logged(r, err)
		}
		re = &refusal{status: http.StatusInternalServerError, code: codeInternal}
	}
	switch re.code {
	case codeToken:
		challenge := `Bearer realm="signing"`
		if r.Header.Get("Authorization") != "" { // RFC 6750 section 3.1: no code when nothing was tried
			challenge += `, error="invalid_token"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
	case codeScope:
		w.Header().Set("WWW-Authenticate", `Bearer realm="signing", error="insufficient_scope", scope="signing"`)
	case codeTooSoon:
		w.Header().Set("Retry-After", "3600")
	}
	p := problem{
		Type: a.Issuer + "/api/openapi.yaml#" + re.code, Title: titles[re.code], Status: re.status, Code: re.code,
		Detail: re.detail, Faults: re.faults,
	}
	if id := page.RequestID(r.Context()); id != "" {
		p.Instance = "urn:sigill:request:" + id
	}
	b, _ := json.Marshal(p) // strings and numbers alone
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(re.status)
	_, _ = w.Write(b)
}
