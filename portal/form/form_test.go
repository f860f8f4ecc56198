package form

import (
	"os"
	"regexp"
	"testing"
)

// TestReadme: the example of the README is a service, and its tests hold.
func TestReadme(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(b)
	if example == nil {
		t.Fatal("there is no example")
	}
	s, err := Parse("readme.yaml", example[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range s.Test() {
		t.Error(line)
	}
}

// everything is a service with every type of field.
func everything(t testing.TB) *Service {
	t.Helper()
	b, err := os.ReadFile("testdata/allt.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse("testdata/allt.yaml", b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOwnTests(t *testing.T) {
	s := everything(t)
	for _, line := range s.Test() {
		t.Error(line)
	}
}
