// Package cmd_test keeps the plan of the house: which rooms there are, who may
// stand on whom, and what production never links (DESIGN.md section 3).
package cmd_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A pkg is what go list tells of a package.
type pkg struct {
	Dir, ImportPath, Name              string
	GoFiles, TestGoFiles, XTestGoFiles []string
	Imports, TestImports, XTestImports []string
	Deps                               []string
	Error                              *struct{ Err string }
}

const module = "sigill"

// A rule says which of our packages the packages of a room may import; the
// first rule that fits a package holds. Names end in /... for a whole tree. What
// a room may import always includes itself.
type rule struct {
	room string
	may  []string
	why  string
}

var rules = []rule{
	{"providers", []string{"providers/personnummer"}, "the vocabulary stands on the standard library alone"},
	{"providers/personnummer/...", nil, "value types know nobody"},
	{"providers/...", []string{"providers/..."}, "e-IDs know only e-IDs"},
	{"broker/kit/...", []string{"broker", "broker/kit/...", "providers/..."}, "the shared ground knows no room that stands on it"},
	{"broker/...", []string{"broker/...", "providers/..."}, "rooms import downwards"},
	{"signing/...", []string{"signing/...", "broker/...", "providers/..."}, "rooms import downwards"},
	{"portal/...", []string{"portal/...", "broker/kit/...", "providers/personnummer"}, "the portal knows the others only as an API client"},
	{"testidp/...", []string{"testidp/..."}, "a misreading of a protocol must not hide in both ends"},
	{"cmd/sigill/...", []string{"cmd/sigill/...", "cmd/node/...", "portal/...", "signing/...", "broker/...", "providers/..."}, "production links no simulator"},
	{"cmd/testidp/...", []string{"cmd/testidp/...", "testidp/..."}, "the simulators share no code with what they test"},
	{"cmd/...", []string{"..."}, ""},
}

// Broker's domain may be used by the part of the kit that reads clients, since
// their format is the configuration's; nothing else of the kit knows a room.
var kitKnowsDomain = []string{"broker/kit/config"}

func TestImports(t *testing.T) {
	for _, p := range list(t, "./...") {
		for _, imported := range p.Imports {
			if problem := judge(p.ImportPath, imported); problem != "" {
				t.Error(problem)
			}
		}
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			if problem := judge(p.ImportPath, imported); problem != "" && !testMay(p.ImportPath, imported) {
				t.Errorf("in a test: %s", problem)
			}
		}
	}
}

// judge says what is wrong with an import; empty: nothing.
func judge(from, to string) string {
	from, okFrom := ours(from)
	to, okTo := ours(to)
	if !okFrom || !okTo {
		return ""
	}
	for _, r := range rules {
		if !within(from, r.room) {
			continue
		}
		if from == to || within(to, r.room) && strings.HasSuffix(r.room, "/...") && r.may == nil {
			return ""
		}
		if within(from, "broker/kit/...") && to == "broker" && !slices.Contains(kitKnowsDomain, from) {
			return fmt.Sprintf("%s imports %s: %s", from, to, r.why)
		}
		for _, may := range r.may {
			if within(to, may) {
				return ""
			}
		}
		return fmt.Sprintf("%s imports %s: %s", from, to, r.why)
	}
	return fmt.Sprintf("%s belongs to no room", from)
}

// testMay: tests may use the simulators, and outside the simulators' own tests
// that is all they may do more than their package. Of the shared ground only
// what speaks with mail servers and gateways has a simulator to speak with.
func testMay(from, to string) bool {
	from, _ = ours(from)
	to, _ = ours(to)
	return within(to, "testidp/...") && (!within(from, "broker/kit/...") || from == "broker/kit/notify")
}

// TestJudge proves that the rules can say no.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		from, to string
		allowed  bool
	}{
		{"providers", "net/http", true},
		{"providers", "sigill/providers/personnummer", true},
		{"sigill/providers", "sigill/providers/xmlsec", false},
		{"sigill/providers/personnummer", "sigill/providers", false},
		{"sigill/providers/bankid", "sigill/providers", true},
		{"sigill/providers/bankid", "sigill/broker", false},
		{"sigill/providers/bankid", "sigill/testidp/bankid", false},
		{"sigill/broker/kit/page", "sigill/broker/kit/i18n", true},
		{"sigill/broker/kit/page", "sigill/broker", false},
		{"sigill/broker/kit/config", "sigill/broker", true},
		{"sigill/broker/kit/page", "sigill/broker/web", false},
		{"sigill/broker/web", "sigill/broker/flow", true},
		{"sigill/broker/web", "sigill/signing", false},
		{"sigill/signing/web", "sigill/broker/flow", true},
		{"sigill/signing", "sigill/portal", false},
		{"sigill/portal/web", "sigill/broker/kit/page", true},
		{"sigill/portal/web", "sigill/broker", false},
		{"sigill/portal/web", "sigill/signing", false},
		{"sigill/portal", "sigill/providers", false},
		{"sigill/portal", "sigill/providers/personnummer", true},
		{"sigill/testidp/bankid", "sigill/testidp/pki", true},
		{"sigill/testidp/bankid", "sigill/providers", false},
		{"sigill/cmd/sigill", "sigill/broker/oidc", true},
		{"sigill/cmd/sigill", "sigill/testidp/bankid", false},
		{"sigill/cmd/testidp", "sigill/testidp/bankid", true},
		{"sigill/cmd/testidp", "sigill/broker/kit/page", false},
		{"sigill/cmd/demo", "sigill/testidp/bankid", true},
		{"sigill/broker", "sigill/cmd/sigill", false},
		{"sigill/elsewhere", "sigill/broker", false},
	} {
		if problem := judge(c.from, c.to); (problem == "") != c.allowed {
			t.Errorf("%s → %s: %q", c.from, c.to, problem)
		}
	}
}

