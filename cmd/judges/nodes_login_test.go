package judges

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// A spentLogin is a login that came to its end, with every single-use thing that
// it had. None of them may be good once more, whatever happens to the stores.
type spentLogin struct {
	attempt  attempt
	walker   *walker
	redirect string // where the browser finished
	back     string // where the app sent the person back; empty: nowhere
	code     string
	token    string // access token that the code gave
	ended    bool   // the token was ended, since the code was used again
	proof    string // a client's assertion
	proved   int    // how often it was good
}

// Plain pages that tell a person to begin again, by their headings. A login may
// end with one of them when something was killed under it.
func plainEndings() []string {
	return []string{
		"Svaret kom inte fram",            // the issuer's answer was lost with a node
		"Inloggningen gäller inte längre", // Redis has lost it
		"Vi fick inte kontakt med appen",  // nobody could scan in time
		"Inloggningen avbröts",            // no browser could be heard for 30 s
		"Något gick fel",                  // the node that began it is gone
		"E-legitimationen svarar inte",    // the node that asked was cut off
		"Inloggningen har gått vidare i ett annat fönster",
		"Länken gäller inte längre",
	}
}

// logging is one person's login over many nodes.
type logging struct {
	c        *cluster
	w        *walker
	who      person
	way      [2]string
	hold     time.Duration // between the QR code and the scan
	deadline time.Time
	cut      bool       // something was cut off that may have ended the login
	lost     func() int // how often Redis has lost something; nil: never
	began    int        // and how often when the login began
}

// codeLost: the application came with the code when Redis had lost it.
const codeLost ending = "the code was lost with Redis before it was exchanged"

// errEnding ends a login with a plain page.
type errEnding struct{ end ending }

func (e errEnding) Error() string { return string(e.end) }

