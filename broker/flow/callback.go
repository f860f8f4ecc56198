package flow

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"sigill/broker"
	"sigill/providers"
)

// Callback is what a browser brought back from an issuer's own site.
type Callback struct {
	Handle   string // providers.Request.Handle, as it came back
	Instance string // in the address
	At       string // providers.BackPath or SignBackPath
	Form     map[string][]string
}

// LogValue keeps the issuer's answer out of logs.
func (c Callback) LogValue() slog.Value {
	return slog.GroupValue(slog.String("instance", c.Instance), slog.String("at", c.At))
}

// sum names an answer: what was brought, and where.
func (c Callback) sum() []byte {
	h := sha256.New()
	h.Write(appendPart(nil, c.At))
	h.Write(flat(c.Form))
	return h.Sum(nil)
}

// flat writes the names and values of a form in turn, sorted by name, each behind
// its length: as JSON some bytes would take the room of six.
func flat(form map[string][]string) []byte {
	var out []byte
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range form[name] {
			out = appendPart(appendPart(out, name), value)
		}
	}
	return out
}

// unflat reads what flat wrote.
func unflat(b []byte) (map[string][]string, error) {
	form := map[string][]string{}
	for len(b) > 0 {
		var pair [2]string
		for i := range pair {
			part, rest, err := cutPart(b)
			if err != nil {
				return nil, err
			}
			pair[i], b = string(part), rest
		}
		form[pair[0]] = append(form[pair[0]], pair[1])
	}
	return form, nil
}

// maxHandle is what a handle may be long: SAML's RelayState.
const maxHandle = 80

func newHandle(id broker.OrderID) string { return string(id) + "." + broker.NewSecret() }

// away is a Redirect or a PostForm, as it is kept.
type away struct {
	URL    string            `json:"url"`
	Post   bool              `json:"post,omitempty"`
	Fields map[string]string `json:"fields,omitempty"`
}

// awayOf gives nil for every other step, and for an address that a browser should
// not be sent to.
func awayOf(s providers.Step) *away {
	var a away
	switch s := s.(type) {
	case providers.Redirect:
		a = away{URL: s.URL}
	case providers.PostForm:
		a = away{URL: s.URL, Post: true, Fields: s.Fields}
	}
	u, err := url.Parse(a.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil
	}
	return &a
}

func (a away) step() providers.Step {
	if a.Post {
		return providers.PostForm{URL: a.URL, Fields: a.Fields}
	}
	return providers.Redirect{URL: a.URL}
}

// back is what a browser brought.
type back struct {
	At   string              `json:"at"`
	From *away               `json:"from,omitempty"` // where it was sent, should this be no answer
	Form map[string][]string `json:"-"`              // lies behind the rest of the record
}

// came is the form that counts, by which whoever brought it is known again.
type came struct {
	Sum []byte    `json:"sum"`
	At  time.Time `json:"at"`
}

// is compares in constant time; nothing is nothing's.
func (c *came) is(sum []byte) bool { return c != nil && subtle.ConstantTimeCompare(c.Sum, sum) == 1 }

// forget takes back that an answer came, when it turned out to be none: who
// brought it earns no way back by it, and the browser is still away.
func forget(o *broker.Order, r *record) {
	if r.Came == nil {
		return
	}
	if r.Back != nil {
		r.Away = r.Back.From
	}
	r.Came, r.Request.ReturnURL = nil, ""
	o.Nonce, o.Returned = nil, time.Time{}
}

// event is what the provider is told: that the browser came, or without one that
// time has passed.
func (r record) event() providers.Event {
	if r.Back == nil {
		return providers.Event{Kind: providers.Tick}
	}
	v := providers.Event{Kind: providers.Callback, At: r.Back.At, Form: r.Back.Form}
	if r.Came != nil {
		v.Came = r.Came.At
	}
	return v
}

// stale reports whether an answer has waited too long to be judged: what it is
// judged with is away for good.
func (e *Engine) stale(o broker.Order, r record) bool {
	from := o.Deadline
	if r.Came != nil {
		from = r.Came.At
	}
	return r.Answered && !e.past().Before(from.Add(e.Limits.Answer))
}

