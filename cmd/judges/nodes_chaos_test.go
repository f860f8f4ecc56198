package judges

import (
	mathrand "math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
)

// chaos kills what a cluster consists of, and brings it back.
type chaos struct {
	c    *cluster
	t    testing.TB
	acts tally
	lost atomic.Int64 // how often Redis has come back with less than it had
	down time.Duration
}

// deck is every act, those that happen most several times. Redis comes back with
// less than it had only now and then, since that ends every login under way.
func (x *chaos) deck(n int) []func() {
	acts := []func(){x.node, x.node, x.allNodes}
	if x.c.postgres != nil {
		acts = append(acts, x.node, x.node, x.redisKilled, x.postgresKilled, x.postgresStopped)
		switch {
		case n == 0 && soaking(0, 1) == 0:
			acts = append(acts, x.redisEmpty, x.redisOld)
		case n%5 == 2:
			acts = append(acts, x.redisEmpty)
		case n%5 == 0:
			acts = append(acts, x.redisOld)
		}
	}
	mathrand.Shuffle(len(acts), func(i, j int) { acts[i], acts[j] = acts[j], acts[i] })
	return acts
}

// run plays the deck once, and with the full numbers goes on until over is closed,
// four minutes at most: then everything must come to its end.
// Between two acts is a pause, most often until all is well: a machine that has
// much else to do takes its time.
func (x *chaos) run(over <-chan struct{}, pause time.Duration) {
	ceases := time.Now().Add(4 * time.Minute)
	for n := 0; n == 0 || soaking(0, 1) == 1 && time.Now().Before(ceases); n++ {
		for _, act := range x.deck(n) {
			select {
			case <-over:
				if n > 0 {
					return
				}
			case <-time.After(pause/2 + mathrand.N(pause)):
			}
			act()
			if mathrand.IntN(3) > 0 {
				x.recovers()
			}
		}
		select {
		case <-over:
			return
		default:
		}
	}
}

// recovers waits until all nodes are ready, or for some time.
func (x *chaos) recovers() {
	deadline := time.Now().Add(15 * time.Second)
	for _, b := range x.c.balancer.backs {
		for !b.ready.Load() && time.Now().Before(deadline) {
			time.Sleep(20 * time.Millisecond)
		}
	}
}

func (x *chaos) pause() { time.Sleep(mathrand.N(x.down)) }

func (x *chaos) node() {
	n := x.c.nodes[mathrand.IntN(len(x.c.nodes))]
	n.kill()
	x.pause()
	n.start(x.t)
	x.acts.add("a node killed")
}

func (x *chaos) allNodes() {
	for _, n := range x.c.nodes {
		n.kill()
	}
	x.pause()
	for _, n := range x.c.nodes {
		n.start(x.t)
	}
	x.acts.add("all nodes killed")
}

func (x *chaos) redisKilled() {
	x.lost.Add(1) // what was not in its file yet, seconds at most
	x.c.redis.Kill()
	x.pause()
	x.c.redis.Start()
	x.lost.Add(1)
	x.acts.add("Redis killed")
}

func (x *chaos) redisEmpty() {
	x.lost.Add(1)
	x.c.redis.Empty()
	x.lost.Add(1)
	x.acts.add("Redis killed, empty afterwards")
}

func (x *chaos) redisOld() {
	restore := x.c.redis.Snapshot()
	x.pause()
	x.lost.Add(1)
	restore()
	x.lost.Add(1)
	x.acts.add("Redis killed, with older data afterwards")
}

func (x *chaos) postgresKilled() {
	x.c.postgres.Kill()
	x.pause()
	x.c.postgres.Again(x.t)
	x.acts.add("PostgreSQL killed")
}

func (x *chaos) postgresStopped() {
	x.c.postgres.Stop()
	x.pause()
	x.c.postgres.Again(x.t)
	x.acts.add("PostgreSQL stopped")
}
