package flow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/providers"
	"sigill/providers/personnummer"
)

// site is an e-ID whose issuer has a web site. Its code is good once, and who asks
// for it again has lost what came first.
type site struct {
	mu        sync.Mutex
	post      bool
	raw       bool // the answer of the issuer is stored before it is verified
	refuse    string
	down      bool
	takes     time.Duration
	next      time.Duration // more than zero: the callback is not the answer
	requests  []providers.Request
	events    []providers.Event
	redeemed  int
	cancelled int
}

type siteState struct {
	Answer string `json:"answer,omitempty"`
}

func (p *site) Info() providers.Info { return providers.Info{ID: providers.Telia, Site: true} }

func (p *site) Start(_ context.Context, r providers.Request) (providers.State, providers.Step, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = append(p.requests, r)
	if p.post {
		return providers.State(`{}`), providers.PostForm{URL: "https://issuer.example.se/sso", Fields: map[string]string{"SAMLRequest": "x", "RelayState": r.Handle}}, nil
	}
	return providers.State(`{}`), providers.Redirect{URL: "https://issuer.example.se/sso?RelayState=" + r.Handle}, nil
}

func (p *site) StartSignature(ctx context.Context, r providers.SignRequest) (providers.State, providers.Step, error) {
	return p.Start(ctx, r.Request)
}

func (p *site) Continue(ctx context.Context, st providers.State, v providers.Event) (providers.State, providers.Step, error) {
	p.mu.Lock()
	p.events = append(p.events, v)
	takes := p.takes
	p.mu.Unlock()
	if takes > 0 {
		select {
		case <-ctx.Done():
			return st, nil, &providers.Unavailable{Issuer: "site", Err: ctx.Err()}
		case <-time.After(takes):
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return st, nil, &providers.Unavailable{Issuer: "site", Err: errors.New("503")}
	}
	var s siteState
	if err := json.Unmarshal(st, &s); err != nil {
		return nil, nil, err
	}
	if s.Answer == "" && v.Kind != providers.Callback {
		return st, nil, errors.New("asked before the browser came")
	}
	if v.Kind == providers.Callback {
		if p.next > 0 {
			return st, providers.Wait{PickedUp: true, Next: p.next}, nil
		}
		if len(v.Form["code"]) != 1 {
			return st, providers.Failed{Reason: providers.Cancelled, Hint: "cancel"}, nil
		}
		if p.raw {
			if p.redeemed++; p.redeemed > 1 {
				return st, providers.Failed{Reason: providers.ResultLost}, nil
			}
			b, _ := json.Marshal(siteState{Answer: v.Form["code"][0]})
			return b, providers.Wait{PickedUp: true}, nil
		}
	}
	if p.refuse != "" {
		return st, providers.Failed{Reason: providers.EvidenceRefused, Check: p.refuse}, nil
	}
	n, _ := personnummer.FromDigits("198101199282")
	return st, providers.Done{Identity: providers.Identity{Number: n, Name: "Testperson Ett"}, Evidence: providers.Evidence{MediaType: "x/test", Bytes: []byte("proof")}}, nil
}

func (p *site) Cancel(context.Context, providers.State) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancelled++
	return nil
}

func (p *site) handle(t *testing.T) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests[len(p.requests)-1].Handle
}

func (p *site) asked() (callbacks, ticks int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, v := range p.events {
		if v.Kind == providers.Callback {
			callbacks++
		} else {
			ticks++
		}
	}
	return callbacks, ticks
}

// trip is one order whose person is sent to a site.
type trip struct {
	*story
	site *site
}

func travel(t *testing.T, f func(s *trip)) {
	tell(t, func(s *story) {
		p := &site{}
		s.e.Provider = func(providers.ID, string) (providers.Provider, bool) { return p, true }
		f(&trip{s, p})
	})
}

func trail(k providers.Kind) Begin {
	b := wish(providers.ModeThis)
	b.Provider, b.Instance, b.Kind = providers.Telia, "telia", k
	return b
}

func (s *trip) depart(b Begin) {
	s.t.Helper()
	if err := s.e.Begin(s.t.Context(), b); err != nil {
		s.t.Fatal(err)
	}
}

func answerOf(handle string) Callback {
	return Callback{Handle: handle, Instance: "telia", At: providers.BackPath, Form: map[string][]string{"code": {"c"}, "state": {handle}}}
}

// strays brings what earns nobody the address.
func (s *trip) strays(c Callback) {
	s.t.Helper()
	if address, err := s.e.Callback(s.t.Context(), c); !errors.Is(err, broker.ErrNotFound) || address != "" {
		s.t.Errorf("led to %q, %v", address, err)
	}
}

// comes brings an answer, and gives the nonce of the address that it leads to.
func (s *trip) comes(c Callback) (nonce string) {
	s.t.Helper()
	address, err := s.e.Callback(s.t.Context(), c)
	if err != nil {
		s.t.Fatal(err)
	}
	_, nonce, ok := strings.Cut(address, "https://login.example.se/return/"+string(id)+"?n=")
	if !ok {
		s.t.Fatalf("it leads to %q", address)
	}
	return nonce
}

func TestAway(t *testing.T) {
	for _, post := range []bool{false, true} {
		for _, raw := range []bool{false, true} {
			t.Run(fmt.Sprintf("post %t raw %t", post, raw), func(t *testing.T) {
				travel(t, func(s *trip) {
					s.site.post, s.site.raw = post, raw
					s.depart(trail(providers.KindAuth))
					v := s.want(StatePending, "")
					handle := s.site.handle(t)
					switch step := v.Away.(type) {
					case providers.Redirect:
						if post || !strings.HasSuffix(step.URL, "?RelayState="+handle) {
							t.Errorf("sent to %s", step.URL)
						}
					case providers.PostForm:
						if !post || step.URL != "https://issuer.example.se/sso" || step.Fields["RelayState"] != handle || step.Fields["SAMLRequest"] != "x" {
							t.Errorf("sent to %+v", step)
						}
					default:
						t.Fatalf("sent by %T", step)
					}
					if v.Wait.Text == (providers.Text{}) || !v.Wait.PickedUp {
						t.Errorf("waits for %+v", v.Wait)
					}
					if o, err := s.rows.Order(s.t.Context(), id); err != nil || !o.PickedUp {
						t.Error("it counts as one that nobody has")
					}
					writes := s.rows.writeCount()
					s.wait(5*time.Minute, false) // nobody is there to look at our page
					if n := s.rows.writeCount(); n != writes {
						t.Errorf("%d writes while it was away", n-writes)
					}
					if c, ticks := s.site.asked(); c+ticks > 0 {
						t.Errorf("asked %d and %d times while it was away", c, ticks)
					}
					at := time.Now()
					nonce := s.comes(answerOf(handle))
					if d := time.Since(at); d > 100*time.Millisecond {
						t.Errorf("gone on after %v", d)
					}
					if v := s.want(StateReturning, ""); v.Away != nil {
						t.Error("sent again")
					}
					s.wantNoResult()
					s.arrive(nonce, mine, Welcome)
					s.want(StateComplete, "")
					s.wantResult()
				})
			})
		}
	}
}

