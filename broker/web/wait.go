package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/i18n"
	"sigill/broker/kit/page"
	"sigill/providers"
)

// wait is the page of an order: what to do now, or how it ended.
func (w *Web) wait(rw http.ResponseWriter, r *http.Request) error {
	a, err := w.at(r)
	if err != nil {
		// The login may be over while its page is still open somewhere.
		if v, werr := w.watch(r); werr == nil && v.Failed.Hint == flow.ContinuedElsewhere {
			w.elsewhere(rw, r, look{})
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
	switch v.State {
	case flow.StateComplete:
		page.SeeOther(rw, a.waiting()+"/done")
		return nil
	case flow.StateReturning:
		w.reload(rw, r)
		return w.Pages.render(rw, r, http.StatusOK, "returning", a.look(), a.policy(), func(string) any {
			return struct{ Self, App string }{a.waiting(), appName(v.Order.Provider)}
		})
	case flow.StateFailed:
		if v.Failed.Hint == flow.ContinuedElsewhere {
			// The result was taken over and the login has no answer yet: it was
			// cut off in between, or is being answered at this moment. There
			// this browser gets its answer, or is told.
			page.SeeOther(rw, a.waiting()+"/done")
			return nil
		}
		return w.failed(rw, r, a, v)
	}
	w.reload(rw, r)
	l := a.look()
	l.wide = a.login.Mode == providers.ModeOther
	return w.Pages.render(rw, r, http.StatusOK, "wait", l, a.policy(), func(lang string) any {
		link, ok := safeLink(v.Wait.Link)
		return struct {
			Client, Provider, App, Self, Hint string
			Other, QR, HasLink, Auto          bool
			Link                              template.URL
		}{
			Client: clientName(&a.client, lang), Provider: idName(a.login.Provider), App: appName(a.login.Provider),
			Self: a.waiting(), Hint: w.hint(lang, a.login.Provider, v),
			Other: l.wide, QR: v.Wait.QR != "" || l.wide && v.Wait.Hint == hintStarting,
			Link: link, HasLink: ok,
			// Who has come back from the app is not sent there again.
			Auto: !l.wide && v.Order.Returned.IsZero() && !v.Wait.PickedUp,
		}
	})
}

// hintStarting is our own word for an order that is reserved and not begun.
const hintStarting = "starting"

// view watches the login's order. One that has only just been reserved counts
// as pending; one that never came to be has failed.
func (w *Web) view(r *http.Request, a at) (flow.View, error) {
	v, err := w.Flow.Watch(r.Context(), a.login.Order, a.browser)
	if !errors.Is(err, broker.ErrNotFound) {
		return v, err
	}
	v = flow.View{State: flow.StatePending, Order: broker.Order{ID: a.login.Order, Provider: a.login.Provider, Mode: a.login.Mode}}
	v.Wait.Hint = hintStarting
	if w.Now().Sub(a.login.OrderAt) > starting {
		v.State = flow.StateFailed
		v.Failed = providers.Failed{Reason: providers.Unknown, Text: providers.Text{
			SV: w.Pages.text("sv", "failed.unknown.text"), EN: w.Pages.text("en", "failed.unknown.text"),
		}}
	}
	return v, nil
}

// watch finds the order in the address, if it is this browser's and this
// login's. It reads no login: most requests by far are these.
func (w *Web) watch(r *http.Request) (flow.View, error) {
	browser := w.Pages.Cookies.Browser(r)
	if browser == "" {
		return flow.View{}, broker.ErrNotFound
	}
	v, err := w.Flow.Watch(r.Context(), broker.OrderID(r.PathValue("order")), browser)
	if err == nil && (v.Order.Owner != owner || v.Order.Ref != r.PathValue("login")) {
		return flow.View{}, broker.ErrNotFound
	}
	if !errors.Is(err, broker.ErrNotFound) {
		return v, err
	}
	// Reserved and not begun, or really unknown: the login tells.
	a, err := w.at(r)
	if err != nil || a.login.Order != broker.OrderID(r.PathValue("order")) {
		return flow.View{}, broker.ErrNotFound
	}
	return w.view(r, a)
}

// hint says in words what an order waits for.
func (w *Web) hint(lang string, id providers.ID, v flow.View) string {
	switch {
	case v.Wait.Hint == hintStarting:
		return w.Pages.text(lang, "wait.starting", "app", appName(id))
	case v.Wait.Text != (providers.Text{}):
		return v.Wait.Text.In(lang)
	}
	return w.Pages.text(lang, "wait.working")
}

// safeLink lets an app link become a link of the page, whatever its scheme, but
// not one that would run in the page.
func safeLink(link string) (template.URL, bool) {
	u, err := url.Parse(link)
	if err != nil || u.Scheme == "" {
		return "", false
	}
	switch strings.ToLower(u.Scheme) {
	case "javascript", "data", "vbscript", "blob", "filesystem", "file", "about", "view-source":
		return "", false
	}
	return template.URL(link), true
}

// answer is the status of an order for scripts. Text is the hint in the words
// of the page; all else is as the other pages' scripts know it.
type answer struct {
	State    flow.State `json:"state"`
	Hint     string     `json:"hint,omitempty"`
	QR       string     `json:"qr,omitempty"`
	Link     string     `json:"link,omitempty"`
	Redirect string     `json:"redirect,omitempty"`
	Text     string     `json:"text,omitempty"`
}

func (w *Web) status(rw http.ResponseWriter, r *http.Request) error {
	v, err := w.watch(r)
	if errors.Is(err, broker.ErrNotFound) {
		return writeJSON(rw, http.StatusNotFound, answer{State: flow.StateFailed, Hint: "notFound"})
	}
	if err != nil {
		return err
	}
	a := answer{State: v.State}
	switch v.State {
	case flow.StateComplete:
		a.Redirect = orderPage(r.PathValue("login"), v.Order.ID) + "/done"
	case flow.StateFailed:
		if a.Hint = v.Failed.Hint; a.Hint == "" {
			a.Hint = string(v.Failed.Reason)
		}
	case flow.StateReturning:
		a.Text = w.Pages.text(w.statusLang(r), "returning.state")
	case flow.StatePending:
		a.Hint, a.QR = v.Wait.Hint, v.Wait.QR
		if link, ok := safeLink(v.Wait.Link); ok {
			a.Link = string(link)
		}
		a.Text = w.hint(w.statusLang(r), v.Order.Provider, v)
	}
	return writeJSON(rw, http.StatusOK, a)
}

// statusLang is the language of the page that asks. The page names it, since
// only the login knows what the application asked for; naming it is no choice
// of the person's, so nothing is remembered.
func (w *Web) statusLang(r *http.Request) string {
	return i18n.Choose(r.Header.Get("Accept-Language"), r.URL.Query().Get("lang"), w.Pages.Cookies.Get(r, page.LangCookie))
}

func writeJSON(rw http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_, _ = rw.Write(b)
	return nil
}

// reload has a waiting page come again by itself where no script asks for it.
func (w *Web) reload(rw http.ResponseWriter, r *http.Request) {
	if w.Pages.Cookies.Get(r, plainCookie) != "" {
		rw.Header().Set("Refresh", "5")
	}
}

// frame is the small page with nothing but the code, which reloads itself each
// second where scripts do not run.
func (w *Web) frame(rw http.ResponseWriter, r *http.Request) error {
	v, err := w.watch(r)
	if err != nil {
		return notFound(err)
	}
	b := struct {
		App, Hint, Continue string
		QR                  template.HTML
	}{App: appName(v.Order.Provider)}
	lang := w.statusLang(r)
	if v.State == flow.StatePending {
		rw.Header().Set("Refresh", "1")
		b.Hint = w.hint(lang, v.Order.Provider, v)
		if v.Wait.QR != "" {
			svg, err := qrSVG(v.Wait.QR, w.Pages.text(lang, "wait.qr", "app", b.App))
			if err != nil {
				return err
			}
			b.QR = template.HTML(svg) // made by us of numbers
		}
	} else {
		b.Continue = orderPage(r.PathValue("login"), v.Order.ID)
	}
	return w.Pages.render(rw, r, http.StatusOK, "qr", look{lang: lang}, page.Policy{Framed: true}, func(string) any { return b })
}

// picture is the code of this moment.
func (w *Web) picture(rw http.ResponseWriter, r *http.Request) error {
	v, err := w.watch(r)
	if err != nil {
		return notFound(err)
	}
	if v.State != flow.StatePending || v.Wait.QR == "" {
		// Asked for in the moment in which the app took the order: no fault.
		rw.WriteHeader(http.StatusNoContent)
		return nil
	}
	svg, err := qrSVG(v.Wait.QR, w.Pages.text(w.statusLang(r), "wait.qr", "app", appName(v.Order.Provider)))
	if err != nil {
		return err
	}
	rw.Header().Set("Content-Type", "image/svg+xml")
	_, _ = rw.Write(svg)
	return nil
}

// failed says what happened, what to do, and what else can be chosen.
func (w *Web) failed(rw http.ResponseWriter, r *http.Request, a at, v flow.View) error {
	reference := page.Reference(string(v.Order.ID))
	w.log.InfoContext(r.Context(), "failed login shown", "reference", reference, "order", v.Order.ID, "reason", v.Failed.Reason)
	e := endingOf(v.Failed.Reason)
	return w.Pages.render(rw, r, http.StatusOK, "failed", a.look(), a.policy(), func(lang string) any {
		next := e.key + ".next"
		b := struct {
			Client, Heading, Text, Next, Sign, Icon string
			Self, Choices, Back, Reference          string
			Again                                   bool
		}{
			Client: clientName(&a.client, lang), Heading: w.Pages.text(lang, e.key), Text: v.Failed.Text.In(lang),
			Sign: "warn", Icon: "alert", Again: e.again,
			Self: a.waiting(), Choices: a.page(), Back: a.page() + "/back", Reference: reference,
		}
		if e.key == "failed.unknown" {
			b.Next = w.Pages.text(lang, next, "client", b.Client)
		} else {
			b.Next = w.Pages.text(lang, next)
		}
		if e.grave {
			b.Sign = "bad"
		}
		if v.Failed.Reason == providers.TimedOut {
			b.Icon = "clock"
		}
		return b
	})
}

// elsewhere says that another window has taken over.
func (w *Web) elsewhere(rw http.ResponseWriter, r *http.Request, l look) {
	if l.client == nil {
		if c, ok := w.lastClient(r); ok {
			l.client = &c
		}
	}
	w.Pages.show(rw, r, http.StatusOK, l, func(lang string) notice {
		return notice{
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
			return w.start(rw, r, a, choice{a.login.Provider, a.login.Mode})
		case err != nil:
			return fmt.Errorf("restart order: %w", err)
		}
	}
	page.SeeOther(rw, a.waiting())
	return nil
}
