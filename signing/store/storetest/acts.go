package storetest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/outbox"
	"sigill/signing"
	"sigill/signing/orders"
)

func create(t *testing.T, open func(*testing.T) Subject) {
	t.Run("all of it", func(t *testing.T) {
		sub := open(t)
		s := sub.Store
		_, err := s.Order(ctx, "demo", "a")
		refused(t, err, broker.ErrNotFound, "order that is not there")
		_, _, err = s.Attempt(ctx, "eid of a")
		refused(t, err, broker.ErrNotFound, "attempt that is not there")
		samePart(t, s, "a", "file/1", "")
		sameInvitation(t, s, "demo", "two to a", "", 0)

		c := aChange("a")
		add(t, s, c)
		sameOrder(t, s, c.Row)
		samePart(t, s, "a", "file/1", "file \x00 of a")
		samePart(t, s, "a", "file/2", "more of a")
		samePart(t, s, "a", "file/3", "")
		sameInvitation(t, s, "demo", "one \x00 to a", "a", 1)
		sameInvitation(t, s, "demo", "two to a", "a", 2)
		sameAttempt(t, s, "a", orders.Attempt{EIDOrder: "eid of a", N: 1, Made: start})
		same(t, "events", c.Events, sub.Events(t))
		items := sub.Outbox(t)
		if len(items) != 2 || items[0].ID != "a of a" || items[1].ID != "b of a" ||
			items[0].Kind != "mail" || items[0].Ref != "a" || items[0].Stream != "a/1" || !items[0].Due.Equal(start.Add(time.Minute)) {
			t.Errorf("outbox %v", items)
		}
	})
	t.Run("the least of it", func(t *testing.T) {
		s := open(t).Store
		row := orders.Row{ID: "a", Client: "demo", State: signing.Sealing, Created: start, Head: []byte("head"), Version: 7}
		add(t, s, orders.Change{Row: row})
		sameOrder(t, s, row)
	})
	t.Run("others' orders are not there", func(t *testing.T) {
		s := open(t).Store
		add(t, s, aChange("a"))
		_, err := s.Order(ctx, "other", "a")
		refused(t, err, broker.ErrNotFound, "order of another client")
		sameInvitation(t, s, "other", "two to a", "", 0)
		list, err := s.Awaiting(ctx, "other", []byte("one"), orders.Mark{}, 10)
		check(t, err)
		same(t, "awaiting at another client", "", ids(list))
	})
	t.Run("an id is used once", func(t *testing.T) {
		sub := open(t)
		add(t, sub.Store, aChange("a"))
		before := sub.Dump(t)
		// It is no conflict: that would be told as one of the request.
		again := orders.Change{Row: aRow("a")}
		again.Row.Head = []byte("another")
		if _, err := sub.Store.Create(ctx, again, aRequest("another")); err == nil || errors.Is(err, broker.ErrConflict) {
			t.Errorf("created twice: %v", err)
		}
		same(t, "rows", before, sub.Dump(t))
	})
	t.Run("what cannot be told apart is refused", func(t *testing.T) {
		sub := open(t)
		before := sub.Dump(t)
		for name, spoil := range map[string]func(*orders.Change, *orders.Request){
			"no id":               func(c *orders.Change, _ *orders.Request) { c.Row.ID = "" },
			"no client":           func(c *orders.Change, r *orders.Request) { c.Row.Client, r.Client = "", "" },
			"no key":              func(_ *orders.Change, r *orders.Request) { r.Key = nil },
			"no body":             func(_ *orders.Change, r *orders.Request) { r.Body = nil },
			"another's request":   func(_ *orders.Change, r *orders.Request) { r.Client = "other" },
			"nothing in the head": func(c *orders.Change, _ *orders.Request) { c.Row.Head = nil },
			"one person twice":    func(c *orders.Change, _ *orders.Request) { c.Persons[3] = c.Persons[1] },
		} {
			c, r := aChange("a"), aRequest("a")
			spoil(&c, &r)
			if _, err := sub.Store.Create(ctx, c, r); err == nil {
				t.Errorf("%s: created", name)
			}
		}
		same(t, "rows", before, sub.Dump(t))
	})
	t.Run("large", func(t *testing.T) {
		s := open(t).Store
		c := aChange("a")
		large := make([]byte, 25<<20)
		rand.Read(large)
		c.Parts = append(c.Parts, orders.Part{Name: "large", Sealed: large})
		c.Row.Body = large[:12<<20]
		add(t, s, c)
		got, err := s.Part(ctx, "a", "large")
		check(t, err)
		row, err := s.Order(ctx, "demo", "a")
		check(t, err)
		if !bytes.Equal(got, large) || !bytes.Equal(row.Body, large[:12<<20]) {
			t.Error("not what was written")
		}
	})
}

