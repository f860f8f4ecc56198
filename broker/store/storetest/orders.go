package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/audit"
	"sigill/providers"
)

// OrderStore keeps e-ID orders and their leases.
type OrderStore interface {
	flow.Orders
	flow.Leases
	flow.Nodes
	flow.Results
}

// Events gives all audit events that were written so far, oldest first.
type Events func(*testing.T) []audit.Event

// anOrder has something in every field that a new order can have.
func anOrder(id string, now time.Time) broker.Order {
	return broker.Order{
		ID: broker.OrderID(id), Owner: "login", Ref: "ref of " + id, Client: "demo", Provider: providers.MBankID, Instance: "kommunen",
		Mode: providers.ModeOther, Kind: providers.KindAuth, Locked: true,
		Phase: broker.Pending, Sealed: []byte("sealed \x00 bytes of " + id), Browser: []byte{1, 2, 0}, Nonce: []byte{3, 0, 4},
		Restarts: 1, Created: now, Changed: now.Add(time.Millisecond), Deadline: now.Add(10 * time.Minute),
		Node: "one", LeaseUntil: now.Add(20 * time.Second),
	}
}

func anEvent(typ audit.Type, at time.Time) audit.Event {
	return audit.Event{Type: typ, At: at, Client: "demo", Provider: "mbankid", Instance: "kommunen", Order: "o", Login: "l", Person: "ff00", Reason: "timed_out"}
}

