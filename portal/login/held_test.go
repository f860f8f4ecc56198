package login

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
	"sigill/portal"
	"sigill/portal/store"
	"sigill/providers/personnummer"
)

func (a *agent) hold(t portal.TenantID, form string) string {
	a.b.t.Helper()
	w := httptest.NewRecorder()
	held, err := a.b.Hold(w, a.request(base), a.b.tenants[t], []byte(form))
	a.b.ok(err)
	a.keep(w)
	return held
}

// known is a browser that somebody is logged in with.
func (b *bench) known() *agent {
	b.t.Helper()
	a := b.agent()
	a.login("a", ett)
	return a
}

// take takes a form as Testperson Ett.
func (a *agent) take(t portal.TenantID, held string) (string, error) {
	return a.takeAs(t, held, a.b.person(t, ett))
}

func (b *bench) person(t portal.TenantID, number string) portal.Visitor {
	b.t.Helper()
	n, err := personnummer.FromDigits(number)
	b.ok(err)
	v, err := b.visitor(b.tenants[t], identity{Number: n})
	b.ok(err)
	return v
}

func (a *agent) takeAs(t portal.TenantID, held string, v portal.Visitor) (string, error) {
	w := httptest.NewRecorder()
	form, err := a.b.Take(w, a.request(base), a.b.tenants[t], v, held)
	a.keep(w)
	return string(form), err
}

// A form that is held comes back once, to its own browser and tenant, within an
// hour.
func TestHold(t *testing.T) {
	const form = "namn=Testperson+Ett&go=next"
	for name, row := range map[string]struct {
		who  func(a *agent) *agent
		t    portal.TenantID
		held func(string) string
		pass time.Duration
		good bool
	}{
		"itself":         {t: "a", good: true},
		"in time":        {t: "a", pass: heldLife - time.Millisecond, good: true},
		"too late":       {t: "a", pass: heldLife},
		"other browser":  {who: func(a *agent) *agent { other := a.b.known(); other.hold("a", "x"); return other }, t: "a"},
		"no cookie":      {who: func(a *agent) *agent { return a.b.agent() }, t: "a"},
		"other tenant":   {t: "b"},
		"other group":    {t: "c"},
		"other name":     {t: "a", held: func(string) string { return portal.NewID() }},
		"no name":        {t: "a", held: func(string) string { return "" }},
		"not a name":     {t: "a", held: func(s string) string { return s + "/" }},
		"the row's name": {t: "a", held: func(s string) string { return nameOf(kindForm, s)[:22] }},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			a := b.known()
			held := a.hold("a", form)
			if !portal.IsID(held) {
				t.Errorf("named %q", held)
			}
			who, by := a, held
			if row.who != nil {
				who = row.who(a)
			}
			if row.held != nil {
				by = row.held(held)
			}
			b.pass(row.pass)
			got, err := who.take(row.t, by)
			if row.good != (err == nil && got == form) || !row.good && (!errors.Is(err, portal.ErrNotFound) || got != "") {
				t.Errorf("%q %v", got, err)
			}
			again, err := a.take("a", held)
			if spoiled := row.good || row.pass >= heldLife; spoiled != errors.Is(err, portal.ErrNotFound) || !spoiled && again != form {
				t.Errorf("afterwards: %q %v", again, err)
			}
		})
	}
}

func TestHoldSeveral(t *testing.T) {
	b := newBench(t)
	a := b.known()
	one, two := a.hold("a", "1"), a.hold("a", "2")
	for held, want := range map[string]string{one: "1", two: "2"} {
		if got, err := a.take("a", held); err != nil || got != want {
			t.Errorf("%q %v", got, err)
		}
	}
}

func TestHoldTooLarge(t *testing.T) {
	b := newBench(t)
	a := b.known()
	most := string(bytes.Repeat([]byte("x"), maxHeld))
	if got, err := a.take("a", a.hold("a", most)); err != nil || got != most {
		t.Error("the largest form does not come back")
	}
	if _, err := b.Hold(httptest.NewRecorder(), a.request(base), b.tenants["a"], []byte(most+"x")); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v", err)
	}
}

