// Package web draws the pages of the broker: the choice of e-ID, the waiting
// page with its QR code, what is said when a login ends without a person, and
// the few pages of the OpenID room.
//
// It owns what people see and press, and decides nothing about who they are:
// orders are run by broker/flow, requests and answers are broker/oidc's. Every
// page works without script; the script only spares reloads. All pages are in
// Swedish and English, follow WCAG 2.2 AA, and stand under a content security
// policy without inline script or style.
//
// What draws an e-ID order serves signatures too: see Errand. The signing room
// has pages, addresses and words of its own for the rest.
//
// A browser is known by its cookie alone (invariant I3): the names of logins
// and orders that stand in addresses are worth nothing without it.
package web

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/page"
	"sigill/broker/oidc"
	"sigill/providers"
)

//go:embed sv.json en.json
var texts embed.FS

//go:embed all:templates
var templates embed.FS

func pagesFS() fs.FS {
	s, err := fs.Sub(templates, "templates")
	if err != nil {
		return templates // a constant name: cannot be
	}
	return s
}

// Flow runs the e-ID orders; it is part of *flow.Engine.
type Flow interface {
	Begin(context.Context, flow.Begin) error
	Watch(ctx context.Context, id broker.OrderID, browser string) (flow.View, error)
	Return(ctx context.Context, id broker.OrderID, nonce, browser string) (flow.Arrival, error)
	Cancel(ctx context.Context, id broker.OrderID, browser string) error
	Restart(ctx context.Context, id broker.OrderID, browser string) error
	Result(ctx context.Context, id broker.OrderID, browser string) (broker.Order, providers.Done, error)
	Callbacks
}

// Callbacks takes in what browsers bring back from issuers' own sites.
type Callbacks interface {
	Callback(ctx context.Context, c flow.Callback) (address string, err error)
}

// Logins are the authorization requests under way; it is part of
// *oidc.Provider.
type Logins interface {
	Pending(ctx context.Context, login, browser string) (broker.Login, broker.Client, int64, error)
	Reserve(ctx context.Context, l broker.Login, version int64) error
	Finish(ctx context.Context, l broker.Login, o broker.Order, d providers.Done) (oidc.Answer, error)
	Refuse(ctx context.Context, l broker.Login, code, description string) (oidc.Answer, error)
	Send(w http.ResponseWriter, r *http.Request, a oidc.Answer)
}

// Clients finds applications, to name the way back when a login is gone.
type Clients interface {
	Client(ctx context.Context, id string) (broker.Client, error)
}

// Recorder writes acts to the audit.
type Recorder interface {
	Record(ctx context.Context, events ...audit.Event) error
}

// Config is what Web needs. All fields but Homes, Documents, Addresses and
// Now are required.
type Config struct {
	Pages   *Pages
	Logins  Logins
	Flow    Flow
	Clients Clients
	Audit   Recorder
	// Offers are the configured e-IDs that a client may use.
	Offers func(broker.Client) []providers.Info
	// Homes are the waiting pages of orders that others than logins own, by
	// owner: where somebody who comes back from an app goes on.
	Homes map[string]func(broker.Order) string
	// Documents are those that an instance of an e-ID publishes, by their paths
	// below its address; see providers.Publisher.
	Documents func(instance string) map[string]providers.Document
	Addresses page.Addresses
	Now       func() time.Time
}

// Web answers browsers.
type Web struct {
	Config
	homes  map[string]func(broker.Order) string
	ground page.Ground
	log    *slog.Logger
}

// New checks the configuration and starts nothing.
func New(c Config) (*Web, error) {
	if c.Pages == nil || c.Logins == nil || c.Flow == nil || c.Clients == nil || c.Audit == nil || c.Offers == nil {
		return nil, errors.New("web: incomplete configuration")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Documents == nil {
		c.Documents = func(string) map[string]providers.Document { return nil }
	}
	homes := map[string]func(broker.Order) string{owner: func(o broker.Order) string { return orderPage(o.Ref, o.ID) }}
	for o, home := range c.Homes {
		if homes[o] != nil || home == nil {
			return nil, fmt.Errorf("web: no home, or two, for the orders of %q", o)
		}
		homes[o] = home
	}
	w := &Web{Config: c, homes: homes, ground: c.Pages.ground, log: c.Pages.Log}
	w.ground.Draw = w.drawProblem
	return w, nil
}

// Routes adds the pages. They belong behind http.CrossOriginProtection, with
// Denied as its answer.
func (w *Web) Routes(mux *http.ServeMux) {
	for pattern, methods := range map[string]page.Methods{
		"/login/{login}":                 {"GET": w.choose, "POST": w.chosen},
		"/login/{login}/back":            {"POST": w.back},
		"/login/{login}/{order}":         {"GET": w.wait},
		"/login/{login}/{order}/status":  {"GET": w.status},
		"/login/{login}/{order}/qr":      {"GET": w.frame},
		"/login/{login}/{order}/qr.svg":  {"GET": w.picture},
		"/login/{login}/{order}/cancel":  {"POST": w.cancel},
		"/login/{login}/{order}/restart": {"POST": w.restart},
		"/login/{login}/{order}/done":    {"GET": w.done},
		"/return/{order}":                {"GET": w.comeBack},
		"/{$}":                           {"GET": w.front},
		"/":                              {"GET": w.nowhere, "POST": w.nowhere},
	} {
		mux.Handle(pattern, w.ground.Handle(methods))
	}
	mux.Handle("/static/", w.Pages.Assets)
}

// Denied answers what the cross-origin protection refuses.
func (w *Web) Denied() http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.ground.Fail(rw, r, &page.Problem{Status: http.StatusForbidden, Code: oidc.FaultCrossSite, Err: errors.New("cross-origin request")})
	})
}

// TooMany answers whoever asks too often. It writes nothing: a flood would.
func (w *Web) TooMany() http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		w.ground.Fail(rw, r, &page.Problem{Status: http.StatusTooManyRequests, Code: codeTooMany})
	}
}

func (w *Web) nowhere(http.ResponseWriter, *http.Request) error {
	return &page.Problem{Status: http.StatusNotFound, Code: page.CodeNotFound}
}

func (w *Web) front(rw http.ResponseWriter, r *http.Request) error {
	return w.Pages.render(rw, r, http.StatusOK, "front", page.Look{}, page.Policy{}, nil)
}

// notFound turns what a browser may not know of into the page for it.
func notFound(err error) error {
	if errors.Is(err, broker.ErrNotFound) {
		return &page.Problem{Status: http.StatusNotFound, Code: oidc.FaultExpired, Err: err}
	}
	return err
}

// drawProblem audits what was refused and draws the error page.
func (w *Web) drawProblem(rw http.ResponseWriter, r *http.Request, p *page.Problem) {
	switch p.Code {
	case page.CodeTooLarge, page.CodeMalformed, CodeChoice, codeStray, oidc.FaultCrossSite:
		if err := w.Audit.Record(context.WithoutCancel(r.Context()), audit.Event{Type: audit.InputRefused, At: w.Now(), Reason: p.Code}); err != nil {
			w.log.ErrorContext(r.Context(), "refused input not audited", "error", err)
		}
	}
	l := page.Look{}
	if c, ok := w.lastClient(r); ok {
		l = LookOf(&c, "")
	}
	l.Once = r.PathValue("instance") != "" // what was brought is brought once
	w.Pages.drawProblem(rw, r, p, l)
}
