package bankid

import "sync"

// A history remembers a few genuine results, for the fault modes that deliver
// one in place of another.
type history struct {
	mu     sync.Mutex
	person map[historyKey]completed
	recent map[bool][2]completed // by sign; the newest first
}

type historyKey struct {
	number string
	sign   bool
}

type completed struct {
	ref  string
	data completionData
}

func (h *history) add(a approval, c completionData) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.person == nil {
		h.person, h.recent = map[historyKey]completed{}, map[bool][2]completed{}
	}
	done := completed{a.ref, c}
	h.person[historyKey{a.person.Number, a.demand.sign}] = done
	h.recent[a.demand.sign] = [2]completed{done, h.recent[a.demand.sign][0]}
}

// earlier is the last result of the same person and operation.
func (h *history) earlier(a approval) (completionData, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, ok := h.person[historyKey{a.person.Number, a.demand.sign}]
	return c.data, ok
}

// other is the last result of any other order of the same operation.
func (h *history) other(a approval) (completionData, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.recent[a.demand.sign] {
		if c.ref != "" && c.ref != a.ref {
			return c.data, true
		}
	}
	return completionData{}, false
}
