package web

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/design"
	"sigill/broker/kit/page"
	"sigill/broker/oidc"
	brokerweb "sigill/broker/web"
	"sigill/providers"
	"sigill/providers/personnummer"
	"sigill/signing"
	"sigill/signing/orders"
)

// fakeService keeps orders in memory, by the rules of package signing.
type fakeService struct {
	mu       sync.Mutex
	now      func() time.Time
	orders   map[string]*kept
	tokens   map[string]string // to "{order}/{n}"
	codes    map[string]string
	tries    map[personnummer.Number]int
	outcomes map[broker.OrderID]string
	begun    []orders.Start
	signErr  error
	asked    int // how often anything was asked
}

type kept struct {
	signing.Order
	body signing.Body
	file []byte
	only []providers.ID // the e-IDs that a login must be by; nil: any
}

func (f *fakeService) find(client, id string, n int, g orders.Guest) (*kept, error) {
	f.asked++
	k, ok := f.orders[id]
	if !ok || k.Client != client {
		return nil, broker.ErrNotFound
	}
	if s, ok := k.Signatory(n); !ok || !s.Active() || s.Number != g.Number {
		return nil, broker.ErrNotFound
	}
	if k.only != nil && !slices.Contains(k.only, g.Provider) {
		return nil, orders.ErrLevel
	}
	return k, nil
}

func (f *fakeService) entry(client, at string, g orders.Guest) (string, int, error) {
	id, n, ok := strings.Cut(at, "/")
	if !ok {
		return "", 0, broker.ErrNotFound
	}
	if _, err := f.find(client, id, int(n[0]-'0'), g); err != nil {
		return "", 0, err
	}
	return id, int(n[0] - '0'), nil
}

func (f *fakeService) ByToken(_ context.Context, client, token string, g orders.Guest) (string, int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	return f.entry(client, f.tokens[token], g)
}

func (f *fakeService) ByCode(_ context.Context, client, code string, g orders.Guest) (string, int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.tries[g.Number] >= 5 {
		return "", 0, orders.ErrTooMany
	}
	id, n, err := f.entry(client, f.codes[code], g)
	if err != nil {
		f.tries[g.Number]++
	}
	return id, n, err
}

func (f *fakeService) Awaiting(_ context.Context, client string, g orders.Guest) ([]orders.Visit, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []orders.Visit
	for _, k := range f.orders {
		if s, ok := k.Person(g.Number); ok && k.Client == client && k.State == signing.Open {
			out = append(out, orders.Visit{Order: k.Order, N: s.N})
		}
	}
	slices.SortFunc(out, func(a, b orders.Visit) int { return strings.Compare(a.Order.ID, b.Order.ID) })
	return out, nil
}

func (f *fakeService) Visit(_ context.Context, client, id string, n int, g orders.Guest) (orders.Visit, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k, err := f.find(client, id, n, g)
	if err != nil {
		return orders.Visit{}, err
	}
	if k.Turn(n) {
		k.Look(n, f.now())
	}
	v := orders.Visit{Order: k.Order, N: n, Asker: "Exempelbo kommun, barn och utbildning"}
	v.Order.Signatories = slices.Clone(k.Signatories)
	if !k.State.Over() && k.Turn(n) {
		v.Body = k.body
	}
	return v, nil
}

func (f *fakeService) Glance(_ context.Context, client, id string, n int, g orders.Guest) (orders.Visit, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k, err := f.find(client, id, n, g)
	if err != nil {
		return orders.Visit{}, err
	}
	v := orders.Visit{Order: k.Order, N: n, Asker: "Exempelbo kommun, barn och utbildning"}
	v.Order.Signatories = slices.Clone(k.Signatories)
	return v, nil
}

func (f *fakeService) File(_ context.Context, client, id string, n int, g orders.Guest, i int) (signing.Document, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k, err := f.find(client, id, n, g)
	if err != nil {
		return signing.Document{}, err
	}
	if k.State.Over() || !k.Turn(n) || i < 0 || i >= len(k.body.Documents) {
		return signing.Document{}, broker.ErrNotFound
	}
	d := k.body.Documents[i]
	d.File = k.file
	return d, nil
}