// signTrail is a signature that is locked to one person.
func signTrail() Begin {
	b := signature(providers.ModeThis)
	b.Provider, b.Instance = providers.Telia, "telia"
	return b
}

func signedBack(handle string) Callback {
	c := answerOf(handle)
	c.At = providers.SignBackPath
	return c
}

func TestHandle(t *testing.T) {
	travel(t, func(s *trip) {
		b := trail(providers.KindAuth)
		b.ID = broker.OrderID(broker.NewID())
		s.depart(b)
		h := s.site.handle(t)
		if len(h) > maxHandle || h != url.QueryEscape(h) || !strings.HasPrefix(h, string(b.ID)+".") {
			t.Errorf("%d bytes: %q", len(h), h)
		}
		b.ID = "another"
		s.depart(b)
		if again := s.site.handle(t); again[len(again)-43:] == h[len(h)-43:] {
			t.Error("two orders have one secret")
		}
	})
}

// What fits no order says nothing and changes nothing.
func TestCallbackOfNothing(t *testing.T) {
	travel(t, func(s *trip) {
		s.depart(trail(providers.KindAuth))
		handle := s.site.handle(t)
		other := trail(providers.KindAuth)
		other.ID = "order-2"
		s.depart(other)
		signs := signTrail()
		s.e.desks[signing] = &desk{}
		signs.ID = "order-3"
		s.depart(signs)
		sign := s.site.handle(t)
		writes := s.rows.writeCount()
		for name, c := range map[string]Callback{
			"nothing":            {},
			"only an order":      answerOf(string(id)),
			"an empty secret":    answerOf(string(id) + "."),
			"another secret":     answerOf(handle[:len(handle)-1] + "!"),
			"more":               answerOf(handle + "x"),
			"another's secret":   answerOf("order-2" + handle[len(id):]),
			"an unknown order":   answerOf("order-9" + handle[len(id):]),
			"far too long":       answerOf(handle + strings.Repeat("x", 1<<20)),
			"another instance":   {Handle: handle, Instance: "freja", At: providers.BackPath},
			"no instance":        {Handle: handle, At: providers.BackPath},
			"as a signature":     signedBack(handle),
			"signed, as a login": answerOf(sign),
			"nowhere":            {Handle: handle, Instance: "telia", At: "elsewhere"},
		} {
			if address, err := s.e.Callback(s.t.Context(), c); !errors.Is(err, broker.ErrNotFound) || address != "" {
				t.Errorf("%s: %q, %v", name, address, err)
			}
		}
		if n := s.rows.writeCount(); n != writes {
			t.Errorf("%d writes", n-writes)
		}
		if c, ticks := s.site.asked(); c+ticks > 0 {
			t.Error("the issuer's answer was looked at")
		}
		s.want(StatePending, "")
	})
	// An order that nobody is sent away for has no handle.
	tell(t, func(s *story) {
		s.begin(providers.ModeThis)
		r := s.p.seen[0]
		if r.Handle == "" {
			t.Fatal("no handle")
		}
		if _, err := s.e.Callback(s.t.Context(), Callback{Handle: r.Handle, At: providers.BackPath}); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("taken: %v", err)
		}
		s.want(StatePending, "")
	})
}

// The first answer counts; the back button and a second press of it change nothing
// and lead to the same address. Another leads nowhere.
func TestCallbackTwice(t *testing.T) {
	travel(t, func(s *trip) {
		s.site.raw = true
		s.depart(trail(providers.KindAuth))
		c := answerOf(s.site.handle(t))
		nonce := s.comes(c)
		if s.comes(c) != nonce {
			t.Error("it leads elsewhere")
		}
		for name, form := range map[string]map[string][]string{
			"a refusal":      {"error": {"access_denied"}, "state": {c.Handle}},
			"another code":   {"code": {"d"}, "state": {c.Handle}},
			"one field less": {"state": {c.Handle}},
			"one more":       {"code": {"c"}, "state": {c.Handle}, "x": {""}},
			"a value more":   {"code": {"c", "c"}, "state": {c.Handle}},
			"joined":         {"codec": {""}, "state": {c.Handle}},
			"nothing":        nil,
		} {
			t.Log(name)
			another := c
			another.Form = form
			s.strays(another)
		}
		s.arrive(nonce, mine, Welcome)
		if s.comes(c) != nonce {
			t.Error("it leads elsewhere after the return")
		}
		s.arrive(nonce, mine, Welcome)
		s.want(StateComplete, "")
		s.wantResult()
		s.rows.consume(id)
		if s.comes(c) != nonce {
			t.Error("it leads elsewhere in the end")
		}
		another := c
		another.Form = map[string][]string{"code": {"d"}}
		s.strays(another)
		s.arrive(nonce, mine, Welcome)
		s.arrive(nonce, foreign, Spent)
		if n, _ := s.site.asked(); n != 1 || s.site.redeemed != 1 {
			t.Errorf("the answer was looked at %d times, redeemed %d times", n, s.site.redeemed)
		}
	})
	t.Run("at the same time", func(t *testing.T) {
		travel(t, func(s *trip) {
			s.site.raw, s.site.takes = true, 3*time.Second
			s.depart(trail(providers.KindAuth))
			c := answerOf(s.site.handle(t))
			var group sync.WaitGroup
			var led atomic.Int32
			for i := range 20 {
				group.Go(func() {
					c := c
					c.Form = map[string][]string{"code": {fmt.Sprint(i)}}
					switch _, err := s.e.Callback(s.t.Context(), c); {
					case err == nil:
						led.Add(1)
					case !errors.Is(err, broker.ErrNotFound):
						t.Error(err)
					}
				})
			}
			group.Wait()
			if n := led.Load(); n != 1 {
				t.Errorf("%d were given the address", n)
			}
			s.want(StateReturning, "")
			if n, _ := s.site.asked(); n != 1 {
				t.Errorf("%d answers were looked at", n)
			}
		})
	})
}