func update(t *testing.T, open func(*testing.T) Subject) {
	begin := func(t *testing.T) (Subject, Store, orders.Row) {
		sub := open(t)
		add(t, sub.Store, aChange("other"))
		add(t, sub.Store, aChange("a"))
		return sub, sub.Store, aRow("a")
	}
	t.Run("the row", func(t *testing.T) {
		sub, s, r := begin(t)
		r.State, r.Due, r.Ended = signing.Refused, time.Time{}, start.Add(time.Minute)
		r.Head, r.Key, r.Body = []byte("new head"), []byte("new key"), []byte("new body")
		check(t, s.Update(ctx, orders.Change{Row: r, Events: []audit.Event{anEvent("new")}}))
		want := r
		want.Version = 1
		sameOrder(t, s, want)
		sameOrder(t, s, aRow("other"))
		same(t, "events", 5, len(sub.Events(t)))

		before := sub.Dump(t)
		c := aChange("a")
		c.Outbox = []outbox.Entry{anEntry("a", "new")}
		for _, version := range []int64{0, 2, -1} {
			c.Row.Version = version
			refused(t, s.Update(ctx, c), broker.ErrConflict, fmt.Sprint("version ", version))
		}
		c.Row.Version = 1
		c.Row.Client = "another"
		refused(t, s.Update(ctx, c), broker.ErrNotFound, "another's order")
		c.Row = aRow("unknown")
		refused(t, s.Update(ctx, c), broker.ErrNotFound, "no order")
		same(t, "rows", before, sub.Dump(t))
	})
	t.Run("whose and since when stays", func(t *testing.T) {
		_, s, r := begin(t)
		r.Created = start.Add(time.Hour)
		check(t, s.Update(ctx, orders.Change{Row: r, Persons: map[int][]byte{1: []byte("one")}}))
		want := aRow("a")
		want.Version = 1
		sameOrder(t, s, want)
		// Also where it lies among others.
		list, err := s.Awaiting(ctx, "demo", []byte("one"), orders.Mark{}, 1)
		check(t, err)
		same(t, "newest", "other", ids(list))
	})
	t.Run("the body goes with its key", func(t *testing.T) {
		_, s, r := begin(t)
		r.Body = nil // as in a list
		check(t, s.Update(ctx, orders.Change{Row: r}))
		want := aRow("a")
		want.Version = 1
		sameOrder(t, s, want)
		r = want
		r.Key = nil
		check(t, s.Update(ctx, orders.Change{Row: r}))
		want.Key, want.Body, want.Version = nil, nil, 2
		sameOrder(t, s, want)
	})
	t.Run("persons", func(t *testing.T) {
		_, s, r := begin(t)
		find := func(person, want string) {
			t.Helper()
			list, err := s.Awaiting(ctx, "demo", []byte(person), orders.Mark{}, 10)
			check(t, err)
			same(t, "orders of "+person, want, ids(list))
		}
		find("one", "other a")
		check(t, s.Update(ctx, orders.Change{Row: r})) // nil: as before
		find("one", "other a")
		r.Version++
		check(t, s.Update(ctx, orders.Change{Row: r, Persons: map[int][]byte{2: []byte("two"), 3: []byte("three")}}))
		find("one", "other")
		find("two", "other a")
		find("three", "a")
		find("thre", "")
		r.Version++
		check(t, s.Update(ctx, orders.Change{Row: r, Persons: map[int][]byte{}}))
		find("two", "other")
		find("three", "")
	})
	t.Run("parts", func(t *testing.T) {
		_, s, r := begin(t)
		check(t, s.Update(ctx, orders.Change{Row: r, Parts: []orders.Part{
			{Name: "file/1"}, {Name: "file/2", Sealed: []byte("changed")}, {Name: "receipt", Sealed: []byte("new")}, {Name: "never there"}}}))
		samePart(t, s, "a", "file/1", "")
		samePart(t, s, "a", "file/2", "changed")
		samePart(t, s, "a", "receipt", "new")
		samePart(t, s, "other", "file/1", "file \x00 of other")
		samePart(t, s, "other", "file/2", "more of other")
	})
	t.Run("invitations", func(t *testing.T) {
		sub, s, r := begin(t)
		check(t, s.Update(ctx, orders.Change{Row: r, Drop: []int{1, 7}, Invitations: []orders.Invitation{{Hash: []byte("new"), N: 1, Created: start}, {Hash: []byte("more"), N: 2, Created: start}}}))
		sameInvitation(t, s, "demo", "one \x00 to a", "", 0)
		sameInvitation(t, s, "demo", "new", "a", 1)
		sameInvitation(t, s, "demo", "two to a", "a", 2)
		sameInvitation(t, s, "demo", "more", "a", 2)
		sameInvitation(t, s, "demo", "one \x00 to other", "other", 1)
		// A code that is in use leads to whom it led; the next try has another.
		before := sub.Dump(t)
		r.Version++
		refused(t, s.Update(ctx, orders.Change{Row: r, Invitations: []orders.Invitation{{Hash: []byte("two to other"), N: 1, Created: start}}}),
			broker.ErrConflict, "another's code")
		same(t, "rows", before, sub.Dump(t))
		// At another client it is another.
		c := orders.Change{Row: orders.Row{ID: "theirs", Client: "their", State: signing.Open, Created: start, Head: []byte("h")},
			Invitations: []orders.Invitation{{Hash: []byte("two to other"), N: 3, Created: start}}}
		q := aRequest("theirs")
		q.Client = "their"
		_, err := s.Create(ctx, c, q)
		check(t, err)
		sameInvitation(t, s, "their", "two to other", "theirs", 3)
		sameInvitation(t, s, "demo", "two to other", "other", 2)
	})
	t.Run("attempts", func(t *testing.T) {
		sub, s, r := begin(t)
		write := func(a orders.Attempt) error {
			err := s.Update(ctx, orders.Change{Row: r, Attempt: &a})
			if err == nil {
				r.Version++
			}
			return err
		}
		check(t, write(orders.Attempt{EIDOrder: "eid of a", N: 1, Outcome: "signed", Made: start.Add(time.Hour)}))
		want := orders.Attempt{EIDOrder: "eid of a", N: 1, Outcome: "signed", Made: start}
		sameAttempt(t, s, "a", want)
		// What is there stays: also when whoever began it is slow to say so.
		check(t, write(orders.Attempt{EIDOrder: "eid of a", N: 1, Made: start}))
		check(t, write(orders.Attempt{EIDOrder: "eid of a", N: 1, Outcome: "outdated", Made: start}))
		sameAttempt(t, s, "a", want)
		underway := func(id string, before time.Time, want bool) {
			t.Helper()
			got, err := s.Underway(ctx, id, before)
			check(t, err)
			same(t, "underway", want, got)
		}
		underway("a", start.Add(time.Hour), false)
		check(t, write(orders.Attempt{EIDOrder: "open", N: 2, Made: start}))
		underway("a", start, false)
		underway("a", start.Add(time.Millisecond), true)
		underway("other", start.Add(time.Millisecond), true)
		underway("none", start.Add(time.Millisecond), false)
		late := orders.Attempt{EIDOrder: "late", N: 2, Outcome: "timed out", Made: start}
		check(t, write(late))
		sameAttempt(t, s, "a", late)
		before := sub.Dump(t)
		if write(orders.Attempt{EIDOrder: "eid of other", N: 1, Outcome: "signed"}) == nil {
			t.Error("another order's attempt was written")
		}
		if write(orders.Attempt{EIDOrder: "eid of a", N: 2, Outcome: "signed"}) == nil {
			t.Error("another signatory's attempt was written")
		}
		same(t, "rows", before, sub.Dump(t))
	})
	t.Run("outbox", func(t *testing.T) {
		sub, s, r := begin(t)
		hook := anEntry("a", "hook")
		hook.Kind = "webhook"
		check(t, s.Update(ctx, orders.Change{Row: r, Outbox: []outbox.Entry{hook}}))
		same(t, "waiting", "a of a, a of other, b of a, b of other, hook", waiting(t, sub, outbox.Waiting))
		// Withdrawn is what was there before; what the same act sends is sent.
		r.Version++
		check(t, s.Update(ctx, orders.Change{Row: r, Withdraw: []string{"mail", "sms"}, Outbox: []outbox.Entry{anEntry("a", "new")}}))
		same(t, "waiting", "a of other, b of other, hook, new", waiting(t, sub, outbox.Waiting))
		same(t, "dropped", "a of a, b of a", waiting(t, sub, outbox.Dropped))
		r.Version++
		check(t, s.Update(ctx, orders.Change{Row: r, Withdraw: []string{}}))
		same(t, "waiting", "a of other, b of other, hook, new", waiting(t, sub, outbox.Waiting))
		// What does not refer to its order would be there after its erasure.
		before := sub.Dump(t)
		r.Version++
		for _, ref := range []string{"", "a/1", "other"} {
			e := anEntry("a", "stray "+ref)
			e.Ref = ref
			if s.Update(ctx, orders.Change{Row: r, Outbox: []outbox.Entry{e}}) == nil {
				t.Errorf("an entry that refers to %q was written", ref)
			}
		}
		same(t, "rows", before, sub.Dump(t))
	})
}

