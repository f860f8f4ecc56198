package sms

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"unicode/utf8"

	"sigill/testidp/inbox"
)

// costOfPart is in ten-thousandths of a krona.
const costOfPart = 5200

// Times are in UTC and do not say so.
const elksTime = "2006-01-02T15:04:05.000000"

// An elksMessage is 46elks' answer.
type elksMessage struct {
	Status        string `json:"status"`
	Direction     string `json:"direction"`
	From          string `json:"from"`
	Created       string `json:"created,omitempty"`
	Parts         int    `json:"parts"`
	To            string `json:"to"`
	Cost          int    `json:"cost,omitempty"`
	EstimatedCost int    `json:"estimated_cost,omitempty"` // in place of cost for a dry run
	Message       string `json:"message,omitempty"`
	DontLog       string `json:"dontlog,omitempty"`
	ID            string `json:"id,omitempty"`
}

// elks takes a message as 46elks does. Errors are plain text. It is stricter
// about parameters: one that it does not know is refused.
func (g *Gateway) elks(w http.ResponseWriter, r *http.Request) {
	f := g.faults.Draw(Name)
	if g.injected(w, r, f) {
		return
	}
	user, password, ok := r.BasicAuth()
	if !ok || !same(user, User) || !same(password, Password) {
		w.Header().Set("WWW-Authenticate", `Basic realm="46elks"`)
		text(w, http.StatusUnauthorized, "Basic HTTP authentication with the API's user and password is needed")
		return
	}
	form, fault := readForm(w, r)
	if fault != "" {
		text(w, http.StatusBadRequest, fault)
		return
	}
	report, err := target(form.Get("whendelivered"))
	switch {
	case !sender(form.Get("from")):
		text(w, http.StatusBadRequest, "from must be a number in E.164 or 3 to 11 letters and digits")
		return
	case f[reject] || !phoneNumber(form.Get("to")):
		text(w, http.StatusForbidden, "to is not a valid number in E.164")
		return
	case err != nil:
		text(w, http.StatusBadRequest, "whendelivered must be an http address on this machine")
		return
	}
	n := parts(form.Get("message"))
	a := elksMessage{
		Status: "created", Direction: "outgoing", From: form.Get("from"), To: form.Get("to"), Parts: n,
		Message: form.Get("message"), DontLog: form.Get("dontlog"),
	}
	if a.DontLog == "message" {
		a.Message = ""
	}
	if form.Get("dryrun") == "yes" {
		a.EstimatedCost = n * costOfPart
		answer(w, http.StatusOK, a)
		return
	}
	m := g.inbox.Add(inbox.Message{Channel: inbox.SMS, From: form.Get("from"), To: form.Get("to"), Text: form.Get("message")})
	a.ID, a.Created, a.Cost = m.ID, m.Time.Format(elksTime), n*costOfPart
	if report != nil {
		outcome := delivered
		if f[undelivered] {
			outcome = failed
		}
		g.follow(m.ID, report, outcome)
	}
	if f[drop] {
		panic(http.ErrAbortHandler) // net/http's way to break a connection
	}
	answer(w, http.StatusOK, a)
}

// readForm reads the parameters of a message.
func readForm(w http.ResponseWriter, r *http.Request) (form url.Values, fault string) {
	if r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.URL.RawQuery != "" {
		return nil, "Parameters come form-encoded in the body"
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, "The body is too long"
	}
	if form, err = url.ParseQuery(string(body)); err != nil {
		return nil, "The body is not form-encoded"
	}
	for key, values := range form {
		switch {
		case !slices.Contains([]string{"from", "to", "message", "whendelivered", "dryrun", "flashsms", "dontlog"}, key):
			return nil, "There is a parameter that nobody knows"
		case len(values) != 1:
			return nil, key + " stands there twice"
		case !utf8.ValidString(values[0]):
			return nil, key + " is not UTF-8"
		}
	}
	for _, key := range []string{"from", "to", "message"} {
		if form.Get(key) == "" {
			return nil, "Missing key " + key
		}
	}
	return form, ""
}

func text(w http.ResponseWriter, status int, s string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, s)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}
