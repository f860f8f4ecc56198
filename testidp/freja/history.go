package freja

import "sync"

// maxReplayed keeps binary data out of the history.
const maxReplayed = 1 << 20

// A history remembers each person's last genuine statement of each kind, for
// the fault mode that delivers one in place of another.
type history struct {
	mu sync.Mutex
	by map[historyKey]string
}

type historyKey struct {
	number string
	sign   bool
}

func (h *history) add(a approval, details string) {
	if len(details) > maxReplayed {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.by == nil {
		h.by = map[historyKey]string{}
	}
	h.by[historyKey{a.user.Number, a.demand.sign}] = details
}

func (h *history) earlier(a approval) (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	details, ok := h.by[historyKey{a.user.Number, a.demand.sign}]
	return details, ok
}
