package testidp

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sigill/testidp/control"
)

// ask calls the control API.
func ask(t *testing.T, s *Server, method, path, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

// begin starts an order over mTLS.
func begin(t *testing.T, s *Server, method, body string) (ref, token string) {
	t.Helper()
	m, err := s.Material()
	if err != nil {
		t.Fatal(err)
	}
	var o struct{ OrderRef, AutoStartToken string }
	if got := post(t, relyingParty(t, m), m.BankIDURL+method, body, &o); got != 200 {
		t.Fatalf("%s: %d", method, got)
	}
	return o.OrderRef, o.AutoStartToken
}

func TestControlPersons(t *testing.T) {
	s := Start(t)
	_, answer := ask(t, s, "GET", "/control/persons", "")
	var list []map[string]any
	if err := json.Unmarshal([]byte(answer), &list); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"pnr": "196608182942", "name": "Testperson Ett", "level": "loa3", "flags": []any{}}
	if d := cmp.Diff(want, list[0]); d != "" {
		t.Error(d)
	}
	flags := map[string]bool{}
	for _, p := range list {
		if !strings.HasPrefix(strings.ToLower(p["name"].(string)), "testperson ") {
			t.Errorf("name %q", p["name"])
		}
		for _, f := range p["flags"].([]any) {
			flags[f.(string)] = true
		}
	}
	for _, f := range []string{"blocked", "noMobile", "noFile", "noEID", "card", "capitals", "teenager", "samordningsnummer", "secrecy", "protectedRegistration"} {
		if !flags[f] {
			t.Errorf("nobody is %s", f)
		}
	}
}

func TestControlOrders(t *testing.T) {
	s := Start(t)
	if _, answer := ask(t, s, "GET", "/control/orders", ""); answer != "[]" {
		t.Errorf("at first: %s", answer)
	}
	pnr := s.People()[0].Number
	ref, token := begin(t, s, "sign", `{"endUserIp":"127.0.0.1","userVisibleData":"SGVq","returnUrl":"http://localhost:8080/x?nonce=1","requirement":{"personalNumber":"`+pnr+`"}}`)
	_, answer := ask(t, s, "GET", "/control/orders?state=pending", "")
	var list []map[string]string
	if err := json.Unmarshal([]byte(answer), &list); err != nil {
		t.Fatal(err)
	}
	want := []map[string]string{{
		"id": ref, "provider": "bankid", "kind": "sign", "autoStartToken": token, "reference": ref, "text": "Hej",
		"requiredPnr": pnr, "returnUrl": "http://localhost:8080/x?nonce=1", "state": "pending",
	}}
	if d := cmp.Diff(want, list); d != "" {
		t.Error(d)
	}
	if status, answer := ask(t, s, "POST", "/control/scan", `{"autoStartToken":"`+token+`"}`); status != 200 || answer != `{"id":"`+ref+`"}` {
		t.Errorf("scan: %d %s", status, answer)
	}
	if status, answer := ask(t, s, "POST", "/control/orders/"+ref, `{"action":"start","pnr":"`+pnr+`"}`); status != 200 || !strings.Contains(answer, `"hint":"userSign"`) {
		t.Errorf("start: %d %s", status, answer)
	}
	status, answer := ask(t, s, "POST", "/control/orders/"+ref, `{"action":"approve"}`)
	if want := `{"id":"` + ref + `","state":"complete","hint":"","returnUrl":"http://localhost:8080/x?nonce=1"}`; status != 200 || answer != want {
		t.Errorf("approve: %d %s", status, answer)
	}
	if _, answer := ask(t, s, "GET", "/control/orders?state=pending", ""); answer != "[]" {
		t.Errorf("pending: %s", answer)
	}
	if _, answer := ask(t, s, "GET", "/control/orders?state=complete", ""); !strings.Contains(answer, ref) {
		t.Errorf("complete: %s", answer)
	}
}

