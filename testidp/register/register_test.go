package register

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/testidp/control"
	"sigill/testidp/persons"
)

const good = "Bearer " + DefaultToken

func ask(t *testing.T, g *Register, body string) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequest("POST", Path+"/persons", strings.NewReader(body))
	r.Header.Set("Authorization", good)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	g.Handler().ServeHTTP(w, r)
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("%d: not JSON", w.Code)
	}
	return w.Code, out
}

func number(t *testing.T, id string) string {
	t.Helper()
	p, ok := persons.All().ByID(id)
	if !ok {
		t.Fatalf("nobody is called %s", id)
	}
	return p.Number
}

func fresh() (*Register, *control.Faults) {
	f := &control.Faults{}
	return New(Config{People: persons.All(), Faults: f}), f
}

func TestAnswerIsTheContract(t *testing.T) {
	g, _ := fresh()
	status, got := ask(t, g, `{"pnr":"`+number(t, "tre")+`"}`)
	want := map[string]any{
		"pnr": number(t, "tre"), "name": map[string]any{"given": "Testperson", "family": "Tre"},
		"address": map[string]any{"lines": []any{"Testvägen 3", "123 45 Exempelby"}}, "protection": "none",
		"children": []any{map[string]any{
			"pnr": "202102252380", "name": map[string]any{"given": "Testbarn", "family": "Fyra"}, "protection": "none",
			"guardians": []any{map[string]any{"pnr": number(t, "tre"), "name": map[string]any{"given": "Testperson", "family": "Tre"}, "protection": "none"}},
		}},
	}
	if status != 200 || !cmp.Equal(want, got) {
		t.Errorf("%d: the answer is not as the contract says", status)
	}
	if status, got := ask(t, g, `{"pnr":"190102079803"}`); status != 404 || len(got) != 0 {
		t.Errorf("a stranger: %d", status)
	}
	// Those without children, and children themselves, are in it too.
	for _, n := range []string{number(t, "tio"), number(t, "fyrtiotre"), "202101122394"} {
		status, got := ask(t, g, `{"pnr":"`+n+`"}`)
		if children, ok := got["children"].([]any); status != 200 || !ok || len(children) != 0 || got["protection"] != "none" {
			t.Errorf("%s…: %d", n[:4], status)
		}
	}
}

func TestFamilies(t *testing.T) {
	g, _ := fresh()
	for _, c := range []struct {
		who, own string
		children []string // name, protection; guardians with protection
	}{
		{"ett", "none", []string{"Ett none: Ett none, Två none", "Två none: Ett none, Två none", "Tre none: Ett none"}},
		{"tva", "none", []string{"Ett none: Ett none, Två none", "Två none: Ett none, Två none"}},
		{"fyra", "none", []string{"Fem none: Fyra none, Fem none"}},
		{"sju", "none", []string{"Sex none: Sex none, Sju none"}},
		{"trettiosju", "none", []string{"Sju secrecy: Trettiosju none, Trettioåtta none"}},
		{"trettiosex", "none", []string{"Åtta none: Trettiosex none, Trettiofem protected_registration"}},
		{"trettiofem", "protected_registration", []string{"Åtta none: Trettiosex none, Trettiofem protected_registration"}},
		{"trettiofyra", "secrecy", []string{"Nio none: Trettiofyra secrecy"}},
	} {
		e, ok := g.entry(number(t, c.who))
		if !ok || e.Protection != c.own {
			t.Errorf("%s: %q", c.who, e.Protection)
		}
		var got []string
		for _, ch := range e.Children {
			var guardians []string
			for _, x := range ch.Guardians {
				guardians = append(guardians, x.Name.Family+" "+x.Protection)
			}
			got = append(got, ch.Name.Family+" "+ch.Protection+": "+strings.Join(guardians, ", "))
		}
		if d := cmp.Diff(c.children, got); d != "" {
			t.Errorf("%s: %s", c.who, d)
		}
	}
	seen := map[string]bool{}
	for _, c := range families() {
		if seen[c.number] || seen[c.surname] || len(c.guardians) == 0 {
			t.Errorf("%s is there twice, or is nobody's", c.surname)
		}
		seen[c.number], seen[c.surname] = true, true
		for _, id := range c.guardians {
			number(t, id)
		}
	}
}

