package testidp

import (
	"os/exec"
	"strings"
	"testing"
)

// TestImportsNothingOfOurs keeps the two ends apart (DESIGN.md section 3) and
// the package testing out of programs.
func TestImportsNothingOfOurs(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./...", "sigill/cmd/testidp").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, p := range strings.Fields(string(out)) {
		ours := strings.HasPrefix(p, "sigill/") && !strings.HasPrefix(p, "sigill/testidp") && p != "sigill/cmd/testidp"
		if ours || p == "testing" {
			t.Errorf("imports %s", p)
		}
	}
	if !strings.Contains(string(out), "sigill/testidp/bankid") {
		t.Error("the list is not what this test thinks")
	}
}
