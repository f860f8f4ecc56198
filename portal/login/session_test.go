package login

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/store"
)

// Doing nothing ends a session; doing something prolongs it, up to a limit on
// the whole.
func TestSessionLife(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	a.login("a", ett)
	if got := a.left("a"); got != 20*time.Minute {
		t.Errorf("%s left", got)
	}
	b.pass(20*time.Minute - time.Millisecond)
	if !a.visitor("a", false).LoggedIn() || a.left("a") != time.Millisecond {
		t.Error("it ended too early, or looking prolonged it")
	}
	b.pass(time.Millisecond)
	if a.visitor("a", true).LoggedIn() || a.left("a") != 0 {
		t.Error("it lives on")
	}
	if a.visitor("a", true).LoggedIn() {
		t.Error("doing something brought it back")
	}

	a.login("a", ett)
	b.pass(19 * time.Minute)
	a.visitor("a", true)
	b.pass(19 * time.Minute)
	if !a.visitor("a", false).LoggedIn() {
		t.Error("doing something did not prolong it")
	}
	a = b.agent()
	a.login("a", ett)
	for range 31 {
		b.pass(15 * time.Minute)
		if !a.visitor("a", true).LoggedIn() {
			t.Fatal("it ended although something was done")
		}
	}
	if got := a.left("a"); got != 15*time.Minute {
		t.Errorf("%s left before the end of the whole", got)
	}
	b.pass(15 * time.Minute)
	if a.visitor("a", true).LoggedIn() {
		t.Error("it lives longer than the longest")
	}
}

// A page view seldom writes.
func TestTouchSeldomWrites(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	a.login("a", ett)
	seen := func() time.Time {
		s, err := b.find(t.Context(), sessionCitizen, a.cookies["__Host-sigill_portal_g"])
		b.ok(err)
		return s.Seen
	}
	first := seen()
	b.pass(59 * time.Second)
	if a.visitor("a", true); !seen().Equal(first) {
		t.Error("written within the minute")
	}
	b.pass(time.Second)
	if a.visitor("a", true); !seen().Equal(b.now()) {
		t.Error("not written after a minute")
	}
}

// A session counts within its tenant's group, as far as the other tenant takes
// such people, and nowhere else.
func TestGroups(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	a.login("a", ett)
	va, vb, vc := a.visitor("a", true), a.visitor("b", true), a.visitor("c", true)
	if !vb.LoggedIn() || vb.Tenant != "b" || vb.Key != va.Key || vc.LoggedIn() || vc.Tenant != "c" || vc.Group != "c" {
		t.Errorf("%t %t", vb.LoggedIn(), vc.LoggedIn())
	}
	// Even with the cookie of one group under another's name.
	a.cookies["__Host-sigill_portal_c"] = a.cookies["__Host-sigill_portal_g"]
	if a.visitor("c", true).LoggedIn() || a.left("c") != 0 {
		t.Error("a session of another group counts")
	}
	if a.end("c"); !a.visitor("a", true).LoggedIn() {
		t.Error("another group ended it")
	}

	for name, row := range map[string]struct{ number, provider string }{"samordningsnummer": {samord, "bankid"}, "e-ID": {ett, "mbankid"}} {
		a, person := b.agent(), citizenOf(row.number)
		person["https://id.oidc.se/claim/authnProvider"] = row.provider
		if out, err := a.finish("a", a.begun("a", person)); err != nil || out.Refused != "" {
			t.Fatalf("%q %v", out.Refused, err)
		}
		if !a.visitor("a", true).LoggedIn() || a.visitor("b", true).LoggedIn() || a.left("b") != 0 {
			t.Errorf("%s: a tenant that does not take it takes it", name)
		}
	}

	// A tenant that is gone, or in another group now, has nobody logged in.
	moved := b.tenants["a"]
	moved.Group = "c"
	b.tenants["a"] = moved
	a.cookies["__Host-sigill_portal_c"] = a.cookies["__Host-sigill_portal_g"]
	if a.visitor("b", true).LoggedIn() || a.visitor("a", true).LoggedIn() || a.visitor("c", true).LoggedIn() {
		t.Error("logged in by a tenant of another group")
	}
	delete(b.tenants, "a")
	if a.visitor("b", true).LoggedIn() {
		t.Error("logged in by a tenant that is gone")
	}
}

