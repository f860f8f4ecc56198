package flow

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/providers"
	"sigill/providers/personnummer"
)

const id broker.OrderID = "order-1"

const (
	mine    = "the browser that began"
	foreign = "another browser"
)

// story is one order in a bubble of its own, with the clock in the test's hand.
type story struct {
	t    *testing.T
	rows *rows
	p    *issuer
	e    *Engine
	stop func()
}

func tell(t *testing.T, f func(s *story)) {
	synctest.Test(t, func(t *testing.T) {
		s := &story{t: t, rows: newRows(), p: newIssuer()}
		s.e = newEngine(t, s.rows, s.p, "node-a")
		s.stop = run(t, s.e)
		defer func() { s.stop() }()
		f(s)
	})
}

func (s *story) begin(mode providers.Mode) {
	s.t.Helper()
	if err := s.e.Begin(s.t.Context(), wish(mode)); err != nil {
		s.t.Fatal(err)
	}
}

func wish(mode providers.Mode) Begin {
	return Begin{ID: id, Owner: "login", Ref: "login-1", Client: "app", Provider: providers.MBankID,
		Kind: providers.KindAuth, Request: providers.Request{Mode: mode}, Browser: mine}
}

// nonce is what the issuer was told to send the person back with.
func (s *story) nonce() string {
	s.t.Helper()
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	u, err := url.Parse(s.p.seen[len(s.p.seen)-1].ReturnURL)
	if err != nil || u.Query().Get("n") == "" {
		s.t.Fatalf("no nonce in the return address: %v", err)
	}
	return u.Query().Get("n")
}

