package judges

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"golang.org/x/oauth2"
)

// How a login may end whose broker was killed in the middle of it. Anything
// else is a failure.
type ending string

const (
	completed  ending = "completed: the right claims"
	resultLost ending = "the page says that the e-ID's answer was lost"
	// The broker had answered, and died while the answer was under way: nobody
	// but the network knows.
	answerLost ending = "our own answer was cut off; the page says to start again"
)

// TestKill kills the broker with SIGKILL at random moments while a person
// approves, and starts it again (invariant I7).
func TestKill(t *testing.T) {
	judged(t)
	x := newSplit(t, "kill", settings{collect: "30ms", alg: "ES256", level: "debug"})
	client := x.client(t)
	runs := soaking(5, 50)
	ways := [][2]string{{"mbankid", "other"}, {"bankid", "this"}}
	counts := map[ending]int{}
	phases := map[string]map[ending]int{}
	for i := range runs {
		way := ways[i%len(ways)]
		// The approval comes at 150 ms; the kill some time before or after, every
		// other time while the issuer's answer is on its way.
		moment := time.Duration(rand.IntN(600_000)) * time.Microsecond
		if rand.IntN(2) == 0 {
			moment = time.Duration(150_000+rand.IntN(50_000)) * time.Microsecond
		}
		end, err := x.killed(client, way, 150*time.Millisecond, moment, x.phone.person(t, i%20))
		if err != nil {
			t.Errorf("run %d, %s on %s device, killed after %s: %v", i, way[0], way[1], moment, err)
			continue
		}
		counts[end]++
		phase := "after approval"
		if moment < 150*time.Millisecond {
			phase = "before approval"
		}
		if phases[phase] == nil {
			phases[phase] = map[ending]int{}
		}
		phases[phase][end]++
	}
	x.audit(t)
	table := tabwriter.NewWriter(t.Output(), 0, 0, 1, ' ', 0)
	fmt.Fprintf(table, "| kill -9, %d runs\t| before approval\t| after approval\t|\n", runs)
	for _, end := range []ending{completed, resultLost, answerLost} {
		fmt.Fprintf(table, "| %s\t| %d\t| %d\t|\n", end, phases["before approval"][end], phases["after approval"][end])
	}
	table.Flush()
	if counts[completed] == 0 {
		t.Error("no login at all completed: this judges nothing")
	}
}

// killed runs one login whose broker is killed.
func (x *split) killed(client *client, way [2]string, approval, moment time.Duration, who person) (ending, error) {
	a := client.attempt()
	w := newWalker(x.issuer)
	chooser, err := w.visit(a.url(oauth2.SetAuthURLParam("prompt", "login")))
	if err != nil {
		return "", err
	}
	waiting, err := w.choose(chooser, way[0], way[1])
	if err != nil {
		return "", err
	}
	id, err := w.pickUp(waiting, x.phone)
	if err != nil {
		return "", err
	}

	// From here on three things happen at their own times: the person approves,
	// the broker dies and comes again, the browser waits.
	began := time.Now()
	type approved struct {
		back string
		err  error
	}
	approving := make(chan approved, 1)
	go func() {
		time.Sleep(approval)
		back, err := x.phone.approve(id, who.Number)
		approving <- approved{back, err}
	}()
	restarted := make(chan struct{})
	go func() {
		defer close(restarted)
		time.Sleep(moment - time.Since(began))
		x.broker.kill()
		x.serve()
	}()
	b := browsing{w: w, waiting: waiting, deadline: time.Now().Add(40 * time.Second)}
	person := <-approving
	if person.err != nil {
		<-restarted
		return "", fmt.Errorf("the person could not approve: %w", person.err)
	}
	end, callback, err := b.finish(person.back)
	<-restarted
	if err != nil || end != "" {
		return end, err
	}
	code, err := a.code(callback)
	if err != nil {
		return "", err
	}
	claims, err := a.redeem(x.t.Context(), code)
	var refused *oauth2.RetrieveError
	if err != nil && !errors.As(err, &refused) {
		// The connection was cut, and with it perhaps the answer: try again.
		b.cut = true
		claims, err = a.redeem(x.t.Context(), code)
	}
	if errors.As(err, &refused) && refused.ErrorCode == "invalid_grant" && b.cut {
		return answerLost, nil
	}
	if err != nil {
		return "", fmt.Errorf("the code is not redeemed: %w", err)
	}
	if claims[claimNumber] != who.Number {
		return "", errors.New("the claims are another person's")
	}
	if _, err := a.redeem(x.t.Context(), code); err == nil {
		return "", errors.New("the code was good twice")
	}
	return completed, nil
}

// browsing is a browser whose requests may be cut off at any time, and which
// then simply asks again, as a person's reload would.
type browsing struct {
	w        *walker
	waiting  place
	deadline time.Time
	cut      bool // a request was cut off that may have ended the login
}

// insist repeats what fails for want of a connection, and notes in cut that it
// did.
func insist[T any](b *browsing, cut *bool, what func() (T, error)) (T, error) {
	for {
		v, err := what()
		var network *url.Error
		if err == nil || !errors.As(err, &network) || time.Now().After(b.deadline) {
			return v, err
		}
		*cut = true
		time.Sleep(20 * time.Millisecond)
	}
}

// finish goes on until the client gets its answer, or the page says how the
// login ended.
func (b *browsing) finish(back string) (ending, *url.URL, error) {
	if back != "" {
		at, err := insist(b, &b.cut, func() (place, error) { return b.w.visit(back) })
		if err != nil || at.outside {
			return "", at.url, err
		}
	}
	for time.Now().Before(b.deadline) {
		s, err := insist(b, new(bool), func() (status, error) { return b.w.ask(b.waiting) })
		if err != nil {
			return "", nil, err
		}
		switch s.State {
		case "complete":
			done, err := insist(b, &b.cut, func() (place, error) { return b.w.visit(s.Redirect) })
			if err != nil {
				return "", nil, err
			}
			if done.outside {
				return "", done.url, nil
			}
			if b.cut && strings.Contains(done.body, "annat fönster") {
				return answerLost, nil, nil
			}
			return "", nil, fmt.Errorf("finishing shows a page: %s", done)
		case "failed":
			page, err := insist(b, new(bool), func() (place, error) { return b.w.visit(b.waiting.url.String()) })
			if err != nil {
				return "", nil, err
			}
			if page.status == 200 && strings.Contains(page.body, "Svaret kom inte fram") {
				return resultLost, nil, nil
			}
			if b.cut && s.Hint == "continuedElsewhere" && strings.Contains(page.body, "annat fönster") {
				return answerLost, nil, nil
			}
			return "", nil, fmt.Errorf("the login failed, hint %s: %s", s.Hint, page)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return "", nil, errors.New("the login neither completes nor fails")
}
