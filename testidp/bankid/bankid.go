// Package bankid simulates BankID: its relying-party API, its app and the
// signatures and OCSP answers that it delivers. TEST ONLY.
//
// It owns the orders and the wire format; certificates come from package pki,
// people from package persons, and the ways to act on an order are those of
// package control. It is written from bankid.md alone: sections 2 and 3
// (methods, states, times), 4 (errors), 5 (QR and autostart), 7 (policies), 8
// (signature), 9 (OCSP) and 13 (the simulator). It deliberately shares nothing
// with the relying-party side, so that no misreading can hide in both.
//
// Payment methods do not exist here: 404 notFound.
package bankid

import (
	"container/list"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/persons"
	"sigill/testidp/pki"
)

// Name is what the control API calls this simulator.
const Name = "bankid"

// Config is what a simulator needs.
type Config struct {
	PKI     *pki.PKI
	People  *persons.Directory
	Faults  *control.Faults
	Autos   *control.Autos
	Timings Timings
	Now     func() time.Time // nil means time.Now
	Log     *slog.Logger
}

// A Simulator is a running BankID. It is safe for concurrent use. The lock is
// never held while something is signed.
type Simulator struct {
	pki     *pki.PKI
	people  *persons.Directory
	faults  *control.Faults
	autos   *control.Autos
	timings Timings
	now     func() time.Time
	log     *slog.Logger
	history history

	done    chan struct{}
	running sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	orders  *list.List // of *order: those that the relying party may still ask for, oldest first
	past    *list.List // of *order: delivered or cancelled, oldest first
	byRef   map[string]*list.Element
	byToken map[string]*order // autoStartToken and qrStartToken
	byPnr   map[string]*order // the live order that names the person
	fast    int
	overlap int
}

// New makes a simulator. Close ends what runs in the background.
func New(c Config) *Simulator {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Simulator{
		pki: c.PKI, people: c.People, faults: c.Faults, autos: c.Autos,
		timings: c.Timings.withDefaults(), now: c.Now, log: c.Log,
		done:    make(chan struct{}),
		orders:  list.New(),
		past:    list.New(),
		byRef:   map[string]*list.Element{},
		byToken: map[string]*order{},
		byPnr:   map[string]*order{},
	}
}

// Close stops obedient persons who have not acted yet, and waits for those who
// are acting.
func (s *Simulator) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
	s.mu.Unlock()
	s.running.Wait()
}

// Name implements control.Simulator.
func (s *Simulator) Name() string { return Name }

// FaultModes implements control.Simulator.
func (s *Simulator) FaultModes() []string { return faultModes() }

