package orders_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/keys"
	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
	"sigill/providers"
	"sigill/providers/personnummer"
	"sigill/signing"
	"sigill/signing/orders"
	"sigill/signing/pades"
	"sigill/signing/receipt"
	"sigill/signing/store"
)

var (
	_ orders.Store    = (*store.Store)(nil)
	_ orders.Recorder = (*store.Store)(nil)
	_ orders.Keys     = (*keys.Ring)(nil)
	_ orders.Receipts = (*receipt.Writer)(nil)
	_ orders.Sealer   = (*pades.Sealer)(nil)
	_ flow.Owner      = (*orders.Service)(nil)
)

var ctx = context.Background()

func number(t testing.TB, digits string) personnummer.Number {
	t.Helper()
	n, err := personnummer.FromDigits(digits)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const (
	one   = "198509129881"
	two   = "199104102380"
	three = "199010192384"
	alien = "199304052393"
)

// bench is a signing room with everything around it simulated but its database.
type bench struct {
	t       testing.TB
	file    string
	db      *sqldb.DB
	store   *spy
	service *orders.Service
	config  orders.Config
	clients map[string]broker.Client
	infos   []providers.Info

	mu     sync.Mutex
	now    time.Time
	begun  map[broker.OrderID]flow.Begin
	mails  []orders.Mail
	sms    []orders.SMS
	hooks  []orders.Hook
	sealed int
	log    bytes.Buffer
	gate   func()           // that every receipt passes before it is verified
	fail   map[string]error // by what: "mail", "sms", "hook", "verify", "begin", "make"
}

var writer = sync.OnceValues(receipt.New)

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{
		t: t, file: filepath.Join(t.TempDir(), "signing.db"), now: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC),
		begun: map[broker.OrderID]flow.Begin{}, fail: map[string]error{},
		clients: map[string]broker.Client{
			"kommun": {ID: "kommun", Name: "Exempelby", AskingBody: "Exempelby kommun", CallbackOrigins: []string{"https://app.example.se"}},
			"other":  {ID: "other", Name: "En annan"},
		},
		infos: []providers.Info{
			{ID: providers.BankID, Instance: "kommunens", Name: "BankID", Level: providers.LevelUncertified3, Modes: []providers.Mode{providers.ModeThis}, TextLimit: 30000, Markdown: true, NonVisible: 30000},
			{ID: providers.MBankID, Instance: "kommunens", Name: "Mobilt BankID", Level: providers.LevelUncertified3, Modes: []providers.Mode{providers.ModeThis, providers.ModeOther}, TextLimit: 30000, Markdown: true, NonVisible: 30000},
			{ID: providers.Freja, Instance: "freja", Name: "Freja", Level: providers.LevelUncertified3, Modes: []providers.Mode{providers.ModeOther}, TextLimit: 2000},
		},
	}
	var err error
	b.db, err = sqldb.Open(ctx, b.file, sqldb.CrashSafe)
	b.ok(err)
	t.Cleanup(func() { b.ok(b.db.Close()) })
	b.ok(b.db.Migrate(ctx, b.now, store.Tables()...))
	master := filepath.Join(t.TempDir(), "master")
	b.ok(keys.NewMaster(master))
	masters, err := keys.LoadMasters(master)
	b.ok(err)
	ring, err := keys.Open(ctx, b.db, masters, b.clock)
	b.ok(err)
	w, err := writer()
	b.ok(err)
	named, err := ring.Digest("audit person")
	b.ok(err)
	b.store = &spy{Store: store.New(b.db)}
	b.store.Store.Now = b.clock
	b.config = orders.Config{
		Issuer: "https://legitimera.example.se", Store: b.store, Audit: b.store, Keys: ring, Short: newShort(b.clock), Clients: b,
		Receipts: w, Sealer: b, Proofs: proofs{},
		Offers: func(broker.Client) []providers.Info { return b.infos }, Provider: b.provider, Begin: b.begin, Believe: b.believe, Verify: b.verify,
		VerifyURL: "https://legitimera.example.se/verify", TrustSHA256: strings.Repeat("ab", 32),
		PersonDigest: func(n personnummer.Number) string { return named([]byte(n.Digits())) },
		Mail:         b.mail, SMS: b.text, Hook: b.hook, Now: b.clock, Zone: time.FixedZone("CET", 3600),
		Log: slog.New(slog.NewTextHandler(&b.log, nil)),
	}
	b.again()
	return b
}

// again makes a new service over the same database, as after a restart.
func (b *bench) again() {
	b.t.Helper()
	var err error
	b.service, err = orders.New(b.config)
	b.ok(err)
}

