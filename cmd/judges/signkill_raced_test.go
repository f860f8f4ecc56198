package judges

import (
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// TestRacedSigning does what may happen once many times at once: accepting an
// invitation, signing, completing, ending an order, making it.
func TestRacedSigning(t *testing.T) {
	judged(t)
	p := newPremises(t, premisesWish{log: "signraced"})
	rounds := soaking(3, 60)
	r := &racing{premises: p, one: p.phone.person(t, 0), two: p.phone.person(t, 1), three: p.phone.person(t, 2), results: map[string]int{}}
	for range racers {
		r.browsers = append(r.browsers, r.loggedIn(r.one))
	}
	for round := range rounds {
		r.lastSignatures(round)
		r.signOrRefuse(round)
		r.calls(round)
	}
	// The issuer is asked late, so that a person can have approved many times
	// before the first is taken in.
	p.again("collect_interval: 25ms", "collect_interval: 1s")
	for round := range rounds {
		r.sameSignature(round)
	}
	table := tabwriter.NewWriter(t.Output(), 0, 0, 1, ' ', 0)
	fmt.Fprintf(table, "| %d at once, %d rounds\t| times\t|\n", racers, rounds)
	for _, what := range r.order {
		fmt.Fprintf(table, "| %s\t| %d\t|\n", what, r.results[what])
	}
	table.Flush()
}

type racing struct {
	*premises
	one, two, three person
	browsers        []*guest // of one
	results         map[string]int
	order           []string
}

func (r *racing) count(what string, n int) {
	if _, known := r.results[what]; !known {
		r.order = append(r.order, what)
	}
	r.results[what] += n
}

// loggedIn is a new browser in which a person is logged in.
func (r *racing) loggedIn(who person) *guest {
	r.t.Helper()
	g := r.guest(who)
	at, err := g.visit(r.issuer + "/signing/" + asker + "/")
	if err == nil {
		at, err = g.logsIn(at)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	if at.kind() != another || at.status != http.StatusOK {
		r.t.Fatalf("not logged in: %s", at)
	}
	return g
}

// each lets every browser of the first person do the same at once.
func (r *racing) each(do func(i int, g *guest) bool) int {
	var mu sync.Mutex
	next := 0
	return race(func() bool {
		mu.Lock()
		i := next
		next++
		mu.Unlock()
		return do(i, r.browsers[i])
	})
}

// sameSignature: an invitation accepted and a signature made in eight browsers of
// the same person.
func (r *racing) sameSignature(round int) {
	t := r.t
	title := fmt.Sprintf("Kapplöpning %d", round)
	o := r.open(r.wishFor(title, r.signatoryOf(r.one, "email"), r.signatoryOf(r.two, "none")))
	link, err := r.linkOf(r.one, o.ID, 0, time.Now().Add(patience))
	if err != nil {
		t.Fatal(err)
	}
	places := make([]place, racers)
	accepted := r.each(func(i int, g *guest) bool {
		at, err := g.visit(link)
		places[i] = at
		return err == nil && at.kind() == review
	})
	r.count("an invitation opened", accepted)
	if accepted != racers {
		t.Errorf("round %d: the invitation was good for %d of %d: a look consumed it", round, accepted, racers)
	}
	// The issuer lets a person have one order at a time, but says nothing of one
	// that is approved and not fetched.
	approved := 0
	for i, g := range r.browsers {
		at, err := g.picks(places[i])
		if err != nil {
			continue // the first is taken in already
		}
		if _, err := g.proved(at); err == nil {
			approved++
		}
	}
	r.count("signatures approved by the same person for one place", approved)
	if approved < 2 {
		t.Errorf("round %d: %d approved: this judges nothing", round, approved)
	}
	r.until(o.ID, "signed", func(o apiOrder) bool { return o.Signatories[0].State == "signed" })
	if err := r.guest(r.two).signsAt(o.Signatories[1].SignURL); err != nil {
		t.Fatal(err)
	}
	r.becomes(o.ID, "completed")
	r.told(o.ID, "signatory.signed 1", "signatory.signed 2", "order.sealing", "order.completed")
	r.receipt(o.ID, 2)
	r.count("of them taken in", 1)
	// The link is dead for each of them, and tells each the same.
	if n := r.each(func(_ int, g *guest) bool {
		at, err := g.visit(link)
		return err == nil && at.kind() == nothing && at.status == http.StatusNotFound
	}); n != racers {
		t.Errorf("round %d: the link lives on for %d", round, racers-n)
	}
}

// ready brings a person as far as one tap from a signature.
func (r *racing) ready(g *guest, address string) (eid string) {
	r.t.Helper()
	at, err := g.comes(address)
	if err == nil {
		at, err = g.picks(at)
	}
	if err == nil {
		for range 5 {
			if eid, err = g.pickUp(at, g.phone); err == nil {
				return eid
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	r.t.Fatal(err)
	return ""
}

// lastSignatures: three persons approve at the same moment, so that each may be
// the last.
func (r *racing) lastSignatures(round int) {
	people := []person{r.one, r.two, r.three}
	var signatories []members
	for _, who := range people {
		signatories = append(signatories, r.signatoryOf(who, "none"))
	}
	o := r.open(r.wishFor(fmt.Sprintf("Sist %d", round), signatories...))
	var eids []string
	for i, who := range people {
		eids = append(eids, r.ready(r.guest(who), o.Signatories[i].SignURL))
	}
	var all sync.WaitGroup
	for i, who := range people {
		all.Go(func() {
			if _, err := r.phone.approve(eids[i], who.Number); err != nil {
				r.t.Error(err)
			}
		})
	}
	all.Wait()
	r.becomes(o.ID, "completed")
	r.receipt(o.ID, 3)
	deadline := time.Now().Add(patience)
	for {
		list, _, err := r.hooks.of(o.ID)
		if err != nil {
			r.t.Error(err)
		}
		kinds := kindsOf(list)
		if len(list) == 5 && len(kinds) == 5 && list[3].kind == "order.sealing" && list[4].kind == "order.completed" {
			break
		}
		if time.Now().After(deadline) || len(list) > 5 {
			r.t.Fatalf("round %d: webhooks %v", round, list)
		}
		time.Sleep(20 * time.Millisecond)
	}
	r.count("orders that three complete at once, completed once", 1)
}

// signOrRefuse: one browser of a person signs while the others say no, and the
// client cancels. One of them is first, and nothing else happened.
func (r *racing) signOrRefuse(round int) {
	o := r.open(r.wishFor(fmt.Sprintf("Ja eller nej %d", round), r.signatoryOf(r.one, "none")))
	eid := r.ready(r.browsers[0], o.Signatories[0].SignURL)
	refuse := func(g *guest) bool {
		at, err := g.post(o.Signatories[0].SignURL+"/refuse", url.Values{"reason": {"Nej"}})
		return err == nil && at.status == http.StatusOK
	}
	cancelled := 0
	r.each(func(i int, g *guest) bool {
		switch i {
		case 0:
			time.Sleep(mathrand.N(30 * time.Millisecond))
			_, err := r.phone.approve(eid, r.one.Number)
			return err == nil
		case 1:
			time.Sleep(mathrand.N(150 * time.Millisecond))
			if a := r.call(asker, "POST", "/api/v1/orders/"+o.ID+"/cancel", nil); a.status == http.StatusOK {
				cancelled++
			}
			return true
		}
		time.Sleep(20*time.Millisecond + mathrand.N(120*time.Millisecond))
		return refuse(g)
	})
	o = r.until(o.ID, "over", func(o apiOrder) bool { return o.State != "open" && o.State != "sealing" })
	want := map[string][]string{
		"completed": {"signatory.signed 1", "order.sealing", "order.completed"}, "refused": {"order.refused 1"}, "cancelled": {"order.cancelled"},
	}[o.State]
	if want == nil || cancelled > 1 || (cancelled == 1) != (o.State == "cancelled") {
		r.t.Fatalf("round %d: the order is %s, cancelled %d times", round, o.State, cancelled)
	}
	r.told(o.ID, want...)
	if o.State == "completed" {
		r.receipt(o.ID, 1)
	}
	r.count("signed, refused and cancelled at once: "+o.State, 1)
}

// calls: what a client may do once, eight times at once.
func (r *racing) calls(round int) {
	title := fmt.Sprintf("Anrop %d", round)
	w := r.wishFor(title, r.signatoryOf(r.one, "email"))
	key := rand.Text()
	ids := map[string]bool{}
	var mu sync.Mutex
	first := race(func() bool {
		a := r.call(asker, "POST", "/api/v1/orders", w, "Idempotency-Key: "+key)
		if a.status != http.StatusCreated {
			r.t.Errorf("round %d: %d %s", round, a.status, a.body)
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		ids[r.read(a).ID] = true
		return a.header.Get("Idempotency-Replayed") == ""
	})
	r.count("an order made", first)
	if len(ids) != 1 || first != 1 {
		r.t.Fatalf("round %d: one key made %d orders, %d of them new", round, len(ids), first)
	}
	var path string
	for id := range ids {
		path = "/api/v1/orders/" + id
	}
	once := func(what, method, path string, body any, good, bad int) {
		n := race(func() bool {
			a := r.call(asker, method, path, body)
			if a.status != good && a.status != bad {
				r.t.Errorf("round %d: %s: %d %s", round, what, a.status, a.body)
			}
			return a.status == good
		})
		r.count(what, n)
		if n != 1 {
			r.t.Errorf("round %d: %s %d times", round, what, n)
		}
	}
	once("reminded", "POST", path+"/remind", nil, 200, 429)
	once("a contact corrected", "PATCH", path+"/signatories/1", members{"email": "rattad@example.se"}, 200, 409)
	once("cancelled", "POST", path+"/cancel", nil, 200, 409)
	once("erased", "DELETE", path, nil, 204, 404)
	if a := r.call(asker, "GET", path, nil); a.status != http.StatusNotFound {
		r.t.Errorf("round %d: erased and there: %d", round, a.status)
	}
}