// Orders tests a store of e-ID orders. open makes an empty one.
func Orders(t *testing.T, open func(*testing.T, *Clock) (OrderStore, Events)) {
	begin := func(t *testing.T) (OrderStore, Events, time.Time) {
		c := NewClock()
		s, events := open(t, c)
		return s, events, c.Now()
	}
	same := func(t *testing.T, s OrderStore, want broker.Order) {
		t.Helper()
		got, err := s.Order(ctx, want.ID)
		check(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("order (-want +got):\n%s", diff)
		}
	}
	wantEvents := func(t *testing.T, events Events, want ...audit.Event) {
		t.Helper()
		if diff := cmp.Diff(want, events(t)); diff != "" {
			t.Fatalf("events (-want +got):\n%s", diff)
		}
	}

	t.Run("create and read", func(t *testing.T) {
		s, events, now := begin(t)
		if _, err := s.Order(ctx, "a"); !errors.Is(err, broker.ErrNotFound) {
			t.Fatalf("read what is not there: %v", err)
		}
		o := anOrder("a", now)
		started, failed := anEvent(audit.OrderStarted, now), anEvent(audit.OrderFailed, now.Add(time.Second))
		check(t, s.CreateOrder(ctx, o, started, failed))
		same(t, s, o)
		bare := broker.Order{ID: "bare", Phase: broker.Failed, Reason: providers.IssuerDown, Created: now, Changed: now}
		check(t, s.CreateOrder(ctx, bare))
		same(t, s, bare)
		ended := o
		ended.ID, ended.Phase, ended.Returned, ended.PickedUp = "ended", broker.Done, now, true
		ended.Consumed, ended.ForeignUntil, ended.Version = now.Add(time.Second), now.Add(time.Minute), 7
		check(t, s.CreateOrder(ctx, ended))
		same(t, s, ended)
		wantEvents(t, events, started, failed)
	})
	t.Run("an id is used once", func(t *testing.T) {
		s, events, now := begin(t)
		o := anOrder("a", now)
		check(t, s.CreateOrder(ctx, o))
		again := o
		again.Sealed = []byte("another")
		if err := s.CreateOrder(ctx, again, anEvent(audit.OrderStarted, now)); !errors.Is(err, broker.ErrConflict) {
			t.Fatalf("created twice: %v", err)
		}
		same(t, s, o)
		wantEvents(t, events)
	})
	t.Run("update", func(t *testing.T) {
		s, events, now := begin(t)
		o := anOrder("a", now)
		other := anOrder("b", now)
		check(t, s.CreateOrder(ctx, o))
		check(t, s.CreateOrder(ctx, other))
		o.Phase, o.Reason, o.Sealed, o.Nonce = broker.Failed, providers.TimedOut, []byte("new"), nil
		o.Returned, o.PickedUp, o.Restarts = now.Add(time.Second), true, 3
		o.Changed, o.Deadline, o.Consumed = now.Add(2*time.Second), now.Add(time.Hour), now.Add(3*time.Second)
		leased := o
		o.Node, o.LeaseUntil, o.ForeignUntil = "two", now.Add(time.Hour), now.Add(time.Hour)
		check(t, s.UpdateOrder(ctx, o, anEvent(audit.OrderFailed, now)))
		leased.Version = 1
		same(t, s, leased)
		same(t, s, other)
		if err := s.UpdateOrder(ctx, o, anEvent(audit.OrderCompleted, now)); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("updated an old version: %v", err)
		}
		o.Version = 5
		if err := s.UpdateOrder(ctx, o, anEvent(audit.OrderCompleted, now)); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("updated a version that is not there yet: %v", err)
		}
		o.ID = "unknown"
		if err := s.UpdateOrder(ctx, o, anEvent(audit.OrderCompleted, now)); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("updated what is not there: %v", err)
		}
		same(t, s, leased)
		wantEvents(t, events, anEvent(audit.OrderFailed, now))
	})
	t.Run("a bad event undoes the act", func(t *testing.T) {
		s, events, now := begin(t)
		o := anOrder("a", now)
		if s.CreateOrder(ctx, o, anEvent(audit.OrderStarted, now), audit.Event{}) == nil {
			t.Error("wrote an event without type and time")
		}
		if _, err := s.Order(ctx, o.ID); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("the order is there without its events: %v", err)
		}
		wantEvents(t, events)
	})

	claim := func(t *testing.T, s OrderStore, node string, own bool, now, until time.Time, limit int) []broker.Order {
		t.Helper()
		list, err := s.ClaimOrders(ctx, node, own, now, until, limit)
		check(t, err)
		for _, o := range list {
			same(t, s, o)
		}
		slices.SortFunc(list, func(a, b broker.Order) int { return strings.Compare(string(a.ID), string(b.ID)) })
		return list
	}
	ids := func(list []broker.Order) (out []string) {
		for _, o := range list {
			out = append(out, string(o.ID))
		}
		return out
	}
	t.Run("claim", func(t *testing.T) {
		for _, c := range []struct {
			name  string
			phase broker.Phase
			node  string
			lease time.Duration // from when the claim is made
			own   bool
			want  bool
		}{
			{"lease of another runs", broker.Pending, "one", time.Millisecond, false, false},
			{"lease of another ends now", broker.Pending, "one", 0, false, true},
			{"lease of another has ended", broker.Pending, "one", -time.Second, false, true},
			{"own lease runs", broker.Pending, "two", time.Second, false, false},
			{"own lease has ended", broker.Pending, "two", -time.Second, false, true},
			{"own lease runs, after a restart", broker.Pending, "two", time.Second, true, true},
			{"lease of another runs, after a restart", broker.Pending, "one", time.Second, true, false},
			{"done", broker.Done, "one", -time.Second, true, false},
			{"failed", broker.Failed, "two", -time.Second, true, false},
		} {
			t.Run(c.name, func(t *testing.T) {
				s, events, now := begin(t)
				o := anOrder("a", now)
				o.Phase, o.Node, o.LeaseUntil, o.Version = c.phase, c.node, now.Add(c.lease), 4
				check(t, s.CreateOrder(ctx, o))
				got := claim(t, s, "two", c.own, now, now.Add(20*time.Second), 10)
				if !c.want {
					if len(got) != 0 {
						t.Fatalf("claimed %v", ids(got))
					}
					same(t, s, o)
					return
				}
				if c.node != "two" {
					o.ForeignUntil = o.LeaseUntil
				}
				o.Node, o.LeaseUntil = "two", now.Add(20*time.Second)
				if diff := cmp.Diff([]broker.Order{o}, got); diff != "" {
					t.Fatalf("claimed (-want +got):\n%s", diff)
				}
				wantEvents(t, events)
			})
		}
	})
	t.Run("an order that was never leased is anybody's", func(t *testing.T) {
		s, _, now := begin(t)
		o := anOrder("a", now)
		o.Node, o.LeaseUntil = "", time.Time{}
		check(t, s.CreateOrder(ctx, o))
		got := claim(t, s, "two", false, now, now.Add(time.Second), 10)
		if len(got) != 1 || !got[0].ForeignUntil.IsZero() {
			t.Fatalf("claimed %+v", got)
		}
	})
	t.Run("claims go on where the limit cut them", func(t *testing.T) {
		for _, own := range []bool{false, true} {
			s, _, now := begin(t)
			for i := range 10 {
				o := anOrder(fmt.Sprint("o", i), now)
				o.LeaseUntil = now.Add(-time.Second)
				if own {
					o.Node, o.LeaseUntil = "two", now.Add(time.Second)
				}
				check(t, s.CreateOrder(ctx, o))
			}
			var all []string
			for range 4 {
				got := claim(t, s, "two", own, now, now.Add(20*time.Second), 3)
				if len(got) > 3 {
					t.Fatalf("claimed %d", len(got))
				}
				for _, id := range ids(got) {
					if !slices.Contains(all, id) {
						all = append(all, id)
					}
				}
			}
			if len(all) != 10 {
				t.Errorf("own %v: four claims of 3 found %v", own, all)
			}
		}
	})
	t.Run("renew", func(t *testing.T) {
		s, _, now := begin(t)
		mine, too, theirs, ended := anOrder("mine", now), anOrder("too", now), anOrder("theirs", now), anOrder("ended", now)
		too.LeaseUntil = now.Add(-time.Second)
		theirs.Node = "two"
		ended.Phase = broker.Done
		for _, o := range []broker.Order{mine, too, theirs, ended} {
			check(t, s.CreateOrder(ctx, o))
		}
		check(t, s.RenewLeases(ctx, "one", "", now.Add(time.Minute)))
		mine.LeaseUntil, too.LeaseUntil = now.Add(time.Minute), now.Add(time.Minute)
		same(t, s, mine)
		same(t, s, too)
		same(t, s, theirs)
		same(t, s, ended)
		if got := claim(t, s, "three", false, now.Add(time.Minute-time.Millisecond), now.Add(time.Hour), 10); !slices.Equal(ids(got), []string{"theirs"}) {
			t.Errorf("claimed %v while the renewed leases ran", ids(got))
		}
		got := claim(t, s, "three", false, now.Add(time.Minute), now.Add(time.Hour), 10)
		if !slices.Equal(ids(got), []string{"mine", "too"}) {
			t.Fatalf("claimed %v", ids(got))
		}
		if !got[0].ForeignUntil.Equal(now.Add(time.Minute)) {
			t.Errorf("the lease that was taken over ended at %v, want %v", got[0].ForeignUntil, now.Add(time.Minute))
		}
		// Node one comes back: its old orders are not its own any more.
		check(t, s.RenewLeases(ctx, "one", "", now.Add(2*time.Hour)))
		if got := claim(t, s, "four", false, now.Add(time.Hour), now.Add(3*time.Hour), 10); len(got) != 3 {
			t.Errorf("claimed %v, want all three", ids(got))
		}
	})
	t.Run("a lease taken after a renewal counts from then", func(t *testing.T) {
		s, _, now := begin(t)
		check(t, s.RenewLeases(ctx, "one", "", now.Add(time.Second)))
		o := anOrder("a", now)
		check(t, s.CreateOrder(ctx, o))
		same(t, s, o)
		if got := claim(t, s, "two", false, now.Add(10*time.Second), now.Add(time.Minute), 10); len(got) != 0 {
			t.Errorf("claimed %v while its lease ran", ids(got))
		}
		check(t, s.RenewLeases(ctx, "one", "", now.Add(30*time.Second)))
		o.LeaseUntil = now.Add(30 * time.Second)
		same(t, s, o)
		check(t, s.RenewLeases(ctx, "one", "", now.Add(25*time.Second))) // that came late cuts nothing short
		same(t, s, o)
	})

	t.Run("leases by a clock that was ahead", func(t *testing.T) {
		s, _, now := begin(t)
		wrong, later := now.Add(time.Hour), now.Add(20*time.Second)
		o := anOrder("a", now)
		o.LeaseUntil = wrong
		check(t, s.CreateOrder(ctx, o))
		check(t, s.RenewLeases(ctx, "one", "", wrong))
		// The node lives, and the clock has been set right.
		check(t, s.RenewLeases(ctx, "one", "", later))
		if got := claim(t, s, "two", false, now, later, 10); len(got) != 0 {
			t.Errorf("claimed %v of a node that is there", ids(got))
		}
		if got := claim(t, s, "two", false, later, later.Add(20*time.Second), 10); !slices.Equal(ids(got), []string{"a"}) {
			t.Errorf("claimed %v an hour early, want a", ids(got))
		}
		// It died before that.
		check(t, s.RenewLeases(ctx, "two", "", wrong.Add(time.Hour)))
		if got := claim(t, s, "three", false, later.Add(20*time.Second), later.Add(40*time.Second), 10); !slices.Equal(ids(got), []string{"a"}) {
			t.Errorf("claimed %v of a node that is silent, want a", ids(got))
		}
	})

	t.Run("an order that begins again is leased anew in the same write", func(t *testing.T) {
		s, _, now := begin(t)
		o := anOrder("a", now)
		o.Phase, o.ForeignUntil = broker.Failed, now
		check(t, s.CreateOrder(ctx, o))
		check(t, s.RenewLeases(ctx, "one", "", now.Add(time.Hour))) // of an order that is over that means nothing
		o.Phase, o.Node, o.LeaseUntil, o.ForeignUntil = broker.Pending, "two", now.Add(20*time.Second), time.Time{}
		check(t, s.UpdateOrder(ctx, o))
		o.Version = 1
		same(t, s, o)
		if got := claim(t, s, "three", false, now.Add(20*time.Second), now.Add(time.Minute), 10); !slices.Equal(ids(got), []string{"a"}) || !got[0].ForeignUntil.Equal(now.Add(20*time.Second)) {
			t.Errorf("claimed %+v", got)
		}
		// While it is pending, only claims move it.
		o.Node = "two"
		check(t, s.UpdateOrder(ctx, o))
		if got, err := s.Order(ctx, "a"); err != nil || got.Node != "three" || !got.LeaseUntil.Equal(now.Add(time.Minute)) {
			t.Errorf("an update undid a claim: %+v %v", got, err)
		}
	})
	t.Run("an order that is taken is leased anew in the same write, if its version is still the same", func(t *testing.T) {
		s, events, now := begin(t)
		o := anOrder("a", now)
		o.ForeignUntil = now
		check(t, s.CreateOrder(ctx, o))
		o.Sealed, o.Node, o.LeaseUntil, o.ForeignUntil = []byte("answered"), "two", now.Add(30*time.Second), time.Time{}
		check(t, s.TakeOrder(ctx, o, anEvent(audit.OrderRestarted, now)))
		if err := s.TakeOrder(ctx, o, anEvent(audit.OrderRestarted, now)); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("taken on top of an old version: %v", err)
		}
		gone := anOrder("gone", now)
		if err := s.TakeOrder(ctx, gone); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("taken what is not there: %v", err)
		}
		o.Version = 1
		same(t, s, o)
		if n := len(events(t)); n != 1 {
			t.Errorf("%d events", n)
		}
		if list, err := s.HeldOrders(ctx, "one"); err != nil || len(list) > 0 {
			t.Errorf("still held: %v %v", list, err)
		}
		if got := claim(t, s, "three", false, now.Add(25*time.Second), now.Add(time.Minute), 10); len(got) > 0 {
			t.Errorf("claimed %v by the lease of before", ids(got))
		}
		if got := claim(t, s, "three", false, now.Add(30*time.Second), now.Add(time.Minute), 10); !slices.Equal(ids(got), []string{"a"}) || !got[0].ForeignUntil.Equal(now.Add(30*time.Second)) {
			t.Errorf("claimed %+v", got)
		}
		// By a node that stops: anybody's.
		o.Node, o.LeaseUntil = "", time.Time{}
		check(t, s.TakeOrder(ctx, o))
		if got := claim(t, s, "four", false, now, now.Add(time.Minute), 10); !slices.Equal(ids(got), []string{"a"}) {
			t.Errorf("claimed %v of what is nobody's", ids(got))
		}
	})
	t.Run("held", func(t *testing.T) {
		s, _, now := begin(t)
		for id, change := range map[string]func(*broker.Order){
			"mine": func(*broker.Order) {}, "late": func(o *broker.Order) { o.LeaseUntil = now.Add(-time.Hour) },
			"theirs": func(o *broker.Order) { o.Node = "two" }, "done": func(o *broker.Order) { o.Phase = broker.Done },
			"free": func(o *broker.Order) { o.Node, o.LeaseUntil = "", time.Time{} },
		} {
			o := anOrder(id, now)
			change(&o)
			check(t, s.CreateOrder(ctx, o))
		}
		list, err := s.HeldOrders(ctx, "one")
		check(t, err)
		slices.Sort(list)
		if !slices.Equal(list, []broker.OrderID{"late", "mine"}) {
			t.Errorf("held %v", list)
		}
		if list, err := s.HeldOrders(ctx, "nobody"); err != nil || len(list) != 0 {
			t.Errorf("held %v %v", list, err)
		}
	})
	t.Run("release", func(t *testing.T) {
		s, _, now := begin(t)
		fresh, old, theirs, over := anOrder("fresh", now), anOrder("old", now), anOrder("theirs", now), anOrder("over", now)
		old.LeaseUntil, theirs.Node, over.Phase = now.Add(-time.Minute), "two", broker.Done
		for _, o := range []broker.Order{fresh, old, theirs, over} {
			check(t, s.CreateOrder(ctx, o))
		}
		check(t, s.RenewLeases(ctx, "one", "", now.Add(20*time.Second)))
		check(t, s.RenewLeases(ctx, "two", "", now.Add(20*time.Second)))
		now = now.Add(time.Second)
		if got := claim(t, s, "three", false, now, now.Add(20*time.Second), 10); len(got) != 0 {
			t.Fatalf("claimed %v before", ids(got))
		}
		for range 2 {
			check(t, s.ReleaseLeases(ctx, "one", now))
		}
		same(t, s, over)
		got := claim(t, s, "three", false, now, now.Add(20*time.Second), 10)
		if !slices.Equal(ids(got), []string{"fresh", "old"}) {
			t.Fatalf("claimed %v", ids(got))
		}
		for _, o := range got {
			if !o.ForeignUntil.Equal(now) {
				t.Errorf("%s: the lease before ended at %v, want %v", o.ID, o.ForeignUntil, now)
			}
		}
		// The node starts again and takes nothing back by that.
		check(t, s.RenewLeases(ctx, "one", "", now.Add(20*time.Second)))
		if got := claim(t, s, "one", true, now, now.Add(20*time.Second), 10); len(got) != 0 {
			t.Errorf("took back %v", ids(got))
		}
	})
	t.Run("orders of many silent nodes", func(t *testing.T) {
		s, _, now := begin(t)
		for i := range 12 {
			o := anOrder(fmt.Sprintf("%02d", i), now)
			o.Node, o.LeaseUntil = fmt.Sprint("node ", i/2), now.Add(-time.Second)
			check(t, s.CreateOrder(ctx, o))
		}
		check(t, s.RenewLeases(ctx, "node 2", "", now.Add(time.Second)))
		check(t, s.RenewLeases(ctx, "node 3", "", now.Add(-time.Millisecond)))
		var all []string
		for range 3 {
			got := claim(t, s, "me", false, now, now.Add(20*time.Second), 5)
			if len(got) > 5 {
				t.Fatalf("claimed %d", len(got))
			}
			all = append(all, ids(got)...)
		}
		slices.Sort(all)
		if want := []string{"00", "01", "02", "03", "06", "07", "08", "09", "10", "11"}; !slices.Equal(all, want) {
			t.Errorf("claimed %v, want %v", all, want)
		}
	})
	t.Run("names of nodes", func(t *testing.T) {
		s, _, now := begin(t)
		enter := func(node, boot string, want error, former ...string) {
			t.Helper()
			if err := s.EnterNode(ctx, node, boot, former, now); !errors.Is(err, want) {
				t.Errorf("%s as %s after %v: %v, want %v", boot, node, former, err, want)
			}
		}
		renew := func(node, boot string, want error) {
			t.Helper()
			if err := s.RenewLeases(ctx, node, boot, now.Add(20*time.Second)); !errors.Is(err, want) {
				t.Errorf("%s renews as %s: %v, want %v", boot, node, err, want)
			}
		}
		enter("one", "a", nil, "x")
		enter("one", "a", nil) // as when the answer was lost
		enter("one", "b", broker.ErrConflict, "x")
		enter("two", "b", nil)
		renew("one", "a", nil)
		renew("one", "b", broker.ErrConflict)
		renew("one", "", nil) // an older release does not ask
		renew("one", "a", nil)
		enter("one", "c", nil, "x", "a") // the same folder, started again
		renew("one", "a", broker.ErrConflict)
		renew("one", "c", nil)
		// Nobody has entered: a release that did not know of it, or a row cleared away.
		renew("three", "d", nil)
		renew("three", "e", broker.ErrConflict)
		check(t, s.RenewLeases(ctx, "four", "", now))
		enter("four", "f", nil)
	})
	t.Run("race for a name", func(t *testing.T) {
		s, _, now := begin(t)
		for n := range rounds() {
			won := race(func(racer int) bool {
				err := s.EnterNode(ctx, fmt.Sprint(n), fmt.Sprint("boot ", racer), []string{"of the image"}, now)
				if err != nil && !errors.Is(err, broker.ErrConflict) {
					t.Error(err)
				}
				return err == nil
			})
			if won != 1 {
				t.Fatalf("round %d: %d go by one name", n, won)
			}
		}
	})

	ended := func(t *testing.T, s OrderStore, owner string, after broker.Ended, limit int, want ...string) broker.Ended {
		t.Helper()
		list, err := s.EndedOrders(ctx, owner, after, limit)
		check(t, err)
		var got []string
		for _, after = range list {
			got = append(got, string(after.ID))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("ended orders of %s (-want +got):\n%s", owner, diff)
		}
		return after
	}
	over := func(id string, phase broker.Phase, created time.Time) broker.Order {
		o := anOrder(id, created)
		o.Owner, o.Phase = "signing", phase
		return o
	}
	t.Run("what owners have not taken over", func(t *testing.T) {
		s, events, now := begin(t)
		login, others, taken := over("login", broker.Done, now), over("others", broker.Failed, now), over("taken", broker.Done, now)
		login.Owner, others.Owner, taken.Consumed = broker.LoginOwner, "archive", now
		for _, o := range []broker.Order{
			over("d", broker.Done, now.Add(time.Millisecond)), over("a", broker.Failed, now.Add(time.Second)),
			over("c", broker.Done, now), over("b", broker.Done, now), over("pending", broker.Pending, now), login, others, taken,
		} {
			check(t, s.CreateOrder(ctx, o))
		}
		first := broker.Ended{}
		ended(t, s, "signing", first, 10, "b", "c", "d", "a")
		ended(t, s, "archive", first, 10, "others")
		ended(t, s, "nobody", first, 10)
		ended(t, s, "signing", first, 4, "b", "c", "d", "a")
		last := ended(t, s, "signing", first, 3, "b", "c", "d")
		last = ended(t, s, "signing", last, 3, "a")
		ended(t, s, "signing", last, 3)
		last = ended(t, s, "signing", first, 1, "b")
		ended(t, s, "signing", last, 1, "c")
		// One ends meanwhile that began before: the next round finds it.
		o, err := s.Order(ctx, "pending")
		check(t, err)
		o.Phase = broker.Done
		check(t, s.UpdateOrder(ctx, o))
		check(t, s.ConsumeOrder(ctx, "c", now))
		ended(t, s, "signing", first, 10, "b", "pending", "d", "a")
		wantEvents(t, events)
	})
	t.Run("consume", func(t *testing.T) {
		for _, phase := range []broker.Phase{broker.Done, broker.Failed} {
			s, _, now := begin(t)
			o := over("a", phase, now)
			check(t, s.CreateOrder(ctx, o))
			check(t, s.CreateOrder(ctx, over("b", phase, now)))
			before := o
			for i := range 3 { // the second and third time change nothing
				check(t, s.ConsumeOrder(ctx, "a", now.Add(time.Duration(i+1)*time.Second)))
				o.Consumed, o.Changed, o.Version = now.Add(time.Second), now.Add(time.Second), 1
				same(t, s, o)
			}
			if err := s.UpdateOrder(ctx, before); !errors.Is(err, broker.ErrConflict) {
				t.Errorf("written over with what was read before: %v", err)
			}
			same(t, s, o)
			same(t, s, over("b", phase, now))
		}
		s, _, now := begin(t)
		check(t, s.CreateOrder(ctx, over("pending", broker.Pending, now)))
		if err := s.ConsumeOrder(ctx, "pending", now); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("consumed while pending: %v", err)
		}
		same(t, s, over("pending", broker.Pending, now))
		if err := s.ConsumeOrder(ctx, "unknown", now); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("consumed what is not there: %v", err)
		}
	})
	t.Run("race of consumption and an update", func(t *testing.T) {
		// A browser comes back at the same time: both are there afterwards.
		s, _, now := begin(t)
		for n := range rounds() {
			id := broker.OrderID(fmt.Sprint(n))
			check(t, s.CreateOrder(ctx, over(string(id), broker.Done, now)))
			race(func(racer int) bool {
				if racer < 3 {
					if err := s.ConsumeOrder(ctx, id, now.Add(time.Second)); err != nil {
						t.Error(err)
					}
					return true
				}
				for {
					o, err := s.Order(ctx, id)
					if err != nil {
						t.Error(err)
						return false
					}
					o.Returned = now.Add(time.Minute)
					err = s.UpdateOrder(ctx, o)
					if err == nil {
						return true
					}
					if !errors.Is(err, broker.ErrConflict) {
						t.Error(err)
						return false
					}
				}
			})
			o, err := s.Order(ctx, id)
			check(t, err)
			if !o.Consumed.Equal(now.Add(time.Second)) || !o.Returned.Equal(now.Add(time.Minute)) {
				t.Fatalf("round %d: consumed %v, returned %v", n, o.Consumed, o.Returned)
			}
		}
	})

	t.Run("race to create", func(t *testing.T) {
		s, events, now := begin(t)
		n := rounds()
		for i := range n {
			won := race(func(racer int) bool {
				o := anOrder(fmt.Sprint(i), now)
				o.Ref = fmt.Sprint(racer)
				err := s.CreateOrder(ctx, o, anEvent(audit.OrderStarted, now))
				if err != nil && !errors.Is(err, broker.ErrConflict) {
					t.Error(err)
				}
				return err == nil
			})
			if won != 1 {
				t.Fatalf("round %d: created %d times", i, won)
			}
		}
		if got := len(events(t)); got != n {
			t.Errorf("%d events of %d creations", got, n)
		}
	})
	t.Run("race to update", func(t *testing.T) {
		s, events, now := begin(t)
		o := anOrder("a", now)
		check(t, s.CreateOrder(ctx, o))
		n := rounds()
		for i := range n {
			won := race(func(racer int) bool {
				o := o
				o.Version, o.Restarts = int64(i), racer
				err := s.UpdateOrder(ctx, o, anEvent(audit.OrderRestarted, now))
				if err != nil && !errors.Is(err, broker.ErrConflict) {
					t.Error(err)
				}
				return err == nil
			})
			if won != 1 {
				t.Fatalf("round %d: updated %d times", i, won)
			}
		}
		if got := len(events(t)); got != n {
			t.Errorf("%d events of %d updates", got, n)
		}
	})
	t.Run("race to claim", func(t *testing.T) {
		s, _, now := begin(t)
		const orders = 20
		for i := range orders {
			check(t, s.CreateOrder(ctx, anOrder(fmt.Sprint(i), now)))
		}
		for range rounds() {
			now = now.Add(time.Minute)
			var mu sync.Mutex
			owner := map[broker.OrderID]int{}
			race(func(racer int) bool {
				for {
					list, err := s.ClaimOrders(ctx, fmt.Sprint("node ", racer), false, now, now.Add(20*time.Second), 3)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					for _, o := range list {
						if was, twice := owner[o.ID]; twice {
							t.Errorf("order %s went to %d and %d", o.ID, was, racer)
						}
						owner[o.ID] = racer
					}
					mu.Unlock()
					if len(list) == 0 {
						return true
					}
				}
			})
			if len(owner) != orders {
				t.Fatalf("%d of %d orders were claimed", len(owner), orders)
			}
		}
	})
	t.Run("claims and updates do not undo each other", func(t *testing.T) {
		s, _, now := begin(t)
		check(t, s.CreateOrder(ctx, anOrder("a", now)))
		for i := range rounds() {
			at := now.Add(time.Duration(i+1) * time.Minute)
			node := fmt.Sprint("node ", i)
			race(func(racer int) bool {
				switch racer {
				case 0:
					if _, err := s.ClaimOrders(ctx, node, false, at, at.Add(20*time.Second), 10); err != nil {
						t.Error(err)
					}
				case 1:
					o := anOrder("a", now)
					o.Version, o.Sealed = int64(i), fmt.Append(nil, i)
					if err := s.UpdateOrder(ctx, o); err != nil {
						t.Error(err)
					}
				}
				return true
			})
			o, err := s.Order(ctx, "a")
			check(t, err)
			if o.Node != node || o.Version != int64(i+1) || string(o.Sealed) != fmt.Sprint(i) {
				t.Fatalf("round %d: %s, version %d, %s", i, o.Node, o.Version, o.Sealed)
			}
		}
	})
}
