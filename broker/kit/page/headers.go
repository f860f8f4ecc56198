package page

import (
	"net/http"
	"net/url"
	"strings"
)

// A Policy is what one page needs beyond the strict default. The zero value is
// the default: nothing from elsewhere, no inline script or style, no framing,
// forms to us only.
type Policy struct {
	// FormTargets are addresses that a form of this page may end at. Chromium
	// holds a form's whole chain of redirects against form-action, so a page
	// whose form may send the person back to an application must name it.
	FormTargets []string
	// FormSite is the address of another's site that a form of this page goes to.
	// Where that sends the person on to is its own affair: any host, by https.
	FormSite string
	// Framed lets pages of our own origin show this one in a frame.
	Framed bool
}

// Apply writes the policy, replacing what was there.
func (p Policy) Apply(h http.Header) {
	action := "'self'"
	for _, t := range p.FormTargets {
		if s := formSource(t); s != "" {
			action += " " + s
		}
	}
	if p.FormSite != "" {
		action += siteSources(p.FormSite)
	}
	ancestors, frame := "'none'", "DENY"
	if p.Framed {
		ancestors, frame = "'self'", "SAMEORIGIN"
	}
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "+
		"font-src 'self'; connect-src 'self'; frame-src 'self'; form-action "+action+"; base-uri 'none'; frame-ancestors "+ancestors)
	h.Set("X-Frame-Options", frame)
}

// formSource turns an address into what form-action understands: its origin,
// or the scheme alone for an app's own scheme. Empty for what is neither.
func formSource(address string) string {
	u, err := url.Parse(address)
	if err != nil || strings.ContainsAny(u.Host, " ;,'\"*") {
		return ""
	}
	switch u.Scheme {
	case "http", "https":
		if u.Host == "" {
			return ""
		}
		return u.Scheme + "://" + u.Host
	case "", "javascript", "data", "blob", "vbscript", "filesystem", "about":
		return ""
	}
	return u.Scheme + ":"
}

// siteSources lets a form end anywhere by https, and without only where it goes to;
// on this machine, where a site is tried, at any of its ports.
func siteSources(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme != "http":
		return " https:"
	case u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1":
		return " https: http://" + u.Hostname() + ":*"
	}
	return strings.TrimRight(" https: "+formSource(address), " ")
}

// Headers sets what every answer of ours carries. Handlers may set stricter or
// other values for their own answer afterwards.
func Headers(https bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setHeaders(w.Header(), https)
		next.ServeHTTP(w, r)
	})
}

func setHeaders(h http.Header, https bool) {
	Policy{}.Apply(h)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), bluetooth=(), browsing-topics=()")
	h.Set("Cache-Control", "no-store")
	if https {
		h.Set("Strict-Transport-Security", "max-age=63072000")
	}
}
