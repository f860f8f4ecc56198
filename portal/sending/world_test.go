package sending

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sigill/broker/kit/keys"
	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/drafts"
	"sigill/portal/form"
	"sigill/portal/notices"
	"sigill/portal/store"
	"sigill/providers/personnummer"
)

// Numbers of Skatteverket's published series for tests.
const (
	first  = "198006299252"
	second = "198107039276"
	third  = "198405299291"
	child  = "202101122394"
)

var ctx = context.Background()

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a portal's database with everything that sending stands on, and a
// signing service beside it.
type world struct {
	*Desk
	t     testing.TB
	db    *sqldb.DB
	room  *room
	me    portal.Visitor
	other portal.Visitor
	close func()

	mu       sync.Mutex
	now      time.Time
	facts    form.Facts
	factsErr error
	invite   string
	woken    int
	hidden   map[string]error // who may not be told, by number; nil: it is known that not
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) later(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(by)
}

func (w *world) tenant(id portal.TenantID) (portal.Tenant, bool) {
	return portal.Tenant{
		ID: id, Name: form.Text{"sv": "Exempelby kommun", "en": "Exempelby"}, BaseURL: "https://exempelby.example", Group: "exempelby",
		Providers: []string{"bankid", "mbankid"}, Invite: w.invite,
	}, id == "exempelby"
}

func service(t testing.TB, name string) *form.Service {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name+".yaml"))
	check(t, err)
	s, err := form.Parse(name+".yaml", raw)
	check(t, err)
	return s
}

func newWorld(t testing.TB) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "sending")
	check(t, err)
	w := &world{t: t, now: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), invite: "both"}
	w.db, err = sqldb.Open(ctx, filepath.Join(dir, "portal.db"), sqldb.CrashSafe)
	check(t, err)
	w.close = sync.OnceFunc(func() {
		check(t, w.db.Close())
		check(t, os.RemoveAll(dir))
	})
	t.Cleanup(w.close)
	check(t, w.db.Migrate(ctx, w.now, store.Tables()...))
	master := filepath.Join(dir, "master")
	check(t, keys.NewMaster(master))
	m, err := keys.LoadMaster(master)
	check(t, err)
	ring, err := keys.Open(ctx, w.db, []keys.Master{m}, w.clock)
	check(t, err)
	vault := portal.NewVault(ring)
	byHash, byID := map[string]*form.Service{}, map[portal.ServiceID]*form.Service{}
	for _, name := range []string{"plats", "fel", "intyg"} {
		s := service(t, name)
		byHash[s.Hash], byID[portal.ServiceID(s.ID)] = s, s
	}
	version := func(_ context.Context, hash string) (*form.Service, error) {
		if byHash[hash] == nil {
			return nil, errors.New("no such version")
		}
		return byHash[hash], nil
	}
	facts := func(context.Context, portal.Visitor, *form.Service) (form.Facts, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.facts, w.factsErr
	}
	d, err := drafts.New(drafts.Config{
		DB: w.db, Vault: vault, Service: version, Now: w.clock, Facts: facts,
		Newest:  func(_ portal.TenantID, id portal.ServiceID) (*form.Service, bool) { return byID[id], byID[id] != nil },
		Tenants: func(portal.GroupID) []portal.TenantID { return []portal.TenantID{"exempelby"} },
	})
	check(t, err)
	n, err := notices.New(notices.Config{
		DB: w.db, Vault: vault, Tenant: w.tenant, Now: w.clock,
		Profile: func(context.Context, portal.GroupID, portal.PersonKey) (form.Contact, error) {
			return form.Contact{}, nil
		},
		MayTell: w.mayTell,
	})
	check(t, err)
	w.room = newRoom(w.clock)
	w.Desk, err = New(Config{
		DB: w.db, Vault: vault, Drafts: d, Signer: w.room, Editor: w.room, Verifier: w.room, Notices: n, Service: version, Tenant: w.tenant,
		MayTell: w.mayTell, Facts: facts, Callback: func(portal.TenantID) string { return "https://exempelby.example/krok" },
		Wake: func() { w.mu.Lock(); w.woken++; w.mu.Unlock() }, Now: w.clock,
	})
	check(t, err)
	w.me, w.other = w.visitor(first, "Testperson Ett"), w.visitor(second, "Testperson Två")
	w.facts = form.Facts{
		Now: w.now, Applicant: form.Applicant{Number: w.me.Number, Name: "Testperson Ett", FromRegister: true},
		Children: []form.Child{{Key: "a", Number: child, Name: "Testbarn Ett", Guardians: []form.Guardian{
			{Number: first, Name: "Testperson Ett"}, {Number: second, Name: "Testperson Två"},
		}}},
	}
	return w
}

