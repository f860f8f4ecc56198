package cases

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/store"
)

// way is one into a case, for a citizen or an officer.
type way struct {
	name    string
	citizen func(*house, portal.Visitor, portal.CaseID) error
	officer func(*house, portal.Officer, portal.CaseID) error
}

func ways() []way {
	ctx := context.Background()
	return []way{
		{name: "Head", citizen: func(h *house, v portal.Visitor, id portal.CaseID) error {
			head, err := h.cases.Head(ctx, v, id)
			if err == nil {
				was, noted := h.snapshot(id), total(h.audited(id))
				if again, _ := h.cases.Head(ctx, v, id); head.ID != id || again != head || h.snapshot(id) != was || total(h.audited(id)) != noted {
					return errors.New("not the head, or something was changed")
				}
			}
			if err != nil && head != (portal.CaseHead{}) {
				return errors.New("something was given")
			}
			return err
		}},
		{name: "Open", citizen: func(h *house, v portal.Visitor, id portal.CaseID) error {
			c, err := h.cases.Open(ctx, v, id)
			if err == nil && (c.ID != id || c.Submission.Answers["ovrigt"].Text != plantedAnswer || len(c.Files) != 1 || len(c.Events) != 1) {
				return errors.New("not the whole case")
			}
			if err != nil && !reflect.DeepEqual(c, portal.Case{}) {
				return errors.New("something was given")
			}
			return err
		}},
		{name: "File", citizen: func(h *house, v portal.Visitor, id portal.CaseID) error {
			f, content, err := h.cases.File(ctx, v, id, h.fileOf(id))
			return fileAsIs(f, content, err)
		}},
		{name: "Write", citizen: func(h *house, v portal.Visitor, id portal.CaseID) error {
			return h.cases.Write(ctx, v, id, "once", "Hej")
		}},
		{name: "Read", officer: func(h *house, o portal.Officer, id portal.CaseID) error {
			c, err := h.cases.Read(ctx, o, id)
			if err == nil && (c.ID != id || c.Submission.Answers["ovrigt"].Text != plantedAnswer) {
				return errors.New("not the whole case")
			}
			if err != nil && !reflect.DeepEqual(c, portal.Case{}) {
				return errors.New("something was given")
			}
			return err
		}},
		{name: "ReadFile", officer: func(h *house, o portal.Officer, id portal.CaseID) error {
			f, content, err := h.cases.ReadFile(ctx, o, id, h.fileOf(id))
			return fileAsIs(f, content, err)
		}},
		{name: "Reply", officer: func(h *house, o portal.Officer, id portal.CaseID) error {
			return h.cases.Reply(ctx, o, id, "once", "Hej")
		}},
		{name: "SetState", officer: func(h *house, o portal.Officer, id portal.CaseID) error {
			return h.cases.SetState(ctx, o, id, portal.Arrived, portal.InProgress)
		}},
	}
}

// fileAsIs reports whether a document was given whole, or not at all.
func fileAsIs(f portal.CaseFile, content []byte, err error) error {
	if err == nil && (string(content) != plantedFile || f.Name != "intyg-4711.pdf" || f.Kind != portal.Attachment) {
		return errors.New("not the whole file")
	}
	if err != nil && (content != nil || f != (portal.CaseFile{})) {
		return errors.New("something was given")
	}
	return err
}

// snapshot is everything of a case that somebody could change.
func (h *house) snapshot(id portal.CaseID) string {
	h.t.Helper()
	last := store.Last(context.Background(), h.db)
	row, err := store.CaseOf(last, id)
	if err != nil {
		h.t.Fatal(err)
	}
	messages, err := store.Messages(last, id)
	if err != nil {
		h.t.Fatal(err)
	}
	events, err := store.Events(last, id)
	if err != nil {
		h.t.Fatal(err)
	}
	var waiting int
	if err := h.db.Row(context.Background(), `SELECT count(*) FROM outbox`).Scan(&waiting); err != nil {
		h.t.Fatal(err)
	}
	return fmt.Sprint(row.CaseHead, messages, events, waiting)
}

func total(count map[string]int) int {
	n := 0
	for _, c := range count {
		n += c
	}
	return n
}

