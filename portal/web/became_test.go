package web

import (
	"net/url"
	"testing"

	"sigill/portal"
	"sigill/portal/sending"
)

// Whoever presses the button again, or comes back to the draft, because the first
// answer was lost, comes to what it has become. Nothing is sent again, and nobody
// else is led anywhere.
func TestBecame(t *testing.T) {
	for name, c := range map[string]struct {
		who, owner string
		send, draw string // below the tenant's address; empty: nowhere
	}{
		"logged in":       {"one", "key-one", "/inskickat", ""},
		"anonymous":       {"", "", "/inskickat", "/inskickat"},
		"somebody else":   {"two", "key-one", "-", "-"},
		"not the browser": {"", "key-one", "-", "-"},
	} {
		h := newHouse(t)
		d := portal.DraftID(caseOne)
		h.desk.standing = map[portal.DraftID]sending.Standing{d: {Case: caseOne}}
		h.desk.owner = map[portal.DraftID]portal.PersonKey{d: portal.PersonKey(c.owner)}
		for address, below := range map[string]string{"/skicka": c.send, "": c.draw} {
			want := base + "/arende/" + string(caseOne) + below
			if below == "-" {
				want = ""
			}
			w := h.post(c.who, draftAt(d, address), url.Values{"revision": {"1"}, "notice": {"x"}})
			if address == "" {
				w = h.get(c.who, draftAt(d, address))
			}
			if location(w) != want || h.desk.sends != 0 {
				t.Errorf("%s %q: %d %q", name, address, w.Code, location(w))
			}
		}
	}
}
