package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"sigill/broker"
	"sigill/broker/kit/page"
	brokerweb "sigill/broker/web"
	"sigill/signing"
	"sigill/signing/orders"
)

// seat is a signatory's place in an order, as its address names it.
type seat struct {
	visit
	order string
	n     int
}

func (s seat) path() string { return orders.SignPath(s.client.ID, s.order, s.n) }

// seat reads the address. What cannot be an address of ours is nowhere.
func (w *Web) seat(r *http.Request) (seat, error) {
	v, err := w.visit(r)
	if err != nil {
		return seat{}, err
	}
	s := seat{visit: v, order: r.PathValue("order")}
	s.n, err = strconv.Atoi(r.PathValue("n"))
	if err != nil || strconv.Itoa(s.n) != r.PathValue("n") || s.n < 1 || s.n > 999 || !shaped(s.order) {
		return seat{}, w.nowhere(nil, r)
	}
	return s, nil
}

// barred answers whoever may not do what the address is for: who is not logged
// in, not well enough, or not the signatory. handled is false for every other
// error, which is handed back.
func (w *Web) barred(rw http.ResponseWriter, r *http.Request, s seat, err error) (handled bool, _ error) {
	landing := func(because why) error {
		// The button leads to the signatory's place, also from pages below it.
		return w.land(rw, r, s.visit, because, s.path()+"/login")
	}
	switch {
	case !s.known && r.Method == http.MethodPost:
		return true, landing(again) // was logged in while reading
	case !s.known:
		return true, landing(toSee)
	case errors.Is(err, orders.ErrLevel):
		return true, landing(again)
	case errors.Is(err, broker.ErrNotFound):
		return true, w.nothing(rw, r, s.visit, s.path()+"/login")
	}
	return false, err
}

// enter reads the address and finds the order for whoever is its signatory. done
// means that everybody else has had an answer.
func (w *Web) enter(rw http.ResponseWriter, r *http.Request) (s seat, v orders.Visit, done bool, err error) {
	return w.come(rw, r, w.Service.Glance)
}

// come is enter by one of the service's ways to look at an order.
func (w *Web) come(rw http.ResponseWriter, r *http.Request, look func(context.Context, string, string, int, orders.Guest) (orders.Visit, error)) (s seat, v orders.Visit, done bool, err error) {
	if s, err = w.seat(r); err != nil {
		return s, v, false, err
	}
	if s.known {
		v, err = look(r.Context(), s.client.ID, s.order, s.n, s.guest)
	}
	if !s.known || err != nil {
		done, err = w.barred(rw, r, s, err)
	}
	return s, v, done, err
}

// place is the page of a signatory's place: to read and sign, or how it stands.
// It is the only one that shows what is signed, and counts as reading it.
func (w *Web) place(rw http.ResponseWriter, r *http.Request) error {
	s, v, done, err := w.come(rw, r, w.Service.Visit)
	if done || err != nil {
		return err
	}
	if stageOf(v, w.Now()) == toSign {
		return w.review(rw, r, s, v, http.StatusOK)
	}
	return w.standing(rw, r, s, v)
}

// state tells the script of a page that waits whether there is news.
func (w *Web) state(rw http.ResponseWriter, r *http.Request) error {
	s, err := w.seat(r)
	if err != nil || !s.known {
		return noState(rw, err)
	}
	v, err := w.Service.Glance(r.Context(), s.client.ID, s.order, s.n, s.guest)
	if err != nil {
		return noState(rw, err)
	}
	return writeState(rw, http.StatusOK, string(stageOf(v, w.Now())), "")
}

// noState answers a script that may not know; the page itself then says why.
func noState(rw http.ResponseWriter, err error) error {
	var problem *page.Problem
	if err == nil || errors.Is(err, broker.ErrNotFound) || errors.Is(err, orders.ErrLevel) || errors.As(err, &problem) {
		return writeState(rw, http.StatusNotFound, "gone", "")
	}
	return err
}

func writeState(rw http.ResponseWriter, status int, state, redirect string) error {
	b, err := json.Marshal(struct {
		State    string `json:"state"`
		Redirect string `json:"redirect,omitempty"`
	}{state, redirect})
	if err != nil {
		return err
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_, _ = rw.Write(b)
	return nil
}

// receipt gives the sealed PDF to a signatory who is logged in.
func (w *Web) receipt(rw http.ResponseWriter, r *http.Request) error {
	s, err := w.seat(r)
	if err != nil {
		return err
	}
	var pdf []byte
	if s.known {
		pdf, err = w.Service.ReceiptFor(r.Context(), s.client.ID, s.order, s.n, s.guest)
	}
	if !s.known || err != nil {
		if done, err := w.barred(rw, r, s, err); done || err != nil {
			return err
		}
	}
	return page.Hand(rw, r, "kvittens-"+s.order+".pdf", "application/pdf", pdf)
}

// look is of a page of an order: in its signatory's language unless the person
// has chosen another.
func lookOf(s seat, v orders.Visit) page.Look {
	asked := ""
	if me, ok := v.Order.Signatory(v.N); ok {
		asked = me.Language
	}
	return brokerweb.LookOf(&s.client, asked)
}

// asked is who asks for this order: as it stands in what is signed, or the same
// in English where the client has a name for that.
func (s seat) asked(lang string, v orders.Visit) string {
	if v.Asker == s.client.Name {
		return s.look("").NameIn(lang)
	}
	return cmp.Or(v.Asker, s.asker(lang))
}

// own finds the guest among the signatories.
func own(v orders.Visit) signing.Signatory {
	if me, ok := v.Order.Signatory(v.N); ok {
		return *me
	}
	return signing.Signatory{}
}

// settledContext lets what a person has pressed happen, also when the browser has
// gone.
func settledContext(r *http.Request) context.Context { return context.WithoutCancel(r.Context()) }
