package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/store"
)

func people(t *testing.T, open func(*testing.T) Subject) {
	put := func(group, person string, minute int) func(*sqldb.Tx) error {
		return func(tx *sqldb.Tx) error {
			return store.PutProfile(tx, store.Profile{Group: portal.GroupID(group), Person: portal.PersonKey(person), Body: []byte("\x00" + group + person), Seen: at(minute)})
		}
	}
	t.Run("profile", func(t *testing.T) {
		s := open(t)
		refused(t, second(store.ProfileOf(s.last(), "g", "one")), store.ErrNone, "before it is there")
		s.must(t, put("g", "one", 1), put("g", "two", 1), put("h", "one", 1))
		newer := store.Profile{Group: "g", Person: "one", Body: []byte("newer"), Seen: at(2)}
		s.must(t, func(tx *sqldb.Tx) error { return store.PutProfile(tx, newer) })
		got, err := store.ProfileOf(s.last(), "g", "one")
		check(t, err)
		same(t, "profile", newer, got)
		touch := func(minute int) {
			s.must(t, func(tx *sqldb.Tx) error { return store.TouchProfile(tx, "g", "one", at(minute)) })
		}
		touch(5)
		touch(3) // whoever is late
		newer.Seen = at(5)
		got, err = store.ProfileOf(s.last(), "g", "one")
		check(t, err)
		same(t, "touched", newer, got)
		s.must(t, func(tx *sqldb.Tx) error { return store.TouchProfile(tx, "g", "nobody", at(5)) })
		got, err = store.ProfileOf(s.last(), "h", "one")
		check(t, err)
		same(t, "in another group", "\x00hone", string(got.Body))
		s.must(t, func(tx *sqldb.Tx) error { return store.DeleteProfile(tx, "g", "one") }, func(tx *sqldb.Tx) error { return store.DeleteProfile(tx, "g", "one") })
		refused(t, second(store.ProfileOf(s.last(), "g", "one")), store.ErrNone, "removed")
		check(t, second(store.ProfileOf(s.last(), "g", "two")))
		check(t, second(store.ProfileOf(s.last(), "h", "one")))
		if s.write(func(tx *sqldb.Tx) error {
			return store.PutProfile(tx, store.Profile{Group: "g", Person: "p", Body: []byte("x")})
		}) == nil {
			t.Error("a profile without a time would be for ever, or for no time")
		}
	})
	t.Run("forgotten", func(t *testing.T) {
		s := open(t)
		s.must(t, put("g", "alone", 1), put("g", "drafting", 1), put("g", "applied", 1), put("g", "recent", 5))
		d := plain("d")
		d.Owner = "drafting"
		s.must(t, insert(d), arrive(aCase("c")), func(tx *sqldb.Tx) error {
			return store.InsertPerson(tx, store.CasePerson{Case: "c", Person: "applied"})
		})
		forget := func(minute int) (n int64) {
			s.must(t, func(tx *sqldb.Tx) (err error) {
				n, err = store.ForgetPersons(tx, at(minute))
				return err
			})
			return n
		}
		there := func() (out string) {
			for _, p := range []portal.PersonKey{"alone", "drafting", "applied", "recent"} {
				if _, err := store.ProfileOf(s.last(), "g", p); err == nil {
					out += string(p) + " "
				}
			}
			return out
		}
		same(t, "nobody is old", int64(0), forget(1))
		same(t, "forgotten", int64(1), forget(5))
		same(t, "left", "drafting applied recent ", there())
		s.must(t, func(tx *sqldb.Tx) error { return store.DeleteDraft(tx, "d") }, func(tx *sqldb.Tx) error { return store.DeleteCase(tx, "c") })
		same(t, "forgotten", int64(2), forget(5))
		same(t, "left", "recent ", there())
	})
}

