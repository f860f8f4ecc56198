package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/page"
	"sigill/broker/oidc"
)

// done finishes the login with what its order proved, and sends the person back
// to the application. The first tab does; the others are told.
func (w *Web) done(rw http.ResponseWriter, r *http.Request) error {
	a, err := w.at(r)
	if err != nil {
		if _, v, werr := w.watch(r); werr == nil && v.Failed.Hint == flow.ContinuedElsewhere {
			w.elsewhere(rw, r, page.Look{})
			return nil
		}
		return err
	}
	order := broker.OrderID(r.PathValue("order"))
	if order != a.login.Order {
		page.SeeOther(rw, a.page())
		return nil
	}
	o, proof, err := w.Flow.Result(r.Context(), order, a.browser)
	switch {
	case errors.Is(err, broker.ErrNotFound): // not done yet, or not well
		// The waiting page sends complete orders here: never in a circle.
		if v, err := w.view(r, a); err != nil || v.State == flow.StateComplete {
			return fmt.Errorf("order %s is complete and has no result: %w", order, err)
		}
		page.SeeOther(rw, a.waiting())
		return nil
	case errors.Is(err, broker.ErrConflict):
		// Taken over, and the login has no answer yet: by an earlier request that
		// was cut off, perhaps. Finish knows.
	case err != nil:
		return err
	}
	reply, err := w.Logins.Finish(r.Context(), a.login, o, proof)
	var no *oidc.Rejection
	switch {
	case errors.As(err, &no):
		return w.rejected(rw, r, a, no)
	case errors.Is(err, broker.ErrConflict):
		w.elsewhere(rw, r, a.look())
		return nil
	case err != nil:
		return err
	}
	w.Logins.Send(rw, r, reply)
	return nil
}

// rejected tells a person who is known, and whom the application's rules turn
// away, what to do instead.
func (w *Web) rejected(rw http.ResponseWriter, r *http.Request, a at, no *oidc.Rejection) error {
	reference := page.Reference(string(a.login.Order))
	w.log.InfoContext(r.Context(), "rejected login shown", "reference", reference, "order", a.login.Order, "reason", no.Reason)
	return w.Pages.render(rw, r, http.StatusForbidden, "rejected", a.look(), a.policy(), func(lang string) any {
		return struct{ Client, Heading, Text, Code, Choices, Back, Reference string }{
			a.look().NameIn(lang), w.Pages.text(lang, rejectionHeading(no.Reason)), no.Text.In(lang), no.Code,
			a.page(), a.page() + "/back", reference,
		}
	})
}

// back gives the login up and tells the application so.
func (w *Web) back(rw http.ResponseWriter, r *http.Request) error {
	a, err := w.at(r)
	if err != nil {
		return err
	}
	form, err := page.Form(r, "code")
	if err != nil {
		return err
	}
	// The code of a rejection comes back with the button. It tells the
	// application why nobody came, no more: whoever changes it fools nobody.
	code, description := "access_denied", "the person did not log in"
	switch form["code"] {
	case "", "access_denied":
	case "unmet_authentication_requirements", "login_required":
		code = form["code"]
	default:
		return &page.Problem{Status: http.StatusBadRequest, Code: page.CodeMalformed, Err: errors.New("unknown error code")}
	}
	if a.login.Order != "" {
		if err := w.Flow.Cancel(context.WithoutCancel(r.Context()), a.login.Order, a.browser); err != nil && !errors.Is(err, broker.ErrNotFound) {
			w.log.WarnContext(r.Context(), "order of a given-up login not cancelled", "order", a.login.Order, "error", err)
		}
	}
	reply, err := w.Logins.Refuse(r.Context(), a.login, code, description)
	if errors.Is(err, broker.ErrConflict) {
		w.elsewhere(rw, r, a.look())
		return nil
	}
	if err != nil {
		return err
	}
	w.Logins.Send(rw, r, reply)
	return nil
}
