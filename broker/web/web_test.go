package web

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/page"
	"sigill/broker/kit/page/htmlcheck"
	"sigill/broker/oidc"
	"sigill/providers"
)

func TestEveryPageInBothLanguages(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range samples(t) {
		if seen[s.name] {
			t.Fatalf("two samples are called %s", s.name)
		}
		seen[s.name] = true
		for _, lang := range []string{"sv", "en"} {
			t.Run(s.name+"/"+lang, func(t *testing.T) {
				w := httptest.NewRecorder()
				s.serve(w, httptest.NewRequest("GET", "/gallery/"+s.name+"?lang="+lang, nil))
				if w.Code != s.status {
					t.Errorf("status %d, want %d", w.Code, s.status)
				}
				body := w.Body.String()
				for _, f := range htmlcheck.Faults(strings.NewReader(body)) {
					t.Error(f)
				}
				if !strings.Contains(body, `<html lang="`+lang+`">`) || w.Header().Get("Content-Language") != lang {
					t.Error("not in the language asked for")
				}
				csp := w.Header().Get("Content-Security-Policy")
				for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "base-uri 'none'"} {
					if !strings.Contains(csp, want) {
						t.Errorf("policy lacks %s: %s", want, csp)
					}
				}
				for name, want := range map[string]string{
					"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
					"Cross-Origin-Opener-Policy": "same-origin", "Content-Type": "text/html; charset=utf-8",
				} {
					if got := w.Header().Get(name); got != want {
						t.Errorf("%s: %q", name, got)
					}
				}
				if strings.Contains(body, "the disk is full") || strings.Contains(body, "goroutine") {
					t.Error("the page tells what is for the log")
				}
			})
		}
	}
}

// A page about a signature speaks of no login, and where it failed, it says that
// nothing is signed.
func TestSignaturesAreNoLogins(t *testing.T) {
	seen := 0
	for _, s := range samples(t) {
		if !strings.HasPrefix(s.name, "sign-") {
			continue
		}
		for lang, words := range map[string][]string{"sv": {"inlogg", "logga in", "loggar in", "legitimera"}, "en": {"log in", "login", "logged", "logging", "identify yourself"}} {
			w := httptest.NewRecorder()
			s.serve(w, httptest.NewRequest("GET", "/gallery/"+s.name+"?lang="+lang, nil))
			body, _, _ := strings.Cut(w.Body.String(), "<footer")
			for _, word := range words {
				if strings.Contains(strings.ToLower(body), word) {
					t.Errorf("%s speaks of %q", s.name, word)
				}
			}
			if strings.Contains(s.name, "failed") && s.name != "sign-failed-result_lost" {
				seen++
				if !strings.Contains(body, map[string]string{"sv": "Ingenting är underskrivet.", "en": "Nothing is signed."}[lang]) {
					t.Errorf("%s, %s: does not say that nothing is signed", s.name, lang)
				}
			}
		}
	}
	if seen != 2*(len(reasons())-1) {
		t.Errorf("%d pages of failures", seen)
	}
}

func TestErrandsLeadWhereTheirOwnerSays(t *testing.T) {
	h := newHouse(t)
	e := signature(providers.ModeThis)
	draw := func(v flow.View) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		if err := h.web.Pages.Waiting(w, httptest.NewRequest("GET", e.Self, nil), e, v); err != nil {
			t.Fatal(err)
		}
		return w
	}
	taken := flow.View{State: flow.StateFailed, Failed: providers.Failed{Hint: flow.ContinuedElsewhere}}
	for name, v := range map[string]flow.View{"complete": {State: flow.StateComplete}, "taken over": taken} {
		if to := location(t, draw(v)); to != e.Done {
			t.Errorf("%s leads to %s", name, to)
		}
	}
	body := draw(flow.View{State: flow.StateFailed, Failed: providers.Failed{Reason: providers.Cancelled}}).Body.String()
	if !strings.Contains(body, `action="`+e.Self+`/restart"`) || !strings.Contains(body, `href="`+e.Choices+`"`) || strings.Contains(body, "/back") {
		t.Errorf("the failure leads elsewhere: %s", body)
	}
	w := httptest.NewRecorder()
	if err := h.web.Pages.Status(w, httptest.NewRequest("GET", e.Self+"/status", nil), e, flow.View{State: flow.StateComplete}, nil); err != nil ||
		strings.TrimSpace(w.Body.String()) != `{"state":"complete","redirect":"`+e.Done+`"}` {
		t.Errorf("%v %s", err, w.Body)
	}
}

