package bankid

import (
	"net/url"
	"strings"
)

// A browser is what the user agent says about the device that shows our page.
// It only chooses between forms of links: nothing secret depends on it.
type browser struct {
	ios     bool
	android bool
	desktop bool // certainly a computer; macOS is not, since iPads say the same
	agent   string
}

func newBrowser(agent string) browser {
	b := browser{agent: agent}
	switch {
	case has(agent, "iPhone", "iPad", "iPod"):
		b.ios = true
	case has(agent, "Android"):
		b.android = true
	case has(agent, "Windows NT", "X11;", "CrOS"):
		b.desktop = true
	}
	return b
}

func (b browser) mobile() bool { return b.ios || b.android }

func has(s string, any ...string) bool {
	for _, a := range any {
		if strings.Contains(s, a) {
			return true
		}
	}
	return false
}

// link is the address that starts the app on the device that shows our page.
func (b browser) link(env Environment, autoStartToken string) string {
	base := env.DesktopLink
	// Samsung Internet knows only the app's own scheme.
	if b.mobile() && !has(b.agent, "SamsungBrowser") {
		base = env.MobileLink
	}
	return base + url.QueryEscape(autoStartToken)
}

// returnURL is the form of our address that brings the person back to the same
// browser. iOS opens https always in the default browser, so the others get the
// address under their own scheme. Browsers whose form is not known for certain
// keep https: then the person may come back in the wrong browser, which is
// refused, never let in.
func (b browser) returnURL(address string) string {
	if !b.ios {
		return address
	}
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address
	}
	switch {
	case has(b.agent, "CriOS/"):
		if scheme == "https" {
			return "googlechromes://" + rest
		}
		return "googlechrome://" + rest
	case has(b.agent, "FxiOS/"):
		return "firefox://open-url?url=" + url.QueryEscape(address)
	case has(b.agent, "EdgiOS/"):
		return "microsoft-edge-" + address
	case has(b.agent, "OPT/", "OPX/"):
		return "touch-" + address
	case has(b.agent, "Brave/"):
		return "brave://open-url?url=" + url.QueryEscape(address)
	}
	return address
}
