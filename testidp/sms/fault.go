package sms

import (
	"io"
	"net/http"

	"sigill/testidp/control"
)

// The fault modes, drawn once for each call. What none of them says is done as
// ever; only drop and undelivered leave a message in the inbox.
const (
	http503     = "http503"     // 503 with a text
	slow        = "slow"        // the answer takes Config.Slow longer
	drop        = "drop"        // connection broken after the message was taken, before the answer
	reject      = "reject"      // 403 as for a number that does not exist
	garbage     = "garbage"     // 200 with something that is not JSON
	undelivered = "undelivered" // taken, but the delivery report says failed
)

func faultModes() []string { return []string{http503, slow, drop, reject, garbage, undelivered} }

// injected answers a call with a fault in place of doing what it asks; a
// rejected number is the business of each gateway.
func (g *Gateway) injected(w http.ResponseWriter, r *http.Request, f control.Drawn) bool {
	if f[slow] && !g.pause(r.Context(), g.slow) {
		return true
	}
	switch {
	case f[http503]:
		text(w, http.StatusServiceUnavailable, "Simulated: out of service")
	case f[garbage]:
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, "{{{ this is not JSON")
	default:
		return false
	}
	return true
}
