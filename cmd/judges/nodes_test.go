package judges

import (
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// TestNodes has people log in and sign at an installation of several nodes whose
// every request goes to another one, while nodes, Redis and PostgreSQL are killed
// and come back, Redis also empty and with old data. Each login ends with the
// right claims or a plain page, each order in one sealed PDF, and nothing that is
// good once is good twice (invariants I3, I6 and I7).
func TestNodes(t *testing.T) {
	judged(t)
	besides(t)
	today := build(t, "sigill")
	t.Run("sqlite", func(t *testing.T) {
		besides(t)
		nodesUnderFire(t, clusterWish{log: "nodes-sqlite", nodes: 2, portal: true, today: today})
	})
	t.Run("postgres", func(t *testing.T) {
		besides(t)
		nodesUnderFire(t, clusterWish{log: "nodes-postgres", nodes: 3, postgres: true, portal: true, today: today})
	})
}

// besides lets a test run beside others where it mostly waits.
func besides(t *testing.T) {
	if soaking(0, 1) == 0 {
		t.Parallel()
	}
}

// throng is logins and orders at the same time.
type throng struct {
	logins   *logins
	signings *signings
	errands  *errands
}

func (c *cluster) throng(lost func() int) throng {
	return throng{&logins{c: c, lost: lost}, &signings{c: c}, &errands{c: c}}
}

// run runs a number of logins and orders, begun over some time; people take up to
// hold to find their phone. over is closed when all have ended.
func (l throng) run(t *testing.T, logins, orders int, begun, hold time.Duration) (over chan struct{}) {
	over = make(chan struct{})
	var all sync.WaitGroup
	for i := range logins {
		all.Go(func() {
			time.Sleep(mathrand.N(begun))
			l.logins.one(t.Context(), i, hold)
		})
	}
	for i := range orders {
		all.Go(func() {
			time.Sleep(mathrand.N(begun))
			l.signings.one(i)
		})
	}
	if l.errands.c.town != nil {
		all.Go(func() { l.errands.run(soaking(1, 8)) })
	}
	go func() {
		all.Wait()
		close(over)
	}()
	return over
}

func nodesUnderFire(t *testing.T, w clusterWish) {
	c := newCluster(t, w)
	x := &chaos{c: c, t: t, down: time.Duration(soaking(1500, 4000)) * time.Millisecond}
	l := c.throng(func() int { return int(x.lost.Load()) })
	logins, orders := soaking(12, 300), soaking(4, 100)
	began := time.Now()
	over := l.run(t, logins, orders, time.Duration(soaking(2, 20))*time.Second, time.Duration(soaking(5, 25))*time.Second)
	x.run(over, time.Duration(soaking(600, 3000))*time.Millisecond)
	select {
	case <-over:
	case <-time.After(c.life + time.Minute):
		t.Fatal("the load does not come to its end")
	}
	took := time.Since(began)
	c.awaitReady(t)
	l.logins.remembered(t.Context())
	if c.redis != nil {
		c.forgets(t)
		l.logins.remembered(t.Context())
	}
	l.signings.inspected()
	l.errands.inspected()
	c.decided(t)
	c.audited()
	l.judged(t)
	l.table(t, fmt.Sprintf("%d nodes, %d logins, %d orders of three", len(c.nodes), logins, orders), took, &x.acts)
	if in := l.logins.seen.of("person who came in"); in != logins {
		t.Errorf("%d of %d persons came in", in, logins)
	}
}

// forgets brings Redis back with what it held before codes and assertions were used
// and tokens were ended: none of them is good again.
func (c *cluster) forgets(t *testing.T) {
	t.Helper()
	list, pages, spent := c.begunLogins(t, 6)
	for i, l := range list {
		s := spent[i]
		var err error
		if s.back, err = l.approves(&pages[i]); err != nil {
			t.Fatal(err)
		}
		callback, err := l.finishes(pages[i], s)
		if err != nil {
			t.Fatal(err)
		}
		if s.code, err = s.attempt.code(callback); err != nil {
			t.Fatal(err)
		}
		if s.proof, err = c.assertion(); err != nil {
			t.Fatal(err)
		}
	}
	restore := c.redis.Snapshot()
	for i, l := range list {
		s := spent[i]
		if end, err := l.redeems(t.Context(), s); err != nil || end != completed {
			t.Errorf("%s %v", end, err)
		}
		if c.proves(s.proof, 1) != 1 {
			t.Error("an assertion is not good")
		}
		if i%2 == 0 { // the other tokens live
			for _, what := range l.again(t.Context(), s, 2) {
				t.Errorf("good twice: %s", what)
			}
			if lives, known := c.tokenLives(s.token); lives || !known {
				t.Error("a token of a code that was used again lives")
			}
		}
	}
	restore()
	c.awaitReady(t)
	for i, l := range list {
		s := spent[i]
		for _, what := range l.again(t.Context(), s, 3) {
			t.Errorf("good once more, since Redis has forgotten: %s", what)
		}
		if c.proves(s.proof, 3) != 0 {
			t.Error("good once more, since Redis has forgotten: an assertion")
		}
		if lives, known := c.tokenLives(s.token); lives || !known {
			t.Error("good once more, since Redis has forgotten: a token that had ended")
		}
	}
}

// judged tells every fault.
func (l throng) judged(t *testing.T) {
	t.Helper()
	for _, list := range [][]error{l.logins.faults, l.signings.faults, l.errands.faults} {
		for i, err := range list {
			if i == 20 {
				t.Errorf("and %d more", len(list)-i)
				break
			}
			t.Error(err)
		}
	}
}

func (l throng) table(t *testing.T, what string, took time.Duration, acts *tally) {
	c := l.logins.c
	table := tabwriter.NewWriter(t.Output(), 0, 0, 1, ' ', 0)
	fmt.Fprintf(table, "| %s\t| times\t|\n", what)
	part := func(name string, count *tally) {
		names, n := count.all()
		for _, k := range names {
			fmt.Fprintf(table, "| %s%s\t| %d\t|\n", name, k, n[k])
		}
	}
	if acts != nil {
		part("", acts)
	}
	part("login, ", &l.logins.ends)
	part("order, ", &l.signings.seen)
	for k, n := range l.signings.repeats {
		if n > 0 {
			fmt.Fprintf(table, "| sent more than once, by the same name, or: %s\t| %d\t|\n", k, n)
		}
	}
	part("application, ", &l.errands.seen)
	part("good, once each: ", &l.logins.seen)
	part("told meanwhile: ", c.told)
	for _, n := range c.nodes {
		fmt.Fprintf(table, "| %s: answers given / ended by itself before it served / after\t| %d / %d / %d\t|\n", n.name, c.servedBy(n), n.gaveUp, n.ended)
	}
	fmt.Fprintf(table, "| it took\t| %s\t|\n", took.Round(100*time.Millisecond))
	table.Flush()
}

func (c *cluster) servedBy(n *clusterNode) int64 {
	for _, b := range c.balancer.backs {
		if b.address == n.address {
			return b.served.Load()
		}
	}
	return 0
}
