package judges

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// When in an order's life the broker is killed.
type moment struct {
	after  string        // what must have happened: "" for the order's beginning
	within time.Duration // how much later, at most
}

// TestKillSigning kills the broker with SIGKILL at random moments of orders that
// three persons sign, and starts it again (invariant I7). Each ends in one sealed
// PDF, each webhook comes by one id, each message by one name.
func TestKillSigning(t *testing.T) {
	judged(t)
	p := newPremises(t, premisesWish{process: true, log: "signkill"})
	runs := soaking(12, 200)
	if _, err := p.killedOrder(0, nil, nil); err != nil { // warm
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := p.killedOrder(1, nil, nil); err != nil {
		t.Fatal(err)
	}
	life := time.Since(began)
	var moments []moment
	for _, after := range []string{"approved 1", "approved 2", "approved 3", "signed 3"} {
		moments = append(moments, moment{"made", 40 * time.Millisecond}, moment{"", life * 11 / 10}, moment{after, 100 * time.Millisecond})
	}
	var all []keptOrder
	count := map[string]map[string]int{}
	tally := func(row, column string, n int) {
		if count[row] == nil {
			count[row] = map[string]int{}
		}
		count[row][column] += n
	}
	var rows []string
	for i := range runs {
		m := moments[i%len(moments)]
		column := "at any time"
		if m.after != "" {
			column = "right after " + m.after
		}
		if !slices.Contains(rows, column) {
			rows = append(rows, column)
		}
		wait := time.Duration(mathrand.Int64N(int64(m.within)))
		o, err := p.killedOrder(i+2, &m, &wait)
		if err != nil {
			t.Errorf("run %d, killed %s later than %q: %v", i, wait, m.after, err)
			continue
		}
		tally(column, "orders", 1)
		tally(column, "sealed", 1)
		if o.again > 0 {
			tally(column, "after signing again", 1)
		} else {
			tally(column, "directly", 1)
		}
		for why, n := range o.why {
			tally(column, "why: "+why, n)
		}
		all = append(all, o)
	}

	// Once more from the beginning: what was given out is what there is.
	p.broker.kill()
	p.serve("signkill")
	repeats := map[string]int{}
	for _, o := range all {
		if sum := sha256.Sum256(p.receipt(o.id, 3)); sum != o.receipt {
			t.Errorf("%s: another receipt is given out than before", o.title)
		}
		if err := p.heardOf(o, repeats); err != nil {
			t.Errorf("%s: %v", o.title, err)
		}
	}
	p.audited()
	table := tabwriter.NewWriter(t.Output(), 0, 0, 1, ' ', 0)
	fmt.Fprintf(table, "| kill -9, %d orders of three; killed\t| orders\t| one sealed PDF\t| directly\t| after signing again\t|\n", runs)
	total := map[string]int{}
	for _, row := range append(slices.Sorted(slices.Values(rows)), "all") {
		c := count[row]
		if row == "all" {
			c = total
		}
		fmt.Fprintf(table, "| %s\t| %d\t| %d\t| %d\t| %d\t|\n", row, c["orders"], c["sealed"], c["directly"], c["after signing again"])
		for k, n := range c {
			if row != "all" {
				total[k] += n
			}
		}
	}
	for _, k := range slices.Sorted(maps.Keys(total)) {
		if why, ok := strings.CutPrefix(k, "why: "); ok {
			fmt.Fprintf(table, "| %s\t| %d\t|\n", why, total[k])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(repeats)) {
		fmt.Fprintf(table, "| sent more than once, by the same name: %s\t| %d\t|\n", k, repeats[k])
	}
	fmt.Fprintf(table, "| life of an order that nothing happens to\t| %s\t|\n", life.Round(10*time.Millisecond))
	table.Flush()
}

// keptOrder is what is remembered of an order that came to its end.
type keptOrder struct {
	id, title string
	people    []person
	receipt   [32]byte
	again     int            // signatures that were approved and did not count
	why       map[string]int // what people were told
}

// happenings lets things be waited for that have happened.
type happenings struct {
	mu   sync.Mutex
	done map[string]chan struct{}
}

func (h *happenings) of(what string) chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.done == nil {
		h.done = map[string]chan struct{}{}
	}
	if h.done[what] == nil {
		h.done[what] = make(chan struct{})
	}
	return h.done[what]
}

func (h *happenings) happened(what string) {
	c := h.of(what)
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-c:
	default:
		close(c)
	}
}

