package web

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
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
	"sigill/providers"
)

// fakeFlow keeps orders in memory and obeys the test.
type fakeFlow struct {
	mu        sync.Mutex
	views     map[broker.OrderID]flow.View
	owners    map[broker.OrderID]string
	begun     []flow.Begin
	cancelled []broker.OrderID
	restarted int
	beginErr  error
	beginSlow func() // called within Begin, before the order is there
	arrivals  map[string]flow.Arrival
	panicking bool
	handles   map[string]string // addresses by instance, place and handle
	back      []flow.Callback
	away      providers.Step // of sites
	now       func() time.Time
	backErr   error
}

func (f *fakeFlow) put(id broker.OrderID, browser, login string, v flow.View) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v.Order.ID, v.Order.Owner, v.Order.Ref = id, owner, login
	f.views[id], f.owners[id] = v, browser
}

func (f *fakeFlow) Begin(ctx context.Context, b flow.Begin) error {
	if f.beginSlow != nil {
		f.beginSlow()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	f.begun = append(f.begun, b)
	err := f.beginErr
	f.mu.Unlock()
	if err != nil {
		return err
	}
	v := flow.View{State: flow.StatePending, Info: infoOf(b.Provider), Order: broker.Order{Provider: b.Provider, Mode: b.Request.Mode, Client: b.Client, Created: f.now()}}
	v.Wait = waiting(b.Request.Mode)
	if v.Info.Site {
		v.Away, v.Wait = f.away, providers.Wait{Hint: "away", PickedUp: true, Text: providers.Text{SV: "Fortsätt där.", EN: "Continue there."}}
	}
	f.put(b.ID, b.Browser, b.Ref, v)
	return nil
}

func waiting(m providers.Mode) providers.Wait {
	if m == providers.ModeOther {
		return providers.Wait{
			Hint: "outstandingTransaction", QR: "bankid.67df3917-fa0d-44e5-b327-edcc928297f8.0.dc69358e712458a66a7525beef148ae8526b1c71610eff2c16cdffb4cdac9bf8",
			Text: providers.Text{SV: "Öppna BankID-appen på den enhet du vill använda.", EN: "Open the BankID app on the device you want to use."},
		}
	}
	return providers.Wait{
		Hint: "outstandingTransaction", Link: "bankid:///?autostarttoken=0b8a3c2e-7d4f-4f6a-9e63-1a2b3c4d5e6f",
		Text: providers.Text{SV: "Startar BankID …", EN: "Starting BankID …"},
	}
}

func (f *fakeFlow) Watch(_ context.Context, id broker.OrderID, browser string) (flow.View, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.panicking {
		panic("a secret detail")
	}
	v, ok := f.views[id]
	if !ok || f.owners[id] != browser {
		return flow.View{}, broker.ErrNotFound
	}
	return v, nil
}

func (f *fakeFlow) Return(_ context.Context, id broker.OrderID, nonce, browser string) (flow.Arrival, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, ok := f.arrivals[string(id)+" "+nonce]
	if !ok {
		return flow.Arrival{Outcome: flow.Spent}, nil
	}
	if a.Outcome == flow.Welcome && f.owners[id] != browser {
		return flow.Arrival{Outcome: flow.WrongBrowser}, nil
	}
	return a, nil
}

func (f *fakeFlow) Cancel(_ context.Context, id broker.OrderID, browser string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := f.views[id]
	if !ok || f.owners[id] != browser {
		return broker.ErrNotFound
	}
	f.cancelled = append(f.cancelled, id)
	if v.State == flow.StatePending {
		v.State = flow.StateFailed
		v.Failed = providers.Failed{Reason: providers.Cancelled, Text: providers.Text{SV: "Du avbröt.", EN: "You cancelled."}}
		f.views[id] = v
	}
	return nil
}

func (f *fakeFlow) Restart(_ context.Context, id broker.OrderID, browser string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := f.views[id]
	if !ok || f.owners[id] != browser {
		return broker.ErrNotFound
	}
	if !v.Restartable {
		return broker.ErrConflict
	}
	f.restarted++
	v.State, v.Restartable = flow.StatePending, false
	v.Wait = waiting(v.Order.Mode)
	f.views[id] = v
	return nil
}

func (f *fakeFlow) Result(_ context.Context, id broker.OrderID, browser string) (broker.Order, providers.Done, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := f.views[id]
	if !ok || f.owners[id] != browser || v.State != flow.StateComplete {
		if ok && f.owners[id] == browser && v.Failed.Hint == flow.ContinuedElsewhere {
			return v.Order, providers.Done{}, broker.ErrConflict
		}
		return broker.Order{}, providers.Done{}, broker.ErrNotFound
	}
	return v.Order, providers.Done{}, nil
}

func (f *fakeFlow) Callback(_ context.Context, c flow.Callback) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.back = append(f.back, c)
	if f.backErr != nil {
		return "", f.backErr
	}
	address, ok := f.handles[c.Instance+" "+c.At+" "+c.Handle]
	if !ok {
		return "", broker.ErrNotFound
	}
	return address, nil
}

