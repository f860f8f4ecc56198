package outbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Three nodes over one database with clocks ten seconds apart, one of which is
// killed in the middle: nothing is begun by one while another is at it, however
// long that takes, streams keep their order, and what the dead one held is done
// when its lease has ended.
func TestClocksApart(t *testing.T) {
	in(t, func(b *bench) {
		offs := []time.Duration{0, 10 * time.Second, -10 * time.Second}
		type span struct {
			node       string
			start, end time.Time
		}
		var mu sync.Mutex
		spans, order, busy := map[string][]span{}, map[string][]string{}, map[string]string{}
		do := func(node string) func(context.Context, Entry) error {
			return func(ctx context.Context, e Entry) error {
				key := e.ID
				if e.Stream != "" {
					key = e.Stream
				}
				mu.Lock()
				if other, ok := busy[key]; ok {
					b.Errorf("%s began %s while %s is at %s", node, e.ID, other, key)
				}
				busy[key] = node
				start := time.Now()
				mu.Unlock()
				// As long as a handler may take, to the last second.
				<-time.After(80 * time.Second)
				if ctx.Err() != nil {
					b.Errorf("%s was stopped at %s", node, e.ID)
				}
				mu.Lock()
				defer mu.Unlock()
				delete(busy, key)
				spans[e.ID] = append(spans[e.ID], span{node, start, time.Now()})
				order[e.Stream] = append(order[e.Stream], e.ID)
				return nil
			}
		}
		queue := func(i int) *Queue {
			node := fmt.Sprint("node ", i)
			q := b.queue(Config{Node: node, Workers: 3, Handlers: map[string]Handler{"mail": {Do: do(node)}}})
			q.Now = func() time.Time { return time.Now().Add(offs[i]) }
			return q
		}
		for i := range 18 {
			e := b.entry(fmt.Sprintf("%02d", i))
			e.Created = time.Now().Add(-time.Minute)
			if i%3 == 0 {
				e.Stream = fmt.Sprint("stream ", i%2)
			}
			b.insert(e)
		}
		// The dead one has claimed and will never say what came of it.
		dead := queue(2)
		dead.Node = "dead"
		held, err := dead.claim(ctx, 2)
		check(b, err)
		if len(held) != 2 {
			b.Fatalf("claimed %d", len(held))
		}
		died := time.Now()
		var stops []func()
		for i := range offs {
			stops = append(stops, b.run(queue(i)))
		}
		after(30 * time.Minute)
		for _, stop := range stops {
			stop()
		}
		nodes := map[string]bool{}
		for id, i := range b.items() {
			list := spans[id]
			if i.State != Done || len(list) != 1 {
				b.Errorf("%s is %s, done %v", id, i.State, list)
				continue
			}
			nodes[list[0].node] = true
		}
		if len(nodes) != 3 {
			b.Errorf("done by %v", nodes)
		}
		for _, c := range held {
			if wait := spans[c.ID][0].start.Sub(died); wait < 90*time.Second || wait > 10*time.Minute {
				b.Errorf("what the dead one held was begun after %v", wait)
			}
		}
		for stream, ids := range order {
			if strings.HasPrefix(stream, "stream") && !slices.IsSorted(ids) {
				b.Errorf("%s: %v", stream, ids)
			}
		}
	})
}

// A claim that is lost while its handler runs: who lost it changes nothing, and
// the other's mark stands.
func TestClaimLost(t *testing.T) {
	in(t, func(b *bench) {
		b.insert(b.entry("a"))
		let := make(chan struct{})
		first := b.queue(Config{Node: "one", Workers: 1, Handlers: handlers(func(context.Context, Entry) error {
			<-let // it sleeps through its lease, with the whole machine
			b.note("one")
			return fmt.Errorf("too late to matter")
		})})
		defer b.run(first)()
		after(time.Second)
		second := b.queue(Config{Node: "two", Handlers: handlers(func(context.Context, Entry) error {
			b.note("two")
			return nil
		})})
		defer b.run(second)()
		after(time.Minute)
		b.wantTold()
		after(2 * time.Minute)
		b.wantTold("two")
		close(let)
		after(time.Minute)
		b.wantTold("one")
		b.want("a", Done, 2)
		if i := b.items()["a"]; i.Node != "two" || i.Error != "" {
			b.Errorf("%+v", i)
		}
	})
}

// A node that stops leaves what is not done to others at once.
func TestStopLeavesToOthers(t *testing.T) {
	in(t, func(b *bench) {
		b.insert(b.entry("a"))
		first := b.queue(Config{Node: "one", Handlers: handlers(func(ctx context.Context, _ Entry) error { <-ctx.Done(); return ctx.Err() })})
		stop := b.run(first)
		after(time.Second)
		second := b.queue(Config{Node: "two", Handlers: handlers(b.do)})
		defer b.run(second)()
		at := time.Now()
		stop()
		after(2 * second.Poll)
		b.wantTold("a")
		if d := time.Since(at); d > 10*time.Second {
			b.Errorf("after %v", d)
		}
		b.want("a", Done, 1)
	})
}

// What was claimed by a clock that was a day ahead, by a node that died then, does
// not wait for that day; what is under way in a lease that is right is left alone.
func TestLeaseByAClockAhead(t *testing.T) {
	in(t, func(b *bench) {
		b.insert(b.entry("a"))
		dead := b.queue(Config{Node: "dead", Handlers: handlers(b.do)})
		dead.Now = func() time.Time { return time.Now().Add(24 * time.Hour) }
		held, err := dead.claim(ctx, 1)
		check(b, err)
		if len(held) != 1 {
			b.Fatalf("claimed %d", len(held))
		}
		stop := b.run(b.queue(Config{Node: "lives", Handlers: handlers(b.do)}))
		after(5 * time.Minute)
		stop()
		b.want("a", Done, 2)
	})
}
