package oidc

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/persons"
)

// An order is one login from the request to the answer. Its fields are guarded
// by the issuer's lock.
type order struct {
	id      string
	request request
	created time.Time

	state  string // control.Pending, Complete or Failed
	hint   string // of a failure: the error that goes back
	why    string
	ended  time.Time
	person *persons.Person // who has said to be here
	faults control.Drawn
	answer url.Values // once it has been made
}

const maxOrders = 20_000

// The hints of orders that a person has nothing to do with.
const hintExpired = "expired"

// make makes an order. The lock is held.
func (i *Issuer) make(a request) *order {
	now := i.config.Now()
	for len(i.line) > 0 && (i.forgotten(i.line[0], now) || len(i.line) >= maxOrders) {
		delete(i.orders, i.line[0].id)
		i.line = i.line[1:]
	}
	o := &order{id: random(), request: a, created: now, state: control.Pending}
	if who, ok := i.config.People.ByID(a.suggestion); ok {
		o.person = &who
	}
	i.orders[o.id] = o
	i.line = append(i.line, o)
	return o
}

// begin makes an order and lets an obedient person answer it.
func (i *Issuer) begin(a request) (id string) {
	i.mu.Lock()
	o := i.make(a)
	i.mu.Unlock()
	i.obey(o.id)
	return o.id
}

func (i *Issuer) obey(id string) {
	auto, ok := i.config.Autos.For(Name)
	if !ok {
		return
	}
	i.mu.Lock()
	if auto.Pnr == "" {
		auto.Pnr = i.config.People.First().Number
		if o := i.orders[id]; o != nil && o.request.number != "" {
			auto.Pnr = o.request.number
		}
	}
	closed := i.closed
	if !closed && auto.DelayMs > 0 {
		i.running.Add(1)
	}
	i.mu.Unlock()
	act := func() {
		if _, err := i.Act(id, control.Action{Action: "approve", Pnr: auto.Pnr}); err != nil {
			i.config.Log.Info("nobody approved", "provider", Name, "reason", err)
		}
	}
	switch {
	case closed:
	case auto.DelayMs == 0:
		act() // so that the browser need not wait
	default:
		go func() {
			defer i.running.Done()
			timer := time.NewTimer(auto.Delay())
			defer timer.Stop()
			select {
			case <-i.done:
			case <-timer.C:
				act()
			}
		}()
	}
}

// settle ends an order that nobody answered. The lock is held.
func (i *Issuer) settle(o *order, now time.Time) {
	if end := o.created.Add(i.config.Timings.Order); o.state == control.Pending && !now.Before(end) {
		o.fail(hintExpired, "nobody answered in time", end)
	}
}

func (i *Issuer) forgotten(o *order, now time.Time) bool {
	i.settle(o, now)
	return o.state != control.Pending && !now.Before(o.ended.Add(i.config.Timings.Remembered))
}

// find returns an order that is up to date. The lock is held.
func (i *Issuer) find(id string) *order {
	o := i.orders[id]
	if o == nil || i.forgotten(o, i.config.Now()) {
		return nil
	}
	return o
}

func (o *order) fail(hint, why string, at time.Time) {
	o.state, o.hint, o.why, o.ended = control.Failed, hint, why, at
}

// page is the address of an order's page.
func (i *Issuer) page(id string) string { return i.Issuer() + "/o/" + id }

// Name implements control.Simulator.
func (i *Issuer) Name() string { return Name }

// FaultModes implements control.Simulator.
func (i *Issuer) FaultModes() []string { return faultModes() }

// Strictness implements control.Simulator. Nobody collects anything here.
func (i *Issuer) Strictness() control.Strictness {
	return control.Strictness{Orders: []control.StrictOrder{}}
}

// Orders implements control.Ledger.
func (i *Issuer) Orders() []control.Order {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.config.Now()
	var over, pending []control.Order
	for _, o := range i.line {
		switch {
		case i.forgotten(o, now):
		case o.state == control.Pending:
			pending = append(pending, i.view(o))
		default:
			over = append(over, i.view(o))
		}
	}
	return append(over, pending...)
}

// Order implements control.Ledger.
func (i *Issuer) Order(id string) (control.Order, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	o := i.find(id)
	if o == nil {
		return control.Order{}, false
	}
	return i.view(o), true
}

// ByToken implements control.Ledger. There are no app links.
func (i *Issuer) ByToken(string) (control.Order, bool) { return control.Order{}, false }

// Scan implements control.Device. There is nothing to scan.
func (i *Issuer) Scan(control.Code) (string, error) { return "", control.ErrUnknownCode }

func (i *Issuer) view(o *order) control.Order {
	v := control.Order{
		ID: o.id, Provider: Name, Kind: "auth", Reference: o.request.state, Text: o.request.text, RequiredPnr: o.request.number,
		ReturnURL: i.page(o.id), State: o.state, RelyingParty: o.request.client.Name, Hint: o.hint, PickedUp: true, SameDevice: true,
	}
	if v.RelyingParty == "" {
		v.RelyingParty = o.request.client.ID
	}
	if o.person != nil {
		v.Person = o.person.Number
	}
	return v
}

