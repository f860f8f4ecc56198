// Package flow runs e-ID orders: it starts them at the issuer, watches them,
// takes in the result and tells browsers what to show. One state machine serves
// logins and signatures alike.
//
// It owns the life of an order from Begin until its owner has consumed the
// result: the lease that says which node watches it, the schedule, restarts, the
// rules of coming back (invariant I3), and the promise that the server and not
// the browser watches (I8). It does not know what an order is for, how an issuer
// is asked (providers do), or what a page looks like (broker/web does).
//
// A result is durable before anybody hears of it (I7). Where an issuer gives
// its answer only once, the raw answer is stored before it is even verified. The
// result of a login is fetched by the browser that may have it (Result); that of
// anything else is brought to its owner, again and again until the owner has it
// (Owner).
package flow

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/providers"
	"sigill/providers/personnummer"
)

// Limits are the times that an order lives by. Zero fields get the defaults.
type Limits struct {
	Life     time.Duration // an order is given up after this; default 10 min
	Renewal  time.Duration // silent restarts happen this long after Begin; default 3 min
	Restarts int           // restarts by the person's button; default 10
	Present  time.Duration // a browser counts as there this long after its last request; default 10 s
	Gone     time.Duration // an order that nobody picked up is cancelled this long after; default 30 s
	Answer   time.Duration // an answer that cannot be judged is given up this long after it came; default 24 h
	Lease    time.Duration // how long a node may be silent before others take its orders; default 20 s
	Foreign  time.Duration // how long another node may hold the issuer's answer; default 3 min 10 s
	Call     time.Duration // one call to an issuer; default 15 s
	Retry    time.Duration // pause after a call that failed; default 2 s
	Sweep    time.Duration // how often results are looked for that no owner has taken over; default 2 s
	Look     time.Duration // how often orders of silent nodes are looked for; default 1 s
	Check    time.Duration // how often what is watched is compared with what is leased; default 1 min
	Workers  int           // calls to issuers at a time, to one instance half of them at most; default 512
}

// Outcome is an order that ended, for metrics. It names no person.
type Outcome struct {
	Provider providers.ID
	Instance string
	Kind     providers.Kind
	Phase    broker.Phase
	Reason   providers.Reason
	Took     time.Duration
}

// Config is what an Engine needs. All fields but Owners, Results, Limits,
// Observe and Now are required.
type Config struct {
	Orders Orders
	Leases Leases
	Box    Box
	// Short remembers when a browser last asked, for other nodes to see.
	Short broker.Short
	// Owners are those to whom results are brought, by the name that their orders
	// bear. Results finds what they have not taken over; it is required with them.
	Owners  map[string]Owner
	Results Results
	// Provider finds the e-ID that an order was started with.
	Provider func(id providers.ID, instance string) (providers.Provider, bool)
	// Node is this process's name among those that share the store, and Boot its
	// name for this run; see Join. Without Boot nobody notices another process of
	// the same Node.
	Node, Boot string
	// ReturnURL is the one-time address that the app sends the person back to.
	ReturnURL func(id broker.OrderID, nonce string) string
	// PersonDigest names a person in the audit.
	PersonDigest func(personnummer.Number) string
	Log          *slog.Logger
	// Now is the clock that all nodes go by; see kit/clock. Where it is a
	// machine's own, leases are as good as the machines' clocks agree.
	Now func() time.Time
	// Past is the time that has surely come, by which an order's time is out; see
	// clock.Clock. Default Now.
	Past    func() time.Time
	Observe func(Outcome)
	Limits  Limits
}

// Engine runs e-ID orders. Its methods may be called from many goroutines and,
// Run apart, work without Run: then orders rest until some node runs.
type Engine struct {
	Config
	schedule *schedule
	desks    map[string]*desk // one for each of Owners
	doors    *doors
	calls    sync.WaitGroup
	trouble  complaints
	// renewed is until when this node has last prolonged its leases; unsure is set
	// when the store may hold leases of ours that we do not know of.
	renewed atomic.Int64
	// alone is from when on no other process can go by this node's name without
	// having noticed: one that was copied while it ran may hold answers until then.
	alone  atomic.Int64
	unsure atomic.Bool
	// gate keeps an order from being begun with a lease of ours while the leases
	// are given up for good.
	gate     sync.RWMutex
	draining bool
}