func sessions(t *testing.T, open func(*testing.T) Subject) {
	t.Run("session", func(t *testing.T) {
		s := open(t)
		one := store.Session{ID: "one", Kind: "citizen", Tenant: "exempelby", Group: "g", Body: []byte("\x00one"), Created: start, Seen: at(1), Expires: at(60)}
		two := store.Session{ID: "two", Kind: "officer", Tenant: "annanby", Body: []byte("two"), Created: start, Seen: at(2), Expires: at(30)}
		put := func(x store.Session) func(*sqldb.Tx) error {
			return func(tx *sqldb.Tx) error { return store.PutSession(tx, x) }
		}
		refused(t, second(store.SessionOf(s.last(), "one")), store.ErrNone, "before it is there")
		s.must(t, put(one), put(two))
		is := func(want store.Session) {
			t.Helper()
			got, err := store.SessionOf(s.last(), want.ID)
			check(t, err)
			same(t, "session", want, got)
		}
		is(one)
		is(two)
		s.must(t, func(tx *sqldb.Tx) error { return store.TouchSession(tx, "one", at(9)) })
		one.Seen = at(9)
		is(one)
		one.Body, one.Tenant = []byte("new"), "annanby"
		s.must(t, put(one))
		is(one)
		// An officer's can never become a citizen's.
		other := two
		other.Kind = "citizen"
		if s.write(put(other)) == nil {
			t.Error("a session became one of another kind")
		}
		is(two)
		for _, c := range []struct {
			idle, now time.Time
			limit     int
			want      string
		}{{at(0), at(0), 9, ""}, {at(2), at(0), 9, "two"}, {at(0), at(30), 9, "two"}, {at(9), at(0), 9, "one two"}, {at(0), at(60), 9, "one two"}, {at(9), at(60), 1, "1"}} {
			list, err := store.SessionsEnded(s.last(), c.idle, c.now, c.limit)
			check(t, err)
			got := map[string]bool{}
			for _, x := range list {
				got[x.ID] = true
			}
			switch {
			case c.want == "1" && len(list) != 1:
				t.Errorf("%d, not one", len(list))
			case c.want != "1" && (len(got) != len(list) || got["one"] != strings.Contains(c.want, "one") || got["two"] != strings.Contains(c.want, "two")):
				t.Errorf("ended at %v: %v, not %q", c.now, got, c.want)
			}
		}
		s.must(t, func(tx *sqldb.Tx) error { return store.DeleteSession(tx, "one") }, func(tx *sqldb.Tx) error { return store.DeleteSession(tx, "one") })
		refused(t, second(store.SessionOf(s.last(), "one")), store.ErrNone, "ended")
		refused(t, s.write(func(tx *sqldb.Tx) error { return store.TouchSession(tx, "one", at(9)) }), store.ErrNone, "touched when it has ended")
		is(two)
	})
	t.Run("held", func(t *testing.T) {
		s := open(t)
		h := store.Held{ID: "h", Kind: "login", Owner: "o", Body: []byte("\x00held"), Expires: at(10)}
		put := func(h store.Held) { s.must(t, func(tx *sqldb.Tx) error { return store.PutHeld(tx, h) }) }
		take := func(id, kind string, now time.Time) (h store.Held, err error) {
			err = s.write(func(tx *sqldb.Tx) (err error) {
				h, err = store.TakeHeld(tx, id, kind, now)
				return err
			})
			return h, err
		}
		put(h)
		put(store.Held{ID: "old", Kind: "form", Body: []byte("x"), Expires: at(5)})
		refused(t, second(take("h", "form", at(1))), store.ErrNone, "of another kind")
		refused(t, second(take("h", "login", at(10))), store.ErrNone, "when its time is over")
		refused(t, second(store.HeldOf(s.last(), "h", "form", at(1))), store.ErrNone, "read, of another kind")
		refused(t, second(store.HeldOf(s.last(), "h", "login", at(10))), store.ErrNone, "read, when its time is over")
		read, err := store.HeldOf(s.last(), "h", "login", at(9))
		check(t, err)
		same(t, "read", h, read)
		put(store.Held{ID: "h2", Kind: "login", Owner: "o", Body: []byte("12"), Expires: at(3)})
		put(store.Held{ID: "h3", Kind: "login", Owner: "other", Body: []byte("345"), Expires: at(3)})
		for owner, want := range map[string]int{"o": 2, "other": 1, "": 0} {
			n, err := store.CountHeld(s.last(), "login", owner)
			check(t, err)
			same(t, "of "+owner, want, n)
		}
		for kind, want := range map[string]int64{"login": 10, "form": 1, "none": 0} {
			n, err := store.HeldBytes(s.last(), kind)
			check(t, err)
			same(t, "bytes of "+kind, want, n)
		}
		got, err := take("h", "login", at(9))
		check(t, err)
		same(t, "held", h, got)
		refused(t, second(take("h", "login", at(9))), store.ErrNone, "twice")
		put(h)
		if s.write(func(tx *sqldb.Tx) error {
			return store.PutHeld(tx, store.Held{ID: "h", Kind: "form", Body: []byte("x"), Expires: at(10)})
		}) == nil {
			t.Error("what is held became something of another kind")
		}
		s.must(t, func(tx *sqldb.Tx) error { return store.PurgeHeld(tx, at(5)) })
		check(t, second(take("h", "login", at(9))))
		refused(t, second(take("old", "form", at(1))), store.ErrNone, "purged")
	})
}

