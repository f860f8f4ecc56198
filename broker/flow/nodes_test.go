package flow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/clock"
	"sigill/providers"
)

// house is several nodes over one store and one issuer.
type house struct {
	*testing.T
	rows  *rows
	p     *issuer
	room  *room
	nodes []*node
}

// node is one of them, with a clock and an issuer's door of its own.
type node struct {
	*Engine
	link *link
	door *door
	stop func()
}

// door counts what goes through to the issuer.
type door struct {
	*issuer
	mu                        sync.Mutex
	starts, collects, cancels int
}

func (d *door) count(n *int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	*n++
}

func (d *door) asked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.starts + d.collects + d.cancels
}

func (d *door) Start(ctx context.Context, r providers.Request) (providers.State, providers.Step, error) {
	d.count(&d.starts)
	return d.issuer.Start(ctx, r)
}

func (d *door) StartSignature(ctx context.Context, r providers.SignRequest) (providers.State, providers.Step, error) {
	d.count(&d.starts)
	return d.issuer.StartSignature(ctx, r)
}

func (d *door) Continue(ctx context.Context, s providers.State, v providers.Event) (providers.State, providers.Step, error) {
	if !answered(s) {
		d.count(&d.collects)
	}
	return d.issuer.Continue(ctx, s, v)
}

func (d *door) Cancel(ctx context.Context, s providers.State) error {
	d.count(&d.cancels)
	return d.issuer.Cancel(ctx, s)
}

// build runs f with nodes whose clocks are off by so much, in a bubble.
func build(t *testing.T, offs []time.Duration, f func(h *house)) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{T: t, rows: newRows(), p: newIssuer(), room: &room{}}
		for i, off := range offs {
			h.add(fmt.Sprintf("node-%c", 'a'+i), clockOff(t, off))
		}
		f(h)
		for _, n := range h.nodes {
			n.stop()
		}
	})
}

// clockOff is a node's time when its machine's clock is off: what all share.
func clockOff(t *testing.T, off time.Duration) func() time.Time {
	c := clock.New(clock.Config{
		Source: func(context.Context) (time.Time, error) { return time.Now(), nil },
		Local:  func() time.Time { return time.Now().Add(off) },
	})
	if err := c.Measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c.Now
}

// add starts a node.
func (h *house) add(name string, now func() time.Time, change ...func(*Engine)) *node {
	e := newOwnedEngine(h.T, h.rows, h.p, name, map[string]Owner{signing: h.room})
	n := &node{Engine: e, link: way(e), door: &door{issuer: h.p}}
	e.Now = now
	e.Provider = func(providers.ID, string) (providers.Provider, bool) { return n.door, true }
	for _, f := range change {
		f(e)
	}
	n.stop = run(h.T, e)
	h.nodes = append(h.nodes, n)
	return n
}

var three = []time.Duration{0, 0, 0}

// after lets time pass while the browser asks each second, each time another of
// the nodes it is given.
func (h *house) after(d time.Duration, asking ...*node) {
	h.Helper()
	for i := range int(d / time.Second) {
		time.Sleep(time.Second)
		if len(asking) > 0 {
			if _, err := asking[i%len(asking)].Watch(h.Context(), id, mine); err != nil && !errors.Is(err, errCut) {
				h.Fatal(err)
			}
		}
	}
	synctest.Wait()
}

func (h *house) want(phase broker.Phase, reason providers.Reason) broker.Order {
	h.Helper()
	o, err := h.rows.Order(h.Context(), id)
	if err != nil || o.Phase != phase || o.Reason != reason {
		h.Fatalf("%s %q %v, want %s %q", o.Phase, o.Reason, err, phase, reason)
	}
	return o
}

// endings counts the events that tell of an end.
func (h *house) endings() (done, failed int) {
	for _, t := range h.rows.eventTypes() {
		switch t {
		case audit.OrderCompleted:
			done++
		case audit.OrderFailed:
			failed++
		}
	}
	return done, failed
}

