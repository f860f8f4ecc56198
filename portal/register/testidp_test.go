package register_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sigill/portal/register"
	"sigill/providers/personnummer"
	"sigill/testidp/control"
	"sigill/testidp/persons"
	testregister "sigill/testidp/register"
)

// TestRegister: we and the simulated register, which was written from the same
// contract and nothing else of ours, understand each other, also when something
// is wrong.
func TestRegister(t *testing.T) {
	faults := &control.Faults{}
	everybody := persons.All()
	server := httptest.NewServer(testregister.New(testregister.Config{People: everybody, Faults: faults, Slow: 5 * time.Second}).Handler())
	defer server.Close()
	open := func(token string) *register.HTTP {
		t.Helper()
		h, err := register.New(register.Config{URL: server.URL + testregister.Path, Token: token, Timeout: 300 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	h := open(testregister.DefaultToken)
	ask := func(h *register.HTTP, id string) (register.Entry, error) {
		t.Helper()
		p, ok := everybody.ByID(id)
		if !ok {
			t.Fatalf("nobody is called %s", id)
		}
		n, err := personnummer.FromDigits(p.Number)
		if err != nil {
			t.Fatal(err)
		}
		return h.Person(t.Context(), n)
	}
	for id, c := range map[string]struct {
		children, guardians int
		hidden              bool
		err                 error
	}{
		"ett":         {children: 3, guardians: 5},
		"tva":         {children: 2, guardians: 4},
		"tre":         {children: 1, guardians: 1},
		"tio":         {},
		"fyrtiotre":   {}, // with a samordningsnummer
		"trettiofyra": {err: register.ErrProtected},
		"trettiofem":  {err: register.ErrProtected},
		"trettiosex":  {hidden: true}, // the other guardian is protected
		"trettiosju":  {hidden: true}, // the child is
		"trettioatta": {hidden: true},
	} {
		e, err := ask(h, id)
		if !errors.Is(err, c.err) || c.err == nil && err != nil {
			t.Errorf("%s: %v", id, err)
			continue
		}
		guardians := 0
		for _, kid := range e.Children {
			guardians += len(kid.Guardians)
		}
		if len(e.Children) != c.children || guardians != c.guardians || e.Hidden != c.hidden || (e.Name == "") != (c.err != nil) {
			t.Errorf("%s: %d children with %d guardians, hidden %v", id, len(e.Children), guardians, e.Hidden)
		}
	}
	stranger, err := personnummer.FromDigits("189709139803") // test-numbers.md; not in the simulated register
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Person(t.Context(), stranger); !errors.Is(err, register.ErrUnknown) {
		t.Errorf("a stranger: %v", err)
	}
	if _, err := ask(open("wrong"), "ett"); err == nil || errors.Is(err, register.ErrUnknown) || errors.Is(err, register.ErrProtected) {
		t.Errorf("with another token: %v", err)
	}
	for fault, want := range map[string]error{
		"http503": nil, "slow": nil, "drop": nil, "garbage": nil, "wrongPerson": nil,
		"secrecy": register.ErrProtected, "unknownMarker": register.ErrProtected, "noMarker": register.ErrProtected,
	} {
		faults.Set(control.Fault{Provider: testregister.Name, Fault: fault, Rate: 1})
		e, err := ask(h, "ett")
		faults.Clear()
		switch {
		case err == nil || e.Name != "" || e.Children != nil:
			t.Errorf("%s: believed", fault)
		case want != nil && !errors.Is(err, want), want == nil && (errors.Is(err, register.ErrProtected) || errors.Is(err, register.ErrUnknown)):
			t.Errorf("%s: %v", fault, err)
		case strings.Contains(err.Error(), "19660818"):
			t.Errorf("%s: the error tells about whom", fault)
		}
	}
	faults.Set(control.Fault{Provider: testregister.Name, Fault: "childSecrecy", Rate: 1})
	if e, err := ask(h, "ett"); err != nil || !e.Hidden || e.Children != nil {
		t.Errorf("all children protected: %v", err)
	}
}