// A person's key is another in another group.
func TestKeysOfGroups(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	a.login("a", ett)
	a.login("c", ett)
	if a.visitor("a", true).Key == a.visitor("c", true).Key {
		t.Error("one key in two groups")
	}
}

func TestForgedCookies(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	a.login("a", ett)
	good := a.cookies["__Host-sigill_portal_g"]
	id := nameOf(sessionCitizen, good)
	for _, bad := range []string{"", "x", id, id[:43], newSecret(), good + "A", good[:42], strings.Repeat("å", 43)} {
		a.cookies["__Host-sigill_portal_g"] = bad
		if a.visitor("a", true).LoggedIn() {
			t.Errorf("%q counts", bad)
		}
	}
	// An officer's session is nobody's login as a citizen, and the other way.
	a.cookies["__Host-sigill_portal_g"] = good
	a.cookies["__Host-sigill_staff_a"] = good
	if _, is := a.officer("a"); is {
		t.Error("a citizen is an officer")
	}
	// A row that was altered is an error, never somebody.
	b.ok(b.DB.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`UPDATE sessions SET tenant = 'b'`)
		return err
	}))
	if _, err := b.Visitor(httptest.NewRecorder(), a.request(base), b.tenants["a"], true); err == nil || strings.Contains(err.Error(), ett) {
		t.Errorf("an altered row: %v", err)
	}
}

func TestLogout(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	a.login("a", ett)
	b.Browser(httptest.NewRecorder(), a.request(base), portal.Visitor{Group: "g", Tenant: "a"})
	stolen := a.twin()
	to := a.end("a")
	u, err := url.Parse(to)
	b.ok(err)
	q := u.Query()
	if !strings.HasPrefix(to, brokerName+"/logout?") || q.Get("client_id") != "portal-a" || !strings.HasPrefix(q.Get("logout_hint"), "sid-") ||
		q.Get("post_logout_redirect_uri") != base+"/utloggad" || len(q) != 3 {
		t.Errorf("sent to %s", to)
	}
	if len(a.cookies) != 0 || b.count("sessions") != 0 || b.acts(audit.PortalLoggedOut, "person") != 1 {
		t.Errorf("%d cookies, %d sessions", len(a.cookies), b.count("sessions"))
	}
	if stolen.visitor("a", true).LoggedIn() {
		t.Error("a copy of the cookie still counts")
	}
	if to := a.end("a"); to != base+"/utloggad" {
		t.Errorf("the second time to %s", to)
	}
	if to := stolen.end("a"); to != base+"/utloggad" || b.acts(audit.PortalLoggedOut, "*") != 1 {
		t.Errorf("by a session that is no more to %s", to)
	}
}

// Logging out after the time was over still ends the broker's session, and with
// a tenant of the same group too.
func TestLogoutLater(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	a.login("a", ett)
	b.pass(time.Hour)
	if to := a.end("b"); !strings.HasPrefix(to, brokerName+"/logout?") || !strings.Contains(to, "client_id=portal-b") || b.count("sessions") != 0 {
		t.Errorf("sent to %s", to)
	}
}

func TestLogoutWithoutTheIssuer(t *testing.T) {
	for name, set := range map[string]func(*bench, *agent){
		"has none": func(b *bench, a *agent) { b.broker.without = []string{"end_session_endpoint"}; a.login("a", ett) },
		"is down": func(b *bench, a *agent) {
			a.login("a", ett)
			b.Logins.broker = newIssuer(brokerName, b.HTTP)
			b.broker.down["/.well-known/openid-configuration"] = 503
		},
	} {
		b := newBench(t)
		a := b.agent()
		set(b, a)
		stolen := a.twin()
		if to := a.end("a"); to != base+"/utloggad" || a.visitor("a", true).LoggedIn() || stolen.visitor("a", true).LoggedIn() || stolen.left("a") != 0 {
			t.Errorf("%s: sent to %s", name, to)
		}
		if stolen.end("a"); b.acts(audit.PortalLoggedOut, "person") != 1 {
			t.Errorf("%s: left %d times", name, b.acts(audit.PortalLoggedOut, "*"))
		}
		// The broker hears of it as soon as it can.
		clear(b.broker.down)
		b.ok(b.Sweep(t.Context()))
		if b.count("sessions") != 0 || len(b.broker.sids()) != 1 || b.acts(audit.PortalSessionEnded, "*") != 0 {
			t.Errorf("%s: %d sessions, %d ended at the broker", name, b.count("sessions"), len(b.broker.sids()))
		}
	}
}

