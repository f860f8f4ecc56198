package oidc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/design"
	"sigill/broker/kit/page"
	"sigill/broker/kit/sqldb"
	"sigill/broker/oidc"
	"sigill/broker/store"
	"sigill/broker/web"
	"sigill/providers"
	"sigill/providers/personnummer"
)

// willing is an e-ID whose person logs in at once.
type willing struct{}

func (willing) Info() providers.Info {
	return providers.Info{ID: providers.MBankID, Instance: "main", Name: "Mobilt BankID", Level: providers.LevelUncertified3,
		Modes: []providers.Mode{providers.ModeOther}, AuthText: 1500}
}

func (willing) Start(context.Context, providers.Request) (providers.State, providers.Step, error) {
	return providers.State("asked"), providers.Wait{Next: time.Millisecond}, nil
}

func (willing) Continue(_ context.Context, s providers.State, _ providers.Event) (providers.State, providers.Step, error) {
	if string(s) == "asked" {
		return providers.State("answered"), providers.Wait{PickedUp: true}, nil
	}
	n, err := personnummer.FromDigits("199002232388")
	return s, providers.Done{
		Identity: providers.Identity{Number: n, Name: "Testperson Ett", Provider: providers.MBankID, Level: providers.LevelUncertified3, At: time.Now()},
		Evidence: providers.Evidence{MediaType: "x/test", Bytes: []byte("proof")},
	}, err
}

func (willing) Cancel(context.Context, providers.State) error { return nil }

type openBox struct{}

func (openBox) Seal(plain, _ []byte) []byte           { return plain }
func (openBox) Open(sealed, _ []byte) ([]byte, error) { return sealed, nil }

type noKeys struct{}

func (noKeys) Signer(string) (oidc.SigningKey, error) { return oidc.SigningKey{}, io.EOF }
func (noKeys) Published() []oidc.PublicKey            { return nil }
func (noKeys) Find(string) (oidc.PublicKey, bool)     { return oidc.PublicKey{}, false }

// visit is a browser before an installation whose signing room needs to know who
// it is.
type visit struct {
	t    *testing.T
	base string
	http *http.Client
}

