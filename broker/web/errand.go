package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/i18n"
	"sigill/broker/kit/page"
	"sigill/providers"
)

// Errand is an e-ID order as the pages about it need it: whose order it is,
// whose look its pages have, and where they lead. A login and a signature fill
// it in each in its way; what is drawn is the same but for the words.
//
// Owner, Ref, Order, Browser and Self are enough for Status, Frame and Picture,
// which are asked for far more often than the page itself.
type Errand struct {
	Owner, Ref string // as in broker.Order
	Order      broker.OrderID
	Browser    string // the secret of the browser that asks
	Provider   providers.ID
	Info       providers.Info // of Provider, where the order may not have begun
	Mode       providers.Mode
	Reserved   time.Time // when its owner reserved it; zero: only what has begun counts
	Sign       bool      // a signature, not a login
	What       string    // what is signed, in a few words
	Asker      string    // who asks for the signature; empty: whose look it is
	Look       page.Look
	Policy     page.Policy
	Self       string // the waiting page; it answers below itself: status, qr, qr.svg, cancel, restart
	Done       string // where a complete order leads, and one that was taken over
	Choices    string // where the person chooses again
	Back       string // takes a POST that gives the errand up; may be empty
}

// starting is how long an order that is reserved may take to appear: the
// longest call to an issuer, and some.
const starting = 25 * time.Second

// hintStarting is our own word for an order that is reserved and not begun.
const hintStarting = "starting"

// Watcher tells browsers of their orders; it is part of *flow.Engine.
type Watcher interface {
	Watch(ctx context.Context, id broker.OrderID, browser string) (flow.View, error)
}

// Watch watches an errand's order. An order of another owner or errand is
// broker.ErrNotFound like none at all. One that has only just been reserved
// counts as pending; one that never came to be has failed.
func (p *Pages) Watch(ctx context.Context, f Watcher, e Errand, now time.Time) (flow.View, error) {
	if e.Browser == "" {
		return flow.View{}, broker.ErrNotFound
	}
	v, err := f.Watch(ctx, e.Order, e.Browser)
	if err == nil && (v.Order.Owner != e.Owner || v.Order.Ref != e.Ref) {
		return flow.View{}, broker.ErrNotFound
	}
	if !errors.Is(err, broker.ErrNotFound) || e.Reserved.IsZero() {
		return v, err
	}
	v = flow.View{State: flow.StatePending, Order: broker.Order{ID: e.Order, Provider: e.Provider, Mode: e.Mode}}
	v.Wait.Hint = hintStarting
	if now.Sub(e.Reserved) > starting {
		key := "failed.unknown.text"
		if e.Sign {
			key = "unsigned.unknown.text"
		}
		v.State = flow.StateFailed
		v.Failed = providers.Failed{Reason: providers.Unknown, Text: providers.Text{SV: p.text("sv", key), EN: p.text("en", key)}}
	}
	return v, nil
}

// Waiting draws the page of an order: what to do now, or how it ended.
func (p *Pages) Waiting(w http.ResponseWriter, r *http.Request, e Errand, v flow.View) error {
	switch v.State {
	case flow.StateComplete:
		page.SeeOther(w, e.Done)
		return nil
	case flow.StateReturning:
		p.Reload(w, r)
		return p.render(w, r, http.StatusOK, "returning", e.Look, e.Policy, func(lang string) any {
			n := p.names(lang, e, v)
			return struct {
				Self, Name, App string
				Sign, Site, QR  bool
			}{e.Self, n.eid, n.app, e.Sign, v.Info.Site, n.app == "BankID"}
		})
	case flow.StateFailed:
		if v.Failed.Hint == flow.ContinuedElsewhere {
			// The result was taken over, by another tab or by a request that was
			// cut off. There this browser gets its answer, or is told.
			page.SeeOther(w, e.Done)
			return nil
		}
		return p.failed(w, r, e, v)
	}
	if u, fields, post := awayAddress(v.Away); u != nil {
		return p.away(w, r, e, v, u, fields, post)
	}
	p.Reload(w, r)
	l := e.Look
	l.Wide = e.Mode == providers.ModeOther
	return p.render(w, r, http.StatusOK, "wait", l, e.Policy, func(lang string) any {
		link, ok := safeLink(v.Wait.Link)
		n := p.names(lang, e, v)
		return struct {
			Client, What, Provider, App, Self, Hint     string
			Sign, Other, QR, HasLink, Auto, Site, Freja bool
			Link                                        template.URL
		}{
			Client: cmp.Or(e.Asker, l.NameIn(lang)), What: e.What, Provider: n.eid, App: n.app,
			Self: e.Self, Hint: p.hint(lang, n, v), Sign: e.Sign, Freja: n.app == "Freja",
			Site:  v.Info.Site || e.Info.Site,
			Other: l.Wide, QR: v.Wait.QR != "" || l.Wide && v.Wait.Hint == hintStarting,
			Link: link, HasLink: ok,
			// Who has come back from the app is not sent there again.
			Auto: !l.Wide && v.Order.Returned.IsZero() && !v.Wait.PickedUp,
		}
	})
}

// names are those of an order's e-ID.
func (p *Pages) names(lang string, e Errand, v flow.View) names {
	info := v.Info
	if info.ID == "" {
		info = e.Info
	}
	return namesOf(lang, cmp.Or(v.Order.Provider, e.Provider), info)
}

