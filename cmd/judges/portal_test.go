package judges

import (
	"testing"
)

// testPortal lets people do their errands with two municipalities, from the list
// of municipalities to the officer's answer.
func testPortal(t *testing.T, d *demo) {
	b := newChromium(t)
	for _, c := range []struct {
		name string
		test func(*testing.T, *demo, *chromium)
	}{
		{"TwoWindows", testTwoWindows},
		{"TwoGuardians", testTwoGuardians},
		{"OneGuardian", testOneGuardian},
		{"WithoutScript", testPortalWithoutScript},
		{"Keyboard", testPortalByKeyboard},
		{"SecondThoughts", testSecondThoughts},
		{"Code", testPortalCode},
		{"Anonymous", testAnonymous},
		{"NotLetIn", testNotLetIn},
		{"Leaving", testLeaving},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name != "TwoWindows" { // the same person as in another, who would find its draft
				t.Parallel()
			}
			c.test(t, d, b)
		})
	}
}
