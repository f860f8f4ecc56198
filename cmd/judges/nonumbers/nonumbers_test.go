package nonumbers

import (
	"encoding/base64"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigill/testidp/persons"
)

func numbers() []string {
	var list []string
	for _, p := range persons.All().List() {
		list = append(list, p.Number)
	}
	return list
}

// TestPlanted proves the search: every person's number is found in every form.
func TestPlanted(t *testing.T) {
	all := numbers()
	search := New(all)
	forms := map[string]func(string) string{
		"12 digits":             func(n string) string { return n },
		"12 digits with hyphen": func(n string) string { return n[:8] + "-" + n[8:] },
		"10 digits":             func(n string) string { return n[2:] },
		"10 digits with hyphen": func(n string) string { return n[2:8] + "-" + n[8:] },
	}
	for i, number := range all {
		for name, write := range forms {
			plants := map[string]string{name: `{"msg":"login","who":"` + write(number) + `"}`}
			for _, before := range []string{"", "{", `{"`, `{"a`} {
				for _, after := range []string{"", `"`, `"}`} {
					text := before + write(number) + after
					plants["base64 of "+name+" after "+before+" before "+after] = base64.StdEncoding.EncodeToString([]byte(text))
					plants["base64url of "+name+" after "+before+" before "+after] = base64.RawURLEncoding.EncodeToString([]byte(text))
				}
			}
			for what, text := range plants {
				found, err := search.In(strings.NewReader("first line\nxx." + text + ".xx\nlast"))
				if err != nil {
					t.Fatal(err)
				}
				if len(found) == 0 || found[0].Number != i || found[0].Line != 2 {
					t.Errorf("person %d, %s: not found as planted: %v", i, what, found)
				}
			}
		}
	}
}

// TestLongLine plants a number far into one long line.
func TestLongLine(t *testing.T) {
	log := "first line\n" + strings.Repeat("x", 3<<20) + numbers()[0] + "\nlast"
	found, err := New(numbers()[:1]).In(strings.NewReader(log))
	if err != nil || len(found) == 0 || found[0].Line != 2 {
		t.Errorf("found %v, %v", found, err)
	}
}

// TestInnocent proves that the search does not cry wolf.
func TestInnocent(t *testing.T) {
	const log = `time=2026-11-22T10:00:00.123456789Z level=DEBUG msg="order started" order=Zk3_yz0vX8QbYw number=19660818-****
eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJabTl2WW1GeSJ9.c2lnbmF0dXJl 1763806800000000000`
	found, err := New(numbers()).In(strings.NewReader(log))
	if err != nil || len(found) != 0 {
		t.Errorf("found %v, %v in a log without numbers", found, err)
	}
}

// TestLogs searches every file of the folder that SIGILL_LOGS names.
func TestLogs(t *testing.T) {
	root := os.Getenv("SIGILL_LOGS")
	if root == "" {
		t.Skip("set SIGILL_LOGS to a folder of logs; make test does")
	}
	all := persons.All().List()
	search := New(numbers())
	files, size := 0, int64(0)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		found, err := search.In(f)
		if err != nil {
			return err
		}
		for _, x := range found {
			t.Errorf("%s:%d: the number of %s as %s", filepath.Base(path), x.Line, all[x.Number].Name(), x.Form)
		}
		info, err := d.Info()
		if err == nil {
			files, size = files+1, size+info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if size == 0 {
		t.Fatal("there was nothing to search")
	}
	t.Logf("searched %d files, %d bytes, for %d persons in %d forms", files, size, len(all), len(search.forms))
}