func (h *house) holder() string { return h.stored().Node }

func (h *house) begin(n *node, b Begin) {
	h.Helper()
	if err := n.Begin(h.Context(), b); err != nil {
		h.Fatal(err)
	}
}

// A node that stops gives its orders up, and others go on within a second or so.
// What it may have heard last is waited for all the same.
func TestDrain(t *testing.T) {
	build(t, three, func(h *house) {
		a := h.nodes[0]
		h.begin(a, signature(providers.ModeOther))
		h.p.set("picked")
		h.after(10*time.Second, a)
		at := time.Now()
		a.stop()
		if o := h.want(broker.Pending, ""); o.LeaseUntil.After(at) {
			h.Errorf("leased until %v after the stop", o.LeaseUntil.Sub(at))
		}
		if a.Pending() != 0 {
			h.Error("it watches on")
		}
		time.Sleep(1500 * time.Millisecond)
		if h.holder() == "node-a" {
			h.Fatal("nobody took it over")
		}
		if o := h.want(broker.Pending, ""); !o.ForeignUntil.Equal(at) {
			h.Errorf("foreign until %v, want %v", o.ForeignUntil, at)
		}
		h.p.set("approved")
		h.after(3 * time.Second)
		h.want(broker.Done, "")
	})
}

// Calls under way when a node stops are finished and stored before the leases go,
// and what could not be stored is tried again until the last.
func TestDrainStoresFirst(t *testing.T) {
	for name, trouble := range map[string]time.Duration{"all is well": 0, "the store is away for a while": 3 * time.Second} {
		t.Run(name, func(t *testing.T) {
			build(t, three[:2], func(h *house) {
				a := h.nodes[0]
				h.begin(a, signature(providers.ModeOther))
				h.p.set("approved")
				h.p.mu.Lock()
				h.p.takes = 3 * time.Second
				h.p.mu.Unlock()
				time.Sleep(2500 * time.Millisecond) // in the middle of the answer
				if trouble > 0 {
					a.link.cut(cutAll, 0)
					time.AfterFunc(3*time.Second+trouble, func() { a.link.cut(nil, 0) })
				}
				a.stop()
				h.want(broker.Done, "")
			})
		})
	}
}

// An order that is begun at a node that stops goes to another at once.
func TestBeginWhileDraining(t *testing.T) {
	build(t, three[:2], func(h *house) {
		a := h.nodes[0]
		a.stop()
		h.begin(a, signature(providers.ModeOther))
		if a.Pending() != 0 {
			h.Error("it is watched where nobody runs")
		}
		h.after(2 * time.Second)
		if h.holder() != "node-b" {
			h.Error("nobody took it over")
		}
		h.p.set("approved")
		h.after(3 * time.Second)
		h.want(broker.Done, "")
	})
}

// The person's button, pressed at another node than the one that watched: the
// lease moves with it, in the same write.
func TestRestartElsewhere(t *testing.T) {
	build(t, three, func(h *house) {
		a, b := h.nodes[0], h.nodes[1]
		w := wish(providers.ModeThis)
		h.begin(a, w)
		h.after(2*time.Second, b)
		h.p.set("startFailed")
		h.after(3*time.Second, b)
		h.want(broker.Failed, providers.StartFailed)
		h.after(40*time.Second, b) // the lease of then has long ended
		if err := b.Restart(h.Context(), id, mine); err != nil {
			h.Fatal(err)
		}
		o := h.want(broker.Pending, "")
		if o.Node != "node-b" || !o.LeaseUntil.Equal(time.Now().Add(b.Limits.Lease)) || !o.ForeignUntil.IsZero() {
			h.Errorf("leased to %s for %v, foreign %v", o.Node, time.Until(o.LeaseUntil), o.ForeignUntil)
		}
		h.after(30*time.Second, b)
		if h.holder() != "node-b" {
			h.Errorf("taken by %s", h.holder())
		}
		asked := a.door.collects
		die(b.Engine, b.stop)
		h.p.set("picked")
		h.after(25*time.Second, a)
		if h.holder() == "node-b" {
			h.Error("nobody took it over")
		}
		h.p.set("approved")
		h.after(3*time.Second, a)
		h.want(broker.Done, "")
		_ = asked
	})
	t.Run("at a node that stops", func(t *testing.T) {
		build(t, three[:2], func(h *house) {
			a := h.nodes[0]
			h.begin(a, wish(providers.ModeThis))
			h.p.set("startFailed")
			h.after(3 * time.Second)
			h.want(broker.Failed, providers.StartFailed)
			a.stop()
			if err := a.Restart(h.Context(), id, mine); err != nil {
				h.Fatal(err)
			}
			h.after(2 * time.Second)
			if h.holder() != "node-b" {
				h.Error("nobody took it over")
			}
		})
	})
}