// stubbornly repeats what nobody answered.
func stubbornly[T any](l *logging, cut *bool, what func() (T, error)) (T, error) {
	for {
		v, err := what()
		if err == nil || !cutOff(err) || time.Now().After(l.deadline) {
			return v, err
		}
		if cut != nil {
			*cut = true
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// page takes a page for the end of a login if it is plain, else for a fault.
func (l *logging) page(p place) error {
	heading := headingOf(p)
	if !p.outside && slices.Contains(plainEndings(), heading) {
		return errEnding{ending("begin again: " + heading)}
	}
	if strings.Contains(p.body, `name="provider"`) {
		return errEnding{"begin again: the choice of e-IDs"} // Redis came back with what was before it
	}
	return fmt.Errorf("the login shows %s", p)
}

// run logs in. What came of it is the claims, a plain page, or an answer that was
// cut off; anything else is an error. The person's turn is not needed: the issuer
// does not know who it will be.
func (l *logging) run(ctx context.Context) (ending, *spentLogin, error) {
	s := &spentLogin{attempt: l.c.client.attempt(), walker: l.w}
	end, err := l.logIn(ctx, s)
	var plain errEnding
	if errors.As(err, &plain) {
		return plain.end, s, nil
	}
	return end, s, err
}

func (l *logging) logIn(ctx context.Context, s *spentLogin) (ending, error) {
	chooser, err := stubbornly(l, nil, func() (place, error) {
		return l.w.visit(s.attempt.url(oauth2.SetAuthURLParam("prompt", "login")))
	})
	if err != nil {
		return "", err
	}
	if chooser.outside || chooser.status != http.StatusOK {
		return "", l.page(chooser)
	}
	wait, err := stubbornly(l, nil, func() (place, error) {
		return l.w.post(chooser.url.String(), url.Values{"provider": {l.way[0]}, "device": {l.way[1]}})
	})
	if err != nil {
		return "", err
	}
	if wait.outside || wait.status != http.StatusOK || wait.kind() != waiting {
		return "", l.page(wait)
	}
	if s.back, err = l.approves(&wait); err != nil {
		return "", err
	}
	callback, err := l.finishes(wait, s)
	if err != nil {
		var plain errEnding
		if l.cut && errors.As(err, &plain) && strings.Contains(string(plain.end), "annat fönster") {
			return answerLost, nil
		}
		return "", err
	}
	if s.code, err = s.attempt.code(callback); err != nil {
		return "", err
	}
	return l.redeems(ctx, s)
}

// approves watches the page as a browser does, and has the person scan and
// approve.
func (l *logging) approves(at *place) (back string, err error) {
	scan := time.Now().Add(l.hold)
	var last error
	for time.Now().Before(l.deadline) {
		is, err := l.ask(at)
		if err != nil {
			return "", err
		}
		if is.State == "failed" {
			return "", l.failed(*at, is)
		}
		if time.Now().Before(scan) || is.Link == "" && is.QR == "" {
			time.Sleep(min(l.c.pace*3, max(time.Until(scan), 20*time.Millisecond)))
			continue
		}
		id, err := "", error(nil)
		if is.Link == "" {
			id, err = l.c.phone.scan(is.QR)
		} else {
			var token string
			if token, err = tokenOf(is.Link); err != nil {
				return "", err
			}
			id, err = l.c.phone.open(token)
		}
		if err == nil {
			if back, err = l.c.phone.approve(id, l.who.Number); err == nil {
				return back, nil
			}
		}
		last = err // a frame is good for a moment only
		time.Sleep(20 * time.Millisecond)
	}
	return "", fmt.Errorf("the person could not approve: %w", last)
}

// ask is the page's own question. A page that has gone is looked at: it may have
// gone elsewhere.
func (l *logging) ask(wait *place) (status, error) {
	is, err := stubbornly(l, nil, func() (status, error) { return l.w.ask(*wait) })
	if err != nil && strings.HasPrefix(err.Error(), "status answers 4") {
		page, visit := stubbornly(l, nil, func() (place, error) { return l.w.visit(wait.url.String()) })
		if visit != nil {
			return is, visit
		}
		if page.kind() == waiting {
			*wait = page
			return status{State: "pending"}, nil
		}
		return is, l.page(page)
	}
	return is, err
}

// failed looks at the page of a login that failed.
func (l *logging) failed(wait place, is status) error {
	page, err := stubbornly(l, nil, func() (place, error) { return l.w.visit(wait.url.String()) })
	if err != nil {
		return err
	}
	if err := l.page(page); !errors.As(err, new(errEnding)) {
		return fmt.Errorf("failed, hint %s: %w", is.Hint, err)
	}
	return l.page(page)
}

// finishes goes on until the application gets its answer.
func (l *logging) finishes(wait place, s *spentLogin) (*url.URL, error) {
	if s.back != "" {
		at, err := stubbornly(l, &l.cut, func() (place, error) { return l.w.visit(s.back) })
		if err != nil {
			return nil, err
		}
		if at.outside {
			s.redirect = wait.url.String() + "/done"
			return at.url, nil
		}
		if at.kind() != waiting && headingOf(at) != "Du är klar i BankID-appen" {
			return nil, l.page(at)
		}
	}
	for time.Now().Before(l.deadline) {
		is, err := l.ask(&wait)
		if err != nil {
			return nil, err
		}
		switch is.State {
		case "complete":
			s.redirect = is.Redirect
			done, err := stubbornly(l, &l.cut, func() (place, error) { return l.w.visit(is.Redirect) })
			if err != nil {
				return nil, err
			}
			if done.outside {
				return done.url, nil
			}
			if done.kind() == waiting {
				break // another node has not heard yet
			}
			return nil, l.page(done)
		case "failed":
			return nil, l.failed(wait, is)
		}
		time.Sleep(l.c.pace)
	}
	return nil, errors.New("the login neither completes nor fails")
}

// redeems exchanges the code, and looks at the claims.
func (l *logging) redeems(ctx context.Context, s *spentLogin) (ending, error) {
	cut := false
	type redeemed struct {
		claims map[string]any
		token  string
	}
	got, err := stubbornly(l, &cut, func() (redeemed, error) {
		claims, token, err := s.attempt.exchange(ctx, s.code)
		return redeemed{claims, token}, err
	})
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.ErrorCode == "invalid_grant" {
		switch {
		case cut || l.cut:
			return answerLost, nil
		case l.lost != nil && l.lost() != l.began:
			return codeLost, nil
		}
	}
	if err != nil {
		return "", fmt.Errorf("the code is not redeemed: %w", err)
	}
	if got.claims[claimNumber] != l.who.Number {
		return "", errors.New("the claims are another person's")
	}
	s.token = got.token
	return completed, nil
}

// exchange is redeem, and gives the access token too.
func (a attempt) exchange(ctx context.Context, code string) (map[string]any, string, error) {
	var token string
	seen := a
	seen.client = &client{oauth2: a.client.oauth2, provider: a.client.provider, http: &http.Client{
		Timeout: a.client.http.Timeout, Transport: tokenSeer{a.client.http.Transport, &token},
	}}
	claims, err := seen.redeem(ctx, code)
	return claims, token, err
}

// tokenSeer reads the access token of an answer that passes.
type tokenSeer struct {
	base  http.RoundTripper
	token *string
}

func (s tokenSeer) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := s.base.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, "/token") {
		return answer, err
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	answer.Body = io.NopCloser(bytes.NewReader(body))
	var t struct {
		AccessToken string `json:"access_token"`
	}
	if json.Unmarshal(body, &t) == nil {
		*s.token = t.AccessToken
	}
	return answer, err
}

// again uses every single-use thing of a login once more, at several nodes at
// once. It says what was good.
func (l *logging) again(ctx context.Context, s *spentLogin, times int) []string {
	var mu sync.Mutex
	var good []string
	honoured := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		good = append(good, what)
	}
	given := 0 // how often the login has given a token; an answer that was lost may be given now
	if s.token != "" {
		given = 1
	}
	gives := func(what string) {
		mu.Lock()
		given++
		first := given == 1
		mu.Unlock()
		if !first {
			honoured(what)
		}
	}
	var all sync.WaitGroup
	for range times {
		all.Go(func() {
			if s.code == "" {
				return
			}
			_, token, err := s.attempt.exchange(ctx, s.code)
			var refused *oauth2.RetrieveError
			switch {
			case err == nil:
				gives("a code")
				mu.Lock()
				s.token = token
				mu.Unlock()
			case errors.As(err, &refused) && refused.ErrorCode == "invalid_grant":
			case !cutOff(err):
				honoured("a code: " + err.Error())
			}
		})
		all.Go(func() { // the browser presses again
			if s.redirect == "" {
				return
			}
			at, err := s.walker.visit(s.redirect)
			if err != nil || !at.outside || at.url.Query().Get("code") == "" {
				return
			}
			// The same answer may be given again to who did not get it; it is worth
			// nothing twice.
			if _, token, err := s.attempt.exchange(ctx, at.url.Query().Get("code")); err == nil {
				gives("a login's end")
				mu.Lock()
				s.token = token
				mu.Unlock()
			}
		})
		all.Go(func() { // a stranger has the return address
			if s.back == "" {
				return
			}
			at, err := l.c.walker().visit(s.back)
			if err == nil && (at.outside || at.kind() == waiting || at.kind() == landing) {
				honoured("a return address")
			}
		})
	}
	all.Wait()
	return good
}

// tokenLives asks who the token's person is. Who is not answered does not know.
func (c *cluster) tokenLives(token string) (lives, known bool) {
	r, err := http.NewRequest("GET", c.client.provider.UserInfoEndpoint(), nil)
	if err != nil {
		return false, false
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := c.api.Do(r)
	if err != nil {
		return false, false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK, res.StatusCode == http.StatusOK || res.StatusCode == http.StatusUnauthorized
}

// proves uses one assertion of the client keyed several times at once, and counts
// how often it was good.
func (c *cluster) proves(assertion string, times int) int {
	var all sync.WaitGroup
	var mu sync.Mutex
	good := 0
	for range times {
		all.Go(func() {
			res, err := c.api.PostForm(c.issuer+"/token", url.Values{
				"grant_type": {"client_credentials"}, "scope": {"signing"},
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
			})
			if err != nil {
				return
			}
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				mu.Lock()
				good++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return good
}

// handles posts an authorization request and goes on with its handle several
// times at once, and counts how often that led to a login.
func (l *logging) handles(times int) (int, error) {
	handle, err := stubbornly(l, nil, func() (string, error) { return l.w.handle(l.c.client.attempt().url()) })
	if err != nil {
		return 0, err
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	good := 0
	for range times {
		all.Go(func() {
			at, err := l.w.visit(handle)
			if err == nil && !at.outside && at.status == http.StatusOK && strings.Contains(at.url.Path, "/login/") {
				mu.Lock()
				good++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return good, nil
}

// logins has people log in, some at a time, and says how it ended.
type logins struct {
	c      *cluster
	ends   tally
	seen   tally // how often things that are good once were good
	mu     sync.Mutex
	over   []*spentLogin
	faults []error
	// lost counts how often Redis has lost something; see chaos.
	lost func() int
}

// one is the i-th person of a load, who begins again when told to.
func (x *logins) one(ctx context.Context, i int, hold time.Duration) {
	const tries = 12
	for try := range tries {
		end, err := x.try(ctx, i, try, hold)
		if err != nil {
			x.mu.Lock()
			x.faults = append(x.faults, fmt.Errorf("login %d, try %d: %w", i, try+1, err))
			x.mu.Unlock()
			return
		}
		x.ends.add(string(end))
		if end == completed {
			x.seen.add("person who came in")
			return
		}
	}
}

func (x *logins) try(ctx context.Context, i, try int, hold time.Duration) (ending, error) {
	ways := [][2]string{{"mbankid", "other"}, {"bankid", "this"}}
	l := &logging{
		c: x.c, w: x.c.walker(), who: x.c.people[i%len(x.c.people)], way: ways[i%len(ways)],
		hold: mathrand.N(hold + 1), deadline: time.Now().Add(x.c.life), lost: x.lost, began: x.lost(),
	}
	if i%10 == 0 && try == 0 {
		l.hold = 2 * hold // the code is not scanned before it has been made anew
	}
	if i%3 == 0 && try == 0 {
		n, err := l.handles(3)
		if err != nil {
			return "", err
		}
		if n > 1 {
			return "", fmt.Errorf("the handle of a request was good %d times", n)
		}
		x.seen.addn("handle of a request", n)
	}
	end, s, err := l.run(ctx)
	if err != nil {
		return "", err
	}
	if s.token != "" {
		x.seen.add("code")
	}
	if good := l.again(ctx, s, 3); len(good) > 0 {
		return "", fmt.Errorf("good twice: %v", good)
	}
	if i%2 == 0 && try == 0 {
		if s.proof, err = x.c.assertion(); err != nil {
			return "", err
		}
		s.proved = x.c.proves(s.proof, 3)
		if s.proved > 1 {
			return "", fmt.Errorf("an assertion was good %d times", s.proved)
		}
		x.seen.addn("assertion", s.proved)
	}
	if s.token != "" && x.lost() == l.began {
		// The code was used again, so the token has ended, if that was heard.
		if lives, known := x.c.tokenLives(s.token); known && !lives {
			s.ended = true
		}
	}
	x.mu.Lock()
	x.over = append(x.over, s)
	x.mu.Unlock()
	return end, nil
}

// remembered uses everything once more, when all is up again.
func (x *logins) remembered(ctx context.Context) {
	var all sync.WaitGroup
	slots := make(chan struct{}, 8)
	for _, s := range x.over {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			l := &logging{c: x.c, deadline: time.Now().Add(patience)}
			good := l.again(ctx, s, 1)
			// One that nobody could take before may be taken now.
			if s.proof != "" && s.proved+x.c.proves(s.proof, 2) > max(s.proved, 1) {
				good = append(good, "an assertion")
			}
			if s.ended {
				if lives, known := x.c.tokenLives(s.token); known && lives {
					good = append(good, "a token that had ended")
				}
				x.seen.add("token that had ended, asked for again")
			}
			for _, what := range good {
				x.mu.Lock()
				x.faults = append(x.faults, fmt.Errorf("good again afterwards: %s", what))
				x.mu.Unlock()
			}
		})
	}
	all.Wait()
}
