package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/login"
)

// held is a form that came when its login had ended.
type held struct {
	Path   string     `json:"path"` // below the tenant's address
	Values url.Values `json:"values"`
	Files  bool       `json:"files,omitempty"` // files came with it, and are not kept
}

// What is done with a form when its person is back.
const (
	heldStep  = "step"  // it is saved
	heldWords = "words" // it is shown again, to be sent by whoever wrote it
	heldNot   = ""      // nothing: it is pressed again
)

// heldAs says which it is, by the form's address below the tenant's, with the name
// of the draft or case.
func heldAs(path string) (as, id, step string) {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	switch {
	case len(parts) == 4 && parts[0] == "utkast" && parts[2] == "s":
		return heldStep, parts[1], parts[3]
	case len(parts) == 3 && parts[0] == "arende" && parts[2] == "meddelande":
		return heldWords, parts[1], ""
	case path == "/profil":
		return heldWords, "", ""
	}
	return heldNot, "", ""
}

// interrupted keeps a form that came when its login had ended, and asks to log in
// again. What was typed comes back after that; a file does not, nor does what is
// only pressed, and that is said.
func (w *Web) interrupted(rw http.ResponseWriter, r *http.Request, v visit, p posted) error {
	kept := held{Path: strings.TrimPrefix(r.URL.Path, v.base), Values: p.values, Files: len(p.files) > 0 || p.cut}
	b := loginPage{Heading: w.text(v, "held.heading"), Till: pageOf(kept.Path)}
	as, _, _ := heldAs(kept.Path)
	if as == heldNot {
		b.Lead = w.text(v, "held.pressed", "minutes", waitMinutes(v.tenant))
		if p.get("do") == "correct" {
			b.Lost = w.text(v, "held.contact")
		}
		return w.askLogin(rw, r, v, b)
	}
	b.Lead = w.text(v, "held."+as, "minutes", waitMinutes(v.tenant))
	if kept.Files {
		b.Lost = w.text(v, "held.files")
	}
	body, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	b.Held, err = w.Holds.Hold(rw, r, v.tenant, body)
	switch {
	case errors.Is(err, login.ErrTooLarge):
		b.Lead, b.Lost = w.text(v, "held.lost"), ""
	case errors.Is(err, portal.ErrNotFound): // nobody was logged in lately whose it could be
		b.Heading, b.Lead, b.Lost = w.text(v, "login.heading"), w.text(v, "held.none"), ""
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

// resume gives back what was held to the person who wrote it. A step is saved, if
// the draft is that person's; what a message or the profile says stands in its form
// again, and nothing is sent or changed before it is pressed. Where nothing could
// be kept, that is said.
func (w *Web) resume(rw http.ResponseWriter, r *http.Request, v visit, aim login.Aim) error {
	body, err := w.Holds.Take(rw, r, v.tenant, v.who, aim.Held)
	var kept held
	switch {
	case errors.Is(err, portal.ErrNotFound):
		return w.tellGone(rw, r, v, aim.Path)
	case err != nil:
		return err
	}
	if err := json.Unmarshal(body, &kept); err != nil {
		return err
	}
	as, id, step := heldAs(kept.Path)
	// The request for the page that the form stood on.
	again := r.Clone(r.Context())
	again.URL = &url.URL{Path: v.path(pageOf(kept.Path))}
	switch {
	case as == heldStep:
		again.SetPathValue("draft", id)
		again.SetPathValue("step", step)
		return w.restoreStep(rw, again, v, kept)
	case as == heldWords && id != "":
		again.SetPathValue("case", id)
		return w.showCase(rw, again, v, http.StatusOK, said{Typed: kept.Values.Get("text"), Warned: w.text(v, "held.message")})
	case as == heldWords:
		c := form.Contact{Email: kept.Values.Get("email"), Phone: kept.Values.Get("phone"), Notify: kept.Values.Get("notify")}
		return w.showProfile(rw, again, v, http.StatusOK, c, w.text(v, "held.profile"), nil)
	}
	return v.to(rw, pageOf(kept.Path))
}

// tellGone says that nothing is left of what was typed before the login.
func (w *Web) tellGone(rw http.ResponseWriter, r *http.Request, v visit, path string) error {
	return w.tell(rw, r, v, http.StatusOK, notice{
		Heading: w.text(v, "held.gone"), Texts: []string{w.text(v, "held.gone.text")}, Sign: "warn", Icon: "alert",
		Acts: []act{{Label: w.text(v, "held.gone.go"), URL: v.path(pageOf(path)), Main: true}, {Label: w.text(v, "menu.mine"), URL: v.path("/mina-sidor")}},
	})
}