// Clocks that are ten seconds off: nobody takes what another watches, nobody
// cancels for a browser that is there or loses a result by mistake.
func TestClocks(t *testing.T) {
	offs := []time.Duration{0, 10 * time.Second, -10 * time.Second}
	for first := range offs {
		t.Run(fmt.Sprint("begun at ", offs[first]), func(t *testing.T) {
			build(t, offs, func(h *house) {
				holder := h.nodes[first]
				var others []*node
				for _, n := range h.nodes {
					if n != holder {
						others = append(others, n)
					}
				}
				h.begin(holder, signature(providers.ModeOther))
				for range 100 {
					h.after(time.Second, others...) // the browser is never at the holder's
					if got := h.holder(); got != holder.Node {
						h.Fatalf("stolen by %s", got)
					}
				}
				h.want(broker.Pending, "")
				if n := others[0].door.asked() + others[1].door.asked(); n > 0 {
					h.Errorf("others asked %d times", n)
				}
				h.p.set("picked")
				h.after(10*time.Second, others...)
				died := time.Now()
				die(holder.Engine, holder.stop)
				for h.holder() == holder.Node {
					h.after(time.Second, others...)
				}
				if d := time.Since(died); d < 13*time.Second || d > 25*time.Second {
					h.Errorf("taken over after %v", d)
				}
				h.p.mu.Lock()
				h.p.orders["ref-1"].delivered = true // the dead one has it
				h.p.mu.Unlock()
				at := h.want(broker.Pending, "").ForeignUntil
				for h.rowsPhase() == broker.Pending {
					h.after(time.Second, others...)
				}
				if d := time.Since(at); d < 190*time.Second || d > 195*time.Second {
					h.Errorf("lost after %v", d)
				}
				h.want(broker.Failed, providers.ResultLost)
			})
		})
		t.Run(fmt.Sprint("goes round from ", offs[first]), func(t *testing.T) {
			build(t, offs, func(h *house) {
				h.begin(h.nodes[first], signature(providers.ModeOther))
				for i := range 6 {
					h.after(15*time.Second, h.nodes...)
					i := slices.IndexFunc(h.nodes, func(n *node) bool { return n.Node == h.holder() }) + 0*i
					n := h.nodes[i]
					n.stop()
					h.nodes = slices.Delete(h.nodes, i, i+1)
					h.after(2*time.Second, h.nodes...)
					h.want(broker.Pending, "")
					h.add(n.Node, n.Now)
				}
				h.p.set("approved")
				h.after(5*time.Second, h.nodes...)
				h.want(broker.Done, "")
				if done, failed := h.endings(); done != 1 || failed != 0 {
					h.Errorf("ended %d times well and %d badly", done, failed)
				}
			})
		})
	}
	t.Run("the browser goes", func(t *testing.T) {
		for first := range offs {
			build(t, offs, func(h *house) {
				h.begin(h.nodes[first], signature(providers.ModeOther))
				h.after(20*time.Second, h.nodes[(first+1)%3])
				at := time.Now()
				for h.rowsPhase() == broker.Pending {
					h.after(time.Second)
				}
				if d := time.Since(at); d < 24*time.Second || d > 38*time.Second {
					h.Errorf("cancelled %v after the last request", d)
				}
				h.want(broker.Failed, providers.Cancelled)
			})
		}
	})
}

