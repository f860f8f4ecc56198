package flow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/providers"
	"sigill/providers/personnummer"
)

// rows is Orders, Leases and Short in memory, for one or more engines.
type rows struct {
	mu     sync.Mutex
	orders map[broker.OrderID]broker.Order
	events []audit.Event
	short  map[string]shortRow
	full   bool // the disk is full: nothing can be written
	mute   bool // the short-lived store gives errors
	puts   int
	deaf   bool // it cannot be written that something was taken over
	boots  map[string]string
	writes int
}

type shortRow struct {
	value   []byte
	expires time.Time
}

func newRows() *rows {
	return &rows{orders: map[broker.OrderID]broker.Order{}, short: map[string]shortRow{}, boots: map[string]string{}}
}

var errFull = errors.New("disk full")

func (m *rows) CreateOrder(_ context.Context, o broker.Order, events ...audit.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.full {
		return errFull
	}
	if _, ok := m.orders[o.ID]; ok {
		return broker.ErrConflict
	}
	m.orders[o.ID] = o
	m.events = append(m.events, events...)
	m.writes++
	return nil
}

func (m *rows) Order(_ context.Context, id broker.OrderID) (broker.Order, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.orders[id]
	if !ok {
		return o, broker.ErrNotFound
	}
	return o, nil
}

func (m *rows) UpdateOrder(ctx context.Context, o broker.Order, events ...audit.Event) error {
	return m.update(ctx, o, false, events)
}

func (m *rows) TakeOrder(ctx context.Context, o broker.Order, events ...audit.Event) error {
	return m.update(ctx, o, true, events)
}