// An answer to what is over leads nowhere and changes nothing.
func TestCallbackTooLate(t *testing.T) {
	travel(t, func(s *trip) {
		s.depart(trail(providers.KindAuth))
		if err := s.e.Cancel(s.t.Context(), id, mine); err != nil {
			t.Fatal(err)
		}
		s.strays(answerOf(s.site.handle(t)))
		synctest.Wait()
		s.want(StateFailed, providers.Cancelled)
		if n, _ := s.site.asked(); n > 0 || s.site.cancelled != 1 {
			t.Errorf("looked at %d answers, cancelled %d times", n, s.site.cancelled)
		}
	})
	t.Run("the time is out", func(t *testing.T) {
		for range 5 {
			timeIsOut(t)
		}
	})
	t.Run("just in time", func(t *testing.T) {
		travel(t, func(s *trip) {
			s.site.takes = 5 * time.Second
			s.depart(trail(providers.KindAuth))
			time.Sleep(s.e.Limits.Life - time.Second)
			s.comes(answerOf(s.site.handle(t)))
			s.want(StateReturning, "")
		})
	})
}

func timeIsOut(t *testing.T) {
	travel(t, func(s *trip) {
		s.depart(trail(providers.KindAuth))
		began := time.Now()
		for {
			o, err := s.rows.Order(s.t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if o.Phase != broker.Pending {
				break
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if d := time.Since(began); d < s.e.Limits.Life || d > s.e.Limits.Life+5*time.Second {
			t.Errorf("given up after %v", d)
		}
		s.strays(answerOf(s.site.handle(t)))
		s.want(StateFailed, providers.TimedOut)
		if n, _ := s.site.asked(); n > 0 {
			t.Error("an answer was looked at")
		}
	})
}

// What is told to be asked about at once, while it is being asked about, is asked
// about again, and only then is the turn over.
func TestHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over := func(turn <-chan struct{}) bool {
			select {
			case <-turn:
				return true
			default:
				return false
			}
		}
		s := newSchedule()
		if !over(s.hurry(id)) {
			t.Error("waits for what is not watched")
		}
		s.add(broker.Order{ID: id, Phase: broker.Pending}, record{}, time.Now(), time.Hour)
		turn := s.hurry(id)
		if _, _, ok := s.next(); !ok || over(turn) {
			t.Fatal("not due at once")
		}
		again := s.hurry(id)
		s.again(id, time.Hour)
		if over(again) {
			t.Error("over before it was asked about")
		}
		if _, _, ok := s.next(); !ok {
			t.Fatal("not due again")
		}
		s.again(id, time.Hour)
		if !over(turn) || !over(again) {
			t.Error("not over")
		}
		if _, _, ok := s.next(); ok {
			t.Error("due a third time")
		}
		for name, end := range map[string]func(){"ended": func() { s.end(id) }, "cleared": s.clear} {
			s.add(broker.Order{ID: id, Phase: broker.Pending}, record{}, time.Now(), time.Hour)
			turn := s.hurry(id)
			if end(); !over(turn) {
				t.Errorf("%s: not over", name)
			}
		}
	})
}

// I3: whoever brings the answer, the login goes on in the browser that began it and
// came back by the one-time address. In another it ends, and nobody learns who it
// was.
func TestCallbackInAnotherBrowser(t *testing.T) {
	for name, takes := range map[string]time.Duration{"proven before it arrives": 0, "proven after": time.Hour} {
		t.Run(name, func(t *testing.T) {
			travel(t, func(s *trip) {
				s.site.takes = takes
				s.depart(trail(providers.KindAuth))
				nonce := s.comes(answerOf(s.site.handle(t)))
				s.arrive(nonce, foreign, WrongBrowser)
				s.want(StateFailed, providers.WrongBrowser)
				time.Sleep(time.Minute)
				s.want(StateFailed, providers.WrongBrowser)
				s.arrive(nonce, mine, Welcome) // to the page that says so
				s.wantNoResult()
				o, err := s.rows.Order(s.t.Context(), id)
				if err != nil || strings.Contains(string(o.Sealed), "Testperson") || strings.Contains(string(o.Sealed), `"code"`) {
					t.Errorf("kept: %s %v", o.Sealed, err)
				}
				for _, v := range s.rows.events {
					if v.Person != "" && v.Type == audit.WrongBrowser {
						t.Error("the audit names who was lured")
					}
				}
			})
		})
	}
	t.Run("without the address", func(t *testing.T) {
		travel(t, func(s *trip) {
			s.depart(trail(providers.KindAuth))
			s.comes(answerOf(s.site.handle(t)))
			s.want(StateReturning, "")
			s.wantNoResult()
		})
	})
}

// travelling is trip with an owner of signatures.
func travelling(t *testing.T, f func(s *trip, r *room)) {
	synctest.Test(t, func(t *testing.T) {
		s, p, r := &story{t: t, rows: newRows(), p: newIssuer()}, &site{}, &room{}
		s.e = newOwnedEngine(t, s.rows, s.p, "node-a", map[string]Owner{signing: r})
		s.e.Provider = func(providers.ID, string) (providers.Provider, bool) { return p, true }
		s.stop = run(t, s.e)
		defer func() { s.stop() }()
		f(&trip{s, p}, r)
	})
}

// A signature that was locked to its person counts once it is verified, whoever
// brought it and whether or not anybody comes back.
func TestSignatureThroughASite(t *testing.T) {
	travelling(t, func(s *trip, r *room) {
		s.depart(signTrail())
		nonce := s.comes(signedBack(s.site.handle(t)))
		synctest.Wait()
		told := r.heard(id)
		if len(told) != 1 || told[0].Done == nil {
			t.Fatalf("heard %d", len(told))
		}
		if q := told[0].Request; q.Handle != "" || q.ReturnURL != "" {
			t.Error("the owner was told what leads back")
		}
		s.arrive(nonce, foreign, CloseWindow)
		s.want(StateComplete, "")
	})
}

