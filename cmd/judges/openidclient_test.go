package judges

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// testOpenIDClient runs the certified npm library against the demo.
func testOpenIDClient(t *testing.T, d *demo) {
	node := program(t, "node")
	deps := root(t, ".deps")
	file(t, filepath.Join(deps, "node_modules/openid-client/package.json"))
	// A module finds its packages beside itself.
	source, err := os.ReadFile("openidclient.mjs")
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(deps, "openidclient.mjs")
	if err := os.WriteFile(script, source, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, script)
	cmd.Env = append(os.Environ(), "SIGILL_DATA="+d.data, "NODE_NO_WARNINGS=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := strings.Count(string(out), "ok "); n != 3 {
		t.Errorf("%d of 3 flows:\n%s", n, out)
	}
}
