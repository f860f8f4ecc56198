package web

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"sigill/broker/kit/design"
	"sigill/broker/kit/page"
	"sigill/portal"
	"sigill/portal/cases"
	"sigill/portal/drafts"
	"sigill/portal/form"
	"sigill/portal/login"
	"sigill/portal/sending"
	"sigill/portal/store"
	"sigill/providers/personnummer"
)

// The houses of these tests: a portal of two tenants at one host and one at a
// host of its own, with everything behind the pages in memory.

var errBroken = errors.New("the disk is full")

// fakeCatalogue has tenants, and offers the same services in all of them.
type fakeCatalogue struct {
	tenants  []portal.Tenant
	services []*form.Service
}

func (f *fakeCatalogue) Tenants() []portal.Tenant { return f.tenants }

func (f *fakeCatalogue) Tenant(id portal.TenantID) (portal.Tenant, bool) {
	i := slices.IndexFunc(f.tenants, func(t portal.Tenant) bool { return t.ID == id })
	if i < 0 {
		return portal.Tenant{}, false
	}
	return f.tenants[i], true
}

func (f *fakeCatalogue) Offered(portal.TenantID) []*form.Service { return f.services }

func (f *fakeCatalogue) Service(_ portal.TenantID, id portal.ServiceID) (*form.Service, bool) {
	i := slices.IndexFunc(f.services, func(s *form.Service) bool { return s.ID == string(id) })
	if i < 0 {
		return nil, false
	}
	return f.services[i], true
}

func (f *fakeCatalogue) Version(_ context.Context, hash string) (*form.Service, error) {
	for _, s := range f.services {
		if s.Hash == hash {
			return s, nil
		}
	}
	return nil, errors.New("no such version")
}

func (f *fakeCatalogue) Find(_ portal.TenantID, lang, words string) []*form.Service {
	return slices.DeleteFunc(slices.Clone(f.services), func(s *form.Service) bool {
		return !strings.Contains(strings.ToLower(s.Title.In(lang)), strings.ToLower(words))
	})
}

func (f *fakeCatalogue) Logo(id portal.TenantID) (fs.File, error) {
	return fstest.MapFS{"logo.svg": {Data: []byte("<svg/>")}}.Open("logo.svg")
}

// fakeDrafts keeps drafts by the rules of portal/drafts.
type fakeDrafts struct {
	mu     sync.Mutex
	house  *house
	drafts map[portal.DraftID]*portal.Draft
	owner  map[portal.DraftID]string
	order  []portal.DraftID
	asides map[portal.DraftID]portal.Draft
	files  map[portal.FileID][]byte
	begin  error
	attach error
}

func ownerName(v portal.Visitor) string { return cmp.Or(string(v.Key), v.Browser) }

func (f *fakeDrafts) find(v portal.Visitor, id portal.DraftID) (*portal.Draft, error) {
	d, ok := f.drafts[id]
	if !ok || f.owner[id] != ownerName(v) || ownerName(v) == "" {
		return nil, portal.ErrNotFound
	}
	return d, nil
}

func (f *fakeDrafts) change(v portal.Visitor, id portal.DraftID, revision int, aside form.Answers) (*portal.Draft, error) {
	d, err := f.find(v, id)
	switch {
	case err != nil:
		return nil, err
	case d.State != portal.Open:
		return nil, drafts.ErrLocked
	case d.Revision != revision:
		if aside != nil {
			late := *d
			late.Answers, late.Revision = aside, revision
			f.asides[id] = late
		}
		return nil, &drafts.Conflict{Base: revision, Now: d.Revision}
	}
	d.Revision++
	d.Changed = f.house.now
	return d, nil
}

