// Package web is the signing room: where a person who is asked to sign comes in,
// logs in, reads, signs or says no, sees how it goes for the others, and fetches
// the sealed receipt.
//
// It owns what people see and press there, and decides nothing: who may see and
// sign what is signing/orders', who is logged in is broker/oidc's, e-ID orders
// are run by broker/flow and drawn by broker/web. Everything lies under
// /signing/{client}/, has the look of the client, and works without script. A
// link or an address alone is worth nothing (invariants I3 and I4): before login
// every link looks alike, and after it the wrong person's look like false ones.
// A GET consumes nothing, since scanners of mail open links too. What is signed is
// what was shown: the form that begins a signature holds, besides the provider
// and the device that every chooser posts, the digest (hex) of what stands on its
// page, and whoever drives the pages by a script reads it there too. When it is
// not the order's any more, the page is shown again and says so.
package web

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"time"
	_ "time/tzdata" // times are said as people here say them, on any machine

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/page"
	"sigill/broker/oidc"
	brokerweb "sigill/broker/web"
	"sigill/providers"
	"sigill/signing"
	"sigill/signing/orders"
)

//go:embed sv.json en.json
var texts embed.FS

//go:embed all:templates
var templates embed.FS

// Service is the part of *orders.Service that the room needs.
type Service interface {
	Entries
	Reading
	Answering
}

// Entries find what a guest has come for.
type Entries interface {
	ByToken(ctx context.Context, client, token string, g orders.Guest) (id string, n int, err error)
	ByCode(ctx context.Context, client, code string, g orders.Guest) (id string, n int, err error)
	Awaiting(ctx context.Context, client string, g orders.Guest) ([]orders.Visit, error)
}

// Reading shows an order to one of its signatories.
type Reading interface {
	Visit(ctx context.Context, client, id string, n int, g orders.Guest) (orders.Visit, error)
	Glance(ctx context.Context, client, id string, n int, g orders.Guest) (orders.Visit, error)
	File(ctx context.Context, client, id string, n int, g orders.Guest, i int) (signing.Document, error)
	ReceiptFor(ctx context.Context, client, id string, n int, g orders.Guest) ([]byte, error)
}

// Answering takes in what a signatory says: yes, by an e-ID order, or no.
type Answering interface {
	Sign(ctx context.Context, client, id string, n int, g orders.Guest, start orders.Start) (broker.OrderID, error)
	Outcome(ctx context.Context, client, id string, n int, g orders.Guest, eid broker.OrderID) (string, error)
	Decline(ctx context.Context, client, id string, n int, g orders.Guest, reason string) error
}

// Flow runs the e-ID orders; it is part of *flow.Engine.
type Flow interface {
	Watch(ctx context.Context, id broker.OrderID, browser string) (flow.View, error)
	Cancel(ctx context.Context, id broker.OrderID, browser string) error
}

// Clients finds those who ask for signatures.
type Clients interface {
	Client(ctx context.Context, id string) (broker.Client, error)
}

// Recorder writes acts to the audit.
type Recorder interface {
	Record(ctx context.Context, events ...audit.Event) error
}

// Config is what Web needs. All fields but Addresses and Now are required.
type Config struct {
	Pages   *brokerweb.Pages
	Service Service
	Flow    Flow
	Logins  Logins
	Clients Clients
	Audit   Recorder
	// Offers are the configured e-IDs of a client, in the order shown: to log in
	// with, and where they have room for a text, to sign with.
	Offers    func(broker.Client) []providers.Info
	Addresses page.Addresses
	Now       func() time.Time
}

// Web answers browsers.
type Web struct {
	Config
	room   *page.Room
	ground page.Ground
	zone   *time.Location
	log    *slog.Logger
}

// New checks the configuration and starts nothing.
func New(c Config) (*Web, error) {
	if c.Pages == nil || c.Service == nil || c.Flow == nil || c.Logins == nil || c.Clients == nil || c.Audit == nil || c.Offers == nil {
		return nil, errors.New("signing/web: incomplete configuration")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	zone, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		return nil, err
	}
	files, err := fs.Sub(templates, "templates")
	if err != nil {
		return nil, err
	}
	room, err := page.NewRoom(page.RoomConfig{
		Address: c.Pages.Issuer, Assets: c.Pages.Assets, Cookies: c.Pages.Cookies, Log: c.Pages.Log,
		Templates: files, Texts: texts, InCode: textsInCode(),
	})
	if err != nil {
		return nil, err
	}
	w := &Web{Config: c, room: room, zone: zone, log: c.Pages.Log}
	w.ground = page.Ground{HTTPS: room.HTTPS, Log: w.log, Draw: w.drawProblem}
	return w, nil
}