// TestIsolation: every way into a case, by everybody. Whoever may not gets the
// same answer as if there was none, changes nothing, and is noted.
func TestIsolation(t *testing.T) {
	h := newHouse(t)
	with := func(v portal.Visitor, change func(*portal.Visitor)) portal.Visitor { change(&v); return v }
	mine := h.visitor(exempelby, ett)
	citizens := []struct {
		name            string
		v               portal.Visitor
		owned, nameless bool // may see a case of Testperson Ett and Två; one that was sent without login
	}{
		{"the owner", mine, true, false},
		{"the owner, with another tenant of the group", h.visitor(provby, ett), true, false},
		{"the co-owner", h.visitor(exempelby, tva), true, false},
		{"another citizen", h.visitor(exempelby, tre), false, false},
		{"one who signed and does not own it", h.visitor(exempelby, "198410039278"), false, false},
		{"the owner, with a tenant of another group", h.visitor(ensamby, ett), false, false},
		{"the owner's key in another group", with(mine, func(v *portal.Visitor) { v.Group, v.Tenant = "ensamby", ensamby }), false, false},
		{"the owner's key before, now another's", with(h.visitor(exempelby, tre), func(v *portal.Visitor) { v.Previous = mine.Key }), true, false},
		{"nobody", portal.Visitor{Group: "lan", Tenant: exempelby}, false, false},
		{"the browser", portal.Visitor{Group: "lan", Tenant: exempelby, Browser: browser}, false, true},
		{"the browser, with another tenant", portal.Visitor{Group: "lan", Tenant: provby, Browser: browser}, false, false},
		{"another browser", portal.Visitor{Group: "lan", Tenant: exempelby, Browser: browser[1:] + "x"}, false, false},
		{"a browser that is called as the owner", portal.Visitor{Group: "lan", Tenant: exempelby, Browser: string(mine.Key)}, false, false},
		{"somebody logged in at the browser", with(h.visitor(exempelby, tre), func(v *portal.Visitor) { v.Browser = browser }), false, false},
		{"somebody whose key is the browser's name", with(h.visitor(exempelby, tre), func(v *portal.Visitor) { v.Key = browser }), false, false},
	}
	officers := []struct {
		name string
		o    portal.Officer
		may  bool
	}{
		{"an officer of the type", officer(exempelby, "forskola"), true},
		{"an officer of several", officer(exempelby, "bygg", "forskola"), true},
		{"an officer of another type", officer(exempelby, "bygg"), false},
		{"an officer of none", officer(exempelby), false},
		{"an officer of no name", officer(exempelby, ""), false},
		{"an officer of another tenant", officer(provby, "forskola"), false},
		{"an officer of another group of tenants", officer(ensamby, "forskola"), false},
		{"nobody", portal.Officer{Groups: []string{"forskola"}}, false},
		{"nobody of the tenant", portal.Officer{Tenant: exempelby, Groups: []string{"forskola"}}, false},
	}
	judge := func(t *testing.T, h *house, id portal.CaseID, may bool, do func() error) {
		t.Helper()
		was := h.snapshot(id)
		err := do()
		switch {
		case may && err != nil:
			t.Errorf("refused: %v", err)
		case !may && err != portal.ErrNotFound: // the very same, whatever the reason
			t.Errorf("the error is %v", err)
		case !may && h.snapshot(id) != was:
			t.Error("something was changed")
		}
	}
	for _, w := range ways() {
		for _, anonymous := range []bool{false, true} {
			id := h.arrive(func(a *arrival) {
				a.anonymous = anonymous
				if anonymous {
					a.order = ""
				}
			})
			for _, c := range citizens {
				if w.citizen == nil {
					break
				}
				t.Run(fmt.Sprintf("%s, anonymous %v, %s", w.name, anonymous, c.name), func(t *testing.T) {
					may := c.owned && !anonymous || c.nameless && anonymous
					noted := total(h.audited(id))
					judge(t, h, id, may, func() error {
						err := w.citizen(h, c.v, id)
						if anonymous && may && errors.Is(err, ErrNoMessages) {
							return nil // let in, and told that there is no dialogue
						}
						return err
					})
					if !may && total(h.audited(id)) != noted+1 {
						t.Error("it was not noted that somebody asked")
					}
				})
			}
			for _, o := range officers {
				if w.officer == nil {
					break
				}
				id := id
				if w.name == "SetState" {
					id = h.arrive()
				}
				t.Run(fmt.Sprintf("%s, anonymous %v, %s", w.name, anonymous, o.name), func(t *testing.T) {
					noted := total(h.audited(id))
					if !o.may && o.o.Subject != "" {
						defer func() {
							if total(h.audited(id)) != noted+1 {
								t.Error("it was not noted that somebody asked")
							}
						}()
					}
					judge(t, h, id, o.may, func() error {
						err := w.officer(h, o.o, id)
						if anonymous && o.may && errors.Is(err, ErrNoMessages) {
							return nil
						}
						return err
					})
				})
			}
		}
	}
}