func (h *house) stored() broker.Order {
	h.Helper()
	o, err := h.rows.Order(h.Context(), id)
	if err != nil {
		h.Fatal(err)
	}
	return o
}

func (h *house) rowsPhase() broker.Phase { return h.stored().Phase }

// A node that cannot reach the store rests when its leases have ended: it asks no
// issuer and cancels nothing, while another goes on.
func TestCutOff(t *testing.T) {
	for name, hang := range map[string]time.Duration{"errors": 0, "silence": 15 * time.Second} {
		t.Run(name, func(t *testing.T) {
			build(t, three[:2], func(h *house) {
				a, b := h.nodes[0], h.nodes[1]
				h.begin(a, signature(providers.ModeOther))
				h.after(10*time.Second, b)
				a.link.cut(cutAll, hang)
				h.after(19*time.Second, b)
				if h.holder() != "node-a" {
					h.after(2 * time.Second)
				}
				h.after(3*time.Second, b)
				if h.holder() != "node-b" {
					h.Fatal("not taken over")
				}
				before := a.door.asked()
				h.p.set("picked")
				h.after(30*time.Second, b)
				h.p.set("approved")
				h.after(4*time.Second, b)
				h.want(broker.Done, "")
				h.after(11*time.Minute, b) // the deadline passes, as far as a knows
				if n := a.door.asked() - before; n > 0 {
					h.Errorf("cut off it called the issuer %d times", n)
				}
				a.link.cut(nil, 0)
				h.after(40 * time.Second)
				if a.Pending() != 0 || a.door.asked() != before {
					h.Errorf("it watches %d, called %d times", a.Pending(), a.door.asked()-before)
				}
				if done, failed := h.endings(); done != 1 || failed != 0 {
					h.Errorf("ended %d times well and %d badly", done, failed)
				}
			})
		})
	}
}

// The way is back while another node watches: there it stays.
func TestCutOffForAWhile(t *testing.T) {
	build(t, three[:2], func(h *house) {
		a, b := h.nodes[0], h.nodes[1]
		h.begin(a, signature(providers.ModeOther))
		h.p.set("picked")
		h.after(10*time.Second, b)
		a.link.cut(cutAll, 0)
		h.after(30*time.Second, b)
		if h.holder() != "node-b" {
			h.Fatal("not taken over")
		}
		before := a.door.asked()
		a.link.cut(nil, 0)
		h.after(time.Minute, b)
		if a.Pending() != 0 || a.door.asked() != before {
			h.Errorf("it watches %d, called %d times", a.Pending(), a.door.asked()-before)
		}
		// Orders of its own are watched as before.
		w := signature(providers.ModeOther)
		w.ID = "order-2"
		h.begin(a, w)
		h.after(30 * time.Second)
		if a.door.asked() == before || a.Pending() != 1 {
			h.Error("it does not go on")
		}
	})
}

// Cut off while nobody else is there: the orders are still its own afterwards.
func TestCutOffAlone(t *testing.T) {
	build(t, three[:1], func(h *house) {
		a := h.nodes[0]
		h.begin(a, signature(providers.ModeOther))
		h.p.set("picked")
		h.after(5*time.Second, a)
		a.link.cut(cutAll, 0)
		h.after(25 * time.Second)
		before := a.door.asked()
		h.after(time.Minute)
		if a.door.asked() != before {
			h.Error("asked without a lease")
		}
		a.link.cut(nil, 0)
		h.p.set("approved")
		h.after(5 * time.Second)
		h.want(broker.Done, "")
	})
}

