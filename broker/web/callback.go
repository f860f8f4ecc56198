package web

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"unicode/utf8"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/page"
	"sigill/providers"
)

// maxFields is how many fields an answer may have: some SAML and OpenID Connect
// answers have six.
const maxFields = 32

// What an answer may be long, as it is written in a form or a query: no issuer
// sends as much. A query must be less than the head of a request may be.
const (
	maxAnswer = 300 << 10
	maxQuery  = 16 << 10
)

// Outside adds the addresses that issuers of e-IDs use, for all instances: what
// browsers bring back from their sites, and the documents that they fetch. They
// belong outside http.CrossOriginProtection, since other sites send people there.
// No cookie counts at them.
func (w *Web) Outside(mux *http.ServeMux) {
	const eid = "/eid/{instance}/"
	g := w.ground
	g.MaxBody = maxAnswer
	for _, at := range []string{providers.BackPath, providers.SignBackPath} {
		h := w.callback(at)
		mux.Handle(eid+at, cookieless(g.Handle(page.Methods{"GET": h, "POST": h})))
	}
	mux.Handle(eid+"{document...}", cookieless(w.ground.Handle(page.Methods{"GET": w.document})))
	mux.Handle("/eid/", cookieless(w.ground.Handle(page.Methods{"GET": w.nowhere, "POST": w.nowhere})))
}

// cookieless makes sure that nothing here depends on whose browser it is.
func cookieless(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.Header.Del("Cookie")
		next.ServeHTTP(rw, r)
	})
}

// callback takes in what a browser brings back from an issuer's site, and sends it
// on to where its order is.
func (w *Web) callback(at string) page.Handler {
	return func(rw http.ResponseWriter, r *http.Request) error {
		if r.Method == http.MethodHead { // whoever looks ahead takes nobody's answer in
			rw.Header().Set("Allow", "GET, POST")
			return &page.Problem{Status: http.StatusMethodNotAllowed, Code: page.CodeMethod}
		}
		form, handle, err := brought(r)
		if err != nil {
			return err
		}
		address, err := w.Flow.Callback(r.Context(), flow.Callback{Handle: handle, Instance: r.PathValue("instance"), At: at, Form: form})
		if errors.Is(err, broker.ErrNotFound) {
			return &page.Problem{Status: http.StatusNotFound, Code: codeStray, Err: errors.New("an answer to nothing that is known")}
		}
		if err != nil {
			return err
		}
		page.SeeOther(rw, address)
		return nil
	}
}

// brought reads an answer and finds our own handle in it, which stands in exactly
// one field, once.
func brought(r *http.Request) (url.Values, string, error) {
	malformed := func(what string) error {
		return &page.Problem{Status: http.StatusBadRequest, Code: page.CodeMalformed, Err: errors.New(what)}
	}
	var form url.Values
	if r.Method == http.MethodPost {
		media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || media != "application/x-www-form-urlencoded" {
			return nil, "", malformed("an answer that is no form")
		}
		if r.URL.RawQuery != "" {
			return nil, "", malformed("an answer in two parts")
		}
		if err := r.ParseForm(); err != nil {
			if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
				return nil, "", err
			}
			return nil, "", malformed("the form cannot be decoded")
		}
		form = r.PostForm
	} else {
		if len(r.URL.RawQuery) > maxQuery {
			return nil, "", &page.Problem{Status: http.StatusRequestEntityTooLarge, Code: page.CodeTooLarge, Err: errors.New("an overlong query")}
		}
		var err error
		if form, err = url.ParseQuery(r.URL.RawQuery); err != nil {
			return nil, "", malformed("the query cannot be decoded")
		}
	}
	fields := 0
	for name, values := range form {
		if fields += len(values); fields > maxFields {
			return nil, "", malformed("an answer with too many fields")
		}
		if !utf8.ValidString(name) || slices.ContainsFunc(values, func(v string) bool { return !utf8.ValidString(v) }) {
			return nil, "", malformed("an answer that is no text")
		}
	}
	handles := slices.Concat(form["RelayState"], form["state"])
	if len(handles) != 1 {
		return nil, "", malformed("an answer without a handle, or with several")
	}
	return form, handles[0], nil
}

// document gives what an instance publishes to whoever asks.
func (w *Web) document(rw http.ResponseWriter, r *http.Request) error {
	d, ok := w.Documents(r.PathValue("instance"))[r.PathValue("document")]
	if !ok {
		return w.nowhere(rw, r)
	}
	h := rw.Header()
	h.Set("Content-Type", d.MediaType)
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'")
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if r.Method != http.MethodHead {
		_, _ = rw.Write(d.Bytes)
	}
	return nil
}