func newVisit(t *testing.T) *visit {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	rows, err := store.Open(t.Context(), store.Config{Place: sqldb.Place{Dir: dir}})
	check(err)
	t.Cleanup(func() { rows.Close() })
	short, err := store.OpenShort(t.Context(), store.Config{Place: sqldb.Place{Dir: dir}})
	check(err)
	t.Cleanup(func() { short.Close() })
	check(rows.AddClient(t.Context(), broker.Client{ID: "bygglov", Name: "Bygglov på nätet", Profile: broker.ProfileSweden, Scopes: []string{oidc.ScopeSigning}}))
	log := slog.New(slog.DiscardHandler)
	offers := func(broker.Client) []providers.Info { return []providers.Info{willing{}.Info()} }

	engine, err := flow.New(flow.Config{
		Orders: rows, Leases: rows, Box: openBox{}, Short: short, Node: "one", Log: log,
		Provider:     func(providers.ID, string) (providers.Provider, bool) { return willing{}, true },
		ReturnURL:    func(broker.OrderID, string) string { return "" },
		PersonDigest: func(personnummer.Number) string { return "digest" },
	})
	check(err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- engine.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-ended
	})

	assets, err := design.New(nil)
	check(err)
	pages, err := web.NewPages(web.PagesConfig{Issuer: server.URL, Assets: assets, Log: log})
	check(err)
	op, err := oidc.New(oidc.Config{
		Issuer: server.URL, Short: short, Records: rows, Clients: rows, Keys: noKeys{}, Pages: pages, Box: openBox{}, Offers: offers,
		PersonIndex: func(d []byte) []byte { return d }, PersonDigest: func([]byte) string { return "digest" }, Log: log,
	})
	check(err)
	site, err := web.New(web.Config{Pages: pages, Logins: op, Flow: engine, Clients: rows, Audit: rows, Offers: offers})
	check(err)
	op.Routes(mux)
	site.Routes(mux)

	cookies := page.Cookies{}
	mux.HandleFunc("GET /signing/bygglov/x", func(w http.ResponseWriter, r *http.Request) {
		if s, err := op.Session(r); err == nil {
			fmt.Fprintf(w, "%s in %s", s.Identity.Name, s.Group)
			return
		}
		browser := cookies.Browser(r)
		if browser == "" {
			browser = broker.NewSecret()
			cookies.Set(w, page.BrowserCookie, browser, page.BrowserLife)
		}
		login, err := op.Local(r.Context(), oidc.LocalWish{Client: "bygglov", Browser: browser, Then: r.URL.Path, Lang: "sv"})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Location", "/login/"+login)
		w.WriteHeader(http.StatusSeeOther)
	})
	mux.HandleFunc("POST /signing/bygglov/x", func(w http.ResponseWriter, r *http.Request) {
		if err := op.EndSession(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Location", r.URL.Path)
		w.WriteHeader(http.StatusSeeOther)
	})
	jar, err := cookiejar.New(nil)
	check(err)
	return &visit{t, server.URL, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (v *visit) ask(method, path string, form url.Values) (status int, location, body string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := v.http.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Location"), string(b)
}

// login is the chooser's page that the room sends to.
func (v *visit) login() string {
	v.t.Helper()
	status, login, body := v.ask("GET", "/signing/bygglov/x", nil)
	if status != http.StatusSeeOther || !strings.HasPrefix(login, "/login/") {
		v.t.Fatalf("%d %s %s", status, login, body)
	}
	status, _, body = v.ask("GET", login, nil)
	if status != http.StatusOK || !strings.Contains(body, "Bygglov på nätet") || !strings.Contains(body, "mbankid") {
		v.t.Fatalf("%d %s", status, body)
	}
	return login
}

// A login for a page of ours goes over the same pages as any other.
func TestLocalLoginOverThePages(t *testing.T) {
	v := newVisit(t)
	for range 2 {
		status, waiting, body := v.ask("POST", v.login(), url.Values{"provider": {"mbankid"}, "device": {"other"}})
		if status != http.StatusSeeOther {
			t.Fatalf("%d %s", status, body)
		}
		var now struct{ State, Redirect string }
		for start := time.Now(); now.State != "complete"; time.Sleep(10 * time.Millisecond) {
			_, _, body := v.ask("GET", waiting+"/status", nil)
			if err := json.Unmarshal([]byte(body), &now); err != nil || now.State == "failed" || time.Since(start) > 10*time.Second {
				t.Fatalf("%s, %v", body, err)
			}
		}
		status, back, body := v.ask("GET", now.Redirect, nil)
		if status != http.StatusSeeOther || back != "/signing/bygglov/x" {
			t.Fatalf("%d %s %s", status, back, body)
		}
		if _, _, body := v.ask("GET", back, nil); body != "Testperson Ett in client:bygglov" {
			t.Fatal(body)
		}
		// Another tab that comes later is told, and ends nothing.
		if status, location, _ := v.ask("GET", now.Redirect, nil); status == http.StatusSeeOther {
			t.Errorf("finished twice: %s", location)
		}
		if _, _, body := v.ask("GET", back, nil); body != "Testperson Ett in client:bygglov" {
			t.Fatal(body)
		}
		// "Log in as yourself": somebody else's turn.
		if status, location, _ := v.ask("POST", back, nil); status != http.StatusSeeOther || location != back {
			t.Fatalf("%d %s", status, location)
		}
	}
}

func TestLocalLoginGivenUpOnThePages(t *testing.T) {
	v := newVisit(t)
	login := v.login()
	status, location, body := v.ask("POST", login+"/back", nil)
	if status != http.StatusSeeOther || location != "/signing/bygglov/x" {
		t.Fatalf("%d %s %s", status, location, body)
	}
	if status, _, _ := v.ask("GET", login, nil); status != http.StatusNotFound {
		t.Errorf("the login goes on: %d", status)
	}
	if again := v.login(); again == login {
		t.Error("the same login")
	}
}
