package orders_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/providers"
	"sigill/signing"
	"sigill/signing/orders"
)

var (
	runs  = flag.Int("orders.runs", 25, "random lives of orders to live through")
	first = flag.Uint64("orders.seed", 1, "of the first of them")
)

// TestRandomLives has a client, guests, e-IDs, the clock and power cuts act upon
// an order in random order. Whatever happens: no order completes twice or
// without everybody's signature over one digest, no verified signature is lost or
// counted twice, and everything comes to its end.
func TestRandomLives(t *testing.T) {
	ends := map[signing.State]int{}
	for i := range *runs {
		seed := *first + uint64(i)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			l := &life{bench: newBench(t), r: rand.New(rand.NewPCG(seed, 0)), outcomes: map[broker.OrderID]string{}}
			l.live()
			ends[l.end()]++
		})
	}
	t.Log(ends)
	if *runs >= 25 && (ends[signing.Completed] < *runs/4 || ends[signing.Completed] == *runs) {
		t.Errorf("the lives are not what they should be: %v", ends)
	}
}

type life struct {
	*bench
	r        *rand.Rand
	id       string
	people   []string                  // by n
	told     []flow.Settled            // results that flow has, and tells again and again
	outcomes map[broker.OrderID]string // that were taken in
	receipt  string
	cuts     bool
}

func (l *life) live() {
	pool := []string{one, two, three, alien}
	w := wish()
	w.Sequence = []signing.Sequence{signing.Parallel, signing.Sequential}[l.r.IntN(2)]
	w.Deadline, w.Reminders = l.clock().Add(time.Duration(3+l.r.IntN(20))*24*time.Hour), []int{1, 2}
	w.Signatories = nil
	for i := range 1 + l.r.IntN(3) {
		l.people = append(l.people, pool[i])
		w.Signatories = append(w.Signatories, signing.WishedSignatory{Number: pool[i], Name: "Testperson", Email: fmt.Sprintf("p%d@example.se", i), Invite: signing.InviteEmail})
	}
	l.store.cut = func(bool) error {
		if l.cuts && l.r.IntN(12) == 0 {
			return errCut
		}
		return nil
	}
	l.id = l.create(w).ID
	l.cuts = true
	for range 25 + l.r.IntN(50) {
		l.step()
		l.look()
	}
	l.cuts = false
}

// step is one thing that happens.
func (l *life) step() {
	n := 1 + l.r.IntN(len(l.people))
	g := l.guest(l.people[n-1])
	var err error
	switch k := l.r.IntN(100); {
	case k < 30:
		l.wait(4 * time.Second)
		var eid broker.OrderID
		eid, err = l.service.Sign(ctx, "kommun", l.id, n, g, orders.Start{Digest: l.order(l.id).Digest, Provider: providers.MBankID, Mode: providers.ModeOther, Browser: l.people[n-1]})
		if err == nil {
			s := l.proof(eid)
			if l.r.IntN(6) == 0 {
				s.Done, s.Failed = nil, &providers.Failed{Reason: providers.Cancelled}
			}
			l.told = append(l.told, s)
		}
	case k < 60:
		if len(l.told) > 0 {
			l.tell(l.told[l.r.IntN(len(l.told))])
		}
	case k < 72:
		l.work()
	case k < 78:
		_, err = l.service.Visit(ctx, "kommun", l.id, n, g)
	case k < 84:
		l.wait(time.Duration(l.r.IntN(12)) * time.Hour)
	case k < 88:
		orders.Due(ctx, l.service)
	case k < 91:
		_, err = l.service.Change(ctx, "kommun", l.id, []signing.Document{{Name: "Ny", Kind: signing.KindText, Text: fmt.Sprint(l.r.Int())}})
	case k < 93:
		next := []string{"196608182942", "198006299252", "198101199282", "198107039276", "198405299291"}[l.r.IntN(5)]
		if slices.Contains(l.people, next) {
			break
		}
		_, err = l.service.Replace(ctx, "kommun", l.id, n, signing.WishedSignatory{Number: next, Name: "Testperson", Email: "x@example.se", Invite: signing.InviteEmail})
		if len(l.order(l.id).Signatories) > len(l.people) {
			l.people = append(l.people, next)
		}
	case k < 95:
		_, err = l.service.Correct(ctx, "kommun", l.id, n, signing.Contact{Email: fmt.Sprintf("c%d@example.se", l.r.IntN(3)), Invite: signing.InviteEmail})
	case k < 97:
		_, err = l.service.Remind(ctx, "kommun", l.id)
	case k < 98:
		err = l.service.Decline(ctx, "kommun", l.id, n, g, "nej")
	case k < 99:
		_, err = l.service.Cancel(ctx, "kommun", l.id)
	default:
		l.again()
	}
	known := []error{nil, errCut, signing.ErrOver, signing.ErrNotNow, signing.ErrDone, signing.ErrLate, signing.ErrUnchanged, signing.ErrNoSuch,
		signing.ErrSamePerson, broker.ErrNotFound, orders.ErrTooSoon}
	if !slices.ContainsFunc(known, func(k error) bool { return errors.Is(err, k) }) {
		l.t.Fatalf("unexpected: %v", err)
	}
}