func TestRefusedAnswer(t *testing.T) {
	travel(t, func(s *trip) {
		s.site.refuse = "signature"
		s.depart(trail(providers.KindAuth))
		s.comes(answerOf(s.site.handle(t)))
		s.want(StateFailed, providers.EvidenceRefused)
		var refused []audit.Event
		for _, v := range s.rows.events {
			if v.Type == audit.EvidenceRefused {
				refused = append(refused, v)
			}
		}
		if len(refused) != 1 || refused[0].Reason != "signature" || refused[0].Instance != "telia" {
			t.Errorf("%+v", refused)
		}
		s.wantNoResult()
	})
	travel(t, func(s *trip) { // the person said no there
		s.depart(trail(providers.KindAuth))
		c := answerOf(s.site.handle(t))
		c.Form = map[string][]string{"error": {"access_denied"}}
		nonce := s.comes(c)
		s.want(StateFailed, providers.Cancelled)
		s.arrive(nonce, mine, Welcome)
	})
}

// An issuer that does not answer is asked again for what the browser brought; for a
// login not for ever.
func TestAnswerWhileTheIssuerIsDown(t *testing.T) {
	travel(t, func(s *trip) {
		s.site.down, s.site.raw = true, true
		s.depart(trail(providers.KindAuth))
		at := time.Now()
		s.comes(answerOf(s.site.handle(t)))
		if d := time.Since(at); d > time.Second {
			t.Errorf("kept waiting for %v", d)
		}
		if v := s.want(StatePending, ""); v.Away != nil || v.Wait.Hint != "processing" {
			t.Errorf("shown: %+v", v)
		}
		s.wait(10*time.Second, true)
		if n, ticks := s.site.asked(); n < 4 || n > 6 || ticks > 0 {
			t.Errorf("asked %d and %d times", n, ticks)
		}
		s.site.mu.Lock()
		s.site.down = false
		s.site.mu.Unlock()
		s.wait(3*time.Second, true)
		s.want(StateReturning, "")
		for _, v := range s.site.events[:4] {
			if v.Kind != providers.Callback || v.At != providers.BackPath || v.Form["code"][0] != "c" {
				t.Errorf("asked with %+v", v)
			}
		}
	})
	t.Run("for good", func(t *testing.T) {
		travel(t, func(s *trip) {
			s.site.down = true
			s.depart(trail(providers.KindAuth))
			s.comes(answerOf(s.site.handle(t)))
			s.wait(9*time.Minute, true)
			s.want(StatePending, "")
			s.wait(70*time.Second, true)
			s.want(StateFailed, providers.IssuerDown)
		})
		travelling(t, func(s *trip, r *room) {
			s.site.down = true
			s.depart(signTrail())
			s.comes(signedBack(s.site.handle(t)))
			s.wait(20*time.Minute, false)
			s.want(StatePending, "")
			s.site.mu.Lock()
			s.site.down = false
			s.site.mu.Unlock()
			s.wait(3*time.Second, false)
			s.want(StateComplete, "")
		})
	})
	t.Run("one that hangs", func(t *testing.T) {
		travel(t, func(s *trip) {
			s.site.takes = time.Hour
			s.depart(trail(providers.KindAuth))
			at := time.Now()
			s.comes(answerOf(s.site.handle(t)))
			if d := time.Since(at); d > s.e.Limits.Call {
				t.Errorf("kept waiting for %v", d)
			}
			s.want(StatePending, "")
		})
	})
}

// An answer that cannot be judged is not asked about for ever.
func TestAnswerNeverJudged(t *testing.T) {
	travelling(t, func(s *trip, r *room) {
		if s.e.Limits.Answer != 24*time.Hour {
			t.Errorf("kept for %v", s.e.Limits.Answer)
		}
		s.e.Limits.Answer = 30 * time.Minute
		s.site.down = true
		s.depart(signTrail())
		c := signedBack(s.site.handle(t))
		time.Sleep(5 * time.Minute)
		nonce := s.comes(c)
		s.wait(29*time.Minute, false)
		s.want(StatePending, "")
		s.wait(2*time.Minute, false)
		s.want(StateFailed, providers.ResultLost)
		if told := r.heard(id); len(told) != 1 || told[0].Failed.Text == (providers.Text{}) {
			t.Errorf("heard %+v", told)
		}
		if s.e.Pending() > 0 {
			t.Error("watched on")
		}
		if s.comes(c) != nonce {
			t.Error("it leads elsewhere")
		}
	})
	tell(t, func(s *story) { // one that was asked for, too
		s.e.Limits.Answer = 30 * time.Minute
		p := &hangs{issuer: s.p}
		s.e.Provider = func(providers.ID, string) (providers.Provider, bool) { return p, true }
		b := signature(providers.ModeThis)
		s.e.desks[signing] = &desk{}
		if err := s.e.Begin(s.t.Context(), b); err != nil {
			t.Fatal(err)
		}
		s.p.set("approved")
		s.wait(s.e.Limits.Life+29*time.Minute, false)
		s.want(StatePending, "")
		s.wait(2*time.Minute, false)
		s.want(StateFailed, providers.ResultLost)
	})
}

// hangs is an issuer whose answers cannot be verified, since something is away.
type hangs struct{ *issuer }

func (p *hangs) Continue(ctx context.Context, st providers.State, v providers.Event) (providers.State, providers.Step, error) {
	if answered(st) {
		return st, nil, &providers.Unavailable{Issuer: "fake", Err: errors.New("no replay store")}
	}
	return p.issuer.Continue(ctx, st, v)
}

// However late an answer is looked at, the provider is told when it came.
func TestAnswerIsDated(t *testing.T) {
	travel(t, func(s *trip) {
		s.site.down = true
		s.depart(trail(providers.KindAuth))
		time.Sleep(time.Minute)
		at := time.Now()
		s.comes(answerOf(s.site.handle(t)))
		s.wait(5*time.Minute, true)
		s.site.mu.Lock()
		defer s.site.mu.Unlock()
		if len(s.site.events) < 10 {
			t.Errorf("asked %d times", len(s.site.events))
		}
		for _, v := range s.site.events {
			if !v.Came.Equal(at) {
				t.Fatalf("came %v later", v.Came.Sub(at))
			}
		}
	})
}

