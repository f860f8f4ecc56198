// Package freja simulates Freja: its REST services for relying parties, its app
// and the statements that it signs. TEST ONLY.
//
// It owns the transactions and the wire format; certificates come from package
// pki, people from package persons, and the ways to act on a transaction are
// those of package control. It is written from freja.md alone: sections 1 and 2
// (transport, methods), 3 and 4 (statements, attributes, levels), 5 (links), 6
// (errors) and 11 (the simulator). It deliberately shares nothing with the
// relying-party side, so that no misreading can hide in both.
//
// The methods of the organisation context, custodianship, custom identifiers
// and hosted QR images do not exist here: 404. Nor do signatures of the type
// XML_MINAMEDDELANDEN, for which nobody here has the agreement: 1004.
package freja

import (
	"container/list"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/persons"
	"sigill/testidp/pki"
)

// Name is what the control API calls this simulator.
const Name = "freja"

// DefaultAppURL is the base of app links in Freja's own test environment.
const DefaultAppURL = "https://app.test.frejaeid.com/freja"

// Config is what a simulator needs.
type Config struct {
	PKI     *pki.PKI
	People  *persons.Directory
	Faults  *control.Faults
	Autos   *control.Autos
	Timings Timings
	Now     func() time.Time // nil means time.Now
	Log     *slog.Logger

	// AppURL is the base of app links, to which the query is added. Links with
	// the scheme frejaeid and with DefaultAppURL are understood besides.
	AppURL string
	// UserCertificates puts the user's certificate chain into the header of the
	// inner JWS (x5c), which no document mentions.
	UserCertificates bool
	// CancelFinal answers the cancelling of a transaction that is over with {}
	// in place of error 1100. No document says which it is.
	CancelFinal bool
}

// Timings are the periods of freja.md section 2. A zero field means the genuine
// value, or where none is known the one given here.
type Timings struct {
	Auth       time.Duration // until an authentication must be approved: 2 min
	AuthKept   time.Duration // an authentication's result can be fetched, from its start: 10 min
	SignKept   time.Duration // a signature's result can be fetched, from its expiry: 72 h
	Push       time.Duration // until the app of a user who was named has the request: 1 s
	Processing time.Duration // between the person's approval and the result: none
	Window     time.Duration // how far the time in a dynamic QR code may be off: 10 s
	Slow       time.Duration // how much the fault "slow" takes: 3 s
}

func (t Timings) withDefaults() Timings {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&t.Auth, 2*time.Minute)
	set(&t.AuthKept, 10*time.Minute)
	set(&t.SignKept, 72*time.Hour)
	set(&t.Push, time.Second)
	set(&t.Window, 10*time.Second)
	set(&t.Slow, 3*time.Second)
	return t
}

// A Simulator is a running Freja. It is safe for concurrent use. The lock is
// never held while something is signed.
type Simulator struct {
	keys    *pki.Freja
	users   *register
	faults  *control.Faults
	autos   *control.Autos
	timings Timings
	now     func() time.Time
	log     *slog.Logger
	appURL  string
	x5c     bool
	lenient bool
	history history
	parties parties

	done    chan struct{}
	running sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	orders  *list.List    // of *order, oldest first
	cursor  *list.Element // where sweep goes on; nil begins anew
	byRef   map[string]*list.Element
	byUser  map[string]*order // the authentication that a person has in hand
	held    int               // bytes of results
	fast    int
	overlap int
}

// New loads or makes the keys and makes a simulator. Close ends what runs in
// the background.
func New(c Config) (*Simulator, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.AppURL == "" {
		c.AppURL = DefaultAppURL
	}
	keys, err := c.PKI.Freja(context.Background())
	if err != nil {
		return nil, err
	}
	return &Simulator{
		keys: keys, users: newRegister(c.People, keys), faults: c.Faults, autos: c.Autos,
		timings: c.Timings.withDefaults(), now: c.Now, log: c.Log,
		appURL: c.AppURL, x5c: c.UserCertificates, lenient: c.CancelFinal,
		done:   make(chan struct{}),
		orders: list.New(),
		byRef:  map[string]*list.Element{},
		byUser: map[string]*order{},
	}, nil
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

// TLSConfig is what the listener of Handler needs: a client certificate of
// Freja's is the only credential.
func (s *Simulator) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{s.keys.Server()},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    s.keys.RelyingParties(),
	}
}