// New checks the configuration and starts nothing.
func New(c Config) (*Engine, error) {
	switch {
	case c.Orders == nil, c.Leases == nil, c.Box == nil, c.Short == nil, c.Provider == nil,
		c.Node == "", c.ReturnURL == nil, c.PersonDigest == nil, c.Log == nil:
		return nil, errors.New("flow: incomplete configuration")
	}
	if c.Owners[broker.LoginOwner] != nil {
		return nil, errors.New("flow: results of logins are fetched, not brought")
	}
	if len(c.Owners) > 0 && c.Results == nil {
		return nil, errors.New("flow: owners without Results")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Observe == nil {
		c.Observe = func(Outcome) {}
	}
	c.Limits = c.Limits.withDefaults()
	return &Engine{Config: c, schedule: newSchedule(), desks: newDesks(c.Owners), doors: newDoors(c.Limits.Workers)}, nil
}

func (l Limits) withDefaults() Limits {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&l.Life, 10*time.Minute)
	set(&l.Renewal, 3*time.Minute)
	set(&l.Present, 10*time.Second)
	set(&l.Gone, 30*time.Second)
	set(&l.Answer, 24*time.Hour)
	set(&l.Lease, 20*time.Second)
	set(&l.Foreign, 190*time.Second)
	set(&l.Call, 15*time.Second)
	set(&l.Retry, 2*time.Second)
	set(&l.Sweep, 2*time.Second)
	set(&l.Look, time.Second)
	set(&l.Check, time.Minute)
	if l.Restarts <= 0 {
		l.Restarts = 10
	}
	if l.Workers <= 0 {
		l.Workers = 512
	}
	return l
}

// Begin is a wish for an e-ID order.
type Begin struct {
	ID         broker.OrderID // reserved by the owner, from broker.NewID
	Owner, Ref string
	Client     string
	Provider   providers.ID
	Instance   string
	Kind       providers.Kind
	Locked     bool
	// Request says what to ask. ReturnURL is filled in here; so is Binding when
	// it is empty, with BindingOf.
	Request providers.Request
	Browser string // the secret of the browser that starts it
}

// BindingOf is what ties a login's evidence to its order: whoever has the
// record of the login can compute it again.
func BindingOf(owner, client string, id broker.OrderID) []byte {
	sum := sha256.Sum256([]byte("sigill order 1\x00" + owner + "\x00" + client + "\x00" + string(id)))
	return sum[:]
}

// Begin starts an order at the issuer and stores it, whatever came of it: an
// order that the issuer refused is a failed order, which Watch shows. An error
// means that there is no order: broker.ErrConflict when the id was used,
// *providers.BadRequest when the e-ID cannot do what is asked, else our fault.
func (e *Engine) Begin(ctx context.Context, b Begin) error {
	p, ok := e.Provider(b.Provider, b.Instance)
	if !ok {
		return &providers.BadRequest{Field: "provider", Problem: "is not offered"}
	}
	if b.ID == "" || b.Browser == "" {
		return errors.New("flow: an order needs an id and a browser")
	}
	if err := e.mayCount(b); err != nil {
		return err
	}
	now := e.Now()
	o := broker.Order{
		ID: b.ID, Owner: b.Owner, Ref: b.Ref, Client: b.Client,
		Provider: b.Provider, Instance: b.Instance, Mode: b.Request.Mode, Kind: b.Kind, Locked: b.Locked,
		Phase: broker.Pending, Browser: digest(b.Browser),
		Created: now, Changed: now, Deadline: now.Add(e.Limits.Life),
	}
	r := record{Request: b.Request}
	if len(r.Request.Binding) == 0 {
		r.Request.Binding = BindingOf(b.Owner, b.Client, b.ID)
	}
	wait, err := e.start(ctx, p, &o, &r)
	if err != nil {
		return err
	}
	events := []audit.Event{e.event(o, r, audit.OrderStarted)}
	if o.Phase != broker.Pending {
		events = append(events, e.event(o, r, audit.OrderFailed))
	}
	e.gate.RLock()
	defer e.gate.RUnlock()
	e.lease(&o)
	if err := e.seal(&o, r); err != nil {
		return err
	}
	if err := e.create(ctx, o, events...); err != nil {
		e.cancelAtIssuer(o, r)
		return fmt.Errorf("store order: %w", err)
	}
	switch {
	case o.Phase != broker.Pending:
		e.ended(o)
	case !e.draining:
		e.schedule.add(o, r, now, wait)
	}
	return nil
}

