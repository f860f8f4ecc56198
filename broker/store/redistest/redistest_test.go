package redistest

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func get(t *testing.T, s *Server) string {
	t.Helper()
	c := s.Client()
	defer c.Close()
	text, err := c.Get(context.Background(), "k").Result()
	if err != nil && err.Error() != "redis: nil" {
		t.Fatal(err)
	}
	return text
}

func set(t *testing.T, s *Server, value string) {
	t.Helper()
	c := s.Client()
	defer c.Close()
	if err := c.Set(context.Background(), "k", value, 0).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestServerKeepsItsData(t *testing.T) {
	s := Start(t)
	set(t, s, "one")
	s.Kill()
	s.Start()
	if got := get(t, s); got != "one" {
		t.Errorf("after a kill %q", got)
	}
	s.Stop()
	s.Start()
	if got := get(t, s); got != "one" {
		t.Errorf("after a stop %q", got)
	}
	restore := s.Snapshot()
	set(t, s, "two")
	restore()
	if got := get(t, s); got != "one" {
		t.Errorf("with old data %q", got)
	}
	s.Empty()
	if got := get(t, s); got != "" {
		t.Errorf("when empty %q", got)
	}
}

// A server dies with the process that started it, even if that is killed.
func TestServerDiesWithTheTest(t *testing.T) {
	const child = "SIGILL_REDISTEST_CHILD"
	if os.Getenv(child) != "" {
		s := Start(t)
		os.Stdout.WriteString("pid " + strconv.Itoa(s.run.pid) + "\n")
		select {}
	}
	program(t, "redis-server")
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), child+"=1", "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var text string
	for b := make([]byte, 100); !strings.Contains(text, "\n"); {
		n, err := out.Read(b)
		text += string(b[:n])
		if err != nil {
			break
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	pid, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(text, "pid ")))
	if err != nil {
		t.Fatalf("the child said %q", text)
	}
	for end := time.Now().Add(10 * time.Second); syscall.Kill(pid, 0) == nil; time.Sleep(10 * time.Millisecond) {
		if state, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); strings.Contains(string(state), ") Z ") {
			return // dead; nobody has asked for it yet
		}
		if time.Now().After(end) {
			syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("the server outlived its test")
		}
	}
}
