package oidc

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
)

const racers = 8

// rounds is few where everybody waits, and many in the soak.
func rounds() int {
	if os.Getenv("SIGILL_SOAK") == "1" {
		return 1000
	}
	return 15
}

// race starts racers at the same moment and counts who won.
func race(try func(n int) bool) int {
	var won atomic.Int32
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for n := range racers {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			if try(n) {
				won.Add(1)
			}
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	return int(won.Load())
}

func raceBench(t *testing.T) *bench {
	b := newBench(t)
	b.short.delay = 100 * time.Microsecond
	return b
}

// C1: one code, many redemptions.
func TestRaceCode(t *testing.T) {
	b := raceBench(t)
	for round := range rounds() {
		code := b.code("any")
		tokens := make(chan string, racers)
		won := race(func(n int) bool {
			if round%2 == 1 && n > 1 {
				return false // two alone: nobody comes after the race
			}
			form := tokenForm(code, "client_id", "any", "client_secret", anySecret)
			got := b.json(postRequest("/token", form.Encode()))
			if got.status == 200 {
				tokens <- got.text("access_token")
			}
			return got.status == 200
		})
		if won != 1 {
			t.Fatalf("%d redeemed one code", won)
		}
		// Whoever came second at the same moment is a replay like any other.
		if status, _ := b.userinfoOf(<-tokens); status != 401 {
			t.Fatalf("the token of a code that was sent more than once: %d", status)
		}
	}
}

// A login at another application ends the session while this one's code is
// being exchanged, and while a replay ends its token: neither is in vain.
func TestRaceReplacedSession(t *testing.T) {
	b := raceBench(t)
	for n := range rounds() {
		a := b.agent()
		code := a.login(request("any"), ett).Get("code")
		replay := n%2 == 1
		token := ""
		if replay {
			token = b.redeem("any", tokenForm(code)).text("access_token")
		}
		old := a.cookies[SessionCookie]
		got := make(chan answerOf, 1)
		race(func(n int) bool {
			switch n {
			case 0:
				got <- b.redeem("any", tokenForm(code))
			case 1:
				b.forget(t.Context(), old)
			}
			return true
		})
		if a.hasSession("any") {
			t.Fatal("the session lives")
		}
		first, want := <-got, 200
		if replay {
			want = 401
		} else {
			token = first.text("access_token")
		}
		if status, _ := b.userinfoOf(token); status != want {
			t.Fatalf("replay %t: userinfo %d, token endpoint %d %v", replay, status, first.status, first.body)
		}
	}
}

// J7: one assertion, many uses.
func TestRaceAssertion(t *testing.T) {
	b := raceBench(t)
	for range rounds() {
		assertion := b.assertion("sweden", nil)
		form := tokenForm(broker.NewSecret(), "client_assertion_type", assertionType, "client_assertion", assertion)
		if won := race(func(int) bool {
			w := httptest.NewRecorder()
			b.mux.ServeHTTP(w, postRequest("/token", form.Encode()))
			return w.Code == 400 // invalid_grant: the client was believed
		}); won != 1 {
			t.Fatalf("%d used one assertion", won)
		}
	}
}

// S8: one login, many tabs finishing and refusing it.
func TestRaceLogin(t *testing.T) {
	b := raceBench(t)
	for range rounds() {
		a := b.agent()
		id := loginID(a.ask(request("basic")))
		l, c, v, err := b.Pending(t.Context(), id, a.cookies["sigill_browser"])
		if err != nil {
			t.Fatal(err)
		}
		if won := race(func(n int) bool {
			l := l
			l.Order = broker.OrderID(broker.NewID())
			return b.Reserve(t.Context(), l, v) == nil
		}); won != 1 {
			t.Fatalf("%d reserved an order at the same time", won)
		}
		l, _, _, _ = b.Pending(t.Context(), id, a.cookies["sigill_browser"])
		o, d := doneOrder(l, c, ett, b.clock.Now())
		codes := b.answeredLogins()
		if won := race(func(n int) bool {
			var err error
			if n%4 == 3 {
				_, err = b.Refuse(t.Context(), l, errAccessDenied, "")
			} else {
				_, err = b.Finish(t.Context(), l, o, d)
			}
			if err != nil && !errors.Is(err, broker.ErrConflict) {
				t.Error(err)
			}
			return err == nil
		}); won != 1 {
			t.Fatalf("%d answers to one login", won)
		}
		if after := b.answeredLogins(); after > codes+1 {
			t.Fatalf("%d codes of one login", after-codes)
		}
	}
}

// One done order, many requests for its answer, also after one that was cut
// short: one answer, one session, and its code is the one that counts.
func TestRaceDone(t *testing.T) {
	b := raceBench(t)
	for n := range rounds() {
		a := b.agent()
		l, c := a.reserved("any")
		o, d := doneOrder(l, c, ett, b.clock.Now())
		if n%2 == 1 {
			if err := b.finishLogin(t.Context(), audit.LoginCompleted, c, l.ID, o.ID, broker.Session{SID: l.SID, Identity: d.Identity, Evidence: d.Evidence}); err != nil {
				t.Fatal(err)
			}
		}
		answers := make(chan Answer, racers)
		if won := race(func(int) bool {
			answer, err := b.Finish(t.Context(), l, o, d)
			if err == nil {
				answers <- answer
			} else if !errors.Is(err, broker.ErrConflict) || answer.URL != "" || answer.Session != "" {
				t.Errorf("%v, %+v", err, answer)
			}
			return err == nil
		}); won != 1 {
			t.Fatalf("%d answers to one login", won)
		}
		if got := b.redeem("any", tokenForm(a.send(<-answers).Get("code"))); got.status != 200 || !a.hasSession("any") {
			t.Fatalf("the answer is worth nothing: %v", got.body)
		}
		if acts := b.records.count(audit.LoginCompleted); acts != n+1 {
			t.Fatalf("%d acts in round %d", acts, n)
		}
	}
}

// One handle, many followers: of an authorization request and of a logout.
func TestRaceHandles(t *testing.T) {
	b := raceBench(t)
	for range rounds() {
		at := b.agent().post("/authorize", request("basic")).Header.Get("Location")
		if won := race(func(int) bool { return loginID(b.agent().get(at)) != "" }); won != 1 {
			t.Fatalf("%d followed one handle", won)
		}
		a, _, _ := b.signedIn("any")
		a.get("/logout?client_id=any&post_logout_redirect_uri=" + url.QueryEscape(loggedOutAt))
		action := b.pages.view.Action
		ended := b.records.count(audit.SessionEnded)
		if won := race(func(int) bool {
			one := &agent{b, maps.Clone(a.cookies)}
			return one.post(action, nil).StatusCode == http.StatusSeeOther
		}); won != 1 {
			t.Fatalf("%d answers to one question", won)
		}
		if got := b.records.count(audit.SessionEnded); got != ended+1 {
			t.Fatalf("one session ended %d times", got-ended)
		}
	}
}

// Simultaneous first logins of one person get one sub.
func TestRaceSubject(t *testing.T) {
	b := raceBench(t)
	var subs sync.Map
	who := person("198101199282", "Testperson Ny")
	race(func(n int) bool {
		c := b.clients["any"]
		sub, _, err := b.judge(t.Context(), c, broker.Login{}, who, b.clock.Now())
		subs.Store(sub, true)
		return err == nil
	})
	count := 0
	subs.Range(func(any, any) bool { count++; return true })
	if count != 1 {
		t.Errorf("%d subs", count)
	}
}