func TestControlRefuses(t *testing.T) {
	s := Start(t)
	ref, _ := begin(t, s, "auth", `{"endUserIp":"127.0.0.1"}`)
	for name, c := range map[string]struct {
		method, path, body string
		status             int
	}{
		"unknown path":       {"GET", "/control/x", "", 404},
		"wrong method":       {"PUT", "/control/persons", "", 405},
		"unknown state":      {"GET", "/control/orders?state=x", "", 400},
		"unknown order":      {"POST", "/control/orders/x", `{"action":"approve"}`, 404},
		"unknown action":     {"POST", "/control/orders/" + ref, `{"action":"x"}`, 400},
		"unknown member":     {"POST", "/control/orders/" + ref, `{"action":"start","x":1}`, 400},
		"two objects":        {"POST", "/control/orders/" + ref, `{"action":"start"}{}`, 400},
		"nobody approves":    {"POST", "/control/orders/" + ref, `{"action":"approve"}`, 400},
		"stranger approves":  {"POST", "/control/orders/" + ref, `{"action":"approve","pnr":"190102079803"}`, 400},
		"unknown device":     {"POST", "/control/orders/" + ref, `{"action":"approve","pnr":"196608182942","device":"watch"}`, 400},
		"fail without hint":  {"POST", "/control/orders/" + ref, `{"action":"fail"}`, 400},
		"empty scan":         {"POST", "/control/scan", `{}`, 400},
		"two codes":          {"POST", "/control/scan", `{"qr":"x","autoStartToken":"y"}`, 400},
		"unknown code":       {"POST", "/control/scan", `{"qr":"bankid.a.0.b"}`, 404},
		"auto of nobody":     {"POST", "/control/auto", `{"provider":"x","pnr":"196608182942"}`, 400},
		"auto by a stranger": {"POST", "/control/auto", `{"provider":"*","pnr":"190102079803"}`, 400},
		"auto before now":    {"POST", "/control/auto", `{"provider":"*","pnr":"196608182942","delayMs":-1}`, 400},
		"unknown fault":      {"POST", "/control/faults", `{"provider":"*","fault":"x"}`, 400},
		"fault of nobody":    {"POST", "/control/faults", `{"provider":"x","fault":"slow"}`, 400},
		"fault of others":    {"POST", "/control/faults", `{"provider":"mail","fault":"badOCSP"}`, 400},
		"auto of mail":       {"POST", "/control/auto", `{"provider":"mail","pnr":"196608182942"}`, 400},
		"officer of nobody":  {"POST", "/control/staff", `{"officer":"x"}`, 400},
		"no officer":         {"POST", "/control/staff", `{}`, 400},
		"rate of nothing":    {"POST", "/control/faults", `{"provider":"*","fault":"slow","rate":0}`, 400},
		"rate above one":     {"POST", "/control/faults", `{"provider":"*","fault":"slow","rate":1.5}`, 400},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := ask(t, s, c.method, c.path, c.body)
			if status != c.status {
				t.Errorf("%d %s, want %d", status, answer, c.status)
			}
		})
	}
}

func TestControlFaults(t *testing.T) {
	s := Start(t)
	ask(t, s, "POST", "/control/faults", `{"provider":"*","fault":"slow","rate":0.25}`)
	ask(t, s, "POST", "/control/faults", `{"provider":"bankid","fault":"badOCSP"}`)
	ask(t, s, "POST", "/control/faults", `{"provider":"*","fault":"slow","rate":0.5}`)
	var got struct {
		Possible map[string][]string
		Active   []control.Fault
	}
	_, answer := ask(t, s, "GET", "/control/faults", "")
	if err := json.Unmarshal([]byte(answer), &got); err != nil {
		t.Fatal(err)
	}
	want := []control.Fault{{Provider: "bankid", Fault: "badOCSP", Rate: 1}, {Provider: "*", Fault: "slow", Rate: 0.5}}
	if d := cmp.Diff(want, got.Active); d != "" {
		t.Error(d)
	}
	if len(got.Possible["bankid"]) < 40 || len(got.Possible["mail"]) != 5 || len(got.Possible["sms"]) != 6 {
		t.Errorf("possible: %v", got.Possible)
	}
	if status, _ := ask(t, s, "DELETE", "/control/faults", ""); status != 204 {
		t.Errorf("delete: %d", status)
	}
	if _, answer := ask(t, s, "GET", "/control/faults", ""); !strings.Contains(answer, `"active":[]`) {
		t.Errorf("afterwards: %s", answer)
	}
}

func TestControlStrict(t *testing.T) {
	s := Start(t)
	if _, answer := ask(t, s, "GET", "/control/strict", ""); !strings.Contains(answer, `"bankid":{"fastCollects":0,"concurrentCollects":0,"orders":[]}`) || !strings.Contains(answer, `"freja":{`) {
		t.Errorf("got %s", answer)
	}
}

// TestOtherSitesCannotControl sends what a page of another site would.
func TestOtherSitesCannotControl(t *testing.T) {
	s := Start(t)
	for _, path := range []string{"/control/auto", "/phone/person"} {
		r := httptest.NewRequest("POST", path, strings.NewReader(`{"provider":"*"}`))
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestRelyingPartiesAreApart gives each display name its own orders.
func TestRelyingPartiesAreApart(t *testing.T) {
	s := Start(t, func(c *Config) { c.RelyingParties = []string{"Grannkommunen"} })
	own, err := s.Material()
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.MaterialFor("Grannkommunen")
	if err != nil {
		t.Fatal(err)
	}
	ref, _ := begin(t, s, "auth", `{"endUserIp":"127.0.0.1"}`)
	body := `{"orderRef":"` + ref + `"}`
	if got := post(t, relyingParty(t, other), other.BankIDURL+"collect", body, nil); got != 400 {
		t.Errorf("another relying party: %d", got)
	}
	if got := post(t, relyingParty(t, own), own.BankIDURL+"collect", body, nil); got != 200 {
		t.Errorf("its own: %d", got)
	}
}