func (f *fakeDrafts) Begin(_ context.Context, v portal.Visitor, t portal.TenantID, s portal.ServiceID) (portal.DraftID, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.begin != nil {
		return "", f.begin
	}
	def, ok := f.house.catalogue.Service(t, s)
	if !ok {
		return "", portal.ErrNotFound
	}
	id := portal.DraftID(portal.NewID())
	f.drafts[id] = &portal.Draft{DraftHead: portal.DraftHead{
		ID: id, Tenant: t, Service: s, Version: def.Hash, State: portal.Open, Revision: 1, Anonymous: !v.LoggedIn(),
		Created: f.house.now, Changed: f.house.now, Expires: f.house.now.Add(90 * 24 * time.Hour),
	}, Lang: v.Lang, Answers: def.Prefill(form.Answers{}, f.house.people.facts)}
	f.owner[id], f.order = ownerName(v), append(f.order, id)
	return id, nil
}

func (f *fakeDrafts) Open(_ context.Context, v portal.Visitor, id portal.DraftID) (portal.Draft, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.find(v, id)
	if err != nil {
		return portal.Draft{}, err
	}
	out := *d
	out.Answers = maps.Clone(d.Answers)
	return out, nil
}

func (f *fakeDrafts) List(_ context.Context, v portal.Visitor) ([]portal.DraftHead, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []portal.DraftHead
	for id, d := range f.drafts {
		if f.owner[id] == ownerName(v) {
			out = append(out, d.DraftHead)
		}
	}
	slices.SortFunc(out, func(a, b portal.DraftHead) int { return slices.Index(f.order, a.ID) - slices.Index(f.order, b.ID) })
	return out, nil
}

func (f *fakeDrafts) Save(_ context.Context, v portal.Visitor, id portal.DraftID, revision int, step string, a form.Answers, done bool) (portal.Draft, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.change(v, id, revision, a)
	if err != nil {
		return portal.Draft{}, err
	}
	d.Answers = a
	if done && !slices.Contains(d.Saved, step) {
		d.Saved = append(d.Saved, step)
	}
	return *d, nil
}

func (f *fakeDrafts) Aside(_ context.Context, v portal.Visitor, id portal.DraftID) (portal.Draft, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.find(v, id); err != nil {
		return portal.Draft{}, err
	}
	a, ok := f.asides[id]
	if !ok {
		return portal.Draft{}, portal.ErrNotFound
	}
	return a, nil
}

func (f *fakeDrafts) Settle(_ context.Context, v portal.Visitor, id portal.DraftID, revision int, aside bool) (portal.Draft, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.change(v, id, revision, nil)
	if err != nil {
		return portal.Draft{}, err
	}
	if aside {
		d.Answers = f.asides[id].Answers
	}
	delete(f.asides, id)
	return *d, nil
}

func (f *fakeDrafts) Remove(_ context.Context, v portal.Visitor, id portal.DraftID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.find(v, id)
	switch {
	case err != nil:
		return err
	case d.State != portal.Open:
		return drafts.ErrLocked
	}
	delete(f.drafts, id)
	return nil
}

func (f *fakeDrafts) Attach(_ context.Context, v portal.Visitor, id portal.DraftID, revision int, field, name string, content io.Reader) (portal.Draft, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.attach != nil {
		return portal.Draft{}, f.attach
	}
	b, err := io.ReadAll(content)
	if err != nil {
		return portal.Draft{}, err
	}
	if !bytes.HasPrefix(b, []byte("%PDF")) {
		return portal.Draft{}, &drafts.BadFile{Why: drafts.FileType, Max: "pdf, jpg, png"}
	}
	d, err := f.change(v, id, revision, nil)
	if err != nil {
		return portal.Draft{}, err
	}
	file := form.File{ID: portal.NewID(), Name: name, Type: "application/pdf", Size: int64(len(b))}
	f.files[portal.FileID(file.ID)] = b
	d.Answers = maps.Clone(d.Answers)
	a := d.Answers[field]
	a.Files = append(slices.Clone(a.Files), file)
	d.Answers[field] = a
	return *d, nil
}

func (f *fakeDrafts) Detach(_ context.Context, v portal.Visitor, id portal.DraftID, revision int, field string, file portal.FileID) (portal.Draft, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.change(v, id, revision, nil)
	if err != nil {
		return portal.Draft{}, err
	}
	d.Answers = maps.Clone(d.Answers)
	a := d.Answers[field]
	a.Files = slices.DeleteFunc(slices.Clone(a.Files), func(x form.File) bool { return x.ID == string(file) })
	d.Answers[field] = a
	return *d, nil
}

