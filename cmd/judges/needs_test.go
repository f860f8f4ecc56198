package judges

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// judged says that the judges were called: they take minutes and fixed ports,
// so an ordinary go test leaves them out.
func judged(t testing.TB) {
	t.Helper()
	if os.Getenv("SIGILL_JUDGES") == "" {
		t.Skip("the judges run by make judges, or with SIGILL_JUDGES=1")
	}
}

// soaking chooses the number of rounds.
func soaking(few, many int) int {
	if os.Getenv("SIGILL_SOAK") != "" {
		return many
	}
	return few
}

// lack skips a test that lacks something, and fails it where nothing may be
// lacking.
func lack(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s, and CI is set; make deps installs it", what)
	}
	t.Skipf("%s; make deps installs it", what)
}

// program finds the first of some programs that is there.
func program(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		for _, dir := range []string{"", "/usr/sbin/"} {
			if path, err := exec.LookPath(dir + name); err == nil {
				return path
			}
		}
	}
	lack(t, "there is no program "+names[0])
	return ""
}

// file finds a file that a package brings.
func file(t testing.TB, path string) string {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		lack(t, "there is no file "+path)
	}
	return path
}

// root is the folder of the module; tests run in their package's folder.
func root(t testing.TB, below ...string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(append([]string{"../.."}, below...)...))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// output gives the path of a file that is left for people to look at.
func output(t testing.TB, below ...string) string {
	t.Helper()
	path := root(t, append([]string{"tmp"}, below...)...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// vacant fails when somebody listens on one of the ports already: we would
// judge the wrong program.
func vacant(t testing.TB, ports ...string) {
	t.Helper()
	for _, port := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatalf("port %s is taken; stop what listens there (is a demo running?)", port)
		}
		l.Close()
	}
}

// freePort gives a port that nobody listens on right now.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
