package cases

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/store"
)

// TestDialogue: messages go both ways, are marked as read by the other side, and
// everybody but who wrote is told.
func TestDialogue(t *testing.T) {
	h := newHouse(t)
	id, o := h.arrive(), officer(exempelby, "forskola")
	owner, co := h.visitor(exempelby, ett), h.visitor(exempelby, tva)
	if err := h.cases.Reply(t.Context(), o, id, "1", "  Vilken dag?\r\nMvh \x07 "); err != nil {
		t.Fatal(err)
	}
	if got := h.told(); !reflect.DeepEqual(got, map[string]int{plantedMail: 1, "tva@example.se": 1}) {
		t.Errorf("of the officer's message were told: %v", got)
	}
	c, err := h.cases.Open(t.Context(), owner, id)
	if err != nil || len(c.Messages) != 1 || c.Unread != 1 {
		t.Fatalf("%d messages, %d unread: %v", len(c.Messages), c.Unread, err)
	}
	if m := c.Messages[0]; m.Text != "Vilken dag?\nMvh" || m.By != portal.ByOfficer || m.Name != "Handläggare Ett" || !m.Read.IsZero() {
		t.Errorf("the message is %+v", m)
	}
	h.pass(time.Minute)
	if c, err = h.cases.Open(t.Context(), owner, id); err != nil || c.Unread != 0 || c.Messages[0].Read.IsZero() {
		t.Errorf("not marked as read: %v", err)
	}
	if err := h.cases.Write(t.Context(), owner, id, "2", "På måndag."); err != nil {
		t.Fatal(err)
	}
	if got := h.told(); !reflect.DeepEqual(got, map[string]int{"tva@example.se": 1}) {
		t.Errorf("of the owner's message were told: %v", got)
	}
	if err := h.cases.Write(t.Context(), co, id, "3", "Eller tisdag."); err != nil {
		t.Fatal(err)
	}
	if got := h.told(); !reflect.DeepEqual(got, map[string]int{plantedMail: 1}) {
		t.Errorf("of the co-owner's message were told: %v", got)
	}
	// The citizens' own reading marks nothing that they wrote.
	if c, err = h.cases.Open(t.Context(), co, id); err != nil || !c.Messages[1].Read.IsZero() {
		t.Errorf("marked by its own side: %v", err)
	}
	if c, err = h.cases.Read(t.Context(), o, id); err != nil || c.Unread != 2 || len(c.Messages) != 3 || c.Messages[1].Name != owner.Name {
		t.Errorf("the officer has %d unread: %v", c.Unread, err)
	}
	if c, err = h.cases.Open(t.Context(), owner, id); err != nil || c.Messages[1].Read.IsZero() || c.Messages[2].Read.IsZero() {
		t.Errorf("the officer's reading is not seen: %v", err)
	}
	if len(c.Events) != 4 || c.Events[1].Kind != portal.EventMessage || c.Events[1].By != portal.ByOfficer || c.Events[2].By != portal.ByCitizen || c.State != portal.Arrived {
		t.Errorf("the history is %+v", c.Events)
	}
	if !c.Changed.After(c.Arrived) {
		t.Error("the case has not changed")
	}
	if got := h.audited(id); got["case.message officer"] != 1 || got["case.message owner"] != 1 || got["case.message co_owner"] != 1 {
		t.Errorf("noted: %v", got)
	}
}