func (f *fakeService) ReceiptFor(_ context.Context, client, id string, n int, g orders.Guest) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k, err := f.find(client, id, n, g)
	if err == nil && k.State != signing.Completed {
		err = broker.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return []byte("%PDF-1.7 sealed"), nil
}

func (f *fakeService) Sign(_ context.Context, client, id string, n int, g orders.Guest, s orders.Start) (broker.OrderID, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k, err := f.find(client, id, n, g)
	if err == nil {
		err = k.MaySign(n, f.now())
	}
	if err == nil && s.Again == "" && s.Digest != k.Digest {
		err = signing.ErrOutdated
	}
	if err == nil {
		err = f.signErr
	}
	if err != nil {
		return "", err
	}
	f.begun = append(f.begun, s)
	return "eidnew", nil
}

func (f *fakeService) Outcome(_ context.Context, client, id string, n int, g orders.Guest, eid broker.OrderID) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.find(client, id, n, g); err != nil {
		return "", err
	}
	o, ok := f.outcomes[eid]
	if !ok {
		return "", broker.ErrNotFound
	}
	return o, nil
}

func (f *fakeService) Decline(_ context.Context, client, id string, n int, g orders.Guest, reason string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	k, err := f.find(client, id, n, g)
	if err == nil {
		_, err = k.Decline(n, reason, f.now())
	}
	return err
}

// fakeFlow shows e-ID orders as the test says.
type fakeFlow struct {
	mu        sync.Mutex
	views     map[broker.OrderID]flow.View
	cancelled []broker.OrderID
}

func (f *fakeFlow) Watch(_ context.Context, id broker.OrderID, browser string) (flow.View, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := f.views[id]
	if !ok || browser != browserOne {
		return flow.View{}, broker.ErrNotFound
	}
	return v, nil
}

func (f *fakeFlow) Cancel(_ context.Context, id broker.OrderID, browser string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.views[id]; !ok || browser != browserOne {
		return broker.ErrNotFound
	}
	f.cancelled = append(f.cancelled, id)
	return nil
}

// fakeLogins has a session for each person; the cookie is the person's name.
type fakeLogins struct {
	sessions map[string]broker.Session
	wishes   []oidc.LocalWish
	ended    int
}

func (f *fakeLogins) Session(r *http.Request) (broker.Session, error) {
	c, err := r.Cookie(oidc.SessionCookie)
	if err != nil {
		return broker.Session{}, broker.ErrNotFound
	}
	s, ok := f.sessions[c.Value]
	if !ok {
		return broker.Session{}, broker.ErrNotFound
	}
	return s, nil
}

func (f *fakeLogins) Local(_ context.Context, w oidc.LocalWish) (string, error) {
	f.wishes = append(f.wishes, w)
	return "loginname", nil
}

func (f *fakeLogins) EndSession(w http.ResponseWriter, _ *http.Request) error {
	f.ended++
	page.Cookies{}.Clear(w, oidc.SessionCookie)
	return nil
}

type fakeAudit struct {
	mu     sync.Mutex
	events []audit.Event
}

func (f *fakeAudit) Record(_ context.Context, e ...audit.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, e...)
	return nil
}

// clients finds the clients of the tests.
type clients map[string]broker.Client

func (c clients) Client(_ context.Context, id string) (broker.Client, error) {
	if found, ok := c[id]; ok {
		return found, nil
	}
	return broker.Client{}, broker.ErrNotFound
}

// house is a Web among fakes.
type house struct {
	t       testing.TB
	web     *Web
	service *fakeService
	flow    *fakeFlow
	logins  *fakeLogins
	audit   *fakeAudit
	clients clients
	log     *bytes.Buffer
	now     time.Time
	mux     http.Handler
}

const (
	browserOne = "browser-one-0123456789abcdefghijklmnopqrstu"
	browserTwo = "browser-two-0123456789abcdefghijklmnopqrstu"
)

