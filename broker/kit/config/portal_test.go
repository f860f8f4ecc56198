package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sigill/broker/kit/config"
)

const signingPart = "signing: {seal: {certificate_file: seal.pem, key_file: seal.key}}\n"

func TestPortal(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"seal.pem", "seal.key", "register.token", "staff.secret", "master.key", "rp.p12", "rp.pass"} {
		if err := os.WriteFile(at(name), []byte("secret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"tenants", "services"} {
		if err := os.Mkdir(at(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	base := "issuer: http://localhost:8080\ndata: data\nmaster_key_file: master.key\nproviders:\n  - {name: demo, kind: bankid, environment: production, offers: [mbankid], pkcs12_file: rp.p12, passphrase_file: rp.pass}\n"
	for name, c := range map[string]struct {
		yaml    string
		want    *config.Portal
		problem string
	}{
		"none": {yaml: base},
		"least": {
			yaml: base + signingPart + "portal: {tenants: tenants, services: services}\n",
			want: &config.Portal{Listen: "127.0.0.1:8081", Tenants: at("tenants"), Services: at("services")},
		},
		"all": {
			yaml: base + signingPart + `portal:
  listen: 127.0.0.1:9000
  tenants: tenants
  services: services
  register: {url: http://localhost:8082/register/population/, token_file: register.token}
  staff: {issuer: http://localhost:8082/oidc/staff, client_id: portal, secret_file: staff.secret}
`,
			want: &config.Portal{
				Listen: "127.0.0.1:9000", Tenants: at("tenants"), Services: at("services"),
				Register: &config.Register{URL: "http://localhost:8082/register/population", TokenFile: at("register.token")},
				Staff:    &config.Staff{Issuer: "http://localhost:8082/oidc/staff", ClientID: "portal", SecretFile: at("staff.secret")},
			},
		},
		"without signing": {yaml: base + "portal: {tenants: tenants, services: services}\n", problem: "portal: needs a signing part"},
		"no folder":       {yaml: base + signingPart + "portal: {tenants: none, services: services}\n", problem: "portal.tenants: there is no folder"},
		"to the world":    {yaml: base + signingPart + "portal: {listen: \":8081\", tenants: tenants, services: services}\n", problem: "portal.listen: plain http"},
		"same address":    {yaml: base + signingPart + "portal: {listen: \"127.0.0.1:8080\", tenants: tenants, services: services}\n", problem: "portal.listen: is the address of another part"},
		"unknown":         {yaml: base + signingPart + "portal: {tenants: tenants, services: services, tenant: x}\n", problem: "portal.tenant"},
		"half a staff":    {yaml: base + signingPart + "portal: {tenants: tenants, services: services, staff: {issuer: http://localhost:1/}}\n", problem: "client_id"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := config.Parse(at("c.yaml"), []byte(c.yaml))
			if c.problem != "" {
				if err == nil || !strings.Contains(err.Error(), c.problem) {
					t.Fatalf("got %v, want %s", err, c.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.Portal); diff != "" {
				t.Error(diff)
			}
		})
	}
}