func (f *fakeDrafts) File(_ context.Context, v portal.Visitor, id portal.DraftID, file portal.FileID) (form.File, []byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.find(v, id)
	if err != nil {
		return form.File{}, nil, err
	}
	for _, a := range d.Answers {
		for _, x := range a.Files {
			if x.ID == string(file) {
				return x, f.files[file], nil
			}
		}
	}
	return form.File{}, nil, portal.ErrNotFound
}

// fakeDesk sends as the test says.
type fakeDesk struct {
	sent     sending.Sent
	err      error
	sends    int
	notice   string
	standing map[portal.DraftID]sending.Standing
	owner    map[portal.DraftID]portal.PersonKey // of a standing
	done     []string                            // what was asked while waiting
	asked    int                                 // how often it was asked how one stands
	faults   []form.Fault
	doErr    error
	news     []string
	newsErr  error
}

func (f *fakeDesk) Send(_ context.Context, _ portal.Visitor, _ portal.DraftID, _ int, notice string) (sending.Sent, error) {
	f.sends++
	f.notice = notice
	return f.sent, f.err
}

func (f *fakeDesk) Stand(_ context.Context, v portal.Visitor, id portal.DraftID) (sending.Standing, error) {
	f.asked++
	s, ok := f.standing[id]
	if !ok || f.owner[id] != v.Key {
		return sending.Standing{}, portal.ErrNotFound
	}
	return s, nil
}

func (f *fakeDesk) do(v portal.Visitor, id portal.DraftID, what string) error {
	if _, err := f.Stand(context.Background(), v, id); err != nil {
		return err
	}
	if f.doErr == nil {
		f.done = append(f.done, what)
	}
	return f.doErr
}

func (f *fakeDesk) Withdraw(_ context.Context, v portal.Visitor, id portal.DraftID) error {
	return f.do(v, id, "withdraw")
}

func (f *fakeDesk) Remind(_ context.Context, v portal.Visitor, id portal.DraftID) error {
	return f.do(v, id, "remind")
}

func (f *fakeDesk) Correct(_ context.Context, v portal.Visitor, id portal.DraftID, n int, c form.Contact) ([]form.Fault, error) {
	if f.faults != nil {
		return f.faults, nil
	}
	return nil, f.do(v, id, "correct "+string(rune('0'+n))+" "+c.Email+" "+c.Phone)
}

func (f *fakeDesk) News(_ context.Context, t portal.TenantID, order string) error {
	f.news = append(f.news, string(t)+" "+order)
	return f.newsErr
}

// fakeCases keeps cases for citizens.
type fakeCases struct {
	cases  map[portal.CaseID]portal.Case
	sees   map[portal.CaseID][]string // names of owners
	mine   cases.Mine
	pages  []store.Page // what Overview was asked for, sent and closed
	files  map[portal.FileID][]byte
	wrote  []string
	read   int // how often content was given
	refuse error
}

func (f *fakeCases) Overview(_ context.Context, v portal.Visitor, sent, closed store.Page) (cases.Mine, error) {
	f.pages = append(f.pages, sent, closed)
	return f.mine, nil
}

func (f *fakeCases) Head(_ context.Context, v portal.Visitor, id portal.CaseID) (portal.CaseHead, error) {
	if c, ok := f.cases[id]; ok && ownerName(v) != "" && slices.Contains(f.sees[id], ownerName(v)) {
		return c.CaseHead, nil
	}
	return portal.CaseHead{}, portal.ErrNotFound
}

func (f *fakeCases) Open(_ context.Context, v portal.Visitor, id portal.CaseID) (portal.Case, error) {
	c, ok := f.cases[id]
	if !ok || ownerName(v) == "" || !slices.Contains(f.sees[id], ownerName(v)) {
		return portal.Case{}, portal.ErrNotFound
	}
	f.read++
	return c, nil
}

