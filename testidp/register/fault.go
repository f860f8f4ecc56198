package register

import (
	"io"
	"net/http"
	"time"

	"sigill/testidp/control"
)

// The fault modes, drawn once for each call.
const (
	http503       = "http503"       // 503 with a text
	slow          = "slow"          // the answer takes Config.Slow longer
	drop          = "drop"          // connection broken before the answer
	garbage       = "garbage"       // 200 with something that is not JSON
	allSecret     = "secrecy"       // whoever is asked about has a marker
	unknownMarker = "unknownMarker" // a marker that the contract does not know
	noMarker      = "noMarker"      // the member protection is missing
	wrongPerson   = "wrongPerson"   // the answer is about somebody else
	childSecret   = "childSecrecy"  // every child has a marker
)

func faultModes() []string {
	return []string{http503, slow, drop, garbage, allSecret, unknownMarker, noMarker, wrongPerson, childSecret}
}

// injected answers a call with a fault in place of doing what it asks.
func injected(w http.ResponseWriter, r *http.Request, f control.Drawn, pause time.Duration) bool {
	if f[slow] {
		t := time.NewTimer(pause)
		defer t.Stop()
		select {
		case <-r.Context().Done():
			return true
		case <-t.C:
		}
	}
	switch {
	case f[drop]:
		panic(http.ErrAbortHandler)
	case f[http503]:
		http.Error(w, "Simulated: out of service", http.StatusServiceUnavailable)
	case f[garbage]:
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, "{{{ this is not JSON")
	default:
		return false
	}
	return true
}

// spoiled changes an answer as the faults say.
func (g *Register) spoiled(e entry, f control.Drawn) entry {
	if f[wrongPerson] {
		e, _ = g.entry(g.config.People.Other(e.Pnr).Number)
	}
	if f[childSecret] {
		for i := range e.Children {
			e.Children[i].Protection = secrecy
		}
	}
	switch {
	case f[allSecret]:
		e.Protection = secrecy
	case f[unknownMarker]:
		e.Protection = "sealed"
	case f[noMarker]:
		e.Protection = ""
	}
	return e
}