// hint says in words what an order waits for.
func (p *Pages) hint(lang string, n names, v flow.View) string {
	switch {
	case v.Wait.Hint == hintStarting:
		return p.text(lang, "wait.starting", "app", n.app)
	case v.Away != nil:
		return p.text(lang, "away.state", "name", n.eid)
	case v.Wait.Text != (providers.Text{}):
		return v.Wait.Text.In(lang)
	}
	return p.text(lang, "wait.working")
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

// Status answers the script of a waiting page. found is what Watch said.
func (p *Pages) Status(w http.ResponseWriter, r *http.Request, e Errand, v flow.View, found error) error {
	if errors.Is(found, broker.ErrNotFound) {
		return writeJSON(w, http.StatusNotFound, answer{State: flow.StateFailed, Hint: "notFound"})
	}
	if found != nil {
		return found
	}
	a := answer{State: v.State}
	switch v.State {
	case flow.StateComplete:
		a.Redirect = e.Done
	case flow.StateFailed:
		if a.Hint = v.Failed.Hint; a.Hint == "" {
			a.Hint = string(v.Failed.Reason)
		}
	case flow.StateReturning:
		a.Text = p.returning(p.statusLang(r), v)
	case flow.StatePending:
		a.Hint, a.QR = v.Wait.Hint, v.Wait.QR
		if link, ok := safeLink(v.Wait.Link); ok {
			a.Link = string(link)
		}
		if u, _, post := awayAddress(v.Away); u != nil && !post {
			a.Link = u.String()
		}
		lang := p.statusLang(r)
		a.Text = p.hint(lang, p.names(lang, e, v), v)
	}
	return writeJSON(w, http.StatusOK, a)
}

// statusLang is the language of the page that asks. The page names it, since
// only its owner knows what the application asked for; naming it is no choice
// of the person's, so nothing is remembered.
func (p *Pages) statusLang(r *http.Request) string {
	return i18n.Choose(r.Header.Get("Accept-Language"), r.URL.Query().Get("lang"), p.Cookies.Get(r, page.LangCookie))
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

// Reload has a waiting page come again by itself where no script asks for it.
func (p *Pages) Reload(w http.ResponseWriter, r *http.Request) {
	if p.Cookies.Get(r, plainCookie) != "" {
		w.Header().Set("Refresh", "5")
	}
}

// Frame draws the small page with nothing but the code, which reloads itself
// each second where scripts do not run.
func (p *Pages) Frame(w http.ResponseWriter, r *http.Request, e Errand, v flow.View) error {
	b := struct {
		App, Hint, Continue string
		QR                  template.HTML
	}{}
	lang := p.statusLang(r)
	n := p.names(lang, e, v)
	b.App = n.app
	if v.State == flow.StatePending {
		w.Header().Set("Refresh", "1")
		b.Hint = p.hint(lang, n, v)
		if v.Wait.QR != "" {
			svg, err := qrSVG(v.Wait.QR, p.text(lang, "wait.qr", "app", b.App))
			if err != nil {
				return err
			}
			b.QR = template.HTML(svg) // made by us of numbers
		}
	} else {
		b.Continue = e.Self
	}
	return p.render(w, r, http.StatusOK, "qr", page.Look{Lang: lang}, page.Policy{Framed: true}, func(string) any { return b })
}

// Picture answers with the code of this moment.
func (p *Pages) Picture(w http.ResponseWriter, r *http.Request, v flow.View) error {
	if v.State != flow.StatePending || v.Wait.QR == "" {
		// Asked for in the moment in which the app took the order: no fault.
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	lang := p.statusLang(r)
	svg, err := qrSVG(v.Wait.QR, p.text(lang, "wait.qr", "app", p.names(lang, Errand{}, v).app))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	_, _ = w.Write(svg)
	return nil
}

// failed says what happened, what to do, and what else can be chosen.
func (p *Pages) failed(w http.ResponseWriter, r *http.Request, e Errand, v flow.View) error {
	reference := page.Reference(string(v.Order.ID))
	p.Log.InfoContext(r.Context(), "failed order shown", "reference", reference, "order", v.Order.ID, "owner", e.Owner, "reason", v.Failed.Reason)
	end := endingOf(v.Failed.Reason)
	return p.render(w, r, http.StatusOK, "failed", e.Look, e.Policy, func(lang string) any {
		b := struct {
			Client, Heading, Text, Next, Mark, Icon string
			Self, Choices, Back, Reference          string
			Again, Sign                             bool
			Help                                    *help
		}{
			Client: cmp.Or(e.Asker, e.Look.NameIn(lang)), Heading: p.text(lang, end.key(e.Sign)), Text: v.Failed.Text.In(lang),
			Mark: "warn", Icon: "alert", Again: end.again, Sign: e.Sign,
			Self: e.Self, Choices: e.Choices, Back: e.Back, Reference: reference,
		}
		n := p.names(lang, e, v)
		switch next := end.key(e.Sign) + ".next"; end.names() {
		case "client":
			b.Next = p.text(lang, next, "client", b.Client)
		case "issuer":
			b.Next = p.text(lang, next, "issuer", p.issuer(lang, n))
		default:
			b.Next = p.text(lang, next)
		}
		if h := helpOf(n, v.Order.Provider, v.Info.Help); end.eid && len(h.Trouble()) > 0 {
			b.Help = &h
		}
		if end.grave {
			b.Mark = "bad"
		}
		if v.Failed.Reason == providers.TimedOut {
			b.Icon = "clock"
		}
		return b
	})
}

// issuer is whom people turn to with trouble: of a BankID, their bank.
func (p *Pages) issuer(lang string, n names) string {
	switch {
	case n.app == "BankID":
		return p.text(lang, "issuer.bank")
	case n.issuer != "":
		return n.issuer
	}
	return p.text(lang, "issuer.unknown")
}

// returning is the state of a person who is proven and not back yet.
func (p *Pages) returning(lang string, v flow.View) string {
	if v.Info.Site {
		return p.text(lang, "returning.site.state")
	}
	return p.text(lang, "returning.state")
}