func (b *bench) ok(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) is(err, want error) {
	b.t.Helper()
	if !errors.Is(err, want) {
		b.t.Fatalf("got %v, want %v", err, want)
	}
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) wait(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func (b *bench) failing(what string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fail[what]
}

// Client is orders.Clients.
func (b *bench) Client(_ context.Context, id string) (broker.Client, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c, ok := b.clients[id]
	if !ok {
		return c, broker.ErrNotFound
	}
	return c, nil
}

// txOf is a transaction, by a name that fits on a line.
type txOf = sqldb.Tx

// rename changes how a client calls itself.
func (b *bench) rename(id, name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.clients[id]
	c.AskingBody = name
	b.clients[id] = c
}

type signer struct {
	providers.Provider
	providers.Signer
}

func (b *bench) provider(id providers.ID, instance string) (providers.Provider, bool) {
	return signer{}, instance != ""
}

func (b *bench) begin(_ context.Context, f flow.Begin) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail["begin"] != nil {
		return b.fail["begin"]
	}
	if _, twice := b.begun[f.ID]; twice {
		return broker.ErrConflict
	}
	b.begun[f.ID] = f
	return nil
}

// believe is the verifier before a signature counts: it looks whether it is told
// what the proof says.
func (b *bench) believe(said receipt.Signature, by personnummer.Number, e providers.Evidence, digest [32]byte) error {
	if err := b.failing("believe"); err != nil {
		return err
	}
	if said.Evidence == "" || said.EvidenceType != e.MediaType || said.Masked != receipt.Mask(by) || by.IsZero() ||
		!strings.Contains(string(e.Bytes), said.EIDOrder) || digest == [32]byte{} {
		return errors.New("told of something else")
	}
	return nil
}

// verify is the verifier before release: it looks whether there is anything.
func (b *bench) verify(_ context.Context, file []byte) error {
	if b.gate != nil {
		b.gate()
	}
	if err := b.failing("verify"); err != nil {
		return err
	}
	if !bytes.HasPrefix(file, []byte("%PDF")) || !bytes.HasSuffix(file, []byte("sealed")) {
		return errors.New("no sealed PDF")
	}
	return nil
}

// Seal is orders.Sealer. Each seal is another one.
func (b *bench) Seal(file []byte, at time.Time, _ pades.Info) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sealed++
	return append(slices.Clone(file), fmt.Sprintf("%% %d %s sealed", b.sealed, at)...), nil
}

func (b *bench) Organisation() string { return "Exempelby kommun" }

func (b *bench) mail(_ context.Context, m orders.Mail) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail["mail"] != nil {
		return b.fail["mail"]
	}
	b.mails = append(b.mails, m)
	return nil
}

func (b *bench) text(_ context.Context, m orders.SMS) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail["sms"] != nil {
		return b.fail["sms"]
	}
	b.sms = append(b.sms, m)
	return nil
}

func (b *bench) hook(_ context.Context, _ broker.Client, h orders.Hook) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail["hook"] != nil {
		return b.fail["hook"]
	}
	b.hooks = append(b.hooks, h)
	return nil
}

// proofs is orders.Proofs for evidence of its own kind.
type proofs struct{}

const proofType = "application/vnd.test+json"

func (proofs) File(e providers.Evidence, n int) receipt.File {
	return receipt.File{Name: fmt.Sprintf("signatur-%d.json", n), Type: e.MediaType, Relationship: "Source", Bytes: e.Bytes}
}

func (proofs) Parts(e providers.Evidence, n int) ([]receipt.File, error) {
	return []receipt.File{{Name: fmt.Sprintf("signatur-%d.xml", n), Type: "application/xml", Relationship: "Source", Bytes: []byte("<x/>")}}, nil
}

// spy is the store with a view of what is to be done outside, and with power
// cuts.
type spy struct {
	*store.Store
	mu      sync.Mutex
	pending []outbox.Entry
	known   map[string]bool
	all     []outbox.Entry // that there ever were
	// cut is asked before and after each write; an error is a power cut there.
	cut func(after bool) error
}

var errCut = errors.New("power cut")

