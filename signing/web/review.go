package web

import (
	"encoding/hex"
	"net/http"
	"slices"

	"sigill/broker/kit/page"
	brokerweb "sigill/broker/web"
	"sigill/providers"
	"sigill/signing"
	"sigill/signing/orders"
)

// review is the page to read and to sign on: everything that is signed stands on
// it or can be fetched from it, and the buttons come last.
func (w *Web) review(rw http.ResponseWriter, r *http.Request, s seat, v orders.Visit, status int) error {
	now := w.Now()
	look := lookOf(s, v)
	return w.room.Render(rw, r, status, "review", look, page.Policy{}, func(lang string) any {
		b := struct {
			Client, Back, Title, Lang, Reference, Deadline, Left, Digest, Name string
			Message                                                            []string
			Refuse, Return, Note, Changed                                      string
			Documents                                                          []document
			Steps                                                              []step
			Ways                                                               brokerweb.Ways
			Person                                                             person
		}{
			Client: s.asked(lang, v), Back: look.NameIn(lang), Title: v.Order.Title, Lang: other(lang, v), Reference: v.Order.Reference,
			Deadline: w.when(lang, v.Order.Deadline), Left: w.left(lang, now, v.Order.Deadline),
			Digest: signing.ShortDigest(hex.EncodeToString(v.Order.Digest[:])), Name: s.name,
			Message: lines(v.Order.Message), Refuse: s.path() + "/refuse", Return: v.Order.ReturnURL,
			Documents: w.documents(lang, s, v), Person: s.person(),
			Ways: w.Pages.Ways(r, lang, s.path(), signable(s, v), s.infos),
		}
		if steps := w.steps(lang, v, now); len(steps) > 1 {
			b.Steps = steps
		}
		b.Ways.Digest = hex.EncodeToString(v.Order.Digest[:])
		switch r.URL.Query().Get("note") {
		case noteCancelled:
			b.Note = w.text(lang, "note.cancelled")
		case noteChanged:
			b.Changed = w.text(lang, "note.changed")
		}
		return b
	})
}

// A note in an address says why the person is here again: has cancelled an e-ID
// order, or was about to sign what has been changed meanwhile. Whoever makes one
// up is told nothing.
const (
	noteCancelled = "cancelled"
	noteChanged   = "changed"
)

// signable are the e-IDs that may sign this order, in the order shown.
func signable(s seat, v orders.Visit) []providers.ID {
	var ids []providers.ID
	for _, i := range s.infos {
		if i.TextLimit > 0 && (len(v.Order.Providers) == 0 || slices.Contains(v.Order.Providers, i.ID)) {
			ids = append(ids, i.ID)
		}
	}
	return ids
}
