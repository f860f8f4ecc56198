package cases

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/signclient"
	"sigill/portal/store"
)

func (h *house) close(id portal.CaseID) {
	h.t.Helper()
	if err := h.cases.SetState(h.t.Context(), officer(exempelby, "forskola"), id, portal.Arrived, portal.Closed); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) erase(want int) error {
	h.t.Helper()
	n, err := h.cases.Erase(context.Background())
	if n != want {
		h.t.Errorf("%d erased, want %d", n, want)
	}
	return err
}

// kept are the tables that outlive a case: the audit and the definition of time
// itself, in which no person stands but as a digest.
func kept() []string { return []string{"audit_waiting"} }

// TestErased: nothing of a case and its people is left anywhere, in plain text or
// sealed; others' cases are as they were.
func TestErased(t *testing.T) {
	h := newHouse(t)
	owner, co, o := h.visitor(exempelby, ett), h.visitor(exempelby, tva), officer(exempelby, "forskola")
	other := h.arrive(func(a *arrival) { a.coOwners = nil })
	// That other case is somebody else's.
	h.write(func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`UPDATE case_people SET person = $1 WHERE case_id = $2`, string(h.visitor(exempelby, tre).Key), string(other))
		return err
	})
	id := h.arrive()
	row, err := store.CaseOf(store.Last(t.Context(), h.db), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []portal.Visitor{owner, co} {
		if faults, err := h.people.SetProfile(t.Context(), v, form.Contact{Email: plantedMail}); err != nil || len(faults) > 0 {
			t.Fatal(err)
		}
	}
	if err := h.cases.Write(t.Context(), owner, id, "1", "planted-message-4711"); err != nil {
		t.Fatal(err)
	}
	if err := h.cases.Reply(t.Context(), o, id, "1", "Hej"); err != nil {
		t.Fatal(err)
	}
	was := h.snapshot(other)
	h.close(id) // its notices still wait in the outbox
	planted := []string{string(id), string(owner.Key), string(co.Key), row.Order, string(h.fileOf(id)), string(row.Body)}
	for _, what := range planted {
		if len(h.tablesWith(what)) == 0 {
			t.Fatal("what is to be searched for is not there")
		}
	}

	h.pass(47 * time.Hour)
	if err := h.erase(0); err != nil {
		t.Fatal(err)
	}
	h.pass(2 * time.Hour)
	if err := h.erase(1); err != nil {
		t.Fatal(err)
	}
	for _, what := range planted {
		if left := slices.DeleteFunc(h.tablesWith(what), func(table string) bool { return slices.Contains(kept(), table) }); len(left) > 0 {
			t.Errorf("something is left in %v", left)
		}
	}
	for _, what := range []string{ett, tva, plantedAnswer, plantedFile, plantedMail, "planted-message"} {
		if left := h.tablesWith(what); len(left) > 0 {
			t.Errorf("something is left in %v in plain text", left)
		}
	}
	if !slices.Equal(h.forgotten, []string{"exempelby " + row.Order}) {
		t.Errorf("the signing service was told to forget %v", h.forgotten)
	}
	if h.audited(id)["case.erased time"] != 1 {
		t.Error("not noted")
	}
	if got := h.told(); len(got) != 0 {
		t.Errorf("told of what is erased: %v", got)
	}
	if h.snapshot(other) == "" || !sameCase(was, h.snapshot(other)) {
		t.Error("another case has changed")
	}
	if _, err := h.cases.Open(t.Context(), owner, id); err != portal.ErrNotFound {
		t.Errorf("it still opens: %v", err)
	}
	m, err := h.cases.Overview(t.Context(), owner, store.Page{}, store.Page{})
	if err != nil || len(m.Sent)+len(m.Closed)+m.CountClosed+m.CountSent != 0 {
		t.Errorf("it is still on Mina sidor: %v", err)
	}
	if err := h.erase(0); err != nil || len(h.forgotten) != 1 {
		t.Errorf("once more: %v", err)
	}
}

