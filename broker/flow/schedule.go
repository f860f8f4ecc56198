package flow

import (
	"container/heap"
	"sync"
	"time"

	"sigill/broker"
)

// schedule is when which of this node's orders is to be asked about next: one
// heap for all of them, since a goroutine and a timer for each would fall over
// with ten thousand. An order that is being asked about is not in the heap.
type schedule struct {
	mu   sync.Mutex
	all  map[broker.OrderID]*entry
	due  dueHeap
	wake chan struct{} // something earlier than before has come
}

// entry is one watched order with what is known about it, so that a poll
// without change reads nothing and writes nothing.
type entry struct {
	order broker.Order
	r     record
	seen  time.Time // the browser's last request, or when we took the order over
	told  time.Time // when other nodes were last told of seen
	at    time.Time
	index int // in the heap, -1 when out
}

func newSchedule() *schedule {
	return &schedule{all: map[broker.OrderID]*entry{}, wake: make(chan struct{}, 1)}
}

// add watches an order from now on; false when it was watched already.
func (s *schedule) add(o broker.Order, r record, seen, at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.all[o.ID]; ok {
		return false
	}
	n := &entry{order: o, r: r, seen: seen, told: seen, at: at}
	s.all[o.ID] = n
	heap.Push(&s.due, n)
	s.signal()
	return true
}

// refresh takes over a newer version of a watched order; a pending order that
// is not watched stays so.
func (s *schedule) refresh(o broker.Order, r record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.all[o.ID]; ok && n.order.Version <= o.Version {
		n.order, n.r = o, r
	}
}

func (s *schedule) drop(id broker.OrderID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.all[id]; ok {
		if n.index >= 0 {
			heap.Remove(&s.due, n.index)
		}
		delete(s.all, id)
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

// next takes out the order that is due, or says how long to wait for one.
func (s *schedule) next(now time.Time) (broker.Order, record, time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.due) == 0 {
		return broker.Order{}, record{}, time.Hour, false
	}
	n := s.due[0]
	if wait := n.at.Sub(now); wait > 0 {
		return broker.Order{}, record{}, wait, false
	}
	heap.Pop(&s.due)
	return n.order, n.r, 0, true
}

// again puts an order back that next took out, unless it was dropped meanwhile.
func (s *schedule) again(id broker.OrderID, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.all[id]; ok && n.index < 0 {
		n.at = at
		heap.Push(&s.due, n)
		s.signal()
	}
}

// mark notes that the browser is there. It reports whether the order is watched
// here and whether it is time to tell the other nodes.
func (s *schedule) mark(id broker.OrderID, now time.Time, every time.Duration) (watched, tell bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.all[id]
	if !ok {
		return false, false
	}
	n.seen = now
	if now.Sub(n.told) >= every {
		n.told = now
		return true, true
	}
	return true, false
}

func (s *schedule) seen(id broker.OrderID) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.all[id]; ok {
		return n.seen
	}
	return time.Time{}
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