// tell has flow tell of a result. The rules alone say what must become of it the
// first time, and nothing may the next.
func (l *life) tell(s flow.Settled) {
	_, before, err := l.store.Attempt(ctx, string(s.Order.ID))
	l.ok(err)
	want := l.predict(s)
	err = l.service.Settled(ctx, s)
	if err != nil && !errors.Is(err, errCut) {
		l.t.Fatal(err)
	}
	_, after, lookup := l.store.Attempt(ctx, string(s.Order.ID))
	l.ok(lookup)
	switch {
	case before.Outcome != "" && after.Outcome != before.Outcome:
		l.t.Fatalf("%s became %s", before.Outcome, after.Outcome)
	case before.Outcome == "" && after.Outcome != "" && after.Outcome != want:
		l.t.Fatalf("%s, where the rules say %s", after.Outcome, want)
	case err == nil && after.Outcome == "":
		l.t.Fatal("taken over, and forgotten")
	}
	if after.Outcome != "" {
		l.outcomes[s.Order.ID] = after.Outcome
	}
}

func (l *life) predict(s flow.Settled) string {
	if s.Failed != nil {
		return string(s.Failed.Reason)
	}
	o := l.order(l.id)
	var n int
	fmt.Sscanf(s.Order.Ref, l.id+"/%d", &n)
	sig := signing.Signature{Digest: o.Digest, At: s.Done.Identity.At}
	if string(s.Request.Binding) != string(signing.Binding(o.Digest)) {
		sig.Digest = [32]byte{}
	}
	_, err := o.Sign(n, sig, l.clock())
	return map[error]string{nil: orders.OutcomeSigned, signing.ErrOutdated: orders.OutcomeOutdated, signing.ErrLate: orders.OutcomeLate,
		signing.ErrOver: orders.OutcomeOver, signing.ErrDone: orders.OutcomeAlready, signing.ErrNotNow: orders.OutcomeNotNow}[err]
}

// look checks what must hold at every moment.
func (l *life) look() {
	l.t.Helper()
	row, err := l.store.Order(ctx, "kommun", l.id)
	l.ok(err)
	o := l.order(l.id)
	if (row.Key == nil) != o.State.Over() || row.State != o.State {
		l.t.Fatalf("%s, with a key: %v", o.State, row.Key != nil)
	}
	sealed, err := l.store.Part(ctx, l.id, "receipt")
	if (err == nil) != (o.State == signing.Completed) {
		l.t.Fatalf("%s, with a receipt: %v", o.State, err == nil)
	}
	if l.receipt != "" && l.receipt != string(sealed) {
		l.t.Fatal("the receipt has changed")
	}
	l.receipt = string(sealed)
	for _, s := range o.Signatories {
		_, err := l.store.Part(ctx, l.id, fmt.Sprintf("evidence/%d", s.N))
		kept := o.State == signing.Open || o.State == signing.Sealing || o.State == signing.Completed
		if (err == nil) != (s.Signature != nil && kept) {
			l.t.Fatalf("%s: signatory %d is %s, with evidence: %v", o.State, s.N, s.State, err == nil)
		}
		if s.Signature != nil && (s.Signature.Digest != o.Digest || l.outcomes[broker.OrderID(s.Signature.EIDOrder)] != orders.OutcomeSigned) {
			l.t.Fatalf("signatory %d has a signature over something else, or one that did not count", s.N)
		}
		if s.Active() && s.Signature == nil && (o.State == signing.Sealing || o.State == signing.Completed) {
			l.t.Fatalf("%s without the signature of %d", o.State, s.N)
		}
	}
}

// end lets everything come to its end, and checks what came of it.
func (l *life) end() signing.State {
	for _, s := range l.told {
		l.tell(s)
		l.tell(s)
	}
	l.look()
	for range 3 {
		l.workAll()
		l.wait(24 * time.Hour)
		orders.Due(ctx, l.service)
	}
	l.workAll()
	o := l.order(l.id)
	if o.State == signing.Sealing {
		l.t.Fatalf("still being sealed\n%s", l.log.String())
	}
	if o.State == signing.Open {
		l.wait(o.Deadline.Sub(l.clock()) + 24*time.Hour) // somebody may have begun to sign
		orders.Due(ctx, l.service)
		l.workAll()
		o = l.order(l.id)
	}
	if !o.State.Over() {
		l.t.Fatalf("it ends as %s", o.State)
	}
	l.look()
	count := map[string]int{}
	for _, e := range l.events(l.id) {
		count[strings.Fields(e)[0]]++
	}
	signed := 0
	for _, outcome := range l.outcomes {
		if outcome == orders.OutcomeSigned {
			signed++
		}
	}
	if count["order_signed"] != signed {
		l.t.Errorf("%d signatures counted, %d in the audit", signed, count["order_signed"])
	}
	for _, ending := range []signing.State{signing.Completed, signing.Refused, signing.Expired, signing.Cancelled} {
		want := 0
		if o.State == ending {
			want = 1
		}
		if count["order_"+string(ending)] != want {
			l.t.Errorf("%s, and the audit says %s %d times", o.State, ending, count["order_"+string(ending)])
		}
	}
	// Each webhook by its id once, in the order of what it tells, the end last.
	ids := map[string]bool{}
	for _, h := range l.hooks {
		if ids[h.ID] {
			l.t.Errorf("webhook %s twice", h.ID)
		}
		ids[h.ID] = true
	}
	if news := l.news(); len(news) == 0 || !strings.HasPrefix(news[len(news)-1], "order."+string(o.State)) {
		l.t.Errorf("%s, and the last webhook is %v", o.State, news)
	}
	seals := 0
	for _, e := range l.store.all {
		if e.Kind == orders.KindSeal {
			seals++
		}
	}
	if seals > 1 || (seals == 1) != (o.State == signing.Completed) {
		l.t.Errorf("%s, with %d orders to seal", o.State, seals)
	}
	return o.State
}
