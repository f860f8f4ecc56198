package flow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/providers"
	"sigill/providers/personnummer"
)

const signing = "signing"

// room is an owner that writes down what it is told.
type room struct {
	mu     sync.Mutex
	told   []Settled
	refuse func(broker.OrderID) error // what it answers; nil: it takes over
	hang   time.Duration              // how long it takes over
}

func (r *room) Settled(ctx context.Context, s Settled) error {
	r.mu.Lock()
	r.told = append(r.told, s)
	refuse, hang := r.refuse, r.hang
	r.mu.Unlock()
	if hang > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(hang):
		}
	}
	if refuse != nil {
		return refuse(s.Order.ID)
	}
	return nil
}

func (r *room) refusing(f func(broker.OrderID) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = f
}

// heard is what the room was told of an order.
func (r *room) heard(id broker.OrderID) (list []Settled) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.told {
		if s.Order.ID == id {
			list = append(list, s)
		}
	}
	return list
}

// one is the only thing that the room was told of an order.
func (r *room) one(t *testing.T, id broker.OrderID) Settled {
	t.Helper()
	list := r.heard(id)
	if len(list) != 1 {
		t.Fatalf("told %d times of %s", len(list), id)
	}
	if (list[0].Done == nil) == (list[0].Failed == nil) {
		t.Fatal("not exactly one of Done and Failed")
	}
	return list[0]
}

// owned is a story in which the signing room has a signature made.
type owned struct {
	*story
	room *room
}

func tellOwned(t *testing.T, f func(s owned)) {
	synctest.Test(t, func(t *testing.T) {
		s := owned{&story{t: t, rows: newRows(), p: newIssuer()}, &room{}}
		s.start()
		defer func() { s.stop() }()
		f(s)
	})
}

// start makes a new process on the same rows.
func (s owned) start(change ...func(*Engine)) {
	s.e = newOwnedEngine(s.t, s.rows, s.p, "node-a", map[string]Owner{signing: s.room})
	for _, f := range change {
		f(s.e)
	}
	s.story.stop = run(s.t, s.e)
}

// signature is a wish for a signature that only Testperson Ett can make.
func signature(mode providers.Mode) Begin {
	n, _ := personnummer.FromDigits("198101199282")
	b := wish(mode)
	b.Kind, b.Locked, b.Owner, b.Ref = providers.KindSign, true, signing, "order 7, signatory 2"
	b.Request.Number, b.Request.Text, b.Request.Markup, b.Request.Binding = n, "Jag skriver under", providers.SimpleMarkdownV1, []byte("digest")
	return b
}

func (s owned) sign(b Begin) {
	s.t.Helper()
	if err := s.e.Begin(s.t.Context(), b); err != nil {
		s.t.Fatal(err)
	}
}

func (s owned) consumed(want bool) {
	s.t.Helper()
	o, err := s.rows.Order(s.t.Context(), id)
	if err != nil || o.Consumed.IsZero() == want {
		s.t.Fatalf("consumed at %v, %v", o.Consumed, err)
	}
}

func TestDelivered(t *testing.T) {
	tellOwned(t, func(s owned) {
		t := s.t
		s.sign(signature(providers.ModeOther))
		s.p.set("picked")
		s.wait(3*time.Second, true)
		s.p.set("approved")
		time.Sleep(3*time.Second - time.Millisecond)
		synctest.Wait()
		got := s.room.one(t, id)
		n, _ := personnummer.FromDigits("198101199282")
		if got.Done == nil || got.Done.Identity.Name != "Testperson Ett" || got.Done.Evidence.MediaType != "x/test" || string(got.Done.Evidence.Bytes) != "proof" {
			t.Errorf("done: %+v", got.Done)
		}
		if r := got.Request; r.Text != "Jag skriver under" || r.Markup != providers.SimpleMarkdownV1 || string(r.Binding) != "digest" || r.Number != n {
			t.Errorf("request: %+v", r)
		}
		if o := got.Order; o.ID != id || o.Ref != "order 7, signatory 2" || o.Client != "app" || o.Phase != broker.Done || o.Sealed != nil {
			t.Errorf("order: %+v", o)
		}
		s.consumed(true)
		// What the browser sees stays what it is, and nobody is told again.
		s.wait(time.Minute, true)
		s.want(StateComplete, "")
		// Not even by a sweep that found it before another node delivered it.
		for _, late := range []broker.OrderID{id, "removed"} {
			if err := s.e.hand(t.Context(), s.e.desks[signing], late); err != nil {
				t.Error(err)
			}
		}
		s.room.one(t, id)
	})
}

