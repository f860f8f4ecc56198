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

// everything has a question of each kind.
func everything(t testing.TB) *form.Service { return parsed(t, "testdata/alla-slag.yaml") }

func definition(t testing.TB, id string) *form.Service {
	return parsed(t, "../../cmd/demo/services/"+id+"/service.yaml")
}

func parsed(t testing.TB, path string) *form.Service {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := form.Parse(path, b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