func TestRefuses(t *testing.T) {
	g, _ := fresh()
	pnr := number(t, "ett")
	for name, c := range map[string]struct {
		method, path, body, auth, kind string
		status                         int
	}{
		"in order":         {"POST", "/persons", `{"pnr":"` + pnr + `"}`, good, "application/json", 200},
		"no token":         {"POST", "/persons", `{"pnr":"` + pnr + `"}`, "", "application/json", 401},
		"another token":    {"POST", "/persons", `{"pnr":"` + pnr + `"}`, "Bearer x", "application/json", 401},
		"basic":            {"POST", "/persons", `{"pnr":"` + pnr + `"}`, "Basic " + DefaultToken, "application/json", 401},
		"in the address":   {"POST", "/persons?pnr=" + pnr, `{"pnr":"` + pnr + `"}`, good, "application/json", 400},
		"by GET":           {"GET", "/persons", "", good, "", 405},
		"by path":          {"POST", "/persons/" + pnr, "", good, "application/json", 404},
		"form":             {"POST", "/persons", "pnr=" + pnr, good, "application/x-www-form-urlencoded", 415},
		"unknown member":   {"POST", "/persons", `{"pnr":"` + pnr + `","x":1}`, good, "application/json", 400},
		"two objects":      {"POST", "/persons", `{"pnr":"` + pnr + `"}{}`, good, "application/json", 400},
		"ten digits":       {"POST", "/persons", `{"pnr":"` + pnr[2:] + `"}`, good, "application/json", 400},
		"with a hyphen":    {"POST", "/persons", `{"pnr":"` + pnr[:8] + "-" + pnr[9:] + `"}`, good, "application/json", 400},
		"nothing":          {"POST", "/persons", ``, good, "application/json", 400},
		"far too much":     {"POST", "/persons", `{"pnr":"` + strings.Repeat("1", 4096) + `"}`, good, "application/json", 413},
		"for people, read": {"GET", "", "", "", "", 200},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, Path+c.path, strings.NewReader(c.body))
			r.Header.Set("Authorization", c.auth)
			r.Header.Set("Content-Type", c.kind)
			w := httptest.NewRecorder()
			g.Handler().ServeHTTP(w, r)
			if w.Code != c.status {
				t.Errorf("%d, want %d", w.Code, c.status)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	g, faults := fresh()
	body := `{"pnr":"` + number(t, "ett") + `"}`
	set := func(name string) {
		faults.Clear()
		faults.Set(control.Fault{Provider: Name, Fault: name, Rate: 1})
	}
	for name, protection := range map[string]any{allSecret: "secrecy", unknownMarker: "sealed", noMarker: nil} {
		set(name)
		if _, got := ask(t, g, body); got["protection"] != protection {
			t.Errorf("%s: %v", name, got["protection"])
		}
	}
	set(wrongPerson)
	if status, got := ask(t, g, body); status != 200 || got["pnr"] == number(t, "ett") {
		t.Error("the answer is about the right person")
	}
	set(childSecret)
	if _, got := ask(t, g, body); got["protection"] != "none" || got["children"].([]any)[2].(map[string]any)["protection"] != "secrecy" {
		t.Error("the children have no marker")
	}
	for name, status := range map[string]int{http503: 503, garbage: 200} {
		set(name)
		w := httptest.NewRecorder()
		g.Handler().ServeHTTP(w, httptest.NewRequest("POST", Path+"/persons", strings.NewReader(body)))
		if w.Code != status || json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	set(drop)
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("drop: answered")
			}
		}()
		g.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", Path+"/persons", strings.NewReader(body)))
	}()
	for _, name := range g.FaultModes() {
		if name == "" {
			t.Error("a fault without a name")
		}
	}
}

func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, faults := fresh()
		faults.Set(control.Fault{Provider: Name, Fault: slow, Rate: 1})
		begun := time.Now()
		if status, _ := ask(t, g, `{"pnr":"`+number(t, "ett")+`"}`); status != 200 || time.Since(begun) != 10*time.Second {
			t.Errorf("%d after %v", status, time.Since(begun))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun = time.Now()
		w := httptest.NewRecorder()
		g.Handler().ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", Path+"/persons", strings.NewReader("{}")))
		if time.Since(begun) != time.Second || w.Body.Len() != 0 {
			t.Error("somebody who has gone is answered")
		}
	})
}

// TestOverview is about the page for people.
func TestOverview(t *testing.T) {
	g, _ := fresh()
	w := httptest.NewRecorder()
	g.Handler().ServeHTTP(w, httptest.NewRequest("GET", Path, nil))
	for _, want := range []string{"Testbarn Ett", "Testperson Två", "the child is protected"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}
