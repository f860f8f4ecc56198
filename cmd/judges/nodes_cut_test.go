package judges

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"
)

// steered sends a browser's requests to one node, or, at none, to the balancer.
type steered struct {
	base http.RoundTripper
	node atomic.Pointer[clusterNode]
}

func (s *steered) RoundTrip(r *http.Request) (*http.Response, error) {
	n := s.node.Load()
	if n == nil {
		return s.base.RoundTrip(r)
	}
	to := r.Clone(r.Context())
	to.URL.Host, to.Host = n.address, r.URL.Host
	answer, err := s.base.RoundTrip(to)
	if answer != nil {
		answer.Request = r // where the browser thinks that it is
	}
	return answer, err
}

// TestNodesCut cuts one node off from PostgreSQL while it watches e-ID orders that
// people approve meanwhile: packets vanish, or connections are broken. What the
// node has heard of the issuer and cannot write down it keeps; nobody else decides
// otherwise; it says that it is not ready, the others go on, and it heals.
func TestNodesCut(t *testing.T) {
	judged(t)
	besides(t)
	c := newCluster(t, clusterWish{log: "nodes-cut", nodes: 3, postgres: true})
	type cutting struct {
		name  string
		of    func(*clusterNode) *wire
		way   wireWay
		lasts time.Duration
	}
	postgres := func(n *clusterNode) *wire { return n.sql }
	redis := func(n *clusterNode) *wire { return n.cache }
	few := time.Duration(soaking(3, 5)) * time.Second
	cuts := []cutting{{"PostgreSQL, swallowed", postgres, wireSwallows, few}, {"PostgreSQL, reset", postgres, wireResets, few}}
	if soaking(0, 1) == 1 {
		cuts = append(cuts,
			cutting{"Redis, swallowed", redis, wireSwallows, few}, cutting{"Redis, reset", redis, wireResets, few},
			// Longer than a lease, so that others take over.
			cutting{"PostgreSQL, swallowed", postgres, wireSwallows, 27 * time.Second}, cutting{"PostgreSQL, reset", postgres, wireResets, 27 * time.Second})
	}
	table := tabwriter.NewWriter(t.Output(), 0, 0, 1, ' ', 0)
	fmt.Fprintf(table, "| one of three nodes cut off\t| for\t| not ready after\t| ready again after\t| logins: claims\t| signatures taken in\t| meanwhile elsewhere\t|\n")
	for i, cut := range cuts {
		n := c.nodes[i%len(c.nodes)]
		r := c.cutOff(t, n, cut.of(n), cut.way, cut.lasts)
		fmt.Fprintf(table, "| %s\t| %s\t| %s\t| %s\t| %d of %d\t| %d of %d\t| %d of %d\t|\n", cut.name, cut.lasts,
			r.notReady.Round(10*time.Millisecond), r.again.Round(10*time.Millisecond), r.claims, r.logins, r.signed, r.signatures, r.elsewhere, r.elsewhereOf)
	}
	c.decided(t)
	c.audited()
	table.Flush()
}

// cutReport is what came of a cut.
type cutReport struct {
	notReady, again                                            time.Duration
	claims, logins, signed, signatures, elsewhere, elsewhereOf int
}