// The issuer's last word reached a node that cannot store it. Another takes the
// order over and hears "no such order"; the word comes home when the way is back.
func TestLastWordComesHome(t *testing.T) {
	for phase, want := range map[string]struct {
		phase  broker.Phase
		reason providers.Reason
	}{"approved": {broker.Done, ""}, "cancelled": {broker.Failed, providers.Cancelled}} {
		for name, hang := range map[string]time.Duration{"errors": 0, "silence": 15 * time.Second} {
			t.Run(phase+", "+name, func(t *testing.T) {
				build(t, three, func(h *house) {
					a, b := h.nodes[0], h.nodes[1]
					h.begin(a, signature(providers.ModeOther))
					h.p.set("picked")
					h.after(10*time.Second, b)
					a.link.cut(cutAll, hang)
					h.p.set(phase)
					h.after(3*time.Second, b)
					asked := a.door.collects
					h.after(2*time.Minute, b)
					if h.holder() == "node-a" {
						h.Fatal("not taken over")
					}
					h.want(broker.Pending, "")
					if n := a.door.collects - asked; n > 0 {
						h.Errorf("asked in vain %d times", n)
					}
					a.link.cut(nil, 0)
					h.after(20*time.Second, b)
					h.want(want.phase, want.reason)
					h.after(4 * time.Minute)
					h.want(want.phase, want.reason)
					if done, failed := h.endings(); done+failed != 1 {
						h.Errorf("ended %d times well and %d badly", done, failed)
					}
					for _, n := range h.nodes {
						if n.Pending() != 0 {
							h.Errorf("%s watches %d", n.Node, n.Pending())
						}
					}
				})
			})
		}
	}
}

// A browser's return is stored while the answer is not: neither is lost.
func TestReturnWhileUnstored(t *testing.T) {
	build(t, three[:1], func(h *house) {
		a := h.nodes[0]
		h.begin(a, wish(providers.ModeThis))
		nonce := h.nonce()
		h.p.set("approved")
		a.link.cut(func(call string) fault {
			if call == "update" {
				return before
			}
			return well
		}, 0)
		h.after(3 * time.Second)
		a.link.cut(nil, 0)
		if got, err := a.Return(h.Context(), id, nonce, mine); err != nil || got.Outcome != Welcome {
			h.Fatal(got, err)
		}
		h.after(5 * time.Second)
		if o := h.want(broker.Done, ""); o.Returned.IsZero() {
			h.Error("the return was lost")
		}
	})
}

func (h *house) nonce() string {
	s := story{t: h.T, p: h.p}
	return s.nonce()
}

// A restart that could not be stored is not taken for a lost result.
func TestSilentRestartUnstored(t *testing.T) {
	for name, f := range map[string]fault{"not written": before, "answer lost": after} {
		t.Run(name, func(t *testing.T) {
			build(t, three[:1], func(h *house) {
				a := h.nodes[0]
				h.begin(a, signature(providers.ModeOther))
				h.after(10*time.Second, a)
				a.link.cut(func(call string) fault {
					if call == "update" || call == "read" {
						return f
					}
					return well
				}, 0)
				h.p.set("startFailed")
				h.after(5*time.Second, a)
				a.link.cut(nil, 0)
				h.after(5*time.Second, a)
				if f == after && h.rowsPhase() == broker.Failed {
					return // what is stored was cancelled: it ends plainly
				}
				h.want(broker.Pending, "")
				h.p.set("approved")
				h.after(5*time.Second, a)
				h.want(broker.Done, "")
			})
		})
	}
}