// What a browser brings takes as much room as it has bytes, and none when the order
// is over.
func TestRoomOfAnswers(t *testing.T) {
	for refuse, reason := range map[string]providers.Reason{"form": providers.EvidenceRefused, "": ""} {
		travel(t, func(s *trip) {
			s.site.refuse, s.site.down = refuse, true
			s.depart(trail(providers.KindAuth))
			c := answerOf(s.site.handle(t))
			c.Form["x"] = []string{strings.Repeat("\x01", providers.BackLimit-200)}
			nonce := s.comes(c)
			size := func() int {
				o, err := s.rows.Order(s.t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				return len(o.Sealed)
			}
			if n := size(); n < providers.BackLimit-200 || n > providers.BackLimit+4096 {
				t.Errorf("%d bytes while it is looked at", n)
			}
			s.site.mu.Lock()
			s.site.down = false
			s.site.mu.Unlock()
			s.wait(3*time.Second, true)
			if reason != "" {
				s.want(StateFailed, reason)
			} else {
				s.want(StateReturning, "")
			}
			if n := size(); n > 4096 {
				t.Errorf("%d bytes in the end", n)
			}
			if s.comes(c) != nonce {
				t.Error("it leads elsewhere in the end")
			}
		})
	}
}

// A form is stored as it came.
func TestFormIsStoredWhole(t *testing.T) {
	for _, form := range []map[string][]string{
		{}, {"a": {""}}, {"": {"x"}, "a": {"2", "1", "2"}, "b": {"\x00\xff<&å"}}, {"x": {strings.Repeat("y", 300)}},
	} {
		in := record{Request: providers.Request{Handle: "h"}, Answered: true, State: providers.State("state"), Back: &back{At: providers.BackPath, Form: form}}
		plain, err := in.marshal()
		if err != nil {
			t.Fatal(err)
		}
		var out record
		if err := out.unmarshal(plain); err != nil || !reflect.DeepEqual(in, out) {
			t.Errorf("%+v became %+v, %v", in.Back, out.Back, err)
		}
		for n := range len(plain) {
			_ = new(record).unmarshal(plain[:n]) // may be another form, and does not panic
		}
	}
}

// A code is redeemed once, also when the browser comes back, to the same node or
// another, while that is under way.
func TestReturnWhileRedeeming(t *testing.T) {
	travel(t, func(s *trip) {
		s.site.raw, s.site.takes = true, 5*time.Second
		s.depart(trail(providers.KindAuth))
		c := answerOf(s.site.handle(t))
		go func() { _, _ = s.e.Callback(context.Background(), c) }()
		time.Sleep(time.Second)
		_, first, _ := strings.Cut(s.site.requests[0].ReturnURL, "?n=")
		s.arrive(first, mine, Spent) // of before the answer
		_, r, err := s.e.load(s.t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		_, nonce, _ := strings.Cut(r.Request.ReturnURL, "?n=")
		s.arrive(nonce, mine, Welcome)
		s.want(StatePending, "")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		s.want(StateComplete, "")
		s.wantResult()
		if s.site.redeemed != 1 {
			t.Errorf("redeemed %d times", s.site.redeemed)
		}
	})
}

// Whoever leaves while the answer is on its way takes nothing along.
func TestBrowserLeavesWithAnswer(t *testing.T) {
	travel(t, func(s *trip) {
		s.site.raw, s.site.takes = true, time.Second
		s.depart(trail(providers.KindAuth))
		ctx, leave := context.WithCancel(s.t.Context())
		leave()
		if _, err := s.e.Callback(ctx, answerOf(s.site.handle(s.t))); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		s.want(StateReturning, "")
	})
}

// What comes back need not be the answer: then the browser is still away, and
// whoever brought it has earned nothing.
func TestComesBackWithoutAnAnswer(t *testing.T) {
	for name, arrives := range map[string]bool{"he waits": false, "he has come back by it": true} {
		t.Run(name, func(t *testing.T) {
			travel(t, func(s *trip) {
				s.site.next, s.site.takes = 2*time.Second, time.Second
				s.depart(trail(providers.KindAuth))
				c := answerOf(s.site.handle(t))
				c.Form = map[string][]string{"rubbish": {"x"}, "state": {c.Handle}}
				early := make(chan string)
				go func() {
					address, _ := s.e.Callback(context.Background(), c)
					_, nonce, _ := strings.Cut(address, "?n=")
					early <- nonce
				}()
				time.Sleep(500 * time.Millisecond)
				if arrives {
					_, r, err := s.e.load(s.t.Context(), id)
					if err != nil {
						t.Fatal(err)
					}
					_, nonce, _ := strings.Cut(r.Request.ReturnURL, "?n=")
					s.arrive(nonce, mine, Welcome)
				}
				got := <-early
				s.wait(3*time.Second, true)
				if v := s.want(StatePending, ""); v.Away == nil {
					t.Errorf("shown: %+v", v)
				}
				s.arrive(got, mine, Spent)
				s.site.mu.Lock()
				s.site.next, s.site.takes = 0, 0
				s.site.mu.Unlock()
				right := s.comes(answerOf(c.Handle)) // the person's own browser
				s.want(StateReturning, "")
				s.strays(c)
				s.arrive(got, mine, Spent)
				s.wantNoResult()
				s.arrive(right, foreign, WrongBrowser)
			})
		})
	}
}

// I3: who began an order knows its handle, and lures another person to the issuer
// with it. When the answer has come, he brings the handle with something else, to
// be told the way back before the person's own browser has taken it.
func TestHandleEarnsNoWayBack(t *testing.T) {
	for name, takes := range map[string]time.Duration{"fast issuer": 0, "one that takes 400 ms": 400 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			travel(t, func(s *trip) {
				s.site.takes = takes
				s.depart(trail(providers.KindAuth))
				handle := s.site.handle(t) // stands in his own address
				lured := make(chan string, 1)
				go func() {
					time.Sleep(30 * time.Second) // at the issuer
					nonce := s.comes(answerOf(handle))
					time.Sleep(80 * time.Millisecond) // the way of the redirect
					lured <- nonce
				}()
				for {
					time.Sleep(10 * time.Millisecond)
					v, err := s.e.Watch(s.t.Context(), id, mine)
					if err != nil {
						t.Fatal(err)
					}
					if v.Away == nil {
						break
					}
				}
				other := answerOf(handle)
				other.Form = map[string][]string{"rubbish": {"x"}, "RelayState": {handle}}
				s.strays(other)
				if v, err := s.e.Watch(s.t.Context(), id, mine); err != nil || strings.Contains(fmt.Sprintf("%+v", v.Away), "n=") {
					t.Errorf("shown: %+v %v", v, err)
				}
				s.wantNoResult()
				s.arrive(<-lured, foreign, WrongBrowser)
				s.want(StateFailed, providers.WrongBrowser)
				s.wantNoResult()
			})
		})
	}
}