func lists(t *testing.T, open func(*testing.T) Subject) {
	at := func(minute int) time.Time { return start.Add(time.Duration(minute) * time.Minute) }
	t.Run("awaiting", func(t *testing.T) {
		s := open(t).Store
		for i := range 5 {
			c := aChange(fmt.Sprint("o", i))
			c.Row.Created = at(i % 3) // o2, then o1 and o4, then o0 and o3
			add(t, s, c)
		}
		c := aChange("theirs")
		c.Row.Client = "their"
		q := aRequest("theirs")
		q.Client = "their"
		_, err := s.Create(ctx, c, q)
		check(t, err)
		find := func(limit int, want string) {
			t.Helper()
			list, err := s.Awaiting(ctx, "demo", []byte("two"), orders.Mark{}, limit)
			check(t, err)
			same(t, "awaiting", want, ids(list))
		}
		find(10, "o2 o4 o1 o3 o0")
		find(2, "o2 o4")
		find(0, "")
		for after, want := range map[orders.Mark]string{
			{At: at(2), ID: "o2"}: "o4 o1 o3 o0", {At: at(1), ID: "o4"}: "o1 o3 o0", {At: at(1), ID: "o2"}: "o1 o3 o0", {At: at(0), ID: "o0"}: "",
		} {
			list, err := s.Awaiting(ctx, "demo", []byte("two"), after, 10)
			check(t, err)
			same(t, "awaiting after "+after.ID, want, ids(list))
		}
		for i, state := range []signing.State{signing.Sealing, signing.Completed, signing.Refused, signing.Expired, signing.Cancelled} {
			r, err := s.Order(ctx, "demo", fmt.Sprint("o", i))
			check(t, err)
			r.State = state
			check(t, s.Update(ctx, orders.Change{Row: r, Persons: map[int][]byte{2: []byte("two")}}))
			list, err := s.Awaiting(ctx, "demo", []byte("two"), orders.Mark{}, 10)
			check(t, err)
			if strings.Contains(ids(list), r.ID) {
				t.Errorf("an order that is %s awaits somebody", state)
			}
		}
		find(10, "")
	})
	t.Run("due", func(t *testing.T) {
		s := open(t).Store
		for i, due := range []time.Time{at(3), at(1), {}, at(1), at(2)} {
			c := aChange(fmt.Sprint("o", i))
			c.Row.Due = due
			add(t, s, c)
		}
		for _, c := range []struct {
			now   time.Time
			after orders.Mark
			limit int
			want  string
		}{
			{at(1).Add(-time.Millisecond), orders.Mark{}, 10, ""}, {at(1), orders.Mark{}, 10, "o1 o3"}, {at(2), orders.Mark{}, 10, "o1 o3 o4"},
			{at(60), orders.Mark{}, 10, "o1 o3 o4 o0"}, {at(60), orders.Mark{}, 2, "o1 o3"},
			{at(60), orders.Mark{At: at(1), ID: "o1"}, 2, "o3 o4"}, {at(60), orders.Mark{At: at(1), ID: "o3"}, 10, "o4 o0"},
			{at(60), orders.Mark{At: at(1), ID: "o2"}, 10, "o3 o4 o0"}, {at(2), orders.Mark{At: at(2), ID: "o4"}, 10, ""},
		} {
			list, err := s.Due(ctx, c.now, c.after, c.limit)
			check(t, err)
			same(t, fmt.Sprint("due at ", c.now), c.want, ids(list))
		}
	})
	t.Run("ended", func(t *testing.T) {
		s := open(t).Store
		for i, ended := range []time.Time{at(3), at(1), {}, at(1)} {
			c := aChange(fmt.Sprint("o", i))
			c.Row.Ended, c.Row.State = ended, signing.Cancelled
			add(t, s, c)
		}
		for _, c := range []struct {
			before time.Time
			after  orders.Mark
			limit  int
			want   string
		}{
			{at(1), orders.Mark{}, 10, ""}, {at(1).Add(time.Millisecond), orders.Mark{}, 10, "o1 o3"}, {at(60), orders.Mark{}, 10, "o1 o3 o0"},
			{at(60), orders.Mark{}, 1, "o1"}, {at(60), orders.Mark{At: at(1), ID: "o1"}, 10, "o3 o0"}, {at(60), orders.Mark{At: at(3), ID: "o0"}, 10, ""},
		} {
			list, err := s.Ended(ctx, c.before, c.after, c.limit)
			check(t, err)
			same(t, fmt.Sprint("ended before ", c.before), c.want, ids(list))
		}
	})
	t.Run("rows of lists can be written, and have no body", func(t *testing.T) {
		s := open(t).Store
		want := aChange("a")
		want.Row.Ended = at(1)
		add(t, s, want)
		for name, list := range map[string]func() ([]orders.Row, error){
			"awaiting": func() ([]orders.Row, error) { return s.Awaiting(ctx, "demo", []byte("one"), orders.Mark{}, 10) },
			"due":      func() ([]orders.Row, error) { return s.Due(ctx, at(60), orders.Mark{}, 10) },
			"ended":    func() ([]orders.Row, error) { return s.Ended(ctx, at(60), orders.Mark{}, 10) },
		} {
			got, err := list()
			check(t, err)
			r := want.Row
			r.Body = nil
			same(t, name, []orders.Row{r}, got)
			check(t, s.Update(ctx, orders.Change{Row: got[0]}))
			want.Row.Version++
			sameOrder(t, s, want.Row)
		}
	})
}