func TestWatchKnowsWhoseOrderItIs(t *testing.T) {
	h := newHouse(t)
	e := signature(providers.ModeOther)
	watch := func(change func(*Errand)) (flow.View, error) {
		c := e
		change(&c)
		return h.web.Pages.Watch(t.Context(), h.flow, c, h.now)
	}
	same := func(*Errand) {}
	if _, err := watch(same); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("no order: %v", err)
	}
	if v, err := watch(func(e *Errand) { e.Reserved = h.now.Add(-time.Second) }); err != nil || v.State != flow.StatePending {
		t.Errorf("reserved: %v %v", v.State, err)
	}
	v, err := watch(func(e *Errand) { e.Reserved = h.now.Add(-time.Minute) })
	if err != nil || v.State != flow.StateFailed || !strings.HasPrefix(v.Failed.Text.SV, "Underskriften") {
		t.Errorf("never begun: %+v %v", v, err)
	}
	h.flow.put(e.Order, browserOne, e.Ref, flow.View{State: flow.StatePending})
	if _, err := watch(func(e *Errand) { e.Owner = owner }); err != nil {
		t.Errorf("its owner: %v", err)
	}
	for name, change := range map[string]func(*Errand){
		"another owner": same, "another errand": func(e *Errand) { e.Owner, e.Ref = owner, "x" },
		"another browser": func(e *Errand) { e.Owner, e.Browser = owner, browserTwo }, "no browser": func(e *Errand) { e.Owner, e.Browser = owner, "" },
	} {
		if _, err := watch(change); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestComingBackToASignature(t *testing.T) {
	h := newHouse(t, func(c *Config) {
		c.Homes = map[string]func(broker.Order) string{"signing": func(o broker.Order) string { return "/signing/x/" + o.Ref + "/" + string(o.ID) }}
	})
	h.flow.put("o-sign", browserOne, "r", flow.View{})
	for _, o := range []string{"signing", "nobody"} {
		h.flow.arrivals["o-sign "+o] = flow.Arrival{Outcome: flow.Welcome, Order: broker.Order{ID: "o-sign", Owner: o, Ref: "r"}}
	}
	if to := location(t, h.get("/return/o-sign?n=signing")); to != "/signing/x/r/o-sign" {
		t.Errorf("sent to %s", to)
	}
	if w := h.get("/return/o-sign?n=nobody"); w.Code != http.StatusGone {
		t.Errorf("an order that nobody owns: %d", w.Code)
	}
	c := h.web.Config
	c.Homes = map[string]func(broker.Order) string{owner: func(broker.Order) string { return "/" }}
	if _, err := New(c); err == nil {
		t.Error("two homes for one owner pass")
	}
}

func TestChooserOrder(t *testing.T) {
	all := []providers.ID{providers.BankID, providers.MBankID}
	every := append(all, providers.Freja, providers.Telia, exampleID)
	for name, c := range map[string]struct {
		offered []providers.ID
		agent   string
		last    string
		want    string
	}{
		"computer":               {all, onComputer, "", "mbankid.other bankid.this"},
		"phone":                  {all, onPhone, "", "bankid.this mbankid.other"},
		"remembered":             {all, onComputer, "bankid.this", "bankid.this! mbankid.other"},
		"remembered is tampered": {all, onComputer, "telia.this", "mbankid.other bankid.this"},
		"only mbankid, phone":    {all[1:], onPhone, "", "mbankid.this mbankid.other"},
		"only mbankid, computer": {all[1:], onComputer, "", "mbankid.other"},
		"only bankid":            {all[:1], onComputer, "", "bankid.this"},
		"not configured":         {[]providers.ID{"annat-id", providers.BankID}, onComputer, "", "bankid.this"},
		"all, computer":          {every, onComputer, "", "mbankid.other freja.other telia.this exempel-id.this bankid.this freja.this"},
		"all, phone":             {every, onPhone, "", "bankid.this freja.this telia.this exempel-id.this mbankid.other freja.other"},
		"a site, remembered":     {every[2:], onPhone, "exempel-id.this", "exempel-id.this! freja.this telia.this freja.other"},
		"another order":          {[]providers.ID{exampleID, providers.Telia, providers.MBankID}, onComputer, "", "exempel-id.this telia.this mbankid.other"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			var got []string
			for _, w := range h.web.Pages.ways("sv", c.offered, h.web.Offers(broker.Client{}), handheld(c.agent), c.last) {
				s := w.String()
				if w.Last {
					s += "!"
				}
				got = append(got, s)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %v, want %s", got, c.want)
			}
		})
	}
}

func location(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	if w.Code != http.StatusSeeOther {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Header().Get("Location")
}

var (
	chooseQR   = url.Values{"provider": {"mbankid"}, "device": {"other"}}
	chooseThis = url.Values{"provider": {"bankid"}, "device": {"this"}}
	self       = "/login/" + loginOne
)

func TestChosenBeginsAnOrder(t *testing.T) {
	h := newHouse(t)
	to := location(t, h.post(self, chooseQR))
	begun := h.flow.orders()
	if len(begun) != 1 {
		t.Fatalf("%d orders", len(begun))
	}
	b := begun[0]
	if to != self+"/"+string(b.ID) {
		t.Errorf("sent to %s", to)
	}
	if b.Owner != "login" || b.Ref != loginOne || b.Client != "demo" || b.Provider != "mbankid" || b.Instance != "main" ||
		b.Kind != providers.KindAuth || b.Request.Mode != providers.ModeOther || b.Browser != browserOne || b.Locked {
		t.Errorf("begun %+v", b)
	}
	if b.Request.Text != "Logga in hos Exempelbo kommun" {
		t.Errorf("text %q", b.Request.Text)
	}
	d := b.Request.Device
	if d.IP != "192.0.2.1" || d.Domain != "localhost" || d.UserAgent != onComputer || len(d.ID) != 40 || strings.Contains(browserOne, d.ID) {
		t.Errorf("device %+v", d)
	}
	if l := h.logins.get(loginOne); l.Order != b.ID || l.Provider != "mbankid" || l.Mode != "other" || !l.OrderAt.Equal(h.now) {
		t.Errorf("login %+v", l)
	}
	w := h.get(to)
	if w.Code != 200 || !strings.Contains(w.Body.String(), "data-status") {
		t.Errorf("waiting page: %d", w.Code)
	}
}

func TestDefaultDevice(t *testing.T) {
	for provider, want := range map[string]providers.Mode{"bankid": "this", "mbankid": "other"} {
		h := newHouse(t)
		location(t, h.post(self, url.Values{"provider": {provider}}))
		if got := h.flow.orders()[0].Request.Mode; got != want {
			t.Errorf("%s: %s", provider, got)
		}
	}
}

func TestRefusedChoices(t *testing.T) {
	for name, c := range map[string]struct {
		form   url.Values
		status int
	}{
		"bankid on another device": {url.Values{"provider": {"bankid"}, "device": {"other"}}, 400},
		"not offered":              {url.Values{"provider": {"freja"}, "device": {"this"}}, 400},
		"not configured":           {url.Values{"provider": {"telia"}}, 400},
		"unknown":                  {url.Values{"provider": {"x"}}, 400},
		"none":                     {url.Values{}, 400},
		"phone mode":               {url.Values{"provider": {"mbankid"}, "device": {"phone"}}, 400},
		"twice":                    {url.Values{"provider": {"bankid", "mbankid"}}, 400},
		"another field":            {url.Values{"provider": {"bankid"}, "order": {"x"}}, 400},
		"long field":               {url.Values{"provider": {strings.Repeat("b", 300)}}, 400},
		"oversized":                {url.Values{"provider": {strings.Repeat("b", 17<<10)}}, 413},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			w := h.post(self, c.form)
			if w.Code != c.status {
				t.Errorf("status %d", w.Code)
			}
			if n := len(h.flow.orders()); n != 0 {
				t.Errorf("%d orders begun", n)
			}
			if len(h.audit.events) != 1 || h.audit.events[0].Type != audit.InputRefused {
				t.Errorf("audit %+v", h.audit.events)
			}
			if strings.Contains(w.Body.String(), "bbbbb") || strings.Contains(h.log.String(), "bbbbb") {
				t.Error("the input is repeated")
			}
		})
	}
}

