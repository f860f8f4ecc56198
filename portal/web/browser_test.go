package web

import (
	"testing"

	"sigill/broker/kit/page/chromium"
)

// TestPagesInChromium looks at every page from the catalogue to the button that
// sends.
func TestPagesInChromium(t *testing.T) {
	chromium.Wanted(t)
	mux, names := gallery(t)
	chromium.Look(t, chromium.Serve(t, mux)+"/gallery/", names, nil)
}