// awayRest is how long an order rests whose browser is away: nobody can be asked,
// so only its deadline is looked at.
func (e *Engine) awayRest(o broker.Order) time.Duration {
	return max(e.Limits.Retry, min(30*time.Second, o.Deadline.Sub(e.past())))
}

// Callback takes in that a browser came back from an issuer's site, and answers
// where it goes on: the one-time address of its order. The first answer of a
// pending order is stored before anybody looks at it, and counts. Another changes
// nothing and is broker.ErrNotFound, as is what belongs to no order: the handle is
// known to whoever began the order, so it earns nobody the address.
//
// The address is made when the answer comes and given to whoever brings that very
// answer, which only the person's own browser has seen. Coming back by it, in the
// browser that began, decides (I3).
func (e *Engine) Callback(ctx context.Context, c Callback) (string, error) {
	// A browser that leaves does not take the answer along.
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), e.Limits.Call)
	defer done()
	for {
		address, turn, err := e.takeBack(ctx, c)
		switch {
		case err == nil:
			select {
			case <-turn:
			case <-ctx.Done():
			}
			return address, nil
		case errors.Is(err, broker.ErrNotFound):
			return "", broker.ErrNotFound
		case errors.Is(err, broker.ErrConflict) && ctx.Err() == nil:
			continue
		}
		if !rest(ctx, e.Limits.Retry) {
			return "", err
		}
	}
}

// takeBack stores an answer and has the order gone on with here. The channel is
// closed when it has been.
func (e *Engine) takeBack(ctx context.Context, c Callback) (address string, turn <-chan struct{}, err error) {
	id, _, ok := strings.Cut(c.Handle, ".")
	if !ok || len(c.Handle) > maxHandle {
		return "", nil, broker.ErrNotFound
	}
	o, r, err := e.load(ctx, broker.OrderID(id))
	if err != nil {
		return "", nil, err
	}
	at := providers.BackPath
	if o.Kind == providers.KindSign {
		at = providers.SignBackPath
	}
	known := r.Request.Handle != "" && subtle.ConstantTimeCompare([]byte(r.Request.Handle), []byte(c.Handle)) == 1
	if !known || o.Instance != c.Instance || at != c.At {
		return "", nil, broker.ErrNotFound
	}
	over := make(chan struct{})
	close(over)
	sum := c.sum()
	if o.Phase != broker.Pending || r.Away == nil {
		if !r.Came.is(sum) {
			return "", nil, broker.ErrNotFound
		}
		if o.Phase == broker.Pending && r.Back != nil && o.Node == e.Node {
			// Perhaps it was stored just now, and that was not known.
			return r.Request.ReturnURL, e.goOn(o, r), nil
		}
		return r.Request.ReturnURL, over, nil
	}
	nonce := broker.NewSecret()
	o.Nonce, r.Request.ReturnURL = digest(nonce), e.ReturnURL(o.ID, nonce)
	r.Away, r.Back, r.Answered = nil, &back{At: c.At, Form: c.Form, From: r.Away}, true
	r.Came = &came{Sum: sum, At: e.Now()}
	e.gate.RLock()
	defer e.gate.RUnlock()
	e.lease(&o) // whoever had it: nobody else has asked anybody
	if err := e.write(ctx, e.Orders.TakeOrder, &o, r); err != nil {
		if !errors.Is(err, broker.ErrConflict) {
			e.unsure.Store(true)
		}
		return "", nil, err
	}
	if e.draining {
		e.schedule.drop(o.ID)
		return r.Request.ReturnURL, over, nil
	}
	return r.Request.ReturnURL, e.goOn(o, r), nil
}

// goOn has an order of this node's asked about at once, by what is stored.
func (e *Engine) goOn(o broker.Order, r record) (turn <-chan struct{}) {
	if !e.schedule.add(o, r, e.Now(), 0) {
		e.schedule.refresh(o, r)
	}
	return e.schedule.hurry(o.ID)
}
