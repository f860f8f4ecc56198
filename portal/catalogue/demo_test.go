package catalogue

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDemo reads the tenants and services of the demo: they are what people
// take as their example.
func TestDemo(t *testing.T) {
	ids := []string{"bankid", "mbankid", "freja", "telia"}
	c, err := Open(t.Context(), Config{Tenants: "../../cmd/demo/tenants", Services: "../../cmd/demo/services", Providers: ids, Configured: ids})
	if err != nil {
		t.Fatal(err)
	}
	if faults := c.Faults(); len(faults) != 0 {
		t.Errorf("%v", faults)
	}
	for _, tenant := range c.Tenants() {
		var offered []string
		for _, s := range c.Offered(tenant.ID) {
			offered = append(offered, s.ID)
		}
		if d := cmp.Diff([]string{"forskoleplats", "felanmalan"}, offered); d != "" {
			t.Errorf("%s: %s", tenant.ID, d)
		}
	}
	for _, c2 := range []struct{ lang, words, first string }{
		{"sv", "FORSKOLE", "forskoleplats"}, {"sv", "gata FELANMA", "felanmalan"}, {"en", "preschool", "forskoleplats"},
	} {
		if found := c.Find("exempelby", c2.lang, c2.words); len(found) != 1 || found[0].ID != c2.first {
			t.Errorf("%s: %d found", c2.words, len(found))
		}
	}
}

// TestDemoServices runs the services' own tests.
func TestDemoServices(t *testing.T) {
	c, err := Open(t.Context(), Config{Tenants: "../../cmd/demo/tenants", Services: "../../cmd/demo/services", Providers: []string{"bankid", "mbankid", "freja", "telia"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Offered("exempelby") {
		for _, wrong := range s.Test() {
			t.Errorf("%s: %s", s.ID, wrong)
		}
	}
}
