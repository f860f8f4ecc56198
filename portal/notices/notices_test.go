package notices

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/broker/kit/keys"
	"sigill/broker/kit/notify"
	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/letters"
	"sigill/portal/store"
	"sigill/portal/store/storetest"
	"sigill/providers/personnummer"
)

const (
	parent, other = "198101199282", "198107039276" // test-numbers.md
	exempelby     = portal.TenantID("exempelby")
)

// house is everything that notices stand on, with a clock and an outbox that is
// worked through when a test says so.
type house struct {
	t       *testing.T
	db      *sqldb.DB
	notices *Notices
	queue   *outbox.Queue
	mail    *box
	sms     *box

	mu       sync.Mutex
	now      time.Time
	profiles map[portal.PersonKey]form.Contact
	asked    int
	may      func(n personnummer.Number) (bool, error)
}

// box is where messages end.
type box struct {
	mu   sync.Mutex
	got  []notify.Message
	fail error
}

func (b *box) Send(_ context.Context, m notify.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return b.fail
	}
	b.got = append(b.got, m)
	return nil
}

func (b *box) set(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = err
}

func (b *box) to() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	for _, m := range b.got {
		list = append(list, m.To)
	}
	return list
}

func newHouse(t *testing.T) *house {
	t.Helper()
	ctx := t.Context()
	h := &house{t: t, mail: &box{}, sms: &box{}, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), profiles: map[portal.PersonKey]form.Contact{}}
	h.may = func(personnummer.Number) (bool, error) { return true, nil }
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
	vault := portal.NewVault(ring)
	if _, err := vault.Tenant(exempelby); err != nil {
		t.Fatal(err)
	}
	h.notices, err = New(Config{
		DB: h.db, Vault: vault, Mail: h.mail, SMS: h.sms, Now: h.clock,
		Tenant: func(id portal.TenantID) (portal.Tenant, bool) {
			return portal.Tenant{
				ID: exempelby, Group: "g", Name: form.Text{"sv": "Exempelby kommun", "en": "Exempelby"}, BaseURL: "https://exempelby.example.se",
				Contact: portal.Contact{Name: form.Text{"sv": "Kontaktcenter"}, Phone: "070-174 06 05", Email: "kontakt@exempelby.example.se"},
			}, id == exempelby
		},
		Profile: func(_ context.Context, g portal.GroupID, k portal.PersonKey) (form.Contact, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			if g != "g" {
				return form.Contact{}, errors.New("another group")
			}
			return h.profiles[k], nil
		},
		MayTell: func(_ context.Context, n personnummer.Number) (bool, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.asked++
			return h.may(n)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if h.queue, err = outbox.New(outbox.Config{DB: h.db, Node: "n", Handlers: h.notices.Handlers(), Poll: time.Millisecond, Now: h.clock}); err != nil {
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

// case1 and draft1 are what notices are about.
const (
	case1  = "aaaaaaaaaaaaaaaaaaaaaa"
	draft1 = "bbbbbbbbbbbbbbbbbbbbbb"
)

func (h *house) write(fn func(*sqldb.Tx) error) {
	h.t.Helper()
	if err := h.db.Write(context.Background(), fn); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) insertCase() {
	h.t.Helper()
	h.write(func(tx *sqldb.Tx) error {
		return store.InsertCase(tx, store.Case{Body: []byte("x"), CaseHead: portal.CaseHead{
			ID: case1, Number: "EXB-2026-000017", Tenant: exempelby, State: portal.Arrived, Arrived: h.clock(), Changed: h.clock(),
		}})
	})
}

func (h *house) insertDraft(state portal.DraftState) {
	h.t.Helper()
	h.write(func(tx *sqldb.Tx) error {
		return store.InsertDraft(tx, store.Draft{Owner: "p", Key: []byte("k"), Body: []byte("x"), DraftHead: portal.DraftHead{
			ID: draft1, Tenant: exempelby, Service: "s", Version: "v", State: state, Revision: 1, Created: h.clock(), Changed: h.clock(), Expires: h.clock().Add(time.Hour),
		}})
	})
}

func (h *house) insert(all ...Notice) {
	h.t.Helper()
	now := h.clock()
	h.write(func(tx *sqldb.Tx) error { return h.notices.Insert(tx, now, all...) })
}

// work lets the outbox work until nothing is due.
func (h *house) work() {
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
		if h.states()[outbox.Failed] > 0 { // that it is given up is yet to be told
			idle = false
		}
		if idle {
			cancel()
			<-over
			return
		}
		time.Sleep(time.Millisecond)
	}
	h.t.Fatal("the outbox has not come to rest")
}

func (h *house) states() map[outbox.State]int {
	h.t.Helper()
	items, err := h.queue.List(context.Background(), outbox.Filter{})
	if err != nil {
		h.t.Fatal(err)
	}
	count := map[outbox.State]int{}
	for _, i := range items {
		count[i.State]++
	}
	return count
}

func (h *house) withheld() int {
	h.t.Helper()
	var n int
	if err := h.db.Row(context.Background(), `SELECT count(*) FROM audit_waiting WHERE type = 'notice.withheld' AND person <> '' AND order_id = $1`, case1).Scan(&n); err != nil {
		h.t.Fatal(err)
	}
	return n
}

func both() form.Contact {
	return form.Contact{Email: "ett@example.se", Phone: "+46701740606", Notify: "both"}
}

func sample(change ...func(*Notice)) Notice {
	n := Notice{
		Kind: letters.Status, Tenant: exempelby, Ref: case1, Event: "status 1", Person: "p", Number: parent, Contact: both(), Lang: "sv",
		Title: "Ansökan om förskoleplats", CaseNumber: "EXB-2026-000017", Path: "/arende/" + case1, Follow: true,
	}
	for _, c := range change {
		c(&n)
	}
	return n
}

// TestWays: the person's own choice goes before what was left in the form, and a
// choice that does not work before silence (P-46, P-94).
func TestWays(t *testing.T) {
	email, phone := form.Contact{Email: "form@example.se"}, form.Contact{Phone: "+46701740607"}
	for name, c := range map[string]struct {
		profile, left form.Contact
		noMail, noSMS bool
		mail, sms     string
	}{
		"nothing":                         {},
		"e-mail was left":                 {left: email, mail: "form@example.se"},
		"a number was left":               {left: phone, sms: "+46701740607"},
		"both were left":                  {left: form.Contact{Email: "form@example.se", Phone: "+46701740607"}, mail: "form@example.se", sms: "+46701740607"},
		"e-mail was wished":               {left: form.Contact{Email: "form@example.se", Phone: "+46701740607", Notify: "email"}, mail: "form@example.se"},
		"SMS was wished":                  {left: form.Contact{Email: "form@example.se", Phone: "+46701740607", Notify: "sms"}, sms: "+46701740607"},
		"both were wished":                {left: both(), mail: "ett@example.se", sms: "+46701740606"},
		"a wish without its address":      {left: form.Contact{Email: "form@example.se", Notify: "sms"}, mail: "form@example.se"},
		"a wish that nobody knows":        {left: form.Contact{Email: "form@example.se", Notify: "pigeon"}, mail: "form@example.se"},
		"the profile goes first":          {profile: form.Contact{Phone: "+46701740608", Notify: "sms"}, left: both(), sms: "+46701740608"},
		"the profile has both":            {profile: form.Contact{Email: "p@example.se", Phone: "+46701740608", Notify: "email"}, left: phone, mail: "p@example.se"},
		"a profile with no address":       {profile: form.Contact{Notify: "sms"}, left: email, mail: "form@example.se"},
		"no SMS here":                     {left: form.Contact{Email: "form@example.se", Phone: "+46701740607", Notify: "sms"}, noSMS: true, mail: "form@example.se"},
		"no e-mail here":                  {left: both(), noMail: true, sms: "+46701740606"},
		"the profile's way is not there":  {profile: form.Contact{Phone: "+46701740608", Notify: "sms"}, left: email, noSMS: true, mail: "form@example.se"},
		"none of the ways that were left": {left: phone, noSMS: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.insertCase()
			h.profiles["p"] = c.profile
			if c.noMail {
				h.notices.Mail = nil
			}
			if c.noSMS {
				h.notices.SMS = nil
			}
			h.insert(sample(func(n *Notice) { n.Contact = c.left }))
			h.work()
			if got := strings.Join(h.mail.to(), " "); got != c.mail {
				t.Errorf("by e-mail to %q", got)
			}
			if got := strings.Join(h.sms.to(), " "); got != c.sms {
				t.Errorf("by SMS to %q", got)
			}
			if s := h.states(); s[outbox.Waiting]+s[outbox.GivenUp]+s[outbox.Failed] > 0 {
				t.Errorf("something is left: %v", s)
			}
		})
	}
}

// TestMessage: what goes out is the letter and no more.
func TestMessage(t *testing.T) {
	h := newHouse(t)
	h.insertCase()
	h.insert(sample(func(n *Notice) { n.Name = "Testperson Två" }))
	h.work()
	if len(h.mail.got) != 1 || len(h.sms.got) != 1 {
		t.Fatal("not one of each")
	}
	m, s := h.mail.got[0], h.sms.got[0]
	if m.FromName != "Exempelby kommun" || m.Lang != "sv" || !strings.Contains(m.Subject, "EXB-2026-000017") || !strings.Contains(m.Text, "https://exempelby.example.se/arende/"+case1) ||
		!strings.Contains(m.Text, "Kontaktcenter, 070-174 06 05, kontakt@exempelby.example.se") || m.HTML == "" {
		t.Errorf("the e-mail is %q %q", m.FromName, m.Subject)
	}
	if s.Subject != "" || s.HTML != "" || strings.Contains(s.Text, "EXB") || strings.Contains(s.Text, "förskole") || !strings.HasSuffix(s.Text, " https://exempelby.example.se/arende/"+case1) {
		t.Errorf("the SMS is %q", s.Text)
	}
	if m.ID == s.ID || m.ID == "" {
		t.Error("the messages have no names of their own")
	}
	for _, text := range []string{m.Subject, m.Text, m.HTML, s.Text, m.ID, s.ID} {
		for _, secret := range []string{parent, "Testperson", "ett@example.se", "46701740606"} {
			if strings.Contains(text, secret) {
				t.Error("a message holds more than it may")
			}
		}
	}
}

// TestProtected: to whoever is protected nothing goes, by any channel, of any
// kind; while it is not known, it waits (P-30).
func TestProtected(t *testing.T) {
	for _, kind := range []letters.Kind{letters.Arrived, letters.Message, letters.Status} {
		h := newHouse(t)
		h.insertCase()
		h.may = func(personnummer.Number) (bool, error) { return false, nil }
		h.insert(sample(func(n *Notice) { n.Kind = kind }))
		h.work()
		h.pass(100 * time.Hour)
		h.work()
		if len(h.mail.got)+len(h.sms.got) != 0 {
			t.Fatalf("%s: sent to a protected person", kind)
		}
		if h.withheld() != 2 || h.states()[outbox.Done] != 3 {
			t.Errorf("%s: withheld %d times, entries are %v", kind, h.withheld(), h.states())
		}
	}

	h := newHouse(t)
	h.insertCase()
	h.may = func(personnummer.Number) (bool, error) { return true, errors.New("the register is down") }
	h.insert(sample())
	h.work()
	for range 5 {
		h.pass(time.Hour)
		h.work()
	}
	if len(h.mail.got)+len(h.sms.got) != 0 || h.withheld() != 0 {
		t.Fatal("sent, or withheld, though nobody knew")
	}
	h.may = func(n personnummer.Number) (bool, error) { return n.Digits() == parent, nil }
	h.pass(time.Hour)
	h.work()
	if len(h.mail.got) != 1 || len(h.sms.got) != 1 {
		t.Error("not sent when the register answered")
	}

	// A key without a number cannot be asked about.
	h = newHouse(t)
	h.insertCase()
	h.insert(sample(func(n *Notice) { n.Number = "" }), sample(func(n *Notice) { n.Number, n.Event = "198101199283", "x" }))
	h.work()
	if len(h.mail.got)+len(h.sms.got) != 0 || h.states()[outbox.GivenUp] != 4 {
		t.Errorf("a person without a number: %v", h.states())
	}
}

// TestBecomesProtected: between two channels, and between two tries.
func TestBecomesProtected(t *testing.T) {
	h := newHouse(t)
	h.insertCase()
	h.mail.set(errors.New("the mail server is away"))
	h.insert(sample())
	h.work()
	if len(h.sms.got) != 1 {
		t.Fatal("the SMS waits for the e-mail")
	}
	h.may = func(personnummer.Number) (bool, error) { return false, nil }
	h.mail.set(nil)
	h.pass(time.Hour)
	h.work()
	if len(h.mail.got) != 0 || len(h.sms.got) != 1 || h.withheld() != 1 {
		t.Errorf("sent %d, withheld %d", len(h.mail.got), h.withheld())
	}
}

func TestAnonymous(t *testing.T) {
	h := newHouse(t)
	h.insertCase()
	nobody := func(n *Notice) { n.Kind, n.Person, n.Number, n.Follow = letters.Arrived, "", "", false }
	h.insert(sample(nobody), sample(nobody, func(n *Notice) { n.Event, n.Contact = "2", form.Contact{Notify: "email"} }))
	h.work()
	if h.asked != 0 || len(h.mail.got) != 1 || len(h.sms.got) != 1 {
		t.Errorf("asked %d, sent %d and %d", h.asked, len(h.mail.got), len(h.sms.got))
	}
	if strings.Contains(h.mail.got[0].Text+h.sms.got[0].Text, "https://") {
		t.Error("a link to where nobody may go")
	}
}

// TestOnce: an event is told once to a person, however often it is put in; others
// are told too.
func TestOnce(t *testing.T) {
	h := newHouse(t)
	h.insertCase()
	h.insert(sample(), sample())
	h.work()
	h.insert(sample())
	h.work()
	if len(h.mail.got) != 1 || len(h.sms.got) != 1 {
		t.Errorf("told %d and %d times", len(h.mail.got), len(h.sms.got))
	}
	h.insert(sample(func(n *Notice) { n.Person, n.Number = "q", other }), sample(func(n *Notice) { n.Event = "status 2" }), sample(func(n *Notice) { n.Kind = letters.Message }))
	h.work()
	if len(h.mail.got) != 4 || len(h.sms.got) != 4 {
		t.Errorf("told %d and %d times", len(h.mail.got), len(h.sms.got))
	}
}

// TestFailing: one channel that fails sends nothing anew by the other, and what
// is refused for good is not tried again.
func TestFailing(t *testing.T) {
	h := newHouse(t)
	h.insertCase()
	h.sms.set(errors.New("the gateway is away"))
	h.insert(sample())
	h.work()
	for range 3 {
		h.pass(time.Hour)
		h.work()
	}
	h.sms.set(nil)
	h.pass(time.Hour)
	h.work()
	if len(h.mail.got) != 1 || len(h.sms.got) != 1 {
		t.Errorf("sent %d and %d", len(h.mail.got), len(h.sms.got))
	}

	h.mail.set(&notify.Refused{Reason: notify.NoSuch, Answer: "550 5.1.1"})
	h.insert(sample(func(n *Notice) { n.Event = "status 2" }))
	h.work()
	h.mail.set(nil)
	h.pass(time.Hour)
	h.work()
	if len(h.mail.got) != 1 || len(h.sms.got) != 2 || h.states()[outbox.GivenUp] != 1 {
		t.Errorf("sent %d and %d: %v", len(h.mail.got), len(h.sms.got), h.states())
	}
	// Officers see that a message did not get there (P-81), once for each channel.
	h.sms.set(&notify.Refused{Reason: notify.NoSuch, Answer: "404"})
	h.mail.set(&notify.Refused{Reason: notify.NoSuch, Answer: "550 5.1.1"})
	h.insert(sample(func(n *Notice) { n.Event = "status 3" }))
	h.work()
	h.pass(time.Hour)
	h.work()
	events, err := store.Events(store.Last(context.Background(), h.db), case1)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []portal.EventKind
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	slices.Sort(kinds)
	if !slices.Equal(kinds, []portal.EventKind{portal.EventNoEmail, portal.EventNoSMS}) {
		t.Errorf("the case says %v", kinds)
	}
}

// TestStale: what is no longer so is not said.
func TestStale(t *testing.T) {
	draft := func(kind letters.Kind) Notice {
		return sample(func(n *Notice) {
			n.Kind, n.Ref, n.CaseNumber, n.Deadline, n.Path = kind, draft1, "", time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC), "/utkast/"+draft1+"/vantar"
			if kind == letters.Returned {
				n.Returned = portal.ReturnedRefused
			}
		})
	}
	for name, c := range map[string]struct {
		notice Notice
		before func(*house)
		sent   int
	}{
		"waits":                    {draft(letters.Waiting), func(h *house) { h.insertDraft(portal.Waiting) }, 1},
		"waits no longer":          {draft(letters.Waiting), func(h *house) { h.insertDraft(portal.Open) }, 0},
		"has arrived meanwhile":    {draft(letters.Waiting), func(h *house) {}, 0},
		"came back":                {draft(letters.Returned), func(h *house) { h.insertDraft(portal.Open) }, 1},
		"came back and went again": {draft(letters.Returned), func(h *house) { h.insertDraft(portal.Waiting) }, 0},
		"was taken back":           {sample(func(n *Notice) { n.Kind, n.Returned = letters.Returned, portal.ReturnedWithdrawn }), func(h *house) { h.insertDraft(portal.Open) }, 0},
		"the case is there":        {sample(), func(h *house) { h.insertCase() }, 1},
		"the case is gone":         {sample(), func(h *house) {}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			c.before(h)
			h.insert(c.notice)
			h.work()
			if len(h.mail.got) != c.sent || len(h.sms.got) != c.sent {
				t.Errorf("sent %d and %d", len(h.mail.got), len(h.sms.got))
			}
			if s := h.states(); s[outbox.Waiting]+s[outbox.Failed]+s[outbox.GivenUp] > 0 {
				t.Errorf("something is left: %v", s)
			}
		})
	}
	// Also between the two entries of a notice.
	h := newHouse(t)
	h.insertCase()
	h.mail.set(errors.New("away"))
	h.insert(sample())
	h.work()
	h.write(func(tx *sqldb.Tx) error { return store.DeleteCase(tx, case1) })
	h.mail.set(nil)
	h.pass(time.Hour)
	h.work()
	if len(h.mail.got) != 0 || len(h.states()) != 0 {
		t.Errorf("sent %d, left %v", len(h.mail.got), h.states())
	}
}

