package flow

import (
	"bytes"
	"container/heap"
	"sync"
	"time"
	"unique"

	"sigill/broker"
	"sigill/providers"
)

// schedule is when which of this node's orders is to be asked about next: one
// heap for all of them, since a goroutine and a timer for each would fall over
// with ten thousand. An order that is being asked about is not in the heap. When
// to ask is by this machine's steady clock, which nobody sets: should the clock
// that all share be set back, nobody waits for it to come again.
type schedule struct {
	mu   sync.Mutex
	all  map[broker.OrderID]*entry
	due  dueHeap
	wake chan struct{} // something earlier than before has come
	// ended are orders that ended while somebody looks at the store for orders
	// to watch: he may have read them as pending. nil while nobody looks.
	ended map[broker.OrderID]struct{}
	looks int

	// Orders that are watched elsewhere and whose browser was here since turned:
	// the other nodes have been told.
	told   map[broker.OrderID]struct{}
	turned time.Time
}

// watched is what is known about an order, so that a poll without change reads
// nothing and writes nothing.
type watched struct {
	order broker.Order // without what is sealed
	r     record
	// said is what the issuer said for good and the store has not taken yet. It
	// is said once, so it stays until it is stored or of no use.
	said *said
	// ahead: the rest is newer than what is stored.
	ahead bool
}

// said is an issuer's last word on an order.
type said struct {
	restarts int             // the order's, when it was said: a restarted one is another
	state    providers.State // with the raw answer; or
	step     providers.Step  // what came of it: Done, or Failed
}

// entry is a watched order's place.
type entry struct {
	watched
	seen   time.Time // the browser's last request, or when we took the order over
	told   time.Time // when other nodes were last told of seen
	absent time.Time // since when no trace of the browser was found anywhere
	at     time.Time // when to ask, by time.Now and its monotonic reading
	index  int       // in the heap, -1 when out
	// turn is closed when the order has been asked about; nil while nobody waits
	// for that. soon: it is asked about at once when it is put back.
	turn chan struct{}
	soon bool
	// asked is the version that was last taken out to be asked about.
	asked int64
}

func newSchedule() *schedule {
	return &schedule{all: map[broker.OrderID]*entry{}, wake: make(chan struct{}, 1)}
}

// slim leaves out what is never read while an order is pending, and what lies in
// memory beside what is: ten thousand orders are watched at a time.
func slim(o broker.Order, r record) (broker.Order, record) {
	o.Sealed = nil
	r.State = bytes.Clone(r.State)
	// These say the same of thousands of orders, each in its own words read from a
	// row of its own.
	o.Owner, o.Client, o.Instance, o.Node = once(o.Owner), once(o.Client), once(o.Instance), once(o.Node)
	o.Provider, o.Mode, o.Kind, o.Phase, o.Reason = once(o.Provider), once(o.Mode), once(o.Kind), once(o.Phase), once(o.Reason)
	q := &r.Request
	q.Mode, q.Markup, q.Device.UserAgent, q.Device.Domain = once(q.Mode), once(q.Markup), once(q.Device.UserAgent), once(q.Device.Domain)
	if o.Kind == providers.KindAuth { // what is signed is each time something else
		q.Text = once(q.Text)
	}
	return o, r
}

// once gives a text that lies in memory no more often than it must.
func once[T ~string](s T) T { return unique.Make(s).Value() }

// add watches an order, and has it asked about in a while; false when it was watched already, or has
// ended since somebody began to look for it.
func (s *schedule) add(o broker.Order, r record, seen time.Time, wait time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.all[o.ID]; ok {
		return false
	}
	if _, ok := s.ended[o.ID]; ok {
		return false
	}
	o, r = slim(o, r)
	s.put(&entry{watched: watched{order: o, r: r}, seen: seen, told: seen, at: time.Now().Add(wait)})
	return true
}

func (s *schedule) put(n *entry) {
	s.all[n.order.ID] = n
	heap.Push(&s.due, n)
	s.signal()
}

// refresh takes over a newer version of a watched order as it is stored; a
// pending order that is not watched stays so.
func (s *schedule) refresh(o broker.Order, r record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.all[o.ID]; ok && n.order.Version <= o.Version {
		n.order, n.r = slim(o, r)
		n.ahead = false
		if n.said != nil && n.said.restarts != o.Restarts {
			n.said = nil
		}
	}
}

// keep holds on to what could not be stored, on top of the version that o has.
// What the issuer has said for good is watched until it is stored, whoever
// watches the order meanwhile.
func (s *schedule) keep(o broker.Order, r record, last *said, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.all[o.ID]
	switch {
	case !ok && last == nil:
		return
	case !ok:
		o, r = slim(o, r)
		s.put(&entry{watched: watched{order: o, r: r}, seen: now, told: now, at: time.Now()})
		n = s.all[o.ID]
	case n.order.Version <= o.Version:
		n.order, n.r = slim(o, r)
		n.ahead = true
	}
	if last != nil && last.restarts == n.order.Restarts {
		n.said = last
	}
}

// look lets somebody read the store for orders to watch; what ends until the
// returned function is called is not watched by mistake.
func (s *schedule) look() (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.looks++; s.ended == nil {
		s.ended = map[broker.OrderID]struct{}{}
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.looks--; s.looks == 0 {
			s.ended = nil
		}
	}
}

