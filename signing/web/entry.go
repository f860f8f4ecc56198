package web

import (
	"errors"
	"net/http"
	"strings"

	"sigill/broker"
	"sigill/broker/kit/page"
	"sigill/signing"
	"sigill/signing/orders"
)

// shaped reports whether a part of an address can be a name that we gave.
func shaped(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		b := s[i]
		if !('a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '-' || b == '_') {
			return false
		}
	}
	return true
}

// named reports whether the names in an address, if it has any, can be ours.
func named(r *http.Request) bool {
	for _, part := range []string{"token", "order", "n"} {
		if v := r.PathValue(part); v != "" && !shaped(v) {
			return false
		}
	}
	return true
}

// invitation is where a link in a message leads. It consumes nothing.
func (w *Web) invitation(rw http.ResponseWriter, r *http.Request) error {
	v, err := w.visit(r)
	if err != nil {
		return err
	}
	token := r.PathValue("token")
	if !shaped(token) {
		return w.nowhere(rw, r)
	}
	if !v.known {
		return w.landing(rw, r, v, toSee)
	}
	id, n, err := w.Service.ByToken(r.Context(), v.client.ID, token, v.guest)
	return w.led(rw, r, v, id, n, err)
}

// led goes on to the order that an entry leads to.
func (w *Web) led(rw http.ResponseWriter, r *http.Request, v visit, id string, n int, err error) error {
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return w.nothing(rw, r, v, loginPath(r, v))
	case errors.Is(err, orders.ErrLevel):
		return w.landing(rw, r, v, again)
	case err != nil:
		return err
	}
	page.SeeOther(rw, orders.SignPath(v.client.ID, id, n))
	return nil
}

// code asks for the code of a message that holds no link.
func (w *Web) code(rw http.ResponseWriter, r *http.Request) error {
	v, err := w.visit(r)
	if err != nil {
		return err
	}
	if !v.known {
		return w.landing(rw, r, v, toCode)
	}
	return w.askCode(rw, r, v, http.StatusOK, "")
}

func (w *Web) askCode(rw http.ResponseWriter, r *http.Request, v visit, status int, problem string) error {
	return w.room.Render(rw, r, status, "code", v.look(""), page.Policy{}, func(lang string) any {
		b := struct {
			Client, Self, Problem string
			Closed                bool
			Person                person
		}{Client: v.asker(lang), Self: orders.CodePath(v.client.ID), Person: v.person(), Closed: status == http.StatusTooManyRequests}
		if problem != "" {
			b.Problem = w.text(lang, problem)
		}
		return b
	})
}

// coded takes the code in. It only selects among what awaits the person who is
// logged in; who that is was decided by the e-ID.
func (w *Web) coded(rw http.ResponseWriter, r *http.Request) error {
	v, err := w.visit(r)
	if err != nil {
		return err
	}
	form, err := page.Form(r, "code")
	if err != nil {
		return err
	}
	if !v.known {
		page.SeeOther(rw, orders.CodePath(v.client.ID))
		return nil
	}
	typed := strings.TrimSpace(form["code"])
	if typed == "" {
		return w.askCode(rw, r, v, http.StatusUnprocessableEntity, "code.empty")
	}
	id, n, err := w.Service.ByCode(r.Context(), v.client.ID, typed, v.guest)
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return w.askCode(rw, r, v, http.StatusUnprocessableEntity, "code.wrong")
	case errors.Is(err, orders.ErrTooMany):
		return w.askCode(rw, r, v, http.StatusTooManyRequests, "code.too_many")
	}
	return w.led(rw, r, v, id, n, err)
}

// list shows what awaits the person at this client.
func (w *Web) list(rw http.ResponseWriter, r *http.Request) error {
	v, err := w.visit(r)
	if err != nil {
		return err
	}
	if !v.known {
		return w.landing(rw, r, v, toList)
	}
	found, err := w.Service.Awaiting(r.Context(), v.client.ID, v.guest)
	if err != nil {
		return err
	}
	return w.room.Render(rw, r, http.StatusOK, "list", v.look(""), page.Policy{}, func(lang string) any {
		type item struct{ Title, Text, URL, Icon string }
		b := struct {
			Client, Code string
			Items        []item
			Person       person
		}{Client: v.asker(lang), Code: orders.CodePath(v.client.ID), Person: v.person()}
		for _, f := range found {
			i := item{Title: f.Order.Title, URL: orders.SignPath(v.client.ID, f.Order.ID, f.N), Icon: "seal"}
			s, ok := f.Order.Signatory(f.N)
			switch {
			case !ok:
				continue
			case s.State == signing.Signed:
				i.Text, i.Icon = w.text(lang, "list.signed"), "check"
			default:
				i.Text = w.text(lang, "list.until", "when", w.when(lang, f.Order.Deadline))
			}
			b.Items = append(b.Items, i)
		}
		return b
	})
}