// TestSealed: nothing of a person lies in the outbox, before or after, and an
// entry opens nowhere else.
func TestSealed(t *testing.T) {
	h := newHouse(t)
	h.insertCase()
	h.sms.set(errors.New("away"))
	look := func() {
		t.Helper()
		items, err := h.db.Rows(context.Background(), `SELECT id, ref, stream, lane, error, payload FROM outbox`)
		if err != nil {
			t.Fatal(err)
		}
		defer items.Close()
		for items.Next() {
			var text [5]string
			var payload []byte
			if err := items.Scan(&text[0], &text[1], &text[2], &text[3], &text[4], &payload); err != nil {
				t.Fatal(err)
			}
			all := append([]byte(strings.Join(text[:], "\n")), payload...)
			for _, secret := range []string{parent, "example.se", "46701740606", "förskole", "EXB-2026"} {
				if bytes.Contains(all, []byte(secret)) {
					t.Errorf("the outbox holds something of the person")
				}
			}
		}
	}
	h.insert(sample())
	look()
	h.work()
	look()

	now := h.clock()
	e, err := h.notices.entry(kindMail, "id", exempelby, case1, now, content{Kind: letters.Status, To: "ett@example.se"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.notices.open(e); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*outbox.Entry){
		"id": func(e *outbox.Entry) { e.ID = "x" }, "kind": func(e *outbox.Entry) { e.Kind = kindSMS }, "ref": func(e *outbox.Entry) { e.Ref = "x" },
	} {
		moved := e
		change(&moved)
		if _, _, err := h.notices.open(moved); err == nil {
			t.Errorf("it opens with another %s", name)
		}
	}
}

// TestLanes: the channels do not wait for each other.
func TestLanes(t *testing.T) {
	h := newHouse(t)
	h.insertCase()
	h.sms.set(errors.New("away"))
	h.mail.set(errors.New("away"))
	h.insert(sample())
	h.work()
	items, err := h.queue.List(context.Background(), outbox.Filter{State: outbox.Waiting})
	if err != nil || len(items) != 2 || items[0].Lane == items[1].Lane || items[0].Lane == "" || items[1].Lane == "" {
		t.Errorf("%d entries wait: %v", len(items), err)
	}
}

func TestInsertRefuses(t *testing.T) {
	h := newHouse(t)
	for name, change := range map[string]func(*Notice){
		"kind": func(n *Notice) { n.Kind = "" }, "tenant": func(n *Notice) { n.Tenant = "" }, "ref": func(n *Notice) { n.Ref = "" }, "event": func(n *Notice) { n.Event = "" },
	} {
		err := h.db.Write(context.Background(), func(tx *sqldb.Tx) error { return h.notices.Insert(tx, h.now, sample(change)) })
		if err == nil {
			t.Errorf("taken without %s", name)
		}
	}
}
