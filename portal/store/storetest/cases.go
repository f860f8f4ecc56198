package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/store"
)

func arrive(c store.Case) func(*sqldb.Tx) error {
	return func(tx *sqldb.Tx) error { return store.InsertCase(tx, c) }
}

func sameCase(t *testing.T, s Subject, want store.Case) {
	t.Helper()
	got, err := store.CaseOf(s.last(), want.ID)
	check(t, err)
	same(t, "case", want, got)
}

func cases(t *testing.T, open func(*testing.T) Subject) {
	t.Run("all of it", func(t *testing.T) {
		s := open(t)
		for what, err := range map[string]error{
			"id": second(store.CaseOf(s.last(), "a")), "order": second(store.CaseByOrder(s.last(), "order of a")), "file": second(store.CaseFileOf(s.last(), "a", "f1")),
		} {
			refused(t, err, store.ErrNone, "by "+what+", before it is there")
		}
		s.must(t, fullCase("other"), fullCase("a"))
		sameCase(t, s, aCase("a"))
		got, err := store.CaseByOrder(s.last(), "order of a")
		check(t, err)
		same(t, "by order", aCase("a"), got)

		persons, err := store.PersonsOf(s.last(), "a")
		check(t, err)
		same(t, "persons", []store.CasePerson{{Case: "a", Person: "one", Owner: true}, {Case: "a", Person: "two"}}, persons)
		f1 := store.CaseFile{ID: "f1", Case: "a", Kind: portal.Attachment, Meta: []byte("meta")}
		f2 := store.CaseFile{ID: "f2", Case: "a", Kind: portal.SignedPDF, Meta: []byte("\x00meta")}
		files, err := store.CaseFiles(s.last(), "a")
		check(t, err)
		same(t, "files as they came, without content", []store.CaseFile{f2, f1}, files)
		file, err := store.CaseFileOf(s.last(), "a", "f1")
		check(t, err)
		f1.Sealed = []byte("picture")
		same(t, "file", f1, file)
		events, err := store.Events(s.last(), "a")
		check(t, err)
		same(t, "events as they came", []store.Event{
			{Case: "a", At: at(1), Kind: portal.EventArrived, State: portal.Arrived, By: portal.ByCitizen},
			{Case: "a", At: start, Kind: portal.EventMessage, By: portal.ByOfficer}}, events)
	})
	t.Run("the least of it", func(t *testing.T) {
		s := open(t)
		least := func(id string) store.Case {
			return store.Case{CaseHead: portal.CaseHead{ID: portal.CaseID(id), Number: id, Tenant: "exempelby", State: portal.Arrived, Arrived: start, Changed: start}, Body: []byte("b")}
		}
		s.must(t, arrive(least("a")), arrive(least("b"))) // neither is signed
		sameCase(t, s, least("a"))
		refused(t, second(store.CaseByOrder(s.last(), "")), store.ErrNone, "by no order")
	})
	t.Run("is there already", func(t *testing.T) {
		s := open(t)
		s.must(t, fullCase("a"))
		before := s.Dump(t)
		id, order, number := aCase("b"), aCase("b"), aCase("b")
		id.ID, order.Order, number.Number = "a", "order of a", "EXB-a"
		again := aMessage("a", "m1 of a", portal.ByCitizen)
		for what, do := range map[string]func(*sqldb.Tx) error{
			"id": arrive(id), "order": arrive(order),
			"person": func(tx *sqldb.Tx) error {
				return store.InsertPerson(tx, store.CasePerson{Case: "a", Person: "two", Owner: true})
			},
			"file": func(tx *sqldb.Tx) error {
				return store.InsertCaseFile(tx, store.CaseFile{ID: "f1", Case: "a", Kind: portal.Attachment, Meta: []byte("x"), Sealed: []byte("x")})
			},
			"message": func(tx *sqldb.Tx) error { return store.InsertMessage(tx, again) },
		} {
			refused(t, s.write(do), store.ErrTwice, what)
		}
		// That a number is taken must not look as if the case had arrived.
		if err := s.write(arrive(number)); err == nil || err == store.ErrTwice {
			t.Errorf("a number twice: %v", err)
		}
		same(t, "rows", before, s.Dump(t))
		number.Tenant = "annanby"
		s.must(t, arrive(number))
	})
	t.Run("what belongs to nothing is refused", func(t *testing.T) {
		s := open(t)
		before := s.Dump(t)
		for what, do := range map[string]func(*sqldb.Tx) error{
			"person": func(tx *sqldb.Tx) error { return store.InsertPerson(tx, store.CasePerson{Case: "none", Person: "p"}) },
			"file": func(tx *sqldb.Tx) error {
				return store.InsertCaseFile(tx, store.CaseFile{ID: "f", Case: "none", Meta: []byte("x"), Sealed: []byte("x")})
			},
			"message": func(tx *sqldb.Tx) error { return store.InsertMessage(tx, aMessage("none", "m", portal.ByCitizen)) },
			"event": func(tx *sqldb.Tx) error {
				return store.InsertEvent(tx, store.Event{Case: "none", At: start, Kind: portal.EventStatus})
			},
			"body": func(tx *sqldb.Tx) error { return store.SetBody(tx, "none", []byte("x")) },
		} {
			if s.write(do) == nil {
				t.Errorf("%s: written", what)
			}
		}
		same(t, "rows", before, s.Dump(t))
	})
	t.Run("update", func(t *testing.T) {
		s := open(t)
		s.must(t, fullCase("a"), fullCase("other"))
		want := aCase("a")
		want.State, want.Changed, want.Closed, want.Erase = portal.Closed, at(10), at(10), at(99)
		c := want
		// What arrived, when, and for whom never changes.
		c.Number, c.Tenant, c.Service, c.Version, c.Group, c.Arrived, c.Order, c.Body, c.Anonymous = "x", "x", "x", "x", "x", at(50), "x", []byte("x"), false
		move := func(c store.Case, was portal.CaseState) error {
			return s.write(func(tx *sqldb.Tx) error { return store.UpdateCase(tx, c, was) })
		}
		check(t, move(c, portal.Arrived))
		sameCase(t, s, want)
		sameCase(t, s, aCase("other"))
		before := s.Dump(t)
		refused(t, move(c, portal.Arrived), store.ErrStale, "as it was")
		refused(t, move(aCase("none"), portal.Arrived), store.ErrNone, "none")
		same(t, "rows", before, s.Dump(t))
		// And open again.
		want.State, want.Closed, want.Erase = portal.InProgress, time.Time{}, time.Time{}
		check(t, move(want, portal.Closed))
		sameCase(t, s, want)
		open, closed, err := store.CountCasesOf(s.last(), []portal.PersonKey{"one"}, []portal.TenantID{"exempelby"})
		check(t, err)
		same(t, "open and closed", "2 0", fmt.Sprint(open, closed))
		s.must(t, func(tx *sqldb.Tx) error { return store.SetBody(tx, "a", []byte("new body")) })
		want.Body = []byte("new body")
		sameCase(t, s, want)
		sameCase(t, s, aCase("other"))
	})
	t.Run("messages", func(t *testing.T) {
		s := open(t)
		s.must(t, fullCase("a"), fullCase("other"))
		read := func(by portal.Role, minute int) (n int64) {
			s.must(t, func(tx *sqldb.Tx) (err error) {
				n, err = store.MarkRead(tx, "a", by, at(minute))
				return err
			})
			return n
		}
		same(t, "read", int64(1), read(portal.ByOfficer, 5))
		same(t, "read again", int64(0), read(portal.ByOfficer, 6))
		officers, citizens := aMessage("a", "m2 of a", portal.ByOfficer), aMessage("a", "m1 of a", portal.ByCitizen)
		officers.Read = at(5)
		list, err := store.Messages(s.last(), "a")
		check(t, err)
		same(t, "messages as they came", []store.Message{officers, citizens}, list)
		list, err = store.Messages(s.last(), "other")
		check(t, err)
		if len(list) != 2 || !list[0].Read.IsZero() {
			t.Errorf("another case's messages: %+v", list)
		}
	})
	t.Run("numbers", func(t *testing.T) {
		s := open(t)
		next := func(tenant portal.TenantID, year int) (n int) {
			s.must(t, func(tx *sqldb.Tx) (err error) {
				n, err = store.NextNumber(tx, tenant, year)
				return err
			})
			return n
		}
		same(t, "numbers", []int{1, 2, 1, 1, 3}, []int{next("a", 2026), next("a", 2026), next("b", 2026), next("a", 2027), next("a", 2026)})
		// What was not committed leaves no gap.
		_ = s.write(func(tx *sqldb.Tx) error {
			_, err := store.NextNumber(tx, "a", 2026)
			check(t, err)
			return store.ErrStale
		})
		same(t, "after one that was undone", 4, next("a", 2026))
	})
	t.Run("to erase", func(t *testing.T) {
		s := open(t)
		for i, erase := range []time.Time{at(3), at(1), {}, at(2)} {
			c := aCase(fmt.Sprint("c", i))
			c.Erase = erase
			s.must(t, arrive(c))
		}
		for _, c := range []struct {
			now   time.Time
			limit int
			want  string
		}{{at(1).Add(-time.Millisecond), 9, ""}, {at(1), 9, "c1"}, {at(9), 9, "c1 c3 c0"}, {at(9), 2, "c1 c3"}} {
			list, err := store.CasesToErase(s.last(), c.now, c.limit)
			check(t, err)
			same(t, fmt.Sprint("to erase at ", c.now), c.want, caseIDs(list))
		}
	})
}

