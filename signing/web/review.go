package web

import (
	"net/http"

	"sigill/broker/kit/page"
	brokerweb "sigill/broker/web"
	"sigill/providers"
	"sigill/signing"
	"sigill/signing/orders"

	"encoding/hex"
	"slices"
)

// review is the page to read and to sign on: everything that is signed stands on
// it or can be fetched from it, and the buttons come last.
func (w *Web) review(rw http.ResponseWriter, r *http.Request, s seat, v orders.Visit, status int) error {
	now := w.Now()
	look := lookOf(s, v)
	return w.room.Render(rw, r, status, "review", look, page.Policy{}, func(lang string) any {
		b := struct {
			Client, Title, Reference, Deadline, Left, Digest, Name string
			Message                                                []string
			Refuse, Return, Note                                   string
			Documents                                              []document
			Steps                                                  []step
			Turn                                                   bool
			Ways                                                   brokerweb.Ways
			Person                                                 person
		}{
			Client: look.NameIn(lang), Title: v.Order.Title, Reference: v.Order.Reference,
			Deadline: w.when(lang, v.Order.Deadline), Left: w.left(lang, now, v.Order.Deadline),
			Digest: signing.ShortDigest(hex.EncodeToString(v.Order.Digest[:])), Name: s.name,
			Message: lines(v.Order.Message), Refuse: s.path() + "/refuse", Return: v.Order.ReturnURL,
			Documents: w.documents(lang, s, v), Turn: v.Order.Turn(v.N), Person: s.person(),
		}
		if steps := w.steps(lang, v, now); len(steps) > 1 {
			b.Steps = steps
		}
		if r.URL.Query().Get("note") == noteCancelled {
			b.Note = w.text(lang, "note.cancelled")
		}
		if b.Turn {
			b.Ways = w.Pages.Ways(r, lang, s.path(), allowed(s, v), s.infos)
		}
		return b
	})
}

// noteCancelled in an address says that the person has cancelled an e-ID order.
// Whoever makes it up is told nothing.
const noteCancelled = "cancelled"

// allowed are the e-IDs that may sign this order, in the order shown.
func allowed(s seat, v orders.Visit) []providers.ID {
	ids := s.offered()
	if len(v.Order.Providers) == 0 {
		return ids
	}
	return slices.DeleteFunc(ids, func(id providers.ID) bool { return !slices.Contains(v.Order.Providers, id) })
}
