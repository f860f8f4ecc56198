package web

import (
	"errors"
	"net/http"

	"sigill/broker/kit/page"
	"sigill/signing"
	"sigill/signing/orders"
)

// refuse asks whether the person really says no, and why. One no ends the order
// for all.
func (w *Web) refuse(rw http.ResponseWriter, r *http.Request) error {
	s, v, done, err := w.enter(rw, r)
	if done || err != nil {
		return err
	}
	if stageOf(v, w.Now()) != toSign {
		page.SeeOther(rw, s.path())
		return nil
	}
	return w.askWhy(rw, r, s, v, http.StatusOK, "", "")
}

func (w *Web) askWhy(rw http.ResponseWriter, r *http.Request, s seat, v orders.Visit, status int, reason, problem string) error {
	look := lookOf(s, v)
	return w.room.Render(rw, r, status, "refuse", look, page.Policy{}, func(lang string) any {
		b := struct {
			Client, Title, Self, Place, Reason, Problem string
			Most                                        int
			Others                                      bool
		}{Client: s.asked(lang, v), Title: v.Order.Title, Self: s.path() + "/refuse", Place: s.path(), Reason: reason, Most: signing.MaxReason}
		_, of := v.Order.Signed()
		b.Others = of > 1
		if problem != "" {
			b.Problem = w.text(lang, problem, "most", signing.MaxReason)
		}
		return b
	})
}

// refused takes the no in.
func (w *Web) refused(rw http.ResponseWriter, r *http.Request) error {
	s, v, done, err := w.enter(rw, r)
	if done || err != nil {
		return err
	}
	// Four bytes for each character, and room to say which rule was broken.
	form, err := page.FormUpTo(r, 8*signing.MaxReason, "reason")
	if err != nil {
		return err
	}
	reason, err := signing.CheckReason(form["reason"])
	if err != nil {
		return w.askWhy(rw, r, s, v, http.StatusUnprocessableEntity, form["reason"], "refuse.problem")
	}
	err = w.Service.Decline(settledContext(r), s.client.ID, s.order, s.n, s.guest, reason)
	var invalid *signing.Invalid
	switch {
	case errors.As(err, &invalid):
		return w.askWhy(rw, r, s, v, http.StatusUnprocessableEntity, form["reason"], "refuse.problem")
	case err != nil && !overtaken(err):
		done, err := w.barred(rw, r, s, err)
		if done {
			return err
		}
		return err
	}
	page.SeeOther(rw, s.path())
	return nil
}