// killedOrder is one order of three persons whose broker is killed once.
func (p *premises) killedOrder(i int, when *moment, later *time.Duration) (keptOrder, error) {
	o := keptOrder{title: fmt.Sprintf("Avtal %d för tre", i), why: map[string]int{}}
	for n := range 3 {
		o.people = append(o.people, p.phone.person(p.t, (3*i+n)%18))
	}
	var now happenings
	restarted := make(chan struct{})
	go func() {
		defer close(restarted)
		if when == nil {
			return
		}
		if when.after != "" {
			<-now.of(when.after)
		}
		time.Sleep(*later)
		p.broker.kill()
		p.serve("signkill")
	}()
	err := p.signedByThree(&o, i%2 == 0, &now)
	if err != nil {
		for n := range 3 { // so that the killer does not wait for ever
			now.happened(fmt.Sprintf("approved %d", n+1))
		}
		now.happened("signed 3")
		now.happened("made")
	}
	<-restarted
	if err != nil {
		return o, err
	}
	// Also when the broker died after everything: it is all there.
	a, err := p.sendStubbornly(asker, "GET", "/api/v1/orders/"+o.id+"/documents/1", nil)
	if err != nil {
		return o, err
	}
	if sum := sha256.Sum256(a.body); a.status != http.StatusOK || sum != o.receipt {
		return o, fmt.Errorf("another receipt the second time: %d", a.status)
	}
	return o, nil
}

// lifeLimit is how long an order may take whose broker is killed once.
const lifeLimit = 60 * time.Second

func (p *premises) signedByThree(o *keptOrder, sequential bool, now *happenings) error {
	invites := []string{"none", "both", "both"}
	var signatories []members
	for n, who := range o.people {
		signatories = append(signatories, p.signatoryOf(who, invites[n]))
	}
	w := p.wishFor(o.title, signatories...)
	if sequential {
		w["order"] = "sequential"
	}
	// The client insists, with the same key, until it has heard.
	a, err := p.sendStubbornly(asker, "POST", "/api/v1/orders", w, "Idempotency-Key: "+rand.Text())
	if err != nil {
		return err
	}
	if a.status != http.StatusCreated {
		return fmt.Errorf("no order: %d %s", a.status, a.body)
	}
	var made apiOrder
	if err := json.Unmarshal(a.body, &made); err != nil {
		return err
	}
	o.id = made.ID
	now.happened("made")

	deadline := time.Now().Add(p.life)
	var all sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	signed, approved := 0, 0
	for n, who := range o.people {
		all.Go(func() {
			s := stubborn{g: p.guest(who), turn: p.turns[who.Number], pace: p.pace, deadline: deadline, why: map[string]int{}, approved: func() {
				mu.Lock()
				defer mu.Unlock()
				approved++
				now.happened(fmt.Sprintf("approved %d", approved))
			}}
			address := made.Signatories[0].SignURL
			var err error
			if n > 0 {
				address, err = p.linkOf(who, made.ID, n, deadline)
			}
			if err == nil {
				err = s.signs(address)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("signatory %d: %w", n+1, err))
				return
			}
			signed++
			now.happened(fmt.Sprintf("signed %d", signed))
			o.again += s.approvals - 1
			for k, v := range s.why {
				o.why[k] += v
			}
		})
	}
	all.Wait()
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	for {
		if a, err = p.sendStubbornly(asker, "GET", "/api/v1/orders/"+o.id, nil); err != nil {
			return err
		}
		var is apiOrder
		if err := json.Unmarshal(a.body, &is); err != nil {
			return err
		}
		if is.State == "completed" {
			break
		}
		if is.State != "sealing" || time.Now().After(deadline) {
			return fmt.Errorf("everybody has signed, and the order is %s", is.State)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if a, err = p.sendStubbornly(asker, "GET", "/api/v1/orders/"+o.id+"/documents/1", nil); err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("no receipt: %d %s", a.status, a.body)
	}
	o.receipt = sha256.Sum256(a.body)
	return p.valid(a.body, 3)
}

