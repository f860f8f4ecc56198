package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/page"
	"sigill/providers"
)

const (
	// clientCookie remembers which application a login was for, so that there
	// is a way back when the login itself is gone. It decides nothing.
	clientCookie = "sigill_client"
	clientLife   = 24 * time.Hour
)

// young is how old an order may be to be taken for the other half of a double
// click, or for the choice that another tab just made.
const young = 10 * time.Second

// isYoung is false for what lies ahead by more than clocks differ.
func isYoung(at, now time.Time) bool { return now.Sub(at).Abs() < young }

// at is a login that this browser may go on with.
type at struct {
	login   broker.Login
	client  broker.Client
	version int64
	browser string
}

func (a at) look() page.Look { return LookOf(&a.client, a.login.Lang) }

func (a at) page() string { return "/login/" + a.login.ID }

func (a at) waiting() string { return orderPage(a.login.ID, a.login.Order) }

func orderPage(login string, order broker.OrderID) string {
	return "/login/" + login + "/" + string(order)
}

// policy lets a form of the page end at the application.
func (a at) policy() page.Policy {
	return page.Policy{FormTargets: []string{a.login.Request.RedirectURI}}
}

// errand is the login's order, for the pages about it.
func (w *Web) errand(a at) Errand {
	e := orderOf(a.login.ID, a.login.Order, a.browser)
	e.Provider, e.Mode, e.Reserved = a.login.Provider, a.login.Mode, a.login.OrderAt
	for _, i := range w.Offers(a.client) {
		if i.ID == e.Provider {
			e.Info = i
		}
	}
	e.Look, e.Policy, e.Back = a.look(), a.policy(), a.page()+"/back"
	return e
}

// orderOf is an order as its address and its browser alone name it.
func orderOf(login string, order broker.OrderID, browser string) Errand {
	return Errand{
		Owner: owner, Ref: login, Order: order, Browser: browser,
		Self: orderPage(login, order), Done: orderPage(login, order) + "/done", Choices: "/login/" + login,
	}
}

// at finds the login in the address.
func (w *Web) at(r *http.Request) (at, error) {
	a := at{browser: w.Pages.Cookies.Browser(r)}
	if a.browser == "" {
		return a, notFound(broker.ErrNotFound)
	}
	var err error
	a.login, a.client, a.version, err = w.Logins.Pending(r.Context(), r.PathValue("login"), a.browser)
	return a, notFound(err)
}

// choose shows the ways to log in.
func (w *Web) choose(rw http.ResponseWriter, r *http.Request) error {
	a, err := w.at(r)
	if err != nil {
		return err
	}
	w.Pages.Cookies.Set(rw, clientCookie, loginMark(a.login.ID)+"."+a.client.ID, clientLife)
	underWay := ""
	if a.login.Order != "" {
		// The back button leads here: the order that is under way goes on.
		v, err := w.Flow.Watch(r.Context(), a.login.Order, a.browser)
		if err == nil && (v.State == flow.StatePending || v.State == flow.StateComplete) {
			underWay = a.waiting()
		}
	}
	infos := w.Offers(a.client)
	return w.Pages.render(rw, r, http.StatusOK, "choose", a.look(), a.policy(), func(lang string) any {
		b := struct {
			Client, Home, Back, Continue string
			Ways                         Ways
			Trouble, Getting             []link
		}{
			Client: a.look().NameIn(lang), Home: a.look().Home, Back: a.page() + "/back", Continue: underWay,
			Ways: w.Pages.Ways(r, lang, a.page(), a.login.Offered, infos),
		}
		for _, h := range helps(lang, a.login.Offered, infos) {
			b.Trouble, b.Getting = append(b.Trouble, h.Trouble()...), append(b.Getting, h.Getting()...)
		}
		return b
	})
}

// chosen starts the order that the person chose.
func (w *Web) chosen(rw http.ResponseWriter, r *http.Request) error {
	a, err := w.at(r)
	if err != nil {
		return err
	}
	c, _, err := w.Pages.Chosen(rw, r, a.login.Offered, w.Offers(a.client))
	if err != nil {
		return err
	}
	if w.sameAgain(r.Context(), a, c) {
		page.SeeOther(rw, a.waiting())
		return nil
	}
	return w.start(rw, r, a, c)
}