// A session that ends without its browser ends at the broker too.
func TestSweep(t *testing.T) {
	b := newBench(t)
	early, late := b.agent(), b.agent()
	early.login("a", ett)
	b.pass(10 * time.Minute)
	late.login("a", tva)
	late.begun("a", citizenOf(tva)) // and never came back
	b.ok(b.Sweep(t.Context()))
	if b.count("sessions") != 2 || b.count("held") != 1 || len(b.broker.sids()) != 0 {
		t.Fatal("swept what lives")
	}
	b.pass(10 * time.Minute)
	b.ok(b.Sweep(t.Context()))
	if b.count("sessions") != 1 || len(b.broker.sids()) != 1 || b.acts(audit.PortalSessionEnded, "idle") != 1 || b.kind(kindCitizen) != 1 {
		t.Errorf("%d sessions, %d ended", b.count("sessions"), len(b.broker.sids()))
	}
	if early.visitor("a", true).LoggedIn() || !late.visitor("a", true).LoggedIn() {
		t.Error("the wrong one ended")
	}
	b.ok(b.Sweep(t.Context()))
	if len(b.broker.sids()) != 1 {
		t.Error("ended twice")
	}
	b.pass(pendingLife)
	if b.ok(b.Sweep(t.Context())); b.kind(kindCitizen) != 0 {
		t.Error("a login that nobody came back from is kept")
	}
}

// Each tenant's limit holds for its own.
func TestSweepByTenant(t *testing.T) {
	b := newBench(t)
	quick := b.tenants["c"]
	quick.Idle = 2 * time.Minute
	b.tenants["c"] = quick
	a := b.agent()
	a.login("a", ett)
	a.login("c", tva)
	b.pass(2 * time.Minute)
	b.ok(b.Sweep(t.Context()))
	if !a.visitor("a", false).LoggedIn() || a.visitor("c", false).LoggedIn() || b.count("sessions") != 1 {
		t.Error("another limit")
	}
}

func TestSweepLongest(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Longest = 30 * time.Minute })
	a := b.agent()
	a.login("a", ett)
	b.pass(15 * time.Minute)
	a.visitor("a", true)
	b.pass(15 * time.Minute)
	b.ok(b.Sweep(t.Context()))
	if b.acts(audit.PortalSessionEnded, "longest") != 1 || len(b.broker.sids()) != 1 {
		t.Error("not ended, or for another reason")
	}
}

// The broker is told again until it has heard, or its session is over anyway.
func TestSweepTellsAgain(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	a.login("a", ett)
	b.agent().login("a", tva)
	b.pass(20 * time.Minute)
	b.broker.down["/revoke"] = 503
	for range 2 {
		if err := b.Sweep(t.Context()); !errors.Is(err, ErrUnavailable) || strings.Contains(err.Error(), "quotes") {
			t.Errorf("%v", err)
		}
	}
	if b.count("sessions") != 2 || a.visitor("a", true).LoggedIn() {
		t.Error("forgotten, or still logged in")
	}
	if n := strings.Count(strings.Join(b.broker.calls, "\n"), "/revoke"); n != 2 {
		t.Errorf("it was asked %d times", n)
	}
	delete(b.broker.down, "/revoke")
	b.ok(b.Sweep(t.Context()))
	if b.count("sessions") != 0 || len(b.broker.sids()) != 2 {
		t.Error("not told")
	}

	for name, row := range map[string]struct {
		status int
		after  time.Duration
	}{"refused for good": {400, 20 * time.Minute}, "over by itself": {503, brokerLife}} {
		b := newBench(t)
		b.agent().login("a", ett)
		b.pass(row.after)
		b.broker.down["/revoke"] = row.status
		_ = b.Sweep(t.Context())
		if b.count("sessions") != 0 {
			t.Errorf("%s: it is kept", name)
		}
	}
}

