package web

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/page"
	brokerweb "sigill/broker/web"
	"sigill/providers"
	"sigill/signing"
	"sigill/signing/orders"
)

// sign begins an e-ID order in which this person alone can sign this order.
func (w *Web) sign(rw http.ResponseWriter, r *http.Request) error {
	s, v, done, err := w.enter(rw, r)
	if done || err != nil {
		return err
	}
	if stageOf(v, w.Now()) != toSign {
		page.SeeOther(rw, s.path()) // which says how it stands
		return nil
	}
	c, _, err := w.Pages.Chosen(rw, r, signable(s, v), s.infos, "digest")
	if err != nil {
		return err
	}
	var shown [32]byte
	if b, err := hex.DecodeString(r.PostForm.Get("digest")); err == nil && len(b) == len(shown) {
		copy(shown[:], b)
	}
	return w.begin(rw, r, s, v, orders.Start{Digest: shown, Provider: c.Provider, Mode: c.Mode})
}

// begin begins the e-ID order that is wished for.
func (w *Web) begin(rw http.ResponseWriter, r *http.Request, s seat, v orders.Visit, start orders.Start) error {
	browser := w.Pages.Cookies.Browser(r)
	if browser == "" {
		// Gone since the login, which gave it one: the session went with it, or
		// somebody plays with cookies.
		return w.land(rw, r, s.visit, again, s.path()+"/login")
	}
	start.Browser, start.Device = browser, w.Pages.Device(r, w.Addresses, browser)
	start.Language = w.room.Lang(rw, r, lookOf(s, v))
	eid, err := w.Service.Sign(settledContext(r), s.client.ID, s.order, s.n, s.guest, start)
	var bad *providers.BadRequest
	switch {
	case errors.As(err, &bad):
		return &page.Problem{Status: http.StatusBadRequest, Code: brokerweb.CodeChoice, Err: err}
	case errors.Is(err, signing.ErrOutdated):
		page.SeeOther(rw, s.path()+"?note="+noteChanged)
		return nil
	case overtaken(err):
		page.SeeOther(rw, s.path()) // which says what has happened meanwhile
		return nil
	case err != nil:
		if done, err := w.barred(rw, r, s, err); done {
			return err
		}
		return fmt.Errorf("begin signature: %w", err)
	}
	page.SeeOther(rw, s.eid(eid))
	return nil
}