// The answer to a write is lost, and looked for: the order goes on as written.
func TestSilentRestartUncertain(t *testing.T) {
	build(t, three[:1], func(h *house) {
		a := h.nodes[0]
		h.begin(a, signature(providers.ModeOther))
		h.after(10*time.Second, a)
		a.link.cut(func(call string) fault {
			if call == "update" {
				return after
			}
			return well
		}, 0)
		h.p.set("startFailed")
		h.after(5*time.Second, a)
		if o := h.want(broker.Pending, ""); o.Restarts != 1 || a.door.cancels != 0 {
			h.Errorf("restarted %d times, cancelled %d", o.Restarts, a.door.cancels)
		}
		h.p.set("approved")
		h.after(5*time.Second, a)
		h.want(broker.Done, "")
	})
}

// What could not be read back after an uncertain write is found again: an order
// that is leased to a node and not watched by it would never end.
func TestUncertainCreate(t *testing.T) {
	build(t, three[:2], func(h *house) {
		a := h.nodes[0]
		a.link.cut(func(call string) fault {
			switch call {
			case "create":
				return after
			case "read":
				return before
			}
			return well
		}, 0)
		if err := a.Begin(h.Context(), signature(providers.ModeOther)); !errors.Is(err, errCut) {
			h.Fatal(err)
		}
		h.after(time.Second)
		a.link.cut(nil, 0)
		h.after(10 * time.Second)
		h.want(broker.Failed, providers.ResultLost) // cancelled at the issuer, since nobody was told of it
	})
	build(t, three[:2], func(h *house) {
		a := h.nodes[0]
		a.link.cut(func(call string) fault {
			if call == "create" {
				return after
			}
			return well
		}, 0)
		h.begin(a, signature(providers.ModeOther)) // looked up, and there
		h.p.set("approved")
		h.after(5 * time.Second)
		h.want(broker.Done, "")
	})
}

// A claim whose answer was lost has claimed all the same.
func TestUncertainClaim(t *testing.T) {
	build(t, three[:2], func(h *house) {
		a, b := h.nodes[0], h.nodes[1]
		h.begin(a, signature(providers.ModeOther))
		h.p.set("picked")
		h.after(3 * time.Second)
		b.link.cut(func(call string) fault {
			if call == "claim" && h.holder() == "node-a" {
				return after
			}
			return well
		}, 0)
		die(a.Engine, a.stop)
		h.after(25 * time.Second)
		if h.holder() != "node-b" {
			h.Fatal("not taken over")
		}
		h.p.set("approved")
		h.after(5 * time.Second)
		h.want(broker.Done, "")
	})
}

// Another process takes this node's name: it stops, and says why.
func TestNameTaken(t *testing.T) {
	build(t, three[:1], func(h *house) {
		e := newOwnedEngine(h.T, h.rows, h.p, "node-x", map[string]Owner{signing: h.room})
		e.Boot = "first"
		if err := h.rows.EnterNode(h.Context(), "node-x", "second", nil, time.Now()); err != nil {
			h.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- e.Run(h.Context()) }()
		if err := <-ended; !errors.Is(err, errName) {
			h.Errorf("ended with %v", err)
		}
	})
}

// The short-lived store is no reason to end anything: not when it is away, nor
// when it has lost what it knew, nor when it tells old tales.
func TestPresenceUnknown(t *testing.T) {
	for name, trouble := range map[string]func(h *house, i int){
		"away": func(h *house, _ int) {
			h.rows.mu.Lock()
			h.rows.mute = true
			h.rows.mu.Unlock()
		},
		"emptied again and again": func(h *house, i int) {
			if i%15 == 0 {
				h.rows.mu.Lock()
				clear(h.rows.short)
				h.rows.mu.Unlock()
			}
		},
		"away and emptied": func(h *house, i int) {
			h.rows.mu.Lock()
			if h.rows.mute = i%40 > 10; i%40 == 39 {
				clear(h.rows.short)
			}
			h.rows.mu.Unlock()
		},
		"old": func(h *house, i int) {
			if i%40 == 0 {
				h.rows.mu.Lock()
				for k, row := range h.rows.short {
					row.value = []byte{0, 0, 0, 0, 0, 0, 0, 1}
					h.rows.short[k] = row
				}
				h.rows.mu.Unlock()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			build(t, three[:2], func(h *house) {
				h.begin(h.nodes[0], signature(providers.ModeOther))
				for i := range 200 {
					trouble(h, i)
					h.after(time.Second, h.nodes[1])
				}
				h.want(broker.Pending, "")
			})
		})
	}
}

