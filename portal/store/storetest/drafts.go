package storetest

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/store"
)

func sameDraft(t *testing.T, s Subject, want store.Draft) {
	t.Helper()
	got, err := store.DraftOf(s.last(), want.ID)
	check(t, err)
	same(t, "draft", want, got)
}

func insert(d store.Draft) func(*sqldb.Tx) error {
	return func(tx *sqldb.Tx) error { return store.InsertDraft(tx, d) }
}

func update(d store.Draft, revision int, state portal.DraftState) func(*sqldb.Tx) error {
	return func(tx *sqldb.Tx) error { return store.UpdateDraft(tx, d, revision, state) }
}

func drafts(t *testing.T, open func(*testing.T) Subject) {
	t.Run("all of it", func(t *testing.T) {
		s := open(t)
		for what, err := range map[string]error{
			"id":      second(store.DraftOf(s.last(), "a")),
			"order":   second(store.DraftByOrder(s.last(), "order of a")),
			"attempt": second(store.DraftByAttempt(s.last(), "attempt of a")),
			"file":    second(store.DraftFileOf(s.last(), "a", "f1")),
			"aside":   second(store.AsideOf(s.last(), "a")),
		} {
			refused(t, err, store.ErrNone, "by "+what+", before it is there")
		}
		s.must(t, fullDraft("other"), fullDraft("a"))
		sameDraft(t, s, aDraft("a"))
		got, err := store.DraftByOrder(s.last(), "order of a")
		check(t, err)
		same(t, "by order", aDraft("a"), got)
		got, err = store.DraftByAttempt(s.last(), "attempt of a")
		check(t, err)
		same(t, "by attempt", aDraft("a"), got)

		f1 := store.DraftFile{ID: "f1", Draft: "a", Size: 4, Sealed: []byte("\x00one"), Created: at(2)}
		f2 := store.DraftFile{ID: "f2", Draft: "a", Size: 3, Sealed: []byte("two"), Created: at(1)}
		file, err := store.DraftFileOf(s.last(), "a", "f1")
		check(t, err)
		same(t, "file", f1, file)
		files, err := store.DraftFiles(s.last(), "a")
		check(t, err)
		same(t, "files, oldest first", []store.DraftFile{f2, f1}, files)
		aside, err := store.AsideOf(s.last(), "a")
		check(t, err)
		same(t, "aside", store.Aside{Draft: "a", Base: 1, Body: []byte("\x00late"), Saved: at(1)}, aside)
	})
	t.Run("the least of it", func(t *testing.T) {
		s := open(t)
		s.must(t, insert(plain("a")), insert(plain("b"))) // none has an order or an attempt
		sameDraft(t, s, plain("a"))
		for what, err := range map[string]error{
			"order": second(store.DraftByOrder(s.last(), "")), "attempt": second(store.DraftByAttempt(s.last(), "")),
		} {
			refused(t, err, store.ErrNone, "by no "+what)
		}
	})
	t.Run("is there already", func(t *testing.T) {
		s := open(t)
		s.must(t, fullDraft("a"))
		before := s.Dump(t)
		order, attempt := plain("b"), plain("b")
		order.Order, attempt.Attempt = "order of a", "attempt of a"
		for what, do := range map[string]func(*sqldb.Tx) error{
			"id": insert(plain("a")), "order": insert(order), "attempt": insert(attempt),
			"file": func(tx *sqldb.Tx) error {
				return store.InsertDraftFile(tx, store.DraftFile{ID: "f1", Draft: "a", Sealed: []byte("x"), Created: start})
			},
			"asked": func(tx *sqldb.Tx) error {
				return store.InsertAsked(tx, store.Asked{Draft: "a", Person: "two", Tenant: "t", Sealed: []byte("x")})
			},
		} {
			refused(t, s.write(do), store.ErrTwice, what)
		}
		same(t, "rows", before, s.Dump(t))
	})
	t.Run("what belongs to nothing is refused", func(t *testing.T) {
		s := open(t)
		before := s.Dump(t)
		for what, do := range map[string]func(*sqldb.Tx) error{
			"no id":    insert(store.Draft{DraftHead: portal.DraftHead{Tenant: "t", Created: start, Changed: start, Expires: start}, Owner: "o", Key: []byte("k"), Body: []byte("b")}),
			"no owner": insert(store.Draft{DraftHead: portal.DraftHead{ID: "a", Tenant: "t", Created: start, Changed: start, Expires: start}, Key: []byte("k"), Body: []byte("b")}),
			"no end":   insert(store.Draft{DraftHead: portal.DraftHead{ID: "a", Tenant: "t", Created: start, Changed: start}, Owner: "o", Key: []byte("k"), Body: []byte("b")}),
			"no draft": func(tx *sqldb.Tx) error {
				return store.InsertDraftFile(tx, store.DraftFile{ID: "f", Draft: "none", Sealed: []byte("x"), Created: start})
			},
			"no draft for an aside": func(tx *sqldb.Tx) error {
				return store.PutAside(tx, store.Aside{Draft: "none", Body: []byte("x"), Saved: start})
			},
			"nobody is asked": func(tx *sqldb.Tx) error {
				return store.InsertAsked(tx, store.Asked{Draft: "none", Person: "p", Tenant: "t", Sealed: []byte("x")})
			},
		} {
			if s.write(do) == nil {
				t.Errorf("%s: written", what)
			}
		}
		same(t, "rows", before, s.Dump(t))
	})
	t.Run("update", func(t *testing.T) {
		s := open(t)
		s.must(t, fullDraft("other"), fullDraft("a"))
		d := aDraft("a")
		d.State, d.Revision, d.Written, d.Order, d.Attempt, d.Returned = portal.Sending, 4, 4, "new order", "new attempt", ""
		d.Changed, d.Expires, d.Looked = at(5), at(90), time.Time{}
		d.Body, d.Outgoing, d.Notes = []byte("new body"), []byte("new outgoing"), nil
		want := d
		// Whose it is, of what and since when stays.
		d.Tenant, d.Service, d.Version, d.Owner, d.Key, d.Created, d.Anonymous = "x", "x", "x", "x", []byte("x"), at(50), false
		s.must(t, update(d, 3, portal.Waiting))
		sameDraft(t, s, want)
		sameDraft(t, s, aDraft("other"))

		before := s.Dump(t)
		refused(t, s.write(update(d, 3, portal.Waiting)), store.ErrStale, "as it was")
		refused(t, s.write(update(d, 4, portal.Waiting)), store.ErrStale, "another state")
		refused(t, s.write(update(d, 3, portal.Sending)), store.ErrStale, "another revision")
		refused(t, s.write(update(plain("none"), 1, portal.Open)), store.ErrNone, "none")
		same(t, "rows", before, s.Dump(t))

		// Rows of lists have neither, and can be written.
		d.Body, d.Outgoing = nil, nil
		s.must(t, update(d, 4, portal.Sending))
		sameDraft(t, s, want)
		// What is open has nothing that went out.
		d.State, d.Outgoing = portal.Open, []byte("x")
		s.must(t, update(d, 4, portal.Sending))
		want.State, want.Outgoing = portal.Open, nil
		sameDraft(t, s, want)
	})
	t.Run("looked at", func(t *testing.T) {
		s := open(t)
		s.must(t, fullDraft("a"), fullDraft("other"), func(tx *sqldb.Tx) error { return store.LookedAt(tx, "a", at(7)) })
		want := aDraft("a")
		want.Looked = at(7)
		sameDraft(t, s, want)
		sameDraft(t, s, aDraft("other"))
		refused(t, s.write(func(tx *sqldb.Tx) error { return store.LookedAt(tx, "none", at(7)) }), store.ErrNone, "none")
	})
	t.Run("aside", func(t *testing.T) {
		s := open(t)
		newer := store.Aside{Draft: "a", Base: 2, Body: []byte("newer"), Saved: at(2)}
		s.must(t, fullDraft("a"), fullDraft("other"), func(tx *sqldb.Tx) error { return store.PutAside(tx, newer) })
		got, err := store.AsideOf(s.last(), "a")
		check(t, err)
		same(t, "the newest wins", newer, got)
		s.must(t, func(tx *sqldb.Tx) error { return store.DeleteAside(tx, "a") }, func(tx *sqldb.Tx) error { return store.DeleteAside(tx, "a") })
		refused(t, second(store.AsideOf(s.last(), "a")), store.ErrNone, "removed")
		check(t, second(store.AsideOf(s.last(), "other")))
	})
	t.Run("files", func(t *testing.T) {
		s := open(t)
		large := make([]byte, 12<<20)
		rand.Read(large)
		s.must(t, fullDraft("a"), fullDraft("other"), func(tx *sqldb.Tx) error { return store.DeleteDraftFile(tx, "a", "f1") },
			func(tx *sqldb.Tx) error {
				return store.InsertDraftFile(tx, store.DraftFile{ID: "large", Draft: "a", Size: int64(len(large)), Sealed: large, Created: at(9)})
			})
		refused(t, second(store.DraftFileOf(s.last(), "a", "f1")), store.ErrNone, "removed")
		check(t, second(store.DraftFileOf(s.last(), "a", "f2")))
		check(t, second(store.DraftFileOf(s.last(), "other", "f1")))
		got, err := store.DraftFileOf(s.last(), "a", "large")
		check(t, err)
		if !bytes.Equal(got.Sealed, large) {
			t.Error("a large file is not what was written")
		}
	})
	t.Run("asked", func(t *testing.T) {
		s := open(t)
		s.must(t, fullDraft("a"), fullDraft("b"))
		find := func(want string, persons ...portal.PersonKey) {
			t.Helper()
			list, err := store.AskedOf(s.last(), persons, []portal.TenantID{"exempelby", "annanby"})
			check(t, err)
			got := ""
			for _, a := range list {
				got += fmt.Sprint(a.Draft, " ", a.Order, " ", a.Person, " ", a.Tenant, " ", string(a.Sealed), ";")
			}
			same(t, "asked", want, got)
		}
		find("a order of a two exempelby \x00title;b order of b two exempelby \x00title;", "two", "nobody")
		find("", "one")
		find("")
		list, err := store.AskedOf(s.last(), []portal.PersonKey{"two"}, []portal.TenantID{"annanby"})
		check(t, err)
		same(t, "asked elsewhere", 0, len(list))
		s.must(t, func(tx *sqldb.Tx) error { return store.DeleteAskedPerson(tx, "a", "two") })
		find("b order of b two exempelby \x00title;", "two")
		find("a order of a three exempelby title;b order of b three exempelby title;", "three")
		s.must(t, func(tx *sqldb.Tx) error { return store.DeleteAsked(tx, "b") })
		find("a order of a three exempelby title;", "two", "three")
	})
}

