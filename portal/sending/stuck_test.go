package sending

import (
	"errors"
	"testing"
	"time"

	"sigill/portal"
	"sigill/portal/signclient"
)

// A draft that was locked and not handed over, because the signing service or
// this process stopped, is handed over without anybody pressing anything: once.
func TestStuckIsHandedOver(t *testing.T) {
	for _, made := range []bool{false, true} {
		w := newWorld(t)
		id, rev := w.fill(nil)
		if made { // and the answer was lost
			for n := 1; len(w.room.orders) == 0; n++ {
				_, _ = w.Send(newFuse(n), w.me, id, rev, "")
			}
		}
		w.room.down = true
		if _, err := w.Send(ctx, w.me, id, rev, ""); !errors.Is(err, ErrUnsure) || w.state(id) != portal.Sending {
			t.Fatalf("%v, %s", err, w.state(id))
		}
		w.room.calls = nil
		w.later(stuck - time.Second)
		check(t, w.Reconcile(ctx))
		if len(w.room.calls) != 0 {
			t.Error("handed over while its owner may be doing it")
		}
		// As long as there is no answer it is tried, and not each minute.
		for range 10 {
			w.later(time.Minute)
			check(t, w.Reconcile(ctx))
		}
		if n := len(w.room.calls); n < 1 || n > 3 || w.state(id) != portal.Sending {
			t.Errorf("%d tries in 10 minutes, %s", n, w.state(id))
		}
		w.room.down = false
		w.later(stuck + time.Second)
		check(t, w.Reconcile(ctx))
		if w.state(id) != portal.Waiting || len(w.room.orders) != 1 {
			t.Errorf("it is %s, %d orders", w.state(id), len(w.room.orders))
		}
		w.room.sign(1)
		w.room.sign(2)
		w.later(time.Hour)
		check(t, w.Reconcile(ctx))
		w.theCase()
	}
}

// One that is not taken, or whose attempt the signing service has forgotten, is
// its owner's again.
func TestStuckIsOpenedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		stop  func(*world)
		after time.Duration
		want  portal.DraftState
	}{
		"not taken":     {func(w *world) { w.room.busy = &signclient.Problem{Status: 422, Code: "invalid_order"} }, time.Hour, portal.Open},
		"too large":     {func(w *world) { w.room.busy = &signclient.Problem{Status: 413, Code: "too_large"} }, time.Hour, portal.Open},
		"no token":      {func(w *world) { w.room.busy = &signclient.Problem{Status: 401, Code: "no_token"} }, time.Hour, portal.Sending},
		"down for days": {func(w *world) { w.room.down = true }, 28 * 24 * time.Hour, portal.Sending},
		"down for ever": {func(w *world) { w.room.down = true }, 30 * 24 * time.Hour, portal.Open},
		"forgotten":     {func(*world) {}, 30 * 24 * time.Hour, portal.Open},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id, rev := w.fill(nil)
			w.room.down = true
			if _, err := w.Send(ctx, w.me, id, rev, ""); !errors.Is(err, ErrUnsure) {
				t.Fatal(err)
			}
			w.room.down = false
			c.stop(w)
			for left := c.after; left > 0; left -= 24 * time.Hour {
				if name != "forgotten" && left < c.after { // that one is not looked at before
					check(t, w.Reconcile(ctx))
				}
				w.later(min(left, 24*time.Hour))
			}
			check(t, w.Reconcile(ctx))
			if w.state(id) != c.want || len(w.room.orders) != 0 {
				t.Errorf("it is %s, %d orders", w.state(id), len(w.room.orders))
			}
			if n := w.count(`audit_waiting WHERE type = 'draft.returned'`); (n == 1) != (c.want == portal.Open) {
				t.Errorf("%d events that it came back", n)
			}
		})
	}
}

// An order that is not there any more: for a day that may be a mistake.
func TestOrderLost(t *testing.T) {
	w := newWorld(t)
	id, rev := w.fill(nil)
	_, err := w.Send(ctx, w.me, id, rev, "")
	check(t, err)
	o := w.room.order()
	w.room.orders = map[string]*placed{}
	for range 23 {
		w.later(time.Hour)
		check(t, w.Reconcile(ctx))
	}
	// It is there for a moment.
	w.room.orders[o.ID] = o
	w.later(time.Hour)
	check(t, w.Reconcile(ctx))
	w.room.orders = map[string]*placed{}
	for range 25 {
		w.later(time.Hour)
		check(t, w.Reconcile(ctx))
	}
	if w.state(id) != portal.Waiting || w.notices() != 0 {
		t.Fatalf("%s after a day, %d notices", w.state(id), w.notices())
	}
	w.later(time.Hour)
	check(t, w.Reconcile(ctx))
	d, err := w.Drafts.Open(ctx, w.me, id)
	check(t, err)
	if d.State != portal.Open || d.Returned != portal.ReturnedCancelled || w.notices() != 1 {
		t.Errorf("%s %s, %d notices", d.State, d.Returned, w.notices())
	}
}