// end stops watching an order that is over.
func (s *schedule) end(id broker.OrderID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		s.ended[id] = struct{}{}
	}
	s.remove(id)
}

// drop stops watching an order, unless the issuer's last word on it is here and
// nowhere else.
func (s *schedule) drop(id broker.OrderID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.all[id]; ok && n.said == nil {
		s.remove(id)
	}
}

// lose is drop for an order that was read as another node's, unless it has changed
// here since.
func (s *schedule) lose(o broker.Order) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.all[o.ID]; ok && n.said == nil && n.order.Version <= o.Version {
		s.remove(o.ID)
	}
}

func (s *schedule) remove(id broker.OrderID) {
	if n, ok := s.all[id]; ok {
		if n.index >= 0 {
			heap.Remove(&s.due, n.index)
		}
		delete(s.all, id)
		n.turned()
	}
}

// turned tells whoever waits that the order has been asked about, or is not
// watched any more.
func (n *entry) turned() {
	if n.turn != nil {
		close(n.turn)
		n.turn = nil
	}
}

// get gives a copy of what is known about a watched order.
func (s *schedule) get(id broker.OrderID) (broker.Order, record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.all[id]; ok {
		return n.order, n.r, true
	}
	return broker.Order{}, record{}, false
}

// ids names all watched orders.
func (s *schedule) ids() []broker.OrderID {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]broker.OrderID, 0, len(s.all))
	for id := range s.all {
		list = append(list, id)
	}
	return list
}

// unstored names the orders whose issuer's last word is not stored.
func (s *schedule) unstored() []broker.OrderID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []broker.OrderID
	for id, n := range s.all {
		if n.said != nil {
			list = append(list, id)
		}
	}
	return list
}

// next takes out the order that is due, or says how long to wait for one.
func (s *schedule) next() (watched, time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.due) == 0 {
		return watched{}, time.Hour, false
	}
	n := s.due[0]
	if wait := time.Until(n.at); wait > 0 {
		return watched{}, wait, false
	}
	heap.Pop(&s.due)
	n.asked = n.order.Version
	return n.watched, 0, true
}

// take takes out one order, if it is not taken.
func (s *schedule) take(id broker.OrderID) (watched, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.all[id]
	if !ok || n.index < 0 {
		return watched{}, false
	}
	heap.Remove(&s.due, n.index)
	n.asked = n.order.Version
	return n.watched, true
}

// again puts an order back that was taken out, to be asked about in a while,
// unless it was dropped meanwhile.
func (s *schedule) again(id broker.OrderID, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.all[id]; ok && n.index < 0 {
		if n.soon {
			n.soon, wait = false, 0
		} else {
			n.turned()
		}
		n.at = time.Now().Add(wait)
		heap.Push(&s.due, n)
		s.signal()
	}
}

// hurry has a watched order asked about at once, by what is known of it now. The
// channel is closed when that has been done. An order that has been asked about
// since it was stored is not hurried again; only what is under way is waited for.
func (s *schedule) hurry(id broker.OrderID) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.all[id]
	asked := ok && n.asked > 0 && n.asked >= n.order.Version // what is hurried has been stored twice
	if !ok || asked && n.index >= 0 {
		over := make(chan struct{})
		close(over)
		return over
	}
	if n.turn == nil {
		n.turn = make(chan struct{})
	}
	if asked {
		return n.turn
	}
	if n.soon = n.index < 0; !n.soon {
		n.at = time.Now()
		heap.Fix(&s.due, n.index)
		s.signal()
	}
	return n.turn
}

// mark notes that the browser is there. It reports whether it is time to tell the
// other nodes.
func (s *schedule) mark(id broker.OrderID, now time.Time, every time.Duration) (tell bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.all[id]
	if !ok {
		// Watched elsewhere. All such are forgotten together: what is told twice
		// does no harm, and nothing has to be cleared away.
		if d := now.Sub(s.turned); d >= every || d < 0 || s.told == nil {
			s.told, s.turned = map[broker.OrderID]struct{}{}, now
		}
		_, ok := s.told[id]
		s.told[id] = struct{}{}
		return !ok
	}
	n.seen = now
	if d := now.Sub(n.told); d >= every || d < 0 {
		n.told = now
		return true
	}
	return false
}

func (s *schedule) seen(id broker.OrderID) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.all[id]; ok {
		return n.seen
	}
	return time.Time{}
}

// missing notes whether a trace of the browser was found, and reports since when
// there was none.
func (s *schedule) missing(id broker.OrderID, found bool, now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.all[id]
	switch {
	case !ok:
		return now
	case found:
		n.absent = time.Time{}
	case n.absent.IsZero():
		n.absent = now
	}
	return n.absent
}

// clear stops watching everything.
func (s *schedule) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.all {
		n.turned()
	}
	clear(s.all)
	s.due = nil
}

func (s *schedule) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

func (s *schedule) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

type dueHeap []*entry

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *dueHeap) Push(x any) {
	n := x.(*entry)
	n.index = len(*h)
	*h = append(*h, n)
}
func (h *dueHeap) Pop() any {
	old := *h
	n := old[len(old)-1]
	old[len(old)-1] = nil
	n.index = -1
	*h = old[:len(old)-1]
	return n
}