// lease gives an order that is about to be stored to this node or, when that is
// about to stop, to whoever looks first. The gate is held from here until the
// order is watched.
func (e *Engine) lease(o *broker.Order) {
	o.Node, o.LeaseUntil, o.ForeignUntil = e.Node, e.Now().Add(e.Limits.Lease), time.Time{}
	if e.draining {
		o.Node, o.LeaseUntil = "", time.Time{}
	}
}

// create stores a new order. When that failed, whether it did is looked up.
func (e *Engine) create(ctx context.Context, o broker.Order, events ...audit.Event) error {
	err := e.Orders.CreateOrder(ctx, o, events...)
	if err == nil || errors.Is(err, broker.ErrConflict) {
		return err
	}
	look, done := context.WithTimeout(context.WithoutCancel(ctx), e.Limits.Call)
	defer done()
	stored, missing := e.Orders.Order(look, o.ID)
	switch {
	case missing == nil && bytes.Equal(stored.Sealed, o.Sealed):
		return nil
	case missing == nil || errors.Is(missing, broker.ErrNotFound):
		return err
	}
	e.unsure.Store(true)
	return err
}

// mayCount refuses orders whose result would reach an owner by rules that do not
// fit it (I3). What is brought to an owner counts without the browser, so it must
// be a signature that only one person can make; and somebody must be there to
// take it.
func (e *Engine) mayCount(b Begin) error {
	if b.Locked && (b.Kind != providers.KindSign || b.Request.Number.IsZero()) {
		return errors.New("flow: only a signature of one person can be locked")
	}
	if b.Owner == broker.LoginOwner {
		return nil
	}
	if e.desks[b.Owner] == nil {
		return fmt.Errorf("flow: there is no owner %q", b.Owner)
	}
	if !b.Locked {
		return fmt.Errorf("flow: results for %q come without a browser, so its orders must be locked", b.Owner)
	}
	return nil
}