// TestOnce: the same form twice is one message, one event and one notice; another
// text, writer or case is another message.
func TestOnce(t *testing.T) {
	h := newHouse(t)
	id, another, o := h.arrive(), h.arrive(), officer(exempelby, "forskola")
	owner, co := h.visitor(exempelby, ett), h.visitor(exempelby, tva)
	for _, c := range []struct {
		v          portal.Visitor
		id         portal.CaseID
		once, text string
		count      int
	}{
		{owner, id, "a", "Hej", 1}, {owner, id, "a", "Hej", 1}, {owner, id, "a", " Hej\n", 1}, {owner, id, "a", "Hej igen", 2}, {owner, id, "b", "Hej", 3},
		{co, id, "a", "Hej", 4}, {co, id, "a", "Hej", 4}, {owner, another, "a", "Hej", 1}, {owner, id, "", "Hej", 5}, {owner, id, "", "Hej", 6},
	} {
		if err := h.cases.Write(t.Context(), c.v, c.id, c.once, c.text); err != nil {
			t.Fatal(err)
		}
		got, err := h.cases.Read(t.Context(), o, c.id)
		if err != nil || len(got.Messages) != c.count || len(got.Events) != c.count+1 {
			t.Errorf("%q %q: %d messages, %d events", c.once, c.text, len(got.Messages), len(got.Events))
		}
	}
	h.told()
	for range 2 {
		if err := h.cases.Reply(t.Context(), o, id, "a", "Hej"); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.told(); got[plantedMail] != 1 || got["tva@example.se"] != 1 {
		t.Errorf("told: %v", got)
	}
	if got := h.audited(id); got["case.message officer"] != 1 || got["case.message owner"] != 5 {
		t.Errorf("noted: %v", got)
	}
}

func TestNoMessages(t *testing.T) {
	h := newHouse(t)
	o, owner := officer(exempelby, "forskola"), h.visitor(exempelby, ett)
	silent := h.arrive(func(a *arrival) { a.version = "silent" })
	anonymous := h.arrive(func(a *arrival) { a.anonymous, a.order = true, "" })
	closed := h.arrive()
	if err := h.cases.Write(t.Context(), owner, closed, "before", "Hej"); err != nil {
		t.Fatal(err)
	}
	if err := h.cases.SetState(t.Context(), o, closed, portal.Arrived, portal.Closed); err != nil {
		t.Fatal(err)
	}
	h.told()
	for name, id := range map[string]portal.CaseID{"a service without dialogue": silent, "a closed case": closed} {
		was := h.snapshot(id)
		if err := h.cases.Write(t.Context(), owner, id, "1", "Hej"); err != ErrNoMessages {
			t.Errorf("%s: %v", name, err)
		}
		if err := h.cases.Reply(t.Context(), o, id, "1", "Hej"); err != ErrNoMessages {
			t.Errorf("%s: %v", name, err)
		}
		if h.snapshot(id) != was {
			t.Errorf("%s: something was changed", name)
		}
	}
	if err := h.cases.Reply(t.Context(), o, anonymous, "1", "Hej"); err != ErrNoMessages {
		t.Errorf("a case that nobody can answer: %v", err)
	}
	// What came before it was closed, and comes again, was taken.
	if err := h.cases.Write(t.Context(), owner, closed, "before", "Hej"); err != nil {
		t.Errorf("the same form again: %v", err)
	}
	unknown := h.arrive(func(a *arrival) { a.version = "lost" })
	if err := h.cases.Write(t.Context(), owner, unknown, "1", "Hej"); err == nil || errors.Is(err, ErrNoMessages) {
		t.Errorf("a version that is lost: %v", err)
	}
}

func TestText(t *testing.T) {
	h := newHouse(t)
	id, owner := h.arrive(), h.visitor(exempelby, ett)
	for name, text := range map[string]string{
		"nothing": "", "blanks": " \r\n\t ", "control characters": "\x00\x01", "too long": strings.Repeat("å", 10_001), "far too long": strings.Repeat("x", 1<<20), "not UTF-8": "a\xff",
	} {
		if err := h.cases.Write(t.Context(), owner, id, "1", text); err != ErrEmpty {
			t.Errorf("%s: %v", name, err)
		}
		if err := h.cases.Reply(t.Context(), officer(exempelby, "forskola"), id, "1", text); err != ErrEmpty {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := h.cases.Write(t.Context(), owner, id, "1", strings.Repeat("å", 10_000)); err != nil {
		t.Errorf("as long as may be: %v", err)
	}
}

// TestSetState: what an officer sets is seen with its date, and told once.
func TestSetState(t *testing.T) {
	h := newHouse(t)
	id, o := h.arrive(), officer(exempelby, "forskola")
	set := func(was, to portal.CaseState) error {
		h.pass(time.Hour)
		return h.cases.SetState(t.Context(), o, id, was, to)
	}
	head := func() portal.CaseHead {
		t.Helper()
		row, err := store.CaseOf(store.Last(t.Context(), h.db), id)
		if err != nil {
			t.Fatal(err)
		}
		return row.CaseHead
	}
	everybody := map[string]int{plantedMail: 1, "tva@example.se": 1}
	if err := set(portal.Arrived, portal.InProgress); err != nil {
		t.Fatal(err)
	}
	if got := h.told(); !reflect.DeepEqual(got, everybody) {
		t.Errorf("told: %v", got)
	}
	for name, c := range map[string]struct{ was, to portal.CaseState }{
		"what the page showed is over": {portal.Arrived, portal.Supplement},
		"sent twice":                   {portal.Arrived, portal.InProgress},
	} {
		if err := set(c.was, c.to); err != store.ErrStale {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := set(portal.InProgress, "archived"); err == nil {
		t.Error("a state that there is not")
	}
	if err := set(portal.InProgress, portal.InProgress); err != nil {
		t.Errorf("the same: %v", err)
	}
	if got := h.told(); len(got) != 0 || head().State != portal.InProgress {
		t.Errorf("told of nothing: %v", got)
	}
	// Closed, opened again, and closed: each is another event.
	for range 2 {
		if err := set(portal.InProgress, portal.Closed); err != nil {
			t.Fatal(err)
		}
		if c := head(); c.State != portal.Closed || !c.Closed.Equal(h.clock()) || !c.Erase.Equal(h.clock().Add(48*time.Hour)) {
			t.Errorf("closed %v, to be erased %v", c.Closed, c.Erase)
		}
		if got := h.told(); !reflect.DeepEqual(got, everybody) {
			t.Errorf("told: %v", got)
		}
		if err := set(portal.Closed, portal.InProgress); err != nil {
			t.Fatal(err)
		}
		if c := head(); !c.Closed.IsZero() || !c.Erase.IsZero() {
			t.Errorf("opened again: closed %v, to be erased %v", c.Closed, c.Erase)
		}
		h.told()
	}
	got, err := h.cases.Open(t.Context(), h.visitor(exempelby, ett), id)
	if err != nil || len(got.Events) != 6 || got.Events[1].State != portal.InProgress || got.Events[2].State != portal.Closed || got.Events[2].By != portal.ByOfficer || !got.Events[2].At.After(got.Events[1].At) {
		t.Errorf("the history is %+v: %v", got.Events, err)
	}
	if n := h.audited(id); n["case.status closed"] != 2 || n["case.status in_progress"] != 3 {
		t.Errorf("noted: %v", n)
	}
	// A service that keeps its cases.
	id = h.arrive(func(a *arrival) { a.version = "silent" })
	if err := set(portal.Arrived, portal.Closed); err != nil || !head().Erase.IsZero() || head().Closed.IsZero() {
		t.Errorf("kept: erase %v, %v", head().Erase, err)
	}
}

// TestWhoIsTold: by the channel that each chose, and nobody who is protected or
// does not see the case.
func TestWhoIsTold(t *testing.T) {
	h := newHouse(t)
	id, o := h.arrive(), officer(exempelby, "forskola")
	if faults, err := h.people.SetProfile(t.Context(), h.visitor(exempelby, tva), form.Contact{Phone: "070-174 06 07", Notify: "sms"}); err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	states := []portal.CaseState{portal.Arrived, portal.InProgress, portal.Supplement, portal.InProgress, portal.Supplement}
	next := func() map[string]int {
		t.Helper()
		h.pass(time.Minute)
		if err := h.cases.SetState(t.Context(), o, id, states[0], states[1]); err != nil {
			t.Fatal(err)
		}
		states = states[1:]
		return h.told()
	}
	if got := next(); !reflect.DeepEqual(got, map[string]int{plantedMail: 1, "+46701740607": 1}) {
		t.Errorf("told: %v", got)
	}
	h.protected[tva] = true
	if got := next(); !reflect.DeepEqual(got, map[string]int{plantedMail: 1}) {
		t.Errorf("told: %v", got)
	}
	if n := h.audited(id); n["notice.withheld protected"] != 1 {
		t.Errorf("noted: %v", n)
	}
	h.protected[ett] = true
	if got := next(); len(got) != 0 {
		t.Errorf("told: %v", got)
	}
	if err := h.cases.Reply(t.Context(), o, id, "1", "Hej"); err != nil {
		t.Fatal(err)
	}
	if got := h.told(); len(got) != 0 {
		t.Errorf("told: %v", got)
	}
	// Whoever sent without login left an address, or did not.
	id = h.arrive(func(a *arrival) { a.anonymous, a.order = true, "" })
	states = []portal.CaseState{portal.Arrived, portal.Closed}
	if got := next(); !reflect.DeepEqual(got, map[string]int{plantedMail: 1}) {
		t.Errorf("told: %v", got)
	}
}

// TestToldAfterANewNumber: who began with a samordningsnummer, and has a personal
// number by now, is told like everybody else; by no act of their own.
func TestToldAfterANewNumber(t *testing.T) {
	h := newHouse(t)
	id, o := h.arrive(), officer(exempelby, "forskola")
	was, is := h.visitor(exempelby, before), h.visitor(exempelby, ett)
	h.write(func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`UPDATE case_people SET person = $1 WHERE person = $2`, string(was.Key), string(is.Key))
		return err
	})
	if err := h.cases.Reply(t.Context(), o, id, "1", "Hej"); err != nil {
		t.Fatal(err)
	}
	if got := h.told(); !reflect.DeepEqual(got, map[string]int{plantedMail: 1, "tva@example.se": 1}) {
		t.Errorf("of a message: %v", got)
	}
	both := is
	both.Previous = was.Key
	for _, v := range []portal.Visitor{was, both} {
		if err := h.cases.Write(t.Context(), v, id, "1", "Hej"); err != nil {
			t.Fatal(err)
		}
		if got := h.told(); !reflect.DeepEqual(got, map[string]int{"tva@example.se": 1}) {
			t.Errorf("of their own message: %v", got)
		}
	}
	// Where they want to be told is chosen under the new number.
	if faults, err := h.people.SetProfile(t.Context(), both, form.Contact{Phone: "070-174 06 07", Notify: "sms"}); err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	if err := h.cases.SetState(t.Context(), o, id, portal.Arrived, portal.InProgress); err != nil {
		t.Fatal(err)
	}
	if got := h.told(); !reflect.DeepEqual(got, map[string]int{"+46701740607": 1, "tva@example.se": 1}) {
		t.Errorf("of a state: %v", got)
	}
	h.protected[ett] = true
	if err := h.cases.Reply(t.Context(), o, id, "2", "Hej"); err != nil {
		t.Fatal(err)
	}
	if got := h.told(); !reflect.DeepEqual(got, map[string]int{"tva@example.se": 1}) {
		t.Errorf("protected by now: %v", got)
	}
}

// TestTogether: of two officers who move a case from the same page one wins.
func TestTogether(t *testing.T) {
	h := newHouse(t)
	id := h.arrive()
	results := make(chan error)
	for _, to := range []portal.CaseState{portal.InProgress, portal.Closed, portal.Supplement, portal.InProgress} {
		go func() {
			results <- h.cases.SetState(context.Background(), officer(exempelby, "forskola"), id, portal.Arrived, to)
		}()
	}
	won := 0
	for range 4 {
		switch err := <-results; {
		case err == nil:
			won++
		case !errors.Is(err, store.ErrStale):
			t.Error(err)
		}
	}
	events, err := store.Events(store.Last(t.Context(), h.db), id)
	if won != 1 || err != nil || len(events) != 2 {
		t.Errorf("%d won, %d events", won, len(events))
	}
}