func versions(t *testing.T, open func(*testing.T) Subject) {
	s := open(t)
	v := store.Versions{DB: s.DB, Now: func() time.Time { return start }}
	refused(t, second(v.Version(ctx, "hash")), store.ErrNone, "before it is there")
	check(t, v.Keep(ctx, &form.Service{Hash: "hash", ID: "bygglov", Version: 1, Source: []byte("source")}))
	before := s.Dump(t)
	check(t, v.Keep(ctx, &form.Service{Hash: "hash", ID: "bygglov", Version: 1, Source: []byte("another")}))
	same(t, "rows", before, s.Dump(t))
	got, err := v.Version(ctx, "hash")
	check(t, err)
	same(t, "source", "source", string(got))
	if v.Keep(ctx, &form.Service{Hash: "", Source: []byte("x")}) == nil || v.Keep(ctx, &form.Service{Hash: "x"}) == nil {
		t.Error("something was kept that nobody finds")
	}
}

// erased: of what is removed no row is left in any table.
func erased(t *testing.T, open func(*testing.T) Subject) {
	s := open(t)
	s.must(t, fullDraft("other draft"), fullCase("other case"))
	before := s.Dump(t)
	s.must(t, fullDraft("a"))
	s.must(t, fullCase("b"))
	if n := len(s.Dump(t)) - len(before); n < 15 {
		t.Fatalf("only %d rows were written", n)
	}
	s.must(t, func(tx *sqldb.Tx) error { return store.DeleteDraft(tx, "a") }, func(tx *sqldb.Tx) error { return store.DeleteCase(tx, "b") })
	same(t, "rows", before, s.Dump(t))
	// That there is nothing is no error.
	s.must(t, func(tx *sqldb.Tx) error { return store.DeleteDraft(tx, "a") }, func(tx *sqldb.Tx) error { return store.DeleteCase(tx, "b") })
}

// faults lets each statement fail that an act makes: nothing of the act is left.
func faults(t *testing.T, open func(*testing.T) Subject) {
	changed := aDraft("a")
	changed.Revision, changed.Body, changed.Outgoing = 4, []byte("new body"), []byte("new outgoing")
	returned := changed
	returned.State = portal.Open
	for _, act := range []struct {
		name       string
		do         []func(*sqldb.Tx) error
		statements int // that it makes at least
	}{
		{"new draft", []func(*sqldb.Tx) error{fullDraft("new")}, 7},
		{"change", []func(*sqldb.Tx) error{update(changed, 3, portal.Waiting)}, 3},
		{"return", []func(*sqldb.Tx) error{update(returned, 3, portal.Waiting), func(tx *sqldb.Tx) error { return store.DeleteAsked(tx, "a") }}, 3},
		{"remove", []func(*sqldb.Tx) error{func(tx *sqldb.Tx) error { return store.DeleteDraft(tx, "a") }}, 6},
		{"arrival", []func(*sqldb.Tx) error{
			func(tx *sqldb.Tx) error { return second(store.NextNumber(tx, "exempelby", 2026)) }, fullCase("new"),
			func(tx *sqldb.Tx) error { return store.DeleteDraft(tx, "a") }}, 14},
		{"erase", []func(*sqldb.Tx) error{func(tx *sqldb.Tx) error { return store.DeleteCase(tx, "c") }}, 6},
		{"close", []func(*sqldb.Tx) error{func(tx *sqldb.Tx) error {
			c := aCase("c")
			c.State = portal.Closed
			return errors.Join(store.UpdateCase(tx, c, portal.Arrived), store.InsertEvent(tx, store.Event{Case: "c", At: at(1), Kind: portal.EventStatus, State: portal.Closed}))
		}}, 3},
	} {
		t.Run(act.name, func(t *testing.T) {
			fresh := func() Subject {
				s := open(t)
				s.must(t, fullDraft("a"), fullCase("c"))
				return s
			}
			s := fresh()
			before := s.Dump(t)
			failed := 0
			for i := range s.Faults {
				f := s.Faults[i]
				f.Break(t)
				err := s.write(act.do...)
				f.Mend(t)
				if err == nil { // it does without that statement
					s = fresh()
					continue
				}
				failed++
				same(t, "rows after "+f.Name+" failed", before, s.Dump(t))
			}
			if failed < act.statements {
				t.Errorf("%d statements failed, of at least %d", failed, act.statements)
			}
			s.must(t, act.do...)
		})
	}
}

