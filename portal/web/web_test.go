package web

import (
	"net/http"
	"strings"
	"testing"

	"sigill/portal"
	"sigill/portal/login"
)

// TestTenantByAddress holds hosts and paths against tenants.
func TestTenantByAddress(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct {
		address string
		status  int
		want    string // in the page, or the Location
	}{
		{"http://localhost:8081/", 200, "Exempelbo kommun"},
		{"http://localhost:8081/exempelbo", 303, "/exempelbo/"},
		{"http://localhost:8081/exempelb", 404, "Sidan finns inte"},
		{"http://localhost:8081/exempelbox/", 404, "Sidan finns inte"},
		{"http://localhost:8081/exempelbo/nix", 404, "Exempelbo kommun"},
		{"http://localhost:8081/annanstad/nix", 404, "Annanstads kommun"},
		{"http://LOCALHOST:8081/annanstad/nix", 404, "Annanstads kommun"},
		{"http://localhost:8081//exempelbo/", 404, "Sidan finns inte"},
		{"http://localhost:8081/annanstad/../exempelbo/nix", 404, "Sidan finns inte"},
		{"http://localhost:8081/exempelbo%2Fnix", 404, "Sidan finns inte"},
		{"http://localhost:8082/exempelbo/nix", 404, "<span>Sigill</span>"},
		{"http://localhost:8082/", 404, "<span>Sigill</span>"},
		{"https://egen.example.se/nix", 404, "Egen stad"},
		{"https://egen.example.se:443/nix", 404, "Egen stad"},
		{"https://egen.example.se/exempelbo/", 404, "Egen stad"},
	} {
		r := request("GET", "/", "", nil)
		full, err := http.NewRequest("GET", c.address, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL, r.Host = full.URL, full.Host
		w := h.do(r)
		if w.Code != c.status || !strings.Contains(w.Body.String()+w.Header().Get("Location"), c.want) {
			t.Errorf("%s: %d %s", c.address, w.Code, w.Header().Get("Location"))
		}
	}
}

// TestHead: asking for the head of a page writes nothing: no login is finished, no
// case read, no session prolonged.
func TestHead(t *testing.T) {
	h := lived(t)
	waits, at := h.waits("one", party(1, "Testperson Ett", portal.PartySigned), party(2, "Testperson Två", portal.PartyInvited))
	d := h.draft("one", preschool(t), filled(h), allSteps...)
	h.logins.outcome = login.Outcome{Aim: login.Aim{Path: "/e/forskoleplats", Begin: "forskoleplats"}, Visitor: h.persons["one"]}
	had := len(h.drafts.drafts)
	for path, who := range map[string]string{
		base + "/inloggad?code=x&state=y": "", base + "/handlaggare/inloggad?code=x&state=y": "",
		base + "/arende/" + string(caseOne): "one", base + "/arende/" + string(caseOne) + "/inskickat": "one", base + "/arende/" + string(caseOne) + "/fil/" + fileTaken: "one",
		base + "/handlaggare": "officer", base + "/handlaggare/": "officer", base + "/handlaggare/arende/" + string(caseOne): "officer",
		base + "/handlaggare/arende/" + string(caseOne) + "/fil/" + fileTaken: "officer", base + "/handlaggare/utloggad": "officer",
		at: "one", draftAt(waits, "/signerat"): "one", draftAt(d, ""): "one", draftAt(d, "/s/barnet"): "one", draftAt(d, "/granska"): "one", draftAt(d, "/krock"): "one",
		draftAt(d, "/sparat"): "one", draftAt(d, "/ta-bort"): "one", draftAt(d, "/fil/x"): "one", base + "/mina-sidor": "one", base + "/profil": "one",
	} {
		w := h.do(request("HEAD", path, who, nil))
		if w.Code != http.StatusMethodNotAllowed || !strings.HasPrefix(w.Header().Get("Allow"), "GET") || strings.Contains(w.Header().Get("Allow"), "HEAD") {
			t.Errorf("%s: %d, allows %s", path, w.Code, w.Header().Get("Allow"))
		}
	}
	for path, status := range map[string]int{"/": 200, "/e/forskoleplats": 200, "/logga-in": 303, "/utloggad": 200, "/handlaggare/logga-in": 200, "/nix": 404} {
		if w := h.do(request("HEAD", base+path, "one", nil)); w.Code != status {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if h.logins.touched != 0 || h.cases.read != 0 || h.desk.asked != 0 || len(h.desks.filters) != 0 || len(h.drafts.drafts) != had {
		t.Errorf("something was done: prolonged %d, read %d, asked %d", h.logins.touched, h.cases.read, h.desk.asked)
	}
}

// Whoever logs requests is told the route, which holds no name of anything.
func TestRouteIsTold(t *testing.T) {
	h := newHouse(t)
	for path, want := range map[string]string{
		"/exempelbo/": "/{$}",
		"/exempelbo/utkast/AAAAAAAAAAAAAAAAAAAAAA": "/utkast/{draft}",
	} {
		r := request("GET", path, "", nil)
		h.do(r)
		if !strings.HasSuffix(r.Pattern, want) || strings.Contains(r.Pattern, "AAAA") {
			t.Errorf("%s: the route is %q", path, r.Pattern)
		}
	}
}