func TestDeliveredFailures(t *testing.T) {
	for name, row := range map[string]struct {
		happens func(s owned)
		reason  providers.Reason
	}{
		"cancelled in the app": {func(s owned) { s.sign(signature(providers.ModeOther)); s.p.set("cancelled") }, providers.Cancelled},
		"cancelled on our page": {func(s owned) {
			s.sign(signature(providers.ModeOther))
			if err := s.e.Cancel(s.t.Context(), id, mine); err != nil {
				s.t.Fatal(err)
			}
		}, providers.Cancelled},
		"never started": {func(s owned) { s.p.setDown(true); s.sign(signature(providers.ModeOther)) }, providers.IssuerDown},
		"refused by the issuer": {func(s owned) {
			s.p.startFail = &providers.Failed{Reason: providers.InProgress}
			s.sign(signature(providers.ModeOther))
		}, providers.InProgress},
		"proof refused":    {func(s owned) { s.p.refuse = "chain"; s.sign(signature(providers.ModeOther)); s.p.set("approved") }, providers.EvidenceRefused},
		"app not started":  {func(s owned) { s.sign(signature(providers.ModeThis)); s.p.set("startFailed") }, providers.StartFailed},
		"the browser left": {func(s owned) { s.sign(signature(providers.ModeThis)); s.wait(40*time.Second, false) }, providers.Cancelled},
		"took too long":    {func(s owned) { s.sign(signature(providers.ModeThis)); s.p.set("picked"); s.wait(11*time.Minute, true) }, providers.TimedOut},
		"lost":             {func(s owned) { s.sign(signature(providers.ModeThis)); clear(s.p.orders) }, providers.ResultLost},
		"by another person": {func(s owned) {
			b := signature(providers.ModeThis)
			b.Request.Number = other()
			s.sign(b)
			s.p.set("approved")
		}, providers.EvidenceRefused},
	} {
		t.Run(name, func(t *testing.T) {
			tellOwned(t, func(s owned) {
				t := s.t
				row.happens(s)
				s.wait(3*time.Second, true)
				got := s.room.one(t, id)
				if got.Failed == nil || got.Failed.Reason != row.reason || got.Order.Reason != row.reason || got.Request.Text != "Jag skriver under" {
					t.Errorf("%+v", got)
				}
				s.consumed(true)
				// What the owner was told stays true: it begins another order.
				if v := s.want(StateFailed, row.reason); v.Restartable {
					t.Error("restartable")
				}
				if err := s.e.Restart(t.Context(), id, mine); !errors.Is(err, broker.ErrConflict) {
					t.Errorf("restart: %v", err)
				}
				s.wait(time.Minute, true)
				s.room.one(t, id)
				s.want(StateFailed, row.reason)
			})
		})
	}
}

func other() personnummer.Number {
	n, _ := personnummer.FromDigits("199002232388")
	return n
}

// A locked signature counts without the browser; cookie and nonce only decide
// what is shown.
func TestLockedSignature(t *testing.T) {
	tellOwned(t, func(s owned) {
		t := s.t
		s.sign(signature(providers.ModeThis))
		n := s.nonce()
		s.p.set("picked")
		s.wait(3*time.Second, true)
		s.arrive(n, foreign, CloseWindow) // the app is quicker than the issuer
		s.p.set("approved")               // and the tab is closed
		s.wait(time.Minute, false)
		if got := s.room.one(t, id); got.Done == nil || got.Request.ReturnURL != "" {
			t.Errorf("%+v", got)
		}
		s.consumed(true)
		s.arrive(n, foreign, CloseWindow)
		s.arrive("guessed", foreign, Spent)
		s.arrive("guessed", mine, Spent)
		s.want(StateComplete, "")
		s.arrive(n, mine, Welcome)
		s.arrive(n, mine, Welcome)
		s.want(StateComplete, "")
		if _, err := s.e.Watch(t.Context(), id, foreign); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("another browser sees it: %v", err)
		}
		s.consumed(true) // coming back has not undone it
		s.room.one(t, id)
	})
}

// The owner's database is away: it hears again, ever less often, until it has
// taken over.
func TestDeliveredAgain(t *testing.T) {
	tellOwned(t, func(s owned) {
		t := s.t
		s.room.refusing(func(broker.OrderID) error { return errors.New("database is away") })
		s.sign(signature(providers.ModeOther))
		s.p.set("approved")
		s.wait(20*time.Second, true)
		soon := len(s.room.heard(id))
		if soon < 3 || soon > 5 {
			t.Errorf("told %d times in 20 s", soon)
		}
		s.wait(20*time.Minute, true)
		if got := len(s.room.heard(id)) - soon; got < 15 || got > 30 {
			t.Errorf("told %d times in another 20 min", got)
		}
		s.consumed(false)
		s.want(StateComplete, "")
		s.room.refusing(nil)
		s.wait(maxPause+2*time.Second, true)
		s.consumed(true)
		list := s.room.heard(id)
		s.wait(5*time.Minute, true)
		if again := s.room.heard(id); len(again) != len(list) {
			t.Error("told again after it was taken over")
		}
		for _, l := range list {
			if l.Done == nil || l.Done.Identity.Number != list[0].Done.Identity.Number {
				t.Error("told something else")
			}
		}
	})
}