func deletion(t *testing.T, open func(*testing.T) Subject) {
	sub := open(t)
	s := sub.Store
	add(t, s, aChange("other"))
	before := sub.Dump(t)
	add(t, s, aChange("a"))
	r := aRow("a")
	check(t, s.Update(ctx, orders.Change{Row: r, Withdraw: []string{"mail"}, Outbox: []outbox.Entry{anEntry("a", "new")}}))
	acts := sub.Events(t)

	refused(t, s.Delete(ctx, "another", "a", anEvent("a")), broker.ErrNotFound, "another's order")
	sameOrder(t, s, orders.Row{ID: "a", Client: "demo", State: r.State, Created: r.Created, Due: r.Due, Version: 1, Head: r.Head, Key: r.Key, Body: r.Body})
	erased := anEvent("a")
	erased.Type = audit.OrderFailed
	check(t, s.Delete(ctx, "demo", "a", erased))
	same(t, "events", append(acts, erased), sub.Events(t))
	refused(t, s.Delete(ctx, "demo", "a", erased), broker.ErrNotFound, "deleted twice")
	refused(t, s.Delete(ctx, "demo", "unknown", erased), broker.ErrNotFound, "never there")
	same(t, "events", append(acts, erased), sub.Events(t))
	same(t, "rows without events", withoutEvents(before), withoutEvents(sub.Dump(t)))
	// Whoever had it in hand comes too late.
	r.Version = 1
	refused(t, s.Update(ctx, orders.Change{Row: r}), broker.ErrNotFound, "updated what is erased")
	// The request is forgotten with it.
	add(t, s, aChange("a"))
}

