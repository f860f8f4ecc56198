package web

import (
	"net/http"
	"strings"
	"testing"
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