// The process dies between what the owner has done and our note of it: the next
// one tells it again, of the same order.
func TestDeliveredAgainAfterACrash(t *testing.T) {
	for name, dies := range map[string]func(s owned){
		"after the owner took over": func(s owned) { s.rows.deaf = true },
		"before the owner heard":    func(s owned) { s.room.refusing(func(broker.OrderID) error { return errors.New("dying") }) },
	} {
		t.Run(name, func(t *testing.T) {
			tellOwned(t, func(s owned) {
				t := s.t
				dies(s)
				s.sign(signature(providers.ModeOther))
				s.p.set("approved")
				time.Sleep(2500 * time.Millisecond)
				synctest.Wait()
				s.stop()
				before := len(s.room.heard(id))
				s.consumed(false)
				if before == 0 {
					t.Fatal("not told at once")
				}
				s.rows.deaf = false
				s.room.refusing(nil)
				s.start()
				synctest.Wait()
				if got := s.room.heard(id); len(got) != before+1 || got[before].Done == nil {
					t.Fatalf("told %d times before and %d after", before, len(got)-before)
				}
				s.consumed(true)
			})
		})
	}
}

// An engine on which nobody runs stores; whoever runs next delivers, also what
// another node has left behind.
func TestSweepAtStart(t *testing.T) {
	tellOwned(t, func(s owned) {
		t := s.t
		s.stop()
		const many = 2*handful + 7
		s.p.setDown(true)
		for i := range many {
			b := signature(providers.ModeOther)
			b.ID = broker.OrderID(fmt.Sprintf("%03d", i))
			s.sign(b)
			time.Sleep(time.Millisecond)
		}
		b := wish(providers.ModeOther)
		b.ID = "a login"
		s.sign(b)
		s.start(func(e *Engine) { e.Limits.Workers = 1 })
		synctest.Wait()
		if len(s.room.told) != many {
			t.Fatalf("told of %d", len(s.room.told))
		}
		seen := map[broker.OrderID]bool{}
		for _, told := range s.room.told {
			if told.Order.Owner != signing || seen[told.Order.ID] {
				t.Fatalf("told of %s", told.Order.ID)
			}
			seen[told.Order.ID] = true
		}
	})
}

