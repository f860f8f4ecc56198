package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/page"
)

// wait is the page of a login's order.
func (w *Web) wait(rw http.ResponseWriter, r *http.Request) error {
	a, err := w.at(r)
	if err != nil {
		// The login may be over while its page is still open somewhere.
		if _, v, werr := w.watch(r); werr == nil && v.Failed.Hint == flow.ContinuedElsewhere {
			w.elsewhere(rw, r, page.Look{})
			return nil
		}
		return err
	}
	order := broker.OrderID(r.PathValue("order"))
	if order != a.login.Order {
		// Another tab chose again, or the person cancelled: follow.
		if a.login.Order == "" {
			page.SeeOther(rw, a.page())
		} else {
			page.SeeOther(rw, a.waiting())
		}
		return nil
	}
	v, err := w.view(r, a)
	if err != nil {
		return err
	}
	return w.Pages.Waiting(rw, r, w.errand(a), v)
}

// view watches the login's order.
func (w *Web) view(r *http.Request, a at) (flow.View, error) {
	return w.Pages.Watch(r.Context(), w.Flow, w.errand(a), w.Now())
}

// watch finds the order in the address, if it is this browser's and this
// login's. It reads no login: most requests by far are these.
func (w *Web) watch(r *http.Request) (Errand, flow.View, error) {
	e := orderOf(r.PathValue("login"), broker.OrderID(r.PathValue("order")), w.Pages.Cookies.Browser(r))
	v, err := w.Pages.Watch(r.Context(), w.Flow, e, w.Now())
	if !errors.Is(err, broker.ErrNotFound) {
		return e, v, err
	}
	// Reserved and not begun, or really unknown: the login tells.
	a, err := w.at(r)
	if err != nil || a.login.Order != e.Order {
		return e, flow.View{}, broker.ErrNotFound
	}
	v, err = w.view(r, a)
	return e, v, err
}

func (w *Web) status(rw http.ResponseWriter, r *http.Request) error {
	e, v, err := w.watch(r)
	return w.Pages.Status(rw, r, e, v, err)
}

func (w *Web) frame(rw http.ResponseWriter, r *http.Request) error {
	e, v, err := w.watch(r)
	if err != nil {
		return notFound(err)
	}
	return w.Pages.Frame(rw, r, e, v)
}

func (w *Web) picture(rw http.ResponseWriter, r *http.Request) error {
	_, v, err := w.watch(r)
	if err != nil {
		return notFound(err)
	}
	return w.Pages.Picture(rw, r, v)
}

// elsewhere says that another window has taken over.
func (w *Web) elsewhere(rw http.ResponseWriter, r *http.Request, l page.Look) {
	if l.Name == "" {
		if c, ok := w.lastClient(r); ok {
			l = LookOf(&c, "")
		}
	}
	w.Pages.Show(rw, r, http.StatusOK, l, func(lang string) Notice {
		return Notice{
			Title: w.Pages.text(lang, "elsewhere.heading"), Heading: w.Pages.text(lang, "elsewhere.heading"),
			Text: w.Pages.text(lang, "elsewhere.text"), Icon: "window",
		}
	})
}

// cancel ends the order and lets the person choose again.
func (w *Web) cancel(rw http.ResponseWriter, r *http.Request) error {
	a, err := w.at(r)
	if err != nil {
		return err
	}
	if _, err := page.Form(r); err != nil {
		return err
	}
	order := broker.OrderID(r.PathValue("order"))
	if err := w.Flow.Cancel(context.WithoutCancel(r.Context()), order, a.browser); err != nil && !errors.Is(err, broker.ErrNotFound) {
		return fmt.Errorf("cancel order: %w", err)
	}
	if a.login.Order == order {
		w.release(context.WithoutCancel(r.Context()), a)
	}
	page.SeeOther(rw, a.page())
	return nil
}

// restart tries the same again: the order itself where that is possible, else a
// new one of the same choice.
func (w *Web) restart(rw http.ResponseWriter, r *http.Request) error {
	a, err := w.at(r)
	if err != nil {
		return err
	}
	if _, err := page.Form(r); err != nil {
		return err
	}
	if order := broker.OrderID(r.PathValue("order")); a.login.Order == "" {
		page.SeeOther(rw, a.page())
		return nil
	} else if order != a.login.Order {
		page.SeeOther(rw, a.waiting())
		return nil
	}
	v, err := w.view(r, a)
	if err != nil {
		return err
	}
	if v.State == flow.StateFailed && v.Failed.Hint != flow.ContinuedElsewhere {
		err := broker.ErrConflict
		if v.Restartable {
			err = w.Flow.Restart(context.WithoutCancel(r.Context()), a.login.Order, a.browser)
		}
		switch {
		case errors.Is(err, broker.ErrConflict), errors.Is(err, broker.ErrNotFound):
			return w.start(rw, r, a, Choice{a.login.Provider, a.login.Mode})
		case err != nil:
			return fmt.Errorf("restart order: %w", err)
		}
	}
	page.SeeOther(rw, a.waiting())
	return nil
}