// Together is the concurrency part alone.
func Together(t *testing.T, open func(*testing.T) Subject) {
	t.Run("one revision is updated once", func(t *testing.T) {
		s := open(t)
		s.must(t, insert(plain("a")))
		for i := range rounds() {
			winner := make(chan int, racers)
			won := s.race(func(racer int, db *sqldb.DB) bool {
				d := plain("a")
				d.Revision, d.Body = i+2, fmt.Append(nil, racer)
				err := db.Write(ctx, update(d, i+1, portal.Open))
				if err != nil && !errors.Is(err, store.ErrStale) {
					t.Error(err)
				}
				if err == nil {
					winner <- racer
				}
				return err == nil
			})
			if won != 1 {
				t.Fatalf("round %d: updated %d times", i, won)
			}
			d, err := store.DraftOf(s.last(), "a")
			check(t, err)
			if want := fmt.Sprint(<-winner); d.Revision != i+2 || string(d.Body) != want {
				t.Fatalf("round %d: %s won, and it is revision %d, %s", i, want, d.Revision, d.Body)
			}
		}
	})
	t.Run("an order arrives once", func(t *testing.T) {
		s := open(t)
		for i := range rounds() {
			order := fmt.Sprint("order ", i)
			won := s.race(func(racer int, db *sqldb.DB) bool {
				err := db.Write(ctx, func(tx *sqldb.Tx) error {
					n, err := store.NextNumber(tx, "exempelby", 2026)
					if err != nil {
						return err
					}
					c := aCase(fmt.Sprint(i, "-", racer))
					c.Order, c.Number = order, fmt.Sprint(n)
					return store.InsertCase(tx, c)
				})
				if err != nil && !errors.Is(err, store.ErrTwice) {
					t.Error(err)
				}
				return err == nil
			})
			if won != 1 {
				t.Fatalf("round %d: arrived %d times", i, won)
			}
			c, err := store.CaseByOrder(s.last(), order)
			check(t, err)
			if c.Number != fmt.Sprint(i+1) {
				t.Fatalf("round %d: number %s: those who lost left a gap", i, c.Number)
			}
		}
	})
	t.Run("numbers without gaps", func(t *testing.T) {
		s := open(t)
		got := make(chan int, racers*rounds())
		s.race(func(racer int, db *sqldb.DB) bool {
			for i := range rounds() {
				n := 0
				err := db.Write(ctx, func(tx *sqldb.Tx) (err error) {
					if n, err = store.NextNumber(tx, "exempelby", 2026); err != nil {
						return err
					}
					if (racer+i)%3 == 0 { // and then something else went wrong
						return store.ErrStale
					}
					return nil
				})
				switch {
				case err == nil:
					got <- n
				case !errors.Is(err, store.ErrStale):
					t.Error(err)
				}
			}
			return true
		})
		close(got)
		seen := map[int]bool{}
		for n := range got {
			if seen[n] {
				t.Errorf("%d twice", n)
			}
			seen[n] = true
		}
		for n := range len(seen) {
			if !seen[n+1] {
				t.Errorf("no %d among %d", n+1, len(seen))
			}
		}
	})
	t.Run("what is held is taken once", func(t *testing.T) {
		s := open(t)
		for i := range rounds() {
			s.must(t, func(tx *sqldb.Tx) error {
				return store.PutHeld(tx, store.Held{ID: "h", Kind: "login", Body: fmt.Append(nil, i), Expires: at(1)})
			})
			won := s.race(func(_ int, db *sqldb.DB) bool {
				var h store.Held
				err := db.Write(ctx, func(tx *sqldb.Tx) (err error) {
					h, err = store.TakeHeld(tx, "h", "login", start)
					return err
				})
				if err != nil && !errors.Is(err, store.ErrNone) {
					t.Error(err)
				}
				if err == nil && string(h.Body) != fmt.Sprint(i) {
					t.Errorf("round %d: took %s", i, h.Body)
				}
				return err == nil
			})
			if won != 1 {
				t.Fatalf("round %d: taken %d times", i, won)
			}
		}
	})
	t.Run("saved or removed", func(t *testing.T) {
		s := open(t)
		before := s.Dump(t)
		for i := range rounds() {
			s.must(t, insert(plain("a")))
			s.race(func(racer int, db *sqldb.DB) bool {
				var err error
				switch racer % 4 {
				case 0:
					err = db.Write(ctx, func(tx *sqldb.Tx) error { return store.DeleteDraft(tx, "a") })
				case 1:
					err = db.Write(ctx, func(tx *sqldb.Tx) error {
						if err := store.UpdateDraft(tx, plain("a"), 1, portal.Open); err != nil {
							return err
						}
						return store.InsertDraftFile(tx, store.DraftFile{ID: portal.FileID(fmt.Sprint(racer)), Draft: "a", Sealed: []byte("x"), Created: start})
					})
				case 2:
					var d store.Draft
					if d, err = store.DraftOf(store.Last(ctx, db), "a"); err == nil && (d.ID == "" || d.Body == nil) {
						t.Error("half a draft")
					}
				default:
					err = db.Write(ctx, update(plain("a"), 1, portal.Open))
				}
				if err != nil && !errors.Is(err, store.ErrNone) {
					t.Errorf("round %d: %v", i, err)
				}
				return true
			})
			same(t, "rows", before, s.Dump(t))
		}
	})
}