func (f *fakeCases) File(ctx context.Context, v portal.Visitor, id portal.CaseID, file portal.FileID) (portal.CaseFile, []byte, error) {
	c, err := f.Open(ctx, v, id)
	if err != nil {
		return portal.CaseFile{}, nil, err
	}
	return f.fileOf(c, file)
}

func (f *fakeCases) fileOf(c portal.Case, file portal.FileID) (portal.CaseFile, []byte, error) {
	for _, x := range c.Files {
		if x.ID == string(file) {
			return x, f.files[file], nil
		}
	}
	return portal.CaseFile{}, nil, portal.ErrNotFound
}

func (f *fakeCases) Write(ctx context.Context, v portal.Visitor, id portal.CaseID, once, text string) error {
	if _, err := f.Open(ctx, v, id); err != nil {
		return err
	}
	if f.refuse != nil {
		return f.refuse
	}
	f.wrote = append(f.wrote, once+": "+text)
	return nil
}

// fakeOfficers lets officers see the cases of their groups.
type fakeOfficers struct {
	*fakeCases
	heads   []portal.CaseHead
	more    *store.Page
	filters []cases.Filter
	set     []string
	setErr  error
}

func (f *fakeOfficers) Inbox(_ context.Context, o portal.Officer, filter cases.Filter) ([]portal.CaseHead, *store.Page, error) {
	f.filters = append(f.filters, filter)
	return slices.DeleteFunc(slices.Clone(f.heads), func(h portal.CaseHead) bool { return !o.In(h.Group) }), f.more, nil
}

func (f *fakeOfficers) Read(_ context.Context, o portal.Officer, id portal.CaseID) (portal.Case, error) {
	c, ok := f.cases[id]
	if !ok || c.Tenant != o.Tenant || !o.In(c.Group) {
		return portal.Case{}, portal.ErrNotFound
	}
	return c, nil
}

func (f *fakeOfficers) ReadFile(ctx context.Context, o portal.Officer, id portal.CaseID, file portal.FileID) (portal.CaseFile, []byte, error) {
	c, err := f.Read(ctx, o, id)
	if err != nil {
		return portal.CaseFile{}, nil, err
	}
	return f.fileOf(c, file)
}

func (f *fakeOfficers) Reply(ctx context.Context, o portal.Officer, id portal.CaseID, once, text string) error {
	if _, err := f.Read(ctx, o, id); err != nil {
		return err
	}
	if f.refuse != nil {
		return f.refuse
	}
	f.wrote = append(f.wrote, o.Name+" "+once+": "+text)
	return nil
}

func (f *fakeOfficers) SetState(ctx context.Context, o portal.Officer, id portal.CaseID, was, to portal.CaseState) error {
	if _, err := f.Read(ctx, o, id); err != nil {
		return err
	}
	if f.setErr != nil {
		return f.setErr
	}
	f.set = append(f.set, string(was)+" to "+string(to))
	return nil
}

// fakePeople knows one family.
type fakePeople struct {
	facts    form.Facts
	factsErr error
	setErr   error
	profile  form.Contact
	faults   []form.Fault
}

func (f *fakePeople) Facts(context.Context, portal.Visitor, *form.Service) (form.Facts, error) {
	return f.facts, f.factsErr
}

func (f *fakePeople) Profile(context.Context, portal.Visitor) (form.Contact, error) {
	return f.profile, nil
}

func (f *fakePeople) SetProfile(_ context.Context, _ portal.Visitor, c form.Contact) ([]form.Fault, error) {
	if f.setErr != nil {
		return nil, f.setErr
	}
	if f.faults == nil {
		f.profile = c
	}
	return f.faults, nil
}

// fakeLogins knows people by the value of a cookie: "one", "two", or an
// officer's "officer", "other".
type fakeLogins struct {
	house   *house
	touched int
	aims    []login.Aim
	outcome login.Outcome
	ended   []string
	held    map[string][]byte
	refused string // of officers
	// heldBy is whose forms are held; empty: not asked.
	heldBy portal.PersonKey
	// holdsNothing says that nobody was logged in lately.
	holdsNothing bool
}