// withoutEvents is a dump without the rows of the audit, which stay.
func withoutEvents(dump map[string]int) map[string]int {
	out := map[string]int{}
	for row, n := range dump {
		if !strings.HasPrefix(row, "audit_") {
			out[row] = n
		}
	}
	return out
}

func requests(t *testing.T, open func(*testing.T) Subject) {
	t.Run("the same again", func(t *testing.T) {
		sub := open(t)
		s := sub.Store
		add(t, s, aChange("a"))
		before := sub.Dump(t)
		asked := func(r orders.Request) (string, error) { return s.Requested(ctx, r) }
		made := func(r orders.Request) (string, error) { return s.Create(ctx, aChange("b"), r) }
		for _, ask := range []func(orders.Request) (string, error){asked, made} {
			earlier, err := ask(aRequest("a"))
			check(t, err)
			same(t, "earlier", "a", earlier)
			r := aRequest("a")
			r.Body = []byte("another")
			earlier, err = ask(r)
			refused(t, err, broker.ErrConflict, "another body")
			same(t, "earlier", "", earlier)
		}
		same(t, "rows", before, sub.Dump(t))
		// Another client's key is another.
		c, r := aChange("b"), aRequest("a")
		c.Row.Client, r.Client = "other", "other"
		earlier, err := asked(r)
		check(t, err)
		same(t, "earlier", "", earlier)
		earlier, err = s.Create(ctx, c, r)
		check(t, err)
		same(t, "earlier", "", earlier)
	})
	t.Run("purge", func(t *testing.T) {
		s := open(t).Store
		const many = 220 // more than are forgotten at a time
		for i := range many {
			r := aRequest(fmt.Sprint("r", i))
			r.Made = start.Add(time.Duration(i) * time.Minute)
			_, err := s.Create(ctx, orders.Change{Row: aRow(fmt.Sprint("o", i))}, r)
			check(t, err)
		}
		known := func(i int) bool {
			r := aRequest(fmt.Sprint("r", i))
			r.Body = []byte("another")
			_, err := s.Create(ctx, orders.Change{Row: aRow("new")}, r)
			if err == nil {
				check(t, s.Delete(ctx, "demo", "new"))
			}
			return err != nil
		}
		month := start.Add(30 * 24 * time.Hour)
		check(t, s.Purge(ctx, month.Add(-time.Millisecond)))
		if !known(0) {
			t.Error("a request was forgotten before its time")
		}
		check(t, s.Purge(ctx, month.Add(210*time.Minute)))
		for i := range many {
			if known(i) != (i > 210) {
				t.Fatalf("request %d is known: %v", i, known(i))
			}
		}
		sameOrder(t, s, aRow("o0"))
	})
	t.Run("record", func(t *testing.T) {
		sub := open(t)
		check(t, sub.Store.Record(ctx))
		check(t, sub.Store.Record(ctx, anEvent("a"), anEvent("b")))
		if sub.Store.Record(ctx, anEvent("c"), audit.Event{}) == nil {
			t.Error("an event without type was written")
		}
		same(t, "events", []audit.Event{anEvent("a"), anEvent("b")}, sub.Events(t))
	})
}
