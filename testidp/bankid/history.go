package bankid

import "sync"

// A history remembers a few genuine results, for the fault modes that deliver
// one in place of another.
type history struct {
	mu     sync.Mutex
	person map[historyKey]completionData
	last   map[bool]completionData // by sign
}

type historyKey struct {
	number string
	sign   bool
}

func (h *history) add(a approval, c completionData) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.person == nil {
		h.person, h.last = map[historyKey]completionData{}, map[bool]completionData{}
	}
	h.person[historyKey{a.person.Number, a.demand.sign}] = c
	h.last[a.demand.sign] = c
}

// earlier is the last result of the same person and operation.
func (h *history) earlier(a approval) (completionData, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, ok := h.person[historyKey{a.person.Number, a.demand.sign}]
	return c, ok
}

// other is the last result of any order of the same operation. The order at
// hand has none yet, so it is another order's.
func (h *history) other(a approval) (completionData, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, ok := h.last[a.demand.sign]
	return c, ok
}