const sessionCookie, browserCookie = "test_session", "test_browser"

func (f *fakeLogins) Start(w http.ResponseWriter, _ *http.Request, t portal.Tenant, aim login.Aim, lang string) error {
	f.aims = append(f.aims, aim)
	page.SeeOther(w, "https://login.example.se/authorize?client="+t.Client()+"&lang="+lang)
	return nil
}

func (f *fakeLogins) Finish(http.ResponseWriter, *http.Request, portal.Tenant) (login.Outcome, error) {
	return f.outcome, nil
}

func (f *fakeLogins) Visitor(_ http.ResponseWriter, r *http.Request, t portal.Tenant, touch bool) (portal.Visitor, error) {
	v := portal.Visitor{Group: t.Group, Tenant: t.ID}
	if c, err := r.Cookie(browserCookie); err == nil {
		v.Browser = c.Value
	}
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return v, nil
	}
	if c.Value == "broken" {
		return v, errBroken
	}
	if p, ok := f.house.persons[c.Value]; ok {
		if touch {
			f.touched++
		}
		p.Group, p.Tenant = t.Group, t.ID
		return p, nil
	}
	return v, nil
}

func (f *fakeLogins) End(w http.ResponseWriter, _ *http.Request, _ portal.Tenant, after string) error {
	f.ended = append(f.ended, after)
	page.SeeOther(w, "https://login.example.se/logout")
	return nil
}

func (f *fakeLogins) Browser(w http.ResponseWriter, _ *http.Request, v portal.Visitor) portal.Visitor {
	if v.Browser == "" {
		v.Browser = "new"
		http.SetCookie(w, &http.Cookie{Name: browserCookie, Value: "new"})
	}
	return v
}

func (f *fakeLogins) Hold(_ http.ResponseWriter, _ *http.Request, _ portal.Tenant, body []byte) (string, error) {
	if f.holdsNothing {
		return "", login.ErrNotHeld
	}
	f.held["held"] = body
	return "held", nil
}

func (f *fakeLogins) Take(_ http.ResponseWriter, _ *http.Request, _ portal.Tenant, v portal.Visitor, held string) ([]byte, error) {
	b, ok := f.held[held]
	if !ok || f.heldBy != "" && v.Key != f.heldBy {
		return nil, portal.ErrNotFound
	}
	delete(f.held, held)
	return b, nil
}

func (f *fakeLogins) StartStaff(w http.ResponseWriter, _ *http.Request, _ portal.Tenant, path string) error {
	f.aims = append(f.aims, login.Aim{Path: path})
	page.SeeOther(w, "https://staff.example.se/authorize")
	return nil
}

func (f *fakeLogins) FinishStaff(http.ResponseWriter, *http.Request, portal.Tenant) (string, string, error) {
	return f.outcome.Aim.Path, f.refused, nil
}

func (f *fakeLogins) Officer(_ http.ResponseWriter, r *http.Request, t portal.Tenant) (portal.Officer, bool, error) {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return portal.Officer{}, false, nil
	}
	o, ok := f.house.officers[c.Value]
	return o, ok && o.Tenant == t.ID, nil
}

func (f *fakeLogins) EndStaff(w http.ResponseWriter, _ *http.Request, _ portal.Tenant, after string) error {
	f.ended = append(f.ended, after)
	page.SeeOther(w, "https://staff.example.se/logout")
	return nil
}

// house is a portal for tests.
type house struct {
	t         testing.TB
	now       time.Time
	catalogue *fakeCatalogue
	drafts    *fakeDrafts
	desk      *fakeDesk
	cases     *fakeCases
	desks     *fakeOfficers
	people    *fakePeople
	logins    *fakeLogins
	persons   map[string]portal.Visitor
	officers  map[string]portal.Officer
	web       *Web
	handler   http.Handler
	log       *bytes.Buffer
}

// Numbers of the published test series.
const numberOne, numberTwo, numberChild, numberChildTwo = "199205292387", "199208142399", "202303252395", "202106292382"