func (f *fakeFlow) orders() []flow.Begin {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]flow.Begin(nil), f.begun...)
}

// fakeLogins keeps logins in memory, with versions as the real store has.
type fakeLogins struct {
	mu       sync.Mutex
	logins   map[string]broker.Login
	versions map[string]int64
	browsers map[string]string
	clients  map[string]broker.Client
	finish   func(l broker.Login) error
	refused  []string
	finished int
	pages    *Pages
}

func (f *fakeLogins) put(l broker.Login, browser string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logins[l.ID], f.browsers[l.ID] = l, browser
	f.versions[l.ID]++
}

func (f *fakeLogins) get(id string) broker.Login {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.logins[id]
}

func (f *fakeLogins) Pending(_ context.Context, login, browser string) (broker.Login, broker.Client, int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, ok := f.logins[login]
	if !ok || f.browsers[login] != browser {
		return broker.Login{}, broker.Client{}, 0, broker.ErrNotFound
	}
	return l, f.clients[l.Client], f.versions[login], nil
}

func (f *fakeLogins) Reserve(_ context.Context, l broker.Login, version int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.versions[l.ID] != version {
		return broker.ErrConflict
	}
	f.logins[l.ID] = l
	f.versions[l.ID]++
	return nil
}

func (f *fakeLogins) take(id string) (broker.Login, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, ok := f.logins[id]
	if !ok {
		return l, broker.ErrConflict
	}
	delete(f.logins, id)
	return l, nil
}

func (f *fakeLogins) Finish(_ context.Context, l broker.Login, _ broker.Order, _ providers.Done) (oidc.Answer, error) {
	if f.finish != nil {
		if err := f.finish(l); err != nil {
			return oidc.Answer{}, err
		}
	}
	if _, err := f.take(l.ID); err != nil {
		return oidc.Answer{}, err
	}
	f.finished++
	return oidc.Answer{URL: l.Request.RedirectURI + "?code=c"}, nil
}

func (f *fakeLogins) Refuse(_ context.Context, l broker.Login, code, _ string) (oidc.Answer, error) {
	if _, err := f.take(l.ID); err != nil {
		return oidc.Answer{}, err
	}
	f.refused = append(f.refused, code)
	return oidc.Answer{URL: l.Request.RedirectURI + "?error=" + code}, nil
}

func (f *fakeLogins) Send(w http.ResponseWriter, r *http.Request, a oidc.Answer) {
	page.SeeOther(w, a.URL)
}

