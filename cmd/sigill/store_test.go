package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigill/broker/flow"
	"sigill/broker/kit/config"
	"sigill/broker/kit/keys"
	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
	"sigill/cmd/node"
)

// office is an installation in a folder, that commands are run in.
type office struct {
	*testing.T
	dir string
}

func newOffice(t *testing.T) *office {
	o := &office{t, t.TempDir()}
	if err := relyingParty(o.dir, time.Now().Add(2000*time.Hour)); err != nil {
		t.Fatal(err)
	}
	o.write("dsn", sqldbtest.DSN(t))
	const common = `
issuer: http://localhost:8080
data: data
providers: [{name: one, kind: bankid, offers: [bankid], environment: production, certificate_file: rp.pem, key_file: rp.key, display_name: Exempelby}]
`
	const there = "store: {postgres: {dsn_file: dsn, prefix: s_}}\n"
	o.write("lite.yaml", common+"master_key_file: master.key\n")
	o.write("postgres.yaml", common+"master_key_file: master.key\n"+there)
	o.write("foreign.yaml", common+"master_key_file: foreign.key\n"+there)
	o.write("elsewhere.yaml", strings.Replace(common, "8080", "8081", 1)+"master_key_file: master.key\n"+there)
	o.write("app.yaml", "id: app\nname: Appen\nredirect_uris: [https://app.example.se/callback]\nauth_method: client_secret\nprofile: basic\n")
	for _, name := range []string{"master.key", "foreign.key"} {
		if err := keys.NewMaster(o.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func (o *office) path(name string) string { return filepath.Join(o.dir, name) }

func (o *office) write(name, text string) {
	o.Helper()
	if err := os.WriteFile(o.path(name), []byte(text), 0o600); err != nil {
		o.Fatal(err)
	}
}

// runs gives what a command writes. says is a part of it; with a ! before it the
// command must fail.
func (o *office) runs(says, configuration string, args ...string) string {
	o.Helper()
	var out bytes.Buffer
	want := ok
	if strings.HasPrefix(says, "!") {
		want, says = failed, says[1:]
	}
	code := Main(context.Background(), append(args, "--config", o.path(configuration)), &out, &out)
	if code != want || !strings.Contains(out.String(), says) {
		o.Fatalf("%v: exit code %d, without %q:\n%s", args, code, says, &out)
	}
	return out.String()
}

// everyRoom makes the databases of all rooms, as an installation with a signing
// room and a portal leaves them.
func (o *office) everyRoom() []node.Room {
	o.Helper()
	settings, _, err := config.Load(o.path("lite.yaml"))
	if err != nil {
		o.Fatal(err)
	}
	rooms := node.AllRooms(settings)
	for _, r := range rooms {
		sqldbtest.Open(o, sqldb.Place{Dir: settings.Data}, r.Name, r.Sets...)
	}
	return rooms
}

func TestStoreCopy(t *testing.T) {
	o := newOffice(t)
	to := o.path("postgres.yaml")
	o.runs("!there is no data", "lite.yaml", "store", "copy", to)
	o.runs("done", "lite.yaml", "migrate")
	rooms := o.everyRoom()
	o.runs("is added", "lite.yaml", "client", "add", o.path("app.yaml"))
	o.runs("is published", "lite.yaml", "keys", "rotate", "RS256")
	before := o.runs("RS256", "lite.yaml", "keys", "list")

	o.runs("!another issuer", "lite.yaml", "store", "copy", o.path("elsewhere.yaml"))
	o.runs("!master key", "lite.yaml", "store", "copy", o.path("foreign.yaml"))
	_, release, err := flow.NodeID(o.path("data"))
	if err != nil {
		t.Fatal(err)
	}
	o.runs("!a node runs in", "lite.yaml", "store", "copy", to)
	release()
	// A node that is about to make its name.
	release, err = flow.Use(o.path("data"))
	if err != nil {
		t.Fatal(err)
	}
	o.runs("!a node runs in", "lite.yaml", "store", "copy", to)
	release()
	o.runs("!broker: it is not there yet", "postgres.yaml", "migrate", "--check")

	said := o.runs("Every row was read again", "lite.yaml", "store", "copy", to)
	for _, want := range []string{"broker   clients         1", "broker   keys            5", "portal   drafts          0", "signing  bodies          0",
		"The audit is whole up to row", "The room portal"} {
		if !strings.Contains(said, want) {
			t.Errorf("without %q:\n%s", want, said)
		}
	}
	for _, never := range []string{"sessions", "held", "short", "audit_sequencer"} {
		if strings.Contains(said, never+" ") {
			t.Errorf("with %s:\n%s", never, said)
		}
	}
	o.runs("as this release needs it", "postgres.yaml", "migrate", "--check")
	o.runs("app ", "postgres.yaml", "client", "list")
	for line := range strings.Lines(before) {
		o.runs(strings.TrimSpace(line), "postgres.yaml", "keys", "list") // and opened, each
	}
	o.runs("!there are rows already; nothing was copied", "lite.yaml", "store", "copy", to)
	// What comes after does not collide with what was there.
	o.runs("is published", "postgres.yaml", "keys", "rotate", "ES256")
	o.runs("The audit is whole", "postgres.yaml", "audit", "verify")
	o.runs("The audit is whole", "lite.yaml", "audit", "verify")
	if len(rooms) != 4 {
		t.Errorf("%d rooms", len(rooms))
	}

	// A newer release has worked on the target.
	db, err := (sqldb.Place{DSN: o.read("dsn"), Prefix: "s_"}).Open(t.Context(), "signing", sqldb.Durable)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	sqldbtest.Exec(t, db, `INSERT INTO migrations VALUES ('signing/9999_later', 0)`)
	o.runs("!signing: a newer release", "postgres.yaml", "migrate")
	o.runs("!newer than this program", "lite.yaml", "store", "copy", to)
}

func (o *office) read(name string) string {
	o.Helper()
	text, err := os.ReadFile(o.path(name))
	if err != nil {
		o.Fatal(err)
	}
	return string(text)
}

func FuzzManifest(f *testing.F) {
	f.Add(`{"format": 1, "databases": [{"name": "broker", "file": "broker.db"}]}`)
	f.Add(`{"format": 1, "databases": [{"name": "broker", "file": "../broker.db"}, {"name": "x"}]}`)
	f.Add(`{"format": 1, "databases": null}`)
	rooms := []string{"broker", "signing"}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseManifest([]byte(text), rooms)
		if err != nil {
			return
		}
		if len(m.Databases) == 0 || len(m.Databases) > len(rooms) {
			t.Errorf("%d databases", len(m.Databases))
		}
		for _, k := range m.Databases {
			if k.File != "broker.db" && k.File != "signing.db" {
				t.Errorf("a file %q", k.File)
			}
		}
	})
}
