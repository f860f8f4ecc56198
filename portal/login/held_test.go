package login

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"sigill/portal"
)

func (a *agent) hold(t portal.TenantID, form string) string {
	a.b.t.Helper()
	w := httptest.NewRecorder()
	held, err := a.b.Hold(w, a.request(base), a.b.tenants[t], []byte(form))
	a.b.ok(err)
	a.keep(w)
	return held
}

func (a *agent) take(t portal.TenantID, held string) (string, error) {
	w := httptest.NewRecorder()
	form, err := a.b.Take(w, a.request(base), a.b.tenants[t], held)
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
		"other browser":  {who: func(a *agent) *agent { other := a.b.agent(); other.hold("a", "x"); return other }, t: "a"},
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
			a := b.agent()
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
	a := b.agent()
	one, two := a.hold("a", "1"), a.hold("a", "2")
	for held, want := range map[string]string{one: "1", two: "2"} {
		if got, err := a.take("a", held); err != nil || got != want {
			t.Errorf("%q %v", got, err)
		}
	}
}

func TestHoldTooLarge(t *testing.T) {
	b := newBench(t)
	a := b.agent()
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
	a := b.agent()
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