// sameCase compares snapshots but for what waits in the outbox, which is others'.
func sameCase(a, b string) bool {
	cut := func(s string) string { return s[:len(s)-2] }
	return cut(a) == cut(b)
}

// TestEraseWaits: as long as the signing service has not forgotten the order, the
// case stays whole, and no other waits for it.
func TestEraseWaits(t *testing.T) {
	h := newHouse(t)
	stuck, fine, gone, unsigned := h.arrive(), h.arrive(), h.arrive(), h.arrive(func(a *arrival) { a.order = "" })
	orders := map[string]portal.CaseID{}
	for _, id := range []portal.CaseID{stuck, fine, gone, unsigned} {
		row, err := store.CaseOf(store.Last(t.Context(), h.db), id)
		if err != nil {
			t.Fatal(err)
		}
		orders[row.Order] = id
		h.close(id)
	}
	away := errors.New("the signing service is away")
	h.forget = func(order string) error {
		switch orders[order] {
		case stuck:
			return away
		case gone:
			return &signclient.Problem{Status: 404, Code: "not_found"}
		}
		return nil
	}
	h.pass(100 * time.Hour)
	if err := h.erase(3); !errors.Is(err, away) {
		t.Errorf("the error is %v", err)
	}
	if _, err := h.cases.Open(t.Context(), h.visitor(exempelby, ett), stuck); err != nil {
		t.Errorf("the case is gone, and its order is not: %v", err)
	}
	h.forget = func(order string) error { return &signclient.Problem{Status: 403, Code: "forbidden"} }
	if err := h.erase(0); err == nil {
		t.Error("refused by the signing service, and no error")
	}
	h.forget = func(string) error { return nil }
	if err := h.erase(1); err != nil {
		t.Fatal(err)
	}
}

// TestEraseMany: more than are looked at together, with some that fail first.
func TestEraseMany(t *testing.T) {
	h := newHouse(t)
	bad := map[string]bool{}
	// Without people, files and history, which other tests have: it is the number.
	h.write(func(tx *sqldb.Tx) error {
		for i := range 230 {
			order := portal.NewID()
			bad[order] = i < 110
			err := store.InsertCase(tx, store.Case{Body: []byte("x"), CaseHead: portal.CaseHead{
				ID: portal.CaseID(portal.NewID()), Number: fmt.Sprint(i), Tenant: exempelby, State: portal.Closed, Order: order,
				Arrived: h.now, Changed: h.now, Closed: h.now, Erase: h.now,
			}})
			if err != nil {
				return err
			}
		}
		return nil
	})
	h.forget = func(order string) error {
		if bad[order] {
			return errors.New("away")
		}
		return nil
	}
	h.pass(time.Hour)
	if err := h.erase(120); err == nil {
		t.Error("no error")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if n, err := h.cases.Erase(ctx); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d, %v", n, err)
	}
}

