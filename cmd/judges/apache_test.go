package judges

import (
	"crypto/rand"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/template"
)

// What Apache shows to whoever is logged in.
const apachePage = `sub=<!--#echo var="OIDC_CLAIM_sub" -->
user=<!--#echo var="REMOTE_USER" -->
name=<!--#echo var="OIDC_CLAIM_name" -->
iss=<!--#echo var="OIDC_CLAIM_iss" -->
`

// testApache logs in at Apache with Debian's mod_auth_openidc.
func testApache(t *testing.T, d *demo) {
	apache := program(t, "apache2", "httpd")
	modules := filepath.Dir(file(t, "/usr/lib/apache2/modules/mod_auth_openidc.so"))
	vacant(t, "8090")

	// Apache run by root gives its privileges away, so its folder must be open
	// to whom it becomes. It holds no secret but that of the demo.
	dir, err := os.MkdirTemp("", "apache")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	settings := struct {
		Dir, ModuleDir, Log, Passphrase, User, Group string
		Modules                                      []string
	}{
		Dir: dir, ModuleDir: modules, Log: output(t, "logs", "apache.log"), Passphrase: rand.Text(),
		Modules: []string{"mpm_event", "authn_core", "authz_core", "authz_user", "include", "auth_openidc"},
	}
	if os.Getuid() == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			t.Fatal(err)
		}
		group, err := user.LookupGroupId(nobody.Gid)
		if err != nil {
			t.Fatal(err)
		}
		settings.User, settings.Group = nobody.Username, group.Name
		uid, err := strconv.Atoi(nobody.Uid)
		if err == nil {
			err = os.Chown(dir, uid, -1)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	configuration, err := template.ParseFiles("apache.conf")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := configuration.Execute(&text, settings); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"apache.conf": text.String(), "pages/index.html": apachePage} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	start(t, "apache-output.log", listens("127.0.0.1:8090"), exec.Command(apache, "-f", filepath.Join(dir, "apache.conf"), "-DFOREGROUND"))

	browser := newWalker(issuer)
	protected := &walker{issuer: "http://localhost:8090", http: browser.http}
	login, err := protected.visit("http://localhost:8090/index.html")
	if err != nil || !login.outside {
		t.Fatalf("Apache does not send us to log in: %v, %v", login, err)
	}
	person := d.phone.person(t, 4)
	callback, err := browser.login(login.url.String(), "bankid", "this", d.phone, person.Number)
	if err != nil {
		t.Fatal(err)
	}
	page, err := protected.visit(callback.String())
	if err != nil || page.outside || page.status != 200 {
		t.Fatalf("Apache does not accept the login: %v, %v; see tmp/logs/apache.log", page, err)
	}
	shown := map[string]string{}
	for line := range strings.Lines(page.body) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		shown[key] = value
	}
	if shown["sub"] == "" || !strings.HasPrefix(shown["user"], shown["sub"]) || shown["iss"] != issuer || shown["name"] != person.Name {
		t.Errorf("Apache shows %v", shown)
	}
}
