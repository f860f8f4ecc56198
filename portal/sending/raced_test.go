package sending

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sigill/portal"
	"sigill/portal/drafts"
	"sigill/portal/form"
	"sigill/portal/signclient"
)

// Webhooks, browsers and reconciliation at the same moment, from two processes'
// desks: one case.
func TestArrivesOnceTogether(t *testing.T) {
	for round := range 5 {
		t.Run(strconv.Itoa(round), func(t *testing.T) {
			w := newWorld(t)
			id, rev := w.fill(nil)
			_, err := w.Send(ctx, w.me, id, rev, "")
			check(t, err)
			o := w.room.order()
			w.room.sign(1)
			w.room.sign(2)
			w.later(time.Hour)
			again, err := New(w.Config)
			check(t, err)
			acts := []func() error{
				func() error { return w.News(ctx, "exempelby", o.ID) },
				func() error { return again.News(ctx, "exempelby", o.ID) },
				func() error { return w.Reconcile(ctx) },
				func() error { return again.Reconcile(ctx) },
				func() error { return second3(w.Stand(ctx, w.me, id)) },
				func() error { return second3(again.Stand(ctx, w.me, id)) },
				func() error { return second3(again.Send(ctx, w.me, id, rev, "")) },
				func() error {
					if err := again.Withdraw(ctx, w.me, id); !errors.Is(err, ErrTooLate) {
						return fmt.Errorf("withdrawn: %w", err)
					}
					return nil
				},
			}
			var all sync.WaitGroup
			begin := make(chan struct{})
			for i, act := range acts {
				all.Go(func() {
					<-begin
					if err := act(); err != nil {
						t.Errorf("act %d: %v", i, err)
					}
				})
			}
			close(begin)
			all.Wait()
			if c := w.theCase(); c.Number != "EXE-2026-000001" || w.count(`drafts`) != 0 || w.notices() != 2 || w.count(`outbox WHERE kind = 'receipt'`) != 1 {
				t.Errorf("case %s, %d drafts, %d notices", c.Number, w.count(`drafts`), w.notices())
			}
		})
	}
}