func (m *rows) update(ctx context.Context, o broker.Order, take bool, events []audit.Event) error {
	if err := ctx.Err(); err != nil {
		return err // as the real store does
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.full {
		return errFull
	}
	was, ok := m.orders[o.ID]
	if !ok {
		return broker.ErrNotFound
	}
	if was.Version != o.Version {
		return broker.ErrConflict
	}
	o.Version++
	if !take && (was.Phase == broker.Pending || o.Phase != broker.Pending) {
		o.Node, o.LeaseUntil, o.ForeignUntil = was.Node, was.LeaseUntil, was.ForeignUntil
	}
	m.orders[o.ID] = o
	m.events = append(m.events, events...)
	m.writes++
	return nil
}

func (m *rows) ClaimOrders(_ context.Context, node string, own bool, now, until time.Time, limit int) ([]broker.Order, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []broker.Order
	for id, o := range m.orders {
		if o.Phase != broker.Pending || len(out) == limit || o.LeaseUntil.After(now) && (!own || o.Node != node) {
			continue
		}
		if o.Node != node {
			o.ForeignUntil = o.LeaseUntil
		}
		o.Node, o.LeaseUntil = node, until
		m.orders[id] = o
		out = append(out, o)
	}
	return out, nil
}

func (m *rows) HeldOrders(_ context.Context, node string) ([]broker.OrderID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []broker.OrderID
	for id, o := range m.orders {
		if o.Phase == broker.Pending && o.Node == node {
			list = append(list, id)
		}
	}
	return list, nil
}

func (m *rows) RenewLeases(_ context.Context, node, boot string, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if last := m.boots[node]; last != "" && boot != "" && last != boot {
		return broker.ErrConflict
	}
	for id, o := range m.orders {
		if o.Phase == broker.Pending && o.Node == node && until.After(o.LeaseUntil) {
			o.LeaseUntil = until
			m.orders[id] = o
		}
	}
	return nil
}

func (m *rows) ReleaseLeases(_ context.Context, node string, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, o := range m.orders {
		if o.Phase == broker.Pending && o.Node == node && o.LeaseUntil.After(now) {
			o.LeaseUntil = now
			m.orders[id] = o
		}
	}
	return nil
}

func (m *rows) EnterNode(_ context.Context, node, boot string, former []string, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if last := m.boots[node]; last != "" && last != boot && !slices.Contains(former, last) {
		return broker.ErrConflict
	}
	m.boots[node] = boot
	return nil
}

func (m *rows) EndedOrders(_ context.Context, owner string, after broker.Ended, limit int) ([]broker.Ended, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []broker.Ended
	for id, o := range m.orders {
		if e := (broker.Ended{ID: id, Created: o.Created}); o.Owner == owner && o.Phase != broker.Pending && o.Consumed.IsZero() && older(after, e) < 0 {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, older)
	return list[:min(limit, len(list))], nil
}

func older(a, b broker.Ended) int {
	return cmp.Or(a.Created.Compare(b.Created), strings.Compare(string(a.ID), string(b.ID)))
}

func (m *rows) ConsumeOrder(ctx context.Context, id broker.OrderID, at time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.orders[id]
	switch {
	case m.full || m.deaf:
		return errFull
	case !ok:
		return broker.ErrNotFound
	case o.Phase == broker.Pending:
		return broker.ErrConflict
	case !o.Consumed.IsZero():
		return nil
	}
	o.Consumed = at
	o.Version++
	m.orders[id] = o
	return nil
}

func (m *rows) Put(_ context.Context, kind, key string, value []byte, expires time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mute {
		return errFull
	}
	m.puts++
	m.short[kind+"\x00"+key] = shortRow{value, expires}
	return nil
}

func (m *rows) Get(_ context.Context, kind, key string) ([]byte, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mute {
		return nil, 0, errFull
	}
	row, ok := m.short[kind+"\x00"+key]
	if !ok || !row.expires.After(time.Now()) {
		return nil, 0, broker.ErrNotFound
	}
	return row.value, 1, nil
}

func (m *rows) Take(context.Context, string, string) ([]byte, error) { panic("not used by flow") }
func (m *rows) Swap(context.Context, string, string, int64, []byte, time.Time) error {
	panic("not used by flow")
}

func (m *rows) setFull(full bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.full = full
}

func (m *rows) consume(id broker.OrderID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.orders[id]
	o.Consumed = time.Now()
	o.Version++
	m.orders[id] = o
}

func (m *rows) writeCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}

func (m *rows) eventTypes() []audit.Type {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []audit.Type
	for _, v := range m.events {
		out = append(out, v.Type)
	}
	return out
}

// issuer is a scripted e-ID behind the Provider interface. Like the real ones
// it gives its final answer once.
type issuer struct {
	mu        sync.Mutex
	orders    map[string]*issued
	count     int
	down      bool
	refuse    string // a verification step that refuses evidence
	startFail *providers.Failed
	takes     time.Duration // an answer of the issuer
	seen      []providers.Request
}

type issued struct {
	phase     string // "out", "picked", "approved", "cancelled", "startFailed"
	delivered bool
	cancelled bool
}

type issuerState struct {
	Ref    string          `json:"ref"`
	Hint   string          `json:"hint"`
	Mode   providers.Mode  `json:"mode"`
	Answer json.RawMessage `json:"answer,omitempty"`
}

// answered reports whether a state holds the issuer's final answer.
func answered(st providers.State) bool {
	var s issuerState
	return json.Unmarshal(st, &s) == nil && s.Answer != nil
}

func newIssuer() *issuer { return &issuer{orders: map[string]*issued{}} }

func (p *issuer) Info() providers.Info { return providers.Info{ID: providers.MBankID} }

func (p *issuer) Start(_ context.Context, r providers.Request) (providers.State, providers.Step, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return nil, nil, &providers.Unavailable{Issuer: "fake", Err: errors.New("connection refused")}
	}
	if p.startFail != nil {
		return nil, *p.startFail, nil
	}
	p.count++
	p.seen = append(p.seen, r)
	ref := fmt.Sprintf("ref-%d", p.count)
	p.orders[ref] = &issued{phase: "out"}
	return p.state(issuerState{Ref: ref, Hint: "out", Mode: r.Mode}), providers.Wait{Hint: "out", Next: 2 * time.Second}, nil
}

func (p *issuer) StartSignature(ctx context.Context, r providers.SignRequest) (providers.State, providers.Step, error) {
	return p.Start(ctx, r.Request)
}

func (p *issuer) state(s issuerState) providers.State {
	b, _ := json.Marshal(s)
	return b
}