// overtaken: something happened to the order after the page was drawn.
func overtaken(err error) bool {
	for _, e := range []error{signing.ErrOver, signing.ErrNotNow, signing.ErrDone, signing.ErrLate} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (s seat) eid(id broker.OrderID) string { return s.path() + "/e/" + url.PathEscape(string(id)) }

// errand is the e-ID order in the address, for the pages that broker/web draws.
// It needs no login: the browser that began the order is enough to see its code.
func (w *Web) errand(r *http.Request) (brokerweb.Errand, error) {
	order, n, eid := r.PathValue("order"), r.PathValue("n"), r.PathValue("eid")
	if !shaped(order) || !shaped(n) || !shaped(eid) {
		return brokerweb.Errand{}, broker.ErrNotFound
	}
	place := orders.Room(r.PathValue("client")) + "o/" + order + "/" + n
	self := place + "/e/" + eid
	return brokerweb.Errand{
		Owner: orders.Owner, Ref: order + "/" + n, Order: broker.OrderID(eid), Browser: w.Pages.Cookies.Browser(r),
		Sign: true, Self: self, Done: self + "/done", Choices: place + "#sign",
	}, nil
}

// watch finds the e-ID order in the address, if it is this browser's and this
// client's.
func (w *Web) watch(r *http.Request) (brokerweb.Errand, flow.View, error) {
	e, err := w.errand(r)
	if err != nil {
		return e, flow.View{}, err
	}
	v, err := w.Pages.Watch(r.Context(), w.Flow, e, w.Now())
	if err == nil && v.Order.Client != r.PathValue("client") {
		return e, flow.View{}, broker.ErrNotFound
	}
	e.Provider, e.Mode = v.Order.Provider, v.Order.Mode
	return e, v, err
}

// wait is the page of an e-ID order: what to do now, or how it ended.
func (w *Web) wait(rw http.ResponseWriter, r *http.Request) error {
	s, v, done, err := w.enter(rw, r)
	if done || err != nil {
		return err
	}
	e, view, err := w.watch(r)
	if errors.Is(err, broker.ErrNotFound) {
		page.SeeOther(rw, s.path()) // another browser's, or long forgotten
		return nil
	}
	if err != nil {
		return err
	}
	e.What, e.Look = v.Order.Title, lookOf(s, v)
	e.Asker = s.asked(w.room.Lang(rw, r, e.Look), v)
	return w.Pages.Waiting(rw, r, e, view)
}

func (w *Web) status(rw http.ResponseWriter, r *http.Request) error {
	e, v, err := w.watch(r)
	return w.Pages.Status(rw, r, e, v, err)
}

func (w *Web) frame(rw http.ResponseWriter, r *http.Request) error {
	e, v, err := w.watch(r)
	if err != nil {
		return gone(err)
	}
	return w.Pages.Frame(rw, r, e, v)
}

func (w *Web) picture(rw http.ResponseWriter, r *http.Request) error {
	_, v, err := w.watch(r)
	if err != nil {
		return gone(err)
	}
	return w.Pages.Picture(rw, r, v)
}

func gone(err error) error {
	if errors.Is(err, broker.ErrNotFound) {
		return &page.Problem{Status: http.StatusNotFound, Code: page.CodeNotFound, Err: err}
	}
	return err
}

// cancel ends the e-ID order and leads back to what was to be signed.
func (w *Web) cancel(rw http.ResponseWriter, r *http.Request) error {
	e, err := w.errand(r)
	if err != nil {
		return gone(err)
	}
	if _, err := page.Form(r); err != nil {
		return err
	}
	if _, v, err := w.watch(r); err == nil && v.State != flow.StatePending {
		page.SeeOther(rw, e.Self) // too late: the page says how it ended
		return nil
	}
	if err := w.Flow.Cancel(settledContext(r), e.Order, e.Browser); err != nil && !errors.Is(err, broker.ErrNotFound) {
		return fmt.Errorf("cancel e-ID order: %w", err)
	}
	place, _, _ := strings.Cut(e.Choices, "#")
	page.SeeOther(rw, place+"?note="+noteCancelled+"#sign")
	return nil
}

// restart begins another e-ID order of the same choice, over the same content.
func (w *Web) restart(rw http.ResponseWriter, r *http.Request) error {
	s, v, done, err := w.enter(rw, r)
	if done || err != nil {
		return err
	}
	if _, err := page.Form(r); err != nil {
		return err
	}
	_, view, err := w.watch(r)
	switch {
	case errors.Is(err, broker.ErrNotFound):
		page.SeeOther(rw, s.path())
		return nil
	case err != nil:
		return err
	case view.State != flow.StateFailed:
		page.SeeOther(rw, s.eid(broker.OrderID(r.PathValue("eid"))))
		return nil
	case stageOf(v, w.Now()) != toSign:
		page.SeeOther(rw, s.path())
		return nil
	}
	c := brokerweb.Choice{Provider: view.Order.Provider, Mode: view.Order.Mode}
	if _, err := brokerweb.Offered(c, signable(s, v), s.infos); err != nil {
		return err
	}
	return w.begin(rw, r, s, v, orders.Start{Again: view.Order.ID, Provider: c.Provider, Mode: c.Mode})
}

// done is where a proven e-ID order leads: to the person's place once the
// signature is taken in, which the server does whether or not anybody waits.
func (w *Web) done(rw http.ResponseWriter, r *http.Request) error {
	s, v, done, err := w.enter(rw, r)
	if done || err != nil {
		return err
	}
	eid := broker.OrderID(r.PathValue("eid"))
	if _, view, err := w.watch(r); err == nil && view.State != flow.StateComplete {
		page.SeeOther(rw, s.eid(eid)) // not proven, or not yet
		return nil
	}
	outcome, err := w.Service.Outcome(r.Context(), s.client.ID, s.order, s.n, s.guest, eid)
	if err != nil {
		if done, err := w.barred(rw, r, s, err); done || err != nil {
			return err
		}
	}
	look := lookOf(s, v)
	switch outcome {
	case orders.OutcomeSigned, orders.OutcomeAlready:
		page.SeeOther(rw, s.path())
		return nil
	case "":
		w.Pages.Reload(rw, r)
		return w.room.Render(rw, r, http.StatusOK, "underway", look, page.Policy{}, func(lang string) any {
			return struct{ Title, Lang, Self string }{v.Order.Title, other(lang, v), s.eid(eid) + "/done"}
		})
	}
	reference := page.Reference(string(eid))
	w.log.InfoContext(r.Context(), "signature that does not count shown", "reference", reference, "eid_order", eid, "outcome", outcome)
	return w.room.Render(rw, r, http.StatusOK, "uncounted", look, page.Policy{}, func(lang string) any {
		return struct{ Text, Place, Reference string }{w.text(lang, uncounted(outcome)), s.path(), reference}
	})
}

// settled tells the script of the page under way whether there is an outcome.
func (w *Web) settled(rw http.ResponseWriter, r *http.Request) error {
	s, err := w.seat(r)
	if err != nil || !s.known {
		return noState(rw, err)
	}
	eid := broker.OrderID(r.PathValue("eid"))
	outcome, err := w.Service.Outcome(r.Context(), s.client.ID, s.order, s.n, s.guest, eid)
	switch {
	case err != nil:
		return noState(rw, err)
	case outcome == "":
		return writeState(rw, http.StatusOK, "pending", "")
	}
	return writeState(rw, http.StatusOK, "complete", s.eid(eid)+"/done")
}
