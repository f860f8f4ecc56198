// Package page is the ground that every page of ours stands on: cookies, the
// browser's address, security headers, handlers that return errors, the error
// page with its reference number, and the templates' rendering.
//
// It owns how pages behave, not what they say: texts lie beside the handlers
// that show them, the look in kit/design.
package page

import (
	"net/http"
	"time"
)

// Cookies writes and reads cookies the one way we do it: HttpOnly, Lax, for the
// whole host, with the __Host- prefix and Secure wherever the site is on https.
// Over plain http, which only loopback may use, both are left out. Ports do not
// separate cookies, so every room has names of its own.
type Cookies struct{ Secure bool }

// Set writes a cookie; life zero makes it last as long as the browser's session.
func (c Cookies) Set(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: c.name(name), Value: value, Path: "/", MaxAge: int(life.Seconds()),
		Secure: c.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// Clear removes a cookie.
func (c Cookies) Clear(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{
		Name: c.name(name), Path: "/", MaxAge: -1,
		Secure: c.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// Get reads a cookie; empty when there is none, when it came twice (somebody
// planted one), or when it is longer than anything we set.
func (c Cookies) Get(r *http.Request, name string) string {
	found := ""
	for _, k := range r.CookiesNamed(c.name(name)) {
		if found != "" || len(k.Value) > 512 {
			return ""
		}
		found = k.Value
	}
	return found
}

func (c Cookies) name(name string) string {
	if c.Secure {
		return "__Host-" + name
	}
	return name
}

// BrowserCookie holds the secret of a browser: what binds a login, and the
// e-ID order made for it, to the browser that started it (invariant I3). It
// outlives sessions, since issuers also ask for a lasting device identifier, and
// is renewed at a logout, so that a shared computer forgets.
const BrowserCookie = "sigill_browser"

// BrowserLife is how long a browser keeps its secret: what browsers allow.
const BrowserLife = 399 * 24 * time.Hour

// Browser gives the browser's secret, or the empty string. A secret is 43
// characters of URL-safe base64; anything else was not made by us.
func (c Cookies) Browser(r *http.Request) string {
	v := c.Get(r, BrowserCookie)
	if len(v) != 43 {
		return ""
	}
	for i := range len(v) {
		b := v[i]
		if !('a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '-' || b == '_') {
			return ""
		}
	}
	return v
}