func (c *cluster) cutOff(t *testing.T, n *clusterNode, w *wire, way wireWay, lasts time.Duration) cutReport {
	t.Helper()
	r := cutReport{logins: 6, signatures: 3, elsewhereOf: 3}
	base := c.browser
	// The node watches what begins there.
	type begun struct {
		l    *logging
		s    *spentLogin
		wait place
		id   string
	}
	var logins []begun
	through := &steered{base: base}
	through.node.Store(n)
	for i := range r.logins {
		wk := newWalker(c.issuer)
		wk.http.Transport = through
		l := &logging{c: c, w: wk, who: c.people[i], way: [2]string{"mbankid", "other"}, deadline: time.Now().Add(c.life)}
		s := &spentLogin{attempt: c.client.attempt(), walker: wk}
		chooser, err := wk.visit(s.attempt.url())
		if err != nil {
			t.Fatal(err)
		}
		wait, err := wk.choose(chooser, l.way[0], l.way[1])
		if err != nil {
			t.Fatal(err)
		}
		id, err := wk.pickUp(wait, c.phone)
		if err != nil {
			t.Fatal(err)
		}
		logins = append(logins, begun{l, s, wait, id})
	}
	type signing struct {
		g     *guest
		order string
		wait  place
		id    string
	}
	var signings []signing
	for i := range r.signatures {
		who := c.people[r.logins+i]
		o := c.open(c.wishFor(fmt.Sprintf("Avskuret %d", i), c.signatoryOf(who, "none")))
		g := c.guest(who)
		g.http.Transport = through
		at, err := g.comes(o.Signatories[0].SignURL)
		if err != nil {
			t.Fatal(err)
		}
		wait, err := g.picks(at)
		if err != nil {
			t.Fatal(err)
		}
		id, err := g.pickUp(wait, g.phone)
		if err != nil {
			t.Fatal(err)
		}
		signings = append(signings, signing{g, o.ID, wait, id})
	}
	began := time.Now()
	w.becomes(way)
	through.node.Store(nil)
	unready := make(chan error, 1)
	go func() {
		err := n.awaitStatus(http.StatusServiceUnavailable, lasts)
		r.notReady = time.Since(began)
		unready <- err
	}()
	// People approve all the time that it lasts.
	var all sync.WaitGroup
	var mu sync.Mutex
	step := lasts / time.Duration(r.logins+r.signatures)
	for i, b := range logins {
		all.Go(func() {
			time.Sleep(time.Duration(i) * step)
			if _, err := c.phone.approve(b.id, b.l.who.Number); err != nil {
				t.Error(err)
				return
			}
			callback, err := b.l.finishes(b.wait, b.s)
			if err == nil {
				if b.s.code, err = b.s.attempt.code(callback); err == nil {
					var end ending
					if end, err = b.l.redeems(t.Context(), b.s); err == nil && end != completed {
						err = fmt.Errorf("it ends: %s", end)
					}
				}
			}
			if err != nil {
				t.Errorf("login %d, approved %s after the cut: %v", i, time.Duration(i)*step, err)
				return
			}
			mu.Lock()
			r.claims++
			mu.Unlock()
			for _, what := range b.l.again(t.Context(), b.s, 2) {
				t.Errorf("good twice: %s", what)
			}
		})
	}
	for i, s := range signings {
		all.Go(func() {
			after := time.Duration(r.logins+i) * step
			time.Sleep(after)
			if _, err := c.phone.approve(s.id, s.g.who.Number); err != nil {
				t.Error(err)
				return
			}
			deadline := time.Now().Add(c.life)
			for {
				a, err := c.sendStubbornly(asker, "GET", "/api/v1/orders/"+s.order, nil)
				if err != nil {
					t.Error(err)
					return
				}
				if o := c.read(a); o.State == "completed" {
					break
				} else if time.Now().After(deadline) {
					t.Errorf("signature %d, approved %s after the cut: the order is %s", i, after, o.State)
					return
				}
				time.Sleep(c.pace)
			}
			mu.Lock()
			r.signed++
			mu.Unlock()
		})
	}
	// Meanwhile others log in at the other nodes.
	for i := range r.elsewhereOf {
		all.Go(func() {
			time.Sleep(lasts / 2)
			l := &logging{c: c, w: c.walker(), who: c.people[10+i], way: [2]string{"mbankid", "other"}, deadline: time.Now().Add(c.life)}
			end, _, err := l.run(t.Context())
			if err != nil || end != completed {
				t.Errorf("a login at the others meanwhile: %s %v", end, err)
				return
			}
			mu.Lock()
			r.elsewhere++
			mu.Unlock()
		})
	}
	time.Sleep(time.Until(began.Add(lasts)))
	if err := <-unready; err != nil {
		t.Error(err)
	}
	w.becomes(wirePasses)
	healed := time.Now()
	if err := n.awaitReady(patience); err != nil {
		t.Error(err)
	}
	r.again = time.Since(healed)
	all.Wait()
	for _, s := range signings {
		c.toldOf(t, s.order)
	}
	return r
}

// toldOf waits until the news of an order with one signatory came, each by one id.
func (c *cluster) toldOf(t *testing.T, order string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		list, _, err := c.hooks.of(order)
		kinds := kindsOf(list)
		if err == nil && len(list) == 3 && kinds["signatory.signed 1"] == 1 && kinds["order.sealing"] == 1 && kinds["order.completed"] == 1 {
			return
		}
		if time.Now().After(deadline) || len(list) > 3 {
			t.Errorf("webhooks %v, %v", kinds, err)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// decided looks into the audit: no e-ID order came to two ends.
func (c *cluster) decided(t *testing.T) {
	t.Helper()
	db, err := c.rows("broker")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(`SELECT order_id, max(client), count(*), sum(CASE WHEN type = 'order.completed' THEN 1 ELSE 0 END) FROM (
		SELECT order_id, client, type FROM audit_chain UNION ALL SELECT order_id, client, type FROM audit_waiting) AS acts
		WHERE type IN ('order.completed', 'order.failed') GROUP BY order_id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n, done := 0, 0
	for rows.Next() {
		var id, client string
		var ends, completes int
		if err := rows.Scan(&id, &client, &ends, &completes); err != nil {
			t.Fatal(err)
		}
		n++
		done += completes
		if ends != 1 {
			t.Errorf("e-ID order %s of %s came to %d ends, %d of them well", id, client, ends, completes)
		}
	}
	if err := rows.Err(); err != nil || done == 0 {
		t.Errorf("%d e-ID orders came to an end, %d well: %v", n, done, err)
	}
}
