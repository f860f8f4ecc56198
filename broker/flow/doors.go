package flow

import "sync"

// doors bounds the calls to each instance of an e-ID, so that an issuer who hangs
// does not take all workers from the others.
type doors struct {
	most int
	mu   sync.Mutex
	in   map[string]int
}

func newDoors(workers int) *doors {
	return &doors{most: max(1, workers/2), in: map[string]int{}}
}

// enter reports whether there is room for one more call to an instance, which
// leave ends.
func (d *doors) enter(instance string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.in[instance] >= d.most {
		return false
	}
	d.in[instance]++
	return true
}

func (d *doors) leave(instance string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.in[instance]--; d.in[instance] == 0 {
		delete(d.in, instance)
	}
}