// TestNoCase: what is not there, or is no name of a case, is answered like what
// is somebody else's.
func TestNoCase(t *testing.T) {
	h := newHouse(t)
	there := h.arrive()
	for _, id := range []portal.CaseID{portal.CaseID(portal.NewID()), "", "x", portal.CaseID(strings.Repeat("x", 1<<16)), there + "A", "../" + there} {
		for _, w := range ways() {
			var err error
			switch {
			case strings.Contains(w.name, "File"):
				_, _, errC := h.cases.File(t.Context(), h.visitor(exempelby, ett), id, "f")
				_, _, errO := h.cases.ReadFile(t.Context(), officer(exempelby, "forskola"), id, "f")
				if errC != errO {
					t.Error("the answers differ")
				}
				err = errC
			case w.citizen != nil:
				err = w.citizen(h, h.visitor(exempelby, ett), id)
			default:
				err = w.officer(h, officer(exempelby, "forskola"), id)
			}
			if err != portal.ErrNotFound {
				t.Errorf("%s: %v", w.name, err)
			}
		}
	}
	for _, file := range []portal.FileID{"", "x", portal.FileID(portal.NewID()), h.fileOf(h.arrive())} {
		if _, _, err := h.cases.File(t.Context(), h.visitor(exempelby, ett), there, file); err != portal.ErrNotFound {
			t.Errorf("file %q: %v", file, err)
		}
		if _, _, err := h.cases.ReadFile(t.Context(), officer(exempelby, "forskola"), there, file); err != portal.ErrNotFound {
			t.Errorf("file %q: %v", file, err)
		}
	}
	if n := h.audited(there); len(n) != 0 {
		t.Errorf("noted: %v", n)
	}
}

// TestAudited: each reading is noted with who it was, before anything is shown:
// when that cannot be written, nothing is.
func TestAudited(t *testing.T) {
	h := newHouse(t)
	id := h.arrive()
	unsigned := h.arrive(func(a *arrival) { a.anonymous, a.order = true, "" })
	o, file := officer(exempelby, "forskola"), h.fileOf(id)
	read := func() map[string]error {
		_, open := h.cases.Open(t.Context(), h.visitor(exempelby, ett), id)
		_, co := h.cases.Open(t.Context(), h.visitor(exempelby, tva), id)
		_, nobody := h.cases.Open(t.Context(), portal.Visitor{Group: "lan", Tenant: exempelby, Browser: browser}, unsigned)
		_, officer := h.cases.Read(t.Context(), o, id)
		_, _, mine := h.cases.File(t.Context(), h.visitor(exempelby, ett), id, file)
		_, _, theirs := h.cases.ReadFile(t.Context(), o, id, file)
		return map[string]error{"owner": open, "co-owner": co, "anonymous": nobody, "officer": officer, "file": mine, "officer's file": theirs}
	}
	for who, err := range read() {
		if err != nil {
			t.Errorf("%s: %v", who, err)
		}
	}
	want := map[string]int{"case.read owner": 1, "case.read co_owner": 1, "case.read officer": 1, "case.file_read owner": 1, "case.file_read officer": 1}
	if got := h.audited(id); !reflect.DeepEqual(got, want) {
		t.Errorf("noted: %v", got)
	}
	if got := h.audited(unsigned); !reflect.DeepEqual(got, map[string]int{"case.read anonymous": 1}) {
		t.Errorf("noted: %v", got)
	}
	for _, secret := range []string{ett, tva, "Testperson", "Handläggare", "\"o1\""} {
		for _, table := range h.tablesWith(secret) {
			t.Errorf("%s holds a person in plain text", table)
		}
	}
	h.write(func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`CREATE TRIGGER full BEFORE INSERT ON audit_waiting BEGIN SELECT RAISE(ABORT, 'full'); END`)
		return err
	})
	for who, err := range read() {
		if err == nil || errors.Is(err, portal.ErrNotFound) {
			t.Errorf("%s read without a note: %v", who, err)
		}
	}
	if c, _ := h.cases.Open(t.Context(), h.visitor(exempelby, ett), id); !reflect.DeepEqual(c, portal.Case{}) {
		t.Error("something was given all the same")
	}
	if _, content, _ := h.cases.ReadFile(t.Context(), o, id, file); content != nil {
		t.Error("something was given all the same")
	}
	if _, err := h.cases.Open(t.Context(), h.visitor(exempelby, tre), id); err != portal.ErrNotFound {
		t.Errorf("somebody else learns that it is there: %v", err)
	}
}

