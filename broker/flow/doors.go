package flow

import "sync"

// doors bounds the calls to each instance of an e-ID, so that issuers who hang do
// not take all workers from the others: an instance may have half of them, and of
// the last quarter only what makes it a few. So neither one issuer nor the two
// halves of two take everything, and who answers quickly always gets through.
type doors struct {
	most, common, few int
	mu                sync.Mutex
	in                map[string]int
	all               int
}

func newDoors(workers int) *doors {
	return &doors{most: max(1, workers/2), common: workers - max(1, workers/4), few: max(1, workers/32), in: map[string]int{}}
}

// enter reports whether there is room for one more call to an instance, which
// leave ends.
func (d *doors) enter(instance string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := d.in[instance]; n >= d.most || d.all >= d.common && n >= d.few {
		return false
	}
	d.in[instance]++
	d.all++
	return true
}

func (d *doors) leave(instance string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all--
	if d.in[instance]--; d.in[instance] == 0 {
		delete(d.in, instance)
	}
}