func (s *spy) write(do func() error, taken func()) error {
	if s.cut != nil {
		if err := s.cut(false); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	s.mu.Lock()
	taken()
	s.mu.Unlock()
	if s.cut != nil {
		return s.cut(true)
	}
	return nil
}

func (s *spy) take(c orders.Change) {
	s.pending = slices.DeleteFunc(s.pending, func(e outbox.Entry) bool { return e.Ref == c.Row.ID && slices.Contains(c.Withdraw, e.Kind) })
	if s.known == nil {
		s.known = map[string]bool{}
	}
	for _, e := range c.Outbox {
		if !s.known[e.ID] {
			s.known[e.ID] = true
			s.pending, s.all = append(s.pending, e), append(s.all, e)
		}
	}
}

func (s *spy) Create(ctx context.Context, c orders.Change, r orders.Request) (earlier string, err error) {
	err = s.write(func() error {
		earlier, err = s.Store.Create(ctx, c, r)
		return err
	}, func() {
		if earlier == "" {
			s.take(c)
		}
	})
	return earlier, err
}

func (s *spy) Update(ctx context.Context, c orders.Change) error {
	return s.write(func() error { return s.Store.Update(ctx, c) }, func() { s.take(c) })
}

func (s *spy) Delete(ctx context.Context, client, id string, events ...audit.Event) error {
	return s.write(func() error { return s.Store.Delete(ctx, client, id, events...) }, func() {
		s.pending = slices.DeleteFunc(s.pending, func(e outbox.Entry) bool { return e.Ref == id })
	})
}

// work does what waits in the outbox, once each, and leaves what fails. It tells
// how much was done.
func (b *bench) work() (done int) {
	handlers := b.service.Handlers()
	b.store.mu.Lock()
	list := b.store.pending
	b.store.pending = nil
	b.store.mu.Unlock()
	var left []outbox.Entry
	for _, e := range list {
		h, ok := handlers[e.Kind]
		if !ok {
			b.t.Fatalf("nobody handles %s", e.Kind)
		}
		if err := h.Do(ctx, e); err != nil {
			left = append(left, e)
			continue
		}
		done++
	}
	b.store.mu.Lock()
	b.store.pending = append(left, b.store.pending...)
	b.store.mu.Unlock()
	return done
}

func (b *bench) workAll() {
	for b.work() > 0 {
	}
}

// giveUp ends what waits, as when all tries are used.
func (b *bench) giveUp(kinds ...string) {
	b.t.Helper()
	handlers := b.service.Handlers()
	b.store.mu.Lock()
	list := b.store.pending
	b.store.pending = nil
	b.store.mu.Unlock()
	for _, e := range list {
		if !slices.Contains(kinds, e.Kind) {
			b.store.mu.Lock()
			b.store.pending = append(b.store.pending, e)
			b.store.mu.Unlock()
			continue
		}
		b.ok(handlers[e.Kind].GaveUp(ctx, e, errors.New("no")))
	}
}

func (b *bench) guest(digits string) orders.Guest {
	return orders.Guest{Number: number(b.t, digits), Provider: providers.MBankID, Level: providers.LevelUncertified3, AuthTime: b.clock().Add(-time.Minute)}
}

func wish() signing.Wish {
	return signing.Wish{
		Title: "Ansökan om förskoleplats", Message: "Båda skriver under.", Reference: "F-17", Callback: "https://app.example.se/hook", ReturnURL: "https://app.example.se/back?x=1",
		Documents: []signing.Document{
			{Name: "Ansökan", Kind: signing.KindContent, Content: signing.Content{{Heading: "Barnet"}, {Rows: []signing.Row{{Label: "Namn", Value: "Testbarn Hemlig"}}}}},
			{Name: "Bilaga", Kind: signing.KindFile, Type: "application/pdf", File: []byte("%PDF-hemlig bilaga")},
		},
		Signatories: []signing.WishedSignatory{
			{Number: one, Name: "Testperson Ett", Invite: signing.InviteNone},
			{Number: two, Name: "Testperson Två", Email: "two@example.se", Phone: "070-174 06 05", Invite: signing.InviteBoth},
		},
	}
}

func (b *bench) create(w signing.Wish) signing.Order {
	b.t.Helper()
	o, replayed, err := b.service.Create(ctx, b.clients["kommun"], w, "", [32]byte{})
	b.ok(err)
	if replayed {
		b.t.Fatal("a new order was there before")
	}
	return o
}

// sign has a guest begin a signature.
func (b *bench) sign(o signing.Order, n int, digits string) broker.OrderID {
	b.t.Helper()
	b.wait(4 * time.Second) // no double click
	eid, err := b.service.Sign(ctx, "kommun", o.ID, n, b.guest(digits), orders.Start{Digest: b.order(o.ID).Digest, Provider: providers.MBankID, Mode: providers.ModeOther, Browser: "browser " + digits})
	b.ok(err)
	return eid
}

// proof is what flow brings of an e-ID order that was done.
func (b *bench) proof(eid broker.OrderID) flow.Settled {
	b.t.Helper()
	b.mu.Lock()
	f, ok := b.begun[eid]
	b.mu.Unlock()
	if !ok {
		b.t.Fatalf("e-ID order %s was not begun", eid)
	}
	return flow.Settled{
		Order: broker.Order{ID: eid, Owner: f.Owner, Ref: f.Ref, Client: f.Client, Provider: f.Provider, Instance: f.Instance,
			Kind: f.Kind, Locked: f.Locked, Phase: broker.Done, Created: b.clock().Add(-time.Second)},
		Request: f.Request,
		Done: &providers.Done{
			Identity: providers.Identity{Number: f.Request.Number, Name: "Testperson", Provider: f.Provider, Level: providers.LevelUncertified3, Policy: "1.2.3", At: b.clock(),
				Transaction: "131daac9-16c6-4618-beb0-365768f37288"},
			Evidence: providers.Evidence{MediaType: proofType, Bytes: []byte(`{"by":"` + string(eid) + `"}`)},
		},
	}
}

func (b *bench) settle(s flow.Settled) {
	b.t.Helper()
	b.ok(b.service.Settled(ctx, s))
}

func (b *bench) order(id string) signing.Order {
	b.t.Helper()
	o, err := b.service.Order(ctx, "kommun", id)
	b.ok(err)
	return o
}

func (b *bench) state(id string, want signing.State) {
	b.t.Helper()
	if got := b.order(id).State; got != want {
		b.t.Fatalf("the order is %s, not %s\n%s", got, want, b.log.String())
	}
}

// events are the audit's types and reasons for an order.
func (b *bench) events(id string) []string {
	b.t.Helper()
	rows, err := b.db.Rows(ctx, `SELECT type, reason, person FROM audit_waiting WHERE order_id = $1 ORDER BY rowid`, id)
	b.ok(err)
	defer rows.Close()
	var list []string
	for rows.Next() {
		var typ, reason, person string
		b.ok(rows.Scan(&typ, &reason, &person))
		typ = strings.TrimPrefix(typ, "signing.")
		if reason != "" {
			typ += " " + reason
		}
		if person != "" {
			typ += " *"
		}
		list = append(list, typ)
	}
	return list
}

// news are the webhooks' types, with the signatory.
func (b *bench) news() []string {
	b.t.Helper()
	var list []string
	for _, h := range b.hooks {
		var body struct {
			Type string
			Data struct{ Signatory int }
		}
		b.ok(json.Unmarshal(h.Body, &body))
		if body.Data.Signatory != 0 {
			body.Type += fmt.Sprint(" ", body.Data.Signatory)
		}
		list = append(list, body.Type)
	}
	return list
}

// link gives the token in a message.
func link(text string) string {
	_, rest, _ := strings.Cut(text, "/i/")
	if len(rest) < 43 {
		return ""
	}
	return rest[:43]
}

// short is broker.Short in memory.
type short struct {
	mu   sync.Mutex
	now  func() time.Time
	rows map[string]shortRow
	next int64
}

type shortRow struct {
	value   []byte
	version int64
	expires time.Time
}

func newShort(now func() time.Time) *short { return &short{now: now, rows: map[string]shortRow{}} }

func (s *short) get(kind, key string) (shortRow, bool) {
	r, ok := s.rows[kind+"\x00"+key]
	return r, ok && s.now().Before(r.expires)
}

func (s *short) put(kind, key string, value []byte, expires time.Time) {
	s.next++
	s.rows[kind+"\x00"+key] = shortRow{slices.Clone(value), s.next, expires}
}

func (s *short) Put(_ context.Context, kind, key string, value []byte, expires time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(kind, key, value, expires)
	return nil
}

func (s *short) Get(_ context.Context, kind, key string) ([]byte, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.get(kind, key)
	if !ok {
		return nil, 0, broker.ErrNotFound
	}
	return slices.Clone(r.value), r.version, nil
}

func (s *short) Take(_ context.Context, kind, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.get(kind, key)
	if !ok {
		return nil, broker.ErrNotFound
	}
	delete(s.rows, kind+"\x00"+key)
	return r.value, nil
}

func (s *short) Swap(_ context.Context, kind, key string, version int64, value []byte, expires time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.get(kind, key)
	if ok && r.version != version || !ok && version != 0 {
		return broker.ErrConflict
	}
	s.put(kind, key, value, expires)
	return nil
}