// What some packages never link, however indirectly: production no simulators
// and nothing that only tests need; an e-ID's verification neither a room nor a
// database, so that it can be done offline; the vocabulary nothing at all.
var neverLinked = map[string][]string{
	"./cmd/sigill": {
		"sigill/testidp", "testing", "net/http/httptest", "github.com/chromedp", "pgregory.net/rapid", "github.com/google/go-cmp",
		"go.uber.org/goleak", "github.com/rogpeppe/go-internal", "github.com/andybalholm/cascadia", "github.com/emersion", "github.com/getkin",
	},
	// A stranger verifies receipts with neither database nor network.
	"./signing/verify":         {"database/sql", "modernc.org", "sigill/broker/store", "sigill/broker/flow", "sigill/broker/oidc", "sigill/signing/orders", "github.com/wneessen"},
	"./signing":                {"database/sql", "net/http", "sigill/broker/flow", "github.com/wneessen"},
	"./providers/bankid":       {"sigill/broker", "database/sql", "modernc.org"},
	"./providers":              {"net/http", "database/sql", "github.com", "golang.org"},
	"./providers/personnummer": {"net/http", "database/sql", "github.com", "golang.org"},
}

func TestLinks(t *testing.T) {
	for from, nevers := range neverLinked {
		linked := list(t, "-deps", from)
		for _, p := range linked {
			for _, never := range nevers {
				if p.ImportPath == never || strings.HasPrefix(p.ImportPath, never+"/") {
					t.Errorf("%s links %s", from, p.ImportPath)
				}
			}
		}
		if len(linked) < 2 {
			t.Errorf("%s links nothing at all: is it still there?", from)
		}
	}
}

// TestPackages: one package comment each, no drawers, no init.
func TestPackages(t *testing.T) {
	for _, p := range list(t, "./...") {
		files := p.GoFiles
		if len(files) == 0 {
			files = slices.Concat(p.TestGoFiles, p.XTestGoFiles)
		}
		path, _ := ours(p.ImportPath)
		for _, word := range strings.Split(path, "/") {
			if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "misc", "models"}, word) {
				t.Errorf("%s: a drawer is no room", path)
			}
		}
		var commented []string
		for _, name := range files {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments)
			if err != nil {
				t.Error(err)
				continue
			}
			if f.Doc != nil {
				commented = append(commented, name)
			}
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s/%s has an init function", path, name)
				}
			}
		}
		if len(commented) != 1 {
			t.Errorf("%s has %d package comments, in %v", path, len(commented), commented)
		}
	}
}

// What may stand at the top of the house.
var top = []string{
	".ci", ".git", ".gitattributes", ".github", ".gitignore", "Makefile", "README.md", "LICENSE", "go.mod", "go.sum",
	"broker", "cmd", "portal", "providers", "signing", "testidp",
	".deps", "bin", "tmp", // ignored: what make leaves behind
}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(top, e.Name()) {
			t.Errorf("%s does not belong at the top level", e.Name())
		}
	}
}

func TestModule(t *testing.T) {
	out, err := exec.Command("go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Module  struct{ Path string }
		Replace []any
		Exclude []any
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	if mod.Module.Path != module || len(mod.Replace) != 0 || len(mod.Exclude) != 0 {
		t.Errorf("go.mod: module %s, %d replace, %d exclude", mod.Module.Path, len(mod.Replace), len(mod.Exclude))
	}
}

// list runs go list in the root of the module.
func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-json=Dir,ImportPath,Name,GoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports,Error"}, args...)...)
	cmd.Dir = ".."
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	byPath := map[string]pkg{}
	for d := json.NewDecoder(out); ; {
		var p pkg
		err := d.Decode(&p)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.Error != nil {
			t.Errorf("%s: %s", p.ImportPath, p.Error.Err)
		}
		byPath[p.ImportPath] = p
	}
	if err := cmd.Wait(); err != nil || len(byPath) == 0 {
		t.Fatalf("go list: %v, %d packages", err, len(byPath))
	}
	return slices.SortedFunc(maps.Values(byPath), func(a, b pkg) int { return strings.Compare(a.ImportPath, b.ImportPath) })
}

// ours cuts the module's name off an import path.
func ours(path string) (string, bool) {
	if path == module {
		return ".", true
	}
	return strings.CutPrefix(path, module+"/")
}

// within reports whether a package matches a name that may end in /... .
func within(path, pattern string) bool {
	if pattern == "..." {
		return true
	}
	if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == tree || strings.HasPrefix(path, tree+"/")
	}
	return path == pattern
}