func TestRaceTake(t *testing.T) {
	b := newBench(t)
	a := b.known()
	for range 10 {
		held := a.hold("a", "x")
		if won := race(func(int) bool {
			got, err := a.twin().take("a", held)
			return err == nil && got == "x"
		}); won != 1 {
			t.Fatalf("%d took it", won)
		}
	}
}

func (a *agent) notHeld(why string) {
	a.b.t.Helper()
	forms := a.b.kind(kindForm)
	w := httptest.NewRecorder()
	held, err := a.b.Hold(w, a.request(base), a.b.tenants["a"], []byte("x"))
	if held != "" || !errors.Is(err, ErrNotHeld) || !errors.Is(err, portal.ErrNotFound) || a.b.kind(kindForm) != forms || len(w.Result().Cookies()) != 0 {
		a.b.t.Errorf("%s: %q, %v, %d held", why, held, err, a.b.kind(kindForm)-forms)
	}
}

// kind counts what is held of one.
func (b *bench) kind(kind string) (n int) {
	b.t.Helper()
	b.ok(b.DB.Row(b.t.Context(), `SELECT count(*) FROM held WHERE kind = $1`, kind).Scan(&n))
	return n
}

// What one person typed is given to that person alone, whoever logs in next with
// the same browser.
func TestHoldByPerson(t *testing.T) {
	b := newBench(t)
	a := b.known()
	b.pass(time.Hour)
	held := a.hold("a", "namn=Testperson+Ett")
	for name, v := range map[string]portal.Visitor{
		"nobody": {Group: "g", Tenant: "a"}, "another": b.person("a", tva), "another group's": b.person("c", ett),
		"who had another's number before": {Key: b.person("a", tva).Key, Previous: b.person("a", samord).Key},
	} {
		if form, err := a.takeAs("a", held, v); !errors.Is(err, portal.ErrNotFound) || form != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if form, err := a.takeAs("a", held, b.person("a", ett)); err != nil || form == "" {
		t.Errorf("the person: %v", err)
	}
	// Who has a number of another kind by now is the same person.
	held = a.hold("a", "x")
	if _, err := a.takeAs("a", held, portal.Visitor{Key: b.person("a", tva).Key, Previous: b.person("a", ett).Key}); err != nil {
		t.Errorf("under a new number: %v", err)
	}
}

// A session that was swept is known for a while by whose it was, and not after
// somebody has left.
func TestHoldAfterTheEnd(t *testing.T) {
	b := newBench(t)
	a := b.known()
	b.pass(20 * time.Minute)
	b.ok(b.Sweep(t.Context()))
	if b.count("sessions") != 0 {
		t.Fatal("not swept")
	}
	if form, err := a.take("a", a.hold("a", "x")); err != nil || form != "x" {
		t.Errorf("after it was swept: %v", err)
	}
	if form, err := a.take("b", a.hold("b", "x")); err != nil || form != "x" {
		t.Errorf("with a tenant of the group: %v", err)
	}
	a.cookies["__Host-sigill_portal_c"] = a.cookies["__Host-sigill_portal_g"]
	if _, err := b.Hold(httptest.NewRecorder(), a.request(base), b.tenants["c"], nil); !errors.Is(err, ErrNotHeld) {
		t.Errorf("with another group: %v", err)
	}
	b.pass(endedLife - time.Millisecond)
	a.hold("a", "x")
	b.pass(time.Millisecond)
	a.notHeld("long after")
	b.ok(b.Sweep(t.Context()))
	if b.kind(kindEnded) != 0 {
		t.Error("whose it was is kept")
	}

	b.agent().notHeld("nobody was here")
	a = b.agent()
	a.cookies["__Host-sigill_portal_g"] = newSecret()
	a.notHeld("a made-up cookie")
	a = b.known()
	copied := a.twin()
	a.end("a")
	a.notHeld("after leaving")
	copied.notHeld("after leaving, by a copy of the cookie")
	copied = b.known().twin()
	b.broker.down["/.well-known/openid-configuration"] = 503
	b.Logins.broker = newIssuer(brokerName, b.HTTP)
	copied.twin().end("a")
	copied.notHeld("after leaving, while the broker is away")
}

// What is held has bounds: for each session, and in all.
func TestHoldBounds(t *testing.T) {
	b := newBench(t)
	a := b.known()
	for range heldAtOnce {
		a.hold("a", "x")
	}
	a.notHeld("one more")
	a.cookies["__Host-"+formCookie("g")] = ""
	a.notHeld("one more, with a key forgotten")
	other := b.known()
	other.hold("a", "another's")
	b.pass(20 * time.Minute)
	b.ok(b.Sweep(t.Context()))
	a.notHeld("one more, when the session was swept")
	b.pass(heldLife)
	b.ok(b.Sweep(t.Context()))
	a.hold("a", "when those are gone")

	b = newBench(t, func(c *Config) { c.Held = 10_000 })
	a = b.known()
	held := a.hold("a", strings.Repeat("x", 6_000))
	a.hold("a", strings.Repeat("x", 3_000))
	w := httptest.NewRecorder()
	if _, err := b.Hold(w, b.known().request(base), b.tenants["a"], make([]byte, 2_000)); !errors.Is(err, ErrNotHeld) {
		t.Errorf("more than all: %v", err)
	}
	if _, err := a.take("a", held); err != nil {
		t.Error(err)
	}
	b.known().hold("a", strings.Repeat("x", 2_000))
}

// A browser that nobody logged in with has a name, the same as long as its
// cookie lives, and none of anybody else.
func TestBrowser(t *testing.T) {
	b := newBench(t)
	name := func(a *agent, tenant portal.TenantID) string {
		v := a.visitor(tenant, true)
		w := httptest.NewRecorder()
		v = b.Browser(w, a.request(base), v)
		a.keep(w)
		return v.Browser
	}
	a, other := b.agent(), b.agent()
	if v := a.visitor("a", true); v.Browser != "" || v.Tenant != "a" || v.Group != "g" || v.LoggedIn() {
		t.Errorf("%+v", v)
	}
	one := name(a, "a")
	if len(one) != 64 || name(a, "a") != one || name(a, "b") != one || a.visitor("a", true).Browser != one {
		t.Error("the name changes")
	}
	if name(other, "a") == one || name(a, "c") == one {
		t.Error("two have one name")
	}
	for _, cookie := range a.cookies {
		if cookie == one {
			t.Error("the cookie is the name")
		}
	}
	a.login("a", ett)
	if v := a.visitor("a", true); v.Browser != "" || name(a, "a") != "" {
		t.Error("somebody known has a name as a browser")
	}
	a.end("a")
	if a.visitor("a", true).Browser != "" {
		t.Error("the next person at the computer is taken for the last")
	}
}

// On PostgreSQL nobody who holds a form is run again for others who do: they have
// nothing in common but bounds.
func TestHoldMeetsNobody(t *testing.T) {
	db := sqldbtest.Open(t, sqldb.Place{DSN: sqldbtest.DSN(t)}, "portal", store.Tables()...)
	b := newBench(t, func(c *Config) { c.DB = db })
	var people []*agent
	for range 8 {
		people = append(people, b.known())
	}
	before := db.Stats().Again
	var all sync.WaitGroup
	for _, a := range people {
		all.Go(func() {
			for range heldAtOnce {
				if _, err := b.Hold(httptest.NewRecorder(), a.request(base), b.tenants["a"], []byte("x")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := db.Stats().Again - before; n != 0 {
		t.Errorf("%d transactions were run again", n)
	}
}