// TestOpenedAgain: no case stays whose order is gone. Once its time has come, an
// officer does not open it; one that was opened before that is not touched.
func TestOpenedAgain(t *testing.T) {
	h := newHouse(t)
	o := officer(exempelby, "forskola")
	id := h.arrive()
	h.close(id)
	h.pass(48*time.Hour - time.Second)
	if err := h.cases.SetState(t.Context(), o, id, portal.Closed, portal.InProgress); err != nil {
		t.Errorf("before its time: %v", err)
	}
	if err := h.cases.SetState(t.Context(), o, id, portal.InProgress, portal.Closed); err != nil {
		t.Fatal(err)
	}
	h.pass(100 * time.Hour)
	var opened error
	h.forget = func(string) error {
		h.mu.Unlock()
		defer h.mu.Lock()
		opened = h.cases.SetState(context.Background(), o, id, portal.Closed, portal.InProgress)
		return nil
	}
	if err := h.erase(1); err != nil || opened != store.ErrStale {
		t.Errorf("erased: %v, opened meanwhile: %v", err, opened)
	}
	if _, err := h.cases.Open(t.Context(), h.visitor(exempelby, ett), id); err != portal.ErrNotFound {
		t.Errorf("it stays without its order: %v", err)
	}

	// Between the list and its turn, in another process with another clock.
	h.forgotten = nil
	first, second := h.arrive(), h.arrive()
	h.close(first)
	h.pass(time.Second)
	h.close(second)
	h.pass(100 * time.Hour)
	h.forget = func(string) error {
		h.write(func(tx *sqldb.Tx) error {
			row, err := store.CaseOf(tx, second)
			if err != nil {
				return err
			}
			row.State, row.Closed, row.Erase = portal.InProgress, time.Time{}, time.Time{}
			return store.UpdateCase(tx, row, portal.Closed)
		})
		return nil
	}
	if err := h.erase(1); err != nil || len(h.forgotten) != 1 {
		t.Errorf("%v, %d orders forgotten", err, len(h.forgotten))
	}
	if _, err := h.cases.Open(t.Context(), h.visitor(exempelby, ett), second); err != nil {
		t.Error(err)
	}
}

// TestProfileStays: what a person chose goes with the last that is theirs, and not
// before.
func TestProfileStays(t *testing.T) {
	h := newHouse(t)
	v := h.visitor(exempelby, ett)
	chosen := form.Contact{Email: plantedMail}
	put := func() {
		t.Helper()
		if _, err := h.people.SetProfile(t.Context(), v, chosen); err != nil {
			t.Fatal(err)
		}
	}
	eraseOne := func() {
		t.Helper()
		id := h.arrive()
		h.close(id)
		h.pass(49 * time.Hour)
		if err := h.erase(1); err != nil {
			t.Fatal(err)
		}
	}
	has := func(why string, want bool) {
		t.Helper()
		got, err := h.people.Profile(t.Context(), v)
		if err != nil || !reflect.DeepEqual(got, map[bool]form.Contact{true: chosen}[want]) {
			t.Errorf("%s: the profile is there: %v, %v", why, got != (form.Contact{}), err)
		}
	}
	put()
	kept := h.arrive(func(a *arrival) { a.tenant = provby })
	eraseOne()
	has("a case with another tenant of the group", true)
	h.write(func(tx *sqldb.Tx) error { return store.DeleteCase(tx, kept) })
	draft := portal.DraftID(portal.NewID())
	h.write(func(tx *sqldb.Tx) error {
		now := h.now
		return store.InsertDraft(tx, store.Draft{Owner: string(v.Key), Key: []byte("k"), Body: []byte("x"), DraftHead: portal.DraftHead{
			ID: draft, Tenant: provby, Service: "s", Version: "v", State: portal.Open, Revision: 1, Created: now, Changed: now, Expires: now.Add(time.Hour),
		}})
	})
	eraseOne()
	has("a draft", true)
	h.write(func(tx *sqldb.Tx) error { return store.DeleteDraft(tx, draft) })
	eraseOne()
	has("nothing", false)

	// Who comes no more, and has nothing here.
	put()
	h.pass(89 * 24 * time.Hour)
	if err := h.erase(0); err != nil {
		t.Fatal(err)
	}
	has("here not long ago", true)
	h.pass(2 * 24 * time.Hour)
	if err := h.erase(0); err != nil {
		t.Fatal(err)
	}
	has("not here for long", false)
}

// TestErasedByTheTimeThatHasCome: a clock that is ahead alone erases nothing.
func TestErasedByTheTimeThatHasCome(t *testing.T) {
	h := newHouse(t)
	h.close(h.arrive())
	past := h.clock()
	h.cases.Past = func() time.Time { return past }
	h.pass(20 * 365 * 24 * time.Hour)
	for _, want := range []int{0, 1} {
		if err := h.erase(want); err != nil {
			t.Error(err)
		}
		past = h.clock()
	}
}