// TestSealed: rows say nothing by themselves, and open nowhere else.
func TestSealed(t *testing.T) {
	h := newHouse(t)
	id, another := h.arrive(), h.arrive()
	if err := h.cases.Write(t.Context(), h.visitor(exempelby, ett), id, "once", "planted-message-4711"); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{plantedAnswer, plantedFile, plantedMail, "intyg-4711", "planted-message", "Ansökan", ett, "Testperson"} {
		for _, table := range h.tablesWith(secret) {
			t.Errorf("%s holds something in plain text", table)
		}
	}
	last := store.Last(t.Context(), h.db)
	row, err := store.CaseOf(last, id)
	if err != nil {
		t.Fatal(err)
	}
	row.ID = another
	if _, err := OpenSubmission(h.vault, row); err == nil {
		t.Error("a body opens as that of another case")
	}
	row.ID, row.Tenant = id, provby
	if _, err := OpenSubmission(h.vault, row); err == nil {
		t.Error("a body opens as that of another tenant")
	}
	messages, err := store.Messages(last, id)
	if err != nil || len(messages) != 1 {
		t.Fatal(err)
	}
	row.Tenant = exempelby
	messages[0].By = portal.ByOfficer
	if _, err := openMessage(h.vault, row.CaseHead, messages[0]); err == nil {
		t.Error("a citizen's message opens as an officer's")
	}
	f, err := store.CaseFileOf(last, id, h.fileOf(id))
	if err != nil {
		t.Fatal(err)
	}
	f.Kind = portal.SignedPDF
	if _, err := openFile(h.vault, row.CaseHead, f); err == nil {
		t.Error("an attachment opens as the signed document")
	}
	f.ID = h.fileOf(another)
	if _, err := openContent(h.vault, row.CaseHead, f); err == nil {
		t.Error("a file opens as another")
	}
}

// TestOverview: everybody sees what is theirs, with all tenants of the group, in
// its place.
func TestOverview(t *testing.T) {
	h := newHouse(t)
	first := h.arrive()
	second := h.arrive(func(a *arrival) { a.tenant, a.coOwners = provby, nil })
	h.arrive(func(a *arrival) { a.tenant = ensamby })
	h.arrive(func(a *arrival) { a.anonymous, a.order = true, "" })
	closed := h.arrive()
	if err := h.cases.SetState(t.Context(), officer(exempelby, "forskola"), closed, portal.Arrived, portal.Closed); err != nil {
		t.Fatal(err)
	}
	if err := h.cases.Reply(t.Context(), officer(exempelby, "forskola"), first, "a", "Hej"); err != nil {
		t.Fatal(err)
	}
	draft := portal.DraftID(portal.NewID())
	asked := store.Asked{Draft: draft, Order: "order", Person: h.visitor(exempelby, tva).Key, Tenant: exempelby}
	var err error
	if asked.Sealed, err = SealAsked(h.vault, asked, "Ansökan om förskoleplats"); err != nil {
		t.Fatal(err)
	}
	now := h.clock()
	h.write(func(tx *sqldb.Tx) error {
		d := store.Draft{Owner: "somebody", Key: []byte("k"), Body: []byte("x"), DraftHead: portal.DraftHead{
			ID: draft, Tenant: exempelby, Service: "s", Version: "v", State: portal.Waiting, Revision: 1, Order: "order", Created: now, Changed: now, Expires: now,
		}}
		if err := store.InsertDraft(tx, d); err != nil {
			return err
		}
		return store.InsertAsked(tx, asked)
	})
	for name, c := range map[string]struct {
		v            portal.Visitor
		sent, closed []portal.CaseID
		asked        []string
	}{
		"the owner":                      {h.visitor(exempelby, ett), []portal.CaseID{first, second}, []portal.CaseID{closed}, nil},
		"the owner, at the other tenant": {h.visitor(provby, ett), []portal.CaseID{first, second}, []portal.CaseID{closed}, nil},
		"the co-owner":                   {h.visitor(exempelby, tva), []portal.CaseID{first}, []portal.CaseID{closed}, []string{"Ansökan om förskoleplats"}},
		"another citizen":                {h.visitor(exempelby, tre), nil, nil, nil},
	} {
		m, err := h.cases.Overview(t.Context(), c.v, store.Page{}, store.Page{})
		if err != nil {
			t.Fatal(err)
		}
		if got := ids(m.Sent); !slices.Equal(got, c.sent) || m.CountSent != len(c.sent) {
			t.Errorf("%s: sent %v (%d)", name, got, m.CountSent)
		}
		if got := ids(m.Closed); !slices.Equal(got, c.closed) || m.CountClosed != len(c.closed) {
			t.Errorf("%s: closed %v (%d)", name, got, m.CountClosed)
		}
		var titles []string
		for _, a := range m.Asked {
			titles = append(titles, a.Title)
		}
		if !slices.Equal(titles, c.asked) {
			t.Errorf("%s: asked for %v", name, titles)
		}
		if len(m.Sent) > 0 && m.Sent[0].Unread != 1 {
			t.Errorf("%s: %d unread", name, m.Sent[0].Unread)
		}
	}
	for _, v := range []portal.Visitor{{Group: "lan", Tenant: exempelby}, {Group: "lan", Tenant: exempelby, Browser: browser}} {
		if m, err := h.cases.Overview(t.Context(), v, store.Page{}, store.Page{}); err != portal.ErrNotFound || m.Sent != nil {
			t.Errorf("somebody not logged in sees Mina sidor: %v", err)
		}
	}
	// Page by page it is the same.
	var got []portal.CaseID
	page := &store.Page{Limit: 1}
	for range 5 {
		m, err := h.cases.Overview(t.Context(), h.visitor(exempelby, ett), *page, store.Page{})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ids(m.Sent)...)
		if page = m.MoreSent; page == nil {
			break
		}
	}
	if !slices.Equal(got, []portal.CaseID{first, second}) {
		t.Errorf("page by page: %v", got)
	}
}

