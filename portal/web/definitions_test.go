package web

import (
	"os"
	"testing"

	"sigill/portal/form"
)

// preschool and fault are the services of the demo: with login and signatures,
// and with neither.
func preschool(t testing.TB) *form.Service { return definition(t, "forskoleplats") }
func fault(t testing.TB) *form.Service     { return definition(t, "felanmalan") }

func definition(t testing.TB, id string) *form.Service {
	t.Helper()
	b, err := os.ReadFile("../../cmd/demo/services/" + id + "/service.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := form.Parse(id+".yaml", b)
	if err != nil {
		// Until the format can be read.
		return &form.Service{ID: id, Hash: "hash-" + id, Title: text("E-tjänsten "+id, "The e-service "+id), Authority: "barn-och-utbildningsnamnden",
			Handlers: form.Handlers{Group: "forskoleplacering", Messages: true}, Login: form.Login{Required: id == "forskoleplats", Drafts: true},
			Receipt: text("Vi hör av oss.", "We will be in touch.")}
	}
	return s
}