// A browser that asks each second at a node that does not watch its order costs a
// write only now and then.
func TestPresenceIsToldSeldom(t *testing.T) {
	build(t, three[:2], func(h *house) {
		h.begin(h.nodes[0], signature(providers.ModeOther))
		h.after(100*time.Second, h.nodes[1])
		if n := h.rows.puts; n < 18 || n > 22 {
			h.Errorf("told %d times in 100 s", n)
		}
	})
}

// A machine is copied while it runs, and the copy starts with all that the folder
// remembers. The first notices, brings home what it has heard, and says why it
// stops; until then the copy takes nothing for lost.
func TestCopiedWhileRunning(t *testing.T) {
	build(t, nil, func(h *house) {
		boot := func(name string) func(*Engine) {
			return func(e *Engine) {
				e.Boot = name
				if err := h.rows.EnterNode(h.Context(), "node-x", name, []string{"first"}, time.Now()); err != nil {
					h.Fatal(err)
				}
			}
		}
		first := newOwnedEngine(h.T, h.rows, h.p, "node-x", map[string]Owner{signing: h.room})
		boot("first")(first)
		ended := make(chan error, 1)
		go func() { ended <- first.Run(h.Context()) }()
		if err := first.Begin(h.Context(), signature(providers.ModeOther)); err != nil {
			h.Fatal(err)
		}
		h.p.set("picked")
		h.after(6 * time.Second)
		way(first).cut(func(call string) fault {
			if call == "update" {
				return before
			}
			return well
		}, 0)
		h.p.set("approved")
		h.after(2 * time.Second)
		h.add("node-x", time.Now, boot("second"))
		h.after(time.Second)
		way(first).cut(nil, 0)
		if err := <-ended; !errors.Is(err, errName) {
			h.Errorf("ended with %v", err)
		}
		h.after(3 * time.Second)
		h.want(broker.Done, "")
	})
}

func TestJoin(t *testing.T) {
	m := newRows()
	dir, clone := t.TempDir(), t.TempDir()
	join := func(dir string) *Member {
		t.Helper()
		n, err := Join(t.Context(), dir, m, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	copyNode := func() {
		t.Helper()
		copyFile(t, dir+"/node-0", clone+"/node-0")
	}
	a := join(dir)
	a.Leave()
	copyNode() // the machine's image is made
	b := join(dir)
	if b.ID != a.ID || b.Boot == a.Boot {
		t.Errorf("after a restart %+v, before %+v", b, a)
	}
	c := join(clone) // the copy starts while the first lives
	if c.ID == b.ID {
		t.Error("two machines have one name")
	}
	second := join(clone) // another process in the same folder
	if second.ID == c.ID || second.ID == b.ID {
		t.Error("two processes have one name")
	}
	second.Leave()
	c.Leave()
	again := join(clone)
	if again.ID != c.ID {
		t.Error("the new name did not stay")
	}
	// Died before the store heard of the run, many times: still one's own.
	b.Leave()
	for range runs - 1 {
		if _, err := Join(t.Context(), dir, refusing{}, time.Now); !errors.Is(err, errFull) {
			t.Fatal(err)
		}
	}
	d := join(dir)
	if d.ID != a.ID {
		t.Error("the name was lost with runs that the store never heard of")
	}
	// The folder of an older release holds a name alone.
	d.Leave()
	writeFile(t, dir+"/node-0", a.ID+"\n")
	if e := join(dir); e.ID == a.ID {
		t.Error("a name was taken from a run that the folder does not know")
	}
}

type refusing struct{}

func (refusing) EnterNode(context.Context, string, string, []string, time.Time) error { return errFull }
