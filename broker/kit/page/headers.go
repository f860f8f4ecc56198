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