func TestDoubleClick(t *testing.T) {
	h := newHouse(t)
	first := location(t, h.post(self, chooseQR))
	h.now = h.now.Add(2 * time.Second)
	if second := location(t, h.post(self, chooseQR)); second != first {
		t.Errorf("sent to %s and %s", first, second)
	}
	if n := len(h.flow.orders()); n != 1 {
		t.Errorf("%d orders", n)
	}
}

// The browser drops the first request when the second press comes, while the
// issuer is still being asked.
func TestDoubleClickWhileStarting(t *testing.T) {
	h := newHouse(t)
	ctx, leave := context.WithCancel(t.Context())
	second := make(chan string, 1)
	h.flow.beginSlow = func() {
		h.flow.beginSlow = nil
		leave()
		to := location(t, h.post(self, chooseQR))
		if w := h.get(to); w.Code != 200 || !strings.Contains(w.Body.String(), "Startar BankID") {
			t.Errorf("the page of an order that is starting: %d", w.Code)
		}
		var a answer
		if err := json.Unmarshal(h.get(to+"/status").Body.Bytes(), &a); err != nil || a.State != flow.StatePending || a.Hint != "starting" {
			t.Errorf("its status: %+v %v", a, err)
		}
		second <- to
	}
	first := location(t, h.post(self, chooseQR, func(r *http.Request) { *r = *r.WithContext(ctx) }))
	if got := <-second; got != first || len(h.flow.orders()) != 1 {
		t.Errorf("sent to %s and %s, %d orders", first, got, len(h.flow.orders()))
	}
}

func TestManyTabsAtOnceGiveOneOrder(t *testing.T) {
	h := newHouse(t)
	to := make([]string, 8)
	var group sync.WaitGroup
	for i := range to {
		group.Go(func() { to[i] = h.post(self, chooseQR).Header().Get("Location") })
	}
	group.Wait()
	if n := len(h.flow.orders()); n != 1 {
		t.Errorf("%d orders", n)
	}
	for _, l := range to {
		if l != to[0] || l == "" {
			t.Errorf("sent to %q", to)
		}
	}
}

func TestAnotherChoiceReplaces(t *testing.T) {
	h := newHouse(t)
	first := location(t, h.post(self, chooseQR))
	second := location(t, h.post(self, chooseThis))
	begun := h.flow.orders()
	if len(begun) != 2 || first == second {
		t.Fatalf("%d orders, %s %s", len(begun), first, second)
	}
	if !slices.Equal(h.flow.cancelled, []broker.OrderID{begun[0].ID}) {
		t.Errorf("cancelled %v", h.flow.cancelled)
	}
	// The first tab follows to the order that counts.
	if to := location(t, h.get(first)); to != second {
		t.Errorf("the first tab is sent to %s", to)
	}
}

func TestTheSameLaterIsANewOrder(t *testing.T) {
	h := newHouse(t)
	location(t, h.post(self, chooseQR))
	h.now = h.now.Add(time.Minute)
	location(t, h.post(self, chooseQR))
	if n := len(h.flow.orders()); n != 2 || len(h.flow.cancelled) != 1 {
		t.Errorf("%d orders, %d cancelled", n, len(h.flow.cancelled))
	}
}

func TestBackButtonAndReload(t *testing.T) {
	h := newHouse(t)
	to := location(t, h.post(self, chooseQR))
	for range 2 {
		if w := h.get(to); w.Code != 200 {
			t.Fatalf("reload: %d", w.Code)
		}
	}
	if w := h.get(self); w.Code != 200 || !strings.Contains(w.Body.String(), `href="`+to+`"`) {
		t.Error("the chooser does not lead back to the order")
	}
	if len(h.flow.orders()) != 1 || len(h.flow.cancelled) != 0 {
		t.Error("looking changed something")
	}
}