func caseLists(t *testing.T, open func(*testing.T) Subject) {
	add := func(t *testing.T, s Subject, id, tenant, group string, state portal.CaseState, minute int, persons ...portal.PersonKey) {
		c := aCase(id)
		c.Tenant, c.Group, c.State, c.Changed = portal.TenantID(tenant), group, state, at(minute)
		s.must(t, arrive(c))
		for _, p := range persons {
			s.must(t, func(tx *sqldb.Tx) error { return store.InsertPerson(tx, store.CasePerson{Case: c.ID, Person: p}) })
		}
	}
	// everything reads a list page by page.
	everything := func(t *testing.T, limit int, read func(store.Page) ([]store.Case, error), between func(page int)) (all []store.Case) {
		t.Helper()
		p := &store.Page{Limit: limit}
		for n := 0; p != nil; n++ {
			list, err := read(*p)
			check(t, err)
			if len(list) > limit {
				t.Fatalf("%d on a page of %d", len(list), limit)
			}
			if all = append(all, list...); n > 300 {
				t.Fatal("there is no end to the pages")
			}
			p = p.After(list)
			if between != nil {
				between(n)
			}
		}
		return all
	}
	both := []portal.TenantID{"exempelby", "annanby"}

	t.Run("a person's", func(t *testing.T) {
		s := open(t)
		add(t, s, "a", "exempelby", "bygg", portal.Arrived, 1, "one")
		add(t, s, "b", "annanby", "bygg", portal.Supplement, 3, "one", "two")
		add(t, s, "c", "exempelby", "skola", portal.InProgress, 2, "previous")
		add(t, s, "d", "exempelby", "bygg", portal.Closed, 4, "one", "previous") // under both keys
		add(t, s, "e", "exempelby", "bygg", portal.Arrived, 9, "two")
		add(t, s, "f", "tredje", "bygg", portal.Arrived, 9, "one")
		add(t, s, "g", "exempelby", "bygg", portal.Arrived, 3, "one")
		for _, c := range []struct {
			persons []portal.PersonKey
			tenants []portal.TenantID
			closed  bool
			want    string
		}{
			{[]portal.PersonKey{"one"}, both, false, "g b a"}, {[]portal.PersonKey{"one", "previous"}, both, false, "g b c a"},
			{[]portal.PersonKey{"one", "previous"}, both, true, "d"}, {[]portal.PersonKey{"one"}, both[:1], false, "g a"},
			{[]portal.PersonKey{"two"}, both, false, "e b"}, {[]portal.PersonKey{"nobody"}, both, false, ""}, {nil, both, false, ""}, {[]portal.PersonKey{"one"}, nil, true, ""},
		} {
			list, err := store.CasesOf(s.last(), c.persons, c.tenants, c.closed, store.Page{})
			check(t, err)
			same(t, fmt.Sprint("cases of ", c.persons), c.want, caseIDs(list))
			open, closed, err := store.CountCasesOf(s.last(), c.persons, c.tenants)
			check(t, err)
			if n := map[bool]int{true: closed, false: open}[c.closed]; n != len(list) {
				t.Errorf("cases of %s: counted %d, listed %d", c.persons, n, len(list))
			}
			for limit := 1; limit < 4; limit++ {
				all := everything(t, limit, func(p store.Page) ([]store.Case, error) {
					return store.CasesOf(s.last(), c.persons, c.tenants, c.closed, p)
				}, nil)
				same(t, fmt.Sprint("cases of ", c.persons, ", ", limit, " a page"), c.want, caseIDs(all))
			}
			for _, found := range list {
				want, err := store.CaseOf(s.last(), found.ID)
				check(t, err)
				want.Body = nil
				same(t, "row of a list", want, found)
			}
		}
	})
	t.Run("officers'", func(t *testing.T) {
		s := open(t)
		add(t, s, "a", "exempelby", "bygg", portal.Arrived, 1)
		add(t, s, "b", "exempelby", "skola", portal.Supplement, 3)
		add(t, s, "c", "exempelby", "social", portal.Arrived, 9)
		add(t, s, "d", "annanby", "bygg", portal.Arrived, 9)
		add(t, s, "e", "exempelby", "bygg", portal.Closed, 2)
		add(t, s, "f", "exempelby", "bygg", portal.InProgress, 3)
		for _, c := range []struct {
			tenant portal.TenantID
			groups []string
			states []portal.CaseState
			want   string
		}{
			{"exempelby", []string{"bygg", "skola"}, portal.CaseStates(), "f b e a"}, {"exempelby", []string{"bygg"}, []portal.CaseState{portal.Arrived}, "a"},
			{"exempelby", []string{"bygg"}, portal.CaseStates(), "f e a"}, {"annanby", []string{"bygg", "social"}, portal.CaseStates(), "d"},
			{"exempelby", nil, portal.CaseStates(), ""}, {"exempelby", []string{"bygg"}, nil, ""}, {"exempelby", []string{""}, portal.CaseStates(), ""},
			{"", []string{"bygg"}, portal.CaseStates(), ""},
		} {
			for limit := 1; limit < 5; limit++ {
				all := everything(t, limit, func(p store.Page) ([]store.Case, error) {
					return store.CasesFor(s.last(), c.tenant, c.groups, c.states, p)
				}, nil)
				same(t, fmt.Sprint("cases for ", c.groups, " in ", c.states), c.want, caseIDs(all))
			}
		}
	})
	t.Run("unread", func(t *testing.T) {
		s := open(t)
		s.must(t, fullCase("a"), func(tx *sqldb.Tx) error { return store.InsertMessage(tx, aMessage("a", "m3", portal.ByOfficer)) })
		unread := func() string {
			t.Helper()
			mine, err := store.CasesOf(s.last(), []portal.PersonKey{"one"}, both, false, store.Page{})
			check(t, err)
			theirs, err := store.CasesFor(s.last(), "exempelby", []string{"bygg"}, portal.CaseStates(), store.Page{})
			check(t, err)
			return fmt.Sprint(mine[0].Unread, " ", theirs[0].Unread)
		}
		same(t, "unread", "2 1", unread())
		s.must(t, func(tx *sqldb.Tx) error { return second(store.MarkRead(tx, "a", portal.ByOfficer, at(1))) })
		same(t, "unread", "0 1", unread())
		s.must(t, func(tx *sqldb.Tx) error { return second(store.MarkRead(tx, "a", portal.ByCitizen, at(1))) })
		same(t, "unread", "0 0", unread())
	})
	t.Run("pages", func(t *testing.T) {
		s := open(t)
		for i := range 210 {
			add(t, s, fmt.Sprintf("c%03d", i), "exempelby", "bygg", portal.Arrived, i/7, "one") // many at one time
		}
		read := func(p store.Page) ([]store.Case, error) {
			return store.CasesOf(s.last(), []portal.PersonKey{"one"}, both, false, p)
		}
		for limit, want := range map[int]int{0: 50, -1: 50, 7: 7, 200: 200, 201: 200, 1 << 40: 200} {
			list, err := read(store.Page{Limit: limit})
			check(t, err)
			same(t, fmt.Sprint("page of ", limit), want, len(list))
			if p := (store.Page{Limit: limit}).After(list); p == nil {
				t.Errorf("page of %d: nothing behind it", limit)
			}
		}
		// What is new, or changes, while somebody turns the pages makes nothing come
		// twice, nor be left out that was there and stayed as it was.
		all := everything(t, 20, read, func(n int) {
			add(t, s, fmt.Sprint("new", n), "exempelby", "bygg", portal.Arrived, 500+n, "one")
			c := aCase(fmt.Sprintf("c%03d", n))
			c.Changed, c.State = at(400+n), portal.InProgress
			s.must(t, func(tx *sqldb.Tx) error { return store.UpdateCase(tx, c, portal.Arrived) })
		})
		seen := map[portal.CaseID]bool{}
		for i, c := range all {
			if seen[c.ID] {
				t.Errorf("%s comes twice", c.ID)
			}
			seen[c.ID] = true
			if i > 0 && c.Changed.After(all[i-1].Changed) {
				t.Errorf("%s is newer than the one before it", c.ID)
			}
		}
		for i := range 210 {
			if id := portal.CaseID(fmt.Sprintf("c%03d", i)); !seen[id] && i > 20 {
				t.Errorf("%s was left out", id)
			}
		}
		if slices.ContainsFunc(all, func(c store.Case) bool { return c.ID[0] == 'n' }) {
			t.Error("something new came later")
		}
	})
}
