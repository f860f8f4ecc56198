package judges

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
)

const racers = 8

// race lets all racers do the same at once and counts how many won.
func race(do func() bool) int {
	var ready, done sync.WaitGroup
	begin := make(chan struct{})
	won := make(chan bool, racers)
	for range racers {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-begin
			won <- do()
		})
	}
	ready.Wait()
	close(begin)
	done.Wait()
	n := 0
	for range racers {
		if <-won {
			n++
		}
	}
	return n
}

// TestRaced uses every single-use thing of a login eight times at once: the
// handle of a posted authorization request, the login's end, the code, and a
// return address that a stranger has too.
func TestRaced(t *testing.T) {
	judged(t)
	x := newSplit(t, "raced", settings{collect: "20ms", alg: "ES256", level: "info"})
	client := x.client(t)
	person := x.phone.person(t, 2)
	rounds := soaking(20, 1000)
	won := map[string]int{}
	once := func(round int, what string, n int) {
		won[what] += n
		if n != 1 {
			t.Errorf("round %d: %s was good for %d of %d", round, what, n, racers)
		}
	}
	for round := range rounds {
		a := client.attempt()
		w := newWalker(x.issuer)
		handle, err := w.handle(a.url())
		if err != nil {
			t.Fatal(err)
		}
		var lock sync.Mutex
		var chooser, callback place
		once(round, "request", race(func() bool {
			at, err := w.visit(handle)
			if err != nil || at.outside || at.status != http.StatusOK || !strings.Contains(at.url.Path, "/login/") {
				return false
			}
			lock.Lock()
			defer lock.Unlock()
			chooser = at
			return true
		}))
		waiting, err := w.choose(chooser, "bankid", "this")
		if err != nil {
			t.Fatal(err)
		}
		back, err := w.prove(waiting, x.phone, person.Number)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.arrive(back); err != nil {
			t.Fatal(err)
		}
		s, err := w.await(waiting, patience, "complete")
		if err != nil {
			t.Fatal(err)
		}
		once(round, "login", race(func() bool {
			at, err := w.visit(s.Redirect)
			if err != nil || !at.outside || at.url.Query().Get("code") == "" {
				return false
			}
			lock.Lock()
			defer lock.Unlock()
			callback = at
			return true
		}))
		if callback.url == nil {
			continue
		}
		code, err := a.code(callback.url)
		if err != nil {
			t.Fatal(err)
		}
		once(round, "code", race(func() bool {
			claims, err := a.redeem(t.Context(), code)
			return err == nil && claims[claimNumber] == person.Number
		}))
	}

	// A return address in two browsers at once: either the right one came first
	// and the login completes, or a stranger did and it ends. Never both.
	completes, ends := 0, 0
	for round := range rounds / 4 {
		w := newWalker(x.issuer)
		chooser, err := w.visit(client.attempt().url())
		if err != nil {
			t.Fatal(err)
		}
		waiting, err := w.choose(chooser, "bankid", "this")
		if err != nil {
			t.Fatal(err)
		}
		back, err := w.prove(waiting, x.phone, person.Number)
		if err != nil {
			t.Fatal(err)
		}
		var turn sync.Mutex
		first := true
		lured := race(func() bool {
			turn.Lock()
			who := w
			if !first {
				who = newWalker(x.issuer)
			}
			first = false
			turn.Unlock()
			answer, err := who.http.Get(back)
			if err != nil {
				return false
			}
			answer.Body.Close()
			return answer.StatusCode == http.StatusForbidden // told that it was the wrong browser
		})
		s, err := w.await(waiting, patience, "complete", "failed")
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case s.State == "complete" && lured == 0:
			completes++
		case s.State == "failed" && lured == 1:
			ends++
		default:
			t.Errorf("round %d: the login is %s (%s), and %d strangers were told that they ended it", round, s.State, s.Hint, lured)
		}
	}
	x.audit(t)
	table := tabwriter.NewWriter(t.Output(), 0, 0, 1, ' ', 0)
	fmt.Fprintf(table, "| %d at once, %d rounds\t| good for\t|\n", racers, rounds)
	for _, what := range []string{"request", "login", "code"} {
		fmt.Fprintf(table, "| %s\t| %d\t|\n", what, won[what])
	}
	fmt.Fprintf(table, "| return address: completed / ended by a stranger\t| %d / %d\t|\n", completes, ends)
	table.Flush()
}

// handle posts an authorization request and gives the one-time address that
// goes on with it.
func (w *walker) handle(authorize string) (string, error) {
	u, err := url.Parse(authorize)
	if err != nil {
		return "", err
	}
	form := u.Query()
	u.RawQuery = ""
	answer, err := w.http.PostForm(u.String(), form)
	if err != nil {
		return "", err
	}
	answer.Body.Close()
	to, err := answer.Location()
	if err != nil {
		return "", fmt.Errorf("posting the request: %s: %w", answer.Status, err)
	}
	return to.String(), nil
}

// testRacedState is the same at the example application: a state is good once.
func testRacedState(t *testing.T, d *demo) {
	person := d.phone.person(t, 3)
	for round := range soaking(3, 50) {
		w := newWalker(issuer)
		at := &walker{issuer: app, http: w.http}
		login, err := at.visit(app + "/login")
		if err != nil || !login.outside {
			t.Fatalf("the application does not send us to log in: %v, %v", login, err)
		}
		back, err := w.login(login.url.String(), "mbankid", "other", d.phone, person.Number)
		if err != nil {
			t.Fatal(err)
		}
		won := race(func() bool {
			answer, err := w.http.Get(back.String())
			if err != nil {
				return false
			}
			answer.Body.Close()
			return answer.StatusCode == http.StatusSeeOther
		})
		if won != 1 {
			t.Errorf("round %d: the state was good for %d of %d", round, won, racers)
		}
	}
}