func second[T any](_ T, err error) error { return err }

func draftLists(t *testing.T, open func(*testing.T) Subject) {
	add := func(t *testing.T, s Subject, id, owner, tenant string, state portal.DraftState, minute int) {
		d := plain(id)
		d.Owner, d.Tenant, d.State, d.Changed, d.Expires, d.Looked = owner, portal.TenantID(tenant), state, at(minute), at(minute), at(minute)
		s.must(t, insert(d))
	}
	t.Run("an owner's", func(t *testing.T) {
		s := open(t)
		add(t, s, "a", "one", "exempelby", portal.Open, 1)
		add(t, s, "b", "one", "annanby", portal.Waiting, 3)
		add(t, s, "c", "previous", "exempelby", portal.Sending, 2)
		add(t, s, "d", "two", "exempelby", portal.Open, 9)
		add(t, s, "e", "one", "exempelby", portal.Open, 2)
		both := []portal.TenantID{"exempelby", "annanby"}
		for _, c := range []struct {
			owners  []string
			tenants []portal.TenantID
			want    string
		}{
			{[]string{"one"}, both, "b e a"}, {[]string{"one", "previous"}, both, "b e c a"}, {[]string{"one"}, both[:1], "e a"},
			{[]string{"nobody"}, both, ""}, {nil, both, ""}, {[]string{"one"}, nil, ""},
		} {
			list, err := store.DraftsOf(s.last(), c.owners, c.tenants)
			check(t, err)
			same(t, fmt.Sprint("drafts of ", c.owners), c.want, draftIDs(list))
			n, err := store.CountDrafts(s.last(), c.owners, c.tenants)
			check(t, err)
			same(t, fmt.Sprint("number of drafts of ", c.owners), len(list), n)
			for _, d := range list {
				if d.Body != nil || d.Outgoing != nil || d.Key == nil {
					t.Errorf("a row of a list: %+v", d)
				}
			}
		}
	})
	t.Run("at most a hundred", func(t *testing.T) {
		s := open(t)
		for i := range 101 {
			add(t, s, fmt.Sprint("d", i), "one", "exempelby", portal.Open, i)
		}
		list, err := store.DraftsOf(s.last(), []string{"one"}, []portal.TenantID{"exempelby"})
		check(t, err)
		if len(list) != 100 || list[0].ID != "d100" {
			t.Errorf("%d, beginning with %s", len(list), list[0].ID)
		}
		n, err := store.CountDrafts(s.last(), []string{"one"}, []portal.TenantID{"exempelby"})
		check(t, err)
		same(t, "number", 101, n)
	})
	t.Run("what is to be done", func(t *testing.T) {
		s := open(t)
		for i, state := range []portal.DraftState{portal.Open, portal.Sending, portal.Waiting} {
			for _, minute := range []int{3, 1, 2} {
				add(t, s, fmt.Sprint("osw"[i:i+1], minute), "one", "exempelby", state, minute)
			}
		}
		never := plain("w0")
		never.State = portal.Waiting
		s.must(t, insert(never))
		for _, c := range []struct {
			what  string
			list  func(store.Reader, time.Time, int) ([]store.Draft, error)
			time  time.Time
			limit int
			want  string
		}{
			{"waiting", store.DraftsWaiting, at(1), 9, "w0"}, {"waiting", store.DraftsWaiting, at(3), 9, "w0 w1 w2"}, {"waiting", store.DraftsWaiting, at(9), 2, "w0 w1"},
			{"sending", store.DraftsSending, at(1), 9, ""}, {"sending", store.DraftsSending, at(9), 9, "s1 s2 s3"}, {"sending", store.DraftsSending, at(9), 1, "s1"},
			{"expired", store.DraftsExpired, at(1).Add(-time.Millisecond), 9, ""}, {"expired", store.DraftsExpired, at(1), 9, "o1"},
			{"expired", store.DraftsExpired, at(59), 9, "o1 o2 o3"}, {"expired", store.DraftsExpired, at(59), 2, "o1 o2"},
		} {
			list, err := c.list(s.last(), c.time, c.limit)
			check(t, err)
			same(t, fmt.Sprint(c.what, " at ", c.time), c.want, draftIDs(list))
		}
	})
}