func (f *fakeLogins) Client(_ context.Context, id string) (broker.Client, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.clients[id]
	if !ok {
		return c, broker.ErrNotFound
	}
	return c, nil
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

// sso is where an issuer's own site is.
const sso = "https://sso.example.net/saml"

// exampleID is an e-ID that only configuration knows.
const exampleID providers.ID = "exempel-id"

// offers are all e-IDs that are configured.
func offers() []providers.Info {
	both, this := []providers.Mode{providers.ModeThis, providers.ModeOther}, []providers.Mode{providers.ModeThis}
	helped := func(issuer, id string) providers.Help {
		at := "https://www.example.com/" + id
		return providers.Help{Issuer: issuer, URL: at + "/help", Test: at + "/test", Get: at + "/get"}
	}
	return []providers.Info{
		{ID: providers.BankID, Instance: "main", Name: "BankID", Modes: both, AuthText: 1125, Help: helped("BankID", "bankid")},
		{ID: providers.MBankID, Instance: "main", Name: "Mobilt BankID", Modes: both, AuthText: 1125, Help: helped("BankID", "bankid")},
		{ID: providers.Freja, Instance: "freja", Name: "Freja eID+", Modes: both, Help: helped("Freja", "freja")},
		{ID: providers.Telia, Instance: "telia", Name: "Telia e-legitimation", Title: providers.Text{SV: "Telia e-legitimation", EN: "Telia e-ID"},
			Modes: this, Site: true, Help: helped("Telia", "telia")},
		{ID: exampleID, Instance: "exempel", Name: "Exempel-id", Title: providers.Text{SV: "Exempel-id", EN: "Example ID"}, Modes: this, Site: true},
	}
}

// infoOf finds one of them.
func infoOf(id providers.ID) providers.Info {
	for _, i := range offers() {
		if i.ID == id {
			return i
		}
	}
	return providers.Info{}
}

// house is a Web among fakes, with one login.
type house struct {
	t      testing.TB
	web    *Web
	flow   *fakeFlow
	logins *fakeLogins
	audit  *fakeAudit
	log    *bytes.Buffer
	now    time.Time
	mux    http.Handler
}

const (
	browserOne = "browser-one-0123456789abcdefghijklmnopqrstu"
	browserTwo = "browser-two-0123456789abcdefghijklmnopqrstu"
	loginOne   = "loginone-0123456789abcdefghijklmnopqrstuvwx"
)

func newHouse(t testing.TB, change ...func(*Config)) *house {
	t.Helper()
	h := &house{
		t: t, now: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), log: &bytes.Buffer{},
		flow:   &fakeFlow{views: map[broker.OrderID]flow.View{}, owners: map[broker.OrderID]string{}, arrivals: map[string]flow.Arrival{}, handles: map[string]string{}},
		logins: &fakeLogins{logins: map[string]broker.Login{}, versions: map[string]int64{}, browsers: map[string]string{}, clients: map[string]broker.Client{}},
		audit:  &fakeAudit{},
	}
	assets, err := design.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(page.LogHandler(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	pages, err := NewPages(PagesConfig{Issuer: "http://localhost:8080", Assets: assets, Log: log, Now: func() time.Time { return h.now }})
	if err != nil {
		t.Fatal(err)
	}
	h.logins.pages = pages
	h.flow.now = func() time.Time { return h.now }
	h.flow.away = providers.Redirect{URL: sso + "?SAMLRequest=x&RelayState=o.secret"}
	config := Config{
		Pages: pages, Logins: h.logins, Flow: h.flow, Clients: h.logins, Audit: h.audit, Now: func() time.Time { return h.now },
		Offers: func(broker.Client) []providers.Info {
			return offers()
		},
	}
	for _, c := range change {
		c(&config)
	}
	if h.web, err = New(config); err != nil {
		t.Fatal(err)
	}
	h.logins.clients["demo"] = broker.Client{ID: "demo", Name: "Exempelbo kommun", NameEN: "Exempelbo Municipality", Home: "https://www.example.se/", Theme: broker.Theme{}}
	h.logins.clients["green"] = broker.Client{ID: "green", Name: "Region Skogslandets självserviceportal", Home: "https://www.example.com/", Theme: broker.Theme{Accent: "#2f6b2f"}}
	h.login(loginOne)
	mux := http.NewServeMux()
	h.web.Routes(mux)
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(h.web.Denied())
	root := http.NewServeMux()
	h.web.Outside(root)
	root.Handle("/", guard.Handler(mux))
	h.mux = root
	return h
}

func (h *house) login(id string, change ...func(*broker.Login)) broker.Login {
	l := broker.Login{
		ID: id, Client: "demo", Offered: []providers.ID{providers.BankID, providers.MBankID},
		Request: broker.AuthorizationWish{RedirectURI: "https://app.example.se/callback"}, Created: h.now, Expires: h.now.Add(15 * time.Minute),
	}
	for _, c := range change {
		c(&l)
	}
	h.logins.put(l, browserOne)
	return l
}

// order gives a login an order in the state given.
func (h *house) order(login string, id broker.OrderID, p providers.ID, m providers.Mode, v flow.View) {
	h.logins.mu.Lock()
	l := h.logins.logins[login]
	l.Order, l.Provider, l.Mode, l.OrderAt = id, p, m, h.now
	h.logins.logins[login] = l
	h.logins.mu.Unlock()
	v.Order.Provider, v.Order.Mode, v.Info = p, m, infoOf(p)
	h.flow.put(id, browserOne, login, v)
}

const (
	onPhone    = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
	onComputer = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)

// ask sends a request as a browser does.
func (h *house) ask(method, path string, form url.Values, change ...func(*http.Request)) *httptest.ResponseRecorder {
	h.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	r.Header.Set("User-Agent", onComputer)
	r.AddCookie(&http.Cookie{Name: page.BrowserCookie, Value: browserOne})
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	h.mux.ServeHTTP(w, r)
	return w
}

func (h *house) get(path string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	h.t.Helper()
	return h.ask(http.MethodGet, path, nil, change...)
}

func (h *house) post(path string, form url.Values, change ...func(*http.Request)) *httptest.ResponseRecorder {
	h.t.Helper()
	return h.ask(http.MethodPost, path, form, change...)
}

func as(browser string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Del("Cookie")
		if browser != "" {
			r.AddCookie(&http.Cookie{Name: page.BrowserCookie, Value: browser})
		}
	}
}

func cookie(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: name, Value: value}) }
}

func agent(ua string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("User-Agent", ua) }
}