// Logging out, doing something and being swept at the same moment: once over,
// it stays over, and one act is written.
func TestRaceEnd(t *testing.T) {
	b := newBench(t)
	for round := range 10 {
		a := b.agent()
		a.login("a", ett)
		b.pass(2 * time.Minute)
		race(func(n int) bool {
			if n%2 == 0 {
				a.twin().end("a")
			} else {
				a.twin().visitor("a", true)
			}
			return true
		})
		if b.count("sessions") != 0 || a.visitor("a", true).LoggedIn() || b.acts(audit.PortalLoggedOut, "*") != round+1 {
			t.Fatalf("%d sessions, %d acts", b.count("sessions"), b.acts(audit.PortalLoggedOut, "*"))
		}
	}
}

// What was ended between reading and writing stays ended.
func TestProlongBringsNothingBack(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	a.login("a", ett)
	b.pass(2 * time.Minute)
	s, err := b.find(t.Context(), sessionCitizen, a.cookies["__Host-sigill_portal_g"])
	b.ok(err)
	a.end("a")
	if _, err := b.prolong(t.Context(), s, time.Hour); !errors.Is(err, errNoSession) || b.count("sessions") != 0 {
		t.Errorf("%v, %d sessions", err, b.count("sessions"))
	}
	// Nor what was left while the broker was away.
	a.login("a", ett)
	b.pass(2 * time.Minute)
	s, err = b.find(t.Context(), sessionCitizen, a.cookies["__Host-sigill_portal_g"])
	b.ok(err)
	b.ok(b.leave(t.Context(), s))
	if _, err := b.prolong(t.Context(), s, time.Hour); !errors.Is(err, errNoSession) || a.visitor("a", true).LoggedIn() {
		t.Errorf("left, and back: %v", err)
	}
}

// An unreadable row ends nobody else's session, and goes.
func TestSweepUnreadable(t *testing.T) {
	b := newBench(t)
	b.agent().login("a", ett)
	b.agent().login("a", tva)
	b.ok(b.DB.Write(t.Context(), func(tx *sqldb.Tx) error {
		row, err := store.SessionsEnded(tx, b.now().Add(time.Hour), b.now(), 1)
		if err != nil {
			return err
		}
		row[0].Body = []byte("x")
		return store.PutSession(tx, row[0])
	}))
	b.pass(time.Hour)
	if err := b.Sweep(t.Context()); err == nil {
		t.Error("nothing is said of it")
	}
	if b.count("sessions") != 0 || len(b.broker.sids()) != 1 {
		t.Errorf("%d sessions, %d told", b.count("sessions"), len(b.broker.sids()))
	}
}

// Run sweeps at once and then every while, and stops.
func TestRun(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Every = time.Minute })
	a := b.agent()
	a.login("a", ett)
	b.pass(20 * time.Minute)
	b.broker.down["/revoke"] = 503
	asked := func() int {
		b.broker.mu.Lock()
		defer b.broker.mu.Unlock()
		return len(slices.DeleteFunc(slices.Clone(b.broker.calls), func(c string) bool { return c != "/revoke" }))
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.Run(ctx) }()
		time.Sleep(150 * time.Second)
		synctest.Wait()
		if asked() != 3 {
			t.Errorf("%d sweeps", asked())
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	good := newBench(t).Config
	for name, spoil := range map[string]func(*Config){
		"no database": func(c *Config) { c.DB = nil }, "no issuer": func(c *Config) { c.Issuer = "" }, "no key": func(c *Config) { c.Key = nil },
		"no tenants": func(c *Config) { c.Tenant = nil }, "no admission": func(c *Config) { c.Admit = nil },
		"staff without a client": func(c *Config) { c.Staff.ClientID = "" }, "staff without a secret": func(c *Config) { c.Staff.Secret = nil },
	} {
		c := good
		spoil(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	good.Now, good.Log, good.Longest, good.Every, good.Held, good.Pending, good.Staff.Longest = nil, nil, 0, 0, 0, 0, 0
	if l, err := New(good); err != nil || l.Now == nil || l.Log == nil || l.Longest != 8*time.Hour || l.Every <= 0 || l.Held != 100<<20 || l.Pending != 30_000 || l.Staff.Longest != 4*time.Hour {
		t.Error("defaults")
	}
}