// Name implements control.Simulator.
func (s *Simulator) Name() string { return Name }

// FaultModes implements control.Simulator.
func (s *Simulator) FaultModes() []string { return faultModes() }

// newReference is 48 random bytes: 64 characters (freja.md section 11).
func newReference() string { return base64.RawURLEncoding.EncodeToString(random(48)) }

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// logged is what the log calls a reference.
func logged(ref string) string {
	sum := sha256.Sum256([]byte(ref))
	return hex.EncodeToString(sum[:6])
}

// begin makes a transaction. It makes none when the person that it names is
// busy with another authentication, which ends too (freja.md section 2.3).
func (s *Simulator) begin(d demand, rp string, f control.Drawn) (order, bool) {
	o := &order{
		ref: newReference(), demand: d, rp: rp, status: statusStarted,
		cookie: base64.RawURLEncoding.EncodeToString(random(24)), asleep: f[slowStarted],
	}
	if f[oldReference] {
		// The standard alphabet of earlier years, whose signs need care in links.
		o.ref = "+/" + o.ref[2:]
	}
	if d.dynamic {
		o.secret = base64.RawURLEncoding.EncodeToString(random(32))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.sweep(now)
	o.created = now
	o.expires = d.expiry
	if !d.sign {
		o.expires = now.Add(s.timings.Auth)
	}
	if d.named != nil && d.named.level >= d.level && d.named.canUse {
		o.pushed = true
		if !s.claim(o, *d.named, now) {
			return order{}, false
		}
	}
	s.byRef[o.ref] = s.orders.PushBack(o)
	s.obey(o)
	return *o, true
}

// claim gives a person an authentication to deal with. A person may have one at
// a time: a second one ends the first. The lock is held.
func (s *Simulator) claim(o *order, u user, now time.Time) bool {
	if o.demand.sign {
		return true
	}
	live := s.byUser[u.Number]
	if live == o {
		return true
	}
	if live != nil {
		s.settle(live, now)
		if live.pending() && !live.busy() {
			s.end(live, statusRejected, now)
			return false
		}
	}
	s.byUser[u.Number] = o
	o.claimed = u.Number
	return true
}

// settle brings a transaction up to date with the clock. The lock is held.
func (s *Simulator) settle(o *order, now time.Time) {
	if !o.pending() {
		return
	}
	if o.result != nil {
		if !now.Before(o.ended) {
			s.end(o, statusApproved, o.ended)
		}
		return
	}
	if o.signing {
		return // the person is done and the time no longer counts
	}
	if !now.Before(o.expires) {
		s.end(o, statusExpired, o.expires)
		return
	}
	if o.status == statusStarted && o.pushed && !o.asleep && !now.Before(o.created.Add(s.timings.Push)) {
		o.status = statusDelivered
	}
}

// end makes a transaction final. The lock is held.
func (s *Simulator) end(o *order, status string, at time.Time) {
	o.status, o.ended, o.secret = status, at, ""
	if s.byUser[o.claimed] == o {
		delete(s.byUser, o.claimed)
	}
	if o.result != nil && status != statusApproved {
		s.held -= o.result.size()
		o.result = nil
	}
	o.demand.binary = "" // 5 MB that nobody asks for any more
}

// obey lets an obedient person approve a new transaction. The lock is held.
func (s *Simulator) obey(o *order) {
	auto, ok := s.autos.For(Name)
	if !ok || s.closed {
		return
	}
	if auto.Pnr == "" {
		auto.Pnr = s.users.first().Number
		if o.demand.named != nil {
			auto.Pnr = o.demand.named.Number
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
			s.log.Info("nobody approved", "transaction", logged(ref), "reason", err)
		}
	})
}

// What is remembered of transactions that are over.
const (
	maxPast  = 20_000
	maxHeld  = 256 << 20
	leastAge = time.Minute // however many there are
)