func TestUnfitWayAway(t *testing.T) {
	for name, c := range map[string]struct {
		mode providers.Mode
		step providers.Step
	}{
		"another device": {providers.ModeOther, providers.Redirect{URL: "https://issuer.example.se/"}},
		"a script":       {providers.ModeThis, providers.Redirect{URL: "javascript:alert(1)"}},
		"nowhere":        {providers.ModeThis, providers.PostForm{URL: "/here"}},
		"no host":        {providers.ModeThis, providers.Redirect{URL: "https:issuer"}},
		"an app":         {providers.ModeThis, providers.Redirect{URL: "app://issuer.example.se/"}},
		"nothing":        {providers.ModeThis, providers.Redirect{}},
	} {
		travel(t, func(s *trip) {
			s.e.Provider = func(providers.ID, string) (providers.Provider, bool) { return sends{s.site, c.step}, true }
			b := trail(providers.KindAuth)
			b.Request.Mode = c.mode
			if err := s.e.Begin(s.t.Context(), b); err == nil {
				t.Errorf("%s: begun", name)
			}
		})
	}
}

// sends is a site with another first step.
type sends struct {
	*site
	step providers.Step
}

func (p sends) Start(context.Context, providers.Request) (providers.State, providers.Step, error) {
	return nil, p.step, nil
}

// Nothing of what a browser brings stands in a log.
func TestAnswersAreNotLogged(t *testing.T) {
	travel(t, func(s *trip) {
		var log bytes.Buffer
		var mu sync.Mutex
		s.e.Log = slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
		s.site.down = true
		s.depart(trail(providers.KindAuth))
		c := answerOf(s.site.handle(t))
		c.Form["code"] = []string{"a-secret-code"}
		s.comes(c)
		s.e.Log.Info("callback", "callback", c)
		way(s.e).cut(cutAll, 0)
		_, _ = s.e.Callback(s.t.Context(), c)
		way(s.e).cut(nil, 0)
		mu.Lock()
		defer mu.Unlock()
		if log.Len() == 0 || strings.Contains(log.String(), "secret-code") || strings.Contains(log.String(), c.Handle) {
			t.Errorf("logged: %s", log.String())
		}
	})
}

type lockedWriter struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (w lockedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Write(b)
}

// The answer is acknowledged when it is stored, and not before; a store that is
// away for a moment loses nothing.
func TestAnswerWhileTheStoreIsAway(t *testing.T) {
	only := func(name string, f fault) func() func(string) fault {
		return func() func(string) fault {
			return func(call string) fault {
				if call == name {
					return f
				}
				return well
			}
		}
	}
	for name, c := range map[string]struct {
		fault func() func(call string) fault
		lasts time.Duration
	}{
		"away":                          {func() func(string) fault { return cutAll }, 5 * time.Second},
		"not written":                   {only("take", before), 5 * time.Second},
		"written, and the answer lost":  {only("take", after), 5 * time.Second},
		"redeemed, and not written":     {only("update", before), 5 * time.Second},
		"redeemed, and written at once": {only("update", before), time.Second},
		"written, and nothing is known of it": {func() func(string) fault {
			taken := false
			return func(call string) fault {
				switch {
				case call == "take":
					taken = true
					return after
				case call == "read" && taken:
					return before
				}
				return well
			}
		}, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			travel(t, func(s *trip) {
				s.site.raw = true
				s.depart(trail(providers.KindAuth))
				time.Sleep(time.Second)
				l := way(s.e)
				l.cut(c.fault(), 0)
				cut := time.Now()
				time.AfterFunc(c.lasts, func() { l.cut(nil, 0) })
				nonce := s.comes(answerOf(s.site.handle(t)))
				time.Sleep(time.Until(cut.Add(c.lasts + time.Millisecond)))
				s.arrive(nonce, mine, Welcome) // at once, before it is tried again
				time.Sleep(4 * time.Second)
				synctest.Wait()
				s.want(StateComplete, "")
				if s.site.redeemed != 1 {
					t.Errorf("redeemed %d times", s.site.redeemed)
				}
			})
		})
	}
	t.Run("for good", func(t *testing.T) {
		travel(t, func(s *trip) {
			s.depart(trail(providers.KindAuth))
			way(s.e).cut(cutAll, 0)
			if address, err := s.e.Callback(s.t.Context(), answerOf(s.site.handle(t))); err == nil || errors.Is(err, broker.ErrNotFound) || address != "" {
				t.Errorf("acknowledged: %v", err)
			}
			way(s.e).cut(nil, 0)
			s.want(StatePending, "")
		})
	})
}

// sited is nodes over one issuer with a site.
func sited(t *testing.T, offs []time.Duration, f func(h *house, p *site)) {
	p := &site{raw: true}
	build(t, nil, func(h *house) {
		for i, off := range offs {
			h.add(fmt.Sprintf("node-%c", 'a'+i), clockOff(h.T, off), func(e *Engine) {
				e.Provider = func(providers.ID, string) (providers.Provider, bool) { return p, true }
			})
		}
		f(h, p)
	})
}

func (h *house) comes(n *node, c Callback) string {
	h.Helper()
	address, err := n.Callback(h.Context(), c)
	if err != nil {
		h.Fatal(err)
	}
	return address
}