// start asks the issuer and puts what came of it into o and r.
func (e *Engine) start(ctx context.Context, p providers.Provider, o *broker.Order, r *record) (time.Duration, error) {
	o.Nonce, r.Request.ReturnURL, r.Request.Handle = nil, "", newHandle(o.ID)
	o.PickedUp, r.Away, r.Back, r.Came = false, nil, nil, nil
	if o.Mode == providers.ModeThis {
		nonce := broker.NewSecret()
		o.Nonce = digest(nonce)
		r.Request.ReturnURL = e.ReturnURL(o.ID, nonce)
	}
	call, done := context.WithTimeout(ctx, e.Limits.Call)
	defer done()
	var state providers.State
	var step providers.Step
	var err error
	switch o.Kind {
	case providers.KindAuth:
		state, step, err = p.Start(call, r.Request)
	case providers.KindSign:
		signer, ok := p.(providers.Signer)
		if !ok {
			return 0, &providers.BadRequest{Field: "provider", Problem: "cannot sign"}
		}
		state, step, err = signer.StartSignature(call, providers.SignRequest{Request: r.Request})
	default:
		return 0, fmt.Errorf("flow: unknown kind %q", o.Kind)
	}
	var bad *providers.BadRequest
	if errors.As(err, &bad) {
		return 0, err
	}
	if err != nil {
		// A person stands before the page: the order exists and says what is wrong.
		e.Log.WarnContext(ctx, "e-ID order not started", "order", o.ID, "provider", o.Provider, "instance", o.Instance, "error", err)
		fail(o, r, providers.Failed{Reason: providers.IssuerDown, Text: textIssuerDown})
		return 0, nil
	}
	r.State = state
	if away := awayOf(step); away != nil && o.Mode == providers.ModeThis {
		// Nobody can tell whether a person is at another's site: only time ends it.
		r.Away, o.PickedUp = away, true
		// Whoever began it knows its handle. A way back is earned by the answer.
		o.Nonce, r.Request.ReturnURL = nil, ""
		return e.awayRest(*o), nil
	}
	r.Request.Handle = "" // nothing comes back by it
	switch s := step.(type) {
	case providers.Wait:
		return s.Next, nil
	case providers.Failed:
		fail(o, r, s)
		return 0, nil
	default:
		return 0, fmt.Errorf("flow: %s began with an unexpected %T", o.Provider, step)
	}
}

// fail ends an order in memory.
func fail(o *broker.Order, r *record, f providers.Failed) {
	o.Phase, o.Reason = broker.Failed, f.Reason
	r.Failed, r.Answered, r.Away, r.Back, r.Identity, r.Media, r.Evidence = &f, false, nil, nil, nil, "", nil
	if f.Reason != providers.EvidenceRefused {
		r.State = nil // it may hold an identity that nobody shall have
	}
}

// store writes o and r, on top of whatever version o has. It reports
// broker.ErrConflict untouched, so that callers can look again. After any other
// error it looks whether the order was written nevertheless; where that cannot be
// seen, writing it again is a conflict, and no harm.
func (e *Engine) store(ctx context.Context, o *broker.Order, r record, events ...audit.Event) error {
	return e.write(ctx, e.Orders.UpdateOrder, o, r, events...)
}

func (e *Engine) write(ctx context.Context, update func(context.Context, broker.Order, ...audit.Event) error, o *broker.Order, r record, events ...audit.Event) error {
	o.Changed = e.Now()
	if err := e.seal(o, r); err != nil {
		return err
	}
	err := update(ctx, *o, events...)
	if err != nil && !errors.Is(err, broker.ErrConflict) && !errors.Is(err, broker.ErrNotFound) {
		if stored, missing := e.Orders.Order(ctx, o.ID); missing == nil && stored.Version != o.Version {
			err = broker.ErrConflict
			if stored.Version == o.Version+1 && bytes.Equal(stored.Sealed, o.Sealed) {
				err = nil
			}
		}
	}
	if err != nil {
		return err
	}
	o.Version++
	if o.Phase != broker.Pending {
		e.schedule.end(o.ID)
	}
	if slices.ContainsFunc(events, func(v audit.Event) bool { return v.Type == audit.OrderCompleted || v.Type == audit.OrderFailed }) {
		e.ended(*o)
	}
	return nil
}

func (e *Engine) load(ctx context.Context, id broker.OrderID) (broker.Order, record, error) {
	o, err := e.Orders.Order(ctx, id)
	if err != nil {
		return broker.Order{}, record{}, err
	}
	r, err := e.open(o)
	return o, r, err
}

// change loads an order, lets edit change it, and stores it, again from the
// start if somebody else was first. edit reports whether there is anything to
// store, and the events of the act.
func (e *Engine) change(ctx context.Context, id broker.OrderID, edit func(*broker.Order, *record) ([]audit.Event, bool, error)) (broker.Order, record, error) {
	for {
		o, r, err := e.load(ctx, id)
		if err != nil {
			return o, r, err
		}
		events, changed, err := edit(&o, &r)
		if err != nil || !changed {
			return o, r, err
		}
		err = e.store(ctx, &o, r, events...)
		if errors.Is(err, broker.ErrConflict) && ctx.Err() == nil {
			continue
		}
		if err == nil {
			e.refresh(o, r)
		}
		return o, r, err
	}
}

