package sms

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"sigill/testidp/inbox"
)

const maxReference = 128

// A sendRequest is the body of the plain gateway.
type sendRequest struct {
	To        string `json:"to"`
	From      string `json:"from"`
	Text      string `json:"text"`
	Reference string `json:"reference"` // may be left out
}

// send takes a message as JSON and answers 202 with its name. Errors are
// {"error": "…"}.
func (g *Gateway) send(w http.ResponseWriter, r *http.Request) {
	f := g.faults.Draw(Name)
	if g.injected(w, r, f) {
		return
	}
	refuse := func(status int, why string) { answer(w, status, map[string]string{"error": why}) }
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || !same(token, Token) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="sms"`)
		refuse(http.StatusUnauthorized, "a bearer token is needed")
		return
	}
	if r.Header.Get("Content-Type") != "application/json" {
		refuse(http.StatusUnsupportedMediaType, "Content-Type must be application/json")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(http.StatusRequestEntityTooLarge, "the body is too long")
		return
	}
	var q sendRequest
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil || !utf8.Valid(body) {
		refuse(http.StatusBadRequest, "the body is not the JSON object that was expected")
		return
	}
	if _, err := d.Token(); err != io.EOF {
		refuse(http.StatusBadRequest, "there is something after the JSON object")
		return
	}
	switch {
	case !sender(q.From):
		refuse(http.StatusBadRequest, "from must be a number in E.164 or 3 to 11 letters and digits")
		return
	case q.Text == "":
		refuse(http.StatusBadRequest, "text is missing")
		return
	case len(q.Reference) > maxReference || strings.ContainsFunc(q.Reference, unicode.IsControl):
		refuse(http.StatusBadRequest, "reference is too long or not plain")
		return
	case f[reject] || !phoneNumber(q.To):
		refuse(http.StatusForbidden, "to is not a valid number in E.164")
		return
	}
	m := g.inbox.Add(inbox.Message{Channel: inbox.SMS, From: q.From, To: q.To, Text: q.Text, Reference: q.Reference})
	if f[drop] {
		panic(http.ErrAbortHandler)
	}
	answer(w, http.StatusAccepted, map[string]string{"id": m.ID})
}