// What cannot be delivered keeps nothing else from being delivered.
func TestStuckOrdersBlockNobody(t *testing.T) {
	tellOwned(t, func(s owned) {
		t := s.t
		bad := func(id broker.OrderID) error {
			if strings.HasPrefix(string(id), "bad") {
				return errors.New("not this one")
			}
			return nil
		}
		s.room.refusing(bad)
		s.stop()
		s.p.setDown(true)
		const many = 3 * handful
		for i := range many {
			b := signature(providers.ModeOther)
			b.ID = broker.OrderID(fmt.Sprintf("bad %03d", i))
			s.sign(b)
		}
		time.Sleep(time.Second)
		b := signature(providers.ModeOther)
		b.ID = "good"
		s.sign(b)
		s.rows.orders["bad 000"] = func(o broker.Order) broker.Order { o.Sealed = []byte("damaged"); return o }(s.rows.orders["bad 000"])
		s.start()
		synctest.Wait()
		s.room.one(t, "good")
		b.ID = "good too"
		s.sign(b)
		synctest.Wait()
		s.room.one(t, "good too")
		// Taken over elsewhere, they are forgotten here.
		for i := range many {
			s.rows.consume(broker.OrderID(fmt.Sprintf("bad %03d", i)))
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := len(s.e.desks[signing].tries); n > 0 {
			t.Errorf("%d are remembered", n)
		}
	})
}

// An owner that hangs is given up after a while, and does not hear of one order
// twice at a time from one node.
func TestHangingOwner(t *testing.T) {
	tellOwned(t, func(s owned) {
		t := s.t
		s.room.hang = time.Hour
		s.sign(signature(providers.ModeOther))
		s.p.set("approved")
		s.wait(17*time.Second, true)
		s.room.one(t, id)
		s.room.mu.Lock()
		s.room.hang = 5 * time.Second
		s.room.mu.Unlock()
		s.wait(10*time.Second, true)
		s.consumed(true)
		if got := len(s.room.heard(id)); got != 2 {
			t.Errorf("told %d times", got)
		}
	})
}

// Told to stop while the owner takes something over: it may finish.
func TestStopWhileDelivering(t *testing.T) {
	tellOwned(t, func(s owned) {
		t := s.t
		s.room.hang = 3 * time.Second
		s.sign(signature(providers.ModeOther))
		s.p.set("approved")
		time.Sleep(4 * time.Second)
		s.room.one(t, id)
		s.stop()
		s.consumed(true)
	})
}

// Two nodes and a person who changes their mind: the result that is stored first
// is the only one that anybody hears of.
func TestRaceOfResults(t *testing.T) {
	for i := range 50 {
		tellOwned(t, func(s owned) {
			t := s.t
			second := newOwnedEngine(t, s.rows, s.p, "node-b", map[string]Owner{signing: s.room})
			stop := run(t, second)
			defer stop()
			s.sign(signature(providers.ModeOther))
			s.p.set("approved")
			time.Sleep(1990*time.Millisecond + time.Duration(i)*5*time.Millisecond)
			var group sync.WaitGroup
			for _, e := range []*Engine{s.e, second} {
				group.Go(func() {
					if err := e.Cancel(t.Context(), id, mine); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			time.Sleep(10 * time.Second)
			synctest.Wait()
			list := s.room.heard(id)
			if len(list) == 0 {
				t.Fatal("nobody was told")
			}
			o, err := s.rows.Order(t.Context(), id)
			if err != nil || o.Consumed.IsZero() {
				t.Fatalf("%+v, %v", o, err)
			}
			for _, l := range list {
				if l.Order.Phase != o.Phase || (l.Done != nil) != (o.Phase == broker.Done) {
					t.Errorf("told %s of an order that is %s", l.Order.Phase, o.Phase)
				}
			}
		})
	}
}

// Logins are fetched, never brought; what is brought must be locked.
func TestWhoseResultsAreBrought(t *testing.T) {
	tellOwned(t, func(s owned) {
		t := s.t
		s.begin(providers.ModeOther)
		s.p.set("approved")
		s.wait(30*time.Second, true)
		s.want(StateComplete, "")
		if len(s.room.told) > 0 {
			t.Error("told of a login")
		}
		s.consumed(false)
		for name, spoil := range map[string]func(*Begin){
			"nobody's":           func(b *Begin) { b.Owner = "nobody" },
			"unlocked signature": func(b *Begin) { b.Locked = false },
			"nobody's number":    func(b *Begin) { b.Request.Number = personnummer.Number{} },
			"locked login":       func(b *Begin) { b.Kind = providers.KindAuth },
		} {
			b := signature(providers.ModeOther)
			b.ID = "spoilt"
			spoil(&b)
			if err := s.e.Begin(t.Context(), b); err == nil {
				t.Errorf("%s: begun", name)
			}
			if _, err := s.rows.Order(t.Context(), "spoilt"); !errors.Is(err, broker.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	good := Config{
		Orders: newRows(), Leases: newRows(), Box: plainBox{}, Short: newRows(), Node: "n", Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Provider:     func(providers.ID, string) (providers.Provider, bool) { return nil, false },
		ReturnURL:    func(broker.OrderID, string) string { return "" },
		PersonDigest: func(personnummer.Number) string { return "" },
	}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	good.Owners = map[string]Owner{signing: &room{}}
	if _, err := New(good); err == nil {
		t.Error("owners without Results")
	}
	good.Results = newRows()
	if _, err := New(good); err != nil {
		t.Error(err)
	}
	good.Owners[broker.LoginOwner] = &room{}
	if _, err := New(good); err == nil {
		t.Error("an owner of logins")
	}
}

// An end is counted once, however often the browser comes back afterwards.
func TestEndIsObservedOnce(t *testing.T) {
	tell(t, func(s *story) {
		var mu sync.Mutex
		var seen []broker.Phase
		s.e.Observe = func(o Outcome) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, o.Phase)
		}
		s.begin(providers.ModeThis)
		s.p.set("approved")
		s.wait(3*time.Second, true)
		s.arrive(s.nonce(), mine, Welcome)
		s.want(StateComplete, "")
		if !slices.Equal(seen, []broker.Phase{broker.Done}) {
			t.Errorf("observed %v", seen)
		}
		if n := slices.Index(s.rows.eventTypes(), audit.OrderCompleted); n < 0 {
			t.Error("no audit event")
		}
	})
}

func TestSettledHidesThePersonInLogs(t *testing.T) {
	var text strings.Builder
	n, _ := personnummer.FromDigits("198101199282")
	slog.New(slog.NewTextHandler(&text, nil)).Info("x", "settled", Settled{
		Order: broker.Order{ID: id, Phase: broker.Done}, Request: providers.Request{Text: "hemligt", Number: n},
		Done: &providers.Done{Identity: providers.Identity{Number: n, Name: "Testperson Ett"}},
	})
	if s := text.String(); !strings.Contains(s, string(id)) || strings.Contains(s, "hemligt") || strings.Contains(s, "Testperson") || strings.Contains(s, "1981") {
		t.Error(s)
	}
}