func ids(heads []portal.CaseHead) []portal.CaseID {
	var list []portal.CaseID
	for _, h := range heads {
		list = append(list, h.ID)
	}
	return list
}

// TestInbox: an officer sees the cases of their own groups and tenant.
func TestInbox(t *testing.T) {
	h := newHouse(t)
	first, second := h.arrive(), h.arrive(func(a *arrival) { a.anonymous, a.order = true, "" })
	other := h.arrive(func(a *arrival) { a.tenant = provby })
	if err := h.cases.Write(t.Context(), h.visitor(exempelby, ett), first, "a", "Hej"); err != nil {
		t.Fatal(err)
	}
	closed := h.arrive()
	if err := h.cases.SetState(t.Context(), officer(exempelby, "forskola"), closed, portal.Arrived, portal.Closed); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		o      portal.Officer
		states []portal.CaseState
		want   []portal.CaseID
	}{
		"of the type":       {officer(exempelby, "forskola"), nil, []portal.CaseID{first, second}},
		"closed ones":       {officer(exempelby, "forskola"), []portal.CaseState{portal.Closed}, []portal.CaseID{closed}},
		"of another type":   {officer(exempelby, "bygg"), nil, nil},
		"of none":           {officer(exempelby), nil, nil},
		"of another tenant": {officer(provby, "forskola"), nil, []portal.CaseID{other}},
	} {
		got, _, err := h.cases.Inbox(t.Context(), c.o, Filter{States: c.states})
		if err != nil {
			t.Fatal(err)
		}
		if !sameIDs(ids(got), c.want) {
			t.Errorf("an officer %s sees %v", name, ids(got))
		}
		for _, head := range got {
			if want := map[portal.CaseID]int{first: 1}[head.ID]; head.Unread != want {
				t.Errorf("%d unread, want %d", head.Unread, want)
			}
		}
	}
	if _, _, err := h.cases.Inbox(t.Context(), portal.Officer{Groups: []string{"forskola"}}, Filter{}); err != portal.ErrNotFound {
		t.Errorf("nobody has an inbox: %v", err)
	}
	list, more, err := h.cases.Inbox(t.Context(), officer(exempelby, "forskola"), Filter{Page: store.Page{Limit: 1}})
	if err != nil || len(list) != 1 || more == nil {
		t.Fatalf("%d, %v", len(list), err)
	}
	if list, _, err = h.cases.Inbox(t.Context(), officer(exempelby, "forskola"), Filter{Page: *more}); err != nil || len(list) != 1 {
		t.Fatalf("%d, %v", len(list), err)
	}
}

func sameIDs(a, b []portal.CaseID) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
