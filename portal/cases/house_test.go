package cases

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sigill/broker/kit/keys"
	"sigill/broker/kit/notify"
	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/notices"
	"sigill/portal/people"
	"sigill/portal/register"
	"sigill/portal/store"
	"sigill/portal/store/storetest"
	"sigill/providers/personnummer"
)

// Test numbers (test-numbers.md): an applicant, the other guardian, a stranger,
// and the samordningsnummer that the applicant had before.
const (
	ett, tva, tre = "198101199282", "198107039276", "198405299291"
	before        = "196102732382"
)

// Tenants: two that share one Mina sidor, and one alone.
const (
	exempelby = portal.TenantID("exempelby")
	provby    = portal.TenantID("provby")
	ensamby   = portal.TenantID("ensamby")
)

// house is everything that cases stand on: real but for services, the signing
// service, the register and what sends messages.
type house struct {
	t      *testing.T
	db     *sqldb.DB
	vault  portal.Vault
	cases  *Cases
	people *people.People
	queue  *outbox.Queue

	mu        sync.Mutex
	now       time.Time
	sent      []notify.Message
	forgotten []string
	forget    func(order string) error
	protected map[string]bool
}

func newHouse(t *testing.T) *house {
	t.Helper()
	ctx := t.Context()
	h := &house{t: t, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), protected: map[string]bool{}, forget: func(string) error { return nil }}
	h.db = storetest.Database(t)
	master := filepath.Join(t.TempDir(), "master")
	if err := keys.NewMaster(master); err != nil {
		t.Fatal(err)
	}
	masters, err := keys.LoadMasters(master)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keys.Open(ctx, h.db, masters, h.clock)
	if err != nil {
		t.Fatal(err)
	}
	h.vault = portal.NewVault(ring)
	if h.people, err = people.New(people.Config{DB: h.db, Vault: h.vault, Register: h, Tenant: h.tenant, Now: h.clock}); err != nil {
		t.Fatal(err)
	}
	told, err := notices.New(notices.Config{
		DB: h.db, Vault: h.vault, Mail: h, SMS: h, Tenant: h.tenant, Profile: h.people.ProfileOf, MayTell: h.people.MayTell, Now: h.clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	if h.cases, err = New(Config{
		DB: h.db, Vault: h.vault, Notices: told, Tenant: h.tenant, Now: h.clock,
		Service: func(_ context.Context, hash string) (*form.Service, error) {
			switch hash {
			case "dialogue":
				return &form.Service{Handlers: form.Handlers{Group: "forskola", Messages: true}, Privacy: form.Privacy{Keep: form.Keep{Closed: 48 * time.Hour}}}, nil
			case "silent":
				return &form.Service{Handlers: form.Handlers{Group: "forskola"}}, nil
			}
			return nil, errors.New("no such version")
		},
		Tenants: func(g portal.GroupID) []portal.TenantID {
			switch g {
			case "lan":
				return []portal.TenantID{exempelby, provby}
			case "ensamby":
				return []portal.TenantID{ensamby}
			}
			return nil
		},
		Forget: func(_ context.Context, tenant portal.TenantID, order string) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			if err := h.forget(order); err != nil {
				return err
			}
			h.forgotten = append(h.forgotten, string(tenant)+" "+order)
			return nil
		},
	}); err != nil {
		t.Fatal(err)
	}
	if h.queue, err = outbox.New(outbox.Config{DB: h.db, Node: "n", Handlers: told.Handlers(), Poll: time.Millisecond, Now: h.clock}); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func (h *house) tenant(id portal.TenantID) (portal.Tenant, bool) {
	t := portal.Tenant{ID: id, Group: "lan", Name: form.Text{"sv": "Exempelby kommun"}, BaseURL: "https://" + string(id) + ".example.se"}
	switch id {
	case exempelby, provby:
		return t, true
	case ensamby:
		t.Group = "ensamby"
		return t, true
	}
	return portal.Tenant{}, false
}

// Person implements register.Register.
func (h *house) Person(_ context.Context, n personnummer.Number) (register.Entry, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.protected[n.Digits()] {
		return register.Entry{}, register.ErrProtected
	}
	return register.Entry{Name: "Testperson"}, nil
}

// Send implements notify.Sender, for both channels.
func (h *house) Send(_ context.Context, m notify.Message) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sent = append(h.sent, m)
	return nil
}