// The persons of the tests, by the name of their session.
var numbers = map[string]string{"ett": "198101199282", "tva": "198107039276", "tre": "198405299291", "annan": "199002232388"}

func number(t testing.TB, who string) personnummer.Number {
	t.Helper()
	n, err := personnummer.Parse(numbers[who], time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{
		t: t, now: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), log: &bytes.Buffer{},
		flow: &fakeFlow{views: map[broker.OrderID]flow.View{}}, audit: &fakeAudit{},
		logins: &fakeLogins{sessions: map[string]broker.Session{}},
		clients: clients{
			"demo":  {ID: "demo", Scopes: []string{oidc.ScopeSigning}, Name: "Exempelbo kommun", NameEN: "Exempelbo Municipality", Home: "https://www.example.se/"},
			"green": {ID: "green", Scopes: []string{oidc.ScopeSigning}, Name: "Region Skogslandet", Theme: broker.Theme{Accent: "#2f6b2f"}},
		},
	}
	now := func() time.Time { return h.now }
	h.service = &fakeService{
		now: now, orders: map[string]*kept{}, tokens: map[string]string{}, codes: map[string]string{},
		tries: map[personnummer.Number]int{}, outcomes: map[broker.OrderID]string{},
	}
	for who := range numbers {
		name := map[string]string{"ett": "Testperson Ett", "tva": "Testperson Två", "tre": "Testperson Tre", "annan": "Testperson Fyra"}[who]
		h.logins.sessions[who] = broker.Session{
			SID: who, Group: "client:demo", AuthTime: h.now.Add(-10 * time.Minute), Expires: h.now.Add(50 * time.Minute),
			Identity: providers.Identity{Number: number(t, who), Name: name, Provider: providers.MBankID, Level: providers.LevelUncertified3},
		}
	}
	assets, err := design.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(page.LogHandler(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	pages, err := brokerweb.NewPages(brokerweb.PagesConfig{Issuer: "http://localhost:8080", Assets: assets, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	h.web, err = New(Config{
		Pages: pages, Service: h.service, Flow: h.flow, Logins: h.logins, Clients: h.clients, Audit: h.audit, Now: now,
		Offers: func(broker.Client) []providers.Info {
			both := []providers.Mode{providers.ModeThis, providers.ModeOther}
			return []providers.Info{
				{ID: providers.BankID, Instance: "main", Name: "BankID", Modes: both, TextLimit: 30000},
				{ID: providers.Telia, Instance: "main", Name: "Telia", Modes: both}, // logs in, cannot sign
				{ID: providers.MBankID, Instance: "main", Name: "Mobilt BankID", Modes: both, TextLimit: 30000},
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	h.web.Routes(mux)
	mux.Handle("/static/", assets)
	h.mux = http.NewCrossOriginProtection().Handler(mux)
	return h
}

// order opens an order of Ett and Två, and whoever else is named.
func (h *house) order(id string, change ...func(*signing.Wish)) *kept {
	h.t.Helper()
	png := []byte("\x89PNG\r\n\x1a\n…")
	w := signing.Wish{
		Title: "Ansökan om plats i förskola", Message: "Hej!\nLäs igenom och skriv under.", Reference: "2026-1234",
		Documents: []signing.Document{
			{Name: "Ansökan", Kind: signing.KindContent, Content: signing.Content{
				{Heading: "Barnet"}, {Rows: []signing.Row{{Label: "Namn", Value: "Testbarn Ett"}, {Label: "Önskad start", Value: "1 mars 2027"}, {Label: "Allergier", Value: ""}}},
				{Heading: "Vårdnadshavare"}, {Text: "Båda vårdnadshavarna skriver under."}, {Rows: []signing.Row{{Label: "Adress", Value: "Exempelgatan 1\n123 45 Exempelbo"}}},
			}},
			{Name: "Villkor", Kind: signing.KindText, Text: "Avgiften betalas i förskott.\n\nPlatsen sägs upp två månader i förväg."},
			{Name: "Intyg från arbetsgivare", Kind: signing.KindFile, Type: "image/png", File: png},
		},
		Signatories: []signing.WishedSignatory{
			{Number: numbers["ett"], Name: "Testperson Ett", Invite: signing.InviteNone},
			{Number: numbers["tva"], Name: "Testperson Två", Email: "tva@example.se", Invite: signing.InviteEmail},
		},
		Deadline: time.Date(2026, 12, 4, 22, 59, 0, 0, time.UTC), ReturnURL: "https://www.example.se/tillbaka",
	}
	for _, c := range change {
		c(&w)
	}
	o, b, err := signing.New(w, signing.Origin{
		ID: id, Client: "demo", Issuer: "http://localhost:8080", NumberKey: make([]byte, 32), URL: func(string) string { return "" },
	}, signing.Limits{}.WithDefaults(), h.now)
	if err != nil {
		h.t.Fatal(err)
	}
	o.Begin(h.now)
	for i := range b.Documents {
		b.Documents[i].File = nil
	}
	k := &kept{Order: o, body: b, file: png}
	h.service.orders[id] = k
	return k
}

// signs lets a signatory sign.
func (h *house) signs(k *kept, n int) {
	h.t.Helper()
	if _, err := k.Sign(n, signing.Signature{Digest: k.Digest, At: h.now.Add(time.Duration(n) * time.Minute), Name: k.Signatories[n-1].Name}, h.now); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) completes(k *kept) {
	h.t.Helper()
	if _, err := k.Complete(h.now); err != nil {
		h.t.Fatal(err)
	}
}

const (
	onPhone    = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
	onComputer = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)

// ask sends a request as the browser of a person does; nobody is logged in when
// who is empty.
func (h *house) ask(who, method, path string, form url.Values, change ...func(*http.Request)) *httptest.ResponseRecorder {
	h.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	r.Header.Set("User-Agent", onComputer)
	r.Header.Set("Accept-Language", "sv")
	r.AddCookie(&http.Cookie{Name: page.BrowserCookie, Value: browserOne})
	if who != "" {
		r.AddCookie(&http.Cookie{Name: oidc.SessionCookie, Value: who})
	}
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	h.mux.ServeHTTP(w, r)
	return w
}

func (h *house) get(who, path string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	h.t.Helper()
	return h.ask(who, http.MethodGet, path, nil, change...)
}

func (h *house) post(who, path string, form url.Values, change ...func(*http.Request)) *httptest.ResponseRecorder {
	h.t.Helper()
	return h.ask(who, http.MethodPost, path, form, change...)
}

func location(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	if w.Code != http.StatusSeeOther {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Header().Get("Location")
}

func waitingFor(m providers.Mode) providers.Wait {
	if m == providers.ModeOther {
		return providers.Wait{
			Hint: "outstandingTransaction", QR: "bankid.67df3917-fa0d-44e5-b327-edcc928297f8.0.dc69358e712458a66a7525beef148ae8526b1c71610eff2c16cdffb4cdac9bf8",
			Text: providers.Text{SV: "Öppna BankID-appen på den enhet du vill använda.", EN: "Open the BankID app on the device you want to use."},
		}
	}
	return providers.Wait{Hint: "outstandingTransaction", Link: "bankid:///?autostarttoken=x", Text: providers.Text{SV: "Startar BankID …", EN: "Starting BankID …"}}
}

// eid puts an e-ID order there for a place such as "order1/1".
func (h *house) eid(id broker.OrderID, ref string, v flow.View) {
	v.Order.ID, v.Order.Owner, v.Order.Ref, v.Order.Client = id, orders.Owner, ref, "demo"
	if v.Order.Provider == "" {
		v.Order.Provider, v.Order.Mode = providers.MBankID, providers.ModeOther
	}
	v.Order.Locked, v.Order.Kind = true, providers.KindSign
	h.flow.views[id] = v
}

var errBroken = errors.New("the disk is full")
