package oidc

import (
	"net/http"

	"sigill/broker"
)

// Pages draws what people see of the protocol. Each method writes the whole
// answer.
type Pages interface {
	// Fault is our own error page: what went wrong is no business of the
	// address that the request named.
	Fault(w http.ResponseWriter, r *http.Request, f Fault)
	// Logout asks whether to log out, or says that it is done.
	Logout(w http.ResponseWriter, r *http.Request, v LogoutView)
	// FormPost is a page, status 200, that posts fields onward to action, by
	// itself where scripts run and by a button elsewhere. Its form-action must
	// allow exactly that address.
	FormPost(w http.ResponseWriter, r *http.Request, action string, fields [][2]string)
}

// Fault is a request that we answer with a page of our own and no redirect.
type Fault struct {
	Status int
	Code   string // one of the Fault constants
	// Client is who sent the person here, when that is certain.
	Client *broker.Client
	// Err is for the log, together with the page's reference number; never for
	// the page.
	Err error
}

// Stable keys for the text of an error page. The list is closed.
const (
	FaultMalformed    = "malformed"         // cannot be decoded, or contradicts itself
	FaultTooLarge     = "too_large"         // longer than anything honest
	FaultClient       = "unknown_client"    // no such client
	FaultRedirect     = "bad_redirect_uri"  // absent or not registered
	FaultResponseMode = "bad_response_mode" // Core: no error may be sent by a mode we do not have
	FaultExpired      = "expired"           // a one-time address that was used, is too old, or is somebody else's
	FaultCrossSite    = "cross_site"        // another site tried to press our button
	FaultInternal     = "internal"          // we are broken
)

// LogoutView is what the logout page shows.
type LogoutView struct {
	// Confirm: a question with a form that posts to Action (Handle is its last
	// part). Otherwise the person is logged out.
	Confirm bool
	Action  string
	Handle  string
	// Client is where the person comes from, nil when that is not known.
	Client *broker.Client
	// Back is a registered address to go on to; may be empty.
	Back string
}