func number(t testing.TB, s string) personnummer.Number {
	t.Helper()
	n, err := personnummer.Parse(s, time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal("a number of the test is none")
	}
	return n
}

func text(sv, en string) form.Text { return form.Text{"sv": sv, "en": en} }

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, now: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC), log: &bytes.Buffer{}}
	one, two := number(t, numberOne), number(t, numberTwo)
	h.persons = map[string]portal.Visitor{
		"one": {Key: "key-one", Number: one, Name: "Testperson Ett", Given: "Testperson", Family: "Ett", Auth: h.now},
		"two": {Key: "key-two", Number: two, Name: "Testperson Två", Given: "Testperson", Family: "Två", Auth: h.now},
	}
	h.officers = map[string]portal.Officer{
		"officer": {Tenant: "exempelbo", Subject: "h1", Name: "Handläggare Ett", Groups: []string{"forskoleplacering"}},
		"other":   {Tenant: "exempelbo", Subject: "h2", Name: "Handläggare Två", Groups: []string{"bygglov"}},
		"abroad":  {Tenant: "annanstad", Subject: "h3", Name: "Handläggare Tre", Groups: []string{"forskoleplacering"}},
	}
	contact := portal.Contact{
		Name: text("Kundtjänst", "Customer service"), Phone: "0999-10 00 00", Email: "kundtjanst@example.se",
		Hours: text("Måndag–fredag 8–16", "Monday–Friday 8 am–4 pm"), Address: "Storgatan 1, 999 01 Exempelbo", URL: "https://exempelbo.example.se/",
	}
	board := portal.Authority{Name: text("Barn- och utbildningsnämnden", "The Children and Education Board"),
		Contact: portal.Contact{Name: text("Förskoleplacering", "Preschool placement"), Phone: "0999-10 01 20", Email: "forskola@example.se"}}
	tenant := func(id, name, en, base string) portal.Tenant {
		return portal.Tenant{
			ID: portal.TenantID(id), Name: text(name, en), BaseURL: base, Group: portal.GroupID(id), Providers: []string{"mbankid", "bankid"},
			Contact: contact, Invite: "both", Authorities: map[string]portal.Authority{"barn-och-utbildningsnamnden": board, "samhallsbyggnadsnamnden": board},
			Lists: map[string][]form.Option{"forskolor": {
				{Key: "bjorken", Label: text("Förskolan Björken", "Björken preschool")}, {Key: "eken", Label: text("Förskolan Eken", "Eken preschool")},
				{Key: "linden", Label: text("Förskolan Linden", "Linden preschool")},
			}},
			Groups:    map[string][]string{"forskoleplacering": {"exempelbo-forskola"}},
			Protected: text("Har du skyddad identitet? Använd inte e-tjänsterna. Ring kundtjänst.", "Do you have a protected identity? Do not use the e-services. Call customer service."),
			Privacy:   "https://exempelbo.example.se/personuppgifter", Send: text("Skicka in", "Send"),
			Welcome: text("E-tjänster dygnet runt.", "E-services around the clock."), Idle: 20 * time.Minute,
		}
	}
	themed := tenant("annanstad", "Annanstads kommun", "Annanstad municipality", "http://localhost:8081/annanstad")
	themed.Theme = portal.Theme{Accent: "#2f6b3a", Logo: "logo.svg"}
	h.catalogue = &fakeCatalogue{tenants: []portal.Tenant{
		tenant("exempelbo", "Exempelbo kommun", "Exempelbo municipality", "http://localhost:8081/exempelbo"), themed,
		tenant("egen", "Egen stad", "The City of Egen", "https://egen.example.se"),
	}, services: []*form.Service{preschool(t), fault(t), everything(t)}}
	h.drafts = &fakeDrafts{house: h, drafts: map[portal.DraftID]*portal.Draft{}, owner: map[portal.DraftID]string{},
		asides: map[portal.DraftID]portal.Draft{}, files: map[portal.FileID][]byte{}}
	h.desk = &fakeDesk{standing: map[portal.DraftID]sending.Standing{}, owner: map[portal.DraftID]portal.PersonKey{}}
	h.cases = &fakeCases{cases: map[portal.CaseID]portal.Case{}, sees: map[portal.CaseID][]string{}, files: map[portal.FileID][]byte{}}
	h.desks = &fakeOfficers{fakeCases: h.cases}
	guardians := []form.Guardian{{Number: numberOne, Name: "Testperson Ett"}, {Number: numberTwo, Name: "Testperson Två"}}
	h.people = &fakePeople{facts: form.Facts{
		Now: h.now, Applicant: form.Applicant{Number: one, Name: "Testperson Ett", Address: "Provvägen 3\n999 02 Exempelbo", FromRegister: true},
		Children: []form.Child{
			{Key: "k1", Number: numberChild, Name: "Testbarn Ett", Guardians: guardians},
			{Key: "k2", Number: numberChildTwo, Name: "Testbarn Två", Guardians: guardians[:1]},
		},
		Profile: form.Contact{Email: "ett@example.se", Phone: "0701740605", Notify: "email"},
		Lists:   h.catalogue.tenants[0].Lists,
	}}
	h.logins = &fakeLogins{house: h, held: map[string][]byte{}}
	room, err := drawnRoom()
	if err != nil {
		t.Fatal(err)
	}
	h.web, err = inRoom(h.config(), room)
	if err != nil {
		t.Fatal(err)
	}
	h.handler = h.web.Handler()
	return h
}

