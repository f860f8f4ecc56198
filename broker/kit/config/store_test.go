package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestStore: what is said of databases is checked before anything is opened,
// and nothing of a connection string is repeated.
func TestStore(t *testing.T) {
	dir := t.TempDir()
	secret := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	far := secret("far", "postgres://sigill:hush-hush@db.example.se/sigill?sslmode=verify-full\n")
	for _, c := range []struct{ name, yaml, fault string }{
		{"nothing", `{}`, ""},
		{"a database", `{postgres: {dsn_file: ` + far + `, prefix: sigill_, connections: 10}}`, ""},
		{"on this machine", `{postgres: {dsn_file: ` + secret("near", "host=/run/postgresql dbname=sigill") + `}}`, ""},
		{"unencrypted", `{postgres: {dsn_file: ` + secret("bare", "postgres://sigill:hush-hush@db.example.se/sigill?sslmode=disable") + `}}`, "unencrypted"},
		{"encrypted when it likes", `{postgres: {dsn_file: ` + secret("prefer", "postgres://sigill:hush-hush@db.example.se/sigill?sslmode=prefer") + `}}`, "unencrypted"},
		{"no connection string", `{postgres: {dsn_file: ` + secret("bad", "postgres://hush-hush:x@:::/") + `}}`, "no connection string"},
		{"another name", `{postgres: {dsn_file: ` + far + `, prefix: "a; DROP"}}`, "a to z"},
		{"too few", `{postgres: {dsn_file: ` + far + `, connections: 1}}`, "connections"},
		{"redis", `{redis: {addresses: ["localhost:6379"]}}`, ""},
		{"far redis", `{redis: {addresses: ["redis.example.se:6379"]}}`, "must be true"},
		{"far redis with tls", `{redis: {addresses: ["redis.example.se:6379"], tls: true, prefix: "exempelby:"}}`, ""},
		{"several", `{redis: {addresses: ["localhost:1", "localhost:2"]}}`, "sentinel_master"},
		{"sentinels", `{redis: {addresses: ["localhost:1", "localhost:2"], sentinel_master: sigill}}`, ""},
		{"a cluster of sentinels", `{redis: {addresses: ["localhost:1"], sentinel_master: sigill, cluster: true}}`, "together"},
		{"a cluster's database", `{redis: {addresses: ["localhost:1"], cluster: true, database: 2}}`, "always 0"},
		{"braces", `{redis: {addresses: ["localhost:1"], prefix: "{a}"}}`, "braces"},
		{"no port", `{redis: {addresses: ["localhost"]}}`, "port"},
		{"something else", `{mysql: {}}`, "mysql"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := Example
			text = "store: " + c.yaml + "\n" + text
			_, _, err := Parse(filepath.Join(dir, "sigill.yaml"), []byte(text))
			said := ""
			if err != nil {
				for line := range strings.Lines(err.Error()) {
					if strings.Contains(line, " store") || strings.Contains(line, "mysql") {
						said += line
					}
				}
			}
			if (said == "") != (c.fault == "") || !strings.Contains(said, c.fault) {
				t.Errorf("said %q", said)
			}
			if err != nil && strings.Contains(err.Error(), "hush-hush") {
				t.Error("a secret is repeated")
			}
		})
	}
}
