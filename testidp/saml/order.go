package saml

import (
	"container/list"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/persons"
)

// An order is one request and what became of it.
type order struct {
	id      string
	request *request
	browser string // the cookie of whoever brought the request
	address string
	created time.Time

	state   string
	hint    string
	person  *persons.Person // who took it in hand, and who was identified
	failure *status         // why it failed
	decided time.Time
	drawn   control.Drawn

	once  sync.Once
	field string // SAMLResponse
	relay string
	err   error
}

// The hints of an order, which are also what fail understands.
const (
	hintPending       = "pending"
	hintStarted       = "started"
	hintCancel        = "cancel"
	hintFraud         = "fraud"
	hintPossibleFraud = "possibleFraud"
	hintAuthnFailed   = "authnFailed" // the card is locked
	hintNoContext     = "noAuthnContext"
	hintUnknown       = "unknownPrincipal"
	hintDenied        = "requestDenied"
	hintTimeout       = "timeout"
	hintNoPassive     = "noPassive"
	hintRequester     = "requester" // the request asks for something that is not here
	hintComplete      = "complete"
)

// endings are the ways in which a person may fail.
func endings() map[string]*status {
	return map[string]*status{
		hintCancel:        {statusResponder, statusCancel, "the user cancelled"},
		hintFraud:         {statusResponder, statusFraud, "fraud"},
		hintPossibleFraud: {statusResponder, statusPossibleFraud, "possible fraud"},
		hintAuthnFailed:   {statusResponder, statusAuthnFailed, "the card is locked"},
		hintNoContext:     {statusRequester, statusNoContext, "the e-ID does not have the level"},
		hintUnknown:       {statusResponder, statusUnknown, "it was somebody else"},
		hintDenied:        {statusRequester, statusDenied, "the service may not use this IdP"},
		hintTimeout:       {statusResponder, "", "the user took too long"},
		hintRequester:     {statusRequester, "", "the request is wrong"},
	}
}

// A ledger is the orders that are remembered, oldest first.
type ledger struct {
	list      *list.List // of *order
	byID      map[string]*list.Element
	byRequest map[string]*order // by peer and request ID: none may come again
}

func newLedger() ledger {
	return ledger{list.New(), map[string]*list.Element{}, map[string]*order{}}
}

const (
	maxOrders  = 20_000
	remembered = 15 * time.Minute // longer than a request may be old
)

// sweep forgets the oldest orders. The lock is held.
func (l *ledger) sweep(now time.Time) {
	for range 64 {
		e := l.list.Front()
		if e == nil {
			return
		}
		o := e.Value.(*order)
		if now.Sub(o.created) < remembered && l.list.Len() < maxOrders {
			return
		}
		l.list.Remove(e)
		delete(l.byID, o.id)
		delete(l.byRequest, o.request.key())
	}
}

func (q *request) key() string { return q.peer.entityID + "\x00" + q.id }

const browserCookie = "testidp_saml"

