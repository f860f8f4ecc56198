package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"sigill/portal"
	"sigill/portal/login"
)

// held is a form that came when its login had ended.
type held struct {
	Path   string     `json:"path"` // below the tenant's address
	Values url.Values `json:"values"`
	Files  bool       `json:"files,omitempty"` // files came with it, and are not kept
}

// interrupted keeps a form that came when its login had ended, and asks to log in
// again. What was typed comes back after that; a file does not, and that is said.
func (w *Web) interrupted(rw http.ResponseWriter, r *http.Request, v visit, p posted) error {
	form := held{Path: strings.TrimPrefix(r.URL.Path, v.base), Values: p.values, Files: len(p.files) > 0 || p.cut}
	b := loginPage{
		Heading: w.text(v, "held.heading"), Lead: w.text(v, "held.lead", "minutes", waitMinutes(v.tenant)),
		Till: pageOf(form.Path),
	}
	if form.Files {
		b.Lost = w.text(v, "held.files")
	}
	body, err := json.Marshal(form)
	if err != nil {
		return err
	}
	b.Held, err = w.Holds.Hold(rw, r, v.tenant, body)
	switch {
	case errors.Is(err, login.ErrTooLarge):
		b.Lead, b.Lost = w.text(v, "held.lost"), ""
	case err != nil:
		return err
	}
	return w.askLogin(rw, r, v, b)
}

// pageOf is the page that a form stands on.
func pageOf(path string) string {
	switch {
	case strings.HasSuffix(path, "/skicka"):
		return strings.TrimSuffix(path, "/skicka") + "/granska"
	case strings.HasSuffix(path, "/meddelande"):
		return strings.TrimSuffix(path, "/meddelande")
	}
	if p := safePath(path); p != "" {
		return p
	}
	return "/mina-sidor"
}

// resume gives back what was held to whoever has logged in. A step is saved; a
// message and a profile are taken as if they came now. Everything else has to be
// pressed again. A draft or case of somebody else does not exist, and what was
// held is gone then.
func (w *Web) resume(rw http.ResponseWriter, r *http.Request, v visit, aim login.Aim) error {
	body, err := w.Holds.Take(rw, r, v.tenant, aim.Held)
	var form held
	switch {
	case errors.Is(err, portal.ErrNotFound):
		return v.to(rw, pageOf(aim.Path))
	case err != nil:
		return err
	}
	if err := json.Unmarshal(body, &form); err != nil {
		return err
	}
	// The request that it was, made anew.
	again := r.Clone(r.Context())
	again.Method, again.Body = http.MethodPost, http.NoBody
	again.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	again.URL = &url.URL{Path: v.path(form.Path)}
	again.Form, again.PostForm = form.Values, form.Values
	parts := strings.Split(strings.TrimPrefix(form.Path, "/"), "/")
	switch {
	case len(parts) == 4 && parts[0] == "utkast" && parts[2] == "s":
		again.SetPathValue("draft", parts[1])
		again.SetPathValue("step", parts[3])
		return w.restoreStep(rw, again, v, form)
	case len(parts) == 3 && parts[0] == "arende" && parts[2] == "meddelande":
		again.SetPathValue("case", parts[1])
		return w.serveMessage(rw, again, v)
	case form.Path == "/profil":
		return w.serveProfileSave(rw, again, v)
	}
	return v.to(rw, pageOf(form.Path))
}
