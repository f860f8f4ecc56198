package control

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// An Auto is a person who approves every new order at once.
type Auto struct {
	Provider string `json:"provider"`
	Pnr      string `json:"pnr"` // empty: whoever the order requires, else the first test person
	DelayMs  int    `json:"delayMs"`
}

// Delay is how long the person takes.
func (a Auto) Delay() time.Duration { return time.Duration(a.DelayMs) * time.Millisecond }

// Autos holds the obedient person of each provider. The zero value has none.
type Autos struct {
	mu sync.RWMutex
	by map[string]Auto
}

// Set installs an obedient person.
func (s *Autos) Set(a Auto) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[string]Auto{}
	}
	s.by[a.Provider] = a
}

// Clear sends all of them home.
func (s *Autos) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by = nil
}

// List returns all of them.
func (s *Autos) List() []Auto {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]Auto, 0, len(s.by))
	for _, k := range slices.Sorted(maps.Keys(s.by)) {
		out = append(out, s.by[k])
	}
	return out
}

// For returns the person who approves the provider's orders, if any.
func (s *Autos) For(provider string) (Auto, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if a, ok := s.by[provider]; ok {
		return a, true
	}
	a, ok := s.by[Everyone]
	return a, ok
}