// browser knows a browser again by a cookie, which a request by POST from another
// site does not bring.
func (p *IdP) browser(w http.ResponseWriter, r *http.Request) string {
	if c, err := r.Cookie(browserCookie); err == nil && len(c.Value) == 32 {
		return c.Value
	}
	id := random()
	http.SetCookie(w, &http.Cookie{Name: browserCookie, Value: id, Path: p.config.Path, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	return id
}

func random() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func host(remote string) string {
	h, _, err := net.SplitHostPort(remote)
	if err != nil {
		return "127.0.0.1"
	}
	return h
}

func (p *IdP) orderURL(id string) string { return p.config.BaseURL + p.config.Path + "/o/" + id }

var errReplayed = errors.New("the request was here before")

// open makes an order of a request. The same request again, by the same browser
// and to the letter, is the same order.
func (p *IdP) open(q *request, browser, address string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.config.Now()
	p.ledger.sweep(now)
	if before := p.ledger.byRequest[q.key()]; before != nil {
		if before.browser != browser || before.request.sum != q.sum || before.request.relay != q.relay {
			return "", errReplayed
		}
		return before.id, nil
	}
	o := &order{id: random(), request: q, browser: browser, address: address, created: now, state: control.Pending, hint: hintPending}
	if q.refused != nil {
		hint := hintRequester
		switch q.refused.second {
		case statusNoPassive:
			hint = hintNoPassive
		case statusNoContext:
			hint = hintNoContext
		}
		p.fail(o, hint, q.refused)
		o.drawn = p.config.Faults.Draw(p.config.Name)
	}
	p.ledger.byID[o.id] = p.ledger.list.PushBack(o)
	p.ledger.byRequest[q.key()] = o
	if o.state == control.Pending {
		p.obey(o)
	}
	return o.id, nil
}

// obey lets an obedient person decide. The lock is held.
func (p *IdP) obey(o *order) {
	auto, ok := p.config.Autos.For(p.config.Name)
	if !ok || p.closed {
		return
	}
	if auto.Pnr == "" {
		auto.Pnr = p.config.People.First().Number
		if len(o.request.numbers) > 0 {
			auto.Pnr = o.request.numbers[0]
		}
	}
	approve := control.Action{Action: "approve", Pnr: auto.Pnr}
	if auto.DelayMs <= 0 {
		// At once, so that the page delivers the answer when it is first shown.
		if err := p.act(o, approve, p.config.Faults.Draw(p.config.Name)); err != nil {
			p.config.Log.Info("nobody approved", "order", o.id, "reason", err)
		}
		return
	}
	p.running.Go(func() {
		timer := time.NewTimer(auto.Delay())
		defer timer.Stop()
		select {
		case <-p.done:
			return
		case <-timer.C:
		}
		if _, err := p.Act(o.id, approve); err != nil {
			p.config.Log.Info("nobody approved", "order", o.id, "reason", err)
		}
	})
}

// find returns an order that is up to date. The lock is held.
func (p *IdP) find(id string) *order {
	e := p.ledger.byID[id]
	if e == nil {
		return nil
	}
	o := e.Value.(*order)
	p.settle(o)
	return o
}

// settle ends an order whose person took too long.
func (p *IdP) settle(o *order) {
	if o.state == control.Pending && p.config.Now().Sub(o.created) > p.config.Life {
		p.fail(o, hintTimeout, endings()[hintTimeout])
	}
}

func (p *IdP) fail(o *order, hint string, why *status) {
	o.state, o.hint, o.failure, o.decided = control.Failed, hint, why, p.config.Now()
}

// Act implements control.Simulator.
func (p *IdP) Act(id string, a control.Action) (control.Result, error) {
	return p.actWith(id, a, p.config.Faults.Draw(p.config.Name))
}

// actWith is Act with faults of one's own.
func (p *IdP) actWith(id string, a control.Action, f control.Drawn) (control.Result, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.find(id)
	if o == nil {
		return control.Result{}, control.NotFound()
	}
	err := p.act(o, a, f)
	return control.Result{ID: o.id, State: o.state, Hint: o.hint, ReturnURL: p.orderURL(o.id)}, err
}

// act changes an order. The lock is held; the answer is made when the page first
// delivers it.
func (p *IdP) act(o *order, a control.Action, f control.Drawn) error {
	if o.state != control.Pending {
		return control.Refuse("the order is over")
	}
	number := a.Pnr
	if number == "" && o.person != nil {
		number = o.person.Number
	}
	if number == "" && len(o.request.numbers) > 0 {
		number = o.request.numbers[0]
	}
	who, known := p.config.People.ByNumber(number)
	switch a.Action {
	case "start":
		o.hint = hintStarted
		if known {
			o.person = &who
		}
		return nil
	case "cancel":
		p.fail(o, hintCancel, endings()[hintCancel])
	case "fail":
		why, ok := endings()[a.Hint]
		if !ok {
			return control.Invalid("fail needs a hint: cancel, fraud, possibleFraud, authnFailed, noAuthnContext, unknownPrincipal, requestDenied, requester or timeout")
		}
		p.fail(o, a.Hint, why)
	case "approve":
		switch {
		case !known:
			return control.Invalid("unknown person")
		case who.Has(persons.NoEID):
			return control.Refuse("the person has no e-ID here")
		case who.Has(persons.Samordningsnummer) && !o.request.peer.has(categoryCoordinated):
			return control.Refuse("the service does not accept co-ordination numbers")
		}
		o.person = &who
		switch {
		case who.Has(persons.Blocked):
			p.fail(o, hintAuthnFailed, endings()[hintAuthnFailed])
		case !o.request.accepts(number):
			p.fail(o, hintUnknown, endings()[hintUnknown])
		default:
			o.state, o.hint, o.decided = control.Complete, hintComplete, p.config.Now()
		}
	default:
		return control.Invalid("action must be start, approve, cancel or fail")
	}
	o.drawn = f
	return nil
}

// accepts reports whether PrincipalSelection allows a person.
func (q *request) accepts(number string) bool {
	if len(q.numbers) == 0 {
		return true
	}
	for _, n := range q.numbers {
		if n == number {
			return true
		}
	}
	return false
}

// Orders implements control.Simulator.
func (p *IdP) Orders() []control.Order {
	p.mu.Lock()
	defer p.mu.Unlock()
	var over, pending []control.Order
	for e := p.ledger.list.Front(); e != nil; e = e.Next() {
		o := e.Value.(*order)
		p.settle(o)
		if o.state == control.Pending {
			pending = append(pending, p.view(o))
		} else {
			over = append(over, p.view(o))
		}
	}
	return append(over, pending...)
}

// Order implements control.Simulator.
func (p *IdP) Order(id string) (control.Order, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.find(id)
	if o == nil {
		return control.Order{}, false
	}
	return p.view(o), true
}

func (p *IdP) view(o *order) control.Order {
	q := o.request
	v := control.Order{
		ID: o.id, Provider: p.config.Name, Kind: "auth", Reference: q.id, Text: q.shown, ReturnURL: p.orderURL(o.id), State: o.state,
		RelyingParty: q.peer.name("sv"), Hint: o.hint, PickedUp: true, SameDevice: true,
	}
	if q.signing {
		v.Kind = "sign"
	}
	if len(q.numbers) > 0 {
		v.RequiredPnr = q.numbers[0]
	}
	if o.person != nil {
		v.Person = o.person.Number
	}
	return v
}

// ByToken implements control.Simulator: there are no app links here.
func (p *IdP) ByToken(string) (control.Order, bool) { return control.Order{}, false }

// Scan implements control.Simulator: there is nothing to scan here.
func (p *IdP) Scan(control.Code) (string, error) { return "", control.ErrUnknownCode }

// Strictness implements control.Simulator: nobody collects here.
func (p *IdP) Strictness() control.Strictness {
	return control.Strictness{Orders: []control.StrictOrder{}}
}