// abort ends the live order that names a person, if there is one (bankid.md
// 3.4).
func (s *Simulator) abort(pnr string) bool {
	if pnr == "" {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.abortLocked(pnr, s.now())
}

func (s *Simulator) abortLocked(pnr string, now time.Time) bool {
	live := s.byPnr[pnr]
	if live == nil {
		return false
	}
	delete(s.byPnr, pnr)
	live.settle(now, &s.timings)
	if live.status != control.Pending || !live.over.IsZero() {
		return false
	}
	live.fail(hintCancelled, now)
	live.result = nil
	return true
}

// start makes an order, or aborts the live one of the same person and makes
// none: of two starts at the same moment only one may win.
func (s *Simulator) start(d demand, rp pki.RelyingParty) (order, bool) {
	o := &order{
		ref: newUUID(), autoStart: newUUID(), qrToken: newUUID(), qrSecret: newUUID(),
		demand: d, rp: rp, status: control.Pending, hint: hintOutstanding,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.sweep(now)
	if d.pnr != "" {
		if s.abortLocked(d.pnr, now) {
			return order{}, false
		}
		s.byPnr[d.pnr] = o
	}
	o.created = now
	if d.call {
		// The order goes straight to the phone of the person in the call.
		if p, ok := s.people.ByNumber(d.pnr); ok {
			o.route = byCall
			if k, ok := o.choose(p, ""); ok {
				o.opened, o.hint, o.person, o.kind = now, hintCall, &p, k
			} else {
				o.route = notOpened
			}
		}
	}
	s.byRef[o.ref] = s.orders.PushBack(o)
	if !d.call {
		s.byToken[o.autoStart], s.byToken[o.qrToken] = o, o
	}
	s.obey(o)
	return *o, true
}

// obey lets an obedient person approve a new order. The lock is held.
func (s *Simulator) obey(o *order) {
	auto, ok := s.autos.For(Name)
	if !ok || s.closed {
		return
	}
	if auto.Pnr == "" {
		auto.Pnr = s.people.First().Number
		if o.demand.pnr != "" {
			auto.Pnr = o.demand.pnr
		}
	}
	ref := o.ref
	s.running.Go(func() {
		if auto.DelayMs > 0 {
			timer := time.NewTimer(auto.Delay())
			defer timer.Stop()
			select {
			case <-s.done:
				return
			case <-timer.C:
			}
		}
		if _, err := s.Act(ref, control.Action{Action: "approve", Pnr: auto.Pnr}); err != nil {
			s.log.Info("nobody approved", "order", ref, "reason", err)
		}
	})
}

// maxPast bounds how many orders are remembered that are over.
const maxPast = 20_000

// sweep forgets old orders. It looks at the oldest only, so that a start stays
// cheap; an order in between is forgotten when its turn comes. The lock is held.
func (s *Simulator) sweep(now time.Time) {
	for _, l := range []*list.List{s.orders, s.past} {
		for range 64 {
			e := l.Front()
			if e == nil {
				break
			}
			o := e.Value.(*order)
			o.settle(now, &s.timings)
			if !o.forgotten(now, &s.timings) && (l == s.orders || l.Len() <= maxPast) {
				break
			}
			s.forget(e)
		}
	}
}

// finish takes an order out of the relying party's sight. The lock is held.
func (s *Simulator) finish(o *order, now time.Time) {
	o.over = now
	o.slim()
	s.release(o)
	s.orders.Remove(s.byRef[o.ref])
	s.byRef[o.ref] = s.past.PushBack(o)
}

// forget drops an order altogether. The lock is held.
func (s *Simulator) forget(e *list.Element) {
	o := e.Value.(*order)
	s.orders.Remove(e) // each list leaves the other's elements alone
	s.past.Remove(e)
	delete(s.byRef, o.ref)
	delete(s.byToken, o.autoStart)
	delete(s.byToken, o.qrToken)
	s.release(o)
}

// release lets the person have another order. The lock is held.
func (s *Simulator) release(o *order) {
	if s.byPnr[o.demand.pnr] == o {
		delete(s.byPnr, o.demand.pnr)
	}
}

// find returns an order that is up to date. The lock is held.
func (s *Simulator) find(ref string, now time.Time) *order {
	e := s.byRef[ref]
	if e == nil {
		return nil
	}
	o := e.Value.(*order)
	o.settle(now, &s.timings)
	if o.forgotten(now, &s.timings) {
		s.forget(e)
		return nil
	}
	return o
}

// ofRP returns an order that the relying party made and may still collect.
// The lock is held.
func (s *Simulator) ofRP(ref string, rp pki.RelyingParty, now time.Time) *order {
	o := s.find(ref, now)
	if o == nil || o.rp.Fingerprint != rp.Fingerprint || !o.collectable(now, &s.timings) {
		return nil
	}
	return o
}

// arrive and leave frame a collect, to see how eagerly it is made.
func (s *Simulator) arrive(ref string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	o := s.find(ref, now)
	if o == nil {
		return
	}
	if o.collecting > 0 {
		o.concurrent++
		s.overlap++
	}
	if !o.lastCollect.IsZero() && now.Sub(o.lastCollect) < time.Second {
		o.fast++
		s.fast++
	}
	o.collecting++
	o.lastCollect = now
}

func (s *Simulator) leave(ref string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.byRef[ref]; e != nil {
		e.Value.(*order).collecting--
	}
}

// collect tells the relying party how the order stands. A terminal answer is
// given once.
func (s *Simulator) collect(ref string, rp pki.RelyingParty) (collectResponse, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	o := s.ofRP(ref, rp, now)
	if o == nil {
		return collectResponse{}, false
	}
	r := collectResponse{OrderRef: o.ref, Status: o.status, HintCode: o.hint}
	if o.status == control.Pending {
		return r, true
	}
	if o.status == control.Complete {
		r.CompletionData = o.result
	}
	s.finish(o, now)
	return r, true
}

// cancel ends a pending order; a finished one can no longer be cancelled and
// keeps its result.
func (s *Simulator) cancel(ref string, rp pki.RelyingParty) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	o := s.ofRP(ref, rp, now)
	if o == nil || o.status != control.Pending {
		return false
	}
	o.fail(hintCancelled, now)
	s.finish(o, now)
	return true
}

// Scan implements control.Simulator: it opens an order by the QR frame of this
// moment or by its app link.
func (s *Simulator) Scan(c control.Code) (string, error) {
	token, how := c.AutoStartToken, byLink
	var f frame
	if c.QR != "" {
		var err error
		if f, err = parseFrame(c.QR); err != nil {
			return "", control.ErrUnknownCode
		}
		token, how = f.token, byQR
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.byToken[token]
	if o == nil || (how == byQR) != (token == o.qrToken) {
		return "", control.ErrUnknownCode
	}
	now := s.now()
	o.settle(now, &s.timings)
	if how == byQR && o.over.IsZero() {
		if err := f.check(o.qrSecret, now.Sub(o.created)); err != nil {
			return "", control.Invalid(err.Error())
		}
	}
	if o.status != control.Pending || !o.over.IsZero() {
		return "", control.Refuse("the order is over")
	}
	if o.route != notOpened {
		return "", control.Refuse("some device has the order already")
	}
	o.open(how, now)
	return o.ref, nil
}

// InView is what the camera of a person's phone, pointed at the screen, would
// read: the frame of this moment of the newest order that waits for a scan. An
// order that names another person comes last, since that is on another screen.
// The frame goes through Scan like any other.
func (s *Simulator) InView(pnr string) (qr string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var others *order
	for e := s.orders.Back(); e != nil; e = e.Prev() {
		o := e.Value.(*order)
		o.settle(now, &s.timings)
		if v := o.view(); v.State != control.Pending || !o.over.IsZero() || o.route != notOpened || v.Call || v.ReturnURL != "" {
			continue
		}
		if o.demand.pnr == "" || o.demand.pnr == pnr {
			return o.frameAt(now), true
		}
		if others == nil {
			others = o
		}
	}
	if others == nil {
		return "", false
	}
	return others.frameAt(now), true
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
	approved, err := s.act(o, a, now)
	if err != nil || approved == nil {
		r := result(o)
		s.mu.Unlock()
		return r, err
	}
	s.mu.Unlock()

	// Signing is slow and happens without the lock.
	made, err := s.complete(*approved, s.faults.Draw(Name))

	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.log.Error("signing failed", "order", id, "error", err)
		if o.status == control.Pending {
			o.fail(hintCertificate, s.now())
		}
		return control.Result{}, errors.New("signing failed")
	}
	if o.status == control.Pending && o.over.IsZero() {
		o.result = made
		o.ended = s.now().Add(s.timings.Processing)
		o.settle(s.now(), &s.timings)
	}
	return result(o), nil
}

func result(o *order) control.Result {
	return control.Result{ID: o.ref, State: o.status, Hint: o.hint, ReturnURL: o.demand.returnURL}
}

// act changes an order; it returns an approval when something is to be signed.
// The lock is held.
func (s *Simulator) act(o *order, a control.Action, now time.Time) (*approval, error) {
	if o.status != control.Pending || !o.over.IsZero() || o.hint == hintProcessing {
		return nil, control.Refuse("the order is over")
	}
	switch a.Action {
	case "start", "approve":
	case "cancel":
		o.open(byLink, now)
		o.fail(hintCancel, now)
		return nil, nil
	case "fail":
		if a.Hint == "" {
			return nil, control.Invalid("fail needs a hint")
		}
		o.fail(a.Hint, now)
		return nil, nil
	default:
		return nil, control.Invalid("action must be start, approve, cancel or fail")
	}
	if a.Device != "" && !validKind(a.Device) {
		return nil, control.Invalid("device must be file, card or mobile")
	}
	number := a.Pnr
	if number == "" && o.person != nil {
		number = o.person.Number
	}
	if number == "" {
		number = o.demand.pnr
	}
	if number == "" && a.Action == "start" {
		o.open(byLink, now)
		return nil, nil
	}
	p, ok := s.people.ByNumber(number)
	if !ok {
		return nil, control.Invalid("unknown person")
	}
	o.open(byLink, now)
	k, ok := o.choose(p, pki.Kind(a.Device))
	if !ok {
		return nil, control.Refuse("the person has no e-ID here that the order accepts")
	}
	waiting := o.hint
	o.advance(p, k)
	if a.Action == "start" {
		switch waiting {
		case hintCall:
			o.hint = hintSign
		case hintMRTD:
			o.mrtd, o.hint = true, hintSign
		}
		return nil, nil
	}
	if err := displayable(&o.demand); err != nil {
		return nil, control.Refuse("the app cannot show the text: " + err.Error())
	}
	if p.Has(persons.Blocked) {
		o.fail(hintCertificate, now)
		return nil, nil
	}
	o.mrtd = o.demand.mrtd
	o.hint = hintProcessing
	return &approval{demand: o.demand, rp: o.rp, person: p, kind: k, started: o.created, at: now}, nil
}

func validKind(s string) bool {
	return s == string(pki.File) || s == string(pki.Card) || s == string(pki.Mobile)
}

// Orders implements control.Simulator.
func (s *Simulator) Orders() []control.Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var out []control.Order
	for _, l := range []*list.List{s.past, s.orders} {
		for e := l.Front(); e != nil; {
			next := e.Next()
			o := e.Value.(*order)
			o.settle(now, &s.timings)
			if o.forgotten(now, &s.timings) {
				s.forget(e)
			} else {
				out = append(out, o.view())
			}
			e = next
		}
	}
	return out
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

// ByToken implements control.Simulator.
func (s *Simulator) ByToken(autoStartToken string) (control.Order, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.byToken[autoStartToken]
	if o == nil || o.autoStart != autoStartToken || s.find(o.ref, s.now()) == nil {
		return control.Order{}, false
	}
	return o.view(), true
}

// Strictness implements control.Simulator.
func (s *Simulator) Strictness() control.Strictness {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := control.Strictness{FastCollects: s.fast, ConcurrentCollects: s.overlap, Orders: []control.StrictOrder{}}
	for _, l := range []*list.List{s.past, s.orders} {
		for e := l.Front(); e != nil; e = e.Next() {
			if o := e.Value.(*order); o.fast > 0 || o.concurrent > 0 {
				r.Orders = append(r.Orders, control.StrictOrder{ID: o.ref, Fast: o.fast, Concurrent: o.concurrent})
			}
		}
	}
	return r
}

// newUUID is a random lower-case UUID.
func newUUID() string {
	b := make([]byte, 16)
	rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