func (w *world) mayTell(_ context.Context, n personnummer.Number) (bool, error) {
	err, ok := w.hidden[n.Digits()]
	return !ok, err
}

func (w *world) visitor(digits, name string) portal.Visitor {
	n, err := personnummer.FromDigits(digits)
	check(w.t, err)
	key, err := w.Vault.Person("exempelby", n)
	check(w.t, err)
	return portal.Visitor{Group: "exempelby", Tenant: "exempelby", Key: key, Number: n, Name: name, Lang: "sv"}
}

// alone makes the applicant the child's only guardian.
func (w *world) alone() {
	w.facts.Children = []form.Child{w.facts.Children[0]}
	w.facts.Children[0].Guardians = w.facts.Children[0].Guardians[:1]
}

// fill makes a draft that can be sent, and its revision.
func (w *world) fill(change func(form.Answers)) (portal.DraftID, int) {
	w.t.Helper()
	id, err := w.Drafts.Begin(ctx, w.me, "exempelby", "plats")
	check(w.t, err)
	kid := w.facts.Children[0]
	a := form.Answers{
		"barn": {Child: &kid}, "varfor": {Text: "För att\r\nvi \u200bbehöver den."}, "mina": {Parts: map[string]string{"email": "ett@example.se", "notify": "email"}},
	}
	if len(kid.Guardians) > 1 {
		a["andra_kontakt"] = form.Value{Parts: map[string]string{"email": "tva@example.se", "phone": "070-1740605"}}
	}
	if change != nil {
		change(a)
	}
	return id, w.save(id, 1, a)
}

func (w *world) save(id portal.DraftID, revision int, a form.Answers) int {
	w.t.Helper()
	for _, step := range []string{"barnet", "resten"} {
		d, err := w.Drafts.Save(ctx, w.me, id, revision, step, a, true)
		check(w.t, err)
		revision = d.Revision
	}
	return revision
}

// entries are what the outbox holds for us.
func (w *world) entries() (all []outbox.Entry) {
	w.t.Helper()
	rows, err := w.db.Rows(ctx, `SELECT id, kind, ref FROM outbox WHERE kind = 'receipt' ORDER BY seq`)
	check(w.t, err)
	defer rows.Close()
	for rows.Next() {
		var e outbox.Entry
		check(w.t, rows.Scan(&e.ID, &e.Kind, &e.Ref))
		all = append(all, e)
	}
	check(w.t, rows.Err())
	return all
}

// receipts does them, once each.
func (w *world) receipts() error {
	for _, e := range w.entries() {
		if err := w.Handlers()[e.Kind].Do(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// count counts rows.
func (w *world) count(query string, args ...any) int {
	w.t.Helper()
	var n int
	check(w.t, w.db.Row(ctx, `SELECT count(*) FROM `+query, args...).Scan(&n))
	return n
}

func (w *world) notices() int { return w.count(`outbox WHERE kind NOT IN ('receipt', 'forget')`) }

// theCase gives the only case.
func (w *world) theCase() store.Case {
	w.t.Helper()
	var id string
	if n := w.count(`cases`); n != 1 {
		w.t.Fatalf("%d cases, want 1", n)
	}
	check(w.t, w.db.Row(ctx, `SELECT id FROM cases`).Scan(&id))
	c, err := store.CaseOf(store.Last(ctx, w.db), portal.CaseID(id))
	check(w.t, err)
	return c
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}
