package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sigill/broker"
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
	if s.Answer == "" {
		if v.Kind != providers.Callback {
			return st, nil, errors.New("asked before the browser came")
		}
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

var _ = errors.Is
var _ = synctest.Wait
var _ broker.Order