func TestCancelLeadsBackToTheChoice(t *testing.T) {
	h := newHouse(t)
	to := location(t, h.post(self, chooseQR))
	if back := location(t, h.post(to+"/cancel", nil)); back != self {
		t.Errorf("sent to %s", back)
	}
	if len(h.flow.cancelled) != 1 || h.logins.get(loginOne).Order != "" {
		t.Error("the order is still the login's")
	}
	if there := location(t, h.get(to)); there != self {
		t.Errorf("its old page leads to %s", there)
	}
}

func TestRestart(t *testing.T) {
	failed := flow.View{State: flow.StateFailed, Restartable: true, Failed: providers.Failed{Reason: providers.StartFailed}}
	h := newHouse(t)
	h.order(loginOne, "o1", "bankid", "this", failed)
	if to := location(t, h.post(self+"/o1/restart", nil)); to != self+"/o1" || h.flow.restarted != 1 || len(h.flow.orders()) != 0 {
		t.Errorf("in place: %s, %d restarted", to, h.flow.restarted)
	}

	h = newHouse(t)
	failed.Restartable, failed.Failed.Reason = false, providers.TimedOut
	h.order(loginOne, "o1", "mbankid", "other", failed)
	to := location(t, h.post(self+"/o1/restart", nil))
	begun := h.flow.orders()
	if len(begun) != 1 || begun[0].Provider != "mbankid" || begun[0].Request.Mode != "other" || to != self+"/"+string(begun[0].ID) {
		t.Errorf("anew: %s %+v", to, begun)
	}
	// The same button again, in the old tab.
	if again := location(t, h.post(self+"/o1/restart", nil)); again != to || len(h.flow.orders()) != 1 {
		t.Errorf("again: %s", again)
	}
}

func TestBeginFails(t *testing.T) {
	h := newHouse(t)
	h.flow.beginErr = errors.New("the database is away, says db.example.com")
	w := h.post(self, chooseQR)
	if w.Code != 500 || strings.Contains(w.Body.String(), "db.example.com") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
	if h.logins.get(loginOne).Order != "" {
		t.Error("the reservation stands")
	}
	reference := w.Header().Get("X-Request-Id")
	if reference == "" || !strings.Contains(w.Body.String(), reference) || strings.Count(h.log.String(), "db.example.com") != 1 || !strings.Contains(h.log.String(), reference) {
		t.Errorf("reference %q, log %s", reference, h.log)
	}
	h.flow.beginErr = nil
	location(t, h.post(self, chooseQR))
}

// What the e-ID cannot do is the caller's fault and not ours.
func TestBeginRefused(t *testing.T) {
	h := newHouse(t)
	h.flow.beginErr = fmt.Errorf("begin: %w", &providers.BadRequest{Field: "mode", Problem: "is not on a computer"})
	w := h.post(self, chooseThis)
	if w.Code != 400 || strings.Contains(h.log.String(), `"level":"ERROR"`) || h.logins.get(loginOne).Order != "" {
		t.Errorf("%d, order %q, log %s", w.Code, h.logins.get(loginOne).Order, h.log)
	}
}

// A tab that was left behind cancels its own order, not the one that replaced it.
func TestCancelInAnOldTab(t *testing.T) {
	h := newHouse(t)
	first := location(t, h.post(self, chooseQR))
	second := location(t, h.post(self, chooseThis))
	location(t, h.post(first+"/cancel", nil))
	if now := h.logins.get(loginOne).Order; self+"/"+string(now) != second {
		t.Errorf("the login's order is %q, want %s", now, second)
	}
	if w := h.get(second); w.Code != 200 {
		t.Errorf("the new tab: %d", w.Code)
	}
}

func TestPanicTellsNothing(t *testing.T) {
	h := newHouse(t)
	h.order(loginOne, "o1", "mbankid", "other", flow.View{State: flow.StatePending})
	h.flow.panicking = true
	w := h.get(self + "/o1")
	if w.Code != 500 || strings.Contains(w.Body.String(), "secret detail") || strings.Contains(w.Body.String(), ".go") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
	if !strings.Contains(h.log.String(), "secret detail") {
		t.Error("not logged")
	}
}

func TestForeignBrowser(t *testing.T) {
	for name, browser := range map[string]string{"another": browserTwo, "none": "", "malformed": "<script>", "short": "abc"} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			to := location(t, h.post(self, chooseQR))
			for _, path := range []string{self, to, to + "/status", to + "/qr", to + "/qr.svg", to + "/done"} {
				w := h.get(path, as(browser))
				if w.Code != 404 || strings.Contains(w.Body.String(), "Exempelbo") || strings.Contains(w.Body.String(), "bankid.") {
					t.Errorf("%s: %d", path, w.Code)
				}
			}
			for _, path := range []string{self, to + "/cancel", to + "/restart", self + "/back"} {
				if w := h.post(path, nil, as(browser)); w.Code != 404 {
					t.Errorf("%s: %d", path, w.Code)
				}
			}
			if len(h.flow.cancelled) != 0 || len(h.logins.refused) != 0 {
				t.Error("a foreign browser did something")
			}
		})
	}
}

func TestAnotherLoginsOrder(t *testing.T) {
	h := newHouse(t)
	h.login("other")
	to := location(t, h.post(self, chooseQR))
	foreign := "/login/other" + strings.TrimPrefix(to, self)
	if w := h.get(foreign + "/status"); w.Code != 404 {
		t.Errorf("status: %d", w.Code)
	}
	if there := location(t, h.get(foreign)); there != "/login/other" {
		t.Errorf("page: %s", there)
	}
}

