package judges

import (
	"fmt"
	"sync"
)

// errands are applications of citizens over the portal of a cluster.
type errands struct {
	c       *cluster
	seen    tally
	mu      sync.Mutex
	over    []*errand
	faults  []error
	repeats map[string]int
}

func (x *errands) fault(e *errand, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.faults = append(x.faults, fmt.Errorf("application %d, %s: %w", e.n, e.name, err))
}

// run has people apply, in every way at the same time, several times.
func (x *errands) run(rounds int) {
	town := x.c.town
	browsers := map[string]*resident{}
	for _, w := range ways() {
		who := person{}
		if w.one != "" {
			who = town.named(w.one)
		}
		browsers[w.name] = town.resident(who)
	}
	for i := range rounds {
		var all sync.WaitGroup
		for j, w := range ways() {
			e := town.errand(i*len(ways())+j, w, browsers[w.name])
			all.Go(func() {
				err := e.runs()
				e.over.Store(true)
				if err != nil {
					x.fault(e, err)
					return
				}
				x.seen.add("arrived once")
				x.mu.Lock()
				defer x.mu.Unlock()
				x.over = append(x.over, e)
			})
		}
		all.Wait()
	}
}

// inspected holds every application against what officers and rows say of it.
func (x *errands) inspected() {
	if x.c.town == nil {
		return
	}
	x.repeats = map[string]int{}
	x.c.town.inventory(x.over)
	for _, e := range x.over {
		if err := e.held(); err != nil {
			x.fault(e, err)
		}
		if err := e.told(x.repeats); err != nil {
			x.fault(e, err)
		}
		for what, n := range e.tells {
			x.seen.addn(what, n)
		}
	}
	for what, n := range x.repeats {
		x.seen.addn("sent more than once, by the same name: "+what, n)
	}
}