func (p *issuer) Continue(ctx context.Context, st providers.State, _ providers.Event) (providers.State, providers.Step, error) {
	p.mu.Lock()
	takes := p.takes
	p.mu.Unlock()
	if takes > 0 {
		// The issuer has decided; its answer is on the way, and is lost when
		// the caller hangs up.
		select {
		case <-ctx.Done():
			return st, nil, &providers.Unavailable{Issuer: "fake", Err: ctx.Err()}
		case <-time.After(takes):
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var s issuerState
	if err := json.Unmarshal(st, &s); err != nil {
		return nil, nil, err
	}
	if s.Answer != nil {
		if p.refuse != "" {
			return st, providers.Failed{Reason: providers.EvidenceRefused, Check: p.refuse}, nil
		}
		n, _ := personnummer.FromDigits("198101199282")
		return st, providers.Done{Identity: providers.Identity{Number: n, Name: "Testperson Ett"}, Evidence: providers.Evidence{MediaType: "x/test", Bytes: []byte("proof")}}, nil
	}
	if p.down {
		return st, nil, &providers.Unavailable{Issuer: "fake", Err: errors.New("503")}
	}
	o, ok := p.orders[s.Ref]
	if !ok || o.delivered || o.cancelled {
		return st, providers.Failed{Reason: providers.ResultLost}, nil
	}
	switch o.phase {
	case "approved":
		o.delivered = true
		s.Answer = json.RawMessage(`"yes"`)
		return p.state(s), providers.Wait{Hint: "processing", PickedUp: true}, nil
	case "cancelled":
		o.delivered = true
		return st, providers.Failed{Reason: providers.Cancelled, Hint: "userCancel"}, nil
	case "startFailed":
		o.delivered = true
		return st, providers.Failed{Reason: providers.StartFailed, Hint: "startFailed"}, nil
	}
	s.Hint = o.phase
	return p.state(s), providers.Wait{Hint: o.phase, PickedUp: o.phase == "picked", Next: 2 * time.Second}, nil
}

func (p *issuer) Cancel(_ context.Context, st providers.State) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var s issuerState
	if err := json.Unmarshal(st, &s); err != nil {
		return err
	}
	if o, ok := p.orders[s.Ref]; ok {
		o.cancelled = true
	}
	return nil
}

func (p *issuer) Show(st providers.State, now time.Time) (providers.Wait, error) {
	var s issuerState
	if err := json.Unmarshal(st, &s); err != nil {
		return providers.Wait{}, err
	}
	return providers.Wait{Hint: s.Hint, QR: fmt.Sprintf("qr %s %d", s.Ref, now.Unix())}, nil
}

// set moves the newest order along, as its person would.
func (p *issuer) set(phase string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.orders[fmt.Sprintf("ref-%d", p.count)].phase = phase
}

func (p *issuer) setDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

func (p *issuer) started() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

func (p *issuer) wasCancelled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.orders[fmt.Sprintf("ref-%d", p.count)].cancelled
}

// plainBox seals nothing, but notices a wrong context.
type plainBox struct{}

func (plainBox) Seal(plain, context []byte) []byte {
	return slices.Concat(context, []byte("|"), plain)
}

func (plainBox) Open(sealed, context []byte) ([]byte, error) {
	plain, ok := strings.CutPrefix(string(sealed), string(context)+"|")
	if !ok {
		return nil, errors.New("sealed for another row")
	}
	return []byte(plain), nil
}

func newEngine(t *testing.T, m *rows, p *issuer, node string) *Engine {
	t.Helper()
	return newOwnedEngine(t, m, p, node, nil)
}

func newOwnedEngine(t *testing.T, m *rows, p *issuer, node string, owners map[string]Owner) *Engine {
	t.Helper()
	l := &link{rows: m}
	e, err := New(Config{
		Orders: l, Leases: l, Results: l, Owners: owners, Box: plainBox{}, Short: m, Node: node,
		Provider: func(id providers.ID, _ string) (providers.Provider, bool) {
			return p, id == providers.MBankID || id == providers.BankID
		},
		ReturnURL: func(id broker.OrderID, nonce string) string {
			return "https://login.example.se/return/" + string(id) + "?n=" + nonce
		},
		PersonDigest: func(personnummer.Number) string { return "digest" },
		Log:          slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// run starts the engine; stop ends it and waits, as a clean shutdown does.
func run(t *testing.T, e *Engine) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	var once sync.Once
	return func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, to, string(b))
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