// Act implements control.Device.
func (i *Issuer) Act(id string, a control.Action) (control.Result, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	o := i.find(id)
	if o == nil {
		return control.Result{}, control.NotFound()
	}
	if err := i.act(o, a, i.config.Now()); err != nil {
		return control.Result{}, err
	}
	return control.Result{ID: o.id, State: o.state, Hint: o.hint, ReturnURL: i.page(o.id)}, nil
}

func (i *Issuer) act(o *order, a control.Action, now time.Time) error {
	if o.state != control.Pending {
		return control.Refuse("the order is over")
	}
	switch a.Action {
	case "start", "approve":
	case "cancel":
		o.fail("access_denied", "the person cancelled", now)
		return nil
	case "fail":
		if !errorCode(a.Hint) {
			return control.Invalid("fail needs a hint: the error code that goes back")
		}
		o.fail(a.Hint, "simulated", now)
		return nil
	default:
		return control.Invalid("action must be start, approve, cancel or fail")
	}
	number := a.Pnr
	if number == "" && o.person != nil {
		number = o.person.Number
	}
	if number == "" {
		number = o.request.number
	}
	if number == "" && a.Action == "start" {
		return nil
	}
	who, ok := i.config.People.ByNumber(number)
	switch {
	case !ok:
		return control.Invalid("unknown person")
	case who.Has(persons.NoEID):
		return control.Refuse("the person has no e-ID here")
	}
	o.person = &who
	if a.Action == "start" {
		return nil
	}
	switch {
	case who.Has(persons.Blocked):
		o.fail("access_denied", "the e-ID is blocked", now)
	case o.request.number != "" && o.request.number != number:
		o.fail("access_denied", "another person than the one asked for", now)
	default:
		o.faults = i.config.Faults.Draw(Name)
		o.state, o.ended = control.Complete, now
	}
	return nil
}

// errorCode reports whether a hint can go back as an error (RFC 6749 section
// 4.1.2.1 says which characters may).
func errorCode(s string) bool {
	return s != "" && len(s) <= 100 && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x21 || r > 0x7e || r == '"' || r == '\\' })
}

// settled is the answer of an order that is over; it is made when the browser
// first comes for it, and the same each time.
func (i *Issuer) settled(o *order) url.Values {
	if o.answer == nil {
		o.answer = i.compose(o)
	}
	return o.answer
}

// compose makes the answer. The lock is held.
func (i *Issuer) compose(o *order) url.Values {
	f := o.faults
	v := url.Values{"iss": {i.Issuer()}}
	if o.request.hasState {
		v.Set("state", o.request.state)
	}
	sendError := func(code, why string) {
		v.Del("code")
		v.Set("error", code)
		v.Set("error_description", why)
	}
	if o.state == control.Complete {
		v.Set("code", i.grant(o))
	} else if o.hint == hintExpired {
		sendError("access_denied", o.why)
	} else {
		sendError(o.hint, o.why)
	}
	switch {
	case f[accessDenied]:
		sendError("access_denied", "simulated")
	case f[errorServer]:
		sendError("server_error", "simulated")
	case f[errorBusy]:
		sendError("temporarily_unavailable", "simulated")
	case f[errorUnmet]:
		sendError("unmet_authentication_requirements", "simulated")
	case f[errorUnknown]:
		sendError("x_simulated_error", "simulated")
	}
	if f[mixUpIss] {
		v.Set("iss", "https://other.example.com/oidc")
	}
	if f[noIss] {
		v.Del("iss")
	}
	if f[issTwice] {
		v.Add("iss", "https://other.example.com/oidc")
	}
	if f[stateMangled] {
		v.Set("state", mangled(o.request.state))
	}
	if f[noState] {
		v.Del("state")
	}
	if f[codeTwice] {
		v.Add("code", random())
	}
	if f[wrongCode] {
		v.Set("code", random())
	}
	if f[noCode] {
		v.Del("code")
	}
	if f[errorAndCode] {
		v.Set("error", "access_denied")
	}
	if f[extraClaims] {
		v.Set("session_state", "x.simulated")
	}
	return v
}

// mangled changes the last character of a state.
func mangled(s string) string {
	if s == "" {
		return "x"
	}
	last := byte('A')
	if s[len(s)-1] == last {
		last = 'B'
	}
	return s[:len(s)-1] + string(last)
}

// A field is a form field of an answer.
type field struct{ Name, Value string }

func fields(v url.Values) []field {
	var out []field
	for name, values := range v {
		for _, value := range values {
			out = append(out, field{name, value})
		}
	}
	slices.SortStableFunc(out, func(a, b field) int { return strings.Compare(a.Name, b.Name) })
	return out
}