// The answer comes to another node than the one that watched: it goes on at once,
// with the lease, and the other one does nothing more.
func TestCallbackElsewhere(t *testing.T) {
	sited(t, three, func(h *house, p *site) {
		a, b := h.nodes[0], h.nodes[1]
		h.begin(a, trail(providers.KindAuth))
		h.after(5*time.Second, a, b)
		p.mu.Lock()
		p.takes = 5 * time.Second
		p.mu.Unlock()
		at := time.Now()
		go func() { _, _ = b.Callback(context.Background(), answerOf(p.handle(h.T))) }()
		time.Sleep(time.Second)
		if o := h.want(broker.Pending, ""); o.Node != "node-b" || !o.LeaseUntil.Equal(at.Add(b.Limits.Lease)) || !o.ForeignUntil.IsZero() {
			h.Errorf("leased to %s for %v, foreign %v", o.Node, time.Until(o.LeaseUntil), o.ForeignUntil)
		}
		for _, n := range h.nodes { // also where it was watched
			v, err := n.Watch(h.Context(), id, mine)
			if err != nil || v.Away != nil || v.Wait.Hint != "processing" {
				h.Errorf("%s shows %+v, %v", n.Node, v, err)
			}
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
		h.want(broker.Done, "")
		if n := a.Pending() + b.Pending(); n != 0 {
			h.Errorf("%d are watched on", n)
		}
		if p.redeemed != 1 {
			h.Errorf("redeemed %d times", p.redeemed)
		}
	})
	t.Run("nobody asks where it was watched", func(t *testing.T) {
		sited(t, three, func(h *house, p *site) {
			a, b := h.nodes[0], h.nodes[1]
			h.begin(a, trail(providers.KindAuth))
			p.mu.Lock()
			p.down = true
			p.mu.Unlock()
			h.comes(b, answerOf(p.handle(h.T)))
			h.after(11 * time.Minute) // past the deadline, as a knew it
			h.want(broker.Failed, providers.IssuerDown)
			if a.door.asked() > 0 {
				h.Error("asked")
			}
			if _, failed := h.endings(); failed != 1 {
				h.Errorf("ended %d times", failed)
			}
		})
	})
}

// A node that dies with an answer that it has stored: another goes on with the
// same, as soon as the lease has ended.
func TestCallbackTakenOver(t *testing.T) {
	sited(t, three, func(h *house, p *site) {
		a, b := h.nodes[0], h.nodes[1]
		h.begin(a, trail(providers.KindAuth))
		p.mu.Lock()
		p.down = true
		p.mu.Unlock()
		h.comes(b, answerOf(p.handle(h.T)))
		died := time.Now()
		die(b.Engine, b.stop)
		p.mu.Lock()
		p.down, p.events = false, nil
		p.mu.Unlock()
		for h.rowsPhase() == broker.Pending {
			h.after(time.Second)
			if time.Since(died) > 30*time.Second {
				h.Fatalf("nobody took it over; it is %s's", h.holder())
			}
		}
		h.want(broker.Done, "")
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.redeemed != 1 || p.events[0].Kind != providers.Callback || p.events[0].Form["code"][0] != "c" {
			h.Errorf("redeemed %d times, first %+v", p.redeemed, p.events[0])
		}
	})
	t.Run("a node that does not know what it has stored", func(t *testing.T) {
		sited(t, three[:1], func(h *house, p *site) {
			h.begin(h.nodes[0], trail(providers.KindAuth))
			handle := p.handle(h.T)
			b := h.add("node-b", time.Now, func(e *Engine) {
				e.Provider, e.Limits.Call = h.nodes[0].Provider, time.Second
			})
			other := trail(providers.KindAuth) // so that its leases go on
			other.ID = "order-2"
			h.begin(b, other)
			h.after(31 * time.Second)
			taken := false
			b.link.cut(func(call string) fault {
				if call == "take" && !taken {
					taken = true
					return after
				}
				return map[bool]fault{true: before}[taken && call == "read"]
			}, 0)
			if _, err := b.Callback(h.Context(), answerOf(handle)); err == nil {
				h.Error("acknowledged")
			}
			b.link.cut(nil, 0)
			h.after(3 * time.Second)
			h.want(broker.Done, "")
		})
	})
	t.Run("a node that stops", func(t *testing.T) {
		sited(t, three[:2], func(h *house, p *site) {
			a, b := h.nodes[0], h.nodes[1]
			h.begin(b, trail(providers.KindAuth))
			b.stop()
			at := time.Now()
			h.comes(b, answerOf(p.handle(h.T)))
			if d := time.Since(at); d > time.Second {
				h.Errorf("kept waiting for %v", d)
			}
			h.after(2500 * time.Millisecond)
			h.after(2 * time.Second)
			h.want(broker.Done, "")
			if b.Pending() > 0 || a.Pending() > 0 || p.redeemed != 1 {
				h.Errorf("watched by %d and %d, redeemed %d times", a.Pending(), b.Pending(), p.redeemed)
			}
		})
	})
	t.Run("a node that stops in the middle", func(t *testing.T) {
		sited(t, three[:2], func(h *house, p *site) {
			b := h.nodes[1]
			h.begin(b, trail(providers.KindAuth))
			p.mu.Lock()
			p.takes = 5 * time.Second
			p.mu.Unlock()
			go func() { _, _ = b.Callback(context.Background(), answerOf(p.handle(h.T))) }()
			time.Sleep(time.Second)
			b.stop() // waits
			h.after(30 * time.Second)
			h.want(broker.Done, "")
			if p.redeemed != 1 {
				h.Errorf("redeemed %d times", p.redeemed)
			}
		})
	})
	t.Run("a node is killed after each of its writes", func(t *testing.T) {
		for n := range 6 {
			sited(t, three[:2], func(h *house, p *site) {
				b := h.nodes[1]
				p.mu.Lock()
				p.raw = false // what is not told to be over can be asked again
				p.mu.Unlock()
				h.begin(b, trail(providers.KindAuth))
				left := n
				b.link.cut(func(call string) fault {
					if call == "take" || call == "update" {
						if left--; left < 0 {
							left = -1
						}
					}
					if left < 0 {
						return before
					}
					return well
				}, 0)
				_, err := b.Callback(h.Context(), answerOf(p.handle(h.T)))
				die(b.Engine, b.stop)
				h.after(30 * time.Second)
				o, _ := h.rows.Order(h.Context(), id)
				if err == nil && o.Phase != broker.Done {
					h.Errorf("killed after %d writes: acknowledged, and it is %s", n, o.Phase)
				}
				if err != nil {
					h.comes(h.nodes[0], answerOf(p.handle(h.T))) // the person tries again
					h.want(broker.Done, "")
				}
			})
		}
	})
}

// busy tries an issuer that answers beside others that hang.
func busy(t *testing.T, slow providers.Provider, begin func(e *Engine)) (e *Engine, m *rows, stop func()) {
	m, fine := newRows(), newIssuer()
	e = newEngine(t, m, fine, "node-a")
	e.Limits.Workers = 4
	e.doors = newDoors(4)
	e.Provider = func(_ providers.ID, instance string) (providers.Provider, bool) {
		if instance != "" {
			return slow, true
		}
		return fine, true
	}
	stop = run(t, e)
	begin(e)
	if err := e.Begin(t.Context(), wish(providers.ModeThis)); err != nil {
		t.Fatal(err)
	}
	fine.set("approved")
	time.Sleep(4 * time.Second)
	synctest.Wait()
	if o, err := m.Order(t.Context(), id); err != nil || o.Phase != broker.Done {
		t.Errorf("the other issuer's order is %q, %v", o.Phase, err)
	}
	return e, m, stop
}

// Issuers who hang, and one issuer of several instances, leave workers to others.
func TestHangingIssuers(t *testing.T) {
	for instances := 1; instances <= 2; instances++ {
		t.Run(fmt.Sprint(instances), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hangs := newIssuer()
				hangs.takes = time.Hour
				slow := &door{issuer: hangs}
				e, _, stop := busy(t, slow, func(e *Engine) {
					for i := range 50 {
						b := wish(providers.ModeThis)
						b.ID, b.Instance = broker.OrderID(fmt.Sprint("slow-", i)), fmt.Sprint("slow-", i%instances)
						if err := e.Begin(t.Context(), b); err != nil {
							t.Fatal(err)
						}
					}
					time.Sleep(5 * time.Second)
				})
				defer stop()
				e.doors.mu.Lock()
				if n := e.doors.in["slow-0"]; n < 1 || n > 2 || e.doors.all > 3 || len(e.doors.in) != instances {
					t.Errorf("under way: %v", e.doors.in)
				}
				e.doors.mu.Unlock()
				slow.mu.Lock()
				if n := slow.collects; n > 6 {
					t.Errorf("asked %d times at once", n)
				}
				slow.mu.Unlock()
				// Its orders end all the same.
				time.Sleep(e.Limits.Life + time.Minute)
				if n := e.Pending(); n > 0 {
					t.Errorf("%d are left", n)
				}
			})
		})
	}
}