func (e *Engine) event(o broker.Order, r record, t audit.Type) audit.Event {
	v := audit.Event{
		Type: t, At: e.Now(), Client: o.Client, Provider: string(o.Provider), Instance: o.Instance,
		Order: string(o.ID), Reason: string(o.Reason),
	}
	if r.Identity != nil {
		v.Person = e.PersonDigest(r.Identity.Number)
	}
	if t == audit.EvidenceRefused && r.Failed != nil {
		v.Reason = r.Failed.Check
	}
	return v
}

// ended tells those who want to know that an order has ended and is stored.
func (e *Engine) ended(o broker.Order) {
	e.Observe(Outcome{o.Provider, o.Instance, o.Kind, o.Phase, o.Reason, e.Now().Sub(o.Created)})
	if d := e.desks[o.Owner]; d != nil {
		d.push(o.ID)
	}
}

// cancelAtIssuer tells the issuer, in the background, that nobody waits. What
// comes of it changes nothing: the order is over here.
func (e *Engine) cancelAtIssuer(o broker.Order, r record) {
	p, ok := e.Provider(o.Provider, o.Instance)
	if !ok || len(r.State) == 0 {
		return
	}
	state := providers.State(bytes.Clone(r.State))
	e.calls.Go(func() {
		ctx, done := context.WithTimeout(context.Background(), e.Limits.Call)
		defer done()
		if err := p.Cancel(ctx, state); err != nil {
			e.Log.Info("e-ID order not cancelled at its issuer", "order", o.ID, "provider", o.Provider, "error", err)
		}
	})
}

// Pending is how many orders this node watches.
func (e *Engine) Pending() int { return e.schedule.len() }

func digest(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

func same(hash []byte, secret string) bool {
	return len(hash) > 0 && subtle.ConstantTimeCompare(hash, digest(secret)) == 1
}

var (
	textIssuerDown = providers.Text{
		SV: "E-legitimationen svarar inte just nu. Vänta en stund och försök igen.",
		EN: "The e-ID service is not answering right now. Wait a while and try again.",
	}
	textTimedOut = providers.Text{
		SV: "Det tog för lång tid. Försök igen.",
		EN: "It took too long. Try again.",
	}
	textCancelled = providers.Text{
		SV: "Du avbröt. Ingenting har hänt.",
		EN: "You cancelled. Nothing has happened.",
	}
	textWrongBrowser = providers.Text{
		SV: "Du kom tillbaka i en annan webbläsare än den du började i. Gå tillbaka dit du började och försök igen där.",
		EN: "You came back in another browser than the one you began in. Go back to where you began and try again there.",
	}
	textElsewhere = providers.Text{
		SV: "Inloggningen har redan gått vidare, kanske i ett annat fönster. Kom du inte in? Gå tillbaka till tjänsten och börja om.",
		EN: "This has already gone on, perhaps in another window. If you did not get in, go back to the service and start over.",
	}
	textAway = providers.Text{
		SV: "Fortsätt på e-legitimationens egen webbplats. Du kommer tillbaka hit när du är klar.",
		EN: "Continue on the e-ID's own website. You will come back here when you have finished.",
	}
	textChecking = providers.Text{
		SV: "Vi kontrollerar svaret från din e-legitimation …",
		EN: "Checking the answer from your e-ID …",
	}
	textLost = providers.Text{
		SV: "Svaret från e-legitimationen gick förlorat på vägen. Ingenting har hänt. Försök igen.",
		EN: "The answer from your e-ID was lost on its way. Nothing has happened. Try again.",
	}
	textUnknown = providers.Text{
		SV: "Något gick fel hos oss. Försök igen.",
		EN: "Something went wrong on our side. Try again.",
	}
)
