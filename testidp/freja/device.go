package freja

import (
	"errors"

	"sigill/testidp/control"
)

// Scan implements control.Simulator. What a QR code says is a link: a
// transaction with a dynamic code wants the code of this moment. A token is the
// transaction's reference, as the app link has it that was opened on the
// device where the browser is.
func (s *Simulator) Scan(c control.Code) (string, error) {
	if c.QR == "" {
		return s.open(link{ref: c.AutoStartToken}, true)
	}
	l, err := parseLink(c.QR, s.appURL)
	if err != nil {
		return "", control.ErrUnknownCode
	}
	return s.open(l, false)
}

// OpenLink opens the transaction of an app link that a browser followed, on the
// device where the browser is. No document says whether such a link needs the
// code of this moment; here it does not.
func (s *Simulator) OpenLink(content string) (string, error) {
	l, err := parseLink(content, s.appURL)
	if err != nil {
		return "", control.ErrUnknownCode
	}
	return s.open(l, true)
}

func (s *Simulator) open(l link, byLink bool) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	o := s.find(l.ref, now)
	if o == nil {
		return "", control.ErrUnknownCode
	}
	if !o.pending() || o.busy() {
		return "", control.Refuse("the transaction is over")
	}
	if o.demand.dynamic && (!byLink || l.mac != "") {
		if err := l.check(o.secret, now.Sub(o.created), s.timings.Window); err != nil {
			return "", control.Invalid(err.Error())
		}
	}
	if !o.demand.dynamic && l.mac != "" {
		return "", control.Invalid("wrong QR code: the transaction has a static one")
	}
	if o.opened {
		return "", control.Refuse("some device has the transaction already")
	}
	o.open(byLink)
	o.back = l.back
	return o.ref, nil
}

// InView is what the camera of a person's phone, pointed at the screen, would
// read: the code of this moment of the newest transaction that waits for a
// scan. It goes through Scan like any other.
func (s *Simulator) InView(string) (qr string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for e := s.orders.Back(); e != nil; e = e.Prev() {
		o := e.Value.(*order)
		if s.settle(o, now); o.pending() && !o.busy() && !o.opened && o.demand.infoType == infoInferred {
			return o.shownAt(now, s.appURL), true
		}
	}
	return "", false
}

// Act implements control.Simulator.
func (s *Simulator) Act(id string, a control.Action) (control.Result, error) {
	s.mu.Lock()
	now := s.now()
	o := s.find(id, now)
	if o == nil {
		s.mu.Unlock()
		return control.Result{}, control.NotFound()
	}
	agreed, err := s.act(o, a)
	if err != nil || agreed == nil {
		r := o.answer()
		s.mu.Unlock()
		return r, err
	}
	s.mu.Unlock()

	// Signing is slow and happens without the lock.
	made, err := s.complete(*agreed, s.faults.Draw(Name))

	s.mu.Lock()
	defer s.mu.Unlock()
	o.signing = false
	now = s.now()
	if err != nil {
		s.log.Error("signing failed", "transaction", logged(id), "error", err)
		if o.pending() {
			s.end(o, statusRejected, now)
		}
		return control.Result{}, errors.New("signing failed")
	}
	if o.pending() { // not cancelled meanwhile
		o.result, o.ended = made, now.Add(s.timings.Processing)
		s.held += made.size()
		s.settle(o, now)
	}
	return o.answer(), nil
}

// act changes a transaction; it returns an approval when something is to be
// signed. The lock is held.
func (s *Simulator) act(o *order, a control.Action) (*approval, error) {
	now := s.now()
	if !o.pending() || o.busy() {
		return nil, control.Refuse("the transaction is over")
	}
	switch a.Action {
	case "start", "approve":
	case "cancel":
		o.open(false)
		s.end(o, statusCanceled, now)
		return nil, nil
	case "fail":
		switch a.Hint {
		case statusCanceled, statusRPCanceled, statusExpired, statusRejected:
			s.end(o, a.Hint, now)
			return nil, nil
		}
		return nil, control.Invalid("fail needs a hint: CANCELED, RP_CANCELED, EXPIRED or REJECTED")
	default:
		return nil, control.Invalid("action must be start, approve, cancel or fail")
	}
	if a.Device != "" && a.Device != "mobile" {
		return nil, control.Invalid("device must be mobile")
	}
	number := a.Pnr
	if number == "" && o.person != nil {
		number = o.person.Number
	}
	if number == "" && o.demand.named != nil {
		number = o.demand.named.Number
	}
	if number == "" && a.Action == "start" {
		o.open(false)
		return nil, nil
	}
	u, ok := s.users.number(number)
	switch {
	case !ok || !u.canUse:
		return nil, control.Refuse("the person has no Freja in good order")
	case o.required() != "" && o.required() != u.Number, o.person != nil && o.person.Number != u.Number:
		return nil, control.Refuse("the request is another person's")
	case o.demand.infoType != infoInferred && o.required() == "":
		return nil, control.Refuse("the request is nobody's here")
	}
	o.open(false)
	if u.level < o.demand.level {
		// The app does not let the person approve; the time runs out.
		return nil, control.Refuse("the person's registration level is too low")
	}
	if !s.claim(o, u, now) {
		s.end(o, statusRejected, now)
		return nil, nil
	}
	o.person = &u
	if a.Action == "start" {
		return nil, nil
	}
	o.signing = true
	return &approval{ref: o.ref, demand: o.demand, rp: o.rp, user: u, started: o.created, at: now}, nil
}

// Orders implements control.Simulator.
func (s *Simulator) Orders() []control.Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var over, live []control.Order
	for e := s.orders.Front(); e != nil; {
		next := e.Next()
		o := e.Value.(*order)
		s.settle(o, now)
		switch {
		case s.forgotten(o, now):
			s.forget(e)
		case o.pending():
			live = append(live, o.view())
		default:
			over = append(over, o.view())
		}
		e = next
	}
	return append(over, live...)
}

// Order implements control.Simulator.
func (s *Simulator) Order(id string) (control.Order, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.find(id, s.now())
	if o == nil {
		return control.Order{}, false
	}
	return o.view(), true
}

// ByToken implements control.Simulator: the token is the reference.
func (s *Simulator) ByToken(autoStartToken string) (control.Order, bool) {
	return s.Order(autoStartToken)
}

// Strictness implements control.Simulator. No interval is documented; less than
// a second is what the official client does not allow.
func (s *Simulator) Strictness() control.Strictness {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := control.Strictness{FastCollects: s.fast, ConcurrentCollects: s.overlap, Orders: []control.StrictOrder{}}
	for e := s.orders.Front(); e != nil; e = e.Next() {
		if o := e.Value.(*order); o.fast > 0 || o.concurrent > 0 {
			r.Orders = append(r.Orders, control.StrictOrder{ID: o.ref, Fast: o.fast, Concurrent: o.concurrent})
		}
	}
	return r
}
