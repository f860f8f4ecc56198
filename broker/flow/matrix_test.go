package flow

import (
	"fmt"
	"os"
	"testing"
	"time"

	"sigill/broker"
	"sigill/providers"
)

// Each call of a node to the store goes wrong in turn: before anything happened,
// or after it happened, for a moment or with all that follow for a while, at once
// or after a long silence. Three nodes, an issuer that gives its answer once, and
// nobody dies: the order ends once, as its person wanted, and its owner hears of
// it.
func TestMatrix(t *testing.T) {
	kinds := []string{"create", "read", "update", "claim", "held", "renew", "ended", "consume"}
	turns, outages := 3, []time.Duration{0, 45 * time.Second}
	if os.Getenv("SIGILL_SOAK") == "1" {
		turns, outages = 12, []time.Duration{0, 8 * time.Second, 25 * time.Second, 45 * time.Second, 150 * time.Second}
	}
	told := 0
	for _, ending := range []string{"approved", "cancelled", "startFailed"} {
		for _, kind := range kinds {
			for turn := range turns {
				for _, f := range []fault{before, after} {
					for _, outage := range outages {
						for _, hang := range []time.Duration{0, 15 * time.Second} {
							told++
							name := fmt.Sprintf("%s, %s %d, fault %d, outage %v, hang %v", ending, kind, turn, f, outage, hang)
							build(t, three, func(h *house) {
								h.Helper()
								m := &mishap{kind: kind, turn: turn, fault: f, outage: outage}
								h.nodes[0].link.cut(m.at, hang)
								ordeal(h, name, ending)
							})
						}
					}
				}
			}
		}
	}
	t.Logf("%d stories", told)
}

// mishap is what goes wrong with a link: the call of a kind that comes after so
// many, and every call for a while from then on.
type mishap struct {
	kind   string
	turn   int
	fault  fault
	outage time.Duration
	began  time.Time
}

func (m *mishap) at(call string) fault {
	if m.began.IsZero() && call == m.kind {
		if m.turn--; m.turn < 0 {
			m.began = time.Now()
			return m.fault
		}
	}
	if !m.began.IsZero() && time.Since(m.began) < m.outage {
		return before
	}
	return well
}

// ordeal tells of one order from its beginning at the first node to its end.
func ordeal(h *house, name, ending string) {
	h.Helper()
	a, b := h.nodes[0], h.nodes[1]
	w := signature(providers.ModeOther)
	if err := a.Begin(h.Context(), w); err != nil {
		// There is none; or there is one that was cancelled, and ends so.
		h.after(15 * time.Minute)
		if o, err := h.rows.Order(h.Context(), id); err == nil && o.Phase != broker.Failed {
			h.Errorf("%s: an order that nobody was told of is %s", name, o.Phase)
		}
		h.quiet(name)
		return
	}
	h.after(8*time.Second, a, b)
	if ending == "startFailed" {
		h.p.set("startFailed")
		for range 300 {
			if h.after(time.Second, b); h.stored().Restarts > 0 || h.rowsPhase() != broker.Pending {
				break
			}
		}
		if h.rowsPhase() != broker.Pending {
			// It could not be begun again while somebody looked: a plain end.
			if o := h.stored(); o.Reason != providers.StartFailed && o.Reason != providers.ResultLost {
				h.Errorf("%s: %s", name, o.Reason)
			}
			h.quiet(name)
			return
		}
		h.after(4*time.Second, b)
	}
	h.p.set("picked")
	h.after(6*time.Second, a, b)
	if ending == "cancelled" {
		h.p.set("cancelled")
	} else {
		h.p.set("approved")
	}
	h.after(6*time.Minute, b)
	o, err := h.rows.Order(h.Context(), id)
	done, failed := h.endings()
	switch {
	case err != nil:
		h.Errorf("%s: %v", name, err)
	case ending == "cancelled" && (o.Phase != broker.Failed || o.Reason != providers.Cancelled || done != 0 || failed != 1):
		h.Errorf("%s: %s %s, ended %d and %d times", name, o.Phase, o.Reason, done, failed)
	case ending != "cancelled" && (o.Phase != broker.Done || done != 1 || failed != 0):
		// An order begun again whose write was neither done nor undone for all we
		// could see was cancelled: the person signs again.
		if ending == "startFailed" && o.Phase == broker.Failed && done == 0 && failed == 1 {
			break
		}
		h.Errorf("%s: %s %s, ended %d and %d times", name, o.Phase, o.Reason, done, failed)
	}
	if list := h.room.heard(id); len(list) == 0 || o.Consumed.IsZero() {
		h.Errorf("%s: the owner heard %d times, taken over at %v", name, len(list), o.Consumed)
	}
	h.quiet(name)
}

// quiet wants nothing to be watched or asked any more.
func (h *house) quiet(name string) {
	h.Helper()
	h.after(5 * time.Second) // whoever watched it as well looks once more
	for _, n := range h.nodes {
		if n.Pending() != 0 {
			h.Errorf("%s: %s still watches %d", name, n.Node, n.Pending())
		}
	}
}
