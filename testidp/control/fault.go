package control

import (
	"math/rand/v2"
	"slices"
	"sync"
)

// Everyone is the provider name that means every simulator.
const Everyone = "*"

// A Fault is an active fault mode: with this probability (rate) something
// goes wrong.
type Fault struct {
	Provider string  `json:"provider"`
	Fault    string  `json:"fault"`
	Rate     float64 `json:"rate"`
}

// Faults is the set of active fault modes. The zero value has none.
type Faults struct {
	mu   sync.RWMutex
	list []Fault
}

// Set adds a fault or changes its rate.
func (f *Faults) Set(n Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = slices.DeleteFunc(f.list, func(old Fault) bool { return old.Provider == n.Provider && old.Fault == n.Fault })
	f.list = append(f.list, n)
}

// Clear removes all faults.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
}

// Active lists the faults.
func (f *Faults) Active() []Fault {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return slices.Clone(f.list)
}

// Drawn is the outcome of one throw of the dice: the faults that happen now.
type Drawn map[string]bool

// Draw throws the dice once for every fault of a provider.
func (f *Faults) Draw(provider string) Drawn {
	f.mu.RLock()
	defer f.mu.RUnlock()
	var d Drawn
	for _, n := range f.list {
		if (n.Provider == provider || n.Provider == Everyone) && rand.Float64() < n.Rate {
			if d == nil {
				d = Drawn{}
			}
			d[n.Fault] = true
		}
	}
	return d
}