// Routes adds the pages. They belong behind http.CrossOriginProtection.
func (w *Web) Routes(mux *http.ServeMux) {
	const room, place, eid = "/signing/{client}/", "/signing/{client}/o/{order}/{n}", "/signing/{client}/o/{order}/{n}/e/{eid}"
	for pattern, methods := range map[string]page.Methods{
		"/signing/{client}":      {"GET": w.unslashed},
		room + "{$}":             {"GET": w.list},
		room + "login":           {"POST": w.login},
		room + "logout":          {"POST": w.logout},
		room + "i/{token}":       {"GET": w.invitation},
		room + "i/{token}/login": {"POST": w.login},
		room + "kod":             {"GET": w.code, "POST": w.coded},
		room + "kod/login":       {"POST": w.login},
		place:                    {"GET": w.place, "POST": w.sign},
		place + "/login":         {"POST": w.login},
		place + "/state":         {"GET": w.state},
		place + "/refuse":        {"GET": w.refuse, "POST": w.refused},
		place + "/documents/{i}": {"GET": w.download},
		place + "/receipt.pdf":   {"GET": w.receipt},
		eid:                      {"GET": w.wait},
		eid + "/status":          {"GET": w.status},
		eid + "/qr":              {"GET": w.frame},
		eid + "/qr.svg":          {"GET": w.picture},
		eid + "/cancel":          {"POST": w.cancel},
		eid + "/restart":         {"POST": w.restart},
		eid + "/done":            {"GET": w.done},
		eid + "/done/state":      {"GET": w.settled},
		"/signing/":              {"GET": w.nowhere, "POST": w.nowhere},
	} {
		mux.Handle(pattern, w.ground.Handle(methods))
	}
}

// Home is the waiting page of an e-ID order of the room's, for whoever comes back
// from an app (see broker/web's Homes).
func Home(o broker.Order) string {
	return orders.Room(o.Client) + "o/" + o.Ref + "/e/" + string(o.ID)
}

func (w *Web) nowhere(http.ResponseWriter, *http.Request) error {
	return &page.Problem{Status: http.StatusNotFound, Code: page.CodeNotFound}
}

func (w *Web) unslashed(rw http.ResponseWriter, r *http.Request) error {
	c, err := w.client(r)
	if err != nil {
		return err
	}
	page.SeeOther(rw, orders.Room(c.ID))
	return nil
}

// client finds whose room the address is in. Whoever may not ask for signatures
// has none.
func (w *Web) client(r *http.Request) (broker.Client, error) {
	c, err := w.Clients.Client(r.Context(), r.PathValue("client"))
	if err == nil && !slices.Contains(c.Scopes, oidc.ScopeSigning) {
		err = broker.ErrNotFound
	}
	if errors.Is(err, broker.ErrNotFound) {
		return broker.Client{}, &page.Problem{Status: http.StatusNotFound, Code: page.CodeNotFound, Err: errors.New("no such room")}
	}
	return c, err
}

// drawProblem audits what was refused and draws the error page.
func (w *Web) drawProblem(rw http.ResponseWriter, r *http.Request, p *page.Problem) {
	switch p.Code {
	case page.CodeTooLarge, page.CodeMalformed, brokerweb.CodeChoice:
		if err := w.Audit.Record(context.WithoutCancel(r.Context()), audit.Event{Type: audit.InputRefused, At: w.Now(), Reason: p.Code}); err != nil {
			w.log.ErrorContext(r.Context(), "refused input not audited", "error", err)
		}
	}
	l := page.Look{}
	if c, err := w.client(r); err == nil {
		l = brokerweb.LookOf(&c, "")
	}
	w.Pages.Show(rw, r, p.Status, l, func(lang string) brokerweb.Notice {
		heading, text := wordsOf(p.Code)
		return brokerweb.Notice{
			Title: w.text(lang, "error.title"), Heading: w.text(lang, heading), Text: w.text(lang, text),
			Sign: "warn", Icon: "alert", Reference: page.RequestID(r.Context()),
		}
	})
}

func (w *Web) text(lang, key string, pairs ...any) string { return w.room.Text(lang, key, pairs...) }