// sameAgain reports whether the login has just got an order of this very
// choice, and it has not ended: the person pressed twice.
func (w *Web) sameAgain(ctx context.Context, a at, c Choice) bool {
	l := a.login
	if l.Order == "" || l.Provider != c.Provider || l.Mode != c.Mode || !isYoung(l.OrderAt, w.Now()) {
		return false
	}
	v, err := w.Flow.Watch(ctx, l.Order, a.browser)
	// Not found: reserved by the other press, and not begun yet.
	return errors.Is(err, broker.ErrNotFound) || err == nil && v.State != flow.StateFailed
}

// start reserves a new order for the login and begins it. Of several presses at
// the same time one wins; the others follow it.
func (w *Web) start(rw http.ResponseWriter, r *http.Request, a at, c Choice) error {
	info, err := Offered(c, a.login.Offered, w.Offers(a.client))
	if err != nil {
		return err
	}
	old := a.login.Order
	a.login.Order, a.login.Provider, a.login.Mode, a.login.OrderAt = broker.OrderID(broker.NewID()), c.Provider, c.Mode, w.Now()
	err = w.Logins.Reserve(r.Context(), a.login, a.version)
	if errors.Is(err, broker.ErrConflict) {
		now, err := w.at(r)
		if err != nil {
			return err
		}
		if now.login.Order == "" {
			page.SeeOther(rw, now.page())
		} else {
			page.SeeOther(rw, now.waiting())
		}
		return nil
	}
	if err != nil {
		return notFound(err)
	}

	// From here on a browser that leaves (the first half of a double click does)
	// must not stop what the other half waits for.
	ctx := context.WithoutCancel(r.Context())
	if old != "" {
		if err := w.Flow.Cancel(ctx, old, a.browser); err != nil && !errors.Is(err, broker.ErrNotFound) {
			w.log.WarnContext(ctx, "replaced order not cancelled", "order", old, "error", err)
		}
	}
	lang := w.Pages.room.Lang(rw, r, a.look())
	err = w.Flow.Begin(ctx, flow.Begin{
		ID: a.login.Order, Owner: owner, Ref: a.login.ID, Client: a.login.Client,
		Provider: c.Provider, Instance: info.Instance, Kind: providers.KindAuth, Browser: a.browser,
		Request: providers.Request{
			Mode: c.Mode, Number: a.login.Number, Lang: lang,
			Text:   shorten(w.Pages.text(lang, "auth.text", "client", a.look().NameIn(lang)), info.AuthText),
			Device: w.Pages.Device(r, w.Addresses, a.browser),
		},
	})
	if err != nil {
		w.release(ctx, a)
		if bad := (*providers.BadRequest)(nil); errors.As(err, &bad) {
			// Mobilt BankID on this device, which is a computer: no choice that
			// the page offered.
			return &page.Problem{Status: http.StatusBadRequest, Code: CodeChoice, Err: err}
		}
		return fmt.Errorf("begin order: %w", err)
	}
	page.SeeOther(rw, a.waiting())
	return nil
}

// owner is what orders for logins are marked with.
const owner = "login"

// release takes a reservation back, so that the next press starts anew.
func (w *Web) release(ctx context.Context, a at) {
	l, _, version, err := w.Logins.Pending(ctx, a.login.ID, a.browser)
	if err == nil && l.Order == a.login.Order {
		l.Order, l.Provider, l.Mode, l.OrderAt = "", "", "", time.Time{}
		err = w.Logins.Reserve(ctx, l, version)
	}
	if err != nil && !errors.Is(err, broker.ErrNotFound) && !errors.Is(err, broker.ErrConflict) {
		w.log.WarnContext(ctx, "reservation not taken back", "order", a.login.Order, "error", err)
	}
}

// shorten cuts a text to as many bytes as the e-ID shows, at a whole character.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// loginMark tells logins apart in a cookie without repeating their names.
func loginMark(login string) string {
	sum := sha256.Sum256([]byte("mark" + login))
	return hex.EncodeToString(sum[:6])
}

// lastClient finds whom the login in the address was for, when the login itself
// is gone.
func (w *Web) lastClient(r *http.Request) (broker.Client, bool) {
	login := r.PathValue("login")
	mark, id, ok := strings.Cut(w.Pages.Cookies.Get(r, clientCookie), ".")
	if !ok || login == "" || mark != loginMark(login) {
		return broker.Client{}, false
	}
	c, err := w.Clients.Client(r.Context(), id)
	return c, err == nil
}