// wait lets time pass, with the browser asking each second as our page does.
func (s *story) wait(d time.Duration, asking bool) {
	for range int(d / time.Second) {
		time.Sleep(time.Second)
		if asking {
			if _, err := s.e.Watch(s.t.Context(), id, mine); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	synctest.Wait()
}

func (s *story) want(state State, reason providers.Reason) View {
	s.t.Helper()
	v, err := s.e.Watch(s.t.Context(), id, mine)
	if err != nil {
		s.t.Fatal(err)
	}
	if v.State != state || v.Failed.Reason != reason {
		s.t.Fatalf("state %q reason %q hint %q, want %q %q", v.State, v.Failed.Reason, v.Failed.Hint, state, reason)
	}
	return v
}

func (s *story) arrive(nonce, browser string, want ArrivalOutcome) {
	s.t.Helper()
	a, err := s.e.Return(s.t.Context(), id, nonce, browser)
	if err != nil {
		s.t.Fatal(err)
	}
	if a.Outcome != want {
		s.t.Fatalf("outcome %q, want %q", a.Outcome, want)
	}
}

func (s *story) wantNoResult() {
	s.t.Helper()
	if _, d, err := s.e.Result(s.t.Context(), id, mine); err == nil || d.Identity.Name != "" {
		s.t.Fatalf("an identity was handed out: err %v", err)
	}
}

func (s *story) wantResult() {
	s.t.Helper()
	_, d, err := s.e.Result(s.t.Context(), id, mine)
	if err != nil || d.Identity.Name != "Testperson Ett" {
		s.t.Fatalf("no result: %v", err)
	}
	if _, _, err := s.e.Result(s.t.Context(), id, foreign); !errors.Is(err, broker.ErrNotFound) {
		s.t.Fatalf("another browser got the result: %v", err)
	}
}

func TestOtherDevice(t *testing.T) {
	tell(t, func(s *story) {
		s.begin(providers.ModeOther)
		v := s.want(StatePending, "")
		s.wait(time.Second, true)
		if next := s.want(StatePending, ""); next.Wait.QR == v.Wait.QR {
			t.Error("the QR frame did not change within a second")
		}
		s.p.set("picked")
		s.wait(3*time.Second, true)
		s.p.set("approved")
		s.wantNoResult()
		s.wait(3*time.Second, true)
		s.want(StateComplete, "")
		s.wantResult()
		if got := s.p.seen[0].ReturnURL; got != "" {
			t.Errorf("another device got a return address: %s", got)
		}
	})
}

func TestReturnAfterCollect(t *testing.T) {
	tell(t, func(s *story) {
		s.begin(providers.ModeThis)
		s.p.set("approved")
		s.wait(3*time.Second, true)
		s.want(StateReturning, "")
		s.wantNoResult()
		s.arrive(s.nonce(), mine, Welcome)
		s.want(StateComplete, "")
		s.wantResult()
	})
}

func TestReturnBeforeCollect(t *testing.T) {
	tell(t, func(s *story) {
		s.begin(providers.ModeThis)
		s.p.set("approved")
		s.arrive(s.nonce(), mine, Welcome)
		s.want(StatePending, "")
		s.wait(3*time.Second, true)
		s.want(StateComplete, "")
		s.wantResult()
	})
}

func TestReload(t *testing.T) {
	tell(t, func(s *story) {
		s.begin(providers.ModeThis)
		n := s.nonce()
		for range 3 { // reload and back button on page and return address alike
			s.want(StatePending, "")
			s.arrive(n, mine, Welcome)
		}
		s.arrive(n, foreign, Spent)
		s.p.set("approved")
		s.wait(3*time.Second, true)
		for range 3 {
			s.want(StateComplete, "")
			s.wantResult()
		}
	})
}

// A login comes back in another browser than it began in: the attacker who sent
// a victim the app link must get nothing.
func TestWrongBrowser(t *testing.T) {
	for name, approvedFirst := range map[string]bool{"before collect": false, "after collect": true} {
		t.Run(name, func(t *testing.T) {
			tell(t, func(s *story) {
				s.begin(providers.ModeThis)
				n := s.nonce()
				if approvedFirst {
					s.p.set("approved")
					s.wait(3*time.Second, true)
					s.want(StateReturning, "")
				}
				s.arrive(n, foreign, WrongBrowser)
				s.want(StateFailed, providers.WrongBrowser)
				s.p.set("approved")
				s.wait(5*time.Second, true)
				s.want(StateFailed, providers.WrongBrowser)
				s.wantNoResult()
				s.arrive(n, mine, Welcome) // shows the failure, changes nothing
				s.want(StateFailed, providers.WrongBrowser)
				s.arrive(n, foreign, Spent)
				if !approvedFirst && !s.p.wasCancelled() {
					t.Error("the issuer was not told")
				}
				if !slices.Contains(s.rows.eventTypes(), audit.WrongBrowser) {
					t.Error("no audit event")
				}
				o, _ := s.rows.Order(s.t.Context(), id)
				if r, _ := s.e.open(o); r.Identity != nil || r.Evidence != nil || r.State != nil {
					t.Error("the identity was kept")
				}
			})
		})
	}
}

func TestForgedReturn(t *testing.T) {
	tell(t, func(s *story) {
		s.begin(providers.ModeThis)
		s.p.set("approved")
		s.wait(3*time.Second, true)
		s.arrive("", mine, Spent)
		s.arrive("guessed", mine, Spent)
		s.want(StateReturning, "")
		s.wantNoResult()
	})
	tell(t, func(s *story) { // an order on another device has no return address at all
		s.begin(providers.ModeOther)
		s.arrive("", mine, Spent)
		s.arrive("", foreign, Spent)
		s.want(StatePending, "")
	})
}

func TestForeignBrowserSeesNothing(t *testing.T) {
	tell(t, func(s *story) {
		s.begin(providers.ModeOther)
		for _, browser := range []string{"", foreign} {
			if _, err := s.e.Watch(s.t.Context(), id, browser); !errors.Is(err, broker.ErrNotFound) {
				t.Errorf("Watch(%q): %v", browser, err)
			}
			if err := s.e.Cancel(s.t.Context(), id, browser); !errors.Is(err, broker.ErrNotFound) {
				t.Errorf("Cancel(%q): %v", browser, err)
			}
			if err := s.e.Restart(s.t.Context(), id, browser); !errors.Is(err, broker.ErrNotFound) {
				t.Errorf("Restart(%q): %v", browser, err)
			}
		}
		s.want(StatePending, "")
	})
}

func TestClosedTab(t *testing.T) {
	t.Run("nobody picked it up", func(t *testing.T) {
		tell(t, func(s *story) {
			s.begin(providers.ModeOther)
			s.wait(5*time.Second, true)
			s.wait(25*time.Second, false)
			if s.p.wasCancelled() {
				t.Fatal("cancelled too early")
			}
			s.wait(10*time.Second, false)
			if !s.p.wasCancelled() {
				t.Fatal("the issuer was not told that nobody waits")
			}
			s.want(StateFailed, providers.Cancelled)
		})
	})
	t.Run("picked up", func(t *testing.T) {
		tell(t, func(s *story) {
			s.begin(providers.ModeOther)
			s.p.set("picked")
			s.wait(3*time.Second, true)
			s.wait(2*time.Minute, false)
			s.p.set("approved")
			s.wait(3*time.Second, false)
			s.want(StateComplete, "")
		})
	})
}

func TestDoubleClick(t *testing.T) {
	tell(t, func(s *story) {
		var group sync.WaitGroup
		won := make(chan error, 8)
		for range 8 {
			group.Go(func() { won <- s.e.Begin(s.t.Context(), wish(providers.ModeOther)) })
		}
		group.Wait()
		close(won)
		ok := 0
		for err := range won {
			if err == nil {
				ok++
			} else if !errors.Is(err, broker.ErrConflict) {
				t.Error(err)
			}
		}
		if ok != 1 {
			t.Errorf("%d orders stored, want 1", ok)
		}
	})
}

func TestTwoTabs(t *testing.T) {
	tell(t, func(s *story) {
		s.begin(providers.ModeOther)
		s.p.set("approved")
		s.wait(3*time.Second, true)
		s.want(StateComplete, "") // both tabs see it
		s.rows.consume(id)        // the first finishes the login
		v := s.want(StateFailed, providers.Unknown)
		if v.Failed.Hint != ContinuedElsewhere {
			t.Errorf("hint %q", v.Failed.Hint)
		}
		if _, _, err := s.e.Result(s.t.Context(), id, mine); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("the result was handed out twice: %v", err)
		}
	})
}

func TestCancelInBrowser(t *testing.T) {
	tell(t, func(s *story) {
		s.begin(providers.ModeOther)
		for range 2 {
			if err := s.e.Cancel(s.t.Context(), id, mine); err != nil {
				t.Fatal(err)
			}
		}
		s.want(StateFailed, providers.Cancelled)
		synctest.Wait()
		if !s.p.wasCancelled() {
			t.Error("the issuer was not told")
		}
		s.p.set("approved")
		s.wait(10*time.Second, true)
		s.want(StateFailed, providers.Cancelled)
		s.wantNoResult()
	})
}

func TestCancelAfterTheEnd(t *testing.T) {
	tell(t, func(s *story) {
		s.begin(providers.ModeOther)
		s.p.set("approved")
		s.wait(3*time.Second, true)
		if err := s.e.Cancel(s.t.Context(), id, mine); err != nil {
			t.Fatal(err)
		}
		s.want(StateComplete, "")
	})
}

func TestCancelInApp(t *testing.T) {
	tell(t, func(s *story) {
		s.begin(providers.ModeOther)
		s.p.set("cancelled")
		s.wait(3*time.Second, true)
		if v := s.want(StateFailed, providers.Cancelled); v.Failed.Hint != "userCancel" || v.Restartable {
			t.Errorf("%+v", v)
		}
	})
}

func TestTimeout(t *testing.T) {
	tell(t, func(s *story) {
		s.begin(providers.ModeOther)
		s.p.set("picked")
		s.wait(9*time.Minute, true)
		s.want(StatePending, "")
		s.wait(2*time.Minute, true)
		s.want(StateFailed, providers.TimedOut)
		if !s.p.wasCancelled() {
			t.Error("the issuer was not told")
		}
	})
}

func TestSilentRestart(t *testing.T) {
	t.Run("while somebody looks", func(t *testing.T) {
		tell(t, func(s *story) {
			s.begin(providers.ModeOther)
			s.wait(29*time.Second, true)
			s.p.set("startFailed")
			s.wait(3*time.Second, true)
			if v := s.want(StatePending, ""); v.Order.Restarts != 1 || s.p.started() != 2 {
				t.Errorf("restarts %d, started %d", v.Order.Restarts, s.p.started())
			}
			s.p.set("approved")
			s.wait(3*time.Second, true)
			s.want(StateComplete, "")
		})
	})
	t.Run("not after three minutes", func(t *testing.T) {
		tell(t, func(s *story) {
			s.begin(providers.ModeOther)
			s.wait(181*time.Second, true)
			s.p.set("startFailed")
			s.wait(3*time.Second, true)
			s.want(StateFailed, providers.StartFailed)
		})
	})
	t.Run("not when nobody looks", func(t *testing.T) {
		tell(t, func(s *story) {
			s.begin(providers.ModeOther)
			s.wait(2*time.Second, true)
			s.wait(14*time.Second, false)
			s.p.set("startFailed")
			s.wait(3*time.Second, false)
			s.want(StateFailed, providers.StartFailed)
			if s.p.started() != 1 {
				t.Error("restarted for nobody")
			}
		})
	})
	t.Run("this device gets a button", func(t *testing.T) {
		tell(t, func(s *story) {
			s.begin(providers.ModeThis)
			first := s.nonce()
			s.arrive(first, mine, Welcome) // back without having done anything
			s.p.set("startFailed")
			s.wait(3*time.Second, true)
			if v := s.want(StateFailed, providers.StartFailed); !v.Restartable {
				t.Error("no button")
			}
			if err := s.e.Restart(s.t.Context(), id, mine); err != nil {
				t.Fatal(err)
			}
			s.want(StatePending, "")
			if err := s.e.Restart(s.t.Context(), id, mine); !errors.Is(err, broker.ErrConflict) {
				t.Errorf("a second restart: %v", err)
			}
			if s.nonce() == first {
				t.Error("the restarted order has the nonce of the one before")
			}
			s.p.set("approved")
			s.wait(3*time.Second, true)
			s.arrive(first, mine, Spent)
			s.want(StateReturning, "")
			s.arrive(s.nonce(), mine, Welcome)
			s.want(StateComplete, "")
		})
	})
}

func TestPollWithoutChangeWritesNothing(t *testing.T) {
	tell(t, func(s *story) {
		s.begin(providers.ModeOther)
		s.p.set("picked")
		s.wait(4*time.Second, true)
		before := s.rows.writeCount()
		s.wait(2*time.Minute, true)
		if after := s.rows.writeCount(); after != before {
			t.Errorf("%d orders written", after-before)
		}
	})
}

func TestIssuerDown(t *testing.T) {
	tell(t, func(s *story) { // in the middle: waits and goes on
		s.begin(providers.ModeOther)
		s.p.setDown(true)
		s.wait(20*time.Second, true)
		s.want(StatePending, "")
		s.p.setDown(false)
		s.p.set("approved")
		s.wait(5*time.Second, true)
		s.want(StateComplete, "")
	})
	tell(t, func(s *story) { // at the start: says so
		s.p.setDown(true)
		s.begin(providers.ModeOther)
		s.want(StateFailed, providers.IssuerDown)
	})
}

func TestRefusedAtStart(t *testing.T) {
	tell(t, func(s *story) {
		s.p.startFail = &providers.Failed{Reason: providers.InProgress}
		s.begin(providers.ModeOther)
		s.want(StateFailed, providers.InProgress)
		if got := s.rows.eventTypes(); !slices.Equal(got, []audit.Type{audit.OrderStarted, audit.OrderFailed}) {
			t.Errorf("events %v", got)
		}
	})
}

func TestEvidenceRefused(t *testing.T) {
	tell(t, func(s *story) {
		s.p.refuse = "chain"
		s.begin(providers.ModeOther)
		s.p.set("approved")
		s.wait(3*time.Second, true)
		s.want(StateFailed, providers.EvidenceRefused)
		s.wantNoResult()
		last := s.rows.events[len(s.rows.events)-1]
		if last.Type != audit.EvidenceRefused || last.Reason != "chain" || last.Person != "" {
			t.Errorf("event %+v", last)
		}
	})
}

func TestUnknownProvider(t *testing.T) {
	tell(t, func(s *story) {
		b := wish(providers.ModeOther)
		b.Provider = providers.Freja
		var bad *providers.BadRequest
		if err := s.e.Begin(s.t.Context(), b); !errors.As(err, &bad) {
			t.Errorf("err %v", err)
		}
	})
}

// A node dies while a person approves. Its successor with the same folder knows
// the lease for its own and goes on at once.
func TestRestartedNode(t *testing.T) {
	t.Run("before the answer was fetched", func(t *testing.T) {
		tell(t, func(s *story) {
			s.begin(providers.ModeOther)
			s.p.set("picked")
			s.wait(3*time.Second, true)
			s.stop()
			s.p.set("approved")
			s.e = newEngine(s.t, s.rows, s.p, "node-a")
			s.stop = run(s.t, s.e)
			s.wait(time.Second, false)
			s.want(StateComplete, "")
		})
	})
	t.Run("after it was fetched and lost", func(t *testing.T) {
		tell(t, func(s *story) {
			s.begin(providers.ModeOther)
			die(s.e, s.stop)
			s.p.set("approved")
			s.p.orders["ref-1"].delivered = true // to a process that died before it stored
			s.e = newEngine(s.t, s.rows, s.p, "node-a")
			s.stop = run(s.t, s.e)
			s.wait(time.Second, false)
			s.want(StateFailed, providers.ResultLost)
		})
	})
	t.Run("after it was stored, before it was verified", func(t *testing.T) {
		tell(t, func(s *story) {
			s.begin(providers.ModeOther)
			s.stop()
			o, r, err := s.e.load(s.t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			s.p.set("approved")
			state, _, _ := s.p.Continue(s.t.Context(), r.State, providers.Event{})
			r.State, r.Answered = state, true
			if err := s.e.store(s.t.Context(), &o, r); err != nil {
				t.Fatal(err)
			}
			s.p.setDown(true) // the issuer is not needed for what is stored
			s.e = newEngine(s.t, s.rows, s.p, "node-a")
			s.stop = run(s.t, s.e)
			s.wait(time.Second, false)
			s.want(StateComplete, "")
		})
	})
}

// Another node takes over when the lease has ended. Until the dead node can no
// longer hold the answer, "no such order" ends nothing.
func TestOtherNode(t *testing.T) {
	tell(t, func(s *story) {
		s.begin(providers.ModeOther)
		s.p.set("picked")
		s.wait(3*time.Second, true)
		die(s.e, s.stop)
		s.e = newEngine(s.t, s.rows, s.p, "node-b")
		s.stop = run(s.t, s.e)
		s.wait(5*time.Second, true)
		if got := s.e.Pending(); got != 0 {
			t.Fatalf("took over a living lease")
		}
		s.wait(25*time.Second, true)
		if got := s.e.Pending(); got != 1 {
			t.Fatalf("did not take over")
		}
		s.p.set("approved")
		s.p.mu.Lock()
		s.p.orders["ref-1"].delivered = true // node-a fetched it in its last breath
		s.p.mu.Unlock()
		s.wait(2*time.Minute, true)
		s.want(StatePending, "")
		s.wait(2*time.Minute, true)
		s.want(StateFailed, providers.ResultLost)
	})
}

// Two nodes believe that an order is theirs and one fetches the answer: it
// counts, whoever holds the lease.
func TestCompleteWithoutLease(t *testing.T) {
	tell(t, func(s *story) {
		s.begin(providers.ModeOther)
		s.p.set("picked")
		s.wait(3*time.Second, true)
		s.rows.mu.Lock()
		o := s.rows.orders[id]
		o.Node, o.ForeignUntil = "node-b", time.Now()
		s.rows.orders[id] = o
		s.rows.mu.Unlock()
		s.p.set("approved")
		s.wait(3*time.Second, true)
		s.want(StateComplete, "")
	})
}

// The browser came back at another node: what this node believes is old, and
// the answer must be stored on top of what is there.
func TestAnswerOnTopOfAnotherNodesChange(t *testing.T) {
	tell(t, func(s *story) {
		s.begin(providers.ModeThis)
		other := newEngine(s.t, s.rows, s.p, "node-b")
		if a, err := other.Return(s.t.Context(), id, s.nonce(), mine); err != nil || a.Outcome != Welcome {
			t.Fatal(a, err)
		}
		s.p.set("approved")
		s.wait(5*time.Second, false)
		if v, err := other.Watch(s.t.Context(), id, mine); err != nil || v.State != StateComplete {
			t.Fatalf("%+v %v", v, err)
		}
	})
	tell(t, func(s *story) { // ended there: stays ended
		s.begin(providers.ModeThis)
		other := newEngine(s.t, s.rows, s.p, "node-b")
		if err := other.Cancel(s.t.Context(), id, mine); err != nil {
			t.Fatal(err)
		}
		other.calls.Wait()
		s.p.mu.Lock() // the cancel did not reach the issuer in time
		s.p.orders["ref-1"].cancelled, s.p.orders["ref-1"].phase = false, "approved"
		s.p.mu.Unlock()
		s.wait(5*time.Second, false)
		o, r, err := other.load(s.t.Context(), id)
		if err != nil || o.Reason != providers.Cancelled || r.State != nil {
			t.Fatalf("%v %v, state kept: %v", o.Reason, err, r.State != nil)
		}
	})
	tell(t, func(s *story) { // between the raw answer and its verification
		s.begin(providers.ModeThis)
		o, r, _ := s.e.schedule.get(id)
		other := newEngine(s.t, s.rows, s.p, "node-b")
		if _, err := other.Return(s.t.Context(), id, s.nonce(), mine); err != nil {
			t.Fatal(err)
		}
		d := providers.Done{Identity: providers.Identity{Name: "Testperson Ett"}}
		if _, again := s.e.complete(s.t.Context(), o, r, d); again {
			t.Error("not stored")
		}
		s.want(StateComplete, "")
	})
}

// A node whose lease has gone to another does not end the order because the
// issuer no longer knows it: the new holder has fetched the answer.
func TestLostLease(t *testing.T) {
	tell(t, func(s *story) {
		s.begin(providers.ModeOther)
		s.p.set("approved")
		s.rows.mu.Lock()
		o := s.rows.orders[id]
		o.Node = "node-b"
		s.rows.orders[id] = o
		s.rows.mu.Unlock()
		s.p.mu.Lock()
		s.p.orders["ref-1"].delivered = true
		s.p.mu.Unlock()
		s.wait(10*time.Second, true)
		s.want(StatePending, "")
	})
}

// Told to stop while the issuer answers: the answer is kept.
func TestStopDuringCollect(t *testing.T) {
	tell(t, func(s *story) {
		s.begin(providers.ModeOther)
		s.p.set("approved")
		s.p.mu.Lock()
		s.p.takes = 3 * time.Second
		s.p.mu.Unlock()
		time.Sleep(3 * time.Second) // in the middle of the answer
		s.stop()
		if o, err := s.rows.Order(s.t.Context(), id); err != nil || o.Phase != broker.Done {
			t.Errorf("%v %v", o.Phase, err)
		}
		s.stop = func() {}
	})
}

func TestRecord(t *testing.T) {
	n, _ := personnummer.FromDigits("198101199282")
	full := record{
		Request: providers.Request{Mode: providers.ModeThis, Text: "Logga in", Number: n}, Answered: true,
		Failed: &providers.Failed{Reason: providers.Unknown}, Identity: &providers.Identity{Number: n},
		Media: "x/test", State: []byte("state"), Evidence: []byte("evidence"),
	}
	for name, want := range map[string]record{
		"full": full, "empty": {}, "state": {State: []byte("{}")}, "evidence": {Evidence: []byte{0}, Media: "x"},
	} {
		b, err := want.marshal()
		var got record
		if err == nil {
			err = got.unmarshal(b)
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
		for i := range len(b) {
			if err := new(record).unmarshal(b[:i]); err == nil && i < len(b)-len(want.Evidence) {
				t.Errorf("%s: cut at %d was read", name, i)
			}
		}
	}
	for _, b := range [][]byte{nil, {0xff}, {5, 'x'}, bytes.Repeat([]byte{0xff}, 20)} {
		if new(record).unmarshal(b) == nil {
			t.Errorf("%v was read", b)
		}
	}
}

func TestDiskFull(t *testing.T) {
	tell(t, func(s *story) {
		s.rows.setFull(true)
		if err := s.e.Begin(s.t.Context(), wish(providers.ModeOther)); !errors.Is(err, errFull) {
			t.Fatalf("err %v", err)
		}
		synctest.Wait()
		if !s.p.wasCancelled() {
			t.Error("an order that is not stored lives on at the issuer")
		}
		s.rows.setFull(false)
		s.begin(providers.ModeOther)
		s.rows.setFull(true)
		s.p.set("approved")
		s.wait(10*time.Second, true)
		v, err := s.e.Watch(s.t.Context(), id, mine)
		if err != nil || v.State != StatePending {
			t.Fatalf("told of what is not stored: %v %v", v.State, err)
		}
		s.rows.setFull(false)
		s.wait(5*time.Second, true)
		s.want(StateComplete, "")
	})
}

// The binding is the same for everyone who has the record of the login.
func TestBinding(t *testing.T) {
	tell(t, func(s *story) {
		s.begin(providers.ModeOther)
		if got, want := string(s.p.seen[0].Binding), string(BindingOf("login", "app", id)); got != want {
			t.Error("the e-ID was not given the order's binding")
		}
	})
	a, b := BindingOf("login", "app", "1"), BindingOf("login", "app", "2")
	if string(a) == string(b) {
		t.Error("two orders share a binding")
	}
}

func TestRaceReturnAndCollect(t *testing.T) {
	for range 50 {
		tell(t, func(s *story) {
			s.begin(providers.ModeThis)
			s.p.set("approved")
			n := s.nonce()
			time.Sleep(2 * time.Second)
			var group sync.WaitGroup
			for range 8 {
				group.Go(func() {
					if _, err := s.e.Return(context.Background(), id, n, mine); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			s.wait(5*time.Second, true)
			s.want(StateComplete, "")
		})
	}
}

func TestNodeID(t *testing.T) {
	dir := t.TempDir()
	a, release, err := NodeID(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, releaseB, err := NodeID(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer releaseB()
	if a == b || len(a) != 22 {
		t.Fatalf("ids %q %q", a, b)
	}
	release()
	again, release, err := NodeID(dir)
	if err != nil || again != a {
		t.Fatalf("after a restart %q, want %q (%v)", again, a, err)
	}
	release()
}