// sendStubbornly asks again while nobody answers.
func (p *premises) sendStubbornly(client, method, path string, body any, headers ...string) (apiAnswer, error) {
	deadline := time.Now().Add(p.life)
	for {
		a, err := p.send(client, method, path, body, headers...)
		switch {
		case err == nil && a.status == http.StatusUnauthorized:
			_, err = p.token(client, true)
		case err == nil:
			return a, nil
		}
		if err != nil && !cutOff(err) || time.Now().After(deadline) {
			return a, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// linkOf waits for a message about an order and gives its link: the second
// signatory's from the mail, the third's from the SMS.
func (p *premises) linkOf(who person, order string, n int, deadline time.Time) (string, error) {
	to := map[int]string{1: p.mailOf(who), 2: p.mobileOf(who)}[n]
	for time.Now().Before(deadline) {
		for _, m := range p.idp.Messages(to) {
			if strings.Contains(m.Reference, order) && len(m.Links) == 1 {
				return m.Links[0], nil
			}
		}
		time.Sleep(cmp.Or(p.pace, 10*time.Millisecond))
	}
	return "", errors.New("no invitation came")
}

// stubborn is a person who goes on as people do: reloads what was cut off, and
// signs again only when told to.
type stubborn struct {
	g         *guest
	turn      *sync.Mutex   // held from the beginning of a signature until it is approved; nil: nobody else signs as this person
	pace      time.Duration // between two looks at what is waited for; zero: quickly
	deadline  time.Time
	approved  func() // called when the person has approved a signature
	approvals int
	why       map[string]int
}

// signs goes on until the person's place says that it is signed.
func (s *stubborn) signs(address string) error {
	last := "nothing happened"
	for time.Now().Before(s.deadline) {
		at, err := insistOn(s, func() (place, error) { return s.g.visit(address) })
		if err != nil {
			return err
		}
		switch at.kind() {
		case landing:
			if err := s.logsIn(at); err != nil {
				last = err.Error()
				s.why["a login did not come to its end: logged in again"]++
			}
		case review:
			address = at.url.String()
			if err := s.signsOnce(at); err != nil {
				last = err.Error()
			}
		case standing:
			return nil
		default:
			return fmt.Errorf("the page at %s: %s", address, at)
		}
	}
	return fmt.Errorf("not signed in time: %s", last)
}

// insistOn repeats what fails for want of a connection.
func insistOn[T any](s *stubborn, what func() (T, error)) (T, error) {
	for {
		v, err := what()
		if err == nil || !cutOff(err) || time.Now().After(s.deadline) {
			return v, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// cutOff tells whether nobody answered, or not to the end.
func cutOff(err error) bool {
	var asked *url.Error
	var network *net.OpError
	return errors.As(err, &asked) || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

func (s *stubborn) logsIn(at place) error {
	chooser, err := s.g.begins(at)
	if err != nil {
		return err
	}
	wait, err := insistOn(s, func() (place, error) { return s.g.picks(chooser) })
	if err != nil {
		return err
	}
	if _, err := s.picksUp(wait); err != nil {
		return err
	}
	_, err = s.outlasts(wait)
	return err
}

// signsOnce begins a signature, approves it, and waits for what becomes of it.
func (s *stubborn) signsOnce(at place) error {
	wait, err := s.approves(at)
	if err != nil || wait.kind() != waiting {
		return err
	}
	s.approvals++
	s.approved()
	why, err := s.outlasts(wait)
	if why != "" {
		s.why["told to sign again: "+why]++
	}
	return err
}

// approves begins a signature and approves it; a page that does not wait has
// moved on. The issuer lets a person have one order at a time.
func (s *stubborn) approves(at place) (place, error) {
	if s.turn != nil {
		s.turn.Lock()
		defer s.turn.Unlock()
	}
	wait, err := insistOn(s, func() (place, error) {
		p, err := s.g.picks(at)
		if err != nil && p.url != nil && p.kind() != waiting {
			return p, fmt.Errorf("the page has moved on: %w", err)
		}
		return p, err
	})
	if err != nil || wait.kind() != waiting {
		return wait, err
	}
	_, err = s.picksUp(wait)
	return wait, err
}

// picksUp opens an order by what the page shows, and approves it.
func (s *stubborn) picksUp(wait place) (string, error) {
	var err error
	for range 8 {
		var is status
		if is, err = insistOn(s, func() (status, error) { return s.g.ask(wait) }); err != nil {
			return "", err
		}
		if is.State == "failed" {
			return "", fmt.Errorf("it failed before it was opened: %s", is.Hint)
		}
		var id string
		if id, err = s.g.phone.scan(is.QR); err == nil {
			return s.g.phone.approve(id, s.g.who.Number)
		}
		time.Sleep(20 * time.Millisecond) // a frame is good for a moment only
	}
	return "", err
}

// outlasts waits for the end of an e-ID order, and says what the page says when
// it failed.
func (s *stubborn) outlasts(wait place) (why string, err error) {
	for time.Now().Before(s.deadline) {
		is, err := insistOn(s, func() (status, error) { return s.g.ask(wait) })
		if err != nil {
			return "", err
		}
		switch is.State {
		case "complete":
			at, err := insistOn(s, func() (place, error) { return s.g.visit(is.Redirect) })
			for err == nil && at.kind() == waiting && time.Now().Before(s.deadline) {
				time.Sleep(10 * time.Millisecond)
				at, err = insistOn(s, func() (place, error) { return s.g.visit(at.url.String()) })
			}
			return "", err
		case "failed":
			page, err := insistOn(s, func() (place, error) { return s.g.visit(wait.url.String()) })
			if err != nil {
				return "", err
			}
			return headingOf(page), fmt.Errorf("failed, hint %s", is.Hint)
		}
		time.Sleep(cmp.Or(s.pace, 15*time.Millisecond))
	}
	return "", errors.New("it neither completes nor fails")
}

// headingOf is what a page says first.
func headingOf(p place) string {
	_, rest, _ := strings.Cut(p.body, "<h1")
	_, rest, _ = strings.Cut(rest, ">")
	text, _, _ := strings.Cut(rest, "<")
	return strings.TrimSpace(text)
}

// heardOf checks what client and signatories were told of an order that came to
// its end: each thing under one name, however often.
func (p *premises) heardOf(o keptOrder, repeats map[string]int) error {
	want := map[string]int{"signatory.signed 1": 1, "signatory.signed 2": 1, "signatory.signed 3": 1, "order.sealing": 1, "order.completed": 1}
	deadline := time.Now().Add(30 * time.Second)
	for {
		list, again, err := p.hooks.of(o.id)
		if err != nil {
			return err
		}
		kinds := kindsOf(list)
		late := time.Now().After(deadline)
		if maps.Equal(kinds, want) {
			repeats["webhooks"] += again
			break
		}
		for k, n := range kinds {
			late = late || n > want[k]
		}
		if late {
			return fmt.Errorf("webhooks %v, not %v", kinds, want)
		}
		time.Sleep(20 * time.Millisecond)
	}
	for n, who := range o.people[1:] {
		for channel, to := range map[string]string{"email": p.mailOf(who), "sms": p.mobileOf(who)} {
			for {
				err := p.messagesOf(o, n+2, channel, to, repeats)
				if err == nil {
					break
				}
				if time.Now().After(deadline) {
					return err
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
	}
	return nil
}

// messagesOf checks the messages to one person by one channel: an invitation and
// word of the receipt, each by one name and with one text.
func (p *premises) messagesOf(o keptOrder, n int, channel, to string, repeats map[string]int) error {
	texts := map[string]string{}
	again := 0
	for _, m := range p.idp.Messages(to) {
		if !strings.Contains(m.Reference, o.id) || m.Channel != channel {
			continue
		}
		switch first, known := texts[m.Reference]; {
		case channel == "email" && !strings.Contains(m.Text, o.title):
			return fmt.Errorf("%s is of another order", m.Reference)
		case known && (first != m.Text || !m.Repeat):
			return fmt.Errorf("%s says another thing the second time", m.Reference)
		case known:
			again++
		}
		texts[m.Reference] = m.Text
	}
	kinds := map[string]int{}
	for name := range texts {
		_, kind, _ := strings.Cut(name, fmt.Sprintf("%s-%d-", o.id, n))
		kind, _, _ = strings.Cut(kind, "-")
		kinds[kind]++
	}
	if p.slow && kinds["invite"] == 0 {
		// Whoever had died with it left it to others for two minutes. By then the person
		// had signed, by the other invitation, and needs none.
		kinds["invite"] = 1
		repeats["an invitation that was not needed any more, not sent by "+channel]++
	}
	if !maps.Equal(kinds, map[string]int{"invite": 1, "receipt": 1}) {
		return fmt.Errorf("signatory %d has got by %s: %v", n, channel, kinds)
	}
	repeats[channel] += again
	return nil
}