// sweep forgets old transactions. Each start looks at the next few, round and
// round, since a signature may stay for a month before those that are gone
// tomorrow. The lock is held.
func (s *Simulator) sweep(now time.Time) {
	for range min(8, s.orders.Len()) {
		e := s.cursor
		if e == nil {
			e = s.orders.Front()
		}
		s.cursor = e.Next()
		o := e.Value.(*order)
		s.settle(o, now)
		crowded := s.orders.Len() > maxPast || s.held > maxHeld
		if s.forgotten(o, now) || crowded && !o.pending() && now.Sub(o.ended) >= leastAge {
			s.forget(e)
		}
	}
}

// forgotten reports whether a transaction's reference means nothing any more.
func (s *Simulator) forgotten(o *order, now time.Time) bool {
	if o.demand.sign {
		return !o.pending() && !now.Before(o.expires.Add(s.timings.SignKept))
	}
	return !o.pending() && !now.Before(o.created.Add(s.timings.AuthKept))
}

// forget drops a transaction altogether. The lock is held.
func (s *Simulator) forget(e *list.Element) {
	o := e.Value.(*order)
	if s.cursor == e {
		s.cursor = e.Next()
	}
	s.orders.Remove(e)
	delete(s.byRef, o.ref)
	if o.result != nil {
		s.held -= o.result.size()
	}
}

// find returns a transaction that is up to date. The lock is held.
func (s *Simulator) find(ref string, now time.Time) *order {
	e := s.byRef[ref]
	if e == nil {
		return nil
	}
	o := e.Value.(*order)
	s.settle(o, now)
	if s.forgotten(o, now) {
		s.forget(e)
		return nil
	}
	return o
}

// ofRP returns a transaction of one kind that the relying party made. The lock
// is held.
func (s *Simulator) ofRP(ref, rp string, sign bool, now time.Time) *order {
	o := s.find(ref, now)
	if o == nil || o.rp != rp || o.demand.sign != sign {
		return nil
	}
	return o
}

// one is how a transaction stands, and how eagerly that is asked.
func (s *Simulator) one(ref, rp string, sign bool) (order, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	o := s.ofRP(ref, rp, sign, now)
	if o == nil {
		return order{}, false
	}
	if !o.lastAsked.IsZero() && now.Sub(o.lastAsked) < time.Second {
		o.fast++
		s.fast++
	}
	o.lastAsked = now
	return *o, true
}

// arrive and leave frame a question about a transaction's result.
func (s *Simulator) arrive(ref string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.byRef[ref]; e != nil {
		o := e.Value.(*order)
		if o.asking > 0 {
			o.concurrent++
			s.overlap++
		}
		o.asking++
	}
}

func (s *Simulator) leave(ref string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.byRef[ref]; e != nil {
		e.Value.(*order).asking--
	}
}

// all is how the relying party's transactions of one kind stand: the
// authentications of the last ten minutes, or all signatures that are kept.
func (s *Simulator) all(rp string, sign bool) []order {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	out := []order{}
	for e := s.orders.Front(); e != nil; e = e.Next() {
		o := e.Value.(*order)
		if o.rp != rp || o.demand.sign != sign {
			continue
		}
		if s.settle(o, now); !s.forgotten(o, now) {
			out = append(out, *o)
		}
	}
	return out
}

// cancel ends a pending transaction for the relying party.
func (s *Simulator) cancel(ref, rp string, sign bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	o := s.ofRP(ref, rp, sign, now)
	if o == nil {
		return false
	}
	if !o.pending() {
		return s.lenient
	}
	s.end(o, statusRPCanceled, now)
	return true
}

// relyingParty finds out who calls.
func (s *Simulator) relyingParty(state *tls.ConnectionState) (string, bool) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return "", false
	}
	return s.parties.of(state.PeerCertificates[0])
}

// Register makes or finds the certificate of a relying party and lets it in.
func (s *Simulator) Register(display string) error {
	chain, _, err := s.keys.RelyingParty(display)
	if err != nil {
		return fmt.Errorf("freja: %w", err)
	}
	s.parties.add(chain[0], display)
	return nil
}
