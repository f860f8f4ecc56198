package judges

import (
	"bytes"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigill/testidp/register"
	"sigill/testidp/staff"
)

// A town is premises with a portal: the production program with the demo's
// municipalities and e-services, and the simulators, register and directory in
// this process, where they outlive it.
type town struct {
	*premises
	log  string
	home string                  // the municipality's address, without a slash at the end
	open func() (*sql.DB, error) // the portal's rows; nil: SQLite's
}

func newTown(t testing.TB, log string) *town {
	t.Helper()
	x := &town{premises: newPremises(t, premisesWish{process: true, log: log}), log: log}
	x.broker.stop(t)
	port := freePort(t)
	x.write("sigill.yaml", []byte(x.text("sigill.yaml")+x.furnished(port, port)))
	x.serve(log)
	return x
}

// furnished puts municipalities and e-services into the installation's folder,
// and gives the lines of configuration that serve them: people come to one port,
// and the portal listens at another.
func (x *town) furnished(port, listen string) string {
	x.t.Helper()
	x.home = "http://localhost:" + port + "/exempelby"
	for _, name := range []string{"tenants", "services"} {
		x.copied(root(x.t, "cmd", "demo", name), name, "http://localhost:8081", "http://localhost:"+port)
	}
	x.write("register.token", []byte(register.DefaultToken))
	x.write("staff.secret", []byte(staff.DefaultSecret))
	return fmt.Sprintf(`
portal:
  listen: localhost:%s
  tenants: tenants
  services: services
  register: {url: %q, token_file: register.token}
  staff: {issuer: %q, client_id: %s, secret_file: staff.secret}
`, listen, x.idp.RegisterURL(), x.idp.StaffIssuer(), staff.ClientID)
}

// copied puts a folder of texts below the town's own, with other words in it.
func (x *town) copied(from, to, old, new string) {
	x.t.Helper()
	if err := os.CopyFS(filepath.Join(x.dir, to), os.DirFS(from)); err != nil {
		x.t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(x.dir, to, "*", "*.yaml"))
	if err != nil || len(files) == 0 {
		x.t.Fatalf("no %s: %v", to, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, bytes.ReplaceAll(text, []byte(old), []byte(new)), 0o600)
		}
		if err != nil {
			x.t.Fatal(err)
		}
	}
}

// named finds a person by the short name of the simulators.
func (x *town) named(id string) person {
	x.t.Helper()
	for i, p := range x.idp.People() {
		if p.ID == id {
			return person{Number: p.Number, Name: p.Name(), place: i}
		}
	}
	x.t.Fatalf("there is nobody called %s", id)
	return person{}
}

// A listed case is a row of an officer's list.
type listed struct{ id, number, title string }

var listedCase = regexp.MustCompile(`<h2><a href="[^"]*/handlaggare/arende/([A-Za-z0-9_-]{22})">([^:<]+): ([^<]*)</a>`)

// listOf is the whole list of an officer, page by page.
func (x *town) listOf(officer string) ([]listed, error) {
	r := x.resident(person{})
	if err := x.idp.Officer(officer); err != nil {
		return nil, err
	}
	defer x.idp.Officer("")
	at, err := r.get(x.home + "/handlaggare/")
	if err != nil {
		return nil, err
	}
	login, err := at.form(`main form[action$="/handlaggare/logga-in"]`)
	if err != nil {
		return nil, err
	}
	if at, err = login.press(r, ""); err != nil {
		return nil, err
	}
	var all []listed
	for range 100 {
		if at.status != 200 {
			return nil, fmt.Errorf("the officer's list: %s", at)
		}
		for _, m := range listedCase.FindAllStringSubmatch(at.body, -1) {
			all = append(all, listed{m[1], m[2], m[3]})
		}
		more := at.linkTo("Visa äldre")
		if more == "" {
			return all, nil
		}
		if at, err = r.get(more); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("the officer's list has no end")
}

// sameHost reports whether an address is of our own: the portal's or the issuer's.
func (x *town) ours(u *url.URL) bool {
	text := u.String()
	portal := x.home[:strings.LastIndex(x.home, "/")]
	return strings.HasPrefix(text, portal+"/") || strings.HasPrefix(text, x.issuer+"/") || strings.HasPrefix(text, x.idp.URL()+"/oidc/staff/")
}