// An order that ends is seen by many at the same moment: the draft comes back
// once, and that is told once.
func TestComesBackOnceTogether(t *testing.T) {
	for _, withdrawn := range []bool{false, true} {
		w := newWorld(t)
		id, rev := w.fill(nil)
		_, err := w.Send(ctx, w.me, id, rev, "")
		check(t, err)
		o := w.room.order()
		want, told := portal.ReturnedWithdrawn, 0
		if !withdrawn {
			w.room.end(signclient.Refused, 2, "nej")
			want, told = portal.ReturnedRefused, 1
		}
		w.later(time.Hour)
		var all sync.WaitGroup
		for n := range 8 {
			all.Go(func() {
				acts := []func() error{
					func() error { return w.Withdraw(ctx, w.me, id) },
					func() error { return w.News(ctx, "exempelby", o.ID) },
					func() error { return w.Reconcile(ctx) },
					func() error { return second3(w.Stand(ctx, w.me, id)) },
				}
				if err := acts[n%4](); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		d, err := w.Drafts.Open(ctx, w.me, id)
		check(t, err)
		if d.State != portal.Open || d.Returned != want || w.notices() != told || w.count(`audit_waiting WHERE type = 'draft.returned'`) != 1 {
			t.Errorf("%s %s, %d notices", d.State, d.Returned, w.notices())
		}
	}
}

// The same button eight times at once: one order, or one case.
func TestSentOnceTogether(t *testing.T) {
	for _, signed := range []bool{true, false} {
		w := newWorld(t)
		var id portal.DraftID
		var rev int
		if signed {
			id, rev = w.fill(nil)
		} else {
			var err error
			id, err = w.Drafts.Begin(ctx, w.me, "exempelby", "fel")
			check(t, err)
			d, err := w.Drafts.Save(ctx, w.me, id, 1, "felet", form.Answers{"plats": {Text: "Torget"}}, true)
			check(t, err)
			rev = d.Revision
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		where := map[Sent]int{}
		for range 8 {
			all.Go(func() {
				sent, err := w.Send(ctx, w.me, id, rev, "")
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				where[sent]++
			})
		}
		all.Wait()
		if len(where) != 1 {
			t.Errorf("%d different outcomes", len(where))
		}
		if signed && (len(w.room.orders) != 1 || w.state(id) != portal.Waiting) || !signed && w.theCase().Number == "" {
			t.Errorf("%d orders", len(w.room.orders))
		}
	}
}

// Everything stops at every point once, is begun again, and comes to one case.
func TestStopsEverywhere(t *testing.T) {
	steps := 0
	for n := 1; ; n++ {
		w := newWorld(t)
		id, rev := w.fill(nil)
		f := newFuse(n)
		sent, err := w.Send(f, w.me, id, rev, "")
		if err != nil || f.blown() {
			sent, err = w.Send(ctx, w.me, id, rev, "") // the button once more
		}
		if err != nil || sent.SignURL == "" || len(w.room.orders) != 1 {
			t.Fatalf("stopped at %d: %v, %d orders", n, err, len(w.room.orders))
		}
		o := w.room.order()
		w.room.sign(1)
		_ = w.News(f, "exempelby", o.ID)
		w.later(time.Minute + time.Second)
		check(t, w.Reconcile(ctx))
		if got := w.notices(); got != 1 {
			t.Fatalf("stopped at %d: %d notices that it waits", n, got)
		}
		w.room.sign(2)
		_ = w.News(f, "exempelby", o.ID)
		w.later(time.Minute + time.Second)
		check(t, w.Reconcile(ctx))
		c := w.theCase()
		if w.notices() != 2 || w.count(`drafts`) != 0 {
			t.Fatalf("stopped at %d: %d notices, %d drafts", n, w.notices(), w.count(`drafts`))
		}
		e := w.entries()[0]
		_ = w.receipt(f, e)
		if err := w.receipt(ctx, e); err != nil {
			t.Fatalf("stopped at %d: receipt: %v", n, err)
		}
		if got := w.count(`case_files WHERE case_id = $1 AND kind = 'receipt'`, string(c.ID)); got != 1 || len(w.room.orders) != 1 {
			t.Fatalf("stopped at %d: %d receipts, %d orders", n, got, len(w.room.orders))
		}
		w.close()
		if !f.blown() {
			break
		}
		steps++
	}
	if steps < 30 {
		t.Errorf("stopped at %d points only", steps)
	}
}

// Whatever people, webhooks and reconciliation do in whatever order, and wherever
// it stops: never two cases, no draft lost, no case without everybody's
// signature, and what everybody has signed arrives.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		defer w.close()
		w.invite = rapid.SampledFrom([]string{"email", "sms", "both", "code"}).Draw(rt, "invite")
		if rapid.Bool().Draw(rt, "alone") {
			w.alone()
		}
		id, rev := w.fill(nil)
		for range rapid.IntRange(1, 25).Draw(rt, "acts") {
			c := newFuse(rapid.SampledFrom([]int{1 << 30, 1 << 30, 1, 2, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 25, 30}).Draw(rt, "stops"))
			order := ""
			if o := w.room.order(); o != nil {
				order = o.ID
			}
			if d, err := w.Drafts.Open(ctx, w.me, id); err == nil {
				rev = d.Revision
			}
			var err error
			act := rapid.SampledFrom([]string{
				"send", "send", "send", "sign 1", "sign 1", "sign 2", "sign 2", "refuse 1", "refuse 2", "expire", "cancel", "news", "news", "return", "run",
				"withdraw", "remind", "correct", "save", "down", "up", "reject", "slow", "seal",
			}).Draw(rt, "act")
			switch act {
			case "send":
				_, err = w.Send(c, w.me, id, rev, "")
			case "sign 1", "sign 2":
				w.room.sign(int(act[5] - '0'))
			case "refuse 1", "refuse 2":
				w.room.end(signclient.Refused, int(act[7]-'0'), "nej")
			case "expire":
				w.room.end(signclient.Expired, 0, "")
			case "cancel":
				w.room.end(signclient.Cancelled, 0, "")
			case "news":
				_ = w.News(c, "exempelby", order)
			case "return":
				_, err = w.Stand(c, w.me, id)
			case "run":
				w.later(2 * time.Minute)
				_ = w.Reconcile(c)
			case "withdraw":
				err = w.Withdraw(c, w.me, id)
			case "remind":
				err = w.Remind(c, w.me, id)
			case "correct":
				_, err = w.Correct(c, w.me, id, 2, form.Contact{Email: "ny@example.se"})
			case "save":
				_, err = w.Drafts.Save(c, w.me, id, rev, "resten", form.Answers{"varfor": {Text: "Nytt " + strconv.Itoa(rev)}}, true)
			case "down", "up":
				w.room.down = act == "down"
			case "reject":
				w.room.rejects = !w.room.rejects
			case "slow", "seal":
				w.room.slow = act == "slow"
			}
			if err != nil && !c.blown() && !expected(err) {
				rt.Fatalf("%s: %v", act, err)
			}
			w.holds(rt, id)
		}

		// At last everything works again, and comes to rest.
		w.room.down, w.room.slow = false, false
		if o := w.room.order(); o != nil {
			check(t, w.News(ctx, "exempelby", o.ID))
		}
		w.later(time.Hour)
		check(t, w.Reconcile(ctx))
		w.holds(rt, id)
		done := 0
		for _, o := range w.room.orders {
			if o.State == signclient.Completed {
				done++
			}
		}
		if got := w.count(`cases`); got != done {
			rt.Fatalf("%d completed orders became %d cases", done, got)
		}
		if o := w.room.order(); o != nil && over(o.State) && w.state(id) == portal.Waiting {
			rt.Fatalf("it waits for an order that is %s", o.State)
		}
	})
}

// expected are the errors that people cause, or that pass.
func expected(err error) bool {
	var conflict *drafts.Conflict
	var p *signclient.Problem
	for _, e := range []error{ErrUnsure, ErrTooLate, portal.ErrNotFound, drafts.ErrLocked} {
		if errors.Is(err, e) {
			return true
		}
	}
	return errors.As(err, &conflict) || errors.As(err, &p) && strings.HasPrefix(p.Code, "invalid")
}

// holds is what is always so.
func (w *world) holds(rt *rapid.T, id portal.DraftID) {
	n, there := w.count(`cases`), w.count(`drafts`)
	if n+there != 1 {
		rt.Fatalf("%d cases and %d drafts", n, there)
	}
	if n == 1 {
		c := w.theCase()
		w.room.mu.Lock()
		defer w.room.mu.Unlock()
		if o := w.room.orders[c.Order]; o == nil || o.State != signclient.Completed || !o.CompletedAt.Equal(c.Arrived) || len(o.signed) != len(o.Signatories) {
			rt.Fatal("a case without everybody's signature")
		}
		return
	}
	// An open draft has no order that could still come to something, except one
	// that its owner has not been told of yet.
	if w.state(id) != portal.Open {
		return
	}
	w.room.mu.Lock()
	defer w.room.mu.Unlock()
	for _, o := range w.room.orders {
		if o.State == signclient.Open || o.State == signclient.Sealing || o.State == signclient.Completed {
			rt.Fatalf("the draft is open, and an order of it is %s", o.State)
		}
	}
}
