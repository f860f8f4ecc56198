package oidc

import (
	"net/http"
	"net/url"
	"strings"

	"sigill/broker"
)

// Answer is what goes back to a client through the person's browser.
type Answer struct {
	URL     string      // where the browser goes; with Form, where it posts to
	Form    [][2]string // response_mode form_post: the fields, in order
	Session string      // value of the session cookie, if a session was made
}

// answer builds the authorization response in the mode that was asked for,
// with iss in each one (RFC 9207).
func (p *Provider) answer(wish broker.AuthorizationWish, fields ...[2]string) Answer {
	if wish.HasState {
		fields = append(fields, [2]string{"state", wish.State})
	}
	fields = append(fields, [2]string{"iss", p.Issuer})
	if wish.ResponseMode == modeFormPost {
		return Answer{URL: wish.RedirectURI, Form: fields}
	}
	return Answer{URL: withQuery(wish.RedirectURI, fields)}
}

func (p *Provider) errorAnswer(wish broker.AuthorizationWish, code, description string) Answer {
	fields := [][2]string{{"error", code}}
	if d := allowedText(description); d != "" {
		fields = append(fields, [2]string{"error_description", d})
	}
	return p.answer(wish, fields...)
}

// withQuery adds fields to a registered address, which may have a query already
// and is otherwise left as it was registered, byte for byte.
func withQuery(address string, fields [][2]string) string {
	var b strings.Builder
	b.WriteString(address)
	sep := byte('?')
	if strings.Contains(address, "?") {
		sep = '&'
	}
	for _, f := range fields {
		b.WriteByte(sep)
		b.WriteString(url.QueryEscape(f[0]))
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(f[1]))
		sep = '&'
	}
	return b.String()
}

// Send writes an answer: 303, so that no form of ours is ever posted onward, or
// the page that posts it. A new session replaces the browser's old one, which
// ends: whoever planted or kept its cookie has no session. The old one's code or
// token goes on, since it is in no browser.
func (p *Provider) Send(w http.ResponseWriter, r *http.Request, a Answer) {
	if a.Session != "" {
		if old := p.Cookies.Get(r, SessionCookie); old != "" && old != a.Session {
			p.forget(r.Context(), old)
		}
		p.Cookies.Set(w, SessionCookie, a.Session, p.SessionLife)
	}
	private(w)
	if a.Form != nil {
		p.Pages.FormPost(w, r, a.URL, a.Form)
		return
	}
	seeOther(w, a.URL)
}

// seeOther is http.Redirect without its rewriting of the address and without a
// body that would repeat it.
func seeOther(w http.ResponseWriter, address string) {
	private(w)
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
}

// private keeps codes, states and tokens out of caches and Referer headers.
func private(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
}