// hangsAfter gives its raw answer at once, and hangs when that is verified.
type hangsAfter struct {
	*site
	inside, most atomic.Int32
}

func (p *hangsAfter) Continue(ctx context.Context, st providers.State, v providers.Event) (providers.State, providers.Step, error) {
	if v.Kind == providers.Callback {
		return providers.State(`{"answer":"x"}`), providers.Wait{PickedUp: true}, nil
	}
	n := p.inside.Add(1)
	defer p.inside.Add(-1)
	if n > p.most.Load() {
		p.most.Store(n)
	}
	<-ctx.Done()
	return st, nil, &providers.Unavailable{Issuer: "site", Err: ctx.Err()}
}

// An answer that is stored may still need its issuer, who may hang then.
func TestIssuerHangsAfterItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &hangsAfter{site: &site{}}
		_, _, stop := busy(t, p, func(e *Engine) {
			for i := range 30 {
				b := trail(providers.KindAuth)
				b.ID = broker.OrderID(fmt.Sprint("order-", i+10))
				if err := e.Begin(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				h := p.handle(t)
				go func() { _, _ = e.Callback(context.Background(), answerOf(h)) }()
			}
			time.Sleep(40 * time.Second)
		})
		defer stop()
		if n := p.most.Load(); n != 2 {
			t.Errorf("%d of 4 workers were inside", n)
		}
	})
}

func TestDoors(t *testing.T) {
	d := newDoors(64)
	enter := func(instance string, want int) {
		t.Helper()
		n := 0
		for range 64 {
			if d.enter(instance) {
				n++
			}
		}
		if n != want {
			t.Errorf("%d for %s, want %d", n, instance, want)
		}
	}
	enter("a", 32)
	enter("b", 16) // three quarters are taken
	enter("c", 2)  // who has few under way may
	d.leave("b")
	enter("b", 0)
	for range 32 {
		d.leave("a")
	}
	enter("b", 17)
	for range 2 {
		d.leave("c")
	}
	for range 32 {
		d.leave("b")
	}
	if d.all != 0 || len(d.in) != 0 {
		t.Errorf("%d left, of %v", d.all, d.in)
	}
	if one := newDoors(1); !one.enter("a") || one.enter("a") {
		t.Error("with one worker")
	}
}

// staleReads gives one answer late.
type staleReads struct {
	Orders
	late atomic.Bool
}

func (s *staleReads) Order(ctx context.Context, id broker.OrderID) (broker.Order, error) {
	o, err := s.Orders.Order(ctx, id)
	if s.late.CompareAndSwap(true, false) {
		time.Sleep(50 * time.Millisecond)
	}
	return o, err
}

// Who read the order just before its answer came here does not take it away.
func TestStaleReadDropsNothing(t *testing.T) {
	sited(t, three[:2], func(h *house, p *site) {
		a, b := h.nodes[0], h.nodes[1]
		h.begin(a, trail(providers.KindAuth))
		other := trail(providers.KindAuth)
		other.ID = "order-2" // keeps b's leases alive
		h.begin(b, other)
		p.mu.Lock()
		p.down = true // for a moment
		handle := p.requests[0].Handle
		p.mu.Unlock()
		h.after(31 * time.Second)
		s := &staleReads{Orders: b.Orders}
		b.Orders = s
		s.late.Store(true)
		go func() { _, _ = b.Watch(context.Background(), id, mine) }()
		time.Sleep(10 * time.Millisecond)
		h.comes(b, answerOf(handle))
		time.Sleep(100 * time.Millisecond)
		if _, _, w := b.schedule.get(id); !w || s.late.Load() {
			h.Errorf("watched %t", w)
		}
		p.mu.Lock()
		p.down = false
		p.mu.Unlock()
		began := time.Now()
		for h.rowsPhase() == broker.Pending && time.Since(began) < time.Minute {
			h.after(time.Second)
		}
		if d := time.Since(began); d > 5*time.Second {
			h.Errorf("gone on with after %v", d)
		}
	})
}

// Who brings the same answer again and again does not have the issuer asked more
// often.
func TestRepeatedAnswerDoesNotHurry(t *testing.T) {
	travel(t, func(s *trip) {
		s.site.down = true
		s.depart(trail(providers.KindAuth))
		c := answerOf(s.site.handle(t))
		for range 100 {
			s.comes(c)
			time.Sleep(100 * time.Millisecond)
		}
		if n, _ := s.site.asked(); n < 4 || n > 6 {
			t.Errorf("asked %d times in ten seconds", n)
		}
		s.site.mu.Lock()
		s.site.down, s.site.takes = false, 5*time.Second
		s.site.mu.Unlock()
		time.Sleep(3 * time.Second) // it is being asked
		began := time.Now()
		s.comes(c)
		if d := time.Since(began); d < time.Second || d > 5*time.Second {
			t.Errorf("did not wait for what is under way: %v", d)
		}
		s.want(StateReturning, "")
	})
}