func TestMethods(t *testing.T) {
	h := newHouse(t)
	to := location(t, h.post(self, chooseQR))
	for path, allow := range map[string]string{
		self + "/back": "POST", to + "/cancel": "POST", to + "/restart": "POST",
	} {
		if w := h.get(path); w.Code != 405 || w.Header().Get("Allow") != allow {
			t.Errorf("GET %s: %d, %s", path, w.Code, w.Header().Get("Allow"))
		}
	}
	for _, path := range []string{to, to + "/status", to + "/qr", to + "/qr.svg", to + "/done", "/return/x"} {
		if w := h.post(path, nil); w.Code != 405 || w.Header().Get("Allow") != "GET" {
			t.Errorf("POST %s: %d, %s", path, w.Code, w.Header().Get("Allow"))
		}
	}
	if w := h.ask("HEAD", self, nil); w.Code != 200 {
		t.Errorf("HEAD: %d", w.Code)
	}
	if w := h.ask("DELETE", self, nil, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }); w.Code != 405 {
		t.Errorf("DELETE: %d", w.Code)
	}
}

func TestCrossSiteIsRefused(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{self, self + "/back"} {
		w := h.post(path, chooseQR, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })
		if w.Code != 403 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if len(h.flow.orders()) != 0 || len(h.logins.refused) != 0 || len(h.audit.events) != 2 {
		t.Error("something happened, or was not audited")
	}
}

func TestStatus(t *testing.T) {
	for name, c := range map[string]struct {
		view flow.View
		want string
	}{
		"code":     {flow.View{State: "pending", Wait: providers.Wait{Hint: "outstandingTransaction", QR: "bankid.x", Text: providers.Text{SV: "Öppna", EN: "Open"}}}, `{"state":"pending","hint":"outstandingTransaction","qr":"bankid.x","text":"Öppna"}`},
		"link":     {flow.View{State: "pending", Wait: providers.Wait{Hint: "x", Link: "bankid:///?autostarttoken=t&r=1", Text: providers.Text{SV: "Ö", EN: "O"}}}, `{"state":"pending","hint":"x","link":"bankid:///?autostarttoken=t\u0026r=1","text":"Ö"}`},
		"bad link": {flow.View{State: "pending", Wait: providers.Wait{Hint: "x", Link: "JavaScript:alert(1)"}}, `{"state":"pending","hint":"x","text":"Vi arbetar på det …"}`},
		"return":   {flow.View{State: "returning"}, `{"state":"returning","text":"Väntar på att du kommer tillbaka från appen …"}`},
		"complete": {flow.View{State: "complete"}, `{"state":"complete","redirect":"` + self + `/o1/done"}`},
		"failed":   {flow.View{State: "failed", Failed: providers.Failed{Reason: "cancelled", Hint: "userCancel"}}, `{"state":"failed","hint":"userCancel"}`},
		"no hint":  {flow.View{State: "failed", Failed: providers.Failed{Reason: "timed_out"}}, `{"state":"failed","hint":"timed_out"}`},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.order(loginOne, "o1", "bankid", "this", c.view)
			w := h.get(self + "/o1/status")
			if got := strings.TrimSpace(w.Body.String()); got != c.want || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("got %s\nwant %s\n%v", got, c.want, w.Header())
			}
		})
	}
}

func TestStatusSpeaksThePagesLanguage(t *testing.T) {
	h := newHouse(t)
	h.login(loginOne, func(l *broker.Login) { l.Lang = "en" })
	h.order(loginOne, "o1", "bankid", "this", flow.View{State: "pending", Wait: waiting("this")})
	body := h.get(self + "/o1").Body.String()
	_, rest, _ := strings.Cut(body, `data-status="`)
	address, _, _ := strings.Cut(rest, `"`)
	w := h.get(address)
	if !strings.Contains(body, "Starting BankID") || !strings.Contains(w.Body.String(), "Starting BankID") {
		t.Errorf("%s: %s", address, w.Body)
	}
	if w.Header().Get("Set-Cookie") != "" {
		t.Error("asking for the status counts as a choice of language")
	}
}

func TestLanguageIsRemembered(t *testing.T) {
	h := newHouse(t)
	w := h.get(self + "?lang=en")
	if !strings.Contains(w.Body.String(), "Log in to Exempelbo Municipality") || !strings.Contains(strings.Join(w.Header().Values("Set-Cookie"), "\n"), "sigill_lang=en;") {
		t.Errorf("%v", w.Header())
	}
	if w := h.get(self, cookie(page.LangCookie, "en")); !strings.Contains(w.Body.String(), "Log in to") {
		t.Error("the choice is not used")
	}
	for _, bad := range []string{"xx", "<b>", ""} {
		if w := h.get(self+"?lang="+url.QueryEscape(bad), cookie(page.LangCookie, bad)); w.Code != 200 || !strings.Contains(w.Body.String(), `lang="sv"`) {
			t.Errorf("%q: %d", bad, w.Code)
		}
	}
}