// told gives to whom messages went since it was asked last, after the outbox has
// worked.
func (h *house) told() map[string]int {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error)
	go func() { over <- h.queue.Run(ctx) }()
	for range 2000 {
		idle := true
		items, err := h.queue.List(ctx, outbox.Filter{State: outbox.Waiting})
		if err != nil {
			h.t.Fatal(err)
		}
		for _, i := range items {
			idle = idle && !i.UnderWay && i.Next.After(h.clock())
		}
		if idle {
			break
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-over
	h.mu.Lock()
	defer h.mu.Unlock()
	to := map[string]int{}
	for _, m := range h.sent {
		to[m.To]++
	}
	h.sent = nil
	return to
}

func (h *house) number(digits string) personnummer.Number {
	h.t.Helper()
	n, err := personnummer.FromDigits(digits)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

func (h *house) visitor(tenant portal.TenantID, digits string) portal.Visitor {
	h.t.Helper()
	t, _ := h.tenant(tenant)
	n := h.number(digits)
	key, err := h.vault.Person(t.Group, n)
	if err != nil {
		h.t.Fatal(err)
	}
	return portal.Visitor{Group: t.Group, Tenant: tenant, Key: key, Number: n, Name: "Testperson " + digits[2:4]}
}

func officer(tenant portal.TenantID, groups ...string) portal.Officer {
	return portal.Officer{Tenant: tenant, Subject: "o1", Name: "Handläggare Ett", Groups: groups}
}

// browser is the name of one.
const browser = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// What a case is made of, planted to be searched for.
const (
	plantedAnswer = "planted-answer-4711"
	plantedFile   = "planted-content-4711"
	plantedMail   = "planted@example.se"
)

type arrival struct {
	tenant    portal.TenantID
	version   string
	anonymous bool
	coOwners  []string
	order     string
}

// arrive makes a case of Testperson Ett, as portal/sending does.
func (h *house) arrive(change ...func(*arrival)) portal.CaseID {
	h.t.Helper()
	a := arrival{tenant: exempelby, version: "dialogue", coOwners: []string{tva}, order: portal.NewID()}
	for _, c := range change {
		c(&a)
	}
	h.pass(time.Second)
	now := h.clock()
	head := portal.CaseHead{
		ID: portal.CaseID(portal.NewID()), Tenant: a.tenant, Service: "forskoleplats", Version: a.version, Group: "forskola", State: portal.Arrived,
		Arrived: now, Changed: now, Order: a.order, Anonymous: a.anonymous,
	}
	s := portal.Submission{
		Lang: "sv", Title: "Ansökan om förskoleplats", Answers: form.Answers{"ovrigt": {Text: plantedAnswer}},
		Contact: form.Contact{Email: plantedMail, Phone: "+46701740606", Notify: "email"},
	}
	persons := []store.CasePerson{{Case: head.ID, Person: browser, Owner: true}}
	if !a.anonymous {
		s.Applicant = portal.Person{Number: ett, Name: "Testperson Ett"}
		s.Parties = []portal.Party{{Party: form.Party{ID: "sokande", Number: ett, Applicant: true}}}
		persons[0].Person = h.visitor(a.tenant, ett).Key
		for _, digits := range a.coOwners {
			s.Parties = append(s.Parties, portal.Party{Party: form.Party{ID: "vh2", Number: digits, CoOwner: true, Email: "tva@example.se"}})
			persons = append(persons, store.CasePerson{Case: head.ID, Person: h.visitor(a.tenant, digits).Key})
		}
		// Somebody who signed and does not see the case.
		s.Parties = append(s.Parties, portal.Party{Party: form.Party{ID: "vittne", Number: "198410039278", Email: "vittne@example.se"}})
	}
	body, err := SealSubmission(h.vault, head, s)
	if err != nil {
		h.t.Fatal(err)
	}
	file, err := SealFile(h.vault, head, portal.CaseFile{File: form.File{ID: portal.NewID(), Name: "intyg-4711.pdf"}, Kind: portal.Attachment}, []byte(plantedFile))
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(func(tx *sqldb.Tx) error {
		n, err := store.NextNumber(tx, a.tenant, 2026)
		if err != nil {
			return err
		}
		head.Number = fmt.Sprintf("EXB-2026-%06d", n)
		if err := store.InsertCase(tx, store.Case{CaseHead: head, Body: body}); err != nil {
			return err
		}
		for _, p := range persons {
			if err := store.InsertPerson(tx, p); err != nil {
				return err
			}
		}
		if err := store.InsertCaseFile(tx, file); err != nil {
			return err
		}
		return store.InsertEvent(tx, store.Event{Case: head.ID, At: now, Kind: portal.EventArrived, State: portal.Arrived, By: portal.ByCitizen})
	})
	return head.ID
}

func (h *house) write(fn func(*sqldb.Tx) error) {
	h.t.Helper()
	if err := h.db.Write(context.Background(), fn); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) fileOf(id portal.CaseID) portal.FileID {
	h.t.Helper()
	files, err := store.CaseFiles(store.Last(context.Background(), h.db), id)
	if err != nil || len(files) == 0 {
		h.t.Fatal("the case has no file")
	}
	return files[0].ID
}

// audited counts events of a case, by type.
func (h *house) audited(id portal.CaseID) map[string]int {
	h.t.Helper()
	rows, err := h.db.Rows(context.Background(), `SELECT type || ' ' || reason FROM audit_waiting WHERE order_id = $1`, string(id))
	if err != nil {
		h.t.Fatal(err)
	}
	defer rows.Close()
	count := map[string]int{}
	for rows.Next() {
		var kind string
		if err := rows.Scan(&kind); err != nil {
			h.t.Fatal(err)
		}
		count[kind]++
	}
	return count
}

// tablesWith are the tables in which some bytes stand, in any column.
func (h *house) tablesWith(what string) []string {
	h.t.Helper()
	ctx := context.Background()
	names, err := h.db.Rows(ctx, `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`)
	if err != nil {
		h.t.Fatal(err)
	}
	var tables []string
	for names.Next() {
		var n string
		if err := names.Scan(&n); err != nil {
			h.t.Fatal(err)
		}
		tables = append(tables, n)
	}
	names.Close()
	var found []string
	for _, table := range tables {
		rows, err := h.db.Rows(ctx, `SELECT * FROM `+table)
		if err != nil {
			h.t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			h.t.Fatal(err)
		}
		hit := false
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				h.t.Fatal(err)
			}
			for _, v := range values {
				switch v := (*v.(*any)).(type) {
				case string:
					hit = hit || bytes.Contains([]byte(v), []byte(what))
				case []byte:
					hit = hit || bytes.Contains(v, []byte(what))
				}
			}
		}
		rows.Close()
		if hit {
			found = append(found, table)
		}
	}
	return found
}