// config is the pages' own.
func (h *house) config() Config {
	return Config{
		Catalogue: h.catalogue, Drafts: h.drafts, Files: h.drafts, Desk: h.desk, Waiting: h.desk, Cases: h.cases, Officers: h.desks,
		People: h.people, Logins: h.logins, Holds: h.logins, Staff: h.logins, News: h.desk.News,
		Secret: func(portal.TenantID) ([]byte, error) { return []byte("0123456789abcdef0123456789abcdef"), nil },
		Issuer: "https://login.example.se", StaffIssuer: "https://staff.example.se", Cookies: page.Cookies{},
		Now: func() time.Time { return h.now }, Log: slog.New(page.LogHandler(slog.NewTextHandler(h.log, nil))),
	}
}

// drawnRoom reads templates and texts once for all houses: that is most of the
// work of making one.
var drawnRoom = sync.OnceValues(func() (*page.Room, error) {
	assets, err := design.New(nil)
	if err != nil {
		return nil, err
	}
	return newRoom(Config{Issuer: "https://login.example.se", Assets: assets, Log: slog.New(slog.DiscardHandler)})
})

// base is where the first tenant lies.
const base = "/exempelbo"

// request is one to the host of the first tenant, by who: a name in persons or
// officers, "browser" for somebody who is not logged in but known, or nobody.
func request(method, path, who string, posted url.Values) *http.Request {
	r := httptest.NewRequest(method, "http://localhost:8081"+path, strings.NewReader(posted.Encode()))
	r.Header.Set("Accept-Language", "sv")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	switch who {
	case "":
	case "browser":
		r.AddCookie(&http.Cookie{Name: browserCookie, Value: "browser"})
	default:
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: who})
	}
	return r
}

func (h *house) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w
}

func (h *house) get(who, path string) *httptest.ResponseRecorder {
	return h.do(request(http.MethodGet, path, who, nil))
}

func (h *house) post(who, path string, posted url.Values) *httptest.ResponseRecorder {
	return h.do(request(http.MethodPost, path, who, posted))
}

// draft puts a draft of a service there, of a person or a browser.
func (h *house) draft(who string, service *form.Service, answers form.Answers, saved ...string) portal.DraftID {
	h.t.Helper()
	v := h.persons[who]
	if who == "browser" {
		v.Browser = who
	}
	v.Lang = "sv"
	id, err := h.drafts.Begin(context.Background(), v, "exempelbo", portal.ServiceID(service.ID))
	if err != nil {
		h.t.Fatal(err)
	}
	maps.Copy(h.drafts.drafts[id].Answers, answers)
	h.drafts.drafts[id].Saved = saved
	return id
}