func TestDone(t *testing.T) {
	h := newHouse(t)
	h.order(loginOne, "o1", "mbankid", "other", flow.View{State: "complete"})
	if to := location(t, h.get(self+"/o1")); to != self+"/o1/done" {
		t.Fatalf("a reload leads to %s", to)
	}
	if to := location(t, h.get(self+"/o1/done")); to != "https://app.example.se/callback?code=c" {
		t.Errorf("sent to %s", to)
	}
	// The second tab: the login is gone, the order taken over.
	h.flow.put("o1", browserOne, loginOne, flow.View{State: "failed", Failed: providers.Failed{Hint: flow.ContinuedElsewhere}})
	for _, path := range []string{self + "/o1", self + "/o1/done"} {
		if w := h.get(path); w.Code != 200 || !strings.Contains(w.Body.String(), "i ett annat fönster") {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := h.get(self + "/o1/status"); strings.TrimSpace(w.Body.String()) != `{"state":"failed","hint":"continuedElsewhere"}` {
		t.Errorf("status %s", w.Body)
	}
	if h.logins.finished != 1 {
		t.Errorf("finished %d times", h.logins.finished)
	}
}

// A request that was cut off has consumed the order and answered nobody: the
// next one asks again, and is told if it comes too late.
func TestDoneAfterACutOffRequest(t *testing.T) {
	for _, finished := range []error{nil, broker.ErrConflict} {
		h := newHouse(t)
		h.order(loginOne, "o1", "mbankid", "other", flow.View{State: "failed", Failed: providers.Failed{Hint: flow.ContinuedElsewhere}})
		h.logins.finish = func(broker.Login) error { return finished }
		if to := location(t, h.get(self+"/o1")); to != self+"/o1/done" {
			t.Errorf("a reload of the waiting page leads to %s", to)
		}
		w := h.get(self + "/o1/done")
		if finished == nil {
			if to := location(t, w); to != "https://app.example.se/callback?code=c" {
				t.Errorf("sent to %s", to)
			}
		} else if w.Code != 200 || !strings.Contains(w.Body.String(), "i ett annat fönster") {
			t.Errorf("%d: %s", w.Code, w.Body)
		}
	}
}

func TestDoneTooEarly(t *testing.T) {
	for _, state := range []flow.State{"pending", "returning", "failed"} {
		h := newHouse(t)
		h.order(loginOne, "o1", "bankid", "this", flow.View{State: state})
		if to := location(t, h.get(self+"/o1/done")); to != self+"/o1" || h.logins.finished != 0 {
			t.Errorf("%s: %s", state, to)
		}
	}
}

func TestDoneRaced(t *testing.T) {
	h := newHouse(t)
	h.order(loginOne, "o1", "mbankid", "other", flow.View{State: "complete"})
	h.logins.finish = func(broker.Login) error { return broker.ErrConflict }
	if w := h.get(self + "/o1/done"); w.Code != 200 || !strings.Contains(w.Body.String(), "i ett annat fönster") {
		t.Errorf("%d", w.Code)
	}
}

func TestRejectionGoesBackWithItsCode(t *testing.T) {
	h := newHouse(t)
	h.order(loginOne, "o1", "mbankid", "other", flow.View{State: "complete"})
	h.logins.finish = func(broker.Login) error {
		return &oidc.Rejection{Reason: providers.LevelTooLow, Code: "unmet_authentication_requirements", Text: providers.Text{SV: "För låg nivå.", EN: "Too low."}}
	}
	w := h.get(self + "/o1/done")
	if w.Code != 403 || !strings.Contains(w.Body.String(), "För låg nivå.") || !strings.Contains(w.Body.String(), `value="unmet_authentication_requirements"`) {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	if w := h.post(self+"/back", url.Values{"code": {"server_error"}}); w.Code != 400 {
		t.Errorf("an invented code: %d", w.Code)
	}
	to := location(t, h.post(self+"/back", url.Values{"code": {"unmet_authentication_requirements"}}))
	if to != "https://app.example.se/callback?error=unmet_authentication_requirements" {
		t.Errorf("sent to %s", to)
	}
}

func TestBackToTheClient(t *testing.T) {
	h := newHouse(t)
	location(t, h.post(self, chooseQR))
	if to := location(t, h.post(self+"/back", nil)); to != "https://app.example.se/callback?error=access_denied" || len(h.flow.cancelled) != 1 {
		t.Errorf("sent to %s, cancelled %v", to, h.flow.cancelled)
	}
	if w := h.post(self+"/back", nil); w.Code != 404 {
		t.Errorf("again: %d", w.Code)
	}
}

func TestFormsMayEndAtTheClient(t *testing.T) {
	h := newHouse(t)
	to := location(t, h.post(self, chooseQR))
	for _, path := range []string{self, to} {
		if csp := h.get(path).Header().Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' https://app.example.se;") {
			t.Errorf("%s: %s", path, csp)
		}
	}
	if csp := h.get("/").Header().Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self';") || !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Error(csp)
	}
}

func TestComingBack(t *testing.T) {
	h := newHouse(t)
	h.order(loginOne, "o1", "bankid", "this", flow.View{State: "pending", Wait: waiting("this")})
	h.flow.arrivals["o1 nonce"] = flow.Arrival{Outcome: flow.Welcome, Order: broker.Order{ID: "o1", Owner: "login", Ref: loginOne}}
	if to := location(t, h.get("/return/o1?n=nonce")); to != self+"/o1" {
		t.Errorf("sent to %s", to)
	}
	for name, c := range map[string]struct {
		path   string
		who    string
		status int
	}{
		"another browser":   {"/return/o1?n=nonce", browserTwo, 403},
		"no browser":        {"/return/o1?n=nonce", "", 403},
		"another nonce":     {"/return/o1?n=x", browserOne, 410},
		"no nonce":          {"/return/o1", browserOne, 410},
		"two nonces":        {"/return/o1?n=nonce&n=nonce", browserOne, 410},
		"overlong nonce":    {"/return/o1?n=" + strings.Repeat("n", 200), browserOne, 410},
		"another's order":   {"/return/o2?n=nonce", browserOne, 410},
		"malformed address": {"/return/%3Cb%3E?n=nonce", browserOne, 410},
	} {
		w := h.get(c.path, as(c.who))
		if w.Code != c.status || strings.Contains(w.Body.String(), "Exempelbo") || w.Header().Get("Location") != "" {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	// Another room's order is none of ours.
	h.flow.arrivals["o1 sign"] = flow.Arrival{Outcome: flow.Welcome, Order: broker.Order{ID: "o1", Owner: "signing", Ref: "r"}}
	if w := h.get("/return/o1?n=sign"); w.Code != 410 {
		t.Errorf("a foreign owner: %d", w.Code)
	}
}

func TestNoLaunchAfterComingBack(t *testing.T) {
	h := newHouse(t)
	v := flow.View{State: "pending", Wait: waiting("this")}
	h.order(loginOne, "o1", "bankid", "this", v)
	if !strings.Contains(h.get(self+"/o1").Body.String(), "data-auto") {
		t.Error("the app is not opened")
	}
	v.Order.Returned = h.now
	h.order(loginOne, "o1", "bankid", "this", v)
	body := h.get(self + "/o1").Body.String()
	if strings.Contains(body, "data-auto") || !strings.Contains(body, `href="bankid:///?autostarttoken=`) {
		t.Error("the app is opened again, or cannot be")
	}
}

// The browser asks for the code in the moment in which the app takes the order:
// there is none to show, and nothing is wrong. Whose order it is not, gets 404.
func TestNoCodeToShow(t *testing.T) {
	h := newHouse(t)
	for _, v := range []flow.View{{State: "pending", Wait: providers.Wait{PickedUp: true}}, {State: "complete"}, {State: "failed"}} {
		h.order(loginOne, "o1", "mbankid", "other", v)
		if w := h.get(self + "/o1/qr.svg"); w.Code != 204 || w.Body.Len() != 0 {
			t.Errorf("%s: %d %q", v.State, w.Code, w.Body)
		}
	}
	if w := h.get(self+"/o1/qr.svg", as(browserTwo)); w.Code != 404 {
		t.Errorf("another browser: %d", w.Code)
	}
}

func TestUnsafeLinkIsNoLink(t *testing.T) {
	h := newHouse(t)
	for _, link := range []string{"javascript:alert(1)", " javascript:alert(1)", "JAVASCRIPT:x", "data:text/html,x", "//evil.example.com", "", "vbscript:x"} {
		h.order(loginOne, "o1", "bankid", "this", flow.View{State: "pending", Wait: providers.Wait{Link: link}})
		body := h.get(self + "/o1").Body.String()
		if !strings.Contains(body, `href=""`) || !strings.Contains(body, "data-open hidden") {
			t.Errorf("%q became a link", link)
		}
	}
}

func TestFrameWithoutScript(t *testing.T) {
	h := newHouse(t)
	h.order(loginOne, "o1", "mbankid", "other", flow.View{State: "pending", Wait: waiting("other")})
	w := h.get(self + "/o1/qr")
	if w.Header().Get("Refresh") != "1" || !strings.Contains(w.Header().Get("Content-Security-Policy"), "frame-ancestors 'self'") ||
		!strings.Contains(w.Body.String(), `<svg xmlns="http://www.w3.org/2000/svg"`) || strings.Contains(w.Body.String(), "_top") {
		t.Errorf("%v\n%s", w.Header(), w.Body)
	}
	for _, s := range []flow.State{"complete", "failed", "returning"} {
		h.order(loginOne, "o1", "mbankid", "other", flow.View{State: s})
		w := h.get(self + "/o1/qr")
		if w.Header().Get("Refresh") != "" || !strings.Contains(w.Body.String(), `href="`+self+`/o1" target="_top"`) {
			t.Errorf("%s: %v\n%s", s, w.Header(), w.Body)
		}
	}
	page := h.get(self)
	if page.Header().Get("X-Frame-Options") != "DENY" {
		t.Error("the chooser can be framed")
	}
}

// Where no script runs, the waiting page is told to come again by a header, and
// only there.
func TestReloadWithoutScript(t *testing.T) {
	h := newHouse(t)
	plain := url.Values{"provider": {"mbankid"}, "device": {"other"}, "script": {"off"}}
	set := h.post(self, plain).Result().Cookies()
	i := slices.IndexFunc(set, func(c *http.Cookie) bool { return c.Name == plainCookie })
	if i < 0 || set[i].Value == "" {
		t.Fatal("no cookie")
	}
	off := cookie(plainCookie, set[i].Value)
	for _, s := range []flow.State{"pending", "returning"} {
		h.order(loginOne, "o1", "bankid", "this", flow.View{State: s})
		if got := h.get(self+"/o1", off).Header().Get("Refresh"); got != "5" {
			t.Errorf("%s: Refresh %q", s, got)
		}
		w := h.get(self + "/o1")
		if w.Header().Get("Refresh") != "" || strings.Contains(w.Body.String(), "http-equiv") {
			t.Errorf("%s: a page with scripts reloads", s)
		}
	}
	h.order(loginOne, "o1", "bankid", "this", flow.View{State: "failed"})
	if h.get(self+"/o1", off).Header().Get("Refresh") != "" {
		t.Error("what is over reloads")
	}
	set = h.post(self, chooseQR, off).Result().Cookies()
	if i := slices.IndexFunc(set, func(c *http.Cookie) bool { return c.Name == plainCookie }); i < 0 || set[i].MaxAge >= 0 {
		t.Error("scripts are back, the cookie stays")
	}
	if !strings.Contains(h.get(self).Body.String(), `<noscript><input type="hidden" name="script" value="off"></noscript>`) {
		t.Error("the chooser does not say it")
	}
}

func TestExpiredLoginKnowsTheWayBack(t *testing.T) {
	h := newHouse(t)
	set := h.get(self).Result().Cookies()
	i := slices.IndexFunc(set, func(c *http.Cookie) bool { return c.Name == clientCookie })
	if i < 0 {
		t.Fatal("no cookie")
	}
	if strings.Contains(set[i].Value, loginOne[:8]) {
		t.Error("the cookie repeats the login's name")
	}
	delete(h.logins.logins, loginOne)
	w := h.get(self, cookie(clientCookie, set[i].Value))
	if w.Code != 404 || !strings.Contains(w.Body.String(), `href="https://www.example.se/"`) {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
	for _, bad := range []string{loginMark("x") + ".demo", loginMark(loginOne) + ".nobody", "demo", "."} {
		if w := h.get(self, cookie(clientCookie, bad)); w.Code != 404 || strings.Contains(w.Body.String(), "example.se") {
			t.Errorf("%q: %d", bad, w.Code)
		}
	}
}

func TestHomeIsAWebAddress(t *testing.T) {
	for address, want := range map[string]string{
		"https://a.example.se/x": "https://a.example.se/x", "http://localhost:8084/": "http://localhost:8084/",
		"javascript:x": "", "javascript://a.example.se/%0aalert(1)": "", "ftp://a.example.se/": "", "data:x": "", "//a": "", "": "", "a": "",
	} {
		if got := safeHome(address); got != want {
			t.Errorf("%q: %q", address, got)
		}
	}
}

func TestShorten(t *testing.T) {
	for _, c := range []struct {
		s     string
		limit int
		want  string
	}{{"abc", 5, "abc"}, {"abc", 2, "ab"}, {"åäö", 3, "å"}, {"åäö", 4, "åä"}, {"å", 0, ""}} {
		if got := shorten(c.s, c.limit); got != c.want {
			t.Errorf("%q to %d: %q", c.s, c.limit, got)
		}
	}
}

// The code is read back by a reader that we did not write. The picture is drawn
// here from the SVG's own words: runs of "M x y h n v1 h -n z".
func TestCodeCanBeRead(t *testing.T) {
	content := waiting("other").QR
	svg, err := qrSVG(content, `QR "<kod>"`)
	if err != nil {
		t.Fatal(err)
	}
	if d := xml.NewDecoder(bytes.NewReader(svg)); true {
		for _, err = d.Token(); err == nil; _, err = d.Token() {
		}
		if err != io.EOF {
			t.Fatalf("not well-formed: %v", err)
		}
	}
	for _, want := range []string{`role="img"`, `aria-label="QR &#34;&lt;kod&gt;&#34;"`, `fill="#fff"`} {
		if !strings.Contains(string(svg), want) {
			t.Errorf("lacks %s", want)
		}
	}
	var side int
	if _, err := fmt.Sscanf(string(svg[strings.Index(string(svg), "viewBox"):]), `viewBox="0 0 %d`, &side); err != nil {
		t.Fatal(err)
	}
	const scale = 6
	picture := image.NewGray(image.Rect(0, 0, side*scale, side*scale))
	draw.Draw(picture, picture.Rect, image.White, image.Point{}, draw.Src)
	runs := regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`).FindAllStringSubmatch(string(svg), -1)
	for _, run := range runs {
		var n [4]int
		for i := range n {
			n[i], _ = strconv.Atoi(run[i+1])
		}
		if n[0] < 4 || n[1] < 4 || n[0]+n[2] > side-4 || n[1] >= side-4 || n[2] != n[3] {
			t.Fatalf("the run %v reaches into the quiet zone, or is no rectangle", run)
		}
		draw.Draw(picture, image.Rect(n[0]*scale, n[1]*scale, (n[0]+n[2])*scale, (n[1]+1)*scale), image.Black, image.Point{}, draw.Src)
	}
	read, err := exec.LookPath("zbarimg")
	if err != nil {
		t.Skip("no zbarimg")
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "qr.png"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(png.Encode(file, picture), file.Close()); err != nil {
		t.Fatal(err)
	}
	b, err := exec.Command(read, "--quiet", "--raw", file.Name()).Output()
	if err != nil || strings.TrimSpace(string(b)) != content {
		t.Fatalf("%v: read %q", err, b)
	}
}

func TestCodeTooLong(t *testing.T) {
	if _, err := qrSVG(strings.Repeat("x", 5000), ""); err == nil {
		t.Error("drawn")
	}
}

func BenchmarkStatus(b *testing.B) {
	h := newHouse(b)
	h.order(loginOne, "o1", "bankid", "this", flow.View{State: "pending", Wait: waiting("this")})
	r := httptest.NewRequest("GET", self+"/o1/status?lang=sv", nil)
	r.AddCookie(&http.Cookie{Name: page.BrowserCookie, Value: browserOne})
	b.ReportAllocs()
	for b.Loop() {
		h.mux.ServeHTTP(httptest.NewRecorder(), r)
	}
}

func BenchmarkWaitingPage(b *testing.B) {
	h := newHouse(b)
	h.order(loginOne, "o1", "bankid", "this", flow.View{State: "pending", Wait: waiting("this")})
	r := httptest.NewRequest("GET", self+"/o1", nil)
	r.AddCookie(&http.Cookie{Name: page.BrowserCookie, Value: browserOne})
	b.ReportAllocs()
	for b.Loop() {
		h.mux.ServeHTTP(httptest.NewRecorder(), r)
	}
}

func BenchmarkPicture(b *testing.B) {
	content := waiting("other").QR
	for b.Loop() {
		if _, err := qrSVG(content, "QR"); err != nil {
			b.Fatal(err)
		}
	}
}
