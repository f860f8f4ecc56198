package drafts

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/keys"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/store"
	"sigill/providers/personnummer"
)

var ctx = context.Background()

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t testing.TB, err, want error, what string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, not %q", what, err, want)
	}
}

// desk is Drafts over an empty database, with a clock.
type desk struct {
	*Drafts
	t     testing.TB
	vault portal.Vault
	file  string

	mu  sync.Mutex
	now time.Time
}

func (d *desk) later(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(by)
}

func (d *desk) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{t: t, file: filepath.Join(t.TempDir(), "portal.db"), now: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)}
	db, err := sqldb.Open(ctx, d.file, sqldb.CrashSafe)
	check(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	check(t, db.Migrate(ctx, d.now, store.Tables()...))
	master := filepath.Join(t.TempDir(), "master")
	check(t, keys.NewMaster(master))
	m, err := keys.LoadMaster(master)
	check(t, err)
	ring, err := keys.Open(ctx, db, []keys.Master{m}, d.clock)
	check(t, err)
	d.vault = portal.NewVault(ring)
	d.Drafts, err = New(Config{
		DB: db, Vault: d.vault, Now: d.clock,
		Service: func(_ context.Context, hash string) (*form.Service, error) {
			for _, s := range services() {
				if s.Hash == hash {
					return s, nil
				}
			}
			return nil, errors.New("no such version")
		},
		Newest: func(t portal.TenantID, id portal.ServiceID) (*form.Service, bool) {
			for _, s := range services() {
				if s.ID == string(id) && t != "bada" {
					return s, true
				}
			}
			return nil, false
		},
		Tenants: func(g portal.GroupID) []portal.TenantID {
			switch g {
			case "ensam":
				return []portal.TenantID{"exempelby"}
			case "grannar":
				return []portal.TenantID{"bada", "annanby"}
			}
			return nil
		},
		Facts: func(context.Context, portal.Visitor, *form.Service) (form.Facts, error) { return form.Facts{}, nil },
	})
	check(t, err)
	return d
}

func services() []*form.Service {
	steps := []*form.Step{
		{ID: "ett", Fields: []*form.Field{{ID: "namn", Type: form.TypeText}, {ID: "djur", Type: form.TypeCheckboxes}, {ID: "om", Type: form.TypeInformation}}},
		{ID: "tva", Fields: []*form.Field{{ID: "bilagor", Type: form.TypeFile, MaxFiles: 3, MaxBytes: 1 << 20}, {ID: "text", Type: form.TypeTextarea}}},
		{ID: "tre", Fields: []*form.Field{{ID: "foto", Type: form.TypeFile, Accept: []string{"jpg"}}}},
	}
	return []*form.Service{
		{ID: "bygglov", Hash: strings.Repeat("b", 64), Steps: steps, Login: form.Login{Required: true, Drafts: true},
			Privacy: form.Privacy{Keep: form.Keep{Draft: 30 * 24 * time.Hour}}},
		{ID: "felanmalan", Hash: strings.Repeat("f", 64), Steps: steps},
	}
}

// person is somebody logged in at exempelby.
func (d *desk) person(digits string) portal.Visitor {
	d.t.Helper()
	n, err := personnummer.FromDigits(digits)
	check(d.t, err)
	k, err := d.vault.Person("ensam", n)
	check(d.t, err)
	return portal.Visitor{Group: "ensam", Tenant: "exempelby", Key: k, Number: n, Name: "Testperson Ett", Lang: "sv"}
}

func (d *desk) one() portal.Visitor { return d.person("198509129881") }
func (d *desk) two() portal.Visitor { return d.person("199104102380") }

func (d *desk) begin(v portal.Visitor) portal.DraftID {
	d.t.Helper()
	id, err := d.Begin(ctx, v, v.Tenant, "bygglov")
	check(d.t, err)
	return id
}

func text(s string) form.Value { return form.Value{Text: s} }

// events are what the audit has, oldest first, as "type reason".
func (d *desk) events() (out []string) {
	d.t.Helper()
	rows, err := d.DB.Rows(ctx, `SELECT type, reason, person, order_id FROM audit_waiting WHERE type LIKE 'draft.%' ORDER BY id`)
	check(d.t, err)
	defer rows.Close()
	for rows.Next() {
		var e audit.Event
		check(d.t, rows.Scan(&e.Type, &e.Reason, &e.Person, &e.Order))
		if !portal.IsID(e.Order) {
			d.t.Errorf("an event names no draft: %q", e.Order)
		}
		who := ""
		if e.Person != "" {
			who = " by somebody"
		}
		out = append(out, strings.TrimSpace(string(e.Type)+" "+e.Reason)+who)
	}
	check(d.t, rows.Err())
	return out
}

// onDisk reports whether the files of the database hold a text.
func (d *desk) onDisk(text string) bool {
	d.t.Helper()
	files, err := filepath.Glob(d.file + "*")
	check(d.t, err)
	for _, f := range files {
		data, err := os.ReadFile(f)
		check(d.t, err)
		if strings.Contains(string(data), text) {
			return true
		}
	}
	return false
}

func TestSaveAndOpen(t *testing.T) {
	d := newDesk(t)
	v := d.one()
	id := d.begin(v)
	g, err := d.Open(ctx, v, id)
	check(t, err)
	if g.State != portal.Open || g.Revision != 1 || g.Lang != "sv" || len(g.Answers) != 0 || !g.Expires.Equal(d.now.Add(30*24*time.Hour)) {
		t.Errorf("begun: %+v", g)
	}
	d.later(time.Hour)
	g, err = d.Save(ctx, v, id, 1, "ett", form.Answers{"namn": text("Planterat svar"), "text": text("of another step"), "om": text("none")}, false)
	check(t, err)
	if g.Revision != 2 || len(g.Answers) != 1 || g.Answers["namn"].Text != "Planterat svar" || len(g.Saved) != 0 {
		t.Errorf("saved by itself: %+v", g)
	}
	v.Lang = "en"
	g, err = d.Save(ctx, v, id, 2, "tva", form.Answers{"text": text("more"), "bilagor": {Files: []form.File{{ID: "made up"}}}}, true)
	check(t, err)
	again, err := d.Open(ctx, v, id)
	check(t, err)
	for _, g := range []portal.Draft{g, again} {
		if g.Revision != 3 || len(g.Answers) != 2 || g.Answers["text"].Text != "more" || strings.Join(g.Saved, " ") != "tva" || g.Lang != "en" ||
			!g.Changed.Equal(d.now) || !g.Expires.Equal(d.now.Add(30*24*time.Hour)) || !g.Created.Equal(d.now.Add(-time.Hour)) {
			t.Errorf("saved: %+v", g)
		}
	}
	heads, err := d.List(ctx, v)
	check(t, err)
	if len(heads) != 1 || heads[0] != g.DraftHead {
		t.Errorf("list: %+v", heads)
	}
	_, err = d.Save(ctx, v, id, 3, "fyra", form.Answers{}, true)
	refused(t, err, portal.ErrNotFound, "a step that is not there")
	if d.onDisk("Planterat") || !d.onDisk("exempelby") {
		t.Error("answers are on the disk, or nothing is found there")
	}
}
